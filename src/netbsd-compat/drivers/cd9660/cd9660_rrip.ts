/** Rock Ridge: what the system use area of a directory record says of a file. */
import { bytesToName } from '../../../lump/types.js';
import { makedev } from '../../../puffs/devt.js';
import type { ByteName } from '../../../puffs/puffs.js';
import type { genfs_time } from '../../genfs_node.js';
import {
  NM_CONTINUE,
  SL_CONTINUE,
  SL_CURRENT,
  SL_PARENT,
  SL_ROOT,
  SP_CHECK,
  susp,
  TF_ACCESS,
  TF_ATTRIBUTES,
  TF_CREATION,
  TF_LONG,
  TF_MODIFY,
} from './medium.js';

export interface rock_ridge {
  name: ByteName | null;
  mode: number | null;
  links: number;
  uid: number;
  gid: number;
  rdev: number;
  link: ByteName | null;
  mtime: genfs_time | null;
  atime: genfs_time | null;
  ctime: genfs_time | null;
  /** Block of a directory that was moved elsewhere; 0: it was not. */
  child: number;
  /** Of such a directory's "..": block of where it was; 0: what the record says. */
  parent: number;
  /** The record is the place where directories were moved to. */
  is_relocated: boolean;
}

/** An area may go on elsewhere; more often than that only a damaged one does. */
const CONTINUATIONS_MAX = 16;
const TARGET_BYTES_MAX = 4095;

/** Reads bytes of the volume; short at its end. */
export type read_bytes = (block: number, offset: number, length: number) => Uint8Array;

/** The bytes to skip in each area, if the volume has Rock Ridge; else -1. */
export function susp_skip(area: Uint8Array): number {
  const isOne = area[0] === 0x53 && area[1] === 0x50 && susp.sp_check.get(area, 0) === SP_CHECK;
  return area.length >= 7 && isOne ? susp.sp_skip.get(area, 0) : -1;
}

export function read_rock_ridge(start: Uint8Array, skip: number, read: read_bytes): rock_ridge {
  const found: rock_ridge = {
    name: null,
    mode: null,
    links: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    link: null,
    mtime: null,
    atime: null,
    ctime: null,
    child: 0,
    parent: 0,
    is_relocated: false,
  };
  const target = new link_target();
  let area = start.subarray(skip);
  for (let turn = 0; turn < CONTINUATIONS_MAX; turn++) {
    let next: Uint8Array | null = null;
    for (let at = 0; at + 4 <= area.length; ) {
      const length = susp.length.get(area, at);
      if (length < 4 || at + length > area.length) break;
      const entry = area.subarray(at, at + length);
      const name = String.fromCharCode(entry[0]!, entry[1]!);
      if (name === 'ST') break;
      if (name === 'CE' && length >= 28) {
        const block = susp.ce_block.get(entry, 0);
        const bytes = Math.min(susp.ce_length.get(entry, 0), 1 << 16);
        next = read(block, susp.ce_offset.get(entry, 0), bytes);
      } else {
        take(found, target, name, entry);
      }
      at += length;
    }
    if (next === null) break;
    area = next;
  }
  found.link = target.text;
  return found;
}

function take(found: rock_ridge, target: link_target, name: string, entry: Uint8Array): void {
  switch (name) {
    case 'PX':
      if (entry.length < 36) break;
      found.mode = susp.px_mode.get(entry, 0);
      found.links = susp.px_links.get(entry, 0);
      found.uid = susp.px_uid.get(entry, 0);
      found.gid = susp.px_gid.get(entry, 0);
      break;
    case 'PN': {
      if (entry.length < 20) break;
      const high = susp.pn_high.get(entry, 0);
      const low = susp.pn_low.get(entry, 0);
      // Either halves of a 64-bit number, or a number of 16 or 32 bits in the low one.
      found.rdev = high === 0 ? low : makedev(high, low);
      break;
    }
    case 'NM':
      // "." and ".." have names already.
      if ((entry[4]! & ~NM_CONTINUE) !== 0) break;
      found.name = (found.name ?? '') + bytesToName(entry, 5);
      break;
    case 'SL':
      target.add(entry);
      break;
    case 'TF':
      take_times(found, entry);
      break;
    case 'CL':
      if (entry.length >= 12) found.child = susp.cl_block.get(entry, 0);
      break;
    case 'PL':
      if (entry.length >= 12) found.parent = susp.pl_block.get(entry, 0);
      break;
    case 'RE':
      found.is_relocated = true;
      break;
  }
}

function take_times(found: rock_ridge, entry: Uint8Array): void {
  const flags = susp.flags.get(entry, 0);
  const bytes = (flags & TF_LONG) !== 0 ? 17 : 7;
  let at = 5;
  for (const bit of [TF_CREATION, TF_MODIFY, TF_ACCESS, TF_ATTRIBUTES]) {
    if ((flags & bit) === 0) continue;
    if (at + bytes > entry.length) return;
    const time = bytes === 7 ? short_time(entry, at) : long_time(entry, at);
    if (bit === TF_MODIFY) found.mtime = time;
    if (bit === TF_ACCESS) found.atime = time;
    if (bit === TF_ATTRIBUTES) found.ctime = time;
    at += bytes;
  }
}

/** Seven bytes, as in a directory record. */
export function short_time(b: Uint8Array, at: number): genfs_time {
  const [year, month, day] = [1900 + b[at]!, Math.max(1, b[at + 1]!), Math.max(1, b[at + 2]!)];
  const ms = Date.UTC(year, month - 1, day, b[at + 3], b[at + 4], b[at + 5]);
  const quarters = (b[at + 6]! << 24) >> 24;
  return { sec: ms / 1000 - quarters * 15 * 60, nsec: 0 };
}

/** Sixteen digits and the zone. */
function long_time(b: Uint8Array, at: number): genfs_time {
  const number = (from: number, to: number): number =>
    Number(bytesToName(b, at + from, at + to)) || 0;
  const ms = Date.UTC(
    number(0, 4),
    Math.max(0, number(4, 6) - 1),
    Math.max(1, number(6, 8)),
    number(8, 10),
    number(10, 12),
    number(12, 14),
  );
  const quarters = (b[at + 16]! << 24) >> 24;
  return { sec: ms / 1000 - quarters * 15 * 60, nsec: number(14, 16) * 10_000_000 };
}

/** A symbolic link comes in components, which may be cut. */
class link_target {
  private parts: string | null = null;
  private is_cut = false;

  get text(): ByteName | null {
    return this.parts;
  }

  add(entry: Uint8Array): void {
    for (let at = 5; at + 2 <= entry.length; ) {
      const flags = entry[at]!;
      const length = entry[at + 1]!;
      if (at + 2 + length > entry.length) return;
      let text = bytesToName(entry, at + 2, at + 2 + length);
      if ((flags & SL_CURRENT) !== 0) text = '.';
      if ((flags & SL_PARENT) !== 0) text = '..';
      if ((flags & SL_ROOT) !== 0) {
        this.parts = '/';
        this.is_cut = true;
      } else {
        const slash = this.parts === null || this.is_cut ? '' : '/';
        this.parts = ((this.parts ?? '') + slash + text).slice(0, TARGET_BYTES_MAX);
        this.is_cut = (flags & SL_CONTINUE) !== 0;
      }
      at += 2 + length;
    }
  }
}
