/**
 * The faults of Linux's NAND simulator, by its parameters' names and in their syntax, so that what
 * is known about a chip under nandsim can be asked for here:
 *
 *     weakblocks=e[:k],…   block e can be erased k times; later ones happen and report failure
 *     weakpages=p[:k],…    page p can be programmed k times; later ones happen and report failure
 *     gravepages=p[:k],…   page p can be read k times, then it answers random bytes
 *     bitflips=n           once in 1024 reads a page has 1 to n wrong bits, OOB included
 *     badblocks=e,…        blocks that are marked bad from the start
 *
 * k is 3 unless given and may be 0. Numbers count from the start of the chip. The cells themselves
 * stay right: flips and random bytes are in what is read. Randomness comes from a seed.
 *
 * Source: reference JFFS2 engineering notes, 13.7.
 */
import { Errno } from '../lump/errno.js';
import { Prng } from '../rumpuser/prng.js';

/** nandsim's module parameters, in its syntax. */
export interface nandsim_parameters {
  readonly weakblocks?: string;
  readonly weakpages?: string;
  readonly gravepages?: string;
  readonly bitflips?: number;
  readonly badblocks?: string;
  /** Of bit flips and random bytes. Default: 0. */
  readonly seed?: number;
}

const TIMES_DEFAULT = 3;
const FLIP_ONE_IN = 1024;

/** What a NAND chip asks before it does something. */
export class nandsim_faults {
  readonly badblocks: readonly number[];
  readonly #weakblocks: Map<number, number>;
  readonly #weakpages: Map<number, number>;
  readonly #gravepages: Map<number, number>;
  readonly #bitflips: number;
  readonly #prng: Prng;

  /** @throws EINVAL a list that cannot be read. */
  constructor(parameters: nandsim_parameters) {
    this.#weakblocks = parse_list('weakblocks', parameters.weakblocks);
    this.#weakpages = parse_list('weakpages', parameters.weakpages);
    this.#gravepages = parse_list('gravepages', parameters.gravepages);
    this.badblocks = [...parse_list('badblocks', parameters.badblocks).keys()];
    this.#bitflips = parameters.bitflips ?? 0;
    this.#prng = new Prng(parameters.seed ?? 0);
  }

  /** @returns true when this erase reports failure. */
  eraseFails(eb: number): boolean {
    return used_up(this.#weakblocks, eb);
  }

  /** @returns true when this program reports failure. */
  programFails(page: number): boolean {
    return used_up(this.#weakpages, page);
  }

  /** Whether reads can differ from the cells at all. */
  get spoilsReads(): boolean {
    return this.#bitflips > 0 || this.#gravepages.size > 0;
  }

  /** Spoils what was read of a page, data and OOB. @param programmed it is not blank. */
  spoilRead(page: number, record: Uint8Array, programmed: boolean): void {
    if (programmed && used_up(this.#gravepages, page)) this.#prng.fill(record);
    if (this.#bitflips === 0 || this.#prng.below(FLIP_ONE_IN) !== 0) return;
    for (let n = 1 + this.#prng.below(this.#bitflips); n > 0; n--) {
      const bit = this.#prng.below(record.length * 8);
      record[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
}

/** Counts down the times that a place is still good for. */
function used_up(left: Map<number, number>, place: number): boolean {
  const times = left.get(place);
  if (times === undefined) return false;
  if (times === 0) return true;
  left.set(place, times - 1);
  return false;
}

function parse_list(name: string, text: string | undefined): Map<number, number> {
  const list = new Map<number, number>();
  if (text === undefined || text === '') return list;
  for (const word of text.split(',')) {
    const match = /^(\d+)(?::(\d+))?$/.exec(word);
    if (match === null) {
      throw new Errno(
        'EINVAL',
        `${name}=${text}: "${word}" is neither a number nor "number:times"`,
      );
    }
    list.set(Number(match[1]), Number(match[2] ?? TIMES_DEFAULT));
  }
  return list;
}
