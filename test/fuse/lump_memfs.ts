/** The mounting executable of the tests: what lump_jffs2 is, over the file system in memory. */
import { mountProgram } from '../../bin/mount_program.mjs';
import { MEMFS_MOUNT_OPTIONS } from './memfs_options.js';

const { main } = mountProgram({
  name: 'lump_memfs',
  description: 'Mounts an empty file system in memory; the image is only named.',
  options: MEMFS_MOUNT_OPTIONS,
  optionsTitle: "memfs's mount options",
  notes: 'For tests.',
  examples: ['lump_memfs name /mnt'],
  module: new URL('./memfs_module.js', import.meta.url).href,
});
process.exit(await main());
