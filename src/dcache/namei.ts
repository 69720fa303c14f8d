/**
 * Operations on names (Linux's fs/namei.c): each finds its names, asks every question that Linux
 * asks before it lets a file system act, holds the locks, and keeps the name cache in line.
 *
 * Every function takes the directory as a dentry the caller holds and one name in it; a dentry that
 * is returned comes with a reference. Who asks is lump.current_cred. Permission: search in the
 * directory for all, write in it for changes; the sticky bit protects others' files. Errors that
 * every function may throw and that are not repeated: ENOTDIR the parent is no directory; ENOENT it
 * was removed; EACCES; ENAMETOOLONG; EIO; EROFS and ENOSPC for changes; ENOMEM.
 *
 * Locks: i_rwsem of the parent, then of the child. A rename takes an ancestor before what is below
 * it; Linux's s_vfs_rename_mutex, which keeps the tree still meanwhile, is not needed where calls
 * run to completion.
 */
import { inode_permission, inode_owner_or_capable } from '../lump/attr.js';
import { Errno } from '../lump/errno.js';
import {
  I_LINKABLE,
  MAY_EXEC,
  MAY_WRITE,
  PAGE_SIZE,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_DEAD,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_IRWXUGO,
  S_ISDIR,
  S_ISLNK,
  S_ISVTX,
  S_IALLUGO,
  sb_rdonly,
} from '../lump/fs.js';
import type { inode } from '../lump/fs.js';
import type { ByteName } from '../lump/types.js';
import {
  d_alloc,
  d_ancestor,
  d_delete,
  d_drop_children,
  d_exchange,
  d_lookup,
  d_move,
  type Dentry,
  dget,
  dput,
  shrink_dcache_parent,
} from './dcache.js';

/** Bytes of one name, whatever the file system; it may allow less. */
export const NAME_MAX = 255;

/** Lock subclasses of i_rwsem, Linux's. A lone or last inode takes the class itself. */
const I_MUTEX_PARENT = 1;
const I_MUTEX_CHILD = 2;
const I_MUTEX_NONDIR2 = 4;
const I_MUTEX_PARENT2 = 5;

// ---- lookup -------------------------------------------------------------------------------------

/** The directory of a dentry. */
function directory_of(parent: Dentry): inode {
  const dir = parent.d_inode;
  if (dir === null) throw new Errno('ENOENT');
  if (!S_ISDIR(dir.i_mode)) throw new Errno('ENOTDIR');
  return dir;
}

const is_dot_name = (name: ByteName): boolean => name === '.' || name === '..';

/** Linux's __lookup_hash: from the cache, else from the file system. */
function lookup_child(parent: Dentry, dir: inode, name: ByteName): Dentry {
  const cached = d_lookup(parent, name);
  return cached !== null ? cached : lookup_slow(parent, dir, name);
}

function lookup_slow(parent: Dentry, dir: inode, name: ByteName): Dentry {
  if (name.length > NAME_MAX) throw new Errno('ENAMETOOLONG');
  if (name === '' || name.includes('/') || name.includes('\0')) throw new Errno('EACCES');
  if ((dir.i_flags & S_DEAD) !== 0) throw new Errno('ENOENT');
  if (dir.i_op.lookup === undefined) throw new Errno('ENOTDIR');
  const fresh = d_alloc(parent, name);
  let found: Dentry | null;
  try {
    found = dir.i_op.lookup(dir, fresh) as Dentry | null;
  } catch (error) {
    dput(fresh);
    throw error;
  }
  if (found === null) return fresh;
  dput(fresh);
  return found;
}

/**
 * The dentry of a name; negative when there is no such file. "." is the directory itself, ".." its
 * parent (the root's is the root).
 */
export function lookup_one(parent: Dentry, name: ByteName): Dentry {
  const dir = directory_of(parent);
  inode_permission(dir, MAY_EXEC);
  if (name === '.') return dget(parent);
  if (name === '..') return dget(parent.d_parent);
  const cached = d_lookup(parent, name);
  if (cached !== null) return cached;
  dir.i_rwsem.down_read();
  try {
    return lookup_slow(parent, dir, name);
  } finally {
    dir.i_rwsem.up_read();
  }
}

/** lookup_one() for a caller with whom a missing name is an error. @throws ENOENT */
export function lookup_positive(parent: Dentry, name: ByteName): Dentry {
  const dentry = lookup_one(parent, name);
  if (dentry.d_inode !== null) return dentry;
  dput(dentry);
  throw new Errno('ENOENT');
}

// ---- questions ----------------------------------------------------------------------------------

function may_create(dir: inode): void {
  if ((dir.i_flags & S_DEAD) !== 0) throw new Errno('ENOENT');
  inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

/** In a sticky directory only the owner of the file or of the directory may remove or rename it. */
function check_sticky(dir: inode, victim: inode): void {
  if ((dir.i_mode & S_ISVTX) === 0) return;
  const cred = dir.i_sb.s_lump.current_cred;
  if (cred.fsuid !== dir.i_uid && !inode_owner_or_capable(victim)) throw new Errno('EPERM');
}

/** The root has no name that could get here. @throws ENOENT, EPERM sticky, ENOTDIR, EISDIR. */
function may_delete(dir: inode, dentry: Dentry, directory: boolean): inode {
  const victim = dentry.d_inode;
  if (victim === null) throw new Errno('ENOENT');
  inode_permission(dir, MAY_WRITE | MAY_EXEC);
  check_sticky(dir, victim);
  if (directory) {
    if (!S_ISDIR(victim.i_mode)) throw new Errno('ENOTDIR');
  } else if (S_ISDIR(victim.i_mode)) {
    throw new Errno('EISDIR');
  }
  if ((dir.i_flags & S_DEAD) !== 0) throw new Errno('ENOENT');
  return victim;
}

function has_max_links(inode: inode): boolean {
  const max = inode.i_sb.s_max_links;
  return max > 0 && inode.i_nlink >= max;
}

// ---- making names -------------------------------------------------------------------------------

/**
 * What all creation shares. `act` calls the file system; the dentry has its inode afterwards.
 * An existing name is EEXIST even on a read-only mount.
 */
function create_name(
  parent: Dentry,
  name: ByteName,
  act: (dir: inode, dentry: Dentry) => void,
): Dentry {
  const dir = directory_of(parent);
  if (is_dot_name(name)) throw new Errno('EEXIST');
  inode_permission(dir, MAY_EXEC);
  dir.i_rwsem.down_write_nested(I_MUTEX_PARENT);
  try {
    const dentry = lookup_child(parent, dir, name);
    try {
      if (dentry.d_inode !== null) throw new Errno('EEXIST');
      if (sb_rdonly(dir.i_sb)) throw new Errno('EROFS');
      may_create(dir);
      act(dir, dentry);
    } catch (error) {
      dput(dentry);
      throw error;
    }
    return dentry;
  } finally {
    dir.i_rwsem.up_write();
  }
}

/** A regular file. @throws EEXIST; EACCES the file system cannot. */
export function vfs_create(parent: Dentry, name: ByteName, mode: number): Dentry {
  return create_name(parent, name, (dir, dentry) => {
    if (dir.i_op.create === undefined) throw new Errno('EACCES');
    dir.i_op.create(dir, dentry, S_IFREG | (mode & S_IALLUGO), true);
  });
}

/**
 * A device, fifo or socket; a mode without kind, or of a regular file, is a vfs_create().
 * @param rdev MKDEV form.
 * @throws EEXIST; EPERM a device by the unprivileged, a directory, or the file system cannot;
 *   EINVAL an unknown kind.
 */
export function vfs_mknod(parent: Dentry, name: ByteName, mode: number, rdev: number): Dentry {
  const kind = mode & S_IFMT;
  if (kind === 0 || kind === S_IFREG) return vfs_create(parent, name, mode);
  if (kind === S_IFDIR) throw new Errno('EPERM');
  const device = kind === S_IFCHR || kind === S_IFBLK;
  if (!device && kind !== S_IFIFO && kind !== S_IFSOCK) throw new Errno('EINVAL');
  return create_name(parent, name, (dir, dentry) => {
    const cred = dir.i_sb.s_lump.current_cred;
    if (device && !cred.privileged && !cred.permissionsChecked) throw new Errno('EPERM');
    if (dir.i_op.mknod === undefined) throw new Errno('EPERM');
    dir.i_op.mknod(dir, dentry, kind | (mode & S_IALLUGO), device ? rdev : 0);
  });
}

/** @throws EEXIST; EMLINK the parent has s_max_links; EPERM the file system cannot. */
export function vfs_mkdir(parent: Dentry, name: ByteName, mode: number): Dentry {
  return create_name(parent, name, (dir, dentry) => {
    if (dir.i_op.mkdir === undefined) throw new Errno('EPERM');
    if (has_max_links(dir)) throw new Errno('EMLINK');
    dir.i_op.mkdir(dir, dentry, S_IFDIR | (mode & (S_IRWXUGO | S_ISVTX)));
  });
}

/** An empty target is the file system's business. @throws EEXIST; EPERM the file system cannot. */
export function vfs_symlink(parent: Dentry, name: ByteName, target: ByteName): Dentry {
  if (target.length >= PAGE_SIZE) throw new Errno('ENAMETOOLONG');
  return create_name(parent, name, (dir, dentry) => {
    if (dir.i_op.symlink === undefined) throw new Errno('EPERM');
    dir.i_op.symlink(dir, dentry, target);
  });
}

/**
 * Another name for `old`, which may itself have none any more only if it came from vfs_tmpfile().
 * @throws EEXIST; EXDEV; EPERM a directory; ENOENT `old` has no link left; EMLINK.
 */
export function vfs_link(old: Dentry, parent: Dentry, name: ByteName): Dentry {
  const inode = old.d_inode;
  if (inode === null) throw new Errno('ENOENT');
  return create_name(parent, name, (dir, dentry) => {
    if (inode.i_sb !== dir.i_sb) throw new Errno('EXDEV');
    if (dir.i_op.link === undefined || S_ISDIR(inode.i_mode)) throw new Errno('EPERM');
    inode.i_rwsem.down_write();
    try {
      const linkable = (inode.i_state & I_LINKABLE) !== 0;
      if (inode.i_nlink === 0 && !linkable) throw new Errno('ENOENT');
      if (has_max_links(inode)) throw new Errno('EMLINK');
      dir.i_op.link(old, dir, dentry);
      inode.i_state &= ~I_LINKABLE;
    } finally {
      inode.i_rwsem.up_write();
    }
  });
}

/**
 * O_TMPFILE: a regular file without a name, gone with its last reference unless vfs_link() names it
 * before. @throws EOPNOTSUPP the file system cannot.
 */
export function vfs_tmpfile(parent: Dentry, mode: number): Dentry {
  const dir = directory_of(parent);
  if (sb_rdonly(dir.i_sb)) throw new Errno('EROFS');
  may_create(dir);
  if (dir.i_op.tmpfile === undefined) throw new Errno('EOPNOTSUPP');
  const dentry = d_alloc(parent, '');
  try {
    dir.i_op.tmpfile(dir, dentry, S_IFREG | (mode & S_IALLUGO));
  } catch (error) {
    dput(dentry);
    throw error;
  }
  dentry.d_inode!.i_state |= I_LINKABLE;
  return dentry;
}

// ---- removing names -----------------------------------------------------------------------------

/** What unlink and rmdir share. */
function remove_name(
  parent: Dentry,
  name: ByteName,
  act: (dir: inode, dentry: Dentry) => void,
): void {
  const dir = directory_of(parent);
  if (sb_rdonly(dir.i_sb)) throw new Errno('EROFS');
  inode_permission(dir, MAY_EXEC);
  dir.i_rwsem.down_write_nested(I_MUTEX_PARENT);
  try {
    const dentry = lookup_child(parent, dir, name);
    try {
      act(dir, dentry);
      d_delete(dentry);
    } finally {
      dput(dentry);
    }
  } finally {
    dir.i_rwsem.up_write();
  }
}

/**
 * Whoever has the file open keeps it. @throws ENOENT; EISDIR a directory; EPERM sticky, or the file
 * system cannot.
 */
export function vfs_unlink(parent: Dentry, name: ByteName): void {
  if (is_dot_name(name)) throw new Errno('EISDIR');
  remove_name(parent, name, (dir, dentry) => {
    const target = may_delete(dir, dentry, false);
    if (dir.i_op.unlink === undefined) throw new Errno('EPERM');
    target.i_rwsem.down_write();
    try {
      dir.i_op.unlink(dir, dentry);
    } finally {
      target.i_rwsem.up_write();
    }
  });
}

/** @throws ENOENT; ENOTDIR; ENOTEMPTY, also for ".."; EINVAL "."; EPERM. */
export function vfs_rmdir(parent: Dentry, name: ByteName): void {
  if (name === '.') throw new Errno('EINVAL');
  if (name === '..') throw new Errno('ENOTEMPTY');
  remove_name(parent, name, (dir, dentry) => {
    const target = may_delete(dir, dentry, true);
    if (dir.i_op.rmdir === undefined) throw new Errno('EPERM');
    target.i_rwsem.down_write();
    try {
      shrink_dcache_parent(dentry);
      dir.i_op.rmdir(dir, dentry);
      target.i_flags |= S_DEAD;
      d_drop_children(dentry);
    } finally {
      target.i_rwsem.up_write();
    }
  });
}

// ---- rename -------------------------------------------------------------------------------------

/** Locks the parents, an ancestor first. */
function lock_rename(a: Dentry, b: Dentry): void {
  const isBelow = d_ancestor(b, a) !== null;
  (isBelow ? b : a).d_inode!.i_rwsem.down_write_nested(I_MUTEX_PARENT);
  if (a !== b) (isBelow ? a : b).d_inode!.i_rwsem.down_write_nested(I_MUTEX_PARENT2);
}

function unlock_rename(a: Dentry, b: Dentry): void {
  a.d_inode!.i_rwsem.up_write();
  if (a !== b) b.d_inode!.i_rwsem.up_write();
}

/**
 * When one of the parents is above the other: the upper one's child on the way down, which must be
 * neither source nor target, or the tree would get a loop.
 */
function rename_trap(a: Dentry, b: Dentry): Dentry | null {
  return a === b ? null : (d_ancestor(a, b) ?? d_ancestor(b, a));
}

/**
 * rename(2) with Linux's flags. Two names of one inode: nothing happens, as POSIX wants.
 * @throws ENOENT; EEXIST with RENAME_NOREPLACE; EINVAL a directory into itself, or flags that are
 *   unknown here or to the file system; ENOTEMPTY; EISDIR, ENOTDIR the kinds do not go together;
 *   EXDEV; EBUSY "." and ".."; EPERM sticky, or the file system cannot; EMLINK.
 */
export function vfs_rename(
  oldParent: Dentry,
  oldName: ByteName,
  newParent: Dentry,
  newName: ByteName,
  flags = 0,
): void {
  const oldDir = directory_of(oldParent);
  const newDir = directory_of(newParent);
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) {
    throw new Errno('EINVAL');
  }
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) throw new Errno('EINVAL');
  if (oldDir.i_sb !== newDir.i_sb) throw new Errno('EXDEV');
  if (is_dot_name(oldName)) throw new Errno('EBUSY');
  if (is_dot_name(newName)) {
    throw new Errno((flags & RENAME_NOREPLACE) !== 0 ? 'EEXIST' : 'EBUSY');
  }
  if (sb_rdonly(oldDir.i_sb)) throw new Errno('EROFS');
  inode_permission(oldDir, MAY_EXEC);
  inode_permission(newDir, MAY_EXEC);

  let old: Dentry | null = null;
  let target: Dentry | null = null;
  lock_rename(oldParent, newParent);
  try {
    old = lookup_child(oldParent, oldDir, oldName);
    if (old.d_inode === null) throw new Errno('ENOENT');
    target = lookup_child(newParent, newDir, newName);
    if ((flags & RENAME_NOREPLACE) !== 0 && target.d_inode !== null) throw new Errno('EEXIST');
    if (exchange && target.d_inode === null) throw new Errno('ENOENT');
    // Not before: where a medium names a directory twice, a lookup moves it with all below it, and
    // the source may have come to be above the new parent, or the new parent itself.
    const trap = rename_trap(oldParent, newParent);
    if (old === trap) throw new Errno('EINVAL');
    if (target === trap) throw new Errno(exchange ? 'EINVAL' : 'ENOTEMPTY');
    rename_locked(oldDir, old, newDir, target, flags);
  } finally {
    dput(old);
    dput(target);
    unlock_rename(oldParent, newParent);
  }
}

function rename_locked(
  oldDir: inode,
  old: Dentry,
  newDir: inode,
  target: Dentry,
  flags: number,
): void {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const source = old.d_inode!;
  const victim = target.d_inode;
  if (source === victim) return;
  const isDirectory = S_ISDIR(source.i_mode);
  const victimIsDirectory = victim !== null && S_ISDIR(victim.i_mode);
  may_delete(oldDir, old, isDirectory);
  if (victim === null) may_create(newDir);
  else may_delete(newDir, target, exchange ? victimIsDirectory : isDirectory);
  if (oldDir.i_op.rename === undefined) throw new Errno('EPERM');
  if (oldDir !== newDir) {
    // A directory that changes its parent has its ".." rewritten.
    if (isDirectory) inode_permission(source, MAY_WRITE);
    if (exchange && victimIsDirectory) inode_permission(victim, MAY_WRITE);
    if (isDirectory && !victimIsDirectory && has_max_links(newDir)) throw new Errno('EMLINK');
    if (exchange && victimIsDirectory && !isDirectory && has_max_links(oldDir)) {
      throw new Errno('EMLINK');
    }
  }
  const locked = lock_children(source, victim, exchange);
  try {
    if (victimIsDirectory && !exchange) shrink_dcache_parent(target);
    oldDir.i_op.rename(oldDir, old, newDir, target, flags);
    if (victimIsDirectory && !exchange) {
      victim.i_flags |= S_DEAD;
      d_drop_children(target);
    }
  } finally {
    for (const inode of locked) inode.i_rwsem.up_write();
  }
  if (exchange) d_exchange(old, target);
  else d_move(old, target);
}

/** Files that are moved or replaced are locked by inode number; of directories only the victim. */
function lock_children(source: inode, victim: inode | null, exchange: boolean): inode[] {
  const locked: inode[] = [];
  if (!S_ISDIR(source.i_mode)) locked.push(source);
  if (victim !== null && (!S_ISDIR(victim.i_mode) || !exchange)) locked.push(victim);
  locked.sort((a, b) => a.i_ino - b.i_ino);
  locked[0]?.i_rwsem.down_write_nested(S_ISDIR(locked[0].i_mode) ? I_MUTEX_CHILD : 0);
  locked[1]?.i_rwsem.down_write_nested(I_MUTEX_NONDIR2);
  return locked;
}

// ---- symbolic links -----------------------------------------------------------------------------

/** @throws EINVAL no symlink. */
export function vfs_readlink(inode: inode): ByteName {
  if (!S_ISLNK(inode.i_mode) || inode.i_op.get_link === undefined) throw new Errno('EINVAL');
  return inode.i_op.get_link(inode);
}
