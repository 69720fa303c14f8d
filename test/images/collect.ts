/** Makes a mounted file system collect all of its flash without changing what it holds. */
import { noise } from './material.js';
import type { MountedImage } from './mount.js';
import type { CompareOptions } from './tree.js';

/** A name made and removed in the root changes the root's times, nothing else. */
export const COLLECTED: CompareOptions = { ignoreAtRoot: ['mtime', 'ctime'] };

const NAME = '/passing';

/** Writes and removes a file until three times the flash's size was written. */
export function collectAll({ ukfs, image }: MountedImage): void {
  const bytes = noise(20_000, 9);
  const wanted = 3 * image().length;
  for (let written = 0; written < wanted; written += bytes.length) {
    try {
      ukfs.writeFile(NAME, bytes);
    } catch (error) {
      // A flash without room for it is collected by trying, too.
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
    }
    if (ukfs.exists(NAME)) ukfs.unlink(NAME);
  }
  ukfs.sync();
}
