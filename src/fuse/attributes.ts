/**
 * vattr ↔ fuse_attr. Device numbers need no translation: va_rdev and FUSE's rdev are the same 32
 * bits.
 */
import { VA_UTIMES_NULL, VNOVAL, VREG, type vattr } from '../puffs/puffs.js';
import { vattr_mode } from '../puffs/vattr.js';
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  fuse_attr,
  fuse_setattr_in,
} from './protocol.js';
import type { WireBuffer } from './structure.js';

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;
const PERMISSIONS = 0o7777;
const SECTOR_BYTES = 512;

/** Writes a whole fuse_attr at `at`. */
export function putAttr(wire: WireBuffer, at: number, va: Readonly<vattr>): void {
  const a = fuse_attr.at;
  wire.putU64(at + a.ino, va.va_fileid);
  wire.putU64(at + a.size, va.va_size);
  wire.putU64(at + a.blocks, Math.ceil(va.va_bytes / SECTOR_BYTES));
  wire.putU64(at + a.atime, va.va_atime_sec);
  wire.putU64(at + a.mtime, va.va_mtime_sec);
  wire.putU64(at + a.ctime, va.va_ctime_sec);
  wire.putU32(at + a.atimensec, va.va_atime_nsec);
  wire.putU32(at + a.mtimensec, va.va_mtime_nsec);
  wire.putU32(at + a.ctimensec, va.va_ctime_nsec);
  wire.putU32(at + a.mode, vattr_mode(va));
  wire.putU32(at + a.nlink, va.va_nlink);
  wire.putU32(at + a.uid, va.va_uid);
  wire.putU32(at + a.gid, va.va_gid);
  wire.putU32(at + a.rdev, va.va_rdev === VNOVAL ? 0 : va.va_rdev);
  wire.putU32(at + a.blksize, va.va_blocksize);
  wire.putU32(at + a.flags, 0);
}

/**
 * Reads a fuse_setattr_in at `at` into `va`, in which nothing is given yet (vattr_null). "Now" is
 * filled in from `nowMs`, milliseconds since 1970; VA_UTIMES_NULL tells that no explicit time was
 * asked for.
 */
export function readSetattr(
  wire: WireBuffer,
  at: number,
  valid: number,
  va: vattr,
  nowMs: number,
): void {
  const a = fuse_setattr_in.at;
  if ((valid & FATTR_MODE) !== 0) va.va_mode = wire.u32(at + a.mode) & PERMISSIONS;
  if ((valid & FATTR_UID) !== 0) va.va_uid = wire.u32(at + a.uid);
  if ((valid & FATTR_GID) !== 0) va.va_gid = wire.u32(at + a.gid);
  if ((valid & FATTR_SIZE) !== 0) va.va_size = wire.u64(at + a.size);
  if ((valid & FATTR_ATIME) !== 0) {
    if ((valid & FATTR_ATIME_NOW) !== 0) {
      va.va_atime_sec = Math.floor(nowMs / 1000);
      va.va_atime_nsec = nanoseconds(nowMs);
    } else {
      va.va_atime_sec = wire.s64(at + a.atime);
      va.va_atime_nsec = wire.u32(at + a.atimensec);
    }
  }
  if ((valid & FATTR_MTIME) !== 0) {
    if ((valid & FATTR_MTIME_NOW) !== 0) {
      va.va_mtime_sec = Math.floor(nowMs / 1000);
      va.va_mtime_nsec = nanoseconds(nowMs);
    } else {
      va.va_mtime_sec = wire.s64(at + a.mtime);
      va.va_mtime_nsec = wire.u32(at + a.mtimensec);
    }
  }
  if ((valid & FATTR_CTIME) !== 0) {
    va.va_ctime_sec = wire.s64(at + a.ctime);
    va.va_ctime_nsec = wire.u32(at + a.ctimensec);
  }
  const timesGiven = valid & (FATTR_ATIME | FATTR_MTIME);
  const timesNow =
    ((valid & FATTR_ATIME_NOW) !== 0 ? FATTR_ATIME : 0) |
    ((valid & FATTR_MTIME_NOW) !== 0 ? FATTR_MTIME : 0);
  if (timesGiven !== 0 && timesGiven === timesNow) va.va_vaflags |= VA_UTIMES_NULL;
}

/** Do a fuse_setattr_in's mtime and ctime say what `va` has already? */
export function hasTimes(wire: WireBuffer, at: number, va: Readonly<vattr>): boolean {
  const a = fuse_setattr_in.at;
  return (
    wire.s64(at + a.mtime) === va.va_mtime_sec &&
    wire.u32(at + a.mtimensec) === va.va_mtime_nsec &&
    wire.s64(at + a.ctime) === va.va_ctime_sec &&
    wire.u32(at + a.ctimensec) === va.va_ctime_nsec
  );
}

function nanoseconds(ms: number): number {
  return Math.floor((ms - Math.floor(ms / 1000) * 1000) * 1e6);
}

/**
 * The permission bits without those that Linux drops when a file's bytes or owner change:
 * set-user-id, and set-group-id of a file that its group may execute (without that it once meant
 * mandatory locking). @returns the same bits when nothing is dropped.
 */
export function withoutSetId(va: Readonly<vattr>): number {
  const mode = va.va_mode;
  if (va.va_type !== VREG) return mode;
  return mode & ~(S_ISUID | ((mode & S_IXGRP) !== 0 ? S_ISGID : 0));
}
