/** Walks trees, in the manner of fts(3): every file once, directories before and after. */
import type { ByteText } from './bytes.js';
import { isSystemError, systemError, type SystemError } from './errors.js';
import { isDirectory, isSameFile, isSymlink, join, type FileStat, type Tree } from './tree.js';

/** Which symbolic links are followed: none, those of the command line, or all. */
export type Follow = 'P' | 'H' | 'L';

export interface Visit {
  /** "leave": after what a directory holds. "error": see `error`; `stat` may be missing. */
  readonly kind: 'file' | 'enter' | 'leave' | 'error';
  readonly path: ByteText;
  /** The last component; of an operand, all of it. */
  readonly name: ByteText;
  /** 0 for an operand. */
  readonly level: number;
  readonly stat: FileStat;
  readonly error?: SystemError;
}

export interface TraverseOptions {
  readonly follow?: Follow;
  /** Names of a directory in this order. Default: as they are. */
  readonly compare?: (a: ByteText, b: ByteText) => number;
  /** Do not enter directories of other devices. */
  readonly sameDevice?: boolean;
}

/** By bytes, as strcmp(3). */
export const byName = (a: ByteText, b: ByteText): number => (a < b ? -1 : a > b ? 1 : 0);

interface Frame {
  readonly visit: Visit;
  readonly names: readonly ByteText[];
  next: number;
}

/**
 * Visits `operand` and what is below it. A directory that is entered may be skipped:
 * `generator.next(true)` after its "enter".
 */
export function* traverse(
  tree: Tree,
  operand: ByteText,
  { follow = 'P', compare, sameDevice = false }: TraverseOptions = {},
): Generator<Visit, void, boolean | undefined> {
  const stack: Frame[] = [];
  const visitOf = (path: ByteText, name: ByteText, level: number): Visit => {
    try {
      const follows = follow === 'L' || (follow === 'H' && level === 0);
      const stat = follows ? statOrLink(tree, path) : tree.lstat(path);
      return { kind: isDirectory(stat) ? 'enter' : 'file', path, name, level, stat };
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return { kind: 'error', path, name, level, stat: NO_STAT, error };
    }
  };
  const enter = function* (visit: Visit): Generator<Visit, void, boolean | undefined> {
    if (visit.kind === 'enter') {
      // A link followed, or a broken image, can lead back to where one is.
      if (stack.some(({ visit: above }) => isSameFile(above.stat, visit.stat))) {
        yield { ...visit, kind: 'error', error: systemError('ELOOP') };
        return;
      }
      const skip = yield visit;
      const isElsewhere =
        sameDevice && stack.length > 0 && visit.stat.dev !== stack[0]!.visit.stat.dev;
      let names: ByteText[] = [];
      if (skip !== true && !isElsewhere) {
        try {
          names = tree.readdir(visit.path);
        } catch (error) {
          if (!isSystemError(error)) throw error;
          yield { ...visit, kind: 'error', error };
        }
      }
      if (compare) names.sort(compare);
      stack.push({ visit, names, next: 0 });
    } else {
      yield visit;
    }
  };
  yield* enter(visitOf(operand, operand, 0));
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.next++];
    if (name === undefined) {
      stack.pop();
      yield { ...top.visit, kind: 'leave' };
    } else {
      yield* enter(visitOf(join(top.visit.path, name), name, stack.length));
    }
  }
}

/** A link that leads nowhere is itself. */
export function statOrLink(tree: Tree, path: ByteText): FileStat {
  try {
    return tree.stat(path);
  } catch (error) {
    if (isSystemError(error)) {
      const stat = tree.lstat(path);
      if (isSymlink(stat)) return stat;
    }
    throw error;
  }
}

const NOTHING = { sec: 0, nsec: 0 };
const NO_STAT: FileStat = {
  dev: 0,
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blksize: 0,
  blocks: 0,
  atime: NOTHING,
  mtime: NOTHING,
  ctime: NOTHING,
  birthtime: NOTHING,
  flags: 0,
};
