import { expect } from 'chai';
import CRC32 from 'crc-32';
import * as zlib from 'node:zlib';
import { crc32_le } from '../../src/lump/crc32.js';
import { Lump } from '../../src/lump/lump.js';
import { NodeHost } from '../../src/rumpuser/node.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { boot } from './boot.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const whole = (bytes: Uint8Array): number => crc32_le(0, bytes, 0, bytes.length);

describe('lump: crc32', () => {
  it('known values, without any inversion', () => {
    expect(whole(ascii(''))).to.equal(0);
    expect(whole(ascii('123456789'))).to.equal(0x2dfd2d88);
    expect(whole(ascii('hello'))).to.equal(0xf032519b);
    expect(whole(new Uint8Array(4).fill(0xff))).to.equal(0xdebb20e3);
    expect(whole(new Uint8Array(1000))).to.equal(0);
  });

  it('is node:zlib’s and npm crc-32’s, at any offset, length and seed', () => {
    const { crc32 } = zlib as { crc32?: (data: Uint8Array, value: number) => number };
    const node = new Lump({ host: new NodeHost() });
    const simulated = boot().lump;
    const prng = new Prng(32);
    const bytes = new Uint8Array(5000);
    prng.fill(bytes);
    for (let i = 0; i < 400; i++) {
      const off = prng.below(300);
      const len = i < 40 ? i : prng.below(bytes.length - off);
      const seed = i % 3 === 0 ? 0 : prng.u32();
      const part = bytes.subarray(off, off + len);
      const expected = ~CRC32.buf(part, ~seed) >>> 0;
      const id = `off ${off} len ${len} seed ${seed}`;
      expect(crc32_le(seed, bytes, off, len), id).to.equal(expected);
      expect(node.crc32_le(seed, bytes, off, len), id).to.equal(expected);
      expect(simulated.crc32_le(seed, bytes, off, len), id).to.equal(expected);
      if (crc32 !== undefined) expect(~crc32(part, ~seed >>> 0) >>> 0, id).to.equal(expected);
    }
  });

  it('goes on from an earlier result', () => {
    const bytes = ascii('the quick brown fox jumps over the lazy dog');
    const prefix = crc32_le(0, bytes, 0, 17);
    expect(crc32_le(prefix, bytes, 17, bytes.length - 17)).to.equal(whole(bytes));
  });
});
