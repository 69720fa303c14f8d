/**
 * The VFS objects that a hosted Linux file system sees: Linux's <linux/fs.h>, reduced to what a
 * disk file system without its own locking daemon, quota or block layer touches. Names, fields and
 * duties are Linux's; what differs is said at the place.
 *
 * Differences that hold everywhere:
 * - A method throws Errno where Linux returns a negative number.
 * - Calls run to completion on the caller's stack (see DESIGN.md), so RCU walks, dirty-inode lists
 *   and per-page locks do not exist.
 * - `rdev` is Linux's kernel form: major << 20 | minor ({@link MKDEV}).
 *
 * Lock order, outermost first: i_rwsem of a parent, i_rwsem of a child, then the file system's own
 * locks (jffs2: alloc_sem, f.sem, wbuf_sem). The VFS entry points in src/dcache/namei.ts and those
 * of attr.ts, file.ts, filemap.ts and xattr.ts take i_rwsem; a file system never does.
 */
import type { Lump } from './lump.js';
import type { page } from './filemap.js';
import type { rw_semaphore } from './locks.js';
import type { posix_acl } from './posix_acl.js';
import type { ByteName } from './types.js';

// ---- numbers ------------------------------------------------------------------------------------

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o010;
export const S_IXUGO = 0o111;
export const S_IALLUGO = 0o7777;
export const S_IRWXUGO = 0o777;

export const S_ISDIR = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const S_ISREG = (mode: number): boolean => (mode & S_IFMT) === S_IFREG;
export const S_ISLNK = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;

export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;

/** `super_block.s_flags`. */
export const SB_RDONLY = 1;
export const SB_SYNCHRONOUS = 16;
export const SB_NOATIME = 1024;
export const SB_POSIXACL = 1 << 16;

/** `iattr.ia_valid`. */
export const ATTR_MODE = 0x1;
export const ATTR_UID = 0x2;
export const ATTR_GID = 0x4;
export const ATTR_SIZE = 0x8;
export const ATTR_ATIME = 0x10;
export const ATTR_MTIME = 0x20;
export const ATTR_CTIME = 0x40;
export const ATTR_ATIME_SET = 0x80;
export const ATTR_MTIME_SET = 0x100;
export const ATTR_FORCE = 0x200;
export const ATTR_KILL_SUID = 0x800;
export const ATTR_KILL_SGID = 0x1000;
export const ATTR_KILL_PRIV = 0x4000;
/** utimes(path, NULL): both times become "now", which anybody may ask who may write the file. */
export const ATTR_TOUCH = 0x20000;

/** rename(2) flags. */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

/** setxattr(2) flags. */
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** open(2) flags (x86 numbers) that file systems and l2p look at. */
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_DSYNC = 0o10000;
export const O_SYNC = 0o4010000;

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Page size of the emulated machine; also the unit of the page cache. */
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

/** Device numbers in the kernel's 12:20 form. */
export const MKDEV = (major: number, minor: number): number => ((major << 20) | minor) >>> 0;
export const MAJOR = (dev: number): number => dev >>> 20;
export const MINOR = (dev: number): number => dev & 0xfffff;

// ---- small records ------------------------------------------------------------------------------

/** Who asks. Set in `lump.current_cred` by the entry layer before any VFS call. */
export interface cred {
  readonly fsuid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  /** CAP_DAC_OVERRIDE, _FOWNER, _CHOWN, _FSETID, _MKNOD, _SYS_RESOURCE and _SYS_ADMIN as one. */
  readonly privileged: boolean;
  /**
   * Permission was already decided by somebody who knows more (a FUSE mount with
   * default_permissions, where supplementary groups are not transmitted): inode_permission() and
   * its like answer yes; fsuid/fsgid still become the owner of what is created.
   */
  readonly permissionsChecked: boolean;
  /** Applied by posix_acl_create() where no default ACL rules. */
  readonly umask: number;
}

/** Attributes to change; only fields whose bit is in ia_valid count. */
export interface iattr {
  ia_valid: number;
  ia_mode: number;
  ia_uid: number;
  ia_gid: number;
  ia_size: number;
  ia_atime_sec: number;
  ia_atime_nsec: number;
  ia_mtime_sec: number;
  ia_mtime_nsec: number;
  ia_ctime_sec: number;
  ia_ctime_nsec: number;
}

export interface kstatfs {
  f_type: number;
  f_bsize: number;
  f_blocks: number;
  f_bfree: number;
  f_bavail: number;
  f_files: number;
  f_ffree: number;
  f_namelen: number;
}

/** Receiver of directory entries. `actor` answers false when it has no more room. */
export interface dir_context {
  /** Offset of the next entry: 0 ".", 1 "..", then the file system's own. */
  pos: number;
  /** `next` is the offset to continue *after* this entry; `type` a DT_ number. */
  actor(name: ByteName, ino: number, type: number, next: number): boolean;
}

/** What a file system sees of a dentry; src/dcache has the class. */
export interface dentry {
  readonly d_name: ByteName;
  readonly d_parent: dentry;
  d_inode: inode | null;
  readonly d_sb: super_block;
}

/** f_mode: writing leaves mtime and ctime alone. */
export const FMODE_NOCMTIME = 0x800;

export interface file {
  readonly f_inode: inode;
  f_flags: number;
  /** FMODE_NOCMTIME or 0; what may be done with the file is in f_flags. */
  f_mode: number;
  /** Position of directory reading only; reads and writes carry their own. */
  f_pos: number;
  private_data: unknown;
}

// ---- operation tables ---------------------------------------------------------------------------

export interface inode_operations {
  /**
   * Finds `dentry.d_name` in `dir` and completes the dentry with d_add / d_splice_alias; a missing
   * name becomes a negative dentry, not an error.
   * @returns the dentry to use instead, or null for the one passed.
   * @throws ENAMETOOLONG, EIO.
   */
  lookup?(dir: inode, dentry: dentry): dentry | null;
  /** The name is free. @throws ENOSPC, EIO, ENAMETOOLONG; so do the next five. */
  create?(dir: inode, dentry: dentry, mode: number, excl: boolean): void;
  mknod?(dir: inode, dentry: dentry, mode: number, rdev: number): void;
  mkdir?(dir: inode, dentry: dentry, mode: number): void;
  symlink?(dir: inode, dentry: dentry, target: ByteName): void;
  link?(old: dentry, dir: inode, dentry: dentry): void;
  /** An unlinked, linkless inode that linkat may name later; instantiates `dentry`. */
  tmpfile?(dir: inode, dentry: dentry, mode: number): void;
  unlink?(dir: inode, dentry: dentry): void;
  /** @throws ENOTEMPTY. */
  rmdir?(dir: inode, dentry: dentry): void;
  /** @throws EINVAL for flags the file system does not know; ENOTEMPTY, ENOSPC. */
  rename?(oldDir: inode, old: dentry, newDir: inode, dentry: dentry, flags: number): void;
  /** The target; at most PAGE_SIZE-1 bytes. */
  get_link?(inode: inode): ByteName;
  /** Absent: generic. @throws EPERM, EFBIG, ENOSPC, EOVERFLOW. */
  setattr?(dentry: dentry | null, inode: inode, attr: iattr): void;
  /** All names with prefixes. */
  listxattr?(inode: inode): ByteName[];
  /** null = none. Type ACL_TYPE_*. */
  get_acl?(inode: inode, type: number): posix_acl | null;
  set_acl?(inode: inode, acl: posix_acl | null, type: number): void;
}

export interface file_operations {
  read?(file: file, buf: Uint8Array, off: number, len: number, pos: number): number;
  write?(file: file, buf: Uint8Array, off: number, len: number, pos: number): number;
  iterate_shared?(file: file, ctx: dir_context): void;
  /** Everything of this file that was written is on stable storage. */
  fsync?(file: file, datasync: boolean): void;
  open?(inode: inode, file: file): void;
  release?(inode: inode, file: file): void;
  /** SEEK_DATA/SEEK_HOLE; @returns the offset. @throws ENXIO past the end or no data follows. */
  seek_data?(inode: inode, pos: number): number;
  seek_hole?(inode: inode, pos: number): number;
}

export interface address_space_operations {
  /**
   * Fills one page: exactly PAGE_SIZE bytes at `buf[off…]`, zeroes past the end of the file.
   * @throws EIO.
   */
  read_folio(inode: inode, pageIndex: number, buf: Uint8Array, off: number): void;
  /**
   * Called with the page in the cache before `len` bytes at `pos` (all inside one page) are copied
   * into it. Unlike Linux's, it need not read the page: generic_perform_write() has filled it
   * through read_folio (or with zeroes past the end of the file) unless `len` is the whole page;
   * only then may `uptodate` be false and the page's bytes be garbage.
   * @throws ENOSPC, EIO, EFBIG.
   */
  write_begin(
    file: file,
    inode: inode,
    pos: number,
    len: number,
    page: page_ref,
    uptodate: boolean,
  ): void;
  /**
   * Called after the copy; a write-through file system puts the bytes on the medium now and sets
   * i_size. @returns bytes accepted (less than `copied` only if the rest failed but some are safe).
   * @throws ENOSPC, EIO: nothing was accepted; the caller drops the page.
   */
  write_end(file: file, inode: inode, pos: number, copied: number, page: page_ref): number;
}

/** A locked page: PAGE_SIZE bytes at buf[off…]. Valid until the callee returns. */
export interface page_ref {
  readonly buf: Uint8Array;
  readonly off: number;
  readonly index: number;
}

export interface super_operations {
  /**
   * Frees i_private, which may be null. Called once, with i_count 0. If i_nlink is 0 the inode dies
   * on the medium, too. An Errno thrown is logged.
   */
  evict_inode?(inode: inode): void;
  statfs(sb: super_block, buf: kstatfs): void;
  /** Flush what the file system itself buffers. @throws EIO, ENOSPC. */
  sync_fs?(sb: super_block, wait: boolean): void;
  put_super?(sb: super_block): void;
  /** @throws EINVAL bad option, EROFS cannot become writeable. */
  remount_fs?(sb: super_block, flags: number, options: string): void;
  /** Mount options as text for /proc/mounts, starting with a comma if not empty. */
  show_options?(sb: super_block): string;
}

/** Linux's xattr handler. `name` is given without the prefix. */
export interface xattr_handler {
  /** "user.", "system.posix_acl_access", … One that does not end in "." is a whole name. */
  readonly prefix: ByteName;
  /** @throws ENODATA missing, EOPNOTSUPP, EIO. */
  get(inode: inode, name: ByteName): Uint8Array;
  /** null removes. @throws ENODATA, EEXIST, ENOSPC, ERANGE, EOPNOTSUPP, EINVAL. */
  set(inode: inode, name: ByteName, value: Uint8Array | null, flags: number): void;
  /** Is the attribute shown by listxattr to this caller? Default yes. */
  list?(inode: inode, c: cred): boolean;
}

export interface file_system_type {
  readonly name: string;
  /** ABI the module was built against; register_filesystem refuses another. */
  readonly abi_version: number;
  /**
   * Reads the medium and returns a super_block with s_root set.
   * @throws EINVAL options or medium unusable, EIO, EROFS.
   */
  mount(lump: Lump, device: unknown, flags: number, options: string): super_block;
}

// ---- objects ------------------------------------------------------------------------------------

export const I_NEW = 1;
export const I_FREEING = 2;
export const I_BAD = 4;
/** Evicted: whoever still holds the inode (after a forced unmount) holds an empty shell. */
export const I_CLEAR = 8;
/** Made by tmpfile(): linkat(2) may name it although i_nlink is 0. */
export const I_LINKABLE = 16;
/** I_NEW by insert_inode_locked(): being made, not read. */
export const I_CREATING = 32;

/** `inode.i_flags`: a directory that was removed, nothing can be made in it any more. */
export const S_DEAD = 16;
/** `inode.i_flags`: known to have neither setuid, setgid nor file capabilities. */
export const S_NOSEC = 4096;

/**
 * One inode in memory. `src/lump/inode.ts` makes and keeps them; a file system puts its own part
 * in i_private.
 */
export class inode {
  readonly i_sb: super_block;
  i_ino = 0;
  i_mode = 0;
  i_nlink = 1;
  i_uid = 0;
  i_gid = 0;
  i_rdev = 0;
  /** Bytes; up to 2^53-1. */
  i_size = 0;
  /** 512-byte units. */
  i_blocks = 0;
  i_blkbits = PAGE_SHIFT;
  i_generation = 0;
  i_atime_sec = 0;
  i_atime_nsec = 0;
  i_mtime_sec = 0;
  i_mtime_nsec = 0;
  i_ctime_sec = 0;
  i_ctime_nsec = 0;
  i_op: inode_operations;
  i_fop: file_operations;
  i_aops: address_space_operations | null = null;
  i_state = 0;
  /** S_DEAD, S_NOSEC. */
  i_flags = 0;
  /** References; maintained by inode.ts only. */
  i_count = 1;
  i_private: unknown = null;
  /** Of whoever shows the inode to the world above the VFS (l2p's node); it must be given back. */
  i_export: unknown = null;
  /** Dentries naming this inode; maintained by src/dcache only. */
  i_dentry: dentry[] = [];
  readonly i_rwsem: rw_semaphore;
  /** Cached pages by index; maintained by filemap.ts only. Null until the first page. */
  i_pages: Map<number, page> | null = null;
  /** Files open for writing; vfs_open() and fput() count, remount read-only asks. */
  i_writecount = 0;
  /** Cached ACLs, see posix_acl.ts; undefined is Linux's ACL_NOT_CACHED. */
  i_acl: posix_acl | null | undefined = undefined;
  i_default_acl: posix_acl | null | undefined = undefined;

  constructor(sb: super_block, i_op: inode_operations, i_fop: file_operations, sem: rw_semaphore) {
    this.i_sb = sb;
    this.i_op = i_op;
    this.i_fop = i_fop;
    this.i_rwsem = sem;
  }
}

export class super_block {
  readonly s_lump: Lump;
  readonly s_type: file_system_type;
  s_op!: super_operations;
  s_root: dentry | null = null;
  s_flags: number;
  s_blocksize = PAGE_SIZE;
  s_magic = 0;
  /** Largest file in bytes. */
  s_maxbytes = 2 ** 31 - 1;
  s_max_links = 0;
  /** Nanoseconds. */
  s_time_gran = 1;
  /** Seconds; times outside are clamped. */
  s_time_min = -(2 ** 63);
  s_time_max = 2 ** 63;
  s_xattr: readonly xattr_handler[] = [];
  s_fs_info: unknown = null;
  /** Kernel dev_t of the mount ({@link MKDEV}). */
  s_dev = 0;
  /** Inodes in memory by number; maintained by inode.ts. */
  readonly s_inodes = new Map<number, inode>();
  /** Inodes that exist, in the table or not; 0 after a clean unmount. */
  s_nr_inodes = 0;
  /** Unreferenced inodes that are kept, the longest unused first; maintained by inode.ts. */
  readonly s_inode_lru = new Set<inode>();
  /** Linux's SB_ACTIVE: off before the mount is complete and from umount on; see mount.ts. */
  s_active = false;
  /** The name cache of this mount; src/dcache alone knows its type. */
  s_dcache: unknown = null;

  constructor(lump: Lump, type: file_system_type, flags: number) {
    this.s_lump = lump;
    this.s_type = type;
    this.s_flags = flags;
  }
}

export const sb_rdonly = (sb: super_block): boolean => (sb.s_flags & SB_RDONLY) !== 0;
