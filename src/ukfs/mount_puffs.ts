/** Puts a mount of handlers together: host, kernel, puffs, translator. */
import { Lump } from '../lump/lump.js';
import { puffs_module, type puffs_fs_args } from '../netbsd-compat/drivers/puffs/puffs.js';
import type {
  Done,
  HandlerError,
  HandlerStat,
  HandlerStatfs,
  PuffsHandlers,
} from '../netbsd-compat/drivers/puffs/puffs_handlers.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import { MNT_RDONLY } from '../netbsd-compat/mount.js';
import { p2k } from '../netbsd-compat/p2k.js';
import { rump } from '../netbsd-compat/rump.js';
import { netbsdErrnoName } from '../puffs/errno.js';
import { MNT_FORCE } from '../puffs/puffs.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import { DiskMountError } from './mount_disk.js';

export type { Done, HandlerError, HandlerStat, HandlerStatfs, PuffsHandlers };

/** How handlers are mounted. */
export interface MountPuffsOptions {
  readonly readOnly?: boolean;
}

/** @throws DiskMountError */
export function mountPuffs(
  handlers: PuffsHandlers,
  { readOnly = false }: MountPuffsOptions,
  host: Rumpuser,
) {
  const kernel = new rump(new Lump({ host }));
  kernel.modules.load({ modules: [puffs_module] });
  const args: puffs_fs_args = {
    handlers,
    buffer: ({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length),
  };
  try {
    const mp = kernel.mountlist.mount_domount('puffs', readOnly ? MNT_RDONLY : 0, args);
    const fs = new p2k(mp);
    return {
      fs,
      readOnly,
      report: [],
      unmount(force = false): void {
        const error = fs.fs_unmount(force ? MNT_FORCE : 0);
        if (error === 0) return;
        const code = netbsdErrnoName(error)!;
        throw new DiskMountError(code, `the handlers' file system: ${code}`);
      },
    };
  } catch (error) {
    if (!(error instanceof NetbsdErrno)) throw error;
    throw new DiskMountError(error.code, `the handlers cannot be mounted: ${error.detail}`);
  }
}
