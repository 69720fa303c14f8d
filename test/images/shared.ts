/**
 * Images from the field, made by other programs and kept outside the repository, and a manifest of
 * what the Linux kernel finds in them (test/images/shared.manifest.jsonl, recorded by
 * scripts/kernel-record-shared.ts). The folder is the one that LUMP_SHARED names, or shared/images
 * beside the checkout.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.js';
import type { Tree, TreeEntry } from './tree.js';

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

const MANIFEST = join(projectRoot(), 'test', 'images', 'shared.manifest.jsonl');

/** The folder with the images, or undefined when it is not there. */
export function sharedFolder(): string | undefined {
  const folder = process.env.LUMP_SHARED ?? join(projectRoot(), '..', 'shared', 'images');
  return existsSync(folder) ? folder : undefined;
}

/**
 * The manifest's lines are JSON objects, so that a change of it can be read: the kernel, then each
 * image followed by its verdicts, each verdict followed by the entries of its tree.
 */
export function readSharedManifest(): SharedManifest {
  const [head, ...lines] = readFileSync(MANIFEST, 'utf8').trimEnd().split('\n');
  type Growing = Omit<SharedVerdict, 'tree'> & { tree?: TreeEntry[] };
  const images: (Omit<SharedImage, 'verdicts'> & { verdicts: Growing[] })[] = [];
  for (const line of lines) {
    const record = JSON.parse(line);
    if ('file' in record) images.push({ ...record, verdicts: [] });
    else if ('eraseKib' in record) images.at(-1)?.verdicts.push(record);
    else {
      const verdict = images.at(-1)?.verdicts.at(-1);
      if (verdict === undefined) throw new Error(`an entry outside of a tree: ${line}`);
      verdict.tree ??= [];
      verdict.tree.push(record);
    }
  }
  return { ...JSON.parse(head as string), images };
}

export function writeSharedManifest({ images, ...head }: SharedManifest): void {
  const records = images.flatMap(({ verdicts, ...image }) => [
    image,
    ...verdicts.flatMap(({ tree = [], ...verdict }) => [verdict, ...tree]),
  ]);
  const lines = [head, ...records].map((record) => `${JSON.stringify(record)}\n`);
  writeFileSync(MANIFEST, lines.join(''));
}

/** The tree that a verdict states, directly or by reference; undefined when there is none. */
export function verdictTree(image: SharedImage, verdict: SharedVerdict): Tree | undefined {
  if (verdict.treeOf === undefined) return verdict.tree;
  return image.verdicts.find((other) => other.eraseKib === verdict.treeOf)?.tree;
}
