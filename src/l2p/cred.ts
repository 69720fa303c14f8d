/** Credentials: the waist's → Linux's. Root and internal ones have every capability. */
import type { cred } from '../lump/fs.js';
import { puffs_cred_isjuggernaut } from '../puffs/cred.js';
import type { puffs_cred } from '../puffs/puffs.js';

export function puffs_to_linux_cred(from: puffs_cred): cred {
  const isUser = from.kind === 'user';
  return {
    fsuid: isUser ? from.uid : 0,
    fsgid: isUser ? from.gid : 0,
    groups: from.groups,
    privileged: puffs_cred_isjuggernaut(from),
    permissionsChecked: from.permissionsChecked,
    umask: from.umask,
  };
}
