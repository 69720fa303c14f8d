/**
 * The partitions of a disk: MBR (with logical partitions), GPT (either copy), BSD disklabel (in
 * either byte order, wherever it lies in the first 64 KiB).
 *
 * A table is believed when its magic and checksum are right; entries that do not fit the disk are
 * left out. All sizes and positions are in bytes.
 *
 * Facts: the public layouts (UEFI 2.10 §5 for MBR and GPT; NetBSD's disklabel(5)); the search for a
 * label: reference rump.md §3.2.
 */
import { crc32_le } from '../../lump/crc32.js';
import type { disk } from './disk.js';
import { disk_peek } from './open.js';

export interface partition {
  readonly scheme: 'mbr' | 'gpt' | 'disklabel';
  /** "1" … of MBR and GPT, "a" … of a disklabel. */
  readonly name: string;
  readonly start: number;
  readonly size: number;
  /** As the table has it: "0x83", a GUID, "17". */
  readonly type: string;
}

const SECTOR = 512;
const GPT_SECTORS = [512, 4096];
/** Logical partitions are a chain; a circle must end. */
const LOGICAL_MAX = 128;
const GPT_ENTRIES_MAX = 1024;
const DISKLABEL_AREA = 64 * 1024;
const DISKMAGIC = 0x82564557;
const MAXPARTITIONS = 64;

/** @returns every partition that a table of the disk names; GPT's hides its protective MBR. */
export function find_partitions(disk: disk): partition[] {
  const gpt = find_gpt(disk);
  const table = gpt.length > 0 ? gpt : find_mbr(disk);
  return [...table, ...find_disklabel(disk)].filter(
    ({ start, size }) => size > 0 && start + size <= disk.sizeBytes,
  );
}

const u16 = (b: Uint8Array, at: number): number => b[at]! | (b[at + 1]! << 8);
const u32 = (b: Uint8Array, at: number): number => (u16(b, at) | (u16(b, at + 2) << 16)) >>> 0;
const u64 = (b: Uint8Array, at: number): number => u32(b, at) + u32(b, at + 4) * 2 ** 32;
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

// ---- MBR ----------------------------------------------------------------------------------------

const EXTENDED = [0x05, 0x0f, 0x85];

interface mbr_entry {
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
}

/** The four entries of a boot record; null: it is none. */
function mbr_entries(sector: Uint8Array): mbr_entry[] | null {
  if (sector.length < SECTOR || u16(sector, 510) !== 0xaa55) return null;
  const entries: mbr_entry[] = [];
  for (let at = 446; at < 510; at += 16) {
    // The boot flag has two values only: a FAT boot sector ends with the same magic.
    if (sector[at] !== 0 && sector[at] !== 0x80) return null;
    entries.push({
      type: sector[at + 4]!,
      first: u32(sector, at + 8),
      sectors: u32(sector, at + 12),
    });
  }
  return entries;
}

function find_mbr(disk: disk): partition[] {
  const entries = mbr_entries(disk_peek(disk, 0, SECTOR));
  if (entries === null) return [];
  const found: partition[] = [];
  const add = (number: number, base: number, { type, first, sectors }: mbr_entry): void => {
    found.push({
      scheme: 'mbr',
      name: `${number}`,
      start: (base + first) * SECTOR,
      size: sectors * SECTOR,
      type: `0x${hex(type, 2)}`,
    });
  };
  entries.forEach((entry, i) => {
    if (entry.type !== 0 && !EXTENDED.includes(entry.type)) add(i + 1, 0, entry);
  });
  const extended = entries.find(({ type }) => EXTENDED.includes(type));
  if (extended === undefined) return found;
  let number = 5;
  let next = 0;
  do {
    const base = extended.first + next;
    const [logical, link] = mbr_entries(disk_peek(disk, base * SECTOR, SECTOR)) ?? [];
    if (logical === undefined || link === undefined) break;
    if (logical.type !== 0) add(number++, base, logical);
    next = EXTENDED.includes(link.type) ? link.first : 0;
  } while (next !== 0 && number < LOGICAL_MAX);
  return found;
}

// ---- GPT ----------------------------------------------------------------------------------------

function find_gpt(disk: disk): partition[] {
  for (const sector of GPT_SECTORS) {
    for (const at of [sector, disk.sizeBytes - sector]) {
      const found = read_gpt(disk, at, sector);
      if (found !== null) return found;
    }
  }
  return [];
}

const crc32 = (b: Uint8Array, length: number): number => ~crc32_le(~0, b, 0, length) >>> 0;

function read_gpt(disk: disk, at: number, sector: number): partition[] | null {
  const header = disk_peek(disk, at, SECTOR);
  if (header.length < SECTOR || String.fromCharCode(...header.subarray(0, 8)) !== 'EFI PART') {
    return null;
  }
  const headerBytes = u32(header, 12);
  const crc = u32(header, 16);
  if (headerBytes < 92 || headerBytes > SECTOR) return null;
  header.fill(0, 16, 20);
  if (crc32(header, headerBytes) !== crc) return null;
  const count = u32(header, 80);
  const bytes = u32(header, 84);
  if (bytes < 128 || bytes > 4096 || count > GPT_ENTRIES_MAX) return null;
  const entries = disk_peek(disk, u64(header, 72) * sector, count * bytes);
  if (entries.length < count * bytes || crc32(entries, entries.length) !== u32(header, 88)) {
    return null;
  }
  const found: partition[] = [];
  for (let i = 0; i < count; i++) {
    const entry = entries.subarray(i * bytes, (i + 1) * bytes);
    const type = guid(entry);
    if (/^[0-]*$/.test(type)) continue;
    const start = u64(entry, 32) * sector;
    const size = (u64(entry, 40) + 1) * sector - start;
    found.push({ scheme: 'gpt', name: `${i + 1}`, start, size, type });
  }
  return found;
}

/** The first three fields of a GUID are little-endian. */
function guid(b: Uint8Array): string {
  const tail = [...b.subarray(8, 16)].map((byte) => hex(byte, 2)).join('');
  return [
    hex(u32(b, 0), 8),
    hex(u16(b, 4), 4),
    hex(u16(b, 6), 4),
    tail.slice(0, 4),
    tail.slice(4),
  ].join('-');
}

// ---- disklabel ----------------------------------------------------------------------------------

/** Offsets in struct disklabel. */
const d_magic = 0;
const d_secsize = 40;
const d_magic2 = 132;
const d_npartitions = 138;
const d_partitions = 148;
/** struct partition: size, offset, fragment size, type, … */
const PARTITION_BYTES = 16;

function find_disklabel(disk: disk): partition[] {
  const area = disk_peek(disk, 0, DISKLABEL_AREA);
  const view = new DataView(area.buffer, area.byteOffset, area.length);
  for (let at = 0; at + d_partitions <= area.length; at += 4) {
    for (const little of [true, false]) {
      if (view.getUint32(at + d_magic, little) !== DISKMAGIC) continue;
      const found = read_disklabel(view, at, little);
      if (found !== null) return found;
    }
  }
  return [];
}

function read_disklabel(view: DataView, at: number, little: boolean): partition[] | null {
  if (view.getUint32(at + d_magic2, little) !== DISKMAGIC) return null;
  const count = view.getUint16(at + d_npartitions, little);
  const end = at + d_partitions + count * PARTITION_BYTES;
  if (count > MAXPARTITIONS || end > view.byteLength) return null;
  let sum = 0;
  for (let word = at; word < end; word += 2) sum ^= view.getUint16(word, little);
  // The checksum is among what is summed up.
  if (sum !== 0) return null;
  const sector = view.getUint32(at + d_secsize, little);
  const found: partition[] = [];
  for (let i = 0; i < count; i++) {
    const entry = at + d_partitions + i * PARTITION_BYTES;
    const type = view.getUint8(entry + 12);
    if (type === 0) continue;
    found.push({
      scheme: 'disklabel',
      name: String.fromCharCode(0x61 + i),
      size: view.getUint32(entry, little) * sector,
      start: view.getUint32(entry + 4, little) * sector,
      type: `${type}`,
    });
  }
  return found;
}

// ---- a partition that the user names ------------------------------------------------------------

export interface device_suffix {
  readonly path: string;
  readonly suffix:
    | { readonly kind: 'none' }
    | { readonly kind: 'disklabel'; readonly letter: string }
    | { readonly kind: 'offset'; readonly start: number; readonly size: number | null };
}

/** A suffix that is none: the message says what is expected. */
export class DeviceSuffixError extends Error {}

/**
 * ukfs's `img%DISKLABEL:a%` and `img%OFFSET:start,size%`. Without a last "%" it is a plain path.
 * @throws DeviceSuffixError
 */
export function parse_device(text: string): device_suffix {
  const match = /^(.*)%([A-Z]+):([^%]*)%$/s.exec(text);
  if (match === null) return { path: text, suffix: { kind: 'none' } };
  const [, path, word, value] = match as unknown as [string, string, string, string];
  if (word === 'DISKLABEL' && /^[a-z]$/.test(value)) {
    return { path, suffix: { kind: 'disklabel', letter: value } };
  }
  const range = word === 'OFFSET' ? /^(\d+)(?:,(\d+))?$/.exec(value) : null;
  if (range === null) {
    throw new DeviceSuffixError(
      `"%${word}:${value}%": expected %DISKLABEL:a% or %OFFSET:start,size% with bytes`,
    );
  }
  const size = range[2] === undefined ? null : Number(range[2]);
  return { path, suffix: { kind: 'offset', start: Number(range[1]), size } };
}
