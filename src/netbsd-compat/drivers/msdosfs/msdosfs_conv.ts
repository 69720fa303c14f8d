/**
 * Names and times of FAT. A long name is UTF-16, here text; a short one is 8 and 3 bytes in the
 * code page 437. Names are found whatever their case, and keep the one they were given.
 *
 * Times are local times without a zone: UTC here, or as far from it as the mount says.
 */
import { NetbsdErrno } from '../../errno.js';
import type { ByteName } from '../../../puffs/puffs.js';
import { nameToText, textToName } from '../../../puffs/name.js';
import type { genfs_time } from '../../genfs_node.js';
import {
  ATTR_WIN95,
  DIRENTRY_BYTES,
  LCASE_BASE,
  LCASE_EXT,
  SHORTNAME_BYTES,
  SLOT_DELETED,
  SLOT_E5,
  dep,
  wep,
  WIN_CHARS,
  WIN_LAST,
  WIN_MAXLEN,
  WIN_UNITS,
} from './medium.js';

/** Bytes from 0x80 on. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

// biome-ignore lint/suspicious/noControlCharactersInRegex: FAT forbids them.
const FORBIDDEN = /[\x00-\x1f"*/:<>?\\|\x7f]/;
const SHORT_CHARACTER = /^[A-Z0-9!#$%&'()\-@^_`{}~]$/;

/** What two names of one entry have in common. */
export const name_key = (text: string): string => text.toUpperCase();

/** Bytes → text. @throws EINVAL FAT cannot have it; ENAMETOOLONG. */
export function name_to_text(name: ByteName): string {
  const text = nameToText(name);
  // Bytes that are no UTF-8, and what FAT keeps for itself; dots and blanks at the end are lost.
  if (text.includes('\ufffd') || FORBIDDEN.test(text) || /[. ]$/.test(text)) {
    throw new NetbsdErrno('EINVAL', 'a name that FAT cannot have');
  }
  if (text.length > WIN_MAXLEN) throw new NetbsdErrno('ENAMETOOLONG');
  return text;
}

export const text_to_name = (text: string): ByteName => textToName(text);

// ---- short names --------------------------------------------------------------------------------

/** "NAME.EXT" of an entry, in the case that its flags ask for. */
export function short_name(buf: Uint8Array, off: number): string {
  const flags = dep.LowerCase.get(buf, off);
  const part = (from: number, to: number, lower: boolean): string => {
    let text = '';
    for (let at = from; at < to; at++) {
      let byte = buf[off + at]!;
      if (at === 0 && byte === SLOT_E5) byte = SLOT_DELETED;
      text += byte < 0x80 ? String.fromCharCode(byte) : CP437[byte - 0x80]!;
    }
    text = text.replace(/ +$/, '');
    return lower ? text.toLowerCase() : text;
  };
  const base = part(0, 8, (flags & LCASE_BASE) !== 0);
  const extension = part(8, 11, (flags & LCASE_EXT) !== 0);
  return extension === '' ? base : `${base}.${extension}`;
}

/** The 11 bytes of a name that needs no long one; null: it does. */
export function exact_short_name(text: string): Uint8Array | null {
  const [base, extension = '', ...more] = text.split('.') as [string, ...string[]];
  if (more.length > 0 || base.length === 0 || base.length > 8 || extension.length > 3) return null;
  if (text.endsWith('.') || ![...(base + extension)].every((c) => SHORT_CHARACTER.test(c))) {
    return null;
  }
  return short_bytes(base, extension);
}

/** A short name for a long one, with "~1" and so on, that `isTaken` does not know. */
export function make_short_name(text: string, isTaken: (bytes: Uint8Array) => boolean): Uint8Array {
  const clean = (part: string): string =>
    [...part.toUpperCase()]
      .filter((c) => c !== ' ' && c !== '.')
      .map((c) => (SHORT_CHARACTER.test(c) ? c : '_'))
      .join('');
  const dot = text.lastIndexOf('.');
  const base = clean(dot > 0 ? text.slice(0, dot) : text) || '_';
  const extension = dot > 0 ? clean(text.slice(dot + 1)).slice(0, 3) : '';
  for (let n = 1; n < 1_000_000; n++) {
    const tail = `~${n}`;
    const bytes = short_bytes(base.slice(0, 8 - tail.length) + tail, extension);
    if (!isTaken(bytes)) return bytes;
  }
  throw new NetbsdErrno('ENOSPC', 'no short name is free');
}

function short_bytes(base: string, extension: string): Uint8Array {
  const bytes = new Uint8Array(SHORTNAME_BYTES).fill(0x20);
  for (let i = 0; i < base.length; i++) bytes[i] = base.charCodeAt(i);
  for (let i = 0; i < extension.length; i++) bytes[8 + i] = extension.charCodeAt(i);
  return bytes;
}

/** Ties the parts of a long name to their short one. */
export function short_checksum(buf: Uint8Array, off: number): number {
  let sum = 0;
  for (let i = 0; i < SHORTNAME_BYTES; i++) {
    sum = (((sum & 1) << 7) + (sum >> 1) + buf[off + i]!) & 0xff;
  }
  return sum;
}

// ---- long names ---------------------------------------------------------------------------------

/** Slots that the parts of a long name take. */
export const long_slots = (text: string): number => Math.ceil(text.length / WIN_CHARS);

/** The part of a long name for slot `number` (from 1) of `count`. */
export function put_long_part(
  buf: Uint8Array,
  off: number,
  text: string,
  number: number,
  checksum: number,
): void {
  buf.fill(0, off, off + DIRENTRY_BYTES);
  const isLast = number === long_slots(text);
  wep.Cnt.put(buf, off, number | (isLast ? WIN_LAST : 0));
  dep.Attributes.put(buf, off, ATTR_WIN95);
  wep.Chksum.put(buf, off, checksum);
  for (let i = 0; i < WIN_CHARS; i++) {
    const at = (number - 1) * WIN_CHARS + i;
    // A NUL ends a name, and 0xFFFF fills what is left.
    const unit = at < text.length ? text.charCodeAt(at) : at === text.length ? 0 : 0xffff;
    buf[off + WIN_UNITS[i]!] = unit;
    buf[off + WIN_UNITS[i]! + 1] = unit >>> 8;
  }
}

/** The text of one part, up to its end. */
export function long_part(buf: Uint8Array, off: number): string {
  let text = '';
  for (const at of WIN_UNITS) {
    const unit = buf[off + at]! | (buf[off + at + 1]! << 8);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

// ---- times --------------------------------------------------------------------------------------

/** 1980-01-01 and 2107-12-31 23:59:58. */
export const FAT_TIME_MIN = 315_532_800;
export const FAT_TIME_MAX = 4_354_819_198;

export function fat_to_time(date: number, time: number, offset_sec: number): genfs_time {
  const [year, month, day] = [1980 + (date >> 9), (date >> 5) & 15, date & 31];
  const [hour, minute, second] = [time >> 11, (time >> 5) & 63, (time & 31) * 2];
  const ms = Date.UTC(year, Math.max(0, month - 1), Math.max(1, day), hour, minute, second);
  return { sec: ms / 1000 - offset_sec, nsec: 0 };
}

export function time_to_fat({ sec }: genfs_time, offset_sec: number): [date: number, time: number] {
  const local = Math.min(FAT_TIME_MAX, Math.max(FAT_TIME_MIN, sec + offset_sec));
  const at = new Date(local * 1000);
  const date =
    ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  return [date, time];
}
