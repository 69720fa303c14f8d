/**
 * Good images with lies in them: inspected, mounted, read, written, read again. LUMP_IMAGES=n tries
 * more, LUMP_FIRST=n starts at another seed, and LUMP_IMAGE=id (as a failure prints it) tries one
 * alone.
 */
import { expect } from 'chai';
import { Prng } from '../../src/rumpuser/prng.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { norChip } from '../jffs2/rig.js';
import { bases, ERASE_BYTES } from './bases.js';
import { exercise, type Outcome } from './exercise.js';
import { inspectAll } from './inspect_all.js';
import { Mutator } from './mutate.js';
import { nandBases, nandChip, spoiltCells, type NandBase } from './nand.js';

const COUNT = Number(process.env.LUMP_IMAGES ?? 1000);
const FIRST = Number(process.env.LUMP_FIRST ?? 0);

/** The inspector takes four times as long as all the rest: every fifth, or one alone. */
const INSPECTED_EVERY = process.env.LUMP_IMAGE === undefined ? 5 : 1;

type Kind = 'structure' | 'bytes' | 'nand';

/** How many of a hundred images are of each kind. */
const SHARES: Record<Kind, number> = { structure: 60, bytes: 20, nand: 20 };

const norOf = (host: SimulatedHost, image: Uint8Array): mtd_info =>
  norChip(host, image, ERASE_BYTES);

/** Runs one, and once more with stack traces (errors make most of the cost) if it fails. */
function run(kind: Kind, seed: number): Outcome {
  const { stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 0;
    return attempt(kind, seed);
  } catch {
    Error.stackTraceLimit = 30;
    return attempt(kind, seed);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function attempt(kind: Kind, seed: number): Outcome {
  const prng = new Prng(seed);
  const all = kind === 'nand' ? nandBases() : bases();
  const base = all[prng.below(all.length)]!;
  const mutator = new Mutator(base, prng);
  for (let n = 1 + prng.below([3, 3, 12, 60][prng.below(4)]!); n > 0; n--) {
    mutator.mutate(kind === 'bytes');
  }
  const id = `LUMP_IMAGE=${kind}:${seed}`;
  try {
    // By a row of its own, so that whether an image is inspected changes nothing of what follows.
    const choice = new Prng(seed);
    // What the inspector needs is told, or detected.
    const told = choice.below(2) === 0;
    const isInspected = seed % INSPECTED_EVERY === 0;
    const options = { erasesize: ERASE_BYTES, offset: 0, endian: base.order };
    if (kind !== 'nand') {
      if (isInspected) inspectAll(mutator.bytes, told ? options : {}, choice);
      return exercise(mutator.bytes, norOf, base.order, prng);
    }
    const { pages, order } = base as NandBase;
    const cells = spoiltCells(base as NandBase, mutator.bytes, prng);
    const nand = { writesize: pages.page, oobsize: pages.oob };
    if (isInspected) inspectAll(cells, told ? { ...options, nand } : {}, choice);
    return exercise(cells, (host, image) => nandChip(pages, host, image), order, prng);
  } catch (error) {
    const { name, message, stack } = error as Error;
    throw new Error(`${id} (${base.name}): ${name}: ${message}\n${stack}`);
  }
}

describe('jffs2 on hostile images', () => {
  const one = process.env.LUMP_IMAGE;
  if (one !== undefined) {
    it(`survives ${one}`, () => {
      const [kind, seed] = one.split(':');
      run(kind as Kind, Number(seed));
    });
    return;
  }

  it('reads, changes and reads again what the mutators start from', () => {
    for (const base of bases()) {
      const outcome = exercise(base.bytes.slice(), norOf, base.order, new Prng(1));
      expect(outcome.mountedReadWrite, base.name).to.equal(true);
      expect(outcome.entries, base.name).to.be.greaterThan(9);
    }
    for (const { pages, cells, name, order } of nandBases()) {
      const chip = (host: SimulatedHost, image: Uint8Array): mtd_info =>
        nandChip(pages, host, image);
      const outcome = exercise(cells.slice(), chip, order, new Prng(1));
      expect(outcome.mountedReadWrite, name).to.equal(true);
      expect(outcome.entries, name).to.be.greaterThan(9);
    }
  });

  for (const kind of ['structure', 'bytes', 'nand'] as const) {
    const count = Math.ceil((COUNT * SHARES[kind]) / 100);
    const what = kind === 'nand' ? 'of NAND with anything changed' : `with changed ${kind}`;
    it(`survives ${count} images ${what}`, function () {
      this.timeout(0);
      const failures: string[] = [];
      let mounted = 0;
      for (let seed = FIRST; seed < FIRST + count; seed++) {
        try {
          if (run(kind, seed).mountedReadWrite) mounted++;
        } catch (error) {
          failures.push((error as Error).message);
          if (failures.length >= 20) break;
        }
      }
      expect(failures, failures.join('\n')).to.have.lengthOf(0);
      // The lies must be small enough to get through the door.
      expect(mounted).to.be.greaterThan(count / 2);
    });
  }
});
