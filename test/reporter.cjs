/**
 * mocha's spec reporter, and a last line with the sum: "tests: 812 passed, 0 failed, 3 skipped".
 *
 * When the environment variable LUMP_TEST_RESULTS names a file, the sum is appended to it as a line
 * of JSON, so that a program that starts several runs can add them up; see scripts/results.ts.
 *
 * CommonJS, because mocha loads reporters with require().
 */
const { appendFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

class LumpReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes: passed, failures: failed, pending: skipped } = this.stats;
      console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
      const file = process.env.LUMP_TEST_RESULTS;
      if (file) appendFileSync(file, `${JSON.stringify({ passed, failed, skipped })}\n`);
    });
  }
}

module.exports = LumpReporter;
