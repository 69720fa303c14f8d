/**
 * Faults on demand, as shims that stack with each other and with the others.
 *
 * The failure model, what a chip may do to the file system on it:
 *
 * - *Power cut* in a program or an erase ({@link faulty_cells}): of the operation under way a part
 *   has happened, in any of the ways that `recorder.ts` lists (nothing, a run of bytes and bits of
 *   the next one, any bits, all of it); everything before it is there, everything after it answers
 *   EIO until the chip is opened anew on the same cells.
 * - *Failed program or erase* (faulty_cells): the same parts, then EIO once, or EIO for that place
 *   for good (a worn block). The file system may go on.
 * - *Failed call* ({@link mtd_faults}): any call of mtd_info answers EIO, the nth one or all from
 *   the nth on; of a write the first `stored` bytes are programmed, an erase has not happened. A
 *   read may also answer EBADMSG (two bits of what it gives are wrong) or EUCLEAN (data are good).
 * - Elsewhere, and composable with these: bit flips, weak and grave places of NAND
 *   (`nandsim.ts`); a host file that fails, a host that loses unsynced writes
 *   (`rumpuser/simulated.ts`); the nth allocation fails (`lump/slab.ts`).
 *
 * Not modelled: bits that fade with time, reads that disturb their neighbours, programs that say
 * they went well and did not.
 *
 * Every fault is one word, and a run of a test with a seed and these words is the same again:
 *
 *     cut:17~5        power goes in operation 17, any bits by seed 5 (words of format_power_cut)
 *     fail:17+12/f0   operation 17 fails after 12 bytes and half of the next; once
 *     worn:17         it fails before anything happened, and so do all later ones at its place
 *     write:3         the third write fails with EIO before anything was programmed
 *     write:3+512     … after 512 bytes
 *     read:5!EBADMSG  the fifth read, and all behind it, are uncorrectable
 */
import { Errno, type ErrnoCode } from '../lump/errno.js';
import { Prng } from '../rumpuser/prng.js';
import type { FlashBacking } from './backing.js';
import { backing_shim } from './backing_shim.js';
import type { erase_info, mtd_info, mtd_oob_ops, mtd_point } from './mtd.js';
import {
  type flash_op,
  format_power_cut,
  parse_power_cut,
  type power_cut,
  tear_op,
} from './recorder.js';
import { mtd_shim } from './shim.js';

/** A fault of the cells: `at.op` counts programs and erases from 0. */
export interface cell_fault {
  readonly kind: 'cut' | 'fail' | 'worn';
  readonly at: power_cut;
}

/** The calls of mtd_info that can fail; 'any' counts them all. */
const CALLS = [
  'any',
  'read',
  'write',
  'erase',
  'sync',
  'read_oob',
  'write_oob',
  'block_markbad',
] as const;
/** A call of mtd_info that can be made to fail; any: every one of them counts. */
export type fault_call = (typeof CALLS)[number];

/**
 * A fault of a call: the chip answers an error, the cells are as they should be or programmed in
 * part.
 */
export interface call_fault {
  readonly call: fault_call;
  /** 1 is the first such call. */
  readonly nth: number;
  /** All behind it fail, too. */
  readonly lasting: boolean;
  /** EIO; of reads also EBADMSG and EUCLEAN. */
  readonly code: ErrnoCode;
  /** Of a write: bytes that are programmed before it fails (NAND: whole pages). */
  readonly stored: number;
}

/** What can go wrong with a flash, in one word; see the head of this file. */
export type flash_fault = cell_fault | call_fault;

/** Is it one of the cells, rather than of a call? */
export const is_cell_fault = (fault: flash_fault): fault is cell_fault => 'at' in fault;

/** One word, see above. */
export function format_fault(fault: flash_fault): string {
  if (is_cell_fault(fault)) return `${fault.kind}:${format_power_cut(fault.at)}`;
  const { call, nth, lasting, code, stored } = fault;
  const mark = lasting ? '!' : code === 'EIO' ? '' : '=';
  return `${call}:${nth}${stored > 0 ? `+${stored}` : ''}${mark}${code === 'EIO' ? '' : code}`;
}

/** The other way round. @returns null when it is none. */
export function parse_fault(text: string): flash_fault | null {
  const cell = /^(cut|fail|worn):(.*)$/.exec(text);
  if (cell !== null) {
    const at = parse_power_cut(cell[2]!);
    return at === null ? null : { kind: cell[1] as cell_fault['kind'], at };
  }
  const match = /^([a-z_]+):(\d+)(?:\+(\d+))?(?:([!=])(EIO|EBADMSG|EUCLEAN)?)?$/.exec(text);
  const call = CALLS.find((name) => name === match?.[1]);
  if (match === null || call === undefined || match[2] === '0') return null;
  return {
    call,
    nth: Number(match[2]),
    lasting: match[4] === '!',
    code: (match[5] ?? 'EIO') as ErrnoCode,
    stored: Number(match[3] ?? 0),
  };
}

/** Faults under a chip: programs and erases of its cells that happen in part. */
export class faulty_cells extends backing_shim {
  /** Programs and erases so far; what the next one is called in a power_cut. */
  operations = 0;
  /** The power is off: every call answers EIO. */
  off = false;
  readonly #faults: readonly cell_fault[];
  /** Starts of programs and erases that fail for good, with their lengths. */
  readonly #worn = new Map<number, number>();

  constructor(lower: FlashBacking, faults: readonly cell_fault[]) {
    super(lower);
    this.#faults = faults;
  }

  #checkPower(): void {
    if (this.off) throw new Errno('EIO', 'the power is off');
  }

  /** The backing's, as long as there is power. @throws EIO there is none */
  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#checkPower();
    super.read(from, len, buf, bufOffset);
  }

  /** The backing's, as long as there is power. @throws EIO there is none */
  override window(from: number, len: number, out: mtd_point): boolean {
    this.#checkPower();
    return super.window(from, len, out);
  }

  /** Programs, or fails as the plan says. @throws EIO */
  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    this.#checkPower();
    const n = this.operations++;
    const fault = this.#faultOf(n, to, len);
    if (fault === undefined) {
      super.write(to, len, buf, bufOffset);
      return;
    }
    const data = buf.slice(bufOffset, bufOffset + len);
    this.#happenInPart({ kind: 'program', addr: to, data }, len, fault);
  }

  /** Erases, or fails as the plan says. @throws EIO */
  override fill(from: number, len: number): void {
    this.#checkPower();
    const n = this.operations++;
    const fault = this.#faultOf(n, from, len);
    if (fault === undefined) super.fill(from, len);
    else this.#happenInPart({ kind: 'erase', addr: from, len }, len, fault);
  }

  #faultOf(n: number, addr: number, len: number): cell_fault | undefined {
    if (this.#faults.length === 0) return undefined;
    for (const [start, length] of this.#worn) {
      if (addr < start + length && start < addr + len) {
        return { kind: 'fail', at: { op: n, bytes: 0, mask: 0 } };
      }
    }
    return this.#faults.find((fault) => fault.at.op === n);
  }

  #happenInPart(op: flash_op, len: number, { kind, at }: cell_fault): never {
    // A cut behind the end of the operation means all of it.
    const bytes = Math.min(at.bytes, len);
    tear_op(this.lower, op, { ...at, bytes, mask: bytes < len ? at.mask : 0 });
    if (kind === 'cut') this.off = true;
    if (kind === 'worn' && op.kind !== 'sync') this.#worn.set(op.addr, len);
    const word = format_fault({ kind, at });
    throw new Errno('EIO', `as asked for by ${word}`);
  }

  /** The backing's. @throws EIO there is no power */
  override sync(): void {
    this.#checkPower();
    super.sync();
  }

  /** The backing's. @throws EIO there is no power */
  override unplug(): void {
    super.unplug();
    this.#checkPower();
  }
}

/** Faults on a chip: calls that fail. */
export class mtd_faults extends mtd_shim {
  /** Calls so far, by name. */
  readonly calls: Record<fault_call, number> = {
    any: 0,
    read: 0,
    write: 0,
    erase: 0,
    sync: 0,
    read_oob: 0,
    write_oob: 0,
    block_markbad: 0,
  };
  readonly #faults: readonly call_fault[];
  #lastRetlen: number | null = null;

  constructor(lower: mtd_info, faults: readonly call_fault[]) {
    super(lower);
    this.#faults = faults;
  }

  override get lastRetlen(): number {
    return this.#lastRetlen ?? super.lastRetlen;
  }

  /** Counts the call. @returns how it fails, if it does. */
  #next(call: fault_call): call_fault | undefined {
    this.calls.any++;
    this.calls[call]++;
    if (this.#faults.length === 0) return undefined;
    return this.#faults.find((fault) => {
      if (fault.call !== 'any' && fault.call !== call) return false;
      const n = this.calls[fault.call];
      return fault.lasting ? n >= fault.nth : n === fault.nth;
    });
  }

  #error(fault: call_fault, code: ErrnoCode = 'EIO'): Errno {
    return new Errno(code, `${this.name}: as asked for by ${format_fault(fault)}`);
  }

  /** Of a read: what `read` did is spoilt as the fault says. */
  #readFails(fault: call_fault, buf: Uint8Array, bufOffset: number, len: number): Errno {
    if (fault.code === 'EBADMSG' && len > 0) {
      const prng = new Prng(this.calls.any);
      const first = prng.below(len * 8);
      const second = (first + 1 + prng.below(Math.max(1, len * 8 - 1))) % (len * 8);
      for (const bit of [first, second]) buf[bufOffset + (bit >> 3)]! ^= 1 << (bit & 7);
    }
    return this.#error(fault, fault.code);
  }

  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    const fault = this.#next('read');
    if (fault?.code === 'EIO') throw this.#error(fault);
    super.read(from, len, buf, bufOffset);
    if (fault !== undefined) throw this.#readFails(fault, buf, bufOffset, len);
  }

  /** Counts as a read; where that would fail, the caller is sent to read(). */
  override point(from: number, len: number, out: mtd_point): boolean {
    const fault = this.#next('read');
    if (fault === undefined) return super.point(from, len, out);
    if (fault.code === 'EIO') throw this.#error(fault);
    // A window onto the cells cannot be wrong; the read that follows is.
    this.calls.any--;
    this.calls.read--;
    return false;
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    this.#lastRetlen = null;
    const fault = this.#next('write');
    if (fault === undefined) return super.write(to, len, buf, bufOffset);
    const stored = Math.min(fault.stored - (fault.stored % this.writesize), len);
    if (stored > 0) super.write(to, stored, buf, bufOffset);
    this.#lastRetlen = stored;
    throw this.#error(fault);
  }

  override erase(instr: erase_info): void {
    const fault = this.#next('erase');
    if (fault === undefined) {
      super.erase(instr);
      return;
    }
    instr.fail_addr = instr.addr;
    throw this.#error(fault);
  }

  override sync(): void {
    const fault = this.#next('sync');
    if (fault !== undefined) throw this.#error(fault);
    super.sync();
  }

  override read_oob(from: number, ops: mtd_oob_ops): void {
    const fault = this.#next('read_oob');
    if (fault?.code === 'EIO') throw this.#error(fault);
    super.read_oob(from, ops);
    if (fault === undefined) return;
    const { datbuf, retlen, oobbuf, oobretlen } = ops;
    throw datbuf === null
      ? this.#readFails(fault, oobbuf ?? new Uint8Array(0), 0, oobretlen)
      : this.#readFails(fault, datbuf, 0, retlen);
  }

  override write_oob(to: number, ops: mtd_oob_ops): void {
    this.#lastRetlen = null;
    const fault = this.#next('write_oob');
    if (fault === undefined) {
      super.write_oob(to, ops);
      return;
    }
    ops.retlen = 0;
    ops.oobretlen = 0;
    this.#lastRetlen = 0;
    throw this.#error(fault);
  }

  override block_markbad(ofs: number): void {
    const fault = this.#next('block_markbad');
    if (fault !== undefined) throw this.#error(fault);
    super.block_markbad(ofs);
  }
}
