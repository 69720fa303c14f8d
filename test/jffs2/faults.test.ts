/**
 * The chip fails: the nth write of the host, for every n (a program, a cleanmarker or an erase,
 * whichever it is), once or from then on. What was answered with success is there afterwards, what
 * was answered with an error is there or not, and nothing else has changed.
 */
import { expect } from 'chai';
import { mtd_open_image } from '../../src/mtd/open.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { FallibleCall, SimulatedHost } from '../../src/rumpuser/simulated.js';
import { UkfsError } from '../../src/ukfs/error.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
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
type Expected = Map<string, (string | null)[]>;

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
      expect((error as UkfsError).code).to.be.oneOf(['EIO', 'ENOSPC', 'ENOENT', 'EEXIST']);
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

function expectContents(rig: Rig, expected: Expected): void {
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

interface Run {
  errors: number;
  calls: number;
}

/** The workload with the nth call of a kind failing; then without faults, and after a remount. */
function run(call: FallibleCall, nth: number, lasting: boolean): Run {
  const host = newHost(nth);
  const rig = new Rig({ mtd: open(host), host, pageCacheBytes: 65_536 });
  rig.settle();
  const before = host.calls.get(call) ?? 0;
  host.failNth({ call, nth, code: 'EIO', lasting });
  const expected: Expected = new Map();
  const errors = work(rig, 5, expected);
  const calls = (host.calls.get(call) ?? 0) - before;
  rig.check();
  host.clearFaults();
  expectContents(rig, expected);
  if (!lasting) {
    // It goes on.
    work(rig, 6, expected);
    expectContents(rig, expected);
  }
  rig.settle(50);
  rig.check();
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
  const again = new Rig({ mtd: open(host), host });
  expectContents(again, expected);
  again.check();
  again.umount();
  return { errors, calls };
}

function every(call: FallibleCall, lasting: boolean, samples: number): void {
  const { calls, errors: unprovoked } = run(call, Number.MAX_SAFE_INTEGER, false);
  const step = Math.max(1, Math.floor(calls / samples));
  let provoked = 0;
  let tried = 0;
  for (let nth = 1; nth <= calls; nth += step) {
    try {
      const { errors } = run(call, nth, lasting);
      if (errors > unprovoked) provoked++;
      tried++;
    } catch (error) {
      (error as Error).message =
        `${call} ${nth}${lasting ? ' and later' : ''}: ${(error as Error).message}`;
      throw error;
    }
  }
  expect(tried).to.be.at.least(Math.min(10, calls));
  if (lasting) expect(provoked).to.equal(tried);
}

describe('jffs2: the chip fails', () => {
  const samples = process.env.LUMP_FAULTS === 'all' ? Number.POSITIVE_INFINITY : 20;

  it('once, in any write', function () {
    this.timeout(0);
    every('write', false, samples);
  });

  it('from any write on', function () {
    this.timeout(0);
    every('write', true, samples);
  });

  it('once, in any read', function () {
    this.timeout(0);
    every('read', false, samples);
  });
});
