/**
 * The transport through the npm package fuse-native and its libfuse 2.9: for macOS, and for hosts
 * where {@link ./transport_worker.ts} cannot mount. What it cannot do is in {@link LIMITS}, in
 * short, and in DIFFERENCES.md.
 *
 * Threads of libfuse read the requests; this process's main thread serves them, from its event
 * loop. It must therefore never touch the mount synchronously, and a file system that does not
 * return takes the handling of signals with it: only SIGKILL helps then, and the watchdog cleans
 * up.
 *
 * The package's own unmount() is not used: it is a shell's command line with the path in it, and
 * always lazy. Nor does the package tell when libfuse's loop has ended; that is looked for.
 */
import { readdirSync, readlinkSync, stat, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BackgroundClock } from './background.js';
import {
  abortConnection,
  detach,
  mountedBy,
  prepareMountpoint,
  type MountedBy,
  type MountPlace,
} from './mount.js';
import { findMount } from './mountinfo.js';
import { openFileSystem } from './module.js';
import { bindSession } from './native/binding.js';
import { loadFuseNative, type FuseInstance } from './native/package.js';
import { PathSession } from './native/path_session.js';
import { FUSE_STATFS } from './protocol.js';
import { SESSION_DEFAULTS } from './session.js';
import {
  MountError,
  type Mount,
  type MountEnd,
  type MountRequest,
  type Transport,
} from './transport.js';
import { startWatchdog } from './watchdog.js';

/** Said at each mount. */
const LIMITS =
  'transport fuse-native: whoever makes a file, it belongs to the mounting user; setting mtime ' +
  'sets it to atime; times in milliseconds from 1970; names in UTF-8; no access lists, O_TMPFILE, ' +
  'fallocate, SEEK_HOLE, flags of rename; hard links do not share pages (see DIFFERENCES.md)';

/** libfuse 2.9 has buffers for no more. */
const MAX_WRITE_BYTES = 128 << 10;
/** The binding copies path and options to arrays of this size, with a final NUL. */
const TEXT_BYTES = 1024;
/** How often it is looked whether libfuse's loop has ended; and once an end is in sight. */
const LOOK_MS = 200;
const LOOK_SOON_MS = 10;

/** mount(8)'s words that libfuse 2.9 takes; the others have no effect. */
const LIBFUSE_WORDS = /^(allow_other|(no)?(suid|dev|exec|atime)|(dir)?sync)$/;

export const mountThroughFuseNative: Transport = async (request, given) => {
  if (given !== undefined) {
    throw new MountError('what is mounted already can be served with transport=kernel only');
  }
  const Fuse = loadFuseNative();
  const mountpoint = await prepareMountpoint(request.mountpoint);
  const opened = await open(request);
  const clock = new BackgroundClock({
    nowMs: () => performance.now(),
    work: () => session.background(),
    ring(delayMs) {
      clearTimeout(doorbell);
      doorbell = setTimeout(() => clock.served(FUSE_STATFS), delayMs);
    },
  });
  let doorbell: NodeJS.Timeout | undefined;
  const session = new PathSession(opened.fs, {
    uid: process.geteuid!(),
    gid: process.getegid!(),
    sync: request.session.sync ?? false,
    console: request.console,
    served: (opcode) => clock.served(opcode),
  });
  const by: MountedBy = mountedBy() === 'mount' ? 'mount' : 'libfuse2';
  const watchdog = startWatchdog(mountpoint, by);
  let ending: Ending;
  try {
    const options = libfuseOptions(request, opened.readOnly);
    checkTexts(mountpoint, options);
    ending = new Ending(mountpoint);
    await mounted(bindSession(Fuse, mountpoint, session, options));
    ending.begin();
  } catch (error) {
    session.close();
    watchdog.dismiss();
    throw error instanceof MountError ? error : new MountError((error as Error).message);
  }
  const attachment = {
    mountpoint,
    minor: process.platform === 'linux' ? findMount(mountpoint)?.minor : undefined,
    by,
  };
  const ended = ending.seen.then((): MountEnd => {
    clearTimeout(doorbell);
    const clean = session.close();
    watchdog.dismiss();
    return {
      exitCode: clean ? 0 : 1,
      message: clean ? null : 'the last changes may be lost, see the messages above',
    };
  });
  return new NativeMount(attachment, ending, ended, [...opened.report, LIMITS], opened.readOnly);
};

async function open(request: MountRequest) {
  try {
    return await openFileSystem(request.module, request.moduleOptions, {
      console: request.console,
    });
  } catch (error) {
    throw new MountError((error as Error).message);
  }
}

/** What libfuse is to be told. */
function libfuseOptions(request: MountRequest, readOnly: boolean): string {
  const { session } = request;
  const timeouts = {
    entry_timeout: session.entryTimeoutSeconds ?? SESSION_DEFAULTS.entryTimeoutSeconds,
    negative_timeout: session.negativeTimeoutSeconds ?? SESSION_DEFAULTS.negativeTimeoutSeconds,
    // The names of one file are different nodes to libfuse: what is remembered of one is wrong as
    // soon as the file is changed under another.
    attr_timeout: session.attrTimeoutSeconds ?? 0,
  };
  const isLinux = process.platform === 'linux';
  return [
    ...(readOnly || request.mountOptions.includes('ro') ? ['ro'] : []),
    ...request.mountOptions.filter((word) => LIBFUSE_WORDS.test(word)),
    'default_permissions',
    'use_ino',
    // Without these two a write(2) comes in pieces of 4 KiB.
    ...(isLinux ? ['big_writes', `max_write=${MAX_WRITE_BYTES}`] : []),
    ...Object.entries(timeouts).map(([name, seconds]) => `${name}=${seconds}`),
    `fsname=${request.source.replace(/[\\,]/g, '\\$&')}`,
    ...(isLinux ? [`subtype=${request.subtype}`] : []),
  ].join(',');
}

/** @throws MountError for what the binding would cut off. */
function checkTexts(mountpoint: string, options: string): void {
  if (Buffer.byteLength(mountpoint) >= TEXT_BYTES) {
    throw new MountError(`fuse-native takes mount points of ${TEXT_BYTES - 1} bytes at most`);
  }
  // With the "-o" before them.
  if (Buffer.byteLength(options) + 2 >= TEXT_BYTES) {
    throw new MountError('the mount options are too long for fuse-native; shorten fsname=');
  }
  if (statSync(mountpoint).dev !== statSync(dirname(mountpoint)).dev) {
    throw new MountError(`${mountpoint}: is a mount already, on which fuse-native mounts nothing`);
  }
}

/** Resolves when the first request, INIT, was answered. @throws MountError */
function mounted(fuse: FuseInstance): Promise<void> {
  return new Promise((resolve, reject) => {
    fuse.mount((error) => {
      if (error === null) resolve();
      // The reason was printed by libfuse or fusermount.
      else reject(new MountError(`fuse-native did not mount (${error.message})`));
    });
  });
}

/**
 * When libfuse's loop has ended, no request is being served and none will come. On Linux it then
 * closes its descriptor; elsewhere the mount point is no other device any more.
 */
class Ending {
  readonly seen: Promise<void>;
  private readonly mountpoint: string;
  private readonly before: ReadonlySet<string>;
  private readonly deviceBefore: number;
  private descriptor = '';
  private timer: NodeJS.Timeout | undefined;
  private paceMs = LOOK_MS;
  private resolve!: () => void;

  /** Before the mount. */
  constructor(mountpoint: string) {
    this.mountpoint = mountpoint;
    this.before = new Set(openConnections());
    this.deviceBefore = statSync(mountpoint).dev;
    this.seen = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  /** It is mounted. */
  begin(): void {
    this.descriptor = openConnections().find((each) => !this.before.has(each)) ?? '';
    this.later();
  }

  /** Somebody has unmounted. */
  soon(): void {
    this.paceMs = LOOK_SOON_MS;
    this.later();
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), this.paceMs);
  }

  private look(): void {
    if (process.platform === 'linux') {
      if (isConnection(this.descriptor)) this.later();
      else this.resolve();
      return;
    }
    stat(this.mountpoint, (error, stats) => {
      if (error === null && stats.dev !== this.deviceBefore) this.later();
      else this.resolve();
    });
  }
}

const DESCRIPTORS = '/proc/self/fd';

/** This process's descriptors of /dev/fuse. */
function openConnections(): string[] {
  return process.platform === 'linux' ? readdirSync(DESCRIPTORS).filter(isConnection) : [];
}

function isConnection(descriptor: string): boolean {
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`) === '/dev/fuse';
  } catch {
    return false;
  }
}

class NativeMount implements Mount {
  readonly report: readonly string[];
  readonly readOnly: boolean;
  readonly ended: Promise<MountEnd>;
  private readonly attachment: MountPlace;
  private readonly ending: Ending;

  constructor(
    attachment: MountPlace,
    ending: Ending,
    ended: Promise<MountEnd>,
    report: readonly string[],
    readOnly: boolean,
  ) {
    this.attachment = attachment;
    this.ending = ending;
    this.ended = ended;
    this.report = report;
    this.readOnly = readOnly;
  }

  async unmount(): Promise<'unmounted' | 'busy'> {
    const result = await detach(this.attachment);
    if (result === 'unmounted') this.ending.soon();
    return result;
  }

  async abort(): Promise<void> {
    await abortConnection(this.attachment);
    this.ending.soon();
  }
}
