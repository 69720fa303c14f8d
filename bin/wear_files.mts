/** Files of results: reading them, and those of a sweep, which another command goes on with. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  isFinished,
  mergeRuns,
  parseResults,
  ResultError,
  runKey,
  type Run,
} from '../src/wearlab/run_results.js';
import type { Job } from '../src/wearlab/sweep.js';
import { removeCheckpoint } from './wear_checkpoint.mjs';

const ENDING = '.jsonl';
/** Of a run that is going on, or was interrupted. */
const PART = `${ENDING}.part`;
const CHECKPOINT = '.checkpoint';

/** Where the checkpoint of a job is that goes to a file, which others may share. */
export const checkpointBeside = (file: string, { id }: Job): string => `${file}.${id}${CHECKPOINT}`;

/**
 * Every run once.
 * @param names files, or folders of *.jsonl and of what interrupted runs left there
 * @throws ResultError
 */
export function readResults(names: readonly string[]): Run[] {
  const files = names.flatMap((name) => {
    if (!isFolder(name)) return [name];
    const inside = readdirSync(name)
      .filter((file) => file.endsWith(ENDING) || file.endsWith(PART))
      .sort();
    if (inside.length === 0)
      throw new ResultError(`${name}: there is no *${ENDING} in this folder`);
    return inside.map((file) => join(name, file));
  });
  return mergeRuns(files.flatMap((file) => parseResults(read(file), file)));
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Not a device, nor a pipe. */
export const isPlainFile = (name: string): boolean =>
  statSync(name, { throwIfNoEntry: false })?.isFile() === true;

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ResultError(refusal(error, file));
  }
}

/** What the host refuses most often, in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EISDIR: 'is a folder',
  ENOTDIR: 'is in no folder',
  ENOSPC: 'no space left on device',
  EROFS: 'its file system is read-only',
};

/** Which file, and why not. @param file if the error does not say */
export function refusal(error: unknown, file = ''): string {
  const { code = '', path = file, message } = error as NodeJS.ErrnoException;
  const words = REFUSALS[code];
  if (words !== undefined && path !== '') return `${path}: ${words}`;
  return file === '' ? message : `${file}: ${message}`;
}

/** What a run of this experiment and seed, as a job has them, is known by. */
const keyOf = ({ experiment, seed }: Job): string =>
  runKey({ experiment, seed, fidelity: experiment.fidelity });

/**
 * The runs of `jobs` that `file` already has, finished, by the jobs' keys.
 * @throws ResultError the file holds anything else: it is not ours to overwrite
 */
export function finishedRuns(file: string, jobs: readonly Job[]): Map<Job, Run> {
  const finished = new Map<Job, Run>();
  if (!existsSync(file)) return finished;
  const text = read(file);
  if (text.trim() === '') return finished;
  const byKey = new Map(jobs.map((job) => [keyOf(job), job]));
  for (const run of ownRuns(text, file)) {
    const job = byKey.get(runKey(run.header));
    if (job === undefined) {
      const { experiment, seed } = run.header;
      throw new ResultError(
        `${file}: has a run of another experiment (${experiment.name}, seed ${seed}); ` +
          'choose another name, or remove it',
      );
    }
    if (isFinished(run)) finished.set(job, run);
  }
  return finished;
}

/** @throws ResultError it would be overwritten, and is no file of results */
function ownRuns(text: string, file: string): Run[] {
  try {
    return parseResults(text, file);
  } catch (error) {
    throw new ResultError(
      `${(error as Error).message}; results are not written there: choose another name, or remove it`,
    );
  }
}

/** A folder with a file for each job; whole ones have a name of their own. */
export class SweepFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    if (existsSync(path) && !isFolder(path)) {
      throw new ResultError(`${path}: is no folder; a sweep writes a folder of results`);
    }
    mkdirSync(path, { recursive: true });
  }

  file({ id }: Job): string {
    return join(this.path, id + ENDING);
  }

  private part({ id }: Job): string {
    return join(this.path, id + PART);
  }

  checkpoint({ id }: Job): string {
    return join(this.path, id + CHECKPOINT);
  }

  /** @throws ResultError see {@link finishedRuns} */
  isFinished(job: Job): boolean {
    return finishedRuns(this.file(job), [job]).size > 0;
  }

  begin(job: Job, line: string): void {
    writeFileSync(this.part(job), `${line}\n`);
  }

  add(job: Job, line: string): void {
    appendFileSync(this.part(job), `${line}\n`);
  }

  finish(job: Job): void {
    renameSync(this.part(job), this.file(job));
    removeCheckpoint(this.checkpoint(job));
  }
}
