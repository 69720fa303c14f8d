/**
 * Walks over every erase block and says of every byte what it is. Unlike a mount it goes on where
 * nodes are bad, and looks into what a mount skips; unlike a mount it keeps what is out of date.
 * The result tiles the medium: nodes, erased runs, dirt. Nodes that a mount would not see are there
 * too, marked as such.
 *
 * What exists once per piece lives in typed arrays, 12 bytes a piece; fields of a node are read
 * from the medium when they are wanted. Time and memory are linear in the size of the image.
 *
 * The rules of a mount are those of reference jffs2.md §4.3 and §5.4.
 */
import { firstProgrammed } from '../jffs2/erased.js';
import {
  DIRENT_SIZE,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_DSIZE,
  I_ISIZE,
  I_NODE_CRC,
  I_OFFSET,
  JFFS2_DIRTY_BITMASK,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_NODE_ACCURATE,
  JFFS2_OLD_MAGIC_BITMASK,
  JFFS2_SUM_MAGIC,
  JFFS2_SWAPPED_MAGIC_BITMASK,
  PAD,
  R_NODE_CRC,
  SUMMARY_SIZE,
  SUM_MARKER_SIZE,
  S_NODE_CRC,
  S_SUM_CRC,
  XATTR_SIZE,
  XREF_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
  isUsableName,
} from '../jffs2/medium.js';
import { crc32_le } from '../lump/crc32.js';
import { bytesToName } from '../lump/types.js';
import type { Flash } from './flash.js';
import { summaryEntries, type SummaryEntry } from './summary.js';

/** What is right or wrong about a piece. The words are those of src/jffs2/damage.ts. */
export const VERDICTS = [
  'valid',
  'node crc',
  'name crc',
  'data crc',
  'bad node',
  'bad name',
  'bad xattr',
  'unknown node',
  'node past erase block',
  'bad cleanmarker',
  'summary',
  'header crc',
  'bad magic',
  'old magic',
  'wrong byte order',
  'zeroed',
  'erased',
] as const;
/** A word of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];
const V = Object.fromEntries(VERDICTS.map((word, n) => [word, n])) as Record<Verdict, number>;

/** `type` of pieces that are no nodes. */
export const PIECE_ERASED = 0xffff;
export const PIECE_DIRT = 0x0000;

/** ACCURATE was cleared in place: the node was made obsolete. */
const FLAG_OBSOLETE = 1;
/** A mount passes it over: it lies inside another node, or its block's summary leaves it out. */
const FLAG_HIDDEN = 2;
/** A mount's scan counts it in. (Data CRCs are looked at later.) */
const FLAG_SCANNED = 4;
const FLAG_NODE = 8;

/** Bytes at the start of a block that a mount looks at to call it blank. */
const EMPTY_SCAN_SIZE = 256;
/** Bytes at a block's end that a mount reads in search of a summary. */
const TAIL_SIZE = 4096;

/** All pieces of a flash by index, in the order of the walk. */
export class Pieces {
  count = 0;
  #at = new Uint32Array(1024);
  #length = new Uint32Array(1024);
  #type = new Uint16Array(1024);
  #verdict = new Uint8Array(1024);
  #flags = new Uint8Array(1024);

  /** For who walks. @returns the index of the new piece */
  add(at: number, length: number, type: number, verdict: number, flags: number): number {
    const n = this.count++;
    if (n === this.#at.length) this.#grow();
    this.#at[n] = at;
    this.#length[n] = length;
    this.#type[n] = type;
    this.#verdict[n] = verdict;
    this.#flags[n] = flags;
    return n;
  }

  /** Offset on the medium. */
  at(n: number): number {
    return this.#at[n]!;
  }
  /** Bytes that it takes: of a node, its padded length. */
  length(n: number): number {
    return this.#length[n]!;
  }
  /** JFFS2_NODETYPE_* as if ACCURATE were set, or PIECE_*. */
  type(n: number): number {
    return this.#type[n]!;
  }
  /** Or erased flash, or dirt. */
  isNode(n: number): boolean {
    return (this.#flags[n]! & FLAG_NODE) !== 0;
  }
  /** What is right or wrong about it. */
  verdict(n: number): Verdict {
    return VERDICTS[this.#verdict[n]!]!;
  }
  /** ACCURATE was cleared in place. */
  isObsolete(n: number): boolean {
    return (this.#flags[n]! & FLAG_OBSOLETE) !== 0;
  }
  /** A mount passes it over: it lies in another node, or its block's summary leaves it out. */
  isHidden(n: number): boolean {
    return (this.#flags[n]! & FLAG_HIDDEN) !== 0;
  }
  /** A mount's scan counts it in. */
  isScanned(n: number): boolean {
    return (this.#flags[n]! & FLAG_SCANNED) !== 0;
  }
  /** Its own fields can be believed, whoever counts it in: CRCs of node and name are right. */
  isReadable(n: number): boolean {
    const verdict = this.#verdict[n]!;
    return (
      this.isNode(n) &&
      (verdict === V.valid ||
        verdict === V['data crc'] ||
        verdict === V['bad name'] ||
        verdict === V['bad node'])
    );
  }
  /** A mount's scan counts the node in. */
  countIn(n: number): void {
    this.#flags[n] = this.#flags[n]! | FLAG_SCANNED;
  }
  /** Makes dirt that ends at `at` longer, if it is of the same kind. */
  extendDirt(n: number, at: number, length: number, verdict: number): boolean {
    if (this.isNode(n) || this.#verdict[n] !== verdict) return false;
    if (this.#at[n]! + this.#length[n]! !== at) return false;
    this.#length[n] = this.#length[n]! + length;
    return true;
  }
  /** For who walks: a mount passes it over. */
  hide(n: number): void {
    this.#flags[n] = (this.#flags[n]! | FLAG_HIDDEN) & ~FLAG_SCANNED;
  }

  #grow(): void {
    const wider = <T extends Uint32Array | Uint16Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const size = this.#at.length * 2;
    this.#at = wider(this.#at, new Uint32Array(size));
    this.#length = wider(this.#length, new Uint32Array(size));
    this.#type = wider(this.#type, new Uint16Array(size));
    this.#verdict = wider(this.#verdict, new Uint8Array(size));
    this.#flags = wider(this.#flags, new Uint8Array(size));
  }
}

/** What was found out about one erase block as a whole. */
export interface BlockScan {
  /** Index of its first piece, and of the first one behind it. */
  readonly from: number;
  readonly to: number;
  /** 'bad': there is an end marker, but what it points at is no valid summary. */
  readonly summary: 'none' | 'valid' | 'bad';
  /** What a valid summary leaves out or tells differently; why a bad one is bad. */
  readonly summaryLies: readonly string[];
  /** Its first bytes are erased, so that a mount takes it for blank, but something follows. */
  readonly falselyBlank: boolean;
}

/** What a walk over a flash found: pieces that tile it, and the erase blocks they lie in. */
export interface Walk {
  readonly pieces: Pieces;
  readonly blocks: readonly BlockScan[];
}

/** @param progress is told the bytes done, now and then; what it throws ends the walk. */
export function walk(flash: Flash, progress?: (done: number, of: number) => void): Walk {
  const pieces = new Pieces();
  const blocks: BlockScan[] = [];
  const cleanmarker = cleanmarkerLength(flash);
  for (let at = 0; at < flash.bytes.length; at += flash.erasesize) {
    const end = Math.min(flash.bytes.length, at + flash.erasesize);
    blocks.push(walkBlock(flash, pieces, at, end, cleanmarker));
    progress?.(end, flash.bytes.length);
  }
  return { pieces, blocks };
}

const header = new Uint8Array(8);

/** Is there a header whose CRC is right, ACCURATE or not? */
function isHeader(flash: Flash, at: number): boolean {
  const { bytes, endian: e } = flash;
  if (e.u16(bytes, at) !== JFFS2_MAGIC_BITMASK) return false;
  for (let i = 0; i < 8; i++) header[i] = bytes[at + i]!;
  e.put16(header, H_TYPE, e.u16(bytes, at + H_TYPE) | JFFS2_NODE_ACCURATE);
  return crc32_le(0, header, 0, 8) === e.u32(bytes, at + H_CRC);
}

/** The usual length of cleanmarkers: what a mount would expect. */
function cleanmarkerLength(flash: Flash): number {
  for (let at = 0; at + HEADER_SIZE <= flash.bytes.length; at += flash.erasesize) {
    if (!isHeader(flash, at)) continue;
    const type = flash.u16(at + H_TYPE) | JFFS2_NODE_ACCURATE;
    if (type === JFFS2_NODETYPE_CLEANMARKER) return flash.u32(at + H_TOTLEN);
  }
  return HEADER_SIZE;
}

function walkBlock(
  flash: Flash,
  pieces: Pieces,
  start: number,
  end: number,
  cleanmarker: number,
): BlockScan {
  const { bytes } = flash;
  const from = pieces.count;
  let at = start;
  const dirt = (length: number, verdict: number): void => {
    const last = pieces.count - 1;
    // One run of the same dirt is one piece.
    if (last >= from && pieces.extendDirt(last, at, length, verdict)) {
      at += length;
      return;
    }
    pieces.add(at, length, PIECE_DIRT, verdict, 0);
    at += length;
  };
  while (at < end) {
    const left = end - at;
    if (bytes[at] === 0xff) {
      const run = firstProgrammed(bytes, at, end);
      const words = run === end ? run : run - ((run - at) & 3);
      if (words > at) {
        pieces.add(at, words - at, PIECE_ERASED, V.erased, 0);
        at = words;
        continue;
      }
    }
    if (left < HEADER_SIZE) {
      const isZero = bytes.subarray(at, end).every((byte) => byte === 0);
      dirt(left, isZero ? V.zeroed : V['bad magic']);
      continue;
    }
    const magic = flash.u16(at);
    if (magic !== JFFS2_MAGIC_BITMASK) {
      dirt(4, dirtVerdict(magic, at === start));
      continue;
    }
    if (!isHeader(flash, at)) {
      dirt(4, V['header crc']);
      continue;
    }
    const totlen = flash.u32(at + H_TOTLEN);
    // The last block of a file may be cut off within the padding of its last node.
    const isCutOff = end % flash.erasesize !== 0;
    if (totlen < HEADER_SIZE || totlen > left || (PAD(totlen) > left && !isCutOff)) {
      const type = flash.u16(at + H_TYPE) | JFFS2_NODE_ACCURATE;
      pieces.add(at, 4, type, V['node past erase block'], FLAG_NODE);
      at += 4;
      continue;
    }
    at += addNode(
      flash,
      pieces,
      at,
      Math.min(PAD(totlen), left),
      totlen,
      start,
      cleanmarker,
      false,
    );
  }
  return judgeBlock(flash, pieces, from, start, end);
}

function dirtVerdict(magic: number, atStart: boolean): number {
  if (magic === JFFS2_DIRTY_BITMASK) return V.zeroed;
  if (magic === JFFS2_OLD_MAGIC_BITMASK) return V['old magic'];
  return magic === JFFS2_SWAPPED_MAGIC_BITMASK && atStart ? V['wrong byte order'] : V['bad magic'];
}

/** Adds a node whose header is right. @returns the bytes to go on by. */
function addNode(
  flash: Flash,
  pieces: Pieces,
  at: number,
  length: number,
  totlen: number,
  blockStart: number,
  cleanmarker: number,
  hidden: boolean,
): number {
  const nodetype = flash.u16(at + H_TYPE);
  const type = nodetype | JFFS2_NODE_ACCURATE;
  const obsolete = type !== nodetype;
  const verdict = judge(flash, at, type, totlen, at === blockStart && totlen === cleanmarker);
  const flags = FLAG_NODE | (obsolete ? FLAG_OBSOLETE : 0) | (hidden ? FLAG_HIDDEN : 0);
  const n = pieces.add(at, length, type, verdict, flags);
  if (hidden || verdict === V.valid || verdict === V['data crc']) {
    if (!obsolete && !hidden) pieces.countIn(n);
    return length;
  }
  // An inode node that is wrong in its lengths is found out when its inode is read.
  if (verdict === V['bad node'] && totlen >= INODE_SIZE && !obsolete) pieces.countIn(n);
  if (verdict === V['bad cleanmarker'] && !obsolete) return HEADER_SIZE;
  if (type === JFFS2_NODETYPE_INODE && totlen < INODE_SIZE && !obsolete) return 4;
  if (verdict !== V['unknown node'] && verdict !== V.summary) lookInside(flash, pieces, at, length);
  return length;
}

/** Nodes inside of one that is not what it says: a mount skips them with it. */
function lookInside(flash: Flash, pieces: Pieces, outer: number, length: number): void {
  const end = outer + length;
  for (let at = outer + 4; at + HEADER_SIZE <= end; ) {
    if (!isHeader(flash, at)) {
      at += 4;
      continue;
    }
    const totlen = flash.u32(at + H_TOTLEN);
    const type = flash.u16(at + H_TYPE) | JFFS2_NODE_ACCURATE;
    if (totlen < HEADER_SIZE || totlen > end - at || PAD(totlen) > end - at) {
      at += 4;
      continue;
    }
    const verdict = judge(flash, at, type, totlen, false);
    if (verdict !== V.valid && verdict !== V['data crc']) {
      at += 4;
      continue;
    }
    at += addNode(flash, pieces, at, PAD(totlen), totlen, -1, 0, true);
  }
}

/** What is right or wrong about a node whose header and length are right. */
function judge(
  flash: Flash,
  at: number,
  type: number,
  totlen: number,
  isCleanmarkerPlace: boolean,
): number {
  const { bytes } = flash;
  // CRCs are made over the node type with ACCURATE set.
  const obsolete = flash.u16(at + H_TYPE) !== type;
  const crcOf = (length: number): number => {
    if (!obsolete) return crc32_le(0, bytes, at, length);
    for (let i = 0; i < 4; i++) header[i] = bytes[at + i]!;
    flash.endian.put16(header, H_TYPE, type);
    return crc32_le(crc32_le(0, header, 0, 4), bytes, at + 4, length - 4);
  };
  switch (type) {
    case JFFS2_NODETYPE_INODE: {
      if (totlen < INODE_SIZE) return V['bad node'];
      if (flash.u32(at + I_NODE_CRC) !== crcOf(INODE_CRC_LENGTH)) return V['node crc'];
      const csize = flash.u32(at + I_CSIZE);
      const dsize = flash.u32(at + I_DSIZE);
      const offset = flash.u32(at + I_OFFSET);
      if (
        offset > flash.u32(at + I_ISIZE) ||
        offset + dsize > 0xffffffff ||
        INODE_SIZE + csize > PAD(totlen) ||
        PAD(INODE_SIZE + csize) !== PAD(totlen)
      ) {
        return V['bad node'];
      }
      if (csize === 0) return V.valid;
      return flash.u32(at + I_DATA_CRC) === flash.crc(at + INODE_SIZE, csize)
        ? V.valid
        : V['data crc'];
    }
    case JFFS2_NODETYPE_DIRENT: {
      if (totlen < DIRENT_SIZE || flash.u32(at + D_NODE_CRC) !== crcOf(D_NODE_CRC)) {
        return V['node crc'];
      }
      const nsize = Math.min(bytes[at + D_NSIZE]!, totlen - DIRENT_SIZE);
      const nameAt = at + DIRENT_SIZE;
      if (flash.u32(at + D_NAME_CRC) !== crc32_le(0, bytes, nameAt, nsize)) return V['name crc'];
      return isUsableName(bytesToName(bytes, nameAt, nameAt + nsize)) ? V.valid : V['bad name'];
    }
    case JFFS2_NODETYPE_XATTR: {
      if (totlen < XATTR_SIZE || flash.u32(at + X_NODE_CRC) !== crcOf(X_NODE_CRC)) {
        return V['bad xattr'];
      }
      const length = bytes[at + X_NAME_LEN]! + 1 + flash.u16(at + X_VALUE_LEN);
      if (totlen !== PAD(XATTR_SIZE + length)) return V['bad xattr'];
      return flash.u32(at + X_DATA_CRC) === flash.crc(at + XATTR_SIZE, length)
        ? V.valid
        : V['data crc'];
    }
    case JFFS2_NODETYPE_XREF:
      return totlen === XREF_SIZE && flash.u32(at + R_NODE_CRC) === crcOf(R_NODE_CRC)
        ? V.valid
        : V['bad xattr'];
    case JFFS2_NODETYPE_CLEANMARKER:
      return isCleanmarkerPlace ? V.valid : V['bad cleanmarker'];
    case JFFS2_NODETYPE_PADDING:
      return V.valid;
    case JFFS2_NODETYPE_SUMMARY:
      return totlen >= SUMMARY_SIZE + SUM_MARKER_SIZE &&
        flash.u32(at + S_NODE_CRC) === crcOf(S_SUM_CRC) &&
        flash.u32(at + S_SUM_CRC) === flash.crc(at + SUMMARY_SIZE, totlen - SUMMARY_SIZE)
        ? V.valid
        : V.summary;
    default:
      return V['unknown node'];
  }
}

/** What holds for the block as a whole: is it falsely blank, and does its summary tell the truth? */
function judgeBlock(
  flash: Flash,
  pieces: Pieces,
  from: number,
  start: number,
  end: number,
): BlockScan {
  const to = pieces.count;
  if (end - start === flash.erasesize && flash.u32(end - 4) === JFFS2_SUM_MAGIC) {
    const place = start + flash.u32(end - SUM_MARKER_SIZE);
    let node = to - 1;
    while (node >= from && pieces.at(node) !== place) node--;
    let why = 'where its end marker points, no valid summary is';
    if (
      node >= from &&
      pieces.type(node) === JFFS2_NODETYPE_SUMMARY &&
      pieces.verdict(node) === 'valid' &&
      !pieces.isObsolete(node) &&
      place + pieces.length(node) === end
    ) {
      const listed = isTailSound(flash, start)
        ? summaryEntries(flash, place)
        : 'bits are wrong in the page that it ends in, as a power cut leaves it';
      if (typeof listed !== 'string') {
        const summaryLies = compareSummary(pieces, listed, from, node, start);
        return { from, to, summary: 'valid', summaryLies, falselyBlank: false };
      }
      why = listed;
    }
    const falselyBlank = isFalselyBlank(flash, pieces, from);
    return { from, to, summary: 'bad', summaryLies: [why], falselyBlank };
  }
  const falselyBlank = isFalselyBlank(flash, pieces, from);
  return { from, to, summary: 'none', summaryLies: [], falselyBlank };
}

/** On NAND the power may have gone in a block's last page: a mount looks at the nodes then. */
function isTailSound(flash: Flash, start: number): boolean {
  const size = Math.min(TAIL_SIZE, flash.erasesize);
  return !flash.hasWrongBits(start + flash.erasesize - size, size);
}

/** A mount looks at the first bytes only to call a block blank, and then passes over its nodes. */
function isFalselyBlank(flash: Flash, pieces: Pieces, from: number): boolean {
  const to = pieces.count;
  const looked = Math.min(EMPTY_SCAN_SIZE, flash.erasesize);
  if (to - from < 2 || pieces.verdict(from) !== 'erased' || pieces.length(from) < looked) {
    return false;
  }
  for (let n = from; n < to; n++) if (pieces.isNode(n)) pieces.hide(n);
  return true;
}

/** A mount believes the summary: what it does not list is not seen. @returns where it lies. */
function compareSummary(
  pieces: Pieces,
  listed: Map<number, SummaryEntry>,
  from: number,
  node: number,
  start: number,
): string[] {
  const lies: string[] = [];
  for (let n = from; n < node; n++) {
    // Of unknown types none is listed, so that a mount does not meet them.
    if (pieces.verdict(n) === 'unknown node') pieces.hide(n);
    if (!pieces.isScanned(n)) continue;
    const type = pieces.type(n);
    if (type === JFFS2_NODETYPE_CLEANMARKER || type === JFFS2_NODETYPE_PADDING) continue;
    const offset = pieces.at(n) - start;
    const entry = listed.get(offset);
    listed.delete(offset);
    if (entry === undefined || entry.type !== type) {
      pieces.hide(n);
      lies.push(`the node at 0x${pieces.at(n).toString(16)} is not listed`);
    } else if (!entry.agrees) {
      lies.push(`the node at 0x${pieces.at(n).toString(16)} is listed with other values`);
    }
  }
  for (const offset of listed.keys()) {
    lies.push(`0x${(start + offset).toString(16)} is listed, where no valid node is`);
  }
  return lies;
}
