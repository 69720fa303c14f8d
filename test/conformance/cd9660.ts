/**
 * ISO 9660: what a file system that nobody can write to must answer. The medium is made by
 * genisoimage, with Rock Ridge, with Joliet and with neither, of one folder; names in it are such
 * that all three know them, but for those of the case about names.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PUFFS_CRED_ROOT, type Cookie, type puffs_ops } from '../../src/puffs/index.js';
import { O_CREAT, O_RDONLY } from '../../src/ukfs/flags.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { CD9660 } from '../../src/ukfs/mount_cd9660.js';
import { R_OK, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, W_OK, type FsDriver } from './driver.js';
import { contents, expectContents, fails, names, pattern, withFile } from './expect.js';
import { CHANGES } from './readonly.js';
import type { Case, Context, Row } from './row.js';
import { mountImage } from './rows.js';
import { lookup } from './vfsops.js';

/** Why there are no rows; undefined when there are. */
export const NO_GENISOIMAGE: string | undefined =
  spawnSync('genisoimage', ['--version']).error === undefined
    ? undefined
    : 'genisoimage is missing (package genisoimage)';

const SECTOR = 2048;
const MANY = 300;
const DEPTH = 12;
const BIG = pattern(300_001, 5);
/** A file that the medium has in two pieces: the first is of whole sectors. */
const PIECES = [pattern(3 * SECTOR, 6), pattern(1000, 7)] as const;
const MTIME_SEC = 1_234_567_890;
/** genisoimage cuts longer ones. */
const LONG_TARGET = `../${'directory/'.repeat(12)}./end`;
const isRoot = process.getuid?.() === 0;

const deep = (depth: number): string =>
  Array.from({ length: depth }, (_, i) => `d${i + 1}`).join('/');

const LONG_NAMES = {
  'cd9660, Rock Ridge': ['A mixed Name.with.dots', 'n'.repeat(200), 'ünï ☕'],
  'cd9660, Joliet': ['A mixed Name.with.dots', 'n'.repeat(103), 'ünï ☕'],
  'cd9660, plain': ['a_mixed_.dot', 'nnnnnnnn', '____'],
} as const;

function fill(top: string): void {
  const at = (path: string): string => join(top, path);
  writeFileSync(at('file'), pattern(5000));
  chmodSync(at('file'), 0o644);
  for (const folder of ['dir', 'many', 'names', 'rr', 'none', deep(DEPTH)]) {
    mkdirSync(at(folder), { recursive: true });
  }
  writeFileSync(at('dir/inner'), 'inner');
  writeFileSync(at('empty'), '');
  writeFileSync(at('big'), BIG);
  writeFileSync(at(`${deep(DEPTH)}/deepest`), 'deep');
  for (let i = 0; i < MANY; i++) writeFileSync(at(`many/f${i}`), `${i}`);
  PIECES.forEach((bytes, i) => {
    writeFileSync(at(`piece${i + 1}`), bytes);
  });
  for (const name of LONG_NAMES['cd9660, Rock Ridge']) writeFileSync(at(`names/${name}`), name);
  symlinkSync('../dir/inner', at('rr/link'));
  symlinkSync('circle', at('rr/circle'));
  symlinkSync(LONG_TARGET, at('rr/long'));
  symlinkSync('/file', at('rr/absolute'));
  writeFileSync(at('rr/program'), 'program');
  linkSync(at('rr/program'), at('rr/linked'));
  execFileSync('mkfifo', ['-m', '640', at('rr/fifo')]);
  if (isRoot) lchownSync(at('rr/program'), 1234, 70_000);
  chmodSync(at('rr/program'), 0o4751);
  utimesSync(at('rr/program'), MTIME_SEC, MTIME_SEC);
  writeFileSync(at('rr/secret'), 'secret');
  chmodSync(at('rr/secret'), 0o600);
}

/** Two files that lie side by side become one in two pieces: genisoimage makes such above 4 GiB. */
function joined(image: Buffer): Buffer {
  const ucs2 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
  const records = [
    [Buffer.from('PIECE1.;1'), Buffer.from('PIECE2.;1')],
    [ucs2('piece1'), ucs2('piece2')],
  ] as const;
  let count = 0;
  for (const [first, second] of records) {
    const [at, next] = [image.indexOf(first), image.indexOf(second)];
    if (at < 0) continue;
    // The flags of the first record, then the name of the second.
    image[at - 33 + 25]! |= 0x80;
    first.copy(image, next);
    count++;
  }
  const rockRidge = image.indexOf('piece2');
  if (rockRidge > 0) image.write('piece1', rockRidge);
  if (count === 0) throw new Error('the image has no file to join');
  return image;
}

/** The folder on a CD, by genisoimage with these options. */
export function cd9660Image(...words: readonly string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'lump-cd-'));
  try {
    mkdirSync(join(folder, 'tree'));
    fill(join(folder, 'tree'));
    const image = join(folder, 'cd.iso');
    const fixed = ['-quiet', '-input-charset', 'utf-8', '-cache-inodes', '-o', image];
    execFileSync('genisoimage', [...fixed, ...words, join(folder, 'tree')], { stdio: 'pipe' });
    return joined(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(
  name: keyof typeof LONG_NAMES,
  words: readonly string[],
  without: Row['without'],
): Row {
  let image: Buffer | undefined;
  return {
    name,
    limits: {
      nameBytesMax: 255,
      symlinkBytesMax: 4095,
      timeGranularityNsec: 1e9,
      timeSecMin: 0,
      timeSecMax: 2 ** 31,
      fileBytesMax: Number.MAX_SAFE_INTEGER,
      linksMax: 0xffff,
      rootLinks: 2,
    },
    lacks: {},
    without: without ?? {},
    mount() {
      image ??= cd9660Image(...words);
      return mountImage(CD9660, new Uint8Array(image), () => {});
    },
  };
}

const NO_ATTRIBUTES = 'only Rock Ridge has links, modes, owners and special files';
const WITHOUT = {
  'cd: symbolic links': NO_ATTRIBUTES,
  'cd: modes, owners, times, links, special files': NO_ATTRIBUTES,
  'cd: who may': NO_ATTRIBUTES,
};

export const cd9660Rows = (): readonly Row[] => [
  row('cd9660, Rock Ridge', ['-R'], {}),
  row('cd9660, Joliet', ['-J', '-joliet-long', '-D'], WITHOUT),
  row('cd9660, plain', ['-D'], WITHOUT),
];

// ---- cases --------------------------------------------------------------------------------------

const all = (m: Context['m'], fs: FsDriver): void => {
  expectContents(fs, 'file', pattern(5000));
  expect(m.liveNodes!()).to.be.at.least(1);
};

interface seen {
  readonly name: string;
  readonly ino: number;
  readonly next: number;
}

/** At most `max` records of a directory, from an offset on. */
function some(ops: puffs_ops, dir: Cookie, offset: number, max: number): [seen[], boolean] {
  const found: seen[] = [];
  const out = { eof: false };
  const emit = (name: string, ino: number, _type: number, next: number): boolean => {
    if (found.length === max) return false;
    found.push({ name, ino, next });
    return true;
  };
  expect(ops.node_readdir(dir, offset, PUFFS_CRED_ROOT, emit, out)).to.equal(0);
  return [found, out.eof];
}

export const cd9660: readonly Case[] = [
  ...CHANGES.map(
    ([name, act]): Case => ({
      name: `cd, t_ro: ${name}`,
      run({ fs, m }) {
        fails('EROFS', () => act(fs));
        all(m, fs);
        expect(names(fs, '/')).to.include.members(['dir', 'file']).and.not.include('new');
      },
    }),
  ),
  {
    name: 'cd: nor can attributes be set; what exists is EEXIST; what is only read opens',
    run({ fs, m }) {
      fails('EEXIST', () => fs.mkdir('dir'));
      fails('EEXIST', () => fs.symlink('x', 'file'));
      fails(['EROFS', 'ENOTSUP'], () => new Ukfs(m.ops!).setxattr('file', 'user.x', 'x'));
      expect(new Ukfs(m.ops!).listxattr('file')).to.deep.equal([]);
      fails('EROFS', () => fs.access('file', W_OK));
      fs.access('file', R_OK);
      withFile(fs, 'file', O_RDONLY | O_CREAT, (fd) => {
        fails('EBADF', () => fs.pwrite(fd, pattern(1), 0));
        fs.fsync(fd);
      });
    },
  },
  {
    name: 'cd: it is mounted read-only, and stays so',
    run({ fs, m }) {
      fails('EROFS', () => m.remount!(false));
      m.remount!(true);
      all(m, fs);
    },
  },
  {
    name: 'cd: reads at any place',
    run({ fs }) {
      expect(contents(fs, 'empty')).to.have.lengthOf(0);
      withFile(fs, 'big', O_RDONLY, (fd) => {
        for (const [at, length] of [
          [0, 300_001],
          [1, 2047],
          [2047, 2],
          [2048, 2048],
          [4095, 100_000],
          [299_999, 100],
          [300_001, 10],
          [1_000_000, 10],
        ] as const) {
          const found = fs.pread(fd, length, at);
          expect(found.equals(BIG.subarray(at, at + length)), `${length} at ${at}`).to.equal(true);
        }
      });
      fails('EISDIR', () => withFile(fs, 'dir', O_RDONLY, (fd) => fs.pread(fd, 10, 0)));
      fails('ENOTDIR', () => fs.stat('file/x'));
      fails('ENOENT', () => fs.stat('dir/none'));
      fails('EINVAL', () => fs.readlink('file'));
    },
  },
  {
    name: 'cd: a file in two pieces is one',
    run({ fs }) {
      const whole = Buffer.concat(PIECES);
      expect(names(fs, '/')).to.include('piece1').and.not.include('piece2');
      expect(fs.stat('piece1').size).to.equal(whole.length);
      expectContents(fs, 'piece1', whole);
      withFile(fs, 'piece1', O_RDONLY, (fd) => {
        const border = PIECES[0].length;
        const across = fs.pread(fd, 2000, border - 700);
        expect(across.equals(whole.subarray(border - 700))).to.equal(true);
      });
    },
  },
  {
    name: 'cd: names, as the medium has them',
    run({ fs, row: { name } }) {
      const wanted = LONG_NAMES[name as keyof typeof LONG_NAMES];
      const found = names(fs, 'names');
      if (name === 'cd9660, plain') expect(found).to.have.lengthOf(wanted.length);
      else expect(found).to.deep.equal([...wanted].sort());
      for (const path of found) {
        expect(contents(fs, `names/${path}`).length).to.be.greaterThan(0);
      }
      fails('ENAMETOOLONG', () => fs.stat('x'.repeat(256)));
    },
  },
  {
    name: 'cd: deep directories, and the way up',
    run({ fs, m }) {
      expectContents(fs, `${deep(DEPTH)}/deepest`, Buffer.from('deep'));
      expectContents(fs, `${deep(DEPTH)}/${'../'.repeat(DEPTH)}file`, pattern(5000));
      const ops = m.ops!;
      const cookies = [ops.rootCookie];
      for (let i = 1; i <= DEPTH; i++) cookies.push(lookup(ops, cookies.at(-1)!, `d${i}`));
      for (let i = DEPTH; i > 0; i--) {
        const [[, dotdot]] = some(ops, cookies[i]!, 0, 2);
        const parent = deep(i - 1) || '/';
        expect(dotdot!.ino, `".." of d${i}`).to.equal(fs.stat(parent).ino);
        const up = lookup(ops, cookies[i]!, '..');
        expect(up).to.equal(cookies[i - 1]);
        if (up !== ops.rootCookie) ops.node_reclaim(up, 1);
      }
      for (const cookie of cookies.slice(1)) ops.node_reclaim(cookie, 1);
    },
  },
  {
    name: 'cd: readdir goes on from every record, and types are those of stat',
    run({ fs, m }) {
      const ops = m.ops!;
      const dir = lookup(ops, ops.rootCookie, 'many');
      const [whole, eof] = some(ops, dir, 0, MANY + 3);
      expect(eof).to.equal(true);
      expect(whole.slice(0, 2).map(({ name }) => name)).to.deep.equal(['.', '..']);
      expect(whole).to.have.lengthOf(MANY + 2);
      expect(new Set(whole.map(({ name }) => name)).size).to.equal(MANY + 2);
      whole.forEach(({ next }, i) => {
        const [rest] = some(ops, dir, next, 3);
        expect(rest).to.deep.equal(whole.slice(i + 1, i + 4));
      });
      ops.node_reclaim(dir, 1);
      expect(names(fs, 'none')).to.deep.equal([]);
      for (const folder of ['/', 'rr', 'many']) {
        for (const { name, type } of fs.readdir(folder)) {
          expect(type, name).to.equal((fs.lstat(`${folder}/${name}`).mode >> 12) & 15);
        }
      }
    },
  },
  {
    name: 'cd: symbolic links',
    run({ fs }) {
      expect(fs.readlink('rr/link').toString()).to.equal('../dir/inner');
      expect(fs.lstat('rr/link').size).to.equal('../dir/inner'.length);
      expectContents(fs, 'rr/link', Buffer.from('inner'));
      expectContents(fs, 'rr/absolute', pattern(5000));
      expect(fs.readlink('rr/long').toString()).to.equal(LONG_TARGET);
      fails('ELOOP', () => fs.stat('rr/circle'));
      fails('EROFS', () => fs.unlink('rr/link'));
    },
  },
  {
    name: 'cd: modes, owners, times, links, special files',
    run({ fs }) {
      const program = fs.stat('rr/program');
      expect(program.mode).to.equal(S_IFREG | 0o4751);
      expect(program.mtime).to.deep.equal({ sec: MTIME_SEC, nsec: 0 });
      expect(program.nlink).to.equal(2);
      expect(fs.stat('rr/linked').size).to.equal(program.size);
      if (isRoot) expect(program).to.include({ uid: 1234, gid: 70_000 });
      expect(fs.lstat('rr/fifo').mode).to.equal(S_IFIFO | 0o640);
      expect(fs.lstat('rr/link').mode & S_IFMT).to.equal(S_IFLNK);
    },
  },
  {
    name: 'cd: who may',
    run({ fs, m }) {
      const user = m.as!({ uid: 4711, gid: 4711, groups: [] });
      fails('EACCES', () => user.open('rr/secret', O_RDONLY));
      fails('EACCES', () => user.access('rr/secret', R_OK));
      expectContents(user, 'file', pattern(5000));
      expectContents(fs, 'rr/secret', Buffer.from('secret'));
      fails(['EROFS', 'EPERM', 'EACCES'], () => user.chmod('file', 0o777));
    },
  },
  {
    name: 'cd: space',
    run({ fs }) {
      const { bfree, bavail, blocks } = fs.statvfs();
      expect([bfree, bavail]).to.deep.equal([0, 0]);
      expect(blocks).to.be.greaterThan(200);
    },
  },
];
