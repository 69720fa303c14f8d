/** Directories of FAT: slots of 32 bytes; a long name takes the slots before its short entry. */
import { NetbsdErrno } from '../../errno.js';
import type { buf } from '../../buf.js';
import type { msdosfs_fat } from './msdosfs_fat.js';
import {
  exact_short_name,
  long_part,
  long_slots,
  make_short_name,
  name_key,
  put_long_part,
  short_checksum,
  short_name,
} from './msdosfs_conv.js';
import type { direntry, directory_names, msdos_node } from './msdosfs_node.js';
import {
  ATTR_VOLUME,
  ATTR_WIN95,
  dep,
  DIRECTORY_ENTRIES_MAX,
  DIRENTRY_BYTES,
  SLOT_DELETED,
  SLOT_EMPTY,
  SHORTNAME_BYTES,
  wep,
  WIN_CHARS,
  WIN_LAST,
  WIN_MAXLEN,
} from './medium.js';

export interface slot_place {
  readonly bp: buf;
  readonly off: number;
  /** Bytes from the start of the volume. */
  readonly position: number;
}

export class msdosfs_directory {
  private readonly fat: msdosfs_fat;

  constructor(fat: msdosfs_fat) {
    this.fat = fat;
  }

  /** Slots that a directory has room for. */
  private slots(dir: msdos_node): number {
    const { geometry, cluster_bytes } = this.fat;
    const chain = this.chain(dir);
    if (chain === null) return geometry.root_entries;
    return Math.min(DIRECTORY_ENTRIES_MAX, (chain.length * cluster_bytes) / DIRENTRY_BYTES);
  }

  /** null: the root of FAT12 and FAT16, which lies in front of the clusters. */
  private chain(dir: msdos_node): number[] | null {
    if (dir.de_start === 0) return null;
    const most = (DIRECTORY_ENTRIES_MAX * DIRENTRY_BYTES) / this.fat.cluster_bytes;
    dir.de_chain ??= this.fat.chain(dir.de_start, Math.max(1, Math.ceil(most)));
    return dir.de_chain;
  }

  /** Where a slot lies. */
  place(dir: msdos_node, slot: number): slot_place {
    const { geometry, cluster_bytes } = this.fat;
    const at = slot * DIRENTRY_BYTES;
    const chain = this.chain(dir);
    let sector: number;
    if (chain === null) {
      sector = geometry.root_start + Math.floor(at / geometry.sector_bytes);
    } else {
      const inCluster = at % cluster_bytes;
      const first = this.fat.sector_of(chain[Math.floor(at / cluster_bytes)]!);
      sector = first + Math.floor(inCluster / geometry.sector_bytes);
    }
    const off = at % geometry.sector_bytes;
    const position = sector * geometry.sector_bytes + off;
    return { bp: this.fat.cache.bread(sector), off, position };
  }

  /** Finds a name, long or short, whatever its case. */
  find(dir: msdos_node, text: string): direntry | undefined {
    const names = this.names(dir);
    const key = name_key(text);
    return names.by_name.get(key) ?? names.by_alias.get(key);
  }

  /** All names, in the order of their slots. */
  entries(dir: msdos_node): direntry[] {
    return [...this.names(dir).by_name.values()].sort((a, b) => a.slot - b.slot);
  }

  /** The last slot of an entry is its short one, with everything but the long name. */
  short_place(dir: msdos_node, { slot, slots }: direntry): slot_place {
    return this.place(dir, slot + slots - 1);
  }

  private names(dir: msdos_node): directory_names {
    if (dir.de_names !== null) return dir.de_names;
    const names: directory_names = {
      by_name: new Map(),
      by_alias: new Map(),
      end: 0,
      free: new Set(),
    };
    const count = this.slots(dir);
    let long = new long_name();
    let slot = 0;
    for (; slot < count; slot++) {
      const { bp, off } = this.place(dir, slot);
      const first = dep.Name0.get(bp.b_data, off);
      if (first === SLOT_EMPTY) break;
      if (first === SLOT_DELETED) {
        names.free.add(slot);
        long = new long_name();
        continue;
      }
      const attributes = dep.Attributes.get(bp.b_data, off);
      if ((attributes & 0x3f) === ATTR_WIN95) {
        long.add(bp.b_data, off, slot);
        continue;
      }
      if ((attributes & ATTR_VOLUME) === 0 && !is_dots(bp.b_data, off)) {
        this.add(names, this.read_entry(dir, bp.b_data, off, slot, long));
      }
      long = new long_name();
    }
    names.end = slot;
    dir.de_names = names;
    return names;
  }

  private read_entry(
    dir: msdos_node,
    b: Uint8Array,
    off: number,
    slot: number,
    long: long_name,
  ): direntry {
    const alias = short_name(b, off);
    const text = long.text(short_checksum(b, off), slot);
    const isName = (name: string): boolean => name !== '' && !/[/\0]/.test(name);
    if (text !== null && isName(text) && text !== '.' && text !== '..') {
      return { text, alias, slot: long.first, slots: slot - long.first + 1 };
    }
    if (!isName(alias)) this.fat.damage(`directory ${dir.i_number} has an entry that is no name`);
    return { text: alias, alias, slot, slots: 1 };
  }

  private add(names: directory_names, entry: direntry): void {
    if (/[/\0]/.test(entry.text) || entry.text === '') return;
    const key = name_key(entry.text);
    // Of two that are the same the first one is found.
    if (!names.by_name.has(key)) names.by_name.set(key, entry);
    const alias = name_key(entry.alias);
    if (!names.by_alias.has(alias)) names.by_alias.set(alias, entry);
  }

  /**
   * Makes an entry with a name that is not there; its short slot holds the name and zeros.
   * @throws ENOSPC
   */
  enter(dir: msdos_node, text: string): direntry {
    const names = this.names(dir);
    const exact = exact_short_name(text);
    const isTaken = (bytes: Uint8Array): boolean =>
      names.by_alias.has(name_key(short_name(padded(bytes), 0)));
    const short = exact !== null && !isTaken(exact) ? exact : make_short_name(text, isTaken);
    const parts = short === exact ? 0 : long_slots(text);
    const slots = parts + 1;
    const slot = this.find_room(dir, names, slots);
    const checksum = short_checksum(short, 0);
    for (let i = 0; i < parts; i++) {
      const { bp, off } = this.place(dir, slot + i);
      put_long_part(bp.b_data, off, text, parts - i, checksum);
      this.fat.cache.bdwrite(bp);
    }
    const { bp, off } = this.place(dir, slot + parts);
    bp.b_data.fill(0, off, off + DIRENTRY_BYTES);
    bp.b_data.set(short, off);
    this.fat.cache.bdwrite(bp);
    const entry = { text, alias: short_name(bp.b_data, off), slot, slots };
    for (let i = 0; i < slots; i++) names.free.delete(slot + i);
    names.end = Math.max(names.end, slot + slots);
    this.add(names, entry);
    return entry;
  }

  remove(dir: msdos_node, entry: direntry): void {
    const names = this.names(dir);
    for (let i = 0; i < entry.slots; i++) {
      const { bp, off } = this.place(dir, entry.slot + i);
      dep.Name0.put(bp.b_data, off, SLOT_DELETED);
      this.fat.cache.bdwrite(bp);
      names.free.add(entry.slot + i);
    }
    names.by_name.delete(name_key(entry.text));
    const alias = name_key(entry.alias);
    if (names.by_alias.get(alias) === entry) names.by_alias.delete(alias);
  }

  is_empty(dir: msdos_node): boolean {
    return this.names(dir).by_name.size === 0;
  }

  /** `count` free slots in a row; the directory grows if it may. */
  private find_room(dir: msdos_node, names: directory_names, count: number): number {
    let run = 0;
    const free = names.free.size < count ? [] : [...names.free].sort((a, b) => a - b);
    for (let i = 0; i < free.length; i++) {
      run = i > 0 && free[i]! === free[i - 1]! + 1 ? run + 1 : 1;
      if (run === count) return free[i]! - count + 1;
    }
    const wanted = names.end + count;
    if (wanted > DIRECTORY_ENTRIES_MAX) throw new NetbsdErrno('ENOSPC', 'the directory is full');
    if (wanted > this.slots(dir)) this.grow(dir, wanted);
    this.end_after(dir, wanted);
    return names.end;
  }

  /** The slot behind the last one must say that it is the end. */
  private end_after(dir: msdos_node, slot: number): void {
    if (slot >= this.slots(dir)) return;
    const { bp, off } = this.place(dir, slot);
    if (dep.Name0.get(bp.b_data, off) === SLOT_EMPTY) return;
    bp.b_data.fill(0, off, off + DIRENTRY_BYTES);
    this.fat.cache.bdwrite(bp);
  }

  private grow(dir: msdos_node, slots: number): void {
    const chain = this.chain(dir);
    if (chain === null) throw new NetbsdErrno('ENOSPC', 'the root directory is full');
    const { cluster_bytes } = this.fat;
    const before = chain.length;
    const more = Math.ceil((slots * DIRENTRY_BYTES) / cluster_bytes) - before;
    this.fat.extend(chain, more);
    for (const cluster of chain.slice(before)) this.zero(cluster);
    dir.i_size = chain.length * cluster_bytes;
    dir.i_bytes = dir.i_size;
  }

  zero(cluster: number): void {
    const first = this.fat.sector_of(cluster);
    for (let i = 0; i < this.fat.geometry.cluster_sectors; i++) {
      this.fat.cache.clrbuf(first + i);
    }
  }
}

const padded = (short: Uint8Array): Uint8Array => {
  const entry = new Uint8Array(DIRENTRY_BYTES);
  entry.set(short);
  return entry;
};

/** "." and "..", which every directory but the root begins with. */
function is_dots(b: Uint8Array, off: number): boolean {
  if (b[off] !== 0x2e) return false;
  const rest = b.subarray(off + 2, off + SHORTNAME_BYTES);
  return (b[off + 1] === 0x2e || b[off + 1] === 0x20) && rest.every((byte) => byte === 0x20);
}

/** Collects the parts of a long name, the last one first. */
class long_name {
  first = -1;
  private expected = 0;
  private checksum = 0;
  private next_slot = 0;
  private readonly parts: string[] = [];

  add(b: Uint8Array, off: number, slot: number): void {
    const count = wep.Cnt.get(b, off);
    const number = count & (WIN_LAST - 1);
    const checksum = wep.Chksum.get(b, off);
    if ((count & WIN_LAST) !== 0) {
      this.first = slot;
      this.expected = number;
      this.checksum = checksum;
      this.parts.length = 0;
    } else if (slot !== this.next_slot || number !== this.expected || checksum !== this.checksum) {
      this.first = -1;
      return;
    }
    if (this.first < 0 || number < 1 || number * WIN_CHARS > WIN_MAXLEN + WIN_CHARS) {
      this.first = -1;
      return;
    }
    this.parts.unshift(long_part(b, off));
    this.expected = number - 1;
    this.next_slot = slot + 1;
  }

  /** The name for the short entry at `slot`; null: there is none, or it belongs to another. */
  text(checksum: number, slot: number): string | null {
    const isOurs =
      this.first >= 0 &&
      this.expected === 0 &&
      this.checksum === checksum &&
      this.next_slot === slot;
    return isOurs ? this.parts.join('') : null;
  }
}
