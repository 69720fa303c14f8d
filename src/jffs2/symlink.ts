/** Symbolic links: the target is kept with the inode. */
import type { inode_operations } from '../lump/fs.js';
import { JFFS2_INODE_INFO, jffs2_setattr } from './fs.js';
import { jffs2_listxattr } from './xattr_handlers.js';

export const jffs2_symlink_inode_operations: inode_operations = {
  get_link: (inode) => JFFS2_INODE_INFO(inode).target,
  setattr: (_dentry, inode, attr) => jffs2_setattr(inode, attr),
  listxattr: jffs2_listxattr,
};
