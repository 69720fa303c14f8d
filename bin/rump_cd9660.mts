/** rump_cd9660: mounts an ISO 9660 image. */
import { mountProgram } from './mount_program.mjs';
import { DISK_MOUNT_OPTIONS, DISK_NOTES } from './rump_options.mjs';

export const { program, main } = mountProgram({
  name: 'rump_cd9660',
  description: 'Mounts an ISO 9660 file system, of a CD say, in an image; read-only.',
  letters: [{ letter: 'j', word: 'nojoliet' }],
  options: [
    ...DISK_MOUNT_OPTIONS.filter(({ name }) => name === 'part'),
    {
      name: 'norrip',
      fate: 'file system',
      meaning: 'do without the Rock Ridge extensions',
    },
    {
      name: 'nojoliet',
      fate: 'file system',
      meaning: 'do without Joliet, which is used where Rock Ridge is not',
    },
  ],
  optionsTitle: "cd9660's mount options",
  notes: `${DISK_NOTES}\nNetBSD's -r, no Rock Ridge, is -o norrip: -r is read-only everywhere here.`,
  examples: ['rump_cd9660 cd.iso /mnt', 'rump_cd9660 -o norrip cd.iso /mnt'],
  module: new URL('../src/ukfs/mount_cd9660.js', import.meta.url).href,
});
