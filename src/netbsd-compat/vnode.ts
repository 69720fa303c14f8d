/**
 * vnodes: the nodes that are in use, or were lately.
 *
 * References: who holds a vnode has counted itself in v_usecount (vref, vrele; vput unlocks first).
 * With the last one the file system hears VOP_INACTIVE: a node without names is freed on the medium
 * there, and its vnode goes; others stay for a while, in order of their last use, and go when there
 * are more than desiredvnodes.
 *
 * Locks: one reader-writer lock a vnode, checked by lockdep. Where two are held, a directory comes
 * before what is in it; the inner one is taken "nested". A vnode whose last reference goes is
 * locked for VOP_INACTIVE under whatever its releaser holds, which has a nesting of its own.
 *
 * Source: reference rump.md §2 (the contract that p2k keeps), §5.8.
 */
import { BUG_ON } from '../lump/bug.js';
import { rw_semaphore } from '../lump/locks.js';
import { VBLK, VCHR } from '../puffs/puffs.js';
import { NetbsdErrno } from './errno.js';
import type { mount } from './mount.js';
import type { rump } from './rump.js';
import type { vnodeops } from './vnode_if.js';

export const LK_SHARED = 1;
export const LK_EXCLUSIVE = 2;

/** Subclasses of the lock: the second of two, one that is given up, one that is thrown out. */
const NESTED = 1;
const INACTIVE = 2;
const RECLAIM = 3;

/** Unused vnodes that are kept. */
const DESIREDVNODES = 1024;

/** A node that is in use, NetBSD's struct vnode. */
export class vnode {
  readonly v_mount: mount;
  /** Inode number or whatever the file system finds the node by. */
  readonly v_key: number;
  readonly v_type: number;
  /** NetBSD dev_t of a block or character device. */
  readonly v_rdev: number;
  readonly v_op: vnodeops;
  readonly v_lock: rw_semaphore;
  /** The file system's own part of it. */
  v_data: unknown;
  v_usecount = 1;
  /** Root of it is what a walk finds here. */
  v_mountedhere: mount | null = null;
  /** The file system has let go of it (VOP_RECLAIM); nothing works any more. */
  is_dead = false;

  constructor(mp: mount, key: number, loaded: loaded_vnode) {
    this.v_mount = mp;
    this.v_key = key;
    this.v_type = loaded.type;
    this.v_rdev = loaded.type === VBLK || loaded.type === VCHR ? (loaded.rdev ?? 0) : 0;
    this.v_op = loaded.op;
    this.v_data = loaded.data;
    this.v_lock = new rw_semaphore(mp.mnt_rump.lump, 'vnode');
  }
}

/** What a file system tells about a node when its vnode is made. */
export interface loaded_vnode {
  readonly type: number;
  readonly op: vnodeops;
  readonly data: unknown;
  readonly rdev?: number;
}

/** The vnodes of one kernel that nobody uses, least recently used first. */
export class vnode_lru {
  readonly unused = new Set<vnode>();
  readonly desired: number;

  constructor(desired = DESIREDVNODES) {
    this.desired = desired;
  }
}

const rump_of = (vp: vnode): rump => vp.v_mount.mnt_rump;

/**
 * The vnode of a node, with a reference, unlocked.
 * @throws what the file system throws for a number that is no node of it.
 */
export function vcache_get(mp: mount, key: number): vnode {
  const present = mp.mnt_vnodes.get(key);
  if (present !== undefined) {
    vref(present);
    return present;
  }
  const vp = new vnode(mp, key, mp.mnt_op.loadvnode(mp, key));
  mp.mnt_vnodes.set(key, vp);
  return vp;
}

/** Takes another reference. */
export function vref(vp: vnode): void {
  BUG_ON(vp.is_dead, `vref of a dead vnode ${vp.v_key}`);
  if (vp.v_usecount++ === 0) rump_of(vp).vnodes.unused.delete(vp);
}

/** Gives a reference back. The vnode is not locked by the caller. */
export function vrele(vp: vnode): void {
  BUG_ON(vp.v_usecount <= 0, `vrele of vnode ${vp.v_key} that nobody uses`);
  if (vp.v_usecount > 1) {
    vp.v_usecount--;
    return;
  }
  let recycle = true;
  vp.v_lock.down_write_nested(INACTIVE);
  try {
    recycle = vp.v_op.inactive(vp);
  } catch (error) {
    // Nobody is there to be told: who removed the file was answered long ago.
    if (!(error instanceof NetbsdErrno)) throw error;
    rump_of(vp).lump.pr_err(`${vp.v_mount.mnt_fstypename}: node ${vp.v_key}: ${error.message}`);
  } finally {
    vp.v_lock.up_write();
  }
  if (--vp.v_usecount > 0) return;
  if (recycle) {
    vgone(vp);
    return;
  }
  const { vnodes } = rump_of(vp);
  vnodes.unused.add(vp);
  while (vnodes.unused.size > vnodes.desired) {
    const [oldest] = vnodes.unused;
    vgone(oldest!);
  }
}

/** Unlocks and gives back. */
export function vput(vp: vnode): void {
  VOP_UNLOCK(vp);
  vrele(vp);
}

/** Ends an unused vnode; the node itself stays on the medium if it has names. */
export function vgone(vp: vnode): void {
  const { vnodes, namecache } = rump_of(vp);
  vnodes.unused.delete(vp);
  namecache.cache_purge(vp);
  vp.v_lock.down_write_nested(RECLAIM);
  try {
    vp.v_op.reclaim(vp);
  } finally {
    vp.is_dead = true;
    vp.v_mount.mnt_vnodes.delete(vp.v_key);
    vp.v_lock.up_write();
    vp.v_lock.destroy();
  }
}

/** @throws ENOENT the vnode died meanwhile. */
export function vn_lock(vp: vnode, mode: number, nested = false): void {
  if (vp.is_dead) throw new NetbsdErrno('ENOENT', 'dead vnode');
  const subclass = nested ? NESTED : 0;
  if (mode === LK_EXCLUSIVE) vp.v_lock.down_write_nested(subclass);
  else vp.v_lock.down_read_nested(subclass);
}

export function VOP_UNLOCK(vp: vnode): void {
  if (vp.v_lock.is_write_locked) vp.v_lock.up_write();
  else vp.v_lock.up_read();
}

/** Runs `use` with the vnode locked. */
export function with_vnode_lock<T>(vp: vnode, mode: number, use: () => T, nested = false): T {
  vn_lock(vp, mode, nested);
  try {
    return use();
  } finally {
    VOP_UNLOCK(vp);
  }
}
