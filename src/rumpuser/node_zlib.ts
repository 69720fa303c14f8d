/**
 * {@link HostCodecs} on `node:zlib`.
 *
 * The public `deflateSync` makes and frees a zlib state of 270 KB for every call, which costs a
 * sixth of the time on the 4 KiB pieces that a flash file system writes. Node's own streams keep
 * one state in `_handle` and drive it with `writeSync` and `reset`. That pair is the same in Node
 * 20, 22 and 24, but no public interface: it is tried on known data first, its errors included, and
 * where it does not answer as expected the public calls serve instead.
 */
import * as zlib from 'node:zlib';
import type { HostCodecs } from './rumpuser.js';

const { constants, createDeflate, createInflateRaw, deflateSync, inflateRawSync } = zlib;

/** Missing before Node 20.15. */
export const nodeCrc32: HostCodecs['crc32'] = (() => {
  const { crc32 } = zlib as { crc32?: (data: Uint8Array, value: number) => number };
  return (
    crc32 &&
    ((buffer, offset, length, seed) => crc32(buffer.subarray(offset, offset + length), seed))
  );
})();

/** The part of a zlib stream's `_handle` that is used here. */
interface ZlibHandle {
  onerror: (message: string, errno: number, code: string) => void;
  reset(): void;
  writeSync(
    flush: number,
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstLength: number,
  ): void;
}

/** One zlib state that is reset and used again for every call. */
class ReusableStream {
  /** Owns the handle: collecting the stream would close it. */
  readonly stream: object;
  readonly #handle: ZlibHandle;
  /** Bytes of output room and of input left after a write; filled in by the handle. */
  readonly #left: Uint32Array;
  #failed = false;

  /** @throws TypeError when `stream` has not the expected inside. */
  constructor(stream: object) {
    const { _handle: handle, _writeState: left } = stream as {
      _handle?: ZlibHandle;
      _writeState?: unknown;
    };
    if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function') {
      throw new TypeError('a zlib handle without writeSync and reset');
    }
    if (!(left instanceof Uint32Array) || left.length < 2) {
      throw new TypeError('a zlib stream without its write state');
    }
    this.stream = stream;
    this.#handle = handle;
    this.#left = left;
    // Node's own handler would destroy the stream.
    handle.onerror = () => {
      this.#failed = true;
    };
  }

  reset(): void {
    this.#handle.reset();
  }

  /** @returns false when zlib reports an error: bad data, or input that ends too early. */
  finish(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstLength: number,
  ): boolean {
    this.#failed = false;
    this.#handle.writeSync(
      constants.Z_FINISH,
      src,
      srcOffset,
      srcLength,
      dst,
      dstOffset,
      dstLength,
    );
    return !this.#failed;
  }

  roomLeft(): number {
    return this.#left[0]!;
  }

  inputLeft(): number {
    return this.#left[1]!;
  }
}

/** Node's handles abort the process on a bad range; a mistake shall be an exception. */
function checkRange(buffer: Uint8Array, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= buffer.length)) {
    throw new RangeError(`range ${offset}+${length} outside a buffer of ${buffer.length} bytes`);
  }
}

/**
 * A deflate state and what its window still holds of earlier data.
 *
 * Node's zlib (Chromium's) hashes four bytes at every place, the last three of the data included,
 * and so looks at up to three bytes behind the end. After a reset those are what longer data left
 * there, and matches near the end come out one way or another: the same data would not always make
 * the same stream. Zeros are what a new state has there, and what is put there before shorter data
 * comes.
 */
class Deflater {
  readonly stream: ReusableStream;
  /** Bytes of the window that may be other than zero. */
  #usedBytes = 0;
  #zeros = new Uint8Array(0);
  #sink = new Uint8Array(0);

  constructor(level: number) {
    this.stream = new ReusableStream(createDeflate({ level }));
  }

  /** Makes the state as good as new for data of this length. */
  reset(srcLength: number): void {
    this.stream.reset();
    if (srcLength < this.#usedBytes) {
      const length = this.#usedBytes;
      if (this.#zeros.length < length) {
        this.#zeros = new Uint8Array(length);
        this.#sink = new Uint8Array(length + 64);
      }
      this.stream.finish(this.#zeros, 0, length, this.#sink, 0, this.#sink.length);
      this.stream.reset();
      this.#usedBytes = 0;
    }
    this.#usedBytes = Math.max(this.#usedBytes, srcLength);
  }
}

/** The fast way. One deflate state per level, made when first asked for. */
class HandleZlib implements HostCodecs {
  readonly crc32 = nodeCrc32;
  readonly #deflaters: (Deflater | undefined)[] = [];
  readonly #inflater = new ReusableStream(createInflateRaw());
  readonly #spill = new Uint8Array(1);

  deflate(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
    level: number,
  ): number {
    checkRange(src, srcOffset, srcLength);
    checkRange(dst, dstOffset, dstCapacity);
    let deflater = this.#deflaters[level];
    if (deflater === undefined) {
      deflater = new Deflater(level);
      this.#deflaters[level] = deflater;
    }
    deflater.reset(srcLength);
    const { stream } = deflater;
    if (!stream.finish(src, srcOffset, srcLength, dst, dstOffset, dstCapacity)) return -1;
    // No room left: more may be waiting inside.
    return stream.roomLeft() === 0 ? -1 : dstCapacity - stream.roomLeft();
  }

  inflateRaw(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
  ): number {
    checkRange(src, srcOffset, srcLength);
    checkRange(dst, dstOffset, dstCapacity);
    const stream = this.#inflater;
    stream.reset();
    if (!stream.finish(src, srcOffset, srcLength, dst, dstOffset, dstCapacity)) return -1;
    if (stream.roomLeft() !== 0) return dstCapacity - stream.roomLeft();
    // Full to the brim, and zlib does not say whether it is done: ask for one byte more.
    const rest = stream.inputLeft();
    const more = stream.finish(src, srcOffset + srcLength - rest, rest, this.#spill, 0, 1);
    return more && stream.roomLeft() === 1 ? dstCapacity : -1;
  }
}

/** The slow way, by public calls only. */
class PublicZlib implements HostCodecs {
  readonly crc32 = nodeCrc32;

  deflate(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
    level: number,
  ): number {
    const made = deflateSync(src.subarray(srcOffset, srcOffset + srcLength), { level });
    if (made.length > dstCapacity) return -1;
    dst.set(made, dstOffset);
    return made.length;
  }

  inflateRaw(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
  ): number {
    try {
      const made = inflateRawSync(src.subarray(srcOffset, srcOffset + srcLength), {
        maxOutputLength: Math.max(1, dstCapacity),
      });
      if (made.length > dstCapacity) return -1;
      dst.set(made, dstOffset);
      return made.length;
    } catch {
      // Z_DATA_ERROR, Z_BUF_ERROR or ERR_BUFFER_TOO_LARGE: all of them mean refused.
      return -1;
    }
  }
}

/** Does the fast way do what the contract says, the refusals too, and recover from them? */
function handlesWork(codecs: HostCodecs): boolean {
  const plain = new Uint8Array(600);
  for (let i = 0; i < plain.length; i++) plain[i] = (i * i) >> 5;
  const packed = new Uint8Array(900);
  const back = new Uint8Array(plain.length + 8);
  for (let round = 0; round < 2; round++) {
    const length = codecs.deflate(plain, 0, plain.length, packed, 1, packed.length - 1, 3);
    if (length < 8 || codecs.deflate(plain, 0, plain.length, packed, 1, length >> 1, 3) !== -1) {
      return false;
    }
    codecs.deflate(plain, 0, plain.length, packed, 1, packed.length - 1, 3);
    // Raw data lies between the header of two bytes and the checksum of four.
    const inflate = (bytes: number, capacity: number) =>
      codecs.inflateRaw(packed, 3, bytes, back, 0, capacity);
    if (inflate(length - 6, plain.length - 1) !== -1) return false;
    if (inflate(length - 20, plain.length) !== -1) return false;
    if (inflate(length - 6, plain.length + 8) !== plain.length) return false;
    if (inflate(length - 2, plain.length) !== plain.length) return false;
    for (let i = 0; i < plain.length; i++) if (plain[i] !== back[i]) return false;
    if (codecs.inflateRaw(plain, 255, 300, back, 0, back.length) !== -1) return false;
  }
  return true;
}

/** Node's zlib. `publicOnly` keeps off the handles (for tests and as a last resort). */
export function nodeZlib(publicOnly = false): HostCodecs {
  if (!publicOnly) {
    try {
      const fast = new HandleZlib();
      if (handlesWork(fast)) return fast;
    } catch {
      // The insides have changed (TypeError): not an error, only slower.
    }
  }
  return new PublicZlib();
}
