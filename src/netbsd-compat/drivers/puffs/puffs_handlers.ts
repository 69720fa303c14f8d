/**
 * Handlers in the shape of the npm package fuse-native: `operation(path, …, callback)`, where the
 * callback is told 0 or an errno, and then the answer. Here they are called in this process, and
 * have to call back before they return: everything below the waist is synchronous.
 *
 * Errnos are Linux's, negated (`Fuse.ENOENT`), as the package has them; null, undefined and 0 are
 * none. An Error with a `code` ("ENOENT") is understood, too.
 */
import { LINUX_ERRNO } from '../../../lump/errno.js';
import { KERN_ERR, ratelimit_state } from '../../../lump/printk.js';
import type { Lump } from '../../../lump/lump.js';
import { NETBSD_ERRNO, type NetbsdErrnoName } from '../../../puffs/errno.js';
import { NetbsdErrno } from '../../errno.js';

/** What a callback is told first: 0 or nothing, an errno below 0, or an Error with a code. */
export type HandlerError = number | null | undefined | Error;
/** The callback of a handler: an error, then the answer. */
export type Done<T extends readonly unknown[] = []> = (
  error: HandlerError,
  ...answer: Partial<T>
) => void;
/** A number of bytes, or an errno below 0. */
type DoneBytes = (bytesOrError: number) => void;

/** struct stat; `mode` has the type (S_IFDIR, …). What is missing is 0, of links 1. */
export interface HandlerStat {
  readonly mode: number;
  readonly size?: number;
  readonly nlink?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly ino?: number;
  readonly rdev?: number;
  readonly blksize?: number;
  /** Units of 512 bytes. */
  readonly blocks?: number;
  /** Dates, or milliseconds since 1970. */
  readonly atime?: Date | number;
  readonly mtime?: Date | number;
  readonly ctime?: Date | number;
}

/** struct statvfs; what is missing is 0. */
export interface HandlerStatfs {
  readonly bsize?: number;
  readonly frsize?: number;
  readonly blocks?: number;
  readonly bfree?: number;
  readonly bavail?: number;
  readonly files?: number;
  readonly ffree?: number;
  readonly favail?: number;
  readonly namemax?: number;
}

/**
 * What may be mounted. Paths are absolute, from the root of the mount, as text. `getattr` must be
 * there; what else is missing, the file system cannot do (ENOTSUP), but for open and release.
 */
export interface PuffsHandlers {
  /** Called once, when it is mounted. */
  init?(done: Done): void;
  /** stat of a path; of a symbolic link, the link itself. ENOENT: there is no such file. */
  getattr(path: string, done: Done<[HandlerStat]>): void;
  /** Of a file that is open, and may have lost its name. */
  fgetattr?(path: string, fd: number, done: Done<[HandlerStat]>): void;
  /** Space and files of the whole. */
  statfs?(path: string, done: Done<[HandlerStatfs]>): void;
  /** The names in a directory, "." and ".." or not; if told, their attributes. */
  readdir?(path: string, done: Done<[readonly string[], readonly HandlerStat[]]>): void;
  /** The target of a symbolic link. */
  readlink?(path: string, done: Done<[string]>): void;
  /** Opens: `flags` are O_RDONLY, O_WRONLY or O_RDWR; the answer is a number of the handler's. */
  open?(path: string, flags: number, done: Done<[number]>): void;
  /** The file that open answered with this number is closed. */
  release?(path: string, fd: number, done: Done): void;
  /** Reads up to `length` bytes at `position` into the buffer; 0 at the end. */
  read?(
    path: string,
    fd: number,
    buffer: Uint8Array,
    length: number,
    position: number,
    done: DoneBytes,
  ): void;
  /** Writes `length` bytes of the buffer at `position`. */
  write?(
    path: string,
    fd: number,
    buffer: Uint8Array,
    length: number,
    position: number,
    done: DoneBytes,
  ): void;
  /** Brings a file to stable storage; with `datasync` its data alone. */
  fsync?(path: string, fd: number, datasync: boolean, done: Done): void;
  /** Makes a regular file and opens it; the answer is a number, as of open. */
  create?(path: string, mode: number, done: Done<[number]>): void;
  /**
   * Makes a device, a FIFO or a socket: `mode` has the type, `dev` is the number in Linux's form.
   */
  mknod?(path: string, mode: number, dev: number, done: Done): void;
  /** Makes a directory. */
  mkdir?(path: string, mode: number, done: Done): void;
  /** Takes the name of a file away. */
  unlink?(path: string, done: Done): void;
  /** Takes an empty directory away. ENOTEMPTY: it is not. */
  rmdir?(path: string, done: Done): void;
  /** Gives a file another name; what has that one is replaced. */
  rename?(from: string, to: string, done: Done): void;
  /** Gives the file `from` the second name `to`. */
  link?(from: string, to: string, done: Done): void;
  /** Makes a symbolic link at `path`. */
  symlink?(target: string, path: string, done: Done): void;
  /** Cuts a file, or makes it longer with zeros: `size` bytes. */
  truncate?(path: string, size: number, done: Done): void;
  /** The same for an open file. */
  ftruncate?(path: string, fd: number, size: number, done: Done): void;
  /** Sets the permission bits. */
  chmod?(path: string, mode: number, done: Done): void;
  /** Sets owner and group; -1: leave it. */
  chown?(path: string, uid: number, gid: number, done: Done): void;
  /** Milliseconds since 1970. */
  utimens?(path: string, atime: number, mtime: number, done: Done): void;
}

/** Linux's names by number. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(LINUX_ERRNO).map(([name, number]) => [number, name]),
);

/** What a handler's error is here; a number that means nothing is EIO. */
function errno_of(error: number | Error): NetbsdErrno {
  const isNumber = typeof error === 'number';
  const name = isNumber ? NAMES.get(Math.abs(error)) : (error as { code?: string }).code;
  const code = name !== undefined && Object.hasOwn(NETBSD_ERRNO, name) ? name : 'EIO';
  return new NetbsdErrno(code as NetbsdErrnoName, isNumber ? undefined : error.message);
}

/** Calls handlers, and complains to who wrote them. */
export class handler_caller {
  private readonly lump: Lump;
  private readonly handlers: PuffsHandlers;
  private readonly complaints = new ratelimit_state();

  constructor(lump: Lump, handlers: PuffsHandlers) {
    this.lump = lump;
    this.handlers = handlers;
  }

  has(name: keyof PuffsHandlers): boolean {
    return typeof this.handlers[name] === 'function';
  }

  /** @returns what follows the errno @throws what the handler answers; EOPNOTSUPP, EIO. */
  call(name: keyof PuffsHandlers, ...words: readonly unknown[]): readonly unknown[] {
    const [error, ...answer] = this.answer_of(name, words);
    if (error === 0 || error === null || error === undefined) return answer;
    if (typeof error === 'number' || error instanceof Error) throw errno_of(error);
    throw this.eio(name, words, `called back with ${String(error)}, which is no errno`);
  }

  /** For read and write. @returns bytes, `most` of them at most */
  call_bytes(name: 'read' | 'write', most: number, ...words: readonly unknown[]): number {
    const [count] = this.answer_of(name, words);
    if (count instanceof Error || (typeof count === 'number' && count < 0)) throw errno_of(count);
    const bytes = count ?? 0;
    if (!Number.isInteger(bytes) || (bytes as number) > most) {
      throw this.eio(name, words, `called back with ${String(count)} bytes of ${most}`);
    }
    return bytes as number;
  }

  private answer_of(name: keyof PuffsHandlers, words: readonly unknown[]): readonly unknown[] {
    const handler = this.handlers[name] as ((...all: unknown[]) => unknown) | undefined;
    if (typeof handler !== 'function') throw new NetbsdErrno('EOPNOTSUPP', `no handler ${name}`);
    let answer: readonly unknown[] | null = null;
    const done = (...results: readonly unknown[]): void => {
      // The first one counts, as in the package.
      answer ??= results;
    };
    try {
      handler.call(this.handlers, ...words, done);
    } catch (error) {
      throw this.eio(name, words, `threw ${error instanceof Error ? error.stack : String(error)}`);
    }
    if (answer === null) {
      throw this.eio(
        name,
        words,
        'has not called back when it returned: handlers are called synchronously here, and cannot ' +
          'wait for promises, timers or files that are read asynchronously',
      );
    }
    return answer;
  }

  /** A mistake of the handler. */
  eio(name: string, [path]: readonly unknown[], what: string): NetbsdErrno {
    const text = `handler ${name}(${String(path ?? '')}) ${what}`;
    this.lump.printk_ratelimited(this.complaints, KERN_ERR, `puffs: ${text}`);
    return new NetbsdErrno('EIO', text);
  }
}
