/**
 * sysvbfs: System V's boot file system. One directory, names of 14 bytes, files that are one run of
 * blocks each. The medium holds owners, permissions and link counts, so that links can be made, as
 * Linux does; directories, symbolic links and special files cannot.
 */
import { NetbsdErrno } from '../../errno.js';
import { genfs_node, type genfs_new } from '../../genfs_node.js';
import { genfs_vfsops, type genfs_fs } from '../../genfs_vfsops.js';
import { genfs_vnops } from '../../genfs_vnops.js';
import { vfs_module } from '../../module.js';
import type { vnode } from '../../vnode.js';
import type { componentname } from '../../vnode_if.js';
import type { disk } from '../../disk/disk.js';
import type { Lump } from '../../../lump/lump.js';
import {
  VDIR,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
  type vattr,
} from '../../../puffs/puffs.js';
import { vtype_to_dt } from '../../../puffs/vattr.js';
import {
  BFS_BSIZE,
  BFS_DIRENT_BYTES,
  BFS_NAMELEN,
  BFS_ROOT_INO,
  BFS_VREG,
  dirent_name,
  put_dirent,
} from './medium.js';
import { sysvbfs_volume } from './sysvbfs_volume.js';

export interface sysvbfs_args {
  readonly disk: disk;
  /** Write although a compaction was interrupted. */
  readonly force: boolean;
}

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

class sysvbfs_vnops extends genfs_vnops<genfs_node> {
  override mkdir(dvp: vnode, cnp: componentname): vnode {
    return this.refuse(dvp, cnp, 'directories');
  }
  override symlink(dvp: vnode, cnp: componentname): vnode {
    return this.refuse(dvp, cnp, 'symbolic links');
  }
  override mknod(dvp: vnode, cnp: componentname, va: vattr): vnode {
    if (va.va_type === VREG) return super.mknod(dvp, cnp, va);
    return this.refuse(dvp, cnp, 'special files');
  }

  private refuse(dvp: vnode, cnp: componentname, what: string): never {
    this.may_create(dvp, cnp);
    throw new NetbsdErrno('EOPNOTSUPP', `BFS has no ${what}`);
  }
}

class sysvbfs implements genfs_fs<genfs_node> {
  readonly volume: sysvbfs_volume;
  readonly root = BFS_ROOT_INO;
  readonly vnops = new sysvbfs_vnops(this);
  readonly limits;
  private readonly nodes = new Map<number, genfs_node>();

  constructor(lump: Lump, { disk, force }: sysvbfs_args) {
    this.volume = new sysvbfs_volume(lump, disk, force);
    this.limits = {
      nameBytes: BFS_NAMELEN,
      links: 0xffff_ffff,
      symlinkBytes: 0,
      // The place of the last byte is 32 bits.
      fileBytes: 2 ** 32 - BFS_BSIZE,
      timeSecMin: 0,
      timeSecMax: 2 ** 32 - 1,
      timeGranularityNsec: 1e9,
      blockBytes: BFS_BSIZE,
    };
  }

  /** What is forced was known when the volume was opened. */
  open_writing(): void {
    const { readonly_reason } = this.volume;
    if (readonly_reason !== '') throw new NetbsdErrno('EROFS', readonly_reason);
  }

  close_writing(): void {
    this.sync();
  }

  // ---- nodes ------------------------------------------------------------------------------------

  /** @throws ESTALE; EIO its inode is damaged. */
  load(ino: number): genfs_node {
    const present = this.nodes.get(ino);
    if (present !== undefined) return present;
    const { volume } = this;
    if (!volume.has_inode(ino) || !volume.is_used(ino)) {
      throw new NetbsdErrno('ESTALE', `node ${ino}`);
    }
    if (!volume.runs.has(ino)) throw volume.eio(`inode ${ino} is damaged`);
    const { bp, off } = volume.inode(ino);
    const b = bp.b_data;
    const { i_mode, i_uid, i_gid, i_nlink, i_atime, i_mtime, i_ctime } = volume.layout.inode;
    const node = new genfs_node(ino, ino === BFS_ROOT_INO ? VDIR : VREG);
    node.i_mode = i_mode.get(b, off) & 0o7777;
    node.i_uid = i_uid.get(b, off);
    node.i_gid = i_gid.get(b, off);
    // Whatever a damaged inode counts: it has a name, or nobody would ask for it.
    node.i_nlink = Math.max(ino === BFS_ROOT_INO ? 2 : 1, i_nlink.get(b, off));
    node.i_size = volume.size_of(ino);
    node.i_atime = { sec: i_atime.get(b, off), nsec: 0 };
    node.i_mtime = { sec: i_mtime.get(b, off), nsec: 0 };
    node.i_ctime = { sec: i_ctime.get(b, off), nsec: 0 };
    this.count_bytes(node);
    this.nodes.set(ino, node);
    return node;
  }

  private count_bytes(node: genfs_node): void {
    const { start, end } = this.volume.runs.get(node.i_number)!;
    node.i_bytes = (end - start + 1) * BFS_BSIZE;
  }

  make(_dir: genfs_node, { mode, uid, gid, now }: genfs_new): number {
    const ino = this.volume.alloc_inode();
    const node = new genfs_node(ino, VREG);
    node.i_mode = mode;
    node.i_nlink = 1;
    node.i_uid = uid;
    node.i_gid = gid;
    node.i_atime = node.i_mtime = node.i_ctime = now;
    this.nodes.set(ino, node);
    this.update(node);
    return ino;
  }

  update(node: genfs_node): void {
    const { volume } = this;
    const { inode } = volume.layout;
    const { i_number } = node;
    const { bp, off } = volume.inode(i_number);
    const b = bp.b_data;
    const isDirectory = node.i_type === VDIR;
    inode.i_ino.put(b, off, i_number);
    if (!isDirectory) inode.i_vtype.put(b, off, BFS_VREG);
    inode.i_mode.put(b, off, node.i_mode | (isDirectory ? S_IFDIR : S_IFREG));
    inode.i_uid.put(b, off, node.i_uid);
    inode.i_gid.put(b, off, node.i_gid);
    inode.i_nlink.put(b, off, node.i_nlink);
    inode.i_atime.put(b, off, node.i_atime.sec);
    inode.i_mtime.put(b, off, node.i_mtime.sec);
    inode.i_ctime.put(b, off, node.i_ctime.sec);
    volume.put_run(i_number, volume.runs.get(i_number)!, node.i_size);
    volume.cache.balance();
  }

  free(node: genfs_node): void {
    this.volume.free_inode(node.i_number);
  }

  forget(node: genfs_node): void {
    this.nodes.delete(node.i_number);
  }

  // ---- contents ---------------------------------------------------------------------------------

  truncate(node: genfs_node, size: number): void {
    if (size > node.i_size) {
      this.grow(node, size);
      return;
    }
    this.volume.release(node.i_number, Math.ceil(size / BFS_BSIZE));
    node.i_size = size;
    this.count_bytes(node);
  }

  /** @throws ENOSPC */
  private grow(node: genfs_node, size: number): void {
    this.volume.reserve(node.i_number, Math.ceil(size / BFS_BSIZE));
    const { i_size } = node;
    this.volume.cache.zero_bytes(size - i_size, this.place(node) + i_size);
    node.i_size = size;
    this.count_bytes(node);
  }

  /** Where a file, which lies in one piece, begins: bytes. */
  private place({ i_number }: genfs_node): number {
    return this.volume.runs.get(i_number)!.start * BFS_BSIZE;
  }

  read(node: genfs_node, buf: Uint8Array, off: number, length: number, position: number): void {
    this.volume.cache.read_bytes(buf, off, length, this.place(node) + position);
  }

  write(node: genfs_node, buf: Uint8Array, off: number, length: number, position: number): number {
    const { volume } = this;
    let count = length;
    try {
      if (position > node.i_size) this.grow(node, position);
      // As much as there is room for.
      const { start, end } = volume.runs.get(node.i_number)!;
      const room = (end - start + 1 + volume.free_blocks()) * BFS_BSIZE - position;
      count = Math.min(length, Math.max(0, room));
      if (count === 0) return 0;
      volume.reserve(node.i_number, Math.ceil((position + count) / BFS_BSIZE));
    } catch (error) {
      if (error instanceof NetbsdErrno && error.code === 'ENOSPC') return 0;
      throw error;
    }
    volume.cache.write_bytes(buf, off, count, this.place(node) + position);
    volume.cache.balance();
    node.i_size = Math.max(node.i_size, position + count);
    this.count_bytes(node);
    return count;
  }

  seek(_node: genfs_node, offset: number, hole: boolean): number {
    return hole ? -1 : offset;
  }

  readlink(): ByteName {
    throw new NetbsdErrno('EINVAL');
  }

  symlink(): void {
    throw new NetbsdErrno('EOPNOTSUPP');
  }

  // ---- the directory ----------------------------------------------------------------------------

  /** Visits entries from the one with number `first` on, free ones too, until `visit` says true. */
  private entries(
    dir: genfs_node,
    first: number,
    visit: (b: Uint8Array, off: number, slot: number) => boolean,
  ): boolean {
    const { cache, runs } = this.volume;
    const { start } = runs.get(dir.i_number)!;
    const slots = Math.floor(dir.i_size / BFS_DIRENT_BYTES);
    for (let slot = first; slot < slots; slot++) {
      const at = slot * BFS_DIRENT_BYTES;
      const { b_data } = cache.bread(start + Math.floor(at / BFS_BSIZE));
      if (visit(b_data, at % BFS_BSIZE, slot)) return true;
    }
    return false;
  }

  private ino_at(b: Uint8Array, off: number): number {
    return this.volume.layout.dirent.d_ino.get(b, off);
  }

  private find(dir: genfs_node, name: ByteName): { slot: number; ino: number } | null {
    let found: { slot: number; ino: number } | null = null;
    this.entries(dir, 0, (b, off, slot) => {
      const ino = this.ino_at(b, off);
      if (ino === 0 || dirent_name(b, off) !== name) return false;
      found = { slot, ino };
      return true;
    });
    return found;
  }

  private put(dir: genfs_node, slot: number, ino: number, name: ByteName): void {
    const at = slot * BFS_DIRENT_BYTES;
    const { cache, runs, layout } = this.volume;
    const bp = cache.bread(runs.get(dir.i_number)!.start + Math.floor(at / BFS_BSIZE));
    put_dirent(layout, bp.b_data, at % BFS_BSIZE, ino, name);
    cache.bdwrite(bp);
  }

  lookup(dir: genfs_node, name: ByteName): number {
    if (name === '..') return BFS_ROOT_INO;
    const ino = this.find(dir, name)?.ino;
    if (ino === undefined) return 0;
    const { volume } = this;
    if (ino === BFS_ROOT_INO || !volume.has_inode(ino) || !volume.is_used(ino)) {
      throw volume.eio(`"${name}" leads to inode ${ino}`);
    }
    return ino;
  }

  enter(dir: genfs_node, name: ByteName, ino: number): void {
    let free = -1;
    this.entries(dir, 0, (b, off, slot) => {
      if (this.ino_at(b, off) !== 0) return false;
      free = slot;
      return true;
    });
    if (free < 0) {
      free = Math.floor(dir.i_size / BFS_DIRENT_BYTES);
      this.grow(dir, (free + 1) * BFS_DIRENT_BYTES);
    }
    this.put(dir, free, ino, name);
  }

  remove(dir: genfs_node, name: ByteName): void {
    this.put(dir, this.find(dir, name)!.slot, 0, '');
  }

  rewrite(dir: genfs_node, name: ByteName, ino: number): void {
    this.put(dir, this.find(dir, name)!.slot, ino, name);
  }

  is_empty(dir: genfs_node): boolean {
    return !this.entries(dir, 0, (b, off) => this.is_name(b, off));
  }

  /** The directory may have entries for "." and "..", or not. */
  private is_name(b: Uint8Array, off: number): boolean {
    if (this.ino_at(b, off) === 0) return false;
    const name = dirent_name(b, off);
    return name !== '.' && name !== '..' && name !== '' && !name.includes('/');
  }

  /** Offsets: 0 and 1 are "." and "..", then entries. */
  readdir(dir: genfs_node, offset: number, emit: puffs_nextdent): boolean {
    const dtDir = vtype_to_dt(VDIR);
    if (offset <= 0 && !emit('.', BFS_ROOT_INO, dtDir, 1)) return false;
    if (offset <= 1 && !emit('..', BFS_ROOT_INO, dtDir, 2)) return false;
    const dtReg = vtype_to_dt(VREG);
    const isFull = this.entries(dir, Math.max(0, offset - 2), (b, off, slot) => {
      if (!this.is_name(b, off)) return false;
      return !emit(dirent_name(b, off), this.ino_at(b, off), dtReg, slot + 3);
    });
    return !isFull;
  }

  sync(): void {
    this.volume.cache.flush();
  }

  statvfs(out: puffs_statvfs): void {
    const { volume } = this;
    out.f_bsize = out.f_frsize = BFS_BSIZE;
    out.f_blocks = volume.blocks;
    out.f_bfree = out.f_bavail = volume.free_blocks();
    out.f_files = volume.inodes;
    out.f_ffree = out.f_favail = volume.inodes - volume.runs.size;
    out.f_namemax = BFS_NAMELEN;
  }
}

export const sysvbfs_module = vfs_module(
  'sysvbfs',
  genfs_vfsops<sysvbfs_args>({
    vfs_name: 'sysvbfs',
    uses_namecache: true,
    open: (lump, args) => new sysvbfs(lump, args),
  }),
);
