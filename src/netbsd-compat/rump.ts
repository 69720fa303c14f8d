/**
 * One booted NetBSD-style kernel: the services of {@link Lump} (locks, scheduler, memory, log,
 * host) with NetBSD's vnode layer on top. All state hangs on it, so that several live side by side.
 */
import type { Lump } from '../lump/lump.js';
import { namecache } from './cache.js';
import { etfs } from './etfs.js';
import { kauth } from './kauth.js';
import { processes } from './lwp.js';
import { module_list } from './module.js';
import { mountlist } from './mount.js';
import { vcache_get, vnode_lru, type vnode } from './vnode.js';

export class rump {
  readonly lump: Lump;
  readonly kauth = new kauth();
  readonly lwproc = new processes();
  readonly namecache = new namecache();
  readonly vnodes: vnode_lru;
  readonly mountlist: mountlist;
  readonly modules: module_list;
  /** Objects of the host in this kernel's name space. */
  readonly etfs: etfs;
  /** Where absolute paths begin; null until something is mounted as the root. */
  rootvnode: vnode | null = null;

  /** @param desiredvnodes unused vnodes that are kept. */
  constructor(lump: Lump, desiredvnodes?: number) {
    this.lump = lump;
    this.vnodes = new vnode_lru(desiredvnodes);
    this.mountlist = new mountlist(this);
    this.modules = new module_list(this);
    this.etfs = new etfs(this);
  }

  /** Mounts the root of this kernel's name space. */
  mount_root(name: string, args: unknown): void {
    const mp = this.mountlist.mount_domount(name, 0, args);
    this.rootvnode = vcache_get(mp, mp.mnt_op.root(mp));
  }
}
