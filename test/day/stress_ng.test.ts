/**
 * stress-ng's file-system stressors, which check what they get: a program that was written to find
 * what kernels do wrong, on every mount that is written to.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { fsckFat, mkfsFat } from '../netbsd-compat/dosfstools.js';
import { e2fsck, mke2fs } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import { jffs2Command, mountInBackground, rumpCommand, umount, Workspace } from '../fuse/server.js';
import { obstacle, TIME_LIMIT_MS } from './rig.js';

const OBSTACLE = obstacle('stress-ng', 'mke2fs', 'mkfs.fat');
/** How long each runs, and by how many processes at once. */
const SECONDS = 1;
const PROCESSES = 2;
/** For what a stressor does at the end of its time: on a busy machine that takes long. */
const STRESSOR_LIMIT_MS = 240_000;

const EVERYWHERE = (
  'chdir dentry dir dirmany fallocate filename flock fsize fstat getdent hdd io iomix ' +
  'lockf open rename sync-file touch'
).split(' ');
/** They need modes, owners, links, devices or holes, which FAT has not. */
const OF_UNIX = (
  'access chmod chown dirdeep dnotify dup fcntl fpunch handle inotify lease link locka ' +
  'lockofd mknod symlink utime'
).split(' ');
const ON_UNIX = [...EVERYWHERE, ...OF_UNIX];
const ON_EXT2 = [...ON_UNIX, 'xattr'];
/** Fills what has less room than its file of holes would take; jffs2 packs their zeros. */
const LARGE = 'copy-file';
const ON_JFFS2 = [...ON_EXT2, 'chattr', 'file-ioctl', 'inode-flags', LARGE];
/** So that nothing else fills the disk: when it is full, data in the kernel's cache is lost. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  fallocate: ['--fallocate-bytes', '16M'],
  hdd: ['--hdd-bytes', '16M'],
  iomix: ['--iomix-bytes', '16M'],
};

interface Row {
  readonly name: string;
  readonly stressors: readonly string[];
  mount(workspace: Workspace, mountpoint: string): void;
  /** Looks at the image afterwards. */
  check?(workspace: Workspace): void;
}

const IMAGE = 'image';
const DISK_BYTES = 128 << 20;
const UFS1_BE = { version: 1, byteOrder: 'be' } as const;

/** Mounts with rump_<type> what `make` makes, and has it checked afterwards. */
function disk(
  type: string,
  name: string,
  stressors: readonly string[],
  make: () => Uint8Array,
  check: (image: Uint8Array) => void,
): Row {
  return {
    name,
    stressors,
    mount(workspace, mountpoint) {
      writeFileSync(workspace.path(IMAGE), make());
      mountInBackground(rumpCommand(type, workspace.path(IMAGE), mountpoint));
    },
    check: (workspace) => check(readFileSync(workspace.path(IMAGE))),
  };
}

function jffs2(cache: string): Row {
  return {
    name: `jffs2, ${cache}`,
    stressors: ON_JFFS2,
    mount(workspace, mountpoint) {
      const image = workspace.path(IMAGE);
      writeFileSync(image, new Uint8Array(64 << 20).fill(0xff));
      mountInBackground(jffs2Command(image, mountpoint, '-o', `erasesize=64K,${cache}`));
    },
  };
}

const ROWS: readonly Row[] = [
  jffs2('writeback_cache'),
  jffs2('no_writeback_cache'),
  {
    name: 'tmpfs',
    stressors: [...ON_UNIX, LARGE],
    mount(_workspace, mountpoint) {
      mountInBackground(rumpCommand('tmpfs', 'tmpfs', mountpoint, '-s', '1G'));
    },
  },
  disk('ext2fs', 'ext2', ON_EXT2, () => mke2fs('128M', '-t', 'ext2'), e2fsck),
  disk('ffs', 'UFS2', ON_UNIX, () => blankFfs(DISK_BYTES), fsckFfs),
  disk('ffs', 'UFS1, big-endian', ON_UNIX, () => blankFfs(DISK_BYTES, UFS1_BE), fsckFfs),
  disk('msdos', 'FAT32', EVERYWHERE, () => mkfsFat(DISK_BYTES, '-F', '32', '-s', '1'), fsckFat),
];

for (const row of ROWS) {
  describe(`stress-ng: ${row.name}`, function () {
    if (OBSTACLE !== undefined) {
      it(`(skipped: ${OBSTACLE})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    const workspace = new Workspace();
    const mountpoint = workspace.directory('mnt');

    before(() => row.mount(workspace, mountpoint));
    after(() => workspace.remove());

    for (const stressor of row.stressors) {
      it(stressor, () => {
        const own = [`--${stressor}`, `${PROCESSES}`, ...(OPTIONS[stressor] ?? [])];
        const { status, stdout, stderr } = spawnSync(
          'stress-ng',
          [...own, '--timeout', `${SECONDS}`, '--verify', '--oomable', '--temp-path', mountpoint],
          { encoding: 'utf8', timeout: STRESSOR_LIMIT_MS, cwd: workspace.folder },
        );
        expect(status, stdout + stderr).to.equal(0);
        expect(readdirSync(mountpoint).filter((name) => name !== 'lost+found')).to.deep.equal([]);
      });
    }

    it('and the image is as it should be', () => {
      umount(mountpoint);
      if (row.check === undefined) return;
      // umount(8) returns before the server has closed the image.
      execFileSync('flock', ['--timeout', '60', workspace.path(IMAGE), 'true']);
      row.check(workspace);
    });
  });
}
