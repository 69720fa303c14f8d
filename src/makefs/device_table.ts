/**
 * Device tables, as mkfs.jffs2 -D and genext2fs take them: a line per file or series of devices,
 *
 *     path type mode uid gid major minor start inc count
 *
 * mode is octal, "-" stands for a field that is not used. Types: f (a file of the tree), d, c, b,
 * p, l (a symlink of the tree). With a count, `path` is a prefix: the numbers from `start` on are
 * added to it, and the minor number grows by `inc`. What exists is changed, directories, devices
 * and fifos that do not are made.
 *
 * Source: reference jffs2.md §12.2, and the table that mtd-utils ships as an example.
 */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import type { ByteName } from '../lump/types.js';
import { fileType, type FsNode, MakefsError, newInode, showPath } from './fsnode.js';

const TYPES: Readonly<Record<string, number>> = {
  f: S_IFREG,
  d: S_IFDIR,
  c: S_IFCHR,
  b: S_IFBLK,
  p: S_IFIFO,
  l: S_IFLNK,
};
const FIELDS = ['mode', 'uid', 'gid', 'major', 'minor', 'start', 'inc', 'count'] as const;
/** A table can make a lot of devices with one line; nobody wants more than this. */
const COUNT_MAX = 65536;

interface DeviceLine {
  readonly names: readonly ByteName[];
  readonly type: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Undefined: not given. */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly start: number;
  readonly inc: number;
  readonly count: number;
}

/**
 * @param text bytes of the table
 * @throws MakefsError naming the file and the line
 */
export function applyDeviceTable(root: FsNode, text: string, file: string, nowSec: number): void {
  text.split('\n').forEach((line, i) => {
    const words = line
      .replace(/(^|\s)#.*/, '')
      .trim()
      .split(/\s+/);
    if (words[0] === '') return;
    try {
      applyLine(root, parseLine(words), nowSec);
    } catch (error) {
      if (!(error instanceof MakefsError)) throw error;
      throw new MakefsError(`${file}:${i + 1}: ${error.message}`);
    }
  });
}

function parseLine(words: readonly string[]): DeviceLine {
  const [path, letter, ...rest] = words;
  if (letter === undefined) throw new MakefsError(`"${showPath(path!)}" has no type`);
  const type = Object.hasOwn(TYPES, letter) ? TYPES[letter] : undefined;
  if (type === undefined) {
    throw new MakefsError(`type ${showPath(letter)} is none of ${Object.keys(TYPES).join(', ')}`);
  }
  if (rest.length > FIELDS.length) throw new MakefsError(`more than ${FIELDS.length + 2} fields`);
  const field = (name: (typeof FIELDS)[number]): number | undefined => {
    const word = rest[FIELDS.indexOf(name)];
    if (word === undefined || word === '-') return undefined;
    const octal = name === 'mode';
    if (!(octal ? /^[0-7]{1,7}$/ : /^\d{1,10}$/).test(word)) {
      throw new MakefsError(`${name} ${showPath(word)} is no ${octal ? 'octal ' : ''}number`);
    }
    return Number.parseInt(word, octal ? 8 : 10);
  };
  const names = path!.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw new MakefsError(`${showPath(path!)} leads out of the tree`);
  const count = field('count') ?? 0;
  if (count > COUNT_MAX) throw new MakefsError(`count ${count} is more than ${COUNT_MAX}`);
  return {
    names,
    type,
    mode: (field('mode') ?? 0o755) & 0o7777,
    uid: field('uid') ?? 0,
    gid: field('gid') ?? 0,
    major: field('major'),
    minor: field('minor'),
    start: field('start') ?? 0,
    inc: field('inc') ?? 1,
    count,
  };
}

function applyLine(root: FsNode, line: DeviceLine, nowSec: number): void {
  const isDevice = line.type === S_IFCHR || line.type === S_IFBLK;
  let parent = root;
  for (const name of line.names.slice(0, -1)) {
    const child = parent.child(name);
    if (child?.isDirectory !== true) {
      throw new MakefsError(`${showPath(`${parent.path}/${name}`)} is no directory of the tree`);
    }
    parent = child;
  }
  const last = line.names.at(-1);
  if (last === undefined) {
    applyOne(root, line, line.minor);
    return;
  }
  if (!isDevice || line.count === 0) {
    applyOne(parent.child(last) ?? make(parent, last, line, nowSec), line, line.minor);
    return;
  }
  for (let i = 0; i < line.count; i++) {
    const name = `${last}${line.start + i}`;
    const node = parent.child(name) ?? make(parent, name, line, nowSec);
    applyOne(node, line, (line.minor ?? 0) + i * line.inc);
  }
}

function make(parent: FsNode, name: ByteName, line: DeviceLine, nowSec: number): FsNode {
  if (line.type === S_IFREG || line.type === S_IFLNK) {
    const path = showPath(`${parent.path}/${name}`);
    throw new MakefsError(`${path} is not in the tree, and a table cannot make a file or symlink`);
  }
  return parent.add(name, newInode(line.type, nowSec));
}

function applyOne(node: FsNode, line: DeviceLine, minor: number | undefined): void {
  const { inode } = node;
  if ((inode.mode & S_IFMT) !== line.type) {
    throw new MakefsError(
      `${showPath(node.path)} is a ${fileType(inode.mode)}, not a ${fileType(line.type)}`,
    );
  }
  // A symlink has no permissions of its own.
  if (line.type !== S_IFLNK) inode.mode = line.type | line.mode;
  inode.uid = line.uid;
  inode.gid = line.gid;
  if (line.type === S_IFCHR || line.type === S_IFBLK) {
    inode.rdevMajor = line.major ?? inode.rdevMajor;
    inode.rdevMinor = minor ?? inode.rdevMinor;
  }
}
