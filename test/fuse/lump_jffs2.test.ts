/** lump_jffs2 itself: what it finds, keeps, refuses, and never touches. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  jffs2Command,
  mountInBackground,
  mountsBelow,
  NO_MOUNTS,
  Running,
  umount,
  until,
  Workspace,
} from './server.js';

const LAUNCHER = fileURLToPath(new URL('../../../bin/lump_jffs2', import.meta.url));
const DEMO = fileURLToPath(new URL('../../../flash-images/demo.jffs2', import.meta.url));
const BIG_ENDIAN = fileURLToPath(
  new URL('../../../flash-images/big-endian.jffs2', import.meta.url),
);
const FLASH_BYTES = 4 << 20;

function refusal([file, ...args]: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(file!, args, { encoding: 'utf8' });
  return { status, stderr };
}

describe('lump_jffs2', () => {
  it('explains itself', () => {
    const help = execFileSync(LAUNCHER, ['--help'], { encoding: 'utf8' });
    expect(help).to.match(/^Usage: lump_jffs2 \[-f\] \[-o options\] image mountpoint\n/);
    for (const word of [
      'compr=',
      'erasesize=',
      'endian=',
      'offset=',
      'size=',
      'mtdparts=',
      'part=',
      'rp_size=',
      'allow_other',
      'sync',
      'noatime',
      'default_permissions',
      'fuse.lump_jffs2',
    ]) {
      expect(help).to.contain(word);
    }
    expect(execFileSync(LAUNCHER, ['--version'], { encoding: 'utf8' })).to.match(
      /^\d+\.\d+\.\d+\n$/,
    );
    expect(refusal([LAUNCHER, 'image'])).to.deep.equal({
      status: 1,
      stderr: "lump_jffs2: missing required argument 'mountpoint'; see lump_jffs2 --help\n",
    });
  });

  it('that was not built says what to do', () => {
    const workspace = new Workspace();
    const bin = workspace.directory('bin');
    copyFileSync(LAUNCHER, `${bin}/lump_jffs2`);
    copyFileSync(join(dirname(LAUNCHER), 'launch.cjs'), `${bin}/launch.cjs`);
    copyFileSync(join(dirname(LAUNCHER), 'package.json'), `${bin}/package.json`);
    const { status, stderr } = refusal([process.execPath, `${bin}/lump_jffs2`, 'image', 'mnt']);
    expect({ status, stderr }).to.deep.equal({
      status: 1,
      stderr: 'lump_jffs2: not built yet; run "npm ci" in the project first\n',
    });
    workspace.remove();
  });

  if (NO_MOUNTS !== undefined) {
    it(`mounts (skipped: ${NO_MOUNTS})`);
    return;
  }
  let workspace: Workspace;
  let mountpoint: string;
  let image: string;

  beforeEach(() => {
    workspace = new Workspace();
    mountpoint = workspace.directory('mnt');
    image = workspace.path('flash.bin');
  });
  afterEach(() => {
    workspace.remove();
  });

  const mount = (...args: string[]): string =>
    mountInBackground(jffs2Command(image, mountpoint, ...args));

  it('says what it found and why', () => {
    copyFileSync(DEMO, image);
    expect(mount('-o', 'ro'))
      .to.match(/^little endian: \d+ valid node headers/m)
      .and.match(/^erase size 64 KiB: /m);
    umount(mountpoint);
    copyFileSync(BIG_ENDIAN, image);
    expect(mount('-o', 'ro')).to.match(/^big endian: /m);
    umount(mountpoint);
  });

  it('keeps what was written, for who mounts again at once', () => {
    writeFileSync(image, new Uint8Array(FLASH_BYTES).fill(0xff));
    mount();
    writeFileSync(`${mountpoint}/file`, 'text'.repeat(5000));
    utimesSync(`${mountpoint}/file`, 1_000_000_000, 1_100_000_000);
    execFileSync('chown', ['12:34', `${mountpoint}/file`]);
    execFileSync('mknod', [`${mountpoint}/device`, 'c', '300', '70000']);
    execFileSync('ln', [`${mountpoint}/file`, `${mountpoint}/link`]);
    umount(mountpoint);
    mount('-o', 'ro');
    expect(readFileSync(`${mountpoint}/link`, 'utf8')).to.equal('text'.repeat(5000));
    expect(statSync(`${mountpoint}/file`)).to.include({
      uid: 12,
      gid: 34,
      nlink: 2,
      mtimeMs: 1_100_000_000_000,
    });
    expect(
      execFileSync('stat', ['-c', '%t %T', `${mountpoint}/device`], { encoding: 'utf8' }),
    ).to.equal('12c 11170\n');
    umount(mountpoint);
  });

  it('what was synced outlives SIGKILL', async () => {
    writeFileSync(image, new Uint8Array(FLASH_BYTES).fill(0xff));
    const server = new Running(jffs2Command(image, mountpoint, '-f'));
    await server.says('flash');
    const fd = openSync(`${mountpoint}/file`, 'w');
    writeSync(fd, 'precious');
    fsyncSync(fd);
    server.kill('SIGKILL');
    await server.ended;
    try {
      closeSync(fd);
    } catch {
      // ENOTCONN: the kernel could not tell the server.
    }
    await until(() => mountsBelow(workspace.folder).length === 0);
    mount();
    expect(readFileSync(`${mountpoint}/file`, 'utf8')).to.equal('precious');
    umount(mountpoint);
  });

  it('with ro neither changes nor creates any file', () => {
    copyFileSync(DEMO, image);
    utimesSync(image, 1, 1);
    const before = readFileSync(image);
    mount('-o', 'ro');
    expect(readdirSync(mountpoint)).to.include('README');
    execFileSync('find', [mountpoint, '-type', 'f', '-exec', 'cat', '{}', ';'], {
      stdio: 'ignore',
    });
    expect(() => writeFileSync(`${mountpoint}/new`, '')).to.throw(/EROFS/);
    umount(mountpoint);
    expect(readFileSync(image).equals(before)).to.equal(true);
    expect(statSync(image).mtimeMs).to.equal(1000);
    expect(readdirSync(workspace.folder).sort()).to.deep.equal(['flash.bin', 'mnt']);
  });

  it('refuses what it cannot mount, with a reason, and leaves nothing', () => {
    const wrong = workspace.path('wrong.bin');
    writeFileSync(wrong, 'this is no flash');
    const { status, stderr } = refusal(jffs2Command(wrong, mountpoint));
    expect(status).to.equal(32);
    expect(stderr).to.match(/^lump_jffs2: .*wrong\.bin is no JFFS2 image/);
    expect(refusal(jffs2Command(workspace.path('none.bin'), mountpoint)).stderr).to.match(
      /^lump_jffs2: .*none\.bin/,
    );
    expect(mountsBelow(workspace.folder)).to.deep.equal([]);
  });

  it('refuses a second writer', () => {
    writeFileSync(image, new Uint8Array(FLASH_BYTES).fill(0xff));
    mount();
    const { status, stderr } = refusal(jffs2Command(image, workspace.directory('second')));
    expect(status).to.equal(32);
    expect(stderr).to.match(/^lump_jffs2: .*flash\.bin is in use by/);
    umount(mountpoint);
    expect(existsSync(image)).to.equal(true);
  });
});
