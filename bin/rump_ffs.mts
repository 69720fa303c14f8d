/** rump_ffs: mounts an image of the BSDs' FFS. */
import { mountProgram } from './mount_program.mjs';
import { DISK_MOUNT_OPTIONS, DISK_NOTES } from './rump_options.mjs';

export const { program, main } = mountProgram({
  name: 'rump_ffs',
  description:
    'Mounts an FFS (UFS1 or UFS2, either byte order) in a disk image through FUSE, read-write.',
  options: [
    ...DISK_MOUNT_OPTIONS,
    {
      name: 'force',
      fate: 'file system',
      meaning: 'write also where it was not unmounted cleanly',
    },
  ],
  optionsTitle: "ffs's mount options",
  notes:
    `${DISK_NOTES}\nWhat has a journal that must be replayed (WAPBL, soft updates) is mounted ` +
    'read-only, with force, too.',
  examples: [
    'rump_ffs bsd.img /mnt',
    'rump_ffs disk.img%DISKLABEL:a% /mnt',
    'rump_ffs -o ro,part=2 disk.img /mnt',
  ],
  module: new URL('../src/ukfs/mount_ffs.js', import.meta.url).href,
});
