/**
 * LZMA decoder for raw streams of known length: no header, no end marker needed.
 *
 * `range` and `code` are unsigned 32-bit numbers that are kept as signed ones: V8 stores those in
 * an object's field without allocating. `>>> 0` brings the unsigned value back where it matters.
 */
import {
  ALIGN,
  ALIGN_BITS,
  END_POS_MODEL,
  IS_MATCH,
  IS_REP,
  IS_REP0_LONG,
  IS_REP_G0,
  IS_REP_G1,
  IS_REP_G2,
  LEN_CHOICE,
  LEN_CHOICE2,
  LEN_CODER,
  LEN_HIGH,
  LEN_LOW,
  LEN_LOW_SYMBOLS,
  LEN_MID,
  LEN_MID_SYMBOLS,
  LEN_TO_POS_STATES,
  LITERAL,
  LITERAL_SIZE,
  LITERAL_STATES,
  MATCH_LEN_MIN,
  MOVE_BITS,
  POS_SLOT,
  POS_SLOT_BITS,
  POS_STATES_SHIFT,
  PROBS_MAX,
  PROB_BITS,
  PROB_INIT,
  RANGE_TOP,
  REP_LEN_CODER,
  START_POS_MODEL,
  posSpecialBase,
  probsOf,
  stateAfterLiteral,
  stateAfterMatch,
  stateAfterRep,
  stateAfterShortRep,
} from './model.js';
import type { LzmaProperties } from './model.js';

/** Bytes that a range decoder reads before the first bit; the first of them is 0. */
const RANGE_HEADER_BYTES = 5;

export class LzmaDecoder {
  readonly #probs = new Uint16Array(PROBS_MAX);
  #src: Uint8Array = new Uint8Array(0);
  #ip = 0;
  #srcEnd = 0;
  #range = 0;
  #code = 0;

  /**
   * Decodes exactly `dstlen` bytes.
   * @returns false when the stream is malformed or too short. Bytes may be left over: see
   *   {@link cameOutEven}.
   */
  decode(
    properties: LzmaProperties,
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean {
    if (srclen < RANGE_HEADER_BYTES || src[so] !== 0) return false;
    this.#src = src;
    this.#srcEnd = so + srclen;
    this.#ip = so + RANGE_HEADER_BYTES;
    this.#range = -1;
    this.#code = (src[so + 1]! << 24) | (src[so + 2]! << 16) | (src[so + 3]! << 8) | src[so + 4]!;
    this.#probs.fill(PROB_INIT, 0, probsOf(properties));
    return this.#run(properties, dst, dof, dstlen);
  }

  /**
   * After decode(): did the data end where the stream does? The end of a stream pins the range
   * coder down to nothing, so that a stream decoded with wrong parameters passes once in 2^32.
   */
  cameOutEven(): boolean {
    this.#normalize();
    return this.#code === 0 && this.#ip === this.#srcEnd;
  }

  #run(properties: LzmaProperties, dst: Uint8Array, dof: number, dstlen: number): boolean {
    const { lc, lp, pb } = properties;
    const lpMask = (1 << lp) - 1;
    const pbMask = (1 << pb) - 1;
    let state = 0;
    // Distances less one of the last four matches.
    let rep0 = 0;
    let rep1 = 0;
    let rep2 = 0;
    let rep3 = 0;
    let pos = 0;

    while (pos < dstlen) {
      if (this.#ip > this.#srcEnd) return false;
      const posState = pos & pbMask;
      if (this.#bit(IS_MATCH + (state << POS_STATES_SHIFT) + posState) === 0) {
        const previous = pos > 0 ? dst[dof + pos - 1]! : 0;
        const coder = LITERAL + LITERAL_SIZE * (((pos & lpMask) << lc) + (previous >>> (8 - lc)));
        dst[dof + pos] =
          state < LITERAL_STATES
            ? this.#tree(coder, 8)
            : this.#matchedLiteral(coder, dst[dof + pos - rep0 - 1]!);
        pos++;
        state = stateAfterLiteral(state);
        continue;
      }

      let length: number;
      if (this.#bit(IS_REP + state) === 0) {
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        length = this.#length(LEN_CODER, posState);
        rep0 = this.#distance(length);
        state = stateAfterMatch(state);
      } else if (this.#bit(IS_REP_G0 + state) === 0) {
        if (this.#bit(IS_REP0_LONG + (state << POS_STATES_SHIFT) + posState) === 0) {
          length = 1;
          state = stateAfterShortRep(state);
        } else {
          length = this.#length(REP_LEN_CODER, posState);
          state = stateAfterRep(state);
        }
      } else {
        let distance = rep1;
        if (this.#bit(IS_REP_G1 + state) !== 0) {
          distance = rep2;
          if (this.#bit(IS_REP_G2 + state) !== 0) {
            distance = rep3;
            rep3 = rep2;
          }
          rep2 = rep1;
        }
        rep1 = rep0;
        rep0 = distance;
        length = this.#length(REP_LEN_CODER, posState);
        state = stateAfterRep(state);
      }

      // An end marker (distance 2^32 - 1) before the end is refused here, too.
      if (rep0 >= pos || length > dstlen - pos) return false;
      const to = dof + pos;
      const from = to - rep0 - 1;
      for (let i = 0; i < length; i++) dst[to + i] = dst[from + i]!;
      pos += length;
    }
    return this.#ip <= this.#srcEnd;
  }

  #normalize(): void {
    if (this.#range >>> 0 < RANGE_TOP) {
      this.#range <<= 8;
      const byte = this.#ip < this.#srcEnd ? this.#src[this.#ip]! : 0;
      this.#code = (this.#code << 8) | byte;
      this.#ip++;
    }
  }

  #bit(index: number): number {
    this.#normalize();
    const probs = this.#probs;
    const prob = probs[index]!;
    const bound = Math.imul(this.#range >>> PROB_BITS, prob);
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound;
      probs[index] = prob + (((1 << PROB_BITS) - prob) >> MOVE_BITS);
      return 0;
    }
    this.#range = (this.#range - bound) | 0;
    this.#code = (this.#code - bound) | 0;
    probs[index] = prob - (prob >> MOVE_BITS);
    return 1;
  }

  /**
   * A symbol of `bits` bits, highest first. Most of the time is spent here, and in
   * {@link #matchedLiteral}: both have #bit written out, with the coder's state in local variables.
   */
  #tree(coder: number, bits: number): number {
    const probs = this.#probs;
    const src = this.#src;
    let range = this.#range;
    let code = this.#code;
    let ip = this.#ip;
    let symbol = 1;
    for (let i = bits; i > 0; i--) {
      if (range >>> 0 < RANGE_TOP) {
        range <<= 8;
        code = (code << 8) | (ip < this.#srcEnd ? src[ip]! : 0);
        ip++;
      }
      const index = coder + symbol;
      const prob = probs[index]!;
      const bound = Math.imul(range >>> PROB_BITS, prob);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probs[index] = prob + (((1 << PROB_BITS) - prob) >> MOVE_BITS);
        symbol <<= 1;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[index] = prob - (prob >> MOVE_BITS);
        symbol = (symbol << 1) | 1;
      }
    }
    this.#range = range;
    this.#code = code;
    this.#ip = ip;
    return symbol - (1 << bits);
  }

  /** After a match, the byte that the match would have gone on with guides the coder. */
  #matchedLiteral(coder: number, matchByte: number): number {
    const probs = this.#probs;
    const src = this.#src;
    let range = this.#range;
    let code = this.#code;
    let ip = this.#ip;
    let symbol = 1;
    let guide = 0x100;
    while (symbol < 0x100) {
      matchByte <<= 1;
      const matchBit = matchByte & guide;
      if (range >>> 0 < RANGE_TOP) {
        range <<= 8;
        code = (code << 8) | (ip < this.#srcEnd ? src[ip]! : 0);
        ip++;
      }
      const index = coder + guide + matchBit + symbol;
      const prob = probs[index]!;
      const bound = Math.imul(range >>> PROB_BITS, prob);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probs[index] = prob + (((1 << PROB_BITS) - prob) >> MOVE_BITS);
        symbol <<= 1;
        guide &= ~matchBit;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[index] = prob - (prob >> MOVE_BITS);
        symbol = (symbol << 1) | 1;
        guide &= matchBit;
      }
    }
    this.#range = range;
    this.#code = code;
    this.#ip = ip;
    return symbol & 0xff;
  }

  /** A symbol of `bits` bits, lowest first. */
  #reverseTree(coder: number, bits: number): number {
    let symbol = 0;
    let node = 1;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(coder + node);
      node = (node << 1) | bit;
      symbol |= bit << i;
    }
    return symbol;
  }

  #length(coder: number, posState: number): number {
    if (this.#bit(coder + LEN_CHOICE) === 0) {
      return MATCH_LEN_MIN + this.#tree(coder + LEN_LOW + (posState << 3), 3);
    }
    if (this.#bit(coder + LEN_CHOICE2) === 0) {
      return MATCH_LEN_MIN + LEN_LOW_SYMBOLS + this.#tree(coder + LEN_MID + (posState << 3), 3);
    }
    return MATCH_LEN_MIN + LEN_LOW_SYMBOLS + LEN_MID_SYMBOLS + this.#tree(coder + LEN_HIGH, 8);
  }

  /** @returns the distance less one, unsigned. */
  #distance(length: number): number {
    const lenState = Math.min(length - MATCH_LEN_MIN, LEN_TO_POS_STATES - 1);
    const slot = this.#tree(POS_SLOT + (lenState << POS_SLOT_BITS), POS_SLOT_BITS);
    if (slot < START_POS_MODEL) return slot;
    const bits = (slot >>> 1) - 1;
    const high = (2 | (slot & 1)) << bits;
    if (slot < END_POS_MODEL) return high + this.#reverseTree(posSpecialBase(slot, high), bits);
    let middle = 0;
    for (let i = bits - ALIGN_BITS; i > 0; i--) {
      this.#normalize();
      this.#range >>>= 1;
      const bit = this.#code >>> 0 >= this.#range ? 1 : 0;
      if (bit !== 0) this.#code = (this.#code - this.#range) | 0;
      middle = (middle << 1) | bit;
    }
    return (high + (middle << ALIGN_BITS) + this.#reverseTree(ALIGN, ALIGN_BITS)) >>> 0;
  }
}
