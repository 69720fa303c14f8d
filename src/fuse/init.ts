/** INIT: which protocol the kernel and we speak, and DESTROY. */
import { MNT_WAIT } from '../puffs/puffs.js';
import {
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_BIG_WRITES,
  FUSE_CACHE_SYMLINKS,
  FUSE_COMPAT_INIT_IN_SIZE,
  FUSE_DO_READDIRPLUS,
  FUSE_DONT_MASK,
  FUSE_EXPLICIT_INVAL_DATA,
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_INIT_EXT,
  FUSE_KERNEL_MINOR_OLDEST,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_NO_OPENDIR_SUPPORT,
  FUSE_NO_OPEN_SUPPORT,
  FUSE_PARALLEL_DIROPS,
  FUSE_POSIX_ACL,
  FUSE_READDIRPLUS_AUTO,
  FUSE_REQUEST_TIMEOUT,
  FUSE_SETXATTR_EXT,
  FUSE_WRITEBACK_CACHE,
  fuse_init_in,
  fuse_init_out,
} from './protocol.js';
import { EPROTO, IN, OUT } from './reply.js';
import type { FuseSession } from './session.js';

/** Bytes of the largest WRITE and READ: 256 pages, the default of fs.fuse.max_pages_limit. */
export const MAX_WRITE_BYTES = 1 << 20;
const PAGE_BYTES = 4096;

/**
 * Taken whenever offered:
 * - EXPLICIT_INVAL_DATA: nobody else writes, cached pages never go stale;
 * - HANDLE_KILLPRIV_V2: writes, truncation and chown drop set-id bits below. Without it the kernel
 *   asks for security.capability before *each* write(2);
 * - DONT_MASK, POSIX_ACL: see the session;
 * - NO_OPEN_SUPPORT, NO_OPENDIR_SUPPORT: there is no state per open file. ATOMIC_O_TRUNC must then
 *   be refused, since no OPEN would carry the truncation.
 */
const WANTED =
  FUSE_ASYNC_READ |
  FUSE_BIG_WRITES |
  FUSE_DONT_MASK |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_ASYNC_DIO |
  FUSE_NO_OPEN_SUPPORT |
  FUSE_PARALLEL_DIROPS |
  FUSE_POSIX_ACL |
  FUSE_MAX_PAGES |
  FUSE_CACHE_SYMLINKS |
  FUSE_NO_OPENDIR_SUPPORT |
  FUSE_EXPLICIT_INVAL_DATA |
  FUSE_HANDLE_KILLPRIV_V2 |
  FUSE_SETXATTR_EXT |
  FUSE_INIT_EXT;
const WANTED2 = FUSE_REQUEST_TIMEOUT;

const MAX_BACKGROUND = 64;

/** FUSE_INIT. */
export function negotiate(s: FuseSession): number {
  const i = fuse_init_in.at;
  const o = fuse_init_out.at;
  const { request, reply, options } = s;
  const major = request.u32(IN + i.major);
  const minor = request.u32(IN + i.minor);
  if (major < FUSE_KERNEL_VERSION) return refuse(s, major, minor);
  reply.bytes.fill(0, OUT, OUT + fuse_init_out.bytes);
  reply.putU32(OUT + o.major, FUSE_KERNEL_VERSION);
  // A newer major answers with our own and is asked again.
  if (major > FUSE_KERNEL_VERSION) return fuse_init_out.bytes;
  if (minor < FUSE_KERNEL_MINOR_OLDEST) return refuse(s, major, minor);
  const extended = s.length >= IN + fuse_init_in.bytes;
  const offered = s.length >= IN + FUSE_COMPAT_INIT_IN_SIZE ? request.u32(IN + i.flags) : 0;
  const offered2 = extended ? request.u32(IN + i.flags2) : 0;
  const wanted = WANTED | (options.writebackCache && !options.sync ? FUSE_WRITEBACK_CACHE : 0);
  const flags = offered & wanted;
  const flags2 = options.requestTimeoutSeconds > 0 ? offered2 & WANTED2 : 0;
  s.writebackCache = (flags & FUSE_WRITEBACK_CACHE) !== 0;
  s.setxattrExt = (flags & FUSE_SETXATTR_EXT) !== 0;
  s.statelessOpen = (flags & FUSE_NO_OPEN_SUPPORT) !== 0;
  s.statelessOpendir = (flags & FUSE_NO_OPENDIR_SUPPORT) !== 0;
  reply.putU32(OUT + o.minor, Math.min(minor, FUSE_KERNEL_MINOR_VERSION));
  reply.putU32(OUT + o.max_readahead, request.u32(IN + i.max_readahead));
  reply.putU32(OUT + o.flags, flags);
  reply.putU32(OUT + o.flags2, flags2);
  reply.putU16(OUT + o.max_background, MAX_BACKGROUND);
  reply.putU16(OUT + o.congestion_threshold, (MAX_BACKGROUND * 3) / 4);
  reply.putU32(OUT + o.max_write, MAX_WRITE_BYTES);
  reply.putU16(OUT + o.max_pages, MAX_WRITE_BYTES / PAGE_BYTES);
  reply.putU32(OUT + o.time_gran, options.timeGranularityNs);
  if (flags2 !== 0) reply.putU16(OUT + o.request_timeout, options.requestTimeoutSeconds);
  s.initialized = true;
  return fuse_init_out.bytes;
}

function refuse(s: FuseSession, major: number, minor: number): number {
  s.options.console(
    3,
    `the kernel speaks FUSE ${major}.${minor}; ${FUSE_KERNEL_VERSION}.${FUSE_KERNEL_MINOR_OLDEST} ` +
      '(Linux 3.15) or newer is needed',
  );
  return -EPROTO;
}

/** FUSE_DESTROY: the kernel's last word, on block-device mounts only. close() does the rest. */
export function destroy(s: FuseSession): number {
  const error = s.fs.fs_sync(MNT_WAIT, s.cred);
  return error === 0 ? 0 : s.fail(error);
}
