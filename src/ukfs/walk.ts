/**
 * Path walk over the waist: Linux's rules (empty path ENOENT, 40 symbolic links, a trailing slash
 * asks for a directory), written for one caller at a time.
 *
 * Every lookup is a reference that must be given back. A walk keeps all of its own until
 * {@link Walk.release}, so that neither a parent nor the node can go away between the walk and the
 * operation it was made for.
 */
import {
  NAMEI_LOOKUP,
  NETBSD_ERRNO as E,
  PUFFS_VEXEC,
  VDIR,
  VLNK,
  vattr_new,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
  type vattr,
} from '../puffs/index.js';

const SYMLINKS_MAX = 40;
/** Linux's PATH_MAX counts the final NUL. */
const PATH_BYTES_MAX = 4095;

/** How the last component looked: an ordinary name, ".", "..", or none at all ("/"). */
export type LastKind = 'name' | 'dot' | 'dotdot' | 'root';

/**
 * What to do about the last component. `follow`: a symbolic link is followed. `nofollow`: only if a
 * slash stands behind it. `create`: followed, but a slash behind it is EISDIR at once, since no
 * directory would be made. `parent`: never, since the name itself is meant, and what is wrong with
 * it ({@link Walk.lastError}, {@link Walk.trailingSlash}) is for the caller to weigh.
 */
export type WalkMode = 'follow' | 'nofollow' | 'create' | 'parent';

/** A lookup of a node that was counted once, and is given back when its last holder lets it go. */
export class NodeReference {
  readonly cookie: Cookie;
  readonly #fs: puffs_ops;
  #holders = 1;

  constructor(fs: puffs_ops, cookie: Cookie) {
    this.#fs = fs;
    this.cookie = cookie;
  }

  share(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    // The root is never reclaimed.
    if (this.#holders > 0 || this.cookie === this.#fs.rootCookie) return;
    this.#fs.node_reclaim(this.cookie, 1);
  }
}

export class Walk {
  readonly #fs: puffs_ops;
  readonly #cred: puffs_cred;
  readonly #held: Cookie[] = [];
  readonly #info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
  readonly #cn: puffs_cn;
  readonly #start: NodeReference;
  #symlinks = 0;

  /** Directory of the last component. */
  parent: Cookie;
  /** The last component, after symbolic links were followed. */
  name: ByteName = '';
  kind: LastKind = 'root';
  /** The node that the path names; null when only the last component is missing. */
  node: Cookie | null;
  /** Why `node` is null. ENOENT, or with `parent` whatever the lookup answered. */
  lastError = 0;
  /** The path ended in a slash, which only a directory may. */
  trailingSlash = false;

  /** @param start the directory where relative paths start */
  constructor(fs: puffs_ops, cred: puffs_cred, start: NodeReference) {
    this.#fs = fs;
    this.#cred = cred;
    this.#cn = { nameiop: NAMEI_LOOKUP, name: '', cred };
    this.#start = start;
    this.parent = this.node = fs.rootCookie;
  }

  /** Attributes of `node` at the time of the walk. */
  get va(): Readonly<vattr> {
    return this.#info.va;
  }

  /** @returns 0, also when only the last name is missing; or an errno. */
  walk(path: ByteName, mode: WalkMode): number {
    if (path === '') return E.ENOENT;
    if (path.length > PATH_BYTES_MAX) return E.ENAMETOOLONG;
    const isAbsolute = path.startsWith('/');
    this.parent = this.node = isAbsolute ? this.#fs.rootCookie : this.#start.cookie;
    const unreachable = this.#fs.node_getattr(this.node, this.#info.va, this.#cred);
    if (unreachable !== 0) return unreachable;
    const rest = path.split('/').reverse();
    this.trailingSlash = rest[0] === '';
    while (rest.length > 0) {
      const component = rest.pop()!;
      if (component === '') continue;
      const isLast = rest.every((later) => later === '');
      if (mode === 'create' && isLast && this.trailingSlash && !/^\.\.?$/.test(component)) {
        return this.#search() || E.EISDIR;
      }
      const follow =
        !isLast ||
        mode === 'follow' ||
        mode === 'create' ||
        (mode === 'nofollow' && this.trailingSlash);
      const error = this.#step(component, rest, follow);
      if (error === 0) continue;
      const isOfTheName = isLast && this.node === null;
      if (!isOfTheName || (error !== E.ENOENT && mode !== 'parent')) return error;
      this.lastError = error;
    }
    const isNoDirectory = this.node !== null && this.va.va_type !== VDIR;
    return mode !== 'parent' && this.trailingSlash && isNoDirectory ? E.ENOTDIR : 0;
  }

  /** Hands the reference on `node` to the caller, who releases it. */
  takeNode(): NodeReference {
    const node = this.node!;
    const at = this.#held.lastIndexOf(node);
    // The walk may have begun there and gone nowhere.
    if (at < 0 && node === this.#start.cookie) return this.#start.share();
    if (at >= 0) this.#held.splice(at, 1);
    return new NodeReference(this.#fs, node);
  }

  /** Gives every other reference back. */
  release(): void {
    for (const cookie of this.#held) this.#fs.node_reclaim(cookie, 1);
    this.#held.length = 0;
  }

  /** May names be looked up in the node that was reached? */
  #search(): number {
    if (this.va.va_type !== VDIR) return E.ENOTDIR;
    return this.#fs.node_access(this.node!, PUFFS_VEXEC, this.#cred);
  }

  #step(component: ByteName, rest: string[], follow: boolean): number {
    if (this.va.va_type !== VDIR) return E.ENOTDIR;
    const directory = this.node!;
    this.parent = directory;
    this.name = component;
    if (component === '.') {
      this.kind = 'dot';
      return this.#search();
    }
    this.kind = component === '..' ? 'dotdot' : 'name';
    if (component === '..' && directory === this.#fs.rootCookie) return 0;
    this.#cn.name = component;
    const error = this.#fs.node_lookup(directory, this.#info, this.#cn);
    if (error !== 0) {
      // Without search permission the parent itself is out of reach.
      if (error !== E.EACCES && this.kind === 'name') this.node = null;
      return error;
    }
    const { cookie, va } = this.#info;
    if (cookie !== this.#fs.rootCookie) this.#held.push(cookie);
    this.node = cookie;
    if (va.va_type !== VLNK || !follow) return 0;
    return this.#enterSymlink(cookie, directory, rest);
  }

  /** Puts the target's components before the rest of the path. */
  #enterSymlink(link: Cookie, directory: Cookie, rest: string[]): number {
    if (++this.#symlinks > SYMLINKS_MAX) return E.ELOOP;
    const target = { value: '' };
    const error = this.#fs.node_readlink(link, this.#cred, target);
    if (error !== 0) return error;
    if (target.value === '') return E.ENOENT;
    const isAbsolute = target.value.startsWith('/');
    const components = target.value.split('/').reverse();
    if (rest.every((later) => later === '')) this.trailingSlash ||= components[0] === '';
    rest.push(...components);
    this.node = isAbsolute ? this.#fs.rootCookie : directory;
    if (isAbsolute) {
      this.parent = this.node;
      this.kind = 'root';
    }
    return this.#fs.node_getattr(this.node, this.#info.va, this.#cred);
  }
}
