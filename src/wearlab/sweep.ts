/**
 * A sweep: every combination of the values that an experiment lists, with every seed, each a job of
 * its own. A job is an experiment that can be run anywhere by itself, and what comes of it does not
 * depend on the others; so the jobs may go to as many processors or machines as there are.
 */
import { checkExperiment, ExperimentError, type Experiment } from './experiment.js';

export interface Job {
  /** Name for files, unique in its sweep: the experiment's, the values, the seed. */
  readonly id: string;
  /** With one seed and nothing to sweep. */
  readonly experiment: Experiment;
  readonly seed: number;
}

/** A sweep of more is a mistake, or wants to be divided. */
const JOBS_MAX = 100_000;
const ID_LENGTH_MAX = 160;

/**
 * In the order of the lists, the last one turning fastest, the seeds fastest of all.
 * @throws ExperimentError a path that leads nowhere, a value that is not allowed there
 */
export function sweepJobs(experiment: Experiment): Job[] {
  const axes = Object.entries(experiment.sweep);
  const { name, seeds } = experiment;
  const count = axes.reduce((product, [, values]) => product * values.length, seeds.length);
  if (count > JOBS_MAX) {
    throw new ExperimentError(
      `${name}: sweep: ${count} runs; at most ${JOBS_MAX} are made at once`,
    );
  }
  const jobs: Job[] = [];
  const ids = new Set<string>();
  for (const values of combinations(axes.map(([, list]) => list))) {
    const changed = structuredClone({ ...experiment, sweep: {} }) as unknown as Tree;
    for (const [n, [path]] of axes.entries()) setField(changed, path, values[n], name);
    for (const seed of seeds) {
      const one = checkExperiment({ ...changed, seeds: [seed] }, name);
      const parts = [name, ...values.map(slug), `s${seed}`];
      const id = unique(parts.filter((part) => part !== '').join('-'), ids);
      jobs.push({ id, experiment: one, seed });
    }
  }
  return jobs;
}

type Tree = Record<string, unknown>;

function* combinations(lists: readonly (readonly unknown[])[]): Generator<unknown[]> {
  const [first, ...rest] = lists;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const value of first) for (const others of combinations(rest)) yield [value, ...others];
}

function setField(tree: Tree, path: string, value: unknown, name: string): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let at: unknown = tree;
  for (const key of keys) at = own(at, key);
  // Options of a policy are not filled in, so that the field itself may be new; the schema decides.
  if (typeof at !== 'object' || at === null || (Array.isArray(at) && own(at, last) === undefined)) {
    throw new ExperimentError(
      `${name}: sweep: there is no field ${path}; a path is, say, policy.name or workload.0.io`,
    );
  }
  if (path === 'seeds' || path === 'sweep' || last === '__proto__') {
    throw new ExperimentError(`${name}: sweep: ${path} cannot be swept; list seeds under "seeds"`);
  }
  (at as Tree)[last] = value;
}

const own = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Tree)[key]
    : undefined;

/** "0.6", "cost-benefit", "64KiB"; of an object its name, or nothing. */
function slug(value: unknown): string {
  const text =
    typeof value === 'object' && value !== null
      ? String((value as Tree).name ?? '')
      : String(value);
  return text.replace(/[^\w.+-]+/g, '');
}

function unique(wanted: string, taken: Set<string>): string {
  const base = wanted.slice(0, ID_LENGTH_MAX);
  let id = base;
  for (let n = 2; taken.has(id); n++) id = `${base}-${n}`;
  taken.add(id);
  return id;
}
