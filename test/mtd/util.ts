/** Seeded randomness for tests, a shape for tests that use it, and what they often ask. */
import { Errno } from '../../src/lump/errno.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';

/** xorshift32: small, seeded, the same everywhere. */
export class random_source {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.#next();
  }

  #next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state;
  }

  /** 0 … limit-1. */
  below(limit: number): number {
    return this.#next() % limit;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/** One test that runs `body` with `runs` seeds. LUMP_SEED=n runs that seed alone. */
export function randomized(
  title: string,
  runs: number,
  body: (random: random_source, seed: number) => void,
): void {
  it(title, () => {
    const only = process.env.LUMP_SEED;
    const first = only === undefined ? 0 : Number(only);
    for (let seed = first; seed < (only === undefined ? runs : first + 1); seed++) {
      try {
        body(new random_source(seed), seed);
      } catch (error) {
        if (error instanceof Error) error.message += ` (rerun with LUMP_SEED=${seed})`;
        throw error;
      }
    }
  });
}

/** The code of the Errno that `action` throws, or null when it throws nothing. */
export function errnoOf(action: () => unknown): string | null {
  try {
    action();
  } catch (error) {
    if (error instanceof Errno) return error.code;
    throw error;
  }
  return null;
}

/** chai's deep equality takes milliseconds for a few KiB. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** What the console was told. */
export const linesOf = (host: SimulatedHost): string[] => host.consoleLines.map(({ line }) => line);
