/**
 * Shim: how long a real chip would have taken. Every operation gets the typical times of a data
 * sheet; totals can be asked for, and a virtual clock can be moved on by them, so that what waits
 * for time to pass (timers, write-back) sees it pass.
 *
 *     const mtd = new mtd_timing(chip, timing_of(chip), (ms) => host.advance(ms));
 *     …
 *     mtd.totals.eraseUs
 *
 * A chip is read and programmed in units: a page of NAND, a page of 256 bytes of serial NOR. Each
 * unit costs its fixed time, and each byte that crosses the bus its own. A failed operation takes
 * as long as one that went well. A window that point() hands out counts as if all of it were read.
 */
import { MTD_DATAFLASH, MTD_NANDFLASH, MTD_NORFLASH, MTD_UBIVOLUME } from './mtd.js';
import type { erase_info, mtd_info, mtd_oob_ops, mtd_point } from './mtd.js';
import { mtd_shim } from './shim.js';

/** All times in microseconds. */
export interface flash_timing {
  /** Where the numbers are from. */
  readonly source: string;
  /** Bytes that are read or programmed at once. */
  readonly unitBytes: number;
  readonly readUnitUs: number;
  readonly readByteUs: number;
  /** Of a unit, and of each byte of it; together at most programUnitMaxUs. */
  readonly programUnitUs: number;
  readonly programByteUs: number;
  readonly programUnitMaxUs: number;
  readonly eraseBlockUs: number;
}

/** nandsim's defaults, which are an SLC chip's: 25 us, 200 us, 2 ms; 40 and 50 ns a byte. */
export const NANDSIM_TIMING: Omit<flash_timing, 'unitBytes'> = {
  source: "nandsim's defaults",
  readUnitUs: 25,
  readByteUs: 0.04,
  programUnitUs: 200,
  programByteUs: 0.05,
  programUnitMaxUs: Number.POSITIVE_INFINITY,
  eraseBlockUs: 2000,
};

/**
 * Serial NOR as in routers, read at 50 MHz (instruction 03h). Data sheet of Winbond's W25X40CL,
 * typical (maximal) times: the first byte of a page 30 us (50), each further one 2.5 us (12), a
 * page 0.7 ms (3); erasing 4 KiB 30 ms (200), 32 KiB 120 ms (800), 64 KiB 150 ms (1000). The W25Q
 * family of the same years has the same, but for sectors of 4 KiB: 30 to 45 ms.
 */
export const SERIAL_NOR_TIMING: flash_timing = {
  source: 'Winbond W25X40CL',
  unitBytes: 256,
  readUnitUs: 0,
  readByteUs: 0.16,
  programUnitUs: 27.5,
  programByteUs: 2.5,
  programUnitMaxUs: 700,
  // Of 64 KiB.
  eraseBlockUs: 150_000,
};
/** The erases that the chip has, the largest first: bytes and microseconds. */
const SERIAL_NOR_ERASES: readonly (readonly [bytes: number, us: number])[] = [
  [65536, SERIAL_NOR_TIMING.eraseBlockUs],
  [32768, 120_000],
  [4096, 30_000],
];

/** Of an erase block that is made of as few erases of the chip as possible. */
function serialNorEraseUs(erasesize: number): number {
  let us = 0;
  let left = erasesize;
  for (const [bytes, eraseUs] of SERIAL_NOR_ERASES) {
    us += Math.floor(left / bytes) * eraseUs;
    left %= bytes;
  }
  return us + (left > 0 ? SERIAL_NOR_ERASES.at(-1)![1] : 0);
}

/**
 * DataFlash, read through without its buffers at 33 MHz. Data sheet of Atmel's AT45DB161D and
 * AT45DB321D, typical (maximal) times: programming a page 3 ms (6), erasing one 15 ms (35).
 */
const DATAFLASH_TIMING: Omit<flash_timing, 'unitBytes'> = {
  source: 'Atmel AT45DB161D',
  readUnitUs: 0,
  readByteUs: 0.24,
  programUnitUs: 3000,
  programByteUs: 0.24,
  programUnitMaxUs: Number.POSITIVE_INFINITY,
  eraseBlockUs: 15_000,
};

const NO_TIME: flash_timing = {
  source: 'memory',
  unitBytes: 1,
  readUnitUs: 0,
  readByteUs: 0,
  programUnitUs: 0,
  programByteUs: 0,
  programUnitMaxUs: 0,
  eraseBlockUs: 0,
};

/** Typical times of a chip of this kind; below a UBI volume lies NAND. Memory takes no time. */
export function timing_of({ type, writesize, erasesize }: mtd_info): flash_timing {
  if (type === MTD_NANDFLASH || type === MTD_UBIVOLUME) {
    return { ...NANDSIM_TIMING, unitBytes: writesize };
  }
  if (type === MTD_DATAFLASH) return { ...DATAFLASH_TIMING, unitBytes: writesize };
  if (type !== MTD_NORFLASH) return NO_TIME;
  return { ...SERIAL_NOR_TIMING, eraseBlockUs: serialNorEraseUs(erasesize) };
}

/** Device time so far, in microseconds. */
export interface flash_time_totals {
  readUs: number;
  programUs: number;
  eraseUs: number;
}

/** Counts how long a real chip would have been busy; nothing waits. */
export class mtd_timing extends mtd_shim {
  readonly totals: flash_time_totals = { readUs: 0, programUs: 0, eraseUs: 0 };
  /** Blocks that were to be erased; not those that a chip erases by itself. */
  erases = 0;
  readonly #timing: flash_timing;
  readonly #advance: ((ms: number) => void) | undefined;

  /** @param advance moves the clock that everybody looks at. */
  constructor(lower: mtd_info, timing: flash_timing, advance?: (ms: number) => void) {
    super(lower);
    this.#timing = timing;
    this.#advance = advance;
  }

  get totalUs(): number {
    return this.totals.readUs + this.totals.programUs + this.totals.eraseUs;
  }

  // Each with its own line, not by the name of a total: V8 finds a named property faster.
  #read(us: number): void {
    this.totals.readUs += us;
    this.#pass(us);
  }

  #program(us: number): void {
    this.totals.programUs += us;
    this.#pass(us);
  }

  #erase(us: number): void {
    this.totals.eraseUs += us;
    this.#pass(us);
  }

  #pass(us: number): void {
    if (us > 0) this.#advance?.(us / 1000);
  }

  #units(from: number, len: number): number {
    const { unitBytes } = this.#timing;
    return len === 0 ? 0 : Math.ceil((from + len) / unitBytes) - Math.floor(from / unitBytes);
  }

  #spendRead(from: number, len: number, more = 0): void {
    const { readUnitUs, readByteUs } = this.#timing;
    this.#read(this.#units(from, len) * readUnitUs + (len + more) * readByteUs);
  }

  /** Of each unit its part, since each has a maximum. `more`: OOB bytes, in the same programs. */
  #spendProgram(to: number, len: number, more = 0): void {
    const { unitBytes, programUnitUs, programByteUs, programUnitMaxUs } = this.#timing;
    const partUs = (bytes: number): number =>
      bytes === 0 ? 0 : Math.min(programUnitUs + bytes * programByteUs, programUnitMaxUs);
    const head = Math.min(len, (unitBytes - (to % unitBytes)) % unitBytes);
    const tail = (len - head) % unitBytes;
    const wholeUnits = (len - head - tail) / unitBytes;
    const us = more * programByteUs + partUs(head) + wholeUnits * partUs(unitBytes) + partUs(tail);
    this.#program(us);
  }

  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#spendRead(from, len);
    super.read(from, len, buf, bufOffset);
  }

  override point(from: number, len: number, out: mtd_point): boolean {
    const pointed = super.point(from, len, out);
    if (pointed) this.#spendRead(from, len);
    return pointed;
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    this.#spendProgram(to, len);
    return super.write(to, len, buf, bufOffset);
  }

  override erase(instr: erase_info): void {
    const blocks = Math.ceil(instr.len / this.erasesize);
    this.erases += blocks;
    this.#erase(blocks * this.#timing.eraseBlockUs);
    super.erase(instr);
  }

  override read_oob(from: number, ops: mtd_oob_ops): void {
    const len = ops.datbuf === null ? 0 : ops.len;
    const oob = ops.oobbuf === null ? 0 : ops.ooblen;
    const { readUnitUs, readByteUs } = this.#timing;
    if (len > 0) this.#spendRead(from, len, oob);
    else this.#read(this.#oobPages(oob) * readUnitUs + oob * readByteUs);
    super.read_oob(from, ops);
  }

  override write_oob(to: number, ops: mtd_oob_ops): void {
    const len = ops.datbuf === null ? 0 : ops.len;
    const oob = ops.oobbuf === null ? 0 : ops.ooblen;
    const { programUnitUs, programByteUs } = this.#timing;
    if (len > 0) this.#spendProgram(to, len, oob);
    else this.#program(this.#oobPages(oob) * programUnitUs + oob * programByteUs);
    super.write_oob(to, ops);
  }

  /** Pages that so many OOB bytes without data reach. */
  #oobPages(oob: number): number {
    return oob === 0 ? 0 : Math.ceil(oob / Math.max(1, this.oobsize));
  }

  /** A program of its own; the erase before it goes unasked, as inside the chip. */
  override block_markbad(ofs: number): void {
    this.#program(this.#timing.programUnitUs);
    super.block_markbad(ofs);
  }
}
