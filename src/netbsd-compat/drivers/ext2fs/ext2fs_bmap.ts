/** Where the blocks of a file lie: block pointers, direct and through up to three indirect blocks. */
import type { ext2_inode } from './ext2fs_inode.js';
import type { ext2fs_super } from './ext2fs_super.js';
import { le32 } from '../../structure.js';
import { NDADDR, NIADDR } from './medium.js';

/** Answer of a lookup: a block, or a hole of so many file blocks from the one that was asked for. */
export interface mapping {
  blkno: number;
  /** Of a hole: blocks that are certain to be missing, the one that was asked for included. */
  span: number;
}

const pointer = le32(0, 'block pointer');

export class ext2fs_bmap {
  private readonly fs: ext2fs_super;
  /** Pointers in a block. */
  private readonly nindir: number;
  /** File blocks below a pointer at each level: 1, n, n², n³. */
  private readonly reach: readonly number[];
  /** File blocks there can be. */
  readonly blocks_max: number;
  private readonly found: mapping = { blkno: 0, span: 0 };

  constructor(fs: ext2fs_super) {
    this.fs = fs;
    const n = fs.bsize / 4;
    this.nindir = n;
    this.reach = [1, n, n * n, n * n * n];
    this.blocks_max = NDADDR + n + n * n + n * n * n;
  }

  /** The answer is the same object each time. @throws EIO a pointer leads nowhere. */
  lookup(node: ext2_inode, lbn: number): mapping {
    const { found } = this;
    if (lbn < NDADDR) {
      found.blkno = this.checked(node, node.e2di_blocks[lbn]!);
      found.span = 1;
      return found;
    }
    let [level, rest] = this.locate(lbn);
    let blkno = this.checked(node, node.e2di_blocks[NDADDR + level - 1]!);
    for (; blkno !== 0 && level > 0; level--) {
      const below = this.reach[level - 1]!;
      const index = Math.floor(rest / below);
      rest -= index * below;
      blkno = this.checked(node, pointer.get(this.fs.cache.bread(blkno).b_data, index * 4));
    }
    found.blkno = level === 0 ? blkno : 0;
    // What is missing at a level is missing for all that it reaches.
    found.span = found.blkno === 0 ? this.reach[level]! - rest : 1;
    return found;
  }

  /** The block, made when it is missing: `isNew` then, and its content is undefined. */
  balloc(node: ext2_inode, lbn: number): { blkno: number; isNew: boolean } {
    if (lbn < NDADDR) {
      const present = this.checked(node, node.e2di_blocks[lbn]!);
      if (present !== 0) return { blkno: present, isNew: false };
      const blkno = this.alloc(node);
      node.e2di_blocks[lbn] = blkno;
      return { blkno, isNew: true };
    }
    let [level, rest] = this.locate(lbn);
    const root = NDADDR + level - 1;
    let blkno = this.checked(node, node.e2di_blocks[root]!);
    if (blkno === 0) {
      blkno = this.alloc_indirect(node);
      node.e2di_blocks[root] = blkno;
    }
    for (; ; level--) {
      const below = this.reach[level - 1]!;
      const index = Math.floor(rest / below);
      rest -= index * below;
      const bp = this.fs.cache.bread(blkno);
      let next = this.checked(node, pointer.get(bp.b_data, index * 4));
      const isMissing = next === 0;
      if (isMissing) {
        next = level === 1 ? this.alloc(node) : this.alloc_indirect(node);
        pointer.put(bp.b_data, index * 4, next);
        this.fs.cache.bdwrite(bp);
      }
      if (level === 1) return { blkno: next, isNew: isMissing };
      blkno = next;
    }
  }

  /** Frees all blocks from `first` on. */
  free_from(node: ext2_inode, first: number): void {
    for (let lbn = first; lbn < NDADDR; lbn++) {
      this.free(node, node.e2di_blocks[lbn]!);
      node.e2di_blocks[lbn] = 0;
    }
    let base = NDADDR;
    for (let level = 1; level <= NIADDR; level++) {
      const at = NDADDR + level - 1;
      const blkno = node.e2di_blocks[at]!;
      const from = Math.max(0, first - base);
      base += this.reach[level]!;
      if (blkno === 0 || from >= this.reach[level]!) continue;
      if (this.free_indirect(node, blkno, level, from)) node.e2di_blocks[at] = 0;
    }
  }

  /** @returns true: the indirect block itself is free. */
  private free_indirect(node: ext2_inode, blkno: number, level: number, from: number): boolean {
    if (from === 0) {
      // Freed first: on a damaged medium, one that leads to itself is not entered again.
      const content = this.fs.is_block(blkno) ? this.fs.cache.bread(blkno).b_data : null;
      if (!this.free(node, blkno) || content === null) return true;
      for (let i = 0; i < this.nindir; i++) {
        const next = pointer.get(content, i * 4);
        if (next === 0) continue;
        if (level === 1) this.free(node, next);
        else this.free_indirect(node, next, level - 1, 0);
      }
      return true;
    }
    if (!this.fs.is_block(blkno)) return true;
    const below = this.reach[level - 1]!;
    for (let i = Math.floor(from / below); i < this.nindir; i++) {
      const bp = this.fs.cache.bread(blkno);
      const next = pointer.get(bp.b_data, i * 4);
      if (next === 0) continue;
      const rest = Math.max(0, from - i * below);
      // A pointer to what was free already goes, too.
      if (level === 1) this.free(node, next);
      else if (!this.free_indirect(node, next, level - 1, rest)) continue;
      pointer.put(bp.b_data, i * 4, 0);
      this.fs.cache.bdwrite(bp);
    }
    return false;
  }

  private locate(lbn: number): [level: number, rest: number] {
    let rest = lbn - NDADDR;
    for (let level = 1; level <= NIADDR; level++) {
      if (rest < this.reach[level]!) return [level, rest];
      rest -= this.reach[level]!;
    }
    throw this.fs.eio(`file block ${lbn} cannot be`);
  }

  private checked(node: ext2_inode, blkno: number): number {
    if (blkno === 0 || this.fs.is_block(blkno)) return blkno;
    throw this.fs.eio(`inode ${node.i_number} refers to block ${blkno}`);
  }

  private alloc(node: ext2_inode): number {
    const blkno = this.fs.alloc_block(node.i_goal || this.fs.goal_of(node.i_number));
    node.i_goal = blkno + 1;
    this.count(node, 1);
    return blkno;
  }

  private alloc_indirect(node: ext2_inode): number {
    const blkno = this.alloc(node);
    this.fs.cache.clrbuf(blkno);
    return blkno;
  }

  /** @returns false: it was free (damage). */
  private free(node: ext2_inode, blkno: number): boolean {
    if (blkno === 0 || !this.fs.free_block(blkno)) return false;
    this.count(node, -1);
    return true;
  }

  private count(node: ext2_inode, blocks: number): void {
    node.e2di_nblock = Math.max(0, node.e2di_nblock + (blocks * this.fs.bsize) / 512);
    node.i_bytes = node.e2di_nblock * 512;
  }
}
