/**
 * The bytes of an erase block summary: its entries, collected as nodes are written, and the node
 * around them. Knows the medium alone; the driver (summary.ts) and the image builder both write by
 * it. Facts: reference jffs2.md §4.
 */
import { crc32_le } from '../lump/crc32.js';
import { type ByteName, bytesToName, putName } from '../lump/types.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  type Endian,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  I_INO,
  I_VERSION,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_SUMMARY_DIRENT_SIZE,
  JFFS2_SUMMARY_INODE_SIZE,
  JFFS2_SUMMARY_XATTR_SIZE,
  JFFS2_SUMMARY_XREF_SIZE,
  JFFS2_SUM_MAGIC,
  SUMMARY_SIZE,
  SUM_MARKER_SIZE,
  S_CLN_MKR,
  S_NODE_CRC,
  S_PADDED,
  S_SUM_CRC,
  S_SUM_NUM,
  X_VERSION,
  X_XID,
} from './medium.js';

/** An unknown number of bytes needed for a summary entry: none will be written for this node. */
export const JFFS2_SUMMARY_NOSUM_SIZE = -1;
/** Largest summary (entries and gap) that is written. */
const MAX_SUMMARY_SIZE = 65536;

/**
 * The entries collected for one erase block, already in the form in which they go to flash (packed,
 * in the image's byte order).
 */
export class jffs2_summary {
  /** Collected bytes; -1 = given up for this erase block. */
  sum_size = 0;
  sum_num = 0;
  sum_padded = 0;
  private buf = new Uint8Array(1024);
  private readonly c: { readonly e: Endian };

  /** @param c whoever knows the byte order, now or by the time of the first entry. */
  constructor(c: { readonly e: Endian }) {
    this.c = c;
  }

  /** No summary will be written for the current erase block. */
  get disabled(): boolean {
    return this.sum_size === JFFS2_SUMMARY_NOSUM_SIZE;
  }

  get entries(): Uint8Array {
    return this.buf.subarray(0, Math.max(0, this.sum_size));
  }

  reset(): void {
    this.sum_size = this.sum_num = this.sum_padded = 0;
  }

  disable(): void {
    this.reset();
    this.sum_size = JFFS2_SUMMARY_NOSUM_SIZE;
  }

  private claim(bytes: number): number {
    const at = this.sum_size;
    if (at + bytes > this.buf.length) {
      const larger = new Uint8Array(Math.max(at + bytes, this.buf.length * 2));
      larger.set(this.buf);
      this.buf = larger;
    }
    this.sum_size += bytes;
    this.sum_num++;
    return at;
  }

  addPadding(bytes: number): void {
    if (!this.disabled) this.sum_padded += bytes;
  }

  /** `offset` counts from the start of the erase block. The same for the next three. */
  addInode(ino: number, version: number, offset: number, totlen: number): void {
    if (this.disabled) return;
    const at = this.claim(JFFS2_SUMMARY_INODE_SIZE);
    const { e } = this.c;
    e.put16(this.buf, at, JFFS2_NODETYPE_INODE);
    e.put32(this.buf, at + 2, ino);
    e.put32(this.buf, at + 6, version);
    e.put32(this.buf, at + 10, offset);
    e.put32(this.buf, at + 14, totlen);
  }

  addDirent(
    pino: number,
    version: number,
    ino: number,
    type: number,
    name: ByteName,
    offset: number,
    totlen: number,
  ): void {
    if (this.disabled) return;
    const at = this.claim(JFFS2_SUMMARY_DIRENT_SIZE(name.length));
    const { e } = this.c;
    e.put16(this.buf, at, JFFS2_NODETYPE_DIRENT);
    e.put32(this.buf, at + 2, totlen);
    e.put32(this.buf, at + 6, offset);
    e.put32(this.buf, at + 10, pino);
    e.put32(this.buf, at + 14, version);
    e.put32(this.buf, at + 18, ino);
    this.buf[at + 22] = name.length;
    this.buf[at + 23] = type;
    putName(this.buf, at + 24, name);
  }

  addXattr(xid: number, version: number, offset: number, totlen: number): void {
    if (this.disabled) return;
    const at = this.claim(JFFS2_SUMMARY_XATTR_SIZE);
    const { e } = this.c;
    e.put16(this.buf, at, JFFS2_NODETYPE_XATTR);
    e.put32(this.buf, at + 2, xid);
    e.put32(this.buf, at + 6, version);
    e.put32(this.buf, at + 10, offset);
    e.put32(this.buf, at + 14, totlen);
  }

  addXref(offset: number): void {
    if (this.disabled) return;
    const at = this.claim(JFFS2_SUMMARY_XREF_SIZE);
    this.c.e.put16(this.buf, at, JFFS2_NODETYPE_XREF);
    this.c.e.put32(this.buf, at + 2, offset);
  }

  /** The entry of a node that was written as it is, at buf[at]; of an unknown type: disables. */
  addRaw(buf: Uint8Array, at: number, offset: number): void {
    const { e } = this.c;
    const totlen = e.u32(buf, at + H_TOTLEN);
    switch (e.u16(buf, at + H_TYPE)) {
      case JFFS2_NODETYPE_INODE:
        this.addInode(e.u32(buf, at + I_INO), e.u32(buf, at + I_VERSION), offset, totlen);
        return;
      case JFFS2_NODETYPE_DIRENT: {
        const name = bytesToName(buf, at + DIRENT_SIZE, at + DIRENT_SIZE + buf[at + D_NSIZE]!);
        this.addDirent(
          e.u32(buf, at + D_PINO),
          e.u32(buf, at + D_VERSION),
          e.u32(buf, at + D_INO),
          buf[at + D_TYPE]!,
          name,
          offset,
          totlen,
        );
        return;
      }
      case JFFS2_NODETYPE_XATTR:
        this.addXattr(e.u32(buf, at + X_XID), e.u32(buf, at + X_VERSION), offset, totlen);
        return;
      case JFFS2_NODETYPE_XREF:
        this.addXref(offset);
        return;
      default:
        // A node type that we do not know cannot be described: no summary for this block.
        this.disable();
    }
  }

  /** Takes over what a scan collected for the block that becomes nextblock. */
  take(from: jffs2_summary): void {
    this.sum_size = from.sum_size;
    this.sum_num = from.sum_num;
    this.sum_padded = from.sum_padded;
    [this.buf, from.buf] = [from.buf, this.buf];
    from.reset();
  }

  /** As it was when somebody noted its fields. */
  restore(saved: Pick<jffs2_summary, 'sum_size' | 'sum_num' | 'sum_padded' | 'entries'>): void {
    this.reset();
    this.claim(saved.entries.length);
    this.buf.set(saved.entries);
    this.sum_size = saved.sum_size;
    this.sum_num = saved.sum_num;
    this.sum_padded = saved.sum_padded;
  }
}

/** Bytes of the entry of a node at `buf[at]`; JFFS2_SUMMARY_NOSUM_SIZE if it has none. */
export function jffs2_sum_entry_size(e: Endian, buf: Uint8Array, at: number): number {
  switch (e.u16(buf, at + H_TYPE)) {
    case JFFS2_NODETYPE_INODE:
      return JFFS2_SUMMARY_INODE_SIZE;
    case JFFS2_NODETYPE_DIRENT:
      return JFFS2_SUMMARY_DIRENT_SIZE(buf[at + D_NSIZE]!);
    case JFFS2_NODETYPE_XATTR:
      return JFFS2_SUMMARY_XATTR_SIZE;
    case JFFS2_NODETYPE_XREF:
      return JFFS2_SUMMARY_XREF_SIZE;
    default:
      return JFFS2_SUMMARY_NOSUM_SIZE;
  }
}

/** Whether what was collected fits a summary node of `infosize` bytes, and is not too much. */
export function jffs2_sum_fits(summary: jffs2_summary, infosize: number): boolean {
  const datasize = infosize - SUMMARY_SIZE;
  return datasize <= MAX_SUMMARY_SIZE && datasize >= summary.sum_size + SUM_MARKER_SIZE;
}

/**
 * Puts the summary node that fills the last `infosize` bytes of an erase block, from offset `rel`
 * on, to node[at …].
 * @param cleanmarker bytes of the cleanmarker at the block's start; 0 = none.
 */
export function jffs2_sum_node(
  e: Endian,
  summary: jffs2_summary,
  rel: number,
  infosize: number,
  cleanmarker: number,
  node: Uint8Array,
  at: number,
): void {
  const { entries } = summary;
  const marker = at + infosize - SUM_MARKER_SIZE;
  e.put16(node, at, JFFS2_MAGIC_BITMASK);
  e.put16(node, at + H_TYPE, JFFS2_NODETYPE_SUMMARY);
  e.put32(node, at + H_TOTLEN, infosize);
  e.put32(node, at + H_CRC, crc32_le(0, node, at, H_CRC));
  e.put32(node, at + S_SUM_NUM, summary.sum_num);
  e.put32(node, at + S_CLN_MKR, cleanmarker);
  e.put32(node, at + S_PADDED, summary.sum_padded);
  node.set(entries, at + SUMMARY_SIZE);
  node.fill(0xff, at + SUMMARY_SIZE + entries.length, marker);
  e.put32(node, marker, rel);
  e.put32(node, marker + 4, JFFS2_SUM_MAGIC);
  const sumCrc = crc32_le(0, node, at + SUMMARY_SIZE, infosize - SUMMARY_SIZE);
  e.put32(node, at + S_SUM_CRC, sumCrc);
  e.put32(node, at + S_NODE_CRC, crc32_le(0, node, at, S_SUM_CRC));
}
