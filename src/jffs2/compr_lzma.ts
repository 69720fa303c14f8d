/**
 * lzma: not in Linux, but on a great many devices. Two forms are seen in the field:
 *
 * - Id 8, OpenWrt's and its descendants': a bare LZMA stream with the fixed parameters lc = lp =
 *   pb = 0 and a dictionary of 8 KiB, no header and no end marker; it starts with the range coder's
 *   zero byte.
 * - Id 0x15, one vendor's firmware: the same after the first five bytes of a .lzma header,
 *   properties and dictionary size. The length that would follow is left out: dsize tells it.
 *   (Described in onekey-sec/jefferson, pull requests 19 and 31.)
 *
 * A reader can afford to be generous, because a stream that is decoded with the wrong parameters
 * does not come out even. For either id these are tried in turn: the id's own form, one with a
 * header of five bytes or of thirteen (with the length), and a bare stream with the LZMA SDK's
 * default parameters. When none comes out even, the id's own form is believed if it gives dsize
 * bytes.
 *
 * Facts: reference jffs2.md §3.6.
 */
import type { compr_lengths, jffs2_compressor } from './compr.js';
import { LzmaDecoder } from './lzma/decoder.js';
import { LzmaEncoder } from './lzma/encoder.js';
import { lzmaPropertiesByte, lzmaPropertiesOf } from './lzma/model.js';
import type { LzmaProperties } from './lzma/model.js';
import { JFFS2_COMPR_LZMA, JFFS2_COMPR_LZMA_NOSIZE } from './medium.js';

const OPENWRT: LzmaProperties = { lc: 0, lp: 0, pb: 0 };
const DICTIONARY_BYTES = 0x2000;
/** What the LZMA SDK does when nobody asks for something else. */
const SDK_DEFAULT: LzmaProperties = { lc: 3, lp: 0, pb: 2 };

/** Properties and dictionary size; and the data's length as a u64. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 8;

/** A way to read a payload: parameters, and the bytes in front of the stream. */
type lzma_form = 'openwrt' | 'sdk' | 'header' | 'header+length';

class lzma_comp implements jffs2_compressor {
  readonly name: string;
  readonly compr: number;
  readonly priority: number;
  /** The id's own form first. */
  readonly #forms: readonly lzma_form[];
  readonly #properties: LzmaProperties;
  readonly #headerBytes: number;
  readonly #decoder = new LzmaDecoder();
  #encoder: LzmaEncoder | null = null;

  constructor(
    name: string,
    compr: number,
    priority: number,
    properties: LzmaProperties,
    forms: readonly lzma_form[],
  ) {
    this.name = name;
    this.compr = compr;
    this.priority = priority;
    this.#properties = properties;
    this.#forms = forms;
    this.#headerBytes = forms[0] === 'header' ? HEADER_BYTES : 0;
  }

  /** All or nothing. */
  compress(src: Uint8Array, so: number, dst: Uint8Array, dof: number, out: compr_lengths): boolean {
    const header = this.#headerBytes;
    // A payload as long as the data is of no use.
    const capacity = Math.min(out.dstlen, out.srclen - 1) - header;
    if (capacity <= 0) return false;
    // Its tables are made when first needed: hardly anybody writes lzma.
    this.#encoder ??= new LzmaEncoder(this.#properties, DICTIONARY_BYTES);
    const produced = this.#encoder.encode(src, so, out.srclen, dst, dof + header, capacity);
    if (produced < 0) return false;
    if (header > 0) {
      dst[dof] = lzmaPropertiesByte(this.#properties);
      for (let i = 0; i < 4; i++) dst[dof + 1 + i] = DICTIONARY_BYTES >>> (8 * i);
    }
    out.dstlen = produced + header;
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
    let ownIsWhole = false;
    for (let i = 0; i < this.#forms.length; i++) {
      const form = this.#forms[i]!;
      const whole = this.#decode(form, src, so, srclen, dst, dof, dstlen);
      if (whole && this.#decoder.cameOutEven()) return true;
      if (i === 0) ownIsWhole = whole;
    }
    return ownIsWhole && this.#decode(this.#forms[0]!, src, so, srclen, dst, dof, dstlen);
  }

  /** @returns whether the stream, read that way, gives `dstlen` bytes. */
  #decode(
    form: lzma_form,
    src: Uint8Array,
    so: number,
    srclen: number,
    dst: Uint8Array,
    dof: number,
    dstlen: number,
  ): boolean {
    let properties: LzmaProperties | null;
    let header = 0;
    if (form === 'openwrt') {
      properties = OPENWRT;
    } else if (form === 'sdk') {
      properties = SDK_DEFAULT;
    } else {
      header = form === 'header' ? HEADER_BYTES : HEADER_BYTES + LENGTH_BYTES;
      if (srclen <= header) return false;
      properties = lzmaPropertiesOf(src[so]!);
    }
    if (properties === null) return false;
    return this.#decoder.decode(properties, src, so + header, srclen - header, dst, dof, dstlen);
  }
}

/** OpenWrt's. */
export class jffs2_lzma_comp extends lzma_comp {
  constructor() {
    super('lzma', JFFS2_COMPR_LZMA, 70, OPENWRT, ['openwrt', 'header', 'header+length', 'sdk']);
  }
}

/** The vendor's. */
export class jffs2_lzma_nosize_comp extends lzma_comp {
  constructor() {
    super('lzma_nosize', JFFS2_COMPR_LZMA_NOSIZE, 65, SDK_DEFAULT, [
      'header',
      'header+length',
      'openwrt',
      'sdk',
    ]);
  }
}
