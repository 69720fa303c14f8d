/** Runs what docs/wear.md shows, and compares what is printed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadExperiment, shippedExperiments } from '../../bin/wear_experiments.mjs';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { sweepJobs } from '../../src/wearlab/sweep.js';
import { testGuide } from '../images/guide.js';
import { projectRoot } from '../images/project.js';

const TEXT = readFileSync(join(projectRoot(), 'docs/wear.md'), 'utf8');

describe('docs/wear.md', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'lump-wear-guide-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const commandsRun = testGuide(TEXT, {
    folder,
    // Tables of comma-separated values have CRLF.
    newline: '\\r?\\n',
    complaint: /wear_lab: /,
  });

  it('has commands', () => {
    expect(commandsRun()).to.be.greaterThan(15);
  });

  it('names every experiment that comes along, and each begins to run', async () => {
    const named = [...TEXT.matchAll(/^\| `wear_lab (?:sweep|run) ([\w-]+)/gm)].map(([, n]) => n);
    const shipped = [...shippedExperiments().keys()];
    expect(named).to.include.members(shipped);
    for (const name of shipped) {
      const { experiment } = loadExperiment(name);
      expect(experiment.description, name).to.not.equal('');
      const [job] = sweepJobs(experiment);
      const stop = { operations: 20 };
      const short = checkExperiment({ ...job!.experiment, stop, fidelity: 'fast' }, name);
      expect(runExperiment(short, job!.seed).operations, name).to.equal(20);
    }
  });
});
