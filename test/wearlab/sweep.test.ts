/** What a sweep is divided into. */
import { expect } from 'chai';
import { checkExperiment, ExperimentError } from '../../src/wearlab/experiment.js';
import { sweepJobs } from '../../src/wearlab/sweep.js';
import { experimentOf } from './material.js';

describe('wearlab: sweeps', () => {
  it('are all combinations with all seeds', () => {
    const jobs = sweepJobs(
      experimentOf({
        seeds: [7, 8],
        sweep: { 'policy.name': ['linux', 'greedy'], 'fill.static': [0.1, 0.6] },
      }),
    );
    expect(jobs.map(({ id }) => id)).to.deep.equal([
      'test-linux-0.1-s7',
      'test-linux-0.1-s8',
      'test-linux-0.6-s7',
      'test-linux-0.6-s8',
      'test-greedy-0.1-s7',
      'test-greedy-0.1-s8',
      'test-greedy-0.6-s7',
      'test-greedy-0.6-s8',
    ]);
    const { experiment, seed } = jobs[6]!;
    expect(experiment.policy.name).to.equal('greedy');
    expect(experiment.fill.static).to.equal(0.6);
    expect([seed, experiment.seeds, experiment.sweep]).to.deep.equal([7, [7], {}]);
    // A job goes through a file unchanged.
    const again = checkExperiment(JSON.parse(JSON.stringify(experiment)), 'other');
    expect(again).to.deep.equal(experiment);
  });

  it('without lists are one job a seed', () => {
    expect(sweepJobs(experimentOf()).map(({ id }) => id)).to.deep.equal(['test-s1', 'test-s2']);
  });

  it('reach into lists, sizes, and options of a policy', () => {
    const jobs = sweepJobs(
      experimentOf({
        seeds: [1],
        sweep: {
          'workload.0.io': ['4 KiB', 8192],
          'policy.options.window': [8],
          policy: [{ name: 'greedy' }],
        },
      }),
    );
    expect(jobs.map(({ id }) => id)).to.deep.equal([
      'test-4KiB-8-greedy-s1',
      'test-8192-8-greedy-s1',
    ]);
    expect(jobs.map(({ experiment }) => experiment.workload[0]!.io)).to.deep.equal([4096, 8192]);
  });

  it('have names that files can have, none twice', () => {
    const jobs = sweepJobs(
      experimentOf({
        seeds: [1],
        sweep: { title: ['../../etc/passwd', 'a/b', 'ab', 'x'.repeat(300)] },
      }),
    );
    expect(jobs.map(({ id }) => id).slice(0, 3)).to.deep.equal([
      'test-....etcpasswd-s1',
      'test-ab-s1',
      'test-ab-s1-2',
    ]);
    expect(jobs[3]!.id).to.have.lengthOf(160);
  });

  for (const [what, sweep, wanted] of [
    ['a path that leads nowhere', { 'polcy.name': ['linux'] }, /there is no field polcy.name/],
    ['an entry that is not there', { 'workload.3.io': [1] }, /no field workload.3.io/],
    ['an unknown field', { 'fill.statc': [0.1] }, /unknown field "statc"/],
    ['a value out of range', { 'fill.static': [2] }, /fill.static: must be/],
    ['seeds', { seeds: [[1]] }, /list seeds under "seeds"/],
    ['a prototype', { 'policy.__proto__': [{}] }, /__proto__ cannot be swept|no field/],
    ['more than can be meant', { 'fill.static': new Array(60_000).fill(0.1) }, /120000 runs/],
  ] as const) {
    it(`refuse ${what}`, () => {
      expect(() => sweepJobs(experimentOf({ sweep }))).to.throw(ExperimentError, wanted);
    });
  }
});
