/** What makefs writes, the Linux kernel mounts and lists: NOR flash, every option. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTree } from '../images/host_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { make } from '../makefs/maker.js';
import { expectedTree, MAKE_ROWS, makeSource } from '../makefs/rows.js';
import { parseListing } from './listing.js';
import type { KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { listImageJob } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, norOf } from './suite.js';

describe('makefs: what the kernel finds in its images', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  // Linux of this machine is little-endian, and its cleanmarkers on NOR flash have 12 bytes.
  const rows = MAKE_ROWS.filter(({ byteOrder }) => byteOrder === 'le');
  let tree: Tree;
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    const folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
    const source = join(folder, 'source');
    mkdirSync(source);
    const { xattrs } = makeSource(source);
    tree = hostTree(source, { xattrs });
    const jobs = rows.map((row) => {
      const { bytes } = make([source], { options: row.options });
      return listImageJob(row.name, norOf(bytes, row.eraseKib), bytes);
    });
    rmSync(folder, { recursive: true });
    results = await runBatch(jobs);
  });

  for (const row of rows) {
    it(row.name, () => {
      const found = parseListing('tree', (results.get(row.name) as KernelJobResult).outputs);
      assertSameTree('listed by the kernel', expectedTree(tree, row), found);
    });
  }
});
