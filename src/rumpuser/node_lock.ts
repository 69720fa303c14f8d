/**
 * Whole-file locks between processes, with what plain Node has. The lock is always the kernel's
 * flock(2), which belongs to an open file, so that it ends with the process however that ends;
 * there are no lock files to be left behind, a reader needs no right to write anywhere, and other
 * programs that use flock(2) are kept out as well.
 *
 * - Linux: Node has no flock(2). The child `flock -n FD` (util-linux or busybox) takes it on a
 *   descriptor that it inherits from us, and ends; the open file, and with it the lock, stays ours.
 * - macOS and the BSDs: open(2) takes the lock itself, by O_EXLOCK or O_SHLOCK.
 * - Elsewhere, and where the file system or the machine has no flock: only this process is
 *   guarded, and a warning says so.
 *
 * Over NFS the lock is as good as the server's. Programs that lock with fcntl(2) are not noticed.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { LockTable } from './lock_table.js';

/** Of the whole process, however many hosts it has. */
const lockedHere = new LockTable();

/** open(2) flags of macOS, FreeBSD, NetBSD and OpenBSD. */
const BSD_O_NONBLOCK = 0x4;
const BSD_O_SHLOCK = 0x10;
const BSD_O_EXLOCK = 0x20;
const BSD_PLATFORMS: readonly string[] = ['darwin', 'freebsd', 'netbsd', 'openbsd'];

export type LockAnswer =
  | { readonly granted: true; unlock(): void; readonly warning?: string }
  /** `holder` as far as the host tells: "process 4711", "this process". */
  | { readonly granted: false; readonly holder: string };

/**
 * Takes a lock, without waiting. Throws what node:fs throws when the file cannot be opened.
 * `program` is the flock program (another one in tests).
 */
export function lockFile(
  path: string,
  kind: 'shared' | 'exclusive',
  program = 'flock',
): LockAnswer {
  const bsd = BSD_PLATFORMS.includes(process.platform);
  // Over NFS an exclusive lock needs a descriptor that can write.
  let flags = kind === 'exclusive' ? fs.constants.O_RDWR : fs.constants.O_RDONLY;
  if (bsd) flags |= BSD_O_NONBLOCK | (kind === 'exclusive' ? BSD_O_EXLOCK : BSD_O_SHLOCK);
  let fd: number;
  try {
    fd = fs.openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!bsd || code !== 'EAGAIN') throw error;
    return { granted: false, holder: 'another process' };
  }
  let answer: LockAnswer | null = null;
  try {
    answer = lockDescriptor(fd, kind, bsd ? null : program);
    return answer;
  } finally {
    if (!answer?.granted) fs.closeSync(fd);
  }
}

function lockDescriptor(
  fd: number,
  kind: 'shared' | 'exclusive',
  program: string | null,
): LockAnswer {
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  const release = lockedHere.acquire(`${dev}:${ino}`, kind);
  if (release === null) return { granted: false, holder: 'this process' };
  const unlock = (): void => {
    if (fd < 0) return;
    release();
    fs.closeSync(fd);
    fd = -1;
  };
  if (program === null) return { granted: true, unlock };
  const child = spawnSync(program, ['-n', kind === 'exclusive' ? '-x' : '-s', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (child.status === 0) return { granted: true, unlock };
  // 1 is the answer "it is locked" of util-linux and busybox; other failures have other numbers.
  if (child.status === 1) {
    release();
    return { granted: false, holder: findHolder(dev, ino) ?? 'another process' };
  }
  const why = child.error?.message ?? (child.stderr.trim() || `status ${child.status}`);
  return { granted: true, unlock, warning: `not locked against other processes: ${why}` };
}

/**
 * The process whose open file has the lock. /proc/locks would name the child that asked for it,
 * which is gone; but /proc/PID/fdinfo shows a lock at the descriptor that has it.
 */
function findHolder(dev: bigint, ino: bigint): string | null {
  const list = (directory: string): string[] => {
    try {
      return fs.readdirSync(directory);
    } catch {
      // Not Linux, not ours to look at, or gone meanwhile.
      return [];
    }
  };
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of list(`/proc/${pid}/fdinfo`)) {
      try {
        const file = fs.statSync(`/proc/${pid}/fd/${descriptor}`, { bigint: true });
        if (file.ino !== ino || file.dev !== dev) continue;
        const info = fs.readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1');
        if (/^lock:.*FLOCK/m.test(info)) return `process ${pid}`;
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return null;
}
