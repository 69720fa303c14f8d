/** What a copy could not keep: gathered while it runs, told when it ends. */
import type { ByteText } from './bytes.js';

/** Paths that are named for each kind of loss. */
const EXAMPLES_MAX = 3;

interface Loss {
  readonly what: string;
  readonly why: string;
  count: number;
  readonly examples: ByteText[];
}

export class Losses {
  readonly #kinds = new Map<string, Loss>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @param what as "owner"; @param why as "Operation not permitted". */
  add(what: string, path: ByteText, why: string): void {
    const key = `${what}\n${why}`;
    const kind = this.#kinds.get(key) ?? { what, why, count: 0, examples: [] };
    this.#kinds.set(key, kind);
    kind.count++;
    this.#count++;
    if (kind.examples.length < EXAMPLES_MAX) kind.examples.push(path);
  }

  /** A line a kind, with the first paths. */
  lines(): ByteText[] {
    return [...this.#kinds.values()].map(({ what, why, count, examples }) => {
      const files = `${count} file${count === 1 ? '' : 's'}`;
      const more = count > examples.length ? ', ...' : '';
      return `not kept: ${what} of ${files} (${why}): ${examples.join(', ')}${more}`;
    });
  }
}
