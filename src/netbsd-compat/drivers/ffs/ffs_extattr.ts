/**
 * Extended attributes of UFS2: records, one behind the other, in up to two blocks that belong to
 * the inode; the last block may be some fragments only. A BSD has two name spaces for them: every
 * user's is Linux's "user."; the system's, which only the superuser may use, is "trusted.",
 * but for names that begin with another prefix of Linux already. FreeBSD's access lists are there
 * in a form of its own ("trusted.posix1e.acl_access") and mean nothing here.
 *
 * Facts: struct extattr of FreeBSD's fs(5). No program of Debian reads or writes them (Linux's ufs,
 * makefs and sleuthkit do not), so that this stands on the manual page alone.
 */
import { bytesToName, putName } from '../../../lump/types.js';
import {
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  type ByteName,
} from '../../../puffs/puffs.js';
import { NetbsdErrno } from '../../errno.js';
import type { genfs_extattr } from '../../genfs_node.js';
import type { ffs_alloc } from './ffs_alloc.js';
import type { attribute, ffs_inode } from './ffs_inode.js';
import type { ffs_super } from './ffs_super.js';
import { EXTATTR_HEADER_BYTES, EXTATTR_NAME_MAX, NXADDR } from './medium.js';

/** Fragments of one block that hold attributes. */
interface piece {
  readonly fragment: number;
  readonly fragments: number;
}

const aligned = (bytes: number): number => (bytes + 7) & ~7;
/** Bytes before the value. */
const head = (name: ByteName): number => aligned(EXTATTR_HEADER_BYTES + name.length);
const cost = ({ name, value }: attribute): number => head(name) + aligned(value.length);

const hasPrefix = (name: ByteName): boolean =>
  name.startsWith('trusted.') || name.startsWith('security.');

/** Linux's name of an attribute; undefined: its name space has none. */
function full_name(namespace: number, name: ByteName): ByteName | undefined {
  if (namespace === EXTATTR_NAMESPACE_USER) return `user.${name}`;
  if (namespace !== EXTATTR_NAMESPACE_SYSTEM) return undefined;
  return hasPrefix(name) ? name : `trusted.${name}`;
}

/** The way back; undefined: such names are none of a BSD's. */
function split(full: ByteName): Omit<attribute, 'value'> | undefined {
  const rest = full.slice(full.indexOf('.') + 1);
  if (full.startsWith('user.')) return { namespace: EXTATTR_NAMESPACE_USER, name: rest };
  if (!hasPrefix(full)) return undefined;
  const isOwn = full.startsWith('trusted.') && !hasPrefix(rest);
  return { namespace: EXTATTR_NAMESPACE_SYSTEM, name: isOwn ? rest : full };
}

/** Bytes that attributes take, by their full names; those that have no place here take none. */
export function ffs_extattr_bytes(attributes: Iterable<readonly [ByteName, Uint8Array]>): number {
  let bytes = 0;
  for (const [full, value] of attributes) {
    const wanted = split(full);
    if (wanted !== undefined) bytes += cost({ ...wanted, value });
  }
  return bytes;
}

export class ffs_extattr implements genfs_extattr<ffs_inode> {
  private readonly fs: ffs_super;
  private readonly allocator: ffs_alloc;

  constructor(fs: ffs_super, allocator: ffs_alloc) {
    this.fs = fs;
    this.allocator = allocator;
  }

  names(node: ffs_inode): ByteName[] {
    return [...this.attributes(node).keys()].filter((full) => split(full) !== undefined);
  }

  get(node: ffs_inode, full: ByteName): Uint8Array | undefined {
    // Access lists are asked for at every step, and never there.
    return split(full) === undefined ? undefined : this.attributes(node).get(full)?.value;
  }

  set(node: ffs_inode, full: ByteName, value: Uint8Array | undefined): void {
    const wanted = split(full);
    if (wanted === undefined) throw new NetbsdErrno('EOPNOTSUPP', full);
    if (wanted.name.length > EXTATTR_NAME_MAX) throw new NetbsdErrno('ERANGE', full);
    const attributes = new Map(this.attributes(node));
    if (value === undefined) attributes.delete(full);
    else attributes.set(full, { ...wanted, value });
    this.store(node, this.encoded([...attributes.values()]));
    node.i_extattrs = attributes;
  }

  /** The inode is freed: what its attributes took is free, too. */
  release(node: ffs_inode): void {
    for (const { fragment, fragments } of this.pieces(node)) {
      if (fragment !== 0) this.allocator.free(fragment, fragments);
    }
  }

  // ---- reading ----------------------------------------------------------------------------------

  /** By full name; those of unknown name spaces by one that nobody can ask for. */
  private attributes(node: ffs_inode): ReadonlyMap<ByteName, attribute> {
    node.i_extattrs ??= this.parse(node, this.content(node));
    return node.i_extattrs;
  }

  /** Where they lie, by the inode's word. */
  private pieces(node: ffs_inode): piece[] {
    const { fs, allocator } = this;
    const { bp, off } = allocator.inode_at(node.i_number);
    const { extsize, extb } = fs.layout.ufs2_dinode;
    return this.fragments_of(extsize.get(bp.b_data, off)).map((fragments, i) => ({
      fragment: extb.get(bp.b_data, off + i * extb.bytes),
      fragments,
    }));
  }

  /** Of each block, for so many bytes. */
  private fragments_of(bytes: number): number[] {
    const { bsize, fsize } = this.fs;
    const counts: number[] = [];
    for (let rest = bytes; rest > 0 && counts.length < NXADDR; rest -= bsize) {
      counts.push(Math.ceil(Math.min(rest, bsize) / fsize));
    }
    return counts;
  }

  /** @throws EIO */
  private content(node: ffs_inode): Uint8Array {
    const { fs, allocator } = this;
    const { bp, off } = allocator.inode_at(node.i_number);
    const size = fs.layout.ufs2_dinode.extsize.get(bp.b_data, off);
    if (size > NXADDR * fs.bsize) {
      throw fs.eio(`inode ${node.i_number} claims ${size} bytes of attributes`);
    }
    const bytes = new Uint8Array(size);
    this.pieces(node).forEach(({ fragment, fragments }, i) => {
      if (!fs.is_data(fragment, fragments)) {
        throw fs.eio(`inode ${node.i_number}: attributes in fragment ${fragment}`);
      }
      const from = i * fs.bsize;
      const count = Math.min(fs.bsize, size - from);
      fs.cache.read_bytes(bytes, from, count, fragment * fs.fsize);
    });
    return bytes;
  }

  /** Nothing is believed. @throws EIO */
  private parse(node: ffs_inode, bytes: Uint8Array): Map<ByteName, attribute> {
    const { extattr } = this.fs.layout;
    const found = new Map<ByteName, attribute>();
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.length - at;
      const length = rest < EXTATTR_HEADER_BYTES ? 0 : extattr.length.get(bytes, at);
      const namelength = length === 0 ? 0 : extattr.namelength.get(bytes, at);
      const start = aligned(EXTATTR_HEADER_BYTES + namelength);
      const padding = length === 0 ? 0 : extattr.contentpadlen.get(bytes, at);
      if (length > rest || length % 8 !== 0 || namelength === 0 || start + padding > length) {
        throw this.fs.eio(`inode ${node.i_number}: damaged attribute at byte ${at}`);
      }
      const namespace = extattr.namespace.get(bytes, at);
      const from = at + EXTATTR_HEADER_BYTES;
      const name = bytesToName(bytes, from, from + namelength);
      const value = bytes.slice(at + start, at + length - padding);
      const full = full_name(namespace, name) ?? `${namespace}:${name}`;
      if (!found.has(full)) found.set(full, { namespace, name, value });
      at += length;
    }
    return found;
  }

  // ---- writing ----------------------------------------------------------------------------------

  /** @throws ENOSPC there is no room for them in two blocks. */
  private encoded(list: readonly attribute[]): Uint8Array {
    const { fs } = this;
    const { extattr } = fs.layout;
    const bytes = list.reduce((sum, each) => sum + cost(each), 0);
    if (bytes > NXADDR * fs.bsize) {
      throw new NetbsdErrno('ENOSPC', 'no room for the extended attribute');
    }
    const content = new Uint8Array(bytes);
    let at = 0;
    for (const each of list) {
      const { namespace, name, value } = each;
      extattr.length.put(content, at, cost(each));
      extattr.namespace.put(content, at, namespace);
      extattr.contentpadlen.put(content, at, aligned(value.length) - value.length);
      extattr.namelength.put(content, at, name.length);
      putName(content, at + EXTATTR_HEADER_BYTES, name);
      content.set(value, at + head(name));
      at += cost(each);
    }
    return content;
  }

  /** Into the same fragments, if they are as many; else into others, before the old ones are free. */
  private store(node: ffs_inode, content: Uint8Array): void {
    const { fs, allocator } = this;
    const before = this.pieces(node);
    const counts = this.fragments_of(content.length);
    const isSame =
      counts.length === before.length && counts.every((n, i) => n === before[i]!.fragments);
    const pieces = isSame ? before : this.alloc(node, counts);
    pieces.forEach(({ fragment, fragments }, i) => {
      const padded = new Uint8Array(fragments * fs.fsize);
      padded.set(content.subarray(i * fs.bsize, (i + 1) * fs.bsize));
      fs.cache.write_bytes(padded, 0, padded.length, fragment * fs.fsize);
    });
    const { bp, off } = allocator.inode_at(node.i_number);
    const { extsize, extb } = fs.layout.ufs2_dinode;
    extsize.put(bp.b_data, off, content.length);
    for (let i = 0; i < NXADDR; i++) {
      extb.put(bp.b_data, off + i * extb.bytes, pieces[i]?.fragment ?? 0);
    }
    fs.cache.bdwrite(bp);
    if (isSame) return;
    for (const { fragment, fragments } of before) {
      if (allocator.free(fragment, fragments)) node.count_fragments(fs, -fragments);
    }
  }

  /** Near the inode. @throws ENOSPC: then nothing has changed. */
  private alloc(node: ffs_inode, counts: readonly number[]): piece[] {
    const { fs, allocator } = this;
    const pieces: piece[] = [];
    try {
      for (const fragments of counts) {
        const fragment = allocator.alloc(fragments, Math.floor(node.i_number / fs.ipg), 0, 1);
        pieces.push({ fragment, fragments });
      }
    } catch (error) {
      for (const { fragment, fragments } of pieces) allocator.free(fragment, fragments);
      throw error;
    }
    for (const { fragments } of pieces) node.count_fragments(fs, fragments);
    return pieces;
  }
}
