/** The experiments that come along: each can be read, and runs. */
import { expect } from 'chai';
import { loadExperiment, shippedExperiments } from '../../bin/wear_experiments.mjs';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { sweepJobs } from '../../src/wearlab/sweep.js';

describe('wearlab: experiments that come along', () => {
  for (const name of shippedExperiments().keys()) {
    it(`${name} runs`, async () => {
      const { experiment } = await loadExperiment(name);
      expect(sweepJobs(experiment).length).to.be.at.least(1);
      const { stop } = experiment;
      const few = { ...stop, operations: Math.min(stop.operations ?? 40, 40) };
      const end = runExperiment(checkExperiment({ ...experiment, stop: few }, name), 1);
      expect(end.operations).to.be.at.least(1);
      expect(end.hostBytes).to.be.greaterThan(0);
    });
  }

  it('say what to do about a name that is none', async () => {
    let message = '';
    await loadExperiment('datalite').catch((error: Error) => {
      message = error.message;
    });
    expect(message).to.match(/datalite.*ENOENT.*wear_lab list/);
  });
});
