/** What jffs2_detect says about bytes: byte order, erase size, offset, and how sure it is. */
import { expect } from 'chai';
import { jffs2_detect, type ImageBytes, type Jffs2Detection } from '../../src/jffs2/detect.js';
import { Image, Nodes, type ByteOrder } from './nodes.js';
import { Rig, sampleBytes } from './rig.js';

function bytesOf(content: Uint8Array): ImageBytes & { bytesRead: number } {
  return {
    sizeBytes: content.length,
    bytesRead: 0,
    read(buffer, bufferOffset, length, position): number {
      const piece = content.subarray(position, position + length);
      buffer.set(piece, bufferOffset);
      this.bytesRead += piece.length;
      return piece.length;
    },
  };
}

const detect = (
  content: Uint8Array,
  known?: { offset?: number; erasesize?: number },
): Jffs2Detection | null => jffs2_detect(bytesOf(content), known);

/** An image of `blocks` full erase blocks, as mkfs.jffs2 packs them. */
function packed(
  options: {
    blocks?: number;
    eraseBytes?: number;
    order?: ByteOrder;
    cleanmarkers?: boolean;
    bytes?: number;
  } = {},
): Image {
  const image = new Image({
    blocks: options.blocks ?? 8,
    eraseBytes: options.eraseBytes ?? 65536,
    ...(options.order && { order: options.order }),
  });
  const { nodes } = image;
  const data = sampleBytes(options.bytes ?? 3000, 3);
  let version = 1;
  for (let block = 0; block < image.blocks; block++) {
    if (options.cleanmarkers ?? true) image.put(block, nodes.cleanmarker());
    else image.put(block, nodes.dirent({ pino: 1, version, ino: 2, name: `n${block}` }));
    for (;;) {
      try {
        image.put(block, nodes.inode({ ino: 2, version: version++, isize: 0x7fffffff }, data));
      } catch {
        break;
      }
    }
  }
  return image;
}

function behind(prefix: number, image: Uint8Array, fill = 0): Uint8Array {
  const file = new Uint8Array(prefix + image.length).fill(fill, 0, prefix);
  file.set(image, prefix);
  return file;
}

describe('jffs2: detection', () => {
  it('nothing is found where nothing is', () => {
    expect(detect(new Uint8Array(0))).to.equal(null);
    expect(detect(new Uint8Array(11).fill(0x85))).to.equal(null);
    expect(detect(new Uint8Array(300_000).fill(0xff))).to.equal(null);
    expect(detect(new Uint8Array(300_000))).to.equal(null);
    expect(detect(sampleBytes(300_000, 3))).to.equal(null);
    // The magic alone is no node.
    const bait = new Uint8Array(100_000);
    for (let at = 0; at < bait.length; at += 4) bait.set([0x85, 0x19], at);
    expect(detect(bait)).to.equal(null);
  });

  for (const order of ['little', 'big'] as const) {
    it(`${order} endian, every erase size, by cleanmarkers`, () => {
      for (const eraseBytes of [8192, 16_384, 65_536, 131_072, 262_144]) {
        const found = detect(packed({ eraseBytes, order, blocks: 5 }).bytes)!;
        expect([found.endian.name, found.erasesize, found.offset, found.certain]).to.deep.equal([
          order,
          eraseBytes,
          0,
          true,
        ]);
        expect(found.evidence.join('\n')).to.match(/cleanmarkers/);
      }
    });

    it(`${order} endian, by the ends of summaries`, () => {
      const image = new Uint8Array(16 * 16_384).fill(0xff);
      const rig = new Rig({ image, eraseBytes: 16_384, options: `endian=${order}` });
      for (let n = 0; n < 20; n++) rig.u.writeFile(`/f${n}`, sampleBytes(6000, 3));
      rig.umount();
      // As a dump of NAND has it.
      for (let block = 0; block < 16; block++)
        image.fill(0xff, block * 16_384, block * 16_384 + 12);
      const found = detect(image)!;
      expect([found.endian.name, found.erasesize, found.certain]).to.deep.equal([
        order,
        16_384,
        true,
      ]);
      expect(found.evidence.join('\n')).to.match(/ends of \d+ summaries/);
    });
  }

  it('by what no node crosses, when nothing else tells', () => {
    const found = detect(packed({ cleanmarkers: false, eraseBytes: 16_384, blocks: 12 }).bytes)!;
    expect([found.erasesize, found.certain]).to.deep.equal([16_384, true]);
    expect(found.evidence.join('\n')).to.match(
      /smallest power of two that none of \d+ nodes crosses/,
    );
  });

  it('is not certain over few blocks, nor of a guess', () => {
    const few = detect(packed({ cleanmarkers: false, eraseBytes: 16_384, blocks: 5 }).bytes)!;
    expect([few.erasesize, few.certain]).to.deep.equal([16_384, false]);
    const one = new Image({ blocks: 1, eraseBytes: 8192 });
    one.put(0, one.nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
    const guess = detect(one.bytes)!;
    expect([guess.erasesize, guess.certain]).to.deep.equal([65_536, false]);
    expect(guess.evidence.join('\n')).to.match(/a guess/);
  });

  it('finds where the flash starts in the file', () => {
    for (const prefix of [64, 4096, 40_000, 65_536, 100_000]) {
      const found = detect(behind(prefix, packed().bytes, 0x41))!;
      expect([found.erasesize, found.offset], `${prefix}`).to.deep.equal([65_536, prefix % 65_536]);
      expect(found.certain).to.equal(true);
    }
  });

  it('finds the first node behind much that is blank, without reading it all', () => {
    const bytes = new Uint8Array(48 << 20).fill(0xff);
    bytes.set(packed({ blocks: 4 }).bytes, 40 << 20);
    const source = bytesOf(bytes);
    const found = jffs2_detect(source)!;
    expect([found.erasesize, found.offset, found.certain]).to.deep.equal([65_536, 0, true]);
    expect(source.bytesRead).to.be.lessThan(12 << 20);
  });

  it('a piece that is missing in the middle of a dump spoils one distance, not all', () => {
    const { bytes } = packed({ blocks: 10 });
    const cut = new Uint8Array(bytes.length - 10_000);
    cut.set(bytes.subarray(0, 300_000));
    cut.set(bytes.subarray(310_000), 300_000);
    const found = detect(cut)!;
    expect(found.erasesize).to.equal(65_536);
    expect(found.certain).to.equal(false);
    expect(found.evidence.join('\n')).to.match(/cross an erase block all the same/);
  });

  it('believes what it is told', () => {
    const { bytes } = packed();
    const found = detect(bytes, { erasesize: 131_072 })!;
    expect([found.erasesize, found.certain]).to.deep.equal([131_072, true]);
    const shifted = detect(behind(5000, bytes), { offset: 5000 })!;
    expect([shifted.offset, shifted.erasesize]).to.deep.equal([5000, 65_536]);
    expect(shifted.evidence.join('\n')).to.match(/offset 0x1388: given/);
    // An offset behind everything.
    expect(detect(bytes, { offset: bytes.length })).to.equal(null);
    expect(detect(bytes, { offset: bytes.length + 99 })).to.equal(null);
  });

  it('obsolete nodes are evidence, too', () => {
    const nodes = new Nodes('big');
    const bytes = new Uint8Array(65_536).fill(0xff);
    bytes.set(nodes.obsoleted(nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' })), 100);
    expect(detect(bytes)!.endian.name).to.equal('big');
  });

  it('lies cost bounded work: nodes of all lengths, cleanmarkers everywhere', () => {
    const nodes = new Nodes();
    const bytes = new Uint8Array(4 << 20).fill(0xff);
    for (let at = 0, n = 0; at < bytes.length - 12; at += 12, n++) {
      const lengths = [12, 0xffffffff, 0, 11, 16 << 20, 4];
      bytes.set(
        n % 2 ? nodes.cleanmarker() : nodes.raw(0xe002, undefined, lengths[(n >> 1) % 6]),
        at,
      );
    }
    const source = bytesOf(bytes);
    const found = jffs2_detect(source)!;
    expect(found.certain).to.equal(false);
    expect(source.bytesRead).to.be.lessThan(12 << 20);
  });
});
