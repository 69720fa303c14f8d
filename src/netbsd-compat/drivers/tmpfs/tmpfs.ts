/**
 * tmpfs: files in memory, up to a number of bytes and of nodes. It has no medium: what a node holds
 * hangs on the node, and goes with the mount.
 */
import { MEMFS_PAGE_BYTES, type MemfsSpace } from '../../../puffs/memfs_data.js';
import {
  VDIR,
  VLNK,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
} from '../../../puffs/puffs.js';
import { vtype_to_dt } from '../../../puffs/vattr.js';
import { NetbsdErrno } from '../../errno.js';
import type { genfs_limits, genfs_medium, genfs_new } from '../../genfs_node.js';
import { genfs_vnops } from '../../genfs_vnops.js';
import { vfs_module } from '../../module.js';
import { MNT_UPDATE, type mount, type vfsops } from '../../mount.js';
import type { loaded_vnode, vnode } from '../../vnode.js';
import { tmpfs_node } from './tmpfs_node.js';

/** What mount_tmpfs(8) passes. */
export interface tmpfs_args {
  /** -s: bytes for contents. */
  readonly ta_size_max: number;
  /** -n */
  readonly ta_nodes_max: number;
  /** -u, -g, -m: of the root directory. */
  readonly ta_root_uid: number;
  readonly ta_root_gid: number;
  readonly ta_root_mode: number;
}

const TMPFS_ROOT = 1;
/** Bytes that a name and its directory entry are counted with. */
const DIRENT_BYTES = 64;
const NODE_BYTES = 256;

class tmpfs_mount implements genfs_medium<tmpfs_node> {
  readonly limits: genfs_limits = {
    nameBytes: 255,
    links: 32767,
    symlinkBytes: 4095,
    fileBytes: Number.MAX_SAFE_INTEGER,
    timeSecMin: -(2 ** 40),
    timeSecMax: 2 ** 40,
    timeGranularityNsec: 1,
    blockBytes: MEMFS_PAGE_BYTES,
  };
  readonly vnops = new genfs_vnops<tmpfs_node>(this);
  readonly nodes = new Map<number, tmpfs_node>();
  readonly space: MemfsSpace;
  readonly nodes_max: number;
  private last_number = 0;
  /** Counts files that were made, so that a reused number can be told. */
  private last_gen = 0;

  constructor({ ta_size_max, ta_nodes_max, ...root }: tmpfs_args, now: genfs_new['now']) {
    this.space = { pagesMax: Math.floor(ta_size_max / MEMFS_PAGE_BYTES), pagesUsed: 0 };
    this.nodes_max = ta_nodes_max;
    const number = this.new_node({
      type: VDIR,
      mode: root.ta_root_mode,
      uid: root.ta_root_uid,
      gid: root.ta_root_gid,
      rdev: 0,
      nlink: 2,
      now,
    });
    this.nodes.get(number)!.tn_parent = number;
  }

  lookup(dir: tmpfs_node, name: ByteName): number {
    return name === '..' ? dir.tn_parent : (dir.tn_dirents!.get(name)?.td_node ?? 0);
  }

  enter(dir: tmpfs_node, name: ByteName, number: number, type: number): void {
    const td_seq = dir.tn_next_seq++;
    dir.tn_dirents!.set(name, { td_name: name, td_node: number, td_type: type, td_seq });
    dir.i_size += DIRENT_BYTES;
  }

  remove(dir: tmpfs_node, name: ByteName): void {
    dir.tn_dirents!.delete(name);
    dir.i_size -= DIRENT_BYTES;
  }

  rewrite(dir: tmpfs_node, name: ByteName, number: number, type: number): void {
    if (name === '..') {
      dir.tn_parent = number;
      return;
    }
    const entry = dir.tn_dirents!.get(name)!;
    entry.td_node = number;
    entry.td_type = type;
  }

  is_empty(dir: tmpfs_node): boolean {
    return dir.tn_dirents!.size === 0;
  }

  readdir(dir: tmpfs_node, offset: number, emit: puffs_nextdent): boolean {
    const dtDir = vtype_to_dt(VDIR);
    if (offset <= 0 && !emit('.', dir.i_number, dtDir, 1)) return false;
    if (offset <= 1 && !emit('..', dir.tn_parent, dtDir, 2)) return false;
    for (const { td_name, td_node, td_type, td_seq } of dir.tn_dirents!.values()) {
      if (td_seq < offset) continue;
      if (!emit(td_name, td_node, vtype_to_dt(td_type), td_seq + 1)) return false;
    }
    return true;
  }

  make(dir: tmpfs_node, begin: genfs_new): number {
    const number = this.new_node(begin);
    this.nodes.get(number)!.tn_parent = dir.i_number;
    return number;
  }

  truncate(node: tmpfs_node, size: number): void {
    node.tn_data!.truncate(size);
    node.i_size = size;
    this.count_bytes(node);
  }

  read(node: tmpfs_node, buf: Uint8Array, off: number, length: number, position: number): void {
    node.tn_data!.read(position, buf, off, length);
  }

  write(node: tmpfs_node, buf: Uint8Array, off: number, length: number, position: number): number {
    const done = node.tn_data!.write(position, buf, off, length);
    if (done > 0) node.i_size = Math.max(node.i_size, position + done);
    this.count_bytes(node);
    return done;
  }

  readlink(node: tmpfs_node): ByteName {
    return node.tn_link;
  }

  symlink(node: tmpfs_node, target: ByteName): void {
    node.tn_link = target;
    node.i_size = target.length;
  }

  update(): void {}

  free(node: tmpfs_node): void {
    node.tn_data?.truncate(0);
    this.nodes.delete(node.i_number);
  }

  /** The node stays: it is the medium. */
  forget(): void {}

  seek(node: tmpfs_node, offset: number, hole: boolean): number {
    return hole ? node.tn_data!.nextHole(offset) : (node.tn_data!.nextData(offset) ?? -1);
  }

  sync(): void {}

  private new_node(begin: genfs_new): number {
    if (this.nodes.size >= this.nodes_max) throw new NetbsdErrno('ENOSPC', 'no node is free');
    const node = new tmpfs_node(++this.last_number, begin.type, this.space);
    node.i_mode = begin.mode;
    node.i_uid = begin.uid;
    node.i_gid = begin.gid;
    node.i_rdev = begin.rdev;
    node.i_nlink = begin.nlink;
    node.i_gen = ++this.last_gen;
    node.i_atime = node.i_mtime = node.i_ctime = node.i_birthtime = begin.now;
    if (begin.type === VDIR) node.i_size = 2 * DIRENT_BYTES;
    if (begin.type !== VREG && begin.type !== VLNK) node.i_bytes = NODE_BYTES;
    this.nodes.set(node.i_number, node);
    return node.i_number;
  }

  private count_bytes(node: tmpfs_node): void {
    node.i_bytes = node.tn_data!.pageCount * MEMFS_PAGE_BYTES;
  }
}

const VFSTOTMPFS = (mp: mount): tmpfs_mount => mp.mnt_data as tmpfs_mount;

const tmpfs_vfsops: vfsops = {
  vfs_name: 'tmpfs',
  uses_namecache: false,

  mount(mp: mount, args: unknown): void {
    if ((mp.mnt_flag & MNT_UPDATE) !== 0) return;
    const { tv_sec, tv_nsec } = mp.mnt_rump.lump.ktime_get_real();
    mp.mnt_data = new tmpfs_mount(args as tmpfs_args, { sec: tv_sec, nsec: tv_nsec });
  },
  unmount(mp: mount): void {
    VFSTOTMPFS(mp).nodes.clear();
  },
  root: () => TMPFS_ROOT,
  loadvnode(mp: mount, key: number): loaded_vnode {
    const { nodes, vnops } = VFSTOTMPFS(mp);
    const node = nodes.get(key);
    if (node === undefined) throw new NetbsdErrno('ESTALE', `node ${key}`);
    return { type: node.i_type, op: vnops, data: node, rdev: node.i_rdev };
  },
  statvfs(mp: mount, out: puffs_statvfs): void {
    const { space, nodes, nodes_max, limits } = VFSTOTMPFS(mp);
    out.f_bsize = out.f_frsize = MEMFS_PAGE_BYTES;
    out.f_blocks = space.pagesMax;
    out.f_bfree = out.f_bavail = space.pagesMax - space.pagesUsed;
    out.f_files = nodes_max;
    out.f_ffree = out.f_favail = nodes_max - nodes.size;
    out.f_namemax = limits.nameBytes;
  },
  sync(): void {},
  generation: (vp: vnode) => (vp.v_data as tmpfs_node).i_gen,
};

export const tmpfs_module = vfs_module('tmpfs', tmpfs_vfsops);
