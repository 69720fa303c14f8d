import { expect } from 'chai';
import { IMAGE_ROWS, ImageFactory } from '../images/images.js';
import { noise, text } from '../images/material.js';
import type { MountedImage } from '../images/mount.js';
import { mountImage } from '../images/mount.js';
import type { ByteOrder } from '../images/swap_byte_order.js';
import { swapByteOrder } from '../images/swap_byte_order.js';
import type { CompareOptions, Tree, TreeEntry } from '../images/tree.js';
import { assertSameTree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import type { GuestFlash, Recording } from './scenarios.js';
import { SCENARIOS, flashCommands, recordScenarios, workloadFile } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, treeOf } from './suite.js';
import { churn, fill, plant, populate } from './workloads.js';

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
  /** Blocks of 4 KiB that lump reports free after mounting again. */
  readonly freeBlocks: number;
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

      it('has as much free space for the kernel', () => {
        const [blockSize, , free] = String(result.outputs.get('first.statfs')).split(' ');
        expect(blockSize).to.equal('4096');
        // Attributes that nobody has any more are dirt to us when mounting. The kernel seems to
        // wait: of an image with 1,664 bytes of them it called at least 917 bytes less free.
        expect(Number(free)).to.be.closeTo(image.freeBlocks, 1);
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
  const again = mountImage(bytes, { eraseSizeBytes, byteOrder, readOnly: true });
  const freeBlocks = again.ukfs.statvfs().f_bfree;
  return { bytes, live, remounted: ukfsTree(again.ukfs), freeBlocks };
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
      'free_space first',
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
