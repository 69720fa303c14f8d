/** Finding and reading experiments, and what they name: the user's policies, traces. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { standardInput } from '../src/fs-utils/host_process.js';
import { type Experiment, ExperimentError, parseExperiment } from '../src/wearlab/experiment.js';
import { checkPolicy } from '../src/wearlab/policies.js';
import { parseTrace } from '../src/wearlab/trace_files.js';
import type { TraceOperation } from '../src/wearlab/replay.js';
import { refusal } from './wear_files.mjs';

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

const RESULTS = /^\{"type":"header","format":"lump-wear"/;

/** Standard input, instead of a file. */
const STDIN = '-';

/**
 * @param name a file, the name of one that comes along, or "-"; undefined: `changes` say it all
 * @param changes see {@link parseExperiment}
 * @throws ExperimentError
 */
export function loadExperiment(
  name: string | undefined,
  changes: readonly string[] = [],
): LoadedExperiment {
  if (name === undefined) {
    if (changes.length === 0) {
      throw new ExperimentError(
        'which experiment? A file, a name that "wear_lab list" shows, or -',
      );
    }
    return { experiment: parseExperiment('', 'experiment', changes), folder: resolve('.') };
  }
  const isInput = name === STDIN;
  const file = shippedExperiments().get(name) ?? name;
  let text: string;
  try {
    text = isInput
      ? Buffer.concat(Array.from(standardInput(), (piece) => Buffer.from(piece))).toString('utf8')
      : readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isName = code === 'ENOENT' && !name.includes('/') && extname(name) === '';
    const hint = isName ? ', nor an experiment that comes along; "wear_lab list" shows those' : '';
    throw new ExperimentError(`${refusal(error, name)}${hint}`);
  }
  if (RESULTS.test(text)) {
    throw new ExperimentError(
      `${name}: has results, and no experiment; "wear_lab report" shows it`,
    );
  }
  const experiment = parseExperiment(text, isInput ? 'stdin' : nameOf(file), changes);
  return { experiment, folder: isInput ? resolve('.') : dirname(resolve(file)) };
}

/**
 * Reads all that experiments name, policies and traces, before anything is run.
 * @throws ExperimentError, TraceError
 */
export async function checkNamedFiles(
  experiments: Iterable<Experiment>,
  folder: string,
): Promise<void> {
  const known = new Set<string>();
  for (const experiment of experiments) {
    const { policy, workload, name } = experiment;
    const key = JSON.stringify([policy, workload.map(({ type, trace }) => [type, trace])]);
    if (known.has(key)) continue;
    known.add(key);
    try {
      checkPolicy(policy, await loadPolicy(experiment, folder));
    } catch (error) {
      if (!(error instanceof ExperimentError)) throw error;
      const isNamed = error.message.startsWith(`${name}: `);
      throw isNamed ? error : new ExperimentError(`${name}: ${error.message}`);
    }
    parseTraces(readTraces(experiment, folder));
  }
}

/** The default export of its policy's module, if it names one. @throws ExperimentError */
export async function loadPolicy({ policy, name }: Experiment, folder: string): Promise<unknown> {
  if (policy.name !== 'module') return undefined;
  const file = resolve(folder, policy.module);
  try {
    return ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  } catch (error) {
    throw new ExperimentError(`${name}: policy.module: ${importRefusal(error as Error, file)}`);
  }
}

/** Why a module cannot be had: of a mistake in it, with the place. */
function importRefusal({ name, message, stack = message }: Error, file: string): string {
  const isMissing = message.startsWith('Cannot find');
  if (isMissing) return message.replace(/ imported from .*/s, '');
  if (name === 'SyntaxError') return `${file}: ${message}; "node --check ${file}" shows where`;
  return stack.replace(/\n +at .*(node:internal|wear_experiments)[\s\S]*/, '');
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
      throw new ExperimentError(`${name}: workload.${n}.trace: ${refusal(error, trace)}`);
    }
  }
  return texts;
}

/** By the same names. @throws TraceError */
export const parseTraces = (
  texts: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly TraceOperation[]> =>
  new Map([...texts].map(([name, text]) => [name, parseTrace(text, name)]));
