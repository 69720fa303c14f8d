/**
 * Cylinder groups: which fragments, blocks, clusters and inodes are free, and who gets them. Each
 * count is kept in three places: the group, the array of summaries, the superblock.
 *
 * A block's fragments are a map of as many bits, 1: free. Whatever becomes of them goes through
 * change_map(), which keeps all counts with it.
 */
import type { buf } from '../../buf.js';
import { NetbsdErrno } from '../../errno.js';
import type { field } from '../../structure.js';
import type { ffs_super } from './ffs_super.js';
import { CG_MAGIC, CSUM_BYTES, FS_UFS1_MAGIC } from './medium.js';

type count = 'ndir' | 'nbfree' | 'nifree' | 'nffree';

/** A group block's header ends here, at the earliest. */
const CG_HEADER_BYTES = 124;

/** Bits of a byte. */
const BITS = Uint8Array.from({ length: 256 }, (_, map) => {
  let bits = 0;
  for (let rest = map; rest !== 0; rest &= rest - 1) bits++;
  return bits;
});

/** Which lengths the runs of ones in a byte have: bit n stands for a run of n. */
const RUNS = Uint16Array.from({ length: 256 }, (_, map) => {
  let lengths = 0;
  for (let rest = map << 1, run = 0; ; rest >>= 1) {
    if ((rest & 1) !== 0) run++;
    else if (run > 0) {
      lengths |= 1 << run;
      run = 0;
    }
    if (rest === 0) return lengths;
  }
});

export class ffs_alloc {
  /** Of what was given away last: its block was free before, and what it held is of no interest. */
  is_fresh = false;
  private readonly fs: ffs_super;
  /** Groups whose block was looked at. */
  private readonly checked: Uint8Array;
  /** The map of a block that is free. */
  private readonly full: number;
  private readonly totals: Readonly<Record<count, readonly field[]>>;
  private readonly u32: field;

  constructor(fs: ffs_super) {
    this.fs = fs;
    this.checked = new Uint8Array(fs.ncg);
    this.full = (1 << fs.frag) - 1;
    const sb = fs.layout.fs;
    const isUfs1 = fs.sb_get(sb.magic) === FS_UFS1_MAGIC;
    const of = (wide: field, narrow: field): field[] => [
      ...(fs.is_old ? [] : [wide]),
      ...(isUfs1 ? [narrow] : []),
    ];
    this.totals = {
      ndir: of(sb.ndir, sb.old_ndir),
      nbfree: of(sb.nbfree, sb.old_nbfree),
      nifree: of(sb.nifree, sb.old_nifree),
      nffree: of(sb.nffree, sb.old_nffree),
    };
    this.u32 = fs.layout.u32;
  }

  // ---- counts -----------------------------------------------------------------------------------

  total(what: count): number {
    return this.fs.sb_get(this.totals[what][0]!);
  }

  /** What the array of summaries says of a group. */
  private summary(cg: number, what: count): number {
    const at = this.fs.csaddr * this.fs.fsize + cg * CSUM_BYTES;
    const bp = this.fs.cache.bread(Math.floor(at / this.fs.bsize));
    return this.fs.layout.csum[what].get(bp.b_data, at % this.fs.bsize);
  }

  /** Adds to a count, in all its places; on a damaged medium it stays within its field. */
  private add(cg: number, bp: buf, what: count, by: number): void {
    if (by === 0) return;
    const { fs } = this;
    const { csum, cg: header } = fs.layout;
    const inGroup = header[`cs_${what}`];
    inGroup.put(bp.b_data, 0, Math.max(0, inGroup.get(bp.b_data, 0) + by));
    const at = fs.csaddr * fs.fsize + cg * CSUM_BYTES;
    const sp = fs.cache.bread(Math.floor(at / fs.bsize));
    const off = at % fs.bsize;
    csum[what].put(sp.b_data, off, Math.max(0, csum[what].get(sp.b_data, off) + by));
    fs.cache.bdwrite(sp);
    for (const f of this.totals[what]) fs.sb_put(f, Math.max(0, fs.sb_get(f) + by));
  }

  // ---- group blocks -----------------------------------------------------------------------------

  /** @throws EIO it is damaged. */
  private cgp(cg: number): buf {
    const { fs } = this;
    const at = fs.cgstart(cg) + fs.cblkno;
    if (at + fs.frag > fs.size) throw fs.eio(`group ${cg} has no block`);
    const bp = fs.cache.bread(fs.blkno_of(at));
    if (this.checked[cg] === 0) {
      this.check(cg, bp.b_data);
      this.checked[cg] = 1;
    }
    return bp;
  }

  private check(cg: number, b: Uint8Array): void {
    const { fs } = this;
    const { cg: header } = fs.layout;
    const fits = (start: number, bytes: number): boolean =>
      start >= CG_HEADER_BYTES && start + bytes <= fs.bsize;
    const blocks = header.nclusterblks.get(b, 0);
    const hasMaps =
      header.magic.get(b, 0) === CG_MAGIC &&
      header.cgx.get(b, 0) === cg &&
      header.ndblk.get(b, 0) === fs.fragments_in(cg) &&
      fits(header.iusedoff.get(b, 0), Math.ceil(fs.ipg / 8)) &&
      fits(header.freeoff.get(b, 0), Math.ceil(fs.fragments_in(cg) / 8));
    const hasClusters =
      fs.contigsumsize === 0 ||
      blocks === 0 ||
      (fits(header.clustersumoff.get(b, 0), (fs.contigsumsize + 1) * 4) &&
        fits(header.clusteroff.get(b, 0), Math.ceil(blocks / 8)));
    if (!hasMaps || !hasClusters) throw fs.eio(`the block of group ${cg} is damaged`);
  }

  private map_of(b: Uint8Array, freeoff: number, block: number): number {
    const bit = block * this.fs.frag;
    return (b[freeoff + (bit >> 3)]! >> (bit & 7)) & this.full;
  }

  /** The only place where fragments become free, or not. */
  private change_map(cg: number, bp: buf, block: number, map: number): void {
    const { full, fs } = this;
    const b = bp.b_data;
    const header = fs.layout.cg;
    const freeoff = header.freeoff.get(b, 0);
    const old = this.map_of(b, freeoff, block);
    const bit = block * fs.frag;
    const byte = freeoff + (bit >> 3);
    b[byte] = (b[byte]! & ~(full << (bit & 7))) | (map << (bit & 7));
    let nffree = 0;
    if (old !== full) {
      this.count_runs(b, old, -1);
      nffree -= BITS[old]!;
    }
    if (map !== full) {
      this.count_runs(b, map, 1);
      nffree += BITS[map]!;
    }
    const nbfree = (map === full ? 1 : 0) - (old === full ? 1 : 0);
    this.add(cg, bp, 'nffree', nffree);
    this.add(cg, bp, 'nbfree', nbfree);
    if (nbfree !== 0) this.count_clusters(b, block, nbfree);
    fs.cache.bdwrite(bp);
  }

  private count_runs(b: Uint8Array, map: number, by: number): void {
    const { u32, fs } = this;
    for (let rest = map << 1, run = 0; rest !== 0 || run > 0; rest >>= 1) {
      if ((rest & 1) !== 0) {
        run++;
      } else if (run > 0) {
        const at = fs.layout.cg.frsum.at + 4 * run;
        u32.put(b, at, Math.max(0, u32.get(b, at) + by));
        run = 0;
      }
    }
  }

  /** A block came free, or went: the clusters on both sides of it are joined, or part. */
  private count_clusters(b: Uint8Array, block: number, by: number): void {
    const { u32, fs } = this;
    const { cg: header } = fs.layout;
    const blocks = header.nclusterblks.get(b, 0);
    if (fs.contigsumsize === 0 || block >= blocks) return;
    const clusteroff = header.clusteroff.get(b, 0);
    const mask = 1 << (block & 7);
    if (by > 0) b[clusteroff + (block >> 3)]! |= mask;
    else b[clusteroff + (block >> 3)]! &= ~mask;
    const isFree = (at: number): boolean =>
      at >= 0 && at < blocks && (b[clusteroff + (at >> 3)]! & (1 << (at & 7))) !== 0;
    let ahead = 0;
    while (ahead < fs.contigsumsize && isFree(block + 1 + ahead)) ahead++;
    let behind = 0;
    while (behind < fs.contigsumsize && isFree(block - 1 - behind)) behind++;
    const sums = header.clustersumoff.get(b, 0);
    const sum = (length: number, n: number): void => {
      const at = sums + 4 * length;
      u32.put(b, at, Math.max(0, u32.get(b, at) + n));
    };
    sum(Math.min(ahead + behind + 1, fs.contigsumsize), by);
    if (ahead > 0) sum(ahead, -by);
    if (behind > 0) sum(behind, -by);
  }

  // ---- fragments and blocks ---------------------------------------------------------------------

  /**
   * Free fragments of one block, taken.
   * @param goal a fragment that would be liked best; 0: any of the group
   * @param run blocks that will be asked for next to it
   * @throws ENOSPC
   */
  alloc(count: number, cg: number, goal: number, run: number): number {
    const { fs } = this;
    const isGoal = goal > 0 && goal < fs.size;
    const start = isGoal ? Math.floor(goal / fs.fpg) : cg;
    const isBlock = count === fs.frag;
    for (let i = 0; i < fs.ncg; i++) {
      const at = (start + i) % fs.ncg;
      const hasBlocks = this.summary(at, 'nbfree') > 0;
      if (!hasBlocks && (isBlock || this.summary(at, 'nffree') === 0)) continue;
      const bp = this.cgp(at);
      const from = i === 0 && isGoal ? goal - fs.cgbase(at) : -1;
      const found = isBlock
        ? this.alloc_block(at, bp, from, run)
        : this.alloc_fragments(at, bp, from, count);
      if (found >= 0) return this.taken(fs.cgbase(at) + found, count);
    }
    throw new NetbsdErrno('ENOSPC');
  }

  /** A damaged map may have given away what holds the groups themselves. */
  private taken(fragment: number, count: number): number {
    if (this.fs.is_data(fragment, count)) return fragment;
    throw this.fs.eio(`fragment ${fragment} was free and is none for data`);
  }

  private alloc_block(cg: number, bp: buf, goal: number, run: number): number {
    const { fs } = this;
    const header = fs.layout.cg;
    const b = bp.b_data;
    const freeoff = header.freeoff.get(b, 0);
    const blocks = Math.floor(fs.fragments_in(cg) / fs.frag);
    const wanted = goal < 0 ? -1 : Math.floor(goal / fs.frag);
    const rotor = Math.floor(header.rotor.get(b, 0) / fs.frag);
    const from = wanted >= 0 && wanted < blocks ? wanted : rotor < blocks ? rotor : 0;
    let block = -1;
    if (wanted === from && this.map_of(b, freeoff, from) === this.full) block = from;
    if (block < 0 && run > 1) block = this.find_cluster(b, run, from);
    if (block < 0) block = this.find_block(b, freeoff, from, blocks);
    if (block < 0) return -1;
    this.change_map(cg, bp, block, 0);
    header.rotor.put(b, 0, block * fs.frag);
    this.is_fresh = true;
    return block * fs.frag;
  }

  private find_block(b: Uint8Array, freeoff: number, from: number, blocks: number): number {
    const { full } = this;
    for (let i = 0, block = from; i < blocks; i++) {
      if (this.map_of(b, freeoff, block) === full) return block;
      if (++block === blocks) block = 0;
    }
    return -1;
  }

  /** Free blocks side by side: as many as are wanted, or as are counted. @returns the first. */
  private find_cluster(b: Uint8Array, wanted: number, from: number): number {
    const { u32, fs } = this;
    const { cg: header } = fs.layout;
    const blocks = header.nclusterblks.get(b, 0);
    const length = Math.min(wanted, fs.contigsumsize);
    const sums = header.clustersumoff.get(b, 0);
    let isThere = false;
    for (let n = length; n <= fs.contigsumsize && !isThere; n++) {
      isThere = n > 0 && u32.get(b, sums + 4 * n) > 0;
    }
    if (!isThere || length < 2) return -1;
    const clusteroff = header.clusteroff.get(b, 0);
    for (let i = 0, block = from, run = 0; i < blocks + length; i++) {
      if (block === blocks) block = run = 0;
      if ((b[clusteroff + (block >> 3)]! & (1 << (block & 7))) === 0) run = 0;
      else if (++run === length) return this.is_free_run(b, block - length + 1, length);
      block++;
    }
    return -1;
  }

  /** Do the maps of clusters and of fragments agree? @returns the first block; -1. */
  private is_free_run(b: Uint8Array, first: number, length: number): number {
    const freeoff = this.fs.layout.cg.freeoff.get(b, 0);
    for (let block = first; block < first + length; block++) {
      if (this.map_of(b, freeoff, block) !== this.full) return -1;
    }
    return first;
  }

  private alloc_fragments(cg: number, bp: buf, goal: number, count: number): number {
    const { fs } = this;
    const header = fs.layout.cg;
    const b = bp.b_data;
    // The shortest run that is long enough, so that longer ones stay.
    for (let length = count; length < fs.frag; length++) {
      if (this.u32.get(b, header.frsum.at + 4 * length) === 0) continue;
      const found = this.find_run(cg, b, goal < 0 ? header.frotor.get(b, 0) : goal, length);
      if (found < 0) {
        fs.damage(`group ${cg} counts runs of ${length} free fragments and has none`);
        continue;
      }
      const block = Math.floor(found / fs.frag);
      const map = this.map_of(b, header.freeoff.get(b, 0), block);
      this.change_map(cg, bp, block, map & ~(((1 << count) - 1) << (found % fs.frag)));
      header.frotor.put(b, 0, found);
      this.is_fresh = false;
      return found;
    }
    if (header.cs_nbfree.get(b, 0) === 0) return -1;
    const first = this.alloc_block(cg, bp, goal, 0);
    if (first < 0) return -1;
    this.change_map(cg, bp, first / fs.frag, this.full & ~((1 << count) - 1));
    return first;
  }

  /** A run of just so many free fragments. @returns the first of them; -1. */
  private find_run(cg: number, b: Uint8Array, from: number, length: number): number {
    const { fs } = this;
    const freeoff = fs.layout.cg.freeoff.get(b, 0);
    const fragments = fs.fragments_in(cg);
    const blocks = Math.ceil(fragments / fs.frag);
    const first = from < fragments ? Math.floor(from / fs.frag) : 0;
    for (let i = 0, block = first; i < blocks; i++) {
      const map = this.map_of(b, freeoff, block);
      if (map !== this.full && (RUNS[map]! & (1 << length)) !== 0) {
        const ones = (1 << length) - 1;
        // A zero, or the block's border, on both sides.
        const window = (1 << (length + 2)) - 1;
        for (let at = 0; at + length <= fs.frag; at++) {
          if (((map << 1) & (window << at)) === ones << (at + 1)) {
            return block * fs.frag + at;
          }
        }
      }
      if (++block === blocks) block = 0;
    }
    return -1;
  }

  /** The fragments behind some become part of them. @returns false: they are not free. */
  extend(fragment: number, count: number, wanted: number): boolean {
    const { fs } = this;
    const cg = Math.floor(fragment / fs.fpg);
    const at = fragment - fs.cgbase(cg);
    const start = at % fs.frag;
    if (start + wanted > fs.frag) return false;
    const bp = this.cgp(cg);
    const block = Math.floor(at / fs.frag);
    const map = this.map_of(bp.b_data, fs.layout.cg.freeoff.get(bp.b_data, 0), block);
    const more = ((1 << wanted) - (1 << count)) << start;
    if ((map & more) !== more || !fs.is_data(fragment, wanted)) return false;
    this.change_map(cg, bp, block, map & ~more);
    return true;
  }

  /** @returns false: they were free already, or there are none (damage). */
  free(fragment: number, count: number): boolean {
    const { fs } = this;
    if (!fs.is_data(fragment, count)) {
      fs.damage(`${count} fragments at ${fragment} to free do not exist`);
      return false;
    }
    const cg = Math.floor(fragment / fs.fpg);
    const at = fragment - fs.cgbase(cg);
    const bp = this.cgp(cg);
    const block = Math.floor(at / fs.frag);
    const old = this.map_of(bp.b_data, fs.layout.cg.freeoff.get(bp.b_data, 0), block);
    const freed = ((1 << count) - 1) << (at % fs.frag);
    if ((old & freed) !== 0) {
      fs.damage(`fragment ${fragment} is freed and was free`);
      return false;
    }
    this.change_map(cg, bp, block, old | freed);
    if ((old | freed) === this.full) fs.cache.brelse_invalid(fs.blkno_of(fragment));
    return true;
  }

  /** A group with more free blocks than most have, at or after this one. */
  next_group(cg: number): number {
    const { fs } = this;
    const average = this.total('nbfree') / fs.ncg;
    for (let i = 0; i < fs.ncg; i++) {
      const at = (cg + i) % fs.ncg;
      if (this.summary(at, 'nbfree') >= average) return at;
    }
    return cg % fs.ncg;
  }

  // ---- inodes -----------------------------------------------------------------------------------

  /** A free inode, taken: a file's in the group of its directory. @throws ENOSPC. */
  alloc_inode(parent: number, isDirectory: boolean): number {
    const { fs } = this;
    const home = Math.floor(parent / fs.ipg);
    const start = isDirectory ? this.dirpref(home) : home;
    for (let i = 0; i < fs.ncg; i++) {
      const cg = (start + i) % fs.ncg;
      if (this.summary(cg, 'nifree') === 0) continue;
      const bp = this.cgp(cg);
      const b = bp.b_data;
      const header = fs.layout.cg;
      const iusedoff = header.iusedoff.get(b, 0);
      const bit = find_zero(b, iusedoff, header.irotor.get(b, 0), fs.ipg);
      if (bit < 0) continue;
      const ino = cg * fs.ipg + bit;
      // 0 and 1 never are any file's, and are marked as used.
      if (ino < 2) throw fs.eio(`inode ${ino} is free`);
      b[iusedoff + (bit >> 3)]! |= 1 << (bit & 7);
      header.irotor.put(b, 0, bit);
      this.add(cg, bp, 'nifree', -1);
      if (isDirectory) this.add(cg, bp, 'ndir', 1);
      if (fs.is_ufs2) this.init_inodes(cg, bp, bit);
      fs.cache.bdwrite(bp);
      return ino;
    }
    throw new NetbsdErrno('ENOSPC', 'no inode is free');
  }

  /** Near its parent while that group is no fuller than others. */
  private dirpref(home: number): number {
    const { fs } = this;
    const ifree = (this.total('nifree') / fs.ncg) * 0.75;
    const bfree = (this.total('nbfree') / fs.ncg) * 0.75;
    const dirs = this.total('ndir') / fs.ncg + fs.ipg / 16;
    for (let i = 0; i < fs.ncg; i++) {
      const cg = (home + i) % fs.ncg;
      const fits =
        this.summary(cg, 'nifree') >= ifree &&
        this.summary(cg, 'nbfree') >= bfree &&
        this.summary(cg, 'ndir') < dirs;
      if (fits) return cg;
    }
    return home;
  }

  /** UFS2's inodes are written for the first time when they, or nearly they, are needed. */
  private init_inodes(cg: number, bp: buf, bit: number): void {
    const { fs } = this;
    const { initediblk } = fs.layout.cg;
    let inited = initediblk.get(bp.b_data, 0);
    while (inited < fs.ipg && bit + fs.inopb > inited) {
      const at = fs.cgstart(cg) + fs.iblkno + Math.floor(inited / fs.inopb) * fs.frag;
      fs.cache.clrbuf(fs.blkno_of(at));
      inited += fs.inopb;
    }
    initediblk.put(bp.b_data, 0, Math.min(inited, fs.ipg));
  }

  free_inode(ino: number, isDirectory: boolean): void {
    const { fs } = this;
    const cg = Math.floor(ino / fs.ipg);
    const bit = ino % fs.ipg;
    const bp = this.cgp(cg);
    const b = bp.b_data;
    const byte = fs.layout.cg.iusedoff.get(b, 0) + (bit >> 3);
    if ((b[byte]! & (1 << (bit & 7))) === 0) {
      fs.damage(`inode ${ino} is freed and was free`);
      return;
    }
    b[byte]! &= ~(1 << (bit & 7));
    const { irotor } = fs.layout.cg;
    if (bit < irotor.get(b, 0)) irotor.put(b, 0, bit);
    this.add(cg, bp, 'nifree', 1);
    if (isDirectory) this.add(cg, bp, 'ndir', -1);
    fs.cache.bdwrite(bp);
  }

  /** Where an inode lies. @throws ESTALE there is none of that number. */
  inode_at(ino: number): { bp: buf; off: number } {
    const { fs } = this;
    if (!Number.isInteger(ino) || ino < 2 || ino >= fs.ncg * fs.ipg) {
      throw new NetbsdErrno('ESTALE', `inode ${ino}`);
    }
    const cg = Math.floor(ino / fs.ipg);
    const index = ino % fs.ipg;
    const at = fs.cgstart(cg) + fs.iblkno + Math.floor(index / fs.inopb) * fs.frag;
    if (at + fs.frag > fs.size) throw new NetbsdErrno('ESTALE', `inode ${ino}`);
    const bp = fs.cache.bread(fs.blkno_of(at));
    return { bp, off: (index % fs.inopb) * fs.dinode_bytes };
  }
}

/** The first zero bit from `from` on, then from the start; -1: none below `count`. */
function find_zero(b: Uint8Array, off: number, from: number, count: number): number {
  const start = from < count ? from : 0;
  for (let i = 0, bit = start; i < count; ) {
    if ((bit & 7) === 0 && bit + 8 <= count && b[off + (bit >> 3)] === 0xff) {
      bit += 8;
      i += 8;
    } else {
      if ((b[off + (bit >> 3)]! & (1 << (bit & 7))) === 0) return bit;
      bit++;
      i++;
    }
    if (bit >= count) bit = 0;
  }
  return -1;
}
