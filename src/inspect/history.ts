/**
 * Every version of every file and name that is still on the medium, as a timeline.
 *
 * What jffs2 tells: versions order the nodes of one inode, a directory's entries included, exactly.
 * Between inodes there is only the time in the nodes (whole seconds of the writer's clock) and the
 * place on the flash, which orders what lies in one erase block. Garbage collection writes nodes
 * anew, with a later version and, mostly, the old times. {@link History.limits} says what cannot be
 * known of this medium.
 */
import { JFFS2_COMPR_ZERO } from '../jffs2/medium.js';
import type { ByteName } from '../lump/types.js';
import { typeOfDt, typeOfMode, type DirentNode, type InodeNode } from './inode.js';
import { Paths } from './paths.js';
import type { State } from './state.js';
import { isoTime, modeText, shown } from './text.js';

/** What happened. `gap`: versions are missing, something happened that nobody knows. */
export type EventKind =
  | 'create'
  | 'name'
  | 'replace'
  | 'delete'
  | 'rename'
  | 'write'
  | 'hole'
  | 'truncate'
  | 'attributes'
  | 'copy'
  | 'gap';

/** One thing that happened to a file or a name. */
export interface HistoryEvent {
  /** Seconds since 1970 by the writer's clock; 0: not told. */
  readonly time: number;
  readonly kind: EventKind;
  /** The file; of a name, what it names (0 for a deletion whose inode is not known). */
  readonly ino: number;
  /** Whose versions these are: the file's, or for names the directory's. */
  readonly versionsOf: number;
  /** First and last version of the nodes that are one event. */
  readonly version: number;
  readonly versionEnd: number;
  /** Offset of the first node on the flash; -1 for a gap. */
  readonly at: number;
  readonly path: ByteName;
  /** Of a rename. */
  readonly oldPath?: ByteName;
  readonly text: string;
  /** A mount uses it. */
  readonly isInForce: boolean;
  /** Concluded, not written down. */
  readonly isInferred?: true;
  /** The clock stood earlier than at a lower version. */
  readonly isClockBack?: true;
}

/** A timeline, oldest first, and what cannot be known from this flash, in sentences. */
export interface History {
  readonly events: readonly HistoryEvent[];
  readonly limits: readonly string[];
}

/** An event in the making, with the bytes of data that it has so far. */
type Draft = { -readonly [K in keyof HistoryEvent]: HistoryEvent[K] } & { length?: number };

/**
 * Every version of every file and name that is still on the flash.
 * @param inForce as nodesInForce() gives it.
 */
export function history(state: State, inForce: Uint8Array, paths = new Paths(state)): History {
  const streams: Draft[][] = [];
  const notes = { gaps: 0, lost: 0, clock: 0, noTime: 0, copies: 0, twice: 0 };
  for (const { ino, inodes, dirents } of state.all.values()) {
    const stream = [
      ...inodeEvents(state, ino, inodes, inForce, paths),
      ...direntEvents(state, ino, dirents, inForce, paths),
    ];
    stream.sort((a, b) => a.version - b.version || a.at - b.at);
    const whole = withGaps(ino, stream, paths);
    for (const event of whole) {
      if (event.kind === 'gap') {
        notes.gaps++;
        notes.lost += event.versionEnd - event.version + 1;
      }
      if (event.kind === 'copy') notes.copies++;
      if (event.time === 0 && event.kind !== 'gap') notes.noTime++;
    }
    for (let n = 1; n < stream.length; n++) {
      if (stream[n]!.version === stream[n - 1]!.version) notes.twice++;
    }
    streams.push(whole);
  }
  inferRenames(streams);
  const events = inOrder(streams, notes);
  const limits = [
    'times are whole seconds of the clock of whoever wrote; nothing on the medium proves them',
    'within one second, events of different files are ordered by their place on the flash, which ' +
      'says nothing across erase blocks',
    'what was erased is gone: a file or name of which no node is left does not appear',
  ];
  const say = (count: number, text: string): void => {
    if (count > 0) limits.push(`${count} ${text}`);
  };
  say(
    notes.gaps,
    `gaps in the versions (${notes.lost} in all): written once and erased since, or numbers that ` +
      'the writer left out (mkfs.jffs2 counts the entries of all directories together)',
  );
  say(
    notes.copies,
    'nodes repeat what stood before under a newer version: garbage collection, or somebody wrote ' +
      'the same again; the two look alike',
  );
  say(notes.clock, 'events are older by their time than by their version: the clock was set back');
  say(notes.noTime, 'events carry no time; they are placed after what went before in their file');
  say(
    notes.twice,
    'nodes share a version with another one: a copy cut short by a power cut, or an inode number ' +
      'that was given out again',
  );
  return { events, limits };
}

function inodeEvents(
  state: State,
  ino: number,
  pieces: readonly number[],
  inForce: Uint8Array,
  paths: Paths,
): Draft[] {
  const nodes = pieces.map((piece) => state.inodeNode(piece));
  nodes.sort((a, b) => a.version - b.version || a.at - b.at);
  const events: Draft[] = [];
  const path = nodes.length > 0 ? paths.of(ino) : '';
  let before: InodeNode | undefined;
  for (const node of nodes) {
    const last = events.at(-1);
    if (last && before && continues(last, before, node)) {
      const length = (last.length ?? 0) + node.dsize;
      last.versionEnd = node.version;
      last.text = last.text.replace(/\d+…\d+/, range(node.offset + node.dsize - length, length));
      last.length = length;
      last.isInForce ||= inForce[node.piece] === 1;
      before = node;
      continue;
    }
    const { kind, text } = describe(before, node, state.pieces.verdict(node.piece));
    events.push({
      time: Math.max(node.mtime, node.ctime),
      kind,
      ino,
      versionsOf: ino,
      version: node.version,
      versionEnd: node.version,
      at: node.at,
      path,
      text,
      isInForce: inForce[node.piece] === 1,
      length: node.dsize,
    });
    before = node;
  }
  return events;
}

/** One write(2) makes a node per page: they belong together. */
function continues(last: Draft, before: InodeNode, node: InodeNode): boolean {
  return (
    (last.kind === 'write' || last.kind === 'create') &&
    before.dsize > 0 &&
    node.dsize > 0 &&
    node.compr !== JFFS2_COMPR_ZERO &&
    before.compr !== JFFS2_COMPR_ZERO &&
    node.version === before.version + 1 &&
    node.offset === before.offset + before.dsize &&
    node.mtime === before.mtime &&
    node.ctime === before.ctime &&
    node.mode === before.mode &&
    node.uid === before.uid &&
    node.gid === before.gid
  );
}

const range = (from: number, length: number): string => `${from}…${from + length}`;

/** What a node says, given the one before it. */
function describe(
  before: InodeNode | undefined,
  node: InodeNode,
  verdict: string,
): { kind: EventKind; text: string } {
  const broken = verdict === 'valid' ? '' : ` (${verdict})`;
  const hasData = node.dsize > 0;
  const type = typeOfMode(node.mode);
  if (!before) {
    const what = `${type}, ${modeText(type, node.mode)} ${node.uid}:${node.gid}`;
    const data =
      hasData && type === 'file' ? `${what}, bytes ${range(node.offset, node.dsize)}` : what;
    const first = node.version > 1 ? 'oldest version left' : 'created';
    return { kind: 'create', text: `${first}, ${data}${broken}` };
  }
  const changes: string[] = [];
  if (node.mode !== before.mode) {
    changes.push(`mode ${modeText(type, before.mode)} → ${modeText(type, node.mode)}`);
  }
  if (node.uid !== before.uid || node.gid !== before.gid) {
    changes.push(`owner ${before.uid}:${before.gid} → ${node.uid}:${node.gid}`);
  }
  const isSameTime =
    node.mtime === before.mtime && node.ctime === before.ctime && node.atime === before.atime;
  if (hasData && type === 'file') {
    const isHole = node.compr === JFFS2_COMPR_ZERO;
    const bytes = `bytes ${range(node.offset, node.dsize)}`;
    changes.unshift(isHole ? `hole, ${bytes}` : bytes);
    const isCopy =
      isSameTime && node.isize === before.isize && node.offset + node.dsize <= before.isize;
    return {
      kind: isHole ? 'hole' : isCopy && changes.length === 1 ? 'copy' : 'write',
      text: changes.join(', ') + broken,
    };
  }
  if (node.isize < before.isize && type === 'file') {
    changes.unshift(`size ${before.isize} → ${node.isize}`);
    return { kind: 'truncate', text: changes.join(', ') + broken };
  }
  if (!isSameTime && node.mtime !== before.mtime) changes.push(`mtime ${isoTime(node.mtime)}`);
  if (changes.length === 0 && isSameTime) {
    return { kind: 'copy', text: `the same attributes again${broken}` };
  }
  return { kind: 'attributes', text: (changes.join(', ') || 'times') + broken };
}

function direntEvents(
  state: State,
  dir: number,
  pieces: readonly number[],
  inForce: Uint8Array,
  paths: Paths,
): Draft[] {
  const dirents = pieces.map((piece) => state.direntNode(piece));
  dirents.sort((a, b) => a.version - b.version || a.at - b.at);
  const latest = new Map<ByteName, DirentNode>();
  const events: Draft[] = [];
  for (const dirent of dirents) {
    const before = latest.get(dirent.name);
    latest.set(dirent.name, dirent);
    const { kind, text } = describeEntry(before, dirent);
    events.push({
      time: dirent.mctime,
      kind,
      ino: dirent.ino || before?.ino || 0,
      versionsOf: dir,
      version: dirent.version,
      versionEnd: dirent.version,
      at: dirent.at,
      path: paths.ofEntry(dirent),
      text:
        state.pieces.verdict(dirent.piece) === 'valid'
          ? text
          : `${text} (${state.pieces.verdict(dirent.piece)})`,
      isInForce: inForce[dirent.piece] === 1,
    });
  }
  return events;
}

function describeEntry(
  before: DirentNode | undefined,
  dirent: DirentNode,
): { kind: EventKind; text: string } {
  if (dirent.ino === 0) {
    return {
      kind: 'delete',
      text: before?.ino ? `name of inode ${before.ino} deleted` : 'name deleted',
    };
  }
  const type = typeOfDt(dirent.type);
  if (!before || before.ino === 0) {
    return { kind: 'name', text: `names ${type} ${dirent.ino}` };
  }
  return before.ino === dirent.ino
    ? { kind: 'copy', text: `names ${type} ${dirent.ino}, again` }
    : { kind: 'replace', text: `names ${type} ${dirent.ino} instead of ${before.ino}` };
}

/** Says where versions are missing. */
function withGaps(ino: number, stream: readonly Draft[], paths: Paths): Draft[] {
  const whole: Draft[] = [];
  let next = 1;
  for (const event of stream) {
    if (event.version > next) {
      const last = event.version - 1;
      whole.push({
        time: 0,
        kind: 'gap',
        ino,
        versionsOf: ino,
        version: next,
        versionEnd: last,
        at: -1,
        path: paths.of(ino),
        text: next === last ? `version ${next} is gone` : `versions ${next}…${last} are gone`,
        isInForce: false,
      });
    }
    whole.push(event);
    next = Math.max(next, event.versionEnd + 1);
  }
  return whole;
}

/** A new name and the deletion of another one of the same inode, at the same time: a rename. */
function inferRenames(streams: readonly Draft[][]): void {
  const deletions = new Map<string, Draft>();
  for (const stream of streams) {
    for (const event of stream) {
      if (event.kind === 'delete' && event.ino !== 0) {
        deletions.set(`${event.ino}@${event.time}`, event);
      }
    }
  }
  for (const stream of streams) {
    for (const event of stream) {
      if (event.kind !== 'name' && event.kind !== 'replace') continue;
      const gone = deletions.get(`${event.ino}@${event.time}`);
      if (gone === undefined || gone.path === event.path) continue;
      const isLaterHere = gone.versionsOf !== event.versionsOf || gone.version > event.version;
      if (!isLaterHere || event.time === 0) continue;
      event.kind = 'rename';
      event.oldPath = gone.path;
      event.text = `renamed from ${shown(gone.path)}; ${event.text}`;
      event.isInferred = true;
      deletions.delete(`${event.ino}@${event.time}`);
    }
  }
}

/**
 * One row of all: by time, then by place; and within each stream by version, whatever the clock
 * said. Times that a stream's clock took back count as the highest one before.
 */
function inOrder(streams: readonly Draft[][], notes: { clock: number }): HistoryEvent[] {
  const slots: { time: number; at: number; stream: number }[] = [];
  streams.forEach((stream, n) => {
    let time = 0;
    let at = -1;
    for (const event of stream) {
      if (event.time !== 0 && event.time < time) {
        event.isClockBack = true;
        notes.clock++;
      }
      time = Math.max(time, event.time);
      if (event.at >= 0) at = event.at;
      slots.push({ time, at, stream: n });
    }
  });
  slots.sort((a, b) => a.time - b.time || a.at - b.at);
  const next = new Array<number>(streams.length).fill(0);
  return slots.map(({ stream }) => {
    const n = next[stream]!;
    next[stream] = n + 1;
    const { length: _, ...event } = streams[stream]![n]!;
    return event;
  });
}
