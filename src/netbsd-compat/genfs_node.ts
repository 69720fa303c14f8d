/**
 * What file systems with inodes have in common (NetBSD's struct inode of UFS, tmpfs_node): the node
 * in memory, and what its file system must be able to do on its medium. genfs_vnops.ts makes vnode
 * operations of it: permissions, link counts, times and the rules of renaming are there, once.
 */
import type { ByteName, puffs_nextdent } from '../puffs/puffs.js';

/** Since 1970. */
export interface genfs_time {
  readonly sec: number;
  readonly nsec: number;
}

/** A node in memory, as struct inode of UFS. */
export class genfs_node {
  readonly i_number: number;
  /** VREG… */
  readonly i_type: number;
  /** Permission bits. */
  i_mode = 0;
  i_nlink = 0;
  i_uid = 0;
  i_gid = 0;
  /** Bytes; of a symbolic link, its target's; of a directory, as its file system counts. */
  i_size = 0;
  i_rdev = 0;
  /** chflags(2); 0 where the medium has none. */
  i_flags = 0;
  i_gen = 0;
  /** Bytes on the medium. */
  i_bytes = 0;
  i_atime: genfs_time = EPOCH;
  i_mtime: genfs_time = EPOCH;
  i_ctime: genfs_time = EPOCH;
  i_birthtime: genfs_time | null = null;

  constructor(number: number, type: number) {
    this.i_number = number;
    this.i_type = type;
  }
}

/** Bits of i_flags that mean something here: the owner's, and the superuser's. */
export const IMMUTABLE = 0x2 | 0x20000;
export const APPEND = 0x4 | 0x40000;
/** Those that only the superuser may change; and one that nobody may. */
export const SF_SETTABLE = 0xffff0000;
export const SF_SNAPSHOT = 0x200000;

const EPOCH: genfs_time = { sec: 0, nsec: 0 };

/** What a new node begins with. */
export interface genfs_new {
  readonly type: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly nlink: number;
  readonly now: genfs_time;
}

/** Where a file system keeps extended attributes, by Linux's full names ("user.x"). */
export interface genfs_extattr<N extends genfs_node> {
  /** All names, in any order. */
  names(node: N): ByteName[];
  /** The value; undefined: there is none of that name. */
  get(node: N, name: ByteName): Uint8Array | undefined;
  /** undefined takes it away. @throws ENOSPC no room for it; EOPNOTSUPP no such names. */
  set(node: N, name: ByteName, value: Uint8Array | undefined): void;
}

/** What the medium can hold at most. */
export interface genfs_limits {
  readonly nameBytes: number;
  readonly links: number;
  readonly symlinkBytes: number;
  readonly fileBytes: number;
  readonly timeSecMin: number;
  readonly timeSecMax: number;
  readonly timeGranularityNsec: number;
  /** Preferred I/O size. */
  readonly blockBytes: number;
  /** The medium keeps i_flags. */
  readonly hasFlags?: boolean;
}

/**
 * One mounted file system with inodes. `N` is its node. Every method may throw EIO and what the
 * medium throws; changes are in the buffers (or the memory) when it returns.
 */
export interface genfs_medium<N extends genfs_node> {
  readonly limits: genfs_limits;
  /** undefined: it has none. */
  readonly extattr?: genfs_extattr<N>;
  /** @returns the number of the node; 0: no such name. ".." is asked for, "." is not. */
  lookup(dir: N, name: ByteName): number;
  /** Adds a name that is not there. @throws ENOSPC, EFBIG. */
  enter(dir: N, name: ByteName, number: number, type: number): void;
  /** Takes a name that is there away. */
  remove(dir: N, name: ByteName): void;
  /** Lets a name that is there lead to another node; ".." too. */
  rewrite(dir: N, name: ByteName, number: number, type: number): void;
  /** Is there nothing but "." and ".." in it? */
  is_empty(dir: N): boolean;
  /** "." and ".." first. @returns true at the end. */
  readdir(dir: N, offset: number, emit: puffs_nextdent): boolean;
  /**
   * A new node on the medium, without a name; a directory has "." and "..".
   * @returns its number. @throws ENOSPC.
   */
  make(dir: N, begin: genfs_new): number;
  /** i_size becomes `size`; what a file grows by reads as zeros. @throws ENOSPC. */
  truncate(node: N, size: number): void;
  /** `position + length` is within i_size. */
  read(node: N, buf: Uint8Array, off: number, length: number, position: number): void;
  /**
   * Raises i_size where it must. @returns bytes written: fewer when there is no more space, even 0.
   */
  write(node: N, buf: Uint8Array, off: number, length: number, position: number): number;
  /** The target of a symbolic link. */
  readlink(node: N): ByteName;
  /** The target of a new symbolic link. @throws ENOSPC. */
  symlink(node: N, target: ByteName): void;
  /** The node's attributes go to the medium. */
  update(node: N): void;
  /** Nobody refers to a node without names any more: it and its contents go. */
  free(node: N): void;
  /** The node leaves memory. */
  forget(node: N): void;
  /** Where data begin, or a hole, at or after `offset`; -1: nowhere before i_size. */
  seek(node: N, offset: number, hole: boolean): number;
  /** Everything, or all of one node, is on stable storage when it returns. */
  sync(node: N | null): void;
}
