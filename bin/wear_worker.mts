/** One run of wear_lab, on a thread of its own: wear_pool.mts starts it. */
import type { MessagePort } from 'node:worker_threads';
import { nodeCrc32 } from '../src/rumpuser/node_zlib.js';
import type { Experiment } from '../src/wearlab/experiment.js';
import type { ResultRecord } from '../src/wearlab/result.js';
import { type Checkpoint, runExperiment } from '../src/wearlab/run.js';
import { runKey } from '../src/wearlab/run_results.js';
import {
  digestOf,
  readCheckpoint,
  type StoredRun,
  type ToldLine,
  writeCheckpoint,
} from './wear_checkpoint.mjs';
import { loadPolicy, parseTraces, readPolicy, readTraces } from './wear_experiments.mjs';

export interface WearTask {
  readonly experiment: Experiment;
  /** Against which the files that the experiment names are resolved. */
  readonly folder: string;
  readonly seed: number;
  readonly program: string;
  /** Where checkpoints go, and from where the run goes on if there is one; null: nowhere. */
  readonly checkpointFile: string | null;
  /** Not 0: end early. */
  readonly stop: Int32Array;
  readonly port: MessagePort;
}

/** What the port tells, in order; 'done' or 'failed' is the last. */
export type WearMessage =
  | { readonly kind: 'record'; readonly line: string; readonly type: ResultRecord['type'] }
  /** For a person. */
  | { readonly kind: 'note'; readonly text: string }
  /** The run goes on from a checkpoint; what it had told comes next. */
  | { readonly kind: 'resumed'; readonly share: number; readonly erases: number }
  | { readonly kind: 'progress'; readonly share: number; readonly erases: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string };

const TELL_EVERY_MS = 100;

export default async function work(task: WearTask): Promise<void> {
  const { experiment, folder, seed, program, stop, port } = task;
  const tell = (message: WearMessage): void => port.postMessage(message);
  const told: ToldLine[] = [];
  const tellLine = (one: ToldLine): void => {
    told.push(one);
    tell({ kind: 'record', ...one });
  };
  const record = (one: ResultRecord): void =>
    tellLine({ line: JSON.stringify(one), type: one.type });
  let toldMs = 0;
  try {
    const policyModule = await loadPolicy(experiment, folder);
    const texts = readTraces(experiment, folder);
    const traces = parseTraces(texts);
    const store = storeOf(task, texts, (text) => tell({ kind: 'note', text }));
    const stored = store?.read() ?? null;
    if (stored !== null) {
      const { progress: share, erases } = stored.checkpoint;
      tell({ kind: 'resumed', share, erases });
      for (const one of stored.told) tellLine(one);
    }
    const end = runExperiment(experiment, seed, {
      program,
      crc32: nodeCrc32,
      policyModule,
      traces,
      ...(stored !== null && { from: stored.checkpoint }),
      signal: {
        get aborted() {
          return Atomics.load(stop, 0) !== 0;
        },
      },
      onHeader: record,
      onSample: record,
      onProgress: (share, erases) => {
        const now = performance.now();
        if (now - toldMs < TELL_EVERY_MS) return;
        toldMs = now;
        tell({ kind: 'progress', share, erases });
      },
      onCheckpoint: (checkpoint) => store?.write(told, checkpoint),
    });
    record(end);
    tell({ kind: 'done' });
  } catch (error) {
    const { name, message, stack } = error as Error;
    // A mistake of ours comes with its place, what is wrong with the input does not.
    const isOurs = !['ExperimentError', 'TraceError'].includes(name);
    tell({ kind: 'failed', message: isOurs ? (stack ?? message) : message });
  }
}

/** Null where the run has no checkpoints. @param traces their texts */
function storeOf(
  { experiment, folder, seed, program, checkpointFile }: WearTask,
  traces: ReadonlyMap<string, string>,
  note: (text: string) => void,
): Store | null {
  if (checkpointFile === null) return null;
  const key = runKey({ experiment, seed, fidelity: experiment.fidelity });
  const run = digestOf(key, readPolicy(experiment, folder) ?? '', ...traces.values());
  return new Store(checkpointFile, program, run, note);
}

/** The file of a run's checkpoint. That it cannot be used, or written, does not end the run. */
class Store {
  private readonly file: string;
  private readonly program: string;
  private readonly run: string;
  private readonly note: (text: string) => void;
  private failed = false;

  /** @param run digest of all that decides what the run does */
  constructor(file: string, program: string, run: string, note: (text: string) => void) {
    this.file = file;
    this.program = program;
    this.run = run;
    this.note = note;
  }

  read(): StoredRun | null {
    const stored = readCheckpoint(this.file, this.program, this.run);
    if (typeof stored !== 'string') return stored;
    this.note(`begins again; ${this.file} cannot be used: ${stored}`);
    return null;
  }

  write(told: readonly ToldLine[], checkpoint: Checkpoint): void {
    try {
      writeCheckpoint(this.file, this.program, this.run, { told, checkpoint });
      this.failed = false;
    } catch (error) {
      // Once is enough, and the next one may be written.
      if (!this.failed) this.note(`no checkpoint: ${(error as Error).message}`);
      this.failed = true;
    }
  }
}
