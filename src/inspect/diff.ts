/** What differs between the trees of two flashes, as a mount would show them. */
import type { ByteName } from '../lump/types.js';
import { filePieces, type InodeState } from './inode.js';
import type { State, TreeEntry } from './state.js';
import { hexOf, isoTime, modeText, shown } from './text.js';

/** One name of which two images tell differently. */
export interface Difference {
  readonly path: ByteName;
  readonly change: 'added' | 'removed' | 'changed';
  /** Of a change: what, before → after. */
  readonly details: readonly string[];
}

/** Names in byte order; what is only in `after` was added. */
export function* diff(before: State, after: State): Generator<Difference, void, undefined> {
  const old = new Map([...before.tree()].map((entry) => [entry.path, entry]));
  const fresh = new Map([...after.tree()].map((entry) => [entry.path, entry]));
  const paths = [...new Set([...old.keys(), ...fresh.keys()])];
  paths.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  for (const path of paths) {
    const was = old.get(path);
    const is = fresh.get(path);
    if (was === undefined) yield { path, change: 'added', details: [summary(is!)] };
    else if (is === undefined) yield { path, change: 'removed', details: [summary(was)] };
    else {
      const details = changes(before, was, after, is);
      if (details.length > 0) yield { path, change: 'changed', details };
    }
  }
}

const summary = ({ state }: TreeEntry): string =>
  `${modeText(state.type, state.mode)} ${state.uid}:${state.gid}, ${state.size} bytes`;

function changes(before: State, was: TreeEntry, after: State, is: TreeEntry): string[] {
  const details: string[] = [];
  const compare = (what: string, a: string | number, b: string | number): void => {
    if (a !== b) details.push(`${what} ${a} → ${b}`);
  };
  const a = was.state;
  const b = is.state;
  compare('type', a.type, b.type);
  compare('mode', modeText(a.type, a.mode), modeText(b.type, b.mode));
  compare('owner', `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`);
  compare('size', a.size, b.size);
  compare('mtime', isoTime(a.mtime), isoTime(b.mtime));
  compare('links', was.nlink, is.nlink);
  compare('error', a.error ?? 'none', b.error ?? 'none');
  if (a.target !== b.target) compare('target', shown(a.target ?? ''), shown(b.target ?? ''));
  const device = ({ rdev }: InodeState): string => (rdev ? `${rdev.major}:${rdev.minor}` : 'none');
  compare('device', device(a), device(b));
  const xattrs = new Map<ByteName, [string, string]>();
  for (const { name, value } of before.xattrs(a.ino)) xattrs.set(name, [hexOf(value), 'none']);
  for (const { name, value } of after.xattrs(b.ino)) {
    xattrs.set(name, [xattrs.get(name)?.[0] ?? 'none', hexOf(value)]);
  }
  for (const [name, [x, y]] of xattrs) compare(`xattr ${shown(name)}`, x, y);
  if (a.type === 'file' && b.type === 'file' && a.size === b.size) {
    const at = firstDifference(before, a, after, b);
    if (at >= 0) details.push(`content differs from byte ${at} on`);
  }
  return details;
}

interface Segment {
  readonly end: number;
  /** Null: zeros, or what cannot be read. */
  readonly bytes: Uint8Array | null;
  readonly from: number;
}

/** The whole file, without gaps. */
function* segments(state: State, inode: InodeState): Generator<Segment> {
  let at = 0;
  for (const { from, end, bytes } of filePieces(state.flash, inode)) {
    if (from > at) yield { from: at, end: from, bytes: null };
    yield { from, end, bytes };
    at = end;
  }
  if (at < inode.size) yield { from: at, end: inode.size, bytes: null };
}

/** @returns the first byte in which two files of one size differ; -1 if none does. */
function firstDifference(before: State, a: InodeState, after: State, b: InodeState): number {
  const left = segments(before, a);
  const right = segments(after, b);
  let x = left.next().value as Segment | undefined;
  let y = right.next().value as Segment | undefined;
  for (let at = 0; x !== undefined && y !== undefined; ) {
    const end = Math.min(x.end, y.end);
    if (x.bytes !== null || y.bytes !== null) {
      for (; at < end; at++) {
        const p = x.bytes === null ? 0 : x.bytes[at - x.from];
        const q = y.bytes === null ? 0 : y.bytes[at - y.from];
        if (p !== q) return at;
      }
    }
    at = end;
    if (x.end === end) x = left.next().value as Segment | undefined;
    if (y.end === end) y = right.next().value as Segment | undefined;
  }
  return -1;
}
