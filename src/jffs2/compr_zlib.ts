/**
 * zlib: what nearly every jffs2 image is compressed with. The compressor itself is the host's.
 *
 * The stream need not be the kernel's byte for byte: the kernel feeds its deflate in two pieces
 * with a flush between them, since it cannot know what fits. Ours is a plain stream, a little
 * smaller, that any reader takes.
 *
 * Facts: reference jffs2.md §3.4.
 */
import type { Lump } from '../lump/lump.js';
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { JFFS2_COMPR_ZLIB } from './medium.js';

/** The host's DEFLATE, as lump hands it on. */
export type host_zlib = NonNullable<Lump['host']['codecs']>;

/** Linux's level. Higher ones cost two to ten times the time for 1 to 3 % of the size. */
const DEFAULT_LEVEL = 3;
/** Header (2) and checksum (4) of a stream, and the least that deflated data can take. */
const STREAM_OVERHEAD = 12;
/** Attempts to find the longest beginning that fits into too small a room; most need three. */
const FIT_ATTEMPTS = 6;

export class jffs2_zlib_comp implements jffs2_compressor {
  readonly name = 'zlib';
  readonly compr = JFFS2_COMPR_ZLIB;
  readonly priority = 60;
  readonly #zlib: host_zlib;
  readonly #level: number;
  /** Room for a stream that is longer than the caller's room. */
  #scratch = new Uint8Array(0);

  constructor(zlib: host_zlib, level = DEFAULT_LEVEL) {
    this.#zlib = zlib;
    this.#level = level;
  }

  /** May consume less than it is offered, when the room is smaller than the data. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const { srclen, dstlen } = out;
    if (dstlen <= STREAM_OVERHEAD || srclen <= STREAM_OVERHEAD) return false;
    if (dstlen < srclen) return this.#compressToFit(src, so, dst, dof, out);
    // srclen - 1: a stream as long as the data is of no use.
    const produced = this.#zlib.deflate(src, so, srclen, dst, dof, srclen - 1, this.#level);
    if (produced < 0) return false;
    out.dstlen = produced;
    return true;
  }

  /**
   * The room is the rest of an erase block: looks for about the longest beginning whose stream
   * fits. A beginning that fits and one that does not close in on it; each guess lies on the line
   * between the two, a little below the room. It happens once per erase block.
   */
  #compressToFit(
    src: Uint8Array,
    so: number,
    dst: Uint8Array,
    dof: number,
    out: compr_lengths,
  ): boolean {
    const { srclen, dstlen } = out;
    // What does not compress grows by 5 bytes per stored block; this always holds the stream.
    const capacity = srclen + (srclen >>> 8) + 64;
    if (this.#scratch.length < capacity) this.#scratch = new Uint8Array(capacity);
    const scratch = this.#scratch;
    const target = dstlen - (dstlen >>> 6);
    let fits = 0;
    let fitsProduced = STREAM_OVERHEAD;
    let tooLong = srclen;
    let tooLongProduced = 0;
    let length = srclen;
    for (let attempt = 0; attempt < FIT_ATTEMPTS; attempt++) {
      const produced = this.#zlib.deflate(src, so, length, scratch, 0, capacity, this.#level);
      if (produced < 0) break;
      if (produced <= dstlen) {
        dst.set(scratch.subarray(0, produced), dof);
        fits = length;
        fitsProduced = produced;
        if (fits === srclen || produced >= target) break;
      } else {
        tooLong = length;
        tooLongProduced = produced;
      }
      const share = (target - fitsProduced) / (tooLongProduced - fitsProduced);
      length = fits + Math.floor((tooLong - fits) * share);
      if (length <= fits || length >= tooLong) break;
    }
    if (fitsProduced >= fits) return false;
    out.srclen = fits;
    out.dstlen = fitsProduced;
    return true;
  }

  /**
   * Takes any window size and level, and does not verify the checksum, as Linux: data_crc has done
   * that. A payload without a zlib header is tried as bare deflate data.
   */
  decompress(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean {
    let header = 0;
    if (srclen > 2) {
      const cmf = src[so]!;
      const flg = src[so + 1]!;
      const isDeflate = (cmf & 0x0f) === 8 && cmf >>> 4 <= 7;
      const hasDictionary = (flg & 0x20) !== 0;
      if (isDeflate && !hasDictionary && ((cmf << 8) | flg) % 31 === 0) header = 2;
    }
    return this.#zlib.inflateRaw(src, so + header, srclen - header, dst, dof, dstlen) === dstlen;
  }
}
