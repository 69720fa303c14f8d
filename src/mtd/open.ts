/** Making chips: on an image file of the host, or in memory. */
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { flash_chip } from './flash_chip.js';
import { nor_chip } from './nor.js';
import { ram_chip } from './ram.js';
import { RamBacking } from './ram_backing.js';

export type chip_kind = 'nor' | 'ram';

/** An erased chip in memory, forgotten when it is closed. */
export function mtd_new_ram(
  host: Rumpuser,
  options: { size: number; erasesize: number; type?: chip_kind; name?: string },
): flash_chip {
  const { type = 'nor', name = `${type} in memory`, erasesize } = options;
  return new_chip(type, host, new RamBacking(options.size), { name, erasesize });
}

function new_chip(
  type: chip_kind,
  ...args: ConstructorParameters<typeof nor_chip>
): flash_chip {
  return type === 'nor' ? new nor_chip(...args) : new ram_chip(...args);
}
