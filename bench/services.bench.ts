/**
 * What the kernel services cost: locks with their validator, slab caches, CRC-32, the image lock.
 *
 *     node dist/bench/services.bench.js
 *
 * Prints nanoseconds per call, the best of several rounds, and as its last line JSON.
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { crc32_le } from '../src/lump/crc32.js';
import { mutex, rw_semaphore, spinlock } from '../src/lump/locks.js';
import { Lump } from '../src/lump/lump.js';
import { NodeHost } from '../src/rumpuser/node.js';

const ROUNDS = 7;
const nanosecondsPerCall: Record<string, number> = {};

function measure(name: string, calls: number, call: (i: number) => void): void {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call(i);
    bestMs = Math.min(bestMs, performance.now() - start);
  }
  const ns = (bestMs / calls) * 1e6;
  nanosecondsPerCall[name] = ns;
  console.log(`${name.padEnd(44)} ${ns.toFixed(1).padStart(12)} ns`);
}

const host = new NodeHost();
const lump = new Lump({ host });
const [a, b] = ['a', 'b'].map((name) => new mutex(lump, name));
const sem = new rw_semaphore(lump, 'sem');
const spin = new spinlock(lump, 'spin');

measure('mutex', 1e6, () => {
  a.lock();
  a.unlock();
});
measure('rw_semaphore, read', 1e6, () => {
  sem.down_read();
  sem.up_read();
});
measure('rw_semaphore, write', 1e6, () => {
  sem.down_write();
  sem.up_write();
});
measure('spinlock', 1e6, () => {
  spin.lock();
  spin.unlock();
});
measure('four nested locks', 1e6, () => {
  sem.down_write();
  a.lock();
  b.lock();
  spin.lock();
  spin.unlock();
  b.unlock();
  a.unlock();
  sem.up_write();
});

const cache = lump.slab.kmem_cache_create('bench', () => ({ ino: 0, next: null }));
measure('kmem_cache alloc and free', 1e6, () => cache.free(cache.alloc()));
measure('kmalloc and kfree of 64 bytes', 1e6, () => {
  lump.slab.kfree(lump.slab.kmalloc(64, 'bench'), 'bench');
});

const bytes = new Uint8Array(1 << 17);
host.getrandom(bytes);
for (const length of [12, 60, 128, 256, 512, 4096]) {
  const calls = Math.ceil(2e6 / length);
  const at = (i: number): number => (i * 37) & 0xffff;
  measure(`crc32_le of ${length} bytes, here`, calls, (i) => crc32_le(0, bytes, at(i), length));
  const { crc32 } = host;
  if (crc32 !== undefined) {
    measure(`crc32_le of ${length} bytes, host`, calls, (i) => crc32(bytes, at(i), length, 0));
  }
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'lump-bench-'));
const image = path.join(directory, 'image');
fs.writeFileSync(image, '');
measure('lock and unlock an image', 5, () => host.lock(image, 'exclusive').unlock());
fs.rmSync(directory, { recursive: true });
console.log(JSON.stringify({ bench: 'services', nanosecondsPerCall }));
