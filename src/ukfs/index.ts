/** A file system as a library. */
export { UkfsError, type PathLike } from './error.js';
export * from './flags.js';
export { UkfsStats, type Timespec } from './stats.js';
export type { TimeLike } from './times.js';
export { Ukfs, type UkfsDirent, type UkfsEntries } from './ukfs.js';
export { mount, type MountedImage, type MountOptions } from './mount_image.js';
