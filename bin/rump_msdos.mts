/** rump_msdos: mounts a FAT image. */
import { mountProgram } from './mount_program.mjs';
import { DISK_MOUNT_OPTIONS, DISK_NOTES, parseId, parseMode } from './rump_options.mjs';

/** Seconds, also below zero. */
function parseSeconds(text: string): number {
  if (!/^[-+]?\d{1,5}$/.test(text)) throw new Error('expected seconds, as 3600 or -18000');
  return Number(text);
}

export const { program, main } = mountProgram({
  name: 'rump_msdos',
  description: 'Mounts a FAT12, FAT16 or FAT32 file system in a disk image, read-write.',
  letters: [
    { letter: 'g', word: 'gid' },
    { letter: 'm', word: 'mask' },
    { letter: 'M', word: 'dirmask' },
    { letter: 't', word: 'gmtoff' },
    { letter: 'u', word: 'uid' },
  ],
  options: [
    ...DISK_MOUNT_OPTIONS,
    {
      name: 'uid',
      value: 'USER',
      fate: 'file system',
      parse: parseId,
      meaning: 'owner of everything, instead of who mounts',
    },
    {
      name: 'gid',
      value: 'GROUP',
      fate: 'file system',
      parse: parseId,
      meaning: 'group of everything',
    },
    {
      name: 'mask',
      value: 'MODE',
      fate: 'file system',
      parse: parseMode,
      meaning: 'most permission bits of a file, in octal (755)',
    },
    {
      name: 'dirmask',
      value: 'MODE',
      fate: 'file system',
      parse: parseMode,
      meaning: 'permission bits of directories (those of mask)',
    },
    {
      name: 'gmtoff',
      value: 'SECONDS',
      fate: 'file system',
      parse: parseSeconds,
      meaning: 'how far the local time of its times is ahead of UTC (0)',
    },
  ],
  optionsTitle: "msdosfs's mount options",
  notes: `${DISK_NOTES}\nOf NetBSD's letters, -l, -s, -9 and -G are not offered: long names are always used.`,
  examples: [
    'rump_msdos stick.img /mnt',
    'rump_msdos -u 1000 -g 1000 -m 644 -M 755 stick.img /mnt',
  ],
  module: new URL('../src/ukfs/mount_msdos.js', import.meta.url).href,
});
