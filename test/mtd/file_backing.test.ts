/** Windows of the file in memory: which are kept is told by the host reads that are made. */
import { expect } from 'chai';
import { FileBacking } from '../../src/mtd/file_backing.js';
import type { mtd_point } from '../../src/mtd/mtd.js';
import { mtd_open_image } from '../../src/mtd/open.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, randomized, sameBytes } from './util.js';

const KIB = 1024;
const WINDOW = 128 * KIB;
const WINDOWS = 64;
const SIZE = WINDOW * WINDOWS;

class Reader {
  readonly host = new SimulatedHost();
  readonly backing: FileBacking;
  readonly #out: mtd_point = { buf: new Uint8Array(0), off: 0 };

  constructor(cacheBytes: number) {
    const bytes = new Uint8Array(SIZE);
    for (let window = 0; window < WINDOWS; window++) bytes[window * WINDOW] = window;
    this.host.replaceFile('flash.bin', bytes);
    const file = this.host.open('flash.bin', 'write');
    this.backing = new FileBacking(file, { sizeBytes: SIZE, windowBytes: WINDOW, cacheBytes });
  }

  /** Looks at the first bytes of these windows. @returns the host reads that it took. */
  readsFor(windows: Iterable<number>, len = 4 * KIB): number {
    this.host.calls.set('read', 0);
    for (const window of windows) {
      expect(this.backing.window(window * WINDOW, len, this.#out)).to.equal(true);
      expect(this.#out.buf[this.#out.off]).to.equal(window);
    }
    return this.host.calls.get('read')!;
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

describe('file backing: windows', () => {
  it('reads by chunks of 16 KiB, neighbours at once, nothing twice', () => {
    const reader = new Reader(SIZE);
    expect(reader.readsFor([0, 0, 0])).to.equal(1);
    expect(reader.readsFor([0], 16 * KIB)).to.equal(0);
    expect(reader.readsFor([0], 16 * KIB + 1)).to.equal(1);
    expect(reader.readsFor([0], WINDOW)).to.equal(1);
    expect(reader.readsFor([0], WINDOW)).to.equal(0);
    const out = { buf: new Uint8Array(0), off: 0 };
    expect(reader.backing.window(WINDOW - 1, 2, out)).to.equal(false);
  });

  it('what is written or erased shows without being read', () => {
    const reader = new Reader(SIZE);
    const out: mtd_point = { buf: new Uint8Array(0), off: 0 };
    reader.backing.window(0, WINDOW, out);
    reader.host.calls.set('read', 0);
    reader.backing.write(5, 1, Uint8Array.of(77), 0);
    expect(out.buf[out.off + 5]).to.equal(77);
    reader.backing.fill(0, WINDOW);
    expect(out.buf[out.off + 5]).to.equal(0xff);
    expect(reader.host.calls.get('read')).to.equal(0);
  });

  it('a working set that fits is read twice at most, however it is gone through', () => {
    for (const step of [1, 7, 9, 31]) {
      const reader = new Reader(32 * WINDOW);
      const set = range(0, 31).map((i) => (i * step) % 31);
      for (let pass = 0; pass < 2; pass++) reader.readsFor(set);
      expect(reader.readsFor(set), `in steps of ${step}`).to.equal(0);
    }
  });

  it('a scan of the whole chip drives out nothing that was used again', () => {
    const reader = new Reader(32 * WINDOW);
    for (let pass = 0; pass < 2; pass++) reader.readsFor(range(0, 16));
    expect(reader.readsFor(range(0, WINDOWS), WINDOW)).to.be.at.least(WINDOWS - 16);
    expect(reader.readsFor(range(0, 16))).to.equal(0);
  });

  it('no more windows than allowed are kept', () => {
    const reader = new Reader(16 * WINDOW);
    for (let pass = 0; pass < 4; pass++) reader.readsFor(range(0, WINDOWS));
    expect(reader.readsFor(range(0, WINDOWS))).to.be.at.least(WINDOWS - 16);
  });

  it('two windows in turn stay, with the least memory', () => {
    const reader = new Reader(0);
    reader.readsFor([0, 1]);
    expect(reader.readsFor([0, 1, 0, 1, 0, 1])).to.equal(0);
  });

  randomized('any walk sees the right bytes', 10, (random) => {
    const reader = new Reader(random.pick([0, 12 * WINDOW, 40 * WINDOW]));
    const near = random.below(WINDOWS);
    const walk = range(0, 2000).map((i) =>
      i % 3 === 0 ? random.below(WINDOWS) : (near + random.below(6)) % WINDOWS,
    );
    expect(reader.readsFor(walk)).to.be.greaterThan(0);
  });
});

describe('file backing: a host write that fails half way', () => {
  randomized('leaves the chip knowing what it holds', 30, (random, seed) => {
    const host = new SimulatedHost({ seed });
    const erasesize = 4 * KIB;
    const size = 4 * erasesize;
    host.replaceFile('flash.bin', new Uint8Array(random.below(size + 1)).fill(0xff));
    const { mtd } = mtd_open_image(host, 'flash.bin', { size, erasesize, sidecar: false });
    const model = new Uint8Array(size).fill(0xff);
    const now = new Uint8Array(size);
    for (let step = 0; step < 30; step++) {
      const out: mtd_point = { buf: now, off: 0 };
      mtd.point(random.below(4) * erasesize, erasesize, out);
      const to = random.below(size);
      const len = 1 + random.below(Math.min(size - to, 2 * erasesize));
      const data = random.bytes(len).map((byte, i) => byte & model[to + i]!);
      if (random.below(3) === 0) host.failNth({ call: 'write', nth: 1, code: 'ENOSPC' });
      const failed = errnoOf(() => mtd.write(to, len, data, 0));
      host.clearFaults();
      expect(failed).to.be.oneOf([null, 'EIO']);
      const stored = failed === null ? len : mtd.lastRetlen;
      mtd.read(0, size, now, 0);
      // Before what was stored and behind it nothing changed; in between, bits were cleared.
      expect(sameBytes(now.subarray(0, to), model.subarray(0, to))).to.equal(true);
      const end = to + stored;
      expect(sameBytes(now.subarray(end), model.subarray(end)), `step ${step}`).to.equal(true);
      if (failed === null) expect(sameBytes(now.subarray(to, end), data)).to.equal(true);
      // What the chip shows is what the file holds.
      const file = host.readFile('flash.bin');
      expect(sameBytes(now.subarray(0, file.length), file), `step ${step}`).to.equal(true);
      model.set(now);
    }
  });
});

describe('file backing: plugged', () => {
  const rig = () => {
    const host = new SimulatedHost();
    host.replaceFile('flash.bin', new Uint8Array(SIZE).fill(0xff));
    const { mtd } = mtd_open_image(host, 'flash.bin', { erasesize: 4 * KIB, sidecar: false });
    const writes = (): number => host.calls.get('write') ?? 0;
    const program = (to: number, ...bytes: number[]): void => {
      mtd.write(to, bytes.length, Uint8Array.from(bytes), 0);
    };
    return { host, mtd, writes, program };
  };

  it('adjacent programs are one write of the host, there when unplug returns', () => {
    const { host, mtd, writes, program } = rig();
    mtd.plug();
    mtd.plug();
    program(0, 1, 2);
    program(2, 3);
    mtd.unplug();
    expect(writes()).to.equal(0);
    mtd.unplug();
    expect(writes()).to.equal(1);
    expect([...host.readFile('flash.bin').subarray(0, 4)]).to.deep.equal([1, 2, 3, 0xff]);
  });

  it('reads see what was collected, and the order of writes is kept', () => {
    const { host, mtd, writes, program } = rig();
    mtd.plug();
    program(0, 1);
    const seen = new Uint8Array(2);
    mtd.read(0, 2, seen, 0);
    expect([...seen]).to.deep.equal([1, 0xff]);
    program(1, 2);
    program(8 * KIB, 3);
    // The window of the file in memory served the read; the gap sent the first two bytes off.
    expect(writes()).to.equal(1);
    expect(host.readFile('flash.bin')[8 * KIB]).to.equal(0xff);
    mtd.erase({ addr: 0, len: 4 * KIB, fail_addr: -1 });
    expect([...host.readFile('flash.bin').subarray(0, 2)]).to.deep.equal([0xff, 0xff]);
    expect(host.readFile('flash.bin')[8 * KIB]).to.equal(3);
    mtd.unplug();
  });

  it('a host that does not take it ends the writing', () => {
    const { host, mtd, program } = rig();
    mtd.plug();
    program(0, 1);
    program(1, 2);
    host.failNth({ call: 'write', nth: 1, code: 'ENOSPC' });
    expect(errnoOf(() => mtd.unplug())).to.equal('EIO');
    host.clearFaults();
    expect(errnoOf(() => program(2, 3))).to.equal('EIO');
    expect(errnoOf(() => mtd.sync())).to.equal('EIO');
    expect(errnoOf(() => mtd.erase({ addr: 0, len: 4 * KIB, fail_addr: -1 }))).to.equal('EIO');
    const seen = new Uint8Array(2);
    mtd.read(0, 2, seen, 0);
    expect([...seen]).to.deep.equal([0xff, 0xff]);
  });
});
