/**
 * Brings a tree out of the flash. Where to is the caller's: a {@link TreeTarget} is a directory of
 * whatever host there is. A name that reaches a target is one component: never empty, ".", "..",
 * and without "/" and NUL (such entries do not get into the tree, see pieces.ts); a directory that
 * is above itself is not entered; a directory with several names is brought out under the first.
 */
import { JFFS2_ROOT_INO } from '../jffs2/medium.js';
import type { ByteName } from '../lump/types.js';
import { filePieces, type DirentNode, type InodeState } from './inode.js';
import type { State } from './state.js';

/** What a name can be given besides its content. Times in seconds. */
export interface TargetAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: number;
  readonly mtime: number;
  readonly xattrs: readonly { readonly name: ByteName; readonly value: Uint8Array }[];
}

/**
 * A place for trees. Every call is about one name in the directory that is open; names and targets
 * of links are bytes. What fails is told through the answer, a sentence; null: all was kept.
 */
export interface TreeTarget {
  /** Makes a directory and opens it; {@link leave} goes back and gives it its attributes. */
  enter(name: ByteName): string | null;
  /** Back to the directory above. */
  leave(attributes: TargetAttributes): string | null;
  /**
   * A regular file, written whole.
   * @param size in bytes
   * @param pieces ascending; what is between them is zero.
   */
  file(
    name: ByteName,
    size: number,
    pieces: Iterable<{ readonly from: number; readonly bytes: Uint8Array }>,
    attributes: TargetAttributes,
  ): string | null;
  /** A symbolic link; its target is kept, and never followed. */
  symlink(name: ByteName, target: ByteName, attributes: TargetAttributes): string | null;
  /** A node without content. */
  special(
    name: ByteName,
    type: 'char' | 'block' | 'fifo' | 'socket',
    device: { readonly major: number; readonly minor: number },
    attributes: TargetAttributes,
  ): string | null;
  /** Another name for a file made before: its names from the target on. */
  link(name: ByteName, existing: readonly ByteName[]): string | null;
}

/** One name that was brought out, in the order of the tree. */
export interface Extracted {
  readonly path: ByteName;
  readonly type: InodeState['type'];
  readonly bytes: number;
  /** What could not be kept, or read. */
  readonly problems: readonly string[];
}

/**
 * Brings out what is below `from` (a path; '.' is all), one name a step. The first step is `from`
 * itself: a directory's attributes go to the target's own.
 */
export function* extract(
  state: State,
  target: TreeTarget,
  from: ByteName = '.',
): Generator<Extracted, void, undefined> {
  const start = state.find(from);
  if (start === undefined) return;
  const made = new Map<number, readonly ByteName[]>();
  const startIno = start.dirent?.ino ?? JFFS2_ROOT_INO;
  if (!isDirectory(start.state)) {
    const { dirent } = start;
    yield dirent === undefined
      ? told([], start.state.type, 0, 'the root is no directory')
      : one(state, target, start.state, [dirent.name], start.nlink, made);
    return;
  }
  const above: { ino: number; names: DirentNode[]; next: number }[] = [];
  const path: ByteName[] = [];
  const open = (ino: number): void => {
    made.set(ino, path.slice());
    const names = state.entries(ino);
    names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    above.push({ ino, names, next: 0 });
  };
  open(startIno);
  yield told(path, 'dir', 0, null);
  for (let dir = above.at(-1); dir !== undefined; dir = above.at(-1)) {
    const dirent = dir.names[dir.next++];
    if (dirent === undefined) {
      const problem = target.leave(attributesOf(state, state.inode(dir.ino)));
      if (problem !== null) yield told(path, 'dir', 0, problem);
      above.pop();
      path.pop();
      continue;
    }
    const inode = state.inode(dirent.ino);
    path.push(dirent.name);
    if (!isDirectory(inode)) {
      yield one(state, target, inode, path, state.nlink(dirent.ino), made);
      path.pop();
      continue;
    }
    const first = made.get(dirent.ino);
    const problem =
      first !== undefined
        ? `the directory is there already, as ${first.join('/') || '.'}`
        : path.length > DEPTH_MAX
          ? `nested more than ${DEPTH_MAX} deep`
          : target.enter(dirent.name);
    yield told(path, 'dir', 0, problem);
    if (problem === null) open(dirent.ino);
    else path.pop();
  }
}

/** Deeper trees are lies; a host has a limit of its own on paths. */
const DEPTH_MAX = 1000;

const isDirectory = ({ type, error }: InodeState): boolean => type === 'dir' && error === undefined;

function told(
  path: readonly ByteName[],
  type: InodeState['type'],
  bytes: number,
  problem: string | null,
): Extracted {
  return { path: path.join('/') || '.', type, bytes, problems: problem === null ? [] : [problem] };
}

function attributesOf(state: State, inode: InodeState): TargetAttributes {
  const { mode, uid, gid, atime, mtime, ino } = inode;
  return { mode: mode & 0o7777, uid, gid, atime, mtime, xattrs: state.xattrs(ino) };
}

const NO_DEVICE = { major: 0, minor: 0 };

/** Anything but a directory. */
function one(
  state: State,
  target: TreeTarget,
  inode: InodeState,
  path: readonly ByteName[],
  nlink: number,
  made: Map<number, readonly ByteName[]>,
): Extracted {
  const { ino, type } = inode;
  const name = path.at(-1)!;
  const first = made.get(ino);
  if (first !== undefined) return told(path, type, 0, target.link(name, first));
  if (inode.error !== undefined) return told(path, type, 0, inode.error);
  const attributes = attributesOf(state, inode);
  let problem: string | null;
  switch (type) {
    case 'file':
      problem = writeFile(state, target, name, inode, attributes);
      break;
    case 'symlink':
      problem = target.symlink(name, inode.target!, attributes);
      break;
    default:
      problem = target.special(
        name,
        type as 'char' | 'block' | 'fifo' | 'socket',
        inode.rdev ?? NO_DEVICE,
        attributes,
      );
  }
  if (nlink > 1) made.set(ino, path.slice());
  return told(path, type, type === 'file' ? inode.size : 0, problem);
}

/** Writes what can be read; what cannot is left zero, and said. */
export function writeFile(
  state: State,
  target: TreeTarget,
  name: ByteName,
  inode: InodeState,
  attributes: TargetAttributes,
): string | null {
  const lost: string[] = [];
  function* readable(): Generator<{ from: number; bytes: Uint8Array }> {
    for (const { from, end, bytes, error } of filePieces(state.flash, inode)) {
      if (bytes !== null) yield { from, bytes };
      else lost.push(`bytes ${from}…${end} are zeros: ${error}`);
    }
  }
  const problem = target.file(name, inode.size, readable(), attributes);
  const all = problem === null ? lost : [problem, ...lost];
  return all.length === 0 ? null : all.slice(0, 3).join('; ');
}
