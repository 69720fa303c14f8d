/** A tree on the host with everything a copy can lose; and what a tree is, to compare. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';

export const IS_ROOT = process.getuid?.() === 0;

const MTIME = 1_600_000_000;
const HOLE_BYTES = 300_000;

/** Names that tools get wrong. */
export const ODD_NAMES = [
  ' leading',
  'trailing ',
  '-rf',
  '--',
  '*',
  '?',
  '[a]',
  '$HOME',
  'a\\b',
  'new\nline',
  'tab\there',
  'esc\x1b[31m',
  "quote'",
  '"double"',
  'ünïcödé',
  '日本語',
  '...',
  '~',
  '#x#',
  'x'.repeat(254),
];

export function makeTree(top: string): void {
  fs.mkdirSync(join(top, 'etc/deep/er'), { recursive: true });
  fs.mkdirSync(join(top, 'odd'));
  fs.mkdirSync(join(top, 'empty'));
  for (const [i, name] of ODD_NAMES.entries()) fs.writeFileSync(join(top, 'odd', name), `${i}\n`);
  // No UTF-8.
  fs.writeFileSync(
    Buffer.concat([Buffer.from(`${top}/odd/`), Buffer.from([0x62, 0xff, 0xfe])]),
    'x',
  );
  fs.writeFileSync(join(top, 'etc/passwd.old'), 'root:x:0:0\nuser:x:1000:1000\n');
  fs.writeFileSync(join(top, 'etc/deep/er/binary'), Buffer.from([...Array(256).keys()]));
  fs.writeFileSync(join(top, 'etc/empty'), '');
  fs.writeFileSync(join(top, 'etc/big'), Buffer.alloc(70_000, 'lorem ipsum\n'));
  fs.writeFileSync(join(top, 'etc/script'), '#!/bin/sh\n', { mode: 0o755 });
  fs.linkSync(join(top, 'etc/script'), join(top, 'etc/deep/script2'));
  fs.symlinkSync('passwd.old', join(top, 'etc/link'));
  fs.symlinkSync('/nowhere/at/all', join(top, 'etc/dangling'));
  fs.symlinkSync('deep', join(top, 'etc/dirlink'));
  const hole = fs.openSync(join(top, 'etc/hole'), 'w');
  fs.writeSync(hole, 'start', 0);
  fs.writeSync(hole, 'middle', HOLE_BYTES);
  fs.ftruncateSync(hole, 2 * HOLE_BYTES);
  fs.closeSync(hole);
  spawnSync('mkfifo', ['-m', '640', join(top, 'etc/fifo')]);
  fs.chmodSync(join(top, 'etc/passwd.old'), 0o640);
  if (IS_ROOT) {
    spawnSync('mknod', ['-m', '600', join(top, 'etc/console'), 'c', '5', '1']);
    spawnSync('mknod', ['-m', '660', join(top, 'etc/sd'), 'b', '259', '70000']);
    fs.chownSync(join(top, 'etc/big'), 1000, 100);
    fs.lchownSync(join(top, 'etc/link'), 12345, 54321);
    fs.chmodSync(join(top, 'etc/script'), 0o4755);
    fs.chownSync(join(top, 'empty'), 7, 8);
  }
  fs.chmodSync(join(top, 'empty'), 0o1777);
  const all = (path: Buffer): Buffer[] =>
    fs.readdirSync(path, { encoding: 'buffer' }).flatMap((name) => {
      const below = Buffer.concat([path, Buffer.from('/'), name]);
      return fs.lstatSync(below).isDirectory() ? [...all(below), below] : [below];
    });
  for (const [i, path] of all(Buffer.from(top)).entries()) {
    fs.lutimesSync(path, MTIME + 7 * i, MTIME + 1000 * i);
  }
  fs.utimesSync(top, MTIME, MTIME);
}

export interface Described {
  readonly [path: string]: string;
}

/** Path → everything that must be kept, as text. */
export function describeTree(top: string): Described {
  const found: Record<string, string> = {};
  const names = new Map<string, string>();
  const visit = (path: Buffer): void => {
    const stat = fs.lstatSync(path);
    const name = path.toString('latin1').slice(top.length) || '/';
    const link = `${stat.dev}:${stat.ino}`;
    const first = names.get(link) ?? name;
    names.set(link, first);
    const words = [
      stat.mode.toString(8),
      `${stat.uid}:${stat.gid}`,
      Math.floor(stat.mtimeMs / 1000),
      stat.isDirectory() ? '' : first,
    ];
    if (stat.isFile()) {
      const content = fs.readFileSync(path);
      words.push(content.toString('latin1'), stat.blocks * 512 < stat.size ? 'sparse' : '');
    }
    if (stat.isSymbolicLink()) words.push(fs.readlinkSync(path));
    if (stat.isCharacterDevice() || stat.isBlockDevice()) words.push(stat.rdev);
    found[name] = words.join('|');
    if (!stat.isDirectory()) return;
    for (const below of fs.readdirSync(path, { encoding: 'buffer' })) {
      visit(Buffer.concat([path, Buffer.from('/'), below]));
    }
  };
  visit(Buffer.from(top));
  return found;
}
