/** Operations on descriptors. Each checks its arguments, and answers what is to be done. */
import { Buffer } from 'node:buffer';
import type { Ukfs } from '../ukfs.js';
import {
  asBytes,
  isView,
  toFd,
  toInteger,
  toMode,
  toOwner,
  toPosition,
  toTime,
  toView,
  toViews,
} from './arguments.js';
import { invalidArgType, invalidArgValue, outOfRange } from './errors.js';
import { Transfer, type Run } from './forms.js';
import { toStats } from './paths.js';

const READ_BYTES = 16384;

interface Range {
  readonly buffer?: unknown;
  readonly offset?: unknown;
  readonly length?: unknown;
  readonly position?: unknown;
}

const isObject = (value: unknown): value is Range =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readRun(u: Ukfs, fd: number, view: NodeJS.ArrayBufferView, range: Range): Run {
  const { byteLength } = view;
  const { offset: from, length: count, position: at } = range;
  const offset = from === undefined || from === null ? 0 : toInteger(from, 'offset', 0);
  const length = count === undefined ? byteLength - offset : (count as number) | 0;
  const answer = (done: number): Transfer => new Transfer('bytesRead', done, 'buffer', view);
  if (length === 0) return () => answer(0);
  if (byteLength === 0) throw invalidArgValue('buffer', view, 'is empty and cannot be written');
  if (length < 0) throw outOfRange('length', '>= 0', length);
  if (offset + length > byteLength) throw outOfRange('length', `<= ${byteLength - offset}`, length);
  const position = toPosition(at, length);
  return () => answer(u.read(fd, asBytes(view), offset, length, position));
}

function writeRun(u: Ukfs, fd: number, view: NodeJS.ArrayBufferView, range: Range): Run {
  const { byteLength } = view;
  const { offset: from, length: count, position: at } = range;
  const offset = from === undefined || from === null ? 0 : toInteger(from, 'offset', 0);
  const length = typeof count === 'number' ? count : byteLength - offset;
  if (offset > byteLength) throw outOfRange('offset', `<= ${byteLength}`, offset);
  if (length > byteLength - offset) throw outOfRange('length', `<= ${byteLength - offset}`, length);
  if (length < 0) throw outOfRange('length', '>= 0', length);
  toInteger(length, 'length', 0);
  const position = typeof at === 'number' && at >= 0 ? at : null;
  return () => {
    const done = u.write(fd, asBytes(view), offset, length, position);
    return new Transfer('bytesWritten', done, 'buffer', view);
  };
}

function writeTextRun(u: Ukfs, fd: number, text: string, at: unknown, encoding: unknown): Run {
  const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
  const bytes = Buffer.from(text, known);
  const position = typeof at === 'number' && at >= 0 ? at : null;
  return () => {
    const done = u.write(fd, bytes, 0, bytes.length, position);
    return new Transfer('bytesWritten', done, 'buffer', text);
  };
}

/** One view after the other, until one is not filled, or not written whole. */
function vectorRun(
  views: readonly NodeJS.ArrayBufferView[],
  at: unknown,
  countName: string,
  move: (bytes: Uint8Array, position: number | null) => number,
): Run {
  const start = typeof at === 'number' ? at : null;
  return () => {
    let done = 0;
    for (const view of views) {
      if (view.byteLength === 0) continue;
      const count = move(asBytes(view), start === null ? null : start + done);
      done += count;
      if (count < view.byteLength) break;
    }
    return new Transfer(countName, done, 'buffers', views);
  };
}

export const descriptorOperations = (u: Ukfs) => ({
  close(fd: unknown) {
    const file = toFd(fd);
    return () => u.close(file);
  },
  fchmod(fd: unknown, mode: unknown) {
    const file = toFd(fd);
    const bits = toMode(mode);
    return () => u.fchmod(file, bits);
  },
  fchown(fd: unknown, uid: unknown, gid: unknown) {
    const file = toFd(fd);
    const owner = [toOwner(uid, 'uid'), toOwner(gid, 'gid')] as const;
    return () => u.fchown(file, ...owner);
  },
  fdatasync(fd: unknown) {
    const file = toFd(fd);
    return () => u.fdatasync(file);
  },
  fstat(fd: unknown, options?: unknown) {
    const file = toFd(fd);
    return () => toStats(u.fstat(file), options);
  },
  fsync(fd: unknown) {
    const file = toFd(fd);
    return () => u.fsync(file);
  },
  ftruncate(fd: unknown, len?: unknown) {
    const file = toFd(fd);
    const size = Math.max(0, len === undefined ? 0 : toInteger(len, 'len'));
    return () => u.ftruncate(file, size);
  },
  futimes(fd: unknown, atime: unknown, mtime: unknown) {
    const file = toFd(fd);
    const times = [toTime(atime, 'atime'), toTime(mtime, 'mtime')] as const;
    return () => u.futimes(file, ...times);
  },
  /** (fd, buffer, offset, length, position), (fd, buffer, options), (fd, options), (fd). */
  read(fd: unknown, buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown) {
    const file = toFd(fd);
    const isAlone = buffer === undefined && offset === undefined && position === undefined;
    if (!isView(buffer) && (isObject(buffer) || isAlone)) {
      const { buffer: view = Buffer.alloc(READ_BYTES), ...range } = buffer ?? {};
      return readRun(u, file, toView(view), range);
    }
    const view = toView(buffer);
    if (isObject(offset)) return readRun(u, file, view, offset);
    // A length that is left out in the middle is none, as in Node.
    const count = length === undefined && position !== undefined ? 0 : length;
    return readRun(u, file, view, { offset, length: count, position });
  },
  readv(fd: unknown, buffers: unknown, position?: unknown) {
    const file = toFd(fd);
    return vectorRun(toViews(buffers), position, 'bytesRead', (bytes, at) =>
      u.read(file, bytes, 0, bytes.length, at),
    );
  },
  /** (fd, buffer, offset, length, position), (fd, buffer, options), (fd, text, position, encoding). */
  write(fd: unknown, buffer: unknown, offset?: unknown, length?: unknown, position?: unknown) {
    const file = toFd(fd);
    if (isView(buffer)) {
      const range = isObject(offset) ? offset : { offset, length, position };
      return writeRun(u, file, buffer, range);
    }
    if (typeof buffer !== 'string') {
      const expected = 'of type string or an instance of Buffer, TypedArray, or DataView';
      throw invalidArgType('buffer', expected, buffer);
    }
    return writeTextRun(u, file, buffer, offset, length);
  },
  writev(fd: unknown, buffers: unknown, position?: unknown) {
    const file = toFd(fd);
    return vectorRun(toViews(buffers), position, 'bytesWritten', (bytes, at) =>
      u.write(file, bytes, 0, bytes.length, at),
    );
  },
});
