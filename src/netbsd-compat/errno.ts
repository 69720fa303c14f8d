/**
 * The operating error of the NetBSD side: thrown inside, a number at the waist. NetBSD's functions
 * return it; its names are {@link NETBSD_ERRNO}'s, which are more than Linux has.
 */
import { KernelPanic } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { NETBSD_ERRNO, type NetbsdErrnoName } from '../puffs/errno.js';

/** Without a stack trace, as errors are common answers: see lump's Errno. */
export class NetbsdErrno extends Error {
  readonly code: NetbsdErrnoName;
  /** Positive NetBSD number. */
  readonly errno: number;

  constructor(code: NetbsdErrnoName, detail?: string) {
    const limit = Error.stackTraceLimit;
    if (!Errno.captureStack) Error.stackTraceLimit = 0;
    super(detail === undefined ? code : `${code}: ${detail}`);
    Error.stackTraceLimit = limit;
    this.code = code;
    this.errno = NETBSD_ERRNO[code];
  }

  /** What was told beside the code; where nothing was, the code. */
  get detail(): string {
    return this.message.replace(`${this.code}: `, '');
  }

  override get name(): string {
    return 'NetbsdErrno';
  }
}

/**
 * What an operation answers for what was thrown in it; anything but an operating error goes on its
 * way. The services of src/lump (allocation, the module registry) throw Linux's Errno, by names
 * that both systems have.
 */
export function p2k_errno(error: unknown): number {
  if (error instanceof NetbsdErrno) return error.errno;
  if (!(error instanceof Errno)) throw error;
  const number = (NETBSD_ERRNO as Readonly<Record<string, number>>)[error.code];
  if (number === undefined) throw new KernelPanic(`${error.code} has no number in NetBSD`);
  return number;
}
