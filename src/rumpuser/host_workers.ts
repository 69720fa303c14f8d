/**
 * Further threads of the host, for work that is cut into pieces (compression). They share memory
 * with the caller and nothing else; who divides the work does so with Atomics, so that a
 * synchronous caller can wait for them. A thread may start late or never: a caller must be able to
 * do without.
 */
import type { HostCodecs } from './rumpuser.js';

/** What the module of a worker exports. */
export interface WorkerModule {
  /** Runs to its end on the worker's thread. */
  work(data: unknown, codecs: HostCodecs): void;
}

export interface HostWorkers {
  /** Processors that this process may use; at least 1. */
  readonly processors: number;
  /**
   * Starts `count` threads that each call `work(data, codecs)` of the module. They do not keep the
   * process alive.
   * @param module URL of a {@link WorkerModule}
   * @param data is cloned, but for SharedArrayBuffers, which are shared
   * @param portable codecs whose bytes are the same on every host, rather than the fastest
   */
  start(count: number, module: string, data: unknown, portable: boolean): void;
}
