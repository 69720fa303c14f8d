/**
 * What every simulated chip shares: geometry, ranges, counters, and cells in a backing. `nor.ts`
 * and `ram.ts` add their rules of programming; a NAND chip adds pages and OOB.
 */
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import type { erase_info, mtd_ecc_stats, mtd_info, mtd_oob_ops, mtd_point } from './mtd.js';
import { MTD_FAIL_ADDR_UNKNOWN, MTD_WRITEABLE } from './mtd.js';
import type { wear_store } from './wear.js';
import { wear_counters } from './wear.js';

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
}

/** @throws EINVAL unless `len` bytes at `from` lie in the device. */
export function mtd_check_range(mtd: mtd_info, from: number, len: number): void {
  // Written so that NaN fails too.
  if (from >= 0 && len >= 0 && from < mtd.size && len <= mtd.size - from) return;
  throw new Errno('EINVAL', `${mtd.name}: ${len} bytes at ${from} of ${mtd.size}`);
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
  readonly oobsize: number = 0;
  readonly oobavail: number = 0;
  readonly ecc_stats: mtd_ecc_stats = { corrected: 0, failed: 0, badblocks: 0, bbtblocks: 0 };
  readonly wear: wear_counters;
  lastRetlen = 0;

  protected readonly backing: FlashBacking;
  readonly #host: Rumpuser;
  readonly #store: wear_store | undefined;
  #closed = false;

  protected constructor(
    host: Rumpuser,
    backing: FlashBacking,
    kind: flash_chip_kind,
    options: flash_chip_options,
  ) {
    const { erasesize } = options;
    const blocks = backing.sizeBytes / erasesize;
    if (!(blocks >= 1) || !Number.isInteger(blocks)) {
      const size = `${backing.sizeBytes} bytes`;
      throw new Errno('EINVAL', `${options.name}: ${size} are no whole blocks of ${erasesize}`);
    }
    BUG_ON(
      backing.windowBytes % erasesize !== 0,
      `${options.name}: windows of ${backing.windowBytes} bytes cut erase blocks of ${erasesize}`,
    );
    this.name = options.name;
    this.type = kind.type;
    this.flags = options.readOnly ? kind.flags & ~MTD_WRITEABLE : kind.flags;
    this.size = backing.sizeBytes;
    this.erasesize = erasesize;
    this.writesize = kind.writesize;
    this.writebufsize = kind.writebufsize;
    this.wear = options.wear ?? new wear_counters(blocks);
    BUG_ON(this.wear.eraseCount.length !== blocks, `${options.name}: counters of another chip`);
    this.backing = backing;
    this.#host = host;
    this.#store = options.store;
  }

  /**
   * The chip's rules for `len` bytes at `ofs` of erase block `eb`, applied before the cells change.
   * The chip may note here what the block will hold; the program may still fail half way.
   */
  protected abstract beforeProgram(
    eb: number,
    ofs: number,
    len: number,
    buf: Uint8Array,
    bufOffset: number,
  ): void;
  /** Erase block `eb` has just been set to 0xFF (not called when the erase failed half way). */
  protected abstract afterErase(eb: number): void;

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    mtd_check_range(this, from, len);
    if (len === 0) return;
    this.#countRead(from, len);
    try {
      this.backing.read(from, len, buf, bufOffset);
    } catch (error) {
      throw this.#refused('read', from, len, error);
    }
  }

  point(from: number, len: number, out: mtd_point): boolean {
    mtd_check_range(this, from, len);
    try {
      if (!this.backing.window(from, len, out)) return false;
    } catch (error) {
      throw this.#refused('point', from, len, error);
    }
    this.#countRead(from, len);
    return true;
  }

  #countRead(from: number, len: number): void {
    const first = Math.floor(from / this.erasesize);
    const last = Math.floor((from + len - 1) / this.erasesize);
    for (let eb = first; eb <= last; eb++) this.wear.readCount[eb]!++;
    this.wear.bytesRead += len;
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    this.lastRetlen = 0;
    mtd_check_range(this, to, len);
    mtd_check_writeable(this);
    let done = 0;
    while (done < len) {
      const at = to + done;
      const eb = Math.floor(at / this.erasesize);
      const ofs = at - eb * this.erasesize;
      const piece = Math.min(len - done, this.erasesize - ofs);
      this.beforeProgram(eb, ofs, piece, buf, bufOffset + done);
      this.wear.programCount[eb]!++;
      this.wear.bytesProgrammed += piece;
      try {
        this.backing.write(at, piece, buf, bufOffset + done);
      } catch (error) {
        this.lastRetlen = done + this.#bytesStored(at, piece, buf, bufOffset + done);
        throw this.#refused('write', at, piece, error);
      }
      done += piece;
    }
    return len;
  }

  /**
   * After a failed write: up to where the cells may have changed. The caller may use the space
   * behind it again, so an answer too large is safe and one too small is not.
   */
  #bytesStored(at: number, len: number, buf: Uint8Array, bufOffset: number): number {
    const now = new Uint8Array(len);
    try {
      this.backing.read(at, len, now, 0);
    } catch {
      return len;
    }
    let stored = len;
    while (stored > 0) {
      const wanted = buf[bufOffset + stored - 1];
      if (wanted !== 0xff && now[stored - 1] === wanted) break;
      stored--;
    }
    return stored;
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
        this.backing.fill(addr, this.erasesize);
      } catch (error) {
        instr.fail_addr = addr;
        throw this.#refused('erase', addr, this.erasesize, error);
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
      throw this.#refused('sync', 0, this.size, error);
    }
  }

  plug(): void {
    this.backing.plug?.();
  }

  unplug(): void {
    try {
      this.backing.unplug?.();
    } catch (error) {
      throw this.#refused('write', 0, this.size, error);
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
  #refused(operation: string, addr: number, len: number, error: unknown): unknown {
    if (!(error instanceof Errno)) return error;
    const where = `${len} bytes at 0x${addr.toString(16)}`;
    this.#host.console(3, `mtd: ${this.name}: ${operation} of ${where}: ${error.message}`);
    return error;
  }
}
