/** How modes, sizes, times and names are written. */
import type { ByteText } from './bytes.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFSOCK,
  typeOf,
  type Timespec,
} from './tree.js';

const TYPE_LETTERS: ReadonlyMap<number, string> = new Map([
  [S_IFDIR, 'd'],
  [S_IFCHR, 'c'],
  [S_IFBLK, 'b'],
  [S_IFLNK, 'l'],
  [S_IFSOCK, 's'],
  [S_IFIFO, 'p'],
]);

/** "drwxr-sr-t", ten letters. */
export function modeText(mode: number): string {
  const class3 = (bits: number, special: boolean, letter: string): string => {
    const x = bits & 1;
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? 'x' : '-';
    return (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + last;
  };
  return (
    (TYPE_LETTERS.get(typeOf({ mode })) ?? '-') +
    class3(mode >> 6, (mode & 0o4000) !== 0, 's') +
    class3(mode >> 3, (mode & 0o2000) !== 0, 's') +
    class3(mode, (mode & 0o1000) !== 0, 't')
  );
}

const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/** "512", "1.5K", "20M": rounded up, with a digit after the point below 10. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return String(bytes);
  const tenths = Math.ceil(value * 10) / 10;
  if (tenths < 10) return `${tenths.toFixed(1)}${UNITS[unit]}`;
  const whole = Math.ceil(value);
  return whole === 1024 && unit < UNITS.length - 1
    ? `1.0${UNITS[unit + 1]}`
    : `${whole}${UNITS[unit]}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
/** Half a Gregorian year on average, as ls has it. */
const RECENT_SECONDS = 31556952 / 2;

const pad2 = (n: number): string => String(n).padStart(2, '0');

/** "Nov 22 02:58", or with the year when it is far from `nowSeconds`. */
export function listTime(time: Timespec, nowSeconds: number, full = false): string {
  const date = new Date(time.sec * 1000);
  if (Number.isNaN(date.getTime())) return String(time.sec).padStart(12);
  const day = `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)}`;
  const clock = `${pad2(date.getHours())}:${pad2(date.getMinutes())}`;
  if (full) return `${day} ${clock}:${pad2(date.getSeconds())} ${date.getFullYear()}`;
  const isRecent = time.sec > nowSeconds - RECENT_SECONDS && time.sec <= nowSeconds;
  return `${day} ${isRecent ? clock : String(date.getFullYear()).padStart(5)}`;
}

/** strftime(3) in the C locale, local time; what it does not know stays as it is. */
export function strftime(format: string, sec: number): string {
  const date = new Date(sec * 1000);
  const yearDay = (): number => {
    const start = Date.UTC(date.getFullYear(), 0, 1);
    return (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86400e3 + 1;
  };
  const hour12 = (): number => date.getHours() % 12 || 12;
  const offset = -date.getTimezoneOffset();
  const table: Readonly<Record<string, () => string>> = {
    a: () => DAYS[date.getDay()]!,
    b: () => MONTHS[date.getMonth()]!,
    h: () => MONTHS[date.getMonth()]!,
    C: () => pad2(Math.floor(date.getFullYear() / 100)),
    c: () => strftime('%a %b %e %H:%M:%S %Y', sec),
    D: () => strftime('%m/%d/%y', sec),
    d: () => pad2(date.getDate()),
    e: () => String(date.getDate()).padStart(2),
    F: () => strftime('%Y-%m-%d', sec),
    H: () => pad2(date.getHours()),
    I: () => pad2(hour12()),
    j: () => String(yearDay()).padStart(3, '0'),
    M: () => pad2(date.getMinutes()),
    m: () => pad2(date.getMonth() + 1),
    n: () => '\n',
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    R: () => strftime('%H:%M', sec),
    S: () => pad2(date.getSeconds()),
    s: () => String(sec),
    T: () => strftime('%H:%M:%S', sec),
    t: () => '\t',
    u: () => String(date.getDay() || 7),
    w: () => String(date.getDay()),
    X: () => strftime('%H:%M:%S', sec),
    x: () => strftime('%m/%d/%y', sec),
    Y: () => String(date.getFullYear()),
    y: () => pad2(date.getFullYear() % 100),
    z: () =>
      `${offset < 0 ? '-' : '+'}${pad2(Math.floor(Math.abs(offset) / 60))}${pad2(Math.abs(offset) % 60)}`,
    '%': () => '%',
  };
  return format.replace(/%(.)/gs, (whole, letter: string) => table[letter]?.() ?? whole);
}

// ---- names ----------------------------------------------------------------------------------------

export type NameStyle = 'raw' | 'question' | 'octal' | 'c';

const C_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

const octal = (byte: string): string => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`;

/** A character of UTF-8 in bytes, or one byte that is part of none. */
const UTF8 =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: bytes
  /[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

/** Those of two columns, roughly: East Asian ones and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

function columnsOf(character: ByteText): number {
  if (character.length === 1) return /[ -~]/.test(character) ? 1 : 0;
  const text = Buffer.from(character, 'latin1').toString('utf8');
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return -1;
  if (/[\p{Mn}\p{Me}]/u.test(text)) return 0;
  return WIDE.test(text) ? 2 : 1;
}

export interface ShownName {
  readonly text: ByteText;
  readonly columns: number;
}

/** A name for a listing, with the columns it takes on a terminal. */
export function showName(name: ByteText, style: NameStyle, isUtf8: boolean): ShownName {
  if (!/[^ -~]/.test(name) && !name.includes('\\')) return { text: name, columns: name.length };
  let text = '';
  let columns = 0;
  for (const character of isUtf8 ? name.match(UTF8)! : name) {
    const width = columnsOf(character);
    const isPrintable = character.length > 1 ? width >= 0 : width > 0;
    let shown = character;
    if (style === 'raw') {
      columns += Math.max(width, 0);
    } else if (isPrintable && !(character === '\\' && style !== 'question')) {
      columns += width;
    } else {
      if (style === 'question') shown = '?';
      else if (style === 'c' && character === '\\') shown = '\\\\';
      else if (style === 'c' && character in C_ESCAPES) shown = C_ESCAPES[character]!;
      else shown = [...character].map(octal).join('');
      columns += shown.length;
    }
    text += shown;
  }
  return { text, columns };
}

/** Whether the environment's locale is one of UTF-8. */
export function isUtf8Locale(env: Readonly<Record<string, string | undefined>>): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

/** The unit of BLOCKSIZE, as BSD's tools have it: bytes; "1K" and the like. Default 512. */
export function blockSize(env: Readonly<Record<string, string | undefined>>): number {
  const match = /^(\d*)([kmg]?)$/i.exec(env.BLOCKSIZE ?? '');
  if (match === null || match[0] === '') return 512;
  const factor = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 }[match[2]!.toLowerCase()]!;
  const bytes = Number(match[1] || 1) * factor;
  return Math.max(bytes, 512);
}
