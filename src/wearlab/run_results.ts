/**
 * Reads and writes what runs have told: files of JSON lines, each with one run or, put together
 * with cat(1), with many.
 */
import type { Experiment } from './experiment.js';
import { RESULT_VERSION } from './result.js';
import type { EndRecord, HeaderRecord, ResultRecord, SampleRecord } from './result.js';

/** A run as far as it came. */
export interface Run {
  readonly header: HeaderRecord;
  /** In the order in which they were taken; the end's figures are not among them. */
  readonly samples: readonly SampleRecord[];
  /** Null: it was cut off. */
  readonly end: EndRecord | null;
}

/** A file that is none of ours, or damaged; the message names the file and the line. */
export class ResultError extends Error {
  override readonly name = 'ResultError';
}

/**
 * A last line that is cut off is what an interrupted run leaves, and is passed over.
 * @param name of the file, for messages
 * @throws ResultError
 */
export function parseResults(text: string, name: string): Run[] {
  const runs: { header: HeaderRecord; samples: SampleRecord[]; end: EndRecord | null }[] = [];
  const lines = text.split('\n');
  for (const [n, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const fail = (why: string): never => {
      throw new ResultError(`${name}: line ${n + 1}: ${why}`);
    };
    let record: ResultRecord;
    try {
      record = JSON.parse(line) as ResultRecord;
    } catch {
      if (n === lines.length - 1) break;
      return fail('is no JSON; results that wear_lab writes are lines of JSON');
    }
    if (record?.type === 'header') {
      checkHeader(record, fail);
      runs.push({ header: record, samples: [], end: null });
      continue;
    }
    if (record?.type !== 'sample' && record?.type !== 'end') {
      return fail('is no record of a run (header, sample or end)');
    }
    const run = runs.at(-1);
    if (run === undefined) return fail(`a record "${record.type}" before any header`);
    if (run.end !== null) return fail(`a record "${record.type}" behind the end of its run`);
    if (record.erases?.length !== run.header.blocks) {
      return fail(`erases of ${record.erases?.length} blocks; the flash has ${run.header.blocks}`);
    }
    if (record.type === 'sample') run.samples.push(record);
    else run.end = record;
  }
  if (runs.length === 0) {
    throw new ResultError(
      `${name}: is empty, or was cut off in its first line: no run has told anything yet`,
    );
  }
  return runs;
}

/** What {@link parseResults} reads as this run. */
export const resultLines = ({ header, samples, end }: Run): string =>
  [header, ...samples, ...(end === null ? [] : [end])]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join('');

function checkHeader(header: HeaderRecord, fail: (why: string) => never): void {
  if (header.format !== 'lump-wear') fail('is no header of a run of wear_lab');
  if (header.version !== RESULT_VERSION) {
    fail(
      `version ${header.version} of the format, written by ${header.program}; this program reads ` +
        `version ${RESULT_VERSION}: read it with that program, or run the experiment again`,
    );
  }
}

/** Texts for people, and what a sweep takes apart: no part of what a run does. */
const IGNORED = new Set(['name', 'title', 'description', 'seeds', 'sweep', 'samples', 'fidelity']);

/** Dotted path → value, of all that decides what a run does beside seed and fidelity. */
export function experimentFields(experiment: Experiment): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  const visit = (value: object, prefix: string): void => {
    for (const [key, field] of Object.entries(value)) {
      if (prefix === '' && IGNORED.has(key)) continue;
      if (typeof field === 'object' && field !== null) visit(field as object, `${prefix}${key}.`);
      else fields.set(prefix + key, field);
    }
  };
  visit(experiment, '');
  return fields;
}

/** The same for the same experiment and seed, however they were written. */
export function runKey({
  experiment,
  seed,
  fidelity,
}: Pick<HeaderRecord, 'experiment' | 'seed' | 'fidelity'>): string {
  const fields = [...experimentFields(experiment)].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([fields, experiment.samples, seed, fidelity]);
}

/** Did it come to an end of its own? */
export const isFinished = ({ end }: Run): boolean => end !== null && end.reason !== 'interrupted';

/**
 * Puts the results of several files, or machines, together: each run once, the whole one rather
 * than one that was cut off.
 * @throws ResultError two whole runs of the same experiment and seed disagree, which they cannot
 *   unless one was made by another version of the program or was changed.
 */
export function mergeRuns(runs: readonly Run[]): Run[] {
  const merged = new Map<string, Run>();
  for (const run of runs) {
    const key = runKey(run.header);
    const before = merged.get(key);
    if (before === undefined || !isFinished(before)) {
      const keepsBefore = !isFinished(run) && (before?.samples.length ?? 0) > run.samples.length;
      merged.set(key, keepsBefore ? before! : run);
    } else if (isFinished(run) && JSON.stringify(run.end) !== JSON.stringify(before.end)) {
      const { experiment, seed, program } = run.header;
      throw new ResultError(
        `${experiment.name}, seed ${seed}: two results differ that must be the same; they were ` +
          `made by ${before.header.program} and ${program}`,
      );
    }
  }
  return [...merged.values()];
}
