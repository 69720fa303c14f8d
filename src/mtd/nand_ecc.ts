/**
 * Software Hamming ECC as Linux computes it: 3 bytes per step of 256 bytes, one wrong bit of a step
 * corrected, two found. Any step that is erased (all 0xFF) has the ECC FF FF FF, so that an erased
 * page needs none.
 *
 * The code of a step are 22 parities. For each of the 8 bits of a byte's address there are two: of
 * the bytes whose address has a 0 there and of those with a 1; for each of the 3 bits of a bit's
 * number two more. They are stored inverted. A single wrong bit of data changes one parity of every
 * pair, and the changed ones spell its address; a wrong bit of the code changes one parity alone.
 *
 * Source: reference JFFS2 engineering notes, 13.5, where it is checked on pages that Linux wrote.
 */

export const HAMMING_STEP_BYTES = 256;
export const HAMMING_ECC_BYTES = 3;

/** nand_correct() found more wrong bits than it can correct. */
export const ECC_UNCORRECTABLE = -1;

/** Linux's software Hamming code, or none. */
export type nand_ecc_name = 'hamming' | 'none';

/** A chip's ECC, step by step; a stronger code would be another one of these. */
export interface nand_ecc {
  readonly name: string;
  readonly stepBytes: number;
  readonly eccBytes: number;
  /** Wrong bits per step that are corrected. */
  readonly strength: number;
  /** ECC of the step at data[dataOffset], to ecc[eccOffset]. */
  calculate(data: Uint8Array, dataOffset: number, ecc: Uint8Array, eccOffset: number): void;
  /**
   * Corrects the step at data[dataOffset] by the ECC that was stored with it.
   * @returns the number of wrong bits (in data or ECC), or ECC_UNCORRECTABLE: data unchanged.
   */
  correct(data: Uint8Array, dataOffset: number, ecc: Uint8Array, eccOffset: number): number;
}

/** 1 for bytes with an odd number of ones. */
const PARITY = Uint8Array.from({ length: 256 }, (_, byte) => ones(byte) & 1);
/** Bits 0–3 of the index to bits 1, 3, 5, 7 of the entry. */
const SPREAD = Uint8Array.from(
  { length: 16 },
  (_, bits) => ((bits & 1) << 1) | ((bits & 2) << 2) | ((bits & 4) << 3) | ((bits & 8) << 4),
);
/** The other way round: bits 1, 3, 5, 7 of the index to bits 0–3. */
const GATHER = Uint8Array.from(
  { length: 256 },
  (_, byte) => ((byte >> 1) & 1) | ((byte >> 2) & 2) | ((byte >> 3) & 4) | ((byte >> 4) & 8),
);
/** Each parity over a byte's bits whose number has a 0 (55, 33, 0F) or 1 (AA, CC, F0) in it. */
const COLUMNS = Uint8Array.from(
  { length: 256 },
  (_, byte) =>
    (PARITY[byte & 0x55]! << 2) |
    (PARITY[byte & 0xaa]! << 3) |
    (PARITY[byte & 0x33]! << 4) |
    (PARITY[byte & 0xcc]! << 5) |
    (PARITY[byte & 0x0f]! << 6) |
    (PARITY[byte & 0xf0]! << 7),
);

function ones(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** The lowest byte of a word is its first. */
const WORDS_FIT = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
/** The words of the buffer that was looked at last: a view costs more than a step. */
let wordsOf: ArrayBufferLike | null = null;
let words: Int32Array = new Int32Array(0);

/** @returns the three ECC bytes, the first one lowest. */
function hamming(data: Uint8Array, offset: number): number {
  const start = data.byteOffset + offset;
  if (!WORDS_FIT || start % 4 !== 0) return hamming_of_bytes(data, offset);
  if (wordsOf !== data.buffer) {
    wordsOf = data.buffer;
    words = new Int32Array(wordsOf, 0, wordsOf.byteLength >> 2);
  }
  return hamming_of_words(words, start >> 2);
}

function hamming_of_bytes(data: Uint8Array, offset: number): number {
  let all = 0;
  // The XOR of the addresses of all bytes of odd parity: bit k is the parity over the bytes whose
  // address has a 1 there.
  let lines = 0;
  for (let i = 0; i < HAMMING_STEP_BYTES; i++) {
    const byte = data[offset + i]!;
    all ^= byte;
    lines ^= -PARITY[byte]! & i;
  }
  return code_of(all, lines);
}

/** The same by words, whose bits are the parities of 32 columns at once; ten times as fast. */
function hamming_of_words(step: Int32Array, start: number): number {
  let all = 0;
  // XORs of the words whose number has a 1 in bit 0, 1, … 5: bits 2 to 7 of a byte's address.
  let bit0 = 0;
  let bit1 = 0;
  let bit2 = 0;
  let bit3 = 0;
  let bit4 = 0;
  let bit5 = 0;
  for (let i = 0; i < HAMMING_STEP_BYTES / 4; i += 8) {
    const at = start + i;
    const word1 = step[at + 1]!;
    const word3 = step[at + 3]!;
    const word5 = step[at + 5]!;
    const word7 = step[at + 7]!;
    const pair1 = step[at + 2]! ^ word3;
    const pair2 = step[at + 4]! ^ word5;
    const pair3 = step[at + 6]! ^ word7;
    const eight = step[at]! ^ word1 ^ pair1 ^ pair2 ^ pair3;
    all ^= eight;
    bit0 ^= word1 ^ word3 ^ word5 ^ word7;
    bit1 ^= pair1 ^ pair3;
    bit2 ^= pair2 ^ pair3;
    if ((i & 8) !== 0) bit3 ^= eight;
    if ((i & 16) !== 0) bit4 ^= eight;
    if ((i & 32) !== 0) bit5 ^= eight;
  }
  // The second and fourth byte of each word, and its third and fourth.
  const odd = (all >>> 8) ^ (all >>> 24);
  const high = (all >>> 16) ^ (all >>> 24);
  const lines =
    PARITY[odd & 0xff]! |
    (PARITY[high & 0xff]! << 1) |
    (word_parity(bit0) << 2) |
    (word_parity(bit1) << 3) |
    (word_parity(bit2) << 4) |
    (word_parity(bit3) << 5) |
    (word_parity(bit4) << 6) |
    (word_parity(bit5) << 7);
  return code_of((all ^ (all >>> 8) ^ (all >>> 16) ^ (all >>> 24)) & 0xff, lines);
}

function word_parity(word: number): number {
  const half = word ^ (word >>> 16);
  return PARITY[(half ^ (half >>> 8)) & 0xff]!;
}

/** @param all the XOR of all bytes; `lines`: parities over the bytes with a 1 in an address bit. */
function code_of(all: number, lines: number): number {
  // Both parities of a pair together are the parity of the whole step.
  const zeros = PARITY[all] === 1 ? ~lines : lines;
  const byte0 = SPREAD[(lines >> 4) & 15]! | (SPREAD[(zeros >> 4) & 15]! >> 1);
  const byte1 = SPREAD[lines & 15]! | (SPREAD[zeros & 15]! >> 1);
  const byte2 = COLUMNS[all]!;
  return ~(byte0 | (byte1 << 8) | (byte2 << 16)) & 0xffffff;
}

export const hamming_ecc: nand_ecc = {
  name: 'Hamming',
  stepBytes: HAMMING_STEP_BYTES,
  eccBytes: HAMMING_ECC_BYTES,
  strength: 1,

  calculate(data, dataOffset, ecc, eccOffset) {
    const code = hamming(data, dataOffset);
    ecc[eccOffset] = code & 0xff;
    ecc[eccOffset + 1] = (code >> 8) & 0xff;
    ecc[eccOffset + 2] = code >> 16;
  },

  correct(data, dataOffset, ecc, eccOffset) {
    const code = hamming(data, dataOffset);
    const byte0 = (code & 0xff) ^ ecc[eccOffset]!;
    const byte1 = ((code >> 8) & 0xff) ^ ecc[eccOffset + 1]!;
    // Its two lowest bits are no parities; a wrong one is still a wrong bit of the ECC.
    const byte2 = (code >> 16) ^ ecc[eccOffset + 2]!;
    if ((byte0 | byte1 | byte2) === 0) return 0;
    const pairs =
      (((byte0 ^ (byte0 >> 1)) & 0x55) === 0x55 ? 1 : 0) &
      (((byte1 ^ (byte1 >> 1)) & 0x55) === 0x55 ? 1 : 0) &
      (((byte2 ^ (byte2 >> 1)) & 0x54) === 0x54 ? 1 : 0);
    if (pairs === 1) {
      const address = (GATHER[byte0]! << 4) | GATHER[byte1]!;
      const bit = GATHER[byte2]! >> 1;
      data[dataOffset + address]! ^= 1 << bit;
      return 1;
    }
    return ones(byte0) + ones(byte1) + ones(byte2) === 1 ? 1 : ECC_UNCORRECTABLE;
  },
};

/** @returns null for 'none'. */
export const nand_ecc_of = (name: nand_ecc_name): nand_ecc | null =>
  name === 'hamming' ? hamming_ecc : null;
