/** What stat answers: node:fs's fields, with the times also to the nanosecond. */
import {
  VBLK,
  VCHR,
  VDIR,
  VFIFO,
  VLNK,
  VNOVAL,
  VREG,
  VSOCK,
  vattr_mode,
  type vattr,
} from '../puffs/index.js';

/** Seconds and nanoseconds since 1970. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

/**
 * What stat tells, with node:fs's names: sizes in bytes, times in milliseconds since 1970,
 * `blocks` of 512 bytes.
 */
export class UkfsStats {
  readonly #type: number;
  readonly dev: number;
  readonly ino: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  /** 512-byte units. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  readonly birthtime: Timespec;
  /** BSD's file flags (chflags); 0 where there are none. */
  readonly flags: number;

  constructor(va: Readonly<vattr>) {
    this.#type = va.va_type;
    this.dev = va.va_fsid;
    this.ino = va.va_fileid;
    this.mode = vattr_mode(va);
    this.nlink = va.va_nlink;
    this.uid = va.va_uid;
    this.gid = va.va_gid;
    this.rdev = va.va_rdev;
    this.size = va.va_size;
    this.blksize = va.va_blocksize;
    this.blocks = Math.ceil(va.va_bytes / 512);
    this.atime = { sec: va.va_atime_sec, nsec: va.va_atime_nsec };
    this.mtime = { sec: va.va_mtime_sec, nsec: va.va_mtime_nsec };
    this.ctime = { sec: va.va_ctime_sec, nsec: va.va_ctime_nsec };
    // Where no birth time is kept, node:fs on Linux shows the change time.
    const isBirthKnown = va.va_birthtime_sec !== VNOVAL || va.va_birthtime_nsec !== VNOVAL;
    this.birthtime = isBirthKnown
      ? { sec: va.va_birthtime_sec, nsec: va.va_birthtime_nsec }
      : this.ctime;
    this.flags = va.va_flags === VNOVAL ? 0 : va.va_flags;
  }

  get atimeMs(): number {
    return milliseconds(this.atime);
  }
  get mtimeMs(): number {
    return milliseconds(this.mtime);
  }
  get ctimeMs(): number {
    return milliseconds(this.ctime);
  }
  get birthtimeMs(): number {
    return milliseconds(this.birthtime);
  }

  /** Is it a regular file? */
  isFile(): boolean {
    return this.#type === VREG;
  }
  /** Is it a directory? */
  isDirectory(): boolean {
    return this.#type === VDIR;
  }
  /** Is it a symbolic link? */
  isSymbolicLink(): boolean {
    return this.#type === VLNK;
  }
  /** Is it a fifo? */
  isFIFO(): boolean {
    return this.#type === VFIFO;
  }
  /** Is it a socket? */
  isSocket(): boolean {
    return this.#type === VSOCK;
  }
  /** Is it a block device? */
  isBlockDevice(): boolean {
    return this.#type === VBLK;
  }
  /** Is it a character device? */
  isCharacterDevice(): boolean {
    return this.#type === VCHR;
  }
}

const milliseconds = (time: Timespec): number => time.sec * 1000 + time.nsec / 1e6;
