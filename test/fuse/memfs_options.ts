import type { MountOptionRow } from '../../src/fuse/mount_options.js';

export const MEMFS_MOUNT_OPTIONS: readonly MountOptionRow[] = [
  { name: 'capacity', value: 'BYTES', fate: 'file system', parse: Number, meaning: 'space' },
  { name: 'failure', value: 'TEXT', fate: 'file system', meaning: 'open() fails so' },
  { name: 'report', value: 'TEXT', fate: 'file system', meaning: 'a line to report' },
  { name: 'panic_at', value: 'NAME', fate: 'file system', meaning: 'a lookup that panics' },
  { name: 'crash_at', value: 'NAME', fate: 'file system', meaning: 'a lookup that throws' },
  { name: 'hang_at', value: 'NAME', fate: 'file system', meaning: 'a lookup that never ends' },
  { name: 'exit_at', value: 'NAME', fate: 'file system', meaning: 'a lookup that ends the thread' },
  { name: 'log_at', value: 'NAME', fate: 'file system', meaning: 'a lookup that says so' },
  {
    name: 'work',
    value: 'FILE',
    fate: 'file system',
    meaning: 'background work is due after each change, and leaves a line in this file',
  },
  { name: 'closed', value: 'FILE', fate: 'file system', meaning: 'written at a clean unmount' },
  { name: 'journal', value: 'FILE', fate: 'file system', meaning: 'operations, a line each' },
];
