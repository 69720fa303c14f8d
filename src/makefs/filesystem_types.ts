/** The types of file system that images can be made of; whoever makes one only, imports that one. */
import { ext2Type } from './ext2.js';
import { ffsType } from './ffs.js';
import type { FileSystemType } from './filesystem_type.js';
import { jffs2Type } from './jffs2.js';
import { msdosType } from './msdos.js';
import { sysvbfsType } from './sysvbfs.js';

export const FILE_SYSTEM_TYPES: readonly FileSystemType[] = [
  jffs2Type,
  ext2Type,
  ffsType,
  msdosType,
  sysvbfsType,
];
