/** The tree below a folder of the host, through the host's own system calls. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { parseGetfattr } from '../../src/rumpuser/getfattr.js';
import type { Tree, TreePath, TreeSource } from './tree.js';
import { readTree, typeOfMode } from './tree.js';

export interface HostTreeOptions {
  /** Reads xattrs through getfattr(1). As an ordinary user, trusted.* is not among them. */
  readonly xattrs?: boolean;
}

export function hostTree(folder: string, options: HostTreeOptions = {}): Tree {
  const xattrs = options.xattrs === true ? readXattrs(folder) : new Map();
  const at = (path: TreePath): Buffer => Buffer.from(`${folder}/${path}`, 'latin1');
  const source: TreeSource = {
    list: (path) => readdirSync(at(path), { encoding: 'buffer' }).map((n) => n.toString('latin1')),
    lstat(path) {
      const stat = lstatSync(at(path), { bigint: true });
      const type = typeOfMode(Number(stat.mode));
      const device = type === 'char' || type === 'block';
      return {
        type,
        mode: Number(stat.mode) & 0o7777,
        uid: Number(stat.uid),
        gid: Number(stat.gid),
        size: type === 'file' || type === 'symlink' ? Number(stat.size) : 0,
        mtime: Number(stat.mtimeMs / 1000n),
        nlink: Number(stat.nlink),
        ino: Number(stat.ino),
        ...(device ? { rdev: splitDevice(Number(stat.rdev)) } : {}),
      };
    },
    readlink: (path) => readlinkSync(at(path), { encoding: 'buffer' }).toString('latin1'),
    read: (path) => readFileSync(at(path)),
    xattrs: (path) => xattrs.get(path) ?? [],
  };
  return readTree(source);
}

/** glibc's encoding of dev_t, as stat(2) reports it. */
function splitDevice(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function readXattrs(folder: string): Map<TreePath, [string, Uint8Array][]> {
  const text = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: folder,
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return parseGetfattr(text);
}
