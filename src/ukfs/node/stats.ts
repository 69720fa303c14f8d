/** What stat and statfs answer, with Node's fields, in numbers or BigInts. */
import type { puffs_statvfs } from '../../puffs/index.js';
import type { Timespec, UkfsStats } from '../stats.js';

const S_IFMT = 0o170000;

abstract class StatsBase<N extends number | bigint> {
  declare readonly dev: N;
  /** Type and permission bits. */
  declare readonly mode: N;
  declare readonly nlink: N;
  declare readonly uid: N;
  declare readonly gid: N;
  declare readonly rdev: N;
  declare readonly blksize: N;
  declare readonly ino: N;
  declare readonly size: N;
  /** 512-byte units. */
  declare readonly blocks: N;
  declare readonly atimeMs: N;
  declare readonly mtimeMs: N;
  declare readonly ctimeMs: N;
  declare readonly birthtimeMs: N;
  declare readonly atime: Date;
  declare readonly mtime: Date;
  declare readonly ctime: Date;
  declare readonly birthtime: Date;

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

const FIELDS = [
  'dev',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'blksize',
  'ino',
  'size',
  'blocks',
] as const;
const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

const toDate = (ms: number): Date => new Date(Math.round(ms));

export class Stats extends StatsBase<number> {
  constructor(stats: UkfsStats) {
    super();
    const own = this as Record<string, unknown>;
    for (const field of FIELDS) own[field] = stats[field];
    for (const time of TIMES) own[`${time}Ms`] = stats[`${time}Ms`];
    for (const time of TIMES) own[time] = toDate(stats[`${time}Ms`]);
  }
}

const toNs = ({ sec, nsec }: Timespec): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);

export class BigIntStats extends StatsBase<bigint> {
  declare readonly atimeNs: bigint;
  declare readonly mtimeNs: bigint;
  declare readonly ctimeNs: bigint;
  declare readonly birthtimeNs: bigint;

  constructor(stats: UkfsStats) {
    super();
    const own = this as Record<string, unknown>;
    for (const field of FIELDS) own[field] = BigInt(stats[field]);
    for (const time of TIMES) own[`${time}Ms`] = toNs(stats[time]) / 1_000_000n;
    for (const time of TIMES) own[`${time}Ns`] = toNs(stats[time]);
    for (const time of TIMES) own[time] = toDate(Number(toNs(stats[time]) / 1_000_000n));
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
