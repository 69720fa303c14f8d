/**
 * Declarations of C structures in the host's byte order, and a buffer that reads and writes their
 * fields. A structure is declared once, as rows of name, type and meaning; offsets follow from C's
 * natural alignment. The offsets are plain numbers by the time a request is served.
 */

export type FieldType = 'u16' | 's32' | 'u32' | 'u64' | 's64';

/** One field; `type` may be another structure, embedded, or a pair [type, count] for an array. */
export type FieldRow = readonly [
  name: string,
  type: FieldType | Structure | readonly [FieldType, number],
  meaning: string,
];

export interface Structure<Names extends string = string> {
  readonly name: string;
  /** sizeof. */
  readonly bytes: number;
  /** offsetof. */
  readonly at: { readonly [field in Names]: number };
  readonly rows: readonly FieldRow[];
}

const WIDTH: Readonly<Record<FieldType, number>> = { u16: 2, s32: 4, u32: 4, u64: 8, s64: 8 };

/** Declares a structure. Alignment is C's: each field at a multiple of its own width. */
export function structure<const Rows extends readonly FieldRow[]>(
  name: string,
  rows: Rows,
): Structure<Rows[number][0]> {
  const at: Record<string, number> = {};
  let offset = 0;
  let widest = 1;
  for (const [field, type] of rows) {
    let width: number;
    let bytes: number;
    if (typeof type === 'string') {
      width = bytes = WIDTH[type];
    } else if ('bytes' in type) {
      width = 8;
      bytes = type.bytes;
    } else {
      width = WIDTH[type[0]];
      bytes = width * type[1];
    }
    offset = Math.ceil(offset / width) * width;
    at[field] = offset;
    offset += bytes;
    widest = Math.max(widest, width);
  }
  return {
    name,
    bytes: Math.ceil(offset / widest) * widest,
    at: at as { readonly [field in Rows[number][0]]: number },
    rows,
  };
}

/** Index of the low half of a 64-bit number in a pair of words: 0 on a little-endian host. */
const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/**
 * A message in the host's byte order. 64-bit fields travel as numbers: file offsets, node ids and
 * times stay below 2^53, the rest ("unique") is copied as two words.
 */
export class WireBuffer {
  /** A Buffer, for its native latin1 conversions of names. */
  readonly bytes: Buffer;
  private readonly words: Uint32Array;
  private readonly halves: Uint16Array;

  /** @throws RangeError when `bytes` does not start at a multiple of 8. */
  constructor(bytes: Uint8Array) {
    if (bytes.byteOffset % 8 !== 0) throw new RangeError('a wire buffer must be aligned to 8');
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
    this.halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 1);
  }

  u16(at: number): number {
    return this.halves[at >>> 1]!;
  }

  u32(at: number): number {
    return this.words[at >>> 2]!;
  }

  u64(at: number): number {
    const word = at >>> 2;
    return this.words[word + HIGH]! * 0x1_0000_0000 + this.words[word + LOW]!;
  }

  s64(at: number): number {
    const word = at >>> 2;
    return (this.words[word + HIGH]! | 0) * 0x1_0000_0000 + this.words[word + LOW]!;
  }

  putU16(at: number, value: number): void {
    this.halves[at >>> 1] = value;
  }

  /** Also for s32: the words wrap. */
  putU32(at: number, value: number): void {
    this.words[at >>> 2] = value;
  }

  /** Also for s64: Math.floor and the wrap make two's complement of negative numbers. */
  putU64(at: number, value: number): void {
    const word = at >>> 2;
    // Both stores convert modulo 2^32, which is exact for integers below 2^53.
    this.words[word + LOW] = value;
    this.words[word + HIGH] = Math.floor(value / 0x1_0000_0000);
  }

  /** Copies a 64-bit field without looking at it. */
  copyU64(at: number, from: WireBuffer, fromAt: number): void {
    this.words[at >>> 2] = from.words[fromAt >>> 2]!;
    this.words[(at >>> 2) + 1] = from.words[(fromAt >>> 2) + 1]!;
  }
}
