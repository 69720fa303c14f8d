import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountImage } from './mount.js';
import { readSharedManifest, sharedFolder, verdictTree } from './shared.js';
import { assertSameTree, sha256 } from './tree.js';
import { ukfsTree } from './ukfs_tree.js';

describe('images from the field', () => {
  const folder = sharedFolder();
  const { images, kernel } = readSharedManifest();

  before(function () {
    if (folder !== undefined) return;
    console.log('      skipped: no shared/images beside the checkout, and LUMP_SHARED is not set');
    this.skip();
  });

  for (const image of images) {
    for (const verdict of image.verdicts) {
      it(`${image.file} in blocks of ${verdict.eraseKib} KiB: as Linux ${kernel} finds it`, () => {
        const bytes = readFileSync(join(folder as string, image.file));
        expect(sha256(bytes)).to.equal(image.sha256);
        const options = {
          eraseSizeBytes: verdict.eraseKib * 1024,
          byteOrder: image.byteOrder,
          readOnly: true,
        };
        const tree = verdictTree(image, verdict);
        if (tree === undefined) {
          expect(() => mountImage(bytes, options)).to.throw();
          return;
        }
        const mounted = mountImage(bytes, options);
        assertSameTree('by lump', tree, ukfsTree(mounted.ukfs));
        mounted.ukfs.unmount();
      });
    }

    if (image.byteOrder === 'be') {
      it(`${image.file} is refused, as by the kernel, when it is taken for little-endian`, () => {
        const bytes = readFileSync(join(folder as string, image.file));
        expect(image.verdicts.map(({ mounts }) => mounts)).to.not.include(true);
        expect(() => mountImage(bytes, { eraseSizeBytes: 65_536, readOnly: true })).to.throw('EIO');
      });
    }
  }
});
