/** Finding and reading experiments, and what they name: the user's policies, traces. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Experiment, ExperimentError, parseExperiment } from '../src/wearlab/experiment.js';
import { parseTrace } from '../src/wearlab/trace_files.js';
import type { TraceOperation } from '../src/wearlab/replay.js';

/** Those that come along. */
const FOLDER = fileURLToPath(new URL('../../wear-experiments/', import.meta.url));
const ENDINGS = ['.yaml', '.yml', '.json'];

export interface LoadedExperiment {
  readonly experiment: Experiment;
  /** Of its file: what it names is relative to it. */
  readonly folder: string;
}

const nameOf = (file: string): string => basename(file, extname(file));

/** Files of the experiments that come along, by name. */
export function shippedExperiments(): Map<string, string> {
  const files = readdirSync(FOLDER).filter((file) => ENDINGS.includes(extname(file)));
  return new Map(files.sort().map((file) => [nameOf(file), resolve(FOLDER, file)]));
}

/**
 * @param name a file, or the name of one that comes along.
 * @throws ExperimentError, also when its policy or its traces cannot be read; TraceError
 */
export async function loadExperiment(name: string): Promise<LoadedExperiment> {
  const file = shippedExperiments().get(name) ?? name;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const hint = name.includes('/') || extname(name) !== '' ? '' : '; "wear_lab list" shows names';
    throw new ExperimentError(`${name}: ${(error as Error).message}${hint}`);
  }
  const experiment = parseExperiment(text, nameOf(file));
  const folder = dirname(resolve(file));
  await loadPolicy(experiment, folder);
  parseTraces(readTraces(experiment, folder));
  return { experiment, folder };
}

/** The default export of its policy's module, if it names one. @throws ExperimentError */
export async function loadPolicy({ policy, name }: Experiment, folder: string): Promise<unknown> {
  if (policy.name !== 'module') return undefined;
  const file = resolve(folder, policy.module);
  try {
    return ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  } catch (error) {
    throw new ExperimentError(`${name}: policy.module: ${(error as Error).message}`);
  }
}

/** The text of a policy's module; null: the experiment has none of its own. */
export const readPolicy = ({ policy }: Experiment, folder: string): string | null =>
  policy.name === 'module' ? readFileSync(resolve(folder, policy.module), 'utf8') : null;

/** Their text, by the name that the experiment gives. @throws ExperimentError */
export function readTraces({ workload, name }: Experiment, folder: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [n, { type, trace }] of workload.entries()) {
    if (type !== 'trace' || texts.has(trace)) continue;
    try {
      texts.set(trace, readFileSync(resolve(folder, trace), 'utf8'));
    } catch (error) {
      throw new ExperimentError(`${name}: workload.${n}.trace: ${(error as Error).message}`);
    }
  }
  return texts;
}

/** By the same names. @throws TraceError */
export const parseTraces = (
  texts: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly TraceOperation[]> =>
  new Map([...texts].map(([name, text]) => [name, parseTrace(text, name)]));
