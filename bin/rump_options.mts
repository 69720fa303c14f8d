/** Mount options that several of NetBSD's file systems have. */
import type { MountOptionRow } from '../src/fuse/mount_options.js';

/** "0", "1000": a user or group. */
export function parseId(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 0xffff_fffe) throw new Error('expected a number');
  return Number(text);
}

/** "755", "01777": permission bits. */
export function parseMode(text: string): number {
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777) {
    throw new Error('expected permission bits in octal, as 755');
  }
  return Number.parseInt(text, 8);
}

/** A count, as 10000. */
export function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new Error('expected a number, as 10000');
  }
  return Number(text);
}

const BACKENDS = ['sync', 'async', 'window'];

/** What every file system on a disk image understands. */
export const DISK_MOUNT_OPTIONS: readonly MountOptionRow[] = [
  {
    name: 'part',
    value: 'NAME',
    fate: 'file system',
    meaning: 'partition of the image: its number, or its letter in a disklabel',
  },
  {
    name: 'backend',
    value: 'NAME',
    fate: 'file system',
    parse(text) {
      if (!BACKENDS.includes(text)) throw new Error(`expected one of ${BACKENDS.join(', ')}`);
      return text;
    },
    meaning: 'how the image is written: sync (the default), async, or window (1 MiB windows)',
  },
];

export const DISK_NOTES =
  'The image may be a file system, or a disk with an MBR, a GPT or a disklabel; then the partition\n' +
  'that has one is taken. NetBSD’s suffixes work too: image%DISKLABEL:a%, image%OFFSET:start,size%.\n' +
  'What must not be written is mounted read-only, and the reason is printed.';
