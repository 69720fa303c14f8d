/**
 * Timers: a function to be called once, at or after a point of time. As in Linux it runs in atomic
 * context: it must not wait, and typically wakes a thread or queues a work.
 */
import type { Lump } from './lump.js';

/** Ticks of `lump.jiffies` per second. */
export const HZ = 250;

export const msecs_to_jiffies = (ms: number): number => Math.ceil((ms * HZ) / 1000);
export const jiffies_to_msecs = (jiffies: number): number => (jiffies * 1000) / HZ;

export class timer_list {
  readonly lump: Lump;
  readonly name: string;
  readonly function: () => void;
  /** Monotonic host milliseconds; meaningful while pending. */
  expires_ms = 0;
  /** Place in the queue, -1 when not pending. Maintained by {@link timerqueue} only. */
  queue_index = -1;
  /** Orders timers of the same moment by the time of arming. */
  queue_order = 0;

  constructor(lump: Lump, name: string, fn: () => void) {
    this.lump = lump;
    this.name = name;
    this.function = fn;
  }
}

export const timer_pending = (timer: timer_list): boolean => timer.queue_index >= 0;

/**
 * Arms or moves a timer to `expires`, an absolute value of `lump.jiffies`; one in the past fires at
 * the next tick. @returns true when it was pending.
 */
export function mod_timer(timer: timer_list, expires: number): boolean {
  const { lump } = timer;
  const pending = timer_pending(timer);
  const at = Math.max(expires, lump.jiffies + 1);
  lump.sched.add_timer(timer, lump.boot_ms + jiffies_to_msecs(at));
  return pending;
}

/** Disarms. @returns true when it was pending. */
export function del_timer(timer: timer_list): boolean {
  return timer.lump.sched.timers.remove(timer);
}

/** A binary heap of pending timers, earliest first; adding and removing cost O(log n). */
export class timerqueue {
  private readonly heap: timer_list[] = [];
  private order = 0;

  get length(): number {
    return this.heap.length;
  }

  /** When the earliest timer expires, or Infinity. */
  get next_ms(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].expires_ms;
  }

  /** Adds a timer, or moves one that is pending. */
  add(timer: timer_list, expires_ms: number): void {
    this.remove(timer);
    timer.expires_ms = expires_ms;
    timer.queue_order = this.order++;
    timer.queue_index = this.heap.length;
    this.heap.push(timer);
    this.up(timer.queue_index);
  }

  remove(timer: timer_list): boolean {
    const at = timer.queue_index;
    if (at < 0) return false;
    const last = this.heap.pop() as timer_list;
    timer.queue_index = -1;
    if (last !== timer) {
      this.heap[at] = last;
      last.queue_index = at;
      this.up(at);
      this.down(last.queue_index);
    }
    return true;
  }

  /** Takes the earliest timer out if it is due. */
  take_due(now_ms: number): timer_list | null {
    if (this.next_ms > now_ms) return null;
    const timer = this.heap[0];
    this.remove(timer);
    return timer;
  }

  private before(a: timer_list, b: timer_list): boolean {
    return a.expires_ms !== b.expires_ms
      ? a.expires_ms < b.expires_ms
      : a.queue_order < b.queue_order;
  }

  private up(from: number): void {
    const { heap } = this;
    const timer = heap[from];
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(timer, heap[parent])) break;
      heap[at] = heap[parent];
      heap[at].queue_index = at;
      at = parent;
    }
    heap[at] = timer;
    timer.queue_index = at;
  }

  private down(from: number): void {
    const { heap } = this;
    const timer = heap[from];
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.before(heap[child + 1], heap[child])) child++;
      if (!this.before(heap[child], timer)) break;
      heap[at] = heap[child];
      heap[at].queue_index = at;
      at = child;
    }
    heap[at] = timer;
    timer.queue_index = at;
  }
}
