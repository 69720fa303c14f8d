/** The nodes of an image, one after the other, as far as their CRCs are right. */
import { crc32_le } from '../lump/crc32.js';
import {
  DIRENT_SIZE,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  type Endian,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_NODE_CRC,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODE_ACCURATE,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  PAD,
  R_NODE_CRC,
  XATTR_SIZE,
  XREF_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
} from '../jffs2/medium.js';

export interface ScannedNode {
  readonly at: number;
  readonly type: number;
  readonly totlen: number;
  /** False: header right, but what it covers is not. Only nodes of the four kinds are checked. */
  readonly good: boolean;
}

/**
 * Every node whose header is right and that lies whole in its erase block, in order; but none that
 * was made obsolete in place. As in the kernel, what a node with a right header covers is not
 * looked at for others: file data may hold an image.
 */
export function* scanNodes(
  image: Uint8Array,
  e: Endian,
  eraseSizeBytes: number,
): Generator<ScannedNode> {
  const header = new Uint8Array(H_CRC);
  for (let at = 0; at + HEADER_SIZE <= image.length; ) {
    const totlen = e.u32(image, at + H_TOTLEN);
    const blockEnd = (Math.floor(at / eraseSizeBytes) + 1) * eraseSizeBytes;
    const end = Math.min(image.length, blockEnd);
    if (e.u16(image, at) !== JFFS2_MAGIC_BITMASK || totlen < HEADER_SIZE || at + totlen > end) {
      at += 4;
      continue;
    }
    const type = e.u16(image, at + H_TYPE);
    // The CRC was made when the node was not obsolete.
    header.set(image.subarray(at, at + H_CRC));
    e.put16(header, H_TYPE, type | JFFS2_NODE_ACCURATE);
    if (crc32_le(0, header, 0, H_CRC) !== e.u32(image, at + H_CRC)) {
      at += 4;
      continue;
    }
    const isObsolete = (type & JFFS2_NODE_ACCURATE) === 0;
    if (!isObsolete) yield { at, type, totlen, good: isGood(image, e, at, type, totlen) };
    at += PAD(totlen);
  }
}

function isGood(image: Uint8Array, e: Endian, at: number, type: number, totlen: number): boolean {
  const crc = (from: number, length: number): number => crc32_le(0, image, at + from, length);
  switch (type) {
    case JFFS2_NODETYPE_INODE: {
      if (totlen < INODE_SIZE || crc(0, INODE_CRC_LENGTH) !== e.u32(image, at + I_NODE_CRC)) {
        return false;
      }
      const csize = e.u32(image, at + I_CSIZE);
      return (
        INODE_SIZE + csize === totlen &&
        (csize === 0 || crc(INODE_SIZE, csize) === e.u32(image, at + I_DATA_CRC))
      );
    }
    case JFFS2_NODETYPE_DIRENT: {
      if (totlen < DIRENT_SIZE || crc(0, D_NODE_CRC) !== e.u32(image, at + D_NODE_CRC)) {
        return false;
      }
      const nsize = image[at + D_NSIZE]!;
      return (
        DIRENT_SIZE + nsize === totlen && crc(DIRENT_SIZE, nsize) === e.u32(image, at + D_NAME_CRC)
      );
    }
    case JFFS2_NODETYPE_XATTR: {
      if (totlen < XATTR_SIZE || crc(0, X_NODE_CRC) !== e.u32(image, at + X_NODE_CRC)) {
        return false;
      }
      const length = image[at + X_NAME_LEN]! + 1 + e.u16(image, at + X_VALUE_LEN);
      return (
        PAD(XATTR_SIZE + length) === totlen &&
        crc(XATTR_SIZE, length) === e.u32(image, at + X_DATA_CRC)
      );
    }
    case JFFS2_NODETYPE_XREF:
      return totlen === XREF_SIZE && crc(0, R_NODE_CRC) === e.u32(image, at + R_NODE_CRC);
    default:
      return true;
  }
}
