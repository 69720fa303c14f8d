/** Bytes as text, for people and for JSON. */
import type { ByteName } from '../lump/types.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

const bytesOf = (name: ByteName): Uint8Array => Uint8Array.from(name, (c) => c.charCodeAt(0));

/** The name as UTF-8, or null when it is none. */
function utf8(name: ByteName): string | null {
  try {
    return decoder.decode(bytesOf(name));
  } catch {
    return null;
  }
}

/** Control characters, and marks that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\\]/g;

/** For a terminal: nothing in it moves the cursor; what is no UTF-8 is escaped byte by byte. */
export function shown(name: ByteName): string {
  const text = utf8(name);
  if (text === null) {
    return name.replace(/[^\x20-\x7e]|\\/g, (c) => `\\x${hex2(c.charCodeAt(0))}`);
  }
  return text.replace(UNSAFE, (c) => {
    if (c === '\\') return '\\\\';
    const code = c.charCodeAt(0);
    return code < 0x100 ? `\\x${hex2(code)}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const hex2 = (value: number): string => value.toString(16).padStart(2, '0');

export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, hex2).join('');

/**
 * For JSON: the text under `key`; if the bytes are no UTF-8, with U+FFFD in it, and the bytes in
 * hexadecimal under `keyHex`.
 */
export function jsonName<K extends string>(
  key: K,
  name: ByteName,
): { [P in K | `${K}Hex`]?: string } {
  const text = utf8(name);
  const value =
    text !== null
      ? { [key]: text }
      : { [key]: new TextDecoder().decode(bytesOf(name)), [`${key}Hex`]: hexOf(bytesOf(name)) };
  return value as { [P in K | `${K}Hex`]?: string };
}

/** A path as a user typed it → bytes. */
export function pathBytes(text: string): ByteName {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** "2026-11-22T02:00:00Z"; "-" for a time that is not known. */
export function isoTime(seconds: number): string {
  return seconds === 0 ? '-' : new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

const KINDS: Readonly<Record<string, string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
};

/** "-rwsr-xr-x", as ls(1). */
export function modeText(type: string, mode: number): string {
  const rwx = (bits: number, special: boolean, letter: string): string => {
    const x = (bits & 1) !== 0;
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? 'x' : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  return (
    (KINDS[type] ?? '?') +
    rwx(mode >> 6, (mode & 0o4000) !== 0, 's') +
    rwx(mode >> 3, (mode & 0o2000) !== 0, 's') +
    rwx(mode, (mode & 0o1000) !== 0, 't')
  );
}
