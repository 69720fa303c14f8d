/** Permission bits as chmod(1) takes them, for a file that has none yet. */

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const PERMISSIONS: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: 0o111,
  X: 0o111,
  s: 0o6000,
  t: 0o1000,
};

/** "0755", "u=rwx,go=rx" → bits; null when it is neither. A symbolic mode starts from none. */
export function parseMode(text: string): number | null {
  if (/^[0-7]{1,7}$/.test(text)) return Number.parseInt(text, 8) & 0o7777;
  let mode = 0;
  for (const clause of text.split(',')) {
    const match = /^([ugoa]*)((?:[-+=][rwxXst]*)+)$/.exec(clause);
    if (match === null) return null;
    const who = match[1] === '' ? 'a' : match[1]!;
    const reach = [...who].reduce((bits, letter) => bits | WHO[letter]!, 0);
    for (const [, operator, letters] of match[2]!.matchAll(/([-+=])([rwxXst]*)/g)) {
      const given = [...letters!].reduce((bits, letter) => bits | PERMISSIONS[letter]!, 0);
      // The sticky bit belongs to everybody.
      const bits = given & (reach | (given & 0o1000));
      if (operator === '-') mode &= ~bits;
      else mode = (operator === '=' ? mode & ~(reach & 0o6777) : mode) | bits;
    }
  }
  return mode;
}
