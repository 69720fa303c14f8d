/**
 * What jffs2 keeps in memory about the medium: a reference per node, a cache entry per inode, and
 * the accounting of every erase block.
 *
 * Node references exist once per node on the medium and therefore live in typed arrays
 * ({@link NodeRefs}), 24 bytes each; a reference is an index into them, 0 meaning none. Everything
 * else is an object.
 *
 * Accounting: the bytes of an erase block are split into used, unchecked, dirty, wasted and free,
 * which always add up to sector_size; the same five, with erasing and bad, add up to flash_size.
 */
import type { mutex } from '../lump/locks.js';
import type { Lump } from '../lump/lump.js';
import type { task_struct, wait_queue_head } from '../lump/sched.js';
import type { ByteName } from '../lump/types.js';
import type { rw_semaphore } from '../lump/locks.js';
import { type inode, PAGE_SIZE, type super_block } from '../lump/fs.js';
import type { mtd_info, mtd_point } from '../mtd/mtd.js';
import { BUG, BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { compr_lengths, jffs2_compressors } from './compr.js';
import type { Damage } from './damage.js';
import type { jffs2_geometry } from './geometry.js';
import type { jffs2_accounts, jffs2_policy, jffs2_thin } from './instruments.js';
import type { Endian } from './medium.js';
import type { jffs2_summary } from './summary_node.js';
import type { jffs2_wbuf } from './wbuf.js';
import type { jffs2_xattr_datum, jffs2_xattr_ref } from './xattr.js';

// ---- node references ----------------------------------------------------------------------------

/** States, in the two low bits of `flash_offset` (nodes start on 4-byte boundaries). */
export const REF_UNCHECKED = 0;
export const REF_OBSOLETE = 1;
export const REF_PRISTINE = 2;
export const REF_NORMAL = 3;

/** Index of a node reference; 0 = none. */
export type Ref = number;

const REF_ARRAYS = [
  'flash_offset',
  'totlen',
  'next_in_ino',
  'prev_in_ino',
  'next_phys',
  'owner',
] as const;

/** All node references, as plain data. */
export type saved_node_refs = Readonly<
  Record<(typeof REF_ARRAYS)[number], Uint32Array> & Record<'top' | 'freeList' | 'count', number>
>;

/**
 * All node references of one file system, as parallel arrays:
 * - `flash_offset`: byte offset on the medium, state in the low bits;
 * - `totlen`: bytes, padded;
 * - `next_in_ino`, `prev_in_ino`: the neighbours in the chain of the same owner, 0 at the ends;
 * - `next_phys`: next node in the same erase block, 0 at the end;
 * - `owner`: slot of the inode cache, xattr datum or xattr reference that the node belongs to; 0
 *   for nodes without an inode (cleanmarkers, summaries, unknown nodes that are copied).
 *
 * Linux stores the owner at the end of the in-ino chain, to save memory; a 64 MB file then costs a
 * walk of 16,000 steps for each node that garbage collection looks at.
 */
export class NodeRefs {
  flash_offset = new Uint32Array(1024);
  totlen = new Uint32Array(1024);
  next_in_ino = new Uint32Array(1024);
  prev_in_ino = new Uint32Array(1024);
  next_phys = new Uint32Array(1024);
  owner = new Uint32Array(1024);
  /** Highest index ever handed out. */
  private top = 0;
  private freeList = 0;
  /** References in use. */
  count = 0;

  alloc(offsetAndState: number, totlen: number, owner: number): Ref {
    let ref = this.freeList;
    if (ref !== 0) {
      this.freeList = this.next_phys[ref]!;
    } else {
      ref = ++this.top;
      if (ref === this.flash_offset.length) this.grow();
    }
    this.flash_offset[ref] = offsetAndState;
    this.totlen[ref] = totlen;
    this.owner[ref] = owner;
    this.next_in_ino[ref] = 0;
    this.prev_in_ino[ref] = 0;
    this.next_phys[ref] = 0;
    this.count++;
    return ref;
  }

  free(ref: Ref): void {
    this.next_phys[ref] = this.freeList;
    this.freeList = ref;
    this.count--;
  }

  /** Puts a node at the head of its owner's chain. */
  link(owner: jffs2_node_owner, ref: Ref): void {
    const next = owner.nodes;
    this.next_in_ino[ref] = next;
    this.prev_in_ino[ref] = 0;
    if (next !== 0) this.prev_in_ino[next] = ref;
    owner.nodes = ref;
  }

  /** Takes a node out of its owner's chain; it belongs to nobody then. */
  unlink(owner: jffs2_node_owner, ref: Ref): void {
    const next = this.next_in_ino[ref]!;
    const previous = this.prev_in_ino[ref]!;
    if (previous !== 0) this.next_in_ino[previous] = next;
    else owner.nodes = next;
    if (next !== 0) this.prev_in_ino[next] = previous;
    this.owner[ref] = 0;
  }

  /** Puts a node behind another one of the same owner. */
  linkAfter(before: Ref, ref: Ref): void {
    const next = this.next_in_ino[before]!;
    this.next_in_ino[ref] = next;
    this.prev_in_ino[ref] = before;
    this.next_in_ino[before] = ref;
    if (next !== 0) this.prev_in_ino[next] = ref;
  }

  /** Makes room at once for about as many references as will come. */
  reserve(count: number): void {
    if (count > this.flash_offset.length) this.resize(count);
  }

  /** Bytes that the arrays occupy. */
  get byteLength(): number {
    return this.flash_offset.byteLength * REF_ARRAYS.length;
  }

  save(): saved_node_refs {
    const { top, freeList, count } = this;
    const used = (name: (typeof REF_ARRAYS)[number]): Uint32Array => this[name].slice(0, top + 1);
    return {
      flash_offset: used('flash_offset'),
      totlen: used('totlen'),
      next_in_ino: used('next_in_ino'),
      prev_in_ino: used('prev_in_ino'),
      next_phys: used('next_phys'),
      owner: used('owner'),
      top,
      freeList,
      count,
    };
  }

  /** Every reference keeps its index. */
  restore(saved: saved_node_refs): void {
    this.reserve(saved.top + 2);
    for (const name of REF_ARRAYS) this[name].set(saved[name]);
    this.top = saved.top;
    this.freeList = saved.freeList;
    this.count = saved.count;
  }

  private grow(): void {
    this.resize(this.flash_offset.length + Math.max(1024, this.flash_offset.length >>> 1));
  }

  private resize(size: number): void {
    for (const name of REF_ARRAYS) {
      const larger = new Uint32Array(size);
      larger.set(this[name]);
      this[name] = larger;
    }
  }
}

export const ref_flags = (c: jffs2_sb_info, ref: Ref): number => c.refs.flash_offset[ref]! & 3;
export const ref_offset = (c: jffs2_sb_info, ref: Ref): number =>
  (c.refs.flash_offset[ref]! & ~3) >>> 0;
export const ref_obsolete = (c: jffs2_sb_info, ref: Ref): boolean =>
  (c.refs.flash_offset[ref]! & 3) === REF_OBSOLETE;
export const ref_totlen = (c: jffs2_sb_info, ref: Ref): number => c.refs.totlen[ref]!;
export const ref_block = (c: jffs2_sb_info, ref: Ref): jffs2_eraseblock =>
  c.blocks[Math.floor(ref_offset(c, ref) / c.sector_size)]!;

export function set_ref_state(c: jffs2_sb_info, ref: Ref, state: number): void {
  c.refs.flash_offset[ref] = ((c.refs.flash_offset[ref]! & ~3) | state) >>> 0;
}

// ---- inode caches -------------------------------------------------------------------------------

export const RAWNODE_CLASS_INODE_CACHE = 0;
export const RAWNODE_CLASS_XATTR_DATUM = 1;
export const RAWNODE_CLASS_XATTR_REF = 2;

/** Whoever owns nodes: the head of an in-ino chain. */
export interface jffs2_node_owner {
  readonly class: number;
  /** Index into c.owners. */
  slot: number;
  /** First node of the chain; 0 = none. */
  nodes: Ref;
}

/** States of an inode cache. */
export const INO_STATE_UNCHECKED = 0;
export const INO_STATE_CHECKING = 1;
export const INO_STATE_PRESENT = 2;
export const INO_STATE_CHECKEDABSENT = 3;
export const INO_STATE_GC = 4;
export const INO_STATE_READING = 5;

/** One per inode number that has nodes on the medium, whether the inode is in memory or not. */
export class jffs2_inode_cache implements jffs2_node_owner {
  readonly class = RAWNODE_CLASS_INODE_CACHE;
  slot = 0;
  nodes: Ref = 0;
  readonly ino: number;
  state = INO_STATE_UNCHECKED;
  /** Directories: inode number of the parent, 0 = deleted. Others: link count. */
  pino_nlink = 0;
  is_dir = false;
  /**
   * Highest version given to a node so far. Nodes that are obsolete are not read again, but lie on
   * the medium until their block is erased: a version of theirs must not be given twice.
   */
  highest_version = 0;
  /** Directory entries found by the scan; dropped when the build is done. */
  scan_dents: Map<ByteName, jffs2_full_dirent> | null = null;
  xref: jffs2_xattr_ref | null = null;
  /** Duplicate attribute names of this inode were sorted out (jffs2_check_xattr_ref_inode). */
  xattr_checked = false;

  constructor(ino: number) {
    this.ino = ino;
  }
}

// ---- inodes in memory ---------------------------------------------------------------------------

/** A node that carries data of a file, or its metadata. */
export interface jffs2_full_dnode {
  raw: Ref;
  /** Offset and bytes in the file, before later nodes covered parts of it. */
  ofs: number;
  size: number;
  /** Fragments that still refer to it. */
  frags: number;
}

/** A run of a file that one node provides; runs never overlap. Gaps between runs read as zeros. */
export interface jffs2_node_frag {
  ofs: number;
  size: number;
  node: jffs2_full_dnode;
}

/** A directory entry; ino 0 is a deletion that must stay on the medium for now. */
export interface jffs2_full_dirent {
  raw: Ref;
  version: number;
  ino: number;
  type: number;
  name: ByteName;
  /** Offset for readdir: at least 2, ascending, never reused while the directory is in memory. */
  pos: number;
}

/** jffs2's part of an inode in memory. */
export class jffs2_inode_info {
  readonly sem: mutex;
  inocache!: jffs2_inode_cache;
  highest_version = 0;
  /** Runs of a regular file (or the single one of a symlink or device), ascending by offset. */
  fragtree: jffs2_node_frag[] = [];
  /** The node with the attributes when no data node has them. */
  metadata: jffs2_full_dnode | null = null;
  /** Directory entries by name, deletions included. */
  dents: Map<ByteName, jffs2_full_dirent> | null = null;
  next_dirent_pos = 2;
  target: ByteName = '';
  usercompr = 0;
  vfs_inode: inode | null = null;

  constructor(sem: mutex) {
    this.sem = sem;
  }
}

/**
 * The version for the inode's next node.
 * @throws ENOSPC they are used up, as a damaged or hostile medium can have it: a version that began
 *   anew would be older than all others.
 */
export function jffs2_next_version(f: jffs2_inode_info): number {
  if (f.highest_version >= 0xffffffff) {
    throw new Errno('ENOSPC', `inode ${f.inocache.ino} has no version left`);
  }
  return ++f.highest_version;
}

// ---- erase blocks -------------------------------------------------------------------------------

export class jffs2_eraseblock {
  readonly offset: number;
  unchecked_size = 0;
  used_size = 0;
  dirty_size = 0;
  wasted_size = 0;
  free_size: number;
  bad_count = 0;
  first_node: Ref = 0;
  last_node: Ref = 0;
  /** Next node to be garbage collected. */
  gc_node: Ref = 0;
  /** The list that the block is on; maintained by {@link EraseblockList}. */
  list: EraseblockList | null = null;
  prev: jffs2_eraseblock | null = null;
  next: jffs2_eraseblock | null = null;

  constructor(offset: number, sectorSize: number) {
    this.offset = offset;
    this.free_size = sectorSize;
  }
}

/** A doubly linked list of erase blocks; a block is on at most one list. */
export class EraseblockList implements Iterable<jffs2_eraseblock> {
  readonly name: string;
  first: jffs2_eraseblock | null = null;
  last: jffs2_eraseblock | null = null;
  length = 0;

  constructor(name: string) {
    this.name = name;
  }

  get empty(): boolean {
    return this.first === null;
  }

  addHead(jeb: jffs2_eraseblock): void {
    if (jeb.list !== null) BUG(`erase block at ${jeb.offset} is on ${jeb.list?.name} already`);
    jeb.list = this;
    jeb.prev = null;
    jeb.next = this.first;
    if (this.first) this.first.prev = jeb;
    else this.last = jeb;
    this.first = jeb;
    this.length++;
  }

  addTail(jeb: jffs2_eraseblock): void {
    if (jeb.list !== null) BUG(`erase block at ${jeb.offset} is on ${jeb.list?.name} already`);
    jeb.list = this;
    jeb.next = null;
    jeb.prev = this.last;
    if (this.last) this.last.next = jeb;
    else this.first = jeb;
    this.last = jeb;
    this.length++;
  }

  del(jeb: jffs2_eraseblock): void {
    if (jeb.list !== this) BUG(`erase block at ${jeb.offset} is not on ${this.name}`);
    if (jeb.prev) jeb.prev.next = jeb.next;
    else this.first = jeb.next;
    if (jeb.next) jeb.next.prev = jeb.prev;
    else this.last = jeb.prev;
    jeb.list = jeb.prev = jeb.next = null;
    this.length--;
  }

  /** Takes the first block off, or answers null. */
  shift(): jffs2_eraseblock | null {
    const jeb = this.first;
    if (jeb) this.del(jeb);
    return jeb;
  }

  /** Moves the first block to the tail `count` times. */
  rotate(count: number): void {
    for (let n = this.length > 1 ? count % this.length : 0; n > 0; n--) {
      this.addTail(this.shift()!);
    }
  }

  *[Symbol.iterator](): Iterator<jffs2_eraseblock> {
    for (let jeb = this.first; jeb; jeb = jeb.next) yield jeb;
  }
}

/** Takes a block off whichever list it is on. */
export function list_del(jeb: jffs2_eraseblock): void {
  const { list } = jeb;
  if (list === null) BUG(`erase block at ${jeb.offset} is on no list`);
  list.del(jeb);
}

export function list_move_tail(jeb: jffs2_eraseblock, to: EraseblockList): void {
  list_del(jeb);
  to.addTail(jeb);
}

// ---- the file system ----------------------------------------------------------------------------

/** c.flags */
export const JFFS2_SB_FLAG_RO = 1;
/** The scan is running: blocks are on no list yet. */
export const JFFS2_SB_FLAG_SCANNING = 2;
/** The build is running: nothing is refiled or written. */
export const JFFS2_SB_FLAG_BUILDING = 4;

/** Mount options after parsing. */
export interface jffs2_mount_opts {
  /** null: the build's default (all codecs by priority). */
  compr: string | null;
  /** Bytes kept for privileged writers. */
  rp_size: number;
  /** Write erase block summaries, as kernels with CONFIG_JFFS2_SUMMARY do. */
  summary: boolean;
}

/** Everything about one mounted jffs2: Linux's struct jffs2_sb_info. */
export class jffs2_sb_info {
  readonly lump: Lump;
  readonly mtd: mtd_info;
  readonly e: Endian;
  sb: super_block | null = null;
  readonly damage: Damage;
  mount_opts: jffs2_mount_opts;
  compressors!: jffs2_compressors;

  readonly flash_size: number;
  readonly sector_size: number;
  readonly nr_blocks: number;
  readonly blocks: jffs2_eraseblock[] = [];
  readonly cleanmarker_size: number;
  /** Bytes of the cleanmarker in the OOB of erased blocks; 0 = there is none. */
  readonly oob_cleanmarker: number;
  /** Of media that are programmed by the page. */
  wbuf: jffs2_wbuf | null = null;
  /** Bytes that reached the flash in the last jffs2_flash_write that threw. */
  retlen = 0;

  used_size = 0;
  dirty_size = 0;
  wasted_size = 0;
  free_size = 0;
  unchecked_size = 0;
  erasing_size = 0;
  bad_size = 0;
  nr_free_blocks = 0;
  nr_erasing_blocks = 0;

  resv_blocks_write = 0;
  resv_blocks_deletion = 0;
  resv_blocks_gctrigger = 0;
  resv_blocks_gcbad = 0;
  resv_blocks_gcmerge = 0;
  vdirty_blocks_gctrigger = 0;
  nospc_dirty_size = 0;

  readonly clean_list = new EraseblockList('clean_list');
  readonly very_dirty_list = new EraseblockList('very_dirty_list');
  readonly dirty_list = new EraseblockList('dirty_list');
  readonly erasable_list = new EraseblockList('erasable_list');
  readonly erasable_pending_wbuf_list = new EraseblockList('erasable_pending_wbuf_list');
  readonly erasing_list = new EraseblockList('erasing_list');
  readonly erase_pending_list = new EraseblockList('erase_pending_list');
  readonly erase_complete_list = new EraseblockList('erase_complete_list');
  readonly free_list = new EraseblockList('free_list');
  readonly bad_list = new EraseblockList('bad_list');
  readonly bad_used_list = new EraseblockList('bad_used_list');
  /** The block that writes go to, and the one that is being collected; on no list. */
  nextblock: jffs2_eraseblock | null = null;
  gcblock: jffs2_eraseblock | null = null;
  /** The tick that chose the last block to collect. */
  gc_tick = 0;

  readonly refs = new NodeRefs();
  /** By slot; slot 0 is nobody. */
  readonly owners: (jffs2_inode_cache | jffs2_xattr_datum | jffs2_xattr_ref | null)[] = [null];
  /** Slots whose owners are gone. */
  readonly freeSlots: number[] = [];
  readonly inocache = new Map<number, jffs2_inode_cache>();
  highest_ino = 1;
  /** Position of the background check of unchecked nodes; null before it starts. */
  check_iterator: Iterator<jffs2_inode_cache> | null = null;
  flags = 0;
  /** A node was seen that only readers may meet: never to be remounted read-write. */
  ro_only = false;
  /** Inodes without a name that the build dropped: deleted while open, or never linked. */
  orphans = 0;

  readonly alloc_sem: mutex;
  readonly erase_wait: wait_queue_head;
  gc_task: task_struct | null = null;
  readonly gc_wait: wait_queue_head;
  /** Sum of all versions seen by the scan: rotates the lists, for wear levelling. */
  version_sum = 0;

  summary!: jffs2_summary;

  /** Of experiments; null otherwise. See instruments.ts. */
  policy: jffs2_policy | null = null;
  accounts: jffs2_accounts | null = null;
  thin: jffs2_thin | null = null;
  /** Collecting reserves a node's length where its summary entry's is meant, as Linux 6.1 does. */
  linux_summary_quirk = false;
  /**
   * What wakes the background thread ends its pause between two passes, too, as in Linux: under
   * load it collects after every write, and its 50 ms are those of an idle system. The end of an
   * erase wakes it during its own pass, and so is followed by another one.
   */
  linux_gc_trigger = false;
  /** That it was woken so since its last pass began. */
  gc_triggered = false;

  readonly xattr_sem: rw_semaphore;
  highest_xid = 0;
  highest_xseqno = 0;
  readonly xattrindex = new Map<number, jffs2_xattr_datum>();
  xattr_verified = false;
  /** Data by prefix, name, length and CRC: lets equal attributes share one. */
  readonly xattr_by_content = new Map<string, jffs2_xattr_datum>();
  /** Reference nodes found by the scan, until the build reads them. */
  readonly xref_temp: Ref[] = [];
  /** By inode number: ties that a newer one replaced and that no marker undoes on the medium. */
  readonly xref_unmarked = new Map<number, { key: string; ref: jffs2_xattr_ref }[]>();

  /** One node under construction: header, then up to a page of data and some slack. */
  readonly nodebuf: Uint8Array;
  /** The same bytes: a store of four at once is several times as fast as four of one. */
  readonly nodeview: DataView;
  /** The summary that ends a block; as large as the largest so far. */
  sumbuf = new Uint8Array(0);
  /** See cleanmarkerNode(). */
  cleanmarker: Uint8Array | null = null;
  /** Data of a node of which only a part is wanted; grows for the large nodes of other writers. */
  pagebuf: Uint8Array;
  /** The page that garbage collection puts together. */
  readonly gc_page: Uint8Array;
  /** Of the compression under way. */
  readonly lengths: compr_lengths = { srclen: 0, dstlen: 0 };
  private readonly pt: mtd_point = { buf: new Uint8Array(0), off: 0 };
  private bounce = new Uint8Array(0);

  constructor(
    lump: Lump,
    mtd: mtd_info,
    geometry: jffs2_geometry,
    e: Endian,
    damage: Damage,
    opts: jffs2_mount_opts,
    locks: {
      alloc_sem: mutex;
      xattr_sem: rw_semaphore;
      erase_wait: wait_queue_head;
      gc_wait: wait_queue_head;
    },
  ) {
    this.lump = lump;
    this.mtd = mtd;
    this.e = e;
    this.damage = damage;
    this.mount_opts = opts;
    this.sector_size = geometry.sector_size;
    this.nr_blocks = geometry.nr_blocks;
    this.cleanmarker_size = geometry.cleanmarker_size;
    this.oob_cleanmarker = geometry.oob_cleanmarker;
    this.flash_size = this.nr_blocks * this.sector_size;
    this.alloc_sem = locks.alloc_sem;
    this.xattr_sem = locks.xattr_sem;
    this.erase_wait = locks.erase_wait;
    this.gc_wait = locks.gc_wait;
    this.nodebuf = new Uint8Array(16384);
    this.nodeview = new DataView(this.nodebuf.buffer);
    this.pagebuf = new Uint8Array(PAGE_SIZE);
    this.gc_page = new Uint8Array(PAGE_SIZE);
    for (let n = 0; n < this.nr_blocks; n++) {
      this.blocks.push(new jffs2_eraseblock(n * this.sector_size, this.sector_size));
    }
    this.free_size = this.flash_size;
  }

  /**
   * Shows `len` bytes of flash at `ofs`, or of what is on its way there: straight from the chip's
   * window where it has one, else through a bounce buffer. Valid until the next access to the
   * flash. The one way in which jffs2 reads its medium.
   * @throws EIO the chip could not read; EBADMSG is no error here: the bytes are used as they are
   *   and the CRCs decide.
   */
  view(ofs: number, len: number): mtd_point {
    const pt = this.pt;
    if (this.thin === null && this.wbuf?.covers(ofs, len)) {
      this.read_once(ofs, len);
      this.wbuf.overlay(ofs, len, this.bounce);
      return pt;
    }
    if (this.mtd.point(ofs, len, pt)) return pt;
    return this.read_once(ofs, len);
  }

  /**
   * The same for bytes that are looked at once, as in a scan: they go through the bounce buffer,
   * which stays in the processor's caches, and push nothing out of the chip's own windows. What is
   * in the write buffer does not show.
   * @throws EIO as view().
   */
  read_once(ofs: number, len: number): mtd_point {
    const pt = this.pt;
    if (this.bounce.length < len) this.bounce = new Uint8Array(len);
    try {
      this.mtd.read(ofs, len, this.bounce, 0);
    } catch (error) {
      if (!isBitFlip(error)) throw error;
      if (error.code === 'EBADMSG') this.readAgain(ofs, len);
    }
    pt.buf = this.bounce;
    pt.off = 0;
    return pt;
  }

  /** Bits that flip while they are read are right the next time; otherwise the CRCs decide. */
  private readAgain(ofs: number, len: number): void {
    try {
      this.mtd.read(ofs, len, this.bounce, 0);
    } catch (error) {
      if (!isBitFlip(error)) throw error;
    }
  }

  /** The medium's CRC (initial value 0, no final inversion) of a range of any length. */
  crc(buf: Uint8Array, off: number, len: number): number {
    if (this.thin !== null) return 0;
    return this.lump.crc32_le(0, buf, off, len);
  }

  /** Gives an owner of nodes its slot. */
  addOwner(owner: jffs2_inode_cache | jffs2_xattr_datum | jffs2_xattr_ref): void {
    const slot = this.freeSlots.pop() ?? this.owners.length;
    this.owners[slot] = owner;
    owner.slot = slot;
  }

  removeOwner(owner: jffs2_node_owner): void {
    BUG_ON(owner.nodes !== 0, 'an owner of nodes is removed before they are');
    this.owners[owner.slot] = null;
    this.freeSlots.push(owner.slot);
    owner.slot = 0;
  }
}

const isBitFlip = (error: unknown): error is Errno =>
  error instanceof Errno && (error.code === 'EBADMSG' || error.code === 'EUCLEAN');

/** Linux's kmem_cache_alloc: memory for something that is kept. @throws ENOMEM as tests ask for. */
export function jffs2_alloc(c: jffs2_sb_info, cache: string): void {
  const { slab } = c.lump;
  if (slab.armed) slab.maybe_fail(cache);
}

/** Is so much dirt worth a block on the dirty list? (Linux's ISDIRTY: an inode node and data.) */
export const ISDIRTY = (bytes: number): boolean => bytes > 68 + 128;
export const VERYDIRTY = (c: jffs2_sb_info, bytes: number): boolean => bytes >= c.sector_size / 2;

// ---- lists of nodes -----------------------------------------------------------------------------

/** Finds the cache entry of an inode number, or null. */
export function jffs2_get_ino_cache(c: jffs2_sb_info, ino: number): jffs2_inode_cache | null {
  return c.inocache.get(ino) ?? null;
}

export function jffs2_add_ino_cache(c: jffs2_sb_info, ic: jffs2_inode_cache): void {
  c.addOwner(ic);
  c.inocache.set(ic.ino, ic);
}

export function jffs2_del_ino_cache(c: jffs2_sb_info, ic: jffs2_inode_cache): void {
  c.inocache.delete(ic.ino);
  c.removeOwner(ic);
}

/** The owner of a node, or null for a node without an inode. */
export function jffs2_raw_ref_to_owner(
  c: jffs2_sb_info,
  ref: Ref,
): jffs2_inode_cache | jffs2_xattr_datum | jffs2_xattr_ref | null {
  return c.owners[c.refs.owner[ref]!]!;
}

/**
 * Appends a node to its erase block and to its owner, and accounts it by its state. Nodes must be
 * linked in the order of their offsets.
 */
export function jffs2_link_node_ref(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  offsetAndState: number,
  len: number,
  owner: jffs2_node_owner | null,
): Ref {
  const refs = c.refs;
  const ref = refs.alloc(offsetAndState, len, owner ? owner.slot : 0);
  if (jeb.last_node !== 0) refs.next_phys[jeb.last_node] = ref;
  else jeb.first_node = ref;
  jeb.last_node = ref;
  if (owner) refs.link(owner, ref);
  switch (offsetAndState & 3) {
    case REF_UNCHECKED:
      c.unchecked_size += len;
      jeb.unchecked_size += len;
      break;
    case REF_OBSOLETE:
      c.dirty_size += len;
      jeb.dirty_size += len;
      break;
    default:
      c.used_size += len;
      jeb.used_size += len;
  }
  c.free_size -= len;
  jeb.free_size -= len;
  if (jeb.free_size < 0) BUG(`nodes exceed the erase block at 0x${jeb.offset.toString(16)}`);
  return ref;
}

/**
 * A node is at the write position of `to` now, at flash offset `offset`. It keeps its reference;
 * an obsolete one stays in `from`, where the node was.
 */
export function jffs2_relocate_node_ref(
  c: jffs2_sb_info,
  from: jffs2_eraseblock,
  ref: Ref,
  to: jffs2_eraseblock,
  offset: number,
): void {
  const { refs } = c;
  const len = ref_totlen(c, ref);
  const slot = refs.owner[ref]!;
  const ghost = refs.alloc((ref_offset(c, ref) | REF_OBSOLETE) >>> 0, len, slot);
  refs.next_phys[ghost] = refs.next_phys[ref]!;
  if (from.first_node === ref) {
    from.first_node = ghost;
  } else {
    let before = from.first_node;
    while (refs.next_phys[before] !== ref) before = refs.next_phys[before]!;
    refs.next_phys[before] = ghost;
  }
  if (from.last_node === ref) from.last_node = ghost;
  const owner = c.owners[slot];
  if (owner) refs.linkAfter(ref, ghost);
  from.used_size -= len;
  from.wasted_size += len;
  c.wasted_size += len;

  refs.flash_offset[ref] = (offset | ref_flags(c, ref)) >>> 0;
  refs.next_phys[ref] = 0;
  if (to.last_node !== 0) refs.next_phys[to.last_node] = ref;
  else to.first_node = ref;
  to.last_node = ref;
  to.used_size += len;
  to.free_size -= len;
  c.free_size -= len;
}

/** Turns `size` bytes of free space into dirt (scan: bytes that are no node). */
export function jffs2_scan_dirty_space(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  size: number,
): void {
  if (size > jeb.free_size) BUG(`more dirt than space at 0x${jeb.offset.toString(16)}`);
  c.dirty_size += size;
  c.free_size -= size;
  jeb.dirty_size += size;
  jeb.free_size -= size;
}
