/**
 * Looks at a file and says whether it is a dump of a NAND chip that holds a JFFS2, of which page
 * and block size, and in which layout. Knows nothing of mounting; runs in a browser.
 *
 * The evidence, strongest first. For pages: the ECC in OOB is right. Where there is no ECC that
 * lump knows: nodes that are longer than the rest of their page end where the next one starts, once
 * OOB is taken out, and not before. For blocks: the distance of cleanmarkers in OOB; else the
 * nodes, as on NOR.
 *
 * A dump without OOB can be told from NOR flash by its padding nodes only, and not surely; it is
 * mounted as NOR, which does no harm, and {@link jffs2_page_hint} says what it may be.
 */
import type { nand_ecc_name } from '../mtd/nand_ecc.js';
import {
  nand_page_sizes_of,
  type nand_page_size,
  nand_detect_ecc,
  without_oob,
} from '../mtd/nand_detect.js';
import type { nand_dump_layout } from '../mtd/nand_layout.js';
import { nand_ooblayout_of } from '../mtd/nand_oob.js';
import { nand_ecc_of } from '../mtd/nand_ecc.js';
import { type ImageBytes, nodeLength } from './detect.js';
import {
  BIG_ENDIAN,
  HEADER_SIZE,
  H_TYPE,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODE_ACCURATE,
  LITTLE_ENDIAN,
  type Endian,
} from './medium.js';

export interface NandDetection extends nand_page_size {
  /** Bytes; null when no cleanmarker in OOB tells. */
  erasesize: number | null;
  ecc: nand_ecc_name;
  layout: nand_dump_layout;
  /** Sentences for a person. */
  evidence: string[];
}

/** Of a cleanmarker in OOB: its header without CRC. */
const MARKERS = [
  [0x85, 0x19, 0x03, 0x20, 8, 0, 0, 0],
  [0x19, 0x85, 0x20, 0x03, 0, 0, 0, 8],
] as const;
/** An erase block has a multiple of so many pages. */
const PAGES_PER_BLOCK_MIN = 16;
/** Nodes behind which another one was looked for, and found: enough to believe it. */
const LINKS_MIN = 4;
const LINKS_ENOUGH = 200;
const LOOK_BYTES = 4 << 20;
/** So many padding nodes do not end at pages by chance. */
const PADDINGS_MIN = 2;

/** @returns null when nothing speaks for NAND. */
export function jffs2_detect_nand(bytes: ImageBytes, offset = 0): NandDetection | null {
  const found = nand_detect_ecc(bytes, offset);
  if (found !== null) {
    const { writesize, oobsize, checked, right } = found;
    const evidence = [
      `NAND, pages of ${writesize}+${oobsize} bytes with their OOB: ` +
        `the Hamming ECC of ${right} of ${checked} pages is right`,
    ];
    const page = { writesize, oobsize };
    const marks = markers(bytes, offset, page, freeStart(page, 'hamming'));
    if (marks !== null) evidence.push(marks.evidence);
    const erasesize = marks?.erasesize ?? null;
    return { ...page, erasesize, ecc: 'hamming', layout: 'raw', evidence };
  }
  return byNodes(bytes, offset);
}

/** Without ECC: by the nodes that cross pages. */
function byNodes(bytes: ImageBytes, offset: number): NandDetection | null {
  const pages = nand_page_sizes_of(bytes.sizeBytes - offset);
  if (pages.length === 0) return null;
  const whole = links(bytes, offset, null);
  for (const page of pages) {
    const stripped = links(without_oob(bytes, page, offset), 0, page);
    if (stripped.right < LINKS_MIN || stripped.right * 10 < stripped.checked * 9) continue;
    if (whole.right * 2 > whole.checked) continue;
    const evidence = [
      `NAND, pages of ${page.writesize}+${page.oobsize} bytes with their OOB: without OOB ` +
        `${stripped.right} of ${stripped.checked} nodes that cross pages end where another starts`,
    ];
    // Autoplaced, the cleanmarker is the first of OOB; raw it leaves the bad-block mark its place.
    const auto = markers(bytes, offset, page, 0);
    const raw = auto === null ? markers(bytes, offset, page, freeStart(page, 'none')) : null;
    const marks = auto ?? raw ?? markers(bytes, offset, page, 8);
    if (marks !== null) evidence.push(marks.evidence);
    if (auto !== null) evidence.push('autoplaced OOB: cleanmarkers are the first of it');
    else evidence.push('its ECC is not the Hamming code of Linux; data are taken as they are');
    return {
      ...page,
      erasesize: marks?.erasesize ?? null,
      ecc: auto === null ? 'none' : 'hamming',
      layout: auto === null ? 'raw' : 'auto',
      evidence,
    };
  }
  return null;
}

function freeStart({ writesize, oobsize }: nand_page_size, ecc: nand_ecc_name): number {
  return nand_ooblayout_of(writesize, oobsize, nand_ecc_of(ecc))?.free[0] ?? 0;
}

/** Looks for cleanmarkers at `start` of the OOB of pages that may begin an erase block. */
function markers(
  bytes: ImageBytes,
  offset: number,
  { writesize, oobsize }: nand_page_size,
  start: number,
): { erasesize: number; evidence: string } | null {
  const recordBytes = writesize + oobsize;
  const buf = new Uint8Array(8);
  let distance = 0;
  let last = -1;
  let count = 0;
  for (let page = 0; ; page += PAGES_PER_BLOCK_MIN) {
    const at = offset + page * recordBytes + writesize + start;
    if (bytes.read(buf, 0, 8, at) < 8) break;
    if (!MARKERS.some((marker) => marker.every((byte, i) => buf[i] === byte))) continue;
    if (last >= 0 && (distance === 0 || page - last < distance)) distance = page - last;
    last = page;
    count++;
  }
  if (distance === 0) return null;
  const erasesize = distance * writesize;
  const evidence = `erase size ${erasesize / 1024} KiB: the distance of ${count} cleanmarkers in OOB`;
  return { erasesize, evidence };
}

/** Of the nodes that cross a page border (null: a kibibyte), how many have another one behind. */
function links(
  bytes: ImageBytes,
  from: number,
  page: nand_page_size | null,
): { checked: number; right: number } {
  const border = page?.writesize ?? 1024;
  const buf = new Uint8Array(Math.min(LOOK_BYTES, Math.max(0, bytes.sizeBytes - from)));
  const end = bytes.read(buf, 0, buf.length, from);
  let checked = 0;
  let right = 0;
  let endian: Endian | null = null;
  for (let at = 0; at + HEADER_SIZE <= end && checked < LINKS_ENOUGH; ) {
    const first = buf[at]!;
    if (first !== 0x85 && first !== 0x19) {
      at += 4;
      continue;
    }
    endian ??= [LITTLE_ENDIAN, BIG_ENDIAN].find((e) => nodeLength(e, buf, at) > 0) ?? null;
    const length = endian === null ? 0 : nodeLength(endian, buf, at);
    if (length === 0 || at + length + HEADER_SIZE > end) {
      at += 4;
      continue;
    }
    if (Math.floor(at / border) !== Math.floor((at + length - 1) / border)) {
      const next = at + length;
      const erased = buf[next] === 0xff;
      // A page that was padded, or the end of a block.
      const skipped = next % border === 0 || buf[next] === 0;
      if (!erased && !skipped) {
        checked++;
        if (nodeLength(endian!, buf, next) > 0) right++;
      }
    }
    at += length;
  }
  return { checked, right };
}

/**
 * Of what looks like NOR flash: whether it may be a dump of NAND without OOB. jffs2 pads what it
 * writes to whole pages there, and nowhere else, and puts no cleanmarkers among the data.
 * @returns a sentence, or null.
 */
export function jffs2_page_hint(bytes: ImageBytes, offset: number): string | null {
  const buf = new Uint8Array(Math.min(LOOK_BYTES, Math.max(0, bytes.sizeBytes - offset)));
  const end = bytes.read(buf, 0, buf.length, offset);
  let count = 0;
  let ends = 0;
  for (let at = 0; at + HEADER_SIZE <= end; ) {
    const first = buf[at]!;
    const endian = first === 0x85 ? LITTLE_ENDIAN : BIG_ENDIAN;
    if ((first !== 0x85 && first !== 0x19) || nodeLength(endian, buf, at) === 0) {
      at += 4;
      continue;
    }
    const type = endian.u16(buf, at + H_TYPE) | JFFS2_NODE_ACCURATE;
    if (type === JFFS2_NODETYPE_CLEANMARKER) return null;
    at += nodeLength(endian, buf, at);
    if (type !== JFFS2_NODETYPE_PADDING) continue;
    count++;
    ends |= at;
  }
  const page = ends & -ends;
  if (count < PADDINGS_MIN || page < 512) return null;
  const writesize = Math.min(page, 4096);
  return (
    `it may be a dump of NAND without OOB: ${count} padding nodes end at pages of ${writesize} ` +
    `bytes; writesize=${writesize} mounts it as NAND`
  );
}
