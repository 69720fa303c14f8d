/** The volume and its allocation table: FAT12, FAT16 or FAT32, by the number of clusters. */
import { bufcache, type buf } from '../../buf.js';
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import { genfs_probe, genfs_volume } from '../../genfs_volume.js';
import type { Lump } from '../../../lump/lump.js';
import {
  BOOTSIG,
  bootsig,
  bpb,
  BPB_DIRTY,
  CLUST_FIRST,
  DIRENTRY_BYTES,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  fsinfo,
  FSINFO_SIG1,
  FSINFO_SIG2,
} from './medium.js';

const SECTOR_MIN = 512;
const SECTOR_MAX = 4096;

const einval = (text: string): NetbsdErrno => new NetbsdErrno('EINVAL', text);
const isPowerOf2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

interface geometry {
  readonly bits: 12 | 16 | 32;
  readonly sector_bytes: number;
  readonly cluster_sectors: number;
  readonly sectors: number;
  readonly fat_start: number;
  readonly fat_sectors: number;
  readonly fats: number;
  readonly root_start: number;
  readonly root_entries: number;
  readonly root_cluster: number;
  readonly data_start: number;
  readonly clusters: number;
}

/** @throws EINVAL with what is wrong; the text of a disk without FAT says just that. */
function read_geometry(disk: disk): geometry {
  const b = new Uint8Array(SECTOR_MIN);
  if (disk.sizeBytes < SECTOR_MIN) throw einval(`${disk.name} is too small`);
  disk.read(b, 0, SECTOR_MIN, 0);
  const sector_bytes = bpb.BytesPerSec.get(b, 0);
  const cluster_sectors = bpb.SecPerClust.get(b, 0);
  const fats = bpb.FATs.get(b, 0);
  const reserved = bpb.ResSectors.get(b, 0);
  const isOne =
    bootsig.get(b, 0) === BOOTSIG &&
    isPowerOf2(sector_bytes) &&
    sector_bytes >= SECTOR_MIN &&
    sector_bytes <= SECTOR_MAX &&
    isPowerOf2(cluster_sectors) &&
    fats >= 1 &&
    reserved >= 1;
  if (!isOne) throw einval(`${disk.name} is no FAT file system`);
  const fat_sectors = bpb.FATsecs.get(b, 0) || bpb.BigFATsecs.get(b, 0);
  const sectors = bpb.Sectors.get(b, 0) || bpb.HugeSectors.get(b, 0);
  const root_entries = bpb.RootDirEnts.get(b, 0);
  const root_start = reserved + fats * fat_sectors;
  const root_sectors = Math.ceil((root_entries * DIRENTRY_BYTES) / sector_bytes);
  const data_start = root_start + root_sectors;
  const wrong = (what: string): never => {
    throw einval(`${disk.name}: the boot sector is damaged: ${what}`);
  };
  if (fat_sectors === 0 || data_start >= sectors) wrong('its tables do not fit');
  const by_data = Math.floor((sectors - data_start) / cluster_sectors);
  const isFat32 = bpb.FATsecs.get(b, 0) === 0;
  const bits = isFat32 ? 32 : by_data < FAT12_CLUSTERS ? 12 : 16;
  if (bits === 16 && by_data >= FAT16_CLUSTERS) wrong(`${by_data} clusters in a FAT16`);
  if (isFat32 && bpb.FSVers.get(b, 0) !== 0) wrong('its version');
  // Clusters without an entry in the table cannot be used.
  const by_fat = Math.floor((fat_sectors * sector_bytes * 8) / bits) - CLUST_FIRST;
  const clusters = Math.min(by_data, by_fat);
  if (clusters < 1) wrong('it has no clusters');
  if (sectors * sector_bytes > disk.sizeBytes + cluster_sectors * sector_bytes) {
    wrong(`it has ${sectors * sector_bytes} bytes, of which ${disk.sizeBytes} are there`);
  }
  return {
    bits,
    sector_bytes,
    cluster_sectors,
    sectors,
    fat_start: reserved,
    fat_sectors,
    fats,
    root_start,
    root_entries,
    root_cluster: isFat32 ? bpb.RootClust.get(b, 0) : 0,
    data_start,
    clusters,
  };
}

/** Does the disk begin with a FAT boot sector? */
export const msdosfs_probe = genfs_probe(read_geometry);

export class msdosfs_fat extends genfs_volume {
  readonly cache: bufcache;
  readonly geometry: geometry;
  readonly cluster_bytes: number;
  private free_count: number | null = null;
  private next_free = CLUST_FIRST;

  constructor(lump: Lump, disk: disk) {
    super('msdosfs', lump, disk);
    const g = read_geometry(disk);
    this.geometry = g;
    this.cluster_bytes = g.cluster_sectors * g.sector_bytes;
    this.cache = new bufcache(lump, disk, g.sector_bytes);
    const info = this.info();
    if (info === null) return;
    const nfree = fsinfo.nfree.get(info.b_data, 0);
    const nxtfree = fsinfo.nxtfree.get(info.b_data, 0);
    if (nfree <= g.clusters) this.free_count = nfree;
    if (this.is_cluster(nxtfree)) this.next_free = nxtfree;
  }

  is_cluster(cluster: number): boolean {
    return cluster >= CLUST_FIRST && cluster < CLUST_FIRST + this.geometry.clusters;
  }

  /** First sector of a cluster. */
  sector_of(cluster: number): number {
    return this.geometry.data_start + (cluster - CLUST_FIRST) * this.geometry.cluster_sectors;
  }

  // ---- the table --------------------------------------------------------------------------------

  /** @returns the cluster that follows; 0: it is free; -1: it is the last; EIO for all others. */
  next(cluster: number): number {
    const { bits } = this.geometry;
    const entry = this.get(cluster);
    if (entry === 0) return 0;
    const end = bits === 12 ? 0xff8 : bits === 16 ? 0xfff8 : 0xffffff8;
    if (entry >= end) return -1;
    if (!this.is_cluster(entry)) throw this.eio(`cluster ${cluster} leads to ${entry}`);
    return entry;
  }

  private get(cluster: number): number {
    const { bits, fat_start } = this.geometry;
    switch (bits) {
      case 12: {
        const at = Math.floor((cluster * 3) / 2);
        const pair = this.byte(fat_start, at) | (this.byte(fat_start, at + 1) << 8);
        return (cluster & 1) !== 0 ? pair >> 4 : pair & 0xfff;
      }
      case 16: {
        const [bp, off] = this.entry(fat_start, cluster * 2);
        return bp.b_data[off]! | (bp.b_data[off + 1]! << 8);
      }
      case 32: {
        const [{ b_data }, off] = this.entry(fat_start, cluster * 4);
        const high = (b_data[off + 3]! & 15) << 24;
        return b_data[off]! | (b_data[off + 1]! << 8) | (b_data[off + 2]! << 16) | high;
      }
    }
  }

  /** In all copies of the table. */
  private put(cluster: number, value: number): void {
    const { bits, fat_start, fat_sectors, fats } = this.geometry;
    for (let copy = 0; copy < fats; copy++) {
      const start = fat_start + copy * fat_sectors;
      switch (bits) {
        case 12: {
          const at = Math.floor((cluster * 3) / 2);
          if ((cluster & 1) !== 0) {
            this.put_byte(start, at, (this.byte(start, at) & 0x0f) | ((value & 15) << 4));
            this.put_byte(start, at + 1, (value >> 4) & 0xff);
          } else {
            this.put_byte(start, at, value & 0xff);
            this.put_byte(start, at + 1, (this.byte(start, at + 1) & 0xf0) | ((value >> 8) & 15));
          }
          break;
        }
        case 16: {
          const [bp, off] = this.entry(start, cluster * 2);
          bp.b_data[off] = value;
          bp.b_data[off + 1] = value >>> 8;
          this.cache.bdwrite(bp);
          break;
        }
        case 32: {
          const [bp, off] = this.entry(start, cluster * 4);
          const { b_data } = bp;
          b_data[off] = value;
          b_data[off + 1] = value >>> 8;
          b_data[off + 2] = value >>> 16;
          // Four bits are not ours.
          b_data[off + 3] = (b_data[off + 3]! & 0xf0) | ((value >>> 24) & 15);
          this.cache.bdwrite(bp);
        }
      }
    }
  }

  private entry(start: number, at: number): [bp: buf, off: number] {
    const { sector_bytes } = this.geometry;
    return [this.cache.bread(start + Math.floor(at / sector_bytes)), at % sector_bytes];
  }

  private byte(start: number, at: number): number {
    const [bp, off] = this.entry(start, at);
    return bp.b_data[off]!;
  }

  private put_byte(start: number, at: number, value: number): void {
    const [bp, off] = this.entry(start, at);
    bp.b_data[off] = value;
    this.cache.bdwrite(bp);
  }

  // ---- chains -----------------------------------------------------------------------------------

  /** The clusters of a chain, at most `max`. @throws EIO it leads nowhere, or in a circle. */
  chain(start: number, max: number): number[] {
    const clusters: number[] = [];
    if (start === 0) return clusters;
    if (!this.is_cluster(start)) throw this.eio(`a chain begins at cluster ${start}`);
    for (let at = start; at !== -1 && clusters.length < max; at = this.next(at)) {
      if (at === 0) throw this.eio(`the chain from cluster ${start} leads to a free one`);
      if (clusters.length > this.geometry.clusters) {
        throw this.eio(`the chain from cluster ${start} is a circle`);
      }
      clusters.push(at);
    }
    return clusters;
  }

  /** Adds `count` clusters to a chain. @throws ENOSPC: then nothing has changed. */
  extend(chain: number[], count: number): void {
    if (count > this.free_clusters()) throw new NetbsdErrno('ENOSPC');
    const before = chain.length;
    let last = chain.at(-1) ?? 0;
    try {
      for (let i = 0; i < count; i++) {
        const cluster = this.find_free();
        this.put(cluster, 0xfffffff);
        if (last !== 0) this.put(last, cluster);
        chain.push(cluster);
        last = cluster;
        this.free_count = Math.max(0, this.free_count! - 1);
      }
    } catch (error) {
      this.shorten(chain, before);
      throw error;
    }
  }

  /** Frees all but the first `keep` clusters of a chain. */
  shorten(chain: number[], keep: number): void {
    while (chain.length > keep) this.free(chain.pop()!);
    if (keep > 0 && chain.length === keep) this.put(chain[keep - 1]!, 0xfffffff);
  }

  private free(cluster: number): void {
    this.put(cluster, 0);
    if (this.free_count !== null) this.free_count++;
    this.next_free = Math.min(this.next_free, cluster);
    const first = this.sector_of(cluster);
    for (let i = 0; i < this.geometry.cluster_sectors; i++) this.cache.brelse_invalid(first + i);
  }

  private find_free(): number {
    const { clusters } = this.geometry;
    for (let i = 0; i < clusters; i++) {
      const at = CLUST_FIRST + ((this.next_free - CLUST_FIRST + i) % clusters);
      if (this.get(at) !== 0) continue;
      this.next_free = at + 1 < CLUST_FIRST + clusters ? at + 1 : CLUST_FIRST;
      return at;
    }
    this.free_count = 0;
    throw new NetbsdErrno('ENOSPC');
  }

  /** Counted once, where the volume does not say. */
  free_clusters(): number {
    if (this.free_count !== null) return this.free_count;
    let count = 0;
    const end = CLUST_FIRST + this.geometry.clusters;
    for (let at = CLUST_FIRST; at < end; at++) if (this.get(at) === 0) count++;
    this.free_count = count;
    return count;
  }

  // ---- the whole --------------------------------------------------------------------------------

  private info(): buf | null {
    const { bits, sectors } = this.geometry;
    if (bits !== 32) return null;
    const sector = bpb.FSInfo.get(this.cache.bread(0).b_data, 0);
    if (sector === 0 || sector >= sectors) return null;
    const bp = this.cache.bread(sector);
    const isOne =
      fsinfo.sig1.get(bp.b_data, 0) === FSINFO_SIG1 &&
      fsinfo.sig2.get(bp.b_data, 0) === FSINFO_SIG2;
    return isOne ? bp : null;
  }

  get is_dirty(): boolean {
    return (this.state.get(this.cache.bread(0).b_data, 0) & BPB_DIRTY) !== 0;
  }

  set_dirty(isDirty: boolean): void {
    const bp = this.cache.bread(0);
    const before = this.state.get(bp.b_data, 0) & ~BPB_DIRTY;
    this.state.put(bp.b_data, 0, before | (isDirty ? BPB_DIRTY : 0));
    this.cache.bdwrite(bp);
  }

  private get state(): typeof bpb.State16 {
    return this.geometry.bits === 32 ? bpb.State32 : bpb.State16;
  }

  sync(): void {
    const bp = this.info();
    if (bp !== null && this.free_count !== null) {
      if (fsinfo.nfree.get(bp.b_data, 0) !== this.free_count) {
        fsinfo.nfree.put(bp.b_data, 0, this.free_count);
        fsinfo.nxtfree.put(bp.b_data, 0, this.next_free);
        this.cache.bdwrite(bp);
      }
    }
    this.cache.flush();
  }
}
