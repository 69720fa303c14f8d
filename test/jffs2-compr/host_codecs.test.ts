/** The contract of HostCodecs, over all that implement it. */
import { expect } from 'chai';
import { deflateRawSync, inflateSync } from 'node:zlib';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { PortableZlib } from '../../src/rumpuser/portable_zlib.js';
import { Guarded, corpus, hex } from './corpus.js';

interface Made {
  /** What the codec returned. */
  length: number;
  made: Uint8Array;
}

const data = corpus('text', 5000, 31);

for (const [title, codecs] of [
  ['reused states of node:zlib', nodeZlib()],
  ['public calls of node:zlib', nodeZlib(true)],
  ['fflate', new PortableZlib()],
] as const) {
  describe(`host codecs: ${title}`, () => {
    const deflate = (capacity: number, level = 3): Made => {
      const dst = new Guarded(capacity, 1);
      const length = codecs.deflate(
        data,
        7,
        data.length - 7,
        dst.bytes,
        dst.offset,
        capacity,
        level,
      );
      dst.check(`capacity ${capacity}`);
      return { length, made: dst.content.slice(0, Math.max(0, length)) };
    };
    const inflate = (packed: Uint8Array, capacity: number): Made => {
      const dst = new Guarded(capacity, 2);
      const length = codecs.inflateRaw(packed, 0, packed.length, dst.bytes, dst.offset, capacity);
      dst.check(`capacity ${capacity}`);
      return { length, made: dst.content.slice(0, Math.max(0, length)) };
    };

    it('deflates to a zlib stream, at any level', () => {
      const sizes = [0, 1, 3, 6, 9].map((level) => {
        const { length, made } = deflate(6000, level);
        expect(length).to.be.greaterThan(0);
        expect(hex(inflateSync(made))).to.equal(hex(data.subarray(7)));
        return length;
      });
      expect(sizes[0], 'level 0').to.be.greaterThan(data.length - 7);
      expect(sizes[4], 'level 9').to.be.at.most(sizes[1]!);
    });

    it('makes the same stream of the same data, whatever came before', () => {
      const one = corpus('text', 4096, 32);
      const other = corpus('text', 4096, 33);
      const packed = (plain: Uint8Array, length: number): string => {
        const dst = new Uint8Array(6000);
        return hex(dst.slice(0, codecs.deflate(plain, 0, length, dst, 0, dst.length, 3)));
      };
      const lengths = Array.from({ length: 400 }, (_, i) => 20 + ((i * 997) % 4000));
      const first = lengths.map((length) => packed(one, length));
      for (const [i, length] of lengths.entries()) {
        packed(other, 4096);
        expect(packed(one, length), `${length} bytes`).to.equal(first[i]);
      }
    });

    it('answers -1 when the stream does not fit, and works again afterwards', () => {
      const { length } = deflate(6000);
      for (const capacity of [0, 1, 10, length >> 1, length - 1]) {
        expect(deflate(capacity).length, `${capacity} of ${length}`).to.equal(-1);
      }
      expect(deflate(length + 1).length).to.equal(length);
    });

    it('inflates raw data into room that is right or too large', () => {
      const packed = deflateRawSync(data);
      for (const capacity of [data.length, data.length + 1, data.length + 500]) {
        const { length, made } = inflate(packed, capacity);
        expect(length).to.equal(data.length);
        expect(hex(made)).to.equal(hex(data));
      }
    });

    it('answers -1 to room that is too small, to cut and to malformed data', () => {
      const packed = deflateRawSync(data);
      for (const capacity of [0, 1, 100, data.length - 1]) {
        expect(inflate(packed, capacity).length, `room ${capacity}`).to.equal(-1);
      }
      for (const cut of [0, 1, 100, packed.length - 1]) {
        expect(inflate(packed.subarray(0, cut), data.length).length, `cut ${cut}`).to.equal(-1);
      }
      expect(inflate(new Uint8Array(100).fill(0xff), 5000).length).to.equal(-1);
      expect(inflate(packed, data.length).length, 'and then').to.equal(data.length);
    });

    it('reads any window, level and strategy, and ignores what follows', () => {
      for (const windowBits of [9, 12, 15]) {
        for (const level of [0, 1, 9]) {
          const packed = deflateRawSync(data, { windowBits, level });
          const more = Buffer.concat([packed, Buffer.from('what follows')]);
          expect(hex(inflate(more, data.length).made)).to.equal(hex(data));
        }
      }
    });

    it('reads an empty stream', () => {
      expect(inflate(deflateRawSync(new Uint8Array(0)), 10).length).to.equal(0);
    });
  });
}

it('host codecs: reused states refuse ranges that would end the process', () => {
  const codecs = nodeZlib();
  const room = new Uint8Array(100);
  for (const [offset, length] of [
    [-1, 10],
    [95, 6],
    [0, 101],
    [NaN, 1],
    [0, -1],
  ] as const) {
    expect(() => codecs.inflateRaw(room, offset, length, room, 0, 100)).to.throw(RangeError);
    expect(() => codecs.deflate(data, 0, 10, room, offset, length, 3)).to.throw(RangeError);
  }
});
