/**
 * Does with an image what a careless owner would: mounts it for reading and reads everything;
 * mounts it for writing, reads, writes, deletes, lets garbage be collected; mounts it again and
 * reads. Every step may answer an error of the file system; nothing else may come out.
 */
import { remount } from '../../src/dcache/mount.js';
import { Errno } from '../../src/lump/errno.js';
import { jffs2_fsck } from '../../src/jffs2/fsck.js';
import { jffs2_garbage_collect_pass } from '../../src/jffs2/gc.js';
import type { mtd_info, mtd_point } from '../../src/mtd/mtd.js';
import { mtd_shim } from '../../src/mtd/shim.js';
import type { Prng } from '../../src/rumpuser/prng.js';
import { O_RDWR, O_TMPFILE } from '../../src/ukfs/index.js';
import { UkfsError } from '../../src/ukfs/error.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { newHost, Rig } from '../jffs2/rig.js';
import type { ByteOrder } from '../jffs2/nodes.js';

/** Calls on the chip that one image may cost: what a good one takes a hundred times over. */
const CHIP_CALLS_MAX = 400_000;
const ENTRIES_MAX = 2000;
const DEPTH_MAX = 30;
const FILE_BYTES_MAX = 1 << 20;
const READ_BYTES_MAX = 8 << 20;
const GC_PASSES = 60;

/** The work does not end. */
export class BudgetExceeded extends Error {}

class counting_shim extends mtd_shim {
  calls = 0;

  private count(): void {
    if (++this.calls > CHIP_CALLS_MAX) throw new BudgetExceeded(`${this.calls} calls on the chip`);
  }

  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.count();
    super.read(from, len, buf, bufOffset);
  }

  override point(from: number, len: number, out: mtd_point): boolean {
    this.count();
    return super.point(from, len, out);
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    this.count();
    return super.write(to, len, buf, bufOffset);
  }
}

/** Lets errors of the file system pass and nothing else. @returns what the call answered. */
function allow<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof UkfsError || error instanceof Errno) return null;
    throw error;
  }
}

interface Entry {
  path: Uint8Array;
  directory: boolean;
  regular: boolean;
}

function join(dir: Uint8Array, name: Uint8Array): Uint8Array {
  const path = new Uint8Array(dir.length + 1 + name.length);
  path.set(dir);
  path[dir.length] = 0x2f;
  path.set(name, dir.length + 1);
  return path;
}

/** Visits everything, within bounds. @returns the paths seen. */
export function readEverything(u: Ukfs): Entry[] {
  const seen: Entry[] = [];
  let budget = READ_BYTES_MAX;
  const buf = new Uint8Array(65536);
  const file = (path: Uint8Array, size: number): void => {
    const fd = allow(() => u.open(path, 'r'));
    if (fd === null) return;
    const end = Math.min(size, FILE_BYTES_MAX, budget);
    for (let at = 0; at < end; ) {
      const count = allow(() => u.read(fd, buf, 0, buf.length, at));
      if (!count) break;
      at += count;
      budget -= count;
    }
    // The far end of a file of 4 GiB.
    if (size > FILE_BYTES_MAX) allow(() => u.read(fd, buf, 0, buf.length, size - 100));
    allow(() => u.seekHole(fd, 0, true));
    u.close(fd);
  };
  const visit = (dir: Uint8Array, depth: number): void => {
    const entries = allow(() => u.readdirTypes(dir.length === 0 ? '/' : dir));
    if (entries === null) return;
    for (const { bytes } of entries) {
      if (seen.length >= ENTRIES_MAX) return;
      const path = join(dir, bytes);
      const stats = allow(() => u.lstat(path));
      if (stats === null) continue;
      seen.push({ path, directory: stats.isDirectory(), regular: stats.isFile() });
      allow(() => u.listxattr(path, false))?.forEach((name) => {
        allow(() => u.getxattr(path, name, false));
      });
      if (stats.isSymbolicLink()) {
        allow(() => u.readlinkBytes(path));
        allow(() => u.stat(path));
      }
      if (stats.isFile()) file(path, stats.size);
      if (stats.isDirectory() && depth < DEPTH_MAX) visit(path, depth + 1);
    }
  };
  allow(() => u.stat('/'));
  visit(new Uint8Array(0), 0);
  allow(() => u.statvfs());
  return seen;
}

function change(rig: Rig, entries: readonly Entry[], prng: Prng): void {
  const { u, host } = rig;
  const some = (): Entry | undefined => entries[prng.below(entries.length)];
  const data = new Uint8Array(700).fill(0x61);
  for (let n = 0; n < 10; n++) {
    host.advance(prng.below(40));
    const entry = some();
    const path = entry?.path ?? Uint8Array.of(0x2f, 0x7a);
    switch (prng.below(14)) {
      case 0:
        allow(() => u.writeFile(`/new${n}`, data.subarray(0, prng.below(700))));
        break;
      case 1:
        allow(() => u.mkdir(`/newdir${n}`));
        break;
      case 2:
        allow(() => (entry?.directory ? u.rmdir(path) : u.unlink(path)));
        break;
      case 3:
        if (some()) allow(() => u.rename(path, some()!.path));
        break;
      case 4:
        allow(() => u.link(path, `/link${n}`));
        break;
      case 5:
        allow(() => u.setxattr(path, `user.${prng.below(3)}`, data.subarray(0, prng.below(50))));
        break;
      case 6:
        allow(() => u.truncate(path, prng.below(10_000)));
        break;
      case 7:
        allow(() => u.chmod(path, 0o600));
        break;
      case 8: {
        const name = allow(() => u.listxattr(path))?.[0];
        if (name !== undefined) allow(() => u.removexattr(path, name));
        break;
      }
      case 9:
        allow(() => u.rename(path, `/moved${n}`));
        break;
      case 10:
        allow(() => u.lchown(path, prng.below(9), 1));
        break;
      case 11: {
        const fd = allow(() => u.open('/', O_TMPFILE | O_RDWR));
        if (fd === null) break;
        allow(() => u.write(fd, data, 0, prng.below(700), 0));
        u.close(fd);
        break;
      }
      default:
        if (entry?.regular) {
          const fd = allow(() => u.open(path, 'r+'));
          if (fd === null) break;
          const at = prng.below(3) === 0 ? prng.u32() : prng.below(6000);
          allow(() => u.write(fd, data, 0, 1 + prng.below(700), at));
          u.close(fd);
        }
    }
  }
}

/** The accounting is right whatever lies on the medium; fsck may find what it likes. */
function check(rig: Rig): void {
  rig.checkAccounting();
  allow(() => jffs2_fsck(rig.sb));
}

/** What came of an image. */
export interface Outcome {
  mountedReadOnly: boolean;
  mountedReadWrite: boolean;
  entries: number;
}

/**
 * @param image cells of the chip, which are used and changed.
 * @throws whatever must not come out: a panic, a RangeError, …
 */
export function exercise(
  image: Uint8Array,
  chip: (host: SimulatedHost, image: Uint8Array) => mtd_info,
  order: ByteOrder,
  prng: Prng,
): Outcome {
  const outcome: Outcome = { mountedReadOnly: false, mountedReadWrite: false, entries: 0 };
  const host = newHost(prng.below(1 << 30));
  host.advance(prng.below(10_000));
  const mtd: mtd_info = new counting_shim(chip(host, image));
  const mount = (readOnly: boolean): Rig | null =>
    allow(
      () =>
        new Rig({
          mtd,
          host,
          readOnly,
          options: `endian=${order}`,
          pageCacheBytes: 65536,
        }),
    );

  const before = image.slice();
  let rig = mount(true);
  if (rig) {
    outcome.mountedReadOnly = true;
    outcome.entries = readEverything(rig.u).length;
    rig.settle(200);
    check(rig);
    rig.umount();
  }
  for (let n = 0; n < image.length; n++) {
    if (image[n] !== before[n]) throw new Error(`a read-only mount changed byte ${n}`);
  }

  // As mountJffs2 does it, or at once.
  const later = prng.below(2) === 0;
  rig = mount(later);
  if (!rig) return outcome;
  const { sb } = rig;
  if (later && allow(() => remount(sb, 0, `endian=${order}`) ?? true) === null) return outcome;
  outcome.mountedReadWrite = true;
  if (prng.below(2) === 0) rig.settle(100);
  const entries = readEverything(rig.u);
  change(rig, entries, prng);
  check(rig);
  for (let n = 0; n < GC_PASSES; n++) {
    host.advance(prng.below(40));
    if (allow(() => jffs2_garbage_collect_pass(rig!.c)) === null) break;
  }
  check(rig);
  change(rig, entries, prng);
  rig.settle(60);
  check(rig);
  rig.umount();

  rig = mount(prng.below(2) === 0);
  if (rig) {
    readEverything(rig.u);
    check(rig);
    rig.umount();
  }
  return outcome;
}
