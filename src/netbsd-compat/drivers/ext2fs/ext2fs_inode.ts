/** An inode of ext2 in memory. */
import { genfs_node } from '../../genfs_node.js';
import type { ByteName } from '../../../puffs/puffs.js';
import { NDADDR, NIADDR } from './medium.js';

export class ext2_inode extends genfs_node {
  /** Block pointers; of a short symbolic link, its bytes; of a device, its number. */
  readonly e2di_blocks = new Uint32Array(NDADDR + NIADDR);
  /** 512-byte units. */
  e2di_nblock = 0;
  e2di_flags = 0;
  e2di_facl = 0;
  /** Names of a directory → offset of the entry: NetBSD's dirhash. Made when first needed. */
  i_dirhash: Map<ByteName, number> | null = null;
  /** Blocks before this one have no room for a name of usual length. */
  i_dirroom = 0;
  /** Where the next block should lie. */
  i_goal = 0;
}
