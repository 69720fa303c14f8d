/**
 * The browser as host: no files but those handed in and those made in memory, no other process to
 * lock against. Imports nothing of Node's; runs in a window or, better, in a worker.
 */
import { GrowableBytes } from './growable_bytes.js';
import { LockTable } from './lock_table.js';
import {
  type HostCodecs,
  HostError,
  type HostFile,
  type HostFileInfo,
  type OpenMode,
  RUMPUSER_VERSION,
  type Rumpuser,
} from './rumpuser.js';

/** crypto.getRandomValues gives no more at a time. */
const RANDOM_BYTES_MAX = 65536;

class BrowserFile implements HostFile {
  readonly path: string;
  private bytes: GrowableBytes | null;
  private readonly writeable: boolean;

  constructor(path: string, bytes: GrowableBytes, writeable: boolean) {
    this.path = path;
    this.bytes = bytes;
    this.writeable = writeable;
  }

  size(): number {
    return this.contents(false).size;
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    return this.contents(false).read(buffer, bufferOffset, length, position);
  }

  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    this.contents(true).write(buffer, bufferOffset, length, position);
  }

  truncate(sizeBytes: number): void {
    this.contents(true).resize(sizeBytes);
  }

  sync(): void {
    this.contents(false);
  }

  close(): void {
    this.bytes = null;
  }

  private contents(writes: boolean): GrowableBytes {
    if (this.bytes === null) throw new HostError('EBADF', `${this.path} is closed`, this.path);
    if (writes && !this.writeable) {
      throw new HostError('EBADF', `${this.path} is open for reading`, this.path);
    }
    return this.bytes;
  }
}

export interface BrowserHostOptions {
  /** Files by path. Their bytes are changed in place as long as they suffice. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly params?: Readonly<Record<string, string>>;
  /** A compressor written in JavaScript; without one, file systems do without zlib. */
  readonly codecs?: HostCodecs;
  /** Default: the developer console. */
  readonly console?: (level: number, line: string) => void;
}

export class BrowserHost implements Rumpuser {
  readonly version = RUMPUSER_VERSION;
  readonly name = 'browser';
  readonly codecs?: HostCodecs;
  private readonly files = new Map<string, GrowableBytes>();
  private readonly locks = new LockTable();
  private readonly params: Readonly<Record<string, string>>;
  private readonly consoleSink: (level: number, line: string) => void;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BrowserHostOptions = {}) {
    for (const [path, bytes] of Object.entries(options.files ?? {})) {
      this.files.set(path, new GrowableBytes(bytes));
    }
    this.params = options.params ?? {};
    if (options.codecs !== undefined) this.codecs = options.codecs;
    this.consoleSink = options.console ?? ((_level, line) => console.log(line));
  }

  wallClockMs(): number {
    return performance.timeOrigin + performance.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  /** A window must not block on Atomics.wait, so this spins; waits here are a few milliseconds. */
  sleepMs(milliseconds: number): void {
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
  }

  getrandom(buffer: Uint8Array): void {
    for (let at = 0; at < buffer.length; at += RANDOM_BYTES_MAX) {
      crypto.getRandomValues(buffer.subarray(at, at + RANDOM_BYTES_MAX));
    }
  }

  getparam(name: string): string | undefined {
    return this.params[name];
  }

  open(path: string, mode: OpenMode): HostFile {
    let bytes = this.files.get(path);
    if (bytes === undefined && mode === 'create') {
      bytes = new GrowableBytes(new Uint8Array(0));
      this.files.set(path, bytes);
    }
    return new BrowserFile(path, bytes ?? this.missing(path), mode !== 'read');
  }

  getfileinfo(path: string): HostFileInfo {
    return { type: 'regular', sizeBytes: this.contents(path).size };
  }

  lock(path: string, kind: 'shared' | 'exclusive'): { unlock(): void } {
    this.contents(path);
    const unlock = this.locks.acquire(path, kind);
    if (unlock === null) throw new HostError('EWOULDBLOCK', `${path} is in use`, path);
    return { unlock };
  }

  readFile(path: string): Uint8Array {
    return this.contents(path).view().slice();
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    this.files.set(path, new GrowableBytes(bytes.slice()));
  }

  appendFile(path: string, bytes: Uint8Array): void {
    const had = this.files.get(path) ?? new GrowableBytes(new Uint8Array(0));
    had.write(bytes, 0, bytes.length, had.size);
    this.files.set(path, had);
  }

  unlink(path: string): void {
    this.contents(path);
    this.files.delete(path);
  }

  console(level: number, line: string): void {
    this.consoleSink(level, line);
  }

  requestIdle(callback: (() => void) | null, delayMs: number): void {
    clearTimeout(this.idleTimer);
    if (callback !== null) this.idleTimer = setTimeout(callback, Math.max(0, delayMs));
  }

  private contents(path: string): GrowableBytes {
    return this.files.get(path) ?? this.missing(path);
  }

  private missing(path: string): never {
    throw new HostError('ENOENT', `no such file: ${path}`, path);
  }
}
