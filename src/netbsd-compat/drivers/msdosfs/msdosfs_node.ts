/**
 * A file or directory of FAT. It has no number of its own: a directory goes by its first cluster, a
 * file by the place of its entry, or, when it moved while it was in use, by what it went by before.
 */
import { genfs_node } from '../../genfs_node.js';

/** Key of the root directory; others are even for directories, odd for files. */
export const MSDOSFS_ROOT = 2;

export const directory_number = (cluster: number): number => 2 * cluster + MSDOSFS_ROOT;
export const cluster_of_number = (number: number): number => (number - MSDOSFS_ROOT) / 2;
export const file_number = (slot: number): number => 2 * slot + 1;

export class msdos_node extends genfs_node {
  /** Place of its entry: bytes from the start of the volume; -1: it has none (the root, a removed
   * file). */
  de_position = -1;
  /** ATTR_… of the entry, which keeps those that mean nothing here. */
  de_attributes = 0;
  /** First cluster; 0: none. */
  de_start = 0;
  /** Its clusters, once they are asked for. */
  de_chain: number[] | null = null;
  /** Names of a directory, once they are asked for. */
  de_names: directory_names | null = null;
}

export interface direntry {
  readonly text: string;
  /** The short one. */
  readonly alias: string;
  /** Number of its first slot in the directory, and of all its slots. */
  readonly slot: number;
  readonly slots: number;
}

/** By key ({@link name_key}); aliases lead to the same entries. */
export interface directory_names {
  readonly by_name: Map<string, direntry>;
  readonly by_alias: Map<string, direntry>;
  /** Slots in use or free before the end; from there on none is in use. */
  end: number;
  /** Runs below `end` that are free: slot numbers. */
  readonly free: Set<number>;
}
