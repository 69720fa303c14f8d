/**
 * The name spaces of extended attributes, as the VFS sees them. Facts: reference jffs2.md §10.1.
 */
import { Errno } from '../lump/errno.js';
import type { inode, xattr_handler } from '../lump/fs.js';
import {
  posix_acl_access_xattr_handler,
  posix_acl_default_xattr_handler,
} from '../lump/posix_acl.js';
import type { ByteName } from '../lump/types.js';
import { JFFS2_INODE_INFO, jffs2_now, JFFS2_SB_INFO } from './fs.js';
import {
  JFFS2_XPREFIX_NAMES,
  JFFS2_XPREFIX_SECURITY,
  JFFS2_XPREFIX_TRUSTED,
  JFFS2_XPREFIX_USER,
} from './medium.js';
import { do_jffs2_getxattr, do_jffs2_setxattr, jffs2_list_xattr } from './xattr.js';

/** Longest name that the medium's length byte holds. */
const NAME_LENGTH_MAX = 255;

function handler(prefix: ByteName, xprefix: number): xattr_handler {
  return {
    prefix,
    get(inode, name): Uint8Array {
      const c = JFFS2_SB_INFO(inode.i_sb);
      return do_jffs2_getxattr(c, JFFS2_INODE_INFO(inode).inocache, xprefix, name);
    },
    set(inode, name, value, flags): void {
      if (name.length > NAME_LENGTH_MAX) throw new Errno('ERANGE');
      const c = JFFS2_SB_INFO(inode.i_sb);
      do_jffs2_setxattr(c, JFFS2_INODE_INFO(inode).inocache, xprefix, name, value, flags);
      inode.i_ctime_sec = jffs2_now(c);
    },
  };
}

const trusted: xattr_handler = {
  ...handler('trusted.', JFFS2_XPREFIX_TRUSTED),
  list: (_inode, cred) => cred.privileged,
};

export const jffs2_xattr_handlers: readonly xattr_handler[] = [
  handler('user.', JFFS2_XPREFIX_USER),
  handler('security.', JFFS2_XPREFIX_SECURITY),
  posix_acl_access_xattr_handler,
  posix_acl_default_xattr_handler,
  trusted,
];

/** All names; who may see which is the VFS's business. Unknown prefixes are left out. */
export function jffs2_listxattr(inode: inode): ByteName[] {
  const c = JFFS2_SB_INFO(inode.i_sb);
  const names: ByteName[] = [];
  for (const { xprefix, name } of jffs2_list_xattr(c, JFFS2_INODE_INFO(inode).inocache)) {
    const prefix = JFFS2_XPREFIX_NAMES[xprefix];
    if (prefix !== undefined) names.push(prefix + name);
  }
  return names;
}
