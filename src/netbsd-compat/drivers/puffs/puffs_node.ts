/** A file of handlers: all that it is known by is a path. */
import type { ByteName } from '../../../puffs/puffs.js';
import { nameToBytes, nameToText } from '../../../puffs/name.js';
import { mode_to_vtype } from '../../../puffs/vattr.js';
import { NetbsdErrno } from '../../errno.js';
import type { HandlerStat } from './puffs_handlers.js';

/** How a file is open: the handler's number, and FREAD | FWRITE. */
export interface puffs_open {
  readonly fd: number;
  readonly mode: number;
}

export class puffs_node {
  readonly number: number;
  readonly type: number;
  path: string;
  /** What was last told of it; a file without a name has nothing else. */
  stat: HandlerStat;
  is_removed = false;
  readonly opens: puffs_open[] = [];
  /** Names of a directory, as they were when its reading began. */
  names: readonly string[] = [];

  constructor(number: number, type: number, path: string, stat: HandlerStat) {
    this.number = number;
    this.type = type;
    this.path = path;
    this.stat = stat;
  }
}

export const type_of = ({ mode }: HandlerStat): number => mode_to_vtype(mode);

/** @throws EILSEQ handlers get text, and the name is no UTF-8. */
export function text_of(name: ByteName): string {
  const text = nameToText(name);
  if (text.includes('\ufffd') && !is_utf8(name)) throw new NetbsdErrno('EILSEQ', 'name');
  return text;
}

function is_utf8(name: ByteName): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(nameToBytes(name));
    return true;
  } catch {
    return false;
  }
}

export const join = (directory: string, name: string): string =>
  directory === '/' ? `/${name}` : `${directory}/${name}`;

export const parent_of = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

/** A number for a path: the same in every mount. 48 bits, never 0 or the root's. */
export function number_of(path: string): number {
  if (path === '/') return PUFFS_ROOT;
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (let i = 0; i < path.length; i++) {
    low = Math.imul(low ^ path.charCodeAt(i), 0x01000193);
    high = Math.imul(high ^ low, 0x85ebca6b) ^ (high >>> 13);
  }
  return (low >>> 0) + (high & 0xffff) * 2 ** 32 + PUFFS_ROOT + 1;
}

export const PUFFS_ROOT = 1;
