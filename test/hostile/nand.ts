/**
 * Hostile NAND: the same lies in the data, with ECC that is right for them (or not), and lies in
 * the OOB: markers of erased and of bad blocks, ECC, bits that flipped.
 */
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { hamming_ecc } from '../../src/mtd/nand_ecc.js';
import { nand_ooblayout_of, type nand_ooblayout } from '../../src/mtd/nand_oob.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import type { Prng } from '../../src/rumpuser/prng.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { type Base, BLOCKS, ERASE_BYTES, written } from './bases.js';

interface Pages {
  readonly page: number;
  readonly oob: number;
}

/** A good image of a NAND chip. `bytes` is its data, as the mutator knows it. */
export interface NandBase extends Base {
  readonly pages: Pages;
  /** Pages, each with its OOB. */
  readonly cells: Uint8Array;
}

export function nandChip({ page, oob }: Pages, host: SimulatedHost, cells: Uint8Array): mtd_info {
  const options = { name: 'nand', erasesize: ERASE_BYTES, writesize: page, oobsize: oob };
  return new nand_chip(host, new RamBacking(cells), options);
}

function dataOf({ page, oob }: Pages, cells: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((cells.length / (page + oob)) * page);
  for (let n = 0; n * page < bytes.length; n++) {
    const at = n * (page + oob);
    bytes.set(cells.subarray(at, at + page), n * page);
  }
  return bytes;
}

function base(
  pages: Pages,
  order: 'little' | 'big',
  options: string,
  seed: number,
  full = false,
): NandBase {
  const size = ((BLOCKS * ERASE_BYTES) / pages.page) * (pages.page + pages.oob);
  const cells = new Uint8Array(size).fill(0xff);
  const { name } = written(order, options, seed, full, (host) => nandChip(pages, host, cells));
  const on = `${name}, NAND ${pages.page}+${pages.oob}`;
  return { name: on, order, bytes: dataOf(pages, cells), pages, cells };
}

let cached: NandBase[] | null = null;

export function nandBases(): readonly NandBase[] {
  const small = { page: 512, oob: 16 };
  const large = { page: 2048, oob: 64 };
  cached ??= [
    base(small, 'little', '', 11),
    base(small, 'big', 'nosummary', 12),
    base(small, 'little', 'compr=none', 13, true),
    base(large, 'little', '', 14),
    base(large, 'big', '', 15, true),
    base({ page: 256, oob: 8 }, 'little', '', 16),
  ];
  return cached;
}

/** The cells of a chip whose data was spoilt to `bytes`. */
export function spoiltCells(
  { pages, cells, bytes: good }: NandBase,
  bytes: Uint8Array,
  prng: Prng,
): Uint8Array {
  const { page, oob } = pages;
  const layout = nand_ooblayout_of(page, oob, hamming_ecc)!;
  const spoilt = cells.slice();
  for (let n = 0; n * page < bytes.length; n++) {
    const data = bytes.subarray(n * page, (n + 1) * page);
    if (data.every((byte, at) => byte === good[n * page + at])) continue;
    const at = n * (page + oob);
    spoilt.set(data, at);
    if (prng.below(8) > 0) seal(layout, spoilt, at, page);
  }
  for (let n = prng.below(2) === 0 ? 0 : 1 + prng.below(4); n > 0; n--) {
    spoilOob(pages, layout, spoilt, prng);
  }
  return spoilt;
}

function seal(layout: nand_ooblayout, cells: Uint8Array, at: number, page: number): void {
  const { stepBytes, eccBytes } = hamming_ecc;
  const code = new Uint8Array(eccBytes);
  for (let step = 0; step < page / stepBytes; step++) {
    hamming_ecc.calculate(cells, at + step * stepBytes, code, 0);
    code.forEach((byte, n) => {
      cells[at + page + layout.ecc[step * eccBytes + n]!] = byte;
    });
  }
}

function spoilOob(
  { page, oob }: Pages,
  { badblockpos, free }: nand_ooblayout,
  cells: Uint8Array,
  prng: Prng,
): void {
  const record = page + oob;
  const perBlock = ERASE_BYTES / page;
  const any = prng.below(cells.length / record) * record;
  const first = prng.below(BLOCKS) * perBlock * record;
  switch (prng.below(8)) {
    case 0:
      cells[first + page + badblockpos] = prng.below(3) === 0 ? 0xfe : 0;
      break;
    case 1:
      // No marker.
      cells.fill(0xff, first + page, first + record);
      break;
    case 2: {
      // A marker, wherever it lies.
      const to = prng.below(2) === 0 ? first : any;
      for (const position of free) cells[to + page + position] = cells[page + position]!;
      break;
    }
    case 3:
      cells[any + page + prng.below(oob)] = prng.u32();
      break;
    case 4: {
      // One flipped bit is corrected, two of a step are not.
      for (let n = 1 + prng.below(3); n > 0; n--) {
        cells[any + prng.below(record)]! ^= 1 << prng.below(8);
      }
      break;
    }
    case 5:
      // The page is blank.
      cells.fill(0xff, any, any + record);
      break;
    case 6:
      // A page of the block stands in place of the next.
      cells.copyWithin(any, first, first + record);
      break;
    default:
      // Blank but for a bit.
      cells.fill(0xff, any, any + record);
      cells[any + prng.below(record)]! ^= 1 << prng.below(8);
  }
}
