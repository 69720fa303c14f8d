/** Modes of open and flags of read and write: the waist's → Linux's. */
import { Errno } from '../lump/errno.js';
import { FMODE_NOCMTIME, O_APPEND, O_RDONLY, O_RDWR, O_SYNC, O_WRONLY } from '../lump/fs.js';
import { FREAD, FWRITE, IO_APPEND, IO_NOCMTIME, IO_SYNC } from '../puffs/puffs.js';

/** FREAD, FWRITE → O_RDONLY, O_WRONLY, O_RDWR. @throws EINVAL neither. */
export function open_mode_to_flags(mode: number): number {
  switch (mode & (FREAD | FWRITE)) {
    case FREAD:
      return O_RDONLY;
    case FWRITE:
      return O_WRONLY;
    case FREAD | FWRITE:
      return O_RDWR;
    default:
      throw new Errno('EINVAL', `open mode ${mode}`);
  }
}

/** IO_APPEND, IO_SYNC → O_APPEND, O_SYNC. */
export function ioflag_to_flags(ioflag: number): number {
  return ((ioflag & IO_APPEND) !== 0 ? O_APPEND : 0) | ((ioflag & IO_SYNC) !== 0 ? O_SYNC : 0);
}

/** IO_NOCMTIME → FMODE_NOCMTIME. */
export function ioflag_to_fmode(ioflag: number): number {
  return (ioflag & IO_NOCMTIME) !== 0 ? FMODE_NOCMTIME : 0;
}
