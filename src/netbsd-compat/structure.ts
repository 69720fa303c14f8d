/**
 * Declarations of what lies on a disk: a field is declared once, with its place and meaning, and
 * reads and writes itself in a buffer. Getters are closures over the place: no allocation, no
 * interpretation.
 */

/** Bytes of a byte order. */
export interface field {
  /** Offset in its structure. */
  readonly at: number;
  readonly bytes: number;
  readonly meaning: string;
  /** Reads it of the structure that begins at `base`. */
  get(buf: Uint8Array, base: number): number;
  /** Writes it there. */
  put(buf: Uint8Array, base: number, value: number): void;
}

/** A field of a byte. */
export const u8 = (at: number, meaning: string): field => ({
  at,
  bytes: 1,
  meaning,
  get: (b, base) => b[base + at]!,
  put: (b, base, value) => {
    b[base + at] = value;
  },
});

/** A field of two bytes, the lower one first. */
export const le16 = (at: number, meaning: string): field => ({
  at,
  bytes: 2,
  meaning,
  get: (b, base) => b[base + at]! | (b[base + at + 1]! << 8),
  put: (b, base, value) => {
    b[base + at] = value;
    b[base + at + 1] = value >>> 8;
  },
});

/** A field of four bytes, the lowest first. */
export const le32 = (at: number, meaning: string): field => ({
  at,
  bytes: 4,
  meaning,
  get(b, base) {
    const p = base + at;
    return (b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)) >>> 0;
  },
  put(b, base, value) {
    const p = base + at;
    b[p] = value;
    b[p + 1] = value >>> 8;
    b[p + 2] = value >>> 16;
    b[p + 3] = value >>> 24;
  },
});

/** A field of four bytes, the highest first. */
export const be32 = (at: number, meaning: string): field => ({
  at,
  bytes: 4,
  meaning,
  get(b, base) {
    const p = base + at;
    return ((b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!) >>> 0;
  },
  put(b, base, value) {
    const p = base + at;
    b[p] = value >>> 24;
    b[p + 1] = value >>> 16;
    b[p + 2] = value >>> 8;
    b[p + 3] = value;
  },
});

/** A field of two bytes, the higher one first. */
export const be16 = (at: number, meaning: string): field => ({
  at,
  bytes: 2,
  meaning,
  get: (b, base) => (b[base + at]! << 8) | b[base + at + 1]!,
  put: (b, base, value) => {
    b[base + at] = value >>> 8;
    b[base + at + 1] = value;
  },
});

const TWO_32 = 2 ** 32;
const LOW_LE = le32(0, '');
const HIGH_LE = le32(4, '');
const HIGH_BE = be32(0, '');
const LOW_BE = be32(4, '');

/** Signed. Beyond 2^53 the lowest bits are lost: such a value is refused, or is damage. */
export const le64 = (at: number, meaning: string): field => ({
  at,
  bytes: 8,
  meaning,
  get: (b, base) => (HIGH_LE.get(b, base + at) | 0) * TWO_32 + LOW_LE.get(b, base + at),
  put(b, base, value) {
    LOW_LE.put(b, base + at, value % TWO_32);
    HIGH_LE.put(b, base + at, Math.floor(value / TWO_32));
  },
});

/** As {@link le64}. */
export const be64 = (at: number, meaning: string): field => ({
  at,
  bytes: 8,
  meaning,
  get: (b, base) => (HIGH_BE.get(b, base + at) | 0) * TWO_32 + LOW_BE.get(b, base + at),
  put(b, base, value) {
    LOW_BE.put(b, base + at, value % TWO_32);
    HIGH_BE.put(b, base + at, Math.floor(value / TWO_32));
  },
});

export type byte_order = 'le' | 'be';

/** The kinds of fields, for media that come in either byte order. */
export const fields_of = (
  order: byte_order,
): Readonly<Record<'u16' | 'u32' | 'i64', (at: number, meaning: string) => field>> =>
  order === 'le' ? { u16: le16, u32: le32, i64: le64 } : { u16: be16, u32: be32, i64: be64 };
