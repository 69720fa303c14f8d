/**
 * Between the VFS and the medium: inodes read, made, changed and dropped; statfs.
 * Facts: reference jffs2.md §2.6, §2.9, §11.
 */
import { Errno } from '../lump/errno.js';
import {
  ATTR_ATIME,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  DT_DIR,
  type file,
  type iattr,
  type inode,
  type kstatfs,
  MAJOR,
  MINOR,
  MKDEV,
  PAGE_SIZE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type super_block,
} from '../lump/fs.js';
import {
  iget_failed,
  iget_locked,
  ilookup,
  init_special_inode,
  inode_init_owner,
  insert_inode_locked,
  iput,
  make_bad_inode,
  new_inode,
  set_nlink,
  unlock_new_inode,
} from '../lump/inode.js';
import { mutex } from '../lump/locks.js';
import { setattr_copy, setattr_prepare } from '../lump/attr.js';
import { posix_acl_chmod, posix_acl_create, type posix_acl } from '../lump/posix_acl.js';
import { truncate_setsize } from '../lump/filemap.js';
import { jffs2_dir_inode_operations, jffs2_dir_operations } from './dir.js';
import {
  jffs2_file_address_operations,
  jffs2_file_inode_operations,
  jffs2_file_operations,
} from './file.js';
import {
  decodeDeviceNumber,
  encodeDeviceNumber,
  INODE_SIZE,
  I_CSIZE,
  JFFS2_COMPR_NONE,
  JFFS2_SUMMARY_INODE_SIZE,
  JFFS2_SUPER_MAGIC,
} from './medium.js';
import {
  INO_STATE_CHECKEDABSENT,
  INO_STATE_PRESENT,
  jffs2_del_ino_cache,
  jffs2_get_ino_cache,
  jffs2_inode_info,
  jffs2_next_version,
  ref_offset,
  ref_totlen,
  type jffs2_inode_cache,
  type jffs2_sb_info,
} from './nodelist.js';
import {
  ALLOC_NORMAL,
  jffs2_complete_reservation,
  jffs2_mark_node_obsolete,
  jffs2_reserve_space,
} from './nodemgmt.js';
import { jffs2_do_read_inode, jffs2_truncate_fragtree } from './readinode.js';
import { jffs2_symlink_inode_operations } from './symlink.js';
import {
  jffs2_do_new_inode,
  jffs2_write_dnode,
  jffs2_write_hole,
  type jffs2_node_attr,
} from './write.js';
import { jffs2_flush_wbuf_gc } from './wbuf.js';
import { jffs2_xattr_delete_inode } from './xattr.js';

export const JFFS2_SB_INFO = (sb: super_block): jffs2_sb_info => sb.s_fs_info as jffs2_sb_info;
export const JFFS2_INODE_INFO = (inode: inode): jffs2_inode_info =>
  inode.i_private as jffs2_inode_info;

/** Largest value of a u32 second: 2106-02-07. */
export const JFFS2_TIME_MAX = 0xffffffff;

/** Whole seconds now, as the medium has them. */
export const jffs2_now = (c: jffs2_sb_info): number =>
  Math.min(JFFS2_TIME_MAX, Math.max(0, c.lump.ktime_get_real_seconds()));

/** A device number as the payload of its inode node. */
export function jffs2_encode_dev(c: jffs2_sb_info, rdev: number): Uint8Array {
  const payload = new Uint8Array(4);
  return payload.subarray(0, encodeDeviceNumber(c.e, payload, 0, MAJOR(rdev), MINOR(rdev)));
}

/** 512-byte blocks of a file of `size` bytes, as Linux's jffs2 counts them. */
export const sizeToBlocks = (size: number): number => Math.floor((size + 511) / 512);

/** The inode's attributes as they go into a node. */
export function nodeAttributes(inode: inode): jffs2_node_attr {
  return {
    mode: inode.i_mode,
    uid: inode.i_uid,
    gid: inode.i_gid,
    isize: inode.i_size,
    atime: inode.i_atime_sec,
    mtime: inode.i_mtime_sec,
    ctime: inode.i_ctime_sec,
  };
}

/** The medium has 16 bits for each. @throws `code` for a value that does not fit. */
function checkOwnerFits(uid: number, gid: number, code: 'EINVAL' | 'EOVERFLOW'): void {
  if (uid > 0xffff || gid > 0xffff) {
    throw new Errno(code, `uid ${uid}, gid ${gid}: jffs2 stores 16 bits of each`);
  }
}

// ---- reading ------------------------------------------------------------------------------------

/**
 * The inode of that number, from memory or from the medium, with a reference.
 * @throws ENOENT, EIO, ENAMETOOLONG
 */
export function jffs2_iget(sb: super_block, ino: number): inode {
  const c = JFFS2_SB_INFO(sb);
  const inode = iget_locked(sb, ino);
  if (inode.i_private !== null) return inode;
  const f = new jffs2_inode_info(new mutex(c.lump, 'jffs2 f->sem'));
  inode.i_private = f;
  f.vfs_inode = inode;
  f.sem.lock();
  try {
    readInode(c, inode, f, jffs2_get_ino_cache(c, ino));
  } catch (error) {
    f.sem.unlock();
    iget_failed(inode);
    throw error;
  }
  f.sem.unlock();
  unlock_new_inode(inode);
  return inode;
}

function readInode(
  c: jffs2_sb_info,
  inode: inode,
  f: jffs2_inode_info,
  ic: jffs2_inode_cache | null,
): void {
  const latest = jffs2_do_read_inode(c, f, ic);
  if (latest) {
    inode.i_mode = latest.mode;
    inode.i_uid = latest.uid;
    inode.i_gid = latest.gid;
    inode.i_size = latest.isize;
    inode.i_atime_sec = latest.atime;
    inode.i_mtime_sec = latest.mtime;
    inode.i_ctime_sec = latest.ctime;
  } else {
    // A directory known by its entries only, as mkfs leaves the root.
    inode.i_mode = S_IFDIR | 0o755;
  }
  set_nlink(inode, f.inocache.pino_nlink);
  inode.i_blocks = sizeToBlocks(inode.i_size);
  switch (inode.i_mode & S_IFMT) {
    case S_IFLNK:
      inode.i_op = jffs2_symlink_inode_operations;
      break;
    case S_IFDIR: {
      let links = 2;
      for (const fd of f.dents?.values() ?? []) if (fd.type === DT_DIR && fd.ino !== 0) links++;
      // The root has itself as its parent.
      set_nlink(inode, f.inocache.ino === 1 ? links + 1 : links);
      inode.i_op = jffs2_dir_inode_operations;
      inode.i_fop = jffs2_dir_operations;
      break;
    }
    case S_IFREG:
      inode.i_op = jffs2_file_inode_operations;
      inode.i_fop = jffs2_file_operations;
      inode.i_aops = jffs2_file_address_operations;
      break;
    case S_IFBLK:
    case S_IFCHR:
      inode.i_op = jffs2_file_inode_operations;
      init_special_inode(inode, inode.i_mode, readDevice(c, f));
      break;
    case S_IFIFO:
    case S_IFSOCK:
      inode.i_op = jffs2_file_inode_operations;
      init_special_inode(inode, inode.i_mode, 0);
      break;
    default:
      throw new Errno('EIO', `inode ${f.inocache.ino} has the mode 0${latest?.mode.toString(8)}`);
  }
}

function readDevice(c: jffs2_sb_info, f: jffs2_inode_info): number {
  const raw = f.metadata!.raw;
  const { buf, off } = c.view(ref_offset(c, raw), ref_totlen(c, raw));
  const device = decodeDeviceNumber(c.e, buf, off + INODE_SIZE, c.e.u32(buf, off + I_CSIZE));
  if (!device) {
    throw new Errno('EIO', `device inode ${f.inocache.ino} has a payload of the wrong length`);
  }
  return MKDEV(device.major, device.minor);
}

/**
 * The inode that a node belongs to, for garbage collection, with a reference; null when it was
 * deleted and nobody has it open.
 * @throws EIO, ENAMETOOLONG it cannot be read.
 */
export function jffs2_gc_fetch_inode(c: jffs2_sb_info, ic: jffs2_inode_cache): inode | null {
  return ic.pino_nlink === 0 ? ilookup(c.sb!, ic.ino) : jffs2_iget(c.sb!, ic.ino);
}

// ---- making -------------------------------------------------------------------------------------

/** A new inode with its lists, in memory only. */
export interface jffs2_made_inode {
  inode: inode;
  f: jffs2_inode_info;
  acl: posix_acl | null;
  defaultAcl: posix_acl | null;
}

/**
 * Makes an inode for `dir`: number, owner, mode (umask or default ACL applied), times.
 * @throws EOVERFLOW the caller's ids do not fit the medium; ENOSPC no number is left; EIO.
 */
export function jffs2_new_inode(dir: inode, mode: number): jffs2_made_inode {
  const sb = dir.i_sb;
  const c = JFFS2_SB_INFO(sb);
  const made = posix_acl_create(dir, mode);
  const inode = new_inode(sb);
  try {
    inode_init_owner(inode, dir, made.mode);
    checkOwnerFits(inode.i_uid, inode.i_gid, 'EOVERFLOW');
    const f = new jffs2_inode_info(new mutex(c.lump, 'jffs2 f->sem'));
    jffs2_do_new_inode(c, f, (mode & S_IFMT) === S_IFDIR, dir.i_ino);
    inode.i_private = f;
    f.vfs_inode = inode;
    inode.i_ino = f.inocache.ino;
    set_nlink(inode, 1);
    const now = jffs2_now(c);
    inode.i_atime_sec = inode.i_mtime_sec = inode.i_ctime_sec = now;
    insert_inode_locked(inode);
    return { inode, f, acl: made.acl, defaultAcl: made.defaultAcl };
  } catch (error) {
    if (inode.i_private !== null) JFFS2_INODE_INFO(inode).inocache.pino_nlink = 0;
    make_bad_inode(inode);
    iput(inode);
    throw error;
  }
}

// ---- changing -----------------------------------------------------------------------------------

/**
 * Changes attributes and size on the medium and in memory.
 * @throws EINVAL an owner that does not fit; EPERM, EFBIG; ENOSPC, EIO.
 */
export function jffs2_setattr(inode: inode, attr: iattr): void {
  setattr_prepare(inode, attr);
  jffs2_do_setattr(inode, attr);
  if ((attr.ia_valid & ATTR_MODE) !== 0) posix_acl_chmod(inode, inode.i_mode);
}

/** jffs2_setattr without the permission rules and without the ACL following the mode. */
export function jffs2_do_setattr(inode: inode, attr: iattr): void {
  const c = JFFS2_SB_INFO(inode.i_sb);
  const f = JFFS2_INODE_INFO(inode);
  const { ia_valid: valid } = attr;
  const kind = inode.i_mode & S_IFMT;

  const next: jffs2_node_attr = {
    mode: valid & ATTR_MODE ? attr.ia_mode : inode.i_mode,
    uid: valid & ATTR_UID ? attr.ia_uid : inode.i_uid,
    gid: valid & ATTR_GID ? attr.ia_gid : inode.i_gid,
    isize: valid & ATTR_SIZE ? attr.ia_size : inode.i_size,
    atime: valid & ATTR_ATIME ? attr.ia_atime_sec : inode.i_atime_sec,
    mtime: valid & ATTR_MTIME ? attr.ia_mtime_sec : inode.i_mtime_sec,
    ctime: valid & ATTR_CTIME ? attr.ia_ctime_sec : inode.i_ctime_sec,
  };
  checkOwnerFits(next.uid, next.gid, 'EINVAL');

  // Symlinks and devices have one node, with their payload.
  let payload: Uint8Array | null = null;
  if (kind === S_IFBLK || kind === S_IFCHR) payload = jffs2_encode_dev(c, inode.i_rdev);
  else if (kind === S_IFLNK) payload = Uint8Array.from(f.target, (ch) => ch.charCodeAt(0));
  const csize = payload ? payload.length : 0;
  if (kind === S_IFLNK) next.isize = csize;

  const oldSize = inode.i_size;
  const grow = (valid & ATTR_SIZE) !== 0 && kind === S_IFREG && next.isize > oldSize;
  jffs2_reserve_space(c, INODE_SIZE + csize, ALLOC_NORMAL, JFFS2_SUMMARY_INODE_SIZE);
  try {
    f.sem.lock();
    try {
      if (grow) {
        jffs2_write_hole(c, f, next, oldSize, next.isize - oldSize);
      } else {
        if (payload) c.nodebuf.set(payload, INODE_SIZE);
        const old = f.metadata;
        const fn = jffs2_write_dnode(
          c,
          f,
          next,
          0,
          csize,
          csize,
          JFFS2_COMPR_NONE,
          jffs2_next_version(f),
          ALLOC_NORMAL,
        );
        f.metadata = fn;
        if (old) jffs2_mark_node_obsolete(c, old.raw);
      }
      if ((valid & ATTR_SIZE) !== 0 && next.isize < oldSize) {
        jffs2_truncate_fragtree(c, f, next.isize);
      }
    } finally {
      f.sem.unlock();
    }
    setattr_copy(inode, attr);
  } finally {
    jffs2_complete_reservation(c);
  }
  if ((valid & ATTR_SIZE) !== 0 && kind === S_IFREG) {
    truncate_setsize(inode, next.isize);
    inode.i_blocks = sizeToBlocks(next.isize);
  }
}

/** What the inode wrote is on stable storage when this returns. @throws EIO */
export function jffs2_fsync(file: file): void {
  const { f_inode: inode } = file;
  const c = JFFS2_SB_INFO(inode.i_sb);
  jffs2_flush_wbuf_gc(c, inode.i_ino);
  c.mtd.sync();
}

// ---- dropping -----------------------------------------------------------------------------------

/** The inode leaves memory; without links it leaves the medium too. */
export function jffs2_evict_inode(inode: inode): void {
  if (inode.i_private === null) return;
  const c = JFFS2_SB_INFO(inode.i_sb);
  const f = JFFS2_INODE_INFO(inode);
  const ic: jffs2_inode_cache | undefined = f.inocache;
  inode.i_private = null;
  // A read that failed left the cache entry as it was.
  if (!ic || ic.state !== INO_STATE_PRESENT) return;
  const deleted = ic.pino_nlink === 0;
  if (deleted) {
    jffs2_xattr_delete_inode(c, ic);
    if (f.metadata) jffs2_mark_node_obsolete(c, f.metadata.raw);
    for (const frag of f.fragtree) {
      if (--frag.node.frags === 0) jffs2_mark_node_obsolete(c, frag.node.raw);
    }
    for (const fd of f.dents?.values() ?? []) jffs2_mark_node_obsolete(c, fd.raw);
  }
  f.fragtree = [];
  f.dents = null;
  ic.highest_version = f.highest_version;
  ic.state = INO_STATE_CHECKEDABSENT;
  if (deleted && ic.nodes === 0) jffs2_del_ino_cache(c, ic);
}

// ---- the file system ----------------------------------------------------------------------------

/** Space in pages. What is wasted or unchecked counts as used, and reserves are not free. */
export function jffs2_statfs(sb: super_block, buf: kstatfs): void {
  const c = JFFS2_SB_INFO(sb);
  const avail = c.dirty_size + c.free_size - c.sector_size * c.resv_blocks_write;
  buf.f_type = JFFS2_SUPER_MAGIC;
  buf.f_bsize = PAGE_SIZE;
  buf.f_blocks = Math.floor(c.flash_size / PAGE_SIZE);
  buf.f_bfree = buf.f_bavail = avail > 0 ? Math.floor(avail / PAGE_SIZE) : 0;
  buf.f_files = 0;
  buf.f_ffree = 0;
  buf.f_namelen = 254;
}
