/** fs.promises's open file. */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { ReadableStream } from 'node:stream/web';
import { isView, throwIfAborted, toBoolean, toData, toOptions } from './arguments.js';
import { promiseForm, type Operation } from './forms.js';
import { streamClasses, type StreamFunctions } from './streams.js';

const READ_BYTES = 16384;

/** The operations on descriptors and contents that a handle has as methods. */
export type HandleOperations = Readonly<
  Record<
    | 'appendFile'
    | 'close'
    | 'fchmod'
    | 'fchown'
    | 'fdatasync'
    | 'fstat'
    | 'fsync'
    | 'ftruncate'
    | 'futimes'
    | 'read'
    | 'readFile'
    | 'readv'
    | 'write'
    | 'writeFile'
    | 'writev',
    Operation
  >
>;

type Chunks = Iterable<unknown> | AsyncIterable<unknown>;

/** Data that comes in pieces; text and views are whole. */
export const isChunks = (data: unknown): data is Chunks =>
  typeof data === 'object' &&
  data !== null &&
  !isView(data) &&
  (Symbol.iterator in data || Symbol.asyncIterator in data);

export class FileHandle extends EventEmitter {
  readonly #operations: HandleOperations;
  readonly #streams: StreamFunctions;
  #fd: number;
  #closing: Promise<void> | null = null;

  constructor(fd: number, operations: HandleOperations, streams: StreamFunctions) {
    super();
    this.#fd = fd;
    this.#operations = operations;
    this.#streams = streams;
  }

  /** −1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  chmod(mode: unknown): Promise<unknown> {
    return this.#call('fchmod', mode);
  }
  chown(uid: unknown, gid: unknown): Promise<unknown> {
    return this.#call('fchown', uid, gid);
  }
  datasync(): Promise<unknown> {
    return this.#call('fdatasync');
  }
  sync(): Promise<unknown> {
    return this.#call('fsync');
  }
  read(into?: unknown, offset?: unknown, ...rest: unknown[]): Promise<unknown> {
    // What is no buffer are options, and nothing counts beside them.
    if (!isView(into)) return this.#call('read', into ?? {});
    if (typeof offset === 'object' && offset !== null) {
      return this.#call('read', into, offset, ...rest);
    }
    const [length, position] = rest;
    return this.#call('read', into, { offset, length: length ?? undefined, position });
  }
  readv(buffers: unknown, position?: unknown): Promise<unknown> {
    return this.#call('readv', buffers, position);
  }
  readFile(options?: unknown): Promise<unknown> {
    return this.#call('readFile', options);
  }
  stat(options?: unknown): Promise<unknown> {
    return this.#call('fstat', options);
  }
  truncate(len?: unknown): Promise<unknown> {
    return this.#call('ftruncate', len);
  }
  utimes(atime: unknown, mtime: unknown): Promise<unknown> {
    return this.#call('futimes', atime, mtime);
  }
  async write(buffer: unknown, ...rest: unknown[]): Promise<unknown> {
    // Node asks nothing more of nothing.
    if (isView(buffer) && buffer.byteLength === 0) return { bytesWritten: 0, buffer };
    return this.#call('write', buffer, ...rest);
  }
  writev(buffers: unknown, position?: unknown): Promise<unknown> {
    return this.#call('writev', buffers, position);
  }
  /** Adds at the position, as Node's: only a handle opened with 'a' appends. */
  appendFile(data: unknown, options?: unknown): Promise<unknown> {
    return this.writeFile(data, options);
  }

  async writeFile(data: unknown, options?: unknown): Promise<unknown> {
    if (!isChunks(data)) return this.#call('writeFile', data, options);
    const { encoding, signal, flush = false } = toOptions(options);
    const isFlushed = toBoolean(flush, 'options.flush');
    for await (const chunk of data) {
      throwIfAborted(signal);
      // As Node, which takes an array of numbers for bytes here.
      const isData = typeof chunk === 'string' || ArrayBuffer.isView(chunk);
      await this.#call('writeFile', isData ? toData(chunk, encoding) : Buffer.from(chunk as []));
    }
    if (isFlushed) await this.sync();
    return undefined;
  }

  /** Waits for what was asked of it before. */
  close(): Promise<void> {
    if (this.#fd === -1) return this.#closing ?? Promise.resolve();
    const fd = this.#fd;
    this.#fd = -1;
    const close = promiseForm(this.#operations.close);
    this.#closing = close(fd).then(() => {
      this.#closing = null;
      this.emit('close');
    });
    return this.#closing;
  }

  createReadStream(options?: Readonly<Record<string, unknown>>): ReadStream {
    const { ReadStream } = streamClasses(this.#closingFunctions());
    return new ReadStream('', { ...options, fd: this.fd });
  }

  createWriteStream(options?: Readonly<Record<string, unknown>>): WriteStream {
    const { WriteStream } = streamClasses(this.#closingFunctions());
    return new WriteStream('', { ...options, fd: this.fd });
  }

  readLines(options?: Readonly<Record<string, unknown>>): Interface {
    return createInterface({
      input: this.createReadStream(options),
      crlfDelay: Number.POSITIVE_INFINITY,
    });
  }

  readableWebStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { bytesRead, buffer } = (await this.read(new Uint8Array(READ_BYTES))) as {
          bytesRead: number;
          buffer: Buffer;
        };
        if (bytesRead === 0) controller.close();
        else controller.enqueue(buffer.subarray(0, bytesRead));
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A stream that ends closes the handle, not the number behind its back. */
  #closingFunctions(): StreamFunctions {
    const close = (_fd: number, done: (error?: unknown) => void): void => {
      this.close().then(() => done(), done);
    };
    return { ...this.#streams, close };
  }

  async #call(name: keyof HandleOperations, ...args: unknown[]): Promise<unknown> {
    if (this.#fd === -1) {
      const error = new Error('file closed');
      throw Object.assign(error, { code: 'EBADF', syscall: name });
    }
    return promiseForm(this.#operations[name])(this.#fd, ...args);
  }
}
