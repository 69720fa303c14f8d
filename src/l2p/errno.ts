/**
 * Linux errno ↔ NetBSD errno: the one table of this border.
 *
 * A name that both systems have keeps its meaning and changes its number. The names that only
 * Linux has are listed with what they become and why; the way back gives Linux's own name only
 * where NetBSD's is not a Linux name either.
 *
 * Source: reference rump.md §1.18 with its advice.
 */
import { KernelPanic } from '../lump/bug.js';
import { Errno, LINUX_ERRNO, type ErrnoCode } from '../lump/errno.js';
import { NETBSD_ERRNO, netbsdErrnoName, type NetbsdErrnoName } from '../puffs/errno.js';

/** Linux names without a namesake in NetBSD. */
const LINUX_ONLY: Readonly<Partial<Record<ErrnoCode, NetbsdErrnoName>>> = {
  // In a VFS, "no data available" is always a missing extended attribute.
  ENODATA: 'ENOATTR',
  // "Structure needs cleaning", worn flash, no medium: the medium fails.
  EUCLEAN: 'EIO',
  EREMOTEIO: 'EIO',
  ENOMEDIUM: 'EIO',
};

/** NetBSD names without a namesake in Linux. */
const NETBSD_ONLY: Readonly<Partial<Record<NetbsdErrnoName, ErrnoCode>>> = {
  ENOATTR: 'ENODATA',
  // Linux has one number for both.
  ENOTSUP: 'EOPNOTSUPP',
  // Wrong type or format of file.
  EFTYPE: 'EINVAL',
  EPROCLIM: 'EAGAIN',
  EAUTH: 'EACCES',
  ENEEDAUTH: 'EACCES',
  // NFS's remote procedure calls.
  EBADRPC: 'EIO',
  ERPCMISMATCH: 'EIO',
  EPROGUNAVAIL: 'EIO',
  EPROGMISMATCH: 'EIO',
  EPROCUNAVAIL: 'EIO',
};

/** NetBSD's number by Linux's; 0 where there is none. */
const NETBSD_OF_LINUX: Uint8Array = (() => {
  const table = new Uint8Array(Math.max(...Object.values(LINUX_ERRNO)) + 1);
  for (const [code, number] of Object.entries(LINUX_ERRNO)) {
    const name = LINUX_ONLY[code as ErrnoCode] ?? code;
    if (name in NETBSD_ERRNO) table[number] = NETBSD_ERRNO[name as NetbsdErrnoName];
  }
  return table;
})();

/**
 * Linux's positive number → NetBSD's.
 * @throws KernelPanic for a number that no VFS answers (ERESTARTSYS and the like): a bug below.
 */
export function linux_to_netbsd_errno(errno: number): number {
  const number = NETBSD_OF_LINUX[errno] ?? 0;
  if (number === 0) throw new KernelPanic(`Linux errno ${errno} has no number in NetBSD`);
  return number;
}

/** What an operation answers for what was thrown in it; anything but an Errno goes on its way. */
export function l2p_errno(error: unknown): number {
  if (error instanceof Errno) return linux_to_netbsd_errno(error.errno);
  throw error;
}

/** NetBSD's number → Linux's name. @throws KernelPanic for 0 and numbers NetBSD does not have. */
export function netbsd_to_linux_code(errno: number): ErrnoCode {
  const name = netbsdErrnoName(errno);
  if (name === undefined) throw new KernelPanic(`NetBSD errno ${errno} does not exist`);
  return NETBSD_ONLY[name] ?? (name as ErrnoCode);
}
