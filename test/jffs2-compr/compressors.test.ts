/** The table of codecs: how one is chosen, and what a node's two bytes select for reading. */
import { expect } from 'chai';
import { jffs2_compressors } from '../../src/jffs2/compr.js';
import type { compr_lengths, jffs2_compressor } from '../../src/jffs2/compr.js';
import {
  JFFS2_COMPR_COPY,
  JFFS2_COMPR_LZO,
  JFFS2_COMPR_NONE,
  JFFS2_COMPR_RTIME,
  JFFS2_COMPR_ZERO,
  JFFS2_COMPR_ZLIB,
} from '../../src/jffs2/medium.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { corpus, hex } from './corpus.js';

const PAGE = 4096;
const TEXT = corpus('text', PAGE, 1);
const RUNS = corpus('runs', PAGE, 1);
const RANDOM = corpus('random', PAGE, 1);

interface Made {
  compr: number;
  dsize: number;
  csize: number;
  payload: Uint8Array;
}

function compress(table: jffs2_compressors, data: Uint8Array, room = PAGE): Made {
  const lengths: compr_lengths = { srclen: data.length, dstlen: room };
  const dst = new Uint8Array(room);
  const compr = table.compress(data, 0, lengths, dst, 0);
  const payload = compr === JFFS2_COMPR_NONE ? data : dst;
  return {
    compr,
    dsize: lengths.srclen,
    csize: lengths.dstlen,
    payload: payload.slice(0, lengths.dstlen),
  };
}

const make = (): jffs2_compressors => new jffs2_compressors({ zlib: nodeZlib() });

/** A codec of a settled outcome: always `csize` bytes from `dsize`, or nothing. */
function fake(name: string, compr: number, priority: number, csize: number): jffs2_compressor {
  return {
    name,
    compr,
    priority,
    compress(_src, _so, dst, dof, out) {
      if (csize > out.dstlen) return false;
      dst.fill(compr, dof, dof + csize);
      out.dstlen = csize;
      return true;
    },
    decompress: () => false,
  };
}

describe('jffs2_compressors', () => {
  it('takes zlib first and rtime when zlib cannot', () => {
    const table = make();
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_ZLIB);
    expect(compress(table, new Uint8Array(12)).compr).to.equal(JFFS2_COMPR_RTIME);
  });

  it('stores raw what nothing makes smaller, as much as there is room', () => {
    const table = make();
    expect(compress(table, RANDOM)).to.deep.include({ compr: 0, dsize: PAGE, csize: PAGE });
    expect(compress(table, RANDOM, 1000)).to.deep.include({ compr: 0, dsize: 1000, csize: 1000 });
    expect(table.none_stat_compr_blocks).to.equal(2);
    expect(table.none_stat_compr_size).to.equal(PAGE + 1000);
  });

  it('consumes less when the room is short', () => {
    const made = compress(make(), TEXT, 800);
    expect(made.compr).to.equal(JFFS2_COMPR_ZLIB);
    expect(made.csize).to.be.at.most(800);
    expect(made.dsize).to.be.within(801, PAGE - 1);
  });

  it('the mount option names a codec or a mode', () => {
    const table = make();
    expect(table.setMountOption('none')).to.equal(true);
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_NONE);
    expect(table.setMountOption('lzo')).to.equal(true);
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_LZO);
    expect(compress(table, RANDOM).compr, 'raw rather than another').to.equal(JFFS2_COMPR_NONE);
    expect(table.setMountOption('zlib')).to.equal(true);
    expect(compress(table, RUNS).compr).to.equal(JFFS2_COMPR_ZLIB);
    expect(compress(table, new Uint8Array(12)).compr).to.equal(JFFS2_COMPR_NONE);
    for (const bad of ['', 'LZO', 'lz4', 'none,lzo', 'force']) {
      expect(table.setMountOption(bad), bad).to.equal(false);
    }
    expect(compress(table, RUNS).compr, 'a bad value changes nothing').to.equal(JFFS2_COMPR_ZLIB);
    expect(table.setMountOption('rtime')).to.equal(true);
    expect(compress(table, RUNS).compr).to.equal(JFFS2_COMPR_RTIME);
    expect(table.setMountOption('size')).to.equal(true);
    expect(table.mode).to.equal('size');
    table.setMountOption(undefined);
    expect(table.mode).to.equal('priority');
  });

  it('without a host’s zlib, reads and writes none', () => {
    const table = new jffs2_compressors();
    expect(table.setMountOption('zlib')).to.equal(false);
    expect(compress(table, RUNS).compr).to.equal(JFFS2_COMPR_RTIME);
    const dst = new Uint8Array(8);
    expect(table.decompress(JFFS2_COMPR_ZLIB, 0, RUNS, 0, 8, dst, 0, 8)).to.equal('unknown');
  });

  it('follows priorities and switches', () => {
    const table = make();
    expect(
      table
        .list()
        .map((state) => state.codec.name)
        .slice(0, 5),
    ).to.deep.equal(['lzo', 'lzma', 'lzma_nosize', 'zlib', 'rtime']);
    expect(table.setEnabled('lzo', true)).to.equal(true);
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_LZO);
    expect(table.setPriority('lzo', 55)).to.equal(true);
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_ZLIB);
    expect(table.setEnabled('zlib', false)).to.equal(true);
    expect(compress(table, TEXT).compr).to.equal(JFFS2_COMPR_LZO);
    expect(table.setEnabled('lz4', true)).to.equal(false);
    expect(table.setPriority('lz4', 1)).to.equal(false);
  });

  it('size: the smallest of the enabled', () => {
    const table = make();
    table.mode = 'size';
    for (const state of table.list()) table.setEnabled(state.codec.name, true);
    const sizes = table.list().map((state) => {
      const lengths = { srclen: PAGE, dstlen: PAGE };
      const done = state.codec.compress(TEXT, 0, new Uint8Array(PAGE), 0, lengths);
      return done ? lengths.dstlen : PAGE;
    });
    const made = compress(table, TEXT);
    expect(made.csize).to.equal(Math.min(...sizes));
    const back = new Uint8Array(PAGE);
    expect(table.decompress(made.compr, 0, made.payload, 0, made.csize, back, 0, PAGE)).to.equal(
      'ok',
    );
    expect(hex(back)).to.equal(hex(TEXT));
  });

  describe('favourlzo', () => {
    // [lzo's size, the other's size, who wins]; the list runs from high to low priority.
    const cases: [lzo: number, other: number, winner: 'lzo' | 'other' | 'first'][] = [
      [1000, 2000, 'lzo'],
      [1000, 1000, 'lzo'],
      [1000, 801, 'lzo'],
      [1000, 800, 'first'],
      [1000, 799, 'other'],
      [1000, 100, 'other'],
    ];
    for (const [lzo, other, winner] of cases) {
      for (const lzoFirst of [true, false]) {
        it(`${winner} of lzo ${lzo}, other ${other}, ${lzoFirst ? 'lzo' : 'other'} first`, () => {
          const table = new jffs2_compressors();
          for (const state of table.list()) table.setEnabled(state.codec.name, false);
          const real = table.list().find((state) => state.codec.compr === JFFS2_COMPR_LZO)!;
          (real as { codec: jffs2_compressor }).codec = fake('lzo', JFFS2_COMPR_LZO, 80, lzo);
          table.setEnabled('lzo', true);
          table.register(fake('other', 99, lzoFirst ? 70 : 90, other), true);
          table.mode = 'favourlzo';
          const made = compress(table, TEXT);
          const lzoWins = winner === 'lzo' || (winner === 'first' && lzoFirst);
          expect(made.compr).to.equal(lzoWins ? JFFS2_COMPR_LZO : 99);
          expect(made.payload.every((byte) => byte === made.compr)).to.equal(true);
        });
      }
    }
  });

  it('counts', () => {
    const table = make();
    const made = compress(table, TEXT);
    const zlib = table.list().find((state) => state.codec.name === 'zlib')!;
    table.decompress(made.compr, 0, made.payload, 0, made.csize, new Uint8Array(PAGE), 0, PAGE);
    expect(zlib).to.include({
      stat_compr_blocks: 1,
      stat_compr_orig_size: PAGE,
      stat_compr_new_size: made.csize,
      stat_decompr_blocks: 1,
    });
  });

  it('refuses two codecs of one id', () => {
    expect(() => make().register(fake('second', JFFS2_COMPR_LZO, 1, 1), true)).to.throw(
      KernelPanic,
    );
  });

  describe('decompress', () => {
    const table = make();
    const dst = new Uint8Array(PAGE);
    const read = (compr: number, usercompr: number, payload: Uint8Array, dsize: number): string =>
      table.decompress(compr, usercompr, payload, 0, payload.length, dst, 0, dsize);

    it('none copies, and wants both lengths the same', () => {
      for (const length of [0, 5, 64, 65, PAGE]) {
        dst.fill(0xee);
        expect(read(JFFS2_COMPR_NONE, 0, RANDOM.subarray(0, length), length)).to.equal('ok');
        expect(hex(dst.subarray(0, length))).to.equal(hex(RANDOM.subarray(0, length)));
        expect(dst.subarray(length).every((byte) => byte === 0xee)).to.equal(true);
      }
      expect(read(JFFS2_COMPR_NONE, 0, RANDOM, PAGE - 1)).to.equal('malformed');
    });

    it('zero needs no payload', () => {
      dst.fill(0xee);
      expect(read(JFFS2_COMPR_ZERO, 0, new Uint8Array(0), 100)).to.equal('ok');
      expect(dst.subarray(0, 101).lastIndexOf(0)).to.equal(99);
    });

    it('says which codec it does not know', () => {
      for (const compr of [JFFS2_COMPR_COPY, 9, 0x14, 0x16, 0xff]) {
        expect(read(compr, 0, RANDOM, 10), String(compr)).to.equal('unknown');
      }
    });

    it('forgives a usercompr up to zlib, and not above, as Linux', () => {
      const zlib = compress(table, TEXT);
      expect(read(zlib.compr, 7, zlib.payload, PAGE)).to.equal('ok');
      table.setMountOption('lzo');
      const lzo = compress(table, TEXT);
      table.setMountOption(undefined);
      expect(read(lzo.compr, 0, lzo.payload, PAGE)).to.equal('ok');
      expect(read(lzo.compr, 1, lzo.payload, PAGE)).to.equal('unknown');
    });

    it('tells malformed from unknown', () => {
      expect(read(JFFS2_COMPR_ZLIB, 0, RANDOM, PAGE)).to.equal('malformed');
      expect(read(JFFS2_COMPR_LZO, 0, RANDOM, PAGE)).to.equal('malformed');
    });
  });
});
