/**
 * NetBSD's tests of tmpfs, which are about every file system's names, attributes and links.
 * Not here: kqueue, mount points inside (t_rmdir mntpt, t_rename crossdev), chflags, vnd, and
 * executing what lies on the file system.
 */
import { expect } from 'chai';
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from '../../src/ukfs/flags.js';
import { major, makedev, minor } from '../../src/puffs/index.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  X_OK,
  type Timespec,
} from './driver.js';
import {
  checkTree,
  create,
  exists,
  expectContents,
  fails,
  names,
  pattern,
  withFile,
} from './expect.js';
import type { Case, Context } from './row.js';

const secondsOf = ({ sec, nsec }: Timespec): number => sec + nsec / 1e9;

const DT_OF: Readonly<Record<string, number>> = { file: 8, dir: 4, link: 10, fifo: 1 };

function device({ fs, m }: Context, format: number): void {
  fs.mknod('node', format | 0o640, makedev(12, 34));
  fs.mknod('large', format | 0o600, makedev(259, 70000));
  const check = (): void => {
    const stat = fs.stat('node');
    expect(stat.mode).to.equal(format | 0o640);
    expect([major(stat.rdev), minor(stat.rdev)]).to.deep.equal([12, 34]);
    const large = fs.stat('large');
    expect([major(large.rdev), minor(large.rdev)]).to.deep.equal([259, 70000]);
  };
  check();
  m.again();
  check();
  fails('EEXIST', () => fs.mknod('node', format | 0o600, makedev(1, 1)));
  fs.unlink('node');
  fs.unlink('large');
}

export const tmpfs: readonly Case[] = [
  {
    name: 't_create: create, attrs',
    run({ fs, m }) {
      const fd = fs.open('file', O_WRONLY | O_CREAT, 0o640);
      fs.fchmod(fd, 0o604);
      fs.close(fd);
      m.again();
      const stat = fs.stat('file');
      expect(stat.mode).to.equal(S_IFREG | 0o604);
      expect(stat).to.include({ nlink: 1, size: 0 });
      fails('ENOENT', () => create(fs, 'missing/file'));
      fails('ENOTDIR', () => create(fs, 'file/file'));
      fails('EISDIR', () => fs.open('/', O_WRONLY));
    },
  },
  { name: 't_devices, t_mknod: char', needs: ['devices'], run: (t) => device(t, S_IFCHR) },
  { name: 't_devices, t_mknod: block', needs: ['devices'], run: (t) => device(t, S_IFBLK) },
  {
    name: 't_mknod, t_pipes: pipe',
    run({ fs, m }) {
      fs.mknod('pipe', S_IFIFO | 0o622);
      m.again();
      expect(fs.stat('pipe').mode).to.equal(S_IFIFO | 0o622);
      fails('EEXIST', () => fs.mknod('pipe', S_IFIFO | 0o600));
      fs.chmod('pipe', 0o600);
      fs.rename('pipe', 'pipe2');
      m.again();
      expect(fs.stat('pipe2').mode).to.equal(S_IFIFO | 0o600);
      fs.unlink('pipe2');
    },
  },
  {
    name: 't_sockets: basic',
    needs: ['sockets'],
    run({ fs, m }) {
      fs.mknod('socket', S_IFSOCK | 0o755);
      m.again();
      expect(fs.stat('socket').mode).to.equal(S_IFSOCK | 0o755);
      fails('ENXIO', () => fs.open('socket', O_RDONLY));
      fs.unlink('socket');
    },
  },
  {
    name: 't_dots: topdir, nesteddir',
    run({ fs }) {
      fs.mkdir('a');
      fs.mkdir('a/b');
      create(fs, 'a/b/file', pattern(3));
      expectContents(fs, './a/./b/../b/./file', pattern(3));
      expectContents(fs, 'a/../a/b/../../a/b/file', pattern(3));
      expect(fs.stat('a/b/..').ino).to.equal(fs.stat('a').ino);
      expect(fs.stat('a/b/../..').ino).to.equal(fs.stat('/').ino);
      fails('ENOTDIR', () => fs.stat('a/b/file/..'));
      fails('ENOTDIR', () => fs.stat('a/b/file/.'));
      fails('ENOENT', () => fs.stat('a/missing/../b'));
    },
  },
  {
    name: 't_link: basic, subdirs',
    run({ fs, m }) {
      create(fs, 'file', pattern(5000));
      fs.mkdir('dir');
      fs.link('file', 'dir/link');
      fs.link('dir/link', 'third');
      const check = (links: number): void => {
        const { ino } = fs.stat('file');
        expect(fs.stat('dir/link')).to.include({ ino, nlink: links });
        expectContents(fs, 'dir/link', pattern(5000));
      };
      check(3);
      m.again();
      check(3);
      // What is written by one name is read by another.
      withFile(fs, 'third', O_WRONLY | O_TRUNC, (fd) => fs.pwrite(fd, pattern(10, 2), 0));
      expectContents(fs, 'file', pattern(10, 2));
      fs.unlink('file');
      expect(fs.stat('third').nlink).to.equal(2);
      m.again();
      expect(fs.stat('third').nlink).to.equal(2);
      expectContents(fs, 'dir/link', pattern(10, 2));
      fails('EEXIST', () => fs.link('third', 'dir/link'));
      fails('EPERM', () => fs.link('dir', 'dir2'));
      fails('ENOENT', () => fs.link('missing', 'other'));
      fails('ENOENT', () => fs.link('third', 'missing/other'));
      checkTree(fs);
    },
  },
  {
    name: 't_mkdir: single, many, nested, attrs',
    run({ fs, m, limits }) {
      fs.mkdir('single', 0o750);
      fails('EEXIST', () => fs.mkdir('single'));
      fails('EEXIST', () => fs.mkdir('single/.'));
      fails('EEXIST', () => fs.mkdir('/'));
      fails('ENOENT', () => fs.mkdir('missing/dir'));
      create(fs, 'file');
      fails('EEXIST', () => fs.mkdir('file'));
      fails('ENOTDIR', () => fs.mkdir('file/dir'));
      const links = Math.min(limits.linksMax, 200);
      for (let i = 3; i <= links; i++) fs.mkdir(`single/dir${i}`);
      expect(fs.stat('single').nlink).to.equal(links);
      if (limits.linksMax === links) fails('EMLINK', () => fs.mkdir('single/more'));
      let path = 'nested';
      for (let depth = 0; depth < 50; depth++) {
        fs.mkdir(path);
        path += '/x';
      }
      m.again();
      expect(fs.stat('single').mode).to.equal(S_IFDIR | 0o750);
      expect(fs.stat(path.slice(0, -2)).mode & S_IFMT).to.equal(S_IFDIR);
      checkTree(fs);
    },
  },
  {
    name: 't_readdir: types',
    run({ fs, m }) {
      create(fs, 'file');
      fs.mkdir('dir');
      fs.symlink('file', 'link');
      fs.mknod('fifo', S_IFIFO | 0o600);
      const check = (): void => {
        const found = Object.fromEntries(fs.readdir('/').map(({ name, type }) => [name, type]));
        expect(found).to.deep.equal(DT_OF);
      };
      check();
      m.again();
      check();
      fails('ENOTDIR', () => fs.readdir('file'));
      fails('ENOENT', () => fs.readdir('missing'));
    },
  },
  {
    name: 't_readdir: many',
    run({ fs, m }) {
      const all: string[] = [];
      for (let i = 0; i < 1000; i++) {
        const name = `${'entry'.repeat(i % 30)}${i}`;
        create(fs, name);
        all.push(name);
      }
      all.sort();
      expect(names(fs, '/')).to.deep.equal(all);
      m.again();
      expect(names(fs, '/')).to.deep.equal(all);
      for (const name of all.filter((_, i) => i % 3 === 0)) fs.unlink(name);
      const rest = all.filter((_, i) => i % 3 !== 0);
      expect(names(fs, '/')).to.deep.equal(rest);
      m.again();
      expect(names(fs, '/')).to.deep.equal(rest);
    },
  },
  {
    name: 't_remove: single, dot, and made again',
    run({ fs, m }) {
      create(fs, 'file', pattern(100, 1));
      fs.unlink('file');
      fails('ENOENT', () => fs.stat('file'));
      fails('ENOENT', () => fs.unlink('file'));
      create(fs, 'file', pattern(50, 2));
      m.again();
      expectContents(fs, 'file', pattern(50, 2));
      fs.mkdir('dir');
      fails('EISDIR', () => fs.unlink('dir'));
      fails('EISDIR', () => fs.unlink('dir/.'));
      fails('EISDIR', () => fs.unlink('dir/..'));
      fails('ENOTDIR', () => fs.unlink('file/x'));
    },
  },
  {
    name: 't_rename: dir_to_emptydir, dir_to_fulldir, dir_to_file, file_to_dir',
    run({ fs, m }) {
      fs.mkdir('dir');
      fs.mkdir('empty');
      fs.mkdir('full');
      create(fs, 'full/file');
      create(fs, 'file', pattern(10));
      fails('ENOTEMPTY', () => fs.rename('dir', 'full'));
      fails('ENOTDIR', () => fs.rename('dir', 'file'));
      fails('EISDIR', () => fs.rename('file', 'dir'));
      fails('EISDIR', () => fs.rename('file', 'full'));
      fails('ENOTEMPTY', () => fs.rename('full/file', 'full'));
      fails('ENOENT', () => fs.rename('missing', 'dir'));
      fails('ENOENT', () => fs.rename('file', 'missing/file'));
      fails('ENOTDIR', () => fs.rename('file', 'file/file'));
      const { ino } = fs.stat('dir');
      fs.rename('dir', 'empty');
      expect(fs.stat('empty').ino).to.equal(ino);
      fs.rename('empty', 'empty');
      m.again();
      expect(names(fs, '/')).to.deep.equal(['empty', 'file', 'full']);
      checkTree(fs);
    },
  },
  {
    name: 't_rename: basic, over hard links and open files',
    run({ fs, m }) {
      create(fs, 'a', pattern(10, 1));
      create(fs, 'b', pattern(10, 2));
      fs.link('b', 'c');
      const fd = fs.open('b', O_RDONLY);
      try {
        fs.rename('a', 'b');
        // The replaced file lives on under its other name and in the descriptor.
        expect(fs.fstat(fd).nlink).to.equal(1);
        expect(fs.pread(fd, 10, 0).equals(pattern(10, 2))).to.equal(true);
      } finally {
        fs.close(fd);
      }
      expectContents(fs, 'b', pattern(10, 1));
      m.again();
      expectContents(fs, 'b', pattern(10, 1));
      expectContents(fs, 'c', pattern(10, 2));
      expect(names(fs, '/')).to.deep.equal(['b', 'c']);
      checkTree(fs);
    },
  },
  {
    name: 't_rmdir: non_existent, single, nested, dots, non_empty, links',
    run({ fs, m, limits }) {
      fails('ENOENT', () => fs.rmdir('missing'));
      create(fs, 'file');
      fails('ENOTDIR', () => fs.rmdir('file'));
      fs.mkdir('a');
      fs.mkdir('a/b');
      expect(fs.stat('/').nlink).to.equal(limits.rootLinks + 1);
      fails('EINVAL', () => fs.rmdir('a/.'));
      fails('ENOTEMPTY', () => fs.rmdir('a/b/..'));
      fails('ENOTEMPTY', () => fs.rmdir('a'));
      fs.rmdir('a/b');
      expect(fs.stat('a').nlink).to.equal(2);
      fs.rmdir('a');
      expect(fs.stat('/').nlink).to.equal(limits.rootLinks);
      m.again();
      expect(names(fs, '/')).to.deep.equal(['file']);
    },
  },
  {
    name: 't_rmdir: curdir: a removed directory that is open is empty and stays so',
    known: { 'fuse-native': 'libfuse names directories by their path' },
    run({ fs }) {
      fs.mkdir('dir');
      const fd = fs.open('dir', O_RDONLY);
      try {
        fs.rmdir('dir');
        expect(fs.fstat(fd).mode & S_IFMT).to.equal(S_IFDIR);
        fails('ENOENT', () => create(fs, 'dir/file'));
      } finally {
        fs.close(fd);
      }
      fs.mkdir('dir');
      create(fs, 'dir/file');
    },
  },
  {
    name: 't_setattr: chown, chgrp, chowngrp, chmod, chtimes',
    known: { 'fuse-native': 'the binding hands atime over as mtime' },
    run({ fs, m, limits }) {
      for (const make of [() => create(fs, 'node'), () => fs.mkdir('node')]) {
        make();
        const { mode } = fs.stat('node');
        fs.chown('node', 1000, 1001);
        expect(fs.stat('node')).to.include({ uid: 1000, gid: 1001 });
        fs.chown('node', -1, 7);
        expect(fs.stat('node')).to.include({ uid: 1000, gid: 7, mode });
        fs.chmod('node', 0o7531);
        const sec = Math.min(2 ** 31 + 5, limits.timeSecMax);
        fs.utimes('node', { sec, nsec: 0 }, { sec: 1, nsec: 0 });
        const check = (): void => {
          const stat = fs.stat('node');
          expect(stat).to.include({ uid: 1000, gid: 7 });
          expect(stat.mode & ~S_IFMT).to.equal(0o7531);
          expect([stat.atime.sec, stat.mtime.sec]).to.deep.equal([sec, 1]);
        };
        check();
        m.again();
        check();
        if ((mode & S_IFMT) === S_IFDIR) fs.rmdir('node');
        else fs.unlink('node');
      }
    },
  },
  {
    name: 't_setattr: chown takes set-id bits from a file, not from a directory',
    run({ fs }) {
      create(fs, 'file');
      fs.chmod('file', 0o6755);
      fs.chown('file', 5, 6);
      expect(fs.stat('file').mode & 0o7777).to.equal(0o755);
      fs.mkdir('dir');
      fs.chmod('dir', 0o6755);
      fs.chown('dir', 5, 6);
      expect(fs.stat('dir').mode & 0o7777).to.equal(0o6755);
    },
  },
  {
    name: 't_setattr: lchown of a symbolic link',
    run({ fs, m }) {
      create(fs, 'file');
      const before = fs.stat('file');
      fs.symlink('file', 'link');
      fs.lchown('link', 3, 4);
      m.again();
      expect(fs.lstat('link')).to.include({ uid: 3, gid: 4 });
      expect(fs.readlink('link').toString()).to.equal('file');
      const { uid, gid } = fs.stat('file');
      expect([uid, gid]).to.deep.equal([before.uid, before.gid]);
    },
  },
  {
    name: 't_statvfs: values',
    run({ fs }) {
      const before = fs.statvfs();
      expect(before.bsize).to.be.greaterThan(0);
      expect(before.bfree).to.be.at.most(before.blocks);
      expect(before.bavail).to.be.at.most(before.bfree);
      expect(before.ffree).to.be.at.most(before.files);
    },
  },
  {
    name: 't_symlink: file, dir, exec',
    run({ fs, m }) {
      create(fs, 'file', pattern(20));
      fs.mkdir('dir');
      create(fs, 'dir/inner', pattern(30));
      fs.symlink('file', 'tofile');
      fs.symlink('dir', 'todir');
      fs.symlink('../file', 'dir/up');
      m.again();
      expectContents(fs, 'tofile', pattern(20));
      expectContents(fs, 'todir/inner', pattern(30));
      expectContents(fs, 'todir/up', pattern(20));
      expectContents(fs, 'todir/../file', pattern(20));
      fs.chmod('tofile', 0o700);
      fs.access('tofile', X_OK);
      expect(fs.stat('file').mode & 0o777).to.equal(0o700);
      // Removing goes to the link, writing through it.
      withFile(fs, 'tofile', O_WRONLY | O_TRUNC, (fd) => fs.pwrite(fd, pattern(5), 0));
      expectContents(fs, 'file', pattern(5));
      fs.unlink('tofile');
      expect(exists(fs, 'file')).to.equal(true);
      fails('ENOTDIR', () => fs.rmdir('todir'));
      fails('EEXIST', () => fs.symlink('x', 'todir'));
      // A file may be made through a link that leads nowhere yet.
      fs.symlink('dir/new', 'dangling');
      withFile(fs, 'dangling', O_WRONLY | O_CREAT, (fd) => fs.pwrite(fd, pattern(7), 0));
      expectContents(fs, 'dir/new', pattern(7));
      fails('EINVAL', () => fs.readlink('file'));
    },
  },
  {
    name: 't_times: empty, non_empty, link, rename',
    needs: ['clock'],
    run({ fs, m }) {
      const advance = (): void => m.advanceClock!(10);
      const sec = (path: string): { m: number; c: number } => {
        const { mtime, ctime } = fs.stat(path);
        return { m: secondsOf(mtime), c: secondsOf(ctime) };
      };
      const root = sec('/');
      advance();
      create(fs, 'file');
      const made = sec('file');
      expect(made.m).to.equal(made.c);
      expect(sec('/').m).to.be.greaterThan(root.m);
      advance();
      withFile(fs, 'file', O_WRONLY, (fd) => fs.pwrite(fd, pattern(1), 0));
      const written = sec('file');
      expect(written.m).to.be.greaterThan(made.m);
      expect(written.c).to.equal(written.m);
      advance();
      fs.chmod('file', 0o600);
      expect(sec('file').m).to.equal(written.m);
      expect(sec('file').c).to.be.greaterThan(written.c);
      fs.mkdir('dir');
      const chmodded = sec('file');
      advance();
      const directory = sec('dir');
      fs.link('file', 'dir/link');
      expect(sec('file').m).to.equal(chmodded.m);
      expect(sec('dir').m).to.be.greaterThan(directory.m);
      const linked = { dir: sec('dir'), root: sec('/') };
      advance();
      fs.rename('file', 'dir/file');
      expect(sec('dir/file').m).to.equal(chmodded.m);
      expect(sec('dir').m).to.be.greaterThan(linked.dir.m);
      expect(sec('/').m).to.be.greaterThan(linked.root.m);
      const moved = sec('dir');
      advance();
      fs.unlink('dir/link');
      expect(sec('dir').m).to.be.greaterThan(moved.m);
      const now = { file: sec('dir/file'), dir: sec('dir'), root: sec('/') };
      m.again();
      // Directory times are kept through their entries alone on some file systems.
      expect(sec('dir/file').m).to.equal(now.file.m);
      expect(sec('dir').m).to.equal(now.dir.m);
    },
  },
  {
    name: 't_mtime_otrunc, t_mtime_write: five rounds',
    needs: ['clock'],
    run({ fs, m }) {
      create(fs, 'file');
      let last = secondsOf(fs.stat('file').mtime);
      const grew = (): void => {
        const sec = secondsOf(fs.stat('file').mtime);
        expect(sec).to.be.greaterThan(last);
        last = sec;
      };
      for (let round = 0; round < 5; round++) {
        m.advanceClock!(2);
        fs.close(fs.open('file', O_WRONLY | O_CREAT | O_TRUNC));
        grew();
        m.advanceClock!(2);
        withFile(fs, 'file', O_WRONLY, (fd) => fs.pwrite(fd, pattern(1), 0));
        grew();
      }
    },
  },
  {
    name: 't_trail_slash: main',
    run({ fs }) {
      fs.mkdir('dir/');
      expect(fs.stat('dir/').mode & S_IFMT).to.equal(S_IFDIR);
      create(fs, 'file');
      fails('ENOTDIR', () => fs.stat('file/'));
      fails('ENOTDIR', () => fs.unlink('file/'));
      fails('EISDIR', () => fs.open('new/', O_WRONLY | O_CREAT));
      fails(['ENOTDIR', 'EISDIR'], () => fs.open('file/', O_WRONLY | O_CREAT));
      fs.rename('dir/', 'dir2/');
      fails('ENOTDIR', () => fs.rename('file', 'new/'));
      fs.symlink('dir2', 'link');
      expect(fs.lstat('link/').mode & S_IFMT).to.equal(S_IFDIR);
      fs.rmdir('dir2/');
      expect(names(fs, '/')).to.deep.equal(['file', 'link']);
    },
  },
  {
    name: 't_vnode_leak: main',
    run({ fs, m }) {
      const start = m.liveNodes?.();
      fs.mkdir('dir');
      for (let i = 0; i < 200; i++) {
        create(fs, `dir/${i}`, pattern(1));
        fs.link(`dir/${i}`, `dir/link${i}`);
        fs.rename(`dir/${i}`, `dir/moved${i}`);
        fs.unlink(`dir/link${i}`);
        fails('EEXIST', () => create(fs, `dir/moved${i}`));
        fails('ENOENT', () => fs.rename(`dir/${i}`, 'dir/x'));
        fs.unlink(`dir/moved${i}`);
      }
      fs.rmdir('dir');
      expect(m.liveNodes?.()).to.equal(start);
    },
  },
];
