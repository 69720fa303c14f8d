/**
 * NetBSD's t_vnops. Stricter than there: symbolic links are read back, names are listed, contents
 * are compared, and everything is looked at again after a remount. Error codes are Linux's, the
 * host's own file system being the oracle: "dir/." and ".." in rename are EBUSY, not EINVAL, and
 * renaming one hard link over another does nothing.
 *
 * Not here: fcntl_lock and fcntl_getlock_pids (locks never reach a file system here),
 * dir_rmdirdotdot (needs a current directory).
 */
import { expect } from 'chai';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '../../src/ukfs/flags.js';
import { F_OK, R_OK, S_IFDIR, S_IFLNK, S_IFMT, W_OK, X_OK, type Stat } from './driver.js';
import { contents, create, exists, expectContents, fails, names, pattern } from './expect.js';
import type { Case } from './row.js';

const isLater = (stat: Stat): Omit<Stat, 'atime'> => {
  const { atime: _, ...rest } = stat;
  return rest;
};

export const vnops: readonly Case[] = [
  {
    name: 't_vnops: lookup_simple',
    run({ fs }) {
      expect(fs.stat('/.')).to.deep.equal(fs.stat('/'));
      expect(fs.stat('./.')).to.deep.equal(fs.stat('/'));
    },
  },
  {
    name: 't_vnops: lookup_complex',
    run({ fs }) {
      fs.mkdir('dir');
      const complex = fs.stat('/.//dir/./../dir/.././/./dir/.');
      expect(isLater(complex)).to.deep.equal(isLater(fs.stat('dir')));
    },
  },
  {
    name: 't_vnops: dir_simple',
    run({ fs, m, limits }) {
      fs.mkdir('dir', 0o755);
      expect(fs.stat('dir').mode).to.equal(S_IFDIR | 0o755);
      expect(fs.stat('dir').nlink).to.equal(2);
      expect(fs.stat('/').nlink).to.equal(limits.rootLinks + 1);
      fs.rmdir('dir');
      fails('ENOENT', () => fs.stat('dir'));
      expect(fs.stat('/').nlink).to.equal(limits.rootLinks);
      m.again();
      fails('ENOENT', () => fs.stat('dir'));
    },
  },
  {
    name: 't_vnops: dir_notempty',
    run({ fs }) {
      fs.mkdir('dir');
      create(fs, 'dir/file');
      fails('ENOTEMPTY', () => fs.rmdir('dir'));
      expect(names(fs, 'dir')).to.deep.equal(['file']);
      fs.unlink('dir/file');
      fs.rmdir('dir');
    },
  },
  {
    name: 't_vnops: rename_dir',
    run({ fs, m }) {
      fs.mkdir('dir1');
      create(fs, 'dir1/file', pattern(5000));
      const before = fs.stat('dir1/file');
      const intact = (path: string): void => {
        expect(isLater(fs.stat(path))).to.deep.equal(isLater(before));
      };
      fs.rename('dir1', 'dir2');
      intact('dir2/file');
      fails('EBUSY', () => fs.rename('dir2/.', 'dir1'));
      fails('EBUSY', () => fs.rename('dir2', 'dir2/.'));
      fs.mkdir('dir2/dir3');
      fails('EINVAL', () => fs.rename('dir2', 'dir2/dir3'));
      fails('EINVAL', () => fs.rename('dir2', 'dir2/child'));
      fails('EINVAL', () => fs.rename('dir2', 'dir2/dir3/grandchild'));
      fs.rmdir('dir2/dir3');
      fs.mkdir('full');
      create(fs, 'full/file');
      fails('ENOTEMPTY', () => fs.rename('dir2', 'full'));
      fs.rename('dir2', 'full/dir1');
      intact('full/dir1/file');
      fs.rename('full/../full/dir1', 'full/../dir2');
      intact('dir2/file');
      expect(fs.stat('full').nlink).to.equal(2);
      fs.mkdir('full/empty');
      fs.rename('dir2', 'full/empty');
      intact('full/empty/file');
      fs.mkdir('full/empty2');
      expect(fs.stat('full').nlink).to.equal(4);
      fs.rename('full/empty', 'full/empty2');
      intact('full/empty2/file');
      expect(fs.stat('full').nlink).to.equal(3);
      m.again();
      intact('full/empty2/file');
      expectContents(fs, 'full/empty2/file', pattern(5000));
      expect(fs.stat('full').nlink).to.equal(3);
      expect(names(fs, 'full')).to.deep.equal(['empty2', 'file']);
    },
  },
  {
    name: 't_vnops: rename_dotdot',
    run({ fs }) {
      fs.mkdir('dir1');
      fs.mkdir('dir2');
      fails('EBUSY', () => fs.rename('dir2', 'dir1/..'));
      fails('EBUSY', () => fs.rename('dir1/..', 'dir2'));
      fails('EBUSY', () => fs.rename('dir1', 'dir2/..'));
    },
  },
  {
    name: 't_vnops: rename_reg_nodir',
    run({ fs, m }) {
      create(fs, 'file1', pattern(100, 1));
      create(fs, 'file2', pattern(100, 2));
      const { ino } = fs.stat('file1');
      fs.rename('file1', 'file3');
      fails('ENOENT', () => fs.stat('file1'));
      expect(fs.stat('file3').ino).to.equal(ino);
      fs.rename('file3', 'file2');
      fails('ENOENT', () => fs.stat('file3'));
      expect(fs.stat('file2').ino).to.equal(ino);
      expectContents(fs, 'file2', pattern(100, 1));
      fs.link('file2', 'file1');
      expect(fs.stat('file1').nlink).to.equal(2);
      // POSIX: the same file under both names, nothing happens. (NetBSD removes the source.)
      fs.rename('file2', 'file1');
      expect(names(fs, '/')).to.deep.equal(['file1', 'file2']);
      expect(fs.stat('file2').nlink).to.equal(2);
      m.again();
      expect(fs.stat('file2')).to.include({ ino, nlink: 2 });
      expect(fs.stat('file1').ino).to.equal(ino);
    },
  },
  {
    name: 't_vnops: create_many',
    run({ fs, m }) {
      fs.mkdir('many');
      const all = Array.from({ length: 2324 }, (_, i) => `file${i}`);
      for (const name of all) create(fs, `many/${name}`);
      expect(names(fs, 'many')).to.deep.equal([...all].sort());
      m.again();
      expect(names(fs, 'many')).to.deep.equal([...all].sort());
      for (const name of all) fs.unlink(`many/${name}`);
      expect(names(fs, 'many')).to.deep.equal([]);
      fs.rmdir('many');
    },
  },
  {
    name: 't_vnops: create_nonalphanum',
    known: { 'fuse-native': 'names go through UTF-8' },
    run({ fs, m }) {
      const made: Buffer[] = [];
      for (let byte = 1; byte < 256; byte++) {
        const name = Buffer.from([byte]);
        if (name.equals(Buffer.from('/')) || name.equals(Buffer.from('.'))) continue;
        create(fs, name, name);
        made.push(name);
      }
      m.again();
      for (const name of made) {
        expect(contents(fs, name).equals(name)).to.equal(true);
        fs.unlink(name);
      }
      expect(fs.readdir('/')).to.deep.equal([]);
    },
  },
  {
    name: 't_vnops: create_nametoolong',
    run({ fs, m, limits }) {
      const longest = 'n'.repeat(limits.nameBytesMax);
      create(fs, longest);
      fails('ENAMETOOLONG', () => create(fs, `${longest}n`));
      fails('ENAMETOOLONG', () => fs.mkdir(`${longest}n`));
      fails('ENAMETOOLONG', () => fs.stat(`${longest}n`));
      m.again();
      expect(names(fs, '/')).to.deep.equal([longest]);
    },
  },
  {
    name: 't_vnops: create_exist',
    run({ fs }) {
      fs.close(fs.open('file', O_RDWR | O_CREAT | O_EXCL, 0o644));
      fs.close(fs.open('file', O_RDWR | O_CREAT, 0o644));
      fails('EEXIST', () => fs.open('file', O_RDWR | O_CREAT | O_EXCL, 0o644));
    },
  },
  {
    name: 't_vnops: rename_nametoolong',
    run({ fs, m, limits }) {
      const longest = 'n'.repeat(limits.nameBytesMax);
      create(fs, 'file', pattern(10));
      fails('ENAMETOOLONG', () => fs.rename('file', `${longest}n`));
      fs.rename('file', longest);
      m.again();
      expectContents(fs, longest, pattern(10));
    },
  },
  {
    name: 't_vnops: symlink_zerolen',
    run({ fs }) {
      fails('ENOENT', () => fs.symlink('', 'link'));
      expect(exists(fs, 'link')).to.equal(false);
    },
  },
  {
    name: 't_vnops: symlink_long',
    run({ fs, m, limits }) {
      const made: [string, Buffer][] = [];
      for (let power = 1; power <= 16; power++) {
        for (const length of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
          const target = Buffer.from(pattern(length).map((byte) => 0x30 + (byte & 63)));
          const name = `link${power}.${length}`;
          if (length > limits.symlinkBytesMax) {
            fails('ENAMETOOLONG', () => fs.symlink(target, name));
            expect(exists(fs, name)).to.equal(false);
          } else {
            fs.symlink(target, name);
            made.push([name, target]);
          }
        }
      }
      expect(made.length).to.be.greaterThan(18);
      m.again();
      for (const [name, target] of made) {
        expect(fs.readlink(name).equals(target)).to.equal(true);
        expect(fs.lstat(name).size).to.equal(target.length);
        fs.unlink(name);
      }
    },
  },
  {
    name: 't_vnops: symlink_root',
    run({ fs }) {
      // "/" is the host's root seen through a mount, so the way back is relative.
      fs.mkdir('dir');
      fs.symlink('..', 'dir/root');
      expect(fs.stat('dir/root/dir').ino).to.equal(fs.stat('dir').ino);
      expect(fs.stat('dir/root/.').ino).to.equal(fs.stat('/').ino);
    },
  },
  {
    name: 't_vnops: symlink_loop',
    run({ fs }) {
      fs.symlink('loop2', 'loop1');
      fs.symlink('loop1', 'loop2');
      fails('ELOOP', () => fs.stat('loop1'));
      fails('ELOOP', () => fs.open('loop1', O_RDWR | O_CREAT));
      fails('ELOOP', () => fs.stat('loop1/x'));
      expect(fs.lstat('loop1').mode & S_IFMT).to.equal(S_IFLNK);
      // Forty in a row are allowed.
      create(fs, 'link0', pattern(5));
      for (let i = 1; i <= 41; i++) fs.symlink(`link${i - 1}`, `link${i}`);
      expectContents(fs, 'link40', pattern(5));
      fails('ELOOP', () => fs.stat('link41'));
    },
  },
  {
    name: 't_vnops: attrs',
    known: { 'fuse-native': 'the binding hands atime over as mtime' },
    run({ fs, m, limits }) {
      create(fs, 'file');
      fs.chown('file', 1, 2);
      fs.chmod('file', 0o123);
      fs.utimes('file', { sec: 1e9, nsec: 1000 }, { sec: 1e9 + 2, nsec: 3000 });
      const check = (): void => {
        const stat = fs.stat('file');
        expect(stat).to.include({ uid: 1, gid: 2 });
        expect(stat.mode & ~S_IFMT).to.equal(0o123);
        const cut = (nsec: number): number => nsec - (nsec % limits.timeGranularityNsec);
        expect(stat.atime.sec).to.equal(1e9);
        expect(cut(stat.atime.nsec - (stat.atime.nsec % 1000))).to.equal(cut(1000));
        expect(stat.mtime.sec).to.equal(1e9 + 2);
        expect(cut(stat.mtime.nsec - (stat.mtime.nsec % 1000))).to.equal(cut(3000));
      };
      check();
      m.again();
      check();
    },
  },
  {
    name: 't_vnops: access_simple',
    run({ fs }) {
      create(fs, 'file');
      fs.chmod('file', 0o777);
      fs.access('file', F_OK);
      fs.access('file', R_OK | W_OK | X_OK);
      fails('ENOENT', () => fs.access('missing', F_OK));
      // Nobody may execute it, root neither.
      fs.chmod('file', 0o666);
      fails('EACCES', () => fs.access('file', X_OK));
    },
  },
  {
    name: 't_vnops: read_directory',
    run({ fs }) {
      fs.mkdir('dir');
      const fd = fs.open('dir', O_RDONLY);
      try {
        fails('EISDIR', () => fs.pread(fd, 10, 0));
      } finally {
        fs.close(fd);
      }
      fails('EISDIR', () => fs.open('dir', O_RDWR));
    },
  },
  {
    name: 't_vnops: lstat_symlink',
    run({ fs }) {
      fs.symlink('some/where', 'link');
      const stat = fs.lstat('link');
      expect(stat.mode).to.equal(S_IFLNK | 0o777);
      expect(stat.size).to.equal('some/where'.length);
      fails('ENOENT', () => fs.stat('link'));
    },
  },
];
