/** The real host: Node on an operating system. */
import { randomFillSync } from 'node:crypto';
import * as fs from 'node:fs';
import { lockFile } from './node_lock.js';
import { NewFile } from './node_new_file.js';
import { nodeCrc32, nodeZlib } from './node_zlib.js';
import {
  type HostCodecs,
  HostError,
  type HostFile,
  type HostFileInfo,
  type OpenMode,
  RUMPUSER_VERSION,
  type Rumpuser,
} from './rumpuser.js';

/** The most that one read or write call is asked for; Node takes no more than 2^31-1. */
const IO_BYTES_MAX = 1 << 30;
/** setTimeout takes no more than 2^31-1. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** The wall clock is read from Date.now() again when the fine clock is off by more than this. */
const WALL_CLOCK_DRIFT_MS_MAX = 2;
const OPEN_FLAGS: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
};

/** Runs a call of node:fs; what it throws becomes a HostError. */
function host<T>(about: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toHostError(error, about);
  }
}

function toHostError(error: unknown, about: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  // An error without an errno (a wrong argument, say) is a mistake of ours.
  if (!(error instanceof Error) || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) {
    return error;
  }
  return new HostError(code, message, about);
}

class NodeFile implements HostFile {
  readonly path: string;
  /** -1 when closed. */
  private fd: number;
  /** Fixed size of a device; null for files, which know theirs. */
  private readonly deviceBytes: number | null;

  constructor(filePath: string, mode: OpenMode) {
    this.path = filePath;
    this.fd = host(filePath, () => fs.openSync(filePath, OPEN_FLAGS[mode], 0o666));
    try {
      const stat = host(filePath, () => fs.fstatSync(this.fd));
      if (stat.isDirectory()) throw new HostError('EISDIR', `${filePath} is a directory`, filePath);
      this.deviceBytes = stat.isBlockDevice() ? this.measureDevice() : null;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  size(): number {
    this.checkOpen();
    return this.deviceBytes ?? host(this.path, () => fs.fstatSync(this.fd).size);
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    this.checkOpen();
    let done = 0;
    try {
      while (done < length) {
        const want = Math.min(length - done, IO_BYTES_MAX);
        const got = fs.readSync(this.fd, buffer, bufferOffset + done, want, position + done);
        if (got === 0) break;
        done += got;
      }
    } catch (error) {
      throw toHostError(error, this.path);
    }
    return done;
  }

  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    this.checkOpen();
    try {
      for (let done = 0; done < length; ) {
        const want = Math.min(length - done, IO_BYTES_MAX);
        done += fs.writeSync(this.fd, buffer, bufferOffset + done, want, position + done);
      }
    } catch (error) {
      throw toHostError(error, this.path);
    }
  }

  truncate(sizeBytes: number): void {
    this.checkOpen();
    host(this.path, () => fs.ftruncateSync(this.fd, sizeBytes));
  }

  sync(): void {
    this.checkOpen();
    host(this.path, () => fs.fdatasyncSync(this.fd));
  }

  close(): void {
    if (this.fd < 0) return;
    const { fd } = this;
    this.fd = -1;
    host(this.path, () => fs.closeSync(fd));
  }

  private checkOpen(): void {
    if (this.fd < 0) throw new HostError('EBADF', `${this.path} is closed`, this.path);
  }

  /** stat(2) does not tell a device's size: looks for the last sector that can be read. */
  private measureDevice(): number {
    const sector = new Uint8Array(512);
    const exists = (index: number): boolean => {
      try {
        return fs.readSync(this.fd, sector, 0, 512, index * 512) > 0;
      } catch {
        // Some devices answer a read past their end with an error.
        return false;
      }
    };
    if (!exists(0)) return 0;
    let good = 0;
    let bad = 1;
    while (exists(bad)) {
      good = bad;
      bad *= 2;
    }
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2);
      if (exists(middle)) good = middle;
      else bad = middle;
    }
    return (good + 1) * 512;
  }
}

export interface NodeHostOptions {
  /** Receives the console's lines; default: standard error, a line each. */
  readonly console?: (level: number, line: string) => void;
}

export class NodeHost implements Rumpuser {
  readonly version = RUMPUSER_VERSION;
  readonly name = 'node';
  /** Missing before Node 20.15. */
  readonly crc32?: Rumpuser['crc32'] = nodeCrc32;
  private readonly consoleSink: (level: number, line: string) => void;
  private readonly sleepWord = new Int32Array(new SharedArrayBuffer(4));
  private codecsMade: HostCodecs | undefined;
  private wallOffsetMs = performance.timeOrigin;
  private cancelIdle: (() => void) | null = null;

  constructor(options: NodeHostOptions = {}) {
    this.consoleSink = options.console ?? ((_level, line) => process.stderr.write(`${line}\n`));
  }

  get codecs(): HostCodecs {
    this.codecsMade ??= nodeZlib();
    return this.codecsMade;
  }

  /** Follows Date.now(), which the administrator may set, with the fine clock's resolution. */
  wallClockMs(): number {
    const now = performance.now();
    const coarse = Date.now();
    if (Math.abs(this.wallOffsetMs + now - coarse) > WALL_CLOCK_DRIFT_MS_MAX) {
      this.wallOffsetMs = coarse - now;
    }
    return this.wallOffsetMs + now;
  }

  monotonicMs(): number {
    return performance.now();
  }

  sleepMs(milliseconds: number): void {
    Atomics.wait(this.sleepWord, 0, 0, milliseconds);
  }

  getrandom(buffer: Uint8Array): void {
    randomFillSync(buffer);
  }

  getparam(name: string): string | undefined {
    return process.env[name];
  }

  open(filePath: string, mode: OpenMode): HostFile {
    return new NodeFile(filePath, mode);
  }

  getfileinfo(filePath: string): HostFileInfo {
    const stat = host(filePath, () => fs.statSync(filePath));
    if (stat.isFile()) return { type: 'regular', sizeBytes: stat.size };
    if (stat.isDirectory()) return { type: 'directory', sizeBytes: stat.size };
    if (stat.isCharacterDevice()) return { type: 'char', sizeBytes: 0 };
    if (!stat.isBlockDevice()) return { type: 'other', sizeBytes: 0 };
    const device = new NodeFile(filePath, 'read');
    try {
      return { type: 'block', sizeBytes: device.size() };
    } finally {
      device.close();
    }
  }

  lock(filePath: string, kind: 'shared' | 'exclusive'): { unlock(): void } {
    const answer = host(filePath, () => lockFile(filePath, kind));
    if (!answer.granted) {
      throw new HostError('EWOULDBLOCK', `${filePath} is in use by ${answer.holder}`, filePath);
    }
    if (answer.warning !== undefined) this.console(4, `${filePath}: ${answer.warning}`);
    return answer;
  }

  readFile(filePath: string): Uint8Array {
    return host(filePath, () => {
      const bytes = fs.readFileSync(filePath);
      // Not a Buffer, whose slice() and subarray() surprise who expects a Uint8Array.
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    });
  }

  /** A device or a pipe is written to, anything else replaced by a new file. */
  replaceFile(filePath: string, bytes: Uint8Array): void {
    host(filePath, () => {
      if (fs.statSync(filePath, { throwIfNoEntry: false })?.isFile() === false) {
        fs.writeFileSync(filePath, bytes);
        return;
      }
      const file = new NewFile(filePath);
      try {
        fs.writeFileSync(file.fd, bytes);
      } catch (error) {
        file.abandon();
        throw error;
      }
      file.commit(true);
    });
  }

  appendFile(filePath: string, bytes: Uint8Array): void {
    host(filePath, () => fs.appendFileSync(filePath, bytes));
  }

  unlink(filePath: string): void {
    host(filePath, () => fs.unlinkSync(filePath));
  }

  console(level: number, line: string): void {
    this.consoleSink(level, line);
  }

  /** Neither timer keeps the process alive. */
  requestIdle(callback: (() => void) | null, delayMs: number): void {
    this.cancelIdle?.();
    this.cancelIdle = null;
    if (callback === null) return;
    const run = (): void => {
      this.cancelIdle = null;
      callback();
    };
    if (delayMs <= 0) {
      const immediate = setImmediate(run).unref();
      this.cancelIdle = () => clearImmediate(immediate);
    } else {
      const timeout = setTimeout(run, Math.min(Math.ceil(delayMs), TIMEOUT_MS_MAX)).unref();
      this.cancelIdle = () => clearTimeout(timeout);
    }
  }
}
