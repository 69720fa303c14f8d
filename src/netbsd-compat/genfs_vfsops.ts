/**
 * The operations on the whole of file systems with inodes on a disk: mounting, the change between
 * reading and writing, unmounting, the way from a number to a vnode.
 */
import { VDIR, type puffs_statvfs } from '../puffs/puffs.js';
import type { Lump } from '../lump/lump.js';
import type { disk } from './disk/disk.js';
import { NetbsdErrno } from './errno.js';
import type { genfs_medium, genfs_node } from './genfs_node.js';
import type { genfs_volume } from './genfs_volume.js';
import { MNT_UPDATE, type mount, type vfsops } from './mount.js';
import type { loaded_vnode, vnode } from './vnode.js';
import type { vnodeops } from './vnode_if.js';

/** One that is mounted. */
export interface genfs_fs<N extends genfs_node> extends genfs_medium<N> {
  readonly vnops: vnodeops;
  /** Number of the root directory. */
  readonly root: number;
  readonly volume: genfs_volume;
  /** The node of a number. @throws ESTALE no node, or a free one; EIO it is damaged. */
  load(number: number): N;
  /** It is mounted and only read: says what its user should know. @throws EIO. */
  open_reading?(): void;
  /**
   * From now on it may be written, and is not clean until close_writing().
   * @param force also where it was not unmounted cleanly
   * @throws EROFS with the reason; EIO.
   */
  open_writing(force: boolean): void;
  /** Everything is on the medium, which is as clean as it was; if it was open for writing. */
  close_writing(): void;
  /** Sizes and counts of the file system, into `out`; f_fsid and flags are the mount's to set. */
  statvfs(out: puffs_statvfs): void;
}

/** What a file system says of itself; `Args` is what its mount program passes. */
export interface genfs_kind<Args> {
  readonly vfs_name: string;
  readonly uses_namecache: boolean;
  /** @throws EINVAL no such file system there, or a damaged one; EIO. */
  open(lump: Lump, args: Args, is_readonly: boolean): genfs_fs<genfs_node>;
}

const VFSTOGENFS = (mp: mount): genfs_fs<genfs_node> => mp.mnt_data as genfs_fs<genfs_node>;

/** The operations of a kind. */
export function genfs_vfsops<Args extends { readonly disk: disk; readonly force?: boolean }>({
  vfs_name,
  uses_namecache,
  open,
}: genfs_kind<Args>): vfsops {
  return {
    vfs_name,
    uses_namecache,

    mount(mp: mount, args: Args): void {
      if ((mp.mnt_flag & MNT_UPDATE) !== 0) {
        const fs = VFSTOGENFS(mp);
        if (mp.is_readonly) fs.close_writing();
        else fs.open_writing(false);
        return;
      }
      const fs = open(mp.mnt_rump.lump, args, mp.is_readonly);
      const { disk, cache } = fs.volume;
      try {
        const { i_type, i_nlink } = fs.load(fs.root);
        if (i_type !== VDIR || i_nlink === 0) {
          throw new NetbsdErrno('EINVAL', `${disk.name}: the root is no directory`);
        }
        if (mp.is_readonly) fs.open_reading?.();
        else fs.open_writing(args.force ?? false);
      } catch (error) {
        cache.close();
        throw error;
      }
      mp.mnt_data = fs;
    },
    unmount(mp: mount): void {
      const fs = VFSTOGENFS(mp);
      fs.close_writing();
      fs.volume.cache.close();
    },
    root: (mp: mount) => VFSTOGENFS(mp).root,
    loadvnode(mp: mount, key: number): loaded_vnode {
      const fs = VFSTOGENFS(mp);
      const node = fs.load(key);
      // Else it would be freed, a second time, when it is let go.
      if (node.i_nlink === 0) throw fs.volume.eio(`inode ${key} is deleted and has a name`);
      return { type: node.i_type, op: fs.vnops, data: node, rdev: node.i_rdev };
    },
    statvfs: (mp: mount, out: puffs_statvfs) => VFSTOGENFS(mp).statvfs(out),
    sync: (mp: mount) => VFSTOGENFS(mp).sync(null),
    generation: (vp: vnode) => (vp.v_data as genfs_node).i_gen,
  };
}
