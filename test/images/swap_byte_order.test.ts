import { expect } from 'chai';
import type { ImageRow } from './images.js';
import { IMAGE_ROWS, ImageFactory } from './images.js';
import { swapByteOrder } from './swap_byte_order.js';

describe('turning an image around', () => {
  let factory: ImageFactory;

  before(function () {
    const reason = ImageFactory.unavailable();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    factory = new ImageFactory();
  });
  after(() => factory?.close());

  const rows = IMAGE_ROWS.filter((row) => row.byteOrder === 'le');
  for (const row of rows) {
    it(`gives what mkfs.jffs2 makes in the other order: ${row.name}`, () => {
      const bigRow: ImageRow = { ...row, byteOrder: 'be' };
      const little = factory.make(row).bytes;
      const big = factory.make(bigRow).bytes;
      const eraseSizeBytes = row.eraseKib * 1024;
      expect(Buffer.compare(swapByteOrder(little, 'le', eraseSizeBytes), big)).to.equal(0);
      expect(Buffer.compare(swapByteOrder(big, 'be', eraseSizeBytes), little)).to.equal(0);
    });
  }

  it('refuses what it does not understand', () => {
    const image = new Uint8Array(64).fill(0xff);
    image[4] = 0x12;
    expect(() => swapByteOrder(image, 'le', 64)).to.throw('0x4');
  });
});
