/**
 * lump as a library: mount an image of flash, then use paths and descriptors as with node:fs.
 * @module lump
 */
export {
  type MountedJffs2,
  MountError,
  mountJffs2,
  type MountJffs2Options,
} from './ukfs/mount_jffs2.js';
export * from './ukfs/index.js';
