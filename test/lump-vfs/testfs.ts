/**
 * A small Linux-style file system, so that the VFS objects and the name cache can be tested without
 * a real one. Its "medium" is a table of records by inode number: inodes that are evicted are read
 * from it again, and reads and writes of pages can be made to fail.
 */
import { d_instantiate, d_make_root, d_splice_alias, d_tmpfile } from '../../src/dcache/dcache.js';
import { mount_fs } from '../../src/dcache/mount.js';
import { setattr_copy, setattr_prepare } from '../../src/lump/attr.js';
import { Errno } from '../../src/lump/errno.js';
import { generic_file_read, generic_file_write, truncate_setsize } from '../../src/lump/filemap.js';
import {
  ATTR_MODE,
  ATTR_SIZE,
  DT_DIR,
  I_NEW,
  type inode,
  PAGE_SIZE,
  S_IFDIR,
  S_ISDIR,
  S_ISLNK,
  S_ISREG,
  SB_POSIXACL,
  super_block,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../src/lump/fs.js';
import type {
  address_space_operations,
  dentry,
  file_operations,
  file_system_type,
  inode_operations,
  super_operations,
  xattr_handler,
} from '../../src/lump/fs.js';
import {
  clear_nlink,
  current_time,
  drop_nlink,
  iget_failed,
  iget_locked,
  ihold,
  inc_nlink,
  init_special_inode,
  inode_init_owner,
  insert_inode_locked,
  new_inode,
  unlock_new_inode,
} from '../../src/lump/inode.js';
import { Lump, type LumpOptions } from '../../src/lump/lump.js';
import { LUMP_ABI_VERSION } from '../../src/lump/module.js';
import {
  ACL_TYPE_ACCESS,
  posix_acl_access_xattr_handler,
  posix_acl_chmod,
  posix_acl_create,
  posix_acl_default_xattr_handler,
  posix_acl_from_xattr,
  posix_acl_to_xattr,
  posix_acl_update_mode,
} from '../../src/lump/posix_acl.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';

/** An inode on the "medium". */
interface record {
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  nlink: number;
  size: number;
  mtime: number;
  target: string;
  readonly pages: Map<number, Uint8Array>;
  readonly entries: Map<string, { ino: number; type: number }>;
  readonly xattrs: Map<string, Uint8Array>;
}

export class TestMedium {
  readonly records = new Map<number, record>();
  next_ino = 2;
  /** Pages that write_end may still store. */
  free_pages = Number.POSITIVE_INFINITY;
  /** "ino:page" whose read_folio answers EIO. */
  readonly unreadable = new Set<string>();
  /** Calls of lookup, read_folio and evict_inode so far. */
  lookups = 0;
  reads = 0;
  evictions = 0;

  constructor() {
    this.records.set(1, new_record(S_IFDIR | 0o755));
  }
}

function new_record(mode: number): record {
  return {
    mode,
    uid: 0,
    gid: 0,
    rdev: 0,
    nlink: S_ISDIR(mode) ? 2 : 1,
    size: 0,
    mtime: 0,
    target: '',
    pages: new Map(),
    entries: new Map(),
    xattrs: new Map(),
  };
}

const medium_of = (sb: super_block): TestMedium => sb.s_fs_info as TestMedium;
const record_of = (inode: inode): record => inode.i_private as record;

/** Linux's mark_inode_dirty, at once. */
function store(inode: inode): void {
  const record = record_of(inode);
  record.mode = inode.i_mode;
  record.uid = inode.i_uid;
  record.gid = inode.i_gid;
  record.rdev = inode.i_rdev;
  record.nlink = inode.i_nlink;
  record.size = inode.i_size;
  record.mtime = inode.i_mtime_sec;
}

function set_operations(inode: inode): void {
  inode.i_op = testfs_inode_operations;
  inode.i_fop = testfs_file_operations;
  if (S_ISREG(inode.i_mode)) inode.i_aops = testfs_aops;
  else if (S_ISDIR(inode.i_mode)) inode.i_fop = testfs_dir_operations;
  else if (!S_ISLNK(inode.i_mode)) init_special_inode(inode, inode.i_mode, inode.i_rdev);
}

export function testfs_iget(sb: super_block, ino: number): inode {
  const inode = iget_locked(sb, ino);
  if ((inode.i_state & I_NEW) === 0) return inode;
  const record = medium_of(sb).records.get(ino);
  if (record === undefined) {
    iget_failed(inode);
    throw new Errno('EIO', `no inode ${ino}`);
  }
  inode.i_private = record;
  inode.i_mode = record.mode;
  inode.i_uid = record.uid;
  inode.i_gid = record.gid;
  inode.i_rdev = record.rdev;
  inode.i_nlink = record.nlink;
  inode.i_size = record.size;
  inode.i_mtime_sec = record.mtime;
  set_operations(inode);
  unlock_new_inode(inode);
  return inode;
}

function testfs_new_inode(dir: inode, mode: number, rdev = 0): inode {
  const sb = dir.i_sb;
  const medium = medium_of(sb);
  const created = posix_acl_create(dir, mode);
  const inode = new_inode(sb);
  inode.i_ino = medium.next_ino++;
  inode_init_owner(inode, dir, created.mode);
  inode.i_rdev = rdev;
  const now = current_time(inode);
  inode.i_mtime_sec = inode.i_ctime_sec = inode.i_atime_sec = now.sec;
  if (S_ISDIR(mode)) inode.i_nlink = 2;
  const record = new_record(inode.i_mode);
  inode.i_private = record;
  set_operations(inode);
  insert_inode_locked(inode);
  medium.records.set(inode.i_ino, record);
  const { acl, defaultAcl } = created;
  if (acl !== null) record.xattrs.set('system.posix_acl_access', posix_acl_to_xattr(acl));
  if (defaultAcl !== null) {
    record.xattrs.set('system.posix_acl_default', posix_acl_to_xattr(defaultAcl));
  }
  store(inode);
  unlock_new_inode(inode);
  return inode;
}

function enter(dir: inode, name: string, inode: inode): void {
  const type = (inode.i_mode >> 12) & 15;
  record_of(dir).entries.set(name, { ino: inode.i_ino, type });
  const now = current_time(dir);
  dir.i_mtime_sec = now.sec;
  store(dir);
}

function make(dir: inode, dentry: dentry, mode: number, rdev = 0): inode {
  const inode = testfs_new_inode(dir, mode, rdev);
  enter(dir, dentry.d_name, inode);
  d_instantiate(dentry, inode);
  return inode;
}

const testfs_inode_operations: inode_operations = {
  lookup(dir, dentry) {
    medium_of(dir.i_sb).lookups++;
    if (dentry.d_name.length > 254) throw new Errno('ENAMETOOLONG');
    const entry = record_of(dir).entries.get(dentry.d_name);
    return d_splice_alias(entry ? testfs_iget(dir.i_sb, entry.ino) : null, dentry);
  },
  create(dir, dentry, mode) {
    make(dir, dentry, mode);
  },
  mknod(dir, dentry, mode, rdev) {
    make(dir, dentry, mode, rdev);
  },
  mkdir(dir, dentry, mode) {
    make(dir, dentry, mode);
    inc_nlink(dir);
    store(dir);
  },
  symlink(dir, dentry, target) {
    const inode = make(dir, dentry, 0o120777);
    record_of(inode).target = target;
    inode.i_size = target.length;
    store(inode);
  },
  link(old, dir, dentry) {
    const inode = old.d_inode!;
    inc_nlink(inode);
    store(inode);
    enter(dir, dentry.d_name, inode);
    ihold(inode);
    d_instantiate(dentry, inode);
  },
  tmpfile(dir, dentry, mode) {
    const inode = testfs_new_inode(dir, mode);
    d_tmpfile(dentry, inode);
    store(inode);
  },
  unlink(dir, dentry) {
    record_of(dir).entries.delete(dentry.d_name);
    drop_nlink(dentry.d_inode!);
    store(dentry.d_inode!);
  },
  rmdir(dir, dentry) {
    if (record_of(dentry.d_inode!).entries.size > 0) throw new Errno('ENOTEMPTY');
    record_of(dir).entries.delete(dentry.d_name);
    clear_nlink(dentry.d_inode!);
    drop_nlink(dir);
    store(dir);
  },
  rename(oldDir, old, newDir, dentry, flags) {
    const inode = old.d_inode!;
    const victim = dentry.d_inode;
    if ((flags & ~3) !== 0) throw new Errno('EINVAL');
    if ((flags & 2) !== 0) {
      enter(oldDir, old.d_name, victim!);
      enter(newDir, dentry.d_name, inode);
      return;
    }
    if (victim !== null) {
      if (S_ISDIR(victim.i_mode)) {
        if (record_of(victim).entries.size > 0) throw new Errno('ENOTEMPTY');
        clear_nlink(victim);
        drop_nlink(newDir);
      } else {
        drop_nlink(victim);
      }
      store(victim);
    }
    record_of(oldDir).entries.delete(old.d_name);
    if (S_ISDIR(inode.i_mode)) {
      drop_nlink(oldDir);
      inc_nlink(newDir);
    }
    enter(newDir, dentry.d_name, inode);
    store(oldDir);
  },
  get_link: (inode) => record_of(inode).target,
  setattr(_dentry, inode, attr) {
    setattr_prepare(inode, attr);
    if ((attr.ia_valid & ATTR_SIZE) !== 0) {
      const pages = record_of(inode).pages;
      for (const [index, page] of pages) {
        const keep = attr.ia_size - index * PAGE_SIZE;
        if (keep <= 0) pages.delete(index);
        else if (keep < PAGE_SIZE) page.fill(0, keep);
      }
      truncate_setsize(inode, attr.ia_size);
    }
    setattr_copy(inode, attr);
    store(inode);
    if ((attr.ia_valid & ATTR_MODE) !== 0) posix_acl_chmod(inode, inode.i_mode);
  },
  listxattr: (inode) => [...record_of(inode).xattrs.keys()],
  get_acl(inode, type) {
    const name = type === ACL_TYPE_ACCESS ? 'system.posix_acl_access' : 'system.posix_acl_default';
    const bytes = record_of(inode).xattrs.get(name);
    return bytes === undefined ? null : posix_acl_from_xattr(bytes);
  },
  set_acl(inode, acl, type) {
    let stored = acl;
    let name = 'system.posix_acl_default';
    if (type === ACL_TYPE_ACCESS) {
      name = 'system.posix_acl_access';
      if (acl !== null) {
        const update = posix_acl_update_mode(inode, acl);
        inode.i_mode = update.mode;
        stored = update.acl;
        store(inode);
      }
    }
    if (stored === null) record_of(inode).xattrs.delete(name);
    else record_of(inode).xattrs.set(name, posix_acl_to_xattr(stored));
  },
};

const testfs_file_operations: file_operations = {
  read: generic_file_read,
  write: generic_file_write,
  fsync() {},
};

const testfs_dir_operations: file_operations = {
  iterate_shared(file, ctx) {
    const dir = file.f_inode;
    const rows: [string, number, number][] = [
      ['.', dir.i_ino, DT_DIR],
      ['..', 0, DT_DIR],
    ];
    for (const [name, { ino, type }] of record_of(dir).entries) rows.push([name, ino, type]);
    for (; ctx.pos < rows.length; ctx.pos++) {
      const [name, ino, type] = rows[ctx.pos];
      if (!ctx.actor(name, ino, type, ctx.pos + 1)) return;
    }
  },
  fsync() {},
};

const testfs_aops: address_space_operations = {
  read_folio(inode, pageIndex, buf, off) {
    const medium = medium_of(inode.i_sb);
    medium.reads++;
    if (medium.unreadable.has(`${inode.i_ino}:${pageIndex}`)) throw new Errno('EIO');
    const page = record_of(inode).pages.get(pageIndex);
    if (page === undefined) buf.fill(0, off, off + PAGE_SIZE);
    else buf.set(page, off);
  },
  write_begin() {},
  write_end(_file, inode, pos, copied, page) {
    const medium = medium_of(inode.i_sb);
    if (medium.free_pages <= 0) throw new Errno('ENOSPC');
    medium.free_pages--;
    // Only what was written goes to the medium: what the cache holds besides must not matter.
    const pages = record_of(inode).pages;
    const start = pos % PAGE_SIZE;
    const stored = pages.get(page.index) ?? new Uint8Array(PAGE_SIZE);
    pages.set(page.index, stored);
    const from = page.off + start;
    stored.set(page.buf.subarray(from, from + copied), start);
    inode.i_size = Math.max(inode.i_size, pos + copied);
    store(inode);
    return copied;
  },
};

function plain_handler(prefix: string): xattr_handler {
  return {
    prefix,
    get(inode, name) {
      const value = record_of(inode).xattrs.get(prefix + name);
      if (value === undefined) throw new Errno('ENODATA');
      return value;
    },
    set(inode, name, value, flags) {
      const { xattrs } = record_of(inode);
      const exists = xattrs.has(prefix + name);
      if ((flags & XATTR_CREATE) !== 0 && exists) throw new Errno('EEXIST');
      if ((flags & XATTR_REPLACE) !== 0 && !exists) throw new Errno('ENODATA');
      if (value === null) xattrs.delete(prefix + name);
      else xattrs.set(prefix + name, value.slice());
    },
  };
}

const testfs_super_operations: super_operations = {
  evict_inode(inode) {
    const medium = medium_of(inode.i_sb);
    medium.evictions++;
    if (inode.i_nlink === 0) medium.records.delete(inode.i_ino);
    inode.i_private = null;
  },
  statfs(_sb, buf) {
    buf.f_type = 0x74657374;
    buf.f_namelen = 254;
  },
  sync_fs(sb) {
    if (medium_of(sb).free_pages < 0) throw new Errno('EIO');
  },
};

export const testfs: file_system_type = {
  name: 'testfs',
  abi_version: LUMP_ABI_VERSION,
  mount(lump, device, flags, options) {
    if (options !== '') throw new Errno('EINVAL');
    const sb = new super_block(lump, testfs, flags | SB_POSIXACL);
    sb.s_op = testfs_super_operations;
    sb.s_fs_info = device;
    sb.s_maxbytes = 2 ** 32;
    sb.s_max_links = 10;
    sb.s_time_gran = 1000;
    sb.s_time_min = 0;
    sb.s_time_max = 2 ** 32 - 1;
    sb.s_xattr = [
      plain_handler('user.'),
      plain_handler('trusted.'),
      plain_handler('security.'),
      posix_acl_access_xattr_handler,
      posix_acl_default_xattr_handler,
    ];
    sb.s_root = d_make_root(testfs_iget(sb, 1));
    return sb;
  },
};

/** A booted kernel with testfs mounted. */
export class Fixture {
  readonly host = new SimulatedHost();
  readonly lump: Lump;
  readonly medium: TestMedium;
  sb: super_block;

  constructor(options: Partial<LumpOptions> = {}, medium = new TestMedium(), flags = 0) {
    this.lump = new Lump({ host: this.host, ...options });
    this.lump.filesystems.register_filesystem(testfs);
    this.medium = medium;
    this.sb = mount_fs(this.lump, 'testfs', medium, flags, '');
  }

  /** From now on this user asks; umask 0. */
  become(fsuid: number, fsgid = fsuid, groups: number[] = []): void {
    this.lump.current_cred = {
      fsuid,
      fsgid,
      groups,
      privileged: fsuid === 0,
      permissionsChecked: false,
      umask: 0,
    };
  }
}

/** The code of the Errno that `act` throws, or 'ok'. Anything else thrown passes through. */
export function outcome(act: () => unknown): string {
  try {
    act();
    return 'ok';
  } catch (error) {
    if (error instanceof Errno) return error.code;
    throw error;
  }
}
