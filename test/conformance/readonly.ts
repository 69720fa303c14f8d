/** NetBSD's t_ro and t_rwtoro. Not here: the null layer. */
import { expect } from 'chai';
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../src/ukfs/flags.js';
import { S_IFIFO } from './driver.js';
import { create, expectContents, fails, names, pattern } from './expect.js';
import type { Case, Context } from './row.js';

/** A file and a directory, then no more writing. */
function readOnly({ fs, m }: Context): void {
  create(fs, 'file', pattern(5000));
  fs.mkdir('dir');
  m.remount!(true);
}

/** What changes a file system, one call each: `file` and `dir` are there, `new` is not. */
export const CHANGES: readonly (readonly [name: string, act: (fs: Context['fs']) => void])[] = [
  ['create', (fs) => fs.open('new', O_RDWR | O_CREAT)],
  ['rmfile', (fs) => fs.unlink('file')],
  ['createdir', (fs) => fs.mkdir('new')],
  ['rmdir', (fs) => fs.rmdir('dir')],
  ['createfifo', (fs) => fs.mknod('new', S_IFIFO | 0o600)],
  ['createsymlink', (fs) => fs.symlink('x', 'new')],
  ['createlink', (fs) => fs.link('file', 'new')],
  ['rename', (fs) => fs.rename('file', 'new')],
  ['fileio: write-only', (fs) => fs.open('file', O_WRONLY)],
  ['fileio: read-write', (fs) => fs.open('file', O_RDWR)],
  ['truncate', (fs) => fs.truncate('file', 0)],
  ['attrs: chmod', (fs) => fs.chmod('file', 0o600)],
  ['attrs: chown', (fs) => fs.chown('file', 1, 1)],
  ['attrs: utimes', (fs) => fs.utimes('file', { sec: 1, nsec: 0 }, { sec: 1, nsec: 0 })],
];

export const readonly: readonly Case[] = [
  ...CHANGES.map(
    ([name, act]): Case => ({
      name: `t_ro: ${name}`,
      needs: ['readOnly'],
      run(t) {
        readOnly(t);
        fails('EROFS', () => act(t.fs));
        expectContents(t.fs, 'file', pattern(5000));
        expect(names(t.fs, '/')).to.deep.equal(['dir', 'file']);
        t.m.remount!(false);
      },
    }),
  ),
  {
    name: 't_ro: what exists is EEXIST all the same, and back',
    needs: ['readOnly'],
    run(t) {
      readOnly(t);
      fails('EEXIST', () => t.fs.mkdir('dir'));
      fails('EEXIST', () => t.fs.symlink('x', 'file'));
      t.m.remount!(false);
      create(t.fs, 'new');
    },
  },
  {
    name: 't_rwtoro: noneopen, readopen',
    needs: ['readOnly'],
    run({ fs, m }) {
      create(fs, 'file', pattern(10));
      m.remount!(true);
      m.remount!(false);
      const fd = fs.open('file', O_RDONLY);
      try {
        m.remount!(true);
        expect(fs.pread(fd, 10, 0).equals(pattern(10))).to.equal(true);
        m.remount!(false);
      } finally {
        fs.close(fd);
      }
    },
  },
  {
    name: 't_rwtoro: writeopen, read_unlinked',
    needs: ['readOnly'],
    run({ fs, m }) {
      create(fs, 'file', pattern(10));
      const writer = fs.open('file', O_WRONLY);
      try {
        fails('EBUSY', () => m.remount!(true));
        fs.pwrite(writer, pattern(1), 0);
      } finally {
        fs.close(writer);
      }
      const reader = fs.open('file', O_RDONLY);
      try {
        fs.unlink('file');
        fails('EBUSY', () => m.remount!(true));
      } finally {
        fs.close(reader);
      }
      m.remount!(true);
      m.remount!(false);
    },
  },
];
