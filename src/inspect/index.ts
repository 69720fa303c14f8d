/**
 * The inspector as a library; see README.md. All of it runs in a browser.
 * @module inspect
 */
export { carve, type CarvedFileSystem } from './carve.js';
export {
  check,
  checkSteps,
  FSCK,
  repair,
  type CheckResult,
  type Problem,
  type Repair,
  type Repaired,
} from './check.js';
export { convert, type Converted, type ConvertOptions } from './convert.js';
export { diff, type Difference } from './diff.js';
export { extract, type Extracted, type TargetAttributes, type TreeTarget } from './extract.js';
export { Flash, InspectError, type FlashOptions, type InspectHost } from './flash.js';
export { bodyFile, historyCsv } from './formats.js';
export { history, type EventKind, type History, type HistoryEvent } from './history.js';
export {
  filePieces,
  type DirentNode,
  type FilePiece,
  type FileType,
  type InodeNode,
  type InodeState,
} from './inode.js';
export * from './json.js';
export {
  oobBlocks,
  readNand,
  withOob,
  type NandDump,
  type NandOption,
  type NandPage,
  type OobBlock,
} from './oob.js';
export { LOST, Paths } from './paths.js';
export { VERDICTS, type BlockScan, type Pieces, type Verdict, type Walk } from './pieces.js';
export {
  recoverable,
  type DeletedName,
  type OldVersion,
  type Orphan,
  type Recoverable,
  type RecoverableContent,
  type Remains,
} from './recover.js';
export { REPORT_SCHEMA } from './schema.js';
export { State, type InodeNodes, type TreeEntry } from './state.js';
export type { Run } from './sweep.js';
export {
  blockUse,
  info,
  nodesInForce,
  type BlockKind,
  type BlockUse,
  type Info,
} from './usage.js';
export type { Xattr } from './xattrs.js';
