/**
 * fsck of a mounted file system: is what memory holds what the medium says? `flash_inspect check`
 * looks at the bytes alone; this looks at a mount in the middle of its work, and changes nothing.
 *
 * Checked are: the accounting; every node in use against its bytes; that no node out of date would
 * rule again after the next mount; of each inode the versions that rule its bytes, its entries,
 * attributes, link count and extended attributes, in memory and by a second reading of the medium
 * (fsck_nodes.ts); the name cache and the page cache; free space for being erased.
 *
 * Call it between operations; what a writer has in the write buffer counts as written. All nodes
 * and their data are read.
 */
import { type Dentry, IS_ROOT } from '../dcache/dcache.js';
import { root_of } from '../dcache/mount.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { DT_DIR, type inode, PAGE_SIZE, S_IFDIR, S_IFMT, S_IFREG } from '../lump/fs.js';
import type { super_block } from '../lump/fs.js';
import { is_bad_inode } from '../lump/inode.js';
import type { ByteName } from '../lump/types.js';
import { jffs2_check_nand_cleanmarker } from './cleanmarker.js';
import { acct_problems } from './debug.js';
import { firstProgrammed } from './erased.js';
import { JFFS2_INODE_INFO, JFFS2_SB_INFO } from './fs.js';
import { addRun, type inode_view, isHeaderGood, nodesOf, readNode, viewOf } from './fsck_nodes.js';
import type { read_run } from './fsck_nodes.js';
import { I_VERSION, JFFS2_ROOT_INO, R_INO, R_NODE_CRC, R_XID, R_XSEQNO } from './medium.js';
import { X_DATA_CRC, X_NAME_LEN, X_NODE_CRC, X_VALUE_LEN, X_XID, XATTR_SIZE } from './medium.js';
import {
  INO_STATE_PRESENT,
  jffs2_inode_cache,
  ref_flags,
  ref_obsolete,
  ref_offset,
  ref_totlen,
  REF_PRISTINE,
  REF_UNCHECKED,
  type jffs2_inode_info,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import { jffs2_read_inode_range } from './read.js';
import { jffs2_xattr_datum, type jffs2_xattr_ref } from './xattr.js';

export type fsck_kind =
  | 'accounting'
  | 'node'
  | 'free space'
  | 'inode'
  | 'directory'
  | 'links'
  | 'attributes'
  | 'name cache'
  | 'page cache';

export interface fsck_problem {
  readonly kind: fsck_kind;
  /** Inode number; 0 where there is no one inode. */
  readonly ino: number;
  readonly text: string;
}

export interface fsck_result {
  /** The first {@link PROBLEMS_MAX}. */
  readonly problems: readonly fsck_problem[];
  /** fsck(8)'s: 0, or 4 for errors that were left. */
  readonly exitStatus: 0 | 4;
}

const PROBLEMS_MAX = 1000;
const hex = (offset: number): string => `0x${offset.toString(16)}`;

/**
 * Checks a mounted jffs2.
 * @throws EIO the chip cannot be read.
 */
export function jffs2_fsck(sb: super_block): fsck_result {
  const checker = new Checker(sb);
  checker.accounting();
  checker.nodes();
  checker.freeSpace();
  checker.inodes();
  checker.links();
  checker.attributes();
  checker.names();
  const { problems } = checker;
  return { problems, exitStatus: problems.length > 0 ? 4 : 0 };
}

function sameRuns(a: readonly read_run[], b: readonly read_run[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ ofs, end, version }, n) => {
      const other = b[n]!;
      return ofs === other.ofs && end === other.end && version === other.version;
    })
  );
}

/** A loop: most of what is compared is pages, byte by byte. */
function samePages(a: Uint8Array, b: Uint8Array): boolean {
  for (let n = 0; n < PAGE_SIZE; n++) if (a[n] !== b[n]) return false;
  return true;
}

class Checker {
  readonly problems: fsck_problem[] = [];
  readonly #sb: super_block;
  readonly #c: jffs2_sb_info;
  /** By inode number: entries that name it, and of directories the parents. */
  readonly #names = new Map<number, number>();
  readonly #parents = new Map<number, Set<number>>();

  constructor(sb: super_block) {
    this.#sb = sb;
    this.#c = JFFS2_SB_INFO(sb);
  }

  #say(kind: fsck_kind, ino: number, text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ kind, ino, text });
  }

  accounting(): void {
    for (const text of acct_problems(this.#c)) this.#say('accounting', 0, text);
  }

  /** Every node that is in use is on the medium, and whose it should be. */
  nodes(): void {
    const c = this.#c;
    for (const jeb of c.blocks) {
      for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
        if (ref_obsolete(c, ref) || ref_flags(c, ref) === REF_UNCHECKED) continue;
        const owner = c.owners[c.refs.owner[ref]!];
        const isGood =
          owner instanceof jffs2_inode_cache
            ? readNode(c, owner, ref) !== null
            : this.#isOthersNode(ref, owner ?? null);
        if (isGood) continue;
        const ino = owner instanceof jffs2_inode_cache ? owner.ino : 0;
        this.#say('node', ino, `the node at ${hex(ref_offset(c, ref))} is not there any more`);
      }
    }
  }

  #isOthersNode(ref: Ref, owner: jffs2_xattr_datum | jffs2_xattr_ref | null): boolean {
    const c = this.#c;
    const { e } = c;
    // Cleanmarkers and summaries are not needed, and an erase that was cut short takes them.
    if (owner === null && ref_flags(c, ref) !== REF_PRISTINE) return true;
    const length = ref_totlen(c, ref);
    const { buf, off } = c.view(ref_offset(c, ref), length);
    if (!isHeaderGood(c, buf, off, length)) return false;
    if (owner === null) return true;
    if (owner instanceof jffs2_xattr_datum) {
      const dataLength = buf[off + X_NAME_LEN]! + 1 + e.u16(buf, off + X_VALUE_LEN);
      return (
        e.u32(buf, off + X_NODE_CRC) === crc32_le(0, buf, off, X_NODE_CRC) &&
        e.u32(buf, off + X_XID) === owner.xid &&
        XATTR_SIZE + dataLength <= length &&
        e.u32(buf, off + X_DATA_CRC) === c.crc(buf, off + XATTR_SIZE, dataLength)
      );
    }
    return (
      e.u32(buf, off + R_NODE_CRC) === crc32_le(0, buf, off, R_NODE_CRC) &&
      e.u32(buf, off + R_INO) === owner.ino &&
      e.u32(buf, off + R_XID) === owner.xid
    );
  }

  /** What will be written to without being erased is blank. */
  freeSpace(): void {
    const c = this.#c;
    const waiting = [c.erase_pending_list, c.erasing_list, c.erase_complete_list, c.bad_list];
    for (const jeb of c.blocks) {
      if (jeb.free_size === 0 || (jeb.list !== null && waiting.includes(jeb.list))) continue;
      const from = jeb.offset + c.sector_size - jeb.free_size;
      const { buf, off } = c.view(from, jeb.free_size);
      const at = firstProgrammed(buf, off, off + jeb.free_size) - off;
      if (at < jeb.free_size) this.#say('free space', 0, `${hex(from + at)} is not erased`);
      if (jeb.list !== c.free_list || c.oob_cleanmarker === 0) continue;
      if (jffs2_check_nand_cleanmarker(c, jeb) !== 'marked') {
        this.#say('free space', 0, `the block at ${hex(jeb.offset)} has no cleanmarker`);
      }
    }
  }

  inodes(): void {
    const c = this.#c;
    for (const inode of this.#sb.s_inodes.values()) {
      const ic = c.inocache.get(inode.i_ino);
      if (is_bad_inode(inode) || ic?.state === INO_STATE_PRESENT) continue;
      this.#say('inode', inode.i_ino, 'in memory, but jffs2 does not know');
    }
    for (const ic of c.inocache.values()) {
      const isPresent = ic.state === INO_STATE_PRESENT;
      const inode = this.#sb.s_inodes.get(ic.ino) ?? null;
      if (isPresent && inode === null) this.#say('inode', ic.ino, 'is said to be in memory');
      // Removed: whoever has it open has it from memory; the next mount drops it.
      if (ic.pino_nlink === 0) continue;
      const { all, live } = nodesOf(c, ic);
      const view = viewOf(live);
      this.#compare(ic.ino, view, viewOf(all), 'nodes that are out of date would rule again');
      this.#count(ic, view);
      if (inode !== null && isPresent && !is_bad_inode(inode)) this.#inMemory(ic, inode, view);
    }
  }

  /** An entry of an inode that is not there counts as none, as in a mount. */
  #target(ino: number): number {
    const ic = this.#c.inocache.get(ino);
    return ic === undefined || ic.pino_nlink === 0 ? 0 : ino;
  }

  #compare(ino: number, live: inode_view, all: inode_view, what: string): void {
    if (live.latest?.version !== all.latest?.version || !sameRuns(live.runs, all.runs)) {
      this.#say('inode', ino, what);
    }
    for (const [name, { ino: target }] of all.entries) {
      if (this.#target(target) !== this.#target(live.entries.get(name)?.ino ?? 0)) {
        this.#say('directory', ino, `${JSON.stringify(name)}: ${what}`);
      }
    }
  }

  #count(ic: jffs2_inode_cache, { entries }: inode_view): void {
    for (const { ino, type } of entries.values()) {
      if (this.#target(ino) === 0) continue;
      this.#names.set(ino, (this.#names.get(ino) ?? 0) + 1);
      if (type !== DT_DIR) continue;
      const parents = this.#parents.get(ino);
      if (parents) parents.add(ic.ino);
      else this.#parents.set(ino, new Set([ic.ino]));
    }
  }

  #inMemory(ic: jffs2_inode_cache, inode: inode, view: inode_view): void {
    const f = JFFS2_INODE_INFO(inode);
    const say = (text: string): void => this.#say('inode', ic.ino, text);
    if (f.inocache !== ic) say('belongs to another inode of the medium');
    if (f.highest_version < view.highest_version) {
      say(`gave version ${f.highest_version} last, the medium has ${view.highest_version}`);
    }
    const kind = inode.i_mode & S_IFMT;
    const { latest } = view;
    if (latest !== null) {
      for (const [what, held, wanted] of [
        ['mode', inode.i_mode, latest.mode],
        ['owner', inode.i_uid, latest.uid],
        ['group', inode.i_gid, latest.gid],
        ['size', inode.i_size, kind === S_IFREG ? view.size : inode.i_size],
        // A write that found no space may have set a file's time in memory alone, as in Linux.
        ['time', inode.i_mtime_sec, kind === S_IFDIR ? view.mtime : inode.i_mtime_sec],
      ] as const) {
        if (held !== wanted) say(`${what} ${held}, on the medium ${wanted}`);
      }
    }
    if (kind === S_IFDIR) this.#entries(ic.ino, f, view);
    if (kind === S_IFREG) {
      const runs: read_run[] = [];
      for (const { ofs, size, node } of f.fragtree) {
        addRun(runs, ofs, ofs + size, this.#versionAt(node.raw));
      }
      if (!sameRuns(runs, view.runs)) say('its data are in other nodes on the medium');
      this.#pages(inode, f);
    } else if (f.metadata !== null && this.#versionAt(f.metadata.raw) !== latest?.version) {
      say('its attributes are in another node on the medium');
    }
  }

  #versionAt(raw: Ref): number {
    const { buf, off } = this.#c.view(ref_offset(this.#c, raw), ref_totlen(this.#c, raw));
    return this.#c.e.u32(buf, off + I_VERSION);
  }

  #entries(ino: number, { dents }: jffs2_inode_info, { entries }: inode_view): void {
    const names = new Set<ByteName>([...(dents?.keys() ?? []), ...entries.keys()]);
    for (const name of names) {
      const held = dents?.get(name);
      const wanted = entries.get(name);
      const target = this.#target(wanted?.ino ?? 0);
      if ((held?.ino ?? 0) === (wanted?.ino ?? 0) && held?.type === wanted?.type) continue;
      if ((held?.ino ?? 0) === 0 && target === 0) continue;
      const said = `names inode ${held?.ino ?? 0}, on the medium ${target}`;
      this.#say('directory', ino, `${JSON.stringify(name)} ${said}`);
    }
  }

  /** Cached pages are what a reader would find on the medium. */
  #pages(inode: inode, f: jffs2_inode_info): void {
    const page = new Uint8Array(PAGE_SIZE);
    for (const [index, cached] of inode.i_pages ?? []) {
      if (!cached.uptodate) continue;
      const ofs = index * PAGE_SIZE;
      const len = Math.max(0, Math.min(PAGE_SIZE, inode.i_size - ofs));
      page.fill(0);
      f.sem.lock();
      try {
        if (len > 0) jffs2_read_inode_range(this.#c, f, page, 0, ofs, len);
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        this.#say('page cache', inode.i_ino, `page ${index} cannot be read: ${error.message}`);
        continue;
      } finally {
        f.sem.unlock();
      }
      if (!samePages(page, cached.bytes)) {
        this.#say('page cache', inode.i_ino, `page ${index} is not what the medium has`);
      }
    }
  }

  /** Names are counted right: memory's link counts and parents against all entries. */
  links(): void {
    const c = this.#c;
    for (const ic of c.inocache.values()) {
      if (ic.pino_nlink === 0) continue;
      const inode = this.#sb.s_inodes.get(ic.ino);
      const names = this.#names.get(ic.ino) ?? 0;
      const say = (held: number, wanted: number, what: string): void => {
        if (held !== wanted) this.#say('links', ic.ino, `${what} ${held}, by entries ${wanted}`);
      };
      if (ic.ino === JFFS2_ROOT_INO) continue;
      const parents = this.#parents.get(ic.ino);
      if (parents !== undefined) {
        // A directory with two names is damage that a mount tells of.
        if (parents.size === 1) say(ic.pino_nlink, [...parents][0]!, 'parent');
        continue;
      }
      say(ic.pino_nlink, names, 'link count');
      if (inode && !is_bad_inode(inode)) say(inode.i_nlink, names, 'link count in memory');
    }
    for (const inode of this.#sb.s_inodes.values()) {
      if ((inode.i_mode & S_IFMT) !== S_IFDIR || inode.i_nlink === 0) continue;
      if (is_bad_inode(inode) || this.#target(inode.i_ino) === 0) continue;
      const dents = [...(JFFS2_INODE_INFO(inode).dents?.values() ?? [])];
      const below = dents.filter(({ ino, type }) => ino !== 0 && type === DT_DIR).length;
      const own = inode.i_ino === JFFS2_ROOT_INO ? 3 : 2;
      if (inode.i_nlink === own + below) continue;
      this.#say('links', inode.i_ino, `link count ${inode.i_nlink} with ${below} directories`);
    }
  }

  /** Extended attributes: the ties in memory are the last ones on the medium. */
  attributes(): void {
    const c = this.#c;
    const ties = new Map<jffs2_xattr_datum, number>();
    for (const ic of c.inocache.values()) {
      for (let ref = ic.xref; ref !== null; ref = ref.next) {
        const say = (text: string): void =>
          this.#say('attributes', ic.ino, `attribute ${ref!.xid} ${text}`);
        if (ref.ic !== ic || ref.dead) say('is tied to another inode, or to none');
        if (ref.xd === null) say('has no value');
        else ties.set(ref.xd, (ties.get(ref.xd) ?? 0) + 1);
        let newest = 0;
        for (let raw = ref.nodes; raw !== 0; raw = c.refs.next_in_ino[raw]!) {
          const { buf, off } = c.view(ref_offset(c, raw), ref_totlen(c, raw));
          if (!isHeaderGood(c, buf, off, ref_totlen(c, raw))) continue;
          newest = Math.max(newest, c.e.u32(buf, off + R_XSEQNO));
        }
        if (newest !== ref.xseqno) say(`has number ${ref.xseqno}, on the medium ${newest}`);
      }
    }
    for (const xd of c.xattrindex.values()) {
      const count = ties.get(xd) ?? 0;
      if (xd.refcnt === count) continue;
      this.#say('attributes', 0, `value ${xd.xid} counts ${xd.refcnt} ties and has ${count}`);
    }
  }

  /** The name cache says what the directories say. */
  names(): void {
    const stack: Dentry[] = [root_of(this.#sb)];
    for (let parent = stack.pop(); parent; parent = stack.pop()) {
      const dir = parent.d_inode;
      if (dir === null || parent.d_children === null) continue;
      const dents = is_bad_inode(dir) ? null : JFFS2_INODE_INFO(dir).dents;
      for (const [name, child] of parent.d_children) {
        stack.push(child);
        const held = child.d_inode?.i_ino ?? 0;
        const wanted = dents?.get(name)?.ino ?? 0;
        const where = `${JSON.stringify(name)} in directory ${dir.i_ino}`;
        if (held !== wanted) {
          this.#say('name cache', held, `${where} is inode ${held}, by its entry ${wanted}`);
        }
        if (child.d_parent !== parent || IS_ROOT(child)) {
          this.#say('name cache', held, `${where} has another parent`);
        }
        if (child.d_inode !== null && this.#sb.s_inodes.get(held) !== child.d_inode) {
          this.#say('name cache', held, `${where} is an inode that is not in memory`);
        }
      }
    }
  }
}
