/** The kernel log: a ring of messages, and the console. */
import type { Rumpuser } from '../rumpuser/rumpuser.js';

export const KERN_EMERG = 0;
export const KERN_ALERT = 1;
export const KERN_CRIT = 2;
export const KERN_ERR = 3;
export const KERN_WARNING = 4;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;
export const KERN_DEBUG = 7;

/** Messages up to this level (numerically) reach the console: notices and worse. */
export const CONSOLE_LOGLEVEL_DEFAULT = KERN_NOTICE;
/** Longer messages are cut; a hostile image must not fill the ring with one. */
export const PRINTK_MESSAGE_CHARS_MAX = 1024;

/** All but tab and newline, C1 included: they could drive the terminal that shows them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL_CHARACTERS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

const escapeCharacter = (character: string): string =>
  `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

export interface printk_record {
  readonly level: number;
  /** Milliseconds since boot. */
  readonly time_ms: number;
  readonly text: string;
}

/** State of one rate-limited call site: Linux's printk_ratelimited, 10 messages per 5 seconds. */
export class ratelimit_state {
  readonly interval_ms: number;
  readonly burst: number;
  begin_ms = Number.NEGATIVE_INFINITY;
  printed = 0;
  missed = 0;

  constructor(interval_ms = 5000, burst = 10) {
    this.interval_ms = interval_ms;
    this.burst = burst;
  }
}

export class printk_ring {
  console_loglevel = CONSOLE_LOGLEVEL_DEFAULT;
  private readonly host: Rumpuser;
  private readonly boot_ms: number;
  private readonly ring_chars_max: number;
  /** Oldest first from `head`; what lies before it is dropped now and then. */
  private records: printk_record[] = [];
  private head = 0;
  private chars = 0;

  constructor(host: Rumpuser, boot_ms: number, ring_chars_max: number) {
    this.host = host;
    this.boot_ms = boot_ms;
    this.ring_chars_max = ring_chars_max;
  }

  /** Control characters, which a name on a hostile medium may hold, are shown as \xNN. */
  printk(level: number, message: string): void {
    const text = (
      message.length > PRINTK_MESSAGE_CHARS_MAX
        ? `${message.slice(0, PRINTK_MESSAGE_CHARS_MAX)}…`
        : message
    ).replace(CONTROL_CHARACTERS, escapeCharacter);
    this.records.push({ level, time_ms: this.host.monotonicMs() - this.boot_ms, text });
    this.chars += text.length;
    while (this.chars > this.ring_chars_max && this.head < this.records.length - 1) {
      this.chars -= this.records[this.head++].text.length;
    }
    if (this.head > 64 && this.head * 2 > this.records.length) {
      this.records = this.records.slice(this.head);
      this.head = 0;
    }
    if (level <= this.console_loglevel) this.host.console(level, text);
  }

  /** True when a message of this call site may be printed; says how many were swallowed before. */
  ratelimit(state: ratelimit_state, what: string): boolean {
    const now_ms = this.host.monotonicMs();
    if (now_ms - state.begin_ms >= state.interval_ms) {
      const { missed } = state;
      state.begin_ms = now_ms;
      state.printed = 0;
      state.missed = 0;
      if (missed > 0) this.printk(KERN_WARNING, `${what}: ${missed} messages suppressed`);
    }
    if (state.printed >= state.burst) {
      state.missed++;
      return false;
    }
    state.printed++;
    return true;
  }

  /** What dmesg(1) shows: "<level>[seconds since boot] text", oldest first. */
  dmesg(): string[] {
    return this.records.slice(this.head).map(({ level, time_ms, text }) => {
      const time = (time_ms / 1000).toFixed(6).padStart(12);
      return `<${level}>[${time}] ${text}`;
    });
  }
}
