/** What wear_lab's commands do. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { checkExperiment, parseExperiment } from '../src/wearlab/experiment.js';
import { POLICIES } from '../src/wearlab/policies.js';
import type { EndRecord, ResultRecord } from '../src/wearlab/result.js';
import { runExperiment } from '../src/wearlab/run.js';
import { version } from './program.mjs';
import { loadExperiment, shippedExperiments } from './wear_experiments.mjs';

interface RunArguments {
  readonly output: string;
  readonly seed?: number;
  readonly fidelity?: string;
  readonly quiet?: true;
}

/** Interrupted by Ctrl-C, as a shell has it. */
const STATUS_INTERRUPTED = 130;

export async function run(name: string, options: RunArguments): Promise<number> {
  const loaded = await loadExperiment(name);
  const { experiment } = loaded;
  const { fidelity = experiment.fidelity, seed } = options;
  const changed = checkExperiment({ ...experiment, fidelity }, experiment.name);
  const seeds = seed === undefined ? changed.seeds : [seed];
  const out = options.output === '-' ? 1 : openSync(options.output, 'w');
  const emit = (record: ResultRecord): void => {
    writeSync(out, `${JSON.stringify(record)}\n`);
  };
  const say = (text: string): void => {
    if (!options.quiet) process.stderr.write(text);
  };
  const { policyModule } = loaded;
  try {
    for (const one of seeds) {
      const end = runExperiment(changed, one, {
        program: `lump ${version()}`,
        policyModule,
        onHeader: emit,
        onSample: emit,
        onProgress: progressLine(one, say),
      });
      emit(end);
      say(`\r\x1b[K${summary(experiment.title, one, end)}\n`);
      if (end.reason === 'interrupted') return STATUS_INTERRUPTED;
    }
  } finally {
    if (out !== 1) closeSync(out);
  }
  return 0;
}

/** On a terminal: how far the run is. */
function progressLine(
  seed: number,
  say: (text: string) => void,
): ((progress: number, erases: number) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  let shown = -1;
  return (progress, erases) => {
    const percent = Math.floor(progress * 100);
    if (percent === shown) return;
    shown = percent;
    say(`\rseed ${seed}: ${percent} %, ${erases} erases\x1b[K`);
  };
}

function summary(title: string, seed: number, end: EndRecord): string {
  const { erases, hostBytes, writeAmplification, reason, badBlocks, deviceUs } = end;
  const mean = erases.reduce((sum, count) => sum + count, 0) / erases.length;
  const squares = erases.reduce((sum, count) => sum + (count - mean) ** 2, 0) / erases.length;
  const variation = mean === 0 ? 0 : Math.sqrt(squares) / mean;
  const most = erases.reduce((high, count) => Math.max(high, count), 0);
  const parts = [
    `${(hostBytes / 2 ** 20).toFixed(1)} MiB written in ${(deviceUs / 1e6).toFixed(0)} s of device`,
    `write amplification ${writeAmplification?.toFixed(3) ?? 'unknown'}`,
    `erases per block: mean ${mean.toFixed(1)}, most ${most}, variation ${variation.toFixed(3)}`,
    `${badBlocks} bad blocks`,
    `ended by ${reason}`,
  ];
  return `${title}, seed ${seed}: ${parts.join('; ')}`;
}

export function list(): number {
  const lines = ['Experiments:'];
  for (const [name, file] of shippedExperiments()) {
    lines.push(`  ${name.padEnd(24)} ${parseExperiment(readFileSync(file, 'utf8'), name).title}`);
  }
  lines.push('', 'Policies:');
  for (const [name, { description, options }] of Object.entries(POLICIES)) {
    const defaults = Object.entries(options).map(([option, value]) => `${option}: ${value}`);
    const text = defaults.length === 0 ? '' : ` (options: ${defaults.join(', ')})`;
    lines.push(`  ${name.padEnd(24)} ${description}${text}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
