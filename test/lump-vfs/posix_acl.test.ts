import { expect } from 'chai';
import { dput } from '../../src/dcache/dcache.js';
import { root_of } from '../../src/dcache/mount.js';
import { vfs_create, vfs_mkdir, vfs_symlink } from '../../src/dcache/namei.js';
import { inode_permission, new_iattr, notify_change } from '../../src/lump/attr.js';
import { ATTR_MODE, MAY_EXEC, MAY_READ, MAY_WRITE, SB_POSIXACL } from '../../src/lump/fs.js';
import type { inode } from '../../src/lump/fs.js';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  type posix_acl,
  posix_acl_equiv_mode,
  posix_acl_from_mode,
  posix_acl_from_xattr,
  posix_acl_permission,
  posix_acl_to_xattr,
  posix_acl_valid,
} from '../../src/lump/posix_acl.js';
import {
  vfs_getxattr,
  vfs_listxattr,
  vfs_removexattr,
  vfs_setxattr,
} from '../../src/lump/xattr.js';
import { Fixture, outcome } from './testfs.js';

const TAGS: Record<string, number> = {
  'u:': ACL_USER_OBJ,
  u: ACL_USER,
  'g:': ACL_GROUP_OBJ,
  g: ACL_GROUP,
  'm:': ACL_MASK,
  'o:': ACL_OTHER,
};

/** A list from setfacl's short text: "u::rw,u:5:rw,g::r,m::rw,o::". */
function acl(text: string): posix_acl {
  return {
    a_entries: text.split(',').map((entry) => {
      const [kind, id, perm] = entry.split(':');
      return {
        e_tag: TAGS[id === '' ? `${kind}:` : kind],
        e_perm:
          (perm.includes('r') ? 4 : 0) |
          (perm.includes('w') ? 2 : 0) |
          (perm.includes('x') ? 1 : 0),
        e_id: id === '' ? ACL_UNDEFINED_ID : Number(id),
      };
    }),
  };
}

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';

function set(inode: inode, name: string, text: string): string {
  return outcome(() => vfs_setxattr(inode, name, posix_acl_to_xattr(acl(text)), 0));
}

const mode_of = (inode: inode): string => (inode.i_mode & 0o7777).toString(8);

describe('lump/posix_acl: lists', () => {
  it('has the form of the system calls, as setfacl sends it', () => {
    // setfacl -m u:1000:rw on a file of mode 0640, read back with getfattr -e hex.
    const hex =
      '02000000' +
      '01000600ffffffff' +
      '02000600e8030000' +
      '04000400ffffffff' +
      '10000600ffffffff' +
      '20000000ffffffff';
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const list = acl('u::rw,u:1000:rw,g::r,m::rw,o::');
    expect(posix_acl_from_xattr(bytes)).to.deep.equal(list);
    expect(posix_acl_to_xattr(list)).to.deep.equal(bytes);
    expect(posix_acl_from_xattr(bytes.subarray(0, 4))).to.equal(null);
    expect(outcome(() => posix_acl_from_xattr(bytes.subarray(0, 3)))).to.equal('EINVAL');
    expect(outcome(() => posix_acl_from_xattr(bytes.subarray(0, 15)))).to.equal('EINVAL');
    bytes[0] = 1;
    expect(outcome(() => posix_acl_from_xattr(bytes))).to.equal('EOPNOTSUPP');
  });

  const validity: [string, string][] = [
    ['u::rw,g::r,o::', 'ok'],
    ['u::rw,u:1:r,u:2:r,g::r,g:3:r,m::r,o::', 'ok'],
    ['u::rw,g::r,m::r,o::', 'ok'],
    ['u::rw,u:1:r,g::r,o::', 'EINVAL'],
    ['u::rw,g::r', 'EINVAL'],
    ['g::r,u::rw,o::', 'EINVAL'],
    ['u::rw,u::r,g::r,o::', 'EINVAL'],
    ['u::rw,g::r,m::r,m::r,o::', 'EINVAL'],
    ['u::rw,g::r,o::,o::r', 'EINVAL'],
    ['u::rw,g::r,g:4294967295:r,m::r,o::', 'EINVAL'],
  ];
  for (const [text, expected] of validity) {
    it(`${text} is ${expected}`, () => {
      expect(outcome(() => posix_acl_valid(acl(text)))).to.equal(expected);
    });
  }

  it('has known tags and permissions only', () => {
    const { a_entries } = acl('u::rw,g::r,o::');
    const bad = (entry: object): string =>
      outcome(() => posix_acl_valid({ a_entries: [{ ...a_entries[0], ...entry }, ...a_entries] }));
    expect(bad({ e_tag: 0 })).to.equal('EINVAL');
    expect(
      outcome(() => posix_acl_valid({ a_entries: a_entries.map((e) => ({ ...e, e_perm: 8 })) })),
    ).to.equal('EINVAL');
    expect(
      outcome(() => posix_acl_equiv_mode({ a_entries: [{ ...a_entries[0], e_tag: 3 }] })),
    ).to.equal('EINVAL');
  });

  it('is equivalent to a mode when it names nobody and has no mask', () => {
    expect(posix_acl_equiv_mode(posix_acl_from_mode(0o741))).to.deep.equal({
      mode: 0o741,
      equivalent: true,
    });
    expect(posix_acl_equiv_mode(acl('u::rwx,u:1:rwx,g::r,m::rw,o::x'))).to.deep.equal({
      mode: 0o761,
      equivalent: false,
    });
  });
});

describe('lump/posix_acl: permission', () => {
  const list = 'u::r,u:10:rwx,u:11:rwx,g::r,g:20:w,g:21:rw,m::rw,o::rx';
  const cases: [string, number, number[], number, string][] = [
    ['the owner has the owner’s', 1, [20], MAY_WRITE, 'EACCES'],
    ['a named user has his, under the mask', 10, [], MAY_READ | MAY_WRITE, 'ok'],
    ['the mask takes what it lacks', 10, [], MAY_EXEC, 'EACCES'],
    ['any group may grant', 50, [20, 21], MAY_READ | MAY_WRITE, 'ok'],
    ['but one group must grant all', 50, [2, 20], MAY_READ | MAY_WRITE, 'EACCES'],
    ['who is in a group is no other', 50, [20], MAY_EXEC, 'EACCES'],
    ['the others are not under the mask', 50, [99], MAY_EXEC, 'ok'],
    ['and have what is theirs only', 50, [99], MAY_WRITE, 'EACCES'],
  ];
  for (const [title, uid, groups, mask, expected] of cases) {
    it(title, () => {
      const f = new Fixture();
      f.become(0);
      const inode = vfs_create(root_of(f.sb), 'file', 0o644).d_inode!;
      inode.i_uid = 1;
      inode.i_gid = 2;
      expect(set(inode, ACCESS, list)).to.equal('ok');
      f.become(uid, 98, groups);
      expect(outcome(() => inode_permission(inode, mask))).to.equal(expected);
    });
  }
});

describe('lump/posix_acl: damaged lists', () => {
  it('grant nothing', () => {
    const f = new Fixture();
    f.become(5);
    const inode = root_of(f.sb).d_inode!;
    const asked = (list: posix_acl): string =>
      outcome(() => posix_acl_permission(inode, list, MAY_READ));
    expect(asked({ a_entries: [] })).to.equal('EIO');
    expect(asked({ a_entries: [{ e_tag: 3, e_perm: 7, e_id: 0 }] })).to.equal('EIO');
    expect(asked(acl('u::rwx,g::rwx,m::rwx'))).to.equal('EIO');
  });
});

describe('lump/posix_acl: inodes', () => {
  let f: Fixture;

  beforeEach(() => {
    f = new Fixture();
    f.become(0);
  });

  it('an access list changes the mode, an equivalent one is not kept', () => {
    const inode = vfs_create(root_of(f.sb), 'file', 0o644).d_inode!;
    expect(set(inode, ACCESS, 'u::rwx,u:5:rw,g::,m::rw,o::x')).to.equal('ok');
    expect(mode_of(inode)).to.equal('761');
    expect(vfs_listxattr(inode)).to.deep.equal([ACCESS]);
    expect(set(inode, ACCESS, 'u::rw,g::r,o::')).to.equal('ok');
    expect(mode_of(inode)).to.equal('640');
    expect(outcome(() => vfs_getxattr(inode, ACCESS))).to.equal('ENODATA');
  });

  it('a list set by a non-member takes setgid', () => {
    const inode = vfs_create(root_of(f.sb), 'file', 0o2755).d_inode!;
    inode.i_uid = 5;
    inode.i_gid = 100;
    f.become(5, 1);
    expect(set(inode, ACCESS, 'u::rwx,g::rx,o::rx')).to.equal('ok');
    expect(mode_of(inode)).to.equal('755');
  });

  it('chmod changes the mask, or the group where there is none', () => {
    const inode = vfs_create(root_of(f.sb), 'file', 0o644).d_inode!;
    set(inode, ACCESS, 'u::rwx,u:5:rw,g::r,m::rw,o::x');
    notify_change(null, inode, { ...new_iattr(ATTR_MODE), ia_mode: 0o517 });
    expect(posix_acl_from_xattr(vfs_getxattr(inode, ACCESS))).to.deep.equal(
      acl('u::rx,u:5:rw,g::r,m::x,o::rwx'),
    );
  });

  it('a default list replaces the umask and is handed on', () => {
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o755);
    f.lump.current_cred = { ...f.lump.current_cred, umask: 0o077 };
    const plain = vfs_create(dir, 'plain', 0o666);
    expect(mode_of(plain.d_inode!)).to.equal('600');
    const list = 'u::rwx,u:5:rwx,g::rx,m::rwx,o::rx';
    expect(set(dir.d_inode!, DEFAULT, list)).to.equal('ok');
    const file = vfs_create(dir, 'file', 0o664).d_inode!;
    expect(mode_of(file)).to.equal('664');
    expect(posix_acl_from_xattr(vfs_getxattr(file, ACCESS))).to.deep.equal(
      acl('u::rw,u:5:rwx,g::rx,m::rw,o::r'),
    );
    expect(outcome(() => vfs_getxattr(file, DEFAULT))).to.equal('ENODATA');
    const sub = vfs_mkdir(dir, 'sub', 0o777).d_inode!;
    expect(posix_acl_from_xattr(vfs_getxattr(sub, DEFAULT))).to.deep.equal(acl(list));
    expect(mode_of(sub)).to.equal('775');
    dput(plain);
  });

  it('a default list without names gives a mode and no access list', () => {
    const dir = vfs_mkdir(root_of(f.sb), 'dir', 0o755);
    set(dir.d_inode!, DEFAULT, 'u::rwx,g::r,o::');
    const file = vfs_create(dir, 'file', 0o777).d_inode!;
    expect(mode_of(file)).to.equal('740');
    expect(vfs_listxattr(file)).to.deep.equal([]);
  });

  it('is for the owner, and a default list for directories', () => {
    const inode = vfs_create(root_of(f.sb), 'file', 0o644).d_inode!;
    const link = vfs_symlink(root_of(f.sb), 'link', 'x').d_inode!;
    const text = 'u::rw,g::r,o::';
    expect(set(inode, DEFAULT, text)).to.equal('EACCES');
    expect(set(link, ACCESS, text)).to.equal('EOPNOTSUPP');
    expect(set(inode, ACCESS, 'u::rw,u:5:r,g::r,o::')).to.equal('EINVAL');
    f.become(5);
    expect(set(inode, ACCESS, text)).to.equal('EPERM');
    expect(outcome(() => vfs_removexattr(inode, ACCESS))).to.equal('EPERM');
    f.become(0);
    expect(set(inode, ACCESS, 'u::rwx,u:5:r,g::r,m::r,o::')).to.equal('ok');
    f.sb.s_flags &= ~SB_POSIXACL;
    expect(outcome(() => vfs_getxattr(inode, ACCESS))).to.equal('EOPNOTSUPP');
    notify_change(null, inode, { ...new_iattr(ATTR_MODE), ia_mode: 0o777 });
    f.sb.s_flags |= SB_POSIXACL;
    expect(posix_acl_from_xattr(vfs_getxattr(inode, ACCESS))).to.deep.equal(
      acl('u::rwx,u:5:r,g::r,m::r,o::'),
    );
    f.sb.s_flags &= ~SB_POSIXACL;
    expect(set(inode, ACCESS, text)).to.equal('EOPNOTSUPP');
  });
});
