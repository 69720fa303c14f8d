/**
 * The same flash in another form: byte order, erase size.
 *
 * Where only the byte order changes, every node stays where it is, those that are out of date too:
 * the history is kept. Into erase blocks of another size the nodes in force are packed anew, with
 * their versions; what is out of date stays behind.
 */
import {
  D_NODE_CRC,
  Endian,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_MODE,
  I_NODE_CRC,
  JFFS2_COMPAT_MASK,
  JFFS2_FEATURE_RWCOMPAT_COPY,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_NODE_ACCURATE,
  JFFS2_XPREFIX_ACL_ACCESS,
  JFFS2_XPREFIX_ACL_DEFAULT,
  PAD,
  R_NODE_CRC,
  SUMMARY_SIZE,
  SUM_MARKER_SIZE,
  S_NODE_CRC,
  S_SUM_CRC,
  XATTR_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
  X_XPREFIX,
  jffs2_raw_dirent,
  jffs2_raw_inode,
  jffs2_raw_summary,
  jffs2_raw_xattr,
  jffs2_raw_xref,
  jffs2_sum_dirent_flash,
  jffs2_sum_inode_flash,
  jffs2_sum_marker,
  jffs2_sum_xattr_flash,
  jffs2_sum_xref_flash,
  jffs2_unknown_node,
  type MediaStruct,
} from '../jffs2/medium.js';
import { crc32_le } from '../lump/crc32.js';
import { InspectError } from './flash.js';
import { S_IFBLK, S_IFCHR, S_IFMT } from './inode.js';
import type { State } from './state.js';
import { nodesInForce } from './usage.js';

/** What shall be otherwise; what is left out stays. */
export interface ConvertOptions {
  readonly endian?: 'little' | 'big' | undefined;
  /** Bytes. */
  readonly erasesize?: number | undefined;
}

/** The flash in its other form. */
export interface Converted {
  readonly bytes: Uint8Array;
  /** What was done, and what was left behind. */
  readonly report: readonly string[];
}

/** @throws InspectError it cannot be done: a node that fits into no block, too little space. */
export function convert(state: State, options: ConvertOptions): Converted {
  const { flash } = state;
  const report: string[] = [];
  const erasesize = options.erasesize ?? flash.erasesize;
  const little = (options.endian ?? flash.endian.name) === 'little';
  let bytes: Uint8Array = flash.bytes.slice();
  let places = nodePlaces(state);
  if (erasesize !== flash.erasesize) {
    const packed = repack(state, erasesize);
    ({ bytes, places } = packed);
    report.push(packed.report);
  }
  if (little !== flash.endian.little) {
    for (const { at, type } of places) swapNode(bytes, at, type, flash.endian, new Endian(little));
    report.push(`${places.length} nodes turned to ${little ? 'little' : 'big'} endian`);
    const { pieces } = state;
    let unreadable = 0;
    if (erasesize === flash.erasesize) {
      for (let n = 0; n < pieces.count; n++) {
        if (pieces.isNode(n) && !pieces.isReadable(n) && !pieces.isHidden(n)) unreadable++;
      }
    }
    if (unreadable > 0) report.push(`${unreadable} damaged nodes left as they are`);
  }
  return { bytes, report };
}

interface Place {
  readonly at: number;
  readonly type: number;
}

/** Every node whose fields can be believed. */
function nodePlaces(state: State): Place[] {
  const { pieces } = state;
  const places: Place[] = [];
  for (let n = 0; n < pieces.count; n++) {
    const isInside =
      n > 0 && pieces.at(n) < pieces.at(n - 1) + pieces.length(n - 1) && pieces.isHidden(n);
    const isSwappable =
      pieces.isReadable(n) ||
      (pieces.isNode(n) && pieces.verdict(n) === 'bad cleanmarker') ||
      pieces.verdict(n) === 'unknown node';
    if (isSwappable && !isInside) places.push({ at: pieces.at(n), type: pieces.type(n) });
  }
  return places;
}

// ---- another erase size -------------------------------------------------------------------------

function repack(
  state: State,
  erasesize: number,
): { bytes: Uint8Array; places: Place[]; report: string } {
  const { flash, pieces } = state;
  if (erasesize < 4096 || erasesize % 4 !== 0) {
    throw new InspectError(`erase size ${erasesize}: at least 4096 bytes, a multiple of 4`);
  }
  const inForce = nodesInForce(state);
  const marker = cleanmarkerOf(state);
  const blocks = Math.ceil(flash.bytes.length / erasesize);
  const bytes = new Uint8Array(blocks * erasesize).fill(0xff);
  const places: Place[] = [];
  let block = -1;
  let at = bytes.length;
  let blockEnd = 0;
  const open = (): void => {
    block++;
    at = block * erasesize;
    blockEnd = at + erasesize;
    if (block >= blocks) {
      throw new InspectError(
        `what is in force does not fit ${blocks} erase blocks of ${erasesize} bytes`,
      );
    }
    if (marker !== null) {
      bytes.set(marker.subarray(0, HEADER_SIZE), at);
      places.push({ at, type: JFFS2_NODETYPE_CLEANMARKER });
      at += PAD(marker.length);
    }
  };
  let left = 0;
  for (let n = 0; n < pieces.count; n++) {
    const type = pieces.type(n);
    const isUnknownKept =
      pieces.verdict(n) === 'unknown node' &&
      !pieces.isObsolete(n) &&
      (type & JFFS2_COMPAT_MASK) === JFFS2_FEATURE_RWCOMPAT_COPY;
    if (!inForce[n] && !isUnknownKept) {
      if (pieces.isReadable(n)) left++;
      continue;
    }
    const totlen = flash.u32(pieces.at(n) + H_TOTLEN);
    const length = pieces.length(n);
    if (length > erasesize - (marker === null ? 0 : PAD(marker.length))) {
      throw new InspectError(
        `the node at 0x${pieces.at(n).toString(16)} has ${length} bytes: larger than an erase block`,
      );
    }
    if (block < 0 || length > blockEnd - at) open();
    bytes.set(flash.bytes.subarray(pieces.at(n), pieces.at(n) + totlen), at);
    places.push({ at, type });
    at += length;
  }
  const used = block + 1;
  // Blocks that stay free are ready to be written to.
  while (marker !== null && block + 1 < blocks) open();
  const report =
    `${places.length} nodes packed into ${used} of ${blocks} erase blocks of ${erasesize} bytes; ` +
    `${left} that are out of date were left behind`;
  return { bytes, places, report };
}

/** The cleanmarker that the flash uses, or null. */
function cleanmarkerOf({ flash, pieces }: State): Uint8Array | null {
  for (let n = 0; n < pieces.count; n++) {
    if (pieces.type(n) !== JFFS2_NODETYPE_CLEANMARKER || !pieces.isNode(n)) continue;
    if (pieces.verdict(n) !== 'valid' || pieces.isObsolete(n)) continue;
    return flash.bytes.slice(pieces.at(n), pieces.at(n) + flash.u32(pieces.at(n) + H_TOTLEN));
  }
  return null;
}

// ---- byte order ---------------------------------------------------------------------------------

const STRUCTS: Readonly<Record<number, MediaStruct>> = {
  [JFFS2_NODETYPE_DIRENT]: jffs2_raw_dirent,
  [JFFS2_NODETYPE_INODE]: jffs2_raw_inode,
  [JFFS2_NODETYPE_XATTR]: jffs2_raw_xattr,
  [JFFS2_NODETYPE_XREF]: jffs2_raw_xref,
  [JFFS2_NODETYPE_SUMMARY]: jffs2_raw_summary,
};
const ENTRIES: Readonly<Record<number, MediaStruct>> = {
  [JFFS2_NODETYPE_DIRENT]: jffs2_sum_dirent_flash,
  [JFFS2_NODETYPE_INODE]: jffs2_sum_inode_flash,
  [JFFS2_NODETYPE_XATTR]: jffs2_sum_xattr_flash,
  [JFFS2_NODETYPE_XREF]: jffs2_sum_xref_flash,
};

function reverse(bytes: Uint8Array, at: number, length: number): void {
  bytes.subarray(at, at + length).reverse();
}

function swapStruct(bytes: Uint8Array, at: number, { fields, offset }: MediaStruct): void {
  for (const [name, length] of fields) {
    if (length > 1) reverse(bytes, at + (offset as Record<string, number>)[name]!, length);
  }
}

/** Turns a node in place, payloads that have a byte order included, and makes its CRCs right. */
function swapNode(bytes: Uint8Array, at: number, type: number, from: Endian, to: Endian): void {
  const isObsolete = from.u16(bytes, at + H_TYPE) !== type;
  const totlen = from.u32(bytes, at + H_TOTLEN);
  // A payload that does not fit its CRC keeps not fitting it.
  let payload: { field: number; from: number; length: number } | null = null;
  switch (type) {
    case JFFS2_NODETYPE_INODE: {
      const kind = from.u32(bytes, at + I_MODE) & S_IFMT;
      const csize = from.u32(bytes, at + I_CSIZE);
      const isDevice = kind === S_IFCHR || kind === S_IFBLK;
      if (isDevice && (csize === 2 || csize === 4)) {
        payload = { field: I_DATA_CRC, from: INODE_SIZE, length: csize };
      }
      break;
    }
    case JFFS2_NODETYPE_XATTR: {
      const prefix = bytes[at + X_XPREFIX]!;
      if (prefix === JFFS2_XPREFIX_ACL_ACCESS || prefix === JFFS2_XPREFIX_ACL_DEFAULT) {
        const length = bytes[at + X_NAME_LEN]! + 1 + from.u16(bytes, at + X_VALUE_LEN);
        payload = { field: X_DATA_CRC, from: XATTR_SIZE, length };
      }
      break;
    }
    case JFFS2_NODETYPE_SUMMARY:
      payload = { field: S_SUM_CRC, from: SUMMARY_SIZE, length: totlen - SUMMARY_SIZE };
      break;
    default:
  }
  const crcOf = (part: { from: number; length: number }): number =>
    crc32_le(0, bytes, at + part.from, part.length);
  const fits = payload !== null && from.u32(bytes, at + payload.field) === crcOf(payload);
  if (fits) swapPayload(bytes, at, type, totlen, from);
  swapStruct(bytes, at, STRUCTS[type] ?? jffs2_unknown_node);
  if (payload !== null && fits) to.put32(bytes, at + payload.field, crcOf(payload));
  to.put16(bytes, at, JFFS2_MAGIC_BITMASK);
  to.put16(bytes, at + H_TYPE, type);
  to.put32(bytes, at + H_CRC, crc32_le(0, bytes, at, H_CRC));
  const nodeCrc: Readonly<Record<number, readonly [field: number, length: number]>> = {
    [JFFS2_NODETYPE_DIRENT]: [D_NODE_CRC, D_NODE_CRC],
    [JFFS2_NODETYPE_INODE]: [I_NODE_CRC, INODE_CRC_LENGTH],
    [JFFS2_NODETYPE_XATTR]: [X_NODE_CRC, X_NODE_CRC],
    [JFFS2_NODETYPE_XREF]: [R_NODE_CRC, R_NODE_CRC],
    [JFFS2_NODETYPE_SUMMARY]: [S_NODE_CRC, S_SUM_CRC],
  };
  const [field, length] = nodeCrc[type] ?? [0, 0];
  if (length > 0) to.put32(bytes, at + field, crc32_le(0, bytes, at, length));
  if (isObsolete) to.put16(bytes, at + H_TYPE, type & ~JFFS2_NODE_ACCURATE);
}

/** Device numbers, access control lists, summary entries. */
function swapPayload(
  bytes: Uint8Array,
  at: number,
  type: number,
  totlen: number,
  from: Endian,
): void {
  if (type === JFFS2_NODETYPE_INODE) {
    reverse(bytes, at + INODE_SIZE, from.u32(bytes, at + I_CSIZE));
    return;
  }
  if (type === JFFS2_NODETYPE_XATTR) {
    const value = at + XATTR_SIZE + bytes[at + X_NAME_LEN]! + 1;
    swapAcl(bytes, value, value + from.u16(bytes, at + X_VALUE_LEN), from);
    return;
  }
  const end = at + totlen - SUM_MARKER_SIZE;
  swapStruct(bytes, end, jffs2_sum_marker);
  for (let here = at + SUMMARY_SIZE; here + 2 <= end; ) {
    const kind = from.u16(bytes, here);
    const entry = ENTRIES[kind];
    if (entry === undefined || here + entry.size > end) return;
    const isDirent = kind === JFFS2_NODETYPE_DIRENT;
    const name = isDirent ? bytes[here + jffs2_sum_dirent_flash.offset.nsize]! : 0;
    swapStruct(bytes, here, entry);
    here += entry.size + name;
  }
}

/** Version, then entries of tag and permissions; users and groups with a number. */
function swapAcl(bytes: Uint8Array, start: number, end: number, from: Endian): void {
  if (end - start < 4) return;
  reverse(bytes, start, 4);
  for (let at = start + 4; at + 4 <= end; ) {
    const tag = from.u16(bytes, at);
    reverse(bytes, at, 2);
    reverse(bytes, at + 2, 2);
    at += 4;
    if ((tag === 0x02 || tag === 0x08) && at + 4 <= end) {
      reverse(bytes, at, 4);
      at += 4;
    }
  }
}
