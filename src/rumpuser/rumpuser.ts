/**
 * The host seam: every service that the emulated kernel takes from its host goes through this one
 * numbered interface. NetBSD's rumpuser(3) is the model; the calls that only make sense for C
 * (malloc, dynamic loading, threads) are left out, see DIFFERENCES.md.
 *
 * Three implementations exist: `node.ts` (the real host), `simulated.ts` (virtual time, seeded
 * randomness, files in memory, faults) and `browser.ts` (no files but those handed in). Nothing
 * outside this folder may touch the clock, randomness, files or `node:*`, except `src/fuse` and
 * `bin/`, which are the process's edge.
 *
 * All calls are synchronous. A failing host call throws {@link HostError} with the host's errno
 * name (`ENOENT`, `EACCES`, ...); nothing else escapes.
 * @module rumpuser/rumpuser
 */

/** The version that callers are built against; {@link Rumpuser.version} must equal it. */
export const RUMPUSER_VERSION = 17;

/** A host call failed. `code` is the errno's name on the host, `path` what it was about. */
export class HostError extends Error {
  readonly code: string;
  readonly path: string | undefined;
  constructor(code: string, message: string, path?: string) {
    super(message);
    this.name = 'HostError';
    this.code = code;
    this.path = path;
  }
}

/** `read`: O_RDONLY. `write`: O_RDWR. Neither creates nor truncates; `create` is O_RDWR|O_CREAT. */
export type OpenMode = 'read' | 'write' | 'create';

/** An open host file. Offsets and lengths are in bytes and may exceed 2^32. */
export interface HostFile {
  readonly path: string;
  /** Size in bytes now. For a block device, the device's size. */
  size(): number;
  /**
   * Reads up to `length` bytes at `position` into `buffer` from `bufferOffset`.
   * @returns the bytes read; less than `length` only at the end of the file.
   */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number;
  /** Writes all of `length` bytes or throws (ENOSPC, EIO, EBADF on a read-only file). */
  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void;
  /** To so many bytes; what is new reads as zeros. Fails with EINVAL, EFBIG, ENOSPC. */
  truncate(sizeBytes: number): void;
  /** fdatasync(2): what was written is on stable storage when this returns. */
  sync(): void;
  /** Gives the descriptor back. A second call does nothing. */
  close(): void;
}

/** What a path of the host is. */
export interface HostFileInfo {
  /** NetBSD's rumpuser_getfileinfo kinds, with symlinks followed. */
  readonly type: 'regular' | 'directory' | 'block' | 'char' | 'other';
  readonly sizeBytes: number;
}

/** A lock that was granted. */
export interface HostLock {
  /** Gives it back. A second call does nothing. */
  unlock(): void;
}

/**
 * DEFLATE as the host offers it. Every call is synchronous, takes and fills ranges of the caller's
 * buffers, and never touches a byte outside them. -1 is the answer to all that data can do wrong; a
 * range outside its buffer is the caller's mistake, and may be answered with a RangeError.
 */
export interface HostCodecs {
  /**
   * Compresses `src[srcOffset … +srcLength)` into a whole zlib stream (RFC 1950) at `dstOffset`.
   * `level` is zlib's, 0–9.
   * @returns the bytes written; -1 when the stream does not fit `dstCapacity`. A stream that would
   *   fill the capacity to the last byte may be refused too.
   */
  deflate(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
    level: number,
  ): number;
  /**
   * Decompresses raw DEFLATE data (RFC 1951: no header, no checksum) made with any window size.
   * Bytes that follow the end of the stream are ignored.
   * @returns the bytes written; -1 when the stream is malformed, is cut short, or holds more than
   *   `dstCapacity` bytes. What was written up to then stays.
   */
  inflateRaw(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
  ): number;
  /** As {@link Rumpuser.crc32}: zlib's, inverted on both sides; absent where the host has none. */
  readonly crc32?:
    | ((buffer: Uint8Array, offset: number, length: number, seed: number) => number)
    | undefined;
}

/** The services of a host. Times in milliseconds, sizes in bytes. */
export interface Rumpuser {
  readonly version: number;
  readonly name: 'node' | 'simulated' | 'browser';
  /** Missing when the host has no compressor: file systems then do without zlib. */
  readonly codecs?: HostCodecs;

  /**
   * zlib's crc32 of `length` bytes of `buffer` from `offset`, continuing `seed` (0 to begin).
   * Missing when the host has none that is faster than JavaScript's.
   */
  crc32?(buffer: Uint8Array, offset: number, length: number, seed: number): number;

  /** Wall clock: milliseconds since 1970, fractional (at least microsecond resolution if had). */
  wallClockMs(): number;
  /** Monotonic clock in milliseconds, fractional, from an arbitrary start. */
  monotonicMs(): number;
  /** Blocks the caller that long (simulated: advances virtual time). */
  sleepMs(milliseconds: number): void;

  /** Fills the whole of `buffer` with random bytes. */
  getrandom(buffer: Uint8Array): void;
  /** A parameter of the environment, or undefined. */
  getparam(name: string): string | undefined;

  /** Fails with ENOENT, EACCES, EISDIR, EROFS. */
  open(path: string, mode: OpenMode): HostFile;
  /** Symbolic links are followed. Fails with ENOENT, EACCES. */
  getfileinfo(path: string): HostFileInfo;
  /**
   * Takes an advisory whole-file lock that lasts until `unlock` or the end of the process:
   * 'exclusive' for a writer, 'shared' for readers. Never waits. It must also hold between two
   * opens inside this process.
   * @throws HostError EWOULDBLOCK, its message naming the holder's pid where the host tells.
   */
  lock(path: string, kind: 'shared' | 'exclusive'): HostLock;
  /** Reads a whole small file. */
  readFile(path: string): Uint8Array;
  /** Replaces a file at once: after a crash it holds the old or the new bytes, never a mixture. */
  replaceFile(path: string, bytes: Uint8Array): void;
  /** Appends to a file, creating it when it is missing. */
  appendFile(path: string, bytes: Uint8Array): void;
  /** Takes a name away. Fails with ENOENT, EACCES, EISDIR. */
  unlink(path: string): void;

  /** One line of console output, without its newline. Level as in printk: 0 emergency … 7 debug. */
  console(level: number, line: string): void;
  /**
   * Asks to be called again when the host is idle, at the earliest after `delayMs`; the latest
   * request replaces earlier ones. The FUSE session honours it between requests; a library host
   * may ignore it, since waiting callers run the background threads themselves.
   */
  requestIdle(callback: (() => void) | null, delayMs: number): void;
}
