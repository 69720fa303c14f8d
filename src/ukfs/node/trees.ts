/** Operations on directories and what is below them. */
import { Buffer } from 'node:buffer';
import { UkfsError, type PathLike } from '../error.js';
import type { Ukfs, UkfsDirent } from '../ukfs.js';
import {
  encoded,
  pathBytes,
  toBoolean,
  toInteger,
  toMode,
  toObject,
  toOptions,
  toPath,
  toUint32,
  type Encoding,
  type Options,
} from './arguments.js';
import { copyRun } from './copy.js';
import { childOf, Dir, toDirent, typeOf, type Dirent } from './dir.js';
import { Refusal } from './errors.js';
import { makeDirectories } from './directories.js';

const DT_DIR = 4;
const EISDIR = 21;

// ---- rm -----------------------------------------------------------------------------------------

/** What says that there is something in a directory. */
const NOT_EMPTY: readonly string[] = ['ENOTEMPTY', 'EEXIST', 'EPERM'];

/** Tries without looking, as Node does: "link/" and "." are refused, and nothing below them goes. */
export function removeTree(u: Ukfs, path: PathLike): void {
  try {
    u.rmdir(path);
    return;
  } catch (error) {
    if (!(error instanceof UkfsError) || !NOT_EMPTY.includes(error.code)) throw error;
  }
  for (const entry of u.readdirTypes(path)) {
    const child = childOf(path, entry);
    if (typeOf(u, path, entry) === DT_DIR) removeTree(u, child);
    else u.unlink(child);
  }
  u.rmdir(path);
}

interface RemoveOptions {
  readonly force: boolean;
  readonly recursive: boolean;
}

function toRemoveOptions(value: unknown): RemoveOptions {
  const { force = false, recursive = false, retryDelay = 100, maxRetries = 0 } = toObject(value);
  const options = {
    force: toBoolean(force, 'options.force'),
    recursive: toBoolean(recursive, 'options.recursive'),
  };
  // Nobody else holds anything busy here, so there is nothing to wait for.
  toInteger(retryDelay, 'options.retryDelay', 0, 2 ** 31 - 1);
  toUint32(maxRetries, 'options.maxRetries');
  return options;
}

function remove(u: Ukfs, path: PathLike, { force, recursive }: RemoveOptions): void {
  try {
    const stats = u.lstat(path);
    if (!stats.isDirectory()) u.unlink(path);
    else if (recursive) removeTree(u, path);
    else {
      throw new Refusal('ERR_FS_EISDIR', 'Path is a directory', {
        code: 'EISDIR',
        message: 'is a directory',
        path: pathBytes(path).toString(),
        syscall: 'rm',
        errno: EISDIR,
      });
    }
  } catch (error) {
    if (force && error instanceof UkfsError && error.code === 'ENOENT') return;
    throw error;
  }
}

// ---- readdir ------------------------------------------------------------------------------------

/** libuv sorts, by bytes. */
const sorted = (entries: UkfsDirent[]): UkfsDirent[] =>
  entries.sort((a, b) => Buffer.compare(a.bytes, b.bytes));

type Listing = (string | Buffer | Dirent)[];

function list(u: Ukfs, path: PathLike, options: Options): Listing {
  const { encoding, withFileTypes, recursive } = options;
  if (recursive) return listTree(u, path, encoding, withFileTypes === true);
  const entries = sorted(u.readdirTypes(path));
  return entries.map((entry) =>
    withFileTypes ? toDirent(u, path, entry, encoding) : encoded(entry.bytes, encoding),
  );
}

/** Level by level. Symbolic links are not followed, in either form. */
function listTree(
  u: Ukfs,
  top: PathLike,
  encoding: Encoding | null | undefined,
  withFileTypes: boolean,
): Listing {
  const found: Listing = [];
  const waiting: { path: PathLike; prefix: Buffer }[] = [{ path: top, prefix: Buffer.alloc(0) }];
  for (const { path, prefix } of waiting) {
    for (const entry of sorted(u.readdirTypes(path))) {
      const name = Buffer.concat([prefix, entry.bytes]);
      found.push(withFileTypes ? toDirent(u, path, entry, encoding) : encoded(name, encoding));
      if (typeOf(u, path, entry) !== DT_DIR) continue;
      waiting.push({
        path: childOf(path, entry),
        prefix: Buffer.concat([name, Buffer.from('/')]),
      });
    }
  }
  return found;
}

export const treeOperations = (u: Ukfs) => ({
  cp(src: unknown, dest: unknown, options?: unknown) {
    return copyRun(u, src, dest, options);
  },
  mkdir(path: unknown, options?: unknown) {
    const isModeAlone = typeof options === 'number' || typeof options === 'string';
    const given = isModeAlone ? { mode: options } : (options ?? {});
    const { recursive = false, mode } = given as Record<string, unknown>;
    const at = toPath(path);
    const bits = toMode(mode, 0o777);
    const isRecursive = toBoolean(recursive, 'options.recursive');
    return () => (isRecursive ? makeDirectories(u, at, bits) : u.mkdir(at, bits));
  },
  opendir(path: unknown, options?: unknown) {
    const at = toPath(path);
    const checked = Dir.options(toOptions(options));
    return () => new Dir(u, at, checked);
  },
  readdir(path: unknown, options?: unknown) {
    const checked = toOptions(options);
    const at = toPath(path);
    const { recursive } = checked;
    if (recursive !== undefined && recursive !== null) toBoolean(recursive, 'options.recursive');
    return () => list(u, at, checked);
  },
  rm(path: unknown, options?: unknown) {
    const at = toPath(path);
    const checked = toRemoveOptions(options);
    return () => remove(u, at, checked);
  },
  rmdir(path: unknown, options?: unknown) {
    const at = toPath(path);
    const { recursive } = toRemoveOptions(options);
    // Node's deprecated way to say rm.
    return () => (recursive && u.lstat(at).isDirectory() ? removeTree(u, at) : u.rmdir(at));
  },
});
