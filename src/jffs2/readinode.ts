/**
 * Brings an inode into memory: reads all its nodes, decides which one rules where, and checks the
 * data CRCs of those that count. Facts: reference jffs2.md §2.2, §5.8, §8.3.
 *
 * Who rules a byte of a file is the valid node with the highest version. The nodes are sorted once
 * and swept by offset with a heap of the versions that cover it, O(n log n) for any input; files
 * written in order take a shortcut without the heap.
 */
import { BUG_ON } from '../lump/bug.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { PAGE_SIZE, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import { bytesToName, type ByteName } from '../lump/types.js';
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
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_ATIME,
  I_COMPR,
  I_CSIZE,
  I_CTIME,
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
  JFFS2_COMPR_ZERO,
  JFFS2_MAX_NAME_LEN,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  PAD,
  isUsableName,
} from './medium.js';
import {
  INO_STATE_CHECKEDABSENT,
  INO_STATE_PRESENT,
  INO_STATE_READING,
  jffs2_alloc,
  ref_block,
  ref_flags,
  ref_obsolete,
  ref_offset,
  ref_totlen,
  REF_NORMAL,
  REF_PRISTINE,
  REF_UNCHECKED,
  set_ref_state,
  type jffs2_full_dirent,
  type jffs2_full_dnode,
  type jffs2_inode_cache,
  type jffs2_inode_info,
  type jffs2_node_frag,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import { jffs2_mark_node_obsolete } from './nodemgmt.js';

/** An inode node while the inode is being read (Linux's jffs2_tmp_dnode_info). */
interface tmp_dnode {
  version: number;
  raw: Ref;
  ofs: number;
  size: number;
  csize: number;
  data_crc: number;
  checked: boolean;
}

/** The attributes of the ruling node. */
export interface jffs2_latest_node {
  version: number;
  mode: number;
  uid: number;
  gid: number;
  isize: number;
  atime: number;
  mtime: number;
  ctime: number;
  csize: number;
  dsize: number;
}

/** Moves a node's bytes from unchecked to used, and gives it its state. */
function accountChecked(c: jffs2_sb_info, raw: Ref, state: number): void {
  if (ref_flags(c, raw) === REF_UNCHECKED) {
    const jeb = ref_block(c, raw);
    const len = ref_totlen(c, raw);
    jeb.unchecked_size -= len;
    c.unchecked_size -= len;
    jeb.used_size += len;
    c.used_size += len;
  }
  set_ref_state(c, raw, state);
}

/** What reading all nodes of an inode yields before any decision. */
interface gathered {
  /** Data and hole nodes. */
  nodes: tmp_dnode[];
  /** The newest node without data, if any. */
  metadata: tmp_dnode | null;
  dents: Map<ByteName, jffs2_full_dirent> | null;
  highest_version: number;
  /** Of directory entries: the newest version with a time, and the time. */
  dirent_version: number;
  dirent_mctime: number;
}

/** Reads the nodes of an inode from the medium. Bad ones become obsolete and are left out. */
function jffs2_get_inode_nodes(c: jffs2_sb_info, f: jffs2_inode_info): gathered {
  const { refs } = c;
  const result: gathered = {
    nodes: [],
    metadata: null,
    dents: null,
    highest_version: 0,
    dirent_version: 0,
    dirent_mctime: 0,
  };
  for (let raw = f.inocache.nodes; raw !== 0; raw = refs.next_in_ino[raw]!) {
    if (ref_obsolete(c, raw)) continue;
    const offset = ref_offset(c, raw);
    const length = ref_totlen(c, raw);
    const { buf, off } = c.view(offset, length);
    switch (c.e.u16(buf, off + H_TYPE)) {
      case JFFS2_NODETYPE_DIRENT:
        readDirent(c, f, raw, buf, off, length, result);
        break;
      case JFFS2_NODETYPE_INODE:
        readInodeNode(c, f, raw, buf, off, length, result);
        break;
      default:
        c.damage.report('bad node', offset, `unexpected node of inode ${f.inocache.ino}`);
        jffs2_mark_node_obsolete(c, raw);
    }
  }
  return result;
}

function readDirent(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  raw: Ref,
  buf: Uint8Array,
  off: number,
  length: number,
  into: gathered,
): void {
  const { e } = c;
  const nsize = Math.min(buf[off + D_NSIZE]!, length - DIRENT_SIZE);
  if (ref_flags(c, raw) === REF_UNCHECKED) {
    // Known from a summary only.
    if (
      e.u32(buf, off + D_NODE_CRC) !== crc32_le(0, buf, off, D_NODE_CRC) ||
      e.u32(buf, off + D_NAME_CRC) !== crc32_le(0, buf, off + DIRENT_SIZE, nsize) ||
      PAD(e.u32(buf, off + H_TOTLEN)) !== length ||
      e.u32(buf, off + D_PINO) !== f.inocache.ino
    ) {
      c.damage.report('node crc', ref_offset(c, raw), 'directory entry');
      jffs2_mark_node_obsolete(c, raw);
      return;
    }
    accountChecked(c, raw, e.u32(buf, off + D_INO) === 0 ? REF_NORMAL : REF_PRISTINE);
  }
  const version = e.u32(buf, off + D_VERSION);
  const mctime = e.u32(buf, off + D_MCTIME);
  if (version > into.highest_version) into.highest_version = version;
  if (mctime !== 0 && version > into.dirent_version) {
    into.dirent_version = version;
    into.dirent_mctime = mctime;
  }
  const name = bytesToName(buf, off + DIRENT_SIZE, off + DIRENT_SIZE + nsize);
  if (!isUsableName(name)) {
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  into.dents ??= new Map();
  const older = into.dents.get(name);
  // Equal versions: the chain runs from the newest reference to the oldest, and the one found later
  // by the scan wins.
  if (older && older.version >= version) {
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  if (older) jffs2_mark_node_obsolete(c, older.raw);
  const ino = e.u32(buf, off + D_INO);
  into.dents.set(name, { raw, version, ino, type: buf[off + D_TYPE]!, name, pos: 0 });
  BUG_ON(f.dents !== null, 'a directory is read twice');
}

function readInodeNode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  raw: Ref,
  buf: Uint8Array,
  off: number,
  length: number,
  into: gathered,
): void {
  const { e } = c;
  const reject = (kind: 'node crc' | 'bad node', why: string): void => {
    c.damage.report(kind, ref_offset(c, raw), why);
    jffs2_mark_node_obsolete(c, raw);
  };
  if (ref_flags(c, raw) === REF_UNCHECKED) {
    if (e.u32(buf, off + I_NODE_CRC) !== crc32_le(0, buf, off, INODE_CRC_LENGTH)) {
      reject('node crc', 'inode node');
      return;
    }
    // A summary may lie about whose it is.
    const ino = e.u32(buf, off + I_INO);
    if (ino !== f.inocache.ino) {
      reject('bad node', `a node of inode ${ino} where inode ${f.inocache.ino} is said to be`);
      return;
    }
    const csize = e.u32(buf, off + I_CSIZE);
    const dataEnd = e.u32(buf, off + I_OFFSET) + e.u32(buf, off + I_DSIZE);
    if (e.u32(buf, off + I_OFFSET) > e.u32(buf, off + I_ISIZE) || dataEnd > 0xffffffff) {
      reject('bad node', 'data behind the end of the file');
      return;
    }
    const stored = INODE_SIZE + csize;
    if (stored > length || PAD(stored) !== length || PAD(e.u32(buf, off + H_TOTLEN)) !== length) {
      reject('bad node', 'data length and node length do not agree');
      return;
    }
  }
  const version = e.u32(buf, off + I_VERSION);
  if (version > into.highest_version) into.highest_version = version;
  const tn: tmp_dnode = {
    version,
    raw,
    ofs: e.u32(buf, off + I_OFFSET),
    size: e.u32(buf, off + I_DSIZE),
    csize: e.u32(buf, off + I_CSIZE),
    data_crc: e.u32(buf, off + I_DATA_CRC),
    checked: ref_flags(c, raw) !== REF_UNCHECKED,
  };
  if (tn.size > 0) {
    into.nodes.push(tn);
    return;
  }
  // Attributes only: all but the newest are out of date. (Equal versions: the later one, see
  // above.)
  if (into.metadata && into.metadata.version >= version) {
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  if (into.metadata) jffs2_mark_node_obsolete(c, into.metadata.raw);
  into.metadata = tn;
}

/** Checks the data CRC of a node once. @returns false when it is bad. */
function check_node(c: jffs2_sb_info, tn: tmp_dnode): boolean {
  if (tn.checked) return true;
  if (tn.csize > 0) {
    const { buf, off } = c.view(ref_offset(c, tn.raw), INODE_SIZE + tn.csize);
    const crc = c.crc(buf, off + INODE_SIZE, tn.csize);
    if (crc !== tn.data_crc) {
      c.damage.report(
        'data crc',
        ref_offset(c, tn.raw),
        `file offset ${tn.ofs}, ${tn.size} bytes: 0x${crc.toString(16)}, node says ` +
          `0x${tn.data_crc.toString(16)}`,
      );
      return false;
    }
  }
  tn.checked = true;
  return true;
}

/**
 * Which node provides which run of the file.
 * @param nodes ascending by precedence.
 * @returns runs, ascending by offset, as [ofs, end, index into nodes].
 */
function sweep(nodes: readonly tmp_dnode[]): { ofs: number; end: number; node: number }[] {
  const order = nodes.map((_, n) => n).sort((a, b) => nodes[a]!.ofs - nodes[b]!.ofs || a - b);
  const runs: { ofs: number; end: number; node: number }[] = [];
  let disjoint = true;
  for (let n = 1; n < order.length && disjoint; n++) {
    const before = nodes[order[n - 1]!]!;
    disjoint = before.ofs + before.size <= nodes[order[n]!]!.ofs;
  }
  if (disjoint) {
    for (const n of order) {
      const { ofs, size } = nodes[n]!;
      runs.push({ ofs, end: ofs + size, node: n });
    }
    return runs;
  }
  // A binary heap of the nodes that may cover the current offset, the ruling one on top. Nodes that
  // ended are taken off when they come to the top.
  const heap: number[] = [];
  const push = (n: number): void => {
    let at = heap.push(n) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (heap[up]! >= n) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = n;
  };
  const pop = (): void => {
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && heap[down + 1]! > heap[down]!) down++;
      if (heap[down]! <= last) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  };
  let position = 0;
  let next = 0;
  while (next < order.length || heap.length > 0) {
    while (heap.length > 0) {
      const top = nodes[heap[0]!]!;
      if (top.ofs + top.size > position) break;
      pop();
    }
    if (heap.length === 0) {
      if (next === order.length) break;
      position = nodes[order[next]!]!.ofs;
    }
    while (next < order.length && nodes[order[next]!]!.ofs <= position) push(order[next++]!);
    const ruling = heap[0]!;
    const top = nodes[ruling]!;
    let end = top.ofs + top.size;
    if (end <= position) continue;
    if (next < order.length) end = Math.min(end, nodes[order[next]!]!.ofs);
    const last = runs[runs.length - 1];
    if (last && last.node === ruling && last.end === position) last.end = end;
    else runs.push({ ofs: position, end, node: ruling });
    position = end;
  }
  return runs;
}

/** Settles who rules where; nodes that rule nowhere, or whose data is bad, become obsolete. */
function jffs2_build_inode_fragtree(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  gatheredNodes: tmp_dnode[],
): tmp_dnode | null {
  // The chain runs from new to old; of equal versions the one found later by the scan rules.
  let nodes = gatheredNodes.reverse();
  nodes.sort((a, b) => a.version - b.version);
  let runs = sweep(nodes);
  for (let round = 0; ; round++) {
    const bad = new Set<number>();
    if (round === 0) {
      for (const run of runs) if (!check_node(c, nodes[run.node]!)) bad.add(run.node);
    } else {
      // What lay beneath bad nodes comes up: from now on check everything, so that a medium full of
      // bad nodes is not swept once per node.
      for (let n = 0; n < nodes.length; n++) if (!check_node(c, nodes[n]!)) bad.add(n);
    }
    if (bad.size === 0) break;
    for (const n of bad) jffs2_mark_node_obsolete(c, nodes[n]!.raw);
    nodes = nodes.filter((_, n) => !bad.has(n));
    runs = sweep(nodes);
  }

  const full: (jffs2_full_dnode | null)[] = nodes.map(() => null);
  for (const run of runs) {
    const tn = nodes[run.node]!;
    const fn = full[run.node] ?? { raw: tn.raw, ofs: tn.ofs, size: tn.size, frags: 0 };
    full[run.node] = fn;
    fn.frags++;
    f.fragtree.push({ ofs: run.ofs, size: run.end - run.ofs, node: fn });
  }
  for (let n = 0; n < nodes.length; n++) {
    if (full[n]) {
      if (ref_flags(c, nodes[n]!.raw) === REF_UNCHECKED) {
        accountChecked(c, nodes[n]!.raw, REF_PRISTINE);
      }
    } else {
      jffs2_mark_node_obsolete(c, nodes[n]!.raw);
    }
  }
  markShared(c, f.fragtree);
  return nodes.length > 0 ? nodes[nodes.length - 1]! : null;
}

/**
 * Nodes that were cut by newer ones, or that share a page with a neighbour, are worth merging when
 * they are collected: they are not copied verbatim (PRISTINE) but rewritten (NORMAL).
 */
function markShared(c: jffs2_sb_info, frags: readonly jffs2_node_frag[]): void {
  for (let n = 0; n < frags.length; n++) {
    const frag = frags[n]!;
    const { node } = frag;
    if (node.frags > 1 || frag.size !== node.size) set_ref_state(c, node.raw, REF_NORMAL);
    const before = n > 0 ? frags[n - 1]! : null;
    if (before && sharePage(before, frag)) {
      set_ref_state(c, node.raw, REF_NORMAL);
      set_ref_state(c, before.node.raw, REF_NORMAL);
    }
  }
}

function sharePage(before: jffs2_node_frag, after: jffs2_node_frag): boolean {
  const lastPage = Math.floor((before.ofs + before.size - 1) / PAGE_SIZE);
  return lastPage === Math.floor(after.ofs / PAGE_SIZE);
}

/**
 * Linux's jffs2_do_read_inode_internal: fills f from the medium.
 * @returns the attributes, or null for a directory without an inode node (the root after mkfs).
 * @throws EIO nothing usable is there.
 */
function jffs2_do_read_inode_internal(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
): jffs2_latest_node | null {
  jffs2_alloc(c, 'jffs2_tmp_dnode');
  const found = jffs2_get_inode_nodes(c, f);
  f.highest_version = Math.max(found.highest_version, f.inocache.highest_version);
  f.dents = found.dents;
  if (f.dents) {
    // Chains run backwards; entries are listed in the order in which they were made.
    const ordered = [...f.dents.values()].sort((a, b) => a.version - b.version || a.raw - b.raw);
    for (const fd of ordered) fd.pos = f.next_dirent_pos++;
    f.dents = new Map(ordered.map((fd) => [fd.name, fd]));
  }
  const newestData = jffs2_build_inode_fragtree(c, f, found.nodes);
  let ruling = newestData;
  if (found.metadata) {
    if (newestData && newestData.version > found.metadata.version) {
      jffs2_mark_node_obsolete(c, found.metadata.raw);
    } else {
      const { raw } = found.metadata;
      accountChecked(c, raw, REF_NORMAL);
      f.metadata = { raw, ofs: 0, size: 0, frags: 0 };
      ruling = found.metadata;
    }
  }
  // Version 0 is what a damaged or foreign writer leaves; Linux finds no latest node then.
  if (!ruling || ruling.version === 0) {
    if (f.inocache.ino === 1 || f.dents) {
      if (f.inocache.state === INO_STATE_READING) f.inocache.state = INO_STATE_PRESENT;
      return null;
    }
    throw new Errno('EIO', `inode ${f.inocache.ino} has no usable node`);
  }

  const { e } = c;
  const { buf, off } = c.view(ref_offset(c, ruling.raw), INODE_SIZE);
  const latest: jffs2_latest_node = {
    version: ruling.version,
    mode: e.u32(buf, off + I_MODE),
    uid: e.u16(buf, off + I_UID),
    gid: e.u16(buf, off + I_GID),
    isize: e.u32(buf, off + I_ISIZE),
    atime: e.u32(buf, off + I_ATIME),
    mtime: e.u32(buf, off + I_MTIME),
    ctime: e.u32(buf, off + I_CTIME),
    csize: e.u32(buf, off + I_CSIZE),
    dsize: e.u32(buf, off + I_DSIZE),
  };

  switch (latest.mode & S_IFMT) {
    case S_IFDIR:
      if (found.dirent_version > latest.version) {
        latest.ctime = latest.mtime = found.dirent_mctime;
      }
      break;
    case S_IFREG: {
      jffs2_truncate_fragtree(c, f, latest.isize);
      const last = f.fragtree[f.fragtree.length - 1];
      const end = last ? last.ofs + last.size : 0;
      if (end < latest.isize) {
        // Only a node (a hole, if need be) makes a file larger.
        if (latest.isize > 0 && end > 0) {
          c.lump.pr_debug(
            `jffs2: inode ${f.inocache.ino}: size ${latest.isize}, data ends at ${end}`,
          );
        }
        latest.isize = end;
      }
      break;
    }
    case S_IFLNK:
    case S_IFBLK:
    case S_IFCHR: {
      const isLink = (latest.mode & S_IFMT) === S_IFLNK;
      if (isLink && latest.isize === 0) latest.isize = latest.dsize;
      if (f.metadata || f.fragtree.length !== 1) {
        throw new Errno(
          'EIO',
          `special inode ${f.inocache.ino} has ${f.fragtree.length} data nodes` +
            `${f.metadata ? ' and one without data' : ''} where exactly one belongs`,
        );
      }
      if (isLink) f.target = readSymlink(c, f, f.fragtree[0]!.node.raw, latest.csize);
      // Its single node moves to where metadata belongs.
      f.metadata = f.fragtree[0]!.node;
      f.fragtree = [];
      break;
    }
    default:
      break;
  }
  if (f.inocache.state === INO_STATE_READING) f.inocache.state = INO_STATE_PRESENT;
  return latest;
}

function readSymlink(c: jffs2_sb_info, f: jffs2_inode_info, raw: Ref, csize: number): ByteName {
  if (csize > JFFS2_MAX_NAME_LEN) {
    throw new Errno('ENAMETOOLONG', `symbolic link ${f.inocache.ino} of ${csize} bytes`);
  }
  // Never compressed: the kernel hands out the stored bytes as they are.
  const { buf, off } = c.view(ref_offset(c, raw), INODE_SIZE + csize);
  const target = bytesToName(buf, off + INODE_SIZE, off + INODE_SIZE + csize);
  const nul = target.indexOf('\0');
  return nul < 0 ? target : target.slice(0, nul);
}

/**
 * Linux's jffs2_do_read_inode: reads inode `ino` into f.
 * @returns as jffs2_do_read_inode_internal; for the root of a blank medium, null.
 * @throws ENOENT there is no such inode (or it was deleted); EIO.
 */
export function jffs2_do_read_inode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  ic: jffs2_inode_cache | null,
): jffs2_latest_node | null {
  if (!ic || ic.pino_nlink === 0) throw new Errno('ENOENT');
  BUG_ON(ic.state === INO_STATE_PRESENT, `inode ${ic.ino} is in memory already`);
  f.inocache = ic;
  ic.state = INO_STATE_READING;
  try {
    return jffs2_do_read_inode_internal(c, f);
  } catch (error) {
    ic.state = INO_STATE_CHECKEDABSENT;
    throw error;
  }
}

/**
 * The background check of one inode: reads it and lets it go. Damage is reported, not thrown.
 * @throws ENOMEM, EIO the inode could not be read for now, and has unchecked nodes still.
 */
export function jffs2_do_crccheck_inode(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  f: jffs2_inode_info,
): void {
  f.inocache = ic;
  try {
    jffs2_do_read_inode_internal(c, f);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    for (let raw = ic.nodes; raw !== 0; raw = c.refs.next_in_ino[raw]!) {
      if (ref_flags(c, raw) === REF_UNCHECKED) throw error;
    }
    c.damage.report('bad node', ic.nodes === 0 ? 0 : ref_offset(c, ic.nodes), error.message);
  }
}

// ---- the map of a file --------------------------------------------------------------------------

/** Index of the last fragment that starts at or before `ofs`; -1 if none does. */
export function jffs2_lookup_node_frag(frags: readonly jffs2_node_frag[], ofs: number): number {
  // What is at low begins at or before it, what is at high behind it.
  let low = -1;
  let high = frags.length;
  // Most are whole pages, so that it is that of its page, or one of the next.
  let at = Math.min(Math.floor(ofs / PAGE_SIZE), high - 1);
  for (let step = 1; at >= 0 && at < high; at += step, step *= 2) {
    const start = frags[at]!.ofs;
    if (start === ofs) return at;
    if (start < ofs) low = at;
    else high = at;
  }
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (frags[middle]!.ofs <= ofs) low = middle;
    else high = middle;
  }
  return low;
}

/** A fragment of the node is gone. */
function dropNode(c: jffs2_sb_info, node: jffs2_full_dnode): void {
  if (--node.frags === 0) jffs2_mark_node_obsolete(c, node.raw);
  else set_ref_state(c, node.raw, REF_NORMAL);
}

/** Cuts the map off at `size`. */
export function jffs2_truncate_fragtree(c: jffs2_sb_info, f: jffs2_inode_info, size: number): void {
  const frags = f.fragtree;
  while (frags.length > 0) {
    const last = frags[frags.length - 1]!;
    if (last.ofs + last.size <= size) return;
    if (last.ofs < size) {
      last.size = size - last.ofs;
      // A node that starts a page needs no merging with what is before it.
      set_ref_state(c, last.node.raw, last.ofs % PAGE_SIZE === 0 ? REF_PRISTINE : REF_NORMAL);
      return;
    }
    frags.pop();
    dropNode(c, last.node);
  }
}

/**
 * Puts a node that was just written into the map: it rules its range, what it covers entirely is
 * obsolete.
 */
export function jffs2_add_full_dnode_to_inode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  fn: jffs2_full_dnode,
): void {
  if (fn.size === 0) return;
  const frags = f.fragtree;
  const end = fn.ofs + fn.size;
  fn.frags = 1;

  let at = jffs2_lookup_node_frag(frags, fn.ofs);
  if (at >= 0 && frags[at]!.ofs + frags[at]!.size <= fn.ofs) at++;
  if (at < 0) at = 0;
  // [at, stop) overlap the new node.
  let stop = at;
  while (stop < frags.length && frags[stop]!.ofs < end) stop++;

  if (stop === at + 1 && fn.ofs % PAGE_SIZE === 0 && end % PAGE_SIZE === 0) {
    const old = frags[at]!;
    if (old.ofs === fn.ofs && old.size === fn.size) {
      // A page for a page, as most often: no neighbour shares it.
      const { node } = old;
      if (node.frags > 1) {
        old.node = fn;
        dropNode(c, node);
        return;
      }
      // The entry stays: new ones would be what lives longest, and costs most, of a write.
      const { raw } = node;
      node.raw = fn.raw;
      node.ofs = fn.ofs;
      node.size = fn.size;
      jffs2_mark_node_obsolete(c, raw);
      return;
    }
  }
  const frag: jffs2_node_frag = { ofs: fn.ofs, size: fn.size, node: fn };
  const put: jffs2_node_frag[] = [frag];
  const gone: jffs2_node_frag[] = [];
  for (let n = at; n < stop; n++) {
    const old = frags[n]!;
    const oldEnd = old.ofs + old.size;
    const head = old.ofs < fn.ofs;
    const tail = oldEnd > end;
    if (head && tail) {
      const rest: jffs2_node_frag = { ofs: end, size: oldEnd - end, node: old.node };
      old.node.frags++;
      put.push(rest);
    }
    if (head) {
      old.size = fn.ofs - old.ofs;
      put.unshift(old);
    } else if (tail) {
      old.ofs = end;
      old.size = oldEnd - end;
      put.push(old);
    } else {
      gone.push(old);
      continue;
    }
    set_ref_state(c, old.node.raw, REF_NORMAL);
  }
  if (stop === frags.length && at === stop) {
    for (const item of put) frags.push(item);
  } else if (put.length === 1 && stop - at === 1) {
    frags[at] = frag;
  } else {
    frags.splice(at, stop - at, ...put);
  }
  for (const old of gone) dropNode(c, old.node);

  // Neighbours in the same page are to be merged.
  const here = frags.indexOf(frag, Math.max(0, at - 1));
  if (fn.ofs % PAGE_SIZE !== 0 && here > 0 && sharePage(frags[here - 1]!, frag)) {
    set_ref_state(c, fn.raw, REF_NORMAL);
    set_ref_state(c, frags[here - 1]!.node.raw, REF_NORMAL);
  }
  if (end % PAGE_SIZE !== 0 && here + 1 < frags.length && sharePage(frag, frags[here + 1]!)) {
    set_ref_state(c, fn.raw, REF_NORMAL);
    set_ref_state(c, frags[here + 1]!.node.raw, REF_NORMAL);
  }
}

/** Is the node a hole, whatever its length? (Not its span but its codec tells.) */
export function isHoleNode(c: jffs2_sb_info, raw: Ref): boolean {
  const { buf, off } = c.view(ref_offset(c, raw), INODE_SIZE);
  return buf[off + I_COMPR] === JFFS2_COMPR_ZERO;
}

/** The node's own file offset, as it is on the medium. */
export function nodeFileOffset(c: jffs2_sb_info, raw: Ref): number {
  const { buf, off } = c.view(ref_offset(c, raw), INODE_SIZE);
  return c.e.u32(buf, off + I_OFFSET);
}
