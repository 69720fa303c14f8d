/**
 * What the inspector's JSON looks like; {@link REPORT_SCHEMA} in schema.ts is its contract. Names
 * and paths that are no UTF-8 come twice: as text, and in hexadecimal with "Hex" behind the key.
 */
import type { CheckResult, Problem } from './check.js';
import type { Difference } from './diff.js';
import type { History } from './history.js';
import type { Recoverable } from './recover.js';
import type { State, TreeEntry } from './state.js';
import { hexOf, jsonName } from './text.js';
import { CODEC_NAMES, nodeName } from './usage.js';
import {
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  R_INO,
  R_XID,
  R_XSEQNO,
  X_VERSION,
  X_XID,
} from '../jffs2/medium.js';

export const REPORT_FORMAT = 'flash_inspect';
/** Grows when a field goes away or changes its meaning; new fields may come at any time. */
export const REPORT_VERSION = 1;

/** What --json prints: the envelope of every command. Its schema is {@link REPORT_SCHEMA}. */
export interface Report {
  readonly format: typeof REPORT_FORMAT;
  readonly version: typeof REPORT_VERSION;
  readonly command: string;
  /** What was looked at. */
  readonly image: string;
  /** False: something could not be read, kept or done; `problems` says what. */
  readonly complete: boolean;
  readonly problems: readonly string[];
  readonly result: unknown;
}

/** Puts an answer into the envelope. @param problems what could not be read, kept or done */
export function report(
  command: string,
  image: string,
  result: unknown,
  problems: readonly string[] = [],
): Report {
  const complete = problems.length === 0;
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    command,
    image,
    complete,
    problems,
    result,
  };
}

/** A name of the tree, with all that is known about it. */
export function entryJson(state: State, { path, state: inode, nlink, dirent, isCycle }: TreeEntry) {
  const { ino, type, mode, uid, gid, size, atime, mtime, ctime, version, target, rdev } = inode;
  const xattrs = state.xattrs(ino);
  return {
    ...jsonName('path', path),
    ino: dirent?.ino ?? ino,
    type,
    mode: mode & 0o7777,
    uid,
    gid,
    size,
    nlink,
    atime,
    mtime,
    ctime,
    version,
    ...(target !== undefined && jsonName('target', target)),
    ...(rdev !== undefined && { major: rdev.major, minor: rdev.minor }),
    ...(xattrs.length > 0 && {
      xattrs: xattrs.map(({ name, value }) => ({
        ...jsonName('name', name),
        valueHex: hexOf(value),
      })),
    }),
    ...(inode.error !== undefined && { error: inode.error }),
    ...(isCycle && { isCycle }),
  };
}

/** A piece of the medium: a node with its fields, or what lies between nodes. */
export function pieceJson(state: State, n: number, inForce: Uint8Array) {
  const { pieces, flash } = state;
  const at = pieces.at(n);
  const type = pieces.type(n);
  const base = {
    at,
    block: Math.floor(at / flash.erasesize),
    length: pieces.length(n),
    kind: nodeName(type, pieces.isNode(n)),
    verdict: pieces.verdict(n),
    isInForce: inForce[n] === 1,
    ...(pieces.isObsolete(n) && { isObsolete: true }),
    ...(pieces.isHidden(n) && { isHidden: true }),
  };
  if (!pieces.isReadable(n)) return base;
  switch (type) {
    case JFFS2_NODETYPE_INODE: {
      const { piece: _, at: __, compr, ...fields } = state.inodeNode(n);
      return { ...base, ...fields, codec: CODEC_NAMES[compr] ?? `0x${compr.toString(16)}` };
    }
    case JFFS2_NODETYPE_DIRENT: {
      const { pino, version, ino, mctime, type: dt, name } = state.direntNode(n);
      return { ...base, pino, version, ino, mctime, dt, ...jsonName('name', name) };
    }
    case JFFS2_NODETYPE_XATTR:
      return { ...base, xid: flash.u32(at + X_XID), version: flash.u32(at + X_VERSION) };
    case JFFS2_NODETYPE_XREF:
      return {
        ...base,
        ino: flash.u32(at + R_INO),
        xid: flash.u32(at + R_XID),
        xseqno: flash.u32(at + R_XSEQNO),
      };
    default:
      return base;
  }
}

/**
 * A timeline for {@link report}: names twice, as text and, where they are no UTF-8, in
 * hexadecimal.
 */
export function historyJson({ events, limits }: History) {
  return {
    events: events.map(({ path, oldPath, ...event }) => ({
      ...event,
      ...jsonName('path', path),
      ...(oldPath !== undefined && jsonName('oldPath', oldPath)),
    })),
    limits,
  };
}

/** One of {@link recoverable}, for {@link report}. */
export function recoverableJson(item: Recoverable) {
  switch (item.kind) {
    case 'deleted name': {
      const { path, livesAs, ...rest } = item;
      return {
        ...rest,
        ...jsonName('path', path),
        livesAs: livesAs.map((name) => jsonName('path', name)),
      };
    }
    case 'old version': {
      const { path, ...rest } = item;
      return { ...rest, ...jsonName('path', path) };
    }
    default:
      return item;
  }
}

/** One finding of {@link check}, for {@link report}. */
export function problemJson({ severity, kind, at, text, isFatal, repair }: Problem) {
  return {
    severity,
    kind,
    at,
    text,
    isFatal: isFatal === true,
    isRepairable: repair !== undefined,
  };
}

/** An answer of {@link check} or {@link repair}, for {@link report}. */
export function checkJson(result: CheckResult, repaired: readonly Problem[] = []) {
  const { problems, errors, notes, isMountable, inodesChecked } = result;
  return {
    errors,
    notes,
    isMountable,
    inodesChecked,
    problems: problems.map(problemJson),
    repaired: repaired.length,
  };
}

/** One of {@link diff}, for {@link report}. */
export const differenceJson = ({ path, change, details }: Difference) => ({
  ...jsonName('path', path),
  change,
  details,
});
