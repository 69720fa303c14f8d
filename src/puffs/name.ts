/**
 * Names cross the waist as bytes: {@link ByteName}. These are the conversions for who stands above
 * it; src/lump/types.ts has the same for who stands below, as the waist imports nothing.
 */
import { EXTATTR_NAMESPACE_SYSTEM, EXTATTR_NAMESPACE_USER, type ByteName } from './puffs.js';

/** Bytes → name. */
export function bytesToName(bytes: Uint8Array): ByteName {
  let name = '';
  // In pieces, since every byte becomes an argument of the call.
  for (let at = 0; at < bytes.length; at += 1024) {
    name += String.fromCharCode(...bytes.subarray(at, at + 1024));
  }
  return name;
}

/** Name → bytes. */
export function nameToBytes(name: ByteName): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text → the name that its UTF-8 bytes make. */
export function textToName(text: string): ByteName {
  return isAscii(text) ? text : bytesToName(encoder.encode(text));
}

/** Name → text for a person; bytes that are no UTF-8 show as U+FFFD. */
export function nameToText(name: ByteName): string {
  return isAscii(name) ? name : decoder.decode(nameToBytes(name));
}

const USER_PREFIX = 'user.';

/** NetBSD's name space of an attribute's name in Linux. */
export const extattrNamespace = (xattr: ByteName): number =>
  xattr.startsWith(USER_PREFIX) ? EXTATTR_NAMESPACE_USER : EXTATTR_NAMESPACE_SYSTEM;

/** The name in that name space: without "user."; every other prefix stays. */
export const extattrName = (xattr: ByteName): ByteName =>
  xattr.startsWith(USER_PREFIX) ? xattr.slice(USER_PREFIX.length) : xattr;

/** NetBSD's name space and the name in it → the attribute's name in Linux. */
export const xattrName = (ns: number, name: ByteName): ByteName =>
  ns === EXTATTR_NAMESPACE_USER ? USER_PREFIX + name : name;

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return false;
  }
  return true;
}
