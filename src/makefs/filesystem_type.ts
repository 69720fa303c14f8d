/**
 * The seam between the phases. Phases 1 and 2 (walk.ts, apply_spec.ts) make a tree that knows
 * nothing of any file system; phases 3 and 4 belong to a type: it checks the tree, chooses a size,
 * makes the file system and fills it. jffs2 writes its nodes itself; a type that has a driver may
 * make an empty image and copy the tree in through it.
 */
import type { HostCodecs, HostFile } from '../rumpuser/rumpuser.js';
import type { FsNode } from './fsnode.js';

/** A word after -o. Rows are data: help texts and manual pages are made from them. */
export interface MakeOption {
  /** As in "-o NAME" or "-o NAME=VALUE"; mkfs programs have it as --NAME. */
  readonly name: string;
  /** The mkfs program's short letter. */
  readonly short?: string;
  /** What its value is called; absent: it has none. "[N]" in brackets: it may be left out. */
  readonly value?: string;
  /** It may be given several times, and all count. */
  readonly many?: true;
  readonly meaning: string;
}

/** Values by name: `true` for a word without one, an array where there may be many. */
export type MakeOptionValues = Readonly<Record<string, string | true | readonly string[]>>;

export interface MakeRequest {
  readonly byteOrder: 'little' | 'big';
  readonly options: MakeOptionValues;
  /** Bytes. Exact: both minimum and maximum. */
  readonly minimumSizeBytes: number;
  readonly maximumSizeBytes: number;
  /** Free space to leave: a number of blocks, or per cent of the image. */
  readonly free: { readonly blocks: number } | { readonly percent: number };
  /** Inodes to leave: a number, or per cent of all. */
  readonly freeFiles: { readonly files: number } | { readonly percent: number };
  /** The image is a multiple of it. */
  readonly sectorBytes: number;
  readonly nowSec: number;
  /** No time in the image is later; Infinity = none is changed. */
  readonly timeMaxSec: number;
}

/** What the host lends to phases 3 and 4. */
export interface MakeServices {
  /** @param portable the same bytes on every host, rather than the fastest */
  codecs(portable: boolean): HostCodecs;
  /** Threads to compress on besides the caller's; 0 = none. */
  readonly workers: number;
  startWorkers(count: number, module: string, data: unknown, portable: boolean): void;
  readFile(path: string): Uint8Array;
  /** A line for the user that is no error. */
  note(line: string): void;
}

/** How far it is: bytes of file data. */
export interface MakeProgress {
  readonly doneBytes: number;
  readonly allBytes: number;
}

export interface MakeReport {
  readonly sizeBytes: number;
  /** Lines for who asked for details. */
  readonly statistics: readonly string[];
}

/** What can be written to from beginning to end. */
export type SequentialFile = Pick<HostFile, 'write'>;

/**
 * The image: written at any place, from the start of the file system. What can only be written from
 * beginning to end, a pipe, throws a MakefsError at the other two, and at a write elsewhere.
 */
export type ImageFile = Pick<HostFile, 'read' | 'write' | 'truncate'>;

export interface FileSystemType {
  readonly name: string;
  readonly options: readonly MakeOption[];
  readonly byteOrders: readonly MakeRequest['byteOrder'][];
  /** Those of makefs's letters that some types have no use for, and this one has. */
  readonly letters: readonly ('f' | 'S' | 'Z')[];
  /** Whether extended attributes will be asked of the tree. @throws MakefsError bad options */
  wantsXattrs(options: MakeOptionValues): boolean;
  /**
   * Works in steps of some milliseconds, so that who runs it can show progress, and can stop it.
   * @throws MakefsError the tree or the options do not go with this type; HostError
   */
  make(
    tree: FsNode,
    image: ImageFile,
    request: MakeRequest,
    host: MakeServices,
  ): Generator<MakeProgress, MakeReport, undefined>;
}
