/**
 * Shim: checks that the flash is written in the order that was promised, and panics at the first
 * operation that is not. A file system may end with the right bytes and still have written them in
 * an order that a power cut would not forgive.
 *
 * The rules are declared by who knows the file system; the usual ones are below.
 */
import { BUG } from '../lump/bug.js';
import type { erase_info, mtd_info } from './mtd.js';
import { mtd_shim } from './shim.js';

/** What the checker has seen of one erase block. */
export interface block_history {
  readonly eb: number;
  /** It was erased while the checker watched; before that its content is not known. */
  erased: boolean;
  /** End of the highest program since (or since watching began), as offset in the block. */
  programmedTo: number;
  /** The file system calls it erasing, and has not erased it yet. */
  erasing: boolean;
  /** Syncs that had happened at its last program; -1: none was seen. */
  syncsAtProgram: number;
}

/** The part of a program that falls into one block. */
export interface checked_program {
  readonly ofs: number;
  readonly len: number;
  /** The bytes are data[dataOffset … dataOffset+len-1]. */
  readonly data: Uint8Array;
  readonly dataOffset: number;
}

/** Each check answers null, or says what is wrong. `syncs` counts the syncs so far. */
export interface write_order_rule {
  readonly name: string;
  /** Before a program. Offsets in bytes from the start of the block. */
  program?(block: Readonly<block_history>, program: checked_program, syncs: number): string | null;
  /** Before an erase. */
  erase?(block: Readonly<block_history>, syncs: number): string | null;
}

/**
 * Within a block, programs go upwards. `rewrites`: bytes that were programmed may be programmed
 * again (NOR: to clear a bit in a header).
 */
export function ascending_programs(options: { rewrites: boolean }): write_order_rule {
  return {
    name: 'programs ascend',
    program: (block, { ofs, len }) => {
      if (ofs >= block.programmedTo) return null;
      if (options.rewrites && ofs + len <= block.programmedTo) return null;
      return `the block is programmed up to ${block.programmedTo}`;
    },
  };
}

/** A block that was erased gets its marker before anything else. */
export function marker_first(isMarker: (program: checked_program) => boolean): write_order_rule {
  return {
    name: 'marker first',
    program: (block, program) => {
      if (!block.erased || block.programmedTo > 0) return null;
      return program.ofs === 0 && isMarker(program) ? null : 'the block has no marker';
    },
  };
}

/** Nothing is programmed into a block that the file system has given up to be erased. */
export function no_program_while_erasing(): write_order_rule {
  return {
    name: 'no program while erasing',
    program: (block) => (block.erasing ? 'the block is waiting to be erased' : null),
  };
}

/** A shim that panics when a file system writes in an order that a power cut would punish. */
export class write_order_checker extends mtd_shim {
  readonly #rules: readonly write_order_rule[];
  readonly #blocks = new Map<number, block_history>();
  #syncs = 0;

  constructor(lower: mtd_info, rules: readonly write_order_rule[]) {
    super(lower);
    this.#rules = rules;
  }

  /** The file system says: from now until its erase, this block belongs to nobody. */
  reportErasing(addr: number): void {
    this.#block(Math.floor(addr / this.erasesize)).erasing = true;
  }

  #block(eb: number): block_history {
    let block = this.#blocks.get(eb);
    if (block === undefined) {
      block = { eb, erased: false, programmedTo: 0, erasing: false, syncsAtProgram: -1 };
      this.#blocks.set(eb, block);
    }
    return block;
  }

  override write(to: number, len: number, data: Uint8Array, bufOffset: number): number {
    this.#eachBlock(to, len, (block, ofs, piece, done) => {
      const program = { ofs, len: piece, data, dataOffset: bufOffset + done };
      for (const rule of this.#rules) {
        const broken = rule.program?.(block, program, this.#syncs) ?? null;
        if (broken === null) continue;
        const what = `program of ${piece} bytes at ${ofs} of erase block ${block.eb}`;
        BUG(`${this.name}: rule "${rule.name}": ${what}: ${broken}`);
      }
    });
    let stored = 0;
    try {
      stored = super.write(to, len, data, bufOffset);
      return stored;
    } catch (error) {
      stored = this.lastRetlen;
      throw error;
    } finally {
      this.#eachBlock(to, stored, (block, ofs, piece) => {
        block.programmedTo = Math.max(block.programmedTo, ofs + piece);
        block.syncsAtProgram = this.#syncs;
      });
    }
  }

  #eachBlock(
    to: number,
    len: number,
    visit: (block: block_history, ofs: number, piece: number, done: number) => void,
  ): void {
    for (let done = 0; done < len; ) {
      const block = this.#block(Math.floor((to + done) / this.erasesize));
      const ofs = to + done - block.eb * this.erasesize;
      const piece = Math.min(len - done, this.erasesize - ofs);
      visit(block, ofs, piece, done);
      done += piece;
    }
  }

  override erase(instr: erase_info): void {
    const first = Math.floor(instr.addr / this.erasesize);
    const count = Math.floor(instr.len / this.erasesize);
    for (let eb = first; eb < first + count; eb++) {
      for (const rule of this.#rules) {
        const broken = rule.erase?.(this.#block(eb), this.#syncs) ?? null;
        if (broken === null) continue;
        BUG(`${this.name}: rule "${rule.name}": erase of erase block ${eb}: ${broken}`);
      }
    }
    super.erase(instr);
    for (let eb = first; eb < first + count; eb++) {
      const block = this.#block(eb);
      block.erased = true;
      block.programmedTo = 0;
      block.erasing = false;
      block.syncsAtProgram = -1;
    }
  }

  override sync(): void {
    super.sync();
    this.#syncs++;
  }
}
