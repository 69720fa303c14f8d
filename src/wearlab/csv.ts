/** The same results as tables of comma-separated values (RFC 4180), for spreadsheets and R. */
import { PROGRAM_CAUSES, US_A_DAY } from './result.js';
import type { Run } from './run_results.js';
import {
  lastRecord,
  momentsOf,
  summarizeRun,
  type LatencyQuantiles,
  type Moment,
  type RunSummary,
} from './run_summary.js';
import { wearStatistics, type WearStatistics } from './statistics.js';
import { variantsOf } from './variants.js';

type Cell = string | number | null | undefined;

const cell = (value: Cell): string => {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const line = (cells: readonly Cell[]): string => `${cells.map(cell).join(',')}\r\n`;

/** Column → how its value comes from a row. */
type Columns<T> = Readonly<Record<string, (row: T) => Cell>>;

function* table<T>(columns: Columns<T>, rows: Iterable<T>): Generator<string> {
  yield line(Object.keys(columns));
  const cells = Object.values(columns);
  for (const row of rows) yield line(cells.map((of) => of(row)));
}

/** What tells a run from others; the first columns of every table. */
const RUN_COLUMNS: Columns<Run> = {
  experiment: ({ header }) => header.experiment.name,
  policy: ({ header }) => header.policy,
  fidelity: ({ header }) => header.fidelity,
  clock: ({ header }) => header.clock.model,
  hz: ({ header }) => header.clock.hz,
  seed: ({ header }) => header.seed,
};

/** One row a run. Sizes in bytes, erases per block, times as the column says. */
export function* runsCsv(runs: readonly Run[]): Generator<string> {
  const labels = variantsOf(runs).labels;
  type Row = { readonly run: Run; readonly s: RunSummary };
  const rows = runs.flatMap((run): Row[] => {
    const s = summarizeRun(run);
    return s === null ? [] : [{ run, s }];
  });
  yield* table<Row>(
    {
      ...on(RUN_COLUMNS, (row: Row) => row.run),
      variant: ({ run }) => labels.get(run),
      reason: ({ s }) => s.reason,
      host_bytes: ({ s }) => s.hostBytes,
      device_days: ({ s }) => s.days,
      operations: ({ s }) => s.operations,
      fill: ({ s }) => s.fill,
      blocks: ({ s }) => s.wear.blocks,
      erases: ({ s }) => s.wear.total,
      erases_min: ({ s }) => s.wear.min,
      erases_mean: ({ s }) => s.wear.mean,
      erases_median: ({ s }) => s.wear.median,
      erases_max: ({ s }) => s.wear.max,
      erases_deviation: ({ s }) => s.wear.deviation,
      coefficient_of_variation: ({ s }) => s.wear.coefficientOfVariation,
      gini: ({ s }) => s.wear.gini,
      max_to_mean: ({ s }) => s.wear.maxToMean,
      write_amplification: ({ s }) => s.amplification?.total,
      ...Object.fromEntries(
        PROGRAM_CAUSES.map((cause) => [
          `write_amplification_${cause}`,
          ({ s }: Row) => s.amplification?.byCause[cause],
        ]),
      ),
      write_amplification_second_half: ({ s }) => s.amplificationLate,
      collected_clean: ({ s }) => s.collectedClean,
      ...latency('gc_foreground_us', ({ s }: Row) => s.gcForeground),
      ...latency('gc_background_us', ({ s }: Row) => s.gcBackground),
      ...latency('operation_us', ({ s }: Row) => s.operationLatency),
      bad_blocks: ({ s }) => s.badBlocks,
      first_bad_block_host_bytes: ({ s }) => s.firstBadBlock?.hostBytes,
      first_bad_block_days: ({ s }) => s.firstBadBlock?.days,
      lifetime_host_bytes_at_least: ({ s }) => s.lifetime?.atLeast.hostBytes,
      lifetime_host_bytes_at_most: ({ s }) => s.lifetime?.atMost.hostBytes,
      lifetime_days_at_least: ({ s }) => s.lifetime?.atLeast.days,
      lifetime_days_at_most: ({ s }) => s.lifetime?.atMost.days,
      uncorrectable: ({ s }) => s.uncorrectable,
    },
    rows,
  );
}

/** Columns of one thing for rows that contain it. */
const on = <T, U>(columns: Columns<T>, of: (row: U) => T): Columns<U> =>
  Object.fromEntries(
    Object.entries(columns).map(([name, value]) => [name, (row: U) => value(of(row))]),
  );

const latency = <T>(name: string, of: (row: T) => LatencyQuantiles): Columns<T> => ({
  [`${name}_median`]: (row) => of(row).median,
  [`${name}_p99`]: (row) => of(row).p99,
  [`${name}_max`]: (row) => of(row).max,
});

/** One row a sample, the end of each run among them. */
export function* samplesCsv(runs: readonly Run[]): Generator<string> {
  type Row = { readonly run: Run; readonly sample: Moment; readonly wear: WearStatistics };
  function* rows(): Generator<Row> {
    for (const run of runs) {
      for (const sample of momentsOf(run)) {
        yield { run, sample, wear: wearStatistics(sample.erases) };
      }
    }
  }
  yield* table<Row>(
    {
      ...on(RUN_COLUMNS, ({ run }: Row) => run),
      device_days: ({ sample }) => sample.deviceUs / US_A_DAY,
      host_bytes: ({ sample }) => sample.hostBytes,
      operations: ({ sample }) => sample.operations,
      erases: ({ sample }) => sample.chipErases,
      bytes_programmed: ({ sample }) => sample.chipBytes,
      ...Object.fromEntries(
        PROGRAM_CAUSES.map((cause) => [
          `bytes_${cause}`,
          ({ sample }: Row) => sample.programmed[cause],
        ]),
      ),
      erases_min: ({ wear }) => wear.min,
      erases_mean: ({ wear }) => wear.mean,
      erases_max: ({ wear }) => wear.max,
      coefficient_of_variation: ({ wear }) => wear.coefficientOfVariation,
      fill: ({ sample }) => sample.fill,
      bad_blocks: ({ sample }) => sample.badBlocks,
    },
    rows(),
  );
}

/** One row an erase block: its erases at the end, and how many it stands, where that is known. */
export function* blocksCsv(runs: readonly Run[]): Generator<string> {
  type Row = { readonly run: Run; readonly block: number; readonly erases: number };
  function* rows(): Generator<Row> {
    for (const run of runs) {
      const erases = lastRecord(run)?.erases ?? [];
      for (const [block, count] of erases.entries()) yield { run, block, erases: count };
    }
  }
  yield* table<Row>(
    {
      ...on(RUN_COLUMNS, ({ run }: Row) => run),
      block: ({ block }) => block,
      erases: ({ erases }) => erases,
      erases_before: ({ run, block }) => run.header.erasesBefore[block],
      limit: ({ run, block }) => run.header.limits?.[block],
    },
    rows(),
  );
}
