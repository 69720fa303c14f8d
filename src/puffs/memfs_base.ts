/**
 * What lies under the operations of memfs: the table of nodes, the clock, and the rules of who may
 * make, move, remove and change what.
 */
import {
  puffs_access,
  puffs_access_chmod,
  puffs_access_chown,
  puffs_cred_hasgroup,
  puffs_cred_isjuggernaut,
  puffs_cred_isuid,
} from './cred.js';
import { NETBSD_ERRNO as E } from './errno.js';
import { aclAccess, aclChmod, aclEncode, aclInherit, aclIsMinimal, aclMode, aclOf } from './acl.js';
import { MEMFS_PAGE_BYTES, type MemfsSpace } from './memfs_data.js';
import { MemfsNode, type Timespec } from './memfs_node.js';
import { ACL_ACCESS, ACL_DEFAULT, Extattrs } from './extattr.js';
import {
  PUFFS_VEXEC,
  PUFFS_VWRITE,
  VA_UTIMES_NULL,
  VDIR,
  VLNK,
  VNOVAL,
  VREG,
  type ByteName,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type vattr,
} from './puffs.js';
import { vattr_has_atime, vattr_has_mtime } from './vattr.js';

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;
const S_IXGRP = 0o010;
/** What changing a directory's entries takes, of one entry of an access list. */
const CHANGE = PUFFS_VWRITE | PUFFS_VEXEC;

/** Limits in bytes, or as counts of nodes and links. */
export interface MemfsOptions {
  /** Milliseconds since 1970. Default: a counter that steps 1 ms per reading, from 2020 on. */
  readonly wallClockMs?: () => number;
  /** Space for contents; default 64 MiB. */
  readonly capacityBytes?: number;
  readonly nodesMax?: number;
  readonly nameBytesMax?: number;
  readonly symlinkBytesMax?: number;
  readonly linksMax?: number;
  readonly fileBytesMax?: number;
  readonly readOnly?: boolean;
}

/** 2020-01-01, where the default clock starts. */
const CLOCK_START_MS = Date.UTC(2020, 0, 1);

export abstract class MemfsBase {
  readonly rootCookie: Cookie;

  protected readonly nodes = new Map<Cookie, MemfsNode>();
  protected readonly space: MemfsSpace;
  protected readonly xattrs: Extattrs<MemfsNode>;
  protected readonly wallClockMs: () => number;
  protected readonly nodesMax: number;
  protected readonly nameBytesMax: number;
  protected readonly symlinkBytesMax: number;
  protected readonly linksMax: number;
  protected readonly fileBytesMax: number;
  protected readOnly: boolean;
  protected lastCookie = 0;

  constructor(options: MemfsOptions = {}) {
    let ticks = CLOCK_START_MS;
    this.wallClockMs = options.wallClockMs ?? (() => ticks++);
    const capacityBytes = options.capacityBytes ?? 64 * 1024 * 1024;
    this.space = { pagesMax: Math.floor(capacityBytes / MEMFS_PAGE_BYTES), pagesUsed: 0 };
    this.nodesMax = options.nodesMax ?? 65536;
    this.nameBytesMax = options.nameBytesMax ?? 255;
    this.symlinkBytesMax = options.symlinkBytesMax ?? 4095;
    this.linksMax = options.linksMax ?? 65000;
    this.fileBytesMax = options.fileBytesMax ?? Number.MAX_SAFE_INTEGER;
    this.readOnly = options.readOnly ?? false;
    this.xattrs = new Extattrs({
      access: (node, wanted, cred) => this.access(node, wanted, cred),
      changed: (node) => {
        node.ctime = this.now();
      },
    });
    const root = this.newNode(VDIR, null, 0o755, 0, 0, this.now());
    root.nlink = 2;
    this.rootCookie = root.cookie;
  }

  protected now(): Timespec {
    const ms = this.wallClockMs();
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
  }

  protected newNode(
    type: number,
    parent: MemfsNode | null,
    mode: number,
    uid: number,
    gid: number,
    now: Timespec,
  ): MemfsNode {
    const cookie = ++this.lastCookie;
    const node = new MemfsNode(cookie, type, parent, this.space, mode, uid, gid, now);
    this.nodes.set(cookie, node);
    return node;
  }

  protected answer(node: MemfsNode, out: puffs_newinfo): number {
    node.nlookup++;
    out.cookie = node.cookie;
    out.generation = 1;
    node.fill(out.va);
    return 0;
  }

  protected freeIfUnused(node: MemfsNode): void {
    if (node.nlink > 0 || node.nlookup > 0 || node.opens > 0) return;
    node.data?.truncate(0);
    this.nodes.delete(node.cookie);
  }

  /** Linux's inode_permission(): EROFS before EACCES. */
  protected access(node: MemfsNode, wanted: number, cred: puffs_cred): number {
    const isOfMedium = node.type === VREG || node.type === VDIR || node.type === VLNK;
    if ((wanted & PUFFS_VWRITE) !== 0 && this.readOnly && isOfMedium) return E.EROFS;
    if (cred.permissionsChecked) return 0;
    const { type, mode, uid, gid } = node;
    const value = node.xattrs.get(ACL_ACCESS);
    const isOthers = !puffs_cred_isjuggernaut(cred) && !puffs_cred_isuid(cred, uid);
    // Linux asks the list only when the group class of the mode grants anything at all.
    if (value !== undefined && isOthers && (mode & 0o070) !== 0) {
      return aclAccess(aclOf(value), gid, wanted, cred);
    }
    return puffs_access(type, mode, uid, gid, wanted, cred);
  }

  protected checkName(name: ByteName): number {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return E.EINVAL;
    return name.length > this.nameBytesMax ? E.ENAMETOOLONG : 0;
  }

  protected mayCreate(parent: MemfsNode, cn: puffs_cn): number {
    if (parent.directory === null) return E.ENOTDIR;
    const refused = this.access(parent, PUFFS_VEXEC, cn.cred) || this.checkName(cn.name);
    if (refused !== 0) return refused;
    if (parent.nlink === 0) return E.ENOENT;
    if (parent.directory.find(cn.name) !== undefined) return E.EEXIST;
    return this.access(parent, CHANGE, cn.cred);
  }

  protected mayDelete(parent: MemfsNode, node: MemfsNode, cn: puffs_cn): number {
    if (parent.directory === null) return E.ENOTDIR;
    const searched = this.access(parent, PUFFS_VEXEC, cn.cred) || this.checkName(cn.name);
    if (searched !== 0) return searched;
    if (parent.directory.find(cn.name) !== node) return E.ENOENT;
    const denied = this.access(parent, CHANGE, cn.cred);
    if (denied !== 0) return denied;
    const { cred } = cn;
    const isTrusted =
      (parent.mode & S_ISVTX) === 0 ||
      cred.permissionsChecked ||
      puffs_cred_isjuggernaut(cred) ||
      puffs_cred_isuid(cred, node.uid) ||
      puffs_cred_isuid(cred, parent.uid);
    return isTrusted ? 0 : E.EPERM;
  }

  /** ".." of a directory that goes elsewhere is written to. */
  protected mayMove(node: MemfsNode, from: MemfsNode, to: MemfsNode, cred: puffs_cred): number {
    return node.directory === null || from === to ? 0 : this.access(node, PUFFS_VWRITE, cred);
  }

  protected make(
    dir: Cookie,
    out: puffs_newinfo,
    cn: puffs_cn,
    type: number,
    mode: number,
    rdev: number,
    target: ByteName,
  ): number {
    const parent = this.nodes.get(dir);
    if (parent === undefined) return E.ESTALE;
    const refused = this.mayCreate(parent, cn);
    if (refused !== 0) return refused;
    if (type === VDIR && parent.nlink >= this.linksMax) return E.EMLINK;
    if (target.length > this.symlinkBytesMax) return E.ENAMETOOLONG;
    const node = this.inherit(type, parent, mode, cn.cred);
    if (node === null) return E.ENOSPC;
    node.rdev = rdev;
    node.target = target;
    node.nlink = type === VDIR ? 2 : 1;
    if (type === VDIR) parent.nlink++;
    parent.directory!.set(cn.name, node);
    parent.touch(node.ctime);
    return this.answer(node, out);
  }

  /** A node with what a new one takes from its directory: group, set-group-id, access lists. */
  protected inherit(
    type: number,
    parent: MemfsNode,
    mode: number,
    cred: puffs_cred,
  ): MemfsNode | null {
    if (this.nodes.size >= this.nodesMax) return null;
    let bits = mode;
    let gid = cred.gid;
    if ((parent.mode & S_ISGID) !== 0) {
      gid = parent.gid;
      if (type === VDIR) bits |= S_ISGID;
    }
    const isForeignGroup = !puffs_cred_isjuggernaut(cred) && !puffs_cred_hasgroup(cred, gid);
    if (type !== VDIR && isForeignGroup && (bits & S_IXGRP) !== 0) bits &= ~S_ISGID;
    const node = this.newNode(type, parent, bits, cred.uid, gid, this.now());
    if (type === VLNK) return node;
    const value = parent.xattrs.get(ACL_DEFAULT);
    if (value === undefined) {
      node.mode &= ~cred.umask;
      return node;
    }
    const acl = aclInherit(aclOf(value), bits);
    node.mode = (bits & ~0o777) | aclMode(acl);
    if (!aclIsMinimal(acl)) node.xattrs.set(ACL_ACCESS, aclEncode(acl));
    if (type === VDIR) node.xattrs.set(ACL_DEFAULT, value);
    return node;
  }

  protected unlink(parent: MemfsNode, node: MemfsNode, name: ByteName): void {
    const now = this.now();
    parent.directory!.delete(name);
    parent.touch(now);
    this.dropLink(parent, node, now);
  }

  /** The name in `parent` no longer leads to `node`. */
  protected dropLink(parent: MemfsNode, node: MemfsNode, now: Timespec): void {
    if (node.directory !== null) {
      node.nlink = 0;
      parent.nlink--;
    } else {
      node.nlink--;
    }
    node.ctime = now;
    this.freeIfUnused(node);
  }

  protected moveParent(node: MemfsNode, from: MemfsNode, to: MemfsNode): void {
    if (node.directory === null || from === to) return;
    node.directory.parent = to;
    from.nlink--;
    to.nlink++;
  }

  protected exchange(
    from: MemfsNode,
    node: MemfsNode,
    name: ByteName,
    to: MemfsNode,
    other: MemfsNode,
    otherName: ByteName,
  ): void {
    const now = this.now();
    from.directory!.set(name, other);
    to.directory!.set(otherName, node);
    this.moveParent(node, from, to);
    this.moveParent(other, to, from);
    from.touch(now);
    to.touch(now);
    node.ctime = other.ctime = now;
  }

  protected mayChange(node: MemfsNode, va: vattr, cred: puffs_cred): number {
    if (va.va_size !== VNOVAL) {
      if (node.directory !== null) return E.EISDIR;
      if (node.data === null || va.va_size < 0) return E.EINVAL;
      if (va.va_size > this.fileBytesMax) return E.EFBIG;
    }
    if (cred.permissionsChecked) return 0;
    const { uid, gid, type } = node;
    if (va.va_uid !== VNOVAL || va.va_gid !== VNOVAL) {
      const newUid = va.va_uid === VNOVAL ? uid : va.va_uid;
      const newGid = va.va_gid === VNOVAL ? gid : va.va_gid;
      const refused = puffs_access_chown(uid, gid, newUid, newGid, cred);
      if (refused !== 0) return refused;
    }
    if (va.va_mode !== VNOVAL) {
      // Linux lets a user keep the sticky bit of a file, and clears a foreign set-group-id bit.
      const bits = va.va_mode & ~(S_ISGID | S_ISVTX);
      const refused = puffs_access_chmod(uid, gid, type, bits, cred);
      if (refused !== 0) return refused;
    }
    const isOthers = !puffs_cred_isjuggernaut(cred) && !puffs_cred_isuid(cred, uid);
    if (isOthers && (vattr_has_atime(va) || vattr_has_mtime(va))) {
      // As puffs_access_times(), but an access list has its say.
      if ((va.va_vaflags & VA_UTIMES_NULL) === 0) return E.EPERM;
      return this.access(node, PUFFS_VWRITE, cred);
    }
    return 0;
  }

  protected chmod(node: MemfsNode, mode: number, cred: puffs_cred): void {
    node.mode = mode & (mayKeepGroup(node, cred) ? 0o7777 : 0o7777 & ~S_ISGID);
    const value = node.xattrs.get(ACL_ACCESS);
    if (value !== undefined) {
      node.xattrs.set(ACL_ACCESS, aclEncode(aclChmod(aclOf(value), node.mode)));
    }
  }
}

/**
 * Linux's rule for a change of owner or contents: set-user-id goes; set-group-id goes where it
 * counts (the group may execute), or from the hands of who is not in the group.
 */
export function withoutPrivileges(node: MemfsNode, cred: puffs_cred): number {
  const dropsGroup = (node.mode & S_IXGRP) !== 0 || !mayKeepGroup(node, cred);
  return node.mode & ~(S_ISUID | (dropsGroup ? S_ISGID : 0));
}

function mayKeepGroup(node: MemfsNode, cred: puffs_cred): boolean {
  return (
    cred.permissionsChecked || puffs_cred_isjuggernaut(cred) || puffs_cred_hasgroup(cred, node.gid)
  );
}
