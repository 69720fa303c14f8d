/**
 * Attaching to the kernel without a compiled helper: open /dev/fuse, let mount(8) do the mount(2)
 * with the descriptor inherited, and every way to undo it.
 *
 * With ordinary users the descriptor comes from fusermount3 through an exec wrapper and is
 * inherited by the whole process, see {@link ./fusermount.ts}.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { MAX_WRITE_BYTES } from './init.js';
import { findConnection, findMount, type MountInfo } from './mountinfo.js';
import { MountError, type InheritedConnection, type MountRequest } from './transport.js';

/** One attached connection. */
export interface Attachment extends MountPlace {
  /** Of /dev/fuse. */
  readonly fd: number;
}

/** What is needed to undo a mount. */
export interface MountPlace {
  /** Absolute, free of links. */
  readonly mountpoint: string;
  /** The connection's number in /sys/fs/fuse/connections, if it is known. */
  readonly minor: number | undefined;
  /** As whom it was mounted, hence how it is unmounted. */
  readonly by: MountedBy;
}

/** As root; as an ordinary user through fusermount3; so through the fusermount of libfuse 2. */
export type MountedBy = 'mount' | 'fusermount' | 'libfuse2';

/** A finished command. */
interface Finished {
  readonly status: number;
  readonly stderr: string;
}

/** Runs a command to its end; its stdout is dropped. A command that is missing has status 127. */
export function run(
  command: string,
  args: readonly string[],
  inheritFd?: number,
): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', ...(inheritFd === undefined ? [] : [inheritFd])],
      env: { ...process.env, LC_ALL: 'C' },
      cwd: '/',
    });
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', (error) => resolve({ status: 127, stderr: error.message }));
    child.once('close', (status) => resolve({ status: status ?? 128, stderr: stderr.trim() }));
  });
}

/**
 * Checks a mount point and gives its path back without links. A mount that a killed server left
 * behind (ENOTCONN) is taken away first.
 * @throws MountError
 */
export async function prepareMountpoint(path: string): Promise<string> {
  const stale = staleMountAt(path);
  if (stale !== undefined) await run(...unmountCommand(stale, 'lazy', mountedBy()));
  let mountpoint: string;
  try {
    mountpoint = realpathSync(path);
    if (!statSync(mountpoint).isDirectory()) throw new MountError(`${path}: not a directory`);
  } catch (error) {
    if (error instanceof MountError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new MountError(`${path}: no such directory; create it first`);
    throw new MountError(`${path}: cannot be mounted on (${message})`);
  }
  return mountpoint;
}

/** The path of a FUSE mount whose server is gone. statfs, since attributes may still be cached. */
function staleMountAt(path: string): string | undefined {
  try {
    statfsSync(path);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOTCONN' || code === 'ECONNABORTED' ? path : undefined;
  }
}

/** How this process mounts and unmounts. */
export const mountedBy = (): MountedBy => (process.geteuid?.() === 0 ? 'mount' : 'fusermount');

/** The options that only the kernel's FUSE understands, in mount(8)'s form. */
export function kernelOptions(descriptor: number, rootMode: number): string[] {
  return [
    `fd=${descriptor}`,
    `rootmode=${rootMode.toString(8)}`,
    `user_id=${process.geteuid!()}`,
    `group_id=${process.getegid!()}`,
    'default_permissions',
    `max_read=${MAX_WRITE_BYTES}`,
  ];
}

/** In the child, stdio takes 0 to 2. */
const INHERITED_FD = 3;
const S_IFDIR = 0o040000;

/**
 * Opens /dev/fuse and mounts it on `mountpoint` (of {@link prepareMountpoint}).
 * @throws MountError
 */
export async function attach(
  request: MountRequest,
  mountpoint: string,
  readOnly: boolean,
): Promise<Attachment> {
  let fd: number;
  try {
    fd = openSync('/dev/fuse', 'r+');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new MountError(
      code === 'ENOENT' ? '/dev/fuse is missing; load the module with "modprobe fuse"' : message,
    );
  }
  const options = [
    ...request.mountOptions.filter((word) => word !== 'ro' && word !== 'rw'),
    readOnly ? 'ro' : 'rw',
    ...kernelOptions(INHERITED_FD, S_IFDIR),
  ];
  const { status, stderr } = await run(
    'mount',
    // -i: no helper, this is the helper.
    [
      '-i',
      '-t',
      `fuse.${request.subtype}`,
      '-o',
      options.join(','),
      '--',
      request.source,
      mountpoint,
    ],
    fd,
  );
  if (status !== 0) {
    closeSync(fd);
    throw new MountError(
      status === 127
        ? `mount(8) cannot be run: ${stderr}`
        : `${mountpoint}: ${stderr.replace(/^mount: /, '') || `mount ended with ${status}`}`,
    );
  }
  return { fd, mountpoint, minor: findMount(mountpoint)?.minor, by: 'mount' };
}

/** Takes a connection over that was mounted before. */
export function inherited({ fd, mountpoint }: InheritedConnection): Attachment {
  const mount = mountpoint === undefined ? connectionOf(fd) : findMount(mountpoint);
  return {
    fd,
    // Without a mount point it cannot be unmounted from here.
    mountpoint: mount?.mountpoint ?? mountpoint ?? '',
    minor: mount?.minor,
    by: 'fusermount',
  };
}

/** Newer kernels say in fdinfo which connection a descriptor belongs to. */
function connectionOf(fd: number): MountInfo | undefined {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  const minor = /^fuse_connection:\s*(\d+)$/m.exec(info)?.[1];
  return minor === undefined ? undefined : findConnection(Number(minor));
}

/** The command that unmounts; `lazy`: out of sight now, in fact when nobody uses it any more. */
export function unmountCommand(
  mountpoint: string,
  how: 'now' | 'lazy',
  by: MountedBy,
): [string, string[]] {
  const isLazy = how === 'lazy';
  // There whoever mounted may unmount, and nothing is lazy.
  if (process.platform === 'darwin')
    return ['umount', [...(isLazy ? ['-f'] : []), '--', mountpoint]];
  if (by === 'mount') return ['umount', [...(isLazy ? ['-l'] : []), '--', mountpoint]];
  const program = by === 'libfuse2' ? 'fusermount' : 'fusermount3';
  return [program, [isLazy ? '-uz' : '-u', '--', mountpoint]];
}

/** A passing glance (df, an indexer) makes a mount busy as well: it is tried a few times. */
const UNMOUNT_TRIES = 5;
const UNMOUNT_PAUSE_MS = 50;

/** @returns 'busy' when it had to be detached lazily. */
export async function detach({ mountpoint, by }: MountPlace): Promise<'unmounted' | 'busy'> {
  for (let i = 0; i < UNMOUNT_TRIES; i++) {
    if (i > 0)
      await new Promise((resolve) => {
        setTimeout(resolve, UNMOUNT_PAUSE_MS);
      });
    if ((await run(...unmountCommand(mountpoint, 'now', by))).status === 0) return 'unmounted';
  }
  await run(...unmountCommand(mountpoint, 'lazy', by));
  return 'busy';
}

/** $0: number of the connection. In a mount namespace of its own, so that nobody sees the mount. */
const ABORT_SCRIPT =
  'mount -t fusectl none /sys/fs/fuse/connections && echo 1 >"/sys/fs/fuse/connections/$0/abort"';

/**
 * Makes every request of the connection fail, then unmounts. The server reads ENODEV next. (umount
 * -f would do as well, but not for a mount that is detached already.)
 */
export async function abortConnection(attachment: MountPlace): Promise<void> {
  const { mountpoint, minor, by } = attachment;
  try {
    writeFileSync(`/sys/fs/fuse/connections/${minor}/abort`, '1');
  } catch {
    // The control file system is not mounted. What an ordinary user does not reach is killed later.
    if (by === 'mount') await run('unshare', ['-m', 'sh', '-c', ABORT_SCRIPT, `${minor}`]);
  }
  await run(...unmountCommand(mountpoint, 'lazy', by));
}

/**
 * How far the kernel reads ahead. INIT can only lower the kernel's own 128 KiB; root may raise it
 * afterwards, which makes sequential reads half as fast again.
 */
export function raiseReadAhead(minor: number): void {
  try {
    writeFileSync(`/sys/class/bdi/0:${minor}/read_ahead_kb`, `${MAX_WRITE_BYTES / 1024}`);
  } catch {
    // An ordinary user, or no sysfs: only slower.
  }
}
