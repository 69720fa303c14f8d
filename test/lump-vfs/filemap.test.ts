import { expect } from 'chai';
import { dput } from '../../src/dcache/dcache.js';
import { root_of, umount } from '../../src/dcache/mount.js';
import { vfs_create } from '../../src/dcache/namei.js';
import { do_truncate, fput, vfs_open, vfs_read, vfs_write } from '../../src/lump/file.js';
import { invalidate_inode_pages, type page } from '../../src/lump/filemap.js';
import { O_APPEND, O_DSYNC, O_RDWR, O_SYNC, PAGE_SIZE, SB_SYNCHRONOUS } from '../../src/lump/fs.js';
import type { file } from '../../src/lump/fs.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Fixture, outcome } from './testfs.js';

function open_new(f: Fixture, flags = O_RDWR): file {
  const dentry = vfs_create(root_of(f.sb), `file${f.medium.next_ino}`, 0o644);
  const file = vfs_open(dentry.d_inode!, flags);
  dput(dentry);
  return file;
}

/** `length` bytes that differ from page to page and from byte to byte. */
function pattern(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + salt) & 0xff;
  return bytes;
}

function read_all(file: file): Uint8Array {
  const bytes = new Uint8Array(file.f_inode.i_size);
  expect(vfs_read(file, bytes, 0, bytes.length, 0)).to.equal(bytes.length);
  return bytes;
}

/** The page as an operation that uses it has it. */
function pin(file: file, index: number): page {
  vfs_read(file, new Uint8Array(1), 0, 1, index * PAGE_SIZE);
  const page = file.f_inode.i_pages!.get(index)!;
  page.pins++;
  return page;
}

describe('lump/filemap', () => {
  it('reads a page from the medium once', () => {
    const f = new Fixture();
    const file = open_new(f);
    const data = pattern(3 * PAGE_SIZE + 100);
    expect(vfs_write(file, data, 0, data.length, 0)).to.equal(data.length);
    invalidate_inode_pages(file.f_inode);
    expect(read_all(file)).to.deep.equal(data);
    expect(f.medium.reads).to.equal(4);
    expect(read_all(file)).to.deep.equal(data);
    expect(f.medium.reads).to.equal(4);
    fput(file);
  });

  it('stops at the end of the file and copies to the place asked for', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(5000), 0, 5000, 0);
    const out = new Uint8Array(10).fill(0xee);
    expect(vfs_read(file, out, 2, 6, 4093)).to.equal(6);
    const expected = new Uint8Array(10).fill(0xee);
    expected.set(pattern(5000).subarray(4093, 4099), 2);
    expect(out).to.deep.equal(expected);
    expect(vfs_read(file, out, 0, 10, 4995)).to.equal(5);
    expect(vfs_read(file, out, 0, 10, 5000)).to.equal(0);
    expect(vfs_read(file, out, 0, 10, 9999)).to.equal(0);
    fput(file);
  });

  it('answers what it has when a later page fails, and the error when the first does', () => {
    const f = new Fixture();
    const file = open_new(f);
    const data = pattern(2 * PAGE_SIZE);
    vfs_write(file, data, 0, data.length, 0);
    invalidate_inode_pages(file.f_inode);
    const key = `${file.f_inode.i_ino}:1`;
    f.medium.unreadable.add(key);
    const out = new Uint8Array(2 * PAGE_SIZE);
    expect(vfs_read(file, out, 0, out.length, 10)).to.equal(PAGE_SIZE - 10);
    expect(outcome(() => vfs_read(file, out, 0, 10, PAGE_SIZE))).to.equal('EIO');
    // The page was not kept: it can be read when the medium can.
    f.medium.unreadable.delete(key);
    expect(vfs_read(file, out, 0, 10, PAGE_SIZE)).to.equal(10);
    fput(file);
  });

  it('does not read pages that a write covers or that lie past the end', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(100), 0, 100, 0);
    vfs_write(file, pattern(100), 0, 100, 3 * PAGE_SIZE + 50);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, PAGE_SIZE);
    invalidate_inode_pages(file.f_inode);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, PAGE_SIZE);
    // From the start of its page to past the end of the file: nothing of the page survives.
    vfs_write(file, pattern(200), 0, 200, 3 * PAGE_SIZE);
    expect(f.medium.reads).to.equal(0);
    vfs_write(file, pattern(10), 0, 10, 20);
    expect(f.medium.reads).to.equal(1);
    fput(file);
  });

  it('a write past the end leaves zeroes between, also after the cache is dropped', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(100), 0, 100, 0);
    vfs_write(file, pattern(1), 0, 1, 10_000);
    const expected = new Uint8Array(10_001);
    expected.set(pattern(100));
    expected[10_000] = pattern(1)[0];
    expect(read_all(file)).to.deep.equal(expected);
    invalidate_inode_pages(file.f_inode);
    expect(read_all(file)).to.deep.equal(expected);
    fput(file);
  });

  it('clears what truncation cuts off', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(9000), 0, 9000, 0);
    do_truncate(file.f_inode, 5000);
    expect(file.f_inode.i_pages!.has(2)).to.equal(false);
    do_truncate(file.f_inode, 9000);
    const expected = new Uint8Array(9000);
    expected.set(pattern(5000));
    expect(read_all(file)).to.deep.equal(expected);
    fput(file);
  });

  it('a full medium gives a short write, then ENOSPC, and the cache does not lie', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(3 * PAGE_SIZE, 1), 0, 3 * PAGE_SIZE, 0);
    f.medium.free_pages = 2;
    const data = pattern(3 * PAGE_SIZE, 2);
    expect(vfs_write(file, data, 0, data.length, 0)).to.equal(2 * PAGE_SIZE);
    expect(outcome(() => vfs_write(file, data, 0, 10, 100))).to.equal('ENOSPC');
    const expected = pattern(3 * PAGE_SIZE, 1);
    expected.set(data.subarray(0, 2 * PAGE_SIZE));
    expect(read_all(file)).to.deep.equal(expected);
    fput(file);
  });

  it('an unreadable page fails a partial write before anything is changed', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, 0);
    invalidate_inode_pages(file.f_inode);
    f.medium.unreadable.add(`${file.f_inode.i_ino}:0`);
    expect(outcome(() => vfs_write(file, pattern(10, 9), 0, 10, 5))).to.equal('EIO');
    f.medium.unreadable.clear();
    expect(read_all(file)).to.deep.equal(pattern(PAGE_SIZE));
    fput(file);
  });

  it('appends wherever the position is, and keeps to the size limit', () => {
    const f = new Fixture();
    const file = open_new(f, O_RDWR | O_APPEND);
    vfs_write(file, pattern(10), 0, 10, 0);
    vfs_write(file, pattern(10), 0, 10, 0);
    expect(file.f_inode.i_size).to.equal(20);
    f.sb.s_maxbytes = 25;
    expect(vfs_write(file, pattern(10), 0, 10, 0)).to.equal(5);
    expect(outcome(() => vfs_write(file, pattern(10), 0, 10, 0))).to.equal('EFBIG');
    expect(vfs_write(file, pattern(10), 0, 0, 0)).to.equal(0);
    fput(file);
  });

  it('works at positions past 2^32', () => {
    const f = new Fixture();
    f.sb.s_maxbytes = 2 ** 44;
    const file = open_new(f);
    const at = 2 ** 43 + 4000;
    expect(vfs_write(file, pattern(300), 0, 300, at)).to.equal(300);
    const out = new Uint8Array(300);
    expect(vfs_read(file, out, 0, 300, at)).to.equal(300);
    expect(out).to.deep.equal(pattern(300));
    fput(file);
  });

  it('a pinned page keeps its frame, others give theirs up', () => {
    const f = new Fixture({ pageCacheBytes: 16 * PAGE_SIZE });
    const file = open_new(f);
    vfs_write(file, pattern(40 * PAGE_SIZE), 0, 40 * PAGE_SIZE, 0);
    const pinned = pin(file, 3);
    const before = pinned.bytes.slice();
    read_all(file);
    expect(pinned.bytes).to.deep.equal(before);
    expect(file.f_inode.i_pages!.get(3)).to.equal(pinned);
    f.lump.page_cache.unpin(pinned);
    expect(f.lump.page_cache.size_bytes).to.equal(16 * PAGE_SIZE);
    expect(f.lump.page_cache.evictions).to.be.greaterThan(24);
    fput(file);
  });

  it('a page that is being written is not filled from the medium meanwhile', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(PAGE_SIZE, 1), 0, PAGE_SIZE, 0);
    invalidate_inode_pages(file.f_inode);
    // Garbage collection below write_end may read the file.
    const aops = file.f_inode.i_aops!;
    const seen = new Uint8Array(PAGE_SIZE);
    file.f_inode.i_aops = {
      ...aops,
      write_end(...args) {
        vfs_read(file, seen, 0, PAGE_SIZE, 0);
        return aops.write_end(...args);
      },
    };
    vfs_write(file, pattern(PAGE_SIZE, 2), 0, PAGE_SIZE, 0);
    expect(seen).to.deep.equal(pattern(PAGE_SIZE, 2));
    invalidate_inode_pages(file.f_inode);
    expect(read_all(file)).to.deep.equal(pattern(PAGE_SIZE, 2));
    fput(file);
  });

  it('gives up the pages that came first, when all were read once', () => {
    const f = new Fixture({ pageCacheBytes: 16 * PAGE_SIZE });
    const file = open_new(f);
    vfs_write(file, pattern(40 * PAGE_SIZE), 0, 40 * PAGE_SIZE, 0);
    const cached = [...file.f_inode.i_pages!.keys()].sort((a, b) => a - b);
    expect(cached).to.deep.equal(Array.from({ length: 16 }, (_, i) => 24 + i));
    fput(file);
  });

  it('a page that is read again and again outlives those that are read once', () => {
    const f = new Fixture({ pageCacheBytes: 16 * PAGE_SIZE });
    const file = open_new(f);
    vfs_write(file, pattern(60 * PAGE_SIZE), 0, 60 * PAGE_SIZE, 0);
    const hot = pin(file, 0);
    f.lump.page_cache.unpin(hot);
    const out = new Uint8Array(PAGE_SIZE);
    for (let index = 1; index < 60; index++) {
      vfs_read(file, out, 0, PAGE_SIZE, index * PAGE_SIZE);
      vfs_read(file, out, 0, 1, 0);
    }
    expect(file.f_inode.i_pages!.get(0)).to.equal(hot);
    fput(file);
  });

  it('tells write_begin whether the page’s other bytes are valid', () => {
    const f = new Fixture();
    const file = open_new(f);
    const told: boolean[] = [];
    const aops = file.f_inode.i_aops!;
    file.f_inode.i_aops = {
      ...aops,
      write_begin: (_file, _inode, _pos, _len, _page, uptodate) => void told.push(uptodate),
    };
    vfs_write(file, pattern(10), 0, 10, 0);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, PAGE_SIZE);
    invalidate_inode_pages(file.f_inode);
    vfs_write(file, pattern(10), 0, 10, 5);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, PAGE_SIZE);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, PAGE_SIZE);
    expect(told).to.deep.equal([true, false, true, false, true]);
    fput(file);
  });

  it('syncs what is opened with O_SYNC or O_DSYNC, or mounted so', () => {
    const f = new Fixture();
    const plain = open_new(f);
    const inode = plain.f_inode;
    const synced: boolean[] = [];
    inode.i_fop = { ...inode.i_fop, fsync: (_file, datasync) => void synced.push(datasync) };
    vfs_write(plain, pattern(1), 0, 1, 0);
    expect(synced).to.deep.equal([]);
    for (const flags of [O_DSYNC, O_SYNC]) {
      const file = vfs_open(inode, O_RDWR | flags);
      vfs_write(file, pattern(1), 0, 1, 0);
      fput(file);
    }
    expect(synced).to.deep.equal([true, false]);
    f.sb.s_flags |= SB_SYNCHRONOUS;
    vfs_write(plain, pattern(1), 0, 1, 0);
    expect(synced.length).to.equal(3);
    fput(plain);
  });

  it('answers ENOMEM when every page is pinned', () => {
    const f = new Fixture({ pageCacheBytes: 0 });
    const file = open_new(f);
    vfs_write(file, pattern(20 * PAGE_SIZE), 0, 20 * PAGE_SIZE, 0);
    const pinned = Array.from({ length: 16 }, (_, i) => pin(file, i));
    const out = new Uint8Array(1);
    expect(outcome(() => vfs_read(file, out, 0, 1, 17 * PAGE_SIZE))).to.equal('ENOMEM');
    for (const page of pinned) f.lump.page_cache.unpin(page);
    expect(vfs_read(file, out, 0, 1, 17 * PAGE_SIZE)).to.equal(1);
    fput(file);
  });

  it('a page that is dropped while pinned is reused only after its last pin', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(PAGE_SIZE), 0, PAGE_SIZE, 0);
    const page = pin(file, 0);
    f.lump.page_cache.remove(page);
    expect(pin(file, 0)).not.to.equal(page);
    expect(page.bytes).to.deep.equal(pattern(PAGE_SIZE));
    const used = f.lump.page_cache.nr_pages;
    f.lump.page_cache.unpin(page);
    expect(f.lump.page_cache.nr_pages).to.equal(used - 1);
    fput(file);
  });

  it('an unmount leaves no page behind', () => {
    const f = new Fixture();
    const file = open_new(f);
    vfs_write(file, pattern(5 * PAGE_SIZE), 0, 5 * PAGE_SIZE, 0);
    fput(file);
    expect(f.lump.page_cache.nr_pages).to.equal(5);
    umount(f.sb);
    expect(f.lump.page_cache.nr_pages).to.equal(0);
  });

  for (const seed of [1, 2, 3]) {
    it(`agrees with an array under random reads, writes and truncations (seed ${seed})`, () => {
      const prng = new Prng(seed);
      const f = new Fixture({ pageCacheBytes: 16 * PAGE_SIZE });
      const file = open_new(f);
      const limit = 30 * PAGE_SIZE;
      let model = new Uint8Array(0);
      for (let step = 0; step < 1500; step++) {
        const pos = prng.below(limit);
        const len = Math.min(limit - pos, prng.below(3) === 0 ? prng.below(30_000) : 300);
        const what = prng.below(10);
        if (what < 5) {
          const data = pattern(len, step);
          expect(vfs_write(file, data, 0, len, pos)).to.equal(len);
          if (len > 0 && pos + len > model.length) model = grown(model, pos + len);
          model.set(data, pos);
        } else if (what < 6) {
          do_truncate(file.f_inode, pos);
          model = grown(model, pos);
        } else if (what < 7) {
          invalidate_inode_pages(file.f_inode);
        } else {
          const out = new Uint8Array(len);
          const count = vfs_read(file, out, 0, len, pos);
          expect(count).to.equal(Math.max(0, Math.min(len, model.length - pos)));
          const same = Buffer.compare(out.subarray(0, count), model.subarray(pos, pos + count));
          expect(same, `step ${step}`).to.equal(0);
        }
      }
      expect(Buffer.compare(read_all(file), model)).to.equal(0);
      fput(file);
    });
  }
});

/** A copy of that length, cut or with zeroes at the end. */
function grown(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(0, length));
  return copy;
}
