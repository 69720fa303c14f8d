/**
 * jffs2 through the mount, by the programs that people use, beside the library doing the same in
 * this process and beside tmpfs. The flash is a file on tmpfs, 256 MiB of NOR.
 *
 *     node dist/bench/mount.bench.js [--quick]
 *
 * Needs root and /dev/fuse. Every figure is the median of rounds in which the three take turns. All
 * that is written is synced (syncfs), since the kernel's write-back cache takes it at once. "Cold"
 * means mounted anew. Prints a table and, as its last line, JSON.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jffs2Command, mountInBackground, NO_MOUNTS, umount } from '../test/fuse/server.js';
import { mountJffs2 } from '../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../src/ukfs/ukfs.js';
import { median } from './median.js';
import { sampleBig, sampleTree, treeDirectories, writeTree } from './material.js';

const quick = process.argv.includes('--quick');
const ROUNDS = quick ? 1 : 5;
const FLASH_BYTES = 256 << 20;
const CHUNK = 128 << 10;
/** How many times the library's, or tmpfs's, time the mount may take. */
const ALLOWED = 1.5;

const WAYS = ['mount', 'library', 'tmpfs'] as const;
type Way = (typeof WAYS)[number];

interface Row {
  readonly name: string;
  /** What the mount is measured against. */
  readonly against: Way;
  readonly ms: Partial<Record<Way, number[]>>;
}

const rows = new Map<string, Row>();

function time(name: string, way: Way, against: Way, action: () => void): void {
  const start = performance.now();
  action();
  const ms = performance.now() - start;
  const row = rows.get(name) ?? { name, against, ms: {} };
  rows.set(name, row);
  const all = row.ms[way] ?? [];
  row.ms[way] = all;
  all.push(ms);
}

const medianOf = (row: Row, way: Way): number | undefined => {
  const values = row.ms[way];
  return values && median(values);
};

const run = (file: string, ...args: readonly string[]): void => {
  execFileSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
};

function blankFlash(path: string): void {
  rmSync(path, { force: true });
  const blank = Buffer.alloc(16 << 20, 0xff);
  for (let at = 0; at < FLASH_BYTES; at += blank.length) writeFileSync(path, blank, { flag: 'a' });
}

/** The operations by coreutils, on a mount or on tmpfs. `remount` empties the caches. */
function byPrograms(
  label: string,
  way: Way,
  folder: string,
  source: { readonly tree: string; readonly big: string; readonly out: string },
  remount: () => void,
): void {
  const at = join(folder, 'tree');
  const big = join(folder, 'big');
  const out = join(source.out, 'copy');
  time(`${label}: cp -R of 2,000 files in`, way, 'library', () => {
    run('cp', '-R', source.tree, at);
    run('sync', '-f', at);
  });
  time(`${label}: cp of a large file in`, way, 'library', () => {
    run('cp', source.big, big);
    run('sync', '-f', big);
  });
  remount();
  time(`${label}: ls -lR, cold`, way, 'tmpfs', () => run('ls', '-lR', folder));
  time(`${label}: ls -lR, warm`, way, 'tmpfs', () => run('ls', '-lR', folder));
  time(`${label}: cp -R of 2,000 files out, cold`, way, 'library', () => run('cp', '-R', at, out));
  rmSync(out, { recursive: true });
  time(`${label}: cp of a large file out, cold`, way, 'library', () => run('cp', big, out));
  time(`${label}: cp of a large file out, warm`, way, 'tmpfs', () => run('cp', big, out));
  rmSync(out);
  time(`${label}: rm -r of 2,000 files`, way, 'library', () => run('rm', '-r', at));
  rmSync(big);
}

/** The same through the library: from files of the host, and to them. */
function byLibrary(
  label: string,
  image: string,
  compr: string,
  source: { readonly tree: string; readonly big: string; readonly out: string },
): void {
  const paths = treeDirectories.flatMap((directory) =>
    readdirSync(join(source.tree, directory)).map((name) => `${directory}/${name}`),
  );
  const buf = Buffer.alloc(CHUNK);
  const mount = (): ReturnType<typeof mountJffs2> =>
    mountJffs2({ image, erasesize: 131072, sidecar: false, compr });
  let mounted = mount();
  let u = new Ukfs(mounted.fs);
  time(`${label}: cp -R of 2,000 files in`, 'library', 'library', () => {
    for (const name of treeDirectories) u.mkdir(`/${name}`);
    for (const path of paths) u.writeFile(`/${path}`, readFileSync(join(source.tree, path)));
    u.sync();
  });
  time(`${label}: cp of a large file in`, 'library', 'library', () => {
    const from = openSync(source.big, 'r');
    const fd = u.open('/big', 'w');
    for (let at = 0, got = 1; got > 0; at += got) {
      got = readSync(from, buf, 0, CHUNK, at);
      if (got > 0) u.write(fd, buf, 0, got, at);
    }
    u.close(fd);
    closeSync(from);
    u.sync();
  });
  mounted.unmount();
  mounted = mount();
  u = new Ukfs(mounted.fs);
  time(`${label}: cp -R of 2,000 files out, cold`, 'library', 'library', () => {
    const out = join(source.out, 'copy');
    mkdirSync(out);
    for (const name of treeDirectories) mkdirSync(join(out, name));
    for (const path of paths) writeFileSync(join(out, path), u.readFile(`/${path}`));
  });
  time(`${label}: cp of a large file out, cold`, 'library', 'library', () => {
    const fd = u.open('/big', 'r');
    const to = openSync(join(source.out, 'copy.big'), 'w');
    for (let at = 0, got = 1; got > 0; at += got) {
      got = u.read(fd, buf, 0, CHUNK, at);
      if (got > 0) writeSync(to, buf, 0, got, at);
    }
    closeSync(to);
    u.close(fd);
  });
  time(`${label}: rm -r of 2,000 files`, 'library', 'library', () => {
    for (const path of paths) u.unlink(`/${path}`);
    for (const name of treeDirectories) u.rmdir(`/${name}`);
  });
  mounted.unmount();
  rmSync(join(source.out, 'copy'), { recursive: true });
  rmSync(join(source.out, 'copy.big'));
}

function main(): void {
  if (NO_MOUNTS !== undefined) {
    console.log(`not measured: ${NO_MOUNTS}`);
    console.log(JSON.stringify({ bench: 'mount', skipped: NO_MOUNTS }));
    return;
  }
  const base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lump-bench-'));
  try {
    const image = join(base, 'flash.bin');
    const mnt = join(base, 'mnt');
    const source = { tree: join(base, 'source'), big: join(base, 'source.big'), out: base };
    mkdirSync(mnt);
    writeTree(sampleTree(quick ? 500 : 2000), source.tree);
    writeFileSync(source.big, sampleBig(quick ? 16 << 20 : 64 << 20));
    for (let round = 0; round < ROUNDS; round++) {
      for (const compr of ['zlib', 'none']) {
        const command = jffs2Command(image, mnt, '-o', `erasesize=131072,compr=${compr}`);
        blankFlash(image);
        mountInBackground(command);
        byPrograms(compr, 'mount', mnt, source, () => {
          umount(mnt);
          mountInBackground(command);
        });
        umount(mnt);
        blankFlash(image);
        byLibrary(compr, image, compr, source);
        const host = join(base, 'host');
        mkdirSync(host);
        byPrograms(compr, 'tmpfs', host, source, () => {});
        rmSync(host, { recursive: true });
      }
    }
    print();
  } finally {
    rmSync(base, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function print(): void {
  const cell = (ms: number | undefined): string =>
    (ms === undefined ? '' : ms.toFixed(1)).padStart(10);
  console.log('ms'.padEnd(44) + WAYS.map((way) => way.padStart(10)).join(''));
  const figures = [...rows.values()].map((row) => {
    return { ...row, ratio: medianOf(row, 'mount')! / medianOf(row, row.against)! };
  });
  for (const row of figures) {
    const isTarget = /large file (in|out, cold)|ls -lR, warm/.test(row.name);
    const verdict = !isTarget ? '' : row.ratio <= ALLOWED ? 'reached' : 'MISSED';
    console.log(
      row.name.padEnd(44) +
        WAYS.map((way) => cell(medianOf(row, way))).join('') +
        `  ${row.ratio.toFixed(2)} of ${row.against}  ${verdict}`,
    );
  }
  console.log(JSON.stringify({ bench: 'mount', rounds: ROUNDS, rows: figures }));
}

main();
