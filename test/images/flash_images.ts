/** The images in flash-images/ and their manifest, which scripts/make-flash-images.ts writes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.js';
import type { Tree } from './tree.js';

export interface FlashImage {
  readonly file: string;
  readonly description: string;
  /** The exact commands; FOLDER is the demo tree, TABLE its device table. */
  readonly commands: readonly string[];
  /** False where the maker puts in times or random numbers: another run gives other bytes. */
  readonly reproducible: boolean;
  readonly sha256: string;
  readonly byteOrder: 'le' | 'be';
  readonly eraseSizeBytes: number;
  /** NAND only: the file holds each page followed by its OOB bytes. */
  readonly nand?: { readonly pageSizeBytes: number; readonly oobSizeBytes: number };
  /** What the Linux kernel lists (big-endian: in the little-endian twin). */
  readonly tree: Tree;
}

export interface FlashImageManifest {
  /** Release of the kernel and version of mtd-utils that made and listed the images. */
  readonly kernel: string;
  readonly mtdUtils: string;
  readonly images: readonly FlashImage[];
}

export const FLASH_IMAGES_FOLDER = join(projectRoot(), 'flash-images');

export function readFlashImages(): FlashImageManifest {
  const text = readFileSync(join(FLASH_IMAGES_FOLDER, 'manifest.json'), 'utf8');
  return JSON.parse(text) as FlashImageManifest;
}
