/**
 * POSIX access control lists (Linux's fs/posix_acl.c; the rules are those of IEEE 1003.1e draft 17
 * and acl(5)).
 *
 * A list is complete and in canonical order when posix_acl_valid() says so: owner, named users,
 * group, named groups, mask, others. Entries are never changed in place once a list is shared.
 */
import { in_group, inode_owner_or_capable } from './attr.js';
import { Errno } from './errno.js';
import {
  S_IRWXUGO,
  S_ISDIR,
  S_ISGID,
  S_ISLNK,
  SB_POSIXACL,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
} from './fs.js';
import type { inode, xattr_handler } from './fs.js';

export const ACL_TYPE_ACCESS = 0x8000;
export const ACL_TYPE_DEFAULT = 0x4000;

/** `e_tag` */
export const ACL_USER_OBJ = 0x01;
export const ACL_USER = 0x02;
export const ACL_GROUP_OBJ = 0x04;
export const ACL_GROUP = 0x08;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;

/** `e_id` of the entries that name nobody. */
export const ACL_UNDEFINED_ID = 0xffffffff;

export interface posix_acl_entry {
  readonly e_tag: number;
  /** MAY_READ | MAY_WRITE | MAY_EXEC */
  readonly e_perm: number;
  readonly e_id: number;
}

export interface posix_acl {
  readonly a_entries: readonly posix_acl_entry[];
}

const S_IRWXO = 0o007;
const PERM_ALL = MAY_READ | MAY_WRITE | MAY_EXEC;

// ---- the form of the system calls ---------------------------------------------------------------
// u32 version (2), then 8 bytes per entry: u16 tag, u16 permissions, u32 id; little endian always.

export const POSIX_ACL_XATTR_VERSION = 2;
const XATTR_HEADER_BYTES = 4;
const XATTR_ENTRY_BYTES = 8;

/** @returns null for a list without entries. @throws EOPNOTSUPP another version; EINVAL damaged */
export function posix_acl_from_xattr(bytes: Uint8Array): posix_acl | null {
  if (bytes.length < XATTR_HEADER_BYTES) throw new Errno('EINVAL');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== POSIX_ACL_XATTR_VERSION) throw new Errno('EOPNOTSUPP');
  if ((bytes.length - XATTR_HEADER_BYTES) % XATTR_ENTRY_BYTES !== 0) throw new Errno('EINVAL');
  const a_entries: posix_acl_entry[] = [];
  for (let at = XATTR_HEADER_BYTES; at < bytes.length; at += XATTR_ENTRY_BYTES) {
    const e_tag = view.getUint16(at, true);
    const named = e_tag === ACL_USER || e_tag === ACL_GROUP;
    a_entries.push({
      e_tag,
      e_perm: view.getUint16(at + 2, true),
      e_id: named ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID,
    });
  }
  return a_entries.length === 0 ? null : { a_entries };
}

export function posix_acl_to_xattr(acl: posix_acl): Uint8Array {
  const bytes = new Uint8Array(XATTR_HEADER_BYTES + acl.a_entries.length * XATTR_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, POSIX_ACL_XATTR_VERSION, true);
  let at = XATTR_HEADER_BYTES;
  for (const entry of acl.a_entries) {
    view.setUint16(at, entry.e_tag, true);
    view.setUint16(at + 2, entry.e_perm, true);
    view.setUint32(at + 4, entry.e_id, true);
    at += XATTR_ENTRY_BYTES;
  }
  return bytes;
}

// ---- what a list means --------------------------------------------------------------------------

/**
 * Checks order, completeness and permissions: exactly one owner, group and others entry; a mask,
 * at most one, if anybody is named.
 * @throws EINVAL
 */
export function posix_acl_valid(acl: posix_acl): void {
  let last = 0;
  let needsMask = false;
  let seen = 0;
  for (const { e_tag, e_perm, e_id } of acl.a_entries) {
    const named = e_tag === ACL_USER || e_tag === ACL_GROUP;
    const known =
      named ||
      e_tag === ACL_USER_OBJ ||
      e_tag === ACL_GROUP_OBJ ||
      e_tag === ACL_MASK ||
      e_tag === ACL_OTHER;
    if (!known || (e_perm & ~PERM_ALL) !== 0 || e_tag < last) throw new Errno('EINVAL');
    if (!named && (seen & e_tag) !== 0) throw new Errno('EINVAL');
    if (named) {
      if (e_id === ACL_UNDEFINED_ID) throw new Errno('EINVAL');
      needsMask = true;
    }
    seen |= e_tag;
    last = e_tag;
  }
  const required = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER | (needsMask ? ACL_MASK : 0);
  if ((seen & required) !== required) throw new Errno('EINVAL');
}

/** The permission bits that a list comes down to; `equivalent` when they say all that it says. */
export function posix_acl_equiv_mode(acl: posix_acl): { mode: number; equivalent: boolean } {
  let mode = 0;
  let mask = -1;
  let equivalent = true;
  for (const { e_tag, e_perm } of acl.a_entries) {
    const perm = e_perm & S_IRWXO;
    switch (e_tag) {
      case ACL_USER_OBJ:
        mode |= perm << 6;
        break;
      case ACL_GROUP_OBJ:
        mode |= perm << 3;
        break;
      case ACL_OTHER:
        mode |= perm;
        break;
      case ACL_MASK:
        mask = perm;
        equivalent = false;
        break;
      case ACL_USER:
      case ACL_GROUP:
        equivalent = false;
        break;
      default:
        throw new Errno('EINVAL');
    }
  }
  // stat(2) shows the mask in the group's place.
  if (mask >= 0) mode = (mode & ~0o070) | (mask << 3);
  return { mode, equivalent };
}

/** The list that says what permission bits say. */
export function posix_acl_from_mode(mode: number): posix_acl {
  return {
    a_entries: [
      { e_tag: ACL_USER_OBJ, e_perm: (mode >> 6) & S_IRWXO, e_id: ACL_UNDEFINED_ID },
      { e_tag: ACL_GROUP_OBJ, e_perm: (mode >> 3) & S_IRWXO, e_id: ACL_UNDEFINED_ID },
      { e_tag: ACL_OTHER, e_perm: mode & S_IRWXO, e_id: ACL_UNDEFINED_ID },
    ],
  };
}

/**
 * Does the list of `inode` grant all of `want` to the caller? The first class that the caller
 * belongs to decides; of several groups any may grant. Named entries and the group count only as
 * far as the mask allows.
 * @throws EIO a list without an entry for others.
 */
export function posix_acl_permission(inode: inode, acl: posix_acl, want: number): boolean {
  const cred = inode.i_sb.s_lump.current_cred;
  let mask = PERM_ALL;
  for (const entry of acl.a_entries) if (entry.e_tag === ACL_MASK) mask = entry.e_perm;
  let inSomeGroup = false;
  for (const { e_tag, e_perm, e_id } of acl.a_entries) {
    switch (e_tag) {
      case ACL_USER_OBJ:
        if (cred.fsuid === inode.i_uid) return (want & ~e_perm) === 0;
        break;
      case ACL_USER:
        if (cred.fsuid === e_id) return (want & ~(e_perm & mask)) === 0;
        break;
      case ACL_GROUP_OBJ:
      case ACL_GROUP: {
        const gid = e_tag === ACL_GROUP ? e_id : inode.i_gid;
        if (cred.fsgid !== gid && !cred.groups.includes(gid)) break;
        inSomeGroup = true;
        if ((want & ~(e_perm & mask)) === 0) return true;
        break;
      }
      case ACL_MASK:
        break;
      case ACL_OTHER:
        return !inSomeGroup && (want & ~e_perm) === 0;
      default:
        throw new Errno('EIO');
    }
  }
  throw new Errno('EIO');
}

// ---- lists and modes of new and changed inodes --------------------------------------------------

/** The entry that carries the group bits of the mode: the mask if there is one, else the group. */
function group_class_tag(acl: posix_acl): number {
  const has = (tag: number): boolean => acl.a_entries.some((entry) => entry.e_tag === tag);
  if (has(ACL_MASK)) return ACL_MASK;
  if (has(ACL_GROUP_OBJ)) return ACL_GROUP_OBJ;
  throw new Errno('EIO');
}

/** A copy whose owner, group-class and others entries go through `change` with their shift. */
function map_mode_entries(
  acl: posix_acl,
  change: (perm: number, shift: number) => number,
): posix_acl {
  const groupClass = group_class_tag(acl);
  return {
    a_entries: acl.a_entries.map((entry) => {
      const { e_tag, e_perm, e_id } = entry;
      if (e_tag === ACL_USER_OBJ) return { e_tag, e_perm: change(e_perm, 6), e_id };
      if (e_tag === groupClass) return { e_tag, e_perm: change(e_perm, 3), e_id };
      if (e_tag === ACL_OTHER) return { e_tag, e_perm: change(e_perm, 0), e_id };
      return entry;
    }),
  };
}

/**
 * Mode and lists of what is about to be made in `dir` with `mode`: a default ACL there replaces the
 * umask. Without ACL support (or a default ACL) the umask is applied.
 *
 * `defaultAcl` is what a new directory hands on, `acl` its access list; null where none is needed.
 * @throws EIO the directory's ACL cannot be read or is damaged.
 */
export function posix_acl_create(
  dir: inode,
  mode: number,
): { mode: number; defaultAcl: posix_acl | null; acl: posix_acl | null } {
  if (S_ISLNK(mode)) return { mode, defaultAcl: null, acl: null };
  const supported = (dir.i_sb.s_flags & SB_POSIXACL) !== 0;
  const inherited = supported ? get_inode_acl(dir, ACL_TYPE_DEFAULT) : null;
  if (inherited === null) {
    return { mode: mode & ~dir.i_sb.s_lump.current_cred.umask, defaultAcl: null, acl: null };
  }
  const acl = map_mode_entries(inherited, (perm, shift) => perm & (mode >> shift));
  const { mode: bits, equivalent } = posix_acl_equiv_mode(acl);
  return {
    mode: (mode & ~S_IRWXUGO) | bits,
    defaultAcl: S_ISDIR(mode) ? inherited : null,
    acl: equivalent ? null : acl,
  };
}

/**
 * After a chmod: brings the access list in line with `mode`. The file system's setattr calls it
 * when it has stored the mode.
 * @throws EOPNOTSUPP, ENOSPC, EIO.
 */
export function posix_acl_chmod(inode: inode, mode: number): void {
  if ((inode.i_sb.s_flags & SB_POSIXACL) === 0 || S_ISLNK(mode)) return;
  const acl = get_inode_acl(inode, ACL_TYPE_ACCESS);
  if (acl === null) return;
  set_inode_acl(
    inode,
    map_mode_entries(acl, (_perm, shift) => (mode >> shift) & S_IRWXO),
    ACL_TYPE_ACCESS,
  );
}

/**
 * For set_acl of an access list: the inode's new mode, and the list to store, null when the mode
 * says it all. A caller who is not in the group loses the setgid bit.
 */
export function posix_acl_update_mode(
  inode: inode,
  acl: posix_acl,
): { mode: number; acl: posix_acl | null } {
  const { mode: bits, equivalent } = posix_acl_equiv_mode(acl);
  let mode = (inode.i_mode & ~S_IRWXUGO) | bits;
  if (!in_group(inode.i_sb.s_lump.current_cred, inode.i_gid)) mode &= ~S_ISGID;
  return { mode, acl: equivalent ? null : acl };
}

// ---- getting and setting ------------------------------------------------------------------------

/** The inode's list, from the file system at the first question. @throws EIO */
export function get_inode_acl(inode: inode, type: number): posix_acl | null {
  const cached = type === ACL_TYPE_ACCESS ? inode.i_acl : inode.i_default_acl;
  if (cached !== undefined) return cached;
  const acl = inode.i_op.get_acl?.(inode, type) ?? null;
  set_cached_acl(inode, type, acl);
  return acl;
}

/** Remembers a list; undefined forgets it. A file system's own set_acl may call it. */
export function set_cached_acl(
  inode: inode,
  type: number,
  acl: posix_acl | null | undefined,
): void {
  if (type === ACL_TYPE_ACCESS) inode.i_acl = acl;
  else inode.i_default_acl = acl;
}

/** Hands a list to the file system, which may store another (see posix_acl_update_mode()). */
function set_inode_acl(inode: inode, acl: posix_acl | null, type: number): void {
  if (inode.i_op.set_acl === undefined) throw new Errno('EOPNOTSUPP');
  set_cached_acl(inode, type, undefined);
  inode.i_op.set_acl(inode, acl, type);
}

function xattr_handler_of(prefix: string, type: number): xattr_handler {
  return {
    prefix,
    get(inode): Uint8Array {
      if (!acl_supported(inode)) throw new Errno('EOPNOTSUPP');
      const acl = get_inode_acl(inode, type);
      if (acl === null) throw new Errno('ENODATA');
      return posix_acl_to_xattr(acl);
    },
    // XATTR_CREATE and XATTR_REPLACE mean nothing here, as in Linux.
    set(inode, _name, value): void {
      if (!acl_supported(inode)) throw new Errno('EOPNOTSUPP');
      const acl = value === null ? null : posix_acl_from_xattr(value);
      if (type === ACL_TYPE_DEFAULT && !S_ISDIR(inode.i_mode)) {
        if (acl !== null) throw new Errno('EACCES');
        return;
      }
      if (!inode_owner_or_capable(inode)) throw new Errno('EPERM');
      if (acl !== null) posix_acl_valid(acl);
      set_inode_acl(inode, acl, type);
    },
    list: acl_supported,
  };
}

const acl_supported = (inode: inode): boolean =>
  (inode.i_sb.s_flags & SB_POSIXACL) !== 0 && !S_ISLNK(inode.i_mode);

export const posix_acl_access_xattr_handler: xattr_handler = xattr_handler_of(
  'system.posix_acl_access',
  ACL_TYPE_ACCESS,
);
export const posix_acl_default_xattr_handler: xattr_handler = xattr_handler_of(
  'system.posix_acl_default',
  ACL_TYPE_DEFAULT,
);
