/**
 * Walking a path (path_resolution(7)).
 */
import { inode_permission } from '../lump/attr.js';
import { Errno } from '../lump/errno.js';
import { MAY_EXEC, S_ISDIR, S_ISLNK } from '../lump/fs.js';
import type { ByteName } from '../lump/types.js';
import { type Dentry, dget, dput } from './dcache.js';
import { lookup_positive, vfs_readlink } from './namei.js';

/** Symlinks that one walk may follow. */
export const MAXSYMLINKS = 40;
/** Bytes of a path, with the NUL that ends it in C. */
export const PATH_MAX = 4096;

/**
 * The file that `path` names. A path that starts with "/" and ".." above it stay inside `root`;
 * others start at `start`. A symlink in the last place is followed if `follow` says so, or if
 * slashes come after it.
 * @throws ENOENT also for the empty path; ENOTDIR; EACCES; ELOOP; ENAMETOOLONG; EIO.
 */
export function path_lookup(
  root: Dentry,
  path: ByteName,
  follow: boolean,
  start: Dentry = root,
): Dentry {
  if (path === '') throw new Errno('ENOENT');
  if (path.length >= PATH_MAX) throw new Errno('ENAMETOOLONG');
  // What is still to be walked, the next name last; symlinks put their targets on top.
  const rest = path.split('/').reverse();
  let links = 0;
  let at = dget(path.startsWith('/') ? root : start);
  try {
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      const inode = at.d_inode!;
      if (!S_ISDIR(inode.i_mode)) throw new Errno('ENOTDIR');
      if (name === '' || name === '.' || (name === '..' && at === root)) {
        inode_permission(inode, MAY_EXEC);
        continue;
      }
      const next = lookup_positive(at, name);
      const last = rest.length === 0;
      if (!S_ISLNK(next.d_inode!.i_mode) || (last && !follow)) {
        dput(at);
        at = next;
        continue;
      }
      let target: ByteName;
      try {
        if (++links > MAXSYMLINKS) throw new Errno('ELOOP');
        target = vfs_readlink(next.d_inode!);
        if (target === '') throw new Errno('ENOENT');
      } finally {
        dput(next);
      }
      for (const part of target.split('/').reverse()) rest.push(part);
      if (target.startsWith('/')) {
        dput(at);
        at = dget(root);
      }
    }
    return at;
  } catch (error) {
    dput(at);
    throw error;
  }
}
