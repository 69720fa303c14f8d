/**
 * What experiments on wear replace and watch. Each is a field of jffs2_sb_info that is null on an
 * ordinary mount, and costs one comparison there.
 */
import type { jffs2_eraseblock, jffs2_sb_info } from './nodelist.js';

/** Another choice of blocks than the built-in one. */
export interface jffs2_policy {
  /**
   * The block to collect next: one of the clean, dirty, very dirty, erasable or bad-used list. Null
   * where those are empty.
   */
  find_gc_block(c: jffs2_sb_info): jffs2_eraseblock | null;
  /** The block to write to next, of the free list; null, or no such method: its first. */
  find_free_block?(c: jffs2_sb_info): jffs2_eraseblock | null;
}

/** Hears of all that is programmed, and why; and of garbage collection's passes. */
export interface jffs2_accounts {
  /**
   * Bytes [from, to) of the node at buf[off], which has `len`, are on flash; what is behind `len`
   * is alignment.
   * @param ino inode whose writer waits for it; 0: garbage collection, or a summary.
   */
  programmed(
    buf: Uint8Array,
    off: number,
    from: number,
    to: number,
    len: number,
    ino: number,
  ): void;
  /** The same, but they are in the write buffer; */
  buffered(buf: Uint8Array, off: number, from: number, to: number, len: number, ino: number): void;
  /** so many bytes of padding, too; */
  padded(bytes: number): void;
  /** and all of those are on flash now, or are lost and will be written anew. */
  page_programmed(): void;
  page_lost(): void;
  cleanmarker(bytes: number): void;
  pass_begins(): void;
  pass_ends(): void;
}

/**
 * A medium that keeps the headers of nodes and knows what files hold without storing it. Its chip's
 * point() shows the header of the node at an offset, and no more. CRCs of data are 0 on it.
 */
export interface jffs2_thin {
  /** A node of `len` bytes is at `to` now, or on its way there; its header is at buf[off]. */
  put_node(to: number, len: number, buf: Uint8Array, off: number): void;
  /** Bytes of a file: from `ofs` on in the data of the inode node at flash[off], to buf[at]. */
  fill(flash: Uint8Array, off: number, ofs: number, buf: Uint8Array, at: number, len: number): void;
}
