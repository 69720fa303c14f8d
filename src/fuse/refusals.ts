/**
 * Stops who writes to a full medium.
 *
 * With the write-back cache, write(2) ends when the bytes are in the kernel's cache. That they were
 * refused when they came here is told to fsync(2) and close(2) only: a program that does nothing
 * but write goes on for ever. But before it takes bytes, the kernel makes sure that it knows the
 * file's attributes, and a failure of that is the write's own (Linux: fuse_cache_write_iter). So
 * when pages were refused, the attributes are declared stale, and the question that the next
 * write(2) brings is answered ENOSPC, once. It names a file handle, which the one of a stat(2) does
 * not; that of an lseek(2) to the end does, and may fail instead.
 */
import type { Cookie } from '../puffs/puffs.js';

export class Refusals {
  private readonly nodes = new Set<Cookie>();

  /** Pages of the node did not fit. */
  add(node: Cookie): void {
    this.nodes.add(node);
  }

  /** Must the question for the attributes fail? Only once. */
  take(node: Cookie): boolean {
    return this.nodes.delete(node);
  }

  /** Something was removed: nobody shall hear of what is not so any more. */
  clear(): void {
    this.nodes.clear();
  }
}
