import { expect } from 'chai';
import { d_path, type Dentry, dput } from '../../src/dcache/dcache.js';
import { root_of, umount } from '../../src/dcache/mount.js';
import { vfs_create, vfs_mkdir, vfs_symlink } from '../../src/dcache/namei.js';
import { path_lookup } from '../../src/dcache/path.js';
import { Fixture, outcome } from '../lump-vfs/testfs.js';

describe('dcache/path', () => {
  let f: Fixture;
  let root: Dentry;

  beforeEach(() => {
    f = new Fixture();
    f.become(0);
    root = root_of(f.sb);
    const dir = vfs_mkdir(root, 'dir', 0o755);
    const sub = vfs_mkdir(dir, 'sub', 0o755);
    dput(vfs_create(sub, 'file', 0o644));
    for (const [name, target] of [
      ['abs', '/dir/sub'],
      ['rel', 'dir/./sub'],
      ['up', '../../../dir'],
      ['chain', 'abs'],
      ['dangling', 'nowhere'],
      ['loop', 'loop'],
      ['empty', ''],
      ['tofile', 'dir/sub/file'],
    ])
      dput(vfs_symlink(root, name, target));
    let last = 'dir';
    for (let i = 0; i < 41; i++) {
      dput(vfs_symlink(root, `l${i}`, last));
      last = `l${i}`;
    }
    dput(sub);
    dput(dir);
  });

  afterEach(() => {
    umount(f.sb);
    expect(f.lump.warnings).to.equal(0);
  });

  function walk(path: string, follow = true, start?: Dentry): string {
    let result = '';
    const code = outcome(() => {
      const found = path_lookup(root, path, follow, start);
      result = d_path(found);
      dput(found);
    });
    return code === 'ok' ? result : code;
  }

  const rows: [string, string][] = [
    ['/', '/'],
    ['//dir///sub//file', '/dir/sub/file'],
    ['dir/sub/..', '/dir'],
    ['/../../dir', '/dir'],
    ['dir/./sub/.', '/dir/sub'],
    ['dir/sub/file/', 'ENOTDIR'],
    ['dir/sub/file/x', 'ENOTDIR'],
    ['dir/sub/file/..', 'ENOTDIR'],
    ['dir/no', 'ENOENT'],
    ['dir/no/x', 'ENOENT'],
    ['', 'ENOENT'],
    ['abs/file', '/dir/sub/file'],
    ['rel', '/dir/sub'],
    ['up/sub', '/dir/sub'],
    ['chain/file', '/dir/sub/file'],
    ['dangling', 'ENOENT'],
    ['loop', 'ELOOP'],
    ['empty', 'ENOENT'],
    ['tofile', '/dir/sub/file'],
    ['tofile/', 'ENOTDIR'],
    ['l39', '/dir'],
    ['l40', 'ELOOP'],
    ['./'.repeat(2048), 'ENAMETOOLONG'],
    [`${'./'.repeat(2047)}.`, '/'],
  ];
  for (const [path, expected] of rows) {
    it(`${path.length > 40 ? `${path.slice(0, 10)}…` : `"${path}"`} is ${expected}`, () => {
      expect(walk(path)).to.equal(expected);
    });
  }

  it('does not follow the last symlink unless asked, or slashes come after it', () => {
    expect(walk('abs', false)).to.equal('/abs');
    expect(walk('abs/', false)).to.equal('/dir/sub');
    expect(walk('dangling', false)).to.equal('/dangling');
    expect(walk('abs/file', false)).to.equal('/dir/sub/file');
  });

  it('starts elsewhere, and stays inside its root', () => {
    const dir = path_lookup(root, 'dir', true);
    expect(walk('sub', true, dir)).to.equal('/dir/sub');
    expect(walk('/dir', true, dir)).to.equal('/dir');
    expect(walk('..', true, dir)).to.equal('/');
    const inside = path_lookup(dir, '../../sub', true);
    expect(d_path(inside)).to.equal('/dir/sub');
    dput(inside);
    dput(dir);
  });

  it('asks for search permission on the way', () => {
    const dir = path_lookup(root, 'dir', true);
    dir.d_inode!.i_mode &= ~0o011;
    f.become(5);
    expect(walk('dir')).to.equal('/dir');
    expect(walk('dir/sub')).to.equal('EACCES');
    expect(walk('dir/.')).to.equal('EACCES');
    dput(dir);
  });
});
