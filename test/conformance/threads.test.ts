/**
 * The scenarios of NetBSD's race tests (t_renamerace, t_rmdirrace) as processes on the seeded
 * scheduler, many interleavings of each on every file system. Whatever the order: calls answer what
 * the race explains, the tree is sound before and after it is mounted again, nothing is leaked, and
 * the checker of the medium finds nothing.
 */
import { expect } from 'chai';
import { Lump } from '../../src/lump/lump.js';
import { Memfs, NETBSD_ERRNO as E, netbsdErrnoName } from '../../src/puffs/index.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { EXT2FS } from '../../src/ukfs/mount_ext2fs.js';
import { FFS } from '../../src/ukfs/mount_ffs.js';
import { MSDOS } from '../../src/ukfs/mount_msdos.js';
import { SYSVBFS } from '../../src/ukfs/mount_sysvbfs.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { checkBfs, mkfsBfs, NO_MKFS_BFS } from '../netbsd-compat/bfs.js';
import { fsckFat, mkfsFat, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { debugfsWrite, e2fsck, mke2fs, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import type { DiskFileSystem } from '../../src/ukfs/mount_disk.js';
import { checkTree, names } from './expect.js';
import type { Mounted } from './row.js';
import { mountImage, mountJffs2, mountTmpfs, type Checker } from './rows.js';
import { Racers } from './threads.js';
import { UkfsDriver } from './ukfs_driver.js';

/** Interleavings of each scenario on each file system. */
const COUNT = Number(process.env.LUMP_INTERLEAVINGS ?? 10);
const ONLY = process.env.LUMP_SEED === undefined ? undefined : Number(process.env.LUMP_SEED);
/** Programs that check images are started for each such seed: they take longer than the race. */
const CHECKED_SEEDS = 10;

const EXPLAINED: readonly number[] = [
  0,
  E.ENOENT,
  E.EEXIST,
  E.ENOTEMPTY,
  E.EINVAL,
  E.ENOTDIR,
  E.EISDIR,
  // The node went while its cookie was in somebody's hand.
  E.ESTALE,
];

interface Raced extends Mounted {
  readonly lump: Lump;
}

interface System {
  readonly name: string;
  /** Why it cannot be made here. */
  readonly missing?: string;
  readonly hasDirectories: boolean;
  /** Whether what is free tells of what is leaked. */
  readonly counts: boolean;
  mount(seed: number): Raced;
}

const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};

const disk = (
  kind: DiskFileSystem,
  missing: string | undefined,
  make: () => Uint8Array,
  check: Checker,
  hasDirectories = true,
): System => {
  const image = once(make);
  return {
    name: kind.name,
    ...(missing !== undefined && { missing }),
    hasDirectories,
    counts: true,
    mount: (seed) => {
      const isChecked = seed % CHECKED_SEEDS === 0 || ONLY !== undefined;
      const options = { backend: 'async', seed } as const;
      return mountImage(kind, image(), isChecked ? check : () => {}, options);
    },
  };
};

class RacedMemfs implements Raced {
  readonly lump: Lump;
  readonly ops = new Memfs();
  readonly fs = new UkfsDriver(new Ukfs(this.ops));

  constructor(seed: number) {
    this.lump = new Lump({ host: new SimulatedHost(), seed });
    // Memfs has no threads; its background() would run none of ours.
    this.ops.background = () => this.lump.background();
  }
  again(): void {}
  unmount(): void {
    this.fs.ukfs.unmount();
  }
}

const SYSTEMS: readonly System[] = [
  {
    name: 'memfs',
    hasDirectories: true,
    counts: true,
    mount: (seed) => new RacedMemfs(seed),
  },
  { name: 'tmpfs', hasDirectories: true, counts: true, mount: mountTmpfs },
  {
    name: 'jffs2',
    hasDirectories: true,
    counts: false,
    mount: (seed) => mountJffs2({ size: 512 << 10, erasesize: 16 << 10, seed }),
  },
  disk(
    EXT2FS,
    NO_E2FSPROGS,
    () =>
      debugfsWrite(mke2fs('256K', '-t', 'ext2', '-b', '1024', '-N', '64'), ['rmdir lost+found']),
    e2fsck,
  ),
  disk(FFS, undefined, () => blankFfs(512 << 10), fsckFfs),
  disk(MSDOS, NO_DOSFSTOOLS, () => mkfsFat(256 << 10, '-F', '12'), fsckFat),
  disk(SYSVBFS, NO_MKFS_BFS, () => mkfsBfs(64 << 10), checkBfs, false),
];

interface Scenario {
  readonly name: string;
  readonly needsDirectories: boolean;
  start(racers: Racers): void;
}

const times = (count: number, start: (i: number) => void): void => {
  for (let i = 0; i < count; i++) start(i);
};

const SCENARIOS: readonly Scenario[] = [
  {
    name: 't_renamerace: renamerace',
    needsDirectories: false,
    start(racers) {
      times(3, (i) => {
        racers.start('w1', function* (r) {
          for (let round = 0; round < 3; round++) {
            yield r.create('rename.test1', 700 * i);
            yield r.unlink('rename.test1');
          }
        });
        racers.start('w2', function* (r) {
          for (let round = 0; round < 3; round++) yield r.rename('rename.test1', 'rename.test2');
        });
      });
      racers.start('sync', function* (r) {
        yield r.sync();
      });
    },
  },
  {
    name: 't_renamerace: renamerace_dirs',
    needsDirectories: true,
    start(racers) {
      racers.start('w1', function* (r) {
        for (let round = 0; round < 5; round++) {
          yield r.mkdir('rename.test1');
          yield r.rmdir('rename.test1');
        }
      });
      racers.start('w2', function* (r) {
        for (let round = 0; round < 5; round++) yield r.rename('rename.test1', 'rename.test2');
      });
      racers.start('w3', function* (r) {
        yield r.create('rename.test2/file', 10);
        yield r.unlink('rename.test2/file');
        yield r.rmdir('rename.test2');
        yield r.sync();
      });
    },
  },
  {
    name: 't_renamerace: renamerace_cycle',
    needsDirectories: true,
    start(racers) {
      racers.start('build', function* (r) {
        for (let round = 0; round < 3; round++) {
          for (const path of ['a', 'a/b', 'a/b/c']) yield r.mkdir(path);
          for (const path of ['a/b/c', 'a/b', 'a']) yield r.rmdir(path);
        }
      });
      racers.start('down', function* (r) {
        for (let round = 0; round < 4; round++) yield r.rename('a/b', 'a');
        yield r.rename('a/b/c', 'd');
      });
      racers.start('up', function* (r) {
        for (let round = 0; round < 3; round++) yield r.rename('a', 'a/b/c');
        yield r.rename('a/b', 'd/b');
        yield r.rename('d', 'a/b/c');
      });
    },
  },
  {
    name: 't_rmdirrace: race',
    needsDirectories: true,
    start(racers) {
      times(2, () => {
        racers.start('w', function* (r) {
          for (let round = 0; round < 4; round++) {
            yield r.mkdir('dir');
            yield r.rmdir('dir');
          }
        });
      });
      racers.start('inside', function* (r) {
        for (let round = 0; round < 3; round++) {
          yield r.create('dir/file', 100);
          yield r.readdir('dir');
          yield r.unlink('dir/file');
        }
      });
    },
  },
];

/** Takes everything away. */
function clear(fs: UkfsDriver, path = '/'): void {
  for (const name of names(fs, path)) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`;
    if ((fs.lstat(child).mode & 0o170000) === 0o040000) {
      clear(fs, child);
      fs.rmdir(child);
    } else fs.unlink(child);
  }
}

function race(system: System, scenario: Scenario, seed: number): string {
  const m = system.mount(seed);
  const fs = m.fs as UkfsDriver;
  // The root's first block of names is there from now on.
  fs.ukfs.writeFile('/rename.test1', '');
  fs.unlink('/rename.test1');
  const before = fs.statvfs();
  const racers = new Racers(m.ops!, m.lump, (ms) => m.advanceClock?.(ms / 1000));
  scenario.start(racers);
  racers.run();
  for (const answer of racers.answers.keys()) {
    const error = Number(answer.split(' ')[1]);
    expect(EXPLAINED, `${answer} (${netbsdErrnoName(error)})`).to.include(error);
  }
  checkTree(fs);
  m.again();
  checkTree(fs);
  clear(fs);
  if (system.counts) {
    const { bfree, ffree } = fs.statvfs();
    expect([bfree, ffree], 'blocks and nodes that are free').to.deep.equal([
      before.bfree,
      before.ffree,
    ]);
  }
  m.unmount();
  return JSON.stringify([...racers.answers].sort());
}

for (const system of SYSTEMS) {
  describe(`races, ${COUNT} interleavings each: ${system.name}`, function () {
    this.timeout(600_000);
    if (system.missing !== undefined) {
      it(`(skipped: ${system.missing})`);
      return;
    }
    for (const scenario of SCENARIOS) {
      if (scenario.needsDirectories && !system.hasDirectories) {
        it.skip(`${scenario.name} (skipped: it has one directory)`, () => {});
        continue;
      }
      it(scenario.name, () => {
        const first = ONLY ?? 1;
        const outcomes = new Set<string>();
        for (let seed = first; seed < first + (ONLY === undefined ? COUNT : 1); seed++) {
          try {
            outcomes.add(race(system, scenario, seed));
          } catch (error) {
            const again = `LUMP_SEED=${seed} npx mocha dist/test/conformance/threads.test.js`;
            const title = `${system.name} ${scenario.name}`;
            throw new Error(`${again} -g "${title}"\n${(error as Error).stack}`);
          }
        }
        if (ONLY === undefined) expect(outcomes.size, 'different outcomes').to.be.greaterThan(3);
        else expect(race(system, scenario, ONLY)).to.equal([...outcomes][0]);
      });
    }
  });
}
