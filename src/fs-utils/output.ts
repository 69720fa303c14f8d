/** Where tools write to. */
import { toBytes, type ByteText } from './bytes.js';

/** Takes all bytes or throws an error with a code. */
export type Sink = (bytes: Uint8Array) => void;

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
    this.#sink(bytes);
  }

  flush(): void {
    const text = this.#pending;
    this.#pending = '';
    if (text !== '') this.#sink(toBytes(text));
  }
}
