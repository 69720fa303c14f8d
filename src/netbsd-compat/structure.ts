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
  get(buf: Uint8Array, base: number): number;
  put(buf: Uint8Array, base: number, value: number): void;
}

export const u8 = (at: number, meaning: string): field => ({
  at,
  bytes: 1,
  meaning,
  get: (b, base) => b[base + at]!,
  put: (b, base, value) => {
    b[base + at] = value;
  },
});

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
