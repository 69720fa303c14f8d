/** rump_sysvbfs: mounts a BFS image. */
import { mountProgram } from './mount_program.mjs';
import { DISK_MOUNT_OPTIONS, DISK_NOTES } from './rump_options.mjs';

export const { program, main } = mountProgram({
  name: 'rump_sysvbfs',
  description: 'Mounts a BFS, the boot file system of System V, in a disk image, read-write.',
  options: [
    ...DISK_MOUNT_OPTIONS,
    {
      name: 'force',
      fate: 'file system',
      meaning: 'write also where moving files was interrupted, which may have damaged one',
    },
  ],
  optionsTitle: "sysvbfs's mount options",
  notes:
    `${DISK_NOTES}\nA BFS has one directory, names of 14 bytes, and files in one piece each; where no gap\n` +
    'is wide enough for a file, others are moved.',
  examples: ['rump_sysvbfs stand.img /mnt', 'rump_sysvbfs -o ro disk.img%OFFSET:1m% /mnt'],
  module: new URL('../src/ukfs/mount_sysvbfs.js', import.meta.url).href,
});
