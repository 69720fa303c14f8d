/**
 * Which erase block is collected next. Facts: reference jffs2.md §8.2.
 */
import { list_del, type jffs2_eraseblock, type jffs2_sb_info } from './nodelist.js';
import { jffs2_flush_wbuf_pad } from './wbuf.js';

/** Makes the next block to be collected c.gcblock; null where there is none. @throws EIO */
export function jffs2_find_gc_block(c: jffs2_sb_info): jffs2_eraseblock | null {
  for (;;) {
    const jeb = c.policy === null ? jffs2_choose_gc_block(c) : c.policy.find_gc_block(c);
    if (jeb) return startCollecting(c, jeb);
    if (c.erasable_pending_wbuf_list.empty) return null;
    // Flushing makes them erasable.
    jffs2_flush_wbuf_pad(c);
  }
}

/**
 * Which block to collect next. Mostly the dirtiest kinds, but a clean one now and then, so that
 * data which never changes does not spare its blocks from wear. The clock decides, as in Linux; but
 * where no tick has passed since the last choice, the next one counts as passed: a fast machine
 * would collect clean blocks for a whole tick, and gain nothing.
 */
export function jffs2_choose_gc_block(c: jffs2_sb_info): jffs2_eraseblock | null {
  const { jiffies } = c.lump;
  c.gc_tick = jiffies > c.gc_tick ? jiffies : c.gc_tick + 1;
  return jffs2_bad_used_block(c) ?? blockInNeed(c) ?? jffs2_gc_block_by_tick(c, c.gc_tick);
}

/** Linux's rule, reference jffs2.md §8.2: the head of a list, of which one the tick decides. */
export function jffs2_gc_block_by_tick(c: jffs2_sb_info, tick: number): jffs2_eraseblock | null {
  const bad = jffs2_bad_used_block(c);
  if (bad) return bad;
  const n = tick % 128;
  if (n < 50 && !c.erasable_list.empty) return c.erasable_list.first;
  if (n < 110 && !c.very_dirty_list.empty) return c.very_dirty_list.first;
  if (n < 126 && !c.dirty_list.empty) return c.dirty_list.first;
  return (
    c.clean_list.first ?? c.dirty_list.first ?? c.very_dirty_list.first ?? c.erasable_list.first
  );
}

/** Blocks whose programs failed come before all others, as soon as there is room. */
export const jffs2_bad_used_block = (c: jffs2_sb_info): jffs2_eraseblock | null =>
  c.nr_free_blocks > c.resv_blocks_gcbad ? c.bad_used_list.first : null;

/** When blocks are short, somebody waits for space: what needs no copying, or least of it. */
function blockInNeed(c: jffs2_sb_info): jffs2_eraseblock | null {
  const left = c.nr_free_blocks + c.nr_erasing_blocks;
  const least = left <= 1 ? leastUsedBlock(c) : null;
  return least ?? (left < c.resv_blocks_write ? c.erasable_list.first : null);
}

/**
 * The block that is emptied soonest: when the last one is being written to, nothing else would do.
 * A cut of the power may have cost the block that was kept for it.
 */
function leastUsedBlock(c: jffs2_sb_info): jffs2_eraseblock | null {
  let least: jffs2_eraseblock | null = null;
  for (const list of [c.erasable_list, c.very_dirty_list, c.dirty_list]) {
    for (const jeb of list) if (!least || jeb.used_size < least.used_size) least = jeb;
  }
  return least;
}

function startCollecting(c: jffs2_sb_info, jeb: jffs2_eraseblock): jffs2_eraseblock {
  list_del(jeb);
  c.gcblock = jeb;
  jeb.gc_node = jeb.first_node;
  if (jeb.wasted_size > 0) {
    jeb.dirty_size += jeb.wasted_size;
    c.dirty_size += jeb.wasted_size;
    c.wasted_size -= jeb.wasted_size;
    jeb.wasted_size = 0;
  }
  return jeb;
}
