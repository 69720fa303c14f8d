/**
 * A folder of the host with everything that an image builder meets: the source of the images that
 * mkfs.jffs2 makes. What a reader must find in them follows from the folder and from mkfs.jffs2's
 * documented habits, never from the image.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { noise, text } from './material.js';
import type { TreePath } from './tree.js';

/** What the host lets this process put into a tree. */
export interface SourceTreeAbilities {
  /** Owners, trusted and security xattrs, device nodes: needs uid 0. */
  readonly root: boolean;
  /** setfattr and setfacl are installed and the folder's file system keeps what they set. */
  readonly xattrs: boolean;
}

/** The time of the newest thing in the tree; everything else is older by a known amount. */
export const SOURCE_TREE_TIME = 1_600_000_000;

/** Fills an empty folder and says what of it the host allowed. */
export function makeTree(folder: string): SourceTreeAbilities {
  const at = (path: TreePath): Buffer => Buffer.from(`${folder}/${path}`, 'latin1');
  const file = (path: TreePath, content: Uint8Array | string, mode = 0o644): void => {
    writeFileSync(at(path), content);
    chmodSync(at(path), mode);
  };
  const directory = (path: TreePath, mode = 0o755): void => {
    mkdirSync(at(path));
    chmodSync(at(path), mode);
  };

  file('empty', '');
  file('hello', 'hello, flash\n');
  file('shell', '#!/bin/sh\nexit 0\n', 0o755);
  for (const size of [1, 4, 11, 12, 13, 128, 4083, 4095, 4096, 4097, 8192, 12345]) {
    file(`text.${size}`, text(size, size));
    file(`noise.${size}`, noise(size, size));
  }
  file('zeros', new Uint8Array(20_000));
  file('half and half', Buffer.concat([text(6000, 3), noise(6000, 3), text(6000, 4)]));
  const sparse = openSync(at('sparse'), 'w');
  ftruncateSync(sparse, 30_000);
  closeSync(sparse);

  directory('directory');
  directory('directory/nested');
  directory('directory/nested/deeper', 0o700);
  directory('directory/empty', 0o1777);
  file('directory/nested/deeper/file', text(500, 5), 0o600);
  file('directory/setuid', 'x', 0o4755);
  file('directory/setgid', 'y', 0o2711);
  // Who is not root could not pack it.
  file('directory/unreadable', 'z', process.getuid?.() === 0 ? 0o000 : 0o400);
  linkSync(at('hello'), at('directory/nested/hello again'));
  linkSync(at('hello'), at('zz hello'));

  directory('many');
  for (let i = 0; i < 150; i++) file(`many/${i}`, text(i * 7, i));

  directory('names');
  for (const name of [
    'a'.repeat(254),
    '-rf',
    ' ',
    '...',
    'line\nend',
    'back\\slash',
    '\xe4\xf6\xfc latin1',
    '\xc3\xa4 utf8',
    '\x01\x7f\xff',
    '*?[',
    "'",
    '"',
    'CON',
    'a:b',
  ]) {
    file(`names/${name}`, name.slice(0, 20));
  }

  directory('links');
  symlinkSync('../hello', at('links/relative'));
  symlinkSync('/absolute/nowhere', at('links/absolute'));
  symlinkSync('t'.repeat(254), at('links/longest'));
  symlinkSync(Buffer.from('\xff\xfe\n', 'latin1'), at('links/bytes'));
  symlinkSync('.', at('links/loop'));

  directory('special');
  execFileSync('mkfifo', ['-m', '640', `${folder}/special/fifo`]);
  const listen = "require('net').createServer().listen('socket', () => process.exit())";
  execFileSync(process.execPath, ['-e', listen], { cwd: `${folder}/special` });
  chmodSync(at('special/socket'), 0o755);

  const root = process.getuid?.() === 0;
  if (root) {
    lchownSync(at('hello'), 1000, 100);
    lchownSync(at('directory/nested'), 65_534, 65_535);
    lchownSync(at('links/relative'), 1, 2);
    lchownSync(at('text.4096'), 70_000, 65_537);
    execFileSync('mknod', ['-m', '620', `${folder}/special/console`, 'c', '5', '1']);
    execFileSync('mknod', ['-m', '660', `${folder}/special/disk`, 'b', '8', '17']);
    lchownSync(at('special/disk'), 0, 6);
  }
  const xattrs = setXattrs(folder, root);
  setTimes(folder, '.', { next: SOURCE_TREE_TIME });
  return { root, xattrs };
}

function setXattrs(folder: string, root: boolean): boolean {
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { cwd: folder, stdio: 'pipe' });
  };
  try {
    run('setfattr', '-n', 'user.comment', '-v', 'a comment', 'hello');
    run('setfattr', '-n', 'user.comment', '-v', 'a comment', 'shell');
    run('setfattr', '-n', 'user.empty', 'shell');
    run('setfattr', '-n', 'user.bytes', '-v', '0x000aff80', 'text.13');
    run('setfattr', '-n', 'user.long', '-v', 'v'.repeat(1500), 'text.128');
    run('setfattr', '-n', 'user.directory', '-v', 'nested', 'directory');
    run('setfattr', '-n', 'user.top', '-v', 'root', '.');
    run('setfacl', '-m', 'u:1000:rw,g:50:r', 'text.4');
    run('setfacl', '-m', 'u::rwx,u:1:r,u:2:w,u:3:x,g:4:rwx,m::rx,o::-', 'text.11');
    run('setfacl', '-d', '-m', 'u:1000:rwx', 'directory/nested');
    if (root) {
      run('setfattr', '-n', 'trusted.key', '-v', 'secret', 'hello');
      run('setfattr', '-n', 'security.label', '-v', 'label', 'hello');
      run('setfattr', '-h', '-n', 'trusted.link', '-v', 'on a link', 'links/relative');
    }
    return true;
  } catch {
    return false;
  }
}

/** Gives every entry a time of its own, deepest first, so that no later step changes it. */
function setTimes(folder: string, path: TreePath, clock: { next: number }): void {
  const at = Buffer.from(`${folder}/${path}`, 'latin1');
  if (lstatSync(at).isDirectory()) {
    for (const name of readdirSync(at, { encoding: 'latin1' }).sort()) {
      setTimes(folder, path === '.' ? name : `${path}/${name}`, clock);
    }
  }
  clock.next -= 61;
  lutimesSync(at, clock.next, clock.next);
}
