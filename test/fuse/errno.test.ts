import { expect } from 'chai';
import { netbsdToLinuxErrno } from '../../src/fuse/errno.js';
import { linux_to_netbsd_errno, netbsd_to_linux_code } from '../../src/l2p/errno.js';
import { LINUX_ERRNO, type ErrnoCode } from '../../src/lump/errno.js';
import { NETBSD_ERRNO } from '../../src/puffs/errno.js';

/** Linux's numbers that another name stands for on the way through NetBSD. */
const MERGED: ReadonlySet<ErrnoCode> = new Set(['EUCLEAN', 'EREMOTEIO', 'ENOMEDIUM']);

/** What a Linux file system may throw: everything that has a NetBSD number. */
function passable(): [ErrnoCode, number][] {
  return (Object.entries(LINUX_ERRNO) as [ErrnoCode, number][]).filter(([, number]) => {
    try {
      linux_to_netbsd_errno(number);
      return true;
    } catch {
      return false;
    }
  });
}

describe('FUSE errno', () => {
  it('Linux → l2p → NetBSD → FUSE → Linux is the identity', () => {
    const errors = passable();
    expect(errors.length).to.be.greaterThan(80);
    for (const [code, number] of errors) {
      const expected = MERGED.has(code) ? LINUX_ERRNO.EIO : number;
      expect(netbsdToLinuxErrno(linux_to_netbsd_errno(number)), code).to.equal(expected);
    }
  });

  it('every NetBSD errno has the Linux number that l2p gives it', () => {
    for (const [name, number] of Object.entries(NETBSD_ERRNO)) {
      expect(netbsdToLinuxErrno(number), name).to.equal(LINUX_ERRNO[netbsd_to_linux_code(number)]);
    }
  });

  it('a number that NetBSD does not have is loud', () => {
    expect(() => netbsdToLinuxErrno(0)).to.throw(RangeError);
    expect(() => netbsdToLinuxErrno(97)).to.throw(RangeError);
  });
});
