/**
 * How fast wear is simulated: erases per second of both fidelities on a chip of 1,024 blocks, and
 * what a run to its end, at 10,000 cycles, would take at that speed.
 *
 *     node dist/bench/wear.bench.js [erases]
 *
 * Prints a table and, as its last line, JSON. Times are of the processor, without what comes before
 * the workload begins.
 */
import { nodeCrc32 } from '../src/rumpuser/node_zlib.js';
import { checkExperiment } from '../src/wearlab/experiment.js';
import { runExperiment } from '../src/wearlab/run.js';
import { median } from './median.js';

const ROUNDS = 3;
const ERASES = Number(process.argv[2] ?? 60_000);
/** Full runs are so much shorter. */
const FULL_PART = 1 / 20;
const TO_THE_END = 1024 * 10_000;

const CHIPS = {
  nand: { kind: 'nand', id: 'ecf10015' },
  nor: { kind: 'nor', size: '128 MiB', erasesize: '128 KiB' },
} as const;

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

interface Speed {
  readonly erasesPerSecond: number;
  readonly writeAmplification: number;
  readonly residentMiB: number;
}

function measure(kind: keyof typeof CHIPS, fidelity: 'fast' | 'full'): Speed {
  const erases = Math.round(ERASES * (fidelity === 'full' ? FULL_PART : 1));
  const experiment = checkExperiment(
    {
      chip: CHIPS[kind],
      fill: { static: 0.3 },
      workload: [{ type: 'hot_cold', files: 200, filesize: '128 KiB', io: '4 KiB' }],
      stop: { erases },
      fidelity,
    },
    'bench',
  );
  const speeds: number[] = [];
  let writeAmplification = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let start = 0;
    const end = runExperiment(experiment, round, {
      crc32: nodeCrc32,
      onHeader: () => {
        start = cpuSeconds();
      },
    });
    speeds.push(end.chipErases / (cpuSeconds() - start));
    writeAmplification = end.writeAmplification ?? 0;
  }
  const residentMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  return { erasesPerSecond: Math.round(median(speeds)), writeAmplification, residentMiB };
}

const results: Record<string, Speed> = {};
for (const kind of Object.keys(CHIPS) as (keyof typeof CHIPS)[]) {
  for (const fidelity of ['fast', 'full'] as const) {
    const speed = measure(kind, fidelity);
    results[`${kind} ${fidelity}`] = speed;
    const minutes = (TO_THE_END / speed.erasesPerSecond / 60).toFixed(1);
    console.log(
      `${kind} ${fidelity}: ${speed.erasesPerSecond} erases a second, write amplification ` +
        `${speed.writeAmplification.toFixed(2)}; ten million in ${minutes} minutes; ` +
        `${speed.residentMiB} MiB`,
    );
  }
}
console.log(JSON.stringify(results));
