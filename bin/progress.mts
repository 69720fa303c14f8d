/** One line on the terminal that shows how far a long job is. Elsewhere it shows nothing. */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const STDERR = 2;
const BAR_COLUMNS = 30;
/** Jobs that end before this need no bar. */
const DELAY_MS = 300;
const INTERVAL_MS = 100;
const MEGA = 1e6;

/** "42 s", "12 min", "3.5 h". */
function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** "of 12.3 MB": what 100 % are. */
const megabytes = (all: number): string => `of ${(all / MEGA).toFixed(1)} MB`;

export class Progress {
  private readonly label: string;
  private readonly whole: (all: number) => string;
  private readonly startMs = performance.now();
  private shownMs: number;
  private drawn = false;

  /** @param whole what 100 % are; asked each time */
  constructor(label: string, whole: (all: number) => string = megabytes) {
    this.label = label;
    this.whole = whole;
    this.shownMs = isatty(STDERR)
      ? this.startMs + DELAY_MS - INTERVAL_MS
      : Number.POSITIVE_INFINITY;
  }

  /**
   * To be called as often as one likes. Bytes, or whatever is counted, done, of all.
   * @param before of what is done: what was done when this began
   */
  update(done: number, all: number, before = 0): void {
    const now = performance.now();
    if (now - this.shownMs < INTERVAL_MS) return;
    this.shownMs = now;
    const share = all === 0 ? 1 : Math.min(1, done / all);
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = '#'.repeat(filled).padEnd(BAR_COLUMNS, '.');
    const left = Math.max(0, all - done) / (done - before);
    const secondsLeft = done > before ? ((now - this.startMs) / 1000) * left : 0;
    this.drawn = true;
    this.write(
      `\r${this.label} [${bar}] ${Math.floor(share * 100)} % ${this.whole(all)}, ` +
        `${duration(secondsLeft)} left\x1b[K`,
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
