/** ext2: the medium as {@link genfs_medium} wants it, and the operations on the whole. */
import { gathered } from '../../buf.js';
import { NetbsdErrno } from '../../errno.js';
import type { genfs_limits, genfs_new, genfs_time } from '../../genfs_node.js';
import { genfs_vfsops, type genfs_fs } from '../../genfs_vfsops.js';
import { genfs_vnops } from '../../genfs_vnops.js';
import { vfs_module } from '../../module.js';
import type { disk } from '../../disk/disk.js';
import { bytesToName, putName } from '../../../lump/types.js';
import type { Lump } from '../../../lump/lump.js';
import {
  VBLK,
  VCHR,
  VDIR,
  VLNK,
  VNON,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
} from '../../../puffs/puffs.js';
import { mode_to_vtype, vtype_to_mode } from '../../../puffs/vattr.js';
import { ext2fs_bmap } from './ext2fs_bmap.js';
import { ext2_inode } from './ext2fs_inode.js';
import { ext2fs_recover } from './ext2fs_journal.js';
import { ext2fs_directory } from './ext2fs_lookup.js';
import { ext2fs_super } from './ext2fs_super.js';
import { ext2fs_xattr } from './ext2fs_xattr.js';
import type { field } from '../../structure.js';
import {
  e2di,
  e2fs,
  E2FS_ERRORS,
  E2FS_ISCLEAN,
  EXT2_EXTRA_ISIZE,
  EXT2_INODE_BYTES,
  EXT2_LINK_MAX,
  EXT2_NAME_MAX,
  EXT2_ROOTINO,
  EXT2F_ROCOMPAT_LARGEFILE,
  NDADDR,
  NIADDR,
} from './medium.js';

/** Short symbolic links lie in the place of the block pointers, with a NUL. */
const FAST_SYMLINK_MAX = (NDADDR + NIADDR) * 4 - 1;
const INT32_MAX = 0x7fff_ffff;
const S_IFMT = 0o170000;

export class ext2fs implements genfs_fs<ext2_inode> {
  readonly super: ext2fs_super;
  readonly limits: genfs_limits;
  /** In the old revision there is no place for the feature's bit. */
  readonly extattr?: ext2fs_xattr;
  readonly root = EXT2_ROOTINO;
  readonly vnops = new genfs_vnops<ext2_inode>(this);
  private readonly xattrs: ext2fs_xattr;
  private readonly bmap: ext2fs_bmap;
  private readonly dirs: ext2fs_directory;
  /** s_state when it was mounted for writing; null: it is not. */
  private state: number | null = null;

  constructor(lump: Lump, disk: disk) {
    this.super = new ext2fs_super(lump, disk);
    this.bmap = new ext2fs_bmap(this.super);
    this.dirs = new ext2fs_directory(this.super, this.bmap);
    this.xattrs = new ext2fs_xattr(this.super);
    if (this.super.sb_get(e2fs.rev) > 0) this.extattr = this.xattrs;
    const { bsize, inode_size } = this.super;
    const hasExtra = inode_size >= EXT2_INODE_BYTES + EXT2_EXTRA_ISIZE;
    this.limits = {
      nameBytes: EXT2_NAME_MAX,
      links: EXT2_LINK_MAX,
      symlinkBytes: bsize - 1,
      // i_blocks counts in 512 bytes, up to 2^32, pointer blocks included.
      fileBytes: Math.min(this.bmap.blocks_max * bsize, 2 ** 32 * 512 - 2 ** 32),
      timeSecMin: -INT32_MAX - 1,
      timeSecMax: hasExtra ? INT32_MAX + 3 * 2 ** 32 : INT32_MAX,
      timeGranularityNsec: hasExtra ? 1 : 1e9,
      blockBytes: bsize,
    };
  }

  // ---- mounting ---------------------------------------------------------------------------------

  get volume(): ext2fs_super {
    return this.super;
  }

  private get is_clean(): boolean {
    const state = this.super.sb_get(e2fs.state);
    return (state & E2FS_ISCLEAN) !== 0 && (state & E2FS_ERRORS) === 0;
  }

  open_writing(force: boolean): void {
    const { super: sb } = this;
    if (!this.is_clean && !force) {
      throw new NetbsdErrno('EROFS', 'it was not unmounted cleanly: run e2fsck -f, or use force');
    }
    if (sb.readonly_reason !== '') throw new NetbsdErrno('EROFS', sb.readonly_reason);
    this.state = sb.sb_get(e2fs.state);
    sb.sb_put(e2fs.state, this.state & ~E2FS_ISCLEAN);
    sb.sb_put(e2fs.mtime, sb.lump.ktime_get_real_seconds());
    sb.sb_put(e2fs.mnt_count, (sb.sb_get(e2fs.mnt_count) + 1) & 0xffff);
    sb.cache.flush();
    this.free_orphans();
  }

  close_writing(): void {
    if (this.state === null) return;
    const { super: sb } = this;
    sb.cache.flush();
    const errors = sb.damaged > 0 ? E2FS_ERRORS : 0;
    sb.sb_put(e2fs.state, this.state | errors);
    sb.sb_put(e2fs.wtime, sb.lump.ktime_get_real_seconds());
    sb.cache.flush();
    this.state = null;
  }

  /** ext3 lists the files that were deleted while they were open; their space is given back. */
  private free_orphans(): void {
    const { super: sb } = this;
    let ino = sb.sb_get(e2fs.last_orphan);
    for (let left = sb.icount; ino !== 0 && left > 0; left--) {
      const node = this.load(ino);
      const { bp, off } = sb.inode_at(ino);
      const next = e2di.dtime.get(bp.b_data, off);
      if (node.i_nlink === 0) this.free(node);
      else if (node.i_type === VREG) this.truncate(node, node.i_size);
      ino = next;
    }
    sb.sb_put(e2fs.last_orphan, 0);
  }

  // ---- inodes -----------------------------------------------------------------------------------

  /** @throws ESTALE no inode, or a free one. */
  load(ino: number): ext2_inode {
    const { bp, off } = this.super.inode_at(ino);
    const b = bp.b_data;
    const mode = e2di.mode.get(b, off);
    const type = mode_to_vtype(mode & S_IFMT);
    if (type === VNON)
      throw new NetbsdErrno('ESTALE', `inode ${ino} has mode 0${mode.toString(8)}`);
    const node = new ext2_inode(ino, type);
    node.i_mode = mode & 0o7777;
    node.i_nlink = e2di.nlink.get(b, off);
    node.i_uid = e2di.uid.get(b, off) + e2di.uid_high.get(b, off) * 0x10000;
    node.i_gid = e2di.gid.get(b, off) + e2di.gid_high.get(b, off) * 0x10000;
    node.i_size = e2di.size.get(b, off);
    if (type === VREG) node.i_size += e2di.size_high.get(b, off) * 2 ** 32;
    const end = this.fields_end(b, off);
    node.i_atime = get_time(b, off, end, e2di.atime, e2di.atime_extra);
    node.i_mtime = get_time(b, off, end, e2di.mtime, e2di.mtime_extra);
    node.i_ctime = get_time(b, off, end, e2di.ctime, e2di.ctime_extra);
    if (has_field(end, e2di.crtime_extra)) {
      const birth = get_time(b, off, end, e2di.crtime, e2di.crtime_extra);
      // Who does not keep it leaves zeros.
      node.i_birthtime = birth.sec === 0 ? null : birth;
    }
    node.i_gen = e2di.gen.get(b, off);
    node.e2di_flags = e2di.flags.get(b, off);
    node.e2di_facl = e2di.facl.get(b, off);
    node.e2di_nblock = e2di.nblock.get(b, off);
    node.i_bytes = node.e2di_nblock * 512;
    for (let i = 0; i < NDADDR + NIADDR; i++) {
      node.e2di_blocks[i] = e2di.blocks.get(b, off + 4 * i);
    }
    // A device's number stands in the first pointer, or in its long form in the second.
    if (type === VBLK || type === VCHR) node.i_rdev = node.e2di_blocks[0]! || node.e2di_blocks[1]!;
    if (type === VREG && node.i_size > this.limits.fileBytes) {
      throw this.super.eio(`inode ${ino} claims ${node.i_size} bytes`);
    }
    return node;
  }

  update(node: ext2_inode): void {
    const { super: sb } = this;
    const { bp, off } = sb.inode_at(node.i_number);
    const b = bp.b_data;
    e2di.mode.put(b, off, node.i_mode | vtype_to_mode(node.i_type));
    e2di.nlink.put(b, off, node.i_nlink);
    e2di.uid.put(b, off, node.i_uid);
    e2di.uid_high.put(b, off, node.i_uid >>> 16);
    e2di.gid.put(b, off, node.i_gid);
    e2di.gid_high.put(b, off, node.i_gid >>> 16);
    e2di.size.put(b, off, node.i_size);
    if (node.i_type === VREG) {
      e2di.size_high.put(b, off, Math.floor(node.i_size / 2 ** 32));
      if (node.i_size > INT32_MAX) this.need_large_file();
    }
    const end = this.fields_end(b, off);
    node.i_atime = put_time(b, off, end, e2di.atime, e2di.atime_extra, node.i_atime);
    node.i_mtime = put_time(b, off, end, e2di.mtime, e2di.mtime_extra, node.i_mtime);
    node.i_ctime = put_time(b, off, end, e2di.ctime, e2di.ctime_extra, node.i_ctime);
    e2di.flags.put(b, off, node.e2di_flags);
    e2di.facl.put(b, off, node.e2di_facl);
    e2di.nblock.put(b, off, node.e2di_nblock);
    for (let i = 0; i < NDADDR + NIADDR; i++) {
      e2di.blocks.put(b, off + 4 * i, node.e2di_blocks[i]!);
    }
    sb.cache.bdwrite(bp);
    sb.cache.balance();
  }

  /** Where the fields of an inode end that are in use: what is behind them is something else. */
  private fields_end(b: Uint8Array, off: number): number {
    const { inode_size } = this.super;
    if (inode_size === EXT2_INODE_BYTES) return inode_size;
    return Math.min(inode_size, EXT2_INODE_BYTES + e2di.extra_isize.get(b, off));
  }

  private need_large_file(): void {
    const { super: sb } = this;
    const features = sb.sb_get(e2fs.features_rocompat);
    if ((features & EXT2F_ROCOMPAT_LARGEFILE) === 0 && sb.sb_get(e2fs.rev) > 0) {
      sb.sb_put(e2fs.features_rocompat, features | EXT2F_ROCOMPAT_LARGEFILE);
    }
  }

  make(dir: ext2_inode, begin: genfs_new): number {
    const { super: sb } = this;
    const isDirectory = begin.type === VDIR;
    const ino = sb.alloc_inode(dir.i_number, isDirectory);
    const { bp, off } = sb.inode_at(ino);
    // Its number was used before, perhaps: file handles must see the difference.
    const gen = (e2di.gen.get(bp.b_data, off) + 1) >>> 0;
    bp.b_data.fill(0, off, off + sb.inode_size);
    e2di.gen.put(bp.b_data, off, gen);
    const node = new ext2_inode(ino, begin.type);
    if (sb.inode_size >= EXT2_INODE_BYTES + EXT2_EXTRA_ISIZE) {
      e2di.extra_isize.put(bp.b_data, off, EXT2_EXTRA_ISIZE);
      const end = EXT2_INODE_BYTES + EXT2_EXTRA_ISIZE;
      node.i_birthtime = begin.now;
      put_time(bp.b_data, off, end, e2di.crtime, e2di.crtime_extra, begin.now);
    }
    sb.cache.bdwrite(bp);
    node.i_mode = begin.mode;
    node.i_nlink = begin.nlink;
    node.i_uid = begin.uid;
    node.i_gid = begin.gid;
    node.i_atime = node.i_mtime = node.i_ctime = begin.now;
    if (begin.type === VBLK || begin.type === VCHR) {
      // The first form holds 8 bits of major and of minor.
      node.e2di_blocks[begin.rdev < 0x10000 ? 0 : 1] = begin.rdev;
    }
    try {
      if (isDirectory) this.dirs.begin(node, dir.i_number);
    } catch (error) {
      sb.free_inode(ino, isDirectory);
      throw error;
    }
    this.update(node);
    return ino;
  }

  free(node: ext2_inode): void {
    const { super: sb } = this;
    if (has_blocks(node)) this.bmap.free_from(node, 0);
    if (node.e2di_facl !== 0) this.xattrs.release_block(node);
    node.i_size = 0;
    node.i_nlink = 0;
    this.update(node);
    const { bp, off } = sb.inode_at(node.i_number);
    const { tv_sec } = sb.lump.ktime_get_real();
    e2di.dtime.put(bp.b_data, off, tv_sec);
    sb.cache.bdwrite(bp);
    sb.free_inode(node.i_number, node.i_type === VDIR);
    sb.cache.balance();
  }

  forget(node: ext2_inode): void {
    node.i_dirhash = null;
  }

  // ---- contents ---------------------------------------------------------------------------------

  truncate(node: ext2_inode, size: number): void {
    const { bsize, cache } = this.super;
    if (size < node.i_size) {
      const tail = size % bsize;
      if (tail !== 0) {
        const { blkno } = this.bmap.lookup(node, Math.floor(size / bsize));
        if (blkno !== 0) {
          const bp = cache.bread(blkno);
          bp.b_data.fill(0, tail);
          cache.bdwrite(bp);
        }
      }
    }
    this.bmap.free_from(node, Math.ceil(size / bsize));
    node.i_goal = 0;
    node.i_size = size;
  }

  read(node: ext2_inode, buf: Uint8Array, off: number, length: number, position: number): void {
    const { bsize, cache } = this.super;
    const run = new gathered((to, count, from) => cache.read_bytes(buf, to, count, from));
    for (let done = 0; done < length; ) {
      const at = position + done;
      const start = at % bsize;
      const { blkno, span } = this.bmap.lookup(node, Math.floor(at / bsize));
      const room = (blkno === 0 ? span * bsize : bsize) - start;
      const count = Math.min(room, length - done);
      if (blkno === 0) buf.fill(0, off + done, off + done + count);
      else run.add(off + done, count, blkno * bsize + start);
      done += count;
    }
    run.end();
  }

  write(node: ext2_inode, buf: Uint8Array, off: number, length: number, position: number): number {
    const { bsize, cache } = this.super;
    const run = new gathered((from, count, to) => cache.write_bytes(buf, from, count, to));
    let done = 0;
    try {
      while (done < length) {
        const at = position + done;
        const start = at % bsize;
        const count = Math.min(bsize - start, length - done);
        const { blkno, isNew } = this.bmap.balloc(node, Math.floor(at / bsize));
        if (count === bsize) {
          run.add(off + done, bsize, blkno * bsize);
        } else {
          const bp = isNew ? cache.clrbuf(blkno) : cache.bread(blkno);
          bp.b_data.set(buf.subarray(off + done, off + done + count), start);
          cache.bdwrite(bp);
        }
        done += count;
        if (at + count > node.i_size) node.i_size = at + count;
      }
    } catch (error) {
      if (!(error instanceof NetbsdErrno) || error.code !== 'ENOSPC') throw error;
    } finally {
      run.end();
    }
    // A pointer block may have been made for data that found no room.
    if (done < length) this.update(node);
    return done;
  }

  seek(node: ext2_inode, offset: number, hole: boolean): number {
    const { bsize, bcount } = this.super;
    let lbn = Math.floor(offset / bsize);
    const end = Math.ceil(node.i_size / bsize);
    // More blocks than the disk has only a damaged file can have.
    for (let steps = 0; lbn < end; steps++) {
      if (steps > bcount) throw this.super.eio(`inode ${node.i_number} has too many blocks`);
      const { blkno, span } = this.bmap.lookup(node, lbn);
      if ((blkno === 0) === hole) return Math.max(offset, lbn * bsize);
      lbn += blkno === 0 ? span : 1;
    }
    return -1;
  }

  readlink(node: ext2_inode): ByteName {
    const length = node.i_size;
    if (!has_blocks(node)) {
      const bytes = new Uint8Array(node.e2di_blocks.length * 4);
      node.e2di_blocks.forEach((word, i) => {
        e2di.blocks.put(bytes, 4 * i - e2di.blocks.at, word);
      });
      if (length > FAST_SYMLINK_MAX) throw this.super.eio(`symbolic link ${node.i_number}`);
      return bytesToName(bytes, 0, length);
    }
    if (length > this.super.bsize) throw this.super.eio(`symbolic link ${node.i_number}`);
    const bytes = new Uint8Array(length);
    this.read(node, bytes, 0, length, 0);
    return bytesToName(bytes);
  }

  symlink(node: ext2_inode, target: ByteName): void {
    const bytes = new Uint8Array(Math.max(target.length, FAST_SYMLINK_MAX + 1));
    putName(bytes, 0, target);
    if (target.length > FAST_SYMLINK_MAX) {
      const { blkno } = this.bmap.balloc(node, 0);
      const bp = this.super.cache.clrbuf(blkno);
      bp.b_data.set(bytes.subarray(0, target.length));
      this.super.cache.bdwrite(bp);
    } else {
      for (let i = 0; i < node.e2di_blocks.length; i++) {
        node.e2di_blocks[i] = e2di.blocks.get(bytes, 4 * i - e2di.blocks.at);
      }
    }
    node.i_size = target.length;
    this.update(node);
  }

  // ---- directories ------------------------------------------------------------------------------

  lookup(dir: ext2_inode, name: ByteName): number {
    return this.dirs.lookup(dir, name);
  }

  enter(dir: ext2_inode, name: ByteName, number: number, type: number): void {
    this.dirs.enter(dir, name, number, type);
    this.update(dir);
  }

  remove(dir: ext2_inode, name: ByteName): void {
    this.dirs.remove(dir, name);
    this.update(dir);
  }

  rewrite(dir: ext2_inode, name: ByteName, number: number, type: number): void {
    this.dirs.rewrite(dir, name, number, type);
    this.update(dir);
  }

  is_empty(dir: ext2_inode): boolean {
    return this.dirs.is_empty(dir);
  }

  readdir(dir: ext2_inode, offset: number, emit: puffs_nextdent): boolean {
    return this.dirs.readdir(dir, offset, emit);
  }

  sync(): void {
    this.super.cache.flush();
  }

  statvfs(out: puffs_statvfs): void {
    const { super: sb } = this;
    const reserved = sb.sb_get(e2fs.rbcount);
    out.f_bsize = out.f_frsize = sb.bsize;
    out.f_blocks = sb.bcount - sb.first_dblock;
    out.f_bfree = sb.sb_get(e2fs.fbcount);
    out.f_bavail = Math.max(0, out.f_bfree - reserved);
    out.f_files = sb.icount;
    out.f_ffree = out.f_favail = sb.sb_get(e2fs.ficount);
    out.f_namemax = EXT2_NAME_MAX;
  }
}

/** Are the pointers of the inode pointers? Not those of a device, a pipe, or a short link. */
function has_blocks({ i_type, i_size, e2di_nblock, e2di_facl }: ext2_inode): boolean {
  if (i_type === VREG || i_type === VDIR) return true;
  if (i_type !== VLNK) return false;
  return i_size > FAST_SYMLINK_MAX || (e2di_facl === 0 && e2di_nblock > 0);
}

/** Is the field among those in use? */
const has_field = (end: number, field: field): boolean => field.at + field.bytes <= end;

function get_time(b: Uint8Array, off: number, end: number, low: field, extra: field): genfs_time {
  const sec = low.get(b, off) | 0;
  if (!has_field(end, extra)) return { sec, nsec: 0 };
  const more = extra.get(b, off);
  const nsec = more >>> 2;
  return { sec: sec + (more & 3) * 2 ** 32, nsec: nsec < 1e9 ? nsec : 0 };
}

/** @returns what of it is kept. */
function put_time(
  b: Uint8Array,
  off: number,
  end: number,
  low: field,
  extra: field,
  { sec, nsec }: genfs_time,
): genfs_time {
  if (!has_field(end, extra)) {
    const kept = Math.min(sec, INT32_MAX);
    low.put(b, off, kept);
    return { sec: kept, nsec: 0 };
  }
  low.put(b, off, sec);
  extra.put(b, off, (nsec << 2) | ((sec - (sec | 0)) / 2 ** 32));
  return { sec, nsec };
}

export interface ext2fs_args {
  readonly disk: disk;
  /** Write also where it was not unmounted cleanly. */
  readonly force: boolean;
}

export const ext2fs_module = vfs_module(
  'ext2fs',
  genfs_vfsops<ext2fs_args>({
    vfs_name: 'ext2fs',
    uses_namecache: true,
    open: (lump, { disk }, is_readonly) =>
      new ext2fs(lump, ext2fs_recover(lump, disk, is_readonly)),
  }),
);
