/**
 * Linux's locks. The core is synchronous and a kernel thread gives up the processor between units
 * of work only, with no lock held, so nothing here ever waits: a lock that is held by somebody else
 * is held by a task *below us on this very stack* (it waits for something and let us run meanwhile)
 * which cannot go on before we return. Linux would hang; we panic and say who holds what.
 *
 * The locks exist to catch mistakes: every one knows its owner and its class, and all misuse
 * (recursion, unlock by another, order inversion, sleeping with a spinlock held, yielding with any
 * lock held, destroying a held one) is a KernelPanic.
 *
 * Where a lock may rightly be held by a waiter below, a thread asks with a trylock and tries again
 * later, exactly as Linux code does in places that must not wait.
 */
import { KernelPanic } from './bug.js';
import type { lockdep, lockdep_map } from './lockdep.js';
import type { Lump } from './lump.js';
import { type sched, type task_struct, wait_event, wait_queue_head, wake_up } from './sched.js';

/** What all kinds share: class, owner and the reports. */
abstract class lock_base implements lockdep_map {
  readonly class_name: string;
  protected readonly sched: sched;
  protected readonly lockdep: lockdep;
  protected readonly class_id: number;
  /** The task that holds it exclusively. */
  protected owner: task_struct | null = null;
  private destroyed = false;

  constructor(lump: Lump, class_name: string) {
    this.class_name = class_name;
    this.sched = lump.sched;
    this.lockdep = lump.lockdep;
    this.class_id = lump.lockdep.register_class(class_name);
  }

  abstract get is_locked(): boolean;

  /** Ends the lock's life; what contains it is about to be freed. */
  destroy(): void {
    if (this.destroyed) throw new KernelPanic(`${this.class_name} destroyed twice`);
    if (this.is_locked) {
      throw new KernelPanic(`${this.class_name} destroyed while held by ${this.holders()}`);
    }
    this.destroyed = true;
    // A lock that is dead looks held for ever, so that the fast paths need no test of their own.
    this.owner = this.sched.nobody;
  }

  /** Who holds it, for reports. */
  protected holders(): string {
    return this.owner === null ? 'nobody' : `${this.owner.comm}/${this.owner.pid}`;
  }

  /** The slow path of every lock operation that found the lock taken. */
  protected contended(wanted: string): never {
    const task = this.sched.current;
    const who = `${task.comm}/${task.pid}`;
    if (this.destroyed) throw new KernelPanic(`${who}: ${wanted} of destroyed ${this.class_name}`);
    if (this.lockdep.is_held(task, this)) {
      throw new KernelPanic(`recursive locking: ${who}: ${wanted} of ${this.class_name} it holds`);
    }
    throw new KernelPanic(
      `deadlock: ${who}: ${wanted} of ${this.class_name}, held by ${this.holders()} which ` +
        `cannot run before we return\n${this.sched.report()}`,
    );
  }

  protected bad_unlock(): never {
    const task = this.sched.current;
    throw new KernelPanic(
      `bad unlock: ${task.comm}/${task.pid} does not hold ${this.class_name} ` +
        `(held by ${this.holders()})`,
    );
  }
}

export class mutex extends lock_base {
  get is_locked(): boolean {
    return this.owner !== null;
  }

  lock(): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`mutex_lock(${this.class_name})`);
    if (this.owner !== null) this.contended('mutex_lock');
    this.lockdep.acquire(task, this, this.class_id, false);
    this.owner = task;
  }

  /** For the second of two locks of one class. `subclass` 1 … 7. */
  lock_nested(subclass: number): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`mutex_lock(${this.class_name})`);
    if (this.owner !== null) this.contended('mutex_lock');
    this.lockdep.acquire(task, this, this.lockdep.subclass(this.class_id, subclass), false);
    this.owner = task;
  }

  trylock(): boolean {
    if (this.owner === this.sched.nobody) this.contended('mutex_trylock');
    if (this.owner !== null) return false;
    const task = this.sched.current;
    this.lockdep.acquire(task, this, this.class_id, true);
    this.owner = task;
    return true;
  }

  unlock(): void {
    const task = this.sched.current;
    if (this.owner !== task) this.bad_unlock();
    this.owner = null;
    this.lockdep.release(task, this);
  }

  /** Panics unless the running task holds it. */
  assert_held(): void {
    if (this.owner !== this.sched.current) this.bad_unlock();
  }
}

/** Not to be held across anything that may wait: see {@link sched.might_sleep}. */
export class spinlock extends lock_base {
  get is_locked(): boolean {
    return this.owner !== null;
  }

  lock(): void {
    const task = this.sched.current;
    if (this.owner !== null) this.contended('spin_lock');
    this.lockdep.acquire(task, this, this.class_id, false);
    task.preempt_count++;
    this.owner = task;
  }

  trylock(): boolean {
    if (this.owner === this.sched.nobody) this.contended('spin_trylock');
    if (this.owner !== null) return false;
    const task = this.sched.current;
    this.lockdep.acquire(task, this, this.class_id, true);
    task.preempt_count++;
    this.owner = task;
    return true;
  }

  unlock(): void {
    const task = this.sched.current;
    if (this.owner !== task) this.bad_unlock();
    this.owner = null;
    task.preempt_count--;
    this.lockdep.release(task, this);
  }

  assert_held(): void {
    if (this.owner !== this.sched.current) this.bad_unlock();
  }
}

export class rw_semaphore extends lock_base {
  private readers = 0;

  get is_locked(): boolean {
    return this.readers !== 0 || this.owner !== null;
  }

  get is_write_locked(): boolean {
    return this.owner !== null;
  }

  down_read(): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`down_read(${this.class_name})`);
    if (this.owner !== null) this.contended('down_read');
    this.lockdep.acquire(task, this, this.class_id, false);
    this.readers++;
  }

  down_read_nested(subclass: number): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`down_read(${this.class_name})`);
    if (this.owner !== null) this.contended('down_read');
    this.lockdep.acquire(task, this, this.lockdep.subclass(this.class_id, subclass), false);
    this.readers++;
  }

  down_read_trylock(): boolean {
    if (this.owner === this.sched.nobody) this.contended('down_read_trylock');
    if (this.owner !== null) return false;
    this.lockdep.acquire(this.sched.current, this, this.class_id, true);
    this.readers++;
    return true;
  }

  up_read(): void {
    if (this.readers === 0) this.bad_unlock();
    this.lockdep.release(this.sched.current, this);
    this.readers--;
  }

  down_write(): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`down_write(${this.class_name})`);
    if (this.readers !== 0 || this.owner !== null) this.contended('down_write');
    this.lockdep.acquire(task, this, this.class_id, false);
    this.owner = task;
  }

  down_write_nested(subclass: number): void {
    const task = this.sched.current;
    if (task.preempt_count !== 0) this.sched.might_sleep(`down_write(${this.class_name})`);
    if (this.readers !== 0 || this.owner !== null) this.contended('down_write');
    this.lockdep.acquire(task, this, this.lockdep.subclass(this.class_id, subclass), false);
    this.owner = task;
  }

  down_write_trylock(): boolean {
    if (this.owner === this.sched.nobody) this.contended('down_write_trylock');
    if (this.readers !== 0 || this.owner !== null) return false;
    const task = this.sched.current;
    this.lockdep.acquire(task, this, this.class_id, true);
    this.owner = task;
    return true;
  }

  up_write(): void {
    const task = this.sched.current;
    if (this.owner !== task) this.bad_unlock();
    this.owner = null;
    this.lockdep.release(task, this);
  }

  /** Write lock → read lock, without letting go in between. */
  downgrade_write(): void {
    if (this.owner !== this.sched.current) this.bad_unlock();
    this.owner = null;
    this.readers = 1;
  }

  /** Panics unless the running task holds it, for reading or writing. */
  assert_held(): void {
    if (!this.lockdep.is_held(this.sched.current, this)) this.bad_unlock();
  }

  assert_held_write(): void {
    if (this.owner !== this.sched.current) this.bad_unlock();
  }

  protected override holders(): string {
    return this.readers === 0 ? super.holders() : `${this.readers} reader(s)`;
  }
}

/** Something that happens once (or n times) and that others wait for. */
export class completion {
  private done = 0;
  private readonly wait: wait_queue_head;

  constructor(lump: Lump, name: string) {
    this.wait = new wait_queue_head(lump, name);
  }

  /** Lets one waiter through. */
  complete(): void {
    this.done++;
    wake_up(this.wait);
  }

  /** Lets everybody through, until reinit. */
  complete_all(): void {
    this.done = Number.POSITIVE_INFINITY;
    wake_up(this.wait);
  }

  reinit(): void {
    this.done = 0;
  }

  completion_done(): boolean {
    return this.done > 0;
  }

  wait_for_completion(): void {
    wait_event(this.wait, () => this.done > 0);
    this.done--;
  }
}
