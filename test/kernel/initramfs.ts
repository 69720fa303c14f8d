/**
 * What the judge's guest consists of: the kernel that Debian ships, the modules that a jffs2 on
 * mtdram or nandsim needs, BusyBox, and a few GNU programs with their shared libraries.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { projectRoot } from '../images/project.js';
import { CpioArchive } from './cpio.js';

/** Packages of Debian 12 that the judge takes its parts from. */
export const JUDGE_PACKAGES = [
  'linux-image-amd64',
  'qemu-system-x86',
  'busybox-static',
  'mtd-utils',
  'attr',
  'acl',
] as const;

/** Loaded when the guest starts, with everything they depend on. */
const BOOT_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'mtd', 'jffs2', 'nand'] as const;
/** Copied to /modules for scripts to load with parameters. */
const SCRIPT_MODULES = [
  'mtdram',
  'nandsim',
  'loop',
  'crc32c_generic',
  'ext4',
  'vfat',
  'nls_cp437',
  'nls_utf8',
  'bfs',
  'ufs',
  'cdrom',
  'isofs',
] as const;
/** GNU and mtd-utils programs that BusyBox has no equal of. */
const PROGRAMS = [
  'perl',
  'find',
  'xargs',
  'stat',
  'sha256sum',
  'getfattr',
  'setfattr',
  'getfacl',
  'setfacl',
  'nandwrite',
  'nanddump',
] as const;

/** Folder of this file's source: the scripts beside it are not compiled. */
export const KERNEL_TEST_FOLDER = join(projectRoot(), 'test', 'kernel');

export interface GuestKernel {
  /** As `uname -r` prints it. */
  readonly release: string;
  readonly image: string;
  readonly modules: string;
}

/**
 * The newest installed kernel that has its modules beside it, or the release that the environment
 * variable LUMP_KERNEL names.
 */
export function findKernel(): GuestKernel | undefined {
  const wanted = process.env.LUMP_KERNEL;
  const releases = (existsSync('/boot') ? readdirSync('/boot') : [])
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter((release) => wanted === undefined || release === wanted)
    .filter((release) => existsSync(`/lib/modules/${release}/modules.dep`))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const release = releases[0];
  if (release === undefined) return undefined;
  return { release, image: `/boot/vmlinuz-${release}`, modules: `/lib/modules/${release}` };
}

/** Where a program is installed, also for users whose PATH has no sbin. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(':');
  return [...folders, '/usr/sbin', '/sbin', '/usr/bin', '/bin']
    .map((folder) => join(folder, name))
    .find((path) => path.startsWith('/') && existsSync(path));
}

/** What is missing for the judge to run, in words; empty when it can run. */
export function missingParts(): string[] {
  const missing: string[] = [];
  const kernel = findKernel();
  if (kernel === undefined) missing.push('a kernel with modules in /boot and /lib/modules');
  else {
    const modules = new ModuleTree(kernel);
    for (const name of [...BOOT_MODULES, ...SCRIPT_MODULES]) {
      if (!modules.has(name)) missing.push(`kernel module ${name}`);
    }
  }
  for (const name of ['qemu-system-x86_64', 'busybox', ...PROGRAMS]) {
    if (findProgram(name) === undefined) missing.push(`program ${name}`);
  }
  return missing;
}

/** Builds the guest's first file system. @throws Error when a part is missing. */
export function buildInitramfs(kernel: GuestKernel): Buffer {
  const archive = new CpioArchive();
  archive.characterDevice('dev/console', 5, 1);
  for (const name of ['proc', 'sys', 'tmp', 'share', 'mnt']) archive.directory(name);
  archive.file('init', readFileSync(join(KERNEL_TEST_FOLDER, 'init.sh')));
  archive.file('guest.sh', readFileSync(join(KERNEL_TEST_FOLDER, 'guest.sh')));
  addBusybox(archive);
  for (const name of PROGRAMS) addProgram(archive, name);
  addModules(archive, kernel);
  return archive.finish();
}

function addBusybox(archive: CpioArchive): void {
  const busybox = programPath('busybox');
  archive.file('bin/busybox', readFileSync(busybox));
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' });
  for (const applet of applets.split('\n')) {
    if (applet !== '' && applet !== 'busybox') archive.symlink(`bin/${applet}`, 'busybox');
  }
}

/** Adds a dynamic program as /gnu/bin/NAME and its libraries under the paths that ldd prints. */
function addProgram(archive: CpioArchive, name: string): void {
  const path = realpathSync(programPath(name));
  archive.file(`gnu/bin/${name}`, readFileSync(path));
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' });
  for (const match of libraries.matchAll(/(?:=> )?(\/\S+) \(0x/g)) {
    const library = match[1] as string;
    if (!archive.has(library)) archive.file(library, readFileSync(library));
  }
}

function addModules(archive: CpioArchive, kernel: GuestKernel): void {
  const modules = new ModuleTree(kernel);
  const order: string[] = [];
  for (const name of BOOT_MODULES) {
    for (const path of modules.loadOrder(name)) {
      if (!order.includes(path)) order.push(path);
    }
  }
  // What nandsim and mtdram depend on beyond the boot modules is loaded at boot too.
  for (const name of SCRIPT_MODULES) {
    const [own, ...needed] = modules.loadOrder(name).reverse();
    for (const path of needed.reverse()) if (!order.includes(path)) order.push(path);
    archive.file(`modules/${name}.ko`, modules.read(own as string));
  }
  for (const path of order) archive.file(moduleTarget(path), modules.read(path));
  archive.file(
    'modules/order',
    Buffer.from(`${order.map((p) => `/${moduleTarget(p)}`).join('\n')}\n`),
  );
}

function moduleTarget(path: string): string {
  return `modules/${basename(path).replace(/\.ko\..*$/, '.ko')}`;
}

/** modules.dep and modules.builtin of one kernel. */
class ModuleTree {
  private readonly folder: string;
  private readonly dependencies = new Map<string, string[]>();
  private readonly pathOf = new Map<string, string>();
  private readonly builtin = new Set<string>();

  constructor(kernel: GuestKernel) {
    this.folder = kernel.modules;
    for (const line of this.lines('modules.dep')) {
      const [path, needed] = line.split(':') as [string, string];
      this.pathOf.set(moduleName(path), path);
      this.dependencies.set(path, needed.trim() === '' ? [] : needed.trim().split(' '));
    }
    for (const line of this.lines('modules.builtin')) this.builtin.add(moduleName(line));
  }

  has(name: string): boolean {
    return this.builtin.has(name) || this.pathOf.has(name);
  }

  /** Paths to load, the module itself last; empty for a built-in one. */
  loadOrder(name: string): string[] {
    if (this.builtin.has(name)) return [];
    const path = this.pathOf.get(name);
    if (path === undefined) throw new Error(`kernel module ${name} is not installed`);
    const order: string[] = [];
    const visit = (at: string): void => {
      if (order.includes(at)) return;
      for (const needed of this.dependencies.get(at) ?? []) visit(needed);
      order.push(at);
    };
    visit(path);
    return order;
  }

  /** The module's bytes, decompressed: a guest's insmod takes plain ELF. */
  read(path: string): Buffer {
    const file = join(this.folder, path);
    if (file.endsWith('.gz')) return gunzipSync(readFileSync(file));
    const program = file.endsWith('.xz') ? 'xz' : file.endsWith('.zst') ? 'zstd' : undefined;
    if (program === undefined) return readFileSync(file);
    return execFileSync(program, ['-dc', file], { maxBuffer: 64 << 20 });
  }

  private lines(name: string): string[] {
    const file = join(this.folder, name);
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\..*)?$/, '')
    .replaceAll('-', '_');
}

function programPath(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}
