import { COLLECTED, collectAll } from './collect.js';
import { IMAGE_ROWS, ImageFactory } from './images.js';
import { mountImage } from './mount.js';
import { assertSameTree } from './tree.js';
import { ukfsTree } from './ukfs_tree.js';

describe('images of mkfs.jffs2 and sumtool', () => {
  let factory: ImageFactory | undefined;

  before(function () {
    const reason = ImageFactory.unavailable();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    factory = new ImageFactory();
    const { root, xattrs } = factory.abilities;
    if (!root) console.log('      without owners, device nodes and trusted xattrs: needs root');
    if (!xattrs)
      console.log('      without xattrs: setfattr, setfacl or the file system lacks them');
  });
  after(() => factory?.close());

  for (const row of IMAGE_ROWS) {
    it(`${row.name}: read and collected without loss`, () => {
      const { bytes, expected } = (factory as ImageFactory).make(row);
      const options = { eraseSizeBytes: row.eraseKib * 1024, byteOrder: row.byteOrder };
      const readOnly = mountImage(bytes, { ...options, readOnly: true });
      assertSameTree('read-only', expected, ukfsTree(readOnly.ukfs));

      const written = mountImage(bytes, options);
      collectAll(written);
      written.ukfs.unmount();
      const again = mountImage(written.image(), { ...options, readOnly: true });
      assertSameTree('collected', expected, ukfsTree(again.ukfs), COLLECTED);
    });
  }
});
