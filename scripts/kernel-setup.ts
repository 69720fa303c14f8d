/**
 * Installs the Debian packages that the kernel judge (test/kernel), the image tests (test/images)
 * and scripts/make-flash-images.ts take their parts from. As root on Debian it says and does it;
 * elsewhere it says what is missing and changes nothing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { JUDGE_PACKAGES, missingParts } from '../test/kernel/initramfs.js';

function main(): number {
  const missing = missingParts();
  if (missing.length === 0) {
    console.log('The kernel judge has all its parts.');
    return 0;
  }
  console.log(`The kernel judge lacks: ${missing.join(', ')}`);
  const packages = JUDGE_PACKAGES.join(' ');
  if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0) {
    console.log(`Nothing is installed: this needs root on Debian. The packages are: ${packages}`);
    return 1;
  }
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update'],
    ['install', '-y', '--no-install-recommends', ...JUDGE_PACKAGES],
  ]) {
    console.log(`Running: apt-get ${args.join(' ')}`);
    const { status } = spawnSync('apt-get', args, { stdio: 'inherit', env: environment });
    if (status !== 0) return 1;
  }
  return missingParts().length === 0 ? 0 : 1;
}

process.exitCode = main();
