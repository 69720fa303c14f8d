/** Checkpoints: a run that goes on from one tells what a run tells that was never left. */
import { expect } from 'chai';
import { checkExperiment, type Experiment } from '../../src/wearlab/experiment.js';
import { POLICIES, type PolicyFactory } from '../../src/wearlab/policies.js';
import type { EndRecord, ResultRecord } from '../../src/wearlab/result.js';
import { type Checkpoint, runExperiment, type RunOptions } from '../../src/wearlab/run.js';
import { TRACE_ROOT, type TraceOperation } from '../../src/wearlab/replay.js';

type Given = Record<string, unknown>;

const NAND = { kind: 'nand', size: '1 MiB', erasesize: '16 KiB', writesize: 512, oobsize: 16 };
const NOR = { kind: 'nor', size: '2 MiB', erasesize: '64 KiB' };

const experiment = (given: Given): Experiment =>
  checkExperiment(
    {
      chip: NAND,
      fill: { static: 0.3, filesize: '32 KiB' },
      workload: [{ type: 'hot_cold', files: 8, filesize: '16 KiB', io: 3000 }],
      stop: { host_bytes: '1 MiB' },
      checkpoint: { erases: 20 },
      samples: 20,
      ...given,
    },
    'test',
  );

interface Told {
  readonly lines: string[];
  /** Each with the number of lines that were told before it. */
  readonly checkpoints: { readonly at: Checkpoint; readonly told: number }[];
  readonly end: EndRecord;
}

function tell(one: Experiment, options: RunOptions = {}): Told {
  const lines: string[] = [];
  const checkpoints: Told['checkpoints'] = [];
  const record = (told: ResultRecord): void => void lines.push(JSON.stringify(told));
  const end = runExperiment(one, 7, {
    onHeader: record,
    onSample: record,
    // As a file holds it.
    onCheckpoint: (at) => checkpoints.push({ at: structuredClone(at), told: lines.length }),
    ...options,
  });
  record(end);
  return { lines, checkpoints, end };
}

/** Goes on from checkpoints of a run, and compares what is told. */
function expectToGoOn(one: Experiment, options: RunOptions = {}): Told {
  const whole = tell(one, options);
  const { checkpoints } = whole;
  expect(checkpoints.length).to.be.greaterThan(1);
  for (const { at, told } of new Set([checkpoints[0]!, checkpoints.at(-1)!])) {
    const rest = tell(one, { ...options, from: at });
    expect([...whole.lines.slice(0, told), ...rest.lines]).to.deep.equal(whole.lines);
    expect(rest.checkpoints.at(-1)?.at.erases ?? at.erases).to.equal(checkpoints.at(-1)!.at.erases);
  }
  return whole;
}

/** Blocks fail, while they are erased and while they are programmed; reads are counted. */
const worn = (chip: object): object => ({
  ...chip,
  endurance: { cycles: 4, spread: 0.5, program_failures: 0.3, read_disturb: 40 },
});

describe('wearlab: checkpoints', () => {
  for (const [name, given] of [
    ['nand', { chip: worn(NAND), filesystem: { compr: 'zlib' }, data: { ratio: 0.6 } }],
    ['nor', { chip: worn(NOR) }],
  ] as const) {
    it(`are passed over in both fidelities, and both tell the same: ${name}`, () => {
      const whole = {
        ...given,
        workload: [
          { type: 'hot_cold', files: 8, filesize: '16 KiB', io: 3000, fsync_every: 5 },
          { type: 'rotate', filesize: '12 KiB', io: 300, weight: 0.4 },
        ],
        stop: { host_bytes: name === 'nor' ? '3 MiB' : '1 MiB' },
        checkpoint: { erases: 25 },
      };
      const fast = expectToGoOn(experiment(whole));
      const full = expectToGoOn(experiment({ ...whole, fidelity: 'full' }));
      expect(fast.end).to.deep.equal(full.end);
      expect(fast.end.badBlocks).to.be.greaterThan(0);
    });
  }

  for (const workload of [
    { type: 'overwrite', files: 8, filesize: '16 KiB', replace: true, fsync_every: 3 },
    { type: 'zipf', files: 8, filesize: '16 KiB', io: 1000 },
    { type: 'append_log', filesize: '100 KiB', io: 777 },
    { type: 'copy_delete', files: 8, filesize: '16 KiB', io: 1000, pause_ms: 20 },
  ]) {
    it(`go with the workload ${workload.type}`, () => {
      expectToGoOn(experiment({ workload: [workload] }));
    });
  }

  for (const name of Object.keys(POLICIES)) {
    it(`go with the policy ${name}`, () => {
      expectToGoOn(experiment({ policy: { name } }));
    });
  }

  it('go with a trace', () => {
    const [type, mode, bytes] = ['file', 0o644, 0] as const;
    const operations: TraceOperation[] = [
      { op: 'found', dir: TRACE_ROOT, name: 'd', node: 1, type: 'directory', bytes, mode },
      { op: 'found', dir: 1, name: 'old', node: 2, type, bytes: 60_000, mode },
      { op: 'found', dir: TRACE_ROOT, name: 'linked', node: 2, type, bytes: 60_000, mode },
    ];
    for (let n = 0; n < 1200; n++) {
      // At some moments there is a file without a name.
      const node = 10 + (n % 7);
      const name = `file${node}`;
      if (n < 7) operations.push({ op: 'create', dir: 1, name, node, type, bytes, mode });
      else if (n === 30) operations.push({ op: 'remove', dir: 1, name: 'old', node: 2 });
      else if (n === 200) operations.push({ op: 'tmpfile', node: 3, mode });
      else if (n === 300) operations.push({ op: 'gone', node: 3 });
      else if (n % 31 === 30) operations.push({ op: 'attributes', node });
      else if (n % 17 === 16) operations.push({ op: 'pause', ms: 300 });
      else if (n % 9 === 8) operations.push({ op: 'read', node: 2, offset: n * 80, bytes: 5000 });
      else operations.push({ op: 'write', node, offset: (n % 5) * 3000, bytes: 9000 });
    }
    const traces = new Map([['t', operations]]);
    const fast = experiment({
      workload: [{ type: 'trace', trace: 't' }],
      stop: { operations: 2000 },
    });
    const full = expectToGoOn({ ...fast, fidelity: 'full' }, { traces });
    expect(expectToGoOn(fast, { traces }).end.erases).to.deep.equal(full.end.erases);
  });

  it('are there for a module that says what it has in mind, and for no other', () => {
    const policy = { name: 'module', module: 'mine.mjs' };
    const make = (saves: boolean): PolicyFactory => {
      return ({ c, saved }) => {
        let calls = (saved as number | undefined) ?? 0;
        return {
          // Every seventh time another one, so that forgetting shows.
          find_gc_block: () =>
            ++calls % 7 === 0 ? (c.clean_list.first ?? c.dirty_list.first) : c.dirty_list.first,
          ...(saves && { save: () => calls }),
        };
      };
    };
    const one = experiment({ policy });
    const { end } = expectToGoOn(one, { policyModule: make(true) });
    expect(end.collected.clean).to.be.greaterThan(3);
    expect(tell(one, { policyModule: make(false) }).checkpoints).to.have.length(0);
  });

  it('are not needed: without any the wear is much the same', () => {
    const stop = { host_bytes: '4 MiB' };
    const many = tell(experiment({ stop }));
    const none = tell(experiment({ stop, checkpoint: { erases: null } }));
    expect(many.checkpoints.length).to.be.greaterThan(10);
    expect(none.checkpoints).to.have.length(0);
    const ratio = many.end.writeAmplification! / none.end.writeAmplification!;
    expect(ratio).to.be.within(0.95, 1.05);
    expect(many.end.deviceUs / none.end.deviceUs).to.be.within(0.95, 1.05);
  });

  it('come when so many erases are done, and leave the caller his data', () => {
    const one = experiment({});
    const { checkpoints, lines } = tell(one);
    for (const [n, { at }] of checkpoints.entries()) {
      expect(at.erases).to.be.within(20 * (n + 1), 20 * (n + 2) - 1);
    }
    const [first] = checkpoints;
    const copy = structuredClone(first!.at);
    const twice = [tell(one, { from: first!.at }), tell(one, { from: first!.at })];
    for (const { lines: rest } of twice) expect(rest).to.deep.equal(lines.slice(first!.told));
    expect(first!.at).to.deep.equal(copy);
  });
});
