/** Trace, write-order checker, and the recorder with its power cuts. */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { Errno } from '../../src/lump/errno.js';
import type { FlashBacking } from '../../src/mtd/backing.js';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { mtd_new_ram } from '../../src/mtd/open.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import {
  cell_recorder,
  format_power_cut,
  parse_power_cut,
  power_cut_states,
  power_cuts,
  replay,
} from '../../src/mtd/recorder.js';
import { mtd_shim } from '../../src/mtd/shim.js';
import { mtd_timing, timing_of } from '../../src/mtd/timing.js';
import { mtd_trace, trace_lines, type trace_record } from '../../src/mtd/trace.js';
import {
  ascending_programs,
  marker_first,
  no_program_while_erasing,
  write_order_checker,
} from '../../src/mtd/write_order.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, randomized, sameBytes } from './util.js';

const ERASE_SIZE = 64;
const BLOCKS = 4;
const SIZE = ERASE_SIZE * BLOCKS;

/** A host whose clock ticks once per look. */
class TickingHost extends SimulatedHost {
  override monotonicMs(): number {
    this.advance(1);
    return super.monotonicMs();
  }
}

/** Stores the first `bytes` bytes of every program, and then fails. */
class FailingChip extends mtd_shim {
  bytes = 0;
  override get lastRetlen(): number {
    return this.bytes;
  }
  override write(to: number, _len: number, buf: Uint8Array, bufOffset: number): number {
    super.write(to, this.bytes, buf, bufOffset);
    throw new Errno('EIO');
  }
}

const chip = () => mtd_new_ram(new SimulatedHost(), { size: SIZE, erasesize: ERASE_SIZE });

const erase = (mtd: mtd_info, eb: number, count = 1): void =>
  mtd.erase({ addr: eb * ERASE_SIZE, len: count * ERASE_SIZE, fail_addr: 0 });

describe('trace', () => {
  it('tells every call with caller, time and outcome, and changes none', () => {
    const records: trace_record[] = [];
    const lower = chip();
    const mtd = new mtd_trace(new TickingHost(), lower, (record) => records.push(record));
    mtd.caller = 'scan';
    mtd.write(3, 2, Uint8Array.of(1, 2), 0);
    mtd.caller = '';
    const buf = new Uint8Array(2);
    mtd.read(3, 2, buf, 0);
    expect([...buf]).to.deep.equal([1, 2]);
    expect(mtd.point(0, 8, { buf, off: 0 })).to.equal(true);
    erase(mtd, 1, 2);
    expect(errnoOf(() => mtd.read(SIZE, 1, buf, 0))).to.equal('EINVAL');
    expect(() => mtd.write(3, 1, Uint8Array.of(0xff), 0)).to.throw(KernelPanic);
    mtd.sync();
    expect(mtd.block_isbad(0)).to.equal(false);
    mtd.close();
    expect(records.map(({ op, addr, len, caller }) => [op, addr, len, caller])).to.deep.equal([
      ['write', 3, 2, 'scan'],
      ['read', 3, 2, ''],
      ['point', 0, 8, ''],
      ['erase', ERASE_SIZE, 2 * ERASE_SIZE, ''],
      ['read', SIZE, 1, ''],
      ['write', 3, 1, ''],
      ['sync', 0, 0, ''],
      ['block_isbad', 0, 0, ''],
      ['close', 0, 0, ''],
    ]);
    expect(records.map(({ n }) => n)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const failed = records.filter(({ error }) => error !== null);
    expect(failed.map(({ n }) => n)).to.deep.equal([4, 5]);
    expect(failed[0]!.error).to.equal('EINVAL');
    expect(records.map(({ startMs, elapsedMs }) => [startMs, elapsedMs])[1]).to.deep.equal([3, 1]);
    expect(mtd.wear).to.equal(lower.wear);
  });

  it('writes JSON lines', () => {
    const lines: string[] = [];
    const mtd = new mtd_trace(
      new SimulatedHost(),
      chip(),
      trace_lines((line) => lines.push(line)),
    );
    erase(mtd, 0);
    expect(JSON.parse(lines[0]!)).to.include({
      op: 'erase',
      addr: 0,
      len: ERASE_SIZE,
      error: null,
    });
  });
});

describe('write-order checker', () => {
  const MARKER = Uint8Array.of(0x85, 0x19);
  const marker = marker_first(
    ({ data, dataOffset }) => data[dataOffset] === 0x85 && data[dataOffset + 1] === 0x19,
  );
  const bytes = (count: number): Uint8Array => new Uint8Array(count);

  it('programs ascend within a block; NOR may rewrite what is there', () => {
    const mtd = new write_order_checker(chip(), [ascending_programs({ rewrites: true })]);
    mtd.write(10, 10, bytes(10), 0);
    mtd.write(20, 10, bytes(10), 0);
    mtd.write(12, 2, bytes(2), 0);
    mtd.write(ERASE_SIZE, 2, bytes(2), 0);
    expect(() => mtd.write(25, 10, bytes(10), 0)).to.throw(
      KernelPanic,
      'rule "programs ascend": program of 10 bytes at 25 of erase block 0: ' +
        'the block is programmed up to 30',
    );
    erase(mtd, 0);
    mtd.write(0, 4, bytes(4), 0);
  });

  it('without rewrites nothing is programmed twice', () => {
    const mtd = new write_order_checker(chip(), [ascending_programs({ rewrites: false })]);
    mtd.write(ERASE_SIZE - 2, 4, bytes(4), 0);
    expect(() => mtd.write(ERASE_SIZE + 1, 1, bytes(1), 0)).to.throw(KernelPanic);
    mtd.write(ERASE_SIZE + 2, 1, bytes(1), 0);
  });

  it('an erased block gets its marker first', () => {
    const mtd = new write_order_checker(chip(), [marker]);
    mtd.write(8, 4, bytes(4), 0);
    erase(mtd, 0, 2);
    expect(() => mtd.write(8, 4, bytes(4), 0)).to.throw(KernelPanic, 'the block has no marker');
    expect(() => mtd.write(0, 4, bytes(4), 0)).to.throw(KernelPanic, 'the block has no marker');
    mtd.write(0, 2, MARKER, 0);
    mtd.write(8, 4, bytes(4), 0);
    expect(() => mtd.write(ERASE_SIZE, 1, bytes(1), 0)).to.throw(KernelPanic, 'erase block 1');
  });

  it('a block that waits to be erased is left alone', () => {
    const mtd = new write_order_checker(chip(), [no_program_while_erasing()]);
    mtd.reportErasing(ERASE_SIZE);
    mtd.write(0, 1, bytes(1), 0);
    expect(() => mtd.write(ERASE_SIZE + 9, 1, bytes(1), 0)).to.throw(KernelPanic, 'be erased');
    erase(mtd, 1);
    mtd.write(ERASE_SIZE + 9, 1, bytes(1), 0);
  });

  it("rules of one's own see syncs and erases", () => {
    const mtd = new write_order_checker(chip(), [
      {
        name: 'synced before erased',
        erase: ({ syncsAtProgram }, syncs) => (syncsAtProgram === syncs ? 'not synced' : null),
      },
    ]);
    mtd.write(0, 1, bytes(1), 0);
    expect(() => erase(mtd, 0)).to.throw(KernelPanic, 'not synced');
    mtd.sync();
    erase(mtd, 0);
  });

  it('what a failed program stored counts', () => {
    const lower = new FailingChip(chip());
    const mtd = new write_order_checker(lower, [ascending_programs({ rewrites: false })]);
    expect(errnoOf(() => mtd.write(0, 8, bytes(8), 0))).to.equal('EIO');
    lower.bytes = 4;
    expect(errnoOf(() => mtd.write(0, 8, bytes(8), 0))).to.equal('EIO');
    expect(() => mtd.write(3, 8, bytes(8), 0)).to.throw(KernelPanic, 'programmed up to 4');
  });

  it('a refused program changes neither flash nor history', () => {
    const lower = chip();
    const mtd = new write_order_checker(lower, [ascending_programs({ rewrites: false })]);
    expect(errnoOf(() => mtd.write(SIZE - 1, 2, bytes(2), 0))).to.equal('EINVAL');
    mtd.write(SIZE - 1, 1, bytes(1), 0);
    expect(lower.wear.bytesProgrammed).to.equal(1);
  });
});

describe('device times', () => {
  it('are those of the data sheet, an erase block in as few erases as it takes', () => {
    const nor = (erasesize: number): mtd_info =>
      mtd_new_ram(new SimulatedHost(), { type: 'nor', erasesize, size: 8 * erasesize });
    const eraseMs = [4, 8, 32, 36, 64, 128].map(
      (kib) => timing_of(nor(kib * 1024)).eraseBlockUs / 1000,
    );
    expect(eraseMs).to.deep.equal([30, 60, 120, 150, 150, 300]);

    const mtd = new mtd_timing(nor(65536), timing_of(nor(65536)));
    mtd.write(10, 1, new Uint8Array(1), 0);
    expect(mtd.totals.programUs).to.equal(30);
    mtd.write(256, 256, new Uint8Array(256), 0);
    expect(mtd.totals.programUs - 30).to.be.within(600, 700);
  });
});

describe('recorder', () => {
  const base = (): CowBacking => new CowBacking(new RamBacking(SIZE), ERASE_SIZE);
  const on = (backing: FlashBacking): nor_chip =>
    new nor_chip(new SimulatedHost(), backing, { name: 'nor', erasesize: ERASE_SIZE });
  const content = (state: CowBacking): Uint8Array => {
    const all = new Uint8Array(SIZE);
    state.read(0, SIZE, all, 0);
    return all;
  };

  randomized('every state is what the flash held at that moment', 4, (random) => {
    const start = base();
    start.write(0, SIZE, random.bytes(SIZE), 0);
    const live = start.fork();
    const cells = new cell_recorder(live);
    const mtd = on(cells);
    const moments: Uint8Array[] = [content(live)];
    const ops = 12;
    for (let i = 0; i < ops; i++) {
      const before = moments.at(-1)!;
      const addr = random.below(SIZE);
      // A program of two blocks would be two operations of the cells.
      const len = 1 + random.below(ERASE_SIZE - (addr % ERASE_SIZE));
      if (random.below(3) === 0) {
        erase(mtd, random.below(BLOCKS));
      } else if (random.below(5) === 0) {
        mtd.sync();
      } else {
        const data = random.bytes(len).map((byte, at) => byte & before[addr + at]!);
        mtd.write(addr, len, data, 0);
        data.fill(0x77);
      }
      moments.push(content(live));
    }
    expect(cells.ops.length).to.equal(ops);
    for (let op = 0; op <= ops; op++) {
      const state = replay(start, cells.ops, { op, bytes: 0, mask: 0 });
      expect(sameBytes(content(state), moments[op]!), `after ${op} operations`).to.equal(true);
    }
    for (const model of ['none', 'linear', 'exhaustive'] as const) {
      let states = 0;
      for (const { cut, state } of power_cut_states(
        start,
        cells.ops,
        power_cuts(cells.ops, model),
      )) {
        states++;
        const now = content(state);
        const before = moments[cut.op]!;
        const after = moments[Math.min(cut.op + 1, ops)]!;
        // Each bit is as it was before or as it is after the operation under way.
        const mixed = now.findIndex(
          (byte, at) => ((byte ^ before[at]!) & (byte ^ after[at]!)) !== 0,
        );
        expect(mixed, format_power_cut(cut)).to.equal(-1);
        const text = format_power_cut(cut);
        const again = replay(start, cells.ops, parse_power_cut(text)!);
        if (states % 7 === 0) expect(sameBytes(content(again), now), text).to.equal(true);
      }
      expect(states).to.be.greaterThan(model === 'none' ? 0 : ops);
    }
  });

  it('tears a program and an erase', () => {
    const start = base();
    const cells = new cell_recorder(start.fork());
    const mtd = on(cells);
    mtd.write(0, 4, Uint8Array.of(0x00, 0x0f, 0xf0, 0x55), 0);
    erase(mtd, 0);
    const first = (cut: string): number[] => {
      const state = replay(start, cells.ops, parse_power_cut(cut)!);
      return [...content(state).subarray(0, 4)];
    };
    expect(first('0')).to.deep.equal([0xff, 0xff, 0xff, 0xff]);
    expect(first('0+2')).to.deep.equal([0x00, 0x0f, 0xff, 0xff]);
    expect(first('0+1/f0')).to.deep.equal([0x00, 0x0f, 0xff, 0xff]);
    expect(first('0+1/80')).to.deep.equal([0x00, 0x7f, 0xff, 0xff]);
    expect(first('1')).to.deep.equal([0x00, 0x0f, 0xf0, 0x55]);
    expect(first('1+1/30')).to.deep.equal([0xff, 0x3f, 0xf0, 0x55]);
    expect(first('2')).to.deep.equal([0xff, 0xff, 0xff, 0xff]);
    expect(() => first('0+5')).to.throw(KernelPanic, 'power cut 0+5');
    expect(() => first('0+4/1')).to.throw(KernelPanic);
    expect(() => first('2+1')).to.throw(KernelPanic);
  });

  it('names moments, and reads the names', () => {
    for (const text of ['0', '17', '17+12', '17+0/f0', '17+12/f', '17~5']) {
      expect(format_power_cut(parse_power_cut(text)!)).to.equal(text);
    }
    for (const text of ['', 'x', '1+', '1/f0', '1+2/fff', '-1', '1~', '1~2/f0']) {
      expect(parse_power_cut(text), text).to.equal(null);
    }
  });
});
