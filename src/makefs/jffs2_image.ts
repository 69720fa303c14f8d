/**
 * Erase blocks being filled: nodes go in one after the other, a block that is full gets its summary
 * and is handed on. Sizes, offsets and CRC ranges are medium.ts's.
 */
import { crc32_le } from '../lump/crc32.js';
import { type ByteName, putName } from '../lump/types.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_MCTIME,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  type Endian,
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_ATIME,
  I_COMPR,
  I_CSIZE,
  I_CTIME,
  I_DATA_CRC,
  I_DSIZE,
  I_FLAGS,
  I_GID,
  I_INO,
  I_ISIZE,
  I_MODE,
  I_MTIME,
  I_NODE_CRC,
  I_OFFSET,
  I_UID,
  I_USERCOMPR,
  I_VERSION,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_SUMMARY_DIRENT_SIZE,
  JFFS2_SUMMARY_FRAME_SIZE,
  JFFS2_SUMMARY_INODE_SIZE,
  JFFS2_SUMMARY_XATTR_SIZE,
  JFFS2_SUMMARY_XREF_SIZE,
  PAD,
  R_INO,
  R_NODE_CRC,
  R_XID,
  R_XSEQNO,
  XATTR_SIZE,
  XREF_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
  X_VERSION,
  X_XID,
  X_XPREFIX,
} from '../jffs2/medium.js';
import {
  jffs2_sum_entry_size,
  jffs2_sum_fits,
  jffs2_sum_node,
  jffs2_summary,
} from '../jffs2/summary_node.js';
import { MakefsError } from './fsnode.js';

export interface BlockLayout {
  readonly endian: Endian;
  readonly eraseSizeBytes: number;
  /** Bytes of the cleanmarker at each block's start, at least 12; 0 = none there. */
  readonly cleanmarkerBytes: number;
  readonly summary: boolean;
}

/** Receives erase blocks in order; `used` bytes of the last one are filled, 0xFF follows. */
export type BlockSink = (block: Uint8Array, used: number) => void;

/** What all inode nodes of an inode have in common. */
export interface InodeFacts {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isize: number;
  readonly timeSec: number;
}

export class Jffs2ImageWriter {
  /** Blocks that were begun. */
  blocks = 0;
  readonly layout: BlockLayout;
  private readonly sink: BlockSink;
  private readonly summary: jffs2_summary;
  private readonly block: Uint8Array;
  /** Where the next node goes; 0 = the block is not begun. */
  private at = 0;

  constructor(layout: BlockLayout, sink: BlockSink) {
    this.layout = layout;
    this.sink = sink;
    this.summary = new jffs2_summary({ e: layout.endian });
    this.block = new Uint8Array(layout.eraseSizeBytes);
  }

  /** Bytes for nodes in a block of its own, when its summary has entries of `sumsize` bytes. */
  roomInBlock(sumsize: number): number {
    return this.layout.eraseSizeBytes - PAD(this.layout.cleanmarkerBytes) - this.tail(sumsize, 0);
  }

  /** Bytes that a node with a summary entry of `sumsize` bytes may take here; may be negative. */
  room(sumsize = JFFS2_SUMMARY_INODE_SIZE): number {
    if (this.at === 0) return this.roomInBlock(sumsize);
    return this.layout.eraseSizeBytes - this.at - this.tail(sumsize, this.summary.sum_size);
  }

  /** Ends the block, with its summary. Does nothing in a block that is not begun. */
  closeBlock(): void {
    if (this.at === 0) return;
    const { endian, eraseSizeBytes, cleanmarkerBytes } = this.layout;
    const infosize = eraseSizeBytes - this.at;
    if (this.layout.summary && jffs2_sum_fits(this.summary, infosize)) {
      const { summary, at, block } = this;
      jffs2_sum_node(endian, summary, at, infosize, cleanmarkerBytes, block, at);
      this.at = eraseSizeBytes;
    }
    this.flush();
  }

  /** Hands the last block on as it is: without a summary, it can be written on. */
  finish(): void {
    if (this.at > 0) this.flush();
  }

  /** A block with nothing in it but its cleanmarker. */
  emptyBlock(): void {
    this.begin();
    this.flush();
  }

  /** An inode node whose payload (`csize` bytes of `payload`, CRC `dataCrc`) fits the room here. */
  inode(
    facts: InodeFacts,
    version: number,
    offset: number,
    dsize: number,
    compr: number,
    payload: Uint8Array,
    payloadAt: number,
    csize: number,
    dataCrc: number,
  ): void {
    const { endian: e } = this.layout;
    const { block } = this;
    const totlen = INODE_SIZE + csize;
    const at = this.node(JFFS2_NODETYPE_INODE, totlen, JFFS2_SUMMARY_INODE_SIZE);
    e.put32(block, at + I_INO, facts.ino);
    e.put32(block, at + I_VERSION, version);
    e.put32(block, at + I_MODE, facts.mode);
    e.put16(block, at + I_UID, facts.uid);
    e.put16(block, at + I_GID, facts.gid);
    e.put32(block, at + I_ISIZE, facts.isize);
    e.put32(block, at + I_ATIME, facts.timeSec);
    e.put32(block, at + I_MTIME, facts.timeSec);
    e.put32(block, at + I_CTIME, facts.timeSec);
    e.put32(block, at + I_OFFSET, offset);
    e.put32(block, at + I_CSIZE, csize);
    e.put32(block, at + I_DSIZE, dsize);
    block[at + I_COMPR] = compr;
    block[at + I_USERCOMPR] = 0;
    e.put16(block, at + I_FLAGS, 0);
    e.put32(block, at + I_DATA_CRC, dataCrc);
    e.put32(block, at + I_NODE_CRC, crc32_le(0, block, at, INODE_CRC_LENGTH));
    if (csize > 0) block.set(payload.subarray(payloadAt, payloadAt + csize), at + INODE_SIZE);
    this.summary.addInode(facts.ino, version, at, totlen);
  }

  /** @param type DT_* */
  dirent(
    pino: number,
    version: number,
    ino: number,
    mctime: number,
    type: number,
    name: ByteName,
  ): void {
    const { endian: e } = this.layout;
    const { block } = this;
    const totlen = DIRENT_SIZE + name.length;
    const sumsize = JFFS2_SUMMARY_DIRENT_SIZE(name.length);
    const at = this.node(JFFS2_NODETYPE_DIRENT, totlen, sumsize);
    e.put32(block, at + D_PINO, pino);
    e.put32(block, at + D_VERSION, version);
    e.put32(block, at + D_INO, ino);
    e.put32(block, at + D_MCTIME, mctime);
    block[at + D_NSIZE] = name.length;
    block[at + D_TYPE] = type;
    e.put16(block, at + D_TYPE + 1, 0);
    e.put32(block, at + D_NODE_CRC, crc32_le(0, block, at, D_NODE_CRC));
    putName(block, at + DIRENT_SIZE, name);
    e.put32(block, at + D_NAME_CRC, crc32_le(0, block, at + DIRENT_SIZE, name.length));
    this.summary.addDirent(pino, version, ino, type, name, at, totlen);
  }

  /** @param name without its prefix */
  xattr(xid: number, version: number, xprefix: number, name: ByteName, value: Uint8Array): void {
    const { endian: e } = this.layout;
    const { block } = this;
    const length = name.length + 1 + value.length;
    const totlen = PAD(XATTR_SIZE + length);
    const at = this.node(JFFS2_NODETYPE_XATTR, totlen, JFFS2_SUMMARY_XATTR_SIZE);
    e.put32(block, at + X_XID, xid);
    e.put32(block, at + X_VERSION, version);
    block[at + X_XPREFIX] = xprefix;
    block[at + X_NAME_LEN] = name.length;
    e.put16(block, at + X_VALUE_LEN, value.length);
    putName(block, at + XATTR_SIZE, name);
    block[at + XATTR_SIZE + name.length] = 0;
    block.set(value, at + XATTR_SIZE + name.length + 1);
    e.put32(block, at + X_DATA_CRC, crc32_le(0, block, at + XATTR_SIZE, length));
    e.put32(block, at + X_NODE_CRC, crc32_le(0, block, at, X_NODE_CRC));
    this.summary.addXattr(xid, version, at, totlen);
  }

  xref(ino: number, xid: number, xseqno: number): void {
    const { endian: e } = this.layout;
    const { block } = this;
    const at = this.node(JFFS2_NODETYPE_XREF, XREF_SIZE, JFFS2_SUMMARY_XREF_SIZE);
    e.put32(block, at + R_INO, ino);
    e.put32(block, at + R_XID, xid);
    e.put32(block, at + R_XSEQNO, xseqno);
    e.put32(block, at + R_NODE_CRC, crc32_le(0, block, at, R_NODE_CRC));
    this.summary.addXref(at);
  }

  /** A node as it is, of one of the four kinds that summaries know. */
  copy(image: Uint8Array, at: number, totlen: number): void {
    const to = this.place(totlen, jffs2_sum_entry_size(this.layout.endian, image, at));
    this.block.set(image.subarray(at, at + totlen), to);
    this.summary.addRaw(image, at, to);
  }

  /** Makes place for a node and writes its header. */
  private node(type: number, totlen: number, sumsize: number): number {
    const at = this.place(totlen, sumsize);
    this.header(at, type, totlen);
    return at;
  }

  /** Makes place for a node, in the next block if need be. */
  private place(totlen: number, sumsize: number): number {
    if (PAD(totlen) > this.room(sumsize)) {
      this.closeBlock();
      if (PAD(totlen) > this.room(sumsize)) {
        const { eraseSizeBytes } = this.layout;
        throw new MakefsError(
          `a node of ${totlen} bytes does not fit an erase block of ${eraseSizeBytes}`,
        );
      }
    }
    this.begin();
    const { at } = this;
    this.at += PAD(totlen);
    this.block.fill(0xff, at + totlen, this.at);
    return at;
  }

  private header(at: number, type: number, totlen: number): void {
    const { endian: e } = this.layout;
    e.put16(this.block, at, JFFS2_MAGIC_BITMASK);
    e.put16(this.block, at + H_TYPE, type);
    e.put32(this.block, at + H_TOTLEN, totlen);
    e.put32(this.block, at + H_CRC, crc32_le(0, this.block, at, H_CRC));
  }

  /** What the summary will take of the block's end. */
  private tail(sumsize: number, collected: number): number {
    return this.layout.summary ? PAD(sumsize + collected + JFFS2_SUMMARY_FRAME_SIZE) : 0;
  }

  private begin(): void {
    if (this.at > 0 || this.begun) return;
    this.begun = true;
    this.blocks++;
    const { cleanmarkerBytes } = this.layout;
    if (cleanmarkerBytes === 0) return;
    this.header(0, JFFS2_NODETYPE_CLEANMARKER, cleanmarkerBytes);
    this.block.fill(0xff, HEADER_SIZE, PAD(cleanmarkerBytes));
    this.at = PAD(cleanmarkerBytes);
  }

  /** A block without a cleanmarker is begun although nothing is in it. */
  private begun = false;

  private flush(): void {
    this.block.fill(0xff, this.at);
    this.sink(this.block, this.at);
    this.at = 0;
    this.begun = false;
    this.summary.reset();
  }
}

/** The least that a cleanmarker takes. */
export const CLEANMARKER_BYTES_MIN = HEADER_SIZE;
