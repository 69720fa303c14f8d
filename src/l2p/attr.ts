/**
 * Attributes: kstat → vattr, vattr → iattr.
 *
 * Source: reference rump.md §1.4 (fields) and §11.4 (bits).
 */
import { new_iattr } from '../lump/attr.js';
import { Errno } from '../lump/errno.js';
import {
  ATTR_ATIME,
  ATTR_ATIME_SET,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIME_SET,
  ATTR_SIZE,
  ATTR_UID,
  type iattr,
} from '../lump/fs.js';
import type { kstat } from '../lump/inode.js';
import { VA_UTIMES_NULL, VNOVAL, type vattr } from '../puffs/puffs.js';
import { mode_to_vtype, vattr_has_atime, vattr_has_mtime } from '../puffs/vattr.js';
import { linux_to_netbsd_dev } from './devt.js';

/** Bytes of kstat.blocks' unit. */
const BLOCK_BYTES = 512;

/** Fills `va` whole. Linux knows no birth time here and no file flags. */
export function kstat_to_vattr(from: kstat, va: vattr): void {
  va.va_type = mode_to_vtype(from.mode);
  va.va_mode = from.mode & 0o7777;
  va.va_nlink = from.nlink;
  va.va_uid = from.uid;
  va.va_gid = from.gid;
  va.va_fsid = linux_to_netbsd_dev(from.dev);
  va.va_fileid = from.ino;
  va.va_size = from.size;
  va.va_blocksize = from.blksize;
  va.va_atime_sec = from.atime_sec;
  va.va_atime_nsec = from.atime_nsec;
  va.va_mtime_sec = from.mtime_sec;
  va.va_mtime_nsec = from.mtime_nsec;
  va.va_ctime_sec = from.ctime_sec;
  va.va_ctime_nsec = from.ctime_nsec;
  va.va_birthtime_sec = VNOVAL;
  va.va_birthtime_nsec = VNOVAL;
  va.va_gen = from.generation;
  va.va_flags = 0;
  va.va_rdev = linux_to_netbsd_dev(from.rdev);
  va.va_bytes = from.blocks * BLOCK_BYTES;
  va.va_filerev = 0;
  va.va_vaflags = 0;
}

/**
 * The changes that `va` gives. What follows from them (ctime, mtime of a truncation, loss of set-id
 * bits) notify_change() adds. A birth time is not kept by anything below and passes unheeded, as in
 * NetBSD's drivers without one.
 * @throws EOPNOTSUPP file flags; EINVAL a size below 0.
 */
export function vattr_to_iattr(va: vattr): iattr {
  const attr = new_iattr();
  if (va.va_flags !== VNOVAL) throw new Errno('EOPNOTSUPP', 'file flags');
  if (va.va_mode !== VNOVAL) {
    attr.ia_valid |= ATTR_MODE;
    attr.ia_mode = va.va_mode;
  }
  if (va.va_uid !== VNOVAL) {
    attr.ia_valid |= ATTR_UID;
    attr.ia_uid = va.va_uid;
  }
  if (va.va_gid !== VNOVAL) {
    attr.ia_valid |= ATTR_GID;
    attr.ia_gid = va.va_gid;
  }
  if (va.va_size !== VNOVAL) {
    if (va.va_size < 0) throw new Errno('EINVAL', 'negative size');
    attr.ia_valid |= ATTR_SIZE;
    attr.ia_size = va.va_size;
  }
  const isExplicit = (va.va_vaflags & VA_UTIMES_NULL) === 0;
  if (vattr_has_atime(va)) {
    attr.ia_valid |= isExplicit ? ATTR_ATIME | ATTR_ATIME_SET : ATTR_ATIME;
    attr.ia_atime_sec = va.va_atime_sec;
    attr.ia_atime_nsec = va.va_atime_nsec;
  }
  if (vattr_has_mtime(va)) {
    attr.ia_valid |= isExplicit ? ATTR_MTIME | ATTR_MTIME_SET : ATTR_MTIME;
    attr.ia_mtime_sec = va.va_mtime_sec;
    attr.ia_mtime_nsec = va.va_mtime_nsec;
  }
  return attr;
}
