/**
 * What the VFS costs above a file system: cached pages against the bare copies that move the same
 * bytes, and names. The file system is the tests' own, which keeps everything in memory.
 *
 *     node dist/bench/vfs.bench.js
 *
 * Prints a table and, as its last line, JSON. Times are nanoseconds per operation, medians of the
 * rounds; `bare` runs in the same rounds.
 */
import { type Dentry, dput } from '../src/dcache/dcache.js';
import { drop_caches, root_of } from '../src/dcache/mount.js';
import { lookup_one, vfs_create, vfs_rename, vfs_unlink } from '../src/dcache/namei.js';
import { vfs_open, vfs_read, vfs_write } from '../src/lump/file.js';
import { O_RDWR, PAGE_SIZE } from '../src/lump/fs.js';
import { Fixture } from '../test/lump-vfs/testfs.js';
import { median } from './median.js';

const ROUNDS = 21;
const MEGABYTE = 1 << 20;
/** Larger than the processor's caches, smaller than the page cache. */
const LARGE = 16 * MEGABYTE;
const LARGE_PAGES = LARGE / PAGE_SIZE;
const SMALL_PAGES = 32;
const NAMES = 1000;

interface bench_case {
  readonly name: string;
  /** Operations in one run of either side. */
  readonly operations: number;
  vfs(): void;
  bare?(): void;
}

const fixture = new Fixture();
const root = root_of(fixture.sb);
/** Keeps the JIT from dropping a search whose result nobody uses. */
let found = 0;
const buffer = new Uint8Array(MEGABYTE).fill(0x5a);
const page = new Uint8Array(PAGE_SIZE);

function new_file(name: string, sizeBytes: number): ReturnType<typeof vfs_open> {
  const dentry = vfs_create(root, name, 0o644);
  const file = vfs_open(dentry.d_inode!, O_RDWR);
  for (let at = 0; at < sizeBytes; at += MEGABYTE) {
    vfs_write(file, buffer, 0, Math.min(MEGABYTE, sizeBytes - at), at);
  }
  dput(dentry);
  return file;
}

function page_cases(): bench_case[] {
  const small = new_file('small', SMALL_PAGES * PAGE_SIZE);
  const large = new_file('large', LARGE);
  // Memory like the page cache's, with one view per page, which is the least that a copy needs.
  const bytes = new Uint8Array(LARGE).fill(1);
  const views = Array.from({ length: LARGE_PAGES }, (_, i) =>
    bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE),
  );
  const small_at = (i: number): number => i % SMALL_PAGES;
  return [
    {
      name: 'read a page of 32, one call each',
      operations: LARGE_PAGES,
      vfs() {
        for (let i = 0; i < LARGE_PAGES; i++) {
          vfs_read(small, page, 0, PAGE_SIZE, small_at(i) * PAGE_SIZE);
        }
      },
      bare() {
        for (let i = 0; i < LARGE_PAGES; i++) page.set(views[small_at(i)], 0);
      },
    },
    {
      name: 'read a page of 4096, one call each',
      operations: LARGE_PAGES,
      vfs() {
        for (let i = 0; i < LARGE_PAGES; i++) vfs_read(large, page, 0, PAGE_SIZE, i * PAGE_SIZE);
      },
      bare() {
        for (let i = 0; i < LARGE_PAGES; i++) page.set(views[i], 0);
      },
    },
    {
      name: 'read 128 KiB, per page',
      operations: LARGE_PAGES,
      vfs() {
        for (let at = 0; at < LARGE; at += 1 << 17) vfs_read(large, buffer, 0, 1 << 17, at);
      },
      bare() {
        for (let i = 0; i < LARGE_PAGES; i++) buffer.set(views[i], (i & 31) * PAGE_SIZE);
      },
    },
    {
      name: 'read 100 bytes inside a page',
      operations: LARGE_PAGES,
      vfs() {
        for (let i = 0; i < LARGE_PAGES; i++) {
          vfs_read(small, page, 0, 100, small_at(i) * PAGE_SIZE + 50);
        }
      },
      bare() {
        for (let i = 0; i < LARGE_PAGES; i++) {
          const at = small_at(i) * PAGE_SIZE + 50;
          page.set(bytes.subarray(at, at + 100), 0);
        }
      },
    },
    {
      name: 'write a page, one call each',
      operations: LARGE_PAGES,
      vfs() {
        for (let i = 0; i < LARGE_PAGES; i++) vfs_write(large, page, 0, PAGE_SIZE, i * PAGE_SIZE);
      },
      // The page cache's copy and the medium's.
      bare() {
        for (let i = 0; i < LARGE_PAGES; i++) {
          views[i].set(page, 0);
          buffer.set(views[i], (i & 255) * PAGE_SIZE);
        }
      },
    },
  ];
}

function name_cases(): bench_case[] {
  const names = Array.from({ length: NAMES }, (_, i) => `some name ${i}`);
  for (const name of names) dput(vfs_create(root, name, 0o644));
  const map = new Map<string, Dentry>();
  for (const name of names) map.set(name, root);
  return [
    {
      name: 'look up a cached name',
      operations: NAMES,
      vfs() {
        for (const name of names) dput(lookup_one(root, name));
      },
      bare() {
        for (const name of names) if (map.get(name) === root) found++;
      },
    },
    {
      name: 'look up a name, nothing cached',
      operations: NAMES,
      vfs() {
        drop_caches(fixture.sb);
        for (const name of names) dput(lookup_one(root, name));
      },
    },
    {
      name: 'create and unlink',
      operations: NAMES,
      vfs() {
        for (let i = 0; i < NAMES; i++) {
          dput(vfs_create(root, 'temporary', 0o644));
          vfs_unlink(root, 'temporary');
        }
      },
    },
    {
      name: 'rename there and back',
      operations: NAMES,
      vfs() {
        for (const name of names) {
          vfs_rename(root, name, root, 'elsewhere');
          vfs_rename(root, 'elsewhere', root, name);
        }
      },
    },
  ];
}

function time_ns(act: () => void, operations: number): number {
  const start = process.hrtime.bigint();
  act();
  return Number(process.hrtime.bigint() - start) / operations;
}

const results: { name: string; vfs_ns: number; bare_ns: number | null }[] = [];
for (const { name, operations, vfs, bare } of [...page_cases(), ...name_cases()]) {
  const vfsTimes: number[] = [];
  const bareTimes: number[] = [];
  for (let round = -ROUNDS; round < ROUNDS; round++) {
    const vfsTime = time_ns(vfs, operations);
    const bareTime = bare === undefined ? null : time_ns(bare, operations);
    if (round < 0) continue;
    vfsTimes.push(vfsTime);
    if (bareTime !== null) bareTimes.push(bareTime);
  }
  const bareNs = bare === undefined ? null : median(bareTimes);
  results.push({ name, vfs_ns: median(vfsTimes), bare_ns: bareNs });
  const { vfs_ns, bare_ns } = results[results.length - 1];
  const right = bare_ns === null ? '' : `bare ${bare_ns.toFixed(0).padStart(6)} ns`;
  console.log(`${name.padEnd(40)} ${vfs_ns.toFixed(0).padStart(6)} ns   ${right}`);
}
console.log(JSON.stringify({ bench: 'vfs', results, found }));
