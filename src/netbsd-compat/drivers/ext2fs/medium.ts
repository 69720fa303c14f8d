/**
 * The ext2 medium: every structure that lies on disk, declared once. All numbers are little-endian,
 * the journal's big-endian. Sizes and positions are in bytes unless a field says "blocks".
 *
 * Facts: the published layout of ext2 and ext3 ("The Second Extended File System", D. Poirier; the
 * kernel's Documentation/filesystems/ext4, which has the old fields too), checked on images of
 * mke2fs by test/netbsd-compat/ext2fs.test.ts.
 */
import { be16, be32, le16, le32, u8 } from '../../structure.js';

export const EXT2_SBOFF = 1024;
export const EXT2_SB_BYTES = 1024;
export const EXT2_MAGIC = 0xef53;
export const EXT2_ROOTINO = 2;
/** The first inode for files of an old revision. */
export const EXT2_FIRSTINO = 11;
export const EXT2_NAME_MAX = 255;
export const EXT2_LINK_MAX = 32000;

/** Block pointers in an inode: direct ones, then through one, two and three indirect blocks. */
export const NDADDR = 12;
export const NIADDR = 3;

export const E2FS_ISCLEAN = 1;
export const E2FS_ERRORS = 2;

export const EXT2F_COMPAT_HASJOURNAL = 0x4;
export const EXT2F_COMPAT_EXT_ATTR = 0x8;

export const EXT2F_INCOMPAT_FTYPE = 0x2;
export const EXT2F_INCOMPAT_RECOVER = 0x4;

export const EXT2F_ROCOMPAT_SPARSESUPER = 0x1;
export const EXT2F_ROCOMPAT_LARGEFILE = 0x2;

/** Names of features, for messages: bit → name. */
export const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  0x1: 'compression',
  0x2: 'filetype',
  0x4: 'needs_recovery',
  0x8: 'journal_dev',
  0x10: 'meta_bg',
  0x40: 'extents (ext4)',
  0x80: '64bit (ext4)',
  0x100: 'mmp',
  0x200: 'flex_bg (ext4)',
  0x400: 'ea_inode',
  0x2000: 'metadata_csum_seed',
  0x4000: 'large_dir',
  0x8000: 'inline_data',
  0x10000: 'encrypt',
  0x20000: 'casefold',
};
export const ROCOMPAT_NAMES: Readonly<Record<number, string>> = {
  0x8: 'huge_file (ext4)',
  0x10: 'uninit_bg (ext4)',
  0x20: 'dir_nlink (ext4)',
  0x40: 'extra_isize (ext4)',
  0x100: 'quota',
  0x200: 'bigalloc',
  0x400: 'metadata_csum (ext4)',
  0x1000: 'read-only',
  0x2000: 'project',
};

/** Superblock, at byte 1024 of the file system. */
export const e2fs = {
  icount: le32(0, 'inodes'),
  bcount: le32(4, 'blocks'),
  rbcount: le32(8, 'blocks kept for the superuser'),
  fbcount: le32(12, 'free blocks'),
  ficount: le32(16, 'free inodes'),
  first_dblock: le32(20, 'block that holds the superblock'),
  log_bsize: le32(24, 'block size = 1024 << this'),
  bpg: le32(32, 'blocks per group'),
  ipg: le32(40, 'inodes per group'),
  mtime: le32(44, 'last mount'),
  wtime: le32(48, 'last write of the superblock'),
  mnt_count: le16(52, 'mounts since the last check'),
  magic: le16(56, 'EXT2_MAGIC'),
  state: le16(58, 'E2FS_ISCLEAN, E2FS_ERRORS'),
  rev: le32(76, 'revision; from 1 on the fields below count'),
  first_ino: le32(84, 'first inode for files'),
  inode_size: le16(88, 'bytes of an inode'),
  features_compat: le32(92, ''),
  features_incompat: le32(96, ''),
  features_rocompat: le32(100, ''),
  journal_inum: le32(224, 'inode of the journal'),
  last_orphan: le32(232, 'first inode of the list of files that were deleted while open'),
} as const;

/** Fields of the superblock that only whoever makes a file system writes. */
export const e2fs_new = {
  log_fsize: le32(28, 'fragment size = 1024 << this'),
  fpg: le32(36, 'fragments per group'),
  max_mnt_count: le16(54, 'mounts until it is to be checked; 0xffff: never'),
  errors: le16(60, 'what to do about errors; 1: go on'),
  creator_os: le32(72, '0: Linux'),
  lastcheck: le32(64, 'last check'),
  block_group_nr: le16(90, 'group that this copy lies in'),
  uuid: u8(104, '16 bytes'),
  volume_name: u8(120, '16 bytes'),
  mkfs_time: le32(264, 'when it was made'),
} as const;
export const EXT2_LABEL_BYTES = 16;
export const EXT2_UUID_BYTES = 16;

/** Group descriptor; an array of them follows the superblock's block. */
export const EXT2_GD_BYTES = 32;
export const e2gd = {
  b_bitmap: le32(0, 'block of the bitmap of blocks'),
  i_bitmap: le32(4, 'block of the bitmap of inodes'),
  i_tables: le32(8, 'first block of the inode table'),
  nbfree: le16(12, 'free blocks'),
  nifree: le16(14, 'free inodes'),
  ndirs: le16(16, 'directories'),
} as const;

/** Inode: 128 bytes, and more in newer file systems. */
export const EXT2_INODE_BYTES = 128;
export const e2di = {
  mode: le16(0, 'st_mode'),
  uid: le16(2, 'low 16 bits'),
  size: le32(4, 'low 32 bits'),
  atime: le32(8, 'seconds since 1970, signed'),
  ctime: le32(12, ''),
  mtime: le32(16, ''),
  dtime: le32(20, 'deletion; in the list of orphans, the next inode'),
  gid: le16(24, ''),
  nlink: le16(26, ''),
  nblock: le32(28, '512-byte units on disk, indirect blocks and attributes included'),
  flags: le32(32, 'EXT2_…_FL'),
  blocks: le32(40, '15 block pointers, or a short symbolic link, or a device number'),
  gen: le32(100, 'generation'),
  facl: le32(104, 'block of extended attributes'),
  size_high: le32(108, 'high 32 bits of a regular file’s size'),
  uid_high: le16(120, ''),
  gid_high: le16(122, ''),
  extra_isize: le16(128, 'bytes behind the first 128 that are in use'),
  ctime_extra: le32(132, 'two high bits of the seconds, then 30 of nanoseconds'),
  mtime_extra: le32(136, ''),
  atime_extra: le32(140, ''),
  crtime: le32(144, 'birth'),
  crtime_extra: le32(148, ''),
} as const;
/** What a new inode uses behind its first 128 bytes. */
export const EXT2_EXTRA_ISIZE = 32;
/** The directory has a hash index, which whoever changes it without must take away. */
export const EXT2_INDEX_FL = 0x1000;
export const EXT2_IMMUTABLE_FL = 0x10;
export const EXT2_APPEND_FL = 0x20;

/** Directory entry; the name follows, and padding up to the record's length. */
export const EXT2_DIRENT_BYTES = 8;
export const e2d = {
  ino: le32(0, '0: not used'),
  reclen: le16(4, 'to the next entry, a multiple of 4; the last one ends with its block'),
  namlen: u8(6, ''),
  type: u8(7, 'kind of node; high byte of namlen without the feature filetype'),
} as const;

/** Bytes of a record with a name of that length. */
export const EXT2_DIRSIZ = (namlen: number): number => (EXT2_DIRENT_BYTES + namlen + 3) & ~3;

/** Directory types by vtype: 1 file, 2 directory, 3 char, 4 block, 5 fifo, 6 socket, 7 link. */
export const E2D_TYPE_OF_VTYPE = [0, 1, 2, 4, 3, 7, 6, 5, 0] as const;
export const VTYPE_OF_E2D_TYPE = [0, 1, 2, 4, 3, 7, 6, 5] as const;

/**
 * Extended attributes: a block of them begins with this header; in an inode, behind its fields,
 * they begin with the magic number alone.
 */
export const EXT2_XATTR_MAGIC = 0xea020000;
export const EXT2_XATTR_HEADER_BYTES = 32;
export const e2ea = {
  magic: le32(0, ''),
  refcount: le32(4, 'inodes that share it'),
  blocks: le32(8, '1'),
  hash: le32(12, 'of all entries; 0 where one has none'),
} as const;

/** One attribute; its name follows, and padding to a multiple of 4. Four zeros end the list. */
export const EXT2_XATTR_ENTRY_BYTES = 16;
export const e2eae = {
  namlen: u8(0, ''),
  index: u8(1, 'stands for the prefix'),
  value_offs: le16(2, 'from the block’s start, or from the first entry in an inode'),
  value_block: le32(4, '0: here'),
  value_size: le32(8, ''),
  hash: le32(12, 'of name and value; 0 in an inode'),
} as const;
export const EXT2_ACL_VERSION = 1;

// ---- the journal of ext3 (JBD), big-endian ----------------------------------------------------

export const JBD_MAGIC = 0xc03b3998;
export const JBD_DESCRIPTOR = 1;
export const JBD_COMMIT = 2;
export const JBD_SUPERBLOCK_V1 = 3;
export const JBD_SUPERBLOCK_V2 = 4;
export const JBD_REVOKE = 5;
export const JBD_INCOMPAT_REVOKE = 0x1;

/** Every block of the journal that is no data begins so. */
export const jbd_header = {
  magic: be32(0, 'JBD_MAGIC'),
  type: be32(4, 'JBD_…'),
  sequence: be32(8, 'transaction'),
} as const;
export const JBD_HEADER_BYTES = 12;

export const jbd_sb = {
  blocksize: be32(12, ''),
  maxlen: be32(16, 'blocks'),
  first: be32(20, 'first block for transactions'),
  sequence: be32(24, 'first transaction to look for'),
  start: be32(28, 'its block; 0: the journal is empty'),
  incompat: be32(40, 'features; only of version 2'),
} as const;

/** In a descriptor: one tag for each data block that follows. */
export const JBD_TAG_BYTES = 8;
export const JBD_UUID_BYTES = 16;
export const jbd_tag = {
  blocknr: be32(0, 'where the block belongs'),
  flags: be16(6, ''),
} as const;
/** The block began with JBD_MAGIC, which was taken out. */
export const JBD_FLAG_ESCAPE = 1;
/** No UUID follows the tag. */
export const JBD_FLAG_SAME_UUID = 2;
export const JBD_FLAG_LAST_TAG = 8;

/** In a revocation: bytes in use, header included; then block numbers. */
export const jbd_revoke = { count: be32(12, '') } as const;
export const JBD_REVOKE_BYTES = 16;
