import { expect } from 'chai';
import {
  ELAST,
  NETBSD_ERRNO,
  PUFFS_CRED_KERNEL,
  PUFFS_CRED_ROOT,
  VBAD,
  VDIR,
  VFIFO,
  VNON,
  VNOVAL,
  VREG,
  VA_UTIMES_NULL,
  dirent_size,
  dirents_decode,
  dt_to_vtype,
  major,
  makedev,
  minor,
  mode_to_vtype,
  netbsdErrnoName,
  puffs_access,
  puffs_access_chmod,
  puffs_access_chown,
  puffs_access_times,
  puffs_cred_user,
  puffs_nextdent_encode,
  vattr_copy,
  vattr_has_atime,
  vattr_new,
  vattr_null,
  vtype_to_dt,
  vtype_to_mode,
  bytesToName,
  nameToBytes,
  nameToText,
  textToName,
} from '../../src/puffs/index.js';

describe('puffs: errno', () => {
  it('numbers are 1…96, each once', () => {
    const numbers = Object.values(NETBSD_ERRNO).sort((a, b) => a - b);
    expect(numbers).to.deep.equal(Array.from({ length: ELAST }, (_, i) => i + 1));
  });

  it('has the numbers that differ from Linux where NetBSD has them', () => {
    expect(NETBSD_ERRNO).to.include({
      EDEADLK: 11,
      EAGAIN: 35,
      EOPNOTSUPP: 45,
      ELOOP: 62,
      ENAMETOOLONG: 63,
      ENOTEMPTY: 66,
      EDQUOT: 69,
      ESTALE: 70,
      ENOLCK: 77,
      ENOSYS: 78,
      EFTYPE: 79,
      EOVERFLOW: 84,
      EILSEQ: 85,
      ENOTSUP: 86,
      ENODATA: 89,
      ENOATTR: 93,
      EPROTO: 96,
    });
  });

  it('names come back from numbers', () => {
    for (const [name, number] of Object.entries(NETBSD_ERRNO)) {
      expect(netbsdErrnoName(number)).to.equal(name);
    }
    expect(netbsdErrnoName(0)).to.equal(undefined);
    expect(netbsdErrnoName(ELAST + 1)).to.equal(undefined);
  });
});

describe('puffs: vattr', () => {
  it('a reset record gives nothing', () => {
    const va = vattr_new();
    va.va_size = 5;
    va.va_type = VREG;
    va.va_vaflags = 1;
    vattr_null(va);
    expect(va).to.deep.equal(vattr_new());
    expect(va).to.include({ va_type: VNON, va_size: VNOVAL, va_flags: VNOVAL, va_vaflags: 0 });
  });

  it('copies given fields only, a time as a pair', () => {
    const to = vattr_new();
    to.va_mode = 0o644;
    to.va_size = 7;
    to.va_mtime_sec = 11;
    to.va_mtime_nsec = 12;
    const from = vattr_new();
    from.va_mode = 0;
    // One second and a bit before 1970: the seconds look like "not given".
    from.va_atime_sec = -1;
    from.va_atime_nsec = 500;
    vattr_copy(to, from);
    expect(to).to.include({
      va_mode: 0,
      va_size: 7,
      va_atime_sec: -1,
      va_atime_nsec: 500,
      va_mtime_sec: 11,
      va_mtime_nsec: 12,
    });
    expect(vattr_has_atime(to)).to.equal(true);
    expect(vattr_has_atime(vattr_new())).to.equal(false);
  });

  it('kinds, mode bits and directory types translate there and back', () => {
    const modes = {
      1: 0o100000,
      2: 0o040000,
      3: 0o060000,
      4: 0o020000,
      5: 0o120000,
      6: 0o140000,
      7: 0o010000,
    };
    const dts = { 1: 8, 2: 4, 3: 6, 4: 2, 5: 10, 6: 12, 7: 1 };
    for (let type = VREG; type <= VFIFO; type++) {
      expect(vtype_to_mode(type)).to.equal(modes[type as keyof typeof modes]);
      expect(vtype_to_dt(type)).to.equal(dts[type as keyof typeof dts]);
      expect(mode_to_vtype(vtype_to_mode(type) | 0o7777)).to.equal(type);
      expect(dt_to_vtype(vtype_to_dt(type))).to.equal(type);
    }
    expect(vtype_to_mode(VNON)).to.equal(0);
    expect(vtype_to_mode(VBAD)).to.equal(0);
    expect(mode_to_vtype(0o160000)).to.equal(VNON);
    expect(dt_to_vtype(0)).to.equal(VNON);
  });
});

describe('puffs: dev_t', () => {
  it('has its bits where NetBSD has them', () => {
    expect(makedev(259, 70000)).to.equal(0x11110370);
    expect(makedev(8, 1)).to.equal(0x801);
    expect(makedev(0xfff, 0xfffff)).to.equal(0xffffffff);
  });

  it('there and back is the identity', () => {
    for (const ma of [0, 1, 8, 255, 256, 0xfff]) {
      for (const mi of [0, 1, 255, 256, 300, 70000, 0xfffff]) {
        const dev = makedev(ma, mi);
        expect([major(dev), minor(dev)]).to.deep.equal([ma, mi]);
      }
    }
  });
});

describe('puffs: directory records', () => {
  it('are laid out as NetBSD lays them out', () => {
    const room = { buf: new Uint8Array(64).fill(0xee), off: 0, resid: 64 };
    expect(puffs_nextdent_encode(room, 'ab', 0x100000002, 8)).to.equal(true);
    expect([...room.buf.subarray(0, 16)]).to.deep.equal([
      2, 0, 0, 0, 1, 0, 0, 0, 16, 0, 2, 0, 8, 0x61, 0x62, 0,
    ]);
    expect(room).to.include({ off: 16, resid: 48 });
  });

  it('sizes are rounded up to 8, the NUL included', () => {
    expect([1, 2, 3, 10, 11, 255].map(dirent_size)).to.deep.equal([16, 16, 24, 24, 32, 272]);
  });

  it('there and back is the identity; a record that does not fit is not written', () => {
    const room = { buf: new Uint8Array(95), off: 0, resid: 95 };
    const names = ['.', '..', 'x'.repeat(30), '\xff\x01'];
    names.forEach((name, i) => {
      expect(puffs_nextdent_encode(room, name, i + 1, i)).to.equal(i < 3);
    });
    expect(room.resid).to.equal(95 - 16 - 16 - 48);
    expect(dirents_decode(room.buf, room.off)).to.deep.equal(
      names.slice(0, 3).map((name, i) => ({ d_fileno: i + 1, d_type: i, d_name: name })),
    );
  });

  it('refuses records that are none', () => {
    expect(() => dirents_decode(new Uint8Array(16))).to.throw(RangeError);
    expect(() => dirents_decode(new Uint8Array(7))).to.throw(RangeError);
  });
});

describe('puffs: credentials', () => {
  const owner = puffs_cred_user(10, 100);
  const member = puffs_cred_user(11, 101, [100]);
  const stranger = puffs_cred_user(12, 102);

  it('consults exactly one class', () => {
    // The owner may less than everybody else.
    expect(puffs_access(VREG, 0o077, 10, 100, 4, owner)).to.equal(NETBSD_ERRNO.EACCES);
    expect(puffs_access(VREG, 0o077, 10, 100, 4, member)).to.equal(0);
    expect(puffs_access(VREG, 0o707, 10, 100, 4, member)).to.equal(NETBSD_ERRNO.EACCES);
    expect(puffs_access(VREG, 0o707, 10, 100, 7, stranger)).to.equal(0);
    expect(puffs_access(VREG, 0o704, 10, 100, 6, stranger)).to.equal(NETBSD_ERRNO.EACCES);
  });

  it('root may do all but execute what nobody can', () => {
    for (const cred of [PUFFS_CRED_ROOT, PUFFS_CRED_KERNEL]) {
      expect(puffs_access(VREG, 0, 10, 100, 6, cred)).to.equal(0);
      expect(puffs_access(VREG, 0o666, 10, 100, 1, cred)).to.equal(NETBSD_ERRNO.EACCES);
      expect(puffs_access(VREG, 0o001, 10, 100, 1, cred)).to.equal(0);
      expect(puffs_access(VDIR, 0, 10, 100, 1, cred)).to.equal(0);
    }
  });

  it('chown: the owner between his groups', () => {
    const inBoth = puffs_cred_user(10, 100, [101]);
    expect(puffs_access_chown(10, 100, 10, 101, inBoth)).to.equal(0);
    expect(puffs_access_chown(10, 100, 10, 102, inBoth)).to.equal(NETBSD_ERRNO.EPERM);
    expect(puffs_access_chown(10, 100, 11, 100, inBoth)).to.equal(NETBSD_ERRNO.EPERM);
    expect(puffs_access_chown(10, 100, 10, 100, stranger)).to.equal(NETBSD_ERRNO.EPERM);
    expect(puffs_access_chown(10, 100, 5, 5, PUFFS_CRED_ROOT)).to.equal(0);
  });

  it('chmod: sticky files and foreign groups are refused', () => {
    expect(puffs_access_chmod(10, 100, VREG, 0o2755, owner)).to.equal(0);
    expect(puffs_access_chmod(10, 999, VREG, 0o2755, owner)).to.equal(NETBSD_ERRNO.EPERM);
    expect(puffs_access_chmod(10, 100, VREG, 0o1755, owner)).to.equal(NETBSD_ERRNO.EFTYPE);
    expect(puffs_access_chmod(10, 100, VDIR, 0o1755, owner)).to.equal(0);
    expect(puffs_access_chmod(10, 100, VREG, 0o755, stranger)).to.equal(NETBSD_ERRNO.EPERM);
  });

  it('times: who may write may say "now"', () => {
    expect(puffs_access_times(10, 100, 0o600, 0, owner)).to.equal(0);
    expect(puffs_access_times(10, 100, 0o602, VA_UTIMES_NULL, stranger)).to.equal(0);
    expect(puffs_access_times(10, 100, 0o604, VA_UTIMES_NULL, stranger)).to.equal(
      NETBSD_ERRNO.EACCES,
    );
    expect(puffs_access_times(10, 100, 0o666, 0, stranger)).to.equal(NETBSD_ERRNO.EPERM);
  });
});

describe('puffs: names', () => {
  it('keep every byte', () => {
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i & 255);
    expect([...nameToBytes(bytesToName(bytes))]).to.deep.equal([...bytes]);
  });

  it('text goes through UTF-8', () => {
    expect(textToName('é')).to.equal('\xc3\xa9');
    expect(nameToText('\xc3\xa9')).to.equal('é');
    expect(nameToText('\xff')).to.equal('\ufffd');
    expect(nameToText(textToName('\ufeffx'))).to.equal('\ufeffx');
  });
});
