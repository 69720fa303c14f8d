/** A node of tmpfs, and the names of a directory. */
import { MemfsData, type MemfsSpace } from '../../../puffs/memfs_data.js';
import { VDIR, VREG, type ByteName } from '../../../puffs/puffs.js';
import { genfs_node } from '../../genfs_node.js';

export interface tmpfs_dirent {
  readonly td_name: ByteName;
  td_node: number;
  td_type: number;
  /** readdir's cookie: grows with each new name of the directory, and stays with it. */
  readonly td_seq: number;
}

/** 0 and 1 are "." and "..". */
const TMPFS_DIRSEQ_START = 2;

export class tmpfs_node extends genfs_node {
  /** Contents of a regular file. */
  readonly tn_data: MemfsData | null;
  /** Names of a directory, in the order of td_seq: a Map keeps the order of insertion. */
  readonly tn_dirents: Map<ByteName, tmpfs_dirent> | null;
  tn_next_seq = TMPFS_DIRSEQ_START;
  /** Where ".." leads. */
  tn_parent = 0;
  tn_link: ByteName = '';

  constructor(number: number, type: number, space: MemfsSpace) {
    super(number, type);
    this.tn_data = type === VREG ? new MemfsData(space) : null;
    this.tn_dirents = type === VDIR ? new Map() : null;
  }
}
