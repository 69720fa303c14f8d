/** Finding and reading experiments, and what they name: the user's policies. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Experiment, ExperimentError, parseExperiment } from '../src/wearlab/experiment.js';

/** Those that come along. */
const FOLDER = fileURLToPath(new URL('../../wear-experiments/', import.meta.url));
const ENDINGS = ['.yaml', '.yml', '.json'];

export interface LoadedExperiment {
  readonly experiment: Experiment;
  /** The default export of its policy's module, if it names one. */
  readonly policyModule: unknown;
}

const nameOf = (file: string): string => basename(file, extname(file));

/** Files of the experiments that come along, by name. */
export function shippedExperiments(): Map<string, string> {
  const files = readdirSync(FOLDER).filter((file) => ENDINGS.includes(extname(file)));
  return new Map(files.sort().map((file) => [nameOf(file), resolve(FOLDER, file)]));
}

/**
 * @param name a file, or the name of one that comes along.
 * @throws ExperimentError
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
  return { experiment, policyModule: await loadPolicy(experiment, dirname(file)) };
}

async function loadPolicy({ policy, name }: Experiment, folder: string): Promise<unknown> {
  if (policy.name !== 'module') return undefined;
  const file = resolve(folder, policy.module);
  try {
    return ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  } catch (error) {
    throw new ExperimentError(`${name}: policy.module: ${(error as Error).message}`);
  }
}
