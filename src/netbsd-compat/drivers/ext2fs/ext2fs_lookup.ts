/**
 * Directories: blocks of records. Each record leads to the next; the last one ends with its block.
 * A record that is removed is joined to the one before it.
 *
 * A directory that is looked into gets a table of its names (NetBSD's dirhash), so that looking a
 * name up costs no search. Records that cannot be are reported, and what follows them in their
 * block is left alone.
 */
import type { buf } from '../../buf.js';
import { bytesToName, putName } from '../../../lump/types.js';
import { VDIR, VNON, type ByteName, type puffs_nextdent } from '../../../puffs/puffs.js';
import { vtype_to_dt } from '../../../puffs/vattr.js';
import type { ext2fs_bmap } from './ext2fs_bmap.js';
import type { ext2_inode } from './ext2fs_inode.js';
import type { ext2fs_super } from './ext2fs_super.js';
import {
  E2D_TYPE_OF_VTYPE,
  e2d,
  EXT2_DIRENT_BYTES,
  EXT2_DIRSIZ,
  EXT2_INDEX_FL,
  VTYPE_OF_E2D_TYPE,
} from './medium.js';

/** A record, as the walk through a block finds it. */
interface record {
  off: number;
  /** Of the record before it in its block; -1: it is the first. */
  prev: number;
  reclen: number;
  ino: number;
}

/** Room for a name of usual length; blocks with less are not looked at again. */
const USUAL_ROOM = EXT2_DIRSIZ(16);

export class ext2fs_directory {
  private readonly fs: ext2fs_super;
  private readonly bmap: ext2fs_bmap;

  constructor(fs: ext2fs_super, bmap: ext2fs_bmap) {
    this.fs = fs;
    this.bmap = bmap;
  }

  lookup(dir: ext2_inode, name: ByteName): number {
    const at = this.hash(dir).get(name);
    if (at === undefined) return 0;
    const { bp, off } = this.at(dir, at);
    return e2d.ino.get(bp.b_data, off);
  }

  /** The directory may grow; i_size is the caller's to store. */
  enter(dir: ext2_inode, name: ByteName, ino: number, vtype: number): void {
    const hash = this.hash(dir);
    const wanted = EXT2_DIRSIZ(name.length);
    const blocks = dir.i_size / this.fs.bsize;
    for (let lbn = wanted <= USUAL_ROOM ? dir.i_dirroom : 0; lbn < blocks; lbn++) {
      const bp = this.block(dir, lbn);
      if (bp === null) continue;
      const off = this.make_room(dir, bp, wanted);
      if (off >= 0) {
        this.put(bp, off, ino, name, vtype);
        hash.set(name, lbn * this.fs.bsize + off);
        this.changed(dir);
        return;
      }
      if (wanted <= USUAL_ROOM && lbn === dir.i_dirroom) dir.i_dirroom = lbn + 1;
    }
    const { blkno } = this.bmap.balloc(dir, blocks);
    const bp = this.fs.cache.clrbuf(blkno);
    e2d.reclen.put(bp.b_data, 0, this.fs.bsize);
    this.put(bp, 0, ino, name, vtype);
    dir.i_size += this.fs.bsize;
    hash.set(name, blocks * this.fs.bsize);
    this.changed(dir);
  }

  remove(dir: ext2_inode, name: ByteName): void {
    const hash = this.hash(dir);
    const at = hash.get(name)!;
    const { bp, off } = this.at(dir, at);
    for (const record of this.records(dir, bp)) {
      if (record.off !== off) continue;
      if (record.prev < 0) {
        e2d.ino.put(bp.b_data, off, 0);
      } else {
        e2d.reclen.put(bp.b_data, record.prev, off - record.prev + record.reclen);
      }
      break;
    }
    this.fs.cache.bdwrite(bp);
    hash.delete(name);
    dir.i_dirroom = Math.min(dir.i_dirroom, Math.floor(at / this.fs.bsize));
    this.changed(dir);
  }

  rewrite(dir: ext2_inode, name: ByteName, ino: number, vtype: number): void {
    const at = this.hash(dir).get(name);
    if (at === undefined) throw this.fs.eio(`directory ${dir.i_number} has no "${name}"`);
    const { bp, off } = this.at(dir, at);
    e2d.ino.put(bp.b_data, off, ino);
    if (this.fs.has_filetype) e2d.type.put(bp.b_data, off, E2D_TYPE_OF_VTYPE[vtype]!);
    this.fs.cache.bdwrite(bp);
    this.changed(dir);
  }

  is_empty(dir: ext2_inode): boolean {
    for (const name of this.hash(dir).keys()) {
      if (name !== '.' && name !== '..') return false;
    }
    return true;
  }

  /** "." and ".." of a new directory. */
  begin(dir: ext2_inode, parent: number): void {
    const { blkno } = this.bmap.balloc(dir, 0);
    const bp = this.fs.cache.clrbuf(blkno);
    const first = EXT2_DIRSIZ(1);
    e2d.reclen.put(bp.b_data, 0, first);
    this.put(bp, 0, dir.i_number, '.', VDIR);
    e2d.reclen.put(bp.b_data, first, this.fs.bsize - first);
    this.put(bp, first, parent, '..', VDIR);
    dir.i_size = this.fs.bsize;
  }

  /** Offsets are those of the records; one that is gone stands for the next. */
  readdir(dir: ext2_inode, offset: number, emit: puffs_nextdent): boolean {
    const { bsize } = this.fs;
    const blocks = Math.floor(dir.i_size / bsize);
    for (let lbn = Math.floor(Math.max(0, offset) / bsize); lbn < blocks; lbn++) {
      const bp = this.block(dir, lbn);
      if (bp === null) continue;
      for (const { off, reclen, ino } of this.records(dir, bp)) {
        const at = lbn * bsize + off;
        if (at < offset || ino === 0) continue;
        const name = this.name(bp, off);
        if (!is_name(name)) {
          this.fs.damage(`directory ${dir.i_number} has an entry that is no name`);
          continue;
        }
        const dtype = this.fs.has_filetype ? this.vtype(bp, off) : VNON;
        if (!emit(name, ino, vtype_to_dt(dtype), at + reclen)) return false;
      }
    }
    return true;
  }

  private hash(dir: ext2_inode): Map<ByteName, number> {
    if (dir.i_dirhash !== null) return dir.i_dirhash;
    const hash = new Map<ByteName, number>();
    const { bsize } = this.fs;
    const blocks = Math.floor(dir.i_size / bsize);
    for (let lbn = 0; lbn < blocks; lbn++) {
      const bp = this.block(dir, lbn);
      if (bp === null) continue;
      for (const { off, ino } of this.records(dir, bp)) {
        if (ino === 0) continue;
        const name = this.name(bp, off);
        // Of two that are the same the first one is found.
        if (is_name(name) && !hash.has(name)) hash.set(name, lbn * bsize + off);
      }
    }
    dir.i_dirhash = hash;
    return hash;
  }

  /** null: a hole, which no directory has. */
  private block(dir: ext2_inode, lbn: number): buf | null {
    const { blkno, span } = this.bmap.lookup(dir, lbn);
    if (blkno !== 0) return this.fs.cache.bread(blkno);
    if (span >= 1) this.fs.damage(`directory ${dir.i_number} has a hole at block ${lbn}`);
    return null;
  }

  private at(dir: ext2_inode, position: number): { bp: buf; off: number } {
    const bp = this.block(dir, Math.floor(position / this.fs.bsize));
    if (bp === null) throw this.fs.eio(`directory ${dir.i_number}: block ${position} is gone`);
    return { bp, off: position % this.fs.bsize };
  }

  private *records(dir: ext2_inode, bp: buf): Generator<record, void, void> {
    const { b_data } = bp;
    const record: record = { off: 0, prev: -1, reclen: 0, ino: 0 };
    for (let off = 0; off < b_data.length; ) {
      const reclen = e2d.reclen.get(b_data, off) || (b_data.length === 65536 ? 65536 : 0);
      const namlen = e2d.namlen.get(b_data, off);
      if (
        reclen < EXT2_DIRSIZ(1) ||
        (reclen & 3) !== 0 ||
        off + reclen > b_data.length ||
        EXT2_DIRENT_BYTES + namlen > reclen
      ) {
        const where = `directory ${dir.i_number}, block ${bp.b_blkno}, byte ${off}`;
        this.fs.damage(`${where}: a record of ${reclen} bytes with a name of ${namlen}`);
        return;
      }
      record.off = off;
      record.reclen = reclen;
      record.ino = e2d.ino.get(b_data, off);
      yield record;
      record.prev = off;
      off += reclen;
    }
  }

  /** Splits a record, or takes an unused one. @returns its place, its length set; -1: no room. */
  private make_room(dir: ext2_inode, bp: buf, wanted: number): number {
    for (const { off, reclen, ino } of this.records(dir, bp)) {
      if (ino === 0) {
        if (reclen >= wanted) return off;
        continue;
      }
      const used = EXT2_DIRSIZ(e2d.namlen.get(bp.b_data, off));
      if (reclen - used < wanted) continue;
      e2d.reclen.put(bp.b_data, off, used);
      e2d.reclen.put(bp.b_data, off + used, reclen - used);
      return off + used;
    }
    return -1;
  }

  private put(bp: buf, off: number, ino: number, name: ByteName, vtype: number): void {
    e2d.ino.put(bp.b_data, off, ino);
    e2d.namlen.put(bp.b_data, off, name.length);
    e2d.type.put(bp.b_data, off, this.fs.has_filetype ? E2D_TYPE_OF_VTYPE[vtype]! : 0);
    putName(bp.b_data, off + EXT2_DIRENT_BYTES, name);
    this.fs.cache.bdwrite(bp);
  }

  private name({ b_data }: buf, off: number): ByteName {
    const start = off + EXT2_DIRENT_BYTES;
    return bytesToName(b_data, start, start + e2d.namlen.get(b_data, off));
  }

  private vtype({ b_data }: buf, off: number): number {
    return VTYPE_OF_E2D_TYPE[e2d.type.get(b_data, off)] ?? VNON;
  }

  /** Whoever changes an indexed directory without its index must take the mark of it away. */
  private changed(dir: ext2_inode): void {
    dir.e2di_flags &= ~EXT2_INDEX_FL;
  }
}

/** What no path can reach, or would leave the directory, is no name. */
function is_name(name: ByteName): boolean {
  return name !== '' && !name.includes('/') && !name.includes('\0');
}
