/** ext2fs: images of mke2fs are read exactly, and e2fsck has nothing to say about what we write. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { e2d, e2di, e2fs, e2gd, jbd_sb } from '../../src/netbsd-compat/drivers/ext2fs/medium.js';
import { type Ukfs, UkfsError } from '../../src/ukfs/index.js';
import { EXT2FS } from '../../src/ukfs/mount_ext2fs.js';
import { aclText } from '../conformance/acl.js';
import { hostTree } from '../images/host_tree.js';
import { makeTree } from '../images/source_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import {
  debugfs,
  debugfsWrite,
  e2fsck,
  emptyExt2,
  mke2fs,
  NO_E2FSPROGS,
  withImage,
} from './e2fsprogs.js';
import { exerciseMutants } from './hostile.js';
import { crashAfterSync, mounterOf } from './rig.js';

/** An access list that says more than a mode. */
const LIST = 'u::rwx,u:1001:rw-,g::r-x,m::rwx,o::---';
const MUTANTS = Number(process.env.LUMP_MUTANTS ?? 60);

const mount = mounterOf(EXT2FS);

describe('netbsd-compat: ext2 medium', () => {
  it('fields lie where the format has them', () => {
    const offsets = (fields: Readonly<Record<string, { at: number }>>): number[] =>
      Object.values(fields).map(({ at }) => at);
    expect(offsets(e2fs)).to.deep.equal([
      0, 4, 8, 12, 16, 20, 24, 32, 40, 44, 48, 52, 56, 58, 76, 84, 88, 92, 96, 100, 224, 232,
    ]);
    expect(offsets(e2gd)).to.deep.equal([0, 4, 8, 12, 14, 16]);
    expect(offsets(e2di)).to.deep.equal([
      0, 2, 4, 8, 12, 16, 20, 24, 26, 28, 32, 40, 100, 104, 108, 120, 122, 128, 132, 136, 140, 144,
      148,
    ]);
    expect(offsets(e2d)).to.deep.equal([0, 4, 6, 7]);
    expect(offsets(jbd_sb)).to.deep.equal([12, 16, 20, 24, 28, 40]);
  });
});

/** Into inodes and blocks, out of them, from one to the other. */
function changeAttributes(ukfs: Ukfs): void {
  const value = (size: number): Uint8Array => new Uint8Array(size).fill(size);
  for (let i = 0; i < 20; i++) {
    const path = `/directory/made/file number ${1 + 2 * i}`;
    for (const [at, size] of [3, 40 + i, 11 * i, 300].entries()) {
      ukfs.setxattr(path, `user.attribute ${at}`, value(size));
    }
    ukfs.setxattr(path, 'security.selinux', value(25));
    if (i % 2 === 0) ukfs.removexattr(path, 'user.attribute 3');
    if (i % 3 === 0) ukfs.setxattr(path, 'user.attribute 0', value(200));
    if (i % 5 === 0)
      for (const name of ukfs.listxattr(path)) ukfs.removexattr(path, name as string);
    if (i % 7 === 0) ukfs.unlink(path);
  }
  ukfs.setxattr('/links/long', 'trusted.x', value(9), 0, false);
  ukfs.setxattr('/special/large', 'trusted.x', value(600));
  ukfs.setxattr('/directory/made', 'system.posix_acl_default', aclText(LIST));
  ukfs.writeFile('/directory/made/inherits', 'x');
  ukfs.setxattr('/new', 'system.posix_acl_access', aclText(LIST));
  expect(() => ukfs.setxattr('/new', 'user.large', value(5000))).to.throw('ENOSPC');
}

describe('netbsd-compat: ext2fs', () => {
  if (NO_E2FSPROGS !== undefined) {
    it(`(skipped: ${NO_E2FSPROGS})`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'lump-ext2-'));
  const source = join(folder, 'source');
  let wanted: Tree;
  before(() => {
    mkdirSync(source);
    makeTree(source);
    // More than one block holds.
    spawnSync('setfattr', ['-x', 'user.long', join(source, 'text.128')]);
    // Where there is no program to set attributes there is none to read.
    wanted = hostTree(source, { xattrs: spawnSync('getfattr', ['--version']).status === 0 });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const KINDS: Readonly<Record<string, readonly string[]>> = {
    'blocks of 1 KiB, inodes of 128 bytes': ['-t', 'ext2', '-b', '1024', '-I', '128'],
    'blocks of 4 KiB, inodes of 256 bytes': ['-t', 'ext2', '-b', '4096', '-I', '256'],
    'no file types': ['-t', 'ext2', '-O', '^filetype'],
    'old revision': ['-t', 'ext2', '-r', '0'],
    ext3: ['-t', 'ext3', '-J', 'size=1'],
  };

  for (const [name, args] of Object.entries(KINDS)) {
    it(`reads what mke2fs -d made, exactly: ${name}`, () => {
      const image = mke2fs('8M', ...args, '-d', source);
      const before = image.slice();
      const { ukfs, unmount, image: now } = mount(image, { readOnly: true });
      const tree = ukfsTree(ukfs).filter(({ path }) => path !== 'lost+found');
      assertSameTree(name, wanted, tree, {
        // The old revision has none.
        ignore: ['ctime', 'atime', ...(name === 'old revision' ? (['xattrs'] as const) : [])],
        ignoreAtRoot: ['nlink', 'mtime', 'mode', 'uid', 'gid', 'xattrs'],
      });
      unmount();
      expect(Buffer.from(now()).equals(before), 'nothing is written').to.equal(true);
    });

    it(`what is changed in it stays clean: ${name}`, () => {
      const { ukfs, unmount, image } = mount(mke2fs('8M', ...args, '-d', source));
      ukfs.writeFile('/new', new Uint8Array(300_000).fill(65));
      ukfs.mkdir('/directory/made');
      for (let i = 0; i < 300; i++) ukfs.writeFile(`/directory/made/file number ${i}`, `${i}`);
      for (let i = 0; i < 300; i += 2) ukfs.unlink(`/directory/made/file number ${i}`);
      ukfs.rename('/directory/nested', '/names/nested');
      ukfs.rename('/many/7', '/many/8');
      ukfs.link('/hello', '/many/hello');
      ukfs.symlink('x'.repeat(200), '/links/long');
      ukfs.mknod('/special/large', 0o020600, 0x12345678);
      ukfs.truncate('/zeros', 100);
      ukfs.truncate('/sparse', 5_000_000);
      ukfs.chown('/shell', 100_000, 200_000);
      ukfs.unlink('/half and half');
      if (name !== 'old revision') changeAttributes(ukfs);
      const expected = ukfsTree(ukfs);
      unmount();
      e2fsck(image());
      const again = mount(image(), { readOnly: true });
      assertSameTree('mounted again', expected, ukfsTree(again.ukfs));
      again.unmount();
    });
  }

  it('debugfs reads what we wrote', () => {
    const { ukfs, unmount, image } = mount(emptyExt2());
    const bytes = Uint8Array.from({ length: 700_000 }, (_, i) => (i * i) >> 7);
    ukfs.writeFile('/big', bytes);
    ukfs.mkdir('/dir', 0o750);
    ukfs.symlink('target of the link', '/dir/link');
    ukfs.mknod('/dir/device', 0o060640, 0x0811);
    unmount();
    withImage(image(), (path) => {
      const out = join(folder, 'big');
      const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
      execFileSync('debugfs', ['-R', `dump /big ${out}`, path], { env, stdio: 'pipe' });
      expect(spawnSync('cmp', [out, '-'], { input: bytes }).status).to.equal(0);
    });
    expect(debugfs(image(), 'stat /dir')).to.match(/Type: directory\s+Mode:\s+0750/);
    expect(debugfs(image(), 'stat /dir/link')).to.include('"target of the link"');
    expect(debugfs(image(), 'stat /dir/device')).to.match(/block special\s+Mode:\s+0640/);
    expect(debugfs(image(), 'stat /dir/device')).to.include('08:17');
  });

  it('attributes of debugfs are read, a block that two share is not changed for both', () => {
    const kinds = Object.entries({ inode: '256', block: '128' });
    for (const [name, inodeBytes] of kinds) {
      const made = mke2fs('4M', '-t', 'ext2', '-b', '1024', '-I', inodeBytes, '-d', source);
      const long = 'v'.repeat(400);
      const set = debugfsWrite(made, [
        'ea_set /hello user.short x',
        `ea_set /hello user.long ${long}`,
        'ea_set /hello trusted.other value',
      ]);
      const { ukfs, unmount, image } = mount(set);
      const text = (attribute: string): string =>
        Buffer.from(ukfs.getxattr('/hello', attribute)).toString();
      expect(text('user.short'), name).to.equal('x');
      expect(text('user.long')).to.equal(long);
      expect(text('trusted.other')).to.equal('value');
      ukfs.setxattr('/hello', 'user.ours', 'by lump');
      ukfs.removexattr('/hello', 'user.short');
      unmount();
      expect(debugfs(image(), 'ea_list /hello')).to.match(/user\.ours \(7\) = "by lump"/);
      expect(debugfs(image(), 'ea_list /hello')).to.not.include('user.short');
      e2fsck(image());
    }
    // The kernel lets inodes with the same attributes share a block.
    const { ukfs, unmount, image } = mount(mke2fs('4M', '-t', 'ext2', '-I', '128'));
    ukfs.writeFile('/one', '1');
    ukfs.writeFile('/two', '2');
    ukfs.setxattr('/one', 'user.x', 'shared');
    unmount();
    const block = /File ACL: (\d+)/.exec(debugfs(image(), 'stat /one'))![1]!;
    const bytes = image();
    new DataView(bytes.buffer).setUint32(Number(block) * 1024 + 4, 2, true);
    const shared = debugfsWrite(bytes, [`sif /two file_acl ${block}`, 'sif /two blocks 4']);
    e2fsck(shared);
    const again = mount(shared);
    again.ukfs.setxattr('/one', 'user.x', 'own');
    expect(Buffer.from(again.ukfs.getxattr('/two', 'user.x')).toString()).to.equal('shared');
    again.ukfs.unlink('/two');
    again.unmount();
    e2fsck(again.image());
  });

  it('attributes that lead nowhere are an error, again and again', () => {
    const broken = debugfsWrite(emptyExt2(), ['sif / file_acl 9999999']);
    const { ukfs, unmount } = mount(broken);
    for (let i = 0; i < 3; i++) {
      expect(() => ukfs.mkdir('/dir')).to.throw('EIO');
      expect(() => ukfs.writeFile('/file', 'x')).to.throw('EIO');
      expect(() => ukfs.listxattr('/')).to.throw('EIO');
    }
    expect(ukfs.readdir('/')).to.deep.equal([]);
    unmount();
  });

  it('times have nanoseconds, and go on after 2038, where inodes have the room', () => {
    const image = mke2fs('4M', '-t', 'ext2', '-I', '256');
    const { ukfs, unmount, image: now } = mount(image);
    ukfs.writeFile('/file', '');
    const times = [
      { sec: 5_000_000_000, nsec: 123_456_789 },
      { sec: -1, nsec: 999_999_999 },
    ] as const;
    ukfs.utimes('/file', ...times);
    unmount();
    e2fsck(now());
    expect(debugfs(now(), 'stat /file')).to.match(/atime: 0x2a05f200:1d6f3455 -- .* 2128/);
    const again = mount(now(), { readOnly: true });
    const { atime, mtime, birthtime } = again.ukfs.stat('/file');
    expect([atime, mtime]).to.deep.equal(times);
    expect(birthtime.sec).to.equal(Date.UTC(2035, 0, 1) / 1000);
    again.unmount();
  });

  it('an index of a directory is taken away when it is changed without', () => {
    const many = join(folder, 'many');
    mkdirSync(many);
    for (let i = 0; i < 400; i++) writeFileSync(join(many, `a rather long name ${i}`), '');
    const indexed = withImage(mke2fs('4M', '-t', 'ext2', '-b', '1024', '-d', many), (path) => {
      const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
      spawnSync('e2fsck', ['-fyD', path], { env });
      return new Uint8Array(execFileSync('cat', [path], { maxBuffer: 8 << 20 }));
    });
    expect(debugfs(indexed, 'stat /')).to.include('0x1000');
    const { ukfs, unmount, image } = mount(indexed);
    expect(ukfs.readdir('/')).to.have.lengthOf(401);
    for (let i = 0; i < 100; i++) ukfs.unlink(`/a rather long name ${i}`);
    for (let i = 0; i < 50; i++) ukfs.writeFile(`/another name ${i}`, '');
    unmount();
    e2fsck(image());
  });

  it('a journal that is needed is replayed; for reading only, in memory', () => {
    const made = mke2fs('8M', '-t', 'ext3', '-b', '1024', '-J', 'size=1', '-d', source);
    // A block of a file, as a crashed kernel leaves it: in the journal, and not in its place yet.
    const blkno = Number(debugfs(made, 'blocks /text.4096').trim().split(/\s+/)[0]);
    const content = join(folder, 'block');
    writeFileSync(content, Buffer.alloc(1024, 'J'));
    const dirty = debugfsWrite(made, ['jo', `jw -b ${blkno} ${content}`, 'jc']);
    expect(debugfs(dirty, 'show_super_stats -h')).to.include('needs_recovery');
    for (const readOnly of [true, false]) {
      const { ukfs, unmount, image } = mount(dirty, { readOnly });
      const text = Buffer.from(ukfs.readFile('/text.4096')).subarray(0, 1024).toString();
      expect(text).to.equal('J'.repeat(1024));
      unmount();
      expect(Buffer.from(image()).equals(dirty)).to.equal(readOnly);
      if (readOnly) continue;
      expect(debugfs(image(), 'show_super_stats -h')).to.not.include('needs_recovery');
      e2fsck(image());
    }
    // What was revoked later is not put back.
    const revoked = debugfsWrite(made, ['jo', `jw -b ${blkno} ${content}`, `jw -r ${blkno}`, 'jc']);
    const { ukfs, unmount, image } = mount(revoked);
    expect(Buffer.from(ukfs.readFile('/text.4096')).includes('JJJJ')).to.equal(false);
    unmount();
    e2fsck(image());
  });

  it('says why it only reads, or does not', () => {
    const unclean = mount(emptyExt2());
    unclean.ukfs.writeFile('/file', 'x');
    unclean.ukfs.sync();
    const crashed = unclean.image();
    unclean.unmount();
    const careful = mount(crashed);
    expect(careful.readOnly).to.equal(true);
    expect(careful.report.join()).to.include('not unmounted cleanly: run e2fsck -f, or use force');
    careful.unmount();
    const forced = mount(crashed, { force: true });
    expect(forced.readOnly).to.equal(false);
    forced.unmount();
    const ext4 = mke2fs('8M', '-t', 'ext4');
    expect(() => mount(ext4)).to.throw(/features that ext2fs does not know: .*extents \(ext4\)/);
    const huge = mke2fs('8M', '-t', 'ext2', '-O', 'huge_file');
    const reading = mount(huge);
    expect(reading.report.join()).to.include('can only read: huge_file');
    reading.unmount();
    expect(() => mount(new Uint8Array(1 << 20))).to.throw('/disk has no ext2fs file system');
    const short = mount(emptyExt2().slice(0, 3 << 20));
    expect(short.report.join()).to.include('the last 1048576 bytes of it are missing');
    short.unmount();
  });

  it('is found in a partition, or at a place that is told', () => {
    const image = new Uint8Array(6 << 20);
    image.set(emptyExt2(), 1 << 20);
    const told = mount(image, { image: '/disk%OFFSET:1048576,4194304%' });
    told.ukfs.writeFile('/told', '');
    told.unmount();
    image.set([0x55, 0xaa], 510);
    const view = new DataView(image.buffer);
    view.setUint8(446 + 4, 0x83);
    view.setUint32(446 + 8, 2048, true);
    view.setUint32(446 + 12, 8192, true);
    const found = mount(image);
    expect(found.report.join()).to.equal('partition 1 of its mbr: bytes 1048576 to 5242880');
    found.ukfs.writeFile('/found', '');
    found.unmount();
    const named = mount(found.image(), { part: '1' });
    expect(named.ukfs.readdir('/')).to.deep.equal(['found']);
    named.unmount();
    expect(() => mount(image, { part: '2' })).to.throw(
      'no partition "2"; there are: 1 (mbr, type 0x83)',
    );
  });

  it('a working directory whose ".." leads in a circle has no path', () => {
    const requests = [
      'mkdir x',
      'mkdir x/a',
      'cd x',
      'unlink ..',
      'link a ..',
      'cd a',
      'link /x c',
    ];
    const { ukfs, unmount } = mount(debugfsWrite(emptyExt2(), requests));
    const refusal = (call: () => unknown): void =>
      void expect(call).to.throw(UkfsError).with.property('code', 'ELOOP');
    ukfs.chdir('/x/a/c/a');
    refusal(() => ukfs.cwd());
    ukfs.chdir('/x');
    refusal(() => ukfs.cwd());
    ukfs.chdir('/');
    expect(ukfs.cwd()).to.equal('/');
    unmount();
  });

  for (const backend of ['sync', 'async', 'window'] as const) {
    it(`a crash after fsync keeps what was synced: ${backend}`, () => {
      e2fsck(crashAfterSync(EXT2FS, emptyExt2(), backend));
    });
  }

  it(`${MUTANTS} images with wrong bytes: results or errors only`, function () {
    this.timeout(600_000);
    const small = join(folder, 'small');
    mkdirSync(small);
    for (const name of ['a', 'b', 'c']) writeFileSync(join(small, name), name.repeat(20_000));
    mkdirSync(join(small, 'd/e/f'), { recursive: true });
    writeFileSync(join(small, 'd/e/file'), 'x');
    execFileSync('ln', ['-s', 'd/e', join(small, 'link')]);
    spawnSync('setfattr', ['-n', 'user.long', '-v', 'v'.repeat(300), join(small, 'a')]);
    spawnSync('setfattr', ['-n', 'user.short', '-v', 'short', join(small, 'b')]);
    const base = mke2fs('512K', '-t', 'ext2', '-b', '1024', '-I', '256', '-N', '64', '-d', small);
    exerciseMutants(EXT2FS, base, MUTANTS);
  });
});
