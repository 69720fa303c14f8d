/** One run: an experiment, a seed, and what came of it. */
import type { Experiment } from './experiment.js';
import type { EndRecord, HeaderRecord, SampleRecord } from './result.js';

export interface RunOptions {
  /** Called once, before the workload begins. */
  readonly onHeader?: (header: HeaderRecord) => void;
  readonly onSample?: (sample: SampleRecord) => void;
  /** Some times a second: 0 … 1, and the chip's erases so far. */
  readonly onProgress?: (progress: number, erases: number) => void;
  /** Ends the run early, with reason 'interrupted'. Looked at between operations. */
  readonly signal?: { readonly aborted: boolean };
  /** What the experiment's `policy.module` exports as default; loading it is the caller's. */
  readonly policyModule?: unknown;
  /** Text of the experiment's trace files, by the name that the workload gives. */
  readonly traces?: ReadonlyMap<string, string>;
}

/**
 * Runs to the end; synchronous, so a worker of its own is the place to call it.
 * @throws ExperimentError what only running shows: static data that does not fit, no such policy.
 * @throws KernelPanic the accounts do not agree: a mistake of ours, and no result is to be trusted.
 */
export type RunExperiment = (
  experiment: Experiment,
  seed: number,
  options?: RunOptions,
) => EndRecord;
