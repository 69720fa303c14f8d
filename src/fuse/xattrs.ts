/**
 * Extended attributes, with their sizes probed. Linux's "user." is NetBSD's user name space; every
 * other name keeps its prefix in the system name space.
 */
import {
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  type ByteName,
  type Cookie,
  type puffs_cred,
  type puffs_ops,
} from '../puffs/puffs.js';
import { NETBSD_ERRNO } from '../puffs/errno.js';
import { extattrName, extattrNamespace, xattrName } from '../puffs/name.js';
import { MAX_WRITE_BYTES } from './init.js';
import {
  FUSE_COMPAT_SETXATTR_IN_SIZE,
  FUSE_SETXATTR_ACL_KILL_SGID,
  fuse_getxattr_in,
  fuse_getxattr_out,
  fuse_setxattr_in,
} from './protocol.js';
import { EIO, EOPNOTSUPP, ERANGE, IN, OUT } from './reply.js';
import type { FuseSession } from './session.js';

const ACL_PREFIX = 'system.posix_acl_';
/** SELinux's label of a file. */
const LABEL = 'security.selinux';
const S_ISGID = 0o2000;

/** FUSE_GETXATTR */
export function getxattr(s: FuseSession): number {
  const room = s.request.u32(IN + fuse_getxattr_in.at.size);
  const name = s.nameAt(IN + fuse_getxattr_in.bytes);
  const buf =
    room === 0 ? null : s.reply.bytes.subarray(OUT, OUT + Math.min(room, MAX_WRITE_BYTES));
  const error = s.fs.node_getextattr(
    s.node,
    extattrNamespace(name),
    extattrName(name),
    s.size,
    buf,
    s.cred,
  );
  // Where there are no access lists, the mode decides: the kernel must hear "none", not "cannot".
  if (error === NETBSD_ERRNO.EOPNOTSUPP && name.startsWith(ACL_PREFIX)) {
    return s.fail(NETBSD_ERRNO.ENOATTR);
  }
  if (error === NETBSD_ERRNO.ENOATTR && name === LABEL && !s.options.mayHaveLabels()) {
    return -EOPNOTSUPP;
  }
  if (error !== 0) return s.fail(error);
  return buf === null ? putSize(s, s.size.value) : s.size.value;
}

/** FUSE_LISTXATTR */
export function listxattr(s: FuseSession): number {
  const room = s.request.u32(IN + fuse_getxattr_in.at.size);
  const out = { value: '' };
  const error = listNames(s.fs, s.node, s.cred, out);
  if (error !== 0) return s.fail(error);
  if (room === 0) return putSize(s, out.value.length);
  if (out.value.length > room) return -ERANGE;
  return s.reply.bytes.write(out.value, OUT, 'latin1');
}

/** Names with their prefixes, each ended by a NUL. @returns 0 or a NetBSD errno. */
export function listNames(
  fs: puffs_ops,
  node: Cookie,
  cred: puffs_cred,
  out: { value: ByteName },
): number {
  const list = { names: [] as ByteName[] };
  out.value = '';
  for (const ns of [EXTATTR_NAMESPACE_USER, EXTATTR_NAMESPACE_SYSTEM]) {
    const error = fs.node_listextattr(node, ns, list, cred);
    // A file system without a name space has no names in it.
    if (error === NETBSD_ERRNO.EOPNOTSUPP) continue;
    if (error !== 0) return error;
    for (const name of list.names) out.value += `${xattrName(ns, name)}\0`;
  }
  return 0;
}

/** FUSE_SETXATTR */
export function setxattr(s: FuseSession): number {
  const x = fuse_setxattr_in.at;
  const bytes = s.setxattrExt ? fuse_setxattr_in.bytes : FUSE_COMPAT_SETXATTR_IN_SIZE;
  const size = s.request.u32(IN + x.size);
  const flags = s.request.u32(IN + x.flags);
  const name = s.nameAt(IN + bytes);
  const valueAt = IN + bytes + name.length + 1;
  if (valueAt + size > s.length) return -EIO;
  // A copy: the file system may keep it, the request buffer is reused.
  const value = Uint8Array.prototype.slice.call(s.request.bytes, valueAt, valueAt + size);
  let error = s.fs.node_setextattr(
    s.node,
    extattrNamespace(name),
    extattrName(name),
    value,
    flags,
    s.cred,
  );
  if (
    error === 0 &&
    s.setxattrExt &&
    (s.request.u32(IN + x.setxattr_flags) & FUSE_SETXATTR_ACL_KILL_SGID) !== 0
  ) {
    error = dropSetGid(s);
  }
  return error === 0 ? 0 : s.fail(error);
}

/** FUSE_REMOVEXATTR */
export function removexattr(s: FuseSession): number {
  const name = s.nameAt(IN);
  const error = s.fs.node_deleteextattr(s.node, extattrNamespace(name), extattrName(name), s.cred);
  return error === 0 ? 0 : s.fail(error);
}

/** Who sets an ACL without being in the file's group loses the set-group-id bit. */
function dropSetGid(s: FuseSession): number {
  const error = s.fs.node_getattr(s.node, s.va, s.cred);
  if (error !== 0 || (s.va.va_mode & S_ISGID) === 0) return error;
  const mode = s.va.va_mode & ~S_ISGID;
  const va = s.emptyVattr();
  va.va_mode = mode;
  return s.fs.node_setattr(s.node, va, s.cred);
}

function putSize(s: FuseSession, bytes: number): number {
  s.reply.putU32(OUT + fuse_getxattr_out.at.size, bytes);
  s.reply.putU32(OUT + fuse_getxattr_out.at.padding, 0);
  return fuse_getxattr_out.bytes;
}
