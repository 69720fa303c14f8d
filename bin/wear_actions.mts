/** What wear_lab's commands do. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { blocksCsv, runsCsv, samplesCsv } from '../src/wearlab/csv.js';
import { parseExperiment } from '../src/wearlab/experiment.js';
import { experimentFieldLines } from '../src/wearlab/fields.js';
import { POLICIES } from '../src/wearlab/policies.js';
import { reportPage } from '../src/wearlab/report.js';
import { EXPERIMENT_SCHEMA } from '../src/wearlab/schema.js';
import { parseResults, ResultError, resultLines, type Run } from '../src/wearlab/run_results.js';
import { lastRecord } from '../src/wearlab/run_summary.js';
import { type Job, sweepJobs } from '../src/wearlab/sweep.js';
import {
  checkNamedFiles,
  type LoadedExperiment,
  loadExperiment,
  shippedExperiments,
} from './wear_experiments.mjs';
import { removeCheckpoint, replaceFile } from './wear_checkpoint.mjs';
import {
  checkpointBeside,
  finishedRuns,
  isPlainFile,
  readResults,
  SweepFolder,
} from './wear_files.mjs';
import { LiveView, outcomeLine } from './wear_live.mjs';
import { runJobs, Stop, type JobListener } from './wear_pool.mjs';
import { reportParts } from './wear_report.mjs';

/** Interrupted by Ctrl-C, as a shell has it. */
const STATUS_INTERRUPTED = 130;
const STATUS_FAILED = 1;

interface WorkArguments {
  readonly fidelity?: string;
  /** Fields of the experiment, as "fill.static=0.4". */
  readonly set?: readonly string[];
  readonly processors?: number;
  readonly quiet?: true;
}

interface RunArguments extends WorkArguments {
  readonly output?: string;
  readonly seed?: number;
}

/** With what the command line says instead. @throws ExperimentError */
function load(name: string | undefined, { fidelity, set = [] }: WorkArguments): LoadedExperiment {
  const changes = fidelity === undefined ? set : [...set, `fidelity=${fidelity}`];
  return loadExperiment(name, changes);
}

/** Where lines of results go, run by run in the order of the jobs, however they come. */
class OrderedOutput {
  private readonly write: (text: string) => void;
  private readonly jobs: readonly Job[];
  private readonly held = new Map<Job, string[]>();
  private readonly ended = new Set<Job>();
  private readonly written: (job: Job) => void;
  private next = 0;

  /** @param written told of each run that ended, when all its lines are written */
  constructor(jobs: readonly Job[], write: (text: string) => void, written: (job: Job) => void) {
    this.jobs = jobs;
    this.write = write;
    this.written = written;
  }

  add(job: Job, line: string): void {
    const lines = this.held.get(job);
    if (this.jobs[this.next] === job) this.write(`${line}\n`);
    else if (lines === undefined) this.held.set(job, [line]);
    else lines.push(line);
  }

  end(job: Job): void {
    this.ended.add(job);
    for (let first = this.jobs[this.next]; first && this.ended.has(first); ) {
      this.written(first);
      const following = this.jobs[++this.next];
      if (following === undefined) break;
      for (const line of this.held.get(following) ?? []) this.write(`${line}\n`);
      this.held.delete(following);
      first = following;
    }
  }

  /** What is still held, since runs before it were interrupted. */
  flush(): void {
    for (const [job, lines] of this.held) {
      for (const line of lines) this.write(`${line}\n`);
      if (this.ended.has(job)) this.written(job);
    }
    this.held.clear();
  }
}

export async function run(name: string | undefined, options: RunArguments): Promise<number> {
  const { experiment, folder } = load(name, options);
  const seeds = options.seed === undefined ? experiment.seeds : [options.seed];
  const jobs = sweepJobs({ ...experiment, sweep: {}, seeds });
  await checkNamedFiles([experiment], folder);
  // Lines of JSON are not for eyes.
  const isShown = options.output === undefined && process.stdout.isTTY === true;
  const file = options.output === '-' ? undefined : options.output;
  const finished = file === undefined ? new Map<Job, Run>() : finishedRuns(file, jobs);
  if (file !== undefined) {
    // What is finished must not be lost; what is not is told again by the runs themselves.
    if (finished.size > 0) replaceFile(file, [...finished.values()].map(resultLines));
    else writeFileSync(file, '');
  }
  const write = (text: string): void => {
    if (file !== undefined) appendFileSync(file, text);
    else if (!isShown) writeWhole(text);
  };
  const several = Object.entries(experiment.sweep).filter(([, values]) => values.length > 1);
  const swept = several.map(([path]) => path).join(', ');
  if (swept !== '' && options.quiet !== true) {
    process.stderr.write(
      `${experiment.name} sweeps over ${swept}: run takes what stands there, "wear_lab sweep" ` +
        'runs all values\n',
    );
  }
  const left = jobs.filter((job) => !finished.has(job));
  const resumable = file !== undefined && isPlainFile(file) ? file : null;
  const checkpoint = (job: Job) => (resumable === null ? null : checkpointBeside(resumable, job));
  const output = new OrderedOutput(left, write, (job) => {
    if (resumable !== null) removeCheckpoint(checkpointBeside(resumable, job));
  });
  const status = await work(left, jobs.length, folder, options, {
    begin: (job, line) => output.add(job, line),
    add: (job, line) => output.add(job, line),
    finish: (job) => output.end(job),
    close: () => output.flush(),
    checkpoint,
  });
  if (isShown && options.quiet !== true && status === 0) {
    process.stderr.write('results are not kept; with -o FILE they are, for wear_lab report\n');
  }
  return status;
}

/** A pipe takes what it takes. */
function writeWhole(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Who reads it has seen enough, as head(1).
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

interface SweepArguments extends WorkArguments {
  readonly output?: string;
  readonly jobs?: string;
}

export async function sweep(name: string | undefined, options: SweepArguments): Promise<number> {
  const { experiment, folder } = load(name, options);
  const jobs = sweepJobs(experiment);
  await checkNamedFiles(
    jobs.map((job) => job.experiment),
    folder,
  );
  if (options.jobs !== undefined) return writeJobs(jobs, folder, options.jobs);
  const results = new SweepFolder(options.output ?? `${experiment.name}-results`);
  const left = jobs.filter((job) => !results.isFinished(job));
  const status = await work(left, jobs.length, folder, options, results);
  if (!options.quiet && status !== STATUS_INTERRUPTED) {
    process.stderr.write(
      `results in ${results.path}; wear_lab report ${results.path} shows them\n`,
    );
  }
  return status;
}

/** What a job names is found from the folder of jobs. */
function writeJobs(jobs: readonly Job[], folder: string, target: string): number {
  mkdirSync(target, { recursive: true });
  const moved = (file: string): string =>
    file === '' ? '' : relative(resolve(target), resolve(folder, file));
  for (const { id, experiment } of jobs) {
    const { policy, workload } = experiment;
    const job = {
      ...experiment,
      policy: { ...policy, module: moved(policy.module) },
      workload: workload.map((one) => ({ ...one, trace: moved(one.trace) })),
    };
    writeFileSync(join(target, `${id}.json`), `${JSON.stringify(job, null, 1)}\n`);
  }
  process.stderr.write(
    `${jobs.length} jobs in ${target}; each runs by itself: wear_lab run JOB.json -o RESULT.jsonl\n`,
  );
  return 0;
}

/** Where the lines of each run go. */
interface Sink {
  begin(job: Job, line: string): void;
  add(job: Job, line: string): void;
  finish(job: Job): void;
  close?(): void;
  /** Where its checkpoint goes; null: nowhere. */
  checkpoint(job: Job): string | null;
}

/** Runs what is left of `all` jobs, for a person who may interrupt it. */
async function work(
  left: readonly Job[],
  all: number,
  folder: string,
  { quiet, processors }: WorkArguments,
  sink: Sink,
): Promise<number> {
  const view = new LiveView(left.length, quiet === true);
  if (left.length < all) view.say(`${all - left.length} of ${all} runs are there already`);
  const stop = new Stop();
  const interrupt = (): void => {
    // Who asks twice does not want to wait.
    if (stop.isAsked) process.exit(STATUS_INTERRUPTED);
    stop.ask();
    view.say('ending the runs that are under way; once more ends at once');
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const lines = new Map<Job, string[]>();
  let failed = 0;
  const listener: JobListener = {
    record(job, line, type) {
      if (type === 'header') {
        lines.set(job, [line]);
        sink.begin(job, line);
        return;
      }
      lines.get(job)!.push(line);
      sink.add(job, line);
    },
    note: (job, text) => view.say(`${job.id}: ${text}`),
    resumed: (job, share, erases) => view.resumes(job, share, erases),
    progress: (job, share, erases) => view.at(job, share, erases),
    done(job) {
      const [ran] = parseResults(lines.get(job)!.join('\n'), job.id);
      lines.delete(job);
      if (ran!.end?.reason !== 'interrupted') sink.finish(job);
      view.end(job, outcomeLine(ran!));
    },
    failed(job, message) {
      failed++;
      lines.delete(job);
      process.exitCode = STATUS_FAILED;
      view.close();
      // The job's name begins with the experiment's.
      const text = message.replace(`${job.experiment.name}: `, '');
      process.stderr.write(`wear_lab: ${job.id}: ${text}\n`);
    },
  };
  try {
    await runJobs(left, stop, listener, {
      folder,
      checkpointFile: (job) => sink.checkpoint(job),
      ...(processors !== undefined && { processors }),
    });
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    sink.close?.();
    view.close();
  }
  if (stop.isAsked) {
    const goesOn = left.some((job) => sink.checkpoint(job) !== null);
    view.say(
      goesOn
        ? 'interrupted; the same command goes on from the last checkpoints, or the beginning of a run'
        : 'interrupted; what is to go on later needs a file of results: -o FILE',
    );
    return STATUS_INTERRUPTED;
  }
  return failed > 0 ? STATUS_FAILED : 0;
}

interface OutputArguments {
  readonly output: string;
}

/** @param names of the results, none of which is overwritten by what is made of them */
function writeTo(output: string, pieces: Iterable<string>, names: readonly string[] = []): void {
  if (names.some((name) => resolve(name) === resolve(output))) {
    throw new ResultError(`${output}: holds the results themselves; choose another name with -o`);
  }
  if (output !== '-') writeFileSync(output, '');
  for (const piece of pieces) {
    if (output === '-') writeWhole(piece);
    else appendFileSync(output, piece);
  }
}

export function report(names: readonly string[], options: OutputArguments & { title?: string }) {
  const all = readResults(names);
  const runs = all.filter((one) => lastRecord(one) !== undefined);
  if (runs.length === 0) {
    throw new ResultError(`${names.join(' ')}: no run has come as far as its first sample`);
  }
  const title = options.title ?? titleOf(runs);
  writeTo(options.output, [reportPage(runs, reportParts(title))], names);
  if (options.output !== '-') {
    const left = all.length - runs.length;
    const text = left === 0 ? '' : `, without ${left} that have told nothing yet`;
    const count = runs.length === 1 ? '1 run' : `${runs.length} runs`;
    process.stderr.write(`${options.output}: ${count}${text}; open it in a browser\n`);
  }
  return 0;
}

const titleOf = (runs: readonly Run[]): string =>
  [...new Set(runs.map(({ header }) => header.experiment.title))].slice(0, 3).join(' · ');

const TABLES = { runs: runsCsv, samples: samplesCsv, blocks: blocksCsv };
export const TABLE_NAMES = Object.keys(TABLES);

export function csv(names: readonly string[], options: OutputArguments & { table: string }) {
  const table = TABLES[options.table as keyof typeof TABLES](readResults(names));
  writeTo(options.output, table, names);
  return 0;
}

export function merge(names: readonly string[], options: OutputArguments): number {
  writeTo(options.output, readResults(names).map(resultLines));
  return 0;
}

export function list(): number {
  const lines = ['Experiments:'];
  for (const [name, file] of shippedExperiments()) {
    lines.push(`  ${name.padEnd(24)} ${parseExperiment(readFileSync(file, 'utf8'), name).title}`);
  }
  lines.push('', 'Policies:');
  for (const [name, { description, options }] of Object.entries(POLICIES)) {
    const defaults = Object.entries(options).map(([option, value]) => `${option}: ${value}`);
    const text = defaults.length === 0 ? '' : ` (options: ${defaults.join(', ')})`;
    lines.push(`  ${name.padEnd(24)} ${description}${text}`);
  }
  writeWhole(`${lines.join('\n')}\n`);
  return 0;
}

/** What may stand in an experiment. */
export function fields(options: { json?: true }): number {
  const text = options.json
    ? JSON.stringify(EXPERIMENT_SCHEMA, null, 1)
    : experimentFieldLines().join('\n');
  writeWhole(`${text}\n`);
  return 0;
}
