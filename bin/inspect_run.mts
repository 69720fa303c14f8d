/**
 * What the commands of flash_inspect share: opening an image, telling progress, being interrupted,
 * printing for people or as JSON, and the exit status.
 */
import { Flash, InspectError, type FlashOptions } from '../src/inspect/flash.js';
import type { NandOption } from '../src/inspect/oob.js';
import { report } from '../src/inspect/json.js';
import { State } from '../src/inspect/state.js';
import { NodeHost } from '../src/rumpuser/node.js';
import { HostError } from '../src/rumpuser/rumpuser.js';
import { END_SIGNALS, turn } from './signals.mjs';

export const EXIT = {
  COMPLETE: 0,
  /** Done as far as it could be; what is missing was said. */
  PARTIAL: 1,
  /** Not done: no such file, not a JFFS2 image, a wrong option. */
  TROUBLE: 2,
  INTERRUPTED: 130,
} as const;

/** Options that every command has which reads an image. */
export interface ImageArguments {
  readonly erasesize?: number;
  readonly endian?: 'little' | 'big';
  readonly offset?: number;
  readonly size?: number;
  /** As "2048+64"; "none": no OOB. */
  readonly page?: NandOption | false;
  readonly ecc?: 'hamming' | 'none';
  readonly json?: true;
}

/** Ctrl-C came, or another signal that ends programs. */
export class Interrupted extends Error {}

/** Progress is shown after this long, and then this often. */
const PROGRESS_MS = 500;
/** What is read between two looks at the clock. */
const READ_BYTES = 64 << 20;
/** Work stops this often to see whether it was interrupted. */
const BREATH_MS = 50;

export class Run {
  readonly host = new NodeHost();
  readonly command: string;
  readonly image: string;
  readonly json: boolean;
  /** What could not be read, kept or done. */
  readonly problems: string[] = [];
  readonly #options: ImageArguments;
  readonly #started = performance.now();
  #shown = 0;
  #breath = performance.now();
  #isInterrupted = false;
  #lines: string[] = [];
  readonly #onInterrupt = (): void => {
    // A second one ends the program where it stands.
    this.#listen('off');
    this.#isInterrupted = true;
  };

  constructor(command: string, image: string, options: ImageArguments) {
    this.command = command;
    this.image = image;
    this.json = options.json === true;
    this.#options = options;
  }

  /** Reads the image, or another one with the same options. @throws InspectError, HostError */
  open(path = this.image): State {
    const flash = new Flash(this.read(path), this.flashOptions());
    return new State(flash, (done, of) => this.progress('looking at blocks', done, of));
  }

  /** The same for what has JFFS2 nodes, or is blank. @throws InspectError it is something else */
  openJffs2(path = this.image): State {
    const state = this.open(path);
    refuseForeign(state, path);
    return state;
  }

  flashOptions(): FlashOptions {
    const { erasesize, endian, offset, size, page, ecc } = this.#options;
    const { crc32, codecs } = this.host;
    const nand = page && ecc !== undefined ? { ...page, ecc } : page;
    return { erasesize, endian, offset, size, nand, host: { crc32, codecs } };
  }

  /** The bytes of a file or block device. @throws HostError */
  read(path: string): Uint8Array {
    const file = this.host.open(path, 'read');
    try {
      // Not allocated zeroed: every byte is read into.
      const bytes = Buffer.allocUnsafeSlow(file.size());
      let length = 0;
      for (let got = 1; got > 0 && length < bytes.length; length += got) {
        got = file.read(bytes, length, Math.min(READ_BYTES, bytes.length - length), length);
        this.progress('reading', length, bytes.length);
      }
      return new Uint8Array(bytes.buffer, 0, length);
    } finally {
      file.close();
    }
  }

  /**
   * Makes a file, or replaces one. It is there whole or not at all: signals wait.
   * @throws HostError, Interrupted
   */
  async write(path: string, bytes: Uint8Array): Promise<void> {
    this.progress('writing', 0, 0);
    await this.undisturbed(() => this.host.replaceFile(path, bytes));
  }

  /** Signals wait until a call is done. @throws Interrupted; what the call throws */
  async undisturbed(call: () => void): Promise<void> {
    this.#listen('on');
    try {
      call();
      await turn();
      if (this.#isInterrupted) throw new Interrupted();
    } finally {
      this.#listen('off');
    }
  }

  line(text: string): void {
    if (this.json) return;
    this.#lines.push(text);
    if (this.#lines.length >= 1000) this.#flush();
  }

  /** What is wrong with the image: it goes into the report, if one is wanted. */
  problem(text: string): void {
    this.problems.push(text);
    if (!this.json) this.trouble(text);
  }

  /** Why there is no report. */
  trouble(text: string): void {
    this.#clear();
    process.stderr.write(`flash_inspect: ${text}\n`);
  }

  /**
   * Runs work in steps, with progress and an ear for Ctrl-C.
   * @throws Interrupted
   */
  async steps<T, R>(
    steps: Generator<T, R, undefined>,
    each: (step: T) => void,
    progress?: (step: T) => readonly [what: string, done: number, of: number],
  ): Promise<R> {
    this.#listen('on');
    try {
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
        each(step.value);
        const now = performance.now();
        if (now - this.#breath < BREATH_MS) continue;
        this.#breath = now;
        if (progress) this.progress(...progress(step.value));
        await turn();
        if (this.#isInterrupted) throw new Interrupted();
      }
    } finally {
      this.#listen('off');
    }
  }

  /** Prints the report, or what is left of the lines. @returns the exit status. */
  finish(result: unknown): number {
    this.#clear();
    this.#flush();
    if (this.json) {
      const whole = report(this.command, this.image, result, this.problems);
      process.stdout.write(`${JSON.stringify(whole, null, 1)}\n`);
    }
    return this.problems.length === 0 ? EXIT.COMPLETE : EXIT.PARTIAL;
  }

  #listen(how: 'on' | 'off'): void {
    for (const signal of END_SIGNALS) process[how](signal, this.#onInterrupt);
  }

  #flush(): void {
    if (this.#lines.length > 0) process.stdout.write(`${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }

  /** On a terminal, for work that takes long. @param of what all is; 0: nobody knows */
  progress(what: string, done: number, of: number): void {
    if (!process.stderr.isTTY) return;
    const now = performance.now();
    if (now - this.#started < PROGRESS_MS || now - this.#shown < PROGRESS_MS / 4) return;
    this.#shown = now;
    const share = of > 0 ? ` ${Math.floor((100 * done) / of)} %` : '';
    process.stderr.write(`\r${what}${share}\x1b[K`);
  }

  #clear(): void {
    if (this.#shown === 0) return;
    this.#shown = 0;
    process.stderr.write('\r\x1b[K');
  }
}

/**
 * Of a wrong file there is nothing to show, and nothing is not what an examiner should be told.
 * @throws InspectError
 */
export function refuseForeign({ flash, pieces }: State, path: string): void {
  let isBlank = true;
  for (let n = 0; n < pieces.count; n++) {
    if (pieces.isNode(n)) return;
    isBlank &&= pieces.verdict(n) === 'erased';
  }
  if (!isBlank) throw new InspectError(foreignText(flash, path));
}

/** That a file is no JFFS2, or not as it is read. */
export function foreignText({ detection, endian, isAsDetected }: Flash, path: string): string {
  return detection === null || isAsDetected
    ? `${path}: no JFFS2 node in it, and not blank either`
    : `${path}: no JFFS2 node in ${endian.name} endian byte order; ${detection.evidence[0]}`;
}

/** What stopped a command, as a sentence; anything unexpected is thrown on. */
export function sentence(error: unknown): string {
  if (error instanceof InspectError) return error.message;
  if (error instanceof HostError) {
    const { code, path = '', message } = error;
    if (code === 'ENOENT') return `${path}: no such file`;
    if (code === 'EACCES') return `${path}: permission denied`;
    return message.includes(path) ? message : `${path}: ${message}`;
  }
  throw error;
}
