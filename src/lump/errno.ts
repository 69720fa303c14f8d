/**
 * Linux's error numbers, as the emulated kernel uses them.
 *
 * Source of the numbers: Linux's generic and x86 errno lists, checked against `errno -l`
 * (moreutils) and `os.constants.errno` of Node on Linux by test/lump/errno.test.ts.
 */
// biome-ignore format: a table
export const LINUX_ERRNO = {
  EPERM: 1, ENOENT: 2, ESRCH: 3, EINTR: 4, EIO: 5, ENXIO: 6, E2BIG: 7, ENOEXEC: 8, EBADF: 9,
  ECHILD: 10, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EFAULT: 14, ENOTBLK: 15, EBUSY: 16, EEXIST: 17,
  EXDEV: 18, ENODEV: 19, ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ENOTTY: 25,
  ETXTBSY: 26, EFBIG: 27, ENOSPC: 28, ESPIPE: 29, EROFS: 30, EMLINK: 31, EPIPE: 32, EDOM: 33,
  ERANGE: 34, EDEADLK: 35, ENAMETOOLONG: 36, ENOLCK: 37, ENOSYS: 38, ENOTEMPTY: 39, ELOOP: 40,
  ENOMSG: 42, EIDRM: 43, ENOSTR: 60, ENODATA: 61, ETIME: 62, ENOSR: 63, EREMOTE: 66, ENOLINK: 67,
  EPROTO: 71, EMULTIHOP: 72, EBADMSG: 74, EOVERFLOW: 75, EILSEQ: 84, EUSERS: 87, ENOTSOCK: 88,
  EDESTADDRREQ: 89, EMSGSIZE: 90, EPROTOTYPE: 91, ENOPROTOOPT: 92, EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94, EOPNOTSUPP: 95, EPFNOSUPPORT: 96, EAFNOSUPPORT: 97, EADDRINUSE: 98,
  EADDRNOTAVAIL: 99, ENETDOWN: 100, ENETUNREACH: 101, ENETRESET: 102, ECONNABORTED: 103,
  ECONNRESET: 104, ENOBUFS: 105, EISCONN: 106, ENOTCONN: 107, ESHUTDOWN: 108, ETOOMANYREFS: 109,
  ETIMEDOUT: 110, ECONNREFUSED: 111, EHOSTDOWN: 112, EHOSTUNREACH: 113, EALREADY: 114,
  EINPROGRESS: 115, ESTALE: 116, EUCLEAN: 117, EREMOTEIO: 121, EDQUOT: 122, ENOMEDIUM: 123,
  ECANCELED: 125,
} as const;

export type ErrnoCode = keyof typeof LINUX_ERRNO;

/** ext4, xfs and jffs2 speak of these; they are other names of the numbers above. */
export const EWOULDBLOCK: ErrnoCode = 'EAGAIN';

/**
 * The one operating error of the emulated kernel. It carries no stack trace (errors are common
 * answers, and capturing a trace costs microseconds) unless `Errno.captureStack` is set.
 */
export class Errno extends Error {
  static captureStack = false;
  readonly code: ErrnoCode;
  /** Positive Linux number. */
  readonly errno: number;

  constructor(code: ErrnoCode, detail?: string) {
    const limit = Error.stackTraceLimit;
    if (!Errno.captureStack) Error.stackTraceLimit = 0;
    super(detail === undefined ? code : `${code}: ${detail}`);
    Error.stackTraceLimit = limit;
    this.code = code;
    this.errno = LINUX_ERRNO[code];
  }

  override get name(): string {
    return 'Errno';
  }
}

/** True when `error` is an {@link Errno} with this code. */
export function isErrno(error: unknown, code: ErrnoCode): error is Errno {
  return error instanceof Errno && error.code === code;
}
