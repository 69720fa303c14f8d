import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COLLECTED, collectAll } from './collect.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from './flash_images.js';
import { mountImage } from './mount.js';
import { assertSameTree, sha256 } from './tree.js';
import { ukfsTree } from './ukfs_tree.js';

describe('the images in flash-images', () => {
  for (const image of readFlashImages().images) {
    const { file, byteOrder, eraseSizeBytes, nand, tree } = image;
    const bytes = (): Buffer => readFileSync(join(FLASH_IMAGES_FOLDER, file));

    it(`${file} is the one that the manifest speaks of`, () => {
      expect(sha256(bytes())).to.equal(image.sha256);
    });

    const kind = { eraseSizeBytes, byteOrder, ...(nand !== undefined && { nand }) };

    it(`${file} holds what the kernel finds in it`, () => {
      const mounted = mountImage(bytes(), { ...kind, readOnly: true });
      assertSameTree('read-only', tree, ukfsTree(mounted.ukfs));
      expect(mounted.mtd.ecc_stats.corrected + mounted.mtd.ecc_stats.failed).to.equal(0);
      mounted.ukfs.unmount();
      expect(sha256(mounted.image().subarray(0, bytes().length))).to.equal(image.sha256);
    });

    it(`${file} holds the same after all of it was collected, by threads in many orders`, () => {
      for (const seed of [1, 2, 3]) {
        const options = { ...kind, seed };
        const mounted = mountImage(bytes(), options);
        collectAll(mounted);
        assertSameTree(`seed ${seed}`, tree, ukfsTree(mounted.ukfs), COLLECTED);
        mounted.ukfs.unmount();
        const again = mountImage(mounted.image(), { ...options, readOnly: true });
        assertSameTree(`seed ${seed}, mounted again`, tree, ukfsTree(again.ukfs), COLLECTED);
      }
    });
  }
});
