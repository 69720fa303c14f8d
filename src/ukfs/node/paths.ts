/** Operations on paths. Each checks its arguments, and answers what is to be done. */
import type { Buffer } from 'node:buffer';
import { UkfsError, type PathLike } from '../error.js';
import { O_CREAT, O_EXCL, O_RDWR, O_WRONLY } from '../flags.js';
import type { UkfsStats } from '../stats.js';
import type { Ukfs } from '../ukfs.js';
import {
  asBuffer,
  encoded,
  isFd,
  pathBytes,
  toFlags,
  toInteger,
  toMode,
  toObject,
  toOptions,
  toOwner,
  toPath,
  toSmallMode,
  toTime,
  toUint32,
  toView,
  asBytes,
} from './arguments.js';
import { invalidSymlinkType } from './errors.js';
import type { Run } from './forms.js';
import { realpath, realpathLexical } from './realpath.js';
import { BigIntStats, StatFs, Stats } from './stats.js';

const COPYFILE_EXCL = 1;
const COPYFILE_FICLONE_FORCE = 4;
const COPY_BYTES = 131072;
const TEMPORARY_TRIES = 100;

export function toStats(stats: UkfsStats, options: unknown): Stats | BigIntStats {
  const { bigint } = (options ?? {}) as { bigint?: boolean };
  return bigint === true ? new BigIntStats(stats) : new Stats(stats);
}

/** Without an entry undefined, if the caller likes that better. */
function statRun(stat: () => UkfsStats, options: unknown): Run {
  const isQuiet = (options as { throwIfNoEntry?: boolean } | undefined)?.throwIfNoEntry === false;
  return () => {
    try {
      return toStats(stat(), options);
    } catch (error) {
      const isMissing =
        error instanceof UkfsError && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
      if (isQuiet && isMissing) return undefined;
      throw error;
    }
  };
}

/** Errors of the calls inside become those of the call as a whole. */
export function asCall<T>(
  syscall: string,
  named: readonly [path: PathLike, dest?: PathLike],
  call: () => T,
): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof UkfsError) throw new UkfsError(error.code, syscall, ...named);
    throw error;
  }
}

export function copyFile(u: Ukfs, from: PathLike, to: PathLike, mode: number): void {
  asCall('copyfile', [from, to], () => {
    if ((mode & COPYFILE_FICLONE_FORCE) !== 0) throw new UkfsError('ENOTSUP', 'copyfile');
    const source = u.open(from, 'r');
    try {
      const stats = u.fstat(source);
      const isNew = !u.exists(to);
      const exclusive = (mode & COPYFILE_EXCL) !== 0 ? O_EXCL : 0;
      const target = u.open(to, O_WRONLY | O_CREAT | exclusive, stats.mode & 0o7777);
      try {
        if (stats.isDirectory()) throw new UkfsError('EISDIR', 'copyfile');
        if (u.fstat(target).ino === stats.ino) return;
        u.ftruncate(target, 0);
        u.fchmod(target, stats.mode & 0o7777);
        const buffer = new Uint8Array(Math.min(COPY_BYTES, Math.max(1, stats.size)));
        for (;;) {
          const count = u.read(source, buffer);
          if (count === 0) break;
          u.writeAll(target, buffer.subarray(0, count));
        }
      } catch (error) {
        if (isNew) u.unlink(to);
        throw error;
      } finally {
        u.close(target);
      }
    } finally {
      u.close(source);
    }
  });
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function temporaryName(prefix: Buffer): Buffer {
  let name = '';
  for (let n = 0; n < 6; n++) name += LETTERS[Math.floor(Math.random() * LETTERS.length)];
  return asBuffer(
    new Uint8Array([...prefix, ...name].map((c) => (typeof c === 'string' ? c.charCodeAt(0) : c))),
  );
}

function makeTemporary(u: Ukfs, prefix: PathLike): Buffer {
  const bytes = pathBytes(prefix);
  const named = typeof prefix === 'string' ? `${prefix}XXXXXX` : `${bytes.toString()}XXXXXX`;
  return asCall('mkdtemp', [named], () => {
    for (let tries = 1; ; tries++) {
      const path = temporaryName(bytes);
      try {
        u.mkdir(path, 0o700);
        return path;
      } catch (error) {
        const isTaken = error instanceof UkfsError && error.code === 'EEXIST';
        if (!isTaken || tries === TEMPORARY_TRIES) throw error;
      }
    }
  });
}

/** The attribute's name, text or bytes. */
const toAttribute = (name: unknown): PathLike => toPath(name, 'name');

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

const xattrOperations = (u: Ukfs, prefix: '' | 'l') => ({
  [`${prefix}getxattr`](path: unknown, name: unknown, options?: unknown) {
    const at = toPath(path);
    const attribute = toAttribute(name);
    const { encoding } = toOptions(options);
    return () => encoded(u.getxattr(at, attribute, prefix === ''), encoding ?? 'buffer');
  },
  [`${prefix}setxattr`](path: unknown, name: unknown, value: unknown, options?: unknown) {
    const at = toPath(path);
    const attribute = toAttribute(name);
    const bytes = typeof value === 'string' ? value : asBytes(toView(value, 'value'));
    const { create, replace } = toObject(options);
    const flags = (create ? XATTR_CREATE : 0) | (replace ? XATTR_REPLACE : 0);
    return () => u.setxattr(at, attribute, bytes, flags, prefix === '');
  },
  [`${prefix}removexattr`](path: unknown, name: unknown) {
    const at = toPath(path);
    const attribute = toAttribute(name);
    return () => u.removexattr(at, attribute, prefix === '');
  },
  [`${prefix}listxattr`](path: unknown, options?: unknown) {
    const at = toPath(path);
    const { encoding } = toOptions(options);
    return () => u.listxattrBytes(at, prefix === '').map((name) => encoded(name, encoding));
  },
});

export const pathOperations = (u: Ukfs) => ({
  access(path: unknown, mode?: unknown) {
    const at = toPath(path);
    const bits = toSmallMode(mode);
    return () => u.access(at, bits);
  },
  chmod(path: unknown, mode: unknown) {
    const at = toPath(path);
    const bits = toMode(mode);
    return () => u.chmod(at, bits);
  },
  chown(path: unknown, uid: unknown, gid: unknown) {
    const at = toPath(path);
    const owner = [toOwner(uid, 'uid'), toOwner(gid, 'gid')] as const;
    return () => u.chown(at, ...owner);
  },
  lchown(path: unknown, uid: unknown, gid: unknown) {
    const at = toPath(path);
    const owner = [toOwner(uid, 'uid'), toOwner(gid, 'gid')] as const;
    return () => u.lchown(at, ...owner);
  },
  copyFile(src: unknown, dest: unknown, mode?: unknown) {
    const from = toPath(src, 'src');
    const to = toPath(dest, 'dest');
    const bits = toSmallMode(mode);
    return () => copyFile(u, from, to, bits);
  },
  link(existingPath: unknown, newPath: unknown) {
    const from = toPath(existingPath, 'existingPath');
    const to = toPath(newPath, 'newPath');
    return () => u.link(from, to);
  },
  lstat(path: unknown, options?: unknown) {
    const at = toPath(path);
    return statRun(() => u.lstat(at), options);
  },
  lutimes(path: unknown, atime: unknown, mtime: unknown) {
    const at = toPath(path);
    const times = [toTime(atime), toTime(mtime)] as const;
    return () => u.lutimes(at, ...times);
  },
  mkdtemp(prefix: unknown, options?: unknown) {
    const { encoding } = toOptions(options);
    const start = toPath(prefix, 'prefix');
    return () => encoded(makeTemporary(u, start), encoding);
  },
  /** Not node:fs's: mode with its type bits, device number as makedev() makes it. */
  mknod(path: unknown, mode: unknown, dev?: unknown) {
    const at = toPath(path);
    const bits = toMode(mode);
    const device = dev === undefined ? 0 : toUint32(dev, 'dev');
    return () => u.mknod(at, bits, device);
  },
  open(path: unknown, flags?: unknown, mode?: unknown) {
    const at = toPath(path);
    const wanted = toFlags(flags);
    const bits = toMode(mode, 0o666);
    return () => u.open(at, wanted, bits);
  },
  readlink(path: unknown, options?: unknown) {
    const { encoding } = toOptions(options);
    const at = toPath(path, 'oldPath');
    return () => encoded(u.readlinkBytes(at), encoding);
  },
  realpath(path: unknown, options?: unknown) {
    const { encoding } = toOptions(options);
    // Node's makes text of anything.
    const isPath = path instanceof URL || path instanceof Uint8Array;
    const at = toPath(isPath ? path : String(path));
    return () => encoded(realpathLexical(u, at), encoding);
  },
  realpathNative(path: unknown, options?: unknown) {
    const { encoding } = toOptions(options);
    const at = toPath(path);
    return () => encoded(realpath(u, at), encoding);
  },
  rename(oldPath: unknown, newPath: unknown) {
    const from = toPath(oldPath, 'oldPath');
    const to = toPath(newPath, 'newPath');
    return () => u.rename(from, to);
  },
  stat(path: unknown, options?: unknown) {
    const at = toPath(path);
    return statRun(() => u.stat(at), options);
  },
  statfs(path: unknown, options?: unknown) {
    const at = toPath(path);
    const { bigint } = (options ?? {}) as { bigint?: boolean };
    return () => {
      const statvfs = u.statvfs(at);
      return bigint === true ? new StatFs(statvfs, BigInt) : new StatFs(statvfs, Number);
    };
  },
  symlink(target: unknown, path: unknown, type?: unknown) {
    if (
      type !== undefined &&
      type !== null &&
      !['dir', 'file', 'junction'].includes(type as string)
    ) {
      throw invalidSymlinkType(type);
    }
    const to = toPath(target, 'target');
    const at = toPath(path);
    return () => u.symlink(to, at);
  },
  truncate(path: unknown, len?: unknown) {
    const size = Math.max(0, len === undefined ? 0 : toInteger(len, 'len'));
    if (isFd(path)) return () => u.ftruncate(path, size);
    const at = toPath(path);
    return () => {
      const fd = u.open(at, O_RDWR);
      try {
        u.ftruncate(fd, size);
      } finally {
        u.close(fd);
      }
    };
  },
  unlink(path: unknown) {
    const at = toPath(path);
    return () => u.unlink(at);
  },
  utimes(path: unknown, atime: unknown, mtime: unknown) {
    const at = toPath(path);
    const times = [toTime(atime), toTime(mtime)] as const;
    return () => u.utimes(at, ...times);
  },
  ...xattrOperations(u, ''),
  ...xattrOperations(u, 'l'),
});
