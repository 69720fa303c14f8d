/** NAND chips by themselves: pages, OOB, ECC, bad blocks, and the rules that panic. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import {
  MTD_OPS_AUTO_OOB,
  MTD_OPS_PLACE_OOB,
  MTD_OPS_RAW,
  type mtd_info,
  type mtd_oob_ops,
} from '../../src/mtd/mtd.js';
import { nand_chip } from '../../src/mtd/nand.js';
import type { nandsim_parameters } from '../../src/mtd/nandsim.js';
import { hamming_ecc } from '../../src/mtd/nand_ecc.js';
import { nand_decode_id } from '../../src/mtd/nand_ids.js';
import { mtd_new_ram, mtd_open_image } from '../../src/mtd/open.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { projectRoot } from '../images/project.js';
import { errnoOf, randomized, sameBytes } from './util.js';

interface geometry {
  readonly writesize: number;
  readonly oobsize: number;
  readonly erasesize: number;
  readonly oobavail: number;
  readonly subpage: number;
}

const SMALL: geometry = { writesize: 512, oobsize: 16, erasesize: 4096, oobavail: 8, subpage: 256 };
const LARGE: geometry = {
  writesize: 2048,
  oobsize: 64,
  erasesize: 16384,
  oobavail: 38,
  subpage: 512,
};
const HUGE: geometry = {
  writesize: 4096,
  oobsize: 128,
  erasesize: 32768,
  oobavail: 78,
  subpage: 1024,
};
const BLOCKS = 6;

const ops = (mode: number, request: Partial<mtd_oob_ops>): mtd_oob_ops => ({
  mode,
  datbuf: null,
  oobbuf: null,
  len: request.datbuf?.length ?? 0,
  ooblen: request.oobbuf?.length ?? 0,
  ooboffs: 0,
  retlen: 0,
  oobretlen: 0,
  ...request,
});

interface fixture {
  readonly mtd: nand_chip;
  /** Pages with their OOB. */
  readonly cells: Uint8Array;
}

function fresh({ writesize, oobsize, erasesize }: geometry, more = {}): fixture {
  const pages = (BLOCKS * erasesize) / writesize;
  const backing = new RamBacking(pages * (writesize + oobsize));
  const options = { name: 'nand', erasesize, writesize, oobsize, ...more };
  const mtd = new nand_chip(new SimulatedHost(), backing, options);
  return { mtd, cells: backing.bytes };
}

const erase = (mtd: mtd_info, eb: number): void =>
  mtd.erase({ addr: eb * mtd.erasesize, len: mtd.erasesize, fail_addr: 0 });

function readAt(mtd: mtd_info, from: number, len: number): Uint8Array {
  const buf = new Uint8Array(len);
  mtd.read(from, len, buf, 0);
  return buf;
}

for (const geometry of [SMALL, LARGE, HUGE]) {
  const { writesize, oobsize, erasesize, oobavail, subpage } = geometry;
  describe(`NAND chip, pages of ${writesize}+${oobsize}`, () => {
    it('tells its geometry', () => {
      const { mtd } = fresh(geometry);
      expect([mtd.size, mtd.erasesize, mtd.writesize]).to.deep.equal([
        BLOCKS * erasesize,
        erasesize,
        writesize,
      ]);
      expect([mtd.oobsize, mtd.oobavail]).to.deep.equal([oobsize, oobavail]);
      expect(mtd.writesize >> mtd.subpage_sft).to.equal(subpage);
      expect([mtd.ecc_step_size, mtd.ecc_strength, mtd.bitflip_threshold]).to.deep.equal([
        256, 1, 1,
      ]);
      expect([mtd.type, mtd.flags]).to.deep.equal([4, 0x400]);
      expect(mtd.point(0, 1, { buf: new Uint8Array(1), off: 0 })).to.equal(false);
    });

    randomized('agrees with an array, page after page', 4, (random) => {
      const { mtd } = fresh(geometry);
      const model = new Uint8Array(mtd.size).fill(0xff);
      const free = new Int32Array(BLOCKS);
      for (let step = 0; step < 120; step++) {
        const eb = random.below(BLOCKS);
        const at = eb * erasesize + free[eb]!;
        if (random.below(12) === 0 || free[eb] === erasesize) {
          erase(mtd, eb);
          free[eb] = 0;
          model.fill(0xff, eb * erasesize, (eb + 1) * erasesize);
        } else {
          const unit = random.pick([subpage, writesize, 2 * writesize]);
          const len = Math.min(unit, erasesize - free[eb]!);
          const data = random.bytes(len + 3);
          expect(mtd.write(at, len, data, 3)).to.equal(len);
          model.set(data.subarray(3), at);
          free[eb]! += len;
        }
        const from = random.below(mtd.size);
        const len = 1 + random.below(Math.min(3 * writesize, mtd.size - from));
        expect(sameBytes(readAt(mtd, from, len), model.subarray(from, from + len))).to.equal(true);
      }
      expect(mtd.ecc_stats).to.deep.include({ corrected: 0, failed: 0 });
    });

    it('corrects one wrong bit of a step wherever it is, and counts it', () => {
      const { mtd, cells } = fresh(geometry);
      const data = Uint8Array.from({ length: writesize }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      mtd.write(0, writesize, data, 0);
      const buf = new Uint8Array(writesize);
      let corrected = 0;
      for (let bit = 0; bit < writesize * 8; bit += writesize > 512 ? 13 : 1) {
        corrected++;
        cells[bit >> 3]! ^= 1 << (bit & 7);
        expect(
          errnoOf(() => mtd.read(0, writesize, buf, 0)),
          `bit ${bit}`,
        ).to.equal('EUCLEAN');
        expect(sameBytes(buf, data), `bit ${bit}`).to.equal(true);
        cells[bit >> 3]! ^= 1 << (bit & 7);
      }
      expect(mtd.ecc_stats).to.deep.include({ corrected, failed: 0 });
    });

    it('corrects a wrong bit of the ECC itself', () => {
      const { mtd, cells } = fresh(geometry);
      mtd.write(0, writesize, new Uint8Array(writesize).fill(0x5a), 0);
      const buf = new Uint8Array(writesize);
      let corrected = 0;
      for (let bit = 0; bit < oobsize * 8; bit++) {
        cells[writesize + (bit >> 3)]! ^= 1 << (bit & 7);
        if (errnoOf(() => mtd.read(0, writesize, buf, 0)) === 'EUCLEAN') corrected++;
        expect(buf.every((byte) => byte === 0x5a)).to.equal(true);
        cells[writesize + (bit >> 3)]! ^= 1 << (bit & 7);
      }
      expect(corrected).to.equal((writesize / 256) * 24);
    });

    it('reports two wrong bits of a step, and gives the raw bytes', () => {
      const { mtd, cells } = fresh(geometry);
      mtd.write(0, writesize, new Uint8Array(writesize).fill(0xa5), 0);
      cells[100]! ^= 0x10;
      cells[200]! ^= 0x02;
      cells[300]! ^= 0x01;
      const buf = new Uint8Array(writesize);
      expect(errnoOf(() => mtd.read(0, writesize, buf, 0))).to.equal('EBADMSG');
      expect([buf[100], buf[200], buf[300]]).to.deep.equal([0xb5, 0xa7, 0xa5]);
      expect(mtd.ecc_stats).to.deep.include({ corrected: 1, failed: 1 });
      expect(errnoOf(() => mtd.read(256, 256, buf, 0))).to.equal('EUCLEAN');
    });

    it('keeps OOB bytes beside data: the free ones in a row, or as they lie', () => {
      const { mtd, cells } = fresh(geometry);
      const marker = Uint8Array.of(0x85, 0x19, 3, 0x20, 8, 0, 0, 0);
      mtd.write_oob(0, ops(MTD_OPS_AUTO_OOB, { oobbuf: marker }));
      const data = new Uint8Array(writesize).fill(0x11);
      mtd.write(0, writesize, data, 0);
      const start = writesize === 512 ? 8 : 2;
      const raw = cells.subarray(writesize, writesize + oobsize);
      expect([...raw.subarray(start, start + 8)]).to.deep.equal([...marker]);
      const read = ops(MTD_OPS_AUTO_OOB, {
        datbuf: new Uint8Array(writesize),
        oobbuf: new Uint8Array(8),
      });
      mtd.read_oob(0, read);
      expect([...read.oobbuf!]).to.deep.equal([...marker]);
      expect([read.retlen, read.oobretlen]).to.deep.equal([writesize, 8]);
      expect(sameBytes(read.datbuf!, data)).to.equal(true);
      const place = ops(MTD_OPS_PLACE_OOB, { oobbuf: new Uint8Array(oobsize) });
      mtd.read_oob(0, place);
      expect(sameBytes(place.oobbuf!, raw)).to.equal(true);
    });

    it('goes on with OOB over pages, and refuses what does not fit', () => {
      const { mtd } = fresh(geometry);
      const two = Uint8Array.from({ length: 2 * oobavail }, (_, i) => i + 1);
      mtd.write_oob(erasesize, ops(MTD_OPS_AUTO_OOB, { oobbuf: two }));
      const back = ops(MTD_OPS_AUTO_OOB, { oobbuf: new Uint8Array(2 * oobavail) });
      mtd.read_oob(erasesize, back);
      expect(sameBytes(back.oobbuf!, two)).to.equal(true);
      for (const [from, request] of [
        [0, { oobbuf: two, ooboffs: oobavail }],
        [0, { oobbuf: two, ooboffs: -1 }],
        [mtd.size - writesize, { oobbuf: two }],
        [mtd.size, { oobbuf: two.subarray(0, 1) }],
      ] as const) {
        expect(errnoOf(() => mtd.read_oob(from, ops(MTD_OPS_AUTO_OOB, request)))).to.equal(
          'EINVAL',
        );
      }
      expect(mtd.wear.programCount[1]).to.equal(2);
    });

    it('writes raw without ECC, and reads raw without it', () => {
      const { mtd, cells } = fresh(geometry);
      // Of an even block of equal bytes the ECC would be that of erased flash.
      const datbuf = new Uint8Array(writesize).fill(0x77);
      datbuf.set([1, 2, 3], 9);
      mtd.write_oob(0, ops(MTD_OPS_RAW, { datbuf }));
      expect(cells.subarray(writesize, writesize + oobsize).every((b) => b === 0xff)).to.equal(
        true,
      );
      const raw = ops(MTD_OPS_RAW, { datbuf: new Uint8Array(writesize) });
      mtd.read_oob(0, raw);
      expect(sameBytes(raw.datbuf!, datbuf)).to.equal(true);
      expect(errnoOf(() => readAt(mtd, 0, writesize))).to.equal('EBADMSG');
    });

    it('panics when pages are not programmed in order', () => {
      const { mtd } = fresh(geometry);
      const page = new Uint8Array(writesize);
      mtd.write(2 * writesize, writesize, page, 0);
      expect(() => mtd.write(writesize, writesize, page, 0)).to.throw(
        KernelPanic,
        'nand: page 1 of erase block 0 is programmed after page 2',
      );
      mtd.write(erasesize, writesize, page, 0);
      erase(mtd, 0);
      mtd.write(writesize, writesize, page, 0);
    });

    it('panics at 0 -> 1, and at one program too many', () => {
      const { mtd } = fresh(geometry, { nop: 2 });
      const page = new Uint8Array(writesize).fill(0xff);
      page[5] = 0xf0;
      mtd.write(0, writesize, page, 0);
      expect(() => mtd.write(0, writesize, new Uint8Array(writesize).fill(0xff), 0)).to.throw(
        KernelPanic,
        'would set bits at byte 5: f0 -> ff',
      );
      mtd.write_oob(0, ops(MTD_OPS_AUTO_OOB, { oobbuf: Uint8Array.of(1) }));
      const again = ops(MTD_OPS_AUTO_OOB, { oobbuf: Uint8Array.of(0) });
      expect(() => mtd.write_oob(0, again)).to.throw(KernelPanic, 'more than 2 times');
    });

    it('refuses writes of parts of subpages', () => {
      const { mtd } = fresh(geometry);
      const page = new Uint8Array(writesize);
      for (const [to, len] of [
        [1, writesize],
        [0, subpage - 1],
        [subpage / 2, subpage],
      ]) {
        expect(errnoOf(() => mtd.write(to!, len!, page, 0))).to.equal('EINVAL');
      }
      expect(mtd.wear.programCount[0]).to.equal(0);
    });

    it('marks blocks bad, and finds the marks again', () => {
      const { mtd, cells } = fresh(geometry);
      mtd.write(2 * erasesize, writesize, new Uint8Array(writesize), 0);
      mtd.block_markbad(2 * erasesize + 5);
      mtd.block_markbad(2 * erasesize);
      expect(mtd.ecc_stats.badblocks).to.equal(1);
      expect(mtd.block_isbad(3 * erasesize - 1)).to.equal(true);
      expect(mtd.block_isbad(3 * erasesize)).to.equal(false);
      const instr = { addr: erasesize, len: 2 * erasesize, fail_addr: 0 };
      expect(errnoOf(() => mtd.erase(instr))).to.equal('EIO');
      expect(instr.fail_addr).to.equal(2 * erasesize);
      const page = new Uint8Array(writesize);
      expect(errnoOf(() => mtd.write(2 * erasesize, writesize, page, 0))).to.equal('EIO');
      const options = { name: 'again', erasesize, writesize, oobsize };
      const again = new nand_chip(new SimulatedHost(), new RamBacking(cells.slice()), options);
      expect([1, 2, 3].map((eb) => again.block_isbad(eb * erasesize))).to.deep.equal([
        false,
        true,
        false,
      ]);
    });

    it('knows of an image what may still be programmed', () => {
      const { mtd, cells } = fresh(geometry);
      mtd.write(3 * writesize, writesize, new Uint8Array(writesize), 0);
      const options = { name: 'again', erasesize, writesize, oobsize };
      const base = new CowBacking(new RamBacking(cells), cells.length / BLOCKS);
      const again = new nand_chip(new SimulatedHost(), base.fork(), options);
      const page = new Uint8Array(writesize);
      expect(() => again.write(writesize, writesize, page, 0)).to.throw(KernelPanic);
      expect(() => again.write(3 * writesize, writesize, page.fill(1), 0)).to.throw(KernelPanic);
      again.write(4 * writesize, writesize, page, 0);
    });
  });
}

describe('Hamming ECC', () => {
  randomized('is the same at every alignment', 20, (random) => {
    const codes = new Uint8Array(5 * 3);
    const step = random.bytes(256);
    for (let shift = 0; shift < 5; shift++) {
      const data = new Uint8Array(300);
      data.set(step, 7 + shift);
      hamming_ecc.calculate(data, 7 + shift, codes, 3 * shift);
      expect([...codes.subarray(3 * shift, 3 * shift + 3)]).to.deep.equal([
        ...codes.subarray(0, 3),
      ]);
    }
  });
});

describe("NAND with nandsim's faults", () => {
  const { writesize, oobsize, erasesize } = SMALL;
  const pages = { type: 'nand', erasesize, writesize, oobsize } as const;
  const chip = (nandsim: nandsim_parameters): mtd_info =>
    mtd_new_ram(new SimulatedHost(), { ...pages, size: BLOCKS * erasesize, nandsim });
  const page = new Uint8Array(writesize).fill(0x0f);

  it('weak blocks are erased so often, and then say that it failed', () => {
    const mtd = chip({ weakblocks: '1,2:1' });
    for (let n = 0; n < 3; n++) erase(mtd, 1);
    erase(mtd, 2);
    mtd.write(2 * erasesize, writesize, page, 0);
    const instr = { addr: 2 * erasesize, len: erasesize, fail_addr: 0 };
    expect(errnoOf(() => mtd.erase(instr))).to.equal('EIO');
    expect(instr.fail_addr).to.equal(2 * erasesize);
    expect(readAt(mtd, 2 * erasesize, 1)[0]).to.equal(0xff);
    expect(errnoOf(() => erase(mtd, 1))).to.equal('EIO');
    expect(mtd.wear.eraseCount[1]).to.equal(4);
    mtd.block_markbad(erasesize);
    expect(mtd.block_isbad(erasesize)).to.equal(true);
  });

  it('weak pages are programmed so often, and then say that it failed', () => {
    const mtd = chip({ weakpages: '8:1' });
    mtd.write(erasesize, writesize, page, 0);
    erase(mtd, 1);
    expect(errnoOf(() => mtd.write(erasesize, 2 * writesize, page, 0))).to.equal('EIO');
    expect(mtd.lastRetlen).to.equal(0);
    expect(sameBytes(readAt(mtd, erasesize, writesize), page)).to.equal(true);
  });

  it('grave pages are read so often, and then are lost', () => {
    const mtd = chip({ gravepages: '0:2' });
    for (let n = 0; n < 5; n++) readAt(mtd, 0, writesize);
    mtd.write(0, writesize, page, 0);
    for (let n = 0; n < 2; n++) readAt(mtd, 0, writesize);
    expect(errnoOf(() => readAt(mtd, 0, writesize))).to.equal('EBADMSG');
  });

  it('flips bits in one read of 1024, which ECC corrects, the same for the same seed', () => {
    const corrected = [7, 7, 8].map((seed) => {
      const mtd = chip({ bitflips: 1, seed });
      mtd.write(0, writesize, page, 0);
      const reads: number[] = [];
      for (let n = 0; n < 8192; n++) {
        const buf = new Uint8Array(writesize);
        if (errnoOf(() => mtd.read(0, writesize, buf, 0)) === 'EUCLEAN') reads.push(n);
        expect(sameBytes(buf, page)).to.equal(true);
      }
      return reads.join(' ');
    });
    expect(corrected[0]).to.equal(corrected[1]);
    expect(corrected[0]).not.to.equal(corrected[2]);
    expect(corrected[0]!.split(' ').length).to.be.within(2, 20);
  });

  it('bad blocks are marked from the start', () => {
    const mtd = chip({ badblocks: '0,3' });
    expect([0, 1, 2, 3].map((eb) => mtd.block_isbad(eb * erasesize))).to.deep.equal([
      true,
      false,
      false,
      true,
    ]);
    const oob = ops(MTD_OPS_RAW, { oobbuf: new Uint8Array(oobsize) });
    mtd.read_oob(3 * erasesize, oob);
    expect(oob.oobbuf![5]).to.equal(0);
  });

  it('refuses a list that it cannot read', () => {
    expect(() => chip({ weakpages: '3:' })).to.throw('weakpages=3:: "3:" is neither');
  });
});

describe('NAND with a bad-block table on flash', () => {
  const { writesize, oobsize, erasesize } = SMALL;
  const BLOCKS_MANY = 12;
  const recordBytes = writesize + oobsize;
  const blockBytes = (erasesize / writesize) * recordBytes;
  const open = (cells: Uint8Array, more = {}): nand_chip =>
    new nand_chip(new SimulatedHost(), new RamBacking(cells), {
      ...{ name: 'nand', writesize, oobsize, erasesize },
      ...more,
    });
  const badOf = (mtd: mtd_info): number[] =>
    Array.from({ length: BLOCKS_MANY }, (_, eb) => eb).filter((eb) =>
      mtd.block_isbad(eb * erasesize),
    );
  const RESERVED = [8, 9, 10, 11];

  for (const bbt of [1, 2] as const) {
    it(`of kind ${bbt} keeps what was marked, also when the marks are gone`, () => {
      const cells = new Uint8Array(BLOCKS_MANY * blockBytes).fill(0xff);
      const mtd = open(cells, { bbt });
      expect(mtd.ecc_stats).to.deep.include({ badblocks: 0, bbtblocks: 4 });
      mtd.block_markbad(3 * erasesize);
      mtd.block_markbad(5 * erasesize);
      expect(errnoOf(() => erase(mtd, 11))).to.equal('EIO');
      expect(
        errnoOf(() => mtd.write(8 * erasesize, writesize, new Uint8Array(writesize), 0)),
      ).to.equal('EIO');
      for (const eb of [3, 5]) cells.fill(0xff, eb * blockBytes, (eb + 1) * blockBytes);
      const again = open(cells);
      expect(badOf(again)).to.deep.equal([3, 5, ...RESERVED]);
      expect(again.ecc_stats).to.deep.include({ badblocks: 2, bbtblocks: 4 });
      // One of the two is lost: the other one counts, and both are there again.
      cells.fill(0xff, 11 * blockBytes);
      expect(badOf(open(cells))).to.deep.equal([3, 5, ...RESERVED]);
      cells.fill(0xff, 10 * blockBytes, 11 * blockBytes);
      expect(badOf(open(cells))).to.deep.equal([3, 5, ...RESERVED]);
    });
  }

  it('the younger of two counts', () => {
    const cells = new Uint8Array(BLOCKS_MANY * blockBytes).fill(0xff);
    const mtd = open(cells, { bbt: 1 });
    const old = cells.slice(11 * blockBytes);
    mtd.block_markbad(0);
    cells.set(old, 11 * blockBytes);
    expect(badOf(open(cells))).to.deep.equal([0, ...RESERVED]);
  });

  it('moves on when its block goes bad', () => {
    const cells = new Uint8Array(BLOCKS_MANY * blockBytes).fill(0xff);
    cells[11 * blockBytes + writesize + 5] = 0;
    const mtd = open(cells, { bbt: 1 });
    expect(mtd.ecc_stats.badblocks).to.equal(1);
    mtd.block_markbad(2 * erasesize);
    expect(badOf(open(cells))).to.deep.equal([2, ...RESERVED]);
    const ident = (eb: number): string =>
      String.fromCharCode(...cells.subarray(eb * blockBytes + writesize + 8).subarray(0, 4));
    expect([ident(10), ident(9)]).to.deep.equal(['Bbt0', '1tbB']);
  });

  it('a read-only chip reads it, and makes none', () => {
    const cells = new Uint8Array(BLOCKS_MANY * blockBytes).fill(0xff);
    open(cells, { bbt: 1 }).block_markbad(0);
    const before = cells.slice();
    expect(badOf(open(cells, { readOnly: true }))).to.deep.equal([0, ...RESERVED]);
    expect(sameBytes(cells, before)).to.equal(true);
  });
});

describe('NAND ids', () => {
  const bytesOf = (hex: string): number[] => [...Buffer.from(hex, 'hex')];

  // As Linux 6.1 decodes them; the judge asks it for more.
  for (const [hex, mib, erasesize, writesize, oobsize] of [
    ['2033', 16, 16384, 512, 16],
    ['206b', 4, 8192, 512, 16],
    ['20a20015', 64, 131072, 2048, 64],
    ['20a20026', 64, 262144, 4096, 128],
    ['ecd3519558', 1024, 131072, 2048, 64],
    ['98f180157216', 128, 131072, 2048, 128],
    ['98dc90267616', 512, 262144, 4096, 256],
    ['2cd390a664', 1024, 262144, 4096, 128],
    ['98dc902676150108', 512, 262144, 4096, 224],
    ['98d3912676150208', 1024, 262144, 4096, 256],
    ['98dc9026', 512, 262144, 4096, 128],
  ] as const) {
    it(`${hex} is a chip of ${mib} MiB, pages of ${writesize}+${oobsize}`, () => {
      const facts = { size: mib * 1048576, erasesize, writesize, oobsize };
      expect(nand_decode_id(bytesOf(hex))).to.deep.include(facts);
    });
  }

  it('an id that says too little, or of no known device, is refused', () => {
    expect(() => nand_decode_id(bytesOf('20a2'))).to.throw('20 a2: four bytes are needed');
    expect(() => nand_decode_id(bytesOf('9811'))).to.throw('98 11: no such device is known');
    expect(() => nand_decode_id(bytesOf('add59425441'.padEnd(12, '0')))).to.throw('an MLC chip');
  });

  it('an id is enough to make a chip', () => {
    const mtd = mtd_new_ram(new SimulatedHost(), { id: bytesOf('c8d1809542'), size: 16 * 131072 });
    expect([mtd.writesize, mtd.oobsize, mtd.erasesize]).to.deep.equal([2048, 64, 131072]);
    mtd.block_markbad(0);
    const marked: number[] = [];
    for (let page = 0; page < 64; page++) {
      const oob = ops(MTD_OPS_RAW, { oobbuf: new Uint8Array(64) });
      mtd.read_oob(page * 2048, oob);
      if (oob.oobbuf![0] === 0) marked.push(page);
    }
    expect(marked).to.deep.equal([0, 1, 63]);
  });
});

describe('NAND in files', () => {
  it('what the Linux kernel wrote has no wrong bit', () => {
    const host = new SimulatedHost();
    const bytes = readFileSync(join(projectRoot(), 'flash-images', 'kernel-nand.bin'));
    host.replaceFile('nand.bin', bytes);
    const options = { type: 'nand', erasesize: 16384, writesize: 512, oobsize: 16 } as const;
    const { mtd } = mtd_open_image(host, 'nand.bin', { ...options, readOnly: true });
    const all = readAt(mtd, 0, mtd.size);
    let markers = 0;
    for (let eb = 0; eb < mtd.size / mtd.erasesize; eb++) {
      const read = ops(MTD_OPS_AUTO_OOB, { oobbuf: new Uint8Array(8) });
      mtd.read_oob(eb * mtd.erasesize, read);
      if (Buffer.from(read.oobbuf!).toString('hex') === '8519032008000000') markers++;
    }
    expect(mtd.ecc_stats).to.deep.include({ corrected: 0, failed: 0, badblocks: 0 });
    expect(markers).to.equal(mtd.size / mtd.erasesize);
    // Programmed again page by page, every byte of data and ECC is the kernel's.
    const copy = mtd_new_ram(host, { ...options, size: mtd.size });
    const page = ops(MTD_OPS_AUTO_OOB, {
      datbuf: new Uint8Array(512),
      oobbuf: new Uint8Array(8),
    });
    for (let at = 0; at < mtd.size; at += 512) {
      mtd.read_oob(at, page);
      copy.write_oob(at, page);
      const raw = ops(MTD_OPS_RAW, { datbuf: new Uint8Array(512), oobbuf: new Uint8Array(16) });
      copy.read_oob(at, raw);
      const both = Buffer.concat([raw.datbuf!, raw.oobbuf!]);
      const from = (at / 512) * 528;
      expect(sameBytes(both, bytes.subarray(from, from + 528)), `page ${at / 512}`).to.equal(true);
    }
    expect(all.some((byte) => byte !== 0xff)).to.equal(true);
  });

  it('is made, described beside the image, and opened again without a word', () => {
    const host = new SimulatedHost();
    const { erasesize, writesize, oobsize } = LARGE;
    const geometry = { type: 'nand', erasesize, writesize, oobsize } as const;
    const made = mtd_open_image(host, 'f', { ...geometry, size: 8 * erasesize, create: true });
    made.mtd.write(erasesize, writesize, new Uint8Array(writesize).fill(0x3c), 0);
    made.mtd.block_markbad(3 * erasesize);
    made.close();
    const again = mtd_open_image(host, 'f');
    expect([again.mtd.size, again.mtd.oobsize]).to.deep.equal([8 * erasesize, oobsize]);
    expect(readAt(again.mtd, erasesize, 1)[0]).to.equal(0x3c);
    expect(again.mtd.block_isbad(3 * erasesize)).to.equal(true);
    expect(again.mtd.wear.eraseCount[3]).to.equal(1);
    again.close();
    expect(errnoOf(() => mtd_open_image(host, 'f', { oobsize: 128 }))).to.equal('EINVAL');
  });
});
