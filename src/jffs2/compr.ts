/**
 * The compressors of jffs2: one record per codec, and the table that chooses among them.
 *
 * A data node stores at most a page; its header says which codec made the payload (`compr`), how
 * long the payload is (`csize`) and how long the data is (`dsize`). Writing asks
 * {@link jffs2_compressors.compress} for the best payload that fits into the space left in the
 * erase block; reading hands a payload whose data_crc was right to
 * {@link jffs2_compressors.decompress}. The bytes are still hostile: a CRC is no signature.
 *
 * Facts: reference jffs2.md §3. Departures from Linux are in DIFFERENCES.md.
 */
import { BUG_ON } from '../lump/bug.js';
import { jffs2_lzma_comp, jffs2_lzma_nosize_comp } from './compr_lzma.js';
import { jffs2_lzo_comp } from './compr_lzo.js';
import { jffs2_compr_probe } from './compr_probe.js';
import { jffs2_rtime_comp } from './compr_rtime.js';
import { jffs2_dynrubin_comp, jffs2_rubinmips_comp } from './compr_rubin.js';
import { jffs2_zlib_comp } from './compr_zlib.js';
import type { host_zlib } from './compr_zlib.js';
import { JFFS2_COMPR_LZO, JFFS2_COMPR_NONE, JFFS2_COMPR_ZERO, JFFS2_COMPR_ZLIB } from './medium.js';

/** In: bytes offered and room for the result. Out: bytes consumed and produced. */
export interface compr_lengths {
  srclen: number;
  dstlen: number;
}

/** One codec. An instance owns its work memory; it is not shared between mounts. */
export interface jffs2_compressor {
  readonly name: string;
  /** The number in a node's `compr` field. */
  readonly compr: number;
  /** The higher, the earlier it is tried. */
  readonly priority: number;

  /**
   * Compresses a beginning of `src[so … so+out.srclen)` into at most `out.dstlen` bytes at `dof`.
   * On true, `out` tells the bytes consumed and produced, and fewer were produced than consumed.
   * On false the data cannot be made smaller; `out` is unchanged and the room at `dof` undefined.
   */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean;

  /**
   * Decompresses `src[so … so+srclen)` to exactly `dstlen` bytes at `dof`.
   * @returns false when the payload is malformed or of another length. It never throws, never
   *   touches a byte outside the two ranges, and takes time in O(srclen + dstlen).
   */
  decompress(
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean;
}

/** How {@link jffs2_compressors.decompress} went; a caller turns the last two into EIO. */
export type decompress_outcome = 'ok' | 'malformed' | 'unknown';

/**
 * How a compressor is chosen. `none`: store raw. `priority`: the first one, by priority, that makes
 * the data smaller. `size`: the smallest of all. `favourlzo`: as size, but lzo is taken unless
 * another one is smaller by a fifth. `force`: the one that the mount option names, or raw.
 */
export type jffs2_compr_mode = 'none' | 'priority' | 'size' | 'favourlzo' | 'force';

/** Linux's, unless it was built otherwise. */
const DEFAULT_MODE: jffs2_compr_mode = 'priority';
/** With `favourlzo`, the percentage of lzo's size that another codec has to beat. */
const FAVOUR_LZO_PERCENT = 80;

/** A registered codec with its settings and counters (bytes and nodes since the mount). */
export interface jffs2_compressor_state {
  readonly codec: jffs2_compressor;
  priority: number;
  /** Disabled for compression; it still decompresses. */
  disabled: boolean;
  stat_compr_orig_size: number;
  stat_compr_new_size: number;
  stat_compr_blocks: number;
  stat_decompr_blocks: number;
}

/** What the codecs take from the host. */
export interface jffs2_compressors_options {
  /** The host's DEFLATE; without it zlib nodes are unreadable, as in a kernel without zlib. */
  readonly zlib?: host_zlib | undefined;
  /** zlib's level, 0–9; Linux uses 3. */
  readonly zlibLevel?: number;
}

/**
 * The codecs of one mounted file system.
 *
 * Every codec decompresses. For compression zlib (60) and rtime (50) are enabled, in `priority`
 * mode: what mkfs.jffs2 does, and what every kernel can read. lzo (80) would come first, and is
 * disabled until asked for: it is optional in kernels, and flash space is dearer here than time.
 * lzma (70, 65) is read by OpenWrt or by one vendor's kernels only, and the two rubins by kernels
 * that were built for it; Linux itself never compresses with those.
 */
export class jffs2_compressors {
  mode: jffs2_compr_mode = DEFAULT_MODE;
  /** Bytes stored raw because nothing made them smaller, or because the mode said so. */
  none_stat_compr_size = 0;
  none_stat_compr_blocks = 0;
  none_stat_decompr_blocks = 0;

  /** With mode 'force'. */
  #forced: jffs2_compressor_state | undefined;
  /** By descending priority. */
  readonly #list: jffs2_compressor_state[] = [];
  readonly #byId: (jffs2_compressor_state | undefined)[] = new Array(256).fill(undefined);
  readonly #probe = new jffs2_compr_probe();
  /** A candidate's lengths, and the two buffers that hold the candidate and the best so far. */
  readonly #candidate: compr_lengths = { srclen: 0, dstlen: 0 };
  #candidateBuf = new Uint8Array(0);
  #bestBuf = new Uint8Array(0);

  constructor(options: jffs2_compressors_options = {}) {
    if (options.zlib) this.register(new jffs2_zlib_comp(options.zlib, options.zlibLevel), true);
    this.register(new jffs2_rtime_comp(), true);
    this.register(new jffs2_lzo_comp(), false);
    this.register(new jffs2_lzma_comp(), false);
    this.register(new jffs2_lzma_nosize_comp(), false);
    this.register(new jffs2_rubinmips_comp(), false);
    this.register(new jffs2_dynrubin_comp(), false);
  }

  /** Linux's jffs2_register_compressor. Two codecs cannot claim one id. */
  register(codec: jffs2_compressor, enabled: boolean): void {
    BUG_ON(this.#byId[codec.compr] !== undefined, `two jffs2 compressors of id ${codec.compr}`);
    const state: jffs2_compressor_state = {
      codec,
      priority: codec.priority,
      disabled: !enabled,
      stat_compr_orig_size: 0,
      stat_compr_new_size: 0,
      stat_compr_blocks: 0,
      stat_decompr_blocks: 0,
    };
    this.#byId[codec.compr] = state;
    this.#list.push(state);
    this.#sort();
  }

  /** All codecs with their settings and counters, by descending priority. */
  list(): readonly jffs2_compressor_state[] {
    return this.#list;
  }

  /** @returns false when there is no codec of that name. */
  setEnabled(name: string, enabled: boolean): boolean {
    const state = this.#named(name);
    if (state) state.disabled = !enabled;
    return state !== undefined;
  }

  /** @returns false when there is no codec of that name. */
  setPriority(name: string, priority: number): boolean {
    const state = this.#named(name);
    if (!state) return false;
    state.priority = priority;
    this.#sort();
    return true;
  }

  /**
   * The mount option `compr=`. Linux knows none, lzo and zlib; here it is any codec, which alone is
   * used then, whether enabled or not, or a mode: none, priority, size, favourlzo. undefined brings
   * the default back.
   * @returns false for any other value, and for a codec that this host has not: EINVAL.
   */
  setMountOption(value: string | undefined): boolean {
    switch (value) {
      case undefined:
        this.mode = DEFAULT_MODE;
        return true;
      case 'none':
      case 'priority':
      case 'size':
      case 'favourlzo':
        this.mode = value;
        return true;
      default: {
        const state = this.#named(value);
        if (!state) return false;
        this.mode = 'force';
        this.#forced = state;
        return true;
      }
    }
  }

  /**
   * Linux's jffs2_compress. Offers `lengths.srclen` bytes at `data[off]` and `lengths.dstlen` bytes
   * of room; `dst` must have that room at `dstOff`. Afterwards `lengths` holds the node's dsize and
   * csize.
   * @returns the node's `compr`. For JFFS2_COMPR_NONE nothing useful is in `dst`: the caller stores
   *   the first `lengths.srclen` bytes of the data itself.
   */
  compress(
    data: Uint8Array,
    off: number,
    lengths: compr_lengths,
    dst: Uint8Array,
    dstOff: number,
  ): number {
    let chosen: jffs2_compressor_state | undefined;
    // lzo by itself finds out as fast as the probe.
    const hopeless =
      this.mode !== 'none' &&
      (this.mode !== 'force' || this.#forced?.codec.compr !== JFFS2_COMPR_LZO) &&
      this.#probe.isIncompressible(data, off, lengths.srclen);
    switch (hopeless ? 'none' : this.mode) {
      case 'none':
        break;
      case 'priority':
        chosen = this.#first(data, off, lengths, dst, dstOff);
        break;
      case 'force':
        if (this.#forced?.codec.compress(data, off, dst, dstOff, lengths)) chosen = this.#forced;
        break;
      case 'size':
      case 'favourlzo':
        chosen = this.#smallest(data, off, lengths, dst, dstOff);
        break;
    }
    if (!chosen) {
      lengths.srclen = lengths.dstlen = Math.min(lengths.srclen, lengths.dstlen);
      this.none_stat_compr_blocks++;
      this.none_stat_compr_size += lengths.srclen;
      return JFFS2_COMPR_NONE;
    }
    chosen.stat_compr_blocks++;
    chosen.stat_compr_orig_size += lengths.srclen;
    chosen.stat_compr_new_size += lengths.dstlen;
    return chosen.codec.compr;
  }

  /**
   * Linux's jffs2_decompress: `srclen` bytes of payload to exactly `dstlen` bytes of data.
   *
   * Linux dispatches on both bytes of the node, compr and usercompr, and forgives a usercompr that
   * is not zero for the old codecs only (up to zlib): early writers left garbage there.
   */
  decompress(
    compr: number,
    usercompr: number,
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): decompress_outcome {
    if (compr === JFFS2_COMPR_NONE) {
      if (srclen !== dstlen) return 'malformed';
      // For short pieces, a loop is faster than making a view to set() from.
      if (dstlen > 64) dst.set(src.subarray(so, so + dstlen), dof);
      else for (let i = 0; i < dstlen; i++) dst[dof + i] = src[so + i]!;
      this.none_stat_decompr_blocks++;
      return 'ok';
    }
    if (compr === JFFS2_COMPR_ZERO) {
      dst.fill(0, dof, dof + dstlen);
      return 'ok';
    }
    if (compr > JFFS2_COMPR_ZLIB && usercompr !== 0) return 'unknown';
    const state = this.#byId[compr];
    if (!state) return 'unknown';
    if (!state.codec.decompress(src, so, srclen, dst, dof, dstlen)) return 'malformed';
    state.stat_decompr_blocks++;
    return 'ok';
  }

  #named(name: string): jffs2_compressor_state | undefined {
    return this.#list.find((state) => state.codec.name === name);
  }

  #sort(): void {
    this.#list.sort((a, b) => b.priority - a.priority);
  }

  #first(
    data: Uint8Array,
    off: number,
    lengths: compr_lengths,
    dst: Uint8Array,
    dstOff: number,
  ): jffs2_compressor_state | undefined {
    for (const state of this.#list) {
      if (!state.disabled && state.codec.compress(data, off, dst, dstOff, lengths)) return state;
    }
    return undefined;
  }

  /** Runs all enabled codecs. As in Linux, outputs are compared although inputs may differ. */
  #smallest(
    data: Uint8Array,
    off: number,
    lengths: compr_lengths,
    dst: Uint8Array,
    dstOff: number,
  ): jffs2_compressor_state | undefined {
    if (this.#candidateBuf.length < lengths.dstlen) {
      this.#candidateBuf = new Uint8Array(lengths.dstlen);
      this.#bestBuf = new Uint8Array(lengths.dstlen);
    }
    const candidate = this.#candidate;
    let best: jffs2_compressor_state | undefined;
    let bestSrc = 0;
    let bestDst = 0;
    for (const state of this.#list) {
      if (state.disabled) continue;
      candidate.srclen = lengths.srclen;
      candidate.dstlen = lengths.dstlen;
      if (!state.codec.compress(data, off, this.#candidateBuf, 0, candidate)) continue;
      if (best && !this.#better(state, candidate.dstlen, best, bestDst)) continue;
      best = state;
      bestSrc = candidate.srclen;
      bestDst = candidate.dstlen;
      const swap = this.#bestBuf;
      this.#bestBuf = this.#candidateBuf;
      this.#candidateBuf = swap;
    }
    if (!best) return undefined;
    dst.set(this.#bestBuf.subarray(0, bestDst), dstOff);
    lengths.srclen = bestSrc;
    lengths.dstlen = bestDst;
    return best;
  }

  #better(
    state: jffs2_compressor_state,
    size: number,
    best: jffs2_compressor_state,
    bestSize: number,
  ): boolean {
    if (this.mode === 'size') return size < bestSize;
    const isLzo = state.codec.compr === JFFS2_COMPR_LZO;
    const bestIsLzo = best.codec.compr === JFFS2_COMPR_LZO;
    if (isLzo || !bestIsLzo) {
      if (size < bestSize) return true;
      return isLzo && size * FAVOUR_LZO_PERCENT < bestSize * 100;
    }
    return bestSize * FAVOUR_LZO_PERCENT > size * 100;
  }
}
