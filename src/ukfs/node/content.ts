/** Operations on whole contents, by path or by descriptor. */
import type { PathLike } from '../error.js';
import type { Ukfs } from '../ukfs.js';
import {
  asBuffer,
  isFd,
  throwIfAborted,
  toBoolean,
  toData,
  toFlags,
  toMode,
  toOptions,
  toPath,
  type Options,
} from './arguments.js';
import type { Run } from './forms.js';

function writeRun(u: Ukfs, path: unknown, data: unknown, options: Options, letter: string): Run {
  const { encoding, mode, flag, flush = false, signal } = options;
  const isFlushed = toBoolean(flush, 'options.flush');
  const bytes = toData(data, encoding);
  const write = (fd: number): void => {
    u.writeAll(fd, bytes);
    if (isFlushed) u.fsync(fd);
  };
  if (isFd(path)) {
    return () => {
      throwIfAborted(signal);
      write(path);
    };
  }
  const at: PathLike = toPath(path);
  const flags = toFlags(flag || letter);
  const bits = toMode(mode, 0o666);
  return () => {
    throwIfAborted(signal);
    const fd = u.open(at, flags, bits);
    try {
      write(fd);
    } finally {
      u.close(fd);
    }
  };
}

export const contentOperations = (u: Ukfs) => ({
  readFile(path: unknown, options?: unknown) {
    const { encoding, flag, signal } = toOptions(options);
    const decode = (bytes: Uint8Array) => {
      const buffer = asBuffer(bytes);
      return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
    };
    if (isFd(path)) {
      return () => {
        throwIfAborted(signal);
        u.fstat(path);
        return decode(u.readRest(path));
      };
    }
    const at = toPath(path);
    const flags = toFlags(flag);
    return () => {
      throwIfAborted(signal);
      return decode(u.readFile(at, flags));
    };
  },
  writeFile(path: unknown, data: unknown, options?: unknown) {
    return writeRun(u, path, data, toOptions(options), 'w');
  },
  appendFile(path: unknown, data: unknown, options?: unknown) {
    return writeRun(u, path, data, toOptions(options), 'a');
  },
});
