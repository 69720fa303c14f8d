/**
 * Asks the Linux kernel what is in each image of the shared folder and writes
 * test/images/shared.manifest.jsonl. Run after `npm run build`:
 *
 *   node dist/scripts/kernel-record-shared.js
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SharedImage, SharedVerdict } from '../test/images/shared.js';
import { sharedFolder, writeSharedManifest } from '../test/images/shared.js';
import { swapByteOrder } from '../test/images/swap_byte_order.js';
import { sha256 } from '../test/images/tree.js';
import { findKernel } from '../test/kernel/initramfs.js';
import { parseListing } from '../test/kernel/listing.js';
import { judgeUnavailable, runBatch } from '../test/kernel/qemu.js';
import type { KernelJob, KernelJobResult } from '../test/kernel/qemu.js';
import { listImageJob } from '../test/kernel/scenarios.js';

/** The size that all images were made for, then two wrong ones: damage of a kind of its own. */
const ERASE_KIB = [64, 16, 256] as const;
/** Large trees are recorded under the right erase size only. */
const LARGE_TREE_ENTRIES = 40;
async function main(): Promise<void> {
  const folder = sharedFolder();
  if (folder === undefined) throw new Error('no shared images: set LUMP_SHARED to their folder');
  const reason = judgeUnavailable();
  if (reason !== undefined) throw new Error(`the kernel judge cannot run: ${reason}`);

  const images = readdirSync(folder)
    .sort()
    .map(
      (
        file,
      ): Omit<SharedImage, 'verdicts'> & {
        readonly image: Buffer;
      } => {
        const image = readFileSync(join(folder, file));
        return { file, image, sha256: sha256(image), byteOrder: isBigEndian(image) ? 'be' : 'le' };
      },
    );
  const results = await runBatch(
    images.flatMap(({ file, image, byteOrder }) =>
      ERASE_KIB.flatMap((eraseKib) => [
        job(jobName(file, eraseKib), image, eraseKib),
        // What is in a big-endian image, the kernel says of its little-endian twin.
        ...(byteOrder === 'le'
          ? []
          : [job(twinName(file, eraseKib), swapByteOrder(image, 'be', eraseKib * 1024), eraseKib)]),
      ]),
    ),
  );
  const recorded = images.map(
    ({ image: _, ...facts }): SharedImage => ({
      ...facts,
      verdicts: verdicts(facts.file, results),
    }),
  );
  writeSharedManifest({ kernel: findKernel()?.release ?? '', images: recorded });
  for (const { file, verdicts: found } of recorded) {
    const words = found.map(
      (v) => `${v.eraseKib} KiB: ${v.tree === undefined ? 'the same' : `${v.tree.length} entries`}`,
    );
    console.log(`${file}: ${words.join(', ')}`);
  }
}

function jobName(file: string, eraseKib: number): string {
  return `${file} with ${eraseKib} KiB`;
}

function twinName(file: string, eraseKib: number): string {
  return `little-endian twin of ${jobName(file, eraseKib)}`;
}

function job(name: string, image: Uint8Array, eraseKib: number): KernelJob {
  const totalKib = Math.max(Math.ceil(image.length / 1024 / eraseKib), 5) * eraseKib;
  return listImageJob(name, { kind: 'nor', totalKib, eraseKib }, image);
}

function verdicts(file: string, results: ReadonlyMap<string, KernelJobResult>): SharedVerdict[] {
  const found: SharedVerdict[] = [];
  for (const eraseKib of ERASE_KIB) {
    const own = results.get(jobName(file, eraseKib)) as KernelJobResult;
    const readable = results.get(twinName(file, eraseKib)) ?? own;
    if (readable.status !== 0) {
      found.push({ eraseKib, mounts: false });
      continue;
    }
    const tree = parseListing('tree', readable.outputs);
    const same = found.find((other) => JSON.stringify(other.tree) === JSON.stringify(tree));
    if (same === undefined && found.length > 0 && tree.length > LARGE_TREE_ENTRIES) continue;
    const contents = same === undefined ? { tree } : { treeOf: same.eraseKib };
    found.push({ eraseKib, mounts: own.status === 0, ...contents });
  }
  return found;
}

/** Counts node magics of both orders at the places where nodes may start. */
function isBigEndian(image: Buffer): boolean {
  let little = 0;
  let big = 0;
  for (let at = 0; at + 4 <= image.length; at += 4) {
    const magic = image.readUInt16LE(at);
    if (magic === 0x1985) little++;
    if (magic === 0x8519) big++;
  }
  return big > little;
}

await main();
