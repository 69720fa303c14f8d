/**
 * What changed between two states of a jffs2 medium, node by node and in words, for the demo. Knows
 * the nodes that a mount writes; src/jffs2/medium.ts knows all.
 */
import {
  D_INO,
  D_NSIZE,
  D_PINO,
  DIRENT_SIZE,
  type Endian,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  HEADER_SIZE,
  I_COMPR,
  I_CSIZE,
  I_DSIZE,
  I_INO,
  I_ISIZE,
  I_MODE,
  I_OFFSET,
  I_VERSION,
  JFFS2_COMPR_NONE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  LITTLE_ENDIAN,
  PAD,
} from '../src/jffs2/medium.js';
import { crc32_le } from '../src/lump/crc32.js';

/** The demo's image is a little-endian one. */
const e: Endian = LITTLE_ENDIAN;
const CODECS = ['none', 'zero', 'rtime', 'rubinmips', 'copy', 'dynrubin', 'zlib', 'lzo', 'lzma'];
const KINDS: Readonly<Record<number, string>> = {
  1: 'FIFO',
  2: 'character device',
  4: 'directory',
  6: 'block device',
  8: 'file',
  10: 'symbolic link',
  12: 'socket',
};

export interface BlockChange {
  readonly block: number;
  /** Bytes that differ. */
  readonly bytes: number;
  /** The new nodes, in words. */
  readonly nodes: readonly string[];
}

/** Blocks that differ. Both states have the same length, a whole number of blocks. */
export function blockChanges(
  before: Uint8Array,
  after: Uint8Array,
  eraseSizeBytes: number,
): BlockChange[] {
  const changes: BlockChange[] = [];
  for (let start = 0; start < after.length; start += eraseSizeBytes) {
    const end = start + eraseSizeBytes;
    let bytes = 0;
    for (let at = start; at < end; at++) if (before[at] !== after[at]) bytes++;
    if (bytes === 0) continue;
    changes.push({
      block: start / eraseSizeBytes,
      bytes,
      nodes: newNodes(before, after, start, end),
    });
  }
  return changes;
}

function newNodes(before: Uint8Array, after: Uint8Array, start: number, end: number): string[] {
  const words: string[] = [];
  for (let at = start; at + HEADER_SIZE <= end; ) {
    const length = nodeLength(after, at);
    if (length === 0) {
      at += 4;
      continue;
    }
    const isNew = after.subarray(at, at + length).some((byte, i) => byte !== before[at + i]);
    if (isNew) words.push(`0x${at.toString(16).padStart(6, '0')}  ${describe(after, at)}`);
    at += length;
  }
  return words;
}

/** Padded length of the node at `at`, or 0 when there is none. */
function nodeLength(bytes: Uint8Array, at: number): number {
  if (e.u16(bytes, at) !== JFFS2_MAGIC_BITMASK) return 0;
  if (crc32_le(0, bytes, at, H_CRC) !== e.u32(bytes, at + H_CRC)) return 0;
  return PAD(e.u32(bytes, at + H_TOTLEN));
}

function describe(bytes: Uint8Array, at: number): string {
  const nodetype = e.u16(bytes, at + H_TYPE);
  const size = `${e.u32(bytes, at + H_TOTLEN)} bytes`;
  switch (nodetype) {
    case JFFS2_NODETYPE_INODE:
      return `inode node, ${size}: ${describeInode(bytes, at)}`;
    case JFFS2_NODETYPE_DIRENT:
      return `directory entry, ${size}: ${describeDirent(bytes, at)}`;
    case JFFS2_NODETYPE_CLEANMARKER:
      return `cleanmarker, ${size}: the erase of this block was finished`;
    case JFFS2_NODETYPE_SUMMARY:
      return `summary, ${size}: lists the nodes of this block for the next mount`;
    default:
      return `node of type 0x${nodetype.toString(16)}, ${size}`;
  }
}

function describeInode(bytes: Uint8Array, at: number): string {
  const u32 = (field: number): number => e.u32(bytes, at + field);
  const mode = u32(I_MODE);
  const kind = KINDS[mode >>> 12] ?? 'thing of an unknown kind';
  const who = `${kind} ${u32(I_INO)}, version ${u32(I_VERSION)}`;
  const permissions = `mode ${(mode & 0o7777).toString(8)}`;
  const [stored, plain] = [u32(I_CSIZE), u32(I_DSIZE)];
  if (plain === 0) return `${who}: ${permissions}, size ${u32(I_ISIZE)}, no data`;
  const from = u32(I_OFFSET);
  const compr = bytes[at + I_COMPR]!;
  const codec = CODECS[compr] ?? `codec ${compr}`;
  const packed = compr === JFFS2_COMPR_NONE ? 'stored as they are' : `${codec}, ${stored} stored`;
  return `${who}: bytes ${from}–${from + plain - 1} (${packed}), size ${u32(I_ISIZE)}`;
}

function describeDirent(bytes: Uint8Array, at: number): string {
  const name = new TextDecoder().decode(
    bytes.subarray(at + DIRENT_SIZE, at + DIRENT_SIZE + bytes[at + D_NSIZE]!),
  );
  const directory = e.u32(bytes, at + D_PINO);
  const ino = e.u32(bytes, at + D_INO);
  return ino === 0
    ? `directory ${directory} has no "${name}" any more`
    : `directory ${directory} has "${name}", inode ${ino}`;
}
