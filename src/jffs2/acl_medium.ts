/**
 * POSIX access control lists as the medium has them: version 1, the image's byte order, and ids
 * only where the tag has one. Facts: reference jffs2.md §10.4.
 */
import { Errno } from '../lump/errno.js';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  type posix_acl,
  type posix_acl_entry,
} from '../lump/posix_acl.js';
import type { Endian } from './medium.js';

const JFFS2_ACL_VERSION = 1;
const SHORT_ENTRY = 4;
const LONG_ENTRY = 8;

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
