import { CowBacking } from '../../src/mtd/cow_backing.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import {
  format_power_cut,
  mtd_recorder,
  power_cut_states,
  power_cuts,
} from '../../src/mtd/recorder.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { COLLECTED, collectAll } from '../images/collect.js';
import { mountChip, mountImage } from '../images/mount.js';
import { assertSameTree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { parseListing } from './listing.js';
import type { KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import type { GuestFlash } from './scenarios.js';
import { listImageJob } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, treeOf } from './suite.js';
import { churn } from './workloads.js';

const FLASH = { kind: 'nor', totalKib: 256, eraseKib: 8 } as const satisfies GuestFlash;
const ERASE_SIZE_BYTES = FLASH.eraseKib * 1024;
const SEED = Number(process.env.LUMP_SEED ?? 7);
const CUTS = 40;

interface CutImage {
  /** As format_power_cut writes it. */
  readonly cut: string;
  readonly bytes: Uint8Array;
}

describe('after a power cut the kernel finds what lump finds', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const images: CutImage[] = makeImages();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    results = await runBatch(images.map(({ cut, bytes }) => listImageJob(cut, FLASH, bytes)));
  });

  for (const { cut, bytes } of images) {
    it(`seed ${SEED}, cut ${cut}`, () => {
      const tree = parseListing('tree', (results.get(cut) as KernelJobResult).outputs);
      assertSameTree('by lump', tree, treeOf(bytes, { eraseSizeBytes: ERASE_SIZE_BYTES }));
      const mounted = mountImage(bytes, { eraseSizeBytes: ERASE_SIZE_BYTES });
      collectAll(mounted);
      assertSameTree('collected by lump', tree, ukfsTree(mounted.ukfs), COLLECTED);
    });
  }
});

/** Some of the moments of a run that collects every erase block several times. */
function makeImages(): CutImage[] {
  const blank = new CowBacking(new RamBacking(FLASH.totalKib * 1024), ERASE_SIZE_BYTES);
  const host = new SimulatedHost({ seed: SEED, codecs: nodeZlib() });
  const chip = new nor_chip(host, blank.fork(), { name: 'cut', erasesize: ERASE_SIZE_BYTES });
  const recorder = new mtd_recorder(chip);
  const mounted = mountChip(host, recorder, { seed: SEED });
  churn(mounted, { seed: SEED, keepKib: 40, writeKib: 700 });

  const random = new Prng(SEED);
  const moments = [...power_cuts(recorder.ops, 'linear')];
  const picked = new Set<number>();
  while (picked.size < CUTS) picked.add(random.below(moments.length));
  const cuts = [...picked].sort((a, b) => a - b).map((index) => moments[index]!);
  return [...power_cut_states(blank, recorder.ops, cuts)].map(({ cut, state }) => {
    const bytes = new Uint8Array(state.sizeBytes);
    state.read(0, bytes.length, bytes, 0);
    return { cut: format_power_cut(cut), bytes };
  });
}
