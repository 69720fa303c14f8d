/**
 * The name cache: (directory, name) → vnode, or the knowledge that there is none. It holds no
 * references: an entry goes with either of its vnodes. The least recently used go when there are
 * too many.
 *
 * Entries of one directory are chained by a map of its own, so that purging a directory does not
 * search the rest; who leads to a vnode is found by its list of entries.
 */
import type { ByteName } from '../puffs/puffs.js';
import type { vnode } from './vnode.js';

const ENTRIES_MAX = 8192;
/** Longer names are not kept, as in NetBSD before it stored them apart. */
const NAME_BYTES_MAX = 255;

interface namecache_entry {
  readonly nc_dvp: vnode;
  readonly nc_name: ByteName;
  /** null: there is no such name. */
  readonly nc_vp: vnode | null;
}

export class namecache {
  hits = 0;
  misses = 0;
  private readonly entries = new Set<namecache_entry>();
  private readonly by_directory = new Map<vnode, Map<ByteName, namecache_entry>>();
  private readonly by_vnode = new Map<vnode, Set<namecache_entry>>();

  get size(): number {
    return this.entries.size;
  }

  /** @returns the vnode without a reference; null: known not to be; undefined: not known. */
  cache_lookup(dvp: vnode, name: ByteName): vnode | null | undefined {
    const entry = this.by_directory.get(dvp)?.get(name);
    if (entry === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.entries.delete(entry);
    this.entries.add(entry);
    return entry.nc_vp;
  }

  cache_enter(dvp: vnode, name: ByteName, vp: vnode | null): void {
    this.cache_purge1(dvp, name);
    if (name.length > NAME_BYTES_MAX || !dvp.v_mount.mnt_op.uses_namecache) return;
    const entry = { nc_dvp: dvp, nc_name: name, nc_vp: vp };
    this.entries.add(entry);
    let names = this.by_directory.get(dvp);
    if (names === undefined) {
      names = new Map();
      this.by_directory.set(dvp, names);
    }
    names.set(name, entry);
    if (vp !== null) {
      let leads = this.by_vnode.get(vp);
      if (leads === undefined) {
        leads = new Set();
        this.by_vnode.set(vp, leads);
      }
      leads.add(entry);
    }
    if (this.entries.size > ENTRIES_MAX) {
      const [oldest] = this.entries;
      this.remove(oldest!);
    }
  }

  /** Forgets one name. */
  cache_purge1(dvp: vnode, name: ByteName): void {
    const entry = this.by_directory.get(dvp)?.get(name);
    if (entry !== undefined) this.remove(entry);
  }

  /** Forgets everything in a vnode, and everything that leads to it. */
  cache_purge(vp: vnode): void {
    for (const entry of [...(this.by_directory.get(vp)?.values() ?? [])]) this.remove(entry);
    for (const entry of [...(this.by_vnode.get(vp) ?? [])]) this.remove(entry);
  }

  private remove(entry: namecache_entry): void {
    this.entries.delete(entry);
    const { nc_dvp, nc_name, nc_vp } = entry;
    const names = this.by_directory.get(nc_dvp)!;
    names.delete(nc_name);
    if (names.size === 0) this.by_directory.delete(nc_dvp);
    if (nc_vp === null) return;
    const leads = this.by_vnode.get(nc_vp)!;
    leads.delete(entry);
    if (leads.size === 0) this.by_vnode.delete(nc_vp);
  }
}
