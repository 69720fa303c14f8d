import { assertSameTree } from '../images/tree.js';
import { treeIn } from './maker.js';
import { NO_ROUND_TRIPS, ROUND_TRIPS, roundTrip, roundTripTree } from './round_trip.js';

/** The kernel sees all of them, in test/kernel/makefs.ktest.ts. */
const FILES = ['summary.jffs2', 'kernel.jffs2', 'kernel-xattrs.jffs2'];

describe('flash_inspect extract, then makefs: the same tree', () => {
  before(function () {
    if (NO_ROUND_TRIPS === undefined) return;
    console.log(`      skipped: ${NO_ROUND_TRIPS}`);
    this.skip();
  });

  for (const image of ROUND_TRIPS.filter(({ file }) => FILES.includes(file))) {
    it(image.file, () => {
      const { eraseSizeBytes } = image;
      const found = treeIn(roundTrip(image), { eraseSizeBytes });
      assertSameTree('made again', roundTripTree(image), found);
    });
  }
});
