/** Phases 3 and 4 for FFS: the size, the empty file system, and the tree through the driver. */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import { ffs_extattr_bytes } from '../netbsd-compat/drivers/ffs/ffs_extattr.js';
import {
  DIRBLKSIZ,
  NDADDR,
  UFS1_MAXSYMLINKLEN,
  UFS2_MAXSYMLINKLEN,
  UFS_DIRSIZ,
  UFS_LINK_MAX,
} from '../netbsd-compat/drivers/ffs/medium.js';
import {
  ffsGeometry,
  mkfsFfs,
  type ffs_geometry,
  type mkfs_ffs_options,
} from '../netbsd-compat/drivers/ffs/mkfs.js';
import { FFS } from '../ukfs/mount_ffs.js';
import { makeWithDriver } from './driver.js';
import type { FileSystemType, MakeRequest } from './filesystem_type.js';
import { forEachInode, type FsNode, MakefsError } from './fsnode.js';
import {
  chooseSize,
  directoryPieces,
  indirectBlocks,
  inodesFor,
  toStayFree,
} from './image_size.js';
import { choiceOption, numberOption, textOption, treeDigest } from './option_values.js';
import { checkUnixTree } from './problems.js';

const BSIZE = 8192;
const MINFREE = 5;
const LABEL_BYTES = 31;
/** Fragments that some hundred files leave over, since a tail lies in one block. */
const SLACK = 0.02;
/** Options that mkfs has a value for, unless they are told. */
const TOLD = ['density', 'avgfilesize', 'avgfpdir', 'maxbpg', 'maxbpcg', 'extent'] as const;
const POWERS = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] as const;

export const ffsType: FileSystemType = {
  name: 'ffs',
  options: [
    { name: 'version', value: 'N', meaning: '1: UFS1, 2: UFS2 (1)' },
    { name: 'bsize', value: 'BYTES', meaning: 'bytes of a block: 4096 to 65536 (8192)' },
    { name: 'fsize', value: 'BYTES', meaning: 'bytes of a fragment (an eighth of a block)' },
    { name: 'density', value: 'BYTES', meaning: 'an inode for so many bytes (four fragments)' },
    { name: 'minfree', value: 'PERCENT', meaning: 'kept for root (5)' },
    { name: 'label', value: 'TEXT', meaning: 'name of the volume' },
    { name: 'with-xattr', meaning: 'take over extended attributes, but for access lists (UFS2)' },
    { name: 'optimization', value: 'WHAT', meaning: 'time or space (time)' },
    { name: 'avgfilesize', value: 'BYTES', meaning: 'a hint for whoever writes to it' },
    { name: 'avgfpdir', value: 'N', meaning: 'a hint: files in a directory' },
    { name: 'maxbpg', value: 'N', meaning: 'most blocks of a file in a cylinder group' },
    { name: 'maxbpcg', value: 'N', meaning: 'most blocks of a cylinder group' },
    { name: 'extent', value: 'BYTES', meaning: 'the largest extent' },
  ],
  byteOrders: ['little', 'big'],
  letters: ['f', 'S', 'Z'],
  wantsXattrs: (options) => 'with-xattr' in options,

  *make(tree, image, request, host) {
    const settings = settingsOf(tree, request);
    checkUnixTree('ffs', tree, UFS_LINK_MAX);
    const inodes = inodesFor(inodesOf(tree), request.freeFiles);
    const isDense = request.options.density === undefined;
    // What cannot be at any size is said at once; blocks and fragments are those of all sizes.
    const units = geometryFor(2 ** 30, settings);
    const { bsize, fsize, frag } = units;
    const fragments = fragmentsOf(tree, units, settings.version);
    /** As dense as the tree needs it, if that is not told. */
    const optionsFor = (sizeBytes: number): mkfs_ffs_options =>
      isDense
        ? { ...settings, density: Math.min(4 * fsize, densityFor(sizeBytes, inodes, fsize)) }
        : settings;
    const sizeBytes = chooseSize('ffs', request, fsize, (size) => {
      const geometry = geometryOrNull(size, optionsFor(size));
      if (geometry === null || geometry.freeInodes < inodes) return Math.max(fsize * 16, size / 16);
      const { freeFragments, dsize } = geometry;
      const needed = Math.ceil(fragments * (1 + SLACK)) + frag;
      const kept = Math.ceil((dsize * settings.minfree) / 100);
      const free = toStayFree(request.free, Math.floor(dsize / frag)) * frag;
      return (needed + kept + free - freeFragments) * fsize;
    });
    return yield* makeWithDriver(tree, image, request, host, {
      kind: FFS,
      sizeBytes,
      format: (disk) => asMakefsError(() => mkfsFfs(disk, optionsFor(sizeBytes))),
      holeBytes: bsize,
      keepsOwners: true,
      hasLinks: true,
      directories: [],
      leftOut: new Set(),
      lacksAcls: true,
    });
  },
};

/** @throws MakefsError */
function settingsOf(
  tree: FsNode,
  request: MakeRequest,
): mkfs_ffs_options & { readonly minfree: number } {
  const { options } = request;
  const optimization = options.optimization ?? 'time';
  if (optimization !== 'time' && optimization !== 'space') {
    throw new MakefsError(`option optimization: ${optimization}: expected time or space`);
  }
  const version = choiceOption(options, 'version', 1, [1, 2]);
  if (version === 1 && 'with-xattr' in options) {
    throw new MakefsError('option with-xattr: UFS1 has no extended attributes; set version=2');
  }
  const bsize = choiceOption(options, 'bsize', BSIZE, POWERS);
  const told: Partial<Record<(typeof TOLD)[number], number>> = {};
  for (const name of TOLD) {
    if (options[name] !== undefined) told[name] = numberOption(options, name, 0, 1);
  }
  return {
    version,
    byteOrder: request.byteOrder === 'little' ? 'le' : 'be',
    bsize,
    fsize: choiceOption(options, 'fsize', Math.max(512, bsize / 8) as 512, POWERS),
    minfree: numberOption(options, 'minfree', MINFREE, 0, 99),
    optimization,
    label: textOption(options, 'label', LABEL_BYTES),
    nowSec: Math.min(request.nowSec, request.timeMaxSec),
    id: treeDigest(tree, 1),
    ...told,
  };
}

/** Bytes for each inode, with which there are so many. */
const densityFor = (sizeBytes: number, inodes: number, fsize: number): number =>
  Math.max(fsize / 4, Math.floor((sizeBytes * 0.9) / (inodes + 16)));

function asMakefsError<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof NetbsdErrno)) throw error;
    throw new MakefsError(error.detail);
  }
}

const geometryFor = (sizeBytes: number, options: mkfs_ffs_options): ffs_geometry =>
  asMakefsError(() => ffsGeometry(sizeBytes, options));

/** null: it is too small. */
function geometryOrNull(sizeBytes: number, options: mkfs_ffs_options): ffs_geometry | null {
  try {
    return ffsGeometry(sizeBytes, options);
  } catch (error) {
    if (error instanceof NetbsdErrno) return null;
    throw error;
  }
}

function inodesOf(tree: FsNode): number {
  // The root has its own.
  let inodes = -1;
  forEachInode(tree, () => {
    inodes++;
  });
  return inodes;
}

function fragmentsOf(tree: FsNode, { bsize, fsize, frag }: ffs_geometry, version: 1 | 2): number {
  const pointers = bsize / (version === 1 ? 4 : 8);
  const fast = version === 1 ? UFS1_MAXSYMLINKLEN : UFS2_MAXSYMLINKLEN;
  const ofBytes = (bytes: number): number => {
    const blocks = Math.ceil(bytes / bsize);
    // Only a file without indirect blocks ends with fragments.
    if (blocks <= NDADDR) return Math.ceil(bytes / fsize);
    return (blocks + indirectBlocks(blocks, NDADDR, pointers)) * frag;
  };
  let sum = 0;
  forEachInode(tree, ({ mode, contents, target, xattrs }, node) => {
    sum += Math.ceil(ffs_extattr_bytes(xattrs) / fsize);
    switch (mode & S_IFMT) {
      case S_IFREG:
        sum += ofBytes(contents?.sizeBytes ?? 0);
        break;
      case S_IFDIR:
        sum += ofBytes(directoryBytes(node));
        break;
      case S_IFLNK:
        if (target.length >= fast) sum += ofBytes(target.length);
        break;
      default:
    }
  });
  return sum;
}

function directoryBytes(node: FsNode): number {
  const names = node.sorted().map(({ name }) => name.length);
  return directoryPieces([1, 2, ...names].map(UFS_DIRSIZ), DIRBLKSIZ) * DIRBLKSIZ;
}
