/**
 * Regular files: pages in, pages out. Writes go to the flash as they are made. Facts: reference
 * jffs2.md §2.3.
 */
import type {
  address_space_operations,
  file_operations,
  inode,
  inode_operations,
  page_ref,
} from '../lump/fs.js';
import { PAGE_SIZE } from '../lump/fs.js';
import { Errno } from '../lump/errno.js';
import { generic_file_read, generic_file_write } from '../lump/filemap.js';
import { jffs2_get_acl, jffs2_set_acl } from './acl.js';
import {
  jffs2_fsync,
  jffs2_now,
  JFFS2_INODE_INFO,
  JFFS2_SB_INFO,
  jffs2_setattr,
  nodeAttributes,
  sizeToBlocks,
} from './fs.js';
import { INODE_SIZE, JFFS2_SUMMARY_INODE_SIZE } from './medium.js';
import { isHoleNode, jffs2_lookup_node_frag } from './readinode.js';
import { ALLOC_NORMAL, jffs2_complete_reservation, jffs2_reserve_space } from './nodemgmt.js';
import { jffs2_read_inode_range } from './read.js';
import { jffs2_write_hole, jffs2_write_inode_range, type jffs2_node_attr } from './write.js';
import { jffs2_listxattr } from './xattr_handlers.js';

export const jffs2_file_inode_operations: inode_operations = {
  setattr: (_dentry, inode, attr) => jffs2_setattr(inode, attr),
  listxattr: jffs2_listxattr,
  get_acl: jffs2_get_acl,
  set_acl: jffs2_set_acl,
};

export const jffs2_file_operations: file_operations = {
  read: generic_file_read,
  write(file, buf, off, len, pos): number {
    const { mtd } = JFFS2_SB_INFO(file.f_inode.i_sb);
    mtd.plug();
    try {
      return generic_file_write(file, buf, off, len, pos);
    } finally {
      mtd.unplug();
    }
  },
  fsync: jffs2_fsync,
  seek_data: (inode, pos) => seek(inode, pos, false),
  seek_hole: (inode, pos) => seek(inode, pos, true),
};

export const jffs2_file_address_operations: address_space_operations = {
  read_folio(inode: inode, pageIndex: number, buf: Uint8Array, off: number): void {
    const c = JFFS2_SB_INFO(inode.i_sb);
    const f = JFFS2_INODE_INFO(inode);
    const start = pageIndex * PAGE_SIZE;
    const inside = Math.max(0, Math.min(PAGE_SIZE, inode.i_size - start));
    f.sem.lock();
    try {
      if (inside > 0) jffs2_read_inode_range(c, f, buf, off, start, inside);
    } finally {
      f.sem.unlock();
    }
    buf.fill(0, off + inside, off + PAGE_SIZE);
  },

  /** A write behind the end: a node must say that the gap is part of the file. */
  write_begin(_file, inode, pos): void {
    const oldSize = inode.i_size;
    if (pos <= oldSize) return;
    const c = JFFS2_SB_INFO(inode.i_sb);
    const f = JFFS2_INODE_INFO(inode);
    const attr = writeAttributes(inode);
    attr.isize = pos;
    jffs2_reserve_space(c, INODE_SIZE, ALLOC_NORMAL, JFFS2_SUMMARY_INODE_SIZE);
    f.sem.lock();
    try {
      jffs2_write_hole(c, f, attr, oldSize, pos - oldSize);
      inode.i_size = pos;
      inode.i_blocks = sizeToBlocks(pos);
    } finally {
      f.sem.unlock();
      jffs2_complete_reservation(c);
    }
  },

  write_end(_file, inode, pos, copied, page: page_ref): number {
    if (copied === 0) return 0;
    const c = JFFS2_SB_INFO(inode.i_sb);
    const f = JFFS2_INODE_INFO(inode);
    const inPage = pos % PAGE_SIZE;
    // Up to three bytes before the write go along, for alignment; a write that fills the page to
    // its end takes the whole page, so that one node has it.
    const first = inPage + copied === PAGE_SIZE ? 0 : inPage & ~3;
    const from = pos - inPage + first;
    const length = inPage + copied - first;
    const attr = writeAttributes(inode);
    const written = jffs2_write_inode_range(c, f, attr, page.buf, page.off + first, from, length);
    if (written < length && written <= inPage - first) {
      throw new Errno('ENOSPC', 'none of the bytes could be written');
    }
    const accepted = written - (inPage - first);
    if (inode.i_size < pos + accepted) {
      inode.i_size = pos + accepted;
      inode.i_blocks = sizeToBlocks(inode.i_size);
    }
    return accepted;
  },
};

/** Of a node with data. file_update_time() has seen to mtime and ctime; atime is Linux's habit. */
function writeAttributes(inode: inode): jffs2_node_attr {
  const attr = nodeAttributes(inode);
  attr.atime = jffs2_now(JFFS2_SB_INFO(inode.i_sb));
  return attr;
}

/**
 * SEEK_DATA and SEEK_HOLE by the map: gaps and hole nodes are holes.
 * @throws ENXIO behind the end, or no data follows.
 */
function seek(inode: inode, pos: number, hole: boolean): number {
  if (pos >= inode.i_size) throw new Errno('ENXIO');
  const c = JFFS2_SB_INFO(inode.i_sb);
  const f = JFFS2_INODE_INFO(inode);
  const frags = f.fragtree;
  f.sem.lock();
  try {
    let at = pos;
    let n = jffs2_lookup_node_frag(frags, at);
    if (n < 0 || frags[n]!.ofs + frags[n]!.size <= at) n++;
    for (; n < frags.length && at < inode.i_size; n++) {
      const frag = frags[n]!;
      if (frag.ofs > at) {
        if (hole) return at;
        at = frag.ofs;
      }
      if (isHoleNode(c, frag.node.raw) === hole) return at;
      at = frag.ofs + frag.size;
    }
    if (hole) return Math.min(at, inode.i_size);
    throw new Errno('ENXIO');
  } finally {
    f.sem.unlock();
  }
}
