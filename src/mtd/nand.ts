/**
 * NAND flash: read and programmed by pages, erased by blocks, with a few bytes of OOB beside each
 * page that hold ECC, the bad-block marker, and what the file system puts there.
 *
 * Stricter than real chips, which lose data silently; each of these panics:
 * - a page of a block programmed after a page behind it;
 * - a page programmed more often than its data sheet allows (NOP) since the block was erased;
 * - a bit to be set from 0 to 1 by programming.
 *
 * Cells: the backing holds page after page, each followed by its OOB, which is also what
 * `nanddump --oob --noecc --bb=dumpbad` writes. Where the last programmed page of a block is, and
 * how often it was programmed, is found by looking at the block once, as on NOR.
 *
 * Reads and programs of a bad block go through as on the real thing, except that it neither erases
 * nor programs without an error.
 */
import { BUG, BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import {
  flash_chip,
  type flash_chip_options,
  mtd_check_erase,
  mtd_check_oob,
  mtd_check_range,
  mtd_check_writeable,
  mtd_oobavail,
} from './flash_chip.js';
import {
  type erase_info,
  MTD_CAP_NANDFLASH,
  MTD_NANDFLASH,
  MTD_OPS_AUTO_OOB,
  MTD_OPS_PLACE_OOB,
  MTD_OPS_RAW,
  MTD_WRITEABLE,
  type mtd_oob_ops,
  type mtd_point,
} from './mtd.js';
import { BBT_BLOCKS, nand_bbt, type nand_bbt_kind } from './nand_bbt.js';
import { ECC_UNCORRECTABLE, type nand_ecc, type nand_ecc_name, nand_ecc_of } from './nand_ecc.js';
import { type nandsim_parameters, nandsim_faults } from './nandsim.js';
import { type nand_ooblayout, nand_ooblayout_of } from './nand_oob.js';

/** What NAND has besides: pages, OOB, ECC. */
export interface nand_chip_options extends flash_chip_options {
  /** Bytes of a page, a power of two. */
  readonly writesize: number;
  /** Bytes of OOB beside each. */
  readonly oobsize: number;
  /** Default: 'hamming'. 'none': data as they are, every byte but the marker's is free. */
  readonly ecc?: nand_ecc_name;
  /** Partial programs of a page between two erases. Default: 3 up to 512 bytes a page, then 4. */
  readonly nop?: number;
  /** Pages of a block in which it is marked bad; -1 is the last. Default: the first, 0. */
  readonly badblockPages?: readonly number[];
  /** Bad-block table on flash. Default: one that is there is used and kept, none is made. */
  readonly bbt?: nand_bbt_kind;
  /** Faults of the chip itself. Default: none. */
  readonly nandsim?: nandsim_parameters;
}

const NOT_LOOKED = -2;
const NOTHING = -1;

/** What one call found out about the pages that it read. */
interface read_outcome {
  bitflips: number;
  failed: boolean;
}

/** NAND flash: pages are programmed in order, a few times at most, beside OOB with ECC. */
export class nand_chip extends flash_chip {
  readonly #ecc: nand_ecc | null;
  readonly #layout: nand_ooblayout;
  readonly #nop: number;
  readonly #faults: nandsim_faults | null;
  readonly #badblockPages: readonly number[];
  /** Page and OOB, as the backing has them. */
  readonly #recordBytes: number;
  readonly #pagesPerBlock: number;
  /** Per EB: its last page that is not erased, and how often that one was programmed. */
  readonly #lastPage: Int32Array;
  readonly #programs: Uint32Array;
  /** Per EB: 1 when it is marked bad; Linux's bad-block table in memory. */
  readonly #bad: Uint8Array;
  #bbt: nand_bbt | null = null;
  readonly #point: mtd_point = { buf: new Uint8Array(0), off: 0 };
  readonly #record: Uint8Array;
  readonly #eccCode: Uint8Array;

  /** @throws EINVAL Linux has no OOB layout for such pages. */
  constructor(host: Rumpuser, backing: FlashBacking, options: nand_chip_options) {
    const { writesize, oobsize, name, erasesize } = options;
    const ecc = nand_ecc_of(options.ecc ?? 'hamming');
    const layout = nand_ooblayout_of(writesize, oobsize, ecc);
    if (layout === null || erasesize % writesize !== 0) {
      const what = `pages of ${writesize}+${oobsize} bytes in blocks of ${erasesize}`;
      const hint = ecc === null ? '' : "; ecc 'none' takes them as they are";
      throw new Errno('EINVAL', `${name}: Linux has no OOB layout for ${what}${hint}`);
    }
    const strength = ecc?.strength ?? 0;
    const kind = {
      type: MTD_NANDFLASH,
      flags: MTD_CAP_NANDFLASH,
      writesize,
      writebufsize: writesize,
      oobsize,
      oobavail: layout.free.length,
      subpage_sft: ecc === null ? 0 : subpage_sft_of(writesize / ecc.stepBytes),
      ecc_step_size: ecc?.stepBytes ?? 0,
      ecc_strength: strength,
      bitflip_threshold: Math.ceil((3 * strength) / 4),
    };
    super(host, backing, kind, options);
    this.#ecc = ecc;
    this.#layout = layout;
    this.#nop = options.nop ?? (writesize > 512 ? 4 : 3);
    this.#faults = options.nandsim === undefined ? null : new nandsim_faults(options.nandsim);
    this.#recordBytes = writesize + oobsize;
    this.#pagesPerBlock = erasesize / writesize;
    this.#badblockPages = (options.badblockPages ?? [0]).map((page) =>
      page < 0 ? this.#pagesPerBlock + page : page,
    );
    const blocks = this.size / erasesize;
    this.#lastPage = new Int32Array(blocks).fill(NOT_LOOKED);
    this.#programs = new Uint32Array(blocks);
    this.#bad = new Uint8Array(blocks);
    this.#record = new Uint8Array(this.#recordBytes);
    this.#eccCode = new Uint8Array(ecc?.eccBytes ?? 0);
    this.#scanBadBlocks();
    this.#openTable(options.bbt);
    for (const eb of this.#faults?.badblocks ?? []) {
      if (this.#bad[eb] === 0) this.#mark(eb);
    }
  }

  #scanBadBlocks(): void {
    const marker = new Uint8Array(1);
    for (let eb = 0; eb < this.#bad.length; eb++) {
      for (const inBlock of this.#badblockPages) {
        const page = eb * this.#pagesPerBlock + inBlock;
        const at = page * this.#recordBytes + this.writesize + this.#layout.badblockpos;
        this.backing.read(at, 1, marker, 0);
        if (marker[0] !== 0xff) this.#bad[eb] = 1;
      }
      this.ecc_stats.badblocks += this.#bad[eb]!;
    }
  }

  /** A table on flash knows better than marks; its own blocks are nobody else's. */
  #openTable(kind: nand_bbt_kind | undefined): void {
    const blocks = this.#bad.length;
    this.#bbt = nand_bbt.open(
      {
        blocks,
        pagesPerBlock: this.#pagesPerBlock,
        writesize: this.writesize,
        oobsize: this.oobsize,
        writeable: (this.flags & MTD_WRITEABLE) !== 0,
        isMarkedBad: (eb) => this.#bad[eb] === 1,
        readPage: (page) => {
          const { buf, off } = this.#page(page);
          const oob = buf.slice(off + this.writesize, off + this.#recordBytes);
          const data = new Uint8Array(this.writesize);
          const from = page * this.writesize;
          const outcome = { bitflips: 0, failed: false };
          this.#readData(from, this.writesize, data, 0, this.#ecc, outcome);
          return { data, oob };
        },
        eraseBlock: (eb) =>
          super.erase({ addr: eb * this.erasesize, len: this.erasesize, fail_addr: 0 }),
        programPage: (page, data, oob) => {
          const record = this.#record.fill(0xff);
          record.set(data);
          record.set(oob, this.writesize);
          this.#addEcc(record, 0, this.writesize);
          this.#store(page, record);
        },
      },
      kind,
    );
    if (this.#bbt === null) return;
    this.ecc_stats.badblocks = 0;
    this.ecc_stats.bbtblocks = BBT_BLOCKS;
    for (let eb = 0; eb < blocks; eb++) {
      const bad = this.#bbt.isBad(eb);
      this.#bad[eb] = bad || eb >= this.#bbt.reservedFrom ? 1 : 0;
      if (bad) this.ecc_stats.badblocks++;
    }
  }

  // Reading.

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    mtd_check_range(this, from, len);
    if (len === 0) return;
    this.countRead(from, len, len);
    const outcome = { bitflips: 0, failed: false };
    this.#readData(from, len, buf, bufOffset, this.#ecc, outcome);
    this.#judge('read', from, len, outcome);
  }

  /** NAND's reads go through ECC. */
  point(from: number, len: number, _out: mtd_point): boolean {
    mtd_check_range(this, from, len);
    return false;
  }

  /** The page with its OOB as the cells have it, until the next call of the backing. */
  #page(page: number): mtd_point {
    const at = page * this.#recordBytes;
    try {
      if (!this.backing.window(at, this.#recordBytes, this.#point)) {
        BUG(`${this.name}: no window at page ${page}`);
      }
    } catch (error) {
      throw this.refused('read', page * this.writesize, this.writesize, error);
    }
    return this.#point;
  }

  /** The page as a read gives it: the cells, or a copy that is spoilt. */
  #readPage(page: number): mtd_point {
    const point = this.#page(page);
    if (this.#faults === null || !this.#faults.spoilsReads) return point;
    const { buf, off } = point;
    const record = buf.slice(off, off + this.#recordBytes);
    const programmed = record.some((byte) => byte !== 0xff);
    this.#faults.spoilRead(page, record, programmed);
    return { buf: record, off: 0 };
  }

  #readData(
    from: number,
    len: number,
    buf: Uint8Array,
    bufOffset: number,
    ecc: nand_ecc | null,
    outcome: read_outcome,
  ): void {
    for (let done = 0; done < len; ) {
      const page = Math.floor((from + done) / this.writesize);
      const column = from + done - page * this.writesize;
      const piece = Math.min(len - done, this.writesize - column);
      const { buf: cells, off } = this.#readPage(page);
      const data = cells.subarray(off + column, off + column + piece);
      if (ecc === null) buf.set(data, bufOffset + done);
      else this.#readCorrected(cells, off, column, piece, buf, bufOffset + done, ecc, outcome);
      done += piece;
    }
  }

  /** Copies part of a page, whose steps are checked and corrected on the way. */
  #readCorrected(
    cells: Uint8Array,
    off: number,
    column: number,
    len: number,
    buf: Uint8Array,
    bufOffset: number,
    ecc: nand_ecc,
    outcome: read_outcome,
  ): void {
    const first = Math.floor(column / ecc.stepBytes);
    const end = Math.ceil((column + len) / ecc.stepBytes);
    // Whole steps, because ECC works on those.
    const steps = this.#record.subarray(0, (end - first) * ecc.stepBytes);
    steps.set(cells.subarray(off + first * ecc.stepBytes, off + end * ecc.stepBytes));
    for (let step = first; step < end; step++) {
      for (let i = 0; i < ecc.eccBytes; i++) {
        const position = this.#layout.ecc[step * ecc.eccBytes + i]!;
        this.#eccCode[i] = cells[off + this.writesize + position]!;
      }
      const bitflips = ecc.correct(steps, (step - first) * ecc.stepBytes, this.#eccCode, 0);
      if (bitflips === ECC_UNCORRECTABLE) {
        this.ecc_stats.failed++;
        outcome.failed = true;
      } else {
        this.ecc_stats.corrected += bitflips;
        outcome.bitflips = Math.max(outcome.bitflips, bitflips);
      }
    }
    const start = column - first * ecc.stepBytes;
    buf.set(steps.subarray(start, start + len), bufOffset);
  }

  /** @throws EBADMSG, EUCLEAN */
  #judge(operation: string, from: number, len: number, { bitflips, failed }: read_outcome): void {
    const where = `${this.name}: ${operation} of ${len} bytes at 0x${from.toString(16)}`;
    if (failed) throw new Errno('EBADMSG', `${where}: more wrong bits than ECC corrects`);
    if (this.bitflip_threshold > 0 && bitflips >= this.bitflip_threshold) {
      throw new Errno('EUCLEAN', `${where}: ${bitflips} wrong bits of an ECC step corrected`);
    }
  }

  override read_oob(from: number, ops: mtd_oob_ops): void {
    ops.retlen = 0;
    ops.oobretlen = 0;
    const len = ops.datbuf === null ? 0 : ops.len;
    const ooblen = ops.oobbuf === null ? 0 : ops.ooblen;
    mtd_check_oob(this, from, ops);
    if (len + ooblen === 0) return;
    this.countRead(from, Math.max(len, 1), len + ooblen);
    const outcome = { bitflips: 0, failed: false };
    const page = Math.floor(from / this.writesize);
    if (ops.oobbuf !== null) {
      ops.oobretlen = this.#readOob(page, ops.mode, ops.oobbuf, ops.ooboffs, ooblen);
    }
    if (ops.datbuf !== null) {
      const ecc = ops.mode === MTD_OPS_RAW ? null : this.#ecc;
      this.#readData(from, len, ops.datbuf, 0, ecc, outcome);
      ops.retlen = len;
    }
    this.#judge('read', from, len, outcome);
  }

  #readOob(first: number, mode: number, buf: Uint8Array, ooboffs: number, ooblen: number): number {
    const perPage = mtd_oobavail(this, mode) - ooboffs;
    for (let done = 0, page = first; done < ooblen; page++) {
      const piece = Math.min(perPage, ooblen - done);
      const { buf: cells, off } = this.#readPage(page);
      for (let i = 0; i < piece; i++) {
        buf[done + i] = cells[off + this.writesize + this.#oobPosition(mode, ooboffs + i)]!;
      }
      done += piece;
    }
    return ooblen;
  }

  #oobPosition(mode: number, index: number): number {
    return mode === MTD_OPS_AUTO_OOB ? this.#layout.free[index]! : index;
  }

  // Programming.

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    return this.#program(to, len, buf, bufOffset, MTD_OPS_PLACE_OOB, null, 0, 0);
  }

  override write_oob(to: number, ops: mtd_oob_ops): void {
    ops.retlen = 0;
    ops.oobretlen = 0;
    const { mode, datbuf, oobbuf, ooboffs } = ops;
    const len = datbuf === null ? 0 : ops.len;
    const ooblen = oobbuf === null ? 0 : ops.ooblen;
    mtd_check_oob(this, to, ops);
    try {
      this.#program(to, len, datbuf, 0, mode, oobbuf, ooboffs, ooblen);
      ops.retlen = len;
      ops.oobretlen = ooblen;
    } catch (error) {
      ops.retlen = this.lastRetlen;
      throw error;
    }
  }

  /** Page by page, data and OOB together. @returns len */
  #program(
    to: number,
    len: number,
    buf: Uint8Array | null,
    bufOffset: number,
    mode: number,
    oob: Uint8Array | null,
    ooboffs: number,
    ooblen: number,
  ): number {
    this.lastRetlen = 0;
    mtd_check_range(this, to, len);
    mtd_check_writeable(this);
    const unit = this.writesize >> this.subpage_sft;
    if (len > 0 && (to % unit !== 0 || len % unit !== 0)) {
      const what = `write of ${len} bytes at 0x${to.toString(16)}`;
      throw new Errno('EINVAL', `${this.name}: ${what} is not made of whole ${unit} bytes`);
    }
    const oobPerPage = mtd_oobavail(this, mode) - ooboffs;
    let done = 0;
    let oobDone = 0;
    for (let page = Math.floor(to / this.writesize); done < len || oobDone < ooblen; page++) {
      const column = to + done - page * this.writesize;
      const piece = done < len ? Math.min(len - done, this.writesize - column) : 0;
      const oobPiece = oobDone < ooblen ? Math.min(ooblen - oobDone, oobPerPage) : 0;
      const record = this.#record.fill(0xff);
      if (buf !== null && piece > 0) {
        const start = bufOffset + done;
        record.set(buf.subarray(start, start + piece), column);
      }
      for (let i = 0; i < oobPiece; i++) {
        record[this.writesize + this.#oobPosition(mode, ooboffs + i)] = oob![oobDone + i]!;
      }
      if (mode !== MTD_OPS_RAW && piece > 0) this.#addEcc(record, column, piece);
      this.#programPage(page, record, column, piece);
      this.wear.bytesProgrammed += piece + oobPiece;
      done += piece;
      oobDone += oobPiece;
      this.lastRetlen = done;
    }
    return len;
  }

  #addEcc(record: Uint8Array, column: number, len: number): void {
    const ecc = this.#ecc;
    if (ecc === null) return;
    for (let at = column; at < column + len; at += ecc.stepBytes) {
      ecc.calculate(record, at, this.#eccCode, 0);
      const first = (at / ecc.stepBytes) * ecc.eccBytes;
      for (let i = 0; i < ecc.eccBytes; i++) {
        record[this.writesize + this.#layout.ecc[first + i]!] = this.#eccCode[i]!;
      }
    }
  }

  /** One program operation; `record` says for the whole page with its OOB which bits to clear. */
  #programPage(page: number, record: Uint8Array, column: number, len: number): void {
    const eb = Math.floor(page / this.#pagesPerBlock);
    const inBlock = page - eb * this.#pagesPerBlock;
    const to = page * this.writesize;
    if (this.#bad[eb] === 1) {
      const error = new Errno('EIO', 'the block is bad');
      throw this.refused('write', to, this.writesize, error);
    }
    if (this.#lastPage[eb] === NOT_LOOKED) this.#look(eb);
    const last = this.#lastPage[eb]!;
    const where = `${this.name}: page ${inBlock} of erase block ${eb}`;
    BUG_ON(inBlock < last, `${where} is programmed after page ${last}`);
    if (inBlock === last) {
      const programs = this.#programs[eb]!;
      BUG_ON(programs >= this.#nop, `${where} is programmed more than ${this.#nop} times`);
      this.#and(page, record, column, len, where);
    }
    this.#programs[eb] = inBlock === last ? this.#programs[eb]! + 1 : 1;
    this.#lastPage[eb] = inBlock;
    this.#store(page, record);
    if (this.#faults?.programFails(page)) {
      throw this.refused('write', to, this.writesize, new Errno('EIO', 'the page is weak'));
    }
  }

  #store(page: number, record: Uint8Array): void {
    this.wear.programCount[Math.floor(page / this.#pagesPerBlock)]!++;
    try {
      this.backing.write(page * this.#recordBytes, this.#recordBytes, record, 0);
    } catch (error) {
      throw this.refused('write', page * this.writesize, this.writesize, error);
    }
  }

  /** Makes of `record` what the cells will hold: programming only clears bits. */
  #and(page: number, record: Uint8Array, column: number, len: number, where: string): void {
    const { buf: cells, off } = this.#page(page);
    for (let i = 0; i < this.#recordBytes; i++) {
      const cell = cells[off + i]!;
      const wanted = record[i]!;
      // Outside of the data 0xFF stands for "not programmed".
      const asked = wanted !== 0xff || (i >= column && i < column + len);
      if (asked && (wanted & ~cell) !== 0) {
        const bits = `${cell.toString(16)} -> ${wanted.toString(16)}`;
        BUG(`${where}: programming would set bits at byte ${i}: ${bits}`);
      }
      record[i] = wanted & cell;
    }
  }

  /** Finds the last page of a block that is not erased. */
  #look(eb: number): void {
    let inBlock = this.#pagesPerBlock - 1;
    for (; inBlock >= 0; inBlock--) {
      const { buf, off } = this.#page(eb * this.#pagesPerBlock + inBlock);
      let i = 0;
      while (i < this.#recordBytes && buf[off + i] === 0xff) i++;
      if (i < this.#recordBytes) break;
    }
    this.#lastPage[eb] = inBlock;
    this.#programs[eb] = 1;
  }

  // Blocks.

  override erase(instr: erase_info): void {
    mtd_check_erase(this, instr);
    for (let addr = instr.addr; addr < instr.addr + instr.len; addr += this.erasesize) {
      if (this.#bad[addr / this.erasesize] === 1) {
        instr.fail_addr = addr;
        throw this.refused('erase', addr, this.erasesize, new Errno('EIO', 'the block is bad'));
      }
      const one: erase_info = { addr, len: this.erasesize, fail_addr: 0 };
      try {
        super.erase(one);
        if (this.#faults?.eraseFails(addr / this.erasesize)) {
          one.fail_addr = addr;
          const error = new Errno('EIO', 'the block is weak');
          throw this.refused('erase', addr, this.erasesize, error);
        }
      } catch (error) {
        instr.fail_addr = one.fail_addr;
        // What it holds now is anybody's guess.
        this.#lastPage[addr / this.erasesize] = NOT_LOOKED;
        throw error;
      }
    }
  }

  protected override afterErase(eb: number): void {
    this.#lastPage[eb] = NOTHING;
    this.#programs[eb] = 0;
  }

  override block_isbad(ofs: number): boolean {
    mtd_check_range(this, ofs, 0);
    return this.#bad[Math.floor(ofs / this.erasesize)] === 1;
  }

  override block_markbad(ofs: number): void {
    mtd_check_range(this, ofs, 0);
    mtd_check_writeable(this);
    const eb = Math.floor(ofs / this.erasesize);
    if (this.#bad[eb] === 1) return;
    try {
      this.erase({ addr: eb * this.erasesize, len: this.erasesize, fail_addr: 0 });
    } catch (error) {
      // A block that does not erase is what gets marked most often.
      if (!(error instanceof Errno)) throw error;
    }
    this.#mark(eb);
  }

  #mark(eb: number): void {
    this.#bad[eb] = 1;
    this.ecc_stats.badblocks++;
    if ((this.flags & MTD_WRITEABLE) === 0) return;
    for (const inBlock of this.#badblockPages) {
      const page = eb * this.#pagesPerBlock + inBlock;
      const { buf, off } = this.#page(page);
      this.#record.set(buf.subarray(off, off + this.#recordBytes));
      this.#record[this.writesize + this.#layout.badblockpos] = 0;
      this.#store(page, this.#record);
    }
    this.#bbt?.mark(eb);
  }
}

/** Linux: two steps may be programmed one by one, of more steps a quarter of the page. */
const subpage_sft_of = (steps: number): number => (steps === 2 ? 1 : steps > 2 ? 2 : 0);
