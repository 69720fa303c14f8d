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
  /** With the ACCURATE bit: obsolete nodes are not told. */
  readonly type: number;
  readonly totlen: number;
  /** False: header right, but what it covers is not. Only nodes of the four kinds are checked. */
  readonly good: boolean;
}

/** Every node whose header is right and that lies whole in `image`, in order. */
export function* scanNodes(image: Uint8Array, e: Endian): Generator<ScannedNode> {
  for (let at = 0; at + HEADER_SIZE <= image.length; ) {
    const totlen = e.u32(image, at + H_TOTLEN);
    const isNode =
      e.u16(image, at) === JFFS2_MAGIC_BITMASK &&
      totlen >= HEADER_SIZE &&
      at + totlen <= image.length &&
      crc32_le(0, image, at, H_CRC) === e.u32(image, at + H_CRC);
    if (!isNode) {
      at += 4;
      continue;
    }
    const type = e.u16(image, at + H_TYPE);
    const good = isGood(image, e, at, type, totlen);
    yield { at, type, totlen, good };
    // The length of a node that is not whole is not to be believed either.
    at += good ? PAD(totlen) : 4;
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
