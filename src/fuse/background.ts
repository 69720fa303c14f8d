/**
 * When the file system's background work gets its turns. The serving thread is blocked in read(2)
 * whenever it is idle, so it asks to be woken by a request, the doorbell, and works in small
 * slices.
 */
import { MAY_LEAVE_WORK } from './dispatch.js';
import { FUSE_NOTIFY_REPLY, FUSE_STATFS } from './protocol.js';

/** A request may have left work behind: it is looked for so long afterwards. */
const DELAY_MS = 50;
/** How long work may hold up the next request, and the pause until it goes on. */
const SLICE_MS = 2;
const PAUSE_MS = 2;
/** A ring that is so late will not come: the mount was out of sight, say. */
const LOST_MS = 1000;

export interface BackgroundHost {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** One unit of work. @returns milliseconds until the next, -1: none before the next request. */
  work(): number;
  /** Asks for one ring of the doorbell after so long; the latest call replaces earlier ones. */
  ring(delayMs: number): void;
}

export class BackgroundClock {
  private readonly host: BackgroundHost;
  /** When the doorbell will ring. */
  private ringAt = Infinity;

  constructor(host: BackgroundHost) {
    this.host = host;
  }

  /** After each request. Cheap unless there is something to do. */
  served(opcode: number): void {
    if (opcode === FUSE_NOTIFY_REPLY || opcode === FUSE_STATFS) {
      if (this.ringAt === Infinity) return;
      const leftMs = this.ringAt - this.host.nowMs();
      if (leftMs <= 0) this.runSlice();
      // Rung early, as timers may, or by somebody's df; either way it was the last ring.
      else this.ask(leftMs);
    } else if (MAY_LEAVE_WORK[opcode] === true) {
      // What was planned for later may be due sooner now; and a ring that never came was lost.
      const leftMs = this.ringAt - this.host.nowMs();
      if (leftMs > DELAY_MS || leftMs < -LOST_MS) this.ask(DELAY_MS);
    }
  }

  private runSlice(): void {
    const end = this.host.nowMs() + SLICE_MS;
    let delayMs: number;
    do {
      delayMs = this.host.work();
    } while (delayMs === 0 && this.host.nowMs() < end);
    if (delayMs < 0) this.ringAt = Infinity;
    else this.ask(Math.max(delayMs, PAUSE_MS));
  }

  private ask(delayMs: number): void {
    this.ringAt = this.host.nowMs() + delayMs;
    this.host.ring(delayMs);
  }
}
