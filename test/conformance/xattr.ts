/**
 * Extended attributes and POSIX access lists, as Linux's setxattr(2) and acl(5) have them. NetBSD's
 * ffs/t_extattr is the first two cases.
 */
import { expect } from 'chai';
import { PUFFS_CRED_ROOT, puffs_cred_user, type puffs_cred } from '../../src/puffs/index.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { aclOf, aclText } from './acl.js';
import { S_IFMT } from './driver.js';
import { create, fails, pattern } from './expect.js';
import type { Case, Mounted } from './row.js';

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';

const as = (m: Mounted, cred: puffs_cred = PUFFS_CRED_ROOT): Ukfs => new Ukfs(m.ops!, cred);
const user = (uid: number, gid = uid, groups: number[] = []): puffs_cred =>
  puffs_cred_user(uid, gid, groups);
const permissions = (fs: Ukfs, path: string): number => fs.stat(path).mode & ~S_IFMT;

export const xattr: readonly Case[] = [
  {
    name: 't_extattr: extattr_simple',
    needs: ['puffs', 'extattr'],
    run({ m, limits }) {
      const long = (bytes: number): number => Math.min(bytes, limits.xattrBytesMax ?? bytes);
      as(m).writeFile('file', '');
      as(m).mkdir('dir');
      as(m).symlink('file', 'link');
      const values = new Map<string, Uint8Array>([
        ['user.empty', new Uint8Array(0)],
        ['user.text', pattern(10)],
        ['user.long', pattern(long(3000))],
        ['trusted.x', pattern(20, 2)],
        ['security.x', pattern(30, 3)],
        ['user.ü', pattern(5)],
      ]);
      for (const path of ['file', 'dir']) {
        for (const [name, value] of values) as(m).setxattr(path, name, value);
      }
      as(m).setxattr('link', 'trusted.own', pattern(7), 0, false);
      const check = (): void => {
        for (const path of ['file', 'dir']) {
          expect(as(m).listxattr(path).sort()).to.deep.equal([...values.keys()].sort());
          for (const [name, value] of values) {
            expect(Buffer.from(as(m).getxattr(path, name)).equals(value), name).to.equal(true);
          }
        }
        expect(as(m).listxattr('link', false)).to.deep.equal(['trusted.own']);
        expect([...as(m).getxattr('link', 'trusted.own', false)]).to.deep.equal([...pattern(7)]);
      };
      check();
      m.again();
      check();
      as(m).setxattr('file', 'user.text', pattern(long(2000), 9));
      as(m).removexattr('file', 'user.long');
      m.again();
      expect([...as(m).getxattr('file', 'user.text')]).to.deep.equal([...pattern(long(2000), 9)]);
      fails('ENODATA', () => as(m).getxattr('file', 'user.long'));
      expect(as(m).listxattr('file')).to.have.lengthOf(values.size - 1);
    },
  },
  {
    name: 't_extattr: extattr_create_unlink',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      for (let round = 0; round < 20; round++) {
        create(fs, 'file');
        as(m).setxattr('file', 'user.x', pattern(100, round));
        fs.unlink('file');
      }
      create(fs, 'file');
      expect(as(m).listxattr('file')).to.deep.equal([]);
      m.again();
      expect(as(m).listxattr('file')).to.deep.equal([]);
    },
  },
  {
    name: 'xattr: create and replace only, errors',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      create(fs, 'file');
      fails('ENODATA', () => as(m).setxattr('file', 'user.x', 'a', 2));
      as(m).setxattr('file', 'user.x', 'a', 1);
      fails('EEXIST', () => as(m).setxattr('file', 'user.x', 'b', 1));
      as(m).setxattr('file', 'user.x', 'c', 2);
      expect(Buffer.from(as(m).getxattr('file', 'user.x')).toString()).to.equal('c');
      fails('ENODATA', () => as(m).removexattr('file', 'user.y'));
      fails('ENODATA', () => as(m).getxattr('file', 'trusted.x'));
      fails('ENOTSUP', () => as(m).setxattr('file', 'strange.x', 'a'));
      fails('ENOTSUP', () => as(m).setxattr('file', 'system.other', 'a'));
      fails('ENOTSUP', () => as(m).setxattr('file', 'nodot', 'a'));
      fails('EINVAL', () => as(m).setxattr('file', 'user.', 'a'));
      fails('ERANGE', () => as(m).setxattr('file', `user.${'n'.repeat(251)}`, 'a'));
      fails('E2BIG', () => as(m).setxattr('file', 'user.x', new Uint8Array(65537)));
      fs.mknod('fifo', 0o010644);
      fails('EPERM', () => as(m).setxattr('fifo', 'user.x', 'a'));
      as(m).setxattr('fifo', 'trusted.x', 'a');
    },
  },
  {
    name: 'xattr: who may',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      create(fs, 'file');
      fs.chmod('file', 0o644);
      as(m).setxattr('file', 'user.x', 'a');
      as(m).setxattr('file', 'trusted.x', 'a');
      as(m).setxattr('file', 'security.x', 'a');
      const stranger = as(m, user(1001));
      stranger.getxattr('file', 'user.x');
      stranger.getxattr('file', 'security.x');
      expect(stranger.listxattr('file').sort()).to.deep.equal(['security.x', 'user.x']);
      fails('ENODATA', () => stranger.getxattr('file', 'trusted.x'));
      fails('EACCES', () => stranger.setxattr('file', 'user.x', 'b'));
      fails('EPERM', () => stranger.setxattr('file', 'trusted.x', 'b'));
      fails('EPERM', () => stranger.setxattr('file', 'security.x', 'b'));
      fs.chmod('file', 0o600);
      fails('EACCES', () => stranger.getxattr('file', 'user.x'));
    },
  },
  {
    name: 'acl: the access list is the mode, and is kept',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      create(fs, 'file');
      const list = 'u::rw-,u:1001:rwx,g::r--,m::r-x,o::---';
      as(m).setxattr('file', ACCESS, aclText(list));
      const check = (): void => {
        expect(permissions(as(m), 'file')).to.equal(0o650);
        expect(aclOf(as(m).getxattr('file', ACCESS))).to.equal(list);
        expect(as(m).listxattr('file')).to.deep.equal([ACCESS]);
      };
      check();
      m.again();
      check();
      // chmod's group bits are the mask.
      fs.chmod('file', 0o704);
      const changed = 'u::rwx,u:1001:rwx,g::r--,m::---,o::r--';
      expect(aclOf(as(m).getxattr('file', ACCESS))).to.equal(changed);
      m.again();
      expect(aclOf(as(m).getxattr('file', ACCESS))).to.equal(changed);
      // A list that says no more than the mode is the mode.
      as(m).setxattr('file', ACCESS, aclText('u::rw-,g::r--,o::---'));
      expect(permissions(as(m), 'file')).to.equal(0o640);
      expect(as(m).listxattr('file')).to.deep.equal([]);
    },
  },
  {
    name: 'acl: who may by a list',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      create(fs, 'file', pattern(3));
      fs.chown('file', 1000, 2000);
      const set = (list: string): void => as(m).setxattr('file', ACCESS, aclText(list));
      const may = (cred: puffs_cred): string =>
        [4, 2, 1]
          .map((bit) => {
            try {
              as(m, cred).access('file', bit);
              return 'rwx'[[4, 2, 1].indexOf(bit)];
            } catch {
              return '-';
            }
          })
          .join('');
      set('u::r--,u:1001:rwx,g::r--,g:2001:-w-,m::rw-,o::--x');
      expect(may(user(1000))).to.equal('r--');
      // The mask takes execution away.
      expect(may(user(1001))).to.equal('rw-');
      expect(may(user(1002, 2000))).to.equal('r--');
      expect(may(user(1002, 2001))).to.equal('-w-');
      // Each group by itself, never both together.
      expect(may(user(1002, 2001, [2000]))).to.equal('rw-');
      fails('EACCES', () => as(m, user(1002, 2001, [2000])).access('file', 6));
      // In a group that may not: the others' bits are out of reach.
      set('u::rwx,g::---,g:2001:---,m::rwx,o::rwx');
      expect(may(user(1002, 2001))).to.equal('---');
      expect(may(user(1002, 3000))).to.equal('rwx');
      const own = aclText('u::r--,g::r--,o::r--');
      fails('EPERM', () => as(m, user(1001)).setxattr('file', ACCESS, own));
      for (const wrong of [
        'u::r--,g::r--',
        'u::r--,u:5:r--,g::r--,o::r--',
        'g::r--,u::r--,o::r--',
        'u::r--,u::r--,g::r--,o::r--',
      ]) {
        fails('EINVAL', () => set(wrong));
      }
      fails('EINVAL', () => as(m).setxattr('file', ACCESS, new Uint8Array(0)));
      fails('EINVAL', () => as(m).setxattr('file', ACCESS, aclText('u::r--').subarray(0, 11)));
      fails('ENOTSUP', () => as(m).setxattr('file', ACCESS, pattern(12)));
    },
  },
  {
    name: 'acl: the default list is handed on, and stands in for the umask',
    needs: ['puffs', 'extattr'],
    run({ fs, m }) {
      fs.mkdir('dir');
      fs.chmod('dir', 0o777);
      const list = 'u::rwx,u:1001:rw-,g::r-x,m::rwx,o::r-x';
      as(m).setxattr('dir', DEFAULT, aclText(list));
      const maker = new Ukfs(m.ops!, { ...user(1005), umask: 0o077 });
      maker.writeFile('dir/file', 'x', 'w', 0o666);
      maker.mkdir('dir/sub', 0o750);
      maker.symlink('x', 'dir/link');
      const check = (): void => {
        expect(permissions(as(m), 'dir/file')).to.equal(0o664);
        expect(aclOf(as(m).getxattr('dir/file', ACCESS))).to.equal(
          'u::rw-,u:1001:rw-,g::r-x,m::rw-,o::r--',
        );
        fails('ENODATA', () => as(m).getxattr('dir/file', DEFAULT));
        expect(permissions(as(m), 'dir/sub')).to.equal(0o750);
        expect(aclOf(as(m).getxattr('dir/sub', DEFAULT))).to.equal(list);
        expect(aclOf(as(m).getxattr('dir/sub', ACCESS))).to.equal(
          'u::rwx,u:1001:rw-,g::r-x,m::r-x,o::---',
        );
        expect(as(m).listxattr('dir/link', false)).to.deep.equal([]);
      };
      check();
      m.again();
      check();
      // Without a default list the umask rules.
      as(m).removexattr('dir', DEFAULT);
      new Ukfs(m.ops!, { ...user(1005), umask: 0o077 }).writeFile('dir/file2', 'x', 'w', 0o666);
      expect(permissions(as(m), 'dir/file2')).to.equal(0o600);
      fails('EACCES', () => as(m).setxattr('dir/file', DEFAULT, aclText('u::r--,g::r--,o::r--')));
      fails('ENOTSUP', () => as(m).setxattr('dir/link', ACCESS, aclText(list), 0, false));
    },
  },
];
