/**
 * The name cache: dentries, Linux's fs/dcache.c.
 *
 * A dentry is one name in one directory, with its inode or, negative, with the knowledge that there
 * is none. It holds a reference on its inode and on its parent, so the cached names of a mount form
 * a tree from the root.
 *
 * States:
 * - *hashed*: found by d_lookup(). Unhashed: a name that is gone (unlinked while in use), not there
 *   yet, or that never was (O_TMPFILE).
 * - *used*: d_count > 0. An unused hashed dentry waits in the LRU list; an unused unhashed one dies
 *   at once. The list is bounded: when it grows past the limit its oldest eighth goes.
 *
 * Each directory has its own Map from name to child, made with the first child. A directory can
 * therefore be renamed, or found, at the same cost however full it is, and children of a removed
 * one are at hand. All state of a mount hangs on its {@link Dcache}, in super_block.s_dcache.
 *
 * References: functions that return a Dentry return it with a reference, to be given back by
 * dput(), unless they say otherwise. Functions that put an inode into a dentry take over the
 * caller's reference on the inode.
 */
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { S_ISDIR } from '../lump/fs.js';
import type { dentry, inode, super_block } from '../lump/fs.js';
import { iput, unlock_new_inode } from '../lump/inode.js';
import type { ByteName } from '../lump/types.js';

/** Unused dentries kept per mount. */
export const DENTRY_UNUSED_MAX = 16384;

/** d_count of a dentry that was ended. */
const DENTRY_DEAD = -1;

export class Dentry implements dentry {
  readonly d_sb: super_block;
  /** Maintained by this file only, as are all fields of the class. */
  d_name: ByteName;
  /** Itself for a root, of the mount or of a disconnected tree. */
  d_parent: Dentry;
  d_inode: inode | null = null;
  d_count = 1;
  d_hashed = false;
  /** Hashed children by name. */
  d_children: Map<ByteName, Dentry> | null = null;
  /** Index of this dentry in d_inode.i_dentry, so that taking it out is cheap. */
  d_alias_index = -1;
  /** Used again since it entered the LRU list: gets a second round there. */
  d_referenced = false;
  lru_prev: Dentry | null = null;
  lru_next: Dentry | null = null;

  constructor(sb: super_block, parent: Dentry | null, name: ByteName) {
    this.d_sb = sb;
    this.d_name = name;
    this.d_parent = parent ?? this;
  }
}

/** The names of one mount. */
export class Dcache {
  /** Most unused dentries that are kept. */
  unused_max = DENTRY_UNUSED_MAX;
  /** All dentries; those in the LRU list (some may be in use again); those without inode. */
  nr_dentry = 0;
  nr_unused = 0;
  nr_negative = 0;
  /** After a forced unmount: references that are still given back mean nothing. */
  dead = false;
  private oldest: Dentry | null = null;
  private newest: Dentry | null = null;

  in_lru(dentry: Dentry): boolean {
    return dentry.lru_prev !== null || this.oldest === dentry;
  }

  lru_add(dentry: Dentry): void {
    dentry.lru_prev = this.newest;
    if (this.newest !== null) this.newest.lru_next = dentry;
    else this.oldest = dentry;
    this.newest = dentry;
    this.nr_unused++;
  }

  lru_del(dentry: Dentry): void {
    const { lru_prev, lru_next } = dentry;
    if (lru_prev !== null) lru_prev.lru_next = lru_next;
    else this.oldest = lru_next;
    if (lru_next !== null) lru_next.lru_prev = lru_prev;
    else this.newest = lru_prev;
    dentry.lru_prev = dentry.lru_next = null;
    this.nr_unused--;
  }

  /** Takes the unused dentry that was not asked for longest out of the list; null when none is. */
  lru_take(): Dentry | null {
    for (let dentry = this.oldest; dentry !== null; dentry = this.oldest) {
      this.lru_del(dentry);
      if (dentry.d_count > 0) continue;
      if (!dentry.d_referenced) return dentry;
      dentry.d_referenced = false;
      this.lru_add(dentry);
    }
    return null;
  }
}

/** The name cache of a mount that has a root. */
export function dcache_of(sb: super_block): Dcache {
  return sb.s_dcache as Dcache;
}

export const IS_ROOT = (dentry: Dentry): boolean => dentry.d_parent === dentry;

// ---- references ---------------------------------------------------------------------------------

/** Takes another reference. */
export function dget(dentry: Dentry): Dentry {
  BUG_ON(dentry.d_count < 0, `dget of the dead dentry ${dentry.d_name}`);
  dentry.d_count++;
  return dentry;
}

/** Gives a reference back. May end the dentry, its inode and, one after another, its parents. */
export function dput(dentry: Dentry | null): void {
  let last = dentry;
  while (last !== null) {
    const cache = dcache_of(last.d_sb);
    if (cache.dead) return;
    BUG_ON(last.d_count < 1, `dput of the unreferenced dentry ${last.d_name}`);
    if (--last.d_count > 0) return;
    if (last.d_hashed) {
      if (cache.in_lru(last)) last.d_referenced = true;
      else cache.lru_add(last);
      if (cache.nr_unused > cache.unused_max) {
        shrink_dcache(last.d_sb, cache.unused_max - (cache.unused_max >> 3));
      }
      return;
    }
    last = dentry_kill(last);
  }
}

/** Ends an unused dentry. @returns its parent, whose reference the caller now owns, or null. */
function dentry_kill(dentry: Dentry): Dentry | null {
  const cache = dcache_of(dentry.d_sb);
  BUG_ON(dentry.d_count !== 0, `killing the dentry ${dentry.d_name} in use`);
  dentry.d_count = DENTRY_DEAD;
  if (cache.in_lru(dentry)) cache.lru_del(dentry);
  const parent = IS_ROOT(dentry) ? null : dentry.d_parent;
  d_drop(dentry);
  cache.nr_dentry--;
  if (dentry.d_inode !== null) unlink_inode(dentry);
  else cache.nr_negative--;
  return parent;
}

// ---- making -------------------------------------------------------------------------------------

function new_dentry(sb: super_block, parent: Dentry | null, name: ByteName): Dentry {
  const { slab } = sb.s_lump;
  if (slab.armed) slab.maybe_fail('dentry');
  const dentry = new Dentry(sb, parent, name);
  const cache = dcache_of(sb);
  cache.nr_dentry++;
  cache.nr_negative++;
  return dentry;
}

/** A negative, unhashed dentry. @throws ENOMEM when a test asked for it. */
export function d_alloc(parent: Dentry, name: ByteName): Dentry {
  const dentry = new_dentry(parent.d_sb, parent, name);
  parent.d_count++;
  return dentry;
}

/** The root of a mount, for super_block.s_root. Makes the mount's name cache. */
export function d_make_root(root: inode): Dentry {
  const sb = root.i_sb;
  BUG_ON(sb.s_dcache !== null, 'a mount has one root');
  sb.s_dcache = new Dcache();
  return new_root(root, '/');
}

/** A dentry without a parent. The inode's reference is taken over, also when this throws. */
function new_root(inode: inode, name: ByteName): Dentry {
  let dentry: Dentry;
  try {
    dentry = new_dentry(inode.i_sb, null, name);
  } catch (error) {
    iput(inode);
    throw error;
  }
  attach_inode(dentry, inode);
  return dentry;
}

/**
 * A dentry for an inode that was found by number: one that exists, else a disconnected one, which
 * d_splice_alias() connects when its directory is looked up.
 */
export function d_obtain_alias(inode: inode): Dentry {
  const alias = d_find_any_alias(inode);
  if (alias !== null) {
    iput(inode);
    return alias;
  }
  return new_root(inode, '');
}

function attach_inode(dentry: Dentry, inode: inode): void {
  BUG_ON(dentry.d_inode !== null, `${dentry.d_name} has an inode already`);
  dentry.d_inode = inode;
  dentry.d_alias_index = inode.i_dentry.push(dentry) - 1;
  dcache_of(dentry.d_sb).nr_negative--;
}

/** Makes a dentry negative. Its inode may die. */
function unlink_inode(dentry: Dentry): void {
  const inode = detach_inode(dentry);
  iput(inode);
}

function detach_inode(dentry: Dentry): inode {
  const inode = dentry.d_inode!;
  const aliases = inode.i_dentry as Dentry[];
  const last = aliases.pop()!;
  if (last !== dentry) {
    aliases[dentry.d_alias_index] = last;
    last.d_alias_index = dentry.d_alias_index;
  }
  dentry.d_inode = null;
  dentry.d_alias_index = -1;
  return inode;
}

/** Gives a negative dentry its inode, after a create. */
export function d_instantiate(dentry: dentry, inode: inode): void {
  attach_inode(dentry as Dentry, inode);
}

/** d_instantiate() of an inode that is still I_NEW. */
export function d_instantiate_new(dentry: dentry, inode: inode): void {
  unlock_new_inode(inode);
  attach_inode(dentry as Dentry, inode);
}

/** Linux's d_tmpfile: an inode that has lost its only link, under a name nobody can look up. */
export function d_tmpfile(dentry: dentry, inode: inode): void {
  const nameless = dentry as Dentry;
  inode.i_nlink = 0;
  nameless.d_name = `#${inode.i_ino}`;
  attach_inode(nameless, inode);
}

/** Ends a lookup: hashes the dentry with its inode, or with null as negative. */
export function d_add(dentry: dentry, inode: inode | null): void {
  const found = dentry as Dentry;
  if (inode !== null) attach_inode(found, inode);
  rehash(found);
}

function rehash(dentry: Dentry): void {
  const parent = dentry.d_parent;
  parent.d_children ??= new Map();
  BUG_ON(parent.d_children.has(dentry.d_name), `${dentry.d_name} is hashed twice`);
  parent.d_children.set(dentry.d_name, dentry);
  dentry.d_hashed = true;
}

/**
 * Ends a lookup like d_add(), but a directory keeps its one dentry: if it has one elsewhere (it was
 * disconnected, or the medium names it twice), that moves here.
 * @returns the dentry to use instead, or null for the one passed.
 * @throws ELOOP the directory is its own ancestor, as damaged media can have it.
 */
export function d_splice_alias(inode: inode | null, dentry: dentry): Dentry | null {
  const found = dentry as Dentry;
  if (inode === null || !S_ISDIR(inode.i_mode) || inode.i_dentry.length === 0) {
    d_add(found, inode);
    return null;
  }
  const alias = inode.i_dentry[0] as Dentry;
  if (alias === found.d_parent || d_ancestor(alias, found.d_parent) !== null) {
    found.d_sb.s_lump.pr_warn(
      `VFS: lookup of '${found.d_name}' in ${found.d_sb.s_type.name} inode ` +
        `${found.d_parent.d_inode?.i_ino} would have caused a loop`,
    );
    iput(inode);
    throw new Errno('ELOOP');
  }
  dget(alias);
  d_move(alias, found);
  iput(inode);
  return alias;
}

// ---- finding ------------------------------------------------------------------------------------

/** The hashed child of that name, negative or not; null when nothing is known. */
export function d_lookup(parent: Dentry, name: ByteName): Dentry | null {
  const children = parent.d_children;
  if (children === null) return null;
  const dentry = children.get(name);
  if (dentry === undefined) return null;
  dentry.d_count++;
  return dentry;
}

/** A name of the inode: a hashed one, the root, or of a directory the one it has; else null. */
export function d_find_alias(inode: inode): Dentry | null {
  for (const alias of inode.i_dentry as Dentry[]) {
    if (alias.d_hashed || IS_ROOT(alias) || S_ISDIR(inode.i_mode)) return dget(alias);
  }
  return null;
}

/** Any dentry of the inode, also of a name that is gone. */
export function d_find_any_alias(inode: inode): Dentry | null {
  const alias = d_find_alias(inode);
  if (alias !== null || inode.i_dentry.length === 0) return alias;
  return dget(inode.i_dentry[0] as Dentry);
}

// ---- removing and moving ------------------------------------------------------------------------

/** Unhashes: the next lookup of the name asks the file system. */
export function d_drop(dentry: Dentry): void {
  if (!dentry.d_hashed) return;
  dentry.d_parent.d_children!.delete(dentry.d_name);
  dentry.d_hashed = false;
}

/**
 * The name was removed from the medium. The caller holds a reference; if it is the only one, the
 * dentry stays as a negative one, else those who use it keep it, unhashed, with its inode.
 */
export function d_delete(dentry: Dentry): void {
  if (dentry.d_count > 1 || dentry.d_inode === null) {
    d_drop(dentry);
    return;
  }
  dcache_of(dentry.d_sb).nr_negative++;
  unlink_inode(dentry);
}

function swap_places(a: Dentry, b: Dentry): void {
  const { d_name, d_parent } = a;
  const wasRoot = IS_ROOT(a);
  a.d_name = b.d_name;
  // Each takes over the other's reference on its parent.
  a.d_parent = b.d_parent;
  b.d_name = d_name;
  b.d_parent = wasRoot ? b : d_parent;
}

/**
 * A rename: `dentry` takes the place of `target`, which is left unhashed under the old name. What
 * target's users have open stays as it is.
 */
export function d_move(dentry: Dentry, target: Dentry): void {
  d_drop(dentry);
  d_drop(target);
  swap_places(dentry, target);
  rehash(dentry);
}

/** RENAME_EXCHANGE. */
export function d_exchange(a: Dentry, b: Dentry): void {
  d_drop(a);
  d_drop(b);
  swap_places(a, b);
  rehash(a);
  rehash(b);
}

// ---- shrinking ----------------------------------------------------------------------------------

/** Ends unused dentries, the longest unused first, until at most `keep` are in the list. */
export function shrink_dcache(sb: super_block, keep: number): void {
  const cache = dcache_of(sb);
  while (cache.nr_unused > keep) {
    const victim = cache.lru_take();
    if (victim === null) return;
    dput(dentry_kill(victim));
  }
}

/** Ends every unused dentry below `parent`. */
export function shrink_dcache_parent(parent: Dentry): void {
  if (parent.d_children === null || parent.d_children.size === 0) return;
  // Not recursive, since a damaged medium may nest deeper than the stack. A directory stands before
  // its children here; going backwards each is unused when its turn comes, if it is at all.
  const below: Dentry[] = [];
  for (let at = -1, dir = parent; ; dir = below[at]) {
    if (dir.d_children !== null) for (const child of dir.d_children.values()) below.push(child);
    if (++at >= below.length) break;
  }
  for (const dentry of below.reverse()) {
    if (dentry.d_count === 0) dput(dentry_kill(dentry));
  }
}

/**
 * The directory was removed. Names in it that are still held, negative all, are unhashed, so that
 * they do not keep the directory's inode alive in the LRU list.
 */
export function d_drop_children(dir: Dentry): void {
  if (dir.d_children === null) return;
  for (const child of dir.d_children.values()) d_drop(child);
}

// ---- the tree -----------------------------------------------------------------------------------

/**
 * When `ancestor` is a proper ancestor of `dentry`: its child on the way there. Else null. Takes no
 * reference.
 */
export function d_ancestor(ancestor: Dentry, dentry: Dentry): Dentry | null {
  for (let at = dentry; !IS_ROOT(at); at = at.d_parent) {
    if (at.d_parent === ancestor) return at;
  }
  return null;
}

/** True when `dentry` is `ancestor` or below it. */
export function is_subdir(dentry: Dentry, ancestor: Dentry): boolean {
  return dentry === ancestor || d_ancestor(ancestor, dentry) !== null;
}

/** The path from the mount's root, for messages; a name that is gone ends in " (deleted)". */
export function d_path(dentry: Dentry): ByteName {
  if (dentry === dentry.d_sb.s_root) return '/';
  const names: ByteName[] = [];
  let at = dentry;
  for (; !IS_ROOT(at); at = at.d_parent) names.push(at.d_name);
  const path = `/${names.reverse().join('/')}`;
  return dentry.d_hashed ? path : `${path} (deleted)`;
}
