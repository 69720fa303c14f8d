/**
 * POSIX access control lists, for memfs and NetBSD's file systems: written independently of
 * src/lump, whose implementation memfs judges. They arrive and are kept as the value of
 * "system.posix_acl_access" and "system.posix_acl_default": u32 version 2, then entries of u16 tag,
 * u16 permissions, u32 id, little-endian.
 */
import { NETBSD_ERRNO as E } from './errno.js';
import type { puffs_cred } from './puffs.js';
import { puffs_cred_hasgroup, puffs_cred_isuid } from './cred.js';

const ACL_VERSION = 2;
const USER_OBJ = 1;
const USER = 2;
const GROUP_OBJ = 4;
const GROUP = 8;
const MASK = 16;
const OTHER = 32;
/** In the order in which a list has them. */
const TAGS = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER];
const ID_NONE = 0xffffffff;

export interface AclEntry {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

export type Acl = readonly AclEntry[];

/**
 * Takes a value apart; whether the list makes sense, {@link aclIsValid} says.
 * @returns null for the empty list (= none); EINVAL no list, EOPNOTSUPP another version.
 */
export function aclDecode(value: Uint8Array): Acl | null | number {
  if (value.length < 4) return E.EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(0, true) !== ACL_VERSION) return E.EOPNOTSUPP;
  if ((value.length - 4) % 8 !== 0) return E.EINVAL;
  const acl: AclEntry[] = [];
  for (let at = 4; at < value.length; at += 8) {
    const tag = view.getUint16(at, true);
    if (!TAGS.includes(tag)) return E.EINVAL;
    acl.push({
      tag,
      perm: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    });
  }
  return acl.length === 0 ? null : acl;
}

/** What a node keeps is a list. */
export function aclOf(kept: Uint8Array): Acl {
  return aclDecode(kept) as Acl;
}

export function aclEncode(acl: Acl): Uint8Array {
  const value = new Uint8Array(4 + acl.length * 8);
  const view = new DataView(value.buffer);
  view.setUint32(0, ACL_VERSION, true);
  acl.forEach((entry, i) => {
    view.setUint16(4 + i * 8, entry.tag, true);
    view.setUint16(6 + i * 8, entry.perm, true);
    view.setUint32(8 + i * 8, aclIsNamed(entry) ? entry.id : ID_NONE, true);
  });
  return value;
}

/** Only then its id means somebody. */
export const aclIsNamed = ({ tag }: Pick<AclEntry, 'tag'>): boolean =>
  tag === USER || tag === GROUP;

/** Owner, users, group, groups, mask, others in this order; a mask where somebody is named. */
export function aclIsValid(acl: Acl): boolean {
  let stage = -1;
  let named = false;
  for (const { tag, perm } of acl) {
    const before = stage;
    if (perm > 7) return false;
    if (tag === USER || tag === GROUP) named = true;
    stage = TAGS.indexOf(tag);
    if (stage < before) return false;
    if (stage === before && tag !== USER && tag !== GROUP) return false;
  }
  const has = (tag: number): boolean => acl.some((entry) => entry.tag === tag);
  return has(USER_OBJ) && has(GROUP_OBJ) && has(OTHER) && (!named || has(MASK));
}

const permOf = (acl: Acl, tag: number): number | undefined =>
  acl.find((entry) => entry.tag === tag)?.perm;

/** The group class of the mode is the mask where there is one. */
const groupClass = (acl: Acl): number => (permOf(acl, MASK) === undefined ? GROUP_OBJ : MASK);

/** Permission bits that a list stands for. */
export function aclMode(acl: Acl): number {
  return (permOf(acl, USER_OBJ)! << 6) | (permOf(acl, groupClass(acl))! << 3) | permOf(acl, OTHER)!;
}

/** Says the list no more than the mode does? */
export function aclIsMinimal(acl: Acl): boolean {
  return acl.length === 3;
}

/** The list after chmod. */
export function aclChmod(acl: Acl, mode: number): Acl {
  const group = groupClass(acl);
  return acl.map((entry) => {
    if (entry.tag === USER_OBJ) return { ...entry, perm: (mode >> 6) & 7 };
    if (entry.tag === group) return { ...entry, perm: (mode >> 3) & 7 };
    if (entry.tag === OTHER) return { ...entry, perm: mode & 7 };
    return entry;
  });
}

/** The access list of a node created with `mode` in a directory with this default list. */
export function aclInherit(defaults: Acl, mode: number): Acl {
  return aclChmod(defaults, aclMode(defaults) & mode);
}

/**
 * Linux's posix_acl_permission(), to be asked for users that are neither the owner nor privileged.
 * @returns 0 or EACCES.
 */
export function aclAccess(acl: Acl, group: number, wanted: number, cred: puffs_cred): number {
  const mask = permOf(acl, MASK) ?? 7;
  const grants = (perm: number): boolean => (perm & wanted) === wanted;
  for (const entry of acl) {
    if (entry.tag === USER && puffs_cred_isuid(cred, entry.id)) {
      return grants(entry.perm & mask) ? 0 : E.EACCES;
    }
  }
  let isMember = false;
  for (const entry of acl) {
    if (entry.tag !== GROUP_OBJ && entry.tag !== GROUP) continue;
    if (!puffs_cred_hasgroup(cred, entry.tag === GROUP_OBJ ? group : entry.id)) continue;
    isMember = true;
    if (grants(entry.perm & mask)) return 0;
  }
  if (isMember) return E.EACCES;
  return grants(permOf(acl, OTHER)!) ? 0 : E.EACCES;
}
