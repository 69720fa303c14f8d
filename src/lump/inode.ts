/**
 * Inodes in memory: making, finding, counting and evicting them (Linux's fs/inode.c).
 *
 * Life of an inode: new_inode() or iget_locked() make it with one reference; iput() gives
 * references back. At zero, an inode without links, or one that is not in the table s_inodes (bad,
 * never inserted), is evicted at once; any other waits in s_inode_lru until it is asked for again
 * or the list grows past INODE_LRU_MAX. Eviction drops the pages and lets the file system free
 * i_private.
 *
 * Unlike Linux's, the table holds one mount's inodes only, nothing is ever dirty (file systems are
 * write-through), and nobody waits for I_NEW or I_FREEING: calls run to completion, so meeting such
 * an inode means that a file system asked for an inode while it was making or evicting that same
 * one. Linux would hang there; here it is a KernelPanic.
 */
import { in_group } from './attr.js';
import { BUG } from './bug.js';
import { Errno } from './errno.js';
import { truncate_inode_pages } from './filemap.js';
import {
  I_BAD,
  I_CLEAR,
  I_CREATING,
  I_FREEING,
  I_LINKABLE,
  I_NEW,
  inode,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISDIR,
  S_ISGID,
  S_IXGRP,
} from './fs.js';
import type { file_operations, inode_operations, super_block } from './fs.js';
import { rw_semaphore } from './locks.js';

/** Unreferenced inodes kept per mount. With a name cache above, most inodes are held by names. */
export const INODE_LRU_MAX = 4096;

const empty_iops: inode_operations = {};
const no_open_fops: file_operations = {
  open(): void {
    throw new Errno('ENXIO');
  },
};

// ---- making and finding -------------------------------------------------------------------------

/**
 * An inode with one reference, all times and i_ino 0, in no table. The caller fills it.
 * @throws ENOMEM when a test asked for it.
 */
export function new_inode(sb: super_block): inode {
  const { slab } = sb.s_lump;
  if (slab.armed) slab.maybe_fail('inode_cache');
  sb.s_nr_inodes++;
  return new inode(sb, empty_iops, no_open_fops, new rw_semaphore(sb.s_lump, 'i_rwsem'));
}

/**
 * Enters a new inode under its i_ino and marks it I_NEW; unlock_new_inode() completes it.
 * @throws EIO the number is in use. (Linux answers EBUSY, which its callers turn into EIO.)
 */
export function insert_inode_locked(inode: inode): void {
  const table = inode.i_sb.s_inodes;
  if (table.has(inode.i_ino)) throw new Errno('EIO', `inode ${inode.i_ino} exists already`);
  inode.i_state |= I_NEW | I_CREATING;
  table.set(inode.i_ino, inode);
}

/**
 * The inode of that number, with a reference. When it was not in memory it is a fresh one with
 * I_NEW set and no i_private: the caller reads it from the medium and calls unlock_new_inode() or
 * iget_failed().
 *
 * An inode that is being made (I_CREATING) is found, too: space for its own nodes may have to be
 * made by garbage collection that comes across the first of them. (In Linux that collection fails.)
 */
export function iget_locked(sb: super_block, ino: number): inode {
  const found = sb.s_inodes.get(ino);
  if (found !== undefined) {
    const busy = found.i_state & (I_NEW | I_CREATING | I_FREEING);
    if (busy !== 0 && busy !== (I_NEW | I_CREATING))
      BUG(`iget of inode ${ino} while it is being read or evicted`);
    grab(found);
    return found;
  }
  const fresh = new_inode(sb);
  fresh.i_ino = ino;
  fresh.i_state = I_NEW;
  sb.s_inodes.set(ino, fresh);
  return fresh;
}

export function unlock_new_inode(inode: inode): void {
  if ((inode.i_state & I_NEW) === 0) BUG(`inode ${inode.i_ino} is not new`);
  inode.i_state &= ~(I_NEW | I_CREATING);
}

/** Gives up an inode that could not be read: it turns bad, leaves the table and dies. */
export function iget_failed(inode: inode): void {
  make_bad_inode(inode);
  unlock_new_inode(inode);
  iput(inode);
}

/** The inode if it is in memory, with a reference. One that is being evicted is not found. */
export function ilookup(sb: super_block, ino: number): inode | null {
  const found = sb.s_inodes.get(ino);
  if (found === undefined || (found.i_state & I_FREEING) !== 0) return null;
  grab(found);
  return found;
}

/** Takes a reference on an inode that the caller does not own one of; null when it is dying. */
export function igrab(inode: inode): inode | null {
  if ((inode.i_state & (I_FREEING | I_CLEAR)) !== 0) return null;
  grab(inode);
  return inode;
}

/** Takes another reference; the caller owns one already. */
export function ihold(inode: inode): void {
  if (inode.i_count < 1) BUG(`ihold of the unreferenced inode ${inode.i_ino}`);
  inode.i_count++;
}

function grab(inode: inode): void {
  if (inode.i_count++ === 0) inode.i_sb.s_inode_lru.delete(inode);
}

// ---- giving back --------------------------------------------------------------------------------

/** Gives a reference back. May evict, and so call the file system's evict_inode. Never throws. */
export function iput(inode: inode | null): void {
  if (inode === null || (inode.i_state & I_CLEAR) !== 0) return;
  if (inode.i_count < 1) BUG(`iput of the unreferenced inode ${inode.i_ino}`);
  if (--inode.i_count > 0) return;
  const sb = inode.i_sb;
  if (inode.i_nlink === 0 || !sb.s_active || sb.s_inodes.get(inode.i_ino) !== inode) {
    evict(inode);
    return;
  }
  sb.s_inode_lru.add(inode);
  if (sb.s_inode_lru.size > INODE_LRU_MAX) shrink_icache(sb, INODE_LRU_MAX - (INODE_LRU_MAX >> 3));
}

function evict(inode: inode): void {
  const sb = inode.i_sb;
  inode.i_state |= I_FREEING;
  sb.s_inode_lru.delete(inode);
  truncate_inode_pages(inode, 0);
  try {
    sb.s_op?.evict_inode?.(inode);
  } catch (error) {
    // Whoever gave the last reference back cannot do anything about it.
    if (!(error instanceof Errno)) throw error;
    sb.s_lump.pr_err(`${sb.s_type.name}: evicting inode ${inode.i_ino}: ${error.message}`);
  }
  if (sb.s_inodes.get(inode.i_ino) === inode) sb.s_inodes.delete(inode.i_ino);
  clear_inode(inode);
  inode.i_rwsem.destroy();
  sb.s_nr_inodes--;
}

/** The end of an inode: no pages may be left. Called by evict() itself; a file system may, too. */
export function clear_inode(inode: inode): void {
  if (inode.i_pages !== null && inode.i_pages.size > 0) BUG(`inode ${inode.i_ino} dies with pages`);
  inode.i_acl = inode.i_default_acl = undefined;
  inode.i_state = I_FREEING | I_CLEAR;
}

/** Evicts unreferenced inodes, the longest unused first, until at most `keep` are left. */
export function shrink_icache(sb: super_block, keep: number): void {
  for (const inode of sb.s_inode_lru) {
    if (sb.s_inode_lru.size <= keep) return;
    evict(inode);
  }
}

/**
 * Evicts every inode without references: for umount, after the name cache was emptied.
 * @returns the inodes that are still referenced.
 */
export function evict_inodes(sb: super_block): inode[] {
  const busy: inode[] = [];
  for (const inode of sb.s_inodes.values()) {
    if (inode.i_count > 0) busy.push(inode);
    else evict(inode);
  }
  return busy;
}

/** Forced unmount: evicts an inode whoever holds it; their later iput() does nothing. */
export function evict_busy_inode(inode: inode): void {
  inode.i_count = 0;
  evict(inode);
}

// ---- link count, bad and special inodes ---------------------------------------------------------

export function set_nlink(inode: inode, nlink: number): void {
  inode.i_nlink = nlink;
}

export function clear_nlink(inode: inode): void {
  inode.i_nlink = 0;
}

export function inc_nlink(inode: inode): void {
  if (inode.i_nlink === 0 && (inode.i_state & I_LINKABLE) === 0)
    BUG(`inode ${inode.i_ino} has no link to add to`);
  inode.i_nlink++;
}

export function drop_nlink(inode: inode): void {
  if (inode.i_nlink === 0) BUG(`inode ${inode.i_ino} has no link to drop`);
  inode.i_nlink--;
}

const fail = (): never => {
  throw new Errno('EIO');
};

const bad_inode_ops: inode_operations = {
  lookup: fail,
  create: fail,
  mknod: fail,
  mkdir: fail,
  symlink: fail,
  link: fail,
  tmpfile: fail,
  unlink: fail,
  rmdir: fail,
  rename: fail,
  get_link: fail,
  setattr: fail,
  listxattr: fail,
  get_acl: fail,
  set_acl: fail,
};

const bad_file_ops: file_operations = {
  read: fail,
  write: fail,
  iterate_shared: fail,
  fsync: fail,
  open: fail,
  release(): void {},
  seek_data: fail,
  seek_hole: fail,
};

/** Every operation on it answers EIO from now on; it leaves the table. */
export function make_bad_inode(inode: inode): void {
  const sb = inode.i_sb;
  if (sb.s_inodes.get(inode.i_ino) === inode) sb.s_inodes.delete(inode.i_ino);
  inode.i_mode = S_IFREG;
  inode.i_op = bad_inode_ops;
  inode.i_fop = bad_file_ops;
  inode.i_aops = null;
  inode.i_state |= I_BAD;
}

export const is_bad_inode = (inode: inode): boolean => (inode.i_state & I_BAD) !== 0;

/**
 * Completes a device, fifo or socket. Opening one reaches no driver here: ENXIO, as for a device
 * number nobody serves.
 */
export function init_special_inode(inode: inode, mode: number, rdev: number): void {
  const kind = mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK && kind !== S_IFIFO && kind !== S_IFSOCK)
    BUG(`mode 0${mode.toString(8)} is not special`);
  inode.i_mode = mode;
  inode.i_fop = no_open_fops;
  if (kind === S_IFCHR || kind === S_IFBLK) inode.i_rdev = rdev;
}

/**
 * Owner, group and mode of a new inode. In a setgid directory the group is the directory's and a
 * directory inherits the bit, while a group-executable file keeps a setgid bit that its creator
 * asked for only if he is a member of that group.
 */
export function inode_init_owner(inode: inode, dir: inode | null, mode: number): void {
  const cred = inode.i_sb.s_lump.current_cred;
  inode.i_uid = cred.fsuid;
  if (dir !== null && (dir.i_mode & S_ISGID) !== 0) {
    inode.i_gid = dir.i_gid;
    if (S_ISDIR(mode)) {
      mode |= S_ISGID;
    } else if ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) && !in_group(cred, dir.i_gid)) {
      mode &= ~S_ISGID;
    }
  } else {
    inode.i_gid = cred.fsgid;
  }
  inode.i_mode = mode;
}

// ---- times and stat -----------------------------------------------------------------------------

export interface timespec {
  sec: number;
  nsec: number;
}

/** Cuts a time to what the file system can store: s_time_min … s_time_max, s_time_gran. */
export function timestamp_truncate(sb: super_block, sec: number, nsec: number): timespec {
  if (sec >= sb.s_time_max) return { sec: sb.s_time_max, nsec: 0 };
  if (sec <= sb.s_time_min) return { sec: sb.s_time_min, nsec: 0 };
  return { sec, nsec: nsec - (nsec % sb.s_time_gran) };
}

/** The wall clock as this file system can store it. */
export function current_time(inode: inode): timespec {
  const now = inode.i_sb.s_lump.ktime_get_real();
  return timestamp_truncate(inode.i_sb, now.tv_sec, now.tv_nsec);
}

/** What stat(2) shows. Times in seconds and nanoseconds, `rdev` and `dev` in the kernel's form. */
export interface kstat {
  dev: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  /** 512-byte units. */
  blocks: number;
  generation: number;
  atime_sec: number;
  atime_nsec: number;
  mtime_sec: number;
  mtime_nsec: number;
  ctime_sec: number;
  ctime_nsec: number;
}

/** A record for generic_fillattr() to fill; callers reuse theirs. */
export function new_kstat(): kstat {
  return {
    dev: 0,
    ino: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: 0,
    blksize: 0,
    blocks: 0,
    generation: 0,
    atime_sec: 0,
    atime_nsec: 0,
    mtime_sec: 0,
    mtime_nsec: 0,
    ctime_sec: 0,
    ctime_nsec: 0,
  };
}

/** stat(2) of an inode in memory. */
export function generic_fillattr(inode: inode, stat: kstat): void {
  stat.dev = inode.i_sb.s_dev;
  stat.ino = inode.i_ino;
  stat.mode = inode.i_mode;
  stat.nlink = inode.i_nlink;
  stat.uid = inode.i_uid;
  stat.gid = inode.i_gid;
  stat.rdev = inode.i_rdev;
  stat.size = inode.i_size;
  stat.blksize = 2 ** inode.i_blkbits;
  stat.blocks = inode.i_blocks;
  stat.generation = inode.i_generation;
  stat.atime_sec = inode.i_atime_sec;
  stat.atime_nsec = inode.i_atime_nsec;
  stat.mtime_sec = inode.i_mtime_sec;
  stat.mtime_nsec = inode.i_mtime_nsec;
  stat.ctime_sec = inode.i_ctime_sec;
  stat.ctime_nsec = inode.i_ctime_nsec;
}
