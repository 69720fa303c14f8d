/**
 * struct stat and directory records in the bytes of NetBSD (since 6, LP64) and of Linux (x86-64),
 * for what speaks to programs of either: emulators, traces, wire protocols. Little-endian.
 *
 * Sources: reference rump.md §1.6, §1.16 (the 32-bit forms of dev_t coincide), §1.17; Linux's forms
 * are checked against what its kernel answers.
 */
import { DIRENT_NAME_MAX, puffs_nextdent_encode, dirent_size } from './dirent.js';
import { VNOVAL, type ByteName, type vattr } from './puffs.js';
import { vattr_mode } from './vattr.js';

/** Whose structures. */
export type Abi = 'netbsd' | 'linux';

const STAT_BYTES: Readonly<Record<Abi, number>> = { netbsd: 152, linux: 144 };
const LINUX_DIRENT_NAME_OFFSET = 19;

class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }
  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
  /** Of integers up to 2^53; negative ones, too. */
  u64(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
  time(at: number, sec: number, nsec: number): void {
    this.u64(at, sec);
    this.u64(at + 8, nsec);
  }
}

/** 512-byte units. */
const blocks = (va: Readonly<vattr>): number => Math.ceil(va.va_bytes / 512);

const given = (value: number): number => (value === VNOVAL ? 0 : value);

/** struct stat of whole attributes, as getattr answers them. */
export function stat_encode(va: Readonly<vattr>, abi: Abi): Uint8Array {
  const s = new Fields(STAT_BYTES[abi]);
  s.u64(0, va.va_fsid);
  if (abi === 'netbsd') {
    s.u32(8, vattr_mode(va));
    s.u64(16, va.va_fileid);
    s.u32(24, va.va_nlink);
    s.u32(28, va.va_uid);
    s.u32(32, va.va_gid);
    s.u64(40, va.va_rdev);
    s.time(48, va.va_atime_sec, va.va_atime_nsec);
    s.time(64, va.va_mtime_sec, va.va_mtime_nsec);
    s.time(80, va.va_ctime_sec, va.va_ctime_nsec);
    s.time(96, given(va.va_birthtime_sec), given(va.va_birthtime_nsec));
    s.u64(112, va.va_size);
    s.u64(120, blocks(va));
    s.u32(128, va.va_blocksize);
    s.u32(132, given(va.va_flags));
    s.u32(136, given(va.va_gen));
    return s.bytes;
  }
  s.u64(8, va.va_fileid);
  s.u64(16, va.va_nlink);
  s.u32(24, vattr_mode(va));
  s.u32(28, va.va_uid);
  s.u32(32, va.va_gid);
  s.u64(40, va.va_rdev);
  s.u64(48, va.va_size);
  s.u64(56, va.va_blocksize);
  s.u64(64, blocks(va));
  s.time(72, va.va_atime_sec, va.va_atime_nsec);
  s.time(88, va.va_mtime_sec, va.va_mtime_nsec);
  s.time(104, va.va_ctime_sec, va.va_ctime_nsec);
  return s.bytes;
}

/** A directory record that was decoded, or is to be encoded. */
export interface AbiDirent {
  readonly name: ByteName;
  readonly fileid: number;
  /** DT_… */
  readonly type: number;
  /** Where the directory goes on behind this entry. NetBSD has it beside the records. */
  readonly next: number;
}

/** Records, one behind the other. @throws RangeError a name is too long for one. */
export function dirents_encode(entries: readonly AbiDirent[], abi: Abi): Uint8Array {
  const length = ({ name }: AbiDirent): number =>
    abi === 'netbsd'
      ? dirent_size(name.length)
      : (LINUX_DIRENT_NAME_OFFSET + name.length + 1 + 7) & ~7;
  const long = entries.find(({ name }) => name.length > DIRENT_NAME_MAX);
  if (long) throw new RangeError(`directory record: ${long.name.length} bytes`);
  const all = new Fields(entries.reduce((sum, entry) => sum + length(entry), 0));
  const room = { buf: all.bytes, off: 0, resid: all.bytes.length };
  for (const entry of entries) {
    const { name, fileid, type, next } = entry;
    if (abi === 'netbsd') {
      puffs_nextdent_encode(room, name, fileid, type);
      continue;
    }
    const at = room.off;
    all.u64(at, fileid);
    all.u64(at + 8, next);
    // The type is in the byte above the record's length.
    all.u32(at + 16, length(entry) | (type << 16));
    for (let i = 0; i < name.length; i++) {
      all.bytes[at + LINUX_DIRENT_NAME_OFFSET + i] = name.charCodeAt(i);
    }
    room.off += length(entry);
  }
  return all.bytes;
}
