/**
 * What every handler of a request knows: where the request's structure and the reply's start, and
 * what its own answer means.
 */
import { linuxErrno } from './errno.js';
import { fuse_in_header, fuse_out_header } from './protocol.js';
import type { FuseSession } from './session.js';

/**
 * Serves the request in `session`. @returns the bytes written after the reply's header, a negated
 * Linux errno, or NO_REPLY. Whatever it throws is a bug.
 */
export type Handler = (session: FuseSession) => number;

/** Where the structure of a request's opcode starts. */
export const IN = fuse_in_header.bytes;
/** Where a reply's structure or data start. */
export const OUT = fuse_out_header.bytes;

/** No errno is that large, no reply that small. */
export const NO_REPLY = -0x10000;

export const EBUSY = linuxErrno('EBUSY');
export const EINVAL = linuxErrno('EINVAL');
export const EIO = linuxErrno('EIO');
export const ENAMETOOLONG = linuxErrno('ENAMETOOLONG');
export const ENOSPC = linuxErrno('ENOSPC');
export const ENOSYS = linuxErrno('ENOSYS');
export const ENOTTY = linuxErrno('ENOTTY');
export const EOPNOTSUPP = linuxErrno('EOPNOTSUPP');
export const EPROTO = linuxErrno('EPROTO');
export const ERANGE = linuxErrno('ERANGE');
