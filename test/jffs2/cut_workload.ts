/**
 * A workload for power cuts: calls of every kind on a small medium, long enough to collect garbage,
 * recorded operation by operation, with what may be found after each.
 */
import { expect } from 'chai';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import { faulty_cells, type cell_fault } from '../../src/mtd/fault.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { cell_recorder, type flash_op } from '../../src/mtd/recorder.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { Medium } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';
import { treeOf, type Tree } from './tree_of.js';

/** One call, and which trees may be found when it was interrupted. */
export interface Call {
  readonly name: string;
  readonly before: Tree;
  readonly after: Tree;
  /** Other trees that it passes through, by what they are. */
  readonly between: (tree: Tree) => boolean;
  /** Operations on the cells [from, to) belong to it. */
  readonly from: number;
  readonly to: number;
  /** Calls with a lower number cannot be undone any more when this one has ended. */
  readonly durable: number;
}

export interface Recording {
  readonly base: CowBacking;
  readonly ops: readonly flash_op[];
  readonly calls: readonly Call[];
  /** Mount options. */
  readonly options: string;
}

export function sameTree(a: Tree, b: Tree): boolean {
  if (a.size !== b.size) return false;
  for (const [path, line] of a) if (b.get(path) !== line) return false;
  return true;
}

/** All lines but those of these paths are alike. */
export function sameBut(a: Tree, b: Tree, paths: readonly string[]): boolean {
  const without = (tree: Tree): Tree => {
    const copy = new Map(tree);
    for (const path of paths) copy.delete(path);
    return copy;
  };
  return sameTree(without(a), without(b));
}

const never = (): boolean => false;
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

const OPTIONS = ['', 'endian=big,compr=none', 'nosummary', 'compr=none'];

/**
 * Runs the workload of a seed.
 * @param faults of the cells: programs that fail and have to be recovered from.
 */
export function record(
  medium: Medium,
  seed: number,
  count: number,
  faults: readonly cell_fault[] = [],
): Recording {
  const size = medium.blocks * medium.recordBytes;
  const base = new CowBacking(new RamBacking(size), medium.recordBytes);
  const host = newHost(seed);
  const recorder = new cell_recorder(base.fork());
  const chip = medium.chip(host, new faulty_cells(recorder, faults));
  const { ops } = recorder;
  const options = OPTIONS[seed % OPTIONS.length]!;
  const rig = new Rig({ mtd: chip, host, options, seed });
  const { u } = rig;
  const prng = new Prng(seed);
  const calls: Call[] = [];
  /** By inode number: the call that changed it last. */
  const changed = new Map<number, number>();
  let durable = 0;
  let before = treeOf(u);
  let from = 0;
  /** When the medium is full, the next so many calls make room. */
  let removals = 0;

  const call = (name: string, run: () => void, between: Call['between'] = never): void => {
    host.advance(prng.below(30));
    try {
      run();
    } catch (error) {
      // A panic says more by itself.
      if ((error as { code?: string }).code === undefined) throw error;
      expect((error as { code: string }).code, name).to.equal('ENOSPC');
      removals = 8;
    }
    // Nothing waits in a buffer: all of it is there.
    if (!rig.c.wbuf?.dirty) durable = calls.length + 1;
    const after = treeOf(u);
    calls.push({ name, before, after, between, from, to: ops.length, durable });
    before = after;
    from = ops.length;
  };
  /** The same for a call that changes a file that is there. */
  const change = (
    what: string,
    path: string,
    run: (path: string) => void,
    between?: Call['between'],
  ): void => {
    changed.set(u.lstat(path).ino, calls.length);
    call(`${what} ${path}`, () => run(path), between);
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

  for (let n = 0; n < count; n++) {
    const all = files();
    const plain = plainFiles();
    const path = fresh();
    const taken = before.has(path);
    const kind = prng.below(all.length < 4 ? 4 : 19);
    switch (removals-- > 0 ? 4 : kind) {
      case 0:
        if (!taken) call(`mkdir ${path}`, () => u.mkdir(path));
        break;
      case 1:
        if (!taken) call(`symlink ${path}`, () => u.symlink(`t${n}`, path));
        break;
      case 2:
      case 3:
        if (taken) break;
        call(`create ${path}`, () => u.close(u.open(path, 'wx')));
        if (before.has(path)) changed.set(u.stat(path).ino, calls.length - 1);
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
        const counts = [source, path, ...all.filter((other) => / ×/.test(old.get(other)!))];
        const between = (tree: Tree): boolean =>
          tree.has(source) && tree.has(path) && sameBut(tree, old, counts);
        changed.set(u.lstat(source).ino, calls.length);
        call(`rename ${source} ${path}`, () => u.rename(source, path), between);
        break;
      }
      case 6:
        if (!taken) change('link', pick(all), (file) => u.link(file, path));
        break;
      case 7: {
        const length = prng.below(3000);
        change('truncate', pick(plain.length > 0 ? plain : all), (file) =>
          u.truncate(file, length),
        );
        break;
      }
      case 8:
        change('setxattr', pick(all), (file) =>
          u.setxattr(file, `user.${pick(['x', 'y'])}`, `value ${n}`),
        );
        break;
      case 9: {
        const file = pick(all);
        const [name] = u.listxattr(file);
        if (name !== undefined) change('removexattr', file, () => u.removexattr(file, name));
        break;
      }
      case 10:
        change('chmod', pick(all), (file) => u.chmod(file, 0o600 + prng.below(64)));
        break;
      case 11:
        call('background', () => rig.settle(8));
        break;
      case 12: {
        const file = pick(all);
        const fd = u.open(file, 'r');
        call(`fsync ${file}`, () => u.fsync(fd));
        u.close(fd);
        // Whatever was written before what the file says is there, too.
        const last = changed.get(u.stat(file).ino) ?? -1;
        durable = Math.max(durable, last + 1);
        calls.push({ ...calls.pop()!, durable });
        break;
      }
      case 13:
        if (prng.below(4) === 0) call('sync', () => u.sync());
        break;
      default: {
        if (plain.length === 0) break;
        const file = pick(plain);
        const data = sampleBytes(1 + prng.below(prng.below(4) === 0 ? 5000 : 1500), prng.below(90));
        const { size: oldSize } = u.stat(file);
        const position = prng.below(2) === 0 ? oldSize : prng.below(oldSize + 300);
        const between = writtenInPart(before, file, position, Buffer.from(data).toString('latin1'));
        const fd = u.open(file, 'r+');
        change(
          `write of ${data.length} at ${position} to`,
          file,
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
  const last = calls.length;
  calls.push({
    name: 'umount',
    before,
    after: before,
    between: never,
    from,
    to: ops.length,
    durable: last + 1,
  });
  return { base, ops, calls, options };
}
