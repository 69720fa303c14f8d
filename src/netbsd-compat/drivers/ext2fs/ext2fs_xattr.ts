/**
 * Extended attributes: some lie in the inode, behind its fields, where inodes have more than 128
 * bytes; the others in one block, which several inodes may share (of ours, none do). Both places
 * have entries from the front and values from the back.
 *
 * Facts: the kernel's Documentation/filesystems/ext4/attributes; the hash of an entry, which e2fsck
 * recomputes, is checked with e2fsck on what is written here.
 */
import { bytesToName, putName } from '../../../lump/types.js';
import { aclDecode, aclEncode, aclIsNamed, type AclEntry } from '../../../puffs/acl.js';
import { ACL_ACCESS, ACL_DEFAULT } from '../../../puffs/extattr.js';
import type { ByteName } from '../../../puffs/puffs.js';
import { NetbsdErrno } from '../../errno.js';
import type { genfs_extattr } from '../../genfs_node.js';
import { le16, le32 } from '../../structure.js';
import type { ext2_inode } from './ext2fs_inode.js';
import type { ext2fs_super } from './ext2fs_super.js';
import {
  e2di,
  e2ea,
  e2eae,
  e2fs,
  EXT2_ACL_VERSION,
  EXT2_INODE_BYTES,
  EXT2_XATTR_ENTRY_BYTES,
  EXT2_XATTR_HEADER_BYTES,
  EXT2_XATTR_MAGIC,
  EXT2F_COMPAT_EXT_ATTR,
} from './medium.js';

interface attribute {
  /** Stands for a prefix. */
  readonly index: number;
  readonly name: ByteName;
  readonly value: Uint8Array;
}

/** Where attributes lie: bytes of a buffer. */
interface area {
  readonly bytes: Uint8Array;
  /** From here on. */
  readonly start: number;
  readonly end: number;
  /** Where the first entry is. */
  readonly first: number;
  /** What the places of values are counted from. */
  readonly origin: number;
}

/** Prefixes by e_name_index. */
const PREFIXES: readonly (readonly [number, string])[] = [
  [1, 'user.'],
  [2, ACL_ACCESS],
  [3, ACL_DEFAULT],
  [4, 'trusted.'],
  [6, 'security.'],
];
const INDEX_ACL_ACCESS = 2;
const INDEX_ACL_DEFAULT = 3;
const NAME_BYTES_MAX = 255;
const TERMINATOR_BYTES = 4;

const padded = (length: number): number => (length + 3) & ~3;

/** Bytes that an attribute takes. */
const cost = ({ name, value }: attribute): number =>
  padded(EXT2_XATTR_ENTRY_BYTES + name.length) + padded(value.length);

const total = (list: readonly attribute[]): number =>
  list.reduce((sum, each) => sum + cost(each), 0);

const room = ({ first, end }: area): number => end - first - TERMINATOR_BYTES;

const isSame = (a: attribute, b: Pick<attribute, 'index' | 'name'>): boolean =>
  a.index === b.index && a.name === b.name;

const isAcl = (index: number): boolean => index === INDEX_ACL_ACCESS || index === INDEX_ACL_DEFAULT;

export class ext2fs_xattr implements genfs_extattr<ext2_inode> {
  private readonly fs: ext2fs_super;

  constructor(fs: ext2fs_super) {
    this.fs = fs;
  }

  names(node: ext2_inode): ByteName[] {
    return [...this.in_inode(node), ...this.in_block(node)].flatMap(({ index, name }) => {
      const prefix = PREFIXES.find(([number]) => number === index)?.[1];
      return prefix === undefined ? [] : [prefix + name];
    });
  }

  get(node: ext2_inode, full: ByteName): Uint8Array | undefined {
    const wanted = split(full);
    if (wanted === undefined) return undefined;
    const found =
      this.in_inode(node).find((each) => isSame(each, wanted)) ??
      this.in_block(node).find((each) => isSame(each, wanted));
    if (found === undefined) return undefined;
    if (!isAcl(found.index)) return found.value;
    const acl = acl_from_medium(found.value);
    if (acl === null) {
      this.fs.damage(`inode ${node.i_number}: ${full} is no access list`);
      return undefined;
    }
    return aclEncode(acl);
  }

  set(node: ext2_inode, full: ByteName, value: Uint8Array | undefined): void {
    const wanted = split(full);
    if (wanted === undefined) throw new NetbsdErrno('EOPNOTSUPP', full);
    if (wanted.name.length > NAME_BYTES_MAX) throw new NetbsdErrno('ERANGE', full);
    const others = (list: readonly attribute[]): attribute[] =>
      list.filter((each) => !isSame(each, wanted));
    const inode = others(this.in_inode(node));
    const block = others(this.in_block(node));
    if (value !== undefined) {
      const added = { ...wanted, value: isAcl(wanted.index) ? acl_to_medium(value) : value };
      this.place(node, inode, block, added);
    }
    this.store(node, inode, block);
  }

  /** Gives the block of a node back, or its share in it. */
  release_block(node: ext2_inode): void {
    const { fs } = this;
    const blkno = node.e2di_facl;
    node.e2di_facl = 0;
    if (!fs.is_block(blkno)) return;
    const bp = fs.cache.bread(blkno);
    const refcount = e2ea.refcount.get(bp.b_data, 0);
    if (e2ea.magic.get(bp.b_data, 0) === EXT2_XATTR_MAGIC && refcount > 1) {
      e2ea.refcount.put(bp.b_data, 0, refcount - 1);
      fs.cache.bdwrite(bp);
    } else {
      fs.free_block(blkno);
    }
    this.count(node, -1);
  }

  /** Where there is room: in the inode, in the block, or after all were put in order anew. */
  private place(node: ext2_inode, inode: attribute[], block: attribute[], added: attribute): void {
    const area = this.inode_area(node);
    const rooms = [area === null ? 0 : room(area), this.fs.bsize - EXT2_XATTR_HEADER_BYTES - 4];
    const lists = [inode, block];
    const fits = (each: attribute, i: number): boolean =>
      total(lists[i]!) + cost(each) <= rooms[i]!;
    const put = (each: attribute): boolean => {
      const at = [0, 1].find((i) => fits(each, i));
      if (at !== undefined) lists[at]!.push(each);
      return at !== undefined;
    };
    if (put(added)) return;
    const all = [...inode, ...block, added].sort((a, b) => cost(b) - cost(a));
    inode.length = block.length = 0;
    if (!all.every(put)) throw new NetbsdErrno('ENOSPC', 'no room for the extended attribute');
  }

  // ---- reading ----------------------------------------------------------------------------------

  private in_inode(node: ext2_inode): attribute[] {
    const area = this.inode_area(node);
    if (area === null || le32(0, '').get(area.bytes, area.start) !== EXT2_XATTR_MAGIC) return [];
    return this.parse(node, area);
  }

  private in_block(node: ext2_inode): attribute[] {
    const { fs } = this;
    if (node.e2di_facl === 0) return [];
    if (!fs.is_block(node.e2di_facl)) {
      throw fs.eio(`inode ${node.i_number}: attributes in block ${node.e2di_facl}`);
    }
    const { b_data } = fs.cache.bread(node.e2di_facl);
    if (e2ea.magic.get(b_data, 0) !== EXT2_XATTR_MAGIC) {
      throw fs.eio(`inode ${node.i_number}: block ${node.e2di_facl} has no attributes`);
    }
    return this.parse(node, block_area(b_data));
  }

  /** null: inodes are too small, or this one's fields reach to its end. */
  private inode_area(node: ext2_inode): area | null {
    const { inode_size } = this.fs;
    if (inode_size === EXT2_INODE_BYTES) return null;
    const { bp, off } = this.fs.inode_at(node.i_number);
    const extra = e2di.extra_isize.get(bp.b_data, off);
    const start = off + EXT2_INODE_BYTES + extra;
    const end = off + inode_size;
    // 0: an inode of somebody who knew of the first 128 bytes only.
    if (extra === 0 || (extra & 3) !== 0 || start + 2 * TERMINATOR_BYTES > end) return null;
    return { bytes: bp.b_data, start, end, first: start + 4, origin: start + 4 };
  }

  /** Nothing is believed. @throws EIO */
  private parse(node: ext2_inode, { bytes, first, end, origin }: area): attribute[] {
    const found: attribute[] = [];
    const wrong = (at: number): never => {
      throw this.fs.eio(`inode ${node.i_number}: damaged attribute at byte ${at - origin}`);
    };
    for (let at = first; at + TERMINATOR_BYTES <= end && le32(0, '').get(bytes, at) !== 0; ) {
      if (at + EXT2_XATTR_ENTRY_BYTES > end) wrong(at);
      const namlen = e2eae.namlen.get(bytes, at);
      const next = at + padded(EXT2_XATTR_ENTRY_BYTES + namlen);
      const size = e2eae.value_size.get(bytes, at);
      const value = origin + e2eae.value_offs.get(bytes, at);
      if (next > end || size > end - origin || (size > 0 && value + size > end)) wrong(at);
      if (e2eae.value_block.get(bytes, at) !== 0) wrong(at);
      const name = at + EXT2_XATTR_ENTRY_BYTES;
      found.push({
        index: e2eae.index.get(bytes, at),
        name: bytesToName(bytes, name, name + namlen),
        value: size === 0 ? new Uint8Array(0) : bytes.slice(value, value + size),
      });
      at = next;
    }
    return found;
  }

  // ---- writing ----------------------------------------------------------------------------------

  private store(node: ext2_inode, inode: readonly attribute[], block: readonly attribute[]): void {
    const { fs } = this;
    // First what may find no room.
    if (block.length > 0) this.store_block(node, block);
    else if (node.e2di_facl !== 0) this.release_block(node);
    const area = this.inode_area(node);
    if (area !== null) {
      area.bytes.fill(0, area.start, area.end);
      if (inode.length > 0) {
        le32(0, '').put(area.bytes, area.start, EXT2_XATTR_MAGIC);
        // e2fsck wants no hash there.
        write(area, inode, false);
      }
      fs.cache.bdwrite(fs.inode_at(node.i_number).bp);
    }
    const compat = fs.sb_get(e2fs.features_compat);
    if ((inode.length > 0 || block.length > 0) && (compat & EXT2F_COMPAT_EXT_ATTR) === 0) {
      fs.sb_put(e2fs.features_compat, compat | EXT2F_COMPAT_EXT_ATTR);
    }
  }

  private store_block(node: ext2_inode, list: readonly attribute[]): void {
    const { fs } = this;
    const isOwn =
      node.e2di_facl !== 0 && e2ea.refcount.get(fs.cache.bread(node.e2di_facl).b_data, 0) === 1;
    if (!isOwn) {
      const blkno = fs.alloc_block(fs.goal_of(node.i_number));
      if (node.e2di_facl !== 0) this.release_block(node);
      node.e2di_facl = blkno;
      this.count(node, 1);
    }
    const bp = fs.cache.clrbuf(node.e2di_facl);
    e2ea.magic.put(bp.b_data, 0, EXT2_XATTR_MAGIC);
    e2ea.refcount.put(bp.b_data, 0, 1);
    e2ea.blocks.put(bp.b_data, 0, 1);
    const sorted = [...list].sort(
      (a, b) =>
        a.index - b.index ||
        a.name.length - b.name.length ||
        (a.name < b.name ? -1 : Number(a.name > b.name)),
    );
    e2ea.hash.put(bp.b_data, 0, write(block_area(bp.b_data), sorted, true));
    fs.cache.bdwrite(bp);
  }

  private count(node: ext2_inode, blocks: number): void {
    node.e2di_nblock = Math.max(0, node.e2di_nblock + (blocks * this.fs.bsize) / 512);
    node.i_bytes = node.e2di_nblock * 512;
  }
}

const block_area = (bytes: Uint8Array): area => ({
  bytes,
  start: 0,
  end: bytes.length,
  first: EXT2_XATTR_HEADER_BYTES,
  origin: 0,
});

/** Entries and values; they fit. @returns the hash of all. */
function write(
  { bytes, first, end, origin }: area,
  list: readonly attribute[],
  isHashed: boolean,
): number {
  let at = first;
  let value_at = end;
  let hash = 0;
  for (const { index, name, value } of list) {
    e2eae.namlen.put(bytes, at, name.length);
    e2eae.index.put(bytes, at, index);
    e2eae.value_size.put(bytes, at, value.length);
    putName(bytes, at + EXT2_XATTR_ENTRY_BYTES, name);
    if (value.length > 0) {
      value_at -= padded(value.length);
      bytes.set(value, value_at);
      e2eae.value_offs.put(bytes, at, value_at - origin);
    }
    if (isHashed) {
      const own = entry_hash(name, bytes, value_at, padded(value.length));
      e2eae.hash.put(bytes, at, own);
      hash = ((hash << 16) ^ (hash >>> 16) ^ own) >>> 0;
    }
    at += padded(EXT2_XATTR_ENTRY_BYTES + name.length);
  }
  return hash;
}

function entry_hash(name: ByteName, bytes: Uint8Array, at: number, length: number): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = (hash << 5) ^ (hash >>> 27) ^ name.charCodeAt(i);
  }
  const word = le32(0, '');
  for (let i = 0; i < length; i += 4) hash = (hash << 16) ^ (hash >>> 16) ^ word.get(bytes, at + i);
  return hash >>> 0;
}

/** undefined: a name that has no place here. */
function split(full: ByteName): Pick<attribute, 'index' | 'name'> | undefined {
  const found = PREFIXES.find(([, prefix]) =>
    prefix.endsWith('.') ? full.startsWith(prefix) : full === prefix,
  );
  return found && { index: found[0], name: full.slice(found[1].length) };
}

// ---- access lists: version 1, and ids only where an entry names somebody ------------------------

const acl_version = le32(0, '');
const acl_tag = le16(0, '');
const acl_perm = le16(2, '');
const acl_id = le32(4, '');
const SHORT_ENTRY = 4;
const LONG_ENTRY = 8;

/** null: it is none. */
function acl_from_medium(value: Uint8Array): AclEntry[] | null {
  if (value.length < 4 || acl_version.get(value, 0) !== EXT2_ACL_VERSION) return null;
  const entries: AclEntry[] = [];
  for (let at = 4; at < value.length; ) {
    if (at + SHORT_ENTRY > value.length) return null;
    const tag = acl_tag.get(value, at);
    const isNamed = aclIsNamed({ tag });
    const length = isNamed ? LONG_ENTRY : SHORT_ENTRY;
    if (at + length > value.length) return null;
    const id = isNamed ? acl_id.get(value, at) : 0;
    entries.push({ tag, perm: acl_perm.get(value, at), id });
    at += length;
  }
  return entries;
}

function acl_to_medium(value: Uint8Array): Uint8Array {
  const acl = aclDecode(value);
  if (acl === null || typeof acl === 'number') throw new NetbsdErrno('EINVAL', 'no access list');
  const lengths = acl.map((entry) => (aclIsNamed(entry) ? LONG_ENTRY : SHORT_ENTRY));
  const bytes = new Uint8Array(lengths.reduce<number>((sum, length) => sum + length, 4));
  acl_version.put(bytes, 0, EXT2_ACL_VERSION);
  let at = 4;
  for (const entry of acl) {
    acl_tag.put(bytes, at, entry.tag);
    acl_perm.put(bytes, at, entry.perm);
    if (aclIsNamed(entry)) acl_id.put(bytes, at, entry.id);
    at += aclIsNamed(entry) ? LONG_ENTRY : SHORT_ENTRY;
  }
  return bytes;
}
