/** FFS (UFS1, UFS2): the medium as {@link genfs_medium} wants it, and the operations on the whole. */
import { gathered, type buf } from '../../buf.js';
import { NetbsdErrno } from '../../errno.js';
import type { genfs_limits, genfs_new } from '../../genfs_node.js';
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
  VNON,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
} from '../../../puffs/puffs.js';
import { mode_to_vtype } from '../../../puffs/vattr.js';
import { ffs_alloc } from './ffs_alloc.js';
import { ffs_bmap } from './ffs_bmap.js';
import { ffs_extattr } from './ffs_extattr.js';
import { ffs_inode, load_dinode, store_dinode } from './ffs_inode.js';
import { ffs_directory } from './ffs_lookup.js';
import { ffs_super } from './ffs_super.js';
import { DIRBLKSIZ, FFS_MAXNAMLEN, FS_ISCLEAN, UFS_LINK_MAX, UFS_ROOTINO } from './medium.js';

const INT32_MAX = 0x7fff_ffff;
const S_IFMT = 0o170000;
/** A symbolic link's target is shorter than MAXPATHLEN. */
const SYMLINK_MAX = 1023;

class ffs implements genfs_fs<ffs_inode> {
  readonly super: ffs_super;
  readonly limits: genfs_limits;
  /** UFS1's inodes have no place for them. */
  readonly extattr?: ffs_extattr;
  readonly root = UFS_ROOTINO;
  readonly vnops = new genfs_vnops<ffs_inode>(this);
  private readonly allocator: ffs_alloc;
  private readonly bmap: ffs_bmap;
  private readonly dirs: ffs_directory;
  /** fs_clean when it was mounted for writing; null: it is not. */
  private clean: number | null = null;

  constructor(lump: Lump, disk: disk) {
    this.super = new ffs_super(lump, disk);
    this.allocator = new ffs_alloc(this.super);
    this.bmap = new ffs_bmap(this.super, this.allocator);
    this.dirs = new ffs_directory(this.super, this.bmap);
    if (this.super.is_ufs2) this.extattr = new ffs_extattr(this.super, this.allocator);
    const { bsize, is_ufs2, maxfilesize } = this.super;
    const blocks_max = this.bmap.blocks_max * bsize;
    this.limits = {
      nameBytes: FFS_MAXNAMLEN,
      links: UFS_LINK_MAX,
      symlinkBytes: SYMLINK_MAX,
      fileBytes: Math.min(
        blocks_max,
        maxfilesize > 0 ? maxfilesize : blocks_max,
        // UFS1's di_blocks counts in 512 bytes, up to 2^31, pointer blocks included.
        is_ufs2 ? Number.MAX_SAFE_INTEGER : 2 ** 31 * 512 - 2 ** 32,
      ),
      timeSecMin: is_ufs2 ? -(2 ** 52) : -INT32_MAX - 1,
      timeSecMax: is_ufs2 ? 2 ** 52 : INT32_MAX,
      timeGranularityNsec: 1,
      blockBytes: bsize,
      hasFlags: true,
    };
  }

  // ---- mounting ---------------------------------------------------------------------------------

  get volume(): ffs_super {
    return this.super;
  }

  open_reading(): void {
    const { lump, disk, journal, unclean_reason } = this.super;
    if (journal !== '' && unclean_reason !== '') {
      lump.pr_warn(`ffs: ${disk.name}: ${unclean_reason}; what is read may be damaged`);
    }
  }

  /** A journal that must be replayed cannot be forced. */
  open_writing(force: boolean): void {
    const { super: sb } = this;
    const refuse = (why: string): never => {
      throw new NetbsdErrno('EROFS', why);
    };
    if (sb.readonly_reason !== '') refuse(sb.readonly_reason);
    const unclean = sb.unclean_reason;
    if (unclean !== '' && sb.journal !== '') refuse(`${unclean}: run its system's fsck_ffs`);
    if (unclean !== '' && !force) refuse(`${unclean}: run its system's fsck_ffs, or use force`);
    const { fs } = sb.layout;
    this.clean = unclean === '' ? FS_ISCLEAN : 0;
    sb.sb_put(fs.clean, 0);
    sb.sb_put(fs.ronly, 0);
    sb.sb_put(fs.fmod, 0);
    sb.drop_features();
    sb.cache.flush();
  }

  close_writing(): void {
    if (this.clean === null) return;
    const { super: sb } = this;
    sb.cache.flush();
    const { fs } = sb.layout;
    sb.sb_put(sb.is_ufs2 ? fs.time : fs.old_time, sb.lump.ktime_get_real_seconds());
    sb.sb_put(fs.clean, sb.damaged > 0 ? 0 : this.clean);
    sb.cache.flush();
    this.clean = null;
  }

  // ---- inodes -----------------------------------------------------------------------------------

  /** @throws ESTALE no inode, or a free one; EIO it cannot be. */
  load(ino: number): ffs_inode {
    const { super: sb } = this;
    const { bp, off } = this.allocator.inode_at(ino);
    const mode = sb.layout.ufs1_dinode.mode.get(bp.b_data, off);
    const type = mode_to_vtype(mode & S_IFMT);
    if (type === VNON) {
      throw new NetbsdErrno('ESTALE', `inode ${ino} has mode 0${mode.toString(8)}`);
    }
    const node = new ffs_inode(ino, type);
    load_dinode(sb, node, bp.b_data, off);
    // What a directory has is on the disk; a file may have holes.
    const most = type === VREG ? this.limits.fileBytes : sb.size * sb.fsize;
    if (node.i_size < 0 || node.i_size > most) {
      throw sb.eio(`inode ${ino} claims ${node.i_size} bytes`);
    }
    if (type === VDIR && node.i_size % DIRBLKSIZ !== 0) {
      throw sb.eio(`directory ${ino} has ${node.i_size} bytes`);
    }
    return node;
  }

  update(node: ffs_inode): void {
    const { super: sb } = this;
    const { bp, off } = this.allocator.inode_at(node.i_number);
    store_dinode(sb, node, bp.b_data, off);
    sb.cache.bdwrite(bp);
    sb.cache.balance();
  }

  make(dir: ffs_inode, begin: genfs_new): number {
    const { super: sb } = this;
    const isDirectory = begin.type === VDIR;
    const ino = this.allocator.alloc_inode(dir.i_number, isDirectory);
    const { bp, off } = this.allocator.inode_at(ino);
    const { gen } = sb.is_ufs2 ? sb.layout.ufs2_dinode : sb.layout.ufs1_dinode;
    const node = new ffs_inode(ino, begin.type);
    // Its number was used before, perhaps: file handles must see the difference.
    node.i_gen = (gen.get(bp.b_data, off) + 1) >>> 0;
    bp.b_data.fill(0, off, off + sb.dinode_bytes);
    sb.cache.bdwrite(bp);
    node.i_mode = begin.mode;
    node.i_nlink = begin.nlink;
    node.i_uid = begin.uid;
    node.i_gid = begin.gid;
    node.i_atime = node.i_mtime = node.i_ctime = begin.now;
    node.i_birthtime = begin.now;
    if (begin.type === VBLK || begin.type === VCHR) node.i_rdev = begin.rdev;
    try {
      if (isDirectory) this.dirs.begin(node, dir.i_number);
    } catch (error) {
      this.allocator.free_inode(ino, isDirectory);
      throw error;
    }
    this.update(node);
    return ino;
  }

  free(node: ffs_inode): void {
    const { super: sb } = this;
    if (node.has_blocks) this.bmap.free_from(node, 0);
    this.extattr?.release(node);
    const { bp, off } = this.allocator.inode_at(node.i_number);
    const { gen } = sb.is_ufs2 ? sb.layout.ufs2_dinode : sb.layout.ufs1_dinode;
    bp.b_data.fill(0, off, off + sb.dinode_bytes);
    gen.put(bp.b_data, off, node.i_gen);
    sb.cache.bdwrite(bp);
    this.allocator.free_inode(node.i_number, node.i_type === VDIR);
    sb.cache.balance();
  }

  forget(node: ffs_inode): void {
    node.i_dirhash = null;
    node.i_extattrs = null;
  }

  // ---- contents ---------------------------------------------------------------------------------

  truncate(node: ffs_inode, size: number): void {
    if (size === node.i_size) return;
    if (size > node.i_size) {
      const before = node.i_size;
      try {
        this.extend_tail(node, size);
        node.i_size = size;
        this.end_in_block(node);
      } catch (error) {
        this.cut(node, before);
        this.update(node);
        throw error;
      }
      return;
    }
    this.cut(node, size);
    try {
      this.end_in_block(node);
    } catch (error) {
      // A hole at the end is no damage, only unusual.
      if (!(error instanceof NetbsdErrno) || error.code !== 'ENOSPC') throw error;
    }
  }

  /** The file loses what is behind `size`. */
  private cut(node: ffs_inode, size: number): void {
    const { bsize, fsize, frag, cache } = this.super;
    this.bmap.free_from(node, Math.ceil(size / bsize));
    this.bmap.shrink(node, size);
    node.i_size = size;
    node.i_goal = 0;
    const tail = size % bsize;
    if (tail === 0) return;
    const { fragment } = this.bmap.lookup(node, Math.floor(size / bsize), 1);
    if (fragment === 0) return;
    const bp = cache.bread(this.super.blkno_of(fragment));
    const start = this.super.offset_of(fragment);
    // What is read behind the end, once the file is longer again, is zeros.
    const held = this.bmap.fragments_of(size, Math.floor(size / bsize));
    bp.b_data.fill(0, start + tail, start + Math.min(held, frag) * fsize);
    cache.bdwrite(bp);
  }

  /**
   * Before a file grows: its last block gets the fragments that it has in a file of `size`, zeros
   * in them, and i_size goes up as far as they hold.
   */
  private extend_tail(node: ffs_inode, size: number): void {
    const { super: sb } = this;
    const { bsize, fsize } = sb;
    const tail = node.i_size % bsize;
    if (tail === 0) return;
    const lbn = Math.floor(node.i_size / bsize);
    const end = Math.min(size, (lbn + 1) * bsize);
    if (this.bmap.lookup(node, lbn, 1).fragment !== 0) {
      const { fragment, fragments } = this.bmap.balloc(node, lbn, end, 1);
      const bp = sb.cache.bread(sb.blkno_of(fragment));
      const start = sb.offset_of(fragment);
      bp.b_data.fill(0, start + tail, start + fragments * fsize);
      sb.cache.bdwrite(bp);
    }
    node.i_size = end;
  }

  /** No file ends with a hole: its last block is there, if with zeros. @throws ENOSPC. */
  private end_in_block(node: ffs_inode): void {
    const { super: sb } = this;
    if (node.i_size === 0) return;
    const lbn = Math.ceil(node.i_size / sb.bsize) - 1;
    if (this.bmap.lookup(node, lbn, 1).fragment !== 0) return;
    const { fragment, fragments } = this.bmap.balloc(node, lbn, node.i_size, 1);
    sb.cache.bdwrite(this.fresh_block(fragment, fragments));
  }

  /** The buffer of fragments that were just allocated, zeros; what else is in the block is in it. */
  private fresh_block(fragment: number, fragments: number): buf {
    const { super: sb } = this;
    const isWhole = fragments === sb.frag || this.allocator.is_fresh;
    const blkno = sb.blkno_of(fragment);
    const bp = isWhole ? sb.cache.getblk(blkno) : sb.cache.bread(blkno);
    const start = sb.offset_of(fragment);
    bp.b_data.fill(0, start, start + fragments * sb.fsize);
    return bp;
  }

  read(node: ffs_inode, buf: Uint8Array, off: number, length: number, position: number): void {
    const { bsize, fsize, cache } = this.super;
    for (let done = 0; done < length; ) {
      const at = position + done;
      const within = at % bsize;
      const wanted = Math.ceil((within + length - done) / bsize);
      const { fragment, blocks } = this.bmap.lookup(node, Math.floor(at / bsize), wanted);
      const count = Math.min(blocks * bsize - within, length - done);
      if (fragment === 0) buf.fill(0, off + done, off + done + count);
      else cache.read_bytes(buf, off + done, count, fragment * fsize + within);
      done += count;
    }
  }

  write(node: ffs_inode, buf: Uint8Array, off: number, length: number, position: number): number {
    const { super: sb } = this;
    const { bsize, fsize, cache } = sb;
    const before = node.i_size;
    const end = position + length;
    const run = new gathered((from, count, to) => cache.write_bytes(buf, from, count, to));
    let done = 0;
    try {
      if (end > before) this.extend_tail(node, end);
      const size = Math.max(end, node.i_size);
      while (done < length) {
        const at = position + done;
        const within = at % bsize;
        const lbn = Math.floor(at / bsize);
        const count = Math.min(bsize - within, length - done);
        const blocks = Math.ceil((length - done) / bsize);
        const { fragment, fragments, isNew } = this.bmap.balloc(node, lbn, size, blocks);
        if (count === bsize) {
          run.add(off + done, bsize, fragment * fsize);
        } else {
          const bp = isNew
            ? this.fresh_block(fragment, fragments)
            : cache.bread(sb.blkno_of(fragment));
          bp.b_data.set(
            buf.subarray(off + done, off + done + count),
            sb.offset_of(fragment) + within,
          );
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
    if (done < length) {
      // What was made for data that found no room goes: fragments, pointer blocks.
      this.cut(node, Math.max(before, done > 0 ? position + done : 0));
      this.update(node);
    }
    return done;
  }

  seek(node: ffs_inode, offset: number, hole: boolean): number {
    const { bsize, size } = this.super;
    let lbn = Math.floor(offset / bsize);
    const end = Math.ceil(node.i_size / bsize);
    // More blocks than the disk has only a damaged file can have.
    for (let steps = 0; lbn < end; steps++) {
      if (steps > size) throw this.super.eio(`inode ${node.i_number} has too many blocks`);
      const { fragment, blocks } = this.bmap.lookup(node, lbn, end - lbn);
      if ((fragment === 0) === hole) return Math.max(offset, lbn * bsize);
      lbn += blocks;
    }
    return -1;
  }

  readlink(node: ffs_inode): ByteName {
    if (node.i_short !== null) return bytesToName(node.i_short);
    if (node.i_size > this.super.bsize) throw this.super.eio(`symbolic link ${node.i_number}`);
    const bytes = new Uint8Array(node.i_size);
    this.read(node, bytes, 0, bytes.length, 0);
    return bytesToName(bytes);
  }

  symlink(node: ffs_inode, target: ByteName): void {
    const bytes = new Uint8Array(target.length);
    putName(bytes, 0, target);
    if (target.length < this.super.maxsymlinklen) {
      node.i_short = bytes;
      node.i_size = bytes.length;
    } else {
      node.i_short = null;
      this.write(node, bytes, 0, bytes.length, 0);
      if (node.i_size < bytes.length) throw new NetbsdErrno('ENOSPC');
    }
    this.update(node);
  }

  // ---- directories ------------------------------------------------------------------------------

  lookup(dir: ffs_inode, name: ByteName): number {
    return this.dirs.lookup(dir, name);
  }

  enter(dir: ffs_inode, name: ByteName, number: number, type: number): void {
    this.dirs.enter(dir, name, number, type);
    this.update(dir);
  }

  remove(dir: ffs_inode, name: ByteName): void {
    this.dirs.remove(dir, name);
    this.update(dir);
  }

  rewrite(dir: ffs_inode, name: ByteName, number: number, type: number): void {
    this.dirs.rewrite(dir, name, number, type);
    this.update(dir);
  }

  is_empty(dir: ffs_inode): boolean {
    return this.dirs.is_empty(dir);
  }

  readdir(dir: ffs_inode, offset: number, emit: puffs_nextdent): boolean {
    return this.dirs.readdir(dir, offset, emit);
  }

  sync(): void {
    this.super.cache.flush();
  }

  statvfs(out: puffs_statvfs): void {
    const { super: sb, allocator } = this;
    const free = allocator.total('nbfree') * sb.frag + allocator.total('nffree');
    out.f_bsize = sb.bsize;
    out.f_frsize = sb.fsize;
    out.f_blocks = sb.dsize;
    out.f_bfree = free;
    out.f_bavail = Math.max(0, free - Math.floor((sb.dsize * sb.minfree) / 100));
    out.f_files = sb.ncg * sb.ipg - UFS_ROOTINO;
    out.f_ffree = out.f_favail = allocator.total('nifree');
    out.f_namemax = FFS_MAXNAMLEN;
  }
}

export interface ffs_args {
  readonly disk: disk;
  /** Write also where it was not unmounted cleanly. */
  readonly force: boolean;
}

export const ffs_module = vfs_module(
  'ffs',
  genfs_vfsops<ffs_args>({
    vfs_name: 'ffs',
    uses_namecache: true,
    open: (lump, { disk }) => new ffs(lump, disk),
  }),
);
