/**
 * The media of FFS: UFS1 and UFS2, each in either byte order; every structure that lies on disk,
 * declared once. Positions are in bytes, addresses ("fragment") in fragments from the start of the
 * file system.
 *
 * Facts: "A Fast File System for UNIX" (McKusick, Joy, Leffler, Fabry), "The Design and
 * Implementation of the FreeBSD Operating System" (McKusick, Neville-Neil), fs(5), dir(5) and
 * inode(5) of the BSDs; checked on images of makefs by test/netbsd-compat/ffs.test.ts.
 */
import { fields_of, u8, type byte_order } from '../../structure.js';

export const FS_UFS1_MAGIC = 0x011954;
export const FS_UFS2_MAGIC = 0x19540119;
/** NetBSD's mark of a UFS2 with extended attributes; the same medium. */
export const FS_UFS2EA_MAGIC = 0x19012038;
export const CG_MAGIC = 0x090255;

/** Where a superblock may lie, in the order in which it is looked for. */
export const SBLOCKSEARCH = [65536, 8192, 0, 262144] as const;
export const SBLOCK_UFS1 = 8192;
export const SBLOCK_UFS2 = 65536;
/** Room for a superblock. */
export const SBLOCKSIZE = 8192;
/** Bytes of it that mean something. */
export const FS_BYTES = 1376;

export const MINBSIZE = 4096;
export const MAXBSIZE = 65536;
export const MAXFRAG = 8;
/** Unit of di_blocks, and the least fragment. */
export const DEV_BSIZE = 512;
/** Directories consist of blocks of this size; no record crosses their borders. */
export const DIRBLKSIZ = 512;

export const UFS_ROOTINO = 2;
/** Stands in the record of a name that is hidden (a whiteout). */
export const UFS_WINO = 1;
export const FFS_MAXNAMLEN = 255;
export const UFS_LINK_MAX = 32767;

/** Block pointers in an inode: direct ones, then through one, two and three indirect blocks. */
export const NDADDR = 12;
export const NIADDR = 3;
/** And for extended attributes. */
export const NXADDR = 2;

/** fs_clean. */
export const FS_ISCLEAN = 1;

/** fs_flags; systems have given some of them different meanings. */
export const FS_UNCLEAN = 0x01;
export const FS_NEEDSFSCK = 0x04;
/** FreeBSD: soft updates with a journal. */
export const FS_SUJ = 0x08;
/** NetBSD: a journal of physical blocks (WAPBL), where fs_journal_version says so; else FreeBSD's gjournal. */
export const FS_DOWAPBL = 0x40;
/** In fs_old_flags: fs_flags and the wide fields are used. Elsewhere the narrow ones are. */
export const FS_FLAGS_UPDATED = 0x80;
/** FreeBSD: metadata has checksums, where fs_metackhash says so; else NetBSD's quota2. */
export const FS_METACKHASH = 0x200;

/** fs_old_inodefmt of 4.4BSD and later. */
export const FS_44INODEFMT = 2;
/** fs_old_postblformat: the layout of cylinder groups before 4.3BSD-Tahoe is −1. */
export const FS_DYNAMICPOSTBLFMT = 1;

/** What fs_optim asks for. */
export const FS_OPTTIME = 0;
export const FS_OPTSPACE = 1;

export const CSUM_BYTES = 16;
export const FS_MAXSNAP = 20;

export const UFS1_DINODE_BYTES = 128;
export const UFS2_DINODE_BYTES = 256;
/** Targets below this length lie in the place of the block pointers. */
export const UFS1_MAXSYMLINKLEN = (NDADDR + NIADDR) * 4;
export const UFS2_MAXSYMLINKLEN = (NDADDR + NIADDR) * 8;

function declare(order: byte_order) {
  const { u16, u32, i64 } = fields_of(order);
  return {
    /** One number of a table: of pointers (4 bytes in UFS1, 8 in UFS2), of counts, of owners. */
    u16: u16(0, ''),
    u32: u32(0, ''),
    i64: i64(0, ''),
    /** Superblock. */
    fs: {
      sblkno: u32(8, 'superblock, in fragments from the start of its cylinder group'),
      cblkno: u32(12, 'cylinder group block'),
      iblkno: u32(16, 'inodes'),
      dblkno: u32(20, 'data'),
      old_cgoffset: u32(24, 'UFS1: what groups are staggered by'),
      old_cgmask: u32(28, 'UFS1: …, for the bits of their number that are not here'),
      old_time: u32(32, 'last written'),
      old_size: u32(36, 'fragments'),
      old_dsize: u32(40, 'fragments for data'),
      ncg: u32(44, 'cylinder groups'),
      bsize: u32(48, 'bytes of a block'),
      fsize: u32(52, 'bytes of a fragment'),
      frag: u32(56, 'fragments of a block'),
      minfree: u32(60, 'percents kept for the superuser'),
      old_rps: u32(68, 'revolutions of the disk per second'),
      bmask: u32(72, '−bsize'),
      fmask: u32(76, '−fsize'),
      bshift: u32(80, 'log2 of bsize'),
      fshift: u32(84, 'log2 of fsize'),
      maxcontig: u32(88, 'blocks that are written at once'),
      maxbpg: u32(92, 'blocks that a file takes from a group before it goes to the next'),
      fragshift: u32(96, 'log2 of frag'),
      fsbtodb: u32(100, 'log2 of the sectors of a fragment'),
      sbsize: u32(104, 'bytes of the superblock, whole fragments'),
      nindir: u32(116, 'pointers in a block'),
      inopb: u32(120, 'inodes in a block'),
      old_nspf: u32(124, 'sectors of a fragment'),
      optim: u32(128, 'FS_OPT…'),
      old_npsect: u32(132, 'sectors of a track, with spares'),
      old_interleave: u32(136, ''),
      id0: u32(144, 'the file system’s identity: when it was made'),
      id1: u32(148, '… and a random number'),
      old_csaddr: u32(152, 'fragment of the groups’ summaries'),
      cssize: u32(156, 'bytes of these'),
      cgsize: u32(160, 'bytes of a cylinder group block'),
      old_nsect: u32(168, 'sectors of a track'),
      old_spc: u32(172, 'sectors of a cylinder'),
      old_ncyl: u32(176, 'cylinders'),
      old_cpg: u32(180, 'cylinders of a group'),
      ipg: u32(184, 'inodes of a group'),
      fpg: u32(188, 'fragments of a group'),
      old_ndir: u32(192, 'directories'),
      old_nbfree: u32(196, 'free blocks'),
      old_nifree: u32(200, 'free inodes'),
      old_nffree: u32(204, 'free fragments that make no block'),
      fmod: u8(208, 'changed in memory'),
      clean: u8(209, 'FS_ISCLEAN: unmounted cleanly'),
      ronly: u8(210, 'mounted for reading'),
      old_flags: u8(211, 'FS_…'),
      volname: u8(680, 'label, 32 bytes with a NUL'),
      cgrotor: u32(724, 'group that was looked into last'),
      maxbsize: u32(860, 'bytes of the largest extent'),
      journal_version: u8(864, 'WAPBL: not 0'),
      journal_location: u8(865, 'WAPBL: not 0'),
      sblockloc: i64(1000, 'byte of the superblock'),
      ndir: i64(1008, 'directories'),
      nbfree: i64(1016, 'free blocks'),
      nifree: i64(1024, 'free inodes'),
      nffree: i64(1032, 'free fragments that make no block'),
      time: i64(1072, 'last written'),
      size: i64(1080, 'fragments'),
      dsize: i64(1088, 'fragments for data'),
      csaddr: i64(1096, 'fragment of the groups’ summaries'),
      snapinum: u32(1116, '20 inodes of snapshots'),
      avgfilesize: u32(1196, 'bytes of a file that are expected'),
      avgfpdir: u32(1200, 'files of a directory that are expected'),
      metackhash: u32(1308, 'FreeBSD: kinds of metadata that have checksums'),
      flags: u32(1312, 'FS_…'),
      contigsumsize: u32(1316, 'sizes of clusters that are counted'),
      maxsymlinklen: u32(1320, 'targets below this length lie in their inode'),
      old_inodefmt: u32(1324, 'FS_44INODEFMT'),
      maxfilesize: i64(1328, 'bytes'),
      qbmask: i64(1336, 'bsize − 1'),
      qfmask: i64(1344, 'fsize − 1'),
      old_postblformat: u32(1356, 'FS_DYNAMICPOSTBLFMT'),
      old_nrpos: u32(1360, 'rotational positions'),
      magic: u32(1372, 'FS_UFS1_MAGIC, FS_UFS2_MAGIC'),
    },
    /** Summary of a group; an array of them lies at csaddr. */
    csum: {
      ndir: u32(0, 'directories'),
      nbfree: u32(4, 'free blocks'),
      nifree: u32(8, 'free inodes'),
      nffree: u32(12, 'free fragments that make no block'),
    },
    /** Cylinder group block; the maps follow where it says. */
    cg: {
      magic: u32(4, 'CG_MAGIC'),
      old_time: u32(8, 'last written'),
      cgx: u32(12, 'number of the group'),
      old_ncyl: u16(16, 'cylinders'),
      old_niblk: u16(18, 'inodes'),
      ndblk: u32(20, 'fragments'),
      cs_ndir: u32(24, 'summary: directories'),
      cs_nbfree: u32(28, 'free blocks'),
      cs_nifree: u32(32, 'free inodes'),
      cs_nffree: u32(36, 'free fragments that make no block'),
      rotor: u32(40, 'fragment of the block that was given away last'),
      frotor: u32(44, 'fragment that was given away last'),
      irotor: u32(48, 'inode that was given away last'),
      frsum: u32(52, '8 counts: runs of 0 to 7 free fragments within a block'),
      old_btotoff: u32(84, 'UFS1: free blocks of each cylinder'),
      old_boff: u32(88, 'UFS1: free blocks of each rotational position'),
      iusedoff: u32(92, 'map of inodes, 1: in use'),
      freeoff: u32(96, 'map of fragments, 1: free'),
      nextfreeoff: u32(100, 'end of the maps'),
      clustersumoff: u32(104, 'counts of free clusters by length; the first one is not there'),
      clusteroff: u32(108, 'map of blocks, 1: free'),
      nclusterblks: u32(112, 'blocks in it'),
      niblk: u32(116, 'UFS2: inodes'),
      initediblk: u32(120, 'UFS2: inodes that were written since the file system was made'),
      time: i64(136, 'UFS2: last written'),
    },
    ufs1_dinode: {
      mode: u16(0, 'st_mode'),
      nlink: u16(2, ''),
      oldids: u16(4, 'user and group of 16 bits, before 4.4BSD'),
      size: i64(8, 'bytes'),
      atime: u32(16, 'seconds since 1970, signed'),
      atimensec: u32(20, ''),
      mtime: u32(24, ''),
      mtimensec: u32(28, ''),
      ctime: u32(32, ''),
      ctimensec: u32(36, ''),
      db: u32(40, '12 direct and 3 indirect pointers; a short target; a device number'),
      flags: u32(100, 'chflags(2)'),
      blocks: u32(104, '512-byte units on disk, indirect blocks included'),
      gen: u32(108, 'generation'),
      uid: u32(112, ''),
      gid: u32(116, ''),
    },
    ufs2_dinode: {
      mode: u16(0, 'st_mode'),
      nlink: u16(2, ''),
      uid: u32(4, ''),
      gid: u32(8, ''),
      blksize: u32(12, ''),
      size: i64(16, 'bytes'),
      blocks: i64(24, '512-byte units on disk, indirect blocks and attributes included'),
      atime: i64(32, 'seconds since 1970'),
      mtime: i64(40, ''),
      ctime: i64(48, ''),
      birthtime: i64(56, ''),
      mtimensec: u32(64, ''),
      atimensec: u32(68, ''),
      ctimensec: u32(72, ''),
      birthnsec: u32(76, ''),
      gen: u32(80, 'generation'),
      flags: u32(88, 'chflags(2)'),
      extsize: u32(92, 'bytes of extended attributes'),
      extb: i64(96, 'their 2 blocks'),
      db: i64(112, '12 direct and 3 indirect pointers; a short target; a device number'),
    },
    /**
     * Record of an extended attribute: the name follows, without a NUL, then zeros up to a multiple
     * of 8, the value, and zeros up to the next.
     */
    extattr: {
      length: u32(0, 'to the next record, a multiple of 8'),
      namespace: u8(4, 'EXTATTR_NAMESPACE_…'),
      contentpadlen: u8(5, 'zeros behind the value'),
      namelength: u8(6, ''),
    },
    /** Record of a directory; the name follows, a NUL, and padding up to the record's length. */
    direct: {
      ino: u32(0, '0: not used'),
      reclen: u16(4, 'to the next record, a multiple of 4; the last one ends with its block'),
      type: u8(6, 'DT_…'),
      namlen: u8(7, ''),
      old_namlen: u16(6, 'before 4.4BSD there was no type'),
    },
  } as const;
}

/** What lies on a medium of one byte order. */
export type ffs_layout = ReturnType<typeof declare>;

export const FFS_LAYOUTS: Readonly<Record<byte_order, ffs_layout>> = {
  le: declare('le'),
  be: declare('be'),
};

export const EXTATTR_HEADER_BYTES = 7;
export const EXTATTR_NAME_MAX = 255;

export const DIRECT_BYTES = 8;

/** Bytes of a record with a name of that length, and its NUL. */
export const UFS_DIRSIZ = (namlen: number): number => (DIRECT_BYTES + namlen + 1 + 3) & ~3;

export const DT_WHT = 14;
