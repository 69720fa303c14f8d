/**
 * NetBSD's t_unpriv and t_link, and what Linux asks of users besides: the sticky bit, set-id bits,
 * groups, search permission.
 */
import { expect } from 'chai';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_WRONLY } from '../../src/ukfs/flags.js';
import { S_IFMT, type FsDriver } from './driver.js';
import { create, fails, withFile, pattern } from './expect.js';
import type { User } from './node_driver.js';
import type { Case, Context } from './row.js';

const USER: User = { uid: 1001, gid: 1001, groups: [] };
const OTHER: User = { uid: 1002, gid: 1002, groups: [] };
const MEMBER: User = { uid: 1003, gid: 1003, groups: [1001] };

const permissions = (fs: FsDriver, path: string): number => fs.lstat(path).mode & ~S_IFMT;

function hardlink({ fs, m }: Context, who: User | null): void {
  fs.mkdir('dir');
  fs.chmod('dir', 0o777);
  create(m.as!(USER), 'dir/file');
  fs.chmod('dir/file', 0o600);
  (who === null ? fs : m.as!(who)).link('dir/file', 'dir/link');
  expect(fs.stat('dir/link').nlink).to.equal(2);
}

export const unpriv: readonly Case[] = [
  {
    name: 't_unpriv: owner',
    needs: ['users'],
    run({ fs, m }) {
      fs.mkdir('dir');
      fs.chmod('dir', 0o755);
      const user = m.as!(USER);
      fails('EPERM', () => user.chown('dir', 1001, -1));
      fails('EPERM', () => user.chmod('dir', 0));
      expect(permissions(fs, 'dir')).to.equal(0o755);
      fs.chown('dir', 1001, 1001);
      user.chown('dir', 1001, 1001);
      user.chmod('dir', 0);
      expect(permissions(fs, 'dir')).to.equal(0);
      fails('EPERM', () => user.chown('dir', 1002, 1001));
      fails('EPERM', () => user.chown('dir', 1001, 1002));
    },
  },
  {
    name: 't_unpriv: dirperms',
    needs: ['users'],
    run({ fs, m }) {
      fs.mkdir('dir', 0o755);
      create(fs, 'dir/file');
      const user = m.as!(USER);
      fails('EACCES', () => user.open('dir/new', O_RDWR | O_CREAT));
      fails('EACCES', () => user.unlink('dir/file'));
      fails('EACCES', () => user.mkdir('dir/new'));
      fails('EACCES', () => user.rename('dir/file', 'dir/new'));
      fails('EACCES', () => user.symlink('x', 'dir/new'));
      // Not to be searched, not even for what would be refused anyway.
      fs.chmod('dir', 0o700);
      fails('EACCES', () => user.stat('dir/file'));
      fails('EACCES', () => user.stat('dir/missing'));
      fails('EACCES', () => user.open('dir', O_RDONLY));
      // Search without read: names that are known work.
      fs.chmod('dir', 0o711);
      user.stat('dir/file');
      fails('EACCES', () => user.readdir('dir'));
    },
  },
  {
    name: 't_unpriv: times',
    needs: ['users'],
    run({ fs, m, limits }) {
      create(fs, 'file');
      fs.chmod('file', 0o644);
      const user = m.as!(USER);
      const time = { sec: 5, nsec: 0 };
      fails('EACCES', () => user.utimes('file'));
      fails('EPERM', () => user.utimes('file', time, time));
      fs.chmod('file', 0o666);
      user.utimes('file');
      fails('EPERM', () => user.utimes('file', time, time));
      for (const sec of [limits.timeSecMin, 0, limits.timeSecMax]) {
        fs.utimes('file', { sec, nsec: 0 }, { sec, nsec: 0 });
        const { atime, mtime } = fs.stat('file');
        expect([atime.sec, mtime.sec]).to.deep.equal([sec, sec]);
      }
    },
  },
  {
    name: 't_link: hardlink_sameuser',
    needs: ['users'],
    known: { 'fuse-native': "who makes a file is not told, so it is root's" },
    run: (t) => hardlink(t, USER),
  },
  { name: 't_link: hardlink_rootuser', needs: ['users'], run: (t) => hardlink(t, null) },
  {
    name: 't_link: hardlink_otheruser',
    // Linux's fs.protected_hardlinks is the kernel's own, above any file system.
    needs: ['users', 'unprotectedLinks'],
    run: (t) => hardlink(t, OTHER),
  },
  {
    name: 'permissions: exactly one class decides',
    needs: ['users'],
    run({ fs, m }) {
      create(fs, 'file', pattern(3));
      fs.chown('file', 1001, 1001);
      const may = (user: User, flags: number): boolean => {
        const driver = m.as!(user);
        try {
          driver.close(driver.open('file', flags));
          return true;
        } catch {
          return false;
        }
      };
      type May = readonly [mode: number, user: User, read: boolean, write: boolean];
      const table: readonly May[] = [
        [0o070, USER, false, false],
        [0o007, USER, false, false],
        [0o700, USER, true, true],
        [0o400, USER, true, false],
        [0o640, MEMBER, true, false],
        [0o607, MEMBER, false, false],
        [0o020, MEMBER, false, true],
        [0o604, OTHER, true, false],
        [0o660, OTHER, false, false],
        [0o622, OTHER, false, true],
      ];
      for (const [mode, user, read, write] of table) {
        fs.chmod('file', mode);
        const found = [may(user, O_RDONLY), may(user, O_WRONLY), may(user, O_RDWR)];
        const what = `user ${user.uid} with 0${mode.toString(8)}`;
        expect(found, what).to.deep.equal([read, write, read && write]);
      }
    },
  },
  {
    name: 'permissions: who makes a file may use it, whatever its mode',
    needs: ['users'],
    known: { 'fuse-native': "who makes a file is not told, so it is root's" },
    run({ fs, m }) {
      fs.chmod('/', 0o777);
      const user = m.as!(USER);
      const fd = user.open('file', O_RDWR | O_CREAT | O_EXCL, 0o000);
      expect(user.pwrite(fd, pattern(3), 0)).to.equal(3);
      user.close(fd);
      expect(fs.stat('file')).to.include({ uid: 1001, gid: 1001, size: 3 });
      fails('EACCES', () => user.open('file', O_RDONLY));
      fs.chmod('/', 0o755);
    },
  },
  {
    name: 'permissions: the sticky bit',
    needs: ['users'],
    known: { 'fuse-native': "who makes a file is not told, so it is root's" },
    run({ fs, m }) {
      fs.mkdir('tmp');
      fs.chmod('tmp', 0o1777);
      const user = m.as!(USER);
      const other = m.as!(OTHER);
      create(user, 'tmp/file');
      user.mkdir('tmp/dir');
      create(other, 'tmp/mine');
      fails('EPERM', () => other.unlink('tmp/file'));
      fails('EPERM', () => other.rmdir('tmp/dir'));
      fails('EPERM', () => other.rename('tmp/file', 'tmp/stolen'));
      fails('EPERM', () => other.rename('tmp/mine', 'tmp/file'));
      other.rename('tmp/mine', 'tmp/still-mine');
      user.unlink('tmp/file');
      fs.unlink('tmp/still-mine');
      user.rmdir('tmp/dir');
    },
  },
  {
    name: 'permissions: set-group-id directories hand their group on',
    needs: ['users'],
    known: { 'fuse-native': "who makes a file is not told, so it is root's" },
    run({ fs, m }) {
      fs.mkdir('dir');
      fs.chown('dir', 0, 1001);
      fs.chmod('dir', 0o2777);
      const other = m.as!(OTHER);
      create(other, 'dir/file');
      other.mkdir('dir/sub', 0o755);
      other.symlink('x', 'dir/link');
      expect(fs.stat('dir/file')).to.include({ uid: 1002, gid: 1001 });
      expect(fs.lstat('dir/link')).to.include({ uid: 1002, gid: 1001 });
      expect(fs.stat('dir/sub').gid).to.equal(1001);
      expect(permissions(fs, 'dir/sub') & 0o2000).to.equal(0o2000);
      expect(permissions(fs, 'dir/file') & 0o2000).to.equal(0);
    },
  },
  {
    name: 'permissions: set-id bits are lost to strangers',
    needs: ['users'],
    run({ fs, m }) {
      create(fs, 'file', pattern(3));
      fs.chown('file', 1002, 1001);
      fs.chmod('file', 0o6777);
      // A write by another than root takes them.
      const user = m.as!(USER);
      withFile(user, 'file', O_WRONLY, (fd) => user.pwrite(fd, pattern(1), 0));
      expect(permissions(fs, 'file')).to.equal(0o777);
      // The owner is in another group: he cannot give the group's identity away.
      m.as!(OTHER).chmod('file', 0o2755);
      expect(permissions(fs, 'file')).to.equal(0o755);
      fs.chmod('file', 0o6755);
      withFile(fs, 'file', O_WRONLY, (fd) => fs.pwrite(fd, pattern(1), 0));
      expect(permissions(fs, 'file')).to.equal(0o6755);
    },
  },
  {
    name: 'permissions: a directory that moves must be writeable itself',
    needs: ['users'],
    run({ fs, m }) {
      fs.mkdir('from');
      fs.mkdir('to');
      fs.mkdir('from/dir');
      for (const path of ['from', 'to']) fs.chmod(path, 0o777);
      fs.chmod('from/dir', 0o555);
      const user = m.as!(USER);
      fails('EACCES', () => user.rename('from/dir', 'to/dir'));
      // Inside its directory it may be renamed: its ".." stays.
      user.rename('from/dir', 'from/dir2');
    },
  },
];
