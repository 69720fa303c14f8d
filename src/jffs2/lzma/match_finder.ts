/**
 * Hash chains: finds for a position the longest earlier bytes that are the same.
 */
import { MATCH_LEN_MAX, MATCH_LEN_MIN } from './model.js';

const HASH_BITS = 12;
/** Candidates that are looked at for one position. */
const CHAIN_MAX = 48;

/** Is the distance `far` so much longer than `near` that a byte of length does not pay for it? */
export const muchFarther = (near: number, far: number): boolean => far >>> 7 > near;

export class MatchFinder {
  readonly #distanceMax: number;
  /** The last position of each hash of three bytes, and of two; -1: none. */
  readonly #head3 = new Int32Array(1 << HASH_BITS);
  readonly #head2 = new Int32Array(1 << HASH_BITS);
  /** For each position, the one before it with the same hash of three. */
  #previous = new Int32Array(4096);
  #src: Uint8Array = new Uint8Array(0);
  #so = 0;
  #srclen = 0;
  /** Positions below are in the tables. */
  #inserted = 0;
  /** Distance of the match that the last {@link find} returned; 1 is the byte before. */
  distance = 0;

  constructor(distanceMax: number) {
    this.#distanceMax = distanceMax;
  }

  reset(src: Uint8Array, so: number, srclen: number): void {
    this.#src = src;
    this.#so = so;
    this.#srclen = srclen;
    this.#head2.fill(-1);
    this.#head3.fill(-1);
    if (this.#previous.length < srclen) this.#previous = new Int32Array(srclen);
    this.#inserted = 0;
  }

  /** How many bytes at `pos` equal those `distance` before. */
  matchLength(pos: number, distance: number): number {
    if (distance > pos) return 0;
    const src = this.#src;
    const start = this.#so + pos;
    const end = Math.min(start + MATCH_LEN_MAX, this.#so + this.#srclen);
    let at = start;
    while (at < end && src[at] === src[at - distance]) at++;
    return at - start;
  }

  /**
   * The longest match of `pos`, the nearest one of that length, and a shorter one where one byte
   * more is not worth its distance. Positions must not decrease from call to call.
   * @returns its length, 0 or at least MATCH_LEN_MIN.
   */
  find(pos: number): number {
    while (this.#inserted < pos) this.#insert(this.#inserted);
    if (pos + MATCH_LEN_MIN > this.#srclen) return 0;
    const candidate2 = this.#head2[this.#hash2(pos)]!;
    const candidate3 = pos + 3 <= this.#srclen ? this.#head3[this.#hash3(pos)]! : -1;
    if (this.#inserted === pos) this.#insert(pos);

    let length = 0;
    this.distance = 0;
    if (candidate2 >= 0 && pos - candidate2 <= this.#distanceMax) {
      length = this.matchLength(pos, pos - candidate2);
      // A clash of hashes.
      if (length < MATCH_LEN_MIN) length = 0;
      else this.distance = pos - candidate2;
    }
    const src = this.#src;
    const here = this.#so + pos;
    const lengthMax = Math.min(MATCH_LEN_MAX, this.#srclen - pos);
    let candidate = candidate3;
    for (let i = 0; i < CHAIN_MAX && candidate >= 0 && length < lengthMax; i++) {
      const distance = pos - candidate;
      if (distance > this.#distanceMax) break;
      // Most candidates differ where they would have to be longer.
      if (src[here + length] === src[here - distance + length]) {
        const n = this.matchLength(pos, distance);
        const better = n > length + 1 || !muchFarther(this.distance, distance) || length === 0;
        if (n > length && n >= MATCH_LEN_MIN && better) {
          length = n;
          this.distance = distance;
        }
      }
      candidate = this.#previous[candidate]!;
    }
    return length;
  }

  #insert(pos: number): void {
    if (pos + 2 <= this.#srclen) this.#head2[this.#hash2(pos)] = pos;
    if (pos + 3 <= this.#srclen) {
      const slot = this.#hash3(pos);
      this.#previous[pos] = this.#head3[slot]!;
      this.#head3[slot] = pos;
    }
    this.#inserted = pos + 1;
  }

  #hash2(pos: number): number {
    const at = this.#so + pos;
    return Math.imul(this.#src[at]! | (this.#src[at + 1]! << 8), 0x9e3779b1) >>> (32 - HASH_BITS);
  }

  #hash3(pos: number): number {
    const at = this.#so + pos;
    const bytes = this.#src[at]! | (this.#src[at + 1]! << 8) | (this.#src[at + 2]! << 16);
    return Math.imul(bytes, 0x9e3779b1) >>> (32 - HASH_BITS);
  }
}
