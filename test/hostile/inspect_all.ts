/**
 * Does with an image what a careless examiner would: every command of the inspector, extraction to
 * a target in memory among them. An {@link InspectError} is an answer; nothing else may come out,
 * and no work may grow beyond what the image's size allows.
 */
import { carve } from '../../src/inspect/carve.js';
import { check, repair } from '../../src/inspect/check.js';
import { convert } from '../../src/inspect/convert.js';
import { extract, type TreeTarget } from '../../src/inspect/extract.js';
import { Flash, type FlashOptions, InspectError } from '../../src/inspect/flash.js';
import { history } from '../../src/inspect/history.js';
import { oobBlocks, withOob } from '../../src/inspect/oob.js';
import { recoverable } from '../../src/inspect/recover.js';
import { State } from '../../src/inspect/state.js';
import { info, nodesInForce } from '../../src/inspect/usage.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import type { Prng } from '../../src/rumpuser/prng.js';

/** Of a hostile image whose files claim gigabytes. */
const EXTRACTED_BYTES_MAX = 256 << 20;
const host = { codecs: nodeZlib() };

function answer<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof InspectError) return null;
    throw error;
  }
}

/** A directory of a target in memory; its names must be such that any host could take them. */
class MemoryTarget implements TreeTarget {
  bytes = 0;
  #path: Set<string>[] = [new Set()];

  #make(name: string): null {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
      throw new Error(`extraction makes ${JSON.stringify(name)}`);
    }
    const dir = this.#path.at(-1)!;
    if (dir.has(name)) throw new Error(`extraction makes ${JSON.stringify(name)} twice`);
    dir.add(name);
    return null;
  }

  enter(name: string): null {
    this.#make(name);
    this.#path.push(new Set());
    return null;
  }

  leave(): null {
    this.#path.pop();
    return null;
  }

  file(
    name: string,
    size: number,
    pieces: Iterable<{ readonly from: number; readonly bytes: Uint8Array }>,
  ): null {
    this.#make(name);
    let end = 0;
    for (const { from, bytes } of pieces) {
      if (from < end || from + bytes.length > size) throw new Error(`${name}: pieces out of place`);
      end = from + bytes.length;
      this.bytes += bytes.length;
    }
    return null;
  }

  symlink(name: string): null {
    return this.#make(name);
  }

  special(name: string): null {
    return this.#make(name);
  }

  link(name: string): null {
    return this.#make(name);
  }
}

/** @throws whatever must not come out. */
export function inspectAll(file: Uint8Array, options: FlashOptions, prng: Prng): void {
  const before = file.slice();
  const flash = answer(() => new Flash(file, { host, ...options }));
  if (flash === null) return;
  const state = answer(() => new State(flash));
  if (state === null) return;
  check(state);
  info(state);
  history(state, nodesInForce(state));
  recoverable(state);
  const target = new MemoryTarget();
  for (const _ of extract(state, target)) {
    if (target.bytes > EXTRACTED_BYTES_MAX) throw new Error('extraction does not end');
  }
  const endian = prng.below(2) === 0 ? 'big' : 'little';
  const erasesize = prng.below(2) === 0 ? 8192 : flash.erasesize;
  const converted = answer(() => convert(state, { endian, erasesize }));
  if (flash.nand !== null) {
    answer(() => oobBlocks(file, flash.offset, flash.nand!, flash.erasesize));
    const { bytes } = converted ?? flash;
    answer(() => withOob(bytes, flash.nand!, erasesize, flash.endian));
  } else if (prng.below(8) === 0) {
    answer(() => repair(file.slice(), { host, ...options }));
  }
  if (prng.below(8) === 0) carve(file);
  if (file.some((byte, at) => byte !== before[at])) throw new Error('inspection changed the image');
}
