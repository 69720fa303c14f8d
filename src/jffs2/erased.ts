/** Erased flash: how far it reaches. */

/** Shorter runs are not worth a view. */
const VIEW_BYTES_MIN = 64;

/**
 * The first byte of `buf[at … end)` that is not 0xFF; `end` if there is none. Looks at whole words
 * where it can: a blank chip of 256 MiB takes some tens of milliseconds.
 */
export function firstProgrammed(buf: Uint8Array, at: number, end: number): number {
  let here = at;
  if (end - here >= VIEW_BYTES_MIN) {
    while (((buf.byteOffset + here) & 3) !== 0) {
      if (buf[here] !== 0xff) return here;
      here++;
    }
    const words = new Int32Array(buf.buffer, buf.byteOffset + here, (end - here) >>> 2);
    let word = 0;
    while (word < words.length && words[word] === -1) word++;
    here += word * 4;
  }
  while (here < end && buf[here] === 0xff) here++;
  return here;
}
