/**
 * The paper's three operations, mount to unmount, on disk images of 1 GiB: `ls -lR`, `cp -R` of
 * a tree (in and out), `cp` of one big file. lump through its library, ext2, ffs and FAT; the
 * kernel's ext4 on the same ext2 image through a loop device, where this machine may; debugfs,
 * which reads and writes ext2 without a kernel, and mtools on a FAT image of the size. Contenders
 * take turns within a round; the median counts.
 *
 *     node dist/bench/disk.bench.js [rounds]
 *
 * Needs e2fsprogs and, for FAT, dosfstools and mtools. Images and sources lie in memory (/dev/shm).
 * Prints a table and, as its last line, JSON.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostTree, ImageTree } from '../src/fs-utils/index.js';
import { traverse } from '../src/fs-utils/traverse.js';
import { O_CREAT, O_RDONLY, O_WRONLY, type Tree } from '../src/fs-utils/tree.js';
import { mkfsFfs } from '../src/netbsd-compat/drivers/ffs/mkfs.js';
import { disk_open } from '../src/netbsd-compat/disk/open.js';
import { Lump } from '../src/lump/lump.js';
import { NodeHost } from '../src/rumpuser/node.js';
import { mount } from '../src/ukfs/index.js';
import { sampleBig, sampleTree, writeTree } from './material.js';
import { median } from './median.js';

const rounds = Number(process.argv[2] ?? 5);
const IMAGE = '1G';
const IMAGE_BYTES = 1 << 30;
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: '1' };
const CHUNK_BYTES = 1 << 18;

const base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lump-bench-'));
const at = (name: string): string => join(base, name);

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { env: ENV, encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw error ?? new Error(`${program}: ${stderr}`);
}

const has = (program: string): boolean =>
  spawnSync(program, ['-V'], { env: ENV }).error === undefined;

// ---- what is done, by lump ------------------------------------------------------------------------

function list(tree: Tree, top: string): void {
  for (const { kind, path } of traverse(tree, top)) if (kind === 'enter') tree.lstat(path);
}

function copyFile(from: Tree, source: string, to: Tree, target: string): void {
  const fd = from.open(source, O_RDONLY, 0);
  const out = to.open(target, O_WRONLY | O_CREAT, 0o644);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let count = 1, position = 0; count > 0; position += count) {
    count = from.read(fd, buffer, buffer.length, position);
    to.write(out, buffer, count, position);
  }
  to.close(out);
  from.close(fd);
}

function copyTree(from: Tree, source: string, to: Tree, target: string): void {
  for (const { kind, path } of traverse(from, source)) {
    const there = target + path.slice(source.length);
    if (kind === 'enter') to.mkdir(there, 0o755);
    if (kind === 'file') copyFile(from, path, to, there);
  }
}

/** With lump: the image is mounted, used and unmounted, and everything is written then. */
function withLump(image: string, readOnly: boolean, use: (tree: Tree) => void): void {
  const mounted = mount(image, { readOnly });
  use(new ImageTree(mounted.ukfs));
  mounted.unmount();
}

// ---- contenders -----------------------------------------------------------------------------------

type Operation = 'ls -lR' | 'cp -R out' | 'cp -R in' | 'cp big out' | 'cp big in';
const OPERATIONS: readonly Operation[] = [
  'ls -lR',
  'cp -R out',
  'cp -R in',
  'cp big out',
  'cp big in',
];

interface Contender {
  readonly name: string;
  /** Has the tree and the big file; or is empty. */
  readonly full: string;
  readonly empty: string;
  readonly run: Readonly<Partial<Record<Operation, (image: string) => void>>>;
}

const host = new HostTree();

const lump = (name: string, full: string, empty: string): Contender => ({
  name,
  full,
  empty,
  run: {
    'ls -lR': (image) => withLump(image, true, (tree) => list(tree, '/')),
    'cp -R out': (image) =>
      withLump(image, true, (tree) => copyTree(tree, '/tree', host, at('out'))),
    'cp -R in': (image) =>
      withLump(image, false, (tree) => copyTree(host, at('tree'), tree, '/tree')),
    'cp big out': (image) =>
      withLump(image, true, (tree) => copyFile(tree, '/big', host, at('out'))),
    'cp big in': (image) =>
      withLump(image, false, (tree) => copyFile(host, at('big'), tree, '/big')),
  },
});

function withKernel(image: string, options: string, ...command: readonly string[]): void {
  run('mount', '-t', 'ext4', '-o', `loop,${options}`, image, at('mnt'));
  try {
    run(command[0]!, ...command.slice(1));
  } finally {
    run('umount', at('mnt'));
  }
}

const kernel: Contender = {
  name: 'kernel, ext4',
  full: at('full.ext2'),
  empty: at('empty.ext2'),
  run: {
    'ls -lR': (image) => withKernel(image, 'ro', 'ls', '-lR', at('mnt')),
    'cp -R out': (image) => withKernel(image, 'ro', 'cp', '-R', at('mnt/tree'), at('out')),
    'cp -R in': (image) => withKernel(image, 'rw', 'cp', '-R', at('tree'), at('mnt/tree')),
    'cp big out': (image) => withKernel(image, 'ro', 'cp', at('mnt/big'), at('out')),
    'cp big in': (image) => withKernel(image, 'rw', 'cp', at('big'), at('mnt/big')),
  },
};

const debugfs: Contender = {
  name: 'debugfs',
  full: at('full.ext2'),
  empty: at('empty.ext2'),
  run: {
    'cp -R out': (image) => {
      mkdirSync(at('out'));
      run('debugfs', '-R', `rdump /tree ${at('out')}`, image);
    },
    'cp big out': (image) => run('debugfs', '-R', `dump /big ${at('out')}`, image),
    'cp big in': (image) => run('debugfs', '-w', '-R', `write ${at('big')} big`, image),
  },
};

const mtools: Contender = {
  name: 'mtools, FAT',
  full: at('full.fat'),
  empty: at('empty.fat'),
  run: {
    'ls -lR': (image) => run('mdir', '-/', '-i', image, '::'),
    'cp -R out': (image) => {
      mkdirSync(at('out'));
      run('mcopy', '-s', '-i', image, '::tree', at('out'));
    },
    'cp -R in': (image) => run('mcopy', '-s', '-i', image, at('tree'), '::tree'),
    'cp big out': (image) => run('mcopy', '-i', image, '::big', at('out')),
    'cp big in': (image) => run('mcopy', '-i', image, at('big'), '::big'),
  },
};

/** Sources, and images with and without them. @returns who can take part here. */
function prepare(): Contender[] {
  writeTree(sampleTree(), at('tree'));
  writeFileSync(at('big'), sampleBig());
  mkdirSync(at('mnt'));
  const fill = (image: string): void =>
    withLump(image, false, (tree) => {
      copyTree(host, at('tree'), tree, '/tree');
      copyFile(host, at('big'), tree, '/big');
    });
  const contenders: Contender[] = [];
  run('mke2fs', '-q', '-F', '-t', 'ext2', at('empty.ext2'), IMAGE);
  contenders.push(lump('lump, ext2', at('full.ext2'), at('empty.ext2')));
  writeFileSync(at('empty.ffs'), '');
  run('truncate', '-s', IMAGE, at('empty.ffs'));
  const disk = disk_open(new Lump({ host: new NodeHost() }), at('empty.ffs'), false);
  mkfsFfs(disk, { version: 2, byteOrder: 'le', nowSec: 1_700_000_000 });
  disk.close();
  contenders.push(lump('lump, ffs', at('full.ffs'), at('empty.ffs')));
  const hasMtools = has('mkfs.fat') && has('mcopy');
  if (hasMtools) {
    run('truncate', '-s', IMAGE, at('empty.fat'));
    run('mkfs.fat', '-F', '32', at('empty.fat'));
    contenders.push(lump('lump, FAT', at('full.fat'), at('empty.fat')));
  }
  for (const { full, empty } of contenders) {
    run('cp', '--sparse=always', empty, full);
    fill(full);
  }
  try {
    kernel.run['ls -lR']!(kernel.full);
    contenders.splice(1, 0, kernel);
  } catch (error) {
    console.log(`without the kernel: ${(error as Error).message.trim()}`);
  }
  contenders.push(debugfs);
  if (hasMtools) contenders.push(mtools);
  return contenders;
}

type Times = Readonly<Record<Operation, Map<string, number[]>>>;

function measure(contenders: readonly Contender[]): Times {
  const times = Object.fromEntries(
    OPERATIONS.map((operation) => [operation, new Map<string, number[]>()]),
  ) as unknown as Times;
  const work = at('work');
  for (let round = 0; round < rounds; round++) {
    for (const operation of OPERATIONS) {
      for (const { name, full, empty, run: runs } of contenders) {
        const call = runs[operation];
        if (call === undefined) continue;
        const writes = operation.endsWith('in');
        if (writes) {
          rmSync(work, { force: true });
          run('cp', '--sparse=always', empty, work);
        }
        rmSync(at('out'), { recursive: true, force: true });
        const start = performance.now();
        call(writes ? work : full);
        const ms = performance.now() - start;
        const all = times[operation].get(name) ?? [];
        times[operation].set(name, all);
        all.push(ms);
      }
    }
  }
  return times;
}

if (!has('mke2fs')) {
  console.log('nothing to compare with: e2fsprogs is not installed');
} else {
  try {
    const contenders = prepare();
    const times = measure(contenders);
    const ms = Object.fromEntries(
      OPERATIONS.map((operation) => [
        operation,
        Object.fromEntries([...times[operation]].map(([name, all]) => [name, median(all)])),
      ]),
    );
    console.log(`images of ${IMAGE_BYTES / 2 ** 30} GiB, ms, medians of ${rounds}`);
    console.log(`${''.padEnd(12)}${contenders.map(({ name }) => name.padStart(14)).join('')}`);
    for (const operation of OPERATIONS) {
      const cells = contenders.map(({ name }) => {
        const value = ms[operation]?.[name];
        return (value === undefined ? '–' : value.toFixed(0)).padStart(14);
      });
      console.log(operation.padEnd(12) + cells.join(''));
    }
    console.log(JSON.stringify({ bench: 'disk', rounds, ms }));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}
