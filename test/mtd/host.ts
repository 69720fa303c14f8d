/** A host with files in memory, as much of one as the MTD layer uses. */
import type { HostFile, HostFileInfo, OpenMode, Rumpuser } from '../../src/rumpuser/rumpuser.js';
import { HostError, RUMPUSER_VERSION } from '../../src/rumpuser/rumpuser.js';

export class test_rumpuser implements Rumpuser {
  readonly version = RUMPUSER_VERSION;
  readonly name = 'simulated';
  /** Console lines. */
  readonly lines: string[] = [];
  /** Every call that changes a file, in order: "write path", "replace path", … */
  readonly changes: string[] = [];
  readonly files = new Map<string, Uint8Array>();
  readonly #locks = new Map<string, { exclusive: boolean; holders: number }>();
  #clockMs = 0;

  wallClockMs(): number {
    return this.#clockMs;
  }

  monotonicMs(): number {
    return ++this.#clockMs;
  }

  sleepMs(milliseconds: number): void {
    this.#clockMs += milliseconds;
  }

  getrandom(buffer: Uint8Array): void {
    buffer.fill(4);
  }

  getparam(): undefined {
    return undefined;
  }

  #bytes(path: string): Uint8Array {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new HostError('ENOENT', `${path}: no such file`, path);
    return bytes;
  }

  open(path: string, mode: OpenMode): HostFile {
    if (mode === 'create' && !this.files.has(path)) {
      this.changes.push(`create ${path}`);
      this.files.set(path, new Uint8Array(0));
    }
    this.#bytes(path);
    return {
      path,
      size: () => this.#bytes(path).length,
      read: (buffer, bufferOffset, length, position) => {
        const part = this.#bytes(path).subarray(position, position + length);
        buffer.set(part, bufferOffset);
        return part.length;
      },
      write: (buffer, bufferOffset, length, position) => {
        if (mode === 'read') throw new HostError('EBADF', `${path}: not open for writing`, path);
        this.changes.push(`write ${path}`);
        const part = buffer.subarray(bufferOffset, bufferOffset + length);
        this.files.set(path, this.#with(path, part, position));
      },
      truncate: (sizeBytes) => {
        this.changes.push(`truncate ${path}`);
        this.files.set(path, this.#bytes(path).slice(0, sizeBytes));
      },
      sync: () => undefined,
      close: () => undefined,
    };
  }

  #with(path: string, part: Uint8Array, position: number): Uint8Array {
    const bytes = this.files.get(path) ?? new Uint8Array(0);
    if (position + part.length <= bytes.length) {
      bytes.set(part, position);
      return bytes;
    }
    const longer = new Uint8Array(position + part.length);
    longer.set(bytes);
    longer.set(part, position);
    return longer;
  }

  getfileinfo(path: string): HostFileInfo {
    if (path.endsWith('/')) return { type: 'directory', sizeBytes: 4096 };
    return { type: 'regular', sizeBytes: this.#bytes(path).length };
  }

  lock(path: string, kind: 'shared' | 'exclusive'): { unlock(): void } {
    const exclusive = kind === 'exclusive';
    const lock = this.#locks.get(path) ?? { exclusive, holders: 0 };
    if (lock.holders > 0 && (exclusive || lock.exclusive)) {
      throw new HostError('EWOULDBLOCK', `${path} is locked by process 4711`, path);
    }
    lock.exclusive = exclusive;
    lock.holders++;
    this.#locks.set(path, lock);
    return { unlock: () => void lock.holders-- };
  }

  readFile(path: string): Uint8Array {
    return this.#bytes(path).slice();
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    this.changes.push(`replace ${path}`);
    this.files.set(path, bytes.slice());
  }

  appendFile(path: string, bytes: Uint8Array): void {
    this.changes.push(`append ${path}`);
    this.files.set(path, this.#with(path, bytes, this.files.get(path)?.length ?? 0));
  }

  unlink(path: string): void {
    this.changes.push(`unlink ${path}`);
    this.files.delete(path);
  }

  console(_level: number, line: string): void {
    this.lines.push(line);
  }

  requestIdle(): void {}
}

export const test_host = (): test_rumpuser => new test_rumpuser();
