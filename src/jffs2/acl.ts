/**
 * POSIX access control lists on the medium. Their attribute has a prefix number of its own, an
 * empty name, and a value unlike that of the system calls: version 1, the image's byte order, and
 * ids only where the tag has one. Facts: reference jffs2.md §10.4.
 */
import { Errno } from '../lump/errno.js';
import { ATTR_CTIME, ATTR_MODE, type inode } from '../lump/fs.js';
import { new_iattr } from '../lump/attr.js';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_TYPE_ACCESS,
  ACL_TYPE_DEFAULT,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  posix_acl_update_mode,
  set_cached_acl,
  type posix_acl,
  type posix_acl_entry,
} from '../lump/posix_acl.js';
import {
  jffs2_do_setattr,
  JFFS2_INODE_INFO,
  jffs2_now,
  JFFS2_SB_INFO,
  type jffs2_made_inode,
} from './fs.js';
import { JFFS2_XPREFIX_ACL_ACCESS, JFFS2_XPREFIX_ACL_DEFAULT, type Endian } from './medium.js';
import { do_jffs2_getxattr, do_jffs2_setxattr } from './xattr.js';

const JFFS2_ACL_VERSION = 1;
const SHORT_ENTRY = 4;
const LONG_ENTRY = 8;

const xprefixOf = (type: number): number =>
  type === ACL_TYPE_ACCESS ? JFFS2_XPREFIX_ACL_ACCESS : JFFS2_XPREFIX_ACL_DEFAULT;

/** @throws EINVAL another version, an unknown tag, or bytes left over. */
export function jffs2_acl_from_medium(e: Endian, value: Uint8Array): posix_acl | null {
  if (value.length < 4 || e.u32(value, 0) !== JFFS2_ACL_VERSION) {
    throw new Errno('EINVAL', 'access control list of unknown version');
  }
  const entries: posix_acl_entry[] = [];
  let at = 4;
  while (at < value.length) {
    if (at + SHORT_ENTRY > value.length) throw new Errno('EINVAL', 'access control list cut off');
    const tag = e.u16(value, at);
    const perm = e.u16(value, at + 2);
    switch (tag) {
      case ACL_USER_OBJ:
      case ACL_GROUP_OBJ:
      case ACL_MASK:
      case ACL_OTHER:
        entries.push({ e_tag: tag, e_perm: perm, e_id: ACL_UNDEFINED_ID });
        at += SHORT_ENTRY;
        break;
      case ACL_USER:
      case ACL_GROUP:
        if (at + LONG_ENTRY > value.length) {
          throw new Errno('EINVAL', 'access control list cut off');
        }
        entries.push({ e_tag: tag, e_perm: perm, e_id: e.u32(value, at + 4) });
        at += LONG_ENTRY;
        break;
      default:
        throw new Errno('EINVAL', `access control list with the unknown tag ${tag}`);
    }
  }
  return entries.length === 0 ? null : { a_entries: entries };
}

export function jffs2_acl_to_medium(e: Endian, acl: posix_acl): Uint8Array {
  const hasId = (entry: posix_acl_entry): boolean =>
    entry.e_tag === ACL_USER || entry.e_tag === ACL_GROUP;
  const size = acl.a_entries.reduce(
    (sum, entry) => sum + (hasId(entry) ? LONG_ENTRY : SHORT_ENTRY),
    4,
  );
  const value = new Uint8Array(size);
  e.put32(value, 0, JFFS2_ACL_VERSION);
  let at = 4;
  for (const entry of acl.a_entries) {
    e.put16(value, at, entry.e_tag);
    e.put16(value, at + 2, entry.e_perm);
    if (hasId(entry)) {
      e.put32(value, at + 4, entry.e_id);
      at += LONG_ENTRY;
    } else {
      at += SHORT_ENTRY;
    }
  }
  return value;
}

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
