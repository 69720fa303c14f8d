/**
 * The session of a kernel interface that names files by path, over any {@link puffs_ops}: what
 * {@link ../session.ts FuseSession} is for the kernel's own protocol. No I/O: a transport brings
 * the requests, one function each. All answer 0 or more, or a negated errno of the host.
 *
 * - Permissions are the kernel's (default_permissions). Who asks is not told: whatever is made
 *   belongs to one owner, and never has set-id bits, which would be that owner's power in a
 *   stranger's file.
 * - Writes go through at once. Nothing is flushed at a close.
 * - An open file holds a lookup of its node, under a handle. When a name of an open file is taken
 *   away, libfuse renames it to ".fuse_hidden…" and goes on by this path until the file is closed.
 *   No such name is made here: the name is removed and the path remembered, so that nothing shows,
 *   and nothing is left behind when the server is killed. The directory stays until then (EBUSY),
 *   since libfuse would lose the path with it.
 */
import { NETBSD_ERRNO } from '../../puffs/errno.js';
import { extattrName, extattrNamespace, nameToText, textToName } from '../../puffs/name.js';
import {
  FSYNC_DATAONLY,
  FSYNC_WAIT,
  IO_SYNC,
  NAMEI_CREATE,
  NAMEI_DELETE,
  NAMEI_RENAME,
  VDIR,
  VLNK,
  VNOVAL,
  VREG,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
  type puffs_readdir_result,
  type puffs_size,
  type puffs_statvfs,
  type puffs_uio,
  type vattr,
} from '../../puffs/puffs.js';
import { mode_to_vtype, vattr_new, vattr_null, vtype_to_mode } from '../../puffs/vattr.js';
import { Containment } from '../containment.js';
import { netbsdToLinuxErrno } from '../errno.js';
import { isReachable } from '../directories.js';
import { TARGET_BYTES_MAX } from '../nodes.js';
import { EBUSY, EINVAL, EIO, ENAMETOOLONG, ERANGE } from '../reply.js';
import { listNames } from '../xattrs.js';
import { Paths } from './paths.js';

export interface PathSessionOptions {
  /** Owner of what is made. */
  readonly uid: number;
  readonly gid: number;
  /** Every write is on stable storage before it is answered. */
  readonly sync: boolean;
  /** One line for whoever runs the server; levels as printk's. */
  console(level: number, line: string): void;
  /** After each request, with the opcode that the kernel's protocol has for it. */
  served(opcode: number): void;
}

export interface DirectoryRecord {
  readonly name: string;
  /** S_IFREG…; 0 when unknown. */
  readonly format: number;
  readonly fileid: number;
}

const { ENOENT } = NETBSD_ERRNO;
const PERMISSIONS = 0o7777;
const SET_ID = 0o6000;
const SYMLINK_MODE = 0o777;
/** chown(2)'s -1. */
const UNCHANGED_ID = 0xffffffff;
/** libfuse's name for an open file that was unlinked. */
const HIDDEN = /^\.fuse_hidden[0-9a-f]{16}$/;
/** Handles are int32 above 0. */
const HANDLE_MAX = 0x7fffffff;

/** An open file. */
interface Handle {
  readonly node: Cookie;
  /** It has a lookup of its own. */
  readonly isCounted: boolean;
}

export class PathSession {
  private readonly fs: puffs_ops;
  private readonly options: PathSessionOptions;
  private readonly cred: puffs_cred;
  private readonly containment: Containment;
  private readonly paths: Paths;
  private readonly handles = new Map<number, Handle>();
  private lastHandle = 0;

  // Records that are reused by all requests; nothing in them outlives one.
  private readonly va: vattr = vattr_new();
  private readonly cn: puffs_cn;
  private readonly cn2: puffs_cn;
  private readonly uio: puffs_uio = { buf: new Uint8Array(0), off: 0, resid: 0, offset: 0 };
  private readonly size: puffs_size = { value: 0 };
  private readonly text = { value: '' };

  constructor(fs: puffs_ops, options: PathSessionOptions) {
    this.fs = fs;
    this.options = options;
    this.cred = {
      kind: 'user',
      uid: options.uid,
      gid: options.gid,
      groups: [],
      permissionsChecked: true,
      umask: 0,
    };
    this.cn = { nameiop: NAMEI_CREATE, name: '', cred: this.cred };
    this.cn2 = { nameiop: NAMEI_RENAME, name: '', cred: this.cred };
    this.containment = new Containment(fs, options.console);
    this.paths = new Paths(fs, this.cred);
  }

  /** Serves one request: `call` is one of the functions below. Never throws. */
  serve(opcode: number, call: () => number): number {
    if (this.containment.isDead) return -EIO;
    try {
      const result = call();
      this.paths.release();
      this.options.served(opcode);
      return result;
    } catch (error) {
      this.containment.caught(error, opcode);
      return -EIO;
    }
  }

  /** See {@link Containment.background}. */
  background(): number {
    return this.containment.background();
  }

  /** The connection is gone. @returns whether everything is on stable storage. */
  close(): boolean {
    if (!this.containment.isDead) {
      for (const { node, isCounted } of this.handles.values()) {
        if (isCounted) this.fs.node_reclaim(node, 1);
      }
      this.handles.clear();
      this.paths.close();
    }
    return this.containment.close(this.cred);
  }

  // ---- attributes -------------------------------------------------------------------------------

  /** Fills {@link found}. */
  getattr(path: string): number {
    return answer(this.paths.node(path));
  }

  /** The node that getattr found. */
  get found(): Readonly<puffs_newinfo> {
    return this.paths.info;
  }

  chmod(path: string, mode: number): number {
    const va = vattr_null(this.va);
    va.va_mode = mode & PERMISSIONS;
    return this.setattr(path, va);
  }

  chown(path: string, uid: number, gid: number): number {
    const va = vattr_null(this.va);
    va.va_uid = uid === UNCHANGED_ID ? VNOVAL : uid;
    va.va_gid = gid === UNCHANGED_ID ? VNOVAL : gid;
    return this.setattr(path, va);
  }

  /** Times in milliseconds since 1970. */
  utimens(path: string, atimeMs: number, mtimeMs: number): number {
    // Times before 1970 come as unsigned 64-bit numbers that no number can hold.
    if (!Number.isSafeInteger(atimeMs) || !Number.isSafeInteger(mtimeMs)) return -EINVAL;
    const va = vattr_null(this.va);
    va.va_atime_sec = Math.floor(atimeMs / 1000);
    va.va_atime_nsec = (atimeMs % 1000) * 1e6;
    va.va_mtime_sec = Math.floor(mtimeMs / 1000);
    va.va_mtime_nsec = (mtimeMs % 1000) * 1e6;
    return this.setattr(path, va);
  }

  truncate(path: string, size: number): number {
    const va = vattr_null(this.va);
    va.va_size = size;
    return this.setattr(path, va);
  }

  ftruncate(fh: number, size: number): number {
    const va = vattr_null(this.va);
    va.va_size = size;
    return answer(this.fs.node_setattr(this.nodeOf(fh), va, this.cred));
  }

  private setattr(path: string, va: vattr): number {
    return answer(this.paths.node(path) || this.fs.node_setattr(this.found.cookie, va, this.cred));
  }

  statfs(out: puffs_statvfs): number {
    return answer(this.fs.fs_statvfs(out));
  }

  // ---- names ------------------------------------------------------------------------------------

  /** A file, device, FIFO or socket: the mode has the type. */
  mknod(path: string, mode: number, rdev: number): number {
    const error = this.paths.parent(path);
    if (error !== 0) return answer(error);
    const type = mode_to_vtype(mode);
    const va = this.newNode(type, mode);
    const { fs, paths } = this;
    const cn = this.component(NAMEI_CREATE);
    if (type === VREG) return this.made(fs.node_create(paths.directory, paths.info, cn, va));
    va.va_rdev = rdev;
    return this.made(fs.node_mknod(paths.directory, paths.info, cn, va));
  }

  mkdir(path: string, mode: number): number {
    const { fs, paths } = this;
    const error = paths.parent(path);
    if (error !== 0) return answer(error);
    const va = this.newNode(VDIR, mode);
    return this.made(fs.node_mkdir(paths.directory, paths.info, this.component(NAMEI_CREATE), va));
  }

  symlink(target: string, path: string): number {
    const { fs, paths } = this;
    const error = paths.parent(path);
    if (error !== 0) return answer(error);
    const va = this.newNode(VLNK, SYMLINK_MODE);
    const cn = this.component(NAMEI_CREATE);
    return this.made(fs.node_symlink(paths.directory, paths.info, cn, va, textToName(target)));
  }

  link(from: string, to: string): number {
    const { fs, paths } = this;
    let error = paths.node(from);
    if (error !== 0) return answer(error);
    const { cookie } = paths.info;
    error = paths.parent(to);
    if (error !== 0) return answer(error);
    error = fs.node_link(paths.directory, cookie, this.component(NAMEI_CREATE));
    // The link was counted as a lookup.
    if (error === 0) fs.node_reclaim(cookie, 1);
    return answer(error);
  }

  unlink(path: string): number {
    // An unlinked file was closed for the last time.
    if (this.paths.dropNameless(path)) return 0;
    const { fs, paths } = this;
    const error = paths.parent(path) || paths.child();
    if (error !== 0) return answer(error);
    const cn = this.component(NAMEI_DELETE);
    return answer(fs.node_remove(paths.directory, paths.info.cookie, cn));
  }

  rmdir(path: string): number {
    const { fs, paths } = this;
    let error = paths.parent(path) || paths.child();
    if (error !== 0) return answer(error);
    if (paths.hasNameless(path)) return -EBUSY;
    const cn = this.component(NAMEI_DELETE);
    error = fs.node_rmdir(paths.directory, paths.info.cookie, cn);
    if (error === 0) paths.forget(path);
    return answer(error);
  }

  rename(from: string, to: string): number {
    const { fs, paths } = this;
    let error = paths.parent(from) || paths.child();
    if (error !== 0) return answer(error);
    const sdir = paths.directory;
    const src = paths.info.cookie;
    const scn = this.component(NAMEI_DELETE);
    error = paths.parent(to);
    if (error !== 0) return answer(error);
    if (HIDDEN.test(paths.name) && this.isOpen(src)) return this.hide(sdir, src, scn, to);
    const tdir = paths.directory;
    const tcn = this.cn2;
    tcn.name = paths.name;
    error = paths.child();
    if (error !== 0 && error !== ENOENT) return answer(error);
    const targ = error === 0 ? paths.info.cookie : null;
    if (targ !== null && paths.hasNameless(to)) return -EBUSY;
    error = fs.node_rename(sdir, src, scn, tdir, targ, tcn, 0);
    if (error === 0) paths.moved(from, to);
    return answer(error);
  }

  /** An open file is to be unlinked and will be called by `path` from now on. */
  private hide(dir: Cookie, node: Cookie, cn: puffs_cn, path: string): number {
    const error = this.fs.node_remove(dir, node, cn);
    if (error === 0 && this.paths.keep(node)) this.paths.setNameless(path, node);
    return answer(error);
  }

  readlink(path: string, out: { target: string }): number {
    const error =
      this.paths.node(path) || this.fs.node_readlink(this.found.cookie, this.cred, this.text);
    if (error !== 0) return answer(error);
    out.target = nameToText(this.text.value);
    return Buffer.byteLength(out.target) > TARGET_BYTES_MAX ? -ENAMETOOLONG : 0;
  }

  /** All records of a directory, "." and ".." too. */
  readdir(path: string, out: DirectoryRecord[]): number {
    let error = this.paths.node(path);
    const { cookie } = this.found;
    const result: puffs_readdir_result = { eof: false };
    let at = 0;
    while (error === 0 && !result.eof) {
      const before = at;
      error = this.fs.node_readdir(
        cookie,
        at,
        this.cred,
        (name, fileid, dtype, nextOffset) => {
          at = nextOffset;
          if (isReachable(name)) out.push({ name: nameToText(name), format: dtype << 12, fileid });
          return true;
        },
        result,
      );
      if (at === before) break;
    }
    return answer(error);
  }

  // ---- open files -------------------------------------------------------------------------------

  /** @returns a handle. */
  create(path: string, mode: number): number {
    const result = this.mknod(path, vtype_to_mode(VREG) | (mode & PERMISSIONS), 0);
    return result === 0 ? this.opened() : result;
  }

  /** @returns a handle. */
  open(path: string): number {
    const error = this.paths.node(path);
    return error === 0 ? this.opened() : answer(error);
  }

  release(fh: number): number {
    const { node, isCounted } = this.handle(fh);
    this.handles.delete(fh);
    if (isCounted) this.fs.node_reclaim(node, 1);
    return 0;
  }

  /** Reads into the whole buffer. @returns bytes read, 0: end of file. */
  read(fh: number, buffer: Uint8Array, offset: number): number {
    const uio = this.transfer(buffer, offset);
    const error = this.fs.node_read(this.nodeOf(fh), uio, 0, this.cred);
    return error === 0 ? buffer.length - uio.resid : answer(error);
  }

  /** @returns bytes written: all, or those before an error. */
  write(fh: number, buffer: Uint8Array, offset: number): number {
    const uio = this.transfer(buffer, offset);
    const ioflag = this.options.sync ? IO_SYNC : 0;
    const error = this.fs.node_write(this.nodeOf(fh), uio, ioflag, this.cred);
    const written = buffer.length - uio.resid;
    return error !== 0 && written === 0 ? answer(error) : written;
  }

  fsync(fh: number, dataOnly: boolean): number {
    return this.sync(this.nodeOf(fh), dataOnly);
  }

  fsyncdir(path: string, dataOnly: boolean): number {
    const error = this.paths.node(path);
    return error === 0 ? this.sync(this.found.cookie, dataOnly) : answer(error);
  }

  private sync(node: Cookie, dataOnly: boolean): number {
    const flags = FSYNC_WAIT | (dataOnly ? FSYNC_DATAONLY : 0);
    return answer(this.fs.node_fsync(node, this.cred, flags, 0, 0));
  }

  // ---- extended attributes ----------------------------------------------------------------------

  setxattr(path: string, name: string, value: Uint8Array, flags: number): number {
    const attribute = textToName(name);
    return answer(
      this.paths.node(path) ||
        this.fs.node_setextattr(
          this.found.cookie,
          extattrNamespace(attribute),
          extattrName(attribute),
          // A copy: the file system may keep it, the buffer is not ours.
          Uint8Array.from(value),
          flags,
          this.cred,
        ),
    );
  }

  /** @param buffer empty: only the size is wanted. @returns bytes of the value. */
  getxattr(path: string, name: string, buffer: Uint8Array): number {
    const attribute = textToName(name);
    const error =
      this.paths.node(path) ||
      this.fs.node_getextattr(
        this.found.cookie,
        extattrNamespace(attribute),
        extattrName(attribute),
        this.size,
        buffer.length === 0 ? null : buffer,
        this.cred,
      );
    return error === 0 ? this.size.value : answer(error);
  }

  /** Names, each ended by a NUL. @param buffer empty: only the size is wanted. @returns bytes. */
  listxattr(path: string, buffer: Buffer): number {
    const { text } = this;
    const error = this.paths.node(path) || listNames(this.fs, this.found.cookie, this.cred, text);
    if (error !== 0) return answer(error);
    const bytes = text.value.length;
    if (buffer.length === 0) return bytes;
    return bytes > buffer.length ? -ERANGE : buffer.write(text.value, 'latin1');
  }

  removexattr(path: string, name: string): number {
    const attribute = textToName(name);
    return answer(
      this.paths.node(path) ||
        this.fs.node_deleteextattr(
          this.found.cookie,
          extattrNamespace(attribute),
          extattrName(attribute),
          this.cred,
        ),
    );
  }

  // ---- helpers ----------------------------------------------------------------------------------

  /** The name that was found last, as the component of an operation. */
  private component(nameiop: number): puffs_cn {
    this.cn.nameiop = nameiop;
    this.cn.name = this.paths.name;
    return this.cn;
  }

  private newNode(type: number, mode: number): vattr {
    const va = vattr_null(this.va);
    va.va_type = type;
    va.va_mode = mode & PERMISSIONS & ~SET_ID;
    return va;
  }

  /** A node was made, which counts as a lookup, or not. */
  private made(error: number): number {
    if (error === 0) this.paths.hold();
    return answer(error);
  }

  /** A handle for the node that was found or made last. */
  private opened(): number {
    const { cookie } = this.found;
    do {
      this.lastHandle = this.lastHandle === HANDLE_MAX ? 1 : this.lastHandle + 1;
    } while (this.handles.has(this.lastHandle));
    this.handles.set(this.lastHandle, { node: cookie, isCounted: this.paths.keep(cookie) });
    return this.lastHandle;
  }

  /** @throws Error for a handle that was not given out: a bug above. */
  private handle(fh: number): Handle {
    const handle = this.handles.get(fh);
    if (handle === undefined) throw new Error(`no such handle: ${fh}`);
    return handle;
  }

  private nodeOf(fh: number): Cookie {
    return this.handle(fh).node;
  }

  private isOpen(node: Cookie): boolean {
    for (const handle of this.handles.values()) {
      if (handle.node === node) return true;
    }
    return false;
  }

  private transfer(buffer: Uint8Array, offset: number): puffs_uio {
    const { uio } = this;
    uio.buf = buffer;
    uio.off = 0;
    uio.resid = buffer.length;
    uio.offset = offset;
    return uio;
  }
}

/** A puffs answer → a request's. */
const answer = (error: number): number => (error === 0 ? 0 : -netbsdToLinuxErrno(error));
