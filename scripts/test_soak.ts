/**
 * The soak tier, `npm run test:soak`: a million hostile images and a million power cuts, then the
 * randomized tests with one seed after the other, until the time is over or one fails. LUMP_MINUTES
 * says how long these go on (default 60), LUMP_SEED where to begin (default: the seconds since
 * 1970, so that each soak sees new seeds).
 *
 * Images and cuts are tried in portions, each of its own seeds. After each it says how to go on
 * from there: it may be interrupted at any time, and run on several machines with other ranges.
 * LUMP_FIRST is the first seed, LUMP_SOAK how many images and cuts (1000000); 0 leaves them out.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { longRuns, runLong } from './long_runs.js';

/** Images, and cuts, of a portion. */
const PORTION = 50_000;

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

/** @returns whether all `count` images and cuts from seed `first` on ended well. */
async function counted(first: number, count: number): Promise<boolean> {
  for (let done = 0; done < count; done += PORTION) {
    const portion = Math.min(PORTION, count - done);
    const at = first + done;
    const again = (left: number, from: number): string =>
      `LUMP_FIRST=${from} LUMP_SOAK=${left} npm run test:soak`;
    console.log(`\n${portion} images and cuts from LUMP_FIRST=${at} on`);
    const runs = longRuns(portion / 100_000).filter(({ isDivisible }) => isDivisible);
    if (!(await runLong(runs, { ...process.env, LUMP_FIRST: String(at) }))) {
      console.log(`failed; the same again: ${again(portion, at)}`);
      return false;
    }
    const left = count - done - portion;
    const further = left > 0 ? `; the rest: ${again(left, at + portion)}` : '';
    console.log(`${done + portion} of ${count} images and cuts passed${further}`);
  }
  return true;
}

async function main(): Promise<number> {
  const minutes = Number(process.env.LUMP_MINUTES ?? 60);
  const first = Number(process.env.LUMP_SEED ?? Math.floor(Date.now() / 1000));
  const tests = randomizedTests();
  console.log(`${tests.join(' ')}\nfor ${minutes} minutes, from LUMP_SEED=${first} on`);
  // Other images and workloads than those of the full tier and of the last soak.
  const firstImage = Number(process.env.LUMP_FIRST ?? first);
  const count = Number(process.env.LUMP_SOAK ?? 1_000_000);
  if (!(await counted(firstImage, count))) return 1;
  const others = longRuns(10).filter(({ isDivisible }) => !isDivisible);
  if (count > 0 && !(await runLong(others))) return 1;
  const end = performance.now() + minutes * 60_000;
  let seed = first;
  while (performance.now() < end) {
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
  }
  console.log(`${seed - first} seeds passed, ${first} to ${seed - 1}`);
  return 0;
}

process.exitCode = await main();
