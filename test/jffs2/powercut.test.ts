/**
 * The power goes at any moment: what was synced is there, of what came after a beginning, and the
 * file system goes on working.
 *
 * A workload is recorded call by call, with the tree before and after each; then the flash is cut
 * off at many moments and mounted. LUMP_CUTS=n tries so many moments of each workload,
 * LUMP_CUTS=linear every operation of the flash with a few tears each, LUMP_CUTS=exhaustive every
 * byte; LUMP_CUT_POINTS=n goes on with further workloads until so many moments were tried;
 * LUMP_FIRST=n starts at another seed; LUMP_CUT=medium:seed:cut, as a failure prints it, tries one
 * moment alone.
 */
import { expect } from 'chai';
import type { CowBacking } from '../../src/mtd/cow_backing.js';
import { parse_fault, type cell_fault } from '../../src/mtd/fault.js';
import {
  cell_recorder,
  format_power_cut,
  parse_power_cut,
  power_cut_states,
  power_cuts,
  replay,
  type flash_op,
  type power_cut,
} from '../../src/mtd/recorder.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import { record, sameBut, sameTree, type Recording } from './cut_workload.js';
import { CUT_MEDIA, type CutMedium } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';
import { differenceOf, treeOf, type Tree } from './tree_of.js';

const CALLS = 400;
/** Moments per workload in the normal tier. */
const SAMPLES = 40;
/** Of so many moments one is followed by a second cut and by much work. */
const THOROUGH_EVERY = 8;

interface Workload {
  readonly name: CutMedium;
  readonly seed: number;
  readonly fault: string;
}

const format = ({ name, seed, fault }: Workload): string =>
  `${name}:${seed}${fault === '' ? '' : `@${fault}`}`;

let cached: { key: string; recording: Recording } | null = null;

function recordingOf(workload: Workload): Recording {
  const key = format(workload);
  if (cached?.key !== key) {
    const faults = workload.fault === '' ? [] : [parse_fault(workload.fault) as cell_fault];
    const medium = CUT_MEDIA[workload.name];
    cached = { key, recording: record(medium, workload.seed, CALLS, faults) };
  }
  return cached.recording;
}

/** The file system is fit for more: it writes, collects garbage, and has it all after a remount. */
function goesOn(rig: Rig, u: Ukfs): void {
  const expected = treeOf(u);
  try {
    for (let n = 0; n < 6; n++) {
      rig.host.advance(9);
      u.writeFile('/again', sampleBytes(1500, n));
    }
    u.unlink('/again');
  } catch (error) {
    expect((error as { code: string }).code).to.equal('ENOSPC');
    if (u.exists('/again')) u.unlink('/again');
  }
  rig.settle(40);
  rig.check();
  rig.remount();
  expect(differenceOf(treeOf(rig.u), expected), 'later').to.equal('');
  rig.check();
}

/** The same in short. */
function goesOnAWhile(rig: Rig, u: Ukfs): void {
  try {
    u.writeFile('/again', sampleBytes(300, 1));
    expect(u.readFile('/again').length).to.equal(300);
  } catch (error) {
    expect((error as { code: string }).code).to.equal('ENOSPC');
  }
  if (u.exists('/again')) u.unlink('/again');
  rig.settle(2);
  rig.check();
}

/** Mounts what the flash holds, with a recorder below the chip. */
function mountCut(
  { name, seed }: Workload,
  options: string,
  cut: power_cut,
  state: CowBacking,
): [Rig, cell_recorder] {
  const host = newHost(seed);
  host.advance(cut.op % 512);
  const cells = new cell_recorder(state);
  const mtd = CUT_MEDIA[name].chip(host, cells);
  return [new Rig({ mtd, host, options, seed, pageCacheBytes: 65536 }), cells];
}

/** Second cuts after which a full medium had no room for a deletion. */
let stuck = 0;
let seconds = 0;

function removeAgain({ u }: Rig): boolean {
  seconds++;
  if (!u.exists('/again')) return true;
  try {
    u.unlink('/again');
    return true;
  } catch (error) {
    expect((error as { code: string }).code).to.equal('ENOSPC');
    return false;
  }
}

/** The power goes again while what a cut has left is put in order, at each of these moments. */
function checkSecondCuts(
  workload: Workload,
  options: string,
  first: power_cut,
  base: CowBacking,
  ops: readonly flash_op[],
  cuts: readonly power_cut[],
  expected: Tree,
): void {
  for (const second of cuts) {
    const [rig] = mountCut(workload, options, second, replay(base, ops, second));
    const tree = treeOf(rig.u);
    if (!sameBut(tree, expected, ['/again'])) {
      const difference = differenceOf(tree, expected);
      throw new Error(`a second time, at ${format_power_cut(second)}:\n${difference}`);
    }
    if (removeAgain(rig)) {
      goesOn(rig, rig.u);
    } else {
      stuck++;
      const id = `${format(workload)}:${format_power_cut(first)}`;
      console.log(`      too full: LUMP_CUT=${id}, then ${format_power_cut(second)}`);
      rig.check();
      expect(differenceOf(treeOf(rig.u), tree)).to.equal('');
    }
    rig.umount();
  }
}

/** @param secondCuts how many second cuts to try. @returns moments tried. */
function checkCut(
  workload: Workload,
  { calls, options }: Recording,
  cut: power_cut,
  state: CowBacking,
  secondCuts: number,
): number {
  const base = state.fork();
  const [rig, { ops }] = mountCut(workload, options, cut, state);
  const tree = treeOf(rig.u);
  rig.check();
  const at = calls.findIndex(({ to }) => cut.op < to);
  const last = at < 0 ? calls.length - 1 : at;
  const first = at < 0 ? last : last === 0 ? 0 : calls[last - 1]!.durable;
  let found = sameTree(tree, calls[last]!.after);
  for (let n = last; n >= first && !found; n--) {
    found = sameTree(tree, calls[n]!.before) || calls[n]!.between(tree);
  }
  if (!found) {
    const names = calls.slice(first, last + 1).map(({ name }) => name);
    throw new Error(
      `none of what ${names.join(', ')} may leave; to what was before:\n` +
        `${differenceOf(tree, calls[first]!.before)}\nto what is after:\n` +
        `${differenceOf(tree, calls[last]!.after)}`,
    );
  }
  if (secondCuts === 0) {
    goesOnAWhile(rig, rig.u);
    rig.umount();
    return 1;
  }
  goesOn(rig, rig.u);
  rig.umount();
  const cuts = randomCuts(ops, secondCuts, workload.seed * 1_000_003 + cut.op * 1009 + cut.bytes);
  checkSecondCuts(workload, options, cut, base, ops, cuts, tree);
  return 1 + cuts.length;
}

/** @returns moments tried. */
function check(
  workload: Workload,
  cuts: Iterable<power_cut>,
  secondCuts: (n: number) => number,
): number {
  const recording = recordingOf(workload);
  let points = 0;
  let n = 0;
  for (const { cut, state } of power_cut_states(recording.base, recording.ops, cuts)) {
    try {
      points += checkCut(workload, recording, cut, state, secondCuts(n++));
    } catch (error) {
      const failed = error as Error;
      failed.message = `LUMP_CUT=${format(workload)}:${format_power_cut(cut)}: ${failed.message}`;
      throw failed;
    }
  }
  return points;
}

/** Any operation of [from, to), cut after any byte, with any bits of the next one, or anyhow. */
function randomCuts(
  ops: readonly flash_op[],
  count: number,
  seed: number,
  from = 0,
  to = ops.length,
): power_cut[] {
  const prng = new Prng(seed);
  const changing: number[] = [];
  for (let n = from; n < to; n++) if (op_bytes(ops[n]!) > 0) changing.push(n);
  if (changing.length === 0) return [];
  return Array.from({ length: count }, () => {
    const op = changing[prng.below(changing.length)]!;
    if (prng.below(4) === 0) return { op, bytes: 0, mask: 0, seed: prng.below(1000) };
    const length = op_bytes(ops[op]!);
    // The first bytes decide most: they are a header.
    const bytes = prng.below(prng.below(2) === 0 ? Math.min(length, 80) : length);
    return { op, bytes, mask: prng.below(2) === 0 ? 0 : prng.below(256) };
  }).sort((a, b) => a.op - b.op);
}

function op_bytes(op: flash_op): number {
  if (op.kind === 'sync') return 0;
  return op.kind === 'program' ? op.data.length : op.len;
}

const model = process.env.LUMP_CUTS ?? `${SAMPLES}`;
const pointsWanted = Number(process.env.LUMP_CUT_POINTS ?? 0);
const first = Number(process.env.LUMP_FIRST ?? 0);
const names = Object.keys(CUT_MEDIA) as CutMedium[];
let pointsTried = 0;

function modelCuts({ ops }: Recording, seed: number): Iterable<power_cut> {
  if (model === 'linear' || model === 'exhaustive') return power_cuts(ops, model);
  return randomCuts(ops, Number(model), seed);
}

/** Moments that once went wrong, also with a second cut behind them. */
const PAST = [
  // All free blocks were written to while others waited for being erased.
  'nand:1:344+264',
  // A summary was believed although the page that it ends in was torn.
  'nandLarge:7073@fail:144+12:146+2063',
  // A node whose header reached into the torn page was bad, and the one behind it believed.
  'nandLarge:30000003:30+1056',
  // A bit that ECC "corrected" in a torn page said that a node was obsolete.
  'nandLarge:30400052:27+1056',
  // The ECC that a page was too torn to have made its first node one of nobody.
  'nandLarge:30050003:6+1056',
  // An erase that was cut short brought back what was not believed before.
  'nandLarge:30050073@fail:51+59:61+1072/2a',
  // A page was torn while its nodes were recovered, without one that another had replaced.
  'nandLarge:30100073@fail:25+88:27+8/68',
  // The same, so that an entry named an inode that was not there.
  'nandLarge:30350073@fail:34+111:37~921',
];

/** @param id as a failure prints it. */
function checkOne(id: string): void {
  const match = /^(\w+):(\d+)(?:@(.+?:.+?))?:([^:]+)$/.exec(id);
  if (match === null) throw new Error(`LUMP_CUT=${id} is no moment`);
  const workload = { name: match[1] as CutMedium, seed: Number(match[2]), fault: match[3] ?? '' };
  pointsTried += check(workload, [parse_power_cut(match[4]!)!], () => 12);
}

const thorough = (n: number): number => (n % THOROUGH_EVERY === 0 ? 1 : 0);

describe('jffs2: the power goes', () => {
  const one = process.env.LUMP_CUT;
  if (one !== undefined) {
    it(`survives ${one}`, () => checkOne(one));
    return;
  }

  after(() => {
    console.log(
      `      ${pointsTried} moments at which the power went, ${seconds} of them the second in a ` +
        `row; after ${stuck} of these the medium was too full to delete from`,
    );
    expect(stuck).to.equal(0);
  });

  for (const id of PAST)
    it(`at a moment that once was too much, LUMP_CUT=${id}`, () => checkOne(id));

  for (const name of names) {
    it(`at any moment of a workload, on ${CUT_MEDIA[name].name}`, function () {
      this.timeout(0);
      // The tests behind this one try others.
      const wanted = pointsTried + (0.75 * pointsWanted) / names.length;
      let seed = first + names.indexOf(name);
      do {
        const workload = { name, seed, fault: '' };
        const recording = recordingOf(workload);
        // The workload is long enough to collect garbage; of further seeds some are less busy.
        const { blocks, recordBytes } = CUT_MEDIA[name];
        const erased = recording.ops.reduce(
          (sum, op) => sum + (op.kind === 'erase' ? op.len : 0),
          0,
        );
        const chosen = seed === names.indexOf(name);
        if (chosen) expect(erased, 'bytes erased').to.be.greaterThan(1.5 * blocks * recordBytes);
        pointsTried += check(workload, modelCuts(recording, seed), thorough);
        seed += names.length + 1;
      } while (pointsTried < wanted);
    });

    it(`and again in a rename or in garbage collection, on ${CUT_MEDIA[name].name}`, function () {
      this.timeout(0);
      const workload = { name, seed: first + names.indexOf(name) + 50, fault: '' };
      const { ops, calls } = recordingOf(workload);
      const chosen = calls.filter(
        (call) => /^(rename|background)/.test(call.name) && call.to > call.from,
      );
      expect(chosen.length).to.be.greaterThan(first === 0 ? 10 : 0);
      const [few, each] = pointsWanted > 0 ? [chosen.length, 12] : [6, 3];
      const step = Math.max(1, Math.floor(chosen.length / few));
      const cuts = chosen
        .filter((_, n) => n % step === 0)
        .flatMap(({ from, to }) => randomCuts(ops, 1, from, from, to));
      pointsTried += check(workload, cuts, () => each);
    });
  }

  const paged = names.filter((name) => CUT_MEDIA[name].recoversPages);
  for (const name of paged) {
    it(`while a page that failed is recovered, and again, on ${CUT_MEDIA[name].name}`, function () {
      this.timeout(0);
      const seed = first + names.indexOf(name) + 70;
      const { ops } = recordingOf({ name, seed, fault: '' });
      const failures = pointsWanted > 0 ? 40 : 4;
      const prng = new Prng(seed);
      for (let n = 0; n < failures; n++) {
        const op = prng.below(ops.length);
        if (ops[op]!.kind !== 'program') continue;
        const workload = { name, seed, fault: `fail:${op}+${prng.below(200)}` };
        const after = recordingOf(workload).ops;
        // What the recovery does comes right behind the failure.
        const end = Math.min(after.length, op + 12);
        const cuts = randomCuts(after, pointsWanted > 0 ? 40 : 6, n, op, end);
        pointsTried += check(workload, cuts, (cut) => (cut % 2 === 0 ? 3 : 0));
      }
    });
  }
});
