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
import { fileTooLarge } from './errors.js';
import type { Run } from './forms.js';

function writeRun(u: Ukfs, path: unknown, data: unknown, options: Options, letter: string): Run {
  const { encoding, mode, flag, flush = false, signal } = options;
  const isFlushed = toBoolean(flush, 'options.flush');
  const bytes = toData(data, encoding);
  const write = (fd: number): void => {
    u.writeAll(fd, bytes);
    if (isFlushed) u.fsync(fd);
  };
  return fileRun(u, path, { flag: flag || letter, mode, signal }, write);
}

/** Runs `act` on a descriptor, or on the file of a path, which is open as long as it takes. */
function fileRun(u: Ukfs, path: unknown, options: Options, act: (fd: number) => unknown): Run {
  const { flag, mode, signal } = options;
  if (isFd(path)) {
    return () => {
      throwIfAborted(signal);
      return act(path);
    };
  }
  const at: PathLike = toPath(path);
  const flags = toFlags(flag);
  const bits = toMode(mode, 0o666);
  return () => {
    throwIfAborted(signal);
    const fd = u.open(at, flags, bits);
    try {
      return act(fd);
    } finally {
      u.close(fd);
    }
  };
}

/** What Node reads at once. */
const READ_BYTES_MAX = 2 ** 31 - 1;

export const contentOperations = (u: Ukfs) => ({
  readFile(path: unknown, options?: unknown) {
    const { encoding, flag, signal } = toOptions(options);
    const decode = (bytes: Uint8Array) => {
      const buffer = asBuffer(bytes);
      return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
    };
    return fileRun(u, path, { flag, signal }, (fd) => {
      const { size } = u.fstat(fd);
      if (size > READ_BYTES_MAX) throw fileTooLarge(size);
      return decode(u.readRest(fd));
    });
  },
  writeFile(path: unknown, data: unknown, options?: unknown) {
    return writeRun(u, path, data, toOptions(options), 'w');
  },
  appendFile(path: unknown, data: unknown, options?: unknown) {
    return writeRun(u, path, data, toOptions(options), 'a');
  },
});
