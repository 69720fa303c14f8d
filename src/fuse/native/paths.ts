/**
 * Paths → nodes, for a kernel interface that names files by path in every request.
 *
 * Lookups are counted below (see puffs.ts). Those of the request in hand are held until it is over
 * ({@link Paths.release}); those of directories are kept beyond it, in a cache of limited size.
 */
import { NETBSD_ERRNO } from '../../puffs/errno.js';
import { textToName } from '../../puffs/name.js';
import {
  NAMEI_LOOKUP,
  VDIR,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
} from '../../puffs/puffs.js';
import { vattr_new } from '../../puffs/vattr.js';

const { EILSEQ, ENOENT, ENOTDIR } = NETBSD_ERRNO;

/** Directories that are remembered from one request to the next. */
const DIRECTORIES_MAX = 256;
/** What bytes that are no UTF-8 have become before they get here. */
const REPLACEMENT = '\ufffd';

export class Paths {
  /** The last node that was found or made, with its attributes. */
  readonly info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
  /** What the last {@link parent} found: the directory and the name in it. */
  directory: Cookie = 0;
  name: ByteName = '';

  private readonly fs: puffs_ops;
  private readonly cred: puffs_cred;
  private readonly cn: puffs_cn;
  /** Path without a final slash → cookie, the least recently used first; each is one lookup. */
  private readonly directories = new Map<string, Cookie>();
  /** Nodes that have no name any more but are still called by a path; each is one lookup. */
  private readonly nameless = new Map<string, Cookie>();
  private readonly held: Cookie[] = [];

  constructor(fs: puffs_ops, cred: puffs_cred) {
    this.fs = fs;
    this.cred = cred;
    this.cn = { nameiop: NAMEI_LOOKUP, name: '', cred };
  }

  /**
   * Finds the directory and the name of a path that is no "/".
   * @returns 0 or a NetBSD errno; EILSEQ when the name is no UTF-8 and can therefore not be made.
   */
  parent(path: string): number {
    const slash = path.lastIndexOf('/');
    const error = this.findDirectory(path.slice(0, slash));
    if (error !== 0) return error;
    const text = path.slice(slash + 1);
    if (text.includes(REPLACEMENT)) return EILSEQ;
    this.name = textToName(text);
    return 0;
  }

  /** Finds the node of a path: `info`. @returns 0 or a NetBSD errno. */
  node(path: string): number {
    const { fs, info } = this;
    const nameless = this.nameless.get(path);
    const cookie = path === '/' ? fs.rootCookie : nameless;
    if (cookie !== undefined) {
      info.cookie = cookie;
      const error = fs.node_getattr(cookie, info.va, this.cred);
      // libfuse takes the name that it believes in off again.
      if (nameless !== undefined) info.va.va_nlink++;
      return error;
    }
    const error = this.parent(path);
    // A name that cannot be said names nothing.
    if (error !== 0) return error === EILSEQ ? ENOENT : error;
    return this.child();
  }

  /** Finds the node of the name that {@link parent} found. @returns 0 or a NetBSD errno. */
  child(): number {
    this.cn.name = this.name;
    const error = this.fs.node_lookup(this.directory, this.info, this.cn);
    if (error === 0) this.hold();
    return error;
  }

  /** `info` was answered by an operation that counts as a lookup. */
  hold(): void {
    if (this.info.cookie !== this.fs.rootCookie) this.held.push(this.info.cookie);
  }

  /**
   * The caller gives one lookup of a node back by himself.
   * @returns false when none is held: the node has no name, and is kept for as long as it is open.
   */
  keep(node: Cookie): boolean {
    const at = this.held.lastIndexOf(node);
    if (at < 0) return false;
    this.held.splice(at, 1);
    return true;
  }

  /** The request is over: gives its lookups back. */
  release(): void {
    for (const cookie of this.held) this.fs.node_reclaim(cookie, 1);
    this.held.length = 0;
    // Not before, since the request may still use them.
    for (const [path, cookie] of this.directories) {
      if (this.directories.size <= DIRECTORIES_MAX) break;
      this.directories.delete(path);
      this.fs.node_reclaim(cookie, 1);
    }
  }

  /** What was at this path, and below it, is not there any more. */
  forget(path: string): void {
    for (const [each, cookie] of this.directories) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      this.directories.delete(each);
      this.fs.node_reclaim(cookie, 1);
    }
  }

  /** What was at one path is at another now. */
  moved(from: string, to: string): void {
    this.forget(from);
    this.forget(to);
    for (const [path, cookie] of this.nameless) {
      if (!path.startsWith(`${from}/`)) continue;
      this.nameless.delete(path);
      this.nameless.set(to + path.slice(from.length), cookie);
    }
  }

  /** From now on this path means a node that has no name; its lookup must have been kept. */
  setNameless(path: string, node: Cookie): void {
    this.nameless.set(path, node);
  }

  /** Are there such nodes in this directory? */
  hasNameless(directory: string): boolean {
    for (const path of this.nameless.keys()) {
      if (path.slice(0, path.lastIndexOf('/')) === directory) return true;
    }
    return false;
  }

  /** @returns false when the path does not mean such a node. */
  dropNameless(path: string): boolean {
    const cookie = this.nameless.get(path);
    if (cookie === undefined) return false;
    this.nameless.delete(path);
    this.fs.node_reclaim(cookie, 1);
    return true;
  }

  /** Gives every lookup back. */
  close(): void {
    this.release();
    for (const cookies of [this.directories, this.nameless]) {
      for (const cookie of cookies.values()) this.fs.node_reclaim(cookie, 1);
      cookies.clear();
    }
  }

  /** `path` without a final slash, '' for the root. @returns 0 or a NetBSD errno. */
  private findDirectory(path: string): number {
    const cached = path === '' ? this.fs.rootCookie : this.directories.get(path);
    if (cached !== undefined) {
      this.directory = cached;
      if (path === '') return 0;
      this.directories.delete(path);
      this.directories.set(path, cached);
      return 0;
    }
    const error = this.node(path);
    if (error !== 0) return error;
    const { cookie, va } = this.info;
    if (va.va_type !== VDIR) return ENOTDIR;
    this.directory = cookie;
    this.keep(cookie);
    this.directories.set(path, cookie);
    return 0;
  }
}
