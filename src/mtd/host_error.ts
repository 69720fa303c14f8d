/** The border between the host's errors and Linux's: where a HostError becomes an Errno. */
import type { ErrnoCode } from '../lump/errno.js';
import { Errno, LINUX_ERRNO } from '../lump/errno.js';
import { HostError } from '../rumpuser/rumpuser.js';

/**
 * For calls that name a file (open, lock, replace): the host's own code says it best.
 * @returns the error to throw; what is no HostError is returned as it is.
 */
export function errnoOfHost(error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  // A lock that is held: Linux calls the device busy.
  if (error.code === 'EWOULDBLOCK' || error.code === 'EAGAIN') {
    return new Errno('EBUSY', error.message);
  }
  const known = Object.hasOwn(LINUX_ERRNO, error.code);
  return new Errno(known ? (error.code as ErrnoCode) : 'EIO', error.message);
}

/**
 * For reading and writing cells: whatever ails the host (its disk is full, say), to the file system
 * above the chip has failed.
 */
export function chipErrorOfHost(error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  return new Errno('EIO', `${error.code}: ${error.message}`);
}
