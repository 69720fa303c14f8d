import { expect } from 'chai';
import { dcache_of, dput } from '../../src/dcache/dcache.js';
import { drop_caches, mount_fs, remount, root_of, umount } from '../../src/dcache/mount.js';
import {
  lookup_one,
  lookup_positive,
  vfs_create,
  vfs_mkdir,
  vfs_unlink,
} from '../../src/dcache/namei.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { fput, vfs_open, vfs_read, vfs_write } from '../../src/lump/file.js';
import { O_RDWR, SB_RDONLY, sb_rdonly } from '../../src/lump/fs.js';
import { new_kstatfs, vfs_statfs } from '../../src/lump/super.js';
import { Fixture, outcome } from '../lump-vfs/testfs.js';

describe('dcache/mount', () => {
  let f: Fixture;

  beforeEach(() => {
    f = new Fixture();
  });

  it('mounts what is registered, with its options', () => {
    expect(outcome(() => mount_fs(f.lump, 'nofs', null, 0, ''))).to.equal('ENODEV');
    expect(outcome(() => mount_fs(f.lump, 'testfs', f.medium, 0, 'bad'))).to.equal('EINVAL');
    const statfs = new_kstatfs();
    vfs_statfs(f.sb, statfs);
    expect(statfs.f_namelen).to.equal(254);
  });

  it('what was written is there at the next mount', () => {
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o750);
    const dentry = vfs_create(dir, 'file', 0o640);
    const file = vfs_open(dentry.d_inode!, O_RDWR);
    vfs_write(file, new Uint8Array([1, 2, 3]), 0, 3, 5000);
    fput(file);
    dput(dentry);
    dput(dir);
    umount(f.sb);
    expect(f.lump.warnings).to.equal(0);
    const sb = mount_fs(f.lump, 'testfs', f.medium, 0, '');
    const again = lookup_positive(root_of(sb), 'dir');
    const found = lookup_positive(again, 'file');
    expect(found.d_inode!.i_mode).to.equal(0o100640);
    const reader = vfs_open(found.d_inode!, 0);
    const out = new Uint8Array(8);
    expect(vfs_read(reader, out, 0, 8, 4998)).to.equal(5);
    expect([...out]).to.deep.equal([0, 0, 1, 2, 3, 0, 0, 0]);
    fput(reader);
    dput(found);
    dput(again);
    umount(sb);
  });

  it('is busy while a file is open or a name is held; the try empties the caches', () => {
    const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
    dput(lookup_one(root_of(f.sb), 'nothing'));
    expect(outcome(() => umount(f.sb))).to.equal('EBUSY');
    expect(dcache_of(f.sb).nr_dentry).to.equal(2);
    const file = vfs_open(dentry.d_inode!, 0);
    dput(dentry);
    expect(outcome(() => umount(f.sb))).to.equal('EBUSY');
    vfs_unlink(root_of(f.sb), 'file');
    expect(outcome(() => umount(f.sb))).to.equal('EBUSY');
    fput(file);
    umount(f.sb);
    expect(f.lump.warnings).to.equal(0);
    expect(() => umount(f.sb)).to.throw(KernelPanic);
  });

  it('by force it ends whatever is open, and late returns do no harm', () => {
    const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
    const gone = vfs_create(root_of(f.sb), 'gone', 0o644);
    vfs_unlink(root_of(f.sb), 'gone');
    const file = vfs_open(dentry.d_inode!, O_RDWR);
    umount(f.sb, true);
    expect(f.lump.warnings).to.equal(0);
    expect(f.medium.evictions).to.equal(3);
    expect(f.medium.records.size).to.equal(2);
    fput(file);
    dput(gone);
    dput(dentry);
    expect(f.medium.evictions).to.equal(3);
    const sb = mount_fs(f.lump, 'testfs', f.medium, 0, '');
    umount(sb);
  });

  it('a sync that fails keeps the mount, unless forced', () => {
    f.medium.free_pages = -1;
    expect(outcome(() => umount(f.sb))).to.equal('EIO');
    dput(vfs_create(root_of(f.sb), 'file', 0o644));
    umount(f.sb, true);
    expect(f.lump.dmesg().join('\n')).to.match(/testfs: unmounted by force.*EIO/);
  });

  it('drops its caches, not what is in use', () => {
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o755);
    for (const name of ['kept', 'gone']) {
      const dentry = vfs_create(dir, name, 0o644);
      const file = vfs_open(dentry.d_inode!, O_RDWR);
      vfs_write(file, new Uint8Array(10_000).fill(7), 0, 10_000, 0);
      fput(file);
      dput(dentry);
    }
    const kept = lookup_positive(dir, 'kept');
    const file = vfs_open(kept.d_inode!, 0);
    dput(kept);
    drop_caches(f.sb);
    expect(f.lump.page_cache.nr_pages).to.equal(0);
    expect(f.sb.s_inodes.size).to.equal(3);
    const out = new Uint8Array(1);
    vfs_read(file, out, 0, 1, 9_999);
    expect(out[0]).to.equal(7);
    fput(file);
    dput(dir);
    umount(f.sb);
  });

  describe('remount', () => {
    it('becomes read-only with nothing open, or open for reading', () => {
      const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
      const file = vfs_open(dentry.d_inode!, 0);
      remount(f.sb, SB_RDONLY, '');
      expect(sb_rdonly(f.sb)).to.equal(true);
      expect(outcome(() => vfs_open(dentry.d_inode!, O_RDWR))).to.equal('EROFS');
      remount(f.sb, 0, '');
      fput(vfs_open(dentry.d_inode!, O_RDWR));
      fput(file);
      dput(dentry);
    });

    it('not with a file open for writing', () => {
      const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
      const file = vfs_open(dentry.d_inode!, O_RDWR);
      dput(dentry);
      expect(outcome(() => remount(f.sb, SB_RDONLY, ''))).to.equal('EBUSY');
      fput(file);
      expect(outcome(() => remount(f.sb, SB_RDONLY, ''))).to.equal('ok');
    });

    it('not with an open file that was unlinked', () => {
      const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
      const file = vfs_open(dentry.d_inode!, 0);
      dput(dentry);
      vfs_unlink(root_of(f.sb), 'file');
      expect(outcome(() => remount(f.sb, SB_RDONLY, ''))).to.equal('EBUSY');
      fput(file);
      expect(outcome(() => remount(f.sb, SB_RDONLY, ''))).to.equal('ok');
    });
  });
});
