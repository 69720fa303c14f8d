/** What the inspector lists is what the Linux kernel lists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { readSharedManifest, sharedFolder, verdictTree } from '../images/shared.js';
import { assertSameTree } from '../images/tree.js';
import { openState, treeOfState } from './inspect_tree.js';

const endianOf = (order: 'le' | 'be'): 'little' | 'big' => (order === 'le' ? 'little' : 'big');

describe('the inspector lists what the kernel lists', () => {
  for (const { file, byteOrder, eraseSizeBytes, nand, tree } of readFlashImages().images) {
    it(`${file}, as described and as detected`, () => {
      const bytes = readFileSync(join(FLASH_IMAGES_FOLDER, file));
      if (nand !== undefined) {
        assertSameTree('as detected', tree, treeOfState(openState(bytes)));
        return;
      }
      const options = { erasesize: eraseSizeBytes, endian: endianOf(byteOrder) };
      assertSameTree(
        'as described',
        tree,
        treeOfState(openState(bytes, { offset: 0, ...options })),
      );
      assertSameTree('as detected', tree, treeOfState(openState(bytes)));
    });
  }

  describe('in images from the field', () => {
    const folder = sharedFolder();
    before(function () {
      if (folder !== undefined) return;
      console.log('      skipped: no shared/images beside the checkout, LUMP_SHARED is not set');
      this.skip();
    });
    for (const image of readSharedManifest().images) {
      for (const verdict of image.verdicts) {
        const tree = verdictTree(image, verdict);
        if (tree === undefined) continue;
        it(`${image.file} in blocks of ${verdict.eraseKib} KiB`, () => {
          const bytes = readFileSync(join(folder as string, image.file));
          const state = openState(bytes, {
            erasesize: verdict.eraseKib * 1024,
            offset: 0,
            endian: endianOf(image.byteOrder),
          });
          assertSameTree('by the inspector', tree, treeOfState(state));
        });
      }
    }
  });
});
