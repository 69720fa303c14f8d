/**
 * The waist's own exports: the contract, its tables and helpers, and the reference file system.
 * @module puffs
 */
export * from './abi.js';
export * from './puffs.js';
export * from './cred.js';
export * from './devt.js';
export * from './dirent.js';
export * from './errno.js';
export * from './name.js';
export * from './vattr.js';
export { Memfs } from './memfs.js';
export type { MemfsOptions } from './memfs_base.js';
