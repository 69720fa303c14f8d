/**
 * The host's file trees, for who builds an image from one: names, attributes, contents, without a
 * symlink ever being followed below the root. Implementations: `node_source.ts`; tests have their
 * own.
 *
 * Paths and names are *bytes*: one character (U+0000…U+00FF) per byte. Failing calls throw
 * {@link HostError} with the host's errno name.
 */

export interface HostSourceStat {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Seconds since 1970, rounded down. */
  readonly mtimeSec: number;
  /** Milliseconds, as exact as the host tells: only good for seeing a change. */
  readonly mtimeMs: number;
  readonly nlink: number;
  /** Equal for two names of one file, and for no two files. */
  readonly identity: string;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

/** A regular file that is being read from its beginning. */
export interface HostSourceFile {
  /** @returns the bytes read at `position`; less than `length` only at the end of the file. */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number;
  stat(): HostSourceStat;
  close(): void;
}

export interface HostSource {
  /** Names in a directory, without "." and "..", in the host's order. */
  list(path: string): string[];
  lstat(path: string): HostSourceStat;
  /** Follows symlinks, as is right for a root that the user names. */
  stat(path: string): HostSourceStat;
  readlink(path: string): string;
  /** Never waits (for the writer of a fifo, say). @throws ELOOP it is a symlink */
  open(path: string): HostSourceFile;
  /**
   * All extended attributes below a directory: path relative to it ('.' is itself) → pairs of full
   * name and value; access control lists in the system call's form.
   * @throws HostError ENOSYS the host has no means to read them; the message says what is missing
   */
  xattrs(root: string): Map<string, (readonly [name: string, value: Uint8Array])[]>;
}
