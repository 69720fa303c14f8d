/** Requests about a file's bytes. */
import { FSYNC_DATAONLY, FSYNC_WAIT, IO_NOCMTIME, IO_SYNC } from '../puffs/puffs.js';
import { MAX_WRITE_BYTES } from './init.js';
import { killSetId } from './nodes.js';
import {
  FOPEN_KEEP_CACHE,
  FUSE_FSYNC_FDATASYNC,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
  SEEK_DATA,
  SEEK_HOLE,
  fuse_copy_file_range_in,
  fuse_fallocate_in,
  fuse_fsync_in,
  fuse_lseek_in,
  fuse_lseek_out,
  fuse_open_out,
  fuse_read_in,
  fuse_write_in,
  fuse_write_out,
} from './protocol.js';
import { EINVAL, ENOSPC, ENOSYS, IN, OUT } from './reply.js';
import type { FuseSession } from './session.js';

/**
 * FUSE_OPEN. There is nothing to do at an open: ENOSYS tells the kernel to spare OPEN and RELEASE
 * from now on and to keep its page cache. An old kernel that did not offer that gets an empty
 * handle.
 */
export function open(s: FuseSession): number {
  return s.statelessOpen ? -ENOSYS : putOpen(s, FOPEN_KEEP_CACHE);
}

export function putOpen(s: FuseSession, flags: number): number {
  const o = fuse_open_out.at;
  s.reply.putU64(OUT + o.fh, 0);
  s.reply.putU32(OUT + o.open_flags, flags);
  s.reply.putU32(OUT + o.backing_id, 0);
  return fuse_open_out.bytes;
}

/** FUSE_RELEASE and FUSE_RELEASEDIR: of files that CREATE opened, and from old kernels. */
export function release(): number {
  return 0;
}

/** FUSE_READ: straight into the reply. */
export function read(s: FuseSession): number {
  const r = fuse_read_in.at;
  const { uio } = s;
  const wanted = Math.min(s.request.u32(IN + r.size), MAX_WRITE_BYTES);
  uio.buf = s.reply.bytes;
  uio.off = OUT;
  uio.resid = wanted;
  uio.offset = s.request.u64(IN + r.offset);
  const error = s.fs.node_read(s.node, uio, 0, s.cred);
  return error === 0 ? wanted - uio.resid : s.fail(error);
}

/**
 * FUSE_WRITE: straight from the request. A write(2) cut short is answered with what was written;
 * pages from the kernel's cache are answered with the error, since the kernel does not look at
 * their count, and fsync(2) and close(2) would report success. Nor do such pages touch the times:
 * they are the kernel's, which sends those that it has changed, and no others.
 */
export function write(s: FuseSession): number {
  const w = fuse_write_in.at;
  const at = IN + fuse_write_in.bytes;
  const size = Math.min(s.request.u32(IN + w.size), s.length - at);
  const flags = s.request.u32(IN + w.write_flags);
  if ((flags & FUSE_WRITE_KILL_SUIDGID) !== 0) {
    const error = killSetId(s);
    if (error !== 0) return s.fail(error);
  }
  const { uio } = s;
  uio.buf = s.request.bytes;
  uio.off = at;
  uio.resid = size;
  uio.offset = s.request.u64(IN + w.offset);
  const isCached = (flags & FUSE_WRITE_CACHE) !== 0;
  const ioflag = (s.options.sync ? IO_SYNC : 0) | (isCached ? IO_NOCMTIME : 0);
  const error = s.fs.node_write(s.node, uio, ioflag, s.cred);
  if (error === 0) s.refusals.take(s.node);
  else if (isCached || uio.resid === size) return refused(s, error, isCached);
  return putWritten(s, size - uio.resid);
}

function refused(s: FuseSession, error: number, isCached: boolean): number {
  const answer = s.fail(error);
  if (isCached && answer === -ENOSPC) {
    s.refusals.add(s.node);
    s.staleNode = s.node;
  }
  return answer;
}

function putWritten(s: FuseSession, bytes: number): number {
  s.reply.putU32(OUT + fuse_write_out.at.size, bytes);
  s.reply.putU32(OUT + fuse_write_out.at.padding, 0);
  return fuse_write_out.bytes;
}

/** FUSE_FSYNC; FUSE_FSYNCDIR has the same form. */
export function fsync(s: FuseSession): number {
  const dataOnly = (s.request.u32(IN + fuse_fsync_in.at.fsync_flags) & FUSE_FSYNC_FDATASYNC) !== 0;
  const flags = FSYNC_WAIT | (dataOnly ? FSYNC_DATAONLY : 0);
  const error = s.fs.node_fsync(s.node, s.cred, flags, 0, 0);
  return error === 0 ? 0 : s.fail(error);
}

/** FUSE_FALLOCATE */
export function fallocate(s: FuseSession): number {
  const f = fuse_fallocate_in.at;
  const error = s.fs.node_fallocate(
    s.node,
    s.request.u64(IN + f.offset),
    s.request.u64(IN + f.length),
    s.request.u32(IN + f.mode),
  );
  return error === 0 ? 0 : s.fail(error);
}

/**
 * FUSE_LSEEK: SEEK_DATA and SEEK_HOLE; the others are the kernel's.
 *
 * Not with the write-back cache: the kernel does not write its dirty pages back before it asks, so
 * an answer from what has arrived here shows fresh data as a hole (on Linux 6.18, ENXIO for a file
 * that was just written), and cp would leave it out. ENOSYS makes the kernel treat the file as all
 * data.
 */
export function lseek(s: FuseSession): number {
  if (s.writebackCache) return -ENOSYS;
  const l = fuse_lseek_in.at;
  const whence = s.request.u32(IN + l.whence);
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
  const offset = s.request.u64(IN + l.offset);
  const error = s.fs.node_seekhole(s.node, offset, whence === SEEK_HOLE, s.size);
  if (error !== 0) return s.fail(error);
  s.reply.putU64(OUT + fuse_lseek_out.at.offset, s.size.value);
  return fuse_lseek_out.bytes;
}

/**
 * FUSE_COPY_FILE_RANGE: through the reply buffer, so that the bytes do not visit the kernel. Copies
 * at most one buffer; the caller asks again for the rest.
 */
export function copy_file_range(s: FuseSession): number {
  const c = fuse_copy_file_range_in.at;
  const target = s.cookieOf(s.request.u64(IN + c.nodeid_out));
  const { uio } = s;
  const wanted = Math.min(s.request.u64(IN + c.len), MAX_WRITE_BYTES);
  uio.buf = s.reply.bytes;
  uio.off = OUT;
  uio.resid = wanted;
  uio.offset = s.request.u64(IN + c.off_in);
  let error = s.fs.node_read(s.node, uio, 0, s.cred);
  if (error !== 0) return s.fail(error);
  const size = wanted - uio.resid;
  uio.off = OUT;
  uio.resid = size;
  uio.offset = s.request.u64(IN + c.off_out);
  error = size === 0 ? 0 : s.fs.node_write(target, uio, s.options.sync ? IO_SYNC : 0, s.cred);
  if (error !== 0 && uio.resid === size) return s.fail(error);
  return putWritten(s, size - uio.resid);
}
