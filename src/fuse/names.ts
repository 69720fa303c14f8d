/** Requests that look names up, make them, move them and take them away. */
import {
  NAMEI_CREATE,
  NAMEI_DELETE,
  NAMEI_LOOKUP,
  NAMEI_RENAME,
  PUFFS_RENAME_EXCHANGE,
  PUFFS_RENAME_NOREPLACE,
  VDIR,
  VLNK,
  VREG,
  type Cookie,
  type vattr,
} from '../puffs/puffs.js';
import { NETBSD_ERRNO } from '../puffs/errno.js';
import { mode_to_vtype } from '../puffs/vattr.js';
import {
  FOPEN_KEEP_CACHE,
  fuse_create_in,
  fuse_entry_out,
  fuse_link_in,
  fuse_mkdir_in,
  fuse_mknod_in,
  fuse_open_out,
  fuse_rename2_in,
  fuse_rename_in,
} from './protocol.js';
import { EINVAL, IN, OUT } from './reply.js';
import type { FuseSession } from './session.js';

const PERMISSIONS = 0o7777;
const SYMLINK_MODE = 0o777;
const { ENOENT } = NETBSD_ERRNO;

/** FUSE_LOOKUP. A name that does not exist is an answer that may be cached, not an error. */
export function lookup(s: FuseSession): number {
  const name = s.nameAt(IN);
  if (name === s.options.bellName && s.node === s.fs.rootCookie) return s.putBell();
  const cn = s.component(NAMEI_LOOKUP, name);
  const error = s.fs.node_lookup(s.node, s.info, cn);
  if (error === ENOENT && s.options.negativeTimeoutSeconds > 0) {
    const e = fuse_entry_out.at;
    s.reply.bytes.fill(0, OUT, OUT + fuse_entry_out.bytes);
    s.putTimeout(OUT + e.entry_valid, OUT + e.entry_valid_nsec, s.options.negativeTimeoutSeconds);
    return fuse_entry_out.bytes;
  }
  return entryOr(s, error);
}

/** FUSE_MKNOD: devices, FIFOs, sockets, and regular files without opening them. */
export function mknod(s: FuseSession): number {
  const m = fuse_mknod_in.at;
  const mode = s.request.u32(IN + m.mode);
  s.setUmask(s.request.u32(IN + m.umask));
  const cn = s.component(NAMEI_CREATE, s.nameAt(IN + fuse_mknod_in.bytes));
  const va = newNode(s, mode_to_vtype(mode), mode);
  if (va.va_type === VREG) return entryOr(s, s.fs.node_create(s.node, s.info, cn, va));
  va.va_rdev = s.request.u32(IN + m.rdev);
  return entryOr(s, s.fs.node_mknod(s.node, s.info, cn, va));
}

/** FUSE_MKDIR */
export function mkdir(s: FuseSession): number {
  const m = fuse_mkdir_in.at;
  s.setUmask(s.request.u32(IN + m.umask));
  const cn = s.component(NAMEI_CREATE, s.nameAt(IN + fuse_mkdir_in.bytes));
  const va = newNode(s, VDIR, s.request.u32(IN + m.mode));
  return entryOr(s, s.fs.node_mkdir(s.node, s.info, cn, va));
}

/** FUSE_SYMLINK: the new name, then the target. */
export function symlink(s: FuseSession): number {
  const cn = s.component(NAMEI_CREATE, s.nameAt(IN));
  const target = s.nameAt(IN + cn.name.length + 1);
  const va = newNode(s, VLNK, SYMLINK_MODE);
  return entryOr(s, s.fs.node_symlink(s.node, s.info, cn, va, target));
}

/** FUSE_CREATE: creates and opens. */
export function create(s: FuseSession): number {
  const c = fuse_create_in.at;
  s.setUmask(s.request.u32(IN + c.umask));
  const cn = s.component(NAMEI_CREATE, s.nameAt(IN + fuse_create_in.bytes));
  const va = newNode(s, VREG, s.request.u32(IN + c.mode));
  const error = s.fs.node_create(s.node, s.info, cn, va);
  return error === 0 ? putEntryAndOpen(s) : s.fail(error);
}

/** FUSE_TMPFILE: an open file without a name; the name sent is the kernel's own invention. */
export function tmpfile(s: FuseSession): number {
  const c = fuse_create_in.at;
  s.setUmask(s.request.u32(IN + c.umask));
  const va = newNode(s, VREG, s.request.u32(IN + c.mode));
  const error = s.fs.node_tmpfile(s.node, s.info, va, s.cred);
  return error === 0 ? putEntryAndOpen(s) : s.fail(error);
}

/** FUSE_LINK */
export function link(s: FuseSession): number {
  const targ = s.cookieOf(s.request.u64(IN + fuse_link_in.at.oldnodeid));
  const cn = s.component(NAMEI_CREATE, s.nameAt(IN + fuse_link_in.bytes));
  const error = s.fs.node_link(s.node, targ, cn);
  if (error !== 0) return s.fail(error);
  // The link was counted as a lookup but puffs's link answers no entry: a lookup does, and is
  // counted as well.
  const answer = entryOr(s, s.fs.node_lookup(s.node, s.info, s.component(NAMEI_LOOKUP, cn.name)));
  s.fs.node_reclaim(targ, 1);
  return answer;
}

/** FUSE_UNLINK */
export function unlink(s: FuseSession): number {
  return removeName(s, false);
}

/** FUSE_RMDIR */
export function rmdir(s: FuseSession): number {
  return removeName(s, true);
}

function removeName(s: FuseSession, directory: boolean): number {
  const { fs, node, info } = s;
  const cn = s.component(NAMEI_DELETE, s.nameAt(IN));
  let error = fs.node_lookup(node, info, cn);
  if (error !== 0) return s.fail(error);
  const targ = info.cookie;
  error = directory ? fs.node_rmdir(node, targ, cn) : fs.node_remove(node, targ, cn);
  fs.node_reclaim(targ, 1);
  s.refusals.clear();
  return error === 0 ? 0 : s.fail(error);
}

/** FUSE_RENAME */
export function rename(s: FuseSession): number {
  return renameTo(s, s.request.u64(IN + fuse_rename_in.at.newdir), 0, IN + fuse_rename_in.bytes);
}

/** FUSE_RENAME2: with NOREPLACE or EXCHANGE; whiteouts are not served. */
export function rename2(s: FuseSession): number {
  const r = fuse_rename2_in.at;
  const flags = s.request.u32(IN + r.flags);
  if ((flags & ~(PUFFS_RENAME_NOREPLACE | PUFFS_RENAME_EXCHANGE)) !== 0) return -EINVAL;
  return renameTo(s, s.request.u64(IN + r.newdir), flags, IN + fuse_rename2_in.bytes);
}

function renameTo(s: FuseSession, newdir: number, flags: number, namesAt: number): number {
  const { fs, info } = s;
  const sdir = s.node;
  const tdir = s.cookieOf(newdir);
  const scn = s.component(NAMEI_DELETE, s.nameAt(namesAt));
  const tcn = s.cn2;
  tcn.nameiop = NAMEI_RENAME;
  tcn.name = s.nameAt(namesAt + scn.name.length + 1);
  tcn.cred = s.cred;
  let error = fs.node_lookup(sdir, info, scn);
  if (error !== 0) return s.fail(error);
  const src = info.cookie;
  let targ: Cookie | null = null;
  error = fs.node_lookup(tdir, info, tcn);
  if (error === 0) targ = info.cookie;
  if (error === 0 || error === ENOENT) {
    error = fs.node_rename(sdir, src, scn, tdir, targ, tcn, flags);
  }
  fs.node_reclaim(src, 1);
  if (targ !== null) fs.node_reclaim(targ, 1);
  s.refusals.clear();
  return error === 0 ? 0 : s.fail(error);
}

/** The attributes of a node that is to be made. */
function newNode(s: FuseSession, type: number, mode: number): vattr {
  const va = s.emptyVattr();
  va.va_type = type;
  va.va_mode = mode & PERMISSIONS;
  return va;
}

function entryOr(s: FuseSession, error: number): number {
  if (error !== 0) return s.fail(error);
  s.putEntry(OUT);
  return fuse_entry_out.bytes;
}

function putEntryAndOpen(s: FuseSession): number {
  const o = fuse_open_out.at;
  const at = OUT + fuse_entry_out.bytes;
  s.putEntry(OUT);
  s.reply.putU64(at + o.fh, 0);
  s.reply.putU32(at + o.open_flags, FOPEN_KEEP_CACHE);
  s.reply.putU32(at + o.backing_id, 0);
  return fuse_entry_out.bytes + fuse_open_out.bytes;
}
