/**
 * RAM behind the MTD interface, as Linux's mtdram: bits may be set as well as cleared, so nothing
 * is checked. Erase blocks exist, and erasing fills them with 0xFF.
 */
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import type { flash_chip_options } from './flash_chip.js';
import { linear_chip } from './linear_chip.js';
import { MTD_CAP_RAM, MTD_RAM } from './mtd.js';

/** RAM as a chip: bytes are written as they are. */
export class ram_chip extends linear_chip {
  constructor(host: Rumpuser, backing: FlashBacking, options: flash_chip_options) {
    const kind = { type: MTD_RAM, flags: MTD_CAP_RAM, writesize: 1, writebufsize: 64 };
    super(host, backing, kind, options);
  }

  protected override beforeProgram(): void {}

  protected override afterErase(): void {}
}
