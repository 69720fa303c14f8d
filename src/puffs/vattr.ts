/**
 * Attribute records: making, copying, and the three spellings of a node's kind (vtype, mode bits,
 * directory record type), which are the same numbers on NetBSD and Linux.
 *
 * Source: reference rump.md §1.4, §1.11.
 */
import { VBLK, VCHR, VDIR, VFIFO, VLNK, VNON, VNOVAL, VREG, VSOCK, type vattr } from './puffs.js';

/** Preferred I/O size that a reset record states. */
export const VATTR_BLOCKSIZE = 4096;

/** A record in which nothing is given. */
export function vattr_new(): vattr {
  return {
    va_type: VNON,
    va_mode: VNOVAL,
    va_nlink: VNOVAL,
    va_uid: VNOVAL,
    va_gid: VNOVAL,
    va_fsid: VNOVAL,
    va_fileid: VNOVAL,
    va_size: VNOVAL,
    va_blocksize: VNOVAL,
    va_atime_sec: VNOVAL,
    va_atime_nsec: VNOVAL,
    va_mtime_sec: VNOVAL,
    va_mtime_nsec: VNOVAL,
    va_ctime_sec: VNOVAL,
    va_ctime_nsec: VNOVAL,
    va_birthtime_sec: VNOVAL,
    va_birthtime_nsec: VNOVAL,
    va_gen: VNOVAL,
    va_flags: VNOVAL,
    va_rdev: VNOVAL,
    va_bytes: VNOVAL,
    va_filerev: VNOVAL,
    va_vaflags: 0,
  };
}

const NOTHING: Readonly<vattr> = Object.freeze(vattr_new());

/**
 * Resets a record in place. As NetBSD's kernel does; its puffs library leaves va_flags and va_gen
 * 0, which cannot be told from "clear all flags".
 */
export function vattr_null(va: vattr): vattr {
  return Object.assign(va, NOTHING);
}

/** Copies the fields of `from` that are given. A time is given as a pair. */
export function vattr_copy(to: vattr, from: Readonly<vattr>): void {
  if (from.va_type !== VNON) to.va_type = from.va_type;
  for (const field of PLAIN_FIELDS) {
    if (from[field] !== VNOVAL) to[field] = from[field];
  }
  for (const [sec, nsec] of TIME_FIELDS) {
    if (from[sec] !== VNOVAL || from[nsec] !== VNOVAL) {
      to[sec] = from[sec];
      to[nsec] = from[nsec];
    }
  }
  to.va_vaflags |= from.va_vaflags;
}

const PLAIN_FIELDS = [
  'va_mode',
  'va_nlink',
  'va_uid',
  'va_gid',
  'va_fsid',
  'va_fileid',
  'va_size',
  'va_blocksize',
  'va_gen',
  'va_flags',
  'va_rdev',
  'va_bytes',
  'va_filerev',
] as const;
const TIME_FIELDS = [
  ['va_atime_sec', 'va_atime_nsec'],
  ['va_mtime_sec', 'va_mtime_nsec'],
  ['va_ctime_sec', 'va_ctime_nsec'],
  ['va_birthtime_sec', 'va_birthtime_nsec'],
] as const;

/** Of a setattr: is the access time given? */
export const vattr_has_atime = (va: Readonly<vattr>): boolean =>
  va.va_atime_sec !== VNOVAL || va.va_atime_nsec !== VNOVAL;
/** Of a setattr: is the modification time given? */
export const vattr_has_mtime = (va: Readonly<vattr>): boolean =>
  va.va_mtime_sec !== VNOVAL || va.va_mtime_nsec !== VNOVAL;

/** Mode type bits by vtype; also the DT_ number, four bits further up. */
const FORMAT_OF_VTYPE = [
  0, 0o100000, 0o040000, 0o060000, 0o020000, 0o120000, 0o140000, 0o010000,
] as const;
const VTYPE_OF_FORMAT: readonly number[] = (() => {
  const types = new Array<number>(16).fill(VNON);
  for (const type of [VREG, VDIR, VBLK, VCHR, VLNK, VSOCK, VFIFO]) {
    types[FORMAT_OF_VTYPE[type]! >> 12] = type;
  }
  return types;
})();

/** S_IFREG… → VREG…; VNON for bits that name no kind. */
export function mode_to_vtype(mode: number): number {
  return VTYPE_OF_FORMAT[(mode >> 12) & 15]!;
}

/** VREG… → S_IFREG…; 0 for VNON and VBAD. */
export function vtype_to_mode(type: number): number {
  return FORMAT_OF_VTYPE[type] ?? 0;
}

/** VREG… → DT_REG…; DT_UNKNOWN (0) for VNON and VBAD. */
export function vtype_to_dt(type: number): number {
  return vtype_to_mode(type) >> 12;
}

/** DT_REG… → VREG…; VNON for DT_UNKNOWN and DT_WHT. */
export function dt_to_vtype(dtype: number): number {
  return mode_to_vtype(dtype << 12);
}

/** Fills fields from `stat`: permission and type bits together, as struct stat has them. */
export function vattr_mode(va: Readonly<vattr>): number {
  return vtype_to_mode(va.va_type) | va.va_mode;
}
