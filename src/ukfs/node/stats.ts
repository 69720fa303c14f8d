/** What stat and statfs answer, with Node's fields, in numbers or BigInts. */
import type { puffs_statvfs } from '../../puffs/index.js';
import type { Timespec, UkfsStats } from '../stats.js';

const S_IFMT = 0o170000;

abstract class StatsBase<N extends number | bigint> {
  declare dev: N;
  /** Type and permission bits. */
  declare mode: N;
  declare nlink: N;
  declare uid: N;
  declare gid: N;
  declare rdev: N;
  declare blksize: N;
  declare ino: N;
  declare size: N;
  /** 512-byte units. */
  declare blocks: N;
  declare atimeMs: N;
  declare mtimeMs: N;
  declare ctimeMs: N;
  declare birthtimeMs: N;
  declare atime: Date;
  declare mtime: Date;
  declare ctime: Date;
  declare birthtime: Date;

  isFile(): boolean {
    return this.#is(0o100000);
  }
  isDirectory(): boolean {
    return this.#is(0o040000);
  }
  isSymbolicLink(): boolean {
    return this.#is(0o120000);
  }
  isFIFO(): boolean {
    return this.#is(0o010000);
  }
  isSocket(): boolean {
    return this.#is(0o140000);
  }
  isBlockDevice(): boolean {
    return this.#is(0o060000);
  }
  isCharacterDevice(): boolean {
    return this.#is(0o020000);
  }

  #is(format: number): boolean {
    return (Number(this.mode) & S_IFMT) === format;
  }
}

const toDate = (ms: number): Date => new Date(Math.round(ms));

// Members are set one by one, in Node's order: objects that are made by a loop over names are slow
// to make and to read.
export class Stats extends StatsBase<number> {
  constructor(stats: UkfsStats) {
    super();
    this.dev = stats.dev;
    this.mode = stats.mode;
    this.nlink = stats.nlink;
    this.uid = stats.uid;
    this.gid = stats.gid;
    this.rdev = stats.rdev;
    this.blksize = stats.blksize;
    this.ino = stats.ino;
    this.size = stats.size;
    this.blocks = stats.blocks;
    this.atimeMs = stats.atimeMs;
    this.mtimeMs = stats.mtimeMs;
    this.ctimeMs = stats.ctimeMs;
    this.birthtimeMs = stats.birthtimeMs;
    this.atime = toDate(this.atimeMs);
    this.mtime = toDate(this.mtimeMs);
    this.ctime = toDate(this.ctimeMs);
    this.birthtime = toDate(this.birthtimeMs);
  }
}

const toNs = ({ sec, nsec }: Timespec): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);

const nsToMs = (ns: bigint): bigint => ns / 1_000_000n;

export class BigIntStats extends StatsBase<bigint> {
  declare atimeNs: bigint;
  declare mtimeNs: bigint;
  declare ctimeNs: bigint;
  declare birthtimeNs: bigint;

  constructor(stats: UkfsStats) {
    super();
    const atimeNs = toNs(stats.atime);
    const mtimeNs = toNs(stats.mtime);
    const ctimeNs = toNs(stats.ctime);
    const birthtimeNs = toNs(stats.birthtime);
    this.dev = BigInt(stats.dev);
    this.mode = BigInt(stats.mode);
    this.nlink = BigInt(stats.nlink);
    this.uid = BigInt(stats.uid);
    this.gid = BigInt(stats.gid);
    this.rdev = BigInt(stats.rdev);
    this.blksize = BigInt(stats.blksize);
    this.ino = BigInt(stats.ino);
    this.size = BigInt(stats.size);
    this.blocks = BigInt(stats.blocks);
    this.atimeMs = nsToMs(atimeNs);
    this.mtimeMs = nsToMs(mtimeNs);
    this.ctimeMs = nsToMs(ctimeNs);
    this.birthtimeMs = nsToMs(birthtimeNs);
    this.atimeNs = atimeNs;
    this.mtimeNs = mtimeNs;
    this.ctimeNs = ctimeNs;
    this.birthtimeNs = birthtimeNs;
    this.atime = toDate(Number(this.atimeMs));
    this.mtime = toDate(Number(this.mtimeMs));
    this.ctime = toDate(Number(this.ctimeMs));
    this.birthtime = toDate(Number(this.birthtimeMs));
  }
}

/** statfs's f_type: the magic numbers of statfs(2). */
const FSTYPE: Readonly<Record<string, number>> = { jffs2: 0x72b6, memfs: 0x01021994 };

export class StatFs<N extends number | bigint> {
  readonly type: N;
  readonly bsize: N;
  readonly blocks: N;
  readonly bfree: N;
  readonly bavail: N;
  readonly files: N;
  readonly ffree: N;

  constructor(statvfs: puffs_statvfs, convert: (value: number) => N) {
    this.type = convert(FSTYPE[statvfs.f_fstypename] ?? 0);
    this.bsize = convert(statvfs.f_bsize);
    this.blocks = convert(statvfs.f_blocks);
    this.bfree = convert(statvfs.f_bfree);
    this.bavail = convert(statvfs.f_bavail);
    this.files = convert(statvfs.f_files);
    this.ffree = convert(statvfs.f_ffree);
  }
}
