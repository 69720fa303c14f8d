/**
 * Paranoia: does the accounting add up? For tests and for whoever hunts a mistake; the cost is that
 * of looking at every node.
 */
import { BUG } from '../lump/bug.js';
import {
  ref_flags,
  ref_offset,
  ref_totlen,
  REF_OBSOLETE,
  REF_UNCHECKED,
  type jffs2_eraseblock,
  type jffs2_sb_info,
} from './nodelist.js';

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** @throws KernelPanic naming the first sum that is wrong. */
export function jffs2_dbg_acct_paranoia_check(c: jffs2_sb_info): void {
  for (const problem of acct_problems(c)) BUG(problem);
}

/** What does not add up, a sentence each. */
export function* acct_problems(c: jffs2_sb_info): Generator<string> {
  const total = { used: 0, dirty: 0, wasted: 0, free: 0, unchecked: 0 };
  let erasing = 0;
  let bad = 0;
  for (const jeb of c.blocks) {
    const list = jeb.list;
    if (list === c.erasing_list || list === c.erase_complete_list) {
      erasing += c.sector_size;
      continue;
    }
    if (list === c.bad_list) {
      bad += c.sector_size;
      continue;
    }
    yield* blockProblems(c, jeb);
    total.used += jeb.used_size;
    total.dirty += jeb.dirty_size;
    total.wasted += jeb.wasted_size;
    total.free += jeb.free_size;
    total.unchecked += jeb.unchecked_size;
    const alone = jeb === c.nextblock || jeb === c.gcblock;
    if (alone !== (list === null)) yield `the block at ${hex(jeb.offset)} is on the wrong list`;
  }
  const pending =
    c.erase_pending_list.length + c.erasing_list.length + c.erase_complete_list.length;
  for (const [what, sum, kept] of [
    ['used', total.used, c.used_size],
    ['dirty', total.dirty, c.dirty_size],
    ['wasted', total.wasted, c.wasted_size],
    ['free', total.free, c.free_size],
    ['unchecked', total.unchecked, c.unchecked_size],
    ['erasing', erasing, c.erasing_size],
    ['bad', bad, c.bad_size],
    ['free blocks', c.free_list.length, c.nr_free_blocks],
    ['erasing blocks', pending, c.nr_erasing_blocks],
  ] as const) {
    if (sum !== kept) yield `${what}: blocks add up to ${sum}, the file system says ${kept}`;
  }
  yield* ownerProblems(c);
}

function* blockProblems(c: jffs2_sb_info, jeb: jffs2_eraseblock): Generator<string> {
  const where = `erase block at ${hex(jeb.offset)}`;
  const sum = jeb.used_size + jeb.dirty_size + jeb.wasted_size + jeb.free_size + jeb.unchecked_size;
  if (sum !== c.sector_size) yield `${where}: its parts add up to ${sum}`;
  let used = 0;
  let unchecked = 0;
  let end = jeb.offset;
  for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
    const offset = ref_offset(c, ref);
    if (offset < end) yield `${where}: the node at ${hex(offset)} overlaps the one before`;
    end = offset + ref_totlen(c, ref);
    if (ref_flags(c, ref) === REF_UNCHECKED) unchecked += ref_totlen(c, ref);
    else if (ref_flags(c, ref) !== REF_OBSOLETE) used += ref_totlen(c, ref);
  }
  if (end > jeb.offset + c.sector_size - jeb.free_size) yield `${where}: nodes in free space`;
  if (used !== jeb.used_size) yield `${where}: used nodes ${used}, accounted ${jeb.used_size}`;
  if (unchecked !== jeb.unchecked_size) {
    yield `${where}: unchecked nodes ${unchecked}, accounted ${jeb.unchecked_size}`;
  }
}

/** Every node of an owner says so, and lies in a block that knows it. */
function* ownerProblems(c: jffs2_sb_info): Generator<string> {
  let owned = 0;
  for (const owner of c.owners) {
    if (!owner) continue;
    for (let ref = owner.nodes; ref !== 0; ref = c.refs.next_in_ino[ref]!) {
      owned++;
      if (c.refs.owner[ref] !== owner.slot) yield 'a node is in the chain of another owner';
    }
  }
  let known = 0;
  for (const jeb of c.blocks) {
    for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
      if (c.refs.owner[ref] !== 0) known++;
    }
  }
  if (owned !== known) yield `${known} nodes have owners, the owners have ${owned}`;
}
