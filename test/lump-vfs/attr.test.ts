import { expect } from 'chai';
import { dput } from '../../src/dcache/dcache.js';
import { root_of } from '../../src/dcache/mount.js';
import { vfs_create, vfs_mkdir, vfs_symlink } from '../../src/dcache/namei.js';
import { inode_permission, new_iattr, notify_change } from '../../src/lump/attr.js';
import {
  fput,
  vfs_fsync,
  vfs_open,
  vfs_read,
  vfs_seek,
  vfs_truncate,
  vfs_write,
} from '../../src/lump/file.js';
import {
  ATTR_ATIME,
  ATTR_ATIME_SET,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIME_SET,
  ATTR_SIZE,
  ATTR_UID,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SB_RDONLY,
} from '../../src/lump/fs.js';
import type { iattr, inode } from '../../src/lump/fs.js';
import { vfs_getxattr, vfs_setxattr } from '../../src/lump/xattr.js';
import { Fixture, outcome } from './testfs.js';

const OWNER = 1000;
const STRANGER = 2000;
const GROUP = 100;

/** A fixture with one file of that mode, OWNER:GROUP. */
function with_file(mode: number): { f: Fixture; inode: inode } {
  const f = new Fixture();
  f.become(0);
  const dentry = vfs_create(root_of(f.sb), 'file', 0o644);
  const inode = dentry.d_inode!;
  inode.i_uid = OWNER;
  inode.i_gid = GROUP;
  inode.i_mode = (inode.i_mode & ~0o7777) | mode;
  return { f, inode };
}

function change(inode: inode, fields: Partial<iattr>): string {
  return outcome(() => notify_change(null, inode, { ...new_iattr(), ...fields }));
}

const mode_of = (inode: inode): string => (inode.i_mode & 0o7777).toString(8);

describe('lump/attr: permission', () => {
  const asked = (inode: inode, mask: number): string =>
    outcome(() => inode_permission(inode, mask));

  it('consults exactly one class', () => {
    const { f, inode } = with_file(0o047);
    f.become(OWNER, 1, [GROUP]);
    expect(asked(inode, MAY_READ)).to.equal('EACCES');
    f.become(STRANGER, GROUP);
    expect(asked(inode, MAY_READ)).to.equal('ok');
    expect(asked(inode, MAY_WRITE)).to.equal('EACCES');
    f.become(STRANGER, 1, [5, GROUP]);
    expect(asked(inode, MAY_READ | MAY_EXEC)).to.equal('EACCES');
    f.become(STRANGER, 1);
    expect(asked(inode, MAY_READ | MAY_WRITE | MAY_EXEC)).to.equal('ok');
  });

  it('lets the privileged do all but execute what nobody can', () => {
    const { f, inode } = with_file(0o000);
    f.become(0);
    expect(asked(inode, MAY_READ | MAY_WRITE)).to.equal('ok');
    expect(asked(inode, MAY_EXEC)).to.equal('EACCES');
    inode.i_mode |= 0o001;
    expect(asked(inode, MAY_EXEC)).to.equal('ok');
    expect(asked(f.sb.s_root!.d_inode!, MAY_EXEC)).to.equal('ok');
  });

  it('believes somebody who has checked, except on a read-only mount', () => {
    const { f, inode } = with_file(0o000);
    f.become(STRANGER);
    f.lump.current_cred = { ...f.lump.current_cred, permissionsChecked: true };
    expect(asked(inode, MAY_READ | MAY_WRITE | MAY_EXEC)).to.equal('ok');
    f.sb.s_flags |= SB_RDONLY;
    expect(asked(inode, MAY_READ)).to.equal('ok');
    expect(asked(inode, MAY_WRITE)).to.equal('EROFS');
  });
});

describe('lump/attr: notify_change', () => {
  it('chmod is for the owner', () => {
    const { f, inode } = with_file(0o644);
    f.become(STRANGER);
    expect(change(inode, { ia_valid: ATTR_MODE, ia_mode: 0o777 })).to.equal('EPERM');
    f.become(OWNER, GROUP);
    f.host.advance(5000);
    expect(change(inode, { ia_valid: ATTR_MODE, ia_mode: 0o2750 })).to.equal('ok');
    expect(mode_of(inode)).to.equal('2750');
    expect(inode.i_mode & ~0o7777).to.equal(0o100000);
    expect(inode.i_ctime_sec).to.equal(inode.i_mtime_sec + 5);
  });

  it('chmod by a non-member drops setgid', () => {
    const { f, inode } = with_file(0o644);
    f.become(OWNER, 1);
    expect(change(inode, { ia_valid: ATTR_MODE, ia_mode: 0o2755 })).to.equal('ok');
    expect(mode_of(inode)).to.equal('755');
  });

  it('chown to another is for the privileged, chgrp for the owner to his groups', () => {
    const { f, inode } = with_file(0o644);
    f.become(OWNER, 1, [7]);
    expect(change(inode, { ia_valid: ATTR_UID, ia_uid: STRANGER })).to.equal('EPERM');
    expect(change(inode, { ia_valid: ATTR_UID, ia_uid: OWNER })).to.equal('ok');
    expect(change(inode, { ia_valid: ATTR_GID, ia_gid: 8 })).to.equal('EPERM');
    expect(change(inode, { ia_valid: ATTR_GID, ia_gid: 7 })).to.equal('ok');
    f.become(STRANGER, 7);
    expect(change(inode, { ia_valid: ATTR_GID, ia_gid: 7 })).to.equal('EPERM');
    f.become(0);
    expect(change(inode, { ia_valid: ATTR_UID | ATTR_GID, ia_uid: 5, ia_gid: 6 })).to.equal('ok');
    expect([inode.i_uid, inode.i_gid]).to.deep.equal([5, 6]);
  });

  it('chown takes setuid and setgid, also from root, but not from a directory', () => {
    const { f, inode } = with_file(0o6755);
    f.become(0);
    expect(change(inode, { ia_valid: ATTR_UID, ia_uid: 5 })).to.equal('ok');
    expect(mode_of(inode)).to.equal('755');
    // Without group execution setgid is no privilege.
    inode.i_mode |= 0o2000;
    inode.i_mode &= ~0o010;
    expect(change(inode, { ia_valid: ATTR_UID, ia_uid: 6 })).to.equal('ok');
    expect(mode_of(inode)).to.equal('2745');
    // A mode given along with the owner counts.
    const both = { ia_valid: ATTR_UID | ATTR_MODE, ia_uid: 7, ia_mode: 0o4711 };
    expect(change(inode, both)).to.equal('ok');
    expect(mode_of(inode)).to.equal('4711');
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o755).d_inode!;
    dir.i_mode |= 0o2000;
    expect(change(dir, { ia_valid: ATTR_GID, ia_gid: 9 })).to.equal('ok');
    expect(mode_of(dir)).to.equal('2755');
  });

  it('explicit times are for the owner, now for who may write', () => {
    const { f, inode } = with_file(0o602);
    const now = { ia_valid: ATTR_ATIME | ATTR_MTIME };
    const explicit = {
      ia_valid: ATTR_ATIME | ATTR_MTIME | ATTR_ATIME_SET | ATTR_MTIME_SET,
      ia_mtime_sec: 77,
    };
    f.become(STRANGER);
    expect(change(inode, explicit)).to.equal('EPERM');
    expect(change(inode, now)).to.equal('ok');
    expect(change(inode, { ia_valid: ATTR_MTIME })).to.equal('EPERM');
    inode.i_mode &= ~0o002;
    expect(change(inode, now)).to.equal('EACCES');
    f.become(OWNER);
    expect(change(inode, explicit)).to.equal('ok');
    expect(inode.i_mtime_sec).to.equal(77);
  });

  it('cuts times to granularity and range', () => {
    const { inode } = with_file(0o644);
    const fields = {
      ia_valid: ATTR_ATIME | ATTR_MTIME | ATTR_ATIME_SET | ATTR_MTIME_SET,
      ia_atime_sec: -5,
      ia_atime_nsec: 9,
      ia_mtime_sec: 12,
      ia_mtime_nsec: 123_456_789,
    };
    expect(change(inode, fields)).to.equal('ok');
    expect([inode.i_atime_sec, inode.i_atime_nsec]).to.deep.equal([0, 0]);
    expect([inode.i_mtime_sec, inode.i_mtime_nsec]).to.deep.equal([12, 123_456_000]);
  });

  it('refuses sizes of what has none, over the limit, and modes of symlinks', () => {
    const { f, inode } = with_file(0o644);
    const root = root_of(f.sb);
    const link = vfs_symlink(root, 'link', 'target').d_inode!;
    const size = { ia_valid: ATTR_SIZE, ia_size: 1 };
    expect(change(root.d_inode!, size)).to.equal('EISDIR');
    expect(change(link, size)).to.equal('EINVAL');
    expect(change(link, { ia_valid: ATTR_MODE, ia_mode: 0o600 })).to.equal('EOPNOTSUPP');
    expect(change(link, { ia_valid: ATTR_UID, ia_uid: 3 })).to.equal('ok');
    expect(change(inode, { ia_valid: ATTR_SIZE, ia_size: f.sb.s_maxbytes + 1 })).to.equal('EFBIG');
    expect(change(inode, { ia_valid: ATTR_SIZE, ia_size: f.sb.s_maxbytes })).to.equal('ok');
    f.sb.s_flags |= SB_RDONLY;
    expect(change(inode, size)).to.equal('EROFS');
  });
});

describe('lump/attr: a file system without setattr', () => {
  it('has its attributes in memory alone', () => {
    const { f, inode } = with_file(0o644);
    f.become(0);
    inode.i_op = {};
    inode.i_size = 100;
    const both = { ia_valid: ATTR_SIZE | ATTR_MODE, ia_size: 10, ia_mode: 0o600 };
    expect(change(inode, both)).to.equal('ok');
    expect([inode.i_size, mode_of(inode)]).to.deep.equal([10, '600']);
    expect(change(inode, { ia_valid: ATTR_MODE, ia_mode: 0o644 })).to.equal('ok');
    expect(inode.i_size).to.equal(10);
  });
});

describe('lump/attr: what a write takes away', () => {
  function write(inode: inode): void {
    const file = vfs_open(inode, O_WRONLY);
    vfs_write(file, new Uint8Array(1), 0, 1, 0);
    fput(file);
  }

  it('setuid, and setgid that means something, unless root writes', () => {
    const { f, inode } = with_file(0o6777);
    write(inode);
    expect(mode_of(inode)).to.equal('6777');
    f.become(STRANGER);
    write(inode);
    expect(mode_of(inode)).to.equal('777');
    inode.i_mode = (inode.i_mode & ~0o010) | 0o2000;
    inode.i_flags = 0;
    write(inode);
    expect(mode_of(inode)).to.equal('767');
  });

  it('the same for a truncation', () => {
    const { f, inode } = with_file(0o4777);
    f.become(STRANGER);
    vfs_truncate(inode, 0);
    expect(mode_of(inode)).to.equal('777');
  });

  it('asks for capabilities at the first write only', () => {
    const { f, inode } = with_file(0o755);
    let asked = 0;
    f.sb.s_xattr = f.sb.s_xattr.map((handler) => ({
      ...handler,
      get(node, name) {
        asked++;
        return handler.get(node, name);
      },
    }));
    write(inode);
    write(inode);
    expect(asked).to.equal(1);
  });

  it('file capabilities, also from root', () => {
    const { f, inode } = with_file(0o755);
    const read = (): string => outcome(() => vfs_getxattr(inode, 'security.capability'));
    f.become(0);
    write(inode);
    vfs_setxattr(inode, 'security.capability', new Uint8Array(20), 0);
    expect(read()).to.equal('ok');
    write(inode);
    expect(read()).to.equal('ENODATA');
    vfs_setxattr(inode, 'security.capability', new Uint8Array(20), 0);
    expect(change(inode, { ia_valid: ATTR_UID, ia_uid: 1 })).to.equal('ok');
    expect(read()).to.equal('ENODATA');
  });
});

describe('lump/file', () => {
  it('opens what may be opened', () => {
    const { f, inode } = with_file(0o400);
    const root = root_of(f.sb);
    const opened = (node: inode, flags: number): string =>
      outcome(() => fput(vfs_open(node, flags)));
    expect(opened(root.d_inode!, O_WRONLY)).to.equal('EISDIR');
    expect(opened(inode, 3)).to.equal('EINVAL');
    const link = vfs_symlink(root, 'link', 'x');
    expect(opened(link.d_inode!, 0)).to.equal('ELOOP');
    dput(link);
    f.become(OWNER);
    expect(opened(inode, 0)).to.equal('ok');
    expect(opened(inode, O_WRONLY)).to.equal('EACCES');
    f.become(0);
    f.sb.s_flags |= SB_RDONLY;
    expect(opened(inode, O_WRONLY)).to.equal('EROFS');
    expect(inode.i_writecount).to.equal(0);
    expect(inode.i_count).to.equal(1);
  });

  it('truncates regular files that may be written', () => {
    const { f, inode } = with_file(0o400);
    const root = root_of(f.sb);
    const link = vfs_symlink(root, 'link', 'x');
    expect(outcome(() => vfs_truncate(root.d_inode!, 0))).to.equal('EISDIR');
    expect(outcome(() => vfs_truncate(link.d_inode!, 0))).to.equal('EINVAL');
    expect(outcome(() => vfs_truncate(inode, -1))).to.equal('EINVAL');
    f.become(OWNER);
    expect(outcome(() => vfs_truncate(inode, 5))).to.equal('EACCES');
    f.become(0);
    expect(outcome(() => vfs_truncate(inode, 5))).to.equal('ok');
    expect(inode.i_size).to.equal(5);
  });

  it('seeks data and holes: one hole at the end, where the file system knows no better', () => {
    const { inode } = with_file(0o600);
    inode.i_size = 10;
    expect(vfs_seek(inode, 9, 'data')).to.equal(9);
    expect(vfs_seek(inode, 9, 'hole')).to.equal(10);
    for (const pos of [-1, 10]) {
      expect(outcome(() => vfs_seek(inode, pos, 'data'))).to.equal('ENXIO');
      expect(outcome(() => vfs_seek(inode, pos, 'hole'))).to.equal('ENXIO');
    }
    inode.i_fop = { seek_data: () => 5, seek_hole: () => 7 };
    expect([vfs_seek(inode, 1, 'data'), vfs_seek(inode, 1, 'hole')]).to.deep.equal([5, 7]);
  });

  it('answers EINVAL for what the file system cannot, and for positions before the start', () => {
    const { f, inode } = with_file(0o600);
    f.become(0);
    const buf = new Uint8Array(1);
    const file = vfs_open(inode, O_RDWR);
    expect(outcome(() => vfs_read(file, buf, 0, 1, -1))).to.equal('EINVAL');
    expect(outcome(() => vfs_write(file, buf, 0, 1, -1))).to.equal('EINVAL');
    expect(outcome(() => vfs_fsync(file, false))).to.equal('ok');
    inode.i_fop = {};
    expect(outcome(() => vfs_read(file, buf, 0, 1, 0))).to.equal('EINVAL');
    expect(outcome(() => vfs_write(file, buf, 0, 1, 0))).to.equal('EINVAL');
    expect(outcome(() => vfs_fsync(file, false))).to.equal('EINVAL');
    fput(file);
    const dir = vfs_open(root_of(f.sb).d_inode!, 0);
    expect(outcome(() => vfs_read(dir, buf, 0, 1, 0))).to.equal('EISDIR');
    fput(dir);
  });

  it('truncates at open, and keeps to the access mode', () => {
    const { f, inode } = with_file(0o600);
    f.become(0);
    const buf = new Uint8Array(4);
    let file = vfs_open(inode, O_WRONLY);
    vfs_write(file, buf, 0, 4, 0);
    expect(outcome(() => vfs_read(file, buf, 0, 4, 0))).to.equal('EBADF');
    fput(file);
    expect(inode.i_size).to.equal(4);
    file = vfs_open(inode, O_TRUNC);
    expect(inode.i_size).to.equal(0);
    expect(vfs_read(file, buf, 0, 4, 0)).to.equal(0);
    expect(outcome(() => vfs_write(file, buf, 0, 4, 0))).to.equal('EBADF');
    fput(file);
  });
});
