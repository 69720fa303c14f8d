/**
 * Payloads that somebody made to hurt: random ones, and good ones with some bytes changed. Nothing
 * may be written outside, nothing may be thrown, and the work is bounded: no payload may take much
 * longer than the sum of its lengths, which the number of inputs here would show as a timeout.
 */
import { expect } from 'chai';
import { jffs2_compressors } from '../../src/jffs2/compr.js';
import type { jffs2_compressor } from '../../src/jffs2/compr.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { PortableZlib } from '../../src/rumpuser/portable_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Guarded, KINDS, corpus } from './corpus.js';

const SEED = 20240229;
/** LUMP_FUZZ multiplies the number of inputs. */
const ROUNDS = 100_000 * Number(process.env.LUMP_FUZZ ?? 1);
/** For those that take 10 µs and more. */
const SLOW_ROUNDS = ROUNDS / 10;
const LENGTH_MAX = 200;
/** The guards are looked at after so many inputs; a failure is then replayed one by one. */
const BATCH = 64;

function attack(codec: jffs2_compressor, rounds: number): void {
  const prng = new Prng(SEED);
  const src = new Guarded(LENGTH_MAX, 1);
  const dst = new Guarded(LENGTH_MAX, 3);
  /** Good payloads to spoil. */
  const good: Uint8Array[] = [];
  for (const kind of KINDS) {
    for (const length of [30, 100, LENGTH_MAX]) {
      const lengths = { srclen: length, dstlen: length };
      const room = new Uint8Array(length);
      if (!codec.compress(corpus(kind, length, SEED + length), 0, room, 0, lengths)) continue;
      good.push(room.slice(0, lengths.dstlen));
    }
  }
  let accepted = 0;
  for (let round = 0; round < rounds; round++) {
    let srclen: number;
    if (good.length > 0 && prng.below(4) > 0) {
      const base = good[prng.below(good.length)]!;
      srclen = prng.below(4) > 0 ? base.length : prng.below(base.length + 1);
      src.content.set(base.subarray(0, srclen));
      for (let n = prng.below(4); n > 0; n--) {
        src.bytes[src.offset + prng.below(srclen + 1)] = prng.u32();
      }
    } else {
      srclen = prng.below(LENGTH_MAX + 1);
      for (let i = 0; i < srclen; i++) src.bytes[src.offset + i] = prng.u32() >>> prng.below(32);
    }
    const dstlen = prng.below(LENGTH_MAX + 1);
    // The payload lies against the guard at one end, and the output too.
    const so = src.offset + LENGTH_MAX - srclen;
    src.bytes.copyWithin(so, src.offset, src.offset + srclen);
    const dof = dst.offset + LENGTH_MAX - dstlen;
    const outcome = codec.decompress(src.bytes, so, srclen, dst.bytes, dof, dstlen);
    if (outcome) accepted++;
    if (round % BATCH === 0) {
      dst.check(`seed ${SEED}, rounds up to ${round}`);
      src.check(`seed ${SEED}, rounds up to ${round}`);
    }
  }
  dst.check(`seed ${SEED}, the last rounds`);
  expect(accepted, 'some spoilt payloads decompress').to.be.greaterThan(0);
  expect(accepted, 'and not all').to.be.at.most(rounds);
}

/** Every length of a guarded output exactly, so that a byte too many is seen at once. */
function attackExactly(codec: jffs2_compressor): void {
  const prng = new Prng(SEED + 1);
  for (let dstlen = 0; dstlen < 64; dstlen++) {
    for (let round = 0; round < 30; round++) {
      const payload = new Uint8Array(prng.below(40));
      for (let i = 0; i < payload.length; i++) payload[i] = prng.u32() >>> prng.below(32);
      const src = new Guarded(payload.length);
      src.content.set(payload);
      const dst = new Guarded(dstlen);
      codec.decompress(src.bytes, src.offset, src.length, dst.bytes, dst.offset, dstlen);
      dst.check(`seed ${SEED + 1}, ${dstlen} bytes, round ${round}`);
    }
  }
}

describe('hostile payloads', function () {
  this.timeout(120_000);
  const rows: [title: string, codec: jffs2_compressor][] = [];
  for (const { codec } of new jffs2_compressors({ zlib: nodeZlib() }).list()) {
    rows.push([codec.name, codec]);
  }
  const portable = new jffs2_compressors({ zlib: new PortableZlib() });
  rows.push(['zlib on fflate', portable.list().find(({ codec }) => codec.name === 'zlib')!.codec]);
  const publicCalls = new jffs2_compressors({ zlib: nodeZlib(true) });
  rows.push([
    'zlib on public calls',
    publicCalls.list().find(({ codec }) => codec.name === 'zlib')!.codec,
  ]);
  for (const [title, codec] of rows) {
    const rounds = /rubin| on /.test(title) ? SLOW_ROUNDS : ROUNDS;
    it(`${title}: ${rounds} of them, seed ${SEED}`, () => attack(codec, rounds));
    it(`${title}: small ones into exact room, seed ${SEED + 1}`, () => attackExactly(codec));
  }

  it('a small payload that unpacks to a lot costs no more than its room', () => {
    // A megabyte of zeroes in a kilobyte of deflate data; a page is asked for.
    const zlib = nodeZlib();
    const bomb = new Uint8Array(1 << 14);
    const length = zlib.deflate(new Uint8Array(1 << 20), 0, 1 << 20, bomb, 0, bomb.length, 9);
    expect(length).to.be.greaterThan(0);
    for (const codecs of [zlib, nodeZlib(true), new PortableZlib()]) {
      const table = new jffs2_compressors({ zlib: codecs });
      const dst = new Guarded(4096);
      const outcome = table.decompress(6, 0, bomb, 0, length, dst.bytes, dst.offset, 4096);
      expect(outcome).to.equal('malformed');
      dst.check('bomb');
    }
  });
});
