/** What each command of flash_inspect does. */
import { carve } from '../src/inspect/carve.js';
import { checkSteps, FSCK, repair, type CheckResult } from '../src/inspect/check.js';
import { convert } from '../src/inspect/convert.js';
import { diff } from '../src/inspect/diff.js';
import { extract, writeFile, type Extracted, type TreeTarget } from '../src/inspect/extract.js';
import { Flash, hex, InspectError } from '../src/inspect/flash.js';
import { bodyFile, historyCsv } from '../src/inspect/formats.js';
import { history } from '../src/inspect/history.js';
import { filePieces, type InodeState } from '../src/inspect/inode.js';
import {
  checkJson,
  differenceJson,
  entryJson,
  historyJson,
  pieceJson,
  recoverableJson,
} from '../src/inspect/json.js';
import { oobBlocks, withOob, type NandOption } from '../src/inspect/oob.js';
import { Paths } from '../src/inspect/paths.js';
import { recoverable, recoverableText, type Recoverable } from '../src/inspect/recover.js';
import { State, type TreeEntry } from '../src/inspect/state.js';
import { hexOf, isoTime, modeText, pathBytes, shown } from '../src/inspect/text.js';
import { blockUse, info, nodesInForce } from '../src/inspect/usage.js';
import { Endian } from '../src/jffs2/medium.js';
import { read_sidecar, replay_journal, sidecar_path } from '../src/mtd/sidecar.js';
import { HostTree } from '../src/rumpuser/node_tree.js';
import { EXIT, foreignText, Interrupted, refuseForeign, type Run } from './inspect_run.mjs';

const kib = (bytes: number): string => (bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`);

const damageOf = (damage: Readonly<Record<string, number>>): string =>
  Object.entries(damage)
    .map(([kind, count]) => `${count} × ${kind}`)
    .join(', ');

/** info: what it is, and why we think so. */
export function infoAction(run: Run): number {
  const state = run.open();
  const found = info(state);
  const { kind, sizeBytes, eraseSizeBytes, offset } = found;
  const what = { jffs2: 'JFFS2', blank: 'blank flash', foreign: 'no JFFS2' }[kind];
  run.line(`${run.image}: ${what}${kind === 'jffs2' && found.isEmpty ? ', valid and empty' : ''}`);
  for (const sentence of found.evidence) run.line(`  ${sentence}`);
  const blocks = Object.entries(found.blocks).filter(([, count]) => count > 0);
  run.line(
    `flash: ${sizeBytes} bytes from ${hex(offset)} on, ${state.flash.blocks} erase blocks of ` +
      `${kib(eraseSizeBytes)}: ${blocks.map(([name, count]) => `${count} ${name}`).join(', ')}`,
  );
  run.line(
    `bytes: ${found.usedBytes} in force, ${found.obsoleteBytes} out of date, ` +
      `${found.overheadBytes} structure, ${found.dirtBytes} dirt, ${found.freeBytes} free`,
  );
  for (const [name, count] of Object.entries(found.nodes)) {
    const damaged = count.damaged > 0 ? `, ${count.damaged} damaged` : '';
    run.line(`nodes: ${name}: ${count.inForce} in force, ${count.obsolete} out of date${damaged}`);
  }
  for (const [name, { nodes, storedBytes, dataBytes }] of Object.entries(found.codecs)) {
    run.line(`data: ${name}: ${nodes} nodes, ${dataBytes} bytes in ${storedBytes}`);
  }
  run.line(
    `cleanmarkers: ${found.cleanmarkers === 0 ? 'none' : `${found.cleanmarkers} of ${found.cleanmarkerBytes} bytes`}; ` +
      `summaries: ${found.summaries}`,
  );
  run.line(`tree: ${found.names} names, ${found.inodes} inodes, the highest ${found.highestInode}`);
  if (found.newestTime > 0) {
    run.line(`written: ${isoTime(found.oldestTime)} to ${isoTime(found.newestTime)}`);
  }
  run.line(`damage: ${damageOf(found.damage) || 'none'}`);
  if (kind === 'jffs2') run.line(`to build such an image: ${found.rebuild}`);
  if (kind === 'foreign') run.problem(foreignText(state.flash, run.image));
  return run.finish(found);
}

function longLine({ path, state: inode, nlink }: TreeEntry): string {
  const { type, mode, uid, gid, size, mtime, rdev, target } = inode;
  const extent = rdev ? `${rdev.major}, ${rdev.minor}` : String(size);
  const arrow = target === undefined ? '' : ` -> ${shown(target)}`;
  const head = `${modeText(type, mode)} ${String(nlink).padStart(3)} ${uid}:${gid}`.padEnd(28);
  return `${head} ${extent.padStart(10)} ${isoTime(mtime).padEnd(20)} ${shown(path)}${arrow}`;
}

/** The entry of a path that the user typed. @throws InspectError there is none. */
function findPath(state: State, text: string): TreeEntry {
  const entry = state.find(pathBytes(text));
  if (entry === undefined) {
    throw new InspectError(`${text}: no such name; "flash_inspect ls -R" lists what there is`);
  }
  return entry;
}

/** ls: the tree as a mount shows it. */
export function lsAction(
  run: Run,
  path: string,
  options: { long?: true; recursive?: true },
): number {
  const state = run.openJffs2();
  const start = findPath(state, path);
  const entries: unknown[] = [];
  const show = (entry: TreeEntry): void => {
    const { error } = entry.state;
    if (error !== undefined) run.problem(`${shown(entry.path)}: cannot be read: ${error}`);
    if (entry.isCycle) run.problem(`${shown(entry.path)}: a directory that is above itself`);
    if (run.json) entries.push(entryJson(state, entry));
    else run.line(options.long ? longLine(entry) : shown(entry.path));
  };
  const isDirectory = start.state.type === 'dir' && start.state.error === undefined;
  if (!isDirectory) show(start);
  else {
    const ino = start.dirent?.ino ?? start.state.ino;
    for (const entry of state.tree(ino, start.path, options.recursive ? Infinity : 1)) {
      if (entry.path !== start.path) show(entry);
    }
  }
  for (const { name, pino, ino } of state.dangling) {
    run.problem(`${shown(name)} in directory ${pino}: its inode ${ino} is gone`);
  }
  return run.finish({ entries });
}

/** cat: a file's bytes, of now or of an earlier version. */
export async function catAction(
  run: Run,
  path: string | undefined,
  options: { inode?: number; atVersion?: number },
): Promise<number> {
  const state = run.openJffs2();
  if ((path === undefined) === (options.inode === undefined)) {
    throw new InspectError('give either a path or --inode');
  }
  const ino = options.inode ?? findPath(state, path!).state.ino;
  const isOld = options.atVersion !== undefined || options.inode !== undefined;
  const inode = isOld ? state.inodeAt(ino, options.atVersion ?? Infinity) : state.inode(ino);
  if (inode.error !== undefined) throw new InspectError(`inode ${ino}: ${inode.error}`);
  if (inode.type === 'dir') throw new InspectError(`${path ?? `inode ${ino}`} is a directory`);
  const chunks: Uint8Array[] = [];
  const put = async (bytes: Uint8Array): Promise<void> => {
    if (run.json) chunks.push(bytes.slice());
    else if (!process.stdout.write(bytes.slice())) {
      await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
  };
  if (inode.target !== undefined) await put(Buffer.from(inode.target, 'latin1'));
  let at = 0;
  const zeros = async (to: number): Promise<void> => {
    for (; at < to; at = Math.min(to, at + ZEROS.length)) await put(ZEROS.subarray(0, to - at));
  };
  if (inode.type === 'file') {
    for (const { from, end, bytes, error } of filePieces(state.flash, inode)) {
      if (bytes === null) {
        run.problem(`bytes ${from}…${end} cannot be read and are zeros: ${error}`);
        continue;
      }
      await zeros(from);
      await put(bytes);
      at = end;
    }
    await zeros(inode.size);
  }
  return run.finish({ size: inode.size, contentHex: hexOf(Buffer.concat(chunks)) });
}

const ZEROS = new Uint8Array(1 << 16);

interface ExtractOptions {
  readonly path?: string;
  readonly owner?: boolean;
  readonly special?: boolean;
}

async function bringOut(
  run: Run,
  steps: Generator<Extracted, void, undefined>,
  target: HostTree,
  folder: string,
): Promise<{ names: number; bytes: number; target: string }> {
  const sum = { names: 0, bytes: 0, target: folder };
  try {
    await run.steps(
      steps,
      ({ path, bytes, problems }) => {
        sum.names++;
        sum.bytes += bytes;
        for (const problem of problems) run.problem(`${shown(path)}: ${problem}`);
      },
      () => ['extracting', sum.names, 0],
    );
  } catch (error) {
    if (error instanceof Interrupted) run.trouble(`only ${sum.names} names are in ${folder}`);
    throw error;
  } finally {
    target.close();
  }
  return sum;
}

const treeOptions = ({ owner, special }: ExtractOptions) => ({
  ...(owner === false && { keepOwners: false }),
  ...(special === false && { keepSpecial: false }),
});

/** extract: the tree, into a directory of the host. */
export async function extractAction(
  run: Run,
  folder: string,
  options: ExtractOptions,
): Promise<number> {
  const state = run.openJffs2();
  const start = findPath(state, options.path ?? '.');
  for (const { name, pino, ino } of state.dangling) {
    run.problem(`${shown(name)} in directory ${pino}: its inode ${ino} is gone`);
  }
  const target: HostTree & TreeTarget = new HostTree(folder, treeOptions(options));
  const sum = await bringOut(run, extract(state, target, start.path), target, folder);
  run.line(`${sum.names} names, ${sum.bytes} bytes in ${folder}`);
  return run.finish(sum);
}

/** nodes: every piece of the medium. */
export function nodesAction(run: Run, options: { inode?: number; all?: true }): number {
  const state = run.open();
  const { pieces } = state;
  const inForce = nodesInForce(state);
  const nodes: unknown[] = [];
  let shownNodes = 0;
  for (let n = 0; n < pieces.count; n++) {
    if (!options.all && !pieces.isNode(n)) continue;
    const node = pieceJson(state, n, inForce);
    if (options.inode !== undefined && !isOfInode(node, options.inode)) continue;
    shownNodes++;
    if (run.json) nodes.push(node);
    else run.line(nodeLine(node));
  }
  if (shownNodes === 0 && options.inode !== undefined) {
    run.problem(`inode ${options.inode}: no node on the flash`);
  }
  return run.finish({ nodes });
}

function isOfInode(node: object, ino: number): boolean {
  const { ino: own, pino } = node as { ino?: number; pino?: number };
  return own === ino || pino === ino;
}

const NODE_HEAD = [
  'at',
  'block',
  'length',
  'kind',
  'verdict',
  'isInForce',
  'isObsolete',
  'isHidden',
];

function nodeLine(node: ReturnType<typeof pieceJson>): string {
  const marks = [
    node.isInForce ? 'in force' : '',
    'isObsolete' in node ? 'marked obsolete' : '',
    'isHidden' in node ? 'hidden' : '',
    node.verdict === 'valid' ? '' : node.verdict,
  ].filter((mark) => mark !== '');
  const fields = Object.entries(node)
    .filter(([key]) => !NODE_HEAD.includes(key) && key !== 'nameHex')
    .map(([key, value]) => `${key} ${typeof value === 'string' ? shownText(value) : value}`);
  const place = `0x${node.at.toString(16).padStart(8, '0')}`;
  return `${place} ${String(node.length).padStart(6)} ${node.kind.padEnd(11)} ${fields.join(', ')}${
    marks.length > 0 ? ` [${marks.join(', ')}]` : ''
  }`;
}

const shownText = (text: string): string => shown(pathBytes(text));

/** blocks: state and bytes of each erase block, and its wear where a sidecar tells it. */
export function blocksAction(run: Run): number {
  const state = run.open();
  const { nand, erasesize, offset } = state.flash;
  const oob = nand === null ? [] : oobBlocks(run.read(run.image), offset, nand, erasesize);
  const isBad = (block: number): boolean => oob[block]?.isBad === true;
  const blocks = blockUse(state, nodesInForce(state), eraseCounts(run, state), isBad);
  run.line(
    'block     offset state     in force  obsolete structure      dirt      free summary erased',
  );
  for (const block of blocks) {
    const cells = [block.usedBytes, block.obsoleteBytes, block.overheadBytes, block.dirtBytes];
    run.line(
      `${String(block.block).padStart(5)} ${hex(block.offset).padStart(10)} ` +
        `${block.state.padEnd(8)} ${[...cells, block.freeBytes].map((n) => String(n).padStart(9)).join(' ')} ` +
        `${block.summary.padEnd(7)} ${block.eraseCount ?? '-'}`,
    );
  }
  return run.finish({ blocks });
}

/** What the sidecar says, where it speaks of the same blocks. */
function eraseCounts(run: Run, { flash }: State): readonly number[] | undefined {
  const sidecar = read_sidecar(run.host, sidecar_path(run.image, flash.offset));
  if (!sidecar?.snapshot) return undefined;
  const { description, wear } = sidecar.snapshot;
  if (description.erasesize !== flash.erasesize) return undefined;
  replay_journal(sidecar, wear);
  return [...wear.eraseCount];
}

/** history: a timeline. */
export function historyAction(
  run: Run,
  options: { path?: string; inode?: number; format?: string },
): number {
  const state = run.openJffs2();
  const paths = new Paths(state);
  if (options.format === 'body' && !run.json) {
    for (const line of bodyFile(state, recoverable(state, paths))) run.line(line);
    return run.finish(null);
  }
  const whole = history(state, nodesInForce(state), paths);
  const wanted =
    options.path === undefined ? undefined : pathBytes(options.path).replace(/^\.?\//, '');
  const events = whole.events.filter(
    ({ path, oldPath, ino, versionsOf }) =>
      (wanted === undefined || path === wanted || oldPath === wanted) &&
      (options.inode === undefined || ino === options.inode || versionsOf === options.inode),
  );
  const chosen = { events, limits: whole.limits };
  if (events.length === 0 && whole.events.length > 0) {
    const what = options.path ?? `inode ${options.inode}`;
    run.problem(`${what}: nothing on the flash has, or had, this path or inode`);
  }
  if (options.format === 'csv') for (const line of historyCsv(chosen)) run.line(line);
  else {
    for (const event of events) {
      const versions =
        event.version === event.versionEnd
          ? `${event.version}`
          : `${event.version}–${event.versionEnd}`;
      const marks = `${event.isInForce ? '' : ' (out of date)'}${event.isInferred ? ' (inferred)' : ''}${event.isClockBack ? ' (clock set back)' : ''}`;
      run.line(
        `${isoTime(event.time).padEnd(20)} ${event.kind.padEnd(10)} ${shown(event.path)} ` +
          `[${event.versionsOf} v${versions}] ${event.text}${event.kind === 'gap' ? '' : marks}`,
      );
    }
    run.line('');
    run.line('What cannot be known:');
    for (const limit of whole.limits) run.line(`- ${limit}`);
  }
  return run.finish(historyJson(chosen));
}

/** recover: what is gone and still there; with a folder, brought out. */
export async function recoverAction(
  run: Run,
  options: ExtractOptions & { output?: string },
): Promise<number> {
  const state = run.openJffs2();
  const items = recoverable(state);
  for (const item of items) run.line(recoverableText(item));
  let written: object | undefined;
  if (options.output !== undefined) {
    const target = new HostTree(options.output, { keepOwners: false, keepSpecial: false });
    const sum = await bringOut(run, writeRecovered(state, items, target), target, options.output);
    run.line(`${sum.names} files, ${sum.bytes} bytes in ${options.output}`);
    written = sum;
  } else if (items.length === 0)
    run.line('nothing: no deleted name, no earlier version, no orphan');
  return run.finish({ items: items.map(recoverableJson), ...(written && { written }) });
}

/** Each under a name that tells what it is: no name of the image becomes a path here. */
function* writeRecovered(
  state: State,
  items: readonly Recoverable[],
  target: TreeTarget,
): Generator<Extracted, void, undefined> {
  const seen = new Set<string>();
  for (const item of items) {
    const { content } = item;
    const { ino, version } = content;
    if (content.type !== 'file' && content.type !== 'symlink') continue;
    const key = `${ino}.${version}`;
    if (seen.has(key) || content.remains === 'none') continue;
    seen.add(key);
    const inode = state.inodeAt(ino, version);
    const path = 'path' in item ? item.path : '';
    const base = path
      .split('/')
      .at(-1)!
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .slice(0, 100);
    const name = `inode-${ino}-version-${version}${base === '' ? '' : `-${base}`}`;
    const problem = writeOne(state, target, name, inode);
    const partial = content.remains === 'partial' ? content.missing.join('; ') : null;
    const problems = [problem, partial].filter((text) => text !== null);
    yield { path: path === '' ? name : path, type: inode.type, bytes: inode.size, problems };
  }
}

function writeOne(
  state: State,
  target: TreeTarget,
  name: string,
  inode: InodeState,
): string | null {
  const { uid, gid, atime, mtime } = inode;
  // Readable for its finder, and never set-id.
  const attributes = { mode: 0o600, uid, gid, atime, mtime, xattrs: [] };
  if (inode.target === undefined) return writeFile(state, target, name, inode, attributes);
  const bytes = Buffer.from(inode.target, 'latin1');
  return target.file(name, bytes.length, [{ from: 0, bytes }], attributes);
}

async function runCheck(run: Run, state: State): Promise<CheckResult> {
  return await run.steps(
    checkSteps(state),
    () => {},
    ({ done, of }) => ['checking', done, of],
  );
}

function showCheck(run: Run, result: CheckResult): void {
  for (const { severity, at, kind, text, repair: possible } of result.problems) {
    const place = at < 0 ? '-' : hex(at);
    run.line(`${severity} ${place} ${kind}: ${text}${possible ? '' : ' (cannot be repaired)'}`);
  }
  const { errors, notes, inodesChecked, isMountable } = result;
  run.line(
    `${errors} errors, ${notes} notes, ${inodesChecked} inodes${isMountable ? '' : '; a mount refuses it'}`,
  );
}

/** check: fsck for the medium. @returns fsck(8)'s bits. */
export async function checkAction(run: Run): Promise<number> {
  const result = await runCheck(run, run.open());
  showCheck(run, result);
  run.finish(checkJson(result));
  return result.errors > 0 ? FSCK.UNCORRECTED : FSCK.OK;
}

/** repair: clears what must not be believed, in a copy or in place. @returns fsck(8)'s bits. */
export async function repairAction(
  run: Run,
  options: { output?: string; inPlace?: true },
): Promise<number> {
  if ((options.output === undefined) === (options.inPlace === undefined)) {
    throw new InspectError('say where to: --output FILE, or --in-place');
  }
  const file = run.read(run.image);
  const before = options.inPlace === undefined ? null : file.slice();
  // Of what is no JFFS2, or read in the wrong byte order, all would be cleared.
  refuseForeign(new State(new Flash(file, run.flashOptions())), run.image);
  run.progress('repairing', 0, 0);
  const { repaired, result } = repair(file, run.flashOptions());
  if (options.output !== undefined) await run.write(options.output, file);
  else if (repaired.length > 0) await run.undisturbed(() => writeChanged(run, before!, file));
  showCheck(run, result);
  run.line(`${repaired.length} repaired`);
  run.finish(checkJson(result, repaired));
  return (repaired.length > 0 ? FSCK.CORRECTED : 0) | (result.errors > 0 ? FSCK.UNCORRECTED : 0);
}

const SECTOR = 512;

/** Only what differs is written; the rest of the file is not touched. */
function writeChanged(run: Run, before: Uint8Array, after: Uint8Array): void {
  const lock = run.host.lock(run.image, 'exclusive');
  try {
    const file = run.host.open(run.image, 'write');
    try {
      for (let at = 0; at < after.length; at += SECTOR) {
        const end = Math.min(after.length, at + SECTOR);
        let isSame = true;
        for (let i = at; i < end && isSame; i++) isSame = before[i] === after[i];
        if (!isSame) file.write(after, at, end - at, at);
      }
      file.sync();
    } finally {
      file.close();
    }
  } finally {
    lock.unlock();
  }
}

/** carve: file systems in a dump. */
export async function carveAction(run: Run, options: { output?: string }): Promise<number> {
  const dump = run.read(run.image);
  const found = carve(dump, (done, of) => run.progress('searching', done, of));
  if (found.length === 0) run.problem(`${run.image}: no JFFS2 node anywhere`);
  const fileSystems: object[] = [];
  for (const [n, one] of found.entries()) {
    const { offset, length, endian, eraseSizeBytes, nodes, missingBytes } = one;
    run.line(
      `${n}: ${hex(offset)}…${hex(offset + length)} (${length} bytes), ${endian} endian, erase ` +
        `size ${kib(eraseSizeBytes)}${one.isCertain ? '' : ' (a guess)'}, ${nodes} nodes` +
        (missingBytes > 0
          ? `; the first ${missingBytes} bytes of its first block are missing`
          : ''),
    );
    if (options.output === undefined) {
      fileSystems.push(one);
      continue;
    }
    const file = `${options.output}-${n}.jffs2`;
    const head = Buffer.alloc(missingBytes, 0xff);
    await run.write(file, Buffer.concat([head, dump.subarray(offset, offset + length)]));
    run.line(`   written to ${file}`);
    fileSystems.push({ ...one, file });
  }
  return run.finish({ fileSystems });
}

/** diff: as diff(1), 0 the same, 1 different, 2 trouble. */
export function diffAction(run: Run, other: string): number {
  const before = run.openJffs2();
  const after = run.openJffs2(other);
  const differences: unknown[] = [];
  const sign = { added: '+', removed: '-', changed: '~' };
  for (const difference of diff(before, after)) {
    differences.push(differenceJson(difference));
    const { path, change, details } = difference;
    run.line(`${sign[change]} ${shown(path)}: ${details.join('; ')}`);
  }
  run.finish({ differences });
  return differences.length > 0 ? EXIT.PARTIAL : EXIT.COMPLETE;
}

/** convert: another byte order or erase size. */
export async function convertAction(
  run: Run,
  options: {
    output: string;
    toEndian?: 'little' | 'big';
    toErasesize?: number;
    toPage?: NandOption | false;
  },
): Promise<number> {
  const state = run.open();
  if (state.flash.detection === null) throw new InspectError(`${run.image}: no JFFS2 node in it`);
  const { toEndian, toErasesize, toPage } = options;
  run.progress('converting', 0, 0);
  const converted = convert(state, { endian: toEndian, erasesize: toErasesize });
  const report = [...converted.report];
  let { bytes } = converted;
  if (toPage) {
    const endian = new Endian((toEndian ?? state.flash.endian.name) === 'little');
    bytes = withOob(bytes, toPage, toErasesize ?? state.flash.erasesize, endian);
    report.push(`pages of ${toPage.writesize}+${toPage.oobsize} bytes with Hamming ECC`);
  } else if (state.flash.nand !== null) report.push('OOB taken away');
  await run.write(options.output, bytes);
  for (const sentence of report) run.line(sentence);
  run.line(`${bytes.length} bytes in ${options.output}`);
  return run.finish({ output: options.output, sizeBytes: bytes.length, report });
}

/** oob: what the OOB of a NAND dump says, and its data without it. */
export async function oobAction(run: Run, options: { output?: string }): Promise<number> {
  const { flash } = run.open();
  const { nand } = flash;
  if (nand === null) {
    throw new InspectError(
      `${run.image}: no page with OOB is recognized in it; if there are any, give --page`,
    );
  }
  const blocks = oobBlocks(run.read(run.image), flash.offset, nand, flash.erasesize);
  const bad = blocks.filter(({ isBad }) => isBad).map(({ block }) => block);
  const cleanmarkers = blocks.filter(({ hasCleanmarker }) => hasCleanmarker).length;
  const { writesize, oobsize, ecc, layout, pages, programmedPages, restBytes } = nand;
  const { correctedBits, uncorrectablePages } = nand;
  for (const sentence of nand.evidence) run.line(sentence);
  run.line(
    `${pages} pages of ${writesize}+${oobsize} bytes (${layout}), ${programmedPages} programmed`,
  );
  run.line(
    `ECC ${ecc}: ${correctedBits} bits corrected, ${uncorrectablePages.length} pages beyond it`,
  );
  run.line(
    `erase blocks: ${blocks.length} of ${kib(flash.erasesize)}, ${cleanmarkers} with cleanmarker`,
  );
  run.line(`bad: ${bad.length === 0 ? 'none' : bad.join(', ')}`);
  if (restBytes > 0) run.problem(`${restBytes} bytes behind the last page are left out`);
  if (uncorrectablePages.length > 0) {
    run.problem(`${uncorrectablePages.length} pages have more wrong bits than can be corrected`);
  }
  if (options.output !== undefined) {
    await run.write(options.output, nand.data);
    run.line(`${nand.data.length} bytes in ${options.output}`);
  }
  return run.finish({
    writesize,
    oobsize,
    ecc,
    layout,
    pages,
    programmedPages,
    correctedBits,
    uncorrectablePages,
    badBlocks: bad,
    cleanmarkers,
    evidence: nand.evidence,
    ...(options.output !== undefined && { output: options.output }),
  });
}
