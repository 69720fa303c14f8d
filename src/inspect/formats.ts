/** The timeline and the tree in the forms that other programs read. */
import type { ByteName } from '../lump/types.js';
import type { History } from './history.js';
import type { FileType, InodeState } from './inode.js';
import type { Recoverable } from './recover.js';
import type { State } from './state.js';
import { isoTime, modeText, shown } from './text.js';

/** RFC 4180: quoted where needed. Cells that a spreadsheet would run as a formula are defused. */
function cell(value: string | number): string {
  let text = String(value);
  if (/^[=+@-]/.test(text) && typeof value === 'string' && text !== '-') text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A timeline as lines of RFC 4180, the first with the names of the columns. */
export function* historyCsv({ events }: History): Generator<string> {
  yield 'time,kind,path,inode,versions of,version,last version,offset,in force,inferred,text';
  for (const event of events) {
    yield [
      event.time === 0 ? '' : isoTime(event.time),
      event.kind,
      shown(event.path),
      event.ino,
      event.versionsOf,
      event.version,
      event.versionEnd,
      event.at < 0 ? '' : event.at,
      event.isInForce ? 'yes' : 'no',
      event.isInferred ? 'yes' : 'no',
      event.text,
    ]
      .map(cell)
      .join(',');
  }
}

const BODY_TYPES: Readonly<Record<FileType, string>> = {
  file: 'r',
  dir: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 'h',
  unknown: '-',
};

/**
 * The Sleuth Kit's body file, format 3.x, a line a name: what is there, what was deleted, earlier
 * versions. MD5 and birth time are 0: not known.
 */
export function* bodyFile(state: State, items: readonly Recoverable[]): Generator<string> {
  for (const { path, state: inode } of state.tree())
    yield bodyLine(inode, `/${path === '.' ? '' : path}`);
  for (const item of items) {
    const { content } = item;
    const inode = state.inodeAt(content.ino, content.version || Number.POSITIVE_INFINITY);
    if (item.kind === 'deleted name') {
      const what = item.livesAs.length > 0 ? '(deleted name)' : '(deleted)';
      const known =
        content.remains === 'none'
          ? { ...inode, type: item.type, mtime: item.time, ctime: item.time }
          : inode;
      yield bodyLine(known, `/${item.path} ${what}`);
    } else if (item.kind === 'old version') {
      yield bodyLine(inode, `/${item.path} (version ${content.version})`);
    } else {
      yield bodyLine(inode, `/(orphan) inode-${content.ino}`);
    }
  }
}

function bodyLine(inode: InodeState, name: ByteName): string {
  const { ino, type, mode, uid, gid, size, atime, mtime, ctime, target } = inode;
  const letter = BODY_TYPES[type];
  const arrow = target === undefined ? '' : ` -> ${shown(target)}`;
  const fields = [
    '0',
    `${shown(name)}${arrow}`.replaceAll('|', '\\x7c'),
    ino,
    `${letter}/${letter}${modeText(type, mode).slice(1)}`,
    uid,
    gid,
    size,
    atime,
    mtime,
    ctime,
    0,
  ];
  return fields.join('|');
}
