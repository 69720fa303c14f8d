/**
 * One booted instance of the emulated kernel. All state hangs on it: there are no variables at
 * module level, so several instances live side by side in one process.
 *
 * Services with much to say are objects of their own ({@link Lump.sched}, {@link Lump.slab}, …);
 * calls that name an object which knows its Lump (a wait queue, a timer, a work) are plain
 * functions with Linux's names, exported by that service's file.
 */
import { RUMPUSER_VERSION, type Rumpuser } from '../rumpuser/rumpuser.js';
import { crc32_le } from './crc32.js';
import { filesystems } from './filesystems.js';
import type { cred } from './fs.js';
import { page_cache } from './filemap.js';
import { lockdep } from './lockdep.js';
import { module_registry, ProgramMismatch } from './module.js';
import {
  KERN_DEBUG,
  KERN_EMERG,
  KERN_ERR,
  KERN_INFO,
  KERN_NOTICE,
  KERN_WARNING,
  printk_ring,
  type ratelimit_state,
} from './printk.js';
import { sched } from './sched.js';
import { slab } from './slab.js';
import { HZ } from './timer.js';
import { workqueue } from './workqueue.js';

export { HZ } from './timer.js';

/**
 * From this length on the host's CRC-32 is the faster one. Measured, Node 20, ns per call here and
 * in node:zlib: 64 bytes 70 and 234, 256 bytes 294 and 275, 4096 bytes 4,700 and 1,150.
 */
const HOST_CRC32_BYTES_MIN = 256;

export interface LumpOptions {
  readonly host: Rumpuser;
  /** Chooses the interleaving of kernel threads; 0 (default): first come, first served. */
  readonly seed?: number;
  /** Ticks per second; 0: none ever. Default: {@link HZ}. */
  readonly hz?: number;
  /** Limit of the page cache in bytes, see filemap.ts. */
  readonly pageCacheBytes?: number;
  /** Characters of messages that dmesg() keeps. */
  readonly logChars?: number;
  /** Track every object of slab caches, so that a double free panics. Slow. */
  readonly slabDebug?: boolean;
}

const INIT_CRED: cred = {
  fsuid: 0,
  fsgid: 0,
  groups: [],
  privileged: true,
  permissionsChecked: false,
  umask: 0o022,
};

export class Lump {
  readonly host: Rumpuser;
  /** host.monotonicMs() when this kernel was booted; jiffies 0. */
  readonly boot_ms: number;
  readonly hz: number;
  readonly page_cache: page_cache;
  readonly log: printk_ring;
  readonly lockdep: lockdep;
  readonly sched: sched;
  readonly slab: slab;
  readonly workqueue: workqueue;
  readonly modules: module_registry;
  readonly filesystems: filesystems;
  /** The kernel's own credentials, which its threads run with. */
  readonly init_cred: cred = INIT_CRED;
  /** Who asks; set by the entry layer before any VFS call. */
  current_cred: cred = INIT_CRED;
  /** Times WARN_ON found its condition true. */
  warnings = 0;

  private readonly random_words = new Uint32Array(64);
  private random_at = 64;

  /** @throws ProgramMismatch when the host's interface has another version. */
  constructor(options: LumpOptions) {
    const { host } = options;
    if (host.version !== RUMPUSER_VERSION) {
      throw new ProgramMismatch(`rumpuser host "${host.name}"`, host.version, RUMPUSER_VERSION);
    }
    this.host = host;
    this.boot_ms = host.monotonicMs();
    this.hz = options.hz ?? HZ;
    this.page_cache = new page_cache(options.pageCacheBytes);
    this.log = new printk_ring(host, this.boot_ms, options.logChars ?? 128 << 10);
    this.lockdep = new lockdep();
    this.slab = new slab(this, options.slabDebug ?? false);
    this.sched = new sched(this, options.seed ?? 0);
    this.workqueue = new workqueue(this);
    this.modules = new module_registry(this);
    this.filesystems = new filesystems(this);
  }

  // ---- time and chance ----

  /** Ticks since boot, {@link Lump.hz} per second. */
  get jiffies(): number {
    return Math.floor(((this.host.monotonicMs() - this.boot_ms) * this.hz) / 1000);
  }

  /** Whole seconds since 1970. */
  ktime_get_real_seconds(): number {
    return Math.floor(this.host.wallClockMs() / 1000);
  }

  ktime_get_real(): { tv_sec: number; tv_nsec: number } {
    const ms = this.host.wallClockMs();
    const tv_sec = Math.floor(ms / 1000);
    // A double holds today's milliseconds with 2^-12 of a millisecond: 244 ns steps.
    return { tv_sec, tv_nsec: Math.min(999_999_999, Math.floor((ms - tv_sec * 1000) * 1e6)) };
  }

  random_u32(): number {
    if (this.random_at === this.random_words.length) {
      this.host.getrandom(new Uint8Array(this.random_words.buffer));
      this.random_at = 0;
    }
    return this.random_words[this.random_at++];
  }

  /** {@link crc32_le}, on the host's faster one where a range is long enough to pay the call. */
  crc32_le(crc: number, buf: Uint8Array, off: number, len: number): number {
    if (len < HOST_CRC32_BYTES_MIN || this.host.crc32 === undefined) {
      return crc32_le(crc, buf, off, len);
    }
    return ~this.host.crc32(buf, off, len, ~crc >>> 0) >>> 0;
  }

  // ---- the log ----

  printk(level: number, message: string): void {
    this.log.printk(level, message);
  }

  pr_emerg(message: string): void {
    this.log.printk(KERN_EMERG, message);
  }

  pr_err(message: string): void {
    this.log.printk(KERN_ERR, message);
  }

  pr_warn(message: string): void {
    this.log.printk(KERN_WARNING, message);
  }

  pr_notice(message: string): void {
    this.log.printk(KERN_NOTICE, message);
  }

  pr_info(message: string): void {
    this.log.printk(KERN_INFO, message);
  }

  pr_debug(message: string): void {
    this.log.printk(KERN_DEBUG, message);
  }

  /** A message of which a damaged image may cause any number: see {@link ratelimit_state}. */
  printk_ratelimited(state: ratelimit_state, level: number, message: string): void {
    if (this.log.ratelimit(state, 'printk')) this.log.printk(level, message);
  }

  dmesg(): string[] {
    return this.log.dmesg();
  }

  /** Logs and counts when `condition` holds: something is wrong, but not fatal. */
  WARN_ON(condition: boolean, message: string): boolean {
    if (condition) {
      this.warnings++;
      this.log.printk(KERN_WARNING, `WARNING: ${message}`);
    }
    return condition;
  }

  // ---- who asks ----

  get current_umask(): number {
    return this.current_cred.umask;
  }

  // ---- background ----

  /** See {@link sched.background}. */
  background(): number {
    return this.sched.background();
  }

  /**
   * Has the host call background() in its idle moments from now on, or no longer. A KernelPanic in
   * a thread then surfaces in the host's event loop.
   */
  run_when_idle(on: boolean): void {
    if (!on) {
      this.sched.on_work = null;
      this.host.requestIdle(null, 0);
      return;
    }
    const request = (): void => {
      const delay_ms = this.sched.next_work_ms();
      this.host.requestIdle(delay_ms < 0 ? null : idle, delay_ms);
    };
    const idle = (): void => {
      this.sched.background();
      if (this.sched.on_work !== null) request();
    };
    this.sched.on_work = request;
    request();
  }

  /** True when background() would do something now. */
  has_background_work(): boolean {
    return this.sched.next_work_ms() === 0;
  }
}
