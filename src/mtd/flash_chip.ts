/**
 * What every simulated chip shares: geometry, ranges, counters, and cells in a backing.
 * `linear_chip.ts` adds reading and programming by bytes, `nand.ts` pages and OOB.
 */
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import type { erase_info, mtd_ecc_stats, mtd_info, mtd_oob_ops, mtd_point } from './mtd.js';
import { MTD_FAIL_ADDR_UNKNOWN, MTD_OPS_AUTO_OOB, MTD_WRITEABLE } from './mtd.js';
import type { wear_store } from './wear.js';
import { wear_counters } from './wear.js';

/** What all kinds of chips have. Bytes. */
export interface flash_chip_options {
  readonly name: string;
  /** Bytes; divides the backing's size. */
  readonly erasesize: number;
  readonly readOnly?: boolean;
  /** Counters so far, and who keeps them. Absent: the chip is new and is forgotten. */
  readonly wear?: wear_counters;
  readonly store?: wear_store;
}

/** What a chip of this kind is, whatever its size. */
export interface flash_chip_kind {
  readonly type: number;
  /** MTD_CAP_ of the kind; a read-only chip loses MTD_WRITEABLE. */
  readonly flags: number;
  readonly writesize: number;
  readonly writebufsize: number;
  /** Absent: as a chip without OOB and ECC. */
  readonly oobsize?: number;
  readonly oobavail?: number;
  readonly subpage_sft?: number;
  readonly ecc_step_size?: number;
  readonly ecc_strength?: number;
  readonly bitflip_threshold?: number;
}

/** @throws EINVAL unless `len` bytes at `from` lie in the device. */
export function mtd_check_range(mtd: mtd_info, from: number, len: number): void {
  // Written so that NaN fails too.
  if (from >= 0 && len >= 0 && from < mtd.size && len <= mtd.size - from) return;
  throw new Errno('EINVAL', `${mtd.name}: ${len} bytes at ${from} of ${mtd.size}`);
}

/** OOB bytes of a page that a request of this mode can reach. */
export const mtd_oobavail = (mtd: mtd_info, mode: number): number =>
  mode === MTD_OPS_AUTO_OOB ? mtd.oobavail : mtd.oobsize;

/** @throws EOPNOTSUPP no OOB at all, EINVAL unless the request's data and OOB lie in the device. */
export function mtd_check_oob(mtd: mtd_info, from: number, ops: mtd_oob_ops): void {
  if (mtd.oobsize === 0) throw new Errno('EOPNOTSUPP', `${mtd.name} has no OOB`);
  mtd_check_range(mtd, from, ops.datbuf === null ? 0 : ops.len);
  const { ooboffs, ooblen, mode } = ops;
  if (ops.oobbuf === null || ooblen === 0) return;
  const avail = mtd_oobavail(mtd, mode);
  const pages = Math.ceil((mtd.size - from) / mtd.writesize);
  if (ooboffs >= 0 && ooboffs < avail && ooblen <= pages * (avail - ooboffs)) return;
  const what = `${ooblen} OOB bytes at ${ooboffs} of ${avail}`;
  throw new Errno('EINVAL', `${mtd.name}: ${what}, page at 0x${from.toString(16)}`);
}

/** @throws EROFS */
export function mtd_check_writeable(mtd: mtd_info): void {
  if ((mtd.flags & MTD_WRITEABLE) === 0) throw new Errno('EROFS', mtd.name);
}

/** @throws EINVAL out of range or not whole erase blocks, EROFS. */
export function mtd_check_erase(mtd: mtd_info, instr: erase_info): void {
  instr.fail_addr = MTD_FAIL_ADDR_UNKNOWN;
  mtd_check_range(mtd, instr.addr, instr.len);
  mtd_check_writeable(mtd);
  if (instr.addr % mtd.erasesize !== 0 || instr.len % mtd.erasesize !== 0) {
    const range = `${instr.len} bytes at ${instr.addr}`;
    throw new Errno('EINVAL', `${mtd.name}: erase of ${range} is not whole erase blocks`);
  }
}

/** A simulated chip: ranges, erasing, wear. The kinds differ in how they program. */
export abstract class flash_chip implements mtd_info {
  /** Set by the mtd_table that registers the chip. */
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
  /** The user's to set, as Linux's sysfs attribute. */
  bitflip_threshold: number;
  readonly ecc_stats: mtd_ecc_stats = { corrected: 0, failed: 0, badblocks: 0, bbtblocks: 0 };
  readonly wear: wear_counters;
  lastRetlen = 0;

  protected readonly backing: FlashBacking;
  /** Bytes that an erase block takes in the backing: its pages with their OOB. */
  protected readonly blockBytes: number;
  protected readonly host: Rumpuser;
  readonly #store: wear_store | undefined;
  #closed = false;

  protected constructor(
    host: Rumpuser,
    backing: FlashBacking,
    kind: flash_chip_kind,
    options: flash_chip_options,
  ) {
    const { erasesize } = options;
    this.oobsize = kind.oobsize ?? 0;
    this.blockBytes = (erasesize / kind.writesize) * (kind.writesize + this.oobsize);
    const blocks = backing.sizeBytes / this.blockBytes;
    if (!(blocks >= 1) || !Number.isInteger(blocks)) {
      const size = `${backing.sizeBytes} bytes`;
      const what = `${options.name}: ${size} are no whole blocks of ${this.blockBytes}`;
      throw new Errno('EINVAL', what);
    }
    BUG_ON(
      backing.windowBytes % this.blockBytes !== 0,
      `${options.name}: windows of ${backing.windowBytes} cut erase blocks of ${this.blockBytes}`,
    );
    this.name = options.name;
    this.type = kind.type;
    this.flags = options.readOnly ? kind.flags & ~MTD_WRITEABLE : kind.flags;
    this.size = blocks * erasesize;
    this.erasesize = erasesize;
    this.writesize = kind.writesize;
    this.writebufsize = kind.writebufsize;
    this.oobavail = kind.oobavail ?? 0;
    this.subpage_sft = kind.subpage_sft ?? 0;
    this.ecc_step_size = kind.ecc_step_size ?? 0;
    this.ecc_strength = kind.ecc_strength ?? 0;
    this.bitflip_threshold = kind.bitflip_threshold ?? 0;
    this.wear = options.wear ?? new wear_counters(blocks);
    BUG_ON(this.wear.eraseCount.length !== blocks, `${options.name}: counters of another chip`);
    this.backing = backing;
    this.host = host;
    this.#store = options.store;
  }

  /** Erase block `eb` has just been set to 0xFF (not called when the erase failed half way). */
  protected abstract afterErase(eb: number): void;

  abstract read(from: number, len: number, buf: Uint8Array, bufOffset: number): void;
  abstract point(from: number, len: number, out: mtd_point): boolean;
  abstract write(to: number, len: number, buf: Uint8Array, bufOffset: number): number;

  protected countRead(from: number, len: number, bytes: number): void {
    const first = Math.floor(from / this.erasesize);
    const last = Math.floor((from + len - 1) / this.erasesize);
    for (let eb = first; eb <= last; eb++) this.wear.readCount[eb]!++;
    this.wear.bytesRead += bytes;
  }

  erase(instr: erase_info): void {
    mtd_check_erase(this, instr);
    const first = instr.addr / this.erasesize;
    const count = instr.len / this.erasesize;
    if (count === 0) return;
    for (let eb = first; eb < first + count; eb++) this.wear.eraseCount[eb]!++;
    this.#store?.eraseBegins(first, count);
    for (let eb = first; eb < first + count; eb++) {
      const addr = eb * this.erasesize;
      try {
        this.backing.fill(eb * this.blockBytes, this.blockBytes);
      } catch (error) {
        instr.fail_addr = addr;
        throw this.refused('erase', addr, this.erasesize, error);
      }
      this.afterErase(eb);
    }
  }

  sync(): void {
    // Counters first: should the host die in between, they count an erase too many, not too few.
    this.#store?.sync();
    this.#syncCells();
  }

  #syncCells(): void {
    try {
      this.backing.sync();
    } catch (error) {
      throw this.refused('sync', 0, this.size, error);
    }
  }

  plug(): void {
    this.backing.plug?.();
  }

  unplug(): void {
    try {
      this.backing.unplug?.();
    } catch (error) {
      throw this.refused('write', 0, this.size, error);
    }
  }

  read_oob(_from: number, _ops: mtd_oob_ops): void {
    throw new Errno('EOPNOTSUPP', `${this.name} has no OOB`);
  }

  write_oob(_to: number, _ops: mtd_oob_ops): void {
    throw new Errno('EOPNOTSUPP', `${this.name} has no OOB`);
  }

  block_isbad(ofs: number): boolean {
    mtd_check_range(this, ofs, 0);
    return false;
  }

  block_markbad(_ofs: number): void {
    throw new Errno('EOPNOTSUPP', `${this.name} has no bad blocks`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#store?.close();
    try {
      if ((this.flags & MTD_WRITEABLE) !== 0) this.#syncCells();
    } finally {
      this.backing.close();
    }
  }

  /** The one place where the backing's failures are reported. @returns the error to throw. */
  protected refused(operation: string, addr: number, len: number, error: unknown): unknown {
    if (!(error instanceof Errno)) return error;
    const where = `${len} bytes at 0x${addr.toString(16)}`;
    this.host.console(3, `mtd: ${this.name}: ${operation} of ${where}: ${error.message}`);
    return error;
  }
}
