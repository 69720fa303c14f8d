/** One run of wear_lab, on a thread of its own: wear_pool.mts starts it. */
import type { MessagePort } from 'node:worker_threads';
import { nodeCrc32 } from '../src/rumpuser/node_zlib.js';
import type { Experiment } from '../src/wearlab/experiment.js';
import type { ResultRecord } from '../src/wearlab/result.js';
import { runExperiment } from '../src/wearlab/run.js';
import { loadPolicy, loadTraces } from './wear_experiments.mjs';

export interface WearTask {
  readonly experiment: Experiment;
  /** Against which the files that the experiment names are resolved. */
  readonly folder: string;
  readonly seed: number;
  readonly program: string;
  /** Not 0: end early. */
  readonly stop: Int32Array;
  readonly port: MessagePort;
}

/** What the port tells, in order; 'done' or 'failed' is the last. */
export type WearMessage =
  | { readonly kind: 'record'; readonly line: string; readonly type: ResultRecord['type'] }
  | { readonly kind: 'progress'; readonly share: number; readonly erases: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string };

const TELL_EVERY_MS = 100;

export default async function work(task: WearTask): Promise<void> {
  const { experiment, folder, seed, program, stop, port } = task;
  const tell = (message: WearMessage): void => port.postMessage(message);
  const record = (one: ResultRecord): void =>
    tell({ kind: 'record', line: JSON.stringify(one), type: one.type });
  let toldMs = 0;
  try {
    const end = runExperiment(experiment, seed, {
      program,
      crc32: nodeCrc32,
      policyModule: await loadPolicy(experiment, folder),
      traces: loadTraces(experiment, folder),
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
