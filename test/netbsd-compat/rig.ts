/** Kernels and file systems of the tests. */
import { expect } from 'chai';
import { Lump } from '../../src/lump/lump.js';
import { tmpfs_module } from '../../src/netbsd-compat/drivers/tmpfs/tmpfs.js';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import { rump } from '../../src/netbsd-compat/rump.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/index.js';
import {
  mountDisk,
  type DiskFileSystem,
  type MountDiskOptions,
  type MountedDisk,
} from '../../src/ukfs/mount_disk.js';

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

const CLOCK = { wallClockMs: Date.UTC(2035, 0, 1) };

/** Mounts images of a kind, each on a host of its own. */
export const mounterOf =
  (kind: DiskFileSystem) =>
  (
    image: Uint8Array,
    options: Partial<MountDiskOptions> = {},
  ): MountedDisk & { ukfs: Ukfs; image(): Uint8Array } => {
    const host = new SimulatedHost(CLOCK);
    host.replaceFile('/disk', image);
    const mounted = mountDisk(kind, { image: '/disk', ...options }, host);
    return {
      ...mounted,
      ukfs: new Ukfs(mounted.fs),
      image: () => new Uint8Array(host.readFile('/disk')),
    };
  };

/** A power cut after a sync, in the middle of more changes: what was synced is there. @returns it. */
export function crashAfterSync(
  kind: DiskFileSystem,
  image: Uint8Array,
  backend: 'sync' | 'async' | 'window',
): Uint8Array {
  const host = new SimulatedHost({ ...CLOCK, seed: 3 });
  host.replaceFile('/disk', image);
  const mounted = mountDisk(kind, { image: '/disk', backend, seed: 5 }, host);
  const ukfs = new Ukfs(mounted.fs);
  ukfs.mkdir('/kept');
  ukfs.writeFile('/kept/file', new Uint8Array(50_000).fill(9));
  ukfs.sync();
  ukfs.writeFile('/kept/later', new Uint8Array(50_000).fill(8));
  ukfs.unlink('/kept/file');
  host.crash('all');
  const again = mountDisk(kind, { image: '/disk', force: true }, host);
  const kept = new Ukfs(again.fs).readFile('/kept/file');
  expect(kept).to.deep.equal(new Uint8Array(50_000).fill(9));
  again.unmount();
  return new Uint8Array(host.readFile('/disk'));
}

/** What a call is refused with; 'none': it is not. */
export function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
  return 'none';
}

/** Contents of a file, others for each seed. */
export const bytes = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * (seed + 1) * 7) >> 3);
