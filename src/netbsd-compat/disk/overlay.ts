/** A disk that is not written to: what is written stays in memory, in front of it. */
import { disk_check, type disk } from './disk.js';

const PIECE_BYTES = 4096;

export class disk_overlay implements disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly = false;
  private readonly below: disk;
  private readonly pieces = new Map<number, Uint8Array>();

  constructor(below: disk) {
    this.below = below;
    this.name = below.name;
    this.sizeBytes = below.sizeBytes;
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    this.below.read(buf, off, length, position);
    if (this.pieces.size === 0) return;
    this.each(position, length, (number, at, count, done) => {
      const piece = this.pieces.get(number);
      if (piece !== undefined) buf.set(piece.subarray(at, at + count), off + done);
    });
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    this.each(position, length, (number, at, count, done) => {
      let piece = this.pieces.get(number);
      if (piece === undefined) {
        piece = new Uint8Array(PIECE_BYTES);
        const start = number * PIECE_BYTES;
        const bytes = Math.min(PIECE_BYTES, this.sizeBytes - start);
        this.below.read(piece, 0, bytes, start);
        this.pieces.set(number, piece);
      }
      piece.set(buf.subarray(off + done, off + done + count), at);
    });
  }

  /** There is nothing that could be made safe. */
  flush(): void {}

  close(): void {
    this.below.close();
  }

  private each(
    position: number,
    length: number,
    use: (number: number, at: number, count: number, done: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const number = Math.floor((position + done) / PIECE_BYTES);
      const at = position + done - number * PIECE_BYTES;
      const count = Math.min(PIECE_BYTES - at, length - done);
      use(number, at, count, done);
      done += count;
    }
  }
}
