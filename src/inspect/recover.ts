/**
 * What is gone but still on the medium: deleted names, earlier versions of files, inodes without a
 * name; each with the evidence. Nothing is guessed into a file: a state at a version is what the
 * nodes up to it make, and what is known to be missing is said.
 */
import type { ByteName } from '../lump/types.js';
import {
  typeOfDt,
  typeOfMode,
  type DirentNode,
  type FileType,
  type InodeNode,
  type InodeState,
} from './inode.js';
import { Paths } from './paths.js';
import type { State } from './state.js';
import { isoTime, shown } from './text.js';

/**
 * How much of a file is left. `intact`: no byte and no version is known to be missing. `doubtful`:
 * every byte is there, but versions are missing that may have changed some. `partial`: bytes or
 * nodes are missing. `none`: no node of it is left.
 */
export type Remains = 'intact' | 'doubtful' | 'partial' | 'none';

/** What is left of the bytes. */
export interface RecoverableContent {
  readonly ino: number;
  /** The version that is meant: the state that the nodes up to it make. */
  readonly version: number;
  readonly type: FileType;
  readonly size: number;
  readonly mtime: number;
  readonly remains: Remains;
  readonly missing: readonly string[];
}

/** A name that was taken away, while its file may be there. */
export interface DeletedName {
  readonly kind: 'deleted name';
  readonly path: ByteName;
  readonly ino: number;
  /** In the directory's versions. */
  readonly version: number;
  readonly type: FileType;
  /** Seconds; 0: not told. */
  readonly time: number;
  readonly at: number;
  readonly evidence: string;
  /** Names under which the inode lives on: it was renamed, or had several. */
  readonly livesAs: readonly ByteName[];
  readonly content: RecoverableContent;
}

/** An earlier state of a file that has a name. */
export interface OldVersion {
  readonly kind: 'old version';
  readonly path: ByteName;
  readonly content: RecoverableContent;
  readonly evidence: string;
}

/** A file that no name on the flash leads to. */
export interface Orphan {
  readonly kind: 'orphan';
  readonly content: RecoverableContent;
  readonly evidence: string;
}

/** Putting a file together takes time in the number of its nodes, and so does each version of it. */
const EXAMINED_VERSIONS_MAX = 1000;

/** What can be brought back, each with its evidence. */
export type Recoverable = DeletedName | OldVersion | Orphan;

/** Everything that can be brought back, deleted names first. */
export function recoverable(state: State, paths = new Paths(state)): Recoverable[] {
  return [...deletedNames(state, paths), ...oldVersions(state, paths), ...orphans(state, paths)];
}

function deletedNames(state: State, paths: Paths): DeletedName[] {
  const found: DeletedName[] = [];
  for (const { ino: dir, dirents } of state.all.values()) {
    const newest = new Map<string, DirentNode>();
    /** By name, ascending by version: what came after. */
    const later = new Map<ByteName, DirentNode[]>();
    for (const piece of dirents) {
      const dirent = state.direntNode(piece);
      const ofName = later.get(dirent.name);
      if (ofName === undefined) later.set(dirent.name, [dirent]);
      else ofName.push(dirent);
      if (dirent.ino === 0) continue;
      const key = `${dirent.ino}/${dirent.name}`;
      const other = newest.get(key);
      if (!other || dirent.version >= other.version) newest.set(key, dirent);
    }
    const isReachable = paths.live(dir).length > 0;
    for (const dirent of newest.values()) {
      const now = state.lookup(dir, dirent.name);
      if (isReachable && now?.ino === dirent.ino) continue;
      found.push({
        kind: 'deleted name',
        path: paths.ofEntry(dirent),
        ino: dirent.ino,
        version: dirent.version,
        type: typeOfDt(dirent.type),
        time: dirent.mctime,
        at: dirent.at,
        evidence: evidenceOf(state, dirent, later.get(dirent.name) ?? [], isReachable),
        livesAs: paths.live(dirent.ino),
        content: contentOf(state, dirent.ino, Number.POSITIVE_INFINITY),
      });
    }
  }
  return found.sort((a, b) => compare(a.path, b.path) || a.version - b.version);
}

/** Why an entry does not count any more. */
function evidenceOf(
  state: State,
  dirent: DirentNode,
  ofName: readonly DirentNode[],
  isReachable: boolean,
): string {
  const { pieces } = state;
  const after = ofName
    .filter((other) => other.version > dirent.version && other.ino !== dirent.ino)
    .sort((a, b) => a.version - b.version)[0];
  if (after?.ino === 0) {
    return `deleted at ${isoTime(after.mctime)} by version ${after.version} (0x${after.at.toString(16)})`;
  }
  if (after !== undefined) {
    return (
      `replaced at ${isoTime(after.mctime)} by inode ${after.ino}, version ${after.version} ` +
      `(0x${after.at.toString(16)})`
    );
  }
  if (pieces.verdict(dirent.piece) === 'bad name') return 'a name that no path can have';
  if (pieces.isObsolete(dirent.piece)) return 'its node was marked obsolete in place';
  if (pieces.isHidden(dirent.piece)) return 'its node lies where a mount does not look';
  if (!isReachable) return `its directory, inode ${dirent.pino}, has no name any more`;
  if (state.dangling.some(({ piece }) => piece === dirent.piece)) {
    return 'no node of its inode is left';
  }
  return 'an entry of the same version rules';
}

/** What the nodes of an inode up to a version hold. */
export function contentOf(state: State, ino: number, version: number): RecoverableContent {
  const inode = state.inodeAt(ino, version);
  const nodes = (state.all.get(ino)?.inodes ?? []).map((piece) => state.inodeNode(piece));
  const { type, size, mtime } = inode;
  if (nodes.length === 0) {
    const missing = ['no node of it is left'];
    return { ino, version: 0, type, size, mtime, remains: 'none', missing };
  }
  const missing: string[] = [];
  let remains: Remains = 'intact';
  const gone = missingVersions(state, ino, Math.min(version, inode.version));
  if (gone > 0) {
    remains = 'doubtful';
    missing.push(`${gone} version${gone > 1 ? 's' : ''} before it are not on the medium`);
  }
  const uncovered = uncoveredBytes(inode);
  if (uncovered > 0 && gone > 0) {
    remains = 'partial';
    missing.push(`${uncovered} of ${size} bytes are told by no node: lost, or never written`);
  }
  const isShort = type === 'file' && inode.ruling !== undefined && inode.ruling.isize > size;
  if (isShort) {
    remains = 'partial';
    missing.push(`it had ${inode.ruling!.isize} bytes`);
  }
  const bad = nodes.filter(
    (node) => node.version <= version && state.pieces.verdict(node.piece) !== 'valid',
  );
  if (bad.length > 0) {
    remains = 'partial';
    missing.push(`${bad.length} of its nodes are damaged`);
  }
  if (inode.error !== undefined) {
    remains = 'partial';
    missing.push(inode.error);
  }
  return { ino, version: inode.version, type, size, mtime, remains, missing };
}

/** Versions below `version` of which no node is left. */
function missingVersions(state: State, ino: number, version: number): number {
  const known = state.all.get(ino);
  if (known === undefined || version < 1) return 0;
  const there = new Set<number>();
  for (const piece of known.inodes) {
    const node = state.inodeNode(piece);
    if (node.version >= 1 && node.version <= version) there.add(node.version);
  }
  // A directory's entries take part in its versions.
  for (const piece of known.dirents) {
    const dirent = state.direntNode(piece);
    if (dirent.version >= 1 && dirent.version <= version) there.add(dirent.version);
  }
  return version - there.size;
}

function uncoveredBytes(inode: InodeState): number {
  if (inode.type !== 'file') return 0;
  return inode.size - inode.runs.reduce((sum, { from, end }) => sum + (end - from), 0);
}

/**
 * Earlier states of files that live: the last version before each change of size or time, whose
 * data differ from what is there now.
 */
function oldVersions(state: State, paths: Paths): OldVersion[] {
  const found: OldVersion[] = [];
  for (const { ino, inodes } of state.all.values()) {
    if (inodes.length < 2 || paths.live(ino).length === 0) continue;
    const nodes = inodes.map((piece) => state.inodeNode(piece));
    if ((nodes[0]!.mode & 0o170000) === 0o040000) continue;
    nodes.sort((a, b) => a.version - b.version);
    const now = state.inode(ino);
    const inForce = new Set(now.runs.map(({ node }) => node.piece));
    for (let n = 0; n + 1 < nodes.length; n++) {
      const node = nodes[n]!;
      const next = nodes[n + 1]!;
      const isStep = node.mtime !== next.mtime || node.isize > next.isize;
      if (!isStep || node.version === next.version) continue;
      const evidence =
        `version ${node.version} of ${isoTime(node.mtime)}, ` +
        `followed by version ${next.version} of ${isoTime(next.mtime)}`;
      if (nodes.length > EXAMINED_VERSIONS_MAX) {
        found.push({
          kind: 'old version',
          path: paths.of(ino),
          content: unexamined(node),
          evidence,
        });
        continue;
      }
      const before = state.inodeAt(ino, node.version);
      const isSame =
        before.size === now.size &&
        before.target === now.target &&
        before.runs.every((run) => inForce.has(run.node.piece));
      if (isSame || (before.size === 0 && before.type === 'file')) continue;
      found.push({
        kind: 'old version',
        path: paths.of(ino),
        content: contentOf(state, ino, node.version),
        evidence,
      });
    }
  }
  return found.sort((a, b) => compare(a.path, b.path) || a.content.version - b.content.version);
}

/** A version that is listed by what its own node says. */
function unexamined({ ino, version, mode, isize, mtime }: InodeNode): RecoverableContent {
  const missing = ['a file of so many versions is not put together for each of them'];
  const type = typeOfMode(mode);
  return { ino, version, type, size: isize, mtime, remains: 'doubtful', missing };
}

/** Inodes with nodes, but without a name of which anything is left. */
function orphans(state: State, paths: Paths): Orphan[] {
  const found: Orphan[] = [];
  for (const { ino, inodes } of state.all.values()) {
    if (inodes.length === 0 || paths.live(ino).length > 0 || paths.wasNamed(ino)) continue;
    found.push({
      kind: 'orphan',
      content: contentOf(state, ino, Number.POSITIVE_INFINITY),
      evidence: `${inodes.length} nodes of inode ${ino}, and no entry that names it`,
    });
  }
  return found.sort((a, b) => a.content.ino - b.content.ino);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A line for a person. */
export function recoverableText(item: Recoverable): string {
  const { content } = item;
  const state =
    content.remains + (content.missing.length > 0 ? `: ${content.missing.join('; ')}` : '');
  switch (item.kind) {
    case 'deleted name': {
      const alive =
        item.livesAs.length > 0 ? `, lives on as ${item.livesAs.map(shown).join(', ')}` : '';
      return `${item.type} ${shown(item.path)} (inode ${item.ino}, ${content.size} bytes): ${item.evidence}${alive}; ${state}`;
    }
    case 'old version':
      return `${shown(item.path)} (inode ${content.ino}, ${content.size} bytes): ${item.evidence}; ${state}`;
    default:
      return `${content.type} inode ${content.ino} (${content.size} bytes): ${item.evidence}; ${state}`;
  }
}
