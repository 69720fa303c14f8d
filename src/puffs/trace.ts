/**
 * What is done to a file system, as a list that can be done again: every successful operation that
 * changes something, reads or synchronises, with its time. A shim over any {@link puffs_ops}.
 * File contents are not kept, only where they went and how many bytes they were.
 *
 * A trace is a file of JSON lines: a {@link TraceHeader}, then {@link TraceRecord}s. Nodes are told
 * apart by file number (va_fileid), which an hour later, under another name, is still the same.
 * What was there before is described by a record 'found' when it is first met.
 */
import type { ByteName, Cookie, puffs_newinfo, puffs_ops, vattr } from './puffs.js';
import { IO_SYNC, PUFFS_RENAME_EXCHANGE, VDIR, VLNK, VNOVAL, VREG } from './puffs.js';
import { nameToText } from './name.js';
import { vattr_new } from './vattr.js';
import { PUFFS_CRED_KERNEL } from './cred.js';

export interface TraceHeader {
  /** The version of this format. */
  readonly lumpTrace: 1;
  /** File number of the root directory. */
  readonly root: number;
  /** When it began, ISO 8601. */
  readonly started: string;
}

export type TraceNodeType = 'file' | 'directory' | 'symlink' | 'special';

/** `s`: seconds since the trace began. `node`, `dir`, `toDir`: file numbers. Sizes are in bytes. */
export type TraceRecord = { readonly s: number } & TraceOperation;

export type TraceOperation =
  /** It was there before. `bytes`: its size, of a symlink the length of its target. */
  | (TraceName & { readonly op: 'found' } & TraceNode)
  | (TraceName & { readonly op: 'create' } & TraceNode)
  /** A file without a name. */
  | { readonly op: 'tmpfile'; readonly node: number }
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
  | { readonly op: 'truncate'; readonly node: number; readonly bytes: number }
  /** Mode, owner or times were set. */
  | { readonly op: 'attributes'; readonly node: number }
  /** `bytes` of the value; null: removed. */
  | {
      readonly op: 'xattr';
      readonly node: number;
      readonly name: string;
      readonly bytes: number | null;
    }
  | { readonly op: 'fsync'; readonly node: number }
  | { readonly op: 'sync' };

interface TraceName {
  readonly dir: number;
  readonly name: string;
}

interface TraceNode {
  readonly node: number;
  readonly type: TraceNodeType;
  readonly bytes: number;
}

function typeOf(va: vattr): TraceNodeType {
  if (va.va_type === VREG) return 'file';
  if (va.va_type === VDIR) return 'directory';
  return va.va_type === VLNK ? 'symlink' : 'special';
}

/** Cookies that callers hold, and what they name; reads attributes where it must. */
class Nodes {
  private readonly held = new Map<Cookie, { readonly fileid: number; lookups: number }>();
  private readonly fs: puffs_ops;

  constructor(fs: puffs_ops) {
    this.fs = fs;
  }

  lookedUp(info: puffs_newinfo): void {
    const node = this.held.get(info.cookie);
    if (node !== undefined) node.lookups++;
    else this.held.set(info.cookie, { fileid: info.va.va_fileid, lookups: 1 });
  }

  reclaimed(cookie: Cookie, nlookup: number): void {
    const node = this.held.get(cookie);
    if (node === undefined) return;
    node.lookups -= nlookup;
    if (node.lookups <= 0) this.held.delete(cookie);
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
}

export interface PuffsTraceOptions {
  /** Monotonic, in seconds. */
  now(): number;
  /** Wall clock. */
  readonly started: Date;
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

/** The same file system; what is done through the answer is told, line by line. */
export function puffs_trace(fs: puffs_ops, options: PuffsTraceOptions): puffs_ops {
  const { now, line, flush } = options;
  const nodes = new Nodes(fs);
  const startS = now();
  /** File numbers that the trace has introduced. */
  const known = new Set<number>();
  const root = nodes.fileid(fs.rootCookie);
  known.add(root);
  const header: TraceHeader = {
    lumpTrace: 1,
    root,
    started: options.started.toISOString(),
  };
  line(JSON.stringify(header));

  const tell = (operation: TraceOperation): void => {
    const s = Math.round((now() - startS) * 1e6) / 1e6;
    line(JSON.stringify({ s, ...operation }));
  };
  const names = (dir: Cookie, name: ByteName): TraceName => ({
    dir: nodes.fileid(dir),
    name: nameToText(name),
  });
  const made = (dir: Cookie, name: ByteName, out: puffs_newinfo, bytes: number): void => {
    nodes.lookedUp(out);
    const node = out.va.va_fileid;
    known.add(node);
    tell({ op: 'create', ...names(dir, name), node, type: typeOf(out.va), bytes });
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
    if (!isOk(error)) return error;
    nodes.lookedUp(out);
    const node = out.va.va_fileid;
    if (!known.has(node) && cn.name !== '..' && cn.name !== '.') {
      known.add(node);
      const type = typeOf(out.va);
      tell({ op: 'found', ...names(dir, cn.name), node, type, bytes: out.va.va_size });
    }
    return 0;
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
    known.add(out.va.va_fileid);
    tell({ op: 'tmpfile', node: out.va.va_fileid });
    return 0;
  };
  ops.node_link = (dir, targ, cn) => {
    const error = fs.node_link(dir, targ, cn);
    if (isOk(error)) tell({ op: 'link', ...names(dir, cn.name), node: nodes.fileid(targ) });
    return error;
  };
  const removal =
    (remove: puffs_ops['node_remove']): puffs_ops['node_remove'] =>
    (dir, targ, cn) => {
      const node = nodes.fileid(targ);
      const error = remove(dir, targ, cn);
      if (isOk(error)) tell({ op: 'remove', ...names(dir, cn.name), node });
      return error;
    };
  ops.node_remove = removal(ops.node_remove);
  ops.node_rmdir = removal(ops.node_rmdir);
  ops.node_rename = (sdir, src, scn, tdir, targ, tcn, flags) => {
    const error = fs.node_rename(sdir, src, scn, tdir, targ, tcn, flags);
    if (!isOk(error)) return error;
    tell({
      op: 'rename',
      ...names(sdir, scn.name),
      node: nodes.fileid(src),
      toDir: nodes.fileid(tdir),
      toName: nameToText(tcn.name),
      ...((flags & PUFFS_RENAME_EXCHANGE) !== 0 && { exchange: true }),
    });
    return 0;
  };
  ops.node_write = (node, uio, ioflag, cred) => {
    const wanted = uio.resid;
    const error = fs.node_write(node, uio, ioflag, cred);
    const bytes = wanted - uio.resid;
    if (bytes === 0) return error;
    const fileid = nodes.fileid(node);
    const { offset } = uio;
    tell({
      op: 'write',
      node: fileid,
      offset,
      bytes,
      ...((ioflag & IO_SYNC) !== 0 && { sync: true }),
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
  ops.node_setattr = (node, va, cred) => {
    const error = fs.node_setattr(node, va, cred);
    if (!isOk(error)) return error;
    const fileid = nodes.fileid(node);
    if (va.va_size !== VNOVAL) tell({ op: 'truncate', node: fileid, bytes: va.va_size });
    else tell({ op: 'attributes', node: fileid });
    return 0;
  };
  ops.node_setextattr = (node, ns, name, value, flags, cred) => {
    const error = fs.node_setextattr(node, ns, name, value, flags, cred);
    if (isOk(error)) {
      tell({
        op: 'xattr',
        node: nodes.fileid(node),
        name: nameToText(name),
        bytes: value.length,
      });
    }
    return error;
  };
  ops.node_deleteextattr = (node, ns, name, cred) => {
    const error = fs.node_deleteextattr(node, ns, name, cred);
    if (isOk(error)) {
      tell({ op: 'xattr', node: nodes.fileid(node), name: nameToText(name), bytes: null });
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
    nodes.reclaimed(node, nlookup);
    return fs.node_reclaim(node, nlookup);
  };
  return ops;
}
