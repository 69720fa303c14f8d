/**
 * puffs as a file system of the kernel: what is mounted is not a medium but an object with handlers
 * ({@link PuffsHandlers}). Handlers know paths only; so a node is a path, which changes when it, or
 * a directory above it, is renamed through this mount. What handlers change by themselves is seen
 * at the next lookup.
 *
 * Permissions are checked here, by the owner and the mode that getattr tells.
 */
import type { Lump } from '../../../lump/lump.js';
import {
  puffs_access,
  puffs_access_chmod,
  puffs_access_chown,
  puffs_access_open,
  puffs_cred_isjuggernaut,
  puffs_cred_isuid,
} from '../../../puffs/cred.js';
import { makedev } from '../../../puffs/devt.js';
import { textToName } from '../../../puffs/name.js';
import {
  FREAD,
  FWRITE,
  IO_APPEND,
  PC_LINK_MAX,
  PC_NAME_MAX,
  PC_SYMLINK_MAX,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VBLK,
  VCHR,
  VDIR,
  VLNK,
  VNON,
  VNOVAL,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
  type puffs_uio,
  type vattr,
} from '../../../puffs/puffs.js';
import {
  vattr_has_atime,
  vattr_has_mtime,
  vtype_to_dt,
  vtype_to_mode,
} from '../../../puffs/vattr.js';
import { NetbsdErrno } from '../../errno.js';
import type { kauth_cred } from '../../kauth.js';
import { vfs_module } from '../../module.js';
import { MNT_UPDATE, type mount, type vfsops } from '../../mount.js';
import { vcache_get, vref, type loaded_vnode, type vnode } from '../../vnode.js';
import { vnodeops, type componentname } from '../../vnode_if.js';
import {
  handler_caller,
  type HandlerStat,
  type HandlerStatfs,
  type PuffsHandlers,
} from './puffs_handlers.js';
import {
  join,
  number_of,
  parent_of,
  puffs_node,
  PUFFS_ROOT,
  text_of,
  type_of,
  type puffs_open,
} from './puffs_node.js';

export interface puffs_fs_args {
  readonly handlers: PuffsHandlers;
  /** What handlers get as a buffer: a Buffer of Node over these bytes. */
  readonly buffer: (bytes: Uint8Array) => Uint8Array;
}

const NAME_BYTES_MAX = 255;
const SYMLINK_BYTES_MAX = 1023;
/** The most that one call carries, as FUSE's. */
const REQUEST_BYTES = 128 << 10;
const BLOCK_BYTES = 4096;
const MS_PER_SEC = 1000;

class puffs_vnops extends vnodeops {
  private readonly fs: puffs_fs;

  constructor(fs: puffs_fs) {
    super();
    this.fs = fs;
  }

  private node(vp: vnode): puffs_node {
    return vp.v_data as puffs_node;
  }

  private call(name: keyof PuffsHandlers, ...words: readonly unknown[]): readonly unknown[] {
    return this.fs.caller.call(name, ...words);
  }

  // ---- names ------------------------------------------------------------------------------------

  lookup(dvp: vnode, name: ByteName): vnode | null {
    const { path } = this.node(dvp);
    if (name === '..') {
      if (path === '/') {
        vref(dvp);
        return dvp;
      }
      return this.fs.vnode_at(dvp.v_mount, parent_of(path));
    }
    if (name.length > NAME_BYTES_MAX) throw new NetbsdErrno('ENAMETOOLONG');
    try {
      return this.fs.vnode_at(dvp.v_mount, join(path, text_of(name)));
    } catch (error) {
      if (error instanceof NetbsdErrno && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  override create(dvp: vnode, cnp: componentname, va: vattr): vnode {
    const path = this.new_path(dvp, cnp);
    const mode = vtype_to_mode(VREG) | (va.va_mode & 0o7777);
    if (!this.fs.caller.has('create')) {
      this.call('mknod', path, mode, 0);
      return this.fs.vnode_at(dvp.v_mount, path);
    }
    const [fd = 0] = this.call('create', path, mode) as [number?];
    const opened = { fd, mode: CREATED };
    let vp: vnode;
    try {
      vp = this.fs.vnode_at(dvp.v_mount, path);
    } catch (error) {
      this.release({ path }, opened);
      throw error;
    }
    // It is open for the handler already; who opens it next, gets that.
    this.node(vp).opens.push(opened);
    return vp;
  }

  override mknod(dvp: vnode, cnp: componentname, va: vattr): vnode {
    const isDevice = va.va_type === VBLK || va.va_type === VCHR;
    const path = this.new_path(dvp, cnp);
    if (isDevice && !puffs_cred_isjuggernaut(cnp.cn_cred)) throw new NetbsdErrno('EPERM');
    const type = vtype_to_mode(va.va_type);
    if (type === 0) throw new NetbsdErrno('EINVAL');
    this.call('mknod', path, type | (va.va_mode & 0o7777), isDevice ? va.va_rdev : 0);
    return this.fs.vnode_at(dvp.v_mount, path);
  }

  override mkdir(dvp: vnode, cnp: componentname, va: vattr): vnode {
    const path = this.new_path(dvp, cnp);
    this.call('mkdir', path, va.va_mode & 0o7777);
    return this.fs.vnode_at(dvp.v_mount, path);
  }

  override symlink(dvp: vnode, cnp: componentname, _va: vattr, target: ByteName): vnode {
    const path = this.new_path(dvp, cnp);
    if (target.length > SYMLINK_BYTES_MAX) throw new NetbsdErrno('ENAMETOOLONG');
    this.call('symlink', text_of(target), path);
    return this.fs.vnode_at(dvp.v_mount, path);
  }

  override link(dvp: vnode, vp: vnode, cnp: componentname): void {
    const path = this.new_path(dvp, cnp);
    const node = this.node(vp);
    if (node.type === VDIR) throw new NetbsdErrno('EPERM');
    if (node.is_removed) throw new NetbsdErrno('ENOENT');
    this.call('link', node.path, path);
  }

  override remove(dvp: vnode, vp: vnode, cnp: componentname): void {
    const node = this.may_delete(dvp, vp, cnp);
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    this.call('unlink', node.path);
    this.fs.removed(node);
  }

  override rmdir(dvp: vnode, vp: vnode, cnp: componentname): void {
    const node = this.may_delete(dvp, vp, cnp);
    if (node.type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    this.call('rmdir', node.path);
    this.fs.removed(node);
  }

  override rename(
    fdvp: vnode,
    fvp: vnode,
    fcnp: componentname,
    tdvp: vnode,
    tvp: vnode | null,
    tcnp: componentname,
  ): void {
    const node = this.may_delete(fdvp, fvp, fcnp);
    const from = join(this.node(fdvp).path, text_of(fcnp.cn_name));
    const to = join(this.node(tdvp).path, text_of(tcnp.cn_name));
    if (from === to || tvp === fvp) return;
    if (`${to}/`.startsWith(`${from}/`)) throw new NetbsdErrno('EINVAL', 'a directory into itself');
    if (tvp === null) this.new_path(tdvp, tcnp);
    else {
      const replaced = this.may_delete(tdvp, tvp, tcnp);
      if ((node.type === VDIR) !== (replaced.type === VDIR)) {
        throw new NetbsdErrno(node.type === VDIR ? 'ENOTDIR' : 'EISDIR');
      }
    }
    this.call('rename', from, to);
    if (tvp !== null) this.fs.removed(this.node(tvp));
    this.fs.renamed(from, to);
  }

  override readdir(vp: vnode, offset: number, emit: puffs_nextdent): boolean {
    const node = this.node(vp);
    if (node.type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    if (node.is_removed) throw new NetbsdErrno('ENOENT');
    if (offset <= 0 || node.names.length === 0) node.names = this.fs.names_in(node.path);
    const dtDir = vtype_to_dt(VDIR);
    const up = parent_of(node.path);
    if (offset <= 0 && !emit('.', node.number, dtDir, 1)) return false;
    if (offset <= 1 && !emit('..', number_of(up), dtDir, 2)) return false;
    for (let i = Math.max(0, offset - 2); i < node.names.length; i++) {
      const name = node.names[i]!;
      const { number, type } = this.fs.entry_at(join(node.path, name));
      if (!emit(textToName(name), number, vtype_to_dt(type), i + 3)) return false;
    }
    return true;
  }

  override readlink(vp: vnode): ByteName {
    const node = this.node(vp);
    if (node.type !== VLNK) throw new NetbsdErrno('EINVAL');
    return textToName(String(this.call('readlink', node.path)[0] ?? ''));
  }

  // ---- nodes ------------------------------------------------------------------------------------

  override open(vp: vnode, mode: number, cred: kauth_cred): void {
    const node = this.node(vp);
    if (node.type === VDIR && (mode & FWRITE) !== 0) throw new NetbsdErrno('EISDIR');
    this.access(vp, puffs_access_open(mode), cred);
    if (node.type !== VREG) return;
    const made = node.opens.findIndex((each) => each.mode === CREATED);
    const fd = made < 0 ? this.open_at(node, mode) : node.opens.splice(made, 1)[0]!.fd;
    node.opens.push({ fd, mode: mode & (FREAD | FWRITE) });
  }

  private open_at({ path }: puffs_node, mode: number): number {
    if (!this.fs.caller.has('open')) return 0;
    const [fd = 0] = this.call('open', path, OPEN_FLAGS[mode & (FREAD | FWRITE)]!) as [number?];
    return fd;
  }

  override close(vp: vnode, mode: number): void {
    const node = this.node(vp);
    const at = node.opens.findIndex((each) => each.mode === (mode & (FREAD | FWRITE)));
    if (at >= 0) this.release(node, node.opens.splice(at, 1)[0]!);
  }

  private release({ path }: Pick<puffs_node, 'path'>, { fd }: puffs_open): void {
    if (this.fs.caller.has('release')) this.call('release', path, fd);
  }

  access(vp: vnode, mode: number, cred: kauth_cred): void {
    const { stat, type } = this.fs.refreshed(this.node(vp));
    if ((mode & PUFFS_VWRITE) !== 0 && (type === VREG || type === VDIR)) this.check_writable(vp);
    const error = puffs_access(type, stat.mode & 0o7777, stat.uid ?? 0, stat.gid ?? 0, mode, cred);
    if (error !== 0) throw new NetbsdErrno('EACCES');
  }

  getattr(vp: vnode, va: vattr): void {
    const node = this.fs.refreshed(this.node(vp));
    const { stat } = node;
    const { size = 0, blocks } = stat;
    va.va_type = node.type;
    va.va_mode = stat.mode & 0o7777;
    va.va_nlink = node.is_removed ? 0 : (stat.nlink ?? (node.type === VDIR ? 2 : 1));
    va.va_uid = stat.uid ?? 0;
    va.va_gid = stat.gid ?? 0;
    va.va_fsid = vp.v_mount.mnt_fsid;
    va.va_fileid = stat.ino || node.number;
    va.va_size = size;
    va.va_blocksize = stat.blksize || BLOCK_BYTES;
    [va.va_atime_sec, va.va_atime_nsec] = time_of(stat.atime);
    [va.va_mtime_sec, va.va_mtime_nsec] = time_of(stat.mtime);
    [va.va_ctime_sec, va.va_ctime_nsec] = time_of(stat.ctime);
    va.va_birthtime_sec = va.va_birthtime_nsec = VNOVAL;
    va.va_gen = 0;
    va.va_flags = 0;
    va.va_rdev = stat.rdev ?? makedev(0, 0);
    va.va_bytes = blocks === undefined ? size : blocks * 512;
    va.va_filerev = 0;
    va.va_vaflags = 0;
  }

  override setattr(vp: vnode, va: vattr, cred: kauth_cred): void {
    this.check_writable(vp);
    const node = this.fs.refreshed(this.node(vp));
    if (va.va_flags !== VNOVAL) throw new NetbsdErrno('EOPNOTSUPP', 'file flags');
    this.may_change(vp, va, cred);
    const { path, stat } = node;
    if (va.va_size !== VNOVAL) this.truncate(node, va.va_size);
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      const uid = va.va_uid === VNOVAL ? (stat.uid ?? 0) : va.va_uid;
      const gid = va.va_gid === VNOVAL ? (stat.gid ?? 0) : va.va_gid;
      this.call('chown', path, uid, gid);
    }
    if (va.va_mode !== VNOVAL) {
      this.call('chmod', path, (stat.mode & 0o170000) | (va.va_mode & 0o7777));
    }
    if (!vattr_has_atime(va) && !vattr_has_mtime(va)) return;
    const now = vp.v_mount.mnt_rump.lump.host.wallClockMs();
    const isNow = (va.va_vaflags & VA_UTIMES_NULL) !== 0;
    const told = (has: boolean, sec: number, nsec: number, before: HandlerStat['atime']): number =>
      !has ? Number(before ?? 0) : isNow ? now : sec * MS_PER_SEC + nsec / 1e6;
    this.call(
      'utimens',
      path,
      told(vattr_has_atime(va), va.va_atime_sec, va.va_atime_nsec, stat.atime),
      told(vattr_has_mtime(va), va.va_mtime_sec, va.va_mtime_nsec, stat.mtime),
    );
  }

  private truncate(node: puffs_node, size: number): void {
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    if (node.type !== VREG || size < 0) throw new NetbsdErrno('EINVAL');
    const open = node.opens.find(({ mode }) => (mode & FWRITE) !== 0);
    const byFd = open !== undefined && this.fs.caller.has('ftruncate');
    if (byFd) this.call('ftruncate', node.path, open.fd, size);
    else this.call('truncate', node.path, size);
  }

  override read(vp: vnode, uio: puffs_uio): void {
    const node = this.node(vp);
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    if (node.type !== VREG) throw new NetbsdErrno('EINVAL');
    this.with_fd(node, FREAD, (fd) => {
      let position = uio.offset;
      for (let off = uio.off; uio.resid > 0; ) {
        const length = Math.min(uio.resid, REQUEST_BYTES);
        const buffer = this.fs.buffer(uio.buf.subarray(off, off + length));
        const { caller } = this.fs;
        const count = caller.call_bytes('read', length, node.path, fd, buffer, length, position);
        off += count;
        position += count;
        uio.resid -= count;
        if (count < length) return;
      }
    });
  }

  override write(vp: vnode, uio: puffs_uio, ioflag: number): void {
    this.check_writable(vp);
    const node = this.node(vp);
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    if (node.type !== VREG) throw new NetbsdErrno('EINVAL');
    const isAppend = (ioflag & IO_APPEND) !== 0;
    let position = isAppend ? (this.fs.refreshed(node).stat.size ?? 0) : uio.offset;
    this.with_fd(node, FWRITE, (fd) => {
      for (let off = uio.off; uio.resid > 0; ) {
        const length = Math.min(uio.resid, REQUEST_BYTES);
        const buffer = this.fs.buffer(uio.buf.subarray(off, off + length));
        const { caller } = this.fs;
        const count = caller.call_bytes('write', length, node.path, fd, buffer, length, position);
        if (count === 0) throw caller.eio('write', [node.path], `took none of ${length} bytes`);
        off += count;
        position += count;
        uio.resid -= count;
      }
    });
  }

  /** The handler's number of the open file; a file that nobody has open is opened meanwhile. */
  private with_fd(node: puffs_node, mode: number, use: (fd: number) => void): void {
    const open = node.opens.find((each) => (each.mode & mode) !== 0);
    if (open !== undefined) {
      use(open.fd);
      return;
    }
    const fd = this.open_at(node, mode);
    try {
      use(fd);
    } finally {
      this.release(node, { fd, mode });
    }
  }

  override fsync(vp: vnode): void {
    const node = this.node(vp);
    if (!this.fs.caller.has('fsync')) return;
    for (const { fd } of node.opens) this.call('fsync', node.path, fd, false);
  }

  override inactive(vp: vnode): boolean {
    const node = this.node(vp);
    for (const open of node.opens.splice(0)) this.release(node, open);
    return node.is_removed;
  }

  override reclaim(vp: vnode): void {
    this.fs.forget(this.node(vp));
  }

  override pathconf(vp: vnode, name: number): number {
    switch (name) {
      case PC_LINK_MAX:
        return 32767;
      case PC_NAME_MAX:
        return NAME_BYTES_MAX;
      case PC_SYMLINK_MAX:
        return SYMLINK_BYTES_MAX;
      default:
        return super.pathconf(vp, name);
    }
  }

  // ---- who may ----------------------------------------------------------------------------------

  private check_writable(vp: vnode): void {
    if (vp.v_mount.is_readonly) throw new NetbsdErrno('EROFS');
  }

  /** After the lookup that found nothing. */
  private new_path(dvp: vnode, { cn_name, cn_cred }: componentname): string {
    if (cn_name === '.' || cn_name === '..') throw new NetbsdErrno('EEXIST');
    const dir = this.node(dvp);
    if (dir.is_removed) throw new NetbsdErrno('ENOENT');
    this.access(dvp, PUFFS_VWRITE, cn_cred);
    return join(dir.path, text_of(cn_name));
  }

  private may_delete(dvp: vnode, vp: vnode, { cn_name, cn_cred }: componentname): puffs_node {
    if (cn_name === '.' || cn_name === '..') throw new NetbsdErrno('EINVAL');
    this.access(dvp, PUFFS_VWRITE, cn_cred);
    const { stat } = this.node(dvp);
    const node = this.fs.refreshed(this.node(vp));
    const isTrusted =
      (stat.mode & S_ISVTX) === 0 ||
      puffs_cred_isjuggernaut(cn_cred) ||
      puffs_cred_isuid(cn_cred, node.stat.uid ?? 0) ||
      puffs_cred_isuid(cn_cred, stat.uid ?? 0);
    if (!isTrusted) throw new NetbsdErrno('EPERM');
    return node;
  }

  private may_change(vp: vnode, va: vattr, cred: kauth_cred): void {
    const { stat, type } = this.node(vp);
    const { uid: owner = 0, gid: group = 0 } = stat;
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      const uid = va.va_uid === VNOVAL ? owner : va.va_uid;
      const gid = va.va_gid === VNOVAL ? group : va.va_gid;
      if (puffs_access_chown(owner, group, uid, gid, cred) !== 0) throw new NetbsdErrno('EPERM');
    }
    const isModeRefused =
      va.va_mode !== VNOVAL && puffs_access_chmod(owner, group, type, va.va_mode, cred) !== 0;
    if (isModeRefused) throw new NetbsdErrno('EPERM');
    if (puffs_cred_isjuggernaut(cred) || puffs_cred_isuid(cred, owner)) return;
    if (!vattr_has_atime(va) && !vattr_has_mtime(va)) return;
    if ((va.va_vaflags & VA_UTIMES_NULL) === 0) throw new NetbsdErrno('EPERM');
    this.access(vp, PUFFS_VWRITE, cred);
  }
}

const S_ISVTX = 0o1000;
/** Of an open file that create() made. */
const CREATED = -1;
/** Linux's O_RDONLY, O_WRONLY, O_RDWR by FREAD and FWRITE. */
const OPEN_FLAGS: Readonly<Record<number, number>> = {
  0: 0,
  [FREAD]: 0,
  [FWRITE]: 1,
  [FREAD | FWRITE]: 2,
};

function time_of(time: Date | number | undefined): [sec: number, nsec: number] {
  const ms = Number(time ?? 0);
  if (!Number.isFinite(ms)) return [0, 0];
  const sec = Math.floor(ms / MS_PER_SEC);
  return [sec, Math.round((ms - sec * MS_PER_SEC) * 1e6)];
}

class puffs_fs {
  readonly caller: handler_caller;
  readonly buffer: puffs_fs_args['buffer'];
  readonly vnops = new puffs_vnops(this);
  private readonly nodes = new Map<number, puffs_node>();
  private readonly by_path = new Map<string, puffs_node>();

  constructor(lump: Lump, { handlers, buffer }: puffs_fs_args) {
    this.caller = new handler_caller(lump, handlers);
    this.buffer = buffer;
  }

  private stat_at(path: string): HandlerStat {
    const [stat] = this.caller.call('getattr', path);
    if (typeof (stat as HandlerStat | undefined)?.mode !== 'number') {
      throw this.caller.eio('getattr', [path], 'called back without { mode }');
    }
    return stat as HandlerStat;
  }

  /** @throws ENOENT, and what getattr answers. */
  vnode_at(mp: mount, path: string): vnode {
    return vcache_get(mp, this.node_at(path).number);
  }

  private node_at(path: string): puffs_node {
    const stat = this.stat_at(path);
    const type = type_of(stat);
    if (type === VNON) throw this.caller.eio('getattr', [path], `told no type: ${stat.mode}`);
    const present = this.by_path.get(path);
    if (present !== undefined && present.type === type) {
      present.stat = stat;
      return present;
    }
    // Another file than before: the handlers have changed it.
    if (present !== undefined) this.removed(present);
    let number = number_of(path);
    while (this.nodes.has(number)) number++;
    const node = new puffs_node(number, type, path, stat);
    this.nodes.set(number, node);
    this.by_path.set(path, node);
    return node;
  }

  load(number: number): puffs_node {
    const node = number === PUFFS_ROOT ? this.node_at('/') : this.nodes.get(number);
    if (node === undefined) throw new NetbsdErrno('ESTALE', `node ${number}`);
    return node;
  }

  /** With what its handler tells now. @throws ESTALE it is another file by now. */
  refreshed(node: puffs_node): puffs_node {
    if (!node.is_removed) {
      try {
        const stat = this.stat_at(node.path);
        if (type_of(stat) !== node.type) throw new NetbsdErrno('ESTALE', node.path);
        node.stat = stat;
      } catch (error) {
        if (error instanceof NetbsdErrno && error.code === 'ENOENT') {
          throw new NetbsdErrno('ESTALE', node.path);
        }
        throw error;
      }
      return node;
    }
    const [open] = node.opens;
    if (open !== undefined && this.caller.has('fgetattr')) {
      const [stat] = this.caller.call('fgetattr', node.path, open.fd);
      node.stat = stat as HandlerStat;
    }
    return node;
  }

  removed(node: puffs_node): void {
    node.is_removed = true;
    if (this.by_path.get(node.path) === node) this.by_path.delete(node.path);
  }

  /** The node, and all that is below it, have other paths. */
  renamed(from: string, to: string): void {
    for (const node of [...this.by_path.values()]) {
      if (node.path !== from && !node.path.startsWith(`${from}/`)) continue;
      this.by_path.delete(node.path);
      node.path = to + node.path.slice(from.length);
      this.by_path.set(node.path, node);
    }
  }

  forget(node: puffs_node): void {
    this.nodes.delete(node.number);
    if (this.by_path.get(node.path) === node) this.by_path.delete(node.path);
  }

  /** Without what cannot be a name. */
  names_in(path: string): string[] {
    const [names] = this.caller.call('readdir', path);
    if (!Array.isArray(names)) {
      throw this.caller.eio('readdir', [path], 'called back without an array of names');
    }
    return names
      .map((name) => String(name))
      .filter((name) => name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name));
  }

  entry_at(path: string): { number: number; type: number } {
    const present = this.by_path.get(path);
    try {
      const stat = this.stat_at(path);
      return { number: stat.ino || (present?.number ?? number_of(path)), type: type_of(stat) };
    } catch (error) {
      if (!(error instanceof NetbsdErrno)) throw error;
      return { number: number_of(path), type: VNON };
    }
  }

  statvfs(out: puffs_statvfs): void {
    const [told] = this.caller.has('statfs') ? this.caller.call('statfs', '/') : [];
    const stat = (told ?? {}) as HandlerStatfs;
    out.f_bsize = stat.bsize || BLOCK_BYTES;
    out.f_frsize = stat.frsize || out.f_bsize;
    out.f_blocks = stat.blocks ?? 0;
    out.f_bfree = stat.bfree ?? 0;
    out.f_bavail = stat.bavail ?? out.f_bfree;
    out.f_files = stat.files ?? 0;
    out.f_ffree = stat.ffree ?? 0;
    out.f_favail = stat.favail ?? out.f_ffree;
    out.f_namemax = stat.namemax || NAME_BYTES_MAX;
  }
}

const VFSTOPUFFS = (mp: mount): puffs_fs => mp.mnt_data as puffs_fs;

const puffs_vfsops: vfsops = {
  vfs_name: 'puffs',
  // Handlers may change what there is.
  uses_namecache: false,

  /** @throws EINVAL there is no root directory; what the handlers answer. */
  mount(mp: mount, args: unknown): void {
    if ((mp.mnt_flag & MNT_UPDATE) !== 0) return;
    const fs = new puffs_fs(mp.mnt_rump.lump, args as puffs_fs_args);
    if (!fs.caller.has('getattr')) throw new NetbsdErrno('EINVAL', 'there is no handler getattr');
    if (fs.caller.has('init')) fs.caller.call('init');
    if (fs.load(PUFFS_ROOT).type !== VDIR) {
      throw new NetbsdErrno('EINVAL', 'getattr does not tell that / is a directory');
    }
    mp.mnt_data = fs;
  },
  unmount(): void {},
  root: () => PUFFS_ROOT,
  loadvnode(mp: mount, key: number): loaded_vnode {
    const fs = VFSTOPUFFS(mp);
    const node = fs.load(key);
    const { rdev } = node.stat;
    return {
      type: node.type,
      op: fs.vnops,
      data: node,
      ...(rdev !== undefined && { rdev }),
    };
  },
  statvfs: (mp: mount, out: puffs_statvfs) => VFSTOPUFFS(mp).statvfs(out),
  sync(): void {},
  generation: () => 0,
};

export const puffs_module = vfs_module('puffs', puffs_vfsops);
