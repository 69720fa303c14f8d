/**
 * flash_inspect as a program, beside what anybody would do instead: a full `extract` beside `cp -R`
 * of the same tree on the host, `info` and `ls` of a 256 MiB image beside reading it (`cat` to
 * /dev/null, pages cached). Data as in library.bench.ts: 2,000 files in 100 directories, 24 MB.
 *
 *     node dist/bench/inspect.bench.js [--quick]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mountJffs2 } from '../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../src/ukfs/ukfs.js';

const quick = process.argv.includes('--quick');
const base = mkdtempSync(join(tmpdir(), 'lump-bench-inspect-'));
const PROGRAM = fileURLToPath(new URL('../../bin/flash_inspect', import.meta.url));
const FILES = quick ? 500 : 2000;
const FILE_BYTES_MAX = 24 * 1024;
const LARGE_BYTES = quick ? 32 << 20 : 256 << 20;
const ERASE_BYTES = 128 << 10;
const ROUNDS = quick ? 1 : 3;

let seed = 12345;
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
};

/** Half of it text, half noise, so that both codecs and raw nodes are there. */
function sample(length: number, kind: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = kind === 2 ? random(256) : 97 + (random(64) & 15);
  return bytes;
}

interface Row {
  readonly name: string;
  readonly ms: number;
}
const rows: Row[] = [];

/** The best of some rounds: what others do at the same time only adds. */
function time(name: string, action: (round: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    action(round);
    best = Math.min(best, performance.now() - start);
  }
  rows.push({ name, ms: best });
  console.log(`${name.padEnd(50)} ${best.toFixed(0).padStart(8)} ms`);
  return best;
}

function run(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status} ${stderr}`);
}

try {
  const tree = join(base, 'tree');
  const image = join(base, 'tree.jffs2');
  writeFileSync(image, Buffer.alloc(64 << 20, 0xff));
  const mounted = mountJffs2({ image, erasesize: ERASE_BYTES, sidecar: false });
  const u = new Ukfs(mounted.fs);
  for (let n = 0; n < 100; n++) {
    mkdirSync(join(tree, `d${n}`), { recursive: true });
    u.mkdir(`/d${n}`);
  }
  let bytes = 0;
  for (let n = 0; n < FILES; n++) {
    const data = sample(random(FILE_BYTES_MAX), n % 4);
    bytes += data.length;
    writeFileSync(join(tree, `d${n % 100}`, `file${n}`), data);
    u.writeFile(`/d${n % 100}/file${n}`, data);
  }
  mounted.unmount();
  console.log(`${FILES} files, ${bytes} bytes`);
  const copy = time('cp -R of the tree', (n) => run('cp', '-R', tree, join(base, `copy${n}`)));
  const extract = time('flash_inspect extract', (n) =>
    run(PROGRAM, 'extract', image, join(base, `out${n}`)),
  );
  console.log(`ratio (wanted: at most 3): ${(extract / copy).toFixed(2)}`);

  const large = join(base, 'large.jffs2');
  writeFileSync(large, Buffer.alloc(LARGE_BYTES, 0xff));
  const big = mountJffs2({ image: large, erasesize: ERASE_BYTES, sidecar: false, compr: 'none' });
  const v = new Ukfs(big.fs);
  const data = sample(1 << 20, 2);
  for (let n = 0; n < (LARGE_BYTES >> 20) * 0.8; n++) v.writeFile(`/file${n}`, data);
  big.unmount();
  const read = time('cat of the large image', () => {
    execFileSync('sh', ['-c', `cat '${large}' > /dev/null`]);
  });
  const nothing = time('flash_inspect --version', () => run(PROGRAM, '--version'));
  const info = time('flash_inspect info', () => run(PROGRAM, 'info', large));
  const list = time('flash_inspect ls -lR', () => run(PROGRAM, 'ls', '-lR', large));
  const rate = (ms: number): string => ((LARGE_BYTES / 1e6 / (ms - nothing)) * 1000).toFixed(0);
  console.log(`without the start of Node: info ${rate(info)} MB/s, ls ${rate(list)} MB/s`);
  console.log(JSON.stringify({ rows, extractToCopy: extract / copy, largeRead: read }));
} finally {
  rmSync(base, { recursive: true, force: true });
}
