/**
 * Extended attributes and access lists of file systems with inodes: the rules are those of
 * src/puffs/extattr.ts, where the attributes lie is {@link genfs_extattr}'s affair.
 */
import {
  aclAccess,
  aclChmod,
  aclDecode,
  aclEncode,
  aclInherit,
  aclIsMinimal,
  aclMode,
} from '../puffs/acl.js';
import type { Acl } from '../puffs/acl.js';
import { puffs_cred_isjuggernaut, puffs_cred_isuid } from '../puffs/cred.js';
import { ACL_ACCESS, ACL_DEFAULT, type ExtattrNode } from '../puffs/extattr.js';
import { VDIR, VLNK, type ByteName } from '../puffs/puffs.js';
import type { genfs_extattr, genfs_node } from './genfs_node.js';
import type { kauth_cred } from './kauth.js';
import type { vnode } from './vnode.js';

/** A node as the rules see it. */
export class extattr_view<N extends genfs_node> implements ExtattrNode {
  readonly vp: vnode;
  readonly xattrs: ExtattrNode['xattrs'];
  private readonly node: N;

  constructor(vp: vnode, node: N, store: genfs_extattr<N>) {
    this.vp = vp;
    this.node = node;
    const xattrs = {
      get: (name: ByteName) => store.get(node, name),
      has: (name: ByteName) => store.get(node, name) !== undefined,
      set(name: ByteName, value: Uint8Array) {
        store.set(node, name, value);
        return this as unknown as Map<ByteName, Uint8Array>;
      },
      delete(name: ByteName): boolean {
        const exists = store.get(node, name) !== undefined;
        if (exists) store.set(node, name, undefined);
        return exists;
      },
      keys: () => store.names(node).values(),
    };
    this.xattrs = xattrs;
  }

  get type(): number {
    return this.node.i_type;
  }
  get mode(): number {
    return this.node.i_mode;
  }
  set mode(mode: number) {
    this.node.i_mode = mode;
  }
  get uid(): number {
    return this.node.i_uid;
  }
  get gid(): number {
    return this.node.i_gid;
  }
}

/** The access list, if there is one. A damaged one grants nothing, and is none here. */
function acl_of<N extends genfs_node>(
  store: genfs_extattr<N>,
  node: N,
  name: ByteName,
): Acl | null {
  const value = store.get(node, name);
  if (value === undefined) return null;
  const acl = aclDecode(value);
  return typeof acl === 'number' ? null : acl;
}

/** What the list says to who is neither owner nor privileged; undefined: the mode decides. */
export function acl_access<N extends genfs_node>(
  store: genfs_extattr<N>,
  node: N,
  mode: number,
  cred: kauth_cred,
): number | undefined {
  if (cred.permissionsChecked || puffs_cred_isjuggernaut(cred)) return undefined;
  // Linux asks the list only when the group class of the mode grants anything at all.
  if (puffs_cred_isuid(cred, node.i_uid) || (node.i_mode & 0o070) === 0) return undefined;
  const acl = acl_of(store, node, ACL_ACCESS);
  return acl === null ? undefined : aclAccess(acl, node.i_gid, mode, cred);
}

/** The mode was changed: so is the list. @throws ENOSPC */
export function acl_chmod<N extends genfs_node>(store: genfs_extattr<N>, node: N): void {
  const acl = node.i_type === VLNK ? null : acl_of(store, node, ACL_ACCESS);
  if (acl !== null) store.set(node, ACL_ACCESS, aclEncode(aclChmod(acl, node.i_mode)));
}

export function has_default_acl<N extends genfs_node>(store: genfs_extattr<N>, dir: N): boolean {
  return acl_of(store, dir, ACL_DEFAULT) !== null;
}

/**
 * A new node takes over what the directory's default list says.
 * @returns whether there is one. @throws ENOSPC
 */
export function acl_inherit<N extends genfs_node>(
  store: genfs_extattr<N>,
  dir: N,
  node: N,
): boolean {
  const value = node.i_type === VLNK ? undefined : store.get(dir, ACL_DEFAULT);
  const defaults = value === undefined ? null : acl_of(store, dir, ACL_DEFAULT);
  if (value === undefined || defaults === null) return false;
  const acl = aclInherit(defaults, node.i_mode);
  if (!aclIsMinimal(acl)) store.set(node, ACL_ACCESS, aclEncode(acl));
  if (node.i_type === VDIR) store.set(node, ACL_DEFAULT, value);
  node.i_mode = (node.i_mode & ~0o777) | aclMode(acl);
  return true;
}
