/** Wear: the counters of a chip, and who keeps them between mounts. */
import type { mtd_wear } from './mtd.js';

export class wear_counters implements mtd_wear {
  readonly eraseCount: Uint32Array;
  readonly programCount: Uint32Array;
  readonly readCount: Uint32Array;
  bytesProgrammed = 0;
  bytesRead = 0;

  constructor(eraseBlocks: number) {
    this.eraseCount = new Uint32Array(eraseBlocks);
    this.programCount = new Uint32Array(eraseBlocks);
    this.readCount = new Uint32Array(eraseBlocks);
  }

  /** The same counters for a chip that has grown to `eraseBlocks`. */
  grown(eraseBlocks: number): wear_counters {
    const wear = new wear_counters(eraseBlocks);
    wear.eraseCount.set(this.eraseCount);
    wear.programCount.set(this.programCount);
    wear.readCount.set(this.readCount);
    wear.bytesProgrammed = this.bytesProgrammed;
    wear.bytesRead = this.bytesRead;
    return wear;
  }
}

/**
 * Keeps a chip's counters. None of these calls fails: a store that cannot write says so on the
 * console and tries again at the next one, because losing a count must not lose data.
 */
export interface wear_store {
  /** `count` EBs from number `eb` are about to be erased; their counters are already raised. */
  eraseBegins(eb: number, count: number): void;
  /** All counters as they are now are on stable storage when this returns. */
  sync(): void;
  /** As sync(), and lets the store go. Idempotent. */
  close(): void;
}
