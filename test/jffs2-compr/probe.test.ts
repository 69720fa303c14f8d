/** The probe may save work, and must not cost space. */
import { expect } from 'chai';
import { jffs2_compr_probe } from '../../src/jffs2/compr_probe.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Guarded, corpus } from './corpus.js';

const PAGE = 4096;
const probe = new jffs2_compr_probe();
const zlib = nodeZlib();
const room = new Uint8Array(2 * PAGE);
const zlibSize = (data: Uint8Array): number =>
  zlib.deflate(data, 0, data.length, room, 0, room.length, 9);
const given = (data: Uint8Array): boolean => probe.isIncompressible(data, 0, data.length);

describe('jffs2_compr_probe', () => {
  it('knows random pages', () => {
    for (let seed = 1; seed <= 200; seed++) {
      expect(given(corpus('random', PAGE, seed)), `seed ${seed}`).to.equal(true);
    }
  });

  it('lets everything else pass', () => {
    for (const kind of ['text', 'zero', 'mixed', 'runs', 'table'] as const) {
      for (let seed = 1; seed <= 20; seed++) {
        expect(given(corpus(kind, PAGE, seed)), `${kind}, seed ${seed}`).to.equal(false);
      }
    }
  });

  it('sees the second half repeat the first', () => {
    const page = corpus('random', PAGE, 1);
    page.copyWithin(PAGE / 2, 0, PAGE / 2);
    expect(given(page)).to.equal(false);
  });

  it('leaves lengths alone that it cannot judge', () => {
    for (const length of [0, 1, 3, 4, 100, 2047, 65536, 100_000]) {
      expect(given(corpus('random', length, 1)), `${length} bytes`).to.equal(false);
    }
  });

  it('gives away no more than a fiftieth of a page', () => {
    const prng = new Prng(7);
    let judged = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      const page = corpus('random', PAGE, seed);
      // Spoil the randomness a little: repeats, constant stretches, rarer and commoner bytes.
      for (let n = prng.below(4); n > 0; n--) {
        const from = prng.below(PAGE);
        const length = prng.below(60);
        switch (prng.below(4)) {
          case 0:
            page.copyWithin(prng.below(PAGE), from, from + length);
            break;
          case 1:
            page.fill(prng.u32(), from, from + length);
            break;
          case 2: {
            const limit = 256 - prng.below(40);
            for (let i = 0; i < PAGE; i++) if (page[i]! >= limit) page[i]! -= 128;
            break;
          }
          default:
            for (let i = 0; i < length; i++) page[prng.below(PAGE)] = 0x20;
        }
      }
      if (!given(page)) continue;
      judged++;
      expect(zlibSize(page), `seed ${seed}`).to.be.greaterThan(PAGE * 0.98);
    }
    expect(judged).to.be.greaterThan(300);
  });

  it('looks at its range only', () => {
    // What lies around would make the data compressible, and the other way round.
    const inside = new Guarded(PAGE, 1);
    inside.content.set(corpus('random', PAGE, 3));
    expect(probe.isIncompressible(inside.bytes, inside.offset, PAGE)).to.equal(true);
    const noise = corpus('random', 3 * PAGE, 4);
    noise.set(corpus('text', PAGE, 4), PAGE);
    expect(probe.isIncompressible(noise, PAGE, PAGE)).to.equal(false);
  });
});
