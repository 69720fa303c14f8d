/** The experiments that come along: each can be read, and runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  checkNamedFiles,
  loadExperiment,
  shippedExperiments,
} from '../../bin/wear_experiments.mjs';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { sweepJobs } from '../../src/wearlab/sweep.js';

describe('wearlab: experiments that come along', () => {
  for (const name of shippedExperiments().keys()) {
    it(`${name} runs`, () => {
      const { experiment } = loadExperiment(name);
      expect(sweepJobs(experiment).length).to.be.at.least(1);
      const { stop } = experiment;
      const few = { ...stop, operations: Math.min(stop.operations ?? 40, 40) };
      const end = runExperiment(checkExperiment({ ...experiment, stop: few }, name), 1);
      expect(end.operations).to.be.at.least(1);
      expect(end.hostBytes).to.be.greaterThan(0);
    });
  }

  it('say what to do about a name that is none', () => {
    expect(() => loadExperiment('datalite')).to.throw(
      /^datalite: no such file or folder, nor an experiment that comes along; "wear_lab list"/,
    );
    expect(() => loadExperiment('./datalite.yaml')).to.throw(
      /datalite\.yaml: no such file or folder$/,
    );
    expect(() => loadExperiment(undefined)).to.throw(/^which experiment\?/);
  });

  it('say what is wrong with files that they name, and with results instead of an experiment', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lump-wear-'));
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const check = async (...set: string[]): Promise<string> => {
      const { experiment } = loadExperiment('hot-cold', set);
      return checkNamedFiles([experiment], folder).then(
        () => 'nothing',
        (error: Error) => error.message,
      );
    };
    const module = (name: string) => check(`policy={name: module, module: ${name}}`);
    try {
      const results = file('r.jsonl', '{"type":"header","format":"lump-wear","version":1}\n');
      expect(() => loadExperiment(results)).to.throw(
        /r\.jsonl: has results, and no experiment; "we/,
      );
      file('wrong.mjs', 'export default ({');
      file('throws.mjs', 'throw new Error("mine");');
      file('nothing.mjs', 'export const x = 1;');
      file('fine.mjs', 'export default () => ({ find_gc_block: () => null });');
      file('cut.trace', '{"lumpTrace":2,"root":1}\n{"s":0,"op":"cre');
      expect(await module('missing.mjs')).to.match(/policy\.module: Cannot find module '.*'$/);
      expect(await module('wrong.mjs')).to.match(/wrong\.mjs: .*; "node --check .*" shows where$/);
      expect(await module('throws.mjs')).to.match(
        /policy\.module: Error: mine\n +at .*throws\.mjs:1/,
      );
      expect(await module('nothing.mjs')).to.match(
        /^hot-cold: policy\.module: its default export mu/,
      );
      expect(await module('fine.mjs')).to.equal('nothing');
      expect(await check('policy.name=gredy')).to.match(
        /^hot-cold: policy\.name: there is no "gredy"/,
      );
      const trace = (name: string) => check(`workload=[{type: trace, trace: ${name}}]`);
      expect(await trace('cut.trace')).to.match(/^cut\.trace: line 2: is no JSON; was .* cut off/);
      expect(await trace('none')).to.match(/^hot-cold: workload\.0\.trace: .*none: no such file/);
      expect(await trace('.')).to.match(/workload\.0\.trace: .*: is a folder$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
