/** Requests about one node: its life, its attributes, its place in the statistics. */
import { MNT_WAIT, statvfs_new, PUFFS_VEXEC, PUFFS_VREAD, PUFFS_VWRITE } from '../puffs/puffs.js';
import { hasTimes, readSetattr, withoutSetId } from './attributes.js';
import {
  FATTR_CTIME,
  FATTR_FH,
  FATTR_KILL_SUIDGID,
  FATTR_LOCKOWNER,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_SIZE,
  FUSE_GETATTR_FH,
  fuse_access_in,
  fuse_batch_forget_in,
  fuse_forget_in,
  fuse_forget_one,
  fuse_getattr_in,
  fuse_kstatfs,
  fuse_setattr_in,
} from './protocol.js';
import { ENAMETOOLONG, ENOSPC, ENOTTY, IN, NO_REPLY, OUT } from './reply.js';
import type { FuseSession } from './session.js';

/** FATTR bits of a file's times coming back from the kernel that kept them. */
const KERNEL_TIMES = FATTR_MTIME | FATTR_CTIME;

/** FUSE_FORGET: lookups are given back; the file system may drop the node when none is left. */
export function forget(s: FuseSession): number {
  s.reclaim(s.node, s.request.u64(IN + fuse_forget_in.at.nlookup));
  return NO_REPLY;
}

/** FUSE_BATCH_FORGET */
export function batch_forget(s: FuseSession): number {
  const count = s.request.u32(IN + fuse_batch_forget_in.at.count);
  const one = fuse_forget_one.at;
  for (let i = 0; i < count; i++) {
    const at = IN + fuse_batch_forget_in.bytes + i * fuse_forget_one.bytes;
    s.reclaim(s.cookieOf(s.request.u64(at + one.nodeid)), s.request.u64(at + one.nlookup));
  }
  return NO_REPLY;
}

/** FUSE_GETATTR */
export function getattr(s: FuseSession): number {
  const flags = s.request.u32(IN + fuse_getattr_in.at.getattr_flags);
  if ((flags & FUSE_GETATTR_FH) !== 0 && s.refusals.take(s.node)) return -ENOSPC;
  const error = s.fs.node_getattr(s.node, s.va, s.cred);
  return error === 0 ? s.putAttributes() : s.fail(error);
}

/**
 * FUSE_SETATTR. With the write-back cache this is also how the times of a written file arrive,
 * after each close; where the medium's times are coarse they are often those that the write has
 * left there, and then the medium is spared.
 */
export function setattr(s: FuseSession): number {
  const valid = s.request.u32(IN + fuse_setattr_in.at.valid) & ~(FATTR_FH | FATTR_LOCKOWNER);
  let mode = -1;
  if (
    valid === KERNEL_TIMES ||
    (valid & (FATTR_KILL_SUIDGID | FATTR_MODE)) === FATTR_KILL_SUIDGID
  ) {
    const error = s.fs.node_getattr(s.node, s.va, s.cred);
    if (error !== 0) return s.fail(error);
    if (valid === KERNEL_TIMES && hasTimes(s.request, IN, s.va)) return s.putAttributes();
    const kept = withoutSetId(s.va);
    if ((valid & FATTR_KILL_SUIDGID) !== 0 && kept !== s.va.va_mode) mode = kept;
  }
  const va = s.emptyVattr();
  readSetattr(s.request, IN, valid, va, s.options.wallClockMs());
  if (mode >= 0) va.va_mode = mode;
  if ((valid & FATTR_SIZE) !== 0) s.refusals.clear();
  const error = s.fs.node_setattr(s.node, va, s.cred) || s.fs.node_getattr(s.node, va, s.cred);
  return error === 0 ? s.putAttributes() : s.fail(error);
}

/**
 * A write is about to change the node's bytes and the writer may not keep set-id bits. The reply to
 * a write carries no attributes, so the kernel is told that its own are stale.
 * @returns 0 or a NetBSD errno.
 */
export function killSetId(s: FuseSession): number {
  const error = s.fs.node_getattr(s.node, s.va, s.cred);
  if (error !== 0) return error;
  const kept = withoutSetId(s.va);
  if (kept === s.va.va_mode) return 0;
  const va = s.emptyVattr();
  va.va_mode = kept;
  s.staleNode = s.node;
  return s.fs.node_setattr(s.node, va, s.cred);
}

/** What the kernel has room for: a page and its NUL. */
export const TARGET_BYTES_MAX = 4095;

/** FUSE_READLINK */
export function readlink(s: FuseSession): number {
  const error = s.fs.node_readlink(s.node, s.cred, s.link);
  if (error !== 0) return s.fail(error);
  if (s.link.value.length > TARGET_BYTES_MAX) return -ENAMETOOLONG;
  return s.reply.bytes.write(s.link.value, OUT, 'latin1');
}

/** FUSE_ACCESS: the kernel decides by itself (default_permissions) and does not ask. */
export function access(s: FuseSession): number {
  // access(2) and puffs have the same bits.
  const mask = s.request.u32(IN + fuse_access_in.at.mask);
  const mode = mask & (PUFFS_VREAD | PUFFS_VWRITE | PUFFS_VEXEC);
  const error = s.fs.node_access(s.node, mode, s.cred);
  return error === 0 ? 0 : s.fail(error);
}

/** FUSE_IOCTL: there are none. */
export function ioctl(): number {
  return -ENOTTY;
}

const statvfs = statvfs_new();

/** FUSE_STATFS */
export function statfs(s: FuseSession): number {
  const error = s.fs.fs_statvfs(statvfs);
  if (error !== 0) return s.fail(error);
  const k = fuse_kstatfs.at;
  const wire = s.reply;
  wire.bytes.fill(0, OUT, OUT + fuse_kstatfs.bytes);
  wire.putU64(OUT + k.blocks, statvfs.f_blocks);
  wire.putU64(OUT + k.bfree, statvfs.f_bfree);
  wire.putU64(OUT + k.bavail, statvfs.f_bavail);
  wire.putU64(OUT + k.files, statvfs.f_files);
  wire.putU64(OUT + k.ffree, statvfs.f_ffree);
  wire.putU32(OUT + k.bsize, statvfs.f_bsize);
  wire.putU32(OUT + k.namelen, statvfs.f_namemax);
  wire.putU32(OUT + k.frsize, statvfs.f_frsize);
  return fuse_kstatfs.bytes;
}

/** FUSE_SYNCFS */
export function syncfs(s: FuseSession): number {
  const error = s.fs.fs_sync(MNT_WAIT, s.cred);
  return error === 0 ? 0 : s.fail(error);
}

/** FUSE_INTERRUPT: a request is served before the next is read: nothing is to be interrupted. */
export function interrupt(): number {
  return NO_REPLY;
}

/** FUSE_NOTIFY_REPLY: the doorbell has rung; no bytes were asked for. */
export function notify_reply(): number {
  return NO_REPLY;
}
