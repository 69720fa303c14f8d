/**
 * A tree of files as the tools see it: that of an image, or the host's. Each call answers or throws
 * an error with a `code`, as the system call of its name; paths are bytes, see bytes.ts.
 */
import type { Timespec, UkfsStats } from '../ukfs/index.js';
import type { ByteText } from './bytes.js';
import { isSystemError } from './errors.js';

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export type { Timespec };

/** undefined: it stays as it is. */
export type NewTime = Timespec | 'now' | undefined;

/** Without the methods: the host's has the fields only. For `rdev` see {@link major}. */
export type FileStat = Pick<
  UkfsStats,
  | 'dev'
  | 'ino'
  | 'mode'
  | 'nlink'
  | 'uid'
  | 'gid'
  | 'rdev'
  | 'size'
  | 'blksize'
  | 'blocks'
  | 'atime'
  | 'mtime'
  | 'ctime'
  | 'birthtime'
  | 'flags'
>;

export interface Space {
  readonly type: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly filesFree: number;
}

/** A stretch of a file that holds data; between them are holes. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Flags of open(2), Linux's. */
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NOFOLLOW = 0o400000;

export interface Tree {
  /** The path that a user's words mean here: names with "/" between them. */
  pathOf(words: ByteText): ByteText;
  lstat(path: ByteText): FileStat;
  stat(path: ByteText): FileStat;
  /** Names without "." and "..", in the file system's order. */
  readdir(path: ByteText): ByteText[];
  readlink(path: ByteText): ByteText;
  mkdir(path: ByteText, mode: number): void;
  mknod(path: ByteText, mode: number, rdev: number): void;
  symlink(target: ByteText, path: ByteText): void;
  /** Does not follow a symbolic link at the end of `from`. */
  link(from: ByteText, to: ByteText): void;
  unlink(path: ByteText): void;
  rmdir(path: ByteText): void;
  rename(from: ByteText, to: ByteText): void;
  /** Follows symbolic links. */
  chmod(path: ByteText, mode: number): void;
  /** Follows symbolic links; −1 leaves an owner as it is. */
  chown(path: ByteText, uid: number, gid: number): void;
  lchown(path: ByteText, uid: number, gid: number): void;
  /** Follows symbolic links. */
  utimes(path: ByteText, atime: NewTime, mtime: NewTime): void;
  lutimes(path: ByteText, atime: NewTime, mtime: NewTime): void;
  chflags(path: ByteText, flags: number, follow: boolean): void;
  open(path: ByteText, flags: number, mode: number): number;
  close(fd: number): void;
  /** At `position`, or at the descriptor's own, which advances. @returns the bytes read. */
  read(fd: number, buffer: Uint8Array, length: number, position: number | null): number;
  /** All of `length` bytes. */
  write(fd: number, buffer: Uint8Array, length: number, position: number | null): void;
  fstat(fd: number): FileStat;
  ftruncate(fd: number, size: number): void;
  fsync(fd: number): void;
  /** Where the file has data. A tree that cannot tell answers one extent, or looks for zeros. */
  extents(fd: number): Iterable<Extent>;
  /** Extended attributes of the file itself, by Linux's names. */
  xattrs(path: ByteText): ReadonlyMap<ByteText, Uint8Array>;
  setxattr(path: ByteText, name: ByteText, value: Uint8Array): void;
  space(path: ByteText): Space;
}

export const typeOf = ({ mode }: { readonly mode: number }): number => mode & S_IFMT;
export const isDirectory = (stat: FileStat): boolean => typeOf(stat) === S_IFDIR;
export const isSymlink = (stat: FileStat): boolean => typeOf(stat) === S_IFLNK;
export const isDevice = (stat: FileStat): boolean =>
  typeOf(stat) === S_IFCHR || typeOf(stat) === S_IFBLK;

/** Both Linux and NetBSD: 12 bits of major, 20 of minor, the minor's upper 12 on top. */
export const major = (rdev: number): number => (rdev >>> 8) & 0xfff;
export const minor = (rdev: number): number => ((rdev >>> 12) & 0xfff00) | (rdev & 0xff);
export const makedev = (majorNumber: number, minorNumber: number): number =>
  (((majorNumber << 8) & 0xfff00) | ((minorNumber << 12) & 0xfff00000) | (minorNumber & 0xff)) >>>
  0;

/** As basename(3). */
export function basename(path: ByteText): ByteText {
  const stripped = path.replace(/\/+$/, '');
  if (stripped === '') return path === '' ? '.' : '/';
  return stripped.slice(stripped.lastIndexOf('/') + 1);
}

/** As dirname(3). */
export function dirname(path: ByteText): ByteText {
  const stripped = path.replace(/\/+$/, '');
  const slash = stripped.lastIndexOf('/');
  if (slash < 0) return stripped === '' && path !== '' ? '/' : '.';
  return stripped.slice(0, slash).replace(/\/+$/, '') || '/';
}

export const join = (directory: ByteText, name: ByteText): ByteText =>
  directory.endsWith('/') ? directory + name : `${directory}/${name}`;

/** Whether two stats are of one file. */
export const isSameFile = (a: FileStat, b: FileStat): boolean => a.dev === b.dev && a.ino === b.ino;

/** What a path names; undefined where there is nothing. */
export function lookup(tree: Tree, path: ByteText, follow = false): FileStat | undefined {
  try {
    return follow ? tree.stat(path) : tree.lstat(path);
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}
