/** Phases 3 and 4 for ext2: the size, the empty file system, and the tree through the driver. */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import {
  EXT2_DIRSIZ,
  EXT2_FIRSTINO,
  EXT2_LABEL_BYTES,
  EXT2_LINK_MAX,
  EXT2_UUID_BYTES,
  NDADDR,
} from '../netbsd-compat/drivers/ext2fs/medium.js';
import { ext2fs_layout, mkfs_ext2fs } from '../netbsd-compat/drivers/ext2fs/mkfs_ext2fs.js';
import { EXT2FS } from '../ukfs/mount_ext2fs.js';
import { makeWithDriver } from './driver.js';
import type { FileSystemType, MakeOptionValues } from './filesystem_type.js';
import { dataBytes, forEachInode, type FsNode, MakefsError } from './fsnode.js';
import {
  chooseSize,
  directoryPieces,
  indirectBlocks,
  inodesFor,
  toStayFree,
} from './image_size.js';
import { choiceOption, numberOption, textOption, treeDigest } from './option_values.js';
import { checkUnixTree } from './problems.js';

const FAST_SYMLINK_BYTES = 60;
/** Trees of more data get larger blocks. */
const SMALL_BYTES_MAX = 32 * 2 ** 20;
const DENSITY_BYTES = 16384;
const LOST_FOUND = 'lost+found';
const BLOCKS_MAX = 2 ** 32 - 1;

interface Needs {
  readonly bsize: number;
  /** For files, directories but the root, and what points to their blocks. */
  readonly blocks: number;
  /** Those that are reserved included. */
  readonly inodes: number;
}

export const ext2Type: FileSystemType = {
  name: 'ext2',
  options: [
    { name: 'bsize', value: 'BYTES', meaning: 'block size: 1024, 2048 or 4096 (by the data)' },
    {
      name: 'density',
      value: 'BYTES',
      meaning: 'an inode for so many bytes (16384); at least as many as the tree needs',
    },
    { name: 'inodesize', value: 'BYTES', meaning: 'bytes of an inode: 128 or 256 (128)' },
    { name: 'label', value: 'TEXT', meaning: 'name of the volume' },
    { name: 'minfree', value: 'PERCENT', meaning: 'of the blocks, kept for root (0)' },
    { name: 'with-xattr', meaning: 'take over extended attributes and access lists' },
    { name: 'uuid', value: 'UUID', meaning: 'of the volume (made from the tree)' },
  ],
  byteOrders: ['little'],
  letters: ['f', 'S', 'Z'],
  wantsXattrs: (options) => 'with-xattr' in options,

  *make(tree, image, request, host) {
    const { options } = request;
    checkUnixTree('ext2', tree, EXT2_LINK_MAX);
    const needs = needsOf(tree, options);
    const { bsize } = needs;
    const inodeBytes = choiceOption(options, 'inodesize', 128, [128, 256]);
    const density = numberOption(options, 'density', DENSITY_BYTES, 256);
    const inodes = inodesFor(needs.inodes, request.freeFiles);
    const geometry = (sizeBytes: number) => ({
      bsize,
      blocks: Math.min(BLOCKS_MAX, Math.floor(sizeBytes / bsize)),
      inodes: Math.max(inodes, Math.ceil(sizeBytes / density)),
      inodeBytes,
    });
    const sizeBytes = chooseSize('ext2', request, bsize, (size) => missing(size));
    return yield* makeWithDriver(tree, image, request, host, {
      kind: EXT2FS,
      sizeBytes,
      format: (disk) => {
        const { blocks } = ext2fs_layout(geometry(sizeBytes))!;
        mkfs_ext2fs(disk, {
          ...geometry(sizeBytes),
          reservedBlocks: Math.floor((blocks * numberOption(options, 'minfree', 0, 0, 50)) / 100),
          label: textOption(options, 'label', EXT2_LABEL_BYTES),
          uuid: uuidOf(tree, options),
          nowSec: Math.min(request.nowSec, request.timeMaxSec),
        });
      },
      holeBytes: bsize,
      keepsOwners: true,
      hasLinks: true,
      directories: tree.child(LOST_FOUND) === undefined ? [[`/${LOST_FOUND}`, 0o700]] : [],
      leftOut: new Set(),
    });

    function missing(size: number): number {
      const layout = ext2fs_layout(geometry(size));
      if (layout === null) return bsize;
      const blocks = needs.blocks + toStayFree(request.free, layout.blocks);
      return (blocks - layout.free) * bsize;
    }
  },
};

function needsOf(tree: FsNode, options: MakeOptionValues): Needs {
  const otherwise = dataBytes(tree) <= SMALL_BYTES_MAX ? 1024 : 4096;
  const bsize = choiceOption(options, 'bsize', otherwise, [1024, 2048, 4096]);
  // The reserved ones have the root among them; lost+found is made.
  let inodes = EXT2_FIRSTINO - 1;
  let blocks = 1;
  forEachInode(tree, ({ xattrs }, node) => {
    inodes++;
    blocks += blocksOf(node, bsize) + (xattrs.length > 0 ? 1 : 0);
  });
  return { bsize, blocks, inodes };
}

function blocksOf(node: FsNode, bsize: number): number {
  const { mode, contents, target } = node.inode;
  switch (mode & S_IFMT) {
    case S_IFREG:
      return withIndirect(Math.ceil((contents?.sizeBytes ?? 0) / bsize), bsize);
    case S_IFDIR: {
      // The root's first block is part of the empty file system.
      const blocks = directoryBlocks(node, bsize);
      return withIndirect(blocks, bsize) - (node.parent === null ? 1 : 0);
    }
    case S_IFLNK:
      return target.length < FAST_SYMLINK_BYTES ? 0 : Math.ceil(target.length / bsize);
    default:
      return 0;
  }
}

function directoryBlocks(node: FsNode, bsize: number): number {
  const names = node.sorted().map(({ name }) => name.length);
  if (node.parent === null) names.unshift(LOST_FOUND.length);
  return directoryPieces([1, 2, ...names].map(EXT2_DIRSIZ), bsize);
}

/** So many blocks of data, and the blocks that point to them. */
const withIndirect = (data: number, bsize: number): number =>
  data + indirectBlocks(data, NDADDR, bsize / 4);

/** @throws MakefsError */
function uuidOf(tree: FsNode, options: MakeOptionValues): Uint8Array {
  const uuid = new Uint8Array(EXT2_UUID_BYTES);
  if (options.uuid === undefined) {
    for (let at = 0; at < uuid.length; at += 4) {
      new DataView(uuid.buffer).setUint32(at, treeDigest(tree, at + 1));
    }
    // Version 8, "made in a way of its own", variant 1.
    uuid[6] = (uuid[6]! & 0x0f) | 0x80;
    uuid[8] = (uuid[8]! & 0x3f) | 0x80;
    return uuid;
  }
  const digits = String(options.uuid).replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(digits)) {
    throw new MakefsError(`option uuid: ${options.uuid}: expected 32 hexadecimal digits`);
  }
  return uuid.map((_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
