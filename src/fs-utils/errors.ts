/** What a tool says when something fails, in the words of strerror(3). */

/** Ends a tool: the message is for the person, after the tool's name. */
export class ToolError extends Error {
  readonly status: number;
  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

/** Wrong words on the command line, or an image that cannot be used. */
export const EXIT_USAGE = 2;

const TEXT: Readonly<Record<string, string>> = {
  E2BIG: 'Argument list too long',
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
  EBADF: 'Bad file descriptor',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  EMLINK: 'Too many links',
  ENAMETOOLONG: 'File name too long',
  ENODATA: 'No data available',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Cannot allocate memory',
  ENOSPC: 'No space left on device',
  ENOSYS: 'Function not implemented',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  ENOTSUP: 'Operation not supported',
  ENXIO: 'No such device or address',
  EOPNOTSUPP: 'Operation not supported',
  EOVERFLOW: 'Value too large for defined data type',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  ERANGE: 'Numerical result out of range',
  EROFS: 'Read-only file system',
  ETXTBSY: 'Text file busy',
  EUCLEAN: 'Structure needs cleaning',
  EXDEV: 'Invalid cross-device link',
};

/** An error of a file system, the host's or an image's. */
export interface SystemError extends Error {
  readonly code: string;
}

export const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as { code?: unknown }).code));

/** @throws what is no error of a file system: a mistake of ours. */
export function strerror(error: unknown): string {
  if (!isSystemError(error)) throw error;
  return TEXT[error.code] ?? error.code;
}

export const systemError = (code: string): SystemError => Object.assign(new Error(code), { code });
