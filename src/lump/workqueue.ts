/**
 * Work queues: a function to be run soon by a kernel thread, which unlike a timer may wait.
 *
 * One queue per instance (Linux's system_wq), served by as many worker threads as are needed for
 * the works to get on while some of them wait: normally one. A work never runs twice at a time.
 */
import { KernelPanic } from './bug.js';
import type { Lump } from './lump.js';
import {
  kthread_should_stop,
  type task_struct,
  type wait,
  wait_event,
  wait_queue_head,
  wake_up,
} from './sched.js';
import { timer_list, timer_pending } from './timer.js';

export class work_struct {
  readonly lump: Lump;
  readonly name: string;
  readonly func: () => void;
  /** Queued and not yet begun. */
  pending = false;
  running = false;
  /** Woken when an execution has ended or been cancelled. */
  readonly done: wait_queue_head;

  constructor(lump: Lump, name: string, func: () => void) {
    this.lump = lump;
    this.name = name;
    this.func = func;
    this.done = new wait_queue_head(lump, `work ${name}`);
  }
}

/** A work that is queued by a timer. */
export class delayed_work extends work_struct {
  readonly timer: timer_list;

  constructor(lump: Lump, name: string, func: () => void) {
    super(lump, name, func);
    this.timer = new timer_list(lump, name, () => schedule_work(this));
  }
}

/** The queue and its workers; reached through the functions below. */
export class workqueue {
  private readonly lump: Lump;
  private readonly pending: work_struct[] = [];
  private readonly workers = new Set<task_struct>();
  /** Idle workers wait here. */
  private readonly more_work: wait_queue_head;
  private workers_made = 0;

  constructor(lump: Lump) {
    this.lump = lump;
    this.more_work = new wait_queue_head(lump, 'more work');
    lump.sched.on_block = () => {
      if (this.pending.length > 0) this.ensure_worker(true);
    };
  }

  queue(work: work_struct): boolean {
    if (work.pending) return false;
    work.pending = true;
    this.pending.push(work);
    this.ensure_worker(false);
    return true;
  }

  cancel(work: work_struct): boolean {
    if (!work.pending) return false;
    work.pending = false;
    this.pending.splice(this.pending.indexOf(work), 1);
    wake_up(work.done);
    return true;
  }

  /**
   * Sees to it that a worker will look at the queue. `blocking` tells that the running task is
   * about to wait, so that it does not count if it is a worker itself.
   */
  private ensure_worker(blocking: boolean): void {
    if (this.more_work.waiters.length > 0) {
      wake_up(this.more_work);
      return;
    }
    for (const worker of this.workers) {
      if (worker.state === 'runnable' || (!blocking && worker === this.lump.sched.current)) return;
    }
    const name = `kworker/${this.workers_made++}`;
    this.workers.add(this.lump.sched.kthread_run((task) => this.worker(task), name));
  }

  private *worker(task: task_struct): Generator<wait, void, void> {
    while (!kthread_should_stop(task)) {
      const at = this.pending.findIndex((work) => !work.running);
      if (at >= 0) {
        const [work] = this.pending.splice(at, 1);
        this.run(work);
        yield;
      } else if (this.more_work.waiters.length > 0) {
        // One idle worker is enough.
        break;
      } else {
        yield this.more_work;
      }
    }
    this.workers.delete(task);
  }

  private run(work: work_struct): void {
    work.pending = false;
    work.running = true;
    work.func();
    work.running = false;
    wake_up(work.done);
  }
}

/** Queues a work. @returns false when it was queued already. */
export const schedule_work = (work: work_struct): boolean => work.lump.workqueue.queue(work);

/** Queues a work in `delay_ms`. @returns false when it was queued or its timer set already. */
export function schedule_delayed_work(work: delayed_work, delay_ms: number): boolean {
  if (work.pending || timer_pending(work.timer)) return false;
  if (delay_ms <= 0) return schedule_work(work);
  const { lump } = work;
  lump.sched.add_timer(work.timer, lump.host.monotonicMs() + delay_ms);
  return true;
}

/** Is it queued, or its timer set? */
export const delayed_work_pending = (work: delayed_work): boolean =>
  work.pending || timer_pending(work.timer);

/** Waits until the work, if it is queued or runs, has ended. A set timer does not count. */
export function flush_work(work: work_struct): void {
  wait_event(work.done, () => !work.pending && !work.running);
}

/** Runs a delayed work now if it is waiting for its time, and waits for its end. */
export function flush_delayed_work(work: delayed_work): void {
  if (work.lump.sched.timers.remove(work.timer)) schedule_work(work);
  flush_work(work);
}

/**
 * Takes a work off the queue, or waits for its end if it runs. Afterwards it neither runs nor will.
 * @returns true when it was pending.
 */
export function cancel_work_sync(work: work_struct): boolean {
  const was_pending = work.lump.workqueue.cancel(work);
  wait_event(work.done, () => !work.running);
  if (work.pending) throw new KernelPanic(`work ${work.name} queued itself while being cancelled`);
  return was_pending;
}

/** The same for a delayed work. */
export function cancel_delayed_work_sync(work: delayed_work): boolean {
  const had_timer = work.lump.sched.timers.remove(work.timer);
  return cancel_work_sync(work) || had_timer;
}
