/**
 * Random calls on a small, busy, often full medium against a model of a few Maps: every kind of
 * entry, attributes, files that are open when they lose their name, remounts, garbage collection in
 * between, and the accounting checked now and then.
 *
 * LUMP_OPS=n calls per seed, LUMP_SEEDS=n seeds; LUMP_SEED=n that one alone.
 */
import { expect } from 'chai';
import { drop_caches } from '../../src/dcache/mount.js';
import { jffs2_garbage_collect_pass } from '../../src/jffs2/gc.js';
import { Errno } from '../../src/lump/errno.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { blankBacking, MEDIA, type Medium } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';
import { differenceOf, treeOf, type Tree } from './tree_of.js';

const OPS = Number(process.env.LUMP_OPS ?? 1000);
const SEEDS =
  process.env.LUMP_SEED !== undefined
    ? [Number(process.env.LUMP_SEED)]
    : Array.from({ length: Number(process.env.LUMP_SEEDS ?? 8) }, (_, n) => n);

interface ModelInode {
  mode: number;
  owner: string;
  links: number;
  data: Uint8Array;
  target: string;
  rdev: number;
  xattrs: Map<string, string>;
  /** Of a directory. */
  entries: Map<string, ModelInode> | null;
}

const S_IFMT = 0o170000;

class Model {
  readonly root = this.inode(0o040755);

  inode(mode: number): ModelInode {
    const isDirectory = (mode & S_IFMT) === 0o040000;
    return {
      mode,
      owner: '0:0',
      links: 1,
      data: new Uint8Array(0),
      target: '',
      rdev: 0,
      xattrs: new Map(),
      entries: isDirectory ? new Map() : null,
    };
  }

  /** The directory of a path and the last name. */
  place(path: string): { dir: Map<string, ModelInode>; name: string } {
    const names = path.split('/').slice(1);
    const name = names.pop()!;
    let dir = this.root;
    for (const part of names) dir = dir.entries!.get(part)!;
    return { dir: dir.entries!, name };
  }

  at(path: string): ModelInode {
    if (path === '/') return this.root;
    const { dir, name } = this.place(path);
    return dir.get(name)!;
  }

  /** All paths, parents first, root left out. */
  paths(of: (inode: ModelInode) => boolean = () => true): string[] {
    const found: string[] = [];
    const visit = (dir: ModelInode, path: string): void => {
      for (const [name, inode] of dir.entries!) {
        if (of(inode)) found.push(`${path}/${name}`);
        if (inode.entries) visit(inode, `${path}/${name}`);
      }
    };
    visit(this.root, '');
    return found;
  }

  /** As treeOf() shows it. */
  tree(): Tree {
    const tree: Tree = new Map();
    const visit = (inode: ModelInode, path: string): void => {
      let line = `${inode.mode.toString(8)} ${inode.owner}`;
      if (!inode.entries && inode.links > 1) line += ` ×${inode.links}`;
      switch (inode.mode & S_IFMT) {
        case 0o100000:
          line += ` ${inode.data.length} ${Buffer.from(inode.data).toString('latin1')}`;
          break;
        case 0o120000:
          line += ` -> ${inode.target}`;
          break;
        case 0o020000:
        case 0o060000:
          line += ` ${inode.rdev}`;
          break;
        default:
      }
      for (const [name, value] of [...inode.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
        line += ` ${name}=${value}`;
      }
      tree.set(path, line);
      for (const name of [...(inode.entries?.keys() ?? [])].sort()) {
        visit(inode.entries!.get(name)!, `${path === '/' ? '' : path}/${name}`);
      }
    };
    visit(this.root, '/');
    return tree;
  }
}

const isFile = (inode: ModelInode): boolean => (inode.mode & S_IFMT) === 0o100000;
const isDirectory = (inode: ModelInode): boolean => inode.entries !== null;

class Run {
  readonly prng: Prng;
  readonly rig: Rig;
  readonly model = new Model();
  readonly open: { fd: number; inode: ModelInode }[] = [];
  full = 0;
  room = 0;

  constructor(seed: number, medium: Medium | null) {
    this.prng = new Prng(seed);
    const options = [
      '',
      'endian=big',
      'nosummary',
      'compr=none',
      'endian=big,compr=lzo',
      'compr=zlib',
    ][seed % 6]!;
    if (medium !== null) {
      const host = newHost(seed);
      const mtd = medium.chip(host, blankBacking(medium));
      this.rig = new Rig({ mtd, host, options, seed, pageCacheBytes: 256 << 10 });
      return;
    }
    const eraseBytes = [4096, 8192, 16384][seed % 3]!;
    this.rig = new Rig({
      sizeBytes: eraseBytes * 16,
      eraseBytes,
      options,
      seed,
      pageCacheBytes: 256 << 10,
    });
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.prng.below(list.length)];
  }

  /** @returns false when the medium was full; the next calls then make room. */
  attempt(call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      const { code } = error as { code?: string };
      // A panic says more by itself.
      if (code === undefined) throw error;
      expect(code).to.equal('ENOSPC');
      this.full++;
      this.room = 12;
      return false;
    }
  }

  fresh(): string {
    const dir = this.pick(['', ...this.model.paths(isDirectory)])!;
    const { prng } = this;
    const name = prng.below(30) === 0 ? 'L'.repeat(200 + prng.below(55)) : `n${prng.below(12)}`;
    return `${dir}/${name}`;
  }

  remove(): void {
    const path = this.pick(this.model.paths());
    if (path === undefined) return;
    const inode = this.model.at(path);
    const { u } = this.rig;
    if (inode.entries && inode.entries.size > 0) {
      expect(() => u.rmdir(path)).to.throw(/ENOTEMPTY/);
      return;
    }
    const done = this.attempt(() => (inode.entries ? u.rmdir(path) : u.unlink(path)));
    // Deleting must always be possible.
    expect(done, `remove ${path} on a full medium`).to.equal(true);
    const { dir, name } = this.model.place(path);
    dir.delete(name);
    inode.links--;
  }

  make(): void {
    const path = this.fresh();
    const { dir, name } = this.model.place(path);
    if (dir.has(name)) return;
    const { u } = this.rig;
    const { prng } = this;
    let inode: ModelInode;
    let call: () => void;
    switch (prng.below(6)) {
      case 0:
        inode = this.model.inode(0o040755);
        call = () => u.mkdir(path, 0o755);
        break;
      case 1:
        inode = this.model.inode(0o120777);
        inode.target = 't'.repeat(1 + prng.below(254));
        call = () => u.symlink(inode.target, path);
        break;
      case 2: {
        const kind = this.pick([0o020000, 0o060000, 0o010000, 0o140000])!;
        inode = this.model.inode(kind | 0o640);
        if (kind === 0o020000 || kind === 0o060000) inode.rdev = this.pick([0x103, 0x1111_0370])!;
        call = () => u.mknod(path, kind | 0o640, inode.rdev);
        break;
      }
      default:
        inode = this.model.inode(0o100644);
        call = () => u.close(u.open(path, 'wx', 0o644));
    }
    if (this.attempt(call)) dir.set(name, inode);
  }

  /** Writes through a descriptor; what was accepted goes into the model. */
  write(fd: number, inode: ModelInode): void {
    const { prng } = this;
    const { u } = this.rig;
    const { length: size } = inode.data;
    const at = prng.below(3) === 0 ? size : prng.below(size + (prng.below(4) === 0 ? 9000 : 10));
    const data = sampleBytes(1 + prng.below(prng.below(5) === 0 ? 9000 : 1500), prng.below(99));
    let done = 0;
    this.attempt(() => {
      done = u.write(fd, data, 0, data.length, at);
    });
    // A write behind the end may have made the hole and then failed.
    const end = Math.max(u.fstat(fd).size, size);
    const grown = new Uint8Array(Math.max(end, done > 0 ? at + done : 0));
    grown.set(inode.data);
    if (done > 0) grown.set(data.subarray(0, done), at);
    expect(grown.length === end, 'size after a write').to.equal(true);
    expect(end <= Math.max(size, at + done), 'grown by more than the hole').to.equal(true);
    inode.data = grown;
  }

  change(): void {
    const { u } = this.rig;
    const { prng, model } = this;
    const path = this.pick(model.paths());
    if (path === undefined) return;
    const inode = model.at(path);
    switch (prng.below(7)) {
      case 0: {
        const mode = (inode.mode & S_IFMT) | prng.below(0o1000);
        if ((inode.mode & S_IFMT) === 0o120000) break;
        if (this.attempt(() => u.chmod(path, mode))) inode.mode = mode;
        break;
      }
      case 1: {
        const owner = [prng.below(0x10000), prng.below(0x10000)] as const;
        if (this.attempt(() => u.lchown(path, ...owner))) inode.owner = owner.join(':');
        break;
      }
      case 2: {
        if (!isFile(inode)) break;
        const size = prng.below(12_000);
        if (!this.attempt(() => u.truncate(path, size))) break;
        const cut = new Uint8Array(size);
        cut.set(inode.data.subarray(0, size));
        inode.data = cut;
        break;
      }
      case 3: {
        if ((inode.mode & S_IFMT) === 0o120000) break;
        const name = `${this.pick(['user.', 'trusted.', 'security.'])}${prng.below(3)}`;
        if (name.startsWith('user.') && !isFile(inode) && !isDirectory(inode)) break;
        const value = 'v'.repeat(prng.below(prng.below(6) === 0 ? 1500 : 30));
        if (this.attempt(() => u.setxattr(path, name, value))) inode.xattrs.set(name, value);
        break;
      }
      case 4: {
        const name = this.pick([...inode.xattrs.keys()]);
        if (name === undefined) break;
        if (this.attempt(() => u.removexattr(path, name, false))) inode.xattrs.delete(name);
        break;
      }
      case 5: {
        const to = this.fresh();
        const { dir, name } = model.place(to);
        if (isDirectory(inode) || dir.has(name)) break;
        if (this.attempt(() => u.link(path, to))) {
          dir.set(name, inode);
          inode.links++;
        }
        break;
      }
      default:
        this.rename(path, inode);
    }
  }

  rename(path: string, inode: ModelInode): void {
    const { u } = this.rig;
    const to = this.fresh();
    if (to.startsWith(`${path}/`)) return;
    const from = this.model.place(path);
    const { dir, name } = this.model.place(to);
    const victim = dir.get(name);
    if (victim === inode) return;
    if (victim && (isDirectory(victim) !== isDirectory(inode) || (victim.entries?.size ?? 0) > 0)) {
      expect(() => u.rename(path, to)).to.throw(/ENOTEMPTY|EISDIR|ENOTDIR/);
      return;
    }
    if (!this.attempt(() => u.rename(path, to))) return;
    if (victim) victim.links--;
    dir.set(name, inode);
    from.dir.delete(from.name);
  }

  step(n: number): void {
    const { prng, rig } = this;
    const { u } = rig;
    rig.host.advance(prng.below(25));
    const kind = this.room-- > 0 ? 0 : prng.below(100);
    if (kind < 12) {
      this.remove();
    } else if (kind < 30) {
      this.make();
    } else if (kind < 55) {
      const path = this.pick(this.model.paths(isFile));
      if (path === undefined) return;
      const inode = this.model.at(path);
      const fd = u.open(path, 'r+');
      this.write(fd, inode);
      if (this.open.length < 4 && prng.below(4) === 0) this.open.push({ fd, inode });
      else u.close(fd);
    } else if (kind < 80) {
      this.change();
    } else if (kind < 86) {
      const held = this.pick(this.open);
      if (!held) return;
      this.write(held.fd, held.inode);
      const buf = new Uint8Array(held.inode.data.length + 1);
      expect(u.read(held.fd, buf, 0, buf.length, 0)).to.equal(held.inode.data.length);
      expect(Buffer.compare(buf.subarray(0, -1), held.inode.data)).to.equal(0);
    } else if (kind < 90) {
      const at = prng.below(this.open.length + 1);
      for (const { fd } of this.open.splice(at, 1)) u.close(fd);
    } else if (kind < 93) {
      rig.settle(10);
    } else if (kind < 97) {
      for (let pass = 0; pass < 30; pass++) {
        rig.host.advance(prng.below(9));
        try {
          jffs2_garbage_collect_pass(rig.c);
        } catch (error) {
          // There is nothing to collect.
          if (!(error instanceof Errno)) throw error;
          break;
        }
      }
    } else if (kind === 97) {
      drop_caches(rig.sb);
    } else if (kind === 98) {
      rig.check();
      this.compare(n);
    } else {
      for (const { fd } of this.open.splice(0)) u.close(fd);
      rig.check();
      rig.remount();
      this.compare(n);
    }
  }

  compare(n: number): void {
    const difference = differenceOf(treeOf(this.rig.u), this.model.tree());
    expect(difference, `after ${n} calls`).to.equal('');
  }
}

describe('jffs2 against a model', () => {
  const rows = SEEDS.flatMap((seed) => {
    const page = Object.values(MEDIA);
    return [
      { seed, medium: null },
      // One seed, one medium: all have their turn.
      { seed, medium: page[seed % page.length]! },
    ];
  });
  for (const { seed, medium } of rows) {
    const on = medium?.name ?? 'NOR';
    it(`does what the model does on ${on}, LUMP_SEED=${seed}, ${OPS} calls`, function () {
      this.timeout(0);
      const run = new Run(seed, medium);
      for (let n = 0; n < OPS; n++) run.step(n);
      for (const { fd } of run.open.splice(0)) run.rig.u.close(fd);
      run.compare(OPS);
      run.rig.remount();
      run.compare(OPS);
      run.rig.check();
      const { damage } = run.rig.c;
      expect(damage.total, damage.summary()).to.equal(0);
      // Every block has been erased more than once.
      expect(Math.min(...run.rig.mtd.wear.eraseCount)).to.be.greaterThan(OPS >= 1000 ? 1 : 0);
      run.rig.umount();
    });
  }
});
