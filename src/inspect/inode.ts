/**
 * One inode as its nodes make it: at the last version, or at any earlier one. Rules: reference
 * jffs2.md §2.2, as src/jffs2/readinode.ts has them; here nothing is marked, counted or thrown, so
 * that the state at version 3 can be asked for after that at version 7.
 */
import {
  DIRENT_SIZE,
  D_INO,
  D_MCTIME,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  H_TOTLEN,
  INODE_SIZE,
  I_ATIME,
  I_COMPR,
  I_CSIZE,
  I_CTIME,
  I_DSIZE,
  I_GID,
  I_INO,
  I_ISIZE,
  I_MODE,
  I_MTIME,
  I_OFFSET,
  I_UID,
  I_USERCOMPR,
  I_VERSION,
  JFFS2_COMPR_ZERO,
  JFFS2_MAX_NAME_LEN,
  decodeDeviceNumber,
} from '../jffs2/medium.js';
import { bytesToName, type ByteName } from '../lump/types.js';
import type { Flash } from './flash.js';
import type { Pieces } from './pieces.js';
import { sweep, type Run } from './sweep.js';

/** The types of st_mode. */
export const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;
const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;

/** Kind of an inode, by its mode; or what its nodes suggest. */
export type FileType =
  | 'file'
  | 'dir'
  | 'symlink'
  | 'char'
  | 'block'
  | 'fifo'
  | 'socket'
  | 'unknown';

const TYPES: Readonly<Record<number, FileType>> = {
  [S_IFSOCK]: 'socket',
  [S_IFLNK]: 'symlink',
  [S_IFREG]: 'file',
  [S_IFBLK]: 'block',
  [S_IFDIR]: 'dir',
  [S_IFCHR]: 'char',
  [S_IFIFO]: 'fifo',
};

export const typeOfMode = (mode: number): FileType => TYPES[mode & S_IFMT] ?? 'unknown';
/** DT_ number of a directory entry → type. */
export const typeOfDt = (dt: number): FileType => typeOfMode(dt << 12);

/** Data of one node that is believed, in bytes: as src/jffs2/read.ts. */
const NODE_DATA_MAX = 1 << 20;

/** An inode node, read from the medium. Sizes in bytes, times in seconds since 1970. */
export interface InodeNode {
  /** Index in {@link Pieces}. */
  readonly piece: number;
  readonly at: number;
  readonly ino: number;
  readonly version: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isize: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly offset: number;
  readonly csize: number;
  readonly dsize: number;
  readonly compr: number;
}

/** A directory entry, read from the medium. */
export interface DirentNode {
  readonly piece: number;
  readonly at: number;
  readonly pino: number;
  readonly version: number;
  /** 0: the name is deleted. */
  readonly ino: number;
  readonly mctime: number;
  /** DT_ number. */
  readonly type: number;
  readonly name: ByteName;
}

export function readInodeNode(flash: Flash, pieces: Pieces, piece: number): InodeNode {
  const at = pieces.at(piece);
  return {
    piece,
    at,
    ino: flash.u32(at + I_INO),
    version: flash.u32(at + I_VERSION),
    mode: flash.u32(at + I_MODE),
    uid: flash.u16(at + I_UID),
    gid: flash.u16(at + I_GID),
    isize: flash.u32(at + I_ISIZE),
    atime: flash.u32(at + I_ATIME),
    mtime: flash.u32(at + I_MTIME),
    ctime: flash.u32(at + I_CTIME),
    offset: flash.u32(at + I_OFFSET),
    csize: flash.u32(at + I_CSIZE),
    dsize: flash.u32(at + I_DSIZE),
    compr: flash.bytes[at + I_COMPR]!,
  };
}

export function readDirentNode(flash: Flash, pieces: Pieces, piece: number): DirentNode {
  const at = pieces.at(piece);
  const { bytes } = flash;
  const nsize = Math.min(bytes[at + D_NSIZE]!, flash.u32(at + H_TOTLEN) - DIRENT_SIZE);
  return {
    piece,
    at,
    pino: flash.u32(at + D_PINO),
    version: flash.u32(at + D_VERSION),
    ino: flash.u32(at + D_INO),
    mctime: flash.u32(at + D_MCTIME),
    type: bytes[at + D_TYPE]!,
    name: bytesToName(bytes, at + DIRENT_SIZE, at + DIRENT_SIZE + nsize),
  };
}

/** What an inode is. */
export interface InodeState {
  readonly ino: number;
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file its bytes, of a symbolic link those of its target; else 0. */
  readonly size: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  /** The version that rules; 0 for a directory known from its entries only. */
  readonly version: number;
  /** The node whose attributes these are. */
  readonly ruling?: InodeNode;
  /** Of a symbolic link. */
  readonly target?: ByteName;
  /** Of a device. */
  readonly rdev?: { readonly major: number; readonly minor: number };
  /** Which node gives which bytes, ascending, cut off at `size`. What is between is zero. */
  readonly runs: readonly Run<InodeNode>[];
  /** Why a mount answers EIO (or ENAMETOOLONG) for it. */
  readonly error?: string;
}

/** Attributes of an inode without any usable node, as a mount makes them up for a directory. */
const NOTHING = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0, ctime: 0, version: 0 };

/**
 * The state that `nodes` make.
 * @param nodes in the order of the medium. Those with wrong data CRCs must not be among them, but
 *   for nodes without data.
 * @param newestEntry of a directory: version and time of its newest entry that tells one.
 * @param isDirectory it has entries, or is the root: without nodes it is a directory all the same.
 */
export function inodeState(
  flash: Flash,
  ino: number,
  nodes: readonly InodeNode[],
  isDirectory: boolean,
  newestEntry?: { readonly version: number; readonly mctime: number },
): InodeState {
  const data = nodes.filter((node) => node.dsize > 0);
  // Of equal versions the one that comes later on the medium rules; the sort is stable.
  data.sort((a, b) => a.version - b.version);
  const newestData = data.at(-1);
  let metadata: InodeNode | undefined;
  for (const node of nodes) {
    if (node.dsize === 0 && (!metadata || node.version >= metadata.version)) metadata = node;
  }
  if (metadata && newestData && newestData.version > metadata.version) metadata = undefined;
  const ruling = metadata ?? newestData;
  if (!ruling || ruling.version === 0) {
    if (isDirectory) {
      return { ino, ...NOTHING, type: 'dir', mode: S_IFDIR | 0o755, runs: [] };
    }
    return { ino, ...NOTHING, type: 'unknown', runs: [], error: 'no usable node' };
  }
  let runs = sweep(
    data,
    (node) => node.offset,
    (node) => node.offset + node.dsize,
  );
  const type = typeOfMode(ruling.mode);
  const { mode, uid, gid, atime, mtime, ctime, version } = ruling;
  const base = { ino, type, mode, uid, gid, size: 0, atime, mtime, ctime, version, ruling };
  switch (type) {
    case 'dir':
      return newestEntry && newestEntry.version > version
        ? { ...base, mtime: newestEntry.mctime, ctime: newestEntry.mctime, runs: [] }
        : { ...base, runs: [] };
    case 'file': {
      runs = cutOff(runs, ruling.isize);
      return { ...base, size: Math.min(ruling.isize, runs.at(-1)?.end ?? 0), runs };
    }
    case 'symlink':
    case 'block':
    case 'char': {
      const [run] = runs;
      if (metadata || runs.length !== 1 || run === undefined) {
        const count = `${runs.length} data nodes${metadata ? ' and one without data' : ''}`;
        return { ...base, runs: [], error: `${count} where exactly one belongs` };
      }
      const payload = run.node.at + INODE_SIZE;
      const { csize } = ruling;
      if (type === 'symlink') {
        const size = ruling.isize || ruling.dsize;
        if (csize > JFFS2_MAX_NAME_LEN) {
          return { ...base, size, runs: [], error: `a target of ${csize} bytes` };
        }
        // Never compressed; what is behind a NUL is not seen.
        const target = bytesToName(flash.bytes, payload, payload + csize).split('\0', 1)[0]!;
        return { ...base, size, target, runs: [] };
      }
      const rdev = decodeDeviceNumber(flash.endian, flash.bytes, payload, csize);
      if (rdev === null) {
        return { ...base, runs: [], error: `a device number of ${csize} bytes` };
      }
      return { ...base, rdev, runs: [] };
    }
    case 'unknown':
      return { ...base, runs: [], error: `the mode 0${mode.toString(8)}` };
    default:
      return { ...base, runs: [] };
  }
}

function cutOff(runs: Run<InodeNode>[], size: number): Run<InodeNode>[] {
  const kept = runs.filter((run) => run.from < size);
  const last = kept.at(-1);
  if (last !== undefined && last.end > size) kept[kept.length - 1] = { ...last, end: size };
  return kept;
}

/** A piece of a file, or why it cannot be had. */
export interface FilePiece {
  readonly from: number;
  readonly end: number;
  readonly node: InodeNode;
  /** The bytes, valid until the next piece is asked for; null: unreadable. */
  readonly bytes: Uint8Array | null;
  readonly error?: string;
}

/**
 * The data of a file, ascending; holes (and what no node tells) are left out. A node that is used
 * by several pieces is decompressed for each of them, which writers avoid.
 */
export function* filePieces(flash: Flash, state: InodeState): Generator<FilePiece> {
  let scratch = new Uint8Array(4096);
  let inScratch = -1;
  for (const { from, end, node } of state.runs) {
    if (node.compr === JFFS2_COMPR_ZERO) continue;
    const { csize, dsize, compr } = node;
    const payload = node.at + INODE_SIZE;
    const start = from - node.offset;
    const length = end - from;
    if (compr === 0 && csize === dsize) {
      const at = payload + start;
      yield { from, end, node, bytes: flash.bytes.subarray(at, at + length) };
      continue;
    }
    if (dsize > NODE_DATA_MAX) {
      const error = `${csize} bytes claim to hold ${dsize}`;
      yield { from, end, node, bytes: null, error };
      continue;
    }
    if (scratch.length < dsize) scratch = new Uint8Array(dsize);
    if (inScratch !== node.at) {
      const usercompr = flash.bytes[node.at + I_USERCOMPR]!;
      const outcome = flash.compressors.decompress(
        compr,
        usercompr,
        flash.bytes,
        payload,
        csize,
        scratch,
        0,
        dsize,
      );
      inScratch = outcome === 'ok' ? node.at : -1;
      if (outcome !== 'ok') {
        const error =
          outcome === 'unknown'
            ? `compressed by method ${compr}, which nobody here knows`
            : 'the compressed data is malformed';
        yield { from, end, node, bytes: null, error };
        continue;
      }
    }
    yield { from, end, node, bytes: scratch.subarray(start, start + length) };
  }
}
