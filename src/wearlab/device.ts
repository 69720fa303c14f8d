/**
 * The device of a run: chip, clock, kernel and jffs2 put together, in one of two fidelities. Full:
 * every byte goes through page cache and codecs into the chip's cells. Fast: the same jffs2, on a
 * chip that keeps headers; files are written without the page cache.
 *
 * The clock is the chip's: each of its operations moves the time by what a data sheet says, and
 * ticks, timers and the collector's sleep follow. Between operations whatever is due runs.
 */
import { mount_fs, root_of, umount } from '../dcache/mount.js';
import { d_obtain_alias, type Dentry, dget, dput } from '../dcache/dcache.js';
import { lookup_positive, vfs_create, vfs_rename, vfs_unlink } from '../dcache/namei.js';
import { jffs2_iget, JFFS2_SB_INFO } from '../jffs2/fs.js';
import type { jffs2_sb_info } from '../jffs2/nodelist.js';
import { type jffs2_snapshot, jffs2_take_snapshot } from '../jffs2/snapshot.js';
import { jffs2_fs_type, jffs2_known_fs_type } from '../jffs2/super.js';
import { file_update_time } from '../lump/attr.js';
import { Errno } from '../lump/errno.js';
import { fput, vfs_fsync, vfs_open, vfs_read, vfs_write } from '../lump/file.js';
import { invalidate_inode_pages } from '../lump/filemap.js';
import {
  O_RDWR,
  PAGE_SIZE,
  type file,
  type inode,
  type page_ref,
  type super_block,
} from '../lump/fs.js';
import { Lump } from '../lump/lump.js';
import { sync_filesystem } from '../lump/super.js';
import type { mtd_ecc_stats, mtd_info } from '../mtd/mtd.js';
import { mtd_new_ram } from '../mtd/open.js';
import { type flash_time_totals, type flash_timing, mtd_timing, timing_of } from '../mtd/timing.js';
import { wear_counters } from '../mtd/wear.js';
import { PortableZlib } from '../rumpuser/portable_zlib.js';
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import { SimulatedHost } from '../rumpuser/simulated.js';
import { Accounts, type SavedAccounts } from './accounts.js';
import { mtd_endurance, type SavedEndurance } from './endurance.js';
import type { ChipSpec, Experiment } from './experiment.js';
import { type Payload, remembering_compressors, thin_medium } from './payload.js';
import { type SavedThinChip, thin_chip } from './thin_chip.js';

/** Nothing is read twice from the chip because of a cache that was too small. */
const CACHE_SPARE_BYTES = 16 << 20;

/** Of work in the background, between two operations. */
const UNITS_AT_ONCE = 64;

/** All that a device is, between two moments, as plain data. */
export interface SavedDevice {
  /** Full fidelity: the cells, NAND's pages each with its OOB. Fast: headers. */
  readonly content: Uint8Array | SavedThinChip;
  readonly wear: wear_counters;
  readonly ecc: mtd_ecc_stats;
  readonly endurance: SavedEndurance | null;
  readonly jffs2: jffs2_snapshot;
  /** Names that were cached: their inodes are in memory. */
  readonly names: readonly string[];
  readonly accounts: SavedAccounts;
  readonly busy: flash_time_totals;
  readonly erases: number;
  readonly idleUs: number;
  readonly nowMs: number;
  readonly hostBytes: number;
}

export class Device {
  readonly c: jffs2_sb_info;
  readonly chip: mtd_info;
  readonly endurance: mtd_endurance | null;
  readonly accounts: Accounts;
  /** Bytes written into files. */
  hostBytes: number;
  readonly #host: SimulatedHost;
  readonly #timing: mtd_timing;
  readonly #lump: Lump;
  readonly #sb: super_block;
  readonly root: Dentry;
  readonly #payload: Payload;
  readonly #fast: boolean;
  readonly #frozen: boolean;
  /** Of full fidelity. */
  readonly #cells: Uint8Array | null;
  /** Time that passed while nothing was asked of the chip. */
  #idleUs: number;
  #saved: SavedDevice | null;
  readonly #open = new Set<file>();
  /** Dentries that workloads hold. */
  readonly #held = new Set<Dentry>();
  /** Pages that would not be in the page cache: never read, or their last write failed. */
  readonly #uncached = new Set<string>();
  readonly #scratch = new Uint8Array(PAGE_SIZE);
  readonly #page: { -readonly [key in keyof page_ref]: page_ref[key] };

  /**
   * A blank chip, formatted; or with `saved` a device that goes on: the time stands until its files
   * are open again and somebody calls {@link wake}.
   * @throws Errno EINVAL jffs2 cannot live on such a chip.
   */
  constructor(
    experiment: Experiment,
    seed: number,
    payload: Payload,
    saved: SavedDevice | null = null,
    crc32?: HostCodecs['crc32'],
  ) {
    const { chip: spec, filesystem, clock, fidelity } = experiment;
    const codecs = new PortableZlib(crc32);
    this.#host = new SimulatedHost({ seed, codecs });
    this.#fast = fidelity === 'fast';
    this.#frozen = clock.model === 'frozen';
    this.#saved = saved;
    this.#payload = payload;
    this.#page = { buf: payload.bytes, off: 0, index: 0 };
    const thin = this.#fast ? new thin_chip(spec) : null;
    this.#cells = this.#fast ? null : cellsOf(spec, saved);
    this.chip = thin ?? fullChip(this.#host, spec, this.#cells!);
    if (saved) thin?.restore(saved.content as SavedThinChip);
    const { endurance } = spec;
    this.endurance =
      endurance && new mtd_endurance(this.chip, endurance, seed, () => this.deviceUs / 1000);
    const advance = (ms: number): void => {
      if (this.#saved === null) this.#host.advance(ms);
    };
    this.#timing = new mtd_timing(
      this.endurance ?? this.chip,
      timingOf(spec, this.chip),
      this.#frozen ? undefined : advance,
    );
    this.#lump = new Lump({
      host: this.#host,
      seed,
      hz: this.#frozen ? 0 : clock.hz,
      pageCacheBytes: this.#fast ? 0 : spec.size + CACHE_SPARE_BYTES,
    });
    // Behind the kernel's boot, from which ticks are counted.
    if (saved) this.#host.advance(saved.nowMs);
    this.hostBytes = saved?.hostBytes ?? 0;
    this.#idleUs = saved?.idleUs ?? 0;
    const type = saved ? jffs2_known_fs_type(saved.jffs2) : jffs2_fs_type;
    this.#lump.filesystems.register_filesystem(type);
    const words = `compr=${filesystem.compr}${filesystem.summary ? '' : ',nosummary'}`;
    this.#sb = mount_fs(this.#lump, 'jffs2', this.#timing, 0, words);
    this.root = root_of(this.#sb);
    this.c = JFFS2_SB_INFO(this.#sb);
    this.c.linux_gc_trigger = filesystem.linux_gc_trigger;
    this.c.linux_summary_quirk = filesystem.linux_summary_quirk;
    this.accounts = new Accounts(this.c, () => this.deviceUs, saved?.accounts);
    this.c.accounts = this.accounts;
    if (thin) {
      const medium = new thin_medium(thin, payload);
      this.c.thin = medium;
      this.c.compressors = new remembering_compressors(this.c, medium, codecs);
    }
    if (!saved) {
      this.settle();
      return;
    }
    this.#setCounters(saved);
    // How long collecting takes depends on which inodes are in memory.
    for (const name of saved.names) dput(lookup_positive(this.root, name));
  }

  /**
   * The device as another one can go on from it; this one is at its end. All files are closed.
   * @returns null when the chip does not take what is in the write buffer; then nothing has changed
   */
  suspend(): SavedDevice | null {
    try {
      this.sync();
    } catch (error) {
      if (error instanceof Errno) return null;
      throw error;
    }
    if (this.c.wbuf?.dirty) return null;
    const cached = [...(this.root.d_children?.values() ?? [])];
    const names = cached.filter(({ d_inode }) => d_inode !== null).map(({ d_name }) => d_name);
    for (const open of this.#open) this.close(open);
    for (const held of this.#held) this.release(held);
    umount(this.#sb);
    const wear = new wear_counters(this.c.nr_blocks);
    wear.assign(this.chip.wear);
    return {
      content: this.#cells ?? (this.chip as thin_chip).save(),
      wear,
      ecc: { ...this.chip.ecc_stats },
      endurance: this.endurance?.save() ?? null,
      jffs2: jffs2_take_snapshot(this.c),
      names,
      accounts: this.accounts.save(),
      busy: { ...this.#timing.totals },
      erases: this.#timing.erases,
      idleUs: this.#idleUs,
      nowMs: this.#host.monotonicMs(),
      hostBytes: this.hostBytes,
    };
  }

  /** Reading what had been in memory counts for nothing, and the time goes on. */
  wake(): void {
    this.#setCounters(this.#saved!);
    this.#saved = null;
  }

  #setCounters(saved: SavedDevice): void {
    (this.chip.wear as wear_counters).assign(saved.wear);
    Object.assign(this.chip.ecc_stats, saved.ecc);
    if (saved.endurance) this.endurance!.restore(saved.endurance);
    Object.assign(this.#timing.totals, saved.busy);
    this.#timing.erases = saved.erases;
  }

  get deviceUs(): number {
    return this.#timing.totalUs + this.#idleUs;
  }

  /** Erases that the chip was asked for, and one for each block that was marked bad. */
  get erases(): number {
    return this.#timing.erases + this.chip.ecc_stats.badblocks;
  }

  /** Runs what is due by now. */
  runDue(): void {
    const { sched } = this.#lump;
    // On a chip that is all but full the collector always finds something: the others' turn then.
    for (let n = 0; n < UNITS_AT_ONCE && sched.next_work_ms() === 0; n++) sched.background();
  }

  /** Lets time pass in which nobody asks for anything; background threads run in it. */
  pause(ms: number): void {
    const { sched } = this.#lump;
    const endUs = this.deviceUs + ms * 1000;
    for (;;) {
      this.runDue();
      const left = (endUs - this.deviceUs) / 1000;
      if (left <= 0) return;
      const next = sched.next_work_ms();
      const step = next < 0 || this.#frozen ? left : Math.min(left, next);
      this.#idleUs += step * 1000;
      if (!this.#frozen) this.#host.advance(step);
    }
  }

  /** Waits until the background thread has nothing left to do. */
  settle(): void {
    const { sched } = this.#lump;
    for (;;) {
      this.runDue();
      const next = sched.next_work_ms();
      if (next < 0) return;
      this.#idleUs += next * 1000;
      this.#host.advance(next);
    }
  }

  // ---- files, all in the root directory ----

  create(name: string): file {
    const dentry = vfs_create(this.root, name, 0o644);
    try {
      return this.open(dentry);
    } finally {
      dput(dentry);
    }
  }

  /** A regular file whose dentry the caller holds. */
  open(dentry: Dentry): file {
    const opened = vfs_open(dentry.d_inode!, O_RDWR);
    this.#open.add(opened);
    return opened;
  }

  /**
   * Opens a file that was open before; its pages are in the page cache again, where there is one.
   * @throws Errno ENOENT
   */
  reopen(name: string): file {
    const dentry = lookup_positive(this.root, name);
    try {
      const opened = this.open(dentry);
      this.fillCache(opened);
      return opened;
    } finally {
      dput(dentry);
    }
  }

  /** Takes a reference over, until {@link release}, or the device's end. */
  hold(dentry: Dentry): void {
    this.#held.add(dentry);
  }

  release(dentry: Dentry): void {
    if (this.#held.delete(dentry)) dput(dentry);
  }

  /** The file with an inode number, or a directory at a path; with a reference. @throws Errno */
  find(where: number | readonly string[]): Dentry {
    if (typeof where === 'number') return d_obtain_alias(jffs2_iget(this.#sb, where));
    let at = dget(this.root);
    for (const name of where) {
      const parent = at;
      try {
        at = lookup_positive(parent, name);
      } finally {
        dput(parent);
      }
    }
    return at;
  }

  /** Puts a file into the page cache, where there is one. */
  fillCache(file: file): void {
    if (!this.#fast) this.read(file, 0, file.f_inode.i_size);
  }

  isOpen(file: file): boolean {
    return this.#open.has(file);
  }

  /** Nothing happens to a file that is closed already. */
  close(file: file): void {
    if (this.#open.delete(file)) fput(file);
  }

  /** @throws Errno ENOSPC, EIO, as soon as not all could be written. */
  write(file: file, pos: number, len: number): void {
    const { f_inode: inode } = file;
    for (let done = 0; done < len; ) {
      const at = pos + done;
      const inPage = at % PAGE_SIZE;
      const count = Math.min(PAGE_SIZE - inPage, len - done);
      const page = this.#payload.offsetOf(inode.i_ino, (at - inPage) / PAGE_SIZE);
      const accepted = this.#fast
        ? this.#writeUncached(file, page, at, count)
        : vfs_write(file, this.#payload.bytes, page + inPage, count, at);
      this.hostBytes += accepted;
      if (accepted < count) throw new Errno('ENOSPC', 'a write was cut short');
      done += count;
    }
  }

  /**
   * As generic_file_write() does it for a single writer with a page cache that is large enough, but
   * without one. A page whose write failed is not cached there, and is read before it is completed.
   */
  #writeUncached(file: file, pageAt: number, pos: number, count: number): number {
    const { f_inode: inode } = file;
    file_update_time(file);
    const aops = inode.i_aops!;
    const page = this.#page;
    page.off = pageAt;
    page.index = Math.floor(pos / PAGE_SIZE);
    if (this.#uncached.size > 0) this.#readUncached(inode, pos, count);
    let accepted = 0;
    try {
      aops.write_begin(file, inode, pos, count, page, true);
      accepted = aops.write_end(file, inode, pos, count, page);
    } finally {
      if (accepted < count) this.#uncached.add(pageKey(inode, page.index));
    }
    return accepted;
  }

  #readUncached(inode: inode, pos: number, count: number): void {
    const { index } = this.#page;
    if (!this.#uncached.delete(pageKey(inode, index)) || count === PAGE_SIZE) return;
    const start = index * PAGE_SIZE;
    const nothingSurvives = start >= inode.i_size || (pos === start && pos + count >= inode.i_size);
    if (!nothingSurvives) this.#readPage(inode, index);
  }

  /** Reads what is not in the page cache. @throws Errno EIO */
  read(file: file, pos: number, len: number): void {
    const { f_inode: inode } = file;
    const end = Math.min(pos + len, inode.i_size);
    for (let at = pos; at < end; at += PAGE_SIZE - (at % PAGE_SIZE)) {
      if (!this.#fast) {
        vfs_read(file, this.#scratch, 0, 1, at);
        continue;
      }
      const index = Math.floor(at / PAGE_SIZE);
      if (this.#uncached.delete(pageKey(inode, index))) this.#readPage(inode, index);
    }
  }

  /** Takes pages of a file out of the page cache; default: all. */
  forgetPages({ f_inode: inode }: file, indexes?: Iterable<number>): void {
    invalidate_inode_pages(inode, indexes);
    if (!this.#fast) return;
    const all = Array.from({ length: pagesOf(inode) }, (_, index) => index);
    for (const index of indexes ?? all) this.#uncached.add(pageKey(inode, index));
  }

  /** Pages of a file that are not in the page cache. */
  uncachedPages({ f_inode: inode }: file): number[] {
    const indexes: number[] = [];
    for (let index = pagesOf(inode) - 1; index >= 0; index--) {
      const isCached = this.#fast
        ? !this.#uncached.has(pageKey(inode, index))
        : inode.i_pages?.has(index);
      if (!isCached) indexes.push(index);
    }
    return indexes;
  }

  #readPage(inode: inode, index: number): void {
    inode.i_aops!.read_folio(inode, index, this.#scratch, 0);
  }

  fsync(file: file): void {
    vfs_fsync(file, false);
  }

  sync(): void {
    sync_filesystem(this.#sb);
  }

  unlink(name: string): void {
    vfs_unlink(this.root, name);
  }

  rename(from: string, to: string): void {
    vfs_rename(this.root, from, this.root, to);
  }
}

const pagesOf = (inode: inode): number => Math.ceil(inode.i_size / PAGE_SIZE);
const pageKey = (inode: inode, index: number): string => `${inode.i_ino} ${index}`;

/** Of a blank chip, or a copy of what was saved. */
function cellsOf({ size, writesize, oobsize }: ChipSpec, saved: SavedDevice | null): Uint8Array {
  if (saved) return (saved.content as Uint8Array).slice();
  return new Uint8Array((size / writesize) * (writesize + oobsize)).fill(0xff);
}

function fullChip(host: SimulatedHost, spec: ChipSpec, content: Uint8Array): mtd_info {
  const { kind, size, erasesize, writesize, oobsize } = spec;
  const pages = kind === 'nand' ? { writesize, oobsize } : {};
  return mtd_new_ram(host, { type: kind, size, erasesize, content, ...pages });
}

function timingOf({ timing }: ChipSpec, chip: mtd_info): flash_timing {
  const typical = timing_of(chip);
  if (timing === null) return typical;
  return {
    source: 'the experiment',
    unitBytes: typical.unitBytes,
    readUnitUs: timing.read_unit_us,
    readByteUs: timing.read_byte_us,
    programUnitUs: timing.program_unit_us,
    programByteUs: timing.program_byte_us,
    programUnitMaxUs: Number.POSITIVE_INFINITY,
    eraseBlockUs: timing.erase_block_us,
  };
}
