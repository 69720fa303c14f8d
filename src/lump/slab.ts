/**
 * Memory. The garbage collector frees it; what this file adds is *accounting*: every object that a
 * file system keeps is taken from a cache and given back, so that a leak shows as a number at
 * unmount, and any allocation can be made to fail.
 */
import { KernelPanic } from './bug.js';
import { Errno } from './errno.js';
import type { Lump } from './lump.js';

/** Free objects that a cache keeps for the next alloc(). */
const FREE_OBJECTS_MAX = 256;

export interface slab_info {
  readonly name: string;
  /** Objects (caches) or bytes (kmalloc tags) in use now, at most, and ever handed out. */
  readonly active: number;
  readonly peak: number;
  readonly total: number;
}

export class kmem_cache<T extends object> implements slab_info {
  readonly name: string;
  active = 0;
  peak = 0;
  total = 0;
  private readonly slab: slab;
  private readonly make: () => T;
  private readonly free_objects: T[] = [];

  constructor(slab: slab, name: string, make: () => T) {
    this.slab = slab;
    this.name = name;
    this.make = make;
  }

  /**
   * An object, new or used: as in Linux its fields are whatever its last user left.
   * @throws ENOMEM when a test asked for it.
   */
  alloc(): T {
    if (this.slab.armed) this.slab.maybe_fail(this.name);
    const object = this.free_objects.pop() ?? this.make();
    this.total++;
    if (++this.active > this.peak) this.peak = this.active;
    if (this.slab.debug) this.slab.live.set(object, this.name);
    return object;
  }

  /** Gives an object back. The caller has dropped what it refers to. */
  free(object: T): void {
    if (this.slab.debug) this.slab.check_live(object, this.name);
    if (this.active-- === 0) throw new KernelPanic(`${this.name}: more objects freed than taken`);
    if (this.free_objects.length < FREE_OBJECTS_MAX) this.free_objects.push(object);
  }

  /** Drops the free objects. @returns how many there were. */
  shrink(): number {
    const count = this.free_objects.length;
    this.free_objects.length = 0;
    return count;
  }
}

/** Bytes of one purpose, handed out by kmalloc. */
interface kmalloc_tag extends slab_info {
  active: number;
  peak: number;
  total: number;
}

export class slab {
  /** Remember every live object, so that double frees panic. Slow. */
  readonly debug: boolean;
  /** Live objects and what they were taken from; debug only. */
  readonly live = new Map<object, string>();
  /** True while an allocation is to fail. */
  armed = false;
  private readonly lump: Lump;
  private readonly caches = new Map<string, kmem_cache<object>>();
  private readonly tags = new Map<string, kmalloc_tag>();
  private fail_countdown = 0;
  private fail_lasting = false;

  constructor(lump: Lump, debug: boolean) {
    this.lump = lump;
    this.debug = debug;
  }

  /**
   * Makes the `nth` allocation from now (1 = the next) throw ENOMEM, and with `lasting` every one
   * after it too. 0 disarms.
   */
  fail_nth(nth: number, lasting = false): void {
    this.fail_countdown = nth;
    this.fail_lasting = lasting;
    this.armed = nth > 0;
  }

  maybe_fail(name: string): void {
    if (this.fail_countdown > 0 && --this.fail_countdown > 0) return;
    if (!this.fail_lasting) this.armed = false;
    this.lump.pr_warn(`slab: ${name}: allocation failure as asked for`);
    throw new Errno('ENOMEM', name);
  }

  /** A cache of its name; panics when the name is taken. */
  kmem_cache_create<T extends object>(name: string, make: () => T): kmem_cache<T> {
    if (this.caches.has(name)) throw new KernelPanic(`kmem_cache_create: ${name} exists`);
    const cache = new kmem_cache<T>(this, name, make);
    this.caches.set(name, cache as unknown as kmem_cache<object>);
    return cache;
  }

  /** Warns when objects are still in use: they leaked. */
  kmem_cache_destroy<T extends object>(cache: kmem_cache<T>): void {
    this.lump.WARN_ON(
      cache.active !== 0,
      `kmem_cache_destroy ${cache.name}: slab cache still has ${cache.active} objects`,
    );
    this.caches.delete(cache.name);
  }

  /** Zeroed bytes, accounted under `tag`. @throws ENOMEM when a test asked for it. */
  kmalloc(bytes: number, tag: string): Uint8Array {
    if (this.armed) this.maybe_fail(tag);
    const buffer = new Uint8Array(bytes);
    let info = this.tags.get(tag);
    if (info === undefined) {
      info = { name: tag, active: 0, peak: 0, total: 0 };
      this.tags.set(tag, info);
    }
    info.total += bytes;
    info.active += bytes;
    if (info.active > info.peak) info.peak = info.active;
    if (this.debug) this.live.set(buffer, tag);
    return buffer;
  }

  /** Gives back what kmalloc handed out under the same tag. */
  kfree(buffer: Uint8Array, tag: string): void {
    if (this.debug) this.check_live(buffer, tag);
    const info = this.tags.get(tag);
    if (info === undefined || info.active < buffer.length) {
      throw new KernelPanic(`kfree: ${tag}: more bytes freed than taken`);
    }
    info.active -= buffer.length;
  }

  check_live(object: object, name: string): void {
    const from = this.live.get(object);
    if (from !== name) {
      throw new KernelPanic(
        from === undefined
          ? `${name}: free of an object that is not in use (double free?)`
          : `${name}: free of an object that was taken from ${from}`,
      );
    }
    this.live.delete(object);
  }

  /** All caches and tags, by name. */
  report(): slab_info[] {
    const rows = [...this.caches.values(), ...this.tags.values()];
    return rows
      .map(({ name, active, peak, total }) => ({ name, active, peak, total }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What is still in use. */
  leaks(): slab_info[] {
    return this.report().filter((row) => row.active !== 0);
  }
}
