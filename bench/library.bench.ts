/**
 * jffs2 as a library, on an image file in memory (tmpfs): the operations of a day, a full flash,
 * garbage collection, each beside what Linux 6.1's jffs2 took in the kernel.
 *
 *     node dist/bench/library.bench.js [--quick] [--dir DIR]
 *
 * The kernel was measured on another machine, so each of its figures is scaled by a calibration
 * taken there and here, in the same rounds: deflate and inflate of 4 KiB pieces by
 * node:zlib for what computes, `cp` on tmpfs for what copies. A target is that figure times the
 * factor that we allow ourselves. "First" is the first round, with nothing compiled yet;
 * what counts is the median of the rounds, as for the kernel.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync, inflateSync } from 'node:zlib';
import { mountJffs2, type MountedJffs2, type MountJffs2Options } from '../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../src/ukfs/ukfs.js';
import { median } from './median.js';
import {
  bytesOf,
  lottery,
  sampleBig,
  sampleTree,
  treeDirectories,
  writeTree,
  type SampleFile,
} from './material.js';

const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
};
const quick = args.includes('--quick');
const ROUNDS = quick ? 2 : 5;
const IMAGE_BYTES = 256 << 20;
const ERASE_BYTES = 128 << 10;
const CHUNK = 128 << 10;

// ---- the kernel ---------------------------------------------------------------------------------

/** What the calibrations took on the machine where the kernel was measured, ms. */
const REFERENCE = {
  /** Of 23.65 MB at 62.5 MB/s. */
  deflate: 378,
  /** At 228 MB/s. */
  inflate: 104,
  cpTree: 26,
  cpBig: 28,
} as const;
type Calibration = keyof typeof REFERENCE;

interface KernelFigure {
  /** Linux 6.1's jffs2 on mtdram, its loop inside the kernel. */
  readonly ms: number;
  readonly scale: Calibration;
  /** How many times the kernel's time we may take; without it the figure is for comparison only. */
  readonly allowed?: number;
}

const KERNEL: Readonly<Record<string, KernelFigure>> = {
  'zlib: copy tree in': { ms: 570, scale: 'deflate', allowed: 1 },
  'lzo: copy tree in': { ms: 96, scale: 'deflate', allowed: 2 },
  'none: copy tree in': { ms: 38, scale: 'cpTree', allowed: 2 },
  'zlib: copy big in': { ms: 1316, scale: 'deflate', allowed: 1 },
  'lzo: copy big in': { ms: 243, scale: 'deflate', allowed: 2 },
  'none: copy big in': { ms: 72, scale: 'cpBig', allowed: 2 },
  'zlib: mount (tree)': { ms: 2.3, scale: 'deflate' },
  'zlib: readdir + stat of all, first': { ms: 16, scale: 'deflate', allowed: 2 },
  'zlib: readdir + stat of all, second': { ms: 2, scale: 'deflate', allowed: 2 },
  'zlib: read all, cold': { ms: 131, scale: 'inflate', allowed: 1 / 0.7 },
  'zlib: read all, warm': { ms: 6.8, scale: 'cpTree' },
  'zlib: read big, cold': { ms: 256, scale: 'inflate', allowed: 1 / 0.7 },
  'zlib: remove tree': { ms: 20, scale: 'deflate', allowed: 2 },
  'lzo: remove tree': { ms: 21, scale: 'deflate', allowed: 2 },
  'none: remove tree': { ms: 24, scale: 'deflate', allowed: 2 },
  'full, summaries: mount': { ms: 15.3, scale: 'deflate', allowed: 3 },
  'full, summaries: readdir + stat of all, first': { ms: 249, scale: 'deflate', allowed: 2 },
  'full, summaries: readdir + stat of all, second': { ms: 10, scale: 'deflate', allowed: 2 },
  'full, no summaries: mount': { ms: 31.8, scale: 'deflate', allowed: 4 },
  'full, no summaries: readdir + stat of all, first': { ms: 257, scale: 'deflate', allowed: 2 },
  'full, no summaries: readdir + stat of all, second': { ms: 12, scale: 'deflate', allowed: 2 },
  // 4.0 MB/s.
  'zlib: 2,000 random 4 KiB overwrites, 83 % full': { ms: 2048, scale: 'deflate', allowed: 1 },
};

// ---- measuring ----------------------------------------------------------------------------------

/** Milliseconds of every round, by name, in the order of their first. */
const samples = new Map<string, number[]>();
const sizes = new Map<string, number>();

function time<T>(name: string, action: () => T, bytes?: number): T {
  const start = performance.now();
  const result = action();
  const ms = performance.now() - start;
  const all = samples.get(name);
  if (all) all.push(ms);
  else samples.set(name, [ms]);
  if (bytes !== undefined) sizes.set(name, bytes);
  return result;
}

const medianOf = (name: string): number => median(samples.get(name)!);

interface Row {
  name: string;
  ms: number;
  firstMs: number;
  bytes?: number;
  /** Of the kernel, scaled to this machine. */
  kernelMs?: number;
  targetMs?: number;
}

function rowOf(name: string): Row {
  const row: Row = { name, ms: medianOf(name), firstMs: samples.get(name)![0]! };
  const bytes = sizes.get(name);
  if (bytes !== undefined) row.bytes = bytes;
  const figure = KERNEL[name];
  if (figure) {
    row.kernelMs = (figure.ms * medianOf(`calibration: ${figure.scale}`)) / REFERENCE[figure.scale];
    if (figure.allowed !== undefined) row.targetMs = row.kernelMs * figure.allowed;
  }
  return row;
}

function print(row: Row): void {
  const rate = row.bytes === undefined ? '' : (row.bytes / 1e3 / row.ms).toFixed(0);
  const kernel = row.kernelMs === undefined ? '' : row.kernelMs.toFixed(1);
  const target = row.targetMs === undefined ? '' : row.targetMs.toFixed(1);
  const verdict = row.targetMs === undefined ? '' : row.ms <= row.targetMs ? 'reached' : 'MISSED';
  console.log(
    row.name.padEnd(52) +
      row.ms.toFixed(1).padStart(9) +
      row.firstMs.toFixed(1).padStart(9) +
      rate.padStart(7) +
      kernel.padStart(9) +
      target.padStart(9) +
      `  ${verdict}`,
  );
}

// ---- the file system ----------------------------------------------------------------------------

const base = mkdtempSync(
  join(option('--dir') ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir()), 'lump-bench-'),
);
const IMAGE = join(base, 'flash.bin');

function mount(options: Partial<MountJffs2Options> = {}): MountedJffs2 {
  return mountJffs2({ image: IMAGE, erasesize: ERASE_BYTES, sidecar: false, ...options });
}

function fresh(options: Partial<MountJffs2Options>): MountedJffs2 {
  // Blank flash. (An empty file would do, and grow in the first measurement.)
  rmSync(IMAGE, { force: true });
  const blank = Buffer.alloc(16 << 20, 0xff);
  for (let at = 0; at < IMAGE_BYTES; at += blank.length) writeFileSync(IMAGE, blank, { flag: 'a' });
  return mount(options);
}

function copyTreeIn(u: Ukfs, tree: readonly SampleFile[]): void {
  for (const name of treeDirectories) u.mkdir(`/${name}`);
  for (const file of tree) u.writeFile(`/${file.path}`, file.data);
}

function statAll(u: Ukfs): void {
  for (const dir of u.readdir('/')) {
    if (!u.lstat(`/${dir}`).isDirectory()) continue;
    for (const name of u.readdir(`/${dir}`)) u.lstat(`/${dir}/${name}`);
  }
}

function readAll(u: Ukfs, tree: readonly SampleFile[]): void {
  for (const file of tree) {
    const data = u.readFile(`/${file.path}`);
    if (data.length !== file.data.length) throw new Error(`${file.path} reads ${data.length}`);
  }
}

function removeTree(u: Ukfs, tree: readonly SampleFile[]): void {
  for (const file of tree) u.unlink(`/${file.path}`);
  for (const name of treeDirectories) u.rmdir(`/${name}`);
}

function writeBig(u: Ukfs, big: Buffer): void {
  const fd = u.open('/big', 'w');
  for (let at = 0; at < big.length; at += CHUNK) u.write(fd, big, at, CHUNK, at);
  u.close(fd);
}

function readBig(u: Ukfs, big: Buffer): void {
  const fd = u.open('/big', 'r');
  const buf = Buffer.alloc(CHUNK);
  for (let at = 0; at < big.length; at += CHUNK) u.read(fd, buf, 0, CHUNK, at);
  u.close(fd);
}

// ---- one round ----------------------------------------------------------------------------------

function calibrate(tree: readonly SampleFile[], bigPath: string): void {
  const pieces: Buffer[] = [];
  time(
    'calibration: deflate',
    () => {
      for (const { data } of tree) {
        for (let at = 0; at < data.length; at += 4096) {
          pieces.push(deflateSync(data.subarray(at, at + 4096), { level: 3 }));
        }
      }
    },
    bytesOf(tree),
  );
  time(
    'calibration: inflate',
    () => {
      for (const piece of pieces) inflateSync(piece);
    },
    bytesOf(tree),
  );
  const host = join(base, 'host');
  const copy = join(base, 'copy');
  if (!existsSync(host)) writeTree(tree, host);
  time('calibration: cpTree', () => execFileSync('cp', ['-R', host, copy]), bytesOf(tree));
  rmSync(copy, { recursive: true });
  time('calibration: cpBig', () => execFileSync('cp', [bigPath, copy]));
  rmSync(copy);
}

function day(compr: string, tree: readonly SampleFile[], big: Buffer): void {
  const treeBytes = bytesOf(tree);
  let m = fresh({ compr });
  let u = new Ukfs(m.fs);
  time(`${compr}: copy tree in`, () => copyTreeIn(u, tree), treeBytes);
  m.unmount();
  m = time(`${compr}: mount (tree)`, () => mount({ compr }));
  u = new Ukfs(m.fs);
  time(`${compr}: readdir + stat of all, first`, () => statAll(u));
  time(`${compr}: readdir + stat of all, second`, () => statAll(u));
  time(`${compr}: read all, cold`, () => readAll(u, tree), treeBytes);
  time(`${compr}: read all, warm`, () => readAll(u, tree), treeBytes);
  time(`${compr}: remove tree`, () => removeTree(u, tree));
  time(`${compr}: copy big in`, () => writeBig(u, big), big.length);
  m.unmount();
  m = mount({ compr });
  u = new Ukfs(m.fs);
  time(`${compr}: read big, cold`, () => readBig(u, big), big.length);
  m.unmount();
}

// ---- a full flash -------------------------------------------------------------------------------

interface Memory {
  readonly residentMiB: number;
  readonly pageCacheMiB: number;
  readonly bytesANode: number;
  readonly nodes: number;
}

/** In a process of its own: what the process that has the full flash mounted needs. */
function measureMemory(): Memory {
  const text = execFileSync(
    process.execPath,
    [fileURLToPath(import.meta.url), '--memory', '--image', IMAGE],
    { encoding: 'utf8' },
  );
  return JSON.parse(text) as Memory;
}

function printMemory(image: string): void {
  const m = mountJffs2({ image, erasesize: ERASE_BYTES, sidecar: false });
  statAll(new Ukfs(m.fs));
  const memory: Memory = {
    residentMiB: process.memoryUsage().rss / 2 ** 20,
    pageCacheMiB: m.lump.page_cache.size_bytes / 2 ** 20,
    bytesANode: m.c.refs.byteLength / m.c.refs.count,
    nodes: m.c.refs.count,
  };
  m.unmount();
  console.log(JSON.stringify(memory));
}

function fullFlash(summary: boolean, tree: readonly SampleFile[]): Memory {
  const name = summary ? 'full, summaries' : 'full, no summaries';
  let m = fresh({ compr: 'zlib', summary });
  let u = new Ukfs(m.fs);
  try {
    for (let n = 0; ; n++) {
      const dir = `/d${Math.floor(n / 100)}`;
      if (n % 100 === 0) u.mkdir(dir);
      // 27.6 KB on average, as the kernel had.
      const pieces = [0, 1, 2].map((k) => tree[(n * 3 + k) % tree.length]!.data);
      u.writeFile(`${dir}/f${n}`, Buffer.concat(pieces).subarray(0, 55_000));
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOSPC') throw error;
  }
  m.unmount();
  for (let round = 0; round < ROUNDS; round++) {
    m = time(`${name}: mount`, () => mount());
    u = new Ukfs(m.fs);
    time(`${name}: readdir + stat of all, first`, () => statAll(u));
    time(`${name}: readdir + stat of all, second`, () => statAll(u));
    m.unmount();
  }
  return measureMemory();
}

/** Uniform random overwrites of a 200 MiB file, where garbage must be collected for each. */
function overwrites(compr: string, big: Buffer): void {
  const m = fresh({ compr });
  const u = new Ukfs(m.fs);
  const random = lottery(7);
  // Noise does not compress: the file takes what it is long, and a little more.
  const noise = Buffer.alloc(1 << 20);
  for (let at = 0; at < noise.length; at += 65536) {
    big.copy(noise, at, (at / 65536) * 131072 + 65536, (at / 65536) * 131072 + 131072);
  }
  const fileBytes = quick ? 50 << 20 : 200 << 20;
  const fd = u.open('/random', 'w+');
  for (let at = 0; at < fileBytes; at += CHUNK) u.write(fd, noise, at % noise.length, CHUNK, at);
  const overwrite = (): void => {
    for (let n = 0; n < 2000; n++) {
      u.write(fd, noise, random(noise.length - 4096), 4096, random(fileBytes / 4096) * 4096);
    }
  };
  // Until the free blocks are used up.
  for (let n = 0; n < 8; n++) overwrite();
  for (let round = 0; round < ROUNDS; round++) {
    time(`${compr}: 2,000 random 4 KiB overwrites, 83 % full`, overwrite, 2000 * 4096);
  }
  u.close(fd);
  m.unmount();
}

function main(): void {
  const tree = sampleTree(quick ? 500 : 2000);
  const big = sampleBig(quick ? 16 << 20 : 64 << 20);
  const bigPath = join(base, 'big');
  writeFileSync(bigPath, big);
  for (let round = 0; round < ROUNDS; round++) {
    calibrate(tree, bigPath);
    for (const compr of ['zlib', 'lzo', 'none']) day(compr, tree, big);
  }
  const memory = { summaries: fullFlash(true, tree), noSummaries: fullFlash(false, tree) };
  for (const compr of ['zlib', 'none']) overwrites(compr, big);

  console.log(
    `${''.padEnd(52)}${'ms'.padStart(9)}${'first'.padStart(9)}${'MB/s'.padStart(7)}` +
      `${'kernel'.padStart(9)}${'target'.padStart(9)}`,
  );
  const rows = [...samples.keys()].map(rowOf);
  for (const row of rows) print(row);
  for (const [name, m] of Object.entries(memory)) {
    console.log(
      `full, ${name}: ${m.residentMiB.toFixed(0)} MiB resident, ` +
        `${m.pageCacheMiB.toFixed(0)} of them page cache; ` +
        `${m.bytesANode.toFixed(1)} bytes for each of ${m.nodes} nodes`,
    );
  }
  const missed = rows.filter((row) => row.targetMs !== undefined && row.ms > row.targetMs);
  console.log(`${missed.length} targets missed`);
  console.log(JSON.stringify({ bench: 'library', rounds: ROUNDS, rows, memory }));
}

try {
  if (args.includes('--memory')) printMemory(option('--image')!);
  else main();
} finally {
  rmSync(base, { recursive: true, force: true });
}
