import { expect } from 'chai';
import { churn } from '../kernel/workloads.js';
import { collectAll } from './collect.js';
import { noise } from './material.js';
import { mountImage } from './mount.js';

const KIB = 1024;

describe('garbage collection comes to an end', () => {
  // Ten erases for each block's worth of written data: with 40 % of the flash holding data that
  // stays, a collector that picks dirty blocks needs less than two.
  const writeKib = 2000;
  const erasesMax = (10 * writeKib) / 16;

  for (const clock of ['running', 'stopped'] as const) {
    for (const seed of [1, 2, 3]) {
      it(`with a ${clock} clock, seed ${seed}`, () => {
        const options = { eraseSizeBytes: 16 * KIB, clock, seed, erasesMax };
        const mounted = mountImage(512 * KIB, options);
        churn(mounted, { seed, keepKib: 200, writeKib });
        mounted.ukfs.unmount();
      });
    }
  }
});

describe('collecting keeps the newest value of an attribute', () => {
  it('that was set many times in an earlier mount', () => {
    const options = { eraseSizeBytes: 8 * KIB };
    const first = mountImage(128 * KIB, options);
    first.ukfs.writeFile('/file', '');
    for (let i = 0; i < 30; i++) {
      first.ukfs.setxattr('/file', 'user.often', `value ${i}`);
      first.ukfs.writeFile(`/pad.${i % 3}`, noise(2000, i));
    }
    first.ukfs.unmount();

    const second = mountImage(first.image(), options);
    collectAll(second);
    const value = second.ukfs.getxattr('/file', 'user.often');
    expect(Buffer.from(value).toString()).to.equal('value 29');
  });
});
