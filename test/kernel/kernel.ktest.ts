/**
 * Both directions between lump and the Linux kernel: what the kernel wrote is read by lump, what
 * lump wrote is read by the kernel, written on by it, and read by lump again. Run by
 * `npm run test:kernel`; it needs what scripts/kernel-setup.ts installs, and says so without it.
 */
import { expect } from 'chai';
import { COLLECTED, collectAll } from '../images/collect.js';
import type { MadeImage } from '../images/images.js';
import { IMAGE_ROWS, ImageFactory } from '../images/images.js';
import { noise, text } from '../images/material.js';
import type { MountedImage, MountImageOptions } from '../images/mount.js';
import { mountImage } from '../images/mount.js';
import type { ByteOrder } from '../images/swap_byte_order.js';
import { swapByteOrder } from '../images/swap_byte_order.js';
import type { CompareOptions, Tree, TreeEntry } from '../images/tree.js';
import { assertSameTree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { judgeUnavailable, runBatch } from './qemu.js';
import type { GuestFlash, Recording, Scenario } from './scenarios.js';
import {
  SCENARIOS,
  flashCommands,
  listImageJob,
  recordScenarios,
  workloadFile,
} from './scenarios.js';
import { churn, fill, plant, populate } from './workloads.js';

/** Recording all scenarios takes minutes where .cache/ has none of them. */
const BATCH_TIMEOUT_MS = 1_800_000;

/** Ends a suite aloud where the judge cannot run. */
function needsJudge(context: Mocha.Context): void {
  const reason = judgeUnavailable();
  if (reason === undefined) return;
  console.log(`      skipped: the kernel judge cannot run here: ${reason}`);
  context.skip();
}

/** What lump finds in an image that it must not change. */
function treeOf(image: Uint8Array, options: Omit<MountImageOptions, 'readOnly'>): Tree {
  const mounted = mountImage(image, { ...options, readOnly: true });
  const tree = ukfsTree(mounted.ukfs);
  mounted.ukfs.unmount();
  expect(mounted.lump.warnings).to.equal(0);
  return tree;
}

describe('what the Linux kernel wrote is read exactly', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const scenarios = SCENARIOS.filter(({ flash }) => flash.kind === 'nor');
  let recordings: Map<Scenario, Recording>;

  before(async function () {
    needsJudge(this);
    const list = await recordScenarios(scenarios);
    recordings = new Map(list.map((recording) => [recording.scenario, recording]));
  });

  for (const scenario of scenarios) {
    const eraseSizeBytes = scenario.flash.eraseKib * 1024;
    for (const state of ['mounted', 'unmounted'] as const) {
      const copied = state === 'mounted' ? 'copied while it was mounted' : 'after umount';
      it(`${scenario.name}, ${copied}`, () => {
        const { bytes, tree } = (recordings.get(scenario) as Recording)[state];
        assertSameTree('read by lump', tree, treeOf(bytes, { eraseSizeBytes }));
        const turned = swapByteOrder(bytes, 'le', eraseSizeBytes);
        const big = treeOf(turned, { eraseSizeBytes, byteOrder: 'be' });
        assertSameTree('turned to big-endian, read by lump', tree, big);
      });
    }

    it(`${scenario.name}, collected and written on by lump`, () => {
      const { bytes, tree } = (recordings.get(scenario) as Recording).unmounted;
      const mounted = mountImage(bytes, { eraseSizeBytes });
      collectAll(mounted);
      mounted.ukfs.unmount();
      const after = treeOf(mounted.image(), { eraseSizeBytes });
      assertSameTree('after lump collected all of it', tree, after, COLLECTED);
    });
  }
});

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

interface WrittenRow {
  readonly name: string;
  readonly totalKib: number;
  readonly eraseKib: number;
  readonly byteOrder?: ByteOrder;
  readonly options?: string;
  /** What the flash holds before: an image of the matrix, or a scenario's; absent: nothing. */
  readonly grownFrom?: { readonly mkfs: string } | { readonly kernel: string };
  readonly work: (mounted: MountedImage) => void;
}

const CHURN = { keepKib: 200, writeKib: 2000 };

const WRITTEN_ROWS: readonly WrittenRow[] = [
  { name: 'every kind of entry', totalKib: 2048, eraseKib: 64, work: (m) => populate(m) },
  ...['none', 'zlib', 'lzo'].map(
    (compr): WrittenRow => ({
      name: `every kind of entry, compr=${compr}`,
      totalKib: 1024,
      eraseKib: 16,
      options: `compr=${compr}`,
      work: (m) => populate(m),
    }),
  ),
  {
    name: 'every kind of entry, no summaries',
    totalKib: 1024,
    eraseKib: 64,
    options: 'nosummary',
    work: (m) => populate(m),
  },
  {
    name: 'every kind of entry, big-endian',
    totalKib: 2048,
    eraseKib: 64,
    byteOrder: 'be',
    work: (m) => populate(m),
  },
  {
    name: 'collected many times',
    totalKib: 512,
    eraseKib: 16,
    work: (m) => churn(m, { ...CHURN, seed: 1 }),
  },
  {
    name: 'collected many times, no summaries',
    totalKib: 512,
    eraseKib: 16,
    options: 'nosummary',
    work: (m) => churn(m, { ...CHURN, seed: 2 }),
  },
  {
    name: 'collected many times, uncompressed',
    totalKib: 1024,
    eraseKib: 64,
    options: 'compr=none',
    work: (m) => churn(m, { keepKib: 400, writeKib: 4000, seed: 3 }),
  },
  {
    name: 'collected many times, lzo, blocks of 8 KiB',
    totalKib: 256,
    eraseKib: 8,
    options: 'compr=lzo',
    work: (m) => churn(m, { keepKib: 40, writeKib: 1500, seed: 4 }),
  },
  {
    name: 'collected many times, big-endian',
    totalKib: 512,
    eraseKib: 16,
    byteOrder: 'be',
    work: (m) => churn(m, { ...CHURN, seed: 5 }),
  },
  { name: 'filled and deleted from', totalKib: 512, eraseKib: 16, work: (m) => fill(m, 1) },
  {
    name: 'filled and deleted from, uncompressed',
    totalKib: 1024,
    eraseKib: 64,
    options: 'compr=none',
    work: (m) => fill(m, 2),
  },
  { name: '3,000 files', totalKib: 4096, eraseKib: 128, work: (m) => plant(m, 60, 50) },
  {
    name: 'added to an image of mkfs.jffs2',
    totalKib: 1024,
    eraseKib: 64,
    grownFrom: { mkfs: 'le xattrs' },
    work: (m) => populate(m, '/added'),
  },
  {
    name: 'added to an image of sumtool',
    totalKib: 1024,
    eraseKib: 16,
    grownFrom: { mkfs: 'le 16 KiB summary padded' },
    work: (m) => populate(m, '/added'),
  },
  {
    name: 'added to what the kernel wrote',
    totalKib: 2048,
    eraseKib: 64,
    grownFrom: { kernel: 'populate nor 2048/64 zlib' },
    work: (m) => populate(m, '/added'),
  },
  {
    name: 'collected after the kernel collected',
    totalKib: 1024,
    eraseKib: 64,
    grownFrom: { kernel: 'churn nor 1024/64' },
    work: (m) => churn(m, { keepKib: 40, writeKib: 3000, seed: 6 }),
  },
];

interface WrittenImage {
  readonly bytes: Uint8Array;
  readonly live: Tree;
  readonly remounted: Tree;
}

/**
 * In memory an inode knows things that no node tells: a written file's old access time, the time of
 * a link, the times of the root. The kernel forgets them at umount, too.
 */
const FORGOTTEN: CompareOptions = {
  ignore: ['atime', 'ctime'],
  ignoreAtRoot: ['mtime', 'ctime', 'atime'],
};

/** What continue.sh leaves in its folder, the folder first. */
const KERNEL_NAMES = [
  '',
  'device',
  'directory',
  'directory/noise',
  'directory/text',
  'fifo',
  'hello',
  'linked',
  'moved',
];

/** Messages that an image without fault gives no reason for. */
const COMPLAINT = /jffs2:.*(error|warning|not found|crc|corrupt|eep|wrong|run over|argh|odd)/i;
const NO_COMPLAINT = /complete building xattr subsystem/;

describe('what lump wrote is read and written on by the Linux kernel', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const images = new Map<string, WrittenImage>();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    const kernelWritten = await recordScenarios(
      SCENARIOS.filter(({ name }) =>
        WRITTEN_ROWS.some(
          ({ grownFrom: from }) => from !== undefined && 'kernel' in from && from.kernel === name,
        ),
      ),
    );
    const factory = new ImageFactory();
    for (const row of WRITTEN_ROWS) images.set(row.name, write(row, factory, kernelWritten));
    factory.close();
    results = await runBatch(
      WRITTEN_ROWS.map((row) => continueJob(row, (images.get(row.name) as WrittenImage).bytes)),
    );
  });

  for (const row of WRITTEN_ROWS) {
    describe(row.name, () => {
      let image: WrittenImage;
      let result: KernelJobResult;
      before(() => {
        image = images.get(row.name) as WrittenImage;
        result = results.get(row.name) as KernelJobResult;
      });

      it('is the same for lump after mounting it again', () => {
        assertSameTree('mounted again', image.live, image.remounted, FORGOTTEN);
      });

      it('is the same for the kernel', () => {
        expect(result.log).to.equal('');
        assertSameTree('by the kernel', image.remounted, parseListing('first', result.outputs));
      });

      it('gives the kernel no reason to complain', () => {
        const lines = result.dmesg.split('\n');
        expect(
          lines.filter((line) => COMPLAINT.test(line) && !NO_COMPLAINT.test(line)),
        ).to.deep.equal([]);
      });

      it('is left as it was where the kernel wrote elsewhere', () => {
        const second = parseListing('second', result.outputs);
        const isTheirs = ({ path }: TreeEntry): boolean => /^by the kernel(\/|$)/.test(path);
        expect(
          second.filter(isTheirs).map(({ path }) => path.slice('by the kernel/'.length)),
        ).to.deep.equal(KERNEL_NAMES);
        assertSameTree(
          'after the kernel collected it',
          image.remounted,
          second.filter((entry) => !isTheirs(entry)),
          { ignoreAtRoot: ['mtime', 'ctime', 'nlink'] },
        );
      });

      it('is read by lump after the kernel wrote on it', () => {
        const dump = result.outputs.get('second.image') as Buffer;
        const eraseSizeBytes = row.eraseKib * 1024;
        const tree =
          row.byteOrder === 'be'
            ? treeOf(swapByteOrder(dump, 'le', eraseSizeBytes), { eraseSizeBytes, byteOrder: 'be' })
            : treeOf(dump, { eraseSizeBytes });
        assertSameTree('by lump', parseListing('second', result.outputs), tree);
      });
    });
  }
});

function write(
  row: WrittenRow,
  factory: ImageFactory,
  kernelWritten: readonly Recording[],
): WrittenImage {
  const { byteOrder = 'le', options = '', totalKib, eraseKib } = row;
  const eraseSizeBytes = eraseKib * 1024;
  const flash = new Uint8Array(totalKib * 1024).fill(0xff);
  const from = row.grownFrom;
  if (from !== undefined && 'mkfs' in from) {
    const made = IMAGE_ROWS.find(({ name }) => name === from.mkfs);
    if (made === undefined) throw new Error(`no image row "${from.mkfs}"`);
    flash.set(factory.make(made).bytes);
  } else if (from !== undefined) {
    const made = kernelWritten.find(({ scenario }) => scenario.name === from.kernel);
    if (made === undefined) throw new Error(`no scenario "${from.kernel}"`);
    flash.set(made.unmounted.bytes);
  }
  const mounted = mountImage(flash, { eraseSizeBytes, byteOrder, options });
  row.work(mounted);
  const live = ukfsTree(mounted.ukfs);
  mounted.ukfs.unmount();
  expect(mounted.lump.warnings).to.equal(0);
  const bytes = mounted.image();
  return { bytes, live, remounted: treeOf(bytes, { eraseSizeBytes, byteOrder }) };
}

/** Lists the image, writes on it in a folder of its own, lists the outcome from a fresh mount. */
function continueJob(row: WrittenRow, bytes: Uint8Array): KernelJob {
  const flash: GuestFlash = { kind: 'nor', totalKib: row.totalKib, eraseKib: row.eraseKib };
  const { create, load, dump } = flashCommands(flash);
  const image = row.byteOrder === 'be' ? swapByteOrder(bytes, 'be', row.eraseKib * 1024) : bytes;
  return {
    name: row.name,
    timeoutMs: 300_000,
    files: {
      image,
      noise: noise(1 << 20),
      text: text(1 << 20),
      'common.sh': workloadFile('common.sh'),
      'continue.sh': workloadFile('continue.sh'),
    },
    script: [
      create,
      `${load} "$IN/image"`,
      "flash_mount ro || die 'the kernel refuses the image'",
      'list_tree /mnt first',
      'flash_umount',
      "flash_mount || die 'the kernel refuses to write on the image'",
      `WRITE_KIB=${Math.min(2 * row.totalKib, 1500)}`,
      '. "$IN/continue.sh"',
      'flash_umount',
      `${dump} "$OUT/second.image"`,
      create,
      `${load} "$OUT/second.image"`,
      "flash_mount ro || die 'the kernel refuses what it wrote'",
      'list_tree /mnt second',
    ].join('\n'),
  };
}

function norOf(bytes: Uint8Array, eraseKib: number): GuestFlash {
  const blocks = Math.max(Math.ceil(bytes.length / 1024 / eraseKib), 5);
  return { kind: 'nor', totalKib: blocks * eraseKib, eraseKib };
}
