/**
 * A small seeded generator, xoshiro128** 1.1 (Blackman & Vigna, public domain description), for
 * everything that must be replayed from a seed: the simulated host and the scheduler. It is no
 * source of secrets.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** Any integer is a good seed: splitmix32 spreads it over the state. */
  constructor(seed: number) {
    let z = seed | 0;
    const splitmix = (): number => {
      z = (z + 0x9e3779b9) | 0;
      let t = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
      return t ^ (t >>> 15);
    };
    this.a = splitmix();
    this.b = splitmix();
    this.c = splitmix();
    this.d = splitmix();
    // The one state that the generator cannot leave.
    if ((this.a | this.b | this.c | this.d) === 0) this.a = 1;
  }

  get state(): PrngState {
    return [this.a, this.b, this.c, this.d];
  }

  /** Goes on where one with this state was. */
  set state(state: PrngState) {
    [this.a, this.b, this.c, this.d] = state;
  }

  /** 0 … 2^32-1. */
  u32(): number {
    const x = Math.imul(this.b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  /** 0 … bound-1, for 1 ≤ bound ≤ 2^32; the bias of at most bound/2^32 is accepted. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x100000000) * bound);
  }

  fill(buffer: Uint8Array): void {
    for (let i = 0; i < buffer.length; i++) buffer[i] = this.u32() >>> 24;
  }
}

/** Where a generator is in its sequence. */
export type PrngState = readonly [number, number, number, number];
