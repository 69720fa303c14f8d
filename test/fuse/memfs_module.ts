/**
 * The file system in memory as a module for the transport, with accidents on demand: what the tests
 * mount.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { BUG } from '../../src/lump/bug.js';
import type { ModuleHooks, OpenedFileSystem } from '../../src/fuse/module.js';
import { Memfs } from '../../src/puffs/memfs.js';
import type { puffs_ops } from '../../src/puffs/puffs.js';

/** See memfs_options.ts. */
interface MemfsModuleOptions {
  readonly readOnly?: boolean;
  readonly capacity?: number;
  readonly failure?: string;
  readonly report?: string;
  readonly panic_at?: string;
  readonly crash_at?: string;
  readonly hang_at?: string;
  readonly exit_at?: string;
  readonly log_at?: string;
  readonly work?: string;
  readonly closed?: string;
  readonly journal?: string;
}

const CAPACITY_BYTES = 1 << 30;
const WORK_DELAY_MS = 30;

export function open(given: unknown, hooks: ModuleHooks): OpenedFileSystem {
  const options = given as MemfsModuleOptions;
  if (options.failure !== undefined) throw new Error(options.failure);
  const fs = new Memfs({
    wallClockMs: () => Date.now(),
    capacityBytes: options.capacity ?? CAPACITY_BYTES,
    readOnly: options.readOnly ?? false,
    nodesMax: 1 << 20,
  });
  addAccidents(fs, options, hooks);
  addWork(fs, options);
  if (options.closed !== undefined) {
    const file = options.closed;
    replace(fs, 'fs_unmount', (original) => (flags) => {
      writeFileSync(file, 'closed\n');
      return original(flags);
    });
  }
  if (options.journal !== undefined) keepJournal(fs, options.journal);
  return {
    fs,
    report: options.report === undefined ? [] : [options.report],
    readOnly: options.readOnly ?? false,
    timeGranularityNs: 1,
  };
}

type Operation = Exclude<keyof puffs_ops, 'fsname' | 'rootCookie'>;

function replace<Name extends Operation>(
  fs: puffs_ops,
  name: Name,
  make: (original: puffs_ops[Name]) => puffs_ops[Name],
): void {
  fs[name] = make((fs[name] as (...args: unknown[]) => unknown).bind(fs) as puffs_ops[Name]);
}

function addAccidents(fs: puffs_ops, options: MemfsModuleOptions, hooks: ModuleHooks): void {
  replace(fs, 'node_lookup', (original) => (dir, out, cn) => {
    switch (cn.name) {
      case options.panic_at:
        return BUG('on demand');
      case options.crash_at:
        throw new TypeError('crash on demand');
      case options.hang_at:
        hooks.console(4, 'hanging');
        for (;;);
      case options.exit_at:
        return process.exit(3);
      case options.log_at:
        hooks.console(4, 'as demanded');
        break;
    }
    return original(dir, out, cn);
  });
}

/** One unit of work after each created file, not at once. */
function addWork(fs: puffs_ops, options: MemfsModuleOptions): void {
  const { work } = options;
  if (work === undefined) return;
  let dueAtMs = Infinity;
  replace(fs, 'node_create', (original) => (dir, out, cn, va) => {
    dueAtMs = performance.now() + WORK_DELAY_MS;
    return original(dir, out, cn, va);
  });
  fs.background = () => {
    if (dueAtMs === Infinity) return -1;
    const leftMs = dueAtMs - performance.now();
    if (leftMs > 0) return leftMs;
    dueAtMs = Infinity;
    appendFileSync(work, 'worked\n');
    return -1;
  };
}

function keepJournal(fs: puffs_ops, file: string): void {
  for (const name of ['node_fsync', 'node_write', 'fs_sync', 'node_setattr'] as const) {
    replace(
      fs,
      name,
      (original) =>
        ((...args: unknown[]) => {
          const flags = name === 'node_write' ? ` ${args[2]}` : '';
          appendFileSync(file, `${name}${flags}\n`);
          return (original as (...all: unknown[]) => number)(...args);
        }) as never,
    );
  }
}
