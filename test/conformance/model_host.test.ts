/**
 * The model's own judge: seeded system calls on memfs and on the host's file system, in the names
 * of several users, with every answer compared. What memfs gets wrong here would be wrong in jffs2
 * unnoticed, since memfs judges that.
 *
 * `LUMP_SEED=3 LUMP_OPS=500` runs one seed again, as far.
 */
import { expect } from 'chai';
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
} from '../../src/ukfs/flags.js';
import { S_IFDIR, S_IFMT, type FsDriver, type Stat } from './driver.js';
import { checkTree, pattern, random, weighted } from './expect.js';
import type { User } from './node_driver.js';
import type { Mounted } from './row.js';
import { hostOracle, memfsRow } from './rows.js';

const SEEDS = process.env.LUMP_SEED === undefined ? [1, 2, 3] : [Number(process.env.LUMP_SEED)];
const OPS = Number(process.env.LUMP_OPS ?? 1500);

const USERS: readonly (User | null)[] = [
  null,
  { uid: 1001, gid: 1001, groups: [] },
  { uid: 1002, gid: 1002, groups: [1001] },
  { uid: 1003, gid: 1003, groups: [] },
];
const FILE_BYTES_MAX = 20000;

type Operation = (fs: FsDriver) => unknown;

function outcome(run: () => unknown): string {
  try {
    return JSON.stringify(run() ?? 'done');
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined || code.startsWith('ERR_')) throw error;
    return code === 'ENOTSUP' ? 'EOPNOTSUPP' : code;
  }
}

/** The host's clock and inode numbers are its own, and so is what a directory's size means. */
function visible({ mode, nlink, uid, gid, size }: Stat): unknown {
  return [mode.toString(8), nlink, uid, gid, (mode & S_IFMT) === S_IFDIR ? 0 : size];
}

class HostComparison {
  readonly #next: (below: number) => number;
  readonly #mounts: readonly [Mounted, Mounted] = [memfsRow.mount(), hostOracle.mount()];
  readonly #drivers: readonly (readonly [FsDriver, FsDriver])[];
  readonly #history: string[] = [];

  constructor(seed: number) {
    this.#next = random(seed);
    const [memfs, host] = this.#mounts;
    this.#drivers = USERS.map((user) =>
      user === null ? [memfs.fs, host.fs] : [memfs.as!(user), host.as!(user)],
    );
    for (const { fs } of this.#mounts) fs.chmod('/', 0o777);
  }

  run(seed: number, steps: number): void {
    let step = 1;
    const umask = process.umask(0);
    try {
      for (; step <= steps; step++) this.#once(step);
      for (const { fs } of this.#mounts) checkTree(fs);
    } catch (error) {
      const last = this.#history.slice(-12).join('\n  ');
      throw new Error(
        `LUMP_SEED=${seed} LUMP_OPS=${step}: ${(error as Error).message}\n  ${last}`,
        { cause: error },
      );
    } finally {
      process.umask(umask);
      for (const mount of this.#mounts) mount.unmount();
    }
  }

  #path(): string {
    const depth = 1 + Math.min(this.#next(4), this.#next(4));
    return (
      Array.from({ length: depth }, () => this.#name()).join('/') +
      (this.#next(30) === 0 ? '/' : '')
    );
  }

  #name(): string {
    const special = this.#next(60);
    if (special === 0) return '.';
    if (special === 1) return 'n'.repeat(254 + this.#next(4));
    return 'abcde'[this.#next(5)]!;
  }

  #once(seed: number): void {
    const path = this.#path();
    const other = this.#path();
    // Without the sticky bit: in such directories fs.protected_* of the kernel have their say.
    const mode =
      (this.#next(4) === 0 ? this.#next(0o10000) : [0o644, 0o755, 0o777][this.#next(3)]!) & ~0o1000;
    const number = this.#next(FILE_BYTES_MAX);
    const id = [0, 1001, 1002, 1003][this.#next(4)]!;
    const [uid, gid] = [
      [id, id],
      [-1, id],
      [id, -1],
    ][this.#next(3)]!;
    const user = this.#next(3) === 0 ? 0 : this.#next(USERS.length);
    const flags =
      [O_RDONLY, O_WRONLY, O_RDWR][this.#next(3)]! |
      [0, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW][
        this.#next(8)
      ]!;
    const table: readonly (readonly [weight: number, name: string, Operation])[] = [
      [8, `mkdir ${path} ${mode.toString(8)}`, (fs) => fs.mkdir(path, mode)],
      [
        12,
        `open ${path} ${flags.toString(8)} ${mode.toString(8)}`,
        (fs) => {
          const fd = fs.open(path, flags, mode);
          try {
            return [
              outcome(() => visible(fs.fstat(fd))),
              outcome(() => fs.pwrite(fd, pattern(number % 5000, seed), number)),
              outcome(() => fs.pread(fd, 9000, number % 300).toString('base64')),
              outcome(() => fs.ftruncate(fd, number)),
              outcome(() => fs.fchmod(fd, mode)),
              outcome(() => fs.fsync(fd)),
              outcome(() => visible(fs.fstat(fd))),
            ];
          } finally {
            fs.close(fd);
          }
        },
      ],
      [5, `unlink ${path}`, (fs) => fs.unlink(path)],
      [3, `rmdir ${path}`, (fs) => fs.rmdir(path)],
      [8, `rename ${path} ${other}`, (fs) => fs.rename(path, other)],
      [4, `symlink ${path} ${other}`, (fs) => fs.symlink(path, other)],
      [2, `readlink ${path}`, (fs) => fs.readlink(path).toString()],
      [4, `chmod ${path} ${mode.toString(8)}`, (fs) => fs.chmod(path, mode)],
      [3, `chown ${path} ${uid}:${gid}`, (fs) => fs.chown(path, uid!, gid!)],
      [1, `lchown ${path} ${uid}:${gid}`, (fs) => fs.lchown(path, uid!, gid!)],
      [
        2,
        `utimes ${path}`,
        (fs) => {
          fs.utimes(path, { sec: number, nsec: 0 }, { sec: seed, nsec: 0 });
          return fs.stat(path).mtime;
        },
      ],
      [3, `truncate ${path} ${number}`, (fs) => fs.truncate(path, number)],
      [3, `stat ${path}`, (fs) => visible(fs.stat(path))],
      [2, `lstat ${path}`, (fs) => visible(fs.lstat(path))],
      [
        3,
        `readdir ${path}`,
        (fs) =>
          fs
            .readdir(path)
            .map(({ name, type }) => `${name} ${type}`)
            .sort(),
      ],
    ];
    const [, name, operation] = weighted(this.#next, table);
    this.#both(user, name, operation);
    // fs.protected_hardlinks stops all but root.
    if (this.#next(15) === 0) this.#both(0, `link ${path} ${other}`, (fs) => fs.link(path, other));
  }

  #both(user: number, name: string, operation: Operation): void {
    const [memfs, host] = this.#drivers[user]!.map((fs) => outcome(() => operation(fs)));
    const who = `user ${USERS[user]?.uid ?? 0}: ${name}`;
    this.#history.push(`${who}: ${host}`.slice(0, 300));
    expect(memfs, who).to.equal(host);
  }
}

describe('model: memfs answers as the host does', () => {
  for (const seed of SEEDS) {
    const needs = hostOracle.lacks.users;
    const title = `seed ${seed}, ${OPS} operations`;
    if (needs !== undefined) {
      it(`${title} (skipped: ${needs})`);
      continue;
    }
    it(title, function () {
      this.timeout(0);
      new HostComparison(seed).run(seed, OPS);
    });
  }
});
