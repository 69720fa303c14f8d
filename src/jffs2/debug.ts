/**
 * Paranoia: does the accounting add up? For tests and for whoever hunts a mistake; the cost is that
 * of looking at every node.
 */
import { BUG_ON } from '../lump/bug.js';
import {
  ref_flags,
  ref_offset,
  ref_totlen,
  REF_OBSOLETE,
  REF_UNCHECKED,
  type EraseblockList,
  type jffs2_eraseblock,
  type jffs2_sb_info,
} from './nodelist.js';

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** @throws KernelPanic naming the first sum that is wrong. */
export function jffs2_dbg_acct_paranoia_check(c: jffs2_sb_info): void {
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
    checkBlock(c, jeb);
    total.used += jeb.used_size;
    total.dirty += jeb.dirty_size;
    total.wasted += jeb.wasted_size;
    total.free += jeb.free_size;
    total.unchecked += jeb.unchecked_size;
    const alone = jeb === c.nextblock || jeb === c.gcblock;
    BUG_ON(alone !== (list === null), `the block at ${hex(jeb.offset)} is on the wrong list`);
  }
  const same = (what: string, sum: number, kept: number): void =>
    BUG_ON(sum !== kept, `${what}: blocks add up to ${sum}, the file system says ${kept}`);
  same('used', total.used, c.used_size);
  same('dirty', total.dirty, c.dirty_size);
  same('wasted', total.wasted, c.wasted_size);
  same('free', total.free, c.free_size);
  same('unchecked', total.unchecked, c.unchecked_size);
  same('erasing', erasing, c.erasing_size);
  same('bad', bad, c.bad_size);
  same('free blocks', c.free_list.length, c.nr_free_blocks);
  const pending = (list: EraseblockList): number => list.length;
  same(
    'erasing blocks',
    pending(c.erase_pending_list) + pending(c.erasing_list) + pending(c.erase_complete_list),
    c.nr_erasing_blocks,
  );
  checkOwners(c);
}

function checkBlock(c: jffs2_sb_info, jeb: jffs2_eraseblock): void {
  const where = `erase block at ${hex(jeb.offset)}`;
  const sum = jeb.used_size + jeb.dirty_size + jeb.wasted_size + jeb.free_size + jeb.unchecked_size;
  BUG_ON(sum !== c.sector_size, `${where}: its parts add up to ${sum}`);
  let used = 0;
  let unchecked = 0;
  let end = jeb.offset;
  for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
    const offset = ref_offset(c, ref);
    BUG_ON(offset < end, `${where}: the node at ${hex(offset)} overlaps the one before`);
    end = offset + ref_totlen(c, ref);
    if (ref_flags(c, ref) === REF_UNCHECKED) unchecked += ref_totlen(c, ref);
    else if (ref_flags(c, ref) !== REF_OBSOLETE) used += ref_totlen(c, ref);
  }
  BUG_ON(end > jeb.offset + c.sector_size - jeb.free_size, `${where}: nodes in free space`);
  BUG_ON(used !== jeb.used_size, `${where}: used nodes ${used}, accounted ${jeb.used_size}`);
  BUG_ON(
    unchecked !== jeb.unchecked_size,
    `${where}: unchecked nodes ${unchecked}, accounted ${jeb.unchecked_size}`,
  );
}

/** Every node of an owner says so, and lies in a block that knows it. */
function checkOwners(c: jffs2_sb_info): void {
  let owned = 0;
  for (const owner of c.owners) {
    if (!owner) continue;
    for (let ref = owner.nodes; ref !== 0; ref = c.refs.next_in_ino[ref]!) {
      owned++;
      BUG_ON(c.refs.owner[ref] !== owner.slot, 'a node is in the chain of another owner');
    }
  }
  let known = 0;
  for (const jeb of c.blocks) {
    for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
      if (c.refs.owner[ref] !== 0) known++;
    }
  }
  BUG_ON(owned !== known, `${known} nodes have owners, the owners have ${owned}`);
}
