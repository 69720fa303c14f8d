/** A run's memory does not grow with its length: it holds nodes, and what is obsolete goes. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('wearlab: memory', function () {
  this.timeout(60_000);

  for (const fidelity of ['fast', 'full']) {
    it(`does not grow with the length of a run: ${fidelity}`, () => {
      const used: number[] = [];
      const experiment = checkExperiment(
        {
          chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' },
          fill: { static: 0.3 },
          workload: [
            { type: 'overwrite', files: 4, filesize: '32 KiB', io: '1 KiB' },
            { type: 'rotate', io: 512, filesize: '8 KiB', fsync_every: 1 },
            { type: 'copy_delete', files: 4, filesize: '8 KiB' },
          ],
          stop: { erases: fidelity === 'fast' ? 2000 : 400 },
          checkpoint: { erases: null },
          samples: 8,
          fidelity,
        },
        'test',
      );
      const end = runExperiment(experiment, 1, {
        onSample() {
          collectGarbage();
          const { heapUsed, arrayBuffers } = process.memoryUsage();
          used.push((heapUsed + arrayBuffers) / 2 ** 20);
        },
      });
      expect(end.reason).to.equal('erases');
      // What is compiled, and learnt of types, comes early; a node reference has some 40 bytes.
      const growth = used.at(-1)! - used[2]!;
      expect(growth, `MiB: ${used.map((mib) => mib.toFixed(1)).join(' ')}`).to.be.lessThan(1.5);
    });
  }
});
