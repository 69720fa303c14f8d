/**
 * Experiments on wear, as a library.
 * @module wearlab
 */
export * from './experiment.js';
export { EXPERIMENT_SCHEMA } from './schema.js';
export * from './result.js';
export { type Checkpoint, runExperiment, type RunOptions } from './run.js';
export {
  POLICIES,
  type PolicyContext,
  type PolicyFactory,
  type WearPolicy,
  type jffs2_policy,
} from './policies.js';
export { TRACE_ROOT, type TraceOperation } from './replay.js';
export type {
  RecordedOperation,
  TraceName,
  TraceNode,
  TraceNodeType,
  TraceXattr,
} from '../puffs/trace.js';
