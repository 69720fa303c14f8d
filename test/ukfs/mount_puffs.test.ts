/** puffs as a file system: objects with handlers, mounted in the process. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { mountHandlers, type PuffsHandlers } from '../../src/ukfs/index.js';
import { MountError } from '../../src/ukfs/mount_error.js';
import { projectRoot } from '../images/project.js';

const ENOENT = -2;
const EIO = -5;
const EEXIST = -17;
const ENOTEMPTY = -39;

/** The example that everybody starts from: one file in one directory, read-only. */
const HELLO: PuffsHandlers = {
  readdir(path, cb) {
    if (path === '/') return cb(null, ['test']);
    return cb(ENOENT);
  },
  getattr(path, cb) {
    const times = { mtime: new Date(1e12), atime: new Date(1e12), ctime: new Date(1e12) };
    if (path === '/') return cb(null, { ...times, nlink: 1, size: 100, mode: 16877, uid: 0 });
    if (path === '/test') return cb(null, { ...times, nlink: 1, size: 12, mode: 33188, uid: 0 });
    return cb(ENOENT);
  },
  open: (_path, _flags, cb) => cb(0, 42),
  read(_path, fd, buf, len, pos, cb) {
    if (fd !== 42) return cb(-9);
    const text = 'hello world\n'.slice(pos, pos + len);
    if (!text) return cb(0);
    (buf as Buffer).write(text);
    return cb(text.length);
  },
};

interface Entry {
  mode: number;
  content: Buffer;
  target: string;
  uid: number;
  gid: number;
  atime: number;
  mtime: number;
}

/** A whole file system in a table of paths, as its author would write it. */
class TableFs implements PuffsHandlers {
  readonly files = new Map<string, Entry>([['/', this.#entry(0o040755)]]);
  readonly open_fds = new Map<number, Entry>();
  #lastFd = 0;

  #entry(mode: number, target = ''): Entry {
    return { mode, content: Buffer.alloc(0), target, uid: 0, gid: 0, atime: 0, mtime: 0 };
  }

  #with(path: string, done: (error: number) => void, use: (entry: Entry) => void): void {
    const entry = this.files.get(path);
    if (entry !== undefined) use(entry);
    done(entry === undefined ? ENOENT : 0);
  }

  #stat = ({ content, ...rest }: Entry) => ({ ...rest, size: content.length, ctime: 0 });

  getattr: PuffsHandlers['getattr'] = (path, done) => {
    const entry = this.files.get(path);
    if (entry === undefined) done(ENOENT);
    else done(0, this.#stat(entry));
  };
  fgetattr = (_path: string, fd: number, done: (e: number, stat: never) => void): void =>
    done(0, this.#stat(this.open_fds.get(fd)!) as never);
  readdir: PuffsHandlers['readdir'] = (path, done) => {
    const below = path === '/' ? '/' : `${path}/`;
    const names = [...this.files.keys()]
      .filter((each) => each !== '/' && each.startsWith(below))
      .map((each) => each.slice(below.length))
      .filter((name) => !name.includes('/'));
    done(0, names);
  };
  open: PuffsHandlers['open'] = (path, _flags, done) => {
    this.open_fds.set(++this.#lastFd, this.files.get(path)!);
    done(0, this.#lastFd);
  };
  release: PuffsHandlers['release'] = (_path, fd, done) => {
    done(this.open_fds.delete(fd) ? 0 : -9);
  };
  read: PuffsHandlers['read'] = (_path, fd, buffer, length, position, done) => {
    done(this.open_fds.get(fd)!.content.copy(buffer, 0, position, position + length));
  };
  write: PuffsHandlers['write'] = (_path, fd, buffer, length, position, done) => {
    const entry = this.open_fds.get(fd)!;
    const grown = Buffer.alloc(Math.max(entry.content.length, position + length));
    entry.content.copy(grown);
    grown.set(buffer.subarray(0, length), position);
    entry.content = grown;
    // In pieces, as a network would.
    done(Math.min(length, 50_000));
  };
  create: PuffsHandlers['create'] = (path, mode, done) => {
    if (this.files.has(path)) return done(EEXIST);
    this.files.set(path, this.#entry(mode));
    this.open!(path, 2, done);
  };
  mknod: PuffsHandlers['mknod'] = (path, mode, _dev, done) => {
    this.files.set(path, this.#entry(mode));
    done(0);
  };
  mkdir: PuffsHandlers['mkdir'] = (path, mode, done) => {
    this.files.set(path, this.#entry(0o040000 | mode));
    done(0);
  };
  symlink: PuffsHandlers['symlink'] = (target, path, done) => {
    this.files.set(path, this.#entry(0o120777, target));
    done(0);
  };
  readlink: PuffsHandlers['readlink'] = (path, done) => done(0, this.files.get(path)!.target);
  unlink: PuffsHandlers['unlink'] = (path, done) => done(this.files.delete(path) ? 0 : ENOENT);
  rmdir: PuffsHandlers['rmdir'] = (path, done) => {
    if ([...this.files.keys()].some((each) => each.startsWith(`${path}/`))) done(ENOTEMPTY);
    else done(this.files.delete(path) ? 0 : ENOENT);
  };
  rename: PuffsHandlers['rename'] = (from, to, done) => {
    for (const [path, entry] of [...this.files]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.files.delete(path);
      this.files.set(to + path.slice(from.length), entry);
    }
    done(0);
  };
  truncate: PuffsHandlers['truncate'] = (path, size, done) =>
    this.#with(path, done, (entry) => {
      const cut = Buffer.alloc(size);
      entry.content.copy(cut);
      entry.content = cut;
    });
  chmod: PuffsHandlers['chmod'] = (path, mode, done) =>
    this.#with(path, done, (entry) => {
      entry.mode = mode;
    });
  chown: PuffsHandlers['chown'] = (path, uid, gid, done) =>
    this.#with(path, done, (entry) => Object.assign(entry, { uid, gid }));
  utimens: PuffsHandlers['utimens'] = (path, atime, mtime, done) =>
    this.#with(path, done, (entry) => Object.assign(entry, { atime, mtime }));
}

describe('ukfs: mountHandlers', () => {
  const refusal = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'none';
  };

  it('hello world, as its readers know it', () => {
    const { fs, unmount, type } = mountHandlers(HELLO);
    expect(type).to.equal('puffs');
    expect(fs.readdirSync('/')).to.deep.equal(['test']);
    expect(fs.readFileSync('/test', 'utf8')).to.equal('hello world\n');
    expect(fs.statSync('/test')).to.include({ size: 12, mode: 33188, mtimeMs: 1e12 });
    expect(fs.existsSync('/none')).to.equal(false);
    expect(refusal(() => fs.writeFileSync('/test', 'x'))).to.equal('ENOTSUP');
    expect(refusal(() => fs.mkdirSync('/dir'))).to.equal('ENOTSUP');
    unmount();
  });

  it('a file system of one’s own does all that others do', () => {
    const table = new TableFs();
    const { fs, ukfs, unmount } = mountHandlers(table);
    fs.mkdirSync('/dir/deeper', { recursive: true });
    const content = Buffer.alloc(300_000, 'content ');
    fs.writeFileSync('/dir/file', content, { mode: 0o640 });
    expect(table.files.get('/dir/file')!.content.equals(content)).to.equal(true);
    expect(fs.readFileSync('/dir/file').equals(content)).to.equal(true);
    fs.appendFileSync('/dir/file', 'more');
    expect(fs.statSync('/dir/file').size).to.equal(300_004);
    fs.truncateSync('/dir/file', 7);
    fs.symlinkSync('file', '/dir/link');
    expect(fs.readFileSync('/dir/link', 'utf8')).to.equal('content');
    expect(fs.readlinkSync('/dir/link')).to.equal('file');
    fs.chmodSync('/dir/file', 0o4711);
    fs.chownSync('/dir/file', 12, 34);
    fs.utimesSync('/dir/file', 1e9, 1.5e9);
    expect(fs.statSync('/dir/file')).to.include({ mode: 0o104711, uid: 12, gid: 34 });
    expect(fs.statSync('/dir/file').mtimeMs).to.equal(1.5e12);
    // What is open keeps its node through a rename above it, and through its end.
    const fd = fs.openSync('/dir/file', 'r+');
    fs.renameSync('/dir', '/moved');
    expect(fs.readdirSync('/moved').sort()).to.deep.equal(['deeper', 'file', 'link']);
    expect(fs.fstatSync(fd).size).to.equal(7);
    fs.unlinkSync('/moved/file');
    fs.writeSync(fd, 'still', 0);
    expect(fs.fstatSync(fd).nlink).to.equal(0);
    fs.closeSync(fd);
    expect(fs.existsSync('/moved/file')).to.equal(false);
    expect(refusal(() => fs.rmdirSync('/moved'))).to.equal('ENOTEMPTY');
    expect(refusal(() => fs.renameSync('/moved', '/moved/deeper/x'))).to.equal('EINVAL');
    ukfs.mknod('/fifo', 0o010600);
    expect(ukfs.lstat('/fifo').isFIFO()).to.equal(true);
    // What the handlers change by themselves is seen.
    table.files.set('/moved/new', { ...table.files.get('/fifo')!, mode: 0o100644 });
    expect(fs.statSync('/moved/new').isFile()).to.equal(true);
    fs.rmSync('/moved', { recursive: true });
    expect([...table.files.keys()]).to.deep.equal(['/', '/fifo']);
    expect(table.open_fds.size).to.equal(0);
    unmount();
  });

  it('users are held to what getattr tells', () => {
    const table = new TableFs();
    const { handle, fs, unmount } = mountHandlers(table);
    fs.writeFileSync('/secret', 'x', { mode: 0o600 });
    const user = handle({ uid: 5, gid: 5 });
    expect(refusal(() => user.readFileSync('/secret'))).to.equal('EACCES');
    expect(refusal(() => user.writeFileSync('/new', ''))).to.equal('EACCES');
    expect(refusal(() => user.chmodSync('/secret', 0o666))).to.equal('EPERM');
    unmount();
    const readOnly = mountHandlers(table, { readOnly: true });
    expect(refusal(() => readOnly.fs.writeFileSync('/secret', 'y'))).to.equal('EROFS');
    readOnly.unmount();
  });

  it('handlers that do not call back at once, throw or answer nonsense are told so', async () => {
    const lines: string[] = [];
    const host = new SimulatedHost();
    host.console = (_level: number, line: string): void => void lines.push(line);
    const later: PuffsHandlers = {
      ...HELLO,
      getattr: (path, cb) => void setImmediate(() => HELLO.getattr(path, cb)),
    };
    expect(() => mountHandlers(later, {}, host)).to.throw(
      MountError,
      /getattr\(\/\) has not called back when it returned: handlers are called synchronously/,
    );
    const promised = { ...HELLO, getattr: async (): Promise<void> => {} } as PuffsHandlers;
    expect(() => mountHandlers(promised, {}, host)).to.throw(
      MountError,
      /cannot wait for promises/,
    );
    await new Promise((resolve) => void setImmediate(resolve));
    const broken: PuffsHandlers = {
      ...HELLO,
      readdir: () => {
        throw new TypeError('oh');
      },
      read: (_path, _fd, _buf, length, _pos, cb) => cb(length + 1),
    };
    const { fs, unmount } = mountHandlers(broken, {}, host);
    expect(refusal(() => fs.readdirSync('/'))).to.equal('EIO');
    expect(refusal(() => fs.readFileSync('/test'))).to.equal('EIO');
    unmount();
    expect(lines.join('\n')).to.match(/handler readdir\(\/\) threw TypeError: oh/);
    expect(lines.join('\n')).to.match(/handler read\(\/test\) called back with \d+ bytes of \d+/);
    expect(() => mountHandlers({} as PuffsHandlers)).to.throw(MountError, /no handler getattr/);
    const file = { ...HELLO, getattr: (_: string, cb: never) => HELLO.getattr('/test', cb) };
    expect(() => mountHandlers(file as PuffsHandlers)).to.throw(MountError, /is a directory/);
  });

  it('whichever call of a handler fails, no file stays open and no node is kept', () => {
    const table = new TableFs();
    let callsLeft = Number.POSITIVE_INFINITY;
    let failed = '';
    const failing = new Proxy(table, {
      get: (target, name: keyof TableFs & keyof PuffsHandlers) => {
        const handler = target[name] as ((...words: unknown[]) => void) | undefined;
        if (handler === undefined) return undefined;
        return (...words: unknown[]): void => {
          const fails = --callsLeft === 0;
          if (fails) failed = name;
          const done = words.at(-1) as (error: number) => void;
          if (fails) done(EIO);
          else handler(...words);
        };
      },
    });
    const { fs, ops, unmount } = mountHandlers(failing);
    expect(ops).to.be.instanceOf(p2k);
    fs.mkdirSync('/dir');
    const seen = new Set<string>();
    let n = 0;
    do {
      callsLeft = ++n;
      failed = '';
      const refused = refusal(() => {
        fs.writeFileSync(`/dir/${n}`, 'x');
        fs.mkdirSync(`/dir/${n}dir`);
        fs.symlinkSync('x', `/dir/${n}link`);
        fs.statSync(`/dir/${n}`);
        fs.unlinkSync(`/dir/${n}`);
      });
      seen.add(`${failed} ${refused}`);
      expect((ops as p2k).node_count, `${failed}, call ${n}`).to.equal(1);
      // The handler's own affair.
      if (failed === 'release') table.open_fds.clear();
      expect(table.open_fds.size, `${failed}, call ${n}`).to.equal(0);
    } while (failed !== '');
    const names = ['getattr', 'create', 'write', 'release', 'mkdir', 'symlink', 'unlink'];
    expect([...seen]).to.include.members(names.map((name) => `${name} EIO`));
    unmount();
  });

  it('names that cannot be are not shown; errors have their names', () => {
    const odd: PuffsHandlers = {
      ...HELLO,
      readdir: (_path, cb) => cb(0, ['.', '..', 'a/b', '', 'test', 'ünïcödé']),
      open: (_path, _flags, cb) => cb(Object.assign(new Error('no'), { code: 'EACCES' })),
    };
    const { fs, unmount } = mountHandlers(odd);
    expect(fs.readdirSync('/')).to.deep.equal(['test', 'ünïcödé']);
    expect(refusal(() => fs.readFileSync('/test'))).to.equal('EACCES');
    unmount();
  });

  describe('from a file', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'lump-puffs-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const fsu = (name: string, ...words: readonly string[]) =>
      spawnSync(process.execPath, [join(projectRoot(), 'bin', `fsu_${name}`), ...words], {
        encoding: 'utf8',
      });

    it('the tools work on it: fsu_ls -t puffs handlers.mjs', () => {
      const file = join(folder, 'hello.mjs');
      writeFileSync(
        file,
        `const ENOENT = -2;
        const stats = { '/': { mode: 0o40755 }, '/test': { mode: 0o100644, size: 12 } };
        export default {
          readdir: (path, cb) => cb(0, ['test']),
          getattr: (path, cb) => (stats[path] ? cb(0, stats[path]) : cb(ENOENT)),
          read(path, fd, buf, len, pos, cb) {
            const text = 'hello world\\n'.slice(pos, pos + len);
            buf.write(text);
            return cb(text.length);
          },
        };`,
      );
      expect(fsu('ls', '-t', 'puffs', file, '-1', '/').stdout).to.equal('test\n');
      expect(fsu('cat', '-t', 'puffs', file, '/test').stdout).to.equal('hello world\n');
      const none = fsu('ls', '-t', 'puffs', join(folder, 'none.mjs'));
      expect(none.stderr).to.match(/no such module '.*none\.mjs'/);
      expect(none.status).to.be.greaterThan(0);
      const empty = join(folder, 'empty.mjs');
      writeFileSync(empty, 'export default {};');
      expect(fsu('ls', '-t', 'puffs', empty).stderr).to.match(/exports no handlers/);
    });
  });
});
