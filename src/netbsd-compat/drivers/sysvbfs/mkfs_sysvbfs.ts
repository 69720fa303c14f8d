/** Makes an empty BFS. */
import { disk_zero, type disk } from '../../disk/disk.js';
import {
  BFS_BE,
  BFS_BSIZE,
  BFS_DIRENT_BYTES,
  BFS_INODE_BYTES,
  BFS_LE,
  BFS_MAGIC,
  BFS_NONE,
  BFS_ROOT_INO,
  BFS_VDIR,
  put_dirent,
} from './medium.js';

export interface mkfs_sysvbfs_params {
  readonly byteOrder: 'little' | 'big';
  /** The root's included; BFS_INODES_MAX at most. */
  readonly inodes: number;
  /** Latin-1; six characters count. */
  readonly fsname: string;
  readonly volume: string;
  readonly nowSec: number;
}

const NAME_BYTES = 6;
const ROOT_MODE = 0o040755;

/** Blocks in front of files: superblock, inodes, and the directory with a place for every file. */
export function sysvbfs_overhead(inodes: number): { start: number; first: number; root: number } {
  const start = BFS_BSIZE + inodes * BFS_INODE_BYTES;
  return {
    start,
    first: Math.ceil(start / BFS_BSIZE),
    // Entries for "." and "..", and for all inodes but the root's.
    root: Math.ceil(((inodes + 1) * BFS_DIRENT_BYTES) / BFS_BSIZE),
  };
}

export function mkfs_sysvbfs(disk: disk, params: mkfs_sysvbfs_params): void {
  const { inodes, nowSec } = params;
  const layout = params.byteOrder === 'little' ? BFS_LE : BFS_BE;
  const { start, first, root } = sysvbfs_overhead(inodes);
  const bytes = new Uint8Array((first + root) * BFS_BSIZE);
  disk_zero(disk, bytes.length, 0);
  const { super: sb, inode } = layout;
  sb.s_magic.put(bytes, 0, BFS_MAGIC);
  sb.s_start.put(bytes, 0, start);
  sb.s_end.put(bytes, 0, disk.sizeBytes - 1);
  for (const mark of [sb.s_from, sb.s_to, sb.s_bfrom, sb.s_bto]) mark.put(bytes, 0, BFS_NONE);
  for (const [{ at }, text] of [
    [sb.s_fsname, params.fsname],
    [sb.s_volume, params.volume],
  ] as const) {
    for (let i = 0; i < Math.min(NAME_BYTES, text.length); i++) bytes[at + i] = text.charCodeAt(i);
  }
  const at = BFS_BSIZE;
  inode.i_ino.put(bytes, at, BFS_ROOT_INO);
  inode.i_sblock.put(bytes, at, first);
  inode.i_eblock.put(bytes, at, first + root - 1);
  inode.i_eoffset.put(bytes, at, first * BFS_BSIZE + 2 * BFS_DIRENT_BYTES - 1);
  inode.i_vtype.put(bytes, at, BFS_VDIR);
  inode.i_mode.put(bytes, at, ROOT_MODE);
  inode.i_nlink.put(bytes, at, 2);
  for (const time of [inode.i_atime, inode.i_mtime, inode.i_ctime]) time.put(bytes, at, nowSec);
  put_dirent(layout, bytes, first * BFS_BSIZE, BFS_ROOT_INO, '.');
  put_dirent(layout, bytes, first * BFS_BSIZE + BFS_DIRENT_BYTES, BFS_ROOT_INO, '..');
  disk.write(bytes, 0, bytes.length, 0);
}
