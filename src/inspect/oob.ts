/**
 * Dumps of NAND: pages with their OOB taken apart, what the ECC can correct corrected, marks of bad
 * blocks and cleanmarkers read; and the way back, pages with OOB made from data.
 *
 * Which dump it is, is detected (src/jffs2/detect_nand.ts) or told. The code is Linux's software
 * Hamming; of pages under another ECC the data are taken as they are.
 */
import { jffs2_detect_nand } from '../jffs2/detect_nand.js';
import type { Endian } from '../jffs2/medium.js';
import { JFFS2_MAGIC_BITMASK, JFFS2_NODETYPE_CLEANMARKER } from '../jffs2/medium.js';
import {
  ECC_UNCORRECTABLE,
  nand_ecc_of,
  type nand_ecc,
  type nand_ecc_name,
} from '../mtd/nand_ecc.js';
import { add_page_ecc, is_erased, type nand_dump_layout } from '../mtd/nand_layout.js';
import { nand_ooblayout_of, type nand_ooblayout } from '../mtd/nand_oob.js';

/** Bytes. */
export interface NandPage {
  readonly writesize: number;
  readonly oobsize: number;
  readonly ecc: nand_ecc_name;
  /** `raw`: as on the chip. `auto`: OOB holds its free bytes in a row. */
  readonly layout: Exclude<nand_dump_layout, 'data'>;
}

/** Told, instead of detected. */
export type NandOption = Partial<NandPage> & Pick<NandPage, 'writesize' | 'oobsize'>;

/** A dump of NAND pages with OOB, taken apart. */
export interface NandDump extends NandPage {
  /** The pages' data in a row, corrected. */
  readonly data: Uint8Array;
  /** Bytes of an erase block's data; null: no cleanmarker in OOB tells. */
  readonly erasesize: number | null;
  readonly pages: number;
  readonly programmedPages: number;
  /** Wrong bits that were corrected, and the pages (from 0) that cannot be. */
  readonly correctedBits: number;
  readonly uncorrectablePages: readonly number[];
  /** A byte a page: 1 where bits were wrong, whether or not they could be corrected. */
  readonly pageHasWrongBits: Uint8Array;
  readonly evidence: readonly string[];
  /** Bytes behind the last whole page. */
  readonly restBytes: number;
}

/** Pages that cannot be corrected are listed up to here; a dump under another ECC is full of them. */
const LISTED_MAX = 10_000;

/** @returns null when nothing speaks for a NAND dump with OOB. */
export function readNand(
  file: Uint8Array,
  offset: number,
  told: NandOption | undefined,
): NandDump | null {
  const found = told === undefined ? jffs2_detect_nand(imageBytes(file), offset) : null;
  if (told === undefined && found === null) return null;
  const { writesize, oobsize } = (told ?? found)!;
  const ecc = told?.ecc ?? found?.ecc ?? 'hamming';
  const layoutName = told?.layout ?? (found?.layout === 'auto' ? 'auto' : 'raw');
  const evidence = found?.evidence ?? [`NAND, pages of ${writesize}+${oobsize} bytes: given`];
  const page = { writesize, oobsize, ecc, layout: layoutName } as const;
  const recordBytes = writesize + oobsize;
  const pages = Math.floor((file.length - offset) / recordBytes);
  const data = new Uint8Array(pages * writesize);
  const code = layoutName === 'raw' ? nand_ecc_of(ecc) : null;
  const layout = nand_ooblayout_of(writesize, oobsize, code);
  let programmedPages = 0;
  let correctedBits = 0;
  const uncorrectablePages: number[] = [];
  const pageHasWrongBits = new Uint8Array(pages);
  for (let n = 0; n < pages; n++) {
    const at = offset + n * recordBytes;
    const part = file.subarray(at, at + writesize);
    data.set(part, n * writesize);
    if (is_erased(part, writesize)) continue;
    programmedPages++;
    if (code === null || layout === null) continue;
    const bits = correctPage(data, n * writesize, file, at + writesize, code, layout, writesize);
    if (bits !== 0) pageHasWrongBits[n] = 1;
    if (bits !== ECC_UNCORRECTABLE) correctedBits += bits;
    else if (uncorrectablePages.length < LISTED_MAX) uncorrectablePages.push(n);
  }
  return {
    ...page,
    data,
    erasesize: found?.erasesize ?? null,
    pages,
    programmedPages,
    correctedBits,
    uncorrectablePages,
    pageHasWrongBits,
    evidence,
    restBytes: file.length - offset - pages * recordBytes,
  };
}

/** @returns bits corrected, or ECC_UNCORRECTABLE. */
function correctPage(
  data: Uint8Array,
  dataAt: number,
  file: Uint8Array,
  oobAt: number,
  code: nand_ecc,
  layout: nand_ooblayout,
  writesize: number,
): number {
  const stored = Uint8Array.from(layout.ecc, (i) => file[oobAt + i]!);
  // Written without ECC, as markers are.
  if (is_erased(stored, stored.length)) return 0;
  let bits = 0;
  for (let step = 0; step * code.stepBytes < writesize; step++) {
    const at = dataAt + step * code.stepBytes;
    const wrong = code.correct(data, at, stored, step * code.eccBytes);
    if (wrong === ECC_UNCORRECTABLE) return ECC_UNCORRECTABLE;
    bits += wrong;
  }
  return bits;
}

/** What the OOB of an erase block tells. */
export interface OobBlock {
  readonly block: number;
  /** Marked by the maker or by a driver. */
  readonly isBad: boolean;
  readonly hasCleanmarker: boolean;
}

/** What the OOB of each erase block's first pages says. */
export function oobBlocks(
  file: Uint8Array,
  offset: number,
  dump: NandDump,
  erasesize: number,
): OobBlock[] {
  const { writesize, oobsize, pages } = dump;
  const recordBytes = writesize + oobsize;
  const perBlock = erasesize / writesize;
  const layout = nand_ooblayout_of(
    writesize,
    oobsize,
    dump.layout === 'raw' ? nand_ecc_of(dump.ecc) : null,
  );
  const found: OobBlock[] = [];
  for (let block = 0; block * perBlock < pages; block++) {
    const at = offset + block * perBlock * recordBytes + writesize;
    const oob = file.subarray(at, at + oobsize);
    const free = dump.layout === 'auto' ? 0 : (layout?.free[0] ?? 0);
    const word = (i: number): number => oob[free + i]!;
    const little = word(0) === 0x85 && word(1) === 0x19 && word(2) === 0x03 && word(3) === 0x20;
    const big = word(0) === 0x19 && word(1) === 0x85 && word(2) === 0x20 && word(3) === 0x03;
    const marker = layout?.badblockpos ?? 0;
    // Autoplaced OOB has no place for the mark.
    const isBad = dump.layout === 'raw' && oob[marker] !== 0xff;
    found.push({ block, isBad, hasCleanmarker: little || big });
  }
  return found;
}

/** Data as the raw pages of a chip: ECC computed, a cleanmarker in every erase block's OOB. */
export function withOob(
  data: Uint8Array,
  { writesize, oobsize, ecc = 'hamming' }: NandOption,
  erasesize: number,
  endian: Endian,
): Uint8Array {
  const code = nand_ecc_of(ecc);
  const layout = nand_ooblayout_of(writesize, oobsize, code);
  if (layout === null) {
    throw new RangeError(`Linux has no ${ecc} layout for pages of ${writesize}+${oobsize} bytes`);
  }
  const pages = Math.ceil(data.length / writesize);
  const recordBytes = writesize + oobsize;
  const file = new Uint8Array(pages * recordBytes).fill(0xff);
  const marker = new Uint8Array(8);
  endian.put16(marker, 0, JFFS2_MAGIC_BITMASK);
  endian.put16(marker, 2, JFFS2_NODETYPE_CLEANMARKER);
  endian.put32(marker, 4, marker.length);
  for (let n = 0; n < pages; n++) {
    const record = file.subarray(n * recordBytes, (n + 1) * recordBytes);
    record.set(data.subarray(n * writesize, (n + 1) * writesize));
    add_page_ecc(record, writesize, code, layout);
    if ((n * writesize) % erasesize !== 0) continue;
    layout.free.slice(0, marker.length).forEach((place, i) => {
      record[writesize + place] = marker[i]!;
    });
  }
  return file;
}

function imageBytes(file: Uint8Array): Parameters<typeof jffs2_detect_nand>[0] {
  return {
    sizeBytes: file.length,
    read(buffer, bufferOffset, length, position): number {
      const part = file.subarray(position, Math.min(file.length, position + length));
      buffer.set(part, bufferOffset);
      return part.length;
    },
  };
}
