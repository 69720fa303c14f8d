/**
 * What a session does when the file system below it throws, which it never does for an operating
 * error.
 *
 * When it panics (an exception named KernelPanic), its state can no longer be trusted. As a forced
 * shutdown in XFS, the session is then dead: every request is answered EIO, the file system is not
 * called again, not even to flush, and what is on the medium stays as it is, as after a power cut.
 * Any other exception is a bug as well; it costs its own request (EIO) and is reported once per
 * message.
 */
import { MNT_FORCE, MNT_WAIT, type puffs_cred, type puffs_ops } from '../puffs/puffs.js';
import { netbsdErrnoName } from '../puffs/errno.js';

export class Containment {
  private readonly fs: puffs_ops;
  private readonly console: (level: number, line: string) => void;
  private readonly reported = new Set<string>();
  private dead = false;

  constructor(fs: puffs_ops, console: (level: number, line: string) => void) {
    this.fs = fs;
    this.console = console;
  }

  /** True after a panic: the file system must not be called any more. */
  get isDead(): boolean {
    return this.dead;
  }

  /** A request of this opcode (0: none) came to an exception. */
  caught(error: unknown, opcode: number): void {
    const { name, message, stack } =
      error instanceof Error
        ? error
        : { name: 'exception', message: String(error), stack: undefined };
    if (name === 'KernelPanic') {
      this.dead = true;
      this.console(0, `kernel panic: ${message}; the mount answers EIO from now on\n${stack}`);
      return;
    }
    if (this.reported.has(message)) return;
    this.reported.add(message);
    this.console(2, `bug while serving request ${opcode}: ${stack ?? message}`);
  }

  /**
   * One unit of the file system's background work. @returns milliseconds until the next, -1: none
   *   before the next request.
   */
  background(): number {
    if (this.dead) return -1;
    try {
      return this.fs.background();
    } catch (error) {
      this.caught(error, 0);
      return -1;
    }
  }

  /**
   * The last request was served: puts everything on stable storage and gives the mount up.
   * @returns whether that succeeded.
   */
  close(cred: puffs_cred): boolean {
    if (this.dead) return false;
    let isClean = true;
    try {
      for (const error of [this.fs.fs_sync(MNT_WAIT, cred), this.fs.fs_unmount(MNT_FORCE)]) {
        if (error === 0) continue;
        isClean = false;
        this.console(3, `unmounting failed: ${netbsdErrnoName(error)}`);
      }
    } catch (error) {
      isClean = false;
      this.caught(error, 0);
    }
    return isClean;
  }
}
