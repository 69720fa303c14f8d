/** Modes as chmod(1) has them: octal, or "u=rwx,g+X,o-w". */
import { S_IFDIR, S_IFMT } from './tree.js';

/** Old mode (with its type) → new permission bits. */
export type ModeChange = (mode: number) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;

/**
 * @param umask of clauses that name nobody
 * @returns undefined when `text` is no mode.
 */
export function parseMode(text: string, umask: number): ModeChange | undefined {
  if (/^[0-7]{1,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return mode > 0o7777 ? undefined : () => mode;
  }
  const changes: ModeChange[] = [];
  for (const clause of text.split(',')) {
    const match = CLAUSE.exec(clause);
    if (match === null) return undefined;
    for (const [, operator, what] of match[2]!.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)) {
      changes.push(action(match[1]!, operator!, what!, umask));
    }
  }
  return (mode) => changes.reduce((now, change) => (mode & S_IFMT) | change(now), mode) & 0o7777;
}

function action(who: string, operator: string, what: string, umask: number): ModeChange {
  const everybody = who === '' || who.includes('a');
  const has = (letter: string): boolean => everybody || who.includes(letter);
  const classes = (has('u') ? 0o700 : 0) | (has('g') ? 0o070 : 0) | (has('o') ? 0o007 : 0);
  const masked = who === '' ? classes & ~umask : classes;
  return (mode) => {
    const isDirectory = (mode & S_IFMT) === S_IFDIR;
    let bits = 0;
    if (/^[ugo]$/.test(what)) {
      const from = (mode >> { u: 6, g: 3, o: 0 }[what as 'u' | 'g' | 'o']) & 7;
      bits = from * 0o111;
    } else {
      if (what.includes('r')) bits |= 0o444;
      if (what.includes('w')) bits |= 0o222;
      if (what.includes('x') || (what.includes('X') && (isDirectory || (mode & 0o111) !== 0))) {
        bits |= 0o111;
      }
    }
    bits &= masked;
    if (what.includes('s')) bits |= (has('u') ? 0o4000 : 0) | (has('g') ? 0o2000 : 0);
    if (what.includes('t') && has('o')) bits |= 0o1000;
    if (operator === '+') return mode | bits;
    if (operator === '-') return mode & ~bits;
    // Set-id bits of a directory stay unless they are named: they are how it passes its group on.
    const special = (has('u') ? 0o4000 : 0) | (has('g') ? 0o2000 : 0) | (has('o') ? 0o1000 : 0);
    const cleared = classes | (isDirectory ? special & 0o1000 : special);
    return (mode & ~cleared) | bits;
  };
}
