/** What is Ukfs's own: paths, descriptors, the shape of errors; and that no lookup leaks. */
import { getSystemErrorMap } from 'node:util';
import { expect } from 'chai';
import { LINUX_ERRNO } from '../../src/lump/errno.js';
import { Memfs, VLNK, makedev, puffs_cred_user, vattr_new } from '../../src/puffs/index.js';
import {
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  Ukfs,
  UkfsError,
} from '../../src/ukfs/index.js';

/** memfs that knows how many lookups are out. */
class CountingMemfs extends Memfs {
  out = 0;

  override node_lookup(...args: Parameters<Memfs['node_lookup']>): number {
    const error = super.node_lookup(...args);
    if (error === 0 && args[1].cookie !== this.rootCookie) this.out++;
    return error;
  }
  override node_create(...args: Parameters<Memfs['node_create']>): number {
    return this.#counted(super.node_create(...args));
  }
  override node_mkdir(...args: Parameters<Memfs['node_mkdir']>): number {
    return this.#counted(super.node_mkdir(...args));
  }
  override node_mknod(...args: Parameters<Memfs['node_mknod']>): number {
    return this.#counted(super.node_mknod(...args));
  }
  override node_symlink(...args: Parameters<Memfs['node_symlink']>): number {
    return this.#counted(super.node_symlink(...args));
  }
  override node_link(...args: Parameters<Memfs['node_link']>): number {
    return this.#counted(super.node_link(...args));
  }
  override node_tmpfile(...args: Parameters<Memfs['node_tmpfile']>): number {
    return this.#counted(super.node_tmpfile(...args));
  }
  override node_reclaim(cookie: number, nlookup: number): number {
    this.out -= nlookup;
    return super.node_reclaim(cookie, nlookup);
  }
  #counted(error: number): number {
    if (error === 0) this.out++;
    return error;
  }
}

function failure(call: () => unknown): UkfsError {
  try {
    call();
  } catch (error) {
    if (error instanceof UkfsError) return error;
    throw error;
  }
  throw new Error('no failure');
}

describe('ukfs', () => {
  let memfs: CountingMemfs;
  let fs: Ukfs;

  beforeEach(() => {
    memfs = new CountingMemfs();
    fs = new Ukfs(memfs);
  });

  afterEach(() => {
    expect(memfs.out, 'lookups that were not given back').to.equal(0);
    fs.unmount();
  });

  it("errors look like node:fs's", () => {
    const error = failure(() => fs.open('missing', 'r'));
    expect(error).to.be.instanceOf(Error);
    expect(error).to.include({ code: 'ENOENT', errno: -2, syscall: 'open', path: 'missing' });
    expect(error.message).to.equal("ENOENT: no such file or directory, open 'missing'");
    const rename = failure(() => fs.rename('a', 'b'));
    expect(rename).to.include({ code: 'ENOENT', syscall: 'rename', path: 'a', dest: 'b' });
    expect(rename.message).to.equal("ENOENT: no such file or directory, rename 'a' -> 'b'");
    // Numbers are Linux's although NetBSD's travel below.
    fs.mkdir('dir');
    fs.mkdir('dir/x');
    expect(failure(() => fs.rmdir('dir'))).to.include({ code: 'ENOTEMPTY', errno: -39 });
    expect(failure(() => fs.getxattr('dir', 'user.x'))).to.include({ code: 'ENODATA', errno: -61 });
    expect(failure(() => fs.close(77)))
      .to.include({ code: 'EBADF' })
      .and.not.have.property('path');
  });

  it("its words for errors are libuv's", () => {
    for (const [errno, [code, text]] of getSystemErrorMap()) {
      const known = code === 'ENOTSUP' || code in LINUX_ERRNO;
      if (errno < -4000 || !known) continue;
      const error = new UkfsError(code as 'EIO', 'x');
      // Sockets' errors no file system answers.
      if (error.message.includes('unknown error')) continue;
      expect(error.message).to.equal(`${code}: ${text}, x`);
      expect(error.errno).to.equal(errno);
    }
  });

  it('has a working directory of its own', () => {
    fs.mkdir('a');
    fs.mkdir('a/b');
    expect(fs.cwd()).to.equal('/');
    fs.chdir('a/b');
    expect(fs.cwd()).to.equal('/a/b');
    fs.writeFile('file', 'x');
    expect(fs.stat('/a/b/file').size).to.equal(1);
    expect(fs.stat('../b/file').size).to.equal(1);
    expect(new Ukfs(memfs).exists('file')).to.equal(false);
    // The directory is meant, not the path it was reached by.
    fs.rename('/a', '/ü');
    expect(fs.cwd()).to.equal('/ü/b');
    expect(fs.readdir('.')).to.deep.equal(['file']);
    const fd = fs.open('.');
    fs.chdir('..');
    fs.chdir('.');
    expect(fs.fstat(fd).ino).to.equal(fs.stat('b').ino);
    fs.close(fd);
    expect(failure(() => fs.chdir('b/file'))).to.include({ code: 'ENOTDIR', syscall: 'chdir' });
    expect(failure(() => fs.chdir('none'))).to.include({ code: 'ENOENT', path: 'none' });
    fs.mkdir('gone');
    fs.chdir('gone');
    fs.rmdir('../gone');
    expect(failure(() => fs.cwd()).code).to.equal('ENOENT');
    fs.chdir('/');
  });

  it('takes and gives names of attributes as bytes', () => {
    fs.writeFile('file', '');
    const name = new Uint8Array([...new TextEncoder().encode('user.'), 0xff, 0xc3]);
    fs.setxattr('file', name, 'value');
    fs.setxattr('file', 'user.ü', 'text');
    const names = fs.listxattrBytes('file').map((bytes) => Buffer.from(bytes).toString('latin1'));
    expect(names).to.have.members(['user.\xff\xc3', 'user.\xc3\xbc']);
    expect(Buffer.from(fs.getxattr('file', name)).toString()).to.equal('value');
    expect(fs.listxattr('file')).to.include('user.ü');
    fs.removexattr('file', name);
    expect(fs.listxattr('file')).to.deep.equal(['user.ü']);
  });

  it('lends nodes to whoever wants the operations below', () => {
    fs.writeFile('file', 'abc');
    fs.symlink('file', 'link');
    const size = fs.onPath('link', (node, { va_size }) => {
      const va = vattr_new();
      expect(memfs.node_getattr(node, va, fs.cred)).to.equal(0);
      return [va.va_size, va_size];
    });
    expect(size).to.deep.equal([3, 3]);
    expect(fs.onPath('link', (_, { va_type }) => va_type, false)).to.equal(VLNK);
  });

  it('reads a directory piece by piece', () => {
    const names = Array.from({ length: 10 }, (_, n) => `f${n}`);
    for (const name of names) fs.writeFile(name, '');
    const fd = fs.open('/');
    const seen: string[] = [];
    for (let at = 0, eof = false; !eof; ) {
      const piece = fs.readEntries(fd, at, 3);
      expect(piece.entries).to.have.lengthOf.at.most(3);
      seen.push(...piece.entries.map(({ name }) => name));
      at = piece.next;
      eof = piece.eof;
    }
    fs.close(fd);
    expect(seen).to.have.members(names);
  });

  it('takes paths as text and as bytes', () => {
    fs.writeFile('ü', 'text');
    expect(fs.readFile(new Uint8Array([0xc3, 0xbc]))).to.deep.equal(fs.readFile('ü'));
    const strange = new Uint8Array([0xff, 0x80]);
    fs.writeFile(strange, 'x');
    const found = fs.readdirTypes('/').find(({ name }) => name !== 'ü')!;
    expect([...found.bytes]).to.deep.equal([...strange]);
    fs.unlink(found.bytes);
    expect(fs.readdir('/')).to.deep.equal(['ü']);
    expect(() => fs.stat('a\0b')).to.throw(TypeError);
    expect(() => fs.open('a', 'q')).to.throw(TypeError);
  });

  it('refuses paths that are empty or too long', () => {
    expect(failure(() => fs.stat('')).code).to.equal('ENOENT');
    expect(failure(() => fs.stat('a/'.repeat(2048))).code).to.equal('ENAMETOOLONG');
    expect(fs.stat('./'.repeat(2047)).isDirectory()).to.equal(true);
  });

  it('follows symbolic links in the middle, at the end, absolute and through ".."', () => {
    fs.mkdir('a');
    fs.mkdir('a/b');
    fs.writeFile('a/b/file', 'content');
    fs.symlink('/a', 'absolute');
    fs.symlink('../../a/b', 'a/b/up');
    fs.symlink('absolute/b/up/file', 'chain');
    for (const path of ['absolute/b/file', 'a/b/up/file', 'chain', 'absolute/b/up/up/up/file']) {
      expect(new TextDecoder().decode(fs.readFile(path))).to.equal('content');
    }
    expect(fs.lstat('chain').isSymbolicLink()).to.equal(true);
    expect(failure(() => fs.open('chain', O_RDONLY | O_NOFOLLOW)).code).to.equal('ELOOP');
    expect(failure(() => fs.open('chain', O_WRONLY | O_CREAT | O_EXCL)).code).to.equal('EEXIST');
    expect(fs.stat('/../../a/..').ino).to.equal(fs.stat('/').ino);
  });

  it('asks for search permission on the way', () => {
    fs.mkdir('closed');
    fs.writeFile('closed/file', '');
    fs.chmod('closed', 0o600);
    const user = new Ukfs(memfs, puffs_cred_user(5, 5));
    expect(failure(() => user.stat('closed/file')).code).to.equal('EACCES');
    expect(failure(() => user.stat('closed/.')).code).to.equal('EACCES');
    user.stat('closed');
  });

  it('descriptors have positions of their own, numbers are used again', () => {
    const first = fs.open('file', 'w+');
    const second = fs.open('file', 'r');
    fs.write(first, new TextEncoder().encode('hello'));
    fs.write(first, new TextEncoder().encode(' world'));
    const buffer = new Uint8Array(20);
    expect(fs.read(second, buffer, 0, 3)).to.equal(3);
    expect(fs.read(second, buffer, 3, 20 - 3)).to.equal(8);
    expect(new TextDecoder().decode(buffer.subarray(0, 11))).to.equal('hello world');
    expect(fs.read(second, buffer)).to.equal(0);
    expect(fs.read(first, buffer, 0, 5, 6)).to.equal(5);
    expect(fs.read(first, buffer)).to.equal(0);
    fs.close(first);
    expect(fs.open('file', 'a+')).to.equal(first);
    // Writing nothing does not move to the end.
    fs.write(first, new Uint8Array(0));
    expect(fs.read(first, buffer, 0, 5)).to.equal(5);
    fs.write(first, new TextEncoder().encode('!'), 0, 1);
    expect(fs.fstat(first).size).to.equal(12);
    expect(fs.read(first, buffer)).to.equal(0);
    expect(failure(() => fs.unmount()).code).to.equal('EBUSY');
    fs.close(first);
    fs.close(second);
    expect(failure(() => fs.read(second, buffer)).code).to.equal('EBADF');
  });

  it('open refuses what open(2) refuses', () => {
    fs.mkdir('dir');
    fs.mknod('fifo', 0o010666);
    fs.mknod('null', 0o020666, makedev(1, 3));
    fs.writeFile('file', '');
    for (const [code, path, flags] of [
      ['EISDIR', 'dir', 'r+'],
      ['EISDIR', 'dir', 'w'],
      ['EISDIR', 'dir', O_RDONLY | O_CREAT],
      ['ENXIO', 'fifo', 'r'],
      ['ENXIO', 'null', 'r+'],
      ['ENOTDIR', 'file/x', 'w'],
      ['ENOTDIR', 'file', 0o200000],
      ['EEXIST', 'dir', 'wx'],
      ['EISDIR', 'new/', 'w'],
      ['EINVAL', 'file', 3],
      ['EINVAL', 'dir', O_TMPFILE],
      ['EISDIR', '/', 'w'],
    ] as const) {
      expect(failure(() => fs.open(path, flags)).code, path).to.equal(code);
    }
    expect(failure(() => fs.truncate('dir')).code).to.equal('EISDIR');
    expect(failure(() => fs.truncate('file', -1)).code).to.equal('EINVAL');
    expect(failure(() => fs.truncate('fifo')).code).to.equal('EINVAL');
  });

  it('a file that was made read-only can still be written by its maker', () => {
    const user = new Ukfs(memfs, puffs_cred_user(5, 5));
    fs.chmod('/', 0o777);
    const fd = user.open('file', O_RDWR | O_CREAT, 0o400);
    user.write(fd, new Uint8Array(3));
    user.close(fd);
    expect(failure(() => user.open('file', 'r+')).code).to.equal('EACCES');
  });

  it('O_TMPFILE: a file without a name', () => {
    const fd = fs.open('/', O_RDWR | O_TMPFILE, 0o600);
    fs.write(fd, new Uint8Array(10));
    expect(fs.fstat(fd)).to.include({ nlink: 0, size: 10 });
    expect(fs.readdir('/')).to.deep.equal([]);
    fs.close(fd);
  });

  it('walk goes through everything, parents first', () => {
    for (const dir of ['a', 'a/b', 'c']) fs.mkdir(dir);
    for (const file of ['a/1', 'a/b/2', 'c/3']) fs.writeFile(file, file);
    fs.symlink('a', 'link');
    const all = [...fs.walk()].map(({ path, stats }) => `${path} ${stats.size}`);
    expect(all).to.deep.equal([
      '/a 0',
      '/a/b 0',
      '/a/b/2 5',
      '/a/1 3',
      '/c 0',
      '/c/3 3',
      '/link 1',
    ]);
    expect([...fs.walk('a')].map(({ path }) => path)).to.deep.equal(['a/b', 'a/b/2', 'a/1']);
  });

  it('times are exact, or "now"', () => {
    fs.writeFile('file', '');
    fs.utimes('file', { sec: -5, nsec: 999_999_999 }, new Date(1500));
    const { atime, mtime, atimeMs, mtimeMs } = fs.stat('file');
    expect(atime).to.deep.equal({ sec: -5, nsec: 999_999_999 });
    expect(mtime).to.deep.equal({ sec: 1, nsec: 500_000_000 });
    expect([Math.round(atimeMs), mtimeMs]).to.deep.equal([-4000, 1500]);
    fs.utimes('file', 2.25, 3);
    expect(fs.stat('file').atime).to.deep.equal({ sec: 2, nsec: 250_000_000 });
    fs.utimes('file');
    expect(fs.stat('file').atime.sec).to.be.greaterThan(1e9);
    fs.symlink('file', 'link');
    fs.lutimes('link', 7, 8);
    expect(fs.lstat('link').mtime.sec).to.equal(8);
    expect(fs.stat('link').mtime.sec).to.be.greaterThan(1e9);
  });

  it('where no birth time is kept, the change time stands in', () => {
    class Birthless extends CountingMemfs {
      override node_getattr(...args: Parameters<Memfs['node_getattr']>): number {
        const error = super.node_getattr(...args);
        const none = vattr_new();
        args[1].va_birthtime_sec = none.va_birthtime_sec;
        args[1].va_birthtime_nsec = none.va_birthtime_nsec;
        return error;
      }
    }
    const stats = new Ukfs(new Birthless()).stat('/');
    expect(stats.birthtime).to.deep.equal(stats.ctime);
  });

  it('a short write is a count, the next one an error', () => {
    memfs = new CountingMemfs({ capacityBytes: 8192 });
    fs = new Ukfs(memfs);
    const fd = fs.open('file', 'w');
    expect(fs.write(fd, new Uint8Array(10000))).to.equal(8192);
    expect(failure(() => fs.write(fd, new Uint8Array(1))).code).to.equal('ENOSPC');
    fs.close(fd);
    expect(failure(() => fs.writeFile('file', new Uint8Array(10000))).code).to.equal('ENOSPC');
    expect(fs.statvfs()).to.include({ f_blocks: 2, f_bfree: 0 });
    fs.unlink('file');
    expect(fs.statvfs().f_bfree).to.equal(2);
  });
});
