/**
 * The thread that serves: opens the file system, then blocks in read(2) and write(2) on /dev/fuse
 * until the connection ends. Two system calls per request, as in C. Nothing else runs in this
 * thread meanwhile, neither timers nor messages; the main thread rings the doorbell when background
 * work is due.
 */
import { readSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { BackgroundClock } from './background.js';
import { openFileSystem, type OpenedFileSystem } from './module.js';
import {
  FuseSession,
  NOTICE_BUFFER_BYTES,
  REPLY_BUFFER_BYTES,
  REQUEST_BUFFER_BYTES,
  SESSION_DEFAULTS,
  type SessionOptions,
} from './session.js';
import type { MountRequest } from './transport.js';

export interface WorkerData {
  readonly module: string;
  readonly moduleOptions: unknown;
  readonly session: MountRequest['session'];
  readonly bellName: string;
}

export type ToWorker =
  | { readonly type: 'serve'; readonly fd: number }
  /** Mounting failed: close the file system. */
  | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'opened'; readonly report: readonly string[]; readonly readOnly: boolean }
  | { readonly type: 'failed'; readonly message: string }
  /** INIT was answered: the mount is usable. */
  | { readonly type: 'initialized' }
  /** Ring the doorbell after so long. */
  | { readonly type: 'wake'; readonly delayMs: number }
  | { readonly type: 'console'; readonly level: number; readonly line: string }
  /** The connection is gone; `clean` when everything is on stable storage. */
  | { readonly type: 'ended'; readonly clean: boolean };

const port = parentPort!;
const data = workerData as WorkerData;
const send = (message: FromWorker): void => port.postMessage(message);
const toConsole = (level: number, line: string): void => send({ type: 'console', level, line });

/** Serves until the connection is gone. @throws Error when /dev/fuse fails in an unknown way. */
function serve(session: FuseSession, fd: number): void {
  const request = new Uint8Array(REQUEST_BUFFER_BYTES);
  const reply = new Uint8Array(REPLY_BUFFER_BYTES);
  const notice = new Uint8Array(NOTICE_BUFFER_BYTES);
  const background = new BackgroundClock({
    nowMs: () => performance.now(),
    work: () => session.background(),
    ring: (delayMs) => send({ type: 'wake', delayMs }),
  });
  let announced = false;
  for (;;) {
    let length: number;
    try {
      length = readSync(fd, request, 0, request.length, null);
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        // ENOENT: the request was interrupted before we got it.
        case 'ENOENT':
        case 'EINTR':
        case 'EAGAIN':
          continue;
        // Unmounted, or aborted.
        case 'ENODEV':
        case 'ECONNABORTED':
          return;
        default:
          throw error;
      }
    }
    const replyBytes = session.handle(request, length, reply);
    const noticeBytes = session.takeNotice(notice);
    if (noticeBytes > 0 && !deliver(session, fd, notice, noticeBytes)) return;
    if (replyBytes > 0 && !deliver(session, fd, reply, replyBytes)) return;
    if (!announced && session.initialized) {
      announced = true;
      send({ type: 'initialized' });
    }
    background.served(session.opcode);
  }
}

/** @returns false when the connection is gone. */
function deliver(session: FuseSession, fd: number, reply: Uint8Array, bytes: number): boolean {
  for (;;) {
    try {
      writeSync(fd, reply, 0, bytes);
      return true;
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        case 'EINTR':
        case 'EAGAIN':
          continue;
        // The request was aborted: nobody wants the answer, or the node in it. (Of a notice: the
        // kernel has forgotten the node.)
        case 'ENOENT':
          session.undelivered();
          return true;
        // Our mistake: the reply does not fit the request, which the kernel has ended with EIO.
        case 'EINVAL':
          session.undelivered();
          toConsole(2, `bug: the kernel refuses the reply to request ${session.opcode}`);
          return true;
        case 'ENODEV':
        case 'ECONNABORTED':
          return false;
        default:
          throw error;
      }
    }
  }
}

function sessionOptions(opened: OpenedFileSystem): SessionOptions {
  return {
    ...SESSION_DEFAULTS,
    ...data.session,
    timeGranularityNs: opened.timeGranularityNs,
    bellName: data.bellName,
    mayHaveLabels: () => opened.mayHaveLabels?.() ?? true,
    ...(opened.tellsWritersApart === true && { writebackCache: false }),
    // Not performance.now(), which stands still while a computer sleeps.
    wallClockMs: () => Date.now(),
    console: toConsole,
  };
}

async function main(): Promise<void> {
  let opened: OpenedFileSystem;
  try {
    opened = await openFileSystem(data.module, data.moduleOptions, { console: toConsole });
  } catch (error) {
    send({ type: 'failed', message: (error as Error).message });
    return;
  }
  const session = new FuseSession(opened.fs, sessionOptions(opened));
  port.once('message', (message: ToWorker) => {
    try {
      if (message.type === 'serve') serve(session, message.fd);
    } finally {
      const clean = session.close();
      send({ type: 'ended', clean });
    }
  });
  send({ type: 'opened', report: opened.report, readOnly: opened.readOnly });
}

await main();
