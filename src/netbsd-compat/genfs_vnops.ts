/**
 * The vnode operations of file systems with inodes, over {@link genfs_medium}.
 *
 * Rules that every such file system shares are here, once: who may make, remove, rename and change
 * what, link counts, times, loss of set-id bits, the sanity of renames. They are those of a Linux
 * file system mounted with noatime, where NetBSD's differ (DIFFERENCES.md says where): it is the
 * host's programs that use the mount.
 */
import {
  puffs_access,
  puffs_access_chmod,
  puffs_access_chown,
  puffs_access_open,
  puffs_cred_hasgroup,
  puffs_cred_isjuggernaut,
  puffs_cred_isuid,
} from '../puffs/cred.js';
import {
  FWRITE,
  IO_APPEND,
  IO_NOCMTIME,
  IO_SYNC,
  PC_FILESIZEBITS,
  PC_LINK_MAX,
  PC_NAME_MAX,
  PC_SYMLINK_MAX,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VBLK,
  VCHR,
  VDIR,
  VLNK,
  VNOVAL,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_size,
  type puffs_uio,
  type vattr,
} from '../puffs/puffs.js';
import { Extattrs } from '../puffs/extattr.js';
import { vattr_has_atime, vattr_has_mtime } from '../puffs/vattr.js';
import { NetbsdErrno } from './errno.js';
import {
  acl_access,
  acl_chmod,
  acl_inherit,
  extattr_view,
  has_default_acl,
} from './genfs_extattr.js';
import {
  APPEND,
  IMMUTABLE,
  SF_SETTABLE,
  SF_SNAPSHOT,
  type genfs_medium,
  type genfs_node,
  type genfs_time,
} from './genfs_node.js';
import type { kauth_cred } from './kauth.js';
import type { mount } from './mount.js';
import { vcache_get, vrele, vref, type vnode } from './vnode.js';
import { vnodeops, type componentname } from './vnode_if.js';

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;
const S_IXGRP = 0o010;

export class genfs_vnops<N extends genfs_node> extends vnodeops {
  protected readonly medium: genfs_medium<N>;
  private readonly extattrs = new Extattrs<extattr_view<N>>({
    access: ({ vp }, wanted, cred) => {
      this.access(vp, wanted, cred);
      return 0;
    },
    changed: ({ vp }) => this.change_links(vp, 0),
  });

  constructor(medium: genfs_medium<N>) {
    super();
    this.medium = medium;
  }

  protected node(vp: vnode): N {
    return vp.v_data as N;
  }

  // ---- names ------------------------------------------------------------------------------------

  lookup(dvp: vnode, name: ByteName): vnode | null {
    if (name.length > this.medium.limits.nameBytes) throw new NetbsdErrno('ENAMETOOLONG');
    const number = this.medium.lookup(this.node(dvp), name);
    return number === 0 ? null : vcache_get(dvp.v_mount, number);
  }

  override create(dvp: vnode, cnp: componentname, va: vattr): vnode {
    return this.make(dvp, cnp, VREG, va.va_mode & 0o7777, 0, '');
  }

  override mknod(dvp: vnode, cnp: componentname, va: vattr): vnode {
    const isDevice = va.va_type === VBLK || va.va_type === VCHR;
    if (isDevice) {
      this.may_create(dvp, cnp);
      const { cn_cred } = cnp;
      const refusal = puffs_cred_isjuggernaut(cn_cred) ? null : new NetbsdErrno('EPERM');
      dvp.v_mount.mnt_rump.kauth.kauth_authorize_vnode(cn_cred, 'mknod', dvp, 0, 0, refusal);
    }
    return this.make(dvp, cnp, va.va_type, va.va_mode & 0o7777, isDevice ? va.va_rdev : 0, '');
  }

  override mkdir(dvp: vnode, cnp: componentname, va: vattr): vnode {
    return this.make(dvp, cnp, VDIR, va.va_mode & 0o1777, 0, '');
  }

  override symlink(dvp: vnode, cnp: componentname, _va: vattr, target: ByteName): vnode {
    return this.make(dvp, cnp, VLNK, 0o777, 0, target);
  }

  override link(dvp: vnode, vp: vnode, cnp: componentname): void {
    this.may_create(dvp, cnp);
    const dir = this.node(dvp);
    const node = this.node(vp);
    if (node.i_type === VDIR || is_fixed(node)) throw new NetbsdErrno('EPERM');
    if (node.i_nlink === 0) throw new NetbsdErrno('ENOENT');
    if (node.i_nlink >= this.medium.limits.links) throw new NetbsdErrno('EMLINK');
    // The count is raised first: after a crash it may be too high, never too low.
    this.change_links(vp, 1);
    try {
      this.medium.enter(dir, cnp.cn_name, node.i_number, node.i_type);
    } catch (error) {
      this.change_links(vp, -1);
      throw error;
    }
    this.touch(dvp);
  }

  override remove(dvp: vnode, vp: vnode, cnp: componentname): void {
    this.may_delete(dvp, vp, cnp);
    if (vp.v_type === VDIR) throw new NetbsdErrno('EISDIR');
    this.medium.remove(this.node(dvp), cnp.cn_name);
    this.touch(dvp);
    this.change_links(vp, -1);
  }

  override rmdir(dvp: vnode, vp: vnode, cnp: componentname): void {
    this.may_delete(dvp, vp, cnp);
    if (vp.v_type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    if (vp.v_mountedhere !== null) throw new NetbsdErrno('EBUSY');
    if (!this.medium.is_empty(this.node(vp))) throw new NetbsdErrno('ENOTEMPTY');
    this.medium.remove(this.node(dvp), cnp.cn_name);
    this.drop_directory(dvp, vp);
    this.touch(dvp);
  }

  override rename(
    fdvp: vnode,
    fvp: vnode,
    fcnp: componentname,
    tdvp: vnode,
    tvp: vnode | null,
    tcnp: componentname,
  ): void {
    const from = this.node(fdvp);
    const to = this.node(tdvp);
    const node = this.node(fvp);
    if (this.is_inside(tdvp, fvp)) throw new NetbsdErrno('EINVAL', 'a directory into itself');
    if (tvp !== null && this.is_inside(fdvp, tvp)) throw new NetbsdErrno('ENOTEMPTY');
    if (tvp === fvp) return;
    this.may_delete(fdvp, fvp, fcnp);
    if (tvp === null) this.may_create(tdvp, tcnp);
    else this.may_delete(tdvp, tvp, tcnp);
    const isDirectory = fvp.v_type === VDIR;
    if (tvp !== null && isDirectory !== (tvp.v_type === VDIR)) {
      throw new NetbsdErrno(isDirectory ? 'ENOTDIR' : 'EISDIR');
    }
    const moves = isDirectory && fdvp !== tdvp;
    // ".." is written to.
    if (moves) this.access(fvp, PUFFS_VWRITE, fcnp.cn_cred);
    if (moves && tvp === null && to.i_nlink >= this.medium.limits.links) {
      throw new NetbsdErrno('EMLINK');
    }
    if (tvp !== null && tvp.v_type === VDIR && !this.medium.is_empty(this.node(tvp))) {
      throw new NetbsdErrno('ENOTEMPTY');
    }
    // In an order in which a crash leaves a name too many, and no file without one.
    if (tvp === null) this.medium.enter(to, tcnp.cn_name, node.i_number, node.i_type);
    else this.medium.rewrite(to, tcnp.cn_name, node.i_number, node.i_type);
    this.medium.remove(from, fcnp.cn_name);
    if (tvp !== null) {
      if (isDirectory) this.drop_directory(tdvp, tvp);
      else this.change_links(tvp, -1);
    }
    if (moves) {
      this.medium.rewrite(node, '..', to.i_number, VDIR);
      lose_subdirectory(from);
      to.i_nlink++;
    }
    this.touch(fdvp);
    if (fdvp !== tdvp) this.touch(tdvp);
    this.change_links(fvp, 0);
  }

  override readdir(vp: vnode, offset: number, emit: puffs_nextdent): boolean {
    if (vp.v_type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    const node = this.node(vp);
    if (node.i_nlink === 0) throw new NetbsdErrno('ENOENT');
    return this.medium.readdir(node, offset, emit);
  }

  override readlink(vp: vnode): ByteName {
    if (vp.v_type !== VLNK) throw new NetbsdErrno('EINVAL');
    return this.medium.readlink(this.node(vp));
  }

  // ---- nodes ------------------------------------------------------------------------------------

  override open(vp: vnode, mode: number, cred: kauth_cred): void {
    if (vp.v_type === VDIR && (mode & FWRITE) !== 0) throw new NetbsdErrno('EISDIR');
    this.access(vp, puffs_access_open(mode), cred);
  }

  /** EROFS before EACCES. */
  access(vp: vnode, mode: number, cred: kauth_cred): void {
    const isOfMedium = vp.v_type === VREG || vp.v_type === VDIR || vp.v_type === VLNK;
    if ((mode & PUFFS_VWRITE) !== 0 && isOfMedium) this.check_writable(vp.v_mount);
    const node = this.node(vp);
    const { i_type, i_mode, i_uid, i_gid, i_flags } = node;
    const isWritten = (mode & PUFFS_VWRITE) !== 0;
    if (isWritten && (i_flags & IMMUTABLE) !== 0) throw new NetbsdErrno('EPERM');
    const { extattr } = this.medium;
    const error =
      (extattr && acl_access(extattr, node, mode, cred)) ??
      puffs_access(i_type, i_mode, i_uid, i_gid, mode, cred);
    const refusal = error === 0 ? null : new NetbsdErrno('EACCES');
    const { kauth } = vp.v_mount.mnt_rump;
    kauth.kauth_authorize_vnode(cred, 'access', vp, mode, i_mode, refusal);
  }

  getattr(vp: vnode, va: vattr): void {
    const node = this.node(vp);
    va.va_type = node.i_type;
    va.va_mode = node.i_mode;
    va.va_nlink = node.i_nlink;
    va.va_uid = node.i_uid;
    va.va_gid = node.i_gid;
    va.va_fsid = vp.v_mount.mnt_fsid;
    va.va_fileid = node.i_number;
    va.va_size = node.i_size;
    va.va_blocksize = this.medium.limits.blockBytes;
    va.va_atime_sec = node.i_atime.sec;
    va.va_atime_nsec = node.i_atime.nsec;
    va.va_mtime_sec = node.i_mtime.sec;
    va.va_mtime_nsec = node.i_mtime.nsec;
    va.va_ctime_sec = node.i_ctime.sec;
    va.va_ctime_nsec = node.i_ctime.nsec;
    va.va_birthtime_sec = node.i_birthtime?.sec ?? VNOVAL;
    va.va_birthtime_nsec = node.i_birthtime?.nsec ?? VNOVAL;
    va.va_gen = node.i_gen;
    va.va_flags = node.i_flags;
    va.va_rdev = node.i_rdev;
    va.va_bytes = node.i_bytes;
    va.va_filerev = 0;
    va.va_vaflags = 0;
  }

  override setattr(vp: vnode, va: vattr, cred: kauth_cred): void {
    this.check_writable(vp.v_mount);
    const node = this.node(vp);
    if (va.va_flags !== VNOVAL) this.change_flags(vp, va.va_flags, cred);
    else if (is_fixed(node)) throw new NetbsdErrno('EPERM');
    this.may_change(vp, va, cred);
    const now = this.now(vp.v_mount);
    if (va.va_size !== VNOVAL) {
      this.medium.truncate(node, va.va_size);
      node.i_mtime = now;
      if (!puffs_cred_isjuggernaut(cred)) node.i_mode = without_privileges(node, cred);
    }
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      if (va.va_uid !== VNOVAL) node.i_uid = va.va_uid;
      if (va.va_gid !== VNOVAL) node.i_gid = va.va_gid;
      if (node.i_type !== VDIR) node.i_mode = without_privileges(node, cred);
    }
    if (va.va_mode !== VNOVAL) {
      node.i_mode = va.va_mode & (may_keep_group(node, cred) ? 0o7777 : 0o7777 & ~S_ISGID);
      if (this.medium.extattr) acl_chmod(this.medium.extattr, node);
    }
    const isNow = (va.va_vaflags & VA_UTIMES_NULL) !== 0;
    if (vattr_has_atime(va)) {
      node.i_atime = isNow ? now : this.storable(va.va_atime_sec, va.va_atime_nsec);
    }
    if (vattr_has_mtime(va)) {
      node.i_mtime = isNow ? now : this.storable(va.va_mtime_sec, va.va_mtime_nsec);
    }
    node.i_ctime = now;
    this.medium.update(node);
  }

  override read(vp: vnode, uio: puffs_uio): void {
    if (vp.v_type === VDIR) throw new NetbsdErrno('EISDIR');
    if (vp.v_type !== VREG) throw new NetbsdErrno('EINVAL');
    const node = this.node(vp);
    const count = Math.min(uio.resid, node.i_size - uio.offset);
    if (count <= 0) return;
    this.medium.read(node, uio.buf, uio.off, count, uio.offset);
    uio.resid -= count;
  }

  override write(vp: vnode, uio: puffs_uio, ioflag: number, cred: kauth_cred): void {
    this.check_writable(vp.v_mount);
    if (vp.v_type === VDIR) throw new NetbsdErrno('EISDIR');
    if (vp.v_type !== VREG) throw new NetbsdErrno('EINVAL');
    if (uio.resid === 0) return;
    const node = this.node(vp);
    const position = (ioflag & IO_APPEND) !== 0 ? node.i_size : uio.offset;
    if ((node.i_flags & APPEND) !== 0 && position < node.i_size) throw new NetbsdErrno('EPERM');
    const room = this.medium.limits.fileBytes - position;
    if (room <= 0) throw new NetbsdErrno('EFBIG');
    const wanted = Math.min(uio.resid, room);
    const done = this.medium.write(node, uio.buf, uio.off, wanted, position);
    if (done > 0) {
      uio.resid -= done;
      if ((ioflag & IO_NOCMTIME) === 0) node.i_mtime = node.i_ctime = this.now(vp.v_mount);
      if (!puffs_cred_isjuggernaut(cred)) node.i_mode = without_privileges(node, cred);
      this.medium.update(node);
    }
    if ((ioflag & IO_SYNC) !== 0) this.medium.sync(node);
    if (done < wanted) throw new NetbsdErrno('ENOSPC');
    if (uio.resid > 0) throw new NetbsdErrno('EFBIG');
  }

  override getextattr(
    vp: vnode,
    ns: number,
    name: ByteName,
    size: puffs_size,
    buf: Uint8Array | null,
    cred: kauth_cred,
  ): number {
    const view = this.extattr_view(vp);
    if (view === null) return super.getextattr(vp, ns, name, size, buf, cred);
    return this.extattrs.get(view, ns, name, size, buf, cred);
  }

  override setextattr(
    vp: vnode,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: kauth_cred,
  ): number {
    const view = this.extattr_view(vp);
    if (view === null) return super.setextattr(vp, ns, name, value, flags, cred);
    this.check_writable(vp.v_mount);
    return this.extattrs.set(view, ns, name, value, flags, cred);
  }

  override listextattr(vp: vnode, ns: number, cred: kauth_cred): ByteName[] {
    const view = this.extattr_view(vp);
    return view === null ? [] : this.extattrs.list(view, ns, cred);
  }

  override deleteextattr(vp: vnode, ns: number, name: ByteName, cred: kauth_cred): number {
    const view = this.extattr_view(vp);
    if (view === null) return super.deleteextattr(vp, ns, name, cred);
    this.check_writable(vp.v_mount);
    return this.extattrs.delete(view, ns, name, cred);
  }

  override umask(dvp: vnode, cred: kauth_cred): number {
    const { extattr } = this.medium;
    return extattr && has_default_acl(extattr, this.node(dvp)) ? 0 : cred.umask;
  }

  private extattr_view(vp: vnode): extattr_view<N> | null {
    const { extattr } = this.medium;
    return extattr ? new extattr_view(vp, this.node(vp), extattr) : null;
  }

  override fsync(vp: vnode): void {
    this.medium.sync(this.node(vp));
  }

  override inactive(vp: vnode): boolean {
    const node = this.node(vp);
    if (node.i_nlink > 0) return false;
    if (!vp.v_mount.is_readonly) this.medium.free(node);
    return true;
  }

  override reclaim(vp: vnode): void {
    this.medium.forget(this.node(vp));
  }

  override pathconf(vp: vnode, name: number): number {
    const { links, nameBytes, symlinkBytes, fileBytes } = this.medium.limits;
    switch (name) {
      case PC_LINK_MAX:
        return links;
      case PC_NAME_MAX:
        return nameBytes;
      case PC_SYMLINK_MAX:
        return symlinkBytes;
      case PC_FILESIZEBITS:
        return Math.ceil(Math.log2(fileBytes + 1)) + 1;
      default:
        return super.pathconf(vp, name);
    }
  }

  override seekhole(vp: vnode, offset: number, hole: boolean): number {
    if (vp.v_type !== VREG) throw new NetbsdErrno('EINVAL');
    const node = this.node(vp);
    if (offset < 0 || offset >= node.i_size) throw new NetbsdErrno('ENXIO');
    const found = this.medium.seek(node, offset, hole);
    // Behind the last byte there is always a hole.
    if (found < 0 || found >= node.i_size) {
      if (!hole) throw new NetbsdErrno('ENXIO');
      return node.i_size;
    }
    return found;
  }

  // ---- inside -----------------------------------------------------------------------------------

  protected make(
    dvp: vnode,
    cnp: componentname,
    type: number,
    mode: number,
    rdev: number,
    target: ByteName,
  ): vnode {
    this.may_create(dvp, cnp);
    const dir = this.node(dvp);
    const { limits } = this.medium;
    if (type === VDIR && dir.i_nlink >= limits.links) throw new NetbsdErrno('EMLINK');
    if (target.length > limits.symlinkBytes) throw new NetbsdErrno('ENAMETOOLONG');
    const { cn_cred } = cnp;
    const begin = {
      type,
      ...inherited(dir, type, mode, cn_cred),
      uid: cn_cred.uid,
      rdev,
      nlink: type === VDIR ? 2 : 1,
      now: this.now(dvp.v_mount),
    };
    const number = this.medium.make(dir, begin);
    const vp = vcache_get(dvp.v_mount, number);
    try {
      const node = this.node(vp);
      if (type === VLNK) this.medium.symlink(node, target);
      const { extattr } = this.medium;
      if (extattr && acl_inherit(extattr, dir, node)) this.medium.update(node);
      this.medium.enter(dir, cnp.cn_name, number, type);
    } catch (error) {
      this.node(vp).i_nlink = 0;
      vrele(vp);
      throw error;
    }
    if (type === VDIR) dir.i_nlink++;
    this.touch(dvp);
    return vp;
  }

  /** After the lookup that found nothing: EROFS, EACCES; ENOENT in a directory that was removed. */
  protected may_create(dvp: vnode, { cn_name, cn_cred }: componentname): void {
    if (cn_name === '.' || cn_name === '..') throw new NetbsdErrno('EEXIST');
    if (cn_name.length > this.medium.limits.nameBytes) throw new NetbsdErrno('ENAMETOOLONG');
    if (this.node(dvp).i_nlink === 0) throw new NetbsdErrno('ENOENT');
    this.access(dvp, PUFFS_VWRITE, cn_cred);
  }

  protected may_delete(dvp: vnode, vp: vnode, { cn_name, cn_cred }: componentname): void {
    if (cn_name === '.' || cn_name === '..') throw new NetbsdErrno('EINVAL');
    this.access(dvp, PUFFS_VWRITE, cn_cred);
    const dir = this.node(dvp);
    if (is_fixed(this.node(vp)) || (dir.i_flags & APPEND) !== 0) throw new NetbsdErrno('EPERM');
    const isTrusted =
      (dir.i_mode & S_ISVTX) === 0 ||
      puffs_cred_isuid(cn_cred, this.node(vp).i_uid) ||
      puffs_cred_isuid(cn_cred, dir.i_uid);
    if (!isTrusted) this.authorize_owner(vp, cn_cred, new NetbsdErrno('EPERM'));
  }

  protected may_change(vp: vnode, va: vattr, cred: kauth_cred): void {
    const node = this.node(vp);
    const { i_uid, i_gid, i_type } = node;
    if (va.va_size !== VNOVAL) {
      if (i_type === VDIR) throw new NetbsdErrno('EISDIR');
      if (i_type !== VREG || va.va_size < 0) throw new NetbsdErrno('EINVAL');
      if (va.va_size > this.medium.limits.fileBytes) throw new NetbsdErrno('EFBIG');
    }
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      const uid = va.va_uid === VNOVAL ? i_uid : va.va_uid;
      const gid = va.va_gid === VNOVAL ? i_gid : va.va_gid;
      if (puffs_access_chown(i_uid, i_gid, uid, gid, cred) !== 0) {
        this.authorize_owner(vp, cred, new NetbsdErrno('EPERM'));
      }
    }
    if (va.va_mode !== VNOVAL) {
      // A user keeps the sticky bit of a file, and loses a foreign set-group-id bit, as on Linux.
      const mode = va.va_mode & ~(S_ISGID | S_ISVTX);
      if (puffs_access_chmod(i_uid, i_gid, i_type, mode, cred) !== 0) {
        this.authorize_owner(vp, cred, new NetbsdErrno('EPERM'));
      }
    }
    const isOthers = !puffs_cred_isjuggernaut(cred) && !puffs_cred_isuid(cred, i_uid);
    if (isOthers && (vattr_has_atime(va) || vattr_has_mtime(va))) {
      if ((va.va_vaflags & VA_UTIMES_NULL) !== 0) this.access(vp, PUFFS_VWRITE, cred);
      else this.authorize_owner(vp, cred, new NetbsdErrno('EPERM'));
    }
  }

  /** @throws EOPNOTSUPP the medium has none; EPERM. */
  private change_flags(vp: vnode, flags: number, cred: kauth_cred): void {
    if (this.medium.limits.hasFlags !== true) throw new NetbsdErrno('EOPNOTSUPP', 'file flags');
    const node = this.node(vp);
    const changed = (flags ^ node.i_flags) >>> 0;
    const isRoot = puffs_cred_isjuggernaut(cred);
    if ((changed & SF_SNAPSHOT) !== 0 || (!isRoot && (changed & SF_SETTABLE) !== 0)) {
      throw new NetbsdErrno('EPERM');
    }
    if (!isRoot && !puffs_cred_isuid(cred, node.i_uid)) {
      this.authorize_owner(vp, cred, new NetbsdErrno('EPERM'));
    }
    node.i_flags = flags >>> 0;
  }

  private authorize_owner(vp: vnode, cred: kauth_cred, refusal: NetbsdErrno): void {
    const { kauth } = vp.v_mount.mnt_rump;
    kauth.kauth_authorize_vnode(cred, 'owner', vp, 0, this.node(vp).i_mode, refusal);
  }

  protected check_writable(mp: mount): void {
    if (mp.is_readonly) throw new NetbsdErrno('EROFS');
  }

  /** Is it the directory `ancestor`, or below it? */
  private is_inside(vp: vnode, ancestor: vnode): boolean {
    if (ancestor.v_type !== VDIR) return false;
    const seen = new Set<vnode>();
    vref(vp);
    let at = vp;
    try {
      for (;;) {
        if (at === ancestor) return true;
        // On a damaged medium the way up may never end.
        if (seen.has(at)) throw new NetbsdErrno('EIO', 'directories in a circle');
        seen.add(at);
        const number = this.medium.lookup(this.node(at), '..');
        if (number === 0) throw new NetbsdErrno('EIO', `directory ${at.v_key} has no ".."`);
        const parent = vcache_get(at.v_mount, number);
        vrele(at);
        const isRoot = parent === at;
        at = parent;
        if (isRoot) return false;
      }
    } finally {
      vrele(at);
    }
  }

  /** The name of directory `vp` in `dvp` is gone. */
  private drop_directory(dvp: vnode, vp: vnode): void {
    const dir = this.node(dvp);
    lose_subdirectory(dir);
    this.node(vp).i_nlink = 0;
    this.change_links(vp, 0);
    this.medium.update(dir);
  }

  protected change_links(vp: vnode, by: number): void {
    const node = this.node(vp);
    node.i_nlink = Math.max(0, node.i_nlink + by);
    node.i_ctime = this.now(vp.v_mount);
    this.medium.update(node);
  }

  /** Contents changed. */
  protected touch(vp: vnode): void {
    const node = this.node(vp);
    node.i_mtime = node.i_ctime = this.now(vp.v_mount);
    this.medium.update(node);
  }

  protected now(mp: mount): genfs_time {
    const { tv_sec, tv_nsec } = mp.mnt_rump.lump.ktime_get_real();
    return this.storable(tv_sec, tv_nsec);
  }

  /** The time as the medium can hold it. */
  protected storable(sec: number, nsec: number): genfs_time {
    const { timeSecMin, timeSecMax, timeGranularityNsec } = this.medium.limits;
    if (sec < timeSecMin) return { sec: timeSecMin, nsec: 0 };
    if (sec > timeSecMax) return { sec: timeSecMax, nsec: 0 };
    if (timeGranularityNsec >= 1e9) {
      const unit = timeGranularityNsec / 1e9;
      return { sec: sec - (sec % unit), nsec: 0 };
    }
    return { sec, nsec: nsec - (nsec % timeGranularityNsec) };
  }
}

/** A directory that is there has two links, whatever a damaged medium counts. */
function lose_subdirectory(dir: genfs_node): void {
  if (dir.i_nlink > 2) dir.i_nlink--;
}

/** Group and mode of a new node: a set-group-id directory hands both on. */
function inherited(
  dir: genfs_node,
  type: number,
  mode: number,
  cred: kauth_cred,
): { mode: number; gid: number } {
  if ((dir.i_mode & S_ISGID) === 0)
    return { mode: drop_foreign(mode, type, cred.gid, cred), gid: cred.gid };
  const gid = dir.i_gid;
  if (type === VDIR) return { mode: mode | S_ISGID, gid };
  return { mode: drop_foreign(mode, type, gid, cred), gid };
}

/** Nobody makes a program that runs as a group of which he is no member. */
function drop_foreign(mode: number, type: number, gid: number, cred: kauth_cred): number {
  const isForeign = !puffs_cred_isjuggernaut(cred) && !puffs_cred_hasgroup(cred, gid);
  return type !== VDIR && isForeign && (mode & S_IXGRP) !== 0 ? mode & ~S_ISGID : mode;
}

/**
 * A change of owner or contents takes set-user-id away; set-group-id where it counts (the group may
 * execute), or from the hands of who is not in the group.
 */
function without_privileges(node: genfs_node, cred: kauth_cred): number {
  const dropsGroup = (node.i_mode & S_IXGRP) !== 0 || !may_keep_group(node, cred);
  return node.i_mode & ~(S_ISUID | (dropsGroup ? S_ISGID : 0));
}

function may_keep_group(node: genfs_node, cred: kauth_cred): boolean {
  return (
    cred.permissionsChecked ||
    puffs_cred_isjuggernaut(cred) ||
    puffs_cred_hasgroup(cred, node.i_gid)
  );
}

/** Its flags say that only its flags may change, or only its end. */
function is_fixed({ i_flags }: genfs_node): boolean {
  return (i_flags & (IMMUTABLE | APPEND)) !== 0;
}
