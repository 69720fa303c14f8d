/** Faults on demand: cells that fail in part under a chip, and calls that fail on one. */
import { expect } from 'chai';
import type { FlashBacking } from '../../src/mtd/backing.js';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import {
  type call_fault,
  type cell_fault,
  faulty_cells,
  format_fault,
  mtd_faults,
  parse_fault,
} from '../../src/mtd/fault.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { cell_recorder, power_cut_states, power_cuts } from '../../src/mtd/recorder.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, random_source, randomized, sameBytes } from './util.js';

const BLOCKS = 4;

interface row {
  readonly name: string;
  readonly erasesize: number;
  readonly writesize: number;
  readonly cellBytes: number;
  chip(cells: FlashBacking): mtd_info;
}

const rows: readonly row[] = [
  {
    name: 'NOR',
    erasesize: 4096,
    writesize: 256,
    cellBytes: BLOCKS * 4096,
    chip: (cells) => new nor_chip(new SimulatedHost(), cells, { name: 'nor', erasesize: 4096 }),
  },
  {
    name: 'NAND',
    erasesize: 4096,
    writesize: 512,
    cellBytes: BLOCKS * 8 * 528,
    chip: (cells) => {
      const pages = { erasesize: 4096, writesize: 512, oobsize: 16 };
      return new nand_chip(new SimulatedHost(), cells, { name: 'nand', ...pages });
    },
  },
];

const cell = (word: string): cell_fault => parse_fault(word) as cell_fault;
const call = (word: string): call_fault => parse_fault(word) as call_fault;
const erase = (mtd: mtd_info, eb: number): void =>
  mtd.erase({ addr: eb * mtd.erasesize, len: mtd.erasesize, fail_addr: 0 });

function contentOf(cells: FlashBacking): Uint8Array {
  const all = new Uint8Array(cells.sizeBytes);
  cells.read(0, all.length, all, 0);
  return all;
}

describe('faults: words', () => {
  it('say what they are, there and back', () => {
    for (const word of [
      'cut:17~5',
      'cut:0',
      'fail:17+12/f0',
      'worn:17',
      'write:3',
      'write:3+512',
      'write:3+512!',
      'read:5!EBADMSG',
      'read:5=EUCLEAN',
      'any:9!',
    ]) {
      expect(format_fault(parse_fault(word)!)).to.equal(word);
    }
    for (const word of ['', 'cut:', 'cut:x', 'write', 'write:0', 'burn:3', 'read:5=ENOENT']) {
      expect(parse_fault(word), word).to.equal(null);
    }
  });
});

for (const { name, erasesize, writesize, cellBytes, chip } of rows) {
  describe(`faults: ${name}`, () => {
    /** Seeded programs and erases; returns when one fails. */
    const work = (mtd: mtd_info, random: random_source): string | null => {
      const free = new Int32Array(BLOCKS);
      return errnoOf(() => {
        for (let n = 0; n < 30; n++) {
          const eb = random.below(BLOCKS);
          if (free[eb] === erasesize || random.below(8) === 0) {
            erase(mtd, eb);
            free[eb] = 0;
          } else {
            const data = new Uint8Array(writesize).map((_, i) => (n * 37 + i) & 0xff);
            mtd.write(eb * erasesize + free[eb]!, writesize, data, 0);
            free[eb]! += writesize;
          }
        }
      });
    };

    randomized(
      'a cut under a chip leaves what replaying says, and no call after it',
      3,
      (random, seed) => {
        const again = (): random_source => new random_source(seed);
        const base = new CowBacking(new RamBacking(cellBytes), cellBytes / BLOCKS);
        const recorder = new cell_recorder(base.fork());
        expect(work(chip(recorder), again())).to.equal(null);
        const { ops } = recorder;
        const cuts = [...power_cuts(ops, 'linear')].filter(() => random.below(6) === 0);
        for (const { cut, state } of power_cut_states(base, ops, cuts)) {
          if (cut.op === ops.length) continue;
          const live = base.fork();
          const word = format_fault({ kind: 'cut', at: cut });
          const cells = new faulty_cells(live, [cell(word)]);
          const mtd = chip(cells);
          expect(work(mtd, again()), word).to.equal('EIO');
          expect(sameBytes(contentOf(live), contentOf(state)), word).to.equal(true);
          expect(errnoOf(() => mtd.read(0, 1, new Uint8Array(1), 0))).to.equal('EIO');
          expect(errnoOf(() => erase(mtd, 0))).to.equal('EIO');
          expect(errnoOf(() => mtd.sync())).to.equal('EIO');
          expect(sameBytes(contentOf(live), contentOf(state)), word).to.equal(true);
        }
        expect(cuts.length).to.be.greaterThan(10);
      },
    );

    it('an erase that is interrupted leaves any bits, the same for the same seed', () => {
      const states = ['cut:1~1', 'cut:1~1', 'cut:1~2'].map((word) => {
        const cells = new RamBacking(cellBytes);
        const mtd = chip(new faulty_cells(cells, [cell(word)]));
        mtd.write(0, writesize, new Uint8Array(writesize), 0);
        expect(errnoOf(() => erase(mtd, 0))).to.equal('EIO');
        const kinds = new Set(cells.bytes.subarray(0, writesize));
        expect(kinds.size).to.be.greaterThan(50);
        return cells.bytes;
      });
      expect(sameBytes(states[0]!, states[1]!)).to.equal(true);
      expect(sameBytes(states[0]!, states[2]!)).to.equal(false);
    });

    it('a program that fails once leaves a part; the next one goes', () => {
      const cells = new RamBacking(cellBytes);
      const mtd = chip(new faulty_cells(cells, [cell('fail:0+100')]));
      const data = new Uint8Array(writesize).fill(0x22);
      expect(errnoOf(() => mtd.write(0, writesize, data, 0))).to.equal('EIO');
      expect(cells.bytes.subarray(0, 100).every((byte) => byte === 0x22)).to.equal(true);
      expect(cells.bytes.subarray(100, writesize).every((byte) => byte === 0xff)).to.equal(true);
      mtd.write(writesize, writesize, data, 0);
      erase(mtd, 0);
      mtd.write(0, writesize, data, 0);
    });

    it('a worn block fails for good, and tells where', () => {
      const mtd = chip(new faulty_cells(new RamBacking(cellBytes), [cell('worn:0')]));
      const instr = { addr: erasesize, len: 2 * erasesize, fail_addr: 0 };
      expect(errnoOf(() => mtd.erase(instr))).to.equal('EIO');
      expect(instr.fail_addr).to.equal(erasesize);
      expect(errnoOf(() => erase(mtd, 1))).to.equal('EIO');
      erase(mtd, 2);
    });

    it('calls fail by number, once or from then on', () => {
      const faults = ['write:2+1024', 'erase:1', 'read:2=EUCLEAN', 'read:3!EBADMSG'].map(call);
      const mtd = new mtd_faults(chip(new RamBacking(cellBytes)), faults);
      const data = new Uint8Array(4 * writesize).map((_, i) => (i * 11) & 0xff);
      mtd.write(0, writesize, data, 0);
      expect(errnoOf(() => mtd.write(erasesize, data.length, data, 0))).to.equal('EIO');
      expect(mtd.lastRetlen).to.equal(1024);
      const buf = new Uint8Array(data.length);
      mtd.read(erasesize, data.length, buf, 0);
      expect(sameBytes(buf.subarray(0, 1024), data.subarray(0, 1024))).to.equal(true);
      expect(buf.subarray(1024).every((byte) => byte === 0xff)).to.equal(true);

      expect(errnoOf(() => mtd.read(0, writesize, buf, 0))).to.equal('EUCLEAN');
      expect(sameBytes(buf.subarray(0, writesize), data.subarray(0, writesize))).to.equal(true);
      for (let n = 0; n < 3; n++) {
        expect(errnoOf(() => mtd.read(0, writesize, buf, 0))).to.equal('EBADMSG');
        let wrong = 0;
        for (let bit = 0; bit < writesize * 8; bit++) {
          wrong += ((buf[bit >> 3]! ^ data[bit >> 3]!) >> (bit & 7)) & 1;
        }
        expect(wrong).to.equal(2);
      }
      const instr = { addr: erasesize, len: erasesize, fail_addr: 0 };
      expect(errnoOf(() => mtd.erase(instr))).to.equal('EIO');
      expect(instr.fail_addr).to.equal(erasesize);
      mtd.erase(instr);
      expect(mtd.calls).to.deep.include({ write: 2, erase: 2, read: 5, any: 9 });
    });
  });
}
