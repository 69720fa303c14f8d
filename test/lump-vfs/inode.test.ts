import { expect } from 'chai';
import { dput } from '../../src/dcache/dcache.js';
import { root_of, umount } from '../../src/dcache/mount.js';
import { vfs_create, vfs_unlink } from '../../src/dcache/namei.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { I_CLEAR, I_NEW, S_IFCHR, S_IFDIR, S_IFREG, S_ISGID } from '../../src/lump/fs.js';
import {
  current_time,
  drop_nlink,
  generic_fillattr,
  iget_failed,
  iget_locked,
  igrab,
  ilookup,
  inc_nlink,
  init_special_inode,
  inode_init_owner,
  insert_inode_locked,
  INODE_LRU_MAX,
  iput,
  is_bad_inode,
  new_inode,
  new_kstat,
  shrink_icache,
  unlock_new_inode,
} from '../../src/lump/inode.js';
import { Fixture, outcome, testfs_iget } from './testfs.js';

/** A file on the medium, in memory only if somebody asks. */
function sleeping_file(f: Fixture, name: string): number {
  const dentry = vfs_create(root_of(f.sb), name, 0o644);
  const ino = dentry.d_inode!.i_ino;
  dput(dentry);
  return ino;
}

describe('lump/inode', () => {
  it('reads an inode once while it stays in memory', () => {
    const f = new Fixture();
    const fresh = iget_locked(f.sb, 99);
    expect(fresh.i_state & I_NEW).to.equal(I_NEW);
    fresh.i_nlink = 1;
    unlock_new_inode(fresh);
    iput(fresh);
    const again = iget_locked(f.sb, 99);
    expect(again).to.equal(fresh);
    expect(again.i_count).to.equal(1);
    expect(again.i_state & I_NEW).to.equal(0);
    expect(ilookup(f.sb, 100)).to.equal(null);
    iput(again);
  });

  it('panics when an inode is asked for while it is being read', () => {
    const f = new Fixture();
    iget_locked(f.sb, 99);
    expect(() => iget_locked(f.sb, 99)).to.throw(KernelPanic, 'inode 99');
  });

  it('finds an inode that is being made, as garbage collection for it must', () => {
    const f = new Fixture();
    const making = new_inode(f.sb);
    making.i_ino = 99;
    insert_inode_locked(making);
    const found = iget_locked(f.sb, 99);
    expect(found).to.equal(making);
    iput(found);
    unlock_new_inode(making);
    expect(making.i_count).to.equal(1);
    iput(making);
  });

  it('forgets an inode that could not be read', () => {
    const f = new Fixture();
    expect(outcome(() => testfs_iget(f.sb, 77))).to.equal('EIO');
    expect(f.sb.s_inodes.has(77)).to.equal(false);
    const bad = iget_locked(f.sb, 78);
    igrab(bad);
    iget_failed(bad);
    expect(is_bad_inode(bad)).to.equal(true);
    expect(outcome(() => bad.i_op.lookup!(bad, f.sb.s_root!))).to.equal('EIO');
    iput(bad);
    expect(bad.i_state & I_CLEAR).to.equal(I_CLEAR);
  });

  it('refuses a second inode of one number', () => {
    const f = new Fixture();
    const one = new_inode(f.sb);
    one.i_ino = 50;
    insert_inode_locked(one);
    const two = new_inode(f.sb);
    two.i_ino = 50;
    expect(outcome(() => insert_inode_locked(two))).to.equal('EIO');
    iput(two);
    expect(ilookup(f.sb, 50)).to.equal(one);
  });

  it('evicts at once when no link is left, else keeps', () => {
    const f = new Fixture();
    const ino = sleeping_file(f, 'file');
    const inode = ilookup(f.sb, ino)!;
    vfs_unlink(root_of(f.sb), 'file');
    expect(f.medium.records.has(ino)).to.equal(true);
    iput(inode);
    expect(f.medium.records.has(ino)).to.equal(false);
    expect(igrab(inode)).to.equal(null);
  });

  it('keeps unreferenced inodes up to a bound, dropping the longest unused', () => {
    const f = new Fixture();
    for (let ino = 1000; ino < 1000 + INODE_LRU_MAX + 1; ino++) {
      const inode = iget_locked(f.sb, ino);
      inode.i_nlink = 1;
      unlock_new_inode(inode);
      iput(inode);
    }
    expect(f.sb.s_inode_lru.size).to.equal(INODE_LRU_MAX - INODE_LRU_MAX / 8);
    expect(ilookup(f.sb, 1000)).to.equal(null);
    const newest = ilookup(f.sb, 1000 + INODE_LRU_MAX)!;
    shrink_icache(f.sb, 0);
    expect(f.sb.s_inode_lru.size).to.equal(0);
    expect(newest.i_state & I_CLEAR).to.equal(0);
    iput(newest);
    umount(f.sb);
    expect(f.lump.warnings).to.equal(0);
  });

  it('warns at unmount of an inode that the file system lost', () => {
    const f = new Fixture();
    new_inode(f.sb);
    umount(f.sb);
    expect(f.lump.warnings).to.equal(1);
  });

  it('can be made to fail', () => {
    const f = new Fixture();
    f.lump.slab.fail_nth(1);
    expect(outcome(() => new_inode(f.sb))).to.equal('ENOMEM');
    f.lump.slab.fail_nth(1);
    expect(outcome(() => iget_locked(f.sb, 5))).to.equal('ENOMEM');
    expect(f.sb.s_inodes.has(5)).to.equal(false);
  });

  it('counts links, and panics below none', () => {
    const f = new Fixture();
    const inode = new_inode(f.sb);
    drop_nlink(inode);
    expect(() => drop_nlink(inode)).to.throw(KernelPanic);
    expect(() => inc_nlink(inode)).to.throw(KernelPanic);
  });

  it('gives owner and group as a setgid directory wants', () => {
    const f = new Fixture();
    const dir = new_inode(f.sb);
    dir.i_gid = 20;
    const owned = (parent: typeof dir | null, mode: number): string => {
      const inode = new_inode(f.sb);
      inode_init_owner(inode, parent, mode);
      return `${inode.i_uid}:${inode.i_gid} ${inode.i_mode.toString(8)}`;
    };
    f.become(7, 8);
    dir.i_mode = S_IFDIR | 0o755;
    expect(owned(dir, S_IFREG | 0o2755)).to.equal('7:8 102755');
    dir.i_mode = S_IFDIR | S_ISGID | 0o755;
    expect(owned(dir, S_IFDIR | 0o755)).to.equal('7:20 42755');
    expect(owned(dir, S_IFREG | 0o2755)).to.equal('7:20 100755');
    expect(owned(dir, S_IFREG | 0o2745)).to.equal('7:20 102745');
    f.become(7, 8, [20]);
    expect(owned(dir, S_IFREG | 0o2755)).to.equal('7:20 102755');
    f.become(0);
    expect(owned(dir, S_IFREG | 0o2755)).to.equal('0:20 102755');
    expect(owned(null, S_IFREG | 0o644)).to.equal('0:0 100644');
  });

  it('cuts times to what the file system can store', () => {
    const f = new Fixture();
    const inode = new_inode(f.sb);
    f.sb.s_time_gran = 1_000_000_000;
    expect(current_time(inode)).to.deep.equal({ sec: Date.UTC(2020, 0, 1) / 1000, nsec: 0 });
    f.sb.s_time_max = 1000;
    expect(current_time(inode)).to.deep.equal({ sec: 1000, nsec: 0 });
  });

  it('fills a stat record', () => {
    const f = new Fixture();
    const inode = new_inode(f.sb);
    inode.i_ino = 3;
    inode.i_size = 5;
    init_special_inode(inode, S_IFCHR | 0o600, 0x500007);
    const stat = new_kstat();
    generic_fillattr(inode, stat);
    expect(stat).to.include({ ino: 3, size: 5, mode: S_IFCHR | 0o600, rdev: 0x500007 });
    expect(stat.blksize).to.equal(4096);
    expect(() => init_special_inode(inode, S_IFREG, 0)).to.throw(KernelPanic);
  });
});
