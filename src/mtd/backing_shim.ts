/**
 * A backing that passes every call on to the one below: the base of shims under a chip, which see
 * what happens to the cells (of NAND: pages with their OOB and ECC) where `shim.ts` sees calls.
 */
import type { FlashBacking } from './backing.js';
import type { mtd_point } from './mtd.js';

export class backing_shim implements FlashBacking {
  readonly sizeBytes: number;
  readonly windowBytes: number;
  protected readonly lower: FlashBacking;

  constructor(lower: FlashBacking) {
    this.sizeBytes = lower.sizeBytes;
    this.windowBytes = lower.windowBytes;
    this.lower = lower;
  }

  get generation(): number {
    return this.lower.generation;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.lower.read(from, len, buf, bufOffset);
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.lower.write(to, len, buf, bufOffset);
  }

  fill(from: number, len: number): void {
    this.lower.fill(from, len);
  }

  window(from: number, len: number, out: mtd_point): boolean {
    return this.lower.window(from, len, out);
  }

  sync(): void {
    this.lower.sync();
  }

  plug(): void {
    this.lower.plug?.();
  }

  unplug(): void {
    this.lower.unplug?.();
  }

  close(): void {
    this.lower.close();
  }
}
