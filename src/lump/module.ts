/**
 * Modules: file systems and drivers announce themselves ({@link module_registry.module_register})
 * and are initialised when they are asked for, what they depend on first, as rump's link sets and
 * `modautoload` do. There is nothing to load from a file: announcing is importing.
 */
import { Errno } from './errno.js';
import type { Lump } from './lump.js';

/**
 * Version of the interface between this kernel and its modules: src/lump's contracts and the VFS
 * objects. Raise it with every change that a module could notice.
 */
export const LUMP_ABI_VERSION = 1;

/**
 * Two parts were built against different versions of the interface between them. NetBSD's
 * EPROGMISMATCH, rump's answer to a host or module of another version; Linux has no such number.
 */
export class ProgramMismatch extends Error {
  readonly code = 'EPROGMISMATCH';

  constructor(what: string, has: number, wanted: number) {
    super(`${what} was built for version ${has}, this kernel has ${wanted} (EPROGMISMATCH)`);
    this.name = 'ProgramMismatch';
  }
}

export interface module {
  readonly name: string;
  /** {@link LUMP_ABI_VERSION} at the time it was built. */
  readonly abi_version: number;
  /** Modules to be initialised before it and not to go before it. */
  readonly depends?: readonly string[];
  /** @throws Errno: the module stays out. */
  init(lump: Lump): void;
  exit?(lump: Lump): void;
}

interface module_state {
  readonly module: module;
  live: boolean;
  /** try_module_get()s, and live modules that depend on it. */
  refcount: number;
}

export class module_registry {
  private readonly lump: Lump;
  private readonly modules = new Map<string, module_state>();

  constructor(lump: Lump) {
    this.lump = lump;
  }

  /** Announces a module. @throws ProgramMismatch; EEXIST when the name is taken. */
  module_register(module: module): void {
    check_abi(`module ${module.name}`, module.abi_version);
    if (this.modules.has(module.name)) throw new Errno('EEXIST', `module ${module.name}`);
    this.modules.set(module.name, { module, live: false, refcount: 0 });
  }

  /**
   * Initialises a module and what it depends on; nothing happens when it is live.
   * @throws ENOENT it, or something it depends on, was not announced; ELOOP it depends on itself;
   *   what its init() throws.
   */
  request_module(name: string): void {
    this.load(name, []);
  }

  private load(name: string, above: readonly string[]): void {
    if (above.includes(name)) throw new Errno('ELOOP', [...above, name].join(' → '));
    const state = this.state(name, above);
    if (state.live) return;
    const depends = state.module.depends ?? [];
    for (const needed of depends) this.load(needed, [...above, name]);
    state.module.init(this.lump);
    for (const needed of depends) this.state(needed, above).refcount++;
    state.live = true;
  }

  private state(name: string, above: readonly string[]): module_state {
    const state = this.modules.get(name);
    if (state !== undefined) return state;
    const why = above.length === 0 ? '' : `, needed by ${above.join(' → ')}`;
    throw new Errno('ENOENT', `no module ${name}${why}`);
  }

  /** Ends a module; it stays announced. @throws ENOENT not live; EBUSY in use. */
  delete_module(name: string): void {
    const state = this.modules.get(name);
    if (state === undefined || !state.live) throw new Errno('ENOENT', `module ${name} is not live`);
    if (state.refcount !== 0) {
      throw new Errno('EBUSY', `module ${name} has ${state.refcount} users`);
    }
    state.module.exit?.(this.lump);
    state.live = false;
    for (const needed of state.module.depends ?? []) this.state(needed, [name]).refcount--;
  }

  /** Keeps a live module from going. @returns false when it is not live. */
  try_module_get(name: string): boolean {
    const state = this.modules.get(name);
    if (state === undefined || !state.live) return false;
    state.refcount++;
    return true;
  }

  module_put(name: string): void {
    const state = this.modules.get(name);
    if (this.lump.WARN_ON(!state?.live || state.refcount === 0, `module_put(${name})`)) return;
    (state as module_state).refcount--;
  }

  is_live(name: string): boolean {
    return this.modules.get(name)?.live ?? false;
  }
}

/** @throws ProgramMismatch unless `abi_version` is this kernel's. */
export function check_abi(what: string, abi_version: number): void {
  if (abi_version !== LUMP_ABI_VERSION) {
    throw new ProgramMismatch(what, abi_version, LUMP_ABI_VERSION);
  }
}
