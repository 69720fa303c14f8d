/**
 * Extended attributes: which inode has which, now. Rules: reference jffs2.md §10.3, as
 * src/jffs2/xattr.ts has them.
 */
import {
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  JFFS2_XPREFIX_ACL_ACCESS,
  JFFS2_XPREFIX_ACL_DEFAULT,
  JFFS2_XPREFIX_SECURITY,
  JFFS2_XPREFIX_TRUSTED,
  JFFS2_XPREFIX_USER,
  R_INO,
  R_XID,
  R_XSEQNO,
  XATTR_SIZE,
  X_NAME_LEN,
  X_VALUE_LEN,
  X_VERSION,
  X_XID,
  X_XPREFIX,
  type Endian,
} from '../jffs2/medium.js';
import { bytesToName, type ByteName } from '../lump/types.js';
import type { Flash } from './flash.js';
import type { Pieces } from './pieces.js';

const PREFIXES: Readonly<Record<number, string>> = {
  [JFFS2_XPREFIX_USER]: 'user.',
  [JFFS2_XPREFIX_SECURITY]: 'security.',
  [JFFS2_XPREFIX_ACL_ACCESS]: 'system.posix_acl_access',
  [JFFS2_XPREFIX_ACL_DEFAULT]: 'system.posix_acl_default',
  [JFFS2_XPREFIX_TRUSTED]: 'trusted.',
};

/** An extended attribute, by its whole name. */
export interface Xattr {
  /** Linux's full name; an unknown prefix shows as its number. */
  readonly name: ByteName;
  /** As Linux's system calls give it: access control lists in their form, not the medium's. */
  readonly value: Uint8Array;
  /** Of the datum's node. */
  readonly at: number;
}

interface Datum {
  readonly at: number;
  readonly version: number;
  readonly valid: boolean;
}

export interface XattrsInForce {
  readonly byInode: Map<number, Xattr[]>;
  /** Offsets of the nodes that are needed for it, marks of removal included. */
  readonly nodes: Set<number>;
}

/** All that is in force. */
export function collectXattrs(
  flash: Flash,
  pieces: Pieces,
  isKnown: (ino: number) => boolean,
): XattrsInForce {
  const data = new Map<number, Datum>();
  /** ino → xid → the tie with the highest sequence number. */
  const ties = new Map<number, Map<number, { xseqno: number; at: number }>>();
  for (let n = 0; n < pieces.count; n++) {
    if (!pieces.isScanned(n)) continue;
    const at = pieces.at(n);
    if (pieces.type(n) === JFFS2_NODETYPE_XATTR) {
      const xid = flash.u32(at + X_XID);
      const version = flash.u32(at + X_VERSION);
      const valid = pieces.verdict(n) === 'valid';
      const older = data.get(xid);
      const isBetter = !older || (valid && (!older.valid || version > older.version));
      if (isBetter) data.set(xid, { at, version, valid });
    } else if (pieces.type(n) === JFFS2_NODETYPE_XREF) {
      const ino = flash.u32(at + R_INO);
      const xid = flash.u32(at + R_XID);
      const xseqno = flash.u32(at + R_XSEQNO);
      let ofInode = ties.get(ino);
      if (ofInode === undefined) {
        ofInode = new Map();
        ties.set(ino, ofInode);
      }
      if (xseqno > (ofInode.get(xid)?.xseqno ?? -1)) ofInode.set(xid, { xseqno, at });
    }
  }
  const byInode = new Map<number, Xattr[]>();
  const nodes = new Set<number>();
  for (const [ino, ofInode] of ties) {
    if (!isKnown(ino)) continue;
    const byName = new Map<ByteName, { xseqno: number; xattr: Xattr }>();
    for (const [xid, { xseqno, at }] of ofInode) {
      nodes.add(at);
      const datum = data.get(xid);
      if ((xseqno & 1) !== 0 || !datum?.valid) continue;
      nodes.add(datum.at);
      const xattr = readXattr(flash, datum.at);
      const other = byName.get(xattr.name);
      // A replaced value's tie is not undone by Linux: the later one counts.
      if (other === undefined || xseqno > other.xseqno) byName.set(xattr.name, { xseqno, xattr });
    }
    if (byName.size > 0) {
      byInode.set(
        ino,
        [...byName.values()].map(({ xattr }) => xattr),
      );
    }
  }
  return { byInode, nodes };
}

/** The attribute of a datum whose CRCs are right. */
function readXattr(flash: Flash, at: number): Xattr {
  const prefix = flash.bytes[at + X_XPREFIX]!;
  const nameLength = flash.bytes[at + X_NAME_LEN]!;
  const nameAt = at + XATTR_SIZE;
  const own = bytesToName(flash.bytes, nameAt, nameAt + nameLength);
  const valueAt = nameAt + nameLength + 1;
  const stored = flash.bytes.subarray(valueAt, valueAt + flash.u16(at + X_VALUE_LEN));
  const isAcl = prefix === JFFS2_XPREFIX_ACL_ACCESS || prefix === JFFS2_XPREFIX_ACL_DEFAULT;
  const value = isAcl ? (aclOfMedium(flash.endian, stored) ?? stored) : stored;
  return { name: (PREFIXES[prefix] ?? `${prefix}.`) + own, value, at };
}

const ACL_ENTRY_BYTES = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/**
 * The medium's short form (reference jffs2.md §10.4) → that of the system calls: version 2, eight
 * bytes an entry, little-endian. @returns null for what is no such list.
 */
function aclOfMedium(e: Endian, stored: Uint8Array): Uint8Array | null {
  if (stored.length < 4 || e.u32(stored, 0) !== 1) return null;
  const entries: [tag: number, perm: number, id: number][] = [];
  for (let at = 4; at < stored.length; ) {
    if (at + 4 > stored.length) return null;
    const tag = e.u16(stored, at);
    const hasId = tag === ACL_USER || tag === ACL_GROUP;
    if (hasId && at + 8 > stored.length) return null;
    entries.push([tag, e.u16(stored, at + 2), hasId ? e.u32(stored, at + 4) : 0xffffffff]);
    at += hasId ? 8 : 4;
  }
  const value = new Uint8Array(4 + entries.length * ACL_ENTRY_BYTES);
  const view = new DataView(value.buffer);
  view.setUint32(0, 2, true);
  entries.forEach(([tag, perm, id], n) => {
    view.setUint16(4 + n * ACL_ENTRY_BYTES, tag, true);
    view.setUint16(6 + n * ACL_ENTRY_BYTES, perm, true);
    view.setUint32(8 + n * ACL_ENTRY_BYTES, id, true);
  });
  return value;
}
