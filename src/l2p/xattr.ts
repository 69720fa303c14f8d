/**
 * Names of extended attributes: NetBSD's name space and name ↔ Linux's full name. "user.x" is "x"
 * of the user name space; everything else keeps its prefix in the system name space.
 */
import { Errno } from '../lump/errno.js';
import type { ByteName } from '../lump/types.js';
import { EXTATTR_NAMESPACE_SYSTEM, EXTATTR_NAMESPACE_USER } from '../puffs/puffs.js';

const USER_PREFIX = 'user.';

/** @throws EOPNOTSUPP a name space that does not exist, or a user attribute in the system's. */
export function extattr_to_xattr(ns: number, name: ByteName): ByteName {
  if (ns === EXTATTR_NAMESPACE_USER) return USER_PREFIX + name;
  if (ns !== EXTATTR_NAMESPACE_SYSTEM || name.startsWith(USER_PREFIX)) {
    throw new Errno('EOPNOTSUPP', `attribute ${name} of name space ${ns}`);
  }
  return name;
}

export function xattr_to_extattr(xattr: ByteName): { ns: number; name: ByteName } {
  return xattr.startsWith(USER_PREFIX)
    ? { ns: EXTATTR_NAMESPACE_USER, name: xattr.slice(USER_PREFIX.length) }
    : { ns: EXTATTR_NAMESPACE_SYSTEM, name: xattr };
}
