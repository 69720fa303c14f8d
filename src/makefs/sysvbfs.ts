/** Phases 3 and 4 for BFS: the size, the empty file system, and the tree through the driver. */
import { S_IFMT, S_IFREG } from '../lump/fs.js';
import { BFS_BSIZE, BFS_INODES_MAX, BFS_NAMELEN } from '../netbsd-compat/drivers/sysvbfs/medium.js';
import { mkfs_sysvbfs, sysvbfs_overhead } from '../netbsd-compat/drivers/sysvbfs/mkfs_sysvbfs.js';
import { SYSVBFS } from '../ukfs/mount_sysvbfs.js';
import { makeWithDriver } from './driver.js';
import type { FileSystemType } from './filesystem_type.js';
import { fileType, type FsInode, type FsNode, walkTree } from './fsnode.js';
import { chooseSize, inodesFor, toStayFree } from './image_size.js';
import { numberOption, textOption } from './option_values.js';
import { refuse, shortened } from './problems.js';

const INODES = 48;
/** An image is one block for each inode that a block holds. */
const INODES_PER_BLOCK = 8;
const NAME_BYTES = 6;
/** The place of a file's last byte is 32 bits. */
const IMAGE_BYTES_MAX = 2 ** 32 - BFS_BSIZE;

export const sysvbfsType: FileSystemType = {
  name: 'sysvbfs',
  options: [
    { name: 'inodes', value: 'N', meaning: 'files that there can be, and one (48, or more)' },
    { name: 'fsname', value: 'TEXT', meaning: 'name of the file system: up to six characters' },
    { name: 'volume', value: 'TEXT', meaning: 'name of the volume: up to six characters' },
  ],
  byteOrders: ['little', 'big'],
  letters: ['f', 'S', 'Z'],
  wantsXattrs: () => false,

  *make(tree, image, request, host) {
    const { options, freeFiles } = request;
    const needs = needsOf(tree);
    const least = inodesFor(needs.inodes, freeFiles);
    const rounded = Math.ceil(Math.max(INODES, least) / INODES_PER_BLOCK) * INODES_PER_BLOCK;
    const inodes = numberOption(options, 'inodes', rounded, least, BFS_INODES_MAX);
    const { first, root } = sysvbfs_overhead(inodes);
    const largest = Math.min(request.maximumSizeBytes, IMAGE_BYTES_MAX);
    const sizeBytes = chooseSize(
      'sysvbfs',
      { ...request, maximumSizeBytes: largest },
      BFS_BSIZE,
      (size) => {
        const blocks = Math.floor(size / BFS_BSIZE);
        const free = toStayFree(request.free, blocks);
        return (first + root + needs.blocks + free - blocks) * BFS_BSIZE;
      },
    );
    return yield* makeWithDriver(tree, image, request, host, {
      kind: SYSVBFS,
      sizeBytes,
      format: (disk) =>
        mkfs_sysvbfs(disk, {
          byteOrder: request.byteOrder,
          inodes,
          fsname: textOption(options, 'fsname', NAME_BYTES),
          volume: textOption(options, 'volume', NAME_BYTES),
          nowSec: Math.max(0, Math.min(request.nowSec, request.timeMaxSec)),
        }),
      holeBytes: 0,
      keepsOwners: true,
      hasLinks: true,
      directories: [],
      leftOut: new Set(),
    });
  },
};

/** @throws MakefsError BFS cannot hold it */
function needsOf(tree: FsNode): { blocks: number; inodes: number } {
  const problems: string[] = [];
  const inodes = new Set<FsInode>();
  let blocks = 0;
  for (const node of walkTree(tree)) {
    if (node.parent === null) continue;
    const { inode, name } = node;
    const type = fileType(inode.mode);
    if ((inode.mode & S_IFMT) !== S_IFREG) {
      // What is in a directory need not be told once more.
      if (node.parent === tree) problems.push(`${shortened(node.path)}: ${type}; it holds files`);
      continue;
    }
    if (node.parent !== tree) continue;
    if (name.length > BFS_NAMELEN) {
      problems.push(
        `${shortened(node.path)}: a name of ${name.length} bytes; they have ${BFS_NAMELEN} at most`,
      );
    }
    if (inodes.has(inode)) continue;
    inodes.add(inode);
    blocks += Math.ceil((inode.contents?.sizeBytes ?? 0) / BFS_BSIZE);
  }
  if (inodes.size + 1 > BFS_INODES_MAX) {
    problems.push(`${inodes.size} files; it holds ${BFS_INODES_MAX - 1} at most`);
  }
  refuse('sysvbfs', problems);
  return { blocks, inodes: inodes.size + 1 };
}
