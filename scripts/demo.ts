/**
 * The demo, `npm run demo`: mounts a copy of a shipped image, lists it, writes, unmounts, and shows
 * what changed on the flash; then wears the flash a little and shows which blocks were erased.
 * Where nothing can be mounted it says what is missing and does the same through the library.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MountedJffs2, mountJffs2, Ukfs } from '../src/index.js';
import { read_sidecar, replay_journal } from '../src/mtd/sidecar.js';
import { wear_counters } from '../src/mtd/wear.js';
import { NodeHost } from '../src/rumpuser/node.js';
import { HostError } from '../src/rumpuser/rumpuser.js';
import { blockChanges } from './demo_flash.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const IMAGE = join(root, 'flash-images', 'demo.jffs2');
const PROGRAM = join(root, 'bin', 'lump_jffs2');
const ERASE_SIZE_BYTES = 64 * 1024;
const MESSAGE = 'Written through lump.\n';
/** A file that is made and removed so often that blocks have to be erased. */
const NOISE = { bytes: 150_000, times: 6 };
/** A server ends soon after its mount is gone. */
const SERVER_END_MS = 10_000;

const say = (line = ''): void => console.log(line);
const heading = (text: string): void => say(`\n── ${text} ${'─'.repeat(76 - text.length)}\n`);

/** What the demo looks at: node:fs's calls, and Ukfs's. */
interface Tree {
  /** In front of each path: '' or the mount point. */
  readonly top: string;
  list(path: string): string[];
  lstat(path: string): { mode: number; uid: number; gid: number; size: number };
  readlink(path: string): string;
}

/** A way to use a file system, and the demo's steps in it. */
interface Way {
  readonly name: string;
  /** @returns false when it cannot be mounted; why has been said then. */
  mount(image: string): boolean;
  tree(): Tree;
  write(): void;
  wear(): void;
  unmount(image: string): void;
}

// ---- through the kernel -------------------------------------------------------------------------

class KernelWay implements Way {
  readonly name = 'through the kernel';
  readonly mountpoint: string;

  constructor(mountpoint: string) {
    this.mountpoint = mountpoint;
  }

  mount(image: string): boolean {
    say(`$ lump_jffs2 ${image} ${this.mountpoint}`);
    const args = [PROGRAM, image, this.mountpoint];
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0;
  }

  tree(): Tree {
    return {
      top: this.mountpoint,
      list: (path) => fs.readdirSync(path),
      lstat: (path) => fs.lstatSync(path),
      readlink: (path) => fs.readlinkSync(path),
    };
  }

  write(): void {
    this.#run(`echo '${MESSAGE.trimEnd()}' > tmp/hello.txt`);
    if (process.getuid!() !== 0) {
      this.#run('seq 1 2000 > tmp/numbers; mv tmp/numbers tmp/more; rm tmp/more');
      return;
    }
    this.#run('seq 1 2000 >> var/log/messages');
    this.#run('mv etc/hostname etc/nodename');
    this.#run('rm etc/fstab');
  }

  wear(): void {
    const noise = `head -c ${NOISE.bytes} /dev/urandom > tmp/noise; sync tmp/noise; rm tmp/noise`;
    this.#run(`for n in $(seq ${NOISE.times}); do ${noise}; done`);
  }

  unmount(image: string): void {
    const [file, ...args] = process.getuid!() === 0 ? ['umount'] : ['fusermount3', '-u'];
    say(`$ ${[file, ...args].join(' ')} ${this.mountpoint}`);
    execFileSync(file!, [...args, this.mountpoint], { stdio: 'inherit' });
    waitForServer(image);
  }

  #run(command: string): void {
    say(`$ ${command}`);
    execFileSync('sh', ['-c', command], { cwd: this.mountpoint, stdio: 'inherit' });
  }
}

/** Until the server has let the image go. @throws HostError EWOULDBLOCK after a while. */
function waitForServer(image: string): void {
  const host = new NodeHost();
  const end = host.monotonicMs() + SERVER_END_MS;
  for (;;) {
    try {
      host.lock(image, 'shared').unlock();
      return;
    } catch (error) {
      const isBusy = error instanceof HostError && error.code === 'EWOULDBLOCK';
      if (!isBusy || host.monotonicMs() > end) throw error;
      host.sleepMs(20);
    }
  }
}

/** What is missing for a mount, and what to do; undefined when it can be tried. */
function missingForMount(): string | undefined {
  if (process.platform !== 'linux') return 'Mounting works on Linux.';
  if (!fs.existsSync('/dev/fuse')) {
    return (
      '/dev/fuse is missing. Load the kernel module with "modprobe fuse" as root; in a container,\n' +
      'start it with --device /dev/fuse --cap-add SYS_ADMIN.'
    );
  }
  const folders = (process.env.PATH ?? '').split(':');
  const isHere = (name: string): boolean => folders.some((dir) => fs.existsSync(join(dir, name)));
  if (process.getuid!() !== 0 && !isHere('fusermount3')) {
    return (
      'Mounting as an ordinary user needs fusermount3. Install the package fuse3\n' +
      '("apt-get install fuse3" as root), or run this as root.'
    );
  }
  return undefined;
}

// ---- through the library ------------------------------------------------------------------------

class LibraryWay implements Way {
  readonly name = 'through the library';
  #mounted!: MountedJffs2;
  #fs!: Ukfs;

  mount(image: string): boolean {
    say(`const mounted = mountJffs2({ image: '${image}' });`);
    say('const fs = new Ukfs(mounted.fs);');
    this.#mounted = mountJffs2({ image });
    this.#fs = new Ukfs(this.#mounted.fs);
    for (const line of this.#mounted.report) say(line);
    return true;
  }

  tree(): Tree {
    return {
      top: '',
      list: (path) => this.#fs.readdir(path),
      lstat: (path) => this.#fs.lstat(path),
      readlink: (path) => this.#fs.readlink(path),
    };
  }

  write(): void {
    say(`fs.writeFile('tmp/hello.txt', ${JSON.stringify(MESSAGE)});`);
    this.#fs.writeFile('tmp/hello.txt', MESSAGE);
    say("fs.writeFile('var/log/messages', numbers, 'a');");
    const numbers = Array.from({ length: 2000 }, (_, i) => `${i + 1}\n`).join('');
    this.#fs.writeFile('var/log/messages', numbers, 'a');
    say("fs.rename('etc/hostname', 'etc/nodename');");
    this.#fs.rename('etc/hostname', 'etc/nodename');
    say("fs.unlink('etc/fstab');");
    this.#fs.unlink('etc/fstab');
  }

  wear(): void {
    say(`${NOISE.times} times: fs.writeFile('tmp/noise', random); fs.unlink('tmp/noise');`);
    const random = new Uint8Array(NOISE.bytes);
    for (let n = 0; n < NOISE.times; n++) {
      this.#fs.writeFile('tmp/noise', randomFillSync(random));
      this.#fs.unlink('tmp/noise');
    }
  }

  unmount(): void {
    say('mounted.unmount();');
    this.#mounted.unmount();
  }
}

// ---- showing ------------------------------------------------------------------------------------

/** By the type bits of the mode, S_IFMT. */
const TYPE_LETTERS: Readonly<Record<number, string>> = {
  0o010000: 'p',
  0o020000: 'c',
  0o040000: 'd',
  0o060000: 'b',
  0o100000: '-',
  0o120000: 'l',
  0o140000: 's',
};
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** As ls shows it. */
function modeText(mode: number): string {
  const letters = [...'rwxrwxrwx'].map((letter, i) => ((mode >>> (8 - i)) & 1 ? letter : '-'));
  const special = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const;
  for (const [bit, at, letter] of special) {
    if (mode & bit) letters[at] = letters[at] === 'x' ? letter : letter.toUpperCase();
  }
  return (TYPE_LETTERS[mode & S_IFMT] ?? '?') + letters.join('');
}

function showTree(tree: Tree, path = ''): void {
  for (const name of namesIn(tree, path)) {
    const inside = `${path}/${name}`;
    const { mode, uid, gid, size } = tree.lstat(`${tree.top}${inside}`);
    const isLink = (mode & S_IFMT) === S_IFLNK;
    const target = isLink ? ` -> ${tree.readlink(`${tree.top}${inside}`)}` : '';
    const owner = `${uid}:${gid}`.padEnd(9);
    say(`${modeText(mode)} ${owner} ${String(size).padStart(6)}  ${inside.slice(1)}${target}`);
    if ((mode & S_IFMT) === S_IFDIR) showTree(tree, inside);
  }
}

/** Permissions hold in a mount: an ordinary user does not see all. */
function namesIn(tree: Tree, path: string): string[] {
  try {
    return tree.list(`${tree.top}${path || '/'}`).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    say(`           what is in ${path.slice(1)} is not for this user`);
    return [];
  }
}

function showChanges(before: Uint8Array, after: Uint8Array): void {
  const changes = blockChanges(before, after, ERASE_SIZE_BYTES);
  for (const { block, bytes, nodes } of changes) {
    say(`erase block ${block}: ${bytes} bytes differ, ${nodes.length} new nodes`);
    for (const words of nodes) say(`  ${words}`);
  }
  say(`${after.length / ERASE_SIZE_BYTES - changes.length} other erase blocks: unchanged`);
}

function showWear(image: string): void {
  const blocks = fs.statSync(image).size / ERASE_SIZE_BYTES;
  const content = read_sidecar(new NodeHost(), `${image}.chip`);
  const wear = content?.snapshot?.wear ?? new wear_counters(blocks);
  if (content !== null) replay_journal(content, wear);
  const row = (title: string, numbers: Iterable<number>): string =>
    title + Array.from(numbers, (n) => String(n).padStart(4)).join('');
  say(row('erase block ', wear.eraseCount.keys()));
  say(row('erased      ', wear.eraseCount));
  say(`\nThe counts are kept beside the image, in ${image}.chip.`);
}

// ---- the demo -----------------------------------------------------------------------------------

/** @returns false when it cannot be mounted this way. */
function demonstrate(way: Way, image: string): boolean {
  const before = fs.readFileSync(image);
  heading(`Mounting ${way.name}`);
  if (!way.mount(image)) return false;
  try {
    heading(`The tree, ${way.name}`);
    showTree(way.tree());
    heading('Writing');
    way.write();
  } finally {
    way.unmount(image);
  }
  heading('What changed on the flash');
  showChanges(before, fs.readFileSync(image));

  heading('Writing more, so that blocks are erased');
  if (!way.mount(image)) return false;
  try {
    way.wear();
  } finally {
    way.unmount(image);
  }
  say();
  showWear(image);
  return true;
}

function main(): number {
  const folder = fs.mkdtempSync(join(tmpdir(), 'lump-demo-'));
  const mountpoint = join(folder, 'mnt');
  fs.mkdirSync(mountpoint);
  const image = join(folder, 'flash.bin');
  fs.copyFileSync(IMAGE, image);
  say(`A copy of flash-images/demo.jffs2: ${image}`);

  const missing = missingForMount();
  if (missing !== undefined || !demonstrate(new KernelWay(mountpoint), image)) {
    say(`\n${missing ?? 'Nothing can be mounted here.'}\nThe library needs nothing of the kernel:`);
    demonstrate(new LibraryWay(), image);
  }

  heading('Read back, through the library');
  const mounted = mountJffs2({ image, readOnly: true });
  const text = new TextDecoder().decode(new Ukfs(mounted.fs).readFile('tmp/hello.txt'));
  mounted.unmount();
  say(`tmp/hello.txt: ${text}`);
  say(`The flash is left for you to play with:\n  npx lump_jffs2 ${image} ${mountpoint}`);
  return text === MESSAGE ? 0 : 1;
}

process.exitCode = main();
