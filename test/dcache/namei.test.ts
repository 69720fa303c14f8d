import { expect } from 'chai';
import { d_path, type Dentry, dput } from '../../src/dcache/dcache.js';
import { mount_fs, root_of, umount } from '../../src/dcache/mount.js';
import {
  lookup_one,
  vfs_create,
  vfs_link,
  vfs_mkdir,
  vfs_mknod,
  vfs_readlink,
  vfs_rename,
  vfs_rmdir,
  vfs_symlink,
  vfs_tmpfile,
  vfs_unlink,
} from '../../src/dcache/namei.js';
import { fput, vfs_iterate_dir, vfs_open, vfs_read, vfs_write } from '../../src/lump/file.js';
import {
  DT_DIR,
  MKDEV,
  O_RDWR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFREG,
  S_IFSOCK,
  SB_RDONLY,
} from '../../src/lump/fs.js';
import { Fixture, outcome, TestMedium } from '../lump-vfs/testfs.js';

describe('dcache/namei', () => {
  let f: Fixture;
  let root: Dentry;
  /** What a test made; given back at its end, when an unmount must succeed. */
  let held: Dentry[];

  beforeEach(() => {
    f = new Fixture();
    f.become(0);
    root = root_of(f.sb);
    held = [];
  });

  afterEach(() => {
    for (const dentry of held.reverse()) dput(dentry);
    umount(f.sb);
    expect(f.lump.warnings).to.equal(0);
  });

  function keep(dentry: Dentry): Dentry {
    held.push(dentry);
    return dentry;
  }

  const mkdir = (parent: Dentry, name: string, mode = 0o755): Dentry =>
    keep(vfs_mkdir(parent, name, mode));
  const create = (parent: Dentry, name: string, mode = 0o644): Dentry =>
    keep(vfs_create(parent, name, mode));
  const names = (dir: Dentry): string[] =>
    [...f.medium.records.get(dir.d_inode!.i_ino)!.entries.keys()].sort();

  it('makes every kind of file', () => {
    const kinds = [S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];
    for (const kind of kinds) {
      const inode = keep(vfs_mknod(root, `k${kind}`, kind | 0o640, MKDEV(8, 300))).d_inode!;
      expect(inode.i_mode).to.equal(kind | 0o640);
      const device = kind === S_IFCHR || kind === S_IFBLK;
      expect(inode.i_rdev).to.equal(device ? MKDEV(8, 300) : 0);
    }
    expect(keep(vfs_mknod(root, 'plain', 0o600, 0)).d_inode!.i_mode).to.equal(S_IFREG | 0o600);
    expect(outcome(() => vfs_mknod(root, 'd', S_IFDIR | 0o755, 0))).to.equal('EPERM');
    expect(outcome(() => vfs_mknod(root, 'd', 0o170000, 0))).to.equal('EINVAL');
    const link = keep(vfs_symlink(root, 'link', 'to')).d_inode!;
    expect(vfs_readlink(link)).to.equal('to');
    expect(outcome(() => vfs_readlink(root.d_inode!))).to.equal('EINVAL');
    root.d_inode!.i_mode |= 0o777;
    f.become(5);
    expect(outcome(() => vfs_mknod(root, 'dev', S_IFCHR, 1))).to.equal('EPERM');
    keep(vfs_mknod(root, 'fifo', S_IFIFO, 0));
  });

  it('refuses names that exist, are dots, are too long or no names', () => {
    create(root, 'file');
    expect(outcome(() => vfs_create(root, 'file', 0))).to.equal('EEXIST');
    expect(outcome(() => vfs_mkdir(root, 'file', 0))).to.equal('EEXIST');
    expect(outcome(() => vfs_mkdir(root, '.', 0))).to.equal('EEXIST');
    expect(outcome(() => vfs_symlink(root, '..', 'x'))).to.equal('EEXIST');
    expect(outcome(() => vfs_create(root, 'n'.repeat(256), 0))).to.equal('ENAMETOOLONG');
    expect(outcome(() => vfs_create(root, 'n'.repeat(255), 0))).to.equal('ENAMETOOLONG');
    create(root, 'n'.repeat(254));
    for (const name of ['', 'a/b', 'a\0']) {
      expect(
        outcome(() => lookup_one(root, name)),
        name,
      ).to.equal('EACCES');
    }
    expect(outcome(() => vfs_symlink(root, 'l', 't'.repeat(4096)))).to.equal('ENAMETOOLONG');
  });

  it('refuses to look into what is no directory', () => {
    const file = create(root, 'file');
    expect(outcome(() => lookup_one(file, 'x'))).to.equal('ENOTDIR');
    expect(outcome(() => vfs_create(file, 'x', 0))).to.equal('ENOTDIR');
    const missing = keep(lookup_one(root, 'missing'));
    expect(outcome(() => lookup_one(missing, 'x'))).to.equal('ENOENT');
  });

  it('asks for search and write permission in the directory', () => {
    const dir = mkdir(root, 'dir', 0o755);
    create(dir, 'file');
    f.become(5);
    expect(outcome(() => keep(lookup_one(dir, 'file')))).to.equal('ok');
    expect(outcome(() => vfs_create(dir, 'new', 0))).to.equal('EACCES');
    expect(outcome(() => vfs_unlink(dir, 'file'))).to.equal('EACCES');
    expect(outcome(() => vfs_rename(dir, 'file', dir, 'other'))).to.equal('EACCES');
    expect(outcome(() => vfs_create(dir, 'file', 0))).to.equal('EEXIST');
    dir.d_inode!.i_mode &= ~0o001;
    expect(outcome(() => lookup_one(dir, 'file'))).to.equal('EACCES');
    f.lump.current_cred = { ...f.lump.current_cred, permissionsChecked: true };
    expect(outcome(() => vfs_unlink(dir, 'file'))).to.equal('ok');
  });

  it('asks before it says what is there, and both directories of a rename', () => {
    const closed = mkdir(root, 'closed', 0o700);
    create(closed, 'hidden');
    const fixed = mkdir(root, 'fixed', 0o755);
    const open = mkdir(root, 'open', 0o777);
    f.become(5);
    create(open, 'mine');
    expect(outcome(() => vfs_unlink(closed, 'missing'))).to.equal('EACCES');
    expect(outcome(() => vfs_create(closed, 'hidden', 0))).to.equal('EACCES');
    expect(outcome(() => vfs_rename(closed, 'missing', open, 'x'))).to.equal('EACCES');
    expect(outcome(() => vfs_rename(open, 'missing', closed, 'x'))).to.equal('EACCES');
    expect(outcome(() => vfs_rename(open, 'mine', fixed, 'x'))).to.equal('EACCES');
    expect(outcome(() => vfs_tmpfile(fixed, 0o600))).to.equal('EACCES');
  });

  it('answers for operations that a file system does not have', () => {
    const dir = mkdir(root, 'dir');
    const file = create(dir, 'file');
    mkdir(dir, 'sub');
    const { lookup, get_link } = dir.d_inode!.i_op;
    dir.d_inode!.i_op = { lookup, get_link };
    expect(outcome(() => vfs_create(dir, 'x', 0))).to.equal('EACCES');
    expect(outcome(() => vfs_mknod(dir, 'x', S_IFIFO, 0))).to.equal('EPERM');
    expect(outcome(() => vfs_mkdir(dir, 'x', 0))).to.equal('EPERM');
    expect(outcome(() => vfs_symlink(dir, 'x', 'y'))).to.equal('EPERM');
    expect(outcome(() => vfs_link(file, dir, 'x'))).to.equal('EPERM');
    expect(outcome(() => vfs_unlink(dir, 'file'))).to.equal('EPERM');
    expect(outcome(() => vfs_rmdir(dir, 'sub'))).to.equal('EPERM');
    expect(outcome(() => vfs_rename(dir, 'file', dir, 'x'))).to.equal('EPERM');
    expect(outcome(() => vfs_tmpfile(dir, 0))).to.equal('EOPNOTSUPP');
    dir.d_inode!.i_op = {};
    expect(outcome(() => lookup_one(dir, 'other'))).to.equal('ENOTDIR');
  });

  it('makes nothing in a removed directory', () => {
    const dir = mkdir(root, 'dir');
    const name = keep(lookup_one(dir, 'name'));
    vfs_rmdir(root, 'dir');
    expect(name.d_hashed).to.equal(false);
    create(root, 'file');
    expect(outcome(() => vfs_tmpfile(dir, 0o600))).to.equal('ENOENT');
    expect(outcome(() => vfs_rename(root, 'file', dir, 'name'))).to.equal('ENOENT');
    expect(outcome(() => vfs_mkdir(dir, 'name', 0))).to.equal('ENOENT');
  });

  it('the sticky bit protects what belongs to others', () => {
    const dir = mkdir(root, 'tmp', 0o1777);
    f.become(5);
    create(dir, 'five');
    f.become(6);
    create(dir, 'six');
    expect(outcome(() => vfs_unlink(dir, 'five'))).to.equal('EPERM');
    expect(outcome(() => vfs_rename(dir, 'six', dir, 'five'))).to.equal('EPERM');
    expect(outcome(() => vfs_rename(dir, 'five', dir, 'new'))).to.equal('EPERM');
    expect(outcome(() => vfs_unlink(dir, 'six'))).to.equal('ok');
    dir.d_inode!.i_uid = 6;
    expect(outcome(() => vfs_unlink(dir, 'five'))).to.equal('ok');
  });

  it('changes nothing on a read-only mount; an existing name is EEXIST there, too', () => {
    const dir = mkdir(root, 'dir');
    const file = create(root, 'file');
    f.sb.s_flags |= SB_RDONLY;
    expect(outcome(() => vfs_create(root, 'file', 0))).to.equal('EEXIST');
    expect(outcome(() => vfs_create(root, 'new', 0))).to.equal('EROFS');
    expect(outcome(() => vfs_mkdir(root, 'new', 0))).to.equal('EROFS');
    expect(outcome(() => vfs_link(file, root, 'new'))).to.equal('EROFS');
    expect(outcome(() => vfs_unlink(root, 'missing'))).to.equal('EROFS');
    expect(outcome(() => vfs_rmdir(root, 'dir'))).to.equal('EROFS');
    expect(outcome(() => vfs_rename(root, 'file', dir, 'x'))).to.equal('EROFS');
    expect(outcome(() => vfs_tmpfile(root, 0o600))).to.equal('EROFS');
  });

  it('unlink and rmdir keep to their kinds', () => {
    const dir = mkdir(root, 'dir');
    create(root, 'file');
    create(dir, 'inner');
    expect(outcome(() => vfs_unlink(root, 'dir'))).to.equal('EISDIR');
    expect(outcome(() => vfs_unlink(root, '..'))).to.equal('EISDIR');
    expect(outcome(() => vfs_unlink(root, 'missing'))).to.equal('ENOENT');
    expect(outcome(() => vfs_rmdir(root, 'file'))).to.equal('ENOTDIR');
    expect(outcome(() => vfs_rmdir(root, 'missing'))).to.equal('ENOENT');
    expect(outcome(() => vfs_rmdir(root, '.'))).to.equal('EINVAL');
    expect(outcome(() => vfs_rmdir(root, '..'))).to.equal('ENOTEMPTY');
    expect(outcome(() => vfs_rmdir(root, 'dir'))).to.equal('ENOTEMPTY');
    vfs_unlink(dir, 'inner');
    vfs_rmdir(root, 'dir');
    expect(names(root)).to.deep.equal(['file']);
  });

  it('links files, not directories, nor what has no link left, up to the maximum', () => {
    const dir = mkdir(root, 'dir');
    const file = create(root, 'file');
    const link = keep(vfs_link(file, dir, 'link'));
    expect(link.d_inode).to.equal(file.d_inode);
    expect(file.d_inode!.i_nlink).to.equal(2);
    expect(outcome(() => vfs_link(dir, root, 'dir2'))).to.equal('EPERM');
    expect(outcome(() => vfs_link(file, root, 'dir'))).to.equal('EEXIST');
    expect(outcome(() => vfs_link(keep(lookup_one(root, 'no')), root, 'x'))).to.equal('ENOENT');
    for (let i = 2; i < f.sb.s_max_links; i++) keep(vfs_link(file, dir, `l${i}`));
    expect(outcome(() => vfs_link(file, dir, 'one-more'))).to.equal('EMLINK');
    const lost = create(root, 'lost');
    vfs_unlink(root, 'lost');
    expect(outcome(() => vfs_link(lost, root, 'found'))).to.equal('ENOENT');
  });

  it('a directory has at most s_max_links - 2 directories', () => {
    for (let i = 2; i < f.sb.s_max_links; i++) mkdir(root, `d${i}`);
    expect(outcome(() => vfs_mkdir(root, 'more', 0o755))).to.equal('EMLINK');
    const dir = keep(lookup_one(root, 'd2'));
    mkdir(dir, 'sub');
    expect(outcome(() => vfs_rename(dir, 'sub', root, 'sub'))).to.equal('EMLINK');
    expect(outcome(() => vfs_rename(dir, 'sub', root, 'd3'))).to.equal('ok');
  });

  it('an exchange keeps to that maximum, too, and to permission', () => {
    const one = mkdir(root, 'one', 0o777);
    const two = mkdir(root, 'two', 0o777);
    mkdir(one, 'dir');
    create(two, 'file');
    const swap = (): string => outcome(() => vfs_rename(two, 'file', one, 'dir', RENAME_EXCHANGE));
    two.d_inode!.i_nlink = f.sb.s_max_links;
    expect(swap()).to.equal('EMLINK');
    two.d_inode!.i_nlink = 2;
    f.become(5);
    expect(swap()).to.equal('EACCES');
    f.become(0);
    one.d_inode!.i_nlink = f.sb.s_max_links;
    expect(swap()).to.equal('ok');
  });

  it('a file without a name lives until its last reference, or gets one', () => {
    const lost = vfs_tmpfile(root, 0o600);
    const { i_ino } = lost.d_inode!;
    expect(lost.d_inode!.i_nlink).to.equal(0);
    dput(lost);
    expect(f.medium.records.has(i_ino)).to.equal(false);
    f.lump.slab.fail_nth(2);
    expect(outcome(() => vfs_tmpfile(root, 0o600))).to.equal('ENOMEM');
    const kept = keep(vfs_tmpfile(root, 0o600));
    keep(vfs_link(kept, root, 'named'));
    expect(kept.d_inode!.i_nlink).to.equal(1);
    vfs_unlink(root, 'named');
    expect(outcome(() => vfs_link(kept, root, 'again'))).to.equal('ENOENT');
  });

  it('an unlinked open file is read and written', () => {
    const file = vfs_open(create(root, 'file').d_inode!, O_RDWR);
    vfs_unlink(root, 'file');
    const bytes = new Uint8Array([1, 2, 3, 4]);
    vfs_write(file, bytes, 0, 4, 654_321);
    const out = new Uint8Array(4);
    expect(vfs_read(file, out, 0, 4, 654_321)).to.equal(4);
    expect(out).to.deep.equal(bytes);
    fput(file);
  });

  describe('rename', () => {
    it('moves, replaces, and keeps the inode', () => {
      const a = mkdir(root, 'a');
      const b = mkdir(root, 'b');
      const file = create(a, 'file');
      const victim = create(b, 'victim');
      vfs_rename(a, 'file', b, 'victim');
      expect(d_path(file)).to.equal('/b/victim');
      expect(victim.d_inode!.i_nlink).to.equal(0);
      expect(names(a)).to.deep.equal([]);
      const found = keep(lookup_one(b, 'victim'));
      expect(found).to.equal(file);
      expect(keep(lookup_one(a, 'file')).d_inode).to.equal(null);
    });

    it('two names of one inode: nothing happens', () => {
      const file = create(root, 'one');
      keep(vfs_link(file, root, 'two'));
      vfs_rename(root, 'one', root, 'two');
      expect(names(root)).to.deep.equal(['one', 'two']);
    });

    it('keeps to the kinds', () => {
      const dir = mkdir(root, 'dir');
      create(root, 'file');
      create(dir, 'inner');
      const empty = mkdir(root, 'empty');
      expect(outcome(() => vfs_rename(root, 'file', root, 'dir'))).to.equal('EISDIR');
      expect(outcome(() => vfs_rename(root, 'dir', root, 'file'))).to.equal('ENOTDIR');
      expect(outcome(() => vfs_rename(root, 'empty', root, 'dir'))).to.equal('ENOTEMPTY');
      expect(outcome(() => vfs_rename(root, 'no', root, 'dir'))).to.equal('ENOENT');
      expect(outcome(() => vfs_rename(root, '.', root, 'dir'))).to.equal('EBUSY');
      expect(outcome(() => vfs_rename(root, 'dir', root, '..'))).to.equal('EBUSY');
      vfs_rename(root, 'dir', root, 'empty');
      expect(d_path(dir)).to.equal('/empty');
      expect(outcome(() => vfs_create(empty, 'x', 0))).to.equal('ENOENT');
      expect(root.d_inode!.i_nlink).to.equal(3);
    });

    it('not into itself, nor onto an ancestor', () => {
      const a = mkdir(root, 'a');
      const b = mkdir(a, 'b');
      const c = mkdir(b, 'c');
      expect(outcome(() => vfs_rename(root, 'a', a, 'x'))).to.equal('EINVAL');
      expect(outcome(() => vfs_rename(root, 'a', b, 'x'))).to.equal('EINVAL');
      expect(outcome(() => vfs_rename(root, 'a', c, 'x'))).to.equal('EINVAL');
      expect(outcome(() => vfs_rename(b, 'c', root, 'a'))).to.equal('ENOTEMPTY');
      expect(outcome(() => vfs_rename(b, 'c', root, 'a', RENAME_EXCHANGE))).to.equal('EINVAL');
      vfs_rename(b, 'c', root, 'c');
      vfs_rename(root, 'a', c, 'a');
      expect(d_path(b)).to.equal('/c/a/b');
    });

    it('not into itself either where looking it up puts it above the new parent', () => {
      const [a, b] = [mkdir(root, 'a'), mkdir(root, 'b')];
      const dir = mkdir(b, 'dir');
      const sub = mkdir(dir, 'sub');
      create(sub, 'file');
      // A damaged medium: "dir" is in "a" as well, and the cache knows it where it was used last.
      const nameAgain = (): void => {
        const { entries } = f.medium.records.get(a.d_inode!.i_ino)!;
        entries.set('again', { ino: dir.d_inode!.i_ino, type: DT_DIR });
        expect(keep(lookup_one(b, 'dir'))).to.equal(dir);
        expect(d_path(dir)).to.equal('/b/dir');
      };
      nameAgain();
      expect(outcome(() => vfs_rename(a, 'again', dir, 'x'))).to.equal('EINVAL');
      expect(d_path(sub)).to.equal('/a/again/sub');
      nameAgain();
      expect(outcome(() => vfs_rename(a, 'again', sub, 'x'))).to.equal('EINVAL');
      nameAgain();
      expect(outcome(() => vfs_rename(sub, 'file', a, 'again'))).to.equal('ENOTEMPTY');
      nameAgain();
      const exchange = (): void => vfs_rename(sub, 'file', a, 'again', RENAME_EXCHANGE);
      expect(outcome(exchange)).to.equal('EINVAL');
      // To where it does not stand above, it moves.
      nameAgain();
      vfs_rename(a, 'again', root, 'moved');
      expect(d_path(sub)).to.equal('/moved/sub');
    });

    it('with RENAME_NOREPLACE and RENAME_EXCHANGE', () => {
      const dir = mkdir(root, 'dir');
      const file = create(root, 'file');
      const inner = create(dir, 'inner');
      const rename = (flags: number, name = 'inner'): string =>
        outcome(() => vfs_rename(root, 'file', dir, name, flags));
      expect(rename(RENAME_NOREPLACE)).to.equal('EEXIST');
      expect(rename(RENAME_EXCHANGE, 'no')).to.equal('ENOENT');
      expect(rename(RENAME_EXCHANGE | RENAME_NOREPLACE)).to.equal('EINVAL');
      expect(rename(8)).to.equal('EINVAL');
      expect(rename(RENAME_WHITEOUT)).to.equal('EINVAL');
      expect(rename(RENAME_EXCHANGE)).to.equal('ok');
      expect([d_path(file), d_path(inner)]).to.deep.equal(['/dir/inner', '/file']);
      const other = mkdir(root, 'other');
      vfs_rename(root, 'other', dir, 'inner', RENAME_EXCHANGE);
      expect([d_path(file), d_path(other)]).to.deep.equal(['/other', '/dir/inner']);
      expect(rename(RENAME_NOREPLACE, 'new')).to.equal('ok');
      // Both directories of an exchange live on.
      vfs_rename(dir, 'inner', root, 'dir2', RENAME_NOREPLACE);
      vfs_rename(root, 'dir2', root, 'dir', RENAME_EXCHANGE);
      expect([d_path(dir), d_path(other)]).to.deep.equal(['/dir2', '/dir']);
      create(dir, 'in-dir');
      create(other, 'in-other');
    });

    it('a directory that gets another parent must be writeable itself', () => {
      const a = mkdir(root, 'a', 0o777);
      const b = mkdir(root, 'b', 0o777);
      mkdir(a, 'sub', 0o755);
      f.become(5);
      expect(outcome(() => vfs_rename(a, 'sub', b, 'sub'))).to.equal('EACCES');
      expect(outcome(() => vfs_rename(a, 'sub', a, 'bus'))).to.equal('ok');
    });

    it('not to another mount', () => {
      create(root, 'file');
      const other = mount_fs(f.lump, 'testfs', new TestMedium(), 0, '');
      const elsewhere = root_of(other);
      expect(outcome(() => vfs_rename(root, 'file', elsewhere, 'file'))).to.equal('EXDEV');
      const file = keep(lookup_one(root, 'file'));
      expect(outcome(() => vfs_link(file, elsewhere, 'file'))).to.equal('EXDEV');
      umount(other);
    });
  });

  it('lists a directory, and goes on where it stopped', () => {
    const dir = mkdir(root, 'dir');
    for (const name of ['a', 'b', 'c']) create(dir, name);
    const file = vfs_open(dir.d_inode!, 0);
    const seen: string[] = [];
    const ctx = {
      pos: 0,
      actor: (name: string): boolean => seen.length < 3 && seen.push(name) > 0,
    };
    vfs_iterate_dir(file, ctx);
    expect(seen).to.deep.equal(['.', '..', 'a']);
    expect(file.f_pos).to.equal(3);
    seen.length = 0;
    vfs_iterate_dir(file, ctx);
    expect(seen).to.deep.equal(['b', 'c']);
    for (const name of ['a', 'b', 'c']) vfs_unlink(dir, name);
    vfs_rmdir(root, 'dir');
    expect(outcome(() => vfs_iterate_dir(file, ctx))).to.equal('ENOENT');
    fput(file);
    const plain = vfs_open(create(root, 'file').d_inode!, 0);
    expect(outcome(() => vfs_iterate_dir(plain, ctx))).to.equal('ENOTDIR');
    fput(plain);
  });
});
