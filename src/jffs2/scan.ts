/**
 * Reads the whole medium at mount: which nodes are there, whom they belong to, how each erase block
 * stands. Data CRCs are left for later; headers and the CRCs of fixed parts are checked here.
 *
 * The inner loop runs once per node over windows of the chip; it allocates nothing but the entry in
 * the typed arrays (and a name for directory entries). Facts: reference jffs2.md §5.4–5.7.
 */
import { BUG } from '../lump/bug.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { bytesToName, type ByteName } from '../lump/types.js';
import { firstProgrammed } from './erased.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_INO,
  I_NODE_CRC,
  I_VERSION,
  JFFS2_COMPAT_MASK,
  JFFS2_DIRTY_BITMASK,
  JFFS2_FEATURE_INCOMPAT,
  JFFS2_FEATURE_ROCOMPAT,
  JFFS2_FEATURE_RWCOMPAT_DELETE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_NODE_ACCURATE,
  JFFS2_OLD_MAGIC_BITMASK,
  JFFS2_SUMMARY_FRAME_SIZE,
  JFFS2_SWAPPED_MAGIC_BITMASK,
  PAD,
  R_NODE_CRC,
  XATTR_SIZE,
  XREF_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
  X_VERSION,
  X_XID,
  isUsableName,
} from './medium.js';
import {
  ISDIRTY,
  jffs2_add_ino_cache,
  jffs2_alloc,
  type jffs2_eraseblock,
  jffs2_inode_cache,
  jffs2_link_node_ref,
  jffs2_scan_dirty_space,
  JFFS2_SB_FLAG_RO,
  REF_NORMAL,
  REF_PRISTINE,
  REF_UNCHECKED,
  VERYDIRTY,
  type EraseblockList,
  type jffs2_full_dirent,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import {
  isTornCleanmarker,
  isTornFirstPage,
  jffs2_check_nand_cleanmarker,
  jffs2_check_pages_erased,
} from './cleanmarker.js';
import { jffs2_mark_node_obsolete, jffs2_prepare_tail } from './nodemgmt.js';
import { jffs2_sum_offset, jffs2_sum_scan_sumnode } from './summary.js';
import { jffs2_summary } from './summary_node.js';
import { jffs2_torn_page } from './torn_page.js';
import { jffs2_build_xattr_datum, jffs2_build_xattr_ref } from './xattr.js';

/** What the scan found an erase block to be. */
export type BlockState = 'ALLFF' | 'CLEANMARKER' | 'CLEAN' | 'PARTDIRTY' | 'ALLDIRTY' | 'BADBLOCK';

/** Bytes of a block that are looked at to call it erased. Linux's EMPTY_SCAN_SIZE. */
const EMPTY_SCAN_SIZE = 256;
/** Bytes at a block's end that are read in search of a summary. */
const TAIL_SIZE = 4096;
/** Room for references is made for nodes of this many bytes on average. */
const NODE_BYTES_EXPECTED = 2048;

/** Smallest tail worth continuing to write in after mount: an inode node and some data. */
const MIN_FREE = INODE_SIZE + 68;

/** The inode cache of a number, made if it is new. */
export function jffs2_scan_make_ino_cache(c: jffs2_sb_info, ino: number): jffs2_inode_cache {
  let ic = c.inocache.get(ino);
  if (ic) return ic;
  if (ino > c.highest_ino) c.highest_ino = ino;
  jffs2_alloc(c, 'jffs2_inode_cache');
  ic = new jffs2_inode_cache(ino);
  jffs2_add_ino_cache(c, ic);
  if (ino === 1) ic.pino_nlink = 1;
  return ic;
}

/**
 * Adds a directory entry to its directory's list. For each name the highest version stays; of equal
 * versions the later one in scan order. The loser is obsolete in memory.
 */
export function jffs2_scan_add_dirent(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  raw: Ref,
  name: ByteName,
  version: number,
  ino: number,
  type: number,
): void {
  // A new inode must not fall under a name that is left over from a lost one.
  if (ino > c.highest_ino) c.highest_ino = ino;
  ic.scan_dents ??= new Map<ByteName, jffs2_full_dirent>();
  const older = ic.scan_dents.get(name);
  if (older && older.version > version) {
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  if (older) {
    jffs2_mark_node_obsolete(c, older.raw);
    older.raw = raw;
    older.version = version;
    older.ino = ino;
    older.type = type;
    return;
  }
  ic.scan_dents.set(name, { raw, version, ino, type, name, pos: 0 });
}

/**
 * Files a block by what is left in it.
 */
export function jffs2_scan_classify_jeb(c: jffs2_sb_info, jeb: jffs2_eraseblock): BlockState {
  if (
    jeb.used_size + jeb.unchecked_size === PAD(c.cleanmarker_size) &&
    jeb.dirty_size === 0 &&
    (jeb.first_node === 0 || c.refs.next_phys[jeb.first_node] === 0)
  ) {
    return 'CLEANMARKER';
  }
  if (!ISDIRTY(c.sector_size - (jeb.used_size + jeb.unchecked_size))) {
    // So little dirt that collecting it is not worth it.
    c.dirty_size -= jeb.dirty_size;
    c.wasted_size += jeb.dirty_size;
    jeb.wasted_size += jeb.dirty_size;
    jeb.dirty_size = 0;
    return 'CLEAN';
  }
  if (jeb.used_size > 0 || jeb.unchecked_size > 0) return 'PARTDIRTY';
  return 'ALLDIRTY';
}

/** Turns waste into dirt, and what is free unless it can be written to; files a block by both. */
function fileDirty(c: jffs2_sb_info, jeb: jffs2_eraseblock, tailUsable: boolean): void {
  jeb.dirty_size += jeb.wasted_size;
  c.dirty_size += jeb.wasted_size;
  c.wasted_size -= jeb.wasted_size;
  jeb.wasted_size = 0;
  if (!tailUsable) jffs2_scan_dirty_space(c, jeb, jeb.free_size);
  const dirt = jeb.dirty_size + jeb.free_size;
  (VERYDIRTY(c, dirt) ? c.very_dirty_list : c.dirty_list).addHead(jeb);
}

/**
 * Scans the medium and files every erase block.
 * @throws EINVAL a node of unknown incompatible type; EROFS a node that only a reader may meet, on
 *   a writeable mount; EIO the chip failed, or nothing on it looks like JFFS2.
 */
export function jffs2_scan_medium(c: jffs2_sb_info): void {
  const collected = new jffs2_summary(c);
  c.refs.reserve(Math.ceil(c.flash_size / NODE_BYTES_EXPECTED));
  let emptyBlocks = 0;
  let badBlocks = 0;
  for (const jeb of c.blocks) {
    collected.reset();
    const state = jffs2_scan_eraseblock(c, jeb, collected);
    switch (state) {
      case 'ALLFF':
        // Erased, but without a cleanmarker: perhaps only half erased. It is erased again.
        emptyBlocks++;
        c.erase_pending_list.addHead(jeb);
        c.nr_erasing_blocks++;
        break;
      case 'CLEANMARKER':
        if (jeb.dirty_size === 0) {
          c.free_list.addHead(jeb);
          c.nr_free_blocks++;
        } else {
          c.erase_pending_list.addHead(jeb);
          c.nr_erasing_blocks++;
        }
        break;
      case 'CLEAN':
        c.clean_list.addHead(jeb);
        break;
      case 'PARTDIRTY': {
        // The block with the longest tail goes on being written to; those of the others are for
        // bad times. (Linux forgets them.)
        const best = c.nextblock;
        const least = Math.max(MIN_FREE, c.wbuf?.page.length ?? 0);
        const usable = jeb.free_size > least && isTailErased(c, jeb);
        if (usable && (!best || best.free_size < jeb.free_size)) {
          if (best) fileDirty(c, best, true);
          c.nextblock = jeb;
          c.summary.take(collected);
        } else {
          fileDirty(c, jeb, usable);
        }
        break;
      }
      case 'ALLDIRTY':
        c.erase_pending_list.addHead(jeb);
        c.nr_erasing_blocks++;
        break;
      case 'BADBLOCK':
        badBlocks++;
        c.bad_list.addHead(jeb);
        c.bad_size += c.sector_size;
        c.free_size -= c.sector_size;
        break;
      default:
        BUG(`unknown block state ${String(state)}`);
    }
  }
  const next = c.nextblock;
  if (next) jffs2_prepare_tail(c, next);
  if (!c.mount_opts.summary) c.summary.disable();
  if (next && PAD(c.summary.sum_size + JFFS2_SUMMARY_FRAME_SIZE) > next.free_size) {
    c.summary.disable();
  }
  if (c.nr_erasing_blocks > 0) {
    const others = c.nr_blocks;
    const blank = emptyBlocks + c.nr_free_blocks + badBlocks;
    if (c.used_size === 0 && c.unchecked_size === 0 && (blank !== others || badBlocks === others)) {
      throw new Errno(
        'EIO',
        'nothing on this medium is a JFFS2 node, and it is not blank either; ' +
          `refusing to erase it (${emptyBlocks} blank, ${c.nr_free_blocks} free, ${badBlocks} bad ` +
          `of ${c.nr_blocks} erase blocks)`,
      );
    }
  }
}

/**
 * Can the block's free space be programmed? Its data is blank; on NAND a program that the end of
 * power cut short may show in the OOB alone.
 */
function isTailErased(c: jffs2_sb_info, jeb: jffs2_eraseblock): boolean {
  if (c.oob_cleanmarker === 0) return true;
  const end = jeb.offset + c.sector_size;
  const tail = jeb.free_size - (jeb.free_size % c.mtd.writesize);
  return jffs2_check_pages_erased(c, end - tail, end);
}

/**
 * A block that begins blank, on a medium without cleanmarkers in the data. It is looked at to its
 * end: what would be programmed twice is lost.
 */
function jffs2_scan_blank(c: jffs2_sb_info, jeb: jffs2_eraseblock): BlockState {
  if (c.oob_cleanmarker > 0) {
    const marks = jffs2_check_nand_cleanmarker(c, jeb);
    if (marks !== 'dirty') return marks === 'marked' ? 'CLEANMARKER' : 'ALLFF';
  } else {
    const { buf, off } = c.read_once(jeb.offset, c.sector_size);
    const end = off + c.sector_size;
    if (firstProgrammed(buf, off, end) === end) return 'CLEANMARKER';
  }
  jffs2_scan_dirty_space(c, jeb, c.sector_size);
  return 'ALLDIRTY';
}

/** Scans one erase block; collects summary entries for the case that it becomes nextblock. */
function jffs2_scan_eraseblock(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  sum: jffs2_summary,
): BlockState {
  const { e } = c;
  const size = c.sector_size;
  if (c.mtd.block_isbad(jeb.offset)) return 'BADBLOCK';

  // With a summary, the block's end is all that is read of it, most often in one go.
  const tailBytes = Math.min(TAIL_SIZE, size);
  const { ecc_stats } = c.mtd;
  const wrongBits = ecc_stats.corrected + ecc_stats.failed;
  const tail = c.read_once(jeb.offset + size - tailBytes, tailBytes);
  const sumofs = jffs2_sum_offset(c, tail.buf, tail.off + tailBytes);
  // On NAND the power may have gone in the last page: what its summary lists is looked at then, as
  // in any page that was programmed in part (see torn_page.ts).
  const isClean = ecc_stats.corrected + ecc_stats.failed === wrongBits;
  if (sumofs >= 0 && (isClean || c.oob_cleanmarker === 0)) {
    const sumBytes = size - sumofs;
    const sumAt = tail.off + tailBytes - sumBytes;
    const { buf, off } =
      sumBytes <= tailBytes
        ? { buf: tail.buf, off: sumAt }
        : c.read_once(jeb.offset + sumofs, sumBytes);
    const state = jffs2_sum_scan_sumnode(c, jeb, buf, off, sumofs);
    if (state !== null) return state;
  }

  const emptySize = Math.min(EMPTY_SCAN_SIZE, size);
  const head = c.read_once(jeb.offset, emptySize);
  if (firstProgrammed(head.buf, head.off, head.off + emptySize) === head.off + emptySize) {
    return c.cleanmarker_size > 0 ? 'ALLFF' : jffs2_scan_blank(c, jeb);
  }

  const view = c.read_once(jeb.offset, size);
  const buf = view.buf;
  const start = view.off;
  const end = start + size;

  let at = start;
  at = skipErased(buf, at, end);
  if (at > start) jffs2_scan_dirty_space(c, jeb, at - start);
  else if (isTornCleanmarker(c, buf, start, end)) return 'ALLFF';

  const dirty = (bytes: number): void => {
    jffs2_scan_dirty_space(c, jeb, bytes);
    at += bytes;
  };
  const flashOffset = (): number => jeb.offset + (at - start);
  // No page begins erased: its block was being erased.
  let isBad = at > start;
  const refuse = (kind: Parameters<typeof c.damage.report>[0], detail: string): void => {
    isBad = true;
    c.damage.report(kind, flashOffset(), detail);
  };
  const torn = jffs2_torn_page(c, jeb, buf, start, end);
  /** Behind the last header that was bad, and may have begun in the page before the torn one. */
  let badHeaderEnd = start;
  let tailUsable = true;
  /** One word that starts no node; a run of them is reported where it begins. */
  let noiseEnd = -1;
  const noise = (kind: Parameters<typeof c.damage.report>[0], detail: () => string): void => {
    if (at !== noiseEnd) refuse(kind, detail());
    isBad = true;
    dirty(4);
    noiseEnd = at;
  };

  while (at < end) {
    if (torn !== null && isBad && at < torn.to) {
      if (at <= torn.from && badHeaderEnd <= torn.from) {
        isBad = false;
      } else {
        // What is not believed must be followed by nothing, also in the next mount.
        if (hasHeader(c, buf, at, torn.to)) tailUsable = false;
        dirty(torn.to - at);
        continue;
      }
    }
    const left = end - at;
    if (left < HEADER_SIZE) {
      dirty(left);
      break;
    }
    const word = e.u32(buf, at);
    if (word === 0xffffffff) {
      const run = skipErased(buf, at, end);
      // Free space reaches the end of the block; 0xFF in front of data is dirt.
      if (run === end) break;
      isBad = true;
      dirty(run - at);
      continue;
    }
    const magic = e.u16(buf, at);
    if (magic !== JFFS2_MAGIC_BITMASK) {
      if (magic === JFFS2_SWAPPED_MAGIC_BITMASK && at === start) {
        noise('wrong byte order', () => 'the magic number reads swapped: wrong endian image?');
      } else if (magic === JFFS2_OLD_MAGIC_BITMASK) {
        noise('old magic', () => 'JFFS1-era magic number');
      } else if (magic !== JFFS2_DIRTY_BITMASK) {
        noise('bad magic', () => `0x${magic.toString(16)} where a node should start`);
      } else {
        const inRun = at === noiseEnd;
        dirty(4);
        if (inRun) noiseEnd = at;
      }
      continue;
    }
    const nodetype = e.u16(buf, at + H_TYPE);
    const totlen = e.u32(buf, at + H_TOTLEN);
    if (headerCrc(c, buf, at, nodetype) !== e.u32(buf, at + H_CRC)) {
      badHeaderEnd = at + HEADER_SIZE;
      noise('header crc', () => `node type 0x${nodetype.toString(16)}, length ${totlen}`);
      continue;
    }
    // Lengths that do not fit are not trusted, and a length below the header makes no progress.
    if (totlen > left || PAD(totlen) > left || totlen < HEADER_SIZE) {
      refuse(
        'node past erase block',
        `length ${totlen}, ${left} bytes are left: wrong erase size?`,
      );
      dirty(4);
      noiseEnd = at;
      continue;
    }
    const length = PAD(totlen);
    if ((nodetype & JFFS2_NODE_ACCURATE) === 0) {
      // Where pages are torn, nothing is marked in place.
      isBad = true;
      dirty(length);
      continue;
    }
    switch (nodetype) {
      case JFFS2_NODETYPE_INODE:
        if (totlen < INODE_SIZE) {
          refuse('bad node', `inode node of ${totlen} bytes`);
          dirty(4);
          break;
        }
        if (e.u32(buf, at + I_NODE_CRC) !== crc32_le(0, buf, at, INODE_CRC_LENGTH)) {
          refuse('node crc', 'inode node');
          dirty(length);
          break;
        }
        if (torn !== null && at + length > torn.from && !isDataGood(c, buf, at, totlen)) {
          refuse('data crc', 'inode node in a page that was programmed in part');
          dirty(length);
          break;
        }
        {
          const ino = e.u32(buf, at + I_INO);
          const version = e.u32(buf, at + I_VERSION);
          const ic = jffs2_scan_make_ino_cache(c, ino);
          jffs2_link_node_ref(c, jeb, flashOffset() | REF_UNCHECKED, length, ic);
          c.version_sum += version;
          sum.addInode(ino, version, at - start, totlen);
          at += length;
        }
        break;
      case JFFS2_NODETYPE_DIRENT: {
        if (
          totlen < DIRENT_SIZE ||
          e.u32(buf, at + D_NODE_CRC) !== crc32_le(0, buf, at, D_NODE_CRC)
        ) {
          refuse('node crc', 'directory entry');
          dirty(length);
          break;
        }
        // A name may not contain NUL: what is behind one would be lost, and the name with it.
        let nsize = buf[at + D_NSIZE]!;
        if (nsize > totlen - DIRENT_SIZE) nsize = totlen - DIRENT_SIZE;
        const nameAt = at + DIRENT_SIZE;
        if (crc32_le(0, buf, nameAt, nsize) !== e.u32(buf, at + D_NAME_CRC)) {
          refuse('name crc', 'directory entry');
          dirty(length);
          break;
        }
        const name = bytesToName(buf, nameAt, nameAt + nsize);
        if (!isUsableName(name)) {
          refuse('bad name', `directory entry with the name ${JSON.stringify(name)}`);
          dirty(length);
          break;
        }
        const pino = e.u32(buf, at + D_PINO);
        const version = e.u32(buf, at + D_VERSION);
        const ino = e.u32(buf, at + D_INO);
        const type = buf[at + D_TYPE]!;
        const ic = jffs2_scan_make_ino_cache(c, pino);
        const state = ino === 0 ? REF_NORMAL : REF_PRISTINE;
        const ref = jffs2_link_node_ref(c, jeb, flashOffset() | state, length, ic);
        c.version_sum += version;
        sum.addDirent(pino, version, ino, type, name, at - start, totlen);
        jffs2_scan_add_dirent(c, ic, ref, name, version, ino, type);
        at += length;
        break;
      }
      case JFFS2_NODETYPE_XATTR: {
        const nameLength = buf[at + X_NAME_LEN]!;
        if (
          totlen < XATTR_SIZE ||
          e.u32(buf, at + X_NODE_CRC) !== crc32_le(0, buf, at, X_NODE_CRC) ||
          totlen !== PAD(XATTR_SIZE + nameLength + 1 + e.u16(buf, at + X_VALUE_LEN))
        ) {
          refuse('bad xattr', 'attribute with wrong CRC or length');
          dirty(length);
          break;
        }
        if (torn !== null && at + length > torn.from) {
          const dataLength = nameLength + 1 + e.u16(buf, at + X_VALUE_LEN);
          if (c.crc(buf, at + XATTR_SIZE, dataLength) !== e.u32(buf, at + X_DATA_CRC)) {
            refuse('bad xattr', 'attribute in a page that was programmed in part');
            dirty(length);
            break;
          }
        }
        const xid = e.u32(buf, at + X_XID);
        const version = e.u32(buf, at + X_VERSION);
        jffs2_build_xattr_datum(c, jeb, flashOffset() | REF_PRISTINE, length, xid, version);
        sum.addXattr(xid, version, at - start, totlen);
        at += length;
        break;
      }
      case JFFS2_NODETYPE_XREF:
        if (
          totlen !== XREF_SIZE ||
          e.u32(buf, at + R_NODE_CRC) !== crc32_le(0, buf, at, R_NODE_CRC)
        ) {
          refuse('bad xattr', 'attribute reference with wrong CRC or length');
          dirty(length);
          break;
        }
        jffs2_build_xattr_ref(c, jeb, flashOffset() | REF_PRISTINE, length);
        sum.addXref(at - start);
        at += length;
        break;
      case JFFS2_NODETYPE_CLEANMARKER:
        if (totlen !== c.cleanmarker_size || at !== start) {
          // Harmless: images for NAND made with cleanmarkers, or another cleanmarker size.
          dirty(PAD(HEADER_SIZE));
          break;
        }
        jffs2_link_node_ref(c, jeb, jeb.offset | REF_NORMAL, length, null);
        at += length;
        break;
      case JFFS2_NODETYPE_PADDING:
        sum.addPadding(totlen);
        dirty(length);
        break;
      case JFFS2_NODETYPE_SUMMARY:
        // Its marker or CRC was wrong, or it is not at the end: the nodes themselves were read.
        dirty(length);
        break;
      default:
        switch (nodetype & JFFS2_COMPAT_MASK) {
          case JFFS2_FEATURE_ROCOMPAT:
            if ((c.flags & JFFS2_SB_FLAG_RO) === 0) {
              throw new Errno('EROFS', unknownNode(nodetype, flashOffset(), 'mount it read-only'));
            }
            c.ro_only = true;
            dirty(length);
            break;
          case JFFS2_FEATURE_INCOMPAT:
            throw new Errno(
              'EINVAL',
              unknownNode(nodetype, flashOffset(), 'this medium needs a newer reader'),
            );
          case JFFS2_FEATURE_RWCOMPAT_DELETE:
            c.damage.report('unknown node', flashOffset(), `type 0x${nodetype.toString(16)}`);
            dirty(length);
            break;
          default:
            // Kept and copied by garbage collection; a summary cannot describe it.
            jffs2_link_node_ref(c, jeb, flashOffset() | REF_PRISTINE, length, null);
            sum.disable();
            at += length;
        }
    }
  }
  if (!tailUsable) jffs2_scan_dirty_space(c, jeb, jeb.free_size);
  // Waste and dirt are told apart only after the scan.
  jeb.dirty_size += jeb.wasted_size;
  c.dirty_size += jeb.wasted_size;
  c.wasted_size -= jeb.wasted_size;
  jeb.wasted_size = 0;
  const state = jffs2_scan_classify_jeb(c, jeb);
  return state === 'ALLDIRTY' && isTornFirstPage(c, buf, start, end) ? 'ALLFF' : state;
}

function isDataGood(c: jffs2_sb_info, buf: Uint8Array, at: number, totlen: number): boolean {
  const csize = c.e.u32(buf, at + I_CSIZE);
  if (csize === 0) return true;
  if (INODE_SIZE + csize > totlen) return false;
  return c.crc(buf, at + INODE_SIZE, csize) === c.e.u32(buf, at + I_DATA_CRC);
}

function unknownNode(nodetype: number, offset: number, advice: string): string {
  return `node of unknown type 0x${nodetype.toString(16)} at 0x${offset.toString(16)}; ${advice}`;
}

/** The first word of `buf[at … end)`, in steps of four from `at`, that is not erased; or `end`. */
function skipErased(buf: Uint8Array, at: number, end: number): number {
  const here = firstProgrammed(buf, at, end);
  return here === end ? end : here - ((here - at) & 3);
}

/** Does anything that may be a node start in `buf[at … end)`? */
function hasHeader(c: jffs2_sb_info, buf: Uint8Array, at: number, end: number): boolean {
  for (let n = at; n + HEADER_SIZE <= end; n += 4) {
    if (c.e.u16(buf, n) !== JFFS2_MAGIC_BITMASK) continue;
    const nodetype = c.e.u16(buf, n + H_TYPE);
    if (headerCrc(c, buf, n, nodetype) === c.e.u32(buf, n + H_CRC)) return true;
  }
  return false;
}

const header = new Uint8Array(8);

/** CRC of the first eight bytes as they were before the node was made obsolete. */
function headerCrc(c: jffs2_sb_info, buf: Uint8Array, at: number, nodetype: number): number {
  if ((nodetype & JFFS2_NODE_ACCURATE) !== 0) return crc32_le(0, buf, at, 8);
  for (let i = 0; i < 8; i++) header[i] = buf[at + i]!;
  c.e.put16(header, H_TYPE, nodetype | JFFS2_NODE_ACCURATE);
  return crc32_le(0, header, 0, 8);
}

/** After the build: the lists start at another place in each mount, for wear levelling. */
export function jffs2_rotate_lists(c: jffs2_sb_info): void {
  const rotate = (list: EraseblockList): void => {
    if (!list.empty) list.rotate((c.version_sum % list.length) + 1);
  };
  rotate(c.clean_list);
  rotate(c.very_dirty_list);
  rotate(c.dirty_list);
  rotate(c.erasable_list);
  rotate(c.erase_pending_list);
  rotate(c.free_list);
}
