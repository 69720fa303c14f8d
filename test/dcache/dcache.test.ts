import { expect } from 'chai';
import {
  d_ancestor,
  d_drop,
  d_exchange,
  d_find_alias,
  d_lookup,
  d_move,
  d_obtain_alias,
  d_path,
  type Dcache,
  dcache_of,
  type Dentry,
  dget,
  dput,
  is_subdir,
  shrink_dcache,
  shrink_dcache_parent,
} from '../../src/dcache/dcache.js';
import { drop_caches, root_of, umount } from '../../src/dcache/mount.js';
import {
  lookup_one,
  lookup_positive,
  vfs_create,
  vfs_link,
  vfs_mkdir,
  vfs_rename,
  vfs_rmdir,
  vfs_tmpfile,
  vfs_unlink,
} from '../../src/dcache/namei.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { DT_DIR } from '../../src/lump/fs.js';
import { Fixture, outcome, testfs_iget } from '../lump-vfs/testfs.js';

describe('dcache', () => {
  let f: Fixture;
  let root: Dentry;
  let cache: Dcache;

  beforeEach(() => {
    f = new Fixture();
    f.become(0);
    root = root_of(f.sb);
    cache = dcache_of(f.sb);
  });

  /** Nothing is referenced: all can go, and the mount ends without a warning. */
  function end_clean(): void {
    umount(f.sb);
    expect(cache.nr_dentry).to.equal(0);
    expect(cache.nr_unused).to.equal(0);
    expect(cache.nr_negative).to.equal(0);
    expect(f.lump.warnings).to.equal(0);
    expect(f.sb.s_inodes.size).to.equal(0);
  }

  it('asks the file system once for a name, also for one that is missing', () => {
    dput(vfs_create(root, 'file', 0o644));
    dput(lookup_one(root, 'nothing'));
    const asked = f.medium.lookups;
    for (let i = 0; i < 3; i++) {
      dput(lookup_one(root, 'file'));
      const missing = lookup_one(root, 'nothing');
      expect(missing.d_inode).to.equal(null);
      dput(missing);
    }
    expect(f.medium.lookups).to.equal(asked);
    expect(cache.nr_negative).to.equal(1);
    end_clean();
  });

  it('a negative name becomes positive by a create and negative again by an unlink', () => {
    const missing = lookup_one(root, 'file');
    const made = vfs_create(root, 'file', 0o644);
    expect(made).to.equal(missing);
    dput(missing);
    dput(made);
    vfs_unlink(root, 'file');
    const asked = f.medium.lookups;
    const gone = lookup_one(root, 'file');
    expect(gone.d_inode).to.equal(null);
    expect(f.medium.lookups).to.equal(asked);
    dput(gone);
    end_clean();
  });

  it('an unlinked file that is in use keeps its inode, its name is free', () => {
    const open = vfs_create(root, 'file', 0o644);
    const ino = open.d_inode!.i_ino;
    vfs_unlink(root, 'file');
    expect(open.d_inode!.i_ino).to.equal(ino);
    expect(d_path(open)).to.equal('/file (deleted)');
    const other = vfs_create(root, 'file', 0o644);
    expect(other).not.to.equal(open);
    expect(other.d_inode!.i_ino).not.to.equal(ino);
    dput(open);
    expect(f.medium.records.has(ino)).to.equal(false);
    dput(other);
    end_clean();
  });

  it('keeps unused names up to a bound, those asked for lately longest', () => {
    cache.unused_max = 64;
    for (let i = 0; i < 64; i++) dput(vfs_create(root, `f${i}`, 0o644));
    dput(lookup_one(root, 'f0'));
    dput(vfs_create(root, 'more', 0o644));
    expect(cache.nr_unused).to.equal(56);
    const asked = f.medium.lookups;
    dput(lookup_one(root, 'f0'));
    expect(f.medium.lookups).to.equal(asked);
    dput(lookup_one(root, 'f1'));
    expect(f.medium.lookups).to.equal(asked + 1);
    end_clean();
  });

  it('an unused directory stays while a name below it is used', () => {
    const dir = vfs_mkdir(root, 'dir', 0o755);
    const file = vfs_create(dir, 'file', 0o644);
    dput(dir);
    shrink_dcache(f.sb, 0);
    expect(d_path(file)).to.equal('/dir/file');
    const again = lookup_one(root, 'dir');
    expect(again).to.equal(dir);
    dput(again);
    dput(file);
    shrink_dcache(f.sb, 0);
    expect(cache.nr_dentry).to.equal(1);
    end_clean();
  });

  it('forgets a tree deeper than any stack', () => {
    f.sb.s_max_links = 0;
    let at = dget(root);
    for (let i = 0; i < 20_000; i++) {
      const next = vfs_mkdir(at, 'd', 0o755);
      dput(at);
      at = next;
    }
    expect(cache.nr_dentry).to.equal(20_001);
    dput(at);
    shrink_dcache_parent(root);
    expect(cache.nr_dentry).to.equal(1);
    end_clean();
  });

  it('shrinking a tree while the list is over its bound ends each name once', () => {
    cache.unused_max = 8;
    const held: Dentry[] = [];
    for (let i = 0; i < 6; i++) {
      const dir = vfs_mkdir(root, `d${i}`, 0o755);
      for (let j = 0; j < 20; j++) held.push(vfs_create(dir, `f${j}`, 0o644));
      dput(dir);
    }
    cache.unused_max = 1000;
    for (const dentry of held) dput(dentry);
    cache.unused_max = 8;
    shrink_dcache_parent(root);
    expect(cache.nr_dentry).to.equal(1);
    end_clean();
  });

  it('finds names of an inode: a hashed one first', () => {
    const one = vfs_create(root, 'one', 0o644);
    const two = vfs_link(one, root, 'two');
    const inode = one.d_inode!;
    expect(inode.i_dentry).to.have.members([one, two]);
    vfs_unlink(root, 'one');
    const alias = d_find_alias(inode);
    expect(alias).to.equal(two);
    dput(alias);
    vfs_unlink(root, 'two');
    expect(d_find_alias(inode)).to.equal(null);
    expect(inode.i_dentry).to.have.members([one, two]);
    dput(one);
    expect(inode.i_dentry).to.have.members([two]);
    dput(two);
    end_clean();
  });

  it('moves a name with all that is below it', () => {
    const a = vfs_mkdir(root, 'a', 0o755);
    const b = vfs_mkdir(root, 'b', 0o755);
    const file = vfs_create(a, 'file', 0o644);
    const target = lookup_one(b, 'moved');
    d_move(a, target);
    expect(d_path(file)).to.equal('/b/moved/file');
    expect(d_lookup(root, 'a')).to.equal(null);
    expect(target.d_hashed).to.equal(false);
    expect(root.d_children!.size).to.equal(1);
    // Counts: the reference on the parent went along.
    expect(b.d_count).to.equal(2);
    for (const dentry of [target, file, a, b]) dput(dentry);
    shrink_dcache(f.sb, 0);
    expect(cache.nr_dentry).to.equal(1);
  });

  it('exchanges two names', () => {
    const a = vfs_mkdir(root, 'a', 0o755);
    const below = vfs_create(a, 'x', 0o644);
    const b = vfs_create(root, 'b', 0o644);
    const c = vfs_mkdir(root, 'c', 0o755);
    const d = vfs_mkdir(c, 'd', 0o755);
    d_exchange(a, d);
    expect(d_path(below)).to.equal('/c/d/x');
    expect(d_path(d)).to.equal('/a');
    expect(d_ancestor(root, below)).to.equal(c);
    expect(d_ancestor(d, below)).to.equal(null);
    expect(is_subdir(below, a)).to.equal(true);
    for (const dentry of [below, a, b, d, c]) dput(dentry);
    shrink_dcache(f.sb, 0);
    expect(cache.nr_dentry).to.equal(1);
  });

  it('a file found by number has its name, or one that a lookup connects', () => {
    const dir = vfs_mkdir(root, 'dir', 0o755);
    const ino = dir.d_inode!.i_ino;
    const same = d_obtain_alias(testfs_iget(f.sb, ino));
    expect(same).to.equal(dir);
    dput(same);
    dput(dir);
    shrink_dcache(f.sb, 0);
    const lone = d_obtain_alias(testfs_iget(f.sb, ino));
    expect(lone.d_parent).to.equal(lone);
    const file = vfs_create(lone, 'file', 0o644);
    const connected = lookup_one(root, 'dir');
    expect(connected).to.equal(lone);
    expect(d_path(file)).to.equal('/dir/file');
    for (const dentry of [file, lone, connected]) dput(dentry);
    end_clean();
  });

  it('a directory that the medium names twice has one dentry, which moves', () => {
    const dir = vfs_mkdir(root, 'dir', 0o755);
    const ino = dir.d_inode!.i_ino;
    f.medium.records.get(1)!.entries.set('again', { ino, type: DT_DIR });
    const again = lookup_one(root, 'again');
    expect(again).to.equal(dir);
    expect(d_path(dir)).to.equal('/again');
    const first = lookup_one(root, 'dir');
    expect(first).to.equal(dir);
    for (const dentry of [dir, again, first]) dput(dentry);
    end_clean();
  });

  it('a directory inside itself is an error, not a loop', () => {
    const dir = vfs_mkdir(root, 'dir', 0o755);
    const sub = vfs_mkdir(dir, 'sub', 0o755);
    const { entries } = f.medium.records.get(sub.d_inode!.i_ino)!;
    entries.set('up', { ino: dir.d_inode!.i_ino, type: DT_DIR });
    entries.set('self', { ino: sub.d_inode!.i_ino, type: DT_DIR });
    entries.set('root', { ino: 1, type: DT_DIR });
    for (const name of ['up', 'self', 'root']) {
      expect(
        outcome(() => lookup_one(sub, name)),
        name,
      ).to.equal('ELOOP');
    }
    dput(sub);
    dput(dir);
    end_clean();
  });

  it('a removed directory keeps no names, and makes no new ones', () => {
    const dir = vfs_mkdir(root, 'dir', 0o755);
    dput(lookup_one(dir, 'nothing'));
    vfs_rmdir(root, 'dir');
    expect(dir.d_children!.size).to.equal(0);
    expect(outcome(() => lookup_one(dir, 'nothing'))).to.equal('ENOENT');
    expect(outcome(() => vfs_create(dir, 'file', 0o644))).to.equal('ENOENT');
    const parent = lookup_one(dir, '..');
    expect(parent).to.equal(root);
    dput(parent);
    dput(dir);
    end_clean();
  });

  it('panics on a reference given back twice', () => {
    const file = vfs_create(root, 'file', 0o644);
    dput(file);
    expect(() => dput(file)).to.throw(KernelPanic, 'file');
  });

  it('a name dropped while in use is asked for again', () => {
    const file = vfs_create(root, 'file', 0o644);
    d_drop(file);
    const fresh = lookup_positive(root, 'file');
    expect(fresh).not.to.equal(file);
    expect(fresh.d_inode).to.equal(file.d_inode);
    dput(file);
    dput(fresh);
    end_clean();
  });

  it('loses nothing, whichever allocation fails', () => {
    function work(parent: Dentry, held: Dentry[]): void {
      const keep = (dentry: Dentry): Dentry => {
        held.push(dentry);
        return dentry;
      };
      const dir = keep(vfs_mkdir(parent, 'dir', 0o755));
      const file = keep(vfs_create(dir, 'file', 0o644));
      keep(vfs_tmpfile(dir, 0o600));
      keep(vfs_link(file, parent, 'link'));
      vfs_rename(parent, 'link', dir, 'moved');
      keep(lookup_one(dir, 'nothing'));
      const { i_ino } = file.d_inode!;
      for (const dentry of held.splice(0)) dput(dentry);
      drop_caches(parent.d_sb);
      keep(d_obtain_alias(testfs_iget(parent.d_sb, i_ino)));
    }
    let nth = 0;
    let result: string;
    do {
      f = new Fixture();
      cache = dcache_of(f.sb);
      const held: Dentry[] = [];
      f.lump.slab.fail_nth(++nth);
      result = outcome(() => work(root_of(f.sb), held));
      f.lump.slab.fail_nth(0);
      for (const dentry of held) dput(dentry);
      end_clean();
    } while (result === 'ENOMEM');
    expect(result).to.equal('ok');
    expect(nth).to.be.greaterThan(8);
  });
});
