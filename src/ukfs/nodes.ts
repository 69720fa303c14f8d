/**
 * The part of {@link ./ukfs.ts} that needs no descriptor: names, attributes, extended attributes,
 * the working directory. Everything runs on the caller's stack; every failure is an
 * {@link UkfsError}, each method's codes being those of the system call of its name.
 *
 * A path that starts with a slash starts at the file system's root, any other at the working
 * directory; text stands for its UTF-8 bytes, a Uint8Array for itself.
 */
import {
  NETBSD_ERRNO as E,
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  NAMEI_CREATE,
  NAMEI_DELETE,
  NAMEI_LOOKUP,
  NAMEI_RENAME,
  PUFFS_CRED_ROOT,
  PUFFS_VEXEC,
  PUFFS_VWRITE,
  VBLK,
  VCHR,
  VDIR,
  VLNK,
  VREG,
  bytesToName,
  extattrName,
  extattrNamespace,
  mode_to_vtype,
  nameToBytes,
  nameToText,
  textToName,
  vattr_new,
  xattrName,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
  type vattr,
} from '../puffs/index.js';
import { check, UkfsError, type PathLike } from './error.js';
import { UkfsStats } from './stats.js';
import { setTimes, type TimeLike } from './times.js';
import { NodeReference, Walk, type WalkMode } from './walk.js';

/** What an error names: one path, or two. */
type Named = readonly [path: PathLike, dest?: PathLike];

/** @throws TypeError for a path with a NUL byte, as node:fs. */
function toName(path: PathLike): ByteName {
  const name = typeof path === 'string' ? textToName(path) : bytesToName(path);
  if (name.includes('\0')) throw new TypeError('paths cannot hold NUL bytes');
  return name;
}

export abstract class UkfsNodes {
  readonly fs: puffs_ops;
  /** Whose calls these are. May be replaced at any time. */
  cred: puffs_cred;
  #directory: NodeReference;
  #idleWalk: Walk | null = null;

  constructor(fs: puffs_ops, cred: puffs_cred = PUFFS_CRED_ROOT) {
    this.fs = fs;
    this.cred = cred;
    this.#directory = new NodeReference(fs, fs.rootCookie);
  }

  // ---- names ------------------------------------------------------------------------------------

  /** Follows symbolic links. */
  stat(path: PathLike): UkfsStats {
    return this.onNode(path, 'follow', 'stat', statsOf);
  }

  /** Of a symbolic link itself. */
  lstat(path: PathLike): UkfsStats {
    return this.onNode(path, 'nofollow', 'lstat', statsOf);
  }

  /** Does stat answer? */
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
    this.onNode(path, 'follow', 'access', (node) => {
      if ((mode & ~7) !== 0) check(E.EINVAL, 'access', path);
      check(this.fs.node_access(node, mode, this.cred), 'access', path);
    });
  }

  /** One directory; `mode` is cut by the umask of the credential. */
  mkdir(path: PathLike, mode = 0o777): void {
    this.onNewName(path, 'mkdir', true, (parent, cn, out) =>
      this.fs.node_mkdir(parent, out, cn, newAttributes(VDIR, mode)),
    );
  }

  /** `mode` with its type bits (none: a regular file); `rdev` in NetBSD's form, see makedev(). */
  mknod(path: PathLike, mode: number, rdev = 0): void {
    const type = (mode & 0o170000) === 0 ? VREG : mode_to_vtype(mode);
    this.onNewName(path, 'mknod', false, (parent, cn, out) => {
      const va = newAttributes(type, mode & 0o7777);
      if (type === VBLK || type === VCHR) va.va_rdev = rdev;
      if (type === VDIR) return E.EPERM;
      if (type === VREG) return this.fs.node_create(parent, out, cn, va);
      return this.fs.node_mknod(parent, out, cn, va);
    });
  }

  /** Targets are kept as given, without a look at them. */
  symlink(target: PathLike, path: PathLike): void {
    const bytes = toName(target);
    if (bytes === '') throw new UkfsError('ENOENT', 'symlink', target, path);
    const make = (parent: Cookie, cn: puffs_cn, out: puffs_newinfo): number =>
      this.fs.node_symlink(parent, out, cn, newAttributes(VLNK, 0o777), bytes);
    this.onNewName(path, 'symlink', false, make, [target, path]);
  }

  /** The target as text. */
  readlink(path: PathLike): string {
    return nameToText(this.readlinkName(path));
  }

  /** The target, byte by byte. */
  readlinkBytes(path: PathLike): Uint8Array {
    return nameToBytes(this.readlinkName(path));
  }

  private readlinkName(path: PathLike): ByteName {
    return this.onNode(path, 'nofollow', 'readlink', (node) => {
      const out = { value: '' };
      check(this.fs.node_readlink(node, this.cred, out), 'readlink', path);
      return out.value;
    });
  }

  /** Takes a name away. EISDIR: it is a directory. */
  unlink(path: PathLike): void {
    this.onWalk(path, 'parent', 'unlink', (walk) => {
      if (walk.kind !== 'name') check(E.EISDIR, 'unlink', path);
      check(walk.lastError, 'unlink', path);
      const isDirectory = walk.va.va_type === VDIR;
      if (walk.trailingSlash) check(isDirectory ? E.EISDIR : E.ENOTDIR, 'unlink', path);
      const cn = this.cn(NAMEI_DELETE, walk.name);
      check(this.fs.node_remove(walk.parent, walk.node!, cn), 'unlink', path);
    });
  }

  /** ENOTEMPTY: there are names in it. */
  rmdir(path: PathLike): void {
    this.onWalk(path, 'parent', 'rmdir', (walk) => {
      if (walk.kind === 'dot') check(E.EINVAL, 'rmdir', path);
      if (walk.kind === 'dotdot') check(E.ENOTEMPTY, 'rmdir', path);
      if (walk.kind === 'root') check(E.EBUSY, 'rmdir', path);
      check(walk.lastError, 'rmdir', path);
      const cn = this.cn(NAMEI_DELETE, walk.name);
      check(this.fs.node_rmdir(walk.parent, walk.node!, cn), 'rmdir', path);
    });
  }

  /** Does not follow a symbolic link at the end of `from`. */
  link(from: PathLike, to: PathLike): void {
    const named: Named = [from, to];
    const make = (node: Cookie) => (parent: Cookie, cn: puffs_cn) => {
      const error = this.fs.node_link(parent, node, cn);
      if (error === 0) this.fs.node_reclaim(node, 1);
      return error;
    };
    const link = ({ node }: Walk): void => {
      if (node === null) check(E.ENOENT, 'link', from, to);
      this.onNewName(to, 'link', false, make(node!), named);
    };
    this.onWalk(from, 'nofollow', 'link', link, named);
  }

  /** `flags`: PUFFS_RENAME_NOREPLACE or PUFFS_RENAME_EXCHANGE. */
  rename(from: PathLike, to: PathLike, flags = 0): void {
    const named: Named = [from, to];
    const rename = (source: Walk, target: Walk): void => {
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
          this.cn(NAMEI_RENAME, source.name),
          target.parent,
          target.node,
          this.cn(NAMEI_RENAME, target.name),
          flags,
        ),
      );
    };
    this.onWalk(
      from,
      'parent',
      'rename',
      (source) => this.onWalk(to, 'parent', 'rename', (target) => rename(source, target), named),
      named,
    );
  }

  // ---- attributes -------------------------------------------------------------------------------

  /** Follows symbolic links. `mode`: permission bits, 07777. */
  chmod(path: PathLike, mode: number): void {
    this.setattr(path, 'follow', 'chmod', (va) => {
      va.va_mode = mode & 0o7777;
    });
  }

  /** −1 leaves an owner as it is. */
  chown(path: PathLike, uid: number, gid: number): void {
    this.setattr(path, 'follow', 'chown', (va) => {
      va.va_uid = uid;
      va.va_gid = gid;
    });
  }

  /** {@link UkfsNodes.chown}, of a symbolic link itself. */
  lchown(path: PathLike, uid: number, gid: number): void {
    this.setattr(path, 'nofollow', 'lchown', (va) => {
      va.va_uid = uid;
      va.va_gid = gid;
    });
  }

  /** BSD's file flags. ENOTSUP where there are none. */
  chflags(path: PathLike, flags: number, follow = true): void {
    this.setattr(path, followMode(follow), 'chflags', (va) => {
      va.va_flags = flags;
    });
  }

  /** Without times: both become the file system's "now". */
  utimes(path: PathLike, atime?: TimeLike, mtime?: TimeLike): void {
    this.setattr(path, 'follow', 'utime', (va) => setTimes(va, atime, mtime));
  }

  /** {@link UkfsNodes.utimes}, of a symbolic link itself. */
  lutimes(path: PathLike, atime?: TimeLike, mtime?: TimeLike): void {
    this.setattr(path, 'nofollow', 'lutime', (va) => setTimes(va, atime, mtime));
  }

  /** To so many bytes; what is new reads as zeros. */
  truncate(path: PathLike, length = 0): void {
    this.onNode(path, 'follow', 'truncate', (node, walk) => {
      if (walk.va.va_type === VDIR) check(E.EISDIR, 'truncate', path);
      if (walk.va.va_type !== VREG || length < 0) check(E.EINVAL, 'truncate', path);
      check(this.fs.node_access(node, PUFFS_VWRITE, this.cred), 'truncate', path);
      this.setSize(node, length, 'truncate', path);
    });
  }

  // ---- extended attributes ----------------------------------------------------------------------

  /** `name` is Linux's: "user.x", "trusted.x", "security.x", "system.posix_acl_access"; or bytes. */
  getxattr(path: PathLike, name: PathLike, follow = true): Uint8Array {
    return this.onNode(path, followMode(follow), 'getxattr', (node) => {
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
    name: PathLike,
    value: string | Uint8Array,
    flags = 0,
    follow = true,
  ): void {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    this.onNode(path, followMode(follow), 'setxattr', (node) => {
      const [ns, rest] = splitXattr(name);
      const error = this.fs.node_setextattr(node, ns, rest, bytes, flags, this.cred);
      check(error, 'setxattr', path);
    });
  }

  /** ENODATA: there is no such attribute. */
  removexattr(path: PathLike, name: PathLike, follow = true): void {
    this.onNode(path, followMode(follow), 'removexattr', (node) => {
      const [ns, rest] = splitXattr(name);
      check(this.fs.node_deleteextattr(node, ns, rest, this.cred), 'removexattr', path);
    });
  }

  /** Names as text; a byte that is no UTF-8 shows as U+FFFD, and {@link listxattrBytes} has it. */
  listxattr(path: PathLike, follow = true): string[] {
    return this.#xattrNames(path, follow).map(nameToText);
  }

  /** Names, byte by byte. */
  listxattrBytes(path: PathLike, follow = true): Uint8Array[] {
    return this.#xattrNames(path, follow).map(nameToBytes);
  }

  #xattrNames(path: PathLike, follow: boolean): ByteName[] {
    return this.onNode(path, followMode(follow), 'listxattr', (node) => {
      const user = { names: [] as ByteName[] };
      const system = { names: [] as ByteName[] };
      const { fs, cred } = this;
      check(fs.node_listextattr(node, EXTATTR_NAMESPACE_USER, user, cred), 'listxattr', path);
      check(fs.node_listextattr(node, EXTATTR_NAMESPACE_SYSTEM, system, cred), 'listxattr', path);
      return [
        ...user.names.map((name) => xattrName(EXTATTR_NAMESPACE_USER, name)),
        ...system.names,
      ];
    });
  }

  // ---- the working directory --------------------------------------------------------------------

  /** Where relative paths start from now on; each handle has its own. */
  chdir(path: PathLike): void {
    this.onNode(path, 'follow', 'chdir', (node, walk) => {
      if (walk.va.va_type !== VDIR) check(E.ENOTDIR, 'chdir', path);
      check(this.fs.node_access(node, PUFFS_VEXEC, this.cred), 'chdir', path);
      const directory = walk.takeNode();
      this.#directory.release();
      this.#directory = directory;
    });
  }

  /**
   * The working directory's absolute path, found from the directory up.
   * @throws ENOENT: removed; ELOOP: a damaged medium's ".." leads in a circle.
   */
  cwd(): string {
    return nameToText(this.#cwd());
  }

  /** {@link UkfsNodes.cwd}, byte by byte. */
  cwdBytes(): Uint8Array {
    return nameToBytes(this.#cwd());
  }

  #cwd(): ByteName {
    const { fs, cred } = this;
    const held = new Set<Cookie>();
    const info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
    let path = '';
    try {
      let node = this.#directory.cookie;
      check(fs.node_getattr(node, info.va, cred), 'getcwd');
      while (node !== fs.rootCookie) {
        const inode = info.va.va_fileid;
        check(fs.node_lookup(node, info, this.cn(NAMEI_LOOKUP, '..')), 'getcwd');
        node = info.cookie;
        if (held.has(node)) {
          fs.node_reclaim(node, 1);
          throw new UkfsError('ELOOP', 'getcwd');
        }
        if (node !== fs.rootCookie) held.add(node);
        path = `/${this.#nameOf(node, inode)}${path}`;
      }
      return path === '' ? '/' : path;
    } finally {
      for (const cookie of held) fs.node_reclaim(cookie, 1);
    }
  }

  /** The name that a directory has in its parent. */
  #nameOf(parent: Cookie, inode: number): ByteName {
    let found: ByteName | undefined;
    const out = { eof: false };
    const emit = (name: ByteName, ino: number): boolean => {
      if (ino === inode && name !== '.' && name !== '..') found = name;
      return true;
    };
    check(this.fs.node_readdir(parent, 0, this.cred, emit, out), 'getcwd');
    if (found === undefined) throw new UkfsError('ENOENT', 'getcwd');
    return found;
  }

  // ---- past the path API ------------------------------------------------------------------------

  /**
   * Walks to a node and lends it: `use` may call any operation of `this.fs` with the cookie, which
   * is valid until it returns.
   * @param follow a symbolic link at the end of the path
   */
  onPath<T>(
    path: PathLike,
    use: (node: Cookie, attributes: Readonly<vattr>) => T,
    follow = true,
  ): T {
    return this.onNode(path, followMode(follow), 'lookup', (node, walk) => use(node, walk.va));
  }

  // ---- inside -----------------------------------------------------------------------------------

  protected cn(nameiop: number, name: ByteName): puffs_cn {
    return { nameiop, name, cred: this.cred };
  }

  /** `named`: the path, or both, that an error of a call with two paths speaks of. */
  protected onWalk<T>(
    path: PathLike,
    mode: WalkMode,
    syscall: string,
    use: (walk: Walk) => T,
    named: Named = [path],
  ): T {
    // `use` may walk as well.
    const walk = this.#idleWalk ?? new Walk(this.fs);
    this.#idleWalk = null;
    try {
      const error = walk.walk(toName(path), mode, this.cred, this.#directory);
      if (error !== 0) check(error, syscall, ...named);
      return use(walk);
    } finally {
      walk.release();
      this.#idleWalk = walk;
    }
  }

  protected onNode<T>(
    path: PathLike,
    mode: WalkMode,
    syscall: string,
    use: (node: Cookie, walk: Walk) => T,
  ): T {
    return this.onWalk(path, mode, syscall, (walk) => {
      if (walk.node === null) throw new UkfsError('ENOENT', syscall, path);
      return use(walk.node, walk);
    });
  }

  /** For what makes a name; `make` answers an errno. Only a directory's may end in a slash. */
  protected onNewName(
    path: PathLike,
    syscall: string,
    isDirectory: boolean,
    make: (parent: Cookie, cn: puffs_cn, out: puffs_newinfo) => number,
    named: Named = [path],
  ): void {
    const create = (walk: Walk): void => {
      const refuse = (error: number): void => check(error, syscall, ...named);
      if (walk.node !== null) refuse(E.EEXIST);
      if (walk.lastError !== E.ENOENT) refuse(walk.lastError);
      if (walk.trailingSlash && !isDirectory) refuse(E.ENOENT);
      const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
      refuse(make(walk.parent, this.cn(NAMEI_CREATE, walk.name), out));
      if (out.cookie !== 0) this.fs.node_reclaim(out.cookie, 1);
    };
    this.onWalk(path, 'parent', syscall, create, named);
  }

  protected getattr(node: Cookie, syscall: string, path: PathLike | undefined): UkfsStats {
    const va = vattr_new();
    check(this.fs.node_getattr(node, va, this.cred), syscall, path);
    return new UkfsStats(va);
  }

  protected setattr(
    path: PathLike,
    mode: WalkMode,
    syscall: string,
    fill: (va: vattr) => void,
  ): void {
    this.onNode(path, mode, syscall, (node) => {
      const va = vattr_new();
      fill(va);
      check(this.fs.node_setattr(node, va, this.cred), syscall, path);
    });
  }

  protected setSize(node: Cookie, size: number, syscall: string, path: PathLike | undefined): void {
    const va = vattr_new();
    va.va_size = size;
    check(this.fs.node_setattr(node, va, this.cred), syscall, path);
  }
}

const statsOf = (_node: Cookie, walk: Walk): UkfsStats => new UkfsStats(walk.va);

export const followMode = (follow: boolean): WalkMode => (follow ? 'follow' : 'nofollow');

export function newAttributes(type: number, mode: number): vattr {
  const va = vattr_new();
  va.va_type = type;
  va.va_mode = mode;
  return va;
}

/** Linux's attribute name → NetBSD's name space and the name in it. */
function splitXattr(name: PathLike): [ns: number, name: ByteName] {
  const bytes = typeof name === 'string' ? textToName(name) : bytesToName(name);
  return [extattrNamespace(bytes), extattrName(bytes)];
}
