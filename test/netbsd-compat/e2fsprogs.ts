/** e2fsprogs, whose programs judge ext2fs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };

/** Why they cannot be asked; undefined when they can. */
export const NO_E2FSPROGS: string | undefined =
  spawnSync('mke2fs', ['-V'], { env: ENV }).error === undefined
    ? undefined
    : 'mke2fs is missing (package e2fsprogs)';

/** Works with an image as a file, which is gone afterwards. */
export function withImage<T>(image: Uint8Array, use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lump-image-'));
  try {
    const path = join(folder, 'disk.img');
    writeFileSync(path, image);
    return use(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file system as mke2fs makes it. */
export function mke2fs(size: string, ...args: readonly string[]): Uint8Array {
  return withImage(new Uint8Array(0), (path) => {
    execFileSync('mke2fs', ['-q', '-F', ...args, path, size], { env: ENV, stdio: 'pipe' });
    // Not as a Buffer: a slice of it would be no copy.
    return new Uint8Array(readFileSync(path));
  });
}

/** @throws Error with its findings unless e2fsck finds nothing. */
export function e2fsck(image: Uint8Array): void {
  withImage(image, (path) => {
    const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { env: ENV, encoding: 'utf8' });
    if (status !== 0) throw new Error(`e2fsck: ${stdout}`);
  });
}

/** What debugfs answers. */
export function debugfs(image: Uint8Array, request: string): string {
  return withImage(image, (path) =>
    execFileSync('debugfs', ['-R', request, path], {
      env: ENV,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 << 20,
    }),
  );
}

/** The image after debugfs did what the requests say. */
export function debugfsWrite(image: Uint8Array, requests: readonly string[]): Uint8Array {
  return withImage(image, (path) => {
    const input = `${requests.join('\n')}\n`;
    const { status, stderr } = spawnSync('debugfs', ['-w', '-f', '-', path], {
      env: ENV,
      input,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`debugfs: ${stderr}`);
    // Not as a Buffer: a slice of it would be no copy.
    return new Uint8Array(readFileSync(path));
  });
}

let empty: Uint8Array | null = null;

/** 4 MiB with 4096 inodes of 256 bytes, blocks of 1 KiB and nothing in the root. */
export function emptyExt2(): Uint8Array {
  if (empty !== null) return empty;
  const made = mke2fs('4M', '-t', 'ext2', '-b', '1024', '-I', '256', '-N', '4096');
  empty = debugfsWrite(made, ['rmdir lost+found']);
  return empty;
}
