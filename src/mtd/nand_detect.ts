/**
 * Looks at a dump and says whether it holds NAND pages with their OOB, and of which size: by the
 * ECC in OOB, which is right on nearly every page for the right size, and on none for any other.
 * Knows nothing of what is on the flash.
 */
import { hamming_ecc } from './nand_ecc.js';
import { is_erased } from './nand_layout.js';
import { type nand_ooblayout, nand_ooblayout_of } from './nand_oob.js';

/** Random access to the bytes of a file or device. */
export interface dump_bytes {
  readonly sizeBytes: number;
  /** Reads `length` bytes at `position`; answers how many there were. */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number;
}

export interface nand_page_size {
  readonly writesize: number;
  readonly oobsize: number;
}

/** The usual ones, most usual first. */
export const NAND_PAGE_SIZES: readonly nand_page_size[] = [
  { writesize: 2048, oobsize: 64 },
  { writesize: 512, oobsize: 16 },
  { writesize: 4096, oobsize: 128 },
  { writesize: 4096, oobsize: 224 },
  { writesize: 4096, oobsize: 256 },
  { writesize: 2048, oobsize: 128 },
  { writesize: 256, oobsize: 8 },
];

/** In bytes: flash without OOB is a whole number of these, unless it was cut. */
const ROUND_BYTES = 64 * 1024;

/**
 * The page sizes that a file of so many bytes may be dumped with, OOB included. A round length that
 * is no whole number of such pages is that of flash without OOB; any other may have been cut.
 */
export const nand_page_sizes_of = (dumpBytes: number): readonly nand_page_size[] =>
  NAND_PAGE_SIZES.filter(
    ({ writesize, oobsize }) =>
      dumpBytes % ROUND_BYTES !== 0 || dumpBytes % (writesize + oobsize) === 0,
  );

export interface nand_ecc_evidence extends nand_page_size {
  /** Programmed pages that were looked at, and how many of them have the right ECC. */
  readonly checked: number;
  readonly right: number;
}

/** So many programmed pages settle it. */
const PAGES_ENOUGH = 32;
/** A block has at least so many; its first one is programmed first. */
const PAGES_PER_BLOCK_MIN = 16;

/** @returns null when no page size fits: no OOB, an ECC that is not Hamming's, or a blank dump. */
export function nand_detect_ecc(bytes: dump_bytes, offset = 0): nand_ecc_evidence | null {
  for (const { writesize, oobsize } of nand_page_sizes_of(bytes.sizeBytes - offset)) {
    const layout = nand_ooblayout_of(writesize, oobsize, hamming_ecc);
    if (layout === null) continue;
    const found = check_pages(bytes, offset, writesize, oobsize, layout);
    // Damaged and foreign pages are allowed, and a good one is not had by chance.
    if (found.right > 0 && found.right * 4 >= found.checked * 3) return found;
  }
  return null;
}

function check_pages(
  bytes: dump_bytes,
  offset: number,
  writesize: number,
  oobsize: number,
  layout: nand_ooblayout,
): nand_ecc_evidence {
  const record = new Uint8Array(writesize + oobsize);
  let checked = 0;
  let right = 0;
  for (let block = offset; checked < PAGES_ENOUGH; block += PAGES_PER_BLOCK_MIN * record.length) {
    if (block + record.length > bytes.sizeBytes) break;
    // Behind an erased page, pages of the same block are erased, too.
    for (let page = 0; page < PAGES_PER_BLOCK_MIN && checked < PAGES_ENOUGH; page++) {
      const at = block + page * record.length;
      if (bytes.read(record, 0, record.length, at) < record.length) break;
      if (is_erased(record, writesize)) break;
      const steps = steps_right(record, writesize, layout);
      if (steps === null) continue;
      checked++;
      if (steps) right++;
    }
  }
  return { writesize, oobsize, checked, right };
}

const code = new Uint8Array(3);

/** @returns null when the page says nothing: its ECC is that of an erased one. */
function steps_right(
  record: Uint8Array,
  writesize: number,
  layout: nand_ooblayout,
): boolean | null {
  let told = false;
  for (let step = 0; step * hamming_ecc.stepBytes < writesize; step++) {
    hamming_ecc.calculate(record, step * hamming_ecc.stepBytes, code, 0);
    const stored = layout.ecc.slice(step * 3, step * 3 + 3).map((i) => record[writesize + i]!);
    if (stored.some((byte, i) => byte !== code[i])) return false;
    if (stored.some((byte) => byte !== 0xff)) told = true;
  }
  return told ? true : null;
}

/** The data of a dump whose pages are followed by OOB. */
export function without_oob(bytes: dump_bytes, page: nand_page_size, offset = 0): dump_bytes {
  const { writesize, oobsize } = page;
  const recordBytes = writesize + oobsize;
  const whole = Math.floor((bytes.sizeBytes - offset) / recordBytes);
  const rest = Math.min(writesize, bytes.sizeBytes - offset - whole * recordBytes);
  const sizeBytes = whole * writesize + Math.max(0, rest);
  const scratch = new Uint8Array(Math.max(1, Math.floor((1 << 16) / recordBytes)) * recordBytes);
  return {
    sizeBytes,
    read(buffer, bufferOffset, length, position) {
      const end = Math.min(sizeBytes, position + length);
      let done = 0;
      while (position + done < end) {
        const page = Math.floor((position + done) / writesize);
        const pages = Math.min(scratch.length / recordBytes, Math.ceil(end / writesize) - page);
        const got = bytes.read(scratch, 0, pages * recordBytes, offset + page * recordBytes);
        for (let n = 0; n < pages && position + done < end; n++) {
          const column = position + done - (page + n) * writesize;
          const piece = Math.min(writesize - column, end - position - done);
          const start = n * recordBytes + column;
          if (start + piece > got) return done;
          buffer.set(scratch.subarray(start, start + piece), bufferOffset + done);
          done += piece;
        }
      }
      return done;
    },
  };
}
