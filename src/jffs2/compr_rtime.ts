/**
 * rtime: jffs2's own run-length scheme with a memory. For every byte value it remembers where that
 * byte stood last; each output pair is a byte and how many of the bytes after it repeat what
 * followed the byte's last appearance. The output is the kernel's, byte for byte.
 *
 * Facts: reference jffs2.md §3.3, with vectors.
 */
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { JFFS2_COMPR_RTIME } from './medium.js';

export class jffs2_rtime_comp implements jffs2_compressor {
  readonly name = 'rtime';
  readonly compr = JFFS2_COMPR_RTIME;
  readonly priority = 50;
  /**
   * Index after the last appearance of each byte value. A value not seen yet has 0, which is part
   * of the format: it repeats the buffer's start. 16 bits, also when the data is longer.
   */
  readonly #positions = new Uint16Array(256);

  /** May consume less than it is offered. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const positions = this.#positions.fill(0);
    const { srclen, dstlen } = out;
    // Linux does not try with less room.
    if (dstlen <= 3) return false;
    let pos = 0;
    let outpos = 0;
    while (pos < srclen && outpos + 2 <= dstlen) {
      const value = src[so + pos]!;
      dst[dof + outpos++] = value;
      pos++;
      let back = positions[value]!;
      positions[value] = pos;
      const runEnd = Math.min(srclen, pos + 255);
      const runStart = pos;
      if (back < pos) {
        while (pos < runEnd && src[so + pos] === src[so + back]) {
          pos++;
          back++;
        }
      }
      dst[dof + outpos++] = pos - runStart;
    }
    if (outpos >= pos) return false;
    out.srclen = pos;
    out.dstlen = outpos;
    return true;
  }

  decompress(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean {
    const positions = this.#positions.fill(0);
    const srcEnd = so + srclen;
    let pos = 0;
    while (pos < dstlen) {
      if (so + 2 > srcEnd) return false;
      const value = src[so]!;
      const run = src[so + 1]!;
      so += 2;
      dst[dof + pos++] = value;
      const back = positions[value]!;
      positions[value] = pos;
      if (run > dstlen - pos) return false;
      // The ranges may overlap, and must be copied byte by byte then; back < pos always.
      const from = dof + back;
      const to = dof + pos;
      for (let i = 0; i < run; i++) dst[to + i] = dst[from + i]!;
      pos += run;
    }
    return true;
  }
}
