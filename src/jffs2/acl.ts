/**
 * POSIX access control lists, kept in attributes with a prefix number of their own and an empty
 * name; their form on the medium is acl_medium.ts's.
 */
import { Errno } from '../lump/errno.js';
import { ATTR_CTIME, ATTR_MODE, type inode } from '../lump/fs.js';
import { new_iattr } from '../lump/attr.js';
import {
  ACL_TYPE_ACCESS,
  ACL_TYPE_DEFAULT,
  posix_acl_update_mode,
  set_cached_acl,
  type posix_acl,
} from '../lump/posix_acl.js';
import {
  jffs2_do_setattr,
  JFFS2_INODE_INFO,
  jffs2_now,
  JFFS2_SB_INFO,
  type jffs2_made_inode,
} from './fs.js';
import { jffs2_acl_from_medium, jffs2_acl_to_medium } from './acl_medium.js';
import { JFFS2_XPREFIX_ACL_ACCESS, JFFS2_XPREFIX_ACL_DEFAULT } from './medium.js';
import { do_jffs2_getxattr, do_jffs2_setxattr } from './xattr.js';

const xprefixOf = (type: number): number =>
  type === ACL_TYPE_ACCESS ? JFFS2_XPREFIX_ACL_ACCESS : JFFS2_XPREFIX_ACL_DEFAULT;

export function jffs2_get_acl(inode: inode, type: number): posix_acl | null {
  const c = JFFS2_SB_INFO(inode.i_sb);
  const ic = JFFS2_INODE_INFO(inode).inocache;
  let value: Uint8Array;
  try {
    value = do_jffs2_getxattr(c, ic, xprefixOf(type), '');
  } catch (error) {
    if (error instanceof Errno && error.code === 'ENODATA') return null;
    throw error;
  }
  return jffs2_acl_from_medium(c.e, value);
}

/** Stores a list. An access list that only repeats the mode becomes the mode. */
export function jffs2_set_acl(inode: inode, acl: posix_acl | null, type: number): void {
  const c = JFFS2_SB_INFO(inode.i_sb);
  let stored = acl;
  if (type === ACL_TYPE_ACCESS && acl) {
    const update = posix_acl_update_mode(inode, acl);
    stored = update.acl;
    if (inode.i_mode !== update.mode) {
      const attr = new_iattr(ATTR_MODE | ATTR_CTIME);
      attr.ia_mode = update.mode;
      attr.ia_ctime_sec = jffs2_now(c);
      jffs2_do_setattr(inode, attr);
    }
  }
  storeAcl(inode, stored, type);
}

function storeAcl(inode: inode, acl: posix_acl | null, type: number): void {
  const c = JFFS2_SB_INFO(inode.i_sb);
  const ic = JFFS2_INODE_INFO(inode).inocache;
  const value = acl ? jffs2_acl_to_medium(c.e, acl) : null;
  try {
    do_jffs2_setxattr(c, ic, xprefixOf(type), '', value, 0);
  } catch (error) {
    const nothingToRemove = error instanceof Errno && error.code === 'ENODATA' && value === null;
    if (!nothingToRemove) throw error;
  }
  set_cached_acl(inode, type, acl);
}

/** Gives a new inode the lists that its directory hands on. @throws ENOSPC, EIO */
export function jffs2_init_acl_post(made: jffs2_made_inode): void {
  if (made.defaultAcl) storeAcl(made.inode, made.defaultAcl, ACL_TYPE_DEFAULT);
  if (made.acl) storeAcl(made.inode, made.acl, ACL_TYPE_ACCESS);
}
