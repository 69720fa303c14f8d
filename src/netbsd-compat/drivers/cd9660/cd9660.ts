/**
 * cd9660: ISO 9660, read-only, with Rock Ridge (names, modes, owners, links, devices, directories
 * that were moved), else Joliet, else plain names in lower case without their versions.
 */
import { bufcache } from '../../buf.js';
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import { genfs_node, type genfs_limits } from '../../genfs_node.js';
import { genfs_vfsops, type genfs_fs } from '../../genfs_vfsops.js';
import { genfs_vnops } from '../../genfs_vnops.js';
import { genfs_probe, genfs_volume } from '../../genfs_volume.js';
import { vfs_module } from '../../module.js';
import { bytesToName } from '../../../lump/types.js';
import type { Lump } from '../../../lump/lump.js';
import { textToName } from '../../../puffs/name.js';
import {
  VDIR,
  VLNK,
  VNON,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
} from '../../../puffs/puffs.js';
import { mode_to_vtype, vtype_to_dt } from '../../../puffs/vattr.js';
import { read_rock_ridge, short_time, susp_skip, type rock_ridge } from './cd9660_rrip.js';
import {
  ISO_ASSOCIATED,
  ISO_DESCRIPTORS,
  ISO_DIRECTORY,
  ISO_ID,
  ISO_MULTIEXTENT,
  ISO_SECTOR,
  isodr,
  ISODR_NAME_AT,
  isovd,
  JOLIET_ESCAPES,
  VD_END,
  VD_ESCAPES_AT,
  VD_ID_AT,
  VD_PRIMARY,
  VD_SUPPLEMENTARY,
} from './medium.js';

export interface cd9660_args {
  readonly disk: disk;
  /** Do not look for Rock Ridge, or Joliet. */
  readonly norrip: boolean;
  readonly nojoliet: boolean;
}

/** Directories of more bytes than that are damaged, or meant to tire us. */
const DIRECTORY_BYTES_MAX = 64 << 20;
const DESCRIPTORS_MAX = 64;
const RECORD_BYTES_MIN = 34;

interface extent {
  readonly position: number;
  readonly bytes: number;
}

interface record {
  /** Bytes from the start of the volume. */
  readonly position: number;
  readonly extent: extent;
  readonly flags: number;
  readonly name: Uint8Array;
  readonly date: Uint8Array;
  readonly area: Uint8Array;
}

interface iso_entry {
  readonly name: ByteName;
  readonly number: number;
  readonly type: number;
}

class iso_node extends genfs_node {
  i_extents: extent[] = [];
  i_link: ByteName = '';
  i_names: Map<ByteName, iso_entry> | null = null;
  /** Where ".." leads. */
  i_parent = 0;
}

/** Keys: directories by the place of their contents, files by that of their record. */
const directory_key = (position: number): number => position * 2;
const record_key = (position: number): number => position * 2 + 1;

const erofs = (): never => {
  throw new NetbsdErrno('EROFS');
};

class cd9660 extends genfs_volume implements genfs_fs<iso_node> {
  readonly limits: genfs_limits = {
    nameBytes: 255,
    links: 0xffff,
    symlinkBytes: 4095,
    fileBytes: Number.MAX_SAFE_INTEGER,
    timeSecMin: -(2 ** 40),
    timeSecMax: 2 ** 40,
    timeGranularityNsec: 1,
    blockBytes: ISO_SECTOR,
  };
  readonly vnops = new genfs_vnops<iso_node>(this);
  readonly cache: bufcache;
  readonly root: number;
  private readonly block_bytes: number;
  private readonly blocks: number;
  private readonly joliet: boolean;
  /** Bytes to skip in system use areas; -1: no Rock Ridge. */
  private readonly skip: number;

  constructor(lump: Lump, { disk, norrip, nojoliet }: cd9660_args) {
    super('cd9660', lump, disk);
    this.cache = new bufcache(lump, disk, ISO_SECTOR);
    try {
      const { primary, joliet } = descriptors(disk);
      this.block_bytes = isovd.block_size.get(primary, 0);
      this.blocks = isovd.space_size.get(primary, 0);
      if (![512, 1024, 2048].includes(this.block_bytes)) {
        throw new NetbsdErrno('EINVAL', `${disk.name}: blocks of ${this.block_bytes} bytes`);
      }
      this.skip = norrip ? -1 : this.rock_ridge_skip(primary);
      this.joliet = this.skip < 0 && joliet !== null && !nojoliet;
      const descriptor = this.joliet ? joliet! : primary;
      const { extent } = this.parse(descriptor, isovd.root.at, 0);
      this.root = directory_key(extent.position);
    } catch (error) {
      this.cache.close();
      throw error;
    }
  }

  get volume(): this {
    return this;
  }

  open_reading(): void {
    const names = this.skip >= 0 ? 'Rock Ridge' : this.joliet ? 'Joliet' : 'plain names';
    this.lump.pr_info(`cd9660: ${names}`);
  }

  open_writing(): void {
    throw new NetbsdErrno('EROFS', 'ISO 9660 cannot be written');
  }

  close_writing(): void {}

  private rock_ridge_skip(primary: Uint8Array): number {
    const { extent } = this.parse(primary, isovd.root.at, 0);
    const dot = this.bytes(extent.position, 256);
    if (isodr.length.get(dot, 0) < RECORD_BYTES_MIN) return -1;
    return susp_skip(this.parse(dot, 0, extent.position).area);
  }

  // ---- records ----------------------------------------------------------------------------------

  /** Bytes of the volume; short at its end. */
  private bytes(position: number, length: number): Uint8Array {
    const count = Math.max(0, Math.min(length, this.disk.sizeBytes - position));
    const out = new Uint8Array(count);
    this.cache.read_bytes(out, 0, count, position);
    return out;
  }

  private parse(b: Uint8Array, at: number, position: number): record {
    const end = at + isodr.length.get(b, at);
    const nameLength = isodr.name_len.get(b, at);
    const nameEnd = Math.min(at + ISODR_NAME_AT + nameLength, end);
    // A pad byte makes the length of the name and what stands before it even.
    const areaAt = Math.min(at + ISODR_NAME_AT + nameLength + (1 - (nameLength & 1)), end);
    const first = isodr.extent.get(b, at) + isodr.ext_attr_length.get(b, at);
    return {
      position,
      extent: { position: first * this.block_bytes, bytes: isodr.size.get(b, at) },
      flags: isodr.flags.get(b, at),
      name: b.slice(at + ISODR_NAME_AT, nameEnd),
      date: b.slice(at + isodr.date.at, at + isodr.date.at + 7),
      area: b.slice(areaAt, Math.max(areaAt, end)),
    };
  }

  private *records({ position, bytes }: extent): Generator<record, void, void> {
    if (bytes > DIRECTORY_BYTES_MAX) throw this.eio(`a directory of ${bytes} bytes`);
    for (let at = 0; at < bytes; at += ISO_SECTOR) {
      const sector = this.bytes(position + at, Math.min(ISO_SECTOR, bytes - at));
      for (let off = 0; off + RECORD_BYTES_MIN <= sector.length; ) {
        const length = isodr.length.get(sector, off);
        if (length === 0) break;
        if (length < RECORD_BYTES_MIN || off + length > sector.length) {
          this.damage(`directory at ${position}: a record of ${length} bytes`);
          break;
        }
        yield this.parse(sector, off, position + at + off);
        off += length;
      }
    }
  }

  private rock_ridge(record: record): rock_ridge | null {
    if (this.skip < 0) return null;
    return read_rock_ridge(record.area, this.skip, (block, offset, length) =>
      this.bytes(block * this.block_bytes + offset, length),
    );
  }

  // ---- nodes ------------------------------------------------------------------------------------

  /** @throws ESTALE, EIO */
  load(key: number): iso_node {
    const position = Math.floor(key / 2);
    if (!Number.isSafeInteger(key) || position + RECORD_BYTES_MIN > this.disk.sizeBytes) {
      throw new NetbsdErrno('ESTALE', `node ${key}`);
    }
    const sectorEnd = ISO_SECTOR - (position % ISO_SECTOR);
    const b = this.bytes(position, Math.min(256, sectorEnd));
    if (b.length < RECORD_BYTES_MIN || isodr.length.get(b, 0) < RECORD_BYTES_MIN) {
      throw this.eio(`no directory record at ${position}`);
    }
    const record = this.parse(b, 0, position);
    return (key & 1) === 0 ? this.directory(key, record) : this.file(key, record);
  }

  /** `record` is its own ".". */
  private directory(key: number, record: record): iso_node {
    const node = new iso_node(key, VDIR);
    if (directory_key(record.extent.position) !== key) throw this.eio(`"." at ${key / 2} lies`);
    this.fill(node, record, this.rock_ridge(record));
    node.i_extents = [record.extent];
    node.i_size = record.extent.bytes;
    const [, dotdot] = this.records({ ...record.extent, bytes: Math.min(node.i_size, ISO_SECTOR) });
    node.i_parent = dotdot === undefined ? key : this.parent_of(dotdot);
    return node;
  }

  /** Where a directory's ".." leads: of one that was moved, to where it was. */
  private parent_of(dotdot: record): number {
    const parent = this.rock_ridge(dotdot)?.parent ?? 0;
    return directory_key(parent === 0 ? dotdot.extent.position : parent * this.block_bytes);
  }

  private file(key: number, record: record): iso_node {
    const rr = this.rock_ridge(record);
    const type = this.type_of(record, rr);
    if (type === VDIR) throw this.eio(`record ${record.position} is a directory`);
    const node = new iso_node(key, type);
    this.fill(node, record, rr);
    if (type === VREG) {
      node.i_extents = this.extents(record);
      node.i_size = node.i_extents.reduce((sum, { bytes }) => sum + bytes, 0);
      node.i_bytes = Math.ceil(node.i_size / ISO_SECTOR) * ISO_SECTOR;
    }
    if (type === VLNK) {
      node.i_link = rr?.link ?? '';
      node.i_size = node.i_link.length;
    }
    return node;
  }

  private type_of({ flags }: record, rr: rock_ridge | null): number {
    if (rr !== null && rr.child !== 0) return VDIR;
    if ((flags & ISO_DIRECTORY) !== 0) return VDIR;
    const type = rr?.mode == null ? VREG : mode_to_vtype(rr.mode & 0o170000);
    return type === VNON || type === VDIR ? VREG : type;
  }

  private fill(node: iso_node, record: record, rr: rock_ridge | null): void {
    const date = short_time(record.date, 0);
    node.i_mode = rr?.mode == null ? 0o555 : rr.mode & 0o7777;
    node.i_nlink = Math.max(1, rr?.links ?? (node.i_type === VDIR ? 2 : 1));
    node.i_uid = rr?.uid ?? 0;
    node.i_gid = rr?.gid ?? 0;
    node.i_rdev = rr?.rdev ?? 0;
    node.i_mtime = rr?.mtime ?? date;
    node.i_atime = rr?.atime ?? node.i_mtime;
    node.i_ctime = rr?.ctime ?? node.i_mtime;
  }

  /** A large file has several records, one after the other. */
  private extents(record: record): extent[] {
    const extents = [record.extent];
    if ((record.flags & ISO_MULTIEXTENT) === 0) return extents;
    let at = record.position;
    for (let more = true; more && extents.length < 0xffff; ) {
      const own = this.bytes(at, 1)[0]!;
      let next = at + own;
      let b = this.bytes(next, 256);
      if (b.length < RECORD_BYTES_MIN) break;
      if (isodr.length.get(b, 0) === 0 || next % ISO_SECTOR === 0) {
        next = Math.ceil(next / ISO_SECTOR) * ISO_SECTOR;
        b = this.bytes(next, 256);
      }
      if (b.length < RECORD_BYTES_MIN || isodr.length.get(b, 0) < RECORD_BYTES_MIN) break;
      const part = this.parse(b, 0, next);
      extents.push(part.extent);
      more = (part.flags & ISO_MULTIEXTENT) !== 0;
      at = next;
    }
    return extents;
  }

  // ---- directories ------------------------------------------------------------------------------

  lookup(dir: iso_node, name: ByteName): number {
    if (name === '..') return dir.i_number === this.root ? this.root : dir.i_parent;
    return this.names_of(dir).get(name)?.number ?? 0;
  }

  private names_of(dir: iso_node): Map<ByteName, iso_entry> {
    if (dir.i_names !== null) return dir.i_names;
    const names = new Map<ByteName, iso_entry>();
    let isContinued = false;
    let index = 0;
    for (const record of this.records(dir.i_extents[0]!)) {
      const isPart = isContinued;
      isContinued = (record.flags & ISO_MULTIEXTENT) !== 0;
      if (index++ < 2 || isPart || (record.flags & ISO_ASSOCIATED) !== 0) continue;
      const entry = this.entry(record);
      if (entry === null) continue;
      if (
        entry.name === '' ||
        entry.name === '.' ||
        entry.name === '..' ||
        /[/\0]/.test(entry.name)
      ) {
        this.damage(`directory ${dir.i_number} has an entry that is no name`);
      } else if (!names.has(entry.name)) {
        names.set(entry.name, entry);
      }
    }
    dir.i_names = names;
    return names;
  }

  /** null: it is not to be seen. */
  private entry(record: record): iso_entry | null {
    const rr = this.rock_ridge(record);
    if (rr?.is_relocated) return null;
    const type = this.type_of(record, rr);
    const name = rr?.name ?? this.plain_name(record.name);
    if (type !== VDIR) return { name, type, number: record_key(record.position) };
    const moved = rr !== null && rr.child !== 0;
    const position = moved ? rr.child * this.block_bytes : record.extent.position;
    return { name, type, number: directory_key(position) };
  }

  private plain_name(bytes: Uint8Array): ByteName {
    if (this.joliet) {
      let text = '';
      for (let i = 0; i + 1 < bytes.length; i += 2) {
        text += String.fromCharCode((bytes[i]! << 8) | bytes[i + 1]!);
      }
      return textToName(text.replace(/;\d+$/, ''));
    }
    return bytesToName(bytes).replace(/;\d+$/, '').replace(/\.$/, '').toLowerCase();
  }

  readdir(dir: iso_node, offset: number, emit: puffs_nextdent): boolean {
    const dtDir = vtype_to_dt(VDIR);
    if (offset <= 0 && !emit('.', dir.i_number, dtDir, 1)) return false;
    if (offset <= 1 && !emit('..', this.lookup(dir, '..'), dtDir, 2)) return false;
    const entries = [...this.names_of(dir).values()];
    for (let at = Math.max(0, offset - 2); at < entries.length; at++) {
      const { name, number, type } = entries[at]!;
      if (!emit(name, number, vtype_to_dt(type), at + 3)) return false;
    }
    return true;
  }

  is_empty(dir: iso_node): boolean {
    return this.names_of(dir).size === 0;
  }

  // ---- contents ---------------------------------------------------------------------------------

  read(node: iso_node, buf: Uint8Array, off: number, length: number, position: number): void {
    let start = 0;
    for (const extent of node.i_extents) {
      const from = Math.max(position, start);
      const to = Math.min(position + length, start + extent.bytes);
      if (from < to) {
        const at = extent.position + from - start;
        if (at + (to - from) > this.disk.sizeBytes) throw this.eio('contents are cut off');
        this.cache.read_bytes(buf, off + from - position, to - from, at);
      }
      start += extent.bytes;
    }
  }

  readlink(node: iso_node): ByteName {
    return node.i_link;
  }

  seek(_node: iso_node, offset: number, hole: boolean): number {
    return hole ? -1 : offset;
  }

  forget(node: iso_node): void {
    node.i_names = null;
  }

  statvfs(out: puffs_statvfs): void {
    out.f_bsize = out.f_frsize = this.block_bytes;
    out.f_blocks = this.blocks;
    out.f_bfree = out.f_bavail = 0;
    out.f_files = out.f_ffree = out.f_favail = 0;
    out.f_namemax = this.limits.nameBytes;
  }

  enter = erofs;
  remove = erofs;
  rewrite = erofs;
  make = erofs;
  truncate = erofs;
  write = erofs;
  symlink = erofs;
  update = erofs;
  free = erofs;
  sync(): void {}
}

/** @throws EINVAL */
function descriptors(disk: disk): { primary: Uint8Array; joliet: Uint8Array | null } {
  let primary: Uint8Array | null = null;
  let joliet: Uint8Array | null = null;
  for (let i = 0; i < DESCRIPTORS_MAX; i++) {
    const position = (ISO_DESCRIPTORS + i) * ISO_SECTOR;
    if (position + ISO_SECTOR > disk.sizeBytes) break;
    const b = new Uint8Array(ISO_SECTOR);
    disk.read(b, 0, ISO_SECTOR, position);
    if (bytesToName(b, VD_ID_AT, VD_ID_AT + ISO_ID.length) !== ISO_ID) break;
    const type = isovd.type.get(b, 0);
    if (type === VD_END) break;
    if (type === VD_PRIMARY) primary ??= b;
    const escapes = bytesToName(b, VD_ESCAPES_AT, VD_ESCAPES_AT + 3);
    const isJoliet = (JOLIET_ESCAPES as readonly string[]).includes(escapes);
    if (type === VD_SUPPLEMENTARY && isJoliet) joliet ??= b;
  }
  if (primary === null) throw new NetbsdErrno('EINVAL', `${disk.name} is no ISO 9660 file system`);
  return { primary, joliet };
}

/** Has the disk a primary volume descriptor? */
export const cd9660_probe = genfs_probe(descriptors);

export const cd9660_module = vfs_module(
  'cd9660',
  genfs_vfsops<cd9660_args>({
    vfs_name: 'cd9660',
    uses_namecache: false,
    open: (lump, args) => new cd9660(lump, args),
  }),
);
