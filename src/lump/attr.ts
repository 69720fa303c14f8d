/**
 * Who may do what to an inode, and changing its attributes (Linux's fs/attr.c and the permission
 * part of fs/namei.c).
 *
 * `cred.privileged` stands for all capabilities of the file system at once. `permissionsChecked`
 * means that somebody with better knowledge (a kernel that mounted us through FUSE with
 * default_permissions) has decided already: every question of permission is answered with yes, and
 * no setgid bit is stripped for want of a group membership, since groups are not known here.
 */
import { Errno } from './errno.js';
import { truncate_setsize } from './filemap.js';
import {
  ATTR_ATIME,
  ATTR_ATIME_SET,
  ATTR_CTIME,
  ATTR_FORCE,
  ATTR_GID,
  ATTR_KILL_PRIV,
  ATTR_KILL_SGID,
  ATTR_KILL_SUID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIME_SET,
  ATTR_SIZE,
  ATTR_TOUCH,
  ATTR_UID,
  FMODE_NOCMTIME,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  SB_POSIXACL,
  S_IALLUGO,
  S_ISDIR,
  S_ISGID,
  S_ISLNK,
  S_ISREG,
  S_ISUID,
  S_IXGRP,
  S_IXUGO,
  S_NOSEC,
  sb_rdonly,
} from './fs.js';
import type { cred, dentry, file, iattr, inode } from './fs.js';
import { current_time, timestamp_truncate } from './inode.js';
import { ACL_TYPE_ACCESS, get_inode_acl, posix_acl_permission } from './posix_acl.js';
import { XATTR_NAME_CAPS, __vfs_has_xattr, __vfs_removexattr } from './xattr.js';

// ---- permission ---------------------------------------------------------------------------------

/** Is the caller in this group, or beyond asking? */
export function in_group(cred: cred, gid: number): boolean {
  return (
    cred.privileged || cred.permissionsChecked || cred.fsgid === gid || cred.groups.includes(gid)
  );
}

/** True for the owner and for who may act as one (CAP_FOWNER). */
export function inode_owner_or_capable(inode: inode): boolean {
  const cred = inode.i_sb.s_lump.current_cred;
  return cred.privileged || cred.permissionsChecked || cred.fsuid === inode.i_uid;
}

/** The owner's, group's or others' bits, or the access ACL: exactly one of them decides. */
function acl_permission_check(inode: inode, cred: cred, mask: number): boolean {
  const mode = inode.i_mode;
  if (cred.fsuid === inode.i_uid) return (mask & ~(mode >> 6)) === 0;
  // With an ACL the group bits are its mask: without any of them no named entry grants a thing.
  if ((mode & 0o070) !== 0 && (inode.i_sb.s_flags & SB_POSIXACL) !== 0) {
    const acl = get_inode_acl(inode, ACL_TYPE_ACCESS);
    if (acl !== null) return posix_acl_permission(inode, acl, mask);
  }
  const group = cred.fsgid === inode.i_gid || cred.groups.includes(inode.i_gid);
  return (mask & ~(group ? mode >> 3 : mode)) === 0;
}

/**
 * May the caller do this? `mask` is MAY_READ, MAY_WRITE and MAY_EXEC together.
 * @throws EROFS writing a file, directory or symlink of a read-only mount; EACCES; EIO when the
 *   ACL cannot be read.
 */
export function inode_permission(inode: inode, mask: number): void {
  if ((mask & MAY_WRITE) !== 0 && sb_rdonly(inode.i_sb)) {
    const mode = inode.i_mode;
    if (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)) throw new Errno('EROFS');
  }
  const cred = inode.i_sb.s_lump.current_cred;
  if (cred.permissionsChecked) return;
  if (cred.privileged) {
    // Even the privileged cannot execute what nobody can.
    const execute = (mask & MAY_EXEC) !== 0 && !S_ISDIR(inode.i_mode);
    if (!execute || (inode.i_mode & S_IXUGO) !== 0) return;
    throw new Errno('EACCES');
  }
  if (!acl_permission_check(inode, cred, mask & (MAY_READ | MAY_WRITE | MAY_EXEC))) {
    throw new Errno('EACCES');
  }
}

// ---- setuid, setgid and capabilities lost by writing and chown ----------------------------------

/** ATTR_KILL_SGID when a change of contents or owner takes the setgid bit, else 0. */
function should_drop_sgid(inode: inode, cred: cred): number {
  const mode = inode.i_mode;
  if ((mode & S_ISGID) === 0) return 0;
  // Without group execution the bit once meant mandatory locking; members may keep it.
  return (mode & S_IXGRP) !== 0 || !in_group(cred, inode.i_gid) ? ATTR_KILL_SGID : 0;
}

/** ATTR_KILL_* for a write or truncation by the caller. */
function should_remove_privs(inode: inode): number {
  if ((inode.i_flags & S_NOSEC) !== 0 || !S_ISREG(inode.i_mode)) return 0;
  const cred = inode.i_sb.s_lump.current_cred;
  let kill = 0;
  if (!cred.privileged) {
    if ((inode.i_mode & S_ISUID) !== 0) kill |= ATTR_KILL_SUID;
    kill |= should_drop_sgid(inode, cred);
  }
  if (__vfs_has_xattr(inode, XATTR_NAME_CAPS)) kill |= ATTR_KILL_PRIV;
  if ((inode.i_mode & (S_ISUID | S_ISGID)) === 0 && kill === 0) inode.i_flags |= S_NOSEC;
  return kill;
}

/**
 * Before a write: takes setuid, setgid and file capabilities away when the caller may not keep
 * them. The caller holds i_rwsem.
 */
export function file_remove_privs(file: file): void {
  remove_privs(file.f_inode);
}

function remove_privs(inode: inode): void {
  const kill = should_remove_privs(inode);
  if (kill !== 0) __notify_change(null, inode, new_iattr(kill | ATTR_FORCE));
}

/**
 * Before a write: mtime and ctime become now, in memory; write_end puts them on the medium. Not
 * with FMODE_NOCMTIME.
 */
export function file_update_time(file: file): void {
  if ((file.f_mode & FMODE_NOCMTIME) !== 0) return;
  const inode = file.f_inode;
  const now = current_time(inode);
  inode.i_mtime_sec = inode.i_ctime_sec = now.sec;
  inode.i_mtime_nsec = inode.i_ctime_nsec = now.nsec;
}

// ---- changing attributes ------------------------------------------------------------------------

/** An iattr whose fields are all 0 but ia_valid. */
export function new_iattr(ia_valid = 0): iattr {
  return {
    ia_valid,
    ia_mode: 0,
    ia_uid: 0,
    ia_gid: 0,
    ia_size: 0,
    ia_atime_sec: 0,
    ia_atime_nsec: 0,
    ia_mtime_sec: 0,
    ia_mtime_nsec: 0,
    ia_ctime_sec: 0,
    ia_ctime_nsec: 0,
  };
}

/**
 * Is this change allowed? A file system's setattr calls it first. Strips S_ISGID from ia_mode when
 * the caller is not in the group.
 * @throws EFBIG over s_maxbytes; EPERM chown, chmod or explicit times by another than the owner,
 *   chown to another user, chgrp to a group the caller is not in.
 */
export function setattr_prepare(inode: inode, attr: iattr): void {
  const valid = attr.ia_valid;
  // The size limit binds everybody, forced changes too.
  if ((valid & ATTR_SIZE) !== 0 && attr.ia_size > inode.i_sb.s_maxbytes) throw new Errno('EFBIG');
  if ((valid & ATTR_FORCE) === 0) check_owner_rules(inode, attr);
  if ((valid & ATTR_KILL_PRIV) !== 0 && __vfs_has_xattr(inode, XATTR_NAME_CAPS)) {
    __vfs_removexattr(inode, XATTR_NAME_CAPS);
  }
}

function check_owner_rules(inode: inode, attr: iattr): void {
  const cred = inode.i_sb.s_lump.current_cred;
  if (cred.privileged || cred.permissionsChecked) return;
  const valid = attr.ia_valid;
  const owner = cred.fsuid === inode.i_uid;
  if ((valid & ATTR_UID) !== 0 && !(owner && attr.ia_uid === inode.i_uid)) throw new Errno('EPERM');
  if ((valid & ATTR_GID) !== 0) {
    const allowed = owner && (attr.ia_gid === inode.i_gid || in_group(cred, attr.ia_gid));
    if (!allowed) throw new Errno('EPERM');
  }
  if ((valid & ATTR_MODE) !== 0) {
    if (!owner) throw new Errno('EPERM');
    const gid = (valid & ATTR_GID) !== 0 ? attr.ia_gid : inode.i_gid;
    if (!in_group(cred, gid)) attr.ia_mode &= ~S_ISGID;
  }
  if ((valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) !== 0 && !owner) throw new Errno('EPERM');
}

/** Copies everything but the size from `attr` into the inode, for a setattr that has succeeded. */
export function setattr_copy(inode: inode, attr: iattr): void {
  const valid = attr.ia_valid;
  if ((valid & ATTR_UID) !== 0) inode.i_uid = attr.ia_uid;
  if ((valid & ATTR_GID) !== 0) inode.i_gid = attr.ia_gid;
  if ((valid & ATTR_ATIME) !== 0) {
    inode.i_atime_sec = attr.ia_atime_sec;
    inode.i_atime_nsec = attr.ia_atime_nsec;
  }
  if ((valid & ATTR_MTIME) !== 0) {
    inode.i_mtime_sec = attr.ia_mtime_sec;
    inode.i_mtime_nsec = attr.ia_mtime_nsec;
  }
  if ((valid & ATTR_CTIME) !== 0) {
    inode.i_ctime_sec = attr.ia_ctime_sec;
    inode.i_ctime_nsec = attr.ia_ctime_nsec;
  }
  if ((valid & ATTR_MODE) !== 0) {
    inode.i_mode = in_group(inode.i_sb.s_lump.current_cred, inode.i_gid)
      ? attr.ia_mode
      : attr.ia_mode & ~S_ISGID;
  }
}

/** For file systems without setattr, which live in memory alone. */
function simple_setattr(inode: inode, attr: iattr): void {
  setattr_prepare(inode, attr);
  if ((attr.ia_valid & ATTR_SIZE) !== 0) truncate_setsize(inode, attr.ia_size);
  setattr_copy(inode, attr);
}

/**
 * Changes attributes: chmod, chown, utimes, truncate in one. Takes i_rwsem.
 *
 * The caller names what it wants; what follows from it is added here: ctime; the time of a
 * truncation; loss of setuid, setgid and capabilities by chown and truncation; "now" for times
 * without _SET. `attr` is used up.
 * @throws EROFS; EISDIR or EINVAL the size of what is no regular file; EOPNOTSUPP the mode of a
 *   symlink; EACCES times "now" by who may not write; those of setattr_prepare(); ENOSPC, EIO.
 */
export function notify_change(dentry: dentry | null, inode: inode, attr: iattr): void {
  inode.i_rwsem.down_write();
  try {
    __notify_change(dentry, inode, attr);
  } finally {
    inode.i_rwsem.up_write();
  }
}

/** notify_change() for a caller that holds i_rwsem. */
export function __notify_change(dentry: dentry | null, inode: inode, attr: iattr): void {
  if (sb_rdonly(inode.i_sb)) throw new Errno('EROFS');
  if ((attr.ia_valid & ATTR_SIZE) !== 0) {
    if (S_ISDIR(inode.i_mode)) throw new Errno('EISDIR');
    if (!S_ISREG(inode.i_mode)) throw new Errno('EINVAL');
    attr.ia_valid |= ATTR_MTIME;
    remove_privs(inode);
  }
  if ((attr.ia_valid & ATTR_MODE) !== 0) {
    if (S_ISLNK(inode.i_mode)) throw new Errno('EOPNOTSUPP');
    attr.ia_mode = (attr.ia_mode & S_IALLUGO) | (inode.i_mode & ~S_IALLUGO);
  }
  check_touch(inode, attr);
  set_times(inode, attr);
  kill_by_chown(inode, attr);
  kill_to_mode(inode, attr);
  if ((attr.ia_valid & ATTR_MODE) !== 0) inode.i_flags &= ~S_NOSEC;
  if (inode.i_op.setattr !== undefined) inode.i_op.setattr(dentry, inode, attr);
  else simple_setattr(inode, attr);
}

/** Both times to "now" needs write permission only; one of them alone needs the owner. */
function check_touch(inode: inode, attr: iattr): void {
  const valid = attr.ia_valid;
  if ((valid & (ATTR_FORCE | ATTR_SIZE)) !== 0 || (valid & (ATTR_ATIME | ATTR_MTIME)) === 0) return;
  if ((valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) !== 0) return;
  if (inode_owner_or_capable(inode)) return;
  const both = (valid & (ATTR_ATIME | ATTR_MTIME)) === (ATTR_ATIME | ATTR_MTIME);
  if (!both && (valid & ATTR_TOUCH) === 0) throw new Errno('EPERM');
  inode_permission(inode, MAY_WRITE);
}

function set_times(inode: inode, attr: iattr): void {
  const now = current_time(inode);
  attr.ia_valid |= ATTR_CTIME;
  attr.ia_ctime_sec = now.sec;
  attr.ia_ctime_nsec = now.nsec;
  let time = now;
  if ((attr.ia_valid & ATTR_ATIME_SET) !== 0) {
    time = timestamp_truncate(inode.i_sb, attr.ia_atime_sec, attr.ia_atime_nsec);
  }
  attr.ia_atime_sec = time.sec;
  attr.ia_atime_nsec = time.nsec;
  time = now;
  if ((attr.ia_valid & ATTR_MTIME_SET) !== 0) {
    time = timestamp_truncate(inode.i_sb, attr.ia_mtime_sec, attr.ia_mtime_nsec);
  }
  attr.ia_mtime_sec = time.sec;
  attr.ia_mtime_nsec = time.nsec;
}

/** chown_common()'s part: any chown of a non-directory, even by root, ends setuid and the like. */
function kill_by_chown(inode: inode, attr: iattr): void {
  if ((attr.ia_valid & (ATTR_UID | ATTR_GID)) === 0 || S_ISDIR(inode.i_mode)) return;
  const cred = inode.i_sb.s_lump.current_cred;
  attr.ia_valid |= ATTR_KILL_SUID | ATTR_KILL_PRIV | should_drop_sgid(inode, cred);
}

/** Turns ATTR_KILL_SUID and _SGID into a change of mode. A mode given explicitly wins. */
function kill_to_mode(inode: inode, attr: iattr): void {
  const kill = attr.ia_valid & (ATTR_KILL_SUID | ATTR_KILL_SGID);
  attr.ia_valid &= ~(ATTR_KILL_SUID | ATTR_KILL_SGID);
  if (kill === 0 || (attr.ia_valid & ATTR_MODE) !== 0) return;
  let mode = inode.i_mode;
  if ((kill & ATTR_KILL_SUID) !== 0) mode &= ~S_ISUID;
  if ((kill & ATTR_KILL_SGID) !== 0) mode &= ~S_ISGID;
  if (mode === inode.i_mode) return;
  attr.ia_valid |= ATTR_MODE;
  attr.ia_mode = mode;
}
