/**
 * The vnode operations: the table that a file system fills, and the wrappers through which all
 * calls go. A wrapper asserts the locks that its operation wants, and where the operation "eats"
 * locks and references (it answers with them gone, whatever its result) it is the wrapper that
 * does, once for all file systems. So a driver cannot leak them, and a caller that holds the wrong
 * ones is a panic.
 *
 * | operation                     | on entry                          | on return          |
 * |-------------------------------|-----------------------------------|--------------------|
 * | lookup                        | dvp locked                        | same               |
 * | create, mknod, mkdir, symlink | dvp exclusive, referenced         | dvp eaten          |
 * | link                          | the same, vp unlocked             | dvp eaten          |
 * | remove, rmdir                 | dvp, vp exclusive, referenced     | both eaten         |
 * | rename                        | four references; tdvp, tvp locked | all eaten          |
 * | all others                    | exclusive; read, readdir: shared  | same               |
 *
 * A vnode that is found or made comes referenced and unlocked.
 *
 * Errors are thrown: {@link NetbsdErrno}. Source: reference rump.md §2.4.
 */
import {
  PC_CHOWN_RESTRICTED,
  PC_NO_TRUNC,
  PC_PATH_MAX,
  PC_SYNC_IO,
  PUFFS_VEXEC,
  VDIR,
  type ByteName,
  type puffs_nextdent,
  type puffs_size,
  type puffs_uio,
  type vattr,
} from '../puffs/puffs.js';
import { NetbsdErrno } from './errno.js';
import type { kauth_cred } from './kauth.js';
import { vput, vref, vrele, type vnode } from './vnode.js';

/** The last component of a path, and what is going to be done with it. */
export interface componentname {
  /** NAMEI_LOOKUP, CREATE, DELETE, RENAME. */
  readonly cn_nameiop: number;
  /** One component: no slash; "." and ".." may come. */
  readonly cn_name: ByteName;
  readonly cn_cred: kauth_cred;
}

const PATH_BYTES_MAX = 1024;
const COMPONENT_BYTES_MAX = 255;

/** The defaults are genfs's: what a file system does not have is EOPNOTSUPP. */
export abstract class vnodeops {
  /** @returns the node, referenced and unlocked ({@link vcache_get}); null: no such name. */
  abstract lookup(dvp: vnode, name: ByteName): vnode | null;
  /** May `cred` do this (PUFFS_VREAD, …)? @throws EACCES, EPERM, EROFS. */
  abstract access(vp: vnode, mode: number, cred: kauth_cred): void;
  /** Fills all attributes. */
  abstract getattr(vp: vnode, va: vattr): void;

  /** Makes a regular file. @returns it, referenced and unlocked. @throws ENOSPC, EACCES, EROFS. */
  create(_dvp: vnode, _cnp: componentname, _va: vattr): vnode {
    throw new NetbsdErrno('EOPNOTSUPP', 'create');
  }
  /** Makes a device, a FIFO or a socket. @returns it, as create(). @throws as create(). */
  mknod(_dvp: vnode, _cnp: componentname, _va: vattr): vnode {
    throw new NetbsdErrno('EOPNOTSUPP', 'mknod');
  }
  /** Makes a directory. @returns it, as create(). @throws as create(); EMLINK. */
  mkdir(_dvp: vnode, _cnp: componentname, _va: vattr): vnode {
    throw new NetbsdErrno('EOPNOTSUPP', 'mkdir');
  }
  /** Makes a symbolic link. @returns it, as create(). @throws as create(); ENAMETOOLONG. */
  symlink(_dvp: vnode, _cnp: componentname, _va: vattr, _target: ByteName): vnode {
    throw new NetbsdErrno('EOPNOTSUPP', 'symlink');
  }
  /** A file is opened; `mode` is FREAD, FWRITE. @throws what forbids it, as EISDIR, EROFS. */
  open(_vp: vnode, _mode: number, _cred: kauth_cred): void {}
  /** One that was opened is closed. */
  close(_vp: vnode, _mode: number, _cred: kauth_cred): void {}
  /** Changes the attributes that are given. @throws EPERM, EACCES, EROFS, EINVAL, ENOSPC. */
  setattr(_vp: vnode, _va: vattr, _cred: kauth_cred): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'setattr');
  }
  /** Moves bytes to `uio` and lowers its resid; untouched at the end. @throws EISDIR, EIO. */
  read(_vp: vnode, _uio: puffs_uio, _ioflag: number): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'read');
  }
  /**
   * Moves bytes from `uio` and lowers its resid by what was written. @throws ENOSPC, EFBIG, EIO.
   */
  write(_vp: vnode, _uio: puffs_uio, _ioflag: number, _cred: kauth_cred): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'write');
  }
  /** The file is on stable storage when it returns. @throws EIO. */
  fsync(_vp: vnode, _flags: number): void {}
  /** Takes the name of what is no directory away. @throws EPERM, EACCES, EROFS. */
  remove(_dvp: vnode, _vp: vnode, _cnp: componentname): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'remove');
  }
  /** Gives a node one more name. @throws EMLINK, EEXIST, EPERM, ENOSPC. */
  link(_dvp: vnode, _vp: vnode, _cnp: componentname): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'link');
  }
  /**
   * Gives a node another name, and replaces what has it. @throws ENOTEMPTY, EISDIR, ENOTDIR,
   * EINVAL.
   */
  rename(
    _fdvp: vnode,
    _fvp: vnode,
    _fcnp: componentname,
    _tdvp: vnode,
    _tvp: vnode | null,
    _tcnp: componentname,
  ): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'rename');
  }
  /** Takes an empty directory away. @throws ENOTEMPTY, EACCES, EROFS. */
  rmdir(_dvp: vnode, _vp: vnode, _cnp: componentname): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'rmdir');
  }
  /** "." and ".." first. @returns true at the end of the directory. */
  readdir(_vp: vnode, _offset: number, _emit: puffs_nextdent): boolean {
    throw new NetbsdErrno('EOPNOTSUPP', 'readdir');
  }
  /** The target of a symbolic link. @throws EINVAL it is none. */
  readlink(_vp: vnode): ByteName {
    throw new NetbsdErrno('EINVAL', 'no symbolic link');
  }
  /** The last reference is gone. @returns true: recycle the vnode, the node has no name. */
  inactive(_vp: vnode): boolean {
    return false;
  }
  /** The vnode goes; what hangs on it is let go. */
  reclaim(_vp: vnode): void {}
  /** @throws EINVAL */
  pathconf(_vp: vnode, name: number): number {
    switch (name) {
      case PC_PATH_MAX:
        return PATH_BYTES_MAX;
      case PC_CHOWN_RESTRICTED:
      case PC_NO_TRUNC:
      case PC_SYNC_IO:
        return 1;
      default:
        throw new NetbsdErrno('EINVAL');
    }
  }
  /** FIOSEEKDATA and FIOSEEKHOLE. Here: files without holes. @throws ENXIO */
  seekhole(_vp: vnode, offset: number, hole: boolean, size: number): number {
    if (offset < 0 || offset >= size) throw new NetbsdErrno('ENXIO');
    return hole ? size : offset;
  }
  /** Of `ns` and `name`, see node_getextattr. @returns 0 or an errno, as the next three. */
  getextattr(
    _vp: vnode,
    _ns: number,
    _name: ByteName,
    _size: puffs_size,
    _buf: Uint8Array | null,
    _cred: kauth_cred,
  ): number {
    throw new NetbsdErrno('EOPNOTSUPP', 'extended attributes');
  }
  /**
   * Sets an extended attribute. @returns 0 or an errno: ENOSPC, EOPNOTSUPP, EPERM.
   */
  setextattr(
    _vp: vnode,
    _ns: number,
    _name: ByteName,
    _value: Uint8Array,
    _flags: number,
    _cred: kauth_cred,
  ): number {
    throw new NetbsdErrno('EOPNOTSUPP', 'extended attributes');
  }
  /** The names of the extended attributes. @throws EOPNOTSUPP. */
  listextattr(_vp: vnode, _ns: number, _cred: kauth_cred): ByteName[] {
    return [];
  }
  /** Takes an extended attribute away. @returns 0 or an errno: ENOATTR, EOPNOTSUPP. */
  deleteextattr(_vp: vnode, _ns: number, _name: ByteName, _cred: kauth_cred): number {
    throw new NetbsdErrno('EOPNOTSUPP', 'extended attributes');
  }
  /** What is taken from the mode of a new node in the directory: a default access list takes it. */
  umask(_dvp: vnode, cred: kauth_cred): number {
    return cred.umask;
  }
  /** Makes room for a range. @throws EOPNOTSUPP, ENOSPC. */
  fallocate(_vp: vnode, _offset: number, _length: number): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'fallocate');
  }
  /** Makes a hole of a range. @throws EOPNOTSUPP. */
  fdiscard(_vp: vnode, _offset: number, _length: number): void {
    throw new NetbsdErrno('EOPNOTSUPP', 'fdiscard');
  }
}

/**
 * Finds a name. Every file system's lookup begins the same way (is it a directory, may he search
 * it, does the name cache know), so it begins here.
 * @returns the node, referenced and unlocked; null when there is none, which is NetBSD's ENOENT
 *   of a lookup and its EJUSTRETURN of a create or rename.
 * @throws ENOTDIR, EACCES, ENAMETOOLONG.
 */
export function VOP_LOOKUP(dvp: vnode, cnp: componentname): vnode | null {
  dvp.v_lock.assert_held();
  if (dvp.v_type !== VDIR) throw new NetbsdErrno('ENOTDIR');
  dvp.v_op.access(dvp, PUFFS_VEXEC, cnp.cn_cred);
  const { cn_name } = cnp;
  if (cn_name === '' || /[/\0]/.test(cn_name)) throw new NetbsdErrno('EINVAL', 'component name');
  if (cn_name.length > COMPONENT_BYTES_MAX) throw new NetbsdErrno('ENAMETOOLONG');
  if (cn_name === '.') {
    vref(dvp);
    return dvp;
  }
  const { namecache } = dvp.v_mount.mnt_rump;
  const cached = namecache.cache_lookup(dvp, cn_name);
  if (cached !== undefined) {
    if (cached !== null) vref(cached);
    return cached;
  }
  const vp = dvp.v_op.lookup(dvp, cn_name);
  namecache.cache_enter(dvp, cn_name, vp);
  return vp;
}

export function VOP_CREATE(dvp: vnode, cnp: componentname, va: vattr): vnode {
  return making(dvp, cnp, () => dvp.v_op.create(dvp, cnp, va));
}

export function VOP_MKNOD(dvp: vnode, cnp: componentname, va: vattr): vnode {
  return making(dvp, cnp, () => dvp.v_op.mknod(dvp, cnp, va));
}

export function VOP_MKDIR(dvp: vnode, cnp: componentname, va: vattr): vnode {
  return making(dvp, cnp, () => dvp.v_op.mkdir(dvp, cnp, va));
}

export function VOP_SYMLINK(dvp: vnode, cnp: componentname, va: vattr, target: ByteName): vnode {
  return making(dvp, cnp, () => dvp.v_op.symlink(dvp, cnp, va, target));
}

export function VOP_LINK(dvp: vnode, vp: vnode, cnp: componentname): void {
  making(dvp, cnp, () => {
    dvp.v_op.link(dvp, vp, cnp);
    return vp;
  });
}

/** What the operations that add a name have in common. */
function making(dvp: vnode, cnp: componentname, make: () => vnode): vnode {
  dvp.v_lock.assert_held_write();
  try {
    const vp = make();
    dvp.v_mount.mnt_rump.namecache.cache_enter(dvp, cnp.cn_name, vp);
    return vp;
  } finally {
    vput(dvp);
  }
}

export function VOP_REMOVE(dvp: vnode, vp: vnode, cnp: componentname): void {
  unmaking(dvp, vp, cnp, () => dvp.v_op.remove(dvp, vp, cnp));
}

export function VOP_RMDIR(dvp: vnode, vp: vnode, cnp: componentname): void {
  unmaking(dvp, vp, cnp, () => {
    dvp.v_op.rmdir(dvp, vp, cnp);
    vp.v_mount.mnt_rump.namecache.cache_purge(vp);
  });
}

function unmaking(dvp: vnode, vp: vnode, cnp: componentname, unmake: () => void): void {
  dvp.v_lock.assert_held_write();
  vp.v_lock.assert_held_write();
  try {
    unmake();
    dvp.v_mount.mnt_rump.namecache.cache_enter(dvp, cnp.cn_name, null);
  } finally {
    vput(vp);
    vput(dvp);
  }
}

export function VOP_RENAME(
  fdvp: vnode,
  fvp: vnode,
  fcnp: componentname,
  tdvp: vnode,
  tvp: vnode | null,
  tcnp: componentname,
): void {
  tdvp.v_lock.assert_held_write();
  tvp?.v_lock.assert_held_write();
  const { namecache } = fdvp.v_mount.mnt_rump;
  try {
    fdvp.v_op.rename(fdvp, fvp, fcnp, tdvp, tvp, tcnp);
    namecache.cache_purge1(fdvp, fcnp.cn_name);
    namecache.cache_purge1(tdvp, tcnp.cn_name);
    // ".." of a directory may lead elsewhere now, and nothing is in one that was replaced.
    if (fvp.v_type === VDIR) namecache.cache_purge1(fvp, '..');
    if (tvp !== null && tvp.v_type === VDIR) namecache.cache_purge(tvp);
  } finally {
    if (tvp !== null) vput(tvp);
    vput(tdvp);
    vrele(fvp);
    vrele(fdvp);
  }
}

export function VOP_OPEN(vp: vnode, mode: number, cred: kauth_cred): void {
  vp.v_lock.assert_held_write();
  vp.v_op.open(vp, mode, cred);
}

export function VOP_CLOSE(vp: vnode, mode: number, cred: kauth_cred): void {
  vp.v_lock.assert_held_write();
  vp.v_op.close(vp, mode, cred);
}

export function VOP_ACCESS(vp: vnode, mode: number, cred: kauth_cred): void {
  vp.v_lock.assert_held();
  vp.v_op.access(vp, mode, cred);
}

export function VOP_GETATTR(vp: vnode, va: vattr): void {
  vp.v_lock.assert_held();
  vp.v_op.getattr(vp, va);
}

export function VOP_SETATTR(vp: vnode, va: vattr, cred: kauth_cred): void {
  vp.v_lock.assert_held_write();
  vp.v_op.setattr(vp, va, cred);
}

/** Lowers uio.resid; untouched: the end of the file. */
export function VOP_READ(vp: vnode, uio: puffs_uio, ioflag: number): void {
  vp.v_lock.assert_held();
  vp.v_op.read(vp, uio, ioflag);
}

export function VOP_WRITE(vp: vnode, uio: puffs_uio, ioflag: number, cred: kauth_cred): void {
  vp.v_lock.assert_held_write();
  vp.v_op.write(vp, uio, ioflag, cred);
}

export function VOP_FSYNC(vp: vnode, flags: number): void {
  vp.v_lock.assert_held_write();
  vp.v_op.fsync(vp, flags);
}

export function VOP_READDIR(vp: vnode, offset: number, emit: puffs_nextdent): boolean {
  vp.v_lock.assert_held();
  return vp.v_op.readdir(vp, offset, emit);
}

export function VOP_READLINK(vp: vnode): ByteName {
  vp.v_lock.assert_held();
  return vp.v_op.readlink(vp);
}
