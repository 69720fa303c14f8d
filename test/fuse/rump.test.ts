/** The programs that mount NetBSD's file systems: rump_tmpfs, rump_ext2fs, … */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkBfs, mkfsBfs, NO_MKFS_BFS } from '../netbsd-compat/bfs.js';
import { fsckFat, mkfsFat, mtool, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { e2fsck, mke2fs, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import { mountInBackground, NO_MOUNTS, rumpCommand, umount, Workspace } from './server.js';

function refusal([file, ...args]: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(file!, args, { encoding: 'utf8' });
  return { status, stderr };
}

describe('rump_* programs', function () {
  if (NO_MOUNTS !== undefined) {
    it(`(skipped: ${NO_MOUNTS})`);
    return;
  }
  this.timeout(60_000);
  let workspace: Workspace;
  let mnt: string;
  beforeEach(() => {
    workspace = new Workspace();
    mnt = workspace.directory('mnt');
  });
  afterEach(() => workspace.remove());

  it("rump_tmpfs takes mount_tmpfs's letters", () => {
    const letters = ['-s', '4M', '-n', '100', '-m', '1777', '-u', '12', '-g', '34'];
    mountInBackground(rumpCommand('tmpfs', 'tmpfs', mnt, ...letters));
    expect(statSync(mnt)).to.include({ mode: 0o041777, uid: 12, gid: 34 });
    const { bsize, blocks, files } = statfsSync(mnt);
    expect([bsize * blocks, files]).to.deep.equal([4 << 20, 100]);
    expect(() => writeFileSync(join(mnt, 'big'), new Uint8Array(5 << 20))).to.throw(/ENOSPC/);
    const line = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((each) => each.includes(mnt))!;
    expect(line).to.match(/^tmpfs .* fuse\.rump_tmpfs /);
    umount(mnt);
    const wrong = refusal(rumpCommand('tmpfs', 'tmpfs', mnt, '-m', '9'));
    expect(wrong.status).to.equal(1);
    expect(wrong.stderr).to.include('expected permission bits in octal');
  });

  it('rump_ext2fs mounts, writes, and leaves what e2fsck likes', function () {
    if (NO_E2FSPROGS !== undefined) {
      console.log(`        (skipped: ${NO_E2FSPROGS})`);
      this.skip();
    }
    const image = workspace.path('disk.img');
    writeFileSync(image, mke2fs('8M', '-t', 'ext2'));
    mountInBackground(rumpCommand('ext2fs', image, mnt));
    mkdirSync(join(mnt, 'dir'));
    writeFileSync(join(mnt, 'dir/file'), new Uint8Array(2_000_000).fill(42));
    symlinkSync('dir/file', join(mnt, 'link'));
    renameSync(join(mnt, 'dir/file'), join(mnt, 'dir/renamed'));
    writeFileSync(join(mnt, 'gone'), 'x');
    rmSync(join(mnt, 'gone'));
    // Somebody else must not write at the same time.
    const busy = refusal(rumpCommand('ext2fs', image, workspace.directory('other')));
    expect(busy.status).to.not.equal(0);
    expect(busy.stderr).to.match(/in use|locked/);
    umount(mnt);
    execFileSync('flock', [image, 'true']);
    e2fsck(readFileSync(image));

    mountInBackground(rumpCommand('ext2fs', image, mnt, '-o', 'ro,backend=window'));
    expect(readdirSync(mnt).sort()).to.deep.equal(['dir', 'link', 'lost+found']);
    expect(readFileSync(join(mnt, 'dir/renamed')).every((byte) => byte === 42)).to.equal(true);
    expect(() => writeFileSync(join(mnt, 'x'), '')).to.throw(/EROFS/);
    umount(mnt);
  });

  it('rump_msdos mounts, writes, and leaves what fsck.fat likes', function () {
    if (NO_DOSFSTOOLS !== undefined) {
      console.log(`        (skipped: ${NO_DOSFSTOOLS})`);
      this.skip();
    }
    const image = workspace.path('stick.img');
    writeFileSync(image, mkfsFat(16 << 20, '-F', '16'));
    mountInBackground(rumpCommand('msdos', image, mnt, '-u', '7', '-m', '644', '-M', '755'));
    mkdirSync(join(mnt, 'Photos'));
    writeFileSync(join(mnt, 'Photos/a long name.jpeg'), new Uint8Array(3_000_000).fill(42));
    renameSync(join(mnt, 'Photos/a long name.jpeg'), join(mnt, 'Photos/Another Name.jpeg'));
    expect(readdirSync(join(mnt, 'Photos'))).to.deep.equal(['Another Name.jpeg']);
    expect(statSync(join(mnt, 'photos/another NAME.jpeg'))).to.include({ mode: 0o100644, uid: 7 });
    expect(() => symlinkSync('x', join(mnt, 'link'))).to.throw(/ENOTSUP|EPERM/);
    umount(mnt);
    execFileSync('flock', [image, 'true']);
    fsckFat(readFileSync(image));
    const listing = mtool(readFileSync(image), 'mdir', '-b', '-/', '::').stdout.toString();
    expect(listing).to.include('::/Photos/Another Name.jpeg\n');
  });

  it('rump_sysvbfs mounts and writes', function () {
    if (NO_MKFS_BFS !== undefined) {
      console.log(`        (skipped: ${NO_MKFS_BFS})`);
      this.skip();
    }
    const image = workspace.path('stand.img');
    writeFileSync(image, mkfsBfs(1 << 20));
    mountInBackground(rumpCommand('sysvbfs', image, mnt));
    writeFileSync(join(mnt, 'unix'), new Uint8Array(300_000).fill(42));
    renameSync(join(mnt, 'unix'), join(mnt, 'unix.old'));
    expect(() => mkdirSync(join(mnt, 'dir'))).to.throw(/ENOTSUP|EPERM/);
    expect(() => writeFileSync(join(mnt, 'a name of more'), '')).to.not.throw();
    expect(() => writeFileSync(join(mnt, 'a name of more.'), '')).to.throw(/ENAMETOOLONG/);
    expect(readdirSync(mnt).sort()).to.deep.equal(['a name of more', 'unix.old']);
    umount(mnt);
    execFileSync('flock', [image, 'true']);
    checkBfs(new Uint8Array(readFileSync(image)));
  });

  it('rump_ffs mounts either byte order, writes, and leaves it clean', () => {
    for (const byteOrder of ['le', 'be'] as const) {
      const image = workspace.path(`${byteOrder}.img`);
      writeFileSync(image, blankFfs(16 << 20, { byteOrder }));
      mountInBackground(rumpCommand('ffs', image, mnt));
      mkdirSync(join(mnt, 'dir'));
      writeFileSync(join(mnt, 'dir/file'), new Uint8Array(3_000_000).fill(42));
      symlinkSync('dir/file', join(mnt, 'link'));
      renameSync(join(mnt, 'dir/file'), join(mnt, 'dir/renamed'));
      utimesSync(join(mnt, 'dir/renamed'), 1.25, 5_000_000_000.5);
      expect(readFileSync(join(mnt, 'dir/renamed')).every((byte) => byte === 42)).to.equal(true);
      expect(statSync(join(mnt, 'dir/renamed'))).to.include({ atimeMs: 1250, mtimeMs: 5e12 + 500 });
      umount(mnt);
      execFileSync('flock', [image, 'true']);
      fsckFfs(readFileSync(image));
    }
  });

  it('rump_ext2fs says what is wrong', () => {
    const image = workspace.path('noise.img');
    writeFileSync(image, new Uint8Array(1 << 20).fill(1));
    const noise = refusal(rumpCommand('ext2fs', image, mnt));
    expect(noise.status).to.not.equal(0);
    expect(noise.stderr).to.include('has no ext2fs file system');
    const missing = refusal(rumpCommand('ext2fs', workspace.path('none.img'), mnt));
    expect(missing.stderr).to.include('none.img');
    expect(missing.stderr).to.match(/no such file/i);
    const backend = refusal(rumpCommand('ext2fs', image, mnt, '-o', 'backend=fast'));
    expect(backend.stderr).to.include('expected one of sync, async, window');
  });
});
