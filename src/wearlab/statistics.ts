/**
 * Figures of how evenly a flash is worn, from its erase counts: one number per erase block, bad
 * blocks included. Nothing here knows how a run came about.
 */
import { BUG_ON } from '../lump/bug.js';

/** Of erase counts; erases, but for the shares. */
export interface WearStatistics {
  readonly blocks: number;
  /** Erases of all blocks together. */
  readonly total: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  /** Of the population: all blocks are there, nothing is estimated. */
  readonly deviation: number;
  /** deviation / mean; 0 when nothing was erased. */
  readonly coefficientOfVariation: number;
  /** 0: all blocks alike; (blocks - 1) / blocks: one block has all erases. */
  readonly gini: number;
  /** How much longer the flash would last were it worn evenly; 1 when nothing was erased. */
  readonly maxToMean: number;
}

/** @throws KernelPanic on no blocks. */
export function wearStatistics(eraseCounts: ArrayLike<number>): WearStatistics {
  const blocks = eraseCounts.length;
  BUG_ON(blocks === 0, 'statistics of no erase blocks');
  const sorted = ascending(eraseCounts);
  let total = 0;
  let weighted = 0;
  for (let i = 0; i < blocks; i++) {
    total += sorted[i]!;
    weighted += (i + 1) * sorted[i]!;
  }
  const mean = total / blocks;
  let squares = 0;
  for (const count of sorted) squares += (count - mean) ** 2;
  const deviation = Math.sqrt(squares / blocks);
  const max = sorted[blocks - 1]!;
  return {
    blocks,
    total,
    min: sorted[0]!,
    max,
    mean,
    median: quantileOfSorted(sorted, 0.5),
    deviation,
    coefficientOfVariation: total === 0 ? 0 : deviation / mean,
    gini: total === 0 ? 0 : (2 * weighted) / (blocks * total) - (blocks + 1) / blocks,
    maxToMean: total === 0 ? 1 : max / mean,
  };
}

const ascending = (values: ArrayLike<number>): Float64Array => Float64Array.from(values).sort();

/**
 * By linear interpolation between the two nearest values (numpy's default, Hyndman and Fan's 7th).
 * @param share 0 … 1
 */
export function quantile(values: ArrayLike<number>, share: number): number {
  BUG_ON(values.length === 0, 'quantile of nothing');
  return quantileOfSorted(ascending(values), share);
}

function quantileOfSorted(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/** A point of the Lorenz curve: the least worn `blocks` of all have had `erases` of all. */
export interface LorenzPoint {
  /** 0 … 1 */
  readonly blocks: number;
  /** 0 … 1 */
  readonly erases: number;
}

/**
 * From (0, 0) to (1, 1); a diagonal is even wear.
 * @param pointsMax beyond it, only every so manieth block has a point
 */
export function lorenzCurve(eraseCounts: ArrayLike<number>, pointsMax = 201): LorenzPoint[] {
  const sorted = ascending(eraseCounts);
  const blocks = sorted.length;
  let total = 0;
  for (const count of sorted) total += count;
  const points = Math.min(blocks + 1, Math.max(2, pointsMax));
  const curve: LorenzPoint[] = [];
  let done = 0;
  let sum = 0;
  for (let n = 0; n < points; n++) {
    const end = Math.round((n * blocks) / (points - 1));
    for (; done < end; done++) sum += sorted[done]!;
    // Nothing erased is even wear.
    curve.push({ blocks: end / blocks, erases: total === 0 ? end / blocks : sum / total });
  }
  return curve;
}

/** Blocks with `from` ≤ erases < `to`; all are whole numbers. */
export interface HistogramBin {
  readonly from: number;
  readonly to: number;
  readonly blocks: number;
}

/** Bins of one width, a round number of erases, from the least worn block to the most worn one. */
export function histogram(eraseCounts: ArrayLike<number>, binsMax = 40): HistogramBin[] {
  const { length } = eraseCounts;
  if (length === 0) return [];
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (let i = 0; i < length; i++) {
    min = Math.min(min, eraseCounts[i]!);
    max = Math.max(max, eraseCounts[i]!);
  }
  const width = roundWidth((max - min + 1) / binsMax);
  const first = Math.floor(min / width);
  const blocks = new Array<number>(Math.floor(max / width) - first + 1).fill(0);
  for (let i = 0; i < length; i++) blocks[Math.floor(eraseCounts[i]! / width) - first]!++;
  return blocks.map((count, n) => {
    const from = (first + n) * width;
    return { from, to: from + width, blocks: count };
  });
}

/** The next of 1, 2, 5, 10, 20, 50, … */
function roundWidth(least: number): number {
  let decade = 1;
  for (;;) {
    for (const step of [1, 2, 5]) {
      if (step * decade >= least) return step * decade;
    }
    decade *= 10;
  }
}

/** What a device has had at a moment. */
export interface WearMoment {
  /** Bytes that programs have written. */
  readonly hostBytes: number;
  /** Modelled time. */
  readonly seconds: number;
  /** Per erase block. */
  readonly eraseCounts: ArrayLike<number>;
}

/** Until the first block has had as many erases as it stands. */
export interface Lifetime {
  readonly hostBytes: number;
  readonly days: number;
}

/** Between which a lifetime will be; see {@link projectLifetime}. */
export interface LifetimeProjection {
  readonly atLeast: Lifetime;
  readonly atMost: Lifetime;
}

/**
 * How long a flash will last if all goes on as between two moments. Blocks are taken to wear at the
 * rate that they had between the moments: `atLeast` is when the first block is at its limit if each
 * block keeps its own rate, `atMost` if from then on all blocks wear alike. The first takes chance
 * for habit, since blocks that were lucky so far need not stay so, and the second forgets that cold
 * data protect blocks; the truth lies between. The later the first moment (behind the filling of
 * the flash) and the longer the time between them, the closer the two.
 * @param limits erases that each block stands, or one number for all
 * @returns null when nothing was erased in between
 */
export function projectLifetime(
  from: WearMoment,
  to: WearMoment,
  limits: ArrayLike<number> | number,
): LifetimeProjection | null {
  const blocks = to.eraseCounts.length;
  BUG_ON(from.eraseCounts.length !== blocks, 'moments of two different flashes');
  const limitOf = (b: number): number => (typeof limits === 'number' ? limits : limits[b]!);
  let erased = 0;
  for (let b = 0; b < blocks; b++) erased += to.eraseCounts[b]! - from.eraseCounts[b]!;
  if (erased <= 0) return null;
  // In spans of the time between the moments.
  let own = Number.POSITIVE_INFINITY;
  let alike = Number.POSITIVE_INFINITY;
  for (let b = 0; b < blocks; b++) {
    const left = Math.max(0, limitOf(b) - to.eraseCounts[b]!);
    const rate = to.eraseCounts[b]! - from.eraseCounts[b]!;
    if (rate > 0) own = Math.min(own, left / rate);
    alike = Math.min(alike, left / (erased / blocks));
  }
  const after = (spans: number): Lifetime => ({
    hostBytes: to.hostBytes + spans * (to.hostBytes - from.hostBytes),
    days: (to.seconds + spans * (to.seconds - from.seconds)) / SECONDS_A_DAY,
  });
  // A block that is nearly at its end can be last in the one way and first in the other.
  return { atLeast: after(Math.min(own, alike)), atMost: after(Math.max(own, alike)) };
}

const SECONDS_A_DAY = 86_400;

/** Bytes programmed, by cause. */
export type BytesByCause = Readonly<Record<string, number>>;

/**
 * Write amplification: bytes programmed for each byte that programs wrote, in all and by cause.
 * @returns null when nothing was written
 */
export function writeAmplification(
  bytesByCause: BytesByCause,
  hostBytes: number,
): { readonly total: number; readonly byCause: BytesByCause } | null {
  if (hostBytes <= 0) return null;
  const byCause: Record<string, number> = {};
  let total = 0;
  for (const [cause, bytes] of Object.entries(bytesByCause)) {
    byCause[cause] = bytes / hostBytes;
    total += bytes;
  }
  return { total: total / hostBytes, byCause };
}

/**
 * From a histogram whose bucket n counts what is at least 2^n and less than 2^(n+1), bucket 0 also
 * what is less: by linear interpolation in the bucket, so within a factor of two.
 * @param share 0 … 1
 * @returns null when nothing was counted
 */
export function bucketQuantile(buckets: readonly number[], share: number): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const wanted = share * total;
  let before = 0;
  let n = 0;
  while (before + buckets[n]! < wanted || buckets[n] === 0) before += buckets[n++]!;
  const from = n === 0 ? 0 : 2 ** n;
  return from + ((wanted - before) / buckets[n]!) * (2 ** (n + 1) - from);
}
