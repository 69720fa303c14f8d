/**
 * Cells in a host file: the flash file is the flash. Every write reaches the file before the call
 * returns (or, while plugged, before unplug() does), so that the end of this process loses nothing;
 * sync() makes it safe from the end of the host.
 *
 * Reads are served from windows: aligned pieces of the file, of which the most recently used ones
 * stay in memory up to a limit, filled in chunks as they are asked for. So point() costs no system
 * call for what was read lately, and a large image costs little memory. A window that is used in
 * one go and not again is a newcomer, and only few newcomers are kept: a scan of the whole chip
 * passes through a megabyte that stays in the processor's cache, and drives out nothing. (The
 * idea is that of the 2Q replacement policy.)
 *
 * The chip may start anywhere in the file, and may be larger than what the file holds. What lies
 * past the file's end reads 0xFF; programming there makes the file longer (with 0xFF in between),
 * erasing there does nothing.
 */
import { BUG_ON } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import type { HostFile, HostLock } from '../rumpuser/rumpuser.js';
import type { FlashBacking } from './backing.js';
import { chipErrorOfHost } from './host_error.js';
import type { mtd_point } from './mtd.js';

/** Which part of the file is the chip. Bytes. */
export interface file_backing_options {
  readonly sizeBytes: number;
  /** Where the chip starts in the file. */
  readonly offsetBytes?: number;
  readonly windowBytes: number;
  /** Memory for windows; at least four are kept. */
  readonly cacheBytes: number;
  /** Let go by close(). */
  readonly lock?: HostLock;
}

/** A host read for less costs as much; nodes are up to 4 KiB and neighbours are read together. */
const CHUNK_BYTES = 16 * 1024;
/** What newcomers may take, and how many there may be at least. */
const NEWCOMERS_BYTES = 1024 * 1024;
const NEWCOMERS_MIN = 4;
/** The most that one host write of erased bytes carries. */
const FILL_BYTES = 256 * 1024;
/** The most that is collected while plugged. */
const PLUG_BYTES = 256 * 1024;
const NO_SLOT = -1;

/** The cells in a file of the host: a program reaches the file before it answers. */
export class FileBacking implements FlashBacking {
  readonly sizeBytes: number;
  readonly windowBytes: number;
  generation = 0;

  readonly #file: HostFile;
  readonly #offset: number;
  readonly #lock: HostLock | undefined;
  #closed = false;
  /** Bytes of the chip that the file holds; behind them everything is erased. */
  #stored: number;

  /** The slots that hold windows: bytes (made when first needed), window number, last use. */
  readonly #slots: Uint8Array[] = [];
  readonly #slotCount: number;
  readonly #slotWindow: Int32Array;
  readonly #slotUse: Float64Array;
  readonly #windowSlot: Int32Array;
  #uses = 0;
  #lastSlot = NO_SLOT;
  /** 1: used again after another window was; 0: a newcomer. */
  readonly #slotKept: Uint8Array;
  #newcomers = 0;
  readonly #newcomersMax: number;
  /** Slots given to windows so far, and how many it were when each window lost its own. */
  #claims = 0;
  readonly #leftAt: Float64Array;
  /** Which chunks of a slot are filled: one byte each. */
  readonly #filled: Uint8Array;
  readonly #chunkBytes: number;
  readonly #chunks: number;
  #erased: Uint8Array | null = null;

  /** Depth of plug(). */
  #plugged = 0;
  /** Writes of adjacent bytes that wait for the host. */
  #pending: Uint8Array | null = null;
  #pendingAt = 0;
  #pendingBytes = 0;
  /** Some of what was collected is lost: the file is not what the chip's user believes. */
  #lost = false;

  constructor(file: HostFile, options: file_backing_options) {
    const { sizeBytes, windowBytes, cacheBytes } = options;
    this.sizeBytes = sizeBytes;
    this.windowBytes = windowBytes;
    this.#file = file;
    this.#offset = options.offsetBytes ?? 0;
    this.#lock = options.lock;
    this.#stored = this.#storedNow();

    const windows = Math.ceil(sizeBytes / windowBytes);
    const slots = Math.max(NEWCOMERS_MIN, Math.floor(cacheBytes / windowBytes));
    this.#slotCount = Math.min(windows, slots);
    this.#newcomersMax = Math.max(NEWCOMERS_MIN, Math.floor(NEWCOMERS_BYTES / windowBytes));
    this.#slotKept = new Uint8Array(this.#slotCount);
    this.#leftAt = new Float64Array(windows).fill(-Infinity);
    this.#slotWindow = new Int32Array(this.#slotCount).fill(NO_SLOT);
    this.#slotUse = new Float64Array(this.#slotCount);
    this.#windowSlot = new Int32Array(windows).fill(NO_SLOT);
    this.#chunkBytes = windowBytes % CHUNK_BYTES === 0 ? CHUNK_BYTES : windowBytes;
    this.#chunks = windowBytes / this.#chunkBytes;
    this.#filled = new Uint8Array(this.#slotCount * this.#chunks);
  }

  #storedNow(): number {
    return Math.max(0, Math.min(this.sizeBytes, this.#file.size() - this.#offset));
  }

  window(from: number, len: number, out: mtd_point): boolean {
    const window = Math.floor(from / this.windowBytes);
    const inWindow = from - window * this.windowBytes;
    if (inWindow + len > this.windowBytes) return false;
    let slot = this.#windowSlot[window]!;
    if (slot === NO_SLOT) {
      slot = this.#claim(window);
    } else if (slot !== this.#lastSlot && this.#slotKept[slot] === 0) {
      this.#slotKept[slot] = 1;
      this.#newcomers--;
    }
    this.#lastSlot = slot;
    this.#slotUse[slot] = ++this.#uses;
    this.#fill(slot, window, inWindow, len);
    out.buf = this.#slots[slot]!;
    out.off = inWindow;
    return true;
  }

  /** Gives the window an empty slot: its own, or that of a window that was not used for long. */
  #claim(window: number): number {
    // A window that comes back so soon would still be here, were it not for the newcomers' limit.
    const returns = this.#leftAt[window]! > this.#claims - this.#slotCount;
    const crowded = !returns && this.#newcomers >= this.#newcomersMax;
    this.#claims++;
    let slot = this.#slots.length;
    if (!crowded && slot < this.#slotCount) {
      this.#slots.push(new Uint8Array(this.windowBytes));
    } else {
      slot = this.#longestUnused(crowded);
      const leaving = this.#slotWindow[slot]!;
      this.#windowSlot[leaving] = NO_SLOT;
      this.#leftAt[leaving] = this.#claims;
      this.#filled.fill(0, slot * this.#chunks, (slot + 1) * this.#chunks);
      if (this.#slotKept[slot] === 0) this.#newcomers--;
    }
    this.#slotKept[slot] = returns ? 1 : 0;
    if (!returns) this.#newcomers++;
    this.#slotWindow[slot] = window;
    this.#windowSlot[window] = slot;
    return slot;
  }

  #longestUnused(newcomersOnly: boolean): number {
    let found = NO_SLOT;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      if (newcomersOnly && this.#slotKept[slot] !== 0) continue;
      if (found === NO_SLOT || this.#slotUse[slot]! < this.#slotUse[found]!) found = slot;
    }
    return found;
  }

  /** Reads those chunks of the range that the slot lacks, neighbours in one call. */
  #fill(slot: number, window: number, inWindow: number, len: number): void {
    const base = slot * this.#chunks;
    const end = Math.floor((inWindow + len - 1) / this.#chunkBytes) + 1;
    let chunk = Math.floor(inWindow / this.#chunkBytes);
    while (chunk < end) {
      if (this.#filled[base + chunk] !== 0) {
        chunk++;
        continue;
      }
      const first = chunk;
      while (chunk < end && this.#filled[base + chunk] === 0) chunk++;
      const at = first * this.#chunkBytes;
      const bytes = chunk * this.#chunkBytes - at;
      this.#readFile(window * this.windowBytes + at, bytes, this.#slots[slot]!, at);
      this.#filled.fill(1, base + first, base + chunk);
    }
  }

  /** May go past the chip's end, where 0xFF is read. */
  #readFile(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#flush();
    const stored = Math.max(0, Math.min(len, this.#stored - from));
    let done = 0;
    if (stored > 0) {
      try {
        done = this.#file.read(buf, bufOffset, stored, this.#offset + from);
      } catch (error) {
        throw chipErrorOfHost(error);
      }
    }
    buf.fill(0xff, bufOffset + done, bufOffset + len);
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    let done = 0;
    while (done < len) {
      const at = from + done;
      const window = Math.floor(at / this.windowBytes);
      const inWindow = at - window * this.windowBytes;
      const piece = Math.min(len - done, this.windowBytes - inWindow);
      const slot = this.#windowSlot[window]!;
      if (slot !== NO_SLOT && this.#isFilled(slot, inWindow, piece)) {
        this.#slotUse[slot] = ++this.#uses;
        const bytes = this.#slots[slot]!.subarray(inWindow, inWindow + piece);
        buf.set(bytes, bufOffset + done);
      } else {
        this.#readFile(at, piece, buf, bufOffset + done);
      }
      done += piece;
    }
  }

  #isFilled(slot: number, inWindow: number, len: number): boolean {
    const first = Math.floor(inWindow / this.#chunkBytes);
    const last = Math.floor((inWindow + len - 1) / this.#chunkBytes);
    for (let chunk = first; chunk <= last; chunk++) {
      if (this.#filled[slot * this.#chunks + chunk] === 0) return false;
    }
    return true;
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.generation++;
    if (to > this.#stored) this.#writeErased(this.#stored, to - this.#stored);
    if (this.#plugged > 0 && len <= PLUG_BYTES) this.#collect(to, len, buf, bufOffset);
    else this.#writeFile(to, len, buf, bufOffset);
    this.#show(to, len, buf, bufOffset);
  }

  fill(from: number, len: number): void {
    this.generation++;
    this.#writeErased(from, Math.min(len, this.#stored - from));
    this.#show(from, len, null, 0);
  }

  #writeErased(from: number, len: number): void {
    if (len <= 0) return;
    if (this.#erased === null || this.#erased.length < Math.min(len, FILL_BYTES)) {
      this.#erased = new Uint8Array(Math.min(len, FILL_BYTES)).fill(0xff);
    }
    for (let done = 0; done < len; done += this.#erased.length) {
      const piece = Math.min(len - done, this.#erased.length);
      this.#writeFile(from + done, piece, this.#erased, 0);
    }
  }

  plug(): void {
    this.#plugged++;
  }

  unplug(): void {
    BUG_ON(this.#plugged === 0, `${this.#file.path}: unplugged without a plug`);
    if (--this.#plugged === 0) this.#flush();
  }

  #collect(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    const end = this.#pendingAt + this.#pendingBytes;
    if (this.#pendingBytes > 0 && (to !== end || this.#pendingBytes + len > PLUG_BYTES)) {
      this.#flush();
    }
    this.#checkWriteable();
    this.#pending ??= new Uint8Array(PLUG_BYTES);
    if (this.#pendingBytes === 0) this.#pendingAt = to;
    this.#pending.set(buf.subarray(bufOffset, bufOffset + len), this.#pendingBytes);
    this.#pendingBytes += len;
    this.#stored = Math.max(this.#stored, to + len);
  }

  /** Hands the host what was collected. @throws EIO it is lost. */
  #flush(): void {
    if (this.#pendingBytes === 0) return;
    const bytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    try {
      this.#writeFile(this.#pendingAt, bytes, this.#pending!, 0);
    } catch (error) {
      this.#lost = true;
      throw error;
    }
  }

  #checkWriteable(): void {
    BUG_ON(this.#closed, `${this.#file.path}: written after it was closed`);
    if (this.#lost) throw new Errno('EIO', `${this.#file.path}: an earlier write was lost`);
  }

  #writeFile(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#flush();
    this.#checkWriteable();
    try {
      this.#file.write(buf, bufOffset, len, this.#offset + to);
    } catch (error) {
      // Nobody knows how much was stored: the windows are read again.
      this.#filled.fill(0);
      this.#stored = this.#storedNow();
      throw chipErrorOfHost(error);
    }
    this.#stored = Math.max(this.#stored, to + len);
  }

  /** Repeats a write (null: of 0xFF) in the windows that are in memory. */
  #show(to: number, len: number, buf: Uint8Array | null, bufOffset: number): void {
    let done = 0;
    while (done < len) {
      const at = to + done;
      const window = Math.floor(at / this.windowBytes);
      const inWindow = at - window * this.windowBytes;
      const piece = Math.min(len - done, this.windowBytes - inWindow);
      const slot = this.#windowSlot[window]!;
      if (slot !== NO_SLOT) {
        const bytes = this.#slots[slot]!;
        if (buf === null) bytes.fill(0xff, inWindow, inWindow + piece);
        else bytes.set(buf.subarray(bufOffset + done, bufOffset + done + piece), inWindow);
      }
      done += piece;
    }
  }

  sync(): void {
    this.#flush();
    this.#checkWriteable();
    try {
      this.#file.sync();
    } catch (error) {
      throw chipErrorOfHost(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    try {
      this.#flush();
    } finally {
      this.#closed = true;
      this.#closeFile();
    }
  }

  #closeFile(): void {
    try {
      this.#file.close();
    } catch (error) {
      throw chipErrorOfHost(error);
    } finally {
      this.#lock?.unlock();
    }
  }
}
