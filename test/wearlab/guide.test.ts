/** Runs what docs/wear.md shows, and compares what is printed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadExperiment, shippedExperiments } from '../../bin/wear_experiments.mjs';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { sweepJobs } from '../../src/wearlab/sweep.js';
import { projectRoot } from '../images/project.js';

const TEXT = readFileSync(join(projectRoot(), 'docs/wear.md'), 'utf8');

/** Lines as a pattern; a line of "…" stands for any. */
function pattern(lines: readonly string[]): RegExp {
  const parts = lines.map((line) =>
    line === '…' ? '(?:.*\\r?\\n)*?' : `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\r?\\n`,
  );
  return new RegExp(`^${parts.join('')}$`);
}

describe('docs/wear.md', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'lump-wear-guide-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  let commands = 0;
  for (const section of TEXT.split(/^## /m).slice(1)) {
    const blocks = [...section.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block]) => block!);
    if (blocks.length === 0) continue;
    it(section.split('\n')[0]!, () => {
      const env = { ...process.env, PATH: `${join(projectRoot(), 'bin')}:${process.env.PATH}` };
      for (const step of blocks.join('').split(/^\$ /m).slice(1)) {
        const [command, ...wanted] = step.trimEnd().split('\n');
        const { stdout, stderr } = spawnSync('sh', ['-c', command!], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        expect(stdout, `${command}\n${stderr}`).to.match(pattern(wanted));
        expect(stderr, command).to.not.match(/wear_lab: /);
        commands++;
      }
    });
  }

  it('has commands', () => {
    expect(commands).to.be.greaterThan(15);
  });

  it('names every experiment that comes along, and each begins to run', async () => {
    const named = [...TEXT.matchAll(/^\| `wear_lab (?:sweep|run) ([\w-]+)/gm)].map(([, n]) => n);
    const shipped = [...shippedExperiments().keys()];
    expect(named).to.include.members(shipped);
    for (const name of shipped) {
      const { experiment } = await loadExperiment(name);
      expect(experiment.description, name).to.not.equal('');
      const [job] = sweepJobs(experiment);
      const stop = { operations: 20 };
      const short = checkExperiment({ ...job!.experiment, stop, fidelity: 'fast' }, name);
      expect(runExperiment(short, job!.seed).operations, name).to.equal(20);
    }
  });
});
