/**
 * Where the blocks of a file lie: block pointers, direct and through up to three indirect blocks.
 * The last block of a file of few blocks may be some fragments only; how many, follows from the
 * file's size, which therefore changes together with them.
 */
import type { ffs_alloc } from './ffs_alloc.js';
import type { ffs_inode } from './ffs_inode.js';
import type { ffs_super } from './ffs_super.js';
import { NDADDR, NIADDR } from './medium.js';

/** Blocks side by side from the one that was asked for on, or a hole. */
export interface extent {
  /** Of the first block; 0: a hole. */
  fragment: number;
  /** Blocks; of a hole, those that are certain to be missing. */
  blocks: number;
}

export class ffs_bmap {
  private readonly fs: ffs_super;
  private readonly allocator: ffs_alloc;
  /** File blocks below a pointer at each level: 1, n, n², n³. */
  private readonly reach: readonly number[];
  /** File blocks there can be. */
  readonly blocks_max: number;
  private readonly found: extent = { fragment: 0, blocks: 0 };

  constructor(fs: ffs_super, allocator: ffs_alloc) {
    this.fs = fs;
    this.allocator = allocator;
    const n = fs.nindir;
    this.reach = [1, n, n * n, n * n * n];
    this.blocks_max = NDADDR + n + n * n + n * n * n;
  }

  /** Fragments of a file's block, by the file's size. */
  fragments_of(size: number, lbn: number): number {
    const { bsize, fsize, frag } = this.fs;
    if (lbn >= NDADDR || size >= (lbn + 1) * bsize) return frag;
    return Math.max(0, Math.ceil((size - lbn * bsize) / fsize));
  }

  /** The answer is the same object each time. @throws EIO a pointer leads nowhere. */
  lookup(node: ffs_inode, lbn: number, blocks_max: number): extent {
    const { found, fs } = this;
    if (lbn < NDADDR) {
      const { di_db } = node;
      this.follow(node, lbn, Math.min(NDADDR - lbn, blocks_max), (i) => di_db[lbn + i]!);
      return found;
    }
    let [level, rest] = this.locate(lbn);
    let fragment = this.checked(node, node.di_db[NDADDR + level - 1]!, fs.frag);
    for (; fragment !== 0 && level > 0; level--) {
      const below = this.reach[level - 1]!;
      const index = Math.floor(rest / below);
      rest -= index * below;
      const { b_data } = fs.cache.bread(fs.blkno_of(fragment));
      const { pointer } = fs;
      if (level === 1) {
        const count = Math.min(fs.nindir - index, blocks_max);
        this.follow(node, lbn, count, (i) => pointer.get(b_data, (index + i) * pointer.bytes));
        return found;
      }
      fragment = this.checked(node, pointer.get(b_data, index * pointer.bytes), fs.frag);
    }
    found.fragment = 0;
    // What is missing at a level is missing for all that it reaches.
    found.blocks = this.reach[level]! - rest;
    return found;
  }

  /** As many of a table's pointers as lead to neighbours, or as are 0. */
  private follow(node: ffs_inode, lbn: number, count: number, at: (i: number) => number): void {
    const { found, fs } = this;
    const first = this.checked(node, at(0), this.fragments_of(node.i_size, lbn) || fs.frag);
    found.fragment = first;
    let blocks = 1;
    if (first === 0) {
      while (blocks < count && at(blocks) === 0) blocks++;
    } else {
      while (blocks < count) {
        const next = first + blocks * fs.frag;
        const fragments = this.fragments_of(node.i_size, lbn + blocks) || fs.frag;
        if (at(blocks) !== next || !fs.is_data(next, fragments)) break;
        blocks++;
      }
    }
    found.blocks = blocks;
  }

  /**
   * The block, made when it is missing, with as many fragments as a file of that size has there.
   * A block of which the file has fragments already gets more of them; its content stays, what is
   * added is undefined.
   * @param run blocks that will be asked for next
   */
  balloc(
    node: ffs_inode,
    lbn: number,
    size: number,
    run: number,
  ): { fragment: number; fragments: number; isNew: boolean } {
    const fragments = this.fragments_of(size, lbn);
    if (lbn < NDADDR) {
      const present = node.di_db[lbn]!;
      if (present === 0) {
        const fragment = this.alloc(node, fragments, lbn, run);
        node.di_db[lbn] = fragment;
        return { fragment, fragments, isNew: true };
      }
      const held = this.fragments_of(node.i_size, lbn);
      if (held === 0) throw this.fs.eio(`inode ${node.i_number} has blocks behind its end`);
      const checked = this.checked(node, present, held);
      const fragment = held < fragments ? this.grow(node, lbn, checked, held, fragments) : checked;
      return { fragment, fragments: Math.max(held, fragments), isNew: false };
    }
    return { ...this.balloc_indirect(node, lbn, run), fragments };
  }

  private balloc_indirect(
    node: ffs_inode,
    lbn: number,
    run: number,
  ): { fragment: number; isNew: boolean } {
    const { fs } = this;
    const { pointer } = fs;
    let [level, rest] = this.locate(lbn);
    const root = NDADDR + level - 1;
    let fragment = this.checked(node, node.di_db[root]!, fs.frag);
    if (fragment === 0) {
      fragment = this.alloc_indirect(node, lbn, run);
      node.di_db[root] = fragment;
    }
    for (; ; level--) {
      const below = this.reach[level - 1]!;
      const index = Math.floor(rest / below);
      rest -= index * below;
      const bp = fs.cache.bread(fs.blkno_of(fragment));
      let next = this.checked(node, pointer.get(bp.b_data, index * pointer.bytes), fs.frag);
      const isMissing = next === 0;
      if (isMissing) {
        next =
          level === 1 ? this.alloc(node, fs.frag, lbn, run) : this.alloc_indirect(node, lbn, run);
        pointer.put(bp.b_data, index * pointer.bytes, next);
        fs.cache.bdwrite(bp);
      }
      if (level === 1) return { fragment: next, isNew: isMissing };
      fragment = next;
    }
  }

  /** More fragments of a block, where they are or elsewhere. */
  private grow(
    node: ffs_inode,
    lbn: number,
    fragment: number,
    held: number,
    wanted: number,
  ): number {
    const { fs, allocator } = this;
    if (allocator.extend(fragment, held, wanted)) {
      node.count_fragments(fs, wanted - held);
      if (node.i_goal === 0) node.i_goal = fragment - (fragment % fs.frag) + fs.frag;
      return fragment;
    }
    const from = fs.cache.bread(fs.blkno_of(fragment));
    const moved = this.alloc(node, wanted, lbn, 1);
    const isWhole = wanted === fs.frag || allocator.is_fresh;
    const blkno = fs.blkno_of(moved);
    const to = isWhole ? fs.cache.getblk(blkno) : fs.cache.bread(blkno);
    const start = fs.offset_of(fragment);
    const content = from.b_data.subarray(start, start + held * fs.fsize);
    to.b_data.set(content, fs.offset_of(moved));
    fs.cache.bdwrite(to);
    node.di_db[lbn] = moved;
    this.free(node, fragment, held);
    return moved;
  }

  /** Frees all blocks from `first` on. Their sizes are those of a file of i_size. */
  free_from(node: ffs_inode, first: number): void {
    for (let lbn = first; lbn < NDADDR; lbn++) {
      const fragment = node.di_db[lbn]!;
      if (fragment === 0) continue;
      const held = this.fragments_of(node.i_size, lbn);
      if (held > 0) this.free(node, fragment, held);
      else this.fs.damage(`inode ${node.i_number} has blocks behind its end`);
      node.di_db[lbn] = 0;
    }
    let base = NDADDR;
    for (let level = 1; level <= NIADDR; level++) {
      const at = NDADDR + level - 1;
      const fragment = node.di_db[at]!;
      const from = Math.max(0, first - base);
      base += this.reach[level]!;
      if (fragment === 0 || from >= this.reach[level]!) continue;
      if (this.free_indirect(node, fragment, level, from)) node.di_db[at] = 0;
    }
  }

  /** The last block of a file of i_size keeps the fragments of a file of `size`. */
  shrink(node: ffs_inode, size: number): void {
    const lbn = Math.ceil(size / this.fs.bsize) - 1;
    if (lbn < 0 || lbn >= NDADDR || node.di_db[lbn] === 0) return;
    const held = this.fragments_of(node.i_size, lbn);
    const kept = this.fragments_of(size, lbn);
    if (kept < held) this.free(node, node.di_db[lbn]! + kept, held - kept);
  }

  /** @returns true: the indirect block itself is free. */
  private free_indirect(node: ffs_inode, fragment: number, level: number, from: number): boolean {
    const { fs } = this;
    const { pointer } = fs;
    if (!fs.is_data(fragment, fs.frag)) {
      fs.damage(`inode ${node.i_number} refers to block ${fragment}`);
      return true;
    }
    if (from === 0) {
      // Freed first: on a damaged medium, one that leads to itself is not entered again.
      const content = fs.cache.bread(fs.blkno_of(fragment)).b_data;
      if (!this.free(node, fragment, fs.frag)) return true;
      for (let i = 0; i < fs.nindir; i++) {
        const next = pointer.get(content, i * pointer.bytes);
        if (next === 0) continue;
        if (level === 1) this.free(node, next, fs.frag);
        else this.free_indirect(node, next, level - 1, 0);
      }
      return true;
    }
    const below = this.reach[level - 1]!;
    for (let i = Math.floor(from / below); i < fs.nindir; i++) {
      const bp = fs.cache.bread(fs.blkno_of(fragment));
      const next = pointer.get(bp.b_data, i * pointer.bytes);
      if (next === 0) continue;
      const rest = Math.max(0, from - i * below);
      // A pointer to what was free already goes, too.
      if (level === 1) this.free(node, next, fs.frag);
      else if (!this.free_indirect(node, next, level - 1, rest)) continue;
      pointer.put(bp.b_data, i * pointer.bytes, 0);
      fs.cache.bdwrite(bp);
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

  private checked(node: ffs_inode, fragment: number, count: number): number {
    if (fragment === 0 || this.fs.is_data(fragment, count)) return fragment;
    throw this.fs.eio(`inode ${node.i_number} refers to fragment ${fragment}`);
  }

  private alloc(node: ffs_inode, fragments: number, lbn: number, run: number): number {
    const { fs, allocator } = this;
    let goal = node.i_goal;
    let cg = Math.floor(node.i_number / fs.ipg);
    // A large file goes on elsewhere, now and then, so that it leaves room in each group.
    const moves = fs.maxbpg > 0 && lbn >= NDADDR && (lbn - NDADDR) % fs.maxbpg === 0;
    if (moves && goal > 0 && node.i_moved !== lbn) {
      cg = allocator.next_group(Math.floor((goal - 1) / fs.fpg) + 1);
      goal = 0;
      node.i_moved = lbn;
    }
    const fragment = allocator.alloc(fragments, cg, goal, run);
    node.i_goal = fragment - (fragment % fs.frag) + fs.frag;
    node.count_fragments(fs, fragments);
    return fragment;
  }

  private alloc_indirect(node: ffs_inode, lbn: number, run: number): number {
    const { fs } = this;
    const fragment = this.alloc(node, fs.frag, lbn, run);
    fs.cache.clrbuf(fs.blkno_of(fragment));
    return fragment;
  }

  /** @returns false: it was free (damage). */
  private free(node: ffs_inode, fragment: number, count: number): boolean {
    if (!this.allocator.free(fragment, count)) return false;
    node.count_fragments(this.fs, -count);
    return true;
  }
}
