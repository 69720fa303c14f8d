/** BFS on a disk image, as a library and for the thread that serves FUSE. */
import { sysvbfs_module, type sysvbfs_args } from '../netbsd-compat/drivers/sysvbfs/sysvbfs.js';
import { sysvbfs_probe } from '../netbsd-compat/drivers/sysvbfs/sysvbfs_volume.js';
import { openDisk, type DiskFileSystem } from './mount_disk.js';

export const SYSVBFS: DiskFileSystem = {
  name: 'sysvbfs',
  module: sysvbfs_module,
  args: (disk, { force = false }): sysvbfs_args => ({ disk, force }),
  probe: sysvbfs_probe,
  writes: true,
  timeGranularityNs: 1_000_000_000,
};

export const open = (
  options: unknown,
  hooks: { console(level: number, line: string): void },
): ReturnType<typeof openDisk> => openDisk(SYSVBFS, options, hooks);
