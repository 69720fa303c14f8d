/**
 * What the benchmarks copy: "tree", 2,000 files in 100 directories, 23.65 MB, half text, a quarter
 * noise, a quarter mixed; "big", 64 KiB runs of text and noise in turn. The same bytes every time.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SampleFile {
  /** Relative, as "d7/file107". */
  readonly path: string;
  readonly data: Buffer;
}

const WORDS =
  'the flash erase block of a node is written once and then kept until it is not needed any more by file system or user data in kernel memory page cache write read while this that with from'.split(
    ' ',
  );

/** @returns numbers below a limit, in the same order every time. */
export function lottery(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

type Lottery = ReturnType<typeof lottery>;

function fillText(random: Lottery, buf: Buffer, from: number, to: number): void {
  let at = from;
  while (at < to) {
    const word = `${WORDS[random(WORDS.length)]}${random(12) === 0 ? `\n${random(100000)}` : ' '}`;
    at += buf.write(word, at, to - at, 'latin1');
  }
}

function fillNoise(random: Lottery, buf: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) buf[at] = random(256);
}

/** @param kind 0 and 1: text; 2: noise; 3: KiBs of each in turn. */
function sample(random: Lottery, length: number, kind: number): Buffer {
  const buf = Buffer.alloc(length);
  if (kind < 2) fillText(random, buf, 0, length);
  else if (kind === 2) fillNoise(random, buf, 0, length);
  else {
    for (let at = 0, n = 0; at < length; at += 1024, n++) {
      (n % 2 ? fillNoise : fillText)(random, buf, at, Math.min(length, at + 1024));
    }
  }
  return buf;
}

/** The tree; fewer files for a quick look. */
export function sampleTree(files = 2000): SampleFile[] {
  const random = lottery(12345);
  return Array.from({ length: files }, (_, n) => ({
    path: `d${n % 100}/file${n}`,
    data: sample(random, random(24 * 1024), n % 4),
  }));
}

export const treeDirectories: readonly string[] = Array.from({ length: 100 }, (_, n) => `d${n}`);

export function bytesOf(tree: readonly SampleFile[]): number {
  return tree.reduce((sum, file) => sum + file.data.length, 0);
}

/** The big file. @param bytes a multiple of 64 KiB. */
export function sampleBig(bytes = 64 << 20): Buffer {
  const random = lottery(54321);
  const big = Buffer.alloc(bytes);
  for (let at = 0, n = 0; at < bytes; at += 65536, n++) {
    (n % 2 ? fillNoise : fillText)(random, big, at, at + 65536);
  }
  return big;
}

/** Writes the tree below a directory of the host that does not exist yet. */
export function writeTree(tree: readonly SampleFile[], directory: string): void {
  mkdirSync(directory);
  for (const name of treeDirectories) mkdirSync(join(directory, name));
  for (const file of tree) writeFileSync(join(directory, file.path), file.data);
}
