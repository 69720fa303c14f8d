/** Makes an empty ext2: revision 1, with the features filetype and sparse_super. */
import { disk_zero, type disk } from '../../disk/disk.js';
import {
  E2D_TYPE_OF_VTYPE,
  E2FS_ISCLEAN,
  e2d,
  e2di,
  e2fs,
  e2fs_new,
  e2gd,
  EXT2_DIRSIZ,
  EXT2_FIRSTINO,
  EXT2_GD_BYTES,
  EXT2_LABEL_BYTES,
  EXT2_MAGIC,
  EXT2_ROOTINO,
  EXT2_SB_BYTES,
  EXT2_SBOFF,
  EXT2F_INCOMPAT_FTYPE,
  EXT2F_ROCOMPAT_SPARSESUPER,
} from './medium.js';
import { VDIR } from '../../../puffs/puffs.js';

export interface mkfs_ext2fs_params {
  /** 1024, 2048 or 4096 bytes. */
  readonly bsize: number;
  readonly blocks: number;
  /** At least so many, those that are reserved included. */
  readonly inodes: number;
  /** 128, or 256. */
  readonly inodeBytes: number;
  /** Blocks that the superuser's processes may use only. */
  readonly reservedBlocks: number;
  /** Latin-1; 16 characters count. */
  readonly label: string;
  readonly uuid: Uint8Array;
  readonly nowSec: number;
}

export interface ext2fs_layout {
  /** Fewer than were asked for when the last group would hold nothing but itself. */
  readonly blocks: number;
  readonly inodes: number;
  readonly groups: number;
  readonly ipg: number;
  /** Blocks that are left for files, and directories but the root. */
  readonly free: number;
}

const ROOT_MODE = 0o040755;
const RESERVED_INODES = EXT2_FIRSTINO - 1;
/** A last group that holds less than that besides its own tables is left out. */
const GROUP_BLOCKS_MIN = 50;
const NEVER_CHECK = 0xffff;
const ERRORS_CONTINUE = 1;
const SECTOR_BYTES = 512;

type geometry = Pick<mkfs_ext2fs_params, 'bsize' | 'blocks' | 'inodes' | 'inodeBytes'>;

const is_power_of = (n: number, base: number): boolean => {
  let power = base;
  while (power < n) power *= base;
  return power === n;
};

/** Groups with a copy of the superblock and the descriptors. */
const has_super = (group: number): boolean =>
  group <= 1 || is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);

const first_block = (bsize: number): number => (bsize === 1024 ? 1 : 0);

/** Blocks at the beginning of a group that are its own. */
function group_overhead(group: number, groups: number, ipg: number, g: geometry): number {
  const table = (ipg * g.inodeBytes) / g.bsize;
  const copies = has_super(group) ? 1 + Math.ceil((groups * EXT2_GD_BYTES) / g.bsize) : 0;
  return copies + 2 + table;
}

/** @returns null: not even one group fits. */
export function ext2fs_layout(g: geometry): ext2fs_layout | null {
  const bpg = 8 * g.bsize;
  const first = first_block(g.bsize);
  const per_block = Math.max(8, g.bsize / g.inodeBytes);
  for (let { blocks } = g; blocks > first; ) {
    const groups = Math.ceil((blocks - first) / bpg);
    const ipg = Math.ceil(Math.ceil(g.inodes / groups) / per_block) * per_block;
    if (ipg > bpg) return null;
    const last = blocks - first - (groups - 1) * bpg;
    const overhead = group_overhead(groups - 1, groups, ipg, g);
    if (last < overhead + (groups === 1 ? 1 : GROUP_BLOCKS_MIN)) {
      blocks -= last;
      continue;
    }
    // The root directory's.
    let free = blocks - first - 1;
    for (let group = 0; group < groups; group++) free -= group_overhead(group, groups, ipg, g);
    return { blocks, inodes: ipg * groups, groups, ipg, free };
  }
  return null;
}

/** Sets bits `from` … `to - 1`. */
function set_bits(b: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) b[i >>> 3]! |= 1 << (i & 7);
}

/** @param params for which {@link ext2fs_layout} answers a layout. */
export function mkfs_ext2fs(disk: disk, params: mkfs_ext2fs_params): void {
  const { bsize, inodeBytes, nowSec } = params;
  const { blocks, inodes, groups, ipg, free } = ext2fs_layout(params)!;
  const bpg = 8 * bsize;
  const first = first_block(bsize);
  const gdt = new Uint8Array(Math.ceil((groups * EXT2_GD_BYTES) / bsize) * bsize);
  disk_zero(disk, EXT2_SBOFF, 0);
  for (let group = 0; group < groups; group++) {
    const start = first + group * bpg;
    const count = Math.min(bpg, blocks - start);
    const overhead = group_overhead(group, groups, ipg, params);
    const table_blocks = (ipg * inodeBytes) / bsize;
    const b_bitmap = start + overhead - table_blocks - 2;
    // The root directory takes the first block that is free.
    const used = overhead + (group === 0 ? 1 : 0);
    const used_inodes = group === 0 ? RESERVED_INODES : 0;
    const bitmaps = new Uint8Array(2 * bsize);
    set_bits(bitmaps, 0, used);
    set_bits(bitmaps, count, bpg);
    const of_inodes = bitmaps.subarray(bsize);
    set_bits(of_inodes, 0, used_inodes);
    set_bits(of_inodes, ipg, bpg);
    disk.write(bitmaps, 0, bitmaps.length, b_bitmap * bsize);
    disk_zero(disk, table_blocks * bsize, (b_bitmap + 2) * bsize);
    const off = group * EXT2_GD_BYTES;
    e2gd.b_bitmap.put(gdt, off, b_bitmap);
    e2gd.i_bitmap.put(gdt, off, b_bitmap + 1);
    e2gd.i_tables.put(gdt, off, b_bitmap + 2);
    e2gd.nbfree.put(gdt, off, count - used);
    e2gd.nifree.put(gdt, off, ipg - used_inodes);
    e2gd.ndirs.put(gdt, off, group === 0 ? 1 : 0);
  }
  put_root(disk, params, first + group_overhead(0, groups, ipg, params), ipg);
  const sb = new Uint8Array(EXT2_SB_BYTES);
  put_super(sb, params);
  e2fs.bcount.put(sb, 0, blocks);
  e2fs.icount.put(sb, 0, inodes);
  e2fs.fbcount.put(sb, 0, free);
  e2fs.ficount.put(sb, 0, inodes - RESERVED_INODES);
  e2fs.ipg.put(sb, 0, ipg);
  e2fs.wtime.put(sb, 0, nowSec);
  for (let group = 0; group < groups; group++) {
    if (!has_super(group)) continue;
    e2fs_new.block_group_nr.put(sb, 0, group);
    const block = (first + group * bpg) * bsize;
    disk.write(sb, 0, sb.length, group === 0 ? EXT2_SBOFF : block);
    disk.write(gdt, 0, gdt.length, block + bsize);
  }
}

/** What does not depend on the layout. */
function put_super(sb: Uint8Array, params: mkfs_ext2fs_params): void {
  const { bsize, nowSec } = params;
  const log = Math.log2(bsize / 1024);
  for (const [field, value] of [
    [e2fs.rbcount, params.reservedBlocks],
    [e2fs.first_dblock, first_block(bsize)],
    [e2fs.log_bsize, log],
    [e2fs_new.log_fsize, log],
    [e2fs.bpg, 8 * bsize],
    [e2fs_new.fpg, 8 * bsize],
    [e2fs_new.max_mnt_count, NEVER_CHECK],
    [e2fs.magic, EXT2_MAGIC],
    [e2fs.state, E2FS_ISCLEAN],
    [e2fs_new.errors, ERRORS_CONTINUE],
    [e2fs_new.lastcheck, nowSec],
    [e2fs.rev, 1],
    [e2fs.first_ino, EXT2_FIRSTINO],
    [e2fs.inode_size, params.inodeBytes],
    [e2fs.features_incompat, EXT2F_INCOMPAT_FTYPE],
    [e2fs.features_rocompat, EXT2F_ROCOMPAT_SPARSESUPER],
    [e2fs_new.mkfs_time, nowSec],
  ] as const) {
    field.put(sb, 0, value);
  }
  sb.set(params.uuid, e2fs_new.uuid.at);
  for (let i = 0; i < Math.min(EXT2_LABEL_BYTES, params.label.length); i++) {
    sb[e2fs_new.volume_name.at + i] = params.label.charCodeAt(i);
  }
}

function put_root(disk: disk, params: mkfs_ext2fs_params, blkno: number, ipg: number): void {
  const { bsize, inodeBytes, nowSec } = params;
  const inode = new Uint8Array(inodeBytes);
  for (const [field, value] of [
    [e2di.mode, ROOT_MODE],
    [e2di.size, bsize],
    [e2di.atime, nowSec],
    [e2di.ctime, nowSec],
    [e2di.mtime, nowSec],
    [e2di.nlink, 2],
    [e2di.nblock, bsize / SECTOR_BYTES],
    [e2di.blocks, blkno],
  ] as const) {
    field.put(inode, 0, value);
  }
  const table = (blkno - (ipg * inodeBytes) / bsize) * bsize;
  disk.write(inode, 0, inodeBytes, table + (EXT2_ROOTINO - 1) * inodeBytes);
  const dir = new Uint8Array(bsize);
  const put = (off: number, reclen: number, name: string): void => {
    e2d.ino.put(dir, off, EXT2_ROOTINO);
    e2d.reclen.put(dir, off, reclen);
    e2d.namlen.put(dir, off, name.length);
    e2d.type.put(dir, off, E2D_TYPE_OF_VTYPE[VDIR]!);
    for (let i = 0; i < name.length; i++) dir[off + 8 + i] = name.charCodeAt(i);
  };
  put(0, EXT2_DIRSIZ(1), '.');
  put(EXT2_DIRSIZ(1), bsize - EXT2_DIRSIZ(1), '..');
  disk.write(dir, 0, bsize, blkno * bsize);
}
