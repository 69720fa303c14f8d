/**
 * A mounting command as a process: in the foreground, or started again in the background while the
 * caller waits until the mount is usable; signals; exit status.
 *
 *   front ──spawn──▶ server                                root, background
 *   front ──spawn──▶ python3|perl ──exec──▶ server         ordinary user
 *   front is the server                                    root, -f
 *
 * In the background, server and front are joined by a pipe on which the server writes one JSON
 * value per line until it is usable.
 */
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { FD_VARIABLE, MOUNTPOINT_VARIABLE, throughFusermount } from './fusermount.js';
import { mountedBy, prepareMountpoint } from './mount.js';
import type { TransportName } from './mount_options.js';
import { SystemLog } from './system_log.js';
import { mountThroughFuseNative } from './transport_native.js';
import { mountInWorker } from './transport_worker.js';
import {
  MountError,
  type InheritedConnection,
  type Mount,
  type MountRequest,
  type Transport,
} from './transport.js';

/** mount(8)'s exit status. */
export const EXIT_USAGE = 1;
export const EXIT_MOUNT_FAILED = 32;

export interface MountCommand {
  /** For messages. */
  readonly name: string;
  readonly foreground: boolean;
  readonly readOnly: boolean;
  readonly transport: TransportName;
  readonly request: Omit<MountRequest, 'console'>;
}

const TRANSPORTS: Readonly<Record<TransportName, Transport>> = {
  kernel: mountInWorker,
  'fuse-native': mountThroughFuseNative,
};

/** Set in a server that was started by a front. */
const ROLE_VARIABLE = 'LUMP_FUSE_ROLE';
type Role = 'background' | 'foreground';
/** In a server in the background: the pipe to the front. */
const STATUS_FD = 3;
/** There as well: a descriptor of /dev/fuse that the front has inherited. */
const PASSED_FD = 4;

type Status =
  | { readonly report: readonly string[] }
  | { readonly line: string }
  | { readonly error: string }
  | { readonly usable: true };

/** printk's levels up to "info" are for people. */
const LEVEL_SHOWN_MAX = 6;
/** An aborted connection ends at once, unless the server itself is stuck. */
const ABORT_PATIENCE_MS = 5000;

/**
 * Mounts and, in the foreground, serves until the mount is gone.
 * @returns the process's exit status. Never throws.
 */
export async function runMountCommand(command: MountCommand): Promise<number> {
  const role = process.env[ROLE_VARIABLE] as Role | undefined;
  const given = connectionGiven(command.request.mountpoint);
  delete process.env[ROLE_VARIABLE];
  delete process.env[FD_VARIABLE];
  delete process.env[MOUNTPOINT_VARIABLE];
  // Whoever reads what is said may have seen enough, or be gone: that ends no mount.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    if (role === 'background') return await serveInBackground(command, given);
    const isReady =
      given !== undefined || mountedBy() === 'mount' || command.transport === 'fuse-native';
    if (role === 'foreground' || (command.foreground && isReady)) {
      return await serveInForeground(command, given);
    }
    return await startServer(command, isReady, given);
  } catch (error) {
    if (!(error instanceof MountError)) throw error;
    complain(command, error.message);
    return EXIT_MOUNT_FAILED;
  }
}

/** A connection that was mounted before: by our wrapper, or by mount.fuse3 (/dev/fd/N). */
function connectionGiven(mountpoint: string): InheritedConnection | undefined {
  const fd = process.env[FD_VARIABLE] ?? /^\/dev\/fd\/(\d+)$/.exec(mountpoint)?.[1];
  if (fd === undefined) return undefined;
  return { fd: Number(fd), mountpoint: process.env[MOUNTPOINT_VARIABLE] };
}

const complain = (command: MountCommand, message: string): void => {
  process.stderr.write(`${command.name}: ${message}\n`);
};

// ---- the front ----------------------------------------------------------------------------------

/** Starts the server as another process; waits until it is usable, or in the foreground ends. */
async function startServer(
  command: MountCommand,
  isReady: boolean,
  given: InheritedConnection | undefined,
): Promise<number> {
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const [file, args] = isReady
    ? [self[0]!, self.slice(1)]
    : throughFusermount(
        command.request,
        await prepareMountpoint(command.request.mountpoint),
        command.readOnly,
        self,
      );
  const { foreground } = command;
  const role: Role = foreground ? 'foreground' : 'background';
  const server = spawn(file, args, {
    env: {
      ...process.env,
      [ROLE_VARIABLE]: role,
      ...(given === undefined ? {} : { [FD_VARIABLE]: String(PASSED_FD) }),
    },
    detached: !foreground,
    stdio: foreground
      ? 'inherit'
      : ['ignore', 'ignore', 'pipe', 'pipe', ...(given === undefined ? [] : [given.fd])],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // From a terminal a server in the foreground has got it as well.
    process.on(signal, () => {
      if (!foreground || signal === 'SIGTERM') server.kill('SIGTERM');
    });
  }
  return new Promise((resolve) => {
    server.once('error', (error) => {
      complain(command, `cannot start the server: ${error.message}`);
      resolve(EXIT_MOUNT_FAILED);
    });
    if (foreground) {
      server.once('exit', (status, signal) =>
        resolve(signal === null ? status! : EXIT_MOUNT_FAILED),
      );
      return;
    }
    let said = '';
    let isUsable = false;
    let hasError = false;
    server.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const status = createInterface({ input: server.stdio[STATUS_FD] as NodeJS.ReadableStream });
    status.on('line', (line) => {
      const message = JSON.parse(line) as Status;
      if ('report' in message) printReport(message.report);
      else if ('line' in message) process.stderr.write(`${message.line}\n`);
      else if ('error' in message) {
        hasError = true;
        complain(command, message.error);
      } else isUsable = true;
    });
    let pending = 2;
    const done = (): void => {
      if (isUsable) {
        server.unref();
        resolve(0);
      } else if (--pending === 0) {
        // Beside an error of ours: what libfuse and its helper print.
        if (hasError) process.stderr.write(said);
        else complain(command, said.trim() || 'the server ended without a word');
        resolve(EXIT_MOUNT_FAILED);
      }
    };
    // The server closes the pipe when it is usable, or ends.
    status.once('close', done);
    server.once('close', done);
  });
}

function printReport(report: readonly string[]): void {
  for (const line of report) process.stdout.write(`${line}\n`);
}

// ---- the server ---------------------------------------------------------------------------------

async function serveInForeground(
  command: MountCommand,
  given: InheritedConnection | undefined,
): Promise<number> {
  const mounting = TRANSPORTS[command.transport](
    {
      ...command.request,
      console: (level, line) => {
        if (level <= LEVEL_SHOWN_MAX) complain(command, line);
      },
    },
    given,
  );
  const stop = new StopOnSignals((message) => complain(command, message));
  const mount = await mounting;
  stop.mounted(mount);
  printReport(mount.report);
  const { exitCode, message } = await mount.ended;
  if (message !== null) complain(command, message);
  return exitCode;
}

async function serveInBackground(
  command: MountCommand,
  given: InheritedConnection | undefined,
): Promise<number> {
  const log = new SystemLog(command.name);
  let front: ((status: Status) => void) | null = (status) => {
    try {
      writeSync(STATUS_FD, `${JSON.stringify(status)}\n`);
    } catch {
      // The front was killed; whoever did it can look into the log.
      front = null;
    }
  };
  const say = (level: number, line: string): void => {
    if (level > LEVEL_SHOWN_MAX) return;
    if (front !== null) front({ line: `${command.name}: ${line}` });
    else log.write(level, line);
  };
  const stop = new StopOnSignals((line) => say(5, line));
  try {
    const mount = await TRANSPORTS[command.transport]({ ...command.request, console: say }, given);
    stop.mounted(mount);
    process.chdir('/');
    front?.({ report: mount.report });
    front?.({ usable: true });
    front = null;
    closeSync(STATUS_FD);
    const { exitCode, message } = await mount.ended;
    if (message !== null) say(3, message);
    await log.close();
    return exitCode;
  } catch (error) {
    if (!(error instanceof MountError)) throw error;
    front?.({ error: error.message });
    return EXIT_MOUNT_FAILED;
  }
}

/**
 * The first signal unmounts; when the mount is busy, it is out of sight then and served until its
 * last user is gone. The second aborts what is left. The third, or a server that does not end even
 * so, is the end of the process; the watchdog cleans up.
 */
class StopOnSignals {
  private readonly say: (message: string) => void;
  private mount: Mount | undefined;
  private signals = 0;

  constructor(say: (message: string) => void) {
    this.say = say;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        void this.stop();
      });
    }
    // A bug in this thread must not end the process under the serving one: process.exit() would
    // hang.
    process.on('uncaughtException', (error) => {
      this.say(error.stack ?? error.message);
      process.exitCode = EXIT_MOUNT_FAILED;
      void this.stop();
    });
  }

  mounted(mount: Mount): void {
    this.mount = mount;
    if (this.signals > 0) void mount.unmount();
  }

  private async stop(): Promise<void> {
    this.signals++;
    if (this.signals >= 3 || (this.signals === 2 && this.mount === undefined)) killSelf();
    if (this.mount === undefined) return;
    if (this.signals === 1) {
      if ((await this.mount.unmount()) === 'busy') {
        this.say(
          'the mount is in use: it is detached now and served until its last user is gone; ' +
            'interrupt again to cut them off',
        );
      }
    } else {
      this.say('aborting');
      setTimeout(killSelf, ABORT_PATIENCE_MS).unref();
      await this.mount.abort();
    }
  }
}

/** Not process.exit(), which waits for the serving thread. */
function killSelf(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}
