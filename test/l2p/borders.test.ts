/** Each thing that crosses between Linux and NetBSD: there and back is the identity. */
import { expect } from 'chai';
import { kstat_to_vattr, vattr_to_iattr } from '../../src/l2p/attr.js';
import { puffs_to_linux_cred } from '../../src/l2p/cred.js';
import { linux_to_netbsd_dev, netbsd_to_linux_dev } from '../../src/l2p/devt.js';
import { l2p_errno, linux_to_netbsd_errno, netbsd_to_linux_code } from '../../src/l2p/errno.js';
import { ioflag_to_flags, ioflag_to_fmode, open_mode_to_flags } from '../../src/l2p/flags.js';
import { sb_flags_to_mnt } from '../../src/l2p/statvfs.js';
import { extattr_to_xattr, xattr_to_extattr } from '../../src/l2p/xattr.js';
import { KernelPanic } from '../../src/lump/bug.js';
import { Errno, LINUX_ERRNO, type ErrnoCode } from '../../src/lump/errno.js';
import * as linux from '../../src/lump/fs.js';
import { new_kstat } from '../../src/lump/inode.js';
import {
  ELAST,
  FREAD,
  FWRITE,
  IO_APPEND,
  IO_NOCMTIME,
  IO_SYNC,
  NETBSD_ERRNO,
  PUFFS_CRED_KERNEL,
  PUFFS_CRED_ROOT,
  PUFFS_RENAME_EXCHANGE,
  PUFFS_RENAME_NOREPLACE,
  PUFFS_VEXEC,
  PUFFS_VREAD,
  PUFFS_VWRITE,
  VBLK,
  VREG,
  VA_UTIMES_NULL,
  VNOVAL,
  makedev,
  puffs_cred_user,
  vattr_mode,
  vattr_new,
  vtype_to_dt,
  type NetbsdErrnoName,
} from '../../src/puffs/index.js';

describe('l2p: errno', () => {
  const LINUX_ONLY: readonly ErrnoCode[] = ['EUCLEAN', 'EREMOTEIO', 'ENOMEDIUM'];

  it('every Linux error has a number in NetBSD, which keeps the name', () => {
    for (const [code, number] of Object.entries(LINUX_ERRNO) as [ErrnoCode, number][]) {
      const back = netbsd_to_linux_code(linux_to_netbsd_errno(number));
      expect(back).to.equal(LINUX_ONLY.includes(code) ? 'EIO' : code);
    }
  });

  it('every NetBSD error has a name in Linux', () => {
    for (let number = 1; number <= ELAST; number++) {
      expect(LINUX_ERRNO).to.have.property(netbsd_to_linux_code(number));
    }
  });

  it('takes the advice of the reference', () => {
    const pairs: [ErrnoCode, NetbsdErrnoName][] = [
      ['ENODATA', 'ENOATTR'],
      ['EUCLEAN', 'EIO'],
      ['EOPNOTSUPP', 'EOPNOTSUPP'],
      ['EAGAIN', 'EAGAIN'],
      ['EDEADLK', 'EDEADLK'],
      ['ESTALE', 'ESTALE'],
    ];
    for (const [code, name] of pairs) {
      expect(linux_to_netbsd_errno(LINUX_ERRNO[code])).to.equal(NETBSD_ERRNO[name]);
    }
    expect(netbsd_to_linux_code(NETBSD_ERRNO.EFTYPE)).to.equal('EINVAL');
    expect(netbsd_to_linux_code(NETBSD_ERRNO.ENOTSUP)).to.equal('EOPNOTSUPP');
  });

  it('is loud about numbers that must not leak', () => {
    for (const number of [0, -1, 512, 513, 524, 41]) {
      expect(() => linux_to_netbsd_errno(number)).to.throw(KernelPanic);
    }
    for (const number of [0, -2, ELAST + 1]) {
      expect(() => netbsd_to_linux_code(number)).to.throw(KernelPanic);
    }
  });

  it('lets everything but an Errno pass', () => {
    expect(l2p_errno(new Errno('ENOTEMPTY'))).to.equal(66);
    expect(() => l2p_errno(new KernelPanic('dead'))).to.throw(KernelPanic);
    expect(() => l2p_errno(new TypeError('bug'))).to.throw(TypeError);
  });
});

describe('l2p: device numbers', () => {
  it('major and minor keep their value', () => {
    expect(linux_to_netbsd_dev(linux.MKDEV(8, 300))).to.equal(makedev(8, 300));
    for (const major of [0, 1, 31, 255, 256, 0xfff]) {
      for (const minor of [0, 7, 255, 256, 70000, 0xfffff]) {
        const dev = linux.MKDEV(major, minor);
        expect(netbsd_to_linux_dev(linux_to_netbsd_dev(dev))).to.equal(dev);
      }
    }
  });
});

describe('l2p: numbers that are the same on both sides', () => {
  it('access modes, rename flags, types of directory records', () => {
    expect([PUFFS_VREAD, PUFFS_VWRITE, PUFFS_VEXEC]).to.deep.equal([
      linux.MAY_READ,
      linux.MAY_WRITE,
      linux.MAY_EXEC,
    ]);
    expect([PUFFS_RENAME_NOREPLACE, PUFFS_RENAME_EXCHANGE]).to.deep.equal([
      linux.RENAME_NOREPLACE,
      linux.RENAME_EXCHANGE,
    ]);
    const { DT_REG, DT_DIR, DT_BLK, DT_CHR, DT_LNK, DT_SOCK, DT_FIFO } = linux;
    expect([1, 2, 3, 4, 5, 6, 7].map(vtype_to_dt)).to.deep.equal([
      DT_REG,
      DT_DIR,
      DT_BLK,
      DT_CHR,
      DT_LNK,
      DT_SOCK,
      DT_FIFO,
    ]);
  });
});

describe('l2p: flags', () => {
  it('open modes', () => {
    expect([FREAD, FWRITE, FREAD | FWRITE].map(open_mode_to_flags)).to.deep.equal([
      linux.O_RDONLY,
      linux.O_WRONLY,
      linux.O_RDWR,
    ]);
    expect(() => open_mode_to_flags(0)).to.throw(Errno);
  });

  it('flags of a write, of a mount', () => {
    expect(ioflag_to_flags(0)).to.equal(0);
    expect(ioflag_to_flags(IO_APPEND)).to.equal(linux.O_APPEND);
    expect(ioflag_to_flags(IO_APPEND | IO_SYNC)).to.equal(linux.O_APPEND | linux.O_SYNC);
    expect(ioflag_to_fmode(IO_NOCMTIME | IO_SYNC)).to.equal(linux.FMODE_NOCMTIME);
    expect(ioflag_to_fmode(IO_SYNC)).to.equal(0);
    expect(sb_flags_to_mnt(linux.SB_RDONLY | linux.SB_NOATIME)).to.equal(0x4000001);
    expect(sb_flags_to_mnt(linux.SB_SYNCHRONOUS | linux.SB_POSIXACL)).to.equal(2);
  });
});

describe('l2p: attributes', () => {
  it('kstat → vattr fills everything', () => {
    const stat = {
      ...new_kstat(),
      dev: linux.MKDEV(31, 2),
      ino: 7,
      mode: linux.S_IFBLK | 0o4751,
      nlink: 3,
      uid: 4,
      gid: 5,
      rdev: linux.MKDEV(259, 70000),
      size: 2 ** 40,
      blksize: 4096,
      blocks: 9,
      generation: 11,
      atime_sec: -1,
      atime_nsec: 12,
      mtime_sec: 13,
      mtime_nsec: 14,
      ctime_sec: 15,
      ctime_nsec: 16,
    };
    const va = vattr_new();
    kstat_to_vattr(stat, va);
    expect(va).to.deep.equal({
      va_type: VBLK,
      va_mode: 0o4751,
      va_nlink: 3,
      va_uid: 4,
      va_gid: 5,
      va_fsid: makedev(31, 2),
      va_fileid: 7,
      va_size: 2 ** 40,
      va_blocksize: 4096,
      va_atime_sec: -1,
      va_atime_nsec: 12,
      va_mtime_sec: 13,
      va_mtime_nsec: 14,
      va_ctime_sec: 15,
      va_ctime_nsec: 16,
      va_birthtime_sec: VNOVAL,
      va_birthtime_nsec: VNOVAL,
      va_gen: 11,
      va_flags: 0,
      va_rdev: makedev(259, 70000),
      va_bytes: 9 * 512,
      va_filerev: 0,
      va_vaflags: 0,
    });
    expect(vattr_mode(va)).to.equal(stat.mode);
  });

  it('vattr → iattr takes what is given, and nothing else', () => {
    expect(vattr_to_iattr(vattr_new()).ia_valid).to.equal(0);
    const va = vattr_new();
    va.va_mode = 0;
    va.va_uid = 0;
    va.va_size = 0;
    va.va_atime_sec = -1;
    va.va_atime_nsec = 5;
    const { ATTR_MODE, ATTR_UID, ATTR_SIZE, ATTR_ATIME, ATTR_ATIME_SET } = linux;
    expect(vattr_to_iattr(va)).to.include({
      ia_valid: ATTR_MODE | ATTR_UID | ATTR_SIZE | ATTR_ATIME | ATTR_ATIME_SET,
      ia_mode: 0,
      ia_uid: 0,
      ia_size: 0,
      ia_atime_sec: -1,
      ia_atime_nsec: 5,
    });
  });

  it('times "now" are not explicit', () => {
    const va = vattr_new();
    va.va_vaflags = VA_UTIMES_NULL;
    va.va_atime_sec = va.va_mtime_sec = 0;
    expect(vattr_to_iattr(va).ia_valid).to.equal(linux.ATTR_ATIME | linux.ATTR_MTIME);
  });

  it('refuses what Linux has no word for', () => {
    const va = vattr_new();
    va.va_flags = 2;
    expect(() => vattr_to_iattr(va)).to.throw(Errno, 'EOPNOTSUPP');
    va.va_flags = VNOVAL;
    va.va_size = -5;
    expect(() => vattr_to_iattr(va)).to.throw(Errno, 'EINVAL');
  });
});

describe('l2p: names of attributes', () => {
  it('there and back', () => {
    for (const name of [
      'user.x',
      'user.user.x',
      'trusted.x',
      'security.selinux',
      'system.posix_acl_access',
      'user.',
    ]) {
      const { ns, name: rest } = xattr_to_extattr(name);
      expect(extattr_to_xattr(ns, rest)).to.equal(name);
    }
  });

  it('one attribute has one name', () => {
    expect(() => extattr_to_xattr(2, 'user.x')).to.throw(Errno, 'EOPNOTSUPP');
    expect(() => extattr_to_xattr(3, 'x')).to.throw(Errno, 'EOPNOTSUPP');
  });
});

describe('l2p: credentials', () => {
  it('root and internal ones are privileged, users are not', () => {
    expect(puffs_to_linux_cred(PUFFS_CRED_ROOT)).to.include({ fsuid: 0, privileged: true });
    expect(puffs_to_linux_cred(PUFFS_CRED_KERNEL)).to.include({ fsuid: 0, privileged: true });
    expect(puffs_to_linux_cred(puffs_cred_user(5, 6, [7], 0o22))).to.deep.equal({
      fsuid: 5,
      fsgid: 6,
      groups: [7],
      privileged: false,
      permissionsChecked: false,
      umask: 0o22,
    });
  });
});

describe('l2p: types', () => {
  it('a mode without a kind is no node', () => {
    const va = vattr_new();
    kstat_to_vattr({ ...new_kstat(), mode: 0o644 }, va);
    expect(va.va_type).to.equal(0);
    kstat_to_vattr({ ...new_kstat(), mode: linux.S_IFREG }, va);
    expect(va.va_type).to.equal(VREG);
  });
});
