/** Cells in memory. */
import type { FlashBacking } from './backing.js';
import type { mtd_point } from './mtd.js';

/** The cells in memory. */
export class RamBacking implements FlashBacking {
  readonly sizeBytes: number;
  readonly windowBytes: number;
  generation = 0;
  /** The cells themselves; who writes here does it behind the chip's back. */
  readonly bytes: Uint8Array;

  /** @param content what the chip holds (used, not copied), or the size of an erased chip. */
  constructor(content: Uint8Array | number) {
    this.bytes = typeof content === 'number' ? new Uint8Array(content).fill(0xff) : content;
    this.sizeBytes = this.bytes.length;
    this.windowBytes = this.sizeBytes;
  }

  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    buf.set(this.bytes.subarray(from, from + len), bufOffset);
  }

  write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.generation++;
    this.bytes.set(buf.subarray(bufOffset, bufOffset + len), to);
  }

  fill(from: number, len: number): void {
    this.generation++;
    this.bytes.fill(0xff, from, from + len);
  }

  window(from: number, _len: number, out: mtd_point): boolean {
    out.buf = this.bytes;
    out.off = from;
    return true;
  }

  sync(): void {}

  close(): void {}
}
