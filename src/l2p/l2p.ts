/**
 * A mounted Linux file system as {@link puffs_ops}: NetBSD's p2k, for Linux's VFS.
 *
 * Every operation has the same shape. It runs in the name of its credential (lump.current_cred),
 * calls the VFS's function of the same purpose, and answers 0, or the NetBSD number of the Errno
 * that came out. Nothing else is caught: a KernelPanic is the end of the server.
 *
 * Against p2k: waitfor of fs_sync and the answer of fs_unmount are honoured, and an operation on a
 * node that is gone answers ESTALE, not success.
 */
import { dput, d_obtain_alias, type Dentry } from '../dcache/dcache.js';
import { remount, root_of, umount } from '../dcache/mount.js';
import {
  lookup_positive,
  vfs_create,
  vfs_link,
  vfs_mkdir,
  vfs_mknod,
  vfs_readlink,
  vfs_rename,
  vfs_rmdir,
  vfs_symlink,
  vfs_tmpfile,
  vfs_unlink,
} from '../dcache/namei.js';
import { inode_permission, notify_change } from '../lump/attr.js';
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import {
  fput,
  vfs_fsync,
  vfs_iterate_dir,
  vfs_open,
  vfs_read,
  vfs_seek,
  vfs_write,
} from '../lump/file.js';
import {
  O_ACCMODE,
  O_RDONLY,
  O_WRONLY,
  PAGE_SIZE,
  SB_RDONLY,
  type cred,
  type dir_context,
  type file,
  type inode,
  type super_block,
} from '../lump/fs.js';
import { generic_fillattr, ihold, new_kstat } from '../lump/inode.js';
import { new_kstatfs, sync_filesystem, vfs_statfs } from '../lump/super.js';
import { vfs_getxattr, vfs_listxattr, vfs_removexattr, vfs_setxattr } from '../lump/xattr.js';
import { PUFFS_CRED_KERNEL } from '../puffs/cred.js';
import {
  FSYNC_DATAONLY,
  MNT_FORCE,
  MNT_WAIT,
  PC_CHOWN_RESTRICTED,
  PC_FILESIZEBITS,
  PC_LINK_MAX,
  PC_NAME_MAX,
  PC_NO_TRUNC,
  PC_PATH_MAX,
  PC_SYMLINK_MAX,
  PC_SYNC_IO,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_nextdent,
  type puffs_ops,
  type puffs_readdir_result,
  type puffs_size,
  type puffs_statvfs,
  type puffs_uio,
  type vattr,
} from '../puffs/puffs.js';
import { vattr_mode } from '../puffs/vattr.js';
import { kstat_to_vattr, vattr_to_iattr } from './attr.js';
import { puffs_to_linux_cred } from './cred.js';
import { netbsd_to_linux_dev, linux_to_netbsd_dev } from './devt.js';
import { l2p_errno } from './errno.js';
import { ioflag_to_flags, ioflag_to_fmode, open_mode_to_flags } from './flags.js';
import { l2p_nodes, type l2p_node } from './node.js';
import { kstatfs_to_statvfs, sb_flags_to_mnt } from './statvfs.js';
import { extattr_to_xattr, xattr_to_extattr } from './xattr.js';

const PATH_BYTES_MAX = 1024;
/** What Linux's own pathconf assumes of a file system that sets no limit. */
const LINK_MAX = 127;
const KERNEL_CRED = puffs_to_linux_cred(PUFFS_CRED_KERNEL);

export class l2p implements puffs_ops {
  readonly fsname: string;
  readonly rootCookie: Cookie;
  readonly sb: super_block;
  private readonly unmounted: () => void;
  private readonly unmounting: () => void;
  private readonly nodes: l2p_nodes;
  private readonly kstat = new_kstat();
  private last_puffs_cred: puffs_cred = PUFFS_CRED_KERNEL;
  private last_cred: cred = KERNEL_CRED;

  /**
   * Takes a mount over; it ends with fs_unmount().
   * @param unmounted called when it has ended: whoever opened the device lets it go.
   * @param unmounting called when it is about to end; it must not throw.
   */
  constructor(
    sb: super_block,
    unmounted: () => void = () => {},
    unmounting: () => void = () => {},
  ) {
    this.sb = sb;
    this.unmounted = unmounted;
    this.unmounting = unmounting;
    this.fsname = sb.s_type.name;
    this.nodes = new l2p_nodes(root_of(sb));
    this.rootCookie = this.nodes.root.cookie;
  }

  /** Nodes that callers have not given back, and the root. */
  get node_count(): number {
    return this.nodes.count;
  }

  // ---- the file system --------------------------------------------------------------------------

  /** EBUSY while a file is open; lookups that are still out are given back, as by a kernel's. */
  fs_unmount(flags: number): number {
    try {
      const force = (flags & MNT_FORCE) !== 0;
      this.enter(PUFFS_CRED_KERNEL);
      if (!force) {
        if (this.nodes.some_open()) throw new Errno('EBUSY');
        sync_filesystem(this.sb);
      }
      this.unmounting();
      this.nodes.clear();
      umount(this.sb, force);
      this.unmounted();
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  fs_statvfs(out: puffs_statvfs): number {
    try {
      const statfs = new_kstatfs();
      vfs_statfs(this.sb, statfs);
      kstatfs_to_statvfs(statfs, out);
      out.f_flag = sb_flags_to_mnt(this.sb.s_flags);
      out.f_fsid = linux_to_netbsd_dev(this.sb.s_dev);
      out.f_fstypename = this.fsname;
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  /** MNT_NOWAIT and MNT_LAZY are what background() does anyway. */
  fs_sync(waitfor: number, cred: puffs_cred): number {
    try {
      this.enter(cred);
      if (waitfor === MNT_WAIT) sync_filesystem(this.sb);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  fs_remount(readOnly: boolean, options: string): number {
    try {
      this.enter(PUFFS_CRED_KERNEL);
      remount(this.sb, (this.sb.s_flags & ~SB_RDONLY) | (readOnly ? SB_RDONLY : 0), options);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  fs_nodetofh(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  fs_fhtonode(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  fs_extattrctl(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  background(): number {
    this.enter(PUFFS_CRED_KERNEL);
    return this.sb.s_lump.background();
  }

  // ---- names ------------------------------------------------------------------------------------

  node_lookup(dir: Cookie, out: puffs_newinfo, cn: puffs_cn): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cn.cred);
      this.answer(lookup_positive(parent, cn.name), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_create(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cn.cred);
      this.answer(vfs_create(parent, cn.name, va.va_mode), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_mknod(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cn.cred);
      const rdev = netbsd_to_linux_dev(va.va_rdev);
      this.answer(vfs_mknod(parent, cn.name, vattr_mode(va), rdev), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_mkdir(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cn.cred);
      this.answer(vfs_mkdir(parent, cn.name, va.va_mode), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_symlink(
    dir: Cookie,
    out: puffs_newinfo,
    cn: puffs_cn,
    _va: vattr,
    target: ByteName,
  ): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cn.cred);
      this.answer(vfs_symlink(parent, cn.name, target), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_tmpfile(dir: Cookie, out: puffs_newinfo, va: vattr, cred: puffs_cred): number {
    try {
      const parent = this.nodes.directory(dir);
      this.enter(cred);
      this.answer(vfs_tmpfile(parent, va.va_mode), out);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_link(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const parent = this.nodes.directory(dir);
      const node = this.nodes.get(targ);
      this.enter(cn.cred);
      // The name that it was looked up by may have left the name cache.
      ihold(node.inode);
      const old = d_obtain_alias(node.inode);
      try {
        dput(vfs_link(old, parent, cn.name));
      } finally {
        dput(old);
      }
      node.nlookup++;
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_remove(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const parent = this.nodes.directory(dir);
      this.nodes.get(targ);
      this.enter(cn.cred);
      vfs_unlink(parent, cn.name);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_rmdir(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const parent = this.nodes.directory(dir);
      this.nodes.get(targ);
      this.enter(cn.cred);
      vfs_rmdir(parent, cn.name);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  /** `flags` has Linux's numbers already. */
  node_rename(
    sdir: Cookie,
    src: Cookie,
    scn: puffs_cn,
    tdir: Cookie,
    targ: Cookie | null,
    tcn: puffs_cn,
    flags: number,
  ): number {
    try {
      const from = this.nodes.directory(sdir);
      const to = this.nodes.directory(tdir);
      this.nodes.get(src);
      if (targ !== null) this.nodes.get(targ);
      this.enter(tcn.cred);
      vfs_rename(from, scn.name, to, tcn.name, flags);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_readdir(
    dir: Cookie,
    offset: number,
    cred: puffs_cred,
    emit: puffs_nextdent,
    out: puffs_readdir_result,
  ): number {
    try {
      const node = this.nodes.get(dir);
      this.enter(cred);
      out.eof = true;
      const context: dir_context = {
        pos: offset,
        actor(name, ino, type, next) {
          const fits = emit(name, ino, type, next);
          if (!fits) out.eof = false;
          return fits;
        },
      };
      this.with_file(node, O_RDONLY, (file) => vfs_iterate_dir(file, context));
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_readlink(node: Cookie, cred: puffs_cred, out: { value: ByteName }): number {
    try {
      const { inode } = this.nodes.get(node);
      this.enter(cred);
      out.value = vfs_readlink(inode);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  /** No operation leaves anything half done. */
  node_abortop(): number {
    return 0;
  }

  // ---- nodes ------------------------------------------------------------------------------------

  node_open(cookie: Cookie, mode: number, cred: puffs_cred): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(cred);
      node.opened(vfs_open(node.inode, open_mode_to_flags(mode)));
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_close(cookie: Cookie, mode: number, cred: puffs_cred): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(cred);
      try {
        node.close(open_mode_to_flags(mode));
      } finally {
        this.nodes.drop_if_unused(node);
      }
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  /** PUFFS_VREAD, VWRITE and VEXEC are MAY_READ, MAY_WRITE and MAY_EXEC. */
  node_access(cookie: Cookie, mode: number, cred: puffs_cred): number {
    try {
      const { inode } = this.nodes.get(cookie);
      this.enter(cred);
      inode_permission(inode, mode);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_getattr(cookie: Cookie, va: vattr, _cred: puffs_cred): number {
    try {
      this.getattr(this.nodes.get(cookie).inode, va);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_setattr(cookie: Cookie, va: vattr, cred: puffs_cred): number {
    try {
      const { inode, dentry } = this.nodes.get(cookie);
      this.enter(cred);
      notify_change(dentry, inode, vattr_to_iattr(va));
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_read(cookie: Cookie, uio: puffs_uio, _ioflag: number, cred: puffs_cred): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(cred);
      uio.resid -= this.with_file(node, O_RDONLY, (file) =>
        vfs_read(file, uio.buf, uio.off, uio.resid, uio.offset),
      );
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  /** A short write is asked for the rest, so that its reason comes out. */
  node_write(cookie: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(cred);
      this.with_file(node, O_WRONLY, (file) => {
        file.f_flags = (file.f_flags & O_ACCMODE) | ioflag_to_flags(ioflag);
        file.f_mode = ioflag_to_fmode(ioflag);
        const length = uio.resid;
        while (uio.resid > 0) {
          const done = length - uio.resid;
          const { buf, off, offset } = uio;
          const written = vfs_write(file, buf, off + done, uio.resid, offset + done);
          BUG_ON(written <= 0, `${this.fsname} wrote ${written} bytes of ${uio.resid}`);
          uio.resid -= written;
        }
      });
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_poll(_cookie: Cookie, events: number): number {
    return events;
  }

  node_mmap(cookie: Cookie, _prot: number, _cred: puffs_cred): number {
    try {
      this.nodes.get(cookie);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_fsync(cookie: Cookie, cred: puffs_cred, flags: number, _low: number, _high: number): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(cred);
      const datasync = (flags & FSYNC_DATAONLY) !== 0;
      // A directory cannot be opened otherwise, and fsync(2) does not care.
      this.with_file(node, node.writer === undefined ? O_RDONLY : O_WRONLY, (file) =>
        vfs_fsync(file, datasync),
      );
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_seek(cookie: Cookie, _oldOffset: number, newOffset: number, _cred: puffs_cred): number {
    try {
      this.nodes.get(cookie);
      if (newOffset < 0) throw new Errno('EINVAL');
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_seekhole(cookie: Cookie, offset: number, hole: boolean, out: puffs_size): number {
    try {
      out.value = vfs_seek(this.nodes.get(cookie).inode, offset, hole ? 'hole' : 'data');
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_fallocate(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  node_fdiscard(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  /** Linux keeps an inode while it is referenced, used or not. */
  node_inactive(cookie: Cookie): number {
    try {
      this.nodes.get(cookie);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_reclaim(cookie: Cookie, nlookup: number): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(PUFFS_CRED_KERNEL);
      BUG_ON(nlookup > node.nlookup, `node ${cookie} given back more often than looked up`);
      node.nlookup -= nlookup;
      this.nodes.drop_if_unused(node);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_print(cookie: Cookie): number {
    try {
      const { inode, nlookup } = this.nodes.get(cookie);
      const { i_ino, i_count, i_nlink, i_size } = inode;
      this.sb.s_lump.pr_info(
        `l2p: node ${cookie}: inode ${i_ino}, ${nlookup} lookups, ` +
          `${i_count} references, ${i_nlink} links, ${i_size} bytes`,
      );
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_pathconf(cookie: Cookie, name: number, out: puffs_size): number {
    try {
      this.nodes.get(cookie);
      out.value = this.pathconf(name);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_advlock(): number {
    return l2p_errno(new Errno('EOPNOTSUPP'));
  }

  // ---- extended attributes ----------------------------------------------------------------------

  node_getextattr(
    cookie: Cookie,
    ns: number,
    name: ByteName,
    size: puffs_size,
    buf: Uint8Array | null,
    cred: puffs_cred,
  ): number {
    try {
      const { inode } = this.nodes.get(cookie);
      this.enter(cred);
      const value = vfs_getxattr(inode, extattr_to_xattr(ns, name));
      size.value = value.length;
      if (buf === null) return 0;
      if (buf.length < value.length) throw new Errno('ERANGE');
      buf.set(value);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_setextattr(
    cookie: Cookie,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: puffs_cred,
  ): number {
    try {
      const { inode } = this.nodes.get(cookie);
      this.enter(cred);
      vfs_setxattr(inode, extattr_to_xattr(ns, name), value, flags);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_listextattr(
    cookie: Cookie,
    ns: number,
    out: { names: ByteName[] },
    cred: puffs_cred,
  ): number {
    try {
      const { inode } = this.nodes.get(cookie);
      this.enter(cred);
      const all = vfs_listxattr(inode).map(xattr_to_extattr);
      out.names = all.filter((attribute) => attribute.ns === ns).map(({ name }) => name);
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  node_deleteextattr(cookie: Cookie, ns: number, name: ByteName, cred: puffs_cred): number {
    try {
      const { inode } = this.nodes.get(cookie);
      this.enter(cred);
      vfs_removexattr(inode, extattr_to_xattr(ns, name));
      return 0;
    } catch (error) {
      return l2p_errno(error);
    }
  }

  // ---- inside -----------------------------------------------------------------------------------

  /** The rest of the operation runs in this credential's name. */
  private enter(cred: puffs_cred): void {
    if (cred !== this.last_puffs_cred && cred !== PUFFS_CRED_KERNEL) {
      this.last_puffs_cred = cred;
      this.last_cred = puffs_to_linux_cred(cred);
    }
    this.sb.s_lump.current_cred = cred === PUFFS_CRED_KERNEL ? KERNEL_CRED : this.last_cred;
  }

  /** Answers a name that was found or made; eats the dentry's reference. */
  private answer(dentry: Dentry, out: puffs_newinfo): void {
    try {
      const node = this.nodes.of(dentry);
      node.nlookup++;
      out.cookie = node.cookie;
      out.generation = 1;
      this.getattr(node.inode, out.va);
    } finally {
      dput(dentry);
    }
  }

  private getattr(inode: inode, va: vattr): void {
    generic_fillattr(inode, this.kstat);
    kstat_to_vattr(this.kstat, va);
  }

  /**
   * Works with one of the node's open files; without any, with one made for this call: pages of a
   * mapping are read and written after the last close, and who opened the file was asked then.
   */
  private with_file<T>(node: l2p_node, flags: number, use: (file: file) => T): T {
    const open = flags === O_RDONLY ? node.reader : node.writer;
    if (open !== undefined) return use(open);
    const { s_lump } = this.sb;
    const caller = s_lump.current_cred;
    s_lump.current_cred = { ...caller, permissionsChecked: true };
    let file: file;
    try {
      file = vfs_open(node.inode, flags);
    } finally {
      s_lump.current_cred = caller;
    }
    try {
      return use(file);
    } finally {
      fput(file);
    }
  }

  /** @throws EINVAL */
  private pathconf(name: number): number {
    switch (name) {
      case PC_LINK_MAX:
        return this.sb.s_max_links || LINK_MAX;
      case PC_NAME_MAX: {
        const statfs = new_kstatfs();
        vfs_statfs(this.sb, statfs);
        return statfs.f_namelen;
      }
      case PC_PATH_MAX:
        return PATH_BYTES_MAX;
      case PC_FILESIZEBITS:
        return Math.ceil(Math.log2(this.sb.s_maxbytes + 1)) + 1;
      case PC_SYMLINK_MAX:
        return PAGE_SIZE - 1;
      case PC_CHOWN_RESTRICTED:
      case PC_NO_TRUNC:
      case PC_SYNC_IO:
        return 1;
      default:
        throw new Errno('EINVAL');
    }
  }
}
