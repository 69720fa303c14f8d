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

/** Ctrl-C came. */
export class Interrupted extends Error {}

/** Progress is shown after this long, and then this often. */
const PROGRESS_MS = 500;
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
    process.off('SIGINT', this.#onInterrupt);
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
    return new State(flash, (done, of) => this.#progress('reading', done, of));
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
      const length = file.read(bytes, 0, bytes.length, 0);
      return new Uint8Array(bytes.buffer, 0, length);
    } finally {
      file.close();
    }
  }

  line(text: string): void {
    if (this.json) return;
    this.#lines.push(text);
    if (this.#lines.length >= 1000) this.#flush();
  }

  problem(text: string): void {
    this.problems.push(text);
    if (this.json) return;
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
    process.on('SIGINT', this.#onInterrupt);
    try {
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
        each(step.value);
        const now = performance.now();
        if (now - this.#breath < BREATH_MS) continue;
        this.#breath = now;
        if (progress) this.#progress(...progress(step.value));
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#isInterrupted) throw new Interrupted();
      }
    } finally {
      process.off('SIGINT', this.#onInterrupt);
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

  #flush(): void {
    if (this.#lines.length > 0) process.stdout.write(`${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }

  #progress(what: string, done: number, of: number): void {
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
