/** Debian's makefs, whose images ffs must read, and blank ones of our own. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { disk } from '../../src/netbsd-compat/disk/disk.js';
import { mkfsFfs, type mkfs_ffs_options } from '../../src/netbsd-compat/drivers/ffs/mkfs.js';
import { withImage } from './e2fsprogs.js';

const ENV = { ...process.env, PATH: `/usr/sbin:/sbin:${process.env.PATH}`, LC_ALL: 'C' };

/** Why it cannot be asked; undefined when it can. */
export const NO_MAKEFS: string | undefined =
  spawnSync('makefs', [], { env: ENV }).error === undefined
    ? undefined
    : 'makefs is missing (package makefs)';

/** A file system of a folder's content, as makefs makes it. */
export function makefsFfs(folder: string, size: string, ...args: readonly string[]): Uint8Array {
  return withImage(new Uint8Array(0), (path) => {
    const words = ['-t', 'ffs', '-s', size, ...args, path, folder];
    const { status, stderr } = spawnSync('makefs', words, { env: ENV, encoding: 'utf8' });
    if (status !== 0) throw new Error(`makefs ${words.join(' ')}: ${stderr}`);
    return new Uint8Array(readFileSync(path));
  });
}

/** A disk in memory. */
export function memoryDisk(bytes: Uint8Array): disk {
  return {
    name: 'memory',
    sizeBytes: bytes.length,
    readOnly: false,
    read: (buf, off, length, position) => {
      buf.set(bytes.subarray(position, position + length), off);
    },
    write: (buf, off, length, position) => {
      bytes.set(buf.subarray(off, off + length), position);
    },
    flush: () => {},
    close: () => {},
  };
}

/** An empty file system as mkfsFfs makes it. */
export function blankFfs(sizeBytes: number, options: Partial<mkfs_ffs_options> = {}): Uint8Array {
  const image = new Uint8Array(sizeBytes);
  mkfsFfs(memoryDisk(image), { version: 2, byteOrder: 'le', nowSec: 1_600_000_000, ...options });
  return image;
}
