/**
 * Makes an empty FFS: newfs's and makefs's first phase. Cylinder groups are as large as the block
 * with their maps allows, or as is told, and then made equal.
 */
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import { putName, type ByteName } from '../../../lump/types.js';
import { VDIR } from '../../../puffs/puffs.js';
import { vtype_to_dt, vtype_to_mode } from '../../../puffs/vattr.js';
import type { byte_order, field } from '../../structure.js';
import {
  CG_MAGIC,
  CSUM_BYTES,
  DEV_BSIZE,
  DIRBLKSIZ,
  DIRECT_BYTES,
  FFS_LAYOUTS,
  FS_44INODEFMT,
  FS_BYTES,
  FS_DYNAMICPOSTBLFMT,
  FS_FLAGS_UPDATED,
  FS_ISCLEAN,
  FS_OPTSPACE,
  FS_OPTTIME,
  FS_UFS1_MAGIC,
  FS_UFS2_MAGIC,
  MAXBSIZE,
  MAXFRAG,
  MINBSIZE,
  NDADDR,
  SBLOCKSIZE,
  SBLOCK_UFS1,
  SBLOCK_UFS2,
  UFS1_DINODE_BYTES,
  UFS1_MAXSYMLINKLEN,
  UFS2_DINODE_BYTES,
  UFS2_MAXSYMLINKLEN,
  UFS_DIRSIZ,
  UFS_ROOTINO,
  type ffs_layout,
} from './medium.js';

/** Names and meanings are those of `makefs -t ffs -o`. */
export interface mkfs_ffs_options {
  readonly version: 1 | 2;
  readonly byteOrder: byte_order;
  /** Bytes of a block: a power of 2 from 4096 to 65536. Default: 8192. */
  readonly bsize?: number;
  /** Bytes of a fragment: bsize, or a half, a quarter, an eighth of it. Default: an eighth. */
  readonly fsize?: number;
  /** Bytes for each inode. Default: four fragments. */
  readonly density?: number;
  /** Percents that are kept for the superuser. Default: 5. */
  readonly minfree?: number;
  readonly optimization?: 'time' | 'space';
  readonly avgfilesize?: number;
  readonly avgfpdir?: number;
  /** Blocks of a file in one cylinder group. */
  readonly maxbpg?: number;
  /** Blocks of a cylinder group. */
  readonly maxbpcg?: number;
  /** Bytes of the largest extent. */
  readonly extent?: number;
  /** Up to 31 bytes. */
  readonly label?: ByteName;
  /** When it is made, seconds since 1970. */
  readonly nowSec: number;
  /** 32 random bits, by which it is told from others. Default: 0. */
  readonly id?: number;
}

/** What a file system of some size has room for. */
export interface ffs_geometry {
  readonly bsize: number;
  readonly fsize: number;
  readonly frag: number;
  /** Fragments, groups, and of a group its fragments and inodes. */
  readonly size: number;
  readonly ncg: number;
  readonly fpg: number;
  readonly ipg: number;
  readonly sblkno: number;
  readonly cblkno: number;
  readonly iblkno: number;
  readonly dblkno: number;
  /** Fragments for data; of these, those that are free in the empty file system. */
  readonly dsize: number;
  readonly freeFragments: number;
  /** Inodes for files; the root's is in use. */
  readonly freeInodes: number;
}

const CG_SPACE = 168;
const MAXPHYS = 65536;
const CONTIGSUM_MAX = 16;
const howmany = (bytes: number, unit: number): number => Math.ceil(bytes / unit);
const roundup = (n: number, unit: number): number => howmany(n, unit) * unit;
const is_power_of_2 = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));

/** Where the maps lie in a group's block. */
interface maps {
  readonly old_btotoff: number;
  readonly old_boff: number;
  readonly iusedoff: number;
  readonly freeoff: number;
  readonly clustersumoff: number;
  readonly clusteroff: number;
  readonly end: number;
}

function maps_of(version: 1 | 2, ipg: number, fpg: number, frag: number, contig: number): maps {
  // UFS1 has tables of one cylinder and one rotational position first, that nobody looks at.
  const old_boff = CG_SPACE + 4;
  const iusedoff = version === 1 ? old_boff + 2 : CG_SPACE;
  const freeoff = iusedoff + howmany(ipg, 8);
  const nextfree = freeoff + howmany(fpg, 8);
  // The count of clusters of no blocks is not there: its place belongs to the map before.
  const clustersumoff = roundup(nextfree, 4) - 4;
  const clusteroff = clustersumoff + (contig + 1) * 4;
  return {
    old_btotoff: version === 1 ? CG_SPACE : 0,
    old_boff: version === 1 ? old_boff : 0,
    iusedoff,
    freeoff,
    clustersumoff: contig > 0 ? clustersumoff : 0,
    clusteroff: contig > 0 ? clusteroff : 0,
    end: contig > 0 ? clusteroff + howmany(fpg / frag, 8) : nextfree,
  };
}

const contigsumsize = (bsize: number): number => {
  const maxcontig = Math.max(1, MAXPHYS / bsize);
  return maxcontig > 1 ? Math.min(maxcontig, CONTIGSUM_MAX) : 0;
};

/**
 * How a file system of that size would be laid out.
 * @throws EINVAL an option cannot be, or it is too small.
 */
export function ffsGeometry(sizeBytes: number, options: mkfs_ffs_options): ffs_geometry {
  const { version, bsize = 8192 } = options;
  const fsize = options.fsize ?? Math.max(DEV_BSIZE, bsize / MAXFRAG);
  const einval = (what: string): never => {
    throw new NetbsdErrno('EINVAL', what);
  };
  if (!is_power_of_2(bsize) || bsize < MINBSIZE || bsize > MAXBSIZE) {
    einval(`a block of ${bsize} bytes: it must be a power of 2 from ${MINBSIZE} to ${MAXBSIZE}`);
  }
  if (!is_power_of_2(fsize) || fsize > bsize || fsize < DEV_BSIZE || bsize / fsize > MAXFRAG) {
    einval(`fragments of ${fsize} bytes: a block of ${bsize} has 1, 2, 4 or 8 of them`);
  }
  const { density = 4 * fsize, maxbpcg = Infinity } = options;
  if (!(density > 0)) einval(`an inode for ${density} bytes`);
  if (!(maxbpcg > 0)) einval(`groups of ${maxbpcg} blocks`);
  const frag = bsize / fsize;
  const inopb = bsize / (version === 1 ? UFS1_DINODE_BYTES : UFS2_DINODE_BYTES);
  const sbloc = version === 1 ? SBLOCK_UFS1 : SBLOCK_UFS2;
  const sblkno = roundup(howmany(sbloc + SBLOCKSIZE, fsize), frag);
  const cblkno = sblkno + roundup(howmany(SBLOCKSIZE, fsize), frag);
  const iblkno = cblkno + frag;
  const contig = contigsumsize(bsize);
  // UFS1 counts a group's inodes with 16 bits, signed.
  const ipg_max = version === 1 ? Math.floor(0x7fff / inopb) * inopb : Infinity;
  const ipg_of = (fpg: number): number =>
    Math.min(ipg_max, roundup(Math.max(1, howmany(fpg * fsize, density)), inopb));
  const dblkno_of = (fpg: number): number => iblkno + (ipg_of(fpg) / inopb) * frag;
  const fits = (fpg: number): boolean =>
    maps_of(version, ipg_of(fpg), fpg, frag, contig).end <= bsize;

  let size = Math.floor(sizeBytes / fsize);
  if (version === 1 && size > 0x7fff_ffff) einval(`UFS1 has at most ${0x7fff_ffff} fragments`);
  const few = Math.min(roundup(Math.max(size, frag), frag), maxbpcg * frag);
  // The largest group that fits: maps grow with it.
  let blocks = 0;
  for (let step = 2 ** Math.floor(Math.log2(few / frag)); step >= 1; step /= 2) {
    const fpg = (blocks + step) * frag;
    if (fpg <= few && fits(fpg)) blocks += step;
  }
  let ncg = howmany(size, blocks * frag);
  const fpg = Math.min(roundup(howmany(size, ncg), frag), blocks * frag);
  ncg = howmany(size, fpg);
  const ipg = ipg_of(fpg);
  const dblkno = dblkno_of(fpg);
  // A last group without room for its own metadata, and some more, is left away.
  if (ncg > 1 && size - (ncg - 1) * fpg < dblkno + frag) size = --ncg * fpg;
  const summaries = howmany(ncg * CSUM_BYTES, fsize);
  const first = Math.min(size, fpg);
  if (blocks === 0 || dblkno + summaries + frag > first) {
    einval(
      `${sizeBytes} bytes are too few for an FFS with blocks of ${bsize} bytes and ${ipg} inodes: ` +
        `the first group needs ${(dblkno + summaries + frag) * fsize}`,
    );
  }
  const dsize = size - sblkno - ncg * (dblkno - sblkno) - summaries;
  return {
    ...{ bsize, fsize, frag, size, ncg, fpg, ipg, sblkno, cblkno, iblkno, dblkno, dsize },
    freeFragments: dsize - 1,
    freeInodes: ncg * ipg - UFS_ROOTINO - 1,
  };
}

/** What free fragments a group's map has, and the counts of it. */
interface census {
  nbfree: number;
  nffree: number;
  readonly runs: number[];
  readonly clusters: number[];
}

/**
 * Makes an empty file system, with a root directory of mode 0755 that belongs to root, on all of a
 * disk. What was on it before is gone as far as the file system looks.
 * @throws EINVAL an option cannot be, or the disk is too small; EIO.
 */
export function mkfsFfs(disk: disk, options: mkfs_ffs_options): ffs_geometry {
  const geometry = ffsGeometry(disk.sizeBytes, options);
  new formatter(disk, options, geometry).run();
  return geometry;
}

class formatter {
  private readonly disk: disk;
  private readonly o: mkfs_ffs_options;
  private readonly g: ffs_geometry;
  private readonly layout: ffs_layout;
  private readonly contig: number;
  private readonly maps: maps;
  private readonly sbloc: number;
  private readonly inopb: number;
  /** Inodes of a group that are written now: UFS2 writes the others when it needs them. */
  private readonly inited: number;

  constructor(disk: disk, options: mkfs_ffs_options, geometry: ffs_geometry) {
    const { version, byteOrder } = options;
    const { ipg, fpg, frag, bsize } = geometry;
    this.disk = disk;
    this.o = options;
    this.g = geometry;
    this.layout = FFS_LAYOUTS[byteOrder];
    this.contig = contigsumsize(bsize);
    this.maps = maps_of(version, ipg, fpg, frag, this.contig);
    this.sbloc = version === 1 ? SBLOCK_UFS1 : SBLOCK_UFS2;
    this.inopb = bsize / (version === 1 ? UFS1_DINODE_BYTES : UFS2_DINODE_BYTES);
    this.inited = version === 1 ? ipg : Math.min(ipg, 2 * this.inopb);
  }

  run(): void {
    const { disk, g, sbloc } = this;
    const { csum } = this.layout;
    // An old superblock of UFS2 would be found before UFS1's.
    if (sbloc < SBLOCK_UFS2 && SBLOCK_UFS2 + SBLOCKSIZE <= disk.sizeBytes) {
      this.write(new Uint8Array(SBLOCKSIZE), SBLOCK_UFS2);
    }
    const summaries = new Uint8Array(roundup(g.ncg * CSUM_BYTES, g.fsize));
    const totals = { ndir: 0, nbfree: 0, nifree: 0, nffree: 0 };
    for (let cg = 0; cg < g.ncg; cg++) {
      const { nbfree, nffree } = this.group(cg);
      const counts = {
        ndir: cg === 0 ? 1 : 0,
        nbfree,
        nifree: g.ipg - (cg === 0 ? UFS_ROOTINO + 1 : 0),
        nffree,
      };
      for (const name of ['ndir', 'nbfree', 'nifree', 'nffree'] as const) {
        csum[name].put(summaries, cg * CSUM_BYTES, counts[name]);
        totals[name] += counts[name];
      }
    }
    this.write(summaries, g.dblkno * g.fsize);
    this.root();
    const sb = this.superblock(totals);
    for (let cg = 0; cg < g.ncg; cg++) this.write(sb, (cg * g.fpg + g.sblkno) * g.fsize);
    this.write(sb, sbloc);
    disk.flush();
  }

  private write(bytes: Uint8Array, position: number): void {
    this.disk.write(bytes, 0, bytes.length, position);
  }

  private superblock(totals: Readonly<Record<'ndir' | 'nbfree' | 'nifree' | 'nffree', number>>) {
    const { o, g, sbloc } = this;
    const { fs } = this.layout;
    const sb = new Uint8Array(SBLOCKSIZE);
    const put = (f: field, value: number): void => f.put(sb, 0, value);
    const cgsize = roundup(this.maps.end, g.fsize);
    const width = o.version === 1 ? 4 : 8;
    const nindir = g.bsize / width;
    const summary_bytes = roundup(g.ncg * CSUM_BYTES, g.fsize);
    put(fs.sblkno, g.sblkno);
    put(fs.cblkno, g.cblkno);
    put(fs.iblkno, g.iblkno);
    put(fs.dblkno, g.dblkno);
    put(fs.ncg, g.ncg);
    put(fs.bsize, g.bsize);
    put(fs.fsize, g.fsize);
    put(fs.frag, g.frag);
    put(fs.minfree, o.minfree ?? 5);
    put(fs.bmask, -g.bsize);
    put(fs.fmask, -g.fsize);
    put(fs.bshift, Math.log2(g.bsize));
    put(fs.fshift, Math.log2(g.fsize));
    put(fs.maxcontig, Math.max(1, MAXPHYS / g.bsize));
    put(fs.maxbpg, o.maxbpg ?? g.bsize / 4);
    put(fs.fragshift, Math.log2(g.frag));
    put(fs.fsbtodb, Math.log2(g.fsize / DEV_BSIZE));
    put(fs.sbsize, roundup(FS_BYTES, g.fsize));
    put(fs.nindir, nindir);
    put(fs.inopb, this.inopb);
    put(fs.optim, o.optimization === 'space' ? FS_OPTSPACE : FS_OPTTIME);
    put(fs.id0, o.nowSec);
    put(fs.id1, o.id ?? 0);
    put(fs.cssize, summary_bytes);
    put(fs.cgsize, cgsize);
    put(fs.ipg, g.ipg);
    put(fs.fpg, g.fpg);
    put(fs.clean, FS_ISCLEAN);
    put(fs.old_flags, FS_FLAGS_UPDATED);
    putName(sb, fs.volname.at, (o.label ?? '').slice(0, 31));
    put(fs.maxbsize, Math.max(g.bsize, o.extent ?? g.bsize));
    put(fs.sblockloc, sbloc);
    put(fs.ndir, totals.ndir);
    put(fs.nbfree, totals.nbfree);
    put(fs.nifree, totals.nifree);
    put(fs.nffree, totals.nffree);
    put(fs.time, o.nowSec);
    put(fs.size, g.size);
    put(fs.dsize, g.dsize);
    put(fs.csaddr, g.dblkno);
    put(fs.avgfilesize, o.avgfilesize ?? 16384);
    put(fs.avgfpdir, o.avgfpdir ?? 64);
    put(fs.contigsumsize, this.contig);
    put(fs.maxsymlinklen, o.version === 1 ? UFS1_MAXSYMLINKLEN : UFS2_MAXSYMLINKLEN);
    put(fs.old_inodefmt, FS_44INODEFMT);
    const blocks = NDADDR + nindir + nindir ** 2 + nindir ** 3;
    put(fs.maxfilesize, Math.min(Number.MAX_SAFE_INTEGER, blocks * g.bsize - 1));
    put(fs.qbmask, g.bsize - 1);
    put(fs.qfmask, g.fsize - 1);
    put(fs.magic, o.version === 1 ? FS_UFS1_MAGIC : FS_UFS2_MAGIC);
    if (o.version === 2) return sb;
    const sectors = (g.fpg * g.fsize) / DEV_BSIZE;
    put(fs.old_cgmask, 0xffff_ffff);
    put(fs.old_time, o.nowSec);
    put(fs.old_size, g.size);
    put(fs.old_dsize, g.dsize);
    put(fs.old_rps, 60);
    put(fs.old_nspf, g.fsize / DEV_BSIZE);
    put(fs.old_npsect, sectors);
    put(fs.old_interleave, 1);
    put(fs.old_csaddr, g.dblkno);
    put(fs.old_nsect, sectors);
    put(fs.old_spc, sectors);
    put(fs.old_ncyl, g.ncg);
    put(fs.old_cpg, 1);
    put(fs.old_ndir, totals.ndir);
    put(fs.old_nbfree, totals.nbfree);
    put(fs.old_nifree, totals.nifree);
    put(fs.old_nffree, totals.nffree);
    put(fs.old_postblformat, FS_DYNAMICPOSTBLFMT);
    put(fs.old_nrpos, 1);
    return sb;
  }

  /** Fragments of a group that hold data, and nobody has: not those of the summaries and the root. */
  private is_free(cg: number, fragment: number): boolean {
    const { g } = this;
    if (cg > 0 && fragment < g.sblkno) return true;
    const used = cg === 0 ? howmany(g.ncg * CSUM_BYTES, g.fsize) + 1 : 0;
    return fragment >= g.dblkno + used;
  }

  /** Writes a group's block and its inodes. */
  private group(cg: number): census {
    const { g, o, maps, contig } = this;
    const { cg: header, u32 } = this.layout;
    const fragments = Math.min(g.fpg, g.size - cg * g.fpg);
    const b = new Uint8Array(roundup(maps.end, g.fsize));
    const put = (f: field, value: number): void => f.put(b, 0, value);
    put(header.magic, CG_MAGIC);
    put(header.cgx, cg);
    put(header.ndblk, fragments);
    put(header.iusedoff, maps.iusedoff);
    put(header.freeoff, maps.freeoff);
    put(header.nextfreeoff, maps.end);
    put(header.clustersumoff, maps.clustersumoff);
    put(header.clusteroff, maps.clusteroff);
    if (contig > 0) put(header.nclusterblks, Math.floor(fragments / g.frag));
    if (o.version === 1) {
      put(header.old_time, o.nowSec);
      put(header.old_ncyl, 1);
      put(header.old_niblk, g.ipg);
      put(header.old_btotoff, maps.old_btotoff);
      put(header.old_boff, maps.old_boff);
    } else {
      put(header.time, o.nowSec);
      put(header.niblk, g.ipg);
      put(header.initediblk, this.inited);
    }
    // Inodes 0 and 1 are nobody's, 2 is the root's.
    if (cg === 0) b[maps.iusedoff] = 0b111;
    const census = this.fill_maps(cg, b, fragments);
    put(header.cs_ndir, cg === 0 ? 1 : 0);
    put(header.cs_nbfree, census.nbfree);
    put(header.cs_nifree, g.ipg - (cg === 0 ? UFS_ROOTINO + 1 : 0));
    put(header.cs_nffree, census.nffree);
    census.runs.forEach((count, n) => {
      u32.put(b, header.frsum.at + 4 * n, count);
    });
    census.clusters.forEach((count, n) => {
      if (n > 0) u32.put(b, maps.clustersumoff + 4 * n, count);
    });
    this.write(b, (cg * g.fpg + g.cblkno) * g.fsize);
    const itable = new Uint8Array(howmany(this.inited, this.inopb) * g.bsize);
    this.write(itable, (cg * g.fpg + g.iblkno) * g.fsize);
    return census;
  }

  private fill_maps(cg: number, b: Uint8Array, fragments: number): census {
    const { g, maps, contig } = this;
    const census: census = {
      nbfree: 0,
      nffree: 0,
      runs: new Array<number>(MAXFRAG).fill(0),
      clusters: new Array<number>(contig === 0 ? 0 : contig + 1).fill(0),
    };
    let cluster = 0;
    const end_cluster = (): void => {
      if (cluster > 0 && contig > 0) census.clusters[Math.min(cluster, contig)]!++;
      cluster = 0;
    };
    for (let first = 0; first < fragments; first += g.frag) {
      let [free, run] = [0, 0];
      const runs: number[] = [];
      for (let at = first; at < first + g.frag; at++) {
        if (at < fragments && this.is_free(cg, at)) {
          b[maps.freeoff + (at >> 3)]! |= 1 << (at & 7);
          free++;
          run++;
        } else {
          runs.push(run);
          run = 0;
        }
      }
      if (free === g.frag) {
        const block = first / g.frag;
        if (contig > 0) b[maps.clusteroff + (block >> 3)]! |= 1 << (block & 7);
        census.nbfree++;
        cluster++;
        continue;
      }
      end_cluster();
      census.nffree += free;
      for (const length of [...runs, run]) if (length > 0) census.runs[length]!++;
    }
    end_cluster();
    return census;
  }

  /** The root directory: its inode and its fragment, behind the summaries. */
  private root(): void {
    const { g, o } = this;
    const { direct, ufs1_dinode: one, ufs2_dinode: two, u32, i64 } = this.layout;
    const fragment = g.dblkno + howmany(g.ncg * CSUM_BYTES, g.fsize);
    const block = new Uint8Array(g.fsize);
    const first = UFS_DIRSIZ(1);
    for (const [at, name, reclen] of [
      [0, '.', first],
      [first, '..', DIRBLKSIZ - first],
    ] as const) {
      direct.ino.put(block, at, UFS_ROOTINO);
      direct.reclen.put(block, at, reclen);
      direct.type.put(block, at, vtype_to_dt(VDIR));
      direct.namlen.put(block, at, name.length);
      putName(block, at + DIRECT_BYTES, name);
    }
    this.write(block, fragment * g.fsize);
    const dinode_bytes = o.version === 1 ? UFS1_DINODE_BYTES : UFS2_DINODE_BYTES;
    const inode = new Uint8Array(dinode_bytes);
    const put = (f: field, value: number): void => f.put(inode, 0, value);
    const d = o.version === 1 ? one : two;
    put(d.mode, vtype_to_mode(VDIR) | 0o755);
    put(d.nlink, 2);
    put(d.size, DIRBLKSIZ);
    put(d.blocks, g.fsize / DEV_BSIZE);
    for (const time of [d.atime, d.mtime, d.ctime]) put(time, o.nowSec);
    put(d.gen, 1);
    (o.version === 1 ? u32 : i64).put(inode, d.db.at, fragment);
    if (o.version === 2) put(two.birthtime, o.nowSec);
    this.write(inode, g.iblkno * g.fsize + UFS_ROOTINO * dinode_bytes);
  }
}
