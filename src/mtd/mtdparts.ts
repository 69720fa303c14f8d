/**
 * Linux's `mtdparts=` (and U-Boot's), the text that says how chips are divided:
 *
 *     mtdparts=<mtd-id>:<part>[,<part>…][;<mtd-id>:<part>…]
 *     <part>   := <size>[@<offset>][(<name>)][ro][lk][slc]
 *     <size>   := <number> | -         "-" is all that remains; nothing may follow it
 *     <offset> := <number>             default: behind the part before, or 0
 *     <number> := decimal, 0x… or 0… (octal), with an optional suffix k, m, g, t (1024 each time)
 *
 * The id is the name of the device and may contain colons. Parts may be out of order and may
 * overlap. `ro`: read-only. `lk`: left locked at power-up; simulated chips have no locks, so it
 * means nothing here. `slc`: one bit per cell on an MLC chip; there is none here, so it is refused.
 *
 * A part that does not fit is handled as by Linux: cut at the device's end, or left out if nothing
 * of it lies inside, with a message. A part that is not made of whole erase blocks is refused.
 */
import { Errno } from '../lump/errno.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import type { mtd_info } from './mtd.js';
import { mtd_partition } from './partition.js';

/** One part, as in "512k@64k(rootfs)ro". */
export interface mtdparts_part {
  /** Bytes; null: all that remains. */
  readonly size: number | null;
  /** Bytes; null: behind the part before. */
  readonly offset: number | null;
  readonly name: string | null;
  readonly ro: boolean;
  readonly lk: boolean;
  readonly slc: boolean;
}

/** The parts of one device, whose name is `id`. */
export interface mtdparts_device {
  readonly id: string;
  readonly parts: mtdparts_part[];
}

const PREFIX = 'mtdparts=';
const SUFFIXES = 'kmgt';

/** @throws EINVAL with the place where the text makes no sense. */
export function parse_mtdparts(text: string): mtdparts_device[] {
  return new parser(text).devices();
}

class parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  devices(): mtdparts_device[] {
    this.#take(PREFIX);
    const devices: mtdparts_device[] = [];
    do devices.push(this.#device());
    while (this.#take(';'));
    if (this.#at < this.#text.length) this.#fail('"," or ";" or the end was expected');
    return devices;
  }

  #device(): mtdparts_device {
    // An id may contain colons, a size may not: the last colon before the first part's end.
    const rest = this.#text.slice(this.#at);
    const firstPart = /^[^(,;]*/.exec(rest)![0];
    const length = firstPart.lastIndexOf(':');
    if (length < 0) this.#fail('the device\'s name and ":" were expected');
    if (length === 0) this.#fail("the device's name is empty");
    const id = firstPart.slice(0, length);
    this.#at += length + 1;
    const parts: mtdparts_part[] = [];
    do {
      if (parts.at(-1)?.size === null) this.#fail('nothing may follow a part of size "-"');
      parts.push(this.#part());
    } while (this.#take(','));
    return { id, parts };
  }

  #part(): mtdparts_part {
    const size = this.#take('-') ? null : this.#number('a size or "-"');
    const offset = this.#take('@') ? this.#number('an offset') : null;
    let name: string | null = null;
    if (this.#take('(')) {
      const end = this.#text.indexOf(')', this.#at);
      if (end < 0) this.#fail('the ")" of this name is missing');
      name = this.#text.slice(this.#at, end);
      this.#at = end + 1;
    }
    const ro = this.#take('ro');
    const lk = this.#take('lk');
    const slc = this.#take('slc');
    return { size, offset, name, ro, lk, slc };
  }

  #number(what: string): number {
    const rest = this.#text.slice(this.#at);
    const match = /^(?:0x([0-9a-f]+)|0([0-7]+)|(0|[1-9][0-9]*))([kmgt]?)/i.exec(rest);
    if (match === null) return this.#fail(`${what} was expected`);
    const [all, hex, octal, decimal, suffix] = match;
    let value = Number(decimal);
    if (hex !== undefined) value = Number.parseInt(hex, 16);
    if (octal !== undefined) value = Number.parseInt(octal, 8);
    if (suffix) value *= 1024 ** (SUFFIXES.indexOf(suffix.toLowerCase()) + 1);
    if (!Number.isSafeInteger(value)) this.#fail('this number is too large');
    this.#at += all.length;
    return value;
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #fail(message: string): never {
    const before = this.#text.slice(0, this.#at);
    const after = this.#text.slice(this.#at);
    const place = `"${before}" >>> "${after}"`;
    throw new Errno('EINVAL', `mtdparts: ${message} at character ${this.#at + 1}: ${place}`);
  }
}

/**
 * Divides a device as `text` says for its name, in the order of the text.
 * @returns its partitions; none when the text does not speak of it.
 * @throws EINVAL the text makes no sense, or a part is not made of whole erase blocks or `slc`.
 */
export function mtd_make_partitions(
  host: Rumpuser,
  master: mtd_info,
  text: string,
): mtd_partition[] {
  const device = parse_mtdparts(text).find(({ id }) => id === master.name);
  const partitions: mtd_partition[] = [];
  let next = 0;
  device?.parts.forEach((part, i) => {
    const name = part.name || `Partition_${String(i).padStart(3, '0')}`;
    const offset = part.offset ?? next;
    if (part.slc) {
      throw new Errno('EINVAL', `mtdparts: partition "${name}": ${master.name} is no MLC chip`);
    }
    const room = Math.max(0, master.size - offset);
    const size = Math.min(part.size ?? room, room);
    next = offset + size;
    if (room === 0) {
      host.console(4, `mtd: partition "${name}" is out of reach, left out`);
      return;
    }
    if (size === 0) {
      host.console(4, `mtd: partition "${name}" has no size, left out`);
      return;
    }
    if (part.size !== null && size < part.size) {
      const end = `the end of ${master.name}`;
      host.console(4, `mtd: partition "${name}" extends beyond ${end}, cut to ${size} bytes`);
    }
    if (offset % master.erasesize !== 0 || size % master.erasesize !== 0) {
      const range = `${size} bytes at ${offset}`;
      const blocks = `erase blocks of ${master.erasesize}`;
      throw new Errno('EINVAL', `mtdparts: partition "${name}": ${range} are no whole ${blocks}`);
    }
    partitions.push(new mtd_partition(master, { name, offset, size, readOnly: part.ro }));
  });
  return partitions;
}
