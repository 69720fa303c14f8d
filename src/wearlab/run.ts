/** One run: an experiment, a seed, and what came of it. */
import type { jffs2_eraseblock } from '../jffs2/nodelist.js';
import { BUG_ON, KernelPanic } from '../lump/bug.js';
import { Errno } from '../lump/errno.js';
import { PortableZlib } from '../rumpuser/portable_zlib.js';
import { Prng, type PrngState } from '../rumpuser/prng.js';
import type { HostCodecs } from '../rumpuser/rumpuser.js';
import { TimeHistogram } from './accounts.js';
import { Device, type SavedDevice } from './device.js';
import { type Experiment, ExperimentError, sentenceOf, type StopSpec } from './experiment.js';
import { Payload } from './payload.js';
import { collectableLists, makePolicy, type WearPolicy } from './policies.js';
import {
  type BadBlockEvent,
  type EndRecord,
  type HeaderRecord,
  type Histogram,
  PROGRAM_CAUSES,
  type ProgrammedBytes,
  RESULT_VERSION,
  type SampleRecord,
  type StopReason,
  US_A_DAY,
} from './result.js';
import type { TraceOperation } from './replay.js';
import { makeWorkload, type Workload } from './workload.js';

/** Where a run tells how it goes. */
export interface RunOptions {
  /** Of the program, for the header. */
  readonly program?: string;
  /** Called once, before the workload begins. */
  readonly onHeader?: (header: HeaderRecord) => void;
  /** Called with each sample, as it is taken. */
  readonly onSample?: (sample: SampleRecord) => void;
  /** Some times a second: 0 … 1, and the chip's erases so far. */
  readonly onProgress?: (progress: number, erases: number) => void;
  /** Ends the run early, with reason 'interrupted'. Looked at between operations. */
  readonly signal?: { readonly aborted: boolean };
  /** What the experiment's `policy.module` exports as default; loading it is the caller's. */
  readonly policyModule?: unknown;
  /** The host's CRC-32: runs of full fidelity take less time with it. */
  readonly crc32?: HostCodecs['crc32'];
  /** The experiment's traces, by the name that the workload gives. */
  readonly traces?: ReadonlyMap<string, readonly TraceOperation[]>;
  /**
   * Called at each checkpoint of the experiment, with data that can be cloned: from it the same run
   * goes on as `from`.
   */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
  /** Goes on from there; the header, and samples that were taken before, are not told again. */
  readonly from?: Checkpoint;
}

/** A run between two of its operations, as plain data. */
export interface Checkpoint {
  readonly progress: number;
  /** Of the chip, since the workload began. */
  readonly erases: number;
  /** The run itself. */
  readonly state: unknown;
}

interface SavedRun {
  readonly device: SavedDevice;
  readonly workloads: readonly unknown[];
  readonly turns: PrngState;
  readonly policy: unknown;
  readonly collected: Readonly<Record<string, number>>;
  readonly latency: Histogram;
  readonly badBlockEvents: readonly BadBlockEvent[];
  readonly badBlocks: number;
  readonly operations: number;
  readonly samplesTaken: number;
  readonly refusals: number;
  readonly base: Base;
}

/** As it was when the workload began. */
interface Base {
  readonly us: number;
  readonly bytes: number;
  readonly host: number;
  readonly erases: readonly number[];
  readonly eraseTotal: number;
  readonly programmed: ProgrammedBytes;
}

/** Operations between two looks at progress and signal. */
const LOOK_EVERY = 1024;
/** Operations in a row that the file system refuses, after which it is worn out. */
const REFUSALS_MAX = 64;
/** Of progress that says nothing about the end. */
const NEARLY = 0.999;
const COLD_PREFIX = 'cold';

/**
 * Runs to the end; synchronous, so a worker of its own is the place to call it.
 * @throws ExperimentError what only running shows: static data that does not fit, no such policy.
 * @throws KernelPanic the accounts do not agree: a mistake of ours, and no result is to be trusted.
 */
export function runExperiment(
  experiment: Experiment,
  seed: number,
  options: RunOptions = {},
): EndRecord {
  try {
    return runToEnd(experiment, seed, options);
  } catch (error) {
    // A person's policy has failed in the collector's thread, which that panics.
    const isPolicy = error instanceof KernelPanic && error.cause instanceof ExperimentError;
    throw isPolicy ? error.cause : error;
  }
}

function runToEnd(experiment: Experiment, seed: number, options: RunOptions): EndRecord {
  const payload = new Payload(experiment.data, new PortableZlib(), seed);
  const goOn = (from?: Checkpoint): Run =>
    new Run(experiment, seed, options, payload, from?.state as SavedRun | undefined);
  let run = goOn(options.from);
  if (!options.from) run.begin();
  for (;;) {
    const end = run.run();
    if ('reason' in end) return end;
    options.onCheckpoint?.(end);
    // Also who is not interrupted goes on from what was saved: so both go on the same way.
    run = goOn(end);
  }
}

/** Workloads take turns by weight. */
interface Turn {
  readonly workload: Workload;
  readonly weight: number;
  readonly pauseMs: number;
}

class Run {
  readonly #experiment: Experiment;
  readonly #seed: number;
  readonly #options: RunOptions;
  readonly #device: Device;
  readonly #policy: WearPolicy;
  readonly #collected: Record<string, number>;
  readonly #turns: Turn[];
  /** Their sum. */
  readonly #weights: number;
  /** Whose turn it is. */
  readonly #chance: Prng;
  readonly #latency: TimeHistogram;
  readonly #badBlockEvents: BadBlockEvent[];
  #operations: number;
  #badBlocks: number;
  #samplesTaken: number;
  #refusals: number;
  #base: Base;

  constructor(
    experiment: Experiment,
    seed: number,
    options: RunOptions,
    payload: Payload,
    saved?: SavedRun,
  ) {
    this.#experiment = experiment;
    this.#seed = seed;
    this.#options = options;
    try {
      this.#device = new Device(experiment, seed, payload, saved?.device, options.crc32);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      throw new ExperimentError(`${experiment.name}: ${sentenceOf(error)}`);
    }
    const { c, chip } = this.#device;
    const { erasesize } = chip;
    const lists = collectableLists(c);
    this.#collected = { ...saved?.collected };
    this.#policy = makePolicy(
      experiment.policy,
      options.policyModule,
      {
        c,
        seed,
        saved: saved?.policy,
        nowMs: () => this.#device.deviceUs / 1000,
        indexOf: (jeb) => jeb.offset / erasesize,
        erases: (jeb) => chip.wear.eraseCount[jeb.offset / erasesize]!,
        *collectable(): Iterable<jffs2_eraseblock> {
          for (const list of lists) yield* list;
        },
      },
      this.#collected,
    );
    c.policy = this.#policy;
    const prng = new Prng(seed);
    this.#turns = experiment.workload.map((spec, n) => ({
      workload: makeWorkload(
        this.#device,
        spec,
        `${spec.type}${n}`,
        prng.u32(),
        options.traces ?? new Map(),
      ),
      weight: spec.weight,
      pauseMs: spec.pause_ms,
    }));
    this.#weights = this.#turns.reduce((total, { weight }) => total + weight, 0);
    this.#chance = new Prng(seed ^ 0x7475726e);
    this.#latency = new TimeHistogram(saved?.latency);
    this.#badBlockEvents = [...(saved?.badBlockEvents ?? [])];
    this.#badBlocks = saved?.badBlocks ?? 0;
    this.#operations = saved?.operations ?? 0;
    this.#samplesTaken = saved?.samplesTaken ?? 0;
    this.#refusals = saved?.refusals ?? 0;
    this.#base = saved?.base ?? this.#here();
    if (!saved) return;
    this.#chance.state = saved.turns;
    for (const [n, { workload }] of this.#turns.entries()) workload.resume(saved.workloads[n]);
    this.#device.wake();
  }

  #here(): Base {
    const { chip, deviceUs, hostBytes, erases, accounts } = this.#device;
    return {
      us: deviceUs,
      bytes: chip.wear.bytesProgrammed,
      host: hostBytes,
      erases: Array.from(chip.wear.eraseCount),
      eraseTotal: erases,
      programmed: { ...accounts.total },
    };
  }

  /** Until the end, or the next checkpoint. */
  run(): EndRecord | Checkpoint {
    const stopped = this.#loop();
    if ('state' in stopped) return stopped;
    const { reason, message } = stopped;
    this.#settle();
    const sample = this.#sample(1);
    const { hostBytes, chipBytes } = sample;
    return {
      ...sample,
      type: 'end',
      reason,
      message,
      badBlockEvents: this.#badBlockEvents,
      writeAmplification: hostBytes === 0 ? null : chipBytes / hostBytes,
    };
  }

  /** Static data, and the files that the workloads expect. */
  begin(): void {
    const device = this.#device;
    const { fill, chip, name } = this.#experiment;
    try {
      const bytes = Math.floor(fill.static * chip.size);
      for (let done = 0, n = 0; done < bytes; done += fill.filesize, n++) {
        const file = device.create(`${COLD_PREFIX}-${n}`);
        device.write(file, 0, Math.min(fill.filesize, bytes - done));
        device.close(file);
        device.runDue();
      }
      for (const { workload } of this.#turns) {
        workload.setup();
        device.runDue();
      }
      device.sync();
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      throw new ExperimentError(
        `${name}: static data (fill.static) and the workload's files do not fit a chip of ` +
          `${chip.size} bytes: ${error.message}`,
      );
    }
    device.settle();
    this.#base = this.#here();
    for (const list of Object.keys(this.#collected)) delete this.#collected[list];
    this.#options.onHeader?.(this.#header());
  }

  #header(): HeaderRecord {
    const { chip, endurance } = this.#device;
    const { fidelity, clock, policy } = this.#experiment;
    return {
      type: 'header',
      format: 'lump-wear',
      version: RESULT_VERSION,
      program: this.#options.program ?? 'lump',
      experiment: this.#experiment,
      seed: this.#seed,
      fidelity,
      clock: { model: clock.model, hz: clock.hz },
      policy: policy.name === 'module' ? policy.module : policy.name,
      blocks: chip.size / chip.erasesize,
      limits: endurance ? Array.from(endurance.limits) : null,
      erasesBefore: this.#base.erases,
    };
  }

  #loop(): { reason: StopReason; message: string } | Checkpoint {
    const device = this.#device;
    const { onProgress, onSample, signal } = this.#options;
    const { samples, checkpoint } = this.#experiment;
    const limits = this.#limits();
    const every = this.#policy.save && checkpoint.erases !== null ? checkpoint.erases : Infinity;
    let checkpointAt = (Math.floor(this.#erases / every) + 1) * every;
    for (;;) {
      const turn = this.#next();
      const startUs = device.deviceUs;
      try {
        if (!turn.workload.step()) return { reason: 'trace_end', message: '' };
        this.#refusals = 0;
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        if (++this.#refusals === REFUSALS_MAX) {
          return { reason: 'worn_out', message: error.message };
        }
      }
      this.#latency.add(device.deviceUs - startUs);
      this.#operations++;
      device.runDue();
      if (turn.pauseMs > 0) device.pause(turn.pauseMs);
      this.#noteBadBlocks();

      let progress = 0;
      for (const { reason, used } of limits) {
        const share = used();
        if (share >= 1) return { reason, message: '' };
        if (share > progress) progress = share;
      }
      if (progress * samples >= this.#samplesTaken + 1) {
        this.#samplesTaken = Math.floor(progress * samples);
        onSample?.(this.#sample(progress));
      }
      if (this.#operations % LOOK_EVERY === 0) {
        onProgress?.(progress, this.#erases);
        if (signal?.aborted) return { reason: 'interrupted', message: '' };
      }
      if (this.#erases >= checkpointAt) {
        const reached = this.#checkpoint(progress);
        if (reached) return reached;
        checkpointAt += every;
      }
    }
  }

  /** @returns null where it cannot be left now: its chip fails, or a workload says so. */
  #checkpoint(progress: number): Checkpoint | null {
    const workloads = this.#turns.map(({ workload }) => workload.save());
    if (workloads.includes(null)) return null;
    const device = this.#device.suspend();
    if (device === null) return null;
    const state: SavedRun = {
      device,
      workloads,
      turns: this.#chance.state,
      policy: this.#policy.save!(),
      collected: this.#collected,
      latency: this.#latency.toArray(),
      badBlockEvents: this.#badBlockEvents,
      badBlocks: this.#badBlocks,
      operations: this.#operations,
      samplesTaken: this.#samplesTaken,
      refusals: this.#refusals,
      base: this.#base,
    };
    return { progress, erases: this.#erases, state };
  }

  /** Which workload is next: drawn by weight, or the only one. */
  #next(): Turn {
    const turns = this.#turns;
    if (turns.length === 1) return turns[0]!;
    let at = (this.#chance.u32() / 2 ** 32) * this.#weights;
    for (const turn of turns) {
      at -= turn.weight;
      if (at < 0) return turn;
    }
    return turns[turns.length - 1]!;
  }

  get #erases(): number {
    return this.#device.erases - this.#base.eraseTotal;
  }

  #noteBadBlocks(): void {
    const { c, chip, hostBytes } = this.#device;
    if (c.bad_list.length === this.#badBlocks) return;
    const known = new Set(this.#badBlockEvents.map(({ block }) => block));
    for (const jeb of c.bad_list) {
      const block = jeb.offset / chip.erasesize;
      if (known.has(block)) continue;
      this.#badBlockEvents.push({
        block,
        erases: chip.wear.eraseCount[block]!,
        deviceUs: Math.round(this.#device.deviceUs - this.#base.us),
        hostBytes: hostBytes - this.#base.host,
      });
    }
    this.#badBlocks = c.bad_list.length;
  }

  /** The limits that the experiment gives, and how much of each is used up. */
  #limits(): readonly { readonly reason: StopReason; readonly used: () => number }[] {
    const device = this.#device;
    const { c } = device;
    const values: Record<keyof StopSpec, () => number> = {
      host_bytes: () => device.hostBytes - this.#base.host,
      operations: () => this.#operations,
      erases: () => this.#erases,
      device_days: () => (device.deviceUs - this.#base.us) / US_A_DAY,
      bad_blocks: () => this.#badBlocks,
      bad_share: () => this.#badBlocks / c.nr_blocks,
    };
    const limits: { reason: StopReason; used: () => number }[] = [];
    for (const reason of Object.keys(values) as (keyof StopSpec)[]) {
      const limit = this.#experiment.stop[reason];
      if (limit === null) continue;
      const value = values[reason];
      limits.push({ reason, used: () => (limit === 0 ? 1 : value() / limit) });
    }
    const { endurance } = device;
    if (endurance) {
      // What a chip that wears evenly would have left; it does not end before it does.
      const all = endurance.limits.reduce((sum, limit) => sum + limit, 0);
      const before = this.#base.eraseTotal;
      limits.push({
        reason: 'worn_out',
        used: () => Math.min((this.#erases + before) / all, NEARLY),
      });
    }
    return limits;
  }

  /** What is in the write buffer goes to the chip, so that all that was written is counted. */
  #settle(): void {
    try {
      this.#device.sync();
    } catch (error) {
      // A chip that is worn out; what it did not take is not counted either.
      if (!(error instanceof Errno)) throw error;
    }
  }

  /** @throws KernelPanic the sums do not agree. */
  #sample(progress: number): SampleRecord {
    const device = this.#device;
    const { chip, c, accounts, endurance } = device;
    const erases = this.#base.erases.map((before, eb) => chip.wear.eraseCount[eb]! - before);
    const programmed = { ...accounts.total };
    for (const cause of PROGRAM_CAUSES) programmed[cause] -= this.#base.programmed[cause];
    const chipBytes = chip.wear.bytesProgrammed - this.#base.bytes;
    const sum = PROGRAM_CAUSES.reduce((total, cause) => total + programmed[cause], 0);
    BUG_ON(sum !== chipBytes, `${sum} bytes by cause, but the chip programmed ${chipBytes}`);
    const chipErases = this.#erases;
    const erased = erases.reduce((total, count) => total + count, 0);
    BUG_ON(erased !== chipErases, `${erased} erases of blocks, but ${chipErases} of the chip`);
    return {
      type: 'sample',
      progress: Math.min(1, progress),
      deviceUs: Math.round(device.deviceUs - this.#base.us),
      operations: this.#operations,
      hostBytes: device.hostBytes - this.#base.host,
      erases,
      chipErases,
      chipBytes,
      programmed,
      gcForeground: accounts.foreground.toArray(),
      gcBackground: accounts.background.toArray(),
      operationLatency: this.#latency.toArray(),
      collected: { ...this.#collected },
      badBlocks: this.#badBlocks,
      fill: c.used_size / c.flash_size,
      uncorrectable: endurance?.uncorrectable ?? 0,
    };
  }
}
