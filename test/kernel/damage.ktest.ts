import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../../src/rumpuser/prng.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { noise } from '../images/material.js';
import type { Tree } from '../images/tree.js';
import { assertSameTree } from '../images/tree.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { listImageJob } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, norOf, treeOf } from './suite.js';

const SEEDS =
  process.env.LUMP_SEED === undefined
    ? Array.from({ length: Number(process.env.LUMP_SEEDS ?? 4) }, (_, index) => index + 1)
    : [Number(process.env.LUMP_SEED)];

const SUMMARY_MARKER_BYTES = 8;

interface DamagedImage {
  readonly name: string;
  readonly eraseSizeBytes: number;
  readonly bytes: Buffer;
}

/** Ways in which flash goes bad. */
const DAMAGES: Readonly<Record<string, (bytes: Buffer, random: Prng, block: number) => void>> = {
  'flipped bits': (bytes, random) => {
    for (let i = 0; i < 20; i++) {
      const at = usedOffset(bytes, random);
      bytes[at] = bytes[at]! ^ (1 << random.below(8));
    }
  },
  'cleared bits': (bytes, random) => {
    for (let i = 0; i < 20; i++) {
      const at = usedOffset(bytes, random);
      bytes[at] = bytes[at]! & random.below(256);
    }
  },
  'a range of zeros': (bytes, random) => {
    const at = usedOffset(bytes, random);
    bytes.fill(0, at, at + 1 + random.below(3000));
  },
  'an erased range': (bytes, random) => {
    const at = usedOffset(bytes, random);
    bytes.fill(0xff, at, at + 1 + random.below(3000));
  },
  'a range of noise': (bytes, random) => {
    const at = usedOffset(bytes, random);
    bytes.set(noise(Math.min(1 + random.below(3000), bytes.length - at), random.below(1e6)), at);
  },
  'blocks in another order': (bytes, random, block) => {
    const blocks = bytes.length / block;
    for (let i = blocks - 1; i > 0; i--) swapBlocks(bytes, block, i, random.below(i + 1));
  },
  'a block twice': (bytes, random, block) => {
    const from = random.below(bytes.length / block) * block;
    const to = random.below(bytes.length / block) * block;
    bytes.copyWithin(to, from, from + block);
  },
  // Not with a summary that speaks of the other block's nodes: by it Linux gives files the data of
  // others, where lump sees that the lengths do not agree.
  'half of another block': (bytes, random, block) => {
    const from = random.below(bytes.length / block) * block;
    const to = random.below(bytes.length / block) * block;
    bytes.copyWithin(to + block / 2, from + block / 2, from + block);
    bytes.fill(0, to + block - SUMMARY_MARKER_BYTES, to + block);
  },
};

describe('a damaged image is to lump what it is to the kernel', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const images = damagedImages();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    results = await runBatch(images.map(job));
  });

  for (const image of images) {
    it(image.name, () => {
      const result = results.get(image.name) as KernelJobResult;
      const theirs = result.status === 0 ? parseListing('tree', result.outputs) : undefined;
      const ours = treeOrRefusal(image);
      if (theirs === undefined || typeof ours === 'string') {
        const words = theirs === undefined ? 'refused' : `mounted: ${theirs.length} entries`;
        const own = typeof ours === 'string' ? 'refused' : `mounted: ${ours.length} entries`;
        if (words !== own) throw new Error(`by the kernel ${words}, by lump ${own} (${ours})`);
        return;
      }
      assertSameTree('by lump', theirs, ours);
    });
  }
});

function treeOrRefusal({ bytes, eraseSizeBytes }: DamagedImage): Tree | string {
  try {
    return treeOf(bytes, { eraseSizeBytes });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined) throw error;
    return message;
  }
}

function damagedImages(): DamagedImage[] {
  const images: DamagedImage[] = [];
  for (const { file, eraseSizeBytes, byteOrder, nand } of readFlashImages().images) {
    if (byteOrder !== 'le' || nand !== undefined || file === 'demo.jffs2') continue;
    const original = readFileSync(join(FLASH_IMAGES_FOLDER, file));
    const blocks = Math.max(5, Math.ceil(original.length / eraseSizeBytes));
    for (const [kind, damage] of Object.entries(DAMAGES)) {
      for (const seed of SEEDS) {
        const bytes = Buffer.alloc(blocks * eraseSizeBytes, 0xff);
        bytes.set(original);
        damage(bytes, new Prng(seed), eraseSizeBytes);
        images.push({ name: `${file}, ${kind}, seed ${seed}`, eraseSizeBytes, bytes });
      }
    }
  }
  return images;
}

function job({ name, bytes, eraseSizeBytes }: DamagedImage): KernelJob {
  return listImageJob(name, norOf(bytes, eraseSizeBytes / 1024), bytes);
}

function usedOffset(bytes: Buffer, random: Prng): number {
  for (;;) {
    const at = random.below(bytes.length);
    if (bytes[at] !== 0xff) return at;
  }
}

function swapBlocks(bytes: Buffer, block: number, a: number, b: number): void {
  const kept = Buffer.from(bytes.subarray(a * block, (a + 1) * block));
  bytes.copyWithin(a * block, b * block, (b + 1) * block);
  bytes.set(kept, b * block);
}
