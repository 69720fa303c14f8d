/**
 * The bad-block table that a driver may keep on a NAND chip, so that it need not look at every
 * block, and does not lose the marks of blocks that hold data where the mark should be.
 *
 * Two bits per block, lowest first: 11 good, 00 bad from the factory, 10 gone bad since, 01
 * reserved. The table and its mirror are in two of the last four blocks, which nobody else may use;
 * the table in the highest that is good. Each begins in its block's first page and has an ident and
 * a version: in OOB (bytes 8 to 11, and 12), or, where OOB has no room, in front of the table. The
 * higher version counts.
 *
 * Source: reference JFFS2 engineering notes, 13.4; tables that Linux 6.1 writes under nandsim are
 * compared byte for byte in test/kernel/nand.ktest.ts.
 */

/** 0: none on flash. 1: ident in OOB. 2: ident in front of the data. nandsim's numbers. */
export type nand_bbt_kind = 0 | 1 | 2;

/** The last blocks of a chip that keeps a table. */
export const BBT_BLOCKS = 4;
const OOB_IDENT = 8;
const OOB_VERSION = 12;
const DATA_VERSION = 4;
const DATA_TABLE = 5;
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const TABLE = bytesOf('Bbt0');
const MIRROR = bytesOf('1tbB');

const GOOD = 3;
const FACTORY_BAD = 0;
const WORN = 2;

/** What a table needs of its chip. */
export interface bbt_chip {
  readonly blocks: number;
  readonly pagesPerBlock: number;
  readonly writesize: number;
  readonly oobsize: number;
  readonly writeable: boolean;
  isMarkedBad(eb: number): boolean;
  /** Data, corrected, and raw OOB of a page. */
  readPage(page: number): { data: Uint8Array; oob: Uint8Array };
  eraseBlock(eb: number): void;
  /** OOB bytes that are 0xFF are left to ECC. */
  programPage(page: number, data: Uint8Array, oob: Uint8Array): void;
}

interface found_table {
  readonly kind: 1 | 2;
  readonly eb: number;
  readonly version: number;
  readonly mirror: boolean;
}

export class nand_bbt {
  readonly kind: 1 | 2;
  readonly #chip: bbt_chip;
  readonly #states: Uint8Array;
  #version: number;

  /** A table of the states that are known; it is not written yet. */
  private constructor(chip: bbt_chip, kind: 1 | 2, states: Uint8Array, version: number) {
    this.kind = kind;
    this.#chip = chip;
    this.#states = states;
    this.#version = version;
  }

  /**
   * The table on the chip; where there is none, and `kind` asks for one, a new one.
   * @param kind undefined: whichever there is.
   * @returns null when the chip keeps no table.
   */
  static open(chip: bbt_chip, kind: nand_bbt_kind | undefined): nand_bbt | null {
    if (kind === 0 || chip.blocks <= BBT_BLOCKS) return null;
    const tables = find(chip).filter((table) => kind === undefined || table.kind === kind);
    const newest = tables.toSorted((a, b) => b.version - a.version)[0];
    if (newest === undefined) {
      if (kind === undefined) return null;
      const states = new Uint8Array(chip.blocks).fill(GOOD);
      for (let eb = 0; eb < chip.blocks; eb++) if (chip.isMarkedBad(eb)) states[eb] = FACTORY_BAD;
      const bbt = new nand_bbt(chip, kind, states, 1);
      bbt.#write();
      return bbt;
    }
    const bbt = new nand_bbt(chip, newest.kind, read(chip, newest), newest.version);
    const both = tables.filter(({ version }) => version === newest.version).length === 2;
    if (!both) bbt.#write();
    return bbt;
  }

  isBad(eb: number): boolean {
    return this.#states[eb] !== GOOD;
  }

  /** The first block that is the table's alone. */
  get reservedFrom(): number {
    return this.#chip.blocks - BBT_BLOCKS;
  }

  /** A block has gone bad. @throws EIO neither table could be written. */
  mark(eb: number): void {
    this.#states[eb] = WORN;
    this.#version = (this.#version + 1) & 0xff;
    this.#write();
  }

  #write(): void {
    if (!this.#chip.writeable) return;
    let eb = this.#chip.blocks - 1;
    for (const ident of [TABLE, MIRROR]) {
      while (eb >= this.reservedFrom && this.isBad(eb)) eb--;
      if (eb < this.reservedFrom) return;
      this.#writeTo(eb, ident);
      eb--;
    }
  }

  #writeTo(eb: number, ident: Uint8Array): void {
    const { writesize, oobsize, pagesPerBlock, blocks } = this.#chip;
    const start = this.kind === 1 ? 0 : DATA_TABLE;
    const pages = Math.ceil((start + Math.ceil(blocks / 4)) / writesize);
    const data = new Uint8Array(pages * writesize).fill(0xff);
    for (let i = 0; i < blocks; i++) {
      const shift = 2 * (i & 3);
      data[start + (i >> 2)]! &= ~(3 << shift) | (this.#states[i]! << shift);
    }
    const oob = new Uint8Array(oobsize).fill(0xff);
    if (this.kind === 1) {
      oob.set(ident, OOB_IDENT);
      oob[OOB_VERSION] = this.#version;
    } else {
      data.set(ident);
      data[DATA_VERSION] = this.#version;
    }
    this.#chip.eraseBlock(eb);
    for (let page = 0; page < pages; page++) {
      const part = data.subarray(page * writesize, (page + 1) * writesize);
      const beside = page === 0 ? oob : new Uint8Array(oobsize).fill(0xff);
      this.#chip.programPage(eb * pagesPerBlock + page, part, beside);
    }
  }
}

function find(chip: bbt_chip): found_table[] {
  const tables: found_table[] = [];
  for (let eb = chip.blocks - 1; eb >= chip.blocks - BBT_BLOCKS; eb--) {
    const { data, oob } = chip.readPage(eb * chip.pagesPerBlock);
    for (const [ident, mirror] of [
      [TABLE, false],
      [MIRROR, true],
    ] as const) {
      const has = (bytes: Uint8Array, at: number): boolean =>
        ident.every((byte, i) => bytes[at + i] === byte);
      if (has(oob, OOB_IDENT)) tables.push({ kind: 1, eb, version: oob[OOB_VERSION]!, mirror });
      else if (has(data, 0)) tables.push({ kind: 2, eb, version: data[DATA_VERSION]!, mirror });
    }
  }
  return tables;
}

function read(chip: bbt_chip, { kind, eb }: found_table): Uint8Array {
  const start = kind === 1 ? 0 : DATA_TABLE;
  const states = new Uint8Array(chip.blocks);
  let page = -1;
  let data = new Uint8Array(0);
  for (let i = 0; i < chip.blocks; i++) {
    const at = start + (i >> 2);
    const inBlock = Math.floor(at / chip.writesize);
    if (inBlock !== page) {
      page = inBlock;
      data = Uint8Array.from(chip.readPage(eb * chip.pagesPerBlock + page).data);
    }
    states[i] = (data[at % chip.writesize]! >> (2 * (i & 3))) & 3;
  }
  return states;
}
