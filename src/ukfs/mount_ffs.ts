/** FFS (UFS1, UFS2) on a disk image, as a library and for the thread that serves FUSE. */
import { ffs_module, type ffs_args } from '../netbsd-compat/drivers/ffs/ffs.js';
import { ffs_probe, ffs_probe_head } from '../netbsd-compat/drivers/ffs/ffs_super.js';
import { openDisk, type DiskFileSystem } from './mount_disk.js';

export const FFS: DiskFileSystem = {
  name: 'ffs',
  module: ffs_module,
  args: (disk, { force = false }): ffs_args => ({ disk, force }),
  probe: ffs_probe,
  writes: true,
  timeGranularityNs: 1,
};

export const probeFfs = ffs_probe_head;

export const open = (
  options: unknown,
  hooks: { console(level: number, line: string): void },
): ReturnType<typeof openDisk> => openDisk(FFS, options, hooks);
