import { COLLECTED, collectAll } from '../images/collect.js';
import { mountImage } from '../images/mount.js';
import { swapByteOrder } from '../images/swap_byte_order.js';
import { assertSameTree } from '../images/tree.js';
import type { Recording, Scenario } from './scenarios.js';
import { SCENARIOS, mountOptionsOf, recordScenarios } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, treeOf } from './suite.js';

describe('what the Linux kernel wrote is read exactly', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const scenarios = SCENARIOS;
  let recordings: Map<Scenario, Recording>;

  before(async function () {
    needsJudge(this);
    const list = await recordScenarios(scenarios);
    recordings = new Map(list.map((recording) => [recording.scenario, recording]));
  });

  for (const scenario of scenarios) {
    const { flash } = scenario;
    const chip = mountOptionsOf(flash);
    const eraseSizeBytes = flash.eraseKib * 1024;
    for (const state of ['mounted', 'unmounted'] as const) {
      const copied = state === 'mounted' ? 'copied while it was mounted' : 'after umount';
      it(`${scenario.name}, ${copied}`, () => {
        const { bytes, tree } = (recordings.get(scenario) as Recording)[state];
        assertSameTree('read by lump', tree, treeOf(bytes, chip));
        // Turned, its ECC would be wrong.
        if (flash.kind === 'nand') return;
        const turned = swapByteOrder(bytes, 'le', eraseSizeBytes);
        const big = treeOf(turned, { eraseSizeBytes, byteOrder: 'be' });
        assertSameTree('turned to big-endian, read by lump', tree, big);
      });
    }

    it(`${scenario.name}, collected and written on by lump`, () => {
      const { bytes, tree } = (recordings.get(scenario) as Recording).unmounted;
      const mounted = mountImage(bytes, chip);
      collectAll(mounted);
      mounted.ukfs.unmount();
      const after = treeOf(mounted.image(), chip);
      assertSameTree('after lump collected all of it', tree, after, COLLECTED);
    });
  }
});
