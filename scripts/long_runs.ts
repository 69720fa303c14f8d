/**
 * The runs that take long by their counts: hostile images, power cuts, the nth call that fails,
 * races.
 * Each is a process of its own; two run at a time.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const JOBS = 2;

interface LongRun {
  /** Compiled test. */
  readonly file: string;
  /** Counts, unless the environment says otherwise; TESTING.md explains each. */
  readonly counts: Readonly<Record<string, string>>;
  /** Its count can be divided, by seeds from LUMP_FIRST on. */
  readonly isDivisible?: true;
}

/** NetBSD's drivers for disks; their tests try images with wrong bytes. */
const DRIVERS = ['ext2fs', 'ffs', 'msdosfs', 'cd9660', 'sysvbfs'];

/** The longest first. @param factor 1 in the full tier. */
export function longRuns(factor = 1): readonly LongRun[] {
  const times = (count: number): string => String(Math.round(count * factor));
  const mutants = { LUMP_MUTANTS: times(20_000) };
  return [
    {
      file: 'dist/test/hostile/mutants.test.js',
      counts: { LUMP_IMAGES: times(100_000) },
      isDivisible: true,
    },
    {
      file: 'dist/test/jffs2/powercut.test.js',
      counts: { LUMP_CUTS: 'linear', LUMP_CUT_POINTS: times(100_000) },
      isDivisible: true,
    },
    { file: 'dist/test/jffs2/faults.test.js', counts: { LUMP_FAULTS: 'all' } },
    ...DRIVERS.map((name) => ({
      file: `dist/test/netbsd-compat/${name}.test.js`,
      counts: mutants,
    })),
    {
      file: 'dist/test/conformance/threads.test.js',
      counts: { LUMP_INTERLEAVINGS: times(2000) },
    },
  ];
}

function run({ file, counts }: LongRun, env: NodeJS.ProcessEnv): Promise<boolean> {
  const mocha = join(root, 'node_modules/.bin/mocha');
  const child = spawn(mocha, ['--timeout', '0', file], {
    cwd: root,
    env: { ...counts, ...env },
    stdio: 'inherit',
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.log(`${file}: ${error.message}`);
      resolve(false);
    });
    child.on('exit', (status) => resolve(status === 0));
  });
}

/** @returns whether all ended well. */
export async function runLong(
  runs: readonly LongRun[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  const waiting = [...runs];
  let isGood = true;
  const job = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (!(await run(next, env))) isGood = false;
    }
  };
  await Promise.all(Array.from({ length: JOBS }, job));
  return isGood;
}
