/**
 * jffs2 as a library: the operations of a day, on an image file, with calibrations taken in the
 * same run (the codec alone, the same copies on the host's own file system), so that ratios can be
 * compared with those of other machines. Data as the kernel was measured with: "tree", 2,000 files
 * of 0–32 KiB in 100 directories, half text, a quarter random, a quarter mixed; "big", one 64 MiB
 * file.
 *
 *     node dist/bench/library.bench.js [--quick] [--dir DIR] [--json FILE]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { mountJffs2, type MountedJffs2, type MountJffs2Options } from '../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../src/ukfs/ukfs.js';

const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
};
const quick = args.includes('--quick');
const base = mkdtempSync(join(option('--dir') ?? tmpdir(), 'lump-bench-'));
const IMAGE = join(base, 'flash.bin');
const IMAGE_BYTES = 256 << 20;
const ERASE_BYTES = 128 << 10;
const BIG_BYTES = quick ? 16 << 20 : 64 << 20;
const FILES = quick ? 500 : 2000;
const BLANK = Buffer.alloc(16 << 20, 0xff);

// ---- data ---------------------------------------------------------------------------------------

let seed = 12345;
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
};
const WORDS =
  'the flash erase block of a node is written once and then kept until it is not needed any more by file system or user data in kernel memory page cache write read while this that with from'.split(
    ' ',
  );

function text(buf: Buffer, from: number, to: number): void {
  let at = from;
  while (at < to) {
    const word = `${WORDS[random(WORDS.length)]}${random(12) === 0 ? `\n${random(100000)}` : ' '}`;
    at += buf.write(word, at, to - at, 'latin1');
  }
}

function noise(buf: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) buf[at] = random(256);
}

function sample(length: number, kind: number): Buffer {
  const buf = Buffer.alloc(length);
  if (kind < 2) text(buf, 0, length);
  else if (kind === 2) noise(buf, 0, length);
  else {
    for (let at = 0, n = 0; at < length; at += 1024, n++) {
      (n % 2 ? noise : text)(buf, at, Math.min(length, at + 1024));
    }
  }
  return buf;
}

interface SampleFile {
  path: string;
  data: Buffer;
}
const tree: SampleFile[] = [];
for (let n = 0; n < FILES; n++) {
  tree.push({ path: `d${n % 100}/file${n}`, data: sample(random(24 * 1024), n % 4) });
}
const treeBytes = tree.reduce((sum, file) => sum + file.data.length, 0);
const big = Buffer.alloc(BIG_BYTES);
for (let at = 0, n = 0; at < BIG_BYTES; at += 65536, n++)
  (n % 2 ? noise : text)(big, at, at + 65536);

// ---- measuring ----------------------------------------------------------------------------------

interface Row {
  name: string;
  ms: number;
  /** User and system time: what counts on a machine that others use too. */
  cpuMs: number;
  bytes?: number;
}
const rows: Row[] = [];

function time(name: string, action: () => void, bytes?: number): number {
  const cpu = process.cpuUsage();
  const start = performance.now();
  action();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const cpuMs = (user + system) / 1000;
  rows.push({ name, ms, cpuMs, ...(bytes !== undefined && { bytes }) });
  const rate = bytes === undefined ? '' : `${(bytes / 1e3 / cpuMs).toFixed(0)} MB/s of CPU`;
  process.stdout.write(
    `${name.padEnd(60)} ${ms.toFixed(1).padStart(9)} ms ${cpuMs.toFixed(1).padStart(9)} ms CPU  ${rate}\n`,
  );
  return ms;
}

function mount(options: Partial<MountJffs2Options> = {}): MountedJffs2 {
  return mountJffs2({ image: IMAGE, erasesize: ERASE_BYTES, sidecar: false, ...options });
}

function fresh(options: Partial<MountJffs2Options>): MountedJffs2 {
  // Blank flash. (An empty file would do, and grow in the first measurement.)
  rmSync(IMAGE, { force: true });
  for (let at = 0; at < IMAGE_BYTES; at += BLANK.length) writeFileSync(IMAGE, BLANK, { flag: 'a' });
  return mount(options);
}

function copyTreeIn(u: Ukfs): void {
  for (let n = 0; n < 100; n++) u.mkdir(`/d${n}`);
  for (const file of tree) u.writeFile(`/${file.path}`, file.data);
}

function statAll(u: Ukfs): void {
  for (const dir of u.readdir('/')) {
    if (!u.lstat(`/${dir}`).isDirectory()) continue;
    for (const name of u.readdir(`/${dir}`)) u.lstat(`/${dir}/${name}`);
  }
}

function readAll(u: Ukfs): void {
  for (const file of tree) {
    const data = u.readFile(`/${file.path}`);
    if (data.length !== file.data.length) throw new Error(`${file.path} reads ${data.length}`);
  }
}

function writeBig(u: Ukfs): void {
  const fd = u.open('/big', 'w');
  for (let at = 0; at < big.length; at += 131072) u.write(fd, big, at, 131072, at);
  u.close(fd);
}

function readBig(u: Ukfs): void {
  const fd = u.open('/big', 'r');
  const buf = Buffer.alloc(131072);
  for (let at = 0; at < big.length; at += 131072) u.read(fd, buf, 0, 131072, at);
  u.close(fd);
}

// ---- calibration --------------------------------------------------------------------------------

time(
  'calibration: deflate level 3 of the tree, 4 KiB chunks',
  () => {
    for (const { data } of tree) {
      for (let at = 0; at < data.length; at += 4096) {
        deflateSync(data.subarray(at, at + 4096), { level: 3 });
      }
    }
  },
  treeBytes,
);
const hostDir = join(base, 'host');
time(
  'calibration: tree in, host file system',
  () => {
    mkdirSync(hostDir);
    for (let n = 0; n < 100; n++) mkdirSync(join(hostDir, `d${n}`));
    for (const file of tree) writeFileSync(join(hostDir, file.path), file.data);
  },
  treeBytes,
);
time(
  'calibration: read all of tree, host file system',
  () => {
    for (const file of tree) readFileSync(join(hostDir, file.path));
  },
  treeBytes,
);
rmSync(hostDir, { recursive: true });

// ---- jffs2 --------------------------------------------------------------------------------------

for (const compr of ['zlib', 'lzo', 'none']) {
  let m = fresh({ compr });
  let u = new Ukfs(m.fs);
  time(`${compr}: copy tree in`, () => copyTreeIn(u), treeBytes);
  m.unmount();
  time(`${compr}: mount (tree)`, () => {
    m = mount({ compr });
  });
  u = new Ukfs(m.fs);
  time(`${compr}: readdir + stat of all, first`, () => statAll(u));
  time(`${compr}: readdir + stat of all, second`, () => statAll(u));
  time(`${compr}: read all, cold`, () => readAll(u), treeBytes);
  time(`${compr}: read all, warm`, () => readAll(u), treeBytes);
  time(`${compr}: remove tree`, () => {
    for (const file of tree) u.unlink(`/${file.path}`);
    for (let n = 0; n < 100; n++) u.rmdir(`/d${n}`);
  });
  time(`${compr}: copy big in`, () => writeBig(u), big.length);
  m.unmount();
  m = mount({ compr });
  u = new Ukfs(m.fs);
  time(`${compr}: read big, cold`, () => readBig(u), big.length);
  m.unmount();
}

// A nearly full image, with summaries and without.
for (const summary of [true, false]) {
  const name = summary ? 'with summaries' : 'without summaries';
  let m = fresh({ compr: 'none', summary });
  let u = new Ukfs(m.fs);
  let files = 0;
  const piece = big.subarray(0, 24_000);
  try {
    for (let dir = 0; ; dir++) {
      u.mkdir(`/d${dir}`);
      for (let n = 0; n < 100; n++, files++) u.writeFile(`/d${dir}/f${n}`, piece);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOSPC') throw error;
  }
  const nodes = m.c.refs.count;
  m.unmount();
  time(`full image ${name}: mount (${files} files, ${nodes} nodes)`, () => {
    m = mount();
  });
  u = new Ukfs(m.fs);
  time(`full image ${name}: readdir + stat of all, first`, () => statAll(u));
  process.stdout.write(
    `  memory: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident, ` +
      `${(m.c.refs.byteLength / m.c.refs.count).toFixed(1)} bytes a node reference\n`,
  );
  m.unmount();
}

// Uniform random overwrites with garbage collection.
{
  const m = fresh({ compr: 'none' });
  const u = new Ukfs(m.fs);
  const fileBytes = Math.floor((IMAGE_BYTES * 0.8) / 4096) * 4096;
  const fd = u.open('/random', 'w+');
  for (let at = 0; at < fileBytes; at += 131072) {
    u.write(fd, big, at % (BIG_BYTES - 131072), Math.min(131072, fileBytes - at), at);
  }
  const count = quick ? 2000 : 10000;
  const overwrite = (): void => {
    for (let n = 0; n < count; n++) {
      u.write(fd, big, random(BIG_BYTES - 4096), 4096, random(fileBytes / 4096) * 4096);
    }
  };
  overwrite();
  overwrite();
  time('none: random 4 KiB overwrites at 80 % full', overwrite, count * 4096);
  u.close(fd);
  m.unmount();
}

rmSync(base, { recursive: true });
const json = option('--json');
if (json) writeFileSync(json, `${JSON.stringify({ bench: 'library', rows }, null, 2)}\n`);
else console.log(JSON.stringify({ bench: 'library', rows }));
