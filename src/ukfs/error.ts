/**
 * Errors as node:fs throws them: `code` is libuv's name of the error, `errno` Linux's number,
 * negative, and the message says both, what was called, and on which path.
 */
import { LINUX_ERRNO, type ErrnoCode } from '../lump/errno.js';
import { netbsd_to_linux_code } from '../l2p/errno.js';

/** A path as the caller gave it: text (UTF-8) or bytes. */
export type PathLike = string | Uint8Array;

/** Linux's names; but node:fs has always called number 95 by its other name. */
export type UkfsErrorCode = Exclude<ErrnoCode, 'EOPNOTSUPP'> | 'ENOTSUP';

/**
 * What a file system can answer, in the words of libuv (`util.getSystemErrorMap()`); and the few
 * that it has no words for.
 */
const TEXT: Readonly<Partial<Record<UkfsErrorCode, string>>> = {
  E2BIG: 'argument list too long',
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EBADF: 'bad file descriptor',
  EBUSY: 'resource busy or locked',
  EDEADLK: 'resource deadlock avoided',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'file already exists',
  EFAULT: 'bad address in system call argument',
  EFBIG: 'file too large',
  EILSEQ: 'illegal byte sequence',
  EINTR: 'interrupted system call',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  ELOOP: 'too many symbolic links encountered',
  EMFILE: 'too many open files',
  EMLINK: 'too many links',
  ENAMETOOLONG: 'name too long',
  ENFILE: 'file table overflow',
  ENODATA: 'no data available',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOLCK: 'no locks available',
  ENOMEM: 'not enough memory',
  ENOSPC: 'no space left on device',
  ENOSYS: 'function not implemented',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  ENOTSUP: 'operation not supported on socket',
  ENOTTY: 'inappropriate ioctl for device',
  ENXIO: 'no such device or address',
  EOVERFLOW: 'value too large for defined data type',
  EPERM: 'operation not permitted',
  EPIPE: 'broken pipe',
  ERANGE: 'result too large',
  EROFS: 'read-only file system',
  ESPIPE: 'invalid seek',
  ESTALE: 'stale file handle',
  ETIMEDOUT: 'connection timed out',
  ETXTBSY: 'text file is busy',
  EUCLEAN: 'structure needs cleaning',
  EXDEV: 'cross-device link not permitted',
};

/**
 * An operation failed. As Node's: `code` (ENOENT), `errno` (negative), `syscall`, `path`, `dest`.
 */
export class UkfsError extends Error {
  /** Linux's number, negative like node:fs's. */
  readonly errno: number;
  readonly code: UkfsErrorCode;
  readonly syscall: string;
  /** These two only where the call has them, as node:fs's. */
  declare readonly path?: string;
  declare readonly dest?: string;

  constructor(
    code: UkfsErrorCode | 'EOPNOTSUPP',
    syscall: string,
    path?: PathLike,
    dest?: PathLike,
  ) {
    const uvCode = code === 'EOPNOTSUPP' ? 'ENOTSUP' : code;
    const from = path === undefined ? undefined : asText(path);
    const to = dest === undefined ? undefined : asText(dest);
    const where = from === undefined ? '' : ` '${from}'${to === undefined ? '' : ` -> '${to}'`}`;
    super(`${uvCode}: ${TEXT[uvCode] ?? 'unknown error'}, ${syscall}${where}`);
    this.errno = -LINUX_ERRNO[uvCode === 'ENOTSUP' ? 'EOPNOTSUPP' : uvCode];
    this.code = uvCode;
    this.syscall = syscall;
    if (from !== undefined) this.path = from;
    if (to !== undefined) this.dest = to;
  }

  override get name(): string {
    return 'Error';
  }
}

/** Throws when a puffs operation answered an error. */
export function check(error: number, syscall: string, path?: PathLike, dest?: PathLike): void {
  if (error !== 0) throw new UkfsError(netbsd_to_linux_code(error), syscall, path, dest);
}

function asText(path: PathLike): string {
  return typeof path === 'string' ? path : new TextDecoder().decode(path);
}
