/**
 * What is done to a file system, as a list that can be done again: what there was at first, then
 * every successful operation that changes something, reads or synchronises, with its time. A shim
 * over any {@link puffs_ops}. Contents are not kept, only where they went and how many bytes they
 * were; of attributes that programs give a meaning to (modes, access lists, numbers of devices) the
 * values are, since what is stored depends on them.
 *
 * A trace is a file of JSON lines: a {@link TraceHeader}, then TraceRecords. Nodes are told
 * apart by file number (va_fileid), which an hour later, under another name, is still the same.
 */
import type { ByteName, Cookie, puffs_newinfo, puffs_ops, vattr } from './puffs.js';
import {
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  IO_SYNC,
  NAMEI_LOOKUP,
  PUFFS_RENAME_EXCHANGE,
  VBLK,
  VCHR,
  VDIR,
  VFIFO,
  VLNK,
  VNOVAL,
  VREG,
} from './puffs.js';
import { major, minor } from './devt.js';
import { isAclName } from './extattr.js';
import { bytesToName, nameToBytes, nameToText, textToName, xattrName } from './name.js';
import { vattr_new } from './vattr.js';
import { PUFFS_CRED_KERNEL } from './cred.js';

/** The first line. */
export interface TraceHeader {
  /** The version of this format. */
  readonly lumpTrace: typeof TRACE_VERSION;
  /** File number of the root directory. */
  readonly root: number;
  /** When it began, ISO 8601. */
  readonly started: string;
}

/** Of the format; one of another is refused. */
export const TRACE_VERSION = 2;

/** What a file is. */
export type TraceNodeType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'block'
  | 'character';

/**
 * `s`: seconds since the trace began. `node`, `dir`, `toDir`: file numbers. Sizes are in bytes,
 * modes are permission bits. Names are text, see {@link traceName}.
 */
export type TraceRecord = { readonly s: number } & RecordedOperation;

/** What was done; see TraceRecord. */
export type RecordedOperation =
  /**
   * It was there before, under this name; a record for each of its names, before all others and
   * behind that of the directory.
   */
  | (TraceName & { readonly op: 'found' } & TraceNode)
  | (TraceName & { readonly op: 'create' } & TraceNode)
  /** A file without a name. */
  | { readonly op: 'tmpfile'; readonly node: number; readonly mode: number }
  | (TraceName & { readonly op: 'link'; readonly node: number })
  | (TraceName & { readonly op: 'remove'; readonly node: number })
  | (TraceName & {
      readonly op: 'rename';
      readonly node: number;
      readonly toDir: number;
      readonly toName: string;
      /** The two names change places. */
      readonly exchange?: true;
    })
  /** It has no name, and whoever used it does so no more. */
  | { readonly op: 'gone'; readonly node: number }
  | {
      readonly op: 'write';
      readonly node: number;
      readonly offset: number;
      readonly bytes: number;
      /** On stable storage when it returned. */
      readonly sync?: true;
    }
  | {
      readonly op: 'read';
      readonly node: number;
      readonly offset: number;
      readonly bytes: number;
    }
  /** The size was set; the mode, if it was as well. */
  | {
      readonly op: 'truncate';
      readonly node: number;
      readonly bytes: number;
      readonly mode?: number;
    }
  /** Owner, times or mode were set; the mode, if it was. */
  | { readonly op: 'attributes'; readonly node: number; readonly mode?: number }
  | TraceXattr
  | { readonly op: 'fsync'; readonly node: number }
  | { readonly op: 'sync' };

/** An extended attribute was set or removed. */
export interface TraceXattr {
  readonly op: 'xattr';
  readonly node: number;
  /** With its prefix, as Linux has it. */
  readonly name: string;
  /** Of the value; null: removed. */
  readonly bytes: number | null;
  /** Tells values apart: a hash of 32 bits. File systems may store equal ones once. */
  readonly value?: number;
  /** Instead, of an access list: the whole value in hex. */
  readonly acl?: string;
  /** It was there before. */
  readonly found?: true;
}

/** A name in a directory. */
export interface TraceName {
  readonly dir: number;
  readonly name: string;
}

/** A file, as it was met or made. */
export interface TraceNode {
  readonly node: number;
  readonly type: TraceNodeType;
  /** The size; of a symlink the length of its target. */
  readonly bytes: number;
  readonly mode: number;
  /** Of a device: major and minor number. */
  readonly device?: readonly [number, number];
}

/**
 * The text of a name: its UTF-8. In one that is none, every byte from 0x80 on becomes a code unit
 * from U+DC80 on, which no text has by itself. {@link traceByteName} is the reverse.
 */
export function traceName(name: ByteName): string {
  const text = nameToText(name);
  if (textToName(text) === name) return text;
  const units = Array.from(nameToBytes(name), (byte) => (byte < 0x80 ? byte : 0xdc00 + byte));
  return String.fromCharCode(...units);
}

/** The name whose text this is. */
export function traceByteName(text: string): ByteName {
  if (!/[\udc80-\udcff]/.test(text) || /[\ud800-\udbff]/.test(text)) return textToName(text);
  const bytes = Uint8Array.from(text, (unit) => unit.charCodeAt(0) & 0xff);
  return bytesToName(bytes);
}

function typeOf(va: vattr): TraceNodeType {
  switch (va.va_type) {
    case VREG:
      return 'file';
    case VDIR:
      return 'directory';
    case VLNK:
      return 'symlink';
    case VFIFO:
      return 'fifo';
    case VBLK:
      return 'block';
    case VCHR:
      return 'character';
    default:
      return 'socket';
  }
}

function nodeOf(va: vattr, bytes: number): TraceNode {
  const type = typeOf(va);
  return {
    node: va.va_fileid,
    type,
    bytes: type === 'directory' ? 0 : bytes,
    mode: va.va_mode,
    ...((type === 'block' || type === 'character') && {
      device: [major(va.va_rdev), minor(va.va_rdev)] as const,
    }),
  };
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

const linuxName = (ns: number, name: ByteName): string => traceName(xattrName(ns, name));

function xattrOf(node: number, ns: number, name: ByteName, value: Uint8Array): TraceXattr {
  const full = linuxName(ns, name);
  const bytes = value.length;
  if (!isAclName(full)) {
    return { op: 'xattr', node, name: full, bytes, value: hashOf(value) };
  }
  const acl = Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { op: 'xattr', node, name: full, bytes, acl };
}

/** Cookies that callers hold, and what they name; reads attributes where it must. */
class Nodes {
  private readonly held = new Map<Cookie, { readonly fileid: number; lookups: number }>();
  private readonly fs: puffs_ops;
  /** File numbers that nothing names any more. */
  readonly nameless = new Set<number>();

  constructor(fs: puffs_ops) {
    this.fs = fs;
  }

  lookedUp(info: puffs_newinfo): void {
    const node = this.held.get(info.cookie);
    if (node !== undefined) node.lookups++;
    else this.held.set(info.cookie, { fileid: info.va.va_fileid, lookups: 1 });
  }

  /** @returns the file number of what has neither a name nor a user now. */
  reclaimed(cookie: Cookie, nlookup: number): number | undefined {
    const node = this.held.get(cookie);
    if (node === undefined) return undefined;
    node.lookups -= nlookup;
    if (node.lookups > 0) return undefined;
    this.held.delete(cookie);
    return this.nameless.delete(node.fileid) ? node.fileid : undefined;
  }

  fileid(cookie: Cookie): number {
    const node = this.held.get(cookie);
    return node?.fileid ?? this.attributes(cookie).va_fileid;
  }

  attributes(cookie: Cookie): vattr {
    const va = vattr_new();
    this.fs.node_getattr(cookie, va, PUFFS_CRED_KERNEL);
    return va;
  }

  /** @returns its file number if it has one name, which is about to go. */
  isLast(cookie: Cookie): number | undefined {
    const { va_type, va_nlink, va_fileid } = this.attributes(cookie);
    return va_type === VDIR || va_nlink <= 1 ? va_fileid : undefined;
  }
}

/** Tells of everything that is there. What cannot be read is left out. */
function tellFound(fs: puffs_ops, root: number, tell: (record: RecordedOperation) => void): void {
  const cred = PUFFS_CRED_KERNEL;
  const met = new Set([root]);
  const directories: { cookie: Cookie; fileid: number }[] = [];
  const enter = (cookie: Cookie, fileid: number): void => {
    tellXattrs(fs, cookie, fileid, tell);
    directories.push({ cookie, fileid });
  };
  enter(fs.rootCookie, root);
  for (let at = 0; at < directories.length; at++) {
    const { cookie: dir, fileid } = directories[at]!;
    for (const name of namesIn(fs, dir)) {
      const out: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
      if (fs.node_lookup(dir, out, { nameiop: NAMEI_LOOKUP, name, cred }) !== 0) continue;
      const { cookie, va } = out;
      const isNew = !met.has(va.va_fileid);
      const isDirectory = va.va_type === VDIR;
      met.add(va.va_fileid);
      // A directory has one name, whatever a damaged medium says.
      if (isNew || !isDirectory) {
        tell({ op: 'found', dir: fileid, name: traceName(name), ...nodeOf(va, va.va_size) });
      }
      if (isNew && isDirectory) {
        enter(cookie, va.va_fileid);
        continue;
      }
      if (isNew) tellXattrs(fs, cookie, va.va_fileid, tell);
      fs.node_reclaim(cookie, 1);
    }
    if (dir !== fs.rootCookie) fs.node_reclaim(dir, 1);
  }
}

function namesIn(fs: puffs_ops, dir: Cookie): ByteName[] {
  const names: ByteName[] = [];
  const out = { eof: false };
  const emit = (name: ByteName): boolean => {
    if (name !== '.' && name !== '..') names.push(name);
    return true;
  };
  // As nothing is refused, one call gives all.
  const error = fs.node_readdir(dir, 0, PUFFS_CRED_KERNEL, emit, out);
  return error === 0 ? names : [];
}

function tellXattrs(
  fs: puffs_ops,
  cookie: Cookie,
  fileid: number,
  tell: (record: RecordedOperation) => void,
): void {
  const cred = PUFFS_CRED_KERNEL;
  for (const ns of [EXTATTR_NAMESPACE_USER, EXTATTR_NAMESPACE_SYSTEM]) {
    const out: { names: ByteName[] } = { names: [] };
    if (fs.node_listextattr(cookie, ns, out, cred) !== 0) continue;
    for (const name of out.names) {
      const size = { value: 0 };
      if (fs.node_getextattr(cookie, ns, name, size, null, cred) !== 0) continue;
      const value = new Uint8Array(size.value);
      if (fs.node_getextattr(cookie, ns, name, size, value, cred) !== 0) continue;
      tell({ ...xattrOf(fileid, ns, name, value), found: true });
    }
  }
}

/** Where a trace goes, and what time it is. */
export interface PuffsTraceOptions {
  /** Monotonic, in seconds. */
  now(): number;
  /** Wall clock. */
  readonly started: Date;
  /** Every write is on stable storage when it returns. */
  readonly sync?: boolean;
  /** Gets the lines of the file, without their newlines. */
  line(text: string): void;
  /** What was told so far shall be kept: something was synchronised, or the mount ends. */
  flush(): void;
}

/** Every function of `fs`, bound to it, and its two constants. */
function delegate(fs: puffs_ops): puffs_ops {
  const ops: Record<string, unknown> = { fsname: fs.fsname, rootCookie: fs.rootCookie };
  for (let at: object = fs; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name in ops || !/^(node|fs)_|^background$/.test(name)) continue;
      const operation = fs[name as keyof puffs_ops];
      if (typeof operation === 'function') ops[name] = (operation as () => unknown).bind(fs);
    }
  }
  return ops as unknown as puffs_ops;
}

/**
 * The same file system; what is done through the answer is told, line by line. Before it returns,
 * the whole tree is walked through and told.
 */
export function puffs_trace(fs: puffs_ops, options: PuffsTraceOptions): puffs_ops {
  const { now, line, flush } = options;
  const nodes = new Nodes(fs);
  const startS = now();
  const root = nodes.fileid(fs.rootCookie);
  const header: TraceHeader = {
    lumpTrace: TRACE_VERSION,
    root,
    started: options.started.toISOString(),
  };
  line(JSON.stringify(header));

  const tell = (operation: RecordedOperation): void => {
    const s = Math.round((now() - startS) * 1e6) / 1e6;
    line(JSON.stringify({ s, ...operation }));
  };
  tellFound(fs, root, tell);
  const names = (dir: Cookie, name: ByteName): TraceName => ({
    dir: nodes.fileid(dir),
    name: traceName(name),
  });
  const made = (dir: Cookie, name: ByteName, out: puffs_newinfo, bytes: number): void => {
    nodes.lookedUp(out);
    tell({ op: 'create', ...names(dir, name), ...nodeOf(out.va, bytes) });
  };
  const isOk = (error: number): boolean => error === 0;

  const ops = delegate(fs);
  ops.fs_unmount = (flags) => {
    const error = fs.fs_unmount(flags);
    if (isOk(error)) flush();
    return error;
  };
  ops.fs_sync = (waitfor, cred) => {
    const error = fs.fs_sync(waitfor, cred);
    if (isOk(error)) tell({ op: 'sync' });
    flush();
    return error;
  };
  ops.node_lookup = (dir, out, cn) => {
    const error = fs.node_lookup(dir, out, cn);
    if (isOk(error)) nodes.lookedUp(out);
    return error;
  };
  const creation =
    (create: puffs_ops['node_create']): puffs_ops['node_create'] =>
    (dir, out, cn, va) => {
      const error = create(dir, out, cn, va);
      if (isOk(error)) made(dir, cn.name, out, 0);
      return error;
    };
  ops.node_create = creation(ops.node_create);
  ops.node_mknod = creation(ops.node_mknod);
  ops.node_mkdir = creation(ops.node_mkdir);
  ops.node_symlink = (dir, out, cn, va, target) => {
    const error = fs.node_symlink(dir, out, cn, va, target);
    if (isOk(error)) made(dir, cn.name, out, target.length);
    return error;
  };
  ops.node_tmpfile = (dir, out, va, cred) => {
    const error = fs.node_tmpfile(dir, out, va, cred);
    if (!isOk(error)) return error;
    nodes.lookedUp(out);
    const { va_fileid: node, va_mode: mode } = out.va;
    nodes.nameless.add(node);
    tell({ op: 'tmpfile', node, mode });
    return 0;
  };
  ops.node_link = (dir, targ, cn) => {
    const error = fs.node_link(dir, targ, cn);
    if (!isOk(error)) return error;
    const node = nodes.fileid(targ);
    nodes.nameless.delete(node);
    tell({ op: 'link', ...names(dir, cn.name), node });
    return 0;
  };
  const removal =
    (remove: puffs_ops['node_remove']): puffs_ops['node_remove'] =>
    (dir, targ, cn) => {
      const last = nodes.isLast(targ);
      const node = nodes.fileid(targ);
      const error = remove(dir, targ, cn);
      if (!isOk(error)) return error;
      tell({ op: 'remove', ...names(dir, cn.name), node });
      if (last !== undefined) nodes.nameless.add(last);
      return 0;
    };
  ops.node_remove = removal(ops.node_remove);
  ops.node_rmdir = removal(ops.node_rmdir);
  ops.node_rename = (sdir, src, scn, tdir, targ, tcn, flags) => {
    const exchange = (flags & PUFFS_RENAME_EXCHANGE) !== 0;
    const node = nodes.fileid(src);
    const last = targ === null || exchange ? undefined : nodes.isLast(targ);
    const error = fs.node_rename(sdir, src, scn, tdir, targ, tcn, flags);
    if (!isOk(error)) return error;
    tell({
      op: 'rename',
      ...names(sdir, scn.name),
      node,
      toDir: nodes.fileid(tdir),
      toName: traceName(tcn.name),
      ...(exchange && { exchange }),
    });
    if (last !== undefined && last !== node) nodes.nameless.add(last);
    return 0;
  };
  ops.node_write = (node, uio, ioflag, cred) => {
    const wanted = uio.resid;
    const error = fs.node_write(node, uio, ioflag, cred);
    const bytes = wanted - uio.resid;
    if (bytes === 0) return error;
    tell({
      op: 'write',
      node: nodes.fileid(node),
      offset: uio.offset,
      bytes,
      ...((options.sync === true || (ioflag & IO_SYNC) !== 0) && { sync: true }),
    });
    return error;
  };
  ops.node_read = (node, uio, ioflag, cred) => {
    const wanted = uio.resid;
    const error = fs.node_read(node, uio, ioflag, cred);
    const bytes = wanted - uio.resid;
    if (bytes > 0) tell({ op: 'read', node: nodes.fileid(node), offset: uio.offset, bytes });
    return error;
  };
  ops.node_setattr = (cookie, va, cred) => {
    const error = fs.node_setattr(cookie, va, cred);
    if (!isOk(error)) return error;
    const node = nodes.fileid(cookie);
    const { va_size: bytes, va_mode: mode } = va;
    const withMode = mode === VNOVAL ? {} : { mode };
    if (bytes === VNOVAL) tell({ op: 'attributes', node, ...withMode });
    else tell({ op: 'truncate', node, bytes, ...withMode });
    return 0;
  };
  ops.node_setextattr = (node, ns, name, value, flags, cred) => {
    const error = fs.node_setextattr(node, ns, name, value, flags, cred);
    if (isOk(error)) tell(xattrOf(nodes.fileid(node), ns, name, value));
    return error;
  };
  ops.node_deleteextattr = (node, ns, name, cred) => {
    const error = fs.node_deleteextattr(node, ns, name, cred);
    if (isOk(error)) {
      tell({ op: 'xattr', node: nodes.fileid(node), name: linuxName(ns, name), bytes: null });
    }
    return error;
  };
  ops.node_fsync = (node, cred, flags, low, high) => {
    const error = fs.node_fsync(node, cred, flags, low, high);
    if (isOk(error)) tell({ op: 'fsync', node: nodes.fileid(node) });
    flush();
    return error;
  };
  ops.node_reclaim = (node, nlookup) => {
    const gone = nodes.reclaimed(node, nlookup);
    const error = fs.node_reclaim(node, nlookup);
    if (gone !== undefined) tell({ op: 'gone', node: gone });
    return error;
  };
  return ops;
}
