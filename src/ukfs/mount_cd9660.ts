/** ISO 9660 in an image, as a library and for the thread that serves FUSE. */
import {
  cd9660_module,
  cd9660_probe,
  type cd9660_args,
} from '../netbsd-compat/drivers/cd9660/cd9660.js';
import { openDisk, type DiskFileSystem } from './mount_disk.js';

export const CD9660: DiskFileSystem = {
  name: 'cd9660',
  module: cd9660_module,
  args: (disk, { norrip = false, nojoliet = false }): cd9660_args => ({ disk, norrip, nojoliet }),
  probe: cd9660_probe,
  writes: false,
  timeGranularityNs: 1_000_000_000,
};

export const open = (
  options: unknown,
  hooks: { console(level: number, line: string): void },
): ReturnType<typeof openDisk> => openDisk(CD9660, options, hooks);
