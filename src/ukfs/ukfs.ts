/**
 * A file system as a library: paths and descriptors over the waist, in the manner of node:fs's
 * synchronous calls on Linux. Everything runs on the caller's stack; every failure is an
 * {@link UkfsError}, each method's codes being those of the system call of its name.
 *
 * Paths, attributes and the working directory are in {@link ./nodes.ts}.
 */
import {
  FREAD,
  FSYNC_DATAONLY,
  FSYNC_WAIT,
  FWRITE,
  IO_APPEND,
  IO_SYNC,
  MNT_FORCE,
  MNT_WAIT,
  NAMEI_CREATE,
  NETBSD_ERRNO as E,
  VDIR,
  VLNK,
  VREG,
  dirents_encode,
  nameToBytes,
  nameToText,
  stat_encode,
  vattr_new,
  type Abi,
  type AbiDirent,
  type ByteName,
  type Cookie,
  type puffs_cred,
  type puffs_newinfo,
  statvfs_new,
  type puffs_statvfs,
  type puffs_uio,
} from '../puffs/index.js';
import { check, UkfsError, type PathLike } from './error.js';
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOFOLLOW,
  O_TMPFILE,
  O_TRUNC,
  O_RDONLY,
  openFlags,
} from './flags.js';
import { UkfsNodes, followMode, newAttributes } from './nodes.js';
import type { UkfsStats } from './stats.js';
import { setTimes, type TimeLike } from './times.js';
import { NodeReference, type Walk } from './walk.js';

/** As on a host, where the first three belong to the terminal: some callers take 0 for "none". */
const FIRST_FD = 3;

/** A name in a directory. */
export class UkfsDirent {
  readonly #name: ByteName;
  #bytes: Uint8Array | null = null;
  /** Text of the name; `bytes` where the name is no UTF-8. */
  readonly name: string;
  readonly ino: number;
  /** DT_ number; 0 when the file system does not say. */
  readonly type: number;

  constructor(name: ByteName, ino: number, type: number) {
    this.#name = name;
    this.name = nameToText(name);
    this.ino = ino;
    this.type = type;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= nameToBytes(this.#name);
    return this.#bytes;
  }
}

/** A part of a directory. */
export interface UkfsEntries {
  readonly entries: UkfsDirent[];
  /** Where to go on. */
  readonly next: number;
  /** There are no more. */
  readonly eof: boolean;
}

interface OpenFile {
  readonly cookie: Cookie;
  readonly reference: NodeReference;
  /** FREAD | FWRITE: what the descriptor may do. */
  readonly access: number;
  /** What node_open was given, and node_close is: more than `access` when O_TRUNC asked to write. */
  readonly mode: number;
  readonly ioflag: number;
  position: number;
}

/**
 * A file system behind paths and descriptors. Names and order of arguments are node:fs's; every
 * call is done when it answers, and throws {@link UkfsError} with the code that Node would give.
 */
export class Ukfs extends UkfsNodes {
  readonly #files: (OpenFile | undefined)[] = [];

  // ---- whole files and trees --------------------------------------------------------------------

  /** The whole file. */
  readFile(path: PathLike, flag: string | number = O_RDONLY): Uint8Array {
    const fd = this.open(path, flag);
    try {
      return this.readRest(fd);
    } finally {
      this.close(fd);
    }
  }

  /** Everything from the descriptor's position on, which advances. */
  readRest(fd: number): Uint8Array {
    const file = this.#file(fd, 'read');
    const size = Math.max(0, this.fstat(fd).size - file.position);
    // Of an empty file, or a directory, one byte is asked for: its error is the answer.
    const bytes = new Uint8Array(Math.max(size, 1));
    let done = 0;
    while (done < bytes.length) {
      const count = this.read(fd, bytes, done, bytes.length - done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  /** Creates the file or empties it (unless `flag` says otherwise), and writes all. */
  writeFile(
    path: PathLike,
    data: string | Uint8Array,
    flag: string | number = 'w',
    mode = 0o666,
  ): void {
    const fd = this.open(path, flag, mode);
    try {
      this.writeAll(fd, typeof data === 'string' ? new TextEncoder().encode(data) : data);
    } finally {
      this.close(fd);
    }
  }

  /** Every byte at the descriptor's position, which advances, or the error that stopped it. */
  writeAll(fd: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += this.write(fd, bytes, done, bytes.length - done);
    }
  }

  /** Names without "." and "..", in the file system's order. */
  readdir(path: PathLike): string[] {
    return this.readdirTypes(path).map((entry) => entry.name);
  }

  /** All names but "." and "..", with their types. */
  readdirTypes(path: PathLike): UkfsDirent[] {
    const fd = this.openFor('scandir', path, O_RDONLY | O_DIRECTORY);
    try {
      return this.readEntries(fd, 0, Number.POSITIVE_INFINITY, path).entries;
    } finally {
      this.close(fd);
    }
  }

  /**
   * Entries of an open directory, without "." and "..".
   * @param offset 0, or `next` of the answer before
   * @param countMax how many at most
   * @param path for the error
   */
  readEntries(fd: number, offset: number, countMax: number, path?: PathLike): UkfsEntries {
    const { cookie } = this.#file(fd, 'scandir');
    const entries: UkfsDirent[] = [];
    const out = { eof: false };
    let next = offset;
    const emit = (name: ByteName, ino: number, type: number, after: number): boolean => {
      if (name !== '.' && name !== '..') {
        if (entries.length >= countMax) return false;
        entries.push(new UkfsDirent(name, ino, type));
      }
      next = after;
      return true;
    };
    for (let before = -1; !out.eof && entries.length < countMax && before !== next; ) {
      before = next;
      check(this.fs.node_readdir(cookie, next, this.cred, emit, out), 'scandir', path);
    }
    return { entries, next, eof: out.eof };
  }

  /** struct stat, in the bytes of NetBSD (LP64) or of Linux (x86-64). */
  statBytes(path: PathLike, abi: Abi, follow = true): Uint8Array {
    return this.onNode(path, followMode(follow), 'stat', (_node, { va }) => stat_encode(va, abi));
  }

  /** All records of a directory, "." and ".." first, as getdents(2) of NetBSD or Linux has them. */
  direntBytes(path: PathLike, abi: Abi): Uint8Array {
    const fd = this.openFor('scandir', path, O_RDONLY | O_DIRECTORY);
    try {
      const { cookie } = this.#file(fd, 'scandir');
      const entries: AbiDirent[] = [];
      const out = { eof: false };
      const emit = (name: ByteName, fileid: number, type: number, next: number): boolean => {
        entries.push({ name, fileid, type, next });
        return true;
      };
      for (let before = -1; !out.eof && before !== entries.length; ) {
        before = entries.length;
        const offset = entries.at(-1)?.next ?? 0;
        check(this.fs.node_readdir(cookie, offset, this.cred, emit, out), 'scandir', path);
      }
      return dirents_encode(entries, abi);
    } finally {
      this.close(fd);
    }
  }

  /** Every file below `top`, parents first; symbolic links are not followed. */
  *walk(top = '/'): Generator<{ readonly path: string; readonly stats: UkfsStats }> {
    for (const entry of this.readdirTypes(top)) {
      const path = `${top === '/' ? '' : top}/${entry.name}`;
      const stats = this.lstat(path);
      yield { path, stats };
      if (stats.isDirectory()) yield* this.walk(path);
    }
  }

  // ---- descriptors ------------------------------------------------------------------------------

  /** @returns a descriptor of this object; O_TMPFILE takes a directory's path. */
  open(path: PathLike, flags: string | number = 'r', mode = 0o666): number {
    return this.openFor('open', path, flags, mode);
  }

  /** open() as part of another call, which its errors then name. */
  openFor(syscall: string, path: PathLike, flags: string | number, mode = 0o666): number {
    const wanted = openFlags(flags);
    const isTmpfile = (wanted & O_TMPFILE) === O_TMPFILE;
    const creates = (wanted & O_CREAT) !== 0 && !isTmpfile;
    const isExclusive = creates && (wanted & O_EXCL) !== 0;
    const follow = !isExclusive && (wanted & O_NOFOLLOW) === 0;
    const creating = follow ? 'create' : 'parent';
    return this.onWalk(path, creates ? creating : followMode(follow), syscall, (walk) => {
      if (creates && walk.trailingSlash && walk.kind === 'name') check(E.EISDIR, syscall, path);
      if (creates && walk.lastError !== E.ENOENT) check(walk.lastError, syscall, path);
      if (isTmpfile) return this.#openTmpfile(walk, wanted, mode, path);
      if (creates && walk.node === null) return this.#create(walk, wanted, mode, path);
      if (walk.node === null) check(E.ENOENT, syscall, path);
      if (isExclusive) check(E.EEXIST, syscall, path);
      const type = walk.va.va_type;
      if (type === VLNK) check(E.ELOOP, syscall, path);
      if ((wanted & O_DIRECTORY) !== 0 && type !== VDIR) check(E.ENOTDIR, syscall, path);
      if (creates && type === VDIR) check(E.EISDIR, syscall, path);
      // No driver stands behind a device here, and no peer behind a fifo or socket.
      if (type !== VDIR && type !== VREG) check(E.ENXIO, syscall, path);
      const fd = this.#openNode(walk.node!, () => walk.takeNode(), wanted, this.cred, path);
      if ((wanted & O_TRUNC) !== 0 && type === VREG) this.#truncateOnOpen(fd, path);
      return fd;
    });
  }

  /** The descriptor is free again, even when this throws. */
  close(fd: number): void {
    const file = this.#file(fd, 'close');
    this.#files[fd - FIRST_FD] = undefined;
    const error = this.fs.node_close(file.cookie, file.mode, this.cred);
    file.reference.release();
    check(error, 'close');
  }

  /**
   * @param position where to read; null: at the descriptor's position, which advances.
   * @returns the bytes read, 0 at the end.
   */
  read(
    fd: number,
    buffer: Uint8Array,
    offset = 0,
    length = buffer.length - offset,
    position: number | null = null,
  ): number {
    const file = this.#file(fd, 'read');
    if ((file.access & FREAD) === 0) check(E.EBADF, 'read');
    const uio: puffs_uio = {
      buf: buffer,
      off: offset,
      resid: length,
      offset: position ?? file.position,
    };
    if (uio.offset < 0) check(E.EINVAL, 'read');
    const error = this.fs.node_read(file.cookie, uio, 0, this.cred);
    const done = length - uio.resid;
    if (done === 0) check(error, 'read');
    if (position === null) file.position += done;
    return done;
  }

  /** @returns the bytes written: fewer than asked for when the file system failed after some. */
  write(
    fd: number,
    buffer: Uint8Array,
    offset = 0,
    length = buffer.length - offset,
    position: number | null = null,
  ): number {
    const file = this.#file(fd, 'write');
    if ((file.access & FWRITE) === 0) check(E.EBADF, 'write');
    const uio: puffs_uio = {
      buf: buffer,
      off: offset,
      resid: length,
      offset: position ?? file.position,
    };
    if (uio.offset < 0) check(E.EINVAL, 'write');
    const error = this.fs.node_write(file.cookie, uio, file.ioflag, this.cred);
    const done = length - uio.resid;
    if (done === 0) check(error, 'write');
    // Writing nothing moves nothing, not even to the end.
    if (position === null && length > 0) {
      const isAppend = (file.ioflag & IO_APPEND) !== 0;
      file.position = isAppend ? this.fstat(fd).size : file.position + done;
    }
    return done;
  }

  /** stat, of an open file. */
  fstat(fd: number): UkfsStats {
    return this.getattr(this.#file(fd, 'fstat').cookie, 'fstat', undefined);
  }

  /** `mode`: permission bits, 07777. */
  fchmod(fd: number, mode: number): void {
    const va = vattr_new();
    va.va_mode = mode & 0o7777;
    check(this.fs.node_setattr(this.#file(fd, 'fchmod').cookie, va, this.cred), 'fchmod');
  }

  /** −1 leaves an owner as it is. */
  fchown(fd: number, uid: number, gid: number): void {
    const va = vattr_new();
    va.va_uid = uid;
    va.va_gid = gid;
    check(this.fs.node_setattr(this.#file(fd, 'fchown').cookie, va, this.cred), 'fchown');
  }

  /** As {@link Ukfs.utimes}. */
  futimes(fd: number, atime?: TimeLike, mtime?: TimeLike): void {
    const va = vattr_new();
    setTimes(va, atime, mtime);
    check(this.fs.node_setattr(this.#file(fd, 'futime').cookie, va, this.cred), 'futime');
  }

  /** To so many bytes; what is new reads as zeros. EINVAL: not open for writing. */
  ftruncate(fd: number, length = 0): void {
    const file = this.#file(fd, 'ftruncate');
    if ((file.access & FWRITE) === 0 || length < 0) check(E.EINVAL, 'ftruncate');
    this.setSize(file.cookie, length, 'ftruncate', undefined);
  }

  /** What was written is on stable storage when this answers. */
  fsync(fd: number): void {
    const { cookie } = this.#file(fd, 'fsync');
    check(this.fs.node_fsync(cookie, this.cred, FSYNC_WAIT, 0, 0), 'fsync');
  }

  /** The same without times and owners. */
  fdatasync(fd: number): void {
    const { cookie } = this.#file(fd, 'fdatasync');
    const flags = FSYNC_WAIT | FSYNC_DATAONLY;
    check(this.fs.node_fsync(cookie, this.cred, flags, 0, 0), 'fdatasync');
  }

  /** SEEK_DATA, or SEEK_HOLE with `hole`. @returns the offset; ENXIO when there is none. */
  seekHole(fd: number, offset: number, hole: boolean): number {
    const out = { value: 0 };
    const { cookie } = this.#file(fd, 'lseek');
    check(this.fs.node_seekhole(cookie, offset, hole, out), 'lseek');
    return out.value;
  }

  // ---- the file system --------------------------------------------------------------------------

  /** Space and limits. @param path any path of the file system, which must exist. */
  statvfs(path?: PathLike): puffs_statvfs {
    if (path !== undefined) this.onNode(path, 'follow', 'statfs', () => {});
    const out = statvfs_new();
    check(this.fs.fs_statvfs(out), 'statfs', path);
    return out;
  }

  /** All that was written is on stable storage when this answers. */
  sync(): void {
    check(this.fs.fs_sync(MNT_WAIT, this.cred), 'sync');
  }

  /** Changes between read-only and read-write. EBUSY: files are open for writing. */
  remount(readOnly: boolean, options = ''): void {
    check(this.fs.fs_remount(readOnly, options), 'mount');
  }

  /** EBUSY while descriptors are open, unless forced. */
  unmount(force = false): void {
    check(this.fs.fs_unmount(force ? MNT_FORCE : 0), 'umount');
  }

  // ---- inside -----------------------------------------------------------------------------------

  #file(fd: number, syscall: string): OpenFile {
    const file = this.#files[fd - FIRST_FD];
    if (file === undefined) throw new UkfsError('EBADF', syscall);
    return file;
  }

  #openNode(
    node: Cookie,
    take: () => NodeReference,
    flags: number,
    cred: puffs_cred,
    path: PathLike,
  ): number {
    // O_RDONLY, O_WRONLY, O_RDWR plus one are FREAD, FWRITE and both.
    const access = (flags & O_ACCMODE) + 1;
    const mode = (flags & O_TRUNC) !== 0 ? access | FWRITE : access;
    if (access > (FREAD | FWRITE)) check(E.EINVAL, 'open', path);
    check(this.fs.node_open(node, mode, cred), 'open', path);
    const ioflag =
      ((flags & O_APPEND) !== 0 ? IO_APPEND : 0) | ((flags & O_DSYNC) !== 0 ? IO_SYNC : 0);
    const free = this.#files.indexOf(undefined);
    const at = free < 0 ? this.#files.length : free;
    this.#files[at] = { cookie: node, reference: take(), access, mode, ioflag, position: 0 };
    return at + FIRST_FD;
  }

  #create(walk: Walk, flags: number, mode: number, path: PathLike): number {
    const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
    const cn = this.cn(NAMEI_CREATE, walk.name);
    const va = newAttributes(VREG, mode & 0o7777);
    check(this.fs.node_create(walk.parent, out, cn, va), 'open', path);
    return this.#openCreated(out.cookie, flags, path);
  }

  /** Who makes a file may use it as he asked, whatever its mode is. */
  #openCreated(node: Cookie, flags: number, path: PathLike): number {
    const reference = new NodeReference(this.fs, node);
    try {
      const cred = { ...this.cred, permissionsChecked: true };
      return this.#openNode(node, () => reference, flags, cred, path);
    } catch (error) {
      reference.release();
      throw error;
    }
  }

  #openTmpfile(walk: Walk, flags: number, mode: number, path: PathLike): number {
    if (walk.node === null) check(E.ENOENT, 'open', path);
    if ((flags & O_ACCMODE) === O_RDONLY) check(E.EINVAL, 'open', path);
    const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
    const va = newAttributes(VREG, mode & 0o7777);
    check(this.fs.node_tmpfile(walk.node!, out, va, this.cred), 'open', path);
    return this.#openCreated(out.cookie, flags, path);
  }

  #truncateOnOpen(fd: number, path: PathLike): void {
    try {
      this.setSize(this.#file(fd, 'open').cookie, 0, 'open', path);
    } catch (error) {
      this.close(fd);
      throw error;
    }
  }
}
