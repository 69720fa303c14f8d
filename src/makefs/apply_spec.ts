/** Phase 2: a specification changes, adds to and (with `exclude`) thins the tree. */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import type { ByteName } from '../lump/types.js';
import type { Contents } from './fsnode.js';
import { fileType, FsNode, MakefsError, newInode, showPath } from './fsnode.js';
import type { MtreeEntry } from './mtree.js';
import type { UserDatabase } from './userdb.js';

export interface ApplySpecOptions {
  /** Drops what the specification does not list. */
  readonly exclude: boolean;
  /** For entries without a time of their own. */
  readonly nowSec: number;
  readonly users: UserDatabase;
  /** Opens what a `contents=` names. */
  readonly contents: (path: ByteName) => Contents;
}

/** @throws MakefsError naming the specification's line */
export function applySpec(
  root: FsNode,
  entries: readonly MtreeEntry[],
  options: ApplySpecOptions,
): void {
  const listed = new Set<FsNode>([root]);
  const ignored = new Set<FsNode>();
  for (const entry of entries) {
    try {
      const node = applyEntry(root, entry, options);
      if (node === null) continue;
      if (entry.ignore) ignored.add(node);
      for (let up: FsNode | null = node; up !== null; up = up.parent) listed.add(up);
    } catch (error) {
      if (!(error instanceof MakefsError)) throw error;
      throw new MakefsError(`${entry.where}: ${error.message}`);
    }
  }
  if (options.exclude) thin(root, listed, ignored);
}

/** @returns null for an optional entry that the tree has not. */
function applyEntry(root: FsNode, entry: MtreeEntry, options: ApplySpecOptions): FsNode | null {
  let parent = root;
  for (const name of entry.path.slice(0, -1)) {
    const child = parent.child(name);
    if (child === undefined) {
      if (entry.optional) return null;
      const missing = showPath(`${parent.path}/${name}`);
      throw new MakefsError(`${missing} is not there: list it before what is in it`);
    }
    if (!child.isDirectory) throw new MakefsError(`${showPath(child.path)} is no directory`);
    parent = child;
  }
  const name = entry.path.at(-1);
  const existing = name === undefined ? root : parent.child(name);
  if (existing !== undefined) {
    change(existing, entry, options);
    return existing;
  }
  if (entry.optional) return null;
  return create(parent, name!, entry, options);
}

function change(node: FsNode, entry: MtreeEntry, options: ApplySpecOptions): void {
  const { inode } = node;
  if (entry.type !== undefined && entry.type !== (inode.mode & S_IFMT)) {
    throw new MakefsError(
      `${showPath(node.path)} is a ${fileType(inode.mode)}, not a ${fileType(entry.type)}`,
    );
  }
  if (entry.mode !== undefined && entry.type !== S_IFLNK) {
    inode.mode = (inode.mode & S_IFMT) | entry.mode;
  }
  inode.uid = ownerOf(entry, options) ?? inode.uid;
  inode.gid = groupOf(entry, options) ?? inode.gid;
  if (entry.timeSec !== undefined) inode.mtimeSec = entry.timeSec;
  if (entry.link !== undefined && (inode.mode & S_IFMT) === S_IFLNK) inode.target = entry.link;
  if (entry.device !== undefined && isDevice(inode.mode)) {
    inode.rdevMajor = entry.device.major;
    inode.rdevMinor = entry.device.minor;
  }
  if (entry.contents !== undefined && (inode.mode & S_IFMT) === S_IFREG) {
    inode.contents = options.contents(entry.contents);
  }
}

function create(
  parent: FsNode,
  name: ByteName,
  entry: MtreeEntry,
  options: ApplySpecOptions,
): FsNode {
  const path = showPath(`${parent.path}/${name}`);
  const need = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) {
      throw new MakefsError(`${path} is in no directory; to make it, ${what} must be given`);
    }
    return value;
  };
  const type = need(entry.type, 'type');
  const inode = newInode(
    type | need(entry.mode ?? (type === S_IFLNK ? 0o777 : undefined), 'mode'),
    entry.timeSec ?? options.nowSec,
  );
  inode.uid = need(ownerOf(entry, options), 'uid or uname');
  inode.gid = need(groupOf(entry, options), 'gid or gname');
  if (type === S_IFLNK) inode.target = need(entry.link, 'link');
  if (isDevice(type)) {
    const device = need(entry.device, 'device');
    inode.rdevMajor = device.major;
    inode.rdevMinor = device.minor;
  }
  if (type === S_IFREG && entry.contents !== undefined) {
    inode.contents = options.contents(entry.contents);
  }
  return parent.add(name, inode);
}

const isDevice = (mode: number): boolean =>
  (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFBLK;

/** A name counts more than a number: numbers differ between systems. */
function ownerOf(entry: MtreeEntry, { users }: ApplySpecOptions): number | undefined {
  if (entry.uname === undefined) return entry.uid;
  const uid = users.uid(entry.uname) ?? entry.uid;
  if (uid === undefined) throw new MakefsError(`nobody is called ${showPath(entry.uname)}`);
  return uid;
}

function groupOf(entry: MtreeEntry, { users }: ApplySpecOptions): number | undefined {
  if (entry.gname === undefined) return entry.gid;
  const gid = users.gid(entry.gname) ?? entry.gid;
  if (gid === undefined) throw new MakefsError(`no group is called ${showPath(entry.gname)}`);
  return gid;
}

function thin(node: FsNode, listed: ReadonlySet<FsNode>, ignored: ReadonlySet<FsNode>): void {
  // "ignore" says that what is below is nobody's business: it stays.
  if (ignored.has(node)) return;
  for (const child of node.sorted()) {
    if (!listed.has(child)) node.remove(child.name);
    else if (child.isDirectory) thin(child, listed, ignored);
  }
}

/** The root for a specification without a directory: what it says of "." comes later. */
export function emptyRoot(nowSec: number): FsNode {
  return new FsNode('.', null, newInode(S_IFDIR | 0o755, nowSec));
}
