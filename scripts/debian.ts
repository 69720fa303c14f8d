/** Programs of the host that tests want, and the Debian packages that have them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Program → package. The kernel judge's parts are its own affair, see kernel-setup.ts. */
const WANTED: Readonly<Record<string, string>> = {
  chromium: 'chromium',
  fio: 'fio',
  fish: 'fish',
  fusermount3: 'fuse3',
  genisoimage: 'genisoimage',
  getfacl: 'acl',
  getfattr: 'attr',
  git: 'git',
  debugfs: 'e2fsprogs',
  makefs: 'makefs',
  mcopy: 'mtools',
  'mkfs.bfs': 'util-linux',
  'mkfs.fat': 'dosfstools',
  'mkfs.jffs2': 'mtd-utils',
  lzop: 'lzop',
  man: 'man-db',
  mandoc: 'mandoc',
  parallel: 'parallel',
  patch: 'patch',
  python3: 'python3',
  mactime: 'sleuthkit',
  rsync: 'rsync',
  sfdisk: 'fdisk',
  sqlite3: 'sqlite3',
  'stress-ng': 'stress-ng',
  'vim.tiny': 'vim-tiny',
  wine: 'wine',
  xz: 'xz-utils',
  zsh: 'zsh',
};
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/**
 * As root on Debian, installs what is missing; elsewhere says what is. Nothing depends on its
 * success: a test whose program is missing is skipped, aloud.
 */
export function installWanted(): void {
  const missing = Object.keys(WANTED).filter(
    (program) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)),
  );
  if (missing.length === 0) return;
  const packages = missing.map((program) => WANTED[program]!);
  console.log(`Missing on this machine: ${missing.join(', ')} (packages: ${packages.join(' ')})`);
  if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0) {
    console.log(
      'Nothing is installed: this needs root on Debian. Tests that need them are skipped.',
    );
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', ['-q', ...args], { stdio: 'inherit', env });
    if (status !== 0) console.log(`apt-get ${args[0]} failed; tests that need these are skipped`);
  }
}
