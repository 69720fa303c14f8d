/**
 * The JFFS2 medium: every structure that lies on flash, declared once. This file knows nothing of
 * the VFS, of chips or of Node; reader, writer, inspector and SPEC.md's tables all take sizes,
 * offsets and CRC ranges from here, and it runs in a browser.
 *
 * Facts: reference jffs2.md §1 (layouts, checked on images of mkfs.jffs2 and dumps of Linux 6.1),
 * §4 (summaries), §10 (extended attributes). test/jffs2/medium.test.ts states all offsets as
 * literals and decodes bytes that other programs wrote.
 *
 * All multi-byte fields, CRCs included, are in the image's byte order ({@link Endian}); names and
 * file data are byte strings. Offsets and lengths are in bytes.
 */
import type { ByteName } from '../lump/types.js';

// ---- constants ----------------------------------------------------------------------------------

export const JFFS2_MAGIC_BITMASK = 0x1985;
export const JFFS2_OLD_MAGIC_BITMASK = 0x1984;
/** The magic as it reads in the other byte order. */
export const JFFS2_SWAPPED_MAGIC_BITMASK = 0x8519;
export const JFFS2_EMPTY_BITMASK = 0xffff;
export const JFFS2_DIRTY_BITMASK = 0x0000;
export const JFFS2_SUM_MAGIC = 0x02851885;

/** Bit of nodetype that is cleared in place when a node becomes obsolete (NOR only). */
export const JFFS2_NODE_ACCURATE = 0x2000;
export const JFFS2_COMPAT_MASK = 0xc000;
/** What a reader does with a node type that it does not know. */
export const JFFS2_FEATURE_INCOMPAT = 0xc000;
export const JFFS2_FEATURE_ROCOMPAT = 0x8000;
export const JFFS2_FEATURE_RWCOMPAT_COPY = 0x4000;
export const JFFS2_FEATURE_RWCOMPAT_DELETE = 0x0000;

export const JFFS2_NODETYPE_DIRENT = 0xe001;
export const JFFS2_NODETYPE_INODE = 0xe002;
export const JFFS2_NODETYPE_CLEANMARKER = 0x2003;
export const JFFS2_NODETYPE_PADDING = 0x2004;
export const JFFS2_NODETYPE_SUMMARY = 0x2006;
export const JFFS2_NODETYPE_XATTR = 0xe008;
export const JFFS2_NODETYPE_XREF = 0xe009;

export const JFFS2_COMPR_NONE = 0;
export const JFFS2_COMPR_ZERO = 1;
export const JFFS2_COMPR_RTIME = 2;
export const JFFS2_COMPR_RUBINMIPS = 3;
export const JFFS2_COMPR_COPY = 4;
export const JFFS2_COMPR_DYNRUBIN = 5;
export const JFFS2_COMPR_ZLIB = 6;
export const JFFS2_COMPR_LZO = 7;
export const JFFS2_COMPR_LZMA = 8;
/** One vendor's: an .lzma header without the length in front of the stream. */
export const JFFS2_COMPR_LZMA_NOSIZE = 0x15;

export const JFFS2_XPREFIX_USER = 1;
export const JFFS2_XPREFIX_SECURITY = 2;
export const JFFS2_XPREFIX_ACL_ACCESS = 3;
export const JFFS2_XPREFIX_ACL_DEFAULT = 4;
export const JFFS2_XPREFIX_TRUSTED = 5;

/** Prefix number → what a name begins with; those of the access lists are whole names. */
export const JFFS2_XPREFIX_NAMES: Readonly<Record<number, string>> = {
  [JFFS2_XPREFIX_USER]: 'user.',
  [JFFS2_XPREFIX_SECURITY]: 'security.',
  [JFFS2_XPREFIX_ACL_ACCESS]: 'system.posix_acl_access',
  [JFFS2_XPREFIX_ACL_DEFAULT]: 'system.posix_acl_default',
  [JFFS2_XPREFIX_TRUSTED]: 'trusted.',
};

/** Longest name that Linux can look up; the field could hold 255. */
export const JFFS2_MAX_NAME_LEN = 254;
/** Least data a write asks space for: chunks smaller than this are not worth a node. */
export const JFFS2_MIN_DATA_LEN = 128;
export const JFFS2_ROOT_INO = 1;
export const JFFS2_SUPER_MAGIC = 0x72b6;

/** Rounds up to the 4-byte boundary on which every node starts. */
export const PAD = (length: number): number => ((length + 3) & ~3) >>> 0;

/** Names that no path can reach, or that would change what a path means. */
export function isUsableName(name: ByteName): boolean {
  if (name.length === 0 || name === '.' || name === '..') return false;
  return !name.includes('\0') && !name.includes('/');
}

// ---- byte order ---------------------------------------------------------------------------------

/**
 * Cursor-free access to integers in one byte order. One class with a branch rather than two
 * classes: call sites stay monomorphic, and the branch predicts perfectly (a mounted image has one
 * order).
 */
export class Endian {
  readonly little: boolean;

  constructor(little: boolean) {
    this.little = little;
  }

  get name(): 'little' | 'big' {
    return this.little ? 'little' : 'big';
  }

  /** Two bytes at a byte offset, 0 … 0xFFFF. Any offset will do; behind the end are zeros. */
  u16(buf: Uint8Array, at: number): number {
    return this.little ? buf[at]! | (buf[at + 1]! << 8) : (buf[at]! << 8) | buf[at + 1]!;
  }

  /** Four bytes at a byte offset, 0 … 2^32−1. */
  u32(buf: Uint8Array, at: number): number {
    return this.little
      ? (buf[at]! | (buf[at + 1]! << 8) | (buf[at + 2]! << 16) | (buf[at + 3]! << 24)) >>> 0
      : ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0;
  }

  /** Stores the low 16 bits at a byte offset. */
  put16(buf: Uint8Array, at: number, value: number): void {
    if (this.little) {
      buf[at] = value;
      buf[at + 1] = value >>> 8;
    } else {
      buf[at] = value >>> 8;
      buf[at + 1] = value;
    }
  }

  /** Stores the low 32 bits at a byte offset. */
  put32(buf: Uint8Array, at: number, value: number): void {
    if (this.little) {
      buf[at] = value;
      buf[at + 1] = value >>> 8;
      buf[at + 2] = value >>> 16;
      buf[at + 3] = value >>> 24;
    } else {
      buf[at] = value >>> 24;
      buf[at + 1] = value >>> 16;
      buf[at + 2] = value >>> 8;
      buf[at + 3] = value;
    }
  }
}

export const LITTLE_ENDIAN = new Endian(true);
export const BIG_ENDIAN = new Endian(false);

// ---- structures ---------------------------------------------------------------------------------

/** [name, bytes, meaning]. */
export type MediaField = readonly [name: string, bytes: number, meaning: string];

/**
 * A structure of the medium, as it is declared in this file: SPEC.md and the descriptions of the
 * medium are made of it.
 */
export interface MediaStruct<Name extends string = string> {
  readonly name: string;
  /** Bytes of the fixed part. */
  readonly size: number;
  readonly fields: readonly MediaField[];
  /** Byte offset of each field. */
  readonly offset: { readonly [K in Name]: number };
  /** CRC field → the range it covers: [from, to) as field names, or a sentence for what follows. */
  readonly crc: Readonly<Record<string, readonly [from: string, to: string] | string>>;
}

function struct<const F extends readonly MediaField[]>(
  name: string,
  fields: F,
  crc: MediaStruct['crc'] = {},
): MediaStruct<F[number][0]> {
  const offset: Record<string, number> = {};
  let size = 0;
  for (const [field, bytes] of fields) {
    offset[field] = size;
    size += bytes;
  }
  return { name, size, fields, offset: offset as MediaStruct<F[number][0]>['offset'], crc };
}

const HEADER = [
  ['magic', 2, 'JFFS2_MAGIC_BITMASK'],
  ['nodetype', 2, 'compatibility class, ACCURATE bit and number'],
  ['totlen', 4, 'header and payload; padded for XATTR, XREF, SUMMARY; unpadded for INODE, DIRENT'],
  ['hdr_crc', 4, 'CRC of bytes 0–7, computed with the ACCURATE bit set'],
] as const;

/** Common to all nodes; the whole of CLEANMARKER and PADDING. */
export const jffs2_unknown_node = struct('jffs2_unknown_node', HEADER, {
  hdr_crc: ['magic', 'hdr_crc'],
});

export const jffs2_raw_dirent = struct(
  'jffs2_raw_dirent',
  [
    ...HEADER,
    ['pino', 4, 'inode number of the directory'],
    ['version', 4, "in the directory's version space"],
    ['ino', 4, 'target; 0 deletes the name'],
    ['mctime', 4, 'seconds since 1970; 0 = no information'],
    ['nsize', 1, 'bytes of the name, 1…254'],
    ['type', 1, 'DT_ number, (mode & S_IFMT) >> 12'],
    ['unused', 2, 'ignored, but inside node_crc'],
    ['node_crc', 4, ''],
    ['name_crc', 4, ''],
  ],
  { hdr_crc: ['magic', 'hdr_crc'], node_crc: ['magic', 'node_crc'], name_crc: 'the nsize bytes' },
);

export const jffs2_raw_inode = struct(
  'jffs2_raw_inode',
  [
    ...HEADER,
    ['ino', 4, ''],
    ['version', 4, 'at least 1; the highest valid one rules'],
    ['mode', 4, 'st_mode'],
    ['uid', 2, 'low 16 bits'],
    ['gid', 2, 'low 16 bits'],
    ['isize', 4, 'file size after this node is applied'],
    ['atime', 4, 'seconds since 1970'],
    ['mtime', 4, ''],
    ['ctime', 4, ''],
    ['offset', 4, 'of the data in the file'],
    ['csize', 4, 'bytes stored'],
    ['dsize', 4, 'bytes after decompression'],
    ['compr', 1, 'JFFS2_COMPR_*'],
    ['usercompr', 1, '0'],
    ['flags', 2, 'ignored'],
    ['data_crc', 4, ''],
    ['node_crc', 4, ''],
  ],
  {
    hdr_crc: ['magic', 'hdr_crc'],
    node_crc: ['magic', 'data_crc'],
    data_crc: 'the csize stored bytes, without padding; 0 when csize is 0',
  },
);

export const jffs2_raw_xattr = struct(
  'jffs2_raw_xattr',
  [
    ...HEADER,
    ['xid', 4, 'number of the attribute datum, from 1'],
    ['version', 4, ''],
    ['xprefix', 1, 'JFFS2_XPREFIX_*'],
    ['name_len', 1, 'without prefix; 0 for ACLs'],
    ['value_len', 2, ''],
    ['data_crc', 4, ''],
    ['node_crc', 4, ''],
  ],
  {
    hdr_crc: ['magic', 'hdr_crc'],
    node_crc: ['magic', 'node_crc'],
    data_crc: 'name_len + 1 + value_len bytes: name, NUL, value',
  },
);

export const jffs2_raw_xref = struct(
  'jffs2_raw_xref',
  [
    ...HEADER,
    ['ino', 4, ''],
    ['xid', 4, ''],
    ['xseqno', 4, 'even = link, odd = removal of that link'],
    ['node_crc', 4, ''],
  ],
  { hdr_crc: ['magic', 'hdr_crc'], node_crc: ['magic', 'node_crc'] },
);

export const jffs2_raw_summary = struct(
  'jffs2_raw_summary',
  [
    ...HEADER,
    ['sum_num', 4, 'entries'],
    ['cln_mkr', 4, 'bytes of the cleanmarker at the start of the erase block; 0 = none'],
    ['padded', 4, 'bytes of PADDING nodes, for information'],
    ['sum_crc', 4, ''],
    ['node_crc', 4, ''],
  ],
  {
    hdr_crc: ['magic', 'hdr_crc'],
    node_crc: ['magic', 'sum_crc'],
    sum_crc: 'everything behind the fixed part, end marker included',
  },
);

/** Summary entries: packed, no alignment. `offset` counts from the start of the erase block. */
export const jffs2_sum_inode_flash = struct('jffs2_sum_inode_flash', [
  ['nodetype', 2, 'JFFS2_NODETYPE_INODE'],
  ['inode', 4, ''],
  ['version', 4, ''],
  ['offset', 4, ''],
  ['totlen', 4, ''],
]);
export const jffs2_sum_dirent_flash = struct('jffs2_sum_dirent_flash', [
  ['nodetype', 2, 'JFFS2_NODETYPE_DIRENT; note that the order of fields differs from the inode'],
  ['totlen', 4, ''],
  ['offset', 4, ''],
  ['pino', 4, ''],
  ['version', 4, ''],
  ['ino', 4, ''],
  ['nsize', 1, 'the name follows'],
  ['type', 1, ''],
]);
export const jffs2_sum_xattr_flash = struct('jffs2_sum_xattr_flash', [
  ['nodetype', 2, 'JFFS2_NODETYPE_XATTR'],
  ['xid', 4, ''],
  ['version', 4, ''],
  ['offset', 4, ''],
  ['totlen', 4, ''],
]);
export const jffs2_sum_xref_flash = struct('jffs2_sum_xref_flash', [
  ['nodetype', 2, 'JFFS2_NODETYPE_XREF'],
  ['offset', 4, ''],
]);
/** The last eight bytes of an erase block that has a summary. */
export const jffs2_sum_marker = struct('jffs2_sum_marker', [
  ['offset', 4, 'of the SUMMARY node in the erase block'],
  ['magic', 4, 'JFFS2_SUM_MAGIC'],
]);

/** Everything above, for SPEC.md, the inspector and generated descriptions. */
export const MEDIA_STRUCTS: readonly MediaStruct[] = [
  jffs2_unknown_node,
  jffs2_raw_dirent,
  jffs2_raw_inode,
  jffs2_raw_xattr,
  jffs2_raw_xref,
  jffs2_raw_summary,
  jffs2_sum_inode_flash,
  jffs2_sum_dirent_flash,
  jffs2_sum_xattr_flash,
  jffs2_sum_xref_flash,
  jffs2_sum_marker,
];

// ---- the offsets again, as constants that the JIT folds -----------------------------------------

export const H_TYPE = jffs2_unknown_node.offset.nodetype;
export const H_TOTLEN = jffs2_unknown_node.offset.totlen;
export const H_CRC = jffs2_unknown_node.offset.hdr_crc;
export const HEADER_SIZE = jffs2_unknown_node.size;

export const D_PINO = jffs2_raw_dirent.offset.pino;
export const D_VERSION = jffs2_raw_dirent.offset.version;
export const D_INO = jffs2_raw_dirent.offset.ino;
export const D_MCTIME = jffs2_raw_dirent.offset.mctime;
export const D_NSIZE = jffs2_raw_dirent.offset.nsize;
export const D_TYPE = jffs2_raw_dirent.offset.type;
export const D_NODE_CRC = jffs2_raw_dirent.offset.node_crc;
export const D_NAME_CRC = jffs2_raw_dirent.offset.name_crc;
export const DIRENT_SIZE = jffs2_raw_dirent.size;

export const I_INO = jffs2_raw_inode.offset.ino;
export const I_VERSION = jffs2_raw_inode.offset.version;
export const I_MODE = jffs2_raw_inode.offset.mode;
export const I_UID = jffs2_raw_inode.offset.uid;
export const I_GID = jffs2_raw_inode.offset.gid;
export const I_ISIZE = jffs2_raw_inode.offset.isize;
export const I_ATIME = jffs2_raw_inode.offset.atime;
export const I_MTIME = jffs2_raw_inode.offset.mtime;
export const I_CTIME = jffs2_raw_inode.offset.ctime;
export const I_OFFSET = jffs2_raw_inode.offset.offset;
export const I_CSIZE = jffs2_raw_inode.offset.csize;
export const I_DSIZE = jffs2_raw_inode.offset.dsize;
export const I_COMPR = jffs2_raw_inode.offset.compr;
export const I_USERCOMPR = jffs2_raw_inode.offset.usercompr;
export const I_FLAGS = jffs2_raw_inode.offset.flags;
export const I_DATA_CRC = jffs2_raw_inode.offset.data_crc;
export const I_NODE_CRC = jffs2_raw_inode.offset.node_crc;
export const INODE_SIZE = jffs2_raw_inode.size;
/** Bytes under the inode node's node_crc: all before data_crc. */
export const INODE_CRC_LENGTH = I_DATA_CRC;

export const X_XID = jffs2_raw_xattr.offset.xid;
export const X_VERSION = jffs2_raw_xattr.offset.version;
export const X_XPREFIX = jffs2_raw_xattr.offset.xprefix;
export const X_NAME_LEN = jffs2_raw_xattr.offset.name_len;
export const X_VALUE_LEN = jffs2_raw_xattr.offset.value_len;
export const X_DATA_CRC = jffs2_raw_xattr.offset.data_crc;
export const X_NODE_CRC = jffs2_raw_xattr.offset.node_crc;
export const XATTR_SIZE = jffs2_raw_xattr.size;

export const R_INO = jffs2_raw_xref.offset.ino;
export const R_XID = jffs2_raw_xref.offset.xid;
export const R_XSEQNO = jffs2_raw_xref.offset.xseqno;
export const R_NODE_CRC = jffs2_raw_xref.offset.node_crc;
export const XREF_SIZE = jffs2_raw_xref.size;

export const S_SUM_NUM = jffs2_raw_summary.offset.sum_num;
export const S_CLN_MKR = jffs2_raw_summary.offset.cln_mkr;
export const S_PADDED = jffs2_raw_summary.offset.padded;
export const S_SUM_CRC = jffs2_raw_summary.offset.sum_crc;
export const S_NODE_CRC = jffs2_raw_summary.offset.node_crc;
export const SUMMARY_SIZE = jffs2_raw_summary.size;
export const SUM_MARKER_SIZE = jffs2_sum_marker.size;
/** Summary node without its entries. */
export const JFFS2_SUMMARY_FRAME_SIZE = SUMMARY_SIZE + SUM_MARKER_SIZE;
export const JFFS2_SUMMARY_INODE_SIZE = jffs2_sum_inode_flash.size;
/** Bytes of an entry of a summary that is about a name of so many bytes. */
export const JFFS2_SUMMARY_DIRENT_SIZE = (nameLength: number): number =>
  jffs2_sum_dirent_flash.size + nameLength;
export const JFFS2_SUMMARY_XATTR_SIZE = jffs2_sum_xattr_flash.size;
export const JFFS2_SUMMARY_XREF_SIZE = jffs2_sum_xref_flash.size;

// ---- device numbers in the payload of char and block inodes -------------------------------------

/** Decodes the 2- or 4-byte payload. @returns null for another size (reads give EIO). */
export function decodeDeviceNumber(
  e: Endian,
  buf: Uint8Array,
  at: number,
  bytes: number,
): { major: number; minor: number } | null {
  if (bytes === 2) {
    const v = e.u16(buf, at);
    return { major: v >>> 8, minor: v & 0xff };
  }
  if (bytes === 4) {
    const v = e.u32(buf, at);
    return { major: (v >>> 8) & 0xfff, minor: (v & 0xff) | ((v >>> 12) & 0xfff00) };
  }
  return null;
}

/** Encodes in the short form where it fits. @returns the bytes written: 2 or 4. */
export function encodeDeviceNumber(
  e: Endian,
  buf: Uint8Array,
  at: number,
  major: number,
  minor: number,
): number {
  if (major < 256 && minor < 256) {
    e.put16(buf, at, (major << 8) | minor);
    return 2;
  }
  e.put32(buf, at, ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0);
  return 4;
}
