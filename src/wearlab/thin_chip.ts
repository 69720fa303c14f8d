/**
 * The chip of fast runs. It counts what is programmed and erased, and keeps of each node only its
 * header: what files hold is known without being stored (see payload.ts). Its memory grows with
 * the number of nodes, not with the size of the chip.
 *
 * point() shows the header of the node that starts at an offset. read() makes up the bytes of a
 * block for a scan: headers where they are, zeros where their data is, 0xFF behind.
 *
 * Media of runs are little-endian. Rules of programming are not checked; a run of full fidelity
 * does that.
 */
import {
  H_TOTLEN,
  H_TYPE,
  INODE_SIZE,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  LITTLE_ENDIAN,
  SUMMARY_SIZE,
} from '../jffs2/medium.js';
import { Errno } from '../lump/errno.js';
import { mtd_check_erase, mtd_check_range } from '../mtd/flash_chip.js';
import {
  type erase_info,
  MTD_CAP_NANDFLASH,
  MTD_CAP_NORFLASH,
  MTD_NANDFLASH,
  MTD_NORFLASH,
  MTD_OPS_AUTO_OOB,
  type mtd_ecc_stats,
  type mtd_info,
  type mtd_oob_ops,
  type mtd_point,
} from '../mtd/mtd.js';
import { nand_ecc_of } from '../mtd/nand_ecc.js';
import { nand_ooblayout_of } from '../mtd/nand_oob.js';
import { wear_counters } from '../mtd/wear.js';
import type { ChipSpec } from './experiment.js';

const wordsOf = (bytes: Uint8Array): Int32Array =>
  new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);

/** The headers in one erase block, in the order of their offsets, packed. */
class block_headers {
  count = 0;
  /** From the start of the chip. */
  offsets = new Uint32Array(16);
  /** Where each header is in `bytes`; one more than there are headers. */
  starts = new Uint32Array(17);
  bytes = new Uint8Array(16 * INODE_SIZE);
  /** The same. */
  words = wordsOf(this.bytes);

  /** Makes room for a header of `length` words. @returns where, in words. */
  add(offset: number, length: number): number {
    const at = this.starts[this.count]!;
    const end = at + length * 4;
    if (this.count === this.offsets.length || end > this.bytes.length) this.grow(length * 4);
    this.offsets[this.count] = offset;
    this.starts[++this.count] = end;
    return at >> 2;
  }

  private grow(bytesMore: number): void {
    const offsets = new Uint32Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    const starts = new Uint32Array(offsets.length + 1);
    starts.set(this.starts);
    const bytes = new Uint8Array(this.bytes.length * 2 + bytesMore);
    bytes.set(this.bytes);
    Object.assign(this, { offsets, starts, bytes, words: wordsOf(bytes) });
  }

  /** Index of the last header at or before an offset, or -1. */
  find(offset: number): number {
    const { offsets } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

const BLANK = new Uint8Array(4096).fill(0xff);

/** What such a chip holds, as plain data. */
export interface SavedThinChip {
  readonly blocks: readonly {
    readonly offsets: Uint32Array;
    readonly starts: Uint32Array;
    readonly bytes: Uint8Array;
  }[];
  readonly markers: readonly (Uint8Array | null)[];
  readonly bad: Uint8Array;
}

export class thin_chip implements mtd_info {
  index = -1;
  readonly name = 'thin chip';
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly erasesize: number;
  readonly writesize: number;
  readonly writebufsize: number;
  readonly oobsize: number;
  readonly oobavail: number;
  readonly subpage_sft = 0;
  readonly ecc_step_size = 0;
  readonly ecc_strength = 0;
  readonly bitflip_threshold = 0;
  readonly ecc_stats: mtd_ecc_stats = { corrected: 0, failed: 0, badblocks: 0, bbtblocks: 0 };
  readonly wear: wear_counters;
  readonly lastRetlen = 0;
  readonly #blocks: block_headers[] = [];
  /** NAND: what was put into the free OOB bytes of each block's first page. */
  readonly #markers: (Uint8Array | null)[] = [];
  readonly #bad: Uint8Array;
  /** What point() showed last: offset (-1: look again), block, place in it. */
  #pointedAt = -1;
  #pointed = new block_headers();
  #pointedOff = 0;
  /** The buffer that nodes came from last. */
  #source: Uint8Array = BLANK;
  #sourceWords = wordsOf(BLANK);

  /** @throws Errno EINVAL a page that Linux has no OOB layout for. */
  constructor({ kind, size, erasesize, writesize, oobsize }: ChipSpec) {
    const nand = kind === 'nand';
    this.type = nand ? MTD_NANDFLASH : MTD_NORFLASH;
    this.flags = nand ? MTD_CAP_NANDFLASH : MTD_CAP_NORFLASH;
    this.size = size;
    this.erasesize = erasesize;
    this.writesize = this.writebufsize = nand ? writesize : 1;
    this.oobsize = nand ? oobsize : 0;
    const layout = nand ? nand_ooblayout_of(writesize, oobsize, nand_ecc_of('hamming')) : null;
    if (nand && layout === null) {
      const what = `pages of ${writesize}+${oobsize} bytes`;
      throw new Errno('EINVAL', `Linux has no OOB layout for ${what}`);
    }
    this.oobavail = layout?.free.length ?? 0;
    const blocks = size / erasesize;
    this.wear = new wear_counters(blocks);
    this.#bad = new Uint8Array(blocks);
    for (let eb = 0; eb < blocks; eb++) {
      this.#blocks.push(new block_headers());
      this.#markers.push(null);
    }
  }

  save(): SavedThinChip {
    return {
      blocks: this.#blocks.map(({ count, offsets, starts, bytes }) => ({
        offsets: offsets.slice(0, count),
        starts: starts.slice(0, count + 1),
        bytes: bytes.slice(0, starts[count]),
      })),
      markers: [...this.#markers],
      bad: this.#bad.slice(),
    };
  }

  restore(saved: SavedThinChip): void {
    for (const [eb, { offsets, starts, bytes }] of saved.blocks.entries()) {
      const headers = this.#blocks[eb]!;
      for (const [n, offset] of offsets.entries()) {
        headers.add(offset, (starts[n + 1]! - starts[n]!) >> 2);
      }
      headers.bytes.set(bytes);
    }
    for (const [eb, marker] of saved.markers.entries()) this.#markers[eb] = marker;
    this.#bad.set(saved.bad);
    this.#pointedAt = -1;
  }

  /** Keeps the header of a node of `len` bytes at buf[off], which is or will be programmed. */
  put_node(to: number, len: number, buf: Uint8Array, off: number): void {
    const type = LITTLE_ENDIAN.u16(buf, off + H_TYPE);
    let keep = len;
    if (type === JFFS2_NODETYPE_INODE) keep = Math.min(len, INODE_SIZE);
    // Without its entries: so a scan reads the nodes themselves.
    else if (type === JFFS2_NODETYPE_SUMMARY) keep = SUMMARY_SIZE;
    const headers = this.#blocks[Math.floor(to / this.erasesize)]!;
    const length = (keep + 3) >> 2;
    const from = this.#wordsOfSource(buf);
    const at = headers.add(to, length);
    const { words } = headers;
    const first = off >> 2;
    for (let n = 0; n < length; n++) words[at + n] = from[first + n]!;
    this.#pointedAt = -1;
  }

  /** Nodes come from the buffer in which they are made, or from another block. */
  #wordsOfSource(buf: Uint8Array): Int32Array {
    if (buf === this.#source) return this.#sourceWords;
    if (buf === this.#pointed.bytes) return this.#pointed.words;
    this.#source = buf;
    this.#sourceWords = wordsOf(buf);
    return this.#sourceWords;
  }

  point(from: number, _len: number, out: mtd_point): boolean {
    if (from !== this.#pointedAt) {
      const headers = this.#blocks[Math.floor(from / this.erasesize)]!;
      const n = headers.find(from);
      if (n < 0 || headers.offsets[n] !== from) {
        out.buf = BLANK;
        out.off = 0;
        return true;
      }
      this.#pointedAt = from;
      this.#pointed = headers;
      this.#pointedOff = headers.starts[n]!;
    }
    out.buf = this.#pointed.bytes;
    out.off = this.#pointedOff;
    return true;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    mtd_check_range(this, from, len);
    buf.fill(0xff, bufOffset, bufOffset + len);
    const put = (at: number, bytes: Uint8Array): void => {
      const first = Math.max(at, from);
      const end = Math.min(at + bytes.length, from + len);
      if (first < end) buf.set(bytes.subarray(first - at, end - at), bufOffset + first - from);
    };
    const last = Math.floor((from + len - 1) / this.erasesize);
    for (let eb = Math.floor(from / this.erasesize); eb <= last; eb++) {
      const { count, offsets, starts, bytes } = this.#blocks[eb]!;
      for (let n = 0; n < count; n++) {
        const at = starts[n]!;
        const totlen = LITTLE_ENDIAN.u32(bytes, at + H_TOTLEN);
        put(offsets[n]!, new Uint8Array(Math.max(totlen, starts[n + 1]! - at)));
        put(offsets[n]!, bytes.subarray(at, starts[n + 1]));
      }
    }
  }

  write(to: number, len: number, _buf: Uint8Array, _bufOffset: number): number {
    this.wear.programCount[Math.floor(to / this.erasesize)]!++;
    this.wear.bytesProgrammed += len;
    return len;
  }

  erase(instr: erase_info): void {
    mtd_check_erase(this, instr);
    const first = instr.addr / this.erasesize;
    const end = first + instr.len / this.erasesize;
    for (let eb = first; eb < end; eb++) {
      if (this.#bad[eb] === 1) {
        instr.fail_addr = eb * this.erasesize;
        throw new Errno('EIO', 'the block is bad');
      }
      this.wear.eraseCount[eb]!++;
      this.#blocks[eb]!.count = 0;
      this.#pointedAt = -1;
      this.#markers[eb] = null;
    }
  }

  read_oob(from: number, ops: mtd_oob_ops): void {
    const eb = Math.floor(from / this.erasesize);
    if (ops.datbuf !== null) this.read(from, ops.len, ops.datbuf, 0);
    ops.oobbuf?.fill(0xff);
    const marker = this.#markers[eb];
    if (marker && from % this.erasesize === 0 && ops.mode === MTD_OPS_AUTO_OOB) {
      ops.oobbuf?.set(marker.subarray(0, ops.ooblen));
    }
    ops.retlen = ops.len;
    ops.oobretlen = ops.ooblen;
  }

  write_oob(to: number, ops: mtd_oob_ops): void {
    const eb = Math.floor(to / this.erasesize);
    if (ops.oobbuf !== null) this.#markers[eb] = ops.oobbuf.slice(0, ops.ooblen);
    this.wear.programCount[eb]!++;
    this.wear.bytesProgrammed += (ops.datbuf === null ? 0 : ops.len) + ops.ooblen;
  }

  block_isbad(ofs: number): boolean {
    return this.#bad[Math.floor(ofs / this.erasesize)] === 1;
  }

  block_markbad(ofs: number): void {
    if (this.type !== MTD_NANDFLASH) throw new Errno('EOPNOTSUPP', 'NOR has no bad blocks');
    const eb = Math.floor(ofs / this.erasesize);
    if (this.#bad[eb] === 1) return;
    this.erase({ addr: eb * this.erasesize, len: this.erasesize, fail_addr: 0 });
    this.#bad[eb] = 1;
    this.wear.programCount[eb]!++;
    this.ecc_stats.badblocks++;
  }

  sync(): void {}
  plug(): void {}
  unplug(): void {}
  close(): void {}
}
