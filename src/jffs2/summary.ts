/**
 * Erase block summaries: a node at the end of a full erase block that lists its nodes, so that a
 * mount need not read them. Facts: reference jffs2.md §4.
 */
import { bytesToName } from '../lump/types.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import {
  DIRENT_SIZE,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  JFFS2_COMPAT_MASK,
  JFFS2_EMPTY_BITMASK,
  INODE_SIZE,
  JFFS2_FEATURE_INCOMPAT,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_SUMMARY_DIRENT_SIZE,
  JFFS2_SUMMARY_FRAME_SIZE,
  JFFS2_SUMMARY_INODE_SIZE,
  JFFS2_SUMMARY_XATTR_SIZE,
  JFFS2_SUMMARY_XREF_SIZE,
  JFFS2_SUM_MAGIC,
  PAD,
  SUMMARY_SIZE,
  SUM_MARKER_SIZE,
  S_CLN_MKR,
  S_NODE_CRC,
  S_SUM_CRC,
  S_SUM_NUM,
  XATTR_SIZE,
  isUsableName,
} from './medium.js';
import {
  jffs2_link_node_ref,
  jffs2_scan_dirty_space,
  REF_NORMAL,
  REF_UNCHECKED,
  type jffs2_eraseblock,
  type jffs2_sb_info,
} from './nodelist.js';
import {
  jffs2_scan_classify_jeb,
  jffs2_scan_add_dirent,
  jffs2_scan_make_ino_cache,
  type BlockState,
} from './scan.js';
import { jffs2_sum_fits, jffs2_sum_node } from './summary_node.js';
import { jffs2_flash_write } from './wbuf.js';
import { jffs2_build_xattr_datum, jffs2_build_xattr_ref } from './xattr.js';

/**
 * Writes the collected summary into all the space that is left in nextblock. Failing to do so is no
 * error: the block goes without, or, with a write buffer, is filed away by then.
 */
export function jffs2_sum_write_sumnode(c: jffs2_sb_info): void {
  const jeb = c.nextblock!;
  const { e, summary } = c;
  if (summary.sum_num === 0 || jeb.free_size === 0) {
    c.lump.pr_debug(`jffs2: empty summary for the block at 0x${jeb.offset.toString(16)}`);
    summary.disable();
    return;
  }
  const infosize = jeb.free_size;
  if (!jffs2_sum_fits(summary, infosize)) {
    summary.disable();
    return;
  }
  const rel = c.sector_size - infosize;
  if (c.sumbuf.length < infosize) c.sumbuf = new Uint8Array(infosize);
  const node = c.sumbuf;
  jffs2_sum_node(e, summary, rel, infosize, c.cleanmarker_size, node, 0);

  try {
    jffs2_flash_write(c, jeb.offset + rel, infosize, node, 0, 0);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    const written = c.retlen;
    c.damage.report('write failed', jeb.offset + rel, `summary, ${written} of ${infosize} bytes`);
    summary.disable();
    if (written > 0) {
      // The space is spoilt; nothing else can go there.
      jeb.wasted_size += infosize;
      jeb.free_size -= infosize;
      c.wasted_size += infosize;
      c.free_size -= infosize;
    }
    return;
  }
  summary.reset();
  jffs2_link_node_ref(c, jeb, (jeb.offset + rel) | REF_NORMAL, infosize, null);
}

/**
 * Where in its erase block a summary is said to start; -1 when the block does not end with one.
 * @param at where in `buf` the block ends.
 */
export function jffs2_sum_offset(c: jffs2_sb_info, buf: Uint8Array, at: number): number {
  if (c.e.u32(buf, at - SUM_MARKER_SIZE + 4) !== JFFS2_SUM_MAGIC) return -1;
  const sumofs = c.e.u32(buf, at - SUM_MARKER_SIZE);
  const fits = (sumofs & 3) === 0 && sumofs <= c.sector_size - JFFS2_SUMMARY_FRAME_SIZE;
  return fits ? sumofs : -1;
}

/**
 * Reads an erase block by its summary: `sum` starts at the SUMMARY node, which ends with the block.
 * @returns the block's state, or null when the summary is not to be trusted and the block must be
 *   scanned in full (its accounting is untouched then).
 * @throws EINVAL for an entry of unknown incompatible type: this medium cannot be mounted.
 */
export function jffs2_sum_scan_sumnode(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  buf: Uint8Array,
  at: number,
  sumofs: number,
): BlockState | null {
  const { e } = c;
  const sumlen = c.sector_size - sumofs;
  const refuse = (why: string): null => {
    c.damage.report('summary', jeb.offset + sumofs, why);
    return null;
  };
  // The header is checked as if magic and type were right: they may hold anything else only if the
  // CRC does not match.
  const header = new Uint8Array(HEADER_SIZE);
  e.put16(header, 0, JFFS2_MAGIC_BITMASK);
  e.put16(header, H_TYPE, JFFS2_NODETYPE_SUMMARY);
  e.put32(header, H_TOTLEN, e.u32(buf, at + H_TOTLEN));
  if (e.u32(buf, at + H_CRC) !== crc32_le(0, header, 0, H_CRC)) return refuse('bad header CRC');
  if (e.u32(buf, at + H_TOTLEN) !== sumlen) return refuse('its length does not end with the block');
  if (e.u32(buf, at + S_NODE_CRC) !== crc32_le(0, buf, at, S_SUM_CRC)) {
    return refuse('bad node CRC');
  }
  if (e.u32(buf, at + S_SUM_CRC) !== c.crc(buf, at + SUMMARY_SIZE, sumlen - SUMMARY_SIZE)) {
    return refuse('bad CRC of the entries');
  }
  const layout = jffs2_sum_check_entries(c, jeb, buf, at, sumofs);
  if (typeof layout === 'string') return refuse(layout);

  const marker = e.u32(buf, at + S_CLN_MKR);
  let ofs = 0;
  if (marker !== 0) {
    if (marker !== c.cleanmarker_size) {
      jffs2_scan_dirty_space(c, jeb, PAD(marker));
    } else {
      jffs2_link_node_ref(c, jeb, jeb.offset | REF_NORMAL, marker, null);
    }
    ofs = PAD(marker);
  }
  jffs2_sum_process_entries(c, jeb, buf, at, sumofs, ofs);
  return jffs2_scan_classify_jeb(c, jeb);
}

/**
 * Walks the entries without touching anything: each must lie whole in the node, describe a node
 * that lies whole in front of the summary, and follow the one before.
 * @returns why not, or true.
 */
function jffs2_sum_check_entries(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  buf: Uint8Array,
  at: number,
  sumofs: number,
): string | true {
  const { e } = c;
  const end = at + (c.sector_size - sumofs) - SUM_MARKER_SIZE;
  const count = e.u32(buf, at + S_SUM_NUM);
  let sp = at + SUMMARY_SIZE;
  const marker = e.u32(buf, at + S_CLN_MKR);
  if (marker > sumofs) return 'cleanmarker larger than the block';
  let after = PAD(marker);
  for (let n = 0; n < count; n++) {
    if (sp + JFFS2_SUMMARY_XREF_SIZE > end) return `entry ${n} is cut off`;
    const type = e.u16(buf, sp);
    let size: number;
    let offset: number;
    let totlen: number;
    switch (type) {
      case JFFS2_NODETYPE_INODE:
      case JFFS2_NODETYPE_XATTR:
        size = JFFS2_SUMMARY_INODE_SIZE;
        if (sp + size > end) return `entry ${n} is cut off`;
        offset = e.u32(buf, sp + 10);
        totlen = e.u32(buf, sp + 14);
        if (totlen < (type === JFFS2_NODETYPE_INODE ? INODE_SIZE : XATTR_SIZE)) {
          return `entry ${n} describes a node of ${totlen} bytes`;
        }
        break;
      case JFFS2_NODETYPE_DIRENT: {
        size = JFFS2_SUMMARY_DIRENT_SIZE(0);
        if (sp + size > end) return `entry ${n} is cut off`;
        const nsize = buf[sp + 22]!;
        size += nsize;
        if (sp + size > end) return `entry ${n} is cut off`;
        totlen = e.u32(buf, sp + 2);
        offset = e.u32(buf, sp + 6);
        if (totlen !== DIRENT_SIZE + nsize) return `entry ${n}: name and node length do not agree`;
        if (!isUsableName(bytesToName(buf, sp + 24, sp + 24 + nsize))) {
          return `entry ${n} has a name that nobody could use`;
        }
        break;
      }
      case JFFS2_NODETYPE_XREF:
        size = JFFS2_SUMMARY_XREF_SIZE;
        offset = e.u32(buf, sp + 2);
        totlen = 28;
        break;
      case JFFS2_EMPTY_BITMASK:
        return `entry ${n} of ${count} is not there`;
      default:
        if ((type & JFFS2_COMPAT_MASK) === JFFS2_FEATURE_INCOMPAT) {
          throw new Errno(
            'EINVAL',
            `the summary of the erase block at 0x${jeb.offset.toString(16)} lists a node of ` +
              `unknown incompatible type 0x${type.toString(16)}`,
          );
        }
        return `entry ${n} has the unknown type 0x${type.toString(16)}`;
    }
    if ((offset & 3) !== 0 || offset < after) return `entry ${n} is out of order`;
    if (totlen > sumofs || offset + PAD(totlen) > sumofs) {
      return `entry ${n} lies outside the block`;
    }
    after = offset + PAD(totlen);
    sp += size;
  }
  return true;
}

/** The second walk: makes references. Everything was checked before. */
function jffs2_sum_process_entries(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  buf: Uint8Array,
  at: number,
  sumofs: number,
  start: number,
): void {
  const { e } = c;
  const count = e.u32(buf, at + S_SUM_NUM);
  let sp = at + SUMMARY_SIZE;
  let ofs = start;
  const gapTo = (offset: number): void => {
    if (offset > ofs) jffs2_scan_dirty_space(c, jeb, offset - ofs);
  };
  for (let n = 0; n < count; n++) {
    switch (e.u16(buf, sp)) {
      case JFFS2_NODETYPE_INODE: {
        const offset = e.u32(buf, sp + 10);
        const totlen = PAD(e.u32(buf, sp + 14));
        gapTo(offset);
        const ic = jffs2_scan_make_ino_cache(c, e.u32(buf, sp + 2));
        jffs2_link_node_ref(c, jeb, (jeb.offset + offset) | REF_UNCHECKED, totlen, ic);
        c.version_sum += e.u32(buf, sp + 6);
        ofs = offset + totlen;
        sp += JFFS2_SUMMARY_INODE_SIZE;
        break;
      }
      case JFFS2_NODETYPE_DIRENT: {
        const offset = e.u32(buf, sp + 6);
        const totlen = PAD(e.u32(buf, sp + 2));
        const nsize = buf[sp + 22]!;
        gapTo(offset);
        const ino = e.u32(buf, sp + 18);
        // Linux marks these UNCHECKED too; its length then counts as unchecked until the directory
        // is read.
        const ic = jffs2_scan_make_ino_cache(c, e.u32(buf, sp + 10));
        const ref = jffs2_link_node_ref(c, jeb, (jeb.offset + offset) | REF_UNCHECKED, totlen, ic);
        const version = e.u32(buf, sp + 14);
        c.version_sum += version;
        const name = bytesToName(buf, sp + 24, sp + 24 + nsize);
        jffs2_scan_add_dirent(c, ic, ref, name, version, ino, buf[sp + 23]!);
        ofs = offset + totlen;
        sp += JFFS2_SUMMARY_DIRENT_SIZE(nsize);
        break;
      }
      case JFFS2_NODETYPE_XATTR: {
        const offset = e.u32(buf, sp + 10);
        const totlen = PAD(e.u32(buf, sp + 14));
        gapTo(offset);
        jffs2_build_xattr_datum(
          c,
          jeb,
          (jeb.offset + offset) | REF_UNCHECKED,
          totlen,
          e.u32(buf, sp + 2),
          e.u32(buf, sp + 6),
        );
        ofs = offset + totlen;
        sp += JFFS2_SUMMARY_XATTR_SIZE;
        break;
      }
      default: {
        const offset = e.u32(buf, sp + 2);
        gapTo(offset);
        jffs2_build_xattr_ref(c, jeb, (jeb.offset + offset) | REF_UNCHECKED, PAD(28));
        ofs = offset + PAD(28);
        sp += JFFS2_SUMMARY_XREF_SIZE;
      }
    }
  }
  gapTo(sumofs);
  jffs2_link_node_ref(c, jeb, (jeb.offset + sumofs) | REF_NORMAL, c.sector_size - sumofs, null);
}
