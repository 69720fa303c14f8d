/** Which nodes are in force, and with that: what each erase block holds, and the whole flash. */
import {
  H_TOTLEN,
  I_MTIME,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
} from '../jffs2/medium.js';
import { PIECE_ERASED } from './pieces.js';
import type { State } from './state.js';

export const NODE_NAMES: Readonly<Record<number, string>> = {
  [JFFS2_NODETYPE_DIRENT]: 'dirent',
  [JFFS2_NODETYPE_INODE]: 'inode',
  [JFFS2_NODETYPE_CLEANMARKER]: 'cleanmarker',
  [JFFS2_NODETYPE_PADDING]: 'padding',
  [JFFS2_NODETYPE_SUMMARY]: 'summary',
  [JFFS2_NODETYPE_XATTR]: 'xattr',
  [JFFS2_NODETYPE_XREF]: 'xref',
};

/** Names of the codecs by their number in a node. */
export const CODEC_NAMES: Readonly<Record<number, string>> = {
  0: 'none',
  1: 'zero',
  2: 'rtime',
  3: 'rubinmips',
  4: 'copy',
  5: 'dynrubin',
  6: 'zlib',
  7: 'lzo',
  8: 'lzma',
  0x15: 'lzma_nosize',
};

export const nodeName = (type: number, isNode: boolean): string =>
  !isNode
    ? type === PIECE_ERASED
      ? 'erased'
      : 'dirt'
    : (NODE_NAMES[type] ?? `unknown 0x${type.toString(16)}`);

/** Piece → is it needed for what a mount shows? Marks of deletion are; structure nodes are not. */
export function nodesInForce(state: State): Uint8Array {
  const { pieces } = state;
  const inForce = new Uint8Array(pieces.count);
  for (const { ino, inodes, dirents } of state.all.values()) {
    if (!state.isKnown(ino)) continue;
    if (inodes.length > 0) {
      const { runs, ruling } = state.inode(ino);
      if (ruling) inForce[ruling.piece] = 1;
      for (const { node } of runs) inForce[node.piece] = 1;
    }
    for (const piece of dirents) {
      const { name } = state.direntNode(piece);
      if (state.ruling(ino, name)?.piece === piece) inForce[piece] = 1;
    }
  }
  const xattrs = state.xattrNodes();
  for (let n = 0; n < pieces.count; n++) if (xattrs.has(pieces.at(n))) inForce[n] = 1;
  return inForce;
}

/** As Linux's scan sorts blocks; `bad`: marked so by the chip. */
export type BlockKind = 'blank' | 'free' | 'clean' | 'dirty' | 'garbage' | 'bad';

/** Bytes; the four kinds sum up to the block. */
export interface BlockUse {
  readonly block: number;
  /** On the flash. */
  readonly offset: number;
  readonly state: BlockKind;
  readonly usedBytes: number;
  /** Valid nodes that are out of date. */
  readonly obsoleteBytes: number;
  /** Cleanmarker, padding, summary. */
  readonly overheadBytes: number;
  readonly dirtBytes: number;
  readonly freeBytes: number;
  readonly nodes: number;
  readonly summary: 'none' | 'valid' | 'bad';
  /** Times erased, where that is known. */
  readonly eraseCount?: number;
}

/** Dirt below this is not worth collecting: Linux's ISDIRTY. */
const DIRTY_BYTES_MIN = 196;

/**
 * What each erase block holds.
 * @param inForce as nodesInForce() gives it;
 * @param eraseCounts and
 * @param isBad by block, where they are known
 */
export function blockUse(
  state: State,
  inForce: Uint8Array,
  eraseCounts?: readonly number[],
  isBad?: (block: number) => boolean,
): BlockUse[] {
  const { pieces, flash } = state;
  return state.walk.blocks.map(({ from, to, summary }, block) => {
    let used = 0;
    let obsolete = 0;
    let overhead = 0;
    let dirt = 0;
    let nodes = 0;
    const offset = block * flash.erasesize;
    const size = Math.min(flash.erasesize, flash.bytes.length - offset);
    let end = offset + size;
    for (let n = from; n < to; n++) {
      const length = pieces.length(n);
      if (!pieces.isNode(n)) {
        if (pieces.verdict(n) !== 'erased') dirt += length;
        // Erased flash is free only behind the last node.
        else if (n < to - 1) dirt += length;
        else end = pieces.at(n);
        continue;
      }
      if (pieces.isHidden(n) && pieces.at(n) < pieces.at(n - 1) + pieces.length(n - 1)) continue;
      nodes++;
      const type = pieces.type(n);
      const isStructure =
        type === JFFS2_NODETYPE_CLEANMARKER ||
        type === JFFS2_NODETYPE_PADDING ||
        type === JFFS2_NODETYPE_SUMMARY;
      if (inForce[n]) used += length;
      else if (isStructure && pieces.verdict(n) !== 'summary') overhead += length;
      else if (pieces.isReadable(n) || pieces.isScanned(n)) obsolete += length;
      else dirt += length;
    }
    const free = offset + size - end;
    const garbage = size - used - free;
    let kind: BlockKind = 'dirty';
    if (isBad?.(block)) kind = 'bad';
    else if (nodes === 0 && dirt === 0) kind = 'blank';
    else if (used === 0 && obsolete === 0 && dirt === 0 && free > 0) kind = 'free';
    else if (used === 0) kind = 'garbage';
    else if (garbage - overhead <= DIRTY_BYTES_MIN) kind = 'clean';
    const eraseCount = eraseCounts?.[block];
    return {
      block,
      offset,
      state: kind,
      usedBytes: used,
      obsoleteBytes: obsolete,
      overheadBytes: overhead,
      dirtBytes: size - used - obsolete - overhead - free,
      freeBytes: free,
      nodes,
      summary,
      ...(eraseCount !== undefined && { eraseCount }),
    };
  });
}

/** What the flash is, and what is needed to build it again. */
export interface Info {
  /** `blank`: erased flash, which a mount formats. `foreign`: nothing of jffs2 in it. */
  readonly kind: 'jffs2' | 'blank' | 'foreign';
  /** Mountable, and without a single name. */
  readonly isEmpty: boolean;
  readonly endian: 'little' | 'big';
  /** In the file. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly eraseSizeBytes: number;
  readonly isCertain: boolean;
  readonly evidence: readonly string[];
  readonly blocks: Readonly<Record<BlockKind, number>>;
  readonly usedBytes: number;
  readonly obsoleteBytes: number;
  readonly overheadBytes: number;
  readonly dirtBytes: number;
  readonly freeBytes: number;
  /** 0: there are none (NAND keeps them in its OOB). */
  readonly cleanmarkerBytes: number;
  readonly cleanmarkers: number;
  readonly summaries: number;
  /** By kind of node: how many are in force, out of date, damaged. */
  readonly nodes: Readonly<Record<string, { inForce: number; obsolete: number; damaged: number }>>;
  /** By codec: nodes, bytes stored, bytes of data. */
  readonly codecs: Readonly<
    Record<string, { nodes: number; storedBytes: number; dataBytes: number }>
  >;
  readonly names: number;
  readonly inodes: number;
  readonly highestInode: number;
  /** Seconds since 1970, of the oldest and the newest inode node; 0 when none tells. */
  readonly oldestTime: number;
  readonly newestTime: number;
  /** What is wrong, by kind. */
  readonly damage: Readonly<Record<string, number>>;
  /** A command that makes an image of this shape. */
  readonly rebuild: string;
}

/** What the flash is, as a whole. */
export function info(state: State): Info {
  const { flash, pieces } = state;
  const inForce = nodesInForce(state);
  const use = blockUse(state, inForce);
  const nodes: Record<string, { inForce: number; obsolete: number; damaged: number }> = {};
  const codecs: Record<string, { nodes: number; storedBytes: number; dataBytes: number }> = {};
  const damage: Record<string, number> = {};
  const cleanmarkerLengths = new Map<number, number>();
  let summaries = 0;
  let [oldest, newest] = [0xffffffff, 0];
  for (let n = 0; n < pieces.count; n++) {
    const verdict = pieces.verdict(n);
    const type = pieces.type(n);
    const isNode = pieces.isNode(n);
    if (verdict !== 'valid' && verdict !== 'erased' && verdict !== 'zeroed') {
      damage[verdict] = (damage[verdict] ?? 0) + 1;
    }
    if (!isNode) continue;
    const name = nodeName(type, isNode);
    nodes[name] ??= { inForce: 0, obsolete: 0, damaged: 0 };
    const counts = nodes[name];
    const isStructure = type === JFFS2_NODETYPE_CLEANMARKER || type === JFFS2_NODETYPE_PADDING;
    if (verdict !== 'valid') counts.damaged++;
    else if (
      inForce[n] ||
      (!pieces.isObsolete(n) && (isStructure || type === JFFS2_NODETYPE_SUMMARY))
    ) {
      counts.inForce++;
    } else counts.obsolete++;
    const at = pieces.at(n);
    if (type === JFFS2_NODETYPE_SUMMARY && verdict === 'valid') summaries++;
    if (type === JFFS2_NODETYPE_CLEANMARKER) {
      const length = flash.u32(at + H_TOTLEN);
      cleanmarkerLengths.set(length, (cleanmarkerLengths.get(length) ?? 0) + 1);
    }
    if (type !== JFFS2_NODETYPE_INODE || !pieces.isReadable(n)) continue;
    const node = state.inodeNode(n);
    const mtime = flash.u32(at + I_MTIME);
    if (mtime > 0) {
      oldest = Math.min(oldest, mtime);
      newest = Math.max(newest, mtime);
    }
    if (node.dsize === 0) continue;
    const codec = CODEC_NAMES[node.compr] ?? `0x${node.compr.toString(16)}`;
    codecs[codec] ??= { nodes: 0, storedBytes: 0, dataBytes: 0 };
    codecs[codec].nodes++;
    codecs[codec].storedBytes += node.csize;
    codecs[codec].dataBytes += node.dsize;
  }
  const [cleanmarkerBytes = 0, cleanmarkers = 0] =
    [...cleanmarkerLengths].sort((a, b) => b[1] - a[1])[0] ?? [];
  const sum = (key: 'usedBytes' | 'obsoleteBytes' | 'overheadBytes' | 'dirtBytes' | 'freeBytes') =>
    use.reduce((total, block) => total + block[key], 0);
  const blocks = { blank: 0, free: 0, clean: 0, dirty: 0, garbage: 0, bad: 0 };
  for (const { state: kind } of use) blocks[kind]++;
  let names = 0;
  let inodes = 0;
  let highestInode = 1;
  for (const ino of state.all.keys()) {
    highestInode = Math.max(highestInode, ino);
    if (!state.isKnown(ino)) continue;
    inodes++;
    names += state.entries(ino).length;
  }
  const isBlank = blocks.blank === use.length;
  const kind = flash.isAsDetected ? 'jffs2' : isBlank ? 'blank' : 'foreign';
  return {
    kind,
    isEmpty: kind !== 'foreign' && names === 0,
    endian: flash.endian.name,
    offset: flash.offset,
    sizeBytes: flash.bytes.length,
    eraseSizeBytes: flash.erasesize,
    isCertain: flash.certain,
    evidence: flash.evidence,
    blocks,
    usedBytes: sum('usedBytes'),
    obsoleteBytes: sum('obsoleteBytes'),
    overheadBytes: sum('overheadBytes'),
    dirtBytes: sum('dirtBytes'),
    freeBytes: sum('freeBytes'),
    cleanmarkerBytes,
    cleanmarkers,
    summaries,
    nodes,
    codecs,
    names,
    inodes,
    highestInode,
    oldestTime: newest === 0 ? 0 : oldest,
    newestTime: newest,
    damage,
    rebuild: rebuildCommand(state, codecs, cleanmarkerBytes, summaries > 0),
  };
}

function rebuildCommand(
  { flash }: State,
  codecs: Info['codecs'],
  cleanmarkerBytes: number,
  isSummed: boolean,
): string {
  const size = (bytes: number): string => (bytes % 1024 === 0 ? `${bytes / 1024}KiB` : `${bytes}`);
  const whole = Math.ceil(flash.bytes.length / flash.erasesize) * flash.erasesize;
  const words = ['mkfs.jffs2', '-r', 'FOLDER', '-o', isSummed ? 'PLAIN' : 'IMAGE'];
  words.push(flash.endian.little ? '-l' : '-b', '-e', size(flash.erasesize));
  if (cleanmarkerBytes === 0) words.push('-n');
  else if (cleanmarkerBytes !== 12) words.push('-c', String(cleanmarkerBytes));
  if ('lzo' in codecs) words.push('-X', 'lzo');
  if (!('zlib' in codecs) && Object.keys(codecs).length > 0) words.push('-x', 'zlib');
  if (!isSummed) return [...words, `--pad=${whole}`].join(' ');
  const sum = ['sumtool', flash.endian.little ? '-l' : '-b', '-e', size(flash.erasesize)];
  if (cleanmarkerBytes === 0) sum.push('-n');
  return `${words.join(' ')} && ${[...sum, '-i', 'PLAIN', '-o', 'IMAGE', '-p'].join(' ')}`;
}
