/**
 * Looks at bytes and says whether they are a JFFS2 image, in which byte order, of which erase size,
 * and where it starts; with the evidence, in words. Knows nothing of mounting; runs in a browser.
 *
 * The evidence for the erase size, strongest first: summaries end with their erase block;
 * cleanmarkers stand at the start of theirs; no node crosses from one erase block into the next, so
 * that the smallest power of two that no node crosses is a likely candidate.
 */
import { crc32_le } from '../lump/crc32.js';
import { firstProgrammed } from './erased.js';
import {
  BIG_ENDIAN,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODE_ACCURATE,
  LITTLE_ENDIAN,
  PAD,
  type Endian,
} from './medium.js';

/** Random access to the bytes of a file or device. */
export interface ImageBytes {
  readonly sizeBytes: number;
  /** Reads `length` bytes at `position`; answers how many there were. */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number;
}

/** What an image is, and how we know. */
export interface Jffs2Detection {
  endian: Endian;
  /** Byte offset in the file at which erase block 0 starts. */
  offset: number;
  /** Bytes. */
  erasesize: number;
  /** False: the erase size is a guess, and writing would be a risk. */
  certain: boolean;
  /** Sentences for a person. */
  evidence: string[];
  /** Valid node headers seen. */
  nodes: number;
}

const CHUNK = 1 << 20;
/** How much evidence is enough, once a first node is found. */
const EVIDENCE_NODES = 20_000;
const EVIDENCE_BYTES_MIN = 8 << 20;
const EVIDENCE_BYTES_MAX = 64 << 20;
/** Nodes that settle the byte order, when nothing else is asked. */
const BYTE_ORDER_NODES = 16;
const ERASESIZE_MIN = 4096;
const ERASESIZE_MAX = 16 << 20;
/** What mkfs.jffs2 takes when it is not told. */
const ERASESIZE_DEFAULT = 65536;

interface Seen {
  endian: Endian;
  first: number;
  /** Offset and padded length of each node with a valid header, ascending. */
  starts: number[];
  lengths: number[];
  cleanmarkers: number[];
  /** Ends of summary nodes. */
  summaryEnds: number[];
}

/** A window that slides over the bytes. */
class Window {
  readonly bytes: ImageBytes;
  readonly buf = new Uint8Array(CHUNK + 64);
  start = 0;
  end = 0;

  constructor(bytes: ImageBytes) {
    this.bytes = bytes;
  }

  /** Index into buf of the file position, with at least HEADER_SIZE bytes there; -1 at the end. */
  at(position: number): number {
    if (position < this.start || position + HEADER_SIZE > this.end) {
      this.start = position;
      const length = Math.min(this.buf.length, this.bytes.sizeBytes - position);
      this.end = position + (length > 0 ? this.bytes.read(this.buf, 0, length, position) : 0);
      if (position + HEADER_SIZE > this.end) return -1;
    }
    return position - this.start;
  }

  /** The first position at or after this one, in steps of four, that is not erased flash. */
  skipErased(position: number): number {
    let here = position;
    for (let at = this.at(here); at >= 0; at = this.at(here)) {
      const end = this.end - this.start;
      const found = firstProgrammed(this.buf, at, end);
      here += (found - at) & ~3;
      if (found < end) return here;
      if (this.end >= this.bytes.sizeBytes) return this.end;
    }
    return Math.max(here, this.end);
  }
}

const header = new Uint8Array(8);

/** The padded length of the node whose header is at buf[at], or 0 when it is none. */
export function nodeLength(e: Endian, buf: Uint8Array, at: number): number {
  if (e.u16(buf, at) !== JFFS2_MAGIC_BITMASK) return 0;
  for (let i = 0; i < 8; i++) header[i] = buf[at + i]!;
  e.put16(header, H_TYPE, e.u16(buf, at + H_TYPE) | JFFS2_NODE_ACCURATE);
  if (crc32_le(0, header, 0, 8) !== e.u32(buf, at + H_CRC)) return 0;
  const totlen = e.u32(buf, at + H_TOTLEN);
  return totlen < HEADER_SIZE || totlen > ERASESIZE_MAX ? 0 : PAD(totlen);
}

/** The byte order of the node at a position, or null when there is none. */
function nodeAt(window: Window, position: number): Endian | null {
  const at = window.at(position);
  if (at < 0) return null;
  if (nodeLength(LITTLE_ENDIAN, window.buf, at) > 0) return LITTLE_ENDIAN;
  return nodeLength(BIG_ENDIAN, window.buf, at) > 0 ? BIG_ENDIAN : null;
}

/**
 * The first node at or after `from`. Where erase blocks may start is tried first: a large flash is
 * mostly blank, and its first nodes may be anywhere.
 */
function findFirst(
  bytes: ImageBytes,
  window: Window,
  from: number,
  step: number,
): { position: number; endian: Endian } | null {
  for (let position = from; position < bytes.sizeBytes; position += step) {
    // A window of its own for each probe would read a megabyte.
    const length = bytes.read(window.buf, 0, HEADER_SIZE, position);
    window.start = position;
    window.end = position + length;
    const endian = nodeAt(window, position);
    if (endian) return { position, endian };
  }
  for (let position = from; position < bytes.sizeBytes; position++) {
    if ((position - from) % 4 === 0) position = window.skipErased(position);
    const at = window.at(position);
    if (at < 0) return null;
    const first = window.buf[at]!;
    if (first !== 0x85 && first !== 0x19) continue;
    const endian = nodeAt(window, position);
    if (endian) return { position, endian };
  }
  return null;
}

/** Collects what can be seen from `from` on. */
function look(bytes: ImageBytes, from: number, known: { erasesize?: number }): Seen | null {
  const window = new Window(bytes);
  const first = findFirst(bytes, window, from, known.erasesize ?? ERASESIZE_DEFAULT);
  if (!first) return null;
  const { endian } = first;
  let { position } = first;
  const seen: Seen = {
    endian,
    first: position,
    starts: [],
    lengths: [],
    cleanmarkers: [],
    summaryEnds: [],
  };
  const enough = position + EVIDENCE_BYTES_MIN;
  const end = Math.min(bytes.sizeBytes, position + EVIDENCE_BYTES_MAX);
  while (position < end) {
    const count = seen.starts.length;
    if (known.erasesize !== undefined && count >= BYTE_ORDER_NODES) break;
    if (count >= EVIDENCE_NODES && position > enough) break;
    const at = window.at(position);
    if (at < 0) break;
    const length = nodeLength(endian, window.buf, at);
    if (length === 0) {
      position = window.buf[at] === 0xff ? window.skipErased(position + 4) : position + 4;
      continue;
    }
    const type = endian.u16(window.buf, at + H_TYPE) | JFFS2_NODE_ACCURATE;
    seen.starts.push(position);
    seen.lengths.push(length);
    if (type === JFFS2_NODETYPE_CLEANMARKER) seen.cleanmarkers.push(position);
    if (type === JFFS2_NODETYPE_SUMMARY) seen.summaryEnds.push(position + length);
    position += length;
  }
  return seen;
}

/** Nodes that cross from one block of `size` into the next, blocks being counted from `base`. */
function crossings(seen: Seen, base: number, size: number): number {
  let count = 0;
  for (let n = 0; n < seen.starts.length; n++) {
    const start = seen.starts[n]! - base;
    if (start < 0) continue;
    if (Math.floor(start / size) !== Math.floor((start + seen.lengths[n]! - 1) / size)) count++;
  }
  return count;
}

const kib = (bytes: number): string => (bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`);
const hex = (value: number): string => `0x${value.toString(16)}`;

/**
 * The usual distance from one position to the next, and how many of the distances are a multiple of
 * it. A hole or a piece too many in the middle of a dump spoils one distance, not all.
 */
function usualDistance(positions: readonly number[]): { distance: number; agreeing: number } {
  const counts = new Map<number, number>();
  for (let n = 1; n < positions.length; n++) {
    const distance = positions[n]! - positions[n - 1]!;
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  let distance = 0;
  let most = 0;
  for (const [candidate, count] of counts) {
    if (count > most || (count === most && candidate < distance)) {
      distance = candidate;
      most = count;
    }
  }
  let agreeing = 0;
  for (const [other, count] of counts) if (other % distance === 0) agreeing += count;
  return { distance, agreeing };
}

/**
 * @param bytes the file.
 * @param known what the user or a description says already; it is believed, and used to find the
 *   rest.
 * @returns null when no JFFS2 node is found (a blank medium has none either).
 */
export function jffs2_detect(
  bytes: ImageBytes,
  known: { offset?: number; erasesize?: number } = {},
): Jffs2Detection | null {
  const seen = look(bytes, known.offset ?? 0, known);
  if (!seen) return null;
  const evidence: string[] = [
    `${seen.endian.name} endian: ${seen.starts.length} valid node headers, the first at ` +
      `${hex(seen.first)}`,
  ];

  const marks = usualDistance(seen.cleanmarkers);
  const ends = usualDistance(seen.summaryEnds);
  /** Two out of three distances must agree. */
  const plausible = (found: typeof marks, positions: readonly number[]): boolean =>
    found.distance >= ERASESIZE_MIN &&
    found.distance <= ERASESIZE_MAX &&
    found.agreeing * 3 >= (positions.length - 1) * 2;

  // Where blocks start: a cleanmarker's place, else the start of the file if nothing speaks
  // against.
  const anchor = seen.cleanmarkers[0] ?? seen.first;
  let erasesize = known.erasesize ?? 0;
  let certain = erasesize > 0;
  if (erasesize > 0) {
    evidence.push(`erase size ${kib(erasesize)}: given`);
  } else {
    const baseFor = (size: number): number => known.offset ?? anchor % size;
    let uncrossed = ERASESIZE_MIN;
    while (uncrossed < ERASESIZE_MAX && crossings(seen, baseFor(uncrossed), uncrossed) > 0) {
      uncrossed *= 2;
    }
    if (plausible(marks, seen.cleanmarkers)) {
      erasesize = marks.distance;
      certain = true;
      evidence.push(
        `erase size ${kib(erasesize)}: the usual distance of ${seen.cleanmarkers.length} cleanmarkers`,
      );
    } else if (plausible(ends, seen.summaryEnds)) {
      erasesize = ends.distance;
      certain = true;
      evidence.push(
        `erase size ${kib(erasesize)}: the usual distance of the ends of ` +
          `${seen.summaryEnds.length} summaries`,
      );
    } else {
      const last = seen.starts.length - 1;
      const spanned = seen.starts[last]! + seen.lengths[last]! - anchor;
      const blocks = Math.floor(spanned / uncrossed);
      if (blocks >= 4) {
        erasesize = uncrossed;
        certain = blocks >= 8;
        evidence.push(
          `erase size ${kib(uncrossed)}: the smallest power of two that none of ` +
            `${seen.starts.length} nodes crosses, over ${blocks} blocks`,
        );
      } else {
        erasesize = Math.max(uncrossed, ERASESIZE_DEFAULT);
        evidence.push(
          `erase size ${kib(erasesize)}: a guess, the image is too small to tell ` +
            '(give erasesize= if you know it)',
        );
      }
    }
  }

  let offset = known.offset ?? 0;
  if (known.offset === undefined) {
    const phase = anchor % erasesize;
    const aligned = crossings(seen, 0, erasesize);
    const shifted = phase === 0 ? aligned : crossings(seen, phase, erasesize);
    const marked = seen.cleanmarkers.length > 0 && phase !== 0;
    if (marked ? shifted <= aligned : shifted < aligned) {
      offset = phase;
      evidence.push(
        `offset ${hex(offset)}: ${marked ? 'cleanmarkers stand' : 'nodes fit into erase blocks'} ` +
          'there and not at the start of the file',
      );
    }
  } else if (known.offset > 0) {
    evidence.push(`offset ${hex(offset)}: given`);
  }
  const crossed = crossings(seen, offset, erasesize);
  if (crossed > 0) {
    certain = false;
    evidence.push(`${crossed} nodes cross an erase block all the same: damaged, or a wrong guess`);
  }
  return { endian: seen.endian, offset, erasesize, certain, evidence, nodes: seen.starts.length };
}
