/** Chips that are read and programmed byte by byte: NOR and RAM. */
import { mtd_check_range, mtd_check_writeable, flash_chip } from './flash_chip.js';
import type { mtd_point } from './mtd.js';

export abstract class linear_chip extends flash_chip {
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

  /** As mtd_info has it; never EUCLEAN or EBADMSG. */
  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    mtd_check_range(this, from, len);
    if (len === 0) return;
    this.countRead(from, len, len);
    try {
      this.backing.read(from, len, buf, bufOffset);
    } catch (error) {
      throw this.refused('read', from, len, error);
    }
  }

  /** As mtd_info has it. */
  point(from: number, len: number, out: mtd_point): boolean {
    mtd_check_range(this, from, len);
    try {
      if (!this.backing.window(from, len, out)) return false;
    } catch (error) {
      throw this.refused('point', from, len, error);
    }
    this.countRead(from, len, len);
    return true;
  }

  /** As mtd_info has it. */
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
        throw this.refused('write', at, piece, error);
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
}
