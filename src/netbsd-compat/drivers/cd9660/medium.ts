/**
 * The ISO 9660 medium: every structure that lies on disk, declared once. Numbers of more than a
 * byte stand there in both byte orders; the little-endian half is read. Sectors are 2048 bytes.
 *
 * Facts: ECMA-119; SUSP and RRIP 1.12 (Rock Ridge); Microsoft's Joliet specification; checked on
 * images of genisoimage by test/netbsd-compat/cd9660.test.ts.
 */
import { le16, le32, u8 } from '../../structure.js';

export const ISO_SECTOR = 2048;
/** Volume descriptors begin here, in sectors. */
export const ISO_DESCRIPTORS = 16;
export const ISO_ID = 'CD001';
export const VD_PRIMARY = 1;
export const VD_SUPPLEMENTARY = 2;
export const VD_END = 255;

/** Volume descriptor. */
export const isovd = {
  type: u8(0, 'VD_…'),
  space_size: le32(80, 'logical blocks of the volume'),
  block_size: le16(128, 'bytes of a logical block'),
  root: le32(156, 'directory record of the root, 34 bytes'),
} as const;
export const VD_ID_AT = 1;
/** Escape sequences: three of them mark Joliet. */
export const VD_ESCAPES_AT = 88;
export const JOLIET_ESCAPES = ['%/@', '%/C', '%/E'] as const;

/** Directory record; the name follows, a pad byte to an even length, then the system use area. */
export const isodr = {
  length: u8(0, 'bytes of the record; 0: the next one is in the next sector'),
  ext_attr_length: u8(1, 'blocks in front of the data'),
  extent: le32(2, 'first block'),
  size: le32(10, 'bytes of data'),
  date: u8(18, 'seven bytes: year − 1900, month, day, hour, minute, second, quarters east of UTC'),
  flags: u8(25, 'ISO_…'),
  name_len: u8(32, ''),
} as const;
export const ISODR_NAME_AT = 33;
export const ISO_ASSOCIATED = 0x04;
export const ISO_DIRECTORY = 0x02;
/** The file goes on in the next record. */
export const ISO_MULTIEXTENT = 0x80;

/** An entry of a system use area: two letters, length, version. */
export const susp = {
  length: u8(2, 'bytes of the entry'),
  /** CE: where the area goes on. */
  ce_block: le32(4, ''),
  ce_offset: le32(12, ''),
  ce_length: le32(20, ''),
  /** SP: in the root's first record, 0xBE 0xEF and bytes to skip. */
  sp_check: le16(4, ''),
  sp_skip: u8(6, ''),
  /** PX */
  px_mode: le32(4, 'st_mode'),
  px_links: le32(12, ''),
  px_uid: le32(20, ''),
  px_gid: le32(28, ''),
  /** PN: device */
  pn_high: le32(4, ''),
  pn_low: le32(12, ''),
  /** NM, SL, TF */
  flags: u8(4, ''),
  /** CL: where a directory that was moved up really is. */
  cl_block: le32(4, ''),
  /** PL: the directory that it was moved out of. */
  pl_block: le32(4, ''),
} as const;
export const SP_CHECK = 0xefbe;
export const NM_CONTINUE = 1;
export const SL_CONTINUE = 1;
export const SL_CURRENT = 2;
export const SL_PARENT = 4;
export const SL_ROOT = 8;
/** Times that a TF has, in this order; bit 7: in 17 digits instead of 7 bytes. */
export const TF_CREATION = 1;
export const TF_MODIFY = 2;
export const TF_ACCESS = 4;
export const TF_ATTRIBUTES = 8;
export const TF_LONG = 0x80;
