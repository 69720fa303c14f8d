/**
 * Sums of test runs: test/reporter.cjs appends one to the file that LUMP_TEST_RESULTS names, and so
 * does every script that checks something else.
 *
 *     node dist/scripts/results.js FILE RUNS
 *
 * prints the total of a file as the last line of everything, and fails when a test failed, when
 * none ran, or when fewer than RUNS sums are there, because a run ended before it could report.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Results {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function appendResults(file: string, results: Results): void {
  appendFileSync(file, `${JSON.stringify(results)}\n`);
}

export function readResults(file: string): Results[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Results);
}

/** Each run that is missing counts as a failure. */
export function totalOf(all: readonly Results[], runsExpected: number): Results {
  const sum = (field: keyof Results): number => all.reduce((n, results) => n + results[field], 0);
  const missing = Math.max(0, runsExpected - all.length);
  return { passed: sum('passed'), failed: sum('failed') + missing, skipped: sum('skipped') };
}

export function resultsLine({ passed, failed, skipped }: Results): string {
  return `tests: ${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function main(file: string, runs: number): number {
  const all = readResults(file);
  const total = totalOf(all, runs);
  if (all.length < runs) console.log(`${runs - all.length} of ${runs} runs did not report`);
  console.log(resultsLine(total));
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv[2]!, Number(process.argv[3]));
}
