/** BSD's file flags by name, as chflags and ls -o have them. */

interface FlagName {
  readonly name: string;
  readonly bit: number;
}

/** Source: reference rump.md §1.12 and chflags(1). The first name of a bit is the one shown. */
const FLAGS: readonly FlagName[] = [
  { name: 'nodump', bit: 0x1 },
  { name: 'uchg', bit: 0x2 },
  { name: 'uappnd', bit: 0x4 },
  { name: 'opaque', bit: 0x8 },
  { name: 'arch', bit: 0x10000 },
  { name: 'schg', bit: 0x20000 },
  { name: 'sappnd', bit: 0x40000 },
  { name: 'snap', bit: 0x200000 },
];

const OTHER_NAMES: Readonly<Record<string, string>> = {
  uchange: 'uchg',
  uimmutable: 'uchg',
  uappend: 'uappnd',
  archived: 'arch',
  schange: 'schg',
  simmutable: 'schg',
  sappend: 'sappnd',
  snapshot: 'snap',
};

/** "uchg,nodump", or nothing. */
export const flagsText = (flags: number): string =>
  FLAGS.filter(({ bit }) => (flags & bit) !== 0)
    .map(({ name }) => name)
    .join(',');

export interface FlagChange {
  readonly set: number;
  readonly clear: number;
}

/** "uchg,nonodump", a number in octal, or "0". @returns undefined when a word is unknown. */
export function parseFlags(text: string): FlagChange | undefined {
  if (/^[0-7]+$/.test(text)) return { set: Number.parseInt(text, 8), clear: -1 };
  let set = 0;
  let clear = 0;
  for (const word of text.split(',')) {
    const bitOf = (name: string): number | undefined =>
      FLAGS.find((flag) => flag.name === (OTHER_NAMES[name] ?? name))?.bit;
    const bit = bitOf(word);
    if (bit !== undefined) {
      set |= bit;
      continue;
    }
    // "dump" is what lets a file be dumped.
    const cleared = word === 'dump' ? 1 : word.startsWith('no') ? bitOf(word.slice(2)) : undefined;
    if (cleared === undefined) return undefined;
    clear |= cleared;
  }
  return { set, clear };
}
