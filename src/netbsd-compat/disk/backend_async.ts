/**
 * The second backend: requests are queued, and a thread of the kernel takes them in whatever order
 * the scheduler's seed brings, one a unit; its "interrupt" wakes who waits. Writers do not wait,
 * but for room in the queue and at a flush; readers wait for the writes that they overlap.
 */
import type { Lump } from '../../lump/lump.js';
import {
  kthread_should_stop,
  kthread_stop,
  wait_event,
  wait_queue_head,
  wake_up,
  type task_struct,
  type wait,
} from '../../lump/sched.js';
import { NetbsdErrno } from '../errno.js';
import type { HostFile } from '../../rumpuser/rumpuser.js';
import { disk_check, diskErrorOfHost, read_fully, type disk } from './disk.js';

/** Requests and bytes that may wait. */
const QUEUE_MAX = 256;
const QUEUE_BYTES_MAX = 8 << 20;

interface request {
  readonly bytes: Uint8Array;
  readonly position: number;
}

export class disk_async implements disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  private readonly file: HostFile;
  private readonly pick: (count: number) => number;
  private readonly queue: request[] = [];
  private queued_bytes = 0;
  /** The thread waits here for requests, everybody else for their ends. */
  private readonly work: wait_queue_head;
  private readonly done: wait_queue_head;
  private readonly thread: task_struct;
  /** What a queued write met; told to the next flush, as its writer has gone. */
  private error: unknown = null;

  /** @param pick which of `count` requests is next, 0 … count − 1: the order of the medium. */
  constructor(
    lump: Lump,
    file: HostFile,
    readOnly: boolean,
    pick: (count: number) => number = () => 0,
  ) {
    this.file = file;
    this.name = file.path;
    this.sizeBytes = file.size();
    this.readOnly = readOnly;
    this.pick = pick;
    this.work = new wait_queue_head(lump, `${this.name}: requests`);
    this.done = new wait_queue_head(lump, `${this.name}: biowait`);
    this.thread = lump.sched.kthread_run((task) => this.serve(task), 'rumpblk');
  }

  /** Requests that wait. */
  get pending(): number {
    return this.queue.length;
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    if (this.overlaps(position, length)) {
      wait_event(this.done, () => !this.overlaps(position, length));
    }
    read_fully(this.file, buf, off, length, position);
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    const isFull = (): boolean =>
      this.queue.length >= QUEUE_MAX || this.queued_bytes + length > QUEUE_BYTES_MAX;
    if (isFull() && this.queue.length > 0) {
      wait_event(this.done, () => !isFull() || this.queue.length === 0);
    }
    this.queue.push({ bytes: buf.slice(off, off + length), position });
    this.queued_bytes += length;
    wake_up(this.work);
  }

  flush(): void {
    if (this.readOnly) return;
    wait_event(this.done, () => this.queue.length === 0);
    const { error } = this;
    this.error = null;
    if (error !== null) throw error;
    try {
      this.file.sync();
    } catch (failure) {
      throw diskErrorOfHost(failure);
    }
  }

  close(): void {
    wait_event(this.done, () => this.queue.length === 0);
    kthread_stop(this.thread);
    this.file.close();
  }

  private overlaps(position: number, length: number): boolean {
    const end = position + length;
    return this.queue.some(
      (other) => other.position < end && position < other.position + other.bytes.length,
    );
  }

  private *serve(task: task_struct): Generator<wait, void, void> {
    while (!kthread_should_stop(task)) {
      if (this.queue.length === 0) {
        yield this.work;
        continue;
      }
      this.strategy(this.next());
      yield;
    }
  }

  /** The request that is picked, or what must come before it, or before that. */
  private next(): request {
    let chosen = this.queue[this.pick(this.queue.length)]!;
    for (;;) {
      const end = chosen.position + chosen.bytes.length;
      const first = this.queue.find(
        ({ position, bytes }) => position < end && chosen.position < position + bytes.length,
      )!;
      if (first === chosen) return chosen;
      chosen = first;
    }
  }

  private strategy(request: request): void {
    try {
      this.file.write(request.bytes, 0, request.bytes.length, request.position);
    } catch (error) {
      this.error ??= diskErrorOfHost(error);
      if (!(this.error instanceof NetbsdErrno)) throw error;
    } finally {
      // The interrupt.
      this.queue.splice(this.queue.indexOf(request), 1);
      this.queued_bytes -= request.bytes.length;
      wake_up(this.done);
    }
  }
}
