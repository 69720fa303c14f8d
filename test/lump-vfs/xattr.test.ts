import { expect } from 'chai';
import { root_of } from '../../src/dcache/mount.js';
import { vfs_create, vfs_mkdir, vfs_symlink } from '../../src/dcache/namei.js';
import { SB_RDONLY, XATTR_CREATE, XATTR_REPLACE } from '../../src/lump/fs.js';
import type { inode } from '../../src/lump/fs.js';
import {
  vfs_getxattr,
  vfs_listxattr,
  vfs_removexattr,
  vfs_setxattr,
} from '../../src/lump/xattr.js';
import { Fixture, outcome } from './testfs.js';

const VALUE = new Uint8Array([1, 2, 3]);
const set = (inode: inode, name: string, value = VALUE, flags = 0): string =>
  outcome(() => vfs_setxattr(inode, name, value, flags));
const get = (inode: inode, name: string): string => outcome(() => vfs_getxattr(inode, name));

describe('lump/xattr', () => {
  let f: Fixture;
  let file: inode;

  beforeEach(() => {
    f = new Fixture();
    f.become(0);
    file = vfs_create(root_of(f.sb), 'file', 0o644).d_inode!;
    file.i_uid = 1000;
  });

  it('sets, gets, lists and removes', () => {
    expect(get(file, 'user.a')).to.equal('ENODATA');
    expect(set(file, 'user.a')).to.equal('ok');
    expect(vfs_getxattr(file, 'user.a')).to.deep.equal(VALUE);
    expect(set(file, 'trusted.b')).to.equal('ok');
    expect(vfs_listxattr(file)).to.have.members(['user.a', 'trusted.b']);
    vfs_removexattr(file, 'user.a');
    expect(outcome(() => vfs_removexattr(file, 'user.a'))).to.equal('ENODATA');
    expect(vfs_listxattr(file)).to.deep.equal(['trusted.b']);
  });

  it('creates or replaces only, when told so', () => {
    expect(set(file, 'user.a', VALUE, XATTR_REPLACE)).to.equal('ENODATA');
    expect(set(file, 'user.a', VALUE, XATTR_CREATE)).to.equal('ok');
    expect(set(file, 'user.a', VALUE, XATTR_CREATE)).to.equal('EEXIST');
    expect(set(file, 'user.a', new Uint8Array(0), XATTR_REPLACE)).to.equal('ok');
    expect(vfs_getxattr(file, 'user.a').length).to.equal(0);
    expect(set(file, 'user.a', VALUE, 4)).to.equal('EINVAL');
  });

  it('keeps to the limits of names and values', () => {
    expect(set(file, '')).to.equal('ERANGE');
    expect(set(file, `user.${'n'.repeat(250)}`)).to.equal('ok');
    expect(set(file, `user.${'n'.repeat(251)}`)).to.equal('ERANGE');
    expect(set(file, 'user.v', new Uint8Array(65536))).to.equal('ok');
    expect(set(file, 'user.v', new Uint8Array(65537))).to.equal('E2BIG');
    expect(set(file, 'user.')).to.equal('EINVAL');
    expect(set(file, 'other.a')).to.equal('EOPNOTSUPP');
    expect(get(file, 'plain')).to.equal('EOPNOTSUPP');
    for (let i = 0; i < 300; i++) set(file, `user.${i}${'n'.repeat(240)}`);
    expect(outcome(() => vfs_listxattr(file))).to.equal('E2BIG');
  });

  it('trusted.* is hidden from the unprivileged', () => {
    set(file, 'trusted.b');
    f.become(1000);
    expect(get(file, 'trusted.b')).to.equal('ENODATA');
    expect(set(file, 'trusted.b')).to.equal('EPERM');
    expect(vfs_listxattr(file)).to.deep.equal([]);
  });

  it('security.* can be read by all and set by the privileged', () => {
    set(file, 'security.x');
    f.become(2000);
    expect(get(file, 'security.x')).to.equal('ok');
    expect(set(file, 'security.x')).to.equal('EPERM');
  });

  it('user.* follows the permission bits', () => {
    f.become(2000);
    expect(get(file, 'user.a')).to.equal('ENODATA');
    expect(set(file, 'user.a')).to.equal('EACCES');
    file.i_mode &= ~0o004;
    expect(get(file, 'user.a')).to.equal('EACCES');
  });

  it('user.* is for files and directories, in sticky ones for the owner', () => {
    const link = vfs_symlink(root_of(f.sb), 'link', 'x').d_inode!;
    expect(set(link, 'user.a')).to.equal('EPERM');
    expect(get(link, 'user.a')).to.equal('ENODATA');
    expect(set(link, 'trusted.a')).to.equal('ok');
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o1777).d_inode!;
    f.become(2000);
    expect(set(dir, 'user.a')).to.equal('EPERM');
    dir.i_mode &= ~0o1000;
    expect(set(dir, 'user.a')).to.equal('ok');
  });

  it('changes nothing on a read-only mount', () => {
    set(file, 'user.a');
    f.sb.s_flags |= SB_RDONLY;
    expect(set(file, 'user.a')).to.equal('EROFS');
    expect(set(file, 'trusted.a')).to.equal('EROFS');
    expect(outcome(() => vfs_removexattr(file, 'user.a'))).to.equal('EROFS');
    expect(get(file, 'user.a')).to.equal('ok');
  });
});
