/** Runs: both fidelities agree, sums agree, seeds repeat, blocks wear out. */
import { expect } from 'chai';
import type { jffs2_sb_info } from '../../src/jffs2/nodelist.js';
import { checkExperiment, type Experiment, ExperimentError } from '../../src/wearlab/experiment.js';
import { POLICIES, type PolicyContext } from '../../src/wearlab/policies.js';
import {
  type EndRecord,
  type HeaderRecord,
  PROGRAM_CAUSES,
  type SampleRecord,
} from '../../src/wearlab/result.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { wearStatistics } from '../../src/wearlab/statistics.js';
import { refusal } from './material.js';

type Given = Record<string, unknown>;

const CHIPS = {
  nor: { kind: 'nor', size: '2 MiB', erasesize: '64 KiB' },
  nand: { kind: 'nand', size: '1 MiB', erasesize: '16 KiB', writesize: 512, oobsize: 16 },
};

const experiment = (given: Given): Experiment =>
  checkExperiment(
    {
      chip: CHIPS.nand,
      fill: { static: 0.3, filesize: '32 KiB' },
      workload: [{ type: 'hot_cold', files: 8, filesize: '16 KiB' }],
      stop: { host_bytes: '2 MiB' },
      ...given,
    },
    'test',
  );

function fails(): never {
  throw new Error('mine');
}

const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);

function expectSumsToAgree(record: SampleRecord | EndRecord): void {
  expect(sum(record.erases)).to.equal(record.chipErases);
  expect(sum(PROGRAM_CAUSES.map((cause) => record.programmed[cause]))).to.equal(record.chipBytes);
  expect(sum(record.operationLatency)).to.equal(record.operations);
}

const WORKLOADS: readonly Given[] = [
  { type: 'overwrite', files: 8, filesize: '16 KiB', io: 1000, fsync_every: 3 },
  { type: 'overwrite', files: 8, filesize: '16 KiB', replace: true },
  { type: 'zipf', files: 8, filesize: '16 KiB' },
  { type: 'append_log', filesize: '100 KiB', io: 777 },
  { type: 'rotate', filesize: '20 KiB', io: 900, fsync_every: 1 },
  { type: 'copy_delete', files: 8, filesize: '16 KiB', pause_ms: 20 },
];

describe('wearlab: runs', () => {
  for (const [kind, chip] of Object.entries(CHIPS)) {
    for (const [compr, data] of [
      ['none', { ratio: 1 }],
      ['zlib', { ratio: 0.5, spread: 0.3 }],
    ] as const) {
      it(`are the same in both fidelities: ${kind}, compr=${compr}`, () => {
        const given = {
          chip: { ...chip, endurance: { cycles: 5, spread: 0.5, program_failures: 0.3 } },
          filesystem: { compr },
          data,
          workload: [
            { type: 'hot_cold', files: 8, filesize: '16 KiB', io: 3000, fsync_every: 5 },
            { type: 'rotate', filesize: '12 KiB', io: 300, weight: 0.4 },
          ],
          stop: { host_bytes: kind === 'nor' ? '4 MiB' : '1.5 MiB' },
        };
        const full = runExperiment(experiment({ ...given, fidelity: 'full' }), 5);
        const fast = runExperiment(experiment({ ...given, fidelity: 'fast' }), 5);
        expect(fast).to.deep.equal(full);
        expectSumsToAgree(full);
        expect(full.chipErases).to.be.greaterThan(20);
      });
    }
  }

  for (const workload of WORKLOADS) {
    const words = Object.values(workload).join(' ');
    it(`are the same again from a seed, and others from another: ${words}`, () => {
      const given = { workload: [workload], stop: { host_bytes: '600 KiB' } };
      const samples: SampleRecord[] = [];
      const first = runExperiment(experiment(given), 1, { onSample: (s) => samples.push(s) });
      const again = runExperiment(experiment(given), 1);
      const full = runExperiment(experiment({ ...given, fidelity: 'full' }), 1);
      expect(again).to.deep.equal(first);
      expect(full).to.deep.equal(first);
      expect(samples.length).to.be.greaterThan(20);
      for (const record of [...samples, first]) expectSumsToAgree(record);
      expect(first.hostBytes).to.be.at.least(600 << 10);
      expect(first.writeAmplification).to.be.greaterThan(1);
    });
  }

  for (const name of Object.keys(POLICIES)) {
    it(`go with the policy ${name}`, () => {
      const end = runExperiment(experiment({ policy: { name } }), 1);
      expect(end.reason).to.equal('host_bytes');
      expect(sum(Object.values(end.collected))).to.be.greaterThan(20);
      expectSumsToAgree(end);
    });
  }

  it("go with a user's own policy", () => {
    const policy = { name: 'module', module: 'mine.mjs' };
    const policyModule = ({ c }: { c: { dirty_list: { first: unknown } } }) => ({
      find_gc_block: () => c.dirty_list.first,
    });
    const { collected } = runExperiment(experiment({ policy }), 1, { policyModule });
    expect(Object.keys(collected)).to.deep.equal(['dirty']);
  });

  for (const [what, policyModule, said] of [
    ['throws', () => ({ find_gc_block: () => fails() }), /find_gc_block threw Error: mine\n +at /],
    ['throws at once', () => fails(), /policy\.module: it threw Error: mine/],
    ['is no function', {}, /its default export must be a function/],
    ['chooses nothing', () => ({}), /must return an object with a method find_gc_block/],
    [
      'chooses a number',
      () => ({ find_gc_block: () => 7 }),
      /answered number, which is no erase b/,
    ],
    [
      'chooses a free block',
      () => ({ find_gc_block: (c: jffs2_sb_info) => c.free_list.first }),
      /answered a block of free_list; it must be null or a block of clean_list, /,
    ],
    [
      'writes to a dirty block',
      ({ c }: PolicyContext) => ({
        find_gc_block: () => c.dirty_list.first,
        find_free_block: () => c.dirty_list.first,
      }),
      /find_free_block answered a block of dirty_list; .* of free_list/,
    ],
  ] as const) {
    it(`say what is wrong with a policy that ${what}`, () => {
      const policy = { name: 'module', module: 'mine.mjs' };
      const message = refusal(ExperimentError, () =>
        runExperiment(experiment({ policy }), 1, { policyModule }),
      );
      expect(message).to.match(said).and.not.include('policies.js');
    });
  }

  it('end where they are told to: by operations, erases, days, or at the first of several', () => {
    const workload = [{ type: 'hot_cold', files: 8, filesize: '16 KiB', pause_ms: 1000 }];
    for (const [stop, reason, reached] of [
      [{ operations: 77 }, 'operations', ({ operations }: EndRecord) => operations === 77],
      [{ erases: 5 }, 'erases', ({ chipErases }: EndRecord) => chipErases >= 5 && chipErases < 9],
      [
        { device_days: 0.001 },
        'device_days',
        ({ deviceUs }: EndRecord) => deviceUs >= 86.4e6 && deviceUs < 89e6,
      ],
      [{ host_bytes: '1 TiB', erases: 1e9, operations: 9 }, 'operations', () => true],
    ] as const) {
      const end = runExperiment(experiment({ workload, stop }), 1);
      expect(end.reason).to.equal(reason);
      expect(reached(end), reason).to.equal(true);
    }
  });

  it('go by the ticks that are chosen', () => {
    const erases = [100, 250, 1000].map((hz) => {
      let header: HeaderRecord | undefined;
      const one = experiment({ clock: { hz } });
      const end = runExperiment(one, 1, {
        onHeader: (told) => {
          header = told;
        },
      });
      expect(header!.clock).to.deep.equal({ model: 'modelled', hz });
      return end.erases.join();
    });
    expect(new Set(erases).size).to.equal(3);
  });

  it('are levelled by the policies that level', () => {
    const variation = (name: string): number => {
      const options = POLICIES[name]!.options.threshold === undefined ? {} : { threshold: 4 };
      const stop = { erases: 1500 };
      const { erases } = runExperiment(experiment({ policy: { name, options }, stop }), 1);
      return wearStatistics(erases).coefficientOfVariation;
    };
    const greedy = variation('greedy');
    for (const name of ['dual-pool', 'threshold']) {
      expect(variation(name), name).to.be.lessThan(greedy / 2);
    }
  });

  it('end when blocks go bad, each at its own limit', () => {
    let limits: readonly number[] = [];
    const chip = { ...CHIPS.nand, endurance: { cycles: 20, spread: 0.2 } };
    const end = runExperiment(experiment({ chip, stop: { bad_blocks: 3 } }), 1, {
      onHeader: (header) => {
        limits = header.limits!;
      },
    });
    expect(end.reason).to.equal('bad_blocks');
    expect(end.badBlockEvents.length).to.be.at.least(3);
    for (const { block, erases } of end.badBlockEvents) {
      // Tried twice, and once more when it was marked.
      expect(erases).to.equal(limits[block]! + 3);
    }
  });

  it('end when the chip is worn out altogether', () => {
    const chip = { ...CHIPS.nor, endurance: { cycles: 10, spread: 0.1 } };
    const end = runExperiment(experiment({ chip, stop: { host_bytes: '1 TiB' } }), 1);
    expect(end.reason).to.equal('worn_out');
    expect(end.message).to.match(/ENOSPC|space/i);
    expect(end.badBlocks).to.be.greaterThan(5);
  });
});
