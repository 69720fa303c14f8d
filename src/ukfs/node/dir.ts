/** Directory entries and open directories. */
import { Buffer } from 'node:buffer';
import { posix } from 'node:path';
import type { PathLike } from '../error.js';
import { O_DIRECTORY, O_RDONLY } from '../flags.js';
import type { Ukfs, UkfsDirent } from '../ukfs.js';
import {
  encoded,
  pathBytes,
  toFunction,
  toInteger,
  type Encoding,
  type Options,
} from './arguments.js';
import { dirClosed } from './errors.js';
import { turn } from './forms.js';

const BUFFERED_ENTRIES = 32;
const UINT32_MAX = 2 ** 32 - 1;

const DT_FIFO = 1;
const DT_CHR = 2;
const DT_DIR = 4;
const DT_BLK = 6;
const DT_REG = 8;
const DT_LNK = 10;
const DT_SOCK = 12;

export class Dirent {
  readonly name: string | Buffer;
  readonly parentPath: string | Buffer;
  /** Node's old name of parentPath. */
  readonly path: string | Buffer;
  readonly #type: number;

  /** @param type DT_ number */
  constructor(name: string | Buffer, type: number, parentPath: string | Buffer) {
    this.name = name;
    this.parentPath = parentPath;
    this.path = parentPath;
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === DT_REG;
  }
  isDirectory(): boolean {
    return this.#type === DT_DIR;
  }
  isSymbolicLink(): boolean {
    return this.#type === DT_LNK;
  }
  isFIFO(): boolean {
    return this.#type === DT_FIFO;
  }
  isSocket(): boolean {
    return this.#type === DT_SOCK;
  }
  isBlockDevice(): boolean {
    return this.#type === DT_BLK;
  }
  isCharacterDevice(): boolean {
    return this.#type === DT_CHR;
  }
}

/** A name below a directory: text as long as both are, bytes otherwise. */
export function childOf(directory: PathLike, { name, bytes }: UkfsDirent): PathLike {
  const isText = typeof directory === 'string' && Buffer.from(name).equals(bytes);
  if (isText) return posix.join(directory, name);
  return Buffer.concat([pathBytes(directory), Buffer.from('/'), bytes]);
}

/** The entry's DT_ number; the inode knows, where the directory does not say. */
export function typeOf(u: Ukfs, directory: PathLike, entry: UkfsDirent): number {
  if (entry.type !== 0) return entry.type;
  return (u.lstat(childOf(directory, entry)).mode & 0o170000) >> 12;
}

export function toDirent(
  u: Ukfs,
  directory: PathLike,
  entry: UkfsDirent,
  encoding: Encoding | null | undefined,
): Dirent {
  const parent =
    encoding === 'buffer' ? pathBytes(directory) : pathBytes(directory).toString('utf8');
  return new Dirent(encoded(entry.bytes, encoding), typeOf(u, directory, entry), parent);
}

/** An open directory that is read from; with `recursive`, those below it follow. */
interface Level {
  readonly fd: number;
  readonly path: PathLike;
  next: number;
  eof: boolean;
  readonly entries: UkfsDirent[];
}

type ReadCallback = (error: unknown, entry?: Dirent | null) => void;

export class Dir implements AsyncIterable<Dirent> {
  readonly #u: Ukfs;
  readonly #path: PathLike;
  readonly #encoding: Encoding | null | undefined;
  readonly #bufferSize: number;
  readonly #isRecursive: boolean;
  readonly #waiting: PathLike[] = [];
  #level: Level | null;

  constructor(u: Ukfs, path: PathLike, { encoding, bufferSize, recursive }: Options) {
    this.#u = u;
    this.#path = path;
    this.#encoding = encoding;
    this.#bufferSize = bufferSize as number;
    this.#isRecursive = recursive === true;
    this.#level = this.#open(path);
  }

  /** @throws ERR_OUT_OF_RANGE for a bufferSize below 1. */
  static options(options: Options): Options {
    const { bufferSize = BUFFERED_ENTRIES } = options;
    const size = toInteger(bufferSize, 'options.bufferSize', 1, UINT32_MAX);
    return { ...options, bufferSize: size };
  }

  get path(): string {
    return pathBytes(this.#path).toString('utf8');
  }

  /** @returns null at the end. */
  readSync(): Dirent | null {
    let level = this.#opened();
    for (;;) {
      const entry = level.entries.shift();
      if (entry !== undefined) return this.#emit(level.path, entry);
      if (!level.eof) {
        const { entries, next, eof } = this.#u.readEntries(level.fd, level.next, this.#bufferSize);
        level.entries.push(...entries);
        level.next = next;
        level.eof = eof || entries.length === 0;
        continue;
      }
      const below = this.#waiting.shift();
      if (below === undefined) return null;
      this.#u.close(level.fd);
      level = this.#level = this.#open(below);
    }
  }

  closeSync(): void {
    const { fd } = this.#opened();
    this.#level = null;
    this.#u.close(fd);
  }

  read(): Promise<Dirent | null>;
  read(callback: ReadCallback): void;
  read(callback?: ReadCallback): Promise<Dirent | null> | undefined {
    const read = async (): Promise<Dirent | null> => {
      this.#opened();
      await turn();
      return this.readSync();
    };
    if (callback === undefined) return read();
    toFunction(callback);
    this.#opened();
    read().then(
      (entry) => setImmediate(callback, null, entry),
      (error) => setImmediate(callback, error),
    );
    return undefined;
  }

  close(): Promise<void>;
  close(callback: (error: unknown) => void): void;
  close(callback?: (error: unknown) => void): Promise<void> | undefined {
    if (callback === undefined) return Promise.resolve().then(() => this.closeSync());
    toFunction(callback);
    this.closeSync();
    setImmediate(callback, null);
    return undefined;
  }

  async *entries(): AsyncGenerator<Dirent, void, void> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Dirent, void, void> {
    return this.entries();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#level !== null) await this.close();
  }

  [Symbol.dispose](): void {
    if (this.#level !== null) this.closeSync();
  }

  #opened(): Level {
    if (this.#level === null) throw dirClosed();
    return this.#level;
  }

  #open(path: PathLike): Level {
    const fd = this.#u.openFor('opendir', path, O_RDONLY | O_DIRECTORY);
    return { fd, path, next: 0, eof: false, entries: [] };
  }

  #emit(directory: PathLike, entry: UkfsDirent): Dirent {
    const dirent = toDirent(this.#u, directory, entry, this.#encoding);
    if (this.#isRecursive && dirent.isDirectory()) this.#waiting.push(childOf(directory, entry));
    return dirent;
  }
}
