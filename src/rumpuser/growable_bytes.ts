/** The contents of a file that lives in memory. Bytes between the end and a later write are 0. */
export class GrowableBytes {
  /** Room; the first `size` bytes are the contents, the others are 0. */
  private room: Uint8Array;
  size: number;

  /** Uses `bytes` in place, until more room is needed. */
  constructor(bytes: Uint8Array) {
    this.room = bytes;
    this.size = bytes.length;
  }

  /** A view of the contents, valid until the next write or truncate. */
  view(): Uint8Array {
    return this.room.subarray(0, this.size);
  }

  /** @returns the bytes read; less than `length` only at the end. */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.size - position));
    if (count > 0) buffer.set(this.room.subarray(position, position + count), bufferOffset);
    return count;
  }

  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    if (length === 0) return;
    if (position + length > this.size) this.resize(position + length);
    this.room.set(buffer.subarray(bufferOffset, bufferOffset + length), position);
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.room.length) {
      const room = new Uint8Array(Math.max(sizeBytes, Math.min(2 * this.room.length, 1 << 30)));
      room.set(this.view());
      this.room = room;
    } else if (sizeBytes < this.size) {
      this.room.fill(0, sizeBytes, this.size);
    }
    this.size = sizeBytes;
  }
}
