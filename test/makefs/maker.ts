/** Makes images in this process, as the programs do. */
import { readFileSync } from 'node:fs';
import type {
  FileSystemType,
  MakeOptionValues,
  MakeReport,
  MakeRequest,
} from '../../src/makefs/filesystem_type.js';
import type { FsNode } from '../../src/makefs/fsnode.js';
import { jffs2Type } from '../../src/makefs/jffs2.js';
import { readSources, type SourceRequest } from '../../src/makefs/makefs.js';
import type { HostSource } from '../../src/rumpuser/host_source.js';
import { nodeSource } from '../../src/rumpuser/node_source.js';
import { nodeWorkers } from '../../src/rumpuser/node_workers.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { GrowableBytes } from '../../src/rumpuser/growable_bytes.js';
import type { MountImageOptions } from '../images/mount.js';
import { mountImage } from '../images/mount.js';
import type { Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';

export interface MakeOptions {
  /** Default: jffs2. */
  readonly type?: FileSystemType;
  readonly options?: MakeOptionValues;
  readonly byteOrder?: 'little' | 'big';
  readonly workers?: number;
  readonly nowSec?: number;
  readonly timeMaxSec?: number;
  readonly minimumSizeBytes?: number;
  readonly maximumSizeBytes?: number;
  readonly free?: { readonly blocks: number } | { readonly percent: number };
  readonly freeFiles?: MakeRequest['freeFiles'];
  readonly sectorBytes?: number;
  readonly source?: Partial<SourceRequest>;
  readonly host?: HostSource;
}

export interface Made {
  readonly bytes: Uint8Array;
  readonly report: MakeReport;
  readonly notes: readonly string[];
  readonly tree: FsNode;
}

export const readFile = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(Buffer.from(path, 'latin1')));

/** @throws MakefsError */
export function make(sources: readonly string[], wanted: MakeOptions = {}): Made {
  const { type = jffs2Type, options = {}, nowSec = 1_700_000_000 } = wanted;
  const notes: string[] = [];
  const note = (line: string): void => {
    notes.push(line);
  };
  const tree = readSources(
    wanted.host ?? nodeSource,
    {
      sources,
      specification: undefined,
      exclude: false,
      replace: false,
      userDatabase: '/etc',
      leaveOut: new Map(),
      xattrs: type.wantsXattrs(options),
      nowSec,
      ...wanted.source,
    },
    { readFile, note },
  );
  const image = new GrowableBytes(new Uint8Array(0));
  const steps = type.make(
    tree,
    {
      read: (buffer, at, length, position) => image.read(buffer, at, length, position),
      write: (buffer, at, length, position) => image.write(buffer, at, length, position),
      truncate: (sizeBytes) => image.resize(sizeBytes),
    },
    {
      byteOrder: wanted.byteOrder ?? 'little',
      options,
      minimumSizeBytes: wanted.minimumSizeBytes ?? 0,
      maximumSizeBytes: wanted.maximumSizeBytes ?? Number.POSITIVE_INFINITY,
      free: wanted.free ?? { blocks: 0 },
      freeFiles: wanted.freeFiles ?? { files: 0 },
      sectorBytes: wanted.sectorBytes ?? 512,
      nowSec,
      timeMaxSec: wanted.timeMaxSec ?? Number.POSITIVE_INFINITY,
    },
    {
      codecs: () => nodeZlib(),
      workers: wanted.workers ?? 0,
      startWorkers: (count, module, data, portable) =>
        nodeWorkers.start(count, module, data, portable),
      readFile,
      note,
    },
  );
  let step = steps.next();
  while (!step.done) step = steps.next();
  return { bytes: image.view(), report: step.value, notes, tree };
}

/** What lump's own driver finds in an image. */
export function treeIn(bytes: Uint8Array, options: MountImageOptions): Tree {
  const mounted = mountImage(bytes, { ...options, readOnly: true });
  const tree = ukfsTree(mounted.ukfs);
  mounted.ukfs.unmount();
  if (mounted.lump.warnings > 0) throw new Error(`${mounted.lump.warnings} warnings`);
  return tree;
}
