/**
 * A file system's whole visible state as plain data, to be compared: by path, with content,
 * attributes, links and extended attributes. Times are left out.
 */
import type { Ukfs } from '../../src/ukfs/ukfs.js';

/** One line per path: what is there. */
export type Tree = Map<string, string>;

const digest = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

export function treeOf(u: Ukfs): Tree {
  const tree: Tree = new Map();
  /** Names of one inode share a number of ours, given in the order of the walk. */
  const links = new Map<number, number>();
  const visit = (path: string): void => {
    const stats = u.lstat(path);
    let line = `${stats.mode.toString(8)} ${stats.uid}:${stats.gid}`;
    if (!stats.isDirectory()) {
      if (!links.has(stats.ino)) links.set(stats.ino, links.size);
      if (stats.nlink > 1) line += ` ×${stats.nlink}`;
    }
    if (stats.isFile()) line += ` ${stats.size} ${digest(u.readFile(path))}`;
    if (stats.isSymbolicLink()) line += ` -> ${u.readlink(path)}`;
    if (stats.isCharacterDevice() || stats.isBlockDevice()) line += ` ${stats.rdev}`;
    for (const name of u.listxattr(path, false).sort()) {
      line += ` ${name}=${digest(u.getxattr(path, name, false))}`;
    }
    tree.set(path, line);
    if (!stats.isDirectory()) return;
    for (const name of u.readdir(path).sort()) visit(`${path === '/' ? '' : path}/${name}`);
  };
  visit('/');
  return tree;
}

/** Where two trees differ, in a few lines; '' when they do not. */
export function differenceOf(seen: Tree, wanted: Tree): string {
  const shown = (line: string | undefined): string =>
    line === undefined ? 'nothing' : JSON.stringify(line.slice(0, 60)).slice(0, 90);
  const lines: string[] = [];
  for (const path of new Set([...seen.keys(), ...wanted.keys()])) {
    const a = seen.get(path);
    const b = wanted.get(path);
    if (a === b) continue;
    let at = 0;
    while (a !== undefined && b !== undefined && a[at] === b[at]) at++;
    lines.push(`${path}: ${shown(a)} instead of ${shown(b)}, from character ${at} on`);
  }
  return lines.slice(0, 10).join('\n');
}
