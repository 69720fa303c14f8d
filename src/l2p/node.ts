/**
 * The table of nodes: cookie ↔ inode, with the references that stand behind each.
 *
 * A node owns one reference on its inode, and a directory's node one on its dentry, since the calls
 * on names want one; a file's dentries come and go with the name cache. A node lives while lookups
 * of it are outstanding or files of it are open. The root's lives as long as the mount.
 *
 * A cookie is the node's slot in an array plus a multiple of {@link SLOTS}, a larger one each time
 * the slot is used again. So no cookie comes twice, and their generation is always 1. (Maps by
 * number and by inode took a quarter of the time of an lstat, mostly in shrinking and growing.)
 */
import type { Dentry } from '../dcache/dcache.js';
import { dget, dput } from '../dcache/dcache.js';
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { O_ACCMODE, O_RDONLY, O_WRONLY, S_ISDIR } from '../lump/fs.js';
import type { file, inode } from '../lump/fs.js';
import { fput } from '../lump/file.js';
import { ihold, iput } from '../lump/inode.js';
import type { Cookie } from '../puffs/puffs.js';

/** Nodes that can be alive at a time. */
const SLOTS = 2 ** 24;

export class l2p_node {
  readonly cookie: Cookie;
  readonly inode: inode;
  /** Of a directory; else null. */
  readonly dentry: Dentry | null;
  nlookup = 0;
  private readonly files: file[] = [];

  constructor(cookie: Cookie, dentry: Dentry) {
    this.cookie = cookie;
    this.inode = dentry.d_inode!;
    ihold(this.inode);
    this.dentry = S_ISDIR(this.inode.i_mode) ? dget(dentry) : null;
  }

  get is_open(): boolean {
    return this.files.length > 0;
  }

  /** An open file that may read. */
  get reader(): file | undefined {
    return this.files.find(({ f_flags }) => (f_flags & O_ACCMODE) !== O_WRONLY);
  }

  /** An open file that may write. */
  get writer(): file | undefined {
    return this.files.find(({ f_flags }) => (f_flags & O_ACCMODE) !== O_RDONLY);
  }

  opened(file: file): void {
    this.files.push(file);
  }

  /** Closes one file that was opened with this access mode. */
  close(flags: number): void {
    const at = this.files.findIndex(({ f_flags }) => (f_flags & O_ACCMODE) === flags);
    BUG_ON(at < 0, `node ${this.cookie} closed more often than opened`);
    const [file] = this.files.splice(at, 1);
    fput(file!);
  }

  /** Gives back everything the node holds. */
  destroy(): void {
    while (this.files.length > 0) fput(this.files.pop()!);
    dput(this.dentry);
    iput(this.inode);
  }
}

export class l2p_nodes {
  readonly root: l2p_node;
  /** Slot 0 is never used: no cookie is 0. A free slot holds the cookie that comes next. */
  private readonly slots: (l2p_node | number)[] = [0];
  private readonly free: number[] = [];

  constructor(root: Dentry) {
    this.root = this.of(root);
  }

  /** Nodes that are alive, the root's among them. */
  get count(): number {
    return this.slots.length - 1 - this.free.length;
  }

  /** @throws ESTALE no node has this cookie (any more). */
  get(cookie: Cookie): l2p_node {
    const node = this.slots[cookie % SLOTS];
    if (typeof node !== 'object' || node.cookie !== cookie) {
      throw new Errno('ESTALE', `cookie ${cookie}`);
    }
    return node;
  }

  /** @throws ESTALE; ENOTDIR. @returns the directory's dentry; no reference is taken. */
  directory(cookie: Cookie): Dentry {
    const { dentry } = this.get(cookie);
    if (dentry === null) throw new Errno('ENOTDIR');
    return dentry;
  }

  /** The node of a positive dentry, made when the inode has none. Takes no lookup. @throws ENFILE */
  of(dentry: Dentry): l2p_node {
    const inode = dentry.d_inode!;
    if (inode.i_export !== null) return inode.i_export as l2p_node;
    const slot = this.free.pop() ?? this.slots.length;
    if (slot === SLOTS) throw new Errno('ENFILE', `${SLOTS} nodes are in use`);
    const cookie = slot === this.slots.length ? slot : (this.slots[slot] as number);
    const node = new l2p_node(cookie, dentry);
    this.slots[slot] = node;
    inode.i_export = node;
    return node;
  }

  /** Ends a node that nobody uses any more. May evict the inode: @throws EIO, ENOSPC. */
  drop_if_unused(node: l2p_node): void {
    if (node.nlookup > 0 || node.is_open || node === this.root) return;
    const slot = node.cookie % SLOTS;
    this.slots[slot] = node.cookie + SLOTS;
    this.free.push(slot);
    node.inode.i_export = null;
    node.destroy();
  }

  some_open(): boolean {
    return this.alive().some((node) => node.is_open);
  }

  /** The end of the mount: all nodes go, children before the root. */
  clear(): void {
    for (const node of this.alive().reverse()) {
      node.inode.i_export = null;
      node.destroy();
    }
    this.slots.length = 1;
    this.free.length = 0;
  }

  private alive(): l2p_node[] {
    return this.slots.filter((node) => typeof node === 'object');
  }
}
