/**
 * The buffer cache: blocks of one disk in memory, all of one size. A block that was changed is
 * written later: when a flush asks, when the syncer comes round (every five seconds), or when too
 * many are waiting. Nothing sleeps between bread() and the end of an operation, so that buffers are
 * not marked busy: what bread() answers stays what the cache has until the operation ends.
 *
 * Changed blocks are written at the three places that are named above and nowhere else, in
 * ascending order, neighbours together. A block that is freed is forgotten, not written.
 * Contents of files, several blocks long, are not kept: read_bytes() and write_bytes() pass them to
 * the disk.
 */
import type { Lump } from '../lump/lump.js';
import {
  kthread_should_stop,
  kthread_stop,
  wait_queue_head,
  wake_up,
  type task_struct,
  type wait,
} from '../lump/sched.js';
import { KERN_ERR, ratelimit_state } from '../lump/printk.js';
import type { disk } from './disk/disk.js';
import { NetbsdErrno } from './errno.js';

/** A block in memory; after a change bdwrite() is told. */
export interface buf {
  readonly b_blkno: number;
  readonly b_data: Uint8Array;
  b_dirty: boolean;
}

/**
 * Pieces of a file that follow one another in memory, on their way from or to a disk: those that
 * follow one another there too are moved together.
 */
export class gathered {
  private readonly move: (off: number, length: number, position: number) => void;
  private off = 0;
  private length = 0;
  private position = 0;

  constructor(move: (off: number, length: number, position: number) => void) {
    this.move = move;
  }

  add(off: number, length: number, position: number): void {
    if (off === this.off + this.length && position === this.position + this.length) {
      this.length += length;
      return;
    }
    this.end();
    this.off = off;
    this.length = length;
    this.position = position;
  }

  /** Moves what is left. */
  end(): void {
    const { off, length, position } = this;
    this.length = 0;
    if (length > 0) this.move(off, length, position);
  }
}

const CACHE_BYTES = 16 << 20;
/** Changed blocks may take that part of the cache before they are written. */
const DIRTY_SHARE = 0.5;
/** The most that one request carries. */
const MAXPHYS = 256 << 10;
const SYNC_DELAY_MS = 5000;
const ZEROS = new Uint8Array(1 << 20);

/** The blocks of one disk in memory. */
export class bufcache {
  readonly block_bytes: number;
  private readonly lump: Lump;
  private readonly disk: disk;
  private readonly bufs_max: number;
  /** By block number. */
  private readonly bufs = new Map<number, buf>();
  /** Of these the unchanged ones, least recently used first, and the changed ones. */
  private readonly clean = new Map<number, buf>();
  private readonly dirty = new Map<number, buf>();
  private readonly work: wait_queue_head;
  private readonly syncer: task_struct;
  private readonly complaints = new ratelimit_state();

  constructor(lump: Lump, disk: disk, block_bytes: number, cache_bytes = CACHE_BYTES) {
    this.lump = lump;
    this.disk = disk;
    this.block_bytes = block_bytes;
    this.bufs_max = Math.max(64, Math.floor(cache_bytes / block_bytes));
    this.work = new wait_queue_head(lump, `${disk.name}: syncer`);
    this.syncer = lump.sched.kthread_run((task) => this.ioflush(task), 'ioflush');
  }

  /** Changed blocks that are not written yet. */
  get dirty_count(): number {
    return this.dirty.size;
  }

  /** The block, read if it is not here. @throws EIO; ENXIO behind the end of the disk. */
  bread(blkno: number): buf {
    const present = this.incore(blkno);
    if (present !== undefined) return present;
    const bp = { b_blkno: blkno, b_data: new Uint8Array(this.block_bytes), b_dirty: false };
    this.disk.read(bp.b_data, 0, this.bytes_of(blkno), blkno * this.block_bytes);
    return this.enter(bp);
  }

  /**
   * Bytes from anywhere on the disk. Several blocks side by side that are not here are read with
   * one request, and not kept: contents of files, which are read in long pieces and seldom twice.
   * @throws EIO; ENXIO behind the end of the disk.
   */
  read_bytes(buf: Uint8Array, off: number, length: number, position: number): void {
    const { block_bytes, bufs } = this;
    const end = position + length;
    for (let at = position; at < end; ) {
      const blkno = Math.floor(at / block_bytes);
      const to = off + at - position;
      let present = bufs.get(blkno);
      if (present === undefined) {
        let last = blkno + 1;
        while (last * block_bytes < end && !bufs.has(last)) last++;
        if (last - blkno > 1) {
          const count = Math.min(last * block_bytes, end) - at;
          this.disk.read(buf, to, count, at);
          at += count;
          continue;
        }
      }
      // Long pieces also leave the order of what is here as it is.
      if (present === undefined || length <= block_bytes) present = this.bread(blkno);
      const start = at % block_bytes;
      const count = Math.min(block_bytes - start, end - at);
      const { b_data } = present;
      buf.set(count === block_bytes ? b_data : b_data.subarray(start, start + count), to);
      at += count;
    }
  }

  /**
   * Bytes to anywhere on the disk. Several whole blocks side by side are written now, with one
   * request, and not kept; what of them was here is of no interest any more. So they are on the
   * disk before what leads to them is. When the disk refuses them they wait here with other changed
   * blocks, and the error is that of the flush which cannot write them either.
   * @throws EIO, ENXIO a block that is changed in part cannot be read.
   */
  write_bytes(buf: Uint8Array, off: number, length: number, position: number): void {
    const { block_bytes } = this;
    const end = position + length;
    for (let at = position; at < end; ) {
      const blkno = Math.floor(at / block_bytes);
      const from = off + at - position;
      const start = at % block_bytes;
      const whole = start === 0 ? Math.floor((end - at) / block_bytes) : 0;
      if (whole > 1 && this.write_through(buf, from, blkno, whole)) {
        at += whole * block_bytes;
        continue;
      }
      const count = Math.min(block_bytes - start, end - at);
      const bp = count === block_bytes ? this.getblk(blkno) : this.bread(blkno);
      bp.b_data.set(buf.subarray(from, from + count), start);
      this.bdwrite(bp);
      at += count;
    }
  }

  /** Zeros, as many as a volume has, if need be. @throws EIO */
  zero_bytes(length: number, position: number): void {
    for (let done = 0; done < length; done += ZEROS.length) {
      const count = Math.min(ZEROS.length, length - done);
      this.write_bytes(ZEROS, 0, count, position + done);
      this.balance();
    }
  }

  /** @returns false: the disk refused. */
  private write_through(buf: Uint8Array, off: number, first: number, count: number): boolean {
    const { block_bytes } = this;
    try {
      this.disk.write(buf, off, count * block_bytes, first * block_bytes);
    } catch (error) {
      if (!(error instanceof NetbsdErrno)) throw error;
      return false;
    }
    for (let blkno = first; blkno < first + count; blkno++) this.brelse_invalid(blkno);
    return true;
  }

  /** The block, to be filled by the caller: it is not read, and zeros if it was not here. */
  getblk(blkno: number): buf {
    const present = this.incore(blkno);
    if (present !== undefined) return present;
    const b_data = new Uint8Array(this.block_bytes);
    return this.enter({ b_blkno: blkno, b_data, b_dirty: false });
  }

  /** The block, all zeros and changed. */
  clrbuf(blkno: number): buf {
    const bp = this.getblk(blkno);
    bp.b_data.fill(0);
    this.bdwrite(bp);
    return bp;
  }

  /** The last block of a disk may be cut short. */
  private bytes_of(blkno: number): number {
    const rest = this.disk.sizeBytes - blkno * this.block_bytes;
    return rest > 0 ? Math.min(rest, this.block_bytes) : this.block_bytes;
  }

  /** The block was changed. */
  bdwrite(bp: buf): void {
    if (bp.b_dirty) return;
    bp.b_dirty = true;
    this.clean.delete(bp.b_blkno);
    this.dirty.set(bp.b_blkno, bp);
    // It may have been thrown out since it was read.
    this.bufs.set(bp.b_blkno, bp);
    if (this.dirty.size === 1) wake_up(this.work);
  }

  /** The block is free: what it held is of no interest. */
  brelse_invalid(blkno: number): void {
    const bp = this.bufs.get(blkno);
    if (bp === undefined) return;
    bp.b_dirty = false;
    this.bufs.delete(blkno);
    this.clean.delete(blkno);
    this.dirty.delete(blkno);
  }

  /**
   * At the end of an operation that changed something: writes when too much is waiting.
   * @throws EIO
   */
  balance(): void {
    if (this.dirty.size > this.bufs_max * DIRTY_SHARE) this.write_dirty();
  }

  /** Everything is on stable storage when it returns. @throws EIO: the rest stays to be written. */
  flush(): void {
    this.write_dirty();
    this.disk.flush();
  }

  /** Ends the cache; what is not written is lost. */
  close(): void {
    this.dirty.clear();
    this.clean.clear();
    this.bufs.clear();
    kthread_stop(this.syncer);
  }

  private incore(blkno: number): buf | undefined {
    const bp = this.bufs.get(blkno);
    if (bp === undefined) return undefined;
    if (!bp.b_dirty) {
      this.clean.delete(blkno);
      this.clean.set(blkno, bp);
    }
    return bp;
  }

  /**
   * Throws out what was not used for longest. Several at once: a Map that lost its first entries
   * steps over where they were at the beginning of every walk.
   */
  private evict(): void {
    let left = Math.max(1, this.bufs_max >> 4);
    for (const oldest of this.clean.keys()) {
      this.clean.delete(oldest);
      this.bufs.delete(oldest);
      if (--left === 0) return;
    }
  }

  private enter(bp: buf): buf {
    if (this.bufs.size >= this.bufs_max) this.evict();
    this.bufs.set(bp.b_blkno, bp);
    this.clean.set(bp.b_blkno, bp);
    return bp;
  }

  private write_dirty(): void {
    if (this.dirty.size === 0) return;
    const order = [...this.dirty.keys()].sort((a, b) => a - b);
    const per_request = Math.max(1, Math.floor(MAXPHYS / this.block_bytes));
    for (let at = 0; at < order.length; ) {
      let count = 1;
      while (count < per_request && order[at + count] === order[at]! + count) count++;
      this.write_run(order[at]!, count);
      at += count;
    }
  }

  private write_run(first: number, count: number): void {
    const { block_bytes, dirty } = this;
    const position = first * block_bytes;
    if (count === 1) {
      this.disk.write(dirty.get(first)!.b_data, 0, this.bytes_of(first), position);
    } else {
      const bytes = new Uint8Array(count * block_bytes);
      for (let i = 0; i < count; i++) bytes.set(dirty.get(first + i)!.b_data, i * block_bytes);
      const length = (count - 1) * block_bytes + this.bytes_of(first + count - 1);
      this.disk.write(bytes, 0, length, position);
    }
    for (let blkno = first; blkno < first + count; blkno++) {
      const bp = dirty.get(blkno)!;
      bp.b_dirty = false;
      dirty.delete(blkno);
      this.clean.set(blkno, bp);
    }
  }

  private *ioflush(task: task_struct): Generator<wait, void, void> {
    while (!kthread_should_stop(task)) {
      if (this.dirty.size === 0) {
        yield this.work;
        continue;
      }
      yield SYNC_DELAY_MS;
      try {
        this.flush();
      } catch (error) {
        if (!(error instanceof NetbsdErrno)) throw error;
        const text = `${this.disk.name}: writing back: ${error.message}`;
        this.lump.printk_ratelimited(this.complaints, KERN_ERR, text);
      }
    }
  }
}
