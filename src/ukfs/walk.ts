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
  PUFFS_CRED_ROOT,
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

const SLASH = 0x2f;

/** Is there nothing but slashes from `at` on? */
function endsAt(path: ByteName, at: number): boolean {
  let end = at;
  while (end < path.length && path.charCodeAt(end) === SLASH) end++;
  return end === path.length;
}

export class Walk {
  readonly #fs: puffs_ops;
  /** The first `#heldCount` are references of this walk. (An emptied array would grow anew.) */
  readonly #held: Cookie[] = [];
  #heldCount = 0;
  readonly #info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
  readonly #cn: puffs_cn = { nameiop: NAMEI_LOOKUP, name: '', cred: PUFFS_CRED_ROOT };
  #start!: NodeReference;
  #symlinks = 0;
  /** What is walked, and how far: a link's target takes the place of what was walked so far. */
  #path: ByteName = '';
  #at = 0;

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

  constructor(fs: puffs_ops) {
    this.#fs = fs;
    this.parent = this.node = fs.rootCookie;
  }

  /** Attributes of `node` at the time of the walk, whole. */
  get va(): Readonly<vattr> {
    return this.#info.va;
  }

  /**
   * May be called again after release().
   * @param start the directory where relative paths start
   * @returns 0, also when only the last name is missing; or an errno.
   */
  walk(path: ByteName, mode: WalkMode, cred: puffs_cred, start: NodeReference): number {
    this.#cn.cred = cred;
    this.#start = start;
    this.#symlinks = 0;
    this.name = '';
    this.kind = 'root';
    this.lastError = 0;
    if (path === '') return E.ENOENT;
    if (path.length > PATH_BYTES_MAX) return E.ENAMETOOLONG;
    this.parent = this.node = path.charCodeAt(0) === SLASH ? this.#fs.rootCookie : start.cookie;
    const unreachable = this.#fs.node_getattr(this.node, this.#info.va, cred);
    if (unreachable !== 0) return unreachable;
    this.#path = path;
    this.#at = 0;
    this.trailingSlash = path.charCodeAt(path.length - 1) === SLASH;
    for (;;) {
      const component = this.#next();
      if (component === '') break;
      const isLast = endsAt(this.#path, this.#at);
      const mayBeMade = mode === 'create' && isLast && this.trailingSlash;
      if (mayBeMade && component !== '.' && component !== '..') return this.#search() || E.EISDIR;
      const follow =
        !isLast ||
        mode === 'follow' ||
        mode === 'create' ||
        (mode === 'nofollow' && this.trailingSlash);
      const error = this.#step(component, follow);
      if (error === 0) continue;
      const isOfTheName = isLast && this.node === null;
      if (!isOfTheName || (error !== E.ENOENT && mode !== 'parent')) return error;
      this.lastError = error;
    }
    const isNoDirectory = this.node !== null && this.va.va_type !== VDIR;
    return mode !== 'parent' && this.trailingSlash && isNoDirectory ? E.ENOTDIR : 0;
  }

  /** The next component; '' when there is none. */
  #next(): ByteName {
    const path = this.#path;
    let start = this.#at;
    while (start < path.length && path.charCodeAt(start) === SLASH) start++;
    let end = path.indexOf('/', start);
    if (end < 0) end = path.length;
    this.#at = end;
    return path.slice(start, end);
  }

  /** Hands the reference on `node` to the caller, who releases it. */
  takeNode(): NodeReference {
    const node = this.node!;
    let at = this.#heldCount - 1;
    while (at >= 0 && this.#held[at] !== node) at--;
    // The walk may have begun there and gone nowhere.
    if (at < 0 && node === this.#start.cookie) return this.#start.share();
    if (at >= 0) this.#held[at] = this.#held[--this.#heldCount]!;
    return new NodeReference(this.#fs, node);
  }

  /** Gives every other reference back. */
  release(): void {
    while (this.#heldCount > 0) this.#fs.node_reclaim(this.#held[--this.#heldCount]!, 1);
  }

  /** May names be looked up in the node that was reached? */
  #search(): number {
    if (this.va.va_type !== VDIR) return E.ENOTDIR;
    return this.#fs.node_access(this.node!, PUFFS_VEXEC, this.#cn.cred);
  }

  #step(component: ByteName, follow: boolean): number {
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
    if (cookie !== this.#fs.rootCookie) this.#held[this.#heldCount++] = cookie;
    this.node = cookie;
    if (va.va_type !== VLNK || !follow) return 0;
    return this.#enterSymlink(cookie, directory);
  }

  /** Puts the target before the rest of the path. */
  #enterSymlink(link: Cookie, directory: Cookie): number {
    if (++this.#symlinks > SYMLINKS_MAX) return E.ELOOP;
    const target = { value: '' };
    const error = this.#fs.node_readlink(link, this.#cn.cred, target);
    if (error !== 0) return error;
    if (target.value === '') return E.ENOENT;
    const isAbsolute = target.value.charCodeAt(0) === SLASH;
    if (endsAt(this.#path, this.#at)) {
      this.trailingSlash ||= target.value.charCodeAt(target.value.length - 1) === SLASH;
    }
    // What is left begins with a slash, or is nothing.
    this.#path = target.value + this.#path.slice(this.#at);
    this.#at = 0;
    this.node = isAbsolute ? this.#fs.rootCookie : directory;
    if (isAbsolute) {
      this.parent = this.node;
      this.kind = 'root';
    }
    return this.#fs.node_getattr(this.node, this.#info.va, this.#cn.cred);
  }
}
