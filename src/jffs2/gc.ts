/**
 * Garbage collection: empties an erase block of what is still needed, so that it can be erased. One
 * pass moves one node (or checks one inode, or erases one block). Facts: reference jffs2.md §8.
 *
 * Lock order: alloc_sem, then an inode's sem.
 */
import { BUG, KernelPanic } from '../lump/bug.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { type inode, PAGE_SIZE, S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT } from '../lump/fs.js';
import { iput, is_bad_inode } from '../lump/inode.js';
import { mutex } from '../lump/locks.js';
import { type ByteName, bytesToName, putName } from '../lump/types.js';
import { jffs2_erase_pending_blocks } from './erase.js';
import { jffs2_encode_dev, jffs2_gc_fetch_inode, JFFS2_INODE_INFO } from './fs.js';
import { jffs2_find_gc_block } from './gc_block.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_MCTIME,
  D_NAME_CRC,
  D_NODE_CRC,
  D_NSIZE,
  H_CRC,
  H_TYPE,
  INODE_CRC_LENGTH,
  INODE_SIZE,
  I_CSIZE,
  I_DATA_CRC,
  I_DSIZE,
  I_NODE_CRC,
  I_VERSION,
  JFFS2_COMPR_NONE,
  JFFS2_COMPR_ZERO,
  JFFS2_MIN_DATA_LEN,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_SUMMARY_DIRENT_SIZE,
  JFFS2_SUMMARY_INODE_SIZE,
} from './medium.js';
import {
  INO_STATE_CHECKEDABSENT,
  INO_STATE_CHECKING,
  INO_STATE_GC,
  INO_STATE_PRESENT,
  INO_STATE_UNCHECKED,
  ISDIRTY,
  jffs2_inode_cache,
  jffs2_inode_info,
  jffs2_next_version,
  jffs2_raw_ref_to_owner,
  ref_block,
  ref_flags,
  ref_obsolete,
  ref_offset,
  ref_totlen,
  REF_NORMAL,
  REF_OBSOLETE,
  REF_PRISTINE,
  type jffs2_eraseblock,
  type jffs2_full_dirent,
  type jffs2_full_dnode,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import {
  ALLOC_GC,
  jffs2_add_physical_node_ref,
  jffs2_garbage_collect_trigger,
  jffs2_lacks_space,
  jffs2_mark_node_obsolete,
  jffs2_reserve_space_gc,
  write_ofs,
} from './nodemgmt.js';
import { jffs2_read_inode_range } from './read.js';
import {
  isHoleNode,
  jffs2_add_full_dnode_to_inode,
  jffs2_do_crccheck_inode,
  jffs2_lookup_node_frag,
  nodeFileOffset,
} from './readinode.js';
import { JFFS2_SUMMARY_NOSUM_SIZE, jffs2_sum_entry_size } from './summary_node.js';
import { jffs2_flash_write } from './wbuf.js';
import {
  compressToNode,
  dropMetadata,
  jffs2_add_fd_to_dir,
  jffs2_write_dirent,
  jffs2_write_dnode,
  type jffs2_node_attr,
} from './write.js';
import {
  jffs2_garbage_collect_xattr_datum,
  jffs2_garbage_collect_xattr_ref,
  jffs2_verify_xattr,
  jffs2_xattr_datum,
} from './xattr.js';

/** How a pass ended. 'nothing yet': no block can be collected before some erase is done. */
export type GcOutcome = 'done' | 'nothing yet';

/** Checks the nodes of the next inode that was never read. alloc_sem is held. */
function checkNextInode(c: jffs2_sb_info): void {
  jffs2_verify_xattr(c);
  c.check_iterator ??= c.inocache.values();
  for (;;) {
    const { value: ic, done } = c.check_iterator.next();
    if (done) {
      if (c.unchecked_size === 0) return;
      throw new Errno(
        'ENOSPC',
        `all inodes are checked and still ${c.unchecked_size} bytes are unchecked`,
      );
    }
    if (ic.pino_nlink === 0 || ic.state !== INO_STATE_UNCHECKED) continue;
    ic.state = INO_STATE_CHECKING;
    const f = new jffs2_inode_info(new mutex(c.lump, 'jffs2 f->sem (check)'));
    try {
      jffs2_do_crccheck_inode(c, ic, f);
    } catch (error) {
      ic.state = INO_STATE_UNCHECKED;
      c.check_iterator = null;
      throw error;
    }
    ic.highest_version = f.highest_version;
    ic.state = INO_STATE_CHECKEDABSENT;
    return;
  }
}

/**
 * Could anything be written to this medium as it is, if need be after collecting garbage? A
 * deletion will do: a full flash must be mounted to be emptied. Reads and checks everything when
 * the answer depends on it; writes nothing.
 */
export function jffs2_has_room(c: jffs2_sb_info): boolean {
  if (c.nr_free_blocks + c.nr_erasing_blocks >= c.resv_blocks_deletion) return true;
  c.alloc_sem.lock();
  try {
    while (c.unchecked_size > 0) checkNextInode(c);
  } finally {
    c.alloc_sem.unlock();
  }
  return !jffs2_lacks_space(c, c.resv_blocks_write);
}

/**
 * One unit of garbage collection.
 * @throws ENOSPC, EIO: collection cannot go on.
 */
export function jffs2_garbage_collect_pass(c: jffs2_sb_info): GcOutcome {
  c.alloc_sem.lock();
  c.accounts?.pass_begins();
  try {
    if (c.unchecked_size > 0) {
      checkNextInode(c);
      return 'done';
    }
    if (!c.erase_complete_list.empty || !c.erase_pending_list.empty) {
      jffs2_erase_pending_blocks(c, 1);
      return 'done';
    }
    const jeb = c.gcblock ?? jffs2_find_gc_block(c);
    if (!jeb) {
      if (c.nr_erasing_blocks > 0) return 'nothing yet';
      throw new Errno('EIO', 'no erase block can be garbage collected');
    }
    if (jeb.used_size > 0) collectNode(c, jeb);
    if (c.gcblock && c.gcblock.used_size === 0) {
      c.erase_pending_list.addTail(c.gcblock);
      c.gcblock = null;
      c.nr_erasing_blocks++;
      jffs2_garbage_collect_trigger(c);
    }
    return 'done';
  } finally {
    c.accounts?.pass_ends();
    c.alloc_sem.unlock();
  }
}

/** Moves the next node of the block that is still needed. */
function collectNode(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  let raw = jeb.gc_node;
  while (raw !== 0 && ref_obsolete(c, raw)) raw = c.refs.next_phys[raw]!;
  if (raw === 0)
    BUG(
      `the erase block at 0x${jeb.offset.toString(16)} has ${jeb.used_size} used bytes but no node`,
    );
  jeb.gc_node = raw;
  const dirtyBefore = jeb.dirty_size;

  const owner = jffs2_raw_ref_to_owner(c, raw);
  if (owner === null) {
    // Unknown nodes that must be kept are copied; cleanmarkers and summaries are dropped.
    if (ref_flags(c, raw) !== REF_PRISTINE || !jffs2_garbage_collect_pristine(c, null, raw)) {
      jffs2_mark_node_obsolete(c, raw);
    }
  } else if (owner instanceof jffs2_inode_cache) {
    collectInodeNode(c, jeb, raw, owner);
  } else if (owner instanceof jffs2_xattr_datum) {
    jffs2_garbage_collect_xattr_datum(c, owner, raw);
  } else {
    jffs2_garbage_collect_xattr_ref(c, owner, raw);
  }

  if (jeb === c.gcblock && jeb.dirty_size === dirtyBefore && !ref_obsolete(c, jeb.gc_node)) {
    throw new Errno(
      'ENOSPC',
      `garbage collection could not move the node at 0x${ref_offset(c, raw).toString(16)}`,
    );
  }
}

function collectInodeNode(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  raw: Ref,
  ic: jffs2_inode_cache,
): void {
  // A directory of entries only has no bytes to check, so that the check left it out.
  if (ic.state === INO_STATE_UNCHECKED) ic.state = INO_STATE_CHECKEDABSENT;
  if (ic.state === INO_STATE_CHECKEDABSENT && ref_flags(c, raw) === REF_PRISTINE) {
    // Nobody has the inode open: the node can move without anybody noticing.
    ic.state = INO_STATE_GC;
    try {
      if (jffs2_garbage_collect_pristine(c, ic, raw)) return;
    } finally {
      ic.state = INO_STATE_CHECKEDABSENT;
    }
  } else if (ic.state !== INO_STATE_CHECKEDABSENT && ic.state !== INO_STATE_PRESENT) {
    throw new KernelPanic(`inode ${ic.ino} is in state ${ic.state} during garbage collection`);
  }
  // Reading an inode may collect nothing itself, but takes locks below alloc_sem only.
  let inode: inode | null;
  try {
    inode = jffs2_gc_fetch_inode(c, ic);
  } catch (error) {
    if (!(error instanceof Errno) || copyVerbatim(c, ic, raw) === 0) throw error;
    return;
  }
  if (!inode) {
    // Deleted, and nobody has it open: nothing needs its nodes.
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  try {
    if (is_bad_inode(inode)) throw new Errno('EIO', `inode ${ic.ino} cannot be read`);
    const f = JFFS2_INODE_INFO(inode);
    f.sem.lock();
    try {
      jffs2_garbage_collect_live(c, jeb, raw, f);
    } finally {
      f.sem.unlock();
    }
  } finally {
    iput(inode);
  }
}

/** Moves a node of an inode that is in memory. */
function jffs2_garbage_collect_live(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  raw: Ref,
  f: jffs2_inode_info,
): void {
  if (c.gcblock !== jeb || ref_obsolete(c, raw)) return;
  if (f.metadata?.raw === raw) {
    const { metadata } = f;
    rewriteOrCopy(c, f, metadata, () => jffs2_garbage_collect_metadata(c, f, metadata));
    return;
  }
  const { buf, off } = c.view(ref_offset(c, raw), ref_totlen(c, raw));
  const type = c.e.u16(buf, off + H_TYPE);
  if (type === JFFS2_NODETYPE_INODE) {
    const found = findDnode(c, f, raw, c.e.u32(buf, off + I_DSIZE));
    if (found) {
      const { fn, start, end } = found;
      if (ref_flags(c, raw) === REF_PRISTINE) {
        const moved = jffs2_garbage_collect_pristine(c, f.inocache, raw);
        if (moved) {
          fn.raw = moved;
          return;
        }
      }
      rewriteOrCopy(c, f, fn, () => {
        if (isHoleNode(c, raw)) jffs2_garbage_collect_hole(c, f, fn, start, end);
        else jffs2_garbage_collect_dnode(c, f, raw, start, end);
      });
      return;
    }
  } else if (type === JFFS2_NODETYPE_DIRENT) {
    const nsize = buf[off + D_NSIZE]!;
    const name = bytesToName(buf, off + DIRENT_SIZE, off + DIRENT_SIZE + nsize);
    const fd = f.dents?.get(name);
    if (fd && fd.raw === raw) {
      rewriteOrCopy(c, f, fd, () => {
        if (fd.ino !== 0) jffs2_garbage_collect_dirent(c, f, fd);
        else jffs2_garbage_collect_deletion_dirent(c, jeb, f, fd);
      });
      return;
    }
  }
  throw new KernelPanic(
    `the node at 0x${ref_offset(c, raw).toString(16)} is no part of inode ${f.inocache.ino}`,
  );
}

/**
 * Moves a node by writing it anew; if that fails (its data cannot be read or decompressed, the
 * inode's versions are used up) by copying it as it is, so that one damaged node does not keep its
 * block from being collected for ever. A copy with the old version is never wrong.
 */
function rewriteOrCopy(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  node: { raw: Ref },
  rewrite: () => void,
): void {
  const { raw } = node;
  try {
    rewrite();
  } catch (error) {
    if (!(error instanceof Errno) || ref_obsolete(c, raw)) throw error;
    const copy = copyVerbatim(c, f.inocache, raw);
    if (copy === 0) throw error;
    node.raw = copy;
  }
}

/** The node's entry in the map of the file, and the range from its first to its last fragment. */
function findDnode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  raw: Ref,
  dsize: number,
): { fn: jffs2_full_dnode; start: number; end: number } | null {
  const ofs = nodeFileOffset(c, raw);
  const frags = f.fragtree;
  let fn: jffs2_full_dnode | null = null;
  let found = 0;
  let start = 0;
  let end = 0;
  for (let n = Math.max(0, jffs2_lookup_node_frag(frags, ofs)); n < frags.length; n++) {
    const frag = frags[n]!;
    if (frag.ofs >= ofs + dsize) break;
    const { node } = frag;
    if (node.raw !== raw) continue;
    if (!fn) start = frag.ofs;
    fn = node;
    end = frag.ofs + frag.size;
    if (++found === node.frags) break;
  }
  return fn ? { fn, start, end } : null;
}

/** Says, and reports, whether a node is what was written: its CRCs, and lengths that agree. */
function isIntact(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache | null,
  raw: Ref,
  node: Uint8Array,
): boolean {
  const { e } = c;
  const { length } = node;
  const refuse = (what: string): boolean => {
    c.damage.report('node crc', ref_offset(c, raw), `${what}, found while collecting garbage`);
    return false;
  };
  if (e.u32(node, H_CRC) !== crc32_le(0, node, 0, H_CRC)) return refuse('header');
  switch (e.u16(node, H_TYPE)) {
    case JFFS2_NODETYPE_INODE: {
      if (e.u32(node, I_NODE_CRC) !== crc32_le(0, node, 0, INODE_CRC_LENGTH)) {
        return refuse('inode node');
      }
      const csize = e.u32(node, I_CSIZE);
      if (INODE_SIZE + csize > length) return refuse('inode node');
      if (csize > 0 && e.u32(node, I_DATA_CRC) !== c.crc(node, INODE_SIZE, csize)) {
        return refuse('data');
      }
      break;
    }
    case JFFS2_NODETYPE_DIRENT: {
      const nsize = node[D_NSIZE]!;
      if (
        e.u32(node, D_NODE_CRC) !== crc32_le(0, node, 0, D_NODE_CRC) ||
        DIRENT_SIZE + nsize > length ||
        e.u32(node, D_NAME_CRC) !== crc32_le(0, node, DIRENT_SIZE, nsize)
      ) {
        return refuse('directory entry');
      }
      break;
    }
    default:
      if (ic) return refuse('unknown node of an inode');
  }
  return true;
}

/**
 * Copies a node as it is, version included.
 * @returns the new reference, or 0 when the node must be rewritten instead (it does not fit into
 *   the current block, or a CRC is wrong).
 */
function jffs2_garbage_collect_pristine(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache | null,
  raw: Ref,
): Ref {
  const length = ref_totlen(c, raw);
  const sumsize = summarySize(c, raw, ic);
  // Asking for little at first: a block's end is better filled by splitting than left empty.
  const want = ic ? Math.min(length, INODE_SIZE + JFFS2_MIN_DATA_LEN) : length;
  if (jffs2_reserve_space_gc(c, want, sumsize) < length) return 0;

  const view = c.view(ref_offset(c, raw), length);
  // Writing may use what the view is of.
  const copy = c.thin === null ? view.buf.slice(view.off, view.off + length) : null;
  if (copy !== null && !isIntact(c, ic, raw, copy)) return 0;
  try {
    return programCopy(c, ic, raw, copy ?? view.buf, copy ? 0 : view.off, length, REF_PRISTINE);
  } catch (error) {
    // Once more, at another place, as a rewrite where that is possible.
    if (ic && error instanceof Errno) return 0;
    throw error;
  }
}

/**
 * Copies a node of an inode as it is, whatever it holds. @returns the new reference, or 0 when not
 * even its header is right, so that nobody would find the copy.
 * @throws ENOSPC, EIO
 */
function copyVerbatim(c: jffs2_sb_info, ic: jffs2_inode_cache, raw: Ref): Ref {
  const length = ref_totlen(c, raw);
  jffs2_reserve_space_gc(c, length, summarySize(c, raw, ic));
  const view = c.view(ref_offset(c, raw), length);
  const node = view.buf.slice(view.off, view.off + length);
  if (c.e.u32(node, H_CRC) !== crc32_le(0, node, 0, H_CRC)) return 0;
  return programCopy(c, ic, raw, node, 0, length, REF_NORMAL);
}

/** Programs the copy of a node at the reserved place. @returns its reference. @throws EIO */
function programCopy(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache | null,
  raw: Ref,
  node: Uint8Array,
  off: number,
  length: number,
  state: number,
): Ref {
  const at = write_ofs(c);
  try {
    jffs2_flash_write(c, at, length, node, off, 0);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    c.damage.report('write failed', at, `${c.retlen} of ${length} bytes`);
    if (c.retlen > 0) jffs2_add_physical_node_ref(c, at | REF_OBSOLETE, length, null);
    throw error;
  }
  const moved = jffs2_add_physical_node_ref(c, at | state, length, ic);
  c.summary.addRaw(node, off, at % c.sector_size);
  jffs2_mark_node_obsolete(c, raw);
  return moved;
}

/** Bytes of a node's summary entry. (Linux reserves the node's length here, by mistake.) */
function summarySize(c: jffs2_sb_info, raw: Ref, ic: jffs2_inode_cache | null): number {
  if (c.linux_summary_quirk) return ref_totlen(c, raw);
  if (!ic) return JFFS2_SUMMARY_NOSUM_SIZE;
  const { buf, off } = c.view(ref_offset(c, raw), DIRENT_SIZE);
  return jffs2_sum_entry_size(c.e, buf, off);
}

/** The inode's attributes, with the size that its data has. */
function attributesOf(f: jffs2_inode_info): jffs2_node_attr {
  const inode = f.vfs_inode!;
  const last = f.fragtree[f.fragtree.length - 1];
  return {
    mode: inode.i_mode,
    uid: inode.i_uid,
    gid: inode.i_gid,
    isize: last ? last.ofs + last.size : 0,
    atime: inode.i_atime_sec,
    mtime: inode.i_mtime_sec,
    ctime: inode.i_ctime_sec,
  };
}

/** Rewrites the node that has the attributes, and the payload of symlinks and devices. */
function jffs2_garbage_collect_metadata(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  old: jffs2_full_dnode | null,
): void {
  const inode = f.vfs_inode!;
  const kind = inode.i_mode & S_IFMT;
  const attr = attributesOf(f);
  let csize = 0;
  let payload: Uint8Array | null = null;
  if (kind === S_IFLNK) {
    payload = new Uint8Array(f.target.length);
    csize = putName(payload, 0, f.target);
    attr.isize = csize;
  } else if (kind === S_IFBLK || kind === S_IFCHR) {
    payload = jffs2_encode_dev(c, inode.i_rdev);
    csize = payload.length;
  }
  jffs2_reserve_space_gc(c, INODE_SIZE + csize, JFFS2_SUMMARY_INODE_SIZE);
  if (payload) c.nodebuf.set(payload, INODE_SIZE);
  const fn = jffs2_write_dnode(
    c,
    f,
    attr,
    0,
    csize,
    csize,
    JFFS2_COMPR_NONE,
    jffs2_next_version(f),
    ALLOC_GC,
  );
  if (old) jffs2_mark_node_obsolete(c, old.raw);
  f.metadata = fn;
}

/** Rewrites a hole. */
function jffs2_garbage_collect_hole(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  fn: jffs2_full_dnode,
  start: number,
  end: number,
): void {
  const attr = attributesOf(f);
  jffs2_reserve_space_gc(c, INODE_SIZE, JFFS2_SUMMARY_INODE_SIZE);
  if (fn.frags === 1) {
    const hole = jffs2_write_dnode(
      c,
      f,
      attr,
      start,
      end - start,
      0,
      JFFS2_COMPR_ZERO,
      jffs2_next_version(f),
      ALLOC_GC,
    );
    jffs2_add_full_dnode_to_inode(c, f, hole);
    dropMetadata(c, f);
    return;
  }
  // Later writes lie inside the hole. Its copy keeps the version, so as to stay beneath them.
  const { buf, off } = c.view(ref_offset(c, fn.raw), INODE_SIZE);
  const version = c.e.u32(buf, off + 16);
  const hole = jffs2_write_dnode(
    c,
    f,
    attr,
    fn.ofs,
    fn.size,
    0,
    JFFS2_COMPR_ZERO,
    version,
    ALLOC_GC,
  );
  jffs2_mark_node_obsolete(c, fn.raw);
  fn.raw = hole.raw;
}

/**
 * Rewrites [start, end) of a file, a page at a time, with what adjoins it in the page where that
 * saves nodes. Uses the file's contents, whichever node they are in.
 */
function jffs2_garbage_collect_dnode(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  raw: Ref,
  start: number,
  end: number,
): void {
  const attr = attributesOf(f);
  const { gc_page: page, lengths } = c;
  let first = start;
  let last = end;
  if (c.nr_free_blocks + c.nr_erasing_blocks > c.resv_blocks_gcmerge) {
    [first, last] = grownRange(c, f, start, end);
  }
  last = Math.min(last, attr.isize);
  if (first >= last) {
    // Nothing of it is inside the file.
    jffs2_mark_node_obsolete(c, raw);
    return;
  }
  for (let offset = first; offset < last; ) {
    const pageStart = offset - (offset % PAGE_SIZE);
    const stop = Math.min(last, pageStart + PAGE_SIZE);
    jffs2_read_inode_range(c, f, page, 0, offset, stop - offset);
    for (let done = offset; done < stop; ) {
      const room = jffs2_reserve_space_gc(
        c,
        INODE_SIZE + JFFS2_MIN_DATA_LEN,
        JFFS2_SUMMARY_INODE_SIZE,
      );
      const compr = compressToNode(c, page, done - offset, stop - done, room, lengths);
      const { srclen, dstlen } = lengths;
      const fn = jffs2_write_dnode(
        c,
        f,
        attr,
        done,
        srclen,
        dstlen,
        compr,
        jffs2_next_version(f),
        ALLOC_GC,
      );
      jffs2_add_full_dnode_to_inode(c, f, fn);
      dropMetadata(c, f);
      done += srclen;
    }
    offset = stop;
  }
}

/**
 * Grows a range inside its pages over fragments that are worth merging: all that do not touch the
 * page's edge, and the one that does if it is no hole and lies in a block that is dirty anyway.
 */
function grownRange(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  start: number,
  end: number,
): [number, number] {
  const frags = f.fragtree;
  const low = start - (start % PAGE_SIZE);
  const high = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
  const worthwhile = (raw: Ref): boolean => {
    if (isHoleNode(c, raw)) return false;
    const jeb = ref_block(c, raw);
    return jeb === c.gcblock || ISDIRTY(jeb.dirty_size + jeb.wasted_size);
  };
  let first = start;
  for (let n = jffs2_lookup_node_frag(frags, start) - 1; n >= 0 && first > low; n--) {
    const frag = frags[n]!;
    if (frag.ofs + frag.size !== first) break;
    if (frag.ofs <= low && !worthwhile(frag.node.raw)) break;
    first = Math.max(low, frag.ofs);
  }
  let last = end;
  for (let n = jffs2_lookup_node_frag(frags, end - 1) + 1; n < frags.length && last < high; n++) {
    const frag = frags[n]!;
    if (frag.ofs !== last) break;
    if (frag.ofs + frag.size >= high && !worthwhile(frag.node.raw)) break;
    last = Math.min(high, frag.ofs + frag.size);
  }
  return [first, last];
}

/** Rewrites a directory entry. */
function jffs2_garbage_collect_dirent(
  c: jffs2_sb_info,
  f: jffs2_inode_info,
  fd: jffs2_full_dirent,
): void {
  const inode = f.vfs_inode!;
  // The entry's time is the directory's, unless the directory was touched otherwise since.
  const mctime = inode.i_mtime_sec === inode.i_ctime_sec ? inode.i_mtime_sec : 0;
  if (mctime === 0 && hasTimes(c, f, fd)) jffs2_garbage_collect_metadata(c, f, f.metadata);
  jffs2_reserve_space_gc(
    c,
    DIRENT_SIZE + fd.name.length,
    JFFS2_SUMMARY_DIRENT_SIZE(fd.name.length),
  );
  const moved = jffs2_write_dirent(
    c,
    f,
    fd.name,
    fd.ino,
    fd.type,
    mctime,
    jffs2_next_version(f),
    ALLOC_GC,
  );
  jffs2_add_fd_to_dir(c, f, moved);
}

/**
 * A deletion is needed as long as an entry that it deletes is still on the medium, in another
 * block.
 */
function jffs2_garbage_collect_deletion_dirent(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  f: jffs2_inode_info,
  fd: jffs2_full_dirent,
): void {
  if (deletesSomething(c, jeb, f, fd)) {
    jffs2_garbage_collect_dirent(c, f, fd);
    return;
  }
  // The directory's times would go with it. (Linux lets them.)
  if (hasTimes(c, f, fd)) jffs2_garbage_collect_metadata(c, f, f.metadata);
  f.dents!.delete(fd.name);
  jffs2_mark_node_obsolete(c, fd.raw);
}

/** Is it this entry that says when its directory was changed last, and no inode node? */
function hasTimes(c: jffs2_sb_info, f: jffs2_inode_info, fd: jffs2_full_dirent): boolean {
  const entry = c.view(ref_offset(c, fd.raw), DIRENT_SIZE);
  const mctime = c.e.u32(entry.buf, entry.off + D_MCTIME);
  if (mctime === 0 || mctime !== f.vfs_inode!.i_mtime_sec) return false;
  if (!f.metadata) return true;
  const node = c.view(ref_offset(c, f.metadata.raw), INODE_SIZE);
  return c.e.u32(node.buf, node.off + I_VERSION) < fd.version;
}

function deletesSomething(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  f: jffs2_inode_info,
  fd: jffs2_full_dirent,
): boolean {
  const { e, refs } = c;
  const length = ref_totlen(c, fd.raw);
  for (let raw = f.inocache.nodes; raw !== 0; raw = refs.next_in_ino[raw]!) {
    if (!ref_obsolete(c, raw) || ref_totlen(c, raw) !== length || ref_block(c, raw) === jeb) {
      continue;
    }
    const { buf, off } = c.view(ref_offset(c, raw), length);
    // Known from the summary of a block whose erase was cut short: it may be any name, as long as
    // that summary is there.
    if (e.u32(buf, off + H_CRC) !== crc32_le(0, buf, off, H_CRC)) return true;
    if (e.u16(buf, off + H_TYPE) !== JFFS2_NODETYPE_DIRENT) continue;
    if (buf[off + D_NSIZE] !== fd.name.length || e.u32(buf, off + D_INO) === 0) continue;
    if (sameName(buf, off + DIRENT_SIZE, fd.name)) return true;
  }
  return false;
}

function sameName(buf: Uint8Array, at: number, name: ByteName): boolean {
  for (let n = 0; n < name.length; n++) {
    if (buf[at + n] !== name.charCodeAt(n)) return false;
  }
  return true;
}
