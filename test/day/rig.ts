/** One flash and its mount, for the programs of a working day. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { jffs2Command, mountInBackground, NO_MOUNTS, umount, Workspace } from '../fuse/server.js';

/** A day takes as long as the machine is busy; a hang is told by the runner in the end. */
export const TIME_LIMIT_MS = 600_000;

/** "nobody": no privilege, and no entry in any group. */
export const NOBODY = 65_534;

const isInstalled = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why a test that mounts and runs these programs cannot run; undefined when it can. */
export function obstacle(...programs: readonly string[]): string | undefined {
  if (NO_MOUNTS !== undefined) return NO_MOUNTS;
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

export interface FlashOptions {
  readonly mebibytes: number;
  /** Of a blank flash; default: 64 KiB. */
  readonly eraseSizeKiB?: number;
  /** Words after -o at every mount, besides erasesize. */
  readonly options?: readonly string[];
  /** Who owns the root directory and runs the programs. Default: root. */
  readonly uid?: number;
}

/** How a script ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * In memory, where there is such a place: programs sync a lot, and the host's disk is not the
 * point.
 */
const imageFolder = (): string =>
  mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lump-day-'));

/** A flash in an image file, with a mount point and room beside it. */
export class Flash {
  readonly workspace = new Workspace();
  /** Alone in its folder. */
  readonly image = join(imageFolder(), 'flash.bin');
  readonly mountpoint = this.workspace.directory('mnt');
  readonly uid: number;
  private readonly options: readonly string[];

  constructor({ mebibytes, eraseSizeKiB = 64, options = [], uid = 0 }: FlashOptions) {
    this.options = [`erasesize=${eraseSizeKiB}K`, ...options];
    this.uid = uid;
    writeFileSync(this.image, new Uint8Array(mebibytes << 20).fill(0xff));
  }

  /** @returns what the command printed. */
  mount(...options: readonly string[]): string {
    const words = [...this.options, ...options].join(',');
    return mountInBackground(jffs2Command(this.image, this.mountpoint, '-o', words));
  }

  umount(): void {
    umount(this.mountpoint);
  }

  /** umount(8) returns before the server has closed the image. */
  waitForServer(): void {
    execFileSync('flock', ['--timeout', '60', this.image, 'true']);
  }

  remount(...options: readonly string[]): void {
    this.umount();
    this.mount(...options);
  }

  /** A path in the mount. */
  at(path: string): string {
    return `${this.mountpoint}/${path}`;
  }

  /** A new directory in the mount that belongs to the user. */
  directory(path: string): string {
    mkdirSync(this.at(path));
    chownSync(this.at(path), this.uid, this.uid);
    return this.at(path);
  }

  /** One beside the mount. */
  beside(path: string): string {
    const folder = this.workspace.directory(path);
    chownSync(folder, this.uid, this.uid);
    return folder;
  }

  /**
   * Runs a shell script as the user, in a folder, which is also its HOME; $1… are `args`.
   * @throws Error with what it said, when it fails.
   */
  sh(folder: string, script: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.try(folder, script, ...args);
    if (status === 0) return stdout;
    throw new Error(`status ${status}: ${script.trim()}\n${stdout}${stderr}`);
  }

  /** Prepares something, whoever the user is. */
  asRoot(script: string, folder: string, ...args: readonly string[]): void {
    execFileSync('sh', ['-euc', script, 'sh', ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** The same, for scripts that may fail. */
  try(folder: string, script: string, ...args: readonly string[]): Outcome {
    const [file, ...words] = this.command(script, args);
    return spawnSync(file!, words, {
      cwd: folder,
      env: environment(folder),
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
  }

  /** Starts a script without waiting for it. */
  start(folder: string, script: string, ...args: readonly string[]): ChildProcess {
    const [file, ...words] = this.command(script, args);
    return spawn(file!, words, {
      cwd: folder,
      env: environment(folder),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Python for the system calls that neither Node nor the shell has. @returns what it printed. */
  python(folder: string, program: string, ...args: readonly string[]): string {
    return this.sh(folder, 'exec python3 -c "$@"', PYTHON_PRELUDE + program, ...args);
  }

  /** The same without waiting for it. */
  startPython(program: string, ...args: readonly string[]): ChildProcess {
    return this.start(this.mountpoint, 'exec python3 -c "$@"', PYTHON_PRELUDE + program, ...args);
  }

  private command(script: string, args: readonly string[]): string[] {
    const become =
      this.uid === 0
        ? []
        : ['setpriv', '--reuid', `${this.uid}`, '--regid', `${this.uid}`, '--clear-groups'];
    return [...become, 'sh', '-euc', script, 'sh', ...args];
  }

  remove(): void {
    this.workspace.remove();
    this.waitForServer();
    rmSync(dirname(this.image), { recursive: true });
  }
}

/** Neither the user's own settings nor the language of his messages. */
const environment = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: home,
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
});

/** `errno(call, *args)`: what it returned, or the name of its error. */
const PYTHON_PRELUDE = `
import ctypes, errno as E, fcntl, hashlib, mmap, os, socket, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
def errno(call, *args, **words):
    try: return call(*args, **words)
    except OSError as e: return E.errorcode[e.errno]
def c(call, *args):
    'A function of the C library: its answer, or the name of its error.'
    answer = call(*args)
    return E.errorcode[ctypes.get_errno()] if answer == -1 else answer
def put(path, data=b'', flags=os.O_CREAT | os.O_WRONLY | os.O_TRUNC):
    fd = os.open(path, flags, 0o644)
    try: assert os.write(fd, data) == len(data)
    finally: os.close(fd)
def get(path):
    with open(path, 'rb') as f: return f.read()
def expect(what, want):
    assert what == want, f'{what!r} is not {want!r}'
`;
