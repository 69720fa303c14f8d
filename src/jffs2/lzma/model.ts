/**
 * LZMA's model: which probabilities there are, and how the coder's state moves. Encoder and decoder
 * share it. The format is Igor Pavlov's, specified in the public-domain LZMA SDK ("LZMA
 * Specification"); the layout of the probabilities in one array is ours.
 */

/** A stream's parameters; part of the format, and nowhere in a raw stream. */
export interface LzmaProperties {
  /** Bits of the previous byte that select a literal coder, 0–4 here. */
  readonly lc: number;
  /** Bits of the position that select a literal coder; lc + lp ≤ 4 here. */
  readonly lp: number;
  /** Bits of the position that matches and lengths look at, 0–4. */
  readonly pb: number;
}

/**
 * The format allows lc + lp = 12, 6 MB of probabilities to fill for a page of data. As liblzma, we
 * take what bounds the work per call.
 */
export const LC_LP_MAX = 4;

export const PROB_BITS = 11;
export const PROB_INIT = 1 << (PROB_BITS - 1);
/** How fast a probability follows. */
export const MOVE_BITS = 5;
/** Below this the range is widened by a byte. */
export const RANGE_TOP = 1 << 24;

export const MATCH_LEN_MIN = 2;
export const MATCH_LEN_MAX = 273;

const STATES = 12;
export const POS_STATES_SHIFT = 4;
const POS_STATES = 1 << POS_STATES_SHIFT;

/** Lengths: 8 short ones and 8 middle ones for each position state, 256 long ones. */
export const LEN_CHOICE = 0;
export const LEN_CHOICE2 = 1;
export const LEN_LOW = 2;
export const LEN_MID = LEN_LOW + POS_STATES * 8;
export const LEN_HIGH = LEN_MID + POS_STATES * 8;
export const LEN_LOW_SYMBOLS = 8;
export const LEN_MID_SYMBOLS = 8;
const LEN_PROBS = LEN_HIGH + 256;

/** Distances: a slot of 6 bits, for lengths of 2, 3, 4 and more apart; then lower bits. */
export const LEN_TO_POS_STATES = 4;
export const POS_SLOT_BITS = 6;
/** Slots below tell the distance, from here to END_POS_MODEL the rest has its own coders. */
export const START_POS_MODEL = 4;
export const END_POS_MODEL = 14;
export const ALIGN_BITS = 4;
/** Coders of the middle slots; {@link posSpecialBase}. */
const POS_SPECIAL_PROBS = 114;

// Where each group of probabilities starts.
export const IS_MATCH = 0;
export const IS_REP = IS_MATCH + STATES * POS_STATES;
export const IS_REP_G0 = IS_REP + STATES;
export const IS_REP_G1 = IS_REP_G0 + STATES;
export const IS_REP_G2 = IS_REP_G1 + STATES;
export const IS_REP0_LONG = IS_REP_G2 + STATES;
export const POS_SLOT = IS_REP0_LONG + STATES * POS_STATES;
export const POS_SPECIAL = POS_SLOT + (LEN_TO_POS_STATES << POS_SLOT_BITS);
export const ALIGN = POS_SPECIAL + POS_SPECIAL_PROBS;
export const LEN_CODER = ALIGN + (1 << ALIGN_BITS);
export const REP_LEN_CODER = LEN_CODER + LEN_PROBS;
export const LITERAL = REP_LEN_CODER + LEN_PROBS;
/** Probabilities per literal coder. */
export const LITERAL_SIZE = 0x300;

export const PROBS_MAX = LITERAL + (LITERAL_SIZE << LC_LP_MAX);

/** How many probabilities a stream of these parameters uses. */
export const probsOf = ({ lc, lp }: LzmaProperties): number =>
  LITERAL + (LITERAL_SIZE << (lc + lp));

/** Where the reverse tree of a middle slot has its (unused) entry 0. */
export const posSpecialBase = (slot: number, distance: number): number =>
  POS_SPECIAL + distance - slot - 1;

/** States below this follow a literal. */
export const LITERAL_STATES = 7;
export const stateAfterLiteral = (s: number): number => (s < 4 ? 0 : s < 10 ? s - 3 : s - 6);
export const stateAfterMatch = (s: number): number => (s < LITERAL_STATES ? 7 : 10);
export const stateAfterRep = (s: number): number => (s < LITERAL_STATES ? 8 : 11);
export const stateAfterShortRep = (s: number): number => (s < LITERAL_STATES ? 9 : 11);

/** The properties byte of a header. @returns null when it is none, or exceeds {@link LC_LP_MAX}. */
export function lzmaPropertiesOf(byte: number): LzmaProperties | null {
  if (byte >= 9 * 5 * 5) return null;
  const lc = byte % 9;
  const lp = Math.floor(byte / 9) % 5;
  const pb = Math.floor(byte / 45);
  return lc + lp > LC_LP_MAX ? null : { lc, lp, pb };
}

export const lzmaPropertiesByte = ({ lc, lp, pb }: LzmaProperties): number =>
  (pb * 5 + lp) * 9 + lc;
