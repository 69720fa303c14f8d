/**
 * New nodes: data, attributes, directory entries. Facts: reference jffs2.md §2.
 *
 * A node is built in c.nodebuf, its payload compressed to its place behind the header, and
 * programmed in one go.
 */
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { PAGE_SIZE, S_IFMT } from '../lump/fs.js';
import { type ByteName, putName } from '../lump/types.js';
import type { compr_lengths } from './compr.js';
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
  I_ATIME,
  I_COMPR,
  I_CSIZE,
  I_CTIME,
  I_DATA_CRC,
  I_DSIZE,
  I_FLAGS,
  I_GID,
  I_INO,
  I_ISIZE,
  I_MODE,
  I_MTIME,
  I_NODE_CRC,
  I_OFFSET,
  I_UID,
  I_USERCOMPR,
  I_VERSION,
  JFFS2_COMPR_NONE,
  JFFS2_COMPR_ZERO,
  JFFS2_MAGIC_BITMASK,
  JFFS2_MIN_DATA_LEN,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_SUMMARY_DIRENT_SIZE,
  JFFS2_SUMMARY_INODE_SIZE,
  PAD,
} from './medium.js';
import {
  INO_STATE_PRESENT,
  jffs2_add_ino_cache,
  jffs2_alloc,
  jffs2_inode_cache,
  jffs2_next_version,
  REF_NORMAL,
  REF_OBSOLETE,
  REF_PRISTINE,
  ref_offset,
  type jffs2_full_dirent,
  type jffs2_full_dnode,
  type jffs2_inode_info,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import {
  ALLOC_DELETION,
  ALLOC_GC,
  ALLOC_NORETRY,
  ALLOC_NORMAL,
  jffs2_add_physical_node_ref,
  jffs2_complete_reservation,
  jffs2_mark_node_obsolete,
  jffs2_reserve_space,
  jffs2_reserve_space_gc,
  write_ofs,
} from './nodemgmt.js';
import { jffs2_add_full_dnode_to_inode } from './readinode.js';
import { jffs2_flash_write } from './wbuf.js';

/** The attributes that go into an inode node. Times in seconds. */
export interface jffs2_node_attr {
  mode: number;
  uid: number;
  gid: number;
  isize: number;
  atime: number;
  mtime: number;
  ctime: number;
}

/**
 * Programs c.nodebuf's first `totlen` bytes at the reserved place and registers the node. A failed
 * write is tried once more, at a new place, and with a new version if need be; but not one of
 * ALLOC_NORETRY.
 * @param sumsize bytes of the node's summary entry.
 * @throws EIO, ENOSPC
 */
function programNode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  totlen: number,
  state: number,
  alloc: number,
  sumsize: number,
): Ref {
  const owner = f.inocache;
  const forWhom = alloc === ALLOC_GC ? 0 : owner.ino;
  for (let retried = false; ; retried = true) {
    const offset = write_ofs(c);
    try {
      jffs2_flash_write(c, offset, totlen, c.nodebuf, 0, forWhom);
      return jffs2_add_physical_node_ref(c, offset | state, PAD(totlen), owner);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      const written = c.retlen;
      c.damage.report('write failed', offset, `${written} of ${totlen} bytes: ${error.message}`);
      // The place is spoilt if anything got there.
      if (written > 0) jffs2_add_physical_node_ref(c, offset | REF_OBSOLETE, PAD(totlen), null);
      if (retried || alloc === ALLOC_NORETRY) throw error;
      if (alloc === ALLOC_GC) jffs2_reserve_space_gc(c, totlen, sumsize);
      else reserveAgain(c, f, totlen, alloc, sumsize);
    }
  }
}

/**
 * Writes an inode node at the reserved place.
 * @param compr codec of the payload, which is at c.nodebuf[INODE_SIZE …] already (`csize` bytes).
 * @param version the node's version; garbage collection of a hole keeps the old one.
 * @param alloc ALLOC_*, as space was reserved.
 */
export function jffs2_write_dnode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  attr: jffs2_node_attr,
  offset: number,
  dsize: number,
  csize: number,
  compr: number,
  version: number,
  alloc: number,
): jffs2_full_dnode {
  jffs2_alloc(c, 'jffs2_full_dnode');
  const { e } = c;
  const node = c.nodebuf;
  const view = c.nodeview;
  const { little } = e;
  const totlen = INODE_SIZE + csize;
  const { ino } = f.inocache;
  view.setUint16(0, JFFS2_MAGIC_BITMASK, little);
  view.setUint16(H_TYPE, JFFS2_NODETYPE_INODE, little);
  view.setUint32(H_TOTLEN, totlen, little);
  view.setUint32(H_CRC, crc32_le(0, node, 0, H_CRC), little);
  view.setUint32(I_INO, ino, little);
  view.setUint32(I_VERSION, version, little);
  view.setUint32(I_MODE, attr.mode, little);
  view.setUint16(I_UID, attr.uid, little);
  view.setUint16(I_GID, attr.gid, little);
  view.setUint32(I_ISIZE, attr.isize, little);
  view.setUint32(I_ATIME, attr.atime, little);
  view.setUint32(I_MTIME, attr.mtime, little);
  view.setUint32(I_CTIME, attr.ctime, little);
  view.setUint32(I_OFFSET, offset, little);
  view.setUint32(I_CSIZE, csize, little);
  view.setUint32(I_DSIZE, dsize, little);
  node[I_COMPR] = compr;
  node[I_USERCOMPR] = 0;
  view.setUint16(I_FLAGS, 0, little);
  view.setUint32(I_DATA_CRC, csize === 0 ? 0 : c.crc(node, INODE_SIZE, csize), little);
  view.setUint32(I_NODE_CRC, crc32_le(0, node, 0, INODE_CRC_LENGTH), little);

  const whole = dsize >= PAGE_SIZE || (offset % PAGE_SIZE === 0 && offset + dsize === attr.isize);
  const state = dsize > 0 && whole ? REF_PRISTINE : REF_NORMAL;
  const raw = programNode(c, f, totlen, state, alloc, JFFS2_SUMMARY_INODE_SIZE);
  const written = e.u32(node, I_VERSION);
  c.summary.addInode(ino, written, ref_offset(c, raw) % c.sector_size, totlen);
  return { raw, ofs: offset, size: dsize, frags: 0 };
}

/** Gives the reservation back and takes a new one; collecting garbage may need nodebuf. */
function reserveAgain(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  totlen: number,
  alloc: number,
  sumsize: number,
): void {
  const saved = c.nodebuf.slice(0, totlen);
  f.sem.unlock();
  jffs2_complete_reservation(c);
  try {
    jffs2_reserve_space(c, totlen, alloc, sumsize);
  } catch (error) {
    // The caller will unlock both.
    c.alloc_sem.lock();
    f.sem.lock();
    throw error;
  }
  f.sem.lock();
  c.nodebuf.set(saved);
  renewVersion(c, f);
}

/** Collecting garbage may have used versions of the inode whose node is in c.nodebuf. */
function renewVersion({ e, nodebuf: node }: jffs2_sb_info, f: jffs2_inode_info): void {
  const isInode = e.u16(node, H_TYPE) === JFFS2_NODETYPE_INODE;
  const at = isInode ? I_VERSION : D_VERSION;
  if (f.highest_version < e.u32(node, at)) return;
  e.put32(node, at, jffs2_next_version(f));
  if (isInode) e.put32(node, I_NODE_CRC, crc32_le(0, node, 0, INODE_CRC_LENGTH));
  else e.put32(node, D_NODE_CRC, crc32_le(0, node, 0, D_NODE_CRC));
}

/**
 * Writes a directory entry at the reserved place.
 * @param ino 0 writes a deletion.
 */
export function jffs2_write_dirent(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  name: ByteName,
  ino: number,
  type: number,
  mctime: number,
  version: number,
  alloc: number,
): jffs2_full_dirent {
  jffs2_alloc(c, 'jffs2_full_dirent');
  const { e } = c;
  const node = c.nodebuf;
  const totlen = DIRENT_SIZE + name.length;
  e.put16(node, 0, JFFS2_MAGIC_BITMASK);
  e.put16(node, H_TYPE, JFFS2_NODETYPE_DIRENT);
  e.put32(node, H_TOTLEN, totlen);
  e.put32(node, H_CRC, crc32_le(0, node, 0, H_CRC));
  e.put32(node, D_PINO, f.inocache.ino);
  e.put32(node, D_VERSION, version);
  e.put32(node, D_INO, ino);
  e.put32(node, D_MCTIME, mctime);
  node[D_NSIZE] = name.length;
  node[D_TYPE] = type;
  e.put16(node, D_TYPE + 1, 0);
  e.put32(node, D_NODE_CRC, crc32_le(0, node, 0, D_NODE_CRC));
  putName(node, DIRENT_SIZE, name);
  e.put32(node, D_NAME_CRC, crc32_le(0, node, DIRENT_SIZE, name.length));

  const sumsize = JFFS2_SUMMARY_DIRENT_SIZE(name.length);
  const state = ino === 0 ? REF_NORMAL : REF_PRISTINE;
  const raw = programNode(c, f, totlen, state, alloc, sumsize);
  const written = e.u32(node, D_VERSION);
  const inBlock = ref_offset(c, raw) % c.sector_size;
  c.summary.addDirent(f.inocache.ino, written, ino, type, name, inBlock, totlen);
  // As on NOR: after fsync of a file it has its name.
  if (ino !== 0 && alloc !== ALLOC_GC) c.wbuf?.concerns(ino);
  return { raw, version: written, ino, type, name, pos: 0 };
}

/**
 * Compresses (a beginning of) the data into c.nodebuf behind the header.
 * @param room bytes that the node may have.
 * @returns the codec; `out` has the bytes consumed and produced.
 */
export function compressToNode(
  c: jffs2_sb_info,
  data: Uint8Array,
  at: number,
  datalen: number,
  room: number,
  out: compr_lengths,
): number {
  out.srclen = datalen;
  out.dstlen = Math.min(room - INODE_SIZE, datalen);
  const compr = c.compressors.compress(data, at, out, c.nodebuf, INODE_SIZE);
  if (compr === JFFS2_COMPR_NONE && c.thin === null) {
    c.nodebuf.set(data.subarray(at, at + out.srclen), INODE_SIZE);
  }
  return compr;
}

/**
 * Writes file data: as many nodes as the space in erase blocks and the pages of the file demand. No
 * node crosses a page: Linux's garbage collector takes one that does for a hole.
 * @returns the bytes written; fewer than `writelen` when the flash failed or filled up after some.
 * @throws ENOSPC, EIO when nothing was written.
 */
export function jffs2_write_inode_range(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  attr: jffs2_node_attr,
  data: Uint8Array,
  at: number,
  offset: number,
  writelen: number,
): number {
  let done = 0;
  let retried = false;
  while (done < writelen) {
    const ofs = offset + done;
    let room: number;
    try {
      room = jffs2_reserve_space(
        c,
        INODE_SIZE + JFFS2_MIN_DATA_LEN,
        ALLOC_NORMAL,
        JFFS2_SUMMARY_INODE_SIZE,
      );
    } catch (error) {
      if (done > 0 && error instanceof Errno) return done;
      throw error;
    }
    f.sem.lock();
    try {
      const datalen = Math.min(writelen - done, PAGE_SIZE - (ofs % PAGE_SIZE));
      const compr = compressToNode(c, data, at + done, datalen, room, c.lengths);
      const { srclen, dstlen } = c.lengths;
      attr.isize = Math.max(attr.isize, ofs + srclen);
      const version = jffs2_next_version(f);
      const fn = jffs2_write_dnode(c, f, attr, ofs, srclen, dstlen, compr, version, ALLOC_NORETRY);
      jffs2_add_full_dnode_to_inode(c, f, fn);
      dropMetadata(c, f);
      done += srclen;
      retried = false;
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      if (retried) {
        if (done > 0) return done;
        throw error;
      }
      retried = true;
    } finally {
      f.sem.unlock();
      jffs2_complete_reservation(c);
    }
  }
  return done;
}

/** A data node has the attributes now. */
export function dropMetadata(c: jffs2_sb_info, f: jffs2_inode_info): void {
  if (!f.metadata) return;
  jffs2_mark_node_obsolete(c, f.metadata.raw);
  f.metadata = null;
}

/**
 * Writes a hole: `dsize` bytes of zeros at `offset` that need no space. Space is reserved and f.sem
 * held by the caller.
 */
export function jffs2_write_hole(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  attr: jffs2_node_attr,
  offset: number,
  dsize: number,
): void {
  const fn = jffs2_write_dnode(
    c,
    f,
    attr,
    offset,
    dsize,
    0,
    JFFS2_COMPR_ZERO,
    jffs2_next_version(f),
    ALLOC_NORMAL,
  );
  jffs2_add_full_dnode_to_inode(c, f, fn);
  dropMetadata(c, f);
}

/**
 * A new inode number and its cache entry.
 * @throws ENOSPC the numbers are used up.
 */
export function jffs2_do_new_inode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  isDirectory: boolean,
  parent: number,
): void {
  if (c.highest_ino >= 0xffffffff) throw new Errno('ENOSPC', 'no inode number is left');
  jffs2_alloc(c, 'jffs2_inode_cache');
  const ic = new jffs2_inode_cache(++c.highest_ino);
  ic.pino_nlink = isDirectory ? parent : 1;
  ic.is_dir = isDirectory;
  ic.state = INO_STATE_PRESENT;
  ic.xattr_checked = true;
  jffs2_add_ino_cache(c, ic);
  f.inocache = ic;
  f.highest_version = 0;
}

/** Puts an entry into a directory in memory; an older one of the name becomes obsolete. */
export function jffs2_add_fd_to_dir(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  fd: jffs2_full_dirent,
): void {
  f.dents ??= new Map();
  const old = f.dents.get(fd.name);
  if (old) {
    // In place, so that the position of the name in listings stays; a name that comes back after
    // its deletion is new to a listing that has passed the old place.
    jffs2_mark_node_obsolete(c, old.raw);
    if (old.ino === 0 && fd.ino !== 0) {
      f.dents.delete(fd.name);
    } else {
      fd.pos = old.pos;
      f.dents.set(fd.name, fd);
      return;
    }
  }
  fd.pos = f.next_dirent_pos++;
  f.dents.set(fd.name, fd);
}

/** Writes an entry (or, with ino 0, a deletion) at the reserved place and puts it into the map. */
function putDirent(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  ino: number,
  type: number,
  name: ByteName,
  time: number,
  alloc: number,
): void {
  f.sem.lock();
  try {
    const fd = jffs2_write_dirent(c, f, name, ino, type, time, jffs2_next_version(f), alloc);
    jffs2_add_fd_to_dir(c, f, fd);
  } finally {
    f.sem.unlock();
  }
}

/** Reserves, writes an entry into directory `f`, and puts it into the map. @throws ENOSPC, EIO */
export function jffs2_do_link(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  ino: number,
  type: number,
  name: ByteName,
  time: number,
): void {
  jffs2_reserve_space(
    c,
    DIRENT_SIZE + name.length,
    ALLOC_NORMAL,
    JFFS2_SUMMARY_DIRENT_SIZE(name.length),
  );
  try {
    putDirent(c, f, ino, type, name, time, ALLOC_NORMAL);
  } finally {
    jffs2_complete_reservation(c);
  }
}

/**
 * Gives an inode a new name and takes the old one. Space for both entries is reserved at once, so
 * that a full medium refuses before anything is written. (Linux reserves twice, and may leave both
 * names.)
 * @param linked called when the new name is there; the old one is still to be removed.
 * @throws ENOSPC nothing has changed; EIO before or after `linked`.
 */
export function jffs2_do_rename(
  c: jffs2_sb_info,
  ino: number,
  type: number,
  to: { f: jffs2_inode_info; name: ByteName },
  from: { f: jffs2_inode_info; name: ByteName },
  time: number,
  linked: () => void,
): void {
  const second = PAD(DIRENT_SIZE + from.name.length);
  const secondEntry = JFFS2_SUMMARY_DIRENT_SIZE(from.name.length);
  jffs2_reserve_space(
    c,
    PAD(DIRENT_SIZE + to.name.length) + second,
    ALLOC_NORMAL,
    JFFS2_SUMMARY_DIRENT_SIZE(to.name.length) + secondEntry,
  );
  try {
    putDirent(c, to.f, ino, type, to.name, time, ALLOC_NORMAL);
    linked();
    // After a failed write the first entry went to another place than the one reserved.
    if (!c.nextblock || c.nextblock.free_size < second) {
      jffs2_complete_reservation(c);
      try {
        jffs2_reserve_space(c, second, ALLOC_DELETION, secondEntry);
      } catch (error) {
        c.alloc_sem.lock();
        throw error;
      }
    }
    putDirent(c, from.f, 0, 0, from.name, time, ALLOC_DELETION);
    c.wbuf?.concerns(ino);
  } finally {
    jffs2_complete_reservation(c);
  }
}

/**
 * Removes a name from directory `f` by writing a deletion, and takes the link from the inode.
 * @throws ENOSPC, EIO
 */
export function jffs2_do_unlink(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  name: ByteName,
  child: jffs2_inode_info,
  time: number,
): void {
  jffs2_reserve_space(
    c,
    DIRENT_SIZE + name.length,
    ALLOC_DELETION,
    JFFS2_SUMMARY_DIRENT_SIZE(name.length),
  );
  try {
    putDirent(c, f, 0, 0, name, time, ALLOC_DELETION);
    jffs2_drop_link(c, child);
  } finally {
    jffs2_complete_reservation(c);
  }
}

/** An inode has lost a name; a directory its only one. */
export function jffs2_drop_link(c: jffs2_sb_info, child: jffs2_inode_info): void {
  const { inocache } = child;
  if (inocache.is_dir) {
    // Deletions that it holds are of no use to anybody any more.
    for (const entry of child.dents?.values() ?? []) jffs2_mark_node_obsolete(c, entry.raw);
    child.dents = null;
    inocache.pino_nlink = 0;
  } else if (inocache.pino_nlink > 0) {
    inocache.pino_nlink--;
  }
}

/** The DT_ number of a mode. */
export const modeToType = (mode: number): number => (mode & S_IFMT) >> 12;
