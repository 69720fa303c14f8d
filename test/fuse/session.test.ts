/** The session over the reference file system, driven by bytes. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import * as p from '../../src/fuse/protocol.js';
import { IO_SYNC, Memfs, NETBSD_ERRNO, VNOVAL, type vattr } from '../../src/puffs/index.js';
import { ALL_FLAGS, Client, direntsOf, entryAt, type Entry, type Reply } from './client.js';

const E = constants.errno;
const ROOT = 1;
const DT_DIR = 4;
const DT_REG = 8;

/** Counts lookups given out and back, and makes what a test asks for go wrong. */
class CountingMemfs extends Memfs {
  readonly lookups = new Map<number, number>();
  trap: { name: string; error: Error } | null = null;

  override node_reclaim(node: number, nlookup: number): number {
    this.lookups.set(node, (this.lookups.get(node) ?? 0) - nlookup);
    return super.node_reclaim(node, nlookup);
  }
  override node_lookup(...args: Parameters<Memfs['node_lookup']>): number {
    if (this.trap?.name === args[2].name) throw this.trap.error;
    const error = super.node_lookup(...args);
    if (error === 0) this.count(args[1].cookie);
    return error;
  }
  override node_create(...args: Parameters<Memfs['node_create']>): number {
    const error = super.node_create(...args);
    if (error === 0) this.count(args[1].cookie);
    return error;
  }
  override node_link(...args: Parameters<Memfs['node_link']>): number {
    const error = super.node_link(...args);
    if (error === 0) this.count(args[1]);
    return error;
  }
  private count(node: number): void {
    this.lookups.set(node, (this.lookups.get(node) ?? 0) + 1);
  }
}

function start(options: ConstructorParameters<typeof Client>[1] = {}): {
  client: Client;
  fs: CountingMemfs;
} {
  const fs = new CountingMemfs();
  const client = new Client(fs, options);
  client.init();
  return { client, fs };
}

const ok = (reply: Reply): Reply => {
  expect(reply.error).to.equal(0);
  return reply;
};

const lookup = (client: Client, name: string, dir = ROOT): Reply =>
  client.send(p.FUSE_LOOKUP, dir, null, {}, name);

function create(client: Client, name: string, mode = 0o100644, umask = 0o022): Entry {
  const reply = client.send(p.FUSE_CREATE, ROOT, p.fuse_create_in, { mode, umask }, name);
  return entryAt(ok(reply).body);
}

function write(client: Client, node: number, text: string, fields = {}): Reply {
  const data = Buffer.from(text);
  return client.send(p.FUSE_WRITE, node, p.fuse_write_in, { size: data.length, ...fields }, data);
}

function read(client: Client, node: number, offset: number, size: number): string {
  const reply = ok(client.send(p.FUSE_READ, node, p.fuse_read_in, { offset, size }));
  return reply.body.bytes.toString();
}

function attributes(client: Client, node: number) {
  const { body } = ok(client.send(p.FUSE_GETATTR, node));
  const at = p.fuse_attr_out.at.attr;
  const a = p.fuse_attr.at;
  return {
    mode: body.u32(at + a.mode),
    size: body.u64(at + a.size),
    uid: body.u32(at + a.uid),
    mtime: body.s64(at + a.mtime),
    mtimensec: body.u32(at + a.mtimensec),
    atime: body.s64(at + a.atime),
    atimensec: body.u32(at + a.atimensec),
    ctime: body.s64(at + a.ctime),
    ctimensec: body.u32(at + a.ctimensec),
    nlink: body.u32(at + a.nlink),
    rdev: body.u32(at + a.rdev),
    blocks: body.u64(at + a.blocks),
  };
}

describe('session: INIT', () => {
  const i = p.fuse_init_out.at;

  it('a golden exchange', () => {
    const client = new Client(new Memfs());
    const { body, bytes } = client.init();
    expect(bytes).to.equal(80);
    expect([body.u32(0), body.u32(4), body.u32(8)]).to.deep.equal([7, 40, 131072]);
    expect(body.u32(12).toString(16)).to.equal('73d7e061');
    expect(body.u32(20)).to.equal(1 << 20);
    expect(body.u16(28)).to.equal(256);
    expect(body.u32(32)).to.equal(1 << 10);
    expect(body.u16(40)).to.equal(300);
  });

  it('takes nothing that was not offered', () => {
    const client = new Client(new Memfs());
    const { body } = client.init(p.FUSE_BIG_WRITES | p.FUSE_ATOMIC_O_TRUNC);
    expect(body.u32(i.flags)).to.equal(p.FUSE_BIG_WRITES);
  });

  it('the write-back cache is an option, and none with sync', () => {
    const flagsWith = (options: object): number =>
      new Client(new Memfs(), options).init().body.u32(i.flags) & p.FUSE_WRITEBACK_CACHE;
    expect(flagsWith({})).to.not.equal(0);
    expect(flagsWith({ writebackCache: false })).to.equal(0);
    expect(flagsWith({ sync: true })).to.equal(0);
  });

  it('older minors are met, too old ones and other majors refused', () => {
    expect(new Client(new Memfs()).init(ALL_FLAGS, 31).body.u32(i.minor)).to.equal(31);
    const client = new Client(new Memfs());
    expect(client.init(ALL_FLAGS, 22).error).to.equal(-E.EPROTO);
    expect(client.lines).to.have.length(1);
    expect(client.lines[0]).to.match(/FUSE 7\.22; 7\.23 .* or newer/);
    const init = (major: number): Reply =>
      client.send(p.FUSE_INIT, 0, p.fuse_init_in, { major, minor: 0 });
    expect(init(6).error).to.equal(-E.EPROTO);
    expect(init(8).body.u32(i.major)).to.equal(7);
    expect(client.session.initialized).to.equal(false);
  });
});

describe('session: names', () => {
  it('a missing name is an answer that may be cached', () => {
    const { client } = start({ negativeTimeoutSeconds: 1.5 });
    const { body, bytes } = ok(lookup(client, 'nothing'));
    expect(bytes).to.equal(144);
    expect(entryAt(body)).to.include({ nodeid: 0, entryValid: 1, ino: 0 });
    expect(body.u32(p.fuse_entry_out.at.entry_valid_nsec)).to.equal(500_000_000);
    const uncached = start({ negativeTimeoutSeconds: 0 }).client;
    expect(lookup(uncached, 'nothing').error).to.equal(-E.ENOENT);
  });

  it('CREATE answers an entry and an open file; LOOKUP finds it', () => {
    const { client } = start();
    client.uid = 7;
    client.gid = 8;
    const made = create(client, 'file', 0o100666, 0o027);
    expect(made).to.include({ mode: 0o100640, uid: 7, gid: 8, size: 0, nlink: 1 });
    expect(entryAt(lookup(client, 'file').body)).to.deep.equal(made);
  });

  it('names are bytes', () => {
    const { client } = start();
    const name = '\xff\xfe/'.slice(0, 2);
    const { nodeid } = create(client, name);
    const listed = direntsOf(
      client.send(p.FUSE_READDIR, ROOT, p.fuse_read_in, { size: 4096 }),
      false,
    );
    expect(listed.map((dirent) => dirent.name)).to.deep.equal(['.', '..', name]);
    const target = '\x80\xff';
    ok(client.send(p.FUSE_SYMLINK, ROOT, null, {}, 'link', target));
    const link = entryAt(lookup(client, 'link').body);
    expect(link.mode & 0o170000).to.equal(0o120000);
    const { body } = ok(client.send(p.FUSE_READLINK, link.nodeid));
    expect([...body.bytes]).to.deep.equal([0x80, 0xff]);
    expect(nodeid).to.be.greaterThan(1);
  });

  it('a target that the kernel has no room for is refused', () => {
    const { client, fs } = start();
    ok(client.send(p.FUSE_SYMLINK, ROOT, null, {}, 'link', 'x'));
    const { nodeid } = entryAt(lookup(client, 'link').body);
    const readlinkOf = (length: number): Reply => {
      fs.node_readlink = (_node, _cred, out) => {
        out.value = 'x'.repeat(length);
        return 0;
      };
      return client.send(p.FUSE_READLINK, nodeid);
    };
    expect(ok(readlinkOf(4095)).bytes).to.equal(16 + 4095);
    expect(readlinkOf(4096).error).to.equal(-E.ENAMETOOLONG);
    expect(readlinkOf(3 << 20).error).to.equal(-E.ENAMETOOLONG);
  });

  it('device numbers pass unchanged', () => {
    const { client } = start();
    const rdev = ((300 & 0xfff) << 8) | (70000 & 0xff) | ((70000 & ~0xff) << 12);
    const reply = client.send(
      p.FUSE_MKNOD,
      ROOT,
      p.fuse_mknod_in,
      { mode: 0o060600, rdev, umask: 0 },
      'device',
    );
    const { nodeid, mode } = entryAt(ok(reply).body);
    expect(mode).to.equal(0o060600);
    expect(attributes(client, nodeid).rdev).to.equal(rdev);
  });

  it('RENAME2 serves NOREPLACE and EXCHANGE, no more', () => {
    const { client } = start();
    const a = create(client, 'a').nodeid;
    const b = create(client, 'b').nodeid;
    const rename2 = (flags: number): number =>
      client.send(p.FUSE_RENAME2, ROOT, p.fuse_rename2_in, { newdir: ROOT, flags }, 'a', 'b').error;
    expect(rename2(1)).to.equal(-E.EEXIST);
    expect(rename2(4)).to.equal(-E.EINVAL);
    expect(rename2(2)).to.equal(0);
    expect(entryAt(lookup(client, 'a').body).nodeid).to.equal(b);
    expect(rename2(0)).to.equal(0);
    expect(entryAt(lookup(client, 'b').body).nodeid).to.equal(b);
    expect(entryAt(lookup(client, 'a').body).nodeid).to.equal(0);
    expect(a).to.not.equal(b);
  });

  it('a request that ends in the middle of a name is a bug of somebody, not a read beyond', () => {
    const { client } = start();
    create(client, 'file');
    lookup(client, 'file');
    expect(client.sendRaw(p.FUSE_LOOKUP, ROOT, p.fuse_in_header.bytes + 4).error).to.equal(-E.EIO);
    expect(client.lines[0]).to.match(/malformed request/);
  });
});

describe('session: lookups are counted', () => {
  /** All that the kernel holds, by node. */
  const held = (fs: CountingMemfs): number[] =>
    [...fs.lookups.values()].filter((count) => count !== 0);

  it('what is given out and FORGET gives back balance', () => {
    const { client, fs } = start();
    const { nodeid } = create(client, 'file');
    lookup(client, 'file');
    ok(client.send(p.FUSE_LINK, ROOT, p.fuse_link_in, { oldnodeid: nodeid }, 'second'));
    const plus = client.send(p.FUSE_READDIRPLUS, ROOT, p.fuse_read_in, { size: 4096 });
    expect(direntsOf(plus, true).map(({ entry }) => entry?.nodeid)).to.deep.equal([
      undefined,
      undefined,
      nodeid,
      nodeid,
    ]);
    expect(held(fs)).to.deep.equal([5]);
    // Looked up on the way, but not handed out:
    const rename = client.send(
      p.FUSE_RENAME,
      ROOT,
      p.fuse_rename_in,
      { newdir: ROOT },
      'second',
      'x',
    );
    expect(rename.error).to.equal(0);
    ok(client.send(p.FUSE_UNLINK, ROOT, null, {}, 'x'));
    expect(held(fs)).to.deep.equal([5]);
    expect(client.send(p.FUSE_FORGET, nodeid, p.fuse_forget_in, { nlookup: 2 }).bytes).to.equal(0);
    const record = new Uint8Array(16);
    new DataView(record.buffer).setUint32(0, nodeid, true);
    new DataView(record.buffer).setUint32(8, 3, true);
    const forget = client.send(
      p.FUSE_BATCH_FORGET,
      0,
      p.fuse_batch_forget_in,
      { count: 1 },
      record,
    );
    expect(forget.bytes).to.equal(0);
    expect(held(fs)).to.deep.equal([]);
  });

  it('an entry that could not be delivered is taken back', () => {
    const { client, fs } = start();
    create(client, 'file');
    create(client, 'other');
    client.send(p.FUSE_READDIRPLUS, ROOT, p.fuse_read_in, { size: 4096 });
    expect(held(fs)).to.deep.equal([2, 2]);
    client.session.undelivered();
    expect(held(fs)).to.deep.equal([1, 1]);
    client.session.undelivered();
    expect(held(fs)).to.deep.equal([1, 1]);
  });

  it('the doorbell has a file of its own, which nobody finds who does not know its name', () => {
    const client = new Client(new Memfs(), { bellName: '.bell' });
    client.init();
    const { nodeid } = entryAt(ok(lookup(client, '.bell')).body);
    expect(nodeid).to.equal(Number.MAX_SAFE_INTEGER);
    expect(client.send(p.FUSE_UNLINK, ROOT, null, {}, '.bell').error).to.equal(-E.ENOENT);
    expect(client.send(p.FUSE_OPEN, nodeid, p.fuse_open_in).error).to.be.lessThan(0);
    const made = client.send(p.FUSE_MKDIR, ROOT, p.fuse_mkdir_in, { mode: 0o755 }, 'dir');
    const dir = entryAt(ok(made).body).nodeid;
    expect(entryAt(ok(lookup(client, '.bell', dir)).body).nodeid).to.equal(0);
    client.send(p.FUSE_FORGET, nodeid, p.fuse_forget_in, { nlookup: 1 });
    expect(entryAt(ok(lookup(client, '.bell')).body).nodeid).to.equal(nodeid);
  });

  it('the root is never given back', () => {
    const { client, fs } = start();
    client.send(p.FUSE_FORGET, ROOT, p.fuse_forget_in, { nlookup: 1 });
    expect(fs.lookups.size).to.equal(0);
  });

  it('an unlinked file lives until it is forgotten', () => {
    const { client } = start();
    const { nodeid } = create(client, 'file');
    write(client, nodeid, 'still here');
    ok(client.send(p.FUSE_UNLINK, ROOT, null, {}, 'file'));
    expect(attributes(client, nodeid).nlink).to.equal(0);
    expect(read(client, nodeid, 6, 100)).to.equal('here');
    client.send(p.FUSE_FORGET, nodeid, p.fuse_forget_in, { nlookup: 1 });
    expect(client.send(p.FUSE_GETATTR, nodeid).error).to.equal(-E.ESTALE);
  });

  it('TMPFILE makes a file without a name that LINK may name', () => {
    const { client } = start();
    const made = client.send(p.FUSE_TMPFILE, ROOT, p.fuse_create_in, { mode: 0o100600 }, '#1');
    const { nodeid, nlink } = entryAt(ok(made).body);
    expect(nlink).to.equal(0);
    ok(client.send(p.FUSE_LINK, ROOT, p.fuse_link_in, { oldnodeid: nodeid }, 'named'));
    expect(entryAt(lookup(client, 'named').body)).to.include({ nodeid, nlink: 1 });
  });
});

describe('session: directories', () => {
  function filled(count: number): Client {
    const { client } = start();
    for (let i = 0; i < count; i++) create(client, `file-${String(i).padStart(i % 20, '0')}`);
    return client;
  }

  for (const [opcode, plus] of [
    [p.FUSE_READDIR, false],
    [p.FUSE_READDIRPLUS, true],
  ] as const) {
    it(`${plus ? 'READDIRPLUS' : 'READDIR'} continues at each offset, whatever the size`, () => {
      const client = filled(100);
      const readAll = (size: number): string[] => {
        const names: string[] = [];
        for (let offset = 0; ; ) {
          const reply = ok(client.send(opcode, ROOT, p.fuse_read_in, { offset, size }));
          expect(reply.bytes).to.be.at.most(16 + size);
          const dirents = direntsOf(reply, plus);
          if (dirents.length === 0) return names;
          names.push(...dirents.map(({ name }) => name));
          offset = dirents.at(-1)!.off;
        }
      };
      const expected = readAll(1 << 20);
      expect(expected).to.have.length(102);
      expect(new Set(expected).size).to.equal(102);
      for (const size of [200, 512, 4096]) expect(readAll(size)).to.deep.equal(expected);
    });
  }

  it('names that no path can have are left out', () => {
    const { client, fs } = start();
    fs.node_readdir = (_dir, offset, _cred, emit, out) => {
      const names = ['good', 'a/b', '', 'last'];
      while (offset < names.length && emit(names[offset]!, 7, DT_REG, offset + 1)) offset++;
      out.eof = offset === names.length;
      return 0;
    };
    const reply = client.send(p.FUSE_READDIR, ROOT, p.fuse_read_in, { size: 4096 });
    expect(direntsOf(reply, false).map(({ name }) => name)).to.deep.equal(['good', 'last']);
  });

  it('types and inode numbers are those of the files', () => {
    const { client } = start();
    const file = create(client, 'file');
    ok(client.send(p.FUSE_MKDIR, ROOT, p.fuse_mkdir_in, { mode: 0o755 }, 'dir'));
    const dirents = direntsOf(
      client.send(p.FUSE_READDIRPLUS, ROOT, p.fuse_read_in, { size: 4096 }),
      true,
    );
    expect(dirents.map(({ name, type }) => [name, type])).to.deep.equal([
      ['.', DT_DIR],
      ['..', DT_DIR],
      ['file', DT_REG],
      ['dir', DT_DIR],
    ]);
    expect(dirents[2]!.ino).to.equal(file.ino);
    expect(dirents[2]!.entry).to.deep.equal(file);
  });
});

describe('session: attributes and data', () => {
  it('WRITE and READ move bytes, at the end as well', () => {
    const { client } = start();
    const { nodeid } = create(client, 'file');
    expect(ok(write(client, nodeid, 'hello')).body.u32(0)).to.equal(5);
    ok(write(client, nodeid, 'world', { offset: 10 }));
    expect(read(client, nodeid, 0, 100)).to.equal('hello\0\0\0\0\0world');
    expect(read(client, nodeid, 13, 100)).to.equal('ld');
    expect(read(client, nodeid, 15, 100)).to.equal('');
  });

  it('with sync every write asks for stable storage', () => {
    for (const sync of [true, false]) {
      const { client, fs } = start({ sync });
      const { nodeid } = create(client, 'file');
      const flags: number[] = [];
      fs.node_write = (node, uio, ioflag, cred) => {
        flags.push(ioflag);
        return Memfs.prototype.node_write.call(fs, node, uio, ioflag, cred);
      };
      ok(write(client, nodeid, 'text'));
      expect(flags).to.deep.equal([sync ? IO_SYNC : 0]);
    }
  });

  it('COPY_FILE_RANGE copies below', () => {
    const { client } = start();
    const from = create(client, 'from').nodeid;
    const to = create(client, 'to').nodeid;
    write(client, from, 'hello world');
    const reply = client.send(p.FUSE_COPY_FILE_RANGE, from, p.fuse_copy_file_range_in, {
      off_in: 6,
      nodeid_out: to,
      off_out: 2,
      len: 1e9,
    });
    expect(ok(reply).body.u32(0)).to.equal(5);
    expect(read(client, to, 0, 100)).to.equal('\0\0world');
  });

  it('LSEEK shows holes, but not under a cache that may hide data', () => {
    const lseek = (client: Client, node: number, offset: number, whence: number): Reply =>
      client.send(p.FUSE_LSEEK, node, p.fuse_lseek_in, { offset, whence });
    const { client } = start({ writebackCache: false });
    const { nodeid } = create(client, 'file');
    write(client, nodeid, 'x', { offset: 8192 });
    expect(ok(lseek(client, nodeid, 0, p.SEEK_DATA)).body.u64(0)).to.equal(8192);
    expect(ok(lseek(client, nodeid, 0, p.SEEK_HOLE)).body.u64(0)).to.equal(0);
    expect(lseek(client, nodeid, 9000, p.SEEK_DATA).error).to.equal(-E.ENXIO);
    expect(lseek(client, nodeid, 0, 1).error).to.equal(-E.EINVAL);
    const cached = start().client;
    const node = create(cached, 'file').nodeid;
    expect(lseek(cached, node, 0, p.SEEK_DATA).error).to.equal(-E.ENOSYS);
  });

  const setattr = (client: Client, node: number, valid: number, fields = {}): Reply =>
    client.send(p.FUSE_SETATTR, node, p.fuse_setattr_in, { valid, ...fields });

  it('SETATTR sets what it names, also times before 1970', () => {
    const { client } = start();
    const { nodeid } = create(client, 'file');
    ok(
      setattr(client, nodeid, p.FATTR_MODE | p.FATTR_SIZE | p.FATTR_MTIME | p.FATTR_UID, {
        mode: 0o100600,
        size: 7,
        mtime: -1,
        mtimensec: 999_999_999,
        uid: 12,
        gid: 13,
        atime: 5,
        atimensec: 6,
      }),
    );
    expect(attributes(client, nodeid)).to.include({
      mode: 0o100600,
      size: 7,
      mtime: -1,
      mtimensec: 999_999_999,
      uid: 12,
    });
  });

  it('UTIME_NOW is now, UTIME_OMIT nothing', () => {
    const { client, fs } = start();
    const { nodeid } = create(client, 'file');
    let given: vattr | undefined;
    fs.node_setattr = (node, va, cred) => {
      given = { ...va };
      return Memfs.prototype.node_setattr.call(fs, node, va, cred);
    };
    ok(setattr(client, nodeid, p.FATTR_ATIME | p.FATTR_ATIME_NOW));
    expect(given).to.include({ va_atime_sec: 1_700_000_000, va_mtime_sec: VNOVAL, va_vaflags: 1 });
    expect(given!.va_atime_nsec).to.be.within(123_455_000, 123_457_000);
    const both = p.FATTR_ATIME | p.FATTR_ATIME_NOW | p.FATTR_MTIME | p.FATTR_MTIME_NOW;
    ok(setattr(client, nodeid, both));
    expect(given).to.include({ va_mtime_sec: 1_700_000_000, va_vaflags: 1 });
    ok(setattr(client, nodeid, p.FATTR_ATIME | p.FATTR_ATIME_NOW | p.FATTR_MTIME, { mtime: 9 }));
    expect(given).to.include({ va_atime_sec: 1_700_000_000, va_mtime_sec: 9, va_vaflags: 0 });
  });

  it('times that are as they were cost the medium nothing', () => {
    const { client, fs } = start();
    const { nodeid } = create(client, 'file');
    const { mtime, mtimensec, ctime, ctimensec } = attributes(client, nodeid);
    let sets = 0;
    fs.node_setattr = (...args) => {
      sets++;
      return Memfs.prototype.node_setattr.apply(fs, args);
    };
    const valid = p.FATTR_MTIME | p.FATTR_CTIME | p.FATTR_FH;
    ok(setattr(client, nodeid, valid, { mtime, mtimensec, ctime, ctimensec }));
    expect(sets).to.equal(0);
    ok(setattr(client, nodeid, valid, { mtime: mtime + 1, mtimensec, ctime, ctimensec }));
    expect(sets).to.equal(1);
    expect(attributes(client, nodeid).mtime).to.equal(mtime + 1);
  });

  it('set-id bits are dropped when the kernel says so, and the kernel is told', () => {
    const { client } = start();
    const { nodeid } = create(client, 'file', 0o106755, 0);
    expect(attributes(client, nodeid).mode).to.equal(0o106755);
    write(client, nodeid, 'x');
    expect(client.notice()).to.equal(null);
    write(client, nodeid, 'x', { write_flags: p.FUSE_WRITE_KILL_SUIDGID });
    const notice = client.notice();
    expect([...new Uint32Array(notice!.bytes.buffer, 0, 10)]).to.deep.equal([
      40,
      2,
      0,
      0,
      nodeid,
      0,
      0xffffffff,
      0xffffffff,
      0,
      0,
    ]);
    expect(attributes(client, nodeid).mode).to.equal(0o100755);
    // Nothing is left to drop, so there is nothing to tell.
    write(client, nodeid, 'x', { write_flags: p.FUSE_WRITE_KILL_SUIDGID });
    expect(client.notice()).to.equal(null);
    // Without group execution the bit means something else and stays.
    ok(setattr(client, nodeid, p.FATTR_MODE, { mode: 0o106744 }));
    const chown = p.FATTR_UID | p.FATTR_KILL_SUIDGID;
    ok(setattr(client, nodeid, chown, { uid: 3 }));
    expect(attributes(client, nodeid)).to.include({ mode: 0o102744, uid: 3 });
  });

  it('STATFS', () => {
    const client = new Client(new Memfs({ capacityBytes: 1 << 20 }));
    client.init();
    const { body, bytes } = ok(client.send(p.FUSE_STATFS, ROOT));
    expect(bytes).to.equal(96);
    const k = p.fuse_kstatfs.at;
    expect([
      body.u64(k.blocks),
      body.u64(k.bfree),
      body.u32(k.frsize),
      body.u32(k.namelen),
    ]).to.deep.equal([256, 256, 4096, 255]);
  });
});

describe('session: extended attributes', () => {
  const { ENODATA, ERANGE } = E;
  const set = (client: Client, name: string, value: string, fields = {}): Reply =>
    client.send(
      p.FUSE_SETXATTR,
      ROOT,
      p.fuse_setxattr_in,
      { size: value.length, ...fields },
      name,
      Buffer.from(value),
    );
  const get = (client: Client, name: string, size: number): Reply =>
    client.send(p.FUSE_GETXATTR, ROOT, p.fuse_getxattr_in, { size }, name);
  const list = (client: Client, size: number): Reply =>
    client.send(p.FUSE_LISTXATTR, ROOT, p.fuse_getxattr_in, { size });

  it('sizes are probed, short buffers refused', () => {
    const { client } = start();
    ok(set(client, 'user.a', 'value'));
    expect(ok(get(client, 'user.a', 0)).body.u32(0)).to.equal(5);
    expect(ok(get(client, 'user.a', 5)).body.bytes.toString()).to.equal('value');
    expect(ok(get(client, 'user.a', 100)).body.bytes.toString()).to.equal('value');
    expect(get(client, 'user.a', 4).error).to.equal(-ERANGE);
    expect(get(client, 'user.b', 0).error).to.equal(-ENODATA);
  });

  it('names are listed with their prefixes', () => {
    const { client } = start();
    ok(set(client, 'user.a', '1'));
    ok(set(client, 'trusted.b', '2'));
    const names = 'user.a\0trusted.b\0';
    expect(ok(list(client, 0)).body.u32(0)).to.equal(names.length);
    expect(ok(list(client, names.length)).body.bytes.toString()).to.equal(names);
    expect(list(client, names.length - 1).error).to.equal(-ERANGE);
    ok(client.send(p.FUSE_REMOVEXATTR, ROOT, null, {}, 'user.a'));
    expect(ok(list(client, 100)).body.bytes.toString()).to.equal('trusted.b\0');
  });

  it('labels are not supported while no file has one', () => {
    const label = 'security.selinux';
    let mayHaveLabels = false;
    const client = new Client(new Memfs(), { mayHaveLabels: () => mayHaveLabels });
    client.init();
    expect(get(client, label, 100).error).to.equal(-E.EOPNOTSUPP);
    expect(get(client, 'security.other', 100).error).to.equal(-ENODATA);
    mayHaveLabels = true;
    expect(get(client, label, 100).error).to.equal(-ENODATA);
    mayHaveLabels = false;
    ok(set(client, label, 'value'));
    expect(ok(get(client, label, 100)).body.bytes.toString()).to.equal('value');
  });

  it('flags and the short form of old kernels', () => {
    const { client } = start();
    ok(set(client, 'user.a', '1'));
    expect(set(client, 'user.a', '2', { flags: 1 }).error).to.equal(-E.EEXIST);
    expect(set(client, 'user.b', '2', { flags: 2 }).error).to.equal(-ENODATA);
    const old = new Client(new Memfs());
    old.init(ALL_FLAGS & ~p.FUSE_SETXATTR_EXT);
    const short = { ...p.fuse_setxattr_in, bytes: 8 };
    ok(old.send(p.FUSE_SETXATTR, ROOT, short, { size: 1 }, 'user.a', Buffer.from('v')));
    expect(get(old, 'user.a', 10).body.bytes.toString()).to.equal('v');
  });
});

describe('session: what goes wrong', () => {
  it('unknown opcodes are answered ENOSYS, INTERRUPT and unknown forgets not at all', () => {
    const { client } = start();
    for (const opcode of [0, 7, p.FUSE_FLUSH, 31, 37, 52, 53, 4096, 0xffffffff]) {
      expect(client.send(opcode, ROOT).error, `${opcode}`).to.equal(-E.ENOSYS);
    }
    expect(client.send(p.FUSE_INTERRUPT, ROOT).bytes).to.equal(0);
    expect(client.send(p.FUSE_IOCTL, ROOT).error).to.equal(-E.ENOTTY);
  });

  it('errors of the file system arrive as Linux numbers', () => {
    const { client, fs } = start();
    expect(client.send(p.FUSE_RMDIR, ROOT, null, {}, 'x').error).to.equal(-E.ENOENT);
    expect(client.send(p.FUSE_GETATTR, 4711).error).to.equal(-E.ESTALE);
    fs.fs_sync = () => NETBSD_ERRNO.EDQUOT;
    expect(client.send(p.FUSE_SYNCFS, ROOT).error).to.equal(-E.EDQUOT);
  });

  it('a bug costs its own request and is reported once', () => {
    const { client, fs } = start();
    create(client, 'other');
    fs.trap = { name: 'trap', error: new TypeError('cannot read') };
    for (let i = 0; i < 3; i++) expect(lookup(client, 'trap').error).to.equal(-E.EIO);
    expect(client.lines).to.have.length(1);
    expect(client.lines[0]).to.match(/^2 bug while serving request 1: TypeError: cannot read/);
    ok(lookup(client, 'other'));
    expect(client.session.isDead).to.equal(false);
    expect(client.session.close()).to.equal(true);
  });

  it('after a panic everything is EIO and the file system is left alone', () => {
    const { client, fs } = start();
    const { nodeid } = create(client, 'file');
    fs.trap = { name: 'trap', error: new KernelPanic('list corrupted') };
    expect(lookup(client, 'trap').error).to.equal(-E.EIO);
    expect(client.session.isDead).to.equal(true);
    expect(client.lines[0]).to.match(/^0 kernel panic: list corrupted/);
    const calls: string[] = [];
    for (const name of [
      'node_lookup',
      'node_reclaim',
      'node_getattr',
      'fs_sync',
      'fs_unmount',
      'background',
    ] as const) {
      fs[name] = () => {
        calls.push(name);
        return 0;
      };
    }
    expect(lookup(client, 'file').error).to.equal(-E.EIO);
    expect(client.send(p.FUSE_GETATTR, nodeid).error).to.equal(-E.EIO);
    expect(client.send(p.FUSE_FORGET, nodeid, p.fuse_forget_in, { nlookup: 1 }).bytes).to.equal(0);
    expect(client.session.background()).to.equal(-1);
    expect(client.session.close()).to.equal(false);
    expect(calls).to.deep.equal([]);
  });

  it('closing tells whether everything reached the medium', () => {
    const { client, fs } = start();
    fs.fs_sync = () => NETBSD_ERRNO.EIO;
    expect(client.session.close()).to.equal(false);
    expect(client.lines).to.deep.equal(['3 unmounting failed: EIO']);
  });

  it('a write cut short is answered with what was written', () => {
    const client = new Client(new Memfs({ capacityBytes: 8192 }));
    client.init();
    const { nodeid } = create(client, 'file');
    const reply = write(client, nodeid, 'x'.repeat(10_000));
    expect(ok(reply).body.u32(0)).to.equal(8192);
    expect(write(client, nodeid, 'x', { offset: 8192 }).error).to.equal(-E.ENOSPC);
  });

  it("pages of the cache do not touch the times, which are the kernel's", () => {
    const { client } = start();
    const { nodeid } = create(client, 'file');
    const times = { valid: p.FATTR_MTIME, mtime: 1000 };
    ok(client.send(p.FUSE_SETATTR, nodeid, p.fuse_setattr_in, times));
    ok(write(client, nodeid, 'page', { write_flags: p.FUSE_WRITE_CACHE }));
    expect(attributes(client, nodeid).mtime).to.equal(1000);
    ok(write(client, nodeid, 'write'));
    expect(attributes(client, nodeid).mtime).to.not.equal(1000);
  });

  it('pages of the cache that do not fit are an error, also for the next write(2), once', () => {
    const client = new Client(new Memfs({ capacityBytes: 8192 }));
    client.init();
    const { nodeid } = create(client, 'file');
    const ask = (getattr_flags: number): number =>
      client.send(p.FUSE_GETATTR, nodeid, p.fuse_getattr_in, { getattr_flags }).error;
    const writePages = (bytes: number): number =>
      write(client, nodeid, 'x'.repeat(bytes), { write_flags: p.FUSE_WRITE_CACHE }).error;

    expect(writePages(4096)).to.equal(0);
    expect(client.notice()).to.equal(null);
    expect(writePages(10_000)).to.equal(-E.ENOSPC);
    expect(client.notice()?.u64(16)).to.equal(nodeid);
    expect(ask(0), 'stat(2)').to.equal(0);
    expect(ask(p.FUSE_GETATTR_FH), 'write(2)').to.equal(-E.ENOSPC);
    expect(ask(p.FUSE_GETATTR_FH), 'the next one').to.equal(0);

    expect(writePages(10_000)).to.equal(-E.ENOSPC);
    create(client, 'other');
    ok(client.send(p.FUSE_UNLINK, ROOT, null, {}, 'other'));
    expect(ask(p.FUSE_GETATTR_FH), 'after something was removed').to.equal(0);
  });
});
