/**
 * The volume: superblock, inodes, and which run of blocks is whose. There is no map of free blocks:
 * free is what no inode has.
 *
 * A file that grows takes the blocks behind it, or moves to the widest gap. Where no gap is wide
 * enough but all together are, files are moved against each other (compaction). A file never lies
 * on the medium in part only, except while one slides over its own place: then s_from and s_to say
 * so, and a mount that finds them set does not write.
 */
import { bufcache, type buf } from '../../buf.js';
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import { genfs_probe, genfs_volume } from '../../genfs_volume.js';
import type { field } from '../../structure.js';
import type { Lump } from '../../../lump/lump.js';
import {
  BFS_BE,
  BFS_BSIZE,
  BFS_INODE_BYTES,
  BFS_LE,
  BFS_MAGIC,
  BFS_NONE,
  BFS_ROOT_INO,
  BFS_VDIR,
  type bfs_layout,
} from './medium.js';

const einval = (text: string): NetbsdErrno => new NetbsdErrno('EINVAL', text);

/** Numbers of inodes are 16 bits. */
const INO_MAX = 0xffff;

/** The blocks of a file. */
export interface run {
  /** First and last; 0 and -1 where there are none. */
  start: number;
  end: number;
}

const length_of = ({ start, end }: run): number => end - start + 1;

/** Where an empty file lies. */
export const nowhere = (): run => ({ start: 0, end: -1 });

interface geometry {
  readonly layout: bfs_layout;
  readonly inodes: number;
  /** First and last block of data. */
  readonly first: number;
  readonly last: number;
}

/** @throws EINVAL with what is wrong; the text of a disk without BFS says just that. */
function read_geometry(disk: disk): geometry {
  const b = new Uint8Array(BFS_BSIZE);
  if (disk.sizeBytes < BFS_BSIZE) throw einval(`${disk.name} is too small`);
  disk.read(b, 0, BFS_BSIZE, 0);
  const layout = [BFS_LE, BFS_BE].find((each) => each.super.s_magic.get(b, 0) === BFS_MAGIC);
  if (layout === undefined) throw einval(`${disk.name} is no BFS`);
  const start = layout.super.s_start.get(b, 0);
  const end = layout.super.s_end.get(b, 0);
  const wrong = (what: string): never => {
    throw einval(`${disk.name}: the superblock is damaged: ${what}`);
  };
  const inodes = Math.floor((start - BFS_BSIZE) / BFS_INODE_BYTES);
  if (inodes < 1 || inodes > INO_MAX) wrong(`inodes end at ${start}`);
  if (end < start) wrong(`inodes end at ${start}, everything at ${end}`);
  if (end >= disk.sizeBytes) {
    wrong(`it has ${end + 1} bytes, of which ${disk.sizeBytes} are there`);
  }
  const first = Math.ceil(start / BFS_BSIZE);
  return { layout, inodes, first, last: Math.floor((end + 1) / BFS_BSIZE) - 1 };
}

/** Does the disk begin with a BFS's superblock? */
export const sysvbfs_probe = genfs_probe(read_geometry);

export class sysvbfs_volume extends genfs_volume {
  readonly cache: bufcache;
  readonly layout: bfs_layout;
  readonly inodes: number;
  readonly first: number;
  readonly last: number;
  /** Why nothing may be written; empty: it may. */
  readonly readonly_reason: string;
  /** Files by inode; those without blocks, too. */
  readonly runs = new Map<number, run>();

  /** @throws EINVAL it is no BFS, or a damaged one; EIO. */
  constructor(lump: Lump, disk: disk, force: boolean) {
    super('sysvbfs', lump, disk);
    const { layout, inodes, first, last } = read_geometry(disk);
    this.layout = layout;
    this.inodes = inodes;
    this.first = first;
    this.last = last;
    this.cache = new bufcache(lump, disk, BFS_BSIZE);
    try {
      this.readonly_reason = this.read_inodes() ?? (force ? '' : this.interrupted());
    } catch (error) {
      this.cache.close();
      throw error;
    }
  }

  /** Finds the runs. @returns what is wrong with them. */
  private read_inodes(): string | null {
    let wrong: string | null = null;
    for (let ino = BFS_ROOT_INO; ino < BFS_ROOT_INO + this.inodes; ino++) {
      if (!this.is_used(ino)) continue;
      try {
        this.runs.set(ino, this.checked_run(ino));
      } catch (error) {
        if (!(error instanceof NetbsdErrno) || ino === BFS_ROOT_INO) throw error;
        wrong ??= error.message.replace('EIO: ', '');
      }
    }
    if (!this.runs.has(BFS_ROOT_INO)) throw einval(`${this.disk.name} has no root directory`);
    let end = -1;
    for (const [ino, each] of this.in_order()) {
      if (each.start <= end) wrong ??= `inode ${ino} shares blocks with another`;
      end = Math.max(end, each.end);
    }
    return wrong;
  }

  private interrupted(): string {
    const { s_from, s_to } = this.layout.super;
    const isUnderWay = this.super_get(s_from) !== BFS_NONE && this.super_get(s_to) !== BFS_NONE;
    return isUnderWay ? 'files were being moved when it was used last; one may be damaged' : '';
  }

  // ---- superblock and inodes --------------------------------------------------------------------

  private super_get(f: field): number {
    return f.get(this.cache.bread(0).b_data, 0);
  }

  private put_marks(from: number, to: number): void {
    const bp = this.cache.bread(0);
    const { s_from, s_to } = this.layout.super;
    s_from.put(bp.b_data, 0, from);
    s_to.put(bp.b_data, 0, to);
    this.cache.bdwrite(bp);
  }

  has_inode(ino: number): boolean {
    return ino >= BFS_ROOT_INO && ino < BFS_ROOT_INO + this.inodes;
  }

  /** The block of an inode that there is ({@link has_inode}), and its place there. */
  inode(ino: number): { bp: buf; off: number } {
    const at = BFS_BSIZE + (ino - BFS_ROOT_INO) * BFS_INODE_BYTES;
    return { bp: this.cache.bread(Math.floor(at / BFS_BSIZE)), off: at % BFS_BSIZE };
  }

  is_used(ino: number): boolean {
    const { bp, off } = this.inode(ino);
    return this.layout.inode.i_ino.get(bp.b_data, off) !== 0;
  }

  /** Bytes of the file. */
  size_of(ino: number): number {
    const { start } = this.runs.get(ino)!;
    if (start === 0) return 0;
    const { bp, off } = this.inode(ino);
    return this.layout.inode.i_eoffset.get(bp.b_data, off) + 1 - start * BFS_BSIZE;
  }

  /** Where the inode says that its file lies. @throws EIO unless it can. */
  private checked_run(ino: number): run {
    const { bp, off } = this.inode(ino);
    const { i_ino, i_sblock, i_eblock, i_eoffset, i_vtype } = this.layout.inode;
    const b = bp.b_data;
    if (i_ino.get(b, off) !== ino) {
      throw this.eio(`inode ${ino} has the number ${i_ino.get(b, off)}`);
    }
    const isDirectory = i_vtype.get(b, off) === BFS_VDIR;
    if (isDirectory !== (ino === BFS_ROOT_INO)) throw this.eio(`inode ${ino} is of a wrong type`);
    const start = i_sblock.get(b, off);
    if (start === 0) return nowhere();
    const end = i_eblock.get(b, off);
    const size = i_eoffset.get(b, off) + 1 - start * BFS_BSIZE;
    const fits = start >= this.first && end >= start && end <= this.last;
    if (!fits || size < 0 || size > (end - start + 1) * BFS_BSIZE) {
      throw this.eio(`inode ${ino} lies in blocks ${start} to ${end}, with ${size} bytes`);
    }
    return { start, end };
  }

  /** Writes where the file lies, and its size. */
  put_run(ino: number, { start, end }: run, size: number): void {
    const { bp, off } = this.inode(ino);
    const { i_sblock, i_eblock, i_eoffset } = this.layout.inode;
    // A file of no bytes that keeps its blocks would look damaged to Linux.
    const isNowhere = end < start || size === 0;
    i_sblock.put(bp.b_data, off, isNowhere ? 0 : start);
    i_eblock.put(bp.b_data, off, isNowhere ? 0 : end);
    i_eoffset.put(bp.b_data, off, isNowhere ? BFS_NONE : start * BFS_BSIZE + size - 1);
    this.cache.bdwrite(bp);
  }

  /** An unused inode, taken. @throws ENOSPC. */
  alloc_inode(): number {
    for (let ino = BFS_ROOT_INO + 1; this.has_inode(ino); ino++) {
      if (this.is_used(ino)) continue;
      this.runs.set(ino, nowhere());
      return ino;
    }
    throw new NetbsdErrno('ENOSPC', `all ${this.inodes} inodes are in use`);
  }

  free_inode(ino: number): void {
    const { bp, off } = this.inode(ino);
    bp.b_data.fill(0, off, off + BFS_INODE_BYTES);
    this.cache.bdwrite(bp);
    this.release(ino, 0);
    this.runs.delete(ino);
  }

  // ---- space ------------------------------------------------------------------------------------

  get blocks(): number {
    return Math.max(0, this.last - this.first + 1);
  }

  free_blocks(): number {
    let used = 0;
    for (const each of this.runs.values()) used += length_of(each);
    return Math.max(0, this.blocks - used);
  }

  /** Files that have blocks, by the place of these. */
  private in_order(): [ino: number, run][] {
    return [...this.runs]
      .filter(([, each]) => length_of(each) > 0)
      .sort(([, a], [, b]) => a.start - b.start);
  }

  /** Lets all but the first `count` blocks of a file go. */
  release(ino: number, count: number): void {
    const file = this.runs.get(ino)!;
    const kept = Math.min(count, length_of(file));
    for (let blkno = file.start + kept; blkno <= file.end; blkno++) {
      this.cache.brelse_invalid(blkno);
    }
    Object.assign(file, kept === 0 ? nowhere() : { start: file.start, end: file.start + kept - 1 });
  }

  /** The file has at least `count` blocks when it returns. @throws ENOSPC, unchanged. */
  reserve(ino: number, count: number): void {
    const file = this.runs.get(ino)!;
    const more = count - length_of(file);
    if (more <= 0) return;
    if (more > this.free_blocks()) throw new NetbsdErrno('ENOSPC');
    if (this.extend(file, count) || this.move_to_gap(ino, count)) return;
    this.compact(ino, count);
  }

  /** In its place. @returns false: another lies there. */
  private extend(file: run, count: number): boolean {
    if (length_of(file) === 0) return false;
    const end = file.start + count - 1;
    if (end > this.last) return false;
    for (const { start } of this.runs.values()) {
      if (start > file.start && start <= end) return false;
    }
    file.end = end;
    return true;
  }

  /** The widest gap; of equals, the last. */
  private widest_gap(): run {
    let widest = nowhere();
    let from = this.first;
    for (const { start, end } of [...this.in_order().map(([, each]) => each), this.behind()]) {
      if (start - from > 0 && start - from >= length_of(widest)) {
        widest = { start: from, end: start - 1 };
      }
      from = end + 1;
    }
    return widest;
  }

  /** What is not there any more. */
  private behind(): run {
    return { start: this.last + 1, end: this.last + 1 };
  }

  private move_to_gap(ino: number, count: number): boolean {
    const gap = this.widest_gap();
    if (length_of(gap) < count) return false;
    const file = this.runs.get(ino)!;
    if (length_of(file) > 0) this.slide(ino, gap.start);
    Object.assign(file, { start: gap.start, end: gap.start + count - 1 });
    return true;
  }

  /**
   * All gaps become one. Behind the last file, if it is wide enough there for a copy of this one,
   * since Linux looks for room nowhere else; otherwise behind the file itself.
   */
  private compact(ino: number, count: number): void {
    const files = this.in_order();
    const own = files.findIndex(([each]) => each === ino);
    let to = this.first;
    const down = (from: number, until: number): void => {
      for (const [each, { start, end }] of files.slice(from, until)) {
        this.slide(each, to);
        to += end - start + 1;
      }
    };
    const copies = own < 0 || own === files.length - 1 || this.free_blocks() >= count;
    down(0, copies ? files.length : own + 1);
    if (!copies) {
      let end = this.last;
      for (const [each, file] of files.slice(own + 1).reverse()) {
        end -= length_of(file);
        this.slide(each, end + 1);
      }
    }
    if (!this.extend(this.runs.get(ino)!, count) && !this.move_to_gap(ino, count)) {
      throw new NetbsdErrno('ENOSPC');
    }
  }

  /** Moves the blocks of a file; where it comes from stays as it is until the inode tells. */
  private slide(ino: number, to: number): void {
    const file = this.runs.get(ino)!;
    const { start: from } = file;
    if (from === to) return;
    const { cache } = this;
    const size = this.size_of(ino);
    const count = length_of(file);
    const overlaps = Math.abs(to - from) < count;
    if (overlaps) {
      this.put_marks(from, to);
      cache.flush();
    }
    for (let i = 0; i < count; i++) {
      const at = to < from ? i : count - 1 - i;
      const bp = cache.getblk(to + at);
      bp.b_data.set(cache.bread(from + at).b_data);
      cache.bdwrite(bp);
      cache.balance();
    }
    cache.flush();
    Object.assign(file, { start: to, end: to + count - 1 });
    this.put_run(ino, file, size);
    cache.flush();
    if (overlaps) this.put_marks(BFS_NONE, BFS_NONE);
    for (let blkno = from; blkno < from + count; blkno++) {
      if (blkno < file.start || blkno > file.end) cache.brelse_invalid(blkno);
    }
  }
}
