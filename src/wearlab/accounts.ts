/** Who programmed what, and how long collecting took: jffs2's own account of a run. */
import type { jffs2_accounts } from '../jffs2/instruments.js';
import {
  H_TYPE,
  INODE_SIZE,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  LITTLE_ENDIAN,
} from '../jffs2/medium.js';
import type { jffs2_sb_info } from '../jffs2/nodelist.js';
import type { Histogram, ProgrammedBytes } from './result.js';

/** Times in powers of two of a microsecond; see Histogram in result.ts. */
export class TimeHistogram {
  readonly #counts: number[];

  constructor(counts: Histogram = []) {
    this.#counts = [...counts];
  }

  add(us: number): void {
    const bucket = us < 2 ? 0 : 31 - Math.clz32(Math.min(us, 0x7fffffff));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  toArray(): number[] {
    return Array.from(this.#counts, (count) => count ?? 0);
  }
}

const nothing = (): ProgrammedBytes => ({
  data: 0,
  metadata: 0,
  gc: 0,
  padding: 0,
  cleanmarker: 0,
  summary: 0,
});

/** What an account has come to, while nothing is in the write buffer. */
export interface SavedAccounts {
  readonly total: ProgrammedBytes;
  readonly foreground: Histogram;
  readonly background: Histogram;
}

export class Accounts implements jffs2_accounts {
  readonly total: ProgrammedBytes;
  readonly foreground: TimeHistogram;
  readonly background: TimeHistogram;
  /** In the write buffer. */
  readonly #pending: ProgrammedBytes = nothing();
  readonly #c: jffs2_sb_info;
  readonly #nowUs: () => number;
  #passBeganUs = 0;

  /** @param saved by another one, which this one goes on from */
  constructor(c: jffs2_sb_info, nowUs: () => number, saved?: SavedAccounts) {
    this.#c = c;
    this.#nowUs = nowUs;
    this.total = { ...nothing(), ...saved?.total };
    this.foreground = new TimeHistogram(saved?.foreground);
    this.background = new TimeHistogram(saved?.background);
  }

  save(): SavedAccounts {
    return {
      total: { ...this.total },
      foreground: this.foreground.toArray(),
      background: this.background.toArray(),
    };
  }

  programmed(
    buf: Uint8Array,
    off: number,
    from: number,
    to: number,
    len: number,
    ino: number,
  ): void {
    account(this.total, buf, off, from, to, len, ino);
  }

  buffered(buf: Uint8Array, off: number, from: number, to: number, len: number, ino: number): void {
    account(this.#pending, buf, off, from, to, len, ino);
  }

  padded(bytes: number): void {
    this.#pending.padding += bytes;
  }

  page_programmed(): void {
    const { total } = this;
    const pending = this.#pending;
    total.data += pending.data;
    total.metadata += pending.metadata;
    total.gc += pending.gc;
    total.padding += pending.padding;
    total.summary += pending.summary;
    this.page_lost();
  }

  page_lost(): void {
    const pending = this.#pending;
    pending.data = pending.metadata = pending.gc = pending.padding = pending.summary = 0;
  }

  cleanmarker(bytes: number): void {
    this.total.cleanmarker += bytes;
  }

  pass_begins(): void {
    this.#passBeganUs = this.#nowUs();
  }

  pass_ends(): void {
    const us = this.#nowUs() - this.#passBeganUs;
    const c = this.#c;
    (c.lump.sched.current === c.gc_task ? this.background : this.foreground).add(us);
  }
}

function account(
  into: ProgrammedBytes,
  buf: Uint8Array,
  off: number,
  from: number,
  to: number,
  len: number,
  ino: number,
): void {
  const end = Math.min(to, len);
  into.padding += to - end;
  const type = LITTLE_ENDIAN.u16(buf, off + H_TYPE);
  if (ino === 0) {
    if (type === JFFS2_NODETYPE_SUMMARY) into.summary += end - from;
    else into.gc += end - from;
  } else if (type === JFFS2_NODETYPE_INODE) {
    const header = Math.max(0, Math.min(end, INODE_SIZE) - from);
    into.metadata += header;
    into.data += end - from - header;
  } else {
    into.metadata += end - from;
  }
}
