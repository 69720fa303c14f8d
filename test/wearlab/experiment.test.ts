/** Experiments as data: what is filled in, and what is said about mistakes. */
import { expect } from 'chai';
import { checkExperiment, ExperimentError, parseExperiment } from '../../src/wearlab/experiment.js';
import { experimentFieldLines } from '../../src/wearlab/fields.js';
import { EXPERIMENT_SCHEMA, type FieldSchema } from '../../src/wearlab/schema.js';
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

const ENDLESS = `${TIMELESS.replace(/stop.*/, 'stop: {device_days: 1}')}policy: {name: greedy}\n`;
const NOR = SMALL.replace(
  '{kind: nand, id: 20a20015}',
  '{kind: nor, size: 1 MiB, erasesize: 64 KiB}',
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
    expect(message).to.include('workload.0: unknown field "fils"; there are type, weight, ');
    expect(message).to.include('stop.host_bytes: "much" is no size; say bytes, as 65536, or KiB');
  });

  it('take fields from a command line, instead of their own', () => {
    const swept = `${SMALL}sweep: {fill.static: [0.1, 0.6]}\n`;
    const changes = ['fill.static=0.4', 'workload.0.io="64 KiB"', 'chip.endurance.cycles = 1000'];
    const experiment = parseExperiment(swept, 'file', changes);
    expect(experiment.fill.static).to.equal(0.4);
    expect(experiment.workload[0]!.io).to.equal(65536);
    expect(experiment.chip.endurance).to.include({ cycles: 1000, spread: 0.1 });
    expect(experiment.sweep).to.deep.equal({});
    const words = ['chip={kind: nor, size: 1 MiB, erasesize: 64 KiB}', 'stop.operations=1'];
    const whole = parseExperiment('', 'e', [...words, 'workload=[{type: rotate}]']);
    expect(whole.workload[0]).to.include({ type: 'rotate', keep: 4 });
    for (const [change, said] of [
      ['fill', /^--set fill: is no field and value/],
      ['chip.size=[', /^--set chip\.size=\[: the value is no YAML/],
      ['stop.host_bytes.x=1', /there is nothing in which stop\.host_bytes\.x could be/],
      ['workload.3.io=1', /there is no workload\.3; entries are counted from 0/],
      ['fil.static=1', /^file: the experiment: unknown field "fil"/],
    ] as const) {
      expect(refusal(ExperimentError, () => parseExperiment(SMALL, 'file', [change]))).to.match(
        said,
      );
    }
  });

  it('can be described: every field has a meaning, which names its choices', () => {
    const visit = (schema: FieldSchema, path: string): void => {
      expect(schema.description, path).to.be.a('string').and.not.equal('');
      for (const choice of schema.enum ?? []) {
        expect(schema.description, path).to.include(String(choice));
      }
      if (schema.items?.properties) visit(schema.items, path);
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        visit(field, `${path}.${name}`);
      }
    };
    visit(EXPERIMENT_SCHEMA as FieldSchema, '');
    const lines = experimentFieldLines();
    for (const line of lines) expect(line.length, line).to.be.at.most(100);
    expect(lines).to.include('  erasesize             0         bytes of an erase block');
    expect(lines.find((line) => line.startsWith('stop '))).to.match(/ required /);
  });

  for (const [what, text, said] of [
    ['YAML that is none', 'a: [', /^file: is no YAML: .* at line 1/],
    ['nothing', '', /^file: is empty; "wear_lab fields"/],
    ['aliases of nothing', 'chip: *none', /^file: Unresolved alias/],
    [
      'an id that nobody knows',
      SMALL.replace('20a20015', 'ffff'),
      /chip\.id: NAND id ff ff: .*give/,
    ],
    ['an id that YAML takes for a number', SMALL.replace('20a20015', '20330015'), /id: .*quote it/],
    [
      'a run without an end',
      SMALL.replace(/stop.*/, 'stop: {}'),
      /stop: give at least one.*erases/,
    ],
    ['wear without endurance', SMALL.replace(/stop.*/, 'stop: {bad_blocks: 1}'), /endurance/],
    ['no sizes', SMALL.replace(', id: 20a20015', ''), /chip\.erasesize: is missing; .*chip\.id/],
    [
      "NAND's fields for NOR",
      NOR.replace('}', ', writesize: 2048}'),
      /chip: id, writesize and oob/,
    ],
    [
      'a field of another kind',
      `${SMALL}policy: greedy\n`,
      /policy: must be fields, .*not "greedy"/,
    ],
    [
      'a choice that is none',
      `${SMALL}clock: {hz: 300}\n`,
      /clock\.hz: must be one of .*, not 300/,
    ],
    ['no workload', SMALL.replace(/workload.*/, 'workload: []'), /workload: the list is empty/],
    ['nobody whose turn it is', SMALL.replace('files', 'weight: 0, files'), /all have weight 0/],
    ['a seed beyond 32 bits', `${SMALL}seeds: [4294967296]\n`, /seeds\.0: must be <= 4294967295/],
    ['a chip without time under Linux, in whose rule ticks decide', TIMELESS, /policy lump/],
    ['days that never pass', ENDLESS, /stop\.device_days: no time ever passes/],
    ['a writing larger than its file', SMALL.replace('1 MiB', '1 KiB'), /workload\.0\.io/],
  ] as const) {
    it(`refuse ${what}`, () => {
      expect(messageOf(text)).to.match(said);
    });
  }
});
