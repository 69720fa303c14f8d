/** mkfs.bfs of util-linux, and what must be true of a volume that was unmounted. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { withImage } from './e2fsprogs.js';

const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };

/** Why it cannot be asked; undefined when it can. */
export const NO_MKFS_BFS: string | undefined =
  spawnSync('mkfs.bfs', ['--version'], { env: ENV }).error === undefined
    ? undefined
    : 'mkfs.bfs is missing (package util-linux-extra or util-linux)';

/** A volume as mkfs.bfs makes it. */
export function mkfsBfs(sizeBytes: number, ...args: readonly string[]): Uint8Array {
  return withImage(new Uint8Array(sizeBytes), (path) => {
    execFileSync('mkfs.bfs', [...args, path], { env: ENV, stdio: 'pipe' });
    return new Uint8Array(readFileSync(path));
  });
}

/**
 * Reads the volume with code of its own: no program in Debian checks a BFS.
 * @throws Error: inodes and names do not fit, files share blocks, a compaction is marked.
 */
export function checkBfs(image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const isLittle = view.getUint32(0, true) === 0x1badface;
  const u32 = (at: number): number => view.getUint32(at, isLittle);
  const u16 = (at: number): number => view.getUint16(at, isLittle);
  const fail = (what: string): never => {
    throw new Error(`BFS: ${what}`);
  };
  if (u32(0) !== 0x1badface) fail('magic');
  if (u32(12) !== 0xffff_ffff || u32(16) !== 0xffff_ffff) fail('a compaction is marked');
  const dataStart = u32(4);
  const owner = new Map<number, number>();
  const links = new Map<number, number>();
  for (let ino = 2, at = 512; at + 64 <= dataStart; ino++, at += 64) {
    if (u16(at) === 0) continue;
    if (u16(at) !== ino) fail(`inode ${ino} says ${u16(at)}`);
    links.set(ino, u32(at + 32));
    const [first, last, end] = [u32(at + 4), u32(at + 8), u32(at + 12)];
    if (first === 0) {
      if (last !== 0 || end !== 0xffff_ffff) fail(`inode ${ino} is empty, yet ends at ${end}`);
      continue;
    }
    if (first * 512 < dataStart || last * 512 + 511 > u32(8) || last < first) fail(`run of ${ino}`);
    if (end < first * 512 || end >= (last + 1) * 512) fail(`inode ${ino} ends at ${end}`);
    for (let block = first; block <= last; block++) {
      if (owner.has(block)) fail(`block ${block}: inodes ${owner.get(block)} and ${ino}`);
      owner.set(block, ino);
    }
  }
  const found = new Map<number, number>([[2, 2]]);
  const names = new Set<string>();
  for (let at = u32(516) * 512; at < u32(524); at += 16) {
    const ino = u16(at);
    const name = Buffer.from(image.subarray(at + 2, at + 16))
      .toString('latin1')
      .replace(/\0.*/, '');
    if (ino === 0 || name === '.' || name === '..') continue;
    if (names.has(name)) fail(`"${name}" twice`);
    names.add(name);
    found.set(ino, (found.get(ino) ?? 0) + 1);
  }
  for (const [ino, count] of links) {
    if (found.get(ino) !== count) fail(`inode ${ino}: ${count} links, ${found.get(ino)} names`);
  }
  if (found.size !== links.size) fail('names without inodes');
}
