/** Makes an empty FAT12, FAT16 or FAT32. */
import { disk_zero, type disk } from '../../disk/disk.js';
import { time_to_fat } from './msdosfs_conv.js';
import {
  ATTR_VOLUME,
  BOOTSIG,
  bootsig,
  bpb,
  bpb_new,
  CLUST_FIRST,
  dep,
  DIRENTRY_BYTES,
  ebpb16,
  ebpb32,
  EXTENDED_BOOT,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  fsinfo,
  FSINFO_SIG1,
  FSINFO_SIG2,
  OEM_BYTES,
  SHORTNAME_BYTES,
} from './medium.js';

export type fat_bits = 12 | 16 | 32;

export interface mkfs_msdosfs_geometry {
  readonly bits: fat_bits;
  readonly sectorBytes: number;
  readonly sectors: number;
  readonly clusterSectors: number;
  readonly fats: number;
  readonly reserved: number;
  /** Of the root directory; 0 for FAT32. */
  readonly rootEntries: number;
  /** 0: as many as are needed. */
  readonly fatSectors: number;
}

export interface mkfs_msdosfs_params extends mkfs_msdosfs_geometry {
  readonly media: number;
  readonly hidden: number;
  readonly sectorsPerTrack: number;
  readonly heads: number;
  /** FAT32: sectors of the counts, and of the first sector's copy; 0: none. */
  readonly infoSector: number;
  readonly backupSector: number;
  /** Latin-1, eight and eleven characters. */
  readonly oem: string;
  readonly label: string;
  readonly volumeId: number;
  /** A program of the first sector: of its bytes those that are no parameters. */
  readonly bootstrap: Uint8Array | null;
  readonly nowSec: number;
}

export interface msdosfs_layout {
  readonly fatSectors: number;
  readonly clusters: number;
  /** Why it is none that every system would read; empty: it is one. */
  readonly problem: string;
  /** It would not be one with more sectors either. */
  readonly isTooLarge: boolean;
}

const NO_LABEL = 'NO NAME    ';
const FAT32_ROOT = CLUST_FIRST;
const DRIVE = 0x80;
/** Where the program begins, behind the parameters. */
const PROGRAM_AT = { 12: 0x3e, 16: 0x3e, 32: 0x5a } as const;
/** int 0x18, which tries the next device; then for ever nothing. */
const NO_PROGRAM = Uint8Array.of(0xcd, 0x18, 0xeb, 0xfe);

const end_of_chain = (bits: fat_bits): number => (bits === 32 ? 0x0fff_ffff : 2 ** bits - 1);
const root_sectors = (g: mkfs_msdosfs_geometry): number =>
  Math.ceil((g.rootEntries * DIRENTRY_BYTES) / g.sectorBytes);

export function msdosfs_layout(g: mkfs_msdosfs_geometry): msdosfs_layout {
  const data = g.sectors - g.reserved - root_sectors(g);
  const per_fat = (clusters: number): number =>
    Math.ceil(((clusters + CLUST_FIRST) * g.bits) / 8 / g.sectorBytes);
  const clusters_with = (fatSectors: number): number =>
    Math.max(0, Math.floor((data - g.fats * fatSectors) / g.clusterSectors));
  // Each sector of a table serves so many clusters, and every table costs its own sectors.
  const served = (g.sectorBytes * 8 * g.clusterSectors) / g.bits;
  const fatSectors =
    g.fatSectors ||
    Math.max(1, Math.ceil((data + CLUST_FIRST * g.clusterSectors) / (served + g.fats)));
  const clusters = clusters_with(fatSectors);
  const isTooLarge = clusters > MOST_CLUSTERS[g.bits] || per_fat(clusters) > fatSectors;
  const problem = problem_with(g, fatSectors, clusters, isTooLarge);
  return { fatSectors, clusters, problem, isTooLarge };
}

const MOST_CLUSTERS = {
  12: FAT12_CLUSTERS - 1,
  16: FAT16_CLUSTERS - 1,
  32: 0x0fff_fff5,
} as const;

/** The number of clusters is what tells the three kinds apart. */
function problem_with(
  { bits }: mkfs_msdosfs_geometry,
  fatSectors: number,
  clusters: number,
  isTooLarge: boolean,
): string {
  const least = { 12: 1, 16: FAT12_CLUSTERS, 32: FAT16_CLUSTERS }[bits];
  if (clusters < least) return `${clusters} clusters are too few for FAT${bits}: at least ${least}`;
  if (!isTooLarge) return '';
  const most = MOST_CLUSTERS[bits];
  return clusters > most
    ? `${clusters} clusters are too many for FAT${bits}: at most ${most}`
    : `its table does not fit ${fatSectors} sectors`;
}

function put_text(b: Uint8Array, at: number, text: string, length: number): void {
  for (let i = 0; i < length; i++) b[at + i] = i < text.length ? text.charCodeAt(i) : 0x20;
}

/** @param params for which {@link msdosfs_layout} has no problem. */
export function mkfs_msdosfs(disk: disk, params: mkfs_msdosfs_params): void {
  const { bits, sectorBytes, fats, reserved, nowSec, label } = params;
  const { fatSectors, clusters } = msdosfs_layout(params);
  const rootStart = (reserved + fats * fatSectors) * sectorBytes;
  const rootBytes =
    bits === 32 ? params.clusterSectors * sectorBytes : root_sectors(params) * sectorBytes;
  disk_zero(disk, rootStart + rootBytes, 0);
  const boot = boot_sector(params, fatSectors);
  const info = bits === 32 && params.infoSector !== 0 ? info_sector(sectorBytes, clusters) : null;
  const copies = bits === 32 && params.backupSector !== 0 ? [0, params.backupSector] : [0];
  for (const at of copies) {
    disk.write(boot, 0, sectorBytes, at * sectorBytes);
    if (info !== null) disk.write(info, 0, sectorBytes, (at + params.infoSector) * sectorBytes);
  }
  const table = new Uint8Array(sectorBytes);
  const end = end_of_chain(bits);
  put_entry(table, bits, 0, (end & ~0xff) | params.media);
  put_entry(table, bits, 1, end);
  if (bits === 32) put_entry(table, bits, FAT32_ROOT, end);
  for (let fat = 0; fat < fats; fat++) {
    disk.write(table, 0, sectorBytes, (reserved + fat * fatSectors) * sectorBytes);
  }
  if (label === '') return;
  const entry = new Uint8Array(DIRENTRY_BYTES);
  put_text(entry, dep.Name0.at, label, SHORTNAME_BYTES);
  dep.Attributes.put(entry, 0, ATTR_VOLUME);
  const [date, time] = time_to_fat({ sec: nowSec, nsec: 0 }, 0);
  dep.MDate.put(entry, 0, date);
  dep.MTime.put(entry, 0, time);
  disk.write(entry, 0, DIRENTRY_BYTES, rootStart);
}

function put_entry(table: Uint8Array, bits: fat_bits, index: number, value: number): void {
  if (bits === 12) {
    const at = index + (index >> 1);
    const word = table[at]! | (table[at + 1]! << 8);
    const both = index % 2 === 0 ? (word & 0xf000) | value : (word & 0x000f) | (value << 4);
    table[at] = both;
    table[at + 1] = both >>> 8;
    return;
  }
  for (let i = 0; i < bits / 8; i++) table[(index * bits) / 8 + i] = value >>> (8 * i);
}

function boot_sector(params: mkfs_msdosfs_params, fatSectors: number): Uint8Array {
  const { bits, sectors } = params;
  const b = new Uint8Array(params.sectorBytes);
  const program = PROGRAM_AT[bits];
  b.set(params.bootstrap?.subarray(0, b.length) ?? [0xeb, program - 2, 0x90]);
  if (params.bootstrap === null) b.set(NO_PROGRAM, program);
  const isSmall = bits !== 32 && sectors < 0x10000;
  for (const [field, value] of [
    [bpb.BytesPerSec, params.sectorBytes],
    [bpb.SecPerClust, params.clusterSectors],
    [bpb.ResSectors, params.reserved],
    [bpb.FATs, params.fats],
    [bpb.RootDirEnts, params.rootEntries],
    [bpb.Sectors, isSmall ? sectors : 0],
    [bpb.HugeSectors, isSmall ? 0 : sectors],
    [bpb.FATsecs, bits === 32 ? 0 : fatSectors],
    [bpb_new.Media, params.media],
    [bpb_new.SecPerTrack, params.sectorsPerTrack],
    [bpb_new.Heads, params.heads],
    [bpb_new.HiddenSecs, params.hidden],
    [bootsig, BOOTSIG],
  ] as const) {
    field.put(b, 0, value);
  }
  if (bits === 32) {
    bpb.BigFATsecs.put(b, 0, fatSectors);
    bpb.RootClust.put(b, 0, FAT32_ROOT);
    bpb.FSInfo.put(b, 0, params.infoSector);
    bpb_new.Backup.put(b, 0, params.backupSector);
  }
  put_text(b, bpb_new.OEMName.at, params.oem, OEM_BYTES);
  const extended = bits === 32 ? ebpb32 : ebpb16;
  extended.DriveNumber.put(b, 0, DRIVE);
  extended.BootSig.put(b, 0, EXTENDED_BOOT);
  extended.VolID.put(b, 0, params.volumeId);
  put_text(b, extended.Label.at, params.label || NO_LABEL, SHORTNAME_BYTES);
  put_text(b, extended.FileSysType.at, `FAT${bits}`, 8);
  return b;
}

function info_sector(sectorBytes: number, clusters: number): Uint8Array {
  const b = new Uint8Array(sectorBytes);
  fsinfo.sig1.put(b, 0, FSINFO_SIG1);
  fsinfo.sig2.put(b, 0, FSINFO_SIG2);
  // All but the root directory's.
  fsinfo.nfree.put(b, 0, clusters - 1);
  fsinfo.nxtfree.put(b, 0, FAT32_ROOT);
  bootsig.put(b, 0, BOOTSIG);
  return b;
}
