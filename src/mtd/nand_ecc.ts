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

/** @returns the three ECC bytes, the first one lowest. */
function hamming(data: Uint8Array, offset: number): number {
  let all = 0;
  // The XOR of the addresses of all bytes of odd parity: bit k is the parity over the bytes whose
  // address has a 1 there.
  let lines = 0;
  for (let i = 0; i < HAMMING_STEP_BYTES; i++) {
    const byte = data[offset + i]!;
    all ^= byte;
    lines ^= -PARITY[byte]! & i;
  }
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
