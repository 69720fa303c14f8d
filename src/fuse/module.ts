/**
 * How a file system comes into the thread that serves it: as a module of its own, named by URL, since
 * neither functions nor open files travel between threads.
 */
import type { puffs_ops } from '../puffs/puffs.js';

/** What the module exports. */
export interface FileSystemModule {
  /**
   * Opens the file system.
   * @param options as given to the transport; structured-cloned.
   * @throws Error whose message is for the user: what is wrong, where, what to do. Nothing stays
   *   open or locked then. With code EWOULDBLOCK, somebody else has the image locked, and it is
   *   tried again for a while.
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
}
