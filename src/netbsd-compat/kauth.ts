/**
 * kauth(9): who may do what to a vnode. A file system states its own opinion (`fs_decision`: what
 * owner, group and mode say); listeners of security models are heard first. One "deny" refuses, one
 * "allow" grants whatever the file system thinks, and when all defer the file system's word counts.
 *
 * The credential is the waist's: it has what NetBSD's kauth_cred has, and who asks crosses the
 * border as he is.
 *
 * Source: reference rump.md §1.10 (the rules of access), §5.1 (authorisation is a part of
 * rumpkern).
 */
import { puffs_cred_isjuggernaut } from '../puffs/cred.js';
import { PUFFS_VEXEC, VDIR, type puffs_cred } from '../puffs/puffs.js';
import { NetbsdErrno } from './errno.js';
import type { vnode } from './vnode.js';

export type kauth_cred = puffs_cred;

export type kauth_action =
  /** read, write, execute, search: `wanted` says which. */
  | 'access'
  /** Change of mode, owner or times, removal from a sticky directory. */
  | 'owner'
  /** Making a device node. */
  | 'mknod';

export type kauth_result = 'allow' | 'deny' | 'defer';

export type kauth_listener = (
  cred: kauth_cred,
  action: kauth_action,
  vp: vnode,
  wanted: number,
) => kauth_result;

export class kauth {
  private readonly listeners: kauth_listener[] = [];

  /** @returns a call that ends the listening. */
  kauth_listen_scope(listener: kauth_listener): () => void {
    this.listeners.push(listener);
    return () => {
      const at = this.listeners.indexOf(listener);
      if (at >= 0) this.listeners.splice(at, 1);
    };
  }

  /**
   * @param wanted PUFFS_VREAD, VWRITE, VEXEC of an 'access', else 0.
   * @param mode permission bits of the node, for the rule about execution.
   * @param fs_decision 0 or the NetBSD error that the file system would answer.
   * @throws fs_decision; EPERM a listener's refusal.
   */
  kauth_authorize_vnode(
    cred: kauth_cred,
    action: kauth_action,
    vp: vnode,
    wanted: number,
    mode: number,
    fs_decision: NetbsdErrno | null,
  ): void {
    let isAllowed = false;
    for (const listener of this.listeners) {
      const result = listener(cred, action, vp, wanted);
      if (result === 'deny') throw fs_decision ?? new NetbsdErrno('EPERM');
      isAllowed ||= result === 'allow';
    }
    if (isAllowed || fs_decision === null || cred.permissionsChecked) return;
    if (secmodel_suser(cred, wanted, vp.v_type, mode)) return;
    throw fs_decision;
  }
}

/** NetBSD's traditional model: the superuser may, but nobody executes what nobody may execute. */
function secmodel_suser(cred: kauth_cred, wanted: number, type: number, mode: number): boolean {
  if (!puffs_cred_isjuggernaut(cred)) return false;
  return (wanted & PUFFS_VEXEC) === 0 || type === VDIR || (mode & 0o111) !== 0;
}
