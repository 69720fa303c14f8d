/** ext2 on a disk image, as a library and for the thread that serves FUSE. */
import {
  ext2fs_module,
  type ext2fs,
  type ext2fs_args,
} from '../netbsd-compat/drivers/ext2fs/ext2fs.js';
import { ext2fs_probe } from '../netbsd-compat/drivers/ext2fs/ext2fs_super.js';
import { openDisk, type DiskFileSystem } from './mount_disk.js';

export const EXT2FS: DiskFileSystem = {
  name: 'ext2fs',
  module: ext2fs_module,
  args: (disk, { force = false }): ext2fs_args => ({ disk, force }),
  probe: ext2fs_probe,
  writes: true,
  timeGranularityNs: (mp) => (mp.mnt_data as ext2fs).limits.timeGranularityNsec,
};

export const open = (
  options: unknown,
  hooks: { console(level: number, line: string): void },
): ReturnType<typeof openDisk> => openDisk(EXT2FS, options, hooks);
