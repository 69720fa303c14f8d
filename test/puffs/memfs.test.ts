/** What of memfs the conformance suite does not ask for. */
import { expect } from 'chai';
import {
  Memfs,
  NETBSD_ERRNO as E,
  PUFFS_CRED_ROOT,
  PUFFS_RENAME_EXCHANGE,
  PUFFS_RENAME_NOREPLACE,
  FREAD,
  vattr_new,
} from '../../src/puffs/index.js';
import { Ukfs, UkfsError } from '../../src/ukfs/index.js';

const code = (call: () => unknown): string => {
  try {
    call();
    return 'ok';
  } catch (error) {
    if (error instanceof UkfsError) return error.code;
    throw error;
  }
};
const text = (fs: Ukfs, path: string): string => new TextDecoder().decode(fs.readFile(path));

describe('memfs', () => {
  it('exchanges two names, of directories too', () => {
    const fs = new Ukfs(new Memfs());
    fs.mkdir('a');
    fs.mkdir('a/dir');
    fs.writeFile('a/dir/x', 'x');
    fs.writeFile('file', 'f');
    expect(code(() => fs.rename('a/dir', 'missing', PUFFS_RENAME_EXCHANGE))).to.equal('ENOENT');
    expect(code(() => fs.rename('a', 'a/dir', PUFFS_RENAME_EXCHANGE))).to.equal('EINVAL');
    expect(code(() => fs.rename('a/dir', 'a', PUFFS_RENAME_EXCHANGE))).to.equal('EINVAL');
    fs.rename('a/dir', 'file', PUFFS_RENAME_EXCHANGE);
    expect(text(fs, 'a/dir')).to.equal('f');
    expect(text(fs, 'file/x')).to.equal('x');
    expect(fs.stat('file/..').ino).to.equal(fs.stat('/').ino);
    expect([fs.stat('a').nlink, fs.stat('/').nlink]).to.deep.equal([2, 4]);
    expect(code(() => fs.rename('a', 'file', PUFFS_RENAME_NOREPLACE))).to.equal('EEXIST');
    expect(code(() => fs.rename('a', 'b', 4))).to.equal('EINVAL');
    fs.rename('a', 'b', PUFFS_RENAME_NOREPLACE);
  });

  it('knows its holes, page by page', () => {
    const memfs = new Memfs();
    const fs = new Ukfs(memfs);
    const fd = fs.open('file', 'w+');
    fs.write(fd, new Uint8Array(10).fill(1), 0, 10, 3 * 4096 + 5);
    fs.ftruncate(fd, 6 * 4096);
    expect(fs.fstat(fd).blocks).to.equal(8);
    expect(fs.seekHole(fd, 0, false)).to.equal(3 * 4096);
    expect(fs.seekHole(fd, 3 * 4096 + 7, false)).to.equal(3 * 4096 + 7);
    expect(fs.seekHole(fd, 3 * 4096, true)).to.equal(4 * 4096);
    expect(fs.seekHole(fd, 17, true)).to.equal(17);
    expect(code(() => fs.seekHole(fd, 4 * 4096, false))).to.equal('ENXIO');
    expect(code(() => fs.seekHole(fd, 6 * 4096, true))).to.equal('ENXIO');
    const { ino } = fs.fstat(fd);
    // Allocated pages are data, a punched one is a hole, a part of a page turns into zeros.
    expect(memfs.node_fallocate(ino, 0, 4096, 1)).to.equal(0);
    expect(fs.seekHole(fd, 0, false)).to.equal(0);
    expect(memfs.node_fdiscard(ino, 0, 3 * 4096 + 8)).to.equal(0);
    expect(fs.seekHole(fd, 0, false)).to.equal(3 * 4096);
    const found = new Uint8Array(16);
    fs.read(fd, found, 0, 16, 3 * 4096);
    expect([...found]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]);
    expect(memfs.node_fallocate(ino, 7 * 4096, 1, 0)).to.equal(0);
    expect(fs.fstat(fd).size).to.equal(7 * 4096 + 1);
    expect(memfs.node_fallocate(ino, 0, 1, 8)).to.equal(E.EOPNOTSUPP);
    fs.close(fd);
  });

  it('has an end: of space, of nodes, of links', () => {
    const fs = new Ukfs(new Memfs({ capacityBytes: 4096, nodesMax: 3, linksMax: 3 }));
    fs.writeFile('a', 'x');
    expect(code(() => fs.writeFile('a', 'y', 'a'))).to.equal('ok');
    fs.mkdir('dir');
    expect(code(() => fs.mkdir('dir2'))).to.equal('EMLINK');
    expect(code(() => fs.writeFile('b', ''))).to.equal('ENOSPC');
    fs.link('a', 'dir/a2');
    fs.link('a', 'dir/a3');
    expect(code(() => fs.link('a', 'dir/a4'))).to.equal('EMLINK');
    for (const path of ['a', 'dir/a2', 'dir/a3']) fs.unlink(path);
    fs.writeFile('b', new Uint8Array(4096));
    expect(code(() => fs.writeFile('b', 'z', 'a'))).to.equal('ENOSPC');
  });

  it('applies the umask of the caller', () => {
    const fs = new Ukfs(new Memfs(), { ...PUFFS_CRED_ROOT, umask: 0o027 });
    fs.writeFile('file', '');
    fs.mkdir('dir');
    fs.symlink('x', 'link');
    expect(fs.stat('file').mode & 0o777).to.equal(0o640);
    expect(fs.stat('dir').mode & 0o777).to.equal(0o750);
    expect(fs.lstat('link').mode & 0o777).to.equal(0o777);
  });

  it('keeps file handles until the file is gone', () => {
    const memfs = new Memfs();
    const fs = new Ukfs(memfs);
    fs.writeFile('file', 'x');
    const { ino } = fs.stat('file');
    const handle = { fid: new Uint8Array(0) };
    expect(memfs.fs_nodetofh(ino, handle)).to.equal(0);
    const out = { cookie: 0, generation: 0, va: vattr_new() };
    expect(memfs.fs_fhtonode(handle.fid, out)).to.equal(0);
    expect(out.cookie).to.equal(ino);
    memfs.node_reclaim(ino, 1);
    fs.unlink('file');
    expect(memfs.fs_fhtonode(handle.fid, out)).to.equal(E.ESTALE);
    expect(memfs.fs_fhtonode(new Uint8Array(3), out)).to.equal(E.EINVAL);
  });

  it('throws when a caller gives back what it does not have', () => {
    const memfs = new Memfs();
    expect(() => memfs.node_close(memfs.rootCookie, FREAD, PUFFS_CRED_ROOT)).to.throw('closed');
    new Ukfs(memfs).writeFile('file', '');
    const { ino } = new Ukfs(memfs).stat('file');
    expect(() => memfs.node_reclaim(ino, 1)).to.throw('given back');
  });

  it('refuses file flags', () => {
    const memfs = new Memfs();
    const va = { ...vattr_new(), va_flags: 2 };
    expect(memfs.node_setattr(memfs.rootCookie, va, PUFFS_CRED_ROOT)).to.equal(E.EOPNOTSUPP);
  });
});
