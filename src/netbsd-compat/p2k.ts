/**
 * A mounted NetBSD file system as {@link puffs_ops}: the twin of src/l2p/l2p.ts.
 *
 * Every operation has the same shape. It finds the nodes, says who asks (the lwp that all run in
 * takes the credential), takes the locks and references that the vnode operation wants (the table
 * in vnode_if.ts), calls it, and answers 0, or the number of what came out. Nothing else is caught:
 * a KernelPanic is the end of the server.
 *
 * Against NetBSD's p2k: waitfor of fs_sync and the answer of fs_unmount are honoured, and an
 * operation on a node that is gone answers ESTALE, not success.
 *
 * Source: reference rump.md §2.
 */
import { BUG_ON } from '../lump/bug.js';
import { PUFFS_CRED_KERNEL } from '../puffs/cred.js';
import {
  MNT_FORCE,
  MNT_WAIT,
  PUFFS_RENAME_NOREPLACE,
  VDIR,
  VFIFO,
  VREG,
  VSOCK,
  VBLK,
  VCHR,
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
import { vattr_new } from '../puffs/vattr.js';
import { NetbsdErrno, p2k_errno } from './errno.js';
import { RUMP_RFCFDG, type lwp } from './lwp.js';
import { MNT_RDONLY, type mount } from './mount.js';
import { p2k_nodes, type p2k_node } from './p2k_node.js';
import {
  LK_EXCLUSIVE,
  LK_SHARED,
  vcache_get,
  vn_lock,
  vput,
  vref,
  vrele,
  with_vnode_lock,
  VOP_UNLOCK,
  type vnode,
} from './vnode.js';
import {
  VOP_ACCESS,
  VOP_CLOSE,
  VOP_CREATE,
  VOP_FSYNC,
  VOP_GETATTR,
  VOP_LINK,
  VOP_LOOKUP,
  VOP_MKDIR,
  VOP_MKNOD,
  VOP_OPEN,
  VOP_READ,
  VOP_READDIR,
  VOP_READLINK,
  VOP_REMOVE,
  VOP_RENAME,
  VOP_RMDIR,
  VOP_SETATTR,
  VOP_SYMLINK,
  VOP_WRITE,
  type componentname,
} from './vnode_if.js';

/** A file handle: the node's key and generation. */
const FID_BYTES = 16;

export class p2k implements puffs_ops {
  readonly fsname: string;
  readonly rootCookie: Cookie;
  readonly mp: mount;
  private readonly unmounted: () => void;
  private readonly nodes: p2k_nodes;
  private readonly l: lwp;

  /**
   * Takes a mount over; it ends with fs_unmount().
   * @param unmounted called when it has ended: whoever opened the device lets it go.
   */
  constructor(mp: mount, unmounted: () => void = () => {}) {
    this.mp = mp;
    this.unmounted = unmounted;
    this.fsname = mp.mnt_fstypename;
    const { lwproc } = mp.mnt_rump;
    const caller = lwproc.curlwp;
    this.l = lwproc.rfork(RUMP_RFCFDG);
    lwproc.switch(caller);
    this.nodes = new p2k_nodes(vcache_get(mp, mp.mnt_op.root(mp)));
    this.rootCookie = this.nodes.root.p2n_cookie;
  }

  /** Nodes that callers have not given back, and the root. */
  get node_count(): number {
    return this.nodes.count;
  }

  // ---- the file system --------------------------------------------------------------------------

  /** EBUSY while a file is open; lookups that are still out are given back, as by a kernel's. */
  fs_unmount(flags: number): number {
    try {
      this.enter(PUFFS_CRED_KERNEL);
      const { mountlist, lwproc } = this.mp.mnt_rump;
      const force = (flags & MNT_FORCE) !== 0;
      if (!force) {
        if (this.nodes.some((node) => node.is_open)) throw new NetbsdErrno('EBUSY');
        this.mp.mnt_op.sync(this.mp);
      }
      this.nodes.clear();
      mountlist.dounmount(this.mp, flags);
      lwproc.releaselwp();
      this.unmounted();
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  fs_statvfs(out: puffs_statvfs): number {
    try {
      this.mp.mnt_op.statvfs(this.mp, out);
      out.f_flag = this.mp.mnt_flag & MNT_RDONLY;
      out.f_fsid = this.mp.mnt_fsid;
      out.f_fstypename = this.fsname;
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  /** MNT_NOWAIT and MNT_LAZY are what background() does anyway. */
  fs_sync(waitfor: number, cred: puffs_cred): number {
    try {
      this.enter(cred);
      if (waitfor === MNT_WAIT) this.mp.mnt_op.sync(this.mp);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  /** EBUSY also while a removed file lives, as it could not be freed later. */
  fs_remount(readOnly: boolean, options: string): number {
    try {
      this.enter(PUFFS_CRED_KERNEL);
      if (options !== '') throw new NetbsdErrno('EINVAL', options);
      if (readOnly && this.nodes.some((node) => node.is_written || is_removed(node))) {
        throw new NetbsdErrno('EBUSY');
      }
      const flag = (this.mp.mnt_flag & ~MNT_RDONLY) | (readOnly ? MNT_RDONLY : 0);
      this.mp.mnt_rump.mountlist.mount_update(this.mp, flag, undefined);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  fs_nodetofh(cookie: Cookie, out: { fid: Uint8Array }): number {
    try {
      const vp = this.nodes.get(cookie).p2n_vp;
      const view = new DataView(new ArrayBuffer(FID_BYTES));
      view.setFloat64(0, vp.v_key);
      view.setFloat64(8, this.mp.mnt_op.generation(vp));
      out.fid = new Uint8Array(view.buffer);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  fs_fhtonode(fid: Uint8Array, out: puffs_newinfo): number {
    try {
      if (fid.length !== FID_BYTES) throw new NetbsdErrno('EINVAL', 'file handle');
      this.enter(PUFFS_CRED_KERNEL);
      const view = new DataView(fid.buffer, fid.byteOffset);
      this.answer(this.vnode_of_handle(view.getFloat64(0), view.getFloat64(8)), out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  fs_extattrctl(): number {
    return p2k_errno(new NetbsdErrno('EOPNOTSUPP'));
  }

  background(): number {
    this.enter(PUFFS_CRED_KERNEL);
    return this.mp.mnt_rump.lump.background();
  }

  // ---- names ------------------------------------------------------------------------------------

  node_lookup(dir: Cookie, out: puffs_newinfo, cn: puffs_cn): number {
    try {
      const dvp = this.nodes.get(dir).p2n_vp;
      this.enter(cn.cred);
      const vp = with_vnode_lock(dvp, LK_EXCLUSIVE, () => VOP_LOOKUP(dvp, makecn(cn)));
      if (vp === null) throw new NetbsdErrno('ENOENT');
      this.answer(vp, out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_create(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      const dvp = this.new_name_in(dir, cn);
      this.answer(VOP_CREATE(dvp, makecn(cn), with_umask(dvp, va, VREG, cn)), out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_mknod(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      if (![VREG, VBLK, VCHR, VFIFO, VSOCK].includes(va.va_type)) throw new NetbsdErrno('EINVAL');
      const dvp = this.new_name_in(dir, cn);
      this.answer(VOP_MKNOD(dvp, makecn(cn), with_umask(dvp, va, va.va_type, cn)), out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_mkdir(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr): number {
    try {
      const dvp = this.new_name_in(dir, cn);
      this.answer(VOP_MKDIR(dvp, makecn(cn), with_umask(dvp, va, VDIR, cn)), out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_symlink(dir: Cookie, out: puffs_newinfo, cn: puffs_cn, va: vattr, target: ByteName): number {
    try {
      const dvp = this.new_name_in(dir, cn);
      this.answer(VOP_SYMLINK(dvp, makecn(cn), va, target), out);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_link(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const node = this.nodes.get(targ);
      const dvp = this.new_name_in(dir, cn);
      VOP_LINK(dvp, node.p2n_vp, makecn(cn));
      node.p2n_nlookup++;
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_remove(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const [dvp, vp] = this.old_name_in(dir, targ, cn);
      VOP_REMOVE(dvp, vp, makecn(cn));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_rmdir(dir: Cookie, targ: Cookie, cn: puffs_cn): number {
    try {
      const [dvp, vp] = this.old_name_in(dir, targ, cn);
      VOP_RMDIR(dvp, vp, makecn(cn));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  /** NetBSD has no flags here; that nothing shall be replaced is seen to by looking first. */
  node_rename(
    sdir: Cookie,
    src: Cookie,
    scn: puffs_cn,
    tdir: Cookie,
    _targ: Cookie | null,
    tcn: puffs_cn,
    flags: number,
  ): number {
    try {
      const fdvp = this.nodes.get(sdir).p2n_vp;
      const fvp = this.nodes.get(src).p2n_vp;
      const tdvp = this.nodes.get(tdir).p2n_vp;
      if ((flags & ~PUFFS_RENAME_NOREPLACE) !== 0) throw new NetbsdErrno('EINVAL', 'rename flags');
      this.enter(tcn.cred);
      this.rename(fdvp, fvp, scn, tdvp, tcn, flags !== 0);
      return 0;
    } catch (error) {
      return p2k_errno(error);
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
      const { p2n_vp } = this.nodes.get(dir);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_SHARED, () => {
        out.eof = VOP_READDIR(p2n_vp, offset, emit);
      });
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_readlink(cookie: Cookie, cred: puffs_cred, out: { value: ByteName }): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      out.value = with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_READLINK(p2n_vp));
      return 0;
    } catch (error) {
      return p2k_errno(error);
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
      const { p2n_vp } = node;
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_OPEN(p2n_vp, mode, cred));
      node.opened(mode);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_close(cookie: Cookie, mode: number, cred: puffs_cred): number {
    try {
      const node = this.nodes.get(cookie);
      const { p2n_vp } = node;
      this.enter(cred);
      node.closed(mode);
      try {
        with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_CLOSE(p2n_vp, mode, cred));
      } finally {
        this.nodes.drop_if_unused(node);
      }
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_access(cookie: Cookie, mode: number, cred: puffs_cred): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_ACCESS(p2n_vp, mode, cred));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_getattr(cookie: Cookie, va: vattr, cred: puffs_cred): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_GETATTR(p2n_vp, va));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_setattr(cookie: Cookie, va: vattr, cred: puffs_cred): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_SETATTR(p2n_vp, va, cred));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_read(cookie: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_SHARED, () => VOP_READ(p2n_vp, uio, ioflag));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_write(cookie: Cookie, uio: puffs_uio, ioflag: number, cred: puffs_cred): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_WRITE(p2n_vp, uio, ioflag, cred));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_poll(_cookie: Cookie, events: number): number {
    return events;
  }

  node_mmap(cookie: Cookie): number {
    try {
      this.nodes.get(cookie);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_fsync(cookie: Cookie, cred: puffs_cred, flags: number): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => VOP_FSYNC(p2n_vp, flags));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_seek(cookie: Cookie, _oldOffset: number, newOffset: number): number {
    try {
      this.nodes.get(cookie);
      if (newOffset < 0) throw new NetbsdErrno('EINVAL');
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_seekhole(cookie: Cookie, offset: number, hole: boolean, out: puffs_size): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(PUFFS_CRED_KERNEL);
      out.value = with_vnode_lock(p2n_vp, LK_SHARED, () => {
        const va = vattr_new();
        VOP_GETATTR(p2n_vp, va);
        return p2n_vp.v_op.seekhole(p2n_vp, offset, hole, va.va_size);
      });
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_fallocate(cookie: Cookie, offset: number, length: number, mode: number): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(PUFFS_CRED_KERNEL);
      if (mode !== 0) throw new NetbsdErrno('EOPNOTSUPP');
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => p2n_vp.v_op.fallocate(p2n_vp, offset, length));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_fdiscard(cookie: Cookie, offset: number, length: number): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(PUFFS_CRED_KERNEL);
      with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => p2n_vp.v_op.fdiscard(p2n_vp, offset, length));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  /** The vnode hears it when its last reference goes: with the node, in node_reclaim. */
  node_inactive(cookie: Cookie): number {
    try {
      this.nodes.get(cookie);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_reclaim(cookie: Cookie, nlookup: number): number {
    try {
      const node = this.nodes.get(cookie);
      this.enter(PUFFS_CRED_KERNEL);
      BUG_ON(nlookup > node.p2n_nlookup, `node ${cookie} given back more often than looked up`);
      node.p2n_nlookup -= nlookup;
      this.nodes.drop_if_unused(node);
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_print(cookie: Cookie): number {
    try {
      const { p2n_vp, p2n_nlookup } = this.nodes.get(cookie);
      const { v_key, v_usecount, v_type } = p2n_vp;
      this.mp.mnt_rump.lump.pr_info(
        `p2k: node ${cookie}: vnode ${v_key} of type ${v_type}, ${p2n_nlookup} lookups, ` +
          `${v_usecount} references`,
      );
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_pathconf(cookie: Cookie, name: number, out: puffs_size): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      out.value = with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => p2n_vp.v_op.pathconf(p2n_vp, name));
      return 0;
    } catch (error) {
      return p2k_errno(error);
    }
  }

  node_advlock(): number {
    return p2k_errno(new NetbsdErrno('EOPNOTSUPP'));
  }

  node_tmpfile(): number {
    return p2k_errno(new NetbsdErrno('EOPNOTSUPP'));
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
    return this.on_node(cookie, cred, (vp) => vp.v_op.getextattr(vp, ns, name, size, buf, cred));
  }

  node_setextattr(
    cookie: Cookie,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: puffs_cred,
  ): number {
    return this.on_node(cookie, cred, (vp) => vp.v_op.setextattr(vp, ns, name, value, flags, cred));
  }

  node_listextattr(
    cookie: Cookie,
    ns: number,
    out: { names: ByteName[] },
    cred: puffs_cred,
  ): number {
    return this.on_node(cookie, cred, (vp) => {
      out.names = vp.v_op.listextattr(vp, ns, cred);
      return 0;
    });
  }

  node_deleteextattr(cookie: Cookie, ns: number, name: ByteName, cred: puffs_cred): number {
    return this.on_node(cookie, cred, (vp) => vp.v_op.deleteextattr(vp, ns, name, cred));
  }

  // ---- inside -----------------------------------------------------------------------------------

  /** An operation on one node, locked. */
  private on_node(cookie: Cookie, cred: puffs_cred, use: (vp: vnode) => number): number {
    try {
      const { p2n_vp } = this.nodes.get(cookie);
      this.enter(cred);
      return with_vnode_lock(p2n_vp, LK_EXCLUSIVE, () => use(p2n_vp));
    } catch (error) {
      return p2k_errno(error);
    }
  }

  /** The rest of the operation runs in this credential's name. */
  private enter(cred: puffs_cred): void {
    this.mp.mnt_rump.lwproc.switch(this.l);
    this.l.l_cred = cred;
  }

  /**
   * Answers a vnode that was found or made; eats its reference. When its attributes cannot be had,
   * nobody has looked it up.
   */
  private answer(vp: vnode, out: puffs_newinfo): void {
    const node = this.nodes.of(vp);
    try {
      with_vnode_lock(vp, LK_EXCLUSIVE, () => VOP_GETATTR(vp, out.va));
      node.p2n_nlookup++;
    } finally {
      this.nodes.drop_if_unused(node);
    }
    out.cookie = node.p2n_cookie;
    out.generation = 1;
  }

  /**
   * The directory as the creating operations want it, exclusively locked and with a reference to
   * eat. @throws ESTALE, EEXIST.
   */
  private new_name_in(dir: Cookie, cn: puffs_cn): vnode {
    const dvp = this.nodes.get(dir).p2n_vp;
    this.enter(cn.cred);
    vref(dvp);
    vn_lock(dvp, LK_EXCLUSIVE);
    try {
      const vp = VOP_LOOKUP(dvp, makecn(cn));
      if (vp === null) return dvp;
      vrele(vp);
      throw new NetbsdErrno('EEXIST');
    } catch (error) {
      vput(dvp);
      throw error;
    }
  }

  /** Directory and node as the removing operations want them. @throws ESTALE; ENOENT. */
  private old_name_in(dir: Cookie, targ: Cookie, cn: puffs_cn): [vnode, vnode] {
    const dvp = this.nodes.get(dir).p2n_vp;
    const target = this.nodes.get(targ).p2n_vp;
    this.enter(cn.cred);
    vref(dvp);
    vn_lock(dvp, LK_EXCLUSIVE);
    try {
      const vp = VOP_LOOKUP(dvp, makecn(cn));
      if (vp !== target || vp === dvp) {
        if (vp !== null) vrele(vp);
        throw new NetbsdErrno(vp === dvp ? 'EINVAL' : 'ENOENT');
      }
      vn_lock(vp, LK_EXCLUSIVE, true);
      return [dvp, vp];
    } catch (error) {
      vput(dvp);
      throw error;
    }
  }

  private rename(
    fdvp: vnode,
    fvp: vnode,
    scn: puffs_cn,
    tdvp: vnode,
    tcn: puffs_cn,
    noreplace: boolean,
  ): void {
    vref(tdvp);
    vn_lock(tdvp, LK_EXCLUSIVE);
    let tvp: vnode | null = null;
    try {
      tvp = VOP_LOOKUP(tdvp, makecn(tcn));
      const source =
        fdvp === tdvp ? VOP_LOOKUP(fdvp, makecn(scn)) : this.lookup_elsewhere(fdvp, tdvp, scn);
      if (source !== null) vrele(source);
      if (source !== fvp) throw new NetbsdErrno('ENOENT');
      if (noreplace && tvp !== null) throw new NetbsdErrno('EEXIST');
      // The name of a directory in itself, or of its own parent: only a damaged medium has those.
      if (fvp === fdvp) throw new NetbsdErrno('EINVAL');
      if (tvp === tdvp) throw new NetbsdErrno('ENOTEMPTY');
      vref(fdvp);
      vref(fvp);
      if (tvp !== null) vn_lock(tvp, LK_EXCLUSIVE, true);
    } catch (error) {
      if (tvp !== null) vrele(tvp);
      vput(tdvp);
      throw error;
    }
    VOP_RENAME(fdvp, fvp, makecn(scn), tdvp, tvp, makecn(tcn));
  }

  /** Looks in one directory while another is locked, which is let go for it. */
  private lookup_elsewhere(dvp: vnode, locked: vnode, cn: puffs_cn): vnode | null {
    VOP_UNLOCK(locked);
    try {
      return with_vnode_lock(dvp, LK_EXCLUSIVE, () => VOP_LOOKUP(dvp, makecn(cn)));
    } finally {
      vn_lock(locked, LK_EXCLUSIVE);
    }
  }

  /** @throws ESTALE */
  private vnode_of_handle(key: number, generation: number): vnode {
    if (!Number.isSafeInteger(key) || key < 0) throw new NetbsdErrno('ESTALE');
    let vp: vnode;
    try {
      vp = vcache_get(this.mp, key);
    } catch (error) {
      if (error instanceof NetbsdErrno) throw new NetbsdErrno('ESTALE', error.message);
      throw error;
    }
    try {
      const va = vattr_new();
      with_vnode_lock(vp, LK_SHARED, () => VOP_GETATTR(vp, va));
      const isThat = va.va_nlink > 0 && this.mp.mnt_op.generation(vp) === generation;
      if (!isThat) throw new NetbsdErrno('ESTALE');
      return vp;
    } catch (error) {
      vrele(vp);
      throw error;
    }
  }
}

const makecn = ({ nameiop, name, cred }: puffs_cn): componentname => ({
  cn_nameiop: nameiop,
  cn_name: name,
  cn_cred: cred,
});

/**
 * The attributes of a new node, less what the caller's umask takes; the directory is as
 * new_name_in() answers it, and is given back when this throws.
 */
function with_umask(dvp: vnode, va: vattr, type: number, { cred }: puffs_cn): vattr {
  try {
    return { ...va, va_type: type, va_mode: va.va_mode & ~dvp.v_op.umask(dvp, cred) };
  } catch (error) {
    vput(dvp);
    throw error;
  }
}

function is_removed({ p2n_vp }: p2k_node): boolean {
  const va = vattr_new();
  with_vnode_lock(p2n_vp, LK_SHARED, () => VOP_GETATTR(p2n_vp, va));
  return va.va_nlink === 0;
}
