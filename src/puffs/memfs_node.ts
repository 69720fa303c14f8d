/**
 * One node of memfs, and the table of names of a directory.
 */
import { NETBSD_ERRNO as E } from './errno.js';
import { VDIR, VREG, type ByteName, type Cookie, type vattr } from './puffs.js';
import { MEMFS_PAGE_BYTES, MemfsData, type MemfsSpace } from './memfs_data.js';
import { VATTR_BLOCKSIZE } from './vattr.js';

export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export interface MemfsEntry {
  readonly name: ByteName;
  node: MemfsNode;
  /** Readdir offset: grows with each new name of the directory and stays with the entry. */
  readonly offset: number;
}

/** Names of one directory, in the order of their offsets. */
export class MemfsDirectory {
  readonly #byName = new Map<ByteName, MemfsEntry>();
  readonly #inOrder: MemfsEntry[] = [];
  /** 0 and 1 are "." and "..". */
  #nextOffset = 2;
  /** Where ".." leads; a removed directory keeps it. */
  parent: MemfsNode;

  constructor(parent: MemfsNode) {
    this.parent = parent;
  }

  get size(): number {
    return this.#byName.size;
  }

  find(name: ByteName): MemfsNode | undefined {
    return this.#byName.get(name)?.node;
  }

  /** Adds a name or lets an existing one lead elsewhere. */
  set(name: ByteName, node: MemfsNode): void {
    const present = this.#byName.get(name);
    if (present !== undefined) {
      present.node = node;
      return;
    }
    const entry = { name, node, offset: this.#nextOffset++ };
    this.#byName.set(name, entry);
    this.#inOrder.push(entry);
  }

  delete(name: ByteName): void {
    const entry = this.#byName.get(name)!;
    this.#byName.delete(name);
    this.#inOrder.splice(this.#lowerBound(entry.offset), 1);
  }

  /** The first entry whose offset is `offset` or more. */
  entryFrom(offset: number): MemfsEntry | undefined {
    return this.#inOrder[this.#lowerBound(offset)];
  }

  #lowerBound(offset: number): number {
    let low = 0;
    let high = this.#inOrder.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#inOrder[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class MemfsNode {
  readonly cookie: Cookie;
  readonly type: number;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  nlink = 0;
  flags = 0;
  rdev = 0;
  /** Regular files only; see {@link sizeBytes}. */
  size = 0;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  birthtime: Timespec;
  /** Symbolic links only. */
  target: ByteName = '';
  readonly data: MemfsData | null;
  readonly directory: MemfsDirectory | null;
  readonly xattrs = new Map<ByteName, Uint8Array>();
  /** Lookups the caller has not given back. */
  nlookup = 0;
  opens = 0;
  writers = 0;
  /** Made by tmpfile: may be given a first name. */
  linkable = false;

  constructor(
    cookie: Cookie,
    type: number,
    parent: MemfsNode | null,
    space: MemfsSpace,
    mode: number,
    uid: number,
    gid: number,
    now: Timespec,
  ) {
    this.cookie = cookie;
    this.type = type;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.atime = this.mtime = this.ctime = this.birthtime = now;
    this.data = type === VREG ? new MemfsData(space) : null;
    this.directory = type === VDIR ? new MemfsDirectory(parent ?? this) : null;
  }

  /** va_size: what each kind of node has by way of contents. */
  get sizeBytes(): number {
    return this.data !== null ? this.size : this.target.length;
  }

  get bytesUsed(): number {
    return this.data === null ? 0 : this.data.pageCount * MEMFS_PAGE_BYTES;
  }

  /** Is it the directory `ancestor` or below it? */
  isInside(ancestor: MemfsNode): boolean {
    if (ancestor.directory === null) return false;
    for (let at: MemfsNode = this; ; at = at.directory!.parent) {
      if (at === ancestor) return true;
      if (at.directory!.parent === at) return false;
    }
  }

  /** May a rename put it in the place of `victim`, as far as their kinds go? */
  mayReplace(victim: MemfsNode | undefined): number {
    if (victim === undefined || (this.directory === null) === (victim.directory === null)) return 0;
    return this.directory === null ? E.EISDIR : E.ENOTDIR;
  }

  /** Contents changed. */
  touch(now: Timespec): void {
    this.mtime = now;
    this.ctime = now;
  }

  /** getattr's answer; `va` is filled whole. */
  fill(va: vattr): void {
    va.va_type = this.type;
    va.va_mode = this.mode;
    va.va_nlink = this.nlink;
    va.va_uid = this.uid;
    va.va_gid = this.gid;
    va.va_fsid = 0;
    va.va_fileid = this.cookie;
    va.va_size = this.sizeBytes;
    va.va_blocksize = VATTR_BLOCKSIZE;
    va.va_atime_sec = this.atime.sec;
    va.va_atime_nsec = this.atime.nsec;
    va.va_mtime_sec = this.mtime.sec;
    va.va_mtime_nsec = this.mtime.nsec;
    va.va_ctime_sec = this.ctime.sec;
    va.va_ctime_nsec = this.ctime.nsec;
    va.va_birthtime_sec = this.birthtime.sec;
    va.va_birthtime_nsec = this.birthtime.nsec;
    va.va_gen = 1;
    va.va_flags = 0;
    va.va_rdev = this.rdev;
    va.va_bytes = this.bytesUsed;
    va.va_filerev = 0;
    va.va_vaflags = 0;
  }
}
