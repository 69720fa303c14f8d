/**
 * Names of extended attributes: NetBSD's name space and name ↔ Linux's full name. "user.x" is "x"
 * of the user name space; everything else keeps its prefix in the system name space.
 */
import { Errno } from '../lump/errno.js';
import type { ByteName } from '../lump/types.js';
import { extattrName, extattrNamespace, xattrName } from '../puffs/name.js';

/** @throws EOPNOTSUPP a name space that does not exist, or a user attribute in the system's. */
export function extattr_to_xattr(ns: number, name: ByteName): ByteName {
  const xattr = xattrName(ns, name);
  if (extattrNamespace(xattr) !== ns) {
    throw new Errno('EOPNOTSUPP', `attribute ${name} of name space ${ns}`);
  }
  return xattr;
}

export function xattr_to_extattr(xattr: ByteName): { ns: number; name: ByteName } {
  return { ns: extattrNamespace(xattr), name: extattrName(xattr) };
}
