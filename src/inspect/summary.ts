/** The entries of a summary node, compared with the nodes that they speak of. */
import {
  DIRENT_SIZE,
  D_INO,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  H_TOTLEN,
  I_INO,
  INODE_SIZE,
  I_VERSION,
  JFFS2_COMPAT_MASK,
  JFFS2_EMPTY_BITMASK,
  JFFS2_FEATURE_INCOMPAT,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  PAD,
  SUMMARY_SIZE,
  SUM_MARKER_SIZE,
  S_CLN_MKR,
  S_SUM_NUM,
  XATTR_SIZE,
  XREF_SIZE,
  X_VERSION,
  X_XID,
  jffs2_sum_dirent_flash,
  jffs2_sum_inode_flash,
  jffs2_sum_xattr_flash,
  jffs2_sum_xref_flash,
  isUsableName,
} from '../jffs2/medium.js';
import { bytesToName } from '../lump/types.js';
import type { Flash } from './flash.js';

export interface SummaryEntry {
  readonly type: number;
  /** It says of the node what the node says of itself. */
  readonly agrees: boolean;
}

/** What {@link summaryEntries} says when a mount would refuse the whole medium. */
export const SUMMARY_INCOMPATIBLE = 'an entry is of an unknown incompatible type';

const SUM_INODE = jffs2_sum_inode_flash.offset;
const SUM_DIRENT = jffs2_sum_dirent_flash.offset;
const SUM_XATTR = jffs2_sum_xattr_flash.offset;
const SUM_XREF = jffs2_sum_xref_flash.offset;

/**
 * @param at of a summary node whose CRCs are right.
 * @returns offset in the erase block → entry; a sentence when a mount would not believe it and scan
 *   the block instead.
 */
export function summaryEntries(flash: Flash, at: number): Map<number, SummaryEntry> | string {
  const { bytes } = flash;
  const end = at + flash.u32(at + H_TOTLEN) - SUM_MARKER_SIZE;
  const block = at - (at % flash.erasesize);
  const entries = new Map<number, SummaryEntry>();
  let here = at + SUMMARY_SIZE;
  let after = PAD(flash.u32(at + S_CLN_MKR));
  const cutOff = 'an entry is cut off';
  const tooSmall = 'an entry describes a node that is too small';
  if (flash.u32(at + S_CLN_MKR) > at - block) return 'its cleanmarker is larger than the block';
  for (let n = flash.u32(at + S_SUM_NUM); n > 0; n--) {
    if (here + 2 > end) return cutOff;
    const type = flash.u16(here);
    let size: number;
    let offset: number;
    let agrees: boolean;
    let length: number;
    /** Field of the entry, field of the node. */
    const same = (mine: number, its: number, node: number): boolean =>
      node + its + 4 <= bytes.length && flash.u32(here + mine) === flash.u32(node + its);
    switch (type) {
      case JFFS2_NODETYPE_INODE: {
        size = jffs2_sum_inode_flash.size;
        if (here + size > end) return cutOff;
        offset = flash.u32(here + SUM_INODE.offset);
        length = flash.u32(here + SUM_INODE.totlen);
        if (length < INODE_SIZE) return tooSmall;
        const node = block + offset;
        agrees =
          same(SUM_INODE.inode, I_INO, node) &&
          same(SUM_INODE.version, I_VERSION, node) &&
          same(SUM_INODE.totlen, H_TOTLEN, node);
        break;
      }
      case JFFS2_NODETYPE_DIRENT: {
        if (here + jffs2_sum_dirent_flash.size > end) return cutOff;
        const nsize = bytes[here + SUM_DIRENT.nsize]!;
        size = jffs2_sum_dirent_flash.size + nsize;
        if (here + size > end) return cutOff;
        offset = flash.u32(here + SUM_DIRENT.offset);
        length = flash.u32(here + SUM_DIRENT.totlen);
        if (length !== DIRENT_SIZE + nsize) return 'an entry does not fit its name';
        const nameAt = here + jffs2_sum_dirent_flash.size;
        if (!isUsableName(bytesToName(bytes, nameAt, nameAt + nsize))) {
          return 'an entry has a name that nobody could use';
        }
        const node = block + offset;
        agrees =
          same(SUM_DIRENT.pino, D_PINO, node) &&
          same(SUM_DIRENT.version, D_VERSION, node) &&
          same(SUM_DIRENT.ino, D_INO, node) &&
          same(SUM_DIRENT.totlen, H_TOTLEN, node) &&
          bytes[here + SUM_DIRENT.type] === bytes[node + D_TYPE] &&
          nsize === bytes[node + D_NSIZE];
        for (let i = 0; agrees && i < nsize; i++) {
          agrees = bytes[here + jffs2_sum_dirent_flash.size + i] === bytes[node + DIRENT_SIZE + i];
        }
        break;
      }
      case JFFS2_NODETYPE_XATTR: {
        size = jffs2_sum_xattr_flash.size;
        if (here + size > end) return cutOff;
        offset = flash.u32(here + SUM_XATTR.offset);
        length = flash.u32(here + SUM_XATTR.totlen);
        if (length < XATTR_SIZE) return tooSmall;
        const node = block + offset;
        agrees =
          same(SUM_XATTR.xid, X_XID, node) &&
          same(SUM_XATTR.version, X_VERSION, node) &&
          same(SUM_XATTR.totlen, H_TOTLEN, node);
        break;
      }
      case JFFS2_NODETYPE_XREF:
        size = jffs2_sum_xref_flash.size;
        if (here + size > end) return cutOff;
        offset = flash.u32(here + SUM_XREF.offset);
        length = XREF_SIZE;
        agrees = true;
        break;
      case JFFS2_EMPTY_BITMASK:
        return 'an entry is not there';
      default:
        return (type & JFFS2_COMPAT_MASK) === JFFS2_FEATURE_INCOMPAT
          ? SUMMARY_INCOMPATIBLE
          : 'an entry is of unknown type';
    }
    if (offset % 4 !== 0 || offset < after || offset + PAD(length) > at - block) {
      return 'its entries are out of order';
    }
    after = offset + PAD(length);
    entries.set(offset, { type, agrees });
    here += size;
  }
  return entries;
}
