/**
 * The sidecar: a small file beside the image (`flash.bin.chip`) that keeps the chip's description
 * and its wear between mounts. Lines of JSON:
 *
 * - first a snapshot (chip_description.ts);
 * - then a journal. `{"erase":[eb,count]}` is appended *before* those blocks are erased; at every
 *   sync, `{"block":[...],"program":[...],"read":[...],"bytesProgrammed":n,"bytesRead":n}` holds
 *   the counters (not differences) of the blocks where they changed.
 *
 * When the journal has grown, and at close, the file is replaced by a new snapshot at once.
 *
 * What can be lost: with the process killed, no erase; programs and reads since the last sync. With
 * the host, what happened since the last sync, as for the image. Such an end cuts off the last line
 * or leaves no JSON behind the last readable one; that is ignored. Anything else that cannot be
 * read is reported, counted as far as it makes sense, and the whole file kept as
 * `flash.bin.chip.bad`.
 */
import { Errno } from '../lump/errno.js';
import type { HostFile, Rumpuser } from '../rumpuser/rumpuser.js';
import { HostError } from '../rumpuser/rumpuser.js';
import type { chip_description, snapshot } from './chip_description.js';
import {
  decode_snapshot,
  encode_snapshot,
  is_count,
  is_counts,
  is_record,
  newer_description,
} from './chip_description.js';
import { errnoOfHost } from './host_error.js';
import { wear_counters, type wear_store } from './wear.js';

/** A journal longer than this is folded into a snapshot. */
const JOURNAL_BYTES_MAX = 256 * 1024;

const encoder = new TextEncoder();

export function sidecar_path(imagePath: string, offsetBytes: number): string {
  return offsetBytes === 0 ? `${imagePath}.chip` : `${imagePath}@${offsetBytes}.chip`;
}

/** What a sidecar says, damage included. */
export interface sidecar_content {
  readonly bytes: Uint8Array;
  /** Null: the first line cannot be read. */
  readonly snapshot: snapshot | null;
  readonly journal: readonly unknown[];
  /** The end was cut off. */
  readonly torn: boolean;
  /** Lines, counted from 1, that cannot be read. */
  readonly badLines: number[];
}

/**
 * @returns null when there is no such file.
 * @throws EINVAL made by a later version; EACCES, EIO, … when it cannot be read.
 */
export function read_sidecar(host: Rumpuser, path: string): sidecar_content | null {
  let bytes: Uint8Array;
  try {
    bytes = host.readFile(path);
  } catch (error) {
    if (error instanceof HostError && error.code === 'ENOENT') return null;
    throw errnoOfHost(error);
  }
  const lines = new TextDecoder().decode(bytes).split('\n');
  let torn = lines.pop() !== '';
  const values = lines.map(parse_line);
  while (values.length > 1 && values.at(-1) === undefined) {
    values.pop();
    torn = true;
  }
  const badLines: number[] = [];
  let first: snapshot | null;
  try {
    first = decode_snapshot(values[0]);
  } catch (error) {
    if (!(error instanceof newer_description)) throw error;
    throw new Errno('EINVAL', `${path} was written by a later version of this program`);
  }
  if (first === null) badLines.push(1);
  return { bytes, snapshot: first, journal: values.slice(1), torn, badLines };
}

function parse_line(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Brings counters up to date. Lines that make no sense are added to `content.badLines`. */
export function replay_journal(content: sidecar_content, wear: wear_counters): void {
  content.journal.forEach((value, i) => {
    if (!apply_erase(value, wear) && !apply_counters(value, wear)) content.badLines.push(i + 2);
  });
}

function apply_erase(value: unknown, wear: wear_counters): boolean {
  if (!is_record(value) || !is_counts(value.erase)) return false;
  const [eb, count] = value.erase;
  if (eb === undefined || count === undefined) return false;
  if (eb + count > wear.eraseCount.length) return false;
  for (let i = eb; i < eb + count; i++) wear.eraseCount[i]!++;
  return true;
}

function apply_counters(value: unknown, wear: wear_counters): boolean {
  if (!is_record(value)) return false;
  const { block, program, read, bytesProgrammed, bytesRead } = value;
  if (!is_counts(block) || !is_counts(program) || !is_counts(read)) return false;
  if (block.length !== program.length || block.length !== read.length) return false;
  if (!is_count(bytesProgrammed) || !is_count(bytesRead)) return false;
  if (block.some((eb) => eb >= wear.programCount.length)) return false;
  block.forEach((eb, i) => {
    wear.programCount[eb] = program[i]!;
    wear.readCount[eb] = read[i]!;
  });
  wear.bytesProgrammed = bytesProgrammed;
  wear.bytesRead = bytesRead;
  return true;
}

/**
 * Keeps what a damaged sidecar held under another name.
 * @returns that name.
 * @throws the host's errno.
 */
export function set_aside(host: Rumpuser, path: string, bytes: Uint8Array): string {
  try {
    let bad = `${path}.bad`;
    for (let n = 1; exists(host, bad); n++) bad = `${path}.bad.${n}`;
    host.replaceFile(bad, bytes);
    return bad;
  } catch (error) {
    throw errnoOfHost(error);
  }
}

function exists(host: Rumpuser, path: string): boolean {
  try {
    host.getfileinfo(path);
    return true;
  } catch (error) {
    if (error instanceof HostError && error.code === 'ENOENT') return false;
    throw error;
  }
}

export class sidecar implements wear_store {
  readonly #host: Rumpuser;
  readonly #path: string;
  readonly #description: chip_description;
  readonly #wear: wear_counters;
  /** Counters as the file has them. */
  readonly #saved: wear_counters;
  /** Null: the file is missing, or could not be written; a snapshot is due. */
  #file: HostFile | null = null;
  #position = 0;
  #snapshotBytes = 0;
  #unsynced = false;
  #complained = false;
  #closed = false;

  /** @param bytesOnHost length of a healthy file to go on with; 0 starts a new one. */
  constructor(
    host: Rumpuser,
    path: string,
    description: chip_description,
    wear: wear_counters,
    bytesOnHost: number,
  ) {
    this.#host = host;
    this.#path = path;
    this.#description = description;
    this.#wear = wear;
    this.#saved = new wear_counters(wear.eraseCount.length);
    if (bytesOnHost === 0) {
      this.#replace();
      return;
    }
    this.#noteSaved();
    this.#position = bytesOnHost;
    this.#try(() => {
      this.#file = host.open(path, 'write');
    });
  }

  eraseBegins(eb: number, count: number): void {
    this.#append(`{"erase":[${eb},${count}]}\n`);
    if (this.#position - this.#snapshotBytes > JOURNAL_BYTES_MAX) this.#replace();
  }

  sync(): void {
    if (this.#file === null) {
      this.#replace();
      return;
    }
    this.#appendCounters();
    const file = this.#file;
    if (!this.#unsynced || file === null) return;
    this.#try(() => {
      file.sync();
      this.#unsynced = false;
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Appended too: where the directory cannot be written, the snapshot fails.
    if (this.#file !== null) this.#appendCounters();
    if (this.#file === null || this.#position > this.#snapshotBytes) this.#replace();
    this.#letFileGo();
  }

  #append(line: string): void {
    const file = this.#file;
    if (file === null) return;
    const bytes = encoder.encode(line);
    this.#try(() => {
      file.write(bytes, 0, bytes.length, this.#position);
      this.#position += bytes.length;
      this.#unsynced = true;
    });
  }

  #appendCounters(): void {
    const { programCount, readCount, bytesProgrammed, bytesRead } = this.#wear;
    if (!this.#countersMoved()) return;
    const block: number[] = [];
    const program: number[] = [];
    const read: number[] = [];
    for (let eb = 0; eb < programCount.length; eb++) {
      const programs = programCount[eb]!;
      const reads = readCount[eb]!;
      if (programs === this.#saved.programCount[eb] && reads === this.#saved.readCount[eb])
        continue;
      block.push(eb);
      program.push(programs);
      read.push(reads);
    }
    const record = { block, program, read, bytesProgrammed, bytesRead };
    this.#append(`${JSON.stringify(record)}\n`);
    this.#noteSaved();
  }

  #countersMoved(): boolean {
    const { bytesProgrammed, bytesRead } = this.#wear;
    return bytesProgrammed !== this.#saved.bytesProgrammed || bytesRead !== this.#saved.bytesRead;
  }

  #noteSaved(): void {
    this.#saved.programCount.set(this.#wear.programCount);
    this.#saved.readCount.set(this.#wear.readCount);
    this.#saved.bytesProgrammed = this.#wear.bytesProgrammed;
    this.#saved.bytesRead = this.#wear.bytesRead;
  }

  /** Replaces the whole file by a snapshot of now. */
  #replace(): void {
    this.#letFileGo();
    this.#try(() => {
      const bytes = encoder.encode(encode_snapshot(this.#description, this.#wear));
      this.#host.replaceFile(this.#path, bytes);
      this.#file = this.#host.open(this.#path, 'write');
      this.#position = bytes.length;
      this.#snapshotBytes = bytes.length;
      this.#unsynced = false;
      this.#noteSaved();
      this.#complained = false;
    });
  }

  /** Nothing is lost by a close that fails: what counts was synced, or is in the next snapshot. */
  #letFileGo(): void {
    const file = this.#file;
    this.#file = null;
    try {
      file?.close();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
  }

  /** A sidecar that cannot be written is said once; a later snapshot holds what was missed. */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.#letFileGo();
      if (this.#complained) return;
      this.#complained = true;
      this.#host.console(4, `mtd: ${this.#path}: wear is not kept for now: ${error.message}`);
    }
  }
}
