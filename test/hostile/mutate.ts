/**
 * Spoils images. The structure-aware mutator knows where nodes and their fields are and makes the
 * CRCs right again afterwards, so that its lies are believed; the plain one changes bytes.
 *
 * It finds nodes by itself, by the reference's tables, and knows nothing of src/jffs2.
 */
import type { Prng } from '../../src/rumpuser/prng.js';
import { jcrc, Nodes, type ByteOrder } from '../jffs2/nodes.js';
import { BLOCKS, ERASE_BYTES, type Base } from './bases.js';

interface Found {
  at: number;
  type: number;
  totlen: number;
}

/** [offset, bytes] of the fields of each node type behind the header. */
const FIELDS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  0xe001: [
    [12, 4],
    [16, 4],
    [20, 4],
    [24, 4],
    [28, 1],
    [29, 1],
    [30, 2],
  ],
  0xe002: [
    [12, 4],
    [16, 4],
    [20, 4],
    [24, 2],
    [26, 2],
    [28, 4],
    [32, 4],
    [36, 4],
    [40, 4],
    [44, 4],
    [48, 4],
    [52, 4],
    [56, 1],
    [57, 1],
    [58, 2],
  ],
  0xe008: [
    [12, 4],
    [16, 4],
    [20, 1],
    [21, 1],
    [22, 2],
  ],
  0xe009: [
    [12, 4],
    [16, 4],
    [20, 4],
  ],
  0x2006: [
    [12, 4],
    [16, 4],
    [20, 4],
  ],
};

const TYPES = [
  0xe001, 0xe002, 0x2003, 0x2004, 0x2006, 0xe008, 0xe009, 0xc001, 0xc002, 0x0003, 0xe777, 0xa777,
  0x6777, 0x2777, 0x0000, 0xffff,
];

const pad = (length: number): number => Math.ceil(length / 4) * 4;

export class Mutator {
  readonly bytes: Uint8Array;
  private readonly order: ByteOrder;
  private readonly view: DataView;
  private readonly prng: Prng;
  private readonly nodes: Nodes;

  constructor(base: Base, prng: Prng) {
    this.bytes = base.bytes.slice();
    this.order = base.order;
    this.view = new DataView(this.bytes.buffer);
    this.prng = prng;
    this.nodes = new Nodes(base.order);
  }

  private get little(): boolean {
    return this.order === 'little';
  }

  private get(at: number, bytes: number): number {
    if (bytes === 1) return this.view.getUint8(at);
    return bytes === 2
      ? this.view.getUint16(at, this.little)
      : this.view.getUint32(at, this.little);
  }

  private put(at: number, bytes: number, value: number): void {
    if (bytes === 1) this.view.setUint8(at, value);
    else if (bytes === 2) this.view.setUint16(at, value, this.little);
    else this.view.setUint32(at, value, this.little);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.prng.below(list.length)]!;
  }

  /** All nodes whose header is right, wherever they lie. */
  private find(): Found[] {
    const found: Found[] = [];
    for (let at = 0; at + 12 <= this.bytes.length; ) {
      const totlen = this.get(at + 4, 4);
      const room = ERASE_BYTES - (at % ERASE_BYTES);
      if (this.get(at, 2) !== 0x1985 || totlen < 12 || totlen > room) {
        at += 4;
        continue;
      }
      found.push({ at, type: this.get(at + 2, 2) | 0x2000, totlen });
      at += pad(totlen);
    }
    return found;
  }

  /** Makes all CRCs of a node right. */
  private seal(at: number): void {
    const type = this.get(at + 2, 2);
    const end = this.bytes.length;
    const range = (from: number, length: number): number =>
      jcrc(this.bytes, from, Math.min(end, from + length));
    const sealIfInside = (field: number, from: number, length: number): void => {
      if (at + field + 4 <= end) this.put(at + field, 4, range(from, length));
    };
    this.put(at + 2, 2, type | 0x2000);
    sealIfInside(8, at, 8);
    switch (type | 0x2000) {
      case 0xe001:
        sealIfInside(32, at, 32);
        if (at + 29 < end) sealIfInside(36, at + 40, this.bytes[at + 28]!);
        break;
      case 0xe002:
        if (at + 52 < end) sealIfInside(60, at + 68, this.get(at + 48, 4));
        sealIfInside(64, at, 60);
        break;
      case 0xe008:
        if (at + 24 < end) {
          sealIfInside(24, at + 32, this.bytes[at + 21]! + 1 + this.get(at + 22, 2));
        }
        sealIfInside(28, at, 28);
        break;
      case 0xe009:
        sealIfInside(24, at, 24);
        break;
      case 0x2006:
        sealIfInside(24, at + 32, Math.max(0, this.get(at + 4, 4) - 32));
        sealIfInside(28, at, 24);
        break;
      default:
    }
    this.put(at + 2, 2, type);
  }

  private value(old: number, bytes: number): number {
    const { prng } = this;
    switch (prng.below(9)) {
      case 0:
        return 0;
      case 1:
        return 2 ** (8 * bytes) - 1 - prng.below(3);
      case 2:
        return old + 1;
      case 3:
        return Math.max(0, old - 1);
      case 4:
        return old ^ (1 << prng.below(8 * bytes));
      case 5:
        return 2 ** prng.below(8 * bytes) - prng.below(2);
      case 6:
        return prng.below(40);
      case 7:
        return prng.below(ERASE_BYTES * BLOCKS);
      default:
        return prng.u32();
    }
  }

  /** A field gets another value, perhaps another node's. */
  private field(found: readonly Found[]): void {
    const node = this.pick(found);
    const fields = FIELDS[node.type];
    if (!fields || this.prng.below(8) === 0) {
      // The header.
      if (this.prng.below(2) === 0) this.put(node.at + 2, 2, this.pick(TYPES));
      else this.put(node.at + 4, 4, this.value(node.totlen, 4));
      this.seal(node.at);
      return;
    }
    const [offset, bytes] = this.pick(fields);
    const others = found.filter((other) => other.type === node.type);
    const value =
      this.prng.below(3) === 0
        ? this.get(this.pick(others).at + offset, bytes)
        : this.value(this.get(node.at + offset, bytes), bytes);
    this.put(node.at + offset, bytes, value);
    this.seal(node.at);
  }

  /** Bytes of the payload change, and the CRC with them: names, data, summary entries. */
  private payload(found: readonly Found[]): void {
    const node = this.pick(found);
    const start = { 0xe001: 40, 0xe002: 68, 0xe008: 32, 0x2006: 32 }[node.type] ?? 12;
    if (node.totlen <= start) return;
    for (let n = 1 + this.prng.below(4); n > 0; n--) {
      const at = node.at + start + this.prng.below(node.totlen - start);
      this.bytes[at] =
        this.prng.below(3) === 0 ? this.pick([0, 46, 47, 0xff, 1, 0xe0]) : this.prng.u32();
    }
    this.seal(node.at);
  }

  /** A summary entry's field changes: entries are packed, so the place is walked to. */
  private summaryEntry(found: readonly Found[]): void {
    const sums = found.filter((node) => node.type === 0x2006);
    if (sums.length === 0) return;
    const node = this.pick(sums);
    const entries: { at: number; bytes: number; fields: number[] }[] = [];
    const end = node.at + node.totlen - 8;
    for (let at = node.at + 32; at + 2 <= end; ) {
      const type = this.get(at, 2);
      if (type === 0xe002 || type === 0xe008) {
        entries.push({ at, bytes: 18, fields: [2, 6, 10, 14] });
      } else if (type === 0xe009) {
        entries.push({ at, bytes: 6, fields: [2] });
      } else if (type === 0xe001 && at + 23 < end) {
        entries.push({ at, bytes: 24 + this.bytes[at + 22]!, fields: [2, 6, 10, 14, 18] });
      } else {
        break;
      }
      at += entries[entries.length - 1]!.bytes;
    }
    if (entries.length === 0) return;
    const entry = this.pick(entries);
    const field = entry.at + this.pick(entry.fields);
    if (this.prng.below(6) === 0) this.put(entry.at, 2, this.pick(TYPES));
    else if (field + 4 <= end) this.put(field, 4, this.value(this.get(field, 4), 4));
    this.seal(node.at);
  }

  /** A node stands in a second place, over whatever was there. */
  private copy(found: readonly Found[]): void {
    const node = this.pick(found);
    const source = this.bytes.slice(node.at, node.at + node.totlen);
    const to =
      this.prng.below(2) === 0 ? this.pick(found).at : this.prng.below(this.bytes.length / 4) * 4;
    this.bytes.set(source.subarray(0, this.bytes.length - to), to);
  }

  /** New nodes where space was free. */
  private insert(found: readonly Found[]): void {
    const { prng, nodes } = this;
    const last = this.pick(found);
    const at = last.at + pad(last.totlen);
    const room = ERASE_BYTES - (at % ERASE_BYTES);
    const inos = found
      .filter((node) => node.type === 0xe002)
      .map((node) => this.get(node.at + 12, 4));
    const ino = (): number =>
      prng.below(4) === 0 ? this.value(1, 4) >>> 0 : this.pick([1, ...inos]);
    const name = this.pick(['dir', 'n0', '.', '..', 'a/b', 'x'.repeat(255), '', 'nul\0', '\xff']);
    const node = this.pick<() => Uint8Array>([
      () =>
        nodes.dirent({
          pino: ino(),
          version: this.value(9, 4) >>> 0,
          ino: ino(),
          name,
          type: this.pick([0, 4, 8, 10, 2]),
        }),
      () =>
        nodes.inode(
          {
            ino: ino(),
            version: this.value(9, 4) >>> 0,
            mode: this.value(0o100644, 4) >>> 0,
            isize: this.value(9, 4) >>> 0,
            offset: prng.below(9000),
          },
          'hostile',
        ),
      () =>
        nodes.hole({
          ino: ino(),
          version: this.value(9, 4) >>> 0,
          dsize: this.value(9, 4) >>> 0,
          isize: this.value(9, 4) >>> 0,
        }),
      () =>
        nodes.inode({
          ino: ino(),
          version: 1 + prng.below(99),
          mode: this.pick([0o040755, 0o120777, 0o060600, 0o140600, 0]),
        }),
      () => nodes.raw(this.pick([0x2777, 0x6777, 0x4777, 0x6777]), new Uint8Array(prng.below(300))),
      () => nodes.xref(ino(), prng.below(6), this.value(9, 4) >>> 0),
      () =>
        nodes.xattr({
          xid: prng.below(6),
          version: this.value(9, 4) >>> 0,
          prefix: prng.below(8),
          name: 'n',
          value: 'v',
        }),
    ])();
    if (at < this.bytes.length && node.length <= room) this.bytes.set(node, at);
  }

  /** One byte or many, one erase block or two. */
  private plain(): void {
    const { prng, bytes } = this;
    const at = prng.below(bytes.length);
    const length = 1 + prng.below(prng.below(3) === 0 ? 600 : 8);
    const end = Math.min(bytes.length, at + length);
    switch (prng.below(7)) {
      case 0:
        bytes.fill(0, at, end);
        break;
      case 1:
        bytes.fill(0xff, at, end);
        break;
      case 2:
        for (let n = at; n < end; n++) bytes[n] = prng.u32();
        break;
      case 3:
        bytes[at]! ^= 1 << prng.below(8);
        break;
      case 4: {
        const from = prng.below(BLOCKS) * ERASE_BYTES;
        bytes.copyWithin(prng.below(BLOCKS) * ERASE_BYTES, from, from + ERASE_BYTES);
        break;
      }
      case 5:
        // Everything moves on within its block.
        bytes.copyWithin(
          at,
          at + 4 * prng.below(10),
          Math.ceil((at + 1) / ERASE_BYTES) * ERASE_BYTES,
        );
        break;
      default: {
        const block = prng.below(BLOCKS) * ERASE_BYTES;
        bytes.fill(prng.below(2) * 0xff, block, block + ERASE_BYTES);
      }
    }
  }

  /** One change. */
  mutate(plainOnly: boolean): void {
    const found = plainOnly ? [] : this.find();
    if (found.length === 0) {
      this.plain();
      return;
    }
    switch (this.prng.below(12)) {
      case 0:
        this.plain();
        break;
      case 1:
      case 2:
        this.payload(found);
        break;
      case 3:
      case 4:
        this.summaryEntry(found);
        break;
      case 5:
        this.copy(found);
        break;
      case 6:
      case 7:
        this.insert(found);
        break;
      default:
        this.field(found);
    }
  }
}
