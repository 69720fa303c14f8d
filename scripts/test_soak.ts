/**
 * The soak tier, `npm run test:soak`: a million hostile images and a million power cuts, then the
 * randomized tests with one seed after the other, until the time is over or one fails. LUMP_MINUTES
 * says how long these go on (default 60), LUMP_SEED where to begin (default: the seconds since
 * 1970, so that each soak sees new seeds).
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { longRuns, runLong } from './long_runs.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Operations and hostile images per seed. */
const OPERATIONS = '20000';
const IMAGES = 5000;

/** Compiled tests whose source takes a seed, itself or through test/mtd/util.ts. */
function randomizedTests(): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => {
      return /LUMP_SEED\b|LUMP_FIRST|randomized\(/.test(
        readFileSync(join(root, 'test', file), 'utf8'),
      );
    })
    .map((file) => join('dist/test', file.replace(/\.ts$/, '.js')))
    .sort();
}

async function main(): Promise<number> {
  const minutes = Number(process.env.LUMP_MINUTES ?? 60);
  const end = performance.now() + minutes * 60_000;
  const first = Number(process.env.LUMP_SEED ?? Math.floor(Date.now() / 1000));
  const tests = randomizedTests();
  console.log(`${tests.join(' ')}\nfor ${minutes} minutes, from LUMP_SEED=${first} on`);
  // Other images and workloads than those of the full tier and of the last soak.
  const env = { ...process.env, LUMP_FIRST: process.env.LUMP_FIRST ?? String(first) };
  console.log(`a million images and cuts: hours; LUMP_FIRST=${env.LUMP_FIRST}`);
  if (!(await runLong(longRuns(10), env))) return 1;
  let seed = first;
  do {
    const again = {
      LUMP_SEED: String(seed),
      LUMP_OPS: process.env.LUMP_OPS ?? OPERATIONS,
      LUMP_FIRST: String(seed * IMAGES),
      LUMP_IMAGES: String(IMAGES),
    };
    const mocha = join(root, 'node_modules/.bin/mocha');
    const { status } = spawnSync(mocha, ['--reporter', 'dot', '--timeout', '0', ...tests], {
      cwd: root,
      env: { ...process.env, ...again },
      stdio: 'inherit',
    });
    if (status !== 0) {
      const words = Object.entries(again).map(([name, value]) => `${name}=${value}`);
      console.log(`seed ${seed} failed; the same again: ${words.join(' ')} npx mocha <its file>`);
      return 1;
    }
    seed++;
  } while (performance.now() < end);
  console.log(`${seed - first} seeds passed, ${first} to ${seed - 1}`);
  return 0;
}

process.exitCode = await main();
