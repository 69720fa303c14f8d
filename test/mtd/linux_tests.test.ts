/** Linux's tests of flash, by name, as rows over every kind of chip and where its cells are. */
import { CowBacking } from '../../src/mtd/cow_backing.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { MTD_NANDFLASH } from '../../src/mtd/mtd.js';
import { type mtd_ram_options, mtd_new_ram, mtd_open_image, new_chip } from '../../src/mtd/open.js';
import { paged_chip } from '../../src/mtd/paged.js';
import { mtd_partition } from '../../src/mtd/partition.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { LINUX_TESTS } from './linux_tests.js';
import { randomized } from './util.js';

const BLOCKS = 6;

interface row {
  readonly name: string;
  readonly nand: boolean;
  /** @param nop partial programs of a NAND page, where it matters. */
  make(nop?: number): mtd_info;
}

function inMemory(name: string, chip: mtd_ram_options & { erasesize: number }): row {
  return {
    name: `${name} in memory`,
    nand: chip.type === 'nand',
    make: (nop) =>
      mtd_new_ram(new SimulatedHost(), {
        ...chip,
        size: BLOCKS * chip.erasesize,
        ...(nop !== undefined && { nop }),
      }),
  };
}

const small = { type: 'nand', writesize: 512, oobsize: 16, erasesize: 8192 } as const;
const large = { type: 'nand', writesize: 2048, oobsize: 64, erasesize: 32768 } as const;

const rows: readonly row[] = [
  inMemory('NOR', { type: 'nor', erasesize: 8192 }),
  inMemory('RAM', { type: 'ram', erasesize: 8192 }),
  inMemory('NAND 512+16', small),
  inMemory('NAND 2048+64', large),
  inMemory('NAND 2048+128', { ...large, oobsize: 128 }),
  inMemory('NAND 4096+128', { ...large, writesize: 4096, oobsize: 128, erasesize: 65536 }),
  inMemory('NAND 512+16 with bad blocks', { ...small, nandsim: { badblocks: '1,4' } }),
  ...(
    [
      ['dataflash', 528, 528, 24],
      ['ecc-nor', 32, 8192, BLOCKS],
      ['ubi', 512, 8192, BLOCKS],
    ] as const
  ).map(([kind, writesize, erasesize, blocks]): row => {
    const options = { name: kind, kind, writesize, erasesize };
    const make = (): mtd_info =>
      new paged_chip(new SimulatedHost(), new RamBacking(blocks * erasesize), options);
    return { name: `${kind} in memory`, nand: false, make };
  }),
  {
    name: 'NOR in a file, two windows of it',
    nand: false,
    make: () => {
      const sizes = { size: BLOCKS * 8192, erasesize: 8192, windowBytes: 8192, cacheBytes: 0 };
      return mtd_open_image(new SimulatedHost(), 'nor', { ...sizes, create: true }).mtd;
    },
  },
  {
    name: 'NAND 512+16 in a file, two windows of it',
    nand: true,
    make: () => {
      const options = { ...small, size: BLOCKS * 8192, windowBytes: 8192, cacheBytes: 0 };
      return mtd_open_image(new SimulatedHost(), 'nand', { ...options, create: true }).mtd;
    },
  },
  {
    name: 'NAND 2048+64 in a dump without OOB',
    nand: true,
    make: () => {
      const options = { ...large, size: BLOCKS * large.erasesize, layout: 'data' } as const;
      return mtd_open_image(new SimulatedHost(), 'nand', { ...options, create: true }).mtd;
    },
  },
  {
    name: 'NAND 512+16 on a fork, in a partition',
    nand: true,
    make: () => {
      const blockBytes = 16 * 528;
      const cells = new CowBacking(new RamBacking((BLOCKS + 2) * blockBytes), blockBytes).fork();
      const description = { kind: 'nand', name: 'fork', size: 0, ...small } as const;
      const master = new_chip(new SimulatedHost(), cells, description, {});
      const part = { name: 'part', offset: small.erasesize, size: BLOCKS * small.erasesize };
      return new mtd_partition(master, part);
    },
  },
];

for (const row of rows) {
  describe(`Linux's flash tests: ${row.name}`, () => {
    for (const test of LINUX_TESTS) {
      if (test.nandOnly && !row.nand) continue;
      // Only chips in memory can be told to let a page be programmed so often.
      if (test.overProgram && !row.name.endsWith('in memory')) continue;
      randomized(test.name, 1, (random) => {
        const mtd = row.make(test.overProgram ? Number.POSITIVE_INFINITY : undefined);
        if ((mtd.type === MTD_NANDFLASH) !== row.nand) throw new Error('a row of another kind');
        test.run(mtd, random);
        mtd.close();
      });
    }
  });
}
