/**
 * Which block is collected next, and which is written to next: Linux's rule and others. A policy is
 * a function that makes a {@link jffs2_policy}; `policy: {name: module, module: mine.mjs}` takes a
 * user's, the module's default export.
 *
 * Sources: cost-benefit, Rosenblum and Ousterhout 1991 (LFS) and Kawaguchi et al. 1995; dual-pool,
 * Chang and Du 2007; static wear levelling by threshold, Chang, Hsieh and Kuo 2007.
 */
import {
  jffs2_bad_used_block,
  jffs2_choose_gc_block,
  jffs2_gc_block_by_tick,
} from '../jffs2/gc_block.js';
import type { jffs2_policy } from '../jffs2/instruments.js';
import { type EraseblockList, jffs2_eraseblock, type jffs2_sb_info } from '../jffs2/nodelist.js';
import { KernelPanic } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { Prng, type PrngState } from '../rumpuser/prng.js';
import { ExperimentError, type PolicySpec } from './experiment.js';

export type { jffs2_policy } from '../jffs2/instruments.js';

/** A policy, which may keep something in mind. */
export interface WearPolicy extends jffs2_policy {
  /**
   * What it keeps in mind, as data that can be cloned: at a checkpoint, for the policy that goes on
   * from there and gets it as {@link PolicyContext.saved}. A module of one's own without this
   * method has no checkpoints.
   */
  save?(): unknown;
}

/** What a policy may know. */
export interface PolicyContext {
  readonly c: jffs2_sb_info;
  /** Of the run; a policy that wants chance takes it from here. */
  readonly seed: number;
  /** The experiment's `policy.options`. */
  readonly options: Readonly<Record<string, number>>;
  /** What another one's save() gave, which this one goes on from; undefined at the start. */
  readonly saved?: unknown;
  /** Modelled time, ms. */
  nowMs(): number;
  /** Erases of a block so far. */
  erases(jeb: jffs2_eraseblock): number;
  /** Number of a block, from 0. */
  indexOf(jeb: jffs2_eraseblock): number;
  /** Blocks that can be collected now: clean, dirty, very dirty, erasable. */
  collectable(): Iterable<jffs2_eraseblock>;
}

/** What makes a policy, for one run; the default export of a module of one's own. */
export type PolicyFactory = (context: PolicyContext) => WearPolicy;

interface KnownPolicy {
  readonly description: string;
  /** Its options with their defaults. */
  readonly options: Readonly<Record<string, number>>;
  readonly make: PolicyFactory;
}

/** Lists whose blocks can be collected, the dirtiest first. */
export const collectableLists = (c: jffs2_sb_info): EraseblockList[] => [
  c.erasable_list,
  c.very_dirty_list,
  c.dirty_list,
  c.clean_list,
];

/** Reference jffs2.md §6. */
const LINUX_VDIRTY_FACTOR = 10;

/** The block of a sequence with the least cost; the first of several. */
function least(
  blocks: Iterable<jffs2_eraseblock>,
  cost: (jeb: jffs2_eraseblock) => number,
): jffs2_eraseblock | null {
  let best: jffs2_eraseblock | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const jeb of blocks) {
    const value = cost(jeb);
    if (value < bestCost) {
      best = jeb;
      bestCost = value;
    }
  }
  return best;
}

const usedOf = (jeb: jffs2_eraseblock): number => jeb.used_size;
/** A block in which everything is needed gives no room: collecting it gets nowhere. */
const dirtOf = (jeb: jffs2_eraseblock): number => jeb.dirty_size + jeb.wasted_size;

function linux({ c }: PolicyContext): WearPolicy {
  // Where Linux marks nodes in place, its thread lets more very dirty blocks come together. It does
  // not where it was built with summaries: reference §1.5.
  if (c.wbuf === null && !c.mount_opts.summary) c.vdirty_blocks_gctrigger *= LINUX_VDIRTY_FACTOR;
  return { find_gc_block: () => jffs2_gc_block_by_tick(c, c.lump.jiffies) };
}

function greedy(context: PolicyContext): WearPolicy {
  return { find_gc_block: (c) => jffs2_bad_used_block(c) ?? least(context.collectable(), usedOf) };
}

/** (1 - u) · age / 2u is the gain; age is the time since the block was begun to be written. */
function costBenefit(context: PolicyContext): WearPolicy {
  const { c } = context;
  const begunMs = new Float64Array(c.nr_blocks);
  begunMs.set((context.saved as Float64Array | undefined) ?? []);
  return {
    save: () => begunMs.slice(),
    find_gc_block: () =>
      jffs2_bad_used_block(c) ??
      least(context.collectable(), (jeb) => {
        const u = jeb.used_size / c.sector_size;
        const age = 1 + context.nowMs() - begunMs[context.indexOf(jeb)]!;
        return u === 0 ? -Number.MAX_VALUE : -((1 - u) * age) / (2 * u);
      }),
    find_free_block() {
      const jeb = c.free_list.first;
      if (jeb) begunMs[context.indexOf(jeb)] = context.nowMs();
      return jeb;
    },
  };
}

function random(context: PolicyContext): WearPolicy {
  const prng = new Prng(context.seed ^ 0x72616e64);
  if (context.saved) prng.state = context.saved as PrngState;
  return {
    save: () => prng.state,
    find_gc_block(c) {
      const bad = jffs2_bad_used_block(c);
      if (bad) return bad;
      const all = [...context.collectable()];
      const dirty = all.filter((jeb) => dirtOf(jeb) > 0);
      const from = dirty.length > 0 ? dirty : all;
      return from.length === 0 ? null : from[prng.below(from.length)]!;
    },
  };
}

/**
 * Greedy, until the most worn block has been erased `threshold` times more than the least worn one
 * that holds data: then that one is collected, and what it held goes to the most worn free block.
 */
function threshold(context: PolicyContext): WearPolicy {
  const limit = context.options.threshold!;
  const { c } = context;
  const worn = (jeb: jffs2_eraseblock): number => -context.erases(jeb);
  let { levelling, most } = (context.saved ?? { levelling: false, most: 0 }) as {
    levelling: boolean;
    most: number;
  };
  return {
    save: () => ({ levelling, most }),
    find_gc_block() {
      const bad = jffs2_bad_used_block(c);
      if (bad) return bad;
      const young = least(context.collectable(), context.erases);
      levelling = young !== null && most - context.erases(young) > limit;
      return levelling ? young : least(context.collectable(), usedOf);
    },
    find_free_block() {
      for (const jeb of c.free_list) most = Math.max(most, context.erases(jeb));
      return least(c.free_list, levelling ? worn : context.erases);
    },
  };
}

/**
 * Two pools of blocks, hot and cold. When the most worn hot block has been erased more than
 * `threshold` times more than the least worn cold one that holds data, the hot one is emptied, the
 * cold one's data goes into it, to stay there, and they change pools. A cold block that is erased
 * more often than a hot one since they came into their pools holds no cold data, and becomes hot; a
 * hot block that is left behind by twice the threshold holds no hot data, and becomes cold.
 * Otherwise greedy.
 */
function dualPool(context: PolicyContext): WearPolicy {
  const limit = context.options.threshold!;
  const { c, erases, indexOf } = context;
  const isCold = new Uint8Array(c.nr_blocks).fill(1, c.nr_blocks >> 1);
  /** Erases of each block when it came into its pool. */
  const before = new Uint32Array(c.nr_blocks);
  /** Whose cold data goes where; from is null when they are on their way. */
  let from: jffs2_eraseblock | null = null;
  let to: jffs2_eraseblock | null = null;
  if (context.saved) {
    const saved = context.saved as SavedPools;
    isCold.set(saved.isCold);
    before.set(saved.before);
    from = c.blocks[saved.from] ?? null;
    to = c.blocks[saved.to] ?? null;
  }
  const indexOfAny = (jeb: jffs2_eraseblock | null): number => (jeb ? indexOf(jeb) : -1);
  const isBad = ({ list }: jffs2_eraseblock): boolean =>
    list === c.bad_list || list === c.bad_used_list;
  const lists = collectableLists(c);
  const isCollectable = ({ list }: jffs2_eraseblock): boolean => lists.includes(list!);
  const among = function* (pool: number): Iterable<jffs2_eraseblock> {
    for (const jeb of c.blocks) if (isCold[indexOf(jeb)] === pool && !isBad(jeb)) yield jeb;
  };
  const worn = (jeb: jffs2_eraseblock): number => -erases(jeb);
  const inPool = (jeb: jffs2_eraseblock): number => erases(jeb) - before[indexOf(jeb)]!;
  const move = (jeb: jffs2_eraseblock, pool: number): void => {
    isCold[indexOf(jeb)] = pool;
    before[indexOf(jeb)] = erases(jeb);
  };
  const resize = (): void => {
    const busy = least(among(1), (jeb) => -inPool(jeb));
    const idle = least(among(0), inPool);
    if (busy && idle && inPool(busy) - inPool(idle) > limit) move(busy, 0);
    const [young, old] = [least(among(0), erases), least(among(0), worn)];
    if (young && old && erases(old) - erases(young) > 2 * limit) move(young, 1);
  };
  return {
    save: () => ({
      isCold: isCold.slice(),
      before: before.slice(),
      from: indexOfAny(from),
      to: indexOfAny(to),
    }),
    find_gc_block() {
      const bad = jffs2_bad_used_block(c);
      if (bad) return bad;
      resize();
      if ((from && !isCollectable(from)) || (to && isBad(to))) from = to = null;
      if (to === null) {
        const hot = least(among(0), worn);
        const cold = least([...among(1)].filter(isCollectable), erases);
        if (hot && cold && erases(hot) - erases(cold) > limit) [from, to] = [cold, hot];
      }
      if (from && to?.list === c.free_list) {
        const cold = from;
        move(to, 1);
        move(cold, 0);
        from = null;
        return cold;
      }
      return from && to && isCollectable(to) ? to : least(context.collectable(), usedOf);
    },
    find_free_block() {
      if (to === null) return null;
      if (from === null) {
        const jeb = to.list === c.free_list ? to : null;
        to = null;
        return jeb;
      }
      // It waits for the cold data.
      for (const jeb of c.free_list) if (jeb !== to) return jeb;
      return null;
    },
  };
}

/** What a dual pool keeps in mind; blocks by number, -1: none. */
interface SavedPools {
  readonly isCold: Uint8Array;
  readonly before: Uint32Array;
  readonly from: number;
  readonly to: number;
}

export const POLICIES: Readonly<Record<string, KnownPolicy>> = {
  linux: {
    description: "Linux's rule: the tick decides which list, its first block is taken",
    options: {},
    make: linux,
  },
  lump: {
    description: "this jffs2's own: Linux's, with care for a flash that is almost full",
    options: {},
    make: () => ({ find_gc_block: jffs2_choose_gc_block }),
  },
  greedy: {
    description: 'the block with the fewest bytes to move',
    options: {},
    make: greedy,
  },
  'cost-benefit': {
    description: 'room gained by bytes moved, times the age of the block (LFS)',
    options: {},
    make: costBenefit,
  },
  'dual-pool': {
    description: 'hot and cold blocks; data and blocks change pools when wear differs',
    options: { threshold: 16 },
    make: dualPool,
  },
  threshold: {
    description: 'greedy; static data moves when wear differs by more than a threshold',
    options: { threshold: 16 },
    make: threshold,
  },
  random: {
    description: 'any block that has something to gain',
    options: {},
    make: random,
  },
};

/**
 * The policy of an experiment, counting what it chooses.
 * @param collected blocks chosen so far, by the list that they were on.
 * @throws ExperimentError there is no such policy, or it has no such option.
 */
export function makePolicy(
  spec: PolicySpec,
  module: unknown,
  context: Omit<PolicyContext, 'options'>,
  collected: Record<string, number>,
): WearPolicy {
  const make = factoryOf(spec, module);
  const options = { ...POLICIES[spec.name]?.options, ...spec.options };
  const makeOne = (): WearPolicy => make({ ...context, options });
  const inner = spec.name === 'module' ? guardedPolicy(guarded('it', makeOne)) : makeOne();
  const policy: WearPolicy = {
    find_gc_block(c) {
      const jeb = inner.find_gc_block(c);
      if (jeb?.list) {
        const name = jeb.list.name.replace(/_list$/, '');
        collected[name] = (collected[name] ?? 0) + 1;
      }
      return jeb;
    },
  };
  if (inner.find_free_block) policy.find_free_block = (c) => inner.find_free_block!(c);
  if (inner.save) policy.save = () => inner.save!();
  // Those of ours that lack it have nothing to keep.
  else if (spec.name !== 'module') policy.save = () => undefined;
  return policy;
}

/** Runs what a person wrote; an error of theirs comes with its place. @throws ExperimentError */
function guarded<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    // What the file system throws passes through it.
    if (error instanceof Errno || error instanceof KernelPanic) throw error;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    // What follows in the stack is ours.
    const theirs = text.replace(/\n +at [^\n]*[\\/]wearlab[\\/]policies\.[\s\S]*/, '');
    throw new ExperimentError(`policy.module: ${what} threw ${theirs}`);
  }
}

/** A person's policy, which answers what a policy may answer. */
function guardedPolicy(policy: WearPolicy): WearPolicy {
  const fail = (why: string): never => {
    throw new ExperimentError(`policy.module: ${why}`);
  };
  if (typeof policy?.find_gc_block !== 'function') {
    fail('its default export must return an object with a method find_gc_block(c)');
  }
  const ask = (
    name: 'find_gc_block' | 'find_free_block',
    c: jffs2_sb_info,
    lists: readonly EraseblockList[],
  ): jffs2_eraseblock | null => {
    const jeb: jffs2_eraseblock | null | undefined = guarded(name, () => policy[name]!(c));
    if (jeb === null || jeb === undefined) return null;
    if (!lists.includes(jeb.list!)) {
      const of = lists.map((list) => list.name).join(', ');
      fail(`${name} answered ${describe(jeb)}; it must be null or a block of ${of}`);
    }
    return jeb;
  };
  return {
    find_gc_block: (c) =>
      ask('find_gc_block', c, [...collectableLists(c).reverse(), c.bad_used_list]),
    ...(policy.find_free_block && {
      find_free_block: (c: jffs2_sb_info) => ask('find_free_block', c, [c.free_list]),
    }),
    ...(policy.save && { save: () => guarded('save', () => policy.save!()) }),
  };
}

function describe(answer: unknown): string {
  if (!(answer instanceof jffs2_eraseblock)) return `${typeof answer}, which is no erase block`;
  return `a block of ${answer.list?.name ?? 'no list'}`;
}

/**
 * What can be said of a policy before it runs.
 * @param module the default export of its module, if it names one
 * @throws ExperimentError see {@link makePolicy}
 */
export function checkPolicy(spec: PolicySpec, module: unknown): void {
  factoryOf(spec, module);
}

function factoryOf({ name, options }: PolicySpec, module: unknown): PolicyFactory {
  if (name === 'module') {
    if (typeof module !== 'function') {
      throw new ExperimentError(
        'policy.module: its default export must be a function that makes a policy',
      );
    }
    return module as PolicyFactory;
  }
  const known = POLICIES[name];
  if (!known) {
    const names = Object.keys(POLICIES).join(', ');
    throw new ExperimentError(`policy.name: there is no "${name}"; there are ${names}, module`);
  }
  for (const option of Object.keys(options)) {
    if (option in known.options) continue;
    const own = Object.keys(known.options);
    throw new ExperimentError(
      `policy.options: ${name} has no option "${option}"` +
        (own.length > 0 ? `; there are ${own.join(', ')}` : ', nor any other'),
    );
  }
  return known.make;
}
