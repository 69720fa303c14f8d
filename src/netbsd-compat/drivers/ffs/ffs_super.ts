/**
 * The superblock of an FFS: found, judged, and kept in its buffer. What says that the file system
 * must not be written, or not yet, is told here.
 */
import { bufcache, type buf } from '../../buf.js';
import type { disk } from '../../disk/disk.js';
import { disk_peek } from '../../disk/open.js';
import { NetbsdErrno } from '../../errno.js';
import { genfs_volume } from '../../genfs_volume.js';
import type { Lump } from '../../../lump/lump.js';
import type { byte_order, field } from '../../structure.js';
import {
  CSUM_BYTES,
  DEV_BSIZE,
  FFS_LAYOUTS,
  FS_44INODEFMT,
  FS_BYTES,
  FS_DOWAPBL,
  FS_FLAGS_UPDATED,
  FS_ISCLEAN,
  FS_MAXSNAP,
  FS_METACKHASH,
  FS_NEEDSFSCK,
  FS_SUJ,
  FS_UFS1_MAGIC,
  FS_UFS2EA_MAGIC,
  FS_UFS2_MAGIC,
  FS_UNCLEAN,
  MAXBSIZE,
  MAXFRAG,
  MINBSIZE,
  SBLOCK_UFS2,
  SBLOCKSEARCH,
  UFS1_DINODE_BYTES,
  UFS2_DINODE_BYTES,
  type ffs_layout,
} from './medium.js';

const einval = (text: string): NetbsdErrno => new NetbsdErrno('EINVAL', text);

interface found_superblock {
  readonly sb: Uint8Array;
  readonly position: number;
  readonly order: byte_order;
}

export class ffs_super extends genfs_volume {
  readonly cache: bufcache;
  readonly layout: ffs_layout;
  readonly order: byte_order;
  readonly is_ufs2: boolean;
  /** Without the wide fields that came in 2002. */
  readonly is_old: boolean;
  /** 4.2BSD's inodes and directories: 16-bit owners, no types, all targets in blocks. */
  readonly has_old_inodes: boolean;
  /** Directories do not tell types. */
  readonly has_old_dirs: boolean;
  readonly bsize: number;
  readonly fsize: number;
  /** Fragments of a block. */
  readonly frag: number;
  /** Fragments. */
  readonly size: number;
  readonly dsize: number;
  readonly ncg: number;
  readonly fpg: number;
  readonly ipg: number;
  readonly nindir: number;
  readonly inopb: number;
  readonly dinode_bytes: number;
  readonly sblkno: number;
  readonly cblkno: number;
  readonly iblkno: number;
  readonly dblkno: number;
  readonly csaddr: number;
  readonly cssize: number;
  readonly cgsize: number;
  readonly contigsumsize: number;
  readonly maxsymlinklen: number;
  readonly maxbpg: number;
  readonly minfree: number;
  readonly maxfilesize: number;
  /** Why it can only be read; empty: it can be written. */
  readonly readonly_reason: string;
  /** The journal that must be replayed if it was not unmounted cleanly; empty: it has none. */
  readonly journal: string;
  private readonly cgoffset: number;
  private readonly cgmask: number;
  private readonly sb_blkno: number;
  private readonly sb_off: number;

  /** @throws EINVAL it is no FFS, or is damaged; EIO. */
  constructor(lump: Lump, disk: disk) {
    super('ffs', lump, disk);
    const found = find_superblock((position, length) => disk_peek(disk, position, length));
    if (found === null) throw einval(`${disk.name} is no FFS file system`);
    const { sb, position, order } = found;
    this.order = order;
    this.layout = FFS_LAYOUTS[order];
    const { fs } = this.layout;
    const get = (f: field): number => f.get(sb, 0);
    this.is_ufs2 = get(fs.magic) !== FS_UFS1_MAGIC;
    this.is_old = !this.is_ufs2 && (get(fs.old_flags) & FS_FLAGS_UPDATED) === 0;
    this.has_old_inodes = !this.is_ufs2 && get(fs.old_inodefmt) !== FS_44INODEFMT;
    const narrow = !this.is_ufs2;
    this.bsize = get(fs.bsize);
    this.fsize = get(fs.fsize);
    this.frag = get(fs.frag);
    this.size = get(narrow ? fs.old_size : fs.size);
    this.dsize = get(narrow ? fs.old_dsize : fs.dsize);
    this.csaddr = get(narrow ? fs.old_csaddr : fs.csaddr);
    this.cssize = get(fs.cssize);
    this.cgsize = get(fs.cgsize);
    this.ncg = get(fs.ncg);
    this.fpg = get(fs.fpg);
    this.ipg = get(fs.ipg);
    this.sblkno = get(fs.sblkno);
    this.cblkno = get(fs.cblkno);
    this.iblkno = get(fs.iblkno);
    this.dblkno = get(fs.dblkno);
    this.cgoffset = narrow ? get(fs.old_cgoffset) : 0;
    this.cgmask = get(fs.old_cgmask);
    this.minfree = get(fs.minfree);
    this.maxbpg = get(fs.maxbpg);
    this.contigsumsize = Math.max(0, get(fs.contigsumsize) | 0);
    this.maxsymlinklen = this.has_old_inodes ? 0 : Math.max(0, get(fs.maxsymlinklen) | 0);
    this.has_old_dirs = !this.is_ufs2 && this.maxsymlinklen === 0;
    this.maxfilesize = this.has_old_inodes ? 0 : get(fs.maxfilesize);
    this.dinode_bytes = this.is_ufs2 ? UFS2_DINODE_BYTES : UFS1_DINODE_BYTES;
    this.nindir = this.bsize / (this.is_ufs2 ? 8 : 4);
    this.inopb = this.bsize / this.dinode_bytes;
    this.sb_blkno = Math.floor(position / this.bsize);
    this.sb_off = position % this.bsize;
    this.check_geometry();
    this.journal = this.journal_of(sb);
    this.readonly_reason = this.why_only_read(sb);
    this.cache = new bufcache(lump, disk, this.bsize);
  }

  private check_geometry(): void {
    const { disk, bsize, fsize, frag, size, ncg, fpg, ipg, sblkno, cblkno, iblkno, dblkno } = this;
    const must = (isRight: boolean, what: string): void => {
      if (!isRight) throw einval(`${disk.name}: the superblock is damaged: ${what}`);
    };
    must(fsize >= DEV_BSIZE && is_power_of_2(fsize), `fragments of ${fsize} bytes`);
    must(frag * fsize === bsize && frag <= MAXFRAG, `${frag} fragments of ${fsize} a block`);
    must(ncg > 0 && fpg > 0 && fpg % frag === 0, `${ncg} groups of ${fpg} fragments`);
    must(size > (ncg - 1) * fpg && size <= ncg * fpg, `${size} fragments in ${ncg} groups`);
    must(ipg > 0 && ipg <= 8 * bsize, `${ipg} inodes a group`);
    const itable = Math.ceil(ipg / this.inopb) * frag;
    must(
      cblkno % frag === 0 && iblkno % frag === 0 && this.cgoffset % frag === 0,
      'groups lie askew',
    );
    must(
      sblkno < cblkno && cblkno + frag <= iblkno && iblkno + itable <= dblkno,
      'parts of a group overlap',
    );
    const stagger = Math.max(this.cgstart(ncg - 1) - this.cgbase(ncg - 1), 0);
    must(dblkno + stagger <= fpg, 'groups are too small');
    must(this.cgsize > 0 && this.cgsize <= bsize, `group blocks of ${this.cgsize} bytes`);
    // What memory and time the groups cost is bounded by what is really there.
    const cs = this.csaddr;
    must(ncg * CSUM_BYTES <= this.cssize, `summaries of ${this.cssize} bytes`);
    must(
      cs > 0 && cs * fsize + this.cssize <= Math.min(size * fsize, disk.sizeBytes),
      `summaries at fragment ${cs}`,
    );
    must(this.contigsumsize <= 64, `clusters of ${this.contigsumsize} blocks`);
    const inline = this.is_ufs2 ? 120 : 60;
    must(this.maxsymlinklen <= inline, `symbolic links of ${this.maxsymlinklen} bytes in inodes`);
  }

  private journal_of(sb: Uint8Array): string {
    const { fs } = this.layout;
    const flags = this.flags_of(sb);
    if ((flags & FS_SUJ) !== 0) return 'journal of soft updates';
    if ((flags & FS_DOWAPBL) === 0) return '';
    return fs.journal_version.get(sb, 0) !== 0 && fs.journal_location.get(sb, 0) !== 0
      ? 'journal (WAPBL)'
      : '';
  }

  private why_only_read(sb: Uint8Array): string {
    const { fs, u32 } = this.layout;
    const missing = this.size * this.fsize - this.disk.sizeBytes;
    if (missing > 0) return `the last ${missing} bytes of it are missing`;
    if (this.is_old || this.has_old_inodes) {
      return 'its cylinder groups have tables of rotational positions, as before 2002';
    }
    for (let i = 0; i < FS_MAXSNAP; i++) {
      if (u32.get(sb, fs.snapinum.at + 4 * i) !== 0) return 'it has snapshots';
    }
    return '';
  }

  private flags_of(sb: Uint8Array): number {
    const { fs } = this.layout;
    return this.is_old ? fs.old_flags.get(sb, 0) : fs.flags.get(sb, 0);
  }

  // ---- addresses --------------------------------------------------------------------------------

  /** The group's first fragment. */
  cgbase(cg: number): number {
    return this.fpg * cg;
  }

  /** Where the parts of the group are counted from: UFS1 once put them on different heads. */
  cgstart(cg: number): number {
    const stagger = this.cgoffset === 0 ? 0 : this.cgoffset * ((cg & ~this.cgmask) >>> 0);
    return this.fpg * cg + stagger;
  }

  /** Fragments of a group; the last one may be smaller. */
  fragments_in(cg: number): number {
    return Math.min(this.fpg, this.size - cg * this.fpg);
  }

  /** Are these fragments within one block, and such as may hold data? */
  is_data(fragment: number, count: number): boolean {
    const { frag, fpg, csaddr } = this;
    if (!(fragment > 0 && fragment + count <= this.size)) return false;
    if ((fragment % frag) + count > frag) return false;
    const cg = Math.floor(fragment / fpg);
    const at = fragment - this.cgstart(cg);
    if (at < this.dblkno && (cg === 0 || at + count > this.sblkno)) return false;
    return fragment + count <= csaddr || fragment >= csaddr + Math.ceil(this.cssize / this.fsize);
  }

  /** A table's pointers, to blocks. */
  get pointer(): field {
    return this.is_ufs2 ? this.layout.i64 : this.layout.u32;
  }

  /** The number in the cache of the block that a fragment belongs to. */
  blkno_of(fragment: number): number {
    return Math.floor(fragment / this.frag);
  }

  /** Where in it the fragment lies. */
  offset_of(fragment: number): number {
    return (fragment % this.frag) * this.fsize;
  }

  // ---- the superblock ---------------------------------------------------------------------------

  private get sb(): buf {
    return this.cache.bread(this.sb_blkno);
  }

  sb_get(f: field): number {
    return f.get(this.sb.b_data, this.sb_off);
  }

  sb_put(f: field, value: number): void {
    const bp = this.sb;
    f.put(bp.b_data, this.sb_off, value);
    this.cache.bdwrite(bp);
  }

  /** Why it may not be written before it is checked; empty: it was unmounted cleanly. */
  get unclean_reason(): string {
    const { fs } = this.layout;
    const flags = this.flags_of(this.sb.b_data.subarray(this.sb_off));
    const isClean =
      this.sb_get(fs.clean) === FS_ISCLEAN && (flags & (FS_UNCLEAN | FS_NEEDSFSCK)) === 0;
    if (isClean) return '';
    return this.journal === ''
      ? 'it was not unmounted cleanly'
      : `it was not unmounted cleanly, and its ${this.journal} must be replayed`;
  }

  /** It is going to be changed in ways that some of its features do not see: they go. */
  drop_features(): void {
    const { fs } = this.layout;
    const flags = this.sb_get(fs.flags);
    // An old journal would be replayed over newer blocks; old checksums would refuse them.
    let gone = this.journal === 'journal (WAPBL)' ? FS_DOWAPBL : 0;
    if (this.sb_get(fs.metackhash) !== 0) {
      gone |= flags & FS_METACKHASH;
      this.sb_put(fs.metackhash, 0);
      this.lump.pr_notice(`ffs: ${this.disk.name}: checksums of metadata are given up`);
    }
    if ((flags & gone) !== 0) this.sb_put(fs.flags, (flags & ~gone) >>> 0);
  }
}

const is_power_of_2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/**
 * The first superblock there is, in either byte order.
 * @param peek bytes from a position on, fewer at the end
 */
function find_superblock(
  peek: (position: number, length: number) => Uint8Array,
): found_superblock | null {
  for (const position of SBLOCKSEARCH) {
    const sb = peek(position, FS_BYTES);
    if (sb.length < FS_BYTES) continue;
    for (const order of ['le', 'be'] as const) {
      if (is_superblock(sb, position, FFS_LAYOUTS[order])) return { sb, position, order };
    }
  }
  return null;
}

/** Not a copy: they look the same, and may lie where another kind's original would. */
function is_superblock(sb: Uint8Array, position: number, { fs }: ffs_layout): boolean {
  const magic = fs.magic.get(sb, 0);
  const isUfs2 = magic === FS_UFS2_MAGIC || magic === FS_UFS2EA_MAGIC;
  if (!isUfs2 && magic !== FS_UFS1_MAGIC) return false;
  if (isUfs2 ? fs.sblockloc.get(sb, 0) !== position : position === SBLOCK_UFS2) return false;
  const bsize = fs.bsize.get(sb, 0);
  return bsize >= MINBSIZE && bsize <= MAXBSIZE && is_power_of_2(bsize);
}

/** Does the disk have a superblock of FFS? @throws EIO. */
export const ffs_probe = (disk: disk): boolean =>
  find_superblock((position, length) => disk_peek(disk, position, length)) !== null;

/** Is there one in the first bytes of a disk? */
export const ffs_probe_head = (head: Uint8Array): boolean =>
  find_superblock((position, length) => head.subarray(position, position + length)) !== null;
