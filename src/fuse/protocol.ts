/**
 * The FUSE protocol between the Linux kernel and a file server, as a wire format: numbers and
 * structures, no I/O, no behaviour. A request is a `fuse_in_header`, the structure of its opcode,
 * then NUL-terminated names or data; a reply is a `fuse_out_header` and a structure or data.
 * Integers are in the host's byte order.
 *
 * Every number here is user-space ABI of Linux (protocol 7.23 of Linux 3.15 up to 7.45);
 * test/fuse/protocol.test.ts states sizes and offsets as literals. Deliberately absent: CUSE,
 * virtiofs's mappings, passthrough, io_uring.
 */
import { structure } from './structure.js';

export const FUSE_KERNEL_VERSION = 7;
/** The newest minor version spoken; the kernel's own may be newer, features go by flags. */
export const FUSE_KERNEL_MINOR_VERSION = 40;
/** The oldest minor version accepted: the first with a 64-byte fuse_init_out (Linux 3.15). */
export const FUSE_KERNEL_MINOR_OLDEST = 23;

/** Node id of the root. */
export const FUSE_ROOT_ID = 1;
/** Longest name the kernel sends. */
export const FUSE_NAME_MAX = 1024;
/** Smallest read buffer the kernel accepts. */
export const FUSE_MIN_READ_BUFFER = 8192;

export const FUSE_LOOKUP = 1;
export const FUSE_FORGET = 2;
export const FUSE_GETATTR = 3;
export const FUSE_SETATTR = 4;
export const FUSE_READLINK = 5;
export const FUSE_SYMLINK = 6;
export const FUSE_MKNOD = 8;
export const FUSE_MKDIR = 9;
export const FUSE_UNLINK = 10;
export const FUSE_RMDIR = 11;
export const FUSE_RENAME = 12;
export const FUSE_LINK = 13;
export const FUSE_OPEN = 14;
export const FUSE_READ = 15;
export const FUSE_WRITE = 16;
export const FUSE_STATFS = 17;
export const FUSE_RELEASE = 18;
export const FUSE_FSYNC = 20;
export const FUSE_SETXATTR = 21;
export const FUSE_GETXATTR = 22;
export const FUSE_LISTXATTR = 23;
export const FUSE_REMOVEXATTR = 24;
export const FUSE_FLUSH = 25;
export const FUSE_INIT = 26;
export const FUSE_OPENDIR = 27;
export const FUSE_READDIR = 28;
export const FUSE_RELEASEDIR = 29;
export const FUSE_FSYNCDIR = 30;
export const FUSE_ACCESS = 34;
export const FUSE_CREATE = 35;
export const FUSE_INTERRUPT = 36;
export const FUSE_DESTROY = 38;
export const FUSE_IOCTL = 39;
/** A request in form only: data that the server asked for by a notice; it is not answered. */
export const FUSE_NOTIFY_REPLY = 41;
export const FUSE_BATCH_FORGET = 42;
export const FUSE_FALLOCATE = 43;
export const FUSE_READDIRPLUS = 44;
export const FUSE_RENAME2 = 45;
export const FUSE_LSEEK = 46;
export const FUSE_COPY_FILE_RANGE = 47;
export const FUSE_SYNCFS = 50;
export const FUSE_TMPFILE = 51;
/** Opcodes above are answered with ENOSYS, which the kernel understands as "do without". */
export const FUSE_OPCODE_LAST = 52;

// fuse_init_in/out.flags
export const FUSE_ASYNC_READ = 1 << 0;
export const FUSE_ATOMIC_O_TRUNC = 1 << 3;
export const FUSE_BIG_WRITES = 1 << 5;
export const FUSE_DONT_MASK = 1 << 6;
export const FUSE_DO_READDIRPLUS = 1 << 13;
export const FUSE_READDIRPLUS_AUTO = 1 << 14;
export const FUSE_ASYNC_DIO = 1 << 15;
export const FUSE_WRITEBACK_CACHE = 1 << 16;
export const FUSE_NO_OPEN_SUPPORT = 1 << 17;
export const FUSE_PARALLEL_DIROPS = 1 << 18;
export const FUSE_POSIX_ACL = 1 << 20;
export const FUSE_MAX_PAGES = 1 << 22;
export const FUSE_CACHE_SYMLINKS = 1 << 23;
export const FUSE_NO_OPENDIR_SUPPORT = 1 << 24;
export const FUSE_EXPLICIT_INVAL_DATA = 1 << 25;
export const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28;
export const FUSE_SETXATTR_EXT = 1 << 29;
export const FUSE_INIT_EXT = 1 << 30;
// fuse_init_in/out.flags2: bit 32 and up of the whole.
export const FUSE_REQUEST_TIMEOUT = 1 << (42 - 32);

// fuse_setattr_in.valid
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_LOCKOWNER = 1 << 9;
export const FATTR_CTIME = 1 << 10;
export const FATTR_KILL_SUIDGID = 1 << 11;

// fuse_open_out.open_flags
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_CACHE_DIR = 1 << 3;
/** fuse_write_in.write_flags: pages of the kernel's cache; it asks to drop set-id bits. */
export const FUSE_WRITE_CACHE = 1 << 0;
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;
/** fuse_getattr_in.getattr_flags */
export const FUSE_GETATTR_FH = 1 << 0;
/** fuse_fsync_in.fsync_flags */
export const FUSE_FSYNC_FDATASYNC = 1 << 0;
/** fuse_setxattr_in.setxattr_flags */
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0;

/** lseek(2) whence. */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// fuse_out_header.error of a message that the server sends unasked; its `unique` is 0.
export const FUSE_NOTIFY_INVAL_INODE = 2;
export const FUSE_NOTIFY_RETRIEVE = 5;

export const fuse_in_header = structure('fuse_in_header', [
  ['len', 'u32', 'bytes of the whole request'],
  ['opcode', 'u32', 'FUSE_LOOKUP …'],
  ['unique', 'u64', 'names the request in its reply'],
  ['nodeid', 'u64', 'the node it is about'],
  ['uid', 'u32', "the caller's fsuid; 0 in writes from the page cache"],
  ['gid', 'u32', "the caller's fsgid"],
  ['pid', 'u32', "the caller's process"],
  ['total_extlen', 'u16', 'length of extensions in units of 8 bytes'],
  ['padding', 'u16', ''],
]);

export const fuse_out_header = structure('fuse_out_header', [
  ['len', 'u32', 'bytes of the whole reply'],
  ['error', 's32', '0 or a negated Linux errno'],
  ['unique', 'u64', 'of the request'],
]);

export const fuse_attr = structure('fuse_attr', [
  ['ino', 'u64', 'inode number shown to users'],
  ['size', 'u64', 'bytes'],
  ['blocks', 'u64', 'units of 512 bytes'],
  ['atime', 's64', 'seconds since 1970'],
  ['mtime', 's64', 'seconds since 1970'],
  ['ctime', 's64', 'seconds since 1970'],
  ['atimensec', 'u32', 'nanoseconds'],
  ['mtimensec', 'u32', 'nanoseconds'],
  ['ctimensec', 'u32', 'nanoseconds'],
  ['mode', 'u32', 'type and permission bits'],
  ['nlink', 'u32', 'number of names'],
  ['uid', 'u32', 'owner'],
  ['gid', 'u32', 'group'],
  ['rdev', 'u32', 'device: major in bits 8–19, minor in bits 0–7 and 20–31'],
  ['blksize', 'u32', 'preferred size of I/O'],
  ['flags', 'u32', 'submount, DAX'],
]);

export const fuse_entry_out = structure('fuse_entry_out', [
  ['nodeid', 'u64', '0: there is no such name, and that may be cached'],
  ['generation', 'u64', 'distinguishes reuses of the node id'],
  ['entry_valid', 'u64', 'seconds the name may be cached'],
  ['attr_valid', 'u64', 'seconds the attributes may be cached'],
  ['entry_valid_nsec', 'u32', ''],
  ['attr_valid_nsec', 'u32', ''],
  ['attr', fuse_attr, ''],
]);

export const fuse_attr_out = structure('fuse_attr_out', [
  ['attr_valid', 'u64', 'seconds the attributes may be cached'],
  ['attr_valid_nsec', 'u32', ''],
  ['dummy', 'u32', ''],
  ['attr', fuse_attr, ''],
]);

export const fuse_forget_in = structure('fuse_forget_in', [
  ['nlookup', 'u64', 'lookups given back'],
]);

export const fuse_batch_forget_in = structure('fuse_batch_forget_in', [
  ['count', 'u32', 'fuse_forget_one records that follow'],
  ['dummy', 'u32', ''],
]);

export const fuse_forget_one = structure('fuse_forget_one', [
  ['nodeid', 'u64', ''],
  ['nlookup', 'u64', 'lookups given back'],
]);

export const fuse_mknod_in = structure('fuse_mknod_in', [
  ['mode', 'u32', 'type and permission bits'],
  ['rdev', 'u32', 'as fuse_attr.rdev'],
  ['umask', 'u32', "the caller's"],
  ['padding', 'u32', ''],
]);

export const fuse_mkdir_in = structure('fuse_mkdir_in', [
  ['mode', 'u32', ''],
  ['umask', 'u32', "the caller's"],
]);

export const fuse_rename_in = structure('fuse_rename_in', [
  ['newdir', 'u64', 'node id of the target directory'],
]);

export const fuse_rename2_in = structure('fuse_rename2_in', [
  ['newdir', 'u64', 'node id of the target directory'],
  ['flags', 'u32', "renameat2(2)'s"],
  ['padding', 'u32', ''],
]);

export const fuse_link_in = structure('fuse_link_in', [
  ['oldnodeid', 'u64', 'the node that gets one more name'],
]);

export const fuse_setattr_in = structure('fuse_setattr_in', [
  ['valid', 'u32', 'FATTR_ bits'],
  ['padding', 'u32', ''],
  ['fh', 'u64', ''],
  ['size', 'u64', ''],
  ['lock_owner', 'u64', ''],
  ['atime', 's64', ''],
  ['mtime', 's64', ''],
  ['ctime', 's64', ''],
  ['atimensec', 'u32', ''],
  ['mtimensec', 'u32', ''],
  ['ctimensec', 'u32', ''],
  ['mode', 'u32', ''],
  ['unused4', 'u32', ''],
  ['uid', 'u32', ''],
  ['gid', 'u32', ''],
  ['unused5', 'u32', ''],
]);

export const fuse_open_in = structure('fuse_open_in', [
  ['flags', 'u32', "open(2)'s, without O_CREAT, O_EXCL, O_NOCTTY"],
  ['open_flags', 'u32', ''],
]);

/** Also the request of FUSE_TMPFILE. */
export const fuse_create_in = structure('fuse_create_in', [
  ['flags', 'u32', "open(2)'s"],
  ['mode', 'u32', ''],
  ['umask', 'u32', "the caller's"],
  ['open_flags', 'u32', ''],
]);

export const fuse_open_out = structure('fuse_open_out', [
  ['fh', 'u64', 'file handle, comes back in READ, WRITE, RELEASE …'],
  ['open_flags', 'u32', 'FOPEN_ bits'],
  ['backing_id', 's32', 'passthrough'],
]);

export const fuse_release_in = structure('fuse_release_in', [
  ['fh', 'u64', ''],
  ['flags', 'u32', "open(2)'s"],
  ['release_flags', 'u32', ''],
  ['lock_owner', 'u64', ''],
]);

/** Also the request of FUSE_READDIR and FUSE_READDIRPLUS. */
export const fuse_read_in = structure('fuse_read_in', [
  ['fh', 'u64', ''],
  ['offset', 'u64', 'bytes, or the offset a directory entry stated'],
  ['size', 'u32', 'bytes wanted'],
  ['read_flags', 'u32', ''],
  ['lock_owner', 'u64', ''],
  ['flags', 'u32', "open(2)'s"],
  ['padding', 'u32', ''],
]);

export const fuse_write_in = structure('fuse_write_in', [
  ['fh', 'u64', ''],
  ['offset', 'u64', ''],
  ['size', 'u32', 'bytes that follow'],
  ['write_flags', 'u32', 'FUSE_WRITE_ bits'],
  ['lock_owner', 'u64', ''],
  ['flags', 'u32', "open(2)'s"],
  ['padding', 'u32', ''],
]);

/** Also the reply of FUSE_COPY_FILE_RANGE. */
export const fuse_write_out = structure('fuse_write_out', [
  ['size', 'u32', 'bytes accepted'],
  ['padding', 'u32', ''],
]);

export const fuse_kstatfs = structure('fuse_kstatfs', [
  ['blocks', 'u64', 'units of frsize'],
  ['bfree', 'u64', ''],
  ['bavail', 'u64', ''],
  ['files', 'u64', ''],
  ['ffree', 'u64', ''],
  ['bsize', 'u32', ''],
  ['namelen', 'u32', ''],
  ['frsize', 'u32', ''],
  ['padding', 'u32', ''],
  ['spare', ['u32', 6], ''],
]);

export const fuse_getattr_in = structure('fuse_getattr_in', [
  ['getattr_flags', 'u32', 'FUSE_GETATTR_FH: on behalf of an open file'],
  ['dummy', 'u32', ''],
  ['fh', 'u64', ''],
]);

export const fuse_fsync_in = structure('fuse_fsync_in', [
  ['fh', 'u64', ''],
  ['fsync_flags', 'u32', 'FUSE_FSYNC_FDATASYNC'],
  ['padding', 'u32', ''],
]);

/** The whole structure is sent only when FUSE_SETXATTR_EXT is agreed; else its first two fields. */
export const fuse_setxattr_in = structure('fuse_setxattr_in', [
  ['size', 'u32', 'bytes of the value, which follows the name'],
  ['flags', 'u32', "setxattr(2)'s"],
  ['setxattr_flags', 'u32', 'FUSE_SETXATTR_ACL_KILL_SGID'],
  ['padding', 'u32', ''],
]);
export const FUSE_COMPAT_SETXATTR_IN_SIZE = 8;

/** Also the request of FUSE_LISTXATTR. */
export const fuse_getxattr_in = structure('fuse_getxattr_in', [
  ['size', 'u32', "bytes of the caller's buffer; 0 asks how much there is"],
  ['padding', 'u32', ''],
]);

export const fuse_getxattr_out = structure('fuse_getxattr_out', [
  ['size', 'u32', 'bytes there are'],
  ['padding', 'u32', ''],
]);

export const fuse_access_in = structure('fuse_access_in', [
  ['mask', 'u32', "access(2)'s"],
  ['padding', 'u32', ''],
]);

export const fuse_init_in = structure('fuse_init_in', [
  ['major', 'u32', ''],
  ['minor', 'u32', ''],
  ['max_readahead', 'u32', 'bytes'],
  ['flags', 'u32', 'what the kernel offers'],
  ['flags2', 'u32', 'bits 32 and up; meaningful with FUSE_INIT_EXT'],
  ['unused', ['u32', 11], ''],
]);
/** Length up to 7.35, without flags2. */
export const FUSE_COMPAT_INIT_IN_SIZE = 16;

export const fuse_init_out = structure('fuse_init_out', [
  ['major', 'u32', ''],
  ['minor', 'u32', ''],
  ['max_readahead', 'u32', 'bytes; not more than offered'],
  ['flags', 'u32', 'what is taken of the offer'],
  ['max_background', 'u16', 'requests nobody waits for that may be outstanding'],
  ['congestion_threshold', 'u16', ''],
  ['max_write', 'u32', 'bytes of the largest WRITE'],
  ['time_gran', 'u32', 'nanoseconds, a power of ten'],
  ['max_pages', 'u16', 'of a request; with FUSE_MAX_PAGES'],
  ['map_alignment', 'u16', ''],
  ['flags2', 'u32', ''],
  ['max_stack_depth', 'u32', ''],
  ['request_timeout', 'u16', 'seconds; with FUSE_REQUEST_TIMEOUT'],
  ['unused', ['u16', 11], ''],
]);

export const fuse_fallocate_in = structure('fuse_fallocate_in', [
  ['fh', 'u64', ''],
  ['offset', 'u64', ''],
  ['length', 'u64', ''],
  ['mode', 'u32', 'FALLOC_FL_ bits'],
  ['padding', 'u32', ''],
]);

export const fuse_dirent = structure('fuse_dirent', [
  ['ino', 'u64', ''],
  ['off', 'u64', 'where to continue after this entry'],
  ['namelen', 'u32', ''],
  ['type', 'u32', 'DT_ number'],
  // The name follows without a NUL; records are padded to 8 bytes.
]);

export const fuse_direntplus = structure('fuse_direntplus', [
  ['entry_out', fuse_entry_out, 'node id 0: attributes are not given'],
  ['dirent', fuse_dirent, ''],
]);

export const fuse_lseek_in = structure('fuse_lseek_in', [
  ['fh', 'u64', ''],
  ['offset', 'u64', ''],
  ['whence', 'u32', 'SEEK_DATA or SEEK_HOLE'],
  ['padding', 'u32', ''],
]);

export const fuse_lseek_out = structure('fuse_lseek_out', [['offset', 'u64', '']]);

export const fuse_copy_file_range_in = structure('fuse_copy_file_range_in', [
  ['fh_in', 'u64', ''],
  ['off_in', 'u64', ''],
  ['nodeid_out', 'u64', ''],
  ['fh_out', 'u64', ''],
  ['off_out', 'u64', ''],
  ['len', 'u64', ''],
  ['flags', 'u64', ''],
]);

export const fuse_notify_inval_inode_out = structure('fuse_notify_inval_inode_out', [
  ['ino', 'u64', 'node id'],
  ['off', 's64', 'first byte whose cached pages are dropped; negative: attributes only'],
  ['len', 's64', 'bytes; 0: up to the end'],
]);

export const fuse_notify_retrieve_out = structure('fuse_notify_retrieve_out', [
  ['notify_unique', 'u64', 'comes back as `unique` of the FUSE_NOTIFY_REPLY'],
  ['nodeid', 'u64', ''],
  ['offset', 'u64', ''],
  ['size', 'u32', 'bytes wanted from the page cache; 0 is allowed'],
  ['padding', 'u32', ''],
]);
