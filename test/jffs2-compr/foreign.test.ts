/** Other programs read what we write, and we read what they write. */
import { expect } from 'chai';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { jffs2_compressors } from '../../src/jffs2/compr.js';
import type { jffs2_compressor } from '../../src/jffs2/compr.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { corpus, fromHex, hex } from './corpus.js';
import type { Kind } from './corpus.js';
import { inDirectory, needs, pipe } from './foreign.js';

const table = new jffs2_compressors({ zlib: nodeZlib() });
const codecOf = (name: string): jffs2_compressor =>
  table.list().find((state) => state.codec.name === name)!.codec;

/** Pages, and more than pages for the sake of long distances and lengths. */
const SAMPLES: [Kind, number][] = [
  ['text', 4096],
  ['zero', 4096],
  ['table', 4095],
  ['text', 100],
  ['text', 1],
  ['random', 300],
  ['text', 200_000],
  ['mixed', 200_000],
  ['runs', 200_000],
];

const NOTHING = new Uint8Array(0);

function compress(codec: jffs2_compressor, data: Uint8Array): Uint8Array | null {
  const lengths = { srclen: data.length, dstlen: data.length };
  const dst = new Uint8Array(data.length);
  return codec.compress(data, 0, dst, 0, lengths) && lengths.srclen === data.length
    ? dst.slice(0, lengths.dstlen)
    : null;
}

function decompress(codec: jffs2_compressor, payload: Uint8Array, length: number): string | null {
  const dst = new Uint8Array(length);
  return codec.decompress(payload, 0, payload.length, dst, 0, length) ? hex(dst) : null;
}

const be32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

/** An .lzo file as lzop has it: blocks with their lengths; no checksums of the data. */
function toLzop(blocks: { data: Uint8Array; payload: Uint8Array | null }[]): Uint8Array {
  const header = Buffer.concat([
    // Version, library version and version needed; method LZO1X-1, level 5.
    fromHex('1040 20a0 0940 01 05'),
    // Flags, mode, time (64 bits), length of the name.
    be32(0),
    be32(0o100644),
    be32(0),
    be32(0),
    Buffer.from([0]),
  ]);
  const parts: Uint8Array[] = [
    fromHex('89 4c 5a 4f 00 0d 0a 1a 0a'),
    header,
    be32(adler32(header)),
  ];
  for (const { data, payload } of blocks) {
    parts.push(be32(data.length), be32((payload ?? data).length), payload ?? data);
  }
  return Buffer.concat([...parts, be32(0)]);
}

/** The blocks of an .lzo file; payload null: stored. */
function fromLzop(file: Uint8Array): { length: number; payload: Uint8Array }[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let at = 9 + 2 + 2 + 2 + 1 + 1;
  const flags = view.getUint32(at);
  at += 4 + 4 + 8;
  at += 1 + file[at]! + 4;
  const blocks: { length: number; payload: Uint8Array }[] = [];
  for (;;) {
    const length = view.getUint32(at);
    if (length === 0) return blocks;
    const stored = view.getUint32(at + 4);
    at += 8;
    // ADLER32_D, CRC32_D; and of the compressed data, ADLER32_C, CRC32_C.
    for (const flag of [0x1, 0x100]) if (flags & flag) at += 4;
    if (stored < length) for (const flag of [0x2, 0x200]) if (flags & flag) at += 4;
    blocks.push({ length, payload: file.subarray(at, at + stored) });
    at += stored;
  }
}

/** What a sample is called, also as a file. */
const nameOf = ([kind, length]: [Kind, number]): string => `${kind}-${length}`;

describe('other programs', function () {
  this.timeout(120_000);

  describe('lzop', () => {
    const lzo = codecOf('lzo');

    it('reads our lzo', function () {
      needs(this, 'lzop');
      // One file of many blocks, each compressed by itself.
      const blocks = SAMPLES.map(([kind, length]) => {
        const data = corpus(kind, length, 11);
        return { data, payload: compress(lzo, data) };
      });
      expect(blocks.filter(({ payload }) => payload).length).to.be.greaterThan(5);
      const back = pipe(toLzop(blocks), 'lzop', '-d', '-c');
      let at = 0;
      blocks.forEach(({ data }, i) => {
        const part = back.subarray(at, at + data.length);
        expect(hex(part), nameOf(SAMPLES[i]!)).to.equal(hex(data));
        at += data.length;
      });
      expect(at).to.equal(back.length);
    });

    // LZO1X-1, another of the fast ones, and LZO1X-999.
    for (const level of ['-1', '-3', '-9']) {
      it(`writes lzo (${level}), and we read it`, function () {
        needs(this, 'lzop');
        const data = Buffer.concat(SAMPLES.map(([kind, length]) => corpus(kind, length, 12)));
        let at = 0;
        let read = 0;
        for (const block of fromLzop(pipe(data, 'lzop', level, '-c'))) {
          const expected = hex(data.subarray(at, at + block.length));
          at += block.length;
          // Stored blocks are lzop's, not LZO's.
          if (block.payload.length === block.length) continue;
          read++;
          expect(decompress(lzo, block.payload, block.length)).to.equal(expected);
        }
        expect(at).to.equal(data.length);
        expect(read).to.be.greaterThan(0);
      });
    }
  });

  describe('xz', () => {
    /** Properties, dictionary size, length. */
    const HEADER_BYTES = 13;
    const header = (properties: number, length: number): Uint8Array => {
      const bytes = Buffer.alloc(HEADER_BYTES);
      bytes[0] = properties;
      bytes.writeUInt32LE(0x2000, 1);
      bytes.writeBigUInt64LE(BigInt(length), 5);
      return bytes;
    };

    /** Runs xz once over all samples as files, and hands out what it makes of each. */
    function throughXz(
      make: (sample: [Kind, number]) => Uint8Array | null,
      suffix: string,
      made: string,
      options: string[],
      check: (sample: [Kind, number], output: Uint8Array) => void,
    ): void {
      inDirectory((directory) => {
        const files = new Map<string, [Kind, number]>();
        for (const sample of SAMPLES) {
          const input = make(sample);
          if (!input) continue;
          const file = path.join(directory, nameOf(sample));
          fs.writeFileSync(file + suffix, input);
          files.set(file, sample);
        }
        expect(files.size).to.be.greaterThan(5);
        const inputs = [...files.keys()].map((file) => file + suffix);
        pipe(NOTHING, 'xz', '--format=lzma', ...options, ...inputs);
        for (const [file, sample] of files) check(sample, fs.readFileSync(file + made));
      });
    }

    for (const name of ['lzma', 'lzma_nosize']) {
      it(`reads our ${name}, given the header that it lacks`, function () {
        needs(this, 'xz');
        throughXz(
          ([kind, length]) => {
            const payload = compress(codecOf(name), corpus(kind, length, 13));
            if (!payload) return null;
            const full = header(0, length);
            if (name === 'lzma') return Buffer.concat([full, payload]);
            return Buffer.concat([payload.subarray(0, 5), full.subarray(5), payload.subarray(5)]);
          },
          '.lzma',
          '',
          ['-d'],
          (sample, output) => {
            expect(hex(output), nameOf(sample)).to.equal(hex(corpus(...sample, 13)));
          },
        );
      });
    }

    for (const [lc, lp, pb] of [
      [0, 0, 0],
      [3, 0, 2],
      [1, 2, 1],
    ] as const) {
      it(`writes lzma with lc=${lc} lp=${lp} pb=${pb}, and we read it`, function () {
        needs(this, 'xz');
        throughXz(
          (sample) => corpus(...sample, 14),
          '',
          '.lzma',
          [`--lzma1=preset=9,dict=8KiB,lc=${lc},lp=${lp},pb=${pb},nice=273`],
          (sample, file) => {
            // Here xz always writes an end mark, so that nothing comes out even, and the reading
            // that belongs to the id is believed.
            const same = hex(corpus(...sample, 14));
            const bare = file.subarray(HEADER_BYTES);
            if (lc + lp + pb === 0) {
              expect(decompress(codecOf('lzma'), bare, sample[1]), nameOf(sample)).to.equal(same);
            }
            const noSize = Buffer.concat([file.subarray(0, 5), bare]);
            const back = decompress(codecOf('lzma_nosize'), noSize, sample[1]);
            expect(back, nameOf(sample)).to.equal(same);
          },
        );
      });
    }
  });

  describe('python’s zlib', () => {
    const python = (call: string, input: Uint8Array): Uint8Array =>
      pipe(
        input,
        'python3',
        '-c',
        `import sys, zlib
sys.stdout.buffer.write(${call})`,
      );
    const stdin = 'sys.stdin.buffer.read()';
    const zlib = codecOf('zlib');

    it('reads ours', function () {
      needs(this, 'python3');
      const data = corpus('mixed', 4096, 15);
      const back = python(`zlib.decompress(${stdin})`, compress(zlib, data)!);
      expect(hex(back)).to.equal(hex(data));
    });

    it('writes, and we read', function () {
      needs(this, 'python3');
      const data = corpus('mixed', 4096, 16);
      const payload = python(`zlib.compress(${stdin})`, data);
      expect(decompress(zlib, payload, data.length)).to.equal(hex(data));
    });
  });

  describe('mkfs.jffs2', () => {
    const FILE_BYTES = 50_000;
    for (const [name, compr, ...options] of [
      ['zlib', 6, '-x', 'rtime'],
      ['lzo', 7, '-X', 'lzo', '-x', 'zlib', '-x', 'rtime'],
      ['rtime', 2, '-x', 'zlib'],
      ['all', -1, '-X', 'lzo', '-m', 'size'],
    ] as const) {
      for (const order of ['-l', '-b'] as const) {
        it(`writes ${name} nodes (${order}), and we read them`, function () {
          needs(this, 'mkfs.jffs2');
          inDirectory((directory) => {
            const root = path.join(directory, 'root');
            fs.mkdirSync(root);
            const data = Buffer.concat([
              corpus('text', FILE_BYTES, 17),
              corpus('runs', FILE_BYTES, 17),
              corpus('mixed', FILE_BYTES, 17),
              corpus('zero', FILE_BYTES, 17),
            ]);
            fs.writeFileSync(path.join(root, 'file'), data);
            const image = path.join(directory, 'image');
            pipe(NOTHING, 'mkfs.jffs2', '-r', root, '-o', image, order, '-e', '64KiB', ...options);
            const back = new Uint8Array(data.length);
            const seen = readNodes(fs.readFileSync(image), order === '-l', back);
            expect(hex(back)).to.equal(hex(data));
            if (compr >= 0) expect(seen.get(compr), 'nodes of the codec').to.be.greaterThan(2);
          });
        });
      }
    }
  });
});

/** Decompresses all data nodes of an image with one file. @returns how many nodes of each codec. */
function readNodes(image: Uint8Array, little: boolean, file: Uint8Array): Map<number, number> {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const seen = new Map<number, number>();
  for (let at = 0; at + 12 <= image.length; ) {
    if (view.getUint16(at, little) !== 0x1985) {
      at += 4;
      continue;
    }
    const totlen = view.getUint32(at + 4, little);
    if (view.getUint16(at + 2, little) === 0xe002) {
      const field = (offset: number): number => view.getUint32(at + offset, little);
      const compr = image[at + 56]!;
      const outcome = table.decompress(
        compr,
        image[at + 57]!,
        image,
        at + 68,
        field(48),
        file,
        field(44),
        field(52),
      );
      expect(outcome, `node at ${at}`).to.equal('ok');
      seen.set(compr, (seen.get(compr) ?? 0) + 1);
    }
    at += (totlen + 3) & ~3;
  }
  return seen;
}
