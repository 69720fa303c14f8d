/**
 * The power goes at any moment: what was done is there, what was under way is there or not, and the
 * file system goes on working.
 *
 * A workload is recorded call by call, with the tree before and after each; then the flash is cut
 * off at many moments and mounted. LUMP_CUTS=n tries so many moments of each workload,
 * LUMP_CUTS=linear every operation of the flash with a few tears each, LUMP_CUTS=exhaustive every
 * byte; LUMP_SEEDS=n more workloads; LUMP_CUT=seed:cut, as a failure prints it, one moment alone.
 */
import { expect } from 'chai';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import {
  format_power_cut,
  mtd_recorder,
  parse_power_cut,
  power_cut_states,
  power_cuts,
  replay,
  type flash_op,
  type power_cut,
} from '../../src/mtd/recorder.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import { newHost, Rig, sampleBytes } from './rig.js';
import { differenceOf, treeOf, type Tree } from './tree_of.js';

const ERASE_BYTES = 4096;
const BLOCKS = 12;
const CALLS = 500;
/** Moments per workload in the normal tier. */
const SAMPLES = 50;

/** One call, and which trees may be found when it was interrupted. */
interface Call {
  name: string;
  before: Tree;
  after: Tree;
  /** Other trees that it passes through, by what they are. */
  between: (tree: Tree) => boolean;
  /** Flash operations [from, to) belong to it. */
  from: number;
  to: number;
}

const never = (): boolean => false;

function same(a: Tree, b: Tree): boolean {
  if (a.size !== b.size) return false;
  for (const [path, line] of a) if (b.get(path) !== line) return false;
  return true;
}

/** All lines but those of these paths are alike. */
function sameBut(a: Tree, b: Tree, paths: readonly string[]): boolean {
  const without = (tree: Tree): Tree => {
    const copy = new Map(tree);
    for (const path of paths) copy.delete(path);
    return copy;
  };
  return same(without(a), without(b));
}

const SIZE_AND_CONTENT = / (\d+) ([\s\S]*)$/;

/**
 * A write is cut: a beginning of the data is there (behind zeros, if it started behind the end).
 * Only files without attributes and with one name are written to, so that the line is simple.
 */
function writtenInPart(
  before: Tree,
  path: string,
  position: number,
  data: string,
): (tree: Tree) => boolean {
  const [head] = before.get(path)!.split(SIZE_AND_CONTENT);
  const old = SIZE_AND_CONTENT.exec(before.get(path)!)![2]!;
  const grown = old.padEnd(position, '\0');
  return (tree) => {
    const line = tree.get(path);
    if (line === undefined || !sameBut(tree, before, [path])) return false;
    for (let length = 0; length <= data.length; length++) {
      const content =
        grown.slice(0, position) + data.slice(0, length) + grown.slice(position + length);
      if (line === `${head} ${content.length} ${content}`) return true;
    }
    return false;
  };
}

interface Recording {
  base: CowBacking;
  ops: readonly flash_op[];
  calls: Call[];
}

function record(seed: number): Recording {
  const base = new CowBacking(new RamBacking(BLOCKS * ERASE_BYTES), ERASE_BYTES);
  const host = newHost(seed);
  const chip = new nor_chip(host, base.fork(), { name: 'nor', erasesize: ERASE_BYTES });
  const recorder = new mtd_recorder(chip);
  const options = ['', 'endian=big', 'nosummary', 'compr=none'][seed % 4]!;
  const rig = new Rig({ mtd: recorder, host, options, seed });
  const { u } = rig;
  const prng = new Prng(seed);
  const calls: Call[] = [];
  let before = treeOf(u);
  let from = 0;
  /** When the medium is full, the next so many calls make room. */
  let removals = 0;

  const call = (name: string, run: () => void, between: Call['between'] = never): void => {
    host.advance(prng.below(30));
    try {
      run();
    } catch (error) {
      expect((error as { code: string }).code, name).to.equal('ENOSPC');
      removals = 8;
    }
    const after = treeOf(u);
    calls.push({ name, before, after, between, from, to: recorder.ops.length });
    before = after;
    from = recorder.ops.length;
  };
  call('mount', () => {});

  const files = (): string[] =>
    [...before].filter(([, line]) => line.startsWith('100')).map(([path]) => path);
  const plainFiles = (): string[] =>
    files().filter((path) => !/^\S+ \S+ ×| user\./.test(before.get(path)!));
  const directories = (): string[] =>
    [...before].filter(([, line]) => line.startsWith('40')).map(([path]) => path);
  const pick = <T>(list: readonly T[]): T => list[prng.below(list.length)]!;
  const fresh = (): string => {
    const dir = pick(directories());
    return `${dir === '/' ? '' : dir}/${pick(['a', 'b', 'c', 'd', 'e'])}${prng.below(4)}`;
  };

  for (let n = 0; n < CALLS; n++) {
    const all = files();
    const plain = plainFiles();
    const path = fresh();
    const taken = before.has(path);
    const kind = prng.below(all.length < 4 ? 4 : 18);
    switch (removals-- > 0 ? 4 : kind) {
      case 0:
        if (!taken) call(`mkdir ${path}`, () => u.mkdir(path));
        break;
      case 1:
        if (!taken) call(`symlink ${path}`, () => u.symlink(`t${n}`, path));
        break;
      case 2:
      case 3:
        if (!taken) call(`create ${path}`, () => u.close(u.open(path, 'wx')));
        break;
      case 4: {
        const victim = pick([...before.keys()].filter((other) => other !== '/'));
        if (victim === undefined) break;
        const isDirectory = directories().includes(victim);
        if (isDirectory && u.readdir(victim).length > 0) break;
        call(`remove ${victim}`, () => (isDirectory ? u.rmdir(victim) : u.unlink(victim)));
        break;
      }
      case 5: {
        const source = pick(all);
        if (source === path || directories().includes(path)) break;
        // Both names may be there: the new one is written first.
        const old = before;
        const counts = [source, path, ...all.filter((other) => linked(old, other))];
        const between = (tree: Tree): boolean =>
          tree.has(source) && tree.has(path) && sameBut(tree, old, counts);
        call(`rename ${source} ${path}`, () => u.rename(source, path), between);
        break;
      }
      case 6:
        if (!taken) call(`link ${path}`, () => u.link(pick(all), path));
        break;
      case 7: {
        const file = pick(plain.length > 0 ? plain : all);
        const size = prng.below(3000);
        call(`truncate ${file} ${size}`, () => u.truncate(file, size));
        break;
      }
      case 8: {
        const file = pick(all);
        call(`setxattr ${file}`, () => u.setxattr(file, `user.${pick(['x', 'y'])}`, `value ${n}`));
        break;
      }
      case 9: {
        const file = pick(all);
        const [name] = u.listxattr(file);
        if (name !== undefined) call(`removexattr ${file}`, () => u.removexattr(file, name));
        break;
      }
      case 10: {
        const file = pick(all);
        call(`chmod ${file}`, () => u.chmod(file, 0o600 + prng.below(64)));
        break;
      }
      case 11:
        call('background', () => rig.settle(8));
        break;
      case 12: {
        const fd = u.open(pick(all), 'r');
        call('fsync', () => u.fsync(fd));
        u.close(fd);
        break;
      }
      default: {
        if (plain.length === 0) break;
        const file = pick(plain);
        const data = sampleBytes(1 + prng.below(prng.below(4) === 0 ? 5000 : 1500), prng.below(90));
        const { size } = u.stat(file);
        const position = prng.below(2) === 0 ? size : prng.below(size + 300);
        const between = writtenInPart(before, file, position, Buffer.from(data).toString('latin1'));
        const fd = u.open(file, 'r+');
        call(
          `write ${file} ${data.length} at ${position}`,
          () => {
            u.write(fd, data, 0, data.length, position);
          },
          between,
        );
        u.close(fd);
      }
    }
  }
  // An open file that was removed keeps its blocks; nothing is open here.
  rig.umount();
  return { base, ops: recorder.ops, calls };
}

const linked = (tree: Tree, path: string): boolean => / ×/.test(tree.get(path)!);

const recordings = new Map<number, Recording>();

function recording(seed: number): Recording {
  let found = recordings.get(seed);
  if (!found) {
    found = record(seed);
    recordings.set(seed, found);
  }
  return found;
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

/** Mounts what the flash holds, with a recorder in front of it. */
function mountCut(seed: number, cut: power_cut, state: CowBacking): [Rig, mtd_recorder] {
  const host = newHost(seed);
  host.advance(cut.op % 512);
  const chip = new nor_chip(host, state, { name: 'nor', erasesize: ERASE_BYTES });
  const mtd = new mtd_recorder(chip);
  const options = ['', 'endian=big', 'nosummary', 'compr=none'][seed % 4]!;
  return [new Rig({ mtd, host, options, seed, pageCacheBytes: 65536 }), mtd];
}

/** The power goes again while what a cut has left is put in order. */
function checkSecondCut(
  seed: number,
  cut: power_cut,
  base: CowBacking,
  ops: readonly flash_op[],
  expected: Tree,
): void {
  const [second] = randomCuts(ops, 1, seed * 1_000_003 + cut.op * 1009 + cut.bytes);
  if (second === undefined) return;
  const [rig] = mountCut(seed, second, replay(base, ops, second));
  const tree = treeOf(rig.u);
  if (!sameBut(tree, expected, ['/again'])) {
    const difference = differenceOf(tree, expected);
    throw new Error(`a second time, at ${format_power_cut(second)}:\n${difference}`);
  }
  if (tree.has('/again')) rig.u.unlink('/again');
  goesOn(rig, rig.u);
  rig.umount();
}

function checkCut(seed: number, cut: power_cut, state: CowBacking, calls: readonly Call[]): void {
  const base = state.fork();
  const [rig, recorder] = mountCut(seed, cut, state);
  const tree = treeOf(rig.u);
  rig.check();
  const call = calls.find(({ to }) => cut.op < to) ?? calls[calls.length - 1]!;
  const { before, after, between, name } = call;
  if (!same(tree, before) && !same(tree, after) && !between(tree)) {
    const fromBefore = differenceOf(tree, before);
    throw new Error(`${name}:\n${fromBefore}\nor:\n${differenceOf(tree, after)}`);
  }
  goesOn(rig, rig.u);
  rig.umount();
  checkSecondCut(seed, cut, base, recorder.ops, tree);
}

function check(seed: number, cuts: Iterable<power_cut>): void {
  const { base, ops, calls } = recording(seed);
  for (const { cut, state } of power_cut_states(base, ops, cuts)) {
    try {
      checkCut(seed, cut, state, calls);
    } catch (error) {
      const failed = error as Error;
      failed.message = `LUMP_CUT=${seed}:${format_power_cut(cut)}: ${failed.message}`;
      throw failed;
    }
  }
}

/** Any operation, cut after any byte, with any bits of the next one. */
function randomCuts(ops: readonly flash_op[], count: number, seed: number): power_cut[] {
  const prng = new Prng(seed);
  const changing = ops.map((_, n) => n).filter((n) => ops[n]!.kind !== 'sync');
  if (changing.length === 0) return [];
  return Array.from({ length: count }, () => {
    const op = changing[prng.below(changing.length)]!;
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

describe('jffs2: the power goes', () => {
  const one = process.env.LUMP_CUT;
  if (one !== undefined) {
    it(`survives ${one}`, () => {
      const [seed, cut] = one.split(':') as [string, string];
      check(Number(seed), [parse_power_cut(cut)!]);
    });
    return;
  }

  const model = process.env.LUMP_CUTS ?? `${SAMPLES}`;
  const seeds = Number(process.env.LUMP_SEEDS ?? 4);
  for (let seed = 0; seed < seeds; seed++) {
    it(`at any moment of workload ${seed}`, function () {
      this.timeout(0);
      const { ops, calls } = recording(seed);
      // The workload is long enough to collect garbage.
      const erases = ops.filter((op) => op.kind === 'erase').length;
      expect(erases, 'erases').to.be.greaterThan(2 * BLOCKS);
      expect(calls.length).to.be.greaterThan(CALLS / 2);
      if (model === 'linear' || model === 'exhaustive') {
        check(seed, power_cuts(ops, model));
      } else {
        check(seed, randomCuts(ops, Number(model), seed));
      }
    });
  }
});
