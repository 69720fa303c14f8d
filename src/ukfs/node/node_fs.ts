/**
 * node:fs on a file system of ours: Node's names, arguments, results and errors, in all three
 * forms. One table of operations ({@link ./forms.ts} says what they are) makes all of them.
 */
import { Blob, type Buffer } from 'node:buffer';
import type { Ukfs } from '../ukfs.js';
import { isFd, toFunction, toInteger, toOptions, toPath } from './arguments.js';
import { constants } from './constants.js';
import { contentOperations } from './content.js';
import { descriptorOperations } from './descriptors.js';
import { Dir, Dirent } from './dir.js';
import { invalidArgType, notImplemented } from './errors.js';
import { FileHandle, isChunks } from './file_handle.js';
import { callbackForm, promiseForm, syncForm, type Operations } from './forms.js';
import { pathOperations } from './paths.js';
import { BigIntStats, Stats } from './stats.js';
import { streamClasses, type StreamFunctions } from './streams.js';
import { treeOperations } from './trees.js';
import type { UkfsFs } from './types.js';
import { fileWatchers, watch } from './watch.js';

/** In node:fs/promises these are methods of a FileHandle. */
const ON_DESCRIPTORS = new Set([
  'close',
  'fchmod',
  'fchown',
  'fdatasync',
  'fstat',
  'fsync',
  'ftruncate',
  'futimes',
  'open',
  'read',
  'readv',
  'realpath',
  'realpathNative',
  'write',
  'writev',
]);

type Members = Record<string, unknown>;

/**
 * node:fs on a file system.
 * @param u whose credential, working directory and descriptors these are
 */
export function createFs(u: Ukfs): UkfsFs {
  const paths = pathOperations(u);
  const descriptors = descriptorOperations(u);
  const contents = contentOperations(u);
  const operations = { ...paths, ...descriptors, ...contents, ...treeOperations(u) };
  const fs: Members = {};
  for (const [name, operation] of Object.entries(operations as unknown as Operations)) {
    fs[name] = callbackForm(operation);
    fs[`${name}Sync`] = syncForm(operation);
  }
  for (const name of ['realpath', 'realpathSync']) {
    const native = name === 'realpath' ? 'realpathNative' : 'realpathNativeSync';
    Object.assign(fs[name] as object, { native: fs[native] });
    delete fs[native];
  }
  // Synchronous callers must say where to.
  const { readSync } = fs as { readSync: (...args: unknown[]) => unknown };
  fs.readSync = (fd: unknown, buffer: unknown, ...rest: unknown[]) => {
    if (!ArrayBuffer.isView(buffer)) {
      const expected = 'an instance of Buffer, TypedArray, or DataView';
      if (isFd(fd)) throw invalidArgType('buffer', expected, buffer);
    }
    return readSync(fd, buffer, ...rest);
  };
  // Whoever closes need not listen.
  const close = fs.close as (...args: unknown[]) => void;
  fs.close = (fd: unknown, callback: unknown = throwIfError) => close(fd, callback);
  const { ReadStream, WriteStream } = streamClasses(fs as unknown as StreamFunctions);
  const { existsSync, exists } = existence(u);
  Object.assign(fs, {
    existsSync,
    exists,
    ReadStream,
    WriteStream,
    FileReadStream: ReadStream,
    FileWriteStream: WriteStream,
    createReadStream: (path: string, options?: object) => new ReadStream(path, options as never),
    createWriteStream: (path: string, options?: object) => new WriteStream(path, options as never),
    openAsBlob: async (path: unknown, options: { type?: string } = {}) => {
      const read = promiseForm(contents.readFile as never);
      return new Blob([(await read(toPath(path))) as Buffer], options);
    },
    watch,
    ...fileWatchers(u),
    Stats,
    BigIntStats,
    Dirent,
    Dir,
    constants,
    F_OK: constants.F_OK,
    R_OK: constants.R_OK,
    W_OK: constants.W_OK,
    X_OK: constants.X_OK,
    // As on every system but macOS.
    lchmod: undefined,
    lchmodSync: undefined,
    promises: promises(operations as unknown as Operations, fs as unknown as StreamFunctions),
    ukfs: u,
    chdir: (path: unknown) => u.chdir(toPath(path, 'directory')),
    cwd: () => u.cwd(),
    umask(mask?: unknown): number {
      const before = u.cred.umask;
      if (mask !== undefined) u.cred = { ...u.cred, umask: toInteger(mask, 'mask', 0, 0o777) };
      return before;
    },
  });
  return fs as unknown as UkfsFs;
}

function throwIfError(error: unknown): void {
  if (error) throw error;
}

function existence(u: Ukfs) {
  const existsSync = (path: unknown): boolean => {
    try {
      return u.exists(toPath(path));
    } catch {
      return false;
    }
  };
  const exists = (path: unknown, callback: unknown): void => {
    const done = toFunction(callback);
    setImmediate(() => done(existsSync(path)));
  };
  const promisified = Symbol.for('nodejs.util.promisify.custom');
  Object.defineProperty(exists, promisified, {
    value: async (path: unknown) => existsSync(path),
  });
  return { existsSync, exists };
}

function promises(operations: Operations, streams: StreamFunctions): Members {
  const members: Members = {};
  for (const [name, operation] of Object.entries(operations)) {
    if (!ON_DESCRIPTORS.has(name)) members[name] = promiseForm(operation);
  }
  const openFd = promiseForm(operations.open!);
  const open = async (...args: unknown[]): Promise<FileHandle> => {
    const fd = (await openFd(...args)) as number;
    return new FileHandle(fd, operations as never, streams);
  };
  /** A handle stands for its file; a number does not. */
  const onFile = (name: 'readFile' | 'writeFile' | 'appendFile') => {
    const byPath = promiseForm(operations[name]!);
    return async (file: unknown, ...args: unknown[]): Promise<unknown> => {
      if (file instanceof FileHandle) {
        return (file[name] as (...args: unknown[]) => unknown)(...args);
      }
      return byPath(toPath(file), ...args);
    };
  };
  const byPathOnly = promiseForm(operations.truncate!);
  /** With data that comes in pieces, too. */
  const onData = (name: 'writeFile' | 'appendFile', letter: string) => {
    const whole = onFile(name);
    return async (file: unknown, data: unknown, options?: unknown): Promise<unknown> => {
      if (file instanceof FileHandle || !isChunks(data)) return whole(file, data, options);
      const { flag, mode = 0o666 } = toOptions(options);
      const handle = await open(file, flag ?? letter, mode);
      try {
        return await handle.writeFile(data, options);
      } finally {
        await handle.close();
      }
    };
  };
  return Object.assign(members, {
    open,
    readFile: onFile('readFile'),
    writeFile: onData('writeFile', 'w'),
    appendFile: onData('appendFile', 'a'),
    truncate: async (path: unknown, len?: unknown) => byPathOnly(toPath(path), len),
    realpath: promiseForm(operations.realpathNative!),
    async lchmod(): Promise<never> {
      throw notImplemented('lchmod()');
    },
    watch,
    constants,
  });
}
