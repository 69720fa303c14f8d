/**
 * Raw JFFS2 nodes and images, made byte by byte from the reference's tables (jffs2.md §1, §4, §10)
 * and not with what src/jffs2 writes with: a mistake there must not cancel itself out in a test.
 */
export type ByteOrder = 'little' | 'big';

/** CRC-32, reflected, initial value 0, no final inversion: the medium's (§1.3). */
const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function jcrc(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0;
  for (let at = from; at < to; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

const pad = (length: number): number => Math.ceil(length / 4) * 4;
const text = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? Uint8Array.from(value, (ch) => ch.charCodeAt(0)) : value;

export interface InodeFields {
  ino: number;
  version: number;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Default: offset + dsize. */
  isize?: number;
  atime?: number;
  mtime?: number;
  ctime?: number;
  offset?: number;
  /** Default: the length of the data. */
  csize?: number;
  dsize?: number;
  compr?: number;
  usercompr?: number;
  flags?: number;
  totlen?: number;
  /** Spoils the CRC of the data. */
  badData?: boolean;
}

export interface DirentFields {
  pino: number;
  version: number;
  ino: number;
  name: string | Uint8Array;
  mctime?: number;
  type?: number;
  nsize?: number;
  totlen?: number;
}

export interface XattrFields {
  xid: number;
  version?: number;
  prefix?: number;
  name: string;
  value: string | Uint8Array;
  badData?: boolean;
}

/** What a summary says about one node: see {@link Nodes.summary}. */
export type SummaryEntry =
  | { type: 'inode'; ino: number; version: number; offset: number; totlen: number }
  | {
      type: 'dirent';
      totlen: number;
      offset: number;
      pino: number;
      version: number;
      ino: number;
      dtype: number;
      name: string;
    }
  | { type: 'xattr'; xid: number; version: number; offset: number; totlen: number }
  | { type: 'xref'; offset: number }
  | { type: number; bytes: number };

export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

/** Builds nodes in one byte order. */
export class Nodes {
  readonly order: ByteOrder;

  constructor(order: ByteOrder = 'little') {
    this.order = order;
  }

  private view(node: Uint8Array): {
    u16(at: number, value: number): void;
    u32(at: number, value: number): void;
  } {
    const data = new DataView(node.buffer, node.byteOffset, node.length);
    const little = this.order === 'little';
    return {
      u16: (at, value) => data.setUint16(at, value, little),
      u32: (at, value) => data.setUint32(at, value, little),
    };
  }

  /** A node of any type: header, and what follows it. */
  raw(
    nodetype: number,
    body: Uint8Array = new Uint8Array(0),
    totlen = 12 + body.length,
  ): Uint8Array {
    const node = new Uint8Array(12 + body.length);
    node.set(body, 12);
    const put = this.view(node);
    put.u16(0, 0x1985);
    put.u16(2, nodetype | 0x2000);
    put.u32(4, totlen);
    put.u32(8, jcrc(node, 0, 8));
    put.u16(2, nodetype);
    return node;
  }

  cleanmarker(size = 12): Uint8Array {
    return this.raw(0x2003, new Uint8Array(0), size);
  }

  padding(size: number): Uint8Array {
    return this.raw(0x2004, new Uint8Array(size - 12), size);
  }

  inode(fields: InodeFields, data: string | Uint8Array = ''): Uint8Array {
    const stored = text(data);
    const offset = fields.offset ?? 0;
    const csize = fields.csize ?? stored.length;
    const dsize = fields.dsize ?? stored.length;
    const node = this.raw(0xe002, new Uint8Array(56 + stored.length), fields.totlen);
    const put = this.view(node);
    put.u32(12, fields.ino);
    put.u32(16, fields.version);
    put.u32(20, fields.mode ?? S_IFREG | 0o644);
    put.u16(24, fields.uid ?? 0);
    put.u16(26, fields.gid ?? 0);
    put.u32(28, fields.isize ?? offset + dsize);
    put.u32(32, fields.atime ?? 0);
    put.u32(36, fields.mtime ?? 0);
    put.u32(40, fields.ctime ?? 0);
    put.u32(44, offset);
    put.u32(48, csize);
    put.u32(52, dsize);
    node[56] = fields.compr ?? 0;
    node[57] = fields.usercompr ?? 0;
    put.u16(58, fields.flags ?? 0);
    node.set(stored, 68);
    const dataCrc = stored.length === 0 ? 0 : jcrc(stored);
    put.u32(60, fields.badData ? dataCrc ^ 1 : dataCrc);
    put.u32(64, jcrc(node, 0, 60));
    return node;
  }

  hole(fields: InodeFields & { dsize: number }): Uint8Array {
    return this.inode({ compr: 1, csize: 0, ...fields });
  }

  dirent(fields: DirentFields): Uint8Array {
    const name = text(fields.name);
    const node = this.raw(0xe001, new Uint8Array(28 + name.length), fields.totlen);
    const put = this.view(node);
    put.u32(12, fields.pino);
    put.u32(16, fields.version);
    put.u32(20, fields.ino);
    put.u32(24, fields.mctime ?? 0);
    node[28] = fields.nsize ?? name.length;
    node[29] = fields.type ?? (fields.ino === 0 ? 0 : 8);
    put.u32(32, jcrc(node, 0, 32));
    put.u32(36, jcrc(name));
    node.set(name, 40);
    return node;
  }

  xattr(fields: XattrFields): Uint8Array {
    const name = text(fields.name);
    const value = text(fields.value);
    const length = name.length + 1 + value.length;
    const node = this.raw(0xe008, new Uint8Array(pad(32 + length) - 12).fill(0xff));
    const put = this.view(node);
    put.u32(12, fields.xid);
    put.u32(16, fields.version ?? 1);
    node[20] = fields.prefix ?? 1;
    node[21] = name.length;
    put.u16(22, value.length);
    node.set(name, 32);
    node[32 + name.length] = 0;
    node.set(value, 33 + name.length);
    const dataCrc = jcrc(node, 32, 32 + length);
    put.u32(24, fields.badData ? dataCrc ^ 1 : dataCrc);
    put.u32(28, jcrc(node, 0, 28));
    return node;
  }

  xref(ino: number, xid: number, xseqno: number): Uint8Array {
    const node = this.raw(0xe009, new Uint8Array(16));
    const put = this.view(node);
    put.u32(12, ino);
    put.u32(16, xid);
    put.u32(20, xseqno);
    put.u32(24, jcrc(node, 0, 24));
    return node;
  }

  /** A SUMMARY node that starts at `at` and fills the rest of an erase block of `eraseBytes`. */
  summary(
    entries: readonly SummaryEntry[],
    at: number,
    eraseBytes: number,
    cleanmarker = 12,
    count = entries.length,
  ): Uint8Array {
    const totlen = eraseBytes - at;
    const node = this.raw(0x2006, new Uint8Array(totlen - 12).fill(0xff));
    const put = this.view(node);
    put.u32(12, count);
    put.u32(16, cleanmarker);
    put.u32(20, 0);
    let sp = 32;
    const u16 = (value: number): void => {
      put.u16(sp, value);
      sp += 2;
    };
    const u32 = (...values: number[]): void => {
      for (const value of values) {
        put.u32(sp, value);
        sp += 4;
      }
    };
    for (const entry of entries) {
      switch (entry.type) {
        case 'inode':
          u16(0xe002);
          u32(entry.ino, entry.version, entry.offset, entry.totlen);
          break;
        case 'dirent':
          u16(0xe001);
          u32(entry.totlen, entry.offset, entry.pino, entry.version, entry.ino);
          node[sp++] = entry.name.length;
          node[sp++] = entry.dtype;
          node.set(text(entry.name), sp);
          sp += entry.name.length;
          break;
        case 'xattr':
          u16(0xe008);
          u32(entry.xid, entry.version, entry.offset, entry.totlen);
          break;
        case 'xref':
          u16(0xe009);
          u32(entry.offset);
          break;
        default:
          u16(entry.type);
          sp += entry.bytes - 2;
      }
    }
    put.u32(totlen - 8, at);
    put.u32(totlen - 4, 0x02851885);
    put.u32(24, jcrc(node, 32));
    put.u32(28, jcrc(node, 0, 24));
    return node;
  }

  /** Clears the ACCURATE bit in place, as Linux obsoletes a node on NOR flash. */
  obsoleted(node: Uint8Array): Uint8Array {
    const copy = node.slice();
    copy[this.order === 'little' ? 3 : 2]! &= ~0x20;
    return copy;
  }
}

/** An image: erase blocks into which nodes are laid one after the other. */
export class Image {
  readonly bytes: Uint8Array;
  readonly eraseBytes: number;
  readonly nodes: Nodes;
  private readonly used: number[];

  constructor(options: { blocks?: number; eraseBytes?: number; order?: ByteOrder } = {}) {
    this.eraseBytes = options.eraseBytes ?? 8192;
    const blocks = options.blocks ?? 16;
    this.bytes = new Uint8Array(blocks * this.eraseBytes).fill(0xff);
    this.nodes = new Nodes(options.order);
    this.used = new Array<number>(blocks).fill(0);
  }

  get blocks(): number {
    return this.used.length;
  }

  /** Lays nodes into erase block `block`, each on a 4-byte boundary. @returns their offsets. */
  put(block: number, ...nodes: Uint8Array[]): number[] {
    const offsets: number[] = [];
    for (const node of nodes) {
      const at = block * this.eraseBytes + this.used[block]!;
      const after = this.used[block]! + pad(node.length);
      if (after > this.eraseBytes) throw new Error(`erase block ${block} is full`);
      this.bytes.set(node, at);
      this.used[block] = after;
      offsets.push(at);
    }
    return offsets;
  }

  /** Cleanmarkers for all blocks that are still empty, as a formatted medium has them. */
  format(): this {
    for (let block = 0; block < this.blocks; block++) {
      if (this.used[block] === 0) this.put(block, this.nodes.cleanmarker());
    }
    return this;
  }
}
