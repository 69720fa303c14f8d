/**
 * A copy-on-write fork of any backing: the state of a chip as a value, which a power-cut test can
 * fork hundreds of times.
 *
 * Units of `windowBytes` (an erase block, or several) are copied when they are first written. A
 * fork of a fork shares the copies made so far: both sides give up ownership and copy again before
 * they write, so forking costs one pass over the units that differ from the base, no bytes.
 *
 * The base must stay as it was while forks of it live; a fork that finds it written panics. To go
 * on with a chip whose state was forked, put the chip itself on a fork.
 */
import { BUG_ON } from '../lump/bug.js';
import type { FlashBacking } from './backing.js';
import type { mtd_point } from './mtd.js';

/** A fork: what is written stays in memory, the rest is read from below. */
export class CowBacking implements FlashBacking {
  readonly sizeBytes: number;
  readonly windowBytes: number;
  generation = 0;
  readonly #base: FlashBacking;
  readonly #baseGeneration: number;
  /** Units that differ from the base, by number. */
  readonly #units: Map<number, Uint8Array>;
  /** The units that no other fork shares. */
  readonly #owned = new Set<number>();

  /** @param windowBytes divides the base's; the erase size is a good choice. */
  constructor(base: FlashBacking, windowBytes: number, units?: Map<number, Uint8Array>) {
    BUG_ON(
      base.windowBytes % windowBytes !== 0,
      `cow: units of ${windowBytes} bytes do not divide windows of ${base.windowBytes}`,
    );
    this.sizeBytes = base.sizeBytes;
    this.windowBytes = windowBytes;
    this.#base = base;
    this.#baseGeneration = base.generation;
    this.#units = units ?? new Map();
  }

  /** An independent backing that starts with this one's bytes. */
  fork(): CowBacking {
    this.#checkBase();
    this.#owned.clear();
    return new CowBacking(this.#base, this.windowBytes, new Map(this.#units));
  }

  /** Units that were written since the base: what the fork costs in memory, times windowBytes. */
  get unitsCopied(): number {
    return this.#units.size;
  }

  #checkBase(): void {
    BUG_ON(
      this.#base.generation !== this.#baseGeneration,
      'cow: the base was written while a fork of it lives',
    );
  }

  /** The unit's own bytes, ready to be written. `overwritten` spares reading the old ones. */
  #own(unit: number, overwritten: boolean): Uint8Array {
    const shared = this.#units.get(unit);
    if (shared !== undefined && this.#owned.has(unit)) return shared;
    let own: Uint8Array;
    if (overwritten) {
      own = new Uint8Array(this.windowBytes);
    } else if (shared !== undefined) {
      own = shared.slice();
    } else {
      this.#checkBase();
      own = new Uint8Array(this.windowBytes);
      const start = unit * this.windowBytes;
      this.#base.read(start, Math.min(this.windowBytes, this.sizeBytes - start), own, 0);
    }
    this.#units.set(unit, own);
    this.#owned.add(unit);
    return own;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    let done = 0;
    while (done < len) {
      const at = from + done;
      const unit = Math.floor(at / this.windowBytes);
      const inUnit = at - unit * this.windowBytes;
      const piece = Math.min(len - done, this.windowBytes - inUnit);
      const bytes = this.#units.get(unit);
      if (bytes !== undefined) {
        buf.set(bytes.subarray(inUnit, inUnit + piece), bufOffset + done);
      } else {
        this.#checkBase();
        this.#base.read(at, piece, buf, bufOffset + done);
      }
      done += piece;
    }
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.generation++;
    let done = 0;
    while (done < len) {
      const at = to + done;
      const unit = Math.floor(at / this.windowBytes);
      const inUnit = at - unit * this.windowBytes;
      const piece = Math.min(len - done, this.windowBytes - inUnit);
      const source = buf.subarray(bufOffset + done, bufOffset + done + piece);
      this.#own(unit, piece === this.windowBytes).set(source, inUnit);
      done += piece;
    }
  }

  fill(from: number, len: number): void {
    this.generation++;
    let done = 0;
    while (done < len) {
      const at = from + done;
      const unit = Math.floor(at / this.windowBytes);
      const inUnit = at - unit * this.windowBytes;
      const piece = Math.min(len - done, this.windowBytes - inUnit);
      this.#own(unit, piece === this.windowBytes).fill(0xff, inUnit, inUnit + piece);
      done += piece;
    }
  }

  window(from: number, len: number, out: mtd_point): boolean {
    const unit = Math.floor(from / this.windowBytes);
    const inUnit = from - unit * this.windowBytes;
    if (inUnit + len > this.windowBytes) return false;
    const bytes = this.#units.get(unit);
    if (bytes === undefined) {
      this.#checkBase();
      return this.#base.window(from, len, out);
    }
    out.buf = bytes;
    out.off = inUnit;
    return true;
  }

  sync(): void {}

  /** Lets the copies go. The base stays open: it is its maker's to close. */
  close(): void {
    this.#units.clear();
    this.#owned.clear();
  }
}
