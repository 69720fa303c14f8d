/** struct stat and directory records: Linux's beside what this kernel answers, NetBSD's by offset. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { dirents_decode } from '../../src/puffs/dirent.js';
import { dirents_encode, makedev, Memfs, stat_encode, vattr_new } from '../../src/puffs/index.js';
import { VCHR, VDIR, VREG } from '../../src/puffs/puffs.js';
import { Ukfs } from '../../src/ukfs/index.js';

/** Bytes of stat(2) and getdents64(2) as the kernel writes them. */
const SCRIPT = `
import ctypes, json, sys, os
libc = ctypes.CDLL(None, use_errno=True)
stat = ctypes.create_string_buffer(144)
assert libc.syscall(4, os.fsencode(sys.argv[1]), stat) == 0
fd = os.open(sys.argv[2], os.O_RDONLY)
buf = ctypes.create_string_buffer(4096)
n = libc.syscall(217, fd, buf, 4096)
st = os.stat(sys.argv[1])
fields = {k: getattr(st, k) for k in dir(st) if k.startswith('st_')}
json.dump([stat.raw.hex(), buf.raw[:n].hex(), fields], sys.stdout)
`;

describe('puffs: structures of two systems', () => {
  it("Linux's are what its kernel answers", function () {
    const folder = fs.mkdtempSync(join(tmpdir(), 'lump-abi-'));
    try {
      const [file, dir] = [join(folder, 'file'), join(folder, 'dir')];
      fs.writeFileSync(file, Buffer.alloc(70_000));
      fs.linkSync(file, join(folder, 'link'));
      fs.utimesSync(file, -5.5, 5_000_000_000.25);
      fs.mkdirSync(dir);
      for (const name of ['a', 'longer name', 'ü', 'x'.repeat(200)]) fs.mkdirSync(join(dir, name));
      const { status, stdout } = spawnSync('python3', ['-c', SCRIPT, file, dir]);
      if (process.arch !== 'x64' || process.platform !== 'linux' || status !== 0) {
        console.log('      neither python3 nor Linux on x86-64: not compared');
        this.skip();
      }
      const [stat, records, st] = JSON.parse(String(stdout)) as [
        string,
        string,
        Record<string, number>,
      ];
      const time = (name: string): { sec: number; nsec: number } => {
        const ns = BigInt(fs.statSync(file, { bigint: true })[`${name}Ns` as 'atimeNs']);
        const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
        return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) };
      };
      const [atime, mtime, ctime] = [time('atime'), time('mtime'), time('ctime')];
      const va = {
        ...vattr_new(),
        va_type: VREG,
        va_mode: st.st_mode! & 0o7777,
        va_nlink: 2,
        va_uid: st.st_uid!,
        va_gid: st.st_gid!,
        va_fsid: st.st_dev!,
        va_fileid: st.st_ino!,
        va_size: 70_000,
        va_blocksize: st.st_blksize!,
        va_bytes: st.st_blocks! * 512,
        va_rdev: 0,
        va_atime_sec: atime.sec,
        va_atime_nsec: atime.nsec,
        va_mtime_sec: mtime.sec,
        va_mtime_nsec: mtime.nsec,
        va_ctime_sec: ctime.sec,
        va_ctime_nsec: ctime.nsec,
      };
      expect(Buffer.from(stat_encode(va, 'linux')).toString('hex')).to.equal(stat);
      const bytes = Buffer.from(records, 'hex');
      const entries = [];
      for (let at = 0; at < bytes.length; at += bytes.readUInt16LE(at + 16)) {
        const end = bytes.indexOf(0, at + 19);
        entries.push({
          name: bytes.toString('latin1', at + 19, end),
          fileid: Number(bytes.readBigUInt64LE(at)),
          next: bytes.readBigInt64LE(at + 8),
          type: bytes[at + 18]!,
        });
      }
      expect(entries).to.have.lengthOf(6);
      // Some hosts' offsets are hashes of 64 bits; ours are counts.
      const small = entries.map((entry, i) => ({ ...entry, next: i }));
      for (let at = 0, i = 0; at < bytes.length; at += bytes.readUInt16LE(at + 16), i++) {
        bytes.writeBigInt64LE(BigInt(i), at + 8);
        // What is behind a name is not said.
        const end = bytes.indexOf(0, at + 19);
        bytes.fill(0, end, at + bytes.readUInt16LE(at + 16));
      }
      expect(Buffer.from(dirents_encode(small, 'linux')).equals(bytes)).to.equal(true);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it("NetBSD's have their fields where NetBSD has them", () => {
    const va = {
      ...vattr_new(),
      va_type: VCHR,
      va_mode: 0o640,
      va_nlink: 3,
      va_uid: 4,
      va_gid: 5,
      va_fsid: 6,
      va_fileid: 2 ** 33 + 7,
      va_rdev: makedev(291, 70_001),
      va_size: 2 ** 34 + 8,
      va_bytes: 513,
      va_blocksize: 4096,
      va_atime_sec: -1,
      va_atime_nsec: 9,
      va_mtime_sec: 2 ** 32 + 10,
      va_mtime_nsec: 11,
      va_ctime_sec: 12,
      va_ctime_nsec: 13,
      va_birthtime_sec: 14,
      va_birthtime_nsec: 15,
      va_flags: 16,
      va_gen: 17,
    };
    const bytes = Buffer.from(stat_encode(va, 'netbsd'));
    expect(bytes).to.have.lengthOf(152);
    const u32 = [8, 24, 28, 32, 128, 132, 136].map((at) => bytes.readUInt32LE(at));
    expect(u32).to.deep.equal([0o020640, 3, 4, 5, 4096, 16, 17]);
    const s64 = [0, 16, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120].map((at) =>
      Number(bytes.readBigInt64LE(at)),
    );
    const rdev = makedev(291, 70_001);
    expect(s64).to.deep.equal([
      6,
      2 ** 33 + 7,
      rdev,
      -1,
      9,
      2 ** 32 + 10,
      11,
      12,
      13,
      14,
      15,
      2 ** 34 + 8,
      2,
    ]);
  });

  it('the library gives both of what is mounted', () => {
    const ukfs = new Ukfs(new Memfs());
    ukfs.mkdir('/dir');
    for (let i = 0; i < 300; i++) ukfs.writeFile(`/dir/${i}`, 'x');
    const records = dirents_decode(ukfs.direntBytes('/dir', 'netbsd'));
    expect(records).to.have.lengthOf(302);
    expect(records.slice(0, 2).map(({ d_name, d_type }) => [d_name, d_type])).to.deep.equal([
      ['.', 4],
      ['..', 4],
    ]);
    const linux = Buffer.from(ukfs.direntBytes('/dir', 'linux'));
    let count = 0;
    for (let at = 0; at < linux.length; at += linux.readUInt16LE(at + 16)) count++;
    expect(count).to.equal(302);
    const stat = Buffer.from(ukfs.statBytes('/dir', 'linux'));
    expect(stat.readUInt32LE(24)).to.equal(ukfs.stat('/dir').mode);
    expect(Buffer.from(ukfs.statBytes('/dir', 'netbsd')).readUInt32LE(8) >> 12).to.equal(
      VDIR === 2 ? 4 : 0,
    );
  });
});
