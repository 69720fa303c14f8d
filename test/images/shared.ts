/**
 * Images from the field, made by other programs and kept outside the repository, and a manifest of
 * what the Linux kernel finds in them (test/images/shared.manifest.json, recorded by
 * scripts/kernel-record-shared.ts). The folder is the one that LUMP_SHARED names, or shared/images
 * beside the checkout.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.js';
import type { Tree } from './tree.js';

/** The kernel's answer to one image under one erase size. */
export interface SharedVerdict {
  readonly eraseKib: number;
  /** False: the kernel refuses the image as it is. */
  readonly mounts: boolean;
  /** What it lists, of a big-endian image in its twin that swap_byte_order.ts makes. */
  readonly tree?: Tree;
  /** Instead of `tree`: the erase size of this image that has the same tree. */
  readonly treeOf?: number;
}

export interface SharedImage {
  readonly file: string;
  readonly sha256: string;
  readonly byteOrder: 'le' | 'be';
  readonly verdicts: readonly SharedVerdict[];
}

export interface SharedManifest {
  /** Release of the kernel that was asked. */
  readonly kernel: string;
  readonly images: readonly SharedImage[];
}

const MANIFEST = join(projectRoot(), 'test', 'images', 'shared.manifest.json');

/** The folder with the images, or undefined when it is not there. */
export function sharedFolder(): string | undefined {
  const folder = process.env['LUMP_SHARED'] ?? join(projectRoot(), '..', 'shared', 'images');
  return existsSync(folder) ? folder : undefined;
}

export function readSharedManifest(): SharedManifest {
  return JSON.parse(readFileSync(MANIFEST, 'utf8')) as SharedManifest;
}

/** One entry per line, so that a change of the manifest can be read. */
export function writeSharedManifest(manifest: SharedManifest): void {
  const verdict = (v: SharedVerdict): string => {
    const { tree, ...rest } = v;
    if (tree === undefined) return JSON.stringify(rest);
    const entries = tree.map((entry) => `    ${JSON.stringify(entry)}`).join(',\n');
    return `${JSON.stringify(rest).slice(0, -1)},"tree":[\n${entries}]}`;
  };
  const images = manifest.images.map(({ verdicts, ...rest }) =>
    `  ${JSON.stringify(rest).slice(0, -1)},"verdicts":[\n   ${
      verdicts.map(verdict).join(',\n   ')}]}`);
  writeFileSync(MANIFEST, `{"kernel":${JSON.stringify(manifest.kernel)},"images":[\n${
    images.join(',\n')}]}\n`);
}

/** The tree that a verdict states, directly or by reference; undefined when there is none. */
export function verdictTree(image: SharedImage, verdict: SharedVerdict): Tree | undefined {
  if (verdict.treeOf === undefined) return verdict.tree;
  return image.verdicts.find((other) => other.eraseKib === verdict.treeOf)?.tree;
}
