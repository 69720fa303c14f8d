/** A file system as a library. */
export { UkfsError, type PathLike } from './error.js';
export * from './flags.js';
export { UkfsStats, type Timespec } from './stats.js';
export { Ukfs, type TimeLike, type UkfsDirent } from './ukfs.js';
