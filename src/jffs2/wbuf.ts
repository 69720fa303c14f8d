/**
 * The write buffer, for media that are programmed by the page: NAND, DataFlash, NOR with ECC. Nodes
 * collect in it until their page is full; what cannot wait (fsync, sync, a timer, a block that is
 * to be closed or erased) fills the page up with a padding node. Facts: reference jffs2.md §9.
 *
 * The page in the buffer always belongs to nextblock, and only the buffer's end is ever written to;
 * so what is on flash is at each moment a beginning of the log. Nothing that a node in the buffer
 * replaces may be erased before the buffer is flushed: see {@link jffs2_file_emptied}.
 *
 * A page that cannot be programmed costs nothing but the block: its nodes go to another block, with
 * the references that they have, so that nobody who holds one notices. Where no block takes them,
 * nothing more is written; the nodes stay readable until unmounting, and whoever syncs is told.
 *
 * Lock: alloc_sem, for everything that writes.
 */
import { BUG } from '../lump/bug.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import {
  cancel_delayed_work_sync,
  delayed_work,
  schedule_delayed_work,
} from '../lump/workqueue.js';
import {
  HEADER_SIZE,
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_PADDING,
  PAD,
} from './medium.js';
import {
  jffs2_raw_ref_to_owner,
  jffs2_relocate_node_ref,
  list_del,
  REF_OBSOLETE,
  ref_obsolete,
  ref_offset,
  ref_totlen,
  type jffs2_eraseblock,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import { jffs2_sum_entry_size } from './summary_node.js';
import {
  jffs2_add_physical_node_ref,
  jffs2_close_if_full,
  jffs2_file_emptied,
  jffs2_garbage_collect_trigger,
  jffs2_reserve_space_gc,
  write_ofs,
} from './nodemgmt.js';
import { jffs2_garbage_collect_pass } from './gc.js';

/** How long data may stay in the buffer: Linux's dirty_writeback_interval, by default. */
const FLUSH_DELAY_MS = 5000;
/** Failed programs in a row after which the chip is given up. */
const FAILURES_MAX = 8;
/** Passes of garbage collection that an fsync may take to fill the page with something useful. */
const FSYNC_PASSES_MAX = 64;

/** A page that could not be programmed, until its nodes are somewhere else. */
interface stranded_page {
  readonly ofs: number;
  readonly bytes: Uint8Array;
}

export class jffs2_wbuf {
  readonly page: Uint8Array;
  /** Flash offset of the page; means something while `len` is not 0. */
  ofs = 0;
  /** Bytes in use, a multiple of four; the rest is 0xFF. */
  len = 0;
  /** Inodes that wrote what is in the buffer. */
  readonly inodes: number[] = [];
  readonly stranded: stranded_page[] = [];
  /** No block took what was in a page: nothing is written any more. */
  failed = false;
  /** Failed programs since the last one that went well. */
  failures = 0;
  readonly work: delayed_work;

  constructor(c: jffs2_sb_info, pagesize: number) {
    this.page = new Uint8Array(pagesize).fill(0xff);
    this.work = new delayed_work(c.lump, 'jffs2 wbuf', () => flushByTimer(c));
  }

  /** Is there anything that the flash does not have yet? */
  get dirty(): boolean {
    return this.len > 0 || this.stranded.length > 0;
  }

  /** What was written last is of inode `ino`, too: a name of it. */
  concerns(ino: number): void {
    if (this.len > 0 && !this.inodes.includes(ino)) this.inodes.push(ino);
  }

  /** Does the buffer have any of these bytes of flash? */
  covers(ofs: number, len: number): boolean {
    if (this.len > 0 && ofs < this.ofs + this.len && ofs + len > this.ofs) return true;
    return this.stranded.some((page) => ofs < page.ofs + page.bytes.length && ofs + len > page.ofs);
  }

  /** Puts what the buffer has over bytes that were read from flash at `ofs`. */
  overlay(ofs: number, len: number, buf: Uint8Array): void {
    const put = (at: number, bytes: Uint8Array, length: number): void => {
      const from = Math.max(ofs, at);
      const to = Math.min(ofs + len, at + length);
      if (from < to) buf.set(bytes.subarray(from - at, to - at), from - ofs);
    };
    for (const page of this.stranded) put(page.ofs, page.bytes, page.bytes.length);
    put(this.ofs, this.page, this.len);
  }
}

const wbufLost = (): Errno =>
  new Errno('EIO', 'a page was lost on a chip that failed; nothing more is written to it');

/**
 * Writes at the write position: into the buffer, or to flash where the medium needs none. With a
 * buffer a failure leaves nextblock filed away, and the caller reserves anew; without one c.retlen
 * says how much of the place is spoilt.
 * @param ino inode to which the data belongs; 0 for garbage collection and what nobody waits for.
 * @throws EIO
 */
export function jffs2_flash_write(
  c: jffs2_sb_info,
  to: number,
  len: number,
  buf: Uint8Array,
  off: number,
  ino: number,
): void {
  const { wbuf: w, accounts } = c;
  c.retlen = 0;
  if (w === null) {
    try {
      c.mtd.write(to, len, buf, off);
      c.thin?.put_node(to, len, buf, off);
      accounts?.programmed(buf, off, 0, len, len, ino);
    } catch (error) {
      c.retlen = c.mtd.lastRetlen;
      throw error;
    }
    return;
  }
  c.alloc_sem.assert_held();
  if (w.failed) throw wbufLost();
  c.thin?.put_node(to, len, buf, off);
  const size = w.page.length;
  if (w.len === 0) w.ofs = to;
  if (w.ofs % size !== 0 || to !== w.ofs + w.len)
    BUG(
      `a write to 0x${to.toString(16)}, but the buffer ends at 0x${(w.ofs + w.len).toString(16)}`,
    );
  // To the next word: so the page of a block's last node is full, whatever the node's length.
  const total = PAD(len);
  for (let done = 0; done < total; ) {
    if (w.len === 0 && len - done >= size) {
      const whole = len - done - ((len - done) % size);
      programPages(c, w, whole, buf, off + done);
      accounts?.programmed(buf, off, done, done + whole, len, ino);
      w.ofs += whole;
      done += whole;
      continue;
    }
    const piece = Math.min(total - done, size - w.len);
    if (c.thin === null) {
      w.page.set(buf.subarray(off + done, off + Math.min(len, done + piece)), w.len);
    }
    accounts?.buffered(buf, off, done, done + piece, len, ino);
    w.len += piece;
    done += piece;
    if (w.len === size && !programBuffer(c, w)) {
      throw new Errno('EIO', 'the page before could not be programmed');
    }
  }
  if (w.len === 0 || ino === 0) return;
  w.concerns(ino);
  schedule_delayed_work(w.work, FLUSH_DELAY_MS);
}

/** Whole pages go to flash as they are. @throws EIO; the block is filed away. */
function programPages(
  c: jffs2_sb_info,
  w: jffs2_wbuf,
  len: number,
  buf: Uint8Array,
  off: number,
): void {
  try {
    c.mtd.write(w.ofs, len, buf, off);
    w.failures = 0;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    w.failures++;
    c.damage.report('write failed', w.ofs, error.message);
    jffs2_block_refile(c);
    throw error;
  }
}

/**
 * Programs the page in the buffer, which is empty afterwards.
 * @returns false when the page could not be programmed, and its nodes are in another block (or in
 *   the buffer again) now.
 * @throws EIO the nodes could not be brought anywhere.
 */
function programBuffer(c: jffs2_sb_info, w: jffs2_wbuf): boolean {
  try {
    c.mtd.write(w.ofs, w.page.length, w.page, 0);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    jffs2_wbuf_recover(c, w, error.message);
    return false;
  }
  c.accounts?.page_programmed();
  w.failures = 0;
  w.ofs += w.page.length;
  w.len = 0;
  if (c.thin === null) w.page.fill(0xff);
  if (!w.dirty) jffs2_wbuf_clean(c, w);
  return true;
}

/** All that was written is on flash: what it replaced may be erased. */
function jffs2_wbuf_clean(c: jffs2_sb_info, w: jffs2_wbuf): void {
  // Shorter than setting the length, which V8 does by a call and a new store.
  while (w.inodes.length > 0) w.inodes.pop();
  c.lump.sched.timers.remove(w.work.timer);
  if (c.erasable_pending_wbuf_list.empty) return;
  for (let jeb = c.erasable_pending_wbuf_list.shift(); jeb; ) {
    jffs2_file_emptied(c, jeb);
    jeb = c.erasable_pending_wbuf_list.shift();
  }
  jffs2_garbage_collect_trigger(c);
}

/** The block that writes went to failed: what is in it is moved by garbage collection. */
function jffs2_block_refile(c: jffs2_sb_info): void {
  const jeb = c.nextblock!;
  c.nextblock = null;
  c.summary.disable();
  c.free_size -= jeb.free_size;
  c.wasted_size += jeb.free_size;
  jeb.wasted_size += jeb.free_size;
  jeb.free_size = 0;
  if (jeb.used_size === 0 && jeb.unchecked_size === 0) jffs2_file_emptied(c, jeb);
  else c.bad_used_list.addTail(jeb);
}

/**
 * Brings the nodes of a page that could not be programmed to another block. Each keeps its
 * reference; where it was, an obsolete one stays, since the page may well be there after all.
 * Obsolete ones go along, for the power may go before what replaces them is there: in the other
 * block, too, what is on flash is at each moment a beginning of the log.
 * @throws EIO no block takes them: {@link jffs2_wbuf.failed} is set.
 */
function jffs2_wbuf_recover(c: jffs2_sb_info, w: jffs2_wbuf, why: string): void {
  const { ofs } = w;
  const jeb = c.nextblock!;
  c.damage.report('write failed', ofs, why);
  const page: stranded_page = { ofs, bytes: w.page.slice() };
  w.stranded.push(page);
  c.accounts?.page_lost();
  w.failures++;
  w.len = 0;
  w.page.fill(0xff);
  jffs2_block_refile(c);
  try {
    // Obsolete ones need room to spare; what is nobody's is space that was spoilt.
    const hasRoom = c.nr_free_blocks > 1;
    const isWanted = (raw: Ref): boolean =>
      !ref_obsolete(c, raw) || (hasRoom && jffs2_raw_ref_to_owner(c, raw) !== null);
    const nodes: Ref[] = [];
    for (let raw = jeb.first_node; raw !== 0; raw = c.refs.next_phys[raw]!) {
      if (ref_offset(c, raw) + ref_totlen(c, raw) > ofs && isWanted(raw)) nodes.push(raw);
    }
    // Behind the last live one they precede nothing; and the block may be erased then.
    while (nodes.length > 0 && ref_obsolete(c, nodes.at(-1)!)) nodes.pop();
    for (const raw of nodes) recoverNode(c, w, jeb, raw);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    if (!w.failed) {
      w.failed = true;
      c.damage.report('data lost', ofs, `no block takes what was in the page: ${error.message}`);
    }
    throw wbufLost();
  }
  w.stranded.splice(w.stranded.indexOf(page), 1);
  if (!w.dirty) jffs2_wbuf_clean(c, w);
}

/** Writes a node of `jeb` to the write position, as often as that fails. @throws EIO, ENOSPC */
function recoverNode(c: jffs2_sb_info, w: jffs2_wbuf, jeb: jffs2_eraseblock, raw: Ref): void {
  const length = ref_totlen(c, raw);
  for (;;) {
    const view = c.view(ref_offset(c, raw), length);
    const node = view.buf.slice(view.off, view.off + length);
    jffs2_reserve_space_gc(c, length, jffs2_sum_entry_size(c.e, node, 0));
    const at = write_ofs(c);
    try {
      jffs2_flash_write(c, at, length, node, 0, 0);
    } catch (error) {
      if (!(error instanceof Errno) || w.failed || w.failures > FAILURES_MAX) throw error;
      continue;
    }
    c.summary.addRaw(node, 0, at % c.sector_size);
    if (ref_obsolete(c, raw)) {
      const owner = jffs2_raw_ref_to_owner(c, raw);
      jffs2_add_physical_node_ref(c, (at | REF_OBSOLETE) >>> 0, length, owner);
      return;
    }
    jffs2_relocate_node_ref(c, jeb, raw, c.nextblock!, at);
    jffs2_close_if_full(c, c.nextblock!);
    if (jeb.used_size === 0 && jeb.unchecked_size === 0) {
      list_del(jeb);
      jffs2_file_emptied(c, jeb);
    }
    return;
  }
}

/**
 * Brings all that was written to flash, filling the page up. alloc_sem is held.
 * @throws EIO it cannot be brought there; it stays readable until unmounting.
 */
export function jffs2_flush_wbuf_pad(c: jffs2_sb_info): void {
  const { wbuf: w } = c;
  if (w === null) return;
  c.alloc_sem.assert_held();
  if (w.failed) throw wbufLost();
  while (w.len > 0) {
    const jeb = c.nextblock!;
    const padding = w.page.length - w.len;
    const { page, len } = w;
    if (write_ofs(c) !== w.ofs + len)
      BUG(`the write buffer at 0x${w.ofs.toString(16)} is not at the write position`);
    c.accounts?.padded(padding);
    page.fill(0, len);
    if (padding > HEADER_SIZE) {
      const { e } = c;
      e.put16(page, len, JFFS2_MAGIC_BITMASK);
      e.put16(page, len + H_TYPE, JFFS2_NODETYPE_PADDING);
      e.put32(page, len + H_TOTLEN, padding);
      e.put32(page, len + H_CRC, crc32_le(0, page, len, H_CRC));
    }
    if (!programBuffer(c, w)) continue;
    jeb.wasted_size += padding;
    jeb.free_size -= padding;
    c.wasted_size += padding;
    c.free_size -= padding;
    jffs2_close_if_full(c, jeb);
  }
}

/** The same where alloc_sem is not held. @throws EIO */
export function jffs2_sync_wbuf(c: jffs2_sb_info): void {
  if (c.wbuf === null) return;
  c.alloc_sem.lock();
  try {
    jffs2_flush_wbuf_pad(c);
  } finally {
    c.alloc_sem.unlock();
  }
}

/**
 * What inode `ino` wrote is on flash afterwards. Its page is filled by garbage collection rather
 * than by padding, where there is some to do. @throws EIO
 */
export function jffs2_flush_wbuf_gc(c: jffs2_sb_info, ino: number): void {
  const { wbuf: w } = c;
  if (w === null) return;
  if (w.failed) throw wbufLost();
  if (!w.inodes.includes(ino)) return;
  const { ofs } = w;
  for (let passes = 0; passes < FSYNC_PASSES_MAX && w.len > 0 && w.ofs === ofs; passes++) {
    if (c.unchecked_size > 0) break;
    try {
      if (jffs2_garbage_collect_pass(c) === 'nothing yet') break;
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      break;
    }
  }
  if (w.inodes.includes(ino)) jffs2_sync_wbuf(c);
}

function flushByTimer(c: jffs2_sb_info): void {
  try {
    jffs2_sync_wbuf(c);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    c.lump.pr_err(`jffs2: the write buffer could not be flushed: ${error.message}`);
  }
}

/** At the end of a mount: nothing is pending afterwards. */
export function jffs2_stop_wbuf(c: jffs2_sb_info): void {
  if (c.wbuf === null) return;
  cancel_delayed_work_sync(c.wbuf.work);
  if (!c.wbuf.failed) flushByTimer(c);
}
