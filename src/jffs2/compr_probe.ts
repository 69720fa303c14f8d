/**
 * Tells data that no codec can make smaller: pictures, archives, keys. zlib and rtime need about
 * 75 µs to find that out for a page, this needs about 12, and for text a third of one. Linux's
 * jffs2 has no such thing (its btrfs has, to the same end).
 *
 * Two things make data smaller: bytes that are not equally frequent, and bytes that repeat. The
 * first is bounded by the collision entropy, which is never more than Shannon's; the second by
 * counting where four bytes have stood before. The bounds are so chosen that about one per cent of
 * a page is given away at most; what they let pass by mistake costs a codec its time only.
 */
import { DataViewCache } from './data_view_cache.js';

/** Shorter data looks less random than it is; longer does not fit the table of positions. */
const LENGTH_MIN = 2048;
const LENGTH_MAX = 0xffff;
/** Bytes looked at first. Text is told by these alone. */
const SAMPLES = 256;
/** Sum of squared counts of the samples: 511 is expected of random bytes, 4,000 of text. */
const SAMPLE_SQUARES_MAX = 768;
/** Bits of collision entropy per byte; a page of random bytes has 7.91 ± 0.01. */
const ENTROPY_MIN_BITS = 7.8;
const COLLISIONS_MAX = 2 ** -ENTROPY_MIN_BITS;
/** Places where four bytes repeat: a match of n bytes has n - 3 of them. */
const REPEATS_MAX = 32;
const HASH_BITS = 12;

export class jffs2_compr_probe {
  readonly #counts = new Int32Array(256);
  /** By hash of four bytes, where they stood last; from the start of the data. */
  readonly #positions = new Uint16Array(1 << HASH_BITS);
  readonly #view = new DataViewCache();

  /** True when it is not worth trying to compress `src[so … so+srclen)`. */
  isIncompressible(src: Uint8Array, so: number, srclen: number): boolean {
    if (srclen < LENGTH_MIN || srclen > LENGTH_MAX) return false;
    if (this.#squares(src, so, SAMPLES, Math.floor(srclen / SAMPLES)) > SAMPLE_SQUARES_MAX) {
      return false;
    }
    if (this.#squares(src, so, srclen, 1) > COLLISIONS_MAX * srclen * srclen) return false;
    return this.#repeats(src, so, srclen) < REPEATS_MAX;
  }

  /** The sum of the squares of how often each byte value occurs among `count` bytes. */
  #squares(src: Uint8Array, so: number, count: number, stride: number): number {
    const counts = this.#counts.fill(0);
    let sum = 0;
    for (let i = 0, at = so; i < count; i++, at += stride) {
      // (c + 1)² - c²
      const c = counts[src[at]!]!++;
      sum += 2 * c + 1;
    }
    return sum;
  }

  /** Counts up to REPEATS_MAX places whose four bytes have stood before. */
  #repeats(src: Uint8Array, so: number, srclen: number): number {
    const view = this.#view.of(src);
    const base = src.byteOffset + so;
    // Zero is right without more ado: what stands there is compared in any case.
    const positions = this.#positions.fill(0);
    let repeats = 0;
    for (let pos = 1; pos <= srclen - 4 && repeats < REPEATS_MAX; pos++) {
      const four = view.getInt32(base + pos);
      const slot = Math.imul(four, 0x9e3779b1) >>> (32 - HASH_BITS);
      if (view.getInt32(base + positions[slot]!) === four) repeats++;
      positions[slot] = pos;
    }
    return repeats;
  }
}
