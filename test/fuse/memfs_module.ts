/** The reference file system in memory as a module for the transport: what the tests mount. */
import type { ModuleHooks, OpenedFileSystem } from '../../src/fuse/module.js';
import { Memfs, type MemfsOptions } from '../../src/puffs/memfs.js';

export interface MemfsModuleOptions extends MemfsOptions {
  /** open() fails with this message. */
  readonly failure?: string;
  readonly report?: readonly string[];
}

export function open(options: unknown, _hooks: ModuleHooks): OpenedFileSystem {
  const memfsOptions = options as MemfsModuleOptions;
  if (memfsOptions.failure !== undefined) throw new Error(memfsOptions.failure);
  return {
    fs: new Memfs({ wallClockMs: () => Date.now(), ...memfsOptions }),
    report: memfsOptions.report ?? [],
    readOnly: memfsOptions.readOnly ?? false,
    timeGranularityNs: 1,
  };
}
