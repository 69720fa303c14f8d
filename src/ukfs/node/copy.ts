/** cp(): one path or a tree to another place, with node:fs's refusals and its rules for links. */
import { posix } from 'node:path';
import { UkfsError, type PathLike } from '../error.js';
import type { UkfsStats } from '../stats.js';
import type { Ukfs } from '../ukfs.js';
import { pathBytes, toBoolean, toFunction, toObject, toPath, toSmallMode } from './arguments.js';
import { childOf } from './dir.js';
import { makeDirectories } from './directories.js';
import { invalidArgValue, Refusal } from './errors.js';
import type { Run } from './forms.js';
import { copyFile } from './paths.js';
import { realpath } from './realpath.js';

const EEXIST = 17;
const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;

interface CopyOptions {
  readonly dereference: boolean;
  readonly errorOnExist: boolean;
  readonly filter: ((src: string, dest: string) => unknown) | undefined;
  readonly force: boolean;
  readonly mode: number;
  readonly preserveTimestamps: boolean;
  readonly recursive: boolean;
  readonly verbatimSymlinks: boolean;
}

function toCopyOptions(value: unknown): CopyOptions {
  const given = toObject(value);
  const flag = (name: string, fallback = false): boolean =>
    toBoolean(given[name] ?? fallback, `options.${name}`);
  const options = {
    dereference: flag('dereference'),
    errorOnExist: flag('errorOnExist'),
    force: flag('force', true),
    preserveTimestamps: flag('preserveTimestamps'),
    recursive: flag('recursive'),
    verbatimSymlinks: flag('verbatimSymlinks'),
    mode: toSmallMode(given.mode),
    filter:
      given.filter === undefined
        ? undefined
        : (toFunction(given.filter, 'options.filter') as CopyOptions['filter']),
  };
  if (options.dereference && options.verbatimSymlinks) {
    throw invalidArgValue('options', value, 'cannot ask for dereference and verbatimSymlinks both');
  }
  return options;
}

const text = (path: PathLike): string => pathBytes(path).toString();

function refuse(
  code: string,
  what: string,
  name: string,
  errno: number,
  message: string,
  at: PathLike,
): never {
  throw new Refusal(code, what, { message, path: text(at), syscall: 'cp', errno, code: name });
}

const invalid = (message: string, at: PathLike): never =>
  refuse('ERR_FS_CP_EINVAL', 'Invalid src or dest', 'EINVAL', EINVAL, message, at);

const refuseNesting = (from: PathLike, to: PathLike): never =>
  invalid(`cannot copy ${text(from)} to a subdirectory of self ${text(to)}`, to);

export function copyRun(u: Ukfs, src: unknown, dest: unknown, options: unknown): Run {
  const checked = toCopyOptions(options);
  const from = toPath(src, 'src');
  const to = toPath(dest, 'dest');
  return () => new Copy(u, checked).top(from, to);
}

class Copy {
  readonly #u: Ukfs;
  readonly #options: CopyOptions;

  constructor(u: Ukfs, options: CopyOptions) {
    this.#u = u;
    this.#options = options;
  }

  *top(from: PathLike, to: PathLike): Generator<unknown, void, unknown> {
    const { source } = this.#checkPaths(from, to);
    this.#checkParents(from, source, to);
    const { filter } = this.#options;
    if (filter && !(yield filter(text(from), text(to)))) return;
    const parent = posix.dirname(text(to));
    if (!this.#u.exists(parent)) makeDirectories(this.#u, parent, 0o777);
    yield* this.#copy(from, to);
  }

  *#copy(from: PathLike, to: PathLike): Generator<unknown, void, unknown> {
    const { recursive } = this.#options;
    const { source, target } = this.#checkPaths(from, to);
    if (source.isDirectory() && !recursive) {
      const message = `${text(from)} is a directory (not copied)`;
      refuse('ERR_FS_EISDIR', 'Path is a directory', 'EISDIR', EISDIR, message, from);
    }
    if (source.isDirectory()) yield* this.#directory(source, from, target, to);
    else if (source.isSymbolicLink()) this.#link(from, target, to);
    else if (source.isSocket()) {
      const message = `cannot copy a socket file: ${text(to)}`;
      refuse('ERR_FS_CP_SOCKET', 'Cannot copy a socket file', 'EINVAL', EINVAL, message, to);
    } else if (source.isFIFO()) {
      const message = `cannot copy a FIFO pipe: ${text(to)}`;
      refuse('ERR_FS_CP_FIFO_PIPE', 'Cannot copy a FIFO pipe', 'EINVAL', EINVAL, message, to);
    } else this.#file(source, from, target, to);
  }

  *#directory(
    source: UkfsStats,
    from: PathLike,
    target: UkfsStats | null,
    to: PathLike,
  ): Generator<unknown, void, unknown> {
    const { filter } = this.#options;
    if (target === null) this.#u.mkdir(to);
    for (const entry of this.#u.readdirTypes(from)) {
      const childFrom = childOf(from, entry);
      const childTo = childOf(to, entry);
      if (filter && !(yield filter(text(childFrom), text(childTo)))) continue;
      yield* this.#copy(childFrom, childTo);
    }
    if (target === null) this.#u.chmod(to, source.mode);
  }

  #file(source: UkfsStats, from: PathLike, target: UkfsStats | null, to: PathLike): void {
    const { force, errorOnExist, mode, preserveTimestamps } = this.#options;
    if (target !== null) {
      if (!force) {
        if (!errorOnExist) return;
        const message = `${text(to)} already exists`;
        refuse('ERR_FS_CP_EEXIST', 'Target already exists', 'EEXIST', EEXIST, message, to);
      }
      this.#u.unlink(to);
    }
    copyFile(this.#u, from, to, mode);
    if (preserveTimestamps) this.#u.utimes(to, source.atime, source.mtime);
  }

  /** The target of a link is made absolute, unless it is to be kept verbatim. */
  #link(from: PathLike, target: UkfsStats | null, to: PathLike): void {
    const { verbatimSymlinks } = this.#options;
    const link = this.#u.readlinkBytes(from);
    const source = verbatimSymlinks ? link : this.#resolved(from, link);
    if (target === null) {
      this.#u.symlink(source, to);
      return;
    }
    if (target.isSymbolicLink()) {
      const old = this.#resolved(to, this.#u.readlinkBytes(to));
      if (isBelow(text(source), text(old))) {
        const message = `cannot copy ${text(source)} to a subdirectory of self ${text(old)}`;
        invalid(message, to);
      }
      const leadsToDirectory = this.#u.exists(to) && this.#u.stat(to).isDirectory();
      if (leadsToDirectory && isBelow(text(old), text(source))) {
        const what = 'Cannot overwrite symlink in subdirectory of self';
        const message = `cannot overwrite ${text(old)} with ${text(source)}`;
        refuse('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', what, 'EINVAL', EINVAL, message, to);
      }
      this.#u.unlink(to);
    }
    this.#u.symlink(source, to);
  }

  #resolved(link: PathLike, target: Uint8Array): Uint8Array {
    if (target[0] === 0x2f) return target;
    const directory = posix.dirname(pathBytes(link).toString('latin1'));
    const base = Buffer.from(this.#u.cwdBytes()).toString('latin1');
    const whole = posix.resolve(base, directory, Buffer.from(target).toString('latin1'));
    return Buffer.from(whole, 'latin1');
  }

  #checkPaths(from: PathLike, to: PathLike): { source: UkfsStats; target: UkfsStats | null } {
    const { dereference } = this.#options;
    const source = dereference ? this.#u.stat(from) : this.#u.lstat(from);
    const target = this.#find(to);
    if (target !== null) {
      if (target.ino === source.ino) invalid('src and dest cannot be the same', to);
      if (source.isDirectory() && !target.isDirectory()) {
        const message = `cannot overwrite non-directory ${text(to)} with directory ${text(from)}`;
        const what = 'Cannot overwrite non-directory with directory';
        refuse('ERR_FS_CP_DIR_TO_NON_DIR', what, 'EISDIR', EISDIR, message, to);
      }
      if (!source.isDirectory() && target.isDirectory()) {
        const message = `cannot overwrite directory ${text(to)} with non-directory ${text(from)}`;
        const what = 'Cannot overwrite directory with non-directory';
        refuse('ERR_FS_CP_NON_DIR_TO_DIR', what, 'ENOTDIR', ENOTDIR, message, to);
      }
    }
    if (source.isDirectory() && isBelow(this.#absolute(from), this.#absolute(to))) {
      refuseNesting(from, to);
    }
    return { source, target };
  }

  /**
   * A directory above the target that is the source, by whatever name. (Node does not see one that
   * a link on the way leads to, and copies ever deeper.)
   */
  #checkParents(from: PathLike, source: UkfsStats, to: PathLike): void {
    const end = posix.dirname(this.#absolute(from));
    for (
      let parent = posix.dirname(this.#absolute(to));
      parent !== end && parent !== posix.dirname(parent);
      parent = posix.dirname(parent)
    ) {
      if (!this.#u.exists(parent)) break;
      if (this.#u.stat(parent).ino === source.ino) refuseNesting(from, to);
    }
    if (!source.isDirectory()) return;
    let above = posix.dirname(this.#absolute(to));
    while (!this.#u.exists(above)) above = posix.dirname(above);
    if (isBelow(text(realpath(this.#u, from)), text(realpath(this.#u, above)))) {
      refuseNesting(from, to);
    }
  }

  #absolute(path: PathLike): string {
    return posix.resolve(this.#u.cwd(), text(path));
  }

  #find(path: PathLike): UkfsStats | null {
    try {
      return this.#options.dereference ? this.#u.stat(path) : this.#u.lstat(path);
    } catch (error) {
      if (error instanceof UkfsError && error.code === 'ENOENT') return null;
      throw error;
    }
  }
}

/** Is `path` the directory or something below it? Both absolute. */
function isBelow(directory: string, path: string): boolean {
  const names = path.split('/').filter(Boolean);
  return directory
    .split('/')
    .filter(Boolean)
    .every((name, n) => names[n] === name);
}
