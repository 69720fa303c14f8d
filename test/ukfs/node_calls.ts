/**
 * Random calls of node:fs, as data: names and arguments that two file systems are given alike.
 * Descriptors stand for themselves as {@link Fd}, since each side has its own numbers.
 */
import type { Prng } from '../../src/rumpuser/prng.js';

/** The descriptor that the nth open() since the start answered. */
export class Fd {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

export interface Call {
  /** Without "Sync". */
  readonly name: string;
  readonly args: readonly unknown[];
  /** How many of them may be wrong in themselves. */
  readonly doubtful: number;
}

const NAMES = ['a', 'b', 'd', 'e', 'ü'];
const STRANGE_PATHS = [
  '',
  '.',
  './a',
  '..//here/a',
  'a/',
  'd/',
  'd/.',
  'd/..',
  'nope/a',
  'a/b',
  'x'.repeat(300),
  `${'d/'.repeat(2100)}a`,
  Buffer.from('b'),
  Buffer.from([0xff, 0x41]),
];
const BAD_PATHS = [
  undefined,
  null,
  2 ** 21,
  {},
  'a\0b',
  Buffer.from('a\0'),
  new URL('http://x/a'),
  true,
];
const BAD_NUMBERS = [-1, 1.5, Number.NaN, 2 ** 33, '7', 'x', null, {}, undefined, 5n];
const FLAGS = ['r', 'r', 'r+', 'r+', 'w', 'w+', 'wx', 'a', 'a+', 'ax', 'rs', 'xw+', 'as'];
const TIMES = [0, 1, 1234567890, 1.5, '17', new Date(86_400_000), 1e9 + 0.123456789];
const TEXTS = ['', 'x', 'hello wörld', 'y'.repeat(5000)];

export class Calls {
  readonly #prng: Prng;
  /** How many descriptors were asked for. */
  opened = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  #doubtful = 0;

  /** Seldom, something that may be wrong in itself. */
  #odd(oneIn: number): boolean {
    const isOdd = this.#chance(oneIn);
    if (isOdd) this.#doubtful++;
    return isOdd;
  }

  #chance(oneIn: number): boolean {
    return this.#prng.below(oneIn) === 0;
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#prng.below(values.length)]!;
  }

  #path(): unknown {
    if (this.#odd(40)) return this.#pick(BAD_PATHS);
    if (this.#chance(8)) return this.#pick(STRANGE_PATHS);
    let path = this.#pick(NAMES);
    while (this.#chance(2)) path += `/${this.#pick(NAMES)}`;
    return path;
  }

  #number<T>(...good: readonly T[]): unknown {
    return this.#odd(25) ? this.#pick(BAD_NUMBERS) : this.#pick(good);
  }

  #fd(): unknown {
    if (this.#odd(40)) return this.#pick([...BAD_NUMBERS, 2 ** 20]);
    return new Fd(Math.max(0, this.opened - 1 - this.#prng.below(4)));
  }

  #bytes(): unknown {
    if (this.#odd(25)) return this.#pick([undefined, 3, 'text', {}, [], new Uint8Array(0)]);
    const bytes = new Uint8Array(this.#pick([1, 10, 100, 5000]));
    for (let n = 0; n < bytes.length; n++) bytes[n] = (n * 7) & 0xff;
    return this.#chance(4) ? new DataView(bytes.buffer) : bytes;
  }

  #views(): unknown {
    if (this.#odd(20)) return this.#pick([undefined, 'x', ['x'], new Uint8Array(3)]);
    return [new Uint8Array(3).fill(65), new Uint8Array(0), Buffer.from('views')];
  }

  #text(): unknown {
    if (this.#odd(30)) return this.#pick([undefined, 3, {}, null, [1]]);
    return this.#chance(3) ? this.#bytes() : this.#pick(TEXTS);
  }

  #mode(): unknown {
    if (this.#odd(12)) return this.#pick(['755', '9', 'rwx', -1, 2 ** 32, 1.5, {}, null]);
    return this.#pick([0o644, 0o600, 0o755, 0o7777, 0]);
  }

  #encoding(): unknown {
    if (this.#odd(30)) return this.#pick(['nope', 3, true]);
    return this.#pick([undefined, null, 'utf8', 'hex', 'buffer', { encoding: 'base64' }, {}]);
  }

  #flag(): unknown {
    return this.#odd(30) ? this.#pick(['zz', {}, null, 1.5, 'toString']) : this.#pick(FLAGS);
  }

  #flags(...names: readonly string[]): unknown {
    if (this.#odd(30)) return this.#pick([3, 'x', { [names[0]!]: 3 }]);
    const options: Record<string, boolean> = {};
    for (const name of names) if (this.#chance(2)) options[name] = this.#chance(2);
    return this.#chance(4) ? undefined : options;
  }

  readonly #makers: readonly (readonly [name: string, make: () => unknown[]])[] = [
    ['access', () => [this.#path(), this.#number(0, 4, 2, 1, 7, 8, undefined)]],
    ['appendFile', () => [this.#path(), this.#text(), this.#encoding()]],
    ['chmod', () => [this.#path(), this.#mode()]],
    ['chown', () => [this.#path(), this.#number(0, 0, 1000, -1), this.#number(0, 1000, -1)]],
    ['close', () => [this.#fd()]],
    ['copyFile', () => [this.#path(), this.#path(), this.#number(0, 0, 1, undefined, 9)]],
    ['cp', () => [this.#path(), this.#path(), this.#cpOptions()]],
    ['exists', () => [this.#path()]],
    ['fchmod', () => [this.#fd(), this.#mode()]],
    ['fchown', () => [this.#fd(), this.#number(0, 1000), this.#number(0, 1000)]],
    ['fdatasync', () => [this.#fd()]],
    ['fstat', () => [this.#fd(), this.#flags('bigint')]],
    ['fsync', () => [this.#fd()]],
    ['ftruncate', () => [this.#fd(), this.#number(0, 1, 100, 10000, undefined)]],
    ['futimes', () => [this.#fd(), this.#time(), this.#time()]],
    ['lchown', () => [this.#path(), this.#number(0, 1000), this.#number(0, 1000)]],
    ['link', () => [this.#path(), this.#path()]],
    ['lstat', () => [this.#path(), this.#flags('bigint')]],
    ['lutimes', () => [this.#path(), this.#time(), this.#time()]],
    ['mkdir', () => [this.#path(), this.#mkdirOptions()]],
    ['mkdir', () => [this.#path()]],
    ['mkdtemp', () => [this.#path(), this.#pick([undefined, 'utf8', {}, 'hex'])]],
    ['open', () => [this.#path(), this.#flag(), this.#mode()]],
    ['open', () => [this.#path(), this.#flag()]],
    ['read', () => [this.#fd(), this.#bytes(), ...this.#range()]],
    ['readFile', () => [this.#chance(4) ? this.#fd() : this.#path(), this.#encoding()]],
    ['readdir', () => [this.#path(), this.#encoding()]],
    ['readdir', () => [this.#path(), this.#flags('withFileTypes')]],
    ['readdir', () => [this.#path(), { withFileTypes: true, recursive: true }]],
    ['readlink', () => [this.#path(), this.#encoding()]],
    ['readv', () => [this.#fd(), this.#views(), this.#pick([undefined, null, 0, 2])]],
    ['realpath', () => [this.#path(), this.#pick([undefined, 'utf8', 'buffer', {}])]],
    ['rename', () => [this.#path(), this.#path()]],
    ['rename', () => [this.#path(), this.#path()]],
    ['rm', () => [this.#path(), this.#flags('force', 'recursive')]],
    ['rmdir', () => [this.#path()]],
    ['stat', () => [this.#path(), this.#flags('bigint')]],
    ['statfs', () => [this.#path(), this.#flags('bigint')]],
    [
      'symlink',
      () => [
        this.#path(),
        this.#path(),
        this.#odd(12) ? 'bad' : this.#pick([undefined, null, 'dir']),
      ],
    ],
    ['symlink', () => [this.#pick(NAMES), this.#pick(NAMES)]],
    ['truncate', () => [this.#path(), this.#number(0, 1, 100, 10000, undefined)]],
    ['unlink', () => [this.#path()]],
    ['unlink', () => [this.#path()]],
    ['utimes', () => [this.#path(), this.#time(), this.#time()]],
    ['write', () => [this.#fd(), this.#bytes(), ...this.#range()]],
    ['write', () => [this.#fd(), this.#pick(TEXTS), this.#pick([undefined, null, 0, 3]), 'latin1']],
    ['writeFile', () => [this.#path(), this.#text(), this.#writeOptions()]],
    ['writeFile', () => [this.#path(), this.#text()]],
    ['writev', () => [this.#fd(), this.#views(), this.#pick([undefined, null, 0, 2])]],
  ];

  #time(): unknown {
    return this.#odd(15) ? this.#pick(['x', {}, null, '']) : this.#pick(TIMES);
  }

  #range(): unknown[] {
    if (this.#chance(6)) return [];
    return [
      this.#number(0, 0, 0, 1, undefined),
      this.#number(1, 5, 10, undefined),
      this.#number(null, null, 0, 1, 100),
    ];
  }

  #cpOptions(): unknown {
    return this.#flags(
      'recursive',
      'recursive',
      'force',
      'errorOnExist',
      'dereference',
      'preserveTimestamps',
    );
  }

  #mkdirOptions(): unknown {
    return this.#chance(2) ? this.#flags('recursive') : this.#mode();
  }

  #writeOptions(): unknown {
    if (this.#chance(3)) return this.#encoding();
    return { flag: this.#flag(), mode: 0o640, flush: this.#chance(4) };
  }

  next(): Call {
    this.#doubtful = 0;
    const [name, make] = this.#pick(this.#makers);
    const args = make();
    return { name, args, doubtful: this.#doubtful };
  }
}
