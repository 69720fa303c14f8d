/** The tree of files in an image: the caller is its root. */
import type { Ukfs } from '../ukfs/index.js';
import { fromBytes, toBytes, type ByteText } from './bytes.js';
import { isSystemError } from './errors.js';
import type { Extent, FileStat, NewTime, Space, Timespec, Tree } from './tree.js';

export class ImageTree implements Tree {
  readonly ukfs: Ukfs;

  constructor(ukfs: Ukfs) {
    this.ukfs = ukfs;
  }

  pathOf(words: ByteText): ByteText {
    return words;
  }
  lstat(path: ByteText): FileStat {
    return this.ukfs.lstat(toBytes(path));
  }
  stat(path: ByteText): FileStat {
    return this.ukfs.stat(toBytes(path));
  }
  readdir(path: ByteText): ByteText[] {
    return this.ukfs.readdirTypes(toBytes(path)).map(({ bytes }) => fromBytes(bytes));
  }
  readlink(path: ByteText): ByteText {
    return fromBytes(this.ukfs.readlinkBytes(toBytes(path)));
  }
  mkdir(path: ByteText, mode: number): void {
    this.ukfs.mkdir(toBytes(path), mode);
  }
  mknod(path: ByteText, mode: number, rdev: number): void {
    this.ukfs.mknod(toBytes(path), mode, rdev);
  }
  symlink(target: ByteText, path: ByteText): void {
    this.ukfs.symlink(toBytes(target), toBytes(path));
  }
  link(from: ByteText, to: ByteText): void {
    this.ukfs.link(toBytes(from), toBytes(to));
  }
  unlink(path: ByteText): void {
    this.ukfs.unlink(toBytes(path));
  }
  rmdir(path: ByteText): void {
    this.ukfs.rmdir(toBytes(path));
  }
  rename(from: ByteText, to: ByteText): void {
    this.ukfs.rename(toBytes(from), toBytes(to));
  }
  chmod(path: ByteText, mode: number): void {
    this.ukfs.chmod(toBytes(path), mode);
  }
  chown(path: ByteText, uid: number, gid: number): void {
    this.ukfs.chown(toBytes(path), uid, gid);
  }
  lchown(path: ByteText, uid: number, gid: number): void {
    this.ukfs.lchown(toBytes(path), uid, gid);
  }
  utimes(path: ByteText, atime: NewTime, mtime: NewTime): void {
    if (atime === 'now' && mtime === 'now') this.ukfs.utimes(toBytes(path));
    else if (atime !== mtime || atime !== undefined) {
      this.ukfs.utimes(toBytes(path), timeOf(atime), timeOf(mtime));
    }
  }
  lutimes(path: ByteText, atime: NewTime, mtime: NewTime): void {
    if (atime === 'now' && mtime === 'now') this.ukfs.lutimes(toBytes(path));
    else if (atime !== mtime || atime !== undefined) {
      this.ukfs.lutimes(toBytes(path), timeOf(atime), timeOf(mtime));
    }
  }
  chflags(path: ByteText, flags: number, follow: boolean): void {
    this.ukfs.chflags(toBytes(path), flags, follow);
  }
  open(path: ByteText, flags: number, mode: number): number {
    return this.ukfs.open(toBytes(path), flags, mode);
  }
  close(fd: number): void {
    this.ukfs.close(fd);
  }
  read(fd: number, buffer: Uint8Array, length: number, position: number | null): number {
    return this.ukfs.read(fd, buffer, 0, length, position);
  }
  write(fd: number, buffer: Uint8Array, length: number, position: number | null): void {
    for (let done = 0; done < length; ) {
      const at = position === null ? null : position + done;
      done += this.ukfs.write(fd, buffer, done, length - done, at);
    }
  }
  fstat(fd: number): FileStat {
    return this.ukfs.fstat(fd);
  }
  ftruncate(fd: number, size: number): void {
    this.ukfs.ftruncate(fd, size);
  }

  fsync(fd: number): void {
    this.ukfs.fsync(fd);
  }

  *extents(fd: number): Iterable<Extent> {
    const { size } = this.ukfs.fstat(fd);
    for (let at = 0; at < size; ) {
      const start = this.#seek(fd, at, false) ?? size;
      if (start >= size) return;
      const end = Math.min(this.#seek(fd, start, true) ?? size, size);
      yield { start, end };
      at = end;
    }
  }

  /** ENXIO: there is none any more. */
  #seek(fd: number, from: number, hole: boolean): number | undefined {
    try {
      return this.ukfs.seekHole(fd, from, hole);
    } catch (error) {
      if (isSystemError(error) && error.code === 'ENXIO') return undefined;
      throw error;
    }
  }

  xattrs(path: ByteText): ReadonlyMap<ByteText, Uint8Array> {
    const bytes = toBytes(path);
    const found = new Map<ByteText, Uint8Array>();
    try {
      for (const name of this.ukfs.listxattr(bytes, false)) {
        found.set(Buffer.from(name).toString('latin1'), this.ukfs.getxattr(bytes, name, false));
      }
    } catch (error) {
      // A file system without them has none.
      if (!isSystemError(error) || !/^E(OPNOTSUPP|NOTSUP)$/.test(error.code)) throw error;
    }
    return found;
  }
  setxattr(path: ByteText, name: ByteText, value: Uint8Array): void {
    this.ukfs.setxattr(toBytes(path), toBytes(name).toString(), value, 0, false);
  }

  space(): Space {
    const v = this.ukfs.statvfs();
    return {
      type: v.f_fstypename,
      blockBytes: v.f_frsize,
      blocks: v.f_blocks,
      free: v.f_bfree,
      available: v.f_bavail,
      files: v.f_files,
      filesFree: v.f_ffree,
    };
  }
}

const timeOf = (time: NewTime): Timespec | Date | undefined => (time === 'now' ? new Date() : time);
