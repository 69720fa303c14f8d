/** Phases 3 and 4 for FAT: the kind and the size, the empty volume, the tree through the driver. */
import { S_IFDIR, S_IFMT, S_IFREG } from '../lump/fs.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import {
  DIRENTRY_BYTES,
  DIRECTORY_ENTRIES_MAX,
  OEM_BYTES,
  SHORTNAME_BYTES,
} from '../netbsd-compat/drivers/msdosfs/medium.js';
import {
  mkfs_msdosfs,
  msdosfs_layout,
  type fat_bits,
  type mkfs_msdosfs_geometry,
} from '../netbsd-compat/drivers/msdosfs/mkfs_msdosfs.js';
import {
  long_slots,
  name_key,
  name_to_text,
} from '../netbsd-compat/drivers/msdosfs/msdosfs_conv.js';
import { MSDOS } from '../ukfs/mount_msdos.js';
import { makeWithDriver } from './driver.js';
import type {
  FileSystemType,
  MakeOptionValues,
  MakeRequest,
  MakeServices,
} from './filesystem_type.js';
import { fileType, type FsNode, MakefsError, walkTree } from './fsnode.js';
import { chooseSize, toStayFree } from './image_size.js';
import { choiceOption, numberOption, textOption, treeDigest } from './option_values.js';
import { refuse, shortened } from './problems.js';

const FILE_BYTES_MAX = 2 ** 32 - 1;
const MIB = 2 ** 20;
const SECTORS_MAX = 2 ** 32 - 1;
const CLUSTER_SECTORS = [1, 2, 4, 8, 16, 32, 64, 128] as const;
/** Below, FAT12; below, FAT16; else FAT32. */
const FAT12_BYTES = 4 * MIB;
const FAT16_BYTES = 512 * MIB;
/** Source: Microsoft's "FAT32 File System Specification" 1.03: disk up to so many bytes → cluster. */
const CLUSTER_BYTES: Readonly<
  Record<fat_bits, readonly (readonly [size: number, bytes: number])[]>
> = {
  12: [[Number.POSITIVE_INFINITY, 512]],
  16: [
    [16 * MIB, 1024],
    [128 * MIB, 2048],
    [256 * MIB, 4096],
    [512 * MIB, 8192],
    [1024 * MIB, 16384],
    [Number.POSITIVE_INFINITY, 32768],
  ],
  32: [
    [260 * MIB, 512],
    [8192 * MIB, 4096],
    [16384 * MIB, 8192],
    [32768 * MIB, 16384],
    [Number.POSITIVE_INFINITY, 32768],
  ],
};
const ROOT_ENTRIES = 512;
const RESERVED = { 12: 1, 16: 1, 32: 32 } as const;
const DISK = 0xf8;

/** What each file and directory takes. */
interface Needs {
  readonly fileBytes: readonly number[];
  /** Entries of 32 bytes. */
  readonly directories: readonly number[];
  readonly rootEntries: number;
}

export const msdosType: FileSystemType = {
  name: 'msdos',
  options: [
    { name: 'fat_type', value: 'BITS', meaning: '12, 16 or 32 (by the size)' },
    { name: 'volume_label', value: 'TEXT', meaning: 'up to eleven characters' },
    { name: 'volume_id', value: 'N', meaning: 'serial number (made from the tree)' },
    { name: 'OEM_string', value: 'TEXT', meaning: 'up to eight characters (LUMP)' },
    { name: 'block_size', value: 'BYTES', meaning: 'bytes of a cluster (by kind and size)' },
    { name: 'sectors_per_cluster', value: 'N', meaning: 'the same in sectors' },
    { name: 'bytes_per_sector', value: 'BYTES', meaning: '512 to 4096 (that of -S)' },
    { name: 'directory_entries', value: 'N', meaning: 'of the root, but for FAT32 (512, or more)' },
    { name: 'num_FAT', value: 'N', meaning: 'copies of the table (2)' },
    { name: 'sectors_per_fat', value: 'N', meaning: 'sectors of a table (as many as it takes)' },
    { name: 'reserved_sectors', value: 'N', meaning: 'before the first table (1; FAT32: 32)' },
    { name: 'hidden_sectors', value: 'N', meaning: 'of the disk before the volume (0)' },
    { name: 'media_descriptor', value: 'N', meaning: 'kind of medium (0xf8)' },
    { name: 'sectors_per_track', value: 'N', meaning: 'for old firmware (63)' },
    { name: 'drive_heads', value: 'N', meaning: 'for old firmware (255)' },
    { name: 'info_sector', value: 'N', meaning: 'FAT32: sector of the counts (1)' },
    { name: 'backup_sector', value: 'N', meaning: 'FAT32: sector of the boot sector’s copy (6)' },
    { name: 'bootstrap', value: 'FILE', meaning: 'program for the boot sector' },
    { name: 'leave-out', meaning: 'leave out links, devices and the like, and say so' },
  ],
  byteOrders: ['little'],
  letters: ['S', 'Z'],
  wantsXattrs: () => false,

  *make(tree, image, request, host) {
    const { options } = request;
    const leftOut = new Set<FsNode>();
    const needs = needsOf(tree, options, host, leftOut);
    const sectorBytes = choiceOption(
      options,
      'bytes_per_sector',
      request.sectorBytes as 512,
      [512, 1024, 2048, 4096],
    );
    const sizeBytes = chooseSize('msdos', request, sectorBytes, (size) => {
      const geometry = geometryFor(size, sectorBytes, needs, options);
      // In small steps: as few clusters as the kind must have.
      if (typeof geometry === 'string') return Math.max(sectorBytes, size / 64);
      return missing(geometry, needs, request);
    });
    const geometry = geometryFor(sizeBytes, sectorBytes, needs, options);
    if (typeof geometry === 'string') throw new MakefsError(geometry);
    const report = yield* makeWithDriver(tree, image, request, host, {
      kind: MSDOS,
      sizeBytes,
      format: (disk) => {
        const bootstrap = options.bootstrap as string | undefined;
        mkfs_msdosfs(disk, {
          ...geometry,
          media: numberOption(options, 'media_descriptor', DISK, 0xf0, 0xff),
          hidden: numberOption(options, 'hidden_sectors', 0),
          sectorsPerTrack: numberOption(options, 'sectors_per_track', 63, 1, 0xffff),
          heads: numberOption(options, 'drive_heads', 255, 1, 0xffff),
          infoSector: numberOption(options, 'info_sector', 1, 0, geometry.reserved - 1),
          backupSector: numberOption(
            options,
            'backup_sector',
            geometry.reserved > 7 ? 6 : 0,
            0,
            geometry.reserved - 1,
          ),
          oem: textOption(options, 'OEM_string', OEM_BYTES) || 'LUMP',
          label: textOption(options, 'volume_label', SHORTNAME_BYTES).toUpperCase(),
          volumeId: numberOption(options, 'volume_id', treeDigest(tree, 1)),
          bootstrap: bootstrap === undefined ? null : host.readFile(bootstrap),
          nowSec: Math.min(request.nowSec, request.timeMaxSec),
        });
      },
      holeBytes: 0,
      keepsOwners: false,
      hasLinks: false,
      directories: [],
      leftOut,
    });
    const { bits, clusterSectors } = geometry;
    const kind = `FAT${bits}, clusters of ${clusterSectors * sectorBytes} bytes`;
    return { ...report, statistics: [kind, ...report.statistics] };
  },
};

/** @throws MakefsError FAT cannot hold it */
function needsOf(
  tree: FsNode,
  options: MakeOptionValues,
  host: MakeServices,
  leftOut: Set<FsNode>,
): Needs {
  const problems: string[] = [];
  const fileBytes: number[] = [];
  const directories: number[] = [];
  let rootEntries = 0;
  for (const node of walkTree(tree)) {
    const type = node.inode.mode & S_IFMT;
    const path = shortened(node.path);
    if (type !== S_IFREG && type !== S_IFDIR) {
      const what = `${path}: ${fileType(node.inode.mode)}; FAT has files and directories`;
      if (options['leave-out'] === undefined) problems.push(what);
      else {
        host.note(`${what}; it is left out`);
        leftOut.add(node);
      }
      continue;
    }
    if (type === S_IFREG) {
      const bytes = node.inode.contents?.sizeBytes ?? 0;
      if (bytes > FILE_BYTES_MAX)
        problems.push(`${path}: ${bytes} bytes; files have less than 4 GiB`);
      fileBytes.push(bytes);
      continue;
    }
    const entries = entriesOf(node, problems);
    if (entries > DIRECTORY_ENTRIES_MAX) problems.push(`${path}: too many names for a directory`);
    if (node.parent === null) rootEntries = entries;
    else directories.push(entries);
  }
  refuse('msdos', problems, 'With -o leave-out, what is no file or directory is left out.');
  return { fileBytes, directories, rootEntries };
}

/** Of a directory, with ".", ".." or a label; as for names that need their long form. */
function entriesOf(node: FsNode, problems: string[]): number {
  let entries = 2;
  const keys = new Map<string, FsNode>();
  for (const child of node.sorted()) {
    try {
      const text = name_to_text(child.name);
      entries += 1 + long_slots(text);
      const same = keys.get(name_key(text));
      if (same !== undefined) {
        problems.push(`${shortened(child.path)}: to FAT, the same name as ${shortened(same.path)}`);
      }
      keys.set(name_key(text), child);
    } catch (error) {
      if (!(error instanceof NetbsdErrno)) throw error;
      problems.push(`${shortened(child.path)}: ${error.detail}`);
    }
  }
  return entries;
}

/** @returns or why there is none yet @throws MakefsError there is none in larger images either */
function geometryFor(
  sizeBytes: number,
  sectorBytes: number,
  needs: Needs,
  options: MakeOptionValues,
): mkfs_msdosfs_geometry | string {
  const sectors = Math.min(SECTORS_MAX, Math.floor(sizeBytes / sectorBytes));
  const perSector = sectorBytes / DIRENTRY_BYTES;
  const rootEntries = Math.ceil(Math.max(ROOT_ENTRIES, needs.rootEntries) / perSector) * perSector;
  let problem = '';
  let isTooLarge = true;
  for (const bits of kinds(sizeBytes, options)) {
    for (const clusterSectors of clusters(bits, sizeBytes, sectorBytes, options)) {
      const geometry = {
        bits,
        sectorBytes,
        sectors,
        clusterSectors,
        fats: numberOption(options, 'num_FAT', 2, 1, 16),
        reserved: numberOption(options, 'reserved_sectors', RESERVED[bits], 1, 0xffff),
        rootEntries:
          bits === 32
            ? 0
            : numberOption(options, 'directory_entries', rootEntries, needs.rootEntries, 0xffff),
        fatSectors: numberOption(options, 'sectors_per_fat', 0),
      };
      const layout = msdosfs_layout(geometry);
      if (layout.problem === '') return geometry;
      problem ||= layout.problem;
      isTooLarge &&= layout.isTooLarge;
    }
  }
  if (isTooLarge) throw new MakefsError(`${sizeBytes} bytes as msdos: ${problem}`);
  return `${sizeBytes} bytes as msdos: ${problem}`;
}

function kinds(sizeBytes: number, options: MakeOptionValues): readonly fat_bits[] {
  if (options.fat_type !== undefined) {
    return [choiceOption(options, 'fat_type', 16, [12, 16, 32])];
  }
  if (sizeBytes < FAT12_BYTES) return [12, 16, 32];
  return sizeBytes < FAT16_BYTES ? [16, 12, 32] : [32, 16];
}

/** As told; otherwise the usual one, then smaller ones, then larger ones. */
function clusters(
  bits: fat_bits,
  sizeBytes: number,
  sectorBytes: number,
  options: MakeOptionValues,
): readonly number[] {
  const bytes = numberOption(options, 'block_size', 0);
  const told = numberOption(options, 'sectors_per_cluster', bytes / sectorBytes);
  if (told !== 0) {
    const one = CLUSTER_SECTORS.find((each) => each === told);
    if (one === undefined) {
      throw new MakefsError(`clusters of ${told} sectors: expected ${CLUSTER_SECTORS.join(', ')}`);
    }
    return [one];
  }
  const [, usual] = CLUSTER_BYTES[bits].find(([most]) => sizeBytes <= most)!;
  const first = Math.max(1, usual / sectorBytes);
  const possible = CLUSTER_SECTORS.filter((each) => each * sectorBytes <= 32768 || each === 1);
  return [
    ...possible.filter((each) => each <= first).reverse(),
    ...possible.filter((each) => each > first),
  ];
}

/** Bytes. */
function missing(geometry: mkfs_msdosfs_geometry, needs: Needs, request: MakeRequest): number {
  const { clusters: all } = msdosfs_layout(geometry);
  const bytes = geometry.clusterSectors * geometry.sectorBytes;
  const taken = (size: number): number => Math.ceil(size / bytes);
  let needed = toStayFree(request.free, all);
  for (const size of needs.fileBytes) needed += taken(size);
  for (const entries of needs.directories) needed += taken(entries * DIRENTRY_BYTES);
  if (geometry.bits === 32) needed += taken(needs.rootEntries * DIRENTRY_BYTES);
  return (needed - all) * bytes;
}
