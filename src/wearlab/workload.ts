/**
 * What is done to the file system: generators, each from its own seed, and traces. A step is what a
 * program would wait for: a write of `io` bytes, a rename, with the fsync that belongs to it.
 */
import type { file } from '../lump/fs.js';
import { Prng, type PrngState } from '../rumpuser/prng.js';
import type { Device } from './device.js';
import { ExperimentError, type WorkloadSpec } from './experiment.js';
import { Replay, type TraceOperation } from './replay.js';

export interface Workload {
  /** Makes the files that steps expect. @throws Errno */
  setup(): void;
  /** @returns false when there is nothing left to do, as at the end of a trace. @throws Errno */
  step(): boolean;
  /**
   * Plain data from which {@link resume} goes on; the files are closed by who asks. Null: it cannot
   * be left now.
   */
  save(): unknown;
  /** Instead of setup(): opens the files that another one had, and goes on where it was. */
  resume(saved: unknown): void;
}

/** Files of one size that are written to at random, each kept open. */
class WorkingSet {
  readonly #device: Device;
  readonly #spec: WorkloadSpec;
  readonly #prefix: string;
  readonly #files: file[] = [];

  constructor(device: Device, spec: WorkloadSpec, prefix: string) {
    this.#device = device;
    this.#spec = spec;
    this.#prefix = prefix;
  }

  setup(): void {
    for (let n = 0; n < this.#spec.files; n++) this.#files.push(this.#fresh(this.#name(n)));
  }

  resume(): void {
    for (let n = 0; n < this.#spec.files; n++) this.#files.push(this.#device.reopen(this.#name(n)));
  }

  #name(n: number): string {
    return `${this.#prefix}-${n}`;
  }

  /** A new file, whole. */
  #fresh(name: string): file {
    const { filesize, io } = this.#spec;
    const made = this.#device.create(name);
    for (let at = 0; at < filesize; at += io) {
      this.#device.write(made, at, Math.min(io, filesize - at));
    }
    return made;
  }

  /** Writes to file `n`: a piece of it, or all of it anew. @returns the file. */
  update(n: number, prng: Prng): file {
    const { filesize, io, replace } = this.#spec;
    if (!replace) {
      const pieces = Math.max(1, Math.floor(filesize / io));
      const old = this.#files[n]!;
      this.#device.write(old, prng.below(pieces) * io, Math.min(io, filesize));
      return old;
    }
    const temporary = `${this.#name(n)}.new`;
    const made = this.#fresh(temporary);
    this.#device.fsync(made);
    this.#device.rename(temporary, this.#name(n));
    this.#device.close(this.#files[n]!);
    this.#files[n] = made;
    return made;
  }
}

/** fsync after every so many steps. */
class Syncer {
  steps = 0;
  readonly #device: Device;
  readonly #every: number;

  constructor(device: Device, every: number) {
    this.#device = device;
    this.#every = every;
  }

  wrote(file: file): void {
    if (this.#every > 0 && ++this.steps % this.#every === 0) this.#device.fsync(file);
  }
}

/** Writes to files that are chosen by `choose`. */
function updates(
  device: Device,
  spec: WorkloadSpec,
  prefix: string,
  prng: Prng,
  choose: () => number,
): Workload {
  const set = new WorkingSet(device, spec, prefix);
  const syncer = new Syncer(device, spec.fsync_every);
  return {
    setup: () => set.setup(),
    step() {
      syncer.wrote(set.update(choose(), prng));
      return true;
    },
    save: () => syncer.steps,
    resume(saved) {
      set.resume();
      syncer.steps = saved as number;
    },
  };
}

function hotCold(spec: WorkloadSpec, prng: Prng): () => number {
  const hot = Math.min(spec.files, Math.max(1, Math.round(spec.files * spec.hot_files)));
  const threshold = spec.hot_writes * 2 ** 32;
  return () =>
    prng.u32() < threshold || hot === spec.files
      ? prng.below(hot)
      : hot + prng.below(spec.files - hot);
}

/** File n is chosen with a probability that goes with 1 / (n + 1)^exponent. */
function zipf(spec: WorkloadSpec, prng: Prng): () => number {
  const sums = new Float64Array(spec.files);
  let sum = 0;
  for (let n = 0; n < spec.files; n++) {
    sum += (n + 1) ** -spec.exponent;
    sums[n] = sum;
  }
  return () => {
    const at = (prng.u32() / 2 ** 32) * sum;
    let low = 0;
    let high = spec.files - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Records at the end of a log, which begins anew at `filesize`; `keep` old ones are kept. */
function logs(device: Device, spec: WorkloadSpec, prefix: string): Workload {
  const { io, filesize, keep, fsync_every } = spec;
  const syncer = new Syncer(device, fsync_every);
  const rotates = spec.type === 'rotate';
  let log: file;
  let size = 0;
  let old = 0;
  return {
    setup() {
      log = device.create(prefix);
    },
    step() {
      if (size + io > Math.max(io, filesize)) {
        device.close(log);
        if (rotates && keep > 0) {
          if (old === keep) device.unlink(`${prefix}.${keep}`);
          else old++;
          for (let n = old; n > 1; n--) device.rename(`${prefix}.${n - 1}`, `${prefix}.${n}`);
          device.rename(prefix, `${prefix}.1`);
        } else {
          device.unlink(prefix);
        }
        log = device.create(prefix);
        size = 0;
      }
      device.write(log, size, io);
      size += io;
      syncer.wrote(log);
      return true;
    },
    save: () => ({ size, old, isOpen: device.isOpen(log), steps: syncer.steps }),
    resume(saved) {
      const state = saved as { size: number; old: number; isOpen: boolean; steps: number };
      ({ size, old, steps: syncer.steps } = state);
      if (state.isOpen) log = device.reopen(prefix);
    },
  };
}

/** New files come, and old ones go, the number of them staying the same. */
function copyDelete(device: Device, spec: WorkloadSpec, prefix: string, prng: Prng): Workload {
  const { files, filesize, io, fsync_every } = spec;
  const names: string[] = [];
  const syncer = new Syncer(device, fsync_every);
  let made = 0;
  let current: file | null = null;
  let written = 0;
  const piece = (): void => {
    if (!current) {
      const name = `${prefix}-${made++}`;
      current = device.create(name);
      names.push(name);
      written = 0;
    }
    const length = Math.min(io, filesize - written);
    device.write(current, written, length);
    written += length;
    syncer.wrote(current);
    if (written < filesize) return;
    device.close(current);
    current = null;
  };
  return {
    setup() {
      while (made < files || current) piece();
    },
    step() {
      if (!current && names.length >= files) {
        device.unlink(names.splice(prng.below(names.length), 1)[0]!);
      }
      piece();
      return true;
    },
    save: () => ({ names, made, written, isOpen: current !== null, steps: syncer.steps }),
    resume(saved) {
      const state = saved as {
        names: string[];
        made: number;
        written: number;
        isOpen: boolean;
        steps: number;
      };
      names.push(...state.names);
      ({ made, written, steps: syncer.steps } = state);
      if (state.isOpen) current = device.reopen(names.at(-1)!);
    },
  };
}

/**
 * The workload of a specification.
 * @param prefix of its files' names.
 * @throws ExperimentError its trace was not given.
 */
export function makeWorkload(
  device: Device,
  spec: WorkloadSpec,
  prefix: string,
  seed: number,
  traces: ReadonlyMap<string, readonly TraceOperation[]>,
): Workload {
  const prng = new Prng(seed);
  const workload = workloadOf(device, spec, prefix, prng, traces);
  return {
    setup: () => workload.setup(),
    step: () => workload.step(),
    save() {
      const own = workload.save();
      return own === null ? null : { chance: prng.state, own };
    },
    resume(saved) {
      const { chance, own } = saved as { chance: PrngState; own: unknown };
      prng.state = chance;
      workload.resume(own);
    },
  };
}

function workloadOf(
  device: Device,
  spec: WorkloadSpec,
  prefix: string,
  prng: Prng,
  traces: ReadonlyMap<string, readonly TraceOperation[]>,
): Workload {
  switch (spec.type) {
    case 'overwrite':
      return updates(device, spec, prefix, prng, () => prng.below(spec.files));
    case 'hot_cold':
      return updates(device, spec, prefix, prng, hotCold(spec, prng));
    case 'zipf':
      return updates(device, spec, prefix, prng, zipf(spec, prng));
    case 'append_log':
    case 'rotate':
      return logs(device, spec, prefix);
    case 'copy_delete':
      return copyDelete(device, spec, prefix, prng);
    case 'trace': {
      const operations = traces.get(spec.trace);
      if (!operations) throw new ExperimentError(`the trace ${spec.trace} was not given`);
      return new Replay(device, operations);
    }
  }
}
