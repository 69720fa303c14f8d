/**
 * Turns a sound JFFS2 image around: little-endian to big-endian or back, summaries, device numbers
 * and ACLs included, every CRC made anew. It lets the (little-endian) kernel judge big-endian
 * images, and gives readers big-endian twins of what the kernel wrote. It is written from the
 * format's description alone (reference facts, section 1) and shares nothing with src/.
 */

export type ByteOrder = 'le' | 'be';

const MAGIC = 0x1985;
const ACCURATE = 0x2000;
const DIRENT = 0xe001;
const INODE = 0xe002;
const CLEANMARKER = 0x2003;
const PADDING = 0x2004;
const SUMMARY = 0x2006;
const XATTR = 0xe008;
const XREF = 0xe009;

/** A field of a node: offset and width in bytes. */
type Field = readonly [offset: number, width: 2 | 4];

const words = (from: number, to: number): Field[] => {
  const fields: Field[] = [];
  for (let at = from; at < to; at += 4) fields.push([at, 4]);
  return fields;
};
/** Fields behind the header, without CRCs. */
const FIELDS: Readonly<Record<number, readonly Field[]>> = {
  [DIRENT]: words(12, 28),
  [INODE]: [...words(12, 24), [24, 2], [26, 2], ...words(28, 56), [58, 2]],
  [XATTR]: [...words(12, 20), [22, 2]],
  [XREF]: words(12, 24),
  [SUMMARY]: words(12, 24),
  [CLEANMARKER]: [],
  [PADDING]: [],
};

/** @throws Error when something on the flash is no node of a known type with good CRCs. */
export function swapByteOrder(
  image: Uint8Array,
  from: ByteOrder,
  eraseSizeBytes: number,
): Uint8Array {
  const swapped = Uint8Array.from(image);
  const swapper = new NodeSwapper(image, swapped, from);
  for (let block = 0; block < image.length; block += eraseSizeBytes) {
    const end = Math.min(block + eraseSizeBytes, image.length);
    for (let at = block; at + 4 <= end; ) {
      const isErased = image.subarray(at, at + 4).every((byte) => byte === 0xff);
      at += isErased ? 4 : swapper.node(at, end);
    }
  }
  return swapped;
}

class NodeSwapper {
  private readonly old: DataView;
  private readonly out: DataView;
  private readonly bytes: Uint8Array;
  private readonly fromLittle: boolean;

  constructor(image: Uint8Array, swapped: Uint8Array, from: ByteOrder) {
    this.old = new DataView(image.buffer, image.byteOffset, image.length);
    this.out = new DataView(swapped.buffer, swapped.byteOffset, swapped.length);
    this.bytes = swapped;
    this.fromLittle = from === 'le';
  }

  /** Swaps the node at an offset. @returns the bytes up to where the next may start. */
  node(at: number, end: number): number {
    const storedType = at + 12 <= end ? this.u16(at + 2) : 0;
    const type = storedType | ACCURATE;
    const fields = FIELDS[type];
    const length = fields === undefined ? 0 : this.u32(at + 4);
    if (this.u16(at) !== MAGIC || fields === undefined || length < 12 || at + length > end) {
      throw new Error(`no node that can be swapped at 0x${at.toString(16)}`);
    }
    this.copy(at, 2);
    this.put16(at + 2, type);
    this.copy(at + 4, 4);
    this.crc(at + 8, at, at + 8);
    for (const [offset, width] of fields) this.copy(at + offset, width);
    this.body(type, at, length);
    // The obsolete mark is put last: no CRC sees it.
    this.put16(at + 2, storedType);
    return (length + 3) & ~3;
  }

  private body(type: number, at: number, length: number): void {
    if (type === DIRENT) {
      this.crc(at + 32, at, at + 32);
      this.crc(at + 36, at + 40, at + 40 + (this.bytes[at + 28] as number));
    } else if (type === INODE) {
      const format = this.u32(at + 20) & 0o170000;
      const size = this.u32(at + 48);
      const isDevice = format === 0o020000 || format === 0o060000;
      if (isDevice && (size === 2 || size === 4)) this.copy(at + 68, size);
      this.crc(at + 60, at + 68, at + 68 + size);
      this.crc(at + 64, at, at + 60);
    } else if (type === XATTR) {
      const prefix = this.bytes[at + 20] as number;
      const nameLength = this.bytes[at + 21] as number;
      const value = at + 32 + nameLength + 1;
      const valueLength = this.u16(at + 22);
      if (prefix === 3 || prefix === 4) this.acl(value, valueLength);
      this.crc(at + 24, at + 32, value + valueLength);
      this.crc(at + 28, at, at + 28);
    } else if (type === XREF) {
      this.crc(at + 24, at, at + 24);
    } else if (type === SUMMARY) {
      this.summary(at, length);
    }
  }

  /** Version word, then entries of two halfwords, with an id behind those of named owners. */
  private acl(value: number, length: number): void {
    this.copy(value, 4);
    for (let at = value + 4; at < value + length; ) {
      const tag = this.u16(at);
      this.copy(at, 2);
      this.copy(at + 2, 2);
      at += 4;
      if (tag === 0x02 || tag === 0x08) {
        this.copy(at, 4);
        at += 4;
      }
    }
  }

  private summary(at: number, length: number): void {
    let entry = at + 32;
    for (let count = this.u32(at + 12); count > 0; count--) {
      const type = this.u16(entry);
      this.copy(entry, 2);
      const wordCount = { [INODE]: 4, [DIRENT]: 5, [XATTR]: 4, [XREF]: 1 }[type];
      if (wordCount === undefined) {
        throw new Error(`unknown summary entry at 0x${entry.toString(16)}`);
      }
      for (let i = 0; i < wordCount; i++) this.copy(entry + 2 + 4 * i, 4);
      entry += 2 + 4 * wordCount;
      if (type === DIRENT) entry += 2 + (this.bytes[entry] as number);
    }
    this.copy(at + length - 8, 4);
    this.copy(at + length - 4, 4);
    this.crc(at + 24, at + 32, at + length);
    this.crc(at + 28, at, at + 24);
  }

  private u16(at: number): number {
    return this.old.getUint16(at, this.fromLittle);
  }

  private u32(at: number): number {
    return this.old.getUint32(at, this.fromLittle);
  }

  private put16(at: number, value: number): void {
    this.out.setUint16(at, value, !this.fromLittle);
  }

  private copy(at: number, width: number): void {
    if (width === 2) this.put16(at, this.u16(at));
    else this.out.setUint32(at, this.u32(at), !this.fromLittle);
  }

  /** Puts the CRC of the swapped bytes from…to (the nodetype with ACCURATE set). */
  private crc(at: number, from: number, to: number): void {
    this.out.setUint32(at, jcrc(this.bytes.subarray(from, to)), !this.fromLittle);
  }
}

/** CRC-32 with start value 0 and no final inversion, bit by bit. */
function jcrc(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0xedb88320);
  }
  return crc >>> 0;
}
