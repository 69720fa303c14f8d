/** What the conformance suite does not reach: references, failures of the file system below. */
import { expect } from 'chai';
import { shrink_dcache } from '../../src/dcache/dcache.js';
import { l2p } from '../../src/l2p/l2p.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { shrink_icache } from '../../src/lump/inode.js';
import {
  FREAD,
  FSYNC_WAIT,
  FWRITE,
  IO_APPEND,
  MNT_FORCE,
  MNT_WAIT,
  NAMEI_CREATE,
  NETBSD_ERRNO as E,
  PC_LINK_MAX,
  PC_NAME_MAX,
  PUFFS_CRED_ROOT,
  puffs_cred_user,
  vattr_new,
  type Cookie,
  type puffs_cn,
  type puffs_cred,
  type puffs_uio,
  type vattr,
} from '../../src/puffs/index.js';
import { Fixture } from '../lump-vfs/testfs.js';

const root = PUFFS_CRED_ROOT;
const cn = (name: string, cred: puffs_cred = root): puffs_cn => ({
  nameiop: NAMEI_CREATE,
  name,
  cred,
});
const regular = (mode = 0o644): vattr => ({ ...vattr_new(), va_type: 1, va_mode: mode });
const uio = (length: number, offset = 0): puffs_uio => ({
  buf: new Uint8Array(length).fill(7),
  off: 0,
  resid: length,
  offset,
});

class Mounted extends Fixture {
  readonly fs = new l2p(this.sb);

  create(name: string, mode = 0o644): Cookie {
    const out = { cookie: 0, generation: 0, va: vattr_new() };
    expect(this.fs.node_create(this.fs.rootCookie, out, cn(name), regular(mode))).to.equal(0);
    return out.cookie;
  }

  lookup(name: string): Cookie {
    const out = { cookie: 0, generation: 0, va: vattr_new() };
    expect(this.fs.node_lookup(this.fs.rootCookie, out, cn(name))).to.equal(0);
    return out.cookie;
  }
}

describe('l2p', () => {
  it('gives every reference back: the mount goes, nothing leaks', () => {
    const m = new Mounted();
    const node = m.create('file');
    expect(m.lookup('file')).to.equal(node);
    expect(m.fs.node_count).to.equal(2);
    expect(m.fs.node_reclaim(node, 2)).to.equal(0);
    expect(m.fs.node_count).to.equal(1);
    expect(m.fs.fs_unmount(0)).to.equal(0);
    expect(m.lump.warnings).to.equal(0);
    expect(m.sb.s_nr_inodes).to.equal(0);
  });

  it('unmounts under lookups that were never given back, but not under open files', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_open(node, FREAD, root);
    expect(m.fs.fs_unmount(0)).to.equal(E.EBUSY);
    expect(m.fs.node_getattr(node, vattr_new(), root)).to.equal(0);
    m.fs.node_close(node, FREAD, root);
    expect(m.fs.fs_unmount(0)).to.equal(0);
    expect(m.sb.s_nr_inodes).to.equal(0);
  });

  it('unmounts by force under open files', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_open(node, FREAD | FWRITE, root);
    expect(m.fs.fs_unmount(MNT_FORCE)).to.equal(0);
    expect(m.sb.s_nr_inodes).to.equal(0);
  });

  it('an unmount whose sync fails changes nothing', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.medium.free_pages = -1;
    expect(m.fs.fs_unmount(0)).to.equal(E.EIO);
    expect(m.fs.fs_sync(MNT_WAIT, root)).to.equal(E.EIO);
    m.medium.free_pages = 10;
    expect(m.fs.node_getattr(node, vattr_new(), root)).to.equal(0);
    expect(m.fs.fs_unmount(0)).to.equal(0);
  });

  it('a node keeps its cookie when its names have left the name cache', () => {
    const m = new Mounted();
    const node = m.create('file');
    shrink_dcache(m.sb, 0);
    shrink_icache(m.sb, 0);
    expect(m.lookup('file')).to.equal(node);
    shrink_dcache(m.sb, 0);
    // A link needs a name of the inode, which is not in memory.
    expect(m.fs.node_link(m.fs.rootCookie, node, cn('link'))).to.equal(0);
    expect(m.lookup('link')).to.equal(node);
    const va = vattr_new();
    m.fs.node_getattr(node, va, root);
    expect(va.va_nlink).to.equal(2);
    m.fs.node_reclaim(node, 4);
    expect(m.fs.fs_unmount(0)).to.equal(0);
  });

  it('a cookie is not used twice', () => {
    const m = new Mounted();
    const first = m.create('file');
    m.fs.node_reclaim(first, 1);
    const second = m.lookup('file');
    expect(second).to.not.equal(first);
    expect(m.fs.node_getattr(first, vattr_new(), root)).to.equal(E.ESTALE);
  });

  it('panics when more is given back than was taken', () => {
    const m = new Mounted();
    const node = m.create('file');
    expect(() => m.fs.node_reclaim(node, 2)).to.throw(KernelPanic);
    expect(() => m.fs.node_close(node, FREAD, root)).to.throw(KernelPanic);
  });

  it('counts in resid what was written before the space was used up', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_open(node, FWRITE, root);
    m.medium.free_pages = 2;
    const request = uio(5 * 4096);
    expect(m.fs.node_write(node, request, 0, root)).to.equal(E.ENOSPC);
    expect(request.resid).to.equal(3 * 4096);
    const va = vattr_new();
    m.fs.node_getattr(node, va, root);
    expect(va.va_size).to.equal(2 * 4096);
    m.medium.free_pages = 100;
    const rest = uio(100, 0);
    expect(m.fs.node_write(node, rest, IO_APPEND, root)).to.equal(0);
    m.fs.node_getattr(node, va, root);
    expect(va.va_size).to.equal(2 * 4096 + 100);
    m.fs.node_close(node, FWRITE, root);
  });

  it('one write that appends does not make the next one append', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_open(node, FWRITE, root);
    m.fs.node_write(node, uio(10), 0, root);
    m.fs.node_write(node, uio(10), IO_APPEND, root);
    m.fs.node_write(node, uio(10), 0, root);
    const va = vattr_new();
    m.fs.node_getattr(node, va, root);
    expect(va.va_size).to.equal(20);
  });

  it('answers EIO for a page that cannot be read, and goes on', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_write(node, uio(8192), 0, root);
    m.fs.node_reclaim(node, 1);
    shrink_dcache(m.sb, 0);
    shrink_icache(m.sb, 0);
    m.medium.unreadable.add('2:0');
    const again = m.lookup('file');
    expect(m.fs.node_read(again, uio(10), 0, root)).to.equal(E.EIO);
    const second = uio(10, 4096);
    expect(m.fs.node_read(again, second, 0, root)).to.equal(0);
    expect(second.resid).to.equal(0);
  });

  it('asks about permission at open, not when reading and writing', () => {
    const m = new Mounted();
    const node = m.create('file', 0o600);
    const user = puffs_cred_user(1000, 1000);
    expect(m.fs.node_open(node, FREAD, user)).to.equal(E.EACCES);
    expect(m.fs.node_write(node, uio(10), 0, user)).to.equal(0);
    const request = uio(10);
    expect(m.fs.node_read(node, request, 0, user)).to.equal(0);
    expect(request.resid).to.equal(0);
    // Each operation runs in its own caller's name, whoever called before.
    expect(m.fs.node_open(node, FREAD, root)).to.equal(0);
    expect(m.fs.node_access(node, 4, user)).to.equal(E.EACCES);
  });

  it('fsync works without an open file, also of a directory', () => {
    const m = new Mounted();
    const node = m.create('file');
    expect(m.fs.node_fsync(node, root, FSYNC_WAIT, 0, 0)).to.equal(0);
    expect(m.fs.node_fsync(m.fs.rootCookie, root, FSYNC_WAIT, 0, 0)).to.equal(0);
  });

  it('the kernel above may have asked already', () => {
    const m = new Mounted();
    const node = m.create('file', 0o600);
    const checked = { ...puffs_cred_user(1000, 1000), permissionsChecked: true };
    expect(m.fs.node_open(node, FREAD | FWRITE, checked)).to.equal(0);
    const va = { ...vattr_new(), va_mode: 0o640 };
    expect(m.fs.node_setattr(node, va, checked)).to.equal(0);
  });

  it('refuses read-only while a file is open for writing', () => {
    const m = new Mounted();
    const node = m.create('file');
    m.fs.node_open(node, FWRITE, root);
    expect(m.fs.fs_remount(true, '')).to.equal(E.EBUSY);
    m.fs.node_close(node, FWRITE, root);
    expect(m.fs.fs_remount(true, '')).to.equal(0);
    expect(m.fs.node_open(node, FWRITE, root)).to.equal(E.EROFS);
    expect(m.fs.fs_remount(false, '')).to.equal(0);
    expect(m.fs.node_open(node, FWRITE, root)).to.equal(0);
  });

  it('pathconf', () => {
    const m = new Mounted();
    const out = { value: 0 };
    expect(m.fs.node_pathconf(m.fs.rootCookie, PC_NAME_MAX, out)).to.equal(0);
    expect(out.value).to.equal(254);
    expect(m.fs.node_pathconf(m.fs.rootCookie, PC_LINK_MAX, out)).to.equal(0);
    expect(out.value).to.equal(10);
    expect(m.fs.node_pathconf(m.fs.rootCookie, 999, out)).to.equal(E.EINVAL);
  });

  it('temporary files get a name later, or never', () => {
    const m = new Mounted();
    const out = { cookie: 0, generation: 0, va: vattr_new() };
    const { rootCookie } = m.fs;
    expect(m.fs.node_tmpfile(rootCookie, out, regular(), root)).to.equal(0);
    expect(out.va.va_nlink).to.equal(0);
    const named = out.cookie;
    expect(m.fs.node_link(rootCookie, named, cn('named'))).to.equal(0);
    expect(m.lookup('named')).to.equal(named);
    m.fs.node_reclaim(named, 3);
    m.fs.node_tmpfile(rootCookie, out, regular(), root);
    const before = m.medium.records.size;
    m.fs.node_reclaim(out.cookie, 1);
    expect(m.medium.records.size).to.equal(before - 1);
    expect(m.fs.fs_unmount(0)).to.equal(0);
  });
});
