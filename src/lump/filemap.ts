/**
 * The page cache and the generic read and write paths on it (Linux's mm/filemap.c).
 *
 * Page frames lie in slabs of 1 MiB that are allocated on demand up to a limit; from then on a new
 * page takes the frame of another by the CLOCK algorithm. All writing goes through to the file
 * system at once, so a page can be dropped at any time: what it holds is on the medium.
 *
 * Invariant: the bytes of a cached page past i_size are zero. read_folio must deliver them so,
 * truncation clears them, and a write past the end relies on them.
 *
 * Hot path: reading a cached page is a Map lookup and one copy. Each frame owns its Uint8Array
 * view, since making one costs about as much as copying half a page.
 */
import { file_remove_privs, file_update_time } from './attr.js';
import { BUG, BUG_ON } from './bug.js';
import { Errno } from './errno.js';
import { O_APPEND, O_DSYNC, O_SYNC, PAGE_SIZE, SB_SYNCHRONOUS } from './fs.js';
import type { address_space_operations, file, inode, page_ref } from './fs.js';

/** Default limit of one cache. */
export const PAGE_CACHE_BYTES = 32 * 1024 * 1024;
const SLAB_PAGES = 256;

/** One page frame. Frames live as long as their cache; they change owners, not identity. */
export class page implements page_ref {
  readonly buf: Uint8Array;
  readonly off: number;
  /** The frame alone: buf[off … off + PAGE_SIZE). */
  readonly bytes: Uint8Array;
  index = 0;
  /** Whose page it is; null for a free frame. */
  owner: inode | null = null;
  /** Linux's PG_uptodate: the bytes are those of the file. */
  uptodate = false;
  /** For CLOCK: used since the hand passed. */
  referenced = false;
  /** While above 0 the frame is not given to another page. */
  pins = 0;

  constructor(slab: Uint8Array, off: number) {
    this.buf = slab;
    this.off = off;
    this.bytes = slab.subarray(off, off + PAGE_SIZE);
  }
}

export class page_cache {
  readonly limit_pages: number;
  /** Pages that lost their frame to another; for statistics. */
  evictions = 0;
  private readonly frames: page[] = [];
  private readonly free: page[] = [];
  private hand = 0;

  /** @param limitBytes rounded up to a page; at least 16 pages, so that nesting finds a frame. */
  constructor(limitBytes = PAGE_CACHE_BYTES) {
    this.limit_pages = Math.max(16, Math.ceil(limitBytes / PAGE_SIZE));
  }

  /** Bytes of memory that the frames take. */
  get size_bytes(): number {
    return this.frames.length * PAGE_SIZE;
  }

  /** Pages in use. */
  get nr_pages(): number {
    return this.frames.length - this.free.length;
  }

  /** Enters a page, not up to date, for an index that is not cached. @throws ENOMEM */
  add(inode: inode, index: number): page {
    const page = this.take();
    page.owner = inode;
    page.index = index;
    page.uptodate = false;
    page.referenced = true;
    inode.i_pages ??= new Map();
    inode.i_pages.set(index, page);
    return page;
  }

  /** Forgets a page. A pinned one leaves its file now and becomes free with its last pin. */
  remove(page: page): void {
    if (page.owner === null) return;
    page.owner.i_pages?.delete(page.index);
    page.owner = null;
    if (page.pins === 0) this.free.push(page);
  }

  unpin(page: page): void {
    BUG_ON(page.pins < 1, 'unpinning a page that is not pinned');
    if (--page.pins === 0 && page.owner === null) this.free.push(page);
  }

  private take(): page {
    const free = this.free.pop();
    if (free !== undefined) return free;
    if (this.frames.length < this.limit_pages) {
      this.grow();
      return this.free.pop() as page;
    }
    return this.evict();
  }

  private grow(): void {
    const pages = Math.min(SLAB_PAGES, this.limit_pages - this.frames.length);
    const slab = new Uint8Array(pages * PAGE_SIZE);
    for (let i = pages - 1; i >= 0; i--) this.free.push(new page(slab, i * PAGE_SIZE));
    for (let i = this.free.length - 1; i >= 0; i--) this.frames.push(this.free[i]);
  }

  /** CLOCK: one round takes the marks off, so that the second finds any page but pinned ones. */
  private evict(): page {
    const frames = this.frames;
    for (let step = 2 * frames.length; step > 0; step--) {
      const page = frames[this.hand];
      if (++this.hand === frames.length) this.hand = 0;
      if (page.pins > 0) continue;
      if (page.referenced) {
        page.referenced = false;
        continue;
      }
      page.owner?.i_pages?.delete(page.index);
      this.evictions++;
      return page;
    }
    throw new Errno('ENOMEM', 'every page of the cache is pinned');
  }
}

const cache_of = (inode: inode): page_cache => inode.i_sb.s_lump.page_cache;

function operations_of(inode: inode): address_space_operations {
  const { i_aops } = inode;
  if (i_aops === null) BUG(`inode ${inode.i_ino} has no pages`);
  return i_aops;
}

// ---- filling ------------------------------------------------------------------------------------

/** Fills a page from the file system; a page that cannot be read is dropped. @throws EIO */
function fill_page(inode: inode, page: page): void {
  const cache = cache_of(inode);
  page.pins++;
  try {
    operations_of(inode).read_folio(inode, page.index, page.buf, page.off);
    page.uptodate = true;
  } finally {
    if (!page.uptodate) cache.remove(page);
    cache.unpin(page);
  }
}

function read_page(inode: inode, index: number): page {
  const page = inode.i_pages?.get(index) ?? cache_of(inode).add(inode, index);
  if (!page.uptodate) fill_page(inode, page);
  return page;
}

// ---- truncation ---------------------------------------------------------------------------------

/** Drops the pages from `fromByte` on and clears the rest of the page that it lies in. */
export function truncate_inode_pages(inode: inode, fromByte: number): void {
  const pages = inode.i_pages;
  if (pages === null || pages.size === 0) return;
  const cache = cache_of(inode);
  const first = Math.ceil(fromByte / PAGE_SIZE);
  for (const page of pages.values()) {
    if (page.index >= first) cache.remove(page);
  }
  const tail = fromByte % PAGE_SIZE;
  if (tail > 0) pages.get(first - 1)?.bytes.fill(0, tail);
}

/** Sets i_size and makes the cache agree. The file system has put the new size on the medium. */
export function truncate_setsize(inode: inode, size: number): void {
  const old = inode.i_size;
  inode.i_size = size;
  if (size < old) truncate_inode_pages(inode, size);
}

/**
 * Drops the pages, or those of some indexes, so that the next read asks the medium; not those that
 * are in use right now.
 */
export function invalidate_inode_pages(inode: inode, indexes?: Iterable<number>): void {
  const pages = inode.i_pages;
  if (pages === null) return;
  const cache = cache_of(inode);
  for (const index of indexes ?? [...pages.keys()]) {
    const page = pages.get(index);
    if (page?.pins === 0) cache.remove(page);
  }
}

// ---- reading ------------------------------------------------------------------------------------

/**
 * Reads up to `len` bytes at `pos` into buf[off…].
 * @returns the bytes read, 0 at the end of the file; fewer than asked for when the medium fails
 *   after some were read.
 * @throws EIO when the first page cannot be read.
 */
export function generic_file_read(
  file: file,
  buf: Uint8Array,
  off: number,
  len: number,
  pos: number,
): number {
  const inode = file.f_inode;
  const end = Math.min(pos + len, inode.i_size);
  let at = pos;
  while (at < end) {
    const index = Math.floor(at / PAGE_SIZE);
    let page = inode.i_pages === null ? undefined : inode.i_pages.get(index);
    if (page === undefined || !page.uptodate) {
      try {
        page = read_page(inode, index);
      } catch (error) {
        if (at > pos && error instanceof Errno) break;
        throw error;
      }
    }
    page.referenced = true;
    const start = at - index * PAGE_SIZE;
    const count = Math.min(PAGE_SIZE - start, end - at);
    buf.set(count === PAGE_SIZE ? page.bytes : page.bytes.subarray(start, start + count), off);
    off += count;
    at += count;
  }
  return at > pos ? at - pos : 0;
}

// ---- writing ------------------------------------------------------------------------------------

/**
 * Makes a page ready for a write of `count` bytes at `pos` that does not cover all of it: bytes
 * that will survive must be valid. What lies past the end of the file is zero without asking.
 */
function prepare_partial(inode: inode, page: page, pos: number, count: number): void {
  const pageStart = page.index * PAGE_SIZE;
  const nothingSurvives =
    pageStart >= inode.i_size || (pos === pageStart && pos + count >= inode.i_size);
  if (nothingSurvives) {
    page.bytes.fill(0);
    page.uptodate = true;
  } else {
    fill_page(inode, page);
  }
}

/** Writes within one page. @returns the bytes accepted. */
function write_page(
  file: file,
  inode: inode,
  buf: Uint8Array,
  off: number,
  count: number,
  pos: number,
): number {
  const cache = cache_of(inode);
  const index = Math.floor(pos / PAGE_SIZE);
  const page = inode.i_pages?.get(index) ?? cache.add(inode, index);
  let accepted = 0;
  page.pins++;
  try {
    if (!page.uptodate && count < PAGE_SIZE) prepare_partial(inode, page, pos, count);
    operations_of(inode).write_begin(file, inode, pos, count, page, page.uptodate);
    const whole = off === 0 && count === buf.length;
    page.bytes.set(whole ? buf : buf.subarray(off, off + count), pos - index * PAGE_SIZE);
    // From here on nobody may fill it from the medium, which has the old bytes yet.
    page.uptodate = true;
    page.referenced = true;
    accepted = operations_of(inode).write_end(file, inode, pos, count, page);
  } finally {
    // What the medium did not take must not be read back from here.
    if (accepted < count) cache.remove(page);
    cache.unpin(page);
  }
  return accepted;
}

/**
 * Writes `len` bytes from buf[off…] at `pos`, page by page, through write_begin and write_end.
 * The caller holds i_rwsem and has checked limits.
 * @returns the bytes written; fewer than `len` when the file system failed after some were.
 * @throws ENOSPC, EIO, EFBIG, ENOMEM when nothing was written.
 */
export function generic_perform_write(
  file: file,
  buf: Uint8Array,
  off: number,
  len: number,
  pos: number,
): number {
  const inode = file.f_inode;
  let written = 0;
  while (written < len) {
    const at = pos + written;
    const count = Math.min(PAGE_SIZE - (at % PAGE_SIZE), len - written);
    let accepted: number;
    try {
      accepted = write_page(file, inode, buf, off + written, count, at);
    } catch (error) {
      if (written > 0 && error instanceof Errno) break;
      throw error;
    }
    written += accepted;
    if (accepted < count) break;
  }
  return written;
}

/**
 * write(2) of a regular file: O_APPEND, the size limit, setuid and setgid removal, times, and
 * O_SYNC/O_DSYNC. Takes i_rwsem.
 * @returns the bytes written, see generic_perform_write(); fewer than `len` at the size limit.
 * @throws EFBIG at the size limit; those of generic_perform_write() and of fsync.
 */
export function generic_file_write(
  file: file,
  buf: Uint8Array,
  off: number,
  len: number,
  pos: number,
): number {
  const inode = file.f_inode;
  if (len === 0) return 0;
  let written: number;
  inode.i_rwsem.down_write();
  try {
    const at = (file.f_flags & O_APPEND) !== 0 ? inode.i_size : pos;
    const limit = inode.i_sb.s_maxbytes;
    if (at >= limit) throw new Errno('EFBIG');
    file_remove_privs(file);
    file_update_time(file);
    written = generic_perform_write(file, buf, off, Math.min(len, limit - at), at);
  } finally {
    inode.i_rwsem.up_write();
  }
  const sync = (file.f_flags & O_DSYNC) !== 0 || (inode.i_sb.s_flags & SB_SYNCHRONOUS) !== 0;
  if (sync) inode.i_fop.fsync?.(file, (file.f_flags & O_SYNC) !== O_SYNC);
  return written;
}
