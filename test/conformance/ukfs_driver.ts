/** FsDriver over Ukfs. */
import type { Ukfs, UkfsStats } from '../../src/ukfs/index.js';
import type { Dirent, FsDriver, Path, Stat, Statvfs, Timespec } from './driver.js';

export class UkfsDriver implements FsDriver {
  ukfs: Ukfs;

  constructor(ukfs: Ukfs) {
    this.ukfs = ukfs;
  }

  open(path: Path, flags: number, mode = 0o666): number {
    return this.ukfs.open(path, flags, mode);
  }
  close(fd: number): void {
    this.ukfs.close(fd);
  }
  pread(fd: number, length: number, position: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, this.ukfs.read(fd, bytes, 0, length, position));
  }
  pwrite(fd: number, bytes: Uint8Array, position: number | null): number {
    return this.ukfs.write(fd, bytes, 0, bytes.length, position);
  }
  fstat(fd: number): Stat {
    return toStat(this.ukfs.fstat(fd));
  }
  ftruncate(fd: number, length: number): void {
    this.ukfs.ftruncate(fd, length);
  }
  fchmod(fd: number, mode: number): void {
    this.ukfs.fchmod(fd, mode);
  }
  fsync(fd: number): void {
    this.ukfs.fsync(fd);
  }

  stat(path: Path): Stat {
    return toStat(this.ukfs.stat(path));
  }
  lstat(path: Path): Stat {
    return toStat(this.ukfs.lstat(path));
  }
  access(path: Path, mode: number): void {
    this.ukfs.access(path, mode);
  }
  mkdir(path: Path, mode = 0o777): void {
    this.ukfs.mkdir(path, mode);
  }
  rmdir(path: Path): void {
    this.ukfs.rmdir(path);
  }
  unlink(path: Path): void {
    this.ukfs.unlink(path);
  }
  rename(from: Path, to: Path): void {
    this.ukfs.rename(from, to);
  }
  link(from: Path, to: Path): void {
    this.ukfs.link(from, to);
  }
  symlink(target: Path, path: Path): void {
    this.ukfs.symlink(target, path);
  }
  readlink(path: Path): Buffer {
    return Buffer.from(this.ukfs.readlinkBytes(path));
  }
  mknod(path: Path, mode: number, rdev = 0): void {
    this.ukfs.mknod(path, mode, rdev);
  }
  chmod(path: Path, mode: number): void {
    this.ukfs.chmod(path, mode);
  }
  chown(path: Path, uid: number, gid: number): void {
    this.ukfs.chown(path, uid, gid);
  }
  lchown(path: Path, uid: number, gid: number): void {
    this.ukfs.lchown(path, uid, gid);
  }
  utimes(path: Path, atime?: Timespec, mtime?: Timespec): void {
    this.ukfs.utimes(path, atime, mtime);
  }
  truncate(path: Path, length: number): void {
    this.ukfs.truncate(path, length);
  }
  readdir(path: Path): Dirent[] {
    return this.ukfs.readdirTypes(path).map(({ name, type }) => ({ name, type }));
  }
  statvfs(): Statvfs {
    const { f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree } = this.ukfs.statvfs();
    return {
      bsize: f_frsize,
      blocks: f_blocks,
      bfree: f_bfree,
      bavail: f_bavail,
      files: f_files,
      ffree: f_ffree,
    };
  }
}

function toStat(stats: UkfsStats): Stat {
  const { ino, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime } = stats;
  return { ino, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime };
}
