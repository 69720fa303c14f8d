/**
 * The third backend: windows of the file that stay in memory, as the paper maps them: 16 of 1 MiB,
 * of which the least recently used one makes room. What is written goes to its window, and to the
 * host when the window goes or at a flush: so the order in which it arrives there is no promise but
 * that of flush().
 */
import type { HostFile } from '../../rumpuser/rumpuser.js';
import { disk_check, diskErrorOfHost, read_fully, type disk } from './disk.js';

export const WINDOW_BYTES = 1 << 20;
export const WINDOW_COUNT = 16;

interface window {
  readonly position: number;
  readonly bytes: Uint8Array;
  /** What was written and is not in the file: from … to; none when they are equal. */
  dirty_from: number;
  dirty_to: number;
}

export class disk_window implements disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  private readonly file: HostFile;
  private readonly window_bytes: number;
  private readonly window_count: number;
  /** By number; a Map keeps the order of insertion, which is that of the last use here. */
  private readonly windows = new Map<number, window>();

  /** @param window_bytes a power of two. */
  constructor(
    file: HostFile,
    readOnly: boolean,
    window_bytes = WINDOW_BYTES,
    window_count = WINDOW_COUNT,
  ) {
    this.file = file;
    this.name = file.path;
    this.sizeBytes = file.size();
    this.readOnly = readOnly;
    this.window_bytes = window_bytes;
    this.window_count = window_count;
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    this.pieces(position, length, (window, at, count, done) => {
      buf.set(window.bytes.subarray(at, at + count), off + done);
    });
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    this.pieces(position, length, (window, at, count, done) => {
      window.bytes.set(buf.subarray(off + done, off + done + count), at);
      const isClean = window.dirty_from === window.dirty_to;
      window.dirty_from = isClean ? at : Math.min(window.dirty_from, at);
      window.dirty_to = isClean ? at + count : Math.max(window.dirty_to, at + count);
    });
  }

  flush(): void {
    if (this.readOnly) return;
    for (const window of this.windows.values()) this.clean(window);
    try {
      this.file.sync();
    } catch (error) {
      throw diskErrorOfHost(error);
    }
  }

  /** Writes what is in the windows, as the end of a process with a mapping does. */
  close(): void {
    try {
      for (const window of this.windows.values()) this.clean(window);
    } finally {
      this.file.close();
    }
  }

  private pieces(
    position: number,
    length: number,
    piece: (window: window, at: number, count: number, done: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const number = Math.floor((position + done) / this.window_bytes);
      const at = position + done - number * this.window_bytes;
      const count = Math.min(this.window_bytes - at, length - done);
      piece(this.window(number), at, count, done);
      done += count;
    }
  }

  private window(number: number): window {
    let window = this.windows.get(number);
    if (window !== undefined) {
      this.windows.delete(number);
      this.windows.set(number, window);
      return window;
    }
    let bytes: Uint8Array | undefined;
    if (this.windows.size >= this.window_count) {
      const [[oldest, leaving]] = this.windows as unknown as [[number, window]];
      this.clean(leaving);
      this.windows.delete(oldest);
      if (leaving.bytes.length === this.window_bytes) bytes = leaving.bytes;
    }
    const position = number * this.window_bytes;
    const length = Math.min(this.window_bytes, this.sizeBytes - position);
    if (bytes === undefined || length !== bytes.length) bytes = new Uint8Array(length);
    read_fully(this.file, bytes, 0, length, position);
    window = { position, bytes, dirty_from: 0, dirty_to: 0 };
    this.windows.set(number, window);
    return window;
  }

  private clean(window: window): void {
    const { position, bytes, dirty_from, dirty_to } = window;
    if (dirty_from === dirty_to) return;
    try {
      this.file.write(bytes, dirty_from, dirty_to - dirty_from, position + dirty_from);
    } catch (error) {
      throw diskErrorOfHost(error);
    }
    window.dirty_from = window.dirty_to = 0;
  }
}
