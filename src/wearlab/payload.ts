/**
 * What files hold in a run: a few pages of data that can be compressed as far as the experiment
 * says, one of them for each page of a file. Which one follows from inode and page number, so that
 * a fast run knows what is in a file without storing it, and how far it gets smaller without
 * compressing it twice: the codecs run once per page, place and length, and their answers are kept.
 */
import { type compr_lengths, jffs2_compressors } from '../jffs2/compr.js';
import type { jffs2_thin } from '../jffs2/instruments.js';
import { I_INO, I_OFFSET, JFFS2_COMPR_NONE, LITTLE_ENDIAN } from '../jffs2/medium.js';
import type { jffs2_sb_info } from '../jffs2/nodelist.js';
import { PAGE_SIZE } from '../lump/fs.js';
import { Prng } from '../rumpuser/prng.js';
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import type { DataSpec } from './experiment.js';
import type { thin_chip } from './thin_chip.js';

const PAGES = 64;
/** Random bytes are put there in runs, a run to each of these many bytes. */
const STRIDE = 64;
/** zlib's level in jffs2. */
const LEVEL = 3;

/** The pages, one after the other. */
export class Payload {
  readonly bytes = new Uint8Array(PAGES * PAGE_SIZE);

  constructor(spec: DataSpec, codecs: HostCodecs, seed: number) {
    const prng = new Prng(seed ^ 0x64617461);
    for (let n = 0; n < PAGES; n++) {
      const page = this.bytes.subarray(n * PAGE_SIZE, (n + 1) * PAGE_SIZE);
      const wanted = spec.ratio + spec.spread * (2 * ((n + 0.5) / PAGES) - 1);
      fillPage(page, Math.min(1, Math.max(0.01, wanted)), codecs, prng);
    }
  }

  /** Where in `bytes` the page of a file begins. */
  offsetOf(ino: number, pageIndex: number): number {
    const mixed = Math.imul(ino, 0x9e3779b1) ^ Math.imul(pageIndex + 1, 0x85ebca6b);
    return ((mixed ^ (mixed >>> 15)) & (PAGES - 1)) * PAGE_SIZE;
  }
}

/** Makes a page that zlib compresses to about that share of its size. */
function fillPage(page: Uint8Array, ratio: number, codecs: HostCodecs, prng: Prng): void {
  const random = new Uint8Array(PAGE_SIZE);
  prng.fill(random);
  page.set(random);
  if (ratio >= 1) return;
  const out = new Uint8Array(PAGE_SIZE * 2);
  let low = 0;
  let high = PAGE_SIZE;
  while (high - low > 16) {
    const middle = (low + high) >> 1;
    mix(page, random, middle);
    const size = codecs.deflate(page, 0, PAGE_SIZE, out, 0, out.length, LEVEL);
    if (size < 0 || size > ratio * PAGE_SIZE) high = middle;
    else low = middle;
  }
  mix(page, random, low);
}

/** So many random bytes, spread evenly over the page; zeros between them. */
function mix(page: Uint8Array, random: Uint8Array, count: number): void {
  const strides = PAGE_SIZE / STRIDE;
  page.fill(0);
  for (let n = 0; n < strides; n++) {
    const run = Math.floor(((n + 1) * count) / strides) - Math.floor((n * count) / strides);
    page.set(random.subarray(n * STRIDE, n * STRIDE + run), n * STRIDE);
  }
}

/** jffs2 on a {@link thin_chip}: headers to the chip, contents from the payload. */
export class thin_medium implements jffs2_thin {
  readonly payload: Payload;
  readonly #chip: thin_chip;
  /** What was read last: buffer[at] is payload.bytes[at + base]. */
  base = 0;

  constructor(chip: thin_chip, payload: Payload) {
    this.#chip = chip;
    this.payload = payload;
  }

  put_node(to: number, len: number, buf: Uint8Array, off: number): void {
    this.#chip.put_node(to, len, buf, off);
  }

  fill(
    flash: Uint8Array,
    off: number,
    ofs: number,
    buf: Uint8Array,
    at: number,
    len: number,
  ): void {
    const ino = LITTLE_ENDIAN.u32(flash, off + I_INO);
    const position = LITTLE_ENDIAN.u32(flash, off + I_OFFSET) + ofs;
    const { payload } = this;
    const inPage = position % PAGE_SIZE;
    const start = payload.offsetOf(ino, (position - inPage) / PAGE_SIZE) + inPage;
    this.base = start - at;
    buf.set(payload.bytes.subarray(start, start + len), at);
  }
}

/** The codecs of a mount, with a memory for what they did to the payload. */
export class remembering_compressors extends jffs2_compressors {
  readonly #c: jffs2_sb_info;
  readonly #medium: thin_medium;
  /** Of whole pages with room enough, by page: codec and csize. */
  readonly #pages = new Map<number, { compr: number; srclen: number; dstlen: number }>();
  readonly #pieces = new Map<number, { compr: number; srclen: number; dstlen: number }>();

  constructor(c: jffs2_sb_info, medium: thin_medium, zlib: HostCodecs) {
    super({ zlib });
    this.setMountOption(c.mount_opts.compr ?? undefined);
    this.#c = c;
    this.#medium = medium;
  }

  override compress(
    data: Uint8Array,
    off: number,
    lengths: compr_lengths,
    dst: Uint8Array,
    dstOff: number,
  ): number {
    if (this.mode === 'none') {
      lengths.srclen = lengths.dstlen = Math.min(lengths.srclen, lengths.dstlen);
      return JFFS2_COMPR_NONE;
    }
    const { bytes } = this.#medium.payload;
    let at = off;
    if (data === this.#c.gc_page) at = off + this.#medium.base;
    else if (data !== bytes) return super.compress(data, off, lengths, dst, dstOff);
    const { srclen, dstlen } = lengths;
    const whole = srclen === PAGE_SIZE && dstlen === PAGE_SIZE;
    const memory = whole ? this.#pages : this.#pieces;
    const key = whole ? at / PAGE_SIZE : (at * (PAGE_SIZE + 1) + srclen) * (PAGE_SIZE + 1) + dstlen;
    let known = memory.get(key);
    if (!known) {
      const compr = super.compress(bytes, at, lengths, dst, dstOff);
      known = { compr, srclen: lengths.srclen, dstlen: lengths.dstlen };
      memory.set(key, known);
    }
    lengths.srclen = known.srclen;
    lengths.dstlen = known.dstlen;
    return known.compr;
  }
}
