/**
 * File data from the medium. Facts: reference jffs2.md §2.2, §3.
 */
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import {
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_COMPR,
  I_CSIZE,
  I_DATA_CRC,
  I_DSIZE,
  I_NODE_CRC,
  I_USERCOMPR,
  JFFS2_COMPR_NONE,
  JFFS2_COMPR_ZERO,
} from './medium.js';
import {
  ref_offset,
  ref_totlen,
  type jffs2_full_dnode,
  type jffs2_inode_info,
  type jffs2_sb_info,
} from './nodelist.js';
import { jffs2_lookup_node_frag } from './readinode.js';

/**
 * Largest data of one compressed node that is believed, in bytes. Linux writes a page at most;
 * mkfs.jffs2 -s writes more, for machines with larger pages.
 */
const NODE_DATA_MAX = 1 << 20;

/**
 * Reads `len` bytes of a node's data, from `ofs` bytes into it, to `buf[at…]`. A whole node is
 * decompressed straight to where it is wanted.
 * @throws EIO a CRC is wrong, the data does not decompress, or its codec is not known.
 */
export function jffs2_read_dnode(
  c: jffs2_sb_info,
  fn: jffs2_full_dnode,
  buf: Uint8Array,
  at: number,
  ofs: number,
  len: number,
): void {
  const { e } = c;
  const offset = ref_offset(c, fn.raw);
  const { buf: flash, off } = c.view(offset, ref_totlen(c, fn.raw));
  if (e.u32(flash, off + I_NODE_CRC) !== crc32_le(0, flash, off, INODE_CRC_LENGTH)) {
    c.damage.report('node crc', offset, 'inode node changed since it was checked');
    throw new Errno('EIO');
  }
  const compr = flash[off + I_COMPR]!;
  const csize = e.u32(flash, off + I_CSIZE);
  const dsize = e.u32(flash, off + I_DSIZE);
  if (compr === JFFS2_COMPR_ZERO) {
    buf.fill(0, at, at + len);
    return;
  }
  if (c.thin !== null) {
    c.thin.fill(flash, off, ofs, buf, at, len);
    return;
  }
  const data = off + INODE_SIZE;
  if (INODE_SIZE + csize > ref_totlen(c, fn.raw) || ofs + len > dsize) {
    c.damage.report('bad node', offset, 'lengths that do not agree');
    throw new Errno('EIO');
  }
  if (e.u32(flash, off + I_DATA_CRC) !== c.crc(flash, data, csize)) {
    c.damage.report('data crc', offset, 'data changed since it was checked');
    throw new Errno('EIO');
  }
  if (compr === JFFS2_COMPR_NONE && csize === dsize) {
    buf.set(flash.subarray(data + ofs, data + ofs + len), at);
    return;
  }
  const usercompr = flash[off + I_USERCOMPR]!;
  const whole = ofs === 0 && len === dsize;
  if (dsize > NODE_DATA_MAX) {
    c.damage.report('bad compressed data', offset, `${csize} bytes claim to hold ${dsize}`);
    throw new Errno('EIO');
  }
  if (!whole && c.pagebuf.length < dsize) c.pagebuf = new Uint8Array(dsize);
  const into = whole ? buf : c.pagebuf;
  const outcome = c.compressors.decompress(
    compr,
    usercompr,
    flash,
    data,
    csize,
    into,
    whole ? at : 0,
    dsize,
  );
  if (outcome !== 'ok') {
    c.damage.report('bad compressed data', offset, `codec ${compr}: ${outcome}`);
    throw new Errno('EIO');
  }
  if (!whole) buf.set(c.pagebuf.subarray(ofs, ofs + len), at);
}

/**
 * Reads `len` bytes of a file at `offset` to `buf[at…]`; what no node provides reads as zeros. The
 * size of the file is not looked at.
 * @throws EIO
 */
export function jffs2_read_inode_range(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  buf: Uint8Array,
  at: number,
  offset: number,
  len: number,
): void {
  f.sem.assert_held();
  const end = offset + len;
  const frags = f.fragtree;
  let n = jffs2_lookup_node_frag(frags, offset);
  if (n < 0 || frags[n]!.ofs + frags[n]!.size <= offset) n++;
  let position = offset;
  let out = at;
  while (position < end) {
    const frag = n < frags.length ? frags[n]! : null;
    if (frag === null || frag.ofs > position) {
      const stop = frag === null ? end : Math.min(end, frag.ofs);
      buf.fill(0, out, out + stop - position);
      out += stop - position;
      position = stop;
      continue;
    }
    const stop = Math.min(end, frag.ofs + frag.size);
    jffs2_read_dnode(c, frag.node, buf, out, position - frag.node.ofs, stop - position);
    out += stop - position;
    position = stop;
    n++;
  }
}
