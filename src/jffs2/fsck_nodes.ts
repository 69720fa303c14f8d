/**
 * A second reading of the medium, for {@link jffs2_fsck}: what the nodes of an inode say by
 * themselves, whatever memory holds of them. Shares nothing with readinode.ts on purpose; facts:
 * reference jffs2.md §2.
 */
import { crc32_le } from '../lump/crc32.js';
import { S_IFMT, S_IFREG } from '../lump/fs.js';
import { type ByteName, bytesToName } from '../lump/types.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_MCTIME,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_DSIZE,
  I_GID,
  I_INO,
  I_ISIZE,
  I_MODE,
  I_MTIME,
  I_NODE_CRC,
  I_OFFSET,
  I_UID,
  I_VERSION,
  isUsableName,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  PAD,
} from './medium.js';
import {
  ref_obsolete,
  ref_offset,
  ref_totlen,
  type jffs2_inode_cache,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';

interface inode_node {
  readonly kind: 'inode';
  readonly raw: Ref;
  readonly version: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isize: number;
  readonly mtime: number;
  readonly ofs: number;
  readonly dsize: number;
}

interface dirent_node {
  readonly kind: 'dirent';
  readonly raw: Ref;
  readonly version: number;
  readonly ino: number;
  readonly type: number;
  readonly mctime: number;
  readonly name: ByteName;
}

export type read_node = inode_node | dirent_node;

/** A run of a file and the version of the node that it is from. */
export interface read_run {
  readonly ofs: number;
  end: number;
  readonly version: number;
}

export interface inode_view {
  /** The node that the attributes are from; null: none, or none of a version above 0. */
  readonly latest: inode_node | null;
  /** Of a regular file, up to its size; neighbours of one version are one run. */
  readonly runs: readonly read_run[];
  /** Of a regular file: bytes, which only data and holes make. */
  readonly size: number;
  /** The newest entry of each name; ino 0 is a deletion. */
  readonly entries: ReadonlyMap<ByteName, dirent_node>;
  /** Of a directory: the time of the newest change. */
  readonly mtime: number;
  readonly highest_version: number;
}

/** Is there a node of that many bytes, with the right CRC of its header? */
export function isHeaderGood(c: jffs2_sb_info, buf: Uint8Array, off: number, len: number): boolean {
  const { e } = c;
  return (
    e.u16(buf, off) === JFFS2_MAGIC_BITMASK &&
    PAD(e.u32(buf, off + H_TOTLEN)) === len &&
    e.u32(buf, off + H_CRC) === crc32_le(0, buf, off, H_CRC)
  );
}

/** @returns null for what is no node of this inode that anybody would believe. @throws EIO */
export function readNode(c: jffs2_sb_info, ic: jffs2_inode_cache, raw: Ref): read_node | null {
  const { e } = c;
  const length = ref_totlen(c, raw);
  const { buf, off } = c.view(ref_offset(c, raw), length);
  if (!isHeaderGood(c, buf, off, length)) return null;
  switch (e.u16(buf, off + H_TYPE)) {
    case JFFS2_NODETYPE_INODE: {
      if (length < INODE_SIZE || e.u32(buf, off + I_INO) !== ic.ino) return null;
      if (e.u32(buf, off + I_NODE_CRC) !== crc32_le(0, buf, off, INODE_CRC_LENGTH)) return null;
      const csize = e.u32(buf, off + I_CSIZE);
      const ofs = e.u32(buf, off + I_OFFSET);
      const dsize = e.u32(buf, off + I_DSIZE);
      const isize = e.u32(buf, off + I_ISIZE);
      // Near 2^32 the padded sum begins anew.
      if (csize > length || PAD(INODE_SIZE + csize) !== length) return null;
      if (ofs > isize || ofs + dsize > 0xffffffff) return null;
      // Of what has no data the CRC is never looked at.
      if (dsize > 0 && csize > 0) {
        if (e.u32(buf, off + I_DATA_CRC) !== c.crc(buf, off + INODE_SIZE, csize)) return null;
      }
      return {
        kind: 'inode',
        raw,
        version: e.u32(buf, off + I_VERSION),
        mode: e.u32(buf, off + I_MODE),
        uid: e.u16(buf, off + I_UID),
        gid: e.u16(buf, off + I_GID),
        isize,
        mtime: e.u32(buf, off + I_MTIME),
        ofs,
        dsize,
      };
    }
    case JFFS2_NODETYPE_DIRENT: {
      const nsize = buf[off + D_NSIZE]!;
      if (DIRENT_SIZE + nsize > length || e.u32(buf, off + D_PINO) !== ic.ino) return null;
      if (e.u32(buf, off + D_NODE_CRC) !== crc32_le(0, buf, off, D_NODE_CRC)) return null;
      const nameCrc = crc32_le(0, buf, off + DIRENT_SIZE, nsize);
      if (e.u32(buf, off + D_NAME_CRC) !== nameCrc) return null;
      const name = bytesToName(buf, off + DIRENT_SIZE, off + DIRENT_SIZE + nsize);
      if (!isUsableName(name)) return null;
      return {
        kind: 'dirent',
        raw,
        version: e.u32(buf, off + D_VERSION),
        ino: e.u32(buf, off + D_INO),
        type: buf[off + D_TYPE]!,
        mctime: e.u32(buf, off + D_MCTIME),
        name,
      };
    }
    default:
      return null;
  }
}

/** What these nodes, the latest first, make of their inode. */
export function viewOf(nodes: readonly read_node[]): inode_view {
  let latest: inode_node | null = null;
  let highest_version = 0;
  let changed = { version: 0, mctime: 0 };
  const data: inode_node[] = [];
  const entries = new Map<ByteName, dirent_node>();
  for (const node of nodes) {
    if (node.version > highest_version) highest_version = node.version;
    if (node.kind === 'inode') {
      if (node.dsize > 0) data.push(node);
      if (node.version > (latest?.version ?? 0)) latest = node;
      continue;
    }
    if (node.mctime !== 0 && node.version > changed.version) changed = node;
    const other = entries.get(node.name);
    if (!other || node.version > other.version) entries.set(node.name, node);
  }
  const isFile = latest !== null && (latest.mode & S_IFMT) === S_IFREG;
  const runs = isFile ? runsOf(data, latest!.isize) : [];
  return {
    latest,
    runs,
    size: runs.at(-1)?.end ?? 0,
    entries,
    mtime: latest === null || changed.version > latest.version ? changed.mctime : latest.mtime,
    highest_version,
  };
}

/**
 * Which version rules where: the borders of all nodes make cells, and the nodes take them, the
 * newest first. A cell that is taken leads to the next that may be free, so that each is passed
 * once.
 */
function runsOf(nodes: readonly inode_node[], isize: number): read_run[] {
  const order = nodes
    .map((_, n) => n)
    .sort((a, b) => nodes[b]!.version - nodes[a]!.version || a - b);
  const borders = [...new Set(nodes.flatMap(({ ofs, dsize }) => [ofs, ofs + dsize]))];
  borders.sort((a, b) => a - b);
  const cellAt = new Map(borders.map((border, n) => [border, n]));
  const next = Uint32Array.from(borders, (_, n) => n);
  const free = (cell: number): number => {
    let end = cell;
    while (next[end] !== end) end = next[end]!;
    for (let at = cell; next[at] !== end; ) {
      const further = next[at]!;
      next[at] = end;
      at = further;
    }
    return end;
  };
  const version = new Float64Array(borders.length).fill(-1);
  for (const n of order) {
    const node = nodes[n]!;
    const end = cellAt.get(node.ofs + node.dsize)!;
    for (let cell = free(cellAt.get(node.ofs)!); cell < end; cell = free(cell)) {
      version[cell] = node.version;
      next[cell] = cell + 1;
    }
  }
  const runs: read_run[] = [];
  for (let cell = 0; cell + 1 < borders.length; cell++) {
    const ofs = borders[cell]!;
    const end = Math.min(borders[cell + 1]!, isize);
    if (version[cell]! < 0 || ofs >= end) continue;
    addRun(runs, ofs, end, version[cell]!);
  }
  return runs;
}

/** Adds a run at the end; the neighbour of one version grows. */
export function addRun(runs: read_run[], ofs: number, end: number, version: number): void {
  const last = runs.at(-1);
  if (last && last.end === ofs && last.version === version) last.end = end;
  else runs.push({ ofs, end, version });
}

/** All nodes of an inode that are on the medium, out of date or not, the latest first. */
export function nodesOf(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
): { readonly all: readonly read_node[]; readonly live: readonly read_node[] } {
  const all: read_node[] = [];
  const live: read_node[] = [];
  for (let raw = ic.nodes; raw !== 0; raw = c.refs.next_in_ino[raw]!) {
    const node = readNode(c, ic, raw);
    if (node === null) continue;
    all.push(node);
    if (!ref_obsolete(c, raw)) live.push(node);
  }
  return { all, live };
}
