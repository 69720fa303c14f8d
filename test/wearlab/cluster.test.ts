/**
 * The jobs of a sweep, run as docs/wear.md says for clusters: what is merged is what the sweep
 * gives
 * on one machine, to the byte. Slurm itself is played by a few lines that start the script once for
 * each element of the array; it was run under the real one by hand.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../images/project.js';

const GUIDE = readFileSync(join(projectRoot(), 'docs/wear.md'), 'utf8');

/** Does what `sbatch --wait --array=1-N SCRIPT` does, one element after the other. */
const SBATCH = `#!/bin/sh -e
[ "$1" = --wait ]
range=\${2#--array=}
for SLURM_ARRAY_TASK_ID in $(seq "\${range%-*}" "\${range#*-}"); do
  export SLURM_ARRAY_TASK_ID
  sh -e "$3"
done`;

const EXPERIMENT = {
  name: 'sweep',
  chip: { kind: 'nor', size: '512 KiB', erasesize: '32 KiB' },
  workload: [{ type: 'overwrite', files: 2, filesize: '16 KiB' }],
  stop: { host_bytes: '64 KiB' },
  seeds: [1, 10],
};

/** What stands in the guide behind a line, in the next block. */
function blockAfter(line: string): string {
  const [, block] = /^```\w*\n([\s\S]*?)^```/m.exec(GUIDE.slice(GUIDE.indexOf(line)))!;
  return block!;
}

describe('wearlab: jobs on a cluster', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'lump-cluster-'));
  const PATH = `${folder}:${join(projectRoot(), 'bin')}:${process.env.PATH}`;
  const sh = (script: string): string =>
    execFileSync('sh', ['-ec', script], {
      cwd: folder,
      env: { ...process.env, PATH },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  before(() => {
    writeFileSync(join(folder, 'sweep.json'), JSON.stringify(EXPERIMENT));
    sh('wear_lab sweep sweep.json -q && wear_lab merge sweep-results -o one.jsonl');
    sh('wear_lab sweep sweep.json --jobs jobs');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const gives = (command: string): void => {
    mkdirSync(join(folder, 'results'));
    try {
      sh(`${command}\nwear_lab merge results -o all.jsonl`);
      const all = readFileSync(join(folder, 'all.jsonl'), 'utf8');
      expect(all.split('"type":"end"')).to.have.lengthOf(3);
      expect(all).to.equal(readFileSync(join(folder, 'one.jsonl'), 'utf8'));
    } finally {
      rmSync(join(folder, 'results'), { recursive: true });
    }
  };

  it('as a job array', () => {
    writeFileSync(join(folder, 'sbatch'), SBATCH, { mode: 0o755 });
    writeFileSync(join(folder, 'wear.sbatch'), blockAfter('As a job array of Slurm'));
    gives(blockAfter('and is started in the folder'));
  });

  it('under GNU parallel', function () {
    if (spawnSync('parallel', ['--version']).status !== 0) {
      console.log('      parallel is not installed: nothing is run under it');
      this.skip();
    }
    gives(blockAfter('With GNU parallel'));
  });
});
