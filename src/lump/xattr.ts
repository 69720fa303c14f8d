/**
 * Extended attributes: the rules of the name spaces and the way to a file system's handlers
 * (Linux's fs/xattr.c, xattr(7)).
 *
 * Names here are whole, with their prefix; a handler gets what follows its prefix.
 */
import { inode_owner_or_capable, inode_permission } from './attr.js';
import { Errno } from './errno.js';
import {
  MAY_READ,
  MAY_WRITE,
  S_ISDIR,
  S_ISREG,
  S_ISVTX,
  S_NOSEC,
  sb_rdonly,
  XATTR_CREATE,
  XATTR_REPLACE,
} from './fs.js';
import type { inode, xattr_handler } from './fs.js';
import type { ByteName } from './types.js';

/** Bytes, with the prefix. */
export const XATTR_NAME_MAX = 255;
/** Bytes of one value. */
export const XATTR_SIZE_MAX = 65536;
/** Bytes of all names of an inode, each with a NUL, as listxattr(2) returns them. */
export const XATTR_LIST_MAX = 65536;

/** File capabilities; any change of the contents or the owner takes them away. */
export const XATTR_NAME_CAPS = 'security.capability';

const USER_PREFIX = 'user.';
const TRUSTED_PREFIX = 'trusted.';
const SECURITY_PREFIX = 'security.';
const SYSTEM_PREFIX = 'system.';

/** The handler for a name, and the name it wants. @throws EOPNOTSUPP no such name space; EINVAL */
function resolve(inode: inode, name: ByteName): { handler: xattr_handler; suffix: ByteName } {
  for (const handler of inode.i_sb.s_xattr) {
    const { prefix } = handler;
    if (!prefix.endsWith('.')) {
      if (name === prefix) return { handler, suffix: '' };
    } else if (name.startsWith(prefix)) {
      if (name.length === prefix.length) throw new Errno('EINVAL', 'xattr name without a name');
      return { handler, suffix: name.slice(prefix.length) };
    }
  }
  throw new Errno('EOPNOTSUPP');
}

/**
 * The rules of the name spaces. user.* is for regular files and directories, since elsewhere the
 * permission bits do not mean reading and writing; system.* is up to its handler.
 */
function xattr_permission(inode: inode, name: ByteName, mask: number): void {
  const writing = (mask & MAY_WRITE) !== 0;
  if (writing && sb_rdonly(inode.i_sb)) throw new Errno('EROFS');
  const cred = inode.i_sb.s_lump.current_cred;
  const trusted = cred.privileged || cred.permissionsChecked;
  if (name.startsWith(SYSTEM_PREFIX)) return;
  if (name.startsWith(SECURITY_PREFIX)) {
    if (writing && !trusted) throw new Errno('EPERM');
    return;
  }
  if (name.startsWith(TRUSTED_PREFIX)) {
    if (!trusted) throw new Errno(writing ? 'EPERM' : 'ENODATA');
    return;
  }
  if (name.startsWith(USER_PREFIX)) {
    const mode = inode.i_mode;
    if (!S_ISREG(mode) && !S_ISDIR(mode)) throw new Errno(writing ? 'EPERM' : 'ENODATA');
    if (writing && S_ISDIR(mode) && (mode & S_ISVTX) !== 0 && !inode_owner_or_capable(inode)) {
      throw new Errno('EPERM');
    }
  }
  inode_permission(inode, mask);
}

function check_name(name: ByteName): void {
  if (name.length === 0 || name.length > XATTR_NAME_MAX) throw new Errno('ERANGE');
}

/**
 * @throws ENODATA missing, or hidden from the caller; EOPNOTSUPP no such name space; ERANGE the
 *   name's length; EACCES; EINVAL; EIO.
 */
export function vfs_getxattr(inode: inode, name: ByteName): Uint8Array {
  check_name(name);
  xattr_permission(inode, name, MAY_READ);
  const { handler, suffix } = resolve(inode, name);
  return handler.get(inode, suffix);
}

/**
 * Takes i_rwsem.
 * @param flags XATTR_CREATE (EEXIST if it exists) or XATTR_REPLACE (ENODATA if it does not).
 * @throws E2BIG the value is longer than XATTR_SIZE_MAX; ERANGE the name's length, or more than
 *   the medium can hold; EPERM, EACCES; EOPNOTSUPP; EROFS, ENOSPC, EINVAL, EIO.
 */
export function vfs_setxattr(inode: inode, name: ByteName, value: Uint8Array, flags: number): void {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw new Errno('EINVAL');
  check_name(name);
  if (value.length > XATTR_SIZE_MAX) throw new Errno('E2BIG');
  inode.i_rwsem.down_write();
  try {
    xattr_permission(inode, name, MAY_WRITE);
    const { handler, suffix } = resolve(inode, name);
    handler.set(inode, suffix, value, flags);
    if (name.startsWith(SECURITY_PREFIX)) inode.i_flags &= ~S_NOSEC;
  } finally {
    inode.i_rwsem.up_write();
  }
}

/** Takes i_rwsem. @throws ENODATA; the others of vfs_setxattr(). */
export function vfs_removexattr(inode: inode, name: ByteName): void {
  check_name(name);
  inode.i_rwsem.down_write();
  try {
    xattr_permission(inode, name, MAY_WRITE);
    __vfs_removexattr(inode, name);
  } finally {
    inode.i_rwsem.up_write();
  }
}

/** The names that the caller may know of, with prefixes. @throws E2BIG over XATTR_LIST_MAX; EIO */
export function vfs_listxattr(inode: inode): ByteName[] {
  if (inode.i_op.listxattr === undefined) return [];
  const cred = inode.i_sb.s_lump.current_cred;
  const names = inode.i_op.listxattr(inode).filter((name) => {
    const { prefix } = resolve(inode, name).handler;
    if (prefix === TRUSTED_PREFIX && !cred.privileged && !cred.permissionsChecked) return false;
    return resolve(inode, name).handler.list?.(inode, cred) ?? true;
  });
  let bytes = 0;
  for (const name of names) bytes += name.length + 1;
  if (bytes > XATTR_LIST_MAX) throw new Errno('E2BIG');
  return names;
}

// ---- without questions of permission ------------------------------------------------------------

/** @throws ENODATA, EOPNOTSUPP, EIO, ENOSPC. The caller holds i_rwsem. */
export function __vfs_removexattr(inode: inode, name: ByteName): void {
  const { handler, suffix } = resolve(inode, name);
  handler.set(inode, suffix, null, XATTR_REPLACE);
}

/** Is the attribute there? One that cannot be read is not: a write must not fail for it. */
export function __vfs_has_xattr(inode: inode, name: ByteName): boolean {
  if (inode.i_sb.s_xattr.length === 0) return false;
  try {
    const { handler, suffix } = resolve(inode, name);
    handler.get(inode, suffix);
    return true;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return false;
  }
}
