/**
 * A mount is a process: what an image does to it, and its death, harm nobody else. The host and
 * other mounts go on, calls on the dead mount fail and do not hang, and its mount point can be
 * unmounted.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Prng } from '../../src/rumpuser/prng.js';
import { e2fs } from '../../src/netbsd-compat/drivers/ext2fs/medium.js';
import { mke2fs, e2fsck, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import {
  errorCode,
  mountInBackground,
  mountsBelow,
  NO_MOUNTS,
  processesWith,
  rumpCommand,
  umount,
  until,
  Workspace,
} from './server.js';

describe('a mount that dies', function () {
  const missing = NO_MOUNTS ?? NO_E2FSPROGS;
  if (missing !== undefined) {
    it(`(skipped: ${missing})`);
    return;
  }
  this.timeout(60_000);
  let workspace: Workspace;
  let victim: string;
  let other: string;
  let image: string;

  beforeEach(() => {
    workspace = new Workspace();
    victim = workspace.directory('victim');
    other = workspace.directory('other');
    image = workspace.path('victim.img');
    writeFileSync(workspace.path('other.img'), mke2fs('4M', '-t', 'ext2'));
    mountInBackground(rumpCommand('ext2fs', workspace.path('other.img'), other));
    writeFileSync(join(other, 'before'), 'kept');
  });
  afterEach(() => workspace.remove());

  const serversOf = (path: string): number[] => processesWith(path);

  /** Takes a dead mount away, unless its watcher was faster. */
  const release = (): void => {
    try {
      umount(victim);
    } catch (error) {
      if (!/not mounted/.test(String(error))) throw error;
    }
    expect(mountsBelow(victim)).to.deep.equal([]);
    expect(readdirSync(victim)).to.deep.equal([]);
  };

  const othersGoOn = (): void => {
    writeFileSync(join(other, 'after'), new Uint8Array(100_000).fill(1));
    expect(readFileSync(join(other, 'before'), 'utf8')).to.equal('kept');
    umount(other);
    execFileSync('flock', [workspace.path('other.img'), 'true']);
    e2fsck(readFileSync(workspace.path('other.img')));
  };

  it('kill -9 in the middle of its work', async () => {
    writeFileSync(image, mke2fs('8M', '-t', 'ext2'));
    mountInBackground(rumpCommand('ext2fs', image, victim));
    const script = 'i=0; while i=$((i + 1)); do head -c 20000 /dev/zero >"$1/$i" || exit 7; done';
    const writer = spawn('sh', ['-c', script, 'sh', victim], { stdio: 'ignore' });
    const ended = new Promise((resolve) => writer.on('exit', resolve));
    await until(() => readdirSync(victim).length > 10);
    for (const pid of serversOf(image)) process.kill(pid, 'SIGKILL');
    expect(await ended).to.equal(7);
    // Nobody hangs: it fails, or is the empty directory below already; or the kernel still knows.
    const answers = ['ENOTCONN', 'ENOENT', undefined];
    expect(errorCode(() => statSync(join(victim, '1')))).to.be.oneOf(answers);
    release();
    // The lock went with the process, and the image says that it was in use.
    mountInBackground(rumpCommand('ext2fs', image, victim));
    expect(errorCode(() => writeFileSync(join(victim, 'x'), ''))).to.equal('EROFS');
    expect(readdirSync(victim)).to.include('lost+found');
    umount(victim);
    execFileSync('flock', [image, 'true']);
    const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
    spawnSync('e2fsck', ['-fy', image], { env: { ...process.env, PATH } });
    e2fsck(readFileSync(image));
    othersGoOn();
  });

  it('an image that lies, and is cut short and overwritten under it', async () => {
    const bytes = mke2fs('8M', '-t', 'ext2', '-b', '1024');
    writeFileSync(image, bytes);
    mountInBackground(rumpCommand('ext2fs', image, victim));
    for (let i = 0; i < 50; i++) writeFileSync(join(victim, `${i}`), new Uint8Array(9000).fill(i));
    umount(victim);
    execFileSync('flock', [image, 'true']);
    const used = new Uint8Array(readFileSync(image));
    const prng = new Prng(5);
    // Inodes and directories of noise, and a superblock that promises more than there is.
    for (let i = 0; i < 3000; i++) used[2048 + prng.below(600 << 10)] = prng.below(256);
    e2fs.state.put(used, 1024, 1);
    writeFileSync(image, used);
    mountInBackground(rumpCommand('ext2fs', image, victim, '-o', 'force'));
    const use = (): void => {
      for (const name of ['lost+found', ...Array.from({ length: 50 }, (_, i) => `${i}`)]) {
        const path = join(victim, name);
        errorCode(() => readFileSync(path));
        errorCode(() => writeFileSync(path, 'x'));
        errorCode(() => rmSync(path, { recursive: true }));
      }
      errorCode(() => readdirSync(victim));
    };
    use();
    truncateSync(image, 100_000);
    use();
    writeFileSync(image, new Uint8Array(8 << 20).fill(0xa5));
    use();
    for (const pid of serversOf(image)) process.kill(pid, 'SIGKILL');
    await until(() => serversOf(image).length === 0);
    release();
    othersGoOn();
  });
});
