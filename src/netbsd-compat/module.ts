/**
 * Modules: a component announces its records (name, class, what it needs, the version it was built
 * for), and they are initialised in an order in which each finds what it needs.
 *
 * Source: reference rump.md §5.7: on a development kernel (xx.99.nn) versions must be equal, on a
 * release a difference below 10,000 is fine; otherwise EPROGMISMATCH. The order is found by
 * repeating until nothing changes any more.
 */
import { NetbsdErrno } from './errno.js';
import type { vfsops } from './mount.js';
import type { rump } from './rump.js';

/** __NetBSD_Version__'s form: MMmmrrpp00; mm 99 marks a development kernel. */
export const RUMP_VERSION = 799_001_200;

/** Differences of a release's version that a module does not notice. */
const VERSION_SLACK = 10_000;

/** What a module is for. */
export type module_class = 'vfs' | 'driver' | 'exec' | 'secmodel' | 'misc';

/** A module's record, NetBSD's modinfo_t. */
export interface modinfo {
  readonly mi_version: number;
  readonly mi_class: module_class;
  readonly mi_name: string;
  readonly mi_required: readonly string[];
  /** @throws NetbsdErrno: the module stays out. */
  init(rump: rump): void;
  /** @throws EBUSY it is in use. */
  fini(rump: rump): void;
}

/** What a file of modules exports: its link set. */
export interface link_set {
  readonly modules: readonly modinfo[];
}

const is_development = (version: number): boolean => Math.floor(version / 1_000_000) % 100 === 99;

/** @throws EPROGMISMATCH unless `version` fits a kernel of version `kernel`. */
export function module_compatible(name: string, version: number, kernel: number): void {
  const fits = is_development(kernel)
    ? version === kernel
    : Math.abs(version - kernel) < VERSION_SLACK;
  if (!fits) {
    throw new NetbsdErrno(
      'EPROGMISMATCH',
      `module ${name} was built for version ${version}, this kernel has ${kernel}`,
    );
  }
}

export class module_list {
  private readonly rump: rump;
  private readonly live = new Map<string, modinfo>();

  constructor(rump: rump) {
    this.rump = rump;
  }

  /** Names of the modules that are initialised, in the order in which they were. */
  get names(): string[] {
    return [...this.live.keys()];
  }

  /**
   * Initialises the modules of a link set, in whatever order their needs allow.
   * @param force do not look at the version.
   * @throws EPROGMISMATCH; EEXIST one is there already; ENOENT something that they need is missing.
   *   Those that came before stay.
   */
  load({ modules }: link_set, force = false): void {
    for (const { mi_name, mi_version } of modules) {
      if (!force) module_compatible(mi_name, mi_version, RUMP_VERSION);
      if (this.live.has(mi_name)) throw new NetbsdErrno('EEXIST', `module ${mi_name}`);
    }
    let waiting = [...modules];
    while (waiting.length > 0) {
      const ready = waiting.filter((mod) => mod.mi_required.every((name) => this.live.has(name)));
      if (ready.length === 0) {
        const [{ mi_name, mi_required }] = waiting as [modinfo];
        const missing = mi_required.find((name) => !this.live.has(name));
        throw new NetbsdErrno('ENOENT', `module ${mi_name} needs ${missing}, which is not there`);
      }
      for (const mod of ready) {
        mod.init(this.rump);
        this.live.set(mod.mi_name, mod);
      }
      waiting = waiting.filter((mod) => !ready.includes(mod));
    }
  }

  /** @throws ENOENT; EBUSY it is in use, or needed by another. */
  unload(name: string): void {
    const mod = this.live.get(name);
    if (mod === undefined) throw new NetbsdErrno('ENOENT', `module ${name}`);
    for (const other of this.live.values()) {
      if (other.mi_required.includes(name)) {
        throw new NetbsdErrno('EBUSY', `module ${other.mi_name} needs ${name}`);
      }
    }
    mod.fini(this.rump);
    this.live.delete(name);
  }
}

/** The record of a file system's module. */
export function vfs_module(name: string, op: vfsops, required: readonly string[] = []): modinfo {
  return {
    mi_version: RUMP_VERSION,
    mi_class: 'vfs',
    mi_name: name,
    mi_required: required,
    init: (rump) => rump.mountlist.vfs_attach(op),
    fini: (rump) => rump.mountlist.vfs_detach(op),
  };
}
