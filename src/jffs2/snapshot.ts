/**
 * What jffs2 knows about its medium, taken out of memory and put back: node references, inode
 * caches, the accounting of every erase block, and the lists with the order that they are in. A
 * mount that begins with a snapshot instead of a scan goes on as if there had been no break: the
 * same blocks are written to, collected and erased next. (A scan finds the same nodes, but files
 * the blocks anew, and forgets what no node tells: blocks that failed, unmarked bad blocks of NOR.)
 *
 * For those who hold the flash meanwhile, as an experiment on wear does: a snapshot does not say
 * what is on the medium, and nothing may have changed there.
 */
import { BUG_ON } from '../lump/bug.js';
import {
  EraseblockList,
  type jffs2_eraseblock,
  jffs2_inode_cache,
  type jffs2_sb_info,
  RAWNODE_CLASS_INODE_CACHE,
  RAWNODE_CLASS_XATTR_DATUM,
  type saved_node_refs,
} from './nodelist.js';
import { jffs2_calc_trigger_levels } from './build.js';
import { jffs2_xattr_datum, jffs2_xattr_ref } from './xattr.js';

const NUMBERS = [
  'used_size',
  'dirty_size',
  'wasted_size',
  'free_size',
  'unchecked_size',
  'erasing_size',
  'bad_size',
  'nr_free_blocks',
  'nr_erasing_blocks',
  'gc_tick',
  'highest_ino',
  'orphans',
  'version_sum',
  'highest_xid',
  'highest_xseqno',
] as const satisfies readonly (keyof jffs2_sb_info)[];

const BLOCK_NUMBERS = [
  'unchecked_size',
  'used_size',
  'dirty_size',
  'wasted_size',
  'free_size',
  'bad_count',
  'first_node',
  'last_node',
  'gc_node',
] as const satisfies readonly (keyof jffs2_eraseblock)[];

type node_owner = jffs2_inode_cache | jffs2_xattr_datum | jffs2_xattr_ref;

/** Whoever owns nodes, and where they are found; they refer to each other. */
type saved_owners = Pick<
  jffs2_sb_info,
  'owners' | 'freeSlots' | 'inocache' | 'xattrindex' | 'xattr_by_content' | 'xref_unmarked'
>;

/** Plain data, for structured clones; it grows with the number of nodes, 24 bytes each. */
export interface jffs2_snapshot {
  readonly numbers: Readonly<Record<(typeof NUMBERS)[number], number>>;
  readonly ro_only: boolean;
  readonly xattr_verified: boolean;
  /** By name of the list: its blocks' numbers, in order. */
  readonly lists: ReadonlyMap<string, readonly number[]>;
  /** Numbers of blocks; -1: none. */
  readonly nextblock: number;
  readonly gcblock: number;
  /** A value a block. */
  readonly blocks: Readonly<Record<(typeof BLOCK_NUMBERS)[number], readonly number[]>>;
  readonly refs: saved_node_refs;
  readonly owners: saved_owners;
  /** Of nextblock. */
  readonly summary: {
    readonly sum_size: number;
    readonly sum_num: number;
    readonly sum_padded: number;
    readonly entries: Uint8Array;
  };
  /** Of the write buffer: programs in a row that failed. */
  readonly failures: number;
}

const listsOf = (c: jffs2_sb_info): EraseblockList[] =>
  Object.values(c).filter((value) => value instanceof EraseblockList);

/** Of a file system that was unmounted in good order: its write buffer is empty. */
export function jffs2_take_snapshot(c: jffs2_sb_info): jffs2_snapshot {
  BUG_ON(c.sb?.s_active === true, 'a snapshot of a file system that is mounted');
  BUG_ON(c.wbuf !== null && (c.wbuf.dirty || c.wbuf.failed), 'a snapshot beside a write buffer');
  const number = (jeb: jffs2_eraseblock | null): number =>
    jeb === null ? -1 : jeb.offset / c.sector_size;
  const { owners, freeSlots, inocache, xattrindex, xattr_by_content, xref_unmarked } = c;
  const { sum_size, sum_num, sum_padded, entries } = c.summary;
  return {
    numbers: pick(NUMBERS, (name) => c[name]),
    ro_only: c.ro_only,
    xattr_verified: c.xattr_verified,
    lists: new Map(listsOf(c).map((list) => [list.name, Array.from(list, number)])),
    nextblock: number(c.nextblock),
    gcblock: number(c.gcblock),
    blocks: pick(BLOCK_NUMBERS, (name) => c.blocks.map((jeb) => jeb[name])),
    refs: c.refs.save(),
    owners: structuredClone({
      owners,
      freeSlots,
      inocache,
      xattrindex,
      xattr_by_content,
      xref_unmarked,
    }),
    summary: { sum_size, sum_num, sum_padded, entries: entries.slice() },
    failures: c.wbuf?.failures ?? 0,
  };
}

function pick<Name extends string, Value>(
  names: readonly Name[],
  get: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, get(name)])) as Record<Name, Value>;
}

/** Instead of jffs2_do_mount_fs. The snapshot is not changed, nor used afterwards. */
export function jffs2_restore_snapshot(c: jffs2_sb_info, snapshot: jffs2_snapshot): void {
  jffs2_calc_trigger_levels(c);
  for (const name of NUMBERS) c[name] = snapshot.numbers[name];
  c.ro_only = snapshot.ro_only;
  c.xattr_verified = snapshot.xattr_verified;
  for (const [n, jeb] of c.blocks.entries()) {
    for (const name of BLOCK_NUMBERS) jeb[name] = snapshot.blocks[name][n]!;
  }
  for (const list of listsOf(c)) {
    for (const n of snapshot.lists.get(list.name)!) list.addTail(c.blocks[n]!);
  }
  c.nextblock = c.blocks[snapshot.nextblock] ?? null;
  c.gcblock = c.blocks[snapshot.gcblock] ?? null;
  c.refs.restore(snapshot.refs);
  restoreOwners(c, structuredClone(snapshot.owners));
  c.summary.restore(snapshot.summary);
  if (c.wbuf !== null) c.wbuf.failures = snapshot.failures;
}

/** Gives plain data its classes back; who refers to an owner refers to the new one then. */
function restoreOwners(c: jffs2_sb_info, saved: saved_owners): void {
  const made = new Map<unknown, node_owner>();
  const all = [
    ...saved.owners,
    ...saved.xattrindex.values(),
    ...saved.xattr_by_content.values(),
    ...[...saved.xref_unmarked.values()].flatMap((ties) => ties.map(({ ref }) => ref)),
  ];
  for (const plain of all) if (plain !== null && !made.has(plain)) made.set(plain, blank(plain));
  const owner = <T>(plain: T): T => (made.get(plain) as T | undefined) ?? plain;
  for (const [plain, real] of made) {
    for (const [key, value] of Object.entries(plain as object)) {
      (real as unknown as Record<string, unknown>)[key] = owner(value);
    }
  }
  const fill = <K, V>(into: Map<K, V>, from: Map<K, V>): void => {
    for (const [key, value] of from) into.set(key, owner(value));
  };
  c.owners.splice(0, c.owners.length, ...saved.owners.map(owner));
  c.freeSlots.push(...saved.freeSlots);
  fill(c.inocache, saved.inocache);
  fill(c.xattrindex, saved.xattrindex);
  fill(c.xattr_by_content, saved.xattr_by_content);
  for (const [ino, ties] of saved.xref_unmarked) {
    c.xref_unmarked.set(
      ino,
      ties.map(({ key, ref }) => ({ key, ref: owner(ref) })),
    );
  }
}

function blank(plain: node_owner): node_owner {
  if (plain.class === RAWNODE_CLASS_INODE_CACHE) return new jffs2_inode_cache(plain.ino);
  if (plain.class === RAWNODE_CLASS_XATTR_DATUM) {
    return new jffs2_xattr_datum(plain.xid, plain.version, plain.raw);
  }
  return new jffs2_xattr_ref(plain.ino, plain.xid, plain.xseqno, plain.raw);
}
