/**
 * How erase blocks become a file: as they are for NOR flash, page by page with OOB for NAND, in the
 * layouts that nanddump and nandwrite have. Positions are those on the flash, without OOB.
 */
import {
  type Endian,
  H_TOTLEN,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
} from '../jffs2/medium.js';
import { type nand_ecc_name, nand_ecc_of } from '../mtd/nand_ecc.js';
import { add_page_ecc, type nand_dump_layout } from '../mtd/nand_layout.js';
import { nand_ooblayout_of } from '../mtd/nand_oob.js';
import type { SequentialFile } from './filesystem_type.js';
import { MakefsError } from './fsnode.js';

export interface NandSettings {
  readonly pageSizeBytes: number;
  readonly oobSizeBytes: number;
  readonly ecc: nand_ecc_name;
  readonly layout: nand_dump_layout;
  /** Whether the first page of each block says in its OOB that the block was erased. */
  readonly cleanmarkers: boolean;
}

/** The image as flash. Written in order; what is left out is erased. */
export interface FlashWriter {
  /** Bytes in pages that were begun, counted without OOB. */
  readonly sizeBytes: number;
  /** Writes the first `used` bytes of an erase block that starts at `start`. */
  block(bytes: Uint8Array, used: number, start: number): void;
  /** Makes the image at least so large, with erased flash. */
  fillTo(sizeBytes: number): void;
}

export class NorWriter implements FlashWriter {
  sizeBytes = 0;
  private readonly image: SequentialFile;

  constructor(image: SequentialFile) {
    this.image = image;
  }

  block(bytes: Uint8Array, used: number, start: number): void {
    this.fillTo(start);
    this.image.write(bytes, 0, used, start);
    this.sizeBytes = start + used;
  }

  fillTo(sizeBytes: number): void {
    const erased = erasedBytes(sizeBytes - this.sizeBytes);
    while (this.sizeBytes < sizeBytes) {
      const length = Math.min(erased.length, sizeBytes - this.sizeBytes);
      this.image.write(erased, 0, length, this.sizeBytes);
      this.sizeBytes += length;
    }
  }
}

const ERASED_BYTES_MAX = 65536;

const erasedBytes = (length: number): Uint8Array =>
  new Uint8Array(Math.max(0, Math.min(length, ERASED_BYTES_MAX))).fill(0xff);

/** What the OOB of an erased block's first page says: a cleanmarker's header up to its length. */
const OOB_CLEANMARKER_BYTES = 8;

export class NandWriter implements FlashWriter {
  sizeBytes = 0;
  private readonly image: SequentialFile;
  private readonly nand: NandSettings;
  /** Bytes of a page in the file. */
  private readonly recordBytes: number;
  private readonly record: Uint8Array;
  private readonly marker: Uint8Array;
  private readonly finish: (record: Uint8Array, isFirst: boolean) => void;

  /** @throws MakefsError nobody knows where the ECC of such a page belongs */
  constructor(image: SequentialFile, nand: NandSettings, endian: Endian) {
    this.image = image;
    this.nand = nand;
    const { pageSizeBytes, oobSizeBytes, layout } = nand;
    this.recordBytes = pageSizeBytes + (layout === 'data' ? 0 : oobSizeBytes);
    this.record = new Uint8Array(this.recordBytes);
    this.marker = new Uint8Array(OOB_CLEANMARKER_BYTES);
    endian.put16(this.marker, 0, JFFS2_MAGIC_BITMASK);
    endian.put16(this.marker, H_TYPE, JFFS2_NODETYPE_CLEANMARKER);
    endian.put32(this.marker, H_TOTLEN, OOB_CLEANMARKER_BYTES);
    this.finish = this.oobWriter();
  }

  block(bytes: Uint8Array, used: number, start: number): void {
    const { pageSizeBytes } = this.nand;
    this.fillTo(start);
    // An empty block has its first page, for the marker.
    const pages = Math.max(1, Math.ceil(used / pageSizeBytes));
    for (let page = 0; page < pages; page++) {
      const at = page * pageSizeBytes;
      this.record.fill(0xff);
      this.record.set(bytes.subarray(at, at + pageSizeBytes));
      this.finish(this.record, page === 0);
      this.put();
    }
  }

  fillTo(sizeBytes: number): void {
    if (this.sizeBytes >= sizeBytes) return;
    this.record.fill(0xff);
    while (this.sizeBytes < sizeBytes) this.put();
  }

  private put(): void {
    const { pageSizeBytes } = this.nand;
    const position = (this.sizeBytes / pageSizeBytes) * this.recordBytes;
    this.image.write(this.record, 0, this.recordBytes, position);
    this.sizeBytes += pageSizeBytes;
  }

  private oobWriter(): (record: Uint8Array, isFirst: boolean) => void {
    const { pageSizeBytes, oobSizeBytes, layout, cleanmarkers } = this.nand;
    if (layout === 'data') return () => {};
    const ecc = nand_ecc_of(this.nand.ecc);
    const places = nand_ooblayout_of(pageSizeBytes, oobSizeBytes, ecc);
    if (places === null) {
      throw new MakefsError(
        `pages of ${pageSizeBytes} bytes with ${oobSizeBytes} of OOB have no place for ` +
          `${this.nand.ecc} ECC; with nand-ecc=none or nand-layout=data none is needed`,
      );
    }
    // With layout "auto" the free bytes stand in a row, and who writes the page spreads them.
    const free = layout === 'auto' ? places.free.map((_, i) => i) : places.free;
    return (record, isFirst) => {
      if (isFirst && cleanmarkers) {
        for (let i = 0; i < Math.min(this.marker.length, free.length); i++) {
          record[pageSizeBytes + free[i]!] = this.marker[i]!;
        }
      }
      if (layout === 'raw') add_page_ecc(record, pageSizeBytes, ecc, places);
    };
  }
}
