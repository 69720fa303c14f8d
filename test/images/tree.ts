/**
 * A file tree as plain facts, whoever found them: the host's file system, the Linux kernel in the
 * judge, or lump. Two trees are equal when nobody who uses them could tell them apart.
 */
import { createHash } from 'node:crypto';

/** A path as bytes (one character per byte), '/' between components; '.' is the root itself. */
export type TreePath = string;

export type TreeType =
  | 'file'
  | 'dir'
  | 'symlink'
  | 'char'
  | 'block'
  | 'fifo'
  | 'socket'
  /** A name that the directory lists but that cannot be looked up; see {@link TreeEntry.error}. */
  | 'broken';

export interface TreeEntry {
  readonly path: TreePath;
  readonly type: TreeType;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file, length of a symlink's target; 0 for everything else. */
  readonly size: number;
  /** Seconds since 1970: all that the medium holds. */
  readonly mtime: number;
  readonly ctime?: number;
  readonly atime?: number;
  readonly nlink: number;
  /** Devices only. */
  readonly rdev?: { readonly major: number; readonly minor: number };
  /** Symlinks only, as bytes. */
  readonly target?: string;
  /** Regular files only, of the whole contents; absent when reading failed. */
  readonly sha256?: string;
  /** What lookup or reading answered, as an errno's name. */
  readonly error?: string;
  /** Full Linux names (bytes) → value in hexadecimal; ACLs in the system call's form. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** The first path (in byte order) of the same inode, when this is a later one. */
  readonly sameAs?: TreePath;
}

/** Sorted by path, byte-wise. */
export type Tree = readonly TreeEntry[];

/** The facts of one inode, from which {@link buildTree} makes entries. */
export type TreeNode = Omit<TreeEntry, 'path' | 'sameAs'> & {
  /** Equal for two names of one inode. */
  readonly ino: number;
};

/** Sorts, and replaces inode numbers, which every file system chooses for itself, by `sameAs`. */
export function buildTree(nodes: Iterable<readonly [TreePath, TreeNode]>): Tree {
  const sorted = [...nodes].sort(([a], [b]) => compareBytes(a, b));
  const firstPath = new Map<number, TreePath>();
  return sorted.map(([path, { ino, ...facts }]) => {
    const first = firstPath.get(ino);
    if (facts.type === 'broken' || first === undefined) {
      if (facts.type !== 'broken') firstPath.set(ino, path);
      return { path, ...facts };
    }
    return { path, ...facts, sameAs: first };
  });
}

/**
 * A file system that a tree can be read from: the part of an interface that the comparison needs.
 * Errors are thrown with a `code` (an errno's name).
 */
export interface TreeSource {
  /** Names in a directory, without "." and "..", in any order. */
  list(path: TreePath): Iterable<string>;
  lstat(path: TreePath): Omit<TreeNode, 'target' | 'sha256' | 'error' | 'xattrs'>;
  readlink(path: TreePath): string;
  read(path: TreePath): Uint8Array;
  xattrs(path: TreePath): Iterable<readonly [string, Uint8Array]>;
}

/** Reads everything that a file system holds. */
export function readTree(source: TreeSource): Tree {
  const nodes: [TreePath, TreeNode][] = [];
  const contents = new Map<number, { sha256: string } | { error: string }>();
  const visit = (path: TreePath): void => {
    let stat: ReturnType<TreeSource['lstat']>;
    try {
      stat = source.lstat(path);
    } catch (error) {
      nodes.push([path, brokenNode(errnoName(error))]);
      return;
    }
    const xattrs: Record<string, string> = {};
    for (const [name, value] of source.xattrs(path)) {
      xattrs[name] = Buffer.from(value).toString('hex');
    }
    let facts: Partial<TreeNode> = {};
    if (stat.type === 'symlink') facts = { target: source.readlink(path) };
    if (stat.type === 'file') {
      facts = contents.get(stat.ino) ?? digest(source, path);
      contents.set(stat.ino, facts as { sha256: string });
    }
    nodes.push([
      path,
      {
        ...stat,
        ...facts,
        ...(Object.keys(xattrs).length > 0 ? { xattrs } : {}),
      },
    ]);
    if (stat.type === 'dir') for (const name of source.list(path)) visit(joinPath(path, name));
  };
  visit('.');
  return buildTree(nodes);
}

function digest(source: TreeSource, path: TreePath): { sha256: string } | { error: string } {
  try {
    return { sha256: sha256(source.read(path)) };
  } catch (error) {
    return { error: errnoName(error) };
  }
}

/** An entry whose name is all that is known. */
export function brokenNode(error: string): TreeNode {
  return { type: 'broken', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, nlink: 0, ino: -1, error };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function joinPath(directory: TreePath, name: string): TreePath {
  return directory === '.' ? name : `${directory}/${name}`;
}

export function typeOfMode(mode: number): TreeType {
  switch (mode & 0o170000) {
    case 0o100000:
      return 'file';
    case 0o040000:
      return 'dir';
    case 0o120000:
      return 'symlink';
    case 0o020000:
      return 'char';
    case 0o060000:
      return 'block';
    case 0o010000:
      return 'fifo';
    case 0o140000:
      return 'socket';
    default:
      throw new Error(`no file type in mode ${mode.toString(8)}`);
  }
}

export type TreeField = Exclude<keyof TreeEntry, 'path'>;

export interface CompareOptions {
  /** Fields that may differ everywhere. Fields that one side does not know never count. */
  readonly ignore?: readonly TreeField[];
  /** Fields that may differ at the root. */
  readonly ignoreAtRoot?: readonly TreeField[];
}

const COMPARED: readonly TreeField[] = [
  'type',
  'error',
  'mode',
  'uid',
  'gid',
  'size',
  'mtime',
  'ctime',
  'atime',
  'nlink',
  'rdev',
  'target',
  'sha256',
  'xattrs',
  'sameAs',
];
/** Known by some sources only: compared when both sides have them. */
const OPTIONAL: ReadonlySet<TreeField> = new Set(['ctime', 'atime']);

/** Every difference as a line for a person; empty when the trees are the same. */
export function diffTrees(expected: Tree, actual: Tree, options: CompareOptions = {}): string[] {
  const differences: string[] = [];
  const found = new Map(actual.map((entry) => [entry.path, entry]));
  for (const want of expected) {
    const have = found.get(want.path);
    found.delete(want.path);
    if (have === undefined) {
      differences.push(`${show(want.path)}: missing (expected ${describeEntry(want)})`);
      continue;
    }
    for (const field of COMPARED) {
      if (options.ignore?.includes(field)) continue;
      if (want.path === '.' && options.ignoreAtRoot?.includes(field)) continue;
      if (OPTIONAL.has(field) && (want[field] === undefined || have[field] === undefined)) continue;
      const wanted = showField(want, field);
      const had = showField(have, field);
      if (wanted !== had) {
        differences.push(`${show(want.path)}: ${field} is ${had}, expected ${wanted}`);
      }
    }
  }
  for (const entry of found.values()) {
    differences.push(`${show(entry.path)}: unexpected (${describeEntry(entry)})`);
  }
  return differences;
}

const DIFFERENCES_SHOWN = 30;

/** @throws Error that lists the differences. `what` opens the message. */
export function assertSameTree(
  what: string,
  expected: Tree,
  actual: Tree,
  options: CompareOptions = {},
): void {
  const differences = diffTrees(expected, actual, options);
  if (differences.length === 0) return;
  const more = differences.length - DIFFERENCES_SHOWN;
  throw new Error(
    [
      `${what}: ${differences.length} differences in ${expected.length} entries`,
      ...differences.slice(0, DIFFERENCES_SHOWN),
      ...(more > 0 ? [`… and ${more} more`] : []),
    ].join('\n  '),
  );
}

function describeEntry(entry: TreeEntry): string {
  return `${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.size} bytes`;
}

function showField(entry: TreeEntry, field: TreeField): string {
  const value = entry[field];
  if (value === undefined) return 'absent';
  if (field === 'mode') return (value as number).toString(8);
  if (field === 'rdev') return `${entry.rdev?.major}:${entry.rdev?.minor}`;
  if (field === 'xattrs') {
    const names = Object.keys(entry.xattrs ?? {}).sort(compareBytes);
    return names.map((name) => `${show(name)}=${entry.xattrs?.[name]}`).join(' ') || 'absent';
  }
  return typeof value === 'string' ? show(value) : String(value);
}

/** Bytes as text that a terminal can show, long runs shortened in the middle. */
function show(bytes: string): string {
  const text = bytes.replace(
    /[^\x20-\x7e]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return text.length <= 80
    ? text
    : `${text.slice(0, 50)}…(${bytes.length} bytes)…${text.slice(-12)}`;
}

function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function errnoName(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') throw error;
  return code;
}
