/**
 * What is known of Linux's wear levelling comes out. Facts: reference jffs2.md §8.2. With
 * LUMP_CYCLES=10000 Datalight's comparison is run to its end, and the guide's figures come out.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadExperiment } from '../../bin/wear_experiments.mjs';
import { jffs2_gc_block_by_tick } from '../../src/jffs2/gc_block.js';
import { EraseblockList, jffs2_eraseblock, type jffs2_sb_info } from '../../src/jffs2/nodelist.js';
import { checkExperiment, type Experiment } from '../../src/wearlab/experiment.js';
import type { EndRecord } from '../../src/wearlab/result.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { wearStatistics } from '../../src/wearlab/statistics.js';
import { projectRoot } from '../images/project.js';

const NAMES = ['erasable_list', 'very_dirty_list', 'dirty_list', 'clean_list'] as const;

/** Blocks chosen in 128 ticks, by list, when the lists of these names have one. */
function chosen(filled: readonly string[]): Record<string, number> {
  const c = { nr_free_blocks: 5, resv_blocks_gcbad: 0 } as Record<string, unknown>;
  for (const name of [...NAMES, 'bad_used_list']) {
    const list = new EraseblockList(name);
    if (filled.includes(name)) list.addTail(new jffs2_eraseblock(0, 65536));
    c[name] = list;
  }
  const counts: Record<string, number> = {};
  for (let tick = 1000; tick < 1128; tick++) {
    const name = jffs2_gc_block_by_tick(c as unknown as jffs2_sb_info, tick)!.list!.name;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const experiment = (given: Record<string, unknown>): Experiment =>
  checkExperiment(
    {
      chip: { kind: 'nand', size: '2 MiB', erasesize: '16 KiB', writesize: 512, oobsize: 16 },
      fill: { static: 0.5, filesize: '32 KiB' },
      workload: [{ type: 'overwrite', files: 60, filesize: '4 KiB', pause_ms: 3 }],
      stop: { host_bytes: '8 MiB' },
      ...given,
    },
    'test',
  );

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const variation = ({ erases }: EndRecord): number => wearStatistics(erases).coefficientOfVariation;

describe("wearlab: Linux's rule", () => {
  it('takes clean blocks 2 times in 128, the dirtiest first otherwise', () => {
    expect(chosen(NAMES)).to.deep.equal({
      erasable_list: 50,
      very_dirty_list: 60,
      dirty_list: 16,
      clean_list: 2,
    });
    expect(chosen(['very_dirty_list', 'clean_list'])).to.deep.equal({
      very_dirty_list: 110,
      clean_list: 18,
    });
    expect(chosen(['bad_used_list', 'clean_list'])).to.deep.equal({ bad_used_list: 128 });
  });

  it('spares the blocks of static data: a quarter of the blocks wears far less', () => {
    const end = runExperiment(experiment({}), 1);
    const sorted = [...end.erases].sort((a, b) => a - b);
    const quarter = sorted.length / 4;
    const least = mean(sorted.slice(0, quarter));
    const most = mean(sorted.slice(-quarter));
    expect(least).to.be.lessThan(most / 3);
    // But not for ever.
    expect(end.collected.clean).to.be.greaterThan(0);
    const greedy = runExperiment(experiment({ policy: { name: 'greedy' } }), 1);
    const levelled = runExperiment(
      experiment({ policy: { name: 'threshold', options: { threshold: 4 } } }),
      1,
    );
    expect(variation(greedy)).to.be.greaterThan(variation(end));
    expect(variation(levelled)).to.be.lessThan(variation(end) / 2);
  });

  it('wears a device in another way when its clock stands still', () => {
    const modelled = runExperiment(experiment({}), 1);
    const frozen = runExperiment(experiment({ clock: { model: 'frozen' } }), 1);
    expect(frozen.collected.clean ?? 0).to.equal(0);
    expect(variation(frozen)).to.be.greaterThan(variation(modelled));
  });

  it("loses a part of each block of moved data with Linux 6.1's quirk", () => {
    const run = (linux_summary_quirk: boolean): EndRecord =>
      runExperiment(
        experiment({ filesystem: { linux_summary_quirk }, policy: { name: 'random' } }),
        1,
      );
    const [ours, linux] = [run(false), run(true)];
    // A page and its header leave no room for another one's entry in the last quarter of a block.
    expect(linux.programmed.summary / linux.chipErases).to.be.greaterThan(
      (2 * ours.programmed.summary) / ours.chipErases,
    );
  });
});

/** Whole files replaced; at the experiment's own number the guide's figures are compared. */
const CYCLES = Number(process.env.LUMP_CYCLES ?? 1000);
const GUIDE = join(projectRoot(), 'docs', 'wear.md');

interface Figures {
  readonly amplification: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  readonly variation: number;
  /** Erases per block of the least worn blocks, as many as the static data takes; of the others. */
  readonly cold: number;
  readonly others: number;
}

function figuresOf(end: EndRecord, share: number): Figures {
  const sorted = [...end.erases].sort((a, b) => a - b);
  const split = Math.round(sorted.length * share);
  const { mean: all, min, max, coefficientOfVariation } = wearStatistics(end.erases);
  return {
    amplification: end.writeAmplification!,
    mean: all,
    least: min,
    most: max,
    variation: coefficientOfVariation,
    cold: mean(sorted.slice(0, split)),
    others: mean(sorted.slice(split)),
  };
}

/** A row of the guide's table, `| 10 % | 1.12 | …`. */
function guideFigures(share: number): Figures {
  const row = new RegExp(`^\\| ${100 * share} % \\|(.*)\\|$`, 'm').exec(
    readFileSync(GUIDE, 'utf8'),
  );
  const [amplification, mean, least, most, variation, cold, others] = row![1]!
    .split('|')
    .map(Number) as [number, number, number, number, number, number, number];
  return { amplification, mean, least, most, variation, cold, others };
}

describe("wearlab: Datalight's comparison", () => {
  const runs = new Map<number, EndRecord>();
  before(async function () {
    this.timeout(300_000);
    const { experiment: datalight } = loadExperiment('datalight');
    for (const share of datalight.sweep['fill.static'] as number[]) {
      const one = { ...datalight, fill: { ...datalight.fill, static: share }, sweep: {} };
      const stop = { operations: CYCLES };
      runs.set(share, runExperiment(checkExperiment({ ...one, stop }, 'datalight'), 1));
    }
  });

  it('wears static data less, and the less evenly the more of it there is', () => {
    const [few, many] = [figuresOf(runs.get(0.1)!, 0.1), figuresOf(runs.get(0.6)!, 0.6)];
    for (const { cold, others } of [few, many]) expect(cold).to.be.lessThan(others);
    expect(many.variation).to.be.greaterThan(2 * few.variation);
    expect(many.cold / many.others).to.be.lessThan(few.cold / few.others);
    expect(many.amplification).to.be.greaterThan(few.amplification);
  });

  it('collects clean blocks in no more than 2 of 128 choices', () => {
    for (const { collected } of runs.values()) {
      const all = Object.values(collected).reduce((sum, count) => sum + count, 0);
      expect(collected.clean! / all).to.be.within(0.1 * (2 / 128), 2 / 128);
    }
  });

  it("gives the guide's figures", function () {
    if (CYCLES !== 10_000) {
      console.log('      skipped: for 10,000 rewrites set LUMP_CYCLES=10000');
      this.skip();
    }
    for (const [share, end] of runs) {
      const ours = figuresOf(end, share);
      for (const [key, value] of Object.entries(guideFigures(share))) {
        const message = `${key} at ${100 * share} %`;
        expect(ours[key as keyof Figures], message).to.be.closeTo(value, 0.03 * value + 0.005);
      }
    }
  });
});
