/**
 * LZMA's range coder, writing side, with the probabilities that it adapts.
 *
 * `low` has 33 bits: a carry, and 32 that are kept as a signed number, as `range` is (V8 stores
 * those in an object's field without allocating). `>>> 0` brings the unsigned value back.
 */
import { MOVE_BITS, PROBS_MAX, PROB_BITS, PROB_INIT, RANGE_TOP } from './model.js';

/** Bytes that the coder still holds at the end. */
const FLUSH_BYTES = 5;

export class RangeEncoder {
  readonly #probs = new Uint16Array(PROBS_MAX);
  #dst: Uint8Array = new Uint8Array(0);
  #op = 0;
  #dstEnd = 0;
  #low = 0;
  #carry = 0;
  #range = 0;
  #cache = 0;
  /** Bytes that wait for a carry: the cache, and the 0xff after it. */
  #pending = 0;

  /** `probs`: how many probabilities are in use. */
  reset(probs: number, dst: Uint8Array, dof: number, capacity: number): void {
    this.#probs.fill(PROB_INIT, 0, probs);
    this.#dst = dst;
    this.#op = dof;
    this.#dstEnd = dof + capacity;
    this.#low = 0;
    this.#carry = 0;
    this.#range = -1;
    this.#cache = 0;
    this.#pending = 1;
  }

  /** More bytes came than there was room for; those were dropped. */
  get overflown(): boolean {
    return this.#op > this.#dstEnd;
  }

  /** Writes out what is pending. @returns the end of the stream in the destination. */
  flush(): number {
    for (let i = 0; i < FLUSH_BYTES; i++) this.#shiftLow();
    return this.#op;
  }

  bit(index: number, bit: number): void {
    const probs = this.#probs;
    const prob = probs[index]!;
    const bound = Math.imul(this.#range >>> PROB_BITS, prob);
    if (bit === 0) {
      this.#range = bound;
      probs[index] = prob + (((1 << PROB_BITS) - prob) >> MOVE_BITS);
    } else {
      this.#addLow(bound);
      this.#range = (this.#range - bound) | 0;
      probs[index] = prob - (prob >> MOVE_BITS);
    }
    this.#normalize();
  }

  /** A symbol of `bits` bits, highest first. */
  tree(coder: number, bits: number, symbol: number): void {
    let node = 1;
    for (let i = bits - 1; i >= 0; i--) {
      const bit = (symbol >>> i) & 1;
      this.bit(coder + node, bit);
      node = (node << 1) | bit;
    }
  }

  /** A symbol of `bits` bits, lowest first. */
  reverseTree(coder: number, bits: number, symbol: number): void {
    let node = 1;
    for (let i = 0; i < bits; i++) {
      const bit = (symbol >>> i) & 1;
      this.bit(coder + node, bit);
      node = (node << 1) | bit;
    }
  }

  /** `bits` bits of even chance, highest first. */
  direct(bits: number, value: number): void {
    for (let i = bits - 1; i >= 0; i--) {
      this.#range >>>= 1;
      if ((value >>> i) & 1) this.#addLow(this.#range);
      this.#normalize();
    }
  }

  #addLow(addend: number): void {
    const low = (this.#low + addend) | 0;
    if (low >>> 0 < addend >>> 0) this.#carry = 1;
    this.#low = low;
  }

  #normalize(): void {
    if (this.#range >>> 0 < RANGE_TOP) {
      this.#range <<= 8;
      this.#shiftLow();
    }
  }

  #shiftLow(): void {
    if (this.#low >>> 0 < 0xff000000 || this.#carry !== 0) {
      let byte = this.#cache;
      for (; this.#pending > 0; this.#pending--) {
        if (this.#op < this.#dstEnd) this.#dst[this.#op] = byte + this.#carry;
        this.#op++;
        byte = 0xff;
      }
      this.#cache = this.#low >>> 24;
    }
    this.#pending++;
    this.#low <<= 8;
    this.#carry = 0;
  }
}
