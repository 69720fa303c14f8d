/**
 * Random operations on every kind of chip and backing, compared with a plain array.
 */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { Errno } from '../../src/lump/errno.js';
import type { FlashBacking } from '../../src/mtd/backing.js';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import { FileBacking } from '../../src/mtd/file_backing.js';
import type { mtd_info, mtd_point } from '../../src/mtd/mtd.js';
import {
  MTD_CAP_NORFLASH,
  MTD_CAP_RAM,
  MTD_FAIL_ADDR_UNKNOWN,
  MTD_NORFLASH,
  MTD_RAM,
} from '../../src/mtd/mtd.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { mtd_new_ram, mtd_open_image } from '../../src/mtd/open.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, linesOf, randomized, sameBytes } from './util.js';

const ERASE_SIZE = 4096;
const BLOCKS = 8;
const SIZE = ERASE_SIZE * BLOCKS;

interface row {
  readonly name: string;
  make(): mtd_info;
}

const nor = (backing: FlashBacking): mtd_info =>
  new nor_chip(new SimulatedHost(), backing, { name: 'nor', erasesize: ERASE_SIZE });

/** A chip of which the file holds two and a half blocks behind a header, with two windows in memory. */
function nor_in_file(): mtd_info {
  const host = new SimulatedHost();
  host.replaceFile('dump.bin', new Uint8Array(100 + 2.5 * ERASE_SIZE).fill(0xff));
  const options = {
    offset: 100,
    size: SIZE,
    erasesize: ERASE_SIZE,
    windowBytes: ERASE_SIZE,
    cacheBytes: 0,
  };
  return mtd_open_image(host, 'dump.bin', options).mtd;
}

const rows: row[] = [
  { name: 'nor in RAM', make: () => nor(new RamBacking(SIZE)) },
  {
    name: 'ram in RAM',
    make: () =>
      mtd_new_ram(new SimulatedHost(), { size: SIZE, erasesize: ERASE_SIZE, type: 'ram' }),
  },
  { name: 'nor in a file', make: nor_in_file },
  {
    name: 'nor on a fork of a file',
    make: () => {
      const host = new SimulatedHost();
      const file = host.open('flash.bin', 'create');
      const sizes = { sizeBytes: SIZE, windowBytes: 2 * ERASE_SIZE, cacheBytes: SIZE };
      return nor(new CowBacking(new FileBacking(file, sizes), ERASE_SIZE));
    },
  },
  { name: 'nor on a fork', make: () => nor(new CowBacking(new RamBacking(SIZE), ERASE_SIZE)) },
  {
    name: 'nor on a fork in units of two blocks, of a fork',
    make: () => {
      const first = new CowBacking(new RamBacking(SIZE), 2 * ERASE_SIZE);
      return nor(new CowBacking(first, 2 * ERASE_SIZE).fork());
    },
  },
];

for (const row of rows) {
  describe(`chip: ${row.name}`, () => {
    randomized('agrees with an array', 20, (random) => {
      const mtd = row.make();
      const model = new Uint8Array(SIZE).fill(0xff);
      const wear = { erase: new Uint32Array(BLOCKS), program: 0, read: 0 };
      const out: mtd_point = { buf: new Uint8Array(0), off: 0 };
      for (let step = 0; step < 400; step++) {
        const from = random.below(SIZE);
        const len = 1 + random.below(Math.min(SIZE - from, random.pick([16, 600, 3 * ERASE_SIZE])));
        switch (random.below(5)) {
          case 0: {
            const eb = random.below(BLOCKS);
            const count = 1 + random.below(Math.min(2, BLOCKS - eb));
            const addr = eb * ERASE_SIZE;
            mtd.erase({ addr, len: count * ERASE_SIZE, fail_addr: 0 });
            model.fill(0xff, addr, addr + count * ERASE_SIZE);
            for (let i = eb; i < eb + count; i++) wear.erase[i]!++;
            break;
          }
          case 1:
          case 2: {
            const data = random.bytes(len + 7);
            // What NOR can do: clear some more bits of what is there.
            if (mtd.type === MTD_NORFLASH) {
              for (let i = 0; i < len; i++) data[7 + i]! &= model[from + i]!;
            }
            expect(mtd.write(from, len, data, 7)).to.equal(len);
            model.set(data.subarray(7), from);
            wear.program += len;
            break;
          }
          case 3: {
            const buf = new Uint8Array(len + 5).fill(0x55);
            mtd.read(from, len, buf, 3);
            expect(sameBytes(buf.subarray(3, 3 + len), model.subarray(from, from + len))).to.equal(
              true,
            );
            expect([buf[2], buf[3 + len]]).to.deep.equal([0x55, 0x55]);
            wear.read += len;
            break;
          }
          default: {
            const inBlock = Math.min(len, ERASE_SIZE - (from % ERASE_SIZE));
            expect(mtd.point(from, inBlock, out)).to.equal(true);
            const view = out.buf.subarray(out.off, out.off + inBlock);
            expect(sameBytes(view, model.subarray(from, from + inBlock))).to.equal(true);
            wear.read += inBlock;
          }
        }
      }
      expect(mtd.wear.eraseCount).to.deep.equal(wear.erase);
      expect(mtd.wear.bytesProgrammed).to.equal(wear.program);
      expect(mtd.wear.bytesRead).to.equal(wear.read);
      mtd.close();
    });

    it('serves views of one block that stay valid side by side', () => {
      const mtd = row.make();
      mtd.write(ERASE_SIZE, 4, Uint8Array.of(1, 2, 3, 4), 0);
      const first: mtd_point = { buf: new Uint8Array(0), off: 0 };
      const second: mtd_point = { buf: new Uint8Array(0), off: 0 };
      expect(mtd.point(ERASE_SIZE, 4, first)).to.equal(true);
      expect(mtd.point(2 * ERASE_SIZE - 1, 1, second)).to.equal(true);
      expect([...first.buf.subarray(first.off, first.off + 4)]).to.deep.equal([1, 2, 3, 4]);
      expect(second.buf[second.off]).to.equal(0xff);
    });

    it('refuses what lies outside', () => {
      const mtd = row.make();
      const buf = new Uint8Array(16);
      for (const [from, len] of [
        [SIZE, 0],
        [SIZE - 1, 2],
        [-1, 1],
        [0, SIZE + 1],
        [NaN, 1],
      ]) {
        const where = `${len} bytes at ${from}`;
        expect(
          errnoOf(() => mtd.read(from!, len!, buf, 0)),
          where,
        ).to.equal('EINVAL');
        expect(
          errnoOf(() => mtd.write(from!, len!, buf, 0)),
          where,
        ).to.equal('EINVAL');
        const out = { buf, off: 0 };
        expect(
          errnoOf(() => mtd.point(from!, len!, out)),
          where,
        ).to.equal('EINVAL');
      }
      for (const [addr, len] of [
        [1, ERASE_SIZE],
        [0, 1],
        [SIZE, ERASE_SIZE],
      ]) {
        const instr = { addr: addr!, len: len!, fail_addr: 7 };
        expect(errnoOf(() => mtd.erase(instr))).to.equal('EINVAL');
        expect(instr.fail_addr).to.equal(MTD_FAIL_ADDR_UNKNOWN);
      }
      expect(mtd.wear.programCount.some((count) => count > 0)).to.equal(false);
    });

    it('has neither OOB nor bad blocks', () => {
      const mtd = row.make();
      const ops = {
        mode: 0,
        datbuf: null,
        len: 0,
        retlen: 0,
        oobbuf: null,
        ooboffs: 0,
        ooblen: 0,
        oobretlen: 0,
      };
      expect(errnoOf(() => mtd.read_oob(0, ops))).to.equal('EOPNOTSUPP');
      expect(errnoOf(() => mtd.write_oob(0, ops))).to.equal('EOPNOTSUPP');
      expect(errnoOf(() => mtd.block_markbad(0))).to.equal('EOPNOTSUPP');
      expect(mtd.block_isbad(0)).to.equal(false);
      expect(errnoOf(() => mtd.block_isbad(SIZE))).to.equal('EINVAL');
    });
  });
}

describe('chip: what kind it is', () => {
  it('NOR and RAM have the flags of Linux', () => {
    const nor = mtd_new_ram(new SimulatedHost(), { size: SIZE, erasesize: ERASE_SIZE });
    expect([nor.type, nor.flags]).to.deep.equal([MTD_NORFLASH, 0xc00]);
    expect(MTD_CAP_NORFLASH).to.equal(0xc00);
    const ram = mtd_new_ram(new SimulatedHost(), {
      size: SIZE,
      erasesize: ERASE_SIZE,
      type: 'ram',
    });
    expect([ram.type, ram.flags, ram.writebufsize]).to.deep.equal([MTD_RAM, 0x1c00, 64]);
    expect(MTD_CAP_RAM).to.equal(0x1c00);
  });

  it('a size that is no whole number of erase blocks is refused', () => {
    for (const erasesize of [SIZE + 1, 3000, 0]) {
      expect(errnoOf(() => mtd_new_ram(new SimulatedHost(), { size: SIZE, erasesize }))).to.equal(
        'EINVAL',
      );
    }
  });

  it('a read-only chip answers EROFS and changes nothing', () => {
    const backing = new RamBacking(SIZE);
    const options = { name: 'rom', erasesize: ERASE_SIZE, readOnly: true };
    const mtd = new nor_chip(new SimulatedHost(), backing, options);
    expect(errnoOf(() => mtd.write(0, 1, Uint8Array.of(0), 0))).to.equal('EROFS');
    expect(errnoOf(() => mtd.erase({ addr: 0, len: ERASE_SIZE, fail_addr: 0 }))).to.equal('EROFS');
    mtd.close();
    expect(backing.generation).to.equal(0);
    expect(mtd.wear.eraseCount[0]).to.equal(0);
  });
});

describe('NOR: programming only clears bits', () => {
  const fresh = (): nor_chip =>
    new nor_chip(new SimulatedHost(), new RamBacking(SIZE), { name: 'nor', erasesize: ERASE_SIZE });

  it('clears bits of what is there', () => {
    const mtd = fresh();
    mtd.write(100, 2, Uint8Array.of(0xe0, 0x0f), 0);
    mtd.write(100, 2, Uint8Array.of(0xc0, 0x0f), 0);
    const out = new Uint8Array(2);
    mtd.read(100, 2, out, 0);
    expect([...out]).to.deep.equal([0xc0, 0x0f]);
  });

  it('panics at 0 -> 1, names the place, and leaves the cells alone', () => {
    const mtd = fresh();
    mtd.write(ERASE_SIZE + 4, 4, Uint8Array.of(1, 2, 3, 4), 0);
    expect(() => mtd.write(ERASE_SIZE + 4, 4, Uint8Array.of(1, 2, 7, 4), 0)).to.throw(
      KernelPanic,
      'nor: programming would set bits at 0x1006: 03 04 -> 07 04',
    );
    const out = new Uint8Array(4);
    mtd.read(ERASE_SIZE + 4, 4, out, 0);
    expect([...out]).to.deep.equal([1, 2, 3, 4]);
  });

  it('finds it across the border between programmed and erased cells', () => {
    const mtd = fresh();
    mtd.write(0, 8, new Uint8Array(8), 0);
    const data = new Uint8Array(8);
    data[3] = 1;
    expect(() => mtd.write(4, 8, data, 0)).to.throw(KernelPanic, 'at 0x7');
    expect(mtd.write(4, 8, new Uint8Array(8), 0)).to.equal(8);
  });

  it('finds it in an image it did not write, at every offset and alignment', () => {
    for (let at = 0; at < ERASE_SIZE; at = at < 16 || at > ERASE_SIZE - 16 ? at + 1 : at + 401) {
      const image = new Uint8Array(SIZE + 1).fill(0xff).subarray(at % 2, (at % 2) + SIZE);
      image[ERASE_SIZE + at] = 0xfe;
      const mtd = new nor_chip(new SimulatedHost(), new RamBacking(image), {
        name: 'nor',
        erasesize: ERASE_SIZE,
      });
      const write = (): number => mtd.write(ERASE_SIZE + at, 1, Uint8Array.of(0x01), 0);
      expect(write, `offset ${at}`).to.throw(KernelPanic);
      expect(mtd.write(ERASE_SIZE + at, 1, Uint8Array.of(0xf0), 0)).to.equal(1);
    }
  });

  it('forgets after an erase', () => {
    const mtd = fresh();
    mtd.write(0, 1, Uint8Array.of(0), 0);
    mtd.erase({ addr: 0, len: ERASE_SIZE, fail_addr: 0 });
    mtd.write(0, 1, Uint8Array.of(0xff), 0);
    expect(() => mtd.write(0, 1, Uint8Array.of(0x80), 0)).not.to.throw();
  });

  randomized('panics exactly when a bit would be set', 30, (random) => {
    const image = new Uint8Array(SIZE).fill(0xff);
    const used = random.below(SIZE);
    image.set(random.bytes(used));
    const mtd = new nor_chip(new SimulatedHost(), new RamBacking(image.slice()), {
      name: 'nor',
      erasesize: ERASE_SIZE,
    });
    for (let step = 0; step < 200; step++) {
      const from = Math.min(SIZE - 1, Math.max(0, used + random.below(400) - 200));
      const len = 1 + random.below(Math.min(64, ERASE_SIZE - (from % ERASE_SIZE)));
      const data = random.bytes(len);
      for (let i = 0; i < len; i++) data[i]! &= image[from + i]!;
      const at = random.below(len);
      if (random.below(2) === 0) data[at]! |= random.below(256);
      const sets = (data[at]! & ~image[from + at]!) !== 0;
      let panicked = false;
      try {
        mtd.write(from, len, data, 0);
        image.set(data, from);
      } catch (error) {
        expect(error).to.be.instanceOf(KernelPanic);
        panicked = true;
      }
      expect(panicked, `step ${step}`).to.equal(sets);
    }
  });
});

describe('chip: when the host fails', () => {
  /** Stores `bytesUntilFailure` more bytes, then every write fails with EIO. */
  class FailingBacking extends RamBacking {
    bytesUntilFailure = Infinity;
    override write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
      const stored = Math.min(len, this.bytesUntilFailure);
      super.write(to, stored, buf, bufOffset);
      this.bytesUntilFailure -= stored;
      if (stored < len) throw new Errno('EIO', 'disk full');
    }
    override fill(from: number, len: number): void {
      if (this.bytesUntilFailure < len) throw new Errno('EIO', 'disk full');
      super.fill(from, len);
    }
  }

  it('lastRetlen tells what reached the flash, and the cells are looked at again', () => {
    const backing = new FailingBacking(SIZE);
    const host = new SimulatedHost();
    const mtd = new nor_chip(host, backing, { name: 'nor', erasesize: ERASE_SIZE });
    backing.bytesUntilFailure = ERASE_SIZE + 5;
    const data = new Uint8Array(2 * ERASE_SIZE).fill(0x11);
    expect(errnoOf(() => mtd.write(0, data.length, data, 0))).to.equal('EIO');
    expect(mtd.lastRetlen).to.equal(ERASE_SIZE + 5);
    expect(linesOf(host)).to.deep.equal([
      'mtd: nor: write of 4096 bytes at 0x1000: EIO: disk full',
    ]);
    backing.bytesUntilFailure = Infinity;
    const ones = new Uint8Array(1).fill(0xff);
    expect(() => mtd.write(ERASE_SIZE + 4, 1, ones, 0)).to.throw(KernelPanic);
    expect(mtd.write(ERASE_SIZE + 5, 1, ones, 0)).to.equal(1);
  });

  it('lastRetlen is 0 when nothing was stored, whatever was to be', () => {
    const backing = new FailingBacking(SIZE);
    const mtd = new nor_chip(new SimulatedHost(), backing, { name: 'nor', erasesize: ERASE_SIZE });
    backing.bytesUntilFailure = 0;
    const data = Uint8Array.of(1, 2, 0xff, 0xff);
    expect(errnoOf(() => mtd.write(0, 4, data, 0))).to.equal('EIO');
    expect(mtd.lastRetlen).to.equal(0);
  });

  it('a failing erase tells the block', () => {
    const backing = new FailingBacking(SIZE);
    const mtd = new nor_chip(new SimulatedHost(), backing, { name: 'nor', erasesize: ERASE_SIZE });
    backing.bytesUntilFailure = 0;
    const instr = { addr: 2 * ERASE_SIZE, len: ERASE_SIZE, fail_addr: 0 };
    expect(errnoOf(() => mtd.erase(instr))).to.equal('EIO');
    expect(instr.fail_addr).to.equal(2 * ERASE_SIZE);
    expect(mtd.wear.eraseCount[2]).to.equal(1);
  });
});

describe('copy-on-write fork', () => {
  it('both sides go on by themselves', () => {
    const base = new RamBacking(SIZE);
    const parent = new CowBacking(base, ERASE_SIZE);
    parent.write(0, 1, Uint8Array.of(1), 0);
    const child = parent.fork();
    parent.write(0, 1, Uint8Array.of(2), 0);
    child.write(1, 1, Uint8Array.of(3), 0);
    const first = (backing: FlashBacking): number[] => {
      const buf = new Uint8Array(2);
      backing.read(0, 2, buf, 0);
      return [...buf];
    };
    expect(first(parent)).to.deep.equal([2, 0xff]);
    expect(first(child)).to.deep.equal([1, 3]);
    expect(first(base)).to.deep.equal([0xff, 0xff]);
    expect(child.unitsCopied).to.equal(1);
  });

  it('panics when its base is written', () => {
    const base = new RamBacking(SIZE);
    const fork = new CowBacking(base, ERASE_SIZE);
    base.write(0, 1, Uint8Array.of(1), 0);
    expect(() => fork.read(0, 1, new Uint8Array(1), 0)).to.throw(KernelPanic, 'base was written');
  });
});
