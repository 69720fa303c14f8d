/** Every codec by itself: known bytes, round trips, budgets, alignment. */
import { expect } from 'chai';
import type { compr_lengths, jffs2_compressor } from '../../src/jffs2/compr.js';
import { jffs2_lzma_comp, jffs2_lzma_nosize_comp } from '../../src/jffs2/compr_lzma.js';
import { jffs2_lzo_comp } from '../../src/jffs2/compr_lzo.js';
import { jffs2_rtime_comp } from '../../src/jffs2/compr_rtime.js';
import { jffs2_dynrubin_comp, jffs2_rubinmips_comp } from '../../src/jffs2/compr_rubin.js';
import { jffs2_zlib_comp } from '../../src/jffs2/compr_zlib.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { PortableZlib } from '../../src/rumpuser/portable_zlib.js';
import { Guarded, KINDS, ascii, corpus, fromHex, hex } from './corpus.js';
import type { Kind } from './corpus.js';

interface Row {
  readonly codec: jffs2_compressor;
  readonly title: string;
  /** Consumes less than all when the room is short. */
  readonly partial: boolean;
}

const row = (codec: jffs2_compressor, partial = false, title = codec.name): Row => ({
  codec,
  title,
  partial,
});

const ROWS: Row[] = [
  row(new jffs2_rtime_comp(), true),
  row(new jffs2_zlib_comp(nodeZlib()), true, 'zlib on node:zlib, reused states'),
  row(new jffs2_zlib_comp(nodeZlib(true)), true, 'zlib on node:zlib, public calls'),
  row(new jffs2_zlib_comp(new PortableZlib()), true, 'zlib on fflate'),
  row(new jffs2_zlib_comp(nodeZlib(), 9), true, 'zlib, level 9'),
  row(new jffs2_lzo_comp()),
  row(new jffs2_lzma_comp()),
  row(new jffs2_lzma_nosize_comp()),
  row(new jffs2_rubinmips_comp()),
  row(new jffs2_dynrubin_comp()),
];

const LENGTHS = [
  0, 1, 2, 3, 4, 5, 12, 13, 14, 17, 18, 19, 63, 100, 255, 256, 257, 1000, 2048, 4095,
];

/** Compresses into a guarded buffer; null when the codec declines. */
function compress(
  codec: jffs2_compressor,
  data: Uint8Array,
  offset: number,
  srclen: number,
  dstlen: number,
): { payload: Uint8Array; consumed: number } | null {
  const dst = new Guarded(dstlen, offset & 3);
  const lengths: compr_lengths = { srclen, dstlen };
  const done = codec.compress(data, offset, dst.bytes, dst.offset, lengths);
  dst.check(`${codec.name}: ${srclen} bytes into ${dstlen}`);
  if (!done) {
    expect(lengths, 'lengths of a refusal').to.deep.equal({ srclen, dstlen });
    return null;
  }
  expect(lengths.srclen).to.be.within(1, srclen);
  expect(lengths.dstlen).to.be.within(1, Math.min(dstlen, lengths.srclen - 1));
  return { payload: dst.content.slice(0, lengths.dstlen), consumed: lengths.srclen };
}

/** Decompresses, between guards; null when the codec refuses. */
function decompress(
  codec: jffs2_compressor,
  payload: Uint8Array,
  dstlen: number,
  shift = 0,
): Uint8Array | null {
  const src = new Guarded(payload.length, shift);
  src.content.set(payload);
  const dst = new Guarded(dstlen, shift);
  const done = codec.decompress(src.bytes, src.offset, src.length, dst.bytes, dst.offset, dstlen);
  dst.check(`${codec.name}: decompressing ${payload.length} bytes to ${dstlen}`);
  src.check(`${codec.name}: the source`);
  return done ? dst.content.slice() : null;
}

function roundTrip(
  codec: jffs2_compressor,
  data: Uint8Array,
  offset: number,
  dstlen: number,
): void {
  const length = data.length - offset;
  const made = compress(codec, data, offset, length, dstlen);
  if (!made) return;
  const back = decompress(codec, made.payload, made.consumed, offset & 3);
  expect(back && hex(back)).to.equal(hex(data.subarray(offset, offset + made.consumed)));
}

describe('jffs2 codecs', () => {
  for (const { codec, title, partial } of ROWS) {
    describe(title, () => {
      for (const kind of KINDS) {
        it(`brings back ${kind}, of any length and at any offset`, () => {
          for (const length of LENGTHS) {
            const offset = length % 7;
            roundTrip(codec, corpus(kind, length + offset, 1000 + length), offset, length);
          }
          for (let seed = 1; seed <= 20; seed++) {
            roundTrip(codec, corpus(kind, 4096 + 5, seed), 5, 4096);
          }
        });
      }

      it('brings back what it made of a page for every budget', () => {
        for (const kind of ['text', 'runs', 'mixed'] as const) {
          const data = corpus(kind, 4096, 77);
          for (let budget = 0; budget <= 4096; budget += budget < 40 ? 1 : 97) {
            roundTrip(codec, data, 0, budget);
          }
        }
      });

      it('makes no payload that is not smaller', () => {
        for (let seed = 1; seed <= 10; seed++) {
          expect(compress(codec, corpus('random', 4096, seed), 0, 4096, 4096)).to.equal(null);
        }
      });

      it('refuses a payload that is cut short or of another length', () => {
        const data = corpus('table', 1024, 3);
        const made = compress(codec, data, 0, 1024, 1024);
        // rubin decodes any bits to any length; its own tests say what it makes of them.
        if (!made || codec.name.endsWith('rubin') || codec.name === 'rubinmips') return;
        for (const cut of [0, 1, 2, 5, made.payload.length >> 1]) {
          const part = made.payload.subarray(0, cut);
          expect(decompress(codec, part, 1024), `cut to ${cut}`).to.be.null;
        }
        // rtime's and lzma's payloads do not tell where they end.
        if (codec.name === 'zlib' || codec.name === 'lzo') {
          expect(decompress(codec, made.payload, 1025), 'one byte more').to.be.null;
          expect(decompress(codec, made.payload, 1023), 'one byte less').to.be.null;
        }
      });

      if (partial) {
        it('fills a room that is too small for all', () => {
          const data = corpus('text', 4096, 5);
          for (const room of [200, 700, 1200]) {
            const made = compress(codec, data, 0, 4096, room);
            // rtime does not get text smaller.
            if (codec.name === 'rtime') continue;
            expect(made, `room ${room}`).not.to.equal(null);
            expect(made!.consumed, `room ${room}`).to.be.lessThan(4096).and.greaterThan(room);
            expect(made!.payload.length / room, `filled of ${room}`).to.be.greaterThan(0.9);
          }
        });
      } else {
        it('takes all or nothing', () => {
          const data = corpus('table', 4096, 5);
          const whole = compress(codec, data, 0, 4096, 4096);
          if (!whole) return;
          expect(whole.consumed).to.equal(4096);
          expect(compress(codec, data, 0, 4096, whole.payload.length >> 1)).to.equal(null);
        });
      }
    });
  }
});

describe('rtime', () => {
  const rtime = new jffs2_rtime_comp();
  const cases: [plain: string, payload: string][] = [
    ['abcabcabcabcabc', '61 00 62 00 63 0C'],
    ['a'.repeat(20), '61 13'],
    ['hello hello hello', '68 00 65 00 6C 00 6C 00 6F 00 20 0B'],
  ];
  for (const [plain, payload] of cases) {
    it(`writes ${JSON.stringify(plain)} as the kernel does`, () => {
      const made = compress(rtime, ascii(plain), 0, plain.length, plain.length)!;
      expect(hex(made.payload)).to.equal(hex(fromHex(payload)));
      expect(made.consumed).to.equal(plain.length);
    });
  }

  it('matches a byte not seen yet with the start of the buffer', () => {
    // 'b' is new: what follows it is compared with position 0.
    expect(decompress(rtime, fromHex('61 00 62 02'), 4)).to.deep.equal(
      new Uint8Array(ascii('abab')),
    );
  });

  it('refuses a run over the end', () => {
    expect(decompress(rtime, fromHex('61 05'), 5)).to.equal(null);
  });
});

describe('rubin', () => {
  const mips = new jffs2_rubinmips_comp();
  const dyn = new jffs2_dynrubin_comp();

  it('rubinmips reads and writes the known bytes', () => {
    const payload = fromHex('61 1B 3E B0 AC 80 B3 0F C7 3C 0F CA 9A 7F 60');
    expect(decompress(mips, payload, 11)).to.deep.equal(new Uint8Array(ascii('hello world')));
  });

  it('has the ids crossed, as Linux', () => {
    expect(mips.compr).to.equal(5);
    expect(dyn.compr).to.equal(3);
  });

  it('reads payloads of Linux 2.4, where the ids were straight', () => {
    let seen = 0;
    for (let seed = 1; seed <= 30; seed++) {
      for (const kind of ['text', 'zero', 'table'] as const) {
        const data = corpus(kind, 4096, seed);
        for (const [writer, reader] of [
          [mips, dyn],
          [dyn, mips],
        ] as const) {
          const made = compress(writer, data, 0, 4096, 4096);
          if (!made) continue;
          seen++;
          expect(hex(decompress(reader, made.payload, 4096)!)).to.equal(hex(data));
        }
      }
    }
    expect(seen).to.be.greaterThan(60);
  });
});

describe('lzma', () => {
  const openwrt = new jffs2_lzma_comp();
  const vendor = new jffs2_lzma_nosize_comp();
  const data = corpus('text', 4096, 21);
  const bare = compress(openwrt, data, 0, 4096, 4096)!.payload;
  const withHeader = compress(vendor, data, 0, 4096, 4096)!.payload;
  const length = fromHex('00 10 00 00 00 00 00 00');
  const both = [openwrt, vendor];

  it('writes OpenWrt’s bare stream, and the vendor’s with properties and dictionary size', () => {
    expect(bare[0]).to.equal(0);
    expect(hex(withHeader.subarray(0, 6))).to.equal('5d00200000' + '00');
  });

  const forms: [string, Uint8Array][] = [
    ['bare', bare],
    ['bare, with the LZMA SDK’s parameters', withHeader.subarray(5)],
    ['properties and dictionary size', withHeader],
    ['OpenWrt’s parameters in a header', Buffer.concat([fromHex('00 00 20 00 00'), bare])],
    [
      'a whole .lzma header',
      Buffer.concat([withHeader.subarray(0, 5), length, withHeader.subarray(5)]),
    ],
    [
      'a .lzma header of unknown length',
      Buffer.concat([withHeader.subarray(0, 5), Buffer.alloc(8, 0xff), withHeader.subarray(5)]),
    ],
  ];
  for (const [title, payload] of forms) {
    it(`reads under either id: ${title}`, () => {
      for (const codec of both) {
        const back = decompress(codec, payload, 4096);
        expect(back && hex(back), codec.name).to.equal(hex(data));
      }
    });
  }

  it('refuses parameters that would cost megabytes', () => {
    const wide = withHeader.slice();
    // lc 8, lp 4, pb 4: 3 Mi probabilities.
    wide[0] = 224;
    expect(decompress(vendor, wide, 4096)).to.equal(null);
  });
});

describe('lzo', () => {
  const lzo = new jffs2_lzo_comp();

  it('reads every kind of instruction', () => {
    // Matches of 300 and of 7 bytes, 17,000 and 40,000 bytes back.
    const far = new Uint8Array(60000);
    for (const [at, length] of [
      [0, 300],
      [17000, 300],
      [57000, 7],
    ] as const) {
      far.set(corpus('random', length, 9), at);
    }
    const kinds: [Kind | 'far', Uint8Array][] = [
      ['far', far],
      ['zero', corpus('zero', 70000, 1)],
      ['text', corpus('text', 65000, 1)],
    ];
    for (const [kind, data] of kinds) {
      const made = compress(lzo, data, 0, data.length, data.length);
      if (!made) expect.fail(`${kind} was not compressed`);
      expect(hex(decompress(lzo, made.payload, data.length)!)).to.equal(hex(data));
    }
    const stream = fromHex('15 61 62 63 64' + '40 00' + '11 00 00');
    expect(decompress(lzo, stream, 7), 'distance 1').to.deep.equal(
      new Uint8Array(ascii('abcdddd')),
    );
    const short = fromHex('15 61 62 63 64' + '41 00 7A' + '04 00' + '11 00 00');
    expect(decompress(lzo, short, 10), 'match of 2 after one literal').to.deep.equal(
      new Uint8Array(ascii('abcddddzdz')),
    );
  });

  it('reads a match of 3 beyond 2048 after a literal run', () => {
    const data = corpus('random', 2100, 4);
    // One long run; then b = 0…15 after a run: 3 bytes at 2049 + (b>>2) + (H<<2).
    const run = data.length;
    const extension = run - 18;
    const zeros = Math.floor((extension - 1) / 255);
    const stream = Buffer.concat([
      Buffer.from([0]),
      Buffer.alloc(zeros),
      Buffer.from([extension - 255 * zeros]),
      data,
      Buffer.from([1 << 2, 2]),
      fromHex('11 00 00'),
    ]);
    const back = decompress(lzo, stream, run + 3);
    const from = run - (2049 + 1 + 8);
    expect(back && hex(back.subarray(run))).to.equal(hex(data.subarray(from, from + 3)));
  });

  it('wants the end mark at the end and nothing after it', () => {
    expect(decompress(lzo, fromHex('15 61 62 63 64 11 00 00'), 4)).not.to.equal(null);
    expect(decompress(lzo, fromHex('15 61 62 63 64 11 00 00 00'), 4)).to.equal(null);
    expect(decompress(lzo, fromHex('15 61 62 63 64'), 4)).to.equal(null);
    expect(decompress(lzo, fromHex('15 61 62 63 64 12 00 00'), 4)).to.equal(null);
  });

  it('makes the same bytes whatever it compressed before', () => {
    const data = corpus('text', 4096, 8);
    const first = compress(new jffs2_lzo_comp(), data, 0, 4096, 4096)!;
    for (let seed = 1; seed < 50; seed++) {
      compress(lzo, corpus('text', 4096, seed), 0, 4096, 4096);
    }
    expect(hex(compress(lzo, data, 0, 4096, 4096)!.payload)).to.equal(hex(first.payload));
  });
});

describe('zlib payloads', () => {
  const data = corpus('text', 2000, 6);
  for (const [title, zlib] of [
    ['node:zlib', nodeZlib()],
    ['public calls', nodeZlib(true)],
    ['fflate', new PortableZlib()],
  ] as const) {
    const codec = new jffs2_zlib_comp(zlib);
    const { payload } = compress(codec, data, 0, data.length, data.length)!;
    const reads = (bytes: Uint8Array): boolean => {
      const back = decompress(codec, bytes, data.length);
      return back !== null && hex(back) === hex(data);
    };
    it(`${title}: the checksum is not looked at`, () => {
      const wrong = payload.slice();
      wrong[wrong.length - 1]! ^= 0xff;
      expect(reads(wrong)).to.equal(true);
      expect(reads(payload.subarray(0, -4)), 'nor missed').to.equal(true);
    });
    it(`${title}: bare deflate data will do`, () => {
      expect(reads(payload.subarray(2))).to.equal(true);
      expect(reads(payload.subarray(2, -4))).to.equal(true);
    });
    it(`${title}: damage is seen`, () => {
      const wrong = payload.slice();
      wrong.fill(0xff, 100, 140);
      expect(reads(wrong)).to.equal(false);
    });
  }
});
