/** Small chips of every kind that jffs2 lives on: what tests run over as rows. */
import type { FlashBacking } from '../../src/mtd/backing.js';
import type { flash_chip } from '../../src/mtd/flash_chip.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { paged_chip, type paged_chip_kind } from '../../src/mtd/paged.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';

export interface Medium {
  readonly name: string;
  /** Of the chip; jffs2 may take several for one of its own. */
  readonly eraseBytes: number;
  readonly blocks: number;
  /** Bytes that an erase block takes in the backing, OOB included. */
  readonly recordBytes: number;
  /** Has jffs2 a write buffer on it, whose pages it recovers when they fail? */
  readonly recoversPages: boolean;
  chip(host: SimulatedHost, backing: FlashBacking): flash_chip;
}

function nor(eraseBytes: number, blocks: number): Medium {
  return {
    name: `NOR ${eraseBytes}`,
    eraseBytes,
    blocks,
    recordBytes: eraseBytes,
    recoversPages: false,
    chip: (host, backing) => new nor_chip(host, backing, { name: 'nor', erasesize: eraseBytes }),
  };
}

function nand(writesize: number, oobsize: number, eraseBytes: number, blocks: number): Medium {
  const options = { name: 'nand', erasesize: eraseBytes, writesize, oobsize };
  return {
    name: `NAND ${writesize}+${oobsize}, ${eraseBytes}`,
    eraseBytes,
    blocks,
    recordBytes: (eraseBytes / writesize) * (writesize + oobsize),
    recoversPages: true,
    chip: (host, backing) => new nand_chip(host, backing, options),
  };
}

function paged(
  kind: paged_chip_kind,
  writesize: number,
  eraseBytes: number,
  blocks: number,
): Medium {
  const options = { name: kind, kind, erasesize: eraseBytes, writesize };
  return {
    name: `${kind} ${writesize}, ${eraseBytes}`,
    eraseBytes,
    blocks,
    recordBytes: eraseBytes,
    recoversPages: true,
    chip: (host, backing) => new paged_chip(host, backing, options),
  };
}

/** By what a test names them. */
export const MEDIA = {
  nor: nor(4096, 16),
  nandSmall: nand(512, 16, 8192, 20),
  nandTiny: nand(256, 8, 4096, 16),
  nandLarge: nand(2048, 64, 16_384, 20),
  eccNor: paged('ecc-nor', 32, 4096, 16),
  dataflash528: paged('dataflash', 528, 528, 16 * 16),
  dataflash1056: paged('dataflash', 1056, 1056, 8 * 20),
  ubi: paged('ubi', 512, 8192, 16),
} as const satisfies Record<string, Medium>;

/** The smallest ones, for tests that mount them many thousand times. */
export const CUT_MEDIA = {
  nor: nor(4096, 12),
  nand: nand(512, 16, 4096, 14),
  nor2: nor(8192, 10),
  nandLarge: nand(2048, 64, 16_384, 12),
  eccNor: paged('ecc-nor', 32, 4096, 12),
  dataflash: paged('dataflash', 528, 528, 16 * 12),
} as const satisfies Record<string, Medium>;

export type CutMedium = keyof typeof CUT_MEDIA;

/** A blank one in memory. */
export function blankBacking(medium: Medium): RamBacking {
  return new RamBacking(medium.blocks * medium.recordBytes);
}
