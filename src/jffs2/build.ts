/**
 * After the scan: which inodes are reachable, how many links they have, how much space must be kept
 * in reserve. Facts: reference jffs2.md §6.
 */
import { Errno } from '../lump/errno.js';
import { DT_DIR } from '../lump/fs.js';
import { JFFS2_ROOT_INO } from './medium.js';
import {
  jffs2_del_ino_cache,
  JFFS2_SB_FLAG_BUILDING,
  JFFS2_SB_FLAG_SCANNING,
  ref_offset,
  type jffs2_inode_cache,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import { jffs2_mark_node_obsolete } from './nodemgmt.js';
import { jffs2_rotate_lists, jffs2_scan_make_ino_cache, jffs2_scan_medium } from './scan.js';
import { jffs2_build_xattr_subsystem, jffs2_xattr_delete_inode } from './xattr.js';

/** An entry of a directory whose inode has no node. */
interface dangling_entry {
  dir: jffs2_inode_cache;
  raw: Ref;
  ino: number;
}

/** Pass 1: counts the links that a directory's entries make. */
function countLinks(c: jffs2_sb_info, dir: jffs2_inode_cache, dangling: dangling_entry[]): void {
  if (!dir.scan_dents) return;
  dir.is_dir = true;
  for (const fd of dir.scan_dents.values()) {
    if (fd.ino === 0) continue;
    const child = c.inocache.get(fd.ino);
    if (!child) {
      dangling.push({ dir, raw: fd.raw, ino: fd.ino });
      jffs2_mark_node_obsolete(c, fd.raw);
      fd.ino = 0;
      continue;
    }
    if (fd.type === DT_DIR) child.is_dir = true;
    child.pino_nlink++;
  }
}

/** Pass 2: an inode without links goes, and what it linked to may follow. */
function removeUnlinked(
  c: jffs2_sb_info,
  first: jffs2_inode_cache,
  removed: Set<jffs2_inode_cache>,
): void {
  const doomed = [first];
  for (let ic = doomed.pop(); ic; ic = doomed.pop()) {
    c.orphans++;
    removed.add(ic);
    for (let raw = ic.nodes; raw !== 0; raw = c.refs.next_in_ino[raw]!) {
      jffs2_mark_node_obsolete(c, raw);
    }
    if (ic.scan_dents) {
      for (const fd of ic.scan_dents.values()) {
        if (fd.ino === 0) continue;
        const child = c.inocache.get(fd.ino);
        if (child && child.pino_nlink > 0 && --child.pino_nlink === 0) doomed.push(child);
      }
      ic.scan_dents = null;
    }
    if (ic.nodes === 0) jffs2_del_ino_cache(c, ic);
  }
}

/**
 * What is wrong with the directories that were found to be in use. Of a removed directory, entries
 * may lie about that nothing holds true any more: that is no damage.
 */
function reportDamage(
  c: jffs2_sb_info,
  dangling: readonly dangling_entry[],
  removed: ReadonlySet<jffs2_inode_cache>,
): void {
  for (const { dir, raw, ino } of dangling) {
    if (removed.has(dir)) continue;
    c.damage.report(
      'missing inode',
      ref_offset(c, raw),
      `entry in directory ${dir.ino} names inode ${ino}`,
    );
  }
  for (const ic of c.inocache.values()) {
    if (!ic.is_dir || ic.pino_nlink <= 1) continue;
    c.damage.report(
      'hard-linked directory',
      ic.nodes === 0 ? 0 : ref_offset(c, ic.nodes),
      `inode ${ic.ino} has ${ic.pino_nlink} names`,
    );
  }
}

/** Reads the medium and builds everything that a mount needs. */
function jffs2_build_filesystem(c: jffs2_sb_info): void {
  c.flags |= JFFS2_SB_FLAG_SCANNING;
  jffs2_scan_medium(c);
  c.flags &= ~JFFS2_SB_FLAG_SCANNING;

  c.flags |= JFFS2_SB_FLAG_BUILDING;
  jffs2_scan_make_ino_cache(c, JFFS2_ROOT_INO);
  const all = [...c.inocache.values()];
  const dangling: dangling_entry[] = [];
  for (const ic of all) countLinks(c, ic, dangling);
  const removed = new Set<jffs2_inode_cache>();
  for (const ic of all) {
    if (ic.pino_nlink === 0 && !removed.has(ic)) removeUnlinked(c, ic, removed);
  }
  reportDamage(c, dangling, removed);
  // Pass 3: directories keep their parent instead of a count.
  const root = c.inocache.get(JFFS2_ROOT_INO)!;
  root.is_dir = true;
  for (const ic of c.inocache.values()) {
    if (!ic.scan_dents) continue;
    for (const fd of ic.scan_dents.values()) {
      const child = fd.ino === 0 ? undefined : c.inocache.get(fd.ino);
      if (child?.is_dir && fd.type === DT_DIR) child.pino_nlink = ic.ino;
    }
  }
  root.pino_nlink = JFFS2_ROOT_INO;
  for (const ic of c.inocache.values()) ic.scan_dents = null;
  jffs2_build_xattr_subsystem(c);
  for (const ic of c.inocache.values()) {
    if (ic.pino_nlink === 0) jffs2_xattr_delete_inode(c, ic);
  }
  c.flags &= ~JFFS2_SB_FLAG_BUILDING;
  jffs2_rotate_lists(c);
}

/** How many erase blocks are kept back for what (stored in a byte by Linux; not here). */
export function jffs2_calc_trigger_levels(c: jffs2_sb_info): void {
  c.resv_blocks_deletion = 2;
  const reserve = Math.floor(c.flash_size / 50) + c.nr_blocks * 100 + c.sector_size - 1;
  c.resv_blocks_write = c.resv_blocks_deletion + Math.floor(reserve / c.sector_size);
  c.resv_blocks_gctrigger = c.resv_blocks_write + 1;
  c.resv_blocks_gcmerge = c.resv_blocks_deletion + 1;
  c.resv_blocks_gcbad = 0;
  c.vdirty_blocks_gctrigger = c.resv_blocks_gctrigger;
  c.nospc_dirty_size = c.sector_size + Math.floor(c.flash_size / 100);
}

/**
 * Linux's jffs2_do_mount_fs.
 * @throws EIO with the reason, whatever it was: as Linux, a medium that cannot be built is an I/O
 *   error to who mounts it.
 */
export function jffs2_do_mount_fs(c: jffs2_sb_info): void {
  jffs2_calc_trigger_levels(c);
  try {
    jffs2_build_filesystem(c);
  } catch (error) {
    if (error instanceof Errno) {
      throw new Errno('EIO', error.message.replace(`${error.code}: `, ''));
    }
    throw error;
  }
}
