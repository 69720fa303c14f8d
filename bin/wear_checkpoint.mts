/**
 * Checkpoints of runs in files: one line of JSON that says what it is, and behind it the run, as
 * Node's structured clone has it. What was told so far is in there, too, so that a file of results
 * that came to harm with the program is made anew.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { NewFile, removeUnfinished } from '../src/rumpuser/node_new_file.js';
import type { ResultRecord } from '../src/wearlab/result.js';
import type { Checkpoint } from '../src/wearlab/run.js';

const FORMAT = 'lump-wear-checkpoint';
/** Of the file, and of what is in it. */
const VERSION = 1;
const NEWLINE = 10;

export interface ToldLine {
  readonly line: string;
  readonly type: ResultRecord['type'];
}

export interface StoredRun {
  /** In order: the header, samples. */
  readonly told: readonly ToldLine[];
  readonly checkpoint: Checkpoint;
}

interface Head {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** That wrote it: another one may do otherwise what is left. */
  readonly program: string;
  /** Digest of all that decides what the run does. */
  readonly run: string;
  /** Of what is behind this line. */
  readonly sha256: string;
}

export const digestOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
};

/** Puts bytes into a file, all or none of them, whenever this process ends. */
export function replaceFile(path: string, pieces: readonly (string | Uint8Array)[]): void {
  const file = new NewFile(path);
  try {
    for (const piece of pieces) writeFileSync(file.fd, piece);
  } catch (error) {
    file.abandon();
    throw error;
  }
  file.commit(true);
}

export function writeCheckpoint(path: string, program: string, run: string, stored: StoredRun) {
  const body = serialize(stored);
  const head: Head = { format: FORMAT, version: VERSION, program, run, sha256: digestOf(body) };
  replaceFile(path, [`${JSON.stringify(head)}\n`, body]);
}

/**
 * @returns null when there is none, or in words why it cannot be used: what it was made of has
 *   changed since, or it is damaged.
 */
export function readCheckpoint(path: string, program: string, run: string) {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? null : message;
  }
  const end = bytes.indexOf(NEWLINE);
  const head = parseHead(bytes.toString('utf8', 0, Math.max(0, end)));
  if (head?.format !== FORMAT) return 'it is no checkpoint of wear_lab';
  if (head.version !== VERSION) {
    return `it has version ${head.version} of the format; this program reads ${VERSION}`;
  }
  if (head.program !== program) return `it was written by ${head.program}; this is ${program}`;
  if (head.run !== run) return 'the experiment, its policy or a trace has changed since';
  const body = bytes.subarray(end + 1);
  if (head.sha256 !== digestOf(body)) return 'it is damaged: its checksum is wrong';
  return deserialize(body) as StoredRun;
}

function parseHead(line: string): Partial<Head> | null {
  try {
    return JSON.parse(line) as Partial<Head> | null;
  } catch {
    return null;
  }
}

export function removeCheckpoint(path: string): void {
  rmSync(path, { force: true });
  removeUnfinished(path);
}
