/**
 * Chips that are programmed by whole pages but have no OOB: DataFlash, NOR with ECC of its own
 * (where a page can be programmed once), UBI volumes. A page that is not erased, or a write that is
 * not made of whole pages, is refused as on NAND: the first panics, the second is EINVAL.
 */
import { BUG } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import type { flash_chip_options } from './flash_chip.js';
import { linear_chip } from './linear_chip.js';
import { MTD_DATAFLASH, MTD_NORFLASH, MTD_UBIVOLUME, MTD_WRITEABLE } from './mtd.js';

/** Chips that are programmed page by page, but have no OOB. */
export type paged_chip_kind = 'dataflash' | 'ecc-nor' | 'ubi';

const TYPES: Record<paged_chip_kind, number> = {
  dataflash: MTD_DATAFLASH,
  'ecc-nor': MTD_NORFLASH,
  ubi: MTD_UBIVOLUME,
};

/** What they have besides. */
export interface paged_chip_options extends flash_chip_options {
  readonly kind: paged_chip_kind;
  /** Bytes of a page; 528 or 1056 for DataFlash, whose erase blocks are its pages. */
  readonly writesize: number;
}

/** DataFlash, NOR with ECC, a UBI volume: whole pages are programmed, once each. */
export class paged_chip extends linear_chip {
  /** @throws EINVAL pages do not fill the erase blocks. */
  constructor(host: Rumpuser, backing: FlashBacking, options: paged_chip_options) {
    const { kind, writesize, erasesize, name } = options;
    if (erasesize % writesize !== 0) {
      throw new Errno('EINVAL', `${name}: pages of ${writesize} in blocks of ${erasesize}`);
    }
    const type = TYPES[kind];
    super(
      host,
      backing,
      { type, flags: MTD_WRITEABLE, writesize, writebufsize: writesize },
      options,
    );
  }

  /** Whole pages. @throws EINVAL others; EIO */
  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    if (to % this.writesize !== 0 || len % this.writesize !== 0) {
      this.lastRetlen = 0;
      const what = `write of ${len} bytes at 0x${to.toString(16)}`;
      throw new Errno('EINVAL', `${this.name}: ${what} is not made of whole pages`);
    }
    return super.write(to, len, buf, bufOffset);
  }

  protected override beforeProgram(eb: number, ofs: number, len: number): void {
    const cells = new Uint8Array(len);
    this.backing.read(eb * this.erasesize + ofs, len, cells, 0);
    const at = cells.findIndex((byte) => byte !== 0xff);
    if (at < 0) return;
    const page = Math.floor((ofs + at) / this.writesize);
    BUG(`${this.name}: page ${page} of erase block ${eb} is programmed without being erased`);
  }

  protected override afterErase(): void {}
}
