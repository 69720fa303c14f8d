/**
 * The device of a run: chip, clock, kernel and jffs2 put together, in one of two fidelities. Full:
 * every byte goes through page cache and codecs into the chip's cells. Fast: the same jffs2, on a
 * chip that keeps headers; files are written without the page cache.
 *
 * The clock is the chip's: each of its operations moves the time by what a data sheet says, and
 * ticks, timers and the collector's sleep follow. Between operations whatever is due runs.
 */
import { mount_fs, root_of } from '../dcache/mount.js';
import { type Dentry, dput } from '../dcache/dcache.js';
import { vfs_create, vfs_rename, vfs_unlink } from '../dcache/namei.js';
import { JFFS2_SB_INFO } from '../jffs2/fs.js';
import type { jffs2_sb_info } from '../jffs2/nodelist.js';
import { jffs2_fs_type } from '../jffs2/super.js';
import { file_update_time } from '../lump/attr.js';
import { Errno } from '../lump/errno.js';
import { do_truncate, fput, vfs_fsync, vfs_open, vfs_write } from '../lump/file.js';
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
import type { mtd_info } from '../mtd/mtd.js';
import { mtd_new_ram } from '../mtd/open.js';
import { type flash_timing, mtd_timing, timing_of } from '../mtd/timing.js';
import { PortableZlib } from '../rumpuser/portable_zlib.js';
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import { SimulatedHost } from '../rumpuser/simulated.js';
import { Accounts } from './accounts.js';
import { mtd_endurance } from './endurance.js';
import type { ChipSpec, Experiment } from './experiment.js';
import { Payload, remembering_compressors, thin_medium } from './payload.js';
import { thin_chip } from './thin_chip.js';

/** Nothing is read twice from the chip because of a cache that was too small. */
const CACHE_SPARE_BYTES = 16 << 20;

export class Device {
  readonly c: jffs2_sb_info;
  readonly chip: mtd_info;
  readonly endurance: mtd_endurance | null;
  readonly accounts: Accounts;
  /** Bytes written into files. */
  hostBytes = 0;
  readonly #host: SimulatedHost;
  readonly #timing: mtd_timing;
  readonly #lump: Lump;
  readonly #sb: super_block;
  readonly #root: Dentry;
  readonly #payload: Payload;
  readonly #fast: boolean;
  readonly #frozen: boolean;
  /** Time that passed while nothing was asked of the chip. */
  #idleUs = 0;
  /** Pages whose last write failed. */
  readonly #uncached = new Set<string>();
  readonly #page: { -readonly [key in keyof page_ref]: page_ref[key] };

  /** A blank chip, formatted. @throws Errno EINVAL jffs2 cannot live on such a chip. */
  constructor(experiment: Experiment, seed: number, crc32?: HostCodecs['crc32']) {
    const { chip: spec, filesystem, clock, fidelity } = experiment;
    const codecs = new PortableZlib(crc32);
    this.#host = new SimulatedHost({ seed, codecs });
    this.#fast = fidelity === 'fast';
    this.#frozen = clock.model === 'frozen';
    const payload = new Payload(experiment.data, codecs, seed);
    this.#payload = payload;
    this.#page = { buf: payload.bytes, off: 0, index: 0 };
    const thin = this.#fast ? new thin_chip(spec) : null;
    this.chip = thin ?? fullChip(this.#host, spec);
    const { endurance } = spec;
    this.endurance =
      endurance && new mtd_endurance(this.chip, endurance, seed, () => this.deviceUs / 1000);
    const advance = this.#frozen ? undefined : (ms: number): void => this.#host.advance(ms);
    this.#timing = new mtd_timing(this.endurance ?? this.chip, timingOf(spec, this.chip), advance);
    this.#lump = new Lump({
      host: this.#host,
      seed,
      hz: this.#frozen ? 0 : clock.hz,
      pageCacheBytes: this.#fast ? 0 : spec.size + CACHE_SPARE_BYTES,
    });
    this.#lump.filesystems.register_filesystem(jffs2_fs_type);
    const words = `compr=${filesystem.compr}${filesystem.summary ? '' : ',nosummary'}`;
    this.#sb = mount_fs(this.#lump, 'jffs2', this.#timing, 0, words);
    this.#root = root_of(this.#sb);
    this.c = JFFS2_SB_INFO(this.#sb);
    this.c.linux_summary_quirk = filesystem.linux_summary_quirk;
    this.accounts = new Accounts(this.c, () => this.deviceUs);
    this.c.accounts = this.accounts;
    if (thin) {
      const medium = new thin_medium(thin, payload);
      this.c.thin = medium;
      this.c.compressors = new remembering_compressors(this.c, medium, codecs);
    }
    this.settle();
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
    while (sched.next_work_ms() === 0) sched.background();
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
    const dentry = vfs_create(this.#root, name, 0o644);
    try {
      return vfs_open(dentry.d_inode!, O_RDWR);
    } finally {
      dput(dentry);
    }
  }

  close(file: file): void {
    fput(file);
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
    if (!nothingSurvives) inode.i_aops!.read_folio(inode, index, new Uint8Array(PAGE_SIZE), 0);
  }

  truncate(file: file, size: number): void {
    do_truncate(file.f_inode, size);
  }

  fsync(file: file): void {
    vfs_fsync(file, false);
  }

  sync(): void {
    sync_filesystem(this.#sb);
  }

  unlink(name: string): void {
    vfs_unlink(this.#root, name);
  }

  rename(from: string, to: string): void {
    vfs_rename(this.#root, from, this.#root, to);
  }
}

const pageKey = (inode: inode, index: number): string => `${inode.i_ino} ${index}`;

function fullChip(host: SimulatedHost, spec: ChipSpec): mtd_info {
  const { kind, size, erasesize, writesize, oobsize } = spec;
  const pages = kind === 'nand' ? { writesize, oobsize } : {};
  return mtd_new_ram(host, { type: kind, size, erasesize, ...pages });
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
