/**
 * Directories: blocks of 512 bytes, of records. Each record leads to the next; the last one ends
 * with its block. A record that is removed is joined to the one before it.
 *
 * A directory that is looked into gets a table of its names (NetBSD's dirhash), so that looking a
 * name up costs no search. Records that cannot be are reported, and what follows them in their
 * block is left alone. Whiteouts, which hide names in union mounts, are kept and not shown.
 */
import type { buf } from '../../buf.js';
import { bytesToName, putName } from '../../../lump/types.js';
import { VDIR, VNON, type ByteName, type puffs_nextdent } from '../../../puffs/puffs.js';
import { dt_to_vtype, vtype_to_dt } from '../../../puffs/vattr.js';
import type { ffs_bmap } from './ffs_bmap.js';
import type { ffs_inode } from './ffs_inode.js';
import type { ffs_super } from './ffs_super.js';
import { DIRBLKSIZ, DIRECT_BYTES, DT_WHT, UFS_DIRSIZ, UFS_WINO } from './medium.js';

/** A record, as the walk through a block finds it. */
interface record {
  /** In the buffer. */
  off: number;
  /** Of the record before it in its block; -1: it is the first. */
  prev: number;
  reclen: number;
  /** 0: not used, or a whiteout. */
  ino: number;
  is_free: boolean;
}

/** A directory block in its buffer. */
interface dirblk {
  readonly bp: buf;
  readonly start: number;
}

/** Room for a name of usual length; blocks with less are not looked at again. */
const USUAL_ROOM = UFS_DIRSIZ(16);

export class ffs_directory {
  private readonly fs: ffs_super;
  private readonly bmap: ffs_bmap;

  constructor(fs: ffs_super, bmap: ffs_bmap) {
    this.fs = fs;
    this.bmap = bmap;
  }

  lookup(dir: ffs_inode, name: ByteName): number {
    const at = this.hash(dir).get(name);
    if (at === undefined) return 0;
    const { bp, start } = this.at(dir, at);
    return this.fs.layout.direct.ino.get(bp.b_data, start + (at % DIRBLKSIZ));
  }

  /** The directory may grow; the inode is the caller's to store. @throws ENOSPC. */
  enter(dir: ffs_inode, name: ByteName, ino: number, vtype: number): void {
    const hash = this.hash(dir);
    const wanted = UFS_DIRSIZ(name.length);
    const blocks = Math.floor(dir.i_size / DIRBLKSIZ);
    for (let n = wanted <= USUAL_ROOM ? dir.i_dirroom : 0; n < blocks; n++) {
      const block = this.block(dir, n);
      const off = block === null ? -1 : this.make_room(dir, block, wanted);
      if (block !== null && off >= 0) {
        this.put(block.bp, off, ino, name, vtype);
        hash.set(name, n * DIRBLKSIZ + off - block.start);
        return;
      }
      if (wanted <= USUAL_ROOM && n === dir.i_dirroom) dir.i_dirroom = n + 1;
    }
    const { bp, start } = this.append(dir);
    this.put(bp, start, ino, name, vtype);
    hash.set(name, blocks * DIRBLKSIZ);
  }

  remove(dir: ffs_inode, name: ByteName): void {
    const { direct } = this.fs.layout;
    const hash = this.hash(dir);
    const position = hash.get(name)!;
    const block = this.at(dir, position);
    const b = block.bp.b_data;
    const off = block.start + (position % DIRBLKSIZ);
    for (const record of this.records(dir, block)) {
      if (record.off !== off) continue;
      if (record.prev < 0) direct.ino.put(b, off, 0);
      else direct.reclen.put(b, record.prev, off - record.prev + record.reclen);
      break;
    }
    this.fs.cache.bdwrite(block.bp);
    hash.delete(name);
    dir.i_dirroom = Math.min(dir.i_dirroom, Math.floor(position / DIRBLKSIZ));
  }

  rewrite(dir: ffs_inode, name: ByteName, ino: number, vtype: number): void {
    const position = this.hash(dir).get(name);
    if (position === undefined) throw this.fs.eio(`directory ${dir.i_number} has no "${name}"`);
    const { bp, start } = this.at(dir, position);
    const off = start + (position % DIRBLKSIZ);
    const { direct } = this.fs.layout;
    direct.ino.put(bp.b_data, off, ino);
    if (!this.fs.has_old_dirs) direct.type.put(bp.b_data, off, vtype_to_dt(vtype));
    this.fs.cache.bdwrite(bp);
  }

  is_empty(dir: ffs_inode): boolean {
    for (const name of this.hash(dir).keys()) {
      if (name !== '.' && name !== '..') return false;
    }
    return true;
  }

  /** "." and ".." of a new directory. @throws ENOSPC. */
  begin(dir: ffs_inode, parent: number): void {
    const { bp, start } = this.append(dir);
    const { direct } = this.fs.layout;
    const first = UFS_DIRSIZ(1);
    direct.reclen.put(bp.b_data, start, first);
    direct.reclen.put(bp.b_data, start + first, DIRBLKSIZ - first);
    this.put(bp, start, dir.i_number, '.', VDIR);
    this.put(bp, start + first, parent, '..', VDIR);
  }

  /** Offsets are those of the records; one that is gone stands for the next. */
  readdir(dir: ffs_inode, offset: number, emit: puffs_nextdent): boolean {
    const blocks = Math.floor(dir.i_size / DIRBLKSIZ);
    for (let n = Math.floor(Math.max(0, offset) / DIRBLKSIZ); n < blocks; n++) {
      const block = this.block(dir, n);
      if (block === null) continue;
      for (const { off, reclen, ino } of this.records(dir, block)) {
        const at = n * DIRBLKSIZ + off - block.start;
        if (at < offset || ino === 0) continue;
        const name = this.name(block.bp, off);
        if (!is_name(name)) {
          this.fs.damage(`directory ${dir.i_number} has an entry that is no name`);
          continue;
        }
        if (!emit(name, ino, this.type(block.bp, off), at + reclen)) return false;
      }
    }
    return true;
  }

  private hash(dir: ffs_inode): Map<ByteName, number> {
    if (dir.i_dirhash !== null) return dir.i_dirhash;
    const hash = new Map<ByteName, number>();
    const blocks = Math.floor(dir.i_size / DIRBLKSIZ);
    for (let n = 0; n < blocks; n++) {
      const block = this.block(dir, n);
      if (block === null) continue;
      for (const { off, ino } of this.records(dir, block)) {
        if (ino === 0) continue;
        const name = this.name(block.bp, off);
        // Of two that are the same the first one is found.
        if (is_name(name) && !hash.has(name)) hash.set(name, n * DIRBLKSIZ + off - block.start);
      }
    }
    dir.i_dirhash = hash;
    return hash;
  }

  /** null: a hole, which no directory has. */
  private block(dir: ffs_inode, n: number): dirblk | null {
    const { fs } = this;
    const position = n * DIRBLKSIZ;
    const within = position % fs.bsize;
    const { fragment } = this.bmap.lookup(dir, Math.floor(position / fs.bsize), 1);
    if (fragment === 0) {
      fs.damage(`directory ${dir.i_number} has a hole at byte ${position}`);
      return null;
    }
    const bp = fs.cache.bread(fs.blkno_of(fragment));
    return { bp, start: fs.offset_of(fragment) + within };
  }

  private at(dir: ffs_inode, position: number): dirblk {
    const block = this.block(dir, Math.floor(position / DIRBLKSIZ));
    if (block === null) throw this.fs.eio(`directory ${dir.i_number}: byte ${position} is gone`);
    return block;
  }

  /** One more block, empty: a record that is not used. */
  private append(dir: ffs_inode): dirblk {
    const { fs } = this;
    const position = dir.i_size;
    const within = position % fs.bsize;
    const lbn = Math.floor(position / fs.bsize);
    const { fragment } = this.bmap.balloc(dir, lbn, position + DIRBLKSIZ, 1);
    const bp = fs.cache.bread(fs.blkno_of(fragment));
    const start = fs.offset_of(fragment) + within;
    dir.i_size += DIRBLKSIZ;
    // The rest of its fragment, too.
    const end = start + fs.fsize - (within % fs.fsize);
    bp.b_data.fill(0, start, end);
    fs.layout.direct.reclen.put(bp.b_data, start, DIRBLKSIZ);
    fs.cache.bdwrite(bp);
    return { bp, start };
  }

  private *records(dir: ffs_inode, { bp, start }: dirblk): Generator<record, void, void> {
    const { direct } = this.fs.layout;
    const { b_data } = bp;
    const end = start + DIRBLKSIZ;
    const record: record = { off: 0, prev: -1, reclen: 0, ino: 0, is_free: true };
    for (let off = start; off < end; ) {
      const reclen = direct.reclen.get(b_data, off);
      const namlen = this.namlen(b_data, off);
      const ino = direct.ino.get(b_data, off);
      const least = ino === 0 ? DIRECT_BYTES : UFS_DIRSIZ(namlen);
      if (reclen < least || (reclen & 3) !== 0 || off + reclen > end || namlen > 255) {
        const where = `directory ${dir.i_number}, block ${bp.b_blkno}, byte ${off}`;
        this.fs.damage(`${where}: a record of ${reclen} bytes with a name of ${namlen}`);
        return;
      }
      const isHidden = ino === UFS_WINO && direct.type.get(b_data, off) === DT_WHT;
      record.off = off;
      record.reclen = reclen;
      record.ino = isHidden ? 0 : ino;
      record.is_free = ino === 0;
      yield record;
      record.prev = off;
      off += reclen;
    }
  }

  /** Splits a record, or takes an unused one. @returns its place, its length set; -1: no room. */
  private make_room(dir: ffs_inode, block: dirblk, wanted: number): number {
    const { direct } = this.fs.layout;
    const b = block.bp.b_data;
    for (const { off, reclen, is_free } of this.records(dir, block)) {
      if (is_free) {
        if (reclen >= wanted) return off;
        continue;
      }
      const used = UFS_DIRSIZ(this.namlen(b, off));
      if (reclen - used < wanted) continue;
      direct.reclen.put(b, off, used);
      direct.reclen.put(b, off + used, reclen - used);
      return off + used;
    }
    return -1;
  }

  private put(bp: buf, off: number, ino: number, name: ByteName, vtype: number): void {
    const { direct } = this.fs.layout;
    const b = bp.b_data;
    direct.ino.put(b, off, ino);
    if (this.fs.has_old_dirs) {
      direct.old_namlen.put(b, off, name.length);
    } else {
      direct.type.put(b, off, vtype_to_dt(vtype));
      direct.namlen.put(b, off, name.length);
    }
    putName(b, off + DIRECT_BYTES, name);
    b.fill(0, off + DIRECT_BYTES + name.length, off + UFS_DIRSIZ(name.length));
    this.fs.cache.bdwrite(bp);
  }

  private namlen(b: Uint8Array, off: number): number {
    const { direct } = this.fs.layout;
    return (this.fs.has_old_dirs ? direct.old_namlen : direct.namlen).get(b, off);
  }

  private name({ b_data }: buf, off: number): ByteName {
    const start = off + DIRECT_BYTES;
    return bytesToName(b_data, start, start + this.namlen(b_data, off));
  }

  /** DT_…; the medium's are the waist's, and what is none is unknown. */
  private type({ b_data }: buf, off: number): number {
    if (this.fs.has_old_dirs) return vtype_to_dt(VNON);
    return vtype_to_dt(dt_to_vtype(this.fs.layout.direct.type.get(b_data, off)));
  }
}

/** What no path can reach, or would leave the directory, is no name. */
function is_name(name: ByteName): boolean {
  return name !== '' && !name.includes('/') && !name.includes('\0');
}
