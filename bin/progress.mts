/** One line on the terminal that shows how far a long job is. Elsewhere it shows nothing. */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const STDERR = 2;
const BAR_COLUMNS = 30;
/** Jobs that end before this need no bar. */
const DELAY_MS = 300;
const INTERVAL_MS = 100;
const MEGA = 1e6;

export class Progress {
  private readonly label: string;
  private readonly startMs = performance.now();
  private shownMs: number;
  private drawn = false;

  constructor(label: string) {
    this.label = label;
    this.shownMs = isatty(STDERR)
      ? this.startMs + DELAY_MS - INTERVAL_MS
      : Number.POSITIVE_INFINITY;
  }

  /** To be called as often as one likes. Bytes done, of all. */
  update(done: number, all: number): void {
    const now = performance.now();
    if (now - this.shownMs < INTERVAL_MS) return;
    this.shownMs = now;
    const share = all === 0 ? 1 : Math.min(1, done / all);
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = '#'.repeat(filled).padEnd(BAR_COLUMNS, '.');
    const secondsLeft = share > 0 ? ((now - this.startMs) / 1000) * (1 / share - 1) : 0;
    this.drawn = true;
    this.write(
      `\r${this.label} [${bar}] ${Math.floor(share * 100)} % of ${(all / MEGA).toFixed(1)} MB, ` +
        `${Math.ceil(secondsLeft)} s left\x1b[K`,
    );
  }

  /** Removes the line, before anything else is printed. */
  clear(): void {
    if (this.drawn) this.write('\r\x1b[K');
    this.drawn = false;
  }

  private write(text: string): void {
    try {
      writeSync(STDERR, text);
    } catch {
      // A terminal that is gone or busy is no reason to fail.
    }
  }
}
