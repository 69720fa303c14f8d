/** What lies on the flash, found by a walk over its bytes and not by src/jffs2. */
import type { ByteOrder } from './nodes.js';

export interface FlashNode {
  offset: number;
  /** Without the ACCURATE bit cleared: the type as it was written. */
  type: number;
  totlen: number;
  bytes: Uint8Array;
  u32(at: number): number;
  /** Of a directory entry. */
  readonly name: string;
}

/** All nodes with a plausible header, block by block. */
export function flashNodes(
  image: Uint8Array,
  eraseBytes: number,
  order: ByteOrder = 'little',
): FlashNode[] {
  const little = order === 'little';
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const found: FlashNode[] = [];
  for (let block = 0; block < image.length; block += eraseBytes) {
    for (let at = block; at + 12 <= block + eraseBytes; ) {
      const totlen = view.getUint32(at + 4, little);
      if (
        view.getUint16(at, little) !== 0x1985 ||
        totlen < 12 ||
        at + totlen > block + eraseBytes
      ) {
        at += 4;
        continue;
      }
      const offset = at;
      const bytes = image.subarray(at, at + totlen);
      found.push({
        offset,
        type: view.getUint16(at + 2, little),
        totlen,
        bytes,
        u32: (field) => view.getUint32(offset + field, little),
        get name(): string {
          return Buffer.from(bytes.subarray(40, 40 + bytes[28]!)).toString('latin1');
        },
      });
      at += Math.ceil(totlen / 4) * 4;
    }
  }
  return found;
}
