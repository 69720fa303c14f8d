/** lump_jffs2: mounts a jffs2 image. */
import { JFFS2_MOUNT_OPTIONS } from './jffs2_options.mjs';
import { mountProgram } from './mount_program.mjs';

export const { program, main } = mountProgram({
  name: 'lump_jffs2',
  description:
    'Mounts a jffs2 image of flash through FUSE, read-write, as root or as an ordinary user.',
  options: JFFS2_MOUNT_OPTIONS,
  optionsTitle: "jffs2's mount options",
  notes:
    'Byte order, erase size and offset are detected; what was found, and on which evidence, is\n' +
    'printed. With ro, neither the image nor anything beside it is created or changed. A new flash ' +
    'is made\nof an empty file: truncate -s 0 new.bin, and -o size= says how large it is.',
  examples: [
    'lump_jffs2 flash.bin /mnt',
    'lump_jffs2 -o ro,endian=big router-dump.bin /mnt',
    'lump_jffs2 -o \'mtdparts="flash:256k(boot),-(root)",part=root\' flash.bin /mnt',
    'lump_jffs2 -f -o size=16M,compr=lzo new.bin /mnt',
  ],
  module: new URL('../src/ukfs/mount_jffs2.js', import.meta.url).href,
});
