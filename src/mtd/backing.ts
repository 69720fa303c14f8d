/**
 * What a simulated chip keeps its cells in: the contract between a chip and its store.
 *
 * A backing knows nothing of erase blocks, wear or rules of programming; it stores bytes. Units are
 * bytes from the start of the chip. Implementations: `ram_backing.ts`, `file_backing.ts`,
 * `cow_backing.ts` (a fork of any of them).
 *
 * The chip has checked every range against `sizeBytes` before it calls.
 */
import type { mtd_point } from './mtd.js';

/** The store of a chip: bytes, and nothing of what they are. */
export interface FlashBacking {
  readonly sizeBytes: number;
  /**
   * window() serves every range that lies inside one aligned piece of this size. A chip needs a
   * multiple of its erase block here.
   */
  readonly windowBytes: number;
  /** Counts write() and fill(); a fork sees by it that somebody wrote below its feet. */
  readonly generation: number;

  /** @throws EIO the host could not read. */
  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void;
  /**
   * Replaces bytes (no AND: that is the chip's affair).
   * @throws EIO the host could not write; some of the bytes may have been stored.
   */
  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void;
  /** Sets bytes to 0xFF. @throws EIO as write(). */
  fill(from: number, len: number): void;
  /**
   * Points `out` at stored bytes. The view is read-only and holds until the next call of any kind,
   * except further window() calls inside the same aligned piece of `windowBytes`; write() and
   * fill() show in it.
   * @returns false when the range crosses a border of `windowBytes`.
   * @throws EIO the host could not read.
   */
  window(from: number, len: number, out: mtd_point): boolean;
  /** What was written is on the host's stable storage. @throws EIO */
  sync(): void;
  /** mtd_info's; absent where there is nothing to gain. */
  plug?(): void;
  /** @throws EIO */
  unplug?(): void;
  /** Idempotent. @throws EIO */
  close(): void;
}
