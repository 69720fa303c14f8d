/**
 * Linux's tests of flash (mtd_pagetest and the others), by their names and what the MTD
 * documentation says of them, on any chip. Each throws where the chip is wrong. Bad blocks are left
 * alone.
 *
 * Source: linux-mtd.infradead.org/doc/general.html, "MTD tests".
 */
import { expect } from 'chai';
import {
  MTD_RAM,
  MTD_OPS_AUTO_OOB,
  MTD_OPS_PLACE_OOB,
  MTD_OPS_RAW,
  type mtd_info,
  type mtd_oob_ops,
} from '../../src/mtd/mtd.js';
import { mtd_timing, timing_of } from '../../src/mtd/timing.js';
import { errnoOf, type random_source, sameBytes } from './util.js';

export interface linux_test {
  readonly name: string;
  /** Needs pages and OOB. */
  readonly nandOnly: boolean;
  /** Programs pages more often than a data sheet allows, on purpose. */
  readonly overProgram?: boolean;
  run(mtd: mtd_info, random: random_source): void;
}

export const erase = (mtd: mtd_info, eb: number): void =>
  mtd.erase({ addr: eb * mtd.erasesize, len: mtd.erasesize, fail_addr: 0 });

const blocksOf = (mtd: mtd_info): number[] =>
  Array.from({ length: mtd.size / mtd.erasesize }, (_, eb) => eb).filter(
    (eb) => !mtd.block_isbad(eb * mtd.erasesize),
  );

/** NOR and RAM have none; the tests take 512 bytes then, as Linux's do. */
const pageOf = (mtd: mtd_info): number =>
  mtd.erasesize % 512 === 0 && mtd.writesize < 512 ? 512 : mtd.writesize;

function read(mtd: mtd_info, from: number, len: number): Uint8Array {
  const buf = new Uint8Array(len);
  mtd.read(from, len, buf, 0);
  return buf;
}

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

function expectSame(got: Uint8Array, wanted: Uint8Array, where: string): void {
  if (!sameBytes(got, wanted)) expect.fail(`${where}: other bytes were read than were written`);
}

function writeBlocks(mtd: mtd_info, random: random_source): Map<number, Uint8Array> {
  const written = new Map<number, Uint8Array>();
  for (const eb of blocksOf(mtd)) {
    erase(mtd, eb);
    const data = random.bytes(mtd.erasesize);
    mtd.write(eb * mtd.erasesize, data.length, data, 0);
    written.set(eb, data);
  }
  return written;
}

/** Reads the whole device page by page, OOB included. */
const readtest: linux_test = {
  name: 'readtest',
  nandOnly: false,
  run(mtd, random) {
    const written = writeBlocks(mtd, random);
    const page = pageOf(mtd);
    for (const [eb, data] of written) {
      for (let at = 0; at < mtd.erasesize; at += page) {
        const from = eb * mtd.erasesize + at;
        expectSame(read(mtd, from, page), data.subarray(at, at + page), `page at ${from}`);
        if (mtd.oobsize === 0) continue;
        const request = ops(MTD_OPS_PLACE_OOB, {
          datbuf: new Uint8Array(page),
          oobbuf: new Uint8Array(mtd.oobsize),
        });
        mtd.read_oob(from, request);
        expectSame(request.datbuf!, data.subarray(at, at + page), `page at ${from}`);
        expect([request.retlen, request.oobretlen]).to.deep.equal([page, mtd.oobsize]);
      }
    }
  },
};

/** Pages in many ways: whole blocks, two at once, across blocks, the first against the last. */
const pagetest: linux_test = {
  name: 'pagetest',
  nandOnly: true,
  run(mtd, random) {
    const page = mtd.writesize;
    const written = writeBlocks(mtd, random);
    for (const [eb, data] of written) {
      const start = eb * mtd.erasesize;
      for (let at = 0; at + 2 * page <= mtd.erasesize; at += page) {
        expectSame(read(mtd, start + at, 2 * page), data.subarray(at, at + 2 * page), `two pages`);
      }
      const next = written.get(eb + 1);
      if (next === undefined) continue;
      // Across the border of two blocks, and what was read before must not show.
      const border = Buffer.concat([data.subarray(-page), next.subarray(0, page)]);
      const from = start + mtd.erasesize - page;
      expectSame(read(mtd, from, 2 * page), border, `across block ${eb + 1}`);
      read(mtd, start, page);
      expectSame(read(mtd, from, 2 * page), border, `across block ${eb + 1}, again`);
    }
    // The last page of the device, and one that was erased.
    const [first, second] = blocksOf(mtd);
    const last = blocksOf(mtd).at(-1)!;
    const end = (last + 1) * mtd.erasesize;
    expectSame(read(mtd, end - page, page), written.get(last)!.subarray(-page), 'the last page');
    erase(mtd, first!);
    const data = random.bytes(page);
    mtd.write(first! * mtd.erasesize, page, data, 0);
    erase(mtd, first!);
    const blank = read(mtd, first! * mtd.erasesize, page);
    expect(blank.every((byte) => byte === 0xff)).to.equal(true);
    expectSame(
      read(mtd, second! * mtd.erasesize, page),
      written.get(second!)!.subarray(0, page),
      'the neighbour',
    );
  },
};

/** OOB at every offset and length, of one page and over pages, and past the ends. */
const oobtest: linux_test = {
  name: 'oobtest',
  nandOnly: true,
  run(mtd, random) {
    const avail = mtd.oobavail;
    const pages = mtd.erasesize / mtd.writesize;
    const block = blocksOf(mtd)[0]!;
    const start = block * mtd.erasesize;
    // Each page's OOB by itself, then all of the block's in one go.
    erase(mtd, block);
    const all = random.bytes(pages * avail);
    for (let page = 0; page < pages; page++) {
      const oobbuf = all.subarray(page * avail, (page + 1) * avail);
      mtd.write_oob(start + page * mtd.writesize, ops(MTD_OPS_AUTO_OOB, { oobbuf }));
    }
    const back = ops(MTD_OPS_AUTO_OOB, { oobbuf: new Uint8Array(pages * avail) });
    mtd.read_oob(start, back);
    expectSame(back.oobbuf!, all, 'OOB of a block');
    // In one go over pages, as the page border falls.
    erase(mtd, block);
    mtd.write_oob(start, ops(MTD_OPS_AUTO_OOB, { oobbuf: all }));
    mtd.read_oob(start, back);
    expectSame(back.oobbuf!, all, 'OOB of a block, written at once');
    // Parts, at every offset.
    erase(mtd, block);
    for (let offset = 0, page = 0; page < pages; page++, offset = (offset + 3) % avail) {
      const length = 1 + random.below(avail - offset);
      const oobbuf = random.bytes(length);
      const at = start + page * mtd.writesize;
      mtd.write_oob(at, ops(MTD_OPS_AUTO_OOB, { oobbuf, ooboffs: offset }));
      const got = ops(MTD_OPS_AUTO_OOB, { oobbuf: new Uint8Array(length), ooboffs: offset });
      mtd.read_oob(at, got);
      expectSame(got.oobbuf!, oobbuf, `OOB at ${offset} of page ${page}`);
    }
    // Out of bounds: at the end of OOB, and behind the last page.
    const one = { oobbuf: Uint8Array.of(1) };
    for (const [at, request] of [
      [start, { ...one, ooboffs: avail }],
      [mtd.size, one],
      [mtd.size - mtd.writesize, { oobbuf: new Uint8Array(avail + 1) }],
      [mtd.size - mtd.writesize, { oobbuf: new Uint8Array(avail), ooboffs: 1 }],
    ] as const) {
      for (const call of [mtd.read_oob, mtd.write_oob]) {
        const refused = errnoOf(() => call.call(mtd, at, ops(MTD_OPS_AUTO_OOB, request)));
        expect(refused, `OOB at ${at}`).to.equal('EINVAL');
      }
    }
  },
};

/** Subpages one by one, then groups of them, and none that is not whole. */
const subpagetest: linux_test = {
  name: 'subpagetest',
  nandOnly: true,
  run(mtd, random) {
    const unit = mtd.writesize >> mtd.subpage_sft;
    for (const eb of blocksOf(mtd)) {
      erase(mtd, eb);
      const start = eb * mtd.erasesize;
      const data = random.bytes(mtd.erasesize);
      for (let at = 0; at < mtd.erasesize; ) {
        // Up to the end of a page, so that no page is programmed more often than it has subpages.
        const left = (mtd.writesize - (at % mtd.writesize)) / unit;
        const len = unit * (1 + random.below(left));
        mtd.write(start + at, len, data, at);
        at += len;
      }
      for (let at = 0; at < mtd.erasesize; at += unit) {
        expectSame(read(mtd, start + at, unit), data.subarray(at, at + unit), `subpage at ${at}`);
      }
      expectSame(read(mtd, start, mtd.erasesize), data, `block ${eb}`);
    }
    const page = random.bytes(mtd.writesize);
    expect(errnoOf(() => mtd.write(0, unit - 1, page, 0))).to.equal('EINVAL');
    expect(mtd.ecc_stats).to.deep.include({ corrected: 0, failed: 0 });
  },
};

/** A block is erased and filled with patterns again and again, and counts its wear. */
const torturetest: linux_test = {
  name: 'torturetest',
  nandOnly: false,
  run(mtd) {
    const eb = blocksOf(mtd)[1]!;
    const start = eb * mtd.erasesize;
    const before = mtd.wear.eraseCount[eb]!;
    const patterns = [0x55, 0xaa, 0xff, 0x00].map((byte) =>
      new Uint8Array(mtd.erasesize).map((_, i) =>
        ((i / pageOf(mtd)) & 1) === 0 ? byte : byte ^ 0xff,
      ),
    );
    for (let cycle = 0; cycle < 12; cycle++) {
      erase(mtd, eb);
      expect(read(mtd, start, mtd.erasesize).every((byte) => byte === 0xff)).to.equal(true);
      const pattern = patterns[cycle % patterns.length]!;
      mtd.write(start, mtd.erasesize, pattern, 0);
      expectSame(read(mtd, start, mtd.erasesize), pattern, `cycle ${cycle}`);
    }
    expect(mtd.wear.eraseCount[eb]! - before).to.equal(12);
  },
};

/** Random reads, writes and erases of random ranges, compared with what should be there. */
const stresstest: linux_test = {
  name: 'stresstest',
  nandOnly: false,
  run(mtd, random) {
    const page = pageOf(mtd);
    const blocks = blocksOf(mtd);
    const shadow = new Uint8Array(mtd.size);
    const free = new Map<number, number>();
    for (const eb of blocks) {
      erase(mtd, eb);
      shadow.fill(0xff, eb * mtd.erasesize, (eb + 1) * mtd.erasesize);
      free.set(eb, 0);
    }
    for (let step = 0; step < 150; step++) {
      const eb = random.pick(blocks);
      const start = eb * mtd.erasesize;
      if (random.below(2) === 0) {
        const from = random.below(mtd.erasesize);
        const len = 1 + random.below(mtd.erasesize - from);
        const wanted = shadow.subarray(start + from, start + from + len);
        expectSame(read(mtd, start + from, len), wanted, `${len} bytes at ${start + from}`);
        continue;
      }
      let at = free.get(eb)!;
      if (at === mtd.erasesize) {
        erase(mtd, eb);
        shadow.fill(0xff, start, start + mtd.erasesize);
        at = 0;
      }
      const len = page * (1 + random.below((mtd.erasesize - at) / page));
      const data = random.bytes(len);
      mtd.write(start + at, len, data, 0);
      shadow.set(data, start + at);
      free.set(eb, at + len);
    }
  },
};

/**
 * How fast a chip of this kind is, by blocks, pages and two pages, in the time of its data sheet.
 */
const speedtest: linux_test = {
  name: 'speedtest',
  nandOnly: false,
  run(lower, random) {
    const timing = timing_of(lower);
    let clockMs = 0;
    const mtd = new mtd_timing(lower, timing, (ms) => {
      clockMs += ms;
    });
    const page = pageOf(mtd);
    const blocks = blocksOf(mtd);
    const took = (action: () => void): number => {
      const before = mtd.totalUs;
      action();
      return mtd.totalUs - before;
    };
    const eraseUs = took(() => {
      for (const eb of blocks) erase(mtd, eb);
    });
    expect(eraseUs).to.be.closeTo(blocks.length * timing.eraseBlockUs, 1e-6);
    const data = random.bytes(mtd.erasesize);
    const bytes = blocks.length * mtd.erasesize;
    const units = bytes / timing.unitBytes;
    const { programUnitUs, programByteUs, programUnitMaxUs } = timing;
    const unitUs = Math.min(programUnitUs + timing.unitBytes * programByteUs, programUnitMaxUs);
    for (const size of [mtd.erasesize, page, 2 * page]) {
      // A block of DataFlash is a page.
      if (mtd.erasesize % size !== 0) continue;
      for (const eb of blocks) erase(mtd, eb);
      const writeUs = took(() => {
        for (const eb of blocks) {
          for (let at = 0; at < mtd.erasesize; at += size) {
            mtd.write(eb * mtd.erasesize + at, size, data, at);
          }
        }
      });
      expect(writeUs, `write by ${size}`).to.be.closeTo(units * unitUs, 1e-3);
      const readUs = took(() => {
        for (const eb of blocks) {
          for (let at = 0; at < mtd.erasesize; at += size) {
            read(mtd, eb * mtd.erasesize + at, size);
          }
        }
      });
      const wanted = units * timing.readUnitUs + bytes * timing.readByteUs;
      expect(readUs, `read by ${size}`).to.be.closeTo(wanted, 1e-3);
    }
    expect(clockMs * 1000).to.be.closeTo(mtd.totalUs, 1e-3);
    if (mtd.type !== MTD_RAM) expect(mtd.totals.programUs).to.be.greaterThan(0);
  },
};

/**
 * Wrong bits are put into a page one by one until ECC cannot correct them (incremental), and a page
 * is programmed over and over with fewer ones (overwrite).
 */
const nandbiterrs: linux_test = {
  name: 'nandbiterrs',
  nandOnly: true,
  overProgram: true,
  run(mtd, random) {
    const [first, second] = blocksOf(mtd);
    const page = mtd.writesize;
    const start = first! * mtd.erasesize;
    erase(mtd, first!);
    const data = random.bytes(page);
    mtd.write(start, page, data, 0);
    // Ones among the first step's bits become zeros, in the cells, without new ECC.
    const raw = data.slice();
    const flip = (): void => {
      let at = random.below(mtd.ecc_step_size);
      while (raw[at] === 0) at = (at + 1) % mtd.ecc_step_size;
      raw[at]! &= raw[at]! - 1;
      mtd.write_oob(start, ops(MTD_OPS_RAW, { datbuf: raw }));
    };
    const buf = new Uint8Array(page);
    for (let wrong = 1; wrong <= mtd.ecc_strength; wrong++) {
      flip();
      const answer = errnoOf(() => mtd.read(start, page, buf, 0));
      expect(answer, `${wrong} wrong bits`).to.equal(
        wrong >= mtd.bitflip_threshold ? 'EUCLEAN' : null,
      );
      expectSame(buf, data, `${wrong} wrong bits`);
    }
    flip();
    expect(errnoOf(() => mtd.read(start, page, buf, 0))).to.equal('EBADMSG');
    expectSame(buf, raw, 'what cannot be corrected');
    expect(mtd.ecc_stats.failed).to.equal(1);

    erase(mtd, second!);
    const at = second! * mtd.erasesize;
    const over = new Uint8Array(page).fill(0xff);
    for (let cycle = 0; cycle < 40; cycle++) {
      over[random.below(page)]! &= random.below(256);
      mtd.write_oob(at, ops(MTD_OPS_RAW, { datbuf: over }));
      const got = ops(MTD_OPS_RAW, { datbuf: new Uint8Array(page) });
      mtd.read_oob(at, got);
      expectSame(got.datbuf!, over, `overwritten ${cycle} times`);
    }
  },
};

export const LINUX_TESTS: readonly linux_test[] = [
  pagetest,
  oobtest,
  readtest,
  torturetest,
  nandbiterrs,
  speedtest,
  subpagetest,
  stresstest,
];
