/** Paths without symbolic links, ".", and "..". */
import { Buffer } from 'node:buffer';
import { posix } from 'node:path';
import { UkfsError, type PathLike } from '../error.js';
import type { Ukfs } from '../ukfs.js';
import { pathBytes } from './arguments.js';

const SYMLINKS_MAX = 40;

// Bytes as Latin-1 text, so that they can be split and joined.
const toText = (path: PathLike): string => pathBytes(path).toString('latin1');
const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function absolute(u: Ukfs, path: string): string {
  if (path.startsWith('/')) return path;
  const directory = Buffer.from(u.cwdBytes()).toString('latin1');
  return path === '' ? directory : posix.join(directory, '/') + path;
}

/** As realpath(3): ".." is the parent of where a link leads. Errors name realpath and the path. */
export function realpath(u: Ukfs, path: PathLike): Buffer {
  try {
    const text = toText(path);
    if (text === '') throw new UkfsError('ENOENT', 'realpath');
    const real = resolve(u, absolute(u, text), (link) => u.readlinkBytes(link));
    return toBytes(real);
  } catch (error) {
    if (error instanceof UkfsError) throw new UkfsError(error.code, 'realpath', path);
    throw error;
  }
}

/**
 * As node:fs's own: ".." takes a name away before any link is looked at; errors are those of the
 * calls on the way.
 */
export function realpathLexical(u: Ukfs, path: PathLike): Buffer {
  const real = resolve(u, posix.resolve('/', absolute(u, toText(path))), (link) => {
    u.stat(link);
    return u.readlinkBytes(link);
  });
  return toBytes(real);
}

function resolve(u: Ukfs, path: string, readlink: (link: PathLike) => Uint8Array): string {
  let real = '';
  let symlinks = 0;
  let isDirectory = true;
  const rest = path.split('/').reverse();
  while (rest.length > 0) {
    const name = rest.pop()!;
    if (name === '' || name === '.' || name === '..') {
      // Even a slash at the end asks for a directory.
      if (!isDirectory) throw new UkfsError('ENOTDIR', 'realpath', toBytes(real));
    }
    if (name === '' || name === '.') continue;
    if (name === '..') {
      real = real.slice(0, Math.max(0, real.lastIndexOf('/')));
      continue;
    }
    const next = `${real}/${name}`;
    // The text of an error stays text.
    const bytes = toBytes(next);
    const candidate = bytes.toString('utf8') === next ? next : bytes;
    const stats = u.lstat(candidate);
    if (!stats.isSymbolicLink()) {
      isDirectory = stats.isDirectory();
      real = next;
      continue;
    }
    if (++symlinks > SYMLINKS_MAX) throw new UkfsError('ELOOP', 'realpath', candidate);
    const target = toText(readlink(candidate));
    if (target.startsWith('/')) real = '';
    rest.push(...target.split('/').reverse());
  }
  return real === '' ? '/' : real;
}
