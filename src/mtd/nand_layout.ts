/**
 * Dumps of NAND that do not hold the cells as they are, made to look as if they did.
 *
 * A NAND chip keeps page after page in its backing, each with its raw OOB. Dumps come in three
 * layouts:
 *
 * - `raw`: just that; `nanddump --oob`, and what `nandwrite --oob` takes;
 * - `auto`: pages with OOB, of which only the free bytes count, in a row from its start; what
 *   `nandwrite --oob --autoplace` takes;
 * - `data`: pages only; `nanddump` without `--oob`, and what `nandwrite` takes.
 *
 * What a layout leaves out is made up: the ECC of a page that is not erased is computed from it,
 * all the rest is 0xFF. What is written there (marks of bad blocks, and with `data` everything in
 * OOB) is kept in memory until the chip is closed.
 */
import { BUG } from '../lump/bug.js';
import type { FlashBacking } from './backing.js';
import type { mtd_point } from './mtd.js';
import type { nand_ecc } from './nand_ecc.js';
import type { nand_ooblayout } from './nand_oob.js';

/** How pages lie in a file: with all of OOB, with the part that users have, without. */
export type nand_dump_layout = 'raw' | 'auto' | 'data';

export interface nand_pages {
  readonly erasesize: number;
  readonly writesize: number;
  readonly oobsize: number;
}

/** Bytes of an erase block in a dump of that layout. */
export function dump_block_bytes(pages: nand_pages, layout: nand_dump_layout): number {
  const { erasesize, writesize, oobsize } = pages;
  return (erasesize / writesize) * (writesize + (layout === 'data' ? 0 : oobsize));
}

/** ECC of a page into its OOB; a page that is erased has none. */
export function add_page_ecc(
  record: Uint8Array,
  writesize: number,
  ecc: nand_ecc | null,
  layout: nand_ooblayout,
): void {
  if (ecc === null || is_erased(record, writesize)) return;
  const code = new Uint8Array(ecc.eccBytes);
  for (let at = 0, i = 0; at < writesize; at += ecc.stepBytes) {
    ecc.calculate(record, at, code, 0);
    for (const byte of code) record[writesize + layout.ecc[i++]!] = byte;
  }
}

export function is_erased(bytes: Uint8Array, len: number): boolean {
  for (let i = 0; i < len; i++) if (bytes[i] !== 0xff) return false;
  return true;
}

/** A dump's file as raw pages. */
export class layout_backing implements FlashBacking {
  readonly sizeBytes: number;
  readonly windowBytes: number;
  readonly #lower: FlashBacking;
  readonly #pages: nand_pages;
  readonly #layout: 'auto' | 'data';
  readonly #ooblayout: nand_ooblayout;
  readonly #ecc: nand_ecc | null;
  /** Page and OOB here, and what the lower backing has of them. */
  readonly #recordBytes: number;
  readonly #lowerBytes: number;
  /** OOB bytes that the layout has no place for, by page. */
  readonly #kept = new Map<number, Uint8Array>();
  /** The block that was looked at last, and which of its pages are there. */
  #block = -1;
  readonly #blockBuf: Uint8Array;
  readonly #filled: Uint8Array;
  readonly #point: mtd_point = { buf: new Uint8Array(0), off: 0 };

  constructor(
    lower: FlashBacking,
    pages: nand_pages,
    layout: 'auto' | 'data',
    ooblayout: nand_ooblayout,
    ecc: nand_ecc | null,
  ) {
    const blockBytes = dump_block_bytes(pages, 'raw');
    this.sizeBytes = (lower.sizeBytes / dump_block_bytes(pages, layout)) * blockBytes;
    this.windowBytes = blockBytes;
    this.#lower = lower;
    this.#pages = pages;
    this.#layout = layout;
    this.#ooblayout = ooblayout;
    this.#ecc = ecc;
    this.#recordBytes = pages.writesize + pages.oobsize;
    this.#lowerBytes = pages.writesize + (layout === 'data' ? 0 : pages.oobsize);
    this.#blockBuf = new Uint8Array(blockBytes);
    this.#filled = new Uint8Array(pages.erasesize / pages.writesize);
  }

  get generation(): number {
    return this.#lower.generation;
  }

  window(from: number, len: number, out: mtd_point): boolean {
    const block = Math.floor(from / this.windowBytes);
    const off = from - block * this.windowBytes;
    if (off + len > this.windowBytes) return false;
    if (block !== this.#block) {
      this.#block = block;
      this.#filled.fill(0);
    }
    const end = Math.ceil((off + len) / this.#recordBytes);
    for (let page = Math.floor(off / this.#recordBytes); page < end; page++) {
      if (this.#filled[page] === 0) this.#fillPage(page);
    }
    out.buf = this.#blockBuf;
    out.off = off;
    return true;
  }

  #fillPage(inBlock: number): void {
    const { writesize } = this.#pages;
    const page = this.#block * this.#filled.length + inBlock;
    const start = inBlock * this.#recordBytes;
    const record = this.#blockBuf.subarray(start, start + this.#recordBytes).fill(0xff);
    const point = this.#point;
    if (!this.#lower.window(page * this.#lowerBytes, this.#lowerBytes, point)) {
      BUG(`no window at page ${page}`);
    }
    const stored = point.buf.subarray(point.off, point.off + this.#lowerBytes);
    record.set(stored.subarray(0, writesize));
    const kept = this.#kept.get(page);
    if (kept === undefined) add_page_ecc(record, writesize, this.#ecc, this.#ooblayout);
    else record.set(kept, writesize);
    if (this.#layout === 'auto') {
      this.#ooblayout.free.forEach((position, i) => {
        record[writesize + position] = stored[writesize + i]!;
      });
    }
    this.#filled[inBlock] = 1;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    const out: mtd_point = { buf, off: 0 };
    for (let done = 0; done < len; ) {
      const at = from + done;
      const piece = Math.min(len - done, this.windowBytes - (at % this.windowBytes));
      this.window(at, piece, out);
      buf.set(out.buf.subarray(out.off, out.off + piece), bufOffset + done);
      done += piece;
    }
  }

  /** Whole pages, as NAND chips write. */
  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    if (to % this.#recordBytes !== 0 || len % this.#recordBytes !== 0) {
      BUG(`write of ${len} bytes at ${to} is not made of whole pages`);
    }
    this.#block = -1;
    const { writesize, oobsize } = this.#pages;
    const first = to / this.#recordBytes;
    for (let page = first; page < first + len / this.#recordBytes; page++) {
      const start = bufOffset + (page - first) * this.#recordBytes;
      const oob = buf.slice(start + writesize, start + writesize + oobsize);
      const stored = new Uint8Array(this.#lowerBytes).fill(0xff);
      stored.set(buf.subarray(start, start + writesize));
      if (this.#layout === 'auto') {
        this.#ooblayout.free.forEach((position, i) => {
          stored[writesize + i] = oob[position]!;
        });
      }
      this.#lower.write(page * this.#lowerBytes, this.#lowerBytes, stored, 0);
      this.#kept.set(page, oob);
    }
  }

  /** Whole blocks. */
  fill(from: number, len: number): void {
    this.#block = -1;
    const first = from / this.#recordBytes;
    const pages = len / this.#recordBytes;
    this.#lower.fill(first * this.#lowerBytes, pages * this.#lowerBytes);
    for (let page = first; page < first + pages; page++) this.#kept.delete(page);
  }

  sync(): void {
    this.#lower.sync();
  }

  plug(): void {
    this.#lower.plug?.();
  }

  unplug(): void {
    this.#lower.unplug?.();
  }

  close(): void {
    this.#lower.close();
  }
}
