/**
 * The simulated host: time that passes only when somebody sleeps or a test advances it, randomness
 * from a seed, files in memory that can lose what was not synced, and calls that fail on demand.
 * The same seed gives the same run.
 */
import { GrowableBytes } from './growable_bytes.js';
import { LockTable } from './lock_table.js';
import { Prng } from './prng.js';
import {
  type HostCodecs,
  HostError,
  type HostFile,
  type HostFileInfo,
  type OpenMode,
  RUMPUSER_VERSION,
  type Rumpuser,
} from './rumpuser.js';

/** The calls that can be made to fail. */
export type FallibleCall =
  | 'open'
  | 'getfileinfo'
  | 'lock'
  | 'readFile'
  | 'replaceFile'
  | 'appendFile'
  | 'unlink'
  | 'size'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync';

export interface Fault {
  /** Which calls count; undefined: all of them. */
  readonly call?: FallibleCall;
  /** Fails the nth such call from now, 1 being the next. */
  readonly nth: number;
  /** Errno name that it fails with. */
  readonly code: string;
  /** Every later one fails, too. */
  readonly lasting?: boolean;
}

/** What a crash leaves of what was written and not synced. */
export type CrashLoss =
  /** Nothing. */
  | 'all'
  /** Each sector of each write may have reached the disk or not, as the seed has it. */
  | 'some'
  /** Everything: only the process died. */
  | 'none';

/** A disk writes sectors whole. */
const SECTOR_BYTES = 512;

export interface SimulatedHostOptions {
  readonly seed?: number;
  /** Wall clock at the start, milliseconds since 1970. Default: the year 2020. */
  readonly wallClockMs?: number;
  /** What getparam() answers. */
  readonly params?: Readonly<Record<string, string>>;
  /** Default: none, as on a host without zlib. Their CRC-32 is the host's. */
  readonly codecs?: HostCodecs;
}

/** A write or truncate that a crash may undo: bytes at a position, or a new size. */
type Unsynced =
  | { readonly position: number; readonly bytes: Uint8Array }
  | { readonly sizeBytes: number };

class SimulatedInode {
  readonly now: GrowableBytes;
  private durable: GrowableBytes;
  private unsynced: Unsynced[] = [];

  /** What a file begins with is durable. */
  constructor(bytes: Uint8Array) {
    this.now = new GrowableBytes(bytes.slice());
    this.durable = new GrowableBytes(bytes.slice());
  }

  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    this.now.write(buffer, bufferOffset, length, position);
    const bytes = buffer.slice(bufferOffset, bufferOffset + length);
    this.unsynced.push({ position, bytes });
  }

  truncate(sizeBytes: number): void {
    this.now.resize(sizeBytes);
    this.unsynced.push({ sizeBytes });
  }

  sync(): void {
    for (const change of this.unsynced) apply(this.durable, change);
    this.unsynced = [];
  }

  /** The file after a crash. */
  crashed(loss: CrashLoss, prng: Prng): SimulatedInode {
    const kept = this.durable;
    for (const change of this.unsynced) {
      if (loss === 'none') apply(kept, change);
      else if (loss === 'some') applySome(kept, change, prng);
    }
    return new SimulatedInode(kept.view());
  }
}

function apply(bytes: GrowableBytes, change: Unsynced): void {
  if ('bytes' in change) bytes.write(change.bytes, 0, change.bytes.length, change.position);
  else bytes.resize(change.sizeBytes);
}

function applySome(bytes: GrowableBytes, change: Unsynced, prng: Prng): void {
  if (!('bytes' in change)) {
    if (prng.below(2) === 1) apply(bytes, change);
    return;
  }
  const { position, bytes: data } = change;
  for (let done = 0; done < data.length; ) {
    const length = Math.min(SECTOR_BYTES - ((position + done) % SECTOR_BYTES), data.length - done);
    if (prng.below(2) === 1) bytes.write(data, done, length, position + done);
    done += length;
  }
}

class SimulatedFile implements HostFile {
  readonly path: string;
  private readonly host: SimulatedHost;
  private readonly inode: SimulatedInode;
  private readonly writeable: boolean;
  private readonly boot: number;
  private open = true;

  constructor(host: SimulatedHost, path: string, inode: SimulatedInode, writeable: boolean) {
    this.host = host;
    this.path = path;
    this.inode = inode;
    this.writeable = writeable;
    this.boot = host.boots;
  }

  size(): number {
    this.enter('size', false);
    return this.inode.now.size;
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    this.enter('read', false);
    return this.inode.now.read(buffer, bufferOffset, length, position);
  }

  /** A write that fails may have written its beginning, as on a real host. */
  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    try {
      this.enter('write', true);
    } catch (error) {
      if (this.alive && this.writeable && length > 0) {
        const part = this.host.prng.below(length);
        this.inode.write(buffer, bufferOffset, part, position);
      }
      throw error;
    }
    this.inode.write(buffer, bufferOffset, length, position);
  }

  truncate(sizeBytes: number): void {
    this.enter('truncate', true);
    this.inode.truncate(sizeBytes);
  }

  sync(): void {
    this.enter('sync', false);
    this.inode.sync();
  }

  close(): void {
    this.open = false;
  }

  /** A crash ends every open file. */
  private get alive(): boolean {
    return this.open && this.boot === this.host.boots;
  }

  private enter(call: FallibleCall, writes: boolean): void {
    if (!this.alive) throw new HostError('EBADF', `${this.path} is closed`, this.path);
    if (writes && !this.writeable) {
      throw new HostError('EBADF', `${this.path} is open for reading`, this.path);
    }
    this.host.enter(call, this.path);
  }
}

export class SimulatedHost implements Rumpuser {
  readonly version = RUMPUSER_VERSION;
  readonly name = 'simulated';
  readonly codecs?: HostCodecs;
  readonly crc32?: Rumpuser['crc32'];
  readonly prng: Prng;
  /** Everything that reached the console. */
  readonly consoleLines: { level: number; line: string }[] = [];
  /** Calls made so far, by name; how far a fail-nth loop has to go. */
  readonly calls = new Map<FallibleCall, number>();
  /** Raised by every crash. */
  boots = 0;

  private nowMs = 0;
  private readonly startMs: number;
  private readonly params: Readonly<Record<string, string>>;
  private files = new Map<string, SimulatedInode>();
  private locks = new LockTable();
  private faults: { fault: Fault; left: number }[] = [];
  private idle: { callback: () => void; dueMs: number } | null = null;

  constructor(options: SimulatedHostOptions = {}) {
    this.prng = new Prng(options.seed ?? 1);
    this.startMs = options.wallClockMs ?? Date.UTC(2020, 0, 1);
    this.params = options.params ?? {};
    const { codecs } = options;
    if (codecs !== undefined) this.codecs = codecs;
    if (codecs?.crc32 !== undefined) this.crc32 = codecs.crc32;
  }

  // ---- what tests do to it ----

  /** Lets virtual time pass. */
  advance(milliseconds: number): void {
    this.nowMs += milliseconds;
  }

  /** Runs the idle callback if its time has come. @returns false when there was nothing to run. */
  runIdle(): boolean {
    const { idle } = this;
    if (idle === null || idle.dueMs > this.nowMs) return false;
    this.idle = null;
    idle.callback();
    return true;
  }

  /** Milliseconds until the idle callback is due; null: none is asked for. */
  idleDueMs(): number | null {
    return this.idle === null ? null : Math.max(0, this.idle.dueMs - this.nowMs);
  }

  failNth(fault: Fault): void {
    this.faults.push({ fault, left: fault.nth });
  }

  clearFaults(): void {
    this.faults = [];
  }

  /** The process dies, and with another loss than 'none' the machine, too. */
  crash(loss: CrashLoss): void {
    this.boots++;
    this.locks = new LockTable();
    this.idle = null;
    const files = new Map<string, SimulatedInode>();
    for (const [path, inode] of this.files) files.set(path, inode.crashed(loss, this.prng));
    this.files = files;
  }

  /** Counts a call and lets it fail if it is to. */
  enter(call: FallibleCall, path: string): void {
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
    for (const entry of this.faults) {
      const { fault } = entry;
      if (fault.call !== undefined && fault.call !== call) continue;
      if (entry.left > 0) entry.left--;
      if (entry.left > 0) continue;
      if (!fault.lasting) this.faults.splice(this.faults.indexOf(entry), 1);
      throw new HostError(fault.code, `${fault.code}: ${call} fails as asked for, ${path}`, path);
    }
  }

  // ---- Rumpuser ----

  wallClockMs(): number {
    return this.startMs + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  sleepMs(milliseconds: number): void {
    this.advance(milliseconds);
  }

  getrandom(buffer: Uint8Array): void {
    this.prng.fill(buffer);
  }

  getparam(name: string): string | undefined {
    return this.params[name];
  }

  open(path: string, mode: OpenMode): HostFile {
    this.enter('open', path);
    let inode = this.files.get(path);
    if (inode === undefined && mode === 'create') {
      inode = new SimulatedInode(new Uint8Array(0));
      this.files.set(path, inode);
    }
    return new SimulatedFile(this, path, inode ?? this.missing(path), mode !== 'read');
  }

  getfileinfo(path: string): HostFileInfo {
    this.enter('getfileinfo', path);
    return { type: 'regular', sizeBytes: this.inode(path).now.size };
  }

  lock(path: string, kind: 'shared' | 'exclusive'): { unlock(): void } {
    this.enter('lock', path);
    this.inode(path);
    const unlock = this.locks.acquire(path, kind);
    if (unlock === null) {
      throw new HostError('EWOULDBLOCK', `${path} is in use by this process`, path);
    }
    return { unlock };
  }

  readFile(path: string): Uint8Array {
    this.enter('readFile', path);
    return this.inode(path).now.view().slice();
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    this.enter('replaceFile', path);
    this.files.set(path, new SimulatedInode(bytes));
  }

  appendFile(path: string, bytes: Uint8Array): void {
    this.enter('appendFile', path);
    let inode = this.files.get(path);
    if (inode === undefined) {
      inode = new SimulatedInode(new Uint8Array(0));
      this.files.set(path, inode);
    }
    inode.write(bytes, 0, bytes.length, inode.now.size);
  }

  unlink(path: string): void {
    this.enter('unlink', path);
    this.inode(path);
    this.files.delete(path);
  }

  console(level: number, line: string): void {
    this.consoleLines.push({ level, line });
  }

  requestIdle(callback: (() => void) | null, delayMs: number): void {
    this.idle = callback === null ? null : { callback, dueMs: this.nowMs + delayMs };
  }

  private inode(path: string): SimulatedInode {
    return this.files.get(path) ?? this.missing(path);
  }

  private missing(path: string): never {
    throw new HostError('ENOENT', `no such file: ${path}`, path);
  }
}
