/** READDIR and READDIRPLUS: directory records into a reply of limited size. */
import {
  NAMEI_LOOKUP,
  type ByteName,
  type puffs_nextdent,
  type puffs_readdir_result,
} from '../puffs/puffs.js';
import { putOpen } from './files.js';
import { MAX_WRITE_BYTES } from './init.js';
import {
  FOPEN_CACHE_DIR,
  FOPEN_KEEP_CACHE,
  fuse_dirent,
  fuse_direntplus,
  fuse_read_in,
} from './protocol.js';
import { ENOSYS, IN, OUT } from './reply.js';
import type { FuseSession } from './session.js';

const recordBytes = (headBytes: number, name: string): number => (headBytes + name.length + 7) & ~7;

/**
 * False for what only a damaged or hostile medium has. Nobody could reach such a name, and the
 * kernel would refuse the whole directory for it.
 */
export const isReachable = (name: ByteName): boolean => name.length > 0 && !name.includes('/');

/**
 * Collects what a file system emits until the reply would be full. Reused by all requests of a
 * session, since one is served after the other.
 */
export class DirectoryReader {
  private headBytes = 0;
  private bytes = 0;
  private bytesMax = 0;
  count = 0;
  readonly names: string[] = [];
  readonly inodes: number[] = [];
  readonly types: number[] = [];
  readonly nextOffsets: number[] = [];
  readonly result: puffs_readdir_result = { eof: false };

  /** Starts over, for records of `headBytes` and a name each, `bytesMax` together. */
  start(headBytes: number, bytesMax: number): void {
    this.headBytes = headBytes;
    this.bytes = 0;
    this.bytesMax = bytesMax;
    this.count = 0;
  }

  readonly emit: puffs_nextdent = (name, fileid, dtype, nextOffset) => {
    if (!isReachable(name)) return true;
    const bytes = this.bytes + recordBytes(this.headBytes, name);
    if (bytes > this.bytesMax) return false;
    this.bytes = bytes;
    const i = this.count++;
    this.names[i] = name;
    this.inodes[i] = fileid;
    this.types[i] = dtype;
    this.nextOffsets[i] = nextOffset;
    return true;
  };
}

/** FUSE_OPENDIR: as FUSE_OPEN, nothing is kept; the kernel may cache whole directories. */
export function opendir(s: FuseSession): number {
  return s.statelessOpendir ? -ENOSYS : putOpen(s, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
}

/** FUSE_READDIR */
export function readdir(s: FuseSession): number {
  const error = collect(s, fuse_dirent.bytes);
  if (error !== 0) return s.fail(error);
  let at = OUT;
  for (let i = 0; i < s.directory.count; i++) at = putDirent(s, at, i);
  return at - OUT;
}

/**
 * FUSE_READDIRPLUS: each record carries what a lookup would answer, and hands one out. Names are
 * looked up after the directory was read, so that the file system is not entered twice.
 */
export function readdirplus(s: FuseSession): number {
  const { directory, info, reply } = s;
  const error = collect(s, fuse_direntplus.bytes);
  if (error !== 0) return s.fail(error);
  let at = OUT;
  for (let i = 0; i < directory.count; i++) {
    const name = directory.names[i]!;
    const isDot = name === '.' || name === '..';
    if (!isDot && s.fs.node_lookup(s.node, info, s.component(NAMEI_LOOKUP, name)) === 0) {
      s.putEntry(at);
    } else {
      // Node id 0: this record is a plain one.
      reply.bytes.fill(0, at, at + fuse_direntplus.at.dirent);
    }
    at = putDirent(s, at + fuse_direntplus.at.dirent, i);
  }
  return at - OUT;
}

/** @returns 0 or a NetBSD errno. */
function collect(s: FuseSession, headBytes: number): number {
  const r = fuse_read_in.at;
  const { directory } = s;
  directory.start(headBytes, Math.min(s.request.u32(IN + r.size), MAX_WRITE_BYTES));
  return s.fs.node_readdir(
    s.node,
    s.request.u64(IN + r.offset),
    s.cred,
    directory.emit,
    directory.result,
  );
}

/** @returns where the next record starts. */
function putDirent(s: FuseSession, at: number, index: number): number {
  const d = fuse_dirent.at;
  const { directory, reply } = s;
  const name = directory.names[index]!;
  const end = at + recordBytes(fuse_dirent.bytes, name);
  reply.putU64(at + d.ino, directory.inodes[index]!);
  reply.putU64(at + d.off, directory.nextOffsets[index]!);
  reply.putU32(at + d.namelen, name.length);
  reply.putU32(at + d.type, directory.types[index]!);
  const nameAt = at + fuse_dirent.bytes;
  for (let i = nameAt + name.length; i < end; i++) reply.bytes[i] = 0;
  reply.bytes.write(name, nameAt, 'latin1');
  return end;
}
