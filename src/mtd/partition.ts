/**
 * A part of a device as a device of its own, as Linux's mtdpart. Addresses start at 0; everything
 * is passed on to the master, which others may use at the same time.
 *
 * Partitions begin and end at erase-block borders. (Linux takes others, read-only.)
 */
import { BUG_ON } from '../lump/bug.js';
import {
  mtd_check_erase,
  mtd_check_oob,
  mtd_check_range,
  mtd_check_writeable,
} from './flash_chip.js';
import type {
  erase_info,
  mtd_ecc_stats,
  mtd_info,
  mtd_oob_ops,
  mtd_point,
  mtd_wear,
} from './mtd.js';
import { MTD_FAIL_ADDR_UNKNOWN, MTD_WRITEABLE } from './mtd.js';

/** Which part of the master. Bytes. */
export interface mtd_partition_options {
  readonly name: string;
  /** Bytes from the master's start; with `size`, whole erase blocks inside the master. */
  readonly offset: number;
  readonly size: number;
  readonly readOnly?: boolean;
}

/** Whole erase blocks of another device. */
export class mtd_partition implements mtd_info {
  /** Set by the mtd_table that registers the partition. */
  index = -1;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Where the partition starts in the master, bytes. */
  readonly offset: number;
  readonly size: number;
  readonly erasesize: number;
  readonly writesize: number;
  readonly writebufsize: number;
  readonly oobsize: number;
  readonly oobavail: number;
  readonly subpage_sft: number;
  readonly ecc_step_size: number;
  readonly ecc_strength: number;
  readonly bitflip_threshold: number;
  readonly ecc_stats: mtd_ecc_stats;
  /** The master's counters of these blocks; the totals count what went through here. */
  readonly wear: mtd_wear;
  readonly #master: mtd_info;

  constructor(master: mtd_info, options: mtd_partition_options) {
    const { offset, size } = options;
    BUG_ON(
      !(offset >= 0 && size > 0 && offset + size <= master.size) ||
        offset % master.erasesize !== 0 ||
        size % master.erasesize !== 0,
      `partition ${options.name}: ${size} bytes at ${offset} of ${master.name}`,
    );
    this.name = options.name;
    this.type = master.type;
    this.flags = options.readOnly ? master.flags & ~MTD_WRITEABLE : master.flags;
    this.offset = offset;
    this.size = size;
    this.erasesize = master.erasesize;
    this.writesize = master.writesize;
    this.writebufsize = master.writebufsize;
    this.oobsize = master.oobsize;
    this.oobavail = master.oobavail;
    this.subpage_sft = master.subpage_sft;
    this.ecc_step_size = master.ecc_step_size;
    this.ecc_strength = master.ecc_strength;
    this.bitflip_threshold = master.bitflip_threshold;
    this.ecc_stats = master.ecc_stats;
    const first = offset / master.erasesize;
    const end = first + size / master.erasesize;
    this.wear = {
      eraseCount: master.wear.eraseCount.subarray(first, end),
      programCount: master.wear.programCount.subarray(first, end),
      readCount: master.wear.readCount.subarray(first, end),
      bytesProgrammed: 0,
      bytesRead: 0,
    };
    this.#master = master;
  }

  get lastRetlen(): number {
    return this.#master.lastRetlen;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    mtd_check_range(this, from, len);
    this.#master.read(this.offset + from, len, buf, bufOffset);
    this.wear.bytesRead += len;
  }

  point(from: number, len: number, out: mtd_point): boolean {
    mtd_check_range(this, from, len);
    if (!this.#master.point(this.offset + from, len, out)) return false;
    this.wear.bytesRead += len;
    return true;
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    mtd_check_range(this, to, len);
    mtd_check_writeable(this);
    const stored = this.#master.write(this.offset + to, len, buf, bufOffset);
    this.wear.bytesProgrammed += stored;
    return stored;
  }

  erase(instr: erase_info): void {
    mtd_check_erase(this, instr);
    const below = { addr: this.offset + instr.addr, len: instr.len, fail_addr: 0 };
    try {
      this.#master.erase(below);
    } finally {
      instr.fail_addr =
        below.fail_addr === MTD_FAIL_ADDR_UNKNOWN
          ? MTD_FAIL_ADDR_UNKNOWN
          : below.fail_addr - this.offset;
    }
  }

  sync(): void {
    this.#master.sync();
  }

  plug(): void {
    this.#master.plug();
  }

  unplug(): void {
    this.#master.unplug();
  }

  read_oob(from: number, ops: mtd_oob_ops): void {
    mtd_check_oob(this, from, ops);
    this.#master.read_oob(this.offset + from, ops);
  }

  write_oob(to: number, ops: mtd_oob_ops): void {
    mtd_check_oob(this, to, ops);
    mtd_check_writeable(this);
    this.#master.write_oob(this.offset + to, ops);
  }

  block_isbad(ofs: number): boolean {
    mtd_check_range(this, ofs, 0);
    return this.#master.block_isbad(this.offset + ofs);
  }

  block_markbad(ofs: number): void {
    mtd_check_range(this, ofs, 0);
    mtd_check_writeable(this);
    this.#master.block_markbad(this.offset + ofs);
  }

  /** The master stays open: it is its opener's to close. */
  close(): void {}
}
