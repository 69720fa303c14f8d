/** statfs: Linux's kstatfs and mount flags → NetBSD's statvfs. */
import { SB_NOATIME, SB_RDONLY, SB_SYNCHRONOUS, type kstatfs } from '../lump/fs.js';
import type { puffs_statvfs } from '../puffs/puffs.js';

const MNT_RDONLY = 0x1;
const MNT_SYNCHRONOUS = 0x2;
const MNT_NOATIME = 0x4000000;

export function kstatfs_to_statvfs(from: kstatfs, to: puffs_statvfs): void {
  to.f_bsize = from.f_bsize;
  to.f_frsize = from.f_bsize;
  to.f_blocks = from.f_blocks;
  to.f_bfree = from.f_bfree;
  to.f_bavail = from.f_bavail;
  to.f_files = from.f_files;
  to.f_ffree = from.f_ffree;
  to.f_favail = from.f_ffree;
  to.f_namemax = from.f_namelen;
}

/** super_block.s_flags → f_flag. */
export function sb_flags_to_mnt(flags: number): number {
  return (
    ((flags & SB_RDONLY) !== 0 ? MNT_RDONLY : 0) |
    ((flags & SB_SYNCHRONOUS) !== 0 ? MNT_SYNCHRONOUS : 0) |
    ((flags & SB_NOATIME) !== 0 ? MNT_NOATIME : 0)
  );
}
