/**
 * The FAT medium: every structure that lies on disk, declared once. All numbers are little-endian.
 *
 * Facts: Microsoft's "FAT32 File System Specification" 1.03 (public), and for the dirty bits what
 * fsck.fat looks at; checked on images of mkfs.fat and mtools by
 * test/netbsd-compat/msdosfs.test.ts.
 */
import { le16, le32, u8 } from '../../structure.js';

/** BIOS parameter block, in the first sector. */
export const bpb = {
  BytesPerSec: le16(11, '512 … 4096'),
  SecPerClust: u8(13, 'a power of two'),
  ResSectors: le16(14, 'sectors before the first table'),
  FATs: u8(16, 'copies of the table'),
  RootDirEnts: le16(17, 'entries of the root directory; 0: FAT32'),
  Sectors: le16(19, 'sectors; 0: see HugeSectors'),
  FATsecs: le16(22, 'sectors of a table; 0: see BigFATsecs'),
  HugeSectors: le32(32, ''),
  /** FAT12 and FAT16 only. */
  State16: u8(37, 'bit 0: not unmounted cleanly'),
  /** FAT32 only, from here. */
  BigFATsecs: le32(36, ''),
  ExtFlags: le16(40, 'bit 7: only one table is in use, bits 0–3 say which'),
  FSVers: le16(42, '0'),
  RootClust: le32(44, 'first cluster of the root directory'),
  FSInfo: le16(48, 'sector of the fsinfo'),
  State32: u8(65, 'bit 0: not unmounted cleanly'),
} as const;
/** Fields of the first sector that only whoever makes a file system writes. */
export const bpb_new = {
  Jump: u8(0, 'three bytes: to the program'),
  OEMName: u8(3, 'eight characters'),
  Media: u8(21, 'kind of medium; 0xf8: a disk'),
  SecPerTrack: le16(24, ''),
  Heads: le16(26, ''),
  HiddenSecs: le32(28, 'sectors of the disk before this file system'),
  /** FAT32 only. */
  Backup: le16(50, 'sector of the copy of the first sector'),
} as const;
const extended = (at: number) => ({
  DriveNumber: u8(at, '0x80: a disk'),
  BootSig: u8(at + 2, '0x29: the fields below count'),
  VolID: le32(at + 3, ''),
  Label: u8(at + 7, 'eleven characters'),
  FileSysType: u8(at + 18, 'eight characters, for people'),
});
export const ebpb16 = extended(36);
export const ebpb32 = extended(64);
export const EXTENDED_BOOT = 0x29;
export const OEM_BYTES = 8;

export const BPB_DIRTY = 1;
export const BOOTSIG = 0xaa55;
export const bootsig = le16(510, 'BOOTSIG');

/** FAT32's counts, which are hints. */
export const fsinfo = {
  sig1: le32(0, '"RRaA"'),
  sig2: le32(484, '"rrAa"'),
  nfree: le32(488, 'free clusters, or 0xffffffff'),
  nxtfree: le32(492, 'where to look for free ones'),
} as const;
export const FSINFO_SIG1 = 0x41615252;
export const FSINFO_SIG2 = 0x61417272;

export const CLUST_FIRST = 2;
/** Fewer clusters are FAT12; fewer than the second number FAT16. */
export const FAT12_CLUSTERS = 4085;
export const FAT16_CLUSTERS = 65525;

/** A directory entry, 32 bytes. */
export const DIRENTRY_BYTES = 32;
export const dep = {
  Name0: u8(0, 'first byte of the name: 0 the end, 0xE5 not used, 0x05 stands for 0xE5'),
  Attributes: u8(11, 'ATTR_…'),
  LowerCase: u8(12, 'bit 3: the name is shown in lower case, bit 4: the extension'),
  CHundredth: u8(13, 'creation, 10 ms'),
  CTime: le16(14, 'creation'),
  CDate: le16(16, ''),
  ADate: le16(18, 'last access'),
  HighClust: le16(20, 'first cluster; FAT32'),
  MTime: le16(22, 'last change of contents'),
  MDate: le16(24, ''),
  StartCluster: le16(26, '0: no contents'),
  FileSize: le32(28, 'bytes; 0 of a directory'),
} as const;
export const SHORTNAME_BYTES = 11;
export const SLOT_EMPTY = 0x00;
export const SLOT_DELETED = 0xe5;
export const SLOT_E5 = 0x05;
export const LCASE_BASE = 0x08;
export const LCASE_EXT = 0x10;

export const ATTR_READONLY = 0x01;
export const ATTR_VOLUME = 0x08;
export const ATTR_DIRECTORY = 0x10;
export const ATTR_ARCHIVE = 0x20;
/** A part of a long name. */
export const ATTR_WIN95 = 0x0f;

/** A part of a long name: 13 UTF-16 units, the last part first. */
export const wep = {
  Cnt: u8(0, 'number of the part, from 1; WIN_LAST with the last one'),
  Chksum: u8(13, 'of the short name'),
} as const;
export const WIN_LAST = 0x40;
export const WIN_CHARS = 13;
export const WIN_MAXLEN = 255;
/** Offsets of the 13 units. */
export const WIN_UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;

/** Entries that a directory may have. */
export const DIRECTORY_ENTRIES_MAX = 65536;
