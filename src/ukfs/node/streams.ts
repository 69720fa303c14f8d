/**
 * Streams: Node's own classes, which take another file system's open, read, write and close by
 * their documented option `fs`. So highWaterMark, start, end, flags, autoClose, emitClose and
 * signal are Node's.
 */
import * as nodeFs from 'node:fs';

type StreamOptions = string | Readonly<Record<string, unknown>> | null | undefined;

/** The functions with callbacks that streams call. */
export type StreamFunctions = Readonly<
  Record<'open' | 'close' | 'read' | 'write' | 'writev' | 'fsync', unknown>
>;

/** @throws Node's errors for options that are neither text nor an object. */
function withFs(options: StreamOptions, fs: StreamFunctions): object {
  if (options === null || options === undefined) return { fs };
  if (typeof options === 'string') return { encoding: options, fs };
  // What is wrong is refused by the stream itself.
  return typeof options === 'object' ? { ...options, fs } : options;
}

interface StreamClass<S> {
  new (path: nodeFs.PathLike, options?: StreamOptions): S;
}

/** ReadStream and WriteStream of one file system. */
export function streamClasses(fs: StreamFunctions): {
  ReadStream: StreamClass<nodeFs.ReadStream>;
  WriteStream: StreamClass<nodeFs.WriteStream>;
} {
  // Typed as abstract to outsiders, these constructors are public: fs.ReadStream(path, options).
  const Read = nodeFs.ReadStream as unknown as new (path: unknown, options: object) => object;
  const Write = nodeFs.WriteStream as unknown as typeof Read;
  class ReadStream extends Read {
    constructor(path: unknown, options?: StreamOptions) {
      super(path, withFs(options, fs));
    }
  }
  class WriteStream extends Write {
    constructor(path: unknown, options?: StreamOptions) {
      super(path, withFs(options, fs));
    }
  }
  return {
    ReadStream: ReadStream as unknown as StreamClass<nodeFs.ReadStream>,
    WriteStream: WriteStream as unknown as StreamClass<nodeFs.WriteStream>,
  };
}
