/** An inode of FFS in memory, and how it lies on disk: UFS1's and UFS2's. */
import { genfs_node, type genfs_time } from '../../genfs_node.js';
import { VBLK, VCHR, VDIR, VLNK, VREG, type ByteName } from '../../../puffs/puffs.js';
import { vtype_to_mode } from '../../../puffs/vattr.js';
import type { ffs_super } from './ffs_super.js';
import { DEV_BSIZE, NDADDR, NIADDR } from './medium.js';

/** An extended attribute, as a BSD names it. */
export interface attribute {
  /** EXTATTR_NAMESPACE_… */
  readonly namespace: number;
  readonly name: ByteName;
  readonly value: Uint8Array;
}

export class ffs_inode extends genfs_node {
  /** Fragments: direct pointers, then indirect ones. */
  readonly di_db = new Float64Array(NDADDR + NIADDR);
  /** 512-byte units. */
  di_blocks = 0;
  /** Target of a symbolic link that lies in the inode. */
  i_short: Uint8Array | null = null;
  /** Names of a directory → offset of the entry: NetBSD's dirhash. Made when first needed. */
  i_dirhash: Map<ByteName, number> | null = null;
  /** Its extended attributes, once they are asked for: by the name that Linux gives them. */
  i_extattrs: ReadonlyMap<ByteName, attribute> | null = null;
  /** Directory blocks before this one have no room for a name of usual length. */
  i_dirroom = 0;
  /** Where the next block should lie; 0: anywhere. */
  i_goal = 0;
  /** The block before which it went to another group. */
  i_moved = -1;

  /** Are the pointers pointers? Not those of a device, a pipe, or a short link. */
  get has_blocks(): boolean {
    return (
      this.i_type === VREG ||
      this.i_type === VDIR ||
      (this.i_type === VLNK && this.i_short === null)
    );
  }

  /** Fragments became its, or were given back. */
  count_fragments(fs: ffs_super, fragments: number): void {
    const by = (fragments * fs.fsize) / DEV_BSIZE;
    this.di_blocks = Math.max(0, this.di_blocks + by);
    this.i_bytes = this.di_blocks * DEV_BSIZE;
  }
}

const is_device = (type: number): boolean => type === VBLK || type === VCHR;

/** The place of the pointers: of UFS1's or UFS2's inode. */
const db_of = ({ is_ufs2, layout }: ffs_super): number =>
  (is_ufs2 ? layout.ufs2_dinode : layout.ufs1_dinode).db.at;

/** Fills a node from its place on disk. */
export function load_dinode(fs: ffs_super, node: ffs_inode, b: Uint8Array, off: number): void {
  const { ufs1_dinode: one, ufs2_dinode: two, u32 } = fs.layout;
  if (fs.is_ufs2) {
    node.i_mode = two.mode.get(b, off) & 0o7777;
    node.i_nlink = two.nlink.get(b, off);
    node.i_uid = two.uid.get(b, off);
    node.i_gid = two.gid.get(b, off);
    node.i_size = two.size.get(b, off);
    node.di_blocks = two.blocks.get(b, off);
    node.i_atime = time(two.atime.get(b, off), two.atimensec.get(b, off));
    node.i_mtime = time(two.mtime.get(b, off), two.mtimensec.get(b, off));
    node.i_ctime = time(two.ctime.get(b, off), two.ctimensec.get(b, off));
    node.i_birthtime = time(two.birthtime.get(b, off), two.birthnsec.get(b, off));
    node.i_gen = two.gen.get(b, off);
    node.i_flags = two.flags.get(b, off);
  } else {
    node.i_mode = one.mode.get(b, off) & 0o7777;
    node.i_nlink = one.nlink.get(b, off);
    const ids = fs.has_old_inodes ? fs.layout.u16 : null;
    node.i_uid = ids === null ? one.uid.get(b, off) : ids.get(b, off + one.oldids.at);
    node.i_gid = ids === null ? one.gid.get(b, off) : ids.get(b, off + one.oldids.at + 2);
    node.i_size = one.size.get(b, off);
    node.di_blocks = one.blocks.get(b, off);
    node.i_atime = time(one.atime.get(b, off) | 0, one.atimensec.get(b, off));
    node.i_mtime = time(one.mtime.get(b, off) | 0, one.mtimensec.get(b, off));
    node.i_ctime = time(one.ctime.get(b, off) | 0, one.ctimensec.get(b, off));
    node.i_gen = one.gen.get(b, off);
    node.i_flags = one.flags.get(b, off);
  }
  node.i_bytes = node.di_blocks * DEV_BSIZE;
  const db = db_of(fs);
  if (is_device(node.i_type)) {
    // Of UFS2's 64 bits, those that NetBSD's 32-bit numbers have.
    node.i_rdev = fs.is_ufs2 ? fs.layout.i64.get(b, off + db) % 2 ** 32 : u32.get(b, off + db);
    if (node.i_rdev < 0) node.i_rdev += 2 ** 32;
  } else if (is_short(fs, node)) {
    node.i_short = b.slice(off + db, off + db + node.i_size);
  } else {
    const { pointer } = fs;
    for (let i = 0; i < NDADDR + NIADDR; i++) {
      node.di_db[i] = pointer.get(b, off + db + i * pointer.bytes);
    }
  }
}

/** Does the target lie in the inode? */
function is_short({ maxsymlinklen }: ffs_super, { i_type, i_size }: ffs_inode): boolean {
  return i_type === VLNK && i_size >= 0 && i_size < maxsymlinklen;
}

/** Writes a node to its place on disk; what is not in memory stays as it is. */
export function store_dinode(fs: ffs_super, node: ffs_inode, b: Uint8Array, off: number): void {
  const { ufs1_dinode: one, ufs2_dinode: two } = fs.layout;
  const mode = node.i_mode | vtype_to_mode(node.i_type);
  const { i_atime, i_mtime, i_ctime, i_birthtime } = node;
  if (fs.is_ufs2) {
    two.mode.put(b, off, mode);
    two.nlink.put(b, off, node.i_nlink);
    two.uid.put(b, off, node.i_uid);
    two.gid.put(b, off, node.i_gid);
    two.size.put(b, off, node.i_size);
    two.blocks.put(b, off, node.di_blocks);
    two.atime.put(b, off, i_atime.sec);
    two.atimensec.put(b, off, i_atime.nsec);
    two.mtime.put(b, off, i_mtime.sec);
    two.mtimensec.put(b, off, i_mtime.nsec);
    two.ctime.put(b, off, i_ctime.sec);
    two.ctimensec.put(b, off, i_ctime.nsec);
    two.birthtime.put(b, off, i_birthtime?.sec ?? i_ctime.sec);
    two.birthnsec.put(b, off, i_birthtime?.nsec ?? i_ctime.nsec);
    two.gen.put(b, off, node.i_gen);
    two.flags.put(b, off, node.i_flags);
  } else {
    one.mode.put(b, off, mode);
    one.nlink.put(b, off, node.i_nlink);
    one.uid.put(b, off, node.i_uid);
    one.gid.put(b, off, node.i_gid);
    one.size.put(b, off, node.i_size);
    one.blocks.put(b, off, node.di_blocks);
    one.atime.put(b, off, i_atime.sec);
    one.atimensec.put(b, off, i_atime.nsec);
    one.mtime.put(b, off, i_mtime.sec);
    one.mtimensec.put(b, off, i_mtime.nsec);
    one.ctime.put(b, off, i_ctime.sec);
    one.ctimensec.put(b, off, i_ctime.nsec);
    one.gen.put(b, off, node.i_gen);
    one.flags.put(b, off, node.i_flags);
  }
  const { pointer } = fs;
  const db = off + db_of(fs);
  if (is_device(node.i_type)) {
    pointer.put(b, db, node.i_rdev);
  } else if (node.i_short !== null) {
    b.fill(0, db, db + (NDADDR + NIADDR) * pointer.bytes);
    b.set(node.i_short, db);
  } else {
    for (let i = 0; i < NDADDR + NIADDR; i++)
      pointer.put(b, db + i * pointer.bytes, node.di_db[i]!);
  }
}

/** Nanoseconds that are none (damage) are 0. */
const time = (sec: number, nsec: number): genfs_time => ({ sec, nsec: nsec < 1e9 ? nsec : 0 });
