/**
 * How a file system comes into the thread that serves it: as a module of its own, named by URL,
 * since neither functions nor open files travel between threads.
 */
import type { puffs_ops } from '../puffs/puffs.js';

/** What the module exports. */
export interface FileSystemModule {
  /**
   * Opens the file system.
   * @param options as given to the transport; structured-cloned.
   * @throws Error whose message is for the user: what is wrong, where, what to do. Nothing stays
   *   open or locked then. With code EBUSY, somebody else has the image locked, and it is tried
   *   again for a while.
   */
  open(options: unknown, hooks: ModuleHooks): OpenedFileSystem | Promise<OpenedFileSystem>;
}

export interface ModuleHooks {
  /** One line for whoever runs the server; levels as printk's. */
  console(level: number, line: string): void;
}

export interface OpenedFileSystem {
  readonly fs: puffs_ops;
  /** Lines for the user: what was detected and on which evidence. */
  readonly report: readonly string[];
  /** The mount must be read-only, whatever was asked for. */
  readonly readOnly: boolean;
  /** Granularity of its times in nanoseconds, a power of ten. */
  readonly timeGranularityNs: number;
  /** It treats writers differently; what comes from the write-back cache is in root's name. */
  readonly tellsWritersApart?: boolean;
  /** May any of its files have a security label (the attribute security.selinux)? Default: yes. */
  mayHaveLabels?(): boolean;
}

/** How long a locked image is waited for. */
const LOCK_PATIENCE_MS = 3000;
const LOCK_PAUSE_MS = 50;

/**
 * Opens a file system. umount(8) returns as soon as the kernel is done; the server that was behind
 * the mount may then still be closing the image, and holds its lock. Whoever mounts again at once
 * shall not be refused.
 * @param url of a {@link FileSystemModule}.
 * @throws Error whose message is for the user.
 */
export async function openFileSystem(
  url: string,
  options: unknown,
  hooks: ModuleHooks,
): Promise<OpenedFileSystem> {
  try {
    const module = (await import(url)) as FileSystemModule;
    const end = performance.now() + LOCK_PATIENCE_MS;
    for (;;) {
      try {
        return await module.open(options, hooks);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EBUSY' || performance.now() >= end) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
      }
    }
  } catch (error) {
    throw new Error(failureText(error));
  }
}

/** What the user should read: a bug brings its stack along, an operating error does not. */
function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isBug = ['TypeError', 'ReferenceError', 'RangeError', 'KernelPanic'].includes(error.name);
  return isBug ? (error.stack ?? error.message) : error.message;
}
