/** Erase block summaries (reference jffs2.md §4): written, believed, and not believed. */
import { expect } from 'chai';
import { Errno } from '../../src/lump/errno.js';
import { mtd_trace, type trace_record } from '../../src/mtd/trace.js';
import { Image, jcrc, Nodes, type ByteOrder, type SummaryEntry } from './nodes.js';
import { newHost, norChip, Rig, sampleBytes } from './rig.js';
import { differenceOf, treeOf, type Tree } from './tree_of.js';

const ERASE_BYTES = 8192;
const TAIL_BYTES = 4096;
const MAGIC = 0x02851885;

interface Found {
  block: number;
  /** Offset of the SUMMARY node in its block. */
  at: number;
  entries: { type: number; offset: number; totlen: number }[];
  cleanmarker: number;
}

/** The summaries of an image, walked by the reference's tables; each must be right to the byte. */
function summaries(image: Uint8Array, order: ByteOrder, eraseBytes = ERASE_BYTES): Found[] {
  const little = order === 'little';
  const view = new DataView(image.buffer, image.byteOffset);
  const u16 = (at: number): number => view.getUint16(at, little);
  const u32 = (at: number): number => view.getUint32(at, little);
  const found: Found[] = [];
  for (let block = 0; block * eraseBytes < image.length; block++) {
    const start = block * eraseBytes;
    const end = start + eraseBytes;
    if (u32(end - 4) !== MAGIC) continue;
    const at = start + u32(end - 8);
    const totlen = end - at;
    expect(u16(at)).to.equal(0x1985);
    expect(u16(at + 2)).to.equal(0x2006);
    expect(u32(at + 4), 'fills the block').to.equal(totlen);
    expect(u32(at + 8)).to.equal(jcrc(image, at, at + 8));
    expect(u32(at + 28), 'node_crc').to.equal(jcrc(image, at, at + 24));
    expect(u32(at + 24), 'sum_crc').to.equal(jcrc(image, at + 32, end));
    const entries: Found['entries'] = [];
    let sp = at + 32;
    for (let n = u32(at + 12); n > 0; n--) {
      const type = u16(sp);
      let offset: number;
      let length: number;
      if (type === 0xe001) {
        length = u32(sp + 2);
        offset = u32(sp + 6);
        expect(length).to.equal(40 + image[sp + 22]!);
        // Name and fields are those of the node.
        const node = start + offset;
        const fields = [sp + 10, sp + 14, sp + 18].map(u32);
        expect(fields).to.deep.equal([node + 12, node + 16, node + 20].map(u32));
        expect(image.subarray(sp + 22, sp + 24)).to.deep.equal(
          image.subarray(node + 28, node + 30),
        );
        expect(image.subarray(sp + 24, sp + 24 + image[sp + 22]!)).to.deep.equal(
          image.subarray(node + 40, node + length),
        );
        sp += 24 + image[sp + 22]!;
      } else if (type === 0xe009) {
        offset = u32(sp + 2);
        length = 28;
        sp += 6;
      } else {
        expect(type === 0xe002 || type === 0xe008, type.toString(16)).to.equal(true);
        offset = u32(sp + 10);
        length = u32(sp + 14);
        expect(u32(sp + 2)).to.equal(u32(start + offset + 12));
        expect(u32(sp + 6)).to.equal(u32(start + offset + 16));
        sp += 18;
      }
      expect(u16(start + offset + 2), 'the node that the entry describes').to.equal(type);
      expect(u32(start + offset + 4)).to.equal(length);
      entries.push({ type, offset, totlen: length });
    }
    for (; sp < end - 8; sp++) expect(image[sp], 'gap').to.equal(0xff);
    found.push({ block, at: at - start, entries, cleanmarker: u32(at + 16) });
  }
  return found;
}

/** Nodes of a block, by a walk over its bytes. */
function nodesOf(image: Uint8Array, order: ByteOrder, block: number, to: number): number[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const little = order === 'little';
  const offsets: number[] = [];
  for (let at = 0; at < to; ) {
    const node = block * ERASE_BYTES + at;
    if (view.getUint16(node, little) !== 0x1985) break;
    if (view.getUint16(node + 2, little) !== 0x2003) offsets.push(at);
    at += Math.ceil(view.getUint32(node + 4, little) / 4) * 4;
  }
  return offsets;
}

/** Some of everything, over several blocks. */
function fill(rig: Rig): void {
  const { u } = rig;
  u.mkdir('/dir');
  u.symlink('dir', '/soft');
  u.mknod('/dev', 0o020600, 0x103);
  for (let n = 0; n < 14; n++) {
    u.writeFile(`/dir/file${n}`, sampleBytes(1500, 3 * n));
    u.setxattr(`/dir/file${n}`, 'user.n', `${n}`);
    if (n % 3 === 0) u.unlink(`/dir/file${n}`);
  }
}

function written(options: string): { image: Uint8Array; tree: Tree } {
  const image = new Uint8Array(ERASE_BYTES * 16).fill(0xff);
  const rig = new Rig({ image, eraseBytes: ERASE_BYTES, options });
  fill(rig);
  const tree = treeOf(rig.u);
  rig.umount();
  return { image, tree };
}

/** A mount whose reads are recorded. */
function traced(
  image: Uint8Array,
  options: string,
): { rig: Rig; reads: { from: number; to: number }[] } {
  const host = newHost();
  const records: trace_record[] = [];
  const chip = norChip(host, image, ERASE_BYTES);
  const mtd = new mtd_trace(host, chip, (record) => records.push(record));
  const rig = new Rig({ mtd, host, options, readOnly: true });
  const reads = records
    .filter(({ op }) => op === 'point' || op === 'read')
    .map(({ addr, len }) => ({ from: addr, to: addr + len }));
  return { rig, reads };
}

for (const order of ['little', 'big'] as const) {
  describe(`jffs2: summaries, ${order} endian`, () => {
    const options = `endian=${order}`;

    it('every block that is full ends with one, and lists its nodes in their order', () => {
      const { image } = written(options);
      const found = summaries(image, order);
      expect(found.length).to.be.greaterThan(2);
      const types = new Set<number>();
      for (const { block, at, entries, cleanmarker } of found) {
        expect(cleanmarker).to.equal(12);
        expect(entries.map(({ offset }) => offset)).to.deep.equal(nodesOf(image, order, block, at));
        const last = entries[entries.length - 1]!;
        expect(at).to.equal(Math.ceil((last.offset + last.totlen) / 4) * 4);
        for (const { type } of entries) types.add(type);
      }
      expect([...types].sort()).to.deep.equal([0xe001, 0xe002, 0xe008, 0xe009]);
    });

    it('the block that is being written has none', () => {
      const { image } = written(options);
      const full = new Set(summaries(image, order).map(({ block }) => block));
      const used: number[] = [];
      for (let block = 0; block < 16; block++) {
        if (nodesOf(image, order, block, ERASE_BYTES).length > 0) used.push(block);
      }
      expect(used.filter((block) => !full.has(block))).to.have.lengthOf(1);
    });

    it('a mount reads the summaries and not the nodes', () => {
      const { image, tree } = written(options);
      const found = summaries(image, order);
      const { rig, reads } = traced(image, options);
      // The build reads xref nodes, whose entries say nothing; and the root's nodes are read.
      const allowed = new Set<number>();
      for (const { block, entries } of found) {
        for (const { type, offset } of entries) {
          const address = block * ERASE_BYTES + offset;
          const view = new DataView(image.buffer);
          const owner = view.getUint32(address + 12, order === 'little');
          if (type === 0xe009 || (type === 0xe001 && owner === 1)) allowed.add(address);
        }
      }
      let skipped = 0;
      for (const { block, at, entries } of found) {
        const start = block * ERASE_BYTES;
        for (const { from, to } of reads) {
          if (to <= start || from >= start + at || allowed.has(from)) continue;
          // The end of the block is read in search of the summary, before it is known how long.
          if (from === start + ERASE_BYTES - TAIL_BYTES && to === start + ERASE_BYTES) continue;
          expect.fail(`block ${block}: ${from - start} to ${to - start} was read`);
        }
        skipped += entries.length;
      }
      expect(skipped).to.be.greaterThan(40);
      expect(differenceOf(treeOf(rig.u), tree)).to.equal('');
      rig.umount();
    });

    it('a damaged summary costs a full scan of its block, and nothing else', () => {
      const { image, tree } = written(options);
      const found = summaries(image, order);
      const places: ((of: Found) => number)[] = [
        ({ at }) => at + 8,
        ({ at }) => at + 12,
        ({ at }) => at + 24,
        ({ at }) => at + 28,
        ({ at }) => at + 40,
        () => ERASE_BYTES - 8,
        () => ERASE_BYTES - 2,
      ];
      for (const [n, place] of places.entries()) {
        const copy = image.slice();
        const victim = found[n % found.length]!;
        copy[victim.block * ERASE_BYTES + place(victim)]! ^= 4;
        const { rig, reads } = traced(copy, options);
        const start = victim.block * ERASE_BYTES;
        expect(reads.some(({ from, to }) => from <= start && to >= start + victim.at)).to.equal(
          true,
        );
        expect(differenceOf(treeOf(rig.u), tree), `place ${n}`).to.equal('');
        rig.umount();
      }
    });

    it('nosummary writes none, and reads those of others', () => {
      const { image, tree } = written(`${options},nosummary`);
      expect(summaries(image, order)).to.have.lengthOf(0);
      const rig = new Rig({ image, eraseBytes: ERASE_BYTES, options });
      expect(differenceOf(treeOf(rig.u), tree)).to.equal('');
      fill2(rig);
      const second = treeOf(rig.u);
      rig.umount();
      // The block that was begun without collecting entries was scanned, and got its summary.
      const count = summaries(image, order).length;
      expect(count).to.be.greaterThan(1);
      const third = new Rig({ image, eraseBytes: ERASE_BYTES, options: `${options},nosummary` });
      expect(differenceOf(treeOf(third.u), second)).to.equal('');
      for (let n = 0; n < 8; n++) third.u.writeFile(`/late${n}`, sampleBytes(3000, 3));
      expect(summaries(image, order).length, 'written by a nosummary mount').to.be.at.most(count);
      third.umount();
    });
  });
}

function fill2(rig: Rig): void {
  for (let n = 0; n < 8; n++) rig.u.writeFile(`/more${n}`, sampleBytes(3000, 3));
}

describe('jffs2: summaries made by hand', () => {
  const nodes = new Nodes();
  const pad = (length: number): number => Math.ceil(length / 4) * 4;

  /** Block 0: file "f" with `data`, then whatever `more` says, then a summary. */
  function image(
    more: {
      extra?: Uint8Array[];
      entries?: SummaryEntry[];
      cleanmarker?: number;
      gap?: number;
      change?: (entries: SummaryEntry[]) => void;
      count?: number;
    } = {},
  ): Image {
    const made = new Image({ eraseBytes: ERASE_BYTES });
    const entries: SummaryEntry[] = [];
    let at = 0;
    const place = (node: Uint8Array): number => {
      const [offset] = made.put(0, node);
      at = offset! + pad(node.length);
      return offset!;
    };
    place(nodes.cleanmarker());
    const dirent = nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' });
    entries.push({
      type: 'dirent',
      totlen: dirent.length,
      offset: place(dirent),
      pino: 1,
      version: 1,
      ino: 2,
      dtype: 8,
      name: 'f',
    });
    if (more.gap) place(new Uint8Array(more.gap));
    const inode = nodes.inode({ ino: 2, version: 1 }, 'content');
    entries.push({ type: 'inode', ino: 2, version: 1, offset: place(inode), totlen: inode.length });
    for (const node of more.extra ?? []) place(node);
    entries.push(...(more.entries ?? []));
    more.change?.(entries);
    made.put(
      0,
      nodes.summary(entries, at, ERASE_BYTES, more.cleanmarker ?? 12, more.count ?? entries.length),
    );
    return made.format();
  }

  function mounted(made: Image): Rig {
    return new Rig({ image: made.bytes, eraseBytes: ERASE_BYTES });
  }

  /** The medium reads well, and `summary` damage was counted so many times. */
  function expectRead(made: Image, refused: number, content = 'content'): void {
    const rig = mounted(made);
    expect(Buffer.from(rig.u.readFile('/f')).toString()).to.equal(content);
    expect(rig.c.damage.counts.get('summary') ?? 0).to.equal(refused);
    rig.settle();
    rig.check();
    rig.umount();
  }

  it('is believed when it is right, with and without cleanmarker', () => {
    expectRead(image(), 0);
    expectRead(image({ cleanmarker: 0 }), 0);
  });

  it('space between the nodes that it lists is dirt', () => {
    const rig = mounted(image({ gap: 400 }));
    rig.settle();
    expect(rig.c.dirty_size + rig.c.wasted_size).to.be.at.least(400);
    rig.check();
    rig.umount();
  });

  it('a cleanmarker of another size is dirt', () => {
    const made = new Image({ eraseBytes: ERASE_BYTES });
    const marker = nodes.cleanmarker(64);
    made.put(0, marker, new Uint8Array(52).fill(0xff));
    const dirent = nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' });
    const inode = nodes.inode({ ino: 2, version: 1 }, 'content');
    const [first, second] = made.put(0, dirent, inode) as [number, number];
    made.put(
      0,
      nodes.summary(
        [
          {
            type: 'dirent',
            totlen: dirent.length,
            offset: first,
            pino: 1,
            version: 1,
            ino: 2,
            dtype: 8,
            name: 'f',
          },
          { type: 'inode', ino: 2, version: 1, offset: second, totlen: inode.length },
        ],
        second + pad(inode.length),
        ERASE_BYTES,
        64,
      ),
    );
    expectRead(made.format(), 0);
  });

  const lies: Readonly<Record<string, Parameters<typeof image>[0]>> = {
    'more entries than there are': { count: 30 },
    'a number of entries that no block holds': { count: 0xffffffff },
    'entries in the wrong order': { change: (entries) => entries.reverse() },
    'the same node twice': { change: (entries) => entries.push(entries[1]!) },
    'a node outside the block': {
      entries: [{ type: 'inode', ino: 2, version: 3, offset: ERASE_BYTES - 8, totlen: 80 }],
    },
    'a node longer than the block': {
      entries: [{ type: 'xattr', xid: 2, version: 3, offset: 200, totlen: 0xffffffff }],
    },
    'an offset near 2^32': {
      entries: [{ type: 'xref', offset: 0xfffffffc }],
    },
    'a node on an odd address': {
      entries: [{ type: 'inode', ino: 2, version: 3, offset: 201, totlen: 80 }],
    },
    'an inode node shorter than its header': {
      entries: [{ type: 'inode', ino: 2, version: 3, offset: 200, totlen: 12 }],
    },
    'a name with a NUL': {
      entries: [
        {
          type: 'dirent',
          totlen: 42,
          offset: 200,
          pino: 1,
          version: 3,
          ino: 2,
          dtype: 8,
          name: '\0x',
        },
      ],
    },
    'a name that leads elsewhere': {
      entries: [
        {
          type: 'dirent',
          totlen: 42,
          offset: 200,
          pino: 1,
          version: 3,
          ino: 2,
          dtype: 8,
          name: '..',
        },
      ],
    },
    'a name longer than its node': {
      entries: [
        {
          type: 'dirent',
          totlen: 41,
          offset: 200,
          pino: 1,
          version: 3,
          ino: 2,
          dtype: 8,
          name: 'xyz',
        },
      ],
    },
    'an unknown node type that a writer may drop': { entries: [{ type: 0x2777, bytes: 20 }] },
    'a cleanmarker larger than what is before the summary': { cleanmarker: 0x1000 },
    'a cleanmarker near 2^32': { cleanmarker: 0xfffffffd },
  };
  for (const [name, lie] of Object.entries(lies)) {
    it(`is not believed with ${name}, and the block is scanned`, () => {
      expectRead(image(lie), 1);
    });
  }

  it('an unknown incompatible entry stops the mount', () => {
    const made = image({ entries: [{ type: 0xe777, bytes: 20 }] });
    expect(() => mounted(made)).to.throw(Errno, /EIO.*unknown incompatible type 0xe777/);
  });

  it('believes names and numbers; CRCs are checked when the nodes are read', () => {
    // The summary says that the inode's node is there; it is not.
    const made = image();
    made.bytes[12 + 44 + 5] = 0;
    made.bytes[12 + 44 + 20] = 1;
    const rig = mounted(made);
    expect(rig.u.readdir('/')).to.deep.equal(['f']);
    expect(() => rig.u.readFile('/f')).to.throw(/EIO/);
    rig.settle();
    rig.check();
    rig.umount();
  });

  it('whose node it is says the node', () => {
    // A second inode, of which the summary says that it is a newer node of the first one.
    const other = nodes.inode({ ino: 3, version: 2 }, 'another');
    const made = image({
      extra: [other],
      change: (entries) => {
        const [, own] = entries;
        const offset =
          (own as { offset: number }).offset +
          pad(nodes.inode({ ino: 2, version: 1 }, 'content').length);
        entries.push({ type: 'inode', ino: 2, version: 2, offset, totlen: other.length });
      },
    });
    const rig = mounted(made);
    expect(Buffer.from(rig.u.readFile('/f')).toString()).to.equal('content');
    expect(rig.c.damage.counts.get('bad node')).to.equal(1);
    rig.settle();
    rig.check();
    rig.umount();
  });
});
