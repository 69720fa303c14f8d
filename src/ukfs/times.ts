/** Times that a caller gives, as attributes to set. */
import { VA_UTIMES_NULL, type vattr } from '../puffs/index.js';
import type { Timespec } from './stats.js';

/** A time to set: seconds since 1970 (fractions allowed), a Date, or exact. */
export type TimeLike = number | Date | Timespec;

/** Without times: both become the file system's "now". */
export function setTimes(
  va: vattr,
  atime: TimeLike | undefined,
  mtime: TimeLike | undefined,
): void {
  if (atime === undefined && mtime === undefined) va.va_vaflags = VA_UTIMES_NULL;
  const access = toTimespec(atime ?? 0);
  const modification = toTimespec(mtime ?? 0);
  if (atime !== undefined || mtime === undefined) {
    va.va_atime_sec = access.sec;
    va.va_atime_nsec = access.nsec;
  }
  if (mtime !== undefined || atime === undefined) {
    va.va_mtime_sec = modification.sec;
    va.va_mtime_nsec = modification.nsec;
  }
}

function toTimespec(time: TimeLike): Timespec {
  if (typeof time === 'object' && 'sec' in time) return time;
  const ms = typeof time === 'number' ? time * 1000 : time.getTime();
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
}
