/** Results of runs that never were, for tests of what is done with results. */
import { expect } from 'chai';
import { checkExperiment, type Experiment } from '../../src/wearlab/experiment.js';
import type { EndRecord, HeaderRecord, SampleRecord } from '../../src/wearlab/result.js';
import type { Run } from '../../src/wearlab/run_results.js';
import { Prng } from '../../src/rumpuser/prng.js';

export const EXPERIMENT = {
  name: 'test',
  title: 'A test',
  chip: { kind: 'nand', size: '8 MiB', erasesize: '64 KiB', writesize: 2048, oobsize: 64 },
  workload: [{ type: 'hot_cold' }],
  stop: { host_bytes: '16 MiB' },
  seeds: [1, 2],
  samples: 20,
} as const;

export const experimentOf = (changes: object = {}): Experiment =>
  checkExperiment({ ...structuredClone(EXPERIMENT), ...changes }, 'test');

/** What `act` says when it refuses, with an error of that kind; 'accepted' if it does not. */
export function refusal(kind: new (message: string) => Error, act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).to.be.instanceOf(kind);
    return (error as Error).message;
  }
  return 'accepted';
}

export interface MadeRun {
  readonly seed?: number;
  readonly changes?: object;
  /** How unevenly blocks wear: 0 evenly. */
  readonly skew?: number;
  readonly amplification?: number;
  readonly fill?: number;
  /** Erases that each block stands. */
  readonly limit?: number;
  /** Stops before the end, after so many samples. */
  readonly cutAfter?: number;
}

/** Whose sums agree, as a real one's. */
export function makeRun(made: MadeRun = {}): Run {
  const { seed = 1, changes = {}, skew = 0.3, amplification = 1.5, fill = 0.5 } = made;
  const experiment = experimentOf(changes);
  const blocks = experiment.chip.size / experiment.chip.erasesize;
  const prng = new Prng(seed);
  const weight = Array.from(
    { length: blocks },
    (_, block) => 1 + skew * (block % 4 === 0 ? -0.8 : 0.3) + 0.1 * (prng.below(100) / 100),
  );
  const header: HeaderRecord = {
    type: 'header',
    format: 'lump-wear',
    version: 1,
    program: 'wear_lab test',
    experiment: { ...experiment, seeds: [seed] },
    seed,
    fidelity: experiment.fidelity,
    clock: { model: experiment.clock.model, hz: experiment.clock.hz },
    policy: experiment.policy.name,
    blocks,
    limits: made.limit === undefined ? null : new Array<number>(blocks).fill(made.limit),
    erasesBefore: new Array<number>(blocks).fill(1),
  };
  const sampleAt = (n: number): Omit<SampleRecord, 'type'> => {
    const erases = weight.map((one) => Math.floor(one * n * 3));
    const hostBytes = n * 1_000_000;
    const total = hostBytes * amplification;
    const programmed = {
      data: hostBytes * 0.9,
      metadata: hostBytes * 0.1,
      gc: total - hostBytes - hostBytes * 0.05,
      padding: hostBytes * 0.02,
      cleanmarker: hostBytes * 0.01,
      summary: hostBytes * 0.02,
    };
    return {
      progress: n / experiment.samples,
      deviceUs: n * 3600e6,
      operations: n * 250,
      hostBytes,
      erases,
      chipErases: erases.reduce((sum, count) => sum + count, 0),
      chipBytes: total,
      programmed,
      gcForeground: [0, 0, 5, n],
      gcBackground: [],
      operationLatency: [n, n * 2],
      collected: { clean: n * 2, dirty: n * 40, very_dirty: n * 60, erasable: n * 26 },
      badBlocks: 0,
      fill,
      uncorrectable: 0,
    };
  };
  const { samples: count } = experiment;
  const samples = Array.from({ length: made.cutAfter ?? count }, (_, n) => ({
    type: 'sample' as const,
    ...sampleAt(n + 1),
  }));
  const end: EndRecord = {
    type: 'end',
    ...sampleAt(count),
    reason: 'host_bytes',
    message: '',
    badBlockEvents: [],
    writeAmplification: amplification,
  };
  return { header, samples, end: made.cutAfter === undefined ? end : null };
}
