import type { MadeImage } from '../images/images.js';
import { IMAGE_ROWS, ImageFactory } from '../images/images.js';
import { assertSameTree } from '../images/tree.js';
import { parseListing } from './listing.js';
import type { KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { listImageJob } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, norOf } from './suite.js';

describe('mkfs.jffs2 and sumtool: the expectations of test/images, judged by the kernel', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const rows = IMAGE_ROWS.filter((row) => row.byteOrder === 'le');
  let made: Map<string, MadeImage>;
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    const factory = new ImageFactory();
    made = new Map(rows.map((row) => [row.name, factory.make(row)]));
    factory.close();
    results = await runBatch(
      [...made.values()].map(({ row, bytes }) =>
        listImageJob(row.name, norOf(bytes, row.eraseKib), bytes),
      ),
    );
  });

  for (const { name } of rows) {
    it(name, () => {
      const tree = parseListing('tree', (results.get(name) as KernelJobResult).outputs);
      assertSameTree('listed by the kernel', (made.get(name) as MadeImage).expected, tree);
    });
  }
});
