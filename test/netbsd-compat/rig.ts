/** Kernels and file systems of the tests. */
import { Lump } from '../../src/lump/lump.js';
import { tmpfs_module } from '../../src/netbsd-compat/drivers/tmpfs/tmpfs.js';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import { rump } from '../../src/netbsd-compat/rump.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/index.js';

export const TMPFS_ARGS = {
  ta_size_max: 1 << 20,
  ta_nodes_max: 1000,
  ta_root_uid: 0,
  ta_root_gid: 0,
  ta_root_mode: 0o755,
};

/** A kernel that knows tmpfs. */
export function kernelWithTmpfs(desiredvnodes?: number): rump {
  const kernel = new rump(new Lump({ host: new SimulatedHost() }), desiredvnodes);
  kernel.modules.load({ modules: [tmpfs_module] });
  return kernel;
}

export function mountTmpfs(kernel: rump): { fs: p2k; ukfs: Ukfs } {
  const fs = new p2k(kernel.mountlist.mount_domount('tmpfs', 0, TMPFS_ARGS));
  return { fs, ukfs: new Ukfs(fs) };
}
