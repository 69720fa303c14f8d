/** A small router's file system: what `npm run demo` and the committed images show. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from './material.js';

/** 2001-09-09 01:46:40 UTC, the time of every file. */
const DEMO_TIME = 1_000_000_000;

const FILES: Readonly<Record<string, string | Uint8Array>> = {
  README: 'This file system lives on a simulated flash chip.\nWrite to it: it is yours.\n',
  'bin/busy': '#!/bin/sh\n# One program, many names.\nexec echo "$0" "$@"\n',
  'etc/hostname': 'lump\n',
  'etc/fstab': 'mtd0 / jffs2 rw,noatime 0 0\nproc /proc proc defaults 0 0\n',
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nuser:x:1000:100::/var/user:/bin/sh\n',
  'etc/init.d/S10network':
    '#!/bin/sh\ncase $1 in\n  start) echo up ;;\n  stop) echo down ;;\nesac\n',
  'etc/config/empty': '',
  'root/notes.txt': 'Flash pages are written once and erased in blocks.\n',
  'root/caf\u00e9 \u2615.txt': 'Names are UTF-8 bytes.\n',
  'usr/share/words': text(48_000, 7),
  'usr/share/table.bin': Uint8Array.from({ length: 9000 }, (_, i) => (i * i) >> 3),
  'var/log/messages': Array.from(
    { length: 400 },
    (_, i) =>
      `Sep  9 01:${String(40 + Math.floor(i / 60)).padStart(2, '0')}:${String(i % 60).padStart(
        2,
        '0',
      )} lump kernel: message ${i}\n`,
  ).join(''),
};

const EMPTY_DIRECTORIES = ['dev', 'mnt', 'proc', 'tmp', 'var/run'] as const;

/** Owners and devices for mkfs.jffs2 -q -D: no privilege is needed to make them. */
export const DEMO_DEVICE_TABLE = `# path type mode uid gid major minor start inc count
/bin/busy f 4755 0 0 - - - - -
/etc/passwd f 600 0 0 - - - - -
/root d 700 1000 100 - - - - -
/root/notes.txt f 640 1000 100 - - - - -
/tmp d 1777 0 0 - - - - -
/dev/console c 620 0 5 5 1 0 0 -
/dev/null c 666 0 0 1 3 0 0 -
/dev/tty c 660 0 5 4 0 0 1 4
/dev/mtdblock b 640 0 6 31 0 0 1 2
/dev/initctl p 600 0 0 - - - - -
`;

/** Fills an existing empty folder. */
export function makeDemoTree(folder: string): void {
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  for (const path of EMPTY_DIRECTORIES) mkdirSync(join(folder, path), { recursive: true });
  for (const name of ['ls', 'cat']) linkSync(join(folder, 'bin/busy'), join(folder, 'bin', name));
  symlinkSync('busy', join(folder, 'bin/sh'));
  symlinkSync('../proc/mounts', join(folder, 'etc/mtab'));
  symlinkSync('/root', join(folder, 'home'));
  finish(folder);
}

/** Extended attributes and ACLs on some files. @throws Error when the host cannot keep them. */
export function addDemoXattrs(folder: string): void {
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { cwd: folder, stdio: 'pipe' });
  };
  run('setfattr', '-n', 'user.mime_type', '-v', 'text/plain', 'README');
  run('setfattr', '-n', 'user.mime_type', '-v', 'text/plain', 'root/notes.txt');
  run('setfattr', '-n', 'user.checksum', '-v', '0x00ff00ff', 'usr/share/table.bin');
  run('setfattr', '-n', 'user.empty', 'etc/hostname');
  run('setfacl', '-m', 'u:1000:rw,g:50:r', 'etc/hostname');
  run('setfacl', '-d', '-m', 'u:1000:rwx', 'var/log');
  finish(folder);
}

/** Sets modes that no umask has touched, and the time of everything, deepest first. */
function finish(path: string): void {
  const stat = lstatSync(path);
  if (stat.isDirectory()) for (const name of readdirSync(path)) finish(join(path, name));
  if (!stat.isSymbolicLink()) chmodIfPlain(path, stat.mode, stat.isDirectory());
  lutimesSync(path, DEMO_TIME, DEMO_TIME);
}

/** An ACL's mask shows in the group bits; those of a file that has one stay. */
function chmodIfPlain(path: string, mode: number, isDirectory: boolean): void {
  if ((mode & 0o020) === 0) chmodSync(path, isDirectory || path.includes('/bin/') ? 0o755 : 0o644);
}
