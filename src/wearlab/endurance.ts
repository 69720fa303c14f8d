/** Shim: blocks that wear out, each at its own number of erases; and reads that come too late. */
import { Errno } from '../lump/errno.js';
import type { erase_info, mtd_info, mtd_oob_ops, mtd_point } from '../mtd/mtd.js';
import { mtd_shim } from '../mtd/shim.js';
import { Prng } from '../rumpuser/prng.js';
import type { EnduranceSpec } from './experiment.js';

const DAY_MS = 86_400_000;

/** In (0, 1). */
const uniform = (prng: Prng): number => (prng.u32() + 0.5) / 2 ** 32;

/** Standard normal, by Box and Muller. */
function normal(prng: Prng): number {
  const radius = Math.sqrt(-2 * Math.log(uniform(prng)));
  return radius * Math.cos(2 * Math.PI * uniform(prng));
}

/** The gamma function, by Lanczos. */
function gamma(x: number): number {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const z = x - 1;
  let sum = 0.99999999999980993;
  for (const [n, term] of terms.entries()) sum += term / (z + n + 1);
  const t = z + terms.length - 0.5;
  return Math.sqrt(2 * Math.PI) * t ** (z + 0.5) * Math.exp(-t) * sum;
}

/** The shape of a Weibull distribution whose deviation is so much of its mean, by bisection. */
function weibullShape(spread: number): number {
  const spreadOf = (shape: number): number =>
    Math.sqrt(gamma(1 + 2 / shape) / gamma(1 + 1 / shape) ** 2 - 1);
  let low = 1;
  let high = 200;
  for (let n = 0; n < 60; n++) {
    const middle = (low + high) / 2;
    if (spreadOf(middle) > spread) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Erases that each block survives, at least 1. */
export function drawLimits(spec: EnduranceSpec, blocks: number, seed: number): Uint32Array {
  const prng = new Prng(seed ^ 0x77656172);
  const { cycles, spread, distribution } = spec;
  let draw = (): number => cycles;
  if (spread > 0 && distribution === 'normal') {
    draw = () => cycles * (1 + spread * normal(prng));
  } else if (spread > 0 && distribution === 'lognormal') {
    const variance = Math.log(1 + spread * spread);
    draw = () => cycles * Math.exp(Math.sqrt(variance) * normal(prng) - variance / 2);
  } else if (spread > 0) {
    const shape = weibullShape(spread);
    const scale = cycles / gamma(1 + 1 / shape);
    draw = () => scale * (-Math.log(uniform(prng))) ** (1 / shape);
  }
  return Uint32Array.from({ length: blocks }, () => Math.max(1, Math.round(draw())));
}

/** What has become of the blocks. */
export interface SavedEndurance {
  readonly limits: Uint32Array;
  readonly reads: Uint32Array;
  readonly erasedMs: Float64Array;
  readonly uncorrectable: number;
}

export class mtd_endurance extends mtd_shim {
  readonly limits: Uint32Array;
  /** Blocks that fail while they are programmed. */
  readonly #programFails: Uint8Array;
  readonly #spec: EnduranceSpec;
  readonly #nowMs: () => number;
  /** Reads of each block since its erase, and when that was. */
  readonly #reads: Uint32Array;
  readonly #erasedMs: Float64Array;
  readonly #ages: boolean;
  /** Reads that ECC could not have corrected. */
  uncorrectable = 0;
  #failedWrite = false;

  constructor(lower: mtd_info, spec: EnduranceSpec, seed: number, nowMs: () => number) {
    super(lower);
    const blocks = lower.size / lower.erasesize;
    this.#spec = spec;
    this.#nowMs = nowMs;
    this.limits = drawLimits(spec, blocks, seed);
    const prng = new Prng(seed ^ 0x70726f67);
    this.#programFails = Uint8Array.from({ length: blocks }, () =>
      uniform(prng) < spec.program_failures ? 1 : 0,
    );
    this.#reads = new Uint32Array(blocks);
    this.#erasedMs = new Float64Array(blocks);
    this.#ages = spec.read_disturb > 0 || spec.retention_days > 0;
  }

  save(): SavedEndurance {
    return {
      limits: this.limits.slice(),
      reads: this.#reads.slice(),
      erasedMs: this.#erasedMs.slice(),
      uncorrectable: this.uncorrectable,
    };
  }

  restore(saved: SavedEndurance): void {
    this.limits.set(saved.limits);
    this.#reads.set(saved.reads);
    this.#erasedMs.set(saved.erasedMs);
    this.uncorrectable = saved.uncorrectable;
  }

  override get lastRetlen(): number {
    return this.#failedWrite ? 0 : super.lastRetlen;
  }

  override erase(instr: erase_info): void {
    super.erase(instr);
    const eb = instr.addr / this.erasesize;
    this.#reads[eb] = 0;
    this.#erasedMs[eb] = this.#nowMs();
    if (this.wear.eraseCount[eb]! <= this.limits[eb]!) return;
    instr.fail_addr = instr.addr;
    throw new Errno('EIO', `erase block ${eb} is worn out`);
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): number {
    this.#failedWrite = false;
    const eb = Math.floor(to / this.erasesize);
    if (this.#programFails[eb] === 1 && this.wear.eraseCount[eb]! >= this.limits[eb]!) {
      this.#failedWrite = true;
      // From now on its erases fail, too.
      this.limits[eb] = Math.min(this.limits[eb]!, this.wear.eraseCount[eb]! - 1);
      throw new Errno('EIO', `erase block ${eb} is worn out`);
    }
    return super.write(to, len, buf, bufOffset);
  }

  override read(from: number, len: number, buf: Uint8Array, bufOffset: number): void {
    if (this.#ages) this.#age(from);
    super.read(from, len, buf, bufOffset);
  }

  override point(from: number, len: number, out: mtd_point): boolean {
    const pointed = super.point(from, len, out);
    if (pointed && this.#ages) this.#age(from);
    return pointed;
  }

  override read_oob(from: number, ops: mtd_oob_ops): void {
    if (this.#ages) this.#age(from);
    super.read_oob(from, ops);
  }

  #age(from: number): void {
    const eb = Math.floor(from / this.erasesize);
    const { read_disturb, retention_days } = this.#spec;
    const disturbed = ++this.#reads[eb]! > read_disturb && read_disturb > 0;
    const ageMs = this.#nowMs() - this.#erasedMs[eb]!;
    if (disturbed || (retention_days > 0 && ageMs > retention_days * DAY_MS)) this.uncorrectable++;
  }
}
