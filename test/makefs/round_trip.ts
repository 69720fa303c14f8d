/** Out of an image with flash_inspect, into another with makefs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLASH_IMAGES_FOLDER, type FlashImage, readFlashImages } from '../images/flash_images.js';
import { projectRoot } from '../images/project.js';
import type { Tree } from '../images/tree.js';
import { make } from './maker.js';

/** Of the images that other programs made: NOR flash in the kernel's byte order. */
export const ROUND_TRIPS: readonly FlashImage[] = readFlashImages().images.filter(
  ({ byteOrder, nand }) => byteOrder === 'le' && nand === undefined,
);

/** Why trees cannot be put on the host as they are, or undefined. */
export const NO_ROUND_TRIPS =
  process.getuid?.() === 0 ? undefined : 'owners, devices and trusted attributes need root';

/** What must be found: access and change times cannot be set on a host; on jffs2 all are one. */
export const roundTripTree = ({ tree }: FlashImage): Tree =>
  tree.map((entry) => ({ ...entry, atime: entry.mtime, ctime: entry.mtime }));

/** The image's tree in a new image of NOR flash, made with everything that extract kept. */
export function roundTrip({ file, eraseSizeBytes }: FlashImage): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'lump-round-trip-'));
  try {
    const tree = join(folder, 'tree');
    const program = join(projectRoot(), 'bin/flash_inspect');
    const image = join(FLASH_IMAGES_FOLDER, file);
    execFileSync(process.execPath, [program, 'extract', image, tree], { stdio: 'pipe' });
    const options = { eraseblock: `${eraseSizeBytes}`, 'with-xattr': true, summary: true } as const;
    return make([tree], { options }).bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
