/** rump_ext2fs: mounts an ext2 or ext3 image. */
import { mountProgram } from './mount_program.mjs';
import { DISK_MOUNT_OPTIONS, DISK_NOTES } from './rump_options.mjs';

export const { program, main } = mountProgram({
  name: 'rump_ext2fs',
  description: 'Mounts an ext2 or ext3 file system in a disk image through FUSE, read-write.',
  options: [
    ...DISK_MOUNT_OPTIONS,
    {
      name: 'force',
      fate: 'file system',
      meaning: 'write also where it was not unmounted cleanly',
    },
  ],
  optionsTitle: "ext2fs's mount options",
  notes: `${DISK_NOTES}\nA journal that is needed is replayed; with ro, in memory.`,
  examples: [
    'rump_ext2fs disk.img /mnt',
    'rump_ext2fs -o ro,part=2 disk.img /mnt',
    'rump_ext2fs disk.img%OFFSET:1048576% /mnt',
  ],
  module: new URL('../src/ukfs/mount_ext2fs.js', import.meta.url).href,
});
