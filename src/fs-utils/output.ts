/** Where tools write to. */
import { toBytes, type ByteText } from './bytes.js';
import { isSystemError } from './errors.js';

/** Takes all bytes or throws an error with a code. */
export type Sink = (bytes: Uint8Array) => void;

/** Nobody takes the output any more: the end of a tool, not a matter of the file it is at. */
export class OutputError extends Error {
  /** The errno's name. */
  readonly reason: string;
  constructor(reason: string) {
    super(`output: ${reason}`);
    this.reason = reason;
  }
}

const BUFFER_CHARACTERS = 1 << 16;

export class Output {
  readonly #sink: Sink;
  #pending = '';

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(text: ByteText): void {
    this.#pending += text;
    if (this.#pending.length >= BUFFER_CHARACTERS) this.flush();
  }

  bytes(bytes: Uint8Array): void {
    this.flush();
    this.#send(bytes);
  }

  flush(): void {
    const text = this.#pending;
    this.#pending = '';
    if (text !== '') this.#send(toBytes(text));
  }

  #send(bytes: Uint8Array): void {
    try {
      this.#sink(bytes);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new OutputError(error.code);
    }
  }
}
