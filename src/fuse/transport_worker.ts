/**
 * The transport of Linux: the whole file system in a worker thread (src/fuse/worker.ts), this side
 * in the main thread, which mounts, rings the doorbell, watches, and unmounts.
 *
 * The main thread must never touch the mount synchronously, and must not end while the worker
 * blocks in read(2): process.exit() would hang until the next request. Every way out therefore
 * unmounts first, whereupon the worker reads ENODEV, closes the file system and ends by itself.
 */
import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { hangDoorbell, ringDoorbell } from './doorbell.js';
import {
  abortConnection,
  attach,
  detach,
  inherited,
  mountedBy,
  prepareMountpoint,
  raiseReadAhead,
  type Attachment,
} from './mount.js';
import {
  MountError,
  type Mount,
  type MountEnd,
  type MountRequest,
  type Transport,
} from './transport.js';
import { startWatchdog, type Watchdog } from './watchdog.js';
import type { FromWorker, ToWorker, WorkerData } from './worker.js';

export const mountInWorker: Transport = async (request, given) => {
  // First, since a file system may write to its medium when it is opened.
  const mountpoint = given === undefined ? await prepareMountpoint(request.mountpoint) : '';
  const server = new ServingThread(request);
  let attachment: Attachment | undefined;
  let watchdog: Watchdog | undefined;
  try {
    const { report, readOnly } = await server.opened;
    if (given === undefined) {
      watchdog = startWatchdog(mountpoint, mountedBy());
      attachment = await attach(request, mountpoint, readOnly);
    } else {
      attachment = inherited(given);
      watchdog = startWatchdog(attachment.mountpoint, attachment.by);
    }
    server.serve(attachment);
    await server.initialized;
    await hangDoorbell(attachment.mountpoint, server.bellName);
    if (attachment.minor !== undefined) raiseReadAhead(attachment.minor);
    return new WorkerMount(server, attachment, watchdog, report, readOnly);
  } catch (error) {
    if (given !== undefined) attachment ??= inherited(given);
    if (attachment !== undefined) await detach(attachment);
    server.close();
    await server.ended;
    watchdog?.dismiss();
    throw error instanceof MountError ? error : new MountError((error as Error).message);
  }
};

class WorkerMount implements Mount {
  readonly report: readonly string[];
  readonly readOnly: boolean;
  readonly ended: Promise<MountEnd>;
  private readonly attachment: Attachment;

  constructor(
    server: ServingThread,
    attachment: Attachment,
    watchdog: Watchdog,
    report: readonly string[],
    readOnly: boolean,
  ) {
    this.report = report;
    this.readOnly = readOnly;
    this.attachment = attachment;
    this.ended = server.ended.then(async (end) => {
      // After a crash of the thread the mount is still there, and dead.
      if (end.exitCode !== 0) await detach(attachment);
      watchdog.dismiss();
      return end;
    });
  }

  unmount(): Promise<'unmounted' | 'busy'> {
    return detach(this.attachment);
  }

  abort(): Promise<void> {
    return abortConnection(this.attachment);
  }
}

/** The worker as seen from outside: its life is opened → initialized → ended, or failed. */
class ServingThread {
  readonly opened: Promise<{ report: readonly string[]; readOnly: boolean }>;
  readonly initialized: Promise<void>;
  readonly ended: Promise<MountEnd>;
  private readonly worker: Worker;
  private attachment: Attachment | undefined;
  /** Nobody else shall meet it. */
  readonly bellName = `.doorbell-${randomUUID()}`;
  private doorbell: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(request: MountRequest) {
    const workerData: WorkerData = {
      module: request.module,
      moduleOptions: request.moduleOptions,
      session: request.session,
      bellName: this.bellName,
    };
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    let resolveOpened!: (value: { report: readonly string[]; readOnly: boolean }) => void;
    let rejectOpened!: (error: MountError) => void;
    let resolveInitialized!: () => void;
    let rejectInitialized!: (error: MountError) => void;
    this.opened = new Promise((resolve, reject) => {
      resolveOpened = resolve;
      rejectOpened = reject;
    });
    this.initialized = new Promise((resolve, reject) => {
      resolveInitialized = resolve;
      rejectInitialized = reject;
    });
    // Whoever does not wait for them learns it from `ended`.
    this.opened.catch(() => {});
    this.initialized.catch(() => {});
    let end: MountEnd | undefined;
    this.worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'opened':
          resolveOpened(message);
          break;
        case 'failed':
          rejectOpened(new MountError(message.message));
          break;
        case 'initialized':
          resolveInitialized();
          break;
        case 'wake':
          this.ringAfter(message.delayMs);
          break;
        case 'console':
          request.console(message.level, message.line);
          break;
        case 'ended':
          end = {
            exitCode: message.clean ? 0 : 1,
            message: message.clean ? null : 'the last changes may be lost, see the messages above',
          };
          break;
      }
    });
    this.ended = new Promise((resolve) => {
      this.worker.once('error', (error) => {
        end = { exitCode: 1, message: `the serving thread died: ${error.stack ?? error.message}` };
      });
      this.worker.once('exit', (status) => {
        this.isOver = true;
        clearTimeout(this.doorbell);
        end ??= { exitCode: 1, message: `the serving thread ended by itself (status ${status})` };
        const error = new MountError(end.message ?? 'the connection ended before it began');
        rejectOpened(error);
        rejectInitialized(error);
        if (this.attachment !== undefined) closeSync(this.attachment.fd);
        resolve(end);
      });
    });
  }

  serve(attachment: Attachment): void {
    this.attachment = attachment;
    this.post({ type: 'serve', fd: attachment.fd });
  }

  /** For a thread that does not serve yet; one that does sees the end of its connection. */
  close(): void {
    if (this.attachment === undefined) this.post({ type: 'close' });
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private ringAfter(delayMs: number): void {
    clearTimeout(this.doorbell);
    this.doorbell = setTimeout(() => {
      if (this.isOver || this.attachment === undefined) return;
      const { fd, mountpoint } = this.attachment;
      void ringDoorbell(fd, mountpoint, this.bellName);
    }, delayMs);
  }
}
