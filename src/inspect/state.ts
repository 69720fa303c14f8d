/**
 * What a mount would show of the medium now: which names there are, what they name, how many links
 * an inode has. And beside it everything that is on the medium by inode, whether in force or not.
 * Rules of the mount: reference jffs2.md §6, as src/jffs2/build.ts has them.
 */
import { JFFS2_NODETYPE_DIRENT, JFFS2_NODETYPE_INODE, JFFS2_ROOT_INO } from '../jffs2/medium.js';
import type { ByteName } from '../lump/types.js';
import type { Flash } from './flash.js';
import {
  inodeState,
  readDirentNode,
  readInodeNode,
  type DirentNode,
  type InodeNode,
  type InodeState,
} from './inode.js';
import { walk, type Walk } from './pieces.js';
import { collectXattrs, type Xattr, type XattrsInForce } from './xattrs.js';

/** All readable nodes of one inode number, in the order of the medium. */
export interface InodeNodes {
  readonly ino: number;
  /** Pieces: its inode nodes. */
  readonly inodes: number[];
  /** Pieces: the entries of which it is the directory. */
  readonly dirents: number[];
}

/** A name of the tree. */
export interface TreeEntry {
  /** From the root, '/' between components; '.' is the root itself. Bytes. */
  readonly path: ByteName;
  readonly state: InodeState;
  readonly nlink: number;
  /** The node that gives the name; undefined for the root. */
  readonly dirent?: DirentNode;
  /** A directory that is above itself: it is not entered. */
  readonly isCycle?: true;
}

const DT_DIR = 4;
/** Paths longer than this are not built: directories nested so deep are a lie. */
const PATH_BYTES_MAX = 1 << 16;

/** What a mount would show, and all that it would not: the walk over a flash, indexed. */
export class State {
  readonly flash: Flash;
  readonly walk: Walk;
  /** Everything readable on the medium. */
  readonly all = new Map<number, InodeNodes>();
  /** What a mount has: directory → name → entry in force (deletions included). */
  readonly #dents = new Map<number, Map<ByteName, DirentNode>>();
  /** Inodes that a mount knows → the count of names. */
  readonly #links = new Map<number, number>();
  /** Entries whose inode has no node, and the directories that still stand. */
  readonly dangling: DirentNode[] = [];
  /** Inodes that no name leads to, and that a mount drops. */
  readonly dropped = new Set<number>();
  readonly #states = new Map<number, InodeState>();
  #xattrs: XattrsInForce | undefined;

  constructor(flash: Flash, progress?: (done: number, of: number) => void) {
    this.flash = flash;
    this.walk = walk(flash, progress);
    this.#index();
    this.#build();
  }

  get pieces(): Walk['pieces'] {
    return this.walk.pieces;
  }

  /** Fields of an inode node. @param piece its index in `pieces` */
  inodeNode(piece: number): InodeNode {
    return readInodeNode(this.flash, this.pieces, piece);
  }

  /** Fields of a node that gives a name. @param piece its index in `pieces` */
  direntNode(piece: number): DirentNode {
    return readDirentNode(this.flash, this.pieces, piece);
  }

  /** Does a mount reach the inode by some name? (Cycles cut off from the root count, as there.) */
  isKnown(ino: number): boolean {
    return this.#links.has(ino) && !this.dropped.has(ino);
  }

  /** Names in a directory now, in no special order. */
  entries(ino: number): DirentNode[] {
    return [...(this.#dents.get(ino)?.values() ?? [])].filter((dirent) => dirent.ino !== 0);
  }

  /** What rules for a name in a directory; undefined: there is no such name. */
  lookup(dir: number, name: ByteName): DirentNode | undefined {
    const found = this.#dents.get(dir)?.get(name);
    return found?.ino === 0 ? undefined : found;
  }

  /** The entry in force for a name, also when it is a deletion. */
  ruling(dir: number, name: ByteName): DirentNode | undefined {
    return this.#dents.get(dir)?.get(name);
  }

  /** The inode as a mount has it. */
  inode(ino: number): InodeState {
    let state = this.#states.get(ino);
    if (state === undefined) {
      state = this.inodeAt(ino, Number.POSITIVE_INFINITY, (piece) => this.pieces.isScanned(piece));
      this.#states.set(ino, state);
    }
    return state;
  }

  /** The inode as its nodes up to `version` make it: of all nodes on the medium, or those chosen. */
  inodeAt(
    ino: number,
    version: number,
    choose: (piece: number) => boolean = () => true,
  ): InodeState {
    const known = this.all.get(ino);
    const { pieces } = this;
    const nodes: InodeNode[] = [];
    for (const piece of known?.inodes ?? []) {
      const verdict = pieces.verdict(piece);
      if (!choose(piece) || verdict === 'bad node') continue;
      const node = this.inodeNode(piece);
      if (node.version > version || (verdict === 'data crc' && node.dsize > 0)) continue;
      nodes.push(node);
    }
    let newest: { version: number; mctime: number } | undefined;
    const dents = this.#dents.get(ino);
    for (const dirent of dents?.values() ?? []) {
      if (dirent.mctime === 0 || dirent.version > version) continue;
      if (dirent.version > (newest?.version ?? 0)) newest = dirent;
    }
    const isDirectory = ino === JFFS2_ROOT_INO || dents !== undefined;
    return inodeState(this.flash, ino, nodes, isDirectory, newest);
  }

  /** Names of an inode. */
  nlink(ino: number): number {
    const state = this.inode(ino);
    if (state.type !== 'dir') return this.#links.get(ino) ?? 0;
    const below = this.entries(ino).filter((dirent) => dirent.type === DT_DIR).length;
    return 2 + below + (ino === JFFS2_ROOT_INO ? 1 : 0);
  }

  /** Extended attributes in force. */
  xattrs(ino: number): readonly Xattr[] {
    return this.#attributes().byInode.get(ino) ?? [];
  }

  /** Offsets of the attribute nodes that are in force. */
  xattrNodes(): ReadonlySet<number> {
    return this.#attributes().nodes;
  }

  #attributes(): XattrsInForce {
    this.#xattrs ??= collectXattrs(this.flash, this.pieces, (ino) => this.isKnown(ino));
    return this.#xattrs;
  }

  /**
   * The tree, directories before what they hold, names in byte order. A directory with several
   * names is entered under each; one that is above itself is not. With `depth` 1, the directory
   * and what is in it.
   */
  *tree(
    from = JFFS2_ROOT_INO,
    fromPath: ByteName = '.',
    depth = Number.POSITIVE_INFINITY,
  ): Generator<TreeEntry> {
    const above = new Set<number>();
    const stack: { ino: number; path: ByteName; names: DirentNode[]; next: number }[] = [];
    const enter = (ino: number, path: ByteName): void => {
      above.add(ino);
      const names = this.entries(ino);
      names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      stack.push({ ino, path, names, next: 0 });
    };
    const root = this.inode(from);
    yield { path: fromPath, state: root, nlink: this.nlink(from) };
    if (root.type !== 'dir') return;
    enter(from, fromPath);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dirent = top.names[top.next++];
      if (dirent === undefined) {
        stack.pop();
        above.delete(top.ino);
        continue;
      }
      const path = top.path === '.' ? dirent.name : `${top.path}/${dirent.name}`;
      const state = this.inode(dirent.ino);
      const nlink = this.nlink(dirent.ino);
      const isDirectory = state.type === 'dir' && state.error === undefined;
      if (isDirectory && (above.has(dirent.ino) || path.length > PATH_BYTES_MAX)) {
        yield { path, state, nlink, dirent, isCycle: true };
        continue;
      }
      yield { path, state, nlink, dirent };
      if (isDirectory && stack.length < depth) enter(dirent.ino, path);
    }
  }

  /** A path from the root → its entry; no symbolic link is followed. Undefined: there is none. */
  find(path: ByteName): TreeEntry | undefined {
    let ino = JFFS2_ROOT_INO;
    let dirent: DirentNode | undefined;
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      dirent = this.lookup(ino, name);
      if (dirent === undefined) return undefined;
      ino = dirent.ino;
    }
    const clean =
      path
        .split('/')
        .filter((name) => name !== '' && name !== '.')
        .join('/') || '.';
    return {
      path: clean,
      state: this.inode(ino),
      nlink: this.nlink(ino),
      ...(dirent && { dirent }),
    };
  }

  #index(): void {
    const { pieces } = this;
    const of = (ino: number): InodeNodes => {
      let found = this.all.get(ino);
      if (found === undefined) {
        found = { ino, inodes: [], dirents: [] };
        this.all.set(ino, found);
      }
      return found;
    };
    for (let n = 0; n < pieces.count; n++) {
      if (!pieces.isReadable(n)) continue;
      const type = pieces.type(n);
      if (type === JFFS2_NODETYPE_INODE) of(this.inodeNode(n).ino).inodes.push(n);
      else if (type === JFFS2_NODETYPE_DIRENT) this.#addDirent(of, n);
    }
  }

  #addDirent(of: (ino: number) => InodeNodes, n: number): void {
    const dirent = this.direntNode(n);
    of(dirent.pino).dirents.push(n);
    if (!this.pieces.isScanned(n)) return;
    let dents = this.#dents.get(dirent.pino);
    if (dents === undefined) {
      dents = new Map();
      this.#dents.set(dirent.pino, dents);
    }
    const older = dents.get(dirent.name);
    if (!older || dirent.version >= older.version) dents.set(dirent.name, dirent);
  }

  #build(): void {
    for (const { ino, inodes, dirents } of this.all.values()) {
      const scanned = (piece: number): boolean => this.pieces.isScanned(piece);
      if (inodes.some(scanned) || dirents.some(scanned)) this.#links.set(ino, 0);
    }
    this.#links.set(JFFS2_ROOT_INO, 1);
    const dangling: DirentNode[] = [];
    for (const dents of this.#dents.values()) {
      for (const [name, dirent] of dents) {
        if (dirent.ino === 0) continue;
        const links = this.#links.get(dirent.ino);
        if (links === undefined) {
          dangling.push(dirent);
          dents.delete(name);
        } else this.#links.set(dirent.ino, links + 1);
      }
    }
    const doomed = [...this.#links].filter(([, links]) => links === 0).map(([ino]) => ino);
    for (let ino = doomed.pop(); ino !== undefined; ino = doomed.pop()) {
      this.dropped.add(ino);
      for (const dirent of this.#dents.get(ino)?.values() ?? []) {
        const links = this.#links.get(dirent.ino) ?? 0;
        if (dirent.ino === 0 || links === 0) continue;
        this.#links.set(dirent.ino, links - 1);
        if (links === 1) doomed.push(dirent.ino);
      }
      this.#dents.delete(ino);
    }
    for (const dirent of dangling) if (!this.dropped.has(dirent.pino)) this.dangling.push(dirent);
  }

  /** Inodes that are directories with more than one name. */
  hardLinkedDirectories(): number[] {
    const found: number[] = [];
    for (const [ino, links] of this.#links) {
      if (links > 1 && this.inode(ino).type === 'dir') found.push(ino);
    }
    return found;
  }
}
