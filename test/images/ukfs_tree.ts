/** The tree of a mounted file system, through lump's own library interface. */
import { major, minor } from '../../src/puffs/devt.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import type { Tree, TreePath } from './tree.js';
import { readTree, typeOfMode } from './tree.js';

export function ukfsTree(ukfs: Ukfs): Tree {
  const at = (path: TreePath): Uint8Array => Buffer.from(`/${path === '.' ? '' : path}`, 'latin1');
  const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  return readTree({
    list: (path) => ukfs.readdirTypes(at(path)).map((entry) => latin1(entry.bytes)),
    lstat(path) {
      const stat = ukfs.lstat(at(path));
      const type = typeOfMode(stat.mode);
      const isDevice = type === 'char' || type === 'block';
      return {
        type,
        mode: stat.mode & 0o7777,
        uid: stat.uid,
        gid: stat.gid,
        size: type === 'file' || type === 'symlink' ? stat.size : 0,
        atime: stat.atime.sec,
        mtime: stat.mtime.sec,
        ctime: stat.ctime.sec,
        nlink: stat.nlink,
        ino: stat.ino,
        ...(isDevice ? { rdev: { major: major(stat.rdev), minor: minor(stat.rdev) } } : {}),
      };
    },
    readlink: (path) => latin1(ukfs.readlinkBytes(at(path))),
    read: (path) => ukfs.readFile(at(path)),
    xattrs: (path) =>
      ukfs
        .listxattr(at(path), false)
        .map((name) => [latin1(Buffer.from(name)), ukfs.getxattr(at(path), name, false)] as const),
  });
}
