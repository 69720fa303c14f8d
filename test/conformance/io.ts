/**
 * NetBSD's t_io, with every byte compared, after a remount too.
 * Not here: read_fault (no foreign address space to fault in).
 */
import { expect } from 'chai';
import { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../src/ukfs/flags.js';
import { create, expectContents, fails, pattern, random, withFile } from './expect.js';
import type { Case, Context } from './row.js';

const PAGE = 4096;

function extend({ fs, m }: Context, start: number): void {
  const append = start > 0 ? O_APPEND : 0;
  const expected = Buffer.concat([pattern(start, 1), Buffer.alloc(0xff31 - start), pattern(10, 2)]);
  create(fs, 'file', pattern(start, 1));
  withFile(fs, 'file', O_RDWR | append, (fd) => {
    fs.ftruncate(fd, 0xff31);
    expect(fs.fstat(fd).size).to.equal(0xff31);
    fs.pwrite(fd, pattern(10, 2), append !== 0 ? null : 0xff31);
    expect(fs.pread(fd, 10, 0xff31).equals(pattern(10, 2))).to.equal(true);
    expect(fs.fstat(fd).size).to.equal(0xff31 + 10);
  });
  expectContents(fs, 'file', expected);
  m.again();
  expectContents(fs, 'file', expected);
}

function overwrite({ fs, m }: Context, length: number): void {
  create(fs, 'file', pattern(length, 1));
  m.again();
  withFile(fs, 'file', O_RDWR, (fd) => {
    expect(fs.pwrite(fd, pattern(length, 2), 0)).to.equal(length);
  });
  expectContents(fs, 'file', pattern(length, 2));
  m.again();
  expectContents(fs, 'file', pattern(length, 2));
}

export const io: readonly Case[] = [
  {
    name: 't_io: holywrite',
    run({ fs, m }) {
      withFile(fs, 'file', O_RDWR | O_CREAT, (fd) => {
        fs.pwrite(fd, Buffer.from('A'), PAGE);
        fs.pwrite(fd, Buffer.from('BB'), PAGE - 1);
      });
      const expected = Buffer.concat([Buffer.alloc(PAGE - 1), Buffer.from('BB')]);
      expectContents(fs, 'file', expected);
      m.again();
      expectContents(fs, 'file', expected);
    },
  },
  { name: 't_io: extendfile', run: (t) => extend(t, 0) },
  { name: 't_io: extendfile_append', run: (t) => extend(t, 37) },
  { name: 't_io: overwrite512', run: (t) => overwrite(t, 512) },
  { name: 't_io: overwrite64k', run: (t) => overwrite(t, 64 * 1024) },
  {
    name: 't_io: overwrite_trunc',
    run({ fs, m }) {
      create(fs, 'file', pattern(64 * 1024, 1));
      withFile(fs, 'file', O_RDWR, (fd) => {
        fs.ftruncate(fd, 0);
        expect(fs.pwrite(fd, pattern(64 * 1024, 2), 0)).to.equal(64 * 1024);
      });
      expectContents(fs, 'file', pattern(64 * 1024, 2));
      m.again();
      expectContents(fs, 'file', pattern(64 * 1024, 2));
    },
  },
  {
    name: 't_io: shrinkfile',
    run({ fs, m }) {
      create(fs, 'file', pattern(3 * PAGE));
      for (const length of [2 * PAGE + 5, PAGE, 2, 1]) {
        fs.truncate('file', length);
        expectContents(fs, 'file', pattern(3 * PAGE).subarray(0, length));
      }
      // What was cut off does not come back.
      fs.truncate('file', PAGE);
      const expected = Buffer.concat([pattern(3 * PAGE).subarray(0, 1), Buffer.alloc(PAGE - 1)]);
      expectContents(fs, 'file', expected);
      m.again();
      expectContents(fs, 'file', expected);
    },
  },
  {
    name: 't_io: read_after_unlink',
    run({ fs, m }) {
      create(fs, 'file', pattern(20000));
      m.again();
      const fd = fs.open('file', O_RDONLY);
      try {
        fs.unlink('file');
        expect(fs.fstat(fd).nlink).to.equal(0);
        expect(fs.pread(fd, 20000, 0).equals(pattern(20000))).to.equal(true);
      } finally {
        fs.close(fd);
      }
      fails('ENOENT', () => fs.stat('file'));
    },
  },
  {
    name: 't_io: wrrd_after_unlink',
    run({ fs }) {
      const fd = fs.open('file', O_RDWR | O_CREAT, 0o600);
      try {
        fs.unlink('file');
        fs.pwrite(fd, pattern(4), 654321);
        fs.fsync(fd);
        expect(fs.pread(fd, 4, 654321).equals(pattern(4))).to.equal(true);
        expect(fs.pread(fd, 10, 654311).equals(Buffer.alloc(10))).to.equal(true);
        expect(fs.fstat(fd).size).to.equal(654325);
      } finally {
        fs.close(fd);
      }
    },
  },
  {
    name: 't_io: append goes to the end, wherever the end is',
    run({ fs, m }) {
      create(fs, 'file', pattern(10, 1));
      const fd = fs.open('file', O_WRONLY | O_APPEND);
      try {
        fs.pwrite(fd, pattern(10, 2), null);
        fs.truncate('file', 5);
        fs.pwrite(fd, pattern(10, 3), null);
      } finally {
        fs.close(fd);
      }
      m.again();
      expectContents(fs, 'file', Buffer.concat([pattern(10, 1).subarray(0, 5), pattern(10, 3)]));
    },
  },
  {
    name: 't_io: descriptors keep to their mode',
    run({ fs }) {
      create(fs, 'file', pattern(10));
      withFile(fs, 'file', O_RDONLY, (fd) => {
        fails('EBADF', () => fs.pwrite(fd, pattern(1), 0));
        fails('EINVAL', () => fs.ftruncate(fd, 0));
      });
      withFile(fs, 'file', O_WRONLY, (fd) => fails('EBADF', () => fs.pread(fd, 1, 0)));
      expectContents(fs, 'file', pattern(10));
      withFile(fs, 'file', O_WRONLY | O_TRUNC, (fd) => expect(fs.fstat(fd).size).to.equal(0));
    },
  },
  {
    name: 't_io: reading past the end',
    run({ fs }) {
      create(fs, 'file', pattern(PAGE + 10));
      withFile(fs, 'file', O_RDONLY, (fd) => {
        expect(fs.pread(fd, 100, PAGE).length).to.equal(10);
        expect(fs.pread(fd, 100, PAGE + 10).length).to.equal(0);
        expect(fs.pread(fd, 100, 2 ** 31).length).to.equal(0);
      });
    },
  },
  {
    name: 't_sizes: small, big, overwrite at every page boundary',
    run({ fs, m }) {
      const size = 5 * PAGE + 123;
      const expected = pattern(size, 1);
      create(fs, 'file', expected);
      withFile(fs, 'file', O_RDWR, (fd) => {
        let seed = 2;
        for (let page = 0; page <= 5; page++) {
          for (const [back, length] of [
            [1, 1],
            [0, 1],
            [1, 2],
            [3, 7],
          ] as const) {
            const at = page * PAGE - back;
            if (at < 0) continue;
            const bytes = pattern(length, seed++);
            fs.pwrite(fd, bytes, at);
            bytes.copy(expected, at);
          }
        }
      });
      expectContents(fs, 'file', expected);
      m.again();
      expectContents(fs, 'file', expected);
    },
  },
  {
    name: 't_sizes: overflow',
    run({ fs, limits }) {
      create(fs, 'file');
      if (!Number.isSafeInteger(limits.fileBytesMax + 1)) return;
      withFile(fs, 'file', O_RDWR, (fd) => {
        fails('EFBIG', () => fs.ftruncate(fd, limits.fileBytesMax + 1));
        fails('EFBIG', () => fs.pwrite(fd, pattern(1), limits.fileBytesMax));
      });
      expect(fs.stat('file').size).to.equal(0);
    },
  },
  {
    name: 't_truncate: grows with zeros, shrinks, refuses',
    run({ fs, m }) {
      create(fs, 'file', pattern(100));
      fs.truncate('file', 3 * PAGE + 1);
      const expected = Buffer.concat([pattern(100), Buffer.alloc(3 * PAGE + 1 - 100)]);
      expectContents(fs, 'file', expected);
      m.again();
      expectContents(fs, 'file', expected);
      fs.truncate('file', 0);
      expectContents(fs, 'file', Buffer.alloc(0));
      fs.mkdir('dir');
      fails('EISDIR', () => fs.truncate('dir', 0));
      fails('ENOENT', () => fs.truncate('missing', 0));
    },
  },
  {
    name: 't_io: random writes, truncations and reads against a flat array',
    run({ fs, m }) {
      const next = random(0x10);
      let model = Buffer.alloc(0);
      const resize = (length: number): void => {
        const grown = Buffer.alloc(length);
        model.copy(grown);
        model = grown;
      };
      create(fs, 'file');
      for (let step = 0; step < 300; step++) {
        const kind = next(10);
        const at = next(40000);
        if (kind < 6) {
          const bytes = pattern(1 + next(kind < 3 ? 50 : 9000), step + 1);
          if (at + bytes.length > model.length) resize(at + bytes.length);
          bytes.copy(model, at);
          withFile(fs, 'file', O_RDWR, (fd) => {
            expect(fs.pwrite(fd, bytes, at)).to.equal(bytes.length);
          });
        } else if (kind < 8) {
          fs.truncate('file', at);
          resize(at);
        } else if (kind === 8) {
          const length = next(9000);
          const found = withFile(fs, 'file', O_RDONLY, (fd) => fs.pread(fd, length, at));
          expect(found.equals(model.subarray(at, at + length)), `read of step ${step}`).to.equal(
            true,
          );
        } else if (step % 50 === 0) {
          m.again();
        }
      }
      expectContents(fs, 'file', model);
      m.again();
      expectContents(fs, 'file', model);
    },
  },
];
