/**
 * {@link HostCodecs} without a host: the fflate library, for browsers and for simulations whose
 * bytes must be the same everywhere. Node's host uses `node_zlib.ts`, which is three times as fast;
 * nothing that Node starts imports this file (fflate takes 14 ms to load there).
 */
import { inflateSync, zlibSync } from 'fflate';
import type { DeflateOptions } from 'fflate';
import type { HostCodecs } from './rumpuser.js';

export class PortableZlib implements HostCodecs {
  readonly crc32: HostCodecs['crc32'];
  /** Output room with a byte to spare: fflate cuts an output that is too long without a word. */
  #spill = new Uint8Array(4097);

  /** @param crc32 the host's, where there is one: it gives the same numbers everywhere. */
  constructor(crc32?: HostCodecs['crc32']) {
    this.crc32 = crc32;
  }

  deflate(
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstCapacity: number,
    level: number,
  ): number {
    const made = zlibSync(src.subarray(srcOffset, srcOffset + srcLength), {
      level: level as NonNullable<DeflateOptions['level']>,
    });
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
    if (this.#spill.length <= dstCapacity) this.#spill = new Uint8Array(dstCapacity + 1);
    let made: Uint8Array;
    try {
      made = inflateSync(src.subarray(srcOffset, srcOffset + srcLength), {
        out: this.#spill.subarray(0, dstCapacity + 1),
      });
    } catch {
      // fflate throws its own errors, and in some versions a TypeError, on bad data.
      return -1;
    }
    if (made.length > dstCapacity) return -1;
    dst.set(made, dstOffset);
    return made.length;
  }
}
