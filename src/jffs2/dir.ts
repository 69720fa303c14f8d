/**
 * Directories: looking names up, listing, making and removing entries. Facts: reference jffs2.md
 * §2.4–2.8. The VFS holds i_rwsem of the directories, and has made its checks.
 */
import {
  d_drop,
  d_instantiate,
  d_instantiate_new,
  d_splice_alias,
  d_tmpfile,
  type Dentry,
} from '../dcache/dcache.js';
import { Errno } from '../lump/errno.js';
import {
  type dentry,
  type dir_context,
  DT_DIR,
  type file,
  type file_operations,
  type inode,
  type inode_operations,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  S_ISDIR,
} from '../lump/fs.js';
import {
  clear_nlink,
  drop_nlink,
  iget_failed,
  ihold,
  inc_nlink,
  init_special_inode,
  set_nlink,
  unlock_new_inode,
} from '../lump/inode.js';
import { putName, type ByteName } from '../lump/types.js';
import { jffs2_get_acl, jffs2_init_acl_post, jffs2_set_acl } from './acl.js';
import {
  jffs2_file_address_operations,
  jffs2_file_inode_operations,
  jffs2_file_operations,
} from './file.js';
import {
  jffs2_encode_dev,
  jffs2_fsync,
  jffs2_iget,
  JFFS2_INODE_INFO,
  jffs2_new_inode,
  jffs2_now,
  JFFS2_SB_INFO,
  jffs2_setattr,
  nodeAttributes,
  type jffs2_made_inode,
} from './fs.js';
import {
  INODE_SIZE,
  JFFS2_COMPR_NONE,
  JFFS2_MAX_NAME_LEN,
  JFFS2_SUMMARY_INODE_SIZE,
} from './medium.js';
import { jffs2_next_version } from './nodelist.js';
import { ALLOC_NORMAL, jffs2_complete_reservation, jffs2_reserve_space } from './nodemgmt.js';
import { jffs2_symlink_inode_operations } from './symlink.js';
import {
  jffs2_do_link,
  jffs2_do_rename,
  jffs2_do_unlink,
  jffs2_drop_link,
  jffs2_write_dnode,
  modeToType,
} from './write.js';
import { jffs2_listxattr } from './xattr_handlers.js';

/** New names: what every Linux can look up. (An older 255-byte name can be used and removed.) */
function checkNewName(name: ByteName): void {
  if (name.length > JFFS2_MAX_NAME_LEN) throw new Errno('ENAMETOOLONG');
}

function jffs2_lookup(dir: inode, target: dentry): dentry | null {
  const f = JFFS2_INODE_INFO(dir);
  const fd = f.dents?.get(target.d_name);
  if (!fd || fd.ino === 0) {
    checkNewName(target.d_name);
    return d_splice_alias(null, target);
  }
  let inode: inode;
  try {
    inode = jffs2_iget(dir.i_sb, fd.ino);
  } catch (error) {
    // The name is there, only what it names cannot be had.
    if (error instanceof Errno && error.code === 'ENOENT') throw new Errno('EIO', error.message);
    throw error;
  }
  return d_splice_alias(inode, target);
}

function jffs2_readdir(file: file, ctx: dir_context): void {
  const dir = file.f_inode;
  const f = JFFS2_INODE_INFO(dir);
  if (ctx.pos === 0) {
    if (!ctx.actor('.', dir.i_ino, DT_DIR, 1)) return;
    ctx.pos = 1;
  }
  if (ctx.pos === 1) {
    const parent = f.inocache.pino_nlink === 0 ? dir.i_ino : f.inocache.pino_nlink;
    if (!ctx.actor('..', parent, DT_DIR, 2)) return;
    ctx.pos = 2;
  }
  if (!f.dents) return;
  // Positions ascend in the order of the map; a listing that goes on in the middle skips to it.
  for (const fd of f.dents.values()) {
    if (fd.pos < ctx.pos) continue;
    if (fd.ino !== 0 && !ctx.actor(fd.name, fd.ino, fd.type, fd.pos + 1)) return;
    ctx.pos = fd.pos + 1;
  }
}

/**
 * The part that all makers share: the inode's node, its lists, the entry in the directory, the
 * entry in the name cache. Undone when something fails.
 */
function makeEntry(
  dir: inode,
  target: dentry,
  made: jffs2_made_inode,
  payload: Uint8Array | null,
): void {
  const c = JFFS2_SB_INFO(dir.i_sb);
  const { inode, f } = made;
  c.mtd.plug();
  try {
    writeFirstNode(inode, f, payload);
    jffs2_init_acl_post(made);
    const now = jffs2_now(c);
    jffs2_do_link(
      c,
      JFFS2_INODE_INFO(dir),
      inode.i_ino,
      modeToType(inode.i_mode),
      target.d_name,
      now,
    );
    touch(dir, now);
    if (S_ISDIR(inode.i_mode)) {
      set_nlink(inode, 2);
      inc_nlink(dir);
    }
    d_instantiate_new(target, inode);
  } catch (error) {
    // Without an entry the inode is an orphan: its nodes become obsolete as it is dropped.
    f.inocache.pino_nlink = 0;
    clear_nlink(inode);
    iget_failed(inode);
    throw error;
  } finally {
    c.mtd.unplug();
  }
}

function writeFirstNode(inode: inode, f: jffs2_made_inode['f'], payload: Uint8Array | null): void {
  const c = JFFS2_SB_INFO(inode.i_sb);
  const csize = payload ? payload.length : 0;
  jffs2_reserve_space(c, INODE_SIZE + csize, ALLOC_NORMAL, JFFS2_SUMMARY_INODE_SIZE);
  f.sem.lock();
  try {
    if (payload) c.nodebuf.set(payload, INODE_SIZE);
    f.metadata = jffs2_write_dnode(
      c,
      f,
      nodeAttributes(inode),
      0,
      csize,
      csize,
      JFFS2_COMPR_NONE,
      jffs2_next_version(f),
      ALLOC_NORMAL,
    );
  } finally {
    f.sem.unlock();
    jffs2_complete_reservation(c);
  }
}

/** A directory changed: the time is on the medium with the entry. */
function touch(dir: inode, now: number): void {
  dir.i_mtime_sec = dir.i_ctime_sec = now;
  dir.i_mtime_nsec = dir.i_ctime_nsec = 0;
}

function makeRegular(inode: inode): void {
  inode.i_op = jffs2_file_inode_operations;
  inode.i_fop = jffs2_file_operations;
  inode.i_aops = jffs2_file_address_operations;
}

function jffs2_create(dir: inode, target: dentry, mode: number): void {
  checkNewName(target.d_name);
  const made = jffs2_new_inode(dir, mode);
  makeRegular(made.inode);
  makeEntry(dir, target, made, null);
}

/** O_TMPFILE: an inode with a node but without an entry; a mount without us drops it. */
function jffs2_tmpfile(dir: inode, target: dentry, mode: number): void {
  const made = jffs2_new_inode(dir, S_IFREG | mode);
  makeRegular(made.inode);
  try {
    writeFirstNode(made.inode, made.f, null);
    jffs2_init_acl_post(made);
    made.f.inocache.pino_nlink = 0;
    clear_nlink(made.inode);
    unlock_new_inode(made.inode);
    d_tmpfile(target, made.inode);
  } catch (error) {
    made.f.inocache.pino_nlink = 0;
    clear_nlink(made.inode);
    iget_failed(made.inode);
    throw error;
  }
}

function jffs2_mknod(dir: inode, target: dentry, mode: number, rdev: number): void {
  checkNewName(target.d_name);
  const made = jffs2_new_inode(dir, mode);
  made.inode.i_op = jffs2_file_inode_operations;
  init_special_inode(made.inode, made.inode.i_mode, rdev);
  const c = JFFS2_SB_INFO(dir.i_sb);
  makeEntry(dir, target, made, hasDeviceNumber(mode) ? jffs2_encode_dev(c, rdev) : null);
}

const hasDeviceNumber = (mode: number): boolean => modeToType(mode) === 2 || modeToType(mode) === 6;

function jffs2_mkdir(dir: inode, target: dentry, mode: number): void {
  checkNewName(target.d_name);
  const made = jffs2_new_inode(dir, S_IFDIR | mode);
  made.inode.i_op = jffs2_dir_inode_operations;
  made.inode.i_fop = jffs2_dir_operations;
  makeEntry(dir, target, made, null);
}

function jffs2_symlink(dir: inode, target: dentry, to: ByteName): void {
  checkNewName(target.d_name);
  if (to.length > JFFS2_MAX_NAME_LEN) throw new Errno('ENAMETOOLONG');
  const made = jffs2_new_inode(dir, S_IFLNK | 0o777);
  made.inode.i_op = jffs2_symlink_inode_operations;
  made.inode.i_size = to.length;
  made.f.target = to;
  const payload = new Uint8Array(to.length);
  putName(payload, 0, to);
  makeEntry(dir, target, made, payload);
}

function jffs2_link(old: dentry, dir: inode, target: dentry): void {
  checkNewName(target.d_name);
  const c = JFFS2_SB_INFO(dir.i_sb);
  const inode = old.d_inode!;
  const f = JFFS2_INODE_INFO(inode);
  const now = jffs2_now(c);
  jffs2_do_link(
    c,
    JFFS2_INODE_INFO(dir),
    inode.i_ino,
    modeToType(inode.i_mode),
    target.d_name,
    now,
  );
  set_nlink(inode, ++f.inocache.pino_nlink);
  inode.i_ctime_sec = now;
  touch(dir, now);
  ihold(inode);
  d_instantiate(target, inode);
}

function jffs2_unlink(dir: inode, target: dentry): void {
  const c = JFFS2_SB_INFO(dir.i_sb);
  const inode = target.d_inode!;
  const f = JFFS2_INODE_INFO(inode);
  const now = jffs2_now(c);
  jffs2_do_unlink(c, JFFS2_INODE_INFO(dir), target.d_name, f, now);
  set_nlink(inode, f.inocache.pino_nlink);
  inode.i_ctime_sec = now;
  touch(dir, now);
}

function isEmpty(dir: inode): boolean {
  for (const fd of JFFS2_INODE_INFO(dir).dents?.values() ?? []) if (fd.ino !== 0) return false;
  return true;
}

function jffs2_rmdir(dir: inode, target: dentry): void {
  const c = JFFS2_SB_INFO(dir.i_sb);
  const inode = target.d_inode!;
  if (!isEmpty(inode)) throw new Errno('ENOTEMPTY');
  const now = jffs2_now(c);
  jffs2_do_unlink(c, JFFS2_INODE_INFO(dir), target.d_name, JFFS2_INODE_INFO(inode), now);
  clear_nlink(inode);
  touch(dir, now);
  drop_nlink(dir);
}

/**
 * First the new name, then the removal of the old one: a crash between the two leaves both, never
 * none.
 */
function jffs2_rename(
  oldDir: inode,
  old: dentry,
  newDir: inode,
  target: dentry,
  flags: number,
): void {
  if ((flags & ~RENAME_NOREPLACE) !== 0) throw new Errno('EINVAL');
  checkNewName(target.d_name);
  const c = JFFS2_SB_INFO(oldDir.i_sb);
  const inode = old.d_inode!;
  const victim = target.d_inode;
  const isDirectory = S_ISDIR(inode.i_mode);
  if (victim && S_ISDIR(victim.i_mode) && !isEmpty(victim)) throw new Errno('ENOTEMPTY');

  const now = jffs2_now(c);
  const f = JFFS2_INODE_INFO(inode);
  let linked = false;
  try {
    jffs2_do_rename(
      c,
      inode.i_ino,
      modeToType(inode.i_mode),
      { f: JFFS2_INODE_INFO(newDir), name: target.d_name },
      { f: JFFS2_INODE_INFO(oldDir), name: old.d_name },
      now,
      () => {
        linked = true;
        if (victim) {
          const vf = JFFS2_INODE_INFO(victim);
          jffs2_drop_link(c, vf);
          if (S_ISDIR(victim.i_mode)) clear_nlink(victim);
          else set_nlink(victim, vf.inocache.pino_nlink);
          if (S_ISDIR(victim.i_mode) && isDirectory) drop_nlink(newDir);
          victim.i_ctime_sec = now;
        }
        if (isDirectory && newDir !== oldDir) inc_nlink(newDir);
        touch(newDir, now);
      },
    );
  } catch (error) {
    if (linked) {
      // Both names exist now. Saying so by the link count is all that can be done.
      if (!isDirectory) set_nlink(inode, ++f.inocache.pino_nlink);
      d_drop(target as Dentry);
      c.lump.pr_notice(`jffs2: rename of inode ${inode.i_ino} left both names: ${String(error)}`);
    }
    throw error;
  }
  if (isDirectory) {
    f.inocache.pino_nlink = newDir.i_ino;
    if (newDir !== oldDir) drop_nlink(oldDir);
  }
  inode.i_ctime_sec = now;
  touch(oldDir, now);
}

export const jffs2_dir_inode_operations: inode_operations = {
  lookup: jffs2_lookup,
  create: jffs2_create,
  tmpfile: jffs2_tmpfile,
  mknod: jffs2_mknod,
  mkdir: jffs2_mkdir,
  symlink: jffs2_symlink,
  link: jffs2_link,
  unlink: jffs2_unlink,
  rmdir: jffs2_rmdir,
  rename: jffs2_rename,
  setattr: (_dentry, inode, attr) => jffs2_setattr(inode, attr),
  listxattr: jffs2_listxattr,
  get_acl: jffs2_get_acl,
  set_acl: jffs2_set_acl,
};

export const jffs2_dir_operations: file_operations = {
  iterate_shared: jffs2_readdir,
  fsync: jffs2_fsync,
};
