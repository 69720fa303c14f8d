/** Experiments as data: what is filled in, and what is said about mistakes. */
import { expect } from 'chai';
import { checkExperiment, ExperimentError, parseExperiment } from '../../src/wearlab/experiment.js';
import { refusal } from './material.js';

const SMALL = `
chip: {kind: nand, id: 20a20015}
workload: [{type: hot_cold, files: 20, filesize: 1 MiB}]
stop: {host_bytes: 1.5 GiB}
`;

const messageOf = (text: string): string =>
  refusal(ExperimentError, () => parseExperiment(text, 'file'));

const TIMELESS = SMALL.replace(
  'id: 20a20015',
  'id: 20a20015, timing: {program_unit_us: 0, erase_block_us: 0}',
);

describe('wearlab: experiments', () => {
  it('fill in what was left out; sizes become bytes, an id becomes a geometry', () => {
    const { name, chip, stop, workload, policy, seeds } = parseExperiment(SMALL, 'file');
    expect(name).to.equal('file');
    expect(chip).to.include({ size: 64 << 20, erasesize: 128 << 10, writesize: 2048, oobsize: 64 });
    expect(stop.host_bytes).to.equal(1.5 * 2 ** 30);
    expect(workload[0]).to.include({ files: 20, filesize: 1 << 20, hot_writes: 0.8 });
    expect(policy.name).to.equal('linux');
    expect(seeds).to.deep.equal([1]);
  });

  it('are the same after being checked again, and as JSON', () => {
    const experiment = parseExperiment(SMALL, 'file');
    expect(checkExperiment(experiment, 'other')).to.deep.equal(experiment);
    expect(parseExperiment(JSON.stringify(experiment), 'other')).to.deep.equal(experiment);
  });

  it('say every mistake and its place', () => {
    const message = messageOf(SMALL.replace('files', 'fils').replace('1.5 GiB', 'much'));
    expect(message).to.match(/^file: /);
    expect(message).to.include('workload.0: unknown field "fils"');
    expect(message).to.include('stop.host_bytes: must match pattern');
  });

  for (const [what, text, said] of [
    ['YAML that is none', 'a: [', /at line 1/],
    ['an id that nobody knows', SMALL.replace('20a20015', 'ffff'), /chip\.id/],
    ['a run without an end', SMALL.replace(/stop.*/, 'stop: {}'), /stop: give at least one/],
    ['wear without endurance', SMALL.replace(/stop.*/, 'stop: {bad_blocks: 1}'), /endurance/],
    ['no sizes', SMALL.replace(', id: 20a20015', ''), /chip\.erasesize/],
    ['a chip without time under Linux, in whose rule ticks decide', TIMELESS, /policy lump/],
    ['a writing larger than its file', SMALL.replace('1 MiB', '1 KiB'), /workload\.0\.io/],
  ] as const) {
    it(`refuse ${what}`, () => {
      expect(messageOf(text)).to.match(said);
    });
  }
});
