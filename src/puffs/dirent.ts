/**
 * Directory records in NetBSD's layout since 3.0 ("dirent30"), and the two helpers with which a
 * puffs server fills a buffer of them. Callers inside lump take records through
 * {@link puffs_nextdent} instead; this is for what speaks the wire's format.
 *
 *   0 u64 inode · 8 u16 record length · 10 u16 name length · 12 u8 DT_ type · 13 name · NUL
 *
 * Little-endian, like the hosts. The record length is rounded up to 8.
 * Source: reference rump.md §1.6.
 */
import type { ByteName } from './puffs.js';

const DIRENT_NAME_OFFSET = 13;
/** Bytes of a name the structure has room for; the kernel's own limit is 255. */
export const DIRENT_NAME_MAX = 511;

/** A directory record. `d_type` is DT_*. */
export interface dirent {
  d_fileno: number;
  d_type: number;
  d_name: ByteName;
}

/** Free space of a buffer of records: the next one goes to buf[off], `resid` bytes are left. */
export interface dirent_room {
  readonly buf: Uint8Array;
  off: number;
  resid: number;
}

/** _DIRENT_SIZE */
export function dirent_size(nameLength: number): number {
  return (DIRENT_NAME_OFFSET + nameLength + 1 + 7) & ~7;
}

/**
 * Appends a record and lowers the room.
 * @returns false when it does not fit: stop, no error.
 */
export function puffs_nextdent_encode(
  room: dirent_room,
  name: ByteName,
  fileno: number,
  dtype: number,
): boolean {
  const length = dirent_size(name.length);
  if (name.length > DIRENT_NAME_MAX) throw new RangeError(`directory record: ${name.length} bytes`);
  if (room.resid < length) return false;
  const at = room.off;
  const view = new DataView(room.buf.buffer, room.buf.byteOffset + at, length);
  room.buf.fill(0, at, at + length);
  view.setUint32(0, fileno >>> 0, true);
  view.setUint32(4, Math.floor(fileno / 2 ** 32), true);
  view.setUint16(8, length, true);
  view.setUint16(10, name.length, true);
  view.setUint8(12, dtype);
  for (let i = 0; i < name.length; i++) {
    room.buf[at + DIRENT_NAME_OFFSET + i] = name.charCodeAt(i);
  }
  room.off += length;
  room.resid -= length;
  return true;
}

/** Reads the records of buf[0…end). @throws RangeError for a record that is none. */
export function dirents_decode(buf: Uint8Array, end = buf.length): dirent[] {
  const records: dirent[] = [];
  const view = new DataView(buf.buffer, buf.byteOffset, end);
  for (let at = 0; at < end; ) {
    if (end - at < dirent_size(0)) throw new RangeError(`directory record cut off at ${at}`);
    const length = view.getUint16(at + 8, true);
    const nameLength = view.getUint16(at + 10, true);
    if (length < dirent_size(nameLength) || (length & 7) !== 0 || length > end - at) {
      throw new RangeError(`directory record of ${length} bytes at ${at}`);
    }
    let name = '';
    for (let i = 0; i < nameLength; i++) {
      name += String.fromCharCode(buf[at + DIRENT_NAME_OFFSET + i]!);
    }
    const fileno = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    records.push({ d_fileno: fileno, d_type: view.getUint8(at + 12), d_name: name });
    at += length;
  }
  return records;
}
