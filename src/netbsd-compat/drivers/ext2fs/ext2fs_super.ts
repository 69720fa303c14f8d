/**
 * A mounted ext2: superblock, groups, and the blocks and inodes that are free. Counts are kept
 * where they lie, in the buffers of superblock and descriptors.
 */
import { bufcache, type buf } from '../../buf.js';
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import { genfs_probe, genfs_volume } from '../../genfs_volume.js';
import type { Lump } from '../../../lump/lump.js';
import {
  e2fs,
  e2gd,
  EXT2_FIRSTINO,
  EXT2_GD_BYTES,
  EXT2_INODE_BYTES,
  EXT2_MAGIC,
  EXT2_SBOFF,
  EXT2_SB_BYTES,
  EXT2F_INCOMPAT_FTYPE,
  EXT2F_INCOMPAT_RECOVER,
  EXT2F_ROCOMPAT_LARGEFILE,
  EXT2F_ROCOMPAT_SPARSESUPER,
  INCOMPAT_NAMES,
  ROCOMPAT_NAMES,
} from './medium.js';

const INCOMPAT_SUPPORTED = EXT2F_INCOMPAT_FTYPE | EXT2F_INCOMPAT_RECOVER;
const ROCOMPAT_SUPPORTED = EXT2F_ROCOMPAT_SPARSESUPER | EXT2F_ROCOMPAT_LARGEFILE;
const LOG_BSIZE_MAX = 6;

const names = (bits: number, table: Readonly<Record<number, string>>): string =>
  Array.from({ length: 31 }, (_, i) => 1 << i)
    .filter((bit) => (bits & bit) !== 0)
    .map((bit) => table[bit] ?? `0x${bit.toString(16)}`)
    .join(', ');

const einval = (text: string): NetbsdErrno => new NetbsdErrno('EINVAL', text);

export class ext2fs_super extends genfs_volume {
  readonly cache: bufcache;
  readonly bsize: number;
  readonly bcount: number;
  readonly icount: number;
  readonly bpg: number;
  readonly ipg: number;
  readonly ncg: number;
  readonly first_dblock: number;
  readonly first_ino: number;
  readonly inode_size: number;
  readonly has_filetype: boolean;
  /** Why it can only be read; empty: it can be written. */
  readonly readonly_reason: string;
  private readonly sb_blkno: number;
  private readonly sb_off: number;

  /** @throws EINVAL it is no ext2, has features that are not known here, or is damaged; EIO. */
  constructor(lump: Lump, disk: disk) {
    super('ext2fs', lump, disk);
    const sb = read_superblock(disk);
    this.bsize = 1024 << e2fs.log_bsize.get(sb, 0);
    this.bcount = e2fs.bcount.get(sb, 0);
    this.icount = e2fs.icount.get(sb, 0);
    this.bpg = e2fs.bpg.get(sb, 0);
    this.ipg = e2fs.ipg.get(sb, 0);
    this.first_dblock = e2fs.first_dblock.get(sb, 0);
    const isOld = e2fs.rev.get(sb, 0) === 0;
    this.inode_size = isOld ? EXT2_INODE_BYTES : e2fs.inode_size.get(sb, 0);
    this.first_ino = isOld ? EXT2_FIRSTINO : e2fs.first_ino.get(sb, 0);
    const incompat = isOld ? 0 : e2fs.features_incompat.get(sb, 0);
    const rocompat = isOld ? 0 : e2fs.features_rocompat.get(sb, 0);
    this.has_filetype = (incompat & EXT2F_INCOMPAT_FTYPE) !== 0;
    if ((incompat & ~INCOMPAT_SUPPORTED) !== 0) {
      const what = names(incompat & ~INCOMPAT_SUPPORTED, INCOMPAT_NAMES);
      throw einval(`${disk.name}: features that ext2fs does not know: ${what}`);
    }
    this.ncg = Math.ceil((this.bcount - this.first_dblock) / this.bpg);
    this.check_geometry();
    const unknown = rocompat & ~ROCOMPAT_SUPPORTED;
    const missing = this.bcount * this.bsize - disk.sizeBytes;
    this.readonly_reason =
      unknown !== 0
        ? `it has features that ext2fs can only read: ${names(unknown, ROCOMPAT_NAMES)}`
        : missing > 0
          ? `the last ${missing} bytes of it are missing`
          : '';
    this.cache = new bufcache(lump, disk, this.bsize);
    this.sb_blkno = Math.floor(EXT2_SBOFF / this.bsize);
    this.sb_off = EXT2_SBOFF % this.bsize;
    try {
      this.check_groups();
    } catch (error) {
      this.cache.close();
      throw error;
    }
  }

  private check_geometry(): void {
    const { bsize, bcount, icount, bpg, ipg, ncg, first_dblock, inode_size, disk } = this;
    const wrong = (what: string): never => {
      throw einval(`${disk.name}: the superblock is damaged: ${what}`);
    };
    if (bpg === 0 || bpg > 8 * bsize) wrong(`${bpg} blocks a group`);
    if (ipg === 0 || ipg > 8 * bsize) wrong(`${ipg} inodes a group`);
    if (first_dblock !== (bsize === 1024 ? 1 : 0)) wrong(`first data block ${first_dblock}`);
    if (bcount <= first_dblock) wrong(`${bcount} blocks`);
    if (icount === 0 || icount > ncg * ipg) wrong(`${icount} inodes in ${ncg} groups`);
    if (
      inode_size < EXT2_INODE_BYTES ||
      inode_size > bsize ||
      (inode_size & (inode_size - 1)) !== 0
    ) {
      wrong(`inodes of ${inode_size} bytes`);
    }
    // What memory and time the groups cost is bounded by what is really there.
    if (ncg * EXT2_GD_BYTES > disk.sizeBytes) wrong(`${ncg} groups`);
  }

  private check_groups(): void {
    const itable_blocks = Math.ceil((this.ipg * this.inode_size) / this.bsize);
    for (let cg = 0; cg < this.ncg; cg++) {
      const { b_data, off } = this.gd(cg);
      const blocks = [e2gd.b_bitmap, e2gd.i_bitmap, e2gd.i_tables].map((f) => f.get(b_data, off));
      const last = blocks[2]! + itable_blocks - 1;
      if (![...blocks, last].every((blkno) => this.is_block(blkno))) {
        throw einval(`${this.disk.name}: the descriptor of group ${cg} is damaged`);
      }
    }
  }

  is_block(blkno: number): boolean {
    return blkno >= this.first_dblock && blkno < this.bcount;
  }

  // ---- the superblock ---------------------------------------------------------------------------

  sb_get(field: (typeof e2fs)[keyof typeof e2fs]): number {
    return field.get(this.cache.bread(this.sb_blkno).b_data, this.sb_off);
  }

  sb_put(field: (typeof e2fs)[keyof typeof e2fs], value: number): void {
    const bp = this.cache.bread(this.sb_blkno);
    field.put(bp.b_data, this.sb_off, value);
    this.cache.bdwrite(bp);
  }

  // ---- groups -----------------------------------------------------------------------------------

  private gd(cg: number): { bp: buf; b_data: Uint8Array; off: number } {
    const per_block = this.bsize / EXT2_GD_BYTES;
    const bp = this.cache.bread(this.first_dblock + 1 + Math.floor(cg / per_block));
    return { bp, b_data: bp.b_data, off: (cg % per_block) * EXT2_GD_BYTES };
  }

  gd_get(cg: number, field: (typeof e2gd)[keyof typeof e2gd]): number {
    const { b_data, off } = this.gd(cg);
    return field.get(b_data, off);
  }

  /** Adds to a count; on a damaged medium it stays within its field. */
  private gd_add(cg: number, field: (typeof e2gd)[keyof typeof e2gd], by: number): void {
    const { bp, b_data, off } = this.gd(cg);
    field.put(b_data, off, Math.max(0, Math.min(0xffff, field.get(b_data, off) + by)));
    this.cache.bdwrite(bp);
  }

  private sb_add(field: (typeof e2fs)[keyof typeof e2fs], by: number): void {
    this.sb_put(field, Math.max(0, this.sb_get(field) + by));
  }

  // ---- blocks -----------------------------------------------------------------------------------

  private blocks_in(cg: number): number {
    return Math.min(this.bpg, this.bcount - this.first_dblock - cg * this.bpg);
  }

  /** A free block near `goal`, taken. @throws ENOSPC. */
  alloc_block(goal: number): number {
    const first = this.is_block(goal) ? goal - this.first_dblock : 0;
    const start = Math.floor(first / this.bpg);
    for (let i = 0; i <= this.ncg; i++) {
      const cg = (start + i) % this.ncg;
      if (this.gd_get(cg, e2gd.nbfree) === 0) continue;
      const bp = this.cache.bread(this.gd_get(cg, e2gd.b_bitmap));
      const count = this.blocks_in(cg);
      const bit = find_zero(bp.b_data, i === 0 ? first % this.bpg : 0, count);
      if (bit < 0) continue;
      bp.b_data[bit >> 3]! |= 1 << (bit & 7);
      this.cache.bdwrite(bp);
      this.gd_add(cg, e2gd.nbfree, -1);
      this.sb_add(e2fs.fbcount, -1);
      return this.first_dblock + cg * this.bpg + bit;
    }
    throw new NetbsdErrno('ENOSPC');
  }

  /** @returns false: it was free already, or is none (damage). */
  free_block(blkno: number): boolean {
    if (!this.is_block(blkno)) {
      this.damage(`block ${blkno} to free does not exist`);
      return false;
    }
    const at = blkno - this.first_dblock;
    const cg = Math.floor(at / this.bpg);
    const bit = at % this.bpg;
    const bp = this.cache.bread(this.gd_get(cg, e2gd.b_bitmap));
    if ((bp.b_data[bit >> 3]! & (1 << (bit & 7))) === 0) {
      this.damage(`block ${blkno} is freed and was free`);
      return false;
    }
    bp.b_data[bit >> 3]! &= ~(1 << (bit & 7));
    this.cache.bdwrite(bp);
    this.gd_add(cg, e2gd.nbfree, 1);
    this.sb_add(e2fs.fbcount, 1);
    if (blkno !== bp.b_blkno) this.cache.brelse_invalid(blkno);
    return true;
  }

  // ---- inodes -----------------------------------------------------------------------------------

  /** A free inode, taken: a file's near its directory, a directory's where there is most room. */
  alloc_inode(parent: number, isDirectory: boolean): number {
    const home = Math.floor((parent - 1) / this.ipg);
    const start = isDirectory ? this.roomiest_group(home) : home;
    for (let i = 0; i < this.ncg; i++) {
      const cg = (start + i) % this.ncg;
      if (this.gd_get(cg, e2gd.nifree) === 0) continue;
      const bp = this.cache.bread(this.gd_get(cg, e2gd.i_bitmap));
      const from = cg === 0 ? Math.min(this.first_ino - 1, this.ipg) : 0;
      const to = Math.min(this.ipg, this.icount - cg * this.ipg);
      const bit = find_zero(bp.b_data, from, to, false);
      if (bit < 0) continue;
      bp.b_data[bit >> 3]! |= 1 << (bit & 7);
      this.cache.bdwrite(bp);
      this.gd_add(cg, e2gd.nifree, -1);
      if (isDirectory) this.gd_add(cg, e2gd.ndirs, 1);
      this.sb_add(e2fs.ficount, -1);
      return cg * this.ipg + bit + 1;
    }
    throw new NetbsdErrno('ENOSPC', 'no inode is free');
  }

  private roomiest_group(home: number): number {
    let best = home;
    let most = -1;
    for (let i = 0; i < this.ncg; i++) {
      const cg = (home + i) % this.ncg;
      if (this.gd_get(cg, e2gd.nifree) === 0) continue;
      const free = this.gd_get(cg, e2gd.nbfree);
      if (free > most) {
        most = free;
        best = cg;
      }
    }
    return best;
  }

  free_inode(ino: number, isDirectory: boolean): void {
    const cg = Math.floor((ino - 1) / this.ipg);
    const bit = (ino - 1) % this.ipg;
    const bp = this.cache.bread(this.gd_get(cg, e2gd.i_bitmap));
    if ((bp.b_data[bit >> 3]! & (1 << (bit & 7))) === 0) {
      this.damage(`inode ${ino} is freed and was free`);
      return;
    }
    bp.b_data[bit >> 3]! &= ~(1 << (bit & 7));
    this.cache.bdwrite(bp);
    this.gd_add(cg, e2gd.nifree, 1);
    if (isDirectory) this.gd_add(cg, e2gd.ndirs, -1);
    this.sb_add(e2fs.ficount, 1);
  }

  /** Where an inode lies. @throws ESTALE there is none of that number. */
  inode_at(ino: number): { bp: buf; off: number } {
    if (!Number.isInteger(ino) || ino < 1 || ino > this.icount) {
      throw new NetbsdErrno('ESTALE', `inode ${ino}`);
    }
    const cg = Math.floor((ino - 1) / this.ipg);
    const at = ((ino - 1) % this.ipg) * this.inode_size;
    const bp = this.cache.bread(this.gd_get(cg, e2gd.i_tables) + Math.floor(at / this.bsize));
    return { bp, off: at % this.bsize };
  }

  /** The first block of the group in which an inode lies: near it its blocks are looked for. */
  goal_of(ino: number): number {
    return this.first_dblock + Math.floor((ino - 1) / this.ipg) * this.bpg;
  }
}

/** @throws EINVAL */
function read_superblock(disk: disk): Uint8Array {
  const sb = new Uint8Array(EXT2_SB_BYTES);
  if (disk.sizeBytes < EXT2_SBOFF + EXT2_SB_BYTES) throw einval(`${disk.name} is too small`);
  disk.read(sb, 0, EXT2_SB_BYTES, EXT2_SBOFF);
  if (e2fs.magic.get(sb, 0) !== EXT2_MAGIC) throw einval(`${disk.name} is no ext2 file system`);
  if (e2fs.log_bsize.get(sb, 0) > LOG_BSIZE_MAX) {
    throw einval(`${disk.name}: the superblock is damaged: its block size`);
  }
  if (e2fs.bpg.get(sb, 0) === 0) throw einval(`${disk.name}: the superblock is damaged`);
  return sb;
}

/** Does the disk begin with an ext2 superblock? */
export const ext2fs_probe = genfs_probe(read_superblock);

/** The first zero bit from `from` on, and with `wrap` from the start; -1: none below `count`. */
function find_zero(bits: Uint8Array, from: number, count: number, wrap = true): number {
  for (let bit = from; bit < count; bit++) {
    if ((bit & 7) === 0) {
      while (bit + 8 <= count && bits[bit >> 3] === 0xff) bit += 8;
      if (bit >= count) break;
    }
    if ((bits[bit >> 3]! & (1 << (bit & 7))) === 0) return bit;
  }
  return wrap && from > 0 ? find_zero(bits, 0, Math.min(from, count), false) : -1;
}
