/**
 * Images with wrong bytes: what a careless owner would do with one. It is mounted for reading and
 * read; mounted for writing, read, written, emptied; mounted again. Every step may answer an error
 * of the file system, and nothing else may come out; the work is bounded.
 */
import { Prng } from '../../src/rumpuser/prng.js';
import type { HostFile } from '../../src/rumpuser/rumpuser.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { UkfsError } from '../../src/ukfs/error.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { DiskMountError, mountDisk, type DiskFileSystem } from '../../src/ukfs/mount_disk.js';

/** Calls on the disk that one image may cost; a good one takes some hundred. */
const DISK_CALLS_MAX = 100_000;
const ENTRIES_MAX = 300;
const DEPTH_MAX = 12;
const READ_BYTES = 64 * 1024;

/** The work does not end. */
class BudgetExceeded extends Error {}

function allow<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof UkfsError || error instanceof DiskMountError) return null;
    throw error;
  }
}

/** A host whose disk counts what is asked of it. */
function countingHost(image: Uint8Array): SimulatedHost {
  const host = new SimulatedHost({ wallClockMs: Date.UTC(2035, 0, 1) });
  host.replaceFile('/disk', image);
  const open = host.open.bind(host);
  let calls = 0;
  host.open = (path, mode) => {
    const file = open(path, mode);
    const { read } = file;
    const counting: Pick<HostFile, 'read'> = {
      read(...args) {
        if (++calls > DISK_CALLS_MAX) throw new BudgetExceeded(`${calls} calls on the disk`);
        return read.apply(file, args);
      },
    };
    return Object.assign(file, counting);
  };
  return host;
}

/** Paths of what can be found, files and directories apart. */
function readEverything(fs: Ukfs): { files: string[]; directories: string[] } {
  const files: string[] = [];
  const directories: string[] = [];
  const queue: [path: string, depth: number][] = [['', 0]];
  let entries = 0;
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const [path, depth] = next;
    for (const { name } of allow(() => fs.readdirTypes(path || '/')) ?? []) {
      if (++entries > ENTRIES_MAX) return { files, directories };
      const child = `${path}/${name}`;
      const stat = allow(() => fs.lstat(child));
      if (stat === null) continue;
      if (stat.isDirectory()) {
        directories.push(child);
        if (depth < DEPTH_MAX) queue.push([child, depth + 1]);
        continue;
      }
      files.push(child);
      for (const name of allow(() => fs.listxattr(child, false)) ?? []) {
        allow(() => fs.getxattr(child, name, false));
      }
      if (stat.isSymbolicLink()) allow(() => fs.readlink(child));
      if (stat.isFile()) allow(() => readSome(fs, child, stat.size));
    }
  }
  return { files, directories };
}

function readSome(fs: Ukfs, path: string, size: number): void {
  const fd = fs.open(path, 'r');
  try {
    const buf = new Uint8Array(READ_BYTES);
    for (const position of [0, Math.floor(size / 2), Math.max(0, size - READ_BYTES)]) {
      allow(() => fs.read(fd, buf, 0, buf.length, position));
    }
  } finally {
    fs.close(fd);
  }
}

function changeEverything(fs: Ukfs): void {
  const { files, directories } = readEverything(fs);
  allow(() => fs.writeFile('/new', new Uint8Array(30_000).fill(7)));
  allow(() => fs.mkdir('/newdir'));
  for (const directory of directories) {
    allow(() => fs.writeFile(`${directory}/n`, 'n'));
    allow(() => fs.rename(directory, '/newdir/moved'));
  }
  for (const file of files) {
    allow(() => fs.truncate(file, 1500));
    allow(() => fs.setxattr(file, 'trusted.new', 'n'.repeat(200), 0, false));
    allow(() => fs.removexattr(file, 'user.short', false));
    allow(() => fs.link(file, '/newdir/link'));
    allow(() => fs.rename('/newdir/link', '/newdir/other'));
    allow(() => fs.unlink(file));
  }
  for (const directory of directories.reverse()) allow(() => fs.rmdir(directory));
}

/** @throws what no file system may answer. */
export function exerciseImage(kind: DiskFileSystem, image: Uint8Array): void {
  const host = countingHost(image);
  for (const readOnly of [true, false, true]) {
    const mounted = allow(() => mountDisk(kind, { image: '/disk', readOnly, force: true }, host));
    if (mounted === null) continue;
    const fs = new Ukfs(mounted.fs);
    if (mounted.readOnly) readEverything(fs);
    else changeEverything(fs);
    try {
      mounted.unmount();
    } catch (error) {
      // Nothing is open: busy is a reference that was not given back.
      if (!(error instanceof DiskMountError) || error.code === 'EBUSY') throw error;
      mounted.unmount(true);
    }
  }
}

/** Where an image has something: most of a disk is empty. */
function usedPlaces(image: Uint8Array): readonly number[] {
  const used: number[] = [];
  for (let at = 0; at < image.length; at++) {
    if (image[at] === 0) continue;
    used.push(at & ~15);
    at |= 15;
  }
  return used;
}

/** Wrong bytes at some of these places. */
function mutated(image: Uint8Array, used: readonly number[], seed: number): Uint8Array {
  const prng = new Prng(seed);
  const bytes = image.slice();
  const count = 1 + prng.below(12);
  for (let i = 0; i < count; i++) {
    const at = used[prng.below(used.length)]! + prng.below(16);
    switch (prng.below(4)) {
      case 0:
        bytes[at] = prng.below(256);
        break;
      case 1:
        bytes[at]! ^= 1 << prng.below(8);
        break;
      case 2:
        bytes.fill([0, 0xff, 0x7f, 0x80][prng.below(4)]!, at, at + 1 + prng.below(4));
        break;
      default: {
        const from = used[prng.below(used.length)]!;
        bytes.copyWithin(at & ~3, from, from + 4 * (1 + prng.below(4)));
      }
    }
  }
  return bytes;
}

/** Tries many; a failure names its seed. */
export function exerciseMutants(kind: DiskFileSystem, image: Uint8Array, count: number): void {
  const only = process.env.LUMP_SEED;
  const first = only === undefined ? 1 : Number(only);
  const used = usedPlaces(image);
  for (let seed = first; seed < first + (only === undefined ? count : 1); seed++) {
    try {
      exerciseImage(kind, mutated(image, used, seed));
    } catch (error) {
      throw new Error(`${kind.name}: LUMP_SEED=${seed}: ${(error as Error).stack}`);
    }
  }
}
