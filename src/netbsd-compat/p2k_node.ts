/**
 * The table of nodes: cookie ↔ vnode. A p2k node owns exactly one vnode reference; a lookup that
 * hits an existing node drops the extra one. It lives while lookups of it are outstanding or it is
 * open, the root's as long as the mount. Cookies count up and are never used again.
 *
 * Source: reference rump.md §2.3.
 */
import { BUG_ON } from '../lump/bug.js';
import { FWRITE, type Cookie } from '../puffs/puffs.js';
import { NetbsdErrno } from './errno.js';
import { vrele, type vnode } from './vnode.js';

export class p2k_node {
  readonly p2n_cookie: Cookie;
  readonly p2n_vp: vnode;
  p2n_nlookup = 0;
  /** Modes it is open with. */
  private readonly opens: number[] = [];

  constructor(cookie: Cookie, vp: vnode) {
    this.p2n_cookie = cookie;
    this.p2n_vp = vp;
  }

  get is_open(): boolean {
    return this.opens.length > 0;
  }

  get is_written(): boolean {
    return this.opens.some((mode) => (mode & FWRITE) !== 0);
  }

  opened(mode: number): void {
    this.opens.push(mode);
  }

  closed(mode: number): void {
    const at = this.opens.indexOf(mode);
    BUG_ON(at < 0, `node ${this.p2n_cookie} closed more often than opened`);
    this.opens.splice(at, 1);
  }
}

export class p2k_nodes {
  readonly root: p2k_node;
  private readonly by_cookie = new Map<Cookie, p2k_node>();
  private readonly by_vnode = new Map<vnode, p2k_node>();
  private last_cookie = 0;

  /** Eats the root's reference. */
  constructor(root: vnode) {
    this.root = this.of(root);
  }

  get count(): number {
    return this.by_cookie.size;
  }

  /** @throws ESTALE no node has this cookie (any more). */
  get(cookie: Cookie): p2k_node {
    const node = this.by_cookie.get(cookie);
    if (node === undefined) throw new NetbsdErrno('ESTALE', `cookie ${cookie}`);
    return node;
  }

  /** The node of a vnode, made when it has none; eats the vnode's reference. Takes no lookup. */
  of(vp: vnode): p2k_node {
    const present = this.by_vnode.get(vp);
    if (present !== undefined) {
      vrele(vp);
      return present;
    }
    const node = new p2k_node(++this.last_cookie, vp);
    this.by_cookie.set(node.p2n_cookie, node);
    this.by_vnode.set(vp, node);
    return node;
  }

  /** Ends a node that nobody uses any more. */
  drop_if_unused(node: p2k_node): void {
    if (node.p2n_nlookup > 0 || node.is_open || node === this.root) return;
    this.by_cookie.delete(node.p2n_cookie);
    this.by_vnode.delete(node.p2n_vp);
    vrele(node.p2n_vp);
  }

  some(test: (node: p2k_node) => boolean): boolean {
    for (const node of this.by_cookie.values()) if (test(node)) return true;
    return false;
  }

  /** The end of the mount. */
  clear(): void {
    for (const node of this.by_cookie.values()) vrele(node.p2n_vp);
    this.by_cookie.clear();
    this.by_vnode.clear();
  }
}
