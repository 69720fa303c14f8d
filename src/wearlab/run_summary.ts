/** A run in figures: what a table shows of it. Times are in device time, which is modelled. */
import { PROGRAM_CAUSES, US_A_DAY } from './result.js';
import type { EndRecord, Histogram, ProgrammedBytes, SampleRecord, StopReason } from './result.js';
import type { Run } from './run_results.js';
import {
  bucketQuantile,
  projectLifetime,
  wearStatistics,
  writeAmplification,
  type LifetimeProjection,
  type WearMoment,
  type WearStatistics,
} from './statistics.js';

export interface LatencyQuantiles {
  /** Microseconds, within a factor of two; null: there was none. */
  readonly median: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface RunSummary {
  /** Why it ended; "cut off" when nothing says so. */
  readonly reason: StopReason | 'cut off';
  readonly hostBytes: number;
  readonly days: number;
  readonly operations: number;
  /** Since the workload began. */
  readonly wear: WearStatistics;
  /** Null when nothing was written. */
  readonly amplification: { readonly total: number; readonly byCause: ProgrammedBytes } | null;
  /** Of the second half of the run, when the flash has settled. */
  readonly amplificationLate: number | null;
  readonly fill: number;
  readonly gcForeground: LatencyQuantiles;
  readonly gcBackground: LatencyQuantiles;
  readonly operationLatency: LatencyQuantiles;
  /** Share of the collected blocks that were on the list of clean ones; null: none collected. */
  readonly collectedClean: number | null;
  readonly badBlocks: number;
  readonly firstBadBlock: { readonly hostBytes: number; readonly days: number } | null;
  /**
   * Until the first block is at its limit, from how blocks wore in the second half of the run.
   * Null: the experiment gives no endurance, or nothing was erased in that time.
   */
  readonly lifetime: LifetimeProjection | null;
  readonly uncorrectable: number;
}

const quantiles = (buckets: Histogram): LatencyQuantiles => ({
  median: bucketQuantile(buckets, 0.5),
  p99: bucketQuantile(buckets, 0.99),
  max: bucketQuantile(buckets, 1),
});

/** The state of the flash at one moment: a sample, or the end. */
export type Moment = SampleRecord | EndRecord;

/** In the order of time. */
export const momentsOf = ({ samples, end }: Run): readonly Moment[] =>
  end === null ? samples : [...samples, end];

/** The last that is known of a run. */
export const lastRecord = ({ samples, end }: Run): Moment | undefined => end ?? samples.at(-1);

const bytesOf = ({ programmed }: Moment): number =>
  PROGRAM_CAUSES.reduce((sum, cause) => sum + programmed[cause], 0);

/** The sample nearest to the middle of the run, in bytes written, before its last ones. */
function middleOf(run: Run, last: Moment): SampleRecord | undefined {
  const half = last.hostBytes / 2;
  let best: SampleRecord | undefined;
  for (const sample of run.samples) {
    const isNearer =
      best === undefined || Math.abs(sample.hostBytes - half) < Math.abs(best.hostBytes - half);
    if (isNearer && sample.hostBytes < last.hostBytes) best = sample;
  }
  return best;
}

const moment = ({ hostBytes, deviceUs, erases }: Moment): WearMoment => ({
  hostBytes,
  seconds: deviceUs / 1e6,
  eraseCounts: erases,
});

/** @returns null for a run that was cut off before its first sample. */
export function summarizeRun(run: Run): RunSummary | null {
  const last = lastRecord(run);
  if (last === undefined) return null;
  const { limits, erasesBefore } = run.header;
  const middle = middleOf(run, last);
  const amplification = writeAmplification({ ...last.programmed }, last.hostBytes);
  const first = run.end?.badBlockEvents[0];
  const collected = Object.values(last.collected).reduce((sum, count) => sum + count, 0);
  const left = limits?.map((limit, block) => limit - (erasesBefore[block] ?? 0));
  return {
    reason: run.end?.reason ?? 'cut off',
    hostBytes: last.hostBytes,
    days: last.deviceUs / US_A_DAY,
    operations: last.operations,
    wear: wearStatistics(last.erases),
    amplification: amplification as RunSummary['amplification'],
    amplificationLate:
      middle === undefined
        ? null
        : (bytesOf(last) - bytesOf(middle)) / (last.hostBytes - middle.hostBytes),
    fill: last.fill,
    gcForeground: quantiles(last.gcForeground),
    gcBackground: quantiles(last.gcBackground),
    operationLatency: quantiles(last.operationLatency),
    collectedClean: collected === 0 ? null : (last.collected.clean ?? 0) / collected,
    badBlocks: last.badBlocks,
    firstBadBlock:
      first === undefined ? null : { hostBytes: first.hostBytes, days: first.deviceUs / US_A_DAY },
    lifetime:
      middle === undefined || left === undefined
        ? null
        : projectLifetime(moment(middle), moment(last), left),
    uncorrectable: last.uncorrectable,
  };
}
