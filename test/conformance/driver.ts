/**
 * What a conformance case sees of a file system: Linux's system calls, synchronous, in node:fs's
 * words. Paths start at the root of the file system under test. Errors carry `code`.
 */

export type Path = string | Buffer;

export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export interface Stat {
  readonly ino: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** In the form that major() and minor() of src/puffs take apart. */
  readonly rdev: number;
  readonly size: number;
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
}

export interface Dirent {
  readonly name: string;
  /** DT_ number. */
  readonly type: number;
}

export interface Statvfs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

export const F_OK = 0;
export const X_OK = 1;
export const W_OK = 2;
export const R_OK = 4;

export interface FsDriver {
  /** `flags`: Linux's numbers, see src/ukfs/flags.ts. */
  open(path: Path, flags: number, mode?: number): number;
  close(fd: number): void;
  pread(fd: number, length: number, position: number): Buffer;
  /** Writes at the descriptor's own position when `position` is null. @returns bytes written. */
  pwrite(fd: number, bytes: Uint8Array, position: number | null): number;
  fstat(fd: number): Stat;
  ftruncate(fd: number, length: number): void;
  fchmod(fd: number, mode: number): void;
  fsync(fd: number): void;

  stat(path: Path): Stat;
  lstat(path: Path): Stat;
  access(path: Path, mode: number): void;
  mkdir(path: Path, mode?: number): void;
  rmdir(path: Path): void;
  unlink(path: Path): void;
  rename(from: Path, to: Path): void;
  link(from: Path, to: Path): void;
  symlink(target: Path, path: Path): void;
  readlink(path: Path): Buffer;
  mknod(path: Path, mode: number, rdev?: number): void;
  chmod(path: Path, mode: number): void;
  chown(path: Path, uid: number, gid: number): void;
  lchown(path: Path, uid: number, gid: number): void;
  /** Without times: "now". */
  utimes(path: Path, atime?: Timespec, mtime?: Timespec): void;
  truncate(path: Path, length: number): void;
  /** Without "." and "..". */
  readdir(path: Path): Dirent[];
  statvfs(): Statvfs;
}
