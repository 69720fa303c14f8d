/**
 * NetBSD's race tests. Calls here run to completion, so what raced there is an interleaving of
 * whole calls, drawn from seeds: many more of them than threads would meet, and each can be run
 * again. A call may fail with the errors that the race explains; the tree must be sound throughout.
 */
import { expect } from 'chai';
import { O_CREAT, O_EXCL, O_RDWR } from '../../src/ukfs/flags.js';
import { checkTree, names, random } from './expect.js';
import type { Case, Context } from './row.js';
import type { FsDriver } from './driver.js';

const STEPS = 400;
const EXPLAINED = ['ENOENT', 'EEXIST', 'ENOTEMPTY', 'EINVAL', 'ENOTDIR', 'EISDIR', 'EBUSY'];

type Step = (fs: FsDriver) => void;

function tolerate(fs: FsDriver, step: Step): void {
  try {
    step(fs);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    expect(EXPLAINED).to.include(code);
  }
}

const make =
  (path: string): Step =>
  (fs) =>
    fs.close(fs.open(path, O_RDWR | O_CREAT | O_EXCL, 0o666));

function interleave({ fs, m }: Context, seeds: readonly number[], steps: readonly Step[]): void {
  for (const seed of seeds) {
    const next = random(seed);
    for (let i = 0; i < STEPS; i++) tolerate(fs, steps[next(steps.length)]!);
    checkTree(fs);
    m.again();
    checkTree(fs);
  }
}

export const races: readonly Case[] = [
  {
    name: 't_renamerace: renamerace (seeds 1–3)',
    run(t) {
      interleave(
        t,
        [1, 2, 3],
        [
          make('rename.test1'),
          (fs) => fs.unlink('rename.test1'),
          (fs) => fs.rename('rename.test1', 'rename.test2'),
          (fs) => fs.unlink('rename.test2'),
        ],
      );
    },
  },
  {
    name: 't_renamerace: renamerace_dirs (seeds 4–6)',
    run(t) {
      interleave(
        t,
        [4, 5, 6],
        [
          (fs) => fs.mkdir('rename.test1'),
          (fs) => fs.rmdir('rename.test1'),
          (fs) => fs.rename('rename.test1', 'rename.test2'),
          (fs) => fs.mkdir('rename.test2'),
          (fs) => fs.rmdir('rename.test2'),
        ],
      );
    },
  },
  {
    name: 't_renamerace: renamerace_cycle (seeds 7–9)',
    run(t) {
      interleave(
        t,
        [7, 8, 9],
        [
          (fs) => fs.mkdir('a'),
          (fs) => fs.mkdir('a/b'),
          (fs) => fs.mkdir('a/b/c'),
          (fs) => fs.rmdir('a/b/c'),
          (fs) => fs.rmdir('a/b'),
          (fs) => fs.rmdir('a'),
          (fs) => fs.rename('a', 'a/b/c'),
          (fs) => fs.rename('a/b/c', 'a'),
          (fs) => fs.rename('a/b', 'a'),
          (fs) => fs.rename('a/b/c', 'a/b'),
          (fs) => fs.rename('a/b/c', 'c'),
          (fs) => fs.rename('c', 'a/b/c'),
          (fs) => fs.rename('a', 'c/a'),
          (fs) => fs.rename('c/a', 'a'),
        ],
      );
      // Nothing was lost in a ring of its own: what is left hangs below the root.
      for (const name of names(t.fs, '/')) expect(['a', 'c']).to.include(name);
    },
  },
  {
    name: 't_rmdirrace: race (seeds 10–12)',
    run(t) {
      interleave(
        t,
        [10, 11, 12],
        [
          (fs) => fs.mkdir('dir'),
          (fs) => fs.rmdir('dir'),
          make('dir/file'),
          (fs) => fs.unlink('dir/file'),
          (fs) => void fs.readdir('dir'),
        ],
      );
    },
  },
];
