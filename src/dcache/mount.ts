/**
 * Mounting, remounting and unmounting (Linux's fs/namespace.c and fs/super.c). It lives here, not
 * in src/lump, because a mount begins with a root name and ends with forgetting all names.
 */
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { invalidate_inode_pages } from '../lump/filemap.js';
import { SB_RDONLY, SB_SYNCHRONOUS, sb_rdonly } from '../lump/fs.js';
import type { super_block } from '../lump/fs.js';
import { shrink_icache } from '../lump/inode.js';
import type { Lump } from '../lump/lump.js';
import {
  find_busy_inode,
  find_writer,
  generic_shutdown_super,
  sync_filesystem,
} from '../lump/super.js';
import { type Dentry, dcache_of, dput, shrink_dcache, shrink_dcache_parent } from './dcache.js';

/** What remount may change; the rest of s_flags is the file system's. */
const SB_REMOUNT_MASK = SB_RDONLY | SB_SYNCHRONOUS;

/**
 * Mounts `device` (whatever the file system type takes: jffs2 wants an mtd_info).
 * @throws ENODEV the type is unknown; EINVAL, EIO, EROFS from the file system, which has then
 *   cleaned up.
 */
export function mount_fs(
  lump: Lump,
  typeName: string,
  device: unknown,
  flags: number,
  options: string,
): super_block {
  const sb = lump.filesystems.get_fs_type(typeName).mount(lump, device, flags, options);
  BUG_ON(sb.s_root === null, `${typeName} mounted without a root`);
  sb.s_active = true;
  return sb;
}

/** The root of a mount; takes no reference. */
export function root_of(sb: super_block): Dentry {
  return sb.s_root as Dentry;
}

/** Is a name or an inode in use, other than the root by the mount itself? Drops unused names. */
function is_busy(sb: super_block): boolean {
  const root = root_of(sb);
  shrink_dcache_parent(root);
  return dcache_of(sb).nr_dentry > 1 || root.d_count > 1 || find_busy_inode(sb) !== null;
}

/** Forgets what is not in use: pages, names, inodes (Linux's /proc/sys/vm/drop_caches 3). */
export function drop_caches(sb: super_block): void {
  shrink_dcache(sb, 0);
  shrink_icache(sb, 0);
  for (const inode of sb.s_inodes.values()) invalidate_inode_pages(inode);
}

/**
 * Ends a mount: writes out, forgets all names and inodes, lets the file system go.
 * @param force even if files are open: whoever holds a file, name or inode may from then on only
 *   give it back. What cannot be written is lost with a message.
 * @throws EBUSY in use; EIO, ENOSPC the last sync failed, all is as before (not with `force`).
 */
export function umount(sb: super_block, force = false): void {
  BUG_ON(!sb.s_active, 'unmounting what is not mounted');
  if (is_busy(sb) && !force) throw new Errno('EBUSY');
  try {
    sync_filesystem(sb);
  } catch (error) {
    if (!force || !(error instanceof Errno)) throw error;
    sb.s_lump.pr_err(`${sb.s_type.name}: unmounted by force although sync failed: ${error.code}`);
  }
  sb.s_active = false;
  const root = root_of(sb);
  dput(root);
  const cache = dcache_of(sb);
  cache.dead = true;
  for (const inode of sb.s_inodes.values()) inode.i_dentry.length = 0;
  sb.s_root = null;
  generic_shutdown_super(sb);
}

/**
 * Changes flags and options of a mount.
 * @throws EBUSY read-only asked for while a file is open for writing or waits for its last close to
 *   be removed; EINVAL an option; EROFS the medium cannot be written.
 */
export function remount(sb: super_block, flags: number, options: string): void {
  if ((flags & SB_RDONLY) !== 0 && !sb_rdonly(sb)) {
    shrink_dcache(sb, 0);
    if (find_writer(sb) !== null) throw new Errno('EBUSY');
    sync_filesystem(sb);
  }
  sb.s_op.remount_fs?.(sb, flags, options);
  sb.s_flags = (sb.s_flags & ~SB_REMOUNT_MASK) | (flags & SB_REMOUNT_MASK);
}
