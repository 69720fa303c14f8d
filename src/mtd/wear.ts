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
    wear.assign(this);
    return wear;
  }

  /** Counts on from what `other` has counted, of as many erase blocks or fewer. */
  assign(other: mtd_wear): void {
    this.eraseCount.set(other.eraseCount);
    this.programCount.set(other.programCount);
    this.readCount.set(other.readCount);
    this.bytesProgrammed = other.bytesProgrammed;
    this.bytesRead = other.bytesRead;
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
