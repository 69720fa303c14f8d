/** Small assertions that all cases share. */
import { expect } from 'chai';
import type { FsDriver, Path } from './driver.js';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '../../src/ukfs/flags.js';

/** The call must fail with one of these codes. */
export function fails(codes: string | readonly string[], call: () => unknown): void {
  let error: unknown;
  try {
    call();
  } catch (caught) {
    error = caught;
  }
  if (error === undefined) throw new Error(`expected ${String(codes)}, but the call succeeded`);
  const { code } = error as { code?: string };
  if (code === undefined) throw error;
  expect(typeof codes === 'string' ? [codes] : codes).to.include(code);
}

/** Bytes that differ from page to page and file to file, without a short period. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function create(fs: FsDriver, path: Path, bytes: Uint8Array = new Uint8Array(0)): void {
  withFile(fs, path, O_RDWR | O_CREAT | O_EXCL, (fd) => {
    if (bytes.length > 0) expect(fs.pwrite(fd, bytes, 0)).to.equal(bytes.length);
  });
}

export function contents(fs: FsDriver, path: Path): Buffer {
  return withFile(fs, path, O_RDONLY, (fd) => fs.pread(fd, fs.fstat(fd).size, 0));
}

export function expectContents(fs: FsDriver, path: Path, bytes: Buffer): void {
  const found = contents(fs, path);
  expect(found.length).to.equal(bytes.length);
  const differs = found.findIndex((byte, i) => byte !== bytes[i]);
  expect(differs, `first differing byte of ${path.toString()}`).to.equal(-1);
}

export function withFile<T>(fs: FsDriver, path: Path, flags: number, use: (fd: number) => T): T {
  const fd = fs.open(path, flags, 0o666);
  try {
    return use(fd);
  } finally {
    fs.close(fd);
  }
}

export function names(fs: FsDriver, path: Path): string[] {
  return fs
    .readdir(path)
    .map((entry) => entry.name)
    .sort();
}

export function exists(fs: FsDriver, path: Path): boolean {
  try {
    fs.lstat(path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false;
    throw error;
  }
}

/** A small generator for seeded interleavings: numbers below `below`. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

/** One row of a table, a row of weight 2 twice as often as one of weight 1. */
export function weighted<Row extends readonly [weight: number, ...rest: unknown[]]>(
  next: (below: number) => number,
  table: readonly Row[],
): Row {
  let left = next(table.reduce((sum, [weight]) => sum + weight, 0));
  for (const row of table) {
    left -= row[0];
    if (left < 0) return row;
  }
  throw new Error('a table without weights');
}

/**
 * Looks at everything below `top`: types of directory records agree with stat, a directory has two
 * links and one per sub-directory, a file as many as names lead to it.
 */
export function checkTree(fs: FsDriver, top = ''): void {
  const linksFound = new Map<number, number>();
  const linksTold = new Map<number, number>();
  const visit = (path: string, isTop: boolean): void => {
    let directories = 0;
    for (const { name, type } of fs.readdir(path === '' ? '/' : path)) {
      const child = path === '' ? name : `${path}/${name}`;
      const { ino, mode, nlink } = fs.lstat(child);
      if (type !== 0) expect(type, `type of ${child}`).to.equal((mode >> 12) & 15);
      if (type === 4) {
        directories++;
        visit(child, false);
      } else {
        linksFound.set(ino, (linksFound.get(ino) ?? 0) + 1);
        linksTold.set(ino, nlink);
      }
    }
    if (!isTop) expect(fs.stat(path).nlink, `links of ${path}`).to.equal(2 + directories);
  };
  visit(top, top === '');
  expect([...linksFound]).to.deep.equal([...linksTold]);
}
