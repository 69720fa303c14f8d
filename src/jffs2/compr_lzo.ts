/**
 * lzo: LZO1X, bitstream version 0, without header or length; the stream ends with 11 00 00.
 *
 * The compressor is of the LZO1X-1 kind: a greedy parser with one hash slot per prefix of four
 * bytes, which strides faster and faster through data that does not match. The decompressor reads
 * any LZO1X stream, those of mkfs.jffs2 (LZO1X-999) included, but no LZO-RLE.
 *
 * An instruction names a match and the number S of literals (0–3) that follow it; longer literal
 * runs are instructions of their own. What the low instruction bytes 0–15 mean depends on S:
 *
 *     first byte of the stream, ≥ 18: a run of b−17 literals
 *     0…15 after S = 0      literal run of b+3, or, for b = 0, of ext(15)+3
 *     0…15 after S = 1…3    match of 2, distance 1…1024
 *     0…15 after a run      match of 3, distance 2049…3072
 *     16…31                 match of 2 + (b&7 or ext(7)), distance 16384…49151; 16384 is the end
 *     32…63                 match of 2 + (b&31 or ext(31)), distance 1…16384
 *     64…255                match of (b>>5)+1, distance 1…2048
 *
 * ext(k) is k, plus 255 for each zero byte, plus the first byte that is not zero.
 *
 * Facts: reference jffs2.md §3.5.
 */
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { DataViewCache } from './data_view_cache.js';
import { JFFS2_COMPR_LZO } from './medium.js';

const HASH_BITS = 13;
/** The stride through data without matches grows by one every 32 bytes. */
const SKIP_SHIFT = 5;
/** Longest match and distance of the short form (64…255). */
const M2_MAX_LEN = 8;
const M2_MAX_DISTANCE = 0x0800;
/** The middle form (32…63): longest length without extension, and distance. */
const M3_MAX_LEN = 33;
const M3_MAX_DISTANCE = 0x4000;
/** The far form (16…31). */
const M4_MAX_LEN = 9;
const M4_MAX_DISTANCE = 0xbfff;
const M4_MARKER = 16;
const M3_MARKER = 32;
/** Longest literal run that the first byte of a stream can announce. */
const FIRST_RUN_MAX = 238;
/** 11 00 00: a far match of distance 16384 and length 3. */
const END_BYTES = 3;
/** S after a literal run instruction: fewer would have gone into the match before. */
const AFTER_RUN = 4;

export class jffs2_lzo_comp implements jffs2_compressor {
  readonly name = 'lzo';
  readonly compr = JFFS2_COMPR_LZO;
  readonly priority = 80;
  /**
   * By hash of four bytes: where they stood last. Positions count on from call to call
   * ({@link #base}): what earlier calls left lies below the base, and nothing need be cleared.
   */
  readonly #positions = new Int32Array(1 << HASH_BITS);
  #base = 1;
  readonly #srcView = new DataViewCache();
  readonly #dstView = new DataViewCache();

  /** All or nothing. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const { srclen } = out;
    // A stream as long as the data is of no use.
    const capacity = Math.min(out.dstlen, srclen - 1);
    if (this.#base > 0x7fffffff - 2 * srclen) {
      this.#positions.fill(0);
      this.#base = 1;
    }
    const produced = this.#parse(src, so, srclen, dst, dof, dof + capacity);
    this.#base += srclen;
    if (produced < 0) return false;
    out.dstlen = produced;
    return true;
  }

  /** @returns the bytes written before `dstEnd`, or -1. */
  #parse(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstEnd: number,
  ): number {
    const positions = this.#positions;
    const view = this.#srcView.of(src);
    const viewBase = src.byteOffset;
    const dstView = this.#dstView.of(dst);
    const dstBase = dst.byteOffset;
    const srcEnd = so + srclen;
    /** From here on, no four bytes are left to hash. */
    const parseEnd = srcEnd - 3;
    /** Turns an index into src into a position for the table. */
    const bias = this.#base - so;
    let ip = so;
    /** Literals that are not written yet start here. */
    let anchor = so;
    let op = dof;

    while (ip < parseEnd) {
      const prefix = view.getInt32(viewBase + ip, true);
      const slot = Math.imul(prefix, 0x9e3779b1) >>> (32 - HASH_BITS);
      const distance = ip + bias - positions[slot]!;
      positions[slot] = ip + bias;
      if (
        distance > ip - so ||
        distance > M4_MAX_DISTANCE ||
        view.getInt32(viewBase + ip - distance, true) !== prefix
      ) {
        ip += 1 + ((ip - anchor) >> SKIP_SHIFT);
        continue;
      }
      let end = ip + 4;
      let difference = 0;
      while (end < parseEnd) {
        const there = viewBase + end;
        difference = view.getInt32(there, true) ^ view.getInt32(there - distance, true);
        if (difference !== 0) break;
        end += 4;
      }
      if (difference !== 0) {
        // The lowest bit that differs tells how many of the four bytes are the same.
        end += (31 - Math.clz32(difference & -difference)) >> 3;
      } else {
        while (end < srcEnd && src[end] === src[end - distance]) end++;
      }
      const length = end - ip;

      // The literals, the match with its extension, and the end of the stream still to come.
      const literals = ip - anchor;
      if (op + literals + (literals >> 7) + (length >> 7) + 6 + END_BYTES > dstEnd) return -1;
      if (literals > 0) {
        op = putRun(dst, op, literals, op === dof);
        // Up to three bytes too many: the match and the end of the stream overwrite them.
        for (let i = 0; i < literals; i += 4) {
          dstView.setInt32(dstBase + op + i, view.getInt32(viewBase + anchor + i));
        }
        op += literals;
      }
      op = putMatch(dst, op, length, distance);
      ip = end;
      anchor = end;
    }

    const literals = srcEnd - anchor;
    if (op + literals + (literals >> 7) + 3 + END_BYTES > dstEnd) return -1;
    if (literals > 0) op = putRun(dst, op, literals, op === dof);
    for (let i = anchor; i < srcEnd; i++) dst[op++] = src[i]!;
    dst[op++] = M4_MARKER | 1;
    dst[op++] = 0;
    dst[op++] = 0;
    return op - dof;
  }

  decompress(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean {
    const srcEnd = so + srclen;
    const dstEnd = dof + dstlen;
    const srcView = this.#srcView.of(src);
    const dstView = this.#dstView.of(dst);
    const srcBase = src.byteOffset;
    const dstBase = dst.byteOffset;
    /** Up to here, four bytes can be moved where fewer are meant. */
    const srcFast = srcEnd - 3;
    const dstFast = dstEnd - 3;
    /** Up to here, a short match of up to 8 bytes and the four after it. */
    const dstFar = dstEnd - (M2_MAX_LEN + 4 - 1);
    let ip = so;
    let op = dof;
    let state = 0;

    if (srclen > 0 && src[ip]! > 17) {
      const run = src[ip++]! - 17;
      if (run > srcEnd - ip || run > dstEnd - op) return false;
      for (let i = 0; i < run; i++) dst[op + i] = src[ip + i]!;
      ip += run;
      op += run;
      state = Math.min(run, AFTER_RUN);
    }

    // Every instruction has at least two more bytes to read: its own, or those of the end.
    while (ip + 2 < srcEnd) {
      const b = src[ip++]!;
      let length: number;
      let distance: number;
      let literals: number;
      if (b >= 64) {
        length = (b >>> 5) + 1;
        distance = 1 + ((b >>> 2) & 7) + (src[ip++]! << 3);
        literals = b & 3;
        if (distance >= 4 && distance <= op - dof && op < dstFar && ip < srcFast) {
          // By far the most frequent. Moving all that it can be, twice four bytes and four, spares
          // branches that nobody could predict.
          const to = dstBase + op;
          dstView.setInt32(to, dstView.getInt32(to - distance));
          dstView.setInt32(to + 4, dstView.getInt32(to + 4 - distance));
          dstView.setInt32(to + length, srcView.getInt32(srcBase + ip));
          op += length + literals;
          ip += literals;
          state = literals;
          continue;
        }
      } else if (b >= M4_MARKER) {
        const mask = b >= M3_MARKER ? 31 : 7;
        length = b & mask;
        if (length === 0) {
          length = mask;
          while (ip < srcEnd && src[ip] === 0) {
            length += 255;
            ip++;
          }
          if (ip >= srcEnd) return false;
          length += src[ip++]!;
        }
        length += 2;
        if (ip + 2 > srcEnd) return false;
        const w = src[ip]! | (src[ip + 1]! << 8);
        ip += 2;
        literals = w & 3;
        if (b >= M3_MARKER) {
          distance = 1 + (w >>> 2);
        } else {
          distance = 16384 + ((b & 8) << 11) + (w >>> 2);
          if (distance === 16384) return length === 3 && ip === srcEnd && op === dstEnd;
        }
      } else if (state === 0) {
        let run = b;
        if (run === 0) {
          run = 15;
          while (ip < srcEnd && src[ip] === 0) {
            run += 255;
            ip++;
          }
          if (ip >= srcEnd) return false;
          run += src[ip++]!;
        }
        run += 3;
        if (run > srcEnd - ip || run > dstEnd - op) return false;
        const end = op + run;
        if (ip + run < srcFast - 4 && end < dstFast - 4) {
          // Eight at a time: most runs are over after the first.
          const skew = srcBase + ip - (dstBase + op);
          for (let to = dstBase + op; to < dstBase + end; to += 8) {
            dstView.setInt32(to, srcView.getInt32(to + skew));
            dstView.setInt32(to + 4, srcView.getInt32(to + skew + 4));
          }
          ip += run;
          op = end;
        } else {
          while (op < end) dst[op++] = src[ip++]!;
        }
        state = AFTER_RUN;
        continue;
      } else {
        distance = 1 + (b >>> 2) + (src[ip++]! << 2);
        literals = b & 3;
        if (state === AFTER_RUN) {
          length = 3;
          distance += 2048;
        } else {
          length = 2;
        }
      }

      if (distance > op - dof || length > dstEnd - op) return false;
      const end = op + length;
      if (distance >= 4 && end < dstFast - 4) {
        for (let to = dstBase + op; to < dstBase + end; to += 8) {
          dstView.setInt32(to, dstView.getInt32(to - distance));
          dstView.setInt32(to + 4, dstView.getInt32(to + 4 - distance));
        }
        op = end;
      } else {
        // The ranges overlap: the first bytes repeat.
        for (; op < end; op++) dst[op] = dst[op - distance]!;
      }
      if (literals > 0) {
        if (ip < srcFast && op < dstFast) {
          dstView.setInt32(dstBase + op, srcView.getInt32(srcBase + ip));
          ip += literals;
          op += literals;
        } else {
          if (literals > srcEnd - ip || literals > dstEnd - op) return false;
          for (let i = 0; i < literals; i++) dst[op + i] = src[ip + i]!;
          ip += literals;
          op += literals;
        }
      }
      state = literals;
    }
    return false;
  }
}

/** Writes ext: `value` is the count less the k of ext(k), at least 1. @returns the new end. */
function putExtension(dst: Uint8Array, op: number, value: number): number {
  while (value > 255) {
    dst[op++] = 0;
    value -= 255;
  }
  dst[op++] = value;
  return op;
}

/** Announces `count` literals; `first` at the start of a stream. @returns the new end. */
function putRun(dst: Uint8Array, op: number, count: number, first: boolean): number {
  if (first && count <= FIRST_RUN_MAX) {
    dst[op++] = 17 + count;
  } else if (!first && count <= 3) {
    // Into S of the match before: the low bits of its last byte but one.
    dst[op - 2]! |= count;
  } else if (count <= 18) {
    dst[op++] = count - 3;
  } else {
    dst[op++] = 0;
    op = putExtension(dst, op, count - 18);
  }
  return op;
}

/** Writes a match of at least 3 bytes with S = 0. */
function putMatch(dst: Uint8Array, op: number, length: number, distance: number): number {
  if (length <= M2_MAX_LEN && distance <= M2_MAX_DISTANCE) {
    const d = distance - 1;
    dst[op++] = ((length - 1) << 5) | ((d & 7) << 2);
    dst[op++] = d >>> 3;
    return op;
  }
  let d = distance - 1;
  if (distance <= M3_MAX_DISTANCE) {
    if (length <= M3_MAX_LEN) {
      dst[op++] = M3_MARKER | (length - 2);
    } else {
      dst[op++] = M3_MARKER;
      op = putExtension(dst, op, length - M3_MAX_LEN);
    }
  } else {
    d = distance - 0x4000;
    const high = (d >>> 11) & 8;
    if (length <= M4_MAX_LEN) {
      dst[op++] = M4_MARKER | high | (length - 2);
    } else {
      dst[op++] = M4_MARKER | high;
      op = putExtension(dst, op, length - M4_MAX_LEN);
    }
  }
  dst[op++] = (d << 2) & 0xff;
  dst[op++] = (d >>> 6) & 0xff;
  return op;
}
