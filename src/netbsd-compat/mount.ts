/**
 * Mounts, and the operations that a file system answers as a whole.
 *
 * Source: reference rump.md §1.16 (flags), §5.8.
 */
import { NetbsdErrno } from './errno.js';
import { MNT_FORCE, type puffs_statvfs } from '../puffs/puffs.js';
import type { rump } from './rump.js';
import { vgone, vrele, type loaded_vnode, type vnode } from './vnode.js';

export const MNT_RDONLY = 0x1;
export const MNT_UPDATE = 0x10000;

/** A kind of file system; `Args` is what its mount program passes. */
export interface vfsops<Args = unknown> {
  readonly vfs_name: string;
  /** False: its own lookup is as fast as the name cache. */
  readonly uses_namecache: boolean;
  /**
   * Mounts, or with MNT_UPDATE in mnt_flag changes the mount to its other flags; sets mnt_data.
   * @throws EINVAL no such file system there; EROFS it cannot be written to; the medium's own.
   */
  mount(mp: mount, args: Args): void;
  /** Everything is written, all vnodes are gone. */
  unmount(mp: mount): void;
  /** Key of the root's node. */
  root(mp: mount): number;
  /** What a vnode of this key is made of. @throws ESTALE there is no such node; EIO. */
  loadvnode(mp: mount, key: number): loaded_vnode;
  /** Space and files of the whole. */
  statvfs(mp: mount, out: puffs_statvfs): void;
  /** Everything is on stable storage when it returns. */
  sync(mp: mount): void;
  /** Distinguishes uses of a node's number, for file handles. */
  generation(vp: vnode): number;
}

/** One mounted file system, NetBSD's struct mount. */
export class mount {
  readonly mnt_rump: rump;
  readonly mnt_op: vfsops;
  readonly mnt_vnodes = new Map<number, vnode>();
  /** The directory that it covers; null for one that nothing leads to but its root. */
  readonly mnt_vnodecovered: vnode | null;
  /** Distinguishes mounts. */
  readonly mnt_fsid: number;
  mnt_flag: number;
  mnt_data: unknown = undefined;

  constructor(rump: rump, op: vfsops, flag: number, covered: vnode | null, fsid: number) {
    this.mnt_rump = rump;
    this.mnt_op = op;
    this.mnt_flag = flag;
    this.mnt_vnodecovered = covered;
    this.mnt_fsid = fsid;
  }

  get mnt_fstypename(): string {
    return this.mnt_op.vfs_name;
  }

  get is_readonly(): boolean {
    return (this.mnt_flag & MNT_RDONLY) !== 0;
  }
}

/** The kinds that are known and the mounts that there are. */
export class mountlist {
  readonly mounts = new Set<mount>();
  private readonly rump: rump;
  private readonly kinds = new Map<string, vfsops>();
  private last_fsid = 0;

  constructor(rump: rump) {
    this.rump = rump;
  }

  /** @throws EEXIST */
  vfs_attach(op: vfsops): void {
    if (this.kinds.has(op.vfs_name)) throw new NetbsdErrno('EEXIST', op.vfs_name);
    this.kinds.set(op.vfs_name, op);
  }

  /** @throws EBUSY something of this kind is mounted. */
  vfs_detach(op: vfsops): void {
    for (const mp of this.mounts) {
      if (mp.mnt_op === op) throw new NetbsdErrno('EBUSY', op.vfs_name);
    }
    this.kinds.delete(op.vfs_name);
  }

  /** @throws ENODEV */
  vfs_getopsbyname(name: string): vfsops {
    const op = this.kinds.get(name);
    if (op === undefined) {
      const known = [...this.kinds.keys()].join(', ');
      throw new NetbsdErrno('ENODEV', `no file system "${name}"; there are: ${known}`);
    }
    return op;
  }

  /**
   * @param covered the directory to mount on, referenced by the caller, who keeps that reference.
   * @throws EBUSY something is mounted there; what the file system throws.
   */
  mount_domount(name: string, flag: number, args: unknown, covered: vnode | null = null): mount {
    if (covered !== null && covered.v_mountedhere !== null) throw new NetbsdErrno('EBUSY');
    const op = this.vfs_getopsbyname(name);
    const mp = new mount(this.rump, op, flag, covered, ++this.last_fsid);
    op.mount(mp, args);
    this.mounts.add(mp);
    if (covered !== null) {
      covered.v_usecount++;
      covered.v_mountedhere = mp;
    }
    return mp;
  }

  /** Between read-only and read-write. @throws EROFS, EINVAL; the mount stays as it was. */
  mount_update(mp: mount, flag: number, args: unknown): void {
    const before = mp.mnt_flag;
    mp.mnt_flag = flag | MNT_UPDATE;
    try {
      mp.mnt_op.mount(mp, args);
    } catch (error) {
      mp.mnt_flag = before;
      throw error;
    }
    mp.mnt_flag &= ~MNT_UPDATE;
  }

  /**
   * @throws EBUSY vnodes are in use and it is not forced; then nothing has changed. What sync()
   *   throws, unless forced.
   */
  dounmount(mp: mount, flags: number): void {
    const force = (flags & MNT_FORCE) !== 0;
    if (!force) {
      for (const vp of mp.mnt_vnodes.values()) {
        if (vp.v_usecount > 0) throw new NetbsdErrno('EBUSY', `node ${vp.v_key} is in use`);
      }
      mp.mnt_op.sync(mp);
    }
    for (const vp of [...mp.mnt_vnodes.values()]) {
      vp.v_usecount = 0;
      vgone(vp);
    }
    const covered = mp.mnt_vnodecovered;
    if (covered !== null) {
      covered.v_mountedhere = null;
      vrele(covered);
    }
    this.mounts.delete(mp);
    mp.mnt_op.unmount(mp);
  }
}
