/**
 * The table of nodes: cookie ↔ inode, with the references that stand behind each.
 *
 * A node owns one reference on its inode, and a directory's node one on its dentry, since the calls
 * on names want one; a file's dentries come and go with the name cache. A node lives while lookups
 * of it are outstanding or files of it are open. The root's lives as long as the mount.
 *
 * Cookies count up and are never used again, so their generation is always 1.
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
  private readonly by_cookie = new Map<Cookie, l2p_node>();
  private readonly by_inode = new Map<inode, l2p_node>();
  private last_cookie = 0;

  constructor(root: Dentry) {
    this.root = this.of(root);
  }

  /** Nodes that are alive, the root's among them. */
  get count(): number {
    return this.by_cookie.size;
  }

  /** @throws ESTALE no node has this cookie (any more). */
  get(cookie: Cookie): l2p_node {
    const node = this.by_cookie.get(cookie);
    if (node === undefined) throw new Errno('ESTALE', `cookie ${cookie}`);
    return node;
  }

  /** @throws ESTALE; ENOTDIR. @returns the directory's dentry; no reference is taken. */
  directory(cookie: Cookie): Dentry {
    const { dentry } = this.get(cookie);
    if (dentry === null) throw new Errno('ENOTDIR');
    return dentry;
  }

  /** The node of a positive dentry, made when the inode has none. Takes no lookup. */
  of(dentry: Dentry): l2p_node {
    const inode = dentry.d_inode!;
    const present = this.by_inode.get(inode);
    if (present !== undefined) return present;
    const node = new l2p_node(++this.last_cookie, dentry);
    this.by_cookie.set(node.cookie, node);
    this.by_inode.set(inode, node);
    return node;
  }

  /** Ends a node that nobody uses any more. May evict the inode: @throws EIO, ENOSPC. */
  drop_if_unused(node: l2p_node): void {
    if (node.nlookup > 0 || node.is_open || node === this.root) return;
    this.by_cookie.delete(node.cookie);
    this.by_inode.delete(node.inode);
    node.destroy();
  }

  some_open(): boolean {
    for (const node of this.by_cookie.values()) {
      if (node.is_open) return true;
    }
    return false;
  }

  /** The end of the mount: all nodes go, children before the root. */
  clear(): void {
    for (const node of [...this.by_cookie.values()].reverse()) node.destroy();
    this.by_cookie.clear();
    this.by_inode.clear();
  }
}
