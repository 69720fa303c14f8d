/**
 * Small types that every layer shares.
 */

/**
 * A file name, symlink target or xattr name as *bytes*: one JavaScript character (U+0000…U+00FF)
 * per byte ("latin1" or "binary" string). V8 keeps such a string in one byte per character, hashes
 * and compares it fast, and can use it as a Map key, while no byte sequence is lost as it would be
 * through UTF-8. Conversions happen at the edges only.
 */
export type ByteName = string;

/** Bytes → name. `end` is exclusive. */
export function bytesToName(bytes: Uint8Array, start = 0, end = bytes.length): ByteName {
  // Names are at most 255 bytes: String.fromCharCode.apply is safe and fast at that size; symlink
  // targets of up to a page are cut into pieces.
  let name = '';
  for (let at = start; at < end; at += 1024) {
    name += String.fromCharCode.apply(
      null,
      bytes.subarray(at, Math.min(end, at + 1024)) as unknown as number[],
    );
  }
  return name;
}

/** Writes a name into `buf` at `off`. @returns the bytes written (= name.length). */
export function putName(buf: Uint8Array, off: number, name: ByteName): number {
  for (let i = 0; i < name.length; i++) buf[off + i] = name.charCodeAt(i);
  return name.length;
}
