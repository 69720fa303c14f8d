/**
 * Linux's crc32_le: CRC-32 with the reflected polynomial 0xEDB88320 and *no inversion*, neither of
 * the initial value nor of the result; both are the caller's. zlib's crc32(seed, …) is the
 * inversion of this on the inverted seed. A range may be fed in pieces, each with the last result
 * as its seed.
 *
 * Slicing by eight: eight tables of 256 words, one step per eight bytes. Hosts have a faster one
 * for long ranges but take longer to call, see {@link Lump.crc32_le}.
 */

const POLYNOMIAL = 0xedb88320;

/** table[256 * k + byte]: the CRC of `byte` followed by k zero bytes. */
const table = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  table[byte] = crc;
}
for (let i = 256; i < table.length; i++) {
  const crc = table[i - 256];
  table[i] = (crc >>> 8) ^ table[crc & 0xff];
}

/**
 * @param crc the seed: 0 to begin a jffs2 field.
 * @returns the CRC as an unsigned number.
 */
export function crc32_le(crc: number, buf: Uint8Array, off: number, len: number): number {
  let c = crc | 0;
  let at = off;
  const end = off + len;
  for (const end8 = end - 7; at < end8; at += 8) {
    c ^= buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24);
    c =
      table[1792 + (c & 0xff)] ^
      table[1536 + ((c >>> 8) & 0xff)] ^
      table[1280 + ((c >>> 16) & 0xff)] ^
      table[1024 + (c >>> 24)] ^
      table[768 + buf[at + 4]] ^
      table[512 + buf[at + 5]] ^
      table[256 + buf[at + 6]] ^
      table[buf[at + 7]];
  }
  while (at < end) c = (c >>> 8) ^ table[(c ^ buf[at++]) & 0xff];
  return c >>> 0;
}
