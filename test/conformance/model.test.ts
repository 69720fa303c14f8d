/**
 * Seeded operations on memfs, the model, and on jffs2, the engine, with every answer compared:
 * results, error codes, and at intervals the whole trees with contents, attributes and extended
 * attributes, before and after the medium was mounted again.
 *
 * A failure prints the seed and the step. `LUMP_SEED=7 LUMP_OPS=812` runs that one again, as far.
 */
import { expect } from 'chai';
import { aclText } from './acl.js';
import {
  Memfs,
  PUFFS_CRED_ROOT,
  PUFFS_RENAME_NOREPLACE,
  puffs_cred_user,
  type puffs_cred,
  type puffs_ops,
} from '../../src/puffs/index.js';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  Ukfs,
  UkfsError,
  type UkfsStats,
} from '../../src/ukfs/index.js';
import { S_IFIFO } from './driver.js';
import { pattern, random, weighted } from './expect.js';
import { JFFS2_LIMITS, mountJffs2 } from './rows.js';

const SEEDS =
  process.env.LUMP_SEED === undefined ? [1, 2, 3, 4, 5] : [Number(process.env.LUMP_SEED)];
const OPS = Number(process.env.LUMP_OPS ?? 1000);

const CREDS: readonly puffs_cred[] = [
  PUFFS_CRED_ROOT,
  puffs_cred_user(1001, 1001, [], 0o022),
  puffs_cred_user(1002, 1002, [1001], 0o077),
  puffs_cred_user(1003, 1003),
];
const FILE_BYTES_MAX = 30000;
const OPEN_MAX = 5;

/** One side: a file system with one Ukfs per user. */
class Side {
  readonly users: Ukfs[];

  constructor(ops: puffs_ops) {
    this.users = CREDS.map((cred) => new Ukfs(ops, cred));
  }

  get root(): Ukfs {
    return this.users[0]!;
  }
}

/** An operation for both sides; answers something that can be compared as JSON. */
type Operation = (fs: Ukfs) => unknown;

function outcome(run: () => unknown): string {
  try {
    return JSON.stringify(run() ?? 'done');
  } catch (error) {
    if (error instanceof UkfsError) return error.code;
    throw error;
  }
}

const digest = (bytes: Uint8Array): string => {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `${bytes.length} bytes ${hash.toString(16)}`;
};

/**
 * What both sides must agree on. Left out, since jffs2's rules are its own: inode numbers, sizes
 * and times of the root, access times, change times (renaming moves none), blocks.
 */
function visible(stats: UkfsStats, isRoot: boolean): unknown {
  const { mode, nlink, uid, gid, size, rdev, mtime } = stats;
  const links = isRoot ? 'root' : nlink;
  return [
    mode.toString(8),
    links,
    uid,
    gid,
    stats.isDirectory() ? 0 : size,
    rdev,
    isRoot ? 0 : mtime.sec,
  ];
}

function tree(fs: Ukfs): unknown[] {
  const rows: unknown[] = [];
  for (const { path, stats } of fs.walk()) {
    const xattrs = fs
      .listxattr(path, false)
      .sort()
      .map((name) => [name, digest(fs.getxattr(path, name, false))]);
    let content: unknown = null;
    if (stats.isFile()) content = digest(fs.readFile(path));
    if (stats.isSymbolicLink()) content = fs.readlink(path);
    rows.push([path, visible(stats, false), xattrs, content]);
  }
  return rows.map((row) => JSON.stringify(row)).sort();
}

class Comparison {
  readonly #next: (below: number) => number;
  readonly #seed: number;
  readonly #jffs2 = mountJffs2({ size: 16 * 1024 * 1024, erasesize: 64 * 1024 });
  readonly #model: Side;
  #engine: Side;
  #open: { user: number; model: number; engine: number }[] = [];
  #step = 0;
  readonly #history: string[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#next = random(seed);
    const { nameBytesMax, symlinkBytesMax, fileBytesMax } = JFFS2_LIMITS;
    this.#model = new Side(
      new Memfs({
        nameBytesMax,
        symlinkBytesMax,
        fileBytesMax,
        wallClockMs: () => this.#jffs2.nowMs(),
      }),
    );
    this.#engine = new Side(this.#jffs2.ops);
    for (const { root } of [this.#model, this.#engine]) root.chmod('/', 0o777);
  }

  run(steps: number): void {
    try {
      for (this.#step = 1; this.#step <= steps; this.#step++) {
        this.#jffs2.advanceClock(this.#next(3));
        this.#once();
        if (this.#step % 250 === 0) this.#compareTrees('tree');
      }
      this.#closeAll();
      this.#again();
    } catch (error) {
      const again = `LUMP_SEED=${this.#seed} LUMP_OPS=${this.#step}`;
      const { message } = error as Error;
      const last = this.#history.slice(-12).join('\n  ');
      throw new Error(`${again} at step ${this.#step}: ${message}\n  ${last}`, { cause: error });
    }
    this.#jffs2.unmount();
  }

  #once(): void {
    const kind = this.#next(100);
    if (kind < 8) this.#openOne();
    else if (kind < 24) this.#useOpen();
    else if (kind < 30) this.#jffs2.ops.background();
    else if (kind === 30) this.#again();
    else this.#onPath();
  }

  // ---- random things ----

  #path(): string {
    const depth = 1 + Math.min(this.#next(4), this.#next(4));
    return Array.from({ length: depth }, () => this.#name()).join('/');
  }

  #name(): string {
    const special = this.#next(60);
    if (special === 0) return '..';
    if (special === 1) return '.';
    if (special === 2) return 'n'.repeat(253 + this.#next(4));
    if (special === 3) return 'ü€';
    return 'abcde'[this.#next(5)]!;
  }

  #mode(): number {
    return this.#next(4) === 0 ? this.#next(0o10000) : [0o644, 0o755, 0o777, 0o600][this.#next(4)]!;
  }

  #onPath(): void {
    const path = this.#path();
    const other = this.#path();
    const mode = this.#mode();
    const number = this.#next(FILE_BYTES_MAX);
    const seed = this.#step;
    const id = [0, 1001, 1002, 1003, -1][this.#next(5)]!;
    const isRoot = (fs: Ukfs): boolean => fs.stat(path).ino === fs.stat('/').ino;
    const table: readonly (readonly [weight: number, name: string, Operation])[] = [
      [8, `mkdir ${path} ${mode.toString(8)}`, (fs) => fs.mkdir(path, mode)],
      [8, `write ${path} ${number}`, (fs) => fs.writeFile(path, pattern(number, seed), 'w', mode)],
      [3, `append ${path}`, (fs) => fs.writeFile(path, pattern(number % 900, seed), 'a', mode)],
      [5, `unlink ${path}`, (fs) => fs.unlink(path)],
      [3, `rmdir ${path}`, (fs) => fs.rmdir(path)],
      [8, `rename ${path} ${other}`, (fs) => fs.rename(path, other)],
      [
        1,
        `rename noreplace ${path} ${other}`,
        (fs) => fs.rename(path, other, PUFFS_RENAME_NOREPLACE),
      ],
      [4, `link ${path} ${other}`, (fs) => fs.link(path, other)],
      [3, `symlink ${path} ${other}`, (fs) => fs.symlink(path, other)],
      [1, `symlink ${number % 300} bytes`, (fs) => fs.symlink('x'.repeat(number % 300), other)],
      [2, `readlink ${path}`, (fs) => fs.readlink(path)],
      [1, `mkfifo ${path}`, (fs) => fs.mknod(path, S_IFIFO | mode)],
      [1, `mknod ${path}`, (fs) => fs.mknod(path, 0o020000 | mode, number)],
      [4, `chmod ${path} ${mode.toString(8)}`, (fs) => fs.chmod(path, mode)],
      [2, `chown ${path} ${id}`, (fs) => fs.chown(path, id, id)],
      [1, `lchown ${path} ${id}`, (fs) => fs.lchown(path, id, id)],
      [2, `utimes ${path} ${number}`, (fs) => fs.utimes(path, number, number + 1)],
      [1, `utimes ${path} now`, (fs) => fs.utimes(path)],
      [1, `lutimes ${path}`, (fs) => fs.lutimes(path, number, number)],
      [3, `truncate ${path} ${number}`, (fs) => fs.truncate(path, number)],
      [3, `stat ${path}`, (fs) => visible(fs.stat(path), isRoot(fs))],
      [
        2,
        `lstat ${path}`,
        (fs) => {
          const stats = fs.lstat(path);
          return visible(stats, !stats.isSymbolicLink() && isRoot(fs));
        },
      ],
      [2, `access ${path}`, (fs) => fs.access(path, number % 9)],
      [4, `readFile ${path}`, (fs) => digest(fs.readFile(path))],
      [
        3,
        `readdir ${path}`,
        (fs) =>
          fs
            .readdirTypes(path)
            .map(({ name, type }) => `${name} ${type}`)
            .sort(),
      ],
      [
        3,
        `setxattr ${path}`,
        (fs) => fs.setxattr(path, this.#xattr(number), pattern(number % 300, seed), number % 3),
      ],
      [2, `getxattr ${path}`, (fs) => digest(fs.getxattr(path, this.#xattr(number)))],
      [1, `listxattr ${path}`, (fs) => fs.listxattr(path).sort()],
      [2, `removexattr ${path}`, (fs) => fs.removexattr(path, this.#xattr(number))],
      [2, `setfacl ${path}`, (fs) => fs.setxattr(path, this.#aclName(number), this.#acl(number))],
      [1, `removexattr acl ${path}`, (fs) => fs.removexattr(path, this.#aclName(number))],
      [1, 'sync', (fs) => fs.sync()],
    ];
    const [, name, operation] = weighted(this.#next, table);
    this.#both(this.#next(3) === 0 ? 0 : this.#next(CREDS.length), name, operation);
  }

  #xattr(number: number): string {
    return ['user.a', 'user.b', 'trusted.c', 'security.d', 'system.e', 'user.'][number % 6]!;
  }

  #aclName(number: number): string {
    return number % 2 === 0 ? 'system.posix_acl_access' : 'system.posix_acl_default';
  }

  #acl(number: number): Uint8Array {
    const perm = (at: number): string =>
      'rwx'.replace(/./g, (letter, i: number) => (((number >> (at + i)) & 1) === 1 ? letter : '-'));
    const base = `u::${perm(0)},g::${perm(3)},o::${perm(6)}`;
    if (number % 3 === 0) return aclText(base);
    return aclText(
      `u::${perm(0)},u:1003:${perm(2)},g::${perm(3)},g:1001:${perm(5)},` +
        `m::${perm(1)},o::${perm(6)}`,
    );
  }

  // ---- open files ----

  #openOne(): void {
    if (this.#open.length >= OPEN_MAX) {
      this.#close(this.#next(this.#open.length));
      return;
    }
    const path = this.#path();
    const mode = this.#mode();
    const user = this.#next(CREDS.length);
    const access = [O_RDONLY, O_WRONLY, O_RDWR][this.#next(3)]!;
    const extra = [
      0,
      O_CREAT,
      O_CREAT | O_EXCL,
      O_TRUNC,
      O_CREAT | O_TRUNC,
      O_APPEND,
      O_CREAT | O_APPEND,
      O_DIRECTORY,
      O_NOFOLLOW,
    ][this.#next(9)]!;
    const fds: number[] = [];
    this.#both(user, `open ${path} ${(access | extra).toString(8)}`, (fs) => {
      fds.push(fs.open(path, access | extra, mode));
    });
    if (fds.length === 2) this.#open.push({ user, model: fds[0]!, engine: fds[1]! });
  }

  #useOpen(): void {
    if (this.#open.length === 0) return;
    const at = this.#next(this.#open.length);
    const { user, model, engine } = this.#open[at]!;
    const fdOf = (fs: Ukfs): number => (fs === this.#model.users[user] ? model : engine);
    const position = this.#next(FILE_BYTES_MAX);
    const length = this.#next(this.#next(4) === 0 ? 9000 : 100);
    const mode = this.#mode();
    const seed = this.#step;
    const table: readonly (readonly [name: string, Operation])[] = [
      [
        'pread',
        (fs) => {
          const bytes = new Uint8Array(length);
          return digest(bytes.subarray(0, fs.read(fdOf(fs), bytes, 0, length, position)));
        },
      ],
      ['pwrite', (fs) => fs.write(fdOf(fs), pattern(length, seed), 0, length, position)],
      ['write', (fs) => fs.write(fdOf(fs), pattern(length, seed))],
      ['ftruncate', (fs) => fs.ftruncate(fdOf(fs), position)],
      [
        'fstat',
        (fs) => {
          const stats = fs.fstat(fdOf(fs));
          return visible(stats, stats.ino === fs.stat('/').ino);
        },
      ],
      ['fchmod', (fs) => fs.fchmod(fdOf(fs), mode)],
      ['fsync', (fs) => fs.fsync(fdOf(fs))],
    ];
    const pick = this.#next(table.length + 1);
    if (pick === table.length) {
      this.#close(at);
      return;
    }
    const [name, operation] = table[pick]!;
    this.#both(user, `${name} of ${at} at ${position} for ${length}`, operation);
  }

  #close(at: number): void {
    const [file] = this.#open.splice(at, 1);
    const { user, model, engine } = file!;
    this.#both(user, `close ${at}`, (fs) => {
      fs.close(fs === this.#model.users[user] ? model : engine);
    });
  }

  #closeAll(): void {
    while (this.#open.length > 0) this.#close(0);
  }

  // ---- both sides ----

  #both(user: number, name: string, operation: Operation): void {
    const model = outcome(() => operation(this.#model.users[user]!));
    const engine = outcome(() => operation(this.#engine.users[user]!));
    this.#history.push(`${this.#step}: user ${CREDS[user]!.uid}: ${name}: ${model}`);
    expect(engine, `${name} by ${CREDS[user]!.uid}`).to.equal(model);
  }

  #again(): void {
    this.#closeAll();
    this.#compareTrees('tree');
    this.#jffs2.again();
    this.#history.push(`${this.#step}: mounted again`);
    this.#engine = new Side(this.#jffs2.ops);
    this.#compareTrees('tree after mounting again');
  }

  #compareTrees(what: string): void {
    expect(tree(this.#engine.root), what).to.deep.equal(tree(this.#model.root));
  }
}

describe('model: jffs2 answers as memfs does', () => {
  for (const seed of SEEDS) {
    it(`seed ${seed}, ${OPS} operations`, function () {
      this.timeout(0);
      new Comparison(seed).run(OPS);
    });
  }
});
