/**
 * FsDriver over node:fs below a directory of the host: the oracle, and the way in through a FUSE
 * mount.
 */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { major, minor } from '../../src/puffs/index.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  type Dirent,
  type FsDriver,
  type Path,
  type Stat,
  type Statvfs,
  type Timespec,
} from './driver.js';

/** Whose calls they are; switching needs a process that runs as root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export class NodeDriver implements FsDriver {
  readonly #root: string;
  readonly #user: User | null;

  constructor(root: string, user: User | null = null) {
    this.#root = root;
    this.#user = user;
  }

  open(path: Path, flags: number, mode = 0o666): number {
    return this.#call(() => fs.openSync(this.#at(path), flags, mode));
  }
  close(fd: number): void {
    fs.closeSync(fd);
  }
  pread(fd: number, length: number, position: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(
      0,
      this.#call(() => fs.readSync(fd, bytes, 0, length, position)),
    );
  }
  pwrite(fd: number, bytes: Uint8Array, position: number | null): number {
    return this.#call(() => fs.writeSync(fd, bytes, 0, bytes.length, position));
  }
  fstat(fd: number): Stat {
    return this.#call(() => toStat(fs.fstatSync(fd, { bigint: true })));
  }
  ftruncate(fd: number, length: number): void {
    this.#call(() => fs.ftruncateSync(fd, length));
  }
  fchmod(fd: number, mode: number): void {
    this.#call(() => fs.fchmodSync(fd, mode));
  }
  fsync(fd: number): void {
    this.#call(() => fs.fsyncSync(fd));
  }

  stat(path: Path): Stat {
    return this.#call(() => toStat(fs.statSync(this.#at(path), { bigint: true })));
  }
  lstat(path: Path): Stat {
    return this.#call(() => toStat(fs.lstatSync(this.#at(path), { bigint: true })));
  }
  access(path: Path, mode: number): void {
    this.#call(() => fs.accessSync(this.#at(path), mode));
  }
  mkdir(path: Path, mode = 0o777): void {
    this.#call(() => fs.mkdirSync(this.#at(path), mode));
  }
  rmdir(path: Path): void {
    this.#call(() => fs.rmdirSync(this.#at(path)));
  }
  unlink(path: Path): void {
    this.#call(() => fs.unlinkSync(this.#at(path)));
  }
  rename(from: Path, to: Path): void {
    this.#call(() => fs.renameSync(this.#at(from), this.#at(to)));
  }
  link(from: Path, to: Path): void {
    this.#call(() => fs.linkSync(this.#at(from), this.#at(to)));
  }
  symlink(target: Path, path: Path): void {
    this.#call(() => fs.symlinkSync(target, this.#at(path)));
  }
  readlink(path: Path): Buffer {
    return this.#call(() => fs.readlinkSync(this.#at(path), 'buffer'));
  }
  /** node:fs has no mknod(2): coreutils' is asked, its complaint read. */
  mknod(path: Path, mode: number, rdev = 0): void {
    const format = mode & S_IFMT;
    const letter = { [S_IFCHR]: 'c', [S_IFBLK]: 'b', [S_IFIFO]: 'p' }[format];
    if (letter === undefined) {
      throw Object.assign(new Error('mknod of this kind'), { code: 'ENOSYS' });
    }
    const numbers = letter === 'p' ? [] : [`${major(rdev)}`, `${minor(rdev)}`];
    const permissions = `-m${(mode & 0o7777).toString(8)}`;
    this.#coreutils('mknod', permissions, this.#at(path).toString(), letter, ...numbers);
  }
  chmod(path: Path, mode: number): void {
    this.#call(() => fs.chmodSync(this.#at(path), mode));
  }
  chown(path: Path, uid: number, gid: number): void {
    this.#call(() => fs.chownSync(this.#at(path), uid, gid));
  }
  lchown(path: Path, uid: number, gid: number): void {
    this.#call(() => fs.lchownSync(this.#at(path), uid, gid));
  }
  /** Exact to a microsecond: node:fs takes seconds as a floating-point number. */
  utimes(path: Path, atime?: Timespec, mtime?: Timespec): void {
    if (atime === undefined || mtime === undefined) {
      // node:fs cannot say UTIME_NOW.
      this.#coreutils('touch', '-c', this.#at(path).toString());
      return;
    }
    const seconds = ({ sec, nsec }: Timespec): number => sec + (nsec + 100) / 1e9;
    this.#call(() => fs.utimesSync(this.#at(path), seconds(atime), seconds(mtime)));
  }
  /** Not fs.truncateSync(), which opens the file for reading as well. */
  truncate(path: Path, length: number): void {
    const fd = this.open(path, fs.constants.O_WRONLY);
    try {
      this.ftruncate(fd, length);
    } finally {
      this.close(fd);
    }
  }
  readdir(path: Path): Dirent[] {
    return this.#call(() => fs.readdirSync(this.#at(path), { withFileTypes: true })).map(
      (entry) => ({ name: entry.name, type: typeOf(entry) }),
    );
  }
  statvfs(): Statvfs {
    const { bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(this.#root);
    return { bsize, blocks, bfree, bavail, files, ffree };
  }

  #at(path: Path): Path {
    const root = `${this.#root}/`;
    return typeof path === 'string' ? root + path : Buffer.concat([Buffer.from(root), path]);
  }

  #coreutils(program: string, ...args: string[]): void {
    try {
      this.#call(() =>
        execFileSync(program, args, {
          stdio: ['ignore', 'ignore', 'pipe'],
          env: { ...process.env, LC_ALL: 'C' },
        }),
      );
    } catch (error) {
      const complaint = String((error as { stderr?: Buffer }).stderr ?? error);
      const code = Object.entries(COMPLAINTS).find(([text]) => complaint.includes(text))?.[1];
      throw Object.assign(new Error(complaint), { code });
    }
  }

  /** Makes one call as the user. */
  #call<T>(call: () => T): T {
    if (this.#user === null) return call();
    const { uid, gid, groups } = this.#user;
    const previous = process.getgroups!();
    process.setgroups!([...groups]);
    process.setegid!(gid);
    process.seteuid!(uid);
    try {
      return call();
    } finally {
      process.seteuid!(0);
      process.setegid!(0);
      process.setgroups!(previous);
    }
  }
}

const COMPLAINTS: Readonly<Record<string, string>> = {
  'File exists': 'EEXIST',
  'Read-only file system': 'EROFS',
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'No such file or directory': 'ENOENT',
  'Not a directory': 'ENOTDIR',
};

function typeOf(entry: fs.Dirent): number {
  if (entry.isFile()) return 8;
  if (entry.isDirectory()) return 4;
  if (entry.isSymbolicLink()) return 10;
  if (entry.isFIFO()) return 1;
  if (entry.isCharacterDevice()) return 2;
  if (entry.isBlockDevice()) return 6;
  return entry.isSocket() ? 12 : 0;
}

function toStat(stats: fs.BigIntStats): Stat {
  const time = (ns: bigint): Timespec => {
    const nsec = Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
    return { sec: Number((ns - BigInt(nsec)) / 1_000_000_000n), nsec };
  };
  return {
    ino: Number(stats.ino),
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    rdev: Number(stats.rdev),
    size: Number(stats.size),
    blocks: Number(stats.blocks),
    atime: time(stats.atimeNs),
    mtime: time(stats.mtimeNs),
    ctime: time(stats.ctimeNs),
  };
}
