/** What makefs and mkfs.jffs2 share: the host's services, progress, messages, the clock. */
import { readFileSync } from 'node:fs';
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
import { readSources, type SourceRequest } from '../src/makefs/makefs.js';
import { ImageOutput } from './image_output.mjs';
import { Progress } from './progress.mjs';
import { turn } from './signals.mjs';

/** Work stops this often to see whether it was interrupted. */
const BREATH_MS = 50;

export interface ImageJob {
  /** Of the program, for messages. */
  readonly name: string;
  readonly type: FileSystemType;
  /** '-' = standard output. */
  readonly output: string;
  /** Where in the output the file system starts; what is before stays. */
  readonly offset: number;
  readonly source: Omit<SourceRequest, 'leaveOut' | 'xattrs' | 'nowSec'>;
  readonly request: Omit<MakeRequest, 'nowSec' | 'timeMaxSec'> & { readonly timeMaxSec?: number };
  /** Processors to use; undefined = all. */
  readonly jobs: number | undefined;
  /** Called with the tree before it is written. */
  readonly treeRead?: (tree: FsNode) => void;
  /** How long a phase took. */
  readonly phase?: (phase: string, ms: number) => void;
}

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
  let phaseStart = performance.now();
  const phaseEnds = (phase: string): void => {
    const now = performance.now();
    job.phase?.(phase, now - phaseStart);
    phaseStart = now;
  };

  const portable = 'portable-zlib' in job.request.options;
  const codecs: HostCodecs = portable
    ? new (await import('../src/rumpuser/portable_zlib.js')).PortableZlib()
    : nodeZlib();
  const image = new ImageOutput(job.output, job.offset);
  try {
    const tree = readSources(
      nodeSource,
      {
        ...job.source,
        leaveOut: image.traces(),
        xattrs: type.wantsXattrs(job.request.options),
        nowSec,
      },
      { readFile, note },
    );
    phaseEnds('reading the sources');
    job.treeRead?.(tree);
    const request = { ...job.request, nowSec, timeMaxSec };
    const steps = type.make(tree, image, request, {
      codecs: () => codecs,
      workers: (job.jobs ?? nodeWorkers.processors) - 1,
      startWorkers: (count, module, data, slow) => nodeWorkers.start(count, module, data, slow),
      readFile,
      note,
    });
    let breath = phaseStart;
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      progress.update(step.value.doneBytes, step.value.allBytes);
      const now = performance.now();
      if (now - breath < BREATH_MS) continue;
      await turn();
      breath = now;
    }
    await image.close();
    phaseEnds(`making the ${type.name} image`);
    const report = step.value;
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
