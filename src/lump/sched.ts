/**
 * Tasks, wait queues and the scheduler.
 *
 * A kernel thread is a generator: each stretch between two `yield`s is one unit of work, a plain
 * synchronous function of bounded length. It yields
 *
 *     yield;        runnable again at once
 *     yield ms;     sleep that long (wake_up_process ends it early)
 *     yield queue;  sleep until wake_up(queue); the thread then looks at its condition again
 *
 * and holds no lock when it does. Callers from outside run as the task `init`. Threads run in the
 * host's idle moments ({@link sched.background}) and whenever somebody waits ({@link wait_event}).
 * A thread that waits *inside* a unit stays on the stack: the others run above it.
 *
 * Which of several runnable threads is next comes from the seed, so that an interleaving that broke
 * something can be run again; seed 0 is first come, first served.
 */
import { Prng } from '../rumpuser/prng.js';
import { KernelPanic } from './bug.js';
import { MAX_LOCK_DEPTH, type lockdep_map } from './lockdep.js';
import type { Lump } from './lump.js';
import { timer_list, timerqueue } from './timer.js';

/** What a thread may yield. */
// biome-ignore lint/suspicious/noConfusingVoidType: a bare `yield` has the type void.
export type wait = void | number | wait_queue_head;
export type kthread_fn = (task: task_struct) => Generator<wait, void, void>;

export type task_state = 'runnable' | 'running' | 'sleeping' | 'waiting' | 'dead';

/**
 * A wait that lasts longer than this (host time) is a panic, Linux's hung_task_timeout_secs: a
 * thread that wakes up now and then must not hide that nothing gets on.
 */
const HUNG_TASK_TIMEOUT_MS = 120_000;
/** The same for a wait during which threads run without end and no time passes. */
const SOFT_LOCKUP_UNITS = 10_000_000;

export class task_struct {
  readonly lump: Lump;
  readonly pid: number;
  readonly comm: string;
  state: task_state = 'runnable';
  /** See {@link kthread_stop}. */
  should_stop = false;
  /** The queue it waits on, when 'waiting'. */
  waiting_on: wait_queue_head | null = null;
  /** Pending when 'sleeping'. */
  readonly sleep_timer: timer_list;
  /** Fires when the thread has ended. */
  readonly exited: wait_queue_head;
  /** Null for tasks that are no threads: init and the timer interrupt. */
  readonly generator: Generator<wait, void, void> | null;

  /** Spinlocks held, plus one in interrupt context: while not 0 the task must not wait. */
  preempt_count = 0;
  /** Locks held, outermost first; maintained by lockdep.ts only. */
  readonly held_locks: (lockdep_map | null)[] = [];
  readonly held_class = new Uint16Array(MAX_LOCK_DEPTH);
  held_depth = 0;

  constructor(lump: Lump, pid: number, comm: string, fn: kthread_fn | null) {
    this.lump = lump;
    this.pid = pid;
    this.comm = comm;
    this.sleep_timer = new timer_list(lump, `${comm}: sleep`, () => wake_up_process(this));
    this.exited = new wait_queue_head(lump, `${comm}: exit`);
    this.generator = fn === null ? null : fn(this);
  }
}

export class wait_queue_head {
  readonly lump: Lump;
  readonly name: string;
  /** Threads that yielded this queue. */
  readonly waiters: task_struct[] = [];
  /** Counts wake_up()s, so that a synchronous waiter knows when to look again. */
  wakeups = 0;

  constructor(lump: Lump, name: string) {
    this.lump = lump;
    this.name = name;
  }
}

export class sched {
  /** The running task. */
  current: task_struct;
  /** Holds what nobody can take any more; see lock_base.destroy(). */
  readonly nobody: task_struct;
  readonly timers = new timerqueue();
  /** Called when there is work where none was, or earlier than known; see Lump.run_when_idle. */
  on_work: (() => void) | null = null;
  /** Called before a task begins to wait; workqueue.ts keeps its pool alive by it. */
  on_block: ((task: task_struct) => void) | null = null;

  private readonly lump: Lump;
  private readonly init: task_struct;
  private readonly softirq: task_struct;
  private readonly tasks: task_struct[] = [];
  private readonly runnable: task_struct[] = [];
  private readonly prng: Prng | null;
  private next_pid = 2;

  constructor(lump: Lump, seed: number) {
    this.lump = lump;
    this.prng = seed === 0 ? null : new Prng(seed);
    this.nobody = new task_struct(lump, -1, 'nobody', null);
    this.softirq = new task_struct(lump, 0, 'softirq', null);
    this.softirq.preempt_count = 1;
    this.init = new task_struct(lump, 1, 'init', null);
    this.init.state = 'running';
    this.current = this.init;
    this.tasks.push(this.init);
  }

  /** Starts a thread; its first unit runs when the scheduler comes to it. */
  kthread_run(fn: kthread_fn, comm: string): task_struct {
    const task = new task_struct(this.lump, this.next_pid++, comm, fn);
    this.tasks.push(task);
    this.make_runnable(task);
    return task;
  }

  /** Arms a timer for a point of monotonic host time; timer.ts has the public calls. */
  add_timer(timer: timer_list, expires_ms: number): void {
    const earliest = expires_ms < this.timers.next_ms;
    this.timers.add(timer, expires_ms);
    if (earliest && this.runnable.length === 0) this.on_work?.();
  }

  make_runnable(task: task_struct): void {
    task.state = 'runnable';
    task.waiting_on = null;
    this.runnable.push(task);
    if (this.runnable.length === 1) this.on_work?.();
  }

  /** Panics when the running task must not wait, for it holds a spinlock or is an interrupt. */
  might_sleep(what: string): void {
    const task = this.current;
    if (task.preempt_count === 0) return;
    throw new KernelPanic(
      `sleeping in atomic context: ${task.comm}/${task.pid}: ${what}` +
        `, locks held: ${this.held(task)}`,
    );
  }

  /**
   * Runs the timers that are due and one unit of one runnable thread, if there is any. To be called
   * from outside the kernel, when the host has time.
   * @returns milliseconds until it wants to be called again: 0 now, -1 nothing is pending.
   */
  background(): number {
    if (this.current !== this.init || this.init.held_depth !== 0) {
      throw new KernelPanic(`background() called from inside the kernel\n${this.report()}`);
    }
    this.run_unit();
    return this.next_work_ms();
  }

  /** As background() answers, without doing anything. */
  next_work_ms(): number {
    if (this.runnable.length > 0) return 0;
    if (this.timers.length === 0) return -1;
    return Math.max(0, this.timers.next_ms - this.lump.host.monotonicMs());
  }

  /**
   * The waiting of {@link wait_event}: runs threads and timers until `condition` holds.
   * @returns false when `timeout_ms` passed before.
   */
  wait(queue: wait_queue_head, condition: () => boolean, timeout_ms: number): boolean {
    const task = this.current;
    this.might_sleep(`wait for ${queue.name}`);
    if (condition()) return true;
    const { host } = this.lump;
    const start_ms = host.monotonicMs();
    const deadline_ms = start_ms + timeout_ms;
    const forever = timeout_ms === Number.POSITIVE_INFINITY;
    const hung_ms = forever ? start_ms + HUNG_TASK_TIMEOUT_MS : Number.POSITIVE_INFINITY;
    let wakeups = queue.wakeups;
    let units = 0;
    task.state = 'waiting';
    task.waiting_on = queue;
    this.on_block?.(task);
    try {
      for (;;) {
        const worked = this.run_unit();
        if (queue.wakeups !== wakeups) {
          wakeups = queue.wakeups;
          if (condition()) return true;
        }
        if (worked) {
          if (++units >= SOFT_LOCKUP_UNITS) this.stalled('soft lockup', task, condition);
          if (forever) continue;
        }
        const now_ms = host.monotonicMs();
        if (now_ms >= deadline_ms) return condition();
        if (worked) continue;
        const next_ms = Math.min(this.timers.next_ms, deadline_ms);
        if (next_ms === Number.POSITIVE_INFINITY) this.stalled('deadlock', task, condition);
        if (now_ms >= hung_ms) this.stalled('hung task', task, condition);
        host.sleepMs(Math.max(0, next_ms - now_ms));
      }
    } finally {
      task.state = 'running';
      task.waiting_on = null;
    }
  }

  /** One line per task: what it does, what it holds. */
  report(): string {
    const lines = this.tasks.map((task) => {
      const wait = task.waiting_on === null ? '' : ` for ${task.waiting_on.name}`;
      return `  ${task.comm}/${task.pid}: ${task.state}${wait}, locks held: ${this.held(task)}`;
    });
    return ['tasks:', ...lines].join('\n');
  }

  private held(task: task_struct): string {
    return this.lump.lockdep.held_names(task).join(', ') || 'none';
  }

  private stalled(kind: string, task: task_struct, condition: () => boolean): never {
    const lost = condition()
      ? ' (the condition holds, but nobody called wake_up: a lost wake-up)'
      : '';
    throw new KernelPanic(
      `${kind}: ${task.comm}/${task.pid} waits for ${task.waiting_on?.name}${lost} and nothing ` +
        `can make progress\n${this.report()}`,
    );
  }

  /** Due timers and one thread's unit. @returns false when there was nothing to do. */
  private run_unit(): boolean {
    const fired = this.timers.length > 0 && this.run_timers();
    const count = this.runnable.length;
    if (count === 0) return fired;
    const index = this.prng === null ? 0 : this.prng.below(count);
    const task = index === count - 1 ? this.runnable.pop()! : this.runnable.splice(index, 1)[0]!;
    this.run_thread(task);
    return true;
  }

  /** Timers armed meanwhile lie in the future of `now`, so this ends. */
  private run_timers(): boolean {
    const now_ms = this.lump.host.monotonicMs();
    let timer = this.timers.take_due(now_ms);
    if (timer === null) return false;
    const interrupted = this.current;
    this.current = this.softirq;
    try {
      for (; timer !== null; timer = this.timers.take_due(now_ms)) {
        timer.function();
        if (this.softirq.preempt_count !== 1 || this.softirq.held_depth !== 0) {
          throw new KernelPanic(
            `timer ${timer.name} returned with ${this.held(this.softirq)} held`,
          );
        }
      }
    } finally {
      this.current = interrupted;
    }
    return true;
  }

  private run_thread(task: task_struct): void {
    const below = this.current;
    const { current_cred } = this.lump;
    this.current = task;
    this.lump.current_cred = this.lump.init_cred;
    task.state = 'running';
    let result: IteratorResult<wait, void> | null = null;
    try {
      result = (task.generator as Generator<wait, void, void>).next();
    } catch (error) {
      if (error instanceof KernelPanic) throw error;
      throw new KernelPanic(`${task.comm}/${task.pid} died: ${String(error)}`, { cause: error });
    } finally {
      this.current = below;
      this.lump.current_cred = current_cred;
      if (result === null) this.bury(task);
    }
    if (task.held_depth !== 0) {
      throw new KernelPanic(
        `${task.comm}/${task.pid} ${result.done ? 'ended' : 'yielded'} with locks held: ` +
          this.held(task),
      );
    }
    if (result.done) {
      this.bury(task);
      wake_up(task.exited);
      return;
    }
    this.suspend(task, result.value);
  }

  private suspend(task: task_struct, wait: wait): void {
    if (wait instanceof wait_queue_head) {
      task.state = 'waiting';
      task.waiting_on = wait;
      wait.waiters.push(task);
    } else if (wait === undefined || wait <= 0) {
      this.make_runnable(task);
    } else {
      task.state = 'sleeping';
      this.add_timer(task.sleep_timer, this.lump.host.monotonicMs() + wait);
    }
  }

  private bury(task: task_struct): void {
    task.state = 'dead';
    this.tasks.splice(this.tasks.indexOf(task), 1);
  }
}

/** Wakes a thread from any sleep. @returns false when it was not asleep. */
export function wake_up_process(task: task_struct): boolean {
  if (task.generator === null) return false;
  if (task.state === 'sleeping') {
    task.lump.sched.timers.remove(task.sleep_timer);
  } else if (task.state === 'waiting' && task.waiting_on !== null) {
    const { waiters } = task.waiting_on;
    const at = waiters.indexOf(task);
    // Not in the list: it waits inside a unit, on the stack, and looks again by itself.
    if (at < 0) return false;
    waiters.splice(at, 1);
  } else {
    return false;
  }
  task.lump.sched.make_runnable(task);
  return true;
}

/** Wakes all who wait on the queue. (Linux wakes one of the exclusive waiters; there are none.) */
export function wake_up(queue: wait_queue_head): void {
  queue.wakeups++;
  const { waiters } = queue;
  if (waiters.length === 0) return;
  const { sched } = queue.lump;
  for (const task of waiters) sched.make_runnable(task);
  waiters.length = 0;
}

/**
 * Waits until `condition` holds, running other threads and timers meanwhile, and sleeping the host
 * when all of them sleep. Whoever makes the condition true must wake_up() the queue; the condition
 * is looked at once at the start and again after every wake_up.
 *
 * Panics, with a list of the tasks, when nothing is left that could wake the queue, when the wait
 * lasts two minutes of host time, and in atomic context.
 */
export function wait_event(queue: wait_queue_head, condition: () => boolean): void {
  queue.lump.sched.wait(queue, condition, Number.POSITIVE_INFINITY);
}

/** The same with a limit. @returns false when the time passed before the condition held. */
export function wait_event_timeout(
  queue: wait_queue_head,
  condition: () => boolean,
  timeout_ms: number,
): boolean {
  return queue.lump.sched.wait(queue, condition, timeout_ms);
}

/** Asked by a thread between its units: has somebody called {@link kthread_stop}? */
export const kthread_should_stop = (task: task_struct): boolean => task.should_stop;

/**
 * Tells a thread to end, wakes it once, and runs threads until it has ended. As in Linux, a thread
 * that goes to sleep again without having asked kthread_should_stop() is never heard of again; here
 * that is a panic.
 */
export function kthread_stop(task: task_struct): void {
  task.should_stop = true;
  wake_up_process(task);
  wait_event(task.exited, () => task.state === 'dead');
}
