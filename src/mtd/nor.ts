/**
 * NOR flash: erasing sets a whole erase block to 1s, programming only turns 1s into 0s, in any
 * order and as often as one likes. On real flash a 1 programmed over a 0 silently stays 0; here it
 * panics, so that a file system that relies on it is found where it does it.
 *
 * The check costs nothing in the usual case. For each erase block the chip knows from which offset
 * on it is still erased: programming behind that offset cannot break the rule, and only what lies
 * before it is compared with the old bytes. The offset is found by looking at the block once,
 * moved up before a program, and reset after an erase, so that it holds when either fails half way.
 */
import { BUG } from '../lump/bug.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import type { flash_chip_options } from './flash_chip.js';
import { linear_chip } from './linear_chip.js';
import type { mtd_point } from './mtd.js';
import { MTD_CAP_NORFLASH, MTD_NORFLASH } from './mtd.js';

const NOT_LOOKED = -1;

/** NOR flash: programming clears bits, any of them, as often as one likes. */
export class nor_chip extends linear_chip {
  /** Per EB: every byte at this offset or behind it is 0xFF. */
  readonly #erasedFrom: Int32Array;
  readonly #point: mtd_point = { buf: new Uint8Array(0), off: 0 };

  constructor(host: Rumpuser, backing: FlashBacking, options: flash_chip_options) {
    const kind = { type: MTD_NORFLASH, flags: MTD_CAP_NORFLASH, writesize: 1, writebufsize: 1 };
    super(host, backing, kind, options);
    this.#erasedFrom = new Int32Array(this.size / this.erasesize).fill(NOT_LOOKED);
  }

  protected override beforeProgram(
    eb: number,
    ofs: number,
    len: number,
    buf: Uint8Array,
    bufOffset: number,
  ): void {
    let erasedFrom = this.#erasedFrom[eb]!;
    if (erasedFrom === NOT_LOOKED) erasedFrom = this.#look(eb);
    const end = ofs + len;
    if (ofs < erasedFrom) {
      this.#checkOnlyClears(eb, ofs, Math.min(end, erasedFrom) - ofs, buf, bufOffset);
    }
    this.#erasedFrom[eb] = Math.max(end, erasedFrom);
  }

  protected override afterErase(eb: number): void {
    this.#erasedFrom[eb] = 0;
  }

  /** @returns the offset behind the block's last byte that is not 0xFF. */
  #look(eb: number): number {
    const { buf, off } = this.#window(eb * this.erasesize, this.erasesize);
    let end = this.erasesize;
    const address = buf.byteOffset + off;
    if (address % 4 === 0 && this.erasesize % 4 === 0) {
      const words = new Int32Array(buf.buffer, address, this.erasesize / 4);
      let word = words.length;
      while (word > 0 && words[word - 1] === -1) word--;
      end = word * 4;
    }
    while (end > 0 && buf[off + end - 1] === 0xff) end--;
    return end;
  }

  #checkOnlyClears(
    eb: number,
    ofs: number,
    len: number,
    data: Uint8Array,
    dataOffset: number,
  ): void {
    const { buf, off } = this.#window(eb * this.erasesize + ofs, len);
    for (let i = 0; i < len; i++) {
      if ((data[dataOffset + i]! & ~buf[off + i]!) === 0) continue;
      const address = (eb * this.erasesize + ofs + i).toString(16);
      const rest = Math.min(len, i + 8);
      const old = hex(buf.subarray(off + i, off + rest));
      const wanted = hex(data.subarray(dataOffset + i, dataOffset + rest));
      BUG(`${this.name}: programming would set bits at 0x${address}: ${old} -> ${wanted}`);
    }
  }

  #window(from: number, len: number): mtd_point {
    if (!this.backing.window(from, len, this.#point)) BUG(`${this.name}: no window at ${from}`);
    return this.#point;
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
