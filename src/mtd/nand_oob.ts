/**
 * What lies where in the OOB of a page: Linux's layouts (mtd_ooblayout_ops) for software Hamming
 * ECC, and the place of the bad-block marker.
 *
 * Source: reference JFFS2 engineering notes, 13.4 and 13.5; the rows that the kernel judge can make
 * with nandsim are checked there (test/kernel/nand.ktest.ts).
 */
import type { nand_ecc } from './nand_ecc.js';

export interface nand_ooblayout {
  /** Where each ECC byte of a page is, step by step. */
  readonly ecc: readonly number[];
  /** The bytes that users may have, in the order of mode AUTO. */
  readonly free: readonly number[];
  /** The byte that is not 0xFF in the first page of a bad block. */
  readonly badblockpos: number;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

/** Linux: byte 5 on pages of up to 512 bytes, byte 0 on others. */
const badblockpos = (writesize: number): number => (writesize > 512 ? 0 : 5);

/**
 * @param ecc null: none; only the marker is taken.
 * @returns null when Linux has no layout for such a chip.
 */
export function nand_ooblayout_of(
  writesize: number,
  oobsize: number,
  ecc: nand_ecc | null,
): nand_ooblayout | null {
  const marker = badblockpos(writesize);
  if (ecc === null) {
    const taken = writesize > 512 ? [0, 1] : [marker];
    return {
      ecc: [],
      free: range(0, oobsize).filter((i) => !taken.includes(i)),
      badblockpos: marker,
    };
  }
  const bytes = (writesize / ecc.stepBytes) * ecc.eccBytes;
  if (writesize <= 512) {
    if (oobsize === 8) return { ecc: [0, 1, 2], free: [3, 4, 6, 7], badblockpos: marker };
    if (oobsize !== 16 || bytes > 6) return null;
    return { ecc: [0, 1, 2, 3, 6, 7], free: range(8, 16), badblockpos: marker };
  }
  const start = oobsize === 64 ? 40 : oobsize === 128 ? 80 : -1;
  if (start < 0 || start + bytes > oobsize) return null;
  const end = start + bytes;
  return {
    ecc: range(start, end),
    free: [...range(2, start), ...range(end, oobsize)],
    badblockpos: marker,
  };
}
