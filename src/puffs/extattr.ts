/**
 * Extended attributes as Linux's file systems have them: who may use which prefix, and the access
 * list that stands behind "system.posix_acl_access". A node keeps its attributes under Linux's full
 * names; where, is its file system's affair.
 */
import { puffs_cred_hasgroup, puffs_cred_isjuggernaut, puffs_cred_isuid } from './cred.js';
import { NETBSD_ERRNO as E } from './errno.js';
import { aclDecode, aclEncode, aclIsMinimal, aclIsValid, aclMode } from './acl.js';
import { extattrName, extattrNamespace, xattrName } from './name.js';
import {
  PUFFS_VREAD,
  PUFFS_VWRITE,
  VDIR,
  VLNK,
  VREG,
  type ByteName,
  type puffs_cred,
  type puffs_size,
} from './puffs.js';

export const ACL_ACCESS = 'system.posix_acl_access';
export const ACL_DEFAULT = 'system.posix_acl_default';

/** Is the attribute of this name, as Linux has it, an access list? */
export const isAclName = (name: ByteName): boolean => name === ACL_ACCESS || name === ACL_DEFAULT;

const CREATE_ONLY = 1;
const REPLACE_ONLY = 2;
/** XATTR_NAME_MAX and XATTR_SIZE_MAX of Linux. */
const NAME_BYTES_MAX = 255;
const VALUE_BYTES_MAX = 65536;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;

export interface ExtattrNode {
  /** VREG… */
  readonly type: number;
  /** Permission bits. */
  mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly xattrs: Pick<Map<ByteName, Uint8Array>, 'get' | 'has' | 'set' | 'delete' | 'keys'>;
}

/** What answers a number answers 0 or a NetBSD errno; what the store throws comes through. */
export class Extattrs<N extends ExtattrNode> {
  readonly #access: (node: N, wanted: number, cred: puffs_cred) => number;
  readonly #changed: (node: N) => void;

  /** @param fs `changed`: the node is given a new ctime. */
  constructor(fs: {
    access: (node: N, wanted: number, cred: puffs_cred) => number;
    changed: (node: N) => void;
  }) {
    this.#access = fs.access;
    this.#changed = fs.changed;
  }

  get(
    node: N,
    ns: number,
    name: ByteName,
    size: puffs_size,
    buf: Uint8Array | null,
    cred: puffs_cred,
  ): number {
    const full = xattrName(ns, name);
    const refused = this.#mayUse(node, full, PUFFS_VREAD, cred);
    if (refused !== 0) return refused;
    const value = node.xattrs.get(full);
    if (value === undefined) return E.ENOATTR;
    size.value = value.length;
    if (buf === null) return 0;
    if (buf.length < value.length) return E.ERANGE;
    buf.set(value);
    return 0;
  }

  set(
    node: N,
    ns: number,
    name: ByteName,
    value: Uint8Array,
    flags: number,
    cred: puffs_cred,
  ): number {
    const full = xattrName(ns, name);
    if (value.length > VALUE_BYTES_MAX) return E.E2BIG;
    const refused = this.#mayUse(node, full, PUFFS_VWRITE, cred);
    if (refused !== 0) return refused;
    if (isAclName(full)) return this.#setAcl(node, full, value, cred);
    const exists = node.xattrs.has(full);
    if (exists && (flags & CREATE_ONLY) !== 0) return E.EEXIST;
    if (!exists && (flags & REPLACE_ONLY) !== 0) return E.ENOATTR;
    node.xattrs.set(full, value.slice());
    this.#changed(node);
    return 0;
  }

  list(node: N, ns: number, cred: puffs_cred): ByteName[] {
    const names: ByteName[] = [];
    for (const full of node.xattrs.keys()) {
      if (full.startsWith('trusted.') && !isPrivileged(cred)) continue;
      if (extattrNamespace(full) === ns) names.push(extattrName(full));
    }
    return names;
  }

  delete(node: N, ns: number, name: ByteName, cred: puffs_cred): number {
    const full = xattrName(ns, name);
    const refused = this.#mayUse(node, full, PUFFS_VWRITE, cred);
    if (refused !== 0) return refused;
    if (isAclName(full)) {
      return this.#setAcl(node, full, null, cred);
    }
    if (!node.xattrs.delete(full)) return E.ENOATTR;
    this.#changed(node);
    return 0;
  }

  /** Linux's xattr_permission() and the handlers' own conditions. */
  #mayUse(node: N, full: ByteName, wanted: number, cred: puffs_cred): number {
    if (full.length > NAME_BYTES_MAX) return E.ERANGE;
    if (isAclName(full)) {
      return node.type === VLNK ? E.EOPNOTSUPP : 0;
    }
    const dot = full.indexOf('.');
    const prefix = full.slice(0, dot + 1);
    if (prefix !== 'user.' && prefix !== 'trusted.' && prefix !== 'security.') return E.EOPNOTSUPP;
    const refused = this.#mayUsePrefix(node, prefix, wanted, cred);
    if (refused !== 0) return refused;
    return full.length === prefix.length ? E.EINVAL : 0;
  }

  #mayUsePrefix(node: N, prefix: string, wanted: number, cred: puffs_cred): number {
    const isWrite = wanted === PUFFS_VWRITE;
    if (prefix === 'security.') return isWrite && !isPrivileged(cred) ? E.EPERM : 0;
    if (prefix === 'trusted.') {
      if (isPrivileged(cred)) return 0;
      return isWrite ? E.EPERM : E.ENOATTR;
    }
    if (node.type !== VREG && node.type !== VDIR) return isWrite ? E.EPERM : E.ENOATTR;
    const isStranger = !isPrivileged(cred) && !puffs_cred_isuid(cred, node.uid);
    if (isWrite && node.type === VDIR && (node.mode & S_ISVTX) !== 0 && isStranger) return E.EPERM;
    return this.#access(node, wanted, cred);
  }

  /** The access list also is the mode; one that says no more than the mode is not kept. */
  #setAcl(node: N, full: ByteName, value: Uint8Array | null, cred: puffs_cred): number {
    const acl = value === null ? null : aclDecode(value);
    if (typeof acl === 'number') return acl;
    if (full === ACL_DEFAULT && node.type !== VDIR) return acl === null ? 0 : E.EACCES;
    if (!isPrivileged(cred) && !puffs_cred_isuid(cred, node.uid)) return E.EPERM;
    if (acl !== null && !aclIsValid(acl)) return E.EINVAL;
    // What is stored first may fail for want of space.
    if (acl === null || (full === ACL_ACCESS && aclIsMinimal(acl))) node.xattrs.delete(full);
    else node.xattrs.set(full, aclEncode(acl));
    if (acl !== null && full === ACL_ACCESS) {
      node.mode = (node.mode & ~0o777) | aclMode(acl);
      if (!isPrivileged(cred) && !puffs_cred_hasgroup(cred, node.gid)) node.mode &= ~S_ISGID;
    }
    this.#changed(node);
    return 0;
  }
}

const isPrivileged = (cred: puffs_cred): boolean =>
  cred.permissionsChecked || puffs_cred_isjuggernaut(cred);
