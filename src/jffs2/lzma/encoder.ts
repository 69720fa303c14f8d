/**
 * LZMA encoder for small raw streams: no header, no end marker. It chooses matches by rules of
 * thumb with one position of lookahead, not by prices.
 */
import { MatchFinder, muchFarther } from './match_finder.js';
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
  POS_SLOT,
  POS_SLOT_BITS,
  POS_STATES_SHIFT,
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
import { RangeEncoder } from './range_encoder.js';

/** A match of this length is taken without looking further. */
const NICE_LENGTH = 128;
/** A pair of bytes from further away costs more than two literals. */
const PAIR_DISTANCE_MAX = 128;
/** Beyond this distance, a repeated match two bytes shorter is cheaper. */
const REP_BY_TWO_DISTANCE = 512;

export class LzmaEncoder {
  readonly #properties: LzmaProperties;
  readonly #matches: MatchFinder;
  readonly #rc = new RangeEncoder();
  #src: Uint8Array = new Uint8Array(0);
  #so = 0;
  #state = 0;
  /** Distances of the last four matches, latest first. */
  readonly #reps = new Int32Array(4);
  /** Which of them {@link #findRep} chose. */
  #repIndex = 0;

  constructor(properties: LzmaProperties, dictionaryBytes: number) {
    this.#properties = properties;
    this.#matches = new MatchFinder(dictionaryBytes);
  }

  /** Compresses all of the source. @returns the bytes written, or -1 when they do not fit. */
  encode(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    capacity: number,
  ): number {
    this.#src = src;
    this.#so = so;
    this.#state = 0;
    this.#reps.fill(1);
    this.#matches.reset(src, so, srclen);
    this.#rc.reset(probsOf(this.#properties), dst, dof, capacity);

    let pos = 0;
    let length = this.#matches.find(0);
    let distance = this.#matches.distance;
    while (pos < srclen) {
      if (this.#rc.overflown) return -1;
      const repLength = this.#findRep(pos);
      // A repeated distance costs so little that its match may be a little shorter.
      const slack = distance >= REP_BY_TWO_DISTANCE ? 2 : 1;
      let taken: number;
      if (repLength >= MATCH_LEN_MIN && repLength + slack >= length) {
        this.#putRep(pos, repLength);
        taken = repLength;
      } else if (length >= NICE_LENGTH) {
        this.#putMatch(pos, length, distance);
        taken = length;
      } else {
        const nextLength = this.#matches.find(pos + 1);
        const nextDistance = this.#matches.distance;
        if (this.#waits(pos + 1, length, distance, nextLength, nextDistance)) {
          this.#putLiteral(pos);
          pos++;
          length = nextLength;
          distance = nextDistance;
          continue;
        }
        this.#putMatch(pos, length, distance);
        taken = length;
      }
      pos += taken;
      length = this.#matches.find(pos);
      distance = this.#matches.distance;
    }
    const end = this.#rc.flush();
    return this.#rc.overflown ? -1 : end - dof;
  }

  /** Is a literal better now than the match, because of what can follow at `next`? */
  #waits(
    next: number,
    length: number,
    distance: number,
    nextLength: number,
    nextDistance: number,
  ): boolean {
    if (length < MATCH_LEN_MIN) return true;
    if (length === MATCH_LEN_MIN && distance > PAIR_DISTANCE_MAX) return true;
    if (nextLength > length + 1) return true;
    if (nextLength === length + 1 && !muchFarther(distance, nextDistance)) return true;
    if (nextLength === length && nextDistance < distance) return true;
    if (nextLength === length - 1 && length > 2 && muchFarther(nextDistance, distance)) return true;
    return length > 2 && this.#findRep(next) >= length - 1;
  }

  /** The longest match at a repeated distance; which, is in #repIndex. */
  #findRep(pos: number): number {
    let length = 0;
    for (let i = 0; i < 4; i++) {
      const n = this.#matches.matchLength(pos, this.#reps[i]!);
      if (n > length) {
        length = n;
        this.#repIndex = i;
      }
    }
    return length;
  }

  /** Writes one byte: as a short repeat of the latest distance when that is possible. */
  #putLiteral(pos: number): void {
    const { lc, lp, pb } = this.#properties;
    const at = this.#so + pos;
    const byte = this.#src[at]!;
    const posState = pos & ((1 << pb) - 1);
    const state = this.#state;
    const isMatch = IS_MATCH + (state << POS_STATES_SHIFT) + posState;
    const rep0 = this.#reps[0]!;
    const repByte = rep0 <= pos ? this.#src[at - rep0]! : -1;

    if (repByte === byte) {
      this.#rc.bit(isMatch, 1);
      this.#rc.bit(IS_REP + state, 1);
      this.#rc.bit(IS_REP_G0 + state, 0);
      this.#rc.bit(IS_REP0_LONG + (state << POS_STATES_SHIFT) + posState, 0);
      this.#state = stateAfterShortRep(state);
      return;
    }

    this.#rc.bit(isMatch, 0);
    const previous = pos > 0 ? this.#src[at - 1]! : 0;
    const context = ((pos & ((1 << lp) - 1)) << lc) + (previous >>> (8 - lc));
    const coder = LITERAL + LITERAL_SIZE * context;
    if (state < LITERAL_STATES) this.#rc.tree(coder, 8, byte);
    else this.#putMatchedLiteral(coder, byte, repByte);
    this.#state = stateAfterLiteral(state);
  }

  /** After a match, the byte that the match would have gone on with guides the coder. */
  #putMatchedLiteral(coder: number, byte: number, matchByte: number): void {
    let node = 1;
    let guide = 0x100;
    for (let i = 7; i >= 0; i--) {
      const bit = (byte >>> i) & 1;
      const matchBit = ((matchByte >>> i) & 1) << 8;
      this.#rc.bit(coder + guide + (matchBit & guide) + node, bit);
      node = (node << 1) | bit;
      if (matchBit >>> 8 !== bit) guide = 0;
    }
  }

  #putMatch(pos: number, length: number, distance: number): void {
    const posState = pos & ((1 << this.#properties.pb) - 1);
    const state = this.#state;
    this.#rc.bit(IS_MATCH + (state << POS_STATES_SHIFT) + posState, 1);
    this.#rc.bit(IS_REP + state, 0);
    this.#putLength(LEN_CODER, posState, length);
    this.#putDistance(distance - 1, length);
    this.#reps.copyWithin(1, 0, 3);
    this.#reps[0] = distance;
    this.#state = stateAfterMatch(state);
  }

  /** A match of at least two bytes at the distance #repIndex. */
  #putRep(pos: number, length: number): void {
    const posState = pos & ((1 << this.#properties.pb) - 1);
    const state = this.#state;
    const index = this.#repIndex;
    this.#rc.bit(IS_MATCH + (state << POS_STATES_SHIFT) + posState, 1);
    this.#rc.bit(IS_REP + state, 1);
    if (index === 0) {
      this.#rc.bit(IS_REP_G0 + state, 0);
      this.#rc.bit(IS_REP0_LONG + (state << POS_STATES_SHIFT) + posState, 1);
    } else {
      this.#rc.bit(IS_REP_G0 + state, 1);
      this.#rc.bit(IS_REP_G1 + state, index === 1 ? 0 : 1);
      if (index > 1) this.#rc.bit(IS_REP_G2 + state, index - 2);
      const distance = this.#reps[index]!;
      this.#reps.copyWithin(1, 0, index);
      this.#reps[0] = distance;
    }
    this.#putLength(REP_LEN_CODER, posState, length);
    this.#state = stateAfterRep(state);
  }

  #putLength(coder: number, posState: number, length: number): void {
    let symbol = length - MATCH_LEN_MIN;
    if (symbol < LEN_LOW_SYMBOLS) {
      this.#rc.bit(coder + LEN_CHOICE, 0);
      this.#rc.tree(coder + LEN_LOW + (posState << 3), 3, symbol);
      return;
    }
    symbol -= LEN_LOW_SYMBOLS;
    this.#rc.bit(coder + LEN_CHOICE, 1);
    if (symbol < LEN_MID_SYMBOLS) {
      this.#rc.bit(coder + LEN_CHOICE2, 0);
      this.#rc.tree(coder + LEN_MID + (posState << 3), 3, symbol);
      return;
    }
    this.#rc.bit(coder + LEN_CHOICE2, 1);
    this.#rc.tree(coder + LEN_HIGH, 8, symbol - LEN_MID_SYMBOLS);
  }

  /** `distance` is less one here, as the format has it. */
  #putDistance(distance: number, length: number): void {
    const lenState = Math.min(length - MATCH_LEN_MIN, LEN_TO_POS_STATES - 1);
    const top = 31 - Math.clz32(distance);
    const slot = distance < START_POS_MODEL ? distance : 2 * top + ((distance >>> (top - 1)) & 1);
    this.#rc.tree(POS_SLOT + (lenState << POS_SLOT_BITS), POS_SLOT_BITS, slot);
    if (slot < START_POS_MODEL) return;
    const bits = (slot >>> 1) - 1;
    const high = (2 | (slot & 1)) << bits;
    const rest = distance - high;
    if (slot < END_POS_MODEL) {
      this.#rc.reverseTree(posSpecialBase(slot, high), bits, rest);
    } else {
      this.#rc.direct(bits - ALIGN_BITS, rest >>> ALIGN_BITS);
      this.#rc.reverseTree(ALIGN, ALIGN_BITS, rest & ((1 << ALIGN_BITS) - 1));
    }
  }
}
