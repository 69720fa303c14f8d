/**
 * Erasing: from "nothing in this block is needed" to "free". Facts: reference jffs2.md §9.4.
 *
 * The simulated chip erases at once, so a block never stays on erasing_list; the list and the wait
 * queue are there for chips that take their time.
 */
import { Errno } from '../lump/errno.js';
import { wake_up } from '../lump/sched.js';
import type { erase_info } from '../mtd/mtd.js';
import { MTD_FAIL_ADDR_UNKNOWN } from '../mtd/mtd.js';
import { jffs2_write_cleanmarker } from './cleanmarker.js';
import { firstProgrammed } from './erased.js';
import {
  INO_STATE_CHECKEDABSENT,
  INO_STATE_UNCHECKED,
  jffs2_del_ino_cache,
  jffs2_inode_cache,
  jffs2_link_node_ref,
  list_del,
  list_move_tail,
  REF_NORMAL,
  type jffs2_eraseblock,
  type jffs2_sb_info,
} from './nodelist.js';
import { jffs2_garbage_collect_trigger } from './nodemgmt.js';
import { jffs2_release_xattr_datum, jffs2_release_xattr_ref, jffs2_xattr_datum } from './xattr.js';

/** Failed erases of a NAND block after which it is marked bad. */
const ERASE_FAILURES_MAX = 2;

/**
 * Works on up to `count` blocks that wait for being erased or for their cleanmarker.
 * @returns true when anything was done.
 * @throws ENOMEM, EAGAIN the chip could not just now.
 */
export function jffs2_erase_pending_blocks(c: jffs2_sb_info, count: number): boolean {
  let done = 0;
  while (done < count) {
    const complete = c.erase_complete_list.shift();
    if (complete) {
      jffs2_mark_erased_block(c, complete);
      done++;
      continue;
    }
    const jeb = c.erase_pending_list.shift();
    if (!jeb) break;
    c.erasing_size += c.sector_size;
    c.wasted_size -= jeb.wasted_size;
    c.free_size -= jeb.free_size;
    c.used_size -= jeb.used_size;
    c.dirty_size -= jeb.dirty_size;
    jeb.wasted_size = jeb.used_size = jeb.dirty_size = jeb.free_size = 0;
    jffs2_free_jeb_node_refs(c, jeb);
    c.erasing_list.addTail(jeb);
    jffs2_erase_block(c, jeb);
  }
  return done > 0;
}

function jffs2_erase_block(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  const instr: erase_info = {
    addr: jeb.offset,
    len: c.sector_size,
    fail_addr: MTD_FAIL_ADDR_UNKNOWN,
  };
  try {
    c.mtd.erase(instr);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    if (error.code === 'ENOMEM' || error.code === 'EAGAIN') {
      // Nothing is wrong with the block.
      eraseAgain(c, jeb);
      throw error;
    }
    const why = error.code === 'EROFS' ? 'the chip is not writeable' : error.message;
    jffs2_erase_failed(c, jeb, instr.fail_addr, why);
    return;
  }
  list_del(jeb);
  c.erase_complete_list.addTail(jeb);
  jffs2_garbage_collect_trigger(c);
  wake_up(c.erase_wait);
}

function eraseAgain(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  c.erasing_size -= c.sector_size;
  c.dirty_size += c.sector_size;
  jeb.dirty_size = c.sector_size;
  if (jeb.list) list_move_tail(jeb, c.erase_pending_list);
  else c.erase_pending_list.addTail(jeb);
}

/**
 * A block that cannot be erased is tried once more on NAND, and marked bad then. Elsewhere there
 * are no marks: it is not used again in this mount.
 * @param where failing address, or MTD_FAIL_ADDR_UNKNOWN.
 */
function jffs2_erase_failed(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  where: number,
  why: string,
): void {
  c.damage.report('erase failed', jeb.offset, why);
  if (c.oob_cleanmarker > 0 && where !== MTD_FAIL_ADDR_UNKNOWN) {
    if (++jeb.bad_count < ERASE_FAILURES_MAX) {
      eraseAgain(c, jeb);
      return;
    }
    jffs2_write_nand_badblock(c, jeb.offset);
  }
  c.erasing_size -= c.sector_size;
  c.bad_size += c.sector_size;
  if (jeb.list) list_del(jeb);
  c.bad_list.addTail(jeb);
  c.nr_erasing_blocks--;
  wake_up(c.erase_wait);
}

function jffs2_write_nand_badblock(c: jffs2_sb_info, offset: number): void {
  try {
    c.mtd.block_markbad(offset);
    c.damage.report('bad block', offset, `marked after ${ERASE_FAILURES_MAX} failed erases`);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    c.damage.report('bad block', offset, `cannot be marked: ${error.message}`);
  }
}

/** Checks that the block is erased, writes the cleanmarker, and frees the block. */
function jffs2_mark_erased_block(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  try {
    const bad = jffs2_block_check_erase(c, jeb);
    if (bad >= 0) {
      jffs2_erase_failed(c, jeb, bad, `not 0xFF at 0x${bad.toString(16)} after the erase`);
      return;
    }
    jffs2_write_cleanmarker(c, jeb);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    jffs2_erase_failed(c, jeb, jeb.offset, error.message);
    return;
  }
  c.erasing_size -= c.sector_size;
  jeb.free_size = c.sector_size;
  jeb.bad_count = 0;
  c.free_size += c.sector_size;
  if (c.cleanmarker_size > 0) {
    jffs2_link_node_ref(c, jeb, jeb.offset | REF_NORMAL, c.cleanmarker_size, null);
  }
  c.free_list.addTail(jeb);
  c.nr_erasing_blocks--;
  c.nr_free_blocks++;
  wake_up(c.erase_wait);
}

/** @returns the offset of the first word that is not erased, or -1. */
function jffs2_block_check_erase(c: jffs2_sb_info, jeb: jffs2_eraseblock): number {
  const { buf, off } = c.view(jeb.offset, c.sector_size);
  // That was for the time it takes: there are no bytes to look at.
  if (c.thin !== null) return -1;
  const at = firstProgrammed(buf, off, off + c.sector_size);
  return at === off + c.sector_size ? -1 : jeb.offset + at - off;
}

/**
 * Lets go of all references of a block that is about to be erased, and of owners that lose their
 * last node by it.
 */
export function jffs2_free_jeb_node_refs(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  const { refs } = c;
  for (let ref = jeb.first_node; ref !== 0; ref = refs.next_phys[ref]!) {
    const slot = refs.owner[ref]!;
    if (slot === 0) continue;
    const owner = c.owners[slot]!;
    refs.unlink(owner, ref);
    if (owner.nodes !== 0) continue;
    if (owner instanceof jffs2_inode_cache) {
      const absent = owner.state === INO_STATE_CHECKEDABSENT || owner.state === INO_STATE_UNCHECKED;
      if (owner.pino_nlink === 0 && absent) jffs2_del_ino_cache(c, owner);
    } else if (owner instanceof jffs2_xattr_datum) {
      jffs2_release_xattr_datum(c, owner);
    } else {
      jffs2_release_xattr_ref(c, owner);
    }
  }
  for (let ref = jeb.first_node; ref !== 0; ) {
    const next = refs.next_phys[ref]!;
    refs.free(ref);
    ref = next;
  }
  jeb.first_node = jeb.last_node = jeb.gc_node = 0;
}
