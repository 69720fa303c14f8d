/** What makefs and mkfs.jffs2 share: the image file, the host's services, messages, the clock. */
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
  ftruncateSync,
} from 'node:fs';
import { HostError, type HostCodecs } from '../src/rumpuser/rumpuser.js';
import { nodeSource } from '../src/rumpuser/node_source.js';
import { nodeWorkers } from '../src/rumpuser/node_workers.js';
import { nodeZlib } from '../src/rumpuser/node_zlib.js';
import type { OutputConfiguration } from 'commander';
import type {
  FileSystemType,
  MakeOption,
  MakeReport,
  MakeRequest,
} from '../src/makefs/filesystem_type.js';
import { type FsNode, MakefsError } from '../src/makefs/fsnode.js';
import { makeFileSystem, readSources, type SourceRequest } from '../src/makefs/makefs.js';
import { Progress } from './progress.mjs';

const STDOUT = 1;

export interface ImageJob {
  /** Of the program, for messages. */
  readonly name: string;
  readonly type: FileSystemType;
  /** '-' = standard output. */
  readonly output: string;
  /** Where in the output the file system starts; what is before stays. */
  readonly offset: number;
  readonly source: Omit<SourceRequest, 'imageIdentity' | 'xattrs' | 'nowSec'>;
  readonly request: Omit<MakeRequest, 'nowSec' | 'timeMaxSec'> & { readonly timeMaxSec?: number };
  /** Processors to use; undefined = all. */
  readonly jobs: number | undefined;
  /** Called with the tree before it is written. */
  readonly treeRead?: (tree: FsNode) => void;
  /** How long a phase took. */
  readonly phase?: (phase: string, ms: number) => void;
}

/** Paths from the command line, as bytes: what is no UTF-8 there Node has replaced already. */
export const toBytes = (path: string): string => Buffer.from(path).toString('latin1');

/** @throws MakefsError, HostError */
export async function makeImage(job: ImageJob): Promise<MakeReport> {
  const { name, type } = job;
  const epoch = sourceDateEpoch();
  const nowSec = epoch ?? Math.floor(Date.now() / 1000);
  const timeMaxSec = Math.min(
    job.request.timeMaxSec ?? Number.POSITIVE_INFINITY,
    epoch ?? Number.POSITIVE_INFINITY,
  );
  const progress = new Progress(name);
  const noted = new Set<string>();
  const note = (line: string): void => {
    if (noted.has(line)) return;
    noted.add(line);
    progress.clear();
    process.stderr.write(`${name}: ${line}\n`);
  };
  const readFile = (path: string): Uint8Array => {
    try {
      const bytes = readFileSync(Buffer.from(path, 'latin1'));
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (error) {
      throw new MakefsError((error as Error).message);
    }
  };
  const timed = <T,>(phase: string, call: () => T): T => {
    const start = performance.now();
    const result = call();
    job.phase?.(phase, performance.now() - start);
    return result;
  };

  const portable = 'portable-zlib' in job.request.options;
  const codecs: HostCodecs = portable
    ? new (await import('../src/rumpuser/portable_zlib.js')).PortableZlib()
    : nodeZlib();
  const image = new ImageOutput(job.output, job.offset);
  try {
    const tree = timed('reading the sources', () =>
      readSources(
        nodeSource,
        {
          ...job.source,
          imageIdentity: image.identity(),
          xattrs: type.wantsXattrs(job.request.options),
          nowSec,
        },
        { readFile, note },
      ),
    );
    job.treeRead?.(tree);
    const request = { ...job.request, nowSec, timeMaxSec };
    const report = timed(`making the ${type.name} image`, () =>
      makeFileSystem(type, tree, image, request, {
        codecs: () => codecs,
        workers: (job.jobs ?? nodeWorkers.processors) - 1,
        startWorkers: (count, module, data, slow) => nodeWorkers.start(count, module, data, slow),
        readFile,
        progress: (done, all) => progress.update(done, all),
        note,
      }),
    );
    image.close();
    return report;
  } catch (error) {
    image.abandon();
    throw error;
  } finally {
    progress.clear();
  }
}

/** "-e, --eraseblock <SIZE>" */
export function optionFlags({ name, short, value }: MakeOption): string {
  const letter = short === undefined ? '' : `-${short}, `;
  const word = value === undefined ? '' : value.startsWith('[') ? ` ${value}` : ` <${value}>`;
  return `${letter}--${name}${word}`;
}

/** commander's messages in the form of ours. */
export const usageOutput = (name: string): OutputConfiguration => ({
  outputError: (text, write) => {
    write(`${text.replace(/^error: /, `${name}: `).replace(/\.?\s*$/, '')}; see ${name} --help\n`);
  },
});

/** @throws MakefsError */
export function parseJobs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new MakefsError(`--jobs ${text}: expected 1 or more`);
  return Number(text);
}

/** Says what went wrong. @returns the exit status @throws what is a mistake of ours */
export function failure(name: string, error: unknown): number {
  if (!(error instanceof MakefsError) && !(error instanceof HostError)) throw error;
  process.stderr.write(`${name}: ${error.message}\n`);
  return 1;
}

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function sourceDateEpoch(): number | undefined {
  const text = process.env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new MakefsError(`SOURCE_DATE_EPOCH is "${text}", and no number of seconds since 1970`);
  }
  return Number(text);
}

/** Opened with the first write: as long as the source is found wanting, an old image stays. */
export class ImageOutput {
  private readonly path: string;
  private readonly offset: number;
  private fd = -1;
  private position = 0;

  constructor(path: string, offset: number) {
    this.path = path;
    this.offset = offset;
    if (path === '-' && offset > 0) {
      throw new MakefsError('an offset needs a file, not standard output');
    }
  }

  /** As HostSourceStat has it; undefined for a file that is not there yet. */
  identity(): string | undefined {
    try {
      return this.path === '-' ? undefined : nodeSource.stat(toBytes(this.path)).identity;
    } catch {
      return undefined;
    }
  }

  write(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    this.open();
    const sequential = this.path === '-';
    if (sequential && position !== this.position) {
      throw new MakefsError('this type of file system cannot be written to standard output');
    }
    for (let done = 0; done < length; ) {
      const at = sequential ? null : this.offset + position + done;
      try {
        done += writeSync(this.fd, buffer, bufferOffset + done, length - done, at);
      } catch (error) {
        // A pipe whose other end is slow, and which somebody set to not waiting.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw this.failed(error);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
    this.position = position + length;
  }

  close(): void {
    this.open();
    if (this.path !== '-') closeSync(this.fd);
  }

  /** Half an image is worse than none. */
  abandon(): void {
    if (this.fd < 0 || this.path === '-') return;
    closeSync(this.fd);
    if (this.offset === 0 && statSync(this.path).isFile()) rmSync(this.path);
  }

  private open(): void {
    if (this.fd >= 0) return;
    if (this.path === '-') {
      this.fd = STDOUT;
      return;
    }
    try {
      // A device is only written to, a file also made and emptied.
      const isFile = statSync(this.path, { throwIfNoEntry: false })?.isFile() !== false;
      const { O_RDWR, O_CREAT, O_WRONLY } = constants;
      this.fd = openSync(this.path, isFile ? O_RDWR | O_CREAT : O_WRONLY, 0o666);
      if (isFile && this.offset === 0) ftruncateSync(this.fd, 0);
    } catch (error) {
      throw this.failed(error);
    }
  }

  private failed(error: unknown): unknown {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === undefined ? error : new MakefsError(message);
  }
}
