/**
 * Mounts, as far as no names are concerned (Linux's fs/super.c, fs/sync.c and fs/statfs.c).
 * Mounting and unmounting begin and end with names: see src/dcache/mount.ts.
 */
import { Errno } from './errno.js';
import { sb_rdonly } from './fs.js';
import type { inode, kstatfs, super_block } from './fs.js';
import { evict_busy_inode, evict_inodes } from './inode.js';

/** syncfs(2): what the file system buffers is on the medium. @throws EIO, ENOSPC */
export function sync_filesystem(sb: super_block): void {
  if (!sb_rdonly(sb)) sb.s_op.sync_fs?.(sb, true);
}

export function new_kstatfs(): kstatfs {
  return {
    f_type: 0,
    f_bsize: 0,
    f_blocks: 0,
    f_bfree: 0,
    f_bavail: 0,
    f_files: 0,
    f_ffree: 0,
    f_namelen: 0,
  };
}

/** statfs(2). */
export function vfs_statfs(sb: super_block, buf: kstatfs): void {
  sb.s_op.statfs(sb, buf);
}

/** An inode that keeps a mount from going, other than the root held once by its name. */
export function find_busy_inode(sb: super_block): inode | null {
  for (const inode of sb.s_inodes.values()) {
    const expected = inode.i_dentry.length;
    if (inode.i_count > expected) return inode;
  }
  return null;
}

/** Why a mount cannot become read-only, or null: a file open for writing, one about to die. */
export function find_writer(sb: super_block): inode | null {
  for (const inode of sb.s_inodes.values()) {
    if (inode.i_writecount > 0 || (inode.i_nlink === 0 && inode.i_count > 0)) return inode;
  }
  return null;
}

/**
 * The end of a mount whose names are gone: evicts all inodes, lets the file system go and reports
 * what leaked. Inodes somebody still holds are evicted under their hands: the caller was forced, or
 * has made sure that there are none.
 */
export function generic_shutdown_super(sb: super_block): void {
  sb.s_active = false;
  for (const inode of evict_inodes(sb)) evict_busy_inode(inode);
  try {
    sb.s_op.put_super?.(sb);
  } catch (error) {
    // The mount is gone all the same; a sync before this one could still be refused.
    if (!(error instanceof Errno)) throw error;
    sb.s_lump.pr_err(`${sb.s_type.name}: at unmount: ${error.message}`);
  }
  const { s_lump, s_type } = sb;
  s_lump.WARN_ON(sb.s_nr_inodes !== 0, `${s_type.name}: ${sb.s_nr_inodes} inodes after unmount`);
}
