/**
 * The tree that an image is made from: what phases 1 and 2 build (from directories, a
 * specification, a device table) and what a file-system type's writer reads. A *node* is a name, an
 * *inode* is what the name leads to; hard links are nodes that share an inode.
 *
 * Names, link targets and attribute names are bytes, one character each ({@link ByteName}).
 */
import type { ByteName } from '../lump/types.js';
import { S_IFDIR, S_IFMT, S_IFREG } from '../lump/fs.js';

/** Whatever is wrong with the source, said to the user: the program ends with this message. */
export class MakefsError extends Error {
  override readonly name = 'MakefsError';
}

/** The data of a regular file, read once from beginning to end. */
export interface Contents {
  readonly sizeBytes: number;
  /** @throws MakefsError it cannot be opened, or is another file by now */
  open(): OpenContents;
}

export interface OpenContents {
  /** Reads the next bytes; fewer than asked for only when the file has become shorter. */
  read(buffer: Uint8Array, offset: number, length: number): number;
  /** To be called when all was read. @throws MakefsError the file changed meanwhile */
  finish(): void;
}

export interface FsInode {
  /** S_IF* and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970, may be negative or beyond 32 bits: the writer clamps. */
  mtimeSec: number;
  /** Of symlinks. */
  target: ByteName;
  /** Of character and block devices. */
  rdevMajor: number;
  rdevMinor: number;
  /** Of regular files; null = empty. */
  contents: Contents | null;
  xattrs: (readonly [name: ByteName, value: Uint8Array])[];
}

export class FsNode {
  readonly name: ByteName;
  readonly parent: FsNode | null;
  inode: FsInode;
  /** Of directories, in the order in which they are written: by bytes. */
  private readonly children = new Map<ByteName, FsNode>();

  constructor(name: ByteName, parent: FsNode | null, inode: FsInode) {
    this.name = name;
    this.parent = parent;
    this.inode = inode;
  }

  get isDirectory(): boolean {
    return (this.inode.mode & S_IFMT) === S_IFDIR;
  }

  /** "." for the root, else "./a/b": as in specifications and messages. */
  get path(): string {
    return this.parent === null ? '.' : `${this.parent.path}/${this.name}`;
  }

  child(name: ByteName): FsNode | undefined {
    return this.children.get(name);
  }

  /** Adds or replaces. */
  add(name: ByteName, inode: FsInode): FsNode {
    const node = new FsNode(name, this, inode);
    this.children.set(name, node);
    return node;
  }

  remove(name: ByteName): void {
    this.children.delete(name);
  }

  /** Sorted by bytes, so that the same tree always makes the same image. */
  sorted(): FsNode[] {
    return [...this.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

export function newInode(mode: number, mtimeSec: number): FsInode {
  return {
    mode,
    uid: 0,
    gid: 0,
    mtimeSec,
    target: '',
    rdevMajor: 0,
    rdevMinor: 0,
    contents: null,
    xattrs: [],
  };
}

/** Every node, parents before children, siblings by bytes. */
export function* walkTree(root: FsNode): Generator<FsNode> {
  const stack = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield node;
    if (node.isDirectory) stack.push(...node.sorted().reverse());
  }
}

/** Calls for every inode once, however many names it has. */
export function forEachInode(root: FsNode, call: (inode: FsInode, node: FsNode) => void): void {
  const seen = new Set<FsInode>();
  for (const node of walkTree(root)) {
    if (seen.has(node.inode)) continue;
    seen.add(node.inode);
    call(node.inode, node);
  }
}

/** Bytes of file data in the tree, each inode counted once. */
export function dataBytes(root: FsNode): number {
  let sum = 0;
  forEachInode(root, ({ contents }) => {
    sum += contents?.sizeBytes ?? 0;
  });
  return sum;
}

export const fileType = (mode: number): string => FILE_TYPES[mode & S_IFMT] ?? 'unknown';

/** mtree(5)'s words. */
export const FILE_TYPES: Readonly<Record<number, string>> = {
  0o010000: 'fifo',
  0o020000: 'char',
  [S_IFDIR]: 'dir',
  0o060000: 'block',
  [S_IFREG]: 'file',
  0o120000: 'link',
  0o140000: 'socket',
};

/** A path as a terminal can show it: what is no printable ASCII in octal, as in mtree(5). */
export const showPath = (path: ByteName): string =>
  path.replace(
    /[^\x20-\x7e]|\\/g,
    (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
