/**
 * The session with the kernel: one request in, one reply out, over any {@link puffs_ops}. No I/O:
 * a transport brings the bytes.
 *
 * What a session decides once, at INIT:
 * - Permissions are the kernel's (default_permissions); the credential of a request names the owner
 *   of what is created and says permissionsChecked. The umask travels with it (FUSE_DONT_MASK),
 *   since a default ACL overrides it and only the file system knows those.
 * - Nobody else writes to the medium, so names and attributes may be cached for long, and with
 *   `writebackCache` the kernel owns size and mtime of regular files until it sends them.
 * - There is no state per open file: OPEN and OPENDIR are answered ENOSYS, by which the kernel
 *   learns to spare them, and RELEASE with them. An unlinked file lives until its lookups are given
 *   back.
 *
 * What the file system's exceptions mean is said in {@link ./containment.ts}.
 */
import {
  NAMEI_LOOKUP,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_newinfo,
  type puffs_ops,
  type puffs_size,
  type puffs_uio,
  type vattr,
} from '../puffs/puffs.js';
import { vattr_new, vattr_null } from '../puffs/vattr.js';
import { putAttr } from './attributes.js';
import { Containment } from './containment.js';
import { DirectoryReader } from './directories.js';
import { HANDLERS, isAnswerless } from './dispatch.js';
import { netbsdToLinuxErrno } from './errno.js';
import { MAX_WRITE_BYTES } from './init.js';
import {
  FUSE_INIT,
  FUSE_NOTIFY_INVAL_INODE,
  FUSE_ROOT_ID,
  fuse_attr,
  fuse_attr_out,
  fuse_entry_out,
  fuse_in_header,
  fuse_notify_inval_inode_out,
  fuse_out_header,
} from './protocol.js';
import { Refusals } from './refusals.js';
import { EIO, ENOSYS, NO_REPLY, OUT } from './reply.js';
import { WireBuffer } from './structure.js';

export interface SessionOptions {
  /** The kernel collects writes in its page cache. Off when `sync`. */
  readonly writebackCache: boolean;
  /** Every write is on stable storage before it is answered. */
  readonly sync: boolean;
  /** How long the kernel may cache, in seconds. */
  readonly entryTimeoutSeconds: number;
  readonly attrTimeoutSeconds: number;
  readonly negativeTimeoutSeconds: number;
  /** The kernel gives a server up that does not answer for so long; 0: never. */
  readonly requestTimeoutSeconds: number;
  /** Granularity of the medium's times in nanoseconds, a power of ten. */
  readonly timeGranularityNs: number;
  /**
   * May any file have a security label? While none has one, who asks for it hears that labels are
   * not supported rather than that this file has none: ls(1) asks once then, not for every file.
   */
  mayHaveLabels(): boolean;
  /** Milliseconds since 1970, possibly fractional. */
  wallClockMs(): number;
  /** The doorbell's name in the root directory, see doorbell.ts; '': there is none. */
  readonly bellName: string;
  /** One line for whoever runs the server; levels as printk's. */
  console(level: number, line: string): void;
}

export const SESSION_DEFAULTS = {
  writebackCache: true,
  sync: false,
  entryTimeoutSeconds: 86400,
  attrTimeoutSeconds: 86400,
  negativeTimeoutSeconds: 86400,
  requestTimeoutSeconds: 300,
  timeGranularityNs: 1,
  mayHaveLabels: (): boolean => true,
  bellName: '',
} as const;

/** The node id of the doorbell's own file. No file system has so many nodes. */
export const BELL_NODEID = Number.MAX_SAFE_INTEGER;
const S_IFREG = 0o100000;
/** How long the kernel need not ask again for the doorbell's file. */
const BELL_SECONDS = 86400;

/** Room for the largest request: a WRITE of MAX_WRITE_BYTES with its headers. */
export const REQUEST_BUFFER_BYTES = MAX_WRITE_BYTES + 4096;
/** Room for the largest reply. */
export const REPLY_BUFFER_BYTES = MAX_WRITE_BYTES + 4096;
/** Room for a notice. */
export const NOTICE_BUFFER_BYTES = 64;

export class FuseSession {
  readonly fs: puffs_ops;
  readonly options: SessionOptions;
  /** Opcode of the last request. */
  opcode = 0;
  initialized = false;
  /** FUSE_WRITEBACK_CACHE was agreed on: the kernel may hold bytes we have not seen. */
  writebackCache = false;
  /** FUSE_SETXATTR_EXT was agreed on. */
  setxattrExt = false;
  /** FUSE_NO_OPEN_SUPPORT and FUSE_NO_OPENDIR_SUPPORT were. */
  statelessOpen = false;
  statelessOpendir = false;

  // The request in hand, for the handlers.
  request!: WireBuffer;
  reply!: WireBuffer;
  /** Bytes of the request. */
  length = 0;
  /** The node the request is about. */
  node: Cookie = 0;
  /** Who asks. Immutable, since a server may remember it by identity. */
  cred: puffs_cred = makeCred(0, 0, 0);
  // Records that are reused by all requests; nothing in them outlives one.
  readonly va: vattr = vattr_new();
  readonly info: puffs_newinfo = { cookie: 0, generation: 0, va: vattr_new() };
  readonly cn: puffs_cn = { nameiop: NAMEI_LOOKUP, name: '', cred: this.cred };
  readonly cn2: puffs_cn = { nameiop: NAMEI_LOOKUP, name: '', cred: this.cred };
  readonly uio: puffs_uio = { buf: new Uint8Array(0), off: 0, resid: 0, offset: 0 };
  readonly size: puffs_size = { value: 0 };
  readonly link = { value: '' };
  readonly directory = new DirectoryReader();

  /** Whose pages did not fit. */
  readonly refusals = new Refusals();
  /** Its attributes changed in a way that the reply in hand does not tell. 0: none. */
  staleNode: Cookie = 0;

  /** Lookups that the last reply handed out, to be taken back when it cannot be delivered. */
  private readonly granted: Cookie[] = [];
  private grantedCount = 0;
  private readonly containment: Containment;

  constructor(fs: puffs_ops, options: SessionOptions) {
    this.fs = fs;
    this.options = options;
    this.containment = new Containment(fs, options.console);
  }

  /**
   * Serves one request.
   * @param request at least `length` bytes, aligned to 8.
   * @param reply room for REPLY_BUFFER_BYTES, aligned to 8.
   * @returns bytes of the reply; 0: there is none.
   */
  handle(request: Uint8Array, length: number, reply: Uint8Array): number {
    if (this.request?.bytes.buffer !== request.buffer) this.request = new WireBuffer(request);
    if (this.reply?.bytes.buffer !== reply.buffer) this.reply = new WireBuffer(reply);
    const h = fuse_in_header.at;
    const opcode = this.request.u32(h.opcode);
    this.opcode = opcode;
    this.length = length;
    this.node = this.cookieOf(this.request.u64(h.nodeid));
    this.setCred(this.request.u32(h.uid), this.request.u32(h.gid), 0);
    this.grantedCount = 0;
    const handler = HANDLERS[opcode];
    let result: number;
    if (handler === undefined) {
      result = -ENOSYS;
    } else if (this.containment.isDead && opcode !== FUSE_INIT) {
      result = isAnswerless(opcode) ? NO_REPLY : -EIO;
    } else {
      try {
        result = handler(this);
      } catch (error) {
        this.containment.caught(error, opcode);
        result = isAnswerless(opcode) ? NO_REPLY : -EIO;
      }
    }
    if (result === NO_REPLY) return 0;
    const o = fuse_out_header.at;
    const bytes = result < 0 ? OUT : OUT + result;
    this.reply.putU32(o.len, bytes);
    this.reply.putU32(o.error, Math.min(result, 0));
    this.reply.copyU64(o.unique, this.request, h.unique);
    return bytes;
  }

  /**
   * A message for the kernel that must be sent before the last reply, so that its receiver does not
   * see what is cached wrongly.
   * @returns its bytes, written to `buffer` (aligned to 8); 0: there is none.
   */
  takeNotice(buffer: Uint8Array): number {
    if (this.staleNode === 0) return 0;
    const o = fuse_out_header.at;
    const n = fuse_notify_inval_inode_out.at;
    const wire = new WireBuffer(buffer);
    const bytes = OUT + fuse_notify_inval_inode_out.bytes;
    wire.putU32(o.len, bytes);
    wire.putU32(o.error, FUSE_NOTIFY_INVAL_INODE);
    wire.putU64(o.unique, 0);
    wire.putU64(OUT + n.ino, this.nodeidOf(this.staleNode));
    wire.putU64(OUT + n.off, -1);
    wire.putU64(OUT + n.len, 0);
    this.staleNode = 0;
    return bytes;
  }

  /** The last reply reached nobody (its request was aborted): takes its lookups back. */
  undelivered(): void {
    while (this.grantedCount > 0) this.reclaim(this.granted[--this.grantedCount]!, 1);
  }

  /** True after a panic: every request is answered EIO. */
  get isDead(): boolean {
    return this.containment.isDead;
  }

  /**
   * One unit of the file system's background work. @returns milliseconds until the next, -1: none
   *   before the next request.
   */
  background(): number {
    return this.containment.background();
  }

  /**
   * The connection is gone: puts everything on stable storage and gives the mount up.
   * @returns whether that succeeded.
   */
  close(): boolean {
    this.setCred(0, 0, 0);
    return this.containment.close(this.cred);
  }

  // ---- for the handlers -------------------------------------------------------------------------

  /** The kernel gives lookups back. The root is never given up, nor is the doorbell. */
  reclaim(node: Cookie, nlookup: number): void {
    if (node === this.fs.rootCookie || node === BELL_NODEID) return;
    this.refusals.take(node);
    this.fs.node_reclaim(node, nlookup);
  }

  /** Root cookie ↔ FUSE_ROOT_ID; a bijection, whatever the root's cookie is. */
  cookieOf(nodeid: number): Cookie {
    const root = this.fs.rootCookie;
    return nodeid === FUSE_ROOT_ID ? root : nodeid === root ? FUSE_ROOT_ID : nodeid;
  }

  nodeidOf(cookie: Cookie): number {
    return this.cookieOf(cookie);
  }

  /** A puffs answer other than 0 → a handler's result. */
  fail(error: number): number {
    return -netbsdToLinuxErrno(error);
  }

  /**
   * The NUL-terminated name at `at` of the request.
   * @throws Error when the request ends before the name does.
   */
  nameAt(at: number): string {
    const bytes = this.request.bytes;
    let end = at;
    while (end < this.length && bytes[end] !== 0) end++;
    if (end >= this.length) throw new Error('malformed request: a name without its end');
    return bytes.toString('latin1', at, end);
  }

  /** Sets the first component name of this request. */
  component(nameiop: number, name: string): puffs_cn {
    this.cn.nameiop = nameiop;
    this.cn.name = name;
    this.cn.cred = this.cred;
    return this.cn;
  }

  /** The umask of who creates something. */
  setUmask(umask: number): void {
    this.setCred(this.cred.uid, this.cred.gid, umask);
  }

  /** The reusable attribute record, with nothing given. */
  emptyVattr(): vattr {
    return vattr_null(this.va);
  }

  /** Writes `this.info` as a fuse_entry_out at `at`, which hands one lookup to the kernel. */
  putEntry(at: number): void {
    const e = fuse_entry_out.at;
    const wire = this.reply;
    const { cookie, generation, va } = this.info;
    wire.putU64(at + e.nodeid, this.nodeidOf(cookie));
    wire.putU64(at + e.generation, generation);
    this.putTimeout(at + e.entry_valid, at + e.entry_valid_nsec, this.options.entryTimeoutSeconds);
    this.putTimeout(at + e.attr_valid, at + e.attr_valid_nsec, this.options.attrTimeoutSeconds);
    putAttr(wire, at + e.attr, va);
    this.granted[this.grantedCount++] = cookie;
  }

  /** Writes the entry of the doorbell's own file as the whole reply. @returns its length. */
  putBell(): number {
    const e = fuse_entry_out.at;
    this.reply.bytes.fill(0, OUT, OUT + fuse_entry_out.bytes);
    this.reply.putU64(OUT + e.nodeid, BELL_NODEID);
    this.putTimeout(OUT + e.entry_valid, OUT + e.entry_valid_nsec, BELL_SECONDS);
    this.putTimeout(OUT + e.attr_valid, OUT + e.attr_valid_nsec, BELL_SECONDS);
    this.reply.putU32(OUT + e.attr + fuse_attr.at.mode, S_IFREG);
    this.reply.putU32(OUT + e.attr + fuse_attr.at.nlink, 1);
    return fuse_entry_out.bytes;
  }

  /** Writes `this.va` as the whole reply. @returns its length. */
  putAttributes(): number {
    const a = fuse_attr_out.at;
    this.putTimeout(OUT + a.attr_valid, OUT + a.attr_valid_nsec, this.options.attrTimeoutSeconds);
    this.reply.putU32(OUT + a.dummy, 0);
    putAttr(this.reply, OUT + a.attr, this.va);
    return fuse_attr_out.bytes;
  }

  putTimeout(secondsAt: number, nanosecondsAt: number, seconds: number): void {
    const whole = Math.floor(seconds);
    this.reply.putU64(secondsAt, whole);
    this.reply.putU32(nanosecondsAt, Math.floor((seconds - whole) * 1e9));
  }

  private setCred(uid: number, gid: number, umask: number): void {
    const { cred } = this;
    if (cred.uid === uid && cred.gid === gid && cred.umask === umask) return;
    this.cred = makeCred(uid, gid, umask);
  }
}

const makeCred = (uid: number, gid: number, umask: number): puffs_cred => ({
  kind: 'user',
  uid,
  gid,
  groups: [],
  permissionsChecked: true,
  umask,
});
