/**
 * Credentials and puffs's access helpers.
 *
 * Source: reference rump.md §1.10.
 */
import { NETBSD_ERRNO as E } from './errno.js';
import {
  FREAD,
  FWRITE,
  PUFFS_VEXEC,
  PUFFS_VREAD,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VDIR,
  type puffs_cred,
} from './puffs.js';

const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;

/** The server's own work: may do everything. */
export const PUFFS_CRED_KERNEL: puffs_cred = Object.freeze({
  kind: 'kernel',
  uid: 0,
  gid: 0,
  groups: [],
  permissionsChecked: false,
  umask: 0,
});

export const PUFFS_CRED_ROOT: puffs_cred = Object.freeze({
  kind: 'user',
  uid: 0,
  gid: 0,
  groups: [],
  permissionsChecked: false,
  umask: 0,
});

/** A user's credential; umask 0 (the caller has applied it). */
export function puffs_cred_user(
  uid: number,
  gid: number,
  groups: readonly number[] = [],
  umask = 0,
): puffs_cred {
  return { kind: 'user', uid, gid, groups, permissionsChecked: false, umask };
}

/** root, the kernel or the file system itself. */
export function puffs_cred_isjuggernaut(cred: puffs_cred): boolean {
  return cred.kind !== 'user' || cred.uid === 0;
}

/** Is it this user? The kernel and the file system itself are no users. */
export function puffs_cred_isuid(cred: puffs_cred, uid: number): boolean {
  return cred.kind === 'user' && cred.uid === uid;
}

/** Is it in this group, first or further? */
export function puffs_cred_hasgroup(cred: puffs_cred, gid: number): boolean {
  return cred.kind === 'user' && (cred.gid === gid || cred.groups.includes(gid));
}

/**
 * May `cred` do `wanted` (PUFFS_VREAD | VWRITE | VEXEC) to a node? Exactly one class of mode bits
 * is consulted: owner's, else group's, else the others'.
 * @returns 0 or EACCES.
 */
export function puffs_access(
  type: number,
  mode: number,
  owner: number,
  group: number,
  wanted: number,
  cred: puffs_cred,
): number {
  if (puffs_cred_isjuggernaut(cred)) {
    const unexecutable = (wanted & PUFFS_VEXEC) !== 0 && type !== VDIR && (mode & 0o111) === 0;
    return unexecutable ? E.EACCES : 0;
  }
  const bits = puffs_cred_isuid(cred, owner)
    ? mode >> 6
    : puffs_cred_hasgroup(cred, group)
      ? mode >> 3
      : mode;
  return (bits & wanted) === wanted ? 0 : E.EACCES;
}

/** What opening with `mode` (FREAD | FWRITE) takes, as {@link puffs_access} wants it. */
export const puffs_access_open = (mode: number): number =>
  ((mode & FREAD) !== 0 ? PUFFS_VREAD : 0) | ((mode & FWRITE) !== 0 ? PUFFS_VWRITE : 0);

/**
 * May `cred` give a node of `owner`, `group` to `newOwner`, `newGroup`? An owner may move it
 * between groups of which he is a member.
 * @returns 0 or EPERM.
 */
export function puffs_access_chown(
  owner: number,
  group: number,
  newOwner: number,
  newGroup: number,
  cred: puffs_cred,
): number {
  if (puffs_cred_isjuggernaut(cred)) return 0;
  if (!puffs_cred_isuid(cred, owner) || newOwner !== owner) return E.EPERM;
  return newGroup === group || puffs_cred_hasgroup(cred, newGroup) ? 0 : E.EPERM;
}

/**
 * May `cred` set this mode?
 * @returns 0; EPERM for a stranger, or for the set-group-id bit of a foreign group; EFTYPE for the
 *   sticky bit on something else than a directory by a user.
 */
export function puffs_access_chmod(
  owner: number,
  group: number,
  type: number,
  mode: number,
  cred: puffs_cred,
): number {
  if (puffs_cred_isjuggernaut(cred)) return 0;
  if (!puffs_cred_isuid(cred, owner)) return E.EPERM;
  if (type !== VDIR && (mode & S_ISVTX) !== 0) return E.EFTYPE;
  if ((mode & S_ISGID) !== 0 && !puffs_cred_hasgroup(cred, group)) return E.EPERM;
  return 0;
}

/**
 * May `cred` set the times? `vaflags` with VA_UTIMES_NULL means "now", which whoever may write may
 * ask for.
 * @returns 0, EPERM for explicit times by a stranger, EACCES for "now" without write permission.
 */
export function puffs_access_times(
  owner: number,
  group: number,
  mode: number,
  vaflags: number,
  cred: puffs_cred,
): number {
  if (puffs_cred_isjuggernaut(cred) || puffs_cred_isuid(cred, owner)) return 0;
  if ((vaflags & VA_UTIMES_NULL) === 0) return E.EPERM;
  return puffs_access(0, mode, owner, group, PUFFS_VWRITE, cred);
}
