/** What the suites of this folder share. */
import { expect } from 'chai';
import type { MountImageOptions } from '../images/mount.js';
import { mountImage } from '../images/mount.js';
import type { Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { judgeUnavailable } from './qemu.js';
import type { GuestFlash } from './scenarios.js';

/** For a batch of jobs; recording all scenarios takes minutes where .cache/ has none of them. */
export const BATCH_TIMEOUT_MS = 1_800_000;

/** Ends a suite aloud where the judge cannot run. */
export function needsJudge(context: Mocha.Context): void {
  const reason = judgeUnavailable();
  if (reason === undefined) return;
  console.log(`      skipped: the kernel judge cannot run here: ${reason}`);
  context.skip();
}

/**
 * What lump finds in an image that it must not change.
 * @param torn a page may have been under way when the power went, whose ECC is wrong then.
 */
export function treeOf(
  image: Uint8Array,
  options: Omit<MountImageOptions, 'readOnly'>,
  torn = false,
): Tree {
  const mounted = mountImage(image, { ...options, readOnly: true });
  const tree = ukfsTree(mounted.ukfs);
  mounted.ukfs.unmount();
  expect(mounted.lump.warnings).to.equal(0);
  if (torn) return tree;
  // What is on the flash is right bit by bit, ECC included.
  const { corrected, failed } = mounted.mtd.ecc_stats;
  expect({ corrected, failed }).to.deep.equal({ corrected: 0, failed: 0 });
  return tree;
}

/** The flash that an image of mkfs.jffs2 is put on. */
export function norOf(bytes: Uint8Array, eraseKib: number): GuestFlash {
  const blocks = Math.max(Math.ceil(bytes.length / 1024 / eraseKib), 5);
  return { kind: 'nor', totalKib: blocks * eraseKib, eraseKib };
}
