/** Blocks wear out where a distribution says; reads that come too often or too late are counted. */
import { expect } from 'chai';
import { drawLimits } from '../../src/wearlab/endurance.js';
import { checkExperiment, type EnduranceSpec } from '../../src/wearlab/experiment.js';
import type { EndRecord } from '../../src/wearlab/result.js';
import { runExperiment } from '../../src/wearlab/run.js';

const BLOCKS = 50_000;

const draw = (spec: Partial<EnduranceSpec>, seed = 1): Uint32Array =>
  drawLimits(
    {
      cycles: 100_000,
      spread: 0.1,
      distribution: 'normal',
      program_failures: 0,
      read_disturb: 0,
      retention_days: 0,
      ...spec,
    },
    BLOCKS,
    seed,
  );

/** As shares of the cycles: mean, deviation, median, and what (1 - 1/e) of the blocks stay below. */
function figures(limits: Uint32Array): Record<'mean' | 'deviation' | 'median' | 'scale', number> {
  const sorted = [...limits].sort((a, b) => a - b).map((limit) => limit / 100_000);
  const mean = sorted.reduce((sum, limit) => sum + limit, 0) / BLOCKS;
  const squares = sorted.reduce((sum, limit) => sum + (limit - mean) ** 2, 0) / BLOCKS;
  const at = (share: number): number => sorted[Math.floor(share * BLOCKS)]!;
  return { mean, deviation: Math.sqrt(squares), median: at(0.5), scale: at(1 - 1 / Math.E) };
}

/** Files that are written again and again, and read when they are collected. */
const run = (endurance: object | null, given: object = {}): EndRecord =>
  runExperiment(
    checkExperiment(
      {
        chip: { kind: 'nor', size: '512 KiB', erasesize: '32 KiB', endurance },
        fill: { static: 0.5, filesize: '32 KiB' },
        workload: [{ type: 'overwrite', files: 4, filesize: '8 KiB', pause_ms: 60_000 }],
        stop: { operations: 400 },
        ...given,
      },
      'test',
    ),
    1,
  );

describe('wearlab: endurance', () => {
  it('spreads as it is told, about the mean that it is told', () => {
    for (const distribution of ['normal', 'lognormal', 'weibull'] as const) {
      for (const spread of [0.05, 0.2]) {
        const { mean, deviation } = figures(draw({ distribution, spread }));
        expect(mean, distribution).to.be.closeTo(1, 0.005);
        expect(deviation, distribution).to.be.closeTo(spread, 0.02 * spread);
      }
    }
    expect(new Set(draw({ spread: 0 }))).to.deep.equal(new Set([100_000]));
  });

  it('has the shape of each distribution', () => {
    expect(figures(draw({ spread: 0.2 })).median).to.be.closeTo(1, 0.005);
    // exp(mu) of a mean of 1 and a variance of s^2 is 1 / sqrt(1 + s^2).
    const { median } = figures(draw({ distribution: 'lognormal', spread: 0.5 }));
    expect(median).to.be.closeTo(1 / Math.sqrt(1.25), 0.01);
    // Shape 2 has a deviation of 0.5227 of its mean, which is sqrt(pi) / 2 of its scale.
    const { scale } = figures(draw({ distribution: 'weibull', spread: 0.52272 }));
    expect(scale).to.be.closeTo(2 / Math.sqrt(Math.PI), 0.01);
  });

  it('is the same from a seed, and another from another', () => {
    expect(draw({}, 7)).to.deep.equal(draw({}, 7));
    expect(draw({}, 7)).to.not.deep.equal(draw({}, 8));
  });

  it('fails blocks in erasing or in programming', () => {
    for (const program_failures of [0, 1]) {
      const end = run(
        { cycles: 6, spread: 0.3, program_failures },
        {
          fill: { static: 0.2, filesize: '32 KiB' },
          stop: { bad_share: 0.25 },
        },
      );
      expect(end.reason).to.equal('bad_share');
      expect(end.badBlocks).to.be.at.least(4);
      expect(end.badBlockEvents[0]!.hostBytes).to.be.greaterThan(0);
    }
  });

  it('counts reads that disturb, or come too late, where that is wanted, and changes nothing', () => {
    const plain = run({ cycles: 1e6 });
    expect(plain.uncorrectable).to.equal(0);
    for (const limit of [{ read_disturb: 20 }, { retention_days: 0.05 }]) {
      const end = run({ cycles: 1e6, ...limit });
      expect(end.uncorrectable, JSON.stringify(limit)).to.be.greaterThan(0);
      expect(end).to.deep.equal({ ...plain, uncorrectable: end.uncorrectable });
    }
    expect(run({ cycles: 1e6, read_disturb: 1e6, retention_days: 1000 }).uncorrectable).to.equal(0);
  });
});
