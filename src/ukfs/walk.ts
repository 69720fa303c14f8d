/**
 * Path walk over the waist: Linux's rules (empty path ENOENT, 40 symbolic links, a trailing slash
 * asks for a directory), written for one caller at a time.
 *
 * Every lookup is a reference that must be given back. A walk keeps all of its own until
 * {@link Walk.release}, so that neither a parent nor the node can go away between the walk and the
 * operation it was made for.
 */
import {
  NAMEI_LOOKUP, NETBSD_ERRNO as E, PUFFS_VEXEC, VDIR, VLNK, vattr_new,
  type ByteName, type Cookie, type puffs_cn, type puffs_cred, type puffs_newinfo, type puffs_ops,
  type vattr,
} from '../puffs/index.js';

const SYMLINKS_MAX = 40;
/** Linux's PATH_MAX counts the final NUL. */
const PATH_BYTES_MAX = 4095;

/** How the last component looked: an ordinary name, ".", "..", or none at all ("/"). */
export type LastKind = 'name' | 'dot' | 'dotdot' | 'root';

export class Walk {
  readonly #fs: puffs_ops;
  readonly #cred: puffs_cred;
  readonly #held: Cookie[] = [];
  readonly #info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
  readonly #cn: puffs_cn;
  #symlinks = 0;

  /** Directory of the last component. */
  parent: Cookie;
  /** The last component, after symbolic links were followed. */
  name: ByteName = '';
  kind: LastKind = 'root';
  /** The node that the path names; null when only the last component is missing. */
  node: Cookie | null;
  /** The path ended in a slash. */
  wantsDirectory = false;

  constructor(fs: puffs_ops, cred: puffs_cred) {
    this.#fs = fs;
    this.#cred = cred;
    this.#cn = { nameiop: NAMEI_LOOKUP, name: '', cred };
    this.parent = this.node = fs.rootCookie;
    fs.node_getattr(fs.rootCookie, this.#info.va, cred);
  }

  /** Attributes of `node` at the time of the walk. */
  get va(): Readonly<vattr> {
    return this.#info.va;
  }

  /** Walks `path` from the root. `follow` concerns the last component. @returns 0 or an errno. */
  walk(path: ByteName, follow: boolean): number {
    if (path === '') return E.ENOENT;
    if (path.length > PATH_BYTES_MAX) return E.ENAMETOOLONG;
    const rest = path.split('/').reverse();
    this.wantsDirectory = rest[0] === '' || rest[0] === '.' || rest[0] === '..';
    while (rest.length > 0) {
      const component = rest.pop()!;
      if (component === '') continue;
      const isLast = rest.every((later) => later === '');
      if (this.node === null) return E.ENOENT;
      const error = this.#step(component, rest, follow || !isLast || this.wantsDirectory);
      if (error !== 0 && !(error === E.ENOENT && isLast && this.kind === 'name')) return error;
    }
    if (this.node !== null && this.wantsDirectory && this.va.va_type !== VDIR) return E.ENOTDIR;
    return 0;
  }

  /** Hands the reference on `node` to the caller, who gives it back by node_reclaim. */
  keepNode(): void {
    const at = this.#held.lastIndexOf(this.node!);
    if (at >= 0) this.#held.splice(at, 1);
  }

  /** Gives every other reference back. */
  release(): void {
    for (const cookie of this.#held) this.#fs.node_reclaim(cookie, 1);
    this.#held.length = 0;
  }

  #step(component: ByteName, rest: string[], follow: boolean): number {
    if (this.va.va_type !== VDIR) return E.ENOTDIR;
    const directory = this.node!;
    this.parent = directory;
    this.name = component;
    if (component === '.') {
      this.kind = 'dot';
      return this.#fs.node_access(directory, PUFFS_VEXEC, this.#cred);
    }
    this.kind = component === '..' ? 'dotdot' : 'name';
    if (component === '..' && directory === this.#fs.rootCookie) return 0;
    this.#cn.name = component;
    const error = this.#fs.node_lookup(directory, this.#info, this.#cn);
    if (error !== 0) {
      if (error === E.ENOENT) this.node = null;
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
    if (rest.every((later) => later === '')) {
      const last = components[0]!;
      this.wantsDirectory ||= last === '' || last === '.' || last === '..';
    }
    rest.push(...components);
    this.node = isAbsolute ? this.#fs.rootCookie : directory;
    if (isAbsolute) {
      this.parent = this.node;
      this.kind = 'root';
    }
    return this.#fs.node_getattr(this.node, this.#info.va, this.#cred);
  }
}
