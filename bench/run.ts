/**
 * Runs every benchmark of this folder (`npm run bench`), or only those that are named:
 *
 *     node dist/bench/run.js [mtd codecs …]
 *
 * A benchmark is a program *.bench.ts that prints what a person reads and, as its last line, JSON.
 * When all have run, that JSON goes into bench/results/DATE.json, with what it was measured on.
 * Times of different machines, or of different hours, do not compare; ratios from one run do.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const SUFFIX = '.bench.js';

interface BenchmarkRun {
  readonly status: number;
  /** What its last line says; null when that is no JSON. */
  readonly json: unknown;
}

/** Shows the output as it comes, all but the JSON. */
async function runBenchmark(name: string): Promise<BenchmarkRun> {
  const child = spawn(process.execPath, [join(root, 'dist/bench', name + SUFFIX)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    // A line of JSON may be the last one: it is held back until another follows.
    const held = lines.at(-1) === '' && lines.length > 1 ? 2 : 1;
    rest = lines.splice(-held).join('\n');
    for (const line of lines) console.log(line);
  });
  const status = await new Promise<number>((resolve) => {
    child.once('close', (code) => resolve(code ?? 1));
  });
  try {
    return { status, json: JSON.parse(rest) };
  } catch {
    console.log(rest.trimEnd());
    return { status, json: null };
  }
}

function machine(): object {
  const cpus = os.cpus();
  return {
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: cpus[0]?.model,
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    loadAverageBefore: os.loadavg()[0],
  };
}

/** Null outside of a repository. */
function commit(): string | null {
  try {
    const words = ['describe', '--always', '--dirty'];
    return execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

async function main(): Promise<number> {
  const present = readdirSync(join(root, 'dist/bench'))
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !present.includes(name));
  if (unknown !== undefined) {
    console.error(`no benchmark is called ${unknown}; there are: ${present.join(', ')}`);
    return 1;
  }
  const started = new Date();
  const head = { date: started.toISOString(), commit: commit(), machine: machine() };
  const results: Record<string, unknown> = {};
  let failed = 0;
  for (const name of wanted.length === 0 ? present : wanted) {
    console.log(`\n── ${name}\n`);
    const { status, json } = await runBenchmark(name);
    if (status !== 0) {
      console.log(`${name} ended with ${status}`);
      failed++;
    }
    results[name] = json;
  }
  if (wanted.length > 0) return failed === 0 ? 0 : 1;
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${head.date.slice(0, 10)}.json`);
  writeFileSync(file, `${JSON.stringify({ ...head, results }, null, 1)}\n`);
  console.log(`\nAll figures: ${file}`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
