import { CowBacking } from '../../src/mtd/cow_backing.js';
import { new_chip } from '../../src/mtd/open.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import {
  cell_recorder,
  format_power_cut,
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
import { mountOptionsOf, listImageJob } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, treeOf } from './suite.js';
import { churn } from './workloads.js';

const SEED = Number(process.env.LUMP_SEED ?? 7);

interface Row {
  readonly name: string;
  readonly flash: GuestFlash;
  readonly totalKib: number;
  readonly cuts: number;
  readonly workload: { readonly keepKib: number; readonly writeKib: number };
}

const ROWS: readonly Row[] = [
  {
    name: 'NOR',
    flash: { kind: 'nor', totalKib: 256, eraseKib: 8 },
    totalKib: 256,
    cuts: 40,
    workload: { keepKib: 40, writeKib: 700 },
  },
  {
    name: 'NAND 512+16',
    flash: {
      kind: 'nand',
      pageSizeBytes: 512,
      oobSizeBytes: 16,
      eraseKib: 16,
      parameters: 'id_bytes=0x20,0x33 overridesize=5',
    },
    totalKib: 512,
    cuts: 20,
    workload: { keepKib: 60, writeKib: 1200 },
  },
];

interface CutImage {
  /** As format_power_cut writes it. */
  readonly cut: string;
  readonly bytes: Uint8Array;
}

for (const row of ROWS) {
  const { flash } = row;
  const image = mountOptionsOf(flash);

  describe(`after a power cut the kernel finds what lump finds: ${row.name}`, function () {
    this.timeout(BATCH_TIMEOUT_MS);
    const images: CutImage[] = makeImages(row);
    let results: Map<string, KernelJobResult>;

    before(async function () {
      needsJudge(this);
      results = await runBatch(images.map(({ cut, bytes }) => listImageJob(cut, flash, bytes)));
    });

    for (const { cut, bytes } of images) {
      it(`seed ${SEED}, cut ${cut}`, () => {
        const tree = parseListing('tree', (results.get(cut) as KernelJobResult).outputs);
        assertSameTree('by lump', tree, treeOf(bytes, image, true));
        const mounted = mountImage(bytes, image);
        collectAll(mounted);
        assertSameTree('collected by lump', tree, ukfsTree(mounted.ukfs), COLLECTED);
      });
    }
  });
}

/** Some of the moments of a run that collects every erase block several times. */
function makeImages({ name, flash, totalKib, cuts, workload }: Row): CutImage[] {
  const erasesize = flash.eraseKib * 1024;
  const [writesize, oobsize] =
    flash.kind === 'nand' ? [flash.pageSizeBytes, flash.oobSizeBytes] : [1, 0];
  const blockBytes = (erasesize / writesize) * (writesize + oobsize);
  const blank = new CowBacking(
    new RamBacking(((totalKib * 1024) / erasesize) * blockBytes),
    blockBytes,
  );
  const host = new SimulatedHost({ seed: SEED, codecs: nodeZlib() });
  const cells = new cell_recorder(blank.fork());
  const description = { kind: flash.kind, name, size: 0, erasesize, writesize, oobsize };
  const mounted = mountChip(host, new_chip(host, cells, description, {}), { seed: SEED });
  churn(mounted, { seed: SEED, ...workload });

  const random = new Prng(SEED);
  const moments = [...power_cuts(cells.ops, 'linear')];
  const picked = new Set<number>();
  while (picked.size < cuts) picked.add(random.below(moments.length));
  const chosen = [...picked].sort((a, b) => a - b).map((index) => moments[index]!);
  return [...power_cut_states(blank, cells.ops, chosen)].map(({ cut, state }) => {
    const bytes = new Uint8Array(state.sizeBytes);
    state.read(0, bytes.length, bytes, 0);
    return { cut: format_power_cut(cut), bytes };
  });
}
