/** Puts a tmpfs mount together: host, kernel, file system, translator. */
import { Lump } from '../lump/lump.js';
import { tmpfs_module } from '../netbsd-compat/drivers/tmpfs/tmpfs.js';
import { MNT_RDONLY } from '../netbsd-compat/mount.js';
import { p2k } from '../netbsd-compat/p2k.js';
import { rump } from '../netbsd-compat/rump.js';
import { NodeHost } from '../rumpuser/node.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';

export interface MountTmpfsOptions {
  readonly readOnly?: boolean;
  /** Bytes for contents. Default: 256 MiB. */
  readonly size?: number;
  /** Most nodes. Default: one for each 4 KiB of contents. */
  readonly nodes?: number;
  /** Of the root directory. */
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits of the root directory. Default: 0755. */
  readonly mode?: number;
  /** Whoever mounts it; where uid and gid are not given, he owns the root directory. */
  readonly rootOwner?: { readonly uid: number; readonly gid: number };
}

const SIZE_DEFAULT_BYTES = 256 << 20;
const NODE_SHARE_BYTES = 4096;

/** An empty file system in memory. */
export function mountTmpfs(options: MountTmpfsOptions = {}, host: Rumpuser = new NodeHost()): p2k {
  const kernel = new rump(new Lump({ host }));
  kernel.modules.load({ modules: [tmpfs_module] });
  const size = options.size ?? SIZE_DEFAULT_BYTES;
  const mp = kernel.mountlist.mount_domount('tmpfs', options.readOnly ? MNT_RDONLY : 0, {
    ta_size_max: size,
    ta_nodes_max: options.nodes ?? Math.max(16, Math.floor(size / NODE_SHARE_BYTES)),
    ta_root_uid: options.uid ?? options.rootOwner?.uid ?? 0,
    ta_root_gid: options.gid ?? options.rootOwner?.gid ?? 0,
    ta_root_mode: options.mode ?? 0o755,
  });
  return new p2k(mp);
}

/** For the thread that serves FUSE: see FileSystemModule in src/fuse/module.ts. */
export function open(
  options: unknown,
  hooks: { console(level: number, line: string): void },
): { fs: p2k; report: readonly string[]; readOnly: boolean; timeGranularityNs: number } {
  const host = new NodeHost({ console: (level, line) => hooks.console(level, line) });
  const given = options as MountTmpfsOptions;
  const fs = mountTmpfs(given, host);
  return { fs, report: [], readOnly: given.readOnly ?? false, timeGranularityNs: 1 };
}
