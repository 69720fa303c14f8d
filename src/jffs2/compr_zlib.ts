/**
 * zlib: what nearly every jffs2 image is compressed with. The compressor itself is the host's.
 *
 * The stream need not be the kernel's byte for byte: the kernel feeds its deflate in two pieces
 * with a flush between them, since it cannot know what fits. Ours is a plain stream, a little
 * smaller, that any reader takes.
 *
 * Facts: reference jffs2.md §3.4.
 */
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { JFFS2_COMPR_ZLIB } from './medium.js';

/** Linux's level. Higher ones cost two to ten times the time for 1 to 3 % of the size. */
const DEFAULT_LEVEL = 3;
/** Header (2) and checksum (4) of a stream, and the least that deflated data can take. */
const STREAM_OVERHEAD = 12;
/** Attempts to find the longest beginning that fits into too small a room. */
const FIT_ATTEMPTS = 4;

export class jffs2_zlib_comp implements jffs2_compressor {
  readonly name = 'zlib';
  readonly compr = JFFS2_COMPR_ZLIB;
  readonly priority = 60;
  readonly #codecs: HostCodecs;
  readonly #level: number;
  /** Room for a stream that is longer than the caller's room. */
  #scratch = new Uint8Array(0);

  constructor(codecs: HostCodecs, level = DEFAULT_LEVEL) {
    this.#codecs = codecs;
    this.#level = level;
  }

  /** May consume less than it is offered, when the room is smaller than the data. */
  compress(
    src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths,
  ): boolean {
    const { srclen, dstlen } = out;
    if (dstlen <= STREAM_OVERHEAD || srclen <= STREAM_OVERHEAD) return false;
    if (dstlen < srclen) return this.#compressToFit(src, so, dst, dof, out);
    // srclen - 1: a stream as long as the data is of no use.
    const produced = this.#codecs.deflate(src, so, srclen, dst, dof, srclen - 1, this.#level);
    if (produced < 0) return false;
    out.dstlen = produced;
    return true;
  }

  /**
   * The room is the rest of an erase block. All of the data may still fit; when it does not, the
   * length of the whole stream tells about how much will. This happens once per erase block, so a
   * few attempts do no harm; the best of them stays in `dst`.
   */
  #compressToFit(
    src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths,
  ): boolean {
    const { srclen, dstlen } = out;
    // Stored blocks add 5 bytes per 16 KiB or so: this always holds the stream.
    const capacity = srclen + (srclen >>> 8) + 64;
    if (this.#scratch.length < capacity) this.#scratch = new Uint8Array(capacity);
    const scratch = this.#scratch;
    let length = srclen;
    let fits = 0;
    let fitsProduced = 0;
    let tooLong = srclen + 1;
    for (let attempt = 0; attempt < FIT_ATTEMPTS; attempt++) {
      const produced = this.#codecs.deflate(src, so, length, scratch, 0, capacity, this.#level);
      if (produced < 0) break;
      if (produced <= dstlen) {
        dst.set(scratch.subarray(0, produced), dof);
        fits = length;
        fitsProduced = produced;
      } else {
        tooLong = length;
      }
      // Compressed size grows a little slower than length: aim just below the proportion.
      const next = Math.floor((length * (dstlen - 2)) / produced);
      if (next <= fits + 8 || fits === srclen) break;
      length = next < tooLong ? next : (fits + tooLong) >>> 1;
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
    src: Uint8Array, so: number, srclen: number, dst: Uint8Array, dof: number, dstlen: number,
  ): boolean {
    let header = 0;
    if (srclen > 2) {
      const cmf = src[so]!;
      const flg = src[so + 1]!;
      const isDeflate = (cmf & 0x0f) === 8 && cmf >>> 4 <= 7;
      const hasDictionary = (flg & 0x20) !== 0;
      if (isDeflate && !hasDictionary && ((cmf << 8) | flg) % 31 === 0) header = 2;
    }
    return (
      this.#codecs.inflateRaw(src, so + header, srclen - header, dst, dof, dstlen) === dstlen
    );
  }
}
