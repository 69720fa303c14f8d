/**
 * rubin: a binary arithmetic coder without adaptation, from before zlib came to jffs2. Every byte
 * is coded lowest bit first, each of the eight bits with a fixed probability: `rubinmips` has them
 * in a table (made from MIPS code), `dynrubin` in the first eight bytes of the payload.
 *
 * Header names and codecs do not fit together. Linux since 2.6 decodes id 5, "DYNRUBIN", with the
 * fixed table and id 3, "RUBINMIPS", with the table from the payload; Linux 2.4 had it as the names
 * say. Nobody but mkfs of that time has ever written either. A payload tells which one it is: the
 * right decoder uses up exactly the bytes there are, the wrong one hardly ever. So the reading of
 * 2.6 is tried first and the other one second, and when neither comes out even, 2.6 is believed.
 * What we write, Linux since 2.6 reads.
 *
 * Facts: reference jffs2.md §3.1 and §3.7.
 */
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { JFFS2_COMPR_DYNRUBIN, JFFS2_COMPR_RUBINMIPS } from './medium.js';

const UPPER_BIT = 32768;
const LOWER_BITS = 32767;
const REGISTER_BITS = 16;

/** rubinmips: of `divider` bits at this place in the byte, how many are ones. */
const MIPS_DIVIDER = 1043;
const MIPS_ONES = Uint32Array.of(277, 249, 290, 267, 229, 341, 212, 241);
/** dynrubin: the same for a divider of 256, in front of the stream. */
const DYN_DIVIDER = 256;
const DYN_HEADER_BYTES = 8;

/** The interval's share of a zero; at least 1 and less than all of it. */
function zeroShare(p: number, ones: number, divider: number): number {
  const share = Math.floor(((divider - ones) * p) / divider);
  return share < 1 ? 1 : share >= p ? p - 1 : share;
}

/** Bit 7 first. Bits that do not fit are only counted. */
class BitWriter {
  readonly #dst: Uint8Array;
  readonly #from: number;
  readonly #capacityBits: number;
  bits = 0;

  constructor(dst: Uint8Array, from: number, capacity: number) {
    this.#dst = dst;
    this.#from = from;
    this.#capacityBits = capacity * 8;
  }

  put(bit: boolean): void {
    if (this.bits < this.#capacityBits) {
      const at = this.#from + (this.bits >>> 3);
      const mask = 0x80 >>> (this.bits & 7);
      if (mask === 0x80) this.#dst[at] = 0;
      if (bit) this.#dst[at]! |= mask;
    }
    this.bits++;
  }

  get overflown(): boolean {
    return this.bits > this.#capacityBits;
  }
}

/** @returns the bytes written, or -1 when they do not fit. */
function rubinEncode(
  ones: Uint32Array,
  divider: number,
  src: Uint8Array,
  so: number,
  srclen: number,
  dst: Uint8Array,
  dof: number,
  capacity: number,
): number {
  const out = new BitWriter(dst, dof, capacity);
  let p = 2 * UPPER_BIT;
  let q = 0;
  for (let i = 0; i < srclen && !out.overflown; i++) {
    let byte = src[so + i]!;
    for (let b = 0; b < 8; b++, byte >>>= 1) {
      while (q >= UPPER_BIT || p + q <= UPPER_BIT) {
        out.put(q >= UPPER_BIT);
        q = (q & LOWER_BITS) << 1;
        p <<= 1;
      }
      const share = zeroShare(p, ones[b]!, divider);
      if (byte & 1) {
        q += share;
        p -= share;
      } else {
        p = share;
      }
    }
  }
  for (let i = 0; i < REGISTER_BITS; i++) {
    out.put(q >= UPPER_BIT);
    q = (q & LOWER_BITS) << 1;
  }
  return out.overflown ? -1 : (out.bits + 7) >>> 3;
}

/**
 * Any bits decode to something. @returns the bytes of input that the decoder has used, which is
 * more than `srclen` when it ran dry; zeros are read from there.
 */
function rubinDecode(
  ones: Uint32Array,
  divider: number,
  src: Uint8Array,
  so: number,
  srclen: number,
  dst: Uint8Array,
  dof: number,
  dstlen: number,
): number {
  const capacityBits = srclen * 8;
  let bits = 0;
  let p = 2 * UPPER_BIT;
  let q = 0;
  let code = 0;
  /** Bits still to shift into the register: all of it at first. */
  let wanted = REGISTER_BITS;
  for (let i = 0; i < dstlen; i++) {
    let byte = 0;
    for (let b = 0; b < 8; b++) {
      while (q >= UPPER_BIT || p + q <= UPPER_BIT) {
        q = (q & LOWER_BITS) << 1;
        p <<= 1;
        wanted++;
      }
      for (; wanted > 0; wanted--, bits++) {
        const bit = bits < capacityBits ? (src[so + (bits >>> 3)]! >>> (7 - (bits & 7))) & 1 : 0;
        code = ((code & LOWER_BITS) << 1) | bit;
      }
      const share = zeroShare(p, ones[b]!, divider);
      if (code >= q + share) {
        byte |= 1 << b;
        q += share;
        p -= share;
      } else {
        p = share;
      }
    }
    dst[dof + i] = byte;
  }
  return (bits + 7) >>> 3;
}

/** @returns whether the payload came out even. */
function decodeMips(
  src: Uint8Array,
  so: number,
  srclen: number,
  dst: Uint8Array,
  dof: number,
  dstlen: number,
): boolean {
  return rubinDecode(MIPS_ONES, MIPS_DIVIDER, src, so, srclen, dst, dof, dstlen) === srclen;
}

/** @returns whether the payload came out even. `srclen` is at least the header's. */
function decodeDyn(
  table: Uint32Array,
  src: Uint8Array,
  so: number,
  srclen: number,
  dst: Uint8Array,
  dof: number,
  dstlen: number,
): boolean {
  for (let b = 0; b < DYN_HEADER_BYTES; b++) table[b] = src[so + b]!;
  so += DYN_HEADER_BYTES;
  srclen -= DYN_HEADER_BYTES;
  return rubinDecode(table, DYN_DIVIDER, src, so, srclen, dst, dof, dstlen) === srclen;
}

/** Fixed table; id 5 in nodes. */
export class jffs2_rubinmips_comp implements jffs2_compressor {
  readonly name = 'rubinmips';
  readonly compr = JFFS2_COMPR_DYNRUBIN;
  readonly priority = 10;
  readonly #table = new Uint32Array(DYN_HEADER_BYTES);

  /** All or nothing. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const { srclen } = out;
    const capacity = Math.min(out.dstlen, srclen - 1);
    const produced = rubinEncode(MIPS_ONES, MIPS_DIVIDER, src, so, srclen, dst, dof, capacity);
    if (produced < 0) return false;
    out.dstlen = produced;
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
    if (decodeMips(src, so, srclen, dst, dof, dstlen)) return true;
    if (srclen >= DYN_HEADER_BYTES) {
      if (decodeDyn(this.#table, src, so, srclen, dst, dof, dstlen)) return true;
      decodeMips(src, so, srclen, dst, dof, dstlen);
    }
    return true;
  }
}

/** Table in the payload; id 3 in nodes. */
export class jffs2_dynrubin_comp implements jffs2_compressor {
  readonly name = 'dynrubin';
  readonly compr = JFFS2_COMPR_RUBINMIPS;
  readonly priority = 20;
  readonly #table = new Uint32Array(DYN_HEADER_BYTES);

  /** All or nothing. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const { srclen } = out;
    const capacity = Math.min(out.dstlen, srclen - 1) - DYN_HEADER_BYTES;
    if (capacity < 0) return false;
    const table = this.#table.fill(0);
    for (let i = 0; i < srclen; i++) {
      const byte = src[so + i]!;
      for (let b = 0; b < 8; b++) table[b]! += (byte >>> b) & 1;
    }
    for (let b = 0; b < 8; b++) {
      const ones = Math.floor((table[b]! * DYN_DIVIDER) / srclen);
      table[b] = Math.min(255, Math.max(1, ones));
      dst[dof + b] = table[b]!;
    }
    dof += DYN_HEADER_BYTES;
    const produced = rubinEncode(table, DYN_DIVIDER, src, so, srclen, dst, dof, capacity);
    if (produced < 0) return false;
    out.dstlen = DYN_HEADER_BYTES + produced;
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
    const hasTable = srclen >= DYN_HEADER_BYTES;
    if (hasTable && decodeDyn(this.#table, src, so, srclen, dst, dof, dstlen)) return true;
    if (decodeMips(src, so, srclen, dst, dof, dstlen)) return true;
    if (hasTable) decodeDyn(this.#table, src, so, srclen, dst, dof, dstlen);
    return hasTable;
  }
}
