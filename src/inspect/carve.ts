/**
 * Finds JFFS2 file systems in a dump of anything: several of them, behind headers, at any byte, cut
 * off in the middle of an erase block.
 *
 * Nodes are looked for at every byte. Those of one byte order and one alignment that follow each
 * other without much between them are one file system. A conflict (two entries of one directory and
 * version with different names) begins another, since within one file system it cannot be; so do
 * entries that repeat in a row (the other half of an A/B update with the same content), of which
 * garbage collection makes one by one at most.
 */
import {
  BIG_ENDIAN,
  DIRENT_SIZE,
  D_NODE_CRC,
  D_NSIZE,
  D_PINO,
  D_VERSION,
  HEADER_SIZE,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_NODE_CRC,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODE_ACCURATE,
  LITTLE_ENDIAN,
  type Endian,
} from '../jffs2/medium.js';
import { firstProgrammed } from '../jffs2/erased.js';
import { jffs2_detect, nodeLength } from '../jffs2/detect.js';
import { crc32_le } from '../lump/crc32.js';
import { bytesToName } from '../lump/types.js';

/** A stretch of a dump that is one file system. Bytes. */
export interface CarvedFileSystem {
  /** In the dump: where erase block 0 begins, as far as it is there. */
  readonly offset: number;
  /** Bytes to the end of the last erase block of it, or to what follows. */
  readonly length: number;
  readonly endian: 'little' | 'big';
  readonly eraseSizeBytes: number;
  readonly isCertain: boolean;
  /** Bytes of its first erase block that are missing in front of `offset`. */
  readonly missingBytes: number;
  readonly nodes: number;
  readonly evidence: readonly string[];
}

/** Foreign bytes between two nodes of one file system: about a damaged erase block. */
const FOREIGN_BYTES_MAX = 256 << 10;
/** Fewer valid nodes than this, cleanmarkers alone, are no file system worth telling. */
const NODES_MIN = 1;

interface Region {
  endian: Endian;
  phase: number;
  start: number;
  end: number;
  nodes: number;
  /** pino, version → name. */
  names: Map<string, string>;
  /** Entries in a row that were there before, and how things stood when the row began. */
  repeated: number;
  before: { start: number; end: number; nodes: number };
}

/** So many repeated entries in a row begin another file system. */
const REPEATED_MAX = 3;

/**
 * File systems in a dump of anything: behind headers, in the middle of a block, several of them.
 * @param progress is told the bytes done, now and then.
 * @returns in the order of the dump; time is linear in its size.
 */
export function carve(
  dump: Uint8Array,
  progress?: (done: number, of: number) => void,
): CarvedFileSystem[] {
  const regions: Region[] = [];
  let told = 0;
  let at = 0;
  while (at + HEADER_SIZE <= dump.length) {
    if (at - told > 1 << 22) {
      told = at;
      progress?.(at, dump.length);
    }
    const first = dump[at]!;
    if (first === 0xff) {
      at = Math.max(at + 1, firstProgrammed(dump, at, dump.length));
      continue;
    }
    if (first !== 0x85 && first !== 0x19) {
      at++;
      continue;
    }
    const endian = first === 0x85 ? LITTLE_ENDIAN : BIG_ENDIAN;
    const length = intactLength(endian, dump, at);
    if (length === 0) {
      at++;
      continue;
    }
    place(regions, dump, at, length, endian);
    at += length;
  }
  const found: CarvedFileSystem[] = [];
  regions.forEach((region, n) => {
    if (region.nodes < NODES_MIN) return;
    const limit = regions[n + 1]?.start ?? dump.length;
    const before = regions[n - 1]?.end ?? 0;
    found.push(describe(dump, region, before, limit));
  });
  return found;
}

/** The padded length of a node whose header (and node CRC, where it is known) is right; or 0. */
function intactLength(e: Endian, dump: Uint8Array, at: number): number {
  const length = nodeLength(e, dump, at);
  const totlen = e.u32(dump, at + H_TOTLEN);
  if (length === 0 || at + totlen > dump.length) return 0;
  const type = e.u16(dump, at + H_TYPE) | JFFS2_NODE_ACCURATE;
  const isIntact = e.u16(dump, at + H_TYPE) === type;
  if (type === JFFS2_NODETYPE_INODE && isIntact) {
    if (totlen < INODE_SIZE) return 0;
    if (e.u32(dump, at + I_NODE_CRC) !== crc32_le(0, dump, at, INODE_CRC_LENGTH)) return 0;
  }
  if (type === JFFS2_NODETYPE_DIRENT && isIntact) {
    if (totlen < DIRENT_SIZE) return 0;
    if (e.u32(dump, at + D_NODE_CRC) !== crc32_le(0, dump, at, D_NODE_CRC)) return 0;
  }
  return length;
}

/** Adds the node to the file system that it continues, or begins a new one. */
function place(
  regions: Region[],
  dump: Uint8Array,
  at: number,
  length: number,
  endian: Endian,
): void {
  let region = regions.at(-1);
  const type = endian.u16(dump, at + H_TYPE);
  let key = '';
  let name = '';
  if (type === JFFS2_NODETYPE_DIRENT) {
    const nameAt = at + DIRENT_SIZE;
    name = bytesToName(dump, nameAt, Math.min(dump.length, nameAt + dump[at + D_NSIZE]!));
    key = `${endian.u32(dump, at + D_PINO)}:${endian.u32(dump, at + D_VERSION)}`;
  }
  const isSame =
    region !== undefined &&
    region.endian === endian &&
    region.phase === at % 4 &&
    foreignBytes(dump, region.end, at) <= FOREIGN_BYTES_MAX &&
    (key === '' || (region.names.get(key) ?? name) === name);
  if (!isSame) {
    // The conflict comes with the second image's first entry; its cleanmarker stands before it.
    const start = region !== undefined ? lastCleanmarker(dump, region, at, endian) : at;
    if (region !== undefined && start < region.end) region.end = start;
    region = newRegion(endian, start);
    regions.push(region);
  } else if (key !== '') {
    region = repeatedEntry(regions, region!, region!.names.has(key), dump, at);
  }
  region!.nodes++;
  region!.end = at + length;
  if (key !== '') region!.names.set(key, name);
}

function newRegion(endian: Endian, start: number): Region {
  const before = { start, end: start, nodes: 0 };
  return {
    endian,
    phase: start % 4,
    start,
    end: start,
    nodes: 0,
    names: new Map(),
    repeated: 0,
    before,
  };
}

/** Counts entries that repeat. @returns the file system that the entry belongs to. */
function repeatedEntry(
  regions: Region[],
  region: Region,
  isRepeated: boolean,
  dump: Uint8Array,
  at: number,
): Region {
  if (!isRepeated) {
    region.repeated = 0;
    return region;
  }
  if (region.repeated++ === 0) {
    const start = lastCleanmarker(dump, region, at, region.endian);
    region.before = { start, end: Math.min(region.end, start), nodes: region.nodes };
  }
  if (region.repeated < REPEATED_MAX) return region;
  const { start, end, nodes } = region.before;
  const fresh = newRegion(region.endian, start);
  fresh.nodes = region.nodes - nodes;
  fresh.end = region.end;
  region.end = end;
  region.nodes = nodes;
  regions.push(fresh);
  return fresh;
}

/** A cleanmarker right in front of the node belongs to it. */
function lastCleanmarker(dump: Uint8Array, region: Region, at: number, endian: Endian): number {
  const from = at - HEADER_SIZE;
  if (region.endian !== endian || from < region.start || region.end !== at) return at;
  const isMarker =
    endian.u16(dump, from) === JFFS2_MAGIC_BITMASK &&
    endian.u16(dump, from + H_TYPE) === JFFS2_NODETYPE_CLEANMARKER;
  return isMarker ? from : at;
}

/** Bytes of a range that are neither erased nor zero. */
function foreignBytes(dump: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to && count <= FOREIGN_BYTES_MAX; at++) {
    const byte = dump[at]!;
    if (byte === 0xff) at = firstProgrammed(dump, at, to) - 1;
    else if (byte !== 0) count++;
  }
  return count;
}

/** Where its erase blocks lie, as far as the nodes tell. */
function describe(
  dump: Uint8Array,
  region: Region,
  before: number,
  limit: number,
): CarvedFileSystem {
  const part = dump.subarray(region.start, limit);
  const detection = jffs2_detect({
    sizeBytes: part.length,
    read(buffer, bufferOffset, length, position) {
      const piece = part.subarray(position, Math.min(part.length, position + length));
      buffer.set(piece, bufferOffset);
      return piece.length;
    },
  });
  const erasesize = detection?.erasesize ?? 65536;
  const phase = detection?.offset ?? 0;
  // Block borders at start + phase; what is before the first one is the rest of a block.
  let offset = region.start;
  let missing = 0;
  if (phase > 0) {
    const wanted = region.start + phase - erasesize;
    offset = Math.max(wanted, before, 0);
    missing = offset - wanted;
    if (wanted >= before && wanted >= 0) offset = wanted;
  }
  const border = offset - missing;
  const blocks = Math.max(1, Math.ceil((region.end - border) / erasesize));
  let end = Math.min(border + blocks * erasesize, limit);
  // Erased flash behind it is most likely its own.
  const erased = Math.min(limit, dump.length);
  const programmed = firstProgrammed(dump, region.end, erased);
  if (programmed > end) end = programmed - ((programmed - border) % erasesize);
  return {
    offset,
    length: Math.max(end, region.end) - offset,
    endian: region.endian.name,
    eraseSizeBytes: erasesize,
    isCertain: detection?.certain ?? false,
    missingBytes: missing,
    nodes: region.nodes,
    evidence: detection?.evidence ?? [],
  };
}
