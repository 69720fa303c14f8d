/**
 * etfs, the extra-terrestrial file system: objects of the host that show inside a kernel's name
 * space, under keys that are absolute paths. A key is found by name only; no directory lists it.
 *
 * | type        | inside                       | host                                          |
 * |-------------|------------------------------|-----------------------------------------------|
 * | REG         | a regular file               | a file, or a window of one                    |
 * | BLK, CHR    | a device of that size        | the same, and devices; {@link etfs.disk_at}   |
 * | DIR         | a directory with its files   | a directory, without those that are in it     |
 * | DIR_SUBDIRS | a directory, and all below   | a directory                                   |
 *
 * Source: reference rump.md §5.4.
 */
import { puffs_access, puffs_access_open } from '../puffs/cred.js';
import {
  FWRITE,
  IO_APPEND,
  VBLK,
  VCHR,
  VDIR,
  VNOVAL,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_uio,
  type vattr,
} from '../puffs/puffs.js';
import { nameToText, textToName } from '../puffs/name.js';
import { makedev } from '../puffs/devt.js';
import { vtype_to_dt } from '../puffs/vattr.js';
import type { HostSource } from '../rumpuser/host_source.js';
import { HostError, type HostFile } from '../rumpuser/rumpuser.js';
import { disk_open, openErrorOfHost, type disk_backend } from './disk/open.js';
import { diskErrorOfHost, disk_slice, type disk } from './disk/disk.js';
import { NetbsdErrno } from './errno.js';
import type { kauth_cred } from './kauth.js';
import { mount, type vfsops } from './mount.js';
import type { rump } from './rump.js';
import { vcache_get, type loaded_vnode, type vnode } from './vnode.js';
import { vnodeops } from './vnode_if.js';

export type etfs_type = 'REG' | 'BLK' | 'CHR' | 'DIR' | 'DIR_SUBDIRS';

/** To the end of the host's file. */
export const RUMP_ETFS_SIZE_ENDOFF = -1;

/** Major number of the disks that etfs makes. */
const RUMPBLK_MAJOR = 180;
const VTYPES = { REG: VREG, BLK: VBLK, CHR: VCHR, DIR: VDIR, DIR_SUBDIRS: VDIR } as const;
const BLOCK_BYTES = 512;

/** An object of the host, or what is in a directory of one. */
class etfs_node {
  readonly number: number;
  readonly type: number;
  readonly hostpath: string;
  /** Null: the top of its key. */
  readonly parent: etfs_node | null;
  readonly begin: number;
  /** Bytes; null: as large as the host's file is. */
  readonly size: number | null;
  /** Directories may be in it. */
  readonly has_subdirs: boolean;
  readonly children = new Map<string, etfs_node>();
  is_revoked = false;
  file: HostFile | null = null;
  is_readonly = false;

  constructor(
    number: number,
    type: number,
    hostpath: string,
    parent: etfs_node | null,
    has_subdirs: boolean,
    begin = 0,
    size: number | null = null,
  ) {
    this.number = number;
    this.type = type;
    this.hostpath = hostpath;
    this.parent = parent;
    this.has_subdirs = has_subdirs;
    this.begin = begin;
    this.size = size;
  }
}

class etfs_vnops extends vnodeops {
  private readonly etfs: etfs;

  constructor(owner: etfs) {
    super();
    this.etfs = owner;
  }

  /** @throws ENXIO its key was removed. */
  private node(vp: vnode): etfs_node {
    const node = vp.v_data as etfs_node;
    if (node.is_revoked) throw new NetbsdErrno('ENXIO', `${node.hostpath} is registered no more`);
    return node;
  }

  lookup(dvp: vnode, name: ByteName): vnode | null {
    const dir = this.node(dvp);
    const node = name === '..' ? (dir.parent ?? dir) : this.etfs.child(dir, nameToText(name));
    return node === null ? null : vcache_get(dvp.v_mount, node.number);
  }

  override readdir(vp: vnode, offset: number, emit: puffs_nextdent): boolean {
    const dir = this.node(vp);
    if (dir.type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    const entries = [
      ['.', dir],
      ['..', dir.parent ?? dir],
      ...this.etfs.names(dir).map((name) => [name, this.etfs.child(dir, name)] as const),
    ] as const;
    for (let i = Math.max(0, offset); i < entries.length; i++) {
      const [name, node] = entries[i]!;
      if (node === null) continue;
      if (!emit(textToName(name), node.number, vtype_to_dt(node.type), i + 1)) return false;
    }
    return true;
  }

  override open(vp: vnode, mode: number, cred: kauth_cred): void {
    const node = this.node(vp);
    if (node.type === VDIR) {
      if ((mode & FWRITE) !== 0) throw new NetbsdErrno('EISDIR');
      return;
    }
    this.access(vp, puffs_access_open(mode), cred);
    this.etfs.opened(node);
    if ((mode & FWRITE) !== 0 && node.is_readonly) throw new NetbsdErrno('EACCES', node.hostpath);
  }

  access(vp: vnode, mode: number, cred: kauth_cred): void {
    const node = this.node(vp);
    const error = puffs_access(node.type, mode_of(node), 0, 0, mode, cred);
    if (error !== 0) throw new NetbsdErrno('EACCES');
  }

  getattr(vp: vnode, va: vattr): void {
    const node = this.node(vp);
    const size = node.type === VDIR ? 0 : this.etfs.size_of(node);
    va.va_type = node.type;
    va.va_mode = mode_of(node);
    va.va_nlink = node.type === VDIR ? 2 : 1;
    va.va_uid = va.va_gid = 0;
    va.va_fsid = vp.v_mount.mnt_fsid;
    va.va_fileid = node.number;
    va.va_size = va.va_bytes = size;
    va.va_blocksize = BLOCK_BYTES;
    const { tv_sec } = this.etfs.since;
    va.va_atime_sec = va.va_mtime_sec = va.va_ctime_sec = tv_sec;
    va.va_atime_nsec = va.va_mtime_nsec = va.va_ctime_nsec = 0;
    va.va_birthtime_sec = va.va_birthtime_nsec = VNOVAL;
    va.va_gen = va.va_flags = va.va_filerev = va.va_vaflags = 0;
    va.va_rdev = vp.v_rdev;
  }

  /** The size of a whole file can be set; nothing else of the host's. */
  override setattr(vp: vnode, va: vattr): void {
    const node = this.node(vp);
    if (va.va_size === VNOVAL) throw new NetbsdErrno('EOPNOTSUPP', 'attributes of the host');
    if (node.type !== VREG || node.size !== null) throw new NetbsdErrno('EINVAL', 'a fixed size');
    this.changing(node).truncate(va.va_size);
  }

  private changing(node: etfs_node): HostFile {
    const file = this.etfs.opened(node);
    if (node.is_readonly) throw new NetbsdErrno('EACCES', node.hostpath);
    return file;
  }

  override read(vp: vnode, uio: puffs_uio): void {
    const node = this.node(vp);
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    const count = Math.min(uio.resid, this.etfs.size_of(node) - uio.offset);
    if (count <= 0) return;
    const file = this.etfs.opened(node);
    try {
      uio.resid -= file.read(uio.buf, uio.off, count, node.begin + uio.offset);
    } catch (error) {
      throw diskErrorOfHost(error);
    }
  }

  override write(vp: vnode, uio: puffs_uio, ioflag: number): void {
    const node = this.node(vp);
    if (node.type === VDIR) throw new NetbsdErrno('EISDIR');
    const size = this.etfs.size_of(node);
    const position = (ioflag & IO_APPEND) !== 0 ? size : uio.offset;
    const isFixed = node.type !== VREG || node.size !== null;
    const count = isFixed ? Math.min(uio.resid, Math.max(0, size - position)) : uio.resid;
    const file = this.changing(node);
    try {
      file.write(uio.buf, uio.off, count, node.begin + position);
    } catch (error) {
      throw diskErrorOfHost(error);
    }
    uio.resid -= count;
    if (uio.resid > 0) throw new NetbsdErrno('ENOSPC', 'the window ends');
  }

  override fsync(vp: vnode): void {
    try {
      this.node(vp).file?.sync();
    } catch (error) {
      throw diskErrorOfHost(error);
    }
  }

  override inactive(vp: vnode): boolean {
    return (vp.v_data as etfs_node).is_revoked;
  }

  override reclaim(vp: vnode): void {
    const node = vp.v_data as etfs_node;
    node.file?.close();
    node.file = null;
  }
}

const mode_of = ({ type }: etfs_node): number =>
  type === VDIR ? 0o755 : type === VREG ? 0o644 : 0o600;

interface registered {
  readonly node: etfs_node;
  readonly type: etfs_type;
}

/** The keys of one kernel. */
export class etfs {
  readonly since: { readonly tv_sec: number };
  private readonly rump: rump;
  private readonly keys = new Map<string, registered>();
  private readonly nodes = new Map<number, etfs_node>();
  private readonly mp: mount;
  private source: Pick<HostSource, 'list'> | null = null;
  private last_number = 0;

  constructor(kernel: rump) {
    this.rump = kernel;
    this.since = { tv_sec: kernel.lump.ktime_get_real_seconds() };
    const op = new etfs_vnops(this);
    const vfs: vfsops = {
      vfs_name: 'etfs',
      uses_namecache: false,
      mount(): void {},
      unmount(): void {},
      root: () => 0,
      loadvnode: (_mp, key): loaded_vnode => {
        const node = this.nodes.get(key);
        if (node === undefined) throw new NetbsdErrno('ESTALE', `node ${key}`);
        const rdev = makedev(RUMPBLK_MAJOR, node.number & 0xfffff);
        return { type: node.type, op, data: node, rdev };
      },
      statvfs(): void {},
      sync(): void {},
      generation: () => 0,
    };
    this.mp = new mount(kernel, vfs, 0, null, 0);
  }

  /** Who lists directories of the host; without, DIR and DIR_SUBDIRS are ENOSYS. */
  list_with(source: Pick<HostSource, 'list'>): void {
    this.source = source;
  }

  /**
   * rump_pub_etfs_register. The host's file is opened with its first use: for writing if it may be.
   * @param key begins with a slash; of several leading ones, one counts
   * @throws EINVAL a key without a slash; EEXIST; ENOENT, EACCES the host's; ENOTDIR, EISDIR the
   *   host's object is of another kind.
   */
  register(key: string, hostpath: string, type: etfs_type): void {
    this.register_withsize(key, hostpath, type, 0, RUMP_ETFS_SIZE_ENDOFF);
  }

  /**
   * Shows a window of a host's file; it need not begin or end with a sector.
   * @throws EINVAL it ends behind the file; EISDIR a window of a directory; and as register().
   */
  register_withsize(
    key: string,
    hostpath: string,
    type: etfs_type,
    begin: number,
    size: number,
  ): void {
    const name = canonical(key);
    const isDirectory = VTYPES[type] === VDIR;
    const isWindow = begin !== 0 || size !== RUMP_ETFS_SIZE_ENDOFF;
    if (isDirectory && isWindow) throw new NetbsdErrno('EISDIR', `a window of ${hostpath}`);
    if (this.keys.has(name)) throw new NetbsdErrno('EEXIST', name);
    const { type: kind, sizeBytes } = this.info(hostpath);
    if (isDirectory && kind !== 'directory') throw new NetbsdErrno('ENOTDIR', hostpath);
    if (!isDirectory && kind === 'directory') throw new NetbsdErrno('EISDIR', hostpath);
    if (isDirectory && this.source === null) throw new NetbsdErrno('ENOSYS', 'no host directories');
    const end = size === RUMP_ETFS_SIZE_ENDOFF ? sizeBytes : begin + size;
    if (begin < 0 || end < begin || end > sizeBytes) {
      const text = `${hostpath}: bytes ${begin} to ${end} of ${sizeBytes}`;
      throw new NetbsdErrno('EINVAL', text);
    }
    const isFixed = isWindow || VTYPES[type] !== VREG;
    const node = this.make(VTYPES[type], hostpath, null, type === 'DIR_SUBDIRS', begin, {
      size: isFixed && !isDirectory ? end - begin : null,
    });
    this.keys.set(name, { node, type });
  }

  /**
   * What is open under the key answers ENXIO from now on.
   * @throws EINVAL a key without a slash; ENOENT
   */
  remove(key: string): void {
    const name = canonical(key);
    const entry = this.keys.get(name);
    if (entry === undefined) throw new NetbsdErrno('ENOENT', name);
    this.keys.delete(name);
    this.revoke(entry.node);
  }

  private revoke(node: etfs_node): void {
    node.is_revoked = true;
    node.file?.close();
    node.file = null;
    this.nodes.delete(node.number);
    for (const child of node.children.values()) this.revoke(child);
  }

  /**
   * The disk under a key, for a file system to be mounted on; locked on the host as images are.
   * @throws ENOENT; ENOTBLK the key is no BLK; as disk_open
   */
  disk_at(key: string, readOnly = false, backend?: disk_backend): disk {
    const entry = this.keys.get(canonical(key));
    if (entry === undefined) throw new NetbsdErrno('ENOENT', key);
    const { node, type } = entry;
    if (type !== 'BLK') throw new NetbsdErrno('ENOTBLK', key);
    const whole = disk_open(this.rump.lump, node.hostpath, readOnly, backend);
    return new disk_slice(whole, node.begin, node.size!, `${key} (${node.hostpath})`);
  }

  /**
   * For namei, of an absolute path from the root: the key that it is or is below.
   * @returns the key's vnode, referenced, and the rest of the path; null: there is none
   */
  find(path: string): { vp: vnode; rest: string } | null {
    if (this.keys.size === 0) return null;
    const name = canonical(path);
    const exact = this.keys.get(name);
    if (exact !== undefined) return { vp: this.vnode_of(exact.node), rest: '' };
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
      const above = this.keys.get(name.slice(0, at));
      if (above?.node.type === VDIR) {
        return { vp: this.vnode_of(above.node), rest: name.slice(at + 1) };
      }
    }
    return null;
  }

  private vnode_of({ number }: etfs_node): vnode {
    return vcache_get(this.mp, number);
  }

  // ---- for the vnodes ---------------------------------------------------------------------------

  private make(
    type: number,
    hostpath: string,
    parent: etfs_node | null,
    has_subdirs: boolean,
    begin = 0,
    { size }: { readonly size: number | null } = { size: null },
  ): etfs_node {
    const number = ++this.last_number;
    const node = new etfs_node(number, type, hostpath, parent, has_subdirs, begin, size);
    this.nodes.set(number, node);
    return node;
  }

  private info(hostpath: string): { type: string; sizeBytes: number } {
    try {
      return this.rump.lump.host.getfileinfo(hostpath);
    } catch (error) {
      throw openErrorOfHost(error);
    }
  }

  /** Names in a directory of the host. */
  names(dir: etfs_node): string[] {
    try {
      return this.source!.list(textToName(dir.hostpath))
        .map((name) => nameToText(name))
        .sort();
    } catch (error) {
      throw openErrorOfHost(error);
    }
  }

  /** @returns null: it is not there, or not to be shown */
  child(dir: etfs_node, name: string): etfs_node | null {
    if (dir.type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    const hostpath = `${dir.hostpath}/${name}`;
    let kind: string;
    try {
      kind = this.rump.lump.host.getfileinfo(hostpath).type;
    } catch (error) {
      if (error instanceof HostError) return null;
      throw error;
    }
    const type = { regular: VREG, directory: VDIR, block: VBLK, char: VCHR }[kind];
    if (type === undefined || (type === VDIR && !dir.has_subdirs)) return null;
    const present = dir.children.get(name);
    if (present?.type === type) return present;
    if (present !== undefined) this.revoke(present);
    const size = type === VBLK ? { size: this.info(hostpath).sizeBytes } : undefined;
    const made = this.make(type, hostpath, dir, dir.has_subdirs, 0, size);
    dir.children.set(name, made);
    return made;
  }

  /** The host's file: for writing, or else for reading. */
  opened(node: etfs_node): HostFile {
    if (node.file !== null) return node.file;
    const { host } = this.rump.lump;
    try {
      node.file = host.open(node.hostpath, 'write');
    } catch (error) {
      const isRefused =
        error instanceof HostError && ['EACCES', 'EPERM', 'EROFS'].includes(error.code);
      if (!isRefused) throw openErrorOfHost(error);
      try {
        node.file = host.open(node.hostpath, 'read');
      } catch (second) {
        throw openErrorOfHost(second);
      }
      node.is_readonly = true;
    }
    return node.file;
  }

  size_of(node: etfs_node): number {
    if (node.size !== null) return node.size;
    return node.file === null ? this.info(node.hostpath).sizeBytes : node.file.size();
  }
}

/** Leading slashes are one; others are part of the key. @throws EINVAL there is none. */
function canonical(key: string): string {
  if (!key.startsWith('/')) throw new NetbsdErrno('EINVAL', `key "${key}" must begin with a slash`);
  return key.replace(/^\/+/, '/');
}
