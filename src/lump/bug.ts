/**
 * Programming errors. An operating error is an Errno; what must never happen is a KernelPanic,
 * always on, caught only at the process's edge.
 */
export class KernelPanic extends Error {
  override get name(): string {
    return 'KernelPanic';
  }
}

/** Panics when `condition` holds. The message says what was broken. */
export function BUG_ON(condition: boolean, message: string): asserts condition is false {
  if (condition) throw new KernelPanic(message);
}

/** Panics: for places that cannot be reached. */
export function BUG(message: string): never {
  throw new KernelPanic(message);
}
