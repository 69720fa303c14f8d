/** Experiments on wear, as a library. */
export * from './experiment.js';
export { EXPERIMENT_SCHEMA } from './schema.js';
export * from './result.js';
export type { RunExperiment, RunOptions } from './run.js';
