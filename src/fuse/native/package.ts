/**
 * The npm package fuse-native 2.2: libfuse 2.9 behind callbacks, one native thread per request in
 * flight, all handlers on the main thread. What we use of it, in types, and how it is loaded: by
 * name, when it is asked for, since it is no dependency (installing it may want a compiler).
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { MountError } from '../transport.js';

/** Answers a request: 0 or more is success, a negated errno of the host is not. */
export type Done = (result: number) => void;

/** Numbers of struct stat, 32 bits but for size and blocks; what is missing is 0, of links 1. */
export interface Stat {
  readonly mode: number;
  readonly ino: number;
  readonly nlink?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly rdev?: number;
  readonly blksize?: number;
  readonly blocks?: number;
  /** Milliseconds since 1970. */
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

export interface Statfs {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly favail: number;
  readonly namemax: number;
}

/**
 * Handlers, with paths absolute below the mount point and decoded from UTF-8. A handler that is
 * missing is answered by libfuse.
 */
export interface Handlers {
  /** These two are only announced here; methods of {@link FuseInstance} serve them. */
  getxattr(): never;
  listxattr(): never;
  getattr(path: string, done: (result: number, stat?: Stat) => void): void;
  statfs(path: string, done: (result: number, statfs?: Statfs) => void): void;
  readdir(
    path: string,
    done: (result: number, names?: readonly string[], stats?: readonly Stat[]) => void,
  ): void;
  readlink(path: string, done: (result: number, target?: string) => void): void;
  truncate(path: string, size: number, done: Done): void;
  ftruncate(path: string, fh: number, size: number, done: Done): void;
  /** Milliseconds since 1970. The binding hands atime over twice. */
  utimens(path: string, atime: number, mtime: number, done: Done): void;
  /** An id that stays as it is, is 0xffffffff. */
  chown(path: string, uid: number, gid: number, done: Done): void;
  chmod(path: string, mode: number, done: Done): void;
  mknod(path: string, mode: number, rdev: number, done: Done): void;
  mkdir(path: string, mode: number, done: Done): void;
  /** `fh` above 0. */
  create(path: string, mode: number, done: (result: number, fh?: number) => void): void;
  open(path: string, flags: number, done: (result: number, fh?: number) => void): void;
  release(path: string, fh: number, done: Done): void;
  /** `buffer` is libfuse's own memory, gone when the request is answered. */
  read(path: string, fh: number, buffer: Buffer, length: number, offset: number, done: Done): void;
  write(path: string, fh: number, buffer: Buffer, length: number, offset: number, done: Done): void;
  /** In this order, whatever the package's documentation says. */
  fsync(path: string, dataOnly: number, fh: number, done: Done): void;
  fsyncdir(path: string, dataOnly: number, fh: number, done: Done): void;
  unlink(path: string, done: Done): void;
  rmdir(path: string, done: Done): void;
  rename(from: string, to: string, done: Done): void;
  link(from: string, to: string, done: Done): void;
  symlink(target: string, path: string, done: Done): void;
  /** `position` is 0 but on macOS; `value` is libfuse's own memory. */
  setxattr(
    path: string,
    name: string,
    value: Buffer,
    position: number,
    flags: number,
    done: Done,
  ): void;
  removexattr(path: string, name: string, done: Done): void;
}

/** Answers a request in the binding's own form: the result, then what it wants to have back. */
export type Signal = (result: number, payload: ArrayBufferLike) => void;

/** One mount. The underscored methods are the package's own; we override them. */
export interface FuseInstance {
  /** @param opened the first request, INIT, was answered, or there is an error. */
  mount(opened: (error: Error | null) => void): void;
  /** The text of libfuse's -o. */
  _fuseOptions(): string;
  _op_getxattr(signal: Signal, path: string, name: string, buffer: Buffer, position: number): void;
  _op_listxattr(signal: Signal, path: string, buffer: Buffer): void;
}

export type FuseClass = new (
  mountpoint: string,
  handlers: Handlers,
  options: { readonly timeout: false },
) => FuseInstance;

const OVERRIDDEN = ['_fuseOptions', '_op_getxattr', '_op_listxattr'] as const;
const PACKAGE = 'fuse-native';
/** glibc's; `os.constants.dlopen` leaves it out. */
const RTLD_NODELETE = 0x1000;

/** @throws MountError saying how to get the package. */
export function loadFuseNative(): FuseClass {
  const load = createRequire(import.meta.url);
  let folder: string;
  try {
    folder = dirname(load.resolve(`${PACKAGE}/package.json`));
  } catch {
    throw new MountError(
      'transport=fuse-native needs the package fuse-native, which is not installed; ' +
        'try "npm install --no-save --ignore-scripts fuse-native@2" where lump is',
    );
  }
  let Fuse: FuseClass;
  try {
    Fuse = loadWithItsLibrary(load, folder);
  } catch (error) {
    throw new MountError(`the package fuse-native cannot be loaded: ${(error as Error).message}`);
  }
  if (!OVERRIDDEN.every((name) => typeof Fuse.prototype[name] === 'function')) {
    throw new MountError('the package fuse-native is not the version 2.2 that is known here');
  }
  return Fuse;
}

/**
 * Its prebuilt binary wants a libfuse.so.2 on the system. The package brings one along but does not
 * tell the dynamic linker, and few systems still have their own: then ours to load first. It is no
 * addon, so process.dlopen() complains; NODELETE keeps it loaded all the same, and found by its
 * name.
 */
function loadWithItsLibrary(load: NodeJS.Require, folder: string): FuseClass {
  try {
    return load(PACKAGE) as FuseClass;
  } catch (error) {
    const library = join(folder, 'prebuilds', `${process.platform}-${process.arch}`, 'libfuse.so');
    if (!/libfuse\.so\.2/.test((error as Error).message) || !existsSync(library)) throw error;
    const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
    try {
      process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    } catch {
      // "Module did not self-register".
    }
    return load(PACKAGE) as FuseClass;
  }
}
