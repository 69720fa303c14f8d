/**
 * NetBSD errno → the host's Linux errno, the one table of this border.
 *
 * The names decide: an error keeps its name and takes the number the host's kernel has for it
 * (which is not the same on every architecture). The few names that only NetBSD has are listed.
 */
import { constants } from 'node:os';
import { ELAST, NETBSD_ERRNO, type NetbsdErrnoName } from '../puffs/errno.js';

const HOST_ERRNO: Readonly<Record<string, number>> = constants.errno;

/** NetBSD's own names and what a Linux program expects in the same situation. */
export const RENAMED: Readonly<Partial<Record<NetbsdErrnoName, string>>> = {
  // A missing extended attribute. macOS has the name, and transport=fuse-native takes it there.
  ENOATTR: process.platform === 'darwin' ? 'ENOATTR' : 'ENODATA',
  // chmod +t on a file by a user, a medium of the wrong format.
  EFTYPE: 'EINVAL',
  EPROCLIM: 'EAGAIN',
  // Errors of NFS and its remote procedure calls; nothing below answers them.
  EBADRPC: 'EIO',
  ERPCMISMATCH: 'EIO',
  EPROGUNAVAIL: 'EIO',
  EPROGMISMATCH: 'EIO',
  EPROCUNAVAIL: 'EIO',
  EAUTH: 'EACCES',
  ENEEDAUTH: 'EACCES',
};

/** Names that `os.constants.errno` leaves out, with Linux's generic numbers. */
const NOT_IN_NODE: Readonly<Record<string, number>> = {
  // macOS's.
  ENOATTR: 93,
  ENOTBLK: 15,
  EPFNOSUPPORT: 96,
  ESOCKTNOSUPPORT: 94,
  ESHUTDOWN: 108,
  ETOOMANYREFS: 109,
  EHOSTDOWN: 112,
  EUSERS: 87,
  EREMOTE: 66,
  // Left out on Windows, where nothing is mounted, but the help text is read.
  EDQUOT: 122,
  ESTALE: 116,
  EMULTIHOP: 72,
};

function linuxErrnoOfName(name: NetbsdErrnoName): number {
  const linuxName = RENAMED[name] ?? name;
  const number = HOST_ERRNO[linuxName] ?? NOT_IN_NODE[linuxName];
  if (number === undefined) throw new Error(`the host has no errno ${linuxName}`);
  return number;
}

const LINUX_OF_NETBSD: Uint16Array = (() => {
  const table = new Uint16Array(ELAST + 1);
  for (const [name, number] of Object.entries(NETBSD_ERRNO)) {
    table[number] = linuxErrnoOfName(name as NetbsdErrnoName);
  }
  return table;
})();

/** The host's number of an error's name; for the errors that the session itself answers. */
export const linuxErrno = (name: NetbsdErrnoName): number => linuxErrnoOfName(name);

/**
 * What a puffs operation answered → Linux's positive number.
 * @throws RangeError for a number that NetBSD does not have: a bug of the file system below.
 */
export function netbsdToLinuxErrno(error: number): number {
  const number = LINUX_OF_NETBSD[error];
  if (number === undefined || number === 0) throw new RangeError(`no NetBSD errno: ${error}`);
  return number;
}
