/**
 * A device that passes every call on to the one below: the base of shims that watch or check, and
 * that can be stacked in any order.
 */
import type {
  erase_info,
  mtd_ecc_stats,
  mtd_info,
  mtd_oob_ops,
  mtd_point,
  mtd_wear,
} from './mtd.js';

/** Passes every call on to another device; what stands in between derives from it. */
export class mtd_shim implements mtd_info {
  /** Set by the mtd_table that registers the shim. */
  index = -1;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
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
  readonly wear: mtd_wear;
  protected readonly lower: mtd_info;

  constructor(lower: mtd_info) {
    this.name = lower.name;
    this.type = lower.type;
    this.flags = lower.flags;
    this.size = lower.size;
    this.erasesize = lower.erasesize;
    this.writesize = lower.writesize;
    this.writebufsize = lower.writebufsize;
    this.oobsize = lower.oobsize;
    this.oobavail = lower.oobavail;
    this.subpage_sft = lower.subpage_sft;
    this.ecc_step_size = lower.ecc_step_size;
    this.ecc_strength = lower.ecc_strength;
    this.bitflip_threshold = lower.bitflip_threshold;
    this.ecc_stats = lower.ecc_stats;
    this.wear = lower.wear;
    this.lower = lower;
  }

  get lastRetlen(): number {
    return this.lower.lastRetlen;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.lower.read(from, len, buf, bufOffset);
  }

  point(from: number, len: number, out: mtd_point): boolean {
    return this.lower.point(from, len, out);
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    return this.lower.write(to, len, buf, bufOffset);
  }

  erase(instr: erase_info): void {
    this.lower.erase(instr);
  }

  sync(): void {
    this.lower.sync();
  }

  plug(): void {
    this.lower.plug();
  }

  unplug(): void {
    this.lower.unplug();
  }

  read_oob(from: number, ops: mtd_oob_ops): void {
    this.lower.read_oob(from, ops);
  }

  write_oob(to: number, ops: mtd_oob_ops): void {
    this.lower.write_oob(to, ops);
  }

  block_isbad(ofs: number): boolean {
    return this.lower.block_isbad(ofs);
  }

  block_markbad(ofs: number): void {
    this.lower.block_markbad(ofs);
  }

  close(): void {
    this.lower.close();
  }
}
