/**
 * Making images: mkfs.jffs2 of mtd-utils and lump's, on the sample tree and on the one big file,
 * with zlib, lzo and no compression; on one processor and on two. The programs take turns within a
 * round, whole processes, start included; the fastest round counts (others on the machine only ever
 * make a round slower).
 *
 *     node dist/bench/makefs.bench.js [rounds]
 *
 * Needs mkfs.jffs2 and taskset(1). Sources and images lie in memory (/dev/shm) where there is such.
 * Prints a table and, as its last line, JSON.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, sampleBig, sampleTree, writeTree } from './material.js';

const rounds = Number(process.argv[2] ?? 5);
const OURS = fileURLToPath(new URL('../../bin/mkfs.jffs2', import.meta.url));
const PEER = ['/usr/sbin', '/sbin', '/usr/bin']
  .map((folder) => join(folder, 'mkfs.jffs2'))
  .find((path) => existsSync(path));

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

interface Row {
  readonly data: string;
  readonly codec: string;
  readonly megabytes: number;
  /** By contender: milliseconds of the fastest round, and bytes of the image. */
  readonly ms: Record<string, number>;
  readonly image: Record<string, number>;
}

function contenders(peer: string): Contender[] {
  const ours = [process.execPath, OURS];
  return [
    { name: 'mtd-utils', command: [peer] },
    { name: 'lump, 1 core', command: ['taskset', '-c', '0', ...ours] },
    { name: 'lump, 2 cores', command: [...ours, '-j', '2'] },
  ];
}

const CODECS: Readonly<Record<string, readonly string[]>> = {
  zlib: [],
  lzo: ['-X', 'lzo'],
  none: ['-m', 'none'],
};

function run(command: readonly string[], args: readonly string[]): number {
  const [program, ...first] = command as [string, ...string[]];
  const start = performance.now();
  const { status, stderr } = spawnSync(program, [...first, ...args], { encoding: 'utf8' });
  const ms = performance.now() - start;
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return ms;
}

function measure(peer: string): Row[] {
  const memory = '/dev/shm';
  const base = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'lump-bench-'));
  const tree = sampleTree();
  const big = sampleBig();
  writeTree(tree, join(base, 'tree'));
  mkdirSync(join(base, 'big'));
  writeFileSync(join(base, 'big/big'), big);
  const image = join(base, 'image');
  const rows: Row[] = [];
  for (const [data, bytes] of [
    ['tree', bytesOf(tree)],
    ['big', big.length],
  ] as const) {
    for (const [codec, options] of Object.entries(CODECS)) {
      const row: Row = { data, codec, megabytes: bytes / 1e6, ms: {}, image: {} };
      rows.push(row);
      for (let round = 0; round < rounds; round++) {
        for (const { name, command } of contenders(peer)) {
          const ms = run(command, ['-r', join(base, data), '-o', image, ...options]);
          row.ms[name] = Math.min(row.ms[name] ?? Number.POSITIVE_INFINITY, ms);
          row.image[name] = statSync(image).size;
        }
      }
    }
  }
  rmSync(base, { recursive: true });
  return rows;
}

function print(rows: readonly Row[]): void {
  const names = Object.keys(rows[0]!.ms);
  console.log(
    `${''.padEnd(12)}${names.map((name) => `${name}, ms`.padStart(20)).join('')}   image`,
  );
  for (const { data, codec, ms, image } of rows) {
    const peer = ms[names[0]!]!;
    const cells = names.map((name) => {
      const faster = name === names[0] ? '' : ` (${(peer / ms[name]!).toFixed(2)}×)`;
      return `${ms[name]!.toFixed(0)}${faster}`.padStart(20);
    });
    const size = (100 * image[names[1]!]!) / image[names[0]!]!;
    console.log(
      `${`${data} ${codec}`.padEnd(12)}${cells.join('')}${`${size.toFixed(1)} %`.padStart(8)}`,
    );
  }
}

if (PEER === undefined) {
  console.log('nothing to compare with: mkfs.jffs2 is not installed (mtd-utils)');
} else {
  const rows = measure(PEER);
  print(rows);
  console.log(JSON.stringify({ bench: 'makefs', rounds, rows }));
}
