/**
 * A file system in memory: the reference implementation of {@link puffs_ops}. It judges the others
 * (as the model of the randomized tests) and stands in for them where the layers above the waist
 * are tested.
 *
 * Its manners are those of a Linux disk file system mounted with noatime and acl: permission bits,
 * sticky and set-id rules, POSIX ACLs, hard links, holes, unlinked-but-open files, NOREPLACE and
 * EXCHANGE, nanoseconds. Not kept: file flags (EOPNOTSUPP), advisory locks (EOPNOTSUPP).
 *
 * Who checks what: node_open and node_access check permission; read, write and a change of size do
 * not, since open(2) and truncate(2) have asked before (ftruncate(2) needs no more than the open).
 * Two mistakes of a caller are thrown, not answered: giving back lookups or opens it never had.
 */
import { puffs_access_open, puffs_cred_isjuggernaut } from './cred.js';
import { NETBSD_ERRNO as E } from './errno.js';
import { MemfsBase, withoutPrivileges } from './memfs_base.js';
import { MEMFS_PAGE_BYTES } from './memfs_data.js';
import {
  FWRITE,
  IO_APPEND,
  IO_NOCMTIME,
  MNT_FORCE,
  PC_CHOWN_RESTRICTED,
  PC_FILESIZEBITS,
  PC_LINK_MAX,
  PC_NAME_MAX,
  PC_NO_TRUNC,
  PC_PATH_MAX,
  PC_SYMLINK_MAX,
  PC_SYNC_IO,
  PUFFS_RENAME_EXCHANGE,
  PUFFS_RENAME_NOREPLACE,
  PUFFS_VEXEC,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VBLK,
  VCHR,
  VDIR,
  VFIFO,
  VLNK,
  VNOVAL,
  VREG,
  VSOCK,
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
} from './puffs.js';
import { vattr_has_atime, vattr_has_mtime, vtype_to_dt } from './vattr.js';

const PATH_MAX_BYTES = 1024;
const MNT_RDONLY = 1;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;

export class Memfs extends MemfsBase implements puffs_ops {
  readonly fsname = 'memfs';

  // ---- the file system --------------------------------------------------------------------------

  fs_unmount(flags: number): number {
    const isBusy = [...this.nodes.values()].some((node) => node.opens > 0);
    if (isBusy && (flags & MNT_FORCE) === 0) return E.EBUSY;
    this.nodes.clear();
    return 0;
  }

  fs_statvfs(out: puffs_statvfs): number {
    const free = this.space.pagesMax - this.space.pagesUsed;
    out.f_bsize = out.f_frsize = MEMFS_PAGE_BYTES;
    out.f_blocks = this.space.pagesMax;
    out.f_bfree = out.f_bavail = free;
    out.f_files = this.nodesMax;
    out.f_ffree = out.f_favail = this.nodesMax - this.nodes.size;
    out.f_namemax = this.nameBytesMax;
    out.f_flag = this.readOnly ? MNT_RDONLY : 0;
    out.f_fsid = 0;
    out.f_fstypename = this.fsname;
    return 0;
  }

  fs_sync(_waitfor: number, _cred: puffs_cred): number {
    return 0;
  }

  /** EBUSY also while an unlinked file lives, as it could not be removed later. */
  fs_remount(readOnly: boolean, options: string): number {
    if (options !== '') return E.EINVAL;
    if (readOnly && !this.readOnly) {
      for (const node of this.nodes.values()) {
        if (node.writers > 0 || (node.nlink === 0 && node.opens > 0)) return E.EBUSY;
      }
    }
    this.readOnly = readOnly;
    return 0;
  }

  fs_nodetofh(cookie: Cookie, out: { fid: Uint8Array }): number {
    if (!this.nodes.has(cookie)) return E.ESTALE;
    out.fid = new Uint8Array(8);
    new DataView(out.fid.buffer).setBigUint64(0, BigInt(cookie));
    return 0;
  }

  fs_fhtonode(fid: Uint8Array, out: puffs_newinfo): number {
    if (fid.length !== 8) return E.EINVAL;
    const cookie = new DataView(fid.buffer, fid.byteOffset).getBigUint64(0);
    const node = this.nodes.get(Number(cookie));
    if (node === undefined || node.nlink === 0) return E.ESTALE;
    return this.answer(node, out);
  }

  fs_extattrctl(): number {
    return E.EOPNOTSUPP;
  }

  background(): number {
    return -1;
  }

  // ---- names ------------------------------------------------------------------------------------

  node_lookup(dir: Cookie, out: puffs_newinfo, cn: puffs_cn): number {
    const parent = this.nodes.get(dir);
    if (parent === undefined) return E.ESTALE;
    if (parent.directory === null) return E.ENOTDIR;
    const denied = this.access(parent, PUFFS_VEXEC, cn.cred);
    if (denied !== 0) return denied;
    if (cn.name === '..') return this.answer(parent.directory.parent, out);
    if (cn.name.length > this.nameBytesMax) return E.ENAMETOOLONG;
    const node = parent.directory.find(cn.name);
    return node === undefined ? E.ENOENT : this.answer(node, out);
  }

  node_create(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    return this.make(dir, out, cn, VREG, va.va_mode & 0o7777, 0, '');
  }

  node_mknod(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    if (![VREG, VBLK, VCHR, VFIFO, VSOCK].includes(va.va_type)) return E.EINVAL;
    const isDevice = va.va_type === VBLK || va.va_type === VCHR;
    if (isDevice && !puffs_cred_isjuggernaut(cn.cred) && !cn.cred.permissionsChecked) {
      const parent = this.nodes.get(dir);
      return parent === undefined ? E.ESTALE : this.mayCreate(parent, cn) || E.EPERM;
    }
    const rdev = isDevice ? va.va_rdev : 0;
    return this.make(dir, out, cn, va.va_type, va.va_mode & 0o7777, rdev, '');
  }

  node_mkdir(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    return this.make(dir, out, cn, VDIR, va.va_mode & 0o1777, 0, '');
  }

  node_symlink(
    dir: Cookie,
    out: puffs_newinfo,
    cn: puffs_cn,
    _va: vattr,
    target: ByteName,
  ): number {
    return this.make(dir, out, cn, VLNK, 0o777, 0, target);
  }

  node_tmpfile(dir: Cookie, out: puffs_newinfo, va: vattr, cred: puffs_cred): number {
    const parent = this.nodes.get(dir);
    if (parent === undefined) return E.ESTALE;
    if (parent.directory === null) return E.ENOTDIR;
    const denied = this.access(parent, PUFFS_VWRITE | PUFFS_VEXEC, cred);
    if (denied !== 0) return denied;
    const node = this.inherit(VREG, parent, va.va_mode & 0o7777, cred);
    if (node === null) return E.ENOSPC;
    node.linkable = true;
    return this.answer(node, out);
  }

  node_remove(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    const parent = this.nodes.get(dir);
    const node = this.nodes.get(targ);
    if (parent === undefined || node === undefined) return E.ESTALE;
    const refused = this.mayDelete(parent, node, cn);
    if (refused !== 0) return refused;
    if (node.directory !== null) return E.EISDIR;
    this.unlink(parent, node, cn.name);
    return 0;
  }

  node_rmdir(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    const parent = this.nodes.get(dir);
    const node = this.nodes.get(targ);
    if (parent === undefined || node === undefined) return E.ESTALE;
    const refused = this.mayDelete(parent, node, cn);
    if (refused !== 0) return refused;
    if (node.directory === null) return E.ENOTDIR;
    if (node.directory.size > 0) return E.ENOTEMPTY;
    this.unlink(parent, node, cn.name);
    return 0;
  }

  node_link(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    const parent = this.nodes.get(dir);
    const node = this.nodes.get(targ);
    if (parent === undefined || node === undefined) return E.ESTALE;
    const refused = this.mayCreate(parent, cn);
    if (refused !== 0) return refused;
    if (node.directory !== null) return E.EPERM;
    if (node.nlink === 0 && !node.linkable) return E.ENOENT;
    if (node.nlink >= this.linksMax) return E.EMLINK;
    const now = this.now();
    parent.directory!.set(cn.name, node);
    parent.touch(now);
    node.nlink++;
    node.linkable = false;
    node.ctime = now;
    node.nlookup++;
    return 0;
  }

  node_rename(
    sdir: Cookie,
    src: Cookie,
    scn: puffs_cn,
    tdir: Cookie,
    _targ: Cookie | null,
    tcn: puffs_cn,
    flags: number,
  ): number {
    const from = this.nodes.get(sdir);
    const to = this.nodes.get(tdir);
    const node = this.nodes.get(src);
    if (from === undefined || to === undefined || node === undefined) return E.ESTALE;
    if (flags !== 0 && flags !== PUFFS_RENAME_NOREPLACE && flags !== PUFFS_RENAME_EXCHANGE) {
      return E.EINVAL;
    }
    if (to.directory === null) return E.ENOTDIR;
    const searched = this.access(to, PUFFS_VEXEC, tcn.cred) || this.checkName(tcn.name);
    if (searched !== 0) return searched;
    const victim = to.directory.find(tcn.name);
    if (from.directory?.find(scn.name) !== node) return E.ENOENT;
    if (flags === PUFFS_RENAME_NOREPLACE && victim !== undefined) return E.EEXIST;
    if (flags === PUFFS_RENAME_EXCHANGE && victim === undefined) return E.ENOENT;
    if (to.isInside(node)) return E.EINVAL;
    if (victim !== undefined && from.isInside(victim)) {
      return flags === PUFFS_RENAME_EXCHANGE ? E.EINVAL : E.ENOTEMPTY;
    }
    if (victim === node) return 0;

    const isExchange = flags === PUFFS_RENAME_EXCHANGE;
    const refused =
      this.mayDelete(from, node, scn) ||
      (victim === undefined ? this.mayCreate(to, tcn) : this.mayDelete(to, victim, tcn)) ||
      (isExchange ? 0 : node.mayReplace(victim)) ||
      this.mayMove(node, from, to, scn.cred) ||
      (isExchange ? this.mayMove(victim!, to, from, scn.cred) : 0);
    if (refused !== 0) return refused;
    if (isExchange) {
      this.exchange(from, node, scn.name, to, victim!, tcn.name);
      return 0;
    }
    const isNewDirectory = node.directory !== null && victim === undefined;
    if (isNewDirectory && from !== to && to.nlink >= this.linksMax) return E.EMLINK;
    if (victim?.directory && victim.directory.size > 0) return E.ENOTEMPTY;
    const now = this.now();
    if (victim !== undefined) this.dropLink(to, victim, now);
    from.directory!.delete(scn.name);
    to.directory.set(tcn.name, node);
    this.moveParent(node, from, to);
    from.touch(now);
    to.touch(now);
    node.ctime = now;
    return 0;
  }

  node_readdir(
    dir: Cookie,
    offset: number,
    _cred: puffs_cred,
    emit: puffs_nextdent,
    out: puffs_readdir_result,
  ): number {
    const node = this.nodes.get(dir);
    if (node === undefined) return E.ESTALE;
    if (node.directory === null) return E.ENOTDIR;
    if (node.nlink === 0) return E.ENOENT;
    out.eof = false;
    const { directory } = node;
    const dtDir = vtype_to_dt(VDIR);
    let at = offset;
    if (at <= 0) {
      if (!emit('.', node.cookie, dtDir, 1)) return 0;
      at = 1;
    }
    if (at === 1) {
      if (!emit('..', directory.parent.cookie, dtDir, 2)) return 0;
      at = 2;
    }
    for (;;) {
      const entry = directory.entryFrom(at);
      if (entry === undefined) break;
      at = entry.offset + 1;
      if (!emit(entry.name, entry.node.cookie, vtype_to_dt(entry.node.type), at)) return 0;
    }
    out.eof = true;
    return 0;
  }

  node_readlink(cookie: Cookie, _cred: puffs_cred, out: { value: ByteName }): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (node.type !== VLNK) return E.EINVAL;
    out.value = node.target;
    return 0;
  }

  node_abortop(): number {
    return 0;
  }

  // ---- nodes ------------------------------------------------------------------------------------

  node_open(cookie: Cookie, mode: number, cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (node.directory !== null && (mode & FWRITE) !== 0) return E.EISDIR;
    const denied = this.access(node, puffs_access_open(mode), cred);
    if (denied !== 0) return denied;
    node.opens++;
    if ((mode & FWRITE) !== 0) node.writers++;
    return 0;
  }

  node_close(cookie: Cookie, mode: number, _cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    const isWriter = (mode & FWRITE) !== 0;
    if (node.opens === 0 || (isWriter && node.writers === 0)) {
      throw new Error(`memfs: node ${cookie} closed more often than opened`);
    }
    node.opens--;
    if (isWriter) node.writers--;
    this.freeIfUnused(node);
    return 0;
  }

  node_access(cookie: Cookie, mode: number, cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    return node === undefined ? E.ESTALE : this.access(node, mode, cred);
  }

  node_getattr(cookie: Cookie, va: vattr, _cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    node.fill(va);
    return 0;
  }

  node_setattr(cookie: Cookie, va: vattr, cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (this.readOnly) return E.EROFS;
    if (va.va_flags !== VNOVAL) return E.EOPNOTSUPP;
    const refused = this.mayChange(node, va, cred);
    if (refused !== 0) return refused;

    const now = this.now();
    if (va.va_size !== VNOVAL) {
      node.data!.truncate(va.va_size);
      node.size = va.va_size;
      node.mtime = now;
      if (!puffs_cred_isjuggernaut(cred)) node.mode = withoutPrivileges(node, cred);
    }
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      if (va.va_uid !== VNOVAL) node.uid = va.va_uid;
      if (va.va_gid !== VNOVAL) node.gid = va.va_gid;
      if (node.directory === null) node.mode = withoutPrivileges(node, cred);
    }
    if (va.va_mode !== VNOVAL) this.chmod(node, va.va_mode, cred);
    const isNow = (va.va_vaflags & VA_UTIMES_NULL) !== 0;
    if (vattr_has_atime(va)) {
      node.atime = isNow ? now : { sec: va.va_atime_sec, nsec: va.va_atime_nsec };
    }
    if (vattr_has_mtime(va)) {
      node.mtime = isNow ? now : { sec: va.va_mtime_sec, nsec: va.va_mtime_nsec };
    }
    node.ctime = now;
    return 0;
  }

  node_read(cookie: Cookie, uio: puffs_uio, _ioflag: number, _cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (node.directory !== null) return E.EISDIR;
    if (node.data === null) return E.EINVAL;
    const count = Math.min(uio.resid, node.size - uio.offset);
    if (count <= 0) return 0;
    node.data.read(uio.offset, uio.buf, uio.off, count);
    uio.resid -= count;
    return 0;
  }

  node_write(cookie: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (this.readOnly) return E.EROFS;
    if (node.directory !== null) return E.EISDIR;
    if (node.data === null) return E.EINVAL;
    if (uio.resid === 0) return 0;
    const position = (ioflag & IO_APPEND) !== 0 ? node.size : uio.offset;
    const room = this.fileBytesMax - position;
    if (room <= 0) return E.EFBIG;
    const wanted = Math.min(uio.resid, room);
    const done = node.data.write(position, uio.buf, uio.off, wanted);
    if (done > 0) {
      node.size = Math.max(node.size, position + done);
      uio.resid -= done;
      if ((ioflag & IO_NOCMTIME) === 0) node.touch(this.now());
      if (!puffs_cred_isjuggernaut(cred)) node.mode = withoutPrivileges(node, cred);
    }
    if (done < wanted) return E.ENOSPC;
    return uio.resid === 0 ? 0 : E.EFBIG;
  }

  node_poll(cookie: Cookie, events: number): number {
    return this.nodes.has(cookie) ? events : 0;
  }

  node_mmap(cookie: Cookie): number {
    return this.nodes.has(cookie) ? 0 : E.ESTALE;
  }

  node_fsync(cookie: Cookie): number {
    return this.nodes.has(cookie) ? 0 : E.ESTALE;
  }

  node_seek(cookie: Cookie, _oldOffset: number, newOffset: number): number {
    if (!this.nodes.has(cookie)) return E.ESTALE;
    return newOffset < 0 ? E.EINVAL : 0;
  }

  node_seekhole(cookie: Cookie, offset: number, hole: boolean, out: puffs_size): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (node.data === null) return E.EINVAL;
    if (offset < 0 || offset >= node.size) return E.ENXIO;
    if (hole) {
      out.value = Math.min(node.data.nextHole(offset), node.size);
      return 0;
    }
    const data = node.data.nextData(offset);
    if (data === undefined || data >= node.size) return E.ENXIO;
    out.value = data;
    return 0;
  }

  node_fallocate(cookie: Cookie, offset: number, length: number, mode: number): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (this.readOnly) return E.EROFS;
    if (node.data === null) return E.EINVAL;
    if (offset < 0 || length <= 0) return E.EINVAL;
    if (offset + length > this.fileBytesMax) return E.EFBIG;
    if (mode === (FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE)) {
      node.data.punch(offset, length);
    } else if (mode === 0 || mode === FALLOC_KEEP_SIZE) {
      if (!node.data.allocate(offset, length)) return E.ENOSPC;
      if (mode === 0) node.size = Math.max(node.size, offset + length);
    } else {
      return E.EOPNOTSUPP;
    }
    node.touch(this.now());
    return 0;
  }

  node_fdiscard(cookie: Cookie, offset: number, length: number): number {
    return this.node_fallocate(cookie, offset, length, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE);
  }

  node_inactive(cookie: Cookie): number {
    return this.nodes.has(cookie) ? 0 : E.ESTALE;
  }

  node_reclaim(cookie: Cookie, nlookup: number): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (nlookup > node.nlookup) {
      throw new Error(`memfs: ${nlookup} of ${node.nlookup} lookups of node ${cookie} given back`);
    }
    node.nlookup -= nlookup;
    this.freeIfUnused(node);
    return 0;
  }

  node_print(cookie: Cookie): number {
    return this.nodes.has(cookie) ? 0 : E.ESTALE;
  }

  node_pathconf(cookie: Cookie, name: number, out: puffs_size): number {
    if (!this.nodes.has(cookie)) return E.ESTALE;
    const values: Record<number, number> = {
      [PC_LINK_MAX]: this.linksMax,
      [PC_NAME_MAX]: this.nameBytesMax,
      [PC_PATH_MAX]: PATH_MAX_BYTES,
      [PC_CHOWN_RESTRICTED]: 1,
      [PC_NO_TRUNC]: 1,
      [PC_SYNC_IO]: 1,
      [PC_FILESIZEBITS]: Math.ceil(Math.log2(this.fileBytesMax + 1)) + 1,
      [PC_SYMLINK_MAX]: this.symlinkBytesMax,
    };
    const value = values[name];
    if (value === undefined) return E.EINVAL;
    out.value = value;
    return 0;
  }

  node_advlock(): number {
    return E.EOPNOTSUPP;
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
    const node = this.nodes.get(cookie);
    return node === undefined ? E.ESTALE : this.xattrs.get(node, ns, name, size, buf, cred);
  }

  node_setextattr(
    cookie: Cookie,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: puffs_cred,
  ): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (this.readOnly) return E.EROFS;
    return this.xattrs.set(node, ns, name, value, flags, cred);
  }

  node_listextattr(
    cookie: Cookie,
    ns: number,
    out: { names: ByteName[] },
    cred: puffs_cred,
  ): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    out.names = this.xattrs.list(node, ns, cred);
    return 0;
  }

  node_deleteextattr(cookie: Cookie, ns: number, name: ByteName, cred: puffs_cred): number {
    const node = this.nodes.get(cookie);
    if (node === undefined) return E.ESTALE;
    if (this.readOnly) return E.EROFS;
    return this.xattrs.delete(node, ns, name, cred);
  }
}
