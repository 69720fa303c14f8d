/**
 * A file system as a library.
 * @module ukfs
 */
export { UkfsError, type PathLike, type UkfsErrorCode } from './error.js';
export * from './flags.js';
export { UkfsStats, type Timespec } from './stats.js';
export type { TimeLike } from './times.js';
export { Ukfs, type UkfsDirent, type UkfsEntries } from './ukfs.js';
export { loadHandlers, modload, modloadDir } from './mount_modules.js';
export type {
  Done,
  HandlerError,
  HandlerStat,
  HandlerStatfs,
  MountPuffsOptions,
  PuffsHandlers,
} from './mount_puffs.js';
export {
  mount,
  mountHandlers,
  type CheckResult,
  type MountedImage,
  type MountOptions,
  type User,
} from './mount_image.js';
export { createFs } from './node/node_fs.js';
export type { UkfsFs } from './node/types.js';
