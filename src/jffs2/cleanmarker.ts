/**
 * Cleanmarkers: what says that a block was erased to its end. In the block's first bytes, or, on
 * NAND, in the OOB of its first page. Facts: reference jffs2.md §1.4, §5.3.
 */
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { MTD_OPS_AUTO_OOB, MTD_OPS_RAW, type mtd_oob_ops } from '../mtd/mtd.js';
import { firstProgrammed } from './erased.js';
import {
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
} from './medium.js';
import type { jffs2_eraseblock, jffs2_sb_info } from './nodelist.js';

/** The header that says "this block was erased completely". */
export function cleanmarkerNode(c: jffs2_sb_info): Uint8Array {
  if (c.cleanmarker !== null) return c.cleanmarker;
  const { e } = c;
  const marker = new Uint8Array(HEADER_SIZE);
  e.put16(marker, 0, JFFS2_MAGIC_BITMASK);
  e.put16(marker, H_TYPE, JFFS2_NODETYPE_CLEANMARKER);
  e.put32(marker, H_TOTLEN, c.oob_cleanmarker > 0 ? 8 : c.cleanmarker_size);
  e.put32(marker, H_CRC, crc32_le(0, marker, 0, H_CRC));
  c.cleanmarker = marker;
  return marker;
}

/** What a program of `wanted` may have left when the power went: 'no' trace of it, or a part. */
function isTornCopy(buf: Uint8Array, at: number, wanted: Uint8Array): 'no' | 'part' | 'whole' {
  let torn = false;
  for (let n = 0; n < wanted.length; n++) {
    const missing = buf[at + n]! ^ wanted[n]!;
    // A bit that is cleared here and not in what was wanted comes from something else.
    if ((missing & wanted[n]!) !== 0) return 'no';
    if (missing !== 0) torn = true;
  }
  return torn ? 'part' : 'whole';
}

/**
 * Was the power cut while the block's cleanmarker was written, so that the block is as good as
 * blank? A medium whose first formatting ended so has nothing else on it, and must not be refused.
 */
export function isTornCleanmarker(
  c: jffs2_sb_info,
  buf: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (c.cleanmarker_size === 0) return false;
  const marker = cleanmarkerNode(c);
  const rest = start + marker.length;
  return isTornCopy(buf, start, marker) === 'part' && firstProgrammed(buf, rest, end) === end;
}

/**
 * The same for the first page of nodes, on media that have no cleanmarker in the data. (Nothing in
 * the block is a node; this says that something may have been about to become one.)
 */
export function isTornFirstPage(
  c: jffs2_sb_info,
  buf: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (c.wbuf === null) return false;
  const rest = start + c.cleanmarker_size + c.wbuf.page.length;
  if (firstProgrammed(buf, rest, end) !== end) return false;
  const found = c.e.u16(buf, start + c.cleanmarker_size);
  const foreign = JFFS2_MAGIC_BITMASK & ~found;
  // To Hamming's code a page whose ECC is missing has one wrong bit in half of its steps, and any
  // of the step's may be the one that it "corrects".
  return foreign === 0 || (c.oob_cleanmarker > 0 && (foreign & (foreign - 1)) === 0);
}

function oobOps(
  mode: number,
  ooblen: number,
  oobbuf: Uint8Array = new Uint8Array(ooblen),
): mtd_oob_ops & { oobbuf: Uint8Array } {
  return { mode, datbuf: null, len: 0, retlen: 0, oobbuf, ooboffs: 0, ooblen, oobretlen: 0 };
}

/** Reads OOB and perhaps data; bit flips are none of our business. @throws EIO */
function readOob(c: jffs2_sb_info, page: number, ops: mtd_oob_ops): void {
  try {
    c.mtd.read_oob(page, ops);
  } catch (error) {
    if (!(error instanceof Errno && (error.code === 'EUCLEAN' || error.code === 'EBADMSG'))) {
      throw error;
    }
  }
}

/** Cells of whole pages that are not 0xFF, OOB and all: ECC hides bits. @throws EIO */
function programmedBytes(c: jffs2_sb_info, from: number, end: number): number {
  const { mtd } = c;
  const len = end - from;
  if (len === 0) return 0;
  const ops = { ...oobOps(MTD_OPS_RAW, (len / mtd.writesize) * mtd.oobsize), len };
  const datbuf = new Uint8Array(len);
  readOob(c, from, { ...ops, datbuf });
  if (firstProgrammed(datbuf, 0, len) < len) return len;
  return ops.oobbuf.reduce((sum, byte) => (byte === 0xff ? sum : sum + 1), 0);
}

/**
 * What the OOB of a block says whose data looks erased: 'marked' erased to its end, 'blank', or
 * 'dirty'. Also what only single cells or ECC bytes show (a program that the end of power cut
 * short) is dirt: such a page cannot be programmed again. Linux looks at the free bytes of the
 * first four pages alone. @throws EIO
 */
export function jffs2_check_nand_cleanmarker(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
): 'marked' | 'blank' | 'dirty' {
  const wanted = cleanmarkerNode(c).subarray(0, c.oob_cleanmarker);
  const ops = oobOps(MTD_OPS_AUTO_OOB, wanted.length);
  readOob(c, jeb.offset, ops);
  // A marker that was torn is as good as none.
  const copy = isTornCopy(ops.oobbuf, 0, wanted);
  const marker = copy === 'no' ? 0 : ops.oobbuf.filter((byte) => byte !== 0xff).length;
  if (programmedBytes(c, jeb.offset, jeb.offset + c.sector_size) > marker) return 'dirty';
  return copy === 'whole' ? 'marked' : 'blank';
}

/** Can the pages from `from` to `end`, on NAND, be programmed? @throws EIO */
export function jffs2_check_pages_erased(c: jffs2_sb_info, from: number, end: number): boolean {
  return programmedBytes(c, from, end) === 0;
}

/** Marks a block that was just erased. @throws EIO */
export function jffs2_write_cleanmarker(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  const marker = cleanmarkerNode(c);
  if (c.oob_cleanmarker > 0) {
    c.mtd.write_oob(jeb.offset, oobOps(MTD_OPS_AUTO_OOB, c.oob_cleanmarker, marker));
    c.accounts?.cleanmarker(c.oob_cleanmarker);
  } else if (c.cleanmarker_size > 0) {
    // Media that are programmed by the page have the rest of its page blank.
    const whole = new Uint8Array(c.wbuf === null ? HEADER_SIZE : c.cleanmarker_size).fill(0xff);
    whole.set(marker);
    c.mtd.write(jeb.offset, whole.length, whole, 0);
    c.thin?.put_node(jeb.offset, whole.length, whole, 0);
    c.accounts?.cleanmarker(whole.length);
  }
}
