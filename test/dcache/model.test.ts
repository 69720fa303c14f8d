/**
 * Random operations on names, with the cache checked against the medium after each: what it says
 * must be true, and its counts must add up. Also on a medium that names directories in several
 * places, as a damaged one may.
 */
import { expect } from 'chai';
import {
  type Dentry,
  d_drop,
  d_lookup,
  dcache_of,
  dget,
  dput,
  is_subdir,
  shrink_dcache,
} from '../../src/dcache/dcache.js';
import { drop_caches, root_of, umount } from '../../src/dcache/mount.js';
import {
  lookup_one,
  vfs_create,
  vfs_link,
  vfs_mkdir,
  vfs_rename,
  vfs_rmdir,
  vfs_symlink,
  vfs_tmpfile,
  vfs_unlink,
} from '../../src/dcache/namei.js';
import { Errno } from '../../src/lump/errno.js';
import { DT_DIR, RENAME_EXCHANGE, RENAME_NOREPLACE, S_ISDIR } from '../../src/lump/fs.js';
import { drop_nlink, inc_nlink } from '../../src/lump/inode.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Fixture } from '../lump-vfs/testfs.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const STEPS = 3000;

/** As expect() would say it, a hundred times as fast. */
function must(condition: boolean, what: string): void {
  if (!condition) expect.fail(`not so: ${what}`);
}

class Walk {
  readonly f = new Fixture();
  readonly prng: Prng;
  readonly root: Dentry;
  /** Dentries that this test holds, like open files and looked-up nodes do. */
  readonly held: Dentry[] = [];
  readonly outcomes = new Map<string, number>();
  readonly damages: boolean;

  constructor(seed: number, damages: boolean) {
    this.damages = damages;
    this.prng = new Prng(seed);
    this.f.become(0);
    this.root = root_of(this.f.sb);
    dcache_of(this.f.sb).unused_max = 12;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.prng.below(from.length)];
  }

  /** Some directory, with a reference. */
  directory(): Dentry {
    const dirs = this.held.filter((dentry) => dentry.d_inode && S_ISDIR(dentry.d_inode.i_mode));
    return dget(this.pick([this.root, ...dirs]));
  }

  keep(dentry: Dentry): void {
    this.held.push(dentry);
    if (this.held.length > 8) this.release();
  }

  release(): void {
    const [dentry] = this.held.splice(this.prng.below(this.held.length), 1);
    if (dentry !== undefined) dput(dentry);
  }

  act(dir: Dentry, other: Dentry, name: string): void {
    const { f, prng, root } = this;
    switch (prng.below(13)) {
      case 0:
      case 1:
        this.keep(vfs_mkdir(dir, name, 0o755));
        break;
      case 2:
        this.keep(vfs_create(dir, name, 0o644));
        break;
      case 3:
        dput(vfs_symlink(dir, name, 'x'));
        break;
      case 4:
        this.keep(vfs_link(this.pick([root, ...this.held]), dir, name));
        break;
      case 5:
        vfs_unlink(dir, name);
        break;
      case 6:
        vfs_rmdir(dir, name);
        break;
      case 7:
      case 8: {
        const flags = this.pick([0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE]);
        vfs_rename(dir, name, other, this.pick(NAMES), flags);
        break;
      }
      case 9:
      case 10:
        this.keep(lookup_one(dir, name));
        break;
      case 11:
        this.release();
        break;
      default:
        if (prng.below(4) === 0) this.keep(vfs_tmpfile(dir, 0o600));
        else if (prng.below(2) === 0) drop_caches(f.sb);
        else shrink_dcache(f.sb, 3);
    }
  }

  /**
   * The medium gets a second name of a directory: of one above the name, too. A name that leads
   * into a loop, and so nowhere, goes; else all would be such in the end.
   */
  damage(dir: Dentry, other: Dentry, name: string): void {
    const inode = dir.d_inode!;
    const record = this.f.medium.records.get(inode.i_ino);
    if (record === undefined || inode.i_nlink === 0) return;
    const cached = d_lookup(dir, name);
    const entry = record.entries.get(name);
    if (entry === undefined) {
      record.entries.set(name, { ino: other.d_inode!.i_ino, type: DT_DIR });
      // The file system relies on the count of links.
      inc_nlink(inode);
      if (cached !== null) d_drop(cached);
    } else if (cached === null && entry.type === DT_DIR) {
      const found = this.f.sb.s_inodes.get(entry.ino)?.i_dentry[0] as Dentry | undefined;
      if (found !== undefined && is_subdir(dir, found)) {
        record.entries.delete(name);
        drop_nlink(inode);
      }
    }
    record.nlink = inode.i_nlink;
    dput(cached);
  }

  step(): void {
    const dir = this.directory();
    const other = this.directory();
    let outcome = 'ok';
    try {
      if (this.damages && this.prng.below(9) === 0) this.damage(dir, other, this.pick(NAMES));
      this.act(dir, other, this.pick(NAMES));
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      outcome = error.code;
    } finally {
      dput(dir);
      dput(other);
    }
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /** All dentries: those reachable by name, those held, and all their parents. */
  dentries(): Set<Dentry> {
    const found = new Set<Dentry>();
    const queue = [this.root, ...this.held];
    for (let dentry = queue.pop(); dentry !== undefined; dentry = queue.pop()) {
      if (found.has(dentry)) continue;
      found.add(dentry);
      queue.push(dentry.d_parent, ...(dentry.d_children?.values() ?? []));
    }
    return found;
  }

  check(): void {
    const all = this.dentries();
    const cache = dcache_of(this.f.sb);
    expect(cache.nr_dentry).to.equal(all.size);
    expect(cache.nr_negative).to.equal([...all].filter((d) => d.d_inode === null).length);
    expect(cache.nr_unused).to.be.at.most(cache.unused_max);
    const counts = new Map<Dentry, number>([[this.root, 1]]);
    const count = (dentry: Dentry): unknown => counts.set(dentry, (counts.get(dentry) ?? 0) + 1);
    for (const dentry of this.held) count(dentry);
    for (const dentry of all) if (dentry.d_parent !== dentry) count(dentry.d_parent);
    for (const dentry of all) {
      must(dentry.d_count === (counts.get(dentry) ?? 0), 'the count is that of its users');
      must(dentry.d_count > 0 || cache.in_lru(dentry), 'unused ones are in the list');
      must(dentry.d_inode?.i_dentry.includes(dentry) ?? true, 'its inode knows it');
      if (dentry.d_hashed) this.check_against_medium(dentry);
    }
  }

  check_against_medium(dentry: Dentry): void {
    const parent = dentry.d_parent.d_inode;
    must(dentry.d_parent.d_children?.get(dentry.d_name) === dentry, 'it is found by its name');
    const entry = this.f.medium.records.get(parent?.i_ino ?? 0)?.entries.get(dentry.d_name);
    must(dentry.d_inode?.i_ino === entry?.ino, 'it says what the medium says');
  }
}

describe('dcache: random operations', () => {
  function run(seed: number, damages: boolean, mustSee: readonly string[]): void {
    const walk = new Walk(seed, damages);
    for (let step = 0; step < STEPS; step++) {
      walk.step();
      walk.check();
    }
    // The walk has been in all the corners, not against one wall.
    for (const code of ['ok', 'EEXIST', 'ENOENT', 'ENOTEMPTY', 'EISDIR', ...mustSee]) {
      expect(walk.outcomes.get(code) ?? 0, code).to.be.greaterThan(10);
    }
    while (walk.held.length > 0) walk.release();
    umount(walk.f.sb);
    expect(walk.f.lump.warnings).to.equal(0);
  }

  for (const seed of [1, 2, 3, 4]) {
    it(`leave the cache true to the medium (seed ${seed})`, () => {
      run(seed, false, ['ENOTDIR', 'EINVAL']);
    });

    it(`and to one that names directories twice (seed ${seed})`, () => {
      run(seed, true, ['ENOTDIR', 'EINVAL', 'ELOOP']);
    });
  }
});
