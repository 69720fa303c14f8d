/**
 * The bytes of one regular file of memfs: pages by index, where a missing page is a hole.
 */

export const MEMFS_PAGE_BYTES = 4096;

/** The pages that all files of one memfs share. */
export interface MemfsSpace {
  readonly pagesMax: number;
  pagesUsed: number;
}

export class MemfsData {
  readonly #space: MemfsSpace;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(space: MemfsSpace) {
    this.#space = space;
  }

  get pageCount(): number {
    return this.#pages.size;
  }

  /** Copies `length` bytes at `position`; holes read as zeros. The caller minds the file's size. */
  read(position: number, buf: Uint8Array, off: number, length: number): void {
    forEachPiece(position, length, (index, start, count, done) => {
      const page = this.#pages.get(index);
      const at = off + done;
      if (page === undefined) buf.fill(0, at, at + count);
      else buf.set(page.subarray(start, start + count), at);
      return true;
    });
  }

  /** @returns the bytes stored: less than `length` when the space is used up. */
  write(position: number, buf: Uint8Array, off: number, length: number): number {
    return forEachPiece(position, length, (index, start, count, done) => {
      const page = this.#materialize(index);
      if (page === null) return false;
      page.set(buf.subarray(off + done, off + done + count), start);
      return true;
    });
  }

  /** Makes holes of a range real. @returns false when the space is used up. */
  allocate(position: number, length: number): boolean {
    return forEachPiece(position, length, (index) => this.#materialize(index) !== null) === length;
  }

  /** Drops everything from `size` on, so that a later extension reads zeros there. */
  truncate(size: number): void {
    const keep = Math.ceil(size / MEMFS_PAGE_BYTES);
    for (const index of this.#pages.keys()) {
      if (index >= keep) this.#drop(index);
    }
    const tail = size % MEMFS_PAGE_BYTES;
    if (tail !== 0) this.#pages.get(keep - 1)?.fill(0, tail);
  }

  /** Makes a hole: whole pages are given back, the rest of the range becomes zeros. */
  punch(position: number, length: number): void {
    const end = position + length;
    for (const [index, page] of this.#pages) {
      const start = Math.max(position - index * MEMFS_PAGE_BYTES, 0);
      const stop = Math.min(end - index * MEMFS_PAGE_BYTES, MEMFS_PAGE_BYTES);
      if (start >= stop) continue;
      if (stop - start === MEMFS_PAGE_BYTES) this.#drop(index);
      else page.fill(0, start, stop);
    }
  }

  /** First data byte at or after `position`; undefined when only holes follow. */
  nextData(position: number): number | undefined {
    const first = Math.floor(position / MEMFS_PAGE_BYTES);
    let nearest = Infinity;
    for (const index of this.#pages.keys()) {
      if (index >= first && index < nearest) nearest = index;
    }
    return nearest === Infinity ? undefined : Math.max(position, nearest * MEMFS_PAGE_BYTES);
  }

  /** First hole at or after `position`; behind the last page there is always one. */
  nextHole(position: number): number {
    let index = Math.floor(position / MEMFS_PAGE_BYTES);
    if (!this.#pages.has(index)) return position;
    while (this.#pages.has(index)) index++;
    return index * MEMFS_PAGE_BYTES;
  }

  #materialize(index: number): Uint8Array | null {
    const present = this.#pages.get(index);
    if (present !== undefined) return present;
    if (this.#space.pagesUsed >= this.#space.pagesMax) return null;
    this.#space.pagesUsed++;
    const page = new Uint8Array(MEMFS_PAGE_BYTES);
    this.#pages.set(index, page);
    return page;
  }

  #drop(index: number): void {
    this.#pages.delete(index);
    this.#space.pagesUsed--;
  }
}

/**
 * Cuts a range at page boundaries; `piece` answers false to stop.
 * @returns the bytes of the pieces that were accepted.
 */
function forEachPiece(
  position: number,
  length: number,
  piece: (index: number, start: number, count: number, done: number) => boolean,
): number {
  let done = 0;
  while (done < length) {
    const index = Math.floor((position + done) / MEMFS_PAGE_BYTES);
    const start = position + done - index * MEMFS_PAGE_BYTES;
    const count = Math.min(MEMFS_PAGE_BYTES - start, length - done);
    if (!piece(index, start, count, done)) break;
    done += count;
  }
  return done;
}
