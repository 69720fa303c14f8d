/** A kernel of bytes: sends requests to a session and reads the replies. */
import {
  fuse_attr,
  fuse_dirent,
  fuse_direntplus,
  fuse_entry_out,
  fuse_in_header,
  fuse_init_in,
  FUSE_INIT,
  FUSE_KERNEL_VERSION,
} from '../../src/fuse/protocol.js';
import {
  FuseSession,
  NOTICE_BUFFER_BYTES,
  REPLY_BUFFER_BYTES,
  REQUEST_BUFFER_BYTES,
  SESSION_DEFAULTS,
  type SessionOptions,
} from '../../src/fuse/session.js';
import { WireBuffer, type Structure } from '../../src/fuse/structure.js';
import { bytesToName, nameToBytes, type puffs_ops } from '../../src/puffs/index.js';

/** Everything a kernel may offer. */
export const ALL_FLAGS = 0xffff_ffff;

export interface Reply {
  /** Bytes on the wire; 0: no reply. */
  readonly bytes: number;
  /** Negated errno. */
  readonly error: number;
  readonly unique: number;
  /** What follows the header. */
  readonly body: WireBuffer;
}

export interface Entry {
  readonly nodeid: number;
  readonly generation: number;
  readonly entryValid: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Dirent {
  readonly name: string;
  readonly ino: number;
  readonly off: number;
  readonly type: number;
  /** Of READDIRPLUS; null: node id 0. */
  readonly entry: Entry | null;
}

const HEADER_BYTES = 16;

export class Client {
  readonly session: FuseSession;
  readonly lines: string[] = [];
  uid = 0;
  gid = 0;
  private readonly request = new Uint8Array(REQUEST_BUFFER_BYTES);
  private readonly reply = new Uint8Array(REPLY_BUFFER_BYTES);
  private unique = 0;

  constructor(fs: puffs_ops, options: Partial<SessionOptions> = {}) {
    this.session = new FuseSession(fs, {
      ...SESSION_DEFAULTS,
      timeGranularityNs: 1,
      wallClockMs: () => 1_700_000_000_123.456,
      console: (level, line) => {
        this.lines.push(`${level} ${line}`);
      },
      ...options,
    });
  }

  /**
   * Sends one request: the structure with the fields given (the others 0), then names and data. A
   * name is a string, data are bytes.
   */
  send(
    opcode: number,
    nodeid: number,
    structure: Structure | null = null,
    fields: Readonly<Record<string, number>> = {},
    ...rest: readonly (string | Uint8Array)[]
  ): Reply {
    // Stale bytes of an earlier request must not matter.
    this.request.fill(0xee);
    const wire = new WireBuffer(this.request);
    let at = fuse_in_header.bytes;
    if (structure !== null) {
      wire.bytes.fill(0, at, at + structure.bytes);
      for (const [name, type] of structure.rows) {
        const value = fields[name];
        if (value === undefined) continue;
        if (type === 'u64' || type === 's64') wire.putU64(at + structure.at[name]!, value);
        else wire.putU32(at + structure.at[name]!, value);
      }
      at += structure.bytes;
    }
    for (const part of rest) {
      const bytes = typeof part === 'string' ? [...nameToBytes(part), 0] : part;
      this.request.set(bytes, at);
      at += bytes.length;
    }
    return this.sendRaw(opcode, nodeid, at);
  }

  /** Sends `length` bytes of the request buffer under a new header. */
  sendRaw(opcode: number, nodeid: number, length: number): Reply {
    const wire = new WireBuffer(this.request);
    const h = fuse_in_header.at;
    wire.putU32(h.len, length);
    wire.putU32(h.opcode, opcode);
    wire.putU64(h.unique, ++this.unique);
    wire.putU64(h.nodeid, nodeid);
    wire.putU32(h.uid, this.uid);
    wire.putU32(h.gid, this.gid);
    wire.putU32(h.pid, 1);
    wire.putU32(h.total_extlen, 0);
    this.reply.fill(0xdd);
    const bytes = this.session.handle(this.request, length, this.reply);
    const reply = new WireBuffer(this.reply);
    if (bytes > 0 && (reply.u32(0) !== bytes || reply.u64(8) !== this.unique)) {
      throw new Error(`reply of ${bytes} bytes says ${reply.u32(0)}, ${reply.u64(8)}`);
    }
    return {
      bytes,
      error: bytes === 0 ? 0 : reply.u32(4) | 0,
      unique: this.unique,
      body: new WireBuffer(this.reply.slice(HEADER_BYTES, Math.max(bytes, HEADER_BYTES))),
    };
  }

  /** The kernel's INIT, as of 7.45. */
  init(flags = ALL_FLAGS, minor = 45): Reply {
    return this.send(FUSE_INIT, 0, fuse_init_in, {
      major: FUSE_KERNEL_VERSION,
      minor,
      max_readahead: 131072,
      flags,
      flags2: ALL_FLAGS,
    });
  }

  /** The message that must go before the last reply; null: none. */
  notice(): WireBuffer | null {
    const buffer = new Uint8Array(NOTICE_BUFFER_BYTES);
    const bytes = this.session.takeNotice(buffer);
    return bytes === 0 ? null : new WireBuffer(buffer.slice(0, bytes));
  }
}

export function entryAt(body: WireBuffer, at = 0): Entry {
  const e = fuse_entry_out.at;
  const attr = at + e.attr;
  return {
    nodeid: body.u64(at + e.nodeid),
    generation: body.u64(at + e.generation),
    entryValid: body.u64(at + e.entry_valid),
    ino: body.u64(attr + fuse_attr.at.ino),
    mode: body.u32(attr + fuse_attr.at.mode),
    nlink: body.u32(attr + fuse_attr.at.nlink),
    size: body.u64(attr + fuse_attr.at.size),
    uid: body.u32(attr + fuse_attr.at.uid),
    gid: body.u32(attr + fuse_attr.at.gid),
  };
}

/** Reads READDIR's records, or READDIRPLUS's. */
export function direntsOf({ body }: Reply, plus: boolean): Dirent[] {
  const dirents: Dirent[] = [];
  const head = plus ? fuse_direntplus.bytes : fuse_dirent.bytes;
  for (let at = 0; at < body.bytes.length; ) {
    const d = plus ? at + fuse_direntplus.at.dirent : at;
    const nameLength = body.u32(d + fuse_dirent.at.namelen);
    dirents.push({
      name: bytesToName(body.bytes.subarray(at + head, at + head + nameLength)),
      ino: body.u64(d + fuse_dirent.at.ino),
      off: body.u64(d + fuse_dirent.at.off),
      type: body.u32(d + fuse_dirent.at.type),
      entry: plus && body.u64(at) !== 0 ? entryAt(body, at) : null,
    });
    at += (head + nameLength + 7) & ~7;
  }
  return dirents;
}
