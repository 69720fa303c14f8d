/**
 * A disk, as a file system sees it: bytes at positions. rumpblk of the rump kernel, with the
 * paper's three ways to reach the host's file (`backend_*.ts`).
 *
 * What every backend promises:
 * - A read answers what was written last, on stable storage or not.
 * - Writes that overlap reach the host in the order in which they were given; others in any order.
 * - flush() returns when everything written before it is on stable storage, and nothing written
 *   after it is there earlier than what was written before it.
 */
import { NetbsdErrno } from '../errno.js';
import { HostError, type HostFile } from '../../rumpuser/rumpuser.js';

/** Bytes that are read, written and flushed: a disk, a partition of one, an image. */
export interface disk {
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** @throws EIO the host cannot; ENXIO behind the end. */
  read(buf: Uint8Array, off: number, length: number, position: number): void;
  /** The bytes may be used again when it returns. @throws EIO; ENXIO; EROFS. */
  write(buf: Uint8Array, off: number, length: number, position: number): void;
  /** DIOCCACHESYNC. @throws EIO: then what was written since the last flush may be lost. */
  flush(): void;
  /** Flushes nothing. */
  close(): void;
}

/** @throws ENXIO, EROFS. */
export function disk_check(
  { name, sizeBytes, readOnly }: Pick<disk, 'name' | 'sizeBytes' | 'readOnly'>,
  length: number,
  position: number,
  isWrite: boolean,
): void {
  if (position < 0 || position + length > sizeBytes) {
    const end = position + length;
    throw new NetbsdErrno('ENXIO', `${name}: bytes ${position} to ${end} of ${sizeBytes}`);
  }
  if (isWrite && readOnly) throw new NetbsdErrno('EROFS', name);
}

/** Whatever ails the host: to the file system above, the disk has failed. */
export function diskErrorOfHost(error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  return new NetbsdErrno('EIO', `${error.code}: ${error.message}`);
}

/** Reads all of it: what a host's file does not hold any more (it was cut short) is EIO. */
export function read_fully(
  file: HostFile,
  buf: Uint8Array,
  off: number,
  length: number,
  position: number,
): void {
  try {
    const count = file.read(buf, off, length, position);
    if (count < length) throw new NetbsdErrno('EIO', `${file.path} ends at ${position + count}`);
  } catch (error) {
    throw diskErrorOfHost(error);
  }
}

const ZERO_CHUNK_BYTES = 1 << 18;

/** The range reads as zeros afterwards; what does already, is not written, and may stay a hole. */
export function disk_zero(disk: disk, length: number, position: number): void {
  const chunk = new Uint8Array(Math.min(ZERO_CHUNK_BYTES, length));
  for (let done = 0; done < length; ) {
    const count = Math.min(chunk.length, length - done);
    disk.read(chunk, 0, count, position + done);
    if (chunk.subarray(0, count).some((byte) => byte !== 0)) {
      chunk.fill(0);
      disk.write(chunk, 0, count, position + done);
    }
    done += count;
  }
}

/** A part of a disk: a partition. */
export class disk_slice implements disk {
  readonly name: string;
  readonly sizeBytes: number;
  private readonly whole: disk;
  private readonly start: number;

  constructor(whole: disk, start: number, sizeBytes: number, name: string) {
    this.whole = whole;
    this.start = start;
    this.sizeBytes = sizeBytes;
    this.name = name;
  }

  get readOnly(): boolean {
    return this.whole.readOnly;
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    this.whole.read(buf, off, length, this.start + position);
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    this.whole.write(buf, off, length, this.start + position);
  }

  flush(): void {
    this.whole.flush();
  }

  close(): void {
    this.whole.close();
  }
}
