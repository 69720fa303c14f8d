/**
 * The pages of all files of an image, read in order and compressed on every processor.
 *
 * A ring of slots lies in shared memory, each with room for a page and for what it becomes. The
 * caller's thread reads files into free slots, workers (and the caller, when it has nothing better
 * to do) claim filled ones in order and compress them, and the caller takes them out in order. What
 * a page becomes depends on the page alone, so the number of threads does not show in the image.
 * All waiting is Atomics.wait: the caller stays synchronous.
 *
 * A worker that never starts costs time only: whatever is unclaimed the caller compresses itself.
 */
import { crc32_le } from '../lump/crc32.js';
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import { jffs2_compressors, type jffs2_compr_mode } from '../jffs2/compr.js';
import { JFFS2_COMPR_NONE, JFFS2_COMPR_ZERO } from '../jffs2/medium.js';
import { type Contents, MakefsError, type OpenContents } from './fsnode.js';

export interface CompressionSettings {
  readonly mode: jffs2_compr_mode;
  readonly enable: readonly string[];
  readonly disable: readonly string[];
  readonly priorities: readonly (readonly [name: string, priority: number])[];
  /** Decompresses everything again and compares. */
  readonly test: boolean;
}

/** @throws MakefsError there is no such compressor */
export function makeCompressors(
  settings: CompressionSettings,
  codecs: HostCodecs,
): jffs2_compressors {
  const table = new jffs2_compressors({ zlib: codecs });
  const known = (name: string, found: boolean): void => {
    if (found) return;
    const names = table.list().map(({ codec }) => codec.name);
    throw new MakefsError(`no compressor is called ${name}; there are ${names.join(', ')}`);
  };
  table.mode = settings.mode;
  for (const [name, priority] of settings.priorities)
    known(name, table.setPriority(name, priority));
  for (const name of settings.disable) known(name, table.setEnabled(name, false));
  for (const name of settings.enable) known(name, table.setEnabled(name, true));
  return table;
}

/** Bytes of the ring's half that holds pages. */
const RING_BYTES = 4 << 20;
/** Below this, calling the host costs more than it saves. */
const HOST_CRC_BYTES_MIN = 256;
/** A worker that holds a page for so long is dead. */
const WORKER_PATIENCE_MS = 120_000;

// The ring's numbers: first its own, then some for each slot.
const NEXT = 0;
const PUBLISHED = 1;
const STOP = 2;
/** Changes whenever there may be something new: what workers wait on. */
const BELL = 3;
const HEAD = 4;
const DONE = 0;
const SRCLEN = 1;
const COMPR = 2;
const CONSUMED = 3;
const PRODUCED = 4;
const CRC = 5;
const SLOT_WORDS = 6;

/** States of a slot. */
const PENDING = 0;
const READY = 1;
/** The compressor threw, or (with `test`) what it made does not lead back. */
const FAILED = 2;

export interface SharedRing {
  readonly words: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
  readonly slots: number;
  readonly pageSizeBytes: number;
  readonly settings: CompressionSettings;
}

/** One thread's view of the ring, and its codecs. */
export class RingCompressor {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** The same as `bytes`. */
  private readonly integers: Int32Array;
  readonly slots: number;
  readonly pageSizeBytes: number;
  readonly table: jffs2_compressors;
  private readonly settings: CompressionSettings;
  private readonly codecs: HostCodecs;
  private readonly lengths = { srclen: 0, dstlen: 0 };
  private readonly back: Uint8Array;

  constructor(ring: SharedRing, codecs: HostCodecs) {
    this.words = new Int32Array(ring.words);
    this.bytes = new Uint8Array(ring.bytes);
    this.integers = new Int32Array(ring.bytes);
    this.slots = ring.slots;
    this.pageSizeBytes = ring.pageSizeBytes;
    this.settings = ring.settings;
    this.codecs = codecs;
    this.table = makeCompressors(ring.settings, codecs);
    this.back = new Uint8Array(ring.settings.test ? ring.pageSizeBytes : 0);
  }

  /** Where a slot's page starts; what it becomes starts {@link resultAt}. */
  pageAt(slot: number): number {
    return slot * this.pageSizeBytes;
  }

  resultAt(slot: number): number {
    return (this.slots + slot) * this.pageSizeBytes;
  }

  word(slot: number): number {
    return HEAD + slot * SLOT_WORDS;
  }

  /** Claims the next page that nobody has. @returns its slot, or -1 */
  claim(): number {
    const { words } = this;
    for (;;) {
      const next = Atomics.load(words, NEXT);
      if (next === Atomics.load(words, PUBLISHED)) return -1;
      if (Atomics.compareExchange(words, NEXT, next, next + 1) === next) return next % this.slots;
    }
  }

  /** Compresses a slot's page and says so. */
  run(slot: number): void {
    const at = this.word(slot);
    let state = FAILED;
    try {
      state = this.compress(slot, at) ? READY : FAILED;
    } finally {
      Atomics.store(this.words, at + DONE, state);
      Atomics.notify(this.words, at + DONE);
    }
  }

  private compress(slot: number, at: number): boolean {
    const { words, bytes, lengths } = this;
    const from = this.pageAt(slot);
    const to = this.resultAt(slot);
    const srclen = words[at + SRCLEN]!;
    lengths.srclen = lengths.dstlen = srclen;
    let good = true;
    let compr = JFFS2_COMPR_ZERO;
    let crc = 0;
    if (this.isZero(from, srclen)) {
      lengths.dstlen = 0;
    } else {
      compr = this.table.compress(bytes, from, lengths, bytes, to);
      const payload = compr === JFFS2_COMPR_NONE ? from : to;
      crc = this.crc(payload, lengths.dstlen);
      good = !this.settings.test || this.leadsBack(compr, from, to);
    }
    words[at + COMPR] = compr;
    words[at + CONSUMED] = lengths.srclen;
    words[at + PRODUCED] = lengths.dstlen;
    words[at + CRC] = crc;
    return good;
  }

  /** crc32_le; the host's is much faster, but takes longer to call. */
  private crc(at: number, length: number): number {
    const { bytes, codecs } = this;
    if (length < HOST_CRC_BYTES_MIN || !codecs.crc32) return crc32_le(0, bytes, at, length);
    return ~codecs.crc32(bytes, at, length, 0xffffffff);
  }

  /** Pages start at multiples of four. */
  private isZero(from: number, length: number): boolean {
    const { bytes, integers } = this;
    const end = (from + length) >> 2;
    for (let i = from >> 2; i < end; i++) if (integers[i] !== 0) return false;
    for (let i = end << 2; i < from + length; i++) if (bytes[i] !== 0) return false;
    return true;
  }

  private leadsBack(compr: number, from: number, to: number): boolean {
    if (compr === JFFS2_COMPR_NONE) return true;
    const { bytes, back } = this;
    const { srclen, dstlen } = this.lengths;
    if (this.table.decompress(compr, 0, bytes, to, dstlen, back, 0, srclen) !== 'ok') return false;
    for (let i = 0; i < srclen; i++) if (back[i] !== bytes[from + i]) return false;
    return true;
  }
}

/** The whole life of a worker. */
export function work(data: unknown, codecs: HostCodecs): void {
  const ring = new RingCompressor(data as SharedRing, codecs);
  const { words } = ring;
  for (;;) {
    const bell = Atomics.load(words, BELL);
    if (Atomics.load(words, STOP) !== 0) return;
    const slot = ring.claim();
    if (slot >= 0) ring.run(slot);
    else Atomics.wait(words, BELL, bell);
  }
}

/** A page as it comes out of the ring; valid until the next one is asked for. */
export interface Page {
  /** Where the plain bytes are. */
  readonly bytes: Uint8Array;
  at: number;
  /** Plain bytes in the page. */
  length: number;
  /** JFFS2_COMPR_* of the first piece; ZERO when the whole page is zeros. */
  compr: number;
  /** Plain bytes in the piece, and its payload. */
  consumed: number;
  payloadAt: number;
  payloadLength: number;
  crc: number;
}

/** Starts workers, each of which calls {@link work} with what it is given. */
export type StartWorkers = (data: SharedRing) => void;

export class PageReader {
  /** For pieces that the ring cannot know: those cut by the end of an erase block. */
  readonly table: jffs2_compressors;
  private readonly ring: RingCompressor;
  private readonly files: Iterator<Contents>;
  private readonly page: Page;
  private open: OpenContents | null = null;
  /** Bytes of the open file that are still to be read. */
  private left = 0;
  private published = 0;
  private taken = 0;

  /**
   * @param files in the order in which their pages are taken; none is empty
   * @param dataBytes of all files together: little of it needs no large ring
   */
  constructor(
    files: Iterator<Contents>,
    dataBytes: number,
    pageSizeBytes: number,
    settings: CompressionSettings,
    codecs: HostCodecs,
    startWorkers: StartWorkers | null,
  ) {
    const slots = Math.max(4, Math.floor(Math.min(RING_BYTES, 2 * dataBytes) / pageSizeBytes));
    const shared: SharedRing = {
      words: new SharedArrayBuffer(4 * (HEAD + slots * SLOT_WORDS)),
      bytes: new SharedArrayBuffer(2 * slots * pageSizeBytes),
      slots,
      pageSizeBytes,
      settings,
    };
    this.ring = new RingCompressor(shared, codecs);
    this.table = this.ring.table;
    this.files = files;
    this.page = {
      bytes: this.ring.bytes,
      at: 0,
      length: 0,
      compr: 0,
      consumed: 0,
      payloadAt: 0,
      payloadLength: 0,
      crc: 0,
    };
    startWorkers?.(shared);
  }

  /** The next page of the files. The one before is given up. */
  next(): Page {
    const { ring, page } = this;
    const { words } = ring;
    this.fill();
    const slot = this.taken++ % ring.slots;
    const at = ring.word(slot);
    this.waitFor(slot);
    if (words[at + DONE] === FAILED) {
      throw new MakefsError('a compressor made something that does not decompress to the same');
    }
    page.at = ring.pageAt(slot);
    page.length = words[at + SRCLEN]!;
    page.compr = words[at + COMPR]!;
    page.consumed = words[at + CONSUMED]!;
    page.payloadLength = words[at + PRODUCED]!;
    page.payloadAt = page.compr === JFFS2_COMPR_NONE ? page.at : ring.resultAt(slot);
    page.crc = words[at + CRC]! >>> 0;
    return page;
  }

  /** Lets the workers end. */
  stop(): void {
    Atomics.store(this.ring.words, STOP, 1);
    this.ringBell();
  }

  private ringBell(): void {
    Atomics.add(this.ring.words, BELL, 1);
    Atomics.notify(this.ring.words, BELL);
  }

  private waitFor(slot: number): void {
    const { ring } = this;
    const { words } = ring;
    const done = ring.word(slot) + DONE;
    while (Atomics.load(words, done) === PENDING) {
      const other = ring.claim();
      if (other >= 0) ring.run(other);
      else if (Atomics.wait(words, done, PENDING, WORKER_PATIENCE_MS) === 'timed-out') {
        throw new MakefsError('a thread does not answer any more; try again with one job');
      }
    }
  }

  /** Reads as long as there are free slots. */
  private fill(): void {
    const { ring } = this;
    const { words, slots, pageSizeBytes } = ring;
    const limit = this.taken + slots;
    // Waits until a good part is free: reading pieces of files would cost a call each.
    if (this.published > this.taken && limit - this.published < slots >> 2) return;
    while (this.published < limit) {
      if (this.left === 0 && !this.openNext()) return;
      const first = this.published % slots;
      const room = Math.min(limit - this.published, slots - first) * pageSizeBytes;
      const want = Math.min(room, this.left);
      const got = this.open!.read(ring.bytes, ring.pageAt(first), want);
      this.left -= want;
      // A file that became shorter is found out now.
      if (this.left === 0 || got < want) this.open!.finish();
      const pages = Math.ceil(want / pageSizeBytes);
      for (let i = 0; i < pages; i++) {
        const at = ring.word(first + i);
        words[at + SRCLEN] = Math.min(pageSizeBytes, want - i * pageSizeBytes);
        Atomics.store(words, at + DONE, PENDING);
      }
      this.published += pages;
      Atomics.store(words, PUBLISHED, this.published);
      this.ringBell();
    }
  }

  private openNext(): boolean {
    const { done, value } = this.files.next();
    if (done) return false;
    this.open = value.open();
    this.left = value.sizeBytes;
    return true;
  }
}
