/**
 * Makes flash-images/ anew: images by mkfs.jffs2, sumtool and the Linux kernel, and the manifest
 * that says how each was made and what the kernel finds in it. Needs mtd-utils, attr, acl and the
 * kernel judge's packages (node dist/scripts/kernel-setup.js). Run after `npm run build`:
 *
 *   node dist/scripts/make-flash-images.js
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEMO_DEVICE_TABLE, addDemoXattrs, makeDemoTree } from '../test/images/demo_tree.js';
import type { FlashImage, FlashImageManifest } from '../test/images/flash_images.js';
import { FLASH_IMAGES_FOLDER } from '../test/images/flash_images.js';
import { swapByteOrder } from '../test/images/swap_byte_order.js';
import { sha256 } from '../test/images/tree.js';
import { findKernel, findProgram } from '../test/kernel/initramfs.js';
import { parseListing } from '../test/kernel/listing.js';
import type { KernelJobResult } from '../test/kernel/qemu.js';
import { judgeUnavailable, runBatch } from '../test/kernel/qemu.js';
import type { GuestFlash, Scenario } from '../test/kernel/scenarios.js';
import { listImageJob, recordScenarios } from '../test/kernel/scenarios.js';

interface Recipe {
  readonly file: string;
  readonly description: string;
  readonly byteOrder: 'le' | 'be';
  readonly eraseKib: number;
  readonly mkfs: readonly string[];
  readonly sumtool?: boolean;
  readonly xattrs?: boolean;
  /** Times of the run in what the device table adds; without, all times are 0. */
  readonly times?: boolean;
}

const RECIPES: readonly Recipe[] = [
  {
    file: 'demo.jffs2',
    byteOrder: 'le',
    eraseKib: 64,
    mkfs: ['--pad=786432'],
    times: true,
    description: 'A small router, zlib, with eleven of twelve erase blocks free to write to',
  },
  {
    file: 'big-endian.jffs2',
    byteOrder: 'be',
    eraseKib: 8,
    mkfs: [],
    description: 'The same tree as a big-endian machine holds it, in erase blocks of 8 KiB',
  },
  {
    file: 'summary.jffs2',
    byteOrder: 'le',
    eraseKib: 16,
    mkfs: [],
    sumtool: true,
    description: 'With erase block summaries',
  },
  {
    file: 'lzo.jffs2',
    byteOrder: 'le',
    eraseKib: 64,
    mkfs: ['-x', 'zlib', '-X', 'lzo'],
    description: 'Compressed with LZO',
  },
  {
    file: 'xattrs.jffs2',
    byteOrder: 'be',
    eraseKib: 64,
    mkfs: ['--with-xattr'],
    xattrs: true,
    description: 'Extended attributes and POSIX ACLs, big-endian',
  },
];

const KERNEL_SCENARIOS: readonly (Scenario & { file: string; description: string })[] = [
  {
    name: 'flash image kernel.jffs2',
    file: 'kernel.jffs2',
    workload: 'churn',
    flash: { kind: 'nor', totalKib: 128, eraseKib: 8 },
    variables: { KEEP_KIB: 16, WRITE_KIB: 400, SEED: 31 },
    description: 'Written by the kernel, three times its size, so that every block was collected',
  },
  {
    name: 'flash image kernel-xattrs.jffs2',
    file: 'kernel-xattrs.jffs2',
    workload: 'replace',
    flash: { kind: 'nor', totalKib: 128, eraseKib: 8 },
    description: 'Written by the kernel: attributes replaced and removed many times',
  },
  {
    name: 'flash image kernel-nand.bin',
    file: 'kernel-nand.bin',
    workload: 'small',
    flash: {
      kind: 'nand',
      pageSizeBytes: 512,
      oobSizeBytes: 16,
      eraseKib: 16,
      parameters: 'first_id_byte=0x20 second_id_byte=0x33 overridesize=3',
    },
    description: 'Written by the kernel to small-page NAND, pages and OOB',
  },
];

async function main(): Promise<void> {
  const reason = judgeUnavailable();
  if (reason !== undefined) throw new Error(`the kernel judge cannot run: ${reason}`);
  const made = RECIPES.map(makeByMkfs);
  const listings = await runBatch(
    made.map(({ recipe, bytes }) =>
      listImageJob(
        recipe.file,
        norFor(bytes, recipe.eraseKib),
        recipe.byteOrder === 'le' ? bytes : swapByteOrder(bytes, 'be', recipe.eraseKib * 1024),
      ),
    ),
  );
  const images: FlashImage[] = made.map(({ recipe, bytes, commands }) => {
    const { file, description, byteOrder, eraseKib } = recipe;
    const { outputs, log } = listings.get(file) as KernelJobResult;
    if (!outputs.has('tree.stat')) throw new Error(`the kernel refuses ${file}: ${log}`);
    return {
      file,
      description,
      commands,
      reproducible: recipe.times !== true,
      sha256: keep(file, bytes),
      byteOrder,
      eraseSizeBytes: eraseKib * 1024,
      tree: parseListing('tree', outputs),
    };
  });
  images.push(...(await makeByKernel()));
  writeManifest({
    kernel: findKernel()?.release ?? '',
    mtdUtils: mtdUtilsVersion(),
    images,
  });
}

function makeByMkfs(recipe: Recipe): { recipe: Recipe; bytes: Buffer; commands: string[] } {
  const work = mkdtempSync(join(tmpdir(), 'lump-flash-images-'));
  try {
    mkdirSync(join(work, 'FOLDER'));
    makeDemoTree(join(work, 'FOLDER'));
    if (recipe.xattrs === true) addDemoXattrs(join(work, 'FOLDER'));
    writeFileSync(join(work, 'TABLE'), DEMO_DEVICE_TABLE);
    const order = recipe.byteOrder === 'le' ? '-l' : '-b';
    const block = `${recipe.eraseKib}KiB`;
    const commands: string[][] = [
      [
        'mkfs.jffs2',
        '-r',
        'FOLDER',
        '-o',
        recipe.file,
        '-e',
        block,
        order,
        '-q',
        '-f',
        '-D',
        'TABLE',
        ...recipe.mkfs,
      ],
    ];
    if (recipe.sumtool === true) {
      (commands[0] as string[])[4] = 'plain.jffs2';
      commands.push(['sumtool', '-i', 'plain.jffs2', '-o', recipe.file, '-e', block, order]);
    }
    for (const [name, ...args] of commands as [string, ...string[]][]) {
      execFileSync(findProgram(name) ?? name, args, { cwd: work, stdio: 'pipe' });
    }
    const bytes = readFileSync(join(work, recipe.file));
    return { recipe, bytes, commands: commands.map((words) => words.join(' ')) };
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function makeByKernel(): Promise<FlashImage[]> {
  const recordings = await recordScenarios(KERNEL_SCENARIOS);
  return recordings.map(({ unmounted }, index): FlashImage => {
    const { file, description, flash, workload, variables } = KERNEL_SCENARIOS[
      index
    ] as (typeof KERNEL_SCENARIOS)[number];
    const settings = Object.entries(variables ?? {})
      .map(([key, n]) => `${key}=${n}`)
      .join(' ');
    return {
      file,
      description,
      commands: [`test/kernel/workloads/${workload}.sh ${settings}`.trim()],
      reproducible: false,
      sha256: keep(file, unmounted.bytes),
      byteOrder: 'le',
      eraseSizeBytes: flash.eraseKib * 1024,
      ...(flash.kind === 'nand'
        ? { nand: { pageSizeBytes: flash.pageSizeBytes, oobSizeBytes: flash.oobSizeBytes } }
        : {}),
      tree: unmounted.tree,
    };
  });
}

function norFor(bytes: Uint8Array, eraseKib: number): GuestFlash {
  const blocks = Math.max(Math.ceil(bytes.length / 1024 / eraseKib), 5);
  return { kind: 'nor', totalKib: blocks * eraseKib, eraseKib };
}

function keep(file: string, bytes: Uint8Array): string {
  writeFileSync(join(FLASH_IMAGES_FOLDER, file), bytes);
  console.log(`${file}: ${bytes.length} bytes`);
  return sha256(bytes);
}

function mtdUtilsVersion(): string {
  const text = execFileSync(findProgram('mkfs.jffs2') ?? 'mkfs.jffs2', ['-V'], {
    encoding: 'utf8',
  });
  return /[0-9]+(\.[0-9]+)+/.exec(text)?.[0] ?? '';
}

/** Entries one per line. */
function writeManifest(manifest: FlashImageManifest): void {
  const image = ({ tree, ...facts }: FlashImage): string => {
    const entries = tree.map((entry) => `      ${JSON.stringify(entry)}`).join(',\n');
    const head = JSON.stringify(facts, null, 2).slice(0, -2).replaceAll('\n', '\n    ');
    return `    ${head},\n      "tree": [\n${entries}\n      ]\n    }`;
  };
  const { images, ...facts } = manifest;
  const head = JSON.stringify(facts, null, 2).slice(0, -2);
  const text = `${head},\n  "images": [\n${images.map(image).join(',\n')}\n  ]\n}\n`;
  JSON.parse(text);
  writeFileSync(join(FLASH_IMAGES_FOLDER, 'manifest.json'), text);
}

await main();
