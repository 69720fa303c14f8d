/** The session by paths over the reference file system, called as the binding calls it. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { PathSession, type DirectoryRecord } from '../../src/fuse/native/path_session.js';
import { FUSE_GETATTR } from '../../src/fuse/protocol.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { IO_SYNC, Memfs, textToName } from '../../src/puffs/index.js';

const E = constants.errno;
const REG = 0o100000;
/** More than the session remembers. */
const MANY = 600;
const REMEMBERED_MAX = 256;

/** Counts lookups given out and back, and makes what a test asks for go wrong. */
class CountingMemfs extends Memfs {
  readonly lookups = new Map<number, number>();
  readonly writeFlags: number[] = [];
  trap: { name: string; error: Error } | null = null;

  /** Lookups that were not given back, but for the root's. */
  get outstanding(): number {
    let sum = 0;
    for (const [node, count] of this.lookups) {
      if (count < 0) throw new Error(`node ${node} was given back once too often`);
      if (node !== this.rootCookie) sum += count;
    }
    return sum;
  }

  override node_lookup(...args: Parameters<Memfs['node_lookup']>): number {
    if (this.trap?.name === args[2].name) throw this.trap.error;
    return this.count(args[1], super.node_lookup(...args));
  }
  override node_create(...args: Parameters<Memfs['node_create']>): number {
    return this.count(args[1], super.node_create(...args));
  }
  override node_mknod(...args: Parameters<Memfs['node_mknod']>): number {
    return this.count(args[1], super.node_mknod(...args));
  }
  override node_mkdir(...args: Parameters<Memfs['node_mkdir']>): number {
    return this.count(args[1], super.node_mkdir(...args));
  }
  override node_symlink(...args: Parameters<Memfs['node_symlink']>): number {
    return this.count(args[1], super.node_symlink(...args));
  }
  override node_link(...args: Parameters<Memfs['node_link']>): number {
    return this.count({ cookie: args[1] }, super.node_link(...args));
  }
  override node_write(...args: Parameters<Memfs['node_write']>): number {
    this.writeFlags.push(args[2]);
    return super.node_write(...args);
  }
  override node_reclaim(node: number, nlookup: number): number {
    this.lookups.set(node, (this.lookups.get(node) ?? 0) - nlookup);
    return super.node_reclaim(node, nlookup);
  }

  private count({ cookie }: { cookie: number }, error: number): number {
    if (error === 0) this.lookups.set(cookie, (this.lookups.get(cookie) ?? 0) + 1);
    return error;
  }
}

type Call = Exclude<
  {
    [Name in keyof PathSession]: PathSession[Name] extends (...args: never[]) => number
      ? Name
      : never;
  }[keyof PathSession],
  'serve' | 'background'
>;

describe('session by paths', () => {
  let fs: CountingMemfs;
  let session: PathSession;
  let lines: string[];
  let served: number[];

  function start(sync = false, capacityBytes = 1 << 20): void {
    fs = new CountingMemfs({ capacityBytes });
    lines = [];
    served = [];
    session = new PathSession(fs, {
      uid: 1000,
      gid: 1001,
      sync,
      console: (level, line) => lines.push(`${level} ${line}`),
      served: (opcode) => served.push(opcode),
    });
  }

  /** One request, as the transport makes it. */
  function call<Name extends Call>(name: Name, ...args: Parameters<PathSession[Name]>): number {
    const method = session[name] as (...all: unknown[]) => number;
    return session.serve(FUSE_GETATTR, () => method.apply(session, args));
  }

  const names = (path: string): string[] => {
    const records: DirectoryRecord[] = [];
    expect(call('readdir', path, records)).to.equal(0);
    return records.map(({ name }) => name).sort();
  };
  const attributesOf = (path: string) => {
    expect(call('getattr', path)).to.equal(0);
    return { ...session.found.va };
  };

  beforeEach(() => start());
  afterEach(() => {
    session.close();
    expect(fs.outstanding).to.equal(0);
  });

  it('gives every lookup back, whatever a request comes to', () => {
    const fh = call('create', '/file', 0o644);
    expect(fh).to.equal(1);
    expect(fs.outstanding).to.equal(1);
    expect(call('mkdir', '/dir', 0o755)).to.equal(0);
    expect(call('mkdir', '/dir', 0o755)).to.equal(-E.EEXIST);
    expect(call('mknod', '/fifo', 0o010644, 0)).to.equal(0);
    expect(call('symlink', 'file', '/link')).to.equal(0);
    expect(call('link', '/file', '/dir/other')).to.equal(0);
    expect(call('link', '/file', '/dir/other')).to.equal(-E.EEXIST);
    expect(call('rename', '/fifo', '/dir/other')).to.equal(0);
    expect(call('rename', '/none', '/dir/other')).to.equal(-E.ENOENT);
    expect(call('rename', '/dir', '/file')).to.equal(-E.ENOTDIR);
    expect(call('getattr', '/file/below')).to.equal(-E.ENOTDIR);
    expect(call('rmdir', '/dir')).to.equal(-E.ENOTEMPTY);
    expect(call('unlink', '/dir/other')).to.equal(0);
    expect(call('unlink', '/dir')).to.equal(-E.EISDIR);
    // The file, open, and "/dir", remembered.
    expect(fs.outstanding).to.equal(2);
    expect(call('rmdir', '/dir')).to.equal(0);
    expect(call('release', fh)).to.equal(0);
    expect(fs.outstanding).to.equal(0);
    expect(names('/')).to.deep.equal(['.', '..', 'file', 'link']);
  });

  it('remembers directories, but not many', () => {
    for (let i = 0; i < MANY; i++) {
      call('mkdir', `/${i}`, 0o755);
      call('mknod', `/${i}/file`, REG | 0o644, 0);
    }
    expect(fs.outstanding).to.equal(REMEMBERED_MAX);
    for (let i = 0; i < MANY; i++) expect(call('getattr', `/${i}/file`)).to.equal(0);
    expect(fs.outstanding).to.equal(REMEMBERED_MAX);
  });

  it('finds what lies deeper than it remembers, twice in one request', () => {
    let left = '/left';
    let right = '/right';
    for (const path of [left, right]) expect(call('mkdir', path, 0o755)).to.equal(0);
    for (let i = 0; i < MANY; i++) {
      left += '/d';
      right += '/d';
      for (const path of [left, right]) expect(call('mkdir', path, 0o755)).to.equal(0);
    }
    expect(call('create', `${left}/file`, 0o644)).to.equal(1);
    expect(call('rename', `${left}/file`, `${right}/moved`)).to.equal(0);
    expect(call('getattr', `${right}/moved`)).to.equal(0);
    expect(fs.outstanding).to.equal(REMEMBERED_MAX + 1);
  });

  it('follows directories that move, and takes no new one for an old one', () => {
    call('mkdir', '/a', 0o755);
    call('mkdir', '/a/b', 0o755);
    call('mknod', '/a/b/file', REG | 0o644, 0);
    call('mkdir', '/ab', 0o755);
    call('mknod', '/ab/other', REG | 0o644, 0);
    expect(call('rename', '/a', '/c')).to.equal(0);
    expect(call('getattr', '/a/b/file')).to.equal(-E.ENOENT);
    expect(call('getattr', '/c/b/file')).to.equal(0);
    expect(call('getattr', '/ab/other')).to.equal(0);
    expect(call('unlink', '/c/b/file')).to.equal(0);
    expect(call('rmdir', '/c/b')).to.equal(0);
    expect(call('mkdir', '/c/b', 0o755)).to.equal(0);
    expect(call('getattr', '/c/b/file')).to.equal(-E.ENOENT);
  });

  describe('an open file that libfuse hides', () => {
    const HIDDEN = '.fuse_hidden0000000200000001';

    it('loses its name and keeps its path until it is closed', () => {
      call('mkdir', '/dir', 0o755);
      const fh = call('create', '/dir/file', 0o644);
      expect(call('link', '/dir/file', '/other')).to.equal(0);
      expect(call('rename', '/dir/file', `/dir/${HIDDEN}`)).to.equal(0);
      expect(names('/dir')).to.deep.equal(['.', '..']);
      // One more than there are: libfuse takes off the name that it has given.
      expect(attributesOf(`/dir/${HIDDEN}`).va_nlink).to.equal(2);
      expect(attributesOf('/other').va_nlink).to.equal(1);
      expect(call('write', fh, Buffer.from('text'), 0)).to.equal(4);
      expect(call('rmdir', '/dir')).to.equal(-E.EBUSY);
      call('mkdir', '/empty', 0o755);
      expect(call('rename', '/empty', '/dir')).to.equal(-E.EBUSY);
      expect(call('rename', '/dir', '/moved')).to.equal(0);
      const again = call('open', `/moved/${HIDDEN}`);
      expect(call('read', again, Buffer.alloc(10), 0)).to.equal(4);
      for (const handle of [fh, again]) expect(call('release', handle)).to.equal(0);
      expect(call('unlink', `/moved/${HIDDEN}`)).to.equal(0);
      expect(call('getattr', `/moved/${HIDDEN}`)).to.equal(-E.ENOENT);
      expect(call('rmdir', '/moved')).to.equal(0);
    });

    it('is only an open one: the name is free for others', () => {
      call('mknod', '/file', REG | 0o644, 0);
      expect(call('rename', '/file', `/${HIDDEN}`)).to.equal(0);
      expect(names('/')).to.deep.equal(['.', '..', HIDDEN]);
    });
  });

  it('makes what belongs to one owner, without set-id bits', () => {
    call('create', '/file', 0o6755);
    expect(attributesOf('/file')).to.include({ va_uid: 1000, va_gid: 1001, va_mode: 0o755 });
    expect(call('chmod', '/file', 0o104755)).to.equal(0);
    expect(attributesOf('/file').va_mode).to.equal(0o4755);
    expect(call('chown', '/file', 0xffffffff, 7)).to.equal(0);
    expect(attributesOf('/file')).to.include({ va_uid: 1000, va_gid: 7 });
  });

  it('takes times that can be said', () => {
    call('create', '/file', 0o644);
    expect(call('utimens', '/file', 1_234_567, 2_000_000_000_999)).to.equal(0);
    expect(attributesOf('/file')).to.include({
      va_atime_sec: 1234,
      va_atime_nsec: 567_000_000,
      va_mtime_sec: 2_000_000_000,
      va_mtime_nsec: 999_000_000,
    });
    // One second before 1970, as unsigned 64 bits in a number.
    expect(call('utimens', '/file', 2 ** 64 - 1000, 0)).to.equal(-E.EINVAL);
  });

  it('neither makes nor finds names that came through as U+FFFD', () => {
    expect(call('create', '/\ufffd', 0o644)).to.equal(-E.EILSEQ);
    expect(call('mkdir', '/\ufffd', 0o755)).to.equal(-E.EILSEQ);
    expect(call('symlink', 'x', '/\ufffd')).to.equal(-E.EILSEQ);
    expect(call('getattr', '/\ufffd')).to.equal(-E.ENOENT);
    expect(call('getattr', '/\ufffd/file')).to.equal(-E.ENOENT);
    call('create', '/ü', 0o644);
    expect(call('rename', '/ü', '/\ufffd')).to.equal(-E.EILSEQ);
    expect(call('link', '/ü', '/\ufffd')).to.equal(-E.EILSEQ);
    expect(names('/')).to.deep.equal(['.', '..', 'ü']);
  });

  it('reads, writes and truncates through handles, up to a full medium', () => {
    start(false, 8192);
    const fh = call('create', '/file', 0o644);
    expect(call('write', fh, Buffer.alloc(6000, 1), 0)).to.equal(6000);
    expect(call('write', fh, Buffer.alloc(6000, 2), 6000)).to.be.oneOf([2192, -E.ENOSPC]);
    expect(call('ftruncate', fh, 4)).to.equal(0);
    expect(call('read', fh, Buffer.alloc(10), 0)).to.equal(4);
    expect(call('read', fh, Buffer.alloc(10), 4)).to.equal(0);
    expect(call('truncate', '/file', 2)).to.equal(0);
    expect(call('fsync', fh, true)).to.equal(0);
    expect(call('fsyncdir', '/', false)).to.equal(0);
    expect(attributesOf('/file').va_size).to.equal(2);
    expect(fs.writeFlags).to.deep.equal([0, 0]);
  });

  it('writes through with sync', () => {
    start(true);
    call('write', call('create', '/file', 0o644), Buffer.from('text'), 0);
    expect(fs.writeFlags).to.deep.equal([IO_SYNC]);
  });

  it('keeps to the room for extended attributes', () => {
    call('create', '/file', 0o644);
    const value = Buffer.from('0123456789');
    expect(call('setxattr', '/file', 'user.ten', value, 0)).to.equal(0);
    value.fill(0);
    const room = Buffer.alloc(20);
    expect(call('getxattr', '/file', 'user.ten', room.subarray(0, 0))).to.equal(10);
    expect(call('getxattr', '/file', 'user.ten', room.subarray(0, 9))).to.equal(-E.ERANGE);
    expect(call('getxattr', '/file', 'user.ten', room)).to.equal(10);
    expect(room.toString('latin1', 0, 10)).to.equal('0123456789');
    expect(call('listxattr', '/file', room.subarray(0, 0))).to.equal(9);
    expect(call('listxattr', '/file', room.subarray(0, 8))).to.equal(-E.ERANGE);
    expect(call('listxattr', '/file', room)).to.equal(9);
    expect(room.toString('latin1', 0, 9)).to.equal('user.ten\0');
    expect(call('setxattr', '/file', 'user.ten', value, 1)).to.equal(-E.EEXIST);
    expect(call('removexattr', '/file', 'user.ten')).to.equal(0);
    expect(call('getxattr', '/file', 'user.ten', room)).to.equal(-E.ENODATA);
  });

  it('shows link targets that the kernel has room for, as text', () => {
    const out = { target: '' };
    call('symlink', 'ä/b', '/link');
    expect(call('readlink', '/link', out)).to.equal(0);
    expect(out.target).to.equal('ä/b');
    fs.node_readlink = (_node, _cred, link) => {
      link.value = textToName('ä').repeat(2048);
      return 0;
    };
    expect(call('readlink', '/link', out)).to.equal(-E.ENAMETOOLONG);
  });

  it('a bug costs its own request and is reported once; then requests are counted on', () => {
    fs.trap = { name: 'trap', error: new TypeError('on demand') };
    for (let i = 0; i < 2; i++) expect(call('getattr', '/trap')).to.equal(-E.EIO);
    expect(call('release', 99)).to.equal(-E.EIO);
    expect(call('getattr', '/')).to.equal(0);
    expect(lines.map((line) => line.split('\n')[0])).to.deep.equal([
      `2 bug while serving request ${FUSE_GETATTR}: TypeError: on demand`,
      `2 bug while serving request ${FUSE_GETATTR}: Error: no such handle: 99`,
    ]);
    expect(served).to.deep.equal([FUSE_GETATTR]);
  });

  it('after a panic everything is EIO and the file system is left alone', () => {
    call('getattr', '/');
    fs.trap = { name: 'trap', error: new KernelPanic('on demand') };
    expect(call('getattr', '/trap')).to.equal(-E.EIO);
    fs.trap = null;
    expect(call('getattr', '/')).to.equal(-E.EIO);
    expect(session.background()).to.equal(-1);
    expect(session.close()).to.equal(false);
    expect(lines).to.have.length(1);
  });
});
