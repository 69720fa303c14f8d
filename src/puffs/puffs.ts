/**
 * The waist: NetBSD's puffs interface, which every file system below (Linux ones through l2p,
 * NetBSD ones through p2k, the in-memory reference) answers and everything above (FUSE, ukfs,
 * fs-utils) speaks.
 *
 * Conventions, all puffs's:
 * - A *cookie* names a node (not a name): every lookup of a hard-linked file answers the same one.
 *   It is opaque to the caller; here a positive safe integer, so that it can be a FUSE node id.
 * - Every operation answers 0 or a positive **NetBSD** errno ({@link ./errno.ts}); it never throws
 *   for an operating error. A KernelPanic passes through: the server is dead.
 * - Results travel in out-objects that the caller owns and may reuse.
 * - The server counts a lookup for each answered lookup, create, mknod, mkdir, symlink, link*,
 *   tmpfile* and readdirplus* entry; `node_reclaim` gives `nlookup` of them back; a node may be
 *   forgotten when its count is 0. The root is never reclaimed. (*: extensions.)
 * - Unlinked nodes keep their data until reclaimed.
 * - Names are bytes ({@link ByteName}), a single component, never "." (".." is sent).
 *
 * Operations marked "extension" are not puffs's; they use its spare slots, since Linux's FUSE asks
 * for them and a file system may answer EOPNOTSUPP.
 *
 * Sources: reference rump.md §1.1–1.18.
 */

/** Same as in src/lump/types.ts; repeated since the waist imports nothing. */
export type ByteName = string;
/** What a file system calls a node: a number of its own, valid until the node is reclaimed. */
export type Cookie = number;

/** Value "not given" of every vattr field but va_type (VNON there). */
export const VNOVAL = -1;

export const VNON = 0;
export const VREG = 1;
export const VDIR = 2;
export const VBLK = 3;
export const VCHR = 4;
export const VLNK = 5;
export const VSOCK = 6;
export const VFIFO = 7;
export const VBAD = 8;

/** vattr.va_vaflags: the times that are given mean "now", by the server's clock. */
export const VA_UTIMES_NULL = 1;
export const VA_EXCLUSIVE = 2;

/** puffs_cn.nameiop */
export const NAMEI_LOOKUP = 0;
export const NAMEI_CREATE = 1;
export const NAMEI_DELETE = 2;
export const NAMEI_RENAME = 3;

/** node_open's and node_close's mode. */
export const FREAD = 1;
export const FWRITE = 2;

/** node_access's mode. */
export const PUFFS_VREAD = 4;
export const PUFFS_VWRITE = 2;
export const PUFFS_VEXEC = 1;

/** node_fsync's flags. */
export const FSYNC_WAIT = 1;
export const FSYNC_DATAONLY = 2;

/** fs_sync's waitfor. */
export const MNT_WAIT = 1;
export const MNT_NOWAIT = 2;
export const MNT_LAZY = 3;

/** fs_unmount's flags. */
export const MNT_FORCE = 0x80000;

/** Extended attribute name spaces of NetBSD. */
export const EXTATTR_NAMESPACE_USER = 1;
export const EXTATTR_NAMESPACE_SYSTEM = 2;

/** ioflag of read/write. */
export const IO_APPEND = 0x20;
/** Extension (from NetBSD's IO_SYNC): the bytes are on stable storage when the call answers. */
export const IO_SYNC = 0x4;
/** Extension (Linux's FMODE_NOCMTIME): mtime and ctime stay; whoever writes sets them himself. */
export const IO_NOCMTIME = 0x1000_0000;

/** pathconf names (NetBSD numbers). */
export const PC_LINK_MAX = 1;
export const PC_NAME_MAX = 4;
export const PC_PATH_MAX = 5;
export const PC_CHOWN_RESTRICTED = 7;
export const PC_NO_TRUNC = 8;
export const PC_SYNC_IO = 10;
export const PC_FILESIZEBITS = 11;
export const PC_SYMLINK_MAX = 12;

/** Flags of node_rename's extension argument: Linux's numbers. */
export const PUFFS_RENAME_NOREPLACE = 1;
export const PUFFS_RENAME_EXCHANGE = 2;

/**
 * Attributes. Units: bytes; times in seconds and nanoseconds since 1970. All numbers, no BigInt:
 * sizes and inode numbers stay below 2^53 (checked at the borders). va_rdev is a NetBSD dev_t in
 * its 32-bit form: major in bits 8–19, minor in bits 0–7 and 20–31.
 */
export interface vattr {
  va_type: number;
  /** Permission bits only (07777). */
  va_mode: number;
  va_nlink: number;
  va_uid: number;
  va_gid: number;
  va_fsid: number;
  va_fileid: number;
  va_size: number;
  va_blocksize: number;
  va_atime_sec: number;
  va_atime_nsec: number;
  va_mtime_sec: number;
  va_mtime_nsec: number;
  va_ctime_sec: number;
  va_ctime_nsec: number;
  va_birthtime_sec: number;
  va_birthtime_nsec: number;
  va_gen: number;
  va_flags: number;
  va_rdev: number;
  va_bytes: number;
  va_filerev: number;
  va_vaflags: number;
}
// In a setattr, a time is given when its _sec is not VNOVAL *or* its _nsec is not VNOVAL; the pair
// (-1 s, valid nsec) is therefore a real time, one second before 1970.

/** puffs_cred. */
export interface puffs_cred {
  /** 'user' has uid, gid and groups; 'kernel' and 'fs' may do everything. */
  readonly kind: 'user' | 'kernel' | 'fs';
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Extension: the caller (a kernel with default_permissions) has checked permission already. */
  readonly permissionsChecked: boolean;
  /**
   * Extension: the caller's umask, applied by the server when it creates a node in a directory
   * without a default ACL. 0 when the caller has applied it.
   */
  readonly umask: number;
}

/** Component name. */
export interface puffs_cn {
  nameiop: number;
  name: ByteName;
  cred: puffs_cred;
}

/** Answer of lookup and the create-type operations; the server fills all of it. */
export interface puffs_newinfo {
  cookie: Cookie;
  /** Distinguishes reuses of a cookie (FUSE generation). */
  generation: number;
  /** Whole attributes: va_type, va_size and va_rdev are what puffs asks for. */
  va: vattr;
}

/** In: bytes wanted at buf[off…]. Out: `resid` lowered by the bytes moved. */
export interface puffs_uio {
  buf: Uint8Array;
  off: number;
  /** Bytes still to move. */
  resid: number;
  /** Position in the file; the server does not change it. */
  offset: number;
}

/**
 * Receiver of directory records, puffs_nextdent's twin: answers false when the record did not fit;
 * the server then stops and will be asked again from that record's offset.
 * `nextOffset` is the cookie of the NEXT record (BSD's convention).
 */
export type puffs_nextdent = (
  name: ByteName,
  fileid: number,
  dtype: number,
  nextOffset: number,
) => boolean;

/** `eof`: there are no more records behind those that were emitted. */
export interface puffs_readdir_result {
  eof: boolean;
}

/**
 * statvfs(3). Sizes in bytes, `f_blocks`, `f_bfree`, `f_bavail` in units of `f_frsize`;
 * `f_bavail` is what ordinary users may have.
 */
export interface puffs_statvfs {
  f_bsize: number;
  f_frsize: number;
  f_blocks: number;
  f_bfree: number;
  f_bavail: number;
  f_files: number;
  f_ffree: number;
  f_favail: number;
  f_namemax: number;
  f_flag: number;
  f_fsid: number;
  f_fstypename: string;
}

/** For fs_statvfs() to fill in. */
export const statvfs_new = (): puffs_statvfs => ({
  f_bsize: 0,
  f_frsize: 0,
  f_blocks: 0,
  f_bfree: 0,
  f_bavail: 0,
  f_files: 0,
  f_ffree: 0,
  f_favail: 0,
  f_namemax: 0,
  f_flag: 0,
  f_fsid: 0,
  f_fstypename: '',
});

/** Size answer of getextattr/listextattr when no buffer is given. */
export interface puffs_size {
  value: number;
}

/**
 * One mounted file system. Every method's errors: those listed, plus EIO for a medium that fails
 * and ESTALE (70) for a cookie that is not known.
 */
export interface puffs_ops {
  /** "jffs2", "memfs", … as statvfs shows it. */
  readonly fsname: string;
  readonly rootCookie: Cookie;

  /** Gives the mount up; afterwards no call is allowed. @returns EBUSY unless forced. */
  fs_unmount(flags: number): number;
  /** Fills all of `out`. */
  fs_statvfs(out: puffs_statvfs): number;
  /** `waitfor`: MNT_*. @returns ENOSPC. */
  fs_sync(waitfor: number, cred: puffs_cred): number;
  /** Extension: remount. @returns EROFS, EINVAL, EBUSY (files open for writing), EOPNOTSUPP. */
  fs_remount(readOnly: boolean, options: string): number;

  /** @returns ENOENT, ENOTDIR, ENAMETOOLONG, EACCES. ".." answers the parent. */
  node_lookup(dir: Cookie, out: puffs_newinfo, cn: puffs_cn): number;
  /** va: va_type VREG, va_mode. @returns EEXIST, EACCES, ENOSPC, EROFS, ENAMETOOLONG. */
  node_create(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number;
  /**
   * va: va_type VBLK, VCHR, VFIFO or VSOCK, va_mode, va_rdev.
   * @returns as node_create; EINVAL, EPERM.
   */
  node_mknod(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number;
  /** @returns EACCES, EROFS, EISDIR for FWRITE on a directory. */
  node_open(node: Cookie, mode: number, cred: puffs_cred): number;
  /** `mode` as at node_open. */
  node_close(node: Cookie, mode: number, cred: puffs_cred): number;
  /** @returns EACCES, EROFS. */
  node_access(node: Cookie, mode: number, cred: puffs_cred): number;
  /** Fills all of `va`. */
  node_getattr(node: Cookie, va: vattr, cred: puffs_cred): number;
  /** @returns EPERM, EACCES, EROFS, EINVAL, EFBIG, ENOSPC, EISDIR (size of a directory). */
  node_setattr(node: Cookie, va: vattr, cred: puffs_cred): number;
  /** resid untouched = end of file. @returns EISDIR. */
  node_read(node: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number;
  /** resid 0 afterwards, or an error with what was written before it counted in resid. */
  node_write(node: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number;
  /** @returns POLL bits; regular files and directories are always ready. */
  node_poll(node: Cookie, events: number): number;
  /** The node is going to be mapped. @returns EOPNOTSUPP. */
  node_mmap(node: Cookie, prot: number, cred: puffs_cred): number;
  /**
   * `flags`: FSYNC_*; `low` and `high`: a range in bytes, 0 and 0 the whole file.
   * @returns ENOSPC.
   */
  node_fsync(node: Cookie, cred: puffs_cred, flags: number, low: number, high: number): number;
  /** A position was moved; offsets in bytes. @returns EINVAL for one that cannot be. */
  node_seek(node: Cookie, oldOffset: number, newOffset: number, cred: puffs_cred): number;
  /** @returns ENOENT, EPERM/EISDIR for a directory, EACCES, EROFS, ENOSPC. */
  node_remove(dir: Cookie, targ: Cookie, cn: puffs_cn): number;
  /** @returns EEXIST, EPERM for a directory, EMLINK, EXDEV. */
  node_link(dir: Cookie, targ: Cookie, cn: puffs_cn): number;
  /**
   * `targ` is null when the target name does not exist.
   * Extension: `flags` PUFFS_RENAME_*. @returns EEXIST, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL (into
   * itself, or flags the file system does not serve).
   */
  node_rename(
    sdir: Cookie,
    src: Cookie,
    scn: puffs_cn,
    tdir: Cookie,
    targ: Cookie | null,
    tcn: puffs_cn,
    flags: number,
  ): number;
  /** va: va_type VDIR, va_mode. @returns as node_create; EMLINK. */
  node_mkdir(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number;
  /** @returns ENOTEMPTY, ENOTDIR, ENOENT. */
  node_rmdir(dir: Cookie, targ: Cookie, cn: puffs_cn): number;
  /** @returns as node_create; ENAMETOOLONG also for the target. */
  node_symlink(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr, target: ByteName): number;
  /**
   * Emits "." and ".." too. `offset` 0 starts; any value handed out as nextOffset continues, also
   * after entries were removed (none that stayed is left out or doubled).
   */
  node_readdir(
    dir: Cookie,
    offset: number,
    cred: puffs_cred,
    emit: puffs_nextdent,
    out: puffs_readdir_result,
  ): number;
  /** The target is put into out.value. @returns EINVAL for another kind of node. */
  node_readlink(node: Cookie, cred: puffs_cred, out: { value: ByteName }): number;
  /** A lookup that was to create, delete or rename is not followed by it. */
  node_abortop(dir: Cookie, cn: puffs_cn): number;
  /** Nobody uses the node now; it may be wanted again. */
  node_inactive(node: Cookie): number;
  /** Fire and forget: `nlookup` lookups are given back. */
  node_reclaim(node: Cookie, nlookup: number): number;
  /** For debugging: says what it is on the console. */
  node_print(node: Cookie): number;
  /** pathconf(2), `name` PC_*. @returns EINVAL for a name that it has no answer to. */
  node_pathconf(node: Cookie, name: number, out: puffs_size): number;
  /** Advisory locks. @returns EOPNOTSUPP: the caller keeps them itself. */
  node_advlock(node: Cookie, id: number, op: number, flock: unknown, flags: number): number;
  /**
   * `name` is Linux's with its prefix under EXTATTR_NAMESPACE_SYSTEM ("trusted.x", "security.x",
   * "system.posix_acl_access") and without "user." under EXTATTR_NAMESPACE_USER.
   * `buf` null asks for the size only. @returns ENOATTR (93), ERANGE when buf is too small.
   */
  node_getextattr(
    node: Cookie,
    ns: number,
    name: ByteName,
    size: puffs_size,
    buf: Uint8Array | null,
    cred: puffs_cred,
  ): number;
  /** Extension: `flags` 1 create only (EEXIST), 2 replace only (ENOATTR). */
  node_setextattr(
    node: Cookie,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: puffs_cred,
  ): number;
  /** Names of one name space into out.names. */
  node_listextattr(node: Cookie, ns: number, out: { names: ByteName[] }, cred: puffs_cred): number;
  /** @returns ENOATTR (93), EACCES, EPERM, EROFS. */
  node_deleteextattr(node: Cookie, ns: number, name: ByteName, cred: puffs_cred): number;
  /** Extension: `mode` is Linux's FALLOC_FL_*. @returns EOPNOTSUPP, ENOSPC, EFBIG. */
  node_fallocate(node: Cookie, offset: number, length: number, mode: number): number;
  /** Makes a hole of a range in bytes. @returns EOPNOTSUPP. */
  node_fdiscard(node: Cookie, offset: number, length: number): number;

  // Extensions without a puffs twin.

  /** O_TMPFILE: a regular file without a name. @returns EOPNOTSUPP. */
  node_tmpfile(dir: Cookie, out: puffs_newinfo, va: vattr, cred: puffs_cred): number;
  /** SEEK_DATA (hole = false) or SEEK_HOLE. @returns ENXIO. */
  node_seekhole(node: Cookie, offset: number, hole: boolean, out: puffs_size): number;
  /** File handles for export: cookie ↔ bytes. @returns EOPNOTSUPP, ESTALE. */
  fs_nodetofh(node: Cookie, out: { fid: Uint8Array }): number;
  /** The reverse. The node counts as looked up. @returns EOPNOTSUPP, ESTALE. */
  fs_fhtonode(fid: Uint8Array, out: puffs_newinfo): number;
  /** @returns EOPNOTSUPP: there is nothing to control. */
  fs_extattrctl(cmd: number, node: Cookie | null, ns: number, name: ByteName): number;

  /**
   * Background work of the file system below (garbage collection, write-back): runs one unit.
   * @returns milliseconds until it wants to be called again, or -1 when it needs no call until the
   *   next operation.
   */
  background(): number;
}
