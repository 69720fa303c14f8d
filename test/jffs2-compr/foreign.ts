/** Other programs as judges. A test whose program is missing says so and is skipped. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const OUTPUT_BYTES_MAX = 64 << 20;

/** Whether a program can be started, once found out. */
const found = new Map<string, boolean>();

/** Skips the test, aloud, unless `program` can be started. */
export function needs(test: Mocha.Context, program: string): void {
  let here = found.get(program);
  if (here === undefined) {
    here = spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
    found.set(program, here);
  }
  if (here) return;
  console.log(`      skipped: no ${program} on this machine`);
  test.skip();
}

/** Runs a filter. @throws when it does not exit with 0. */
export function pipe(input: Uint8Array, program: string, ...args: string[]): Uint8Array {
  const done = spawnSync(program, args, { input, maxBuffer: OUTPUT_BYTES_MAX });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr.toString()}`);
  return done.stdout;
}

/** Calls `use` with a fresh directory, which is gone afterwards. */
export function inDirectory<T>(use: (directory: string) => T): T {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'jffs2-compr-'));
  try {
    return use(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}
