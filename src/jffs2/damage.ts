/**
 * Whatever refuses a piece of the medium says so here, with offset and reason. Damage is an
 * expected branch, not an error: reading goes on with the rest.
 */
import type { Lump } from '../lump/lump.js';

export type DamageKind =
  | 'header crc'
  | 'bad magic'
  | 'wrong byte order'
  | 'old magic'
  | 'node past erase block'
  | 'node crc'
  | 'name crc'
  | 'data crc'
  | 'bad name'
  | 'bad node'
  | 'unknown node'
  | 'bad cleanmarker'
  | 'summary'
  | 'missing inode'
  | 'hard-linked directory'
  | 'bad compressed data'
  | 'bad xattr'
  | 'erase failed'
  | 'write failed'
  | 'data lost'
  | 'bad block';

export interface DamageRecord {
  readonly kind: DamageKind;
  /** Byte offset on the medium. */
  readonly offset: number;
  readonly detail: string;
}

/** Messages per kind that go to the log; the rest is only counted. */
const LOGGED_PER_KIND = 10;
/** Records kept for whoever asks; a hostile image must not fill memory. */
const RECORDS_MAX = 1000;

export class Damage {
  readonly counts = new Map<DamageKind, number>();
  /** The first records, in order of discovery. */
  readonly records: DamageRecord[] = [];
  total = 0;
  private readonly lump: Lump;

  constructor(lump: Lump) {
    this.lump = lump;
  }

  report(kind: DamageKind, offset: number, detail: string): void {
    const seen = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, seen);
    this.total++;
    if (this.records.length < RECORDS_MAX) this.records.push({ kind, offset, detail });
    if (seen <= LOGGED_PER_KIND) {
      this.lump.pr_warn(`jffs2: ${kind} at 0x${offset.toString(16).padStart(8, '0')}: ${detail}`);
    } else if (seen === LOGGED_PER_KIND + 1) {
      this.lump.pr_warn(`jffs2: further messages of kind "${kind}" are only counted`);
    }
  }

  /** "3 × node crc, 1 × bad name", or "none". */
  summary(): string {
    if (this.total === 0) return 'none';
    return [...this.counts].map(([kind, count]) => `${count} × ${kind}`).join(', ');
  }
}
