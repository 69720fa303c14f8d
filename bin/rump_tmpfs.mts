/** rump_tmpfs: mounts an empty file system in memory. */
import { parseBytes } from './jffs2_options.mjs';
import { mountProgram } from './mount_program.mjs';
import { parseCount, parseId, parseMode } from './rump_options.mjs';

export const { program, main } = mountProgram({
  name: 'rump_tmpfs',
  description: 'Mounts an empty file system in memory; what is in it ends with the mount.',
  isNodev: true,
  letters: [
    { letter: 'g', word: 'gid' },
    { letter: 'm', word: 'mode' },
    { letter: 'n', word: 'nodes' },
    { letter: 's', word: 'size' },
    { letter: 'u', word: 'uid' },
  ],
  options: [
    {
      name: 'size',
      value: 'BYTES',
      fate: 'file system',
      parse: parseBytes,
      meaning: 'space for contents, as 64M (the default is 256M)',
    },
    {
      name: 'nodes',
      value: 'COUNT',
      fate: 'file system',
      parse: parseCount,
      meaning: 'most files and directories there may be',
    },
    {
      name: 'uid',
      value: 'USER',
      fate: 'file system',
      parse: parseId,
      meaning: "the root directory's owner, instead of who mounts",
    },
    {
      name: 'gid',
      value: 'GROUP',
      fate: 'file system',
      parse: parseId,
      meaning: "the root directory's group",
    },
    {
      name: 'mode',
      value: 'MODE',
      fate: 'file system',
      parse: parseMode,
      meaning: "the root directory's permission bits, in octal (755)",
    },
  ],
  optionsTitle: "tmpfs's mount options",
  notes: 'The options are those of mount_tmpfs(8) of NetBSD.',
  examples: ['rump_tmpfs -s 64M tmpfs /mnt', 'rump_tmpfs -o ro,mode=755 tmpfs /mnt'],
  module: new URL('../src/ukfs/mount_tmpfs.js', import.meta.url).href,
});
