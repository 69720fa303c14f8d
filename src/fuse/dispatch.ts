/** Which function serves which opcode. What is missing is answered ENOSYS. */
import { opendir, readdir, readdirplus } from './directories.js';
import { copy_file_range, fallocate, fsync, lseek, open, read, release, write } from './files.js';
import { destroy, negotiate } from './init.js';
import {
  create,
  link,
  lookup,
  mkdir,
  mknod,
  rename,
  rename2,
  rmdir,
  symlink,
  tmpfile,
  unlink,
} from './names.js';
import {
  access,
  batch_forget,
  forget,
  getattr,
  interrupt,
  ioctl,
  notify_reply,
  readlink,
  setattr,
  statfs,
  syncfs,
} from './nodes.js';
import * as op from './protocol.js';
import type { Handler } from './reply.js';
import { getxattr, listxattr, removexattr, setxattr } from './xattrs.js';

function table(rows: readonly (readonly [number, Handler])[]): readonly (Handler | undefined)[] {
  const handlers = new Array<Handler | undefined>(op.FUSE_OPCODE_LAST + 1).fill(undefined);
  for (const [opcode, handler] of rows) handlers[opcode] = handler;
  return handlers;
}

/**
 * Indexed by opcode. FLUSH is missing on purpose: the kernel writes its pages back at a close
 * before it would ask, and after one ENOSYS it asks no more.
 */
export const HANDLERS = table([
  [op.FUSE_LOOKUP, lookup],
  [op.FUSE_FORGET, forget],
  [op.FUSE_GETATTR, getattr],
  [op.FUSE_SETATTR, setattr],
  [op.FUSE_READLINK, readlink],
  [op.FUSE_SYMLINK, symlink],
  [op.FUSE_MKNOD, mknod],
  [op.FUSE_MKDIR, mkdir],
  [op.FUSE_UNLINK, unlink],
  [op.FUSE_RMDIR, rmdir],
  [op.FUSE_RENAME, rename],
  [op.FUSE_LINK, link],
  [op.FUSE_OPEN, open],
  [op.FUSE_READ, read],
  [op.FUSE_WRITE, write],
  [op.FUSE_STATFS, statfs],
  [op.FUSE_RELEASE, release],
  [op.FUSE_FSYNC, fsync],
  [op.FUSE_SETXATTR, setxattr],
  [op.FUSE_GETXATTR, getxattr],
  [op.FUSE_LISTXATTR, listxattr],
  [op.FUSE_REMOVEXATTR, removexattr],
  [op.FUSE_INIT, negotiate],
  [op.FUSE_OPENDIR, opendir],
  [op.FUSE_READDIR, readdir],
  [op.FUSE_RELEASEDIR, release],
  [op.FUSE_FSYNCDIR, fsync],
  [op.FUSE_ACCESS, access],
  [op.FUSE_CREATE, create],
  [op.FUSE_INTERRUPT, interrupt],
  [op.FUSE_DESTROY, destroy],
  [op.FUSE_IOCTL, ioctl],
  [op.FUSE_NOTIFY_REPLY, notify_reply],
  [op.FUSE_BATCH_FORGET, batch_forget],
  [op.FUSE_FALLOCATE, fallocate],
  [op.FUSE_READDIRPLUS, readdirplus],
  [op.FUSE_RENAME2, rename2],
  [op.FUSE_LSEEK, lseek],
  [op.FUSE_COPY_FILE_RANGE, copy_file_range],
  [op.FUSE_SYNCFS, syncfs],
  [op.FUSE_TMPFILE, tmpfile],
]);

/** Requests that are never answered, whatever happens. */
export const isAnswerless = (opcode: number): boolean =>
  opcode === op.FUSE_FORGET ||
  opcode === op.FUSE_BATCH_FORGET ||
  opcode === op.FUSE_INTERRUPT ||
  opcode === op.FUSE_NOTIFY_REPLY;

const QUIET: ReadonlySet<number> = new Set([
  op.FUSE_LOOKUP,
  op.FUSE_GETATTR,
  op.FUSE_READLINK,
  op.FUSE_OPEN,
  op.FUSE_READ,
  op.FUSE_STATFS,
  op.FUSE_RELEASE,
  op.FUSE_GETXATTR,
  op.FUSE_LISTXATTR,
  op.FUSE_OPENDIR,
  op.FUSE_READDIR,
  op.FUSE_RELEASEDIR,
  op.FUSE_ACCESS,
  op.FUSE_INTERRUPT,
  op.FUSE_NOTIFY_REPLY,
  op.FUSE_IOCTL,
  op.FUSE_READDIRPLUS,
  op.FUSE_LSEEK,
]);

/** Indexed by opcode: may the request leave background work behind? (An inode dies at a FORGET.) */
export const MAY_LEAVE_WORK: readonly boolean[] = HANDLERS.map(
  (handler, opcode) => handler !== undefined && !QUIET.has(opcode),
);
