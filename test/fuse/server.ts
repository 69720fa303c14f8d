/**
 * Servers for the tests, as processes of their own: whoever looks at a mount synchronously must not
 * be the one who serves it.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadFuseNative } from '../../src/fuse/native/package.js';

/** Why nothing can be mounted here; undefined when it can. */
export const NO_MOUNTS: string | undefined =
  process.platform !== 'linux'
    ? 'FUSE is tested on Linux'
    : !existsSync('/dev/fuse')
      ? '/dev/fuse is missing'
      : process.getuid!() !== 0
        ? 'only root may mount'
        : undefined;

/** Why nothing can be mounted through fuse-native; undefined when it can. */
export const NO_FUSE_NATIVE: string | undefined =
  NO_MOUNTS ??
  (() => {
    try {
      loadFuseNative();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  })();

const MEMFS_PROGRAM = fileURLToPath(new URL('./lump_memfs.js', import.meta.url));
const JFFS2_PROGRAM = fileURLToPath(new URL('../../../bin/lump_jffs2', import.meta.url));

/** A command line that mounts an empty file system in memory. */
export const memfsCommand = (mountpoint: string, ...args: readonly string[]): string[] => [
  process.execPath,
  MEMFS_PROGRAM,
  ...args,
  'memory',
  mountpoint,
];

/** One that mounts a jffs2 image. */
export const jffs2Command = (image: string, mountpoint: string, ...args: readonly string[]) => [
  process.execPath,
  JFFS2_PROGRAM,
  ...args,
  image,
  mountpoint,
];

/** One that runs NetBSD's way: rump_tmpfs, rump_ext2fs, … */
export const rumpCommand = (
  kind: string,
  special: string,
  mountpoint: string,
  ...args: readonly string[]
) => [
  process.execPath,
  fileURLToPath(new URL(`../../../bin/rump_${kind}`, import.meta.url)),
  ...args,
  special,
  mountpoint,
];

/** A folder of a test, with room for a mount point; taken away at `remove`. */
export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'lump-fuse-'));

  constructor() {
    // Other users look in as well.
    chmodSync(this.folder, 0o755);
  }

  /** A path inside. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** A new directory inside. */
  directory(name: string): string {
    const path = this.path(name);
    mkdirSync(path);
    return path;
  }

  remove(): void {
    for (const { mountpoint } of mountsBelow(this.folder)) {
      try {
        execFileSync('umount', ['-l', mountpoint], { stdio: 'pipe' });
      } catch (error) {
        // The watcher of a server that died may have been faster.
        if (mountsBelow(mountpoint).length > 0) throw error;
      }
    }
    // A server that was told to end may still be closing its image, and add to the folder.
    for (let tries = 1; existsSync(this.folder); tries++) {
      try {
        rmSync(this.folder, { recursive: true, force: true });
      } catch (error) {
        if (tries === 50) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      }
    }
  }
}

export const mountsBelow = (folder: string): { mountpoint: string; type: string }[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, mountpoint]) => mountpoint?.startsWith(folder))
    .map(([, mountpoint, type]) => ({ mountpoint: mountpoint!, type: type! }));

/** Runs a mounting command in the background. @returns what it printed. @throws when it fails. */
export function mountInBackground([file, ...args]: readonly string[]): string {
  return execFileSync(file!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

export function umount(mountpoint: string, ...flags: readonly string[]): void {
  execFileSync('umount', [...flags, mountpoint], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** How a process ended, and what it said. */
export interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command in the foreground. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  private stdout = '';
  private stderr = '';

  constructor([file, ...args]: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (status, signal) => {
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Resolves when stdout contains `text`. @throws when the process ends before. */
  says(text: string, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this[stream].includes(text)) resolve();
      };
      this.child[stream]!.on('data', look);
      look();
      void this.ended.then((ending) => reject(new Error(`ended: ${JSON.stringify(ending)}`)));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Resolves when `condition` holds; gives it up, loudly, with the test's own time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition())
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
}

/** Processes whose command line contains `text`, but for zombies. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Empty for a process that is gone. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Runs a command that must fail. */
export function failing([file, ...args]: readonly string[]): { status: number; stderr: string } {
  try {
    execFileSync(file!, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    return error as { status: number; stderr: string };
  }
  throw new Error(`${file} ${args.join(' ')} did not fail`);
}

/** The code with which a system call fails; undefined when it does not. */
export const errorCode = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};
