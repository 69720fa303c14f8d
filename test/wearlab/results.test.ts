/** Reading results, putting them together, naming their variants, and their tables. */
import { expect } from 'chai';
import { blocksCsv, runsCsv, samplesCsv } from '../../src/wearlab/csv.js';
import {
  mergeRuns,
  parseResults,
  ResultError,
  resultLines,
  type Run,
} from '../../src/wearlab/run_results.js';
import { summarizeRun } from '../../src/wearlab/run_summary.js';
import { bucketQuantile } from '../../src/wearlab/statistics.js';
import { variantsOf } from '../../src/wearlab/variants.js';
import { makeRun, refusal } from './material.js';

const refused = (text: string): string =>
  refusal(ResultError, () => parseResults(text, 'some.jsonl'));

/** An independent reader of CSV: quotes, doubled quotes, CRLF. */
function readCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g,
  )) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
    if (end === '') break;
  }
  const [head, ...body] = rows.filter((row) => row.length > 1);
  return body.map((row) => Object.fromEntries(head!.map((name, n) => [name, row[n]!])));
}
const csv = (lines: Iterable<string>): Record<string, string>[] => readCsv([...lines].join(''));

describe('wearlab: results', () => {
  it('are read as they were written, one run or many in a file', () => {
    const runs = [makeRun({ seed: 1 }), makeRun({ seed: 2, cutAfter: 3 })];
    const text = runs.map(resultLines).join('');
    expect(parseResults(text, 'a')).to.deep.equal(runs);
    // A line that a killed program left half written.
    expect(parseResults(text.slice(0, -10), 'a')[1]!.samples).to.have.lengthOf(2);
  });

  it('that are none are refused, with the line', () => {
    const good = resultLines(makeRun());
    const [head, sample] = good.split('\n');
    expect(refused('')).to.match(/^some.jsonl: is empty, or was cut off in its first line/);
    expect(refused(head!.slice(0, 100))).to.match(/^some.jsonl: is empty, or was cut off/);
    expect(refused('hello\nworld\n')).to.match(/^some.jsonl: line 1: is no JSON/);
    expect(refused(`${sample}\n`)).to.match(/line 1: a record "sample" before any header/);
    expect(refused(`${good}${sample}\n`)).to.match(/line 23: .*behind the end/);
    expect(refused('[1]\n')).to.match(/is no record/);
    expect(refused('null\n')).to.match(/is no record/);
    expect(refused(`${head}\n{"type":"sample","erases":[1,2]}\n`)).to.match(
      /line 2: erases of 2 blocks; the flash has 128/,
    );
    expect(refused(head!.replace('"version":1', '"version":9'))).to.match(
      /version 9 .* written by .*; this program reads version 1: .* again$/,
    );
    expect(refused(head!.replace('lump-wear', 'other'))).to.match(/no header of a run of wear_lab/);
  });

  it('are put together, each run once, and must agree', () => {
    const run = makeRun({ seed: 1 });
    const part = makeRun({ seed: 1, cutAfter: 3 });
    const less = makeRun({ seed: 1, cutAfter: 2 });
    const other = makeRun({ seed: 2 });
    expect(mergeRuns([part, run, other, run])).to.deep.equal([run, other]);
    expect(mergeRuns([run, part])).to.deep.equal([run]);
    expect(mergeRuns([part, less])).to.deep.equal([part]);
    // Text for people is no difference.
    const renamed = makeRun({ seed: 1, changes: { title: 'other words' } });
    expect(mergeRuns([run, renamed])).to.have.lengthOf(1);
    const wrong = makeRun({ seed: 1, skew: 0.7 });
    expect(() => mergeRuns([run, wrong])).to.throw(ResultError, 'test, seed 1: two results differ');
  });
});

describe('wearlab: a run in figures', () => {
  it('has those that follow from its records', () => {
    const summary = summarizeRun(makeRun({ limit: 1000 }))!;
    expect(summary).to.include({ reason: 'host_bytes', hostBytes: 20e6, operations: 5000 });
    expect(summary.days).to.be.closeTo(20 / 24, 1e-12);
    expect(summary.amplification!.total).to.be.closeTo(1.5, 1e-9);
    expect(summary.amplificationLate).to.be.closeTo(1.5, 1e-9);
    expect(summary.collectedClean).to.equal(2 / 128);
    // Of 25 times 5 are in 4 … 8 µs and 20 in 8 … 16: the median is the 7.5th of those 20.
    expect(summary.gcForeground.median).to.equal(8 + (7.5 / 20) * 8);
    expect(summary.gcBackground).to.deep.equal({ median: null, p99: null, max: null });
    // 999 erases are left of 1000, of which one was before the workload.
    const last = makeRun().end!.erases;
    const middle = makeRun().samples[9]!.erases;
    const spans = Math.min(...last.map((count, b) => (999 - count) / (count - middle[b]!)));
    expect(summary.lifetime!.atLeast.hostBytes).to.be.closeTo(20e6 + spans * 10e6, 1);
    expect(summary.lifetime!.atMost.hostBytes).to.be.greaterThan(
      summary.lifetime!.atLeast.hostBytes,
    );
  });

  it('is known as far as it came', () => {
    expect(summarizeRun(makeRun({ cutAfter: 4 }))).to.include({
      reason: 'cut off',
      hostBytes: 4e6,
      lifetime: null,
    });
    expect(summarizeRun(makeRun({ cutAfter: 0 }))).to.equal(null);
  });

  it('the first bad block has its time', () => {
    const { header, samples, end } = makeRun({ limit: 50 });
    const badBlockEvents = [{ block: 3, erases: 51, deviceUs: 2 * 86_400e6, hostBytes: 12345 }];
    const run: Run = { header, samples, end: { ...end!, badBlocks: 1, badBlockEvents } };
    expect(summarizeRun(run)!.firstBadBlock).to.deep.equal({ hostBytes: 12345, days: 2 });
  });

  it('quantiles of buckets', () => {
    expect(bucketQuantile([], 0.5)).to.equal(null);
    expect(bucketQuantile([4], 0.5)).to.equal(1);
    expect(bucketQuantile([0, 0, 0, 10, 0, 10], 0.5)).to.equal(16);
    expect(bucketQuantile([0, 0, 0, 10, 0, 10], 0.75)).to.equal(48);
    expect(bucketQuantile([0, 0, 0, 10], 0)).to.equal(8);
    expect(bucketQuantile([1, 0, 7], 1)).to.equal(8);
  });
});

describe('wearlab: variants', () => {
  const labels = (...runs: Run[]): string[] => variantsOf(runs).variants.map(({ label }) => label);

  it('are runs that differ in more than the seed, and are called so', () => {
    expect(labels(makeRun({ seed: 1 }), makeRun({ seed: 2 }))).to.deep.equal(['test']);
    expect(
      labels(
        makeRun({ changes: { policy: { name: 'greedy' }, fill: { static: 0.1 } } }),
        makeRun({ changes: { policy: { name: 'linux' }, fill: { static: 0.6 } } }),
        makeRun({ changes: { policy: { name: 'greedy' }, fill: { static: 0.6 } } }),
      ),
    ).to.deep.equal(['greedy, 10 % static', 'linux, 60 % static', 'greedy, 60 % static']);
    expect(
      labels(
        makeRun({ changes: { workload: [{ type: 'hot_cold', hot_files: 0.1 }] } }),
        makeRun({ changes: { workload: [{ type: 'hot_cold', hot_files: 0.2 }] } }),
      ),
    ).to.deep.equal(['hot_files 0.1', 'hot_files 0.2']);
    expect(labels(makeRun(), makeRun({ changes: { fidelity: 'full' } }))).to.deep.equal([
      'fast fidelity',
      'full fidelity',
    ]);
    expect(labels(makeRun(), makeRun({ changes: { name: 'other' } }))).to.deep.equal([
      'test',
      'other',
    ]);
  });
});

describe('wearlab: CSV', () => {
  it('has a row a run', () => {
    const name = 'a "quoted", name';
    const rows = csv(runsCsv([makeRun({ changes: { policy: { name } } }), makeRun({ seed: 2 })]));
    expect(rows).to.have.lengthOf(2);
    expect(rows[0]).to.include({ policy: name, seed: '1', reason: 'host_bytes', blocks: '128' });
    expect(rows[0]).to.include({ variant: name, clock: 'modelled', hz: '250', operations: '5000' });
    const parts = Object.entries(rows[1]!)
      .filter(([column]) => /^write_amplification_(?!second)/.test(column))
      .map(([, value]) => Number(value));
    expect(parts).to.have.lengthOf(6);
    const total = Number(rows[1]!.write_amplification);
    expect(parts.reduce((sum, part) => sum + part, 0)).to.be.closeTo(total, 1e-9);
  });

  it('has a row a sample, and a row a block', () => {
    const run = makeRun({ limit: 500 });
    const samples = csv(samplesCsv([run]));
    expect(samples).to.have.lengthOf(21);
    expect(samples[2]).to.include({ host_bytes: '3000000', fill: '0.5' });
    const blocks = csv(blocksCsv([run]));
    expect(blocks.map(({ erases }) => Number(erases))).to.deep.equal(run.end!.erases);
    expect(blocks[127]).to.include({ block: '127', limit: '500', erases_before: '1' });
  });
});
