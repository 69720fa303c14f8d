/**
 * Names of users and groups: those of the image's own /etc/passwd and /etc/group, which its numbers
 * mean; of an image that has none, the host's.
 */
import { fromBytes, type ByteText } from './bytes.js';
import { isSystemError } from './errors.js';
import { O_RDONLY, type Tree } from './tree.js';

const FILE_BYTES_MAX = 1 << 20;

interface Table {
  readonly byId: ReadonlyMap<number, ByteText>;
  readonly byName: ReadonlyMap<ByteText, number>;
}

export class Names {
  readonly #users: Table;
  readonly #groups: Table;

  constructor(image: Tree, host: Tree) {
    this.#users = read(image, '/etc/passwd') ?? read(host, '/etc/passwd') ?? EMPTY;
    this.#groups = read(image, '/etc/group') ?? read(host, '/etc/group') ?? EMPTY;
  }

  user(uid: number): ByteText | undefined {
    return this.#users.byId.get(uid);
  }
  group(gid: number): ByteText | undefined {
    return this.#groups.byId.get(gid);
  }
  /** A name or a number. */
  uid(text: ByteText): number | undefined {
    return this.#users.byName.get(text) ?? number(text);
  }
  gid(text: ByteText): number | undefined {
    return this.#groups.byName.get(text) ?? number(text);
  }
}

const EMPTY: Table = { byId: new Map(), byName: new Map() };

const ID_MAX = 2 ** 32 - 2;

const number = (text: string): number | undefined =>
  /^\d+$/.test(text) && Number(text) <= ID_MAX ? Number(text) : undefined;

function read(tree: Tree, path: string): Table | undefined {
  try {
    const fd = tree.open(path, O_RDONLY, 0);
    try {
      const buffer = new Uint8Array(FILE_BYTES_MAX);
      return parse(fromBytes(buffer.subarray(0, tree.read(fd, buffer, buffer.length, 0))));
    } finally {
      tree.close(fd);
    }
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

function parse(text: ByteText): Table {
  const byId = new Map<number, ByteText>();
  const byName = new Map<ByteText, number>();
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    const n = number(id ?? '');
    // Names go to terminals: what a terminal would obey is no name.
    if (!name || n === undefined || /[^!-~\x80-\xff]/.test(name)) continue;
    if (!byId.has(n)) byId.set(n, name);
    if (!byName.has(name)) byName.set(name, n);
  }
  return { byId, byName };
}
