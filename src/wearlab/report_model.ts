/** What the page of a report is given as data; report_client.ts draws it in the browser. */
import { PROGRAM_CAUSES, US_A_DAY } from './result.js';
import type { Run } from './run_results.js';
import {
  lastRecord,
  momentsOf,
  summarizeRun,
  type Moment,
  type RunSummary,
} from './run_summary.js';
import { histogram, lorenzCurve, wearStatistics } from './statistics.js';
import { groupBy, variantsOf } from './variants.js';

/** Per column a moment, per row some erase blocks. */
export interface HeatMap {
  /** Bytes written, device days at each column's end. */
  readonly hostBytes: readonly number[];
  readonly days: readonly number[];
  /** First block of each row, and of the row that would follow. */
  readonly rows: readonly number[];
  /** [column][row]: mean erases per block until then. */
  readonly erases: readonly (readonly number[])[];
}

export interface ReportRun {
  readonly seed: number;
  readonly summary: RunSummary;
  readonly heat: HeatMap;
  /** From, to, blocks of each bin. */
  readonly histogram: readonly (readonly [number, number, number])[];
  /** Share of the blocks, share of the erases. */
  readonly lorenz: readonly (readonly [number, number])[];
  /** Over time: bytes written, then erases of the least, mean and most worn block, bad blocks. */
  readonly course: readonly (readonly [number, number, number, number, number])[];
  /** Write amplification between samples: bytes written, factor. */
  readonly amplification: readonly (readonly [number, number])[];
  /** List → blocks collected. */
  readonly collected: Readonly<Record<string, number>>;
}

export interface ReportVariant {
  readonly label: string;
  /** Of the experiment. */
  readonly name: string;
  readonly policy: string;
  readonly runs: readonly ReportRun[];
}

/** Runs under one clock model, which may be compared. */
export interface ReportGroup {
  readonly clock: string;
  readonly variants: readonly ReportVariant[];
}

export interface ReportModel {
  readonly causes: readonly string[];
  readonly groups: readonly ReportGroup[];
}

/** Numbers in all heat maps of a page together; it stays small enough to be mailed. */
const CELLS_MAX = 1_500_000;
const COLUMNS_MAX = 100;
const ROWS_MAX = 128;

const clockOf = ({ header: { clock } }: Run): string => `${clock.model}, HZ ${clock.hz}`;

export function reportModel(runs: readonly Run[]): ReportModel {
  const scale = Math.min(1, Math.sqrt(CELLS_MAX / (runs.length * COLUMNS_MAX * ROWS_MAX)));
  const columns = Math.max(10, Math.floor(COLUMNS_MAX * scale));
  const rows = Math.max(16, Math.floor(ROWS_MAX * scale));
  const groups = groupBy(runs, clockOf).map((ofClock) => ({
    clock: clockOf(ofClock[0]!),
    variants: variantsOf(ofClock).variants.map((variant) => ({
      label: variant.label,
      name: variant.runs[0]!.header.experiment.name,
      policy: variant.runs[0]!.header.policy,
      runs: variant.runs.flatMap((run) => reportRun(run, columns, rows)),
    })),
  }));
  return { causes: PROGRAM_CAUSES, groups };
}

/** Nothing of a run that was cut off before its first sample. */
function reportRun(run: Run, columns: number, rows: number): ReportRun[] {
  const summary = summarizeRun(run);
  const last = lastRecord(run);
  if (summary === null || last === undefined) return [];
  const all = momentsOf(run);
  const course = all.map(({ hostBytes, erases, badBlocks }) => {
    const { min, mean, max } = wearStatistics(erases);
    return [hostBytes, min, round(mean), max, badBlocks] as const;
  });
  return [
    {
      seed: run.header.seed,
      summary,
      heat: heatMap(all, columns, rows),
      histogram: histogram(last.erases).map(({ from, to, blocks }) => [from, to, blocks]),
      lorenz: lorenzCurve(last.erases, 101).map(({ blocks, erases }) => [
        round(blocks),
        round(erases),
      ]),
      course,
      amplification: amplificationCourse(all),
      collected: last.collected,
    },
  ];
}

/** Four digits are what a picture shows. */
const round = (value: number): number => Number(value.toPrecision(4));

function heatMap(all: readonly Moment[], columnsMax: number, rowsMax: number): HeatMap {
  const blocks = all[0]!.erases.length;
  const rowCount = Math.min(rowsMax, blocks);
  const rows = Array.from({ length: rowCount + 1 }, (_, n) => Math.round((n * blocks) / rowCount));
  const columns = Math.min(columnsMax, all.length);
  const chosen = Array.from(
    { length: columns },
    (_, n) => all[Math.round(((n + 1) * all.length) / columns) - 1]!,
  );
  return {
    hostBytes: chosen.map(({ hostBytes }) => hostBytes),
    days: chosen.map(({ deviceUs }) => round(deviceUs / US_A_DAY)),
    rows,
    erases: chosen.map(({ erases }) =>
      rows.slice(0, -1).map((from, n) => {
        let sum = 0;
        for (let block = from; block < rows[n + 1]!; block++) sum += erases[block]!;
        return round(sum / (rows[n + 1]! - from));
      }),
    ),
  };
}

function amplificationCourse(all: readonly Moment[]): [number, number][] {
  const course: [number, number][] = [];
  let before = { hostBytes: 0, chipBytes: 0 };
  for (const moment of all) {
    const written = moment.hostBytes - before.hostBytes;
    if (written <= 0) continue;
    course.push([moment.hostBytes, round((moment.chipBytes - before.chipBytes) / written)]);
    before = moment;
  }
  return course;
}
