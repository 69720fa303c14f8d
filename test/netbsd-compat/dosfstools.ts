/** dosfstools and mtools, which judge msdosfs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { withImage } from './e2fsprogs.js';

const ENV = {
  ...process.env,
  PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  // Also where sizes are no multiple of a track's.
  MTOOLS_SKIP_CHECK: '1',
};

/** Why they cannot be asked; undefined when they can. */
export const NO_DOSFSTOOLS: string | undefined =
  spawnSync('mkfs.fat', ['--help'], { env: ENV }).error === undefined &&
  spawnSync('mcopy', ['--version'], { env: ENV }).error === undefined
    ? undefined
    : 'mkfs.fat or mcopy is missing (packages dosfstools and mtools)';

/** A volume as mkfs.fat makes it. */
export function mkfsFat(sizeBytes: number, ...args: readonly string[]): Uint8Array {
  return withImage(new Uint8Array(sizeBytes), (path) => {
    execFileSync('mkfs.fat', [...args, path], { env: ENV, stdio: 'pipe' });
    return new Uint8Array(readFileSync(path));
  });
}

/** @throws Error with its findings unless fsck.fat finds nothing. */
export function fsckFat(image: Uint8Array): void {
  withImage(image, (path) => {
    const { status, stdout } = spawnSync('fsck.fat', ['-n', path], { env: ENV, encoding: 'utf8' });
    if (status !== 0) throw new Error(`fsck.fat: ${stdout}`);
  });
}

/** Runs one of mtools on an image. @returns what it printed, and the image afterwards. */
export function mtool(
  image: Uint8Array,
  program: string,
  ...args: readonly string[]
): { stdout: Buffer; image: Uint8Array } {
  return withImage(image, (path) => {
    const stdout = execFileSync(program, ['-i', path, ...args], {
      env: ENV,
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
    });
    return { stdout, image: new Uint8Array(readFileSync(path)) };
  });
}
