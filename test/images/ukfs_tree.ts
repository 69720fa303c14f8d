/** The tree of a mounted file system, through lump's own library interface. */
import { major, minor } from '../../src/puffs/devt.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import type { Tree, TreePath } from './tree.js';
import { readTree, typeOfMode } from './tree.js';

const NO_BYTES = Buffer.alloc(0);

export interface UkfsTreeOptions {
  /** Of each file that is read. */
  readonly bytesMax?: number;
  /** Attributes that cannot be listed are one called "?"; the work goes on. */
  readonly lenient?: boolean;
}

export function ukfsTree(ukfs: Ukfs, options: UkfsTreeOptions = {}): Tree {
  const { bytesMax = Number.POSITIVE_INFINITY, lenient = false } = options;
  const attempt = <T>(call: () => T, otherwise: T): T => {
    try {
      return call();
    } catch (error) {
      if (!lenient) throw error;
      return otherwise;
    }
  };
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
    read(path) {
      if (bytesMax === Number.POSITIVE_INFINITY) return ukfs.readFile(at(path));
      const fd = ukfs.open(at(path), 'r');
      try {
        const bytes = new Uint8Array(Math.min(bytesMax, ukfs.lstat(at(path)).size));
        return bytes.subarray(0, ukfs.read(fd, bytes, 0, bytes.length, 0));
      } finally {
        ukfs.close(fd);
      }
    },
    xattrs: (path) =>
      attempt(() => ukfs.listxattrBytes(at(path), false), [Buffer.from('?')]).map((name) => {
        const value = attempt(() => ukfs.getxattr(at(path), name, false), NO_BYTES);
        return [latin1(Buffer.from(name)), value] as const;
      }),
  });
}
