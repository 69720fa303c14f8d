/** The host's files, as far as Node has calls for them; the rest is host_native.ts. */
import * as fs from 'node:fs';
import { fromBytes, toBytes, type ByteText } from './bytes.js';
import { systemError, type SystemError } from './errors.js';
import { hostMode, isPlainName } from '../rumpuser/host_name.js';
import { HostNative } from './host_native.js';
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_TRUNC,
  O_WRONLY,
  S_IFMT,
  S_IFREG,
  join,
  type Extent,
  type FileStat,
  type NewTime,
  type Space,
  type Timespec,
  type Tree,
} from './tree.js';

const BLOCK_BYTES = 4096;
const IS_WINDOWS = process.platform === 'win32';

/** Linux's flags of open(2), which are ours, and the host's. The access mode is the same. */
const HOST_FLAGS: readonly (readonly [number, number | undefined])[] = [
  [O_CREAT, fs.constants.O_CREAT],
  [O_EXCL, fs.constants.O_EXCL],
  [O_TRUNC, fs.constants.O_TRUNC],
  [O_APPEND, fs.constants.O_APPEND],
  [O_NOFOLLOW, fs.constants.O_NOFOLLOW],
];

const hostFlags = (flags: number): number =>
  HOST_FLAGS.reduce(
    (all, [ours, its]) => ((flags & ours) === 0 ? all : all | (its ?? 0)),
    flags & O_ACCMODE,
  );

/** Names out of an image that are more than names on Windows are refused. @throws EINVAL */
function checkWindowsPath(path: ByteText): void {
  const isSound = path
    .replace(/^[a-z]:/i, '')
    .split('/')
    .every((name) => name === '' || name === '.' || name === '..' || isPlainName(name));
  if (!isSound) throw systemError('EINVAL');
}

export class HostTree implements Tree {
  readonly #native = new HostNative();
  readonly #root: ByteText | undefined;

  /** @param root a directory: paths are those below it, and what leads out of it is EXDEV. */
  constructor(root?: ByteText) {
    this.#root = root === undefined ? undefined : realpath(toBytes(root));
  }

  pathOf(words: ByteText): ByteText {
    return IS_WINDOWS ? words.replaceAll('\\', '/') : words;
  }

  /** The file of that name itself: a link at the end is not followed by who asks. */
  #at(path: ByteText): Buffer {
    if (IS_WINDOWS) checkWindowsPath(path);
    if (this.#root === undefined) return toBytes(path);
    const names: ByteText[] = [];
    for (const name of path.split('/')) {
      if (name === '..') names.pop();
      else if (name !== '' && name !== '.') names.push(name);
    }
    const last = names.pop();
    const folder = this.#inside(realpath(toBytes([this.#root, ...names].join('/'))));
    return toBytes(last === undefined ? folder : join(folder, last));
  }

  /** What a link at the end leads to. */
  #follow(path: ByteText): Buffer {
    const bytes = this.#at(path);
    if (this.#root === undefined || fs.lstatSync(bytes, { throwIfNoEntry: false }) === undefined) {
      return bytes;
    }
    return toBytes(this.#inside(realpath(bytes)));
  }

  #inside(path: ByteText): ByteText {
    if (path !== this.#root && !path.startsWith(join(this.#root!, ''))) throw systemError('EXDEV');
    return path;
  }

  lstat(path: ByteText): FileStat {
    return statOf(fs.lstatSync(this.#at(path), { bigint: true }));
  }
  stat(path: ByteText): FileStat {
    return statOf(fs.statSync(this.#follow(path), { bigint: true }));
  }
  readdir(path: ByteText): ByteText[] {
    return fs.readdirSync(this.#follow(path), { encoding: 'buffer' }).map(fromBytes);
  }
  readlink(path: ByteText): ByteText {
    return fromBytes(fs.readlinkSync(this.#at(path), { encoding: 'buffer' }));
  }
  mkdir(path: ByteText, mode: number): void {
    fs.mkdirSync(this.#at(path), { mode });
  }
  mknod(path: ByteText, mode: number, rdev: number): void {
    const isRegular = (mode & S_IFMT) === S_IFREG;
    if (isRegular) this.close(this.open(path, O_WRONLY | O_CREAT | O_EXCL, mode & 0o7777));
    else this.#native.mknod(fromBytes(this.#at(path)), mode, rdev);
  }
  symlink(target: ByteText, path: ByteText): void {
    fs.symlinkSync(toBytes(target), this.#at(path));
  }
  link(from: ByteText, to: ByteText): void {
    fs.linkSync(this.#at(from), this.#at(to));
  }
  unlink(path: ByteText): void {
    fs.unlinkSync(this.#at(path));
  }
  rmdir(path: ByteText): void {
    fs.rmdirSync(this.#at(path));
  }
  rename(from: ByteText, to: ByteText): void {
    fs.renameSync(this.#at(from), this.#at(to));
  }
  chmod(path: ByteText, mode: number): void {
    fs.chmodSync(this.#follow(path), mode & 0o7777);
  }
  chown(path: ByteText, uid: number, gid: number): void {
    fs.chownSync(this.#follow(path), uid, gid);
  }
  lchown(path: ByteText, uid: number, gid: number): void {
    fs.lchownSync(this.#at(path), uid, gid);
  }
  utimes(path: ByteText, atime: NewTime, mtime: NewTime): void {
    const [access, modification] = this.#times(() => this.stat(path), atime, mtime);
    fs.utimesSync(this.#follow(path), access, modification);
  }
  lutimes(path: ByteText, atime: NewTime, mtime: NewTime): void {
    const [access, modification] = this.#times(() => this.lstat(path), atime, mtime);
    fs.lutimesSync(this.#at(path), access, modification);
  }
  #times(statOf: () => FileStat, atime: NewTime, mtime: NewTime): [number, number] {
    const stat = atime === undefined || mtime === undefined ? statOf() : undefined;
    const now = Date.now() / 1000;
    const seconds = (time: NewTime, old: Timespec | undefined): number =>
      time === 'now' ? now : toSeconds(time ?? old!);
    return [seconds(atime, stat?.atime), seconds(mtime, stat?.mtime)];
  }
  chflags(): void {
    throw systemError('EOPNOTSUPP');
  }
  open(path: ByteText, flags: number, mode: number): number {
    const isItself = (flags & O_NOFOLLOW) !== 0 || (flags & O_EXCL) !== 0;
    return fs.openSync(isItself ? this.#at(path) : this.#follow(path), hostFlags(flags), mode);
  }
  close(fd: number): void {
    fs.closeSync(fd);
  }
  read(fd: number, buffer: Uint8Array, length: number, position: number | null): number {
    return fs.readSync(fd, buffer, 0, length, position);
  }
  write(fd: number, buffer: Uint8Array, length: number, position: number | null): void {
    for (let done = 0; done < length; ) {
      const at = position === null ? null : position + done;
      done += fs.writeSync(fd, buffer, done, length - done, at);
    }
  }
  fstat(fd: number): FileStat {
    return statOf(fs.fstatSync(fd, { bigint: true }));
  }
  ftruncate(fd: number, size: number): void {
    fs.ftruncateSync(fd, size);
  }

  fsync(fd: number): void {
    fs.fsyncSync(fd);
  }

  /** Node has no SEEK_HOLE: in a file with fewer blocks than bytes, blocks of zeros are holes. */
  *extents(fd: number): Iterable<Extent> {
    const { size, blocks } = this.fstat(fd);
    if (blocks * 512 >= size) {
      if (size > 0) yield { start: 0, end: size };
      return;
    }
    const buffer = Buffer.alloc(1 << 20);
    const zeros = Buffer.alloc(BLOCK_BYTES);
    let start = -1;
    for (let at = 0; at < size; ) {
      const count = this.read(fd, buffer, buffer.length, at);
      if (count === 0) break;
      for (let i = 0; i < count; i += BLOCK_BYTES) {
        const length = Math.min(BLOCK_BYTES, count - i);
        const isHole = buffer.compare(zeros, 0, length, i, i + length) === 0;
        if (!isHole && start < 0) start = at + i;
        if (isHole && start >= 0) {
          yield { start, end: at + i };
          start = -1;
        }
      }
      at += count;
    }
    if (start >= 0) yield { start, end: size };
  }

  xattrs(path: ByteText): ReadonlyMap<ByteText, Uint8Array> {
    return this.#native.xattrs(fromBytes(this.#at(path)));
  }
  setxattr(path: ByteText, name: ByteText, value: Uint8Array): void {
    this.#native.setxattr(fromBytes(this.#at(path)), name, value);
  }

  /** Reads the attributes of a whole tree at once; {@link xattrs} answers from it. */
  prefetchXattrs(top: ByteText): void {
    try {
      this.lstat(top);
      this.#native.prefetch(fromBytes(this.#at(top)));
    } catch {
      // What cannot be looked at has none; whoever copies it will say why.
    }
  }
  /** As setxattr, together with others at the next {@link flushXattrs}. */
  laterSetxattr(
    path: ByteText,
    name: ByteText,
    value: Uint8Array,
    failed: (error: SystemError) => void,
  ): void {
    this.#native.laterSetxattr(fromBytes(this.#at(path)), name, value, failed);
  }
  flushXattrs(): void {
    this.#native.flush();
  }

  space(path: ByteText): Space {
    const v = fs.statfsSync(this.#follow(path));
    return {
      type: `0x${v.type.toString(16)}`,
      blockBytes: v.bsize,
      blocks: v.blocks,
      free: v.bfree,
      available: v.bavail,
      files: v.files,
      filesFree: v.ffree,
    };
  }
}

function realpath(path: Buffer): ByteText {
  const real = fromBytes(fs.realpathSync.native(path, { encoding: 'buffer' }));
  return IS_WINDOWS ? real.replaceAll('\\', '/') : real;
}

const toSeconds = ({ sec, nsec }: Timespec): number => sec + nsec / 1e9;

const BILLION = 1_000_000_000n;

function timespec(ns: bigint): Timespec {
  const nsec = ((ns % BILLION) + BILLION) % BILLION;
  return { sec: Number((ns - nsec) / BILLION), nsec: Number(nsec) };
}

function statOf(stats: fs.BigIntStats): FileStat {
  return {
    dev: Number(stats.dev),
    ino: Number(stats.ino),
    mode: hostMode(Number(stats.mode)),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    rdev: Number(stats.rdev),
    size: Number(stats.size),
    blksize: Number(stats.blksize),
    blocks: Number(stats.blocks),
    atime: timespec(stats.atimeNs),
    mtime: timespec(stats.mtimeNs),
    ctime: timespec(stats.ctimeNs),
    birthtime: timespec(stats.birthtimeNs),
    flags: 0,
  };
}
