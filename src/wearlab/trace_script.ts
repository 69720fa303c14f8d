/** What the readers of traces make of them: a script, with errors that name file and line. */
import type { TraceOperation } from './replay.js';

/** A line that cannot be read; the message names file and line. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** What a reader has to say about a line that it refuses. */
export type Fail = (why: string) => never;

/** One line at a time. */
export interface Reader {
  line(text: string, fail: Fail): void;
}

/** A century; more is no time since a trace began. */
const MS_MAX = 100 * 366 * 86_400_000;
/** Shorter gaps are gathered until they are worth a pause. */
const PAUSE_MIN_MS = 1;

/** Was it there before the first operation? */
export const wasThere = (one: TraceOperation): boolean =>
  one.op === 'found' || (one.op === 'xattr' && one.found === true);

/** Puts operations together; time in which nothing was asked for becomes pauses. */
export class Script {
  readonly operations: TraceOperation[] = [];
  private lastMs: number | undefined;

  at(ms: number, fail: Fail): void {
    if (!(ms >= 0 && ms <= MS_MAX)) fail('has no time');
    this.lastMs ??= ms;
    const gap = ms - this.lastMs;
    // Several processors may write their lines a little out of order.
    if (gap < PAUSE_MIN_MS) return;
    this.operations.push({ op: 'pause', ms: gap });
    this.lastMs = ms;
  }

  /** Does anything happen in it, apart from time? */
  get isOfUse(): boolean {
    return !this.operations.every((one) => one.op === 'pause' || wasThere(one));
  }

  add(...operations: readonly TraceOperation[]): void {
    for (const one of operations) this.operations.push(one);
  }
}
