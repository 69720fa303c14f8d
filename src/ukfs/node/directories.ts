/** Directories and those above them, as Node makes them. */
import { Buffer } from 'node:buffer';
import { posix } from 'node:path';
import { UkfsError, type PathLike } from '../error.js';
import type { Ukfs } from '../ukfs.js';
import { pathBytes } from './arguments.js';
import { asCall } from './paths.js';

/** mkdir with `recursive`. @returns the first directory that was made, or undefined. */
export function makeDirectories(u: Ukfs, path: PathLike, mode: number): string | undefined {
  const isText = typeof path === 'string';
  const text = pathBytes(path).toString('latin1');
  const toNative = (part: string): PathLike => {
    const bytes = Buffer.from(part, 'latin1');
    return isText ? bytes.toString('utf8') : bytes;
  };
  if (text === '') throw new UkfsError('ENOENT', 'mkdir', path);
  const missing: string[] = [text];
  let first: string | undefined;
  while (missing.length > 0) {
    const part = missing.at(-1)!;
    try {
      u.mkdir(toNative(part), mode);
      first ??= part;
      missing.pop();
    } catch (error) {
      if (!(error instanceof UkfsError)) throw error;
      const parent = posix.dirname(part);
      if (error.code === 'ENOENT' && parent !== part) {
        missing.push(parent);
        continue;
      }
      if (error.code !== 'EEXIST' && error.code !== 'EBUSY') {
        throw new UkfsError(error.code, 'mkdir', path);
      }
      const stats = asCall('mkdir', [path], () => u.stat(toNative(part)));
      if (!stats.isDirectory()) {
        throw new UkfsError(part === text ? 'EEXIST' : 'ENOTDIR', 'mkdir', path);
      }
      missing.pop();
    }
  }
  return first === undefined ? undefined : Buffer.from(first, 'latin1').toString('utf8');
}
