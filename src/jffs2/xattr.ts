/**
 * Extended attributes on the medium. A *datum* (XATTR node) holds prefix, name and value under an
 * xid; a *reference* (XREF node) ties an inode to a datum. Several inodes may share a datum.
 * Facts: reference jffs2.md §10.
 *
 * Nodes cannot be marked obsolete in place, so a tie is undone by another XREF node with the same
 * ino and xid and an odd sequence number, which has to stay on the medium as long as an older XREF
 * node of the pair does. Linux forgets to write one when a value is replaced (the old value comes
 * back when the attribute is removed later); we write it.
 *
 * Lock order: alloc_sem, then xattr_sem.
 */
import { BUG_ON } from '../lump/bug.js';
import { crc32_le } from '../lump/crc32.js';
import { Errno } from '../lump/errno.js';
import { XATTR_CREATE, XATTR_REPLACE } from '../lump/fs.js';
import { bytesToName, type ByteName, putName } from '../lump/types.js';
import {
  H_CRC,
  H_TOTLEN,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_SUMMARY_XATTR_SIZE,
  JFFS2_SUMMARY_XREF_SIZE,
  PAD,
  R_INO,
  R_NODE_CRC,
  R_XID,
  R_XSEQNO,
  XATTR_SIZE,
  XREF_SIZE,
  X_DATA_CRC,
  X_NAME_LEN,
  X_NODE_CRC,
  X_VALUE_LEN,
  X_VERSION,
  X_XID,
  X_XPREFIX,
} from './medium.js';
import {
  jffs2_alloc,
  jffs2_link_node_ref,
  RAWNODE_CLASS_XATTR_DATUM,
  RAWNODE_CLASS_XATTR_REF,
  ref_block,
  ref_flags,
  ref_obsolete,
  ref_offset,
  ref_totlen,
  REF_OBSOLETE,
  REF_PRISTINE,
  REF_UNCHECKED,
  set_ref_state,
  type jffs2_eraseblock,
  type jffs2_inode_cache,
  type jffs2_node_owner,
  type jffs2_sb_info,
  type Ref,
} from './nodelist.js';
import {
  ALLOC_DELETION,
  ALLOC_NORMAL,
  jffs2_add_physical_node_ref,
  jffs2_complete_reservation,
  jffs2_mark_node_obsolete,
  jffs2_reserve_space,
  jffs2_reserve_space_gc,
  write_ofs,
} from './nodemgmt.js';
import { jffs2_sum_entry_size } from './summary_node.js';
import { jffs2_flash_write } from './wbuf.js';

const XREF_DELETE_MARKER = 1;
/** Sequence numbers, versions and xids are u32 on the medium. */
const U32_MAX = 0xffffffff;

export class jffs2_xattr_datum implements jffs2_node_owner {
  readonly class = RAWNODE_CLASS_XATTR_DATUM;
  slot = 0;
  nodes: Ref = 0;
  readonly xid: number;
  version: number;
  /** The node in force; 0 when none was usable. */
  raw: Ref;
  /** More than one version was found: which is good is decided when the scan is over. */
  candidates: { raw: Ref; version: number }[] | null = null;
  /** The datum's node was read and its CRC was right; the fields below hold then. */
  loaded = false;
  xprefix = 0;
  xname: ByteName = '';
  value_len = 0;
  data_crc = 0;
  /** Live references. */
  refcnt = 0;

  constructor(xid: number, version: number, raw: Ref) {
    this.xid = xid;
    this.version = version;
    this.raw = raw;
  }
}

export class jffs2_xattr_ref implements jffs2_node_owner {
  readonly class = RAWNODE_CLASS_XATTR_REF;
  slot = 0;
  nodes: Ref = 0;
  readonly ino: number;
  readonly xid: number;
  xseqno: number;
  raw: Ref;
  /** Set while the tie is live. */
  ic: jffs2_inode_cache | null = null;
  xd: jffs2_xattr_datum | null = null;
  /** Next live tie of the same inode. */
  next: jffs2_xattr_ref | null = null;

  constructor(ino: number, xid: number, xseqno: number, raw: Ref) {
    this.ino = ino;
    this.xid = xid;
    this.xseqno = xseqno;
    this.raw = raw;
  }

  get dead(): boolean {
    return (this.xseqno & XREF_DELETE_MARKER) !== 0;
  }
}

function markDead(ref: jffs2_xattr_ref): void {
  ref.xseqno = (ref.xseqno | XREF_DELETE_MARKER) >>> 0;
}

// ---- scan and build -----------------------------------------------------------------------------

/** Scan: a datum node was found. */
export function jffs2_build_xattr_datum(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  offsetAndState: number,
  len: number,
  xid: number,
  version: number,
): void {
  if (xid > c.highest_xid) c.highest_xid = xid;
  let xd = c.xattrindex.get(xid);
  if (!xd) {
    xd = new jffs2_xattr_datum(xid, version, 0);
    c.addOwner(xd);
    c.xattrindex.set(xid, xd);
  }
  const raw = jffs2_link_node_ref(c, jeb, offsetAndState, len, xd);
  if (xd.raw !== 0) {
    xd.candidates ??= [{ raw: xd.raw, version: xd.version }];
    xd.candidates.push({ raw, version });
  } else {
    xd.raw = raw;
  }
}

/** Scan: a reference node was found. What it says is read in the build. */
export function jffs2_build_xattr_ref(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  offsetAndState: number,
  len: number,
): void {
  c.xref_temp.push(jffs2_link_node_ref(c, jeb, offsetAndState, len, null));
}

/** A node whose CRCs were found right: from unchecked to used. */
function accountChecked(c: jffs2_sb_info, raw: Ref): void {
  if (ref_flags(c, raw) === REF_UNCHECKED) {
    const jeb = ref_block(c, raw);
    const len = ref_totlen(c, raw);
    c.unchecked_size -= len;
    jeb.unchecked_size -= len;
    c.used_size += len;
    jeb.used_size += len;
  }
  set_ref_state(c, raw, REF_PRISTINE);
}

/** After the scan: picks versions, ties references to inodes and data, drops what is orphaned. */
export function jffs2_build_xattr_subsystem(c: jffs2_sb_info): void {
  for (const xd of c.xattrindex.values()) {
    if (!xd.candidates) continue;
    xd.candidates.sort((a, b) => b.version - a.version);
    xd.raw = 0;
    for (const candidate of xd.candidates) {
      if (xd.raw !== 0) {
        jffs2_mark_node_obsolete(c, candidate.raw);
        continue;
      }
      xd.raw = candidate.raw;
      xd.version = candidate.version;
      if (!loadDatum(c, xd)) xd.raw = 0;
    }
    xd.candidates = null;
  }

  const pairs = new Map<string, jffs2_xattr_ref>();
  for (const raw of c.xref_temp) {
    const found = readReference(c, raw);
    // A new inode must not inherit what a deleted one of its number has left.
    if (found && found.ino > c.highest_ino) c.highest_ino = found.ino;
    if (!found) {
      jffs2_mark_node_obsolete(c, raw);
      continue;
    }
    accountChecked(c, raw);
    if (found.xseqno > c.highest_xseqno) {
      c.highest_xseqno = (found.xseqno & ~XREF_DELETE_MARKER) >>> 0;
    }
    const key = `${found.ino}:${found.xid}`;
    let ref = pairs.get(key);
    if (!ref) {
      ref = found;
      pairs.set(key, ref);
      c.addOwner(ref);
    } else if (found.xseqno > ref.xseqno) {
      jffs2_mark_node_obsolete(c, ref.raw);
      ref.xseqno = found.xseqno;
      ref.raw = raw;
    } else {
      jffs2_mark_node_obsolete(c, raw);
    }
    c.refs.owner[raw] = ref.slot;
    c.refs.link(ref, raw);
  }
  c.xref_temp.length = 0;

  for (const ref of pairs.values()) {
    if (ref.dead) continue;
    const ic = c.inocache.get(ref.ino);
    const xd = c.xattrindex.get(ref.xid);
    if (!xd || xd.raw === 0 || !ic || ic.pino_nlink === 0) {
      markDead(ref);
      continue;
    }
    tie(ref, ic, xd);
  }
  for (const xd of [...c.xattrindex.values()]) {
    if (xd.refcnt === 0) dropDatum(c, xd);
  }
}

function tie(ref: jffs2_xattr_ref, ic: jffs2_inode_cache, xd: jffs2_xattr_datum): void {
  ref.ic = ic;
  ref.xd = xd;
  ref.next = ic.xref;
  ic.xref = ref;
  xd.refcnt++;
}

/** Reads a reference node. @returns null when it is not to be trusted. */
function readReference(c: jffs2_sb_info, raw: Ref): jffs2_xattr_ref | null {
  const { e } = c;
  const { buf, off } = c.view(ref_offset(c, raw), XREF_SIZE);
  if (
    e.u16(buf, off + H_TYPE) !== JFFS2_NODETYPE_XREF ||
    e.u32(buf, off + H_TOTLEN) !== XREF_SIZE ||
    e.u32(buf, off + R_NODE_CRC) !== crc32_le(0, buf, off, R_NODE_CRC)
  ) {
    c.damage.report('bad xattr', ref_offset(c, raw), 'reference');
    return null;
  }
  return new jffs2_xattr_ref(
    e.u32(buf, off + R_INO),
    e.u32(buf, off + R_XID),
    e.u32(buf, off + R_XSEQNO),
    raw,
  );
}

/**
 * Reads a datum's node and checks it once.
 * @returns false when it is damaged; its node is obsolete then.
 */
function loadDatum(c: jffs2_sb_info, xd: jffs2_xattr_datum): boolean {
  if (xd.loaded) return true;
  if (xd.raw === 0) return false;
  const { e } = c;
  const offset = ref_offset(c, xd.raw);
  const { buf, off } = c.view(offset, ref_totlen(c, xd.raw));
  const nameLength = buf[off + X_NAME_LEN]!;
  const valueLength = e.u16(buf, off + X_VALUE_LEN);
  if (
    e.u16(buf, off + H_TYPE) !== JFFS2_NODETYPE_XATTR ||
    e.u32(buf, off + X_NODE_CRC) !== crc32_le(0, buf, off, X_NODE_CRC) ||
    e.u32(buf, off + X_XID) !== xd.xid ||
    PAD(XATTR_SIZE + nameLength + 1 + valueLength) !== ref_totlen(c, xd.raw) ||
    e.u32(buf, off + X_DATA_CRC) !== dataCrc(c, buf, off, nameLength + 1 + valueLength)
  ) {
    c.damage.report('bad xattr', offset, `datum ${xd.xid}`);
    jffs2_mark_node_obsolete(c, xd.raw);
    xd.raw = 0;
    return false;
  }
  xd.xprefix = buf[off + X_XPREFIX]!;
  xd.xname = bytesToName(buf, off + XATTR_SIZE, off + XATTR_SIZE + nameLength);
  xd.value_len = valueLength;
  xd.data_crc = e.u32(buf, off + X_DATA_CRC);
  xd.loaded = true;
  accountChecked(c, xd.raw);
  const key = contentKey(xd.xprefix, xd.xname, xd.value_len, xd.data_crc);
  if (!c.xattr_by_content.has(key)) c.xattr_by_content.set(key, xd);
  return true;
}

function contentKey(xprefix: number, name: ByteName, length: number, crc: number): string {
  return `${xprefix}:${length}:${crc}:${name}`;
}

/** The background check: every datum's CRC, once. */
export function jffs2_verify_xattr(c: jffs2_sb_info): void {
  if (c.xattr_verified) return;
  c.xattr_sem.down_write();
  try {
    for (const xd of [...c.xattrindex.values()]) if (!loadDatum(c, xd)) dropDatum(c, xd);
    c.xattr_verified = true;
  } finally {
    c.xattr_sem.up_write();
  }
}

/** Nobody refers to the datum: its node is dirt, and it is forgotten with its last node. */
function dropDatum(c: jffs2_sb_info, xd: jffs2_xattr_datum): void {
  if (xd.loaded) {
    const key = contentKey(xd.xprefix, xd.xname, xd.value_len, xd.data_crc);
    if (c.xattr_by_content.get(key) === xd) c.xattr_by_content.delete(key);
  }
  c.xattrindex.delete(xd.xid);
  for (let raw = xd.nodes; raw !== 0; raw = c.refs.next_in_ino[raw]!) {
    jffs2_mark_node_obsolete(c, raw);
  }
  // Dropped for damage before, and its nodes erased since? Then it is nobody's owner any more.
  if (xd.nodes === 0 && xd.slot !== 0) c.removeOwner(xd);
}

/** The last node of a datum left the medium. */
export function jffs2_release_xattr_datum(c: jffs2_sb_info, xd: jffs2_xattr_datum): void {
  BUG_ON(xd.refcnt > 0 && xd.raw !== 0, `attribute datum ${xd.xid} lost its node while in use`);
  c.xattrindex.delete(xd.xid);
  c.removeOwner(xd);
}

/** The last node of a reference left the medium. */
export function jffs2_release_xattr_ref(c: jffs2_sb_info, ref: jffs2_xattr_ref): void {
  BUG_ON(ref.ic !== null, `attribute reference ${ref.ino}:${ref.xid} lost its node while in use`);
  c.removeOwner(ref);
}

// ---- use ----------------------------------------------------------------------------------------

/** Takes a tie out of its inode. Its nodes stay until a marker or time makes them useless. */
function untie(c: jffs2_sb_info, ref: jffs2_xattr_ref): void {
  const { ic } = ref;
  if (!ic) return;
  let link = ic.xref;
  if (link === ref) {
    ic.xref = ref.next;
  } else {
    while (link && link.next !== ref) link = link.next;
    if (link) link.next = ref.next;
  }
  release(c, ref);
}

/** What a tie that is on no list any more held. */
function release(c: jffs2_sb_info, ref: jffs2_xattr_ref): void {
  const xd = ref.xd!;
  ref.ic = ref.xd = ref.next = null;
  markDead(ref);
  if (--xd.refcnt === 0) dropDatum(c, xd);
}

/**
 * First use of an inode's attributes: damaged data are dropped, and of two attributes of one name
 * the tie with the larger sequence number stays. The losers were left by Linux, which writes no
 * marker when a value is replaced; they are remembered, so that removing the attribute here removes
 * them too.
 */
function checkInode(c: jffs2_sb_info, ic: jffs2_inode_cache): void {
  if (ic.xattr_checked) return;
  const best = new Map<string, jffs2_xattr_ref>();
  const gone: jffs2_xattr_ref[] = [];
  for (let ref = ic.xref; ref; ref = ref.next) {
    const xd = ref.xd!;
    if (!loadDatum(c, xd)) {
      gone.push(ref);
      continue;
    }
    const key = `${xd.xprefix}:${xd.xname}`;
    const other = best.get(key);
    if (other && other.xseqno > ref.xseqno) {
      addUnmarked(c, ic.ino, key, ref);
      gone.push(ref);
      continue;
    }
    if (other) {
      addUnmarked(c, ic.ino, key, other);
      gone.push(other);
    }
    best.set(key, ref);
  }
  // The list anew, rather than each taken out of its middle: a hostile medium has 100,000 of a
  // name.
  ic.xref = null;
  for (const ref of gone) release(c, ref);
  for (const ref of best.values()) {
    ref.next = ic.xref;
    ic.xref = ref;
  }
  ic.xattr_checked = true;
}

function addUnmarked(c: jffs2_sb_info, ino: number, key: string, ref: jffs2_xattr_ref): void {
  const list = c.xref_unmarked.get(ino);
  if (list) list.push({ key, ref });
  else c.xref_unmarked.set(ino, [{ key, ref }]);
}

function findRef(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  xprefix: number,
  name: ByteName,
): jffs2_xattr_ref | null {
  checkInode(c, ic);
  for (let ref = ic.xref; ref; ref = ref.next) {
    const xd = ref.xd!;
    if (xd.xprefix === xprefix && xd.xname === name) return ref;
  }
  return null;
}

/** All attributes of an inode: prefix number and name without prefix. */
export function jffs2_list_xattr(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
): { xprefix: number; name: ByteName }[] {
  c.xattr_sem.down_write();
  try {
    checkInode(c, ic);
    const names: { xprefix: number; name: ByteName }[] = [];
    for (let ref = ic.xref; ref; ref = ref.next) {
      names.push({ xprefix: ref.xd!.xprefix, name: ref.xd!.xname });
    }
    return names;
  } finally {
    c.xattr_sem.up_write();
  }
}

/** The value of an attribute. @throws ENODATA there is none; EIO. */
export function do_jffs2_getxattr(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  xprefix: number,
  name: ByteName,
): Uint8Array {
  c.xattr_sem.down_write();
  try {
    const ref = findRef(c, ic, xprefix, name);
    if (!ref) throw new Errno('ENODATA');
    return readValue(c, ref.xd!);
  } finally {
    c.xattr_sem.up_write();
  }
}

function readValue(c: jffs2_sb_info, xd: jffs2_xattr_datum): Uint8Array {
  const { buf, off } = c.view(ref_offset(c, xd.raw), ref_totlen(c, xd.raw));
  const at = off + XATTR_SIZE + xd.xname.length + 1;
  if (xd.data_crc !== dataCrc(c, buf, off, xd.xname.length + 1 + xd.value_len)) {
    throw new Errno('EIO', `attribute datum ${xd.xid} is damaged`);
  }
  return buf.slice(at, at + xd.value_len);
}

/**
 * Sets (or with null removes) an attribute.
 * @throws EEXIST, ENODATA by flags; ENODATA nothing to remove; ERANGE too large for an erase block;
 *   ENOSPC, EIO. Nothing has changed then, and what was replaced or removed does not come back.
 */
export function do_jffs2_setxattr(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  xprefix: number,
  name: ByteName,
  value: Uint8Array | null,
  flags: number,
): void {
  const key = `${xprefix}:${name}`;
  if (value === null) {
    removeAttribute(c, ic, xprefix, name, key, flags);
    return;
  }
  const length = PAD(XATTR_SIZE + name.length + 1 + value.length);
  if (length > c.sector_size - c.cleanmarker_size || value.length > 0xffff) {
    throw new Errno('ERANGE', 'the attribute does not fit into an erase block');
  }
  jffs2_reserve_space(c, length, ALLOC_NORMAL, JFFS2_SUMMARY_XATTR_SIZE);
  let xd: jffs2_xattr_datum;
  let old: jffs2_xattr_ref | null;
  c.xattr_sem.down_write();
  try {
    old = findRef(c, ic, xprefix, name);
    if (old && (flags & XATTR_CREATE) !== 0) throw new Errno('EEXIST');
    if (!old && (flags & XATTR_REPLACE) !== 0) throw new Errno('ENODATA');
    const found = findDatum(c, xprefix, name, value);
    if (found && found === old?.xd) return;
    xd = found ?? createDatum(c, xprefix, name, value, ic.ino);
    // Held until the tie is there.
    xd.refcnt++;
  } finally {
    c.xattr_sem.up_write();
    jffs2_complete_reservation(c);
  }
  try {
    jffs2_reserve_space(c, XREF_SIZE, ALLOC_NORMAL, JFFS2_SUMMARY_XREF_SIZE);
    c.xattr_sem.down_write();
    try {
      jffs2_alloc(c, 'jffs2_xattr_ref');
      const ref = new jffs2_xattr_ref(ic.ino, xd.xid, 0, 0);
      c.addOwner(ref);
      try {
        writeReference(c, ref, false, ic.ino);
      } catch (error) {
        if (ref.nodes === 0) c.removeOwner(ref);
        throw error;
      }
      tie(ref, ic, xd);
    } finally {
      c.xattr_sem.up_write();
      jffs2_complete_reservation(c);
    }
  } finally {
    if (--xd.refcnt === 0) dropDatum(c, xd);
  }
  try {
    if (old) markGone(c, old);
    markLosers(c, ic, key);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    // The new value holds, at the next mount too; the marker is owed until the attribute goes.
    if (old?.ic) {
      addUnmarked(c, ic.ino, key, old);
      untie(c, old);
    }
  }
}

function removeAttribute(
  c: jffs2_sb_info,
  ic: jffs2_inode_cache,
  xprefix: number,
  name: ByteName,
  key: string,
  flags: number,
): void {
  let old: jffs2_xattr_ref | null;
  c.xattr_sem.down_write();
  try {
    old = findRef(c, ic, xprefix, name);
  } finally {
    c.xattr_sem.up_write();
  }
  if (!old) throw new Errno((flags & XATTR_CREATE) !== 0 ? 'EEXIST' : 'ENODATA');
  // What it replaced goes first: it would be back at the next mount if the power went in between.
  markLosers(c, ic, key);
  markGone(c, old);
}

/** Writes the marker that undoes a tie. */
function markGone(c: jffs2_sb_info, ref: jffs2_xattr_ref): void {
  jffs2_reserve_space(c, XREF_SIZE, ALLOC_DELETION, JFFS2_SUMMARY_XREF_SIZE);
  c.xattr_sem.down_write();
  try {
    writeReference(c, ref, true, ref.ino);
    untie(c, ref);
  } finally {
    c.xattr_sem.up_write();
    jffs2_complete_reservation(c);
  }
}

function markLosers(c: jffs2_sb_info, ic: jffs2_inode_cache, key: string): void {
  const losers = c.xref_unmarked.get(ic.ino);
  if (!losers) return;
  for (const loser of losers.filter((entry) => entry.key === key)) {
    if (loser.ref.slot !== 0) markGone(c, loser.ref);
  }
  const rest = losers.filter((entry) => entry.key !== key);
  if (rest.length > 0) c.xref_unmarked.set(ic.ino, rest);
  else c.xref_unmarked.delete(ic.ino);
}

/** A datum with exactly this content that is in memory already. */
function findDatum(
  c: jffs2_sb_info,
  xprefix: number,
  name: ByteName,
  value: Uint8Array,
): jffs2_xattr_datum | null {
  const crc = contentCrc(c, name, value);
  const xd = c.xattr_by_content.get(contentKey(xprefix, name, value.length, crc));
  if (!xd || xd.raw === 0) return null;
  const other = readValue(c, xd);
  return other.every((byte, at) => byte === value[at]) ? xd : null;
}

/** Of a datum's node: also experiments on wear keep these whole, and tell values apart by it. */
const dataCrc = (c: jffs2_sb_info, node: Uint8Array, off: number, length: number): number =>
  c.lump.crc32_le(0, node, off + XATTR_SIZE, length);

function contentCrc(c: jffs2_sb_info, name: ByteName, value: Uint8Array): number {
  const head = new Uint8Array(name.length + 1);
  putName(head, 0, name);
  return c.lump.crc32_le(crc32_le(0, head, 0, head.length), value, 0, value.length);
}

/** Writes a new datum at the reserved place. */
function createDatum(
  c: jffs2_sb_info,
  xprefix: number,
  name: ByteName,
  value: Uint8Array,
  ino: number,
): jffs2_xattr_datum {
  if (c.highest_xid >= U32_MAX) throw new Errno('ENOSPC', 'no attribute number is left');
  jffs2_alloc(c, 'jffs2_xattr_datum');
  const xd = new jffs2_xattr_datum(++c.highest_xid, 1, 0);
  xd.xprefix = xprefix;
  xd.xname = name;
  xd.value_len = value.length;
  c.addOwner(xd);
  try {
    writeDatum(c, xd, value, ino);
  } catch (error) {
    if (xd.nodes === 0) c.removeOwner(xd);
    throw error;
  }
  xd.loaded = true;
  c.xattrindex.set(xd.xid, xd);
  c.xattr_by_content.set(contentKey(xprefix, name, xd.value_len, xd.data_crc), xd);
  return xd;
}

/** Writes the datum's node at the reserved place and makes it the one in force. */
function writeDatum(c: jffs2_sb_info, xd: jffs2_xattr_datum, value: Uint8Array, ino: number): void {
  const { e } = c;
  const dataLength = xd.xname.length + 1 + value.length;
  const totlen = PAD(XATTR_SIZE + dataLength);
  const node = new Uint8Array(totlen).fill(0xff, XATTR_SIZE + dataLength);
  putHeader(c, node, JFFS2_NODETYPE_XATTR, totlen);
  e.put32(node, X_XID, xd.xid);
  e.put32(node, X_VERSION, xd.version);
  node[X_XPREFIX] = xd.xprefix;
  node[X_NAME_LEN] = xd.xname.length;
  e.put16(node, X_VALUE_LEN, value.length);
  putName(node, XATTR_SIZE, xd.xname);
  node.set(value, XATTR_SIZE + xd.xname.length + 1);
  xd.data_crc = dataCrc(c, node, 0, dataLength);
  e.put32(node, X_DATA_CRC, xd.data_crc);
  e.put32(node, X_NODE_CRC, crc32_le(0, node, 0, X_NODE_CRC));
  const offset = writeNode(c, node, ino);
  if (xd.raw !== 0) jffs2_mark_node_obsolete(c, xd.raw);
  xd.raw = jffs2_add_physical_node_ref(c, offset | REF_PRISTINE, totlen, xd);
  c.summary.addXattr(xd.xid, xd.version, offset % c.sector_size, totlen);
}

/** Writes the tie (or its undoing) at the reserved place, with the next sequence number. */
function writeReference(c: jffs2_sb_info, ref: jffs2_xattr_ref, gone: boolean, ino: number): void {
  const { e } = c;
  const xseqno = nextSeqno(c, ref, gone);
  const node = new Uint8Array(XREF_SIZE);
  putHeader(c, node, JFFS2_NODETYPE_XREF, XREF_SIZE);
  e.put32(node, R_INO, ref.ino);
  e.put32(node, R_XID, ref.xid);
  e.put32(node, R_XSEQNO, xseqno);
  e.put32(node, R_NODE_CRC, crc32_le(0, node, 0, R_NODE_CRC));
  const offset = writeNode(c, node, ino);
  const old = ref.raw;
  ref.xseqno = xseqno;
  ref.raw = jffs2_add_physical_node_ref(c, offset | REF_PRISTINE, XREF_SIZE, ref);
  c.summary.addXref(offset % c.sector_size);
  if (old !== 0) jffs2_mark_node_obsolete(c, old);
}

/** @throws ENOSPC the numbers are used up, as on a damaged or hostile medium, and `ref` is new. */
function nextSeqno(c: jffs2_sb_info, ref: jffs2_xattr_ref, gone: boolean): number {
  if (c.highest_xseqno < U32_MAX - 2) {
    c.highest_xseqno += 2;
    return gone ? c.highest_xseqno + XREF_DELETE_MARKER : c.highest_xseqno;
  }
  // A copy may have the number of its original, and a marker the odd one behind it.
  if (ref.raw === 0) throw new Errno('ENOSPC', 'no sequence number is left');
  return gone ? (ref.xseqno | XREF_DELETE_MARKER) >>> 0 : ref.xseqno;
}

function putHeader(c: jffs2_sb_info, node: Uint8Array, type: number, totlen: number): void {
  c.e.put16(node, 0, JFFS2_MAGIC_BITMASK);
  c.e.put16(node, H_TYPE, type);
  c.e.put32(node, H_TOTLEN, totlen);
  c.e.put32(node, H_CRC, crc32_le(0, node, 0, H_CRC));
}

/**
 * Writes at the reserved place; where that fails, at another one.
 * @param ino inode for whose sake; 0 for garbage collection.
 * @returns the offset. @throws EIO, ENOSPC; the spoilt space is accounted.
 */
function writeNode(c: jffs2_sb_info, node: Uint8Array, ino: number): number {
  for (let retried = false; ; retried = true) {
    const offset = write_ofs(c);
    try {
      jffs2_flash_write(c, offset, node.length, node, 0, ino);
      return offset;
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      c.damage.report('write failed', offset, `${c.retlen} of ${node.length} bytes`);
      if (c.retlen > 0) jffs2_add_physical_node_ref(c, offset | REF_OBSOLETE, node.length, null);
      if (retried) throw error;
      jffs2_reserve_space_gc(c, node.length, jffs2_sum_entry_size(c.e, node, 0));
    }
  }
}

/** The inode is deleted: nothing is written, its nodes go with it. */
export function jffs2_xattr_delete_inode(c: jffs2_sb_info, ic: jffs2_inode_cache): void {
  for (let ref = ic.xref; ref; ) {
    const { next } = ref;
    untie(c, ref);
    ref = next;
  }
  c.xref_unmarked.delete(ic.ino);
}

// ---- garbage collection -------------------------------------------------------------------------

/** Moves a datum's node. alloc_sem is held. */
export function jffs2_garbage_collect_xattr_datum(
  c: jffs2_sb_info,
  xd: jffs2_xattr_datum,
  raw: Ref,
): void {
  c.xattr_sem.down_write();
  try {
    if (xd.raw !== raw || ref_obsolete(c, raw)) return;
    if (xd.refcnt === 0 || !loadDatum(c, xd)) {
      dropDatum(c, xd);
      return;
    }
    const value = readValue(c, xd);
    jffs2_reserve_space_gc(c, ref_totlen(c, raw), JFFS2_SUMMARY_XATTR_SIZE);
    xd.version++;
    writeDatum(c, xd, value, 0);
  } finally {
    c.xattr_sem.up_write();
  }
}

/** Moves a reference's node, or drops a marker that has nothing left to undo. alloc_sem is held. */
export function jffs2_garbage_collect_xattr_ref(
  c: jffs2_sb_info,
  ref: jffs2_xattr_ref,
  raw: Ref,
): void {
  c.xattr_sem.down_write();
  try {
    // A tie that a newer one has replaced, without a marker, must not get a number above it.
    if (ref.ic) checkInode(c, ref.ic);
    if (ref.raw !== raw || ref_obsolete(c, raw)) return;
    const only = ref.nodes === raw && c.refs.next_in_ino[raw] === 0;
    if (ref.dead && only) {
      jffs2_mark_node_obsolete(c, raw);
      return;
    }
    jffs2_reserve_space_gc(c, XREF_SIZE, JFFS2_SUMMARY_XREF_SIZE);
    writeReference(c, ref, ref.dead, 0);
  } finally {
    c.xattr_sem.up_write();
  }
}
