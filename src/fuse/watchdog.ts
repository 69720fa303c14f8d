/**
 * Cleans a mount up after its server was killed, when no handler of its own can run any more: a
 * shell, detached, that waits on a pipe which only the server holds open.
 */
import { spawn } from 'node:child_process';
import { unmountCommand, type MountedBy } from './mount.js';

/**
 * $0: mount point; "$@": the command that unmounts. "ok" on the pipe says that all is well. The
 * mount may have been replaced by a living one in the meantime: only a dead one, on which statfs
 * fails, is taken away. (Not stat: attributes may be cached beyond the server's death.)
 */
const SCRIPT = `trap '' INT TERM HUP
read -r word
[ "$word" = ok ] && exit
stat -f -- "$0" >/dev/null 2>&1 || exec "$@"`;

export interface Watchdog {
  /** The mount is gone, or somebody takes care of it. */
  dismiss(): void;
}

export function startWatchdog(mountpoint: string, by: MountedBy): Watchdog {
  const [command, args] = unmountCommand(mountpoint, 'lazy', by);
  const child = spawn('sh', ['-c', SCRIPT, mountpoint, command, ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  // Without sh there is no watchdog; the mount works all the same.
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    dismiss() {
      child.stdin.end('ok\n');
    },
  };
}
