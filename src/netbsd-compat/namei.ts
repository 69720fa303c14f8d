/**
 * namei: a path → its vnode, in a kernel's own name space (p2k's callers bring single names). A
 * walk begins at the process's root or current directory, crosses mounts both ways, and follows
 * symbolic links as it is told.
 *
 * NetBSD's rules where systems differ: a path has at most 1023 bytes; 32 symbolic links are the
 * limit; slashes behind a last component ask for a directory, which only mkdir may make; an empty
 * path is ENOENT; ".." of the process's root is that root.
 */
import { NAMEI_CREATE, NAMEI_LOOKUP, NAMEI_RENAME, VDIR, VLNK } from '../puffs/puffs.js';
import { NetbsdErrno } from './errno.js';
import type { mount } from './mount.js';
import type { rump } from './rump.js';
import {
  LK_EXCLUSIVE,
  vcache_get,
  vn_lock,
  vref,
  vrele,
  with_vnode_lock,
  type vnode,
} from './vnode.js';
import { VOP_LOOKUP, VOP_READLINK } from './vnode_if.js';

const MAXPATHLEN = 1024;
const MAXSYMLINKS = 32;

/** Flags of a walk: what is wanted locked, and whether a last symbolic link is followed. */
export const LOCKLEAF = 0x4;
export const LOCKPARENT = 0x8;
export const FOLLOW = 0x40;
/** mkdir: slashes behind a name that does not exist are fine. */
export const CREATEDIR = 0x200000;

export interface nameidata {
  /** Directory of the last component, referenced; locked with LOCKPARENT. null for a root. */
  readonly ni_dvp: vnode | null;
  /** null: no such name, of a create or rename. Referenced; locked with LOCKLEAF. */
  readonly ni_vp: vnode | null;
  /** The last component. */
  readonly ni_name: string;
}

/** The root of a mount, referenced. */
function VFS_ROOT(mp: mount): vnode {
  return vcache_get(mp, mp.mnt_op.root(mp));
}

/** Down through what is mounted on `vp`; eats its reference. */
function down(vp: vnode): vnode {
  let at = vp;
  while (at.v_mountedhere !== null) {
    const root = VFS_ROOT(at.v_mountedhere);
    vrele(at);
    at = root;
  }
  return at;
}

/** Where a walk stands. */
interface position {
  vp: vnode;
  dvp: vnode | null;
  name: string;
}

/**
 * Finds what `path` leads to. The caller gives the references in the answer back.
 * @param nameiop NAMEI_LOOKUP, CREATE, DELETE, RENAME: CREATE and RENAME may answer no vnode.
 * @throws ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
 */
export function namei(rump: rump, path: string, nameiop: number, flags: number): nameidata {
  const found = new walk(rump, nameiop, flags).run(path);
  const { ni_dvp, ni_vp } = found;
  if ((flags & LOCKPARENT) !== 0 && ni_dvp !== null) vn_lock(ni_dvp, LK_EXCLUSIVE);
  if ((flags & LOCKLEAF) !== 0 && ni_vp !== null && ni_vp !== ni_dvp) {
    vn_lock(ni_vp, LK_EXCLUSIVE, (flags & LOCKPARENT) !== 0);
  }
  return found;
}

class walk {
  private readonly rump: rump;
  private readonly nameiop: number;
  private readonly flags: number;
  private readonly root: vnode;
  private links = 0;

  constructor(rump: rump, nameiop: number, flags: number) {
    const { rootvnode, lwproc } = rump;
    if (rootvnode === null) throw new NetbsdErrno('ENOENT', 'no root is mounted');
    this.rump = rump;
    this.nameiop = nameiop;
    this.flags = flags;
    this.root = lwproc.curlwp.l_proc.p_cwdi.cwdi_rdir ?? rootvnode;
  }

  run(path: string): nameidata {
    if (path === '') throw new NetbsdErrno('ENOENT');
    // What the host shows here is found from the root only, and before what is really there.
    const isFromRoot = path.startsWith('/') && this.root === this.rump.rootvnode;
    const shown = isFromRoot ? this.rump.etfs.find(path) : null;
    if (shown !== null) return this.from({ vp: shown.vp, dvp: null, name: '' }, shown.rest);
    const start = path.startsWith('/')
      ? this.root
      : (this.rump.lwproc.curlwp.l_proc.p_cwdi.cwdi_cdir ?? this.root);
    vref(start);
    return this.from({ vp: down(start), dvp: null, name: '' }, path);
  }

  /** Eats the reference of where it stands. */
  private from(at: position, path: string): nameidata {
    try {
      return this.components(at, path);
    } catch (error) {
      vrele(at.vp);
      if (at.dvp !== null) vrele(at.dvp);
      throw error;
    }
  }

  private components(at: position, path: string): nameidata {
    if (path.length >= MAXPATHLEN) throw new NetbsdErrno('ENAMETOOLONG');
    const wantsDirectory = path.endsWith('/');
    let rest = path.split('/').filter((name) => name !== '');
    while (rest.length > 0) {
      const [name, ...after] = rest as [string, ...string[]];
      const isLast = after.length === 0;
      const vp = this.step(at.vp, name);
      if (vp === null) return this.missing(at, name, isLast, wantsDirectory);
      const follows = !isLast || wantsDirectory || (this.flags & FOLLOW) !== 0;
      if (vp.v_type === VLNK && follows) {
        rest = [...this.target(vp, at, after.join('/').length), ...after];
        continue;
      }
      if (!isLast && vp.v_type !== VDIR) {
        vrele(vp);
        throw new NetbsdErrno('ENOTDIR');
      }
      if (at.dvp !== null) vrele(at.dvp);
      at.dvp = at.vp;
      at.vp = vp;
      at.name = name;
      rest = after;
    }
    if (wantsDirectory && at.vp.v_type !== VDIR) throw new NetbsdErrno('ENOTDIR');
    return { ni_dvp: at.dvp, ni_vp: at.vp, ni_name: at.name };
  }

  /** One name further; the answer is referenced, and below what is mounted there. */
  private step(dvp: vnode, name: string): vnode | null {
    if (name === '..') {
      if (dvp === this.root) {
        vref(dvp);
        return dvp;
      }
      let from = dvp;
      // Up through what it is mounted on.
      for (;;) {
        const { mnt_vnodecovered, mnt_op } = from.v_mount;
        if (mnt_vnodecovered === null || from.v_key !== mnt_op.root(from.v_mount)) break;
        from = mnt_vnodecovered;
      }
      return this.lookup(from, name);
    }
    const vp = this.lookup(dvp, name);
    return vp === null ? null : down(vp);
  }

  private lookup(dvp: vnode, name: string): vnode | null {
    const cn = {
      cn_nameiop: NAMEI_LOOKUP,
      cn_name: name,
      cn_cred: this.rump.lwproc.curlwp.l_cred,
    };
    return with_vnode_lock(dvp, LK_EXCLUSIVE, () => VOP_LOOKUP(dvp, cn));
  }

  private missing(at: position, name: string, isLast: boolean, wantsDirectory: boolean): nameidata {
    const mayMake = this.nameiop === NAMEI_CREATE || this.nameiop === NAMEI_RENAME;
    if (!isLast || !mayMake) throw new NetbsdErrno('ENOENT');
    if (wantsDirectory && (this.flags & CREATEDIR) === 0) throw new NetbsdErrno('ENOENT');
    if (at.dvp !== null) vrele(at.dvp);
    return { ni_dvp: at.vp, ni_vp: null, ni_name: name };
  }

  /** The components of a symbolic link; eats its reference. An absolute one moves `at`. */
  private target(vp: vnode, at: position, restLength: number): string[] {
    let target: string;
    try {
      if (++this.links > MAXSYMLINKS) throw new NetbsdErrno('ELOOP');
      target = with_vnode_lock(vp, LK_EXCLUSIVE, () => VOP_READLINK(vp));
    } finally {
      vrele(vp);
    }
    if (target === '') throw new NetbsdErrno('ENOENT');
    if (target.length + restLength >= MAXPATHLEN) throw new NetbsdErrno('ENAMETOOLONG');
    if (target.startsWith('/')) {
      vref(this.root);
      vrele(at.vp);
      at.vp = down(this.root);
    }
    return target.split('/').filter((name) => name !== '');
  }
}
