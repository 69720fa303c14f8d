/**
 * What lies on a BFS, System V's boot file system: a superblock, inodes, one directory, and files
 * that are each one run of blocks. In either byte order.
 *
 * Source: reference rump.md §11.1; images that mkfs.bfs and Linux wrote.
 */
import { be16, be32, le16, le32, u8, type field } from '../../structure.js';

/** Bytes of a block. */
export const BFS_BSIZE = 512;
export const BFS_MAGIC = 0x1badface;
export const BFS_INODE_BYTES = 64;
export const BFS_DIRENT_BYTES = 16;
export const BFS_NAMELEN = 14;
/** Number of the first inode, which is the root's. */
export const BFS_ROOT_INO = 2;
/** What Linux and mkfs.bfs take at most. */
export const BFS_INODES_MAX = 512;
export const BFS_VREG = 1;
export const BFS_VDIR = 2;
/** No number: places of a compaction that does not run, the end of an empty file. */
export const BFS_NONE = 0xffff_ffff;

type make_field = (at: number, meaning: string) => field;

function declare(u16: make_field, u32: make_field) {
  return {
    super: {
      s_magic: u32(0, 'BFS_MAGIC'),
      s_start: u32(4, 'byte behind the inodes; data begin with the next block'),
      s_end: u32(8, 'last byte of the volume'),
      s_from: u32(12, 'compaction under way: first block where a file was; else BFS_NONE'),
      s_to: u32(16, 'and where it goes'),
      s_bfrom: u32(20, 'backup of s_from'),
      s_bto: u32(24, 'backup of s_to'),
      s_fsname: u8(28, 'six characters: name of the file system'),
      s_volume: u8(34, 'six characters: name of the volume'),
    },
    inode: {
      i_ino: u16(0, 'its own number; 0: free'),
      i_sblock: u32(4, 'first block; 0: none'),
      i_eblock: u32(8, 'last block'),
      i_eoffset: u32(12, 'last byte, from the start of the volume'),
      i_vtype: u32(16, 'BFS_VREG, BFS_VDIR'),
      i_mode: u32(20, 'permission bits, and the type of stat(2)'),
      i_uid: u32(24, 'owner'),
      i_gid: u32(28, 'group'),
      i_nlink: u32(32, 'names'),
      i_atime: u32(36, 'seconds since 1970'),
      i_mtime: u32(40, 'seconds since 1970'),
      i_ctime: u32(44, 'seconds since 1970'),
    },
    dirent: {
      d_ino: u16(0, 'inode; 0: free'),
      d_name: u8(2, 'up to BFS_NAMELEN bytes, then NULs'),
    },
  } as const;
}

export const BFS_LE = declare(le16, le32);
export const BFS_BE = declare(be16, be32);
export type bfs_layout = typeof BFS_LE;

/** The name of an entry, in Latin-1. */
export function dirent_name(b: Uint8Array, off: number): string {
  let name = '';
  const at = off + BFS_LE.dirent.d_name.at;
  for (let i = 0; i < BFS_NAMELEN && b[at + i] !== 0; i++) name += String.fromCharCode(b[at + i]!);
  return name;
}

/** @param name Latin-1, BFS_NAMELEN bytes at most. */
export function put_dirent(
  { dirent }: bfs_layout,
  b: Uint8Array,
  off: number,
  ino: number,
  name: string,
): void {
  b.fill(0, off, off + BFS_DIRENT_BYTES);
  dirent.d_ino.put(b, off, ino);
  for (let i = 0; i < name.length; i++) b[off + dirent.d_name.at + i] = name.charCodeAt(i);
}
