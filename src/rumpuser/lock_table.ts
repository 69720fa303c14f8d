/** Whole-file locks inside one process: any number of readers, or one writer, per key. */
export class LockTable {
  /** Readers of a key, or -1 for a writer. */
  private readonly held = new Map<string, number>();

  /** @returns what releases the lock (more than once does no harm), or null when it is taken. */
  acquire(key: string, kind: 'shared' | 'exclusive'): (() => void) | null {
    const holders = this.held.get(key) ?? 0;
    if (holders < 0 || (kind === 'exclusive' && holders > 0)) return null;
    this.held.set(key, kind === 'exclusive' ? -1 : holders + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const now = this.held.get(key) ?? 0;
      if (now > 1) this.held.set(key, now - 1);
      else this.held.delete(key);
    };
  }
}
