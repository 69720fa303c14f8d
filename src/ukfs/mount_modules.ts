/**
 * Drivers and handlers from files: ukfs_modload. A file of a driver exports its link set, or a
 * function that is given NetBSD's kernel interfaces (src/netbsd-compat/index.ts) and answers it.
 */
import * as netbsd from '../netbsd-compat/index.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import type { disk } from '../netbsd-compat/disk/disk.js';
import { module_compatible, RUMP_VERSION, type modinfo } from '../netbsd-compat/module.js';
import { importModule, modulesIn } from '../rumpuser/node_module.js';
import { HostError } from '../rumpuser/rumpuser.js';
import type { DiskFileSystem, MountDiskOptions } from './mount_disk.js';
import { MountError } from './mount_error.js';
import type { PuffsHandlers } from './mount_puffs.js';

/** What a driver's file exports. */
export interface DriverLinkSet {
  /** Records of what is in it; one of class 'vfs' is what can be mounted. */
  readonly modules: readonly modinfo[];
  /** Is it that, by the first 32 KiB? Without, it is mounted only where its name is given. */
  probe?(head: Uint8Array): boolean;
  /** What its mount takes; default: `{ disk, …options }`. */
  args?(disk: disk, options: MountDiskOptions): unknown;
  /** Default: it can be. */
  readonly writes?: boolean;
  /** Default: a second. */
  readonly timeGranularityNs?: number;
}

export interface LoadedFileSystem extends DiskFileSystem {
  probeHead(head: Uint8Array): boolean;
}

const HEAD_BYTES = 32 << 10;
/** By name, in the order in which they were loaded. */
const modules = new Map<string, modinfo>();
const fileSystems: LoadedFileSystem[] = [];

export const loadedFileSystems = (): readonly LoadedFileSystem[] => fileSystems;

/**
 * Loads a driver from a file; mount() knows its type from then on.
 * @returns false: something that it needs is not loaded yet, and nothing has changed
 * @throws MountError EPROGMISMATCH it was built for another version; EEXIST; ENOENT; ENOEXEC the
 *   file exports no link set
 */
export async function modload(file: string): Promise<boolean> {
  const linkSet = await driverOf(file);
  try {
    for (const { mi_name, mi_version } of linkSet.modules) {
      module_compatible(mi_name, mi_version, RUMP_VERSION);
      if (modules.has(mi_name)) throw new NetbsdErrno('EEXIST', `module ${mi_name}`);
    }
  } catch (error) {
    if (!(error instanceof NetbsdErrno)) throw error;
    throw new MountError(error.code, `${file}: ${error.detail}`);
  }
  const known = new Set([...modules.keys(), ...linkSet.modules.map(({ mi_name }) => mi_name)]);
  const isComplete = linkSet.modules.every(({ mi_required }) =>
    mi_required.every((name) => known.has(name)),
  );
  if (!isComplete) return false;
  for (const record of linkSet.modules) modules.set(record.mi_name, record);
  for (const record of linkSet.modules) {
    if (record.mi_class === 'vfs') fileSystems.push(fileSystemOf(record, linkSet));
  }
  return true;
}

/**
 * Loads all drivers of a folder, again and again until no more can be.
 * @returns the files that were not: what they need is missing @throws as modload
 */
export async function modloadDir(folder: string): Promise<string[]> {
  let waiting: string[];
  try {
    waiting = modulesIn(folder);
  } catch (error) {
    if (error instanceof HostError) throw new MountError(error.code, error.message);
    throw error;
  }
  for (;;) {
    const left: string[] = [];
    for (const file of waiting) if (!(await modload(file))) left.push(file);
    if (left.length === 0 || left.length === waiting.length) return left;
    waiting = left;
  }
}

/** Handlers for mountHandlers() from a file that exports them, or a function that makes them. */
export async function loadHandlers(file: string): Promise<PuffsHandlers> {
  const exported = await run(file);
  const handlers = typeof exported === 'function' ? await exported() : exported;
  if (typeof handlers?.getattr !== 'function') {
    throw new MountError('ENOEXEC', `${file} exports no handlers: there is no getattr()`);
  }
  return handlers as PuffsHandlers;
}

async function driverOf(file: string): Promise<DriverLinkSet> {
  const exported = await run(file);
  const linkSet = typeof exported === 'function' ? await exported(netbsd) : exported;
  const isOne =
    Array.isArray(linkSet?.modules) &&
    linkSet.modules.every(
      ({ mi_name, mi_version, mi_required, init, fini }: Partial<modinfo>) =>
        typeof mi_name === 'string' &&
        typeof mi_version === 'number' &&
        Array.isArray(mi_required) &&
        typeof init === 'function' &&
        typeof fini === 'function',
    );
  if (!isOne) {
    throw new MountError('ENOEXEC', `${file} exports no link set: { modules: [modinfo, …] }`);
  }
  return linkSet as DriverLinkSet;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever a file exports; looked at by the callers.
async function run(file: string): Promise<any> {
  try {
    return await importModule(file);
  } catch (error) {
    if (error instanceof HostError) throw new MountError(error.code, error.message);
    throw new MountError('ENOEXEC', `${file}: ${(error as Error).message}`);
  }
}

function fileSystemOf(record: modinfo, linkSet: DriverLinkSet): LoadedFileSystem {
  const probeHead = (head: Uint8Array): boolean => linkSet.probe?.(head) ?? false;
  return {
    name: record.mi_name,
    module: record,
    // All that were loaded before, and those beside it: a kernel takes what it needs.
    requires: [...modules.values()].filter(({ mi_class }) => mi_class !== 'vfs'),
    args: (disk, options) => linkSet.args?.(disk, options) ?? { ...options, disk },
    probe(disk) {
      if (linkSet.probe === undefined) return true;
      const head = new Uint8Array(Math.min(HEAD_BYTES, disk.sizeBytes));
      disk.read(head, 0, head.length, 0);
      return probeHead(head);
    },
    probeHead,
    writes: linkSet.writes ?? true,
    timeGranularityNs: linkSet.timeGranularityNs ?? 1_000_000_000,
  };
}
