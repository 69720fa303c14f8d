/**
 * Space: who may write how much where, and what becomes of the space of nodes that are no longer
 * needed. Facts: reference jffs2.md §7.
 *
 * Lock order: alloc_sem, then an inode's sem. Reserving takes alloc_sem and
 * {@link jffs2_complete_reservation} gives it back.
 */
import { BUG, BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { wait_event, wake_up, wake_up_process } from '../lump/sched.js';
import { jffs2_erase_pending_blocks } from './erase.js';
import { jffs2_garbage_collect_pass } from './gc.js';
import { JFFS2_SUMMARY_FRAME_SIZE, PAD } from './medium.js';
import {
  ISDIRTY,
  jffs2_alloc,
  jffs2_link_node_ref,
  JFFS2_SB_FLAG_SCANNING,
  list_del,
  list_move_tail,
  ref_block,
  ref_flags,
  ref_obsolete,
  ref_totlen,
  REF_OBSOLETE,
  REF_UNCHECKED,
  set_ref_state,
  VERYDIRTY,
  type jffs2_eraseblock,
  type jffs2_node_owner,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import { jffs2_sum_write_sumnode } from './summary.js';
import { JFFS2_SUMMARY_NOSUM_SIZE } from './summary_node.js';
import { jffs2_flush_wbuf_pad } from './wbuf.js';

/** What space is asked for: decides how deep the reserves may be drawn on. */
export const ALLOC_NORMAL = 0;
/** Unlinking and deletion entries: they free space in the end. */
export const ALLOC_DELETION = 1;
/** Garbage collection: takes what there is. */
export const ALLOC_GC = 2;
/** File data: a failed write is told to the caller instead of being repeated here. */
export const ALLOC_NORETRY = 3;

const CHIP_FAILED = 'the chip failed; nothing more is written to it';

/** May an unprivileged caller write while `rp_size` bytes are kept for privileged ones? */
function jffs2_rp_can_write(c: jffs2_sb_info): boolean {
  const { rp_size } = c.mount_opts;
  if (rp_size === 0 || c.lump.current_cred.privileged) return true;
  // Linux computes this in u32 and a negative result wraps to "plenty"; here it means none.
  const avail =
    c.dirty_size +
    c.free_size +
    c.unchecked_size +
    c.erasing_size -
    c.resv_blocks_write * c.sector_size -
    c.nospc_dirty_size;
  return avail > rp_size;
}

/**
 * Gets room for a node of at least `minsize` bytes at the write position, collecting garbage as
 * needed, and holds alloc_sem on return.
 * @param sumsize bytes of the node's summary entry.
 * @returns the bytes available (at least minsize).
 * @throws ENOSPC, EIO; alloc_sem is free then.
 */
export function jffs2_reserve_space(
  c: jffs2_sb_info,
  minsize: number,
  prio: number,
  sumsize: number,
): number {
  const want = PAD(minsize);
  if (c.wbuf?.failed) throw new Errno('EIO', CHIP_FAILED);
  jffs2_alloc(c, 'jffs2_raw_node_ref');
  c.alloc_sem.lock();
  try {
    if (prio !== ALLOC_DELETION && !jffs2_rp_can_write(c)) throw new Errno('ENOSPC');
    // Each pass moves a node, checks an inode or erases a block; when all were seen twice and there
    // is no room yet, collecting only shifts what is there.
    let passes = 2 * (c.refs.count + c.inocache.size + c.nr_blocks);
    for (;;) {
      while (c.nr_free_blocks + c.nr_erasing_blocks < c.resv_blocks_write) {
        if (jffs2_lacks_space(c, c.resv_blocks_write)) {
          if (prio !== ALLOC_DELETION) throw new Errno('ENOSPC');
          if (c.nr_free_blocks + c.nr_erasing_blocks >= c.resv_blocks_deletion) break;
          // As after a cut of the power, which may cost a block's tail. Linux gives up here.
          if (jffs2_lacks_space(c, c.resv_blocks_deletion)) {
            // What costs no block is allowed as long as collecting has one to move to.
            const reserve = c.nr_free_blocks + c.nr_erasing_blocks;
            if (reserve > 0 && fitsNextblock(c, want, sumsize)) break;
            throw new Errno('ENOSPC');
          }
        }
        if (passes-- === 0) throw new Errno('ENOSPC');
        c.alloc_sem.unlock();
        try {
          if (jffs2_garbage_collect_pass(c) === 'nothing yet') {
            wait_event(c.erase_wait, () => c.erasing_list.empty || c.nr_free_blocks > 0);
          }
        } finally {
          c.alloc_sem.lock();
        }
      }
      const len = jffs2_do_reserve_space(c, want, sumsize);
      if (len !== 0) return len;
    }
  } catch (error) {
    c.alloc_sem.unlock();
    throw error;
  }
}

/** Would collecting everything that can be collected not leave more than so many blocks? */
export function jffs2_lacks_space(c: jffs2_sb_info, blocks: number): boolean {
  const dirty =
    c.dirty_size + c.erasing_size - c.nr_erasing_blocks * c.sector_size + c.unchecked_size;
  if (dirty < c.nospc_dirty_size) return true;
  const avail = c.free_size + c.dirty_size + c.erasing_size + c.unchecked_size;
  return Math.floor(avail / c.sector_size) <= blocks;
}

/** Room for garbage collection, which holds alloc_sem already and may use the last block. */
export function jffs2_reserve_space_gc(c: jffs2_sb_info, minsize: number, sumsize: number): number {
  c.alloc_sem.assert_held();
  const want = PAD(minsize);
  for (;;) {
    const len = jffs2_do_reserve_space(c, want, sumsize);
    if (len !== 0) return len;
  }
}

/** Files the block that writes went to: nothing more fits into it. */
function jffs2_close_nextblock(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  if (ISDIRTY(jeb.wasted_size + jeb.dirty_size)) {
    c.dirty_size += jeb.wasted_size;
    c.wasted_size -= jeb.wasted_size;
    jeb.dirty_size += jeb.wasted_size;
    jeb.wasted_size = 0;
    (VERYDIRTY(c, jeb.dirty_size) ? c.very_dirty_list : c.dirty_list).addTail(jeb);
  } else {
    c.clean_list.addTail(jeb);
  }
  c.nextblock = null;
}

/** Makes a block that has nodes fit for being written to behind them. */
export function jffs2_prepare_tail(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  jeb.wasted_size += jeb.dirty_size;
  c.wasted_size += jeb.dirty_size;
  c.dirty_size -= jeb.dirty_size;
  jeb.dirty_size = 0;
  if (c.wbuf === null) return;
  // The page that was written last is not written to again.
  const skip = jeb.free_size % c.wbuf.page.length;
  jeb.dirty_size += skip;
  jeb.free_size -= skip;
  c.dirty_size += skip;
  c.free_size -= skip;
}

/**
 * When nothing is free and nothing can be erased: what cuts of the power have left free at the ends
 * of blocks, so that collecting gets going again. @returns whether there was any.
 */
function jffs2_take_tail(c: jffs2_sb_info): boolean {
  let best: jffs2_eraseblock | null = null;
  for (const list of [c.dirty_list, c.very_dirty_list]) {
    for (const jeb of list) {
      if (jeb.free_size > 0 && (!best || jeb.free_size > best.free_size)) best = jeb;
    }
  }
  if (!best) return false;
  list_del(best);
  jffs2_prepare_tail(c, best);
  c.nextblock = best;
  c.summary.disable();
  return true;
}

/**
 * Takes the next free block to write to.
 * @returns false when the caller must try again (an erase went on meanwhile).
 * @throws ENOSPC nothing is free and nothing can be erased.
 */
function jffs2_find_nextblock(c: jffs2_sb_info): boolean {
  // What waits for being erased counts as if it were free. When space is short it must be: a cut of
  // the power would find it with its old nodes, and no block to collect them into. (In Linux the
  // thread erases meanwhile.)
  if (c.nr_free_blocks < c.resv_blocks_write) {
    jffs2_erase_pending_blocks(c, c.resv_blocks_write - c.nr_free_blocks);
  }
  const chosen = c.policy?.find_free_block?.(c);
  if (chosen) list_del(chosen);
  const jeb = chosen ?? c.free_list.shift();
  if (jeb === null) {
    if (c.erase_pending_list.empty && !c.erasable_list.empty) {
      list_move_tail(c.erasable_list.first!, c.erase_pending_list);
      c.nr_erasing_blocks++;
    }
    if (c.nr_erasing_blocks === 0 && !c.erasable_pending_wbuf_list.empty) {
      jffs2_flush_wbuf_pad(c);
      // Not so while the nodes of a failed page look for a place.
      if (!c.wbuf!.dirty) return false;
    }
    if (c.nr_erasing_blocks === 0 && jffs2_take_tail(c)) return false;
    if (c.nr_erasing_blocks === 0) {
      throw new Errno('ENOSPC', 'no erase block is free, and none can be erased');
    }
    // Erases happen at once here; there is nobody to wait for.
    jffs2_erase_pending_blocks(c, 1);
    return false;
  }
  c.nextblock = jeb;
  c.nr_free_blocks--;
  c.summary.reset();
  if (!c.mount_opts.summary) c.summary.disable();
  return true;
}

/** Bytes at the end of nextblock that a summary will need after one more entry. */
function summaryTail(c: jffs2_sb_info, sumsize: number): number {
  return c.summary.disabled ? 0 : PAD(sumsize + c.summary.sum_size + JFFS2_SUMMARY_FRAME_SIZE);
}

function fitsNextblock(c: jffs2_sb_info, minsize: number, sumsize: number): boolean {
  return c.nextblock !== null && minsize + summaryTail(c, sumsize) <= c.nextblock.free_size;
}

/** Makes nextblock fit for a node of `minsize` bytes. @returns the room, 0 = try again. */
function jffs2_do_reserve_space(c: jffs2_sb_info, minsize: number, sumsize: number): number {
  const { summary } = c;
  if (c.wbuf?.failed) throw new Errno('EIO', CHIP_FAILED);
  let reserved = 0;
  let jeb = c.nextblock;
  if (jeb && !summary.disabled) {
    if (sumsize === JFFS2_SUMMARY_NOSUM_SIZE) {
      summary.disable();
    } else {
      reserved = summaryTail(c, sumsize);
      const last = c.nr_free_blocks + c.nr_erasing_blocks === 0 && c.erasable_list.empty;
      if (last && minsize <= jeb.free_size) {
        // There is no block to go on in: space is worth more than a summary.
        if (minsize + reserved > jeb.free_size) summary.disable();
        reserved = 0;
      } else if (minsize + reserved > jeb.free_size) {
        jffs2_sum_write_sumnode(c);
        // The block failed and is filed away.
        if (c.nextblock !== jeb) return 0;
        // Without a summary after all: nodes may go on to the end of the block.
        reserved = 0;
        if (!summary.disabled) {
          jffs2_close_nextblock(c, jeb);
          jeb = null;
        }
      }
    }
  }
  if (jeb && minsize > jeb.free_size) {
    if (c.wbuf !== null && c.wbuf.len > 0) {
      jffs2_flush_wbuf_pad(c);
      return 0;
    }
    const waste = jeb.free_size;
    jeb.wasted_size += waste;
    c.wasted_size += waste;
    c.free_size -= waste;
    jeb.free_size = 0;
    jffs2_close_nextblock(c, jeb);
    jeb = null;
  }
  if (!jeb) {
    reserved = 0;
    if (!jffs2_find_nextblock(c)) return 0;
    jeb = c.nextblock!;
    if (jeb.free_size !== c.sector_size - c.cleanmarker_size)
      BUG(`the free erase block at 0x${jeb.offset.toString(16)} has ${jeb.free_size} free bytes`);
    if (!summary.disabled && sumsize === JFFS2_SUMMARY_NOSUM_SIZE) summary.disable();
    else if (!summary.disabled) reserved = PAD(sumsize + JFFS2_SUMMARY_FRAME_SIZE);
    if (minsize + reserved > jeb.free_size) reserved = 0;
    if (minsize > jeb.free_size) throw new Errno('ENOSPC', 'a node larger than an erase block');
  }
  // The cleanmarker has done its duty when the first node is about to follow it.
  if (
    c.cleanmarker_size > 0 &&
    jeb.used_size === PAD(c.cleanmarker_size) &&
    jeb.first_node !== 0 &&
    c.refs.owner[jeb.first_node] === 0 &&
    c.refs.next_phys[jeb.first_node] === 0
  ) {
    jffs2_mark_node_obsolete(c, jeb.first_node);
  }
  return jeb.free_size - reserved;
}

/** Byte offset at which the next node goes. */
export function write_ofs(c: jffs2_sb_info): number {
  const jeb = c.nextblock!;
  return jeb.offset + c.sector_size - jeb.free_size;
}

/**
 * Registers a node that was written at the write position.
 * @param offsetAndState where, with the REF_ state; REF_OBSOLETE for space that was spoilt.
 */
export function jffs2_add_physical_node_ref(
  c: jffs2_sb_info,
  offsetAndState: number,
  len: number,
  owner: jffs2_node_owner | null,
): Ref {
  const jeb = c.nextblock!;
  if ((offsetAndState & ~3) >>> 0 !== write_ofs(c))
    BUG(`a node at 0x${offsetAndState.toString(16)} is not at the write position`);
  const ref = jffs2_link_node_ref(c, jeb, offsetAndState, len, owner);
  jffs2_close_if_full(c, jeb);
  return ref;
}

/** Files nextblock if it is full to its end, and worth keeping. */
export function jffs2_close_if_full(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  if (jeb.free_size > 0 || jeb.dirty_size > 0 || ISDIRTY(jeb.wasted_size)) return;
  c.clean_list.addTail(jeb);
  c.nextblock = null;
}

/** Ends what jffs2_reserve_space began. */
export function jffs2_complete_reservation(c: jffs2_sb_info): void {
  jffs2_garbage_collect_trigger(c);
  c.alloc_sem.unlock();
}

/**
 * Accounts a node as no longer needed, and refiles its erase block. Nothing is written: obsolete
 * nodes are recognized by what replaced them (see DIFFERENCES.md on in-place marks).
 */
export function jffs2_mark_node_obsolete(c: jffs2_sb_info, ref: Ref): void {
  if (ref_obsolete(c, ref)) return;
  const jeb = ref_block(c, ref);
  const freed = ref_totlen(c, ref);
  if (ref_flags(c, ref) === REF_UNCHECKED) {
    BUG_ON(jeb.unchecked_size < freed, 'unchecked accounting of an erase block below zero');
    jeb.unchecked_size -= freed;
    c.unchecked_size -= freed;
  } else {
    BUG_ON(jeb.used_size < freed, 'used accounting of an erase block below zero');
    jeb.used_size -= freed;
    c.used_size -= freed;
  }
  // Little dirt is called waste: it does not make a block worth collecting.
  let added = 0;
  if ((jeb.dirty_size > 0 || ISDIRTY(jeb.wasted_size + freed)) && jeb !== c.nextblock) {
    added = freed;
    jeb.dirty_size += freed;
    c.dirty_size += freed;
    if (jeb.wasted_size > 0 && jeb.list !== c.bad_used_list) {
      added += jeb.wasted_size;
      jeb.dirty_size += jeb.wasted_size;
      c.dirty_size += jeb.wasted_size;
      c.wasted_size -= jeb.wasted_size;
      jeb.wasted_size = 0;
    }
  } else {
    jeb.wasted_size += freed;
    c.wasted_size += freed;
  }
  set_ref_state(c, ref, REF_OBSOLETE);

  if ((c.flags & JFFS2_SB_FLAG_SCANNING) !== 0 || jeb === c.nextblock) return;
  if (jeb.used_size === 0 && jeb.unchecked_size === 0) {
    if (jeb === c.gcblock) c.gcblock = null;
    else list_del(jeb);
    jffs2_file_emptied(c, jeb);
  } else if (jeb === c.gcblock || jeb.list === c.bad_used_list) {
    return;
  } else if (ISDIRTY(jeb.dirty_size) && !ISDIRTY(jeb.dirty_size - added)) {
    // As in Linux, one big node may take a block past both limits; it is "dirty" then.
    list_move_tail(jeb, c.dirty_list);
  } else if (VERYDIRTY(c, jeb.dirty_size) && !VERYDIRTY(c, jeb.dirty_size - added)) {
    list_move_tail(jeb, c.very_dirty_list);
  }
}

/** Files a block, on no list now, in which nothing is needed any more. */
export function jffs2_file_emptied(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  if (c.wbuf?.dirty) {
    // What replaced its nodes may be in the buffer only.
    c.erasable_pending_wbuf_list.addTail(jeb);
  } else if ((c.lump.jiffies & 127) !== 0) {
    c.erase_pending_list.addTail(jeb);
    c.nr_erasing_blocks++;
    jffs2_garbage_collect_trigger(c);
  } else {
    // Now and then a block is left for later, so that erasing does not always take the same ones.
    c.erasable_list.addTail(jeb);
  }
}

/** Has the background thread something to do? */
export function jffs2_thread_should_wake(c: jffs2_sb_info): boolean {
  if (!c.erase_complete_list.empty || !c.erase_pending_list.empty) return true;
  if (c.unchecked_size > 0) return true;
  const dirty = c.dirty_size + c.erasing_size - c.nr_erasing_blocks * c.sector_size;
  if (
    c.nr_free_blocks + c.nr_erasing_blocks < c.resv_blocks_gctrigger &&
    dirty > c.nospc_dirty_size
  ) {
    return true;
  }
  return c.very_dirty_list.length >= c.vdirty_blocks_gctrigger;
}

/** Wakes the background thread if it has something to do. */
export function jffs2_garbage_collect_trigger(c: jffs2_sb_info): void {
  if (!c.gc_task || !jffs2_thread_should_wake(c)) return;
  wake_up(c.gc_wait);
  if (!c.linux_gc_trigger) return;
  c.gc_triggered = true;
  if (c.gc_task.state === 'sleeping') wake_up_process(c.gc_task);
}
