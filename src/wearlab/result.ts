/**
 * What a run tells, as JSON lines: one header, samples, one end. Everything is counted since the
 * workload began, that is behind the formatting and the writing of static data, unless it says
 * otherwise. Device time is the chip's own, modelled; nothing here depends on the machine that the
 * run went on, so that the same experiment and seed give the same lines everywhere.
 */
import type { Experiment } from './experiment.js';

/** Of the format; results are compared only under the same one. */
export const RESULT_VERSION = 1;

/** Why bytes were programmed. Their sum is what the chip counts. */
export interface ProgrammedBytes {
  /** Contents of files, compressed; headers not counted. */
  data: number;
  /** Headers of data nodes, directory entries, attributes. */
  metadata: number;
  /** All that garbage collection moved, headers included. */
  gc: number;
  /** Pages filled up, and alignment. */
  padding: number;
  cleanmarker: number;
  /** Summaries, each with the room that it leaves to the end of its block. */
  summary: number;
}

export const PROGRAM_CAUSES = [
  'data',
  'metadata',
  'gc',
  'padding',
  'cleanmarker',
  'summary',
] as const satisfies readonly (keyof ProgrammedBytes)[];

/**
 * A histogram of times: bucket n counts times of at least 2^n and less than 2^(n+1) microseconds of
 * device time; bucket 0 also what is shorter. Trailing zeros are left out.
 */
export type Histogram = readonly number[];

/** The first line of a result. */
export interface HeaderRecord {
  readonly type: 'header';
  readonly format: 'lump-wear';
  readonly version: typeof RESULT_VERSION;
  /** Of the program that made it. */
  readonly program: string;
  readonly experiment: Experiment;
  readonly seed: number;
  readonly fidelity: 'full' | 'fast';
  readonly clock: { readonly model: string; readonly hz: number };
  readonly policy: string;
  /** Erase blocks. */
  readonly blocks: number;
  /** Erases that each block survives; null where nothing wears out. */
  readonly limits: readonly number[] | null;
  /** Erases per block before the workload began. */
  readonly erasesBefore: readonly number[];
}

/** Microseconds of a day of device time. */
export const US_A_DAY = 86_400e6;

/** The state of the flash at one moment. */
export interface SampleRecord {
  readonly type: 'sample';
  /** 0 … 1: how far the run is, by the stop condition that is nearest. */
  readonly progress: number;
  /** Microseconds. */
  readonly deviceUs: number;
  readonly operations: number;
  /** Bytes that the workload wrote into files. */
  readonly hostBytes: number;
  /** Per block. */
  readonly erases: readonly number[];
  /** The chip's own counters. */
  readonly chipErases: number;
  readonly chipBytes: number;
  readonly programmed: ProgrammedBytes;
  /** Device time of passes of garbage collection: that a writer waited for; of the thread. */
  readonly gcForeground: Histogram;
  readonly gcBackground: Histogram;
  /** Device time of operations of the workload. */
  readonly operationLatency: Histogram;
  /** Blocks collected, by the list that they were on: clean, dirty, very_dirty, erasable, … */
  readonly collected: Readonly<Record<string, number>>;
  readonly badBlocks: number;
  /** Share of the chip, bad blocks included, that holds nodes that are needed. */
  readonly fill: number;
  /** Reads that a chip with read_disturb or retention_days could not have corrected. */
  readonly uncorrectable: number;
}

/** Why an experiment ended. */
export type StopReason =
  | 'host_bytes'
  | 'operations'
  | 'erases'
  | 'device_days'
  | 'bad_blocks'
  | 'bad_share'
  /** The file system refuses writes for good: no space, or no block that works. */
  | 'worn_out'
  | 'trace_end'
  | 'interrupted';

/** When a block went bad. */
export interface BadBlockEvent {
  readonly block: number;
  readonly erases: number;
  readonly deviceUs: number;
  readonly hostBytes: number;
}

/** The last sample, and what is known at the end only. */
export interface EndRecord extends Omit<SampleRecord, 'type'> {
  readonly type: 'end';
  readonly reason: StopReason;
  /** For a person: why a run that is worn out ended. */
  readonly message: string;
  readonly badBlockEvents: readonly BadBlockEvent[];
  /** Bytes programmed by bytes written; null when nothing was written. */
  readonly writeAmplification: number | null;
}

/** A line of a result. */
export type ResultRecord = HeaderRecord | SampleRecord | EndRecord;
