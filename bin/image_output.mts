/**
 * The file that an image goes into. A regular file that begins with the image is made beside its
 * name and renamed when it is whole: until then what was there stays, and a run that is stopped
 * leaves nothing. Devices, pipes, and files of which the image is but a part are written in place.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { MakefsError } from '../src/makefs/fsnode.js';
import { reasonOf } from '../src/makefs/problems.js';
import { NewFile, unfinished } from '../src/rumpuser/node_new_file.js';
import { nodeSource } from '../src/rumpuser/node_source.js';
import { END_SIGNALS, turn } from './signals.mjs';

const STDOUT = 1;

/** Paths from the command line, as bytes: what is no UTF-8 there Node has replaced already. */
export const toBytes = (path: string): string => Buffer.from(path).toString('latin1');

/** Signals are seen, and the file removed, when the event loop turns: see {@link turn}. */
export class ImageOutput {
  private readonly path: string;
  private readonly offset: number;
  /** What is to be renamed at the end. */
  private file: NewFile | null = null;
  /** Made by us, in place. */
  private isMade = false;
  private fd = -1;
  private position = 0;
  private readonly onSignal = (signal: NodeJS.Signals): void => {
    this.abandon();
    process.kill(process.pid, signal);
  };

  constructor(path: string, offset: number) {
    this.path = path;
    this.offset = offset;
    if (path === '-' && offset > 0) {
      throw new MakefsError('an offset needs a file, not standard output');
    }
  }

  /** What of us may lie in the tree that is packed, by identity, as HostSourceStat has it. */
  traces(): Map<string, string> {
    const found = new Map<string, string>();
    if (this.path === '-') return found;
    const add = (path: string, what: string): void => {
      try {
        found.set(nodeSource.stat(toBytes(path)).identity, what);
      } catch {
        // It is not there, or not any more.
      }
    };
    for (const path of unfinished(this.path)) add(path, 'part of an image that is not finished');
    add(this.path, 'the image');
    return found;
  }

  /** Opens the file with the first call: as long as the source is found wanting, nothing is made. */
  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    this.open();
    const sequential = this.path === '-';
    if (sequential && position !== this.position) {
      throw sequentialOnly();
    }
    for (let done = 0; done < length; ) {
      const at = sequential ? null : this.offset + position + done;
      try {
        done += writeSync(this.fd, buffer, bufferOffset + done, length - done, at);
      } catch (error) {
        // A pipe whose other end is slow, and which somebody set to not waiting.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw this.failed(error);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
    this.position = position + length;
  }

  /** @returns the bytes read; what is behind the end of the file is not */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    this.open();
    if (this.path === '-') throw sequentialOnly();
    let done = 0;
    try {
      while (done < length) {
        const at = this.offset + position + done;
        const count = readSync(this.fd, buffer, bufferOffset + done, length - done, at);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw this.failed(error);
    }
    return done;
  }

  /** The image has so many bytes; a device has those that it has. */
  truncate(sizeBytes: number): void {
    this.open();
    if (this.path === '-') throw sequentialOnly();
    try {
      const { size } = fstatSync(this.fd);
      const end = this.offset + sizeBytes;
      // What lies behind an image within a file stays.
      if (this.file !== null || this.isMade || size < end) ftruncateSync(this.fd, end);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw this.failed(error);
    }
  }

  /** The image is whole. @throws MakefsError */
  async close(): Promise<void> {
    this.open();
    await turn();
    try {
      if (this.file !== null) this.file.commit(false);
      else if (this.path !== '-') closeSync(this.fd);
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.forget();
    }
  }

  /** Half an image is worse than none. */
  abandon(): void {
    if (this.fd < 0) return;
    this.forget();
    if (this.file !== null) this.file.abandon();
    else if (this.path !== '-') {
      closeSync(this.fd);
      if (this.isMade) rmSync(this.path);
    }
  }

  private open(): void {
    if (this.fd >= 0) return;
    if (this.path === '-') {
      this.fd = STDOUT;
      return;
    }
    // Before there is anything to be removed.
    for (const signal of END_SIGNALS) process.on(signal, this.onSignal);
    try {
      this.fd = this.openPath();
    } catch (error) {
      throw this.failed(error);
    } finally {
      if (this.file === null && !this.isMade) this.stopListening();
    }
  }

  private openPath(): number {
    const { path, offset } = this;
    const had = statSync(path, { throwIfNoEntry: false });
    if (had?.isFile() !== false && offset === 0) {
      try {
        this.file = new NewFile(path);
        return this.file.fd;
      } catch (error) {
        // A file that we may write in a directory that we may not.
        const { code = '' } = error as NodeJS.ErrnoException;
        if (had === undefined || !['EACCES', 'EPERM', 'EROFS'].includes(code)) throw error;
      }
    }
    const { O_RDWR, O_CREAT, O_TRUNC } = constants;
    this.isMade = had === undefined;
    if (had?.isFile() === false) return openSync(path, O_RDWR);
    return openSync(path, O_RDWR | O_CREAT | (offset === 0 ? O_TRUNC : 0), 0o666);
  }

  private forget(): void {
    this.fd = -1;
    this.stopListening();
  }

  private stopListening(): void {
    for (const signal of END_SIGNALS) process.off(signal, this.onSignal);
  }

  private failed(error: unknown): unknown {
    if ((error as NodeJS.ErrnoException).code === undefined) return error;
    const name = this.path === '-' ? 'standard output' : this.path;
    return new MakefsError(`${name}: ${reasonOf(error as Error)}`);
  }
}

const sequentialOnly = (): MakefsError =>
  new MakefsError('this type of file system cannot be written to standard output');
