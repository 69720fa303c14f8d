/**
 * The contract between whoever mounts (executables, tests) and a transport, which carries the
 * requests of one mount between the kernel and a file system. The one for Linux is {@link
 * ./transport_worker.ts}.
 */
import type { SessionOptions } from './session.js';

export interface MountRequest {
  /** URL of a {@link ./module.ts FileSystemModule}. */
  readonly module: string;
  /** Passed to its open(); must survive structured cloning. */
  readonly moduleOptions: unknown;
  /** Directory to mount on. */
  readonly mountpoint: string;
  /** First field of /proc/mounts: the image. */
  readonly source: string;
  /** Shown as fuse.SUBTYPE. */
  readonly subtype: string;
  /** Words for the kernel and mount(8): "ro", "nosuid", "allow_other", … */
  readonly mountOptions: readonly string[];
  readonly session: Partial<Omit<SessionOptions, 'wallClockMs' | 'console' | 'timeGranularityNs'>>;
  /** Lines of the running server; levels as printk's. */
  console(level: number, line: string): void;
}

/** How a mount came to its end. */
export interface MountEnd {
  /** 0: unmounted, and everything is on stable storage. */
  readonly exitCode: number;
  /** Why not, for the user. */
  readonly message: string | null;
}

export interface Mount {
  /** What the file system said when it was opened. */
  readonly report: readonly string[];
  readonly readOnly: boolean;
  /** Resolves when the last request was served and the file system closed. Never rejects. */
  readonly ended: Promise<MountEnd>;
  /**
   * Unmounts. A busy mount is taken out of sight and served until its last user is gone.
   * @returns whether it was busy.
   */
  unmount(): Promise<'unmounted' | 'busy'>;
  /** Unmounts without regard for who uses it: their requests fail. */
  abort(): Promise<void>;
}

/** A connection that was mounted before this process began. */
export interface InheritedConnection {
  /** Of /dev/fuse. */
  readonly fd: number;
  /**
   * Absolute and free of links, since looking at it would ask the server that does not run yet;
   * undefined when nobody told, as by mount.fuse3 with drop_privileges, which gives /dev/fd/N.
   */
  readonly mountpoint: string | undefined;
}

/**
 * Opens the file system and mounts it, or takes over the connection `given`.
 * @returns when the mount is usable.
 * @throws MountError
 */
export type Transport = (request: MountRequest, given?: InheritedConnection) => Promise<Mount>;

/** Mounting failed; the message is for the user. Nothing stays mounted, open or locked. */
export class MountError extends Error {
  override get name(): string {
    return 'MountError';
  }
}
