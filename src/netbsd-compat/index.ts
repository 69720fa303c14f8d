/**
 * The kernel's interfaces for drivers that are no part of lump: what a file that modload() loads is
 * given. Such a driver is one of {@link vfsops} and {@link vnodeops}, as those in `drivers/` are.
 * @module netbsd-compat
 */
export { bufcache, type buf } from './buf.js';
export { disk_check, disk_slice, disk_zero, type disk } from './disk/disk.js';
export { NetbsdErrno } from './errno.js';
export {
  genfs_node,
  type genfs_extattr,
  type genfs_limits,
  type genfs_medium,
  type genfs_new,
  type genfs_time,
} from './genfs_node.js';
export { genfs_vfsops, type genfs_fs, type genfs_kind } from './genfs_vfsops.js';
export { genfs_vnops } from './genfs_vnops.js';
export { genfs_probe, genfs_volume } from './genfs_volume.js';
export {
  module_compatible,
  RUMP_VERSION,
  vfs_module,
  type link_set,
  type modinfo,
  type module_class,
} from './module.js';
export { MNT_RDONLY, MNT_UPDATE, type mount, type vfsops } from './mount.js';
export { be16, be32, le16, le32, u8, type field } from './structure.js';
export { vcache_get, vref, vrele, type loaded_vnode, type vnode } from './vnode.js';
export { vnodeops, type componentname } from './vnode_if.js';
export * from '../puffs/index.js';
