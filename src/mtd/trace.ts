/** Shim: tells a callback of every call, with time, caller and outcome. */
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { erase_info, mtd_info, mtd_oob_ops, mtd_point } from './mtd.js';
import { mtd_shim } from './shim.js';

/** Calls of mtd_info that are traced. */
export type trace_op =
  | 'read'
  | 'point'
  | 'write'
  | 'erase'
  | 'sync'
  | 'read_oob'
  | 'write_oob'
  | 'block_isbad'
  | 'block_markbad'
  | 'close';

/** One call. */
export interface trace_record {
  /** Counts from 0. */
  readonly n: number;
  /** When the call began and how long it took, by the host's monotonic clock. */
  readonly startMs: number;
  readonly elapsedMs: number;
  readonly op: trace_op;
  readonly addr: number;
  readonly len: number;
  readonly caller: string;
  /** Code of the Errno, or the message of whatever else was thrown; null: it went well. */
  readonly error: string | null;
}

/** Keeps what a device was asked, how long it took, and on whose behalf. */
export class mtd_trace extends mtd_shim {
  /** On whose behalf the next calls are made; whoever knows sets it ("scan", "gc", …). */
  caller = '';
  readonly #host: Rumpuser;
  readonly #sink: (record: trace_record) => void;
  #calls = 0;

  constructor(host: Rumpuser, lower: mtd_info, sink: (record: trace_record) => void) {
    super(lower);
    this.#host = host;
    this.#sink = sink;
  }

  #traced<T>(op: trace_op, addr: number, len: number, call: () => T): T {
    const n = this.#calls++;
    const { caller } = this;
    const startMs = this.#host.monotonicMs();
    let error: string | null = null;
    try {
      return call();
    } catch (thrown) {
      error = thrown instanceof Errno ? thrown.code : String(thrown);
      throw thrown;
    } finally {
      const elapsedMs = this.#host.monotonicMs() - startMs;
      this.#sink({ n, startMs, elapsedMs, op, addr, len, caller, error });
    }
  }

  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#traced('read', from, len, () => super.read(from, len, buf, bufOffset));
  }

  override point(from: number, len: number, out: mtd_point): boolean {
    return this.#traced('point', from, len, () => super.point(from, len, out));
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    return this.#traced('write', to, len, () => super.write(to, len, buf, bufOffset));
  }

  override erase(instr: erase_info): void {
    this.#traced('erase', instr.addr, instr.len, () => super.erase(instr));
  }

  override sync(): void {
    this.#traced('sync', 0, 0, () => super.sync());
  }

  override read_oob(from: number, ops: mtd_oob_ops): void {
    this.#traced('read_oob', from, ops.len, () => super.read_oob(from, ops));
  }

  override write_oob(to: number, ops: mtd_oob_ops): void {
    this.#traced('write_oob', to, ops.len, () => super.write_oob(to, ops));
  }

  override block_isbad(ofs: number): boolean {
    return this.#traced('block_isbad', ofs, 0, () => super.block_isbad(ofs));
  }

  override block_markbad(ofs: number): void {
    this.#traced('block_markbad', ofs, 0, () => super.block_markbad(ofs));
  }

  override close(): void {
    this.#traced('close', 0, 0, () => super.close());
  }
}

/** A sink that writes JSON lines. */
export function trace_lines(write: (line: string) => void): (record: trace_record) => void {
  return (record) => write(JSON.stringify(record));
}
