/**
 * A file system as a library: paths and descriptors over the waist, in the manner of node:fs's
 * synchronous calls on Linux. Everything runs on the caller's stack; every failure is an
 * {@link UkfsError}, each method's codes being those of the system call of its name.
 *
 * Paths start at the file system's root, with or without a leading slash; text stands for its UTF-8
 * bytes, a Uint8Array for itself.
 */
import {
  FREAD,
  FWRITE,
  IO_APPEND,
  IO_SYNC,
  MNT_FORCE,
  MNT_WAIT,
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  FSYNC_DATAONLY,
  FSYNC_WAIT,
  NAMEI_CREATE,
  NAMEI_DELETE,
  NAMEI_RENAME,
  NETBSD_ERRNO as E,
  PUFFS_CRED_ROOT,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VBLK,
  VCHR,
  VDIR,
  VLNK,
  VREG,
  bytesToName,
  mode_to_vtype,
  nameToBytes,
  nameToText,
  textToName,
  vattr_new,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
  type puffs_statvfs,
  type puffs_uio,
  type vattr,
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
import { UkfsStats, type Timespec } from './stats.js';
import { Walk, type WalkMode } from './walk.js';

/** A time to set: seconds since 1970 (fractions allowed), a Date, or exact. */
export type TimeLike = number | Date | Timespec;

export interface UkfsDirent {
  /** Text of the name; `bytes` where the name is no UTF-8. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** DT_ number; 0 when the file system does not say. */
  readonly type: number;
}

interface OpenFile {
  readonly cookie: Cookie;
  /** FREAD | FWRITE: what the descriptor may do. */
  readonly access: number;
  /** What node_open was given, and node_close is: more than `access` when O_TRUNC asked to write. */
  readonly mode: number;
  readonly ioflag: number;
  readonly path: PathLike;
  position: number;
}

const isText = (path: PathLike): path is string => typeof path === 'string';

/** @throws TypeError for a path with a NUL byte, as node:fs. */
function toName(path: PathLike): ByteName {
  const name = isText(path) ? textToName(path) : bytesToName(path);
  if (name.includes('\0')) throw new TypeError('paths cannot hold NUL bytes');
  return name;
}

export class Ukfs {
  readonly fs: puffs_ops;
  readonly cred: puffs_cred;
  readonly #files: (OpenFile | undefined)[];

  constructor(fs: puffs_ops, cred: puffs_cred = PUFFS_CRED_ROOT) {
    this.fs = fs;
    this.cred = cred;
    this.#files = [];
  }

  // ---- names ------------------------------------------------------------------------------------

  stat(path: PathLike): UkfsStats {
    return this.#onNode(path, 'follow', 'stat', (node) => this.#getattr(node, 'stat', path));
  }

  lstat(path: PathLike): UkfsStats {
    return this.#onNode(path, 'nofollow', 'lstat', (node) => this.#getattr(node, 'lstat', path));
  }

  exists(path: PathLike): boolean {
    try {
      this.stat(path);
      return true;
    } catch (error) {
      if (error instanceof UkfsError) return false;
      throw error;
    }
  }

  /** `mode`: 4 read, 2 write, 1 execute, 0 exists. */
  access(path: PathLike, mode = 0): void {
    this.#onNode(path, 'follow', 'access', (node) => {
      if ((mode & ~7) !== 0) check(E.EINVAL, 'access', path);
      check(this.fs.node_access(node, mode, this.cred), 'access', path);
    });
  }

  mkdir(path: PathLike, mode = 0o777): void {
    this.#onNewName(path, 'mkdir', true, (parent, cn, out) =>
      this.fs.node_mkdir(parent, out, cn, newAttributes(VDIR, mode)),
    );
  }

  /** `mode` with its type bits (none: a regular file); `rdev` in NetBSD's form, see makedev(). */
  mknod(path: PathLike, mode: number, rdev = 0): void {
    const type = (mode & 0o170000) === 0 ? VREG : mode_to_vtype(mode);
    this.#onNewName(path, 'mknod', false, (parent, cn, out) => {
      const va = newAttributes(type, mode & 0o7777);
      if (type === VBLK || type === VCHR) va.va_rdev = rdev;
      if (type === VDIR) return E.EPERM;
      if (type === VREG) return this.fs.node_create(parent, out, cn, va);
      return this.fs.node_mknod(parent, out, cn, va);
    });
  }

  symlink(target: PathLike, path: PathLike): void {
    const bytes = toName(target);
    if (bytes === '') throw new UkfsError('ENOENT', 'symlink', target, path);
    this.#onNewName(path, 'symlink', false, (parent, cn, out) =>
      this.fs.node_symlink(parent, out, cn, newAttributes(VLNK, 0o777), bytes),
    );
  }

  /** The target as text. */
  readlink(path: PathLike): string {
    return nameToText(this.#readlinkName(path));
  }

  readlinkBytes(path: PathLike): Uint8Array {
    return nameToBytes(this.#readlinkName(path));
  }

  #readlinkName(path: PathLike): ByteName {
    return this.#onNode(path, 'nofollow', 'readlink', (node) => {
      const out = { value: '' };
      check(this.fs.node_readlink(node, this.cred, out), 'readlink', path);
      return out.value;
    });
  }

  unlink(path: PathLike): void {
    this.#onWalk(path, 'parent', 'unlink', (walk) => {
      if (walk.kind !== 'name') check(E.EISDIR, 'unlink', path);
      check(walk.lastError, 'unlink', path);
      const isDirectory = walk.va.va_type === VDIR;
      if (walk.trailingSlash) check(isDirectory ? E.EISDIR : E.ENOTDIR, 'unlink', path);
      const cn = this.#cn(NAMEI_DELETE, walk.name);
      check(this.fs.node_remove(walk.parent, walk.node!, cn), 'unlink', path);
    });
  }

  rmdir(path: PathLike): void {
    this.#onWalk(path, 'parent', 'rmdir', (walk) => {
      if (walk.kind === 'dot') check(E.EINVAL, 'rmdir', path);
      if (walk.kind === 'dotdot') check(E.ENOTEMPTY, 'rmdir', path);
      if (walk.kind === 'root') check(E.EBUSY, 'rmdir', path);
      check(walk.lastError, 'rmdir', path);
      const cn = this.#cn(NAMEI_DELETE, walk.name);
      check(this.fs.node_rmdir(walk.parent, walk.node!, cn), 'rmdir', path);
    });
  }

  /** Does not follow a symbolic link at the end of `from`. */
  link(from: PathLike, to: PathLike): void {
    this.#onWalk(from, 'nofollow', 'link', (source) => {
      if (source.node === null) check(E.ENOENT, 'link', from, to);
      const node = source.node!;
      this.#onNewName(to, 'link', false, (parent, cn) => {
        const error = this.fs.node_link(parent, node, cn);
        if (error === 0) this.fs.node_reclaim(node, 1);
        return error;
      });
    });
  }

  /** `flags`: PUFFS_RENAME_NOREPLACE or PUFFS_RENAME_EXCHANGE. */
  rename(from: PathLike, to: PathLike, flags = 0): void {
    this.#onWalk(from, 'parent', 'rename', (source) =>
      this.#onWalk(to, 'parent', 'rename', (target) => {
        const refuse = (error: number): void => check(error, 'rename', from, to);
        if (source.kind !== 'name' || target.kind !== 'name') refuse(E.EBUSY);
        refuse(source.lastError);
        if (target.lastError !== E.ENOENT) refuse(target.lastError);
        const isDirectory = source.va.va_type === VDIR;
        if (!isDirectory && (source.trailingSlash || target.trailingSlash)) refuse(E.ENOTDIR);
        refuse(
          this.fs.node_rename(
            source.parent,
            source.node!,
            this.#cn(NAMEI_RENAME, source.name),
            target.parent,
            target.node,
            this.#cn(NAMEI_RENAME, target.name),
            flags,
          ),
        );
      }),
    );
  }

  // ---- attributes -------------------------------------------------------------------------------

  chmod(path: PathLike, mode: number): void {
    this.#setattr(path, 'follow', 'chmod', (va) => {
      va.va_mode = mode & 0o7777;
    });
  }

  /** −1 leaves an owner as it is. */
  chown(path: PathLike, uid: number, gid: number): void {
    this.#setattr(path, 'follow', 'chown', (va) => {
      va.va_uid = uid;
      va.va_gid = gid;
    });
  }

  lchown(path: PathLike, uid: number, gid: number): void {
    this.#setattr(path, 'nofollow', 'lchown', (va) => {
      va.va_uid = uid;
      va.va_gid = gid;
    });
  }

  /** Without times: both become the file system's "now". */
  utimes(path: PathLike, atime?: TimeLike, mtime?: TimeLike): void {
    this.#setattr(path, 'follow', 'utime', (va) => setTimes(va, atime, mtime));
  }

  lutimes(path: PathLike, atime?: TimeLike, mtime?: TimeLike): void {
    this.#setattr(path, 'nofollow', 'lutime', (va) => setTimes(va, atime, mtime));
  }

  truncate(path: PathLike, length = 0): void {
    this.#onNode(path, 'follow', 'truncate', (node, walk) => {
      if (walk.va.va_type === VDIR) check(E.EISDIR, 'truncate', path);
      if (walk.va.va_type !== VREG || length < 0) check(E.EINVAL, 'truncate', path);
      check(this.fs.node_access(node, PUFFS_VWRITE, this.cred), 'truncate', path);
      this.#setSize(node, length, 'truncate', path);
    });
  }

  // ---- whole files and trees --------------------------------------------------------------------

  readFile(path: PathLike): Uint8Array {
    const fd = this.open(path, O_RDONLY);
    try {
      const size = this.fstat(fd).size;
      const bytes = new Uint8Array(size);
      let done = 0;
      while (done < size) {
        const count = this.read(fd, bytes, done, size - done, done);
        if (count === 0) break;
        done += count;
      }
      return bytes.subarray(0, done);
    } finally {
      this.close(fd);
    }
  }

  writeFile(
    path: PathLike,
    data: string | Uint8Array,
    flag: string | number = 'w',
    mode = 0o666,
  ): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    const fd = this.open(path, flag, mode);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += this.write(fd, bytes, done, bytes.length - done);
      }
    } finally {
      this.close(fd);
    }
  }

  /** Names without "." and "..", in the file system's order. */
  readdir(path: PathLike): string[] {
    return this.readdirTypes(path).map((entry) => entry.name);
  }

  readdirTypes(path: PathLike): UkfsDirent[] {
    const fd = this.open(path, O_RDONLY | O_DIRECTORY);
    try {
      const entries: UkfsDirent[] = [];
      const out = { eof: false };
      let offset = 0;
      while (!out.eof) {
        const before = offset;
        const emit = (name: ByteName, ino: number, type: number, next: number): boolean => {
          offset = next;
          if (name === '.' || name === '..') return true;
          entries.push({ name: nameToText(name), bytes: nameToBytes(name), ino, type });
          return true;
        };
        const { cookie } = this.#file(fd, 'scandir');
        check(this.fs.node_readdir(cookie, offset, this.cred, emit, out), 'scandir', path);
        if (offset === before) break;
      }
      return entries;
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
    const wanted = openFlags(flags);
    const isTmpfile = (wanted & O_TMPFILE) === O_TMPFILE;
    const creates = (wanted & O_CREAT) !== 0 && !isTmpfile;
    const isExclusive = creates && (wanted & O_EXCL) !== 0;
    const follow = !isExclusive && (wanted & O_NOFOLLOW) === 0;
    const creating = follow ? 'create' : 'parent';
    return this.#onWalk(path, creates ? creating : followMode(follow), 'open', (walk) => {
      if (creates && walk.trailingSlash && walk.kind === 'name') check(E.EISDIR, 'open', path);
      if (creates && walk.lastError !== E.ENOENT) check(walk.lastError, 'open', path);
      if (isTmpfile) return this.#openTmpfile(walk, wanted, mode, path);
      if (creates && walk.node === null) return this.#create(walk, wanted, mode, path);
      if (walk.node === null) check(E.ENOENT, 'open', path);
      if (isExclusive) check(E.EEXIST, 'open', path);
      const type = walk.va.va_type;
      if (type === VLNK) check(E.ELOOP, 'open', path);
      if ((wanted & O_DIRECTORY) !== 0 && type !== VDIR) check(E.ENOTDIR, 'open', path);
      if (creates && type === VDIR) check(E.EISDIR, 'open', path);
      // No driver stands behind a device here, and no peer behind a fifo or socket.
      if (type !== VDIR && type !== VREG) check(E.ENXIO, 'open', path);
      const fd = this.#openNode(walk.node!, wanted, this.cred, path);
      walk.keepNode();
      if ((wanted & O_TRUNC) !== 0 && type === VREG) this.#truncateOnOpen(fd, path);
      return fd;
    });
  }

  close(fd: number): void {
    const file = this.#file(fd, 'close');
    this.#files[fd] = undefined;
    const error = this.fs.node_close(file.cookie, file.mode, this.cred);
    if (file.cookie !== this.fs.rootCookie) this.fs.node_reclaim(file.cookie, 1);
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
    if (position === null) {
      const isAppend = (file.ioflag & IO_APPEND) !== 0;
      file.position = isAppend ? this.fstat(fd).size : file.position + done;
    }
    return done;
  }

  fstat(fd: number): UkfsStats {
    return this.#getattr(this.#file(fd, 'fstat').cookie, 'fstat', undefined);
  }

  fchmod(fd: number, mode: number): void {
    const va = vattr_new();
    va.va_mode = mode & 0o7777;
    check(this.fs.node_setattr(this.#file(fd, 'fchmod').cookie, va, this.cred), 'fchmod');
  }

  fchown(fd: number, uid: number, gid: number): void {
    const va = vattr_new();
    va.va_uid = uid;
    va.va_gid = gid;
    check(this.fs.node_setattr(this.#file(fd, 'fchown').cookie, va, this.cred), 'fchown');
  }

  futimes(fd: number, atime?: TimeLike, mtime?: TimeLike): void {
    const va = vattr_new();
    setTimes(va, atime, mtime);
    check(this.fs.node_setattr(this.#file(fd, 'futime').cookie, va, this.cred), 'futime');
  }

  ftruncate(fd: number, length = 0): void {
    const file = this.#file(fd, 'ftruncate');
    if ((file.access & FWRITE) === 0 || length < 0) check(E.EINVAL, 'ftruncate');
    this.#setSize(file.cookie, length, 'ftruncate', undefined);
  }

  fsync(fd: number): void {
    const { cookie } = this.#file(fd, 'fsync');
    check(this.fs.node_fsync(cookie, this.cred, FSYNC_WAIT, 0, 0), 'fsync');
  }

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

  // ---- extended attributes ----------------------------------------------------------------------

  /** `name` is Linux's: "user.x", "trusted.x", "security.x", "system.posix_acl_access". */
  getxattr(path: PathLike, name: string, follow = true): Uint8Array {
    return this.#onNode(path, followMode(follow), 'getxattr', (node) => {
      const [ns, rest] = splitXattr(name);
      const size = { value: 0 };
      const get = (buf: Uint8Array | null): void =>
        check(this.fs.node_getextattr(node, ns, rest, size, buf, this.cred), 'getxattr', path);
      get(null);
      const value = new Uint8Array(size.value);
      get(value);
      return value;
    });
  }

  /** `flags`: 1 create only, 2 replace only. */
  setxattr(
    path: PathLike,
    name: string,
    value: string | Uint8Array,
    flags = 0,
    follow = true,
  ): void {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    this.#onNode(path, followMode(follow), 'setxattr', (node) => {
      const [ns, rest] = splitXattr(name);
      const error = this.fs.node_setextattr(node, ns, rest, bytes, flags, this.cred);
      check(error, 'setxattr', path);
    });
  }

  removexattr(path: PathLike, name: string, follow = true): void {
    this.#onNode(path, followMode(follow), 'removexattr', (node) => {
      const [ns, rest] = splitXattr(name);
      check(this.fs.node_deleteextattr(node, ns, rest, this.cred), 'removexattr', path);
    });
  }

  listxattr(path: PathLike, follow = true): string[] {
    return this.#onNode(path, followMode(follow), 'listxattr', (node) => {
      const user = { names: [] as ByteName[] };
      const system = { names: [] as ByteName[] };
      const { fs, cred } = this;
      check(fs.node_listextattr(node, EXTATTR_NAMESPACE_USER, user, cred), 'listxattr', path);
      check(fs.node_listextattr(node, EXTATTR_NAMESPACE_SYSTEM, system, cred), 'listxattr', path);
      return [...user.names.map((name) => `user.${name}`), ...system.names].map(nameToText);
    });
  }

  // ---- the file system --------------------------------------------------------------------------

  statvfs(): puffs_statvfs {
    const out: puffs_statvfs = {
      f_bsize: 0,
      f_frsize: 0,
      f_blocks: 0,
      f_bfree: 0,
      f_bavail: 0,
      f_files: 0,
      f_ffree: 0,
      f_favail: 0,
      f_namemax: 0,
      f_flag: 0,
      f_fsid: 0,
      f_fstypename: '',
    };
    check(this.fs.fs_statvfs(out), 'statvfs');
    return out;
  }

  sync(): void {
    check(this.fs.fs_sync(MNT_WAIT, this.cred), 'sync');
  }

  remount(readOnly: boolean, options = ''): void {
    check(this.fs.fs_remount(readOnly, options), 'mount');
  }

  /** EBUSY while descriptors are open, unless forced. */
  unmount(force = false): void {
    check(this.fs.fs_unmount(force ? MNT_FORCE : 0), 'umount');
  }

  // ---- inside -----------------------------------------------------------------------------------

  #cn(nameiop: number, name: ByteName): puffs_cn {
    return { nameiop, name, cred: this.cred };
  }

  #onWalk<T>(path: PathLike, mode: WalkMode, syscall: string, use: (walk: Walk) => T): T {
    const walk = new Walk(this.fs, this.cred);
    try {
      check(walk.walk(toName(path), mode), syscall, path);
      return use(walk);
    } finally {
      walk.release();
    }
  }

  #onNode<T>(
    path: PathLike,
    mode: WalkMode,
    syscall: string,
    use: (node: Cookie, walk: Walk) => T,
  ): T {
    return this.#onWalk(path, mode, syscall, (walk) => {
      if (walk.node === null) throw new UkfsError('ENOENT', syscall, path);
      return use(walk.node, walk);
    });
  }

  /** For what makes a name; `make` answers an errno. Only a directory's may end in a slash. */
  #onNewName(
    path: PathLike,
    syscall: string,
    isDirectory: boolean,
    make: (parent: Cookie, cn: puffs_cn, out: puffs_newinfo) => number,
  ): void {
    this.#onWalk(path, 'parent', syscall, (walk) => {
      if (walk.node !== null) check(E.EEXIST, syscall, path);
      if (walk.lastError !== E.ENOENT) check(walk.lastError, syscall, path);
      if (walk.trailingSlash && !isDirectory) check(E.ENOENT, syscall, path);
      const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
      check(make(walk.parent, this.#cn(NAMEI_CREATE, walk.name), out), syscall, path);
      if (out.cookie !== 0) this.fs.node_reclaim(out.cookie, 1);
    });
  }

  #getattr(node: Cookie, syscall: string, path: PathLike | undefined): UkfsStats {
    const va = vattr_new();
    check(this.fs.node_getattr(node, va, this.cred), syscall, path);
    return new UkfsStats(va);
  }

  #setattr(path: PathLike, mode: WalkMode, syscall: string, fill: (va: vattr) => void): void {
    this.#onNode(path, mode, syscall, (node) => {
      const va = vattr_new();
      fill(va);
      check(this.fs.node_setattr(node, va, this.cred), syscall, path);
    });
  }

  #setSize(node: Cookie, size: number, syscall: string, path: PathLike | undefined): void {
    const va = vattr_new();
    va.va_size = size;
    check(this.fs.node_setattr(node, va, this.cred), syscall, path);
  }

  #file(fd: number, syscall: string): OpenFile {
    const file = this.#files[fd];
    if (file === undefined) throw new UkfsError('EBADF', syscall);
    return file;
  }

  #openNode(cookie: Cookie, flags: number, cred: puffs_cred, path: PathLike): number {
    // O_RDONLY, O_WRONLY, O_RDWR plus one are FREAD, FWRITE and both.
    const access = (flags & O_ACCMODE) + 1;
    const mode = (flags & O_TRUNC) !== 0 ? access | FWRITE : access;
    if (access > (FREAD | FWRITE)) check(E.EINVAL, 'open', path);
    check(this.fs.node_open(cookie, mode, cred), 'open', path);
    const ioflag =
      ((flags & O_APPEND) !== 0 ? IO_APPEND : 0) | ((flags & O_DSYNC) !== 0 ? IO_SYNC : 0);
    const free = this.#files.indexOf(undefined);
    const fd = free < 0 ? this.#files.length : free;
    this.#files[fd] = { cookie, access, mode, ioflag, path, position: 0 };
    return fd;
  }

  #create(walk: Walk, flags: number, mode: number, path: PathLike): number {
    const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
    const cn = this.#cn(NAMEI_CREATE, walk.name);
    const va = newAttributes(VREG, mode & 0o7777);
    check(this.fs.node_create(walk.parent, out, cn, va), 'open', path);
    return this.#openCreated(out.cookie, flags, path);
  }

  /** Who makes a file may use it as he asked, whatever its mode is. */
  #openCreated(cookie: Cookie, flags: number, path: PathLike): number {
    try {
      return this.#openNode(cookie, flags, { ...this.cred, permissionsChecked: true }, path);
    } catch (error) {
      this.fs.node_reclaim(cookie, 1);
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
      this.#setSize(this.#file(fd, 'open').cookie, 0, 'open', path);
    } catch (error) {
      this.close(fd);
      throw error;
    }
  }
}

const followMode = (follow: boolean): WalkMode => (follow ? 'follow' : 'nofollow');

function newAttributes(type: number, mode: number): vattr {
  const va = vattr_new();
  va.va_type = type;
  va.va_mode = mode;
  return va;
}

function setTimes(va: vattr, atime: TimeLike | undefined, mtime: TimeLike | undefined): void {
  if (atime === undefined && mtime === undefined) va.va_vaflags = VA_UTIMES_NULL;
  const access = toTimespec(atime ?? 0);
  const modification = toTimespec(mtime ?? 0);
  if (atime !== undefined || mtime === undefined) {
    va.va_atime_sec = access.sec;
    va.va_atime_nsec = access.nsec;
  }
  if (mtime !== undefined || atime === undefined) {
    va.va_mtime_sec = modification.sec;
    va.va_mtime_nsec = modification.nsec;
  }
}

function toTimespec(time: TimeLike): Timespec {
  if (typeof time === 'object' && 'sec' in time) return time;
  const ms = typeof time === 'number' ? time * 1000 : time.getTime();
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
}

/** Linux's attribute name → NetBSD's name space and the name in it. */
function splitXattr(name: string): [ns: number, name: ByteName] {
  const bytes = textToName(name);
  return bytes.startsWith('user.')
    ? [EXTATTR_NAMESPACE_USER, bytes.slice('user.'.length)]
    : [EXTATTR_NAMESPACE_SYSTEM, bytes];
}
