/**
 * What is below fails: the nth call of the chip, or of the host under it, or the nth allocation,
 * for every n, once or from then on. What was answered with success is there afterwards, what
 * was answered with an error is there or not, and nothing else has changed.
 */
import { expect } from 'chai';
import { type call_fault, type fault_call, mtd_faults } from '../../src/mtd/fault.js';
import { mtd_open_image } from '../../src/mtd/open.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { FallibleCall, SimulatedHost } from '../../src/rumpuser/simulated.js';
import { UkfsError } from '../../src/ukfs/error.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import { blankBacking, CUT_MEDIA, type Medium } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';

const PATH = '/flash';
const ERASE_BYTES = 4096;
const SIZE_BYTES = 14 * ERASE_BYTES;
const CALLS = 70;

function open(host: SimulatedHost): mtd_info {
  return mtd_open_image(host, PATH, {
    create: true,
    size: SIZE_BYTES,
    erasesize: ERASE_BYTES,
    sidecar: false,
    // Small windows, so that reading reaches the host.
    windowBytes: ERASE_BYTES,
    cacheBytes: 4 * ERASE_BYTES,
  }).mtd;
}

/** Contents that a file may have now; null: it may be missing. */
class Expected extends Map<string, (string | null)[]> {
  /** What it may ever have had: nothing was synced. */
  readonly ever = new Map<string, (string | null)[]>();

  override set(path: string, contents: (string | null)[]): this {
    this.ever.set(path, [...(this.ever.get(path) ?? [null]), ...contents]);
    return super.set(path, contents);
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function sameFile(u: Ukfs, a: string, b: string): boolean {
  return u.exists(a) && u.exists(b) && u.stat(a).ino === u.stat(b).ino;
}

/** The same calls for the same seed; what they do is noted. @returns errors answered. */
function work(rig: Rig, seed: number, expected: Expected): number {
  const { u, host } = rig;
  const prng = new Prng(seed);
  let errors = 0;
  const attempt = (call: () => void): boolean => {
    try {
      call();
      return true;
    } catch (error) {
      expect(error).to.be.instanceOf(UkfsError);
      expect((error as UkfsError).code).to.be.oneOf([
        'EIO',
        'ENOSPC',
        'ENOENT',
        'EEXIST',
        'ENOMEM',
      ]);
      errors++;
      return false;
    }
  };
  for (let n = 0; n < CALLS; n++) {
    host.advance(prng.below(20));
    const path = `/f${prng.below(6)}`;
    const data = sampleBytes(1 + prng.below(1400), prng.below(60));
    const before = expected.get(path) ?? [null];
    switch (prng.below(5)) {
      case 0: {
        const done = attempt(() => u.unlink(path));
        // It was not there: then it cannot have been there for sure.
        expected.set(path, done ? [null] : [...before, null]);
        break;
      }
      case 1: {
        const to = `/f${prng.below(6)}`;
        // After a rename that failed half way both names may be one file's: nothing happens then.
        if (to === path || sameFile(u, path, to)) break;
        const there = expected.get(to) ?? [null];
        if (attempt(() => u.rename(path, to))) {
          expected.set(
            to,
            before.filter((content) => content !== null),
          );
          expected.set(path, [null]);
        } else {
          expected.set(to, [...there, ...before]);
          expected.set(path, [...before, null]);
        }
        break;
      }
      case 2:
        attempt(() => u.setxattr(path, 'user.x', `${n}`));
        break;
      default: {
        // A new file under another name, then put in place: all or nothing.
        const done = attempt(() => {
          // After a rename that failed half way it may be somebody's second name.
          if (u.exists('/new')) u.unlink('/new');
          u.writeFile('/new', data);
          u.rename('/new', path);
        });
        expected.set(path, done ? [text(data)] : [...before, text(data)]);
      }
    }
    if (prng.below(4) === 0) rig.settle(3);
  }
  return errors;
}

function expectContents(rig: Rig, expected: Map<string, (string | null)[]>): void {
  for (const [path, contents] of expected) {
    let content: string | null = null;
    try {
      content = text(rig.u.readFile(path));
    } catch (error) {
      expect((error as UkfsError).code).to.equal('ENOENT');
    }
    // To be told by their lengths: the contents are long.
    const lengths = contents.map((allowed) => allowed?.length ?? 'none');
    expect(
      contents.includes(content),
      `${path}: ${content?.length ?? 'none'} of ${lengths}`,
    ).to.equal(true);
  }
}

/** A mounted file system and what can fail below it. */
interface Bench {
  rig: Rig;
  /** What memory takes for written the medium may lack: the host lost it. */
  losesWrites: boolean;
  /** Makes the nth call from now fail. */
  arm(nth: number, lasting: boolean): void;
  /** Such calls so far. */
  calls(): number;
  clear(): void;
  /** Opens the chip again. */
  reopen(): mtd_info;
}

/** Calls of the host fail. */
const hostFails =
  (call: FallibleCall) =>
  (seed: number): Bench => {
    const host = newHost(seed);
    const rig = new Rig({ mtd: open(host), host, pageCacheBytes: 65_536 });
    return {
      rig,
      losesWrites: true,
      arm: (nth, lasting) => host.failNth({ call, nth, code: 'EIO', lasting }),
      calls: () => host.calls.get(call) ?? 0,
      clear: () => host.clearFaults(),
      reopen: () => open(host),
    };
  };

/** Calls of the chip fail. */
const chipFails =
  (medium: Medium, call: fault_call, code: 'EIO' | 'EBADMSG') =>
  (seed: number): Bench => {
    const host = newHost(seed);
    const backing = blankBacking(medium);
    const faults: call_fault[] = [];
    const mtd = new mtd_faults(medium.chip(host, backing), faults);
    const rig = new Rig({ mtd, host, pageCacheBytes: 65_536 });
    return {
      rig,
      losesWrites: false,
      arm: (nth, lasting) => {
        faults.push({ call, nth: mtd.calls[call] + nth, lasting, code, stored: (nth % 3) * 512 });
      },
      calls: () => mtd.calls[call],
      clear: () => faults.splice(0),
      reopen: () => medium.chip(host, new RamBacking(backing.bytes)),
    };
  };

/** Memory is not to be had. */
const memoryFails =
  (medium: Medium) =>
  (seed: number): Bench => {
    const host = newHost(seed);
    const backing = blankBacking(medium);
    const mtd = medium.chip(host, backing);
    const rig = new Rig({ mtd, host, pageCacheBytes: 65_536 });
    const { slab } = rig.lump;
    let calls = 0;
    const maybe_fail = slab.maybe_fail.bind(slab);
    slab.maybe_fail = (name) => {
      calls++;
      maybe_fail(name);
    };
    return {
      rig,
      losesWrites: false,
      arm: (nth, lasting) => slab.fail_nth(Math.min(nth, 1e9), lasting),
      calls: () => calls,
      clear: () => slab.fail_nth(0),
      reopen: () => medium.chip(host, new RamBacking(backing.bytes)),
    };
  };

type Source = (seed: number) => Bench;

interface Run {
  errors: number;
  calls: number;
}

/** The workload with the nth call of a kind failing; then without faults, and after a remount. */
function run(source: Source, nth: number, lasting: boolean): Run {
  const bench = source(nth);
  const { rig } = bench;
  const { host } = rig;
  rig.settle();
  const before = bench.calls();
  bench.arm(nth, lasting);
  const expected = new Expected();
  const errors = work(rig, 5, expected);
  const calls = bench.calls() - before;
  rig.checkAccounting();
  bench.clear();
  expectContents(rig, expected);
  if (!lasting) {
    // It goes on.
    work(rig, 6, expected);
    expectContents(rig, expected);
  }
  rig.settle(50);
  if (lasting || bench.losesWrites) rig.checkAccounting();
  else rig.check();
  // What was in the write buffer is lost, and whoever syncs is told.
  const isLost = rig.c.wbuf?.failed ?? false;
  // Whoever closes what a write was lost on is told.
  const told = (close: () => void): void => {
    try {
      close();
    } catch (error) {
      expect((error as UkfsError).code).to.equal('EIO');
    }
  };
  told(() => rig.umount());
  if (rig.sb.s_active) rig.u.unmount(true);
  told(() => rig.mtd.close());
  const again = new Rig({ mtd: bench.reopen(), host });
  expectContents(again, isLost ? expected.ever : expected);
  again.check();
  again.umount();
  return { errors, calls };
}

function every(source: Source, lasting: boolean, samples: number, harmless = false): void {
  const { calls, errors: unprovoked } = run(source, Number.MAX_SAFE_INTEGER, false);
  const step = Math.max(1, Math.floor(calls / samples));
  let provoked = 0;
  let tried = 0;
  for (let nth = 1; nth <= calls; nth += step) {
    try {
      const { errors } = run(source, nth, lasting);
      if (errors > unprovoked) provoked++;
      tried++;
    } catch (error) {
      (error as Error).message =
        `call ${nth}${lasting ? ' and later' : ''}: ${(error as Error).message}`;
      throw error;
    }
  }
  expect(tried).to.be.at.least(Math.min(10, calls));
  if (lasting) expect(provoked).to.be.at.least(tried - 1);
  if (harmless) expect(provoked).to.equal(0);
}

describe('jffs2: the chip fails', () => {
  const samples = process.env.LUMP_FAULTS === 'all' ? Number.POSITIVE_INFINITY : 20;

  it('once, in any write', function () {
    this.timeout(0);
    every(hostFails('write'), false, samples);
  });

  it('from any write on', function () {
    this.timeout(0);
    every(hostFails('write'), true, samples);
  });

  it('once, in any read', function () {
    this.timeout(0);
    every(hostFails('read'), false, samples);
  });

  for (const medium of [CUT_MEDIA.nor, CUT_MEDIA.nand, CUT_MEDIA.nandLarge]) {
    it(`once, in any call of ${medium.name}`, function () {
      this.timeout(0);
      every(chipFails(medium, 'any', 'EIO'), false, samples);
    });

    it(`from any call of ${medium.name} on`, function () {
      this.timeout(0);
      every(chipFails(medium, 'any', 'EIO'), true, samples);
    });

    it(`memory, once and from then on, on ${medium.name}`, function () {
      this.timeout(0);
      every(memoryFails(medium), false, samples);
      every(memoryFails(medium), true, samples);
    });
  }

  it('with bits that were read wrong once, which harms nobody', function () {
    this.timeout(0);
    every(chipFails(CUT_MEDIA.nand, 'read', 'EBADMSG'), false, samples, true);
  });
});
