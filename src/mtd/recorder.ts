/**
 * Records what changes the cells of a flash, so that a test can ask what the flash would hold had
 * the power gone at any moment.
 *
 * The model of a power cut: calls are synchronous, so the flash holds every operation up to some
 * point, and of the one under way a part. Either its first bytes, and one byte of which only some
 * bits have changed; or any of the bits that it was to change, in all of its bytes, as a seed has
 * it, which is what an interrupted erase leaves, and a NAND page. Operations after that never
 * happened.
 *
 *     const cells = new cell_recorder(base.fork());     // a chip is put on these
 *     …use the file system…
 *     for (const cut of power_cuts(cells.ops, 'linear')) … replay(base, cells.ops, cut)
 *
 * {@link power_cut_states} gives the same flashes, in one pass.
 */
import { BUG_ON } from '../lump/bug.js';
import { Prng } from '../rumpuser/prng.js';
import type { FlashBacking } from './backing.js';
import { backing_shim } from './backing_shim.js';
import type { CowBacking } from './cow_backing.js';

/** What a chip was told, in order. `addr` and `len` in bytes. */
export type flash_op =
  | { readonly kind: 'program'; readonly addr: number; readonly data: Uint8Array }
  | { readonly kind: 'erase'; readonly addr: number; readonly len: number }
  | { readonly kind: 'sync' };

/** Records below a chip: of NAND whole pages with their OOB, as the chip programs them. */
export class cell_recorder extends backing_shim {
  readonly ops: flash_op[] = [];

  /** Programs, and keeps a copy of the bytes. */
  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    super.write(to, len, buf, bufOffset);
    const data = buf.slice(bufOffset, bufOffset + len);
    this.ops.push({ kind: 'program', addr: to, data });
  }

  /** Erases, and remembers it. */
  override fill(from: number, len: number): void {
    super.fill(from, len);
    this.ops.push({ kind: 'erase', addr: from, len });
  }

  /** Syncs, and remembers it. */
  override sync(): void {
    super.sync();
    this.ops.push({ kind: 'sync' });
  }
}

/** The moment at which the power goes. */
export interface power_cut {
  /** Operations that happened; the one of this number was under way. */
  readonly op: number;
  /** Bytes of it that happened. */
  readonly bytes: number;
  /** Bits of the byte behind those that happened as well. */
  readonly mask: number;
  /** Instead of both: any of its bits happened, and this says which. */
  readonly seed?: number;
}

/** One word, for a test's id: "17", "17+12", "17+12/f0" or "17~5" (seed 5). */
export function format_power_cut(cut: power_cut): string {
  if (cut.seed !== undefined) return `${cut.op}~${cut.seed}`;
  const bytes = cut.bytes > 0 || cut.mask > 0 ? `+${cut.bytes}` : '';
  return `${cut.op}${bytes}${cut.mask > 0 ? `/${cut.mask.toString(16)}` : ''}`;
}

/** The other way round. @returns null when it is none. */
export function parse_power_cut(text: string): power_cut | null {
  const match = /^(\d+)(?:~(\d+)|\+(\d+)(?:\/([0-9a-f]{1,2}))?)?$/.exec(text);
  if (match === null) return null;
  if (match[2] !== undefined) {
    return { op: Number(match[1]), bytes: 0, mask: 0, seed: Number(match[2]) };
  }
  const mask = Number.parseInt(match[4] ?? '0', 16);
  return { op: Number(match[1]), bytes: Number(match[3] ?? 0), mask };
}

/** How many moments are tried; 'none' is the one after the last operation. */
export type power_cut_model = 'none' | 'linear' | 'exhaustive';

/**
 * The moments of a model, in order. 'linear': before every operation, and five tears of each;
 * 'exhaustive': after every byte of a program and at 64 places of an erase, with and without a half
 * done byte.
 */
export function* power_cuts(
  ops: readonly flash_op[],
  model: power_cut_model,
): Generator<power_cut> {
  for (let op = 0; op < ops.length && model !== 'none'; op++) {
    const { kind } = ops[op]!;
    // A sync changes nothing: the moment before it is the moment after.
    if (kind === 'sync') continue;
    yield { op, bytes: 0, mask: 0 };
    const len = op_bytes(ops[op]!);
    if (model === 'linear') {
      for (const bytes of new Set([1, len >>> 1, len - 1])) {
        if (bytes > 0 && bytes < len) yield { op, bytes, mask: 0 };
      }
      yield { op, bytes: len >>> 1, mask: 0x0f };
      yield { op, bytes: 0, mask: 0, seed: op };
      continue;
    }
    yield { op, bytes: 0, mask: 0, seed: op };
    const step = kind === 'erase' ? Math.max(1, Math.floor(len / 64)) : 1;
    for (let bytes = 0; bytes < len; bytes += step) {
      if (bytes > 0) yield { op, bytes, mask: 0 };
      yield { op, bytes, mask: 0xf0 };
    }
  }
  yield { op: ops.length, bytes: 0, mask: 0 };
}

function op_bytes(op: flash_op): number {
  if (op.kind === 'sync') return 0;
  return op.kind === 'program' ? op.data.length : op.len;
}

/** @returns a fork of `base` (the flash as it was when recording began) cut off at `cut`. */
export function replay(base: CowBacking, ops: readonly flash_op[], cut: power_cut): CowBacking {
  const state = base.fork();
  for (const op of ops.slice(0, cut.op)) apply(state, op, op_bytes(op), 0);
  tear(state, ops, cut);
  return state;
}

/** replay() for many moments in ascending order, at the cost of one pass over the operations. */
export function* power_cut_states(
  base: CowBacking,
  ops: readonly flash_op[],
  cuts: Iterable<power_cut>,
): Generator<{ cut: power_cut; state: CowBacking }> {
  const running = base.fork();
  let done = 0;
  for (const cut of cuts) {
    BUG_ON(cut.op < done, `power cut ${format_power_cut(cut)} comes after ${done} operations`);
    for (; done < cut.op; done++) apply(running, ops[done]!, op_bytes(ops[done]!), 0);
    const state = running.fork();
    tear(state, ops, cut);
    yield { cut, state };
  }
}

function tear(state: FlashBacking, ops: readonly flash_op[], cut: power_cut): void {
  if (cut.bytes === 0 && cut.mask === 0 && cut.seed === undefined) return;
  const op = ops[cut.op];
  const reach = cut.bytes + (cut.mask === 0 ? 0 : 1);
  BUG_ON(
    op === undefined || reach > op_bytes(op),
    `power cut ${format_power_cut(cut)} is behind the operation's end`,
  );
  tear_op(state, op, cut);
}

/** Does the part of an operation on `state` that happens before the cut. */
export function tear_op(state: FlashBacking, op: flash_op, cut: power_cut): void {
  if (cut.seed === undefined) apply(state, op, cut.bytes, cut.mask);
  else apply_any_bits(state, op, cut.seed);
}

/** Does the first `bytes` bytes of an operation, and the bits in `mask` of the next one. */
function apply(state: FlashBacking, op: flash_op, bytes: number, mask: number): void {
  if (op.kind === 'sync') return;
  const program = op.kind === 'program';
  if (program) state.write(op.addr, bytes, op.data, 0);
  else state.fill(op.addr, bytes);
  if (mask === 0) return;
  const next = new Uint8Array(1);
  state.read(op.addr + bytes, 1, next, 0);
  const wanted = program ? op.data[bytes]! : 0xff;
  next[0] = (next[0]! & ~mask) | (wanted & mask);
  state.write(op.addr + bytes, 1, next, 0);
}

function apply_any_bits(state: FlashBacking, op: flash_op, seed: number): void {
  const len = op_bytes(op);
  if (op.kind === 'sync' || len === 0) return;
  const prng = new Prng(seed);
  const cells = new Uint8Array(len);
  state.read(op.addr, len, cells, 0);
  // A quarter, half or three quarters of the bits, so that some tears nearly happened.
  const share = prng.below(3);
  for (let i = 0; i < len; i++) {
    const bits = prng.u32();
    const second = bits >>> 8;
    const mask = share === 0 ? bits & second : share === 1 ? bits : bits | second;
    const wanted = op.kind === 'program' ? op.data[i]! : 0xff;
    cells[i] = (cells[i]! & ~mask) | (wanted & mask);
  }
  state.write(op.addr, len, cells, 0);
}
