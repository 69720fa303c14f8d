/**
 * Open files and the calls on them (Linux's fs/open.c and fs/read_write.c).
 *
 * A file keeps its inode, not a name: it stays usable after an unlink. Access times are left alone;
 * the file systems here are mounted noatime.
 */
import { inode_permission, new_iattr, notify_change } from './attr.js';
import { Errno } from './errno.js';
import {
  ATTR_SIZE,
  MAY_READ,
  MAY_WRITE,
  O_ACCMODE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  S_DEAD,
  S_ISDIR,
  S_ISLNK,
  S_ISREG,
} from './fs.js';
import type { dir_context, file, inode } from './fs.js';
import { ihold, iput } from './inode.js';

class open_file implements file {
  readonly f_inode: inode;
  f_flags: number;
  f_mode = 0;
  f_pos = 0;
  private_data: unknown = null;

  constructor(inode: inode, flags: number) {
    this.f_inode = inode;
    this.f_flags = flags;
  }
}

const may_read = (flags: number): boolean => (flags & O_ACCMODE) !== O_WRONLY;
const may_write = (flags: number): boolean => (flags & O_ACCMODE) !== O_RDONLY;

/**
 * Opens an inode that the caller holds a reference of; the file takes its own. O_CREAT and O_EXCL
 * are the caller's business; O_TRUNC is done here.
 * @throws EISDIR a directory for writing; ELOOP a symlink; ENXIO a device, fifo or socket; EACCES;
 *   EROFS; EINVAL a bad access mode; those of notify_change() for O_TRUNC.
 */
export function vfs_open(inode: inode, flags: number): file {
  if ((flags & O_ACCMODE) === (O_WRONLY | O_RDWR)) throw new Errno('EINVAL');
  const truncates = (flags & O_TRUNC) !== 0;
  const writes = may_write(flags) || truncates;
  if (S_ISLNK(inode.i_mode)) throw new Errno('ELOOP');
  if (S_ISDIR(inode.i_mode) && writes) throw new Errno('EISDIR');
  inode_permission(inode, (may_read(flags) ? MAY_READ : 0) | (writes ? MAY_WRITE : 0));
  const file = new open_file(inode, flags & ~O_TRUNC);
  inode.i_fop.open?.(inode, file);
  ihold(inode);
  if (may_write(flags)) inode.i_writecount++;
  if (truncates && S_ISREG(inode.i_mode)) {
    try {
      do_truncate(inode, 0);
    } catch (error) {
      fput(file);
      throw error;
    }
  }
  return file;
}

/** Closes. */
export function fput(file: file): void {
  const inode = file.f_inode;
  try {
    inode.i_fop.release?.(inode, file);
  } finally {
    if (may_write(file.f_flags)) inode.i_writecount--;
    iput(inode);
  }
}

/**
 * pread(2).
 * @returns the bytes read, 0 at the end.
 * @throws EBADF opened for writing only; EISDIR; EINVAL a negative position, or nothing to read
 *   from; EIO.
 */
export function vfs_read(
  file: file,
  buf: Uint8Array,
  off: number,
  len: number,
  pos: number,
): number {
  if (!may_read(file.f_flags)) throw new Errno('EBADF');
  if (pos < 0) throw new Errno('EINVAL');
  const { i_fop, i_mode } = file.f_inode;
  if (i_fop.read === undefined) throw new Errno(S_ISDIR(i_mode) ? 'EISDIR' : 'EINVAL');
  return i_fop.read(file, buf, off, len, pos);
}

/**
 * pwrite(2); with O_APPEND `pos` does not count.
 * @returns the bytes written; fewer than `len` when the medium filled up or failed meanwhile.
 * @throws EBADF not opened for writing; EINVAL; EFBIG, ENOSPC, EIO.
 */
export function vfs_write(
  file: file,
  buf: Uint8Array,
  off: number,
  len: number,
  pos: number,
): number {
  if (!may_write(file.f_flags)) throw new Errno('EBADF');
  if (pos < 0) throw new Errno('EINVAL');
  const { i_fop } = file.f_inode;
  if (i_fop.write === undefined) throw new Errno('EINVAL');
  return i_fop.write(file, buf, off, len, pos);
}

/** fsync(2), or fdatasync(2) with `datasync`. @throws EINVAL nothing to sync; EIO, ENOSPC */
export function vfs_fsync(file: file, datasync: boolean): void {
  const { i_fop } = file.f_inode;
  if (i_fop.fsync === undefined) throw new Errno('EINVAL');
  i_fop.fsync(file, datasync);
}

/**
 * Calls ctx.actor for the entries from ctx.pos on, until it answers false or the end.
 * @throws ENOTDIR; ENOENT a removed directory; EIO.
 */
export function vfs_iterate_dir(file: file, ctx: dir_context): void {
  const inode = file.f_inode;
  if (inode.i_fop.iterate_shared === undefined) throw new Errno('ENOTDIR');
  inode.i_rwsem.down_read();
  try {
    if ((inode.i_flags & S_DEAD) !== 0) throw new Errno('ENOENT');
    inode.i_fop.iterate_shared(file, ctx);
    file.f_pos = ctx.pos;
  } finally {
    inode.i_rwsem.up_read();
  }
}

/**
 * SEEK_DATA or SEEK_HOLE. A file system that does not know its holes has one, at the end.
 * @throws ENXIO `pos` is at or past the end, or no data follows.
 */
export function vfs_seek(inode: inode, pos: number, whence: 'data' | 'hole'): number {
  if (pos < 0 || pos >= inode.i_size) throw new Errno('ENXIO');
  if (whence === 'data') return inode.i_fop.seek_data?.(inode, pos) ?? pos;
  return inode.i_fop.seek_hole?.(inode, pos) ?? inode.i_size;
}

/** truncate(2). @throws EISDIR, EINVAL no regular file; EACCES; those of notify_change() */
export function vfs_truncate(inode: inode, size: number): void {
  if (S_ISDIR(inode.i_mode)) throw new Errno('EISDIR');
  if (!S_ISREG(inode.i_mode) || size < 0) throw new Errno('EINVAL');
  inode_permission(inode, MAY_WRITE);
  do_truncate(inode, size);
}

/** ftruncate(2): the right to write was asked for at open. */
export function do_truncate(inode: inode, size: number): void {
  const attr = new_iattr(ATTR_SIZE);
  attr.ia_size = size;
  notify_change(null, inode, attr);
}
