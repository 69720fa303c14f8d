/** FAT on a disk image, as a library and for the thread that serves FUSE. */
import { msdosfs_module, type msdosfs_args } from '../netbsd-compat/drivers/msdosfs/msdosfs.js';
import { msdosfs_probe } from '../netbsd-compat/drivers/msdosfs/msdosfs_fat.js';
import { openDisk, type DiskFileSystem } from './mount_disk.js';

export const MSDOS: DiskFileSystem = {
  name: 'msdos',
  module: msdosfs_module,
  args: (disk, { uid, gid, mask, dirmask, gmtoff, rootOwner }): msdosfs_args => ({
    disk,
    uid: uid ?? rootOwner?.uid ?? 0,
    gid: gid ?? rootOwner?.gid ?? 0,
    mask: mask ?? 0o755,
    // Without one of its own, a directory may be searched where a file may be read.
    dirmask: dirmask ?? mask ?? 0o755,
    gmtoff: gmtoff ?? 0,
  }),
  probe: msdosfs_probe,
  writes: true,
  timeGranularityNs: 1_000_000_000,
};

export const open = (
  options: unknown,
  hooks: { console(level: number, line: string): void },
): ReturnType<typeof openDisk> => openDisk(MSDOS, options, hooks);
