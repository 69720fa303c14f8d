/**
 * fsck for the medium: what is wrong, how bad it is, and what clearing bits can do about it.
 *
 * An *error* is something lost or inconsistent: an inode that reads EIO, a name without a file, a
 * damaged node that no power cut explains, a medium that a mount refuses. A *note* is what a mount
 * remarks and what costs nothing: a write that a power cut tore, dirt in a block of which nothing
 * is needed, damage in nodes that are out of date.
 *
 * Repairing only clears bits, as programming NOR flash does: the ACCURATE bit of a node that must
 * not be believed (it is then skipped as dirt), the end marker of a summary that lies, words that
 * are no node. What can be read before can be read after; the data stay where they are.
 */
import {
  H_TOTLEN,
  H_TYPE,
  JFFS2_COMPAT_MASK,
  JFFS2_FEATURE_INCOMPAT,
  JFFS2_FEATURE_ROCOMPAT,
  JFFS2_FEATURE_RWCOMPAT_COPY,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODE_ACCURATE,
  JFFS2_ROOT_INO,
  SUM_MARKER_SIZE,
} from '../jffs2/medium.js';
import { Flash, hex, InspectError, type FlashOptions } from './flash.js';
import { filePieces } from './inode.js';
import { State } from './state.js';
import { SUMMARY_INCOMPATIBLE } from './summary.js';
import { shown } from './text.js';
import { blockUse, nodesInForce, type BlockUse } from './usage.js';

/** fsck(8)'s exit status, bits. */
export const FSCK = {
  OK: 0,
  CORRECTED: 1,
  UNCORRECTED: 4,
  OPERATIONAL: 8,
  USAGE: 16,
  CANCELLED: 32,
} as const;

/** One finding. An error is what a mount would stumble over or lose data by. */
export interface Problem {
  readonly severity: 'error' | 'note';
  /** As in src/jffs2/damage.ts, where a mount has a word for it. */
  readonly kind: string;
  /** On the flash; -1 where there is no one place. */
  readonly at: number;
  readonly text: string;
  /** A mount of the whole medium fails because of it. */
  readonly isFatal?: true;
  /** What repairing clears; without it, nothing can be done. */
  readonly repair?: Repair;
}

/** How a finding can be put right in place: bits are only cleared, as on NOR flash. */
export type Repair =
  /** Marks the node at `at` obsolete. */
  | { readonly clear: 'node'; readonly at: number }
  /** Words that are no node become zeros, which are skipped in silence. */
  | { readonly clear: 'words'; readonly at: number; readonly length: number }
  /** The summary of an erase block is taken back: the block is scanned instead. */
  | { readonly clear: 'summary'; readonly block: number };

/** What {@link check} found. */
export interface CheckResult {
  readonly problems: readonly Problem[];
  readonly errors: number;
  readonly notes: number;
  /** A mount would refuse the medium. */
  readonly isMountable: boolean;
  readonly inodesChecked: number;
}

/** Looks at everything: node by node, and the tree. Bounded by the size of the image. */
export function check(state: State): CheckResult {
  const steps = checkSteps(state);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps, one per inode: for who shows progress, or may be told to stop. */
export function* checkSteps(
  state: State,
): Generator<{ done: number; of: number }, CheckResult, undefined> {
  const checker = new Checker(state);
  checker.pages();
  checker.blocks();
  checker.pieces();
  checker.names();
  const inodesChecked = yield* checker.inodes();
  const { problems } = checker;
  problems.sort((a, b) => a.at - b.at);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return {
    problems,
    errors,
    notes: problems.length - errors,
    isMountable: !problems.some(({ isFatal }) => isFatal),
    inodesChecked,
  };
}

class Checker {
  readonly problems: Problem[] = [];
  readonly #state: State;
  readonly #inForce: Uint8Array;
  readonly #use: readonly BlockUse[];

  constructor(state: State) {
    this.#state = state;
    this.#inForce = nodesInForce(state);
    this.#use = blockUse(state, this.#inForce);
  }

  #say(
    severity: Problem['severity'],
    kind: string,
    at: number,
    text: string,
    more: Pick<Problem, 'isFatal' | 'repair'> = {},
  ): void {
    this.problems.push({ severity, kind, at, text, ...more });
  }

  /** What the ECC of a NAND's pages says. */
  pages(): void {
    const { nand } = this.#state.flash;
    if (nand === null) return;
    const { correctedBits, uncorrectablePages, writesize } = nand;
    if (correctedBits > 0) this.#say('note', 'ecc', -1, `${correctedBits} wrong bits corrected`);
    for (const page of uncorrectablePages) {
      // The nodes of the page say by their own CRCs what is lost.
      const text = `page ${page} has more wrong bits than its ECC can correct`;
      this.#say('note', 'ecc', page * writesize, text);
    }
  }

  /** Each erase block as a whole; and is it a JFFS2 medium at all? */
  blocks(): void {
    const { flash, walk } = this.#state;
    walk.blocks.forEach(({ summary, summaryLies, falselyBlank }, block) => {
      const at = block * flash.erasesize;
      const repair: Repair = { clear: 'summary', block };
      for (const why of summaryLies) {
        const isFatal = summary === 'bad' && why === SUMMARY_INCOMPATIBLE;
        const more = isFatal ? { isFatal, repair } : { repair };
        // A summary that cannot be used costs time; one that lies hides nodes.
        const severity = summary === 'bad' && !isFatal ? 'note' : 'error';
        this.#say(severity, 'summary', at, `the summary of block ${block}: ${why}`, more);
      }
      if (falselyBlank) {
        const text = `block ${block} begins erased: a mount takes it for blank, with nodes in it`;
        this.#say('error', 'erase failed', at, text);
      }
    });
    const hasNodes = this.#hasNodes();
    const isBlank = this.#use.every(({ state }) => state === 'blank' || state === 'free');
    if (!hasNodes && !isBlank) {
      const text = 'there is no JFFS2 node in it, and it is not blank either';
      this.#say('error', 'foreign', 0, text, { isFatal: true });
    }
  }

  /** Is there anything that a mount counts as used? Cleanmarkers are, padding is not. */
  #hasNodes(): boolean {
    const { pieces } = this.#state;
    for (let n = 0; n < pieces.count; n++) {
      const type = pieces.type(n);
      const isKept =
        pieces.verdict(n) === 'unknown node' &&
        (type & JFFS2_COMPAT_MASK) === JFFS2_FEATURE_RWCOMPAT_COPY &&
        !pieces.isObsolete(n) &&
        !pieces.isHidden(n);
      const isStructure = type === JFFS2_NODETYPE_PADDING || type === JFFS2_NODETYPE_SUMMARY;
      if (isKept || (pieces.isScanned(n) && !isStructure)) return true;
    }
    return false;
  }

  /** Each piece of the medium by itself. */
  pieces(): void {
    const { pieces, walk } = this.#state;
    walk.blocks.forEach(({ from, to }, block) => {
      const isNeeded = this.#use[block]!.usedBytes > 0;
      for (let n = from; n < to; n++) {
        if (pieces.isHidden(n)) continue;
        if (pieces.isNode(n)) this.#node(n, isNeeded);
        else this.#dirt(n, isNeeded);
      }
    });
  }

  #dirt(n: number, isNeeded: boolean): void {
    const { pieces } = this.#state;
    const verdict = pieces.verdict(n);
    if (verdict === 'erased' || verdict === 'zeroed') return;
    const at = pieces.at(n);
    const length = pieces.length(n);
    const isTorn = this.#isTorn(at, length);
    const repair: Repair = { clear: 'words', at, length };
    this.#say(
      isTorn || !isNeeded ? 'note' : 'error',
      verdict,
      at,
      `${length} bytes that are no node${isTorn ? ', as a write leaves them that was cut short' : ''}`,
      { repair },
    );
  }

  #node(n: number, isNeeded: boolean): void {
    const { pieces, flash } = this.#state;
    const verdict = pieces.verdict(n);
    const type = pieces.type(n);
    const at = pieces.at(n);
    if (verdict === 'valid' || pieces.isObsolete(n) || verdict === 'bad cleanmarker') return;
    const repair: Repair =
      verdict === 'node past erase block'
        ? { clear: 'words', at, length: 4 }
        : { clear: 'node', at };
    switch (verdict) {
      case 'unknown node': {
        const compat = type & JFFS2_COMPAT_MASK;
        const text = `a node of unknown type ${hex(type)}`;
        if (compat === JFFS2_FEATURE_INCOMPAT) {
          this.#say('error', verdict, at, `${text}: no mount`, { isFatal: true, repair });
        } else if (compat === JFFS2_FEATURE_ROCOMPAT) {
          this.#say('error', verdict, at, `${text}: mounted read-only`, { repair });
        } else if (compat === 0) this.#say('note', verdict, at, text, { repair });
        return;
      }
      case 'data crc':
        // Of an inode: see what rules. Of an attribute: it is gone.
        if (type === JFFS2_NODETYPE_XATTR) {
          const isOld = !this.#isNewestDatum(n);
          this.#say(isOld ? 'note' : 'error', 'bad xattr', at, 'an attribute is damaged', {
            repair,
          });
        } else this.#damagedData(n, repair);
        return;
      case 'node past erase block':
        this.#say(
          isNeeded && !this.#isTorn(at, flash.erasesize - (at % flash.erasesize))
            ? 'error'
            : 'note',
          verdict,
          at,
          `a node of ${flash.u32(at + H_TOTLEN)} bytes that reaches over the erase block`,
          { repair },
        );
        return;
      default: {
        // Without padding, which is erased in any case.
        const isTorn = this.#isTorn(at, flash.u32(at + H_TOTLEN));
        const what = type === JFFS2_NODETYPE_SUMMARY ? 'summary' : 'node';
        const severity = isTorn || !isNeeded || what === 'summary' ? 'note' : 'error';
        const torn = isTorn ? ', as a write leaves it that was cut short' : '';
        this.#say(severity, verdict, at, `a ${what} that is damaged: ${verdict}${torn}`, {
          repair,
        });
      }
    }
  }

  #isNewestDatum(n: number): boolean {
    // Whatever is newer and valid makes this one old; attributes are few.
    const { pieces, flash } = this.#state;
    const at = pieces.at(n);
    for (let other = 0; other < pieces.count; other++) {
      if (!pieces.isScanned(other) || pieces.type(other) !== JFFS2_NODETYPE_XATTR) continue;
      const there = pieces.at(other);
      const isSame = flash.u32(there + 12) === flash.u32(at + 12);
      const isNewer = flash.u32(there + 16) > flash.u32(at + 16);
      if (isSame && isNewer && pieces.verdict(other) === 'valid') return false;
    }
    return true;
  }

  #damagedData(n: number, repair: Repair): void {
    const { pieces, flash } = this.#state;
    const node = this.#state.inodeNode(n);
    const at = pieces.at(n);
    if (node.dsize === 0) return;
    const { runs, version } = this.#state.inode(node.ino);
    // Where newer nodes cover it entirely, nothing is lost.
    let newer = 0;
    for (const run of runs) {
      if (run.node.version <= node.version) continue;
      const overlap = Math.min(run.end, node.offset + node.dsize) - Math.max(run.from, node.offset);
      if (overlap > 0) newer += overlap;
    }
    const isCovered = newer >= node.dsize || !this.#state.isKnown(node.ino);
    const isTorn = version < node.version && this.#isTorn(at, flash.u32(at + H_TOTLEN));
    const where = `inode ${node.ino}, bytes ${node.offset}…${node.offset + node.dsize}`;
    const what = isCovered ? 'out of date' : isTorn ? 'a write cut short' : 'older data shows';
    const severity = isCovered || isTorn ? 'note' : 'error';
    this.#say(severity, 'data crc', at, `${where}: damaged (${what})`, { repair });
  }

  /**
   * A write that was cut short leaves the rest of the node as it was, erased: nothing is programmed
   * behind the place where it stopped.
   */
  #isTorn(at: number, length: number): boolean {
    const { flash } = this.#state;
    const end = Math.min(flash.bytes.length, at + length);
    if (end <= at) return true;
    // Erased flash follows within the node or right behind it, up to the end of the block.
    const blockEnd = Math.min(flash.bytes.length, at - (at % flash.erasesize) + flash.erasesize);
    return (
      flash.bytes[end - 1] === 0xff || (end < blockEnd && isErased(flash.bytes, end, blockEnd))
    );
  }

  /** Names, and what they lead to. */
  names(): void {
    const state = this.#state;
    for (const dirent of state.dangling) {
      this.#say(
        'error',
        'missing inode',
        dirent.at,
        `${shown(dirent.name)} in directory ${dirent.pino} names inode ${dirent.ino}, which is gone`,
        { repair: { clear: 'node', at: dirent.at } },
      );
    }
    for (const ino of state.hardLinkedDirectories()) {
      this.#say('error', 'hard-linked directory', -1, `directory ${ino} has several names`);
    }
    const root = state.inode(JFFS2_ROOT_INO);
    if (root.type !== 'dir' || root.error !== undefined) {
      const text = `the root is no directory: ${root.error ?? root.type}`;
      this.#say('error', 'bad node', -1, text, { isFatal: true });
    }
  }

  /** Every inode that has a name: can it be read, to the last byte? @returns how many. */
  *inodes(): Generator<{ done: number; of: number }, number, undefined> {
    const state = this.#state;
    let done = 0;
    for (const { ino, inodes } of state.all.values()) {
      yield { done: ++done, of: state.all.size };
      if (!state.isKnown(ino)) continue;
      const inode = state.inode(ino);
      const at = inodes.length > 0 ? state.pieces.at(inodes[0]!) : -1;
      if (inode.error !== undefined && ino !== JFFS2_ROOT_INO) {
        this.#say('error', 'bad node', at, `inode ${ino} cannot be read: ${inode.error}`);
        continue;
      }
      for (const { bytes, node, error } of filePieces(state.flash, inode)) {
        if (bytes !== null) continue;
        const where = `inode ${ino}, bytes ${node.offset}…${node.offset + node.dsize}`;
        this.#say('error', 'bad compressed data', node.at, `${where}: ${error}`);
      }
    }
    return done;
  }
}

function isErased(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (bytes[at] !== 0xff) return false;
  return true;
}

/** What was cleared can lay bare what was behind it; it ends long before this. */
const ROUNDS_MAX = 16;

/** What {@link repair} did. */
export interface Repaired {
  readonly repaired: readonly Problem[];
  /** The state of things afterwards. */
  readonly state: State;
  readonly result: CheckResult;
}

/**
 * Repairs as much as clearing bits can, in `file` (a copy of the image, or the image).
 * @param options as for the state that was checked.
 * @throws InspectError it is a dump with OOB.
 */
export function repair(file: Uint8Array, options: FlashOptions): Repaired {
  const repaired: Problem[] = [];
  const flash = new Flash(file, options);
  if (flash.nand !== null) {
    throw new InspectError('a dump with OOB is not repaired; bring its data out with "oob" first');
  }
  // What was detected holds, whatever is cleared.
  const known: FlashOptions = {
    ...options,
    nand: false,
    erasesize: flash.erasesize,
    endian: flash.endian.name,
    offset: flash.offset,
    size: flash.bytes.length,
  };
  for (let round = 0; ; round++) {
    const state = new State(new Flash(file, known));
    const result = check(state);
    const possible = result.problems.filter((problem) => problem.repair !== undefined);
    if (possible.length === 0 || round === ROUNDS_MAX) return { repaired, state, result };
    clear(state, possible);
    repaired.push(...possible);
  }
}

/** Clears what the problems ask for, in the flash of the state. */
function clear(state: State, problems: readonly Problem[]): void {
  const { flash, walk } = state;
  const { bytes } = flash;
  const summaries = new Set<number>();
  for (const { repair: what } of problems) {
    switch (what!.clear) {
      case 'node': {
        const { at } = what!;
        const type = flash.u16(at + H_TYPE) & ~JFFS2_NODE_ACCURATE;
        flash.endian.put16(bytes, at + H_TYPE, type);
        // A summary would go on telling of it.
        summaries.add(Math.floor(at / flash.erasesize));
        break;
      }
      case 'words':
        bytes.fill(0, what!.at, what!.at + what!.length);
        break;
      default:
        summaries.add(what!.block);
    }
  }
  for (const block of summaries) {
    const { summary, from, to } = walk.blocks[block]!;
    if (summary === 'none') continue;
    const end = (block + 1) * flash.erasesize;
    bytes.fill(0, end - SUM_MARKER_SIZE, end);
    for (let n = from; n < to; n++) {
      if (!state.pieces.isNode(n)) continue;
      // What the summary hid must not come up in what could be read without it.
      const isHidden = summary === 'valid' && state.pieces.isHidden(n);
      if (state.pieces.type(n) !== JFFS2_NODETYPE_SUMMARY && !isHidden) continue;
      const at = state.pieces.at(n) + H_TYPE;
      flash.endian.put16(bytes, at, flash.u16(at) & ~JFFS2_NODE_ACCURATE);
    }
  }
}
